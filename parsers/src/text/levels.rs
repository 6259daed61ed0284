//! What a level looks like: names, as text and as the value of a key, and the brackets and marks around them.
//!
//! In goes text that may begin with one, out come its severity, the word and what follows. Telegraf, etcd before 3.4, frp,
//! Beego and Gitea have single letters.

use crate::entry::{Entry, Severity, Text};
use crate::text::parts::skip_blanks;

/// A level's name; slog's `INFO+2`; zap's `Level(-3)`, which zapr makes of V(3).
pub(crate) fn name(text: &[u8]) -> Severity {
    let known = match text {
        b"http" => Severity::DEBUG,
        _ => Severity::from_name(text),
    };
    if known != Severity::UNKNOWN || text.len() > 12 {
        return known;
    }
    if let Some(number) = text.strip_prefix(b"Level(-").and_then(|rest| rest.strip_suffix(b")"))
        && number.iter().all(u8::is_ascii_digit)
    {
        return Severity::DEBUG;
    }
    let Some(sign) = text.iter().position(|byte| matches!(byte, b'+' | b'-')) else { return known };
    let base = Severity::from_name(&text[..sign]);
    let offset = std::str::from_utf8(&text[sign..]).ok().and_then(|digits| digits.parse::<i16>().ok());
    match offset {
        // slog's levels lie four apart, as OpenTelemetry's do.
        Some(offset) if base != Severity::UNKNOWN => {
            Severity(u8::try_from(i16::from(base.0).saturating_add(offset).clamp(1, 24)).unwrap_or(base.0))
        }
        _ => known,
    }
}

/// level = 3*13UPPER, followed by a blank, a mark or the end
///
/// Its number, its text, and what follows (blanks not skipped).
#[inline]
pub(crate) fn level(text: &[u8]) -> Option<(Severity, &[u8], &[u8])> {
    let length = text.iter().take(14).take_while(|b| b.is_ascii_uppercase()).count();
    if length < 3
        || text.get(length).is_some_and(|b| !matches!(b, b' ' | b'\t' | b':' | b']' | b'|' | b',' | b'-' | b'[' | b')'))
    {
        return None;
    }
    let severity = severity(&text[..length])?;
    Some((severity, &text[..length], &text[length..]))
}

/// The number of a level's name; the commonest ones first.
#[inline]
pub(crate) fn severity(name: &[u8]) -> Option<Severity> {
    let severity = match name {
        b"INFO" => Severity::INFO,
        b"DEBUG" => Severity::DEBUG,
        b"WARN" | b"WARNING" => Severity::WARN,
        b"ERROR" => Severity::ERROR,
        b"TRACE" => Severity::TRACE,
        // Words that are levels in few programs, and words in all others.
        b"ALL" | b"CONFIG" | b"FAIL" => return None,
        _ => Severity::from_name(name),
    };
    (severity != Severity::UNKNOWN).then_some(severity)
}

/// Any case, of the words that are nothing but levels.
pub(crate) fn lower_level(text: &[u8]) -> Option<(Severity, &[u8], &[u8])> {
    let length = text.iter().take(14).take_while(|b| b.is_ascii_alphabetic()).count();
    let word = &text[..length];
    let known = [
        &b"trace"[..],
        b"debug",
        b"info",
        b"notice",
        b"warn",
        b"warning",
        b"error",
        b"err",
        b"crit",
        b"critical",
        b"alert",
        b"emerg",
        b"fatal",
        b"panic",
        b"information",
        b"severe",
        b"wrn",
        b"inf",
        b"dbg",
        b"ftl",
        b"vrb",
        b"verb",
        b"verbose",
        b"trc",
        b"trce",
        b"dbug",
        b"fail",
        b"fatl",
        b"eror",
        b"silly",
        b"emergency",
    ];
    if !known.iter().any(|known| known.eq_ignore_ascii_case(word)) {
        return None;
    }
    Some((Severity::from_name(word), word, &text[length..]))
}

/// loguru's level between INFO and WARNING.
fn loguru(text: &[u8]) -> Option<(Severity, &[u8], &[u8])> {
    let after = text.strip_prefix(b"SUCCESS")?;
    let message = skip_blanks(after).strip_prefix(b"|")?;
    Some((Severity::INFO, &text[..7], skip_blanks(message)))
}

/// Levels that are words or letters elsewhere: winston's `[http]:`, MySQL's `[Note]`, a Go program's `[I]`.
pub(crate) fn rare_level(text: &[u8]) -> Option<(Severity, &[u8], &[u8])> {
    if let Some(found) = loguru(text) {
        return Some(found);
    }
    if let Some(message) = text.strip_prefix(b"[http]: ") {
        return Some((Severity::DEBUG, &text[1..5], message));
    }
    if let Some(message) = text.strip_prefix(b"[Note] ") {
        return Some((Severity::INFO, &text[1..5], message));
    }
    letter(text)
}

