//! The agent's own messages: one line each on stderr, as logfmt with time and level.
//!
//! In go messages, out come lines. A message that repeats itself, numbers aside, is written at once the first time and then
//! at most once a minute with how often it came; all together have a limit too, so that an agent in trouble does not fill
//! the logs that it follows.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How much a message weighs; the heaviest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something went wrong for good.
    Error,
    /// Something may need attention.
    Warn,
    /// What happens, in outline.
    Info,
    /// What happens.
    Debug,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "debug",
        }
    }
}

/// A message that came again within this time is counted instead.
const AGAIN_AFTER: Duration = Duration::from_secs(60);
/// Different messages that are told apart.
const KINDS_MAX: usize = 256;
/// Lines in all …
const LINES_MAX: u32 = 200;
/// … within this time.
const LINES_WITHIN: Duration = Duration::from_secs(60);
/// Bytes of a message.
const MESSAGE_BYTES_MAX: usize = 4096;

/// Writes messages.
pub struct Log<W> {
    inner: Mutex<Inner<W>>,
}

struct Inner<W> {
    out: W,
    shown: Level,
    kinds: HashMap<String, Kind>,
    window: Option<(Instant, u32)>,
    left_out: u64,
}

struct Kind {
    written: Instant,
    level: Level,
    /// Times that it came since.
    repeats: u64,
    /// The latest of these.
    last: String,
}

impl<W: Write> Log<W> {
    /// Shows messages of this weight and above.
    pub fn new(out: W, shown: Level) -> Log<W> {
        let inner = Inner { out, shown, kinds: HashMap::new(), window: None, left_out: 0 };
        Log { inner: Mutex::new(inner) }
    }

    /// Shows messages of another weight from now on.
    pub fn show(&self, shown: Level) {
        self.locked().shown = shown;
    }

    /// Writes a message, with fields; or counts it. `now` in both clocks: `now_nanos` since the epoch.
    pub fn write(&self, now: Instant, now_nanos: i64, level: Level, message: &str, fields: &[(&str, &str)]) {
        let mut inner = self.locked();
        if level > inner.shown {
            return;
        }
        inner.tell_repeats(now, now_nanos);
        let message = &message[..message.floor_char_boundary(MESSAGE_BYTES_MAX)];
        let name = without_numbers(message);
        if let Some(kind) = inner.kinds.get_mut(&name) {
            kind.repeats += 1;
            message.clone_into(&mut kind.last);
            return;
        }
        if inner.kinds.len() < KINDS_MAX {
            inner.kinds.insert(name, Kind { written: now, level, repeats: 0, last: String::new() });
        }
        inner.line(now, now_nanos, level, message, fields);
    }

    /// Writes what was only counted so far: at the end, and now and then.
    pub fn flush(&self, now: Instant, now_nanos: i64) {
        let mut inner = self.locked();
        inner.tell_repeats(now, now_nanos);
        let _ = inner.out.flush();
    }

    /// Writes all that was only counted, whenever that was: nothing more comes.
    pub fn finish(&self, now: Instant, now_nanos: i64) {
        let mut inner = self.locked();
        let later = now + AGAIN_AFTER;
        inner.tell_repeats(later, now_nanos);
        let _ = inner.out.flush();
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Inner<W>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: Write> Inner<W> {
    /// Writes what came again and is due, and forgets what did not.
    fn tell_repeats(&mut self, now: Instant, now_nanos: i64) {
        let is_due = |kind: &Kind| now.saturating_duration_since(kind.written) >= AGAIN_AFTER;
        if !self.kinds.values().any(is_due) {
            return;
        }
        let mut repeated: Vec<(Level, String, u64)> = Vec::new();
        self.kinds.retain(|_, kind| {
            if !is_due(kind) {
                return true;
            }
            if kind.repeats == 0 {
                return false;
            }
            repeated.push((kind.level, std::mem::take(&mut kind.last), kind.repeats));
            (kind.written, kind.repeats) = (now, 0);
            true
        });
        repeated.sort();
        for (level, message, repeats) in repeated {
            self.line(now, now_nanos, level, &message, &[("repeated", &repeats.to_string())]);
        }
    }

    fn line(&mut self, now: Instant, now_nanos: i64, level: Level, message: &str, fields: &[(&str, &str)]) {
        let (since, lines) = self.window.unwrap_or((now, 0));
        if now.saturating_duration_since(since) >= LINES_WITHIN {
            self.window = Some((now, 0));
            let left_out = std::mem::take(&mut self.left_out);
            if left_out > 0 {
                self.put(
                    now_nanos,
                    Level::Warn,
                    "messages were left out: there were too many",
                    &[("messages", &left_out.to_string())],
                );
            }
        } else if lines >= LINES_MAX {
            self.left_out += 1;
            return;
        }
        let (since, lines) = self.window.unwrap_or((now, 0));
        self.window = Some((since, lines + 1));
        self.put(now_nanos, level, message, fields);
    }

    fn put(&mut self, now_nanos: i64, level: Level, message: &str, fields: &[(&str, &str)]) {
        let time = chrono::DateTime::from_timestamp_nanos(now_nanos).format("%Y-%m-%dT%H:%M:%S%.3fZ");
        let mut line = format!("time={time} level={} msg=", level.name());
        value(&mut line, message);
        for (name, text) in fields {
            let _ = write!(line, " {name}=");
            value(&mut line, text);
        }
        line.push('\n');
        // A closed stderr is no reason to fail.
        let _ = self.out.write_all(line.as_bytes());
    }
}

/// A value of logfmt: in quotes unless it is a bare word.
fn value(line: &mut String, text: &str) {
    let is_bare = |character: char| character.is_ascii_graphic() && !matches!(character, '"' | '=' | '\\');
    if !text.is_empty() && text.chars().all(is_bare) {
        line.push_str(text);
        return;
    }
    line.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => line.extend(['\\', character]),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            control if control.is_control() => {
                let _ = write!(line, "\\u{:04x}", u32::from(control));
            }
            other => line.push(other),
        }
    }
    line.push('"');
}

