//! The streams of one writer: its records in each file, as receipts speak of them.
//!
//! In go records, out comes the stream of each with what is known of it. The name of a stream goes into the state, and so
//! does not change between versions.

use std::collections::HashMap;

use super::acknowledged::Acknowledged;
use super::known::KnownStream;
use super::ledger::Key;
use super::source_files::SourceFiles;
use crate::record::{Position, Record};

/// The streams of one writer in the files that are open.
#[derive(Debug, Default)]
pub struct WriterStreams {
    streams: Vec<FileStream>,
    /// Which of them is of a file and strand.
    by_file: HashMap<(u32, u64), usize>,
    /// That of the current record.
    current: usize,
}

/// A writer's records in one file, of one strand.
#[derive(Debug)]
struct FileStream {
    file: u32,
    strand: u64,
    stream: KnownStream,
    /// Its place among the ends of streams, in a file that one program writes.
    place: Option<usize>,
    /// Where the record before the current one ends, whoever wrote that.
    after: u64,
}

/// Where the records of each stream end. A stream may have several writers, whose records go out, and may fail, by
/// themselves: a receipt of one must not reach over records of another.
#[derive(Debug, Default)]
pub struct StreamEnds {
    /// Of those that were met in the current file.
    open: Vec<(u32, u64)>,
    /// Of those that were met before.
    earlier: Vec<(u32, u64)>,
    /// Records of all of them.
    records: u64,
    /// Files in which a record of an earlier one goes on: what stands there before the first record of a stream may be of that.
    entered: Vec<u32>,
}

impl StreamEnds {
    /// Another file begins.
    pub fn file_begins(&mut self) {
        self.earlier.append(&mut self.open);
    }

    /// Where each stream of the source ends, if that is known of all of its records, of which there are so many.
    pub fn of_all(&mut self, records: u64) -> Option<&[(u32, u64)]> {
        self.file_begins();
        (records > 0 && records == self.records).then_some(&self.earlier)
    }

    /// A record of an earlier file goes on in this one.
    #[cold]
    fn enter(&mut self, file: u32) {
        if self.entered.last() != Some(&file) {
            self.entered.push(file);
        }
    }

    /// Where what may be of a stream of a file begins, of which a record at this offset comes; `has_ended`: the file, so that
    /// earlier ones may have come.
    fn begin(&self, stream: u32, file: u32, has_ended: bool, offset: u64) -> u64 {
        let earlier = self.earlier.iter().rfind(|(known, _)| has_ended && *known == stream);
        let first = || if self.entered.contains(&file) { offset } else { 0 };
        earlier.map_or_else(first, |(_, end)| *end)
    }

    /// The place of a stream; a new one begins at this offset.
    fn place(&mut self, stream: u32, offset: u64) -> usize {
        self.open.iter().position(|(known, _)| *known == stream).unwrap_or_else(|| {
            self.open.push((stream, offset));
            self.open.len() - 1
        })
    }

    /// Where the records of a stream before this one end. One that was open for long comes after later ones.
    fn replace(&mut self, place: usize, end: u64) -> u64 {
        self.records += 1;
        let last = &mut self.open[place].1;
        std::mem::replace(last, end.max(*last))
    }
}

impl WriterStreams {
    /// The stream of the current record, and where the record before it in that stream ends.
    #[inline]
    pub fn current(&self) -> Option<(&KnownStream, u64)> {
        self.streams.get(self.current).map(|stream| (&stream.stream, stream.after))
    }

    /// Another file begins.
    pub fn clear(&mut self) {
        self.streams.clear();
        self.by_file.clear();
    }

    /// The next record comes, once. `source`: the name of its source in the state.
    #[inline]
    pub fn record(
        &mut self,
        record: &Record<'_>,
        source: &str,
        files: &SourceFiles,
        ends: &mut StreamEnds,
        acknowledged: &Acknowledged,
    ) {
        let Position { file, strand, offset, end, .. } = record.position;
        if files.goes_on(file, end) {
            ends.enter(files.current());
        }
        let is = |stream: &FileStream| stream.file == file && stream.strand == strand;
        if !self.streams.get(self.current).is_some_and(is) {
            self.change(record, source, files, ends, acknowledged);
        }
        if let Some(stream) = self.streams.get_mut(self.current) {
            stream.after = stream.place.map_or(offset, |place| ends.replace(place, end));
        }
    }

