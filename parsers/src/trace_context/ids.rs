//! The grammars of id values. Each reads one value and says no to all-zero ids, wrong lengths and foreign letters.

use super::hex::{hex, is_hex};

/// Digits that a short id needs under a plain key: fewer is some other number.
const SHORT_MIN: usize = 8;

/// A trace id and how much of it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TraceId {
    pub(super) bytes: [u8; 16],
    /// At most 64 bits were written.
    pub(super) low64: bool,
}

impl TraceId {
    /// Equal, as far as both were written.
    pub(super) fn same(self, other: TraceId) -> bool {
        self.bytes[8..] == other.bytes[8..] && (self.low64 || other.low64 || self.bytes[..8] == other.bytes[..8])
    }
}

/// What a propagation header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) trace: TraceId,
    pub(super) span: Option<[u8; 8]>,
    pub(super) flags: Option<u8>,
}

fn full_trace(digits: &[u8]) -> Option<TraceId> {
    Some(TraceId { bytes: hex(digits)?, low64: digits.len() <= 16 })
}

/// The leading run of hex digits, if no letter or digit follows it.
fn leading_hex(value: &[u8]) -> Option<&[u8]> {
    let end = value.iter().position(|&b| !is_hex(b)).unwrap_or(value.len());
    (!value.get(end).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_')).then(|| &value[..end])
}

/// id = 32H / 16H / 8*31H / 17*20DIGIT / 33*39DIGIT / UUID / base64 / x-ray / "projects/" P "/traces/" 32H / bytes
pub(super) fn trace_id(value: &[u8]) -> Option<TraceId> {
    if value.len() == 32
        && let Some(id) = full_trace(value)
    {
        return Some(id);
    }
    match *value.first()? {
        b'[' => return Some(TraceId { bytes: byte_list(value)?, low64: false }),
        b'p' => {
            let at = memchr::memmem::find(value, b"/traces/")? + 8;
            return leading_hex(&value[at..]).filter(|digits| digits.len() == 32).and_then(full_trace);
        }
        _ => {}
    }
    if let Some(id) = dashed(value) {
        return Some(id);
    }
    if value.len() == 24 && value.ends_with(b"==") {
        return nonzero(base64::<16>(value)?).map(|bytes| TraceId { bytes, low64: false });
    }
    let value = value.strip_prefix(b"0x").unwrap_or(value);
    let digits = leading_hex(value)?;
    let decimal = digits.iter().all(u8::is_ascii_digit);
    match digits.len() {
        32 | 16 => full_trace(digits),
        17..=20 if decimal => decimal_low64(digits),
        33..=39 if decimal => {
            let number: u128 = std::str::from_utf8(digits).ok()?.parse().ok()?;
            nonzero(number.to_be_bytes()).map(|bytes| TraceId { bytes, low64: false })
        }
        // A UUID that was cut or an id with more dashes is not a short id, nor is a number that some program counts.
        SHORT_MIN..=31 if !decimal && value.get(digits.len()) != Some(&b'-') => full_trace(digits),
        _ => None,
    }
}

/// Is this, under a key that says no more than `trace`, an id and nothing else?
pub(super) fn is_whole_trace(value: &[u8]) -> bool {
    matches!(value.len(), 16 | 32) && value.iter().all(|byte| is_hex(*byte))
        || value.starts_with(b"projects/")
        || value.starts_with(b"[")
        || xray_root(value).is_some()
        || traceparent(value).is_some()
}

/// The same under `span`.
pub(super) fn is_whole_span(value: &[u8]) -> bool {
    value.len() == 16 && value.iter().all(|byte| is_hex(*byte)) || value.starts_with(b"[")
}

/// span = 16H / 8*15H / 17*20DIGIT / base64 / bytes
pub(super) fn span_id(value: &[u8]) -> Option<[u8; 8]> {
    if value.len() == 16
        && let Some(id) = hex(value)
    {
        return Some(id);
    }
    if value.first() == Some(&b'[') {
        return byte_list(value);
    }
    if value.len() == 12 && value.ends_with(b"=") {
        return nonzero(base64::<8>(value)?);
    }
    let value = value.strip_prefix(b"0x").unwrap_or(value);
    let digits = leading_hex(value)?;
    match digits.len() {
        17..=20 if digits.iter().all(u8::is_ascii_digit) => decimal_span(digits),
        16 => hex(digits),
        SHORT_MIN..=15 if value.get(digits.len()) != Some(&b'-') => hex(digits),
        _ => None,
    }
}

/// UUID = 8H "-" 4H "-" 4H "-" 4H "-" 12H ; x-ray = "1-" 8H "-" 24H
fn dashed(value: &[u8]) -> Option<TraceId> {
    if value.get(8) == Some(&b'-') && value.get(13) == Some(&b'-') && leading_hex(value.get(24..)?)?.len() == 12 {
        let mut digits = [0u8; 32];
        for (part, range) in [(0..8, 0..8), (9..13, 8..12), (14..18, 12..16), (19..23, 16..20), (24..36, 20..32)] {
            digits[range].copy_from_slice(&value[part]);
        }
        return (value[18] == b'-' && value[23] == b'-').then(|| full_trace(&digits)).flatten();
    }
    xray_root(value)
}

/// root = "1-" 8H "-" 24H
fn xray_root(value: &[u8]) -> Option<TraceId> {
    let rest = value.strip_prefix(b"1-")?;
    if rest.get(8) != Some(&b'-') || leading_hex(rest.get(9..)?)?.len() != 24 {
        return None;
    }
    let mut digits = [0u8; 32];
    digits[..8].copy_from_slice(&rest[..8]);
    digits[8..].copy_from_slice(&rest[9..33]);
    full_trace(&digits)
}

/// flags = 2H / DIGIT
pub(super) fn flags(value: &[u8]) -> Option<u8> {
    match leading_hex(value)? {
        digits @ ([_] | [_, _]) => u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok(),
        _ => None,
    }
}

/// Datadog: decimal of the low 64 bits, or 32H.
pub(super) fn datadog_trace(value: &[u8]) -> Option<TraceId> {
    let digits = leading_hex(value)?;
    match digits.len() {
        32 => full_trace(digits),
        1..=20 => decimal_low64(digits),
        _ => None,
    }
}

pub(super) fn datadog_span(value: &[u8]) -> Option<[u8; 8]> {
    let digits = leading_hex(value)?;
    decimal_span(digits).or_else(|| if digits.len() == 16 { hex(digits) } else { None })
}

fn decimal_low64(digits: &[u8]) -> Option<TraceId> {
    let low = decimal_span(digits)?;
    let mut bytes = [0u8; 16];
    bytes[8..].copy_from_slice(&low);
    Some(TraceId { bytes, low64: true })
}

fn decimal_span(digits: &[u8]) -> Option<[u8; 8]> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    nonzero(number.to_be_bytes())
}

