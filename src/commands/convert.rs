//! `spanline convert`: files or standard input to structured records, in constant memory.
//!
//! In go lines, out comes one record per line in the asked form. Nothing is dropped; a record that waits for a further
//! line is emitted after a quiet moment, so that a live pipe is never held up.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use spanline_parsers::detect::Expect;

use super::rules::{listed, parsed};
use crate::assemble::{AssembleSettings, Assembler, Counts, SourceFormats};
use crate::calendar::{Calendar, CalendarSettings};
use crate::cli::{FromFormat, ToFormat};
use crate::counts::Named;
use crate::decode::Envelopes;
use crate::export::fields::RecordContext;
use crate::export::formats::terminal::Style;
use crate::export::formats::text_fields::Fields;
use crate::export::formats::{json, logfmt, otlp_json, text};
use crate::files::clash::{self, Clash, Input, Output};
use crate::files::identity::FileId;
use crate::input::journal::query::JournalQuery;
use crate::input::open;
use crate::input::read::{ChunkReader, LookFor, ReadError, ReadLimits};
use crate::input::sources;
use crate::input::writers::Writers;
use crate::line_rules::LineRules;
use crate::line_rules::redact::Redactor;
use crate::record::sink::RecordSink;
use crate::record::{Envelope, Origin, Record};
use crate::unpack;

/// How long a live pipe may be quiet before what is open is emitted.
const QUIET: Duration = Duration::from_millis(200);
/// Output is written in pieces of about this size.
const WRITE_BYTES: usize = 64 * 1024;

/// A path that stands for standard input.
const STDIN: &str = "-";

/// What to convert, and how.
#[derive(Debug, Clone)]
pub struct ConvertConfig {
    /// Empty: standard input, as `-` is.
    pub files: Vec<PathBuf>,
    /// Who wrote them, as far as the user says it.
    pub writers: Writers,
    /// Which entries of journals are read.
    pub journal: JournalQuery,
    /// What the lines are.
    pub from: FromFormat,
    /// What to write.
    pub to: ToFormat,
    /// What is wanted with lines.
    pub rules: LineRules,
    /// How times without a year or zone are read.
    pub calendar: CalendarSettings,
    /// Limits of reading.
    pub limits: ReadLimits,
    /// Bodies keep their terminal sequences.
    pub keep_ansi: bool,
    /// All fields of a journal's entries are attributes.
    pub journal_fields: bool,
    /// Colour the text.
    pub colour: bool,
    /// Which fields text shows.
    pub fields: Fields,
}

/// How it ended.
#[derive(Debug, Default)]
pub struct ConvertOutcome {
    /// One message for each file that could not be read to its end.
    pub failures: Vec<String>,
    /// NUL bytes before records, left out.
    pub nul_bytes: u64,
    /// Notices for the user.
    pub notices: Vec<String>,
}

/// Why nothing, or not everything, was written.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// The output is an input.
    #[error(transparent)]
    Clash(#[from] Clash),
    /// The output takes no more.
    #[error("standard output: {source}; nothing is written beyond about {records} records")]
    Output {
        /// What the system said.
        source: io::Error,
        /// Records that were given to it.
        records: u64,
    },
}

