//! A line on its way to the terminal, as the bytes that it is put in order by and shown from.
//!
//! In go lines, out come rows that compare as their lines are ordered, and lines again. What is shown of them is not decided
//! here.
//!
//! row = trace-id order source number head writer span-name fields site message

use std::cmp::Ordering;
use std::io;

use spanline_parsers::Severity;

use crate::export::formats::text_fields::FieldList;
use crate::files::external_sort::Sorter;
use crate::otlp::own::Ids;
use crate::record::{Method, Relation};

/// Bytes that rows are ordered by: `trace-id order source number`.
const KEY_BYTES: usize = 16 + ORDER_BYTES + 4 + 8;
/// See [`order_bytes`].
pub(super) const ORDER_BYTES: usize = 9;

const HAS_TIME: u8 = 1;
const HAS_LINK: u8 = 2;
const IS_ABOUT: u8 = 4;
const HAS_CONFIDENCE: u8 = 8;
const FOLDS: u8 = 16;

/// A line to be shown.
#[derive(Debug, Clone)]
pub(super) struct HeldLine<'l> {
    /// Where it stands among others: its time, or without one that of the line before it in its file.
    pub(super) order: Option<i64>,
    /// Of equal ones those of the earlier source come first …
    pub(super) source: u32,
    /// … and of those the earlier ones.
    pub(super) number: u64,
    /// The order is its own time.
    pub(super) has_time: bool,
    /// Digits of the second that the time was written with.
    pub(super) time_digits: u8,
    /// How bad it is.
    pub(super) severity: Severity,
    /// Its link.
    pub(super) link: Option<LinkOfLine>,
    /// Number of its file in its source.
    pub(super) file: u32,
    /// Number of its first line in it.
    pub(super) line: u64,
    /// Who wrote it.
    pub(super) writer: &'l str,
    /// The name of its span, where that is told.
    pub(super) span_name: &'l str,
    /// What it says.
    pub(super) message: &'l [u8],
    /// What else it says.
    pub(super) fields: FieldList<'l>,
}

/// What is shown of a link.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct LinkOfLine {
    pub(super) ids: Ids,
    pub(super) method: Method,
    pub(super) relation: Relation,
    pub(super) confidence: Option<f32>,
}

/// What rows are ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// By trace, then as for time.
    Trace,
    /// By time, then in the order of their sources and as they were read.
    Time,
}

/// Compares two rows.
pub(super) fn in_order(one: &[u8], other: &[u8]) -> Ordering {
    one[..KEY_BYTES].cmp(&other[..KEY_BYTES])
}

/// Bytes that compare as the numbers do; none comes first.
pub(super) fn order_bytes(order: Option<i64>) -> [u8; ORDER_BYTES] {
    let mut bytes = [0; ORDER_BYTES];
    if let Some(order) = order {
        bytes[0] = 1;
        bytes[1..].copy_from_slice(&(order as u64 ^ 1 << 63).to_be_bytes());
    }
    bytes
}

/// The trace of a row that is ordered by it.
pub(super) fn trace_id_of(row: &[u8]) -> Option<[u8; 16]> {
    row.first_chunk().copied()
}

impl<'l> HeldLine<'l> {
    /// Adds its row.
    pub(super) fn push(&self, rows: &mut Sorter, by: By) -> io::Result<()> {
        let (trace_id, span_id) = self.link.map_or_else(Default::default, |link| link.ids);
        let (fields, site, folds) = self.fields.parts();
        let key_id = if by == By::Trace { trace_id } else { [0; 16] };
        let (mut flags, mut method, mut confidence) = (0, 0, 0.0);
        if self.has_time {
            flags |= HAS_TIME;
        }
        if folds {
            flags |= FOLDS;
        }
        if let Some(link) = self.link {
            flags |= HAS_LINK;
            flags |= if link.relation == Relation::About { IS_ABOUT } else { 0 };
            flags |= if link.confidence.is_some() { HAS_CONFIDENCE } else { 0 };
            method = METHODS.iter().position(|method| *method == link.method).unwrap_or_default() as u8;
            confidence = link.confidence.unwrap_or_default();
        }
        let length = |bytes: usize| u32::try_from(bytes).map_err(|_| io::Error::other("a line of more than 4 GiB"));
        let lengths = [self.writer.len(), self.span_name.len(), fields.len(), site.len()];
        let [writer, span_name, fields_length, site_length] = lengths.map(length);
        rows.push(&[
            &key_id,
            &order_bytes(self.order),
            &self.source.to_be_bytes(),
            &self.number.to_be_bytes(),
            &[flags, method, self.time_digits, self.severity.0],
            &confidence.to_le_bytes(),
            &trace_id,
            &span_id,
            &self.file.to_le_bytes(),
            &self.line.to_le_bytes(),
            &writer?.to_le_bytes(),
            &span_name?.to_le_bytes(),
            &fields_length?.to_le_bytes(),
            &site_length?.to_le_bytes(),
            self.writer.as_bytes(),
            self.span_name.as_bytes(),
            fields,
            site,
            self.message,
        ])
    }

