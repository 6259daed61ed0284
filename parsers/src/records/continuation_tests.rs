use super::*;
use crate::entry::{Entry, Text};
use crate::stacks::frames::{STACK_KEY, attach};
use proptest::prelude::*;

/// Groups lines as their reader does.
#[derive(Default)]
struct Grouping {
    records: Vec<String>,
    open: Open,
    held: Vec<String>,
}

impl Grouping {
    fn line(&mut self, line: &str) {
        loop {
            let first = self.records.last().map(String::as_bytes);
            match first.map_or(Next::Begins, |first| self.open.next(first, line.as_bytes())) {
                Next::Continues => {
                    let lines = std::mem::take(&mut self.held).into_iter().chain([line.to_owned()]);
                    let record = self.records.last_mut().expect("one is open");
                    return lines.for_each(|line| *record += &format!("\n{line}"));
                }
                Next::Waits => return self.held.push(line.to_owned()),
                Next::Begins if self.held.is_empty() => return self.begin(line),
                Next::Begins => self.release(),
            }
        }
    }

    fn begin(&mut self, line: &str) {
        self.open = Open::start(line.as_bytes());
        self.records.push(line.to_owned());
    }

    fn release(&mut self) {
        let mut held = std::mem::take(&mut self.held).into_iter();
        held.next().iter().for_each(|line| self.begin(line));
        held.for_each(|line| self.line(&line));
    }
}

/// Groups lines; every expected record is one string with its LFs.
#[track_caller]
fn check(records: &[&str]) {
    let mut found = Grouping::default();
    records.join("\n").split('\n').for_each(|line| found.line(line));
    while !found.held.is_empty() {
        found.release();
    }
    assert_eq!(found.records, records);
}

const HEAD: &str = "I0102 15:04:05.067890       1 a.go:12] ";

#[test]
fn plain_lines_and_blank_ones_are_records_of_their_own() {
    check(&["one", "two", "", "three", "", "", "{\"a\":1}", "four", "\r", "   ", "five"]);
    check(&["level=info msg=a", "a plain line", "time=\"2026-01-02T03:04:05Z\" level=info msg=b"]);
    check(&["Error: no", "Insert failed", "Warning", "Finished", "at noon", "#1 in the list", "...", "from here on"]);
}

#[test]
fn indented_lines_go_on() {
    check(&["one\n  two\n\tthree", "four", "", "  five"]);
    check(&["config {\n  a: 1\n}", "}"]);
}

#[test]
fn a_line_that_is_a_whole_record_is_no_continuation() {
    let server = " INFO signal: conmonrs::server: 400: Received SIGINT";
    check(&["DEBUG a::b: 418: received frame", server, &format!("{server}\n  and more")]);
    check(&[&format!("{HEAD}a\nb"), "ERROR:root:no", "[2026-01-02 03:04:05] x", &format!("{HEAD}a\n INFO is a word")]);
}

#[test]
fn structured_klog_ends_with_its_line() {
    check(&[&format!("{HEAD}\"a\" b=\"c\""), "plain", &format!("{HEAD}\"a\""), "plain"]);
}

#[test]
fn free_text_of_klog_goes_on_to_the_next_record() {
    let free = |text: &str| format!("{HEAD}{text}");
    check(&[&free("a\nb\n\nc"), &free("d"), &free("\"e\" is quoted\nf"), "{\"ts\":1}", "g"]);
    check(&[&free("a\n{\n  \"b\": 1\n}"), "time=\"2026-01-02T03:04:05Z\" level=info"]);
    check(&[&free("a\n2026 was a good year"), "2026-01-02T03:04:05Z b", "c"]);
    check(&[&free("a"), "Log file created at: 2026/01/02 15:04:05", "b"]);
    check(&[&format!("kubelet {HEAD}a\nb"), &format!("kubelet {HEAD}c")]);
    check(&[&format!("Feb  1 14:17:44 h kubelet[1]: {HEAD}a\nb"), "Feb  1 14:17:44 h kubelet[1]: c", "d"]);
}

