//! A line that is one JSON object.
//!
//! In goes a line, out comes its [`Entry`]: time, severity and message under the keys that loggers use for them, every
//! other member as a field, in order and unchanged in name. What stands under such a key but is no time, no known
//! level, no text stays a field. Kubernetes' own JSON ([`klog_json`](crate::klog_json)) and logrus' are told apart
//! from the rest. Ids of traces are not looked for here.

use std::borrow::Cow;

use crate::entry::{CodeSite, Entry, Field, Format, Severity, Text, Value};
use crate::json::{self, Member, Members};
use crate::klog_json;

mod level;
mod time;

/// Reads a line that is one JSON object, blanks around it allowed, into an entry that is empty.
///
/// Returns whether it is one; if not, the entry is empty again.
pub fn line<'a>(line: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let line = line.trim_ascii();
    let Some(mut members) = json::object(line) else { return false };
    let done = klog_json::members(line, members.clone(), entry) || {
        Reader::new(entry).members(&mut members, line) && members.end() == Some(line.len())
    };
    if !done {
        entry.clear();
    }
    done
}

/// What a key may stand for. The number is its rank: of several the lowest is taken, of equal ones the first.
enum Role {
    Time(u8),
    Level(u8),
    Message(u8),
    /// An object that may hold the level: ECS' `log`.
    Log,
    /// An object that may hold the message: `fields` of Rust's tracing-subscriber.
    Fields,
    /// `dir/file.go:12`, or slog's object.
    Code,
    /// MongoDB's level.
    Mongo,
    /// A Kubernetes object's version; audit events are told by it.
    ApiVersion,
    Plain,
}

/// zap, logrus, slog, pino, bunyan, zerolog, klog, Serilog, logstash, ECS, .NET, Spring Boot, Google Cloud, Python's
/// json loggers and structlog, log4j2, hclog, GELF, Monolog, log15, MongoDB, Kubernetes audit
fn role(key: &[u8]) -> Role {
    match key {
        b"time" | b"ts" | b"timestamp" | b"@timestamp" | b"@t" | b"Timestamp" | b"instant" => Role::Time(1),
        b"asctime" | b"datetime" | b"timeMillis" | b"t" | b"stageTimestamp" | b"Time" => Role::Time(2),
        b"requestReceivedTimestamp" | b"time_iso8601" | b"date" => Role::Time(3),
        b"level" | b"severity" | b"lvl" | b"levelname" | b"log.level" | b"@l" | b"@level" | b"LogLevel" | b"Level" => {
            Role::Level(1)
        }
        b"level_name" | b"loglevel" | b"logLevel" | b"log_level" | b"severity_text" | b"_level_name" => Role::Level(2),
        b"msg" => Role::Message(1),
        b"message" | b"@m" | b"@message" | b"Message" | b"RenderedMessage" => Role::Message(2),
        b"@mt" | b"MessageTemplate" | b"event" | b"short_message" => Role::Message(3),
        b"log" => Role::Log,
        b"fields" => Role::Fields,
        b"caller" | b"file" | b"source" => Role::Code,
        b"s" => Role::Mongo,
        b"apiVersion" => Role::ApiVersion,
        _ => Role::Plain,
    }
}

const TIME: usize = 0;
const LEVEL: usize = 1;
const MESSAGE: usize = 2;

/// A member that has been taken out of the fields, and where it would stand among them.
struct Taken<'a> {
    rank: u8,
    place: usize,
    /// Its number among all members.
    order: usize,
    member: Member<'a>,
}

