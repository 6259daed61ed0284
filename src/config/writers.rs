//! `--service`, `--pod`, `--resource` and `--for` → who wrote which paths.
//!
//! In go flags and paths in the order in which they were typed, out come the writers. Flags that stand together say one
//! writer; it holds for the paths after them up to the next such flags, or for the files of the pattern they begin with.
//!
//! ```text
//! arguments = *( writer / path )
//! writer    = [ "--for" PATTERN ] 1*( "--service" NAME / "--pod" NS "/" POD [ "/" CONTAINER ] / "--resource" KEY "=" VALUE )
//! ```

use regex::Regex;

use super::error::ConfigError;
use super::globs;
use crate::cli::writer::{Typed, WriterArgs, WriterFlag};
use crate::input::writers::{Pattern, Writer, Writers};

/// What holds for the flags that are read next.
#[derive(Default)]
struct Reading {
    writers: Writers,
    /// The writer that flags are being added to.
    open: Option<usize>,
    /// A pattern that waits for its flags.
    pattern: Option<(String, Regex)>,
    /// The writer of the paths that come.
    current: Option<usize>,
}

pub(super) fn writers(args: &WriterArgs) -> Result<Writers, ConfigError> {
    let mut reading = Reading::default();
    for typed in &args.typed {
        match typed {
            Typed::Path => {
                reading.end_of_pattern()?;
                reading.open = None;
                reading.writers.of_path.push(reading.current);
            }
            Typed::Flag(WriterFlag::For(pattern)) => {
                reading.end_of_pattern()?;
                reading.open = None;
                let names = globs::path(pattern).map_err(|error| ConfigError::new("--for", error))?;
                reading.pattern = Some((pattern.clone(), names));
            }
            Typed::Flag(flag) => reading.flag(flag)?,
        }
    }
    reading.end_of_pattern()?;
    let is_used = |at: usize| {
        reading.writers.of_path.contains(&Some(at))
            || reading.writers.patterns.iter().any(|pattern| pattern.writer == at)
    };
    if let Some(unused) = (0..reading.writers.all.len()).find(|at| !is_used(*at)) {
        let flag = reading.writers.all[unused].first_flag();
        return Err(ConfigError::new(flag, "comes after all paths: give it before the path that it holds for"));
    }
    Ok(reading.writers)
}

impl Reading {
    fn end_of_pattern(&mut self) -> Result<(), ConfigError> {
        match self.pattern.take() {
            None => Ok(()),
            Some(_) => Err(ConfigError::new("--for", "needs --service, --pod or --resource after it")),
        }
    }

    fn flag(&mut self, flag: &WriterFlag) -> Result<(), ConfigError> {
        let at = *self.open.get_or_insert_with(|| {
            self.writers.all.push(Writer::default());
            let at = self.writers.all.len() - 1;
            match self.pattern.take() {
                Some((text, names)) => self.writers.patterns.push(Pattern { text, names, writer: at }),
                None => self.current = Some(at),
            }
            at
        });
        let writer = &mut self.writers.all[at];
        match flag {
            WriterFlag::Service(name) if name.is_empty() => return Err(ConfigError::new("--service", "needs a name")),
            WriterFlag::Service(name) => writer.service = Some(name.clone()),
            WriterFlag::Pod(text) => writer.pod = Some(pod(text)?),
            WriterFlag::Resource(text) => match text.split_once('=') {
                Some((key, value)) if !key.is_empty() => writer.resource.push((key.to_owned(), value.to_owned())),
                _ => return Err(ConfigError::new("--resource", format!("{text:?} is no KEY=VALUE"))),
            },
            WriterFlag::For(_) => {}
        }
        Ok(())
    }
}

impl Writer {
    fn first_flag(&self) -> &'static str {
        match (&self.service, &self.pod) {
            (Some(_), _) => "--service",
            (_, Some(_)) => "--pod",
            _ => "--resource",
        }
    }
}

/// pod = namespace "/" name [ "/" container ]
fn pod(text: &str) -> Result<(String, String, Option<String>), ConfigError> {
    let parts: Vec<&str> = text.split('/').collect();
    match parts[..] {
        [namespace, name] if !namespace.is_empty() && !name.is_empty() => Ok((namespace.into(), name.into(), None)),
        [namespace, name, container] if parts.iter().all(|part| !part.is_empty()) => {
            Ok((namespace.into(), name.into(), Some(container.into())))
        }
        _ => Err(ConfigError::new("--pod", format!("{text:?} is no NAMESPACE/POD or NAMESPACE/POD/CONTAINER"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn typed(arguments: &str) -> Result<Writers, ConfigError> {
        let arguments = ["spanline", "convert"].into_iter().chain(arguments.split(' '));
        match crate::cli::Cli::try_parse_from(arguments).unwrap().command {
            crate::cli::Command::Convert(args) => writers(&args.writer),
            _ => unreachable!(),
        }
    }

    #[test]
    fn flags_hold_for_the_paths_behind_them_up_to_the_next_ones() {
        let writers = typed("a.log --service web --resource k=v b.log c.log --pod shop/db-0 d.log").unwrap();
        assert_eq!(writers.of_path, [None, Some(0), Some(0), Some(1)]);
        assert_eq!(writers.all[0].service.as_deref(), Some("web"));
        assert_eq!(writers.all[0].resource, [("k".to_owned(), "v".to_owned())]);
        assert_eq!((writers.all[1].service.as_deref(), writers.all[1].pod.is_some()), (None, true));
    }

    #[test]
    fn a_pattern_holds_for_files_wherever_they_are() {
        let writers = typed("--for web*.log --service web --for **/db/** --service db logs").unwrap();
        let of = |shown: &str| writers.of(0, shown).and_then(|at| writers.all[at].service.as_deref());
        assert_eq!((of("logs/web-1.log"), of("logs/web/x.log"), of("logs/db/x.log")), (Some("web"), None, Some("db")));
    }

    #[test]
    fn what_holds_for_nothing_is_said() {
        for (arguments, flag) in [
            ("a.log --service web", "--service"),
            ("--for x a.log", "--for"),
            ("--pod web a.log", "--pod"),
            ("--pod a/b/c/d a.log", "--pod"),
            ("--resource k a.log", "--resource"),
        ] {
            assert_eq!(typed(arguments).unwrap_err().flag, flag, "{arguments}");
        }
    }
}
