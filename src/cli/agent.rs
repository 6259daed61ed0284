//! What can be typed for `spanline agent`, `spanline config` and `spanline status`: types only, `config` gives them their
//! meaning.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::backfill::CompressionName;
use super::choices::AboutEventsName;
use super::heading::{INPUT, LIMITS, MESSAGES, OUTPUT, SENDING, SPANS};
use super::values::{parse_bytes, parse_duration};

/// Flags of `spanline agent`.
#[derive(Debug, Clone, Default, Args)]
#[command(after_help = "Examples:
  spanline config default > agent.yaml
  spanline agent --config agent.yaml --check
  spanline agent --config agent.yaml
  spanline agent --logs-to otlp=http://collector:4317")]
pub struct AgentArgs {
    /// The configuration file, as spanline config default prints it; flags win over it, it wins over the environment
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Read the configuration, say what would be followed and sent where, and end
    #[arg(long)]
    pub check: bool,
    /// The folder of all pods' logs; none: they are not followed [default: /var/log/pods]
    #[arg(long, value_name = "DIR", help_heading = INPUT)]
    pub pods_path: Option<PathBuf>,
    /// Where files begin that exist at the first start [default: end]
    #[arg(long, value_enum, value_name = "WHERE", help_heading = INPUT, hide_short_help = true)]
    pub pods_start: Option<StartName>,
    /// Pods' files that are left out (repeatable): a path with *, **, ? and [a-z]
    #[arg(long, value_name = "PATTERN", help_heading = INPUT, hide_short_help = true)]
    pub pods_exclude: Vec<String>,
    /// Other files to follow (repeatable), in place of the files of the configuration: a path with *, **, ? and [a-z]
    #[arg(long, value_name = "PATTERN", help_heading = INPUT)]
    pub files_include: Vec<String>,
    /// Those of them that are left out (repeatable)
    #[arg(long, value_name = "PATTERN", requires = "files_include", help_heading = INPUT, hide_short_help = true)]
    pub files_exclude: Vec<String>,
    /// Their service.name [default: what the file's name tells]
    #[arg(long, value_name = "NAME", requires = "files_include", help_heading = INPUT, hide_short_help = true)]
    pub files_service: Option<String>,
    /// Where they begin if they exist at the first start [default: end]
    #[arg(long, value_enum, value_name = "WHERE", requires = "files_include", help_heading = INPUT, hide_short_help = true)]
    pub files_start: Option<StartName>,
    /// The folder of systemd's journal; none: it is not followed [default: /var/log/journal]
    #[arg(long, value_name = "DIR", help_heading = INPUT, hide_short_help = true)]
    pub journal_path: Option<PathBuf>,
    /// Units, or programs, whose entries are read (repeatable); * for all [default: kubelet, crio, containerd, conmonrs]
    #[arg(long, value_name = "NAME", help_heading = INPUT, hide_short_help = true)]
    pub journal_units: Vec<String>,
    /// Where it begins at the first start: end, beginning, or a time, such as 2h (so long before) or 2026-11-23T09:15:00Z
    /// [default: end]
    #[arg(long, value_name = "WHERE", help_heading = INPUT, hide_short_help = true)]
    pub journal_start: Option<String>,
    /// Where logs go (repeatable): otlp=URL, or otlp as the OTEL_EXPORTER_OTLP_* variables say; none: lines go onto spans only
    #[arg(long, value_name = "DEST", help_heading = OUTPUT)]
    pub logs_to: Vec<String>,
    /// The folder of what must be remembered [default: /var/lib/spanline]
    #[arg(long, value_name = "DIR", help_heading = OUTPUT)]
    pub state: Option<PathBuf>,
    /// Compression of what is sent [default: zstd, or OTEL_EXPORTER_OTLP_COMPRESSION]
    #[arg(long, value_enum, value_name = "HOW", help_heading = SENDING, hide_short_help = true)]
    pub logs_compression: Option<CompressionName>,
    /// How long stopping may take; what is not delivered by then stays in its files for the next start [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = SENDING, hide_short_help = true)]
    pub grace: Option<Duration>,
    /// Memory, of which half is for lines and batches that are held [default: 128MiB]
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes, help_heading = LIMITS, hide_short_help = true)]
    pub memory: Option<u64>,
    /// The flags of spans.
    #[command(flatten)]
    pub tap: TapArgs,
    /// How long lines wait for their spans at most [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = SPANS, hide_short_help = true)]
    pub link_wait: Option<Duration>,
    /// Links below this confidence are not made [default: 0.9]
    #[arg(long, value_name = "C", help_heading = SPANS, hide_short_help = true)]
    pub min_confidence: Option<f32>,
    /// What is told of pods beside their lines [default: path]
    #[arg(long, value_enum, value_name = "FROM", help_heading = INPUT, hide_short_help = true)]
    pub metadata: Option<MetadataName>,
    /// Where the kubelet is asked for its pods [default: https://127.0.0.1:10250, or the address in NODE_IP]
    #[arg(long, value_name = "URL", help_heading = INPUT, hide_short_help = true)]
    pub metadata_url: Option<String>,
    /// PEM file of what the kubelet's certificate is checked against; none: of what this machine trusts [default: that of the
    /// pod's service account]
    #[arg(long, value_name = "FILE", help_heading = INPUT, hide_short_help = true)]
    pub metadata_ca: Option<PathBuf>,
    /// Do not check whose certificate the kubelet shows: anyone in between can read the token
    #[arg(long, help_heading = INPUT, hide_short_help = true)]
    pub metadata_insecure_skip_verify: bool,
    /// Where /metrics, /healthz, /readyz and /status are served; none: nowhere [default: 127.0.0.1:9464]
    #[arg(long, value_name = "ADDRESS", help_heading = MESSAGES)]
    pub telemetry_listen: Option<String>,
    /// Which of its own messages are shown [default: info]
    #[arg(long, value_enum, value_name = "LEVEL", help_heading = MESSAGES, hide_short_help = true)]
    pub telemetry_log: Option<LogName>,
    /// Where its own metrics and traces are sent each 30 s: otlp=URL, otlp or none [default: none]
    #[arg(long, value_name = "DEST", help_heading = MESSAGES, hide_short_help = true)]
    pub telemetry_otlp: Option<String>,
}

