//! Files found to sources: whose lines they hold, which are rotations of one another, oldest first.
//!
//! In go files with their names, out come [`Source`]s in reading order. The first bytes of a file are looked at to tell
//! what is no log and rotations by their first time; nothing is read through here.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};
use std::path::Path;

use spanline_parsers::detect::{self, Expect};
use spanline_parsers::journal_blocks::{self, Form, Told};
use spanline_parsers::rotation::{self, Age};
use spanline_parsers::wrapper::loki;
use spanline_parsers::{Entry, Time, pod_path};

use super::guess;
use super::writers::Writers;
use crate::calendar::fit::{Sample, SampleTimes};
use crate::decode::{self, Envelopes};
use crate::input::content;
use crate::input::discover::{self, Found, FoundFile};
use crate::record::{BOM, Origin, Pod, Producer};
use crate::spans::telemetry::Telemetry;
use crate::spans::trace_format::TraceFormat;

/// How much of a file tells what it is.
pub const SNIFF_BYTES: usize = 64 * 1024;
/// Lines of it whose times are looked at.
const SNIFF_LINES: usize = 200;

/// One stream of lines: a file with its rotations.
#[derive(Debug, Clone)]
pub struct Source {
    /// Who wrote it, as far as names tell.
    pub origin: Origin,
    /// The user said its service.
    pub service_is_said: bool,
    /// Who wrote it, for the ids of its records: the same wherever the files lie.
    pub writer: String,
    /// Its files, oldest first.
    pub files: Vec<FoundFile>,
    /// Year and month that a file's name tells.
    pub year_hint: Option<(i32, u8)>,
    /// The times of its first lines.
    pub times: SampleTimes,
}

impl Source {
    /// What its files tell of their times.
    pub fn sample(&self) -> Sample<'_> {
        Sample {
            file: self.files.first().map_or("", |file| file.shown.as_str()),
            times: &self.times,
            year_hint: self.year_hint,
            changed: Box::new(|| self.files.iter().filter_map(FoundFile::changed).max()),
        }
    }
}

/// Groups files into sources. What is no log by its content is left out; if it was named, that is an error too.
pub fn sources(found: &mut Found, writers: &Writers) -> Vec<Source> {
    let mut groups: BTreeMap<(usize, String), Vec<(FoundFile, Sniffed)>> = BTreeMap::new();
    let mut first_seen: HashMap<String, usize> = HashMap::new();
    for (index, file) in std::mem::take(&mut found.files).into_iter().enumerate() {
        let sniffed = sniff(&file);
        if let Some(reason) = sniffed.leave_out {
            if file.named {
                found.errors.push((file.path.clone(), io::Error::other(format!("{reason}; it was left out"))));
            }
            found.leave_out(reason, file.shown);
            continue;
        }
        let (folder, name) = file.shown.rsplit_once('/').unwrap_or(("", &file.shown));
        // Rotations of one file have one writer.
        let writer = writers.of(file.given, &file.shown).map(|at| at.to_string()).unwrap_or_default();
        let key = format!("{folder}/{}\0{writer}", rotation::family(name).base);
        let place = *first_seen.entry(key.clone()).or_insert(index);
        groups.entry((place, key)).or_default().push((file, sniffed));
    }
    let mut sources: Vec<Source> = groups.into_values().map(|files| source(files, writers)).collect();
    tell_writers_apart(&mut sources);
    sources
}

/// Two files of one name in different folders are two writers (`node-1/kubelet.log`, `node-2/kubelet.log`), though folders
/// do not count in a writer's name: the second one is numbered. A pod's UID is the same writer wherever it stands.
fn tell_writers_apart(sources: &mut [Source]) {
    let mut known: HashMap<String, u64> = HashMap::new();
    for source in sources.iter_mut().filter(|source| source.origin.pod.as_ref().is_none_or(|pod| pod.uid.is_empty())) {
        let before = known.entry(source.writer.clone()).or_default();
        if *before > 0 {
            source.writer.push_str(&format!("\0{before}"));
        }
        *before += 1;
    }
}

