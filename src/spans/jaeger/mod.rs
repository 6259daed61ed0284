//! Traces from a running Jaeger, through `jaeger.api_v3`.
//!
//! In goes a window of time, out come the traces that have a span in it, each once, as export requests in protobuf. A window with
//! more traces than one answer may hold is halved; a depth that the store refuses too; a store that searches only by
//! service is asked service by service, but for Jaeger's own traces of itself. How it is asked is
//! [`crate::otlp::query`]'s.

mod wire;

use std::collections::HashSet;
use std::fmt::Write as _;
use std::time::Duration;

use super::transcode::json;
use crate::otlp::query::QueryClient;
use crate::otlp::wire::messages::{self, REQUEST};
use crate::otlp::wire::spans::{self, Head, Keep};
use crate::otlp::wire::splice::Splice;
use crate::otlp::wire::write::Buffer;
use crate::otlp::{Class, Code, Protocol, SendError};

/// Traces asked for at once.
const DEPTH: u32 = 1000;
/// Jaeger traces the queries it answers.
const ITSELF: &str = "jaeger";
/// Retries of a query after the connection failed.
const TRIES: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The same complaint is not made for ever.
const MESSAGES_MAX: usize = 10;
/// Nothing is looked for further back than a day because of long spans.
const LOOK_BACK_MAX: i64 = 24 * 3600 * 1_000_000_000;
/// Windows are not halved below: stores keep µs.
const SHORTEST: i64 = 1000;

/// One question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// Empty: all services.
    pub service: String,
    /// First start of a span, ns since the epoch.
    pub from: i64,
    /// The start to stop before.
    pub to: i64,
}

/// What was fetched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fetched {
    /// From when on traces were asked for, ns since the epoch.
    pub from: i64,
    /// Questions asked.
    pub questions: u64,
    /// Traces.
    pub traces: u64,
    /// What could not be had, in words.
    pub missing: Vec<String>,
}

/// A server that can be asked.
pub trait Server {
    /// Traces with a span that starts in the window, at most `depth`; a trace may come in pieces.
    fn find(&mut self, search: &Search, depth: u32) -> Result<Vec<Vec<u8>>, SendError>;
    /// All services.
    fn services(&mut self) -> Result<Vec<String>, SendError>;
}

/// Ids of the traces that were fetched.
type Seen = HashSet<[u8; 16]>;

