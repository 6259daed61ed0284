//! Outputs that would destroy what is read, or one another.
//!
//! In go the outputs and the inputs of a run under the names that the user knows them by, out comes the first output that
//! is an input or another output, in words. Nothing is opened for writing here.

use std::path::{Path, PathBuf};

use super::identity::{FileId, canonical};

/// Something that a run writes to.
#[derive(Debug, Clone)]
pub struct Output {
    name: String,
    id: Option<FileId>,
    /// `None` for a stream of the process.
    place: Option<PathBuf>,
}

impl Output {
    /// A file under the name that the user knows it by; it need not exist.
    pub fn file(name: impl Into<String>, path: &Path) -> Output {
        let place = canonical(path);
        Output { name: name.into(), id: FileId::at(path).or_else(|| FileId::at(&place)), place: Some(place) }
    }

    /// What the shell has connected to standard output.
    pub fn stdout() -> Output {
        let id = FileId::of_descriptor(std::io::stdout());
        Output { name: "the file that standard output goes to".into(), id, place: None }
    }

    /// What the shell has connected to standard error.
    pub fn stderr() -> Output {
        let id = FileId::of_descriptor(std::io::stderr());
        Output { name: "the file that standard error goes to".into(), id, place: None }
    }

    /// Devices and pipes may be written to by many.
    fn is(&self, other: &Output) -> bool {
        match (self.id, other.id, &self.place) {
            (Some(one), Some(two), _) => one == two && (self.place.is_some() || other.place.is_some()),
            (None, None, Some(place)) => Some(place) == other.place.as_ref() && !place.exists(),
            _ => false,
        }
    }
}

/// A file that a run reads.
#[derive(Debug, Clone)]
pub struct Input {
    name: String,
    id: FileId,
}

impl Input {
    /// A file under the name that the user knows it by; `None` if there is no regular file.
    pub fn file(name: impl Into<String>, path: &Path) -> Option<Input> {
        Input::known(name, FileId::at(path))
    }

    /// The same, where its identity is known.
    pub fn known(name: impl Into<String>, id: Option<FileId>) -> Option<Input> {
        Some(Input { name: name.into(), id: id? })
    }
}

/// Why nothing may be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Clash {
    /// An output is an input.
    #[error(
        "{output} is also read ({input}): writing to it would destroy it. Nothing was written; choose another file"
    )]
    Read {
        /// The output.
        output: String,
        /// The input.
        input: String,
    },
    /// An output is another output.
    #[error("{one} and {two} are the same file. Nothing was written; choose another file for one of them")]
    Twice {
        /// One of them.
        one: String,
        /// The other.
        two: String,
    },
}

/// Refuses outputs that are inputs or one another. Both streams of the process may go to one file: shells do that.
pub fn check(outputs: &[Output], inputs: impl IntoIterator<Item = Input>) -> Result<(), Clash> {
    for input in inputs {
        if let Some(output) = outputs.iter().find(|output| output.id == Some(input.id)) {
            return Err(Clash::Read { output: output.name.clone(), input: input.name });
        }
    }
    for (at, one) in outputs.iter().enumerate() {
        if let Some(two) = outputs[at + 1..].iter().find(|two| one.is(two)) {
            return Err(Clash::Twice { one: one.name.clone(), two: two.name.clone() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_is_neither_an_input_nor_another_output() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("a.log"), "x").unwrap();
        std::os::unix::fs::symlink("a.log", at("link")).unwrap();
        let inputs = || Input::file("a.log", &at("a.log"));
        let output = |name: &str| Output::file(name, &at(name));
        let null = Output::file("null", Path::new("/dev/null"));
        assert_eq!(check(&[output("new"), null.clone(), null.clone(), output("sub/new")], inputs()), Ok(()));
        for name in ["a.log", "link", "sub/../a.log"] {
            let clash = check(&[null.clone(), output(name)], inputs()).unwrap_err();
            assert!(clash.to_string().starts_with(&format!("{name} is also read (a.log)")), "{clash}");
        }
        for (one, two) in [("new", "new"), ("sub/x", "./sub/x"), ("other.log", "other.log")] {
            std::fs::write(at("other.log"), "x").unwrap();
            assert!(matches!(check(&[output(one), output(two)], inputs()), Err(Clash::Twice { .. })), "{one} {two}");
        }
        assert_eq!(Input::file("null", Path::new("/dev/null")).map(|input| input.name), None);
    }
}
