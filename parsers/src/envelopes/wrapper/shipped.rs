//! JSON that log shippers write around a line: fluent-bit, fluentd, Vector, Filebeat, Promtail and Alloy, `logcli -o jsonl`,
//! `stern -o json`.
//!
//! In goes a line, out come what the program wrote, when, and who it was. An object is a shipper's if it has the line as text
//! and says where it came from as only shippers do; else it is what a program wrote.

use crate::entry::{Text, Time, Value};
use crate::formats::json_line;
use crate::json::{self, Member};
use std::borrow::Cow;

use super::Line;

/// What is known once all members were seen.
#[derive(Default)]
struct Seen<'a> {
    line: Line<'a>,
    log: Option<Text<'a>>,
    message: Option<Text<'a>>,
    times: [Option<Time>; 3],
    /// What a program says of its own lines: then they are not text in an envelope.
    has_level: bool,
    marks: u16,
}

const KUBERNETES: u16 = 1;
const SOURCE_TYPE: u16 = 1 << 1;
const LABELS: u16 = 1 << 2;
const STERN: u16 = 1 << 3;
const DATE: u16 = 1 << 4;
const LINE: u16 = 1 << 5;
const CRI_TAG: u16 = 1 << 6;
const STREAM: u16 = 1 << 7;
const AGENT: u16 = 1 << 8;
const JOURNAL: u16 = 1 << 9;
const JOURNAL_MESSAGE: u16 = 1 << 10;
const GRAFANA: u16 = 1 << 11;

/// Whose JSON it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// A log shipper.
    Shipper,
    /// `stern -o json`
    Stern,
    /// `logcli -o jsonl`
    Loki,
}

/// object = "{" members "}" ; see the first lines
pub fn line(text: &[u8]) -> Option<(Tool, Line<'_>)> {
    let text = text.trim_ascii();
    let mut members = json::object(text)?;
    let mut seen = Seen::default();
    while let Some(member) = members.member() {
        seen.member(&member);
    }
    if members.end() != Some(text.len()) {
        return None;
    }
    if seen.is_merged() {
        let time = seen.times.into_iter().flatten().last().unwrap_or_default();
        return Some((Tool::Shipper, merged(text, time, seen.line.stdout)?));
    }
    seen.line()
}

impl<'a> Seen<'a> {
    fn member(&mut self, member: &Member<'a>) {
        match member.plain_key() {
            b"log" if self.log.is_none() && member.text().is_some() => self.log = member.text(),
            b"MESSAGE" if self.message.is_none() && member.text().is_some() => {
                self.message = member.text();
                self.marks |= JOURNAL_MESSAGE;
            }
            b"fields" if self.marks & LINE != 0 && member.raw.starts_with(b"{") => {
                self.marks |= GRAFANA;
                kubernetes(&mut self.line, b"", member.raw, 0);
            }
            b"message" | b"line" if self.message.is_none() && member.text().is_some() => {
                self.message = member.text();
                self.marks |= if member.plain_key() == b"line" { LINE } else { 0 };
            }
            // stern -o extjson: what the container wrote, as JSON.
            b"message" if member.raw.starts_with(b"{") && self.message.is_none() => {
                self.message = Some(Cow::Borrowed(member.raw));
            }
            b"kubernetes" if member.raw.starts_with(b"{") => {
                self.marks |= KUBERNETES;
                kubernetes(&mut self.line, b"", member.raw, 0);
            }
            b"labels" if member.raw.starts_with(b"{") => {
                self.marks |= LABELS;
                kubernetes(&mut self.line, b"", member.raw, 0);
            }
            b"source_type" => {
                self.marks |= SOURCE_TYPE;
                self.other(member);
            }
            b"agent" | b"ecs" | b"input" | b"host" if member.raw.starts_with(b"{") => {
                self.marks |= AGENT;
                self.other(member);
            }
            b"_p" | b"logtag" => {
                self.marks |= CRI_TAG;
                self.line.partial = member.text().is_some_and(|tag| *tag == *b"P");
            }
            b"time" => self.time(0, member),
            b"@timestamp" | b"timestamp" => self.time(1, member),
            b"date" => {
                self.marks |= DATE;
                self.time(2, member);
            }
            key => {
                self.has_level |= matches!(key, b"level" | b"lvl" | b"severity" | b"log.level" | b"levelname");
                self.marks |= match key {
                    b"podName" | b"containerName" | b"pod" | b"container" => STERN,
                    b"stream" => STREAM,
                    b"_TRANSPORT" | b"SYSLOG_IDENTIFIER" | b"_SYSTEMD_UNIT" => JOURNAL,
                    _ => 0,
                };
                self.other(member);
            }
        }
    }

