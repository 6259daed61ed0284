//! Whether a source need not be read, since its files are unchanged and the destinations have all of its records.
//!
//! In go what is known of the files and how they would be read, out comes whether they are passed over. Whether bytes are the
//! same is told by [`recognise`](crate::checkpoint::recognise).

use std::hash::Hasher;

use twox_hash::XxHash64;

use crate::checkpoint::source_files::SourceFiles;
use crate::checkpoint::source_streams::SourceStreams;
use crate::export::shipper::Shipper;
use crate::input::read::ReadLimits;
use crate::input::sources::Source;
use crate::line_rules::LineRules;

/// Whether a source whose files are known so need not be read; counts its records if so. `reading`: see [`reading`].
pub(super) fn passes_over(shipper: &mut Shipper<'_, SourceStreams<'_>>, files: &SourceFiles, reading: u64) -> bool {
    let destinations: Vec<usize> = shipper.logs.iter().map(|output| output.destination).collect();
    let settled = || shipper.before.records_settled(files, reading, &destinations);
    let records = shipper.only_sends_all().then(settled).flatten();
    if let Some(records) = records {
        shipper.passes_over(files.len() as u64, records);
    }
    records.is_some()
}

/// A hash of what decides which records a source has, and in which streams they are: with the same bytes and the same hash
/// they are the same.
pub(super) fn reading(source: &Source, limits: ReadLimits, rules: &LineRules) -> u64 {
    let origin = source.origin();
    let (host, unit) = (origin.host.as_deref().unwrap_or_default(), origin.unit.as_deref().unwrap_or_default());
    let names = [env!("CARGO_PKG_VERSION"), &source.writer, &origin.service_name, host, unit];
    let mut hasher = XxHash64::with_seed(u64::from(origin.pod.is_some()));
    for name in names {
        hasher.write_u64(name.len() as u64);
        hasher.write(name.as_bytes());
    }
    let journal = source.files.first().and_then(|file| file.journal.as_ref());
    hasher.write(journal.map(|query| query.text()).unwrap_or_default().as_bytes());
    hasher.write_u64(limits.line_bytes as u64);
    hasher.write_u64(limits.file_bytes);
    // Without rules, as before there were any.
    hasher.write(rules.as_written.as_bytes());
    hasher.finish()
}
