//! What one request holds: encoded items by resource, with the receipts for them.
//!
//! In go items that are already encoded, out comes the `Export…ServiceRequest` as pieces (only lengths and headers are
//! computed; items are not copied), or two batches of half the items. Nothing is encoded, compressed or sent here.
//!
//! ```text
//! request = *( 0A length *[ resource ] ( 12 length *[ scope ] items [ 1A length scope-schema-url ] )
//!                         [ 1A length resource-schema-url ] )
//! ```

use bytes::Bytes;

use crate::otlp::Signal;
use crate::otlp::wire::write::{varint, varint_len};
use crate::record::Receipt;

/// Items of one resource and scope.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Group {
    /// Field 1 (`resource`) of `ResourceLogs` or `ResourceSpans`, with its tag and length; may be empty.
    pub resource: Bytes,
    /// Field 1 (`scope`) of `ScopeLogs` or `ScopeSpans`, with its tag and length; may be empty.
    pub scope: Bytes,
    /// Log records or spans one after another, each with tag 0x12 and its length.
    pub items: Bytes,
    /// Where each item ends in `items`.
    pub ends: Vec<u32>,
    /// How far each item's ordinal is from `from` of the group's receipt; `None`: each is one after the one before.
    pub ordinals: Option<Vec<u32>>,
    /// `ResourceLogs.schema_url`, empty for none.
    pub resource_schema_url: Bytes,
    /// `ScopeLogs.schema_url`, empty for none.
    pub scope_schema_url: Bytes,
}

/// What one request holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Logs or traces.
    pub signal: Signal,
    /// Items by resource and scope.
    pub groups: Vec<Group>,
    /// What is acknowledged with each group: one per group.
    pub receipts: Vec<Receipt>,
}

const FIELD_1: u8 = 0x0a;
const FIELD_2: u8 = 0x12;
const SCHEMA_URL: u8 = 0x1a;

impl Group {
    /// The group's items but for those before `count`, which are taken out and returned. The receipt is cut alike.
    fn split_off_front(&mut self, receipt: &mut Receipt, count: usize) -> (Group, Receipt) {
        let mut front = self.clone();
        let ends = self.ends.split_off(count);
        front.ends = std::mem::replace(&mut self.ends, ends);
        let cut = front.ends.last().copied().unwrap_or(0);
        front.items = self.items.split_to(cut as usize);
        self.ends.iter_mut().for_each(|end| *end -= cut);
        let ordinal = match &mut self.ordinals {
            None => count as u64,
            Some(ordinals) => {
                let mut after = ordinals.split_off(count);
                // The back begins at its own first ordinal; one without items has none.
                let first = after.first().copied();
                after.iter_mut().for_each(|ordinal| *ordinal -= first.unwrap_or(0));
                front.ordinals = Some(std::mem::replace(ordinals, after));
                first.map_or(receipt.to - receipt.from, u64::from)
            }
        };
        let middle = (receipt.from + ordinal).min(receipt.to);
        let front_receipt = Receipt { to: middle, ..*receipt };
        receipt.from = middle;
        (front, front_receipt)
    }

    /// Length of the `ScopeLogs` or `ScopeSpans` message.
    fn scope_len(&self) -> usize {
        self.scope.len() + self.items.len() + field_len(&self.scope_schema_url)
    }

    /// Length of the `ResourceLogs` or `ResourceSpans` message.
    fn resource_len(&self) -> usize {
        let scope_len = self.scope_len();
        let head = 1 + varint_len(scope_len);
        self.resource.len() + head + scope_len + field_len(&self.resource_schema_url)
    }

    /// Length of the group in the request.
    fn len(&self) -> usize {
        let len = self.resource_len();
        1 + varint_len(len) + len
    }

    fn put_head(&self, out: &mut Vec<u8>) {
        out.push(FIELD_1);
        varint(out, self.resource_len() as u64);
        out.extend_from_slice(&self.resource);
        out.push(FIELD_2);
        varint(out, self.scope_len() as u64);
        out.extend_from_slice(&self.scope);
    }

