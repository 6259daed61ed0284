//! The spans of a request in protobuf: walked through where they stand, changed or left out.
//!
//! In goes a request that was checked, out come its spans with the resources and scopes that they are in, and what of
//! them is to be changed ([`Splice`]). Nothing is copied or decoded here.

use super::read::{Fields, Value};
use super::splice::Splice;

/// A span within its request.
#[derive(Debug, Clone, Copy)]
pub struct SpanAt<'r> {
    /// The `ResourceSpans` it is in.
    pub group: &'r [u8],
    /// The `ScopeSpans` it is in.
    pub scope: &'r [u8],
    /// The span.
    pub span: &'r [u8],
    /// Where it begins in the request.
    pub start: usize,
}

/// Whether a span stays in its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// It does.
    Yes,
    /// It is left out, and so are scope and resource if nothing is left in them.
    No,
}

/// What tells spans apart, and when they were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Head<'s> {
    /// Trace id; zero, if it has another length.
    pub trace_id: [u8; 16],
    /// Whether the trace id has its length.
    pub has_trace_id: bool,
    /// Span id, if it has its length.
    pub span_id: Option<[u8; 8]>,
    /// The parent's id, if it has its length.
    pub parent_id: Option<[u8; 8]>,
    /// Its name.
    pub name: &'s [u8],
    /// ns since the epoch.
    pub start: u64,
    /// ns since the epoch.
    pub end: u64,
}

