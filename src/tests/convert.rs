//! `spanline convert` as it is used: every format in and out, times without a year, files of all kinds.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use serde_json::json;

use crate::harness::run::{Place, gzip, otlp_records};

const HOSTILE: &[u8] = b"I1123 09:14:51.123456    1 a.go:12] \"hi\" a=\"b\" n=1.10 m=18446744073709551615\n\n\xff\xfe raw\n\0\0\0\n\
    2026-11-23T09:14:51.1Z stdout F \x1b[31mred\n{\"log\":\"hey\\n\",\"stream\":\"stderr\",\"time\":\"2026-11-23T09:14:51Z\"}\n\
    time=\"2026-11-23T09:14:51Z\" level=info msg=hi k=1.10 j=5\n<13>Nov 23 09:14:51 host app[3]: hello\n";

const FORMATS: [&str; 18] = [
    "auto",
    "cri",
    "docker",
    "journal",
    "kubectl",
    "stern",
    "compose",
    "fluentbit",
    "vector",
    "loki",
    "klog",
    "logrus",
    "logfmt",
    "json",
    "conmonrs",
    "conmon",
    "syslog",
    "text",
];

#[test]
fn whatever_is_expected_every_line_comes_out_in_every_form() {
    let place = Place::new();
    for from in FORMATS {
        let pipe = |to| place.pipe(&["convert", "--from", from, "--to", to], HOSTILE);
        let records = pipe("json").json(0);
        assert_eq!(records.len(), 8, "{from}");
        assert_eq!(records.iter().map(|record| record["lines"].as_u64().unwrap()).sum::<u64>(), 8);
        let offsets: Vec<u64> = records.iter().map(|record| record["offset"].as_u64().unwrap()).collect();
        assert!(offsets.is_sorted() && offsets[0] == 0);
        assert_eq!(records[2]["body"], "\u{fffd}\u{fffd} raw");
        assert_eq!(records[1]["body"], "");
        let otlp = otlp_records(pipe("otlp-json").text(0));
        assert_eq!(otlp.len(), 8, "{from}");
        assert_eq!(otlp[2].1.body.clone().unwrap().value, Some(Value::BytesValue(b"\xff\xfe raw".to_vec())));
        for to in ["logfmt", "text"] {
            let text = pipe(to).text(0).to_owned();
            assert_eq!(text.lines().count(), 8, "{from} {to}");
            assert!(text.chars().all(|char| char == '\n' || !char.is_control()), "{from} {to}: {text:?}");
        }
    }
}

#[test]
fn values_keep_what_was_written() {
    let line = b"I1123 09:14:51.123456   42 a.go:12] \"hi\" a=\"1\" b=1 c=1.10 d=18446744073709551615 e=007 f=NaN g=true a=2\n";
    let records = Place::new().pipe(&["convert", "--zone", "UTC", "--year", "2026"], line).json(0);
    let record = &records[0];
    assert_eq!(record["time"], "2026-11-23T09:14:51.123456000Z");
    assert_eq!(record["time_unix_nano"], "1795425291123456000");
    assert_eq!((&record["severity_number"], &record["severity_text"]), (&json!(9), &json!("I")));
    let expected = json!({
        "a": 2, "b": 1, "c": "1.10", "d": 18_446_744_073_709_551_615_u64, "e": "007", "f": "NaN", "g": true,
        "process.pid": 42, "code.file.path": "a.go", "code.line.number": 12
    });
    assert_eq!(record["attributes"], expected);
}

#[test]
fn a_year_and_a_zone_are_taken_as_given() {
    let time = |zone: &str, line: &str| {
        let run = Place::new().pipe(&["convert", "--year", "2024", "--zone", zone], line.as_bytes());
        run.json(0)[0]["time"].as_str().unwrap().to_owned()
    };
    let leap = "I0229 09:14:51.000000    1 a.go:12] hi\n";
    assert_eq!(time("UTC", leap), "2024-02-29T09:14:51.000000000Z");
    assert_eq!(time("Europe/Berlin", leap), "2024-02-29T08:14:51.000000000Z");
    assert_eq!(time("+05:30", leap), "2024-02-29T03:44:51.000000000Z");
    assert_eq!(time("-08:00", leap), "2024-02-29T17:14:51.000000000Z");
    let summer = "I0729 09:14:51.000000    1 a.go:12] hi\n";
    assert_eq!(time("Europe/Berlin", summer), "2024-07-29T07:14:51.000000000Z");
    // Nothing rolls where the year is pinned.
    let new_year = "I1231 23:59:59.000000    1 a.go:12] hi\nI0101 00:00:00.000000    1 a.go:12] hi\n";
    let records = Place::new().pipe(&["convert", "--year", "2020", "--zone", "UTC"], new_year.as_bytes()).json(0);
    assert_eq!(records[1]["time"], "2020-01-01T00:00:00.000000000Z");
    let records = Place::new().pipe(&["convert", "--year", "2023", "--zone", "UTC"], leap.as_bytes()).json(0);
    assert_eq!(records[0]["time"], json!(null));
}

