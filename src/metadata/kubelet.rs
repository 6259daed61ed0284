//! The pods of this node, asked of its kubelet while the agent runs.
//!
//! In go the pods of lines, out come their facts, as soon as the kubelet has told them. It is asked when a pod appears that is not
//! known, at most once a second, and else each minute. Nobody waits for it but for a moment, and not while it does not answer.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use http::{HeaderValue, header};

use super::directory::PodDirectory;
use super::pod_list::{self, Sent};
use crate::metrics::Metrics;
use crate::notify::Notify;
use crate::otlp::endpoint::Endpoint;
use crate::otlp::query::QueryClient;
use crate::record::Pod;
use crate::record::pod_facts::PodFacts;

/// How the kubelet is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct KubeletConfig {
    /// Where it answers, with what its certificate is checked against.
    pub endpoint: Endpoint,
    /// The token that it is shown, which is read each time; `None`: none.
    pub token_file: Option<PathBuf>,
    /// Which labels and annotations are sent.
    pub sent: Sent,
}

/// It is asked no sooner than so long after the last time.
const PAUSE: Duration = Duration::from_secs(1);
/// It is asked at least so often.
const EVERY: Duration = Duration::from_secs(60);
/// The same while it does not answer.
const RETRY: Duration = Duration::from_secs(10);
/// Lines of a pod that is not known wait no longer for it.
const PATIENCE: Duration = Duration::from_millis(250);
/// At the start all pods are new: what is written meanwhile stays in its files.
const PATIENCE_AT_START: Duration = Duration::from_secs(2);
/// Bytes of an answer: some 10 kB for each of a thousand pods, several times over.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// Pods of a node.
const PODS_MAX: usize = 10_000;

/// Who asks the kubelet; it stops asking when this is dropped.
pub struct Kubelet {
    shared: Arc<Shared>,
}

struct Shared {
    pods: RwLock<PodDirectory>,
    state: Mutex<State>,
    changed: Condvar,
    /// Its last answer could be used.
    answers: AtomicBool,
}

#[derive(Default)]
struct State {
    /// Somebody wants a pod that is not known.
    is_wanted: bool,
    /// How often it was asked.
    asked: u64,
    /// It is not asked any more.
    has_ended: bool,
}

impl fmt::Debug for Kubelet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kubelet").finish_non_exhaustive()
    }
}

impl Kubelet {
    /// Begins to ask, and waits for the first answer for a moment.
    pub fn start(config: KubeletConfig, metrics: &Arc<Metrics>, notify: &Notify) -> std::io::Result<Kubelet> {
        let shared = Arc::new(Shared {
            pods: RwLock::default(),
            state: Mutex::default(),
            changed: Condvar::new(),
            answers: AtomicBool::new(false),
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let asker = Asker {
            shared: shared.clone(),
            config,
            metrics: metrics.clone(),
            notify: notify.clone(),
            is_failing: false,
        };
        std::thread::Builder::new().name("kubelet".into()).spawn(move || asker.run(&runtime))?;
        let kubelet = Kubelet { shared };
        kubelet.wait(PATIENCE_AT_START, |state| state.asked > 0);
        Ok(kubelet)
    }

    /// What is known of a pod.
    pub fn known(&self, pod: &Pod) -> Option<Arc<PodFacts>> {
        self.shared.pods.read().unwrap_or_else(PoisonError::into_inner).find(pod)
    }

    /// The same; of a pod that is not known the kubelet is asked, and its answer waited for for a moment, if it does answer. To be
    /// called once for each pod: one that it does not know would have it asked on and on.
    pub fn find(&self, pod: &Pod) -> Option<Arc<PodFacts>> {
        let known = self.known(pod);
        if known.is_some() {
            return known;
        }
        let asked = {
            let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.is_wanted = true;
            self.shared.changed.notify_all();
            state.asked
        };
        if self.shared.answers.load(Ordering::Relaxed) {
            self.wait(PATIENCE, |state| state.asked > asked);
        }
        self.known(pod)
    }

    fn wait(&self, patience: Duration, is_over: impl Fn(&State) -> bool) {
        let state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.shared.changed.wait_timeout_while(state, patience, |state| !is_over(state));
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner).has_ended = true;
        self.shared.changed.notify_all();
    }
}

/// The thread that asks.
struct Asker {
    shared: Arc<Shared>,
    config: KubeletConfig,
    metrics: Arc<Metrics>,
    notify: Notify,
    is_failing: bool,
}

impl Asker {
    fn run(mut self, runtime: &tokio::runtime::Runtime) {
        loop {
            let asked_at = Instant::now();
            let outcome = runtime.block_on(self.ask());
            self.take(outcome);
            let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.asked += 1;
            self.shared.changed.notify_all();
            loop {
                if state.has_ended {
                    return;
                }
                let least = match (state.is_wanted, self.is_failing) {
                    (true, _) => PAUSE,
                    (false, true) => RETRY,
                    (false, false) => EVERY,
                };
                let left = least.saturating_sub(asked_at.elapsed());
                if left.is_zero() {
                    state.is_wanted = false;
                    break;
                }
                let waited = self.shared.changed.wait_timeout(state, left);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }

    async fn ask(&self) -> Result<Vec<PodFacts>, String> {
        let mut endpoint = self.config.endpoint.clone();
        if let Some(path) = &self.config.token_file {
            let bad = |error: &dyn fmt::Display| format!("the token in {}: {error}", path.display());
            let token = std::fs::read_to_string(path).map_err(|error| bad(&error))?;
            let value = HeaderValue::from_str(&format!("Bearer {}", token.trim())).map_err(|error| bad(&error))?;
            endpoint.headers.push((header::AUTHORIZATION, value));
        }
        let client = QueryClient::new(endpoint).map_err(|error| error.to_string())?;
        let (status, body) = client.get("/pods", ANSWER_BYTES_MAX).await.map_err(|error| error.to_string())?;
        match status.as_u16() {
            200 => {}
            401 => return Err("it does not take the token (401)".to_owned()),
            403 => {
                return Err(
                    "it may not be asked (403): allow nodes/pods: get, or nodes/proxy: get before 1.33".to_owned()
                );
            }
            status => return Err(format!("it answered {status}")),
        }
        let (pods, left_out) = pod_list::pods(&body, &self.config.sent, PODS_MAX)
            .map_err(|error| format!("its answer is no list of pods: {error}"))?;
        if left_out > 0 {
            (self.notify)(&format!(
                "the kubelet lists {left_out} pods more than {PODS_MAX}: of these only paths are known"
            ));
        }
        Ok(pods)
    }

    fn take(&mut self, outcome: Result<Vec<PodFacts>, String>) {
        let is_answer = outcome.is_ok();
        self.shared.answers.store(is_answer, Ordering::Relaxed);
        match outcome {
            Ok(pods) => {
                self.shared.pods.write().unwrap_or_else(PoisonError::into_inner).replace(pods, Instant::now());
                if std::mem::replace(&mut self.is_failing, false) {
                    (self.notify)("the kubelet answers again: lines have the labels and owners of their pods");
                }
            }
            Err(error) => {
                self.metrics.kubelet_failures.add(1);
                if !std::mem::replace(&mut self.is_failing, true) {
                    (self.notify)(&format!(
                        "the kubelet at {} cannot be asked for its pods: {error}; of pods that are not known yet, lines have what \
                         their paths tell until it can",
                        self.config.endpoint.shown
                    ));
                }
            }
        }
    }
}
