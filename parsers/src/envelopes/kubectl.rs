//! The time that `kubectl logs --timestamps` and `crictl logs -t` put before each line of a container.
//!
//! In goes a physical line without its LF, out come its time and what the program wrote. Programs write times too, but
//! hardly any with nine digits of the second, always.

use crate::entry::Time;
use crate::time::timestamp;

/// One physical line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// Nanoseconds since the epoch.
    pub nanos: i64,
    /// What the program wrote.
    pub content: &'a [u8],
}

/// line = time [ SP content ]     ; the fraction of the time has nine digits
///
/// kubelet writes it by the layout `2006-01-02T15:04:05.000000000Z07:00` (`timeFormatOut` in pkg/kubelet/kuberuntime/logs).
#[inline]
pub fn line(line: &[u8]) -> Option<Line<'_>> {
    // Before anything is read: nearly all lines that begin with a digit are no such ones.
    if line.len() < 30 || line[10] != b'T' || line[19] != b'.' || !matches!(line[29], b'Z' | b'+' | b'-') {
        return None;
    }
    let (nanos, at) = match line.first_chunk().and_then(timestamp::nine_digits_utc) {
        Some(nanos) => (nanos, 30),
        None => match timestamp::iso8601(line)? {
            (Time::Unix { nanos, digits: 9 }, at) => (nanos, at),
            _ => return None,
        },
    };
    match line.get(at..)? {
        [] => Some(Line { nanos, content: b"" }),
        [b' ', content @ ..] => Some(Line { nanos, content }),
        _ => None,
    }
}

/// Whether what follows such a time is a line of its own, with a time or a form by which it is known: then the time before
/// it is not the program's.
pub fn stands_alone(content: &[u8]) -> bool {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    match content {
        [b'{', b'"', ..] => true,
        [b'I' | b'W' | b'E' | b'F' | b'D', digits @ ..]
            if digits.iter().take(4).filter(|b| b.is_ascii_digit()).count() == 4 =>
        {
            true
        }
        [b'0'..=b'9', ..] => timestamp::iso8601(content).is_some(),
        _ => {
            let key = content.iter().take_while(|byte| is_word(byte)).count();
            key > 0
                && content.get(key) == Some(&b'=')
                && matches!(&content[..key], b"time" | b"ts" | b"level" | b"lvl" | b"t")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_digits_are_kubelets() {
        let content = |text: &'static str| line(text.as_bytes()).map(|line| std::str::from_utf8(line.content).unwrap());
        assert_eq!(content("2026-11-23T09:15:29.353619865Z hi"), Some("hi"));
        assert_eq!(content("2026-11-23T10:15:29.353619865+01:00  indented"), Some(" indented"));
        assert_eq!(content("2026-11-23T09:15:29.353619865Z"), Some(""));
        assert_eq!(line(b"2026-11-23T10:15:29.353619865+01:00 x"), line(b"2026-11-23T09:15:29.353619865Z x"));
        for other in
            ["2026-11-23T09:15:29.353Z hi", "2026-11-23 09:15:29.353619865Z hi", "2026-11-23T09:15:29.353619865Zx"]
        {
            assert_eq!(content(other), None, "{other}");
        }
    }

    #[test]
    fn what_stands_alone_is_told_from_the_rest_of_a_line() {
        for alone in
            [r#"{"a":1}"#, "I1123 09:14:51.1 1 a.go:1] x", "time=\"2026\" x", "level=info", "2026-11-23 09:15:29 x"]
        {
            assert!(stands_alone(alone.as_bytes()), "{alone}");
        }
        for rest in ["INFO foo: x", "hello", "[warn] x", "{} placeholders", "a=b", "17 items", ""] {
            assert!(!stands_alone(rest.as_bytes()), "{rest}");
        }
    }
}
