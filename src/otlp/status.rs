//! What an endpoint's answer means: accepted, try again, too large, no such service, refused for good.
//!
//! In go codes, headers and bodies of gRPC and HTTP, out come [`Accepted`] or a [`SendError`] with its [`Class`]. The
//! table is OTLP's (<https://opentelemetry.io/docs/specs/otlp/>, "Failures"), with what receivers really answer in addition to
//! it. When to try again is decided elsewhere.

use std::time::Duration;

use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::{HeaderMap, StatusCode, header};

use super::address;
use super::answer::{self, NoAnswer, RESPONSE_BYTES_MAX};
use super::message::{is_about_compression, is_about_size};
use super::outcome::{Accepted, Class, Code, SendError};
use super::percent::percent_decoded;
use super::wire::read::Fields;

const UNKNOWN: u32 = 2;
const INVALID_ARGUMENT: u32 = 3;
const PERMISSION_DENIED: u32 = 7;
const RESOURCE_EXHAUSTED: u32 = 8;
const UNIMPLEMENTED: u32 = 12;
const INTERNAL: u32 = 13;
const UNAUTHENTICATED: u32 = 16;

/// An answer that does not acknowledge. One that is no answer of OTLP comes from something else than was meant; a large one
/// is what is meant, and not read.
pub(super) fn no_answer(code: Code, reason: &NoAnswer) -> SendError {
    let class = match reason {
        NoAnswer::TooLarge(_) => Class::Permanent,
        NoAnswer::Other(_) => Class::Misconfigured,
    };
    SendError::new(class, code, reason.to_string())
}

/// The outcome of a gRPC call from the headers or trailers that hold `grpc-status`.
pub(super) fn of_grpc(trailers: &HeaderMap) -> Result<(), SendError> {
    let text = |name| trailers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    let code = text("grpc-status").and_then(|code| code.parse().ok()).unwrap_or(UNKNOWN);
    if code == 0 {
        return Ok(());
    }
    let message = percent_decoded(text("grpc-message").unwrap_or_default());
    let message = String::from_utf8_lossy(&message).into_owned();
    let details = text("grpc-status-details-bin").and_then(|details| BASE64.decode(details.trim()).ok());
    let after = details.and_then(|details| Status::read(&details).retry_after);
    Err(SendError::new(grpc_class(code, &message, after), Code::Grpc(code), message))
}

/// Padding is optional in gRPC's binary headers.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

fn grpc_class(code: u32, message: &str, after: Option<Duration>) -> Class {
    match code {
        PERMISSION_DENIED | UNAUTHENTICATED => Class::Permanent,
        // Whatever the code, a size is a size: tonic says OUT_OF_RANGE, Java INTERNAL, grpc-go RESOURCE_EXHAUSTED; and what
        // stands before a server passes its words on under a code of its own.
        _ if after.is_none() && is_about_size(message) => Class::TooLarge,
        // grpc-go answers UNIMPLEMENTED to a compression that it lacks, others one of these.
        UNKNOWN | INVALID_ARGUMENT | UNIMPLEMENTED | INTERNAL if is_about_compression(message) => Class::Encoding,
        // CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS
        1 | 4 | 10 | 11 | 14 | 15 => Class::Retryable { after },
        RESOURCE_EXHAUSTED if after.is_some() => Class::Retryable { after },
        RESOURCE_EXHAUSTED => Class::Overloaded,
        UNIMPLEMENTED => Class::NotImplemented,
        // INTERNAL is how grpc-go answers to a message that cannot be unmarshalled.
        INVALID_ARGUMENT | INTERNAL => Class::BadData,
        _ => Class::Permanent,
    }
}

/// The outcome of a gRPC call that was answered by something that does not speak gRPC. What may be a proxy's for a moment, by
/// <https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md>, is tried again.
pub(super) fn of_not_grpc(status: StatusCode, headers: &HeaderMap, now: i64) -> SendError {
    let class = match status.as_u16() {
        429 | 502 | 503 | 504 => Class::Retryable { after: retry_after(headers, now) },
        401 | 403 => Class::Permanent,
        413 => Class::TooLarge,
        _ => Class::Misconfigured,
    };
    let kind = answer::kind_of(headers);
    let kind = if kind.is_empty() { "nothing" } else { &kind };
    SendError::new(class, Code::Http(status.as_u16()), format!("answered with {kind}, not by gRPC"))
}

