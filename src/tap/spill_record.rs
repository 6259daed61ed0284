//! Requests as they lie in files of the state folder.
//!
//! In go requests, out come bytes, and the other way round: from whatever bytes there are come the whole requests before the
//! first place that is damaged or cut.
//!
//! ```text
//! file    = magic *record
//! record  = length(4) hash(8) content          ; numbers are little-endian; XXH64 of the content
//! content = signal(1) form(1) compression(1) spans(8) count(2) *header body
//! header  = length(2) name length(2) value
//! ```

use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::item::{Form, Item};
use crate::otlp::{Compression, Content, Protocol, Signal};

/// What a file begins with; another version has another one.
pub(super) const MAGIC: &[u8] = b"spanline requests 1\n";

const PREFIX_BYTES: usize = 12;

/// How a file ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// All of it was read.
    Whole,
    /// Its last record is not whole: the process ended while it was written.
    Cut,
    /// Something in it is not as it was written.
    Damaged,
}

/// Bytes that the record of a request takes.
pub(super) fn record_len(item: &Item, protocol: Protocol) -> u64 {
    let headers: usize = item.metadata.iter().map(|(name, value)| 4 + name.as_str().len() + value.len()).sum();
    let body = item.form(protocol).map_or(0, |form| form.body.len());
    (PREFIX_BYTES + 13 + headers + body) as u64
}

/// The record of a request, in the form that its destination wants.
pub(super) fn record(item: &Item, protocol: Protocol) -> Option<Vec<u8>> {
    let form = item.form(protocol)?;
    let mut bytes = vec![0; PREFIX_BYTES];
    bytes.push(Signal::ALL.iter().position(|signal| *signal == item.signal)? as u8);
    bytes.push(u8::from(form.content == Content::Json));
    bytes.push(COMPRESSIONS.iter().position(|compression| *compression == form.compression)? as u8);
    bytes.extend_from_slice(&item.spans.to_le_bytes());
    bytes.extend_from_slice(&u16::try_from(item.metadata.len()).ok()?.to_le_bytes());
    for (name, value) in &item.metadata {
        for text in [name.as_str().as_bytes(), value.as_bytes()] {
            bytes.extend_from_slice(&u16::try_from(text.len()).ok()?.to_le_bytes());
            bytes.extend_from_slice(text);
        }
    }
    bytes.extend_from_slice(&form.body);
    let length = u32::try_from(bytes.len() - PREFIX_BYTES).ok()?;
    let hash = twox_hash::XxHash64::oneshot(0, &bytes[PREFIX_BYTES..]);
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    bytes[4..PREFIX_BYTES].copy_from_slice(&hash.to_le_bytes());
    Some(bytes)
}

const COMPRESSIONS: [Compression; 3] = [Compression::None, Compression::Gzip, Compression::Zstd];

/// The requests of a file.
pub(super) fn requests(mut bytes: Bytes) -> (Vec<Item>, End) {
    let mut items = Vec::new();
    if bytes.len() < MAGIC.len() && MAGIC.starts_with(&bytes) {
        return (items, End::Cut);
    }
    if !bytes.starts_with(MAGIC) {
        return (items, End::Damaged);
    }
    bytes.advance(MAGIC.len());
    while !bytes.is_empty() {
        if bytes.len() < PREFIX_BYTES {
            return (items, End::Cut);
        }
        let (length, hash) = (bytes.get_u32_le() as usize, bytes.get_u64_le());
        if length > bytes.len() {
            return (items, End::Cut);
        }
        let content = bytes.split_to(length);
        let item = (twox_hash::XxHash64::oneshot(0, &content) == hash).then(|| item(content)).flatten();
        match item {
            Some(item) => items.push(item),
            None => return (items, End::Damaged),
        }
    }
    (items, End::Whole)
}

