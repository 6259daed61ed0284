//! Lines of several streams to records, against a model, and what holds for any lines.

use proptest::prelude::*;

use super::*;
use crate::calendar::{CalendarSettings, Zone};
use crate::record::Stream;

/// What a record says of where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Got {
    file: u32,
    line: u64,
    lines: u32,
    offset: u64,
    end: u64,
    envelope: Envelope,
    stream: Stream,
    piece: u32,
    payload: Vec<u8>,
}

#[derive(Default)]
struct Sink(Vec<Got>);

impl RecordSink for Sink {
    fn record(&mut self, record: &Record<'_>) {
        let Position { file, line, lines, offset, end, .. } = record.position;
        let Record { envelope, stream, piece, .. } = *record;
        let payload = record.payload.to_vec();
        self.0.push(Got { file, line, lines, offset, end, envelope, stream, piece, payload });
    }
}

impl Sink {
    /// First line, lines and payload of each record.
    fn shown(&self) -> Vec<(u64, u32, String)> {
        let show = |got: &Got| (got.line, got.lines, String::from_utf8_lossy(&got.payload).into_owned());
        self.0.iter().map(show).collect()
    }
}

fn assembler_with(record_bytes_max: usize) -> Assembler {
    let calendar = Calendar::new(&CalendarSettings { fallback_zone: Zone::Fixed(0), ..CalendarSettings::default() });
    let settings = AssembleSettings {
        envelopes: Envelopes::Auto,
        expect: Expect::Auto,
        record_bytes_max,
        drop_nul_lines: true,
        keep_ansi: false,
        journal_fields: false,
        formats: SourceFormats::default(),
    };
    Assembler::new(0, Arc::default(), calendar, settings)
}

fn assembler() -> Assembler {
    assembler_with(1 << 20)
}

fn lines_of(bytes: &[u8], offset: u64) -> Chunk<'_> {
    Chunk { bytes, offset, continues: false, cut: false, blocks: None }
}

/// The records of a file that is read in one go.
fn records(text: &str) -> Vec<(u64, u32, String)> {
    let (mut assembler, mut sink) = (assembler(), Sink::default());
    assembler.feed(&lines_of(text.as_bytes(), 0), &mut sink);
    assembler.flush(&mut sink);
    assert_eq!(assembler.oldest_open_line(), None);
    sink.shown()
}

#[test]
fn what_is_quiet_is_given_without_what_came_in_part() {
    let (mut assembler, mut sink) = (assembler(), Sink::default());
    let line = |stream: &str, tag: &str, text: &str| format!("2026-11-30T10:00:00.1Z {stream} {tag} {text}\n");
    let whole = line("stderr", "F", "whole");
    let text = whole.clone() + &line("stdout", "P", "half ") + &line("stderr", "F", "other");
    assembler.feed(&lines_of(text.as_bytes(), 0), &mut sink);
    let half = whole.len() as u64;
    assembler.flush_whole(&mut sink);
    assert_eq!(sink.shown(), shown(&[(1, 1, "whole")]));
    assert_eq!(assembler.oldest_open(), Some((0, half)));
    let rest = line("stdout", "F", "line");
    assembler.feed(&lines_of(rest.as_bytes(), text.len() as u64), &mut sink);
    assembler.flush_whole(&mut sink);
    assert_eq!(sink.shown(), shown(&[(1, 1, "whole"), (2, 2, "half line"), (3, 1, "other")]));
    assert_eq!(assembler.oldest_open(), None);
}

#[test]
fn a_line_without_a_year_goes_by_the_time_at_which_it_is_read() {
    let (mut assembler, mut times) = (assembler(), Times::default());
    let nanos = |text: &str| chrono::DateTime::parse_from_rfc3339(text).unwrap().timestamp_nanos_opt().unwrap();
    let mut at = 0;
    for (now, line, time) in [
        ("2026-12-31T23:59:59Z", "I1231 23:59:58.000000       1 a.go:1] old\n", "2026-12-31T23:59:58Z"),
        ("2027-01-01T00:00:02Z", "I0101 00:00:01.000000       1 a.go:1] new\n", "2027-01-01T00:00:01Z"),
        ("2027-01-02T00:00:00Z", "I0101 23:00:00.000000       1 a.go:1] later\n", "2027-01-01T23:00:00Z"),
    ] {
        assembler.set_now(nanos(now));
        assembler.feed(&lines_of(line.as_bytes(), at), &mut times);
        assembler.flush_whole(&mut times);
        at += line.len() as u64;
        assert_eq!(times.0.last(), Some(&Some(nanos(time))), "{line}");
    }
}

