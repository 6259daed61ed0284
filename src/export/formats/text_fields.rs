//! The fields of a record as people are shown them, after its message.
//!
//! In goes a record, out comes a list of keys with their spelled values, and where in its program it was written; later,
//! with what stands around the line, those of them that are worth showing. Nothing is cut here, and no other output asks.

use std::borrow::Cow;

use spanline_parsers::Value;

use crate::export::fields::{self, Attribute, Keys, RecordContext};
use crate::export::spell;
use crate::record::{Origin, Record};

/// Which fields are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fields {
    /// All.
    All,
    /// Not those that repeat what stands in the heading, in the column of the source or in the line before.
    #[default]
    Some,
    /// None.
    None,
}

/// Keys with their values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldList<'l> {
    /// *( length of key, length of value, key, value ), lengths in four bytes.
    bytes: Cow<'l, [u8]>,
    /// `kubelet.go:2043`; empty where nothing tells it.
    site: Cow<'l, [u8]>,
    /// What repeats is left out.
    folds: bool,
}

impl<'l> FieldList<'l> {
    /// Those of a record. With [`Fields::Some`] where it was written is told by [`FieldList::site`], not by fields.
    pub fn of(record: &Record<'_>, which: Fields) -> FieldList<'static> {
        if which == Fields::None {
            return FieldList::default();
        }
        let mut bytes = Vec::new();
        let mut site = Vec::new();
        if which == Fields::Some
            && let Some(code) = record.entry.code
        {
            site.extend_from_slice(base_name(code.file));
            if code.line > 0 {
                site.extend_from_slice(format!(":{}", code.line).as_bytes());
            }
        }
        let mut spelled = Vec::new();
        fields::each(record, &RecordContext::default(), Keys::AsWritten, |key, value| {
            if matches!(value, Attribute::Text(_)) && key.starts_with(b"log.") {
                return;
            }
            if which == Fields::Some {
                match value {
                    Attribute::Text(_) | Attribute::Integer(_) if is_of_header(key) => return,
                    Attribute::Line(Value::Text(text)) if stands_in(record.origin, text) => return,
                    Attribute::Line(Value::Text(text)) if site.is_empty() && is_site(key, text) => {
                        site.extend_from_slice(base_name(text));
                        return;
                    }
                    _ => {}
                }
            }
            spelled.clear();
            plain(&mut spelled, value);
            for length in [key.len(), spelled.len()] {
                bytes.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
            }
            bytes.extend_from_slice(key);
            bytes.extend_from_slice(&spelled);
        });
        FieldList { bytes: bytes.into(), site: site.into(), folds: which == Fields::Some }
    }

    /// The keys with their values, where the line was written, and whether what repeats is left out.
    pub(crate) fn parts(&self) -> (&[u8], &[u8], bool) {
        (&self.bytes, &self.site, self.folds)
    }

    /// The same list, of its parts.
    pub(crate) fn from_parts(bytes: &'l [u8], site: &'l [u8], folds: bool) -> FieldList<'l> {
        FieldList { bytes: bytes.into(), site: site.into(), folds }
    }

    /// Where in its program the line was written.
    pub fn site(&self) -> &[u8] {
        &self.site
    }

    /// Bytes it takes.
    pub fn len(&self) -> usize {
        self.bytes.len() + self.site.len()
    }

    /// It holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Key and value of each.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut rest = &self.bytes[..];
        std::iter::from_fn(move || {
            let (key, after) = rest.split_first_chunk()?;
            let (value, after) = after.split_first_chunk()?;
            let [key, value] = [key, value].map(|length| u32::from_le_bytes(*length) as usize);
            let (key, after) = after.split_at_checked(key)?;
            let (value, after) = after.split_at_checked(value)?;
            rest = after;
            Some((key, value))
        })
    }

    /// *( SP key "=" value ) without those that stand in the line before, or whose value stands in the heading.
    pub fn write(&self, out: &mut Vec<u8>, before: Option<&FieldList<'_>>, heading: &[&[u8]]) {
        for (key, value) in self.iter() {
            let stands_before = || before.is_some_and(|before| before.iter().any(|other| other == (key, value)));
            let is_folded = self.folds && (heading.contains(&unquoted(value)) || stands_before());
            if !is_folded {
                out.push(b' ');
                out.extend_from_slice(key);
                out.push(b'=');
                out.extend_from_slice(value);
            }
        }
    }
}

/// What a header says of the process and the place in its source.
fn is_of_header(key: &[u8]) -> bool {
    matches!(key, b"process.pid" | b"code.file.path" | b"code.line.number")
}

/// site = *( folder "/" ) name "." extension ":" 1*DIGIT, under a key that means it.
fn is_site(key: &[u8], text: &[u8]) -> bool {
    matches!(key, b"file" | b"caller" | b"source" | b"logger.caller")
        && text.iter().rposition(|byte| *byte == b':').is_some_and(|colon| {
            let (file, line) = (base_name(&text[..colon]), &text[colon + 1..]);
            !line.is_empty() && line.iter().all(u8::is_ascii_digit) && file.contains(&b'.') && !file.contains(&b' ')
        })
}