fn item(mut content: Bytes) -> Option<Item> {
    let signal = *Signal::ALL.get(usize::from(content.try_get_u8().ok()?))?;
    let form = if content.try_get_u8().ok()? == 0 { Content::Protobuf } else { Content::Json };
    let compression = *COMPRESSIONS.get(usize::from(content.try_get_u8().ok()?))?;
    let spans = content.try_get_u64_le().ok()?;
    let mut metadata = HeaderMap::new();
    for _ in 0..content.try_get_u16_le().ok()? {
        let name = HeaderName::from_bytes(&text(&mut content)?).ok()?;
        metadata.append(name, HeaderValue::from_bytes(&text(&mut content)?).ok()?);
    }
    let item = Item::held(signal, spans, metadata, Form { content: form, compression, body: content }, None);
    item.settle(None);
    Some(item)
}

fn text(content: &mut Bytes) -> Option<Bytes> {
    let length = usize::from(content.try_get_u16_le().ok()?);
    (length <= content.len()).then(|| content.split_to(length))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_item() -> impl Strategy<Value = Item> {
        let headers = proptest::collection::vec(("[a-z][a-z0-9-]{0,20}", "[ -~]{0,40}"), 0..5);
        let json = (0..4usize, any::<bool>(), 0..3usize);
        (json, any::<u64>(), headers, any::<Vec<u8>>()).prop_map(
            |((signal, is_json, compression), spans, headers, body)| {
                let content = if is_json { Content::Json } else { Content::Protobuf };
                let form = Form { content, compression: COMPRESSIONS[compression], body: body.into() };
                let mut metadata = HeaderMap::new();
                for (name, value) in headers {
                    metadata.append(HeaderName::try_from(name).unwrap(), HeaderValue::try_from(value).unwrap());
                }
                Item::held(Signal::ALL[signal], spans, metadata, form, None)
            },
        )
    }

    fn file(items: &[Item]) -> (Vec<u8>, Vec<usize>) {
        let (mut bytes, mut ends) = (MAGIC.to_vec(), vec![MAGIC.len()]);
        for item in items {
            let record = record(item, Protocol::Http).unwrap();
            assert_eq!(record.len() as u64, record_len(item, Protocol::Http));
            bytes.extend_from_slice(&record);
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    fn same(one: &Item, other: &Item) -> bool {
        let of = |item: &Item| (item.signal, item.spans, item.metadata.clone(), item.form(Protocol::Http).cloned());
        of(one) == of(other)
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(items in proptest::collection::vec(any_item(), 0..6)) {
            let (bytes, _) = file(&items);
            let (read, end) = requests(bytes.into());
            prop_assert_eq!(end, End::Whole);
            prop_assert!(read.len() == items.len() && read.iter().zip(&items).all(|(one, other)| same(one, other)));
        }

        #[test]
        fn a_file_that_was_cut_gives_what_is_whole(items in proptest::collection::vec(any_item(), 0..6), at: prop::sample::Index) {
            let (bytes, ends) = file(&items);
            let cut = at.index(bytes.len());
            let (read, end) = requests(bytes[..cut].to_vec().into());
            let whole = ends.iter().filter(|end| **end <= cut).count().saturating_sub(1);
            prop_assert_eq!(read.len(), whole);
            prop_assert_eq!(end, if ends.contains(&cut) { End::Whole } else { End::Cut });
        }

        #[test]
        fn a_byte_that_changed_costs_its_record_and_those_after_it(
            items in proptest::collection::vec(any_item(), 1..6), at: prop::sample::Index, change in 1u8..,
        ) {
            let (mut bytes, ends) = file(&items);
            let at = at.index(bytes.len());
            bytes[at] ^= change;
            let (read, end) = requests(bytes.into());
            let whole = ends.iter().filter(|end| **end <= at).count().saturating_sub(1);
            prop_assert_eq!(read.len(), whole);
            prop_assert!(end != End::Whole);
        }

        #[test]
        fn never_panics(bytes: Vec<u8>, has_magic: bool) {
            let magic = if has_magic { MAGIC } else { b"" };
            requests([magic, &bytes].concat().into());
        }
    }
}
