//! Settings that messages speak of, by neutral names.
//!
//! A part below the commands knows that a limit may be raised, not how a user does that. In its messages a setting stands
//! between `‹` and `›`; the commands put in its place what is typed.

use std::fmt;

/// A setting that a message speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// Go on without spans.
    AllowNoTraces,
    /// The file of certificates that a destination is checked against.
    CaFile,
    /// The file of the client's own certificate, for a destination.
    CertFile,
    /// Bytes that a file may have when it is decompressed.
    DecompressedBytesMax,
    /// Where results go.
    Destination,
    /// A header for a destination.
    Header,
    /// A destination's certificate is not checked.
    InsecureSkipVerify,
    /// The file of the key to the client's certificate, for a destination.
    KeyFile,
    /// The links file.
    Links,
    /// The file of certificates that the kubelet is checked against.
    KubeletCaFile,
    /// The kubelet's certificate is not checked.
    KubeletInsecureSkipVerify,
    /// Conditions that records and traces meet.
    Only,
    /// How long a request is tried.
    RetryFor,
    /// The state folder.
    State,
    /// Bytes that temporary files may have.
    TemporaryBytesMax,
    /// Bytes that one request in a file of traces may have.
    TraceRequestBytesMax,
    /// The traces.
    Traces,
    /// As [`Setting::CaFile`], for a store of traces.
    TracesCaFile,
    /// As [`Setting::CertFile`], for a store of traces.
    TracesCertFile,
    /// As [`Setting::Header`], for a store of traces.
    TracesHeader,
    /// As [`Setting::InsecureSkipVerify`], for a store of traces.
    TracesInsecureSkipVerify,
    /// As [`Setting::KeyFile`], for a store of traces.
    TracesKeyFile,
    /// Who wrote the files of a pattern.
    WriterPattern,
    /// The zone of times that have none.
    Zone,
}

impl Setting {
    /// All of them.
    pub const ALL: [Setting; 24] = [
        Setting::AllowNoTraces,
        Setting::CaFile,
        Setting::CertFile,
        Setting::DecompressedBytesMax,
        Setting::Destination,
        Setting::Header,
        Setting::InsecureSkipVerify,
        Setting::KeyFile,
        Setting::Links,
        Setting::KubeletCaFile,
        Setting::KubeletInsecureSkipVerify,
        Setting::Only,
        Setting::RetryFor,
        Setting::State,
        Setting::TemporaryBytesMax,
        Setting::TraceRequestBytesMax,
        Setting::Traces,
        Setting::TracesCaFile,
        Setting::TracesCertFile,
        Setting::TracesHeader,
        Setting::TracesInsecureSkipVerify,
        Setting::TracesKeyFile,
        Setting::WriterPattern,
        Setting::Zone,
    ];

    /// Its name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Setting::AllowNoTraces => "allow no traces",
            Setting::CaFile => "CA file",
            Setting::CertFile => "certificate file",
            Setting::DecompressedBytesMax => "maximum of decompressed bytes",
            Setting::Destination => "destination",
            Setting::Header => "header",
            Setting::InsecureSkipVerify => "skip verification",
            Setting::KeyFile => "key file",
            Setting::Links => "links file",
            Setting::KubeletCaFile => "CA file of the kubelet",
            Setting::KubeletInsecureSkipVerify => "skip verification of the kubelet",
            Setting::Only => "only",
            Setting::RetryFor => "retry time",
            Setting::State => "state folder",
            Setting::TemporaryBytesMax => "maximum of temporary bytes",
            Setting::TraceRequestBytesMax => "maximum of bytes of a request of traces",
            Setting::Traces => "traces",
            Setting::TracesCaFile => "CA file of the trace store",
            Setting::TracesCertFile => "certificate file of the trace store",
            Setting::TracesHeader => "header for the trace store",
            Setting::TracesInsecureSkipVerify => "skip verification of the trace store",
            Setting::TracesKeyFile => "key file of the trace store",
            Setting::WriterPattern => "writer of a pattern",
            Setting::Zone => "time zone",
        }
    }
}

/// As it stands in messages.
impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "‹{}›", self.name())
    }
}