fn source(mut files: Vec<(FoundFile, Sniffed)>, writers: &Writers) -> Source {
    let order = |file: &FoundFile| rotation::family(file_name(&file.shown)).order;
    files.sort_by(|(a, a_sniffed), (b, b_sniffed)| {
        let by_time = match (a_sniffed.first_time(), b_sniffed.first_time()) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => std::cmp::Ordering::Equal,
        };
        by_time.then_with(|| order(a).cmp(&order(b))).then_with(|| a.shown.cmp(&b.shown))
    });
    let links: Vec<String> = files.iter().flat_map(|(file, _)| file.linked_as.clone()).collect();
    let (newest, newest_sniffed) = &files[files.len() - 1];
    let mut origin = origin_of_container(&newest.shown, &links)
        .unwrap_or_else(|| origin_of_name(&newest.shown, newest_sniffed.is_kubernetes_audit));
    let said = writers.of(newest.given, &newest.shown);
    writers.put_over(said, &mut origin);
    let service_is_said = writers.says_service(said);
    let writer = writer(&origin, &newest.shown);
    let year_hint = files.iter().find_map(|(file, _)| year_hint(Path::new(&file.shown)));
    let mut times = SampleTimes::default();
    for (_, sniffed) in &files {
        times.complete.extend(&sniffed.times.complete);
        times.local.extend(&sniffed.times.local);
    }
    Source {
        origin,
        service_is_said,
        writer,
        files: files.into_iter().map(|(file, _)| file).collect(),
        year_hint,
        times,
    }
}

fn file_name(shown: &str) -> &str {
    shown.rsplit('/').next().unwrap_or(shown)
}

/// Pod, container and restart from a path under `pods/`, a name in `containers/`, or a must-gather's tree.
pub fn origin_of_container(shown: &str, links: &[String]) -> Option<Origin> {
    let mut pod = pod_of_path(shown)?;
    for link in links {
        if let Some(named) = pod_path::in_containers(link) {
            pod.container_id = pod.container_id.or(named.container_id.map(str::to_owned));
        }
    }
    let mut origin = Origin::default();
    decode::origin::name_after_pod(&mut origin, pod);
    Some(origin)
}

fn pod_of_path(shown: &str) -> Option<Pod> {
    let Some(path) = pod_path::pod(shown) else { return must_gather(shown) };
    Some(Pod {
        namespace: path.namespace.into(),
        name: path.pod.into(),
        uid: path.uid.into(),
        container: path.container.into(),
        restart: path.restart,
        container_id: path.container_id.map(str::to_owned),
    })
}

/// …/namespaces/<ns>/pods/<pod>/<container>/<container>/logs/(current|previous).log
fn must_gather(shown: &str) -> Option<Pod> {
    let parts: Vec<&str> = shown.rsplit('/').take(8).collect();
    match parts[..] {
        [_, "logs", container, again, pod, "pods", namespace, "namespaces"] if container == again => {
            Some(Pod { namespace: namespace.into(), name: pod.into(), container: container.into(), ..Pod::default() })
        }
        _ => None,
    }
}

/// Who wrote a file, as far as its path tells.
pub fn origin_of(shown: &str) -> Origin {
    origin_of_container(shown, &[]).unwrap_or_else(|| origin_of_name(shown, false))
}

/// The component that a file is named after, by the name that its own tracing uses.
fn origin_of_name(shown: &str, is_kubernetes_audit: bool) -> Origin {
    let name = file_name(shown);
    if name == "-" {
        // Standard input has no name that tells anything.
        return Origin { is_guessed: true, ..Origin::default() };
    }
    let base = rotation::family(name).base;
    let stem = stem_of(&base);
    // A number, such as that of a restart, names nothing: its folder does.
    let is_number = stem.bytes().all(|byte| byte.is_ascii_digit());
    let folder = shown.rsplit('/').nth(1).filter(|folder| is_number && !matches!(*folder, "" | "." | ".."));
    let stem = folder.unwrap_or(stem);
    let lower = stem.to_ascii_lowercase();
    let known: [(&str, Producer, &str); 11] = [
        ("kubelet", Producer::Kubelet, "kubelet"),
        ("crio", Producer::Crio, "crio"),
        ("cri-o", Producer::Crio, "crio"),
        ("containerd", Producer::Containerd, "containerd"),
        ("conmonrs", Producer::ConmonRs, "conmonrs"),
        ("conmon-rs", Producer::ConmonRs, "conmonrs"),
        ("conmon", Producer::Conmon, "conmon"),
        ("apiserver", Producer::ApiServer, "apiserver"),
        ("etcd", Producer::Etcd, "etcd"),
        ("scheduler", Producer::Scheduler, "kube-scheduler"),
        ("controller-manager", Producer::ControllerManager, "kube-controller-manager"),
    ];
    let (producer, service) = if is_kubernetes_audit {
        (Producer::Audit, "apiserver".to_owned())
    } else {
        let known = known.iter().find(|(word, ..)| lower.contains(word));
        known.map_or_else(
            || (Producer::Other, guess::service(shown, stem)),
            |(_, producer, service)| (*producer, (*service).to_owned()),
        )
    };
    Origin { service_name: service, is_guessed: producer == Producer::Other, producer, ..Origin::default() }
}

