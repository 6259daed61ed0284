//! What is known of one file that is followed, and what its size and time tell when they are looked at again.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::config::TailLimits;
use super::file_system::{EntryKind, FileSystem, OpenFile, Stat};
use super::opened::{Form, Opened, head};
use crate::files::followed::{FollowedFile, Place, Sample};
use crate::files::identity::FileId;

/// Milliseconds since the follower was made.
pub(super) type Millis = u64;

/// A duration in it.
pub(super) fn millis(duration: std::time::Duration) -> Millis {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The full second after a time: what can wait is looked at together.
pub(super) fn at_second(at: Millis) -> Millis {
    at.div_ceil(1_000).saturating_mul(1_000)
}

/// A compressed file is read once it was quiet for so long: it may still be written. So long what was read is remembered when
/// it is gone: it may turn up as a copy.
pub(super) const SETTLING_MS: Millis = 5_000;

/// How far a file has come in this run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing of it was given yet.
    Waiting,
    /// It is being given.
    Begun,
    /// It was read to its end, and another file or nothing follows it.
    Finished,
    /// It had been finished and has grown since: that is being given.
    Late,
    /// It is no log, or it could not be read for too long.
    Abandoned,
}

/// Where the content of a file is to be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// At its inode, which has a name.
    Named,
    /// At its inode, which has no name any more but is held open.
    Unlinked,
    /// Nowhere: the inode is gone or holds something else. A copy may turn up.
    Lost,
    /// Not looked for yet: it is known from an earlier run.
    ToFind,
}

/// A file that is followed.
#[derive(Debug)]
pub(super) struct File<H> {
    pub(super) number: u32,
    /// Its place in the list given at the start, until that was told.
    pub(super) known: Option<u32>,
    /// Its name, or the last one that it had.
    pub(super) name: Box<Path>,
    pub(super) id: FileId,
    pub(super) prefix: Sample,
    pub(super) place: Place,
    /// Up to here no line feed was found behind the place.
    pub(super) searched: u64,
    /// As it was last seen on disk.
    pub(super) size: u64,
    pub(super) modified: i64,
    /// Of a plain file the bytes that it surely had; of a packed one those on disk that were read.
    pub(super) sure: u64,
    /// Since when it has not changed, as far as was looked; or since when it is gone.
    pub(super) quiet_since: Millis,
    /// It had been rotated away before this run began, and was not written to since: it is not waited for.
    pub(super) is_old: bool,
    /// Since when it cannot be read.
    pub(super) failed_since: Option<Millis>,
    pub(super) state: State,
    pub(super) presence: Presence,
    pub(super) form: Form,
    /// It has changed since it was read to its end.
    pub(super) has_news: bool,
    /// It grew after its end, and was compared with the others since.
    pub(super) grows_late: bool,
    /// It may hold something else than it did: to be compared before anything else.
    pub(super) is_suspect: bool,
    /// The sink knows its number.
    pub(super) was_told: bool,
    pub(super) open: Option<Box<Opened<H>>>,
}

/// What has become of a file since it was looked at last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Same,
    Changed,
    /// It holds less than was read of it.
    Cut,
}

impl<H: OpenFile> File<H> {
    /// One that was not known.
    pub(super) fn new(number: u32, name: &Path, stat: &Stat, now: Millis) -> File<H> {
        File {
            number,
            known: None,
            name: name.into(),
            id: stat.id,
            prefix: Sample::default(),
            place: Place::default(),
            searched: 0,
            size: stat.size,
            modified: stat.modified,
            sure: 0,
            quiet_since: now,
            is_old: false,
            failed_since: None,
            state: State::Waiting,
            presence: Presence::Named,
            form: Form::Unknown,
            has_news: stat.size > 0,
            grows_late: false,
            is_suspect: false,
            was_told: false,
            open: None,
        }
    }

    /// One that was followed in an earlier run, before it is looked for.
    pub(super) fn known(number: u32, known: u32, followed: &FollowedFile, now: Millis) -> File<H> {
        let name = followed.path.file_name().or_else(|| followed.family.file_name()).unwrap_or_default().as_ref();
        let nothing_seen = Stat { kind: EntryKind::File, id: followed.id, size: followed.resume.at, modified: 0 };
        File {
            known: Some(known),
            prefix: followed.prefix,
            place: followed.resume,
            sure: followed.resume.at,
            state: if followed.is_finished { State::Finished } else { State::Waiting },
            presence: Presence::ToFind,
            has_news: false,
            ..File::new(number, name, &nothing_seen, now)
        }
    }

