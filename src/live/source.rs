//! One source that is followed: its chunks to records.
//!
//! In go chunks of its files, out go records to the lane's shipper. What is known of a source that was quiet for long is put
//! together anew with its next line.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use super::linking::{Held, LaneSink, Linking};
use super::parsed::Parsed;
use super::pod_metadata::{PodMetadata, PodSource};
use super::sent_before::LaneShipper;
use crate::assemble::{AssembleSettings, Assembler, SourceFormats};
use crate::calendar::{Calendar, CalendarSettings, Zone};
use crate::checkpoint::positions::record_streams::RecordStreams;
use crate::checkpoint::positions::table::Positions;
use crate::decode::Envelopes;
use crate::export::shipped_source::ShippedSource;
use crate::input::read::Chunk;
use crate::input::sources;
use crate::line_rules::LineRules;
use crate::metrics::{Metrics, ParserMetrics};
use crate::record::Origin;
use crate::record::sink::SourceSink;
use spanline_parsers::detect::Expect;

/// How the lines of all sources of a lane are taken.
#[derive(Debug, Clone)]
pub struct LineSettings {
    /// A longer record is cut into pieces.
    pub record_bytes_max: usize,
    /// Bytes of lines of all sources that are held until it is known what they are part of.
    pub held_bytes_max: usize,
    /// The zone of lines that have none.
    pub zone: Zone,
    /// The name of this node.
    pub node: String,
    /// All fields of a journal's entries become attributes; else without those that journald adds to every entry.
    pub journal_fields: bool,
    /// Where what is known of pods comes from.
    pub pods: PodSource,
    /// What is wanted with them.
    pub rules: LineRules,
    /// What is counted of formats of the user's own, by their places.
    pub parsers: Arc<[Arc<ParserMetrics>]>,
}

/// A source with what is known of its lines.
pub(super) struct Source {
    assembler: Assembler,
    shipped: ShippedSource,
    streams: RecordStreams,
    /// The file that is being read: its number and its place among those of the source.
    file: Option<(u32, u32)>,
    /// When it was read last.
    pub(super) last_read: Instant,
    /// The file in which the oldest record begins that is not complete, as far as was told.
    pub(super) told_open: Option<u32>,
    /// All that was complete was given since.
    pub(super) was_flushed: bool,
    /// Bytes of lines that are held, as far as [`Source::held_more`] was asked.
    pub(super) held_bytes: usize,
    /// Records that wait for their spans.
    held: Option<Held>,
    /// Tells what became of records in formats of the user's own.
    parsed: Parsed,
}

/// Where records go.
pub(super) struct Out<'o, 's> {
    /// Ships them.
    pub(super) shipper: &'o mut LaneShipper<'s>,
    /// Finds their links.
    pub(super) linking: Option<&'o mut Linking>,
}

impl Source {
    /// Before its first line.
    pub(super) fn new(
        (number, held): (u32, Option<Held>),
        named: &Named,
        settings: &LineSettings,
        positions: Rc<RefCell<Positions>>,
        (now, now_nanos): (Instant, i64),
    ) -> Source {
        let origin = named.origin(settings);
        let shown = named.family.to_string_lossy().into_owned();
        let assembling = AssembleSettings {
            envelopes: if origin.pod.is_some() { Envelopes::OfContainer } else { Envelopes::Auto },
            expect: Expect::Auto,
            record_bytes_max: settings.record_bytes_max,
            drop_nul_lines: true,
            keep_ansi: false,
            journal_fields: settings.journal_fields,
            formats: SourceFormats { all: settings.rules.formats.clone(), file: shown.as_str().into() },
        };
        let calendar = CalendarSettings { now_nanos, fallback_zone: settings.zone, ..CalendarSettings::default() };
        let name = named.writer(&origin, settings);
        Source {
            assembler: Assembler::new(
                held.as_ref().map_or(number, Held::number),
                Arc::new(origin),
                Calendar::new(&calendar),
                assembling,
            ),
            shipped: ShippedSource::new(&name, Vec::new()).shown_as(&shown),
            streams: RecordStreams::new(positions, &name),
            file: None,
            last_read: now,
            told_open: None,
            was_flushed: false,
            held_bytes: 0,
            held,
            parsed: Parsed::new(&settings.parsers),
        }
    }

    /// More is known of who writes it.
    pub(super) fn set_origin(&mut self, named: &Named, settings: &LineSettings) {
        self.assembler.set_origin(Arc::new(named.origin(settings)));
    }

    /// Takes lines of a file, which is shown by this path. Returns how many there were, and how often a writer was met that is
    /// not told apart, as there are too many.
    pub(super) fn take(
        &mut self,
        (file, shown): (u32, &Path),
        chunk: &Chunk<'_>,
        (now, now_nanos): (Instant, i64),
        out: &mut Out<'_, '_>,
    ) -> (u64, u64) {
        if self.file.is_none_or(|(current, _)| current != file) {
            self.change(file, shown, out);
        }
        (self.last_read, self.was_flushed) = (now, false);
        self.assembler.set_now(now_nanos);
        let counts = |assembler: &Assembler| (assembler.counts().lines, assembler.counts().writers_over_limit);
        let (lines, over_limit) = counts(&self.assembler);
        self.put(out, |assembler, sink| assembler.feed(chunk, sink));
        let now = counts(&self.assembler);
        (now.0 - lines, now.1 - over_limit)
    }

