//! The service that a file is called after, where nothing else tells it.
//!
//! In goes a path, out comes the name of a workload: without what controllers add to the names of pods; of a file that is
//! called after a day or after what kind of file it is (`2026-11-23.log`, `errors.log`, `output.txt`) that of its folder.

use spanline_parsers::pod_path;

/// Words that say what kind of file it is.
const KINDS: [&str; 27] = [
    "access", "all", "combined", "console", "current", "debug", "dump", "err", "error", "errors", "info", "latest",
    "log", "logs", "out", "output", "previous", "stderr", "stdout", "today", "trace", "traces", "var", "warn",
    "warning", "warnings", "tmp",
];
/// Letters and digits of the name that a controller gives to a pod.
const RANDOM_LENGTH: usize = 5;
/// Digits of a day.
const DAY_DIGITS: usize = 6;

/// The service of a file with this name without its endings; empty where neither it nor a folder tells one.
pub(super) fn service(shown: &str, stem: &str) -> String {
    let folders = shown.rsplit('/').skip(1);
    let names = std::iter::once(stem).chain(folders.filter(|name| !matches!(*name, "" | "." | "..")));
    names.into_iter().find(|name| !is_kind(name) && !is_day(name)).map(workload).unwrap_or_default()
}

/// `web-7d9f8b6c5-x2x4z` is `web`. A number at the end may be anything: `node-1` stays.
fn workload(name: &str) -> String {
    match name.rsplit_once('-') {
        Some((_, random)) if random.len() == RANDOM_LENGTH => pod_path::service_name_of_pod(name),
        _ => name.to_owned(),
    }
}

fn is_kind(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let mut words =
        name.split(['-', '_', '.']).filter(|word| !is_day(word) && !word.bytes().all(|b| b.is_ascii_digit()));
    words.all(|word| KINDS.contains(&word))
}

/// day = 6*DIGIT, with what stands between year, month and day
fn is_day(name: &str) -> bool {
    let digits = name.bytes().filter(u8::is_ascii_digit).count();
    digits >= DAY_DIGITS
        && name.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.' | b'T' | b':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_or_a_kind_of_file_is_no_service_and_a_pod_is_its_workload() {
        for (shown, stem, expected) in [
            ("shop/2026-11-23.log", "2026-11-23", "shop"),
            ("shop/logs/errors.log", "errors", "shop"),
            ("shop/logs/error-20261123.log", "error-20261123", "shop"),
            ("output.txt", "output", ""),
            ("./logs/stdout.log", "stdout", ""),
            ("web-7d9f8b6c5-x2x4z.log", "web-7d9f8b6c5-x2x4z", "web"),
            ("agent-8gk2q.log", "agent-8gk2q", "agent"),
            ("flaky-node-1.log", "flaky-node-1", "flaky-node-1"),
            ("logs/my-server.log", "my-server", "my-server"),
            ("a/error-budget.log", "error-budget", "error-budget"),
            ("web/0.log", "0", "web"),
        ] {
            assert_eq!(service(shown, stem), expected, "{shown}");
        }
    }
}
