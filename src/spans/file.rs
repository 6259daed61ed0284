//! Trace files, one export request at a time.
//!
//! In goes a file of OTLP/JSON (one request per line, or pretty-printed documents), of one OTLP protobuf request, of
//! requests each after a 4-byte big-endian length, or of another tool's JSON, compressed or not; its first bytes tell
//! which. Out come the bytes of requests in protobuf, in the order of the file, never more than one in memory. What cannot
//! be read is counted with its place and skipped.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use super::bounded::Bounded;
use super::documents::{Documents, Piece};
use super::json_scan::Scan;
pub use super::limits::{Counts, Limits};
use super::scan::{self, FactCounts, Room};
use super::trace_format::{self, TraceFormat};
use super::transcode::{Transcoder, json};
use crate::facts::{ResourceFact, SpanFact};
use crate::otlp::wire::messages::{self, REQUEST};
use crate::otlp::wire::write::{Buffer, varint};
use crate::unpack::peeked::Peeked;
use crate::unpack::unpacked;

/// An open trace file.
pub struct TraceFile {
    reader: BufReader<Bounded>,
    kind: TraceFormat,
    layout: Layout,
    limits: Limits,
    counts: Counts,
    /// Lines taken so far in JSON, requests in protobuf.
    place: u64,
    /// A value as it stands in the file.
    value: Vec<u8>,
    /// The request that JSON became.
    transcoded: Buffer,
    room: Room,
    ended: bool,
}

/// How requests lie in the file.
enum Layout {
    /// Of OTLP/JSON, which is read where it stands.
    Json,
    /// One request; its resources are handed out one by one.
    Protobuf,
    LengthPrefixed,
    /// All other JSON.
    Documents(Box<(Documents, Piece)>),
}

/// Bytes read at once: most requests lie in them as a whole.
const CHUNK_BYTES: usize = 1 << 18;

impl TraceFile {
    /// Opens a file.
    pub fn open(path: &Path, limits: Limits) -> io::Result<TraceFile> {
        TraceFile::from_reader(Box::new(File::open(path)?), limits)
    }

    /// Reads from anything.
    pub fn from_reader(source: Box<dyn Read + Send>, limits: Limits) -> io::Result<TraceFile> {
        let source = Peeked::new(unpacked(source)?, trace_format::HEAD_BYTES)?;
        let kind = TraceFormat::of(source.head());
        let is_text = trace_format::is_text(source.head());
        let bounded = Bounded { source: Box::new(source), left: limits.decompressed_bytes_max, cut: false };
        let reader = BufReader::with_capacity(CHUNK_BYTES, bounded);
        let layout = match kind {
            TraceFormat::OtlpJson => Layout::Json,
            TraceFormat::Protobuf => Layout::Protobuf,
            TraceFormat::LengthPrefixed => Layout::LengthPrefixed,
            TraceFormat::Unknown if is_text => Layout::Json,
            TraceFormat::Unknown => Layout::LengthPrefixed,
            _ => Layout::Documents(Box::default()),
        };
        let counts = Counts::default();
        let (value, transcoded, room) = Default::default();
        Ok(TraceFile { reader, kind, layout, limits, counts, place: 0, value, transcoded, room, ended: false })
    }

    /// What it holds, by its first bytes.
    pub fn kind(&self) -> TraceFormat {
        self.kind
    }

    /// What was read so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The bytes of the next request that can be read; `None` at the end. A file that breaks off (a truncated `.gz`) ends
    /// there, with that as a counted problem; an error is one of the disk.
    pub fn next_request(&mut self) -> io::Result<Option<&[u8]>> {
        Ok(if self.next()? { Some(self.request()) } else { None })
    }

    /// Hands the spans of the next request that can be read to `sink`; otherwise as [`TraceFile::next_request`].
    pub fn next_facts(
        &mut self,
        sink: &mut dyn FnMut(&ResourceFact<'_>, &SpanFact<'_>),
    ) -> io::Result<Option<FactCounts>> {
        if !self.next()? {
            return Ok(None);
        }
        let mut room = std::mem::take(&mut self.room);
        let counts = scan::for_each_fact(self.request(), &mut room, sink);
        self.room = room;
        Ok(Some(counts))
    }

    /// The request that was read last.
    pub(super) fn request(&self) -> &[u8] {
        match self.layout {
            Layout::Protobuf | Layout::LengthPrefixed => &self.value,
            Layout::Json | Layout::Documents(_) => self.transcoded.written(),
        }
    }

