//! Which tools wrapped the lines of a file: journalctl, kubectl, stern, compose, shippers, logcli.
//!
//! In go a file's first lines, which decide together where no single one is certain, and then every line; out comes what a
//! line holds without its wrapper.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};

use spanline_parsers::wrapper::stern::Kind;
use spanline_parsers::wrapper::{self, Writer, compose, kubectl, loki, shipped, stern};
use spanline_parsers::{docker_json, journal, journal_json, journal_text};

use crate::decode::Envelopes;
use crate::record::BOM;
use crate::record::Envelope;

/// Lines of a file that are looked at: banners, and the first lines of each writer.
const LOOK_LINES_MAX: usize = 100;

/// Hosts of a syslog file, pods of stern's and names of compose's output that are kept; more are recognised by their own
/// lines only.
const KNOWN_MAX: usize = 1024;

pub(super) const SHORT: u8 = 1;
pub(super) const EVENTS: u8 = 1 << 1;
const KUBECTL: u8 = 1 << 2;
const STAMPED: u8 = 1 << 3;
const STERN: u8 = 1 << 4;
const COMPOSE: u8 = 1 << 5;
const SHIPPED: u8 = 1 << 6;
const LOGCLI: u8 = 1 << 7;

/// What a file's lines are wrapped in.
#[derive(Debug, Default)]
pub(super) struct Wrappers {
    /// Bits of the forms that its lines may have.
    pub(super) forms: u8,
    /// Those that were asked for: any of their lines is taken.
    forced: u8,
    /// Lines that may still be looked at.
    to_look: usize,
    /// Hosts, pods with their containers, and names that were seen in certain lines, as hashes.
    pub(super) known: HashSet<u64>,
    /// stern writes namespaces.
    with_namespace: bool,
    /// Where the bar of compose, or the content of logcli, stands in most lines.
    column: Option<usize>,
    pub(super) last: Last,
}

/// What the line before was, as far as it says what the next one is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Last {
    #[default]
    Other,
    /// A journal's, whose message begins after this many bytes.
    Short(usize, (u32, u64)),
    /// An event with a journal's entry, which an empty line ends.
    Event((u32, u64)),
}

impl Wrappers {
    pub(super) fn new(envelopes: Envelopes) -> Wrappers {
        let forced = match envelopes {
            Envelopes::Auto | Envelopes::OfContainer => 0,
            Envelopes::Only(Envelope::Journal) => SHORT | EVENTS,
            Envelopes::Only(Envelope::Kubectl) => KUBECTL | STAMPED,
            Envelopes::Only(Envelope::Stern) => STERN | SHIPPED,
            Envelopes::Only(Envelope::Compose) => COMPOSE,
            Envelopes::Only(Envelope::Shipper) => SHIPPED,
            Envelopes::Only(Envelope::Loki) => LOGCLI | SHIPPED,
            Envelopes::Only(Envelope::None | Envelope::Cri | Envelope::Docker) => 0,
        };
        let to_look = if looks(envelopes, forced) { LOOK_LINES_MAX } else { 0 };
        Wrappers { forms: forced, forced, to_look, ..Wrappers::default() }
    }

    /// The next file begins: it has its own lines, but most likely the same form.
    pub(super) fn next_file(&mut self, envelopes: Envelopes) {
        if looks(envelopes, self.forced) {
            self.to_look = LOOK_LINES_MAX;
        }
        self.last = Last::Other;
    }

    #[inline]
    pub(super) fn is_looking(&self) -> bool {
        self.to_look > 0
    }

    #[inline]
    pub(super) fn are_any(&self) -> bool {
        self.forms != 0
    }

