//! What runtimes, journals and tools put around what a program wrote.
//!
//! In go lines, paths or entries, out come the content, its time and its writer. What one line tells by itself is a file here;
//! what the first lines of a file tell for all of them (the output of a tool) is in `wrapper`. A new one is called from
//! `decode::line` or `assemble::wrapper_forms`, and has a name in `record::Envelope`.

pub mod cri;
pub mod docker_json;
pub mod journal;
pub mod journal_blocks;
pub mod journal_export;
pub mod journal_file;
pub mod journal_frames;
pub mod journal_hash;
pub mod journal_json;
pub mod journal_text;
pub mod kubectl;
pub mod pod_path;
pub mod rotation;
pub mod wrapper;
