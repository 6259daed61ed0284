//! What is printed in a pattern reads back equal, and no bytes make a parser panic.

use proptest::prelude::*;
use spanline_parsers::detect::{Expect, payload};
use spanline_parsers::{Entry, Format, Severity, Time, access, conmon, conmon_rs, glog, log4j, python, spring};

fn read(line: &[u8]) -> Entry<'_> {
    let mut entry = Entry::default();
    payload(line, Expect::Auto, &mut entry);
    entry
}

fn level() -> impl Strategy<Value = (&'static str, Severity)> {
    prop_oneof![
        Just(("INFO", Severity::INFO)),
        Just(("WARN", Severity::WARN)),
        Just(("ERROR", Severity::ERROR)),
        Just(("DEBUG", Severity::DEBUG)),
        Just(("TRACE", Severity::TRACE)),
    ]
}

/// Hour, minute, second, milliseconds.
fn clock() -> impl Strategy<Value = (u8, u8, u8, u16)> {
    (0u8..24, 0u8..60, 0u8..60, 0u16..1000)
}

fn nanos_of_day((hour, minute, second, millis): (u8, u8, u8, u16)) -> i64 {
    let seconds = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
    seconds * 1_000_000_000 + i64::from(millis) * 1_000_000
}

const MESSAGE: &str = "[a-zA-Z][ -~]{0,80}";

