//! What a trace file may cost, and what of it was read.
//!
//! Plain values: [`super::file`] keeps the limits and counts.

/// What a file may cost.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of one request; a larger one is skipped and counted.
    pub request_bytes_max: usize,
    /// Bytes after decompression; what lies beyond is not read, which is counted.
    pub decompressed_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { request_bytes_max: 64 << 20, decompressed_bytes_max: 64 << 30 }
    }
}

/// What was read, and what was not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests handed out.
    pub requests: u64,
    /// Requests that could not be read.
    pub broken: u64,
    /// Requests above [`Limits::request_bytes_max`].
    pub over_limit: u64,
    /// The file goes on beyond [`Limits::decompressed_bytes_max`].
    pub cut: bool,
    /// The first problem: where (line number in JSON, else number of the request, from 1), and what.
    pub first_problem: Option<(u64, String)>,
}