    /// Looks at the next of a file's first lines.
    #[cold]
    pub(super) fn look(&mut self, text: &[u8]) {
        let mut seen = Seen::default();
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            if self.to_look == 0 {
                break;
            }
            self.to_look -= 1;
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let line = line.strip_prefix(BOM).unwrap_or(line);
            // Blanks at the end count: after a wrapper there may be nothing.
            if !line.trim_ascii().is_empty() {
                self.look_at(line, &mut seen);
            }
        }
        self.decide(&seen);
    }

    /// Takes in what one line tells by itself, and counts what several tell together.
    fn look_at<'t>(&mut self, line: &'t [u8], seen: &mut Seen<'t>) {
        if let Some(writer) = stern::event(line) {
            self.forms |= STERN;
            self.with_namespace |= !writer.namespace.is_empty();
            self.know(pod_hash(&writer));
            return;
        }
        if compose::is_banner(line) {
            return;
        }
        seen.lines += 1;
        match line[0] {
            b'[' if kubectl::prefixed(line).is_some() => self.forms |= KUBECTL,
            b'{' if docker_json::line(line).is_none() && shipped::line(line).is_some() => self.forms |= SHIPPED,
            b'd' if event(line).is_some() => self.forms |= EVENTS,
            b'0'..=b'9' if kubectl::timestamped(line).is_some() => seen.stamped += 1,
            _ => {}
        }
        if let Some(short) = journal_text::line(line).filter(|short| short.is_certain) {
            self.forms |= SHORT;
            self.know_host(&short.entry);
        }
        if let Some(found) = loki::logcli(line) {
            self.forms |= LOGCLI;
            self.column = Some(self.column.map_or(found.start, |column| column.min(found.start)));
        }
        if let Some(found) = compose::line(line) {
            seen.compose.push(found);
        }
        for (with_namespace, found) in [(false, &mut seen.stern), (true, &mut seen.stern_with_namespace)] {
            found.extend(stern::line(line, with_namespace).map(|line| line.writer));
        }
    }

    fn decide(&mut self, seen: &Seen<'_>) {
        if seen.stamped * 2 > seen.lines {
            self.forms |= STAMPED;
        }
        let forced = self.forced;
        if seen.is_compose() || forced & COMPOSE != 0 {
            self.forms |= COMPOSE;
            self.column = seen.compose.first().map(|first| first.column);
            for found in &seen.compose {
                self.know(hash(found.name));
            }
        }
        let (plain, spaced) = (Pods::of(&seen.stern), Pods::of(&seen.stern_with_namespace));
        // Of two readings the one whose pods look like pods.
        let with_namespace = spaced.named > plain.named;
        let pods = if with_namespace { &spaced } else { &plain };
        if pods.are_sterns(seen.lines) || forced & STERN != 0 {
            self.forms |= STERN;
            self.with_namespace |= with_namespace;
            for pair in &pods.counted {
                self.know(*pair);
            }
        }
    }

    fn know(&mut self, hash: u64) {
        if self.known.len() < KNOWN_MAX {
            self.known.insert(hash);
        }
    }

    pub(super) fn know_host(&mut self, entry: &journal::Entry<'_>) {
        if let Some(host) = &entry.hostname {
            self.know(hash(host));
        }
    }

    /// The line that a tool passed on, and the tool.
    pub(super) fn unwrapped<'c>(&mut self, bytes: &'c [u8]) -> Option<(Envelope, wrapper::Line<'c>)> {
        let has = |form: u8| self.forms & form != 0;
        let forced = |form: u8| self.forced & form != 0;
        if bytes.first() == Some(&b'{') && has(SHIPPED) && docker_json::line(bytes).is_none() {
            let (tool, line) = shipped::line(bytes)?;
            let envelope = match tool {
                shipped::Tool::Stern => Envelope::Stern,
                shipped::Tool::Loki => Envelope::Loki,
                shipped::Tool::Shipper => Envelope::Shipper,
            };
            return Some((envelope, line));
        }
        if has(KUBECTL)
            && let Some(line) = kubectl::prefixed(bytes)
        {
            return Some((Envelope::Kubectl, line));
        }
        if has(STAMPED)
            && let Some(line) = kubectl::timestamped(bytes)
        {
            return Some((Envelope::Kubectl, line));
        }
        if has(STERN)
            && let Some(line) = stern::line(bytes, self.with_namespace)
            && (line.is_certain
                || forced(STERN)
                || stern::kind(&line.writer) != Kind::Other
                || self.known.contains(&pod_hash(&line.writer)))
        {
            return Some((Envelope::Stern, line));
        }
        if has(COMPOSE)
            && let Some(found) = compose::line(bytes)
            && (found.line.is_certain || self.column == Some(found.column) || self.known.contains(&hash(found.name)))
        {
            return Some((Envelope::Compose, found.line));
        }
        if has(LOGCLI)
            && let Some(mut found) = loki::logcli(bytes)
        {
            let column = self.column.map_or(found.start, |column| column.min(found.start));
            self.column = Some(column);
            let padding = column.saturating_sub(found.least);
            if let Cow::Borrowed(content) = &mut found.line.content {
                *content = &content[padding.min(content.len())..];
            }
            return Some((Envelope::Loki, found.line));
        }
        None
    }
}

