//! Lines that wait for what follows them before it is known whether they belong to the open record.
//!
//! In goes the line after those that wait, out comes whether all of them belong to the record, none, or whether they wait
//! on. Which lines begin to wait is decided by [`crate::records::continuation`].

use crate::detect::stands_alone;
use crate::records::record_start::begins_record;
use crate::stacks::{crashes, frames};

/// Lines that the message of a named exception may have before its frames come.
const MESSAGE_LINES_MAX: u8 = 16;
/// Lines of text that may stand before a Go stack: the error that it belongs to.
const TEXT_LINES_MAX: u8 = 3;
/// Further lines of a Python exception's message that may stand before the next exception.
const PYTHON_LINES_MAX: u8 = 8;

/// What waits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Pending {
    /// Nothing.
    #[default]
    Nothing,
    /// A blank line: an exception may follow.
    Blank(Behind),
    /// So many lines after a Python exception: another one may follow.
    Python(u8),
    /// Lines of text: frames may follow.
    Text(Lines),
    /// The same with the name of a Go function as the last one: its place may follow.
    Call(Lines),
}

/// What a blank line that waits stands after.
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
pub(crate) enum Verdict {
    /// They belong to the record.
    Joins,
    /// They belong to it, and a PHP trace goes on.
    JoinsPhp,
    /// They belong to it, and a Python exception goes on.
    JoinsPython,
    /// They do not.
    Separate,
    /// They wait on, with this line.
    Undecided(Pending),
}

impl Pending {
    /// The first line that waits, which is no blank one; `None` where it need not. `named`: the record names an exception;
    /// `is_error`: it tells of an error.
    pub(crate) fn first(line: &[u8], named: bool, is_error: bool) -> Option<Pending> {
        if frames::is_exception_head(line) {
            return Some(Pending::Text(Lines { count: 1, named: true }));
        }
        if frames::is_go_function(line) {
            return Some(Pending::Call(Lines { count: 1, named }));
        }
        let is_text = (named || is_error) && !begins_record(line) && !stands_alone(line);
        is_text.then_some(Pending::Text(Lines { count: 1, named }))
    }

    /// Judges those that wait by the line after them.
    pub(crate) fn judge(self, next: &[u8]) -> Verdict {
        let is_blank = next.trim_ascii().is_empty();
        match self {
            Pending::Nothing => Verdict::Separate,
            Pending::Python(count) => python(count, next, is_blank),
            Pending::Blank(Behind::Php) if frames::is_php_link(next) => Verdict::JoinsPhp,
            Pending::Blank(Behind::Thrown) if crashes::is_node_version(next) => Verdict::Joins,
            Pending::Blank(_) if crashes::is_rust_section(next) => Verdict::Joins,
            Pending::Blank(_) if frames::is_exception_head(next) => {
                Verdict::Undecided(Pending::Text(Lines { count: 2, named: true }))
            }
            Pending::Blank(_) => Verdict::Separate,
            _ if is_blank => Verdict::Separate,
            _ if crashes::is_laravel_stack(next) => Verdict::JoinsPhp,
            Pending::Call(_) if frames::is_go_place(next) => Verdict::Joins,
            Pending::Call(lines) | Pending::Text(lines) => lines.text(next),
        }
    }
}

/// Lines of a Python exception's message, judged by what follows.
fn python(count: u8, next: &[u8], is_blank: bool) -> Verdict {
    let is_indented = matches!(next.first(), Some(b' ' | b'\t'));
    match () {
        () if frames::is_python_link(next) || crashes::is_pydantic_fault(next) => Verdict::JoinsPython,
        () if count >= PYTHON_LINES_MAX || is_indented && !is_blank => Verdict::Separate,
        () if !is_blank && (begins_record(next) || stands_alone(next)) => Verdict::Separate,
        () => Verdict::Undecided(Pending::Python(count + 1)),
    }
}

impl Lines {
    fn text(self, next: &[u8]) -> Verdict {
        let is_indented = matches!(next[0], b' ' | b'\t');
        if self.named && (frames::is_indented_frame(next) || !is_indented && frames::is_frame(next)) {
            return Verdict::Joins;
        }
        let count = self.count + 1;
        let named = self.named || frames::is_exception_head(next);
        if count > (if named { MESSAGE_LINES_MAX } else { TEXT_LINES_MAX }) || is_indented && !named {
            return Verdict::Separate;
        }
        if !is_indented && frames::is_go_function(next) {
            return Verdict::Undecided(Pending::Call(Lines { count, named }));
        }
        if !is_indented && (begins_record(next) || stands_alone(next)) {
            return Verdict::Separate;
        }
        Verdict::Undecided(Pending::Text(Lines { count, named }))
    }
}
