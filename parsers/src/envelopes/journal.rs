//! One entry of a systemd journal, whatever form it was read in.
//!
//! [`journal_export`](crate::envelopes::journal_export), [`journal_json`](crate::envelopes::journal_json) and
//! [`journal_frames`](crate::envelopes::journal_frames) fill it. The fields that decide
//! something have names of their own; the rest is kept in order. Joining what journald has cut is left to others.
//! <https://www.freedesktop.org/software/systemd/man/latest/systemd.journal-fields.html>

use crate::entry::{Severity, Text};

/// The PRIORITY that systemd gives lines of stdout and stderr that say nothing else.
const STDOUT_PRIORITY: u8 = 6;

/// A journal's entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry<'a> {
    /// MESSAGE; empty where there is none.
    pub message: Text<'a>,
    /// PRIORITY, 0–7.
    pub priority: Option<u8>,
    /// _TRANSPORT.
    pub transport: Option<Transport>,
    /// __REALTIME_TIMESTAMP: when journald received it, µs since the epoch.
    pub realtime_usec: Option<u64>,
    /// _SOURCE_REALTIME_TIMESTAMP: when the sender says it was, µs since the epoch.
    pub source_realtime_usec: Option<u64>,
    /// SYSLOG_IDENTIFIER.
    pub identifier: Option<Text<'a>>,
    /// _SYSTEMD_UNIT.
    pub unit: Option<Text<'a>>,
    /// _COMM.
    pub comm: Option<Text<'a>>,
    /// _PID.
    pub pid: Option<u64>,
    /// _HOSTNAME.
    pub hostname: Option<Text<'a>>,
    /// _BOOT_ID.
    pub boot_id: Option<Text<'a>>,
    /// __CURSOR.
    pub cursor: Option<Text<'a>>,
    /// _STREAM_ID: the connection of a unit's stdout or stderr.
    pub stream_id: Option<Text<'a>>,
    /// _LINE_BREAK=line-max: the line goes on in the next entry of the same stream.
    pub line_break: bool,
    /// CONTAINER_ID_FULL.
    pub container_id_full: Option<Text<'a>>,
    /// CONTAINER_PARTIAL_MESSAGE=true: the line goes on in the next entry of the same container.
    pub container_partial: bool,
    /// Where it stands in its journal, if it was read from the journal's own file.
    pub place: Option<Place>,
    /// All other fields, and those above whose value was not understood or came again.
    pub fields: Vec<(Text<'a>, Text<'a>)>,
}

/// Where an entry stands in its journal: what `__CURSOR` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// Its number.
    pub seqnum: u64,
    /// Whose number that is.
    pub seqnum_id: [u8; 16],
    /// When journald received it, µs since the epoch.
    pub realtime_usec: u64,
    /// The same since the machine started.
    pub monotonic_usec: u64,
    /// Which start of the machine.
    pub boot_id: [u8; 16],
    /// The hashes of its fields, combined.
    pub xor_hash: u64,
}

impl Place {
    /// As `__CURSOR` has it.
    pub fn cursor(&self) -> String {
        format!(
            "s={:032x};i={:x};b={:032x};m={:x};t={:x};x={:x}",
            u128::from_be_bytes(self.seqnum_id),
            self.seqnum,
            u128::from_be_bytes(self.boot_id),
            self.monotonic_usec,
            self.realtime_usec,
            self.xor_hash
        )
    }
}

/// How an entry came to journald.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// The kernel's audit.
    Audit,
    /// journald itself.
    Driver,
    /// syslog(3).
    Syslog,
    /// journald's own protocol.
    Journal,
    /// stdout or stderr of a unit.
    Stdout,
    /// The kernel.
    Kernel,
}

impl Transport {
    fn named(name: &[u8]) -> Option<Transport> {
        Some(match name {
            b"audit" => Transport::Audit,
            b"driver" => Transport::Driver,
            b"syslog" => Transport::Syslog,
            b"journal" => Transport::Journal,
            b"stdout" => Transport::Stdout,
            b"kernel" => Transport::Kernel,
            _ => return None,
        })
    }
}

impl<'a> Entry<'a> {
    /// When it was written, as well as is known: the sender's time, else journald's; ns since the epoch.
    pub fn nanos(&self) -> Option<i64> {
        let usec = self.source_realtime_usec.or(self.realtime_usec)?;
        i64::try_from(usec).ok()?.checked_mul(1000)
    }

