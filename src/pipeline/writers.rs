//! What belongs to the source in hand: its files, its writers, and the streams that their receipts speak of.
//!
//! In go the bytes and records of one source, out come what its writers are called and sent under, and what is known of each
//! record's stream. Nothing is sent here.

use std::collections::HashMap;

use bytes::Bytes;

use super::recognise::KnownFile;
use crate::checkpoint::acknowledged::{Acknowledged, KnownStream};
use crate::checkpoint::marks::{Mark, Marks, Running};
use crate::export::encode;
use crate::export::uid::Uids;
use crate::input::sources::Source;
use crate::record::{Origin, Position, Record, Stream};

/// What belongs to the source in hand.
#[derive(Default)]
pub struct SourceState {
    writer: String,
    /// Names of its files.
    pub(super) files: Vec<String>,
    known: Vec<SourceFile>,
    /// The one that is being read.
    pub(super) file: u32,
    hashing: Option<Hashing>,
    pub(super) file_attributes: Vec<u8>,
    pub(super) writers: Vec<WriterState>,
    pub(super) last: usize,
}

/// A file of the source.
struct SourceFile {
    known: KnownFile,
    /// Where its records end, once it has been read.
    end: Option<u64>,
}

/// The bytes of the file that is being read.
struct Hashing {
    running: Running,
    marks: Marks,
    /// It was the same up to here when the run began; not met yet.
    check: Option<Mark>,
    changed: bool,
    /// It is longer than it was.
    grown: bool,
}

/// One writer of the source: a stream of a container, or a program in a journal.
pub(super) struct WriterState {
    /// Address of the origin, which lives as long as the source is read.
    origin: usize,
    stream: Stream,
    pub(super) resource: Bytes,
    pub(super) uids: Uids,
    /// Set anew for each file.
    places: Vec<FilePlace>,
    /// Which of them stands for a file and strand.
    known: HashMap<(u32, u64), usize>,
    /// The one in hand.
    place: usize,
}

/// A writer's records in one file, of one strand.
struct FilePlace {
    file: u32,
    strand: u64,
    stream: KnownStream,
}

impl WriterState {
    /// The stream of the record in hand.
    #[inline]
    pub(super) fn known_stream(&self) -> Option<&KnownStream> {
        self.places.get(self.place).map(|place| &place.stream)
    }
}

impl SourceState {
    /// A source whose files are known so.
    pub(super) fn new(source: &Source, known: Vec<KnownFile>) -> SourceState {
        let files = source.files.iter().map(|file| file.shown.clone()).collect();
        let known = known.into_iter().map(|known| SourceFile { known, end: None }).collect();
        SourceState { writer: source.writer.clone(), files, known, ..SourceState::default() }
    }

    pub(super) fn file_begins(&mut self, file: u32) {
        self.file = file;
        let known = &self.known[file as usize].known;
        let check = |marks: &Marks| marks.list().iter().rfind(|mark| mark.at <= known.verified).copied();
        self.hashing = known.marks.clone().map(|marks| Hashing {
            running: Running::default(),
            check: check(&marks),
            marks,
            changed: false,
            grown: false,
        });
        self.file_attributes = encode::file_attributes(&self.files[file as usize]);
        for writer in &mut self.writers {
            writer.places.clear();
            writer.known.clear();
        }
    }

    /// Bytes of the file, before their records come.
    #[inline]
    pub(super) fn bytes_read(&mut self, bytes: &[u8], acknowledged: &Acknowledged) {
        if self.hashing.is_some() {
            self.hash(bytes, acknowledged);
        }
    }

    fn hash(&mut self, mut bytes: &[u8], acknowledged: &Acknowledged) {
        let Some(hashing) = self.hashing.as_mut().filter(|hashing| !hashing.changed) else { return };
        if let Some(check) = hashing.check
            && check.at - hashing.running.at() <= bytes.len() as u64
        {
            let (before, after) = bytes.split_at((check.at - hashing.running.at()) as usize);
            hashing.running.write(before);
            bytes = after;
            hashing.check = None;
            if hashing.running.mark() != check {
                self.changed(acknowledged);
                return;
            }
        }
        let known = &self.known[self.file as usize].known;
        let is_all_verified = hashing.marks.list().last().is_none_or(|last| last.at <= known.verified);
        hashing.running.feed(bytes, &mut hashing.marks);
        if hashing.check.is_some() || hashing.running.at() <= known.verified {
            return;
        }
        if !std::mem::replace(&mut hashing.grown, true) && is_all_verified && known.verified > 0 {
            acknowledged.grows(known.number, known.verified);
        }
        acknowledged.mark(known.number, &hashing.marks);
    }

    /// It is not the file any more that was compared when the run began.
    #[cold]
    fn changed(&mut self, acknowledged: &Acknowledged) {
        let known = &mut self.known[self.file as usize].known;
        known.verified = 0;
        acknowledged.forget(known.number);
        if let Some(hashing) = &mut self.hashing {
            hashing.changed = true;
        }
    }