#[test]
fn values_of_klog_reach_to_their_end_mark() {
    let value =
        format!("{HEAD}\"a\" b=<\n\tI0102 15:04:05.067890       1 a.go:12] c\n\t >\n\n\t\n > d=\"e\" f=<\n\tg\n >");
    check(&[&value, "plain"]);
    check(&[&format!("{HEAD}\"a\" b=<\n\tcut off"), HEAD, &format!("{HEAD}\"a\" b=<"), "plain"]);
    check(&[&format!("{HEAD}\"ends with =<\""), "plain"]);
}

#[test]
fn go_dumps_hang_on_the_record_before() {
    let dump = "goroutine 1 [running]:\nmain.f[...](0x1, {0x2, 0x3})\n\t/a/b.go:1 +0x1\n...additional frames elided...\n\
        created by main.main in goroutine 1\n\t/a/b.go:2\n\ngoroutine 18 [select, 2 minutes]:\nk8s.io/x.(*T).Run(0x0)\n\t/c.go:3";
    check(&[&format!("{HEAD}\"a\" b=1\n{dump}"), "plain text behind it", "(done)"]);
    check(&[&format!(
        "panic: boom [recovered]\n\tpanic: boom\n[signal SIGSEGV: segmentation violation]\n\n{dump}\nexit status 2"
    )]);
    check(&["http: panic serving\ngoroutine 7 [running]:\npanic({0x1, 0x2})\n\t/p.go:1", "plain"]);
    check(&["a", "main.main() was called", "b", "main.main()"]);
}

#[test]
fn java_traces_hang_on_the_record_before() {
    check(&[
        "2026-01-02 03:04:05.678 ERROR 1 --- [main] c.e.A : failed\n\
         org.example.shop.OrderException: no stock\n\tat a.b.C.d(C.java:12)\n\t... 3 more\n\
         Caused by: java.lang.NullPointerException\n\tat a.b.E.f(E.java:1)\n... 12 more",
        "next",
    ]);
    check(&["failed\nat x.y(Z.java:1)\nat f (/a/z.js:2:1)", "at last (we are done)", "at x.y it ends (now)"]);
    check(&["java.lang.RuntimeException: first of all\n\tat a.b(C.java:1)", "next"]);
}

#[test]
fn python_traces_end_with_the_exception() {
    check(&[
        "ERROR:root:failed\nTraceback (most recent call last):\n  File \"a.py\", line 1, in f\n    g()\nValueError: bad\n\n\
         During handling of the above exception, another exception occurred:\n\n\
         Traceback (most recent call last):\n  File \"a.py\", line 3, in h\nKeyError: 'k'",
        "next",
    ]);
    check(&["Traceback (most recent call last):\n  File \"a.py\", line 1\nOSError", "next"]);
}

#[test]
fn traces_of_rust_dotnet_ruby_php() {
    check(&[
        "thread 'main' panicked at src/main.rs:2:5:\nboom\nstack backtrace:\n   0: rust_begin_unwind\n\
         note: Some details are omitted, run with `RUST_BACKTRACE=full` for a verbose backtrace.",
        "next",
    ]);
    check(&[
        "fail: A[0]\n      System.Exception: x\n--- End of stack trace from previous location ---\n   at A.B()",
        "next",
    ]);
    check(&["a.rb:1:in `f': x (RuntimeError)\n\tfrom a.rb:2:in `<main>'", "next"]);
    check(&["PHP Fatal error: x\nStack trace:\n#0 /a.php(3): f()\n#1 {main}\n  thrown in /a.php on line 1", "next"]);
}