/// decorated = LEVEL / "[" level "]" / "<" level ">" / "(" level ")" / level ":" / level TAB / "level=" level
pub(crate) fn decorated_level(text: &[u8]) -> Option<(Severity, &[u8], &[u8])> {
    let first = *text.first()?;
    if matches!(first, b'f' | b'P')
        && let Some(found) = error_phrase(text)
    {
        return Some(found);
    }
    let closing = match first {
        b'[' => b']',
        b'<' => b'>',
        b'(' => b')',
        _ => 0,
    };
    if closing != 0 {
        let (severity, word, rest) = lower_level(skip_blanks(&text[1..]))?;
        let rest = skip_blanks(rest).strip_prefix(&[closing])?;
        // winston's, as below.
        let severity = if word == b"verbose" && rest.first() == Some(&b':') { Severity::DEBUG } else { severity };
        return Some((severity, word, message(rest)));
    }
    if !first.is_ascii_alphabetic() {
        return None;
    }
    if let Some((severity, word, rest)) = level(text) {
        return Some((severity, word, message(rest)));
    }
    let length = text.iter().take(14).take_while(|b| b.is_ascii_alphabetic()).count();
    if !matches!(text.get(length), Some(b':' | b'\t' | b'|')) {
        return None;
    }
    let (severity, word, rest) = lower_level(text)?;
    // winston's `verbose` is above its `debug`; everywhere else it is the finest level.
    let severity = if word == b"verbose" { Severity::DEBUG } else { severity };
    match rest.first() {
        Some(b':' | b'\t' | b'|') => Some((severity, word, message(rest))),
        _ => None,
    }
}

/// phrase = "fatal error: " / "PHP " ( "Fatal error" / "Parse error" / "Warning" / "Notice" / "Deprecated" / … ) ":"
///
/// Go's and PHP's words; the message is all of it.
fn error_phrase(text: &[u8]) -> Option<(Severity, &[u8], &[u8])> {
    if text.starts_with(b"fatal error: ") {
        return Some((Severity::FATAL, &text[..11], text));
    }
    let rest = text.strip_prefix(b"PHP ")?;
    let word = &rest[..memchr::memchr(b':', &rest[..rest.len().min(32)])?];
    let severity = match word {
        b"Fatal error" | b"Parse error" | b"Core error" | b"Compile error" => Severity::FATAL,
        b"Recoverable fatal error" | b"User Error" => Severity::ERROR,
        b"Warning" | b"Core warning" | b"User Warning" | b"Deprecated" => Severity::WARN,
        b"Notice" | b"User Notice" | b"Strict Standards" => Severity::INFO2,
        _ => return None,
    };
    Some((severity, word, text))
}

/// The text after a level: one mark and the blanks around it are not part of it.
fn message(rest: &[u8]) -> &[u8] {
    let rest = skip_blanks(rest);
    match rest {
        [b':' | b'|', after @ ..] if after.first() != Some(&b':') => skip_blanks(after),
        [b'-', b' ' | b'\t', ..] => skip_blanks(&rest[1..]),
        _ => rest,
    }
}

/// A level at the start of a line without a time: `[ERROR] …`, `ERROR: …`, `Error: …`, `ERROR …`, `<error> …`,
/// `level=error …`.
pub(crate) fn level_only<'a>(line: &'a [u8], entry: &mut Entry<'a>) {
    let start = skip_blanks(line);
    let found = match start.first() {
        Some(b'[' | b'<' | b'(' | b'P') => decorated_level(start),
        Some(b'A'..=b'Z') => level(start).or_else(|| decorated_level(start)),
        Some(b'l') => {
            start.strip_prefix(b"level=").and_then(|rest| lower_level(rest.strip_prefix(b"\"").unwrap_or(rest)))
        }
        Some(b'n') if start.starts_with(b"npm ") => npm(start),
        Some(b'a'..=b'z') => decorated_level(start),
        _ => None,
    };
    if let Some((severity, word, _)) = found {
        entry.severity = severity;
        entry.severity_text = Text::Borrowed(word);
    }
}

/// npm = "npm " ( "ERR!" / "WARN" / "error" / "warn" / "notice" ) SP …
fn npm(text: &[u8]) -> Option<(Severity, &[u8], &[u8])> {
    let word = text[4..].split(|byte| *byte == b' ').next()?;
    let severity = match word {
        b"ERR!" | b"error" => Severity::ERROR,
        b"WARN" | b"warn" => Severity::WARN,
        b"notice" => Severity::INFO2,
        _ => return None,
    };
    Some((severity, word, text))
}

/// letter = "[" L "] " / L "! " / L " | "     ; behind a date only
///
/// The level, its text and the message.
pub(crate) fn letter(text: &[u8]) -> Option<(Severity, &[u8], &[u8])> {
    let (letter, message) = match text {
        [b'[', letter, b']', b' ', message @ ..] | [letter, b'!', b' ', message @ ..] => (letter, message),
        [letter, b' ', b'|', b' ', message @ ..] => (letter, message),
        _ => return None,
    };
    let severity = match letter {
        b'T' => Severity::TRACE,
        b'D' => Severity::DEBUG,
        b'I' => Severity::INFO,
        b'N' => Severity::INFO2,
        b'W' => Severity::WARN,
        b'E' => Severity::ERROR,
        b'C' => Severity::ERROR2,
        b'F' => Severity::FATAL,
        _ => return None,
    };
    let at = usize::from(text[0] == b'[');
    Some((severity, &text[at..=at], message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_a_level_with_its_marks_only() {
        assert_eq!(letter(b"[I] x"), Some((Severity::INFO, &b"I"[..], &b"x"[..])));
        assert_eq!(letter(b"E! [a] x"), Some((Severity::ERROR, &b"E"[..], &b"[a] x"[..])));
        assert_eq!(letter(b"W | etcdserver: x"), Some((Severity::WARN, &b"W"[..], &b"etcdserver: x"[..])));
        for none in ["I am", "[X] x", "[I]x", "I|x", "[II] x", "A! x", ""] {
            assert_eq!(letter(none.as_bytes()), None, "{none}");
        }
    }
}
