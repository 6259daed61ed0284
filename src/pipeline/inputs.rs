//! What a run reads, found before anything else, and what must therefore not be written to.
//!
//! In goes a configuration, out come the sources of lines, what was left out, and the refusal of outputs that are inputs.
//! Nothing is opened for writing here.

use std::io;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use crate::files::clash::{self, Clash, Input, Output};
use crate::files::identity::FileId;
use crate::input::discover::{self, Found};
use crate::input::sources::{self, Source};
use crate::input::temporary::Temporary;
use crate::input::{archive, names, trees};
use crate::notify::Notify;
use crate::run::config::ReadConfig;
use crate::setting::Setting;
use crate::spans::list::{Folders, TraceFiles, Walked};

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
        let (journal, reads_whole) = (&config.input.journal, config.input.reads_whole_journals);
        let mut sources = sources::sources(&mut found, &config.input.writers, journal, reads_whole);
        if let Some(pods) = &config.input.pods {
            sources.iter_mut().for_each(|source| source.know_pod(pods));
        }
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

/// What lies in a folder of traces.
fn walked(folder: &Path) -> Walked {
    let found = discover::find(&[folder.to_owned()], &[]);
    Walked {
        left_out: found.left_out.values().map(Vec::len).sum(),
        failures: found.errors.iter().map(|(path, error)| format!("{}: {error}", path.display())).collect(),
        files: found.files.into_iter().map(|file| (file.path, file.shown)).collect(),
    }
}
