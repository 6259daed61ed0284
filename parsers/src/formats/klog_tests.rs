use super::*;
use proptest::prelude::*;

const CLOCK: i64 = ((15 * 60 + 4) * 60 + 5) * 1_000_000_000 + 67_890_000;
const TIME: Time = Time::Local { year: None, month: 1, day: 2, nanos_of_day: CLOCK, digits: 6 };

fn read(text: &str) -> Entry<'_> {
    let mut entry = Entry::default();
    assert!(super::text(text.as_bytes(), &mut entry), "{text}");
    assert_eq!((entry.format, entry.time), (Format::Klog, TIME), "{text}");
    entry
}

/// Fields as `key=kind:value`, T for text, N for numbers, B, 0 for null, J for JSON.
fn fields(entry: &Entry<'_>) -> Vec<String> {
    let show = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
    entry
        .fields
        .iter()
        .map(|field| {
            let value = match &field.value {
                Value::Text(text) => format!("T:{}", show(text)),
                Value::Number(text) => format!("N:{}", show(text)),
                Value::Bool(value) => format!("B:{value}"),
                Value::Null => "0".to_owned(),
                Value::Json(text) => format!("J:{}", show(text)),
            };
            format!("{}={value}", show(&field.key))
        })
        .collect()
}

/// The body after a header, and what is expected of it.
fn check(body: &str, message: &str, expected: &[&str]) {
    let text = format!("I0102 15:04:05.067890       1 a.go:12] {body}");
    let entry = read(&text);
    assert_eq!(String::from_utf8_lossy(&entry.body), message, "{body}");
    assert_eq!(fields(&entry), expected, "{body}");
}

#[test]
fn reads_every_form_of_the_header() {
    for (header, severity, pid, file, line) in [
        ("I0102 15:04:05.067890       1 a.go:12] ", Severity::INFO, Some(1), "a.go", 12),
        ("W0102 15:04:05.067890 4194304 a.go:0] ", Severity::WARN, Some(4_194_304), "a.go", 0),
        ("E0102 15:04:05.067890         a.go:12] ", Severity::ERROR, None, "a.go", 12),
        ("F0102 15:04:05.067890         7z.go:12] ", Severity::FATAL, None, "7z.go", 12),
        ("I0102 15:04:05.067890   31337 ???:1] ", Severity::INFO, Some(31337), "???", 1),
        ("I0102 15:04:05.067890       1 dir/a_b-c.go:12] ", Severity::INFO, Some(1), "dir/a_b-c.go", 12),
        ("I0102 15:04:05.067890 140735012345 a.cc:-1] ", Severity::INFO, Some(140_735_012_345), "a.cc", 0),
        ("I0102 15:04:05.067890 42 C:a.go:99999999999] ", Severity::INFO, Some(42), "C:a.go", 0),
    ] {
        for (end, body) in [("x] y", "x] y"), ("", "")] {
            let text = format!("{header}{end}");
            let entry = read(&text);
            assert_eq!((entry.severity, entry.pid, &*entry.body), (severity, pid, body.as_bytes()), "{text}");
            assert_eq!(entry.code, Some(CodeSite { file: file.as_bytes(), line }), "{text}");
            assert_eq!(&*entry.severity_text, &header.as_bytes()[..1]);
        }
    }
    assert_eq!(read("I0102 15:04:05.067890       1 a.go:12]").body, &b""[..]);
    let test_logger = read("I0102 15:04:05.067890] hello");
    assert_eq!((&*test_logger.body, test_logger.code), (&b"hello"[..], None));
}

#[test]
fn finds_the_header_behind_a_prefix() {
    for prefix in ["kubelet", "Aug 15 22:24:53 host kubelet[102192]:", "a b", "microk8s.daemon-kubelite[27568]:"] {
        let text = format!("{prefix} I0102 15:04:05.067890       1 a.go:12] \"m\" k=1");
        let entry = read(&text);
        assert_eq!(entry.text(PREFIX_KEY), Some(prefix.as_bytes()));
        assert_eq!(entry.field(b"k"), Some(&Value::Number(b"1")));
        assert!(!is_header(text.as_bytes()));
        assert_eq!(find_header(text.as_bytes()), Some(prefix.len() + 1));
    }
    for no in [
        format!("{} I0102 15:04:05.067890       1 a.go:12] x", "p".repeat(PREFIX_BYTES_MAX)),
        "key=\"I0102 15:04:05.067890       1 a.go:12] x".to_owned(),
        String::new(),
    ] {
        assert_eq!(find_header(no.as_bytes()), None, "{no}");
    }
}

