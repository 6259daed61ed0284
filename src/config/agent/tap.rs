//! How spans are received and passed on: flags and file together, with defaults.
//!
//! In go the texts of flags and of a file, out comes a [`TapConfig`], or what is wrong with a text. The tap is on where anything of
//! it is given.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use super::fields::{Problems, Sited};
use super::file_tap::TapWritten;
use super::paths::absolute;
use crate::cli::{AboutEventsName, AnswerName, LateEventsName, SpanEventsName, TapArgs, TapLogsName};
use crate::config::error::{ConfigError, Surroundings};
use crate::otlp::address::shown;
use crate::otlp::proxy::Proxy;
use crate::otlp::{Endpoint, Role, Signal};
use crate::tap::config::{AnswerWhen, Forward, TapConfig};

/// The ports that OTLP has (<https://opentelemetry.io/docs/specs/otlp/>), where its clients look for a receiver.
const GRPC_PORT: u16 = 4317;
const HTTP_PORT: u16 = 4318;
const QUEUE_DEFAULT: u64 = 32 << 20;
/// Less would not hold one large request.
const QUEUE_LEAST: u64 = 1 << 20;
const SPILL_DEFAULT: u64 = 256 << 20;
/// At the tap a span waits for its lines no longer than this.
const HOLD_DEFAULT: Duration = Duration::from_millis(500);
/// Exporters send what has ended each 5 s, and must not fall behind.
const HOLD_MOST: Duration = Duration::from_secs(4);
/// Once lines have waited, this is time enough to decide them: those of a clock that is ahead get 2 s, and a step takes one.
const DECIDED_WITHIN: Duration = Duration::from_secs(5);
/// What turns an address off, and keeps nothing.
const NONE: &str = "none";

/// How spans are received and passed on; `None`: they are not. `wait`: lines wait for their spans no longer.
pub(super) fn tap(
    args: &TapArgs,
    written: Option<Option<Sited<TapWritten>>>,
    (memory_bytes, wait): (u64, Duration),
    around: &Surroundings<'_>,
    problems: &mut Problems,
) -> Result<Option<Box<TapConfig>>, ConfigError> {
    let (line, of_file) = match written {
        Some(Some(written)) => (Some(written.line), written.value),
        Some(None) | None if *args == TapArgs::default() => return Ok(None),
        Some(None) | None => (None, TapWritten::default()),
    };
    let forward = forwards(args, &of_file, line, around, problems)?;
    let unix = args.tap_unix.as_deref().filter(|path| *path != Path::new(NONE));
    let unix = unix.map(|path| absolute("--tap-unix", path)).transpose()?;
    let queue_bytes = args.tap_queue.or(of_file.queue).unwrap_or(QUEUE_DEFAULT.min(memory_bytes / 4).max(QUEUE_LEAST));
    let answer = args.tap_answer.map(|name| match name {
        AnswerName::Accepted => AnswerWhen::Accepted,
        AnswerName::Delivered => AnswerWhen::Delivered,
    });
    let span_events = args.tap_span_events.or(of_file.span_events).unwrap_or(SpanEventsName::Annotate);
    let late_events = args.tap_late_events.map(|name| name == LateEventsName::Carrier);
    let hold = held(args, of_file.hold, problems)?;
    let links_logs = args.tap_logs.map(|name| name == TapLogsName::Link).or(of_file.logs).unwrap_or(true);
    let config = TapConfig {
        grpc: address("--tap-grpc", args.tap_grpc.as_deref(), of_file.grpc, GRPC_PORT)?,
        http: address("--tap-http", args.tap_http.as_deref(), of_file.http, HTTP_PORT)?,
        unix: if args.tap_unix.is_some() { unix } else { of_file.unix.flatten() },
        tls: of_file.tls,
        token: args.tap_token.clone().or(of_file.token),
        forward,
        queue_bytes,
        spill_bytes: args.tap_spill.or(of_file.spill.unwrap_or(Some(SPILL_DEFAULT))),
        answer: answer.or(of_file.answer).unwrap_or(AnswerWhen::Accepted),
        hold: if span_events == SpanEventsName::Annotate { hold } else { Duration::ZERO },
        hold_logs: if links_logs { wait + DECIDED_WITHIN } else { Duration::ZERO },
        about_events: args.tap_about_events.or(of_file.about_events) != Some(AboutEventsName::None),
        late_events: span_events != SpanEventsName::None && late_events.or(of_file.late_events).unwrap_or(true),
    };
    let is_insecure = args.tap_insecure || of_file.insecure == Some(true);
    if let Some(((key, flag), reason)) = wrong(&config, is_insecure, memory_bytes) {
        match line {
            Some(line) => problems.add(line, format!("{key}: {reason}")),
            None => return Err(ConfigError::new(flag, reason)),
        }
    }
    Ok(Some(Box::new(config)))
}

