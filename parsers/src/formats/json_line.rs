//! A line that is one JSON object.
//!
//! In goes a line, out comes its [`Entry`]: time, severity and message under the keys that loggers use for them, every
//! other member as a field, in order and unchanged in name. What stands under such a key but is no time, no known
//! level, no text stays a field. Kubernetes' own JSON ([`crate::formats::klog_json`]) and logrus' are told apart
//! from the rest. Ids of traces are not looked for here.

use crate::entry::{CodeSite, Entry, Field, Format, NumberTime, Severity, Text, Value};
use crate::formats::klog_json;
use crate::json::{self, Member};
use crate::stacks::frames;
use crate::text::parts::{code_site, line_number};
use std::borrow::Cow;

mod level;
mod roles;
mod time;

use roles::{Role, role};

/// The time that a member's value means; `None` if it is none.
pub(crate) fn time_of(member: &json::Member<'_>) -> Option<crate::entry::Time> {
    time::of(member)
}

/// Reads a record that is one JSON object, blanks around it allowed, into an entry that is empty.
///
/// Lines that were joined to it, a stack trace for one, are taken as [`frames::attach`] takes them. Returns whether
/// it is such a record; if not, the entry is empty again.
pub fn line<'a>(record: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let record = record.trim_ascii_start();
    let Some(mut members) = json::object(record) else { return false };
    let is_klog = if begins_klog(record) {
        klog_json::members(&mut members.clone(), entry).and_then(|end| behind(record, end))
    } else {
        None
    };
    let tail = is_klog.or_else(|| {
        let mut reader = Reader::new(entry);
        while let Some(member) = members.member() {
            reader.member(member);
        }
        let end = members.end()?;
        reader.finish(&record[..end]);
        behind(record, end)
    });
    match tail {
        Some(tail) => frames::attach(entry, tail),
        None => entry.clear(),
    }
    tail.is_some()
}

/// Is the time the first member, as Kubernetes' own JSON has it?
#[inline]
fn begins_klog(record: &[u8]) -> bool {
    record[1..].starts_with(b"\"ts\"") || record[1..].trim_ascii_start().starts_with(b"\"ts\"")
}

