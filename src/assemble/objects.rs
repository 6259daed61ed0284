//! Several JSON objects on one line, which a torn write leaves behind: a record each.
//!
//! In goes a line that is no single object, out go records for the objects, and one for the rest. Only the first counts as a
//! physical line. An object may be docker's envelope, whose content then is the record.

use spanline_parsers::detect;
use spanline_parsers::{Entry, Format, json};

use super::Assembler;
use super::plain;
use super::slot::Meta;
use crate::decode;
use crate::record::Envelope;
use crate::record::sink::RecordSink;

impl Assembler {
    /// Where the first of several objects on a line ends. Asked of what was read as text only.
    #[inline]
    pub(super) fn first_object_end(&self, content: &[u8], entry: &Entry<'_>) -> Option<usize> {
        if entry.format != Format::Text || content.first() != Some(&b'{') {
            return None;
        }
        object_before_another(content)
    }

    /// Emits a record for each object of a line, `end` being where the first ends.
    #[cold]
    pub(super) fn objects<S: RecordSink>(
        &mut self,
        meta: Meta,
        mut lines: u32,
        content: &[u8],
        mut end: usize,
        sink: &mut S,
    ) {
        let mut at = 0;
        loop {
            let line = match meta.envelope {
                Envelope::None => decode::line(&content[at..end], self.settings.envelopes),
                _ => decode::Line::bare(&content[at..end]),
            };
            let mut place = Meta { offset: meta.offset + at as u64, ..meta };
            if end < content.len() {
                place.end = meta.offset + end as u64;
            }
            if line.envelope != Envelope::None {
                (place.envelope, place.stream, place.time) = (line.envelope, line.stream, line.time);
            }
            let mut entry = Entry::default();
            detect::payload(&line.content, self.settings.expect, &mut entry);
            plain::settle_body(&mut entry, &line.content, None, self.settings.keep_ansi);
            self.give(place, lines, 0, &line.content, line.journal.as_deref(), &mut entry, sink);
            if end == content.len() {
                return;
            }
            at = end + between(&content[end..]);
            end = at + object_before_another(&content[at..]).unwrap_or(content.len() - at);
            lines = 0;
        }
    }
}

fn object_before_another(text: &[u8]) -> Option<usize> {
    let end = json::value_end(text)?;
    let rest = &text[end..];
    (rest.get(between(rest)) == Some(&b'{')).then_some(end)
}

/// Blanks and NULs that stand between two objects.
fn between(text: &[u8]) -> usize {
    text.iter().take_while(|byte| matches!(**byte, b' ' | b'\t' | 0)).count()
}
