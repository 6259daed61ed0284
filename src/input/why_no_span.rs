//! What a file of traces is that no span could be taken from, in words.
//!
//! In go the file and what was counted in it, out comes the end of a sentence that begins with its name.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::content;
use super::sniff;
use crate::setting::Setting;
use crate::spans::scan::FactCounts;
use crate::spans::telemetry::Telemetry;
use crate::spans::trace_format::TraceFormat;
use crate::unpack::unpacked;

/// What a file is that no span could be taken from.
pub(crate) fn why_no_span(path: &Path, counts: &FactCounts, problem: Option<&str>) -> String {
    match counts {
        FactCounts { own: 1.., .. } => return "holds only spans that spanline itself made".to_owned(),
        FactCounts { invalid, .. } if *invalid > 0 => {
            return format!("holds no span: {invalid} without valid ids or times");
        }
        _ => {}
    }
    let mut head = Vec::new();
    let read = File::open(path).and_then(unpacked);
    let _ = read.and_then(|input| input.take(sniff::SNIFF_BYTES as u64).read_to_end(&mut head));
    let is_json = || matches!(head.trim_ascii_start().first(), Some(b'{' | b'['));
    let kind = TraceFormat::of(&head);
    if kind != TraceFormat::Unknown && kind != TraceFormat::OtlpJson {
        return format!("is {kind}: {}", problem.unwrap_or("no span was found in it"));
    }
    let what = match Telemetry::of(&head) {
        Some(Telemetry::OtlpTraces) if kind == TraceFormat::Unknown => {
            return "is JSON of a kind that is not known: its spans stand within something else".to_owned();
        }
        Some(Telemetry::OtlpTraces) => {
            return problem.map_or_else(|| "holds no span".to_owned(), |problem| format!("holds no span: {problem}"));
        }
        Some(kind) => return format!("is {}: no span was found in it", kind.description()),
        None if head.trim_ascii().is_empty() => "is empty",
        None => match content::magic(&head).or_else(|| content::own_output(&head)) {
            Some(what) if what.contains("archive within") => {
                "is an archive: unpack it, and give the folder of its traces"
            }
            Some(what) => return format!("is {what}, no traces"),
            None if sniff::times(&head).any() => {
                return format!("is a plain log, no traces: give it as a path, without {}", Setting::Traces);
            }
            None if content::is_binary(&head) => "is binary, of a kind that is not known",
            None if is_json() => "is JSON of a kind that is not known, no traces",
            None => "is plain text, no traces",
        },
    };
    what.to_owned()
}