/// The lines after the object's own, on which nothing but blanks may follow it.
fn behind(record: &[u8], end: usize) -> Option<&[u8]> {
    let rest = &record[end..];
    let line_end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
    rest[..line_end].iter().all(u8::is_ascii_whitespace).then(|| rest.get(line_end + 1..).unwrap_or_default())
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
    /// OpenTelemetry's number, as read and as written.
    number: Option<(Severity, &'a [u8])>,
    has_body: bool,
    is_audit: bool,
}

impl<'e, 'a> Reader<'e, 'a> {
    fn new(entry: &'e mut Entry<'a>) -> Self {
        let taken = [None, None, None];
        Reader {
            entry,
            taken,
            order: 0,
            nested_level: None,
            nested_message: None,
            number: None,
            has_body: false,
            is_audit: false,
        }
    }

    #[inline]
    fn member(&mut self, member: Member<'a>) {
        self.order += 1;
        match role(member.plain_key()) {
            Role::Plain => self.keep(member),
            role => self.special(role, member),
        }
    }

    /// Apart from the plain ones, which are kept in registers so.
    #[inline(never)]
    fn special(&mut self, role: Role, member: Member<'a>) {
        match role {
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
            _ => self.uncommon(role, member),
        }
    }

    fn uncommon(&mut self, role: Role, member: Member<'a>) {
        match role {
            Role::Log => {
                self.nested_level = inner(member.raw, b"level").and_then(|level| level::of(&level));
            }
            Role::Fields => self.nested_message = inner(member.raw, b"message").and_then(|message| message.text()),
            Role::Code => self.entry.code = self.entry.code.or_else(|| code(&member)),
            Role::Severity => {
                if let Some(severity) = level::number(&member) {
                    self.number = Some((severity, member.raw));
                    return;
                }
            }
            Role::Body => self.has_body |= member.raw.starts_with(b"\""),
            Role::ApiVersion => self.is_audit = member.raw.starts_with(b"\"audit.k8s.io/"),
            Role::Mongo => {
                // `s` alone may be anything; after MongoDB's `t` it is the level.
                let is_mongodb = self.taken[TIME].as_ref().is_some_and(|taken| taken.member.plain_key() == b"t");
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

    #[inline(always)]
    fn keep(&mut self, member: Member<'a>) {
        let value = member.value();
        self.entry.fields.push(Field { key: member.key(), value });
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
            self.entry.fields.insert(before.place, Field { key: before.member.key(), value });
            for taken in self.taken.iter_mut().flatten() {
                taken.place += usize::from(taken.order > before.order);
            }
        }
    }

    fn finish(self, line: &'a [u8]) {
        let entry = self.entry;
        entry.format = Format::Json;
        let key = |what: usize| self.taken[what].as_ref().map(|taken| taken.member.plain_key());
        if is_logrus(&self.taken, self.order, &entry.severity_text) {
            entry.format = Format::LogrusJson;
        }
        match (key(LEVEL), self.number) {
            // The number tells more than its name.
            (level, Some((severity, raw))) => {
                entry.severity = severity;
                if level.is_none() {
                    entry.severity_text = Cow::Borrowed(raw);
                }
            }
            // winston's `verbose` lies between its `http` and its `debug`.
            (Some(b"level"), None) if *entry.severity_text == *b"verbose" && key(MESSAGE) == Some(b"message") => {
                entry.severity = Severity::DEBUG;
            }
            _ => {}
        }
        if let Some(taken) = &self.taken[TIME]
            && time::is_number(taken.member.raw)
        {
            let (key, raw) = (taken.member.plain_key(), taken.member.raw);
            entry.number_time = Some(NumberTime { key, raw, place: taken.place });
        }
        if key(LEVEL).is_none() && self.number.is_none() {
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
            let is_otel = self.number.is_some() || matches!(key(LEVEL), Some(b"severityText" | b"SeverityText"));
            entry.body = match self.nested_message {
                Some(text) => text,
                None if is_otel && self.has_body => otel_body(entry).unwrap_or(Cow::Borrowed(line)),
                None if self.is_audit => audit(entry).unwrap_or(Cow::Borrowed(line)),
                None => Cow::Borrowed(line),
            };
        }
    }
}

/// The body of OpenTelemetry's data model, no field any more.
fn otel_body<'a>(entry: &mut Entry<'a>) -> Option<Text<'a>> {
    let is_body = |field: &Field<'_>| matches!(&*field.key, b"body" | b"Body") && matches!(field.value, Value::Text(_));
    let at = entry.fields.iter().position(is_body)?;
    if let Some(number) = &mut entry.number_time {
        number.place -= usize::from(at < number.place);
    }
    match entry.fields.remove(at).value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

/// logrus sorts its keys, writes the time as text, and has names of its own for levels. crun does as runc does, with
/// the message first; runc's first stage writes level and message only.
fn is_logrus(taken: &[Option<Taken<'_>>; 3], members: usize, level: &[u8]) -> bool {
    let [time, Some(severity), Some(message)] = taken else { return false };
    severity.member.plain_key() == b"level"
        && matches!(level, b"panic" | b"fatal" | b"error" | b"warning" | b"info" | b"debug" | b"trace")
        && message.member.plain_key() == b"msg"
        && match time {
            Some(time) => {
                let is_last = severity.order < time.order && message.order < time.order;
                time.member.plain_key() == b"time" && time.member.raw.starts_with(b"\"") && is_last
            }
            None => members == 2 && severity.order == 1,
        }
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
    std::iter::from_fn(|| members.member()).find(|member| member.plain_key() == key)
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

#[cfg(test)]
mod tests;