proptest! {
    #[test]
    fn spring_reads_back(
        at in clock(), day in 1u8..=28, (word, severity) in level(), pid in 1u32..4_000_000,
        thread in "[a-z][a-z0-9#-]{0,20}", logger in "[a-z]{1,8}(\\.[A-Za-z]{1,12}){1,4}", message in MESSAGE,
        ids in proptest::option::of((1u128.., 1u64..)),
    ) {
        let block = ids.map_or(String::new(), |(trace, span)| format!("[{trace:032x}-{span:016x}] "));
        let (hour, minute, second, millis) = at;
        let line = format!(
            "2026-08-{day:02} {hour:02}:{minute:02}:{second:02}.{millis:03} {word:>5} {pid} --- [{thread:>15}] {block}{logger:<40} : {message}"
        );
        let entry = read(line.as_bytes());
        prop_assert_eq!(entry.format, Format::Spring);
        prop_assert_eq!(entry.time, Time::Local { year: Some(2026), month: 8, day, nanos_of_day: nanos_of_day(at), digits: 3 });
        prop_assert_eq!((entry.severity, &*entry.severity_text), (severity, word.as_bytes()));
        prop_assert_eq!(entry.pid, Some(u64::from(pid)));
        prop_assert_eq!(entry.text(b"thread.name"), Some(thread.as_bytes()));
        prop_assert_eq!(entry.text(b"logger"), Some(logger.as_bytes()));
        prop_assert_eq!(&*entry.body, message.as_bytes());
        if let Some((trace, span)) = ids {
            prop_assert_eq!(entry.trace.trace_id, Some(trace.to_be_bytes()));
            prop_assert_eq!(entry.trace.span_id, Some(span.to_be_bytes()));
        }
    }

    #[test]
    fn syslog_reads_back(
        at in clock(), day in 1u8..=28, priority in proptest::option::of(0u8..192), host in "[a-z][a-z0-9-]{0,20}",
        tag in "[a-z][a-z_-]{0,15}", pid in proptest::option::of(1u32..4_000_000), message in "[g-z][ -~&&[^=]]{0,80}",
    ) {
        let prefix = priority.map_or(String::new(), |priority| format!("<{priority}>"));
        let pid_text = pid.map_or(String::new(), |pid| format!("[{pid}]"));
        let (hour, minute, second, _) = at;
        let line = format!("{prefix}Nov {day:>2} {hour:02}:{minute:02}:{second:02} {host} {tag}{pid_text}: {message}");
        let entry = read(line.as_bytes());
        prop_assert_eq!(entry.format, Format::Syslog, "{}", line);
        let nanos = nanos_of_day((hour, minute, second, 0));
        prop_assert_eq!(entry.time, Time::Local { year: None, month: 11, day, nanos_of_day: nanos, digits: 0 });
        prop_assert_eq!(entry.pid, pid.map(u64::from));
        prop_assert_eq!(entry.text(b"host.name"), Some(host.as_bytes()));
        prop_assert_eq!(entry.text(b"appname"), Some(tag.as_bytes()));
        prop_assert_eq!(&*entry.body, message.as_bytes());
        if let Some(priority) = priority
            && entry.severity_text.is_empty()
        {
            prop_assert_eq!(entry.severity, Severity::from_priority(priority & 7));
        }
    }

    #[test]
    fn conmon_rs_reads_back(
        timed in any::<bool>(), (word, severity) in level(), id in "[0-9a-f]{64}", uuid in "[0-9a-f]{8}-[0-9a-f]{4}",
        path in proptest::option::of("[a-z_]{1,12}"), target in "[a-z_]{1,9}(::[a-z_]{1,9}){0,3}", number in 1u32..9999,
        message in "[A-Z][a-zA-Z0-9 /,.]{0,60}[a-z]", fields in proptest::collection::vec(("[a-z][a-z_.]{0,8}", 0u32..), 0..3),
    ) {
        let time = if timed { "2026-11-23T12:02:41.352918Z " } else { "" };
        let spans = path.as_ref().map(|leaf| format!("create_container{{container_id=\"{id}\" uuid={uuid}}}:{leaf}"));
        let prefix = spans.as_ref().map_or(String::new(), |spans| format!("{spans}: "));
        let tail: String = fields.iter().map(|(key, value)| format!(" {key}={value}")).collect();
        let line = format!("{time}{word:>5} {prefix}{target}: {number}: {message}{tail}\n");
        let entry = read(line.as_bytes());
        prop_assert_eq!(entry.format, Format::ConmonRs, "{}", line);
        prop_assert_eq!(entry.severity, severity);
        prop_assert_eq!(entry.time != Time::None, timed);
        let code = entry.code.expect("a conmon-rs line has a code site");
        prop_assert_eq!((code.file, code.line), (target.as_bytes(), number));
        let body = format!("{message}{tail}");
        prop_assert_eq!(&*entry.body, body.as_bytes());
        prop_assert_eq!(conmon_rs::message(&entry.body), message.as_bytes());
        prop_assert_eq!(entry.text(b"spans"), spans.as_deref().map(str::as_bytes));
        if path.is_some() && !fields.iter().any(|(key, _)| key == "uuid") {
            prop_assert_eq!(entry.text(b"container_id"), Some(id.as_bytes()));
            prop_assert_eq!(entry.text(b"uuid"), Some(uuid.as_bytes()));
        }
    }

    #[test]
    fn access_reads_back(
        at in clock(), client in "([0-9]{1,3}\\.){3}[0-9]{1,3}|[0-9a-f]{1,4}::[0-9a-f]{1,4}|[a-z]{2,9}\\.example",
        method in "GET|POST|PUT|DELETE", path in "/[a-z0-9/._-]{0,40}", query in "(\\?[a-z=&0-9]{0,9})?", status in 100u32..600,
        agent in "[a-zA-Z/0-9 .;()]{0,60}",
    ) {
        let (hour, minute, second, _) = at;
        let line = format!(
            "{client} - - [23/Nov/2026:{hour:02}:{minute:02}:{second:02} +0000] \"{method} {path}{query} HTTP/1.1\" {status} 12 \"-\" \"{agent}\""
        );
        let entry = read(line.as_bytes());
        prop_assert_eq!(entry.format, Format::Access, "{}", line);
        let nanos = 1_795_392_000_000_000_000 + nanos_of_day((hour, minute, second, 0));
        prop_assert_eq!(entry.time, Time::Unix { nanos, digits: 0 });
        prop_assert_eq!(entry.text(b"client.address"), Some(client.as_bytes()));
        prop_assert_eq!(entry.text(b"http.request.method"), Some(method.as_bytes()));
        prop_assert_eq!(entry.text(b"url.path"), Some(path.as_bytes()));
        prop_assert_eq!(&*entry.body, line.as_bytes());
        prop_assert_eq!(entry.severity, Severity::UNKNOWN);
    }

    /// Any bytes, and the beginnings and ends of real lines with other bytes put in.
    #[test]
    fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), sample in 0usize..8, cut in 0usize..220, flip in 0usize..220) {
        let mut line = SAMPLES[sample].as_bytes().to_vec();
        let cut = cut.min(line.len());
        for mutated in [
            bytes.clone(),
            line[..cut].to_vec(),
            line[cut..].to_vec(),
            [&line[..cut], &bytes[..]].concat(),
            {
                let at = flip.min(line.len() - 1);
                line[at] = bytes.first().copied().unwrap_or_default();
                line
            },
        ] {
            let mut entry = Entry::default();
            for expect in [Expect::Auto, Expect::Klog, Expect::Logrus, Expect::Logfmt, Expect::Json, Expect::ConmonRs,
                Expect::Conmon, Expect::Syslog, Expect::Text] {
                payload(&mutated, expect, &mut entry);
                let _ = conmon_rs::message(&entry.body);
            }
            for parser in [access::line, conmon::line, conmon_rs::line, glog::line, log4j::line, python::line, spring::line] {
                entry.clear();
                let _ = parser(&mutated, &mut entry);
            }
        }
    }
}

