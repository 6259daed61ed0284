//! stern's lines: pod and container before what the container wrote, in colours or without; a time with `-t`.
//!
//! In goes a line, out come what the container wrote and who it was. Two words stand before much text: a line is certain
//! only where the pod's name has the suffix that a Deployment generates. The JSON forms are those of
//! [`shipped`](super::shipped).
//! <https://github.com/stern/stern#output>

use crate::text::ansi;
use std::borrow::Cow;

use super::{Line, Writer, label_name, pod_name, stamped};

/// Letters and digits of generated names: none that make words.
const SUFFIX: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// line = [ namespace SP ] pod SP container SP content ; colours may stand around each word
///
/// `with_namespace`: of two readings, take the one with a namespace. Without it, one is read where only the second word
/// has a generated suffix.
pub fn line(line: &[u8], with_namespace: bool) -> Option<Line<'_>> {
    let (first, rest) = word(line)?;
    let (second, behind) = last_word(rest)?;
    if with_namespace || !is_generated(first) && is_generated(second) {
        let (second, rest) = word(rest)?;
        let (container, content) = last_word(rest)?;
        return taken(first, second, container, content);
    }
    taken(b"", first, second, behind)
}

fn taken<'a>(namespace: &'a [u8], pod: &'a [u8], container: &'a [u8], content: &'a [u8]) -> Option<Line<'a>> {
    pod_name(pod).filter(|(_, rest)| rest.is_empty())?;
    label_name(container).filter(|(_, rest)| rest.is_empty())?;
    if !namespace.is_empty() {
        label_name(namespace).filter(|(_, rest)| rest.is_empty())?;
    }
    let (time, content) = stamped(content);
    let writer = Writer {
        namespace: Cow::Borrowed(namespace),
        pod: Cow::Borrowed(pod),
        container: Cow::Borrowed(container),
        ..Writer::default()
    };
    let is_certain = is_generated(pod);
    Some(Line { writer, time, content: Cow::Borrowed(content), is_certain, ..Line::default() })
}

/// A word without the colours around it, and what follows its blank.
fn word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = ansi::trim_start(text);
    let end = text.iter().take(300).position(|byte| matches!(*byte, b' ' | ansi::ESCAPE))?;
    let rest = ansi::trim_start(&text[end..]);
    (end > 0).then_some((&text[..end], rest.strip_prefix(b" ")?))
}

/// The same for the container: after its name there may be nothing.
fn last_word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    word(text).or_else(|| {
        let name = ansi::trim(text);
        (!name.is_empty() && !name.contains(&b' ')).then_some((name, &b""[..]))
    })
}

/// What the name of a pod tells of what made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A Deployment's: nothing else looks so.
    Generated,
    /// A DaemonSet's or Job's, whose suffix makes no word.
    Suffixed,
    /// A StatefulSet's, or the kubelet's own: the container's name with the node's after it. Words look so too.
    Numbered,
    /// Any other.
    Other,
}

/// Of what kind the name of a line's pod is.
pub fn kind(writer: &Writer<'_>) -> Kind {
    let pod = &*writer.pod;
    let suffix = &pod[memchr::memrchr(b'-', pod).map_or(pod.len(), |dash| dash + 1)..];
    let is_random = suffix.len() == 5 && suffix.iter().all(|byte| SUFFIX.contains(byte));
    let is_ordinal = (1..=4).contains(&suffix.len()) && suffix.iter().all(u8::is_ascii_digit);
    let is_static = || pod.strip_prefix(&*writer.container).is_some_and(|node| node.len() > 1 && node[0] == b'-');
    match () {
        () if is_generated(pod) => Kind::Generated,
        () if is_random && suffix.iter().any(u8::is_ascii_digit) && suffix.iter().any(u8::is_ascii_lowercase) => {
            Kind::Suffixed
        }
        () if is_ordinal || is_random || is_static() => Kind::Numbered,
        () => Kind::Other,
    }
}

/// Does a pod's name end as a Deployment's do?
///
/// generated = name "-" 8*10( suffix ) "-" 5( suffix )
fn is_generated(pod: &[u8]) -> bool {
    let mut parts = pod.rsplit(|byte| *byte == b'-');
    let of = |part: Option<&[u8]>, least: usize, most: usize| {
        part.is_some_and(|part| (least..=most).contains(&part.len()) && part.iter().all(|byte| SUFFIX.contains(byte)))
    };
    of(parts.next(), 5, 5) && of(parts.next(), 8, 10) && parts.next().is_some_and(|name| !name.is_empty())
}

