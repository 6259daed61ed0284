//! The follower over a file system in memory, and over the one of the machine.

mod follows;
mod memory;
mod model;
mod on_disk;
mod recorder;
