//! Lines that wait for what follows them before it is known whether they belong to the open record.
//!
//! In goes the line behind those that wait, out comes whether all of them belong to the record, none, or whether they wait
//! on. Which lines begin to wait is said by [`crate::continuation`].

use crate::detect::stands_alone;
use crate::record_start::begins_record;
use crate::{crashes, frames};

/// Lines that the message of a named exception may have before its frames come.
const MESSAGE_LINES_MAX: u8 = 16;
/// Lines of text that may stand before a Go stack: the error that it belongs to.
const TEXT_LINES_MAX: u8 = 3;
/// Further lines of a Python exception's message that may stand before the next exception.
const PYTHON_LINES_MAX: u8 = 8;

/// What waits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Held {
    /// Nothing.
    #[default]
    Nothing,
    /// A blank line: an exception may follow.
    Blank(Behind),
    /// So many lines behind a Python exception: another one may follow.
    Python(u8),
    /// Lines of text: frames may follow.
    Text(Lines),
    /// The same with the name of a Go function as the last one: its place may follow.
    Call(Lines),
}

/// What a blank line that waits stands behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behind {
    /// A PHP trace.
    Php,
    /// What Node had thrown, with its frames.
    Thrown,
    /// Anything else.
    Other,
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
    /// They belong to it, and a Python exception goes on.
    TakenPython,
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
            Held::Python(count) => python(count, next, is_blank),
            Held::Blank(Behind::Php) if frames::is_php_link(next) => Judged::TakenPhp,
            Held::Blank(Behind::Thrown) if crashes::is_node_version(next) => Judged::Taken,
            Held::Blank(_) if crashes::is_rust_section(next) => Judged::Taken,
            Held::Blank(_) if frames::is_exception_head(next) => {
                Judged::Waiting(Held::Text(Lines { count: 2, named: true }))
            }
            Held::Blank(_) => Judged::Given,
            _ if is_blank => Judged::Given,
            _ if crashes::is_laravel_stack(next) => Judged::TakenPhp,
            Held::Call(_) if frames::is_go_place(next) => Judged::Taken,
            Held::Call(lines) | Held::Text(lines) => lines.text(next),
        }
    }
}

/// Lines of a Python exception's message, judged by what follows.
fn python(count: u8, next: &[u8], is_blank: bool) -> Judged {
    let is_indented = matches!(next.first(), Some(b' ' | b'\t'));
    match () {
        () if frames::is_python_link(next) || crashes::is_pydantic_fault(next) => Judged::TakenPython,
        () if count >= PYTHON_LINES_MAX || is_indented && !is_blank => Judged::Given,
        () if !is_blank && (begins_record(next) || stands_alone(next)) => Judged::Given,
        () => Judged::Waiting(Held::Python(count + 1)),
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
