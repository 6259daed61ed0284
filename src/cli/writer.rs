//! Who wrote a file when its path does not say: flags whose place among the paths counts, which a derived parser forgets.
//!
//! In go the matches of clap, out come the flags and the places of the paths, in the order in which they were typed.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

/// One of the flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriterFlag {
    /// `--for`: the flags after it hold for files of this pattern.
    For(String),
    /// `--service`
    Service(String),
    /// `--pod`
    Pod(String),
    /// `--resource`
    Resource(String),
}

/// Something that was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Typed {
    /// A flag about the writer.
    Flag(WriterFlag),
    /// The next one of the paths.
    Path,
}

/// Flags and paths in their order.
#[derive(Debug, Clone, Default)]
pub struct WriterArgs {
    /// What was typed.
    pub typed: Vec<Typed>,
}

/// Makes a flag of its value.
type Make = fn(String) -> WriterFlag;

const FLAGS: [(&str, &str, &str, Make); 4] = [
    (
        "service",
        "NAME",
        "The service.name of the paths that follow (or of --for's files), up to the next such flags",
        WriterFlag::Service,
    ),
    (
        "pod",
        "NS/POD[/CONTAINER]",
        "The pod, and its container, that wrote the paths that follow, likewise",
        WriterFlag::Pod,
    ),
    (
        "resource",
        "KEY=VALUE",
        "A resource attribute of the paths that follow, likewise (repeatable); k8s.pod.uid, host.name and others help linking",
        WriterFlag::Resource,
    ),
    (
        "for",
        "PATTERN",
        "The --service, --pod and --resource after it hold for the files of this pattern, wherever they are found: * stands \
         for anything but /, ** for anything; it is the end of a path, or all of it",
        WriterFlag::For,
    ),
];

impl Args for WriterArgs {
    fn augment_args(command: Command) -> Command {
        FLAGS.iter().fold(command, |command, (name, value, help, _)| {
            let arg = Arg::new(*name)
                .long(*name)
                .value_name(*value)
                .help(*help)
                .help_heading(super::heading::INPUT)
                .hide_short_help(true)
                .action(ArgAction::Append);
            command.arg(arg)
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        WriterArgs::augment_args(command)
    }
}

impl FromArgMatches for WriterArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<WriterArgs, clap::Error> {
        let mut typed: Vec<(usize, Typed)> = Vec::new();
        for (name, _, _, make) in FLAGS {
            let values = matches.get_many::<String>(name).into_iter().flatten();
            let places = matches.indices_of(name).into_iter().flatten();
            typed.extend(places.zip(values).map(|(place, value)| (place, Typed::Flag(make(value.clone())))));
        }
        for paths in ["paths", "files"] {
            if matches.ids().any(|id| id.as_str() == paths) {
                typed.extend(matches.indices_of(paths).into_iter().flatten().map(|place| (place, Typed::Path)));
            }
        }
        typed.sort_by_key(|(place, _)| *place);
        Ok(WriterArgs { typed: typed.into_iter().map(|(_, typed)| typed).collect() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = WriterArgs::from_arg_matches(matches)?;
        Ok(())
    }
}