/// How spans are received and passed on: off unless one of these is given, or `tap` in the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct TapArgs {
    /// Receive OTLP and pass it on there (repeatable): otlp=URL, otlp, or none to keep nothing
    #[arg(long, value_name = "DEST", help_heading = OUTPUT)]
    pub forward: Vec<String>,
    /// Where clients of gRPC are expected; none: nowhere [default: 127.0.0.1:4317]
    #[arg(long, value_name = "ADDRESS", help_heading = SPANS, hide_short_help = true)]
    pub tap_grpc: Option<String>,
    /// Where clients of HTTP are expected; none: nowhere [default: 127.0.0.1:4318]
    #[arg(long, value_name = "ADDRESS", help_heading = SPANS, hide_short_help = true)]
    pub tap_http: Option<String>,
    /// A unix socket for them [default: none]
    #[arg(long, value_name = "PATH", help_heading = SPANS, hide_short_help = true)]
    pub tap_unix: Option<PathBuf>,
    /// The token that clients over TCP must have, as authorization: Bearer TOKEN
    #[arg(long, value_name = "TOKEN", help_heading = SPANS, hide_short_help = true)]
    pub tap_token: Option<String>,
    /// Take spans from other machines, from anybody and unencrypted
    #[arg(long, help_heading = SPANS, hide_short_help = true)]
    pub tap_insecure: bool,
    /// Memory for requests that wait to be passed on [default: 32MiB, or a quarter of --memory if that is less]
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes, help_heading = SPANS, hide_short_help = true)]
    pub tap_queue: Option<u64>,
    /// Bytes of them in the state folder, beyond that [default: 256MiB]
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes, help_heading = SPANS, hide_short_help = true)]
    pub tap_spill: Option<u64>,
    /// When a client is answered [default: accepted]
    #[arg(long, value_enum, value_name = "WHEN", help_heading = SPANS, hide_short_help = true)]
    pub tap_answer: Option<AnswerName>,
    /// How long a request with spans may be held for its lines [default: 500ms]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = SPANS, hide_short_help = true)]
    pub tap_hold: Option<Duration>,
    /// Where lines go that belong to spans, beside the logs [default: annotate]
    #[arg(long, value_enum, value_name = "HOW", help_heading = SPANS, hide_short_help = true)]
    pub tap_span_events: Option<SpanEventsName>,
    /// Where lines go whose spans have passed already, beside the logs [default: carrier]
    #[arg(long, value_enum, value_name = "HOW", help_heading = SPANS, hide_short_help = true)]
    pub tap_late_events: Option<LateEventsName>,
    /// What becomes of logs that come by OTLP [default: link]
    #[arg(long, value_enum, value_name = "HOW", help_heading = SPANS, hide_short_help = true)]
    pub tap_logs: Option<TapLogsName>,
    /// Which lines about a request become events of its span, marked about [default: all]
    #[arg(long, value_enum, value_name = "WHICH", help_heading = SPANS, hide_short_help = true)]
    pub tap_about_events: Option<AboutEventsName>,
}

/// `--tap-logs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TapLogsName {
    /// Records without ids get those of their span, and wait for it
    Link,
    /// They pass as they came
    Pass,
}

/// `--tap-span-events`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SpanEventsName {
    /// On the spans as they pass, as events; later ones as --tap-late-events says
    Annotate,
    /// On small child spans, all of them; spans pass as they came
    Carrier,
    /// Nowhere
    None,
}

/// `--tap-late-events`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LateEventsName {
    /// On small child spans of theirs, as events
    Carrier,
    /// Nowhere
    None,
}

/// `--tap-answer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AnswerName {
    /// Once its request is in the queue
    Accepted,
    /// With the destination's own answer
    Delivered,
}

/// `--pods-start`, `--files-start`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StartName {
    /// With what is written from then on
    End,
    /// With what is there
    Beginning,
}

/// `--metadata`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MetadataName {
    /// Nothing: no attribute k8s.*
    None,
    /// What the paths of their logs tell
    Path,
    /// Labels, owners and images too, which the kubelet is asked for
    Kubelet,
}

/// `--telemetry-log`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)]
pub enum LogName {
    Error,
    Warn,
    Info,
    Debug,
}

/// `spanline config`.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum ConfigCommand {
    /// Print the agent's configuration with its defaults and what they mean
    Default,
}

/// Flags of `spanline status`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  spanline status --watch\n  \
                        kubectl exec ds/spanline -- spanline status")]
pub struct StatusArgs {
    /// Where the agent serves it: its telemetry.listen
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9464")]
    pub url: String,
    /// Show it again every two seconds, until Ctrl-C
    #[arg(long)]
    pub watch: bool,
}
