//! How the bytes of a request or answer are to be read: plain data.

/// How the bytes of a request or answer are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Protobuf.
    Protobuf,
    /// JSON, over HTTP only.
    Json,
}

impl Content {
    /// Its media type over HTTP.
    pub fn media_type(self) -> &'static str {
        match self {
            Content::Protobuf => "application/x-protobuf",
            Content::Json => "application/json",
        }
    }
}
