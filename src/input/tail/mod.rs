//! The follower of the live agent: files as they are written, over rotation, truncation, deletion and restarts.
//!
//! In go names and patterns of files, the places up to which they were read before, and the time; out come their bytes as
//! chunks of whole lines, in order per source and in turns that are fair between sources, and every byte that is known to
//! be lost, with a reason. Lines are not parsed here, nothing is sent, no thread is owned, and nothing waits.
//!
//! Files are known by what they hold, but they are looked for by name: outside of pods, one that was renamed while nothing
//! followed it, to a name that is no rotation's of a name that is followed (`app.log` to `app-old.txt`), is not found again,
//! and what was not read of it is neither given nor counted.

mod check;
mod compare;
pub mod config;
pub mod disk;
mod file;
pub mod file_system;
mod folder;
pub mod follower;
mod found;
mod gone;
pub mod inotify;
mod lines;
mod listing;
mod opened;
pub mod pattern;
mod reading;
mod recognise;
mod scope;
pub mod sink;
mod slots;
mod source;
#[cfg(test)]
mod tests;
