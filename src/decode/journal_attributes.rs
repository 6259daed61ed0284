//! The fields of a journal's entry as attributes, by the mapping that OpenTelemetry's logs data model proposes for journald.
//!
//! In go an entry and which of its fields are wanted, out come keys with values: those for which the semantic conventions have
//! a name under that, all others as `journald.NAME`. What became the time, the body, the severity or the resource is none of
//! them. <https://github.com/open-telemetry/opentelemetry-specification/pull/4995>
//!
//! One thing differs: `process.*` describe the record here, and not its resource, which would be another one for each process.

use std::borrow::Cow;
use std::collections::HashMap;

use spanline_parsers::{Field, Severity, Value, journal};

/// What a field is called that has no name of its own.
const PREFIX: &[u8] = b"journald.";
/// Names that are kept: programs have a few dozen, and names that are made up are no reason to grow.
const NAMES_MAX: usize = 1024;
/// Longer ones are not kept; journald allows no longer ones.
const NAME_BYTES_MAX: usize = 64;

/// Fields that have a name in the semantic conventions, and whether they are whole numbers.
fn convention(field: &[u8]) -> Option<(&'static [u8], bool)> {
    Some(match field {
        b"SYSLOG_IDENTIFIER" => (b"syslog.identifier", false),
        b"SYSLOG_FACILITY" => (b"syslog.facility.code", true),
        b"SYSLOG_PID" => (b"syslog.pid", true),
        b"SYSLOG_TIMESTAMP" => (b"syslog.timestamp", false),
        b"CODE_FILE" => (b"code.file.path", false),
        b"CODE_FUNC" => (b"code.function.name", false),
        b"CODE_LINE" => (b"code.line.number", true),
        b"_EXE" => (b"process.executable.path", false),
        b"_CMDLINE" => (b"process.command_line", false),
        _ => return None,
    })
}

/// Names of attributes that were put together before.
#[derive(Debug, Default)]
pub struct JournalNames {
    known: HashMap<Box<[u8]>, Box<[u8]>>,
}

impl JournalNames {
    /// Learns the names of an entry's fields, so that they are not put together anew for the next one.
    pub fn learn(&mut self, entry: &journal::Entry<'_>) {
        const TAKEN: [&[u8]; 5] = [b"_COMM", b"_BOOT_ID", b"_STREAM_ID", b"CONTAINER_ID_FULL", b"PRIORITY"];
        if self.known.is_empty() {
            self.known.extend(TAKEN.map(|name| (name.into(), [PREFIX, name].concat().into())));
        }
        for (name, _) in &entry.fields {
            let is_new = convention(name).is_none() && !self.known.contains_key(&**name);
            if is_new && name.len() <= NAME_BYTES_MAX && self.known.len() < NAMES_MAX {
                self.known.insert((**name).into(), [PREFIX, name].concat().into());
            }
        }
    }

    fn prefixed<'r>(&'r self, name: &[u8]) -> Cow<'r, [u8]> {
        self.known.get(name).map_or_else(|| Cow::Owned([PREFIX, name].concat()), |known| Cow::Borrowed(&**known))
    }
}

/// Adds the fields of a journal's entry that are attributes. Unless `all` are wanted, those that journald adds to every entry
/// are left out. `has_code`: the line itself says where it was written.
pub fn journal_attributes<'r>(
    entry: &'r journal::Entry<'_>,
    (all, has_code): (bool, bool),
    names: &'r JournalNames,
    fields: &mut Vec<Field<'r>>,
) {
    let attribute = |name: &[u8], value: &'r [u8]| {
        let of_convention = convention(name).filter(|(key, is_number)| {
            (!is_number || is_whole_number(value)) && !(has_code && key.starts_with(b"code."))
        });
        match of_convention {
            Some((key, true)) => Field { key: Cow::Borrowed(key), value: Value::Number(value) },
            Some((key, false)) => text(Cow::Borrowed(key), Cow::Borrowed(value)),
            None => text(names.prefixed(name), Cow::Borrowed(value)),
        }
    };
    each(entry, all, |name, value| fields.push(attribute(name, value)));
    own(entry, all, |name, value| fields.push(text(names.prefixed(name), value)));
}