fn nonzero<const N: usize>(bytes: [u8; N]) -> Option<[u8; N]> {
    (bytes != [0; N]).then_some(bytes)
}

/// traceparent = version "-" 32H "-" 16H "-" flags ["-" …]   ; version ff is invalid, version 00 has nothing more
pub(super) fn traceparent(value: &[u8]) -> Option<Header> {
    let head = value.get(..55)?;
    if head[2] != b'-' || head[35] != b'-' || head[52] != b'-' || !is_hex(head[0]) || !is_hex(head[1]) {
        return None;
    }
    let version = &head[..2];
    match value.get(55) {
        Some(b'-') if version == b"00" => return None,
        Some(b) if b.is_ascii_alphanumeric() => return None,
        _ => {}
    }
    if version.eq_ignore_ascii_case(b"ff") {
        return None;
    }
    let trace = TraceId { bytes: hex(&head[3..35])?, low64: false };
    let flags = flags(&head[53..55])?;
    Some(Header { trace, span: Some(hex(&head[36..52])?), flags: Some(flags) })
}

/// b3 = (32H / 16H) "-" 16H ["-" ("0" / "1" / "d") ["-" 16H]]
pub(super) fn b3(value: &[u8]) -> Option<Header> {
    let mut parts = value.split(|&b| b == b'-');
    let (trace, span) = (parts.next()?, parts.next()?);
    if !matches!(trace.len(), 16 | 32) {
        return None;
    }
    let span = leading_hex(span).filter(|span| span.len() == 16)?;
    if parts.next().is_some_and(|state| !matches!(state.first(), Some(b'0' | b'1' | b'd'))) {
        return None;
    }
    Some(Header { trace: full_trace(trace)?, span: Some(hex(span)?), flags: None })
}

/// uber = 1*32H sep 1*16H sep 1*16H sep 1*2H ; sep = ":" / "%3A"
pub(super) fn uber(value: &[u8]) -> Option<Header> {
    let mut rest = value;
    let mut parts = [&b""[..]; 4];
    for (i, part) in parts.iter_mut().enumerate() {
        let end = rest.iter().position(|&b| !is_hex(b)).unwrap_or(rest.len());
        *part = &rest[..end];
        rest = &rest[end..];
        if i < 3 {
            rest =
                rest.strip_prefix(b":").or_else(|| rest.strip_prefix(b"%3A")).or_else(|| rest.strip_prefix(b"%3a"))?;
        }
    }
    let [trace, span, parent, state] = parts;
    if parent.is_empty() || parent.len() > 16 || !(1..=2).contains(&state.len()) {
        return None;
    }
    Some(Header { trace: full_trace(trace)?, span: Some(hex(span)?), flags: None })
}

