//! Patterns of paths and names, as expressions.
//!
//! In go patterns in which `*` stands for anything but `/`, `**` for anything, and `?` for one character but `/`; out come
//! expressions that are like them.

use regex::Regex;

/// A pattern of paths: all of a path, or its end behind a `/`.
///
/// pattern = *( "**" / "*" / "?" / char )
pub(super) fn path(pattern: &str) -> Result<Regex, String> {
    matcher("(^|/)", pattern.trim_start_matches("./"))
}

/// A pattern of names: all of a name.
pub(super) fn name(pattern: &str) -> Result<Regex, String> {
    matcher("^", pattern)
}

/// A pattern of values, which may have any characters, none included: `*` stands for any of them.
pub(super) fn value(pattern: &str) -> Result<Regex, String> {
    let words: Vec<String> = pattern.split('*').map(regex::escape).collect();
    Regex::new(&format!("(?s)^{}$", words.join(".*"))).map_err(|error| format!("{pattern:?}: {error}"))
}

fn matcher(begin: &str, pattern: &str) -> Result<Regex, String> {
    let mut text = format!("(?s){begin}");
    let mut rest = pattern;
    while let Some(char) = rest.chars().next() {
        let (length, part) = match char {
            '*' if rest.starts_with("**/") => (3, "(.*/)?".to_owned()),
            '*' if rest.starts_with("**") => (2, ".*".to_owned()),
            '*' => (1, "[^/]*".to_owned()),
            '?' => (1, "[^/]".to_owned()),
            other => (other.len_utf8(), regex::escape(other.encode_utf8(&mut [0; 4]))),
        };
        text.push_str(&part);
        rest = &rest[length..];
    }
    text.push('$');
    if pattern.is_empty() {
        return Err(format!("{pattern:?}: it is empty"));
    }
    Regex::new(&text).map_err(|error| format!("{pattern:?}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_like_its_pattern_as_a_whole_and_a_path_by_its_end() {
        for (pattern, text, expected) in
            [("web-*", "web-0", true), ("web-*", "my-web-0", false), ("web", "web-0", false), ("w?b", "wéb", true)]
        {
            assert_eq!(name(pattern).unwrap().is_match(text), expected, "{pattern} {text}");
        }
        for (pattern, text, expected) in [
            ("app/*.log", "/var/log/app/x.log", true),
            ("app/*.log", "/var/log/my-app/x.log", false),
            ("/var/log/app/*.log", "/var/log/app/x.log", true),
            ("app/**", "/var/log/app/a/b/c", true),
        ] {
            assert_eq!(path(pattern).unwrap().is_match(text), expected, "{pattern} {text}");
        }
        assert!(name("").is_err() && path("./").is_err());
    }
}
