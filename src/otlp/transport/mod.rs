//! Bytes to an endpoint and back: TCP through a proxy or not, TLS, HTTP/1.1 and HTTP/2.
//!
//! In go encoded messages with their headers, out come answers, or why there are none. What is sent, and what a client does
//! about an answer, is not decided here.

mod clock;
pub(super) mod gather;
pub(super) mod grpc;
mod heard;
pub(super) mod http1;
pub(super) mod mismatch;
pub(super) mod rope;
pub(super) mod stream;
pub(super) mod tls;