#[test]
fn refuses_what_is_no_header() {
    for bad in [
        "",
        "I0102",
        "D0102 15:04:05.067890       1 a.go:12] x",
        "I1302 15:04:05.067890       1 a.go:12] x",
        "I0230 15:04:05.067890       1 a.go:12] x",
        "I0102 24:04:05.067890       1 a.go:12] x",
        "I0102 15:04:05,067890       1 a.go:12] x",
        "I0102 15:04:05.06789        1 a.go:12] x",
        "I0102 15:04:05.067890       1 a.go] x",
        "I0102 15:04:05.067890       1 a.go:] x",
        "I0102 15:04:05.067890       1 :12] x",
        "I0102 15:04:05.067890       1 no bracket",
    ] {
        let mut entry = Entry::default();
        assert!(!super::text(bad.as_bytes(), &mut entry), "{bad}");
        assert_eq!(entry, Entry::default(), "{bad}");
    }
    assert!(read("I0102 15:04:05.067890       1 a.go:12] x").fields.is_empty());
}

#[test]
fn the_process_id_is_a_number_between_blanks() {
    for (thread, pid, file) in [
        // Behind more than eight blanks, or none, too.
        ("          a.go", None, "a.go"),
        ("1 a.go", Some(1), "a.go"),
        // Eight blanks are an id of 0 whatever follows them.
        ("        1 a.go", None, "1 a.go"),
        ("31337x.go", None, "31337x.go"),
        ("9999999999999999999 a.go", Some(9_999_999_999_999_999_999), "a.go"),
        ("99999999999999999999 a.go", None, "99999999999999999999 a.go"),
        // Threads of other programs.
        ("-1 a.go", None, "a.go"),
        ("-140735012345678 a.go", None, "a.go"),
        ("0x7ffd12ab a.go", None, "a.go"),
        ("0xdeadbeef12345678 a.go", None, "a.go"),
        ("- a.go", None, "- a.go"),
        ("-1a.go", None, "-1a.go"),
        ("0x a.go", None, "0x a.go"),
    ] {
        let text = format!("I0102 15:04:05.067890 {thread}:7] x");
        let entry = read(&text);
        assert_eq!(entry.pid, pid, "{text}");
        assert_eq!(entry.code, Some(CodeSite { file: file.as_bytes(), line: 7 }), "{text}");
    }
}

#[test]
fn the_place_in_the_code_has_a_name_a_colon_and_a_number() {
    for bad in ["a.go12", "a.go", "a.go:", ":12", ":-1", "a.go:1x", &format!("{}:1", "a".repeat(600))] {
        let text = format!("I0102 15:04:05.067890       1 {bad}] x");
        assert!(!super::text(text.as_bytes(), &mut Entry::default()), "{text}");
    }
    let long = format!("{}.go", "a".repeat(400));
    let text = format!("I0102 15:04:05.067890       1 {long}:12] x");
    assert_eq!(read(&text).code, Some(CodeSite { file: long.as_bytes(), line: 12 }));
}

#[test]
fn the_clock_has_leap_seconds_and_no_more() {
    for (clock, is_one) in [
        ("0229 23:59:60.999999 ", true),
        ("1231 00:00:00.000000 ", true),
        ("0102 15:04:05.067890]", true),
        ("0102 23:59:61.000000 ", false),
        ("0102 23:60:00.000000 ", false),
        ("0102 24:00:00.000000 ", false),
        ("0230 00:00:00.000000 ", false),
        ("0002 00:00:00.000000 ", false),
        ("0102 15:04:05.067890x", false),
        ("0102 15:04:05.0678901", false),
    ] {
        assert_eq!(is_header(format!("I{clock}").as_bytes()), is_one, "{clock}");
    }
    let text = "W1231 23:59:60.000001 1 a.go:1] x";
    let mut entry = Entry::default();
    assert!(super::text(text.as_bytes(), &mut entry));
    let nanos_of_day = 86_400 * 1_000_000_000 + 1000;
    assert_eq!(entry.time, Time::Local { year: None, month: 12, day: 31, nanos_of_day, digits: 6 });
}

#[test]
fn a_test_loggers_body_begins_behind_one_blank_or_none() {
    for (text, body) in [("] hello", "hello"), ("]hello", "hello"), ("]  hello", " hello"), ("]", ""), ("] ", "")] {
        assert_eq!(read(&format!("I0102 15:04:05.067890{text}")).body, body.as_bytes(), "{text}");
    }
}

