//! The links file: one row for every record, in the order of its lines.
//!
//! In go records with their links, out come rows of JSON. Records of two streams are not complete in the order of
//! the file; rows wait here until all before them are known.

use std::io::{self, Write};

use crate::export::{fields, spell};
use crate::record::{Link, Position};

/// Writes rows for one run.
#[derive(Debug)]
pub struct LinkRows<W> {
    /// `None` once it has failed: what was written of it makes room for others.
    output: Option<W>,
    rows: u64,
    waiting: Vec<(Position, Option<Link>)>,
    /// How rows of the current file begin.
    start: Vec<u8>,
    text: Vec<u8>,
    failed: Option<io::Error>,
}

impl<W: Write> LinkRows<W> {
    /// Rows go to this output.
    pub fn new(output: W) -> LinkRows<W> {
        LinkRows {
            output: Some(output),
            rows: 0,
            waiting: Vec::new(),
            start: Vec::new(),
            text: Vec::new(),
            failed: None,
        }
    }

    /// Adds a record.
    pub fn add(&mut self, position: Position, link: Option<&Link>) {
        self.rows += 1;
        self.waiting.push((position, link.copied()));
    }

    /// All records before this place are known (`None`: all of the source): their rows are written. `files` are the names
    /// of the source's files.
    pub fn known_up_to(&mut self, open: Option<(u32, u64)>, files: &[String]) {
        self.waiting.sort_by_key(|(position, _)| (position.file, position.line, position.offset));
        let known = match open {
            Some(open) => self.waiting.partition_point(|(position, _)| (position.file, position.line) < open),
            None => self.waiting.len(),
        };
        let mut last = None;
        for (position, link) in self.waiting.drain(..known) {
            if last != Some(position.file) {
                last = Some(position.file);
                let file = files.get(position.file as usize).map_or("", String::as_str);
                self.start.clear();
                self.start.extend_from_slice(b"{\"file\":");
                spell::json_string(&mut self.start, file.as_bytes());
                self.start.extend_from_slice(b",\"line\":");
            }
            self.text.extend_from_slice(&self.start);
            row(&mut self.text, position, link.as_ref());
        }
        if let Some(Err(error)) = self.output.as_mut().map(|output| output.write_all(&self.text)) {
            (self.failed, self.output) = (Some(error), None);
        }
        self.text.clear();
    }

    /// Rows that were added.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Gives the output back with all rows written; an error of any write comes here.
    pub fn finish(self) -> io::Result<W> {
        match (self.output, self.failed) {
            (Some(mut output), None) => output.flush().map(|()| output),
            (_, error) => Err(error.unwrap_or_else(|| io::ErrorKind::Other.into())),
        }
    }
}

/// A row after the name of its file.
fn row(out: &mut Vec<u8>, position: Position, link: Option<&Link>) {
    spell::decimal(out, position.line);
    out.extend_from_slice(b",\"lines\":");
    spell::decimal(out, position.lines.into());
    out.extend_from_slice(b",\"offset\":");
    spell::decimal(out, position.offset);
    out.push(b',');
    match link {
        Some(link) => members(out, link),
        None => out.extend_from_slice(
            b"\"trace_id\":null,\"span_id\":null,\"method\":null,\"confidence\":null,\"relation\":null,\"verified\":null",
        ),
    }
    out.extend_from_slice(b"}\n");
}

/// The members of an object that tell a link.
pub(super) fn members(out: &mut Vec<u8>, link: &Link) {
    out.extend_from_slice(b"\"trace_id\":\"");
    spell::hex(out, &link.trace_id);
    out.extend_from_slice(b"\",\"span_id\":");
    if link.span_id == [0; 8] {
        out.extend_from_slice(b"null");
    } else {
        out.push(b'"');
        spell::hex(out, &link.span_id);
        out.push(b'"');
    }
    out.extend_from_slice(b",\"method\":\"");
    out.extend_from_slice(link.method.name().as_bytes());
    out.extend_from_slice(b"\",\"confidence\":");
    match link.confidence {
        Some(confidence) => spell::ten_thousandths(out, fields::ten_thousandths(confidence)),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"relation\":\"");
    out.extend_from_slice(link.relation.name().as_bytes());
    out.extend_from_slice(b"\",\"verified\":");
    out.extend_from_slice(if link.verified { b"true" } else { b"false" });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Method, Relation};

    #[test]
    fn rows_come_in_the_order_of_lines_and_parse() {
        let mut out = Vec::new();
        let mut rows = LinkRows::new(&mut out);
        let at = |line| Position {
            file: 0,
            line,
            lines: 1,
            offset: line * 10,
            end: line * 10 + 10,
            strand: 0,
            seqnum: None,
            is_left_out: false,
        };
        let link = Link {
            trace_id: [1; 16],
            span_id: [0; 8],
            method: Method::Request,
            confidence: Some(0.995),
            relation: Relation::Within,
            verified: true,
            has_event: false,
        };
        let files = ["a \"b\".log".to_owned()];
        rows.add(at(3), None);
        rows.add(at(1), Some(&link));
        rows.known_up_to(Some((0, 2)), &files);
        rows.add(at(2), None);
        rows.known_up_to(None, &files);
        rows.finish().unwrap();
        let rows: Vec<serde_json::Value> =
            String::from_utf8(out).unwrap().lines().map(|row| serde_json::from_str(row).unwrap()).collect();
        assert_eq!(rows.iter().map(|row| row["line"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(rows[0]["file"], "a \"b\".log");
        assert_eq!(rows[0]["trace_id"], "01".repeat(16));
        assert_eq!(rows[0]["confidence"], 0.995);
        assert!(rows[0]["span_id"].is_null() && rows[1]["method"].is_null());
    }
}