/// xray = *( key "=" value ";" ), of which Root and Parent count; or root [ "@" span ]
pub(super) fn xray(value: &[u8]) -> Option<Header> {
    if let Some(trace) = xray_root(value) {
        let span = value.get(35..).and_then(|rest| rest.strip_prefix(b"@")).and_then(span_id);
        return Some(Header { trace, span, flags: None });
    }
    let (mut trace, mut span) = (None, None);
    for part in value.split(|&b| b == b';').take(8) {
        let part = part.trim_ascii_start();
        if let Some(root) = part.strip_prefix(b"Root=") {
            trace = xray_root(root);
        } else if let Some(parent) = part.strip_prefix(b"Parent=") {
            span = leading_hex(parent).filter(|digits| digits.len() == 16).and_then(hex);
        }
    }
    // Under a key that says trace a plain id is one too.
    let trace = match trace {
        Some(trace) => trace,
        None => leading_hex(value).filter(|digits| digits.len() == 32).and_then(full_trace)?,
    };
    Some(Header { trace, span, flags: None })
}

/// header = 32H ["/" 1*20DIGIT [";o=" DIGIT]]
pub(super) fn cloud_header(value: &[u8]) -> Option<Header> {
    let trace = leading_hex(value).filter(|digits| digits.len() == 32).and_then(full_trace)?;
    let span = value.get(32..).and_then(|rest| rest.strip_prefix(b"/")).and_then(|rest| {
        let end = rest.iter().position(|b| !b.is_ascii_digit()).unwrap_or(rest.len());
        decimal_span(&rest[..end])
    });
    Some(Header { trace, span, flags: None })
}

/// request = "|" 32H "." 16H "."   ; other hierarchical ids have no W3C form
pub(super) fn hierarchical(value: &[u8]) -> Option<Header> {
    let rest = value.strip_prefix(b"|")?;
    if rest.get(32) != Some(&b'.') || rest.get(49) != Some(&b'.') {
        return None;
    }
    let trace = full_trace(&rest[..32])?;
    Some(Header { trace, span: Some(hex(&rest[33..49])?), flags: None })
}

/// grpc-trace-bin = base64 of 00 00 <16> 01 <8> 02 <1>
pub(super) fn grpc_bin(value: &[u8]) -> Option<Header> {
    let bytes: [u8; 29] = base64(value)?;
    if bytes[0] != 0 || bytes[1] != 0 || bytes[18] != 1 || bytes[27] != 2 {
        return None;
    }
    let mut trace = [0; 16];
    trace.copy_from_slice(&bytes[2..18]);
    let mut span = [0; 8];
    span.copy_from_slice(&bytes[19..27]);
    let trace = TraceId { bytes: nonzero(trace)?, low64: false };
    Some(Header { trace, span: Some(nonzero(span)?), flags: Some(bytes[28]) })
}

/// Standard or URL alphabet, padded or not, to exactly N bytes.
fn base64<const N: usize>(value: &[u8]) -> Option<[u8; N]> {
    let digits = value.strip_suffix(b"==").or_else(|| value.strip_suffix(b"=")).unwrap_or(value);
    if digits.len() != (N * 8).div_ceil(6) {
        return None;
    }
    let mut bytes = [0u8; N];
    let (mut bits, mut held, mut at) = (0u32, 0u32, 0);
    for &digit in digits {
        let six = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(six);
        held += 6;
        if held >= 8 && at < N {
            held -= 8;
            bytes[at] = (bits >> held) as u8;
            at += 1;
        }
        bits &= (1 << held) - 1;
    }
    Some(bytes)
}

/// bytes = "[" N*( 0-255 ( SP / "," ) ) "]"   ; Go prints a [16]byte so
fn byte_list<const N: usize>(value: &[u8]) -> Option<[u8; N]> {
    let end = memchr::memchr(b']', value.get(..N * 5 + 2).unwrap_or(value))?;
    let mut bytes = [0u8; N];
    let mut count = 0;
    for part in value[1..end].split(|&b| b == b' ' || b == b',').filter(|part| !part.is_empty()) {
        *bytes.get_mut(count)? = std::str::from_utf8(part).ok()?.parse().ok()?;
        count += 1;
    }
    (count == N).then_some(bytes).and_then(nonzero)
}