/// How long requests with spans may be held.
fn held(args: &TapArgs, written: Option<Sited<Duration>>, problems: &mut Problems) -> Result<Duration, ConfigError> {
    let reason = format!("must be at most {} s", HOLD_MOST.as_secs());
    if args.tap_hold.is_some_and(|hold| hold > HOLD_MOST) {
        return Err(ConfigError::new("--tap-hold", reason));
    }
    if let Some(hold) = written.as_ref().filter(|hold| hold.value > HOLD_MOST) {
        problems.add(hold.line, format!("tap.hold: {reason}"));
    }
    Ok(args.tap_hold.or(written.map(|hold| hold.value)).unwrap_or(HOLD_DEFAULT))
}

/// What is wrong with values together: the key and the flag that it is about, and why.
fn wrong(config: &TapConfig, is_insecure: bool, memory_bytes: u64) -> Option<((&'static str, &'static str), String)> {
    let sockets = [("tap.grpc", "--tap-grpc", config.grpc), ("tap.http", "--tap-http", config.http)];
    if config.sockets().is_empty() {
        return Some((("tap", "--tap-grpc"), "spans are received nowhere: all addresses are turned off".to_owned()));
    }
    if config.grpc.is_some() && config.grpc == config.http && config.grpc.is_some_and(|address| address.port() != 0) {
        let reason = "it is the address of gRPC too: both are understood there, turn one of them off";
        return Some((("tap.http", "--tap-http"), reason.to_owned()));
    }
    let is_guarded = config.tls.is_some() || config.token.is_some() || is_insecure;
    for (key, flag, address) in sockets {
        if let Some(address) = address.filter(|address| !address.ip().is_loopback() && !is_guarded) {
            let reason = format!(
                "{address} can be reached from other machines: give tap.tls or a token, or say that anybody may send by insecure"
            );
            return Some(((key, flag), reason));
        }
    }
    // A memory that is too small itself is told of elsewhere.
    let most = (memory_bytes / 2).max(QUEUE_LEAST);
    if !(QUEUE_LEAST..=most).contains(&config.queue_bytes) {
        let reason = format!("must be 1MiB or more, and at most half of the memory, {} MiB", most >> 20);
        return Some((("tap.queue", "--tap-queue"), reason));
    }
    let own = config.forward.iter().find(|forward| is_own(forward, config));
    own.map(|forward| {
        let reason = format!("{} is the tap itself: requests would go round for ever", forward.name());
        (("tap.forward", "--forward"), reason)
    })
}

/// A destination that is this tap.
fn is_own(forward: &Forward, config: &TapConfig) -> bool {
    let Some((_, endpoint)) = forward.endpoints.first().filter(|(_, endpoint)| endpoint.proxy.is_none()) else {
        return false;
    };
    let host: Option<IpAddr> = match endpoint.host() {
        "localhost" => Some(Ipv4Addr::LOCALHOST.into()),
        host => host.parse().ok(),
    };
    let listened = [config.grpc, config.http].into_iter().flatten();
    host.is_some_and(|host| {
        listened
            .filter(|own| own.port() == endpoint.port())
            .any(|own| own.ip() == host || host.is_loopback() && (own.ip().is_unspecified() || own.ip().is_loopback()))
    })
}

