//! What comes out is what went in.

use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use spanline_parsers::detect::Expect;

use super::*;
use crate::assemble::{AssembleSettings, Assembler, SourceFormats};
use crate::calendar::{Calendar, CalendarSettings, Zone};
use crate::decode::Envelopes;
use crate::input::read::Chunk;
use crate::record::sink::RecordSink;

/// Everything in words, and as bytes.
#[derive(Default)]
struct Both {
    shown: Vec<String>,
    waiting: Waiting,
}

impl RecordSink for Both {
    fn record(&mut self, record: &Record<'_>) {
        self.shown.push(format!("{record:?}"));
        assert!(self.waiting.push(record));
    }
}

fn read(bytes: &[u8]) -> Both {
    let calendar = Calendar::new(&CalendarSettings { fallback_zone: Zone::Fixed(0), ..CalendarSettings::default() });
    let settings = AssembleSettings {
        envelopes: Envelopes::Auto,
        expect: Expect::Auto,
        record_bytes_max: 1 << 16,
        drop_nul_lines: true,
        keep_ansi: false,
        journal_fields: true,
        formats: SourceFormats::default(),
    };
    let mut both = Both::default();
    let mut assembler = Assembler::new(7, Arc::default(), calendar, settings);
    assembler.next_file(0);
    assembler.feed(&Chunk { bytes, offset: 0, continues: false, cut: false, blocks: None }, &mut both);
    assembler.flush(&mut both);
    both.waiting.finish();
    both
}

fn again(waiting: &Waiting) -> Vec<String> {
    let mut shown = Vec::new();
    waiting.each(7, |item| {
        shown.push(match item {
            Item::Record(record) => format!("{record:?}"),
            other => format!("{other:?}"),
        });
        ControlFlow::Continue(())
    });
    shown
}

#[test]
fn origins_stay_where_they_are_while_there_are_more() {
    let address = |waiting: &Waiting| {
        let mut first = None;
        waiting.each(7, |item| {
            if let Item::Record(record) = item {
                first.get_or_insert(std::ptr::from_ref(record.origin) as usize);
            }
            ControlFlow::Continue(())
        });
        first.unwrap()
    };
    let entry = |number: usize| {
        format!(r#"{{"__CURSOR":"c","__REALTIME_TIMESTAMP":"1","_SYSTEMD_UNIT":"u{number}.service","MESSAGE":"x"}}"#)
    };
    let entries: Vec<Both> = (0..300).map(|number| read(entry(number).as_bytes())).collect();
    let mut waiting = Waiting::default();
    let mut before = None;
    for both in &entries {
        both.waiting.each(7, |item| {
            if let Item::Record(record) = item {
                assert!(waiting.push(&record));
            }
            ControlFlow::Continue(())
        });
        assert_eq!(*before.get_or_insert(address(&waiting)), address(&waiting));
    }
    assert_eq!(waiting.origins.len(), 300);
}

fn files(folder: &Path, take: &mut dyn FnMut(&[u8])) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, take);
        } else {
            take(&std::fs::read(path).unwrap());
        }
    }
}

#[test]
fn each_record_of_the_test_data_comes_out_as_it_went_in() {
    let mut records = 0;
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata"), &mut |bytes| {
        let both = read(bytes);
        records += both.shown.len();
        assert!(both.shown == again(&both.waiting));
    });
    assert!(records > 10_000, "{records}");
}

#[test]
fn what_happens_to_files_stays_between_their_records() {
    let mut waiting = Waiting::default();
    let Both { shown, waiting: records } = read(b"level=info msg=one\nlevel=info msg=two\n");
    waiting.file_begins(3);
    let mut number = 0;
    records.each(7, |item| {
        let Item::Record(record) = item else { unreachable!() };
        waiting.push(&record);
        waiting.given_up_to((number == 0).then_some((3, 9)));
        number += 1;
        ControlFlow::Continue(())
    });
    waiting.file_ends(false);
    waiting.file_ends(true);
    let expected = [
        "FileBegins(3)",
        &shown[0],
        "GivenUpTo(Some((3, 9)))",
        &shown[1],
        "GivenUpTo(None)",
        "FileEnds { whole: false }",
        "FileEnds { whole: true }",
    ];
    assert_eq!(again(&waiting), expected);
}

