//! The sockets of a tap: listened on, or tried again as long as another process has them.
//!
//! In go addresses, out go connections to the server. A socket that cannot be listened on is said, makes the agent not ready,
//! and holds up nothing else.

use std::sync::Arc;
use std::time::Duration;

use crate::metrics::Metrics;
use crate::notify::Notify;
use crate::otlp::server::access::Access;
use crate::otlp::server::{Listener, Server, Socket};

/// How often a socket is tried again.
const AGAIN_EVERY: Duration = Duration::from_secs(10);

/// One socket.
pub(super) struct Listening {
    socket: Socket,
    listener: Option<Listener>,
    access: Access,
    metrics: Arc<Metrics>,
    notify: Notify,
}

impl Listening {
    /// Listens on what can be listened on. Runs within a `tokio` runtime. `access` holds for TCP: a unix socket has its mode.
    pub(super) fn start(
        sockets: &[Socket],
        access: &Access,
        (metrics, notify): (&Arc<Metrics>, &Notify),
    ) -> Vec<Listening> {
        let start = |socket: &Socket| {
            let access = match socket {
                Socket::Tcp(_) => access.clone(),
                Socket::Unix(_) => Access::open(),
            };
            let (metrics, notify) = (Arc::clone(metrics), Arc::clone(notify));
            let mut listening = Listening { socket: socket.clone(), listener: None, access, metrics, notify };
            listening.listen(true);
            listening
        };
        sockets.iter().map(start).collect()
    }

    /// Where it listens, if it does.
    pub(super) fn socket(&self) -> Option<Socket> {
        self.listener.as_ref()?.socket().ok()
    }

    fn listen(&mut self, is_first: bool) {
        let name = self.socket.to_string();
        let outcome = Listener::bind(&self.socket);
        self.metrics.spans.listens(&name, outcome.as_ref().map(drop).map_err(ToString::to_string));
        match outcome {
            Ok(listener) => {
                self.listener = Some(listener);
                if !is_first {
                    (self.notify)(&format!("spans are received on {name} from now on"));
                }
            }
            Err(error) if is_first => (self.notify)(&format!(
                "spans are not received on {name}: {error}; tried again every {} s. Another process may listen there: give the \
                 tap another address, or end that one",
                AGAIN_EVERY.as_secs()
            )),
            Err(_) => {}
        }
    }

    /// Serves it until the server ends.
    pub(super) async fn run(mut self, server: Arc<Server>) {
        loop {
            if let Some(listener) = self.listener.take() {
                return server.serve(listener, self.access.clone()).await;
            }
            tokio::time::sleep(AGAIN_EVERY).await;
            self.listen(false);
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // Another configuration may do without it.
        self.metrics.spans.listens(&self.socket.to_string(), Ok(()));
    }
}
