//! Whether destinations can be reached, tried while there is nothing to send yet.
//!
//! In go targets, out come notes to the user: reading and learning may take minutes, in which an address can be mended.
//! Nothing else follows from it; what is to be sent is tried as if nobody had looked.

use crate::export::destination::Target;
use crate::notify::Notify;
use crate::otlp::Client;

/// Connects to each once, on a thread that nobody waits for.
pub fn try_each(targets: Vec<Target>, notify: Notify) {
    if targets.is_empty() {
        return;
    }
    // Without a thread nothing is reported, and nothing else is lost.
    let _ = std::thread::Builder::new().name("connect".into()).spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            for Target { endpoint, .. } in targets {
                let name = endpoint.name();
                // What keeps a client from being made is reported when the run makes it.
                let Ok(client) = Client::new(endpoint) else { continue };
                if let Err(error) = client.try_connecting().await {
                    notify(&format!("{name}: {error}; it is tried again when there is something to send"));
                }
            }
        });
        // A name that is being looked up is not awaited.
        runtime.shutdown_background();
    });
}
