//! What tests talk to.

pub(crate) mod agent;
pub(crate) mod canned;
pub(crate) mod capture;
pub(crate) mod kubelet;
pub(crate) mod labelled;
pub(crate) mod made_journal;
pub(crate) mod otlp_client;
pub(crate) mod relay;
pub(crate) mod replay;
pub(crate) mod run;
pub(crate) mod sink;
pub(crate) mod stored;
pub(crate) mod tap;
pub(crate) mod tls;
pub(crate) mod written;
