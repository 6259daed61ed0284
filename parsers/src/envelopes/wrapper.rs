//! What tools that show or ship other programs' logs put around each line.
//!
//! In goes a line, out come what the program wrote, when, and who it was as far as the tool says. Each tool's form has a
//! module. Whether a file is such a tool's output is decided by [`is_certain`](Line::is_certain) lines, or by several lines
//! together, which are not known here.

use crate::entry::{Text, Time};
use crate::text::{levels, parts};

pub mod compose;
pub mod kubectl;
pub mod loki;
pub mod shipped;
pub mod stern;

use std::borrow::Cow;

/// A line that a tool passed on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line<'a> {
    /// Who wrote it.
    pub writer: Writer<'a>,
    /// stdout (`true`) or stderr, where the tool says.
    pub stdout: Option<bool>,
    /// When.
    pub time: Time,
    /// More of the same line follows in the writer's next one.
    pub partial: bool,
    /// What the program wrote.
    pub content: Text<'a>,
    /// What else the tool says.
    pub fields: Vec<(Text<'a>, Text<'a>)>,
    /// Nothing else looks so.
    pub is_certain: bool,
}

/// Who wrote a line, as far as a tool says; what it does not say is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Writer<'a> {
    /// Namespace of the pod.
    pub namespace: Text<'a>,
    /// Name of the pod.
    pub pod: Text<'a>,
    /// UID of the pod.
    pub uid: Text<'a>,
    /// Name of the pod's container.
    pub container: Text<'a>,
    /// Id of the container.
    pub container_id: Text<'a>,
    /// The host.
    pub node: Text<'a>,
    /// Name of the service or program.
    pub service: Text<'a>,
    /// systemd's unit.
    pub unit: Text<'a>,
}

impl<'a> Line<'a> {
    /// Takes in a name and its value, as labels and shippers' metadata spell them. What has no place of its own is a field.
    fn label(&mut self, key: Text<'a>, value: Text<'a>) {
        let writer = &mut self.writer;
        let slot = match &*key {
            b"namespace"
            | b"namespace_name"
            | b"pod_namespace"
            | b"k8s_namespace_name"
            | b"kubernetes_namespace_name" => &mut writer.namespace,
            b"pod" | b"pod_name" | b"podName" | b"k8s_pod_name" | b"kubernetes_pod_name" => &mut writer.pod,
            b"pod_id" | b"pod_uid" | b"k8s_pod_uid" => &mut writer.uid,
            b"container"
            | b"container_name"
            | b"containerName"
            | b"k8s_container_name"
            | b"kubernetes_container_name" => &mut writer.container,
            b"docker_id" | b"container_id" => &mut writer.container_id,
            b"host" | b"hostname" | b"node_name" | b"nodeName" | b"nodename" | b"pod_node_name" | b"k8s_node_name"
            | b"_HOSTNAME" => &mut writer.node,
            b"service_name" | b"SYSLOG_IDENTIFIER" | b"syslog_identifier" => &mut writer.service,
            b"unit" | b"systemd_unit" | b"_SYSTEMD_UNIT" => &mut writer.unit,
            b"stream" if matches!(&*value, b"stdout" | b"stderr") => {
                self.stdout = Some(*value == *b"stdout");
                return;
            }
            _ => return self.fields.push((key, value)),
        };
        // Loki names services that it cannot tell so.
        if *value == *b"unknown_service" {
            return;
        }
        if slot.is_empty() {
            *slot = match memchr::memmem::find(&value, b"://").filter(|_| key.ends_with(b"_id")) {
                Some(scheme) => Cow::Owned(value[scheme + 3..].to_vec()),
                None => value,
            };
        } else if *slot != value {
            self.fields.push((key, value));
        }
    }
}

/// label = LOWER / DIGIT, and "-" in between; at most 63 ; a pod's name has dots too and is longer
fn name_length(text: &[u8], also: &[u8], most: usize) -> Option<usize> {
    let is_in =
        |byte: &&u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || **byte == b'-' || also.contains(byte);
    let length = text.iter().take(most + 1).take_while(is_in).count();
    let ends = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    (length <= most && ends(text.first()) && ends(text[..length].last())).then_some(length)
}

/// The name of a pod, and what follows.
fn pod_name(text: &[u8]) -> Option<(&[u8], &[u8])> {
    name_length(text, b".", 253).map(|length| text.split_at(length))
}

/// The name of a container or namespace, and what follows.
fn label_name(text: &[u8]) -> Option<(&[u8], &[u8])> {
    name_length(text, b"", 63).map(|length| text.split_at(length))
}

/// stamp = RFC 3339 with nine digits, and a blank ; as the kubelet and docker write it before a line when asked
///
/// Programs seldom write so many. A time before a level is left to the line: it may be the program's own.
fn stamp(text: &[u8]) -> Option<(Time, &[u8])> {
    let line = crate::envelopes::kubectl::line(text)?;
    Some((Time::Unix { nanos: line.nanos, digits: 9 }, line.content))
}

/// Takes a time off the start of what a tool passed on.
fn stamped(text: &[u8]) -> (Time, &[u8]) {
    stamp(text).filter(|(_, content)| !begins_with_level(content)).unwrap_or((Time::None, text))
}

fn begins_with_level(content: &[u8]) -> bool {
    levels::level(parts::skip_blanks(content)).is_some()
}