    fn put_tail(&self, out: &mut Vec<u8>) {
        for url in [&self.scope_schema_url, &self.resource_schema_url] {
            if !url.is_empty() {
                out.push(SCHEMA_URL);
                varint(out, url.len() as u64);
                out.extend_from_slice(url);
            }
        }
    }
}

/// Length of an optional text field with a tag of one byte.
fn field_len(text: &Bytes) -> usize {
    if text.is_empty() { 0 } else { 1 + varint_len(text.len()) + text.len() }
}

impl Batch {
    /// An empty batch.
    pub fn new(signal: Signal) -> Batch {
        Batch { signal, groups: Vec::new(), receipts: Vec::new() }
    }

    /// Adds a group with what is acknowledged by it.
    pub fn push(&mut self, group: Group, receipt: Receipt) {
        debug_assert!(group.ends.last().is_none_or(|end| *end as usize == group.items.len()), "BUG: ends miss the end");
        self.groups.push(group);
        self.receipts.push(receipt);
    }

    /// Items in it.
    pub fn count(&self) -> usize {
        self.groups.iter().map(|group| group.ends.len()).sum()
    }

    /// Bytes of the largest item, with its tag and length.
    pub fn largest(&self) -> usize {
        let of_group = |group: &Group| {
            let starts = std::iter::once(&0).chain(&group.ends);
            group.ends.iter().zip(starts).map(|(end, start)| end - start).max().unwrap_or(0)
        };
        self.groups.iter().map(of_group).max().unwrap_or(0) as usize
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.groups.iter().all(|group| group.ends.is_empty())
    }

    /// Bytes of the request, uncompressed.
    pub fn len(&self) -> usize {
        self.groups.iter().filter(|group| !group.ends.is_empty()).map(Group::len).sum()
    }

    /// The `Export…ServiceRequest` in pieces. Groups without items are left out: empty envelopes are not sent.
    pub fn message(&self) -> Vec<Bytes> {
        let groups: Vec<&Group> = self.groups.iter().filter(|group| !group.ends.is_empty()).collect();
        // All headers in one allocation, of which the pieces are shares.
        let mut headers = Vec::with_capacity(groups.iter().map(|group| group.len() - group.items.len()).sum());
        let mut cuts = Vec::with_capacity(groups.len());
        for group in &groups {
            group.put_head(&mut headers);
            cuts.push(headers.len());
            group.put_tail(&mut headers);
        }
        let headers = Bytes::from(headers);
        let mut pieces = Vec::with_capacity(groups.len() * 2 + 1);
        let mut from = 0;
        for (group, cut) in groups.iter().zip(cuts) {
            pieces.push(headers.slice(from..cut));
            pieces.push(group.items.clone());
            from = cut;
        }
        pieces.push(headers.slice(from..));
        pieces.retain(|piece| !piece.is_empty());
        pieces
    }

    /// The batch but for items that are done, by their ordinals.
    pub fn without(self, done: impl Fn(u64) -> bool) -> Batch {
        let mut rest = Batch::new(self.signal);
        for (mut group, mut receipt) in self.groups.into_iter().zip(self.receipts) {
            while !group.ends.is_empty() {
                let ordinal = |at: usize| match &group.ordinals {
                    None => receipt.from + at as u64,
                    Some(ordinals) => receipt.from + u64::from(ordinals[at]),
                };
                let is_done = done(ordinal(0));
                let count = (0..group.ends.len()).take_while(|at| done(ordinal(*at)) == is_done).count();
                let (part, receipt) = group.split_off_front(&mut receipt, count);
                if !is_done {
                    rest.push(part, receipt);
                }
            }
        }
        rest
    }