    pub(super) fn file_ends(&mut self, whole: bool, acknowledged: &Acknowledged) -> Option<&'static str> {
        if whole && self.hashing.as_ref().is_some_and(|hashing| hashing.check.is_some()) {
            self.changed(acknowledged);
        }
        let mut hashing = self.hashing.take()?;
        if hashing.changed {
            return Some(
                "was written anew while it was read; records of it may be missing, and all of it is sent by the next run",
            );
        }
        if whole {
            let file = &mut self.known[self.file as usize];
            hashing.running.finish(&mut hashing.marks);
            acknowledged.mark(file.known.number, &hashing.marks);
            file.end = Some(hashing.running.end());
        }
        None
    }

    /// Whether the bytes of a record are those that an earlier run read at its place.
    #[inline]
    pub(super) fn is_verified(&self, record: &Record<'_>, acknowledged: &Acknowledged) -> bool {
        let Position { file, end, .. } = record.position;
        let Some(of) = self.known.get(file as usize) else { return false };
        end <= of.known.verified && file == self.file
            || file != self.file && self.is_older_verified(record, of, acknowledged)
    }

    /// The same for one whose file has ended: it may go on in the next.
    #[cold]
    fn is_older_verified(&self, record: &Record<'_>, of: &SourceFile, acknowledged: &Acknowledged) -> bool {
        let Position { offset, end, .. } = record.position;
        let Some(file_end) = of.end.filter(|file_end| end > *file_end) else { return end <= of.known.verified };
        let stream = self.writers.get(self.last).and_then(WriterState::known_stream);
        let Some(stream) = stream.filter(|_| acknowledged.remembers()) else { return false };
        let hash = twox_hash::XxHash64::oneshot(0, record.payload);
        let is_same = stream.joined.get(&end) == Some(&hash);
        if !is_same {
            acknowledged.join(stream.index, offset, end, hash);
        }
        is_same && of.known.verified >= file_end
    }

    /// The state of a record's writer.
    #[inline]
    pub(super) fn writer(&mut self, record: &Record<'_>, acknowledged: &Acknowledged) -> &mut WriterState {
        let origin = std::ptr::from_ref(record.origin) as usize;
        let is = |writer: &WriterState| writer.origin == origin && writer.stream == record.stream;
        if !self.writers.get(self.last).is_some_and(is) {
            self.last = self.writers.iter().position(is).unwrap_or_else(|| {
                self.writers.push(self.new_writer(record.origin, origin, record.stream));
                self.writers.len() - 1
            });
        }
        let Position { file, strand, .. } = record.position;
        let writer = &self.writers[self.last];
        let is = |place: &FilePlace| place.file == file && place.strand == strand;
        if !writer.places.get(writer.place).is_some_and(is) {
            let known = writer.known.get(&(file, strand)).copied();
            let fresh = known.is_none().then(|| self.new_place(record, acknowledged));
            let writer = &mut self.writers[self.last];
            writer.place = known.unwrap_or(writer.places.len());
            writer.known.insert((file, strand), writer.place);
            writer.places.extend(fresh);
        }
        &mut self.writers[self.last]
    }

    #[cold]
    fn new_place(&self, record: &Record<'_>, acknowledged: &Acknowledged) -> FilePlace {
        let Position { file, strand, .. } = record.position;
        let origin = record.origin;
        let mut name = format!("{}\0{}\0{:?}", self.writer, origin.service_name, record.stream);
        if record.envelope.is_shared() {
            // Many write to a journal. A receipt reaches from a record to another, over what others wrote in between.
            let (host, unit) = (origin.host.as_deref(), origin.unit.as_deref());
            name.push_str(&format!("\0{}\0{}\0{strand:x}", host.unwrap_or_default(), unit.unwrap_or_default()));
        }
        let key = twox_hash::XxHash3_128::oneshot(name.as_bytes());
        let known = self.known.get(file as usize).map(|file| &file.known);
        let version_1 = known.and_then(|known| Some(known.fingerprints.as_ref()?.keys(name.as_bytes())));
        let number = known.map_or(0, |known| known.number);
        FilePlace { file, strand, stream: acknowledged.stream(number, key, version_1.as_ref()) }
    }

    fn new_writer(&self, origin: &Origin, address: usize, stream: Stream) -> WriterState {
        let name = match &origin.unit {
            Some(unit) => format!("{}/{unit}", origin.host.as_deref().unwrap_or_default()),
            None if origin.pod.is_none() && origin.host.is_some() => {
                format!("{}/{}", origin.host.as_deref().unwrap_or_default(), origin.service_name)
            }
            None => self.writer.clone(),
        };
        WriterState {
            origin: address,
            stream,
            resource: encode::resource_field(origin).into(),
            uids: Uids::new(&format!("{name}/{stream:?}")),
            places: Vec::new(),
            known: HashMap::new(),
            place: 0,
        }
    }
}