/// Fetches the traces of a window, and of `look_back` before it; where spans last longer than that, of so long before it as
/// they do: others that began then may still be open.
pub fn fetch_open<E: From<SendError>>(
    server: &mut dyn Server,
    (first, to): (i64, i64),
    look_back: Duration,
    mut each: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<Fetched, E> {
    let look_back = i64::try_from(look_back.as_nanos()).unwrap_or(i64::MAX);
    let mut window = (first.saturating_sub(look_back), to);
    let mut fetched = Fetched { from: window.0, ..Fetched::default() };
    let (mut seen, mut longest) = (Seen::new(), 0);
    loop {
        let more = fetch(server, window, &mut seen, |request| {
            longest = longest.max(longest_of(request));
            each(request)
        })?;
        fetched.questions += more.questions;
        fetched.traces += more.traces;
        fetched.missing.extend(more.missing);
        let from = first.saturating_sub(longest.min(LOOK_BACK_MAX));
        if from >= fetched.from {
            return Ok(fetched);
        }
        window = (from, fetched.from);
        fetched.from = from;
    }
}

/// How long the longest span lasts, ns.
fn longest_of(request: &[u8]) -> i64 {
    let mut longest = 0;
    spans::each(request, |at| {
        let head = Head::of(at.span);
        longest = longest.max(head.end.saturating_sub(head.start));
    });
    i64::try_from(longest).unwrap_or(i64::MAX)
}

/// Fetches all traces of a window that were not seen before; `each` takes them in pieces, and may fail.
fn fetch<E: From<SendError>>(
    server: &mut dyn Server,
    (from, to): (i64, i64),
    seen: &mut Seen,
    mut each: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<Fetched, E> {
    let mut fetched = Fetched { from, ..Fetched::default() };
    let mut depth = DEPTH;
    let mut overfull = 0u64;
    let mut open = vec![Search { service: String::new(), from, to }];
    while let Some(search) = open.pop() {
        fetched.questions += 1;
        let pieces = match server.find(&search, depth) {
            Ok(pieces) => pieces,
            Err(error) if search.service.is_empty() && wants_service(&error) => {
                let services = server.services()?;
                let named = services.into_iter().filter(|service| service != ITSELF && !service.is_empty());
                open.extend(named.map(|service| Search { service, ..search.clone() }));
                continue;
            }
            Err(error) if depth > 1 && refuses_depth(&error) => {
                depth /= 2;
                open.push(search);
                continue;
            }
            Err(error) if error.class == Class::TooLarge && halve(&search, &mut open) => continue,
            Err(error) if error.class == Class::TooLarge => {
                if fetched.missing.len() < MESSAGES_MAX {
                    fetched.missing.push(format!("traces that begin within {SHORTEST} ns: {error}"));
                }
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let mut found = Seen::new();
        for piece in pieces {
            let piece = only_new(&piece, seen, &mut found);
            if !piece.is_empty() {
                each(&piece)?;
            }
        }
        let count = found.len();
        fetched.traces += found.iter().filter(|id| !seen.contains(*id)).count() as u64;
        seen.extend(found);
        if count >= depth as usize && !halve(&search, &mut open) {
            overfull += 1;
        }
    }
    if overfull > 0 {
        let what = format!("as many as one answer may hold ({depth}) begin within 1 µs, {overfull} times");
        fetched.missing.push(format!("there may be more traces than were given: {what}"));
    }
    Ok(fetched)
}

/// The spans of traces that did not come before, without Jaeger's own; `found` gets every trace id.
fn only_new(piece: &[u8], seen: &Seen, found: &mut Seen) -> Vec<u8> {
    let (mut splice, mut new) = (Splice::default(), Vec::new());
    spans::edit(piece, &mut splice, true, |_, at| {
        let head = Head::of(at.span);
        if !head.has_trace_id {
            return Keep::No;
        }
        found.insert(head.trace_id);
        if seen.contains(&head.trace_id) || is_its_own(at.group) { Keep::No } else { Keep::Yes }
    });
    splice.apply(piece, &mut new);
    new
}

/// Spans of this resource are Jaeger's own.
fn is_its_own(group: &[u8]) -> bool {
    let mut attributes = spans::within(group, 1).flat_map(|resource| spans::within(resource, 1)).map(spans::attribute);
    attributes.any(|(key, value)| key == b"service.name" && spans::text(value) == Some(ITSELF))
}

/// Puts both halves of a window on the stack; false where it is too short.
fn halve(search: &Search, open: &mut Vec<Search>) -> bool {
    let length = search.to.saturating_sub(search.from);
    if length <= SHORTEST {
        return false;
    }
    // On a whole µs, so that the shortest windows hold one of them.
    let middle = search.from + length / 2;
    let middle = Some(middle - middle.rem_euclid(SHORTEST)).filter(|whole| *whole > search.from).unwrap_or(middle);
    open.push(Search { from: middle, ..search.clone() });
    open.push(Search { to: middle, ..search.clone() });
    true
}

/// Badger and Cassandra: "this storage backend requires a service name to search".
fn wants_service(error: &SendError) -> bool {
    let asked_wrongly = matches!(error.code, Code::Grpc(3) | Code::Http(400));
    asked_wrongly && error.message.to_ascii_lowercase().contains("service name")
}

/// The memory store: "search depth must be greater than 0 and less than max traces".
fn refuses_depth(error: &SendError) -> bool {
    error.code.is_answer() && error.message.to_ascii_lowercase().contains("search depth")
}

/// A Jaeger over the network.
pub struct Jaeger {
    client: QueryClient,
    runtime: tokio::runtime::Runtime,
    bytes_max: usize,
    answered: bool,
}

impl Jaeger {
    /// Answers over HTTP, and single traces over gRPC, of at most this many bytes.
    pub fn new(client: QueryClient, bytes_max: usize) -> std::io::Result<Jaeger> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Jaeger { client, runtime, bytes_max, answered: false })
    }

    /// Retries after a failed connection; a server that was never reached is an error at once.
    fn again<T>(&mut self, mut ask: impl FnMut(&Jaeger) -> Result<T, SendError>) -> Result<T, SendError> {
        let mut pause = FIRST_PAUSE;
        for _ in 1..TRIES {
            match ask(self) {
                Err(error) if is_passing(&error) && (self.answered || error.code != Code::Connect) => {
                    std::thread::sleep(pause);
                    pause *= 2;
                }
                other => {
                    self.answered = true;
                    return other;
                }
            }
        }
        ask(self)
    }

    fn get(&self, path: &str) -> Result<(u16, bytes::Bytes), SendError> {
        let (status, body) = self.runtime.block_on(self.client.get(path, self.bytes_max))?;
        match status.as_u16() {
            code @ (200 | 404) => Ok((code, body)),
            code => {
                let class =
                    if matches!(code, 429 | 502..=504) { Class::Retryable { after: None } } else { Class::Permanent };
                Err(SendError::new(class, Code::Http(code), message_of(&body)))
            }
        }
    }

    fn call(&self, method: &'static str, message: Vec<u8>) -> Result<Vec<Vec<u8>>, SendError> {
        let mut messages = Vec::new();
        let mut keep = |message: &[u8]| messages.push(message.to_vec());
        self.runtime.block_on(self.client.call(method, message, self.bytes_max, &mut keep))?;
        Ok(messages)
    }
}

fn is_passing(error: &SendError) -> bool {
    matches!(error.class, Class::Retryable { .. })
}

impl Server for Jaeger {
    fn find(&mut self, search: &Search, depth: u32) -> Result<Vec<Vec<u8>>, SendError> {
        match self.client.endpoint().protocol {
            Protocol::Grpc => {
                let message = wire::find_traces(search, depth);
                let messages =
                    self.again(|this| this.call("/jaeger.api_v3.QueryService/FindTraces", message.clone()))?;
                let broken = messages.iter().find_map(|message| messages::check(&REQUEST, message).err());
                broken.map_or(Ok(messages), |error| Err(unreadable(&error)))
            }
            Protocol::Http => {
                let path = path_of(search, depth);
                let (status, body) = self.again(|this| this.get(&path))?;
                traces_of(status, &body)
            }
        }
    }

    fn services(&mut self) -> Result<Vec<String>, SendError> {
        match self.client.endpoint().protocol {
            Protocol::Grpc => {
                let messages = self.again(|this| this.call("/jaeger.api_v3.QueryService/GetServices", Vec::new()))?;
                let message = messages.first().map_or(&[][..], Vec::as_slice);
                wire::services(message).ok_or_else(|| unreadable(&"a service's name is no text"))
            }
            Protocol::Http => {
                let (_, body) = self.again(|this| this.get("/api/v3/services"))?;
                #[derive(serde::Deserialize)]
                struct Services {
                    #[serde(default)]
                    services: Vec<String>,
                }
                serde_json::from_slice::<Services>(&body).map(|list| list.services).map_err(|error| unreadable(&error))
            }
        }
    }
}

/// Raw traces: as they were stored, not adjusted for people.
fn path_of(search: &Search, depth: u32) -> String {
    let time = |nanos: i64| chrono::DateTime::from_timestamp_nanos(nanos).format("%Y-%m-%dT%H:%M:%S%.9fZ").to_string();
    let (from, to) = (time(search.from), time(search.to));
    let mut path = format!(
        "/api/v3/traces?query.startTimeMin={from}&query.startTimeMax={to}&query.searchDepth={depth}&query.rawTraces=true"
    );
    if !search.service.is_empty() {
        path.push_str("&query.serviceName=");
        for byte in search.service.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' => path.push(char::from(byte)),
                _ => {
                    let _ = write!(path, "%{byte:02X}");
                }
            }
        }
    }
    path
}

