//! docker's json-file lines, and those of conmon-rs' JSON driver.
//!
//! In goes a line, out come what the container wrote, its stream and its time. Parts of a long line are marked, not
//! joined.

use crate::entry::{Text, Time};
use crate::json::{self, Members};
use crate::time::epoch::Unit;
use crate::time::{epoch, timestamp};
use std::borrow::Cow;

/// What was around a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line<'a> {
    /// What the container wrote, without its line feed.
    pub log: Text<'a>,
    /// There was no line feed: the line goes on in the next one of the stream.
    pub partial: bool,
    /// The stream it went to.
    pub stream: Stream,
    /// Nanoseconds since the epoch; `None` for a time that does not fit (docker's year 1).
    pub nanos: Option<i64>,
    /// Digits of the second as written.
    pub digits: u8,
    /// Labels and variables that the daemon was told to add: a JSON object as it stands.
    pub attrs: Option<&'a [u8]>,
}

/// A container's stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Neither of the two.
    #[default]
    Unknown,
    /// stdout
    Stdout,
    /// stderr
    Stderr,
}

impl Stream {
    fn named(name: &[u8]) -> Stream {
        match name {
            b"stdout" => Stream::Stdout,
            b"stderr" => Stream::Stderr,
            _ => Stream::Unknown,
        }
    }
}

/// docker = "{" members of log, stream, attrs, time "}"       ; log and time are always there
/// conmon-rs = "{" members of timestamp, pipe, message "}"    ; seconds; the message has no line feed
///
/// An object with other keys is not docker's, but what some program wrote.
pub fn line(line: &[u8]) -> Option<Line<'_>> {
    let line = line.trim_ascii();
    let mut members = json::object(line)?;
    let mut log = None;
    if line.starts_with(LOG_FIRST) {
        let (text, partial, end) = content(line, LOG_FIRST.len())?;
        log = Some((text, partial));
        members = Members::behind(line, end);
    } else if let b"timestamp" | b"pipe" | b"message" = members.clone().member()?.plain_key() {
        let out = conmon_rs(&mut members)?;
        return (members.end() == Some(line.len())).then_some(out);
    }
    let out = docker(log, &mut members)?;
    (members.end() == Some(line.len())).then_some(out)
}

/// As docker itself writes it: the long text is gone through once only.
const LOG_FIRST: &[u8] = b"{\"log\":\"";

fn docker<'a>(mut log: Option<(Text<'a>, bool)>, members: &mut Members<'a>) -> Option<Line<'a>> {
    let (mut time, mut attrs) = (None, None);
    let mut stream = Stream::Unknown;
    while let Some(member) = members.member() {
        match member.plain_key() {
            b"log" => {
                log = content(member.raw, 1).filter(|_| member.raw[0] == b'"').map(|(text, partial, _)| (text, partial))
            }
            b"stream" => stream = Stream::named(&member.text()?),
            b"time" => time = Some(member.text()?),
            b"attrs" => attrs = Some(member.raw),
            _ => return None,
        }
    }
    let (log, partial) = log?;
    let (nanos, digits) = match timestamp::iso8601(&time?) {
        Some((Time::Unix { nanos, digits }, _)) => (Some(nanos), digits),
        _ => (None, 0),
    };
    Some(Line { log, partial, stream, nanos, digits, attrs })
}

/// The text of a string starting after its first quote, without its line feed; whether there was none; the end. The line
/// feed is an escape, mostly the only one: without it, the text can be borrowed.
fn content(text: &[u8], start: usize) -> Option<(Text<'_>, bool, usize)> {
    let plain = json::plain_end(text, start);
    match text.get(plain..)? {
        [b'"', ..] => Some((Cow::Borrowed(&text[start..plain]), true, plain + 1)),
        [b'\\', b'n', b'"', ..] => Some((Cow::Borrowed(&text[start..plain]), false, plain + 3)),
        _ => {
            let (mut log, end) = json::unescape(text, start)?;
            let partial = log.last() != Some(&b'\n');
            if !partial {
                log.pop();
            }
            Some((Cow::Owned(log), partial, end))
        }
    }
}

