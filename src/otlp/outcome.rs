//! What became of a request: accepted, or refused, and what to do about that.
//!
//! Plain data, and messages about it. [`super::status`] decides what an answer means.

use std::time::Duration;

use thiserror::Error;

use super::message::printable;
use crate::setting::Setting;

/// The request was taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accepted {
    /// Items of it that were refused for good.
    pub rejected: u64,
    /// The endpoint's words about that, or a warning where none was refused.
    pub message: String,
}

/// The request was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{code}{}{message}", if message.is_empty() { "" } else { ": " })]
pub struct SendError {
    /// What to do about it.
    pub class: Class,
    /// The message of the endpoint, or of the network in between.
    pub code: Code,
    /// In its words.
    pub message: String,
}

/// What to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The same request may pass later.
    Retryable {
        /// How long the endpoint asks to be left alone.
        after: Option<Duration>,
    },
    /// Less at once may pass.
    TooLarge,
    /// A limit is reached that is not said to be one of size (rate, memory): the same request may pass later. Whether a
    /// smaller one passes at once tells a limit of size that does not call itself one.
    Overloaded,
    /// There is no service for this signal.
    NotImplemented,
    /// The compression is not understood.
    Encoding,
    /// The request is wrong: a smaller one without the wrong item may pass.
    BadData,
    /// No such request will pass.
    Permanent,
    /// Nothing will pass until the configuration changes: another protocol is spoken there, a certificate is not trusted,
    /// a web page answers. The message says what to change. From a destination that has taken requests it is a passing
    /// confusion of what stands before it.
    Misconfigured,
}

/// Where an error comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// A gRPC status.
    Grpc(u32),
    /// An HTTP status.
    Http(u16),
    /// No connection.
    Connect,
    /// The connection broke.
    Broken,
    /// No answer in time.
    Timeout,
    /// Another protocol is spoken there.
    Protocol,
    /// One side does not trust the other's certificate.
    Certificate,
    /// The proxy in between.
    Proxy,
}

impl Code {
    /// Whether the endpoint answered at all.
    pub fn is_answer(self) -> bool {
        matches!(self, Code::Grpc(_) | Code::Http(_))
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Code::Grpc(code) => match GRPC_NAMES.get(code as usize) {
                Some(name) => f.write_str(name),
                None => write!(f, "gRPC status {code}"),
            },
            Code::Http(code) => write!(f, "HTTP {code}"),
            Code::Connect => f.write_str("no connection"),
            Code::Broken => f.write_str("connection lost"),
            Code::Timeout => f.write_str("no answer in time"),
            Code::Protocol => f.write_str("wrong protocol"),
            Code::Certificate => f.write_str("certificate"),
            Code::Proxy => f.write_str("proxy"),
        }
    }
}

/// <https://grpc.github.io/grpc/core/md_doc_statuscodes.html>
const GRPC_NAMES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// Of these codes of gRPC the advice speaks.
const PERMISSION_DENIED: u32 = 7;
const UNAUTHENTICATED: u32 = 16;

impl SendError {
    /// An error with the words of whoever is there, made fit to be shown.
    pub fn new(class: Class, code: Code, message: impl AsRef<str>) -> SendError {
        SendError { class, code, message: printable(message.as_ref()) }
    }

    /// What to look at where a request is refused for good. A size says nothing of the address.
    pub fn advice(&self) -> String {
        match (self.class, self.code) {
            (Class::TooLarge, _) => "raise its limit on the size of a request".to_owned(),
            (_, Code::Http(401 | 403) | Code::Grpc(PERMISSION_DENIED | UNAUTHENTICATED)) => {
                format!("check {}", Setting::Header)
            }
            (Class::BadData, _) => "its own log may say what is wrong with them".to_owned(),
            (_, Code::Http(200..=299)) => "check its address".to_owned(),
            _ => format!("check its address and {}", Setting::Header),
        }
    }

    /// An answer beyond a limit.
    pub(crate) fn too_large(bytes_max: usize) -> SendError {
        SendError::new(Class::TooLarge, Code::Broken, format!("an answer of more than {bytes_max} bytes"))
    }

    /// Something between here and there, which may be better later.
    pub(crate) fn transport(code: Code, message: impl AsRef<str>) -> SendError {
        SendError::new(Class::Retryable { after: None }, code, message)
    }
}