/// The outcome of a POST over HTTP; `now` is in seconds since the epoch.
pub(super) fn of_http(status: StatusCode, headers: &HeaderMap, body: &[u8], now: i64) -> Result<Accepted, SendError> {
    let code = Code::Http(status.as_u16());
    if status.is_success() {
        return answer::of_http(headers, body).map_err(|reason| no_answer(code, &reason));
    }
    if let Some(location) = headers.get(header::LOCATION).filter(|_| status.is_redirection()) {
        let location = address::shown(&String::from_utf8_lossy(location.as_bytes()));
        return Err(SendError::new(Class::Misconfigured, code, format!("redirected to {location}; use that address")));
    }
    let body = answer::decoded(body, answer::encoding_of(headers, "content-encoding"), RESPONSE_BYTES_MAX);
    let (body, kind) = (body.unwrap_or_default(), answer::kind_of(headers));
    let said = match kind.as_str() {
        "application/x-protobuf" => Status::read(&body),
        "application/json" => Status::read_json(&body),
        _ => Status { message: String::from_utf8_lossy(&body).trim().to_owned(), retry_after: None },
    };
    let after = retry_after(headers, now).or(said.retry_after);
    let class = http_class(status.as_u16(), &said.message, after, kind == "text/html");
    let message = match class {
        Class::Misconfigured => misplaced(status, &kind, &said.message),
        _ => said.message,
    };
    Err(SendError::new(class, code, message))
}

fn http_class(status: u16, message: &str, after: Option<Duration>, is_page: bool) -> Class {
    match status {
        401 | 403 => Class::Permanent,
        413 => Class::TooLarge,
        // The Collector's receiver, and so Jaeger's, answers 400 where 413 is meant; others 429 or 500.
        _ if after.is_none() && is_about_size(message) => Class::TooLarge,
        429 | 502 | 503 | 504 => Class::Retryable { after },
        // A web server's page, or a place where nothing is posted to.
        400 | 404 | 406 | 410 | 415 | 501 if is_page => Class::Misconfigured,
        300..=399 | 405 | 407 | 426 => Class::Misconfigured,
        400 | 415 | 422 | 500 | 501 if is_about_compression(message) => Class::Encoding,
        415 => Class::Encoding,
        404 | 501 => Class::NotImplemented,
        400 | 422 => Class::BadData,
        _ => Class::Permanent,
    }
}

/// What to change where an answer says that nothing is posted to this place.
fn misplaced(status: StatusCode, kind: &str, message: &str) -> String {
    match status.as_u16() {
        407 => "the proxy asks for a user: write http_proxy=http://USER:PASSWORD@HOST:PORT".to_owned(),
        _ if kind == "text/html" => {
            "answered with a web page, which is no OTLP receiver: check host, port and path".to_owned()
        }
        _ => format!("{}: requests are not taken there: check host, port and path", message.trim_end_matches('.')),
    }
}

/// `Retry-After = delay-seconds / HTTP-date`
fn retry_after(headers: &HeaderMap, now: i64) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    // RFC 2822's dates cover HTTP's IMF-fixdate; the two obsolete forms are not written by anything that answers OTLP.
    let at = chrono::DateTime::parse_from_rfc2822(value).ok()?.timestamp();
    Some(Duration::from_secs(u64::try_from(at.saturating_sub(now)).unwrap_or(0)))
}

/// `google.rpc.Status { code = 1; message = 2; repeated Any details = 3 }`, as far as it is used.
#[derive(Debug, Default, PartialEq)]
struct Status {
    message: String,
    retry_after: Option<Duration>,
}

impl Status {
    fn read(bytes: &[u8]) -> Status {
        let mut status = Status::default();
        for (number, value) in Fields::of(bytes) {
            match number {
                2 => status.message = String::from_utf8_lossy(value.bytes()).into_owned(),
                3 => status.retry_after = status.retry_after.or(retry_info(value.bytes())),
                _ => {}
            }
        }
        status
    }