    /// The severity of PRIORITY, where somebody chose it: a line of stdout has the default unless `<3>` stood before it.
    pub fn severity(&self) -> Severity {
        match (self.transport, self.priority) {
            (_, None) | (Some(Transport::Stdout), Some(STDOUT_PRIORITY)) => Severity::UNKNOWN,
            // printk's levels rate events for the console: PRIORITY stays a field.
            (Some(Transport::Kernel), _) => Severity::UNKNOWN,
            (_, Some(priority)) => Severity::from_priority(priority),
        }
    }

    /// An entry that a shipper wrote anew: its fields, of which PRIORITY, _TRANSPORT and _PID mean what they do in a journal.
    pub fn of_fields(fields: Vec<(Text<'a>, Text<'a>)>) -> Entry<'a> {
        let mut entry = Entry::default();
        if !fields.iter().any(|(name, _)| **name == *b"PRIORITY") {
            entry.fields = fields;
            return entry;
        }
        for (name, value) in fields {
            match &*name {
                b"PRIORITY" | b"_PID" => entry.set(name, value),
                b"_TRANSPORT" => {
                    entry.transport = Transport::named(&value);
                    entry.fields.push((name, value));
                }
                _ => entry.fields.push((name, value)),
            }
        }
        entry
    }

    /// The entry on its own, for when its buffer is used again.
    pub fn into_owned(self) -> Entry<'static> {
        let own = |text: Text<'a>| -> Text<'static> { Text::Owned(text.into_owned()) };
        Entry {
            message: own(self.message),
            priority: self.priority,
            transport: self.transport,
            realtime_usec: self.realtime_usec,
            source_realtime_usec: self.source_realtime_usec,
            identifier: self.identifier.map(own),
            unit: self.unit.map(own),
            comm: self.comm.map(own),
            pid: self.pid,
            hostname: self.hostname.map(own),
            boot_id: self.boot_id.map(own),
            cursor: self.cursor.map(own),
            stream_id: self.stream_id.map(own),
            line_break: self.line_break,
            container_id_full: self.container_id_full.map(own),
            container_partial: self.container_partial,
            place: self.place,
            fields: self.fields.into_iter().map(|(name, value)| (own(name), own(value))).collect(),
        }
    }

    /// Takes out what is in it, so that its room is used again.
    pub fn clear(&mut self) {
        let mut fields = std::mem::take(&mut self.fields);
        fields.clear();
        *self = Entry { fields, ..Entry::default() };
    }

    /// Takes in a field.
    pub(crate) fn set(&mut self, name: Text<'a>, value: Text<'a>) {
        if let Some(field) = self.take(name, value) {
            self.fields.push(field);
        }
    }

    /// Takes in a field that decides something; gives back another one.
    pub(crate) fn take(&mut self, name: Text<'a>, value: Text<'a>) -> Option<(Text<'a>, Text<'a>)> {
        let taken = match &*name {
            b"MESSAGE" if self.message.is_empty() => {
                self.message = value;
                return None;
            }
            b"PRIORITY" => fill(&mut self.priority, number(&value).filter(|priority| *priority < 8)),
            b"_TRANSPORT" => fill(&mut self.transport, Transport::named(&value)),
            b"__REALTIME_TIMESTAMP" => fill(&mut self.realtime_usec, number(&value)),
            b"_SOURCE_REALTIME_TIMESTAMP" => fill(&mut self.source_realtime_usec, number(&value)),
            b"_PID" => fill(&mut self.pid, number(&value)),
            b"_LINE_BREAK" if *value == *b"line-max" => !std::mem::replace(&mut self.line_break, true),
            b"CONTAINER_PARTIAL_MESSAGE" if *value == *b"true" => !std::mem::replace(&mut self.container_partial, true),
            _ => {
                let slot = match &*name {
                    b"SYSLOG_IDENTIFIER" => &mut self.identifier,
                    b"_SYSTEMD_UNIT" => &mut self.unit,
                    b"_COMM" => &mut self.comm,
                    b"_HOSTNAME" => &mut self.hostname,
                    b"_BOOT_ID" => &mut self.boot_id,
                    b"__CURSOR" => &mut self.cursor,
                    b"_STREAM_ID" => &mut self.stream_id,
                    b"CONTAINER_ID_FULL" => &mut self.container_id_full,
                    _ => return Some((name, value)),
                };
                if slot.is_none() {
                    *slot = Some(value);
                    return None;
                }
                false
            }
        };
        (!taken).then_some((name, value))
    }
}

/// Puts a value where there is none yet; whether it did.
fn fill<T>(slot: &mut Option<T>, value: Option<T>) -> bool {
    let fills = slot.is_none() && value.is_some();
    if fills {
        *slot = value;
    }
    fills
}

fn number<N: std::str::FromStr>(text: &[u8]) -> Option<N> {
    std::str::from_utf8(text).ok()?.parse().ok()
}
