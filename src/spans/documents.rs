//! JSON documents → the traces in them, one element at a time.
//!
//! In goes a stream of JSON values, one a line or over many lines: lists of traces or spans, and the objects that Jaeger
//! and Tempo put around such lists. Out come the elements of the lists, and objects that are no such wrapper as a whole,
//! gathered to pieces, so that a download of any size is read in bounded memory. Only brackets and strings are followed;
//! what an element means is `transcode`'s.
//!
//! ```text
//! documents = *( list / object )
//! list      = "[" *element "]"
//! object    = "{" *( list-key ":" list / wrapper-key ":" object / key ":" value ) "}"   ; without a list: an element
//! ```

use std::io::{self, BufRead};

use super::json_scan::ValueScan;

/// Elements are gathered until they have so many bytes: a request's worth, and pairs of shared Zipkin spans meet.
const PIECE_BYTES: usize = 4 << 20;
/// A longer key names no list.
const KEY_BYTES_MAX: usize = 64;
/// Lists of traces, resources or requests.
const LIST_KEYS: [&[u8]; 4] = [b"data", b"batches", b"resourceSpans", b"resource_spans"];
/// What is around an object that holds a list: Jaeger's api_v3 and Tempo's second version.
const WRAPPER_KEYS: [&[u8]; 2] = [b"result", b"trace"];

/// Elements taken from a stream.
#[derive(Default)]
pub(super) struct Piece {
    bytes: Vec<u8>,
    /// Where each ends, and its number in the stream.
    ends: Vec<(usize, u64)>,
    /// Number of the first one in the stream, from 1.
    pub(super) first: u64,
    /// Numbers of elements above the limit, which were skipped.
    pub(super) over_limit: Vec<u64>,
    /// Numbers of elements in whose place stood something that is no JSON.
    pub(super) broken: Vec<u64>,
}

impl Piece {
    /// Each with its number.
    pub(super) fn elements(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|(end, _)| *end));
        starts.zip(&self.ends).map(|(start, (end, number))| (*number, &self.bytes[start..*end]))
    }

    fn clear(&mut self, first: u64) {
        self.bytes.clear();
        self.ends.clear();
        self.over_limit.clear();
        self.broken.clear();
        self.first = first;
    }

    fn is_empty(&self) -> bool {
        self.ends.is_empty() && self.over_limit.is_empty() && self.broken.is_empty()
    }
}

/// What is open in the stream.
#[derive(Clone, Copy)]
enum Open {
    List,
    Object {
        /// Where its text begins in the piece, should it turn out to be an element.
        start: usize,
        /// A list was taken out of it: it is none.
        is_wrapper: bool,
    },
}

/// Follows a stream of documents.
#[derive(Default)]
pub(super) struct Documents {
    open: Vec<Open>,
    /// Elements met so far.
    count: u64,
    failed: Option<io::Error>,
}

