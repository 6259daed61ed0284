//! `spanline status`: a running agent's status for people.
//!
//! In goes the status as the agent serves it, out comes text. Names come from far away: what would move the cursor is not
//! passed on to the terminal.

use std::fmt::Write;
use std::io;
use std::time::Duration;

use crate::metrics::status::{DestinationStatus, Status};
use crate::notify::spelled_time;
use crate::telemetry::ask::Address;

/// How often it is shown again.
const SHOWN_EVERY: Duration = Duration::from_secs(2);

/// Lines around the rows of sources: an empty one, their heading, how many more there are, and the prompt's.
const FRAME_LINES: usize = 4;

/// Shows the status once.
pub fn show(address: &Address, output: &mut impl io::Write) -> Result<(), String> {
    let text = text(&address.status()?, None);
    written(output.write_all(text.as_bytes()))
}

/// Shows it again and again, until nobody reads it any more; also that there is no answer, since an agent may be starting
/// again.
pub fn watch(address: &Address, output: &mut impl io::Write, terminal: &console::Term) -> Result<(), String> {
    loop {
        let rows = terminal.size_checked().map(|(rows, _)| usize::from(rows));
        let shown = match address.status() {
            Ok(status) => text(&status, rows),
            Err(error) => format!("{}\n", printable(&error)),
        };
        if terminal.is_term() {
            written(terminal.clear_screen())?;
        }
        match output.write_all(shown.as_bytes()).and_then(|()| output.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            other => written(other)?,
        }
        std::thread::sleep(SHOWN_EVERY);
    }
}

fn written(outcome: io::Result<()>) -> Result<(), String> {
    outcome.map_err(|error| format!("standard output: {error}"))
}

/// The text; at most so many lines, of which the sources are left out first.
pub fn text(status: &Status, lines_max: Option<usize>) -> String {
    let mut text = head(status);
    text.push_str(&inputs(status));
    for destination in &status.destinations {
        text.push_str(&of_destination(destination, "records delivered", status.at_nanos));
    }
    if status.destinations.is_empty() {
        text.push('\n');
    }
    text.push_str(&spans(status));
    let bytes = |all: &[(String, u64)]| list(all, size);
    let counts = |all: &[(String, u64)]| list(all, grouped);
    for (name, words) in [
        ("links", counts(&status.links)),
        ("dropped", counts(&status.dropped)),
        ("lost", bytes(&status.bytes_lost)),
        ("memory", bytes(&status.memory)),
    ] {
        let _ = writeln!(text, "{name:<9}{words}");
    }
    let _ = writeln!(text, "{:<9}{} records wait for their links", "waiting", grouped(status.waiting_records));
    let left = lines_max.map_or(usize::MAX, |max| max.saturating_sub(text.lines().count() + FRAME_LINES));
    text.push_str(&sources(status, left));
    text
}

fn head(status: &Status) -> String {
    let uptime = span(status.uptime_seconds);
    let is_ready = status.is_alive && status.not_ready.is_empty();
    let ready = if is_ready { "ready" } else { "not ready" };
    let mut text = format!("spanline {}, running for {uptime}, {ready}\n", printable(&status.version));
    if !status.is_alive {
        text.push_str("  its loop stands still\n");
    }
    for reason in &status.not_ready {
        let _ = writeln!(text, "  {}", printable(reason));
    }
    text.push('\n');
    text
}

fn inputs(status: &Status) -> String {
    let mut rows = vec![["input", "lines read", "sources", "behind", "worst lag"].map(str::to_owned)];
    rows.extend(status.inputs.iter().map(|input| {
        let lag = match input.lag_bytes {
            0 => "none".to_owned(),
            bytes => format!("{}, {}", size(bytes), seconds(input.lag_seconds)),
        };
        [printable(&input.name), grouped(input.lines_read), grouped(input.sources), grouped(input.behind), lag]
    }));
    format!("{}\n", table(&rows))
}

/// What is received and passed on; nothing where nothing is.
fn spans(status: &Status) -> String {
    let spans = &status.spans;
    let mut text = String::new();
    for forward in &spans.forwards {
        text.push_str(&of_destination(forward, "spans passed on", status.at_nanos));
    }
    let has_any = spans.received > 0 || !spans.forwards.is_empty() || !spans.refused.is_empty();
    if has_any {
        let _ = writeln!(text, "spans    {} received", grouped(spans.received));
        for (name, words) in [
            ("  on disk", list(&spans.spilled, size)),
            ("  dropped", list(&spans.dropped, grouped)),
            ("  refused", list(&spans.refused, grouped)),
        ] {
            let _ = writeln!(text, "{name}  {words}");
        }
        text.push('\n');
    }
    text
}