struct Reader<'e, 'a> {
    entry: &'e mut Entry<'a>,
    taken: [Option<Taken<'a>>; 3],
    order: usize,
    /// Severity and message inside of an object, for want of better ones.
    nested_level: Option<(Severity, Text<'a>)>,
    nested_message: Option<Text<'a>>,
    is_audit: bool,
}

impl<'e, 'a> Reader<'e, 'a> {
    fn new(entry: &'e mut Entry<'a>) -> Self {
        let taken = [None, None, None];
        Reader { entry, taken, order: 0, nested_level: None, nested_message: None, is_audit: false }
    }

    /// Reads all members; whether they were well-formed.
    fn members(mut self, members: &mut Members<'a>, line: &'a [u8]) -> bool {
        while let Some(member) = members.member() {
            self.order += 1;
            self.member(member);
        }
        if members.end().is_none() {
            return false;
        }
        self.finish(line);
        true
    }

    #[inline]
    fn member(&mut self, member: Member<'a>) {
        match role(&member.key) {
            Role::Plain => self.keep(member),
            Role::Time(rank) => match time::of(&member) {
                Some(time) if self.wants(TIME, rank) => {
                    self.entry.time = time;
                    self.take(TIME, rank, member);
                }
                _ => self.keep(member),
            },
            Role::Level(rank) => match level::of(&member) {
                Some(level) if self.wants(LEVEL, rank) => {
                    (self.entry.severity, self.entry.severity_text) = level;
                    self.take(LEVEL, rank, member);
                }
                _ => self.keep(member),
            },
            Role::Message(rank) => match member.text() {
                Some(text) if self.wants(MESSAGE, rank) => {
                    self.entry.body = text;
                    self.take(MESSAGE, rank, member);
                }
                _ => self.keep(member),
            },
            _ => self.uncommon(member),
        }
    }

    fn uncommon(&mut self, member: Member<'a>) {
        match role(&member.key) {
            Role::Log => {
                self.nested_level = inner(member.raw, b"level").and_then(|level| level::of(&level));
            }
            Role::Fields => self.nested_message = inner(member.raw, b"message").and_then(|message| message.text()),
            Role::Code => self.entry.code = self.entry.code.or_else(|| code(&member)),
            Role::ApiVersion => self.is_audit = member.raw.starts_with(b"\"audit.k8s.io/"),
            Role::Mongo => {
                // `s` alone may be anything; behind MongoDB's `t` it is the level.
                let is_mongodb = self.taken[TIME].as_ref().is_some_and(|taken| *taken.member.key == *b"t");
                let text = member.text().unwrap_or_default();
                let severity = level::mongodb(&text);
                if is_mongodb && severity != Severity::UNKNOWN && self.wants(LEVEL, 1) {
                    (self.entry.severity, self.entry.severity_text) = (severity, text);
                    return self.take(LEVEL, 1, member);
                }
            }
            _ => {}
        }
        self.keep(member);
    }

    #[inline]
    fn keep(&mut self, member: Member<'a>) {
        let value = member.value();
        self.entry.fields.push(Field { key: member.key, value });
    }

    fn wants(&self, what: usize, rank: u8) -> bool {
        self.taken[what].as_ref().is_none_or(|taken| taken.rank > rank)
    }

    /// Takes a member out of the fields. One that was taken before, for want of this, goes back to its place.
    fn take(&mut self, what: usize, rank: u8, member: Member<'a>) {
        let place = self.entry.fields.len();
        let taken = Taken { rank, place, order: self.order, member };
        if let Some(before) = self.taken[what].replace(taken) {
            let value = before.member.value();
            self.entry.fields.insert(before.place, Field { key: before.member.key, value });
            for taken in self.taken.iter_mut().flatten() {
                taken.place += usize::from(taken.order > before.order);
            }
        }
    }

    fn finish(self, line: &'a [u8]) {
        let entry = self.entry;
        entry.format = Format::Json;
        let key = |what: usize| self.taken[what].as_ref().map(|taken| &*taken.member.key);
        if is_logrus(&self.taken, &entry.severity_text) {
            entry.format = Format::LogrusJson;
        }
        if key(LEVEL).is_none() {
            match (key(TIME), key(MESSAGE)) {
                // Serilog leaves the level out if it is Information.
                (Some(b"@t"), Some(b"@m" | b"@mt")) => entry.severity = Severity::INFO,
                (_, Some(b"short_message")) => gelf_level(entry),
                _ => {
                    if let Some((severity, text)) = self.nested_level {
                        (entry.severity, entry.severity_text) = (severity, text);
                    }
                }
            }
        }
        if key(MESSAGE).is_none() {
            entry.body = match self.nested_message {
                Some(text) => text,
                None if self.is_audit => audit(entry).unwrap_or(Cow::Borrowed(line)),
                None => Cow::Borrowed(line),
            };
        }
    }
}

/// logrus sorts its keys, writes the time as text, and has names of its own for levels; crun does as runc does, with
/// the message first.
fn is_logrus(taken: &[Option<Taken<'_>>; 3], level: &[u8]) -> bool {
    let [Some(time), Some(severity), Some(message)] = taken else { return false };
    *time.member.key == *b"time"
        && time.member.raw.starts_with(b"\"")
        && *severity.member.key == *b"level"
        && matches!(level, b"panic" | b"fatal" | b"error" | b"warning" | b"info" | b"debug" | b"trace")
        && *message.member.key == *b"msg"
        && severity.order < time.order
        && message.order < time.order
}

/// GELF's level is syslog's.
fn gelf_level(entry: &mut Entry<'_>) {
    let Some(at) = entry.fields.iter().position(|field| *field.key == *b"level") else { return };
    if let Value::Number([priority @ b'0'..=b'7']) = entry.fields[at].value {
        entry.severity = Severity::from_priority(priority - b'0');
        entry.severity_text = Cow::Owned(vec![*priority]);
        entry.fields.remove(at);
    }
}

/// What an audit event says: verb SP requestURI.
fn audit<'a>(entry: &mut Entry<'_>) -> Option<Text<'a>> {
    if entry.text(b"kind")? != b"Event" {
        return None;
    }
    let body = [entry.text(b"verb")?, b" ", entry.text(b"requestURI")?].concat();
    if entry.severity == Severity::UNKNOWN {
        entry.severity = Severity::INFO;
    }
    Some(Cow::Owned(body))
}

/// The first member of an object with a key.
fn inner<'a>(raw: &'a [u8], key: &[u8]) -> Option<Member<'a>> {
    let mut members = json::object(raw)?;
    std::iter::from_fn(|| members.member()).find(|member| *member.key == *key)
}

/// Where the line was written: `dir/file.go:12`, or slog's {"function", "file", "line"}.
fn code<'a>(member: &Member<'a>) -> Option<CodeSite<'a>> {
    if member.raw.starts_with(b"{") {
        let Some(Cow::Borrowed(file)) = inner(member.raw, b"file")?.text() else { return None };
        return Some(CodeSite { file, line: line_number(inner(member.raw, b"line")?.raw)? });
    }
    match member.text()? {
        Cow::Borrowed(site) => code_site(site),
        Cow::Owned(_) => None,
    }
}

/// site = file ":" line ; the file has a name and an extension
pub(crate) fn code_site(site: &[u8]) -> Option<CodeSite<'_>> {
    let colon = memchr::memrchr(b':', site)?;
    let (file, line) = (&site[..colon], line_number(&site[colon + 1..])?);
    let dot = memchr::memrchr(b'.', file)?;
    let named = dot > 0 && file.len() - dot > 1 && file[dot + 1..].iter().all(u8::is_ascii_alphanumeric);
    named.then_some(CodeSite { file, line })
}

fn line_number(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || digits.len() > 9 {
        return None;
    }
    digits.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u32::from(byte - b'0')))
}