impl Documents {
    /// Takes the next elements; false at the end. An error comes after the elements before it.
    pub(super) fn next_piece(
        &mut self,
        reader: &mut impl BufRead,
        element_bytes_max: usize,
        piece: &mut Piece,
    ) -> io::Result<bool> {
        piece.clear(self.count + 1);
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        while piece.bytes.len() < PIECE_BYTES || self.is_inside_object() {
            match self.step(reader, element_bytes_max, piece) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) if piece.is_empty() => return Err(error),
                Err(error) => {
                    self.failed = Some(error);
                    break;
                }
            }
        }
        // What is left of an object that was not whole.
        piece.bytes.truncate(piece.ends.last().map_or(0, |(end, _)| *end));
        Ok(!piece.is_empty())
    }

    fn is_inside_object(&self) -> bool {
        matches!(self.open.last(), Some(Open::Object { is_wrapper: false, .. }))
    }

    /// Takes one element, key or bracket; false at the end.
    fn step(&mut self, reader: &mut impl BufRead, max: usize, piece: &mut Piece) -> io::Result<bool> {
        let Some(next) = next_mark(reader)? else {
            if self.is_inside_object() {
                self.broken(piece);
            }
            self.open.clear();
            return Ok(false);
        };
        match (self.open.last().copied(), next) {
            (None, b'[') => {
                reader.consume(1);
                self.open.push(Open::List);
            }
            (None, b'{') => self.begin_object(reader, piece),
            (Some(Open::List), b']') => {
                reader.consume(1);
                self.open.pop();
            }
            (Some(Open::List), mark) if !matches!(mark, b'}' | b':') => self.element(reader, max, piece)?,
            (Some(Open::Object { start, is_wrapper }), b'}') => {
                reader.consume(1);
                self.open.pop();
                if !is_wrapper {
                    piece.bytes.push(b'}');
                    self.end_object(start, piece);
                }
            }
            (Some(Open::Object { .. }), b'"') => self.member(reader, max, piece)?,
            _ => {
                self.broken(piece);
                self.open.clear();
                reader.skip_until(b'\n')?;
                pass_to_value(reader)?;
            }
        }
        Ok(true)
    }

    fn begin_object(&mut self, reader: &mut impl BufRead, piece: &mut Piece) {
        reader.consume(1);
        self.open.push(Open::Object { start: piece.bytes.len(), is_wrapper: false });
        piece.bytes.push(b'{');
    }

    /// An object without anything in it is what Jaeger and Tempo answer where there is nothing.
    fn end_object(&mut self, start: usize, piece: &mut Piece) {
        if piece.bytes.len() == start + 2 {
            piece.bytes.truncate(start);
        } else {
            self.count += 1;
            piece.ends.push((piece.bytes.len(), self.count));
        }
    }

    fn element(&mut self, reader: &mut impl BufRead, max: usize, piece: &mut Piece) -> io::Result<()> {
        let start = piece.bytes.len();
        self.count += 1;
        if copy_value(reader, max, &mut piece.bytes)? {
            piece.ends.push((piece.bytes.len(), self.count));
        } else {
            piece.bytes.truncate(start);
            piece.over_limit.push(self.count);
        }
        Ok(())
    }

    /// member = key ":" value
    fn member(&mut self, reader: &mut impl BufRead, max: usize, piece: &mut Piece) -> io::Result<()> {
        let Some(Open::Object { start, is_wrapper }) = self.open.last().copied() else { return Ok(()) };
        // Of a wrapper nothing is kept but what was taken out of it.
        let start = if is_wrapper { piece.bytes.len() } else { start };
        if piece.bytes.len() > start + 1 {
            piece.bytes.push(b',');
        }
        let key_start = piece.bytes.len();
        let key_fits = copy_value(reader, max.max(KEY_BYTES_MAX), &mut piece.bytes)?;
        let key = piece.bytes[key_start..].trim_ascii();
        let key = key.strip_prefix(b"\"").and_then(|key| key.strip_suffix(b"\"")).unwrap_or_default();
        let (is_list, is_wrapper_key) = (LIST_KEYS.contains(&key), WRAPPER_KEYS.contains(&key));
        let value = match next_mark(reader)? {
            Some(b':') => {
                reader.consume(1);
                next_mark(reader)?
            }
            mark => mark,
        };
        if is_list && value == Some(b'[') || is_wrapper_key && value == Some(b'{') {
            piece.bytes.truncate(start);
            if let Some(open) = self.open.last_mut() {
                *open = Open::Object { start, is_wrapper: true };
            }
            if is_list {
                reader.consume(1);
                self.open.push(Open::List);
            } else {
                self.begin_object(reader, piece);
            }
            return Ok(());
        }
        piece.bytes.push(b':');
        let room = max.saturating_sub(piece.bytes.len() - start);
        let fits = key_fits && copy_value(reader, room, &mut piece.bytes)?;
        if is_wrapper {
            piece.bytes.truncate(start);
        } else if !fits {
            piece.bytes.truncate(start);
            self.count += 1;
            piece.over_limit.push(self.count);
            // The rest of it is skipped as that of a wrapper is.
            if let Some(open) = self.open.last_mut() {
                *open = Open::Object { start, is_wrapper: true };
            }
        }
        Ok(())
    }

    fn broken(&mut self, piece: &mut Piece) {
        if let Some(Open::Object { start, is_wrapper: false }) = self.open.last() {
            piece.bytes.truncate(*start);
        }
        self.count += 1;
        piece.broken.push(self.count);
    }
}