#[test]
fn a_header_behind_a_prefix_is_found_wherever_it_may_stand() {
    let header = "E0102 15:04:05.067890] x";
    for length in 1..=PREFIX_BYTES_MAX {
        for blank in [" ", "\t"] {
            let prefix = format!("{}{blank}", "p".repeat(length - 1));
            let text = format!("{prefix}{header}");
            assert_eq!(find_header(text.as_bytes()), Some(length), "{text}");
            let entry = read(&text);
            assert_eq!((&*entry.severity_text, entry.severity, &*entry.body), (&b"E"[..], Severity::ERROR, &b"x"[..]));
            assert_eq!(entry.text(PREFIX_KEY), Some(prefix.trim_ascii().as_bytes()));
        }
    }
    let beyond = format!("{} {header}", "p".repeat(PREFIX_BYTES_MAX));
    assert_eq!(find_header(beyond.as_bytes()), None);
    for no in [format!("p{header}"), format!("=\"{header}"), header[1..].to_owned()] {
        assert_eq!(find_header(no.as_bytes()), None, "{no}");
    }
}

#[test]
fn the_top_of_a_file_tells_when_it_was_created() {
    let time = Time::Local { year: Some(2026), month: 1, day: 2, nanos_of_day: CLOCK - 67_890_000, digits: 0 };
    assert_eq!(preamble(b"Log file created at: 2026/01/02 15:04:05"), Some(Preamble::Created(time)));
    for bad in
        ["2026/01/02x15:04:05", "2026-01/02 15:04:05", "2026/01-02 15:04:05", "2026/02/29 15:04:05", "2026/01/02", ""]
    {
        assert_eq!(preamble(format!("Log file created at: {bad}").as_bytes()), None, "{bad}");
    }
}

#[test]
fn only_klogs_own_dump_is_taken_from_free_text() {
    let dump = |head: &str, frame: &str| format!("died\n{head}\n{frame}(0x1)\n\tx.go:1");
    for frame in [
        "k8s.io/klog/v2/internal/dbg.Stacks",
        "k8s.io/klog/v2.stacks",
        "vendor/k8s.io/klog.stacks",
        "golang/glog.stacks",
    ] {
        let stack = format!("goroutine 1 [running]:\n{frame}(0x1)\n\tx.go:1");
        check(&dump("goroutine 1 [running]:", frame), "died", &[&format!("exception.stacktrace=T:{stack}")]);
        for head in ["goroutine one:", "goroutine 1"] {
            check(&dump(head, frame), &dump(head, frame), &[]);
        }
    }
    for frame in ["main.main", "main.stacks", "dbg.Stacks", "k8s.io/klog/v2.stacksOf"] {
        let own = dump("goroutine 1 [running]:", frame);
        check(&own, &own, &[]);
    }
}