fn of_destination(destination: &DestinationStatus, taken: &str, now_nanos: i64) -> String {
    let since = |nanos: i64| span(u64::try_from(now_nanos.saturating_sub(nanos)).unwrap_or(0) / 1_000_000_000);
    let state = match (destination.failing_since_nanos, destination.last_success_nanos) {
        (Some(nanos), _) => {
            let error = destination.last_error.as_deref().map(printable).unwrap_or_default();
            let next = match destination.next_try_nanos.map(|next| (next - now_nanos) / 1_000_000_000) {
                Some(seconds @ 1..) => format!("; tried again in {seconds} s"),
                Some(_) => "; tried again now".to_owned(),
                None => String::new(),
            };
            let times = if destination.failures == 1 {
                "once".to_owned()
            } else {
                format!("{} times", grouped(destination.failures))
            };
            format!("failing since {} ({}), {times}: {error}{next}", spelled_time(nanos), since(nanos))
        }
        (None, Some(nanos)) => format!("up, took something {} ago", since(nanos)),
        (None, None) => "nothing was sent yet".to_owned(),
    };
    let (delivered, held) = (grouped(destination.delivered), grouped(destination.held));
    format!("{}\n  {state}\n  {delivered} {taken}, {held} held\n\n", printable(&destination.name))
}

fn sources(status: &Status, rows_max: usize) -> String {
    let mut text = String::new();
    let behind: Vec<_> = status.sources.iter().filter(|source| source.lag_bytes > 0).collect();
    let shown = behind.len().min(rows_max);
    match status.sources_age_seconds {
        None => return "\nthe loop has not told of its sources yet\n".to_owned(),
        Some(_) if behind.is_empty() => return "\nall sources are read to their end\n".to_owned(),
        Some(_) => text.push('\n'),
    }
    let mut rows = vec![["behind for", "by", "read", "source"].map(str::to_owned)];
    rows.extend(behind[..shown].iter().map(|source| {
        let path = printable(&source.path.display().to_string());
        [seconds(source.lag_seconds), size(source.lag_bytes), size(source.bytes_read), path]
    }));
    text.push_str(&table(&rows));
    let all_behind: u64 = status.inputs.iter().map(|input| input.behind).sum();
    let more = all_behind.saturating_sub(shown as u64);
    if more > 0 {
        let _ = writeln!(text, "and {} more", grouped(more));
    }
    text
}

/// Columns as wide as their widest cell; the last has no padding.
fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, "{cell:<width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Those that are not zero.
fn list(all: &[(String, u64)], shown: fn(u64) -> String) -> String {
    let counted = all.iter().filter(|(_, count)| *count > 0);
    let words: Vec<String> = counted.map(|(name, count)| format!("{} {}", printable(name), shown(*count))).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

/// 1,234,567
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn size(bytes: u64) -> String {
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    match units.into_iter().find(|(_, shift)| bytes >> shift > 0) {
        Some((unit, shift)) => format!("{:.1} {unit}", bytes as f64 / f64::from(1u32 << shift)),
        None => format!("{bytes} B"),
    }
}

fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86400, seconds / 3600 % 24),
    }
}

fn seconds(seconds: f64) -> String {
    if seconds < 10.0 { format!("{seconds:.1} s") } else { span(seconds as u64) }
}