/// Runs the conversion to standard output. A closed output ends it quietly; so does `stop`, after what was read is written.
pub fn run(config: &ConvertConfig, output: impl Write, stop: &AtomicBool) -> Result<ConvertOutcome, ConvertError> {
    let named = config.files.iter().filter_map(|path| Input::file(path.to_string_lossy(), path));
    let piped = config.files.is_empty().then(|| FileId::of_descriptor(io::stdin()));
    let piped = Input::known("standard input", piped.flatten());
    clash::check(&[Output::stdout(), Output::stderr()], named.chain(piped))?;
    let mut outcome = ConvertOutcome::default();
    let shown: Vec<String> = config.files.iter().map(|path| path.to_string_lossy().into_owned()).collect();
    let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
    let notice = |pattern: &str| format!("--for {pattern}: no file has such a name, so that this has no effect");
    outcome.notices = config.writers.unmatched(&shown).map(notice).collect();
    let mut sink = Writer {
        output,
        buffer: Vec::new(),
        to: config.to,
        fields: config.fields,
        style: Style { colour: config.colour, width: None },
        records: 0,
        file: None,
        head: json::Head::new(None),
        counts: Counts::default(),
        failed: None,
        redactor: config.rules.redactor.as_deref(),
        redacted: Named::default(),
    };
    let stdin = [PathBuf::from(STDIN)];
    let files = if config.files.is_empty() { &stdin[..] } else { &config.files };
    for (given, path) in files.iter().enumerate() {
        // Of several files each record says which one it is from.
        sink.file = (files.len() > 1).then(|| path.to_string_lossy().into_owned());
        sink.head = json::Head::new(sink.file.as_deref());
        let source = Source::of(path, given, config);
        let (name, result) = if path == Path::new(STDIN) {
            ("standard input".into(), {
                let opened = open::standard_input().map_err(ReadError::from);
                opened.and_then(|input| convert_one(config, source, Piped::new(input), &mut sink, stop))
            })
        } else {
            let opened = open::open_log(path, &config.journal, config.limits.file_bytes).map_err(ReadError::from);
            (path.to_string_lossy(), opened.and_then(|input| convert_one(config, source, input, &mut sink, stop)))
        };
        if let Err(error) = result {
            outcome.failures.push(format!("{name}: {error}"));
        }
        if sink.failed.is_some() || stop.load(Ordering::Relaxed) {
            break;
        }
    }
    sink.flush();
    outcome.nul_bytes = sink.counts.nul_prefix_bytes;
    outcome.notices.extend(parsed(&config.rules.formats, &sink.counts.custom));
    outcome.notices.extend(listed("redacted", &sink.redacted));
    match sink.failed {
        Some(source) if source.kind() != io::ErrorKind::BrokenPipe => {
            Err(ConvertError::Output { source, records: sink.records })
        }
        _ => Ok(outcome),
    }
}

/// What is known of a source before its first line.
struct Source {
    origin: Origin,
    /// The path as it was given.
    shown: String,
    calendar: CalendarSettings,
}

impl Source {
    fn of(path: &Path, given: usize, config: &ConvertConfig) -> Source {
        let canonical = path.canonicalize().unwrap_or_else(|_| path.into()).to_string_lossy().into_owned();
        let shown = path.to_string_lossy();
        let mut calendar = config.calendar.clone();
        calendar.year_hint = sources::year_hint(path);
        let by_name = || if config.files.len() > 1 { sources::origin_of(&shown) } else { Origin::default() };
        let mut origin = sources::origin_of_container(&canonical).unwrap_or_else(by_name);
        config.writers.put_over(config.writers.of(given, &shown), &mut origin);
        Source { origin, calendar, shown: shown.into_owned() }
    }
}

fn convert_one<R: Read, W: Write>(
    config: &ConvertConfig,
    source: Source,
    input: R,
    sink: &mut Writer<'_, W>,
    stop: &AtomicBool,
) -> Result<(), ReadError> {
    let (mut envelopes, expect) = wanted(config.from);
    if envelopes == Envelopes::Auto && source.origin.pod.is_some() {
        envelopes = Envelopes::OfContainer;
    }
    let settings = AssembleSettings {
        envelopes,
        expect,
        record_bytes_max: config.limits.line_bytes,
        drop_nul_lines: false,
        keep_ansi: config.keep_ansi,
        journal_fields: config.journal_fields,
        formats: SourceFormats { all: config.rules.formats.clone(), file: source.shown.into() },
    };
    let mut assembler = Assembler::new(0, Arc::new(source.origin), Calendar::new(&source.calendar), settings);
    let mut reader = ChunkReader::new(input, config.limits);
    reader
        .look_for(LookFor { journal: envelopes.allows(Envelope::Journal), streams: envelopes.allows(Envelope::Loki) });
    let ended = loop {
        match reader.next_chunk() {
            Ok(Some(chunk)) => assembler.feed(&chunk, sink),
            Ok(None) => break Ok(()),
            Err(ReadError::Quiet) => {
                assembler.flush(sink);
                sink.flush();
            }
            Err(error) => break Err(error),
        }
        if sink.failed.is_some() || stop.load(Ordering::Relaxed) {
            break Ok(());
        }
    };
    assembler.flush(sink);
    sink.counts.add(assembler.counts());
    ended
}

