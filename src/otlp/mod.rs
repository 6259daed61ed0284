//! OTLP on the wire, and nothing but the wire: what lines and spans mean is not known here.

pub mod protobuf;
