//! Absolute paths with wildcards.
//!
//! In goes a pattern as the user wrote it, out comes whether a path is like it, and whether a folder may hold such paths. No
//! file is looked at.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// A path with wildcards: `*` and `?` stand for any bytes and any byte of a name, `[a-z]` and `[!a-z]` for one byte of
/// these and of others, `**` as a whole name for any number of folders. A `\` takes the meaning from what follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPattern {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(Vec<u8>),
    Wild(Vec<Token>),
    AnyFolders,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Byte(u8),
    Any,
    AnyRun,
    Class { ranges: Vec<(u8, u8)>, is_negated: bool },
}

/// Why a pattern is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It does not begin with `/`.
    #[error("{0} is no absolute path")]
    Relative(String),
    /// `.` or `..` in it, or nothing at all.
    #[error("{0} names no file: write it without . and .. and to the end")]
    Unclear(String),
    /// A `[` without its `]`.
    #[error("{0} has a [ without its ]")]
    Open(String),
}

impl PathPattern {
    /// Reads a pattern.
    pub fn new(text: &str) -> Result<PathPattern, PatternError> {
        let Some(below) = text.strip_prefix('/') else { return Err(PatternError::Relative(text.into())) };
        let mut parts = Vec::new();
        for part in below.split('/').filter(|part| !part.is_empty()) {
            parts.push(match part {
                "." | ".." => return Err(PatternError::Unclear(text.into())),
                "**" => Part::AnyFolders,
                _ => Part::of(part.as_bytes()).ok_or_else(|| PatternError::Open(text.into()))?,
            });
        }
        if parts.is_empty() || text.ends_with('/') {
            return Err(PatternError::Unclear(text.into()));
        }
        if parts.last() == Some(&Part::AnyFolders) {
            parts.push(Part::Wild(vec![Token::AnyRun]));
        }
        Ok(PathPattern { text: text.into(), parts })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The folder below which all paths like it lie.
    pub fn folder(&self) -> PathBuf {
        let mut folder = PathBuf::from("/");
        for part in &self.parts[..self.parts.len() - 1] {
            let Part::Literal(name) = part else { break };
            folder.push(OsStr::from_bytes(name));
        }
        folder
    }

    /// The path itself, if there is no wildcard in it.
    pub fn literal(&self) -> Option<PathBuf> {
        match self.parts.last() {
            Some(Part::Literal(name)) if self.parts.iter().all(|part| matches!(part, Part::Literal(_))) => {
                Some(self.folder().join(OsStr::from_bytes(name)))
            }
            _ => None,
        }
    }

    /// Whether a path is like it.
    pub fn is_match(&self, path: &Path) -> bool {
        names(path).is_some_and(|names| is_match(&self.parts, &names))
    }

    /// Whether a path like it may lie in this folder or below.
    pub fn may_be_below(&self, folder: &Path) -> bool {
        names(folder).is_some_and(|names| may_be_below(&self.parts, &names))
    }
}

/// The names of an absolute path; `None` for others.
fn names(path: &Path) -> Option<Vec<&[u8]>> {
    let mut parts = path.components();
    let is_absolute = matches!(parts.next(), Some(Component::RootDir));
    let name = |part: Component<'_>| matches!(part, Component::Normal(_)).then_some(());
    if !is_absolute || parts.clone().any(|part| name(part).is_none()) {
        return None;
    }
    Some(path.iter().skip(1).map(OsStrExt::as_bytes).collect())
}

fn is_match(parts: &[Part], names: &[&[u8]]) -> bool {
    match (parts.split_first(), names.split_first()) {
        (None, None) => true,
        (Some((Part::AnyFolders, rest)), _) => (0..=names.len()).any(|skipped| is_match(rest, &names[skipped..])),
        (Some((part, parts)), Some((name, names))) => part.is_name(name) && is_match(parts, names),
        _ => false,
    }
}

fn may_be_below(parts: &[Part], names: &[&[u8]]) -> bool {
    match (parts.split_first(), names.split_first()) {
        (None, _) => false,
        (Some((Part::AnyFolders, _)), _) | (Some(_), None) => true,
        (Some((part, parts)), Some((name, names))) => part.is_name(name) && may_be_below(parts, names),
    }
}

impl Part {
    /// `None` for a class without an end.
    fn of(text: &[u8]) -> Option<Part> {
        let mut tokens = Vec::new();
        let mut rest = text;
        while let Some((first, after)) = rest.split_first() {
            rest = after;
            tokens.push(match first {
                b'*' => Token::AnyRun,
                b'?' => Token::Any,
                b'[' => {
                    let (class, after) = class(rest)?;
                    rest = after;
                    class
                }
                b'\\' => match rest.split_first() {
                    Some((byte, after)) => {
                        rest = after;
                        Token::Byte(*byte)
                    }
                    None => Token::Byte(b'\\'),
                },
                byte => Token::Byte(*byte),
            });
        }
        let literal = tokens.iter().map(|token| if let Token::Byte(byte) = token { Some(*byte) } else { None });
        Some(literal.collect::<Option<Vec<u8>>>().map_or(Part::Wild(tokens), Part::Literal))
    }

