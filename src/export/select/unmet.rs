//! Why nothing is selected.
//!
//! In go conditions, which of them something met, and the names that lines and spans have; out come sentences that say which
//! condition leaves nothing, and what it may have meant. What meets a condition is not decided here.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::condition::Condition;
use super::span_lookup::SpanLookup;
use crate::record::Origin;
use crate::setting::Setting;

/// Names kept of each kind, and told.
pub(super) const NAMES_MAX: usize = 10_000;
const TOLD_MAX: usize = 4;

/// What was met so far; shared by threads that read.
#[derive(Debug, Default)]
pub(super) struct Met {
    /// Each condition by itself.
    each: Vec<AtomicBool>,
    /// All at once.
    all: AtomicBool,
    wants_names: bool,
    names: Mutex<Names>,
}

/// Names of those who write lines.
#[derive(Debug, Default)]
struct Names {
    services: BTreeSet<String>,
    pods: BTreeSet<String>,
    namespaces: BTreeSet<String>,
    last: Option<Origin>,
}

impl Met {
    pub(super) fn new(conditions: &[Condition]) -> Met {
        let is_named = |condition: &Condition| {
            matches!(condition, Condition::Service(_) | Condition::Namespace(_) | Condition::Pod { .. })
        };
        Met {
            each: conditions.iter().map(|_| AtomicBool::new(false)).collect(),
            wants_names: conditions.iter().any(is_named),
            ..Met::default()
        }
    }

    /// A record or trace meets this condition.
    pub(super) fn one(&self, at: usize) {
        if let Some(met) = self.each.get(at) {
            met.store(true, Ordering::Relaxed);
        }
    }

    /// It meets all.
    pub(super) fn all(&self) {
        self.all.store(true, Ordering::Relaxed);
    }

    /// Who wrote a record.
    pub(super) fn see(&self, origin: &Origin) {
        if self.wants_names {
            self.names.lock().unwrap_or_else(PoisonError::into_inner).see(origin);
        }
    }

    /// Why nothing is left; empty where something is.
    pub(super) fn why_nothing(&self, conditions: &[Condition], spans: Option<&dyn SpanLookup>) -> Vec<String> {
        if conditions.is_empty() || self.all.load(Ordering::Relaxed) {
            return Vec::new();
        }
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let of_spans = spans.into_iter().flat_map(SpanLookup::services);
        names.services.extend(of_spans.map(str::to_owned).take(NAMES_MAX));
        let unmet = conditions.iter().zip(&self.each).filter(|(_, met)| !met.load(Ordering::Relaxed));
        let reasons: Vec<String> = unmet.map(|(condition, _)| names.why(condition, spans)).collect();
        if reasons.is_empty() {
            let all: Vec<String> =
                conditions.iter().map(|condition| format!("{} {condition}", Setting::Only)).collect();
            return vec![format!("no line meets {} together, though each alone leaves some", all.join(" "))];
        }
        reasons
    }
}

impl Names {
    fn see(&mut self, origin: &Origin) {
        if self.last.as_ref() == Some(origin) || self.services.len() + self.pods.len() > NAMES_MAX {
            return;
        }
        self.services.insert(origin.service().to_owned());
        if let Some(pod) = &origin.pod {
            self.pods.insert(format!("{}/{}", pod.namespace, pod.name));
            self.namespaces.insert(pod.namespace.clone());
        }
        self.last = Some(origin.clone());
    }

    fn why(&self, condition: &Condition, spans: Option<&dyn SpanLookup>) -> String {
        let list = |names: &BTreeSet<String>, of: &str| near(of, names.iter().map(String::as_str));
        let hint = match condition {
            Condition::Service(name) => list(&self.services, name),
            Condition::Namespace(name) => list(&self.namespaces, name),
            Condition::Pod { name, .. } => {
                let grep = format!("; lines of other programs about a pod are found by {} grep={name}", Setting::Only);
                format!("{}{grep}", list(&self.pods, name))
            }
            Condition::Span(name) => match spans {
                None => "; no traces were given".to_owned(),
                Some(spans) => near(name, spans.span_names().iter().copied()),
            },
            Condition::Trace(_) => "; no line is linked to such a trace".to_owned(),
            _ => String::new(),
        };
        format!("nothing meets {} {condition}{hint}", Setting::Only)
    }
}

