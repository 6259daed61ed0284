//! Runs over files that change in between: what each sends, and what the state makes it leave out.

use std::collections::HashMap;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use proptest::prelude::*;
use prost::Message;

use crate::calendar::{CalendarSettings, Zone};
use crate::checkpoint::acknowledged::{Acknowledged, Resending};
use crate::checkpoint::groups::{self, Rest};
use crate::checkpoint::saver::Saver;
use crate::checkpoint::source_streams::SourceStreams;
use crate::checkpoint::store::Store;
use crate::counts::LinkCounts;
use crate::export::batch::Batch;
use crate::export::logs::batcher::LogBatcher;
use crate::export::select::{Selection, Window};
use crate::export::shipped_source::ShippedSource;
use crate::export::shipper::{LogOutput, Shipper};
use crate::export::sinks::{BatchSink, RecordOutput};
use crate::input::discover::FoundFile;
use crate::input::read::ReadLimits;
use crate::input::sources::Source;
use crate::line_rules::LineRules;
use crate::pipeline::run::recognise;
use crate::pipeline::unchanged::{passes_over, reading as reading_of};
use crate::reading::source::{Reading, read_source};
use crate::record::sink::{RecordSink, SourceSink};
use crate::record::{Link, Origin, Record};

type Uid = [u8; 16];

/// What happens between runs, and runs.
#[derive(Debug, Clone)]
enum Action {
    Append {
        lines: usize,
        ends: bool,
        goes_on: bool,
    },
    Rotate {
        banner: bool,
    },
    Gzip(usize),
    DeleteOldest,
    Edit(usize, usize),
    Insert(usize, usize),
    Remove(usize, usize),
    Shorten(usize, usize),
    /// All but this many lines are others.
    Rewrite(usize, usize),
    Run(Happens),
}

/// What happens in a run.
#[derive(Debug, Clone, Copy)]
struct Happens {
    /// Each record is taken or refused where a bit is set, otherwise it gets lost.
    taken: u32,
    /// Of those that would be taken, these are refused.
    refused: u32,
    /// The state is saved after the chunks whose bit is set.
    saved: u32,
    /// It is killed after this many chunks.
    killed_after: Option<u64>,
    /// The power fails then, and so many of the bytes that were written last have not come to the disk.
    torn: u64,
}

impl Happens {
    fn is_whole(&self) -> bool {
        self.taken == u32::MAX && self.killed_after.is_none()
    }
}

impl Action {
    /// Nothing that was read once is lost or changed by it, and each run ends.
    fn only_adds(&self) -> bool {
        match self {
            Action::Append { .. } | Action::Rotate { .. } | Action::Gzip(_) | Action::DeleteOldest => true,
            Action::Run(happens) => happens.is_whole(),
            _ => false,
        }
    }
}

const WHOLE: Happens = Happens { taken: u32::MAX, refused: 0, saved: 0, killed_after: None, torn: 0 };

fn whole_run() -> Action {
    Action::Run(WHOLE)
}

fn some_run() -> impl Strategy<Value = Action> {
    let killed = (proptest::option::of(0u64..4), prop_oneof![Just(0), 1u64..300]);
    (any::<u32>(), prop_oneof![3 => Just(0), 1 => any::<u32>()], any::<u32>(), killed).prop_map(
        |(taken, refused, saved, (killed_after, torn))| {
            Action::Run(Happens { taken, refused, saved, killed_after, torn })
        },
    )
}

fn adding() -> impl Strategy<Value = Action> {
    prop_oneof![
        4 => (1usize..30, any::<bool>(), any::<bool>())
            .prop_map(|(lines, ends, goes_on)| Action::Append { lines, ends, goes_on }),
        2 => any::<bool>().prop_map(|banner| Action::Rotate { banner }),
        1 => (0usize..3).prop_map(Action::Gzip),
        1 => Just(Action::DeleteOldest),
        4 => Just(whole_run()),
    ]
}

fn anything() -> impl Strategy<Value = Action> {
    let place = || (0usize..4, 0usize..40);
    prop_oneof![
        6 => adding(),
        1 => place().prop_map(|(file, line)| Action::Edit(file, line)),
        1 => place().prop_map(|(file, line)| Action::Insert(file, line)),
        1 => place().prop_map(|(file, line)| Action::Remove(file, line)),
        1 => place().prop_map(|(file, line)| Action::Shorten(file, line)),
        1 => place().prop_map(|(file, line)| Action::Rewrite(file, line)),
        3 => some_run(),
    ]
}