#[test]
fn reads_values_of_today() {
    check(r#""a""#, "a", &[]);
    check(r#""a" b="c d" e=1 f=true g=null h=1.50"#, "a", &["b=T:c d", "e=N:1", "f=B:true", "g=0", "h=T:1.50"]);
    check(r#""a\nb \"c\"" k="\x00\u003c\U0001f600""#, "a\nb \"c\"", &["k=T:\0<\u{1f600}"]);
    check(
        r#""a" b={"c":"d e=f"} g=["x","y z"] h=[] i={}"#,
        "a",
        &[r#"b=J:{"c":"d e=f"}"#, r#"g=J:["x","y z"]"#, "h=J:[]", "i=J:{}"],
    );
    check(r#""a" k="1" k="2""#, "a", &["k=T:1", "k=T:2"]);
    check("\"a\" b=\"c\" \t ", "a", &["b=T:c"]);
    check("\"a\" b=1\r", "a", &["b=N:1"]);
    check("\"a\" b=\"c\"\r", "a", &["b=T:c"]);
    check(r#""a" b={"g":"\x00"} c=1"#, "a", &[r#"b=T:{"g":"\x00"}"#, "c=N:1"]);
}

#[test]
fn reads_odd_keys() {
    check(
        r##""a" #1="b" 100%=1 label[app]=x {brace}=y ="z" ключ=2 a:b=q k'q=3"##,
        "a",
        &["#1=T:b", "100%=N:1", "label[app]=T:x", "{brace}=T:y", "=T:z", "ключ=N:2", "a:b=T:q", "k'q=N:3"],
    );
    check(
        r#""a" %!s(int=42)="b" map[test:%!s(bool=true)]=1"#,
        "a",
        &["%!s(int=42)=T:b", "map[test:%!s(bool=true)]=N:1"],
    );
    check(r#""a" b="c" two words="d""#, "a", &["b=T:c", "two words=T:d"]);
    check(r#""a" pod="ns/we"ird one" b=1"#, "a", &[r#"pod=T:ns/we"ird one"#, "b=N:1"]);
}

#[test]
fn reads_values_of_several_lines() {
    check("\"a\" b=<\n\tone\n\t\ttwo\n\t\n\t >\n > c=<\n\tx\n > d=1", "a", &["b=T:one\n\ttwo\n\n >", "c=T:x", "d=N:1"]);
    check("\"a\" b=<\n >", "a", &["b=T:"]);
    check("\"a\" b=<\n\tcut", "a", &["b=T:cut"]);
    check("\"a\" b=<\n\tcut\n", "a", &["b=T:cut\n"]);
    check("\"a\" b=<", "a", &["b=T:<"]);
    check(
        "\"a\" b=<\n\tone\n >\ngoroutine 1 [running]:\nmain.main()",
        "a",
        &["b=T:one", "exception.stacktrace=T:goroutine 1 [running]:\nmain.main()"],
    );
}

#[test]
fn reads_bare_values_of_old_versions() {
    check(
        r#""SyncLoop (PLEG)" pod="a/b" event=&{ID:7eab Type:ContainerStarted Data:d08b} x=[default/nginx a/b]"#,
        "SyncLoop (PLEG)",
        &["pod=T:a/b", "event=T:&{ID:7eab Type:ContainerStarted Data:d08b}", "x=T:[default/nginx a/b]"],
    );
    check(
        r#""a" podID=7eaba53e-63d2 err=not found (at all: x=1) b=2"#,
        "a",
        &["podID=T:7eaba53e-63d2", "err=T:not found (at all: x=1)", "b=N:2"],
    );
    check(r#""a" b={open c=1 d={x} e=2"#, "a", &["b=T:{open", "c=N:1", "d=T:{x}", "e=N:2"]);
    check(r#""a" desc=code = NotFound b=1"#, "a", &["desc=T:code = NotFound", "b=N:1"]);
    check(r#""a" b="open c=1"#, "a", &[r#"b=T:"open"#, "c=N:1"]);
}

#[test]
fn free_text_stays_whole() {
    for body in [
        "plain",
        "a=b c=d",
        "\"quoted\" then prose",
        "\"quoted\" then prose a=b",
        "\"open",
        "\"a\"b=1",
        " lead",
        "a\n\n b\n",
    ] {
        check(body, body, &[]);
    }
    let trace = "Trace[1005920859]: \"Update\" verb:PUT (05-Nov-2023 13:37:21.394) (total time: 608ms):\nTrace[1005920859]: [608.1ms] [608.1ms] END";
    check(trace, trace, &[]);
    check("died\ngoroutine 1 [running]:\nmain.f()", "died\ngoroutine 1 [running]:\nmain.f()", &[]);
    for frame in
        ["k8s.io/klog/v2/internal/dbg.Stacks(0x1)", "k8s.io/klog/v2.stacks(0x1)", "a/vendor/k8s.io/klog.stacks(0xc0)"]
    {
        check(
            &format!("died\ngoroutine 1 [running]:\n{frame}\n\tx.go:1"),
            "died",
            &[&format!("exception.stacktrace=T:goroutine 1 [running]:\n{frame}\n\tx.go:1")],
        );
    }
}

#[test]
fn lines_behind_a_structured_record_are_kept() {
    check("\"a\" b=1\n  more", "a\n  more", &["b=N:1"]);
    check("\"a\" b=1\n\tat x.y(Z.java:1)", "a", &["b=N:1", "exception.stacktrace=T:\tat x.y(Z.java:1)"]);
}

#[test]
fn reads_the_block_at_the_top_of_a_file() {
    let time = Time::Local { year: Some(2024), month: 2, day: 29, nanos_of_day: CLOCK - 67_890_000, digits: 0 };
    assert_eq!(preamble(b"Log file created at: 2024/02/29 15:04:05"), Some(Preamble::Created(time)));
    assert_eq!(preamble(b"Running on machine: node-1"), Some(Preamble::Machine(b"node-1")));
    assert_eq!(preamble(b"Binary: Built with gc go1.2"), Some(Preamble::Binary(b"Built with gc go1.2")));
    assert!(matches!(preamble(b"Log line format: [IWEF]mmdd"), Some(Preamble::LineFormat(_))));
    for bad in ["", "Log file created at: 2023/02/29 15:04:05", "Log file created at: soon", "Running late", "Binary"] {
        assert_eq!(preamble(bad.as_bytes()), None, "{bad}");
    }
}

/// Text as strconv.Quote leaves it, for text without anything odd in it.
fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for char in text.chars() {
        match char {
            '"' | '\\' => out.extend(['\\', char]),
            '\n' => out.push_str("\\n"),
            char if (char as u32) < 0x20 || char as u32 == 0x7f => out += &format!("\\x{:02x}", char as u32),
            char => out.push(char),
        }
    }
    out + "\""
}

/// As klog writes a text: quoted, or line by line if it has several.
fn write_value(text: &str) -> String {
    if !text.contains('\n') {
        return quote(text);
    }
    let lines: String = text.split('\n').map(|line| format!("\t{line}\n")).collect();
    format!("<\n{lines} >")
}

proptest! {
    #[test]
    fn reads_back_what_klog_writes(
        severity in prop::sample::select(vec!['I', 'W', 'E', 'F']), month in 1u8..=12, day in 1u8..=28, micros in 0i64..86_400_000_000,
        pid in 0u64..10_000_000, file in "[a-z0-9_]{1,12}\\.go", line in 0u32..100_000, message in any::<String>(),
        pairs in prop::collection::vec(("[A-Za-z{}\\[\\]#%.:/'é]{1,8}", any::<String>(), any::<i64>(), 0..4), 0..6),
    ) {
        let clock = format!("{:02}:{:02}:{:02}.{:06}", micros / 3_600_000_000, micros / 60_000_000 % 60, micros / 1_000_000 % 60,
            micros % 1_000_000);
        let pid_text = if pid == 0 { String::new() } else { pid.to_string() };
        let mut text = format!("{severity}{month:02}{day:02} {clock} {pid_text:>7} {file}:{line}] {}", quote(&message));
        let mut expected = Vec::new();
        for (key, string, number, kind) in &pairs {
            let json = serde_json::json!({"a": string, "b": [number, null]}).to_string();
            text += &match kind {
                0 => format!(" {key}={number}"),
                1 => format!(" {key}={json}"),
                _ => format!(" {key}={}", write_value(string)),
            };
            expected.push(match kind {
                0 => format!("{key}=N:{number}"),
                1 => format!("{key}=J:{json}"),
                _ => format!("{key}=T:{string}"),
            });
        }
        let mut entry = Entry::default();
        prop_assert!(super::text(text.as_bytes(), &mut entry));
        prop_assert_eq!(&*entry.body, message.as_bytes());
        prop_assert_eq!(fields(&entry), expected);
        prop_assert_eq!(entry.pid.unwrap_or(0), pid);
        prop_assert_eq!(entry.code, Some(CodeSite { file: file.as_bytes(), line }));
        prop_assert_eq!(entry.time, Time::Local { year: None, month, day, nanos_of_day: micros * 1000, digits: 6 });
        let mut open = crate::records::continuation::Open::default();
        let first = text.split('\n').next().unwrap_or_default().as_bytes();
        for (at, line) in text.split('\n').enumerate() {
            if at == 0 { open = crate::records::continuation::Open::start(line.as_bytes()); } else { prop_assert!(open.takes(first, line.as_bytes()), "{}", text); }
        }
        prop_assert!(!open.takes(first, first));
    }

    #[test]
    fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), pieces in prop::collection::vec(prop::sample::select(vec![
        "I0102 15:04:05.067890       1 a.go:12] ", "\"", "\\", " a=", "=", "<\n", "\t", "\n", " >", " ", "{", "}", "[\"", "%!(", ")", "]",
        "goroutine 1 [x]:", "klog.stacks(", "é", "\r", "1",
    ]), 0..30)) {
        let text = pieces.concat();
        for text in [&bytes, text.as_bytes(), format!("I0102 15:04:05.067890       1 a.go:12] \"a\" {text}").as_bytes()] {
            let mut entry = Entry::default();
            let _ = (super::text(text, &mut entry), find_header(text), preamble(text));
        }
    }
}

/// Where a byte is looked at once for each before it, each of these takes hours.
#[test]
fn hostile_bodies_take_linear_time() {
    let head = "I0102 15:04:05.067890       1 a.go:12] \"a\"";
    for piece in [
        " a={",
        " a=\"",
        " a=[\"",
        " a=\\\"",
        " a=(b",
        " %!(=",
        " a",
        " :",
        "=",
        " a=<\n\t",
        "\ngoroutine 1 [x]:\n",
        " =",
        "(",
        " a={\"a\":",
    ] {
        let text = format!("{head}{}", piece.repeat(400_000));
        assert!(super::text(text.as_bytes(), &mut Entry::default()), "{piece}");
    }
}
