//! `kubectl logs --prefix` and `--timestamps`; the times alone are also those of `crictl logs -t` and `docker logs -t`.
//!
//! In goes a line, out come what the container wrote and who it was.

use std::borrow::Cow;

use super::{Line, Writer, label_name, pod_name, stamp, stamped};

/// line = "[pod/" pod "/" container "] " [ stamp ] content
pub fn prefixed(line: &[u8]) -> Option<Line<'_>> {
    let (pod, rest) = pod_name(line.strip_prefix(b"[pod/")?)?;
    let (container, rest) = label_name(rest.strip_prefix(b"/")?)?;
    let content = match rest.strip_prefix(b"]")? {
        [] => &b""[..],
        [b' ', content @ ..] => content,
        _ => return None,
    };
    let (time, content) = stamped(content);
    let writer = Writer { pod: Cow::Borrowed(pod), container: Cow::Borrowed(container), ..Writer::default() };
    Some(Line { writer, time, content: Cow::Borrowed(content), is_certain: true, ..Line::default() })
}

/// line = stamp content ; a CRI line, which names its stream, is none
pub fn timestamped(line: &[u8]) -> Option<Line<'_>> {
    let (time, content) = stamp(line)?;
    if content.starts_with(b"stdout ") || content.starts_with(b"stderr ") || super::begins_with_level(content) {
        return None;
    }
    Some(Line { time, content: Cow::Borrowed(content), is_certain: true, ..Line::default() })
}

#[allow(clippy::unwrap_used)]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Time;

    #[test]
    fn takes_the_prefix_off() {
        let line = prefixed(b"[pod/web-7d9f8b6c5-x2x4z/nginx] I1123 12:00:00.1 1 a.go:1] \"x\"").unwrap();
        assert_eq!((&*line.writer.pod, &*line.writer.container), (&b"web-7d9f8b6c5-x2x4z"[..], &b"nginx"[..]));
        assert_eq!((&*line.content, line.time), (&b"I1123 12:00:00.1 1 a.go:1] \"x\""[..], Time::None));
        let line = prefixed(b"[pod/web-0/nginx] 2026-11-23T12:00:00.123456789Z \tat a.b").unwrap();
        assert_eq!(&*line.content, b"\tat a.b");
        assert_eq!(line.time, Time::Unix { nanos: 1_795_435_200_123_456_789, digits: 9 });
        assert_eq!(&*prefixed(b"[pod/web-0/nginx]").unwrap().content, b"");
        for none in
            ["[pod/web-0] x", "[pod/Web/nginx] x", "[pod/web-0/nginx]x", "[pods/a/b] x", "[pod/a/b/c] x", "[pod/a/] x"]
        {
            assert_eq!(prefixed(none.as_bytes()), None, "{none}");
        }
    }

    #[test]
    fn takes_a_time_off_that_only_a_tool_writes() {
        assert_eq!(&*timestamped(b"2026-11-23T12:00:00.123456789Z a b").unwrap().content, b"a b");
        assert_eq!(&*timestamped(b"2026-11-23T12:00:00.123456789+01:00   a").unwrap().content, b"  a");
        assert_eq!(&*timestamped(b"2026-11-23T12:00:00.123456789Z ").unwrap().content, b"");
        for none in [
            "2026-11-23T12:00:00.123456Z a b",
            "2026-11-23T12:00:00.123456789Z stdout F a",
            "2026-11-23T12:00:00.123456789Z  INFO a::b: c",
            "2026-11-23T12:00:00.123456789Z ERROR c",
            "2026-11-23T12:00:00.123456789Z\tinfo",
            "2026-11-23 12:00:00.123456789Z a",
        ] {
            assert_eq!(timestamped(none.as_bytes()), None, "{none}");
        }
    }
}