/// Files, oldest first, and a destination.
struct World {
    folder: tempfile::TempDir,
    files: Vec<(String, bool)>,
    number: usize,
    delivered: HashMap<Uid, usize>,
    /// The last run left bytes that are no part of the state.
    is_torn: bool,
    /// The last run read no file.
    passed_over: bool,
}

impl World {
    fn new() -> World {
        let files = vec![(String::new(), false)];
        World {
            folder: tempfile::tempdir().unwrap(),
            files,
            number: 0,
            delivered: HashMap::new(),
            is_torn: false,
            passed_over: false,
        }
    }

    fn line(&mut self) -> String {
        self.number += 1;
        let (stream, number) = (["stdout", "stderr"][self.number % 2], self.number);
        format!("2026-11-23T09:{:02}:{:02}.1Z {stream} F number {number}\n", number / 60 % 60, number % 60)
    }

    /// The lines of a file, each with its line feed.
    fn lines(&mut self, file: usize) -> (&mut String, Vec<String>) {
        let at = file % self.files.len();
        let text = &mut self.files[at].0;
        let lines = text.split_inclusive('\n').map(str::to_owned).collect();
        (text, lines)
    }

    fn act(&mut self, action: &Action) {
        let fresh = self.line();
        match *action {
            Action::Append { lines, ends, goes_on } => {
                let mut text = String::new();
                if goes_on {
                    // With its number: one line at one place of two files is one record by its id.
                    text = format!("2026-11-23T09:00:00.1Z stdout F \tat its margin {}\n", self.number);
                }
                (0..lines).for_each(|_| text.push_str(&self.line()));
                if !ends {
                    text.truncate(text.len() - 3);
                }
                self.files.last_mut().unwrap().0.push_str(&text);
            }
            Action::Rotate { banner } => {
                self.files.push((if banner { "a banner\nof two lines\n" } else { "" }.to_owned(), false));
            }
            Action::Gzip(file) => {
                if let Some(at) = (self.files.len() - 1).checked_sub(file + 1) {
                    self.files[at].1 = true;
                }
            }
            Action::DeleteOldest => drop((self.files.len() > 1).then(|| self.files.remove(0))),
            Action::Edit(file, line) => self.change(file, |lines| {
                if let Some(line) = lines.get_mut(line) {
                    *line = fresh;
                }
            }),
            Action::Insert(file, line) => self.change(file, |lines| lines.insert(line.min(lines.len()), fresh)),
            Action::Remove(file, line) => {
                self.change(file, |lines| drop((line < lines.len()).then(|| lines.remove(line))))
            }
            Action::Shorten(file, line) => self.change(file, |lines| lines.truncate(line)),
            Action::Rewrite(file, kept) => self.change(file, |lines| {
                let mark = fresh.trim_end();
                lines.iter_mut().skip(kept).for_each(|line| *line = format!("{mark} {}\n", line.len()));
            }),
            Action::Run(happens) => {
                let read = self.run(happens);
                if happens.is_whole() {
                    let missing = read.iter().filter(|(uid, _)| !self.delivered.contains_key(*uid));
                    assert_eq!(missing.count(), 0, "records that the destination does not have were skipped");
                }
            }
        }
    }

    fn change(&mut self, file: usize, change: impl FnOnce(&mut Vec<String>)) {
        let (text, mut lines) = self.lines(file);
        change(&mut lines);
        *text = lines.concat();
    }

    fn source(&self) -> Source {
        let count = self.files.len();
        let file = |(at, (text, gzip)): (usize, &(String, bool))| {
            let path = self.folder.path().join(format!("app.log.{}{}", count - at, if *gzip { ".gz" } else { "" }));
            let mut bytes = text.clone().into_bytes();
            if *gzip {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(&bytes).unwrap();
                bytes = encoder.finish().unwrap();
            }
            std::fs::write(&path, &bytes).unwrap();
            FoundFile {
                shown: path.display().to_string(),
                path,
                size: 0,
                id: None,
                section: None,
                given: 0,
                linked_as: Vec::new(),
                named: true,
                roots: Arc::new([]),
                journal: None,
                sniffed: None,
                content: None,
            }
        };
        let files = self.files.iter().enumerate().map(file).collect();
        let origin = Some(Arc::new(Origin::default()));
        Source { settled_origin: origin, writer: "app".to_owned(), files, ..Source::default() }
    }