    /// Goes on to the next request that can be read; false at the end.
    fn next(&mut self) -> io::Result<bool> {
        while !self.ended {
            let in_place = self.line_in_place();
            let place = match self.layout {
                Layout::Json if in_place > 0 => Ok(Some(self.place)),
                Layout::Json => self.next_json(),
                Layout::Protobuf => self.next_resource(),
                Layout::LengthPrefixed => self.next_prefixed(),
                Layout::Documents(_) => self.next_transcoded(),
            };
            match place {
                Ok(Some(place)) => {
                    let read = match self.layout {
                        Layout::Json => {
                            let value = if in_place > 0 { &self.reader.buffer()[..in_place] } else { &self.value };
                            otlp_or_other(value.strip_prefix(b"\xef\xbb\xbf").unwrap_or(value), &mut self.transcoded)
                        }
                        Layout::Documents(_) => Ok(()),
                        _ => messages::check(&REQUEST, &self.value).map_err(|error| error.to_string()),
                    };
                    self.reader.consume(in_place);
                    match read {
                        Ok(()) => {
                            self.counts.requests += 1;
                            return Ok(true);
                        }
                        Err(why) => {
                            self.counts.broken += 1;
                            self.problem(place, why);
                        }
                    }
                }
                Ok(None) => {}
                Err(error) if breaks_off(&error) => {
                    self.ended = true;
                    self.broken(error.to_string());
                }
                Err(error) => return Err(error),
            }
            self.counts.cut |= self.reader.get_ref().cut;
        }
        Ok(false)
    }

    fn broken(&mut self, why: String) {
        self.counts.broken += 1;
        self.problem(self.place, why);
    }

    fn over_limit(&mut self, place: u64) {
        self.counts.over_limit += 1;
        self.problem(place, format!("a request of more than {} bytes", self.limits.request_bytes_max));
    }

    fn problem(&mut self, place: u64, why: String) {
        self.counts.first_problem.get_or_insert((place, why));
    }

    /// value = line *( line )     ; lines are taken until all brackets are closed
    ///
    /// A line that begins with `{` in the first column begins a new value, whatever came before: so a line that was cut
    /// costs itself and not the rest of the file. As all of these: fills `value`, and tells at which place it began.
    fn next_json(&mut self) -> io::Result<Option<u64>> {
        let first_line = self.place + 1;
        let mut scan = Scan::default();
        self.value.clear();
        loop {
            let start = self.value.len();
            let room = self.limits.request_bytes_max.saturating_sub(start);
            let whole = match self.take_line(room)? {
                Line::End if self.value.is_empty() => {
                    self.ended = true;
                    return Ok(None);
                }
                Line::End => break,
                Line::Whole => true,
                Line::TooLong => false,
            };
            if !whole {
                self.over_limit(first_line);
                self.pass_over_value()?;
                return Ok(None);
            }
            if self.value[start..].iter().all(u8::is_ascii_whitespace) {
                self.value.truncate(start);
                if start == 0 {
                    return Ok(None);
                }
                continue;
            }
            if self.reader.buffer().first() == Some(&b'{') {
                break;
            }
            scan.line(&self.value[start..]);
            if scan.ended() || self.reader.fill_buf()?.first() == Some(&b'{') {
                break;
            }
        }
        Ok(Some(first_line))
    }

    /// Takes, and gives the length of, the next line where it is a value of its own, as [`TraceFile::next_json`] would take
    /// it, and need not be copied to be read as a whole; else 0.
    fn line_in_place(&mut self) -> usize {
        let read = self.reader.buffer();
        let length = match (&self.layout, read.first()) {
            (Layout::Json, Some(b'{')) => memchr::memchr(b'\n', read).map_or(0, |end| end + 1),
            _ => 0,
        };
        let is_whole = length > 0 && length <= self.limits.request_bytes_max && read.get(length) == Some(&b'{');
        self.place += u64::from(is_whole);
        if is_whole { length } else { 0 }
    }

    /// Skips the lines that belong to a value which was given up.
    fn pass_over_value(&mut self) -> io::Result<()> {
        while self.reader.fill_buf()?.first().is_some_and(|first| *first != b'{') {
            self.place += 1;
            self.reader.skip_until(b'\n')?;
        }
        Ok(())
    }

    /// Appends a line, up to `room` bytes; the rest of a longer one is skipped.
    fn take_line(&mut self, room: usize) -> io::Result<Line> {
        let (start, mut ends) = (self.value.len(), false);
        let most = start.saturating_add(room).saturating_add(1);
        while !ends {
            let read = match self.reader.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            let read = &read[..read.len().min(most - self.value.len())];
            let read = memchr::memchr(b'\n', read).map_or(read, |end| &read[..=end]);
            self.value.extend_from_slice(read);
            ends = read.is_empty() || read.ends_with(b"\n");
            let taken = read.len();
            self.reader.consume(taken);
        }
        if self.value.len() == start {
            return Ok(Line::End);
        }
        self.place += 1;
        if self.value.len() - start <= room || self.value.last() == Some(&b'\n') {
            return Ok(Line::Whole);
        }
        self.reader.skip_until(b'\n')?;
        Ok(Line::TooLong)
    }