    fn read_json(bytes: &[u8]) -> Status {
        let json: serde_json::Value = serde_json::from_slice(bytes).unwrap_or_default();
        let message = json.get("message").and_then(|message| message.as_str());
        let message = message.map_or_else(|| String::from_utf8_lossy(bytes).trim().to_owned(), str::to_owned);
        Status { message, retry_after: None }
    }
}

/// `Any { type_url = 1; value = 2 }` that holds `RetryInfo { Duration retry_delay = 1 { seconds = 1; nanos = 2 } }`.
fn retry_info(any: &[u8]) -> Option<Duration> {
    let field = |wanted| Fields::of(any).find(|(number, _)| *number == wanted).map(|(_, value)| value.bytes());
    if !field(1)?.ends_with(b"/google.rpc.RetryInfo") {
        return None;
    }
    let (mut seconds, mut nanos) = (0, 0);
    for (_, delay) in Fields::of(field(2).unwrap_or_default()).filter(|(number, _)| *number == 1) {
        for (number, value) in Fields::of(delay.bytes()) {
            match number {
                1 => seconds = u64::try_from(value.number() as i64).unwrap_or(0),
                2 => nanos = value.number().min(999_999_999) as u32,
                _ => {}
            }
        }
    }
    Some(Duration::new(seconds, nanos))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;
    use prost::Message;

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| ((*name).try_into().unwrap(), HeaderValue::from_str(value).unwrap())).collect()
    }

    fn class_of_grpc(pairs: &[(&'static str, &str)]) -> Class {
        of_grpc(&headers(pairs)).unwrap_err().class
    }

    fn check_http(status: u16, pairs: &[(&'static str, &str)], body: &[u8], expected: Class) {
        let error = of_http(StatusCode::from_u16(status).unwrap(), &headers(pairs), body, 1_000_000_000).unwrap_err();
        assert_eq!(error.class, expected, "{status} {error}");
        assert_eq!(error.code, Code::Http(status));
    }

    const RETRY: Class = Class::Retryable { after: None };

    fn retry_in(seconds: u64) -> Class {
        Class::Retryable { after: Some(Duration::from_secs(seconds)) }
    }

    #[test]
    fn grpc_codes_follow_the_table() {
        for code in 1..=16u32 {
            let expected = match code {
                1 | 4 | 10 | 11 | 14 | 15 => RETRY,
                8 => Class::Overloaded,
                12 => Class::NotImplemented,
                3 | 13 => Class::BadData,
                _ => Class::Permanent,
            };
            assert_eq!(class_of_grpc(&[("grpc-status", &code.to_string())]), expected, "{code}");
        }
        assert_eq!(of_grpc(&headers(&[("grpc-status", "0")])), Ok(()));
        assert_eq!(class_of_grpc(&[]), Class::Permanent);
        for code in [2, 3, 8, 9, 11, 13, 14] {
            let large =
                [("grpc-status", &*code.to_string()), ("grpc-message", "received message larger than max (5 vs. 4)")];
            assert_eq!(class_of_grpc(&large), Class::TooLarge, "{code}");
        }
        for code in [2, 3, 12, 13] {
            let lacking = [("grpc-status", &*code.to_string()), ("grpc-message", "unsupported grpc-encoding \"zstd\"")];
            assert_eq!(class_of_grpc(&lacking), Class::Encoding, "{code}");
        }
        let lacking = "grpc: Decompressor is not installed for grpc-encoding \"zstd\"";
        assert_eq!(class_of_grpc(&[("grpc-status", "12"), ("grpc-message", lacking)]), Class::Encoding);
    }

    #[test]
    fn grpc_messages_are_percent_decoded() {
        let error = of_grpc(&headers(&[("grpc-status", "14"), ("grpc-message", "too %E2%80%9Cbig%E2%80%9D 100%")]));
        assert_eq!(error.unwrap_err().to_string(), "UNAVAILABLE: too “big” 100%");
    }

    #[derive(Message)]
    struct RpcStatus {
        #[prost(int32, tag = "1")]
        code: i32,
        #[prost(string, tag = "2")]
        message: String,
        #[prost(message, repeated, tag = "3")]
        details: Vec<Any>,
    }

    #[derive(Message)]
    struct Any {
        #[prost(string, tag = "1")]
        type_url: String,
        #[prost(bytes = "vec", tag = "2")]
        value: Vec<u8>,
    }

    fn status_with_retry_info() -> Vec<u8> {
        let any = |name: &str, value: &[u8]| Any { type_url: name.into(), value: value.to_vec() };
        let details = vec![
            any("type.googleapis.com/google.rpc.DebugInfo", b"\x0a\x02hi"),
            any("type.googleapis.com/google.rpc.RetryInfo", b"\x0a\x02\x08\x07"),
        ];
        RpcStatus { code: 8, message: "slow down".into(), details }.encode_to_vec()
    }

    #[test]
    fn retry_info_makes_exhaustion_retryable() {
        let status = status_with_retry_info();
        for encoded in [BASE64.encode(&status), BASE64.encode(&status).trim_end_matches('=').to_owned()] {
            let class = class_of_grpc(&[("grpc-status", "8"), ("grpc-status-details-bin", &encoded)]);
            assert_eq!(class, retry_in(7));
        }
        check_http(503, &[("content-type", "application/x-protobuf")], &status, retry_in(7));
    }

    #[test]
    fn http_statuses_follow_the_table() {
        for status in [429, 502, 503, 504] {
            check_http(status, &[], b"", RETRY);
        }
        for status in [401, 403, 500, 505] {
            check_http(status, &[], b"", Class::Permanent);
        }
        for status in [301, 302, 307, 308, 405, 407] {
            check_http(status, &[("location", "https://c/x")], b"", Class::Misconfigured);
        }
        for status in [400, 404, 501] {
            check_http(status, &[("content-type", "text/html; charset=utf-8")], b"<html>", Class::Misconfigured);
        }
        for status in [400, 413, 422, 429, 500, 503] {
            check_http(status, &[], b"http: request body too large", Class::TooLarge);
        }
        check_http(413, &[], b"", Class::TooLarge);
        check_http(404, &[], b"404 page not found", Class::NotImplemented);
        check_http(400, &[], b"bad wire type", Class::BadData);
        check_http(400, &[], b"unsupported \"Content-Encoding\": zstd", Class::Encoding);
        let too_large = RpcStatus { code: 3, message: "http: request body too large".into(), details: vec![] };
        let protobuf = [("content-type", "application/x-protobuf")];
        check_http(400, &protobuf, &too_large.encode_to_vec(), Class::TooLarge);
        let json = [("content-type", "application/json; charset=utf-8")];
        check_http(400, &json, br#"{"code":3,"message":"http: request body too large"}"#, Class::TooLarge);
    }

    #[test]
    fn a_size_is_not_blamed_on_the_address() {
        let of = |status: u16, body: &[u8]| {
            of_http(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body, 0).unwrap_err().advice()
        };
        for large in [of(413, b""), of(400, b"request body too large")] {
            assert!(!large.contains("address") && large.contains("size"), "{large}");
        }
        assert_eq!([of(401, b""), of(403, b"")], ["check ‹header›"; 2]);
        assert!(of(500, b"").contains("address"));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        check_http(503, &[("retry-after", "3")], b"", retry_in(3));
        check_http(429, &[("retry-after", "Sun, 09 Sep 2001 01:46:45 GMT")], b"", retry_in(5));
        check_http(429, &[("retry-after", "Sun, 09 Sep 2001 01:46:35 GMT")], b"", retry_in(0));
        check_http(503, &[("retry-after", "soon")], b"", RETRY);
    }

    #[test]
    fn an_error_in_gzip_is_read_and_a_redirect_named_without_its_query() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut gzip, b"http: request body too large").unwrap();
        check_http(400, &[("content-encoding", "gzip")], &gzip.finish().unwrap(), Class::TooLarge);
        let to = headers(&[("location", "https://c/v1/logs?key=SECRET")]);
        let error = of_http(StatusCode::FOUND, &to, b"", 0).unwrap_err().to_string();
        assert_eq!(error, "HTTP 302: redirected to https://c/v1/logs; use that address");
    }

    fn said_by_http(status: u16, pairs: &[(&'static str, &str)], body: &[u8]) -> String {
        of_http(StatusCode::from_u16(status).unwrap(), &headers(pairs), body, 1_000_000_000).unwrap_err().to_string()
    }

    #[test]
    fn what_a_proxy_answers_in_place_of_grpc_is_tried_again_where_it_may_pass() {
        let of = |status: u16, pairs: &[(&'static str, &str)]| {
            of_not_grpc(StatusCode::from_u16(status).unwrap(), &headers(pairs), 1_000_000_000)
        };
        for status in [429, 502, 503, 504] {
            assert_eq!(of(status, &[]).class, RETRY, "{status}");
            assert_eq!(of(status, &[("retry-after", "7")]).class, retry_in(7), "{status}");
        }
        for status in [401, 403] {
            assert_eq!(of(status, &[]).class, Class::Permanent, "{status}");
        }
        assert_eq!(of(413, &[]).class, Class::TooLarge);
        for status in [200, 302, 400, 404, 405, 415, 422, 500, 501] {
            assert_eq!(of(status, &[]).class, Class::Misconfigured, "{status}");
        }
        let page = of(404, &[("content-type", "text/html; charset=utf-8")]);
        assert_eq!(page.to_string(), "HTTP 404: answered with text/html, not by gRPC");
        assert_eq!(of(502, &[]).to_string(), "HTTP 502: answered with nothing, not by gRPC");
    }

    #[test]
    fn a_web_page_is_a_wrong_place_and_anything_else_is_the_services_answer() {
        for (status, plain) in [
            (400, Class::BadData),
            (404, Class::NotImplemented),
            (406, Class::Permanent),
            (410, Class::Permanent),
            (415, Class::Encoding),
            (501, Class::NotImplemented),
        ] {
            check_http(status, &[("content-type", "text/html")], b"<html>", Class::Misconfigured);
            check_http(status, &[("content-type", "text/plain")], b"no", plain);
        }
        check_http(422, &[], b"", Class::BadData);
        check_http(422, &[("content-type", "text/html")], b"<html>", Class::BadData);
    }

    #[test]
    fn what_is_misconfigured_is_said_with_what_to_change() {
        let page = said_by_http(404, &[("content-type", "text/html")], b"<html>Welcome</html>");
        assert_eq!(page, "HTTP 404: answered with a web page, which is no OTLP receiver: check host, port and path");
        let proxy = said_by_http(407, &[("content-type", "text/html")], b"<html>");
        assert!(proxy.contains("http_proxy=http://USER:PASSWORD@HOST:PORT"), "{proxy}");
        for status in [405, 426] {
            let said = said_by_http(status, &[], b"not here.");
            assert_eq!(
                said,
                format!("HTTP {status}: not here: requests are not taken there: check host, port and path")
            );
        }
        // Only a redirection leads elsewhere.
        assert_eq!(said_by_http(500, &[("location", "https://c/")], b"broken"), "HTTP 500: broken");
    }

    #[test]
    fn a_compression_that_is_lacking_may_be_said_by_any_status_of_a_wrong_request() {
        for status in [400, 415, 422, 500, 501] {
            check_http(status, &[], b"unsupported \"Content-Encoding\": zstd", Class::Encoding);
        }
        check_http(404, &[], b"unsupported \"Content-Encoding\": zstd", Class::NotImplemented);
    }

    #[test]
    fn an_answer_is_told_in_its_own_words_whatever_holds_them() {
        let json = [("content-type", "application/json")];
        assert_eq!(said_by_http(400, &json, br#"{"code":3,"message":"bad wire type"}"#), "HTTP 400: bad wire type");
        assert_eq!(said_by_http(400, &json, br#" {"error":"bad"} "#), r#"HTTP 400: {"error":"bad"}"#);
        assert_eq!(said_by_http(400, &json, b"bad"), "HTTP 400: bad");
        let status = RpcStatus { code: 3, message: "bad wire type".into(), details: vec![] }.encode_to_vec();
        let protobuf = [("content-type", "application/x-protobuf")];
        assert_eq!(said_by_http(400, &protobuf, &status), "HTTP 400: bad wire type");
        assert_eq!(said_by_http(400, &[], b""), "HTTP 400");
        let unknown = of_grpc(&headers(&[("grpc-status", "99"), ("grpc-message", "odd")])).unwrap_err();
        assert_eq!(unknown.to_string(), "gRPC status 99: odd");
        assert_eq!(of_grpc(&headers(&[("grpc-status", "none")])).unwrap_err().to_string(), "UNKNOWN");
    }

    #[test]
    fn whoever_says_when_to_come_back_does_not_speak_of_size() {
        check_http(429, &[("retry-after", "3")], b"request body too large", retry_in(3));
        let retry_info = BASE64.encode(status_with_retry_info());
        let late = [("grpc-status", "8"), ("grpc-message", "too large"), ("grpc-status-details-bin", &*retry_info)];
        assert_eq!(class_of_grpc(&late), retry_in(7));
    }

    #[test]
    fn the_header_goes_before_the_body_in_when_to_come_back() {
        let both = [("content-type", "application/x-protobuf"), ("retry-after", "3")];
        check_http(503, &both, &status_with_retry_info(), retry_in(3));
    }

    fn retry_info_of(details: &[(&str, &[u8])]) -> Option<Duration> {
        let any = |(name, value): &(&str, &[u8])| Any { type_url: (*name).into(), value: value.to_vec() };
        let status = RpcStatus { code: 8, message: String::new(), details: details.iter().map(any).collect() };
        Status::read(&status.encode_to_vec()).retry_after
    }

    #[test]
    fn a_retry_delay_is_the_first_one_and_never_negative() {
        const NAME: &str = "type.googleapis.com/google.rpc.RetryInfo";
        // seconds = 7, then seconds = 9
        assert_eq!(
            retry_info_of(&[(NAME, b"\x0a\x02\x08\x07"), (NAME, b"\x0a\x02\x08\x09")]),
            Some(Duration::from_secs(7))
        );
        // nanos = 500,000,000, and more than a second of them
        let half = retry_info_of(&[(NAME, b"\x0a\x06\x10\x80\xca\xb5\xee\x01")]);
        assert_eq!(half, Some(Duration::from_millis(500)));
        let many = retry_info_of(&[(NAME, b"\x0a\x06\x10\x80\xa8\xd6\xb9\x07")]);
        assert_eq!(many, Some(Duration::from_nanos(999_999_999)));
        // seconds = -1
        let negative = [b"\x0a\x0b\x08".as_slice(), &[0xff; 9], b"\x01"].concat();
        assert_eq!(retry_info_of(&[(NAME, &negative)]), Some(Duration::ZERO));
        assert_eq!(retry_info_of(&[("type.googleapis.com/google.rpc.QuotaFailure", b"\x0a\x02\x08\x07")]), None);
        assert_eq!(retry_info_of(&[]), None);
    }

    #[test]
    fn advice_names_what_can_be_wrong() {
        let advice = |class, code| SendError::new(class, code, "").advice();
        for code in [Code::Http(401), Code::Http(403), Code::Grpc(PERMISSION_DENIED), Code::Grpc(UNAUTHENTICATED)] {
            assert_eq!(advice(Class::Permanent, code), "check ‹header›", "{code}");
        }
        assert_eq!(advice(Class::BadData, Code::Http(400)), "its own log may say what is wrong with them");
        assert_eq!(advice(Class::Misconfigured, Code::Http(200)), "check its address");
        assert_eq!(advice(Class::Permanent, Code::Grpc(9)), "check its address and ‹header›");
    }

    #[test]
    fn an_answer_that_is_too_long_is_for_good_and_one_that_is_not_otlps_a_wrong_place() {
        assert_eq!(no_answer(Code::Http(200), &NoAnswer::TooLarge(5)).class, Class::Permanent);
        assert_eq!(no_answer(Code::Http(200), &NoAnswer::Other("a page".into())).class, Class::Misconfigured);
        assert!(Code::Http(200).is_answer() && Code::Grpc(0).is_answer());
        for code in [Code::Connect, Code::Broken, Code::Timeout, Code::Protocol, Code::Certificate, Code::Proxy] {
            assert!(!code.is_answer(), "{code}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(status in 100u16..1000, body: Vec<u8>, header in "[ -~]{0,40}") {
            let given = headers(&[("retry-after", &header), ("content-type", "application/x-protobuf")]);
            let _ = of_http(StatusCode::from_u16(status).unwrap(), &given, &body, i64::MAX);
            let trailers = [("grpc-status", "8"), ("grpc-message", &*header), ("grpc-status-details-bin", &*header)];
            let _ = of_grpc(&headers(&trailers));
        }
    }
}