/// The envelopes and payloads of a `--from` name.
fn wanted(from: FromFormat) -> (Envelopes, Expect) {
    let bare = Envelopes::Only(Envelope::None);
    match from {
        FromFormat::Auto => (Envelopes::Auto, Expect::Auto),
        FromFormat::Cri => (Envelopes::Only(Envelope::Cri), Expect::Auto),
        FromFormat::Docker => (Envelopes::Only(Envelope::Docker), Expect::Auto),
        FromFormat::Journal => (Envelopes::Only(Envelope::Journal), Expect::Auto),
        FromFormat::Kubectl => (Envelopes::Only(Envelope::Kubectl), Expect::Auto),
        FromFormat::Stern => (Envelopes::Only(Envelope::Stern), Expect::Auto),
        FromFormat::Compose => (Envelopes::Only(Envelope::Compose), Expect::Auto),
        FromFormat::Fluentbit | FromFormat::Vector => (Envelopes::Only(Envelope::Shipper), Expect::Auto),
        FromFormat::Loki => (Envelopes::Only(Envelope::Loki), Expect::Auto),
        FromFormat::Klog => (bare, Expect::Klog),
        FromFormat::Logrus => (bare, Expect::Logrus),
        FromFormat::Logfmt => (bare, Expect::Logfmt),
        FromFormat::Json => (bare, Expect::Json),
        FromFormat::Conmonrs => (bare, Expect::ConmonRs),
        FromFormat::Conmon => (bare, Expect::Conmon),
        FromFormat::Syslog => (bare, Expect::Syslog),
        FromFormat::Text => (bare, Expect::Text),
    }
}

struct Writer<'r, W> {
    output: W,
    buffer: Vec<u8>,
    to: ToFormat,
    fields: Fields,
    style: Style,
    records: u64,
    /// The file that is read, if each record is to say it.
    file: Option<String>,
    head: json::Head,
    /// What all files are made of.
    counts: Counts,
    failed: Option<io::Error>,
    redactor: Option<&'r Redactor>,
    /// What was blacked out, by rule.
    redacted: Named,
}

impl<W: Write> RecordSink for Writer<'_, W> {
    fn record(&mut self, record: &Record<'_>) {
        let Some(redactor) = self.redactor else { return self.write(record) };
        let counts = &mut self.redacted;
        match redactor.record(record, &mut |rule| counts.add(redactor.name(rule), 1)) {
            Some(redacted) => self.write(&redacted.in_place_of(record)),
            None => self.write(record),
        }
    }
}

impl<W: Write> Writer<'_, W> {
    fn write(&mut self, record: &Record<'_>) {
        let context = RecordContext { file: self.file.as_deref().map(str::as_bytes), ..RecordContext::default() };
        self.records += u64::from(self.failed.is_none());
        match self.to {
            ToFormat::Json => json::write(&mut self.buffer, record, None, &self.head),
            ToFormat::OtlpJson => otlp_json::write(&mut self.buffer, record, None, &context),
            ToFormat::Logfmt => logfmt::write(&mut self.buffer, record, None, &context),
            ToFormat::Text => text::write(&mut self.buffer, record, self.fields, self.style),
        }
        if self.buffer.len() >= WRITE_BYTES {
            self.flush();
        }
    }
}

impl<W: Write> Writer<'_, W> {
    fn flush(&mut self) {
        if self.failed.is_none()
            && let Err(error) = self.output.write_all(&self.buffer).and_then(|()| self.output.flush())
        {
            self.failed = Some(error);
        }
        self.buffer.clear();
    }
}

/// A pipe read on a thread of its own, so that a quiet moment can be noticed.
struct Piped {
    pieces: Receiver<io::Result<Vec<u8>>>,
    piece: Vec<u8>,
    at: usize,
}

impl Piped {
    fn new(input: impl Read + Send + 'static) -> Piped {
        let (give, pieces) = sync_channel(2);
        std::thread::spawn(move || match unpack::unpacked(input) {
            Ok(input) => pass_on(input, &give),
            // Nobody listens only once the run has ended.
            Err(error) => drop(give.send(Err(error))),
        });
        Piped { pieces, piece: Vec::new(), at: 0 }
    }
}

/// Reads to the end, or until nobody takes any more.
fn pass_on(mut input: impl Read, give: &SyncSender<io::Result<Vec<u8>>>) {
    loop {
        let mut piece = vec![0; WRITE_BYTES];
        let result = match input.read(&mut piece) {
            Ok(0) => return,
            Ok(got) => {
                piece.truncate(got);
                Ok(piece)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let failed = result.is_err();
        if give.send(result).is_err() || failed {
            return;
        }
    }
}

impl Read for Piped {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.at == self.piece.len() {
            self.piece = match self.pieces.recv_timeout(QUIET) {
                Ok(piece) => piece?,
                Err(RecvTimeoutError::Timeout) => return Err(io::ErrorKind::WouldBlock.into()),
                Err(RecvTimeoutError::Disconnected) => return Ok(0),
            };
            self.at = 0;
        }
        let take = into.len().min(self.piece.len() - self.at);
        into[..take].copy_from_slice(&self.piece[self.at..self.at + take]);
        self.at += take;
        Ok(take)
    }
}