#[test]
fn a_line_with_a_level_goes_on_no_free_text() {
    let free = |text: &str| format!("{HEAD}{text}");
    for line in [
        "[ERROR] plugin/errors: 2 x. A: i/o timeout",
        "ERROR: cannot open settings",
        "INFO:     127.0.0.1:41234 - \"GET / HTTP/1.1\" 200 OK",
        "[GIN] 2026/11/23 - 12:00:00 | 200 |     1.2ms |       10.0.0.1 | GET      \"/healthz\"",
        "[GIN-debug] [WARNING] Running in \"debug\" mode.",
        "[23/Nov/2026:12:00:00 +0000] \"GET /x HTTP/1.1\" 200 5",
        "info: Acme.Hosting[14]",
        "E, [2026-11-23T12:00:01.200000 #1] ERROR -- : ruby",
        "[12:00:01 ERR] serilog",
        "INFO[0003] logrus on a terminal",
        "<3>sd-daemon",
        "2:32PM WRN kitchen",
        "1:M 23 Nov 2026 12:00:00.123 * redis",
        "23-Nov-2026 12:00:00.123 INFO [main] a.B.c tomcat",
        "fatal error: all goroutines are asleep",
    ] {
        check(&[&free("a"), line]);
    }
    check(&[&free(
        "a\nan error: in the middle\nError handling is off\nInformation\nall: is well\n(12:00)\n[not a level] x",
    )]);
}

#[test]
fn a_blank_line_may_lead_to_an_exception() {
    let spring = "2026-11-23 10:26:45.134 ERROR 1 --- [main] c.a.S : Sweep 7 failed";
    check(&[
        &format!(
            "{spring}\n\norg.acme.Fault$Gone: 410 Gone\n\tat org.acme.Fault.of(Fault.java:1)\n\tat a.b.C(C.java:2)"
        ),
        "",
        "next",
    ]);
    check(&[&format!("{spring}\n\nSystem.InvalidOperationException: x\n   at A.B() in /a.cs:line 1"), "next"]);
    check(&[spring, "", "org.acme.Fault: no frames", "next"]);
    check(&[spring, "", "", "a.b.C: x\n\tat last"]);
    check(&[spring, "", "next.One: 1", "2026-11-23 10:26:46 x"]);
}

#[test]
fn messages_of_exceptions_may_have_lines() {
    check(&["java.lang.A.BException: one\ntwo\n[three]\n4\n  five\n\tat a.b.C(C.java:1)", "next"]);
    check(&[
        "ERROR x - a.b.CException: one\ntwo\n\tat a.b.C(C.java:1)\nCaused by: d.E: three\nfour\n\tat d.E(E.java:1)",
        "next",
    ]);
    check(&["TypeError: one\ntwo\n    at f (/a/b.js:1:2)", "next"]);
    check(&["java.lang.A.BException: one", "two", "2026-11-23 10:26:46 INFO three"]);
}

#[test]
fn go_functions_may_stand_at_the_margin() {
    let zap = "2026-11-23T12:01:19.317Z\tERROR\tlease\tReconciler error\t{\"name\": \"demo\"}";
    let stack = "github.com/go-logr/zapr.(*zapLogger).Error\n\t/go/zapr@v0.2.0/zapr.go:132\nmain.main.func1\n\t/a/main.go:7 +0x1b";
    check(&[&format!("{zap}\n{stack}"), "next"]);
    let failed = "time=\"2026-11-23T12:00:00Z\" level=error msg=failed error=boom";
    check(&[&format!("{failed}\nboom\nmain.f\n\t/app/a.go:12\nruntime.goexit\n\t/go/asm_amd64.s:1594"), "next"]);
    check(&[failed, "boom", "example.com", "next"]);
    check(&[failed, "one", "two", "three", "four\nmain.f\n\t/app/a.go:12"]);
    check(&["level=info msg=fine", "one\nmain.f\n\t/app/a.go:12"]);
}

