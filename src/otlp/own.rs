//! What is spanline's own among spans and events, and which line an event stands for.
//!
//! In go events, as they are made and as a store gives them back; out comes whether they are spanline's, and how many of
//! those that are stored stand for a given line. Two forms are known: events now name their file and line; older ones
//! are told apart by their text. Nothing is sent or changed here.

use std::collections::HashMap;

use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{Span, span::Event};
use twox_hash::{XxHash3_128, XxHash64};

/// The scope of everything that spanline itself makes.
pub const SCOPE: &str = "spanline";
/// How the link was found, in one attribute.
pub const LINK: &str = "spanline.link";
/// The same in three, the only form of earlier versions; all events had the first.
pub const LINK_METHOD: &str = "spanline.link.method";
/// The file's name.
pub const FILE: &str = "log.file.name";
/// The line's number in it.
pub const LINE: &str = "log.file.line";
/// The whole message, where the name does not hold it.
pub const MESSAGE: &str = "log.message";
/// Which span the line belongs to, where that is not the one that the event is on, or under.
pub const SPAN_ID: &str = "span.id";
/// That span's name.
pub const SPAN_NAME: &str = "span.name";
/// The pod that wrote the line.
pub const POD: &str = "k8s.pod.name";
/// Its container.
pub const CONTAINER: &str = "k8s.container.name";

/// A trace and a span of it.
pub type Ids = ([u8; 16], [u8; 8]);

/// Does an attribute of this key mark an event as spanline's?
pub fn is_mark(key: &str) -> bool {
    key == LINK || key == LINK_METHOD
}

/// Did spanline make this event?
pub fn is_own(event: &Event) -> bool {
    event.attributes.iter().any(|attribute| is_mark(&attribute.key))
}

/// The ids of a span, if they have the right length.
pub fn ids_of(span: &Span) -> Option<Ids> {
    Some((span.trace_id.as_slice().try_into().ok()?, span.span_id.as_slice().try_into().ok()?))
}

/// What older events are told apart by.
pub fn text_hash(message: &str) -> u64 {
    XxHash64::oneshot(0, message.as_bytes())
}

/// What makes a line the same line: trace and span, its time to the µs, as stores keep it, file and number. A file
/// keeps its identity when it is rotated or compressed.
pub fn line_identity((trace_id, span_id): Ids, event: &Event) -> Option<u128> {
    let file = text(event, FILE)?;
    let line = match value(event, LINE)? {
        Value::IntValue(line) => u64::try_from(*line).ok()?,
        // As a store without numbers gives it back.
        Value::StringValue(line) => line.parse().ok()?,
        _ => return None,
    };
    let mut bytes = [&trace_id[..], &span_id[..]].concat();
    bytes.extend_from_slice(&micros(event).to_le_bytes());
    bytes.extend_from_slice(&line.to_le_bytes());
    bytes.extend_from_slice(unrotated(file).as_bytes());
    Some(XxHash3_128::oneshot(&bytes))
}

fn text_identity(trace_id: &[u8; 16], event: &Event, text: u64) -> u128 {
    let mut bytes = trace_id.to_vec();
    bytes.extend_from_slice(&micros(event).to_le_bytes());
    bytes.extend_from_slice(&text.to_le_bytes());
    XxHash3_128::oneshot(&bytes)
}

fn micros(event: &Event) -> u64 {
    event.time_unix_nano / 1000
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

/// The value of an attribute of an event.
pub fn value<'e>(event: &'e Event, key: &str) -> Option<&'e Value> {
    event.attributes.iter().find(|attribute| attribute.key == key)?.value.as_ref()?.value.as_ref()
}

/// The same, where it is text.
pub fn text<'e>(event: &'e Event, key: &str) -> Option<&'e str> {
    text_of(value(event, key)?)
}

fn text_of(value: &Value) -> Option<&str> {
    match value {
        Value::StringValue(text) => Some(text),
        _ => None,
    }
}

/// The text of an attribute.
pub fn attribute<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a str> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    text_of(found.value.as_ref()?.value.as_ref()?)
}

/// Takes out of an event what the resource of its span says as well.
pub fn leave_to_resource(event: &mut Event, resource: Option<&Resource>) {
    let Some(resource) = resource else { return };
    event.attributes.retain(|own| {
        let said = (own.key == POD || own.key == CONTAINER)
            && resource.attributes.iter().any(|other| other.key == own.key && other.value == own.value);
        !said
    });
}