/// event = ( "+" / "-" ) SP [ namespace SP ] pod SP "›" SP container ; stern begins or ends to follow it
///
/// Whom it names: the following lines of the same pod and container are theirs.
pub fn event(line: &[u8]) -> Option<Writer<'_>> {
    let (sign, rest) = word(line)?;
    if sign != b"+" && sign != b"-" {
        return None;
    }
    let (first, rest) = word(rest)?;
    let arrow = "› ".as_bytes();
    let (namespace, pod, rest) = match ansi::trim_start(rest).strip_prefix(arrow) {
        Some(rest) => (&b""[..], first, rest),
        None => {
            let (second, rest) = word(rest)?;
            (first, second, ansi::trim_start(rest).strip_prefix(arrow)?)
        }
    };
    let container = ansi::trim(rest);
    Some(taken(namespace, pod, container, b"")?.writer)
}

#[allow(clippy::unwrap_used)]
#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, with_namespace: bool) -> Option<(String, bool)> {
        let line = line(text.as_bytes(), with_namespace)?;
        let Writer { namespace, pod, container, .. } = &line.writer;
        let all = [namespace, pod, container, &line.content].map(|text| String::from_utf8(text.to_vec()).unwrap());
        Some((all.join("|"), line.is_certain))
    }

    #[test]
    fn takes_pod_and_container_off() {
        let certain = |text: &str| Some((text.to_owned(), true));
        assert_eq!(shown("web-7d9f8b6c5-x2x4z nginx   a b", false), certain("|web-7d9f8b6c5-x2x4z|nginx|  a b"));
        assert_eq!(shown("shop web-7d9f8b6c5-x2x4z nginx a", false), certain("shop|web-7d9f8b6c5-x2x4z|nginx|a"));
        let coloured = "\x1b[36mweb-7d9f8b6c5-x2x4z\x1b[0m \x1b[36;1mnginx\x1b[0m \x1b[31mred\x1b[0m";
        assert_eq!(shown(coloured, false), certain("|web-7d9f8b6c5-x2x4z|nginx|\x1b[31mred\x1b[0m"));
        let timed = line(b"web-7d9f8b6c5-x2x4z nginx 2026-11-23T12:00:00.123456789Z \tat x", false).unwrap();
        assert_eq!((&*timed.content, timed.time != crate::entry::Time::None), (&b"\tat x"[..], true));
        assert_eq!(shown("web-0 nginx a", false), Some(("|web-0|nginx|a".to_owned(), false)));
        assert_eq!(shown("shop web-0 nginx a", true), Some(("shop|web-0|nginx|a".to_owned(), false)));
        assert_eq!(shown("Started web-7d9f8b6c5-x2x4z nginx a", false), None);
        assert_eq!(shown("web-7d9f8b6c5-x2x4z Nginx a", false), None);
        assert_eq!(shown("web-0 nginx", false), Some(("|web-0|nginx|".to_owned(), false)));
        assert_eq!(shown("shop web-0 nginx", true), Some(("shop|web-0|nginx|".to_owned(), false)));
    }

    #[test]
    fn a_name_tells_of_what_made_the_pod() {
        let of = |pod: &'static str, container: &'static str| {
            let (pod, container) = (Cow::Borrowed(pod.as_bytes()), Cow::Borrowed(container.as_bytes()));
            kind(&Writer { pod, container, ..Writer::default() })
        };
        assert_eq!(of("web-7d9f8b6c5-x2x4z", "nginx"), Kind::Generated);
        assert_eq!(of("kube-proxy-x2x4z", "kube-proxy"), Kind::Suffixed);
        for (pod, container) in [("web-12", "nginx"), ("etcd-node-a", "etcd"), ("svc-https", "x")] {
            assert_eq!(of(pod, container), Kind::Numbered, "{pod}");
        }
        for (pod, container) in [("read-only", "file"), ("web", "web"), ("well-known-hosts", "a"), ("web-", "web")] {
            assert_eq!(of(pod, container), Kind::Other, "{pod}");
        }
    }

    #[test]
    fn events_name_whom_they_follow() {
        let writer = event("+ web-0 › nginx".as_bytes()).unwrap();
        assert_eq!((&*writer.pod, &*writer.container), (&b"web-0"[..], &b"nginx"[..]));
        let writer = event("\x1b[31m-\x1b[0m shop \x1b[36mweb-0\x1b[0m › \x1b[36mnginx\x1b[0m".as_bytes()).unwrap();
        assert_eq!(
            (&*writer.namespace, &*writer.pod, &*writer.container),
            (&b"shop"[..], &b"web-0"[..], &b"nginx"[..])
        );
        for none in ["+ web-0 > nginx", "- item one › two three", "+", "web-0 › nginx"] {
            assert_eq!(event(none.as_bytes()), None, "{none}");
        }
    }
}
