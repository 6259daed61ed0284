//! The receiving end of OTLP: gRPC and HTTP, over TCP, TLS and unix sockets.
//!
//! In go connections, out go requests to a [`Handler`] as they came: the bytes still compressed, with the metadata that is to
//! be passed on; its [`Reply`] goes back in the form that the client speaks. Both protocols are understood on every socket,
//! told apart by their first bytes. Everything is limited ([`Limits`]), and what is refused is counted by its reason. Nothing
//! is decompressed here, and what requests mean is not known.

pub mod access;
mod connection;
mod grpc;
mod http;
pub mod limits;
pub mod listen;
mod peer;
mod read;
pub mod received;
pub mod reply;
mod rewind;
mod room;
mod service;
mod watch;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use tokio::sync::{Semaphore, watch as signal};

use access::Access;
pub use limits::Limits;
pub use listen::{Listener, Socket};
pub use received::Received;
pub use reply::{Refused, Reply};

/// After a connection could not be accepted: descriptors may be free again then.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// What becomes of requests.
pub trait Handler: Send + Sync + 'static {
    /// Takes a request, or refuses it.
    fn handle(&self, request: Received) -> Pin<Box<dyn Future<Output = Reply> + Send + '_>>;

    /// Something was refused before it became a request, for this reason.
    fn refused(&self, reason: &'static str);
}

/// What all sockets of one receiver share.
pub struct Server {
    shared: Arc<Shared>,
    connections: Arc<Semaphore>,
}

pub(crate) struct Shared {
    pub(crate) handler: Arc<dyn Handler>,
    pub(crate) limits: Limits,
    /// Bytes of requests that are being read.
    pub(crate) bytes_read: Arc<AtomicUsize>,
    /// True once nothing more is taken.
    pub(crate) ending: signal::Receiver<bool>,
}

impl Server {
    /// A receiver that ends once `ending` is true.
    pub fn new(handler: Arc<dyn Handler>, limits: Limits, ending: signal::Receiver<bool>) -> Server {
        let connections = Arc::new(Semaphore::new(limits.connections_max));
        Server { shared: Arc::new(Shared { handler, limits, bytes_read: Arc::default(), ending }), connections }
    }

    /// Serves one socket until the end. Connections go on for as long as they have requests under way.
    pub async fn serve(&self, listener: Listener, access: Access) {
        let (access, mut ending) = (Arc::new(access), self.shared.ending.clone());
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = ending.wait_for(|ends| *ends) => return,
            };
            match accepted {
                Ok(stream) => match Arc::clone(&self.connections).try_acquire_owned() {
                    Ok(permit) => {
                        let (shared, access) = (Arc::clone(&self.shared), Arc::clone(&access));
                        tokio::spawn(async move {
                            connection::run(stream, shared, access).await;
                            drop(permit);
                        });
                    }
                    Err(_) => self.shared.handler.refused("too_many_connections"),
                },
                Err(_) => tokio::time::sleep(ACCEPT_AGAIN).await,
            }
        }
    }

    /// Waits until all connections have ended.
    pub async fn ended(&self) {
        let all = u32::try_from(self.shared.limits.connections_max).unwrap_or(u32::MAX);
        drop(self.connections.acquire_many(all).await);
    }
}