    /// Two batches with the first and the second half of the items, of which the first is the smaller by at most one;
    /// receipts follow their items. Ordinals without an item go with the item before them.
    pub fn split(mut self) -> (Batch, Batch) {
        let mut wanted = self.count() / 2;
        let mut front = Batch::new(self.signal);
        let mut whole = 0;
        while let Some(group) = self.groups.get(whole)
            && group.ends.len() <= wanted
        {
            wanted -= group.ends.len();
            whole += 1;
        }
        front.groups = self.groups.drain(..whole).collect();
        front.receipts = self.receipts.drain(..whole).collect();
        if wanted > 0
            && let (Some(group), Some(receipt)) = (self.groups.first_mut(), self.receipts.first_mut())
        {
            let (group, receipt) = group.split_off_front(receipt, wanted);
            front.push(group, receipt);
        }
        (front, self)
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, any_value};
    use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
    use opentelemetry_proto::tonic::resource::v1::Resource;
    use proptest::prelude::*;
    use prost::Message;

    use super::*;

    fn field(tag: u8, message: &[u8]) -> Vec<u8> {
        let mut out = vec![tag];
        varint(&mut out, message.len() as u64);
        out.extend_from_slice(message);
        out
    }

    fn record(body: &str) -> LogRecord {
        let value = Some(any_value::Value::StringValue(body.into()));
        LogRecord { body: Some(AnyValue { value }), ..LogRecord::default() }
    }

    fn group(bodies: &[String], urls: (&str, &str)) -> Group {
        let mut items = Vec::new();
        let mut ends = Vec::new();
        for body in bodies {
            items.extend_from_slice(&field(FIELD_2, &record(body).encode_to_vec()));
            ends.push(items.len() as u32);
        }
        let resource = Resource { dropped_attributes_count: 7, ..Resource::default() };
        let scope = InstrumentationScope { name: "spanline".into(), ..InstrumentationScope::default() };
        Group {
            resource: field(FIELD_1, &resource.encode_to_vec()).into(),
            scope: field(FIELD_1, &scope.encode_to_vec()).into(),
            items: items.into(),
            ends,
            ordinals: None,
            resource_schema_url: urls.0.to_owned().into(),
            scope_schema_url: urls.1.to_owned().into(),
        }
    }

    fn expected(groups: &[(Vec<String>, (&str, &str))]) -> ExportLogsServiceRequest {
        let resource_logs = groups.iter().filter(|(bodies, _)| !bodies.is_empty()).map(|(bodies, urls)| ResourceLogs {
            resource: Some(Resource { dropped_attributes_count: 7, ..Resource::default() }),
            scope_logs: vec![ScopeLogs {
                scope: Some(InstrumentationScope { name: "spanline".into(), ..InstrumentationScope::default() }),
                log_records: bodies.iter().map(|body| record(body)).collect(),
                schema_url: urls.1.into(),
            }],
            schema_url: urls.0.into(),
        });
        ExportLogsServiceRequest { resource_logs: resource_logs.collect() }
    }

    fn batch(groups: &[(Vec<String>, (&str, &str))]) -> Batch {
        let mut batch = Batch::new(Signal::Logs);
        for (source, (bodies, urls)) in groups.iter().enumerate() {
            let receipt = Receipt { source: source as u32, from: 100, to: 100 + bodies.len() as u64 };
            batch.push(group(bodies, *urls), receipt);
        }
        batch
    }

    fn bodies(batch: &Batch) -> Vec<String> {
        let request = ExportLogsServiceRequest::decode(&batch.message().concat()[..]).unwrap();
        let records = request.resource_logs.into_iter().flat_map(|logs| logs.scope_logs).flat_map(|s| s.log_records);
        records
            .map(|record| match record.body.unwrap().value.unwrap() {
                any_value::Value::StringValue(body) => body,
                other => panic!("{other:?}"),
            })
            .collect()
    }

    fn any_groups() -> impl Strategy<Value = Vec<(Vec<String>, (&'static str, &'static str))>> {
        let urls = prop_oneof![
            Just(("", "")),
            Just(("https://a/1", "")),
            Just(("", "https://b/1.2.3")),
            Just(("https://of.the.resource/1", "https://of.scope/2"))
        ];
        proptest::collection::vec((proptest::collection::vec("[a-z]{0,200}", 0..5), urls), 0..5)
    }