#[derive(Default)]
struct Times(Vec<Option<i64>>);

impl RecordSink for Times {
    fn record(&mut self, record: &Record<'_>) {
        self.0.push(record.time);
    }
}

fn shown(expected: &[(u64, u32, &str)]) -> Vec<(u64, u32, String)> {
    expected.iter().map(|(line, lines, payload)| (*line, *lines, (*payload).to_owned())).collect()
}

/// How the lines of a file are wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Bare,
    Cri,
    Docker,
}

/// The next physical line of a file.
#[derive(Debug, Clone)]
struct Step {
    is_stderr: bool,
    /// It begins a record; else it goes on the one before it.
    begins: bool,
    /// More of the same line follows.
    is_partial: bool,
    /// Ten seconds have passed since the line before it.
    is_late: bool,
    /// What is open is emitted after it.
    flushes: bool,
    /// The next chunk begins after it.
    cuts: bool,
    word: String,
}

fn any_step() -> impl Strategy<Value = Step> {
    let rare = || prop::bool::weighted(0.08);
    let open = (any::<bool>(), any::<bool>(), prop::bool::weighted(0.3), rare());
    (open, rare(), any::<bool>(), "[a-z]{0,12}").prop_map(
        |((is_stderr, begins, is_partial, is_late), flushes, cuts, word)| Step {
            is_stderr,
            begins,
            is_partial,
            is_late,
            flushes,
            cuts,
            word,
        },
    )
}

/// The model: what is open in one stream.
#[derive(Debug, Clone, Default)]
struct ModelStream {
    /// The record, and when its last line came, ms.
    open: Option<(Got, i64)>,
    /// A line in parts, whether it begins a record, and when its first and its last part came.
    partial: Option<(Got, bool, i64, i64)>,
}

/// What is expected after some line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Snapshot {
    given: usize,
    oldest_open: Option<u64>,
}

/// A file, line by line, and the records that it holds, as the model has them.
#[derive(Default)]
struct Model {
    form: Option<Form>,
    streams: [ModelStream; 2],
    /// Complete, in any order.
    done: Vec<Got>,
    text: Vec<u8>,
    lines: u64,
    clock: i64,
}

impl Model {
    fn step(&mut self, step: &Step) {
        let form = self.form.unwrap_or(Form::Bare);
        self.clock += if step.is_late { 10_000 } else { 1 };
        self.lines += 1;
        let at = usize::from(step.is_stderr && form != Form::Bare);
        let (number, clock) = (self.lines, self.clock);
        let stream = &self.streams[at];
        // Without an open record that it can belong to, what a further line is would be another question.
        let goes_on = !step.begins && stream.open.is_some();
        let content = match (&stream.partial, goes_on) {
            (Some(_), _) => format!("-{}", step.word),
            (None, false) => format!("I1123 09:14:51.100000       1 a.go:{number}] {}", step.word),
            (None, true) => format!("  goes on {number} {}", step.word),
        };
        let is_partial = step.is_partial && form != Form::Bare;
        let line = wrapped(form, at, clock, is_partial, &content);
        let got = Got {
            file: 0,
            line: number,
            lines: 1,
            offset: self.text.len() as u64,
            end: (self.text.len() + line.len() + 1) as u64,
            envelope: match form {
                Form::Bare => Envelope::None,
                Form::Cri => Envelope::Cri,
                Form::Docker => Envelope::Docker,
            },
            stream: match (form, at) {
                (Form::Bare, _) => Stream::Unknown,
                (_, 0) => Stream::Stdout,
                _ => Stream::Stderr,
            },
            piece: 0,
            payload: content.into_bytes(),
        };
        self.text.extend_from_slice(line.as_bytes());
        self.text.push(b'\n');
        let stream = &mut self.streams[at];
        stream.partial = Some(match stream.partial.take() {
            None => (got, !goes_on, clock, clock),
            Some((mut first, begins, came, _)) => {
                (first.lines, first.end) = (first.lines + 1, got.end);
                first.payload.extend(got.payload);
                (first, begins, came, clock)
            }
        });
        if !is_partial {
            self.ends_line(at);
        }
        if step.flushes {
            self.flush();
        }
    }