fn address(
    flag: &'static str,
    typed: Option<&str>,
    written: Option<Option<SocketAddr>>,
    port: u16,
) -> Result<Option<SocketAddr>, ConfigError> {
    match typed {
        Some(NONE) => Ok(None),
        Some(text) => {
            let bad = |_| format!("{text:?} is no IP address with a port, such as 127.0.0.1:{port}, nor none");
            text.parse().map(Some).map_err(bad).map_err(|reason| ConfigError::new(flag, reason))
        }
        None => Ok(written.unwrap_or(Some(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)))),
    }
}

/// The destinations of flags, else of the file. There is no default: where spans go on to, only their user knows.
fn forwards(
    args: &TapArgs,
    of_file: &TapWritten,
    line: Option<usize>,
    around: &Surroundings<'_>,
    problems: &mut Problems,
) -> Result<Vec<Forward>, ConfigError> {
    const MISSING: &str =
        "say where spans go on to, otlp=URL, or none to keep nothing on purpose (a copy from a collector)";
    if !args.forward.is_empty() {
        let forwards = all(args.forward.iter().map(String::as_str), around);
        return forwards.map_err(|(_, error)| ConfigError::new("--forward", error));
    }
    match (line, of_file.forward.as_slice()) {
        (Some(line), []) => problems.add(line, format!("tap.forward: {MISSING}")),
        (None, []) => return Err(ConfigError::new("--forward", MISSING)),
        (_, written) => match all(written.iter().map(|sited| sited.value.as_str()), around) {
            Ok(forwards) => return Ok(forwards),
            Err((at, error)) => problems.add(written[at].line, format!("tap.forward: {error}")),
        },
    }
    Ok(Vec::new())
}

/// All of them, or the place of the first that is wrong.
fn all<'t>(texts: impl Iterator<Item = &'t str>, around: &Surroundings<'_>) -> Result<Vec<Forward>, (usize, String)> {
    let texts: Vec<&str> = texts.collect();
    if texts == [NONE] {
        return Ok(Vec::new());
    }
    let mut forwards: Vec<Forward> = Vec::new();
    for (at, text) in texts.iter().enumerate() {
        let forward = forward(text, around).map_err(|error| (at, error))?;
        if forwards.contains(&forward) {
            return Err((at, format!("{} is given twice: everything would be sent to it twice", forward.name())));
        }
        forwards.push(forward);
    }
    Ok(forwards)
}

/// dest = "otlp" [ "=" url ]
fn forward(text: &str, around: &Surroundings<'_>) -> Result<Forward, String> {
    let endpoint = |signal: Signal| -> Result<(Signal, Endpoint), String> {
        let endpoint = match text.split_once('=') {
            None if text == "otlp" => Endpoint::from_variables(signal, around.variable),
            Some(("otlp", url)) => Endpoint::from_url(&url_of(url, signal), signal, around.variable),
            _ if text == NONE => return Err("none stands alone: with it nothing is kept".to_owned()),
            _ => return Err(format!("{:?} is neither otlp=URL, otlp, nor none", shown(text))),
        };
        let mut endpoint = endpoint.map_err(|error| error.to_string())?;
        endpoint.role = Role::Forward;
        endpoint.proxy = Proxy::of(&endpoint.uri, around.variable).map_err(|error| error.to_string())?;
        Ok((signal, endpoint))
    };
    let endpoints: Vec<(Signal, Endpoint)> = Signal::ALL.into_iter().map(endpoint).collect::<Result<_, _>>()?;
    let is_of_one_protocol = endpoints.windows(2).all(|pair| pair[0].1.protocol == pair[1].1.protocol);
    if !is_of_one_protocol {
        return Err("the OTEL_EXPORTER_OTLP_*_PROTOCOL variables must be alike for all signals".to_owned());
    }
    Ok(Forward { endpoints })
}

/// A URL that ends in the path of one signal is meant for all.
fn url_of(url: &str, signal: Signal) -> String {
    let base = Signal::ALL.into_iter().find_map(|signal| url.strip_suffix(signal.http_path()));
    base.map_or_else(|| url.to_owned(), |base| format!("{base}{}", signal.http_path()))
}

#[cfg(test)]
#[path = "tap_tests.rs"]
mod tests;
