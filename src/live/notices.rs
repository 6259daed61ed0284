//! What following files has to tell, in words.

use crate::input::tail::sink::Notice;

/// A notice in words.
pub(super) fn spelled(notice: &Notice<'_>) -> String {
    match notice {
        Notice::Failed { path, error } => {
            format!("{}: {error}; it is tried again, and others go on", path.display())
        }
        Notice::LeftOut { path, reason } => format!("{} is left out: {reason}", path.display()),
        Notice::NoWatches { error } => format!(
            "changes of files are not told any more, or not of all ({error}): they are found by looking, seconds later. On Linux \
             raise fs.inotify.max_user_watches and fs.inotify.max_user_instances"
        ),
        Notice::Overflow => "more files changed at once than was told: all are looked at".to_owned(),
        Notice::TooManySources { path } => {
            format!("there are too many log files to follow: {} and others are not followed", path.display())
        }
        Notice::TooManyBehind => {
            "more files are behind than may be kept open: what is deleted of the others before it is \
             read is lost, and counted"
                .to_owned()
        }
    }
}