/// The name of a source's newest file without its rotation and ending.
pub fn stem(source: &Source) -> String {
    let newest = source.files.last().map_or("", |file| file_name(&file.shown));
    stem_of(&rotation::family(newest).base).to_owned()
}

fn stem_of(base: &str) -> &str {
    base.trim_end_matches(".gz").trim_end_matches(".jsonl").trim_end_matches(".log").trim_end_matches(".txt")
}

/// Who wrote it, without anything that a mount, a rotation or compression changes.
fn writer(origin: &Origin, shown: &str) -> String {
    match &origin.pod {
        Some(pod) => {
            let who = if pod.uid.is_empty() { format!("{}/{}", pod.namespace, pod.name) } else { pod.uid.clone() };
            let run = match (pod.restart, &pod.container_id) {
                (Some(restart), _) => restart.to_string(),
                (None, Some(id)) => id.clone(),
                (None, None) => rotation::family(file_name(shown)).base,
            };
            format!("{who}/{}/{run}", pod.container)
        }
        None => rotation::family(file_name(shown)).base,
    }
}

/// The year and month in a file's name (klog's, or a rotation's).
pub fn year_hint(path: &Path) -> Option<(i32, u8)> {
    let Age::Stamped(stamp) = rotation::family(&path.file_name()?.to_string_lossy()).order.age else { return None };
    let digits = stamp.to_string();
    let (year, month) = (digits.get(..4)?.parse().ok()?, digits.get(4..6)?.parse().ok()?);
    ((1990..2200).contains(&year) && (1..=12).contains(&month)).then_some((year, month))
}

/// What the first bytes of a file tell.
#[derive(Debug, Default)]
struct Sniffed {
    leave_out: Option<&'static str>,
    is_kubernetes_audit: bool,
    times: SampleTimes,
}

impl Sniffed {
    fn first_time(&self) -> Option<i64> {
        self.times.complete.first().copied()
    }
}

fn sniff(file: &FoundFile) -> Sniffed {
    let mut head = Vec::new();
    // What can't be read is met again, and said, when the file is read.
    if let Ok(input) = file.open(None) {
        let _ = input.take(SNIFF_BYTES as u64).read_to_end(&mut head);
    }
    let head = head.strip_prefix(BOM).unwrap_or(&head);
    let first = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let mut sniffed = Sniffed {
        leave_out: None,
        is_kubernetes_audit: first.starts_with(b"{") && memchr::memmem::find(first, b"audit.k8s.io/").is_some(),
        times: times(head),
    };
    sniffed.leave_out = leave_out(head, first).or_else(|| {
        // Containers may well write what is no text: a line with a time is a line of a log, whatever else it holds.
        let has_times = sniffed.times.any();
        let is_binary =
            || content::is_binary(head) || discover::is_named_as_binary(file_name(&file.shown)) && holds_nul(head);
        (!has_times && is_binary()).then_some("binary, no log")
    });
    sniffed
}

/// Times of the first lines.
pub fn times(head: &[u8]) -> SampleTimes {
    let mut times = SampleTimes::default();
    let whole = memchr::memrchr(b'\n', head).map_or(head, |end| &head[..end]);
    let mut entry = Entry::default();
    for bytes in whole.split(|byte| *byte == b'\n').take(SNIFF_LINES) {
        let line = decode::line(bytes, Envelopes::Auto);
        if let Some((nanos, _)) = line.time {
            times.complete.push(nanos);
            continue;
        }
        detect::payload(bytes, Expect::Auto, &mut entry);
        match entry.time {
            Time::Unix { nanos, .. } => times.complete.push(nanos),
            time @ Time::Local { .. } => times.local.push(time),
            Time::None => {}
        }
    }
    times
}

fn holds_nul(head: &[u8]) -> bool {
    memchr::memchr(0, head).is_some()
}

/// What a file is, if that is known and no log.
fn leave_out(head: &[u8], first: &[u8]) -> Option<&'static str> {
    let known = content::magic(head).or_else(|| content::own_output(head));
    let known = known.or_else(|| Telemetry::of(head).map(Telemetry::is_no_log));
    let known = known.or_else(|| TraceFormat::of_json(head).map(|_| "JSON traces, no log"));
    // A manifest or a report over many lines, not one object a line.
    let is_document = || matches!(first.trim_ascii(), b"{" | b"[" | b"[{") && head.contains(&b'\n');
    if journal_blocks::form(head) == Told::Form(Form::Pretty) || loki::is_streams(head) == Some(true) {
        return None;
    }
    known.or_else(|| is_document().then_some("a JSON document, no log"))
}