    #[cold]
    fn change(
        &mut self,
        record: &Record<'_>,
        source: &str,
        files: &SourceFiles,
        ends: &mut StreamEnds,
        acknowledged: &Acknowledged,
    ) {
        let Position { file, strand, offset, .. } = record.position;
        let next = self.streams.len();
        self.current = *self.by_file.entry((file, strand)).or_insert(next);
        if self.current == next {
            let stream = stream_of(record, source, files, acknowledged);
            let begin = ends.begin(stream.index, file, !files.is_current(file), offset);
            // Where many write to one file, a record of the stream may be open while later ones come.
            let place = (!record.envelope.is_shared()).then(|| ends.place(stream.index, begin));
            self.streams.push(FileStream { file, strand, stream, place, after: offset });
        }
    }
}

fn stream_of(record: &Record<'_>, source: &str, files: &SourceFiles, acknowledged: &Acknowledged) -> KnownStream {
    let name = stream_name(record, source);
    let known = files.known(record.position.file);
    let version_1 = known.and_then(|known| Some(known.fingerprints.as_ref()?.keys(name.as_bytes())));
    acknowledged.stream(known.map_or(0, |known| known.number), key_of(&name), version_1.as_ref())
}

/// The stream of a record in a file of this source.
pub fn stream_key(record: &Record<'_>, source: &str) -> Key {
    key_of(&stream_name(record, source))
}

fn stream_name(record: &Record<'_>, source: &str) -> String {
    let origin = record.origin;
    let mut name = format!("{source}\0{}\0{:?}", origin.service_name, record.stream);
    if record.envelope.is_shared() {
        // Many write to a journal. A receipt reaches from a record to another, over what others wrote in between.
        let (host, unit) = (origin.host.as_deref(), origin.unit.as_deref());
        let (host, unit, strand) = (host.unwrap_or_default(), unit.unwrap_or_default(), record.position.strand);
        name.push_str(&format!("\0{host}\0{unit}\0{strand:x}"));
    }
    name
}

fn key_of(name: &str) -> Key {
    twox_hash::XxHash3_128::oneshot(name.as_bytes())
}

#[cfg(test)]
mod tests {
    use spanline_parsers::Entry;

    use super::*;
    use crate::checkpoint::recognise::KnownFile;
    use crate::record::{Envelope, Origin, Stream};

    /// Where receipts for these records, each of one of two writers, may reach back to.
    fn reach(envelope: Envelope, records: &[(usize, u64, u64)]) -> Vec<u64> {
        // One has the service from its file's name, the other one from its lines: in the state it is one stream.
        let known = Origin { service_name: "web".into(), ..Origin::default() };
        let origins = [Origin { is_guessed: true, ..known.clone() }, known];
        let acknowledged = Acknowledged::default();
        let mut files = SourceFiles::new(vec![KnownFile::default()]);
        files.file_begins(0);
        let (mut writers, mut ends) = ([WriterStreams::default(), WriterStreams::default()], StreamEnds::default());
        let entry = Entry::default();
        let mut reach = |(writer, offset, end): &(usize, u64, u64)| {
            let record = Record {
                source: 0,
                origin: &origins[*writer],
                position: Position { offset: *offset, end: *end, ..Position::default() },
                envelope,
                stream: Stream::Stdout,
                time: None,
                time_digits: 0,
                envelope_time: None,
                entry: &entry,
                envelope_fields: &[],
                payload: b"",
                piece: 0,
            };
            writers[*writer].record(&record, "web", &files, &mut ends, &acknowledged);
            writers[*writer].current().unwrap().1
        };
        records.iter().map(&mut reach).collect()
    }

    #[test]
    fn a_receipt_reaches_back_over_nothing_that_is_sent_by_itself() {
        // Lines of another stream between two of this one are no gap.
        assert_eq!(reach(Envelope::Cri, &[(0, 0, 10), (0, 30, 40), (0, 70, 80)]), [0, 10, 40]);
        // The second one is of the other writer: it goes out in a group of its own, which may not arrive.
        assert_eq!(reach(Envelope::Cri, &[(0, 0, 10), (1, 10, 20), (0, 30, 40)]), [0, 10, 20]);
        // One that was open for long comes after records behind it.
        assert_eq!(reach(Envelope::Cri, &[(0, 0, 10), (0, 50, 60), (0, 20, 30), (0, 60, 70)]), [0, 10, 60, 60]);
        // Of several writers to one file an open one may still lie between.
        assert_eq!(reach(Envelope::Stern, &[(0, 0, 10), (0, 30, 40)]), [0, 30]);
    }
}