    /// Lines of another file come.
    fn change(&mut self, file: u32, shown: &Path, out: &mut Out<'_, '_>) {
        let place = self.streams.place_of(file).unwrap_or_else(|| {
            self.shipped.add_file(shown.to_string_lossy().into_owned());
            self.streams.add_file(file)
        });
        self.file = Some((file, place));
        self.assembler.next_file(place);
        self.put(out, |_, sink| sink.file_begins(place));
    }

    /// The files that were read of it.
    pub(super) fn files(&self) -> &[u32] {
        self.streams.files()
    }

    /// A file has ended; once nothing of it is open, nothing of it comes any more.
    pub(super) fn file_ends(&mut self, file: u32) {
        if let Some(place) = self.streams.place_of(file)
            && self.open_place().is_none_or(|(open, _)| open > place)
        {
            self.streams.forget_before(place + 1);
            self.shipped.forget_file(place);
        }
    }

    /// Gives records that may be complete; `even_parts`: lines that came in part, too.
    pub(super) fn flush(&mut self, even_parts: bool, out: &mut Out<'_, '_>) {
        self.was_flushed = true;
        self.put(out, |assembler, sink| match even_parts {
            true => assembler.flush(sink),
            false => assembler.flush_whole(sink),
        });
    }

    /// Gives records that waited and are decided, or all.
    pub(super) fn give_decided(&mut self, all: bool, out: &mut Out<'_, '_>) {
        self.swap(out.shipper);
        if let (Some(linking), Some(held)) = (out.linking.as_deref_mut(), &mut self.held) {
            linking.give(held, all, out.shipper);
        }
        self.swap(out.shipper);
    }

    /// What waits of it.
    pub(super) fn held(&self) -> Option<&Held> {
        self.held.as_ref()
    }

    /// Has the assembler give records.
    fn put(&mut self, out: &mut Out<'_, '_>, act: impl FnOnce(&mut Assembler, &mut LaneSink<'_, '_>)) {
        self.swap(out.shipper);
        let waits = out.linking.as_deref_mut().zip(self.held.as_mut());
        act(&mut self.assembler, &mut LaneSink { shipper: out.shipper, waits });
        self.parsed.tell(&self.assembler.counts().custom);
        self.swap(out.shipper);
    }

    /// By how much the bytes of lines that are held have become more since this was asked last.
    pub(super) fn held_more(&mut self) -> isize {
        let held = self.assembler.held_bytes();
        held.cast_signed() - std::mem::replace(&mut self.held_bytes, held).cast_signed()
    }

    /// The file and the offset in it of the oldest record that was not given: it is not complete, or waits.
    pub(super) fn open(&self) -> Option<(u32, u64)> {
        let (place, offset) = self.open_place()?;
        Some((self.streams.file(place)?, offset))
    }

    /// It has a record that is not complete.
    pub(super) fn is_incomplete(&self) -> bool {
        self.assembler.oldest_open().is_some()
    }

    /// Records of it wait for their spans.
    pub(super) fn waits(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.first().is_some())
    }

    fn open_place(&self) -> Option<(u32, u64)> {
        let waits = self.held.as_ref().and_then(Held::first);
        self.assembler.oldest_open().into_iter().chain(waits).min()
    }

    fn swap(&mut self, shipper: &mut LaneShipper<'_>) {
        std::mem::swap(&mut self.shipped, &mut shipper.source);
        std::mem::swap(&mut self.streams, &mut shipper.before);
    }
}

/// What a source is called, and who is said to write it.
#[derive(Debug)]
pub(super) struct Named {
    /// The path that is written to.
    pub(super) family: Box<Path>,
    /// A link that leads to it.
    pub(super) linked_as: Option<Box<Path>>,
    /// It lies below a folder of pods.
    pub(super) is_pod: bool,
    /// It is a journal.
    pub(super) is_journal: bool,
    /// Its service, as the user says it.
    pub(super) service: Option<Arc<str>>,
    /// What Kubernetes knows of its pod.
    pub(super) pod_metadata: PodMetadata,
}

impl Named {
    /// Looks for what is known of its pod: whether more is than before.
    pub(super) fn look_up_pod(&mut self, settings: &LineSettings, metrics: &Metrics) -> bool {
        if !self.is_pod {
            return false;
        }
        let mut metadata = std::mem::take(&mut self.pod_metadata);
        let found = metadata.look_up(&settings.pods, metrics, || self.origin(settings).pod);
        self.pod_metadata = metadata;
        found
    }

    fn origin(&self, settings: &LineSettings) -> Origin {
        if self.is_journal {
            return Origin { host: Some(settings.node.clone()), ..Origin::default() };
        }
        let shown = self.family.to_string_lossy();
        let mut origin = match &self.linked_as {
            Some(link) => sources::origin_of_linked(&shown, &link.to_string_lossy()),
            None if self.is_pod => sources::origin_below_pods(&shown),
            None => sources::origin_of(&shown),
        };
        if let Some(service) = &self.service {
            (origin.service_name, origin.is_guessed) = (service.to_string(), false);
        }
        let node = if origin.pod.is_some() { "k8s.node.name" } else { "host.name" };
        origin.resource.push((node.to_owned(), settings.node.clone()));
        origin.pod_facts = self.pod_metadata.facts();
        origin.hides_pod = matches!(settings.pods, PodSource::None);
        origin
    }

    /// The same wherever its rotations lie; outside of pods, that of the node.
    fn writer(&self, origin: &Origin, settings: &LineSettings) -> String {
        let shown = self.family.to_string_lossy();
        match origin.pod {
            Some(_) => sources::writer(origin, &shown),
            None => format!("{}{shown}", settings.node),
        }
    }
}