/// What messages of one kind share: their text with each number as one digit.
fn without_numbers(message: &str) -> String {
    let mut kind = String::with_capacity(message.len());
    for character in message.chars() {
        match character {
            '0'..='9' if kind.ends_with('0') => {}
            '0'..='9' => kind.push('0'),
            other => kind.push(other),
        }
    }
    kind
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-30T11:00:00Z
    const AT: i64 = 1_796_036_400 * 1_000_000_000;

    struct Told {
        log: Log<Vec<u8>>,
        start: Instant,
    }

    impl Told {
        fn new(shown: Level) -> Told {
            Told { log: Log::new(Vec::new(), shown), start: Instant::now() }
        }

        fn say(&self, seconds: u64, level: Level, message: &str) {
            let now = self.start + Duration::from_secs(seconds);
            self.log.write(now, AT + seconds as i64 * 1_000_000_000, level, message, &[]);
        }

        fn lines(&self) -> Vec<String> {
            let out = self.log.locked().out.clone();
            String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
        }
    }

    #[test]
    fn a_line_has_time_level_message_and_fields() {
        let told = Told::new(Level::Info);
        told.log.write(
            told.start,
            AT,
            Level::Warn,
            "a \"b\"\nc",
            &[("path", "/var/log/x"), ("error", "no = such"), ("none", "")],
        );
        assert_eq!(
            told.lines(),
            [
                "time=2026-11-30T11:00:00.000Z level=warn msg=\"a \\\"b\\\"\\nc\" path=/var/log/x error=\"no = such\" none=\"\""
            ]
        );
        told.say(1, Level::Debug, "not shown");
        assert_eq!(told.lines().len(), 1);
        told.log.show(Level::Debug);
        told.say(1, Level::Debug, "shown");
        assert!(told.lines()[1].ends_with("level=debug msg=shown"), "{:?}", told.lines());
    }

    #[test]
    fn what_repeats_itself_is_said_once_and_then_counted() {
        let told = Told::new(Level::Info);
        told.say(0, Level::Warn, "17 records held: refused");
        (1..50).for_each(|second| told.say(second, Level::Warn, &format!("{second} records held: refused")));
        told.say(3, Level::Warn, "another");
        assert_eq!(told.lines().len(), 2, "{:?}", told.lines());
        told.say(61, Level::Info, "later");
        let lines = told.lines();
        assert_eq!(lines.len(), 4, "{lines:?}");
        assert!(lines[2].ends_with("level=warn msg=\"49 records held: refused\" repeated=49"), "{lines:?}");
        // What did not come again is new.
        told.say(200, Level::Warn, "another");
        assert!(told.lines().last().unwrap().ends_with("msg=another"));
        told.say(201, Level::Warn, "another");
        told.log.finish(told.start + Duration::from_secs(202), AT);
        assert!(told.lines().last().unwrap().ends_with("msg=another repeated=1"), "{:?}", told.lines());
    }

    #[test]
    fn a_flood_of_different_messages_is_bounded_and_counted() {
        let told = Told::new(Level::Info);
        let letters =
            |number: usize| format!("{number:x}").replace(|c: char| c.is_ascii_digit(), "z") + &"y".repeat(number);
        (0..1000).for_each(|number| told.say(0, Level::Warn, &letters(number)));
        assert_eq!(told.lines().len(), LINES_MAX as usize);
        assert!(told.log.locked().kinds.len() <= KINDS_MAX);
        told.say(61, Level::Warn, "afterwards");
        let lines = told.lines();
        assert!(
            lines.iter().any(|line| line.contains("messages were left out") && line.contains("messages=800")),
            "{:?}",
            &lines[200..]
        );
        assert!(lines.last().unwrap().ends_with("msg=afterwards"));
    }
}