impl<'s> Head<'s> {
    /// Reads a span.
    pub fn of(span: &'s [u8]) -> Head<'s> {
        let mut head = Head::default();
        for field in Fields::of(span) {
            match field {
                (1, Value::Bytes(id)) => {
                    head.has_trace_id = id.len() == 16;
                    head.trace_id = id.try_into().unwrap_or_default();
                }
                (2, Value::Bytes(id)) => head.span_id = id.try_into().ok(),
                (4, Value::Bytes(id)) => head.parent_id = id.try_into().ok(),
                (5, Value::Bytes(name)) => head.name = name,
                (7, Value::Fixed64(time)) => head.start = time,
                (8, Value::Fixed64(time)) => head.end = time,
                _ => {}
            }
        }
        head
    }

    /// Trace and span, if both ids have their lengths.
    pub fn ids(&self) -> Option<([u8; 16], [u8; 8])> {
        Some((self.trace_id, self.span_id.filter(|_| self.has_trace_id)?))
    }
}

/// Trace and span id of a span, if both have their lengths.
pub fn ids_of(span: &[u8]) -> Option<([u8; 16], [u8; 8])> {
    let (mut trace_id, mut span_id) = (None, None);
    for field in Fields::of(span) {
        match field {
            (1, Value::Bytes(id)) => trace_id = id.try_into().ok(),
            (2, Value::Bytes(id)) => span_id = id.try_into().ok(),
            // They stand first, where fields are in order.
            (3.., _) if trace_id.is_some() && span_id.is_some() => break,
            _ => {}
        }
    }
    trace_id.zip(span_id)
}

/// The messages, texts or bytes in the fields of a number.
#[inline]
pub fn within(message: &[u8], wanted: u32) -> impl Iterator<Item = &[u8]> {
    Fields::of(message).filter_map(move |(number, value)| match value {
        Value::Bytes(bytes) if number == wanted => Some(bytes),
        _ => None,
    })
}

/// An attribute's key and value; of several values the last one counts. The value is a field of `AnyValue`.
#[inline]
pub fn attribute(key_value: &[u8]) -> (&[u8], Option<(u32, Value<'_>)>) {
    match key_and_value(key_value) {
        Some((key, [0x0a, length, text @ ..])) if usize::from(*length) == text.len() => {
            (key, Some((1, Value::Bytes(text))))
        }
        Some((key, value)) => (key, Fields::of(value).last()),
        None => any_attribute(key_value),
    }
}

/// key-value = %x0A length key %x12 length value    ; each length in one byte
///
/// As most attributes are written. Whatever else they may be is not of this form.
#[inline(always)]
fn key_and_value(key_value: &[u8]) -> Option<(&[u8], &[u8])> {
    let [0x0a, length @ 0..0x80, rest @ ..] = key_value else { return None };
    let (key, rest) = rest.split_at_checked(usize::from(*length))?;
    let [0x12, length @ 0..0x80, value @ ..] = rest else { return None };
    (usize::from(*length) == value.len()).then_some((key, value))
}

fn any_attribute(key_value: &[u8]) -> (&[u8], Option<(u32, Value<'_>)>) {
    let (mut key, mut any) = (&[][..], None);
    for field in Fields::of(key_value) {
        match field {
            (1, Value::Bytes(bytes)) => key = bytes,
            (2, Value::Bytes(bytes)) => any = Fields::of(bytes).last().or(any),
            _ => {}
        }
    }
    (key, any)
}

/// The text of an attribute's value, if it is text.
#[inline]
pub fn text(any: Option<(u32, Value<'_>)>) -> Option<&str> {
    std::str::from_utf8(text_bytes(any)?).ok()
}

/// The same, not looked at whether it is UTF-8.
#[inline]
pub fn text_bytes(any: Option<(u32, Value<'_>)>) -> Option<&[u8]> {
    match any? {
        (1, Value::Bytes(bytes)) => Some(bytes),
        _ => None,
    }
}

/// Name of the scope of a `ScopeSpans`.
pub fn scope_name(scope_spans: &[u8]) -> &[u8] {
    within(scope_spans, 1).flat_map(|scope| within(scope, 1)).last().unwrap_or_default()
}

/// Calls for each span of a request.
pub fn each(request: &[u8], mut each: impl FnMut(SpanAt<'_>)) {
    for group in within(request, 1) {
        for scope in within(group, 2) {
            within(scope, 2).for_each(|span| each(SpanAt { group, scope, span, start: offset(request, span) }));
        }
    }
}

/// Calls for each span of a request, which may be changed in the splice (from its start to its end) or be left out; with
/// `prune`, so is what holds no span. Returns how many spans are left.
pub fn edit(
    request: &[u8],
    splice: &mut Splice,
    prune: bool,
    mut each: impl FnMut(&mut Splice, SpanAt<'_>) -> Keep,
) -> usize {
    let mut left = 0;
    let mut spans_of = |splice: &mut Splice, group: &[u8], scope: &[u8]| {
        let mut left = 0;
        edit_within(request, scope, 2, splice, &mut |splice, span| {
            let keep = each(splice, SpanAt { group, scope, span, start: offset(request, span) });
            left += usize::from(keep == Keep::Yes);
            keep
        });
        left
    };
    let kept = |count: usize| if prune && count == 0 { Keep::No } else { Keep::Yes };
    edit_within(request, request, 1, splice, &mut |splice, group| {
        let mut scopes = 0;
        edit_within(request, group, 2, splice, &mut |splice, scope| {
            let spans = spans_of(splice, group, scope);
            left += spans;
            scopes += usize::from(kept(spans) == Keep::Yes);
            kept(spans)
        });
        kept(scopes)
    });
    left
}

/// Calls for each message of a number within a message of the request.
fn edit_within(
    request: &[u8],
    message: &[u8],
    wanted: u32,
    splice: &mut Splice,
    each: &mut dyn FnMut(&mut Splice, &[u8]) -> Keep,
) {
    let base = offset(request, message);
    let (mut fields, mut start) = (Fields::of(message), 0);
    while let Some((number, value)) = fields.next() {
        let end = fields.at();
        if let Value::Bytes(inner) = value
            && number == wanted
        {
            let open = splice.open(base + start..base + end, inner.len());
            match each(splice, inner) {
                Keep::Yes => {
                    let tag_length = message[start..].iter().take_while(|byte| **byte >= 0x80).count() + 1;
                    splice.close(open, tag_length);
                }
                Keep::No => splice.leave_out(open),
            }
        }
        start = end;
    }
}

/// Where a part of the request begins in it.
fn offset(request: &[u8], part: &[u8]) -> usize {
    part.as_ptr().addr() - request.as_ptr().addr()
}