    /// It was empty when it was met, under another name than the one that is written to: what it is will be seen.
    pub(super) fn is_unclear(&self, base: &Path) -> bool {
        self.presence == Presence::Named && self.size == 0 && self.place.at == 0 && *self.name != *base
    }

    /// Takes a sample of its first bytes before it is read, so that it is known if it becomes another one.
    pub(super) fn sample(&mut self, handle: &Arc<H>) {
        if let Ok((head, form)) = head(handle) {
            self.prefix = Sample::of_start(&head);
            self.form = if head.is_empty() { Form::Unknown } else { form };
            self.sure = if self.form == Form::Packed { 0 } else { self.size };
        }
    }

    /// As it is to be remembered.
    pub(super) fn followed(&self, folder: &Path, base: &Path) -> FollowedFile {
        FollowedFile {
            path: folder.join(&self.name),
            family: folder.join(base),
            id: self.id,
            prefix: self.prefix,
            resume: self.place,
            is_finished: self.state == State::Abandoned || self.state == State::Finished && !self.is_behind(),
        }
    }

    pub(super) fn name_bytes(&self) -> usize {
        self.name.as_os_str().len()
    }

    /// Nothing more is expected of it.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.state, State::Finished | State::Abandoned)
    }

    /// It was finished, and there is more of it: unless its inode was used again, for a file that begins alike.
    pub(super) fn has_grown_late(&self) -> bool {
        self.state == State::Finished && self.is_there() && self.has_news && self.form != Form::Packed
    }

    /// The sink was told that it begins, and not that it ends.
    pub(super) fn has_begun(&self) -> bool {
        matches!(self.state, State::Begun | State::Late)
    }

    /// It can be read where its inode is.
    pub(super) fn is_there(&self) -> bool {
        matches!(self.presence, Presence::Named | Presence::Unlinked)
    }

    /// Bytes of it were seen that were not given.
    pub(super) fn is_behind(&self) -> bool {
        match self.form {
            Form::Packed => self.size != self.sure,
            Form::Plain | Form::Unknown => self.size > self.place.at,
        }
    }

    /// Bytes that were not given and surely existed.
    pub(super) fn unread(&self) -> u64 {
        match (self.form, &self.open) {
            (Form::Packed, Some(open)) => self.size.saturating_sub(open.consumed()),
            // How much of it on disk was given is not known.
            (Form::Packed, None) if self.place.at > 0 && self.sure == 0 => 0,
            (Form::Packed, None) => self.size.saturating_sub(self.sure),
            _ => self.sure.max(if self.is_suspect { 0 } else { self.size }).saturating_sub(self.place.at),
        }
    }

    /// What the system tells of it: of what is open, or of what has its name.
    pub(super) fn stat<F: FileSystem<File = H>>(&self, fs: &F, folder: &Path) -> io::Result<Stat> {
        match &self.open {
            Some(open) => open.handle.stat(),
            None => fs.stat(&folder.join(&self.name)),
        }
    }

    /// Takes in what the system tells of its inode.
    pub(super) fn note(&mut self, stat: &Stat, now: Millis) -> Change {
        if (stat.size, stat.modified) == (self.size, self.modified) {
            return Change::Same;
        }
        (self.quiet_since, self.is_old) = (now, false);
        if self.form != Form::Packed {
            if stat.size < self.size {
                // What it had is lost, whether or not that was what was read of it.
                self.sure = self.sure.max(self.size);
                self.is_suspect = true;
            }
            if stat.size < self.place.at || self.place.at == 0 && stat.size < self.size {
                return Change::Cut;
            }
            // Written to without becoming longer.
            self.is_suspect |= stat.size == self.place.at && stat.size > 0;
        } else if let Some(open) = &mut self.open {
            // Its stream ends where it ended before.
            open.packed = None;
        }
        (self.size, self.modified) = (stat.size, stat.modified);
        self.has_news |= self.is_behind();
        Change::Changed
    }

    /// When a file that nothing follows in its name is taken for finished.
    pub(super) fn ends_at(&self, limits: &TailLimits) -> Millis {
        let has_rest = self.is_behind() && self.form != Form::Packed;
        if self.is_old && !has_rest {
            return 0;
        }
        self.quiet_since.saturating_add(millis(if has_rest { limits.late_rest_of_line } else { limits.late_writes }))
    }

    /// When it may be read: a packed file once it is whole.
    pub(super) fn readable_at(&self) -> Millis {
        match self.form {
            Form::Packed if self.state == State::Waiting && self.place.at == 0 => {
                self.quiet_since.saturating_add(SETTLING_MS)
            }
            _ => 0,
        }
    }
}
