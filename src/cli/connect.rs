//! What can be typed about connections: headers and certificates for destinations, and apart from these for stores of traces.
//! Types only; `config` gives them their meaning.

use std::path::PathBuf;

use clap::Args;

use super::heading::{INPUT, SENDING};

/// How destinations (`--to`) are reached.
#[derive(Debug, Args)]
pub struct DestinationArgs {
    /// A header of every request to destinations (repeatable)
    #[arg(long, value_name = "KEY=VALUE", help_heading = SENDING, hide_short_help = true)]
    pub header: Vec<String>,
    /// PEM file of what TLS destinations are trusted by: their authorities, or their own certificates
    #[arg(long, value_name = "FILE", help_heading = SENDING, hide_short_help = true)]
    pub ca_file: Option<PathBuf>,
    /// PEM file of the certificate shown to a TLS destination
    #[arg(long, value_name = "FILE", requires = "key_file", help_heading = SENDING, hide_short_help = true)]
    pub cert_file: Option<PathBuf>,
    /// PEM file of its key
    #[arg(long, value_name = "FILE", requires = "cert_file", help_heading = SENDING, hide_short_help = true)]
    pub key_file: Option<PathBuf>,
    /// Do not check whose certificate a TLS destination shows: anyone in between can read and change what is sent
    #[arg(long, help_heading = SENDING, hide_short_help = true)]
    pub insecure_skip_verify: bool,
}

/// How stores of traces (`--traces jaeger=`) are reached.
#[derive(Debug, Args)]
pub struct TraceStoreArgs {
    /// A header of every request to a store of traces, --traces jaeger= (repeatable)
    #[arg(long, value_name = "KEY=VALUE", help_heading = INPUT, hide_short_help = true)]
    pub traces_header: Vec<String>,
    /// PEM file of what a TLS store of traces is trusted by: its authority, or its own certificate
    #[arg(long, value_name = "FILE", help_heading = INPUT, hide_short_help = true)]
    pub traces_ca_file: Option<PathBuf>,
    /// PEM file of the certificate shown to a TLS store of traces
    #[arg(long, value_name = "FILE", requires = "traces_key_file", help_heading = INPUT, hide_short_help = true)]
    pub traces_cert_file: Option<PathBuf>,
    /// PEM file of its key
    #[arg(long, value_name = "FILE", requires = "traces_cert_file", help_heading = INPUT, hide_short_help = true)]
    pub traces_key_file: Option<PathBuf>,
    /// Do not check whose certificate a TLS store of traces shows
    #[arg(long, help_heading = INPUT, hide_short_help = true)]
    pub traces_insecure_skip_verify: bool,
}