    /// request = *( %x0A length resource-spans / unknown-field )
    fn next_resource(&mut self) -> io::Result<Option<u64>> {
        let Some(tag) = self.varint()? else {
            self.ended = true;
            return Ok(None);
        };
        self.place += 1;
        let length = match tag & 7 {
            0 => {
                self.varint()?;
                return Ok(None);
            }
            1 => 8,
            2 => self.varint()?.unwrap_or(u64::MAX),
            5 => 4,
            _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "this is not a trace file")),
        };
        // As the field of a request of its own.
        self.value.clear();
        self.value.push(0x0a);
        varint(&mut self.value, length);
        let is_resource = self.take_bytes(length)? && tag == 10;
        Ok(is_resource.then_some(self.place))
    }

    /// prefixed = 4OCTET request      ; big-endian length
    fn next_prefixed(&mut self) -> io::Result<Option<u64>> {
        if self.reader.fill_buf()?.is_empty() {
            self.ended = true;
            return Ok(None);
        }
        let mut length = [0; 4];
        self.place += 1;
        self.reader.read_exact(&mut length)?;
        self.value.clear();
        Ok(self.take_bytes(u64::from(u32::from_be_bytes(length)))?.then_some(self.place))
    }

    /// Appends `length` bytes to `value`; false where they are too many (they are skipped).
    fn take_bytes(&mut self, length: u64) -> io::Result<bool> {
        let fits = length <= self.limits.request_bytes_max as u64;
        let taken = if fits {
            (&mut self.reader).take(length).read_to_end(&mut self.value)? as u64
        } else {
            self.over_limit(self.place);
            io::copy(&mut (&mut self.reader).take(length), &mut io::sink())?
        };
        if taken < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(fits)
    }

    /// The next elements of documents, as a request of their own.
    fn next_transcoded(&mut self) -> io::Result<Option<u64>> {
        let Layout::Documents(documents) = &mut self.layout else { return Ok(None) };
        let (documents, piece) = &mut **documents;
        if !documents.next_piece(&mut self.reader, self.limits.request_bytes_max, piece)? {
            self.ended = true;
            return Ok(None);
        }
        let mut transcoder = Transcoder::default();
        let mut problems = piece.broken.iter().map(|place| (*place, "it is no JSON".to_owned())).collect::<Vec<_>>();
        for (place, element) in piece.elements() {
            problems.extend(transcoder.value(element).err().map(|why| (place, why)));
        }
        let (first, over_limit) = (piece.first, std::mem::take(&mut piece.over_limit));
        over_limit.into_iter().for_each(|place| self.over_limit(place));
        for (place, why) in problems {
            self.counts.broken += 1;
            self.problem(place, why);
        }
        self.transcoded = transcoder.finish();
        Ok((!self.transcoded.is_empty()).then_some(first))
    }

    fn varint(&mut self) -> io::Result<Option<u64>> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let Some(&byte) = self.reader.fill_buf()?.first() else {
                return if shift == 0 { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            };
            self.reader.consume(1);
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(Some(value));
            }
        }
        Err(io::Error::new(io::ErrorKind::InvalidData, "this is not a trace file"))
    }
}

enum Line {
    End,
    Whole,
    TooLong,
}

/// Errors of the content, not of the disk.
fn breaks_off(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput)
        || error.kind() == io::ErrorKind::Other && error.raw_os_error().is_none()
}