    /// Ids of all records that there are to read, with what they say.
    fn run(&mut self, happens: Happens) -> HashMap<Uid, Vec<u8>> {
        let source = self.source();
        let (mut seen, nothing) = (Seen::default(), Acknowledged::default());
        let mut reader = shipper(&nothing);
        reader.outputs = vec![&mut seen];
        ship(&source, Flushing::new(&nothing, reader, WHOLE), &AtomicBool::new(false));
        self.send(&source, happens);
        seen.0
    }

    fn send(&mut self, source: &Source, happens: Happens) {
        let (folder, ledger) = (self.folder.path().join("state"), self.folder.path().join("state/backfill.ledger"));
        let store = Store::open(&folder).unwrap();
        let (before, messages) = store.load(100).unwrap();
        assert_eq!(!messages.is_empty(), std::mem::take(&mut self.is_torn), "{messages:?}");
        let acknowledged = Arc::new(Acknowledged::new(&["a".to_owned()], Some(before), Resending::default()));
        let saver = Arc::new(Saver::new(store, acknowledged.clone()));
        let server = Server { acknowledged: acknowledged.clone(), happens, got: Vec::new() };
        let server = Arc::new(Mutex::new(server));
        let mut shipper = shipper(&acknowledged);
        shipper.logs.push(LogOutput {
            destination: 0,
            sink: Box::new(Wire(server.clone())),
            batcher: LogBatcher::new(bytes::Bytes::new()),
            closed: false,
        });
        let length = || std::fs::metadata(&ledger).map_or(0, |metadata| metadata.len());
        let began = length();
        let stop = AtomicBool::new(false);
        let mut flushing = Flushing::new(&acknowledged, shipper, happens);
        flushing.saver = Some(saver.clone());
        self.passed_over = ship(source, flushing, &stop);
        if !stop.load(Ordering::Relaxed) {
            saver.save().unwrap();
        } else if happens.torn > 0 && length() > began && began > 0 {
            let torn = happens.torn.min(length() - began - 1);
            let file = std::fs::OpenOptions::new().write(true).open(&ledger).unwrap();
            file.set_len(length() - torn).unwrap();
            // Where groups ended before, it may be as if less was written.
            self.is_torn =
                !groups::read(&std::fs::read(&ledger).unwrap()).is_ok_and(|whole| whole.rest == Rest::Nothing);
        }
        server.lock().unwrap().got.drain(..).for_each(|uid| *self.delivered.entry(uid).or_default() += 1);
    }
}

static NO_RULES: LazyLock<LineRules> = LazyLock::new(LineRules::default);
const LIMITS: ReadLimits = ReadLimits { line_bytes: 1 << 20, file_bytes: u64::MAX };

fn shipper(acknowledged: &Acknowledged) -> Shipper<'_, SourceStreams<'_>> {
    static ALL: LazyLock<Selection<'static>> = LazyLock::new(Selection::default);
    Shipper {
        rules: &NO_RULES,
        linker: None,
        min_confidence: 0.0,
        window: Window::new(None, None),
        selection: &ALL,
        logs: Vec::new(),
        outputs: Vec::new(),
        links: None,
        before: SourceStreams::new(acknowledged),
        observed: 0,
        counts: LinkCounts::default(),
        source: ShippedSource::default(),
    }
}

/// Reads a source and sends what is in it; returns whether it need not be read.
fn ship<'a>(source: &Source, mut sink: Flushing<'a>, stop: &'a AtomicBool) -> bool {
    let bytes_read = Arc::new(AtomicU64::new(0));
    let reading = Reading {
        limits: LIMITS,
        keep_ansi: false,
        journal_fields: false,
        bytes_read: &bytes_read,
        stop,
        spare: Mutex::default(),
        services: &Default::default(),
        formats: Default::default(),
    };
    let known = recognise(source, sink.acknowledged, &reading);
    let how = reading_of(source, LIMITS, &LineRules::default());
    if passes_over(&mut sink.shipper, &known, how) {
        return true;
    }
    sink.shipper.before.source_begins(&source.writer, known);
    let names = source.files.iter().map(|file| file.shown.clone()).collect();
    sink.shipper.source_begins(ShippedSource::new(&source.writer, names));
    sink.stop = Some(stop);
    let calendar = CalendarSettings {
        year: None,
        zone: None,
        year_hint: None,
        now_nanos: 1_800_000_000_000_000_000,
        fallback_zone: Zone::local(),
    };
    let report = read_source(0, source, &Arc::new(Origin::default()), &calendar, &reading, &mut sink);
    assert_eq!(report.failures, Vec::<String>::new());
    sink.shipper.before.source_ends(how, report.counts.records);
    sink.shipper.flush();
    false
}

