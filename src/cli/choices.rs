//! What several commands' flags choose from.

use clap::ValueEnum;

/// Which fields of a journal's entries become attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum JournalFields {
    /// All of them
    All,
    /// Without those that journald adds to every entry
    Some,
}

/// Which lines about a request become events of its span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AboutEventsName {
    /// All that are known to be about that request
    All,
    /// None: only lines that were written within the span
    None,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// `--fields`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FieldsShown {
    /// Every field of each line
    All,
    /// Not what is in the heading, the column of the source or the line before; the place in the source as kubelet.go:2043
    Some,
    /// The message alone
    None,
}
