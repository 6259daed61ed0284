//! Ids inside of JSON values: a reader of keys and scalars that descends three levels below the usual nesting keys.
//!
//! It allocates only to undo the escapes of JSON inside of a string, which is followed once.

use super::found::Found;
use super::keys::{self, Key};

/// Levels of objects below a field that are searched.
const DEPTH_MAX: usize = 3;

/// A field whose value is a JSON object or array.
pub(super) fn value(key: &[u8], json: &[u8], found: &mut Found) {
    if keys::is_nest(key) {
        object(json, key, true, found);
    } else if let Some(key) = keys::classify(key) {
        // A [16]byte that was logged as a list.
        found.take(key, json);
    }
}

/// Reads keys of an object or of the objects of an array; `parent` is the key it stands under.
pub(super) fn object(json: &[u8], parent: &[u8], strings: bool, found: &mut Found) {
    if matches!(keys::classify(parent), Some(Key::Trace | Key::Span | Key::BareTrace | Key::BareSpan))
        && json.first() == Some(&b'[')
    {
        found.take(if parent.len() >= 4 && parent[0] | 0x20 == b's' { Key::Span } else { Key::Trace }, json);
    }
    let mut walk = Walk { json, at: 0 };
    // The key that each open object stands under; `None` where nothing below counts.
    let mut open: [Option<&[u8]>; DEPTH_MAX + 1] = [None; DEPTH_MAX + 1];
    let mut depth = 0usize;
    let mut key: Option<&[u8]> = Some(parent);
    while let Some(token) = walk.next() {
        match token {
            Token::Open { list } => {
                let above = depth.checked_sub(1).map(|above| open.get(above).copied().flatten());
                let below = match above {
                    None => key,
                    Some(None) => None,
                    // A list of values stands for its last one; objects of a list stand under the list's key.
                    Some(above) if list => key.filter(|key| keys::is_nest(key)).or(above),
                    Some(_) => key.filter(|key| keys::is_nest(key)),
                };
                if let Some(slot) = open.get_mut(depth) {
                    *slot = below;
                }
                depth += 1;
            }
            Token::Close => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return;
                }
                key = open.get(depth - 1).copied().flatten();
            }
            Token::Key(name) => key = Some(name),
            Token::Text(text) | Token::Scalar(text) => {
                let Some(above) = depth.checked_sub(1).and_then(|at| open.get(at).copied()).flatten() else { continue };
                let Some(name) = key else { continue };
                if let Some(kind) = kind(above, name) {
                    found.take(kind, text);
                } else if strings && text.starts_with(b"{\\\"") && keys::is_nest(name) {
                    object(&unescaped(text), b"", false, found);
                }
            }
        }
    }
}

/// `id` below `trace`, `span`, `transaction`, and anything below `dd`, are what the two words together say.
fn kind(above: &[u8], name: &[u8]) -> Option<Key> {
    if name.eq_ignore_ascii_case(b"id") {
        return match above {
            _ if above.eq_ignore_ascii_case(b"trace") => Some(Key::ElasticTrace),
            _ if above.eq_ignore_ascii_case(b"span") => Some(Key::Span),
            _ if above.eq_ignore_ascii_case(b"transaction") => Some(Key::Transaction),
            _ => None,
        };
    }
    match keys::classify(name) {
        Some(Key::Trace) if above.eq_ignore_ascii_case(b"dd") => Some(Key::DatadogTrace),
        Some(Key::Span) if above.eq_ignore_ascii_case(b"dd") => Some(Key::DatadogSpan),
        None if matches!(keys::classify(above), Some(Key::Trace | Key::BareTrace))
            && name.eq_ignore_ascii_case(b"w3c") =>
        {
            Some(Key::Trace)
        }
        kind => kind,
    }
}

fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'\\' => out.extend(bytes.next()),
            _ => out.push(byte),
        }
    }
    out
}

enum Token<'a> {
    Open { list: bool },
    Close,
    Key(&'a [u8]),
    Text(&'a [u8]),
    Scalar(&'a [u8]),
}

/// Tokens of JSON, leniently: commas and white space are skipped.
struct Walk<'a> {
    json: &'a [u8],
    at: usize,
}

impl<'a> Walk<'a> {
    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let byte = *self.json.get(self.at)?;
            self.at += 1;
            match byte {
                b'{' | b'[' => return Some(Token::Open { list: byte == b'[' }),
                b'}' | b']' => return Some(Token::Close),
                b'"' => return self.string(),
                b' ' | b'\t' | b'\n' | b'\r' | b',' | b':' => {}
                _ => {
                    let from = self.at - 1;
                    let rest = &self.json[from..];
                    let len = rest.iter().position(|b| matches!(b, b',' | b'}' | b']' | b' ' | b'\n' | b'"'));
                    self.at = from + len.unwrap_or(rest.len()).max(1);
                    return Some(Token::Scalar(&self.json[from..self.at]));
                }
            }
        }
    }

    fn string(&mut self) -> Option<Token<'a>> {
        let from = self.at;
        loop {
            self.at += memchr::memchr2(b'"', b'\\', self.json.get(self.at..)?)?;
            if self.json[self.at] == b'"' {
                break;
            }
            self.at += 2;
        }
        let text = &self.json[from..self.at];
        self.at += 1;
        while self.json.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        if self.json.get(self.at) == Some(&b':') {
            self.at += 1;
            return Some(Token::Key(text));
        }
        Some(Token::Text(text))
    }
}