    fn time(&mut self, place: usize, member: &Member<'a>) {
        match json_line::time_of(member) {
            Some(time) if self.times[place].is_none() => self.times[place] = Some(time),
            _ => self.other(member),
        }
    }

    fn other(&mut self, member: &Member<'a>) {
        take(&mut self.line, member.key(), member);
    }

    /// fluent-bit with `Merge_Log On` and `Keep_Log Off`: what a program wrote as JSON stands among the shipper's members.
    fn is_merged(&self) -> bool {
        let has = |mark: u16| self.marks & mark != 0;
        let writer = &self.line.writer;
        self.log.is_none()
            && has(KUBERNETES)
            && !(has(SOURCE_TYPE) || has(AGENT) || has(LINE))
            && (has(DATE) || has(STREAM) || has(CRI_TAG))
            && (self.message.is_none() || self.has_level)
            && self.times.iter().any(Option::is_some)
            && !writer.pod.is_empty()
            && !writer.container.is_empty()
    }

    fn line(mut self) -> Option<(Tool, Line<'a>)> {
        let has = |mark: u16| self.marks & mark != 0;
        let writer = &self.line.writer;
        let names_pod = !writer.pod.is_empty() && !writer.container.is_empty();
        let has_time = self.times.iter().any(Option::is_some);
        let is_shipped = match (&self.log, &self.message) {
            (Some(_), _) => {
                has(KUBERNETES) && !writer.pod.is_empty() || (has(DATE) || has(CRI_TAG) || has(STREAM)) && has_time
            }
            (None, Some(_)) if has(JOURNAL_MESSAGE) => has(JOURNAL) && has(DATE) && has_time,
            (None, Some(_)) if self.has_level => has(SOURCE_TYPE) && has_time && names_pod,
            (None, Some(_)) => {
                has(KUBERNETES) && !writer.pod.is_empty()
                    || has(SOURCE_TYPE) && has_time
                    || (has(LABELS) || has(GRAFANA)) && has(LINE) && has_time
                    || has(STERN) && names_pod
                    || has(AGENT) && has(STREAM) && has_time
            }
            (None, None) => false,
        };
        if !is_shipped {
            return None;
        }
        let tool = match () {
            () if (has(LABELS) || has(GRAFANA)) && has(LINE) => Tool::Loki,
            () if has(STERN) && !has(KUBERNETES) && !has_time => Tool::Stern,
            () => Tool::Shipper,
        };
        let mut content = match (self.log, self.message) {
            (Some(log), Some(message)) => {
                self.line.fields.push((Cow::Borrowed(b"message"), message));
                log
            }
            (log, message) => log.or(message)?,
        };
        if content.last() == Some(&b'\n') {
            match &mut content {
                Cow::Borrowed(text) => *text = &text[..text.len() - 1],
                Cow::Owned(text) => drop(text.pop()),
            }
        }
        // The runtime's own time is nearer to the line than the shipper's.
        self.line.time = self.times.into_iter().flatten().next().unwrap_or_default();
        self.line.content = content;
        self.line.is_certain = true;
        Some((tool, self.line))
    }
}

/// The program's own members as the object that it wrote, and the shipper's as what they say of it.
fn merged(text: &[u8], time: Time, stdout: Option<bool>) -> Option<Line<'_>> {
    let mut line = Line { time, stdout, is_certain: true, ..Line::default() };
    let mut content = vec![b'{'];
    let mut members = json::object(text)?;
    while let Some(member) = members.member() {
        match member.plain_key() {
            b"kubernetes" => kubernetes(&mut line, b"", member.raw, 0),
            b"date" | b"stream" | b"_p" | b"logtag" => {}
            _ => {
                if content.len() > 1 {
                    content.push(b',');
                }
                content.push(b'"');
                content.extend_from_slice(member.raw_key());
                content.extend_from_slice(b"\":");
                content.extend_from_slice(member.raw);
            }
        }
    }
    content.push(b'}');
    line.content = Cow::Owned(content);
    Some(line)
}

