//! What one client, and all of them together, may take: plain data, with the reasons for each.

use std::time::Duration;

/// Limits of a receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one request as it comes. SDKs send 512 spans at once, some 100 KiB; the Collector's receiver takes 4 MiB over
    /// gRPC and 20 MiB over HTTP.
    pub request_bytes_max: usize,
    /// Bytes of all requests that are being read.
    pub reading_bytes_max: usize,
    /// Connections of all sockets: a node has 110 pods by default, with few processes each.
    pub connections_max: usize,
    /// Requests under way on one HTTP/2 connection.
    pub streams_max: u32,
    /// Bytes of a request's headers.
    pub header_bytes_max: usize,
    /// Headers of a request over HTTP/1.
    pub headers_max: usize,
    /// A connection must begin to speak, and end its TLS handshake, within this, and an HTTP/1 request's head must be whole.
    pub head_time_max: Duration,
    /// A request must be read to its end within this.
    pub request_time_max: Duration,
    /// A connection without requests is closed after this. SDKs send metrics once a minute.
    pub idle_time_max: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            request_bytes_max: 16 << 20,
            reading_bytes_max: 32 << 20,
            connections_max: 1024,
            streams_max: 64,
            header_bytes_max: 16 * 1024,
            headers_max: 100,
            head_time_max: Duration::from_secs(10),
            request_time_max: Duration::from_secs(30),
            idle_time_max: Duration::from_secs(600),
        }
    }
}