fn base_name(path: &[u8]) -> &[u8] {
    &path[memchr::memrchr(b'/', path).map_or(0, |slash| slash + 1)..]
}

/// A value that who wrote the line tells already.
fn stands_in(origin: &Origin, value: &[u8]) -> bool {
    if value.is_empty() {
        return false;
    }
    let is = |text: &str| text.as_bytes() == value;
    let is_some = |text: &Option<String>| text.as_deref().is_some_and(is);
    is(origin.service())
        || is_some(&origin.host)
        || is_some(&origin.unit)
        || origin.pod.as_ref().is_some_and(|pod| {
            let whole = value.strip_prefix(pod.namespace.as_bytes()).and_then(|rest| rest.strip_prefix(b"/"));
            [&pod.namespace, &pod.name, &pod.uid, &pod.container].into_iter().any(|text| is(text))
                || is_some(&pod.container_id)
                || whole == Some(pod.name.as_bytes())
        })
}

fn unquoted(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(value)
}

/// A value as it is shown, quoted where its end would not be seen.
pub(crate) fn plain(out: &mut Vec<u8>, value: Attribute<'_>) {
    match value {
        Attribute::Line(Value::Text(text)) => readable(out, text),
        Attribute::Line(Value::Number(token)) => out.extend_from_slice(token),
        Attribute::Line(Value::Bool(true)) => out.extend_from_slice(b"true"),
        Attribute::Line(Value::Bool(false)) => out.extend_from_slice(b"false"),
        Attribute::Line(Value::Null) => out.extend_from_slice(b"null"),
        Attribute::Line(Value::Json(raw)) => out.extend_from_slice(raw),
        Attribute::Integer(number) => spell::decimal(out, number),
        Attribute::Text(text) => readable(out, text),
        Attribute::Ratio(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Attribute::Uid(uid) => spell::hex(out, &uid),
    }
}

/// Quotes only where a reader could not tell where the value ends.
fn readable(out: &mut Vec<u8>, text: &[u8]) {
    if text.is_empty() || text.iter().any(|byte| matches!(byte, b' ' | b'"' | b'=' | b'\n')) {
        out.push(b'"');
        out.extend_from_slice(text);
        out.push(b'"');
    } else {
        out.extend_from_slice(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::samples;
    use spanline_parsers::{CodeSite, Entry};

    fn entry(fields: &[(&'static str, &'static str)]) -> Entry<'static> {
        let mut entry = Entry { pid: Some(7), ..Entry::default() };
        for (key, value) in fields {
            entry.push(key.as_bytes(), Value::Text(value.as_bytes().into()));
        }
        entry
    }

    fn list(entry: &Entry<'_>, which: Fields) -> FieldList<'static> {
        FieldList::of(&samples::record(entry, &samples::pod_origin(), &[]), which)
    }

    fn shown(list: &FieldList, before: Option<&FieldList<'_>>, heading: &[&[u8]]) -> String {
        let mut out = Vec::new();
        list.write(&mut out, before, heading);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_the_header_and_the_source_say_is_folded_and_the_place_is_short() {
        let klog = Entry {
            code: Some(CodeSite { file: b"pkg/kubelet/kubelet.go", line: 2043 }),
            ..entry(&[("pod", "default/web-0"), ("other", "default/web-1"), ("ns", "default"), ("why", "a b")])
        };
        let some = list(&klog, Fields::Some);
        assert_eq!(some.site(), b"kubelet.go:2043");
        assert_eq!(shown(&some, None, &[]), " other=default/web-1 why=\"a b\"");
        let all = list(&klog, Fields::All);
        let text = shown(&all, None, &[]);
        assert!(text.contains(" process.pid=7 code.file.path=pkg/kubelet/kubelet.go code.line.number=2043"), "{text}");
        assert!(text.starts_with(" pod=default/web-0 ") && all.site().is_empty(), "{text}");
        assert_eq!(shown(&all, Some(&all), &[b"default"]), text);
        assert!(list(&klog, Fields::None).is_empty());
        let crio = list(&entry(&[("file", "oci/runtime_oci.go:807"), ("caller", "x.go:1")]), Fields::Some);
        assert_eq!((crio.site(), shown(&crio, None, &[]).as_str()), (&b"runtime_oci.go:807"[..], " caller=x.go:1"));
        let no_site = list(&entry(&[("file", "/etc/hosts"), ("source", "10.0.0.1:80 x")]), Fields::Some);
        assert_eq!(shown(&no_site, None, &[]), " file=/etc/hosts source=\"10.0.0.1:80 x\"");
    }

    #[test]
    fn what_the_line_before_or_the_heading_says_is_folded() {
        let first = list(&entry(&[("id", "r-1"), ("name", "/v1/Get"), ("n", "1")]), Fields::Some);
        let second = list(&entry(&[("id", "r-1"), ("name", "/v1/Get"), ("n", "2"), ("to", "a b")]), Fields::Some);
        assert_eq!(shown(&second, Some(&first), &[b"a b"]), " n=2");
        assert_eq!(shown(&second, None, &[b"/v1/Get"]), " id=r-1 n=2 to=\"a b\"");
    }
}
