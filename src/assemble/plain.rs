//! What stands around a line's text and is no part of it: byte order marks, NUL bytes, carriage returns, terminal
//! sequences.
//!
//! In go lines as they were read, out come lines without these, counted where bytes are lost. Most lines have none, which
//! their first and last byte tell.

use std::borrow::Cow;

use spanline_parsers::{Entry, Text, ansi};

use super::Assembler;
use super::slot::Logical;
use crate::decode::{self, Line};
use crate::record::BOM;
use crate::record::Envelope;

impl Assembler {
    /// A physical line without its envelope and what stands around it, and whether it ended in CR LF.
    #[inline]
    pub(super) fn bare_line<'c>(&mut self, bytes: &'c [u8]) -> (Line<'c>, bool) {
        let (bytes, mut cr) = match bytes {
            [text @ .., b'\r'] => (text, true),
            _ => (bytes, false),
        };
        if self.wrappers.are_any()
            && let Some(mut line) = self.wrapped_line(bytes)
        {
            let ended = cr && self.crlf != Some(true);
            cr |= self.enveloped(&mut line, ended);
            return (line, cr && self.crlf != Some(true));
        }
        let mut line = match bytes.first().copied() {
            Some(0 | 0xef | ansi::ESCAPE) => self.odd_line(bytes),
            _ => decode::line(bytes, self.settings.envelopes),
        };
        if line.partial && cr && self.crlf != Some(true) {
            // The runtime cut the line after it: whether an LF follows is seen when it is whole.
            line.content.to_mut().push(b'\r');
            cr = false;
        }
        if line.envelope != Envelope::None {
            let ended = cr && self.crlf != Some(true);
            cr |= self.enveloped(&mut line, ended);
        }
        // All lines of the file end so: none of them is the program's.
        (line, cr && self.crlf != Some(true))
    }

    /// A line that begins with a byte that no record does.
    #[cold]
    fn odd_line<'c>(&mut self, bytes: &'c [u8]) -> Line<'c> {
        let bytes = self.without_marks(bytes);
        let line = decode::line(bytes, self.settings.envelopes);
        if line.envelope != Envelope::None || bytes.first() != Some(&ansi::ESCAPE) {
            return line;
        }
        // Colours may stand around an envelope too.
        let inside = decode::line(ansi::trim(bytes), self.settings.envelopes);
        if inside.envelope == Envelope::None { line } else { inside }
    }

    /// The same for the content of an envelope; whether it ended in CR LF. `ended`: the line did, and that was its CR.
    #[inline]
    pub(super) fn enveloped(&mut self, line: &mut Line<'_>, ended: bool) -> bool {
        if let Some(0 | 0xef) = line.content.first() {
            match &mut line.content {
                Cow::Borrowed(text) => *text = self.without_marks(text),
                Cow::Owned(text) => *text = self.without_marks(text).to_vec(),
            }
        }
        if line.partial || ended || line.content.last() != Some(&b'\r') {
            return false;
        }
        drop_last(&mut line.content);
        true
    }

    /// Without NULs, which a crash or a truncated file leaves before a record, and without a byte order mark.
    fn without_marks<'c>(&mut self, text: &'c [u8]) -> &'c [u8] {
        let nuls = text.iter().take_while(|byte| **byte == 0).count();
        if nuls > 0 && is_nul_line(text) {
            return text;
        }
        self.counts.nul_prefix_bytes += nuls as u64;
        let text = &text[nuls..];
        text.strip_prefix(BOM).unwrap_or(text)
    }
}

/// An eBPF enricher blanks the lines that it wrote anew elsewhere.
pub(super) fn is_nul_line(content: &[u8]) -> bool {
    content.iter().all(|byte| *byte == 0 || byte.is_ascii_whitespace())
}

/// Takes the last byte off.
pub(super) fn drop_last(text: &mut Text<'_>) {
    match text {
        Cow::Borrowed(text) => *text = &text[..text.len().saturating_sub(1)],
        Cow::Owned(text) => {
            text.pop();
        }
    }
}

/// Takes the terminal sequences out of a whole line; where they are kept, the original line is kept as well.
#[cold]
pub(super) fn strip(logical: &mut Logical<'_>, keep: bool) {
    if let Some(plain) = ansi::strip(&logical.content) {
        let raw = std::mem::replace(&mut logical.content, Cow::Owned(plain));
        logical.raw = keep.then(|| raw.into_owned().into_boxed_slice());
    }
}

/// The body has no terminal sequences, those that were escaped in the line included, or all that it had.
pub(super) fn settle_body(entry: &mut Entry<'_>, content: &[u8], raw: Option<&[u8]>, keep: bool) {
    if !keep {
        if matches!(entry.body, Cow::Owned(_))
            && let Some(plain) = ansi::has_escape(&entry.body).then(|| ansi::strip(&entry.body)).flatten()
        {
            entry.body = Cow::Owned(plain);
        }
        return;
    }
    let Some(raw) = raw else { return };
    let at = match &entry.body {
        Cow::Borrowed(body) => (body.as_ptr() as usize).checked_sub(content.as_ptr() as usize),
        Cow::Owned(body) => memchr::memmem::find(content, body),
    };
    if let Some(at) = at
        && !entry.body.is_empty()
        && content.get(at..at + entry.body.len()) == Some(&*entry.body)
    {
        let range = ansi::range_with_sequences(raw, at..at + entry.body.len());
        entry.body = Cow::Owned(raw.get(range).unwrap_or_default().to_vec());
    }
}
