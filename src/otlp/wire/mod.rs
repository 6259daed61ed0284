//! Protobuf's wire format by hand: fields read in place ([`read`]), written into a buffer ([`write`]), put into a message
//! that is encoded already ([`splice`]), the spans of a request ([`spans`]), and what OTLP's messages of traces
//! and logs are made of ([`messages`], [`log_messages`]).
//!
//! In go bytes, out come bytes. What a span means is not known here.

pub mod json_key;
pub mod log_messages;
pub mod messages;
pub mod read;
pub mod spans;
pub mod splice;
pub mod write;