#[test]
fn it_ends_where_it_is_told_to_and_knows_from_when_to_when() {
    let both = read(
        b"time=\"2026-11-23T09:00:02Z\" level=info msg=b\nplain\ntime=\"2026-11-23T09:00:01Z\" level=info msg=a\n",
    );
    let second = 1_000_000_000;
    let first = 1_795_424_401 * second;
    assert_eq!(both.waiting.times(), Some((first, first + second)));
    assert_eq!(read(b"plain\n").waiting.times(), None);
    let mut seen = 0;
    both.waiting.each(7, |_| {
        seen += 1;
        ControlFlow::Break(())
    });
    assert_eq!(seen, 1);
}

#[test]
fn what_is_held_is_counted() {
    let line = format!("level=info msg=\"{}\"\n", "x".repeat(1000));
    let both = read(line.repeat(5000).as_bytes());
    let held: usize = both.waiting.blocks.iter().map(|block| block.bytes.len()).sum();
    assert!(both.waiting.blocks.len() > 3 && held > 5_000_000);
    assert!((held..held + (1 << 20)).contains(&both.waiting.bytes()), "{} {held}", both.waiting.bytes());
    // A block that is full is not moved for the next record, and none is mostly empty.
    assert!(both.waiting.blocks.iter().rev().skip(1).all(|block| block.bytes.len() > BLOCK_BYTES / 2));
}

proptest! {
    #[test]
    fn any_record_comes_out_as_it_went_in(lines in proptest::collection::vec("[ -~\u{e9}\u{1b}\n\t]{0,80}", 0..8)) {
        let both = read(lines.join("\n").as_bytes());
        prop_assert_eq!(&both.shown, &again(&both.waiting));
    }
}

/// What records say.
fn payloads(waiting: &Waiting, from: Place) -> (Vec<Vec<u8>>, Place) {
    let mut payloads = Vec::new();
    let end = waiting.each_from(from, 7, |item| {
        if let Item::Record(record) = item {
            payloads.push(record.payload.to_vec());
        }
        ControlFlow::Continue(())
    });
    (payloads, end)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_is_dropped_comes_no_more_and_the_rest_as_before(
        steps in proptest::collection::vec((1usize..40, 0usize..60, 0usize..300_000), 1..8)
    ) {
        let (mut waiting, mut all) = (Waiting::default(), Vec::new());
        let (mut dropped, mut seen) = (0, Place::default());
        for (pushed, wanted, long) in steps {
            for _ in 0..pushed {
                let body = if all.len() % 7 == 0 { "x".repeat(long) } else { all.len().to_string() };
                let one = read(format!("level=info msg={body}\n").as_bytes());
                one.waiting.each(7, |item| {
                    if let Item::Record(record) = item {
                        waiting.push(&record);
                    }
                    ControlFlow::Continue(())
                });
                all.extend(payloads(&one.waiting, Place::default()).0);
            }
            // From a place on come only those that were not there before.
            let (new, end) = payloads(&waiting, seen);
            prop_assert_eq!(end, waiting.end());
            prop_assert!(new == all[all.len() - pushed..]);
            seen = end;
            // The first ones go.
            let mut taken = 0;
            let place = waiting.each_from(Place::default(), 7, |_| {
                taken += 1;
                if taken > wanted { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            waiting.drop_before(place);
            dropped += wanted.min(all.len() - dropped);
            prop_assert!(payloads(&waiting, Place::default()).0 == all[dropped..]);
            let held: usize = waiting.blocks.iter().map(|block| block.bytes.capacity()).sum();
            prop_assert_eq!(held, waiting.capacity);
            prop_assert!(dropped < all.len() || waiting.bytes() < 4096);
        }
    }
}
