//! Lines that wait for what follows them before it is known whether they belong to the open record.
//!
//! In goes the line behind those that wait, out comes whether all of them belong to the record, none, or whether they wait
//! on. Which lines begin to wait is said by [`crate::continuation`].

use crate::continuation::begins_record;
use crate::detect::stands_alone;
use crate::frames;

/// Lines that the message of a named exception may have before its frames come.
const MESSAGE_LINES_MAX: u8 = 16;
/// Lines of text that may stand before a Go stack: the error that it belongs to.
const TEXT_LINES_MAX: u8 = 3;

/// What waits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Held {
    /// Nothing.
    #[default]
    Nothing,
    /// A blank line: an exception may follow.
    Blank {
        /// The record is a PHP trace.
        php: bool,
    },
    /// Lines of text: frames may follow.
    Text(Lines),
    /// The same with the name of a Go function as the last one: its place may follow.
    Call(Lines),
}

/// How many wait, and whether an exception was named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lines {
    count: u8,
    named: bool,
}

/// What the next line makes of those that wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judged {
    /// They belong to the record.
    Taken,
    /// They belong to it, and a PHP trace goes on.
    TakenPhp,
    /// They do not.
    Given,
    /// They wait on, with this line.
    Waiting(Held),
}

impl Held {
    /// The first line that waits, which is no blank one; `None` where it need not. `named`: the record names an exception;
    /// `is_error`: it tells of an error.
    pub(crate) fn first(line: &[u8], named: bool, is_error: bool) -> Option<Held> {
        if frames::is_exception_head(line) {
            return Some(Held::Text(Lines { count: 1, named: true }));
        }
        if frames::is_go_function(line) {
            return Some(Held::Call(Lines { count: 1, named }));
        }
        let is_text = (named || is_error) && !begins_record(line) && !stands_alone(line);
        is_text.then_some(Held::Text(Lines { count: 1, named }))
    }

    /// Judges those that wait by the line behind them.
    pub(crate) fn judge(self, next: &[u8]) -> Judged {
        let is_blank = next.trim_ascii().is_empty();
        match self {
            Held::Nothing => Judged::Given,
            Held::Blank { php: true } if frames::is_php_link(next) => Judged::TakenPhp,
            Held::Blank { .. } if frames::is_exception_head(next) => {
                Judged::Waiting(Held::Text(Lines { count: 2, named: true }))
            }
            Held::Blank { .. } => Judged::Given,
            _ if is_blank => Judged::Given,
            Held::Call(_) if frames::is_go_place(next) => Judged::Taken,
            Held::Call(lines) | Held::Text(lines) => lines.text(next),
        }
    }
}

impl Lines {
    fn text(self, next: &[u8]) -> Judged {
        let is_indented = matches!(next[0], b' ' | b'\t');
        if self.named && (frames::is_indented_frame(next) || !is_indented && frames::is_frame(next)) {
            return Judged::Taken;
        }
        let count = self.count + 1;
        let named = self.named || frames::is_exception_head(next);
        if count > (if named { MESSAGE_LINES_MAX } else { TEXT_LINES_MAX }) || is_indented && !named {
            return Judged::Given;
        }
        if !is_indented && frames::is_go_function(next) {
            return Judged::Waiting(Held::Call(Lines { count, named }));
        }
        if !is_indented && (begins_record(next) || stands_alone(next)) {
            return Judged::Given;
        }
        Judged::Waiting(Held::Text(Lines { count, named }))
    }
}
