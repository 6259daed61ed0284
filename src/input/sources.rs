//! Files found to sources: whose lines they hold, which are rotations of one another, oldest first.
//!
//! In go files with their names, out come [`Source`]s in reading order. The first bytes of a file are looked at to tell
//! what is no log and rotations by their first time; nothing is read through here.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::io;
use std::path::Path;
use std::sync::Arc;

use spanline_parsers::pod_path;
use spanline_parsers::rotation::{self, Age};

use super::discover::{Found, FoundFile};
use super::guess;
use super::journal;
use super::journal::query::JournalQuery;
use super::look::Looker;
use super::sniff::Sniffed;
use super::writers::{Writer, Writers};
use crate::calendar::CalendarSettings;
use crate::calendar::fit::{self, Sample, SampleTimes};
use crate::decode;
use crate::metadata::directory::PodDirectory;
use crate::record::pod_facts::PodFacts;
use crate::record::{Origin, Pod, Producer};
use crate::services::Services;

/// One stream of lines: a file with its rotations.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// Who wrote it, where more is known than names and the user tell.
    pub settled_origin: Option<Arc<Origin>>,
    /// What Kubernetes knows of its pod.
    pub pod_facts: Option<Arc<PodFacts>>,
    /// What the user says of its writer.
    pub said: Option<Arc<Writer>>,
    /// It holds events of Kubernetes' audit log.
    pub is_kubernetes_audit: bool,
    /// Who wrote it, for the ids of its records: the same wherever the files lie.
    pub writer: String,
    /// Its files, oldest first.
    pub files: Vec<FoundFile>,
    /// Year and month that a file's name tells.
    pub year_hint: Option<(i32, u8)>,
    /// The times of its first lines.
    pub times: SampleTimes,
    /// Of a journal that is read as a whole, which entries are wanted.
    pub wanted: Option<Arc<JournalQuery>>,
}

impl Source {
    /// Who wrote it. Unless that was settled, it is put together from names: of very many sources, few are in hand at a time.
    pub fn origin(&self) -> Arc<Origin> {
        self.settled_origin.clone().unwrap_or_else(|| Arc::new(self.origin_by_names()))
    }

    fn origin_by_names(&self) -> Origin {
        let shown = self.files.last().map_or("", |file| file.shown.as_str());
        let links = self.files.iter().flat_map(|file| &file.linked_as);
        let mut origin = of_container(shown, links).unwrap_or_else(|| origin_of_name(shown, self.is_kubernetes_audit));
        self.said.iter().for_each(|said| said.put_over(&mut origin));
        origin.pod_facts = self.pod_facts.clone().filter(|_| origin.pod.is_some());
        origin
    }

    /// Takes what is known of its pod.
    pub fn know_pod(&mut self, pods: &PodDirectory) {
        self.pod_facts = self.origin_by_names().pod.and_then(|pod| pods.find(&pod));
    }