#[derive(Default)]
struct Seen(HashMap<Uid, Vec<u8>>);

impl RecordOutput for Seen {
    fn record(&mut self, record: &Record<'_>, _: Option<&Link>, uid: &Uid, _: &str) {
        self.0.insert(*uid, record.payload.to_vec());
    }
}

/// Sends after each chunk, and may be killed after one.
struct Flushing<'a> {
    shipper: Shipper<'a, SourceStreams<'a>>,
    acknowledged: &'a Acknowledged,
    saver: Option<Arc<Saver>>,
    happens: Happens,
    chunks: u64,
    stop: Option<&'a AtomicBool>,
}

impl<'a> Flushing<'a> {
    fn new(acknowledged: &'a Acknowledged, shipper: Shipper<'a, SourceStreams<'a>>, happens: Happens) -> Flushing<'a> {
        Flushing { shipper, acknowledged, saver: None, happens, chunks: 0, stop: None }
    }
}

impl RecordSink for Flushing<'_> {
    fn record(&mut self, record: &Record<'_>) {
        self.shipper.record(record);
    }
}

impl SourceSink for Flushing<'_> {
    fn file_begins(&mut self, file: u32) {
        self.shipper.file_begins(file);
    }

    fn bytes_read(&mut self, bytes: &[u8]) {
        self.shipper.bytes_read(bytes);
    }

    fn file_ends(&mut self, whole: bool) -> Option<&'static str> {
        self.shipper.file_ends(whole)
    }

    fn given_up_to(&mut self, open: Option<(u32, u64)>) {
        self.shipper.given_up_to(open);
        self.shipper.flush();
        let is_killed = self.stop.is_some_and(|stop| stop.load(Ordering::Relaxed));
        if !is_killed && self.happens.saved.rotate_right(self.chunks as u32) & 1 > 0 {
            self.saver.iter().for_each(|saver| saver.save().unwrap());
        }
        if self.happens.killed_after == Some(self.chunks) {
            self.stop.iter().for_each(|stop| stop.store(true, Ordering::Relaxed));
        }
        self.chunks += 1;
    }
}

struct Server {
    acknowledged: Arc<Acknowledged>,
    happens: Happens,
    got: Vec<Uid>,
}

struct Wire(Arc<Mutex<Server>>);

impl BatchSink for Wire {
    fn send(&self, batch: Batch) -> bool {
        self.0.lock().unwrap().take(batch);
        true
    }
}

