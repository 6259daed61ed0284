//! Why a line is linked as it is, for programs: one JSON object a line.
//!
//! In goes a [`LineStory`], out comes `{file, line, lines, time, severity_number, format, source, body, fields, outcome,
//! reason, why, link, no_span, kind, candidates, candidates_left_out}`, as the README says. Nothing is decided here.

use serde_json::{Value, json};

use super::story::LineStory;
use crate::correlate::explanation::Candidate;
use crate::export::fields::ratio;
use crate::export::spell;
use crate::record::Link;

/// Writes the object and a line feed.
pub(super) fn write(out: &mut Vec<u8>, story: &LineStory, min_confidence: f32) {
    let explanation = &story.explanation;
    let reason = explanation.reason_at(min_confidence);
    let time = story.time.map(|time| {
        let mut text = Vec::new();
        spell::rfc3339(&mut text, time, 9);
        lossy(&text)
    });
    let kind = explanation.kind.map(
        |kind| json!({"lines": kind.lines, "without_span": ratio(kind.without_span), "of_request": kind.of_request}),
    );
    let value = json!({
        "file": story.file,
        "line": story.position.line,
        "lines": story.position.lines,
        "time": time,
        "severity_number": story.severity.0,
        "format": story.format,
        "source": story.source,
        "site": lossy(story.fields.site()),
        "body": lossy(&story.message),
        "outcome": if reason.is_none() && explanation.link.is_some() { "linked" } else { "not_linked" },
        "reason": reason.map(|reason| reason.name()),
        "why": reason.map(|reason| reason.reason()),
        "link": explanation.link.as_ref().map(link),
        "no_span": explanation.no_span.map(ratio),
        "kind": kind,
        "candidates": explanation.candidates.iter().map(candidate).collect::<Vec<_>>(),
        "candidates_left_out": explanation.left_out,
    });
    // As `convert` spells them: numbers as they stood.
    out.extend_from_slice(b"{\"fields\":");
    out.extend_from_slice(if story.attributes.is_empty() { b"{}" } else { &story.attributes });
    out.push(b',');
    out.extend_from_slice(value.to_string().trim_start_matches('{').as_bytes());
    out.push(b'\n');
}

fn link(link: &Link) -> Value {
    json!({
        "trace_id": hex(&link.trace_id),
        "span_id": (link.span_id != [0; 8]).then(|| hex(&link.span_id)),
        "method": link.method.name(),
        "confidence": link.confidence.map(ratio),
        "relation": link.relation.name(),
        "verified": link.verified,
    })
}

fn candidate(candidate: &Candidate) -> Value {
    let evidence = candidate.evidence.iter().map(|factor| {
        let weight = (f64::from(factor.weight) * 100.0).round() / 100.0;
        json!({"name": factor.name, "what": factor.what, "weight": weight})
    });
    json!({
        "trace_id": hex(&candidate.trace_id),
        "span_id": hex(&candidate.span_id),
        "name": candidate.name,
        "service": candidate.service,
        "since_start_ns": candidate.since_start,
        "until_end_ns": candidate.until_end,
        "probability": ratio(candidate.probability),
        "chosen": candidate.is_chosen,
        "evidence": evidence.collect::<Vec<_>>(),
    })
}

fn hex(id: &[u8]) -> String {
    let mut text = Vec::new();
    spell::hex(&mut text, id);
    lossy(&text)
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}