    proptest! {
        #[test]
        fn the_pieces_are_what_prost_writes(groups in any_groups()) {
            let batch = batch(&groups);
            let bytes = batch.message().concat();
            prop_assert_eq!(batch.len(), bytes.len());
            prop_assert_eq!(bytes, expected(&groups).encode_to_vec());
        }

        #[test]
        fn halves_hold_every_item_and_receipt_once(groups in any_groups()) {
            let whole = batch(&groups);
            let (front, back) = whole.clone().split();
            prop_assert_eq!(front.count(), whole.count() / 2);
            let joined = [bodies(&front), bodies(&back)].concat();
            prop_assert_eq!(joined, bodies(&whole));
            for half in [&front, &back] {
                prop_assert_eq!(half.groups.len(), half.receipts.len());
                for (group, receipt) in half.groups.iter().zip(&half.receipts) {
                    prop_assert_eq!(group.ends.len() as u64, receipt.to - receipt.from);
                }
            }
            let covered: u64 = front.receipts.iter().chain(&back.receipts).map(|receipt| receipt.to - receipt.from).sum();
            prop_assert_eq!(covered, whole.count() as u64);
        }
    }

    /// Items whose ordinals have gaps, each named by its ordinal: as (ordinal of the first, gaps after each).
    fn with_gaps(from: u64, gaps: &[u32]) -> Batch {
        let mut ordinals = vec![0];
        ordinals.extend(gaps.iter().scan(0, |sum, gap| {
            *sum += gap + 1;
            Some(*sum)
        }));
        let to = from + u64::from(ordinals.pop().unwrap_or(0));
        let bodies: Vec<String> = ordinals.iter().map(|ordinal| (from + u64::from(*ordinal)).to_string()).collect();
        let mut batch = Batch::new(Signal::Logs);
        batch.push(Group { ordinals: Some(ordinals), ..group(&bodies, ("", "")) }, Receipt { source: 1, from, to });
        batch
    }

    /// Each item lies in the receipt of its group, at the ordinal that its group says.
    fn check_ordinals(batch: &Batch) {
        let mut bodies = bodies(batch).into_iter();
        for (group, receipt) in batch.groups.iter().zip(&batch.receipts) {
            for at in 0..group.ends.len() {
                let ordinal = receipt.from + group.ordinals.as_ref().map_or(at as u64, |of| u64::from(of[at]));
                assert_eq!(bodies.next(), Some(ordinal.to_string()));
                assert!((receipt.from..receipt.to).contains(&ordinal), "{ordinal} is not in {receipt:?}");
            }
        }
        assert_eq!(bodies.next(), None);
    }

    proptest! {
        #[test]
        fn halves_know_the_ordinals_of_their_items(
            from in 0u64..1000, gaps in proptest::collection::vec(0u32..4, 0..12), deeper in any::<bool>(),
        ) {
            let whole = with_gaps(from, &gaps);
            let (front, back) = whole.clone().split();
            let halves = if deeper { let (one, two) = back.split(); vec![front, one, two] } else { vec![front, back] };
            halves.iter().for_each(check_ordinals);
            // Receipts follow on each other and cover what the whole one did.
            let receipts: Vec<Receipt> = halves.iter().flat_map(|half| half.receipts.clone()).collect();
            for pair in receipts.windows(2) {
                prop_assert_eq!(pair[0].to, pair[1].from);
            }
            let covered: u64 = receipts.iter().map(|receipt| receipt.to - receipt.from).sum();
            prop_assert_eq!(covered, whole.receipts.iter().map(|receipt| receipt.to - receipt.from).sum::<u64>());
        }

        #[test]
        fn what_is_done_leaves_a_batch_and_nothing_else_does(
            from in 0u64..1000, gaps in proptest::collection::vec(0u32..4, 0..12), plain in any::<bool>(),
            done in proptest::collection::hash_set(0u64..60, 0..30),
        ) {
            let whole = if plain {
                let ordinals: Vec<String> = (from..from + gaps.len() as u64).map(|ordinal| ordinal.to_string()).collect();
                let mut batch = Batch::new(Signal::Logs);
                let to = from + gaps.len() as u64;
                batch.push(group(&ordinals, ("", "")), Receipt { source: 1, from, to });
                batch
            } else {
                with_gaps(from, &gaps)
            };
            let is_done = |ordinal: u64| done.contains(&(ordinal - from));
            let mut left = bodies(&whole);
            left.retain(|body| !is_done(body.parse().unwrap()));
            let rest = whole.clone().without(is_done);
            check_ordinals(&rest);
            // Neighbours stay in one group.
            let kept: Vec<bool> = bodies(&whole).iter().map(|body| !is_done(body.parse().unwrap())).collect();
            let runs = kept.chunk_by(|one, next| one == next).filter(|run| run[0]).count();
            prop_assert_eq!(rest.groups.len(), runs);
            prop_assert_eq!(bodies(&rest), left);
            for receipt in &rest.receipts {
                prop_assert_eq!(receipt.source, 1);
            }
        }
    }

