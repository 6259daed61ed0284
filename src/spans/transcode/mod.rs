//! Traces as other tools write them → OTLP.
//!
//! In go JSON values: traces and spans of Jaeger and Zipkin, answers of Tempo and of Jaeger's api_v3, OTLP requests, and
//! lists of these. Out come the bytes of one request with all that they say. No other module knows the formats.
//! Where a value ends is `documents`' to know.

mod cursor;
mod grouped;
mod jaeger;
pub(super) mod json;
mod model;
mod number;
mod values;
mod why_not;
mod zipkin;

use super::json_scan::ValueScan;
use super::trace_format::Outline;
use crate::otlp::wire::write::Buffer;
use grouped::Grouped;

/// Lists within lists beyond this are no traces.
const DEPTH_MAX: u32 = 4;
/// Of a message about keys that are not known.
const KEYS_SHOWN: usize = 6;

/// One OTLP request of traces, from JSON; the error says what is wrong with it. Fields that are not known are left out.
pub fn otlp_request(json: &[u8]) -> Result<Vec<u8>, String> {
    let mut request = Buffer::default();
    json::request(json.trim_ascii(), &mut request)?;
    Ok(request.into_written())
}

/// One OTLP request of logs, from JSON, likewise.
pub fn otlp_logs_request(json: &[u8]) -> Result<Vec<u8>, String> {
    let mut request = Buffer::default();
    json::logs_request(json.trim_ascii(), &mut request)?;
    Ok(request.into_written())
}

/// Gathers what values hold.
#[derive(Default)]
pub(super) struct Transcoder {
    /// What came as OTLP.
    request: Buffer,
    grouped: Grouped,
    zipkin: Vec<zipkin::Span>,
}

impl Transcoder {
    /// Takes one value; the error says why nothing of it could be taken.
    pub(super) fn value(&mut self, text: &[u8]) -> Result<(), String> {
        self.value_within(text.trim_ascii(), DEPTH_MAX)
    }

    /// The bytes of all that was taken, spans of one resource together.
    pub(super) fn finish(mut self) -> Buffer {
        zipkin::take(self.zipkin, &mut self.grouped);
        self.grouped.write(&mut self.request);
        self.request
    }

    fn value_within(&mut self, text: &[u8], depth: u32) -> Result<(), String> {
        if text.starts_with(b"[") && depth > 0 {
            let mut result = Ok(());
            for element in elements(text) {
                result = result.and(self.value_within(element, depth - 1));
            }
            return result;
        }
        let outline = Outline::of(text);
        let has = |names: &[&str]| names.iter().any(|name| outline.has(name));
        let spoiled = |error: serde_json::Error| error.to_string();
        if has(&["resourceSpans", "resource_spans", "batches", "result", "trace"]) {
            json::request(text, &mut self.request)?;
        } else if has(&["scopeSpans", "scope_spans", "instrumentationLibrarySpans", "resource"]) {
            json::resource_spans(text, &mut self.request)?;
        } else if let Some(traces) = outline.value("data").filter(|value| value.starts_with(b"[")) {
            return self.value_within(elements_of(traces), depth.saturating_sub(1));
        } else if has(&["spans", "processes"]) {
            serde_json::from_slice::<jaeger::Trace>(text).map_err(spoiled)?.take(&mut self.grouped);
        } else if has(&["operationName"]) {
            let span = serde_json::from_slice(text).map_err(spoiled)?;
            jaeger::Trace::of_span(span).take(&mut self.grouped);
        } else if has(&["binaryAnnotations"]) {
            return Err("spans of Zipkin's first version are not read: ask it for /api/v2".to_owned());
        } else if has(&["traceId"]) && has(&["id"]) {
            self.zipkin.push(serde_json::from_slice(text).map_err(spoiled)?);
        } else if !outline.keys.is_empty() {
            let keys: Vec<_> = outline.keys.iter().take(KEYS_SHOWN).map(|(key, _)| *key).collect();
            return Err(format!("its keys ({}) are those of no trace", keys.join(", ")));
        } else if text != b"{}" {
            return Err("it is no JSON object".to_owned());
        }
        Ok(())
    }
}

/// The list that begins here, without what follows it.
fn elements_of(text: &[u8]) -> &[u8] {
    &text[..ValueScan::default().take(text).0]
}

/// The elements of a list.
fn elements(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = list.get(1..).unwrap_or_default();
    std::iter::from_fn(move || {
        rest = rest.trim_ascii_start();
        rest = rest.strip_prefix(b",").unwrap_or(rest).trim_ascii_start();
        if matches!(rest.first(), None | Some(b']')) {
            return None;
        }
        let (length, _) = ValueScan::default().take(rest);
        // A stray bracket: what follows it is no list any more.
        let (element, after) = rest.split_at(length.max(1));
        rest = after;
        Some(element)
    })
}

#[cfg(test)]
mod tests;
