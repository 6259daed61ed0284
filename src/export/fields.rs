//! Which attributes a record has, and in which order: the one place that decides it.
//!
//! In go a record and what its reader knows of it, out come keys with values, one call for each: the line's own keys,
//! then those of its envelope, then what the header and the reader say. No writer drops or renames any; how a value is
//! spelled is theirs. Nothing is allocated for a record of [`FEW`] fields or less.

use spanline_parsers::entry::key_mix;
use spanline_parsers::{Field, Value};

use crate::record::{Link, Record, Stream};

/// Up to this many fields are compared pairwise; more are sorted.
const FEW: usize = 24;

/// What is known of a record that it does not hold itself: where and when it was read, and its id.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RecordContext<'a> {
    /// `log.file.path`, from which `log.file.name` follows.
    pub file: Option<&'a [u8]>,
    /// When it was read, ns since the epoch (`observedTimeUnixNano`).
    pub observed: Option<i64>,
    /// `log.record.uid`.
    pub uid: Option<[u8; 16]>,
}

/// The value of an attribute.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Attribute<'r> {
    /// From the line or its envelope.
    Line(&'r Value<'r>),
    /// A whole number of ours.
    Integer(u64),
    /// Text of ours.
    Text(&'r [u8]),
    /// A number of ours between 0 and 1.
    Ratio(f64),
    /// 16 bytes that are written as hex.
    Uid([u8; 16]),
}

/// How keys are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// As they stand.
    AsWritten,
    /// OTLP: an empty key is `_`, and what is sent about the record itself ([`sent`]) cannot be claimed by the line:
    /// `log.record.uid`, by which stores drop what they have, and `spanline.link.*`, which tells written ids from
    /// inferred ones.
    Otlp,
}

/// Gives every attribute of a record, no key twice: of equal keys the last wins, and the line's own over all others.
pub fn each<'r>(
    record: &Record<'r>,
    context: &RecordContext<'r>,
    keys: Keys,
    mut give: impl FnMut(&'r [u8], Attribute<'r>),
) {
    let taken = written(record, keys, context.uid.is_some(), |key, field| give(key, Attribute::Line(&field.value)));
    observed(record, context, taken, &mut Given(give));
}

/// Takes what [`observed`] gives: a writer that knows the keys beforehand has each of them ready.
pub trait Observed<'r> {
    /// Text.
    fn text(&mut self, key: &'static [u8], text: &'r [u8]);
    /// A whole number.
    fn integer(&mut self, key: &'static [u8], number: u64);
}

struct Given<F>(F);

impl<'r, F: FnMut(&'r [u8], Attribute<'r>)> Observed<'r> for Given<F> {
    fn text(&mut self, key: &'static [u8], text: &'r [u8]) {
        (self.0)(key, Attribute::Text(text));
    }

    fn integer(&mut self, key: &'static [u8], number: u64) {
        (self.0)(key, Attribute::Integer(number));
    }
}

/// The keys among those we might add ourselves that a line has.
#[derive(Debug, Clone, Copy)]
pub struct Taken(u8);

impl Taken {
    fn leaves(self, bit: u8) -> bool {
        self.0 & bit == 0
    }

    /// Does the line itself name the file it stands in?
    pub fn names_its_file(self) -> bool {
        !self.leaves(FILE_PATH | FILE_NAME)
    }
}

/// Gives the fields of the line and of its envelope, each with its name: the first half of [`each`]. `has_uid`: a key that
/// claims to be the record's uid is left out.
#[inline]
pub fn written<'r>(
    record: &Record<'r>,
    keys: Keys,
    has_uid: bool,
    mut give: impl FnMut(&'r [u8], &'r Field<'r>),
) -> Taken {
    let (own, around) = (record.entry.fields.as_slice(), record.envelope_fields);
    if around.is_empty() && are_plain(own) {
        for field in own {
            give(&field.key, field);
        }
        return Taken(0);
    }
    let mut taken = 0;
    let mut field = |field: &'r Field<'r>| {
        let key = name(field, keys);
        let bit = reserved(key);
        if keys == Keys::Otlp && (bit == LINK || bit == UID && has_uid) {
            return;
        }
        taken |= bit;
        give(key, field);
    };
    if own.len() + around.len() > FEW {
        let wins = winners(own, around, keys);
        own.iter().chain(around).zip(wins).filter(|(_, wins)| *wins).for_each(|(one, _)| field(one));
    } else {
        for (at, one) in own.iter().enumerate() {
            if !has(&own[at + 1..], one, keys) {
                field(one);
            }
        }
        for (at, one) in around.iter().enumerate() {
            if !has(&around[at + 1..], one, keys) && !has(own, one, keys) {
                field(one);
            }
        }
    }
    Taken(taken)
}