    /// All parts of a line are there.
    fn ends_line(&mut self, at: usize) {
        let has_times = self.form != Some(Form::Bare);
        let stream = &mut self.streams[at];
        let Some((line, begins, came, ended)) = stream.partial.take() else { return };
        match &mut stream.open {
            Some((open, last)) if !begins && (!has_times || came - *last <= 1000) => {
                (open.lines, open.end, *last) = (open.lines + line.lines, line.end, came);
                open.payload.push(b'\n');
                open.payload.extend(line.payload);
            }
            _ => self.done.extend(stream.open.replace((line, ended)).map(|(open, _)| open)),
        }
    }

    fn flush(&mut self) {
        for at in 0..2 {
            self.ends_line(at);
            self.done.extend(self.streams[at].open.take().map(|(open, _)| open));
        }
    }

    fn snapshot(&self) -> Snapshot {
        let open = self.streams.iter().filter_map(|stream| stream.open.as_ref()).map(|(open, _)| open.line);
        let partial = self.streams.iter().filter_map(|stream| stream.partial.as_ref()).map(|(first, ..)| first.line);
        let oldest_open = open.chain(partial).min();
        let given = self.done.iter().filter(|done| oldest_open.is_none_or(|oldest| done.line < oldest)).count();
        Snapshot { given, oldest_open }
    }
}