/// Depth to which metadata is gone through.
const DEPTH_MAX: u32 = 3;

/// Metadata of a pod: flat as fluent-bit and Vector write it, nested as Filebeat does. Labels are named as OpenTelemetry does.
fn kubernetes<'a>(line: &mut Line<'a>, around: &[u8], raw: &'a [u8], depth: u32) {
    let Some(mut members) = json::object(raw) else { return };
    while let Some(member) = members.member() {
        let key = member.key();
        let is_object = member.raw.starts_with(b"{");
        match (around, &*key) {
            (b"", b"labels" | b"pod_labels") if is_object => each(line, b"k8s.pod.label.", member.raw),
            (b"", b"annotations" | b"pod_annotations") if is_object => each(line, b"k8s.pod.annotation.", member.raw),
            (b"", b"namespace_labels") if is_object => each(line, b"k8s.namespace.label.", member.raw),
            (b"", b"pod" | b"container" | b"node" | b"namespace") if is_object && depth < DEPTH_MAX => {
                let around: &'static [u8] = match &*key {
                    b"pod" => b"pod",
                    b"container" => b"container",
                    b"node" => b"node",
                    _ => b"namespace",
                };
                kubernetes(line, around, member.raw, depth + 1);
            }
            (b"pod", b"name") => take(line, Cow::Borrowed(b"pod_name"), &member),
            (b"pod", b"uid") => take(line, Cow::Borrowed(b"pod_uid"), &member),
            (b"container", b"name") => take(line, Cow::Borrowed(b"container_name"), &member),
            (b"container", b"id") => take(line, Cow::Borrowed(b"container_id"), &member),
            (b"node", b"name") => take(line, Cow::Borrowed(b"node_name"), &member),
            (b"namespace", b"name") => take(line, Cow::Borrowed(b"namespace"), &member),
            (b"", _) => take(line, key, &member),
            _ => take(line, Cow::Owned([around, b".", &key].concat()), &member),
        }
    }
}

fn each<'a>(line: &mut Line<'a>, prefix: &[u8], raw: &'a [u8]) {
    let Some(mut members) = json::object(raw) else { return };
    while let Some(member) = members.member() {
        let value = member.text().unwrap_or(Cow::Borrowed(member.raw));
        line.fields.push((Cow::Owned([prefix, &member.key()].concat()), value));
    }
}

fn take<'a>(line: &mut Line<'a>, key: Text<'a>, member: &Member<'a>) {
    match member.value() {
        Value::Text(text) => line.label(key, text),
        Value::Null => {}
        _ => line.fields.push((key, Cow::Borrowed(member.raw))),
    }
}

