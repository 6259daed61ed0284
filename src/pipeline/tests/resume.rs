//! Runs over files that change in between: what each sends, and what the state makes it leave out.

use std::collections::HashMap;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use proptest::prelude::*;
use prost::Message;

use crate::calendar::{CalendarSettings, Zone};
use crate::checkpoint::acknowledged::{Acknowledged, Resending};
use crate::checkpoint::ledger::State;
use crate::checkpoint::source_streams::SourceStreams;
use crate::checkpoint::store::Store;
use crate::counts::LinkCounts;
use crate::export::batch::Batch;
use crate::export::logs::batcher::LogBatcher;
use crate::export::select::{Selection, Window};
use crate::export::shipper::{LogOutput, ShippedSource, Shipper};
use crate::export::sinks::{BatchSink, RecordOutput};
use crate::input::discover::FoundFile;
use crate::input::read::ReadLimits;
use crate::input::sources::Source;
use crate::pipeline::run::recognise;
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
    /// What is sent is taken, where a bit is set; it is killed after this many chunks.
    Run {
        taken: u32,
        killed_after: Option<u64>,
    },
}

impl Action {
    /// Nothing that was read once is lost or changed by it, and each run ends.
    fn only_adds(&self) -> bool {
        match self {
            Action::Append { .. } | Action::Rotate { .. } | Action::Gzip(_) | Action::DeleteOldest => true,
            Action::Run { taken, killed_after } => *taken == u32::MAX && killed_after.is_none(),
            _ => false,
        }
    }
}

fn whole_run() -> Action {
    Action::Run { taken: u32::MAX, killed_after: None }
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
        2 => (any::<u32>(), proptest::option::of(0u64..4))
            .prop_map(|(taken, killed_after)| Action::Run { taken, killed_after }),
    ]
}

/// Files, oldest first, and a destination.
struct World {
    folder: tempfile::TempDir,
    files: Vec<(String, bool)>,
    number: usize,
    delivered: HashMap<Uid, usize>,
}

impl World {
    fn new() -> World {
        let files = vec![(String::new(), false)];
        World { folder: tempfile::tempdir().unwrap(), files, number: 0, delivered: HashMap::new() }
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
            Action::Run { taken, killed_after } => {
                let read = self.run(taken, killed_after);
                if taken == u32::MAX && killed_after.is_none() {
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
                sniffed: None,
            }
        };
        let files = self.files.iter().enumerate().map(file).collect();
        let origin = Some(Arc::new(Origin::default()));
        Source { settled_origin: origin, writer: "app".to_owned(), files, ..Source::default() }
    }

    /// Ids of all records that were read, with what they say.
    fn run(&mut self, taken: u32, killed_after: Option<u64>) -> HashMap<Uid, Vec<u8>> {
        let source = self.source();
        let store = Store::open(&self.folder.path().join("state")).unwrap();
        let (before, damaged) = store.load().unwrap();
        assert_eq!(damaged, None);
        let acknowledged = Arc::new(Acknowledged::new(&["a".to_owned()], Some(before), Resending::default()));
        let (stop, bytes_read) = (AtomicBool::new(false), Arc::new(AtomicU64::new(0)));
        let limits = ReadLimits { line_bytes: 1 << 20, file_bytes: u64::MAX };
        let reading = Reading {
            limits,
            keep_ansi: false,
            journal_fields: false,
            bytes_read: &bytes_read,
            stop: &stop,
            spare: Mutex::default(),
            services: &Default::default(),
        };
        let known = recognise(&source, &acknowledged, &reading);
        let server = Arc::new(Mutex::new(Server { acknowledged: acknowledged.clone(), taken, got: Vec::new() }));
        let mut seen = Seen::default();
        let output = LogOutput {
            destination: 0,
            sink: Box::new(Wire(server.clone())),
            batcher: LogBatcher::new(bytes::Bytes::new()),
            closed: false,
        };
        let selection = Selection::default();
        let shipper = Shipper {
            linker: None,
            min_confidence: 0.0,
            window: Window::new(None, None),
            selection: &selection,
            logs: vec![output],
            outputs: vec![&mut seen],
            links: None,
            before: SourceStreams::new(&acknowledged),
            observed: 0,
            counts: LinkCounts::default(),
            source: ShippedSource::default(),
        };
        let mut sink =
            Flushing { shipper, acknowledged: &acknowledged, chunks: 0, killed_after, stop: &stop, left: None };
        sink.shipper.before.source_begins(&source.writer, known);
        let names = source.files.iter().map(|file| file.shown.clone()).collect();
        sink.shipper.source_begins(ShippedSource::new(&source.writer, names));
        let calendar = CalendarSettings {
            year: None,
            zone: None,
            year_hint: None,
            now_nanos: 1_800_000_000_000_000_000,
            fallback_zone: Zone::local(),
        };
        let report = read_source(0, &source, &Arc::new(Origin::default()), &calendar, &reading, &mut sink);
        assert_eq!(report.failures, Vec::<String>::new());
        sink.shipper.flush();
        let left = sink.left.take().unwrap_or_else(|| acknowledged.state());
        drop(sink);
        store.save(&left).unwrap();
        server.lock().unwrap().got.drain(..).for_each(|uid| *self.delivered.entry(uid).or_default() += 1);
        seen.0
    }
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
    chunks: u64,
    killed_after: Option<u64>,
    stop: &'a AtomicBool,
    /// The state as the killed run left it.
    left: Option<State>,
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
        if self.killed_after == Some(self.chunks) {
            self.left.get_or_insert(self.acknowledged.state());
            self.stop.store(true, Ordering::Relaxed);
        }
        self.chunks += 1;
    }
}

struct Server {
    acknowledged: Arc<Acknowledged>,
    taken: u32,
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
        self.taken = self.taken.rotate_left(1);
        if batch.is_empty() || self.taken & 1 == 0 {
            return;
        }
        let request = ExportLogsServiceRequest::decode(&batch.message().concat()[..]).unwrap();
        let record = &request.resource_logs[0].scope_logs[0].log_records[0];
        let uid = record.attributes.iter().find(|attribute| attribute.key == "log.record.uid").unwrap();
        let Some(Value::StringValue(uid)) = uid.value.clone().unwrap().value else { panic!("no text") };
        self.got.push(u128::from_str_radix(&uid, 16).unwrap().to_be_bytes());
        self.acknowledged.add(0, &batch.receipts, None);
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
                says.extend(world.run(u32::MAX, None));
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
