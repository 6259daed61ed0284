//! What a run reads, found before anything else, and what must therefore not be written to.
//!
//! In goes a configuration, out come the sources of lines, what was left out, and the refusal of outputs that are inputs.
//! Nothing is opened for writing here.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use crate::checkpoint::store;
use crate::files::clash::{self, Clash, Input, Output};
use crate::files::identity::FileId;
use crate::input::discover::{self, Found};
use crate::input::sources::{self, Source};
use crate::input::temporary::Temporary;
use crate::input::{archive, content, names, trees};
use crate::notify::Notify;
use crate::spans::list::{Folders, TraceFiles, Walked};

use crate::export::destination::Destination;
use crate::notify::counted;
use crate::run::config::{BackfillConfig, ReadConfig};
use crate::setting::Setting;

/// The logs of a run.
pub(crate) struct Inputs {
    pub(crate) found: Found,
    pub(crate) sources: Vec<Source>,
    pub(crate) traces: TraceFiles,
}

impl Inputs {
    /// Finds them; says what is left out if that is wanted.
    pub(crate) fn find(config: &ReadConfig, state: Option<&Path>, stop: &AtomicBool, notify: &Notify) -> Inputs {
        let folders = Folders { walk: &walked, notify: &**notify };
        let traces = TraceFiles::find(&config.traces.files, config.input.temporary_bytes_max, stop, &folders);
        let mut skip = traces.paths.clone();
        skip.extend(config.input.read_besides.iter().map(|(_, path)| path.clone()));
        skip.extend(state.map(Path::to_owned));
        let mut found = discover::find(&config.input.paths, &skip);
        archive::expand(&mut found, &mut Temporary::new(config.input.temporary_bytes_max), stop);
        trees::leave_out_others(&mut found, &config.input.paths);
        let shown: Vec<&str> = found.files.iter().map(|file| file.shown.as_str()).collect();
        for pattern in config.input.writers.unmatched(&shown) {
            notify(&format!(
                "{} {pattern}: no file has such a name, so that this has no effect",
                Setting::WriterPattern
            ));
        }
        let sources = sources::sources(&mut found, &config.input.writers);
        notify_of_journals(&found, &config.input.paths, notify);
        if config.input.verbose {
            for (reason, names) in &found.left_out {
                names.iter().for_each(|name| notify(&format!("left out {name}: {reason}")));
            }
        }
        Inputs { found, sources, traces }
    }

    /// Refuses what would destroy an input: all that is read, and what is left out only since another file holds the same.
    pub(crate) fn protect(&self, config: &ReadConfig, outputs: &[Output]) -> Result<(), Clash> {
        let files = self.sources.iter().flat_map(|source| &source.files);
        let logs = files.filter_map(|file| Input::known(&*file.shown, file.id));
        let repeated = self.found.left_out.get(names::REPEATS_INFO).into_iter().flatten();
        let repeated = repeated.filter_map(|name| Input::file(&**name, name.as_ref()));
        let named = Setting::Traces.to_string();
        let traces = self.traces.paths.iter().map(|path| (named.as_str(), path));
        let stdin = config.traces.files.iter().any(|path| path == Path::new("-"));
        let stdin = stdin.then(|| Input::known(format!("{named} -"), FileId::of_descriptor(io::stdin()))).flatten();
        let besides = traces.chain(config.input.read_besides.iter().map(|(flag, path)| (*flag, path)));
        let besides = besides.filter_map(|(flag, path)| Input::file(format!("{flag} {}", path.display()), path));
        clash::check(outputs, stdin.into_iter().chain(besides).chain(logs).chain(repeated))
    }
}

/// Lines of a node that nothing else holds must not be missing in silence. (One that was named is a failure.)
fn notify_of_journals(found: &Found, paths: &[PathBuf], notify: &Notify) {
    let is_given = |name: &&String| paths.iter().any(|path| path.as_os_str() == name.as_str());
    let names: Vec<&String> = found.left_out.get(content::BINARY_JOURNAL).into_iter().flatten().collect();
    let missing: Vec<&&String> = names.iter().filter(|name| !is_given(name)).collect();
    let Some(first) = missing.first() else { return };
    let folder = first.rsplit_once('/').map_or(".", |(folder, _)| folder);
    notify(&format!(
        "{} in the systemd journal's own format, which is not read (the first: {first}): lines of kubelet, CRI-O and others \
         that stand only there are MISSING. To read them: journalctl --directory {folder} -o export > node.export, and give \
         node.export in addition to the other paths",
        counted(missing.len() as u64, "file")
    ));
}

/// What a backfill writes to. A dry run is told what the real one would be.
pub(crate) fn outputs(config: &BackfillConfig) -> Vec<Output> {
    let mut outputs = vec![Output::stderr()];
    if let Some(path) = &config.links {
        outputs.push(Output::file(format!("{} {}", Setting::Links, path.display()), path));
    }
    if let Some(folder) = &config.state {
        outputs.push(Output::file(format!("{} {}", Setting::State, folder.display()), &folder.join(store::FILE_NAME)));
    }
    for destination in &config.destinations {
        match destination {
            Destination::Text => outputs.push(Output::stdout()),
            Destination::Files(folder) => {
                let mut names = vec!["logs.jsonl"];
                if config.read.traces.are_given() {
                    names.push("traces.jsonl");
                }
                for name in names {
                    let path = folder.join(name);
                    outputs.push(Output::file(
                        format!("{} file={} ({name})", Setting::Destination, folder.display()),
                        &path,
                    ));
                }
            }
            Destination::Logs(_) | Destination::Traces(_) => {}
        }
    }
    outputs
}

/// What lies in a folder of traces.
fn walked(folder: &Path) -> Walked {
    let found = discover::find(&[folder.to_owned()], &[]);
    Walked {
        left_out: found.left_out.values().map(Vec::len).sum(),
        failures: found.errors.iter().map(|(path, error)| format!("{}: {error}", path.display())).collect(),
        files: found.files.into_iter().map(|file| (file.path, file.shown)).collect(),
    }
}