/// The same of what a tool passed on: its labels keep their names.
pub fn labels<'r>(entry: &'r journal::Entry<'_>, fields: &mut Vec<Field<'r>>) {
    own(entry, true, |name, value| fields.push(text(Cow::Borrowed(name), value)));
    each(entry, true, |name, value| fields.push(text(Cow::Borrowed(name), Cow::Borrowed(value))));
}

fn text<'r>(key: Cow<'r, [u8]>, value: Cow<'r, [u8]>) -> Field<'r> {
    Field { key, value: Value::Text(value) }
}

/// Gives the fields that an entry has as they stand.
fn each<'r>(entry: &'r journal::Entry<'_>, all: bool, mut give: impl FnMut(&'r [u8], &'r [u8])) {
    let has_time = entry.realtime_usec.is_some() || entry.cursor.is_some();
    let mut wanted = |name: &'r [u8], value: &'r [u8]| {
        if all || !is_added_by_journald(name) || !has_time && name == b"__MONOTONIC_TIMESTAMP" {
            give(name, value);
        }
    };
    for (name, value) in [
        (&b"SYSLOG_IDENTIFIER"[..], &entry.identifier),
        (b"_COMM", &entry.comm),
        (b"_BOOT_ID", &entry.boot_id),
        (b"__CURSOR", &entry.cursor),
        (b"_STREAM_ID", &entry.stream_id),
        (b"CONTAINER_ID_FULL", &entry.container_id_full),
    ] {
        if let Some(value) = value {
            wanted(name, value);
        }
    }
    entry.fields.iter().for_each(|(name, value)| wanted(name, value));
}

/// Gives what is put together of what was taken out of an entry: PRIORITY where it is no severity, and its place.
fn own(entry: &journal::Entry<'_>, all: bool, mut give: impl FnMut(&'static [u8], Cow<'static, [u8]>)) {
    let is_kernel = entry.transport == Some(journal::Transport::Kernel);
    if let Some(priority) = entry.priority.filter(|_| (all || is_kernel) && entry.severity() == Severity::UNKNOWN) {
        // 0 to 7.
        give(b"PRIORITY", Cow::Borrowed(&b"01234567"[usize::from(priority & 7)..][..1]));
    }
    if let Some(place) = entry.place.as_ref().filter(|_| all) {
        give(b"__CURSOR", Cow::Owned(place.cursor().into_bytes()));
        give(b"__MONOTONIC_TIMESTAMP", Cow::Owned(place.monotonic_usec.to_string().into_bytes()));
    }
}

/// number = %x31-39 *18DIGIT / "0", which fits 64 bits and prints back as it stood.
fn is_whole_number(value: &[u8]) -> bool {
    let is_decimal = value.len() <= 18 && value.iter().all(u8::is_ascii_digit);
    is_decimal && (value == b"0" || value.first().is_some_and(|first| *first != b'0'))
}