    /// The user said its service.
    pub fn service_is_said(&self) -> bool {
        self.said.as_ref().is_some_and(|said| said.says_service())
    }

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

/// Groups files into sources. What is no log by its content is left out; if it was named, that is an error too. `journal`:
/// which entries of journals are wanted; `reads_whole`: all are read, so that places in their files stay the same.
pub fn sources(found: &mut Found, writers: &Writers, journal: &JournalQuery, reads_whole: bool) -> Vec<Source> {
    let mut groups: Vec<Vec<(FoundFile, Sniffed)>> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    let (mut looker, all) = (Looker::default(), Arc::<JournalQuery>::default());
    for mut file in std::mem::take(&mut found.files) {
        let sniffed = looker.sniffed(&mut file);
        if let Some(reason) = sniffed.leave_out {
            if file.named {
                found.errors.push((file.path.clone(), io::Error::other(format!("{reason}; it was left out"))));
            }
            found.leave_out(reason, file.shown);
            continue;
        }
        if sniffed.is_journal {
            file.journal = Some(all.clone());
        }
        let (folder, name) = file.shown.rsplit_once('/').unwrap_or(("", &file.shown));
        // Rotations of one file have one writer.
        let writer = writers.of(file.given, &file.shown).map(|at| at.to_string()).unwrap_or_default();
        let key = [folder, "/", &base(&file, name), "\0", &writer].concat();
        let group = *known.entry(key).or_insert(groups.len());
        // Most sources have one file: there is no room for more.
        groups.resize_with(groups.len().max(group + 1), || Vec::with_capacity(1));
        groups[group].push((file, sniffed));
    }
    drop(known);
    let journal = chosen_entries(&groups, journal);
    if !reads_whole {
        let journals = groups.iter_mut().flatten().filter(|(file, _)| file.journal.is_some());
        journals.for_each(|(file, _)| file.journal = Some(journal.clone()));
    }
    let wanted = Some(journal).filter(|journal| reads_whole && !journal.wants_all());
    let said: Vec<Arc<Writer>> = writers.all.iter().cloned().map(Arc::new).collect();
    let said = |file: &FoundFile| said.get(writers.of(file.given, &file.shown)?).cloned();
    let mut sources = Vec::with_capacity(groups.len());
    let mut unidentified: HashMap<String, u64> = HashMap::new();
    for files in groups {
        let is_journal = files.first().is_some_and(|(file, _)| file.journal.is_some());
        let wanted = wanted.clone().filter(|_| is_journal);
        sources.push(Source { wanted, ..source(files, &said, &mut unidentified) });
    }
    sources
}

/// What the files of a source have in common in their names.
fn base(file: &FoundFile, name: &str) -> String {
    if file.journal.is_some() { journal::family(name) } else { rotation::family(name).base }
}

/// Which entries of journals are wanted. Which boot is the last one, all of their files tell together.
fn chosen_entries(groups: &[Vec<(FoundFile, Sniffed)>], query: &JournalQuery) -> Arc<JournalQuery> {
    if !query.needs_boots() {
        return Arc::new(query.clone());
    }
    let files = groups.iter().flatten().filter(|(file, _)| file.journal.is_some());
    let boots = files.filter_map(|(file, _)| file.whole().ok()).flat_map(journal::stream::boots);
    Arc::new(query.clone().with_boots(&boots.collect::<Vec<_>>()))
}

fn source(
    mut files: Vec<(FoundFile, Sniffed)>,
    said: &dyn Fn(&FoundFile) -> Option<Arc<Writer>>,
    unidentified: &mut HashMap<String, u64>,
) -> Source {
    if files.len() > 1 {
        put_in_order(&mut files);
    }
    let mut source = Source { files: Vec::with_capacity(files.len()), ..Source::default() };
    for (file, sniffed) in files {
        source.is_kubernetes_audit = sniffed.is_kubernetes_audit;
        source.year_hint = source.year_hint.or_else(|| year_hint(Path::new(&file.shown)));
        source.times.extend(sniffed.times);
        source.said = said(&file);
        source.files.push(file);
    }
    let origin = source.origin_by_names();
    source.writer = match source.files.last() {
        Some(file) if file.journal.is_some() => journal::family(file.name()),
        file => writer(&origin, file.map_or("", |file| file.shown.as_str())),
    };
    if origin.pod.as_ref().is_none_or(|pod| pod.uid.is_empty()) {
        tell_apart(&mut source.writer, unidentified);
    }
    source
}

/// Oldest first.
fn put_in_order(files: &mut Vec<(FoundFile, Sniffed)>) {
    let order = |file: &FoundFile| rotation::family(file.name()).order;
    files.sort_by(|(a, _), (b, _)| order(a).cmp(&order(b)).then_with(|| a.shown.cmp(&b.shown)));
    // Those without a time stay where their name puts them.
    reorder(files, |(_, sniffed)| Some(((), sniffed.times.first?)));
    // The clock may have been set back between files whose entries one journald numbered.
    reorder(files, |(_, sniffed)| sniffed.numbered);
}

/// Puts the files of each group in the order of their keys, on the places that the group has. `key`: its group and its key
/// in it; files without one stay where they are.
fn reorder<T, G: Eq + Hash, K: Ord>(files: &mut Vec<T>, key: impl Fn(&T) -> Option<(G, K)>) {
    let mut places: HashMap<G, Vec<(K, usize)>> = HashMap::new();
    for (at, file) in files.iter().enumerate() {
        if let Some((group, key)) = key(file) {
            places.entry(group).or_default().push((key, at));
        }
    }
    let mut order: Vec<usize> = (0..files.len()).collect();
    for of_group in places.values_mut() {
        let free: Vec<usize> = of_group.iter().map(|(_, at)| *at).collect();
        of_group.sort_unstable();
        free.into_iter().zip(of_group).for_each(|(at, (_, file))| order[at] = *file);
    }
    let mut taken: Vec<Option<T>> = std::mem::take(files).into_iter().map(Some).collect();
    files.extend(order.into_iter().filter_map(|at| taken[at].take()));
}

/// Two files of one name in different folders are two writers (`node-1/kubelet.log`, `node-2/kubelet.log`), though folders
/// do not count in a writer's name: the second one is numbered. A pod's UID is the same writer wherever it stands.
fn tell_apart(writer: &mut String, known: &mut HashMap<String, u64>) {
    let before = known.entry(writer.clone()).or_default();
    if *before > 0 {
        writer.push_str(&format!("\0{before}"));
    }
    *before += 1;
}

fn file_name(shown: &str) -> &str {
    shown.rsplit('/').next().unwrap_or(shown)
}

/// Pod, container and restart from a path under `pods/`, a name in `containers/`, or a must-gather's tree.
pub fn origin_of_container(shown: &str) -> Option<Origin> {
    of_container(shown, std::iter::empty())
}

/// The same, where links to the file have these names.
fn of_container<'l>(shown: &str, links: impl Iterator<Item = &'l String>) -> Option<Origin> {
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
    pod_path::pod(shown).map(pod_of).or_else(|| must_gather(shown))
}

