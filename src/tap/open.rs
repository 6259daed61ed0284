//! What is looked at of a request before it is passed on: how many spans it holds, and its plain bytes, if somebody wants them.
//!
//! In go bytes as they came, out come plain ones. A request that cannot be read is passed on as it is, as a proxy does: the
//! destination will say what is wrong with it. One that grows beyond the limit is refused.

use bytes::Bytes;

use super::item::Form;
use crate::otlp::decompress::{NotPlain, decompress};
use crate::otlp::server::Refused;
use crate::otlp::wire::spans::within;
use crate::otlp::{Compression, Content, Signal, compress};
use crate::spans::transcode::{otlp_logs_request, otlp_request};

/// Bytes of a request decompressed; the specification recommends this limit.
pub(super) const PLAIN_BYTES_MAX: usize = 64 << 20;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Opened {
    /// Spans in it.
    pub(super) spans: u64,
    /// It as plain protobuf.
    pub(super) plain: Option<Bytes>,
    /// What came as JSON, as protobuf.
    pub(super) protobuf: Option<Form>,
    /// Why JSON could not be turned into protobuf.
    pub(super) why_not: Option<String>,
}

/// Looks at a request. The work is done on the caller's thread.
pub(super) fn open(signal: Signal, came: &Form, bytes_max: usize) -> Result<Opened, NotPlain> {
    let plain = match decompress(&came.body, came.compression, bytes_max) {
        Ok(plain) => plain,
        Err(error @ NotPlain::TooLarge(_)) => return Err(error),
        Err(NotPlain::Broken(_)) => return Ok(Opened::default()),
    };
    match (came.content, signal) {
        (Content::Protobuf, _) => Ok(Opened { spans: count(signal, &plain), plain: Some(plain), ..Opened::default() }),
        (Content::Json, Signal::Traces) => Ok(transcoded(signal, otlp_request(&plain), came.compression)),
        (Content::Json, Signal::Logs) => Ok(transcoded(signal, otlp_logs_request(&plain), came.compression)),
        (Content::Json, _) => Ok(Opened {
            why_not: Some(format!("{} in JSON are not turned into protobuf", signal.name())),
            ..Opened::default()
        }),
    }
}

/// What came as JSON, with what it is as protobuf.
fn transcoded(signal: Signal, protobuf: Result<Vec<u8>, String>, compression: Compression) -> Opened {
    match protobuf {
        Ok(request) => {
            let plain = Bytes::from(request);
            let body = compress(std::slice::from_ref(&plain), compression).concat().into();
            let protobuf = Form { content: Content::Protobuf, compression, body };
            let spans = count(signal, &plain);
            Opened { spans, plain: Some(plain), protobuf: Some(protobuf), why_not: None }
        }
        Err(why_not) => Opened { why_not: Some(why_not), ..Opened::default() },
    }
}

/// Spans of a request of traces.
fn count(signal: Signal, plain: &[u8]) -> u64 {
    if signal != Signal::Traces {
        return 0;
    }
    let scopes = within(plain, 1).flat_map(|group| within(group, 2));
    scopes.map(|scope| within(scope, 2).count() as u64).sum()
}

/// A request that is not taken since it grows beyond the limit.
pub(super) fn refused(error: &NotPlain) -> Refused {
    Refused::too_large(format!("received message after decompression larger than max: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(content: Content, body: &[u8], compression: Compression) -> Form {
        let body = compress(&[Bytes::copy_from_slice(body)], compression).concat().into();
        Form { content, compression, body }
    }

    const JSON: &[u8] =
        br#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"a"},{"name":"b"}]},{"spans":[{"name":"c"}]}]}]}"#;

    #[test]
    fn spans_are_counted_in_every_form() {
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            let of_json = open(Signal::Traces, &form(Content::Json, JSON, compression), 1 << 20).unwrap();
            let protobuf = of_json.protobuf.unwrap();
            assert_eq!((of_json.spans, protobuf.compression), (3, compression));
            let again = open(Signal::Traces, &protobuf, 1 << 20).unwrap();
            assert_eq!((again.spans, again.plain), (3, of_json.plain));
        }
    }

    #[test]
    fn what_cannot_be_read_is_passed_on_and_what_is_too_large_is_not() {
        let broken =
            Form { content: Content::Protobuf, compression: Compression::Zstd, body: Bytes::from_static(b"no") };
        let opened = open(Signal::Traces, &broken, 1 << 20).unwrap();
        assert!(opened.spans == 0 && opened.plain.is_none());
        let no_json = open(Signal::Traces, &form(Content::Json, b"{", Compression::None), 1 << 20).unwrap();
        assert!(no_json.why_not.is_some() && no_json.protobuf.is_none());
        let bomb = form(Content::Protobuf, &vec![0; 1 << 20], Compression::Gzip);
        assert_eq!(open(Signal::Traces, &bomb, 1000).unwrap_err(), NotPlain::TooLarge(1000));
    }
}