    #[test]
    fn a_batch_without_items_is_empty_however_many_groups_it_has() {
        let none = group(&[], ("", ""));
        let one = group(&["a".to_owned()], ("", ""));
        for (groups, empty) in [
            (vec![], true),
            (vec![none.clone()], true),
            (vec![none.clone(), one.clone()], false),
            (vec![one.clone(), none.clone()], false),
            (vec![one], false),
        ] {
            let mut batch = Batch::new(Signal::Logs);
            groups.into_iter().for_each(|group| batch.push(group, Receipt { source: 0, from: 0, to: 1 }));
            assert_eq!((batch.is_empty(), batch.message().is_empty()), (empty, empty));
            assert_eq!(batch.len(), batch.message().concat().len());
        }
    }

    #[test]
    fn the_largest_item_is_found_wherever_it_stands() {
        assert_eq!(Batch::new(Signal::Logs).largest(), 0);
        for large in 0..4 {
            let mut bodies = ["a", "b", "c", "d"].map(String::from);
            bodies[large] = "x".repeat(100);
            let halves = [(bodies[..2].to_vec(), ("", "")), (bodies[2..].to_vec(), ("", ""))];
            // Tag and length of the item and of its body, which are two messages deep.
            assert_eq!(batch(&halves).largest(), 100 + 6, "{large}");
        }
    }

    #[test]
    fn the_first_half_is_the_smaller_one() {
        for (counts, front) in
            [(vec![3], 1), (vec![1, 2], 1), (vec![2, 2], 2), (vec![1, 1, 3], 2), (vec![1], 0), (vec![], 0)]
        {
            let groups: Vec<_> = counts.iter().map(|count| (vec!["a".to_owned(); *count], ("", ""))).collect();
            let (one, other) = batch(&groups).split();
            assert_eq!((one.count(), other.count()), (front, counts.iter().sum::<usize>() - front), "{counts:?}");
            assert!(one.groups.iter().chain(&other.groups).all(|group| !group.ends.is_empty()), "{counts:?}");
        }
    }

    #[test]
    fn ordinals_without_an_item_go_with_the_item_before() {
        let bodies: Vec<String> = ["a", "b", "c", "d"].map(String::from).into();
        let mut group = group(&bodies, ("", ""));
        group.ordinals = Some(vec![0, 2, 5, 6]);
        let mut batch = Batch::new(Signal::Logs);
        batch.push(group, Receipt { source: 3, from: 10, to: 20 });
        let (front, back) = batch.split();
        assert_eq!(front.receipts, [Receipt { source: 3, from: 10, to: 15 }]);
        assert_eq!(back.receipts, [Receipt { source: 3, from: 15, to: 20 }]);
        let (third, fourth) = back.split();
        assert_eq!(third.receipts, [Receipt { source: 3, from: 15, to: 16 }]);
        assert_eq!(fourth.receipts, [Receipt { source: 3, from: 16, to: 20 }]);
    }
}