fn conmon_rs<'a>(members: &mut Members<'a>) -> Option<Line<'a>> {
    let (mut log, mut time, mut stream) = (None, None, None);
    while let Some(member) = members.member() {
        match member.plain_key() {
            b"timestamp" => time = epoch::time(member.raw, Unit::Seconds),
            b"pipe" => stream = Some(Stream::named(&member.text()?)),
            b"message" => log = Some(member.text()?),
            _ => return None,
        }
    }
    let Time::Unix { nanos, digits } = time? else { return None };
    let stream = stream.filter(|stream| *stream != Stream::Unknown)?;
    Some(Line { log: log?, partial: false, stream, nanos: Some(nanos), digits, attrs: None })
}

#[allow(clippy::unwrap_used)]
#[cfg(test)]
mod tests {

    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, log: &str, partial: bool, stream: Stream, nanos: i64) {
        let line = line(text.as_bytes()).unwrap();
        assert_eq!((&*line.log, line.partial, line.stream), (log.as_bytes(), partial, stream), "{text}");
        assert_eq!(line.nanos, Some(nanos));
    }

    #[test]
    fn reads_whole_lines_and_parts() {
        let at = 1_476_988_760_576_064_430;
        let tail = r#""stream":"stdout","time":"2016-10-20T18:39:20.57606443Z"}"#;
        check(&format!(r#"{{"log":"content 1\n",{tail}"#), "content 1", false, Stream::Stdout, at);
        check(&format!(r#"{{"log":"part",{tail}"#), "part", true, Stream::Stdout, at);
        check(&format!(r#"{{"log":"c:\\n",{tail}"#), "c:\\n", true, Stream::Stdout, at);
        check(&format!(r#"{{"log":"c:\\\n",{tail}"#), "c:\\", false, Stream::Stdout, at);
        check(&format!(r#"{{"log":"\n",{tail}"#), "", false, Stream::Stdout, at);
        check(&format!(r#"{{"log":"",{tail}"#), "", true, Stream::Stdout, at);
        check(&format!(r#"{{"log":"\ta\r\n",{tail}"#), "\ta\r", false, Stream::Stdout, at);
        let text = format!(r#"{{"log":"plain\n","attrs":{{"tag":"x"}},{tail}"#);
        let line = line(text.as_bytes()).unwrap();
        assert!(matches!(line.log, Cow::Borrowed(_)));
        assert_eq!(line.attrs, Some(&br#"{"tag":"x"}"#[..]));
    }

    #[test]
    fn reads_conmon_rs_lines() {
        let text = r#"{"timestamp":1795436362,"pipe":"stderr","message":"a\"b"}"#;
        check(text, "a\"b", false, Stream::Stderr, 1_795_436_362_000_000_000);
    }

    #[test]
    fn leaves_what_a_program_wrote() {
        for text in [
            r#"{"log":"x\n","stream":"stdout"}"#,
            r#"{"log":"x\n","time":"2016-10-20T18:39:20Z","level":"info"}"#,
            r#"{"timestamp":1795436362,"message":"x"}"#,
            r#"{"timestamp":"2016-10-20T18:39:20Z","pipe":"stdout","message":"x"}"#,
            r#"{"log":"x\n","stream":"stdout","time":"2016-10-20T18:39:20Z""#,
            r#"{"log":"x\n","stream":"stdout","time":"2016-10-20T18:39:20Z"} {}"#,
            r#"{"log":1,"stream":"stdout","time":"2016-10-20T18:39:20Z"}"#,
            "{}",
            "",
        ] {
            assert_eq!(line(text.as_bytes()), None, "{text}");
        }
        // docker's zero time is no time, but its line is a line.
        let zero = r#"{"log":"x\n","stream":"stdout","time":"0001-01-01T00:00:00Z"}"#;
        assert_eq!(line(zero.as_bytes()).unwrap().nanos, None);
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read(log in any::<String>(), partial in any::<bool>(), nanos in 0..1_000_000_000u32) {
            let log = log.trim_end_matches('\n');
            let end = if partial { "" } else { "\n" };
            let text = serde_json::json!({
                "log": format!("{log}{end}"), "stream": "stderr", "time": format!("1970-01-01T00:00:00.{nanos:09}Z"),
            });
            let text = text.to_string();
            let line = line(text.as_bytes()).unwrap();
            prop_assert_eq!(&*line.log, log.as_bytes());
            prop_assert_eq!((line.partial, line.nanos, line.digits), (partial, Some(nanos.into()), 9));
        }

        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = line(&bytes);
            let _ = line(&[b"{\"log\":\"", &bytes[..], b"\",\"time\":\"\"}"].concat());
        }
    }
}