    fn is_name(&self, name: &[u8]) -> bool {
        match self {
            Part::Literal(literal) => literal == name,
            Part::Wild(tokens) => is_like(tokens, name),
            Part::AnyFolders => true,
        }
    }
}

/// class = "[" [ "!" / "^" ] 1*( byte [ "-" byte ] ) "]" ; a "]" at its start stands for itself
fn class(text: &[u8]) -> Option<(Token, &[u8])> {
    let (is_negated, mut rest) = match text.split_first()? {
        (b'!' | b'^', rest) => (true, rest),
        _ => (false, text),
    };
    let mut ranges = Vec::new();
    loop {
        let (from, after) = rest.split_first()?;
        if *from == b']' && !ranges.is_empty() {
            return Some((Token::Class { ranges, is_negated }, after));
        }
        rest = after;
        match rest {
            [b'-', to, after @ ..] if *to != b']' => {
                ranges.push((*from, *to));
                rest = after;
            }
            _ => ranges.push((*from, *from)),
        }
    }
}

/// Goes back to the last `*` only: its run grows by one byte at a time, so that no pattern takes long.
fn is_like(tokens: &[Token], name: &[u8]) -> bool {
    let (mut token, mut at) = (0, 0);
    let mut last_run = None;
    while at < name.len() {
        match tokens.get(token) {
            Some(Token::AnyRun) => {
                last_run = Some((token, at));
                token += 1;
                continue;
            }
            Some(one) if one.is_byte(name[at]) => {
                (token, at) = (token + 1, at + 1);
                continue;
            }
            _ => {}
        }
        let Some((run, from)) = last_run else { return false };
        last_run = Some((run, from + 1));
        (token, at) = (run + 1, from + 1);
    }
    tokens[token..].iter().all(|token| *token == Token::AnyRun)
}

impl Token {
    fn is_byte(&self, byte: u8) -> bool {
        match self {
            Token::Byte(own) => *own == byte,
            Token::Any => true,
            Token::AnyRun => false,
            Token::Class { ranges, is_negated } => {
                ranges.iter().any(|(from, to)| (*from..=*to).contains(&byte)) != *is_negated
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_are_like_a_pattern_or_not() {
        for (pattern, like, unlike) in [
            (
                "/var/log/kubelet.log",
                vec!["/var/log/kubelet.log"],
                vec!["/var/log/kubelet.log.1", "var/log/kubelet.log"],
            ),
            ("/var/log/*.log", vec!["/var/log/a.log", "/var/log/.log"], vec!["/var/log/a/b.log", "/var/log/a.log.1"]),
            ("/l/**/*.log", vec!["/l/a.log", "/l/b/c/a.log"], vec!["/m/a.log", "/l/b/a.txt", "/l"]),
            ("/l/**", vec!["/l/a", "/l/b/c"], vec!["/l", "/m"]),
            ("/l/?[a-c][!x-z]", vec!["/l/1ab", "/l/xca"], vec!["/l/1dd", "/l/1ax", "/l/ab"]),
            ("/l/[]a]\\*", vec!["/l/]*", "/l/a*"], vec!["/l/ab"]),
            ("/l/a*b*c", vec!["/l/abbbc", "/l/abcbc"], vec!["/l/abcb"]),
        ] {
            let compiled = PathPattern::new(pattern).unwrap();
            assert!(like.iter().all(|path| compiled.is_match(Path::new(path))), "{pattern}");
            assert!(!unlike.iter().any(|path| compiled.is_match(Path::new(path))), "{pattern}");
        }
        for bad in ["a.log", "/", "", "/a/../b", "/a/[b", "/a/"] {
            assert!(PathPattern::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_pattern_tells_which_folders_to_look_into() {
        let pattern = PathPattern::new("/var/log/*/deep/*.log").unwrap();
        assert_eq!(pattern.folder(), Path::new("/var/log"));
        for folder in ["/", "/var", "/var/log", "/var/log/x", "/var/log/x/deep"] {
            assert!(pattern.may_be_below(Path::new(folder)), "{folder}");
        }
        for folder in ["/tmp", "/var/log/x/other", "/var/log/x/deep/a.log"] {
            assert!(!pattern.may_be_below(Path::new(folder)), "{folder}");
        }
        assert_eq!(PathPattern::new("/a/b.log").unwrap().literal(), Some(PathBuf::from("/a/b.log")));
        assert_eq!(pattern.literal(), None);
    }

    proptest! {
        #[test]
        fn never_panics(text in "[/a*?\\[\\]!^\\\\.-]{0,30}", path in "[/a.-]{0,30}") {
            if let Ok(pattern) = PathPattern::new(&text) {
                let path = Path::new(&path);
                let is_match = pattern.is_match(path);
                prop_assert!(!is_match || path.parent().is_some_and(|folder| pattern.may_be_below(folder)));
                prop_assert!(!is_match || path.starts_with(pattern.folder()));
            }
        }

        #[test]
        fn a_path_is_like_itself(path in "(/[a-z.]{3,5}){1,4}") {
            prop_assert!(PathPattern::new(&path).unwrap().is_match(Path::new(&path)));
        }
    }
}
