//! How requests are received and passed on: plain data, but for a look at files.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::otlp::server::Socket;
use crate::otlp::server::access::{Access, ServerTls};
use crate::otlp::{Endpoint, Protocol, Signal};

/// How requests are received and passed on.
#[derive(Debug, Clone, PartialEq)]
pub struct TapConfig {
    /// Where clients of gRPC are expected; both protocols are understood there.
    pub grpc: Option<SocketAddr>,
    /// Where clients of HTTP are expected; both protocols are understood there.
    pub http: Option<SocketAddr>,
    /// A unix socket, for its owner and group.
    pub unix: Option<PathBuf>,
    /// TLS on TCP.
    pub tls: Option<ServerTls>,
    /// The token that clients over TCP must have.
    pub token: Option<String>,
    /// Where requests go; none: they are looked at, and kept nowhere.
    pub forward: Vec<Forward>,
    /// Bytes of memory for requests that wait, of all destinations together.
    pub queue_bytes: u64,
    /// The same on the disk; `None`: none.
    pub spill_bytes: Option<u64>,
    /// When a client is answered.
    pub answer: AnswerWhen,
    /// How long a request may be held for what is to be added to it; zero: not at all.
    pub hold: Duration,
    /// The same of a request with logs, whose records wait for their spans; zero: they pass as they come.
    pub hold_logs: Duration,
    /// Lines whose spans have passed go on as events of small child spans.
    pub late_events: bool,
    /// Lines about a request become events of its span, as lines within it do.
    pub about_events: bool,
}

/// When a client is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerWhen {
    /// Once its request is in the queue.
    Accepted,
    /// With the destination's own answer.
    Delivered,
}

/// A destination.
#[derive(Debug, Clone, PartialEq)]
pub struct Forward {
    /// Its endpoint for each signal; over gRPC they differ by nothing.
    pub endpoints: Vec<(Signal, Endpoint)>,
}

impl Forward {
    /// As the user names it.
    pub fn name(&self) -> String {
        self.endpoints.first().map(|(_, endpoint)| endpoint.name()).unwrap_or_default()
    }

    /// How it is spoken to.
    pub fn protocol(&self) -> Protocol {
        self.endpoints.first().map_or(Protocol::Grpc, |(_, endpoint)| endpoint.protocol)
    }
}

impl TapConfig {
    /// What is wrong with the files of its certificate, if anything is. Reads them.
    pub fn files_refused(&self) -> Option<String> {
        Access::new(self.tls.as_ref(), None).err().map(|error| error.to_string())
    }

    /// All that is listened on.
    pub fn sockets(&self) -> Vec<Socket> {
        let tcp = [self.grpc, self.http].into_iter().flatten().map(Socket::Tcp);
        tcp.chain(self.unix.clone().map(Socket::Unix)).collect()
    }
}