impl Server {
    fn take(&mut self, batch: Batch) {
        if batch.count() > 1 {
            let (front, back) = batch.split();
            self.take(front);
            self.take(back);
            return;
        }
        let Happens { taken, refused, .. } = &mut self.happens;
        (*taken, *refused) = (taken.rotate_left(1), refused.rotate_left(1));
        if batch.is_empty() || *taken & 1 == 0 {
            return;
        }
        let refused = (*refused & 1 > 0).then_some((1, "bad"));
        let request = ExportLogsServiceRequest::decode(&batch.message().concat()[..]).unwrap();
        let record = &request.resource_logs[0].scope_logs[0].log_records[0];
        let uid = record.attributes.iter().find(|attribute| attribute.key == "log.record.uid").unwrap();
        let Some(Value::StringValue(uid)) = uid.value.clone().unwrap().value else { panic!("no text") };
        self.got.push(u128::from_str_radix(&uid, 16).unwrap().to_be_bytes());
        self.acknowledged.add(0, &batch.receipts, refused);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_record_is_skipped_that_the_destination_does_not_have(
        actions in proptest::collection::vec(anything(), 1..14),
    ) {
        let mut world = World::new();
        for action in actions.iter().chain([&whole_run()]) {
            world.act(action);
        }
    }

    #[test]
    fn what_is_only_added_to_is_sent_once(actions in proptest::collection::vec(adding(), 1..14)) {
        let mut world = World::new();
        let mut says = HashMap::new();
        for action in actions.iter().chain([&whole_run(), &whole_run()]) {
            prop_assert!(action.only_adds());
            if matches!(action, Action::Run { .. }) {
                says.extend(world.run(WHOLE));
            } else {
                world.act(action);
            }
        }
        // Banners of several files are one record by their id.
        let is_banner = |uid: &Uid| says.get(uid).is_some_and(|text| b"a banner\nof two lines\n".starts_with(text) || text == b"of two lines");
        let twice: Vec<_> = world.delivered.iter().filter(|(uid, times)| **times > 1 && !is_banner(uid)).collect();
        prop_assert!(twice.is_empty(), "{} were sent more than once", twice.len());
        prop_assert!(says.keys().all(|uid| world.delivered.contains_key(uid)));
    }

    /// What is passed over is what would be read and not sent.
    #[test]
    fn what_was_taken_as_a_whole_is_not_read_again_unless_a_record_goes_on_in_the_next_file(
        actions in proptest::collection::vec(adding(), 1..14),
    ) {
        let mut world = World::new();
        let appended = actions.iter().any(|action| matches!(action, Action::Append { .. }));
        for action in actions.iter().chain([&whole_run()]) {
            world.act(action);
        }
        let goes_on = actions.iter().any(|action| {
            matches!(action, Action::Append { goes_on: true, .. } | Action::Rotate { banner: true })
        });
        let has_empty = world.files.iter().any(|(text, _)| text.is_empty());
        let before = world.delivered.clone();
        world.act(&whole_run());
        prop_assert!(world.passed_over || goes_on || has_empty || !appended);
        prop_assert_eq!(before, world.delivered);
    }

    #[test]
    fn beside_a_change_little_is_sent_again(lines in 2usize..300, place in any::<prop::sample::Index>(), how in 0usize..3) {
        let mut world = World::new();
        let count = |world: &World| world.delivered.values().sum::<usize>();
        world.act(&Action::Append { lines, ends: true, goes_on: false });
        world.act(&whole_run());
        let line = place.index(lines);
        world.act(&match how {
            0 => Action::Edit(0, line),
            1 => Action::Insert(0, line),
            _ => Action::Remove(0, line),
        });
        let before = count(&world);
        world.act(&whole_run());
        let rest = [lines - line, lines - line + 1, lines - line - 1][how];
        prop_assert!((rest..=rest + 2).contains(&(count(&world) - before)), "{} of {rest}", count(&world) - before);
    }
}

fn raw(stream: &str, text: &str) -> String {
    format!("2026-11-23T09:00:00.1Z {stream} F {text}\n")
}

/// Files that follow each other, oldest first.
fn world_of(files: &[String]) -> World {
    let mut world = World::new();
    world.files = files.iter().map(|text| (text.clone(), false)).collect();
    world
}

#[test]
fn lines_of_a_record_that_was_not_taken_are_sent_once_the_file_where_it_begins_is_gone() {
    let goes_on = raw("stdout", "\tat its margin");
    let mut world = world_of(&[raw("stdout", "failed"), goes_on.clone() + &raw("stdout", "done")]);
    // The first record gets lost.
    world.act(&Action::Run(Happens { taken: !(1 << 31), ..WHOLE }));
    world.files.remove(0);
    world.act(&whole_run());
    assert_eq!(world.delivered.len(), 2);
}

#[test]
fn what_a_record_goes_on_with_counts_whatever_stands_behind_it_in_its_file() {
    let older = raw("stdout", "failed") + &raw("stderr", &"other lines ".repeat(20));
    for (before, after) in [("\tat its margin", "\tat another  "), ("\tat its margin", "\tat it"), ("\tat", "\tat all")]
    {
        let mut world = world_of(&[older.clone(), raw("stdout", before)]);
        world.act(&whole_run());
        world.files[1].0 = raw("stdout", after);
        world.act(&whole_run());
        assert_eq!(world.delivered.len(), 3, "{after}");
        world.act(&whole_run());
        assert!(!world.passed_over && world.delivered.values().all(|times| *times == 1), "{after}");
    }
}

#[test]
fn a_stream_whose_records_come_when_its_file_has_ended_is_settled_from_its_beginning() {
    // Lines that more may follow to, so that they come with the next file.
    for older in [
        raw("stdout", "first") + &raw("stderr", "second"),
        raw("stderr", "first") + &raw("stdout", "second") + &raw("stderr", "third") + &raw("stdout", "fourth"),
    ] {
        let mut world = world_of(&[older.clone(), raw("stdout", "last")]);
        world.act(&whole_run());
        world.act(&whole_run());
        assert!(world.passed_over, "{older}");
    }
}