/// The last part of a name without its case: of `/runtime.v1.RuntimeService/RunPodSandbox` and of
/// `server.(*Server).runPodSandbox` it is the same.
pub(super) fn last_part(name: &str) -> String {
    let name = name.trim_end_matches(|char: char| !char.is_alphanumeric());
    let start = name.rfind(|char: char| !char.is_alphanumeric() && !matches!(char, '-' | '_')).map_or(0, |at| at + 1);
    name.get(start..).unwrap_or(name).to_lowercase()
}

/// Names that may be meant, or those that there are, if they are few.
fn near<'n>(wanted: &str, names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<&str> = names.filter(|name| !matches!(*name, "" | "/")).collect();
    let lower = wanted.to_lowercase();
    let is_near = |name: &&&str| {
        let other = name.to_lowercase();
        let (last, wanted) = (last_part(name), last_part(wanted));
        let allowed = wanted.chars().count().div_ceil(4);
        last == wanted || other.contains(&lower) || distance(&last, &wanted, allowed) <= allowed
    };
    let mut close: Vec<&str> = names.iter().filter(is_near).copied().collect();
    let part = last_part(wanted);
    close.sort_by_key(|name| (last_part(name) != part, !last_part(name).starts_with(&part), name.len()));
    let (intro, shown) = match (close.is_empty(), names.len()) {
        (false, _) => ("perhaps", close),
        (true, 1..=TOLD_MAX) => ("there are", names),
        _ => return String::new(),
    };
    let more = shown.len().saturating_sub(TOLD_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("; {intro} {}{more}", shown[..shown.len().min(TOLD_MAX)].join(", "))
}

/// Letters to change, add or drop to make one text of the other; more than `most` count as one more.
fn distance(one: &str, two: &str, most: usize) -> usize {
    let two: Vec<char> = two.chars().collect();
    if one.chars().count().abs_diff(two.len()) > most {
        return most + 1;
    }
    let mut row: Vec<usize> = (0..=two.len()).collect();
    for (at, mine) in one.chars().enumerate() {
        let mut before = std::mem::replace(&mut row[0], at + 1);
        for (to, other) in two.iter().enumerate() {
            let change = before + usize::from(mine != *other);
            before = row[to + 1];
            row[to + 1] = change.min(before + 1).min(row[to] + 1);
        }
    }
    row[two.len()].min(most + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_told() {
        let names = ["/runtime.v1.RuntimeService/RunPodSandbox", "syncPod", "networkStart", "GET /orders", "Version"];
        let near = |wanted| near(wanted, names.into_iter());
        assert_eq!(near("runpodsandbox"), "; perhaps /runtime.v1.RuntimeService/RunPodSandbox");
        assert_eq!(near("SyncPods"), "; perhaps syncPod");
        assert_eq!(near("orders"), "; perhaps GET /orders");
        assert_eq!(near("sync"), "; perhaps syncPod");
        assert_eq!(super::near("sync", ["x/ExecSync", "syncPod"].into_iter()), "; perhaps syncPod, x/ExecSync");
        assert_eq!(near("nothing like it"), "");
        assert_eq!(super::near("nothing like it", ["a", "/", ""].into_iter()), "; there are a");
        assert_eq!((distance("kitten", "sitting", 5), distance("kitten", "sitting", 2)), (3, 3));
    }

    #[test]
    fn the_condition_that_leaves_nothing_is_told() {
        let conditions = [Condition::Service("web".into()), Condition::Linked];
        let met = Met::new(&conditions);
        met.see(&Origin { service_name: "webshop".into(), ..Origin::default() });
        met.one(1);
        assert_eq!(met.why_nothing(&conditions, None), ["nothing meets ‹only› service=web; perhaps webshop"]);
        met.one(0);
        let reasons = met.why_nothing(&conditions, None);
        assert_eq!(reasons, ["no line meets ‹only› service=web ‹only› linked together, though each alone leaves some"]);
        met.all();
        assert!(met.why_nothing(&conditions, None).is_empty());
    }
}
