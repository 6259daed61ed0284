//! Events that a store has already, and which line each stands for.
//!
//! In go the spans that were given, out comes whether an event for a line is there. Two forms are known: events now name
//! their file and line; older ones are told apart by their text. Nothing is sent or changed here.

use std::collections::HashMap;

use twox_hash::{XxHash3_128, XxHash64};

use super::event_bytes::{is_own, name, text, time, value};
use crate::otlp::own::{FILE, Ids, LINE, MESSAGE, SPAN_ID};
use crate::otlp::wire::read::Value;
use crate::otlp::wire::spans::{Head, within};

/// What older events are told apart by.
pub fn text_hash(message: &str) -> u64 {
    XxHash64::oneshot(0, message.as_bytes())
}

/// What makes a line the same line: trace and span, its time to the µs, as stores keep it, file and number. A file
/// keeps its identity when it is rotated or compressed.
pub fn line_identity((trace_id, span_id): Ids, event: &[u8], time: u64) -> Option<u128> {
    let file = text(event, FILE)?;
    let line = match value(event, LINE)? {
        (3, Value::Varint(line)) => i64::try_from(line).ok().and_then(|line| u64::try_from(line).ok())?,
        // As a store without numbers gives it back.
        _ => text(event, LINE)?.parse().ok()?,
    };
    let mut bytes = [&trace_id[..], &span_id[..]].concat();
    bytes.extend_from_slice(&micros(time).to_le_bytes());
    bytes.extend_from_slice(&line.to_le_bytes());
    bytes.extend_from_slice(unrotated(file).as_bytes());
    Some(XxHash3_128::oneshot(&bytes))
}

fn text_identity(trace_id: &[u8; 16], time: u64, text: u64) -> u128 {
    let mut bytes = trace_id.to_vec();
    bytes.extend_from_slice(&micros(time).to_le_bytes());
    bytes.extend_from_slice(&text.to_le_bytes());
    XxHash3_128::oneshot(&bytes)
}

fn micros(time: u64) -> u64 {
    time / 1000
}

/// name = stem [ 1*( ( "." / "-" ) rotation ) ] [ ".gz" / … ]   ; rotation = a number or a date
fn unrotated(name: &str) -> &str {
    let packed = [".gz", ".xz", ".bz2", ".zst"].iter().find_map(|suffix| name.strip_suffix(suffix));
    let mut stem = packed.unwrap_or(name);
    while let Some((before, after)) = stem.rsplit_once(['.', '-']) {
        let is_rotation =
            !after.is_empty() && after.bytes().all(|byte| byte.is_ascii_digit() || b"TZ_:+".contains(&byte));
        if before.is_empty() || !is_rotation {
            break;
        }
        stem = before;
    }
    stem
}

/// Events that are stored, by the lines that they stand for: how often each is there.
#[derive(Debug, Clone, Default)]
pub struct StoredEvents {
    by_line: HashMap<u128, u32>,
    by_text: HashMap<u128, u32>,
}

impl StoredEvents {
    /// Takes in those events of a span that are spanline's: all, if it is a carrier.
    pub fn add(&mut self, span: &[u8], is_carrier: bool) {
        let mut events = within(span, 11).filter(|event| is_carrier || is_own(event)).peekable();
        if events.peek().is_none() {
            return;
        }
        let head = Head::of(span);
        let Some(own) = head.ids() else { return };
        let parent = head.parent_id.filter(|_| is_carrier);
        for event in events {
            let named = text(event, SPAN_ID).filter(|_| is_carrier).and_then(|id| u64::from_str_radix(id, 16).ok());
            let span_id = named.map(u64::to_be_bytes).or(parent).unwrap_or(own.1);
            match line_identity((own.0, span_id), event, time(event)) {
                Some(line) => *self.by_line.entry(line).or_default() += 1,
                None => {
                    let text = text_hash(text(event, MESSAGE).unwrap_or_else(|| name(event)));
                    *self.by_text.entry(text_identity(&own.0, time(event), text)).or_default() += 1;
                }
            }
        }
    }

    /// Is there one for this line, whose event is at this time? It is counted off. `text` is the line's [`text_hash`].
    pub fn take(&mut self, ids: Ids, event: &[u8], time: u64, text: u64) -> bool {
        if self.by_line.is_empty() && self.by_text.is_empty() {
            return false;
        }
        let line = line_identity(ids, event, time);
        counted_off(line.and_then(|line| self.by_line.get_mut(&line)))
            || counted_off(self.by_text.get_mut(&text_identity(&ids.0, time, text)))
    }
}

