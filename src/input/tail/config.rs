//! What is followed, and within which limits.

use std::path::PathBuf;
use std::time::Duration;

use super::pattern::PathPattern;

/// What is followed, and within which limits.
#[derive(Debug, Clone)]
pub struct TailConfig {
    /// A file that belongs to several goes with the first.
    pub inputs: Vec<TailInput>,
    /// Nothing was followed before: [`TailInput::start`] holds.
    pub is_first_start: bool,
    /// Folders of which nothing is a log: those that the agent itself writes to.
    pub own_folders: Vec<PathBuf>,
    /// Limits.
    pub limits: TailLimits,
}

/// Files that go together.
#[derive(Debug, Clone)]
pub struct TailInput {
    /// Where they lie.
    pub kind: TailInputKind,
    /// Those of them that are left out.
    pub exclude: Vec<PathPattern>,
    /// Where files begin that exist when the agent starts for the first time.
    pub start: Start,
}

/// Where files lie.
#[derive(Debug, Clone)]
pub enum TailInputKind {
    /// Logs of containers, as kubelet lays them out below this folder.
    Pods {
        /// `/var/log/pods`
        root: PathBuf,
    },
    /// Files with names like these, and what these are rotated to.
    Files {
        /// Absolute paths with wildcards.
        include: Vec<PathPattern>,
    },
}

/// Where a file begins that existed before the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// With what is written from now on; rotations of it are not read.
    #[default]
    End,
    /// With its first byte.
    Beginning,
}

/// Limits of following.
#[derive(Debug, Clone)]
pub struct TailLimits {
    /// A longer line is cut into pieces.
    pub line_bytes_max: usize,
    /// Bytes that are read of one source before the next one's turn; 64 to 256 KiB keep both system calls and waits few.
    pub turn_bytes: usize,
    /// Descriptors that are kept open. Files beyond are opened for each of their turns, and what is deleted of them before
    /// that is lost, and counted.
    pub open_files_max: usize,
    /// Sources beyond are not followed, which is said.
    pub sources_max: usize,
    /// Watches beyond are not asked for: such folders and files are only scanned.
    pub watches_max: usize,
    /// How long a file that was rotated away or deleted must be quiet at its end until it is taken for finished: its writer
    /// may go on with it until it is told to open the new one.
    pub late_writes: Duration,
    /// The same for one that ends within a line.
    pub late_rest_of_line: Duration,
}

impl Default for TailLimits {
    fn default() -> TailLimits {
        TailLimits {
            line_bytes_max: 1 << 20,
            turn_bytes: 64 * 1024,
            open_files_max: 512,
            sources_max: 100_000,
            watches_max: 500_000,
            late_writes: Duration::from_secs(5),
            late_rest_of_line: Duration::from_secs(10),
        }
    }
}
