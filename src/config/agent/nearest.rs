//! The known name that is nearest to one that is not known.

/// The name that was probably meant: at most a third of its letters differ, swapped neighbours counting once.
pub(crate) fn nearest<'k>(written: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let written: Vec<char> = written.chars().take(LETTERS_MAX).flat_map(char::to_lowercase).collect();
    let near = known.map(|name| (distance(&written, &name.chars().collect::<Vec<_>>()), name));
    near.min().filter(|(distance, name)| *distance <= (name.chars().count() / 3).max(1)).map(|(_, name)| name)
}

/// No name is so long.
const LETTERS_MAX: usize = 40;

/// Letters to put in, leave out, change or swap with their neighbour (optimal string alignment).
fn distance(from: &[char], to: &[char]) -> usize {
    let mut rows = vec![vec![0; to.len() + 1]; from.len() + 1];
    for (at, row) in rows.iter_mut().enumerate() {
        row[0] = at;
    }
    rows[0] = (0..=to.len()).collect();
    for (i, left) in from.iter().enumerate() {
        for (j, right) in to.iter().enumerate() {
            let changed = rows[i][j] + usize::from(left != right);
            let mut least = changed.min(rows[i][j + 1] + 1).min(rows[i + 1][j] + 1);
            if i > 0 && j > 0 && *left == to[j - 1] && from[i - 1] == *right {
                least = least.min(rows[i - 1][j - 1] + 1);
            }
            rows[i + 1][j + 1] = least;
        }
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_is_found_and_nothing_is_made_up() {
        let known = ["state", "memory", "inputs", "tap", "logs", "link", "metadata", "telemetry", "grace"];
        for (written, expected) in [
            ("stat", Some("state")),
            ("memroy", Some("memory")),
            ("input", Some("inputs")),
            ("log", Some("logs")),
            ("Telemetry", Some("telemetry")),
            ("telemetri", Some("telemetry")),
            ("grcae", Some("grace")),
            ("outputs", None),
            ("x", None),
            ("", None),
            (&"state".repeat(1000), None),
        ] {
            assert_eq!(nearest(written, known.into_iter()), expected, "{written}");
        }
        assert_eq!(nearest("a", [].into_iter()), None);
    }
}
