//! `spanline agent`, `spanline config` and `spanline status`: what a user sees of an agent.
//!
//! In goes a configuration, or the status of a running agent, out come words on a terminal or in the agent's own log. What the
//! agent does is decided in the pipeline.

pub mod check;
pub mod follow;
pub mod status;
pub mod watch;

use std::borrow::Cow;

use super::flags::with_names;
use crate::setting::Setting;

/// The text with what an agent's user sets in place of each setting that it speaks of: keys of the configuration, and
/// variables for what it has no key for.
pub fn with_keys(text: &str) -> Cow<'_, str> {
    with_names(text, key)
}

fn key(setting: Setting) -> &'static str {
    match setting {
        Setting::CaFile => "OTEL_EXPORTER_OTLP_CERTIFICATE",
        Setting::CertFile => "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
        Setting::KeyFile => "OTEL_EXPORTER_OTLP_CLIENT_KEY",
        Setting::Destination => "logs.to",
        Setting::Header => "logs.headers",
        Setting::State => "state",
        Setting::KubeletCaFile => "metadata.ca",
        Setting::KubeletInsecureSkipVerify => "metadata.insecure_skip_verify",
        // The agent has nothing of the kind; no message of its parts speaks of it.
        other => other.name(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_named_by_what_an_agent_reads() {
        let text = format!("{} otlp=http://c:4317: trust it by {}", Setting::Destination, Setting::CaFile);
        assert_eq!(with_keys(&text), "logs.to otlp=http://c:4317: trust it by OTEL_EXPORTER_OTLP_CERTIFICATE");
    }
}
