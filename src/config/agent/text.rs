//! The text of a configuration file, and what is told of its problems.

use std::io::Read;
use std::path::Path;

use super::fields::{Problem, Problems};
use crate::config::error::ConfigError;

/// Bytes of a configuration: a hundred times what anybody writes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Reads a file; what cannot be read at all is an error, what is wrong within it is a problem. `flag`: which names the file.
pub(crate) fn text(flag: &'static str, path: &Path, problems: &mut Problems) -> Result<Option<String>, ConfigError> {
    let bad = |reason: String| ConfigError::new(flag, format!("{}: {reason}", path.display()));
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| bad(error.to_string()))?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| bad(error.to_string()))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(bad(format!("larger than {FILE_BYTES_MAX} bytes: this is no configuration")));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some(text)),
        Err(error) => {
            let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
            problems.add(line, "not UTF-8 text");
            Ok(None)
        }
    }
}

/// All problems of a file, each with its line.
pub(crate) fn told(path: &Path, problems: &[Problem]) -> String {
    let path = path.display();
    let mut problems: Vec<&Problem> = problems.iter().collect();
    problems.sort_by_key(|problem| problem.line);
    let lines: Vec<String> =
        problems.iter().map(|problem| format!("{path}:{}: {}", problem.line, problem.text)).collect();
    match lines.as_slice() {
        [line] => line.clone(),
        lines => format!("{} problems\n  {}", lines.len(), lines.join("\n  ")),
    }
}
