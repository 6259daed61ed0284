//! The live agent: a lane for each destination, started, stopped and started again where its configuration changes.
//!
//! In go an [`AgentConfig`] and commands, out comes how it ended. Each destination has its positions in a folder of its own below
//! the state folder, which one agent has at a time.

use std::sync::mpsc::Receiver;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use super::lanes::{AgentEnd, Lanes, OwnSlot};
use super::tap_requests::ToLanes;
use crate::checkpoint::folder::Folder;
use crate::live::log_requests::LogRequests;
use crate::live::pod_metadata::PodSource;
use crate::live::span_requests::SpanRequests;
use crate::metadata::kubelet::Kubelet;
use crate::metrics::Metrics;
use crate::notify::Notify;
use crate::run::RunError;
use crate::run::agent::{AgentConfig, MetadataConfig};
use crate::tap::Tap;
use crate::tap::consumer::Consumer;

/// Of the grace, so much is for lines to be acknowledged on their spans, the rest for what the tap still has.
const EVENTS_SHARE: f32 = 0.6;

/// What the agent is told while it runs.
#[derive(Debug)]
pub enum Command {
    /// End in order, within the grace.
    Stop,
    /// Go on with this.
    Reload(Box<AgentConfig>),
}

/// Runs until it is told to stop, or nobody can tell it any more.
pub fn agent(
    config: &AgentConfig,
    metrics: &Arc<Metrics>,
    commands: &Receiver<Command>,
    notify: &Notify,
) -> Result<AgentEnd, RunError> {
    let state = Arc::new(Folder::open(&config.state)?);
    if let Some(note) = state.unlocked() {
        notify(note);
    }
    let mut config = config.clone();
    let (spans, logs) = (Arc::new(SpanRequests::new(metrics)), Arc::<LogRequests>::default());
    let mut tap: Option<Tap> = None;
    let own: OwnSlot = Arc::default();
    let mut pods: Option<(PodSource, MetadataConfig)> = None;
    loop {
        if pods.as_ref().is_none_or(|(_, of)| *of != config.metadata) {
            pods = Some((pod_source(&config.metadata, metrics, notify)?, config.metadata.clone()));
        }
        let known = pods.as_ref().map(|(pods, _)| pods.clone()).unwrap_or_default();
        let lanes = Lanes::start(&config, (&state, known), (metrics, notify), &own)?;
        let wakes = lanes.wakes();
        logs.go_to(wakes.first().cloned());
        spans.go_to(wakes);
        if tap.is_none() {
            let consumer = Arc::new(ToLanes { spans: spans.clone(), logs: logs.clone() });
            tap = start_tap(&config, metrics, notify, consumer)?;
            *own.lock().unwrap_or_else(PoisonError::into_inner) = tap.as_ref().map(Tap::own);
        }
        let command = commands.recv().unwrap_or(Command::Stop);
        let is_tap_kept = matches!(&command, Command::Reload(changed) if changed.tap == config.tap);
        let ends_by = Instant::now() + config.grace;
        let end_tap = |tap: &Option<Tap>| tap.iter().filter(|_| !is_tap_kept).for_each(|tap| tap.end_by(ends_by));
        let end = if config.destinations.is_empty() {
            // Lines are settled by spans that the tap must send before.
            let end = lanes.end(config.grace.mul_f32(EVENTS_SHARE))?;
            end_tap(&tap);
            end
        } else {
            end_tap(&tap);
            lanes.end(config.grace)?
        };
        if !is_tap_kept {
            tap.take().map(Tap::finish).transpose()?;
        }
        match command {
            Command::Stop => return Ok(end),
            Command::Reload(changed) => {
                end.unsaved.iter().for_each(|error| notify(error));
                config = *changed;
            }
        }
    }
}

/// Where what is known of pods comes from.
fn pod_source(config: &MetadataConfig, metrics: &Arc<Metrics>, notify: &Notify) -> Result<PodSource, RunError> {
    Ok(match config {
        MetadataConfig::None => PodSource::None,
        MetadataConfig::Path => PodSource::Path,
        MetadataConfig::Kubelet(kubelet) => {
            PodSource::Kubelet(Arc::new(Kubelet::start((**kubelet).clone(), metrics, notify)?))
        }
    })
}

fn start_tap(
    config: &AgentConfig,
    metrics: &Arc<Metrics>,
    notify: &Notify,
    consumer: Arc<dyn Consumer>,
) -> Result<Option<Tap>, RunError> {
    let start = |tap| Tap::start(tap, &config.state, (metrics, notify), Some(consumer));
    Ok(config.tap.as_deref().map(start).transpose()?)
}