#[test]
fn without_a_year_a_line_is_never_far_ahead() {
    use chrono::{Datelike, Duration, Utc};
    let now = Utc::now();
    let header = |days: i64| (now + Duration::days(days)).format("I%m%d %H:%M:%S.000000    1 a.go:1] hi").to_string();
    // The first line is of today, so that what follows is not read by its month alone.
    let text = format!("{}\n{}\n", header(-1), header(4));
    let records = Place::new().pipe(&["convert", "--zone", "UTC"], text.as_bytes()).json(0);
    let year = |at: usize| records[at]["time"].as_str().unwrap()[..4].parse::<i32>().unwrap();
    assert_eq!(year(0), (now - Duration::days(1)).year());
    assert_eq!(year(1), (now + Duration::days(4)).year() - 1);
}

#[test]
fn a_klog_file_names_the_year_it_begins_in() {
    let place = Place::new();
    let name = "kubelet.node.root.log.INFO.20211231-235900.12";
    place.write(name, "I1231 23:59:51.000000    1 a.go:12] hi\nI0101 09:14:51.000000    1 a.go:12] hi\n");
    let records = place.run(&["convert", "--zone", "UTC", name]).json(0);
    assert_eq!(records[0]["time"], "2021-12-31T23:59:51.000000000Z");
    assert_eq!(records[1]["time"], "2022-01-01T09:14:51.000000000Z");
}

#[test]
fn compressed_files_are_read_and_damaged_ones_said() {
    let place = Place::new();
    let text: String = (0..20_000).map(|line| format!("line {line}\n")).collect();
    let whole = gzip(text.as_bytes());
    place.write("a.gz", &whole).write("b.zst", zstd::encode_all(text.as_bytes(), 1).unwrap());
    place.write("two.gz", [&whole[..], &whole].concat()).write("padded.gz", [&whole[..], &[0; 512]].concat());
    place.write("cut.gz", &whole[..whole.len() / 2]).write("junk.gz", [&whole[..], b"junk"].concat());
    for (name, lines) in [("a.gz", 20_000), ("b.zst", 20_000), ("two.gz", 40_000), ("padded.gz", 20_000)] {
        assert_eq!(place.run(&["convert", "--to", "text", name]).text(0).lines().count(), lines, "{name}");
    }
    let cut = place.run(&["convert", "cut.gz"]);
    assert!(cut.json(1).len() > 1_000);
    cut.says("cut.gz: the compressed data is cut off");
    let junk = place.run(&["convert", "junk.gz"]);
    assert_eq!(junk.json(1).len(), 20_000);
    junk.says("junk.gz: what follows the end of the compressed data is no gzip");
    // One that cannot be read does not keep the others from being read.
    place.write("folder/x", "");
    let mixed = place.run(&["convert", "missing", "folder", "a.gz"]);
    assert_eq!(mixed.json(1).len(), 20_000);
    mixed.says("missing: ").says("folder: ");
}

#[test]
fn two_streams_come_in_the_order_of_their_first_lines() {
    let place = Place::new();
    let text = "2026-11-23T09:14:51.1Z stdout P one \n2026-11-23T09:14:51.2Z stderr F two\n\
                2026-11-23T09:14:51.3Z stderr F   more of two\n2026-11-23T09:14:51.4Z stdout F still one\n\
                2026-11-23T09:14:51.5Z stderr F three\r\n";
    let records = place.pipe(&["convert"], text.as_bytes()).json(0);
    let seen: Vec<_> = records.iter().map(|r| (r["body"].as_str().unwrap(), r["lines"].as_u64().unwrap())).collect();
    assert_eq!(seen, [("one still one", 2), ("two\n  more of two", 2), ("three", 1)]);
    assert_eq!(records[0]["attributes"]["log.iostream"], "stdout");
}

#[test]
fn nuls_before_a_record_are_left_out_and_said() {
    let run = Place::new().pipe(&["convert"], b"\0\0\0level=info msg=hi\n\0\0\n");
    let records = run.json(0);
    assert_eq!((&records[0]["body"], &records[1]["body"]), (&json!("hi"), &json!("\0\0")));
    run.says("3 NUL bytes before records were left out");
}