/// Are a file's first lines looked at?
fn looks(envelopes: Envelopes, forced: u8) -> bool {
    forced != 0 || matches!(envelopes, Envelopes::Auto | Envelopes::OfContainer)
}

/// What the first lines of a file say together.
#[derive(Default)]
struct Seen<'t> {
    lines: usize,
    stamped: usize,
    compose: Vec<compose::Named<'t>>,
    stern: Vec<Writer<'t>>,
    stern_with_namespace: Vec<Writer<'t>>,
}

impl Seen<'_> {
    /// A table has bars too: here each line has one, after a name that is numbered, or that comes again in the same column.
    fn is_compose(&self) -> bool {
        let Some(first) = self.compose.first() else { return false };
        if self.compose.len() < self.lines {
            return false;
        }
        let names: HashSet<&[u8]> = self.compose.iter().map(|found| found.name).collect();
        let is_one_column = self.compose.iter().all(|found| found.column == first.column);
        self.compose.iter().all(|found| found.line.is_certain)
            || self.lines >= 3 && is_one_column && names.len() * 2 <= self.lines
    }
}

/// What the lines of a file say together, read as stern's in one of two ways.
#[derive(Default)]
struct Pods {
    /// Lines whose pod has the name of one.
    named: usize,
    /// Lines whose pod has a name that a Deployment generates.
    generated: usize,
    /// Lines whose pod has a generated suffix of any kind.
    suffixed: usize,
    /// Lines that count: those, and such as come again.
    lines: usize,
    /// Pods with their containers of these lines, as hashes.
    counted: HashSet<u64>,
}

impl Pods {
    fn of(found: &[Writer<'_>]) -> Pods {
        let mut times: HashMap<u64, usize> = HashMap::new();
        for writer in found {
            *times.entry(pod_hash(writer)).or_default() += 1;
        }
        let mut pods = Pods::default();
        for writer in found {
            let kind = stern::kind(writer);
            pods.named += usize::from(kind != Kind::Other);
            pods.generated += usize::from(kind == Kind::Generated);
            pods.suffixed += usize::from(matches!(kind, Kind::Generated | Kind::Suffixed));
            let hash = pod_hash(writer);
            if kind != Kind::Other || times.get(&hash).is_some_and(|times| *times > 1) {
                pods.lines += 1;
                pods.counted.insert(hash);
            }
        }
        pods
    }

    /// Two words stand before much text: here they do in nearly each line, and pods are among them. Where none of their
    /// names is a Deployment's, some come again.
    fn are_sterns(&self, lines: usize) -> bool {
        if self.named == 0 || self.lines * 5 < lines * 4 {
            return false;
        }
        let come_again = self.counted.len() * 2 <= lines || self.suffixed == lines;
        self.generated > 0 || self.named == lines && lines >= 3 && come_again
    }
}

/// event = "data: " object ; a server-sent event with a journal's entry
pub(super) fn event(line: &[u8]) -> Option<journal::Entry<'_>> {
    let object = line.strip_prefix(b"data: ")?;
    (object.first() == Some(&b'{')).then(|| journal_json::line(object))?
}

fn pod_hash(writer: &Writer<'_>) -> u64 {
    hash((&writer.namespace, &writer.pod, &writer.container))
}

pub(super) fn hash(value: impl Hash) -> u64 {
    let mut hasher = twox_hash::XxHash64::with_seed(0);
    value.hash(&mut hasher);
    hasher.finish()
}
