//! What an event of a span says, read from its bytes.
//!
//! In go the bytes of an event, as they are made and as a store gives them back; out come its time, its name and its
//! attributes, and the same event without the attributes that the resource of its span has too.

use crate::otlp::own::{self, CONTAINER, POD};
use crate::otlp::wire::read::{Fields, Value};
use crate::otlp::wire::spans::{attribute, text as text_of, within};
use crate::otlp::wire::write;

/// Tag of the field `time_unix_nano`.
const TIME: u8 = 0x09;
/// Number of the field `attributes`.
const ATTRIBUTES: u32 = 3;

/// ns since the epoch; 0 where it has none.
pub fn time(event: &[u8]) -> u64 {
    let times = Fields::of(event).filter_map(|field| match field {
        (1, Value::Fixed64(time)) => Some(time),
        _ => None,
    });
    times.last().unwrap_or(0)
}

/// Its name.
pub fn name(event: &[u8]) -> &str {
    std::str::from_utf8(within(event, 2).last().unwrap_or_default()).unwrap_or_default()
}

/// How many attributes it has.
pub fn attribute_count(event: &[u8]) -> usize {
    within(event, ATTRIBUTES).count()
}

/// The value of an attribute: the field of `AnyValue` that is set.
pub fn value<'e>(event: &'e [u8], key: &str) -> Option<(u32, Value<'e>)> {
    within(event, ATTRIBUTES).map(attribute).find(|(own, _)| *own == key.as_bytes())?.1
}

/// The same, where it is text.
pub fn text<'e>(event: &'e [u8], key: &str) -> Option<&'e str> {
    text_of(value(event, key))
}

/// Did spanline make this event?
pub fn is_own(event: &[u8]) -> bool {
    within(event, ATTRIBUTES).any(|key_value| own::is_mark(attribute(key_value).0))
}

/// Appends an event: at this time if it has none, and without what this resource says as well. Returns how many attributes
/// it has then.
pub fn put(out: &mut Vec<u8>, event: &[u8], time_if_none: u64, resource: &[u8]) -> usize {
    if time_if_none != 0 && time(event) == 0 {
        out.push(TIME);
        out.extend_from_slice(&time_if_none.to_le_bytes());
    }
    // From `from` to `start` nothing is left out.
    let (mut fields, mut from, mut start, mut attributes) = (Fields::of(event), 0, 0, 0);
    while let Some((number, value)) = fields.next() {
        if number == ATTRIBUTES {
            if is_said(value.bytes(), resource) {
                out.extend_from_slice(&event[from..start]);
                from = fields.at();
            } else {
                attributes += 1;
            }
        }
        start = fields.at();
    }
    out.extend_from_slice(&event[from..start]);
    attributes
}

/// Pod and container are named by an event only where its span's resource does not.
fn is_said(key_value: &[u8], resource: &[u8]) -> bool {
    let (key, value) = attribute(key_value);
    (key == POD.as_bytes() || key == CONTAINER.as_bytes())
        && within(resource, 1).map(attribute).any(|other| other == (key, value))
}

/// Appends an attribute of text to an event.
pub fn put_attribute(event: &mut Vec<u8>, key: &str, value: &str) {
    let (mut any, mut pair) = (Vec::with_capacity(value.len() + 8), Vec::with_capacity(key.len() + value.len() + 16));
    write::bytes(&mut any, 0x0a, value.as_bytes());
    write::bytes(&mut pair, 0x0a, key.as_bytes());
    write::bytes(&mut pair, 0x12, &any);
    write::bytes(event, 0x1a, &pair);
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
    use opentelemetry_proto::tonic::resource::v1::Resource;
    use opentelemetry_proto::tonic::trace::v1::span::Event;
    use prost::Message;

    use super::*;

    fn attributes(list: &[(&str, &str)]) -> Vec<KeyValue> {
        let one = |(key, value): &(&str, &str)| {
            let value = Some(AnyValue { value: Some(any_value::Value::StringValue((*value).to_owned())) });
            KeyValue { key: (*key).to_owned(), value, ..KeyValue::default() }
        };
        list.iter().map(one).collect()
    }

    #[test]
    fn a_pod_is_named_unless_the_resource_names_it() {
        let pod = |name| attributes(&[(POD, name), (CONTAINER, "main")]);
        let resource = Resource { attributes: pod("web-0"), ..Resource::default() }.encode_to_vec();
        for (name, left) in [("web-0", 0), ("web-1", 1)] {
            let event = Event { attributes: pod(name), ..Event::default() }.encode_to_vec();
            assert_eq!(attribute_count(&event), 2);
            let mut put_there = Vec::new();
            put(&mut put_there, &event, 0, &resource);
            assert_eq!(attribute_count(&put_there), left);
        }
    }

    #[test]
    fn an_event_is_put_as_it_is_but_for_a_missing_time() {
        let event = Event {
            name: "a line".into(),
            attributes: attributes(&[("k", "v"), ("spanline.link", "written")]),
            dropped_attributes_count: 3,
            ..Event::default()
        };
        let with = |time| {
            let mut out = Vec::new();
            put(&mut out, &event.encode_to_vec(), time, b"");
            put_attribute(&mut out, "more", "text");
            Event::decode(&out[..]).unwrap()
        };
        let mut expected = Event { time_unix_nano: 7, ..event.clone() };
        expected.attributes.extend(attributes(&[("more", "text")]));
        assert_eq!(with(7), expected);
        let bytes = expected.encode_to_vec();
        assert_eq!((time(&bytes), name(&bytes), text(&bytes, "more")), (7, "a line", Some("text")));
        assert!(is_own(&bytes) && !is_own(&bytes[..9]));
        let mut again = Vec::new();
        put(&mut again, &bytes, 9, b"");
        assert_eq!(again, bytes);
    }
}