#[test]
fn numbers_of_json_are_numbers_where_otlp_has_them() {
    let line = br#"{"msg":"n","a":5e-324,"b":1.10,"c":1e400,"d":18446744073709551616,"e":-99999999999999999999,"f":7,"g":2E3}"#;
    let text = String::from_utf8(Place::new().pipe(&["convert"], line).out).unwrap();
    for member in [r#""a":5e-324"#, r#""b":1.10"#, r#""c":1e400"#, r#""d":18446744073709551616"#, r#""g":2E3"#] {
        assert!(text.contains(member), "{member}: {text}");
    }
    let records = otlp_records(Place::new().pipe(&["convert", "--to", "otlp-json"], line).text(0));
    let value = |key: &str| {
        let attribute = records[0].1.attributes.iter().find(|attribute| attribute.key == key).unwrap();
        attribute.value.clone().unwrap().value.unwrap()
    };
    assert_eq!(value("a"), Value::DoubleValue(5e-324));
    assert_eq!(value("b"), Value::DoubleValue(1.1));
    assert_eq!(value("c"), Value::StringValue("1e400".to_owned()));
    assert_eq!(value("d"), Value::StringValue("18446744073709551616".to_owned()));
    assert_eq!(value("e"), Value::StringValue("-99999999999999999999".to_owned()));
    assert_eq!(value("f"), Value::IntValue(7));
    assert_eq!(value("g"), Value::DoubleValue(2000.0));
}