/// Quick test that most lists of keys pass: none is empty, none begins like a key of ours, and no two have the same bit of
/// 1024. `false` proves nothing.
#[inline]
fn are_plain(fields: &[Field<'_>]) -> bool {
    let mut seen = [0u64; 16];
    let mut met = 0;
    for field in fields {
        let key: &[u8] = &field.key;
        let is_odd = key.is_empty() || matches!(key.first_chunk(), Some(b"proc" | b"code" | b"log." | b"span"));
        let place = key_mix(key).wrapping_mul(0x9e37_79b1) >> 22;
        let (word, bit) = ((place >> 6) as usize, 1u64 << (place & 63));
        met |= seen[word] & bit | u64::from(is_odd);
        seen[word] |= bit;
    }
    met == 0
}

/// What is sent about the record itself: its uid, and how its link was found.
pub fn sent<'r>(link: Option<&Link>, context: &RecordContext<'r>, mut give: impl FnMut(&'static [u8], Attribute<'r>)) {
    if let Some(uid) = context.uid {
        give(b"log.record.uid", Attribute::Uid(uid));
    }
    let Some(link) = link else { return };
    give(b"spanline.link.method", Attribute::Text(link.method.name().as_bytes()));
    if let Some(confidence) = link.confidence {
        give(b"spanline.link.confidence", Attribute::Ratio(ratio(confidence)));
    }
    give(b"spanline.link.relation", Attribute::Text(link.relation.name().as_bytes()));
}

/// A confidence with four decimals, so that 0.9 does not become 0.8999999761581421.
pub fn ratio(confidence: f32) -> f64 {
    f64::from(ten_thousandths(confidence)) / 1e4
}

/// … in units of the last of them.
pub fn ten_thousandths(confidence: f32) -> u32 {
    (f64::from(confidence.clamp(0.0, 1.0)) * 1e4).round() as u32
}

/// The last of equal keys wins: for each key, does it?
pub fn last_wins<'k>(count: usize, key: impl Fn(usize) -> &'k [u8]) -> Vec<bool> {
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_unstable_by(|a, b| key(*a).cmp(key(*b)).then(a.cmp(b)));
    let mut wins = vec![true; count];
    for pair in order.windows(2) {
        wins[pair[0]] = key(pair[0]) != key(pair[1]);
    }
    wins
}

/// [`last_wins`] over the envelope's fields and then the line's own, given in the order own, envelope.
fn winners(own: &[Field<'_>], around: &[Field<'_>], keys: Keys) -> Vec<bool> {
    let key = |at: usize| name(around.get(at).unwrap_or_else(|| &own[at - around.len()]), keys);
    let mut wins = last_wins(own.len() + around.len(), key);
    wins.rotate_left(around.len());
    wins
}

#[inline(always)]
fn name<'f>(field: &'f Field<'_>, keys: Keys) -> &'f [u8] {
    if keys == Keys::Otlp && field.key.is_empty() { b"_" } else { &field.key }
}

