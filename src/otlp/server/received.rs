//! A request as it came: plain data, and which of its headers are to be passed on.

use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, header};

use super::room::Room;
use crate::otlp::{Compression, Content, Signal};

/// A request as it came.
#[derive(Debug)]
pub struct Received {
    /// Which service it is for.
    pub signal: Signal,
    /// How its bytes are to be read.
    pub content: Content,
    /// How they are compressed.
    pub compression: Compression,
    /// The bytes, of gRPC without its prefix.
    pub body: Bytes,
    /// Headers, or metadata, of the client's own, to be passed on.
    pub metadata: HeaderMap,
    /// When the client stops waiting for an answer, if it said so.
    pub deadline: Option<Instant>,
    /// Its share of the memory for requests that are being read, until it is held elsewhere.
    pub(super) room: Room,
}

impl Received {
    /// Bytes of memory that it has for as long as it lives.
    pub fn held_bytes(&self) -> usize {
        self.room.bytes()
    }
}

/// Headers of one connection or one encoding, which are not passed on: RFC 9110, 7.6.1; gRPC's own begin with `grpc-`.
const OF_ONE_HOP: [HeaderName; 17] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::HOST,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::ACCEPT,
    header::ACCEPT_ENCODING,
    header::EXPECT,
    header::RANGE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// The headers of a request that are passed on. `is_for_us`: the authorization was meant for this receiver.
pub(super) fn metadata(headers: &HeaderMap, is_for_us: bool) -> HeaderMap {
    let named = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let named: Vec<String> =
        named.flat_map(|value| value.split(',')).map(|name| name.trim().to_ascii_lowercase()).collect();
    let stays_here = |name: &HeaderName| {
        OF_ONE_HOP.contains(name)
            || name.as_str().starts_with("grpc-")
            || is_for_us && *name == header::AUTHORIZATION
            || named.iter().any(|hop| hop == name.as_str())
    };
    let passed_on = headers.iter().filter(|(name, _)| !stays_here(name));
    passed_on.map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_of_one_hop_is_not_passed_on() {
        let all = [
            ("authorization", "Bearer x"),
            ("x-scope-orgid", "a"),
            ("x-scope-orgid", "b"),
            ("user-agent", "OTel-OTLP-Exporter-Go/1.40.0"),
            ("traceparent", "00-1-2-01"),
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            ("content-length", "5"),
            ("grpc-timeout", "10S"),
            ("grpc-encoding", "gzip"),
            ("host", "localhost:4318"),
            ("accept-encoding", "gzip"),
        ];
        let mut headers = HeaderMap::new();
        for (name, value) in all {
            headers.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        let names = |is_for_us| {
            let passed = metadata(&headers, is_for_us);
            let mut names: Vec<String> = passed.keys().map(|name| name.as_str().to_owned()).collect();
            names.sort();
            (names.join(" "), passed.get_all("x-scope-orgid").iter().count())
        };
        assert_eq!(names(false), ("authorization traceparent user-agent x-scope-orgid".to_owned(), 2));
        assert_eq!(names(true), ("traceparent user-agent x-scope-orgid".to_owned(), 2));
    }
}
