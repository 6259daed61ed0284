//! Whether an answer acknowledges a request.
//!
//! In go the bytes of an answer with its content type and encoding, out comes what was accepted, or why this is no answer of
//! OTLP. An empty body acknowledges, and one that decodes by its content type; a web page with status 200 does not.

use std::borrow::Cow;
use std::io::Read;

use http::{HeaderMap, header};
use serde_json::Value;

use super::message::printable;
use super::outcome::Accepted;
use super::wire::read::{self, Fields};

/// OTLP's limit for a response, as it comes and decompressed.
pub(super) const RESPONSE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Words of an answer that are shown.
const EXCERPT_BYTES: usize = 60;

/// Why an answer is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoAnswer {
    /// Beyond [`RESPONSE_BYTES_MAX`], or another limit.
    #[error("the answer is larger than {0} bytes, which is not read")]
    TooLarge(usize),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// What an answer over HTTP accepts.
pub(super) fn of_http(headers: &HeaderMap, body: &[u8]) -> Result<Accepted, NoAnswer> {
    let body = decoded(body, encoding_of(headers, "content-encoding"), RESPONSE_BYTES_MAX)?;
    let kind = kind_of(headers);
    match kind.as_str() {
        "application/x-protobuf" | "application/protobuf" | "application/vnd.google.protobuf" => of_protobuf(&body),
        _ if kind == "application/json" || kind.ends_with("+json") => of_json(&body),
        "" | "application/octet-stream" => of_protobuf(&body).or_else(|_| of_json(&body)),
        _ if body.trim_ascii().is_empty() => Ok(Accepted::default()),
        "text/html" | "application/xhtml+xml" => Err(NoAnswer::Other(format!(
            "answered with a web page{}, which is not how OTLP is answered: check host, port and path",
            excerpt(&body)
        ))),
        _ => Err(NoAnswer::Other(format!(
            "answered with {}{}, which is not how OTLP is answered: check host, port and path",
            printable(&kind),
            excerpt(&body)
        ))),
    }
}

/// Reads `ExportLogsServiceResponse` or `ExportTraceServiceResponse`, which are alike on the wire. Fields that are not known
/// do no harm.
pub(super) fn of_protobuf(body: &[u8]) -> Result<Accepted, NoAnswer> {
    partial_success(body).map_err(|error| {
        let words = excerpt(body);
        NoAnswer::Other(format!("the answer{words} does not decode as OTLP's ({error}): check host, port and path"))
    })
}

/// response = { partial_success = 1 }; partial_success = { rejected = 1, error_message = 2 }
fn partial_success(body: &[u8]) -> Result<Accepted, &'static str> {
    const WRONG_TYPE: &str = "invalid wire type";
    const NO_FIELD: &str = "a field is no field, or goes on beyond the message's end";
    let mut accepted = Accepted::default();
    let mut fields = Fields::of(body);
    for (_, value) in fields.by_ref().filter(|(number, _)| *number == 1) {
        let read::Value::Bytes(partial) = value else { return Err(WRONG_TYPE) };
        let mut fields = Fields::of(partial);
        for field in fields.by_ref() {
            match field {
                // A negative count is nonsense.
                (1, read::Value::Varint(count)) => {
                    accepted.rejected = i64::try_from(count).map_or(0, i64::unsigned_abs)
                }
                (2, read::Value::Bytes(text)) => {
                    let text = std::str::from_utf8(text).map_err(|_| "a message that is no text")?;
                    accepted.message = printable(text);
                }
                (1 | 2, _) => return Err(WRONG_TYPE),
                _ => {}
            }
        }
        if fields.at() < partial.len() {
            return Err(NO_FIELD);
        }
    }
    if fields.at() < body.len() { Err(NO_FIELD) } else { Ok(accepted) }
}

/// The same in JSON: an object with nothing but `partialSuccess`, whose numbers may be strings.
fn of_json(body: &[u8]) -> Result<Accepted, NoAnswer> {
    let no_answer = || {
        let words = excerpt(body);
        NoAnswer::Other(format!("answered with JSON{words} that is not OTLP's: check host, port and path"))
    };
    if body.trim_ascii().is_empty() {
        return Ok(Accepted::default());
    }
    let Ok(Value::Object(response)) = serde_json::from_slice(body) else { return Err(no_answer()) };
    let mut accepted = Accepted::default();
    for (key, value) in &response {
        match (key.as_str(), value) {
            ("partialSuccess" | "partial_success", Value::Null) => {}
            ("partialSuccess" | "partial_success", Value::Object(partial)) => {
                accepted = partial_json(partial).ok_or_else(no_answer)?;
            }
            _ => return Err(no_answer()),
        }
    }
    Ok(accepted)
}