fn has(fields: &[Field<'_>], field: &Field<'_>, keys: Keys) -> bool {
    let key = name(field, keys);
    // Most keys differ in length or first byte; only the rest is worth a call.
    let first = key.first();
    fields.iter().any(|other| {
        let other = name(other, keys);
        other.len() == key.len() && other.first() == first && other == key
    })
}

/// The mark of a line or record that was cut at the limit: its pieces are numbered from 1.
pub const PIECE: &[u8] = b"spanline.record.piece";

const PID: u8 = 1;
const CODE_FILE: u8 = 2;
const CODE_LINE: u8 = 4;
const STREAM: u8 = 8;
const FILE_PATH: u8 = 16;
const FILE_NAME: u8 = 32;
const UID: u8 = 64;
const LINK: u8 = 128;

/// The bit of a key that we might add ourselves.
#[inline]
fn reserved(key: &[u8]) -> u8 {
    if key.len() < b"process.pid".len() || !matches!(key[0], b'p' | b'c' | b'l' | b's') {
        return 0;
    }
    match key {
        b"process.pid" => PID,
        b"code.file.path" => CODE_FILE,
        b"code.line.number" => CODE_LINE,
        b"log.iostream" => STREAM,
        b"log.file.path" => FILE_PATH,
        b"log.file.name" => FILE_NAME,
        b"log.record.uid" => UID,
        b"spanline.link" | b"spanline.link.method" | b"spanline.link.confidence" | b"spanline.link.relation" => LINK,
        _ => 0,
    }
}

/// What the header and the reader say, unless the line has such a key itself: the second half of [`each`].
#[inline(always)]
pub fn observed<'r>(record: &Record<'r>, context: &RecordContext<'r>, taken: Taken, give: &mut impl Observed<'r>) {
    let free = |bit: u8| taken.leaves(bit);
    if let Some(pid) = record.entry.pid.filter(|_| free(PID)) {
        give.integer(b"process.pid", pid);
    }
    if let Some(site) = record.entry.code {
        if free(CODE_FILE) {
            give.text(b"code.file.path", site.file);
        }
        if site.line != 0 && free(CODE_LINE) {
            give.integer(b"code.line.number", site.line.into());
        }
    }
    let stream = match record.stream {
        Stream::Unknown => None,
        Stream::Stdout => Some("stdout"),
        Stream::Stderr => Some("stderr"),
    };
    if let Some(stream) = stream.filter(|_| free(STREAM)) {
        give.text(b"log.iostream", stream.as_bytes());
    }
    if record.piece > 0 {
        give.integer(PIECE, record.piece.into());
    }
    let Some(path) = context.file else { return };
    if free(FILE_PATH) {
        give.text(b"log.file.path", path);
    }
    if free(FILE_NAME) {
        let start = memchr::memrchr(b'/', path).map_or(0, |slash| slash + 1);
        give.text(b"log.file.name", &path[start..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Origin;
    use proptest::prelude::*;
    use spanline_parsers::{CodeSite, Entry};

    fn keys_of(own: &[(&str, i32)], around: &[(&str, i32)], keys: Keys) -> Vec<String> {
        let fields = |pairs: &[(&str, i32)]| -> Vec<Field<'static>> {
            let field = |(key, value): &(&str, i32)| Field {
                key: key.as_bytes().to_vec().into(),
                value: Value::Text(value.to_string().into_bytes().into()),
            };
            pairs.iter().map(field).collect()
        };
        let around = fields(around);
        let entry = Entry {
            fields: fields(own),
            pid: Some(7),
            code: Some(CodeSite { file: b"a.go", line: 3 }),
            ..Entry::default()
        };
        let origin = Origin::default();
        let record = crate::export::samples::record(&entry, &origin, &around);
        let mut out = Vec::new();
        each(
            &record,
            &RecordContext { file: Some(b"/var/log/x.log"), uid: Some([1; 16]), ..RecordContext::default() },
            keys,
            |key, value| {
                let value = match value {
                    Attribute::Line(Value::Text(text)) => String::from_utf8_lossy(text).into_owned(),
                    Attribute::Text(text) => String::from_utf8_lossy(text).into_owned(),
                    Attribute::Integer(number) => number.to_string(),
                    other => format!("{other:?}"),
                };
                out.push(format!("{}={value}", String::from_utf8_lossy(key)));
            },
        );
        out
    }

    #[test]
    fn the_line_comes_first_and_nothing_replaces_its_keys() {
        assert_eq!(
            keys_of(
                &[("a", 1), ("", 2), ("a", 3), ("process.pid", 4)],
                &[("b", 5), ("a", 6), ("b", 7), ("log.file.name", 8)],
                Keys::AsWritten
            ),
            [
                "=2",
                "a=3",
                "process.pid=4",
                "b=7",
                "log.file.name=8",
                "code.file.path=a.go",
                "code.line.number=3",
                "log.iostream=stderr",
                "log.file.path=/var/log/x.log"
            ]
        );
    }

    #[test]
    fn in_otlp_a_line_cannot_claim_a_link_and_an_empty_key_has_a_name() {
        let own = [("", 1), ("_", 2), ("spanline.link.method", 3), ("log.record.uid", 4), ("spanline.link", 5)];
        assert_eq!(keys_of(&own, &[], Keys::Otlp)[..2], ["_=2", "process.pid=7"]);
        assert_eq!(
            keys_of(&own, &[], Keys::AsWritten)[..4],
            ["=1", "_=2", "spanline.link.method=3", "log.record.uid=4"]
        );
    }

    proptest! {
        #[test]
        fn few_and_many_fields_follow_the_same_rule(
            own in proptest::collection::vec((0u8..30, any::<i32>()), 0..40),
            around in proptest::collection::vec((0u8..30, any::<i32>()), 0..40),
        ) {
            let named: Vec<String> = (0..30).map(|n| format!("k{n}")).collect();
            let pairs = |list: &[(u8, i32)]| -> Vec<(&str, i32)> {
                list.iter().map(|(key, value)| (named[usize::from(*key)].as_str(), *value)).collect()
            };
            let (own, around) = (pairs(&own), pairs(&around));
            let mut expected = Vec::new();
            for (at, (key, value)) in own.iter().enumerate() {
                if own[at + 1..].iter().all(|(other, _)| other != key) {
                    expected.push(format!("{key}={value}"));
                }
            }
            for (at, (key, value)) in around.iter().enumerate() {
                if around[at + 1..].iter().chain(&own).all(|(other, _)| other != key) {
                    expected.push(format!("{key}={value}"));
                }
            }
            let got = keys_of(&own, &around, Keys::AsWritten);
            prop_assert_eq!(&got[..got.len() - 6], &expected[..]);
        }
    }
}