#[test]
fn a_byte_order_mark_does_not_hide_the_format_of_the_first_line() {
    let place = Place::new();
    for (line, format) in [
        ("I1123 09:14:51.123456    1 a.go:12] \"hi\"", "klog"),
        (r#"{"ts":1795425291.1,"msg":"hi"}"#, "json"),
        ("time=\"2026-11-23T09:14:51Z\" level=info msg=hi", "logrus"),
    ] {
        for end in ["", "\n", "\r\n", "\nnext\n"] {
            let records = place.pipe(&["convert"], format!("\u{feff}{line}{end}").as_bytes()).json(0);
            let first = &records[0];
            assert!(first["format"].as_str().unwrap().contains(format), "{first}");
            assert_eq!((&first["body"], &first["offset"]), (&json!("hi"), &json!(0)));
            assert_eq!(records.len(), if end == "\nnext\n" { 2 } else { 1 });
        }
    }
}

/// Bodies of records of these lines.
fn bodies(lines: &[&str], from: &str) -> Vec<String> {
    let run = Place::new().pipe(&["convert", "--from", from], lines.join("\n").as_bytes());
    run.json(0).iter().map(|record| record["body"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn lines_that_came_apart_are_no_record_together() {
    let klog = "I1123 09:00:00.000000       1 a.go:12] free text";
    for (first, second) in [("hello", "  indented"), (klog, "plain"), (klog, "")] {
        for (later, count) in [("05.9", 1), ("06.2", 2), ("05.0", 1), ("03.0", 2)] {
            let cri = |second: &str, text: &str| format!("2026-11-23T09:00:{second}Z stdout F {text}");
            let lines = [cri("05.1", first), cri(later, second)];
            assert_eq!(bodies(&[&lines[0], &lines[1]], "auto").len(), count, "{lines:?}");
            let docker = |second: &str, text: &str| {
                format!(r#"{{"log":"{text}\n","stream":"stdout","time":"2026-11-23T09:00:{second}Z"}}"#)
            };
            let lines = [docker("05.1", first), docker(later, second)];
            assert_eq!(bodies(&[&lines[0], &lines[1]], "auto").len(), count, "{lines:?}");
        }
    }
    // Each line is measured from the one before it, and parts of a line belong together whenever they come.
    let slow =
        ["2026-11-23T09:00:00Z stdout F a", "2026-11-23T09:00:01Z stdout F  b", "2026-11-23T09:00:02Z stdout F  c"];
    assert_eq!(bodies(&slow, "auto"), ["a\n b\n c"]);
    let parts = ["2026-11-23T09:00:00Z stdout P a", "2026-11-23T10:00:00Z stdout F b"];
    assert_eq!(bodies(&parts, "auto"), ["ab"]);
}

#[test]
fn an_entry_of_a_journal_is_a_record_unless_it_cannot_stand_alone() {
    let entry = |usec: u64, transport: &str, message: &str| {
        json!({"__REALTIME_TIMESTAMP": (1_795_436_491_000_000 + usec).to_string(), "_PID": "7", "_COMM": "x",
            "_TRANSPORT": transport, "MESSAGE": message})
        .to_string()
    };
    let pair = |gap: u64, transport: &str, first: &str, second: &str| {
        bodies(&[&entry(0, transport, first), &entry(gap, transport, second)], "auto").len()
    };
    let panic = ("panic: no", "\t/app/main.go:12 +0x1d");
    assert_eq!(pair(30_000, "stdout", panic.0, panic.1), 1);
    assert_eq!(pair(90_000, "stdout", panic.0, panic.1), 2);
    assert_eq!(pair(0, "journal", panic.0, panic.1), 2);
    let conmon_rs = ("DEBUG a::b: 418: received frame", " INFO a::b: 400: Received SIGINT");
    assert_eq!(pair(0, "stdout", conmon_rs.0, conmon_rs.1), 2);
    assert_eq!(bodies(&[conmon_rs.0, conmon_rs.1], "conmonrs"), ["received frame", "Received SIGINT"]);
}

#[test]
fn a_pipe_is_unpacked_as_a_file_is() {
    let place = Place::new();
    let packed = gzip(b"one\ntwo\n");
    for bytes in [&packed[..], &zstd::encode_all(&b"one\ntwo\n"[..], 0).unwrap(), b"one\ntwo\n"] {
        let records = place.pipe(&["convert"], bytes).json(0);
        assert_eq!((records.len(), &records[1]["body"]), (2, &json!("two")));
    }
    for short in [&b""[..], b"\x1f", b"(", b"(\xb5"] {
        assert_eq!(place.pipe(&["convert"], short).json(0).len(), usize::from(!short.is_empty()));
    }
    place.pipe(&["convert"], &packed[..packed.len() - 9]).says("cut off before its end").text(1);
    let large = gzip("a line\n".repeat(1000).as_bytes());
    place.pipe(&["convert", "--max-decompressed-bytes", "1000"], &large).says("--max-decompressed-bytes").text(1);
}

#[test]
fn a_line_in_parts_that_is_longer_than_the_limit_comes_in_marked_pieces() {
    let part = |tag: &str| format!("2026-11-23T09:00:00Z stdout {tag} {}\n", "x".repeat(500));
    let text = format!("{}{}{}", part("P").repeat(6), part("F"), "2026-11-23T09:00:00Z stdout F   next\n");
    let run = Place::new().pipe(&["convert", "--max-line-bytes", "1024"], text.as_bytes());
    let pieces: Vec<_> = run
        .json(0)
        .iter()
        .map(|record| (record["attributes"]["spanline.record.piece"].as_u64(), record["body"].as_str().unwrap().len()))
        .collect();
    assert_eq!(pieces, [(Some(1), 1000), (Some(2), 1000), (Some(3), 1000), (Some(4), 500), (None, 6)]);
    let place = Place::new();
    place.write("a.log", &text);
    place.run(&["backfill", "a.log", "--max-line-bytes", "1024"]).says("longer than the limit");
}

#[test]
fn a_cri_line_passed_on_by_a_program_stays_whole() {
    let line = "2026-11-23T09:14:51.1Z stdout F 2026-01-02T03:04:05.678901234Z stderr F inner\n";
    let records = Place::new().pipe(&["convert"], line.as_bytes()).json(0);
    assert_eq!(records[0]["body"], "2026-01-02T03:04:05.678901234Z stderr F inner");
    assert_eq!(records[0]["time"], "2026-11-23T09:14:51.100000000Z");
}

#[test]
fn a_journal_is_read_in_both_of_its_forms() {
    let entry = "__CURSOR=s=1\n__REALTIME_TIMESTAMP=1795425291123456\n_TRANSPORT=stdout\n_HOSTNAME=node-1\n\
                 SYSLOG_IDENTIFIER=kubelet\n_SYSTEMD_UNIT=kubelet.service\nPRIORITY=6\n_PID=77\n";
    let klog = "I1123 09:14:51.123400      77 a.go:12] \"hi\" pod=\"a/b\"";
    let export = format!("{entry}MESSAGE={klog}\n\n{entry}MESSAGE\n\x07\0\0\0\0\0\0\0one\ntwo\n\n");
    let objects = json!({"__CURSOR": "s=1", "__REALTIME_TIMESTAMP": "1795425291123456", "_HOSTNAME": "node-1",
        "SYSLOG_IDENTIFIER": "kubelet", "_SYSTEMD_UNIT": "kubelet.service", "MESSAGE": klog});
    for input in [export.clone(), format!("{objects}\n")] {
        let records = Place::new().pipe(&["convert", "--from", "journal"], input.as_bytes()).json(0);
        assert_eq!((&records[0]["body"], &records[0]["format"]), (&json!("hi"), &json!("journal/klog")));
        assert_eq!(records[0]["attributes"]["pod"], "a/b");
        let resource = &records[0]["resource"];
        assert_eq!((&resource["service.name"], &resource["host.name"]), (&json!("kubelet"), &json!("node-1")));
        assert_eq!(records[0]["time"], "2026-11-23T09:14:51.123400000Z");
    }
    let records = Place::new().pipe(&["convert"], export.as_bytes()).json(0);
    assert_eq!((records.len(), &records[1]["body"]), (2, &json!("one\ntwo")));
}
