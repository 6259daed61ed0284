//! What a connection knows while it is served: plain data.

use std::sync::Arc;

use super::Shared;
use super::access::Access;
use super::watch::Activity;

/// One connection's side of the receiver.
#[derive(Clone)]
pub(super) struct Peer {
    pub(super) shared: Arc<Shared>,
    pub(super) access: Arc<Access>,
    pub(super) activity: Arc<Activity>,
}