fn partial_json(partial: &serde_json::Map<String, Value>) -> Option<Accepted> {
    let mut accepted = Accepted::default();
    for (key, value) in partial.iter().filter(|(_, value)| !value.is_null()) {
        match key.as_str() {
            "rejectedLogRecords"
            | "rejectedSpans"
            | "rejectedDataPoints"
            | "rejectedProfiles"
            | "rejected_log_records"
            | "rejected_spans"
            | "rejected_data_points"
            | "rejected_profiles" => {
                let number = value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())?;
                accepted.rejected = u64::try_from(number).unwrap_or(0);
            }
            "errorMessage" | "error_message" => accepted.message = printable(value.as_str()?),
            _ => {}
        }
    }
    Some(accepted)
}

/// The media type in lower case, without parameters; empty where there is none.
pub(super) fn kind_of(headers: &HeaderMap) -> String {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The value of `content-encoding` or `grpc-encoding`.
pub(super) fn encoding_of<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).map_or("", |encoding| encoding.to_str().unwrap_or("of an unreadable name"))
}

/// The bytes with their encodings undone, the last one first; up to a limit.
pub(super) fn decoded<'b>(body: &'b [u8], encodings: &str, bytes_max: usize) -> Result<Cow<'b, [u8]>, NoAnswer> {
    let mut body = Cow::Borrowed(body);
    if body.len() > bytes_max {
        return Err(NoAnswer::TooLarge(bytes_max));
    }
    if body.is_empty() {
        return Ok(body);
    }
    for encoding in encodings.rsplit(',').map(str::trim).filter(|encoding| !encoding.is_empty()) {
        let plain = match encoding.to_ascii_lowercase().as_str() {
            "identity" => continue,
            "gzip" | "x-gzip" => up_to(flate2::read::MultiGzDecoder::new(&*body), bytes_max),
            // HTTP's deflate is zlib's format; some send the bare one.
            "deflate" if is_zlib(&body) => up_to(flate2::read::ZlibDecoder::new(&*body), bytes_max),
            "deflate" => up_to(flate2::read::DeflateDecoder::new(&*body), bytes_max),
            "zstd" => zstd::stream::read::Decoder::with_buffer(&*body).and_then(|decoder| up_to(decoder, bytes_max)),
            other => {
                let other = printable(other);
                let reason =
                    format!("the answer is encoded as {other}, which is not read: let it answer in gzip or none");
                return Err(NoAnswer::Other(reason));
            }
        };
        let plain =
            plain.map_err(|error| NoAnswer::Other(format!("the answer is not {encoding} as it says: {error}")))?;
        if plain.len() > bytes_max {
            return Err(NoAnswer::TooLarge(bytes_max));
        }
        body = Cow::Owned(plain);
    }
    Ok(body)
}

/// One byte more than the limit where there are more.
fn up_to(reader: impl Read, bytes_max: usize) -> std::io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    reader.take(bytes_max as u64 + 1).read_to_end(&mut plain)?;
    Ok(plain)
}

/// Deflate with a window, and a checksum of these two bytes (RFC 1950 §2.2).
fn is_zlib(body: &[u8]) -> bool {
    matches!(body, [method, flags, ..] if method & 15 == 8 && (u16::from(*method) << 8 | u16::from(*flags)).is_multiple_of(31))
}