    /// The line of a row.
    pub(super) fn of(row: &'l [u8]) -> io::Result<HeldLine<'l>> {
        HeldLine::read(row).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn read(row: &'l [u8]) -> Option<HeldLine<'l>> {
        let (_, rest) = row.split_first_chunk::<16>()?;
        let ([has_order, order @ ..], rest) = rest.split_first_chunk::<ORDER_BYTES>()?;
        let (source, rest) = rest.split_first_chunk()?;
        let (number, rest) = rest.split_first_chunk()?;
        let ([flags, method, time_digits, severity], rest) = rest.split_first_chunk()?;
        let (confidence, rest) = rest.split_first_chunk()?;
        let (trace_id, rest) = rest.split_first_chunk()?;
        let (span_id, rest) = rest.split_first_chunk()?;
        let (file, rest) = rest.split_first_chunk()?;
        let (line, mut rest) = rest.split_first_chunk()?;
        let mut lengths = [0; 4];
        for length in &mut lengths {
            let (bytes, after) = rest.split_first_chunk()?;
            (*length, rest) = (u32::from_le_bytes(*bytes) as usize, after);
        }
        let (writer, rest) = rest.split_at_checked(lengths[0])?;
        let (span_name, rest) = rest.split_at_checked(lengths[1])?;
        let (fields, rest) = rest.split_at_checked(lengths[2])?;
        let (site, message) = rest.split_at_checked(lengths[3])?;
        let is = |flag: u8| flags & flag != 0;
        let link = LinkOfLine {
            ids: (*trace_id, *span_id),
            method: *METHODS.get(usize::from(*method))?,
            relation: if is(IS_ABOUT) { Relation::About } else { Relation::Within },
            confidence: is(HAS_CONFIDENCE).then(|| f32::from_le_bytes(*confidence)),
        };
        Some(HeldLine {
            order: (*has_order > 0).then(|| (u64::from_be_bytes(*order) ^ 1 << 63) as i64),
            source: u32::from_be_bytes(*source),
            number: u64::from_be_bytes(*number),
            has_time: is(HAS_TIME),
            time_digits: *time_digits,
            severity: Severity(*severity),
            link: is(HAS_LINK).then_some(link),
            file: u32::from_le_bytes(*file),
            line: u64::from_le_bytes(*line),
            writer: std::str::from_utf8(writer).ok()?,
            span_name: std::str::from_utf8(span_name).ok()?,
            message,
            fields: FieldList::from_parts(fields, site, is(FOLDS)),
        })
    }
}

/// By the numbers that rows have for them.
const METHODS: [Method; 5] = [Method::Written, Method::Event, Method::Request, Method::Entity, Method::Inferred];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a line is ordered by, and whether the order is its own time.
    type Ordered = (u8, Option<i64>, u32, u64, bool);

    fn line<'l>((trace, order, source, number, has_time): Ordered, text: &'l str, message: &'l [u8]) -> HeldLine<'l> {
        let link = LinkOfLine {
            ids: ([trace; 16], [number as u8; 8]),
            method: METHODS[usize::from(trace) % METHODS.len()],
            relation: if trace % 2 == 0 { Relation::About } else { Relation::Within },
            confidence: (trace % 3 > 0).then_some(0.5),
        };
        HeldLine {
            order,
            source,
            number,
            has_time,
            time_digits: trace,
            severity: Severity::WARN,
            link: (trace > 0).then_some(link),
            file: source ^ 5,
            line: number + 1,
            writer: text,
            span_name: &text[text.len() / 2..],
            message,
            fields: FieldList::from_parts(&message[message.len() / 2..], text.as_bytes(), has_time),
        }
    }

    proptest! {
        #[test]
        fn rows_come_in_order_and_are_read_as_they_were_put(
            ordered in proptest::collection::vec((0u8..5, any::<Option<i64>>(), 0u32..3, 0u64..9, any::<bool>()), 1..40),
            text in "[a-z]{0,9}",
            message in proptest::collection::vec(any::<u8>(), 0..20),
            by_trace in any::<bool>(),
        ) {
            let by = if by_trace { By::Trace } else { By::Time };
            let mut rows = Sorter::new(200, in_order);
            let mut expected: Vec<HeldLine<'_>> = ordered.iter().map(|one| line(*one, &text, &message)).collect();
            expected.iter().for_each(|line| line.push(&mut rows, by).unwrap());
            let trace_id = |line: &HeldLine<'_>| line.link.filter(|_| by_trace).map_or([0; 16], |link| link.ids.0);
            expected.sort_by_key(|line| (trace_id(line), line.order, line.source, line.number));
            let rows = rows.finish().unwrap();
            let mut rows = rows.read().unwrap();
            for expected in expected {
                let row = rows.next().unwrap().unwrap();
                prop_assert_eq!(trace_id_of(row), Some(trace_id(&expected)));
                let got = HeldLine::of(row).unwrap();
                prop_assert_eq!(format!("{got:?}"), format!("{expected:?}"));
            }
            prop_assert!(rows.next().unwrap().is_none());
        }
    }
}