fn printable(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::status::{InputStatus, SourceStatus};

    const NOW: i64 = 1_796_036_400 * 1_000_000_000;

    fn example() -> Status {
        let source = |number: u64| SourceStatus {
            path: format!("/var/log/pods/shop_web-{number}/app/0.log").into(),
            input: "pods".into(),
            bytes_read: 5 << 20,
            lag_bytes: 1536 - number,
            lag_seconds: 3.25,
        };
        Status {
            version: "0.1.0".into(),
            at_nanos: NOW,
            uptime_seconds: 3725,
            is_alive: true,
            not_ready: vec!["the state cannot be written: no space left on device".into()],
            inputs: vec![
                InputStatus { name: "files".into(), lines_read: 12, sources: 2, ..InputStatus::default() },
                InputStatus {
                    name: "pods".into(),
                    lines_read: 1_234_567,
                    sources: 120,
                    behind: 9,
                    lag_bytes: 1536,
                    lag_seconds: 63.0,
                },
            ],
            sources: (0..9).map(source).collect(),
            sources_age_seconds: Some(0.1),
            destinations: vec![
                DestinationStatus {
                    name: "otlp=http://a:4317".into(),
                    delivered: 1_234_000,
                    held: 567,
                    last_success_nanos: Some(NOW - 2_000_000_000),
                    ..DestinationStatus::default()
                },
                DestinationStatus {
                    name: "otlp=http://b:4317".into(),
                    held: 9,
                    failing_since_nanos: Some(NOW - 243_000_000_000),
                    failures: 17,
                    last_error: Some("no connection: refused".into()),
                    next_try_nanos: Some(NOW + 3_000_000_000),
                    ..DestinationStatus::default()
                },
            ],
            links: vec![("written".into(), 12_345)],
            bytes_lost: vec![("deleted".into(), 3 << 30), ("truncated".into(), 0)],
            ..Status::default()
        }
    }

    #[test]
    fn a_status_is_readable() {
        let text = text(&example(), Some(27));
        let expected = "\
spanline 0.1.0, running for 1 h 2 min, not ready
  the state cannot be written: no space left on device

input  lines read  sources  behind  worst lag
files  12          2        0       none
pods   1,234,567   120      9       1.5 KiB, 1 min 3 s

otlp=http://a:4317
  up, took something 2 s ago
  1,234,000 records delivered, 567 held

otlp=http://b:4317
  failing since 2026-11-30T10:55:57Z (4 min 3 s), 17 times: no connection: refused; tried again in 3 s
  0 records delivered, 9 held

links    written 12,345
dropped  none
lost     deleted 3.0 GiB
memory   none
waiting  0 records wait for their links

behind for  by       read     source
3.2 s       1.5 KiB  5.0 MiB  /var/log/pods/shop_web-0/app/0.log
3.2 s       1.5 KiB  5.0 MiB  /var/log/pods/shop_web-1/app/0.log
3.2 s       1.5 KiB  5.0 MiB  /var/log/pods/shop_web-2/app/0.log
and 6 more
";
        assert_eq!(text, expected);
        assert!(super::text(&example(), None).contains("web-8"));
    }

    #[test]
    fn spans_are_shown_where_they_are_received() {
        let mut status = example();
        status.spans.received = 5000;
        let forward =
            DestinationStatus { name: "otlp=http://j:4317".to_owned(), delivered: 4321, ..Default::default() };
        status.spans.forwards =
            vec![DestinationStatus { last_success_nanos: Some(status.at_nanos), held: 8, ..forward }];
        status.spans.spilled = vec![("otlp=http://j:4317".to_owned(), 3 << 20)];
        status.spans.refused = vec![("queue_full".to_owned(), 7)];
        let expected = "\
otlp=http://j:4317
  up, took something 0 s ago
  4,321 spans passed on, 8 held

spans    5,000 received
  on disk  otlp=http://j:4317 3.0 MiB
  dropped  none
  refused  queue_full 7

";
        let text = text(&status, None);
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn what_is_read_to_its_end_is_said_and_so_is_what_is_not_known() {
        let done = Status { sources_age_seconds: Some(0.0), is_alive: true, ..Status::default() };
        let shown = text(&done, None);
        assert!(shown.contains(", ready\n") && shown.ends_with("\nall sources are read to their end\n"), "{shown}");
        let dead = text(&Status::default(), None);
        assert!(
            dead.contains("its loop stands still") && dead.ends_with("has not told of its sources yet\n"),
            "{dead}"
        );
    }

    #[test]
    fn names_do_not_move_the_cursor() {
        let mut status = example();
        status.sources[0].path = "/var/log/\u{1b}[2Jx\n.log".into();
        status.destinations[1].last_error = Some("\u{1b}]0;title\u{7}".into());
        status.not_ready = vec!["a\rb".into()];
        let text = text(&status, None);
        assert!(text.chars().all(|character| character == '\n' || !character.is_control()), "{text:?}");
    }
}
