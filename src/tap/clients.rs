//! The client of a destination: one connection for all signals over gRPC, one path for each over HTTP.
//!
//! In go requests as they are to be sent, out come answers. Nothing is tried again here.

use std::sync::Arc;
use std::time::Duration;

use super::config::Forward;
use crate::otlp::client::{ClientError, Passed};
use crate::otlp::{Accepted, Client, Protocol, SendError, Signal};

/// See the module.
#[derive(Clone)]
pub(super) struct Clients(Vec<(Option<Signal>, Arc<Client>)>);

impl Clients {
    /// Reads the files for TLS; connects with the first request.
    pub(super) fn new(forward: &Forward) -> Result<Clients, ClientError> {
        let endpoints = forward.endpoints.iter();
        if forward.protocol() == Protocol::Grpc {
            let first = endpoints.take(1).map(|(_, endpoint)| Ok((None, Arc::new(Client::new(endpoint.clone())?))));
            return first.collect::<Result<_, _>>().map(Clients);
        }
        let each = endpoints.map(|(signal, endpoint)| Ok((Some(*signal), Arc::new(Client::new(endpoint.clone())?))));
        each.collect::<Result<_, _>>().map(Clients)
    }

    /// Sends one request.
    pub(super) async fn send(&self, passed: Passed, limit: Option<Duration>) -> Option<Result<Accepted, SendError>> {
        let of_signal =
            |(signal, _): &&(Option<Signal>, Arc<Client>)| signal.is_none_or(|signal| signal == passed.signal);
        let (_, client) = self.0.iter().find(of_signal)?;
        let limit = limit.map_or(client.endpoint().timeout, |limit| limit.min(client.endpoint().timeout));
        Some(client.pass_on(limit, passed).await)
    }
}