/// The next byte that is neither blank nor a comma, nor a byte order mark; it is not taken.
fn next_mark(reader: &mut impl BufRead) -> io::Result<Option<u8>> {
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok(None);
        }
        let blank = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b',' | 0xef | 0xbb | 0xbf | 0x1e);
        let blanks = buffer.iter().take_while(|byte| blank(byte)).count();
        if let Some(mark) = buffer.get(blanks).copied() {
            reader.consume(blanks);
            return Ok(Some(mark));
        }
        reader.consume(blanks);
    }
}

/// Skips lines up to one that begins with a bracket: so something broken costs itself, and not the rest.
fn pass_to_value(reader: &mut impl BufRead) -> io::Result<()> {
    while reader.fill_buf()?.first().is_some_and(|first| !matches!(first, b'{' | b'[')) {
        reader.skip_until(b'\n')?;
    }
    Ok(())
}

/// Appends the value that begins here, if it has at most this many bytes; false where it has more: it is then skipped.
fn copy_value(reader: &mut impl BufRead, bytes_max: usize, into: &mut Vec<u8>) -> io::Result<bool> {
    let (start, mut scan, mut fits) = (into.len(), ValueScan::default(), true);
    loop {
        let buffer = match reader.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            buffer => buffer?,
        };
        if buffer.is_empty() {
            return Ok(fits);
        }
        let (length, ends) = scan.take(buffer);
        fits = fits && into.len() - start + length <= bytes_max;
        if fits {
            into.extend_from_slice(&buffer[..length]);
        }
        reader.consume(length);
        if ends {
            return Ok(fits);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str], over_limit: usize, broken: usize) {
        // One byte at a time, and all at once.
        for capacity in [1, 1 << 16] {
            let mut reader = io::BufReader::with_capacity(capacity, text.as_bytes());
            let (mut documents, mut piece, mut found) = (Documents::default(), Piece::default(), Vec::new());
            let (mut over, mut bad) = (0, 0);
            while documents.next_piece(&mut reader, 60, &mut piece).unwrap() {
                found.extend(piece.elements().map(|(_, element)| String::from_utf8_lossy(element).into_owned()));
                over += piece.over_limit.len();
                bad += piece.broken.len();
            }
            let found: Vec<_> = found.iter().map(String::as_str).collect();
            assert_eq!((found.as_slice(), over, bad), (expected, over_limit, broken), "{text}");
        }
    }

    #[test]
    fn lists_give_their_elements_whatever_is_around_them() {
        check(r#"{"data":[{"a":"]}"},{"b":[1]}],"total":0,"errors":null}"#, &[r#"{"a":"]}"}"#, r#"{"b":[1]}"#], 0, 0);
        check(r#"{"total": 2, "x": {"data": [7]}, "data" : [ {"a":1} ] }"#, &[r#"{"a":1}"#], 0, 0);
        check(r#"{"result":{"resourceSpans":[{"a":1}]}} {"result":{}}"#, &[r#"{"a":1}"#], 0, 0);
        check(r#"{"status":1,"trace":{"batches":[{"a":1},{"b":2}]},"z":{}}"#, &[r#"{"a":1}"#, r#"{"b":2}"#], 0, 0);
        check("\u{feff}[\n  {\"a\": 1},\n  [{\"b\":2}]\n]\n", &["{\"a\": 1}", "[{\"b\":2}]"], 0, 0);
        check("{\"id\":1, \"spans\": [\n2 ]}\n{\"id\":3}", &["{\"id\":1,\"spans\":[\n2 ]}", "{\"id\":3}"], 0, 0);
        check("", &[], 0, 0);
        check("[] {} [[]]", &["[]"], 0, 0);
    }

    #[test]
    fn what_is_too_large_or_broken_costs_itself() {
        let long = "x".repeat(100);
        check(&format!(r#"[{{"a":1}},{{"a":"{long}"}},{{"b":2}}]"#), &[r#"{"a":1}"#, r#"{"b":2}"#], 1, 0);
        check(&format!(r#"{{"a":"{long}","b":1}}{{"c":3}}"#), &[r#"{"c":3}"#], 1, 0);
        check("{\"a\":1}\nnot json\n{\"b\":2}\n", &[r#"{"a":1}"#, r#"{"b":2}"#], 0, 1);
        check("{\"a\":1, 7\n{\"b\":2}\n", &[r#"{"b":2}"#], 0, 1);
        check("{\"a\":1,", &[], 0, 1);
    }
}
