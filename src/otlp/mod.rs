//! The wire only: encoded requests go out to an OTLP endpoint, what it made of them comes back.
//!
//! [`Endpoint`] says where and how, [`wire`] is the bytes of messages, [`compress`](compress::compress) makes a request
//! smaller (a pure function, for the workers), [`Client`] sends it over gRPC or HTTP/protobuf and classifies the answer.
//! [`server`] takes requests of others. Nothing here knows records, what spans mean, or when to try again.

pub mod address;
mod answer;
pub mod client;
pub mod compress;
pub mod content;
pub mod decompress;
pub mod endpoint;
pub mod endpoint_error;
mod headers;
mod message;
pub mod outcome;
pub mod own;
pub mod percent;
pub mod protocol;
pub mod proxy;
pub mod query;
pub mod server;
pub mod signal;
pub mod status;
mod transport;
pub mod wire;

pub use client::Client;
pub use compress::{Compression, compress};
pub use content::Content;
pub use endpoint::{Endpoint, Role};
pub use endpoint_error::EndpointError;
pub use outcome::{Accepted, Class, Code, SendError};
pub use protocol::Protocol;
pub use signal::Signal;
pub use transport::stream::HyperStream;