/// Who wrote a file below a folder of pods, as far as its path tells.
pub fn origin_below_pods(shown: &str) -> Origin {
    let Some(path) = pod_path::below_pods(shown) else { return origin_of(shown) };
    let mut origin = Origin::default();
    decode::origin::name_after_pod(&mut origin, pod_of(path));
    origin
}

fn pod_of(path: pod_path::PodPath<'_>) -> Pod {
    Pod {
        namespace: path.namespace.into(),
        name: path.pod.into(),
        uid: path.uid.into(),
        container: path.container.into(),
        restart: path.restart,
        container_id: path.container_id.map(str::to_owned),
    }
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
    origin_of_container(shown).unwrap_or_else(|| origin_of_name(shown, false))
}

/// The same, where a link of this name leads to it.
pub fn origin_of_linked(shown: &str, link: &str) -> Origin {
    of_container(shown, std::iter::once(&link.to_owned())).unwrap_or_else(|| origin_of_name(shown, false))
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

/// How each source's calendar begins. `seconds`: at which spans began.
pub fn calendars(
    config: &CalendarSettings,
    sources: &[Source],
    seconds: &BTreeSet<i64>,
    tell: &dyn Fn(&str),
) -> Vec<CalendarSettings> {
    let samples: Vec<_> = sources.iter().map(Source::sample).collect();
    fit::calendars(config, &samples, seconds, tell)
}

/// Settles who wrote each source by what the spans tell of pods: a file that is called like one of them is that pod's, and
/// a pod's lines go by the service of its spans, unless the user said another one.
pub fn settle_writers(sources: &mut [Source], services: &Services, pod_named: &dyn Fn(&str) -> Option<Pod>) {
    for source in sources {
        let mut origin = Arc::unwrap_or_clone(source.origin());
        if origin.is_guessed
            && let Some(pod) = pod_named(&stem(source))
        {
            (origin.pod, origin.producer, origin.is_guessed) = (Some(pod), Producer::Pod, false);
        }
        if !source.service_is_said() {
            services.put_over(&mut origin);
        }
        source.settled_origin = Some(Arc::new(origin));
    }
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
pub fn writer(origin: &Origin, shown: &str) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_with_a_key_are_put_in_order_on_their_own_places() {
        let mut files = vec![("c", Some(3)), ("-", None), ("a", Some(1)), ("b", Some(2)), ("+", None)];
        reorder(&mut files, |(_, time)| Some(((), (*time)?)));
        assert_eq!(files.iter().map(|file| file.0).collect::<String>(), "a-bc+");
        let mut groups = vec![(1, 9), (2, 5), (1, 4), (2, 3)];
        reorder(&mut groups, |(group, number)| Some((*group, *number)));
        assert_eq!(groups, [(1, 4), (2, 3), (1, 9), (2, 5)]);
    }
}