#[allow(clippy::unwrap_used)]
#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PARTS: [&str; 6] = ["shop", "web-0", "nginx", "uid-1", "cafe", "node-1"];

    fn check(text: &str, parts: &[&str], content: &str, nanos: Option<i64>) {
        let (_, line) = line(text.as_bytes()).unwrap_or_else(|| panic!("{text}"));
        let writer = &line.writer;
        let found =
            [&writer.namespace, &writer.pod, &writer.container, &writer.uid, &writer.container_id, &writer.node];
        let found: Vec<_> = found.iter().map(|part| std::str::from_utf8(part).unwrap()).collect();
        assert_eq!(found[..parts.len()], *parts, "{text}");
        assert_eq!(&*line.content, content.as_bytes(), "{text}");
        let time = match line.time {
            Time::Unix { nanos, .. } => Some(nanos),
            _ => None,
        };
        assert_eq!(time, nanos, "{text}");
    }

    #[test]
    fn reads_what_shippers_write() {
        let at = Some(1_795_435_200_123_456_789);
        check(
            r#"{"date":1795435201.5,"time":"2026-11-23T12:00:00.123456789Z","stream":"stderr","_p":"F","log":"I1123 a","kubernetes":{"pod_name":"web-0","namespace_name":"shop","pod_id":"uid-1","labels":{"app":"web"},"host":"node-1","container_name":"nginx","docker_id":"cafe"}}"#,
            &PARTS,
            "I1123 a",
            at,
        );
        check(
            r#"{"file":"/var/log/pods/x/0.log","kubernetes":{"container_id":"containerd://cafe","container_name":"nginx","pod_name":"web-0","pod_namespace":"shop","pod_node_name":"node-1","pod_uid":"uid-1"},"message":"a\n","source_type":"kubernetes_logs","stream":"stdout","timestamp":"2026-11-23T12:00:00.123456789Z"}"#,
            &PARTS,
            "a",
            at,
        );
        check(
            r#"{"@timestamp":"2026-11-23T12:00:00.123456789Z","message":"a","kubernetes":{"pod":{"name":"web-0","uid":"uid-1"},"namespace":"shop","container":{"name":"nginx","id":"cafe"},"node":{"name":"node-1"}},"stream":"stderr"}"#,
            &PARTS,
            "a",
            at,
        );
        check(
            r#"{"labels":{"namespace":"shop","pod":"web-0","container":"nginx"},"line":"a","timestamp":"2026-11-23T12:00:00.123456789Z"}"#,
            &PARTS[..3],
            "a",
            at,
        );
        let stern = r#""nodeName":"node-1","namespace":"shop","podName":"web-0","containerName":"nginx"}"#;
        check(&format!(r#"{{"message":"a",{stern}"#), &PARTS[..3], "a", None);
        check(
            r#"{"namespace":"shop","pod":"web-0","container":"nginx","message":{"level":"info"}}"#,
            &PARTS[..3],
            "{\"level\":\"info\"}",
            None,
        );
        check(r#"{"date":1795435200.123456789,"log":"a"}"#, &[], "a", at);
        check(
            r#"{"host":"h","message":"a","source_type":"file","timestamp":"2026-11-23T12:00:00.123456789Z"}"#,
            &[],
            "a",
            at,
        );
    }

    #[test]
    fn leaves_what_programs_write() {
        for text in [
            r#"{"level":"info","message":"a","time":"2026-11-23T12:00:00Z"}"#,
            r#"{"message":"a","kubernetes":{"cluster":"x"}}"#,
            r#"{"message":"a","pod":"web-0","time":"2026-11-23T12:00:00Z"}"#,
            r#"{"log":"a","level":"info"}"#,
            r#"{"level":"info","message":"a","kubernetes":{"pod_name":"a","container_name":"b"}}"#,
            r#"{"msg":"a","namespace":"x","pod":"y","container":"z"}"#,
            r#"{"labels":{"a":"b"},"message":"a","timestamp":"2026-11-23T12:00:00Z"}"#,
            r#"{"date":"2026-11-23","log":{"a":1}}"#,
            r#"{"date":1795435200.1,"log":"a"} x"#,
            "{}",
        ] {
            assert_eq!(line(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn what_has_no_place_is_a_field() {
        let text = r#"{"log":"a","_p":"P","time":"2026-11-23T12:00:00Z","x":1,"kubernetes":{"pod_name":"p","labels":{"app":"web"}}}"#;
        let (tool, line) = line(text.as_bytes()).unwrap();
        assert_eq!(tool, Tool::Shipper);
        assert!(line.partial);
        let fields: Vec<_> = line.fields.iter().map(|(key, value)| (&**key, &**value)).collect();
        assert_eq!(fields, [(&b"x"[..], &b"1"[..]), (b"k8s.pod.label.app", b"web")]);
    }

    proptest! {
        #[test]
        fn never_panics(text in "(\\{|\\}|\"log\":|\"kubernetes\":|\"pod_name\":|\"time\":|\"x\"|,|1|\\[){0,20}") {
            let _ = line(text.as_bytes());
            let _ = line(format!("{{\"log\":\"x\",\"kubernetes\":{{{text}}}}}").as_bytes());
        }
    }
}