/// answer = "{" "\"result\"" ":" traces-data "}"
fn traces_of(status: u16, body: &[u8]) -> Result<Vec<Vec<u8>>, SendError> {
    if status == 404 {
        let message = message_of(body);
        return match message.as_str() {
            "No traces found" => Ok(Vec::new()),
            _ => Err(SendError::new(
                Class::NotImplemented,
                Code::Http(404),
                format!("{message} (is this Jaeger's query port, and its version 2?)"),
            )),
        };
    }
    let inner = || {
        let rest = body.trim_ascii().strip_prefix(b"{")?.trim_ascii_start().strip_prefix(b"\"result\"")?;
        rest.trim_ascii_start().strip_prefix(b":")?.strip_suffix(b"}")
    };
    let inner = inner().ok_or_else(|| unreadable(&"not the answer of api_v3"))?;
    let mut request = Buffer::default();
    json::request(inner, &mut request).map_err(|error| unreadable(&error))?;
    Ok(vec![request.into_written()])
}

/// What an error's body says: `{"error": {"message": …}}`, or its text.
fn message_of(body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Answer {
        error: Inner,
    }
    #[derive(serde::Deserialize)]
    struct Inner {
        message: String,
    }
    match serde_json::from_slice::<Answer>(body) {
        Ok(answer) => answer.error.message,
        Err(_) => String::from_utf8_lossy(&body[..body.len().min(300)]).trim().to_owned(),
    }
}

