//! Lines without an id: what happens more often than chance is evidence.
//!
//! In go records and the settled index, out comes for a record its span with a probability, or none ([`Engine`], which
//! drives). Probabilistic data association, learned without supervision: which templates are written in which operations,
//! and where in their spans; no program is known here, and rules with explicit evidence come before.
//!
//! In the order of the data: `lines` → `operations`, `features` → `candidate_rows`, `gating` with `shares`, `clutter` → `candidates` (data)
//! → `em` with `estimate`, `habit`, `capacity`, `factors`, `request_groups` → `posteriors` (data) → `pick_span` → `calibrate`.
//! How likely a template is in an operation, and where in its spans, is a `habit`. Along a stream (`stream_state`) lines that
//! are due are decided by the `model` of the last estimation, which `decay` carries over to the next; `evidence` keeps what was
//! learned for whoever asks why. All tuned constants are in `tuning`, `span_tuning` and
//! `stream_tuning`.

mod approximate;
mod association;
mod bins;
mod calibrate;
mod candidate_rows;
mod candidates;
mod capacity;
mod clues;
mod clutter;
mod continuations;
mod decay;
mod decisions;
mod due_lines;
mod earlier_lines;
mod em;
mod engine;
mod estimate;
mod evidence;
mod factors;
mod features;
mod gating;
mod habit;
mod histograms;
mod how;
mod kinds;
mod limits;
mod lines;
mod matched_text;
mod model;
mod observed;
mod operations;
mod pick_span;
mod posteriors;
mod prior;
mod remembered;
mod request_groups;
mod request_keys;
mod ruled;
mod schedule;
mod shares;
mod span_fit;
mod span_habits;
mod span_tuning;
mod stored_model;
mod stream_state;
mod stream_tuning;
mod task;
mod tuning;
mod working_set;
mod writers;
mod written_time;

pub(crate) use due_lines::DueLines;
pub(crate) use engine::Engine;
pub use limits::LearningLimits;
pub(crate) use ruled::Rules;
pub(crate) use stream_state::Sample;
pub(crate) use task::{Progress, Task};
pub(crate) use writers::Writers;

#[cfg(test)]
mod tests;