fn counted_off(left: Option<&mut u32>) -> bool {
    match left {
        Some(left) if *left > 0 => {
            *left -= 1;
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
    use opentelemetry_proto::tonic::trace::v1::{Span, span::Event};
    use prost::Message;

    use super::*;
    use crate::otlp::own::{LINK, LINK_METHOD};

    fn event(time: u64, attributes: &[(&str, Value)]) -> Event {
        let attributes = attributes.iter().map(|(key, value)| KeyValue {
            key: (*key).to_owned(),
            value: Some(AnyValue { value: Some(value.clone()) }),
            ..KeyValue::default()
        });
        Event { time_unix_nano: time, name: "a line".into(), attributes: attributes.collect(), ..Event::default() }
    }

    fn words(text: &str) -> Value {
        Value::StringValue(text.to_owned())
    }

    fn line(time: u64, file: &str, line: i64) -> Event {
        event(time, &[(LINK, words("inferred 0.99")), (FILE, words(file)), (LINE, Value::IntValue(line))])
    }

    impl StoredEvents {
        fn takes(&mut self, ids: Ids, event: &Event, text: u64) -> bool {
            self.take(ids, &event.encode_to_vec(), event.time_unix_nano, text)
        }
    }

    fn span(id: u8, parent: u8, events: Vec<Event>) -> Vec<u8> {
        let parent_span_id = if parent == 0 { Vec::new() } else { vec![parent; 8] };
        Span { trace_id: vec![9; 16], span_id: vec![id; 8], parent_span_id, events, ..Span::default() }.encode_to_vec()
    }

    #[test]
    fn a_line_is_known_by_trace_span_time_file_and_number() {
        let ids = ([9; 16], [1; 8]);
        let mut stored = StoredEvents::default();
        stored.add(&span(1, 0, vec![line(1_999, "kubelet.log", 7)]), false);
        stored.add(&span(5, 1, vec![line(2_000, "0.log", 7)]), true);
        for (other, event) in [
            (([8; 16], [1; 8]), line(1_999, "kubelet.log", 7)),
            (([9; 16], [2; 8]), line(1_999, "kubelet.log", 7)),
            (ids, line(2_999, "kubelet.log", 7)),
            (ids, line(1_999, "crio.log", 7)),
            (ids, line(1_999, "kubelet.log", 8)),
        ] {
            assert!(!stored.takes(other, &event, 0), "{event:?}");
        }
        // Stores cut times to µs and may turn numbers into text; files are rotated between runs.
        let again = event(1_000, &[(FILE, words("kubelet.log.1.gz")), (LINE, words("7"))]);
        assert!(stored.takes(ids, &again, 0) && !stored.takes(ids, &again, 0), "once");
        assert!(stored.takes(ids, &line(2_000, "0.log.20261123-091452", 7), 0));
    }

    #[test]
    fn the_event_of_a_gathered_carrier_belongs_to_the_span_it_names() {
        let mut gathered = line(5_000, "0.log", 3);
        let id = KeyValue {
            value: Some(AnyValue { value: Some(words("0202020202020202")) }),
            key: SPAN_ID.into(),
            ..KeyValue::default()
        };
        gathered.attributes.push(id);
        let mut stored = StoredEvents::default();
        stored.add(&span(5, 1, vec![gathered]), true);
        assert!(!stored.takes(([9; 16], [1; 8]), &line(5_000, "0.log", 3), 0));
        assert!(stored.takes(([9; 16], [2; 8]), &line(5_000, "0.log", 3), 0));
    }

    #[test]
    fn older_events_are_known_by_their_text() {
        let old = |time, text| event(time, &[(LINK_METHOD, words("inferred")), (MESSAGE, words(text))]);
        let mut stored = StoredEvents::default();
        stored.add(&span(1, 0, vec![old(1_500, "a text"), old(1_500, "a text"), event(1_500, &[])]), false);
        let ids = ([9; 16], [1; 8]);
        let new = line(1_000, "kubelet.log", 7);
        assert!(!stored.takes(ids, &new, text_hash("another text")) && !stored.takes(ids, &new, text_hash("a line")));
        let mut take = || stored.takes(ids, &new, text_hash("a text"));
        assert_eq!([take(), take(), take()], [true, true, false]);
    }

    #[test]
    fn a_files_name_is_the_same_when_it_is_rotated() {
        for (name, stem) in [
            ("kubelet.log", "kubelet.log"),
            ("kubelet.log.1", "kubelet.log"),
            ("kubelet.log.12.gz", "kubelet.log"),
            ("0.log.20261123-091452.gz", "0.log"),
            ("messages-20261123", "messages"),
            ("app-2026-11-23.log", "app-2026-11-23.log"),
            ("20261123", "20261123"),
            (".1", ".1"),
            ("", ""),
        ] {
            assert_eq!(unrotated(name), stem, "{name}");
        }
    }
}