/// Does a field stand in every entry, whatever it says? journald's own begin with `_`; those of the kernel's devices say
/// what a line is about.
pub fn is_added_by_journald(key: &[u8]) -> bool {
    const OF_THE_PROTOCOL: [&[u8]; 7] = [
        b"SYSLOG_FACILITY",
        b"SYSLOG_TIMESTAMP",
        b"SYSLOG_PID",
        b"SYSLOG_RAW",
        b"TID",
        b"INVOCATION_ID",
        b"USER_INVOCATION_ID",
    ];
    let is_trusted = key.first() == Some(&b'_') && !key.starts_with(b"_KERNEL_") && !key.starts_with(b"_UDEV_");
    is_trusted || OF_THE_PROTOCOL.contains(&key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use spanline_parsers::journal::Entry;

    fn entry(fields: &'static [(&'static str, &'static str)]) -> Entry<'static> {
        let mut entry = Entry::default();
        for (name, value) in fields {
            match *name {
                "SYSLOG_IDENTIFIER" => entry.identifier = Some(value.as_bytes().into()),
                "__REALTIME_TIMESTAMP" => entry.realtime_usec = value.parse().ok(),
                _ => entry.fields.push((name.as_bytes().into(), value.as_bytes().into())),
            }
        }
        entry
    }

    fn shown(entry: &Entry<'_>, all: bool, has_code: bool, learn: bool) -> Vec<String> {
        let (mut names, mut fields) = (JournalNames::default(), Vec::new());
        if learn {
            names.learn(entry);
        }
        journal_attributes(entry, (all, has_code), &names, &mut fields);
        let value = |value: &Value<'_>| match value {
            Value::Number(number) => format!("#{}", String::from_utf8_lossy(number)),
            Value::Text(text) => String::from_utf8_lossy(text).into_owned(),
            other => format!("{other:?}"),
        };
        fields.iter().map(|field| format!("{}={}", String::from_utf8_lossy(&field.key), value(&field.value))).collect()
    }

    const FIELDS: &[(&str, &str)] = &[
        ("__REALTIME_TIMESTAMP", "7"),
        ("SYSLOG_IDENTIFIER", "app"),
        ("SYSLOG_FACILITY", "3"),
        ("SYSLOG_PID", "x7"),
        ("CODE_FILE", "a.c"),
        ("CODE_LINE", "12"),
        ("CODE_FUNC", "main"),
        ("_EXE", "/bin/app"),
        ("_CMDLINE", "app -v"),
        ("_UID", "0"),
        ("UNIT", "a.service"),
    ];

    #[test]
    fn fields_have_the_names_of_the_conventions_or_journalds() {
        let entry = entry(FIELDS);
        let all = [
            "syslog.identifier=app",
            "syslog.facility.code=#3",
            "journald.SYSLOG_PID=x7",
            "code.file.path=a.c",
            "code.line.number=#12",
            "code.function.name=main",
            "process.executable.path=/bin/app",
            "process.command_line=app -v",
            "journald._UID=0",
            "journald.UNIT=a.service",
        ];
        assert_eq!(shown(&entry, true, false, true), all);
        assert_eq!(shown(&entry, true, false, false), all, "what is not known is put together");
        let some = [all[0], all[3], all[4], all[5], all[9]];
        assert_eq!(shown(&entry, false, false, true), some);
        let of_line =
            ["syslog.identifier=app", "journald.CODE_FILE=a.c", "journald.CODE_LINE=12", "journald.CODE_FUNC=main"];
        assert_eq!(shown(&entry, false, true, true)[..4], of_line, "where the line says it itself");
    }

    #[test]
    fn numbers_are_those_that_print_back_as_they_stood() {
        for (text, expected) in
            [("0", true), ("17", true), ("", false), ("007", false), ("-1", false), ("1234567890123456789", false)]
        {
            assert_eq!(is_whole_number(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn names_that_are_made_up_are_not_kept_without_bound() {
        let mut names = JournalNames::default();
        for number in 0..3 * NAMES_MAX {
            let fields = vec![(format!("X{number}").into_bytes().into(), b"".into())];
            let entry = Entry { fields, ..Entry::default() };
            names.learn(&entry);
            assert_eq!(*names.prefixed(&entry.fields[0].0), *format!("journald.X{number}").as_bytes());
        }
        assert_eq!(names.known.len(), NAMES_MAX);
        let long = vec![(vec![b'X'; 1000].into(), b"".into())];
        names.learn(&Entry { fields: long, ..Entry::default() });
        assert_eq!(names.known.len(), NAMES_MAX);
    }
}
