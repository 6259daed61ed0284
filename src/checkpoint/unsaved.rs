//! What changed since the state was saved last.
//!
//! In go numbers of files as they change, out they come once each. What changed of them is not known here.

use super::ranges::Ranges;

/// What is to be saved.
#[derive(Debug, Default)]
pub(super) struct Unsaved {
    /// All of it.
    pub(super) all: bool,
    /// Files that the run met.
    pub(super) met: Ranges,
    /// Files that changed.
    files: Vec<u32>,
    /// Of each file: whether it is among them.
    is_listed: Vec<bool>,
}

impl Unsaved {
    /// A file changed.
    pub(super) fn add(&mut self, number: u32) {
        let at = number as usize;
        if self.is_listed.len() <= at {
            self.is_listed.resize(at + 1, false);
        }
        if !std::mem::replace(&mut self.is_listed[at], true) {
            self.files.push(number);
        }
    }

    /// The files that changed: from now on they are as they were.
    pub(super) fn take_files(&mut self) -> Vec<u32> {
        let files = std::mem::take(&mut self.files);
        files.iter().for_each(|number| self.is_listed[*number as usize] = false);
        files
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_changed_is_given_once_and_again_when_it_changes_again() {
        let mut unsaved = Unsaved::default();
        [7, 0, 7, 300, 0].into_iter().for_each(|number| unsaved.add(number));
        assert_eq!(unsaved.take_files(), [7, 0, 300]);
        unsaved.add(0);
        assert_eq!((unsaved.take_files(), unsaved.take_files()), (vec![0], vec![]));
    }
}
