//! Which service a pod's lines are sent under: the one of its spans.
//!
//! In goes who wrote lines as their path or envelope tells, out comes the same with the `service.name` that the spans of
//! its pod have. Which spans are a pod's is not decided here.

use std::fmt;
use std::sync::Arc;

use crate::record::{Origin, Pod, Producer};

type Lookup = dyn Fn(&Pod) -> Option<String> + Send + Sync;

/// Tells the service of a pod's spans; by default it knows of none.
#[derive(Clone, Default)]
pub struct Services(Option<Arc<Lookup>>);

impl Services {
    /// As this tells.
    pub fn new(of_pod: impl Fn(&Pod) -> Option<String> + Send + Sync + 'static) -> Services {
        Services(Some(Arc::new(of_pod)))
    }

    /// Names the service of a container's lines. Components of the control plane have names of their own.
    pub fn put_over(&self, origin: &mut Origin) {
        if let (Some(of_pod), Some(pod), Producer::Pod) = (&self.0, &origin.pod, origin.producer) {
            origin.service_of_spans = of_pod(pod).filter(|service| *service != origin.service_name);
        }
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Services").field(&self.0.is_some()).finish()
    }
}