fn unreadable(error: &dyn std::fmt::Display) -> SendError {
    let message = format!("the answer cannot be read (is this Jaeger's query port?): {error}");
    SendError::new(Class::Permanent, Code::Broken, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
    use opentelemetry_proto::tonic::resource::v1::Resource;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
    use prost::Message;

    /// A store of traces with one span each, whose service and start are known.
    struct Store {
        traces: Vec<(&'static str, i64)>,
        depth_max: u32,
        by_service: bool,
        bytes_max: usize,
        /// How long spans last that start at this time or later.
        lengths: Vec<(i64, u64)>,
        asked: Vec<Search>,
    }

    impl Store {
        fn new(count: i64) -> Store {
            let service = |number: i64| ["web", "crio", ITSELF][(number % 3) as usize];
            let traces = (0..count).map(|number| (service(number), 1000 * number)).collect();
            Store {
                traces,
                depth_max: u32::MAX,
                by_service: false,
                bytes_max: usize::MAX,
                lengths: Vec::new(),
                asked: Vec::new(),
            }
        }
    }

    fn refused(code: u32, class: Class, message: &str) -> SendError {
        SendError { class, code: Code::Grpc(code), message: message.into() }
    }

    fn trace(service: &str, number: usize, length: u64) -> Vec<u8> {
        let value = Some(AnyValue { value: Some(Value::StringValue(service.into())) });
        let attribute = KeyValue { key: "service.name".into(), value, ..KeyValue::default() };
        let trace_id = (number as u128 + 1).to_be_bytes().to_vec();
        let span = Span { trace_id, end_time_unix_nano: length, ..Span::default() };
        let group = ResourceSpans {
            resource: Some(Resource { attributes: vec![attribute], ..Resource::default() }),
            scope_spans: vec![ScopeSpans { spans: vec![span], ..ScopeSpans::default() }],
            ..ResourceSpans::default()
        };
        ExportTraceServiceRequest { resource_spans: vec![group] }.encode_to_vec()
    }

    impl Server for Store {
        fn find(&mut self, search: &Search, depth: u32) -> Result<Vec<Vec<u8>>, SendError> {
            self.asked.push(search.clone());
            if self.by_service && search.service.is_empty() {
                return Err(refused(3, Class::BadData, "this storage backend requires a service name to search; …"));
            }
            if depth > self.depth_max {
                let message = "search depth must be greater than 0 and less than max traces";
                return Err(refused(2, Class::Permanent, message));
            }
            let hit = |(_, (service, start)): &(usize, &(&str, i64))| {
                (search.service.is_empty() || search.service == *service) && (search.from..search.to).contains(start)
            };
            let hits: Vec<_> = self.traces.iter().enumerate().filter(hit).take(depth as usize).collect();
            if hits.len() > self.bytes_max {
                return Err(refused(8, Class::TooLarge, "an answer of more bytes"));
            }
            let length =
                |start: i64| self.lengths.iter().rfind(|(from, _)| start >= *from).map_or(0, |(_, length)| *length);
            Ok(hits.into_iter().map(|(number, (service, start))| trace(service, number, length(*start))).collect())
        }

        fn services(&mut self) -> Result<Vec<String>, SendError> {
            Ok(["crio", ITSELF, "web"].map(str::to_owned).to_vec())
        }
    }

    /// How many spans came, how many of them twice.
    fn fetched(store: &mut Store) -> (usize, usize, Fetched) {
        let mut came = Vec::new();
        let result = fetch(store, (0, 10_000_000), &mut Seen::new(), |request| {
            for group in ExportTraceServiceRequest::decode(request).unwrap().resource_spans {
                came.extend(group.scope_spans.into_iter().flat_map(|scope| scope.spans).map(|span| span.trace_id));
            }
            Ok::<(), SendError>(())
        });
        let distinct: HashSet<_> = came.iter().collect();
        (distinct.len(), came.len() - distinct.len(), result.unwrap())
    }

    #[test]
    fn every_trace_comes_once_whatever_the_store_refuses() {
        for (depth_max, by_service, bytes_max) in [
            (u32::MAX, false, usize::MAX),
            (70, false, usize::MAX),
            (1, false, usize::MAX),
            (u32::MAX, true, usize::MAX),
            (300, true, usize::MAX),
            (u32::MAX, false, 100),
        ] {
            let mut store = Store { depth_max, by_service, bytes_max, ..Store::new(3000) };
            let (distinct, twice, fetched) = fetched(&mut store);
            let place = format!("{depth_max} {by_service} {bytes_max}: {:?}", fetched.missing);
            // Jaeger's own third is left out.
            assert_eq!((distinct, twice), (2000, 0), "{place}");
            // With a depth of one, "as many as asked for" is also what a window with one trace gives.
            assert!(fetched.missing.is_empty() || depth_max == 1, "{place}");
            assert!(store.asked.iter().all(|search| search.service != ITSELF));
        }
    }

    #[test]
    fn it_is_looked_back_as_far_as_spans_last() {
        // Those of the window last 1 s, some that begin in the second before it 3 s, those before 500 ms.
        let second = 1_000_000_000;
        let lengths = vec![(0, 500_000_000), (9 * second, 3_000_000_000), (10 * second, 1_000_000_000)];
        let traces = (0..13).map(|number| ("web", number * second)).collect();
        let mut store = Store { traces, lengths, ..Store::new(0) };
        let mut came = 0;
        let each = |_: &[u8]| {
            came += 1;
            Ok::<(), SendError>(())
        };
        let look_back = Duration::from_millis(10);
        let fetched = fetch_open(&mut store, (10 * second, 12 * second), look_back, each).unwrap();
        assert_eq!((fetched.from, fetched.traces, came), (7 * second, 5, 5));
        let windows: Vec<_> = store.asked.iter().map(|search| (search.from, search.to)).collect();
        let first = 10 * second - 10_000_000;
        assert_eq!(windows, [(first, 12 * second), (9 * second, first), (7 * second, 9 * second)]);
        store.lengths = vec![(0, u64::MAX)];
        let fetched = fetch_open(&mut store, (10 * second, 12 * second), look_back, |_: &[u8]| Ok::<(), SendError>(()));
        assert_eq!(fetched.unwrap().from, 10 * second - LOOK_BACK_MAX);
    }

    #[test]
    fn what_a_window_cannot_give_is_said() {
        let mut store = Store { traces: vec![("web", 5); 40], depth_max: 20, ..Store::new(0) };
        let (distinct, twice, fetched) = fetched(&mut store);
        assert_eq!((distinct, twice), (15, 0), "1000 halved is 15 at last");
        assert_eq!(fetched.missing.len(), 1);
        assert!(fetched.questions < 100, "{}", fetched.questions);
    }

    #[test]
    fn a_question_over_http_is_escaped() {
        let search = Search { service: "a b&c/č".into(), from: 0, to: 1_500_000_000 };
        let expected = "/api/v3/traces?query.startTimeMin=1970-01-01T00:00:00.000000000Z\
            &query.startTimeMax=1970-01-01T00:00:01.500000000Z&query.searchDepth=7&query.rawTraces=true\
            &query.serviceName=a%20b%26c%2F%C4%8D";
        assert_eq!(path_of(&search, 7), expected);
    }

    #[test]
    fn another_server_than_jaeger_is_told_from_no_traces() {
        let none = br#"{"error":{"httpCode":404,"message":"No traces found"}}"#;
        assert_eq!(traces_of(404, none).unwrap(), Vec::<Vec<u8>>::new());
        assert!(traces_of(404, b"404 page not found\n").unwrap_err().message.contains("query port"));
        for body in [&b""[..], b"{", b"{\"result\":", b"<html>", b"{\"result\":}"] {
            assert!(traces_of(200, body).is_err());
        }
    }
}