/// The first words of an answer, if they are text.
fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(EXCERPT_BYTES)]);
    let text = printable(text.trim_end_matches('\u{fffd}'));
    if text.is_empty() || text.contains('\u{fffd}') { String::new() } else { format!(" (“{text}”)") }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use http::HeaderValue;
    use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceResponse};
    use proptest::prelude::*;
    use prost::Message;

    use super::*;

    fn headers(kind: &str, encoding: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in [("content-type", kind), ("content-encoding", encoding)] {
            if !value.is_empty() {
                headers.insert(name, HeaderValue::from_str(value).unwrap());
            }
        }
        headers
    }

    fn partial() -> Vec<u8> {
        let partial = ExportLogsPartialSuccess { rejected_log_records: 3, error_message: "old".into() };
        ExportLogsServiceResponse { partial_success: Some(partial) }.encode_to_vec()
    }

    fn accepts(kind: &str, body: &[u8]) -> bool {
        of_http(&headers(kind, ""), body).is_ok()
    }

    const PROTOBUF: &str = "application/x-protobuf";
    const JSON: &str = "application/json; charset=utf-8";

    #[test]
    fn an_answer_is_empty_or_decodes_by_its_content_type() {
        for kind in [PROTOBUF, JSON, "", "text/plain", "text/html"] {
            assert!(accepts(kind, b""), "{kind}");
        }
        assert!(accepts(PROTOBUF, &partial()) && accepts("", &partial()));
        // A field that is not known.
        assert!(accepts(PROTOBUF, &[&partial()[..], b"\x7a\x01x"].concat()));
        for json in ["{}", " {}\n", r#"{"partialSuccess":{}}"#, r#"{"partialSuccess":null}"#] {
            assert!(accepts(JSON, json.as_bytes()) && accepts("", json.as_bytes()), "{json}");
        }
        for (kind, body) in [
            ("text/html", &b"<html><body>Welcome</body></html>"[..]),
            ("text/plain", b"ok"),
            ("", b"<html>"),
            ("", b"ok"),
            (PROTOBUF, b"<html>"),
            (PROTOBUF, b"{}"),
            (PROTOBUF, &partial()[..5]),
            (PROTOBUF, b"\x08\x01"),
            (JSON, b"{"),
            (JSON, b"[]"),
            (JSON, b"null"),
            (JSON, br#"{"status":"ok"}"#),
            (JSON, br#"{"error":"no such index"}"#),
            (JSON, br#"{"partialSuccess":{"rejectedSpans":"many"}}"#),
            (JSON, b"<html>"),
            ("image/png", b"\x89PNG"),
        ] {
            assert!(!accepts(kind, body), "{kind} {}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn a_partial_success_is_read_in_every_form_and_encoding() {
        let expected = Accepted { rejected: 3, message: "old".into() };
        let json = br#"{"partialSuccess":{"rejectedLogRecords":"3","errorMessage":"old"}}"#;
        for (kind, body) in [(PROTOBUF, partial()), (JSON, json.to_vec())] {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(&body).unwrap();
            let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
            zlib.write_all(&body).unwrap();
            let mut bare = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
            bare.write_all(&body).unwrap();
            let gzip = gzip.finish().unwrap();
            for (encoding, encoded) in [
                ("", body.clone()),
                ("identity", body.clone()),
                ("gzip", gzip.clone()),
                ("GZIP", gzip.clone()),
                ("deflate", zlib.finish().unwrap()),
                ("deflate", bare.finish().unwrap()),
                ("zstd", zstd::encode_all(&*body, 1).unwrap()),
                ("gzip, zstd", zstd::encode_all(&*gzip, 1).unwrap()),
            ] {
                assert_eq!(of_http(&headers(kind, encoding), &encoded), Ok(expected.clone()), "{kind} {encoding}");
            }
            for encoding in ["br", "gzip", "zstd", "compress"] {
                assert!(of_http(&headers(kind, encoding), &body).is_err(), "{encoding}");
            }
            assert!(of_http(&headers(kind, "gzip"), &gzip[..gzip.len() - 6]).is_err());
        }
    }

    #[test]
    fn a_small_answer_that_decompresses_to_a_large_one_is_refused() {
        let large = zstd::encode_all(std::io::repeat(0).take(1 << 30), 1).unwrap();
        assert!(large.len() < 1 << 20);
        let refused = of_http(&headers(PROTOBUF, "zstd"), &large);
        assert_eq!(refused, Err(NoAnswer::TooLarge(RESPONSE_BYTES_MAX)));
    }

    #[test]
    fn the_content_type_may_be_one_of_several_names() {
        for kind in [
            "application/protobuf",
            "application/vnd.google.protobuf",
            "Application/X-Protobuf",
            "application/octet-stream",
        ] {
            assert_eq!(of_http(&headers(kind, ""), &partial()).unwrap().rejected, 3, "{kind}");
        }
        let json = br#"{"partialSuccess":{"rejectedSpans":3}}"#;
        for kind in ["application/json", "application/problem+json", "application/octet-stream", ""] {
            assert_eq!(of_http(&headers(kind, ""), json).unwrap().rejected, 3, "{kind}");
        }
        assert!(accepts("text/html", b" \r\n"));
    }

    #[test]
    fn a_partial_success_in_json_is_read_by_each_name_of_its_fields() {
        for (outer, count, message) in [
            ("partialSuccess", "rejectedLogRecords", "errorMessage"),
            ("partialSuccess", "rejectedSpans", "errorMessage"),
            ("partial_success", "rejected_log_records", "error_message"),
            ("partial_success", "rejected_spans", "error_message"),
        ] {
            for number in ["3", "\"3\"", "\" 3 \""] {
                let json = format!(r#"{{"{outer}":{{"{count}":{number},"{message}":"old","more":null,"other":1}}}}"#);
                let expected = Accepted { rejected: 3, message: "old".into() };
                assert_eq!(of_http(&headers(JSON, ""), json.as_bytes()), Ok(expected), "{json}");
            }
            let null = format!(r#"{{"{outer}":{{"{count}":null,"{message}":null}}}}"#);
            assert_eq!(of_http(&headers(JSON, ""), null.as_bytes()), Ok(Accepted::default()), "{null}");
            let none = format!(r#"{{"{outer}":null}}"#);
            assert_eq!(of_http(&headers(JSON, ""), none.as_bytes()), Ok(Accepted::default()), "{none}");
        }
    }

    #[test]
    fn a_negative_count_rejects_nothing() {
        let partial = ExportLogsPartialSuccess { rejected_log_records: -3, error_message: String::new() };
        let negative = ExportLogsServiceResponse { partial_success: Some(partial) }.encode_to_vec();
        assert_eq!(of_http(&headers(PROTOBUF, ""), &negative).unwrap().rejected, 0);
        assert_eq!(of_http(&headers(JSON, ""), br#"{"partialSuccess":{"rejectedSpans":-3}}"#).unwrap().rejected, 0);
    }

    #[test]
    fn an_answer_may_be_as_long_as_the_limit_and_no_longer() {
        let gzip = |bytes: &[u8]| {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(bytes).unwrap();
            gzip.finish().unwrap()
        };
        for (encoding, encoded) in [("", vec![7; 100]), ("x-gzip", gzip(&[7; 100]))] {
            assert_eq!(decoded(&encoded, encoding, 100).as_deref(), Ok(&[7; 100][..]), "{encoding}");
        }
        for (encoding, encoded) in [("", vec![7; 101]), ("gzip", gzip(&[7; 101]))] {
            assert_eq!(decoded(&encoded, encoding, 100), Err(NoAnswer::TooLarge(100)), "{encoding}");
        }
        // Nothing is nothing, however it is encoded.
        assert_eq!(decoded(b"", "br", 100).as_deref(), Ok(&b""[..]));
        assert_eq!(decoded(b"", "gzip", 100).as_deref(), Ok(&b""[..]));
    }

    #[test]
    fn bare_deflate_may_begin_as_zlib_does_but_for_the_checksum() {
        // A stored block of five bytes, with a bit of its padding set, and an empty last one.
        let bare = b"\x08\x05\x00\xfa\xffhello\x01\x00\x00\xff\xff";
        assert_eq!(decoded(bare, "deflate", 100).as_deref(), Ok(&b"hello"[..]));
    }

    #[test]
    fn the_first_words_of_what_is_no_answer_are_shown() {
        let words = "0123456789".repeat(7);
        let said = of_http(&headers("text/plain", ""), words.as_bytes()).unwrap_err().to_string();
        assert!(said.contains(&format!("text/plain (“{}”)", &words[..EXCERPT_BYTES])), "{said}");
        assert!(!of_http(&headers("image/png", ""), b"\x89PNG").unwrap_err().to_string().contains('“'));
    }

    proptest! {
        #[test]
        fn never_panics(body: Vec<u8>, encoding in "gzip|deflate|zstd|", kind in "application/(json|x-protobuf)|") {
            let _ = of_http(&headers(&kind, &encoding), &body);
        }
    }
}