/// Events that are stored, by the lines that they stand for: how often each is there.
#[derive(Debug, Clone, Default)]
pub struct StoredEvents {
    by_line: HashMap<u128, u32>,
    by_text: HashMap<u128, u32>,
}

impl StoredEvents {
    /// Takes in those events of a span that are spanline's: all, if it is a carrier.
    pub fn add(&mut self, span: &Span, is_carrier: bool) {
        let Some(own) = ids_of(span) else { return };
        let parent = <[u8; 8]>::try_from(span.parent_span_id.as_slice()).ok().filter(|_| is_carrier);
        for event in span.events.iter().filter(|event| is_carrier || is_own(event)) {
            let named = text(event, SPAN_ID).filter(|_| is_carrier).and_then(|id| u64::from_str_radix(id, 16).ok());
            let span_id = named.map(u64::to_be_bytes).or(parent).unwrap_or(own.1);
            match line_identity((own.0, span_id), event) {
                Some(line) => *self.by_line.entry(line).or_default() += 1,
                None => {
                    let text = text_hash(text(event, MESSAGE).unwrap_or(&event.name));
                    *self.by_text.entry(text_identity(&own.0, event, text)).or_default() += 1;
                }
            }
        }
    }

    /// Is there one for this line? It is counted off. `text` is the line's [`text_hash`].
    pub fn take(&mut self, ids: Ids, event: &Event, text: u64) -> bool {
        if self.by_line.is_empty() && self.by_text.is_empty() {
            return false;
        }
        let line = line_identity(ids, event);
        counted_off(line.and_then(|line| self.by_line.get_mut(&line)))
            || counted_off(self.by_text.get_mut(&text_identity(&ids.0, event, text)))
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
    use opentelemetry_proto::tonic::common::v1::AnyValue;

    use super::*;

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

    fn span(id: u8, parent: u8, events: Vec<Event>) -> Span {
        let parent_span_id = if parent == 0 { Vec::new() } else { vec![parent; 8] };
        Span { trace_id: vec![9; 16], span_id: vec![id; 8], parent_span_id, events, ..Span::default() }
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
            assert!(!stored.take(other, &event, 0), "{event:?}");
        }
        // Stores cut times to µs and may turn numbers into text; files are rotated between runs.
        let again = event(1_000, &[(FILE, words("kubelet.log.1.gz")), (LINE, words("7"))]);
        assert!(stored.take(ids, &again, 0) && !stored.take(ids, &again, 0), "once");
        assert!(stored.take(ids, &line(2_000, "0.log.20261123-091452", 7), 0));
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
        assert!(!stored.take(([9; 16], [1; 8]), &line(5_000, "0.log", 3), 0));
        assert!(stored.take(([9; 16], [2; 8]), &line(5_000, "0.log", 3), 0));
    }

    #[test]
    fn a_pod_is_named_unless_the_resource_names_it() {
        let pod = |name: &str| vec![(POD, words(name)), (CONTAINER, words("main"))];
        let resource = Resource { attributes: event(0, &pod("web-0")).attributes, ..Resource::default() };
        for (name, left) in [("web-0", 0), ("web-1", 1)] {
            let mut event = event(0, &pod(name));
            leave_to_resource(&mut event, None);
            assert_eq!(event.attributes.len(), 2);
            leave_to_resource(&mut event, Some(&resource));
            assert_eq!(event.attributes.len(), left);
        }
    }

    #[test]
    fn older_events_are_known_by_their_text() {
        let old = |time, text| event(time, &[(LINK_METHOD, words("inferred")), (MESSAGE, words(text))]);
        let mut stored = StoredEvents::default();
        stored.add(&span(1, 0, vec![old(1_500, "a text"), old(1_500, "a text"), event(1_500, &[])]), false);
        let ids = ([9; 16], [1; 8]);
        let new = line(1_000, "kubelet.log", 7);
        assert!(!stored.take(ids, &new, text_hash("another text")) && !stored.take(ids, &new, text_hash("a line")));
        let mut take = || stored.take(ids, &new, text_hash("a text"));
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