#[test]
fn frames_of_ruby_and_php_stand_at_the_margin() {
    let ruby = "E, [2026-11-23T12:00:00.123456 #1] ERROR -- app: boom (RuntimeError)";
    check(&[
        &format!("{ruby}\n/app/a.rb:3:in `f'\napp/b.rb:7:in 'Object#call'\n<internal:kernel>:187:in `loop'"),
        "next",
    ]);
    check(&[
        ruby,
        "/app/a.rb:6:in `/': divided by 0 (ZeroDivisionError)\n\tfrom /app/a.rb:6:in `<main>'",
        "a.rb:3: warning",
    ]);
    check(&[
        "PHP Fatal error:  Uncaught E: x in /a.php:3\nStack trace:\n#0 [internal function]: f(Array)\n#1 C:\\app\\b.php(4): g()\n\
         #2 phar:///c.php(1): h()\n#3 {main}\n\nNext F: y in /a.php:9\nStack trace:\n#0 /a.php(1): i()\n#1 {main}\n  thrown in /a.php on line 9",
        "",
        "next",
    ]);
    check(&["a", "#0 is the first", "#1 fixed in 2.0"]);
}

#[test]
fn the_level_of_java_util_logging_is_on_its_second_line() {
    check(&["Nov 23, 2026 3:23:29 PM com.acme.Sweep run\nSEVERE: failed\n\tat a.b.C(C.java:1)", "INFO: x"]);
    check(&["Nov 23, 2026 3:23:29 PM com.acme.Sweep run", "nothing", "INFO: x"]);
}

#[test]
fn a_tail_becomes_the_stack_or_more_of_the_message() {
    let mut entry = Entry { body: Text::Borrowed(b"a"), ..Entry::default() };
    attach(&mut entry, b"");
    attach(&mut entry, b"  more\nof it");
    assert_eq!(&*entry.body, b"a\n  more\nof it");
    for stack in
        ["goroutine 1 [running]:\nmain.main()", "\tat a.b(C.java:1)", "Traceback (most recent call last):\n  x"]
    {
        entry.fields.clear();
        attach(&mut entry, stack.as_bytes());
        assert_eq!(entry.text(STACK_KEY), Some(stack.as_bytes()));
    }
}

proptest! {
    #[test]
    fn never_panics(lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..8), pieces in
        prop::collection::vec(prop::sample::select(vec![HEAD, "\"a\"", " b=<", "\n", " >", "\t", "goroutine 1 [x]:",
            "Traceback (most recent call last):", "... ", "#", "a.b.C: x", "main.f", "/a.go:1", "x Error: y", "a.rb:1:in `b'", "PHP ", "Next ", "at ", "time=\"", "[", "1", "Caused by: ", ")", "a.b.CError"]), 0..20))
    {
        let text = pieces.concat();
        let mut open = Open::default();
        let mut first: &[u8] = b"";
        let mut grouping = Grouping::default();
        for line in lines.iter().map(Vec::as_slice).chain(text.split('\n').map(str::as_bytes)) {
            if !open.takes(first, line) {
                (open, first) = (Open::start(line), line);
            }
            grouping.line(&String::from_utf8_lossy(line));
            attach(&mut Entry::default(), line);
        }
    }

    #[test]
    fn a_first_line_that_is_read_late_says_the_same(lines in prop::collection::vec(prop::sample::select(vec![
        "I0102 15:04:05.067890       1 a.go:12] \"a\" b=<", "I0102 15:04:05.067890       1 a.go:12] free", "x I0102 15:04:05.067890       1 a.go:12] \"a\"",
        "", " ", "\tb", " >", "{\"a\":1}", "{\"a\"", "2026-01-02T03:04:05Z a", "2026-01-02 x", "10.0.0.1 - - [", "time=\"2026", "level=info", "panic: x",
        "fatal error: x", "goroutine 1 [x]:", "main.main()", "Traceback (most recent call last):", "ValueError: x", "thread 'main' panicked at a.rs:1:2:", "a.b.CError: x", "at a.b(C.java:1)",
        "Caused by: x", "Log file created at: 2026/01/02 03:04:05", "Nov 10 14:17:44 h x", "[2026-01-02 03:04:05] x", "}", "... 3 more", "word",
    ]), 1..8)) {
        let first = lines[0].as_bytes();
        let (mut late, mut early) = (Open::start(first), Open::read(first));
        for line in &lines[1..] {
            let takes = early.follows(line.as_bytes());
            prop_assert_eq!(late.takes(first, line.as_bytes()), takes, "{:?}", lines);
            if !takes {
                break;
            }
        }
    }
}