const SAMPLES: [&str; 8] = [
    "2026-08-22 10:15:30.969  INFO 1 --- [nio-1] [trace_id=f52eb68300339dc7f5720feadb43d56b span_id=ddc5a11a48434c3b] c.e.X : hi",
    "Nov 10 14:17:41.900439 master-0 kubenswrapper[2296]: E1110 14:17:41.900391    2296 pod.go:13] \"a\" err=\"b\"",
    "<165>1 2026-11-23T09:14:51.322Z host app 1370 ID47 [a@1 iut=\"3\" note=\"a \\\"b\\\" c\"][o trace_id=\"4bf9\"] msg",
    "2026-11-23T12:03:00.630586Z DEBUG a{b=\"c\" uuid=bd-c4}:promise{x=[1, (2)]}: conmonrs::io: 279: x=1 Nothing y=\"a\" z={b}",
    "10.225.34.223 - - [22/Aug/2026:10:15:14 +0000] \"GET /a?u=7 HTTP/1.1\" 200 6438 \"-\" \"curl\"",
    "2026/11/23 09:14:51 [error] 123#456: *7 open() failed",
    "[2026-11-23 09:14:51,322] INFO [GroupCoordinator 0]: Preparing (kafka.coordinator.Group)",
    "I20261123 09:14:51.322215 12345 file.cc:12] dated glog",
];

/// Where a byte is looked at once for each before it, each of these takes minutes.
#[test]
fn long_hostile_lines_take_no_longer_than_their_length() {
    for piece in [
        "[",
        "a=\"",
        "{a=(",
        ": ",
        " x=1",
        "\\\"",
        "<1>",
        "Nov 23 09:14:51 a b: ",
        "\" \"",
        "2026-11-23T09:14:51Z DEBUG a{",
    ] {
        for start in ["", "DEBUG a::b: 1: ", "2026-11-23T09:14:51Z DEBUG a{", "<1>1 - - - - - [", "1.1.1.1 - - ["] {
            let line = format!("{start}{}", piece.repeat(400_000 / piece.len()));
            let entry = read(line.as_bytes());
            assert!(entry.fields.len() < 400_000);
        }
    }
}