/// A line between those of OTLP may come from elsewhere.
fn otlp_or_other(text: &[u8], out: &mut Buffer) -> Result<(), String> {
    out.clear();
    json::request(text, out)?;
    if out.is_empty() && TraceFormat::of_json(text).is_some() {
        let mut transcoder = Transcoder::default();
        transcoder.value(text)?;
        *out = transcoder.finish();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use prost::Message;

    use super::*;

    const LINE: &str = r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"a","future":[1]}},{"key":"n","value":{"intValue":7}}],"new":{}},"scopeSpans":[{"scope":{"name":"s"},"spans":[{"traceId":"4BF92F3577B34DA6A3CE929D0E0E4736","spanId":"00f067aa0ba902b7","parentSpanId":null,"name":"op","kind":"SPAN_KIND_SERVER","startTimeUnixNano":1000,"endTimeUnixNano":"2000","events":null,"flags":"257","droppedEventsCount":3}]}]}]}"#;

    fn read(bytes: Vec<u8>, limits: Limits) -> (Vec<ExportTraceServiceRequest>, Counts) {
        let mut file = TraceFile::from_reader(Box::new(io::Cursor::new(bytes)), limits).unwrap();
        let mut requests = Vec::new();
        while let Some(request) = file.next_request().unwrap() {
            requests.push(ExportTraceServiceRequest::decode(request).unwrap());
        }
        (requests, file.counts().clone())
    }

    fn one() -> ExportTraceServiceRequest {
        let mut out = Buffer::default();
        json::request(LINE.as_bytes(), &mut out).unwrap();
        ExportTraceServiceRequest::decode(out.written()).unwrap()
    }

    fn all_forms() -> Vec<(&'static str, Vec<u8>, usize)> {
        let pretty: serde_json::Value = serde_json::from_str(LINE).unwrap();
        let pretty = serde_json::to_string_pretty(&pretty).unwrap();
        let protobuf = one().encode_to_vec();
        let length = (protobuf.len() as u32).to_be_bytes();
        let prefixed = [&length[..], &protobuf, &length, &protobuf].concat();
        vec![
            ("lines", format!("{LINE}\n\n{LINE}\r\n{LINE}").into_bytes(), 3),
            ("pretty", pretty.clone().into_bytes(), 1),
            ("two pretty documents", format!("\u{feff}{pretty}\n{pretty}\n").into_bytes(), 2),
            ("one request", protobuf, 1),
            ("prefixed", prefixed, 2),
            ("nothing", Vec::new(), 0),
        ]
    }

    #[test]
    fn every_form_gives_the_same_requests() {
        for (name, bytes, count) in all_forms() {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(&bytes).unwrap();
            let zstd = zstd::encode_all(bytes.as_slice(), 1).unwrap();
            for bytes in [bytes, gzip.finish().unwrap(), zstd] {
                let (requests, counts) = read(bytes, Limits::default());
                assert_eq!(requests, vec![one(); count], "{name}");
                assert_eq!((counts.requests, counts.broken), (count as u64, 0), "{name} {counts:?}");
            }
        }
    }

    #[test]
    fn numbers_enums_and_ids_are_read_as_they_come() {
        let request = one();
        let span = &request.resource_spans[0].scope_spans[0].spans[0];
        assert_eq!(span.trace_id[..2], [0x4b, 0xf9]);
        assert_eq!((span.kind, span.start_time_unix_nano, span.end_time_unix_nano), (2, 1_000, 2_000));
        assert_eq!((span.flags, span.dropped_events_count, span.parent_span_id.len()), (257, 3, 0));
    }

    #[test]
    fn a_broken_line_costs_itself() {
        let cut = &LINE[..LINE.len() / 2];
        let text = format!("{LINE}\n{cut}\n{LINE}\nnot json\n{{\"resourceSpans\":7}}\n[[[[\n{LINE}\n{cut}");
        let (requests, counts) = read(text.into_bytes(), Limits::default());
        assert_eq!(requests.len(), 3);
        assert_eq!(counts.broken, 5, "{counts:?}");
        assert_eq!(counts.first_problem.as_ref().map(|problem| problem.0), Some(2));
    }

    #[test]
    fn limits_are_kept_and_counted() {
        let long = LINE.replace("\"op\"", &format!("\"{}\"", "x".repeat(5_000)));
        let limits = Limits { request_bytes_max: 2_000, ..Limits::default() };
        let (requests, counts) = read(format!("{LINE}\n{long}\n{LINE}\n").into_bytes(), limits);
        assert_eq!((requests.len(), counts.over_limit, counts.broken), (2, 1, 0), "{counts:?}");
        let limits = Limits { decompressed_bytes_max: LINE.len() as u64 + 1, ..Limits::default() };
        let (requests, counts) = read(format!("{LINE}\n{LINE}\n").into_bytes(), limits);
        assert_eq!((requests.len(), counts.cut), (1, true));
    }

    #[test]
    fn hostile_bytes_end_in_counts() {
        let deep = "[".repeat(100_000);
        let mut broken = zstd::encode_all(LINE.as_bytes(), 1).unwrap();
        broken.truncate(broken.len() - 9);
        for bytes in [deep.into_bytes(), vec![0xff; 3_000], vec![0; 10], b"\x0a\xff\xff\xff\xff\x0f".to_vec(), broken] {
            let (requests, counts) = read(bytes, Limits { request_bytes_max: 1 << 20, ..Limits::default() });
            assert!(requests.iter().all(|request| request.resource_spans.is_empty()));
            assert!(counts.broken + counts.over_limit + counts.requests > 0, "{counts:?}");
        }
    }
}