fn wrapped(form: Form, stream: usize, clock: i64, is_partial: bool, content: &str) -> String {
    let stream = ["stdout", "stderr"][stream];
    let time = chrono::DateTime::from_timestamp_millis(1_795_425_291_000 + clock).unwrap();
    let time = time.format("%Y-%m-%dT%H:%M:%S%.9fZ");
    match form {
        Form::Bare => content.to_owned(),
        Form::Cri => format!("{time} {stream} {} {content}", if is_partial { "P" } else { "F" }),
        Form::Docker => {
            let end = if is_partial { "" } else { "\\n" };
            format!(r#"{{"log":"{content}{end}","stream":"{stream}","time":"{time}"}}"#)
        }
    }
}

/// Feeds a file that is cut after these lines, and flushed after those; what came out at each cut is looked at.
fn fed(text: &[u8], cuts: &[usize], flushes: &[usize], mut look: impl FnMut(usize, &Assembler, &Sink)) -> Vec<Got> {
    let (mut assembler, mut sink) = (assembler(), Sink::default());
    let mut from = 0;
    for (number, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let (number, to) = (number + 1, line.as_ptr() as usize - text.as_ptr() as usize + line.len());
        if to == text.len() || cuts.contains(&number) || flushes.contains(&number) {
            assembler.feed(&lines_of(&text[from..to], from as u64), &mut sink);
            if flushes.contains(&number) {
                assembler.flush(&mut sink);
            }
            look(number, &assembler, &sink);
            from = to;
        }
    }
    assembler.flush(&mut sink);
    assert_eq!(assembler.oldest_open_line(), None);
    assert_eq!(assembler.counts().bytes, text.len() as u64);
    assert_eq!(assembler.counts().records, sink.0.len() as u64);
    sink.0
}

proptest! {
    #[test]
    fn records_are_those_of_the_model_however_lines_are_cut_into_chunks(
        form in prop::sample::select(vec![Form::Bare, Form::Cri, Form::Docker]),
        steps in prop::collection::vec(any_step(), 0..60), is_unfinished in any::<bool>(),
    ) {
        let mut model = Model { form: Some(form), ..Model::default() };
        let mut snapshots = Vec::new();
        for step in &steps {
            model.step(step);
            snapshots.push(model.snapshot());
        }
        model.flush();
        let mut expected = model.done;
        expected.sort_by_key(|record| record.line);
        let mut text = &model.text[..];
        if is_unfinished {
            text = text.strip_suffix(b"\n").unwrap_or(text);
        }
        let chosen = |is: fn(&Step) -> bool| -> Vec<usize> {
            steps.iter().enumerate().filter(|(_, step)| is(step)).map(|(at, _)| at + 1).collect()
        };
        let flushes = chosen(|step| step.flushes);
        for cuts in [chosen(|step| step.cuts), (1..=steps.len()).collect(), Vec::new()] {
            let found = fed(text, &cuts, &flushes, |number, assembler, sink| {
                let Snapshot { given, oldest_open } = &snapshots[number - 1];
                assert_eq!(sink.0.len(), *given, "given out behind line {number}");
                assert_eq!(assembler.oldest_open_line(), oldest_open.map(|line| (0, line)), "behind line {number}");
            });
            prop_assert_eq!(&found, &expected);
        }
        // No line is lost, and none is in two records.
        prop_assert_eq!(expected.iter().map(|record| u64::from(record.lines)).sum::<u64>(), model.lines);
    }

    #[test]
    fn any_lines_are_all_in_records_and_the_same_ones_however_they_are_cut_into_chunks(
        lines in prop::collection::vec(prop::sample::select(ANY_LINES.to_vec()), 0..40),
        cuts in prop::collection::vec(1usize..40, 0..8),
    ) {
        let text = lines.concat().into_bytes();
        let mut counted = 0;
        let mut whole = fed(&text, &[], &[], |_, assembler, _| counted = assembler.counts().lines - assembler.counts().nul_lines);
        prop_assert_eq!(&fed(&text, &cuts, &[], |_, _, _| ()), &whole);
        prop_assert_eq!(&fed(&text, &(1..40).collect::<Vec<_>>(), &[], |_, _, _| ()), &whole);
        prop_assert_eq!(whole.iter().map(|record| u64::from(record.lines)).sum::<u64>(), counted);
        prop_assert!(whole.is_sorted_by_key(|record| (record.line, record.offset)));
        prop_assert!(whole.iter().all(|record| record.offset < record.end && record.end <= text.len() as u64));
        // Each line that has a record of its own begins where it says, and ends where the next one begins.
        whole.retain(|record| record.lines == 1);
        for record in &whole {
            prop_assert!(record.offset == 0 || text[record.offset as usize - 1] == b'\n');
            prop_assert_eq!(text[record.end as usize - 1], b'\n');
        }
    }
}

/// Lines that records begin or end with, or that wait for what follows them.
const ANY_LINES: [&str; 24] = [
    "I1123 09:14:51.100000       1 a.go:1] free text\n",
    "E1123 09:14:52.100000       1 a.go:2] \"Structured\" err=<\n",
    "\tof several lines\n",
    " >\n",
    "\n",
    "  indented\n",
    "plain text\n",
    "time=\"2026-11-23T09:14:51Z\" level=error msg=\"an error\"\n",
    "2026-11-23 09:14:51,100 ERROR something failed\n",
    "java.lang.IllegalStateException: no\n",
    "\tat a.b.C.d(C.java:1)\n",
    "Caused by: java.io.IOException: gone\n",
    "Traceback (most recent call last):\n",
    "  File \"a.py\", line 1, in <module>\n",
    "ValueError: no\n",
    "goroutine 1 [running]:\n",
    "main.main()\n",
    "\t/src/main.go:1 +0x1\n",
    "panic: oh no\n",
    "{\"level\":\"info\",\"msg\":\"hello\"}\n",
    "\x1b[31mred\x1b[0m\n",
    "\0\0\0\0\n",
    "windows\r\n",
    "2026-11-23T09:14:51.100000000Z stdout P a part\n",
];

#[test]
fn a_line_that_waits_goes_with_what_follows_it_or_is_a_record() {
    let error = "2026-11-23 09:14:51,100 ERROR failed";
    let trace = "java.lang.IllegalStateException: no\n\tat a.b.C.d(C.java:1)";
    let joined = format!("{error}\n{trace}");
    assert_eq!(records(&format!("{joined}\n")), shown(&[(1, 3, &joined)]));
    let next = "2026-11-23 09:14:52,100 INFO next";
    assert_eq!(records(&format!("{error}\n\n{next}\n")), shown(&[(1, 1, error), (2, 1, ""), (3, 1, next)]));
    // Nothing more comes.
    assert_eq!(records(&format!("{error}\n\n")), shown(&[(1, 1, error), (2, 1, "")]));
}

#[test]
fn more_complete_records_than_may_wait_pass_the_one_that_is_open() {
    let line = |stream: usize, clock, content: &str| wrapped(Form::Cri, stream, clock, false, content) + "\n";
    let header = "I1123 09:14:51.100000       1 a.go:1]";
    let mut text = line(0, 0, &format!("{header} open"));
    (0..READY_MAX).for_each(|number| text += &line(1, 0, &format!("{header} {number}")));
    let (mut assembler, mut sink) = (assembler(), Sink::default());
    assembler.feed(&lines_of(text.as_bytes(), 0), &mut sink);
    // All of the other stream but its last one, which is open too.
    assert_eq!(sink.0.len(), READY_MAX - 1);
    assert_eq!(assembler.oldest_open_line(), Some((0, 1)));
    let more = line(0, 1, "  goes on") + &line(1, 1, "  too");
    assembler.feed(&lines_of(more.as_bytes(), text.len() as u64), &mut sink);
    assembler.flush(&mut sink);
    let last = READY_MAX - 1;
    assert_eq!(
        sink.shown()[last..],
        shown(&[
            (1, 2, &format!("{header} open\n  goes on")),
            (last as u64 + 2, 2, &format!("{header} {last}\n  too"))
        ])
    );
}

#[test]
fn of_too_many_open_streams_the_oldest_is_closed() {
    let entry = |writer: usize, message: &str| {
        let time = 1_795_425_291_000_000_u64;
        format!(
            r#"{{"__CURSOR":"c","__REALTIME_TIMESTAMP":"{time}","_TRANSPORT":"stdout","_SYSTEMD_UNIT":"u{writer}.service","_PID":"{writer}","MESSAGE":"{message}"}}"#
        ) + "\n"
    };
    let header = "I1123 09:14:51.100000       1 a.go:1]";
    let all: String = (0..=SLOTS_MAX).map(|writer| entry(writer, &format!("{header} {writer}"))).collect();
    let (mut assembler, mut sink) = (assembler(), Sink::default());
    assembler.feed(&lines_of(all.as_bytes(), 0), &mut sink);
    assert_eq!((sink.0.len(), sink.0[0].line), (1, 1));
    assert_eq!(assembler.oldest_open_line(), Some((0, 2)));
    // The closed one begins anew, the next one is still open.
    let more = entry(1, "  goes on") + &entry(0, &format!("{header} again"));
    assembler.feed(&lines_of(more.as_bytes(), all.len() as u64), &mut sink);
    assembler.flush(&mut sink);
    let found = sink.shown();
    assert_eq!(found.len(), SLOTS_MAX + 2);
    assert_eq!(found[1], (2, 2, format!("{header} 1\n  goes on")));
    assert_eq!(found.last().unwrap(), &(SLOTS_MAX as u64 + 3, 1, format!("{header} again")));
}

#[test]
fn a_record_goes_on_in_the_next_file_of_its_source() {
    let (mut assembler, mut sink) = (assembler(), Sink::default());
    let header = "I1123 09:14:51.100000       1 a.go:1]";
    let (first, second) = (format!("{header} one\n{header} two\n"), "  goes on\n");
    assembler.feed(&lines_of(first.as_bytes(), 0), &mut sink);
    assembler.next_file(1);
    assembler.feed(&lines_of(second.as_bytes(), 0), &mut sink);
    assembler.feed(&lines_of(format!("{header} three\n").as_bytes(), second.len() as u64), &mut sink);
    assembler.flush(&mut sink);
    let two = &sink.0[1];
    assert_eq!((two.file, two.line, two.lines), (0, 2, 2));
    // It is longer than its file by what was joined.
    assert_eq!((two.offset, two.end), (first.len() as u64 / 2, (first.len() + second.len()) as u64));
    let three = &sink.0[2];
    assert_eq!((three.file, three.line, three.lines, three.offset), (1, 2, 1, second.len() as u64));
}

#[test]
fn a_line_longer_than_the_reader_takes_comes_in_pieces_of_one_line() {
    let (mut assembler, mut sink) = (assembler(), Sink::default());
    let chunk = |bytes, offset, continues, cut| Chunk { bytes, offset, continues, cut, blocks: None };
    assembler.feed(&chunk(b"I1123 09:14:51.100000       1 a.go:1] open\nlong", 0, false, true), &mut sink);
    assembler.feed(&chunk(b"-er an", 47, true, true), &mut sink);
    assembler.feed(&chunk(b"d end\nnext\n", 53, true, false), &mut sink);
    assembler.flush(&mut sink);
    let found: Vec<_> = sink.0.iter().map(|got| (got.line, got.lines, got.piece, got.offset, got.end)).collect();
    assert_eq!(found, [(1, 1, 0, 0, 43), (2, 1, 1, 43, 48), (2, 0, 2, 47, 54), (2, 0, 3, 53, 59), (3, 1, 0, 59, 64)]);
    let payloads: Vec<_> = sink.0[1..].iter().map(|got| &*got.payload).collect();
    assert_eq!(payloads, [&b"long"[..], b"-er an", b"d end", b"next"]);
    assert_eq!((assembler.counts().cut, assembler.counts().lines), (1, 3));
}

#[test]
fn parts_that_come_to_more_than_a_record_may_hold_are_pieces() {
    let (mut assembler, mut sink) = (assembler_with(10), Sink::default());
    let line = |clock, is_partial, content: &str| wrapped(Form::Cri, 0, clock, is_partial, content) + "\n";
    let text = line(0, false, "before")
        + &line(1, true, "12345")
        + &line(2, true, "67890")
        + &line(3, true, "abc")
        + &line(4, false, "def")
        + &line(5, true, "after")
        + &line(6, false, "wards");
    assembler.feed(&lines_of(text.as_bytes(), 0), &mut sink);
    assembler.flush(&mut sink);
    let pieces: Vec<_> = sink.0.iter().map(|got| (got.line, got.lines, got.piece, &*got.payload)).collect();
    assert_eq!(
        pieces,
        [(1, 1, 0, &b"before"[..]), (2, 2, 1, b"1234567890"), (4, 2, 2, b"abcdef"), (6, 2, 0, b"afterwards")]
    );
    assert_eq!(assembler.counts().cut, 1);
}

#[test]
fn lines_beyond_what_a_record_may_hold_begin_another() {
    let (mut assembler, mut sink) = (assembler_with(60), Sink::default());
    let header = "I1123 09:14:51.100000       1 a.go:1]";
    let text = format!("{header} one\n  fits here\n  does not\n");
    assembler.feed(&lines_of(text.as_bytes(), 0), &mut sink);
    assembler.flush(&mut sink);
    assert_eq!(sink.shown(), shown(&[(1, 2, &format!("{header} one\n  fits here")), (3, 1, "  does not")]));
}

#[test]
fn several_objects_on_a_line_are_a_record_each_and_the_line_counts_once() {
    let text = "{\"msg\":\"a\"}{\"msg\":\"b\"} \0{\"msg\":\"c\"}\n{\"msg\":\"d\"}\n";
    let (mut assembler, mut sink) = (assembler(), Sink::default());
    assembler.feed(&lines_of(text.as_bytes(), 0), &mut sink);
    assembler.flush(&mut sink);
    let found: Vec<_> =
        sink.0.iter().map(|got| (got.line, got.lines, got.offset, got.end, got.payload.len())).collect();
    assert_eq!(found, [(1, 1, 0, 11, 11), (1, 0, 11, 22, 11), (1, 0, 24, 36, 11), (2, 1, 36, 48, 11)]);
}

#[test]
fn what_stands_around_a_line_is_no_part_of_it() {
    let (mut assembler, mut sink) = (assembler(), Sink::default());
    let text = b"\xef\xbb\xbfone\r\n\0\0\0\r\n\0\0two\r\n\x1b[1mthree\x1b[0m\r\n";
    assembler.feed(&lines_of(text, 0), &mut sink);
    assembler.flush(&mut sink);
    assert_eq!(sink.shown(), shown(&[(1, 1, "one"), (3, 1, "two"), (4, 1, "three")]));
    let counts = assembler.counts();
    assert_eq!((counts.lines, counts.nul_lines, counts.nul_prefix_bytes), (4, 1, 2));
}
