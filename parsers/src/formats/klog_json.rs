//! JSON as Kubernetes components write it (`--logging-format=json`).
//!
//! In go the members of a line's object, out comes its [`Entry`]. There is no level in it: lines with a verbosity are
//! informational (or warnings, which cannot be told), those without are errors.
//! <https://github.com/kubernetes/component-base/blob/master/logs/json/json.go>

use crate::entry::{Entry, Field, Format, NumberTime, Severity, Time, Value};
use crate::json::{self, Members};
use crate::text::parts;
use crate::time::epoch::{self, Unit};
use std::borrow::Cow;

use parts::code_site;

/// Seconds of these years would be milliseconds of 1970: zap without a level, not Kubernetes.
const SECONDS: std::ops::Range<i64> = 100_000_000_000_000..100_000_000_000_000_000;

/// Groups of slog that are followed in search of a verbosity.
const GROUPS_MAX: usize = 8;

/// Reads the members if they are such a line's, to the end of the object; if not, the entry's fields are as before.
///
/// line = "{" ts [ "," logger ] "," caller "," msg *( "," field ) "}"
/// ts = DQUOTE "ts" DQUOTE ":" milliseconds ; a number with a fraction
pub(crate) fn members<'a>(members: &mut Members<'a>, entry: &mut Entry<'a>) -> Option<usize> {
    let before = entry.fields.len();
    let Some(time) = header(members, entry) else {
        entry.fields.truncate(before);
        entry.code = None;
        return None;
    };
    let (mut has_verbosity, mut last) = (false, &b""[..]);
    while let Some(member) = members.member() {
        let value = member.value();
        has_verbosity |= member.plain_key() == b"v" && matches!(value, Value::Number(_));
        last = member.raw;
        entry.fields.push(Field { key: member.key(), value });
    }
    entry.format = Format::KlogJson;
    entry.time = time.0;
    entry.number_time = Some(NumberTime { key: b"ts", raw: time.1, place: 0 });
    entry.severity = if has_verbosity || verbosity_in_group(last) { Severity::INFO } else { Severity::ERROR };
    members.end()
}

fn header<'a>(members: &mut Members<'a>, entry: &mut Entry<'a>) -> Option<(Time, &'a [u8])> {
    let ts = members.member().filter(|member| member.plain_key() == b"ts")?;
    let time = epoch::time(ts.raw, Unit::Millis)?;
    if matches!(time, Time::Unix { nanos, .. } if SECONDS.contains(&nanos)) {
        return None;
    }
    let mut member = members.member()?;
    if member.plain_key() == b"logger" {
        entry.fields.push(Field { value: Value::Text(member.text()?), key: member.key() });
        member = members.member()?;
    }
    if member.plain_key() != b"caller" {
        return None;
    }
    let caller = member.text()?;
    entry.code = match caller {
        Cow::Borrowed(site) => code_site(site),
        Cow::Owned(_) => None,
    };
    entry.fields.push(Field { key: member.key(), value: Value::Text(caller) });
    let message = members.member().filter(|member| member.plain_key() == b"msg")?;
    entry.body = message.text()?;
    Some((time, ts.raw))
}

/// A group of slog takes in all that comes after it, the verbosity too.
fn verbosity_in_group(mut last: &[u8]) -> bool {
    for _ in 0..GROUPS_MAX {
        let Some(members) = json::object(last) else { return false };
        for (key, raw) in members {
            if *key == *b"v" && raw.iter().all(u8::is_ascii_digit) {
                return true;
            }
            last = raw;
        }
    }
    false
}
