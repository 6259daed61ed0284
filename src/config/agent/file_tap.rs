//! The `tap` of the agent's configuration file as it is written: YAML to values, without defaults.
//!
//! In goes the node of the file, out come its values and problems. What they mean together is decided in [`tap`](super::tap).

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::fields::{Field, Names, Problems, Sited};
use super::keys::names;
use crate::cli::{AboutEventsName, SpanEventsName};
use crate::otlp::server::access::ServerTls;
use crate::tap::config::AnswerWhen;

/// What stands in a file; `None`: it does not, `Some(None)`: it is turned off.
#[derive(Debug, Default)]
pub(super) struct TapWritten {
    pub(super) grpc: Option<Option<SocketAddr>>,
    pub(super) http: Option<Option<SocketAddr>>,
    pub(super) unix: Option<Option<PathBuf>>,
    pub(super) tls: Option<ServerTls>,
    pub(super) token: Option<String>,
    pub(super) insecure: Option<bool>,
    pub(super) forward: Vec<Sited<String>>,
    pub(super) queue: Option<u64>,
    pub(super) spill: Option<Option<u64>>,
    pub(super) answer: Option<AnswerWhen>,
    pub(super) hold: Option<Sited<Duration>>,
    pub(super) span_events: Option<SpanEventsName>,
    pub(super) late_events: Option<bool>,
    pub(super) logs: Option<bool>,
    pub(super) about_events: Option<AboutEventsName>,
}

const TAP: Names = names(
    &[
        "grpc",
        "http",
        "unix",
        "tls",
        "token",
        "insecure",
        "forward",
        "queue",
        "spill",
        "answer",
        "hold",
        "span_events",
        "late_events",
        "logs",
        "about_events",
    ],
    &[],
);
const TLS: Names = names(&["cert", "key", "client_ca"], &[]);

const ANSWERS: [(&str, AnswerWhen); 2] = [("accepted", AnswerWhen::Accepted), ("delivered", AnswerWhen::Delivered)];
const SPAN_EVENTS: [(&str, SpanEventsName); 3] =
    [("annotate", SpanEventsName::Annotate), ("carrier", SpanEventsName::Carrier), ("none", SpanEventsName::None)];
const LATE_EVENTS: [(&str, bool); 2] = [("carrier", true), ("none", false)];
const LOGS: [(&str, bool); 2] = [("link", true), ("pass", false)];
const ABOUT_EVENTS: [(&str, AboutEventsName); 2] = [("all", AboutEventsName::All), ("none", AboutEventsName::None)];
const BOOLEANS: [(&str, bool); 2] = [("true", true), ("false", false)];

pub(super) fn tap(field: &Field<'_>, problems: &mut Problems) -> Option<Sited<TapWritten>> {
    let tap = field.section(TAP, problems)?;
    let forward = |field: &Field<'_>, problems: &mut Problems| Some(field.each(problems, Field::text));
    let value = TapWritten {
        grpc: tap.read_or_off("grpc", problems, Field::address),
        http: tap.read_or_off("http", problems, Field::address),
        unix: tap.read_or_off("unix", problems, Field::absolute_path),
        tls: tap.read_or_off("tls", problems, tls).flatten(),
        token: tap.read_or_off("token", problems, token).flatten(),
        insecure: tap.read("insecure", problems, |field, problems| field.choice(&BOOLEANS, problems)),
        forward: tap.read_or_off("forward", problems, forward).flatten().unwrap_or_default(),
        queue: tap.read("queue", problems, Field::bytes),
        spill: tap.read_or_off("spill", problems, Field::bytes),
        hold: tap.read("hold", problems, |field, problems| {
            let value = field.duration(problems)?;
            Some(Sited { line: field.node.line, value })
        }),
        span_events: tap.read("span_events", problems, |field, problems| field.choice(&SPAN_EVENTS, problems)),
        late_events: tap.read("late_events", problems, |field, problems| field.choice(&LATE_EVENTS, problems)),
        logs: tap.read("logs", problems, |field, problems| field.choice(&LOGS, problems)),
        about_events: tap.read("about_events", problems, |field, problems| field.choice(&ABOUT_EVENTS, problems)),
        answer: tap.read("answer", problems, |field, problems| field.choice(&ANSWERS, problems)),
    };
    Some(Sited { line: field.node.line, value })
}

fn tls(field: &Field<'_>, problems: &mut Problems) -> Option<ServerTls> {
    let tls = field.section(TLS, problems)?;
    let cert = tls.read("cert", problems, Field::absolute_path);
    let key = tls.read("key", problems, Field::absolute_path);
    let client_ca = tls.read_or_off("client_ca", problems, Field::absolute_path).flatten();
    for name in ["cert", "key"] {
        if tls.field(name).is_none() {
            problems.add(field.node.line, format!("{}: give {name}, a PEM file", field.path));
        }
    }
    Some(ServerTls { cert: cert?, key: key?, client_ca })
}

/// It is secret: a problem does not repeat it.
fn token(field: &Field<'_>, problems: &mut Problems) -> Option<String> {
    let mut own = Problems::default();
    let token = field.text(&mut own);
    if token.is_none() {
        problems.add(field.node.line, format!("{}: text is expected, in quotes", field.path));
    }
    token
}
