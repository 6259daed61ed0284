//! The house rules: how long files and functions are, what pure modules must not touch, what the README says of the flags.
//!
//! In go the tracked files of the repository, out comes every breach at once. Nothing here looks at behaviour.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

/// What may stand at the top of the repository beside dotted files of tools.
const TOP_LEVEL: [&str; 9] =
    ["Cargo.lock", "Cargo.toml", "CHANGELOG.md", "LICENSE", "README.md", "deploy", "parsers", "src", "testdata"];

/// What pure modules must not touch: files, tasks, the clock, the wire.
const PURE: [&str; 4] = ["src/decode", "src/assemble", "src/correlate", "parsers/src"];
const IMPURE: [&str; 7] =
    ["std::fs", "std::net", "std::thread", "tokio", "opentelemetry_proto", "SystemTime::now", "Instant::now"];

const FILE_LINES_MAX: usize = 400;
const FUNCTION_LINES_MAX: usize = 70;

/// Files that are longer, and why.
const LONG_FILES: [(&str, &str); 1] =
    [("src/assemble/mod.rs", "the one pass over a chunk, whose steps call one another")];

/// Functions that are longer (`file::function`), and why.
const LONG_FUNCTIONS: [(&str, &str); 0] = [];

/// Names that say nothing.
const EMPTY_NAMES: [&str; 6] = ["util", "utils", "common", "helper", "manager", "misc"];

/// Flags in the README that belong to other tools.
const FOREIGN_FLAGS: [&str; 13] = [
    "--bench",
    "--sanitizer",
    "--release",
    "--workspace",
    "--locked",
    "--path",
    "--target",
    "--rm",
    "--namespace",
    "--features",
    "--bin",
    "--timestamps",
    "--prefix",
];

/// Flags of other programs in strings, which are called like one of ours.
const FLAGS_OF_OTHERS: [(&str, &str); 2] = [("src/input/trees.rs", "--header"), ("src/input/trees.rs", "--fields")];

#[test]
fn the_code_is_formatted() {
    let output = Command::new(env!("CARGO")).args(["fmt", "--all", "--check"]).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "run cargo fmt:\n{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn the_top_level_holds_what_it_should() {
    let odd: BTreeSet<String> = tracked()
        .iter()
        .map(|path| path.split('/').next().unwrap_or_default().to_owned())
        .filter(|name| !name.starts_with('.') && !TOP_LEVEL.contains(&name.as_str()))
        .collect();
    assert!(odd.is_empty(), "the top level is fixed, but there is {odd:?}");
}

#[test]
fn pure_modules_touch_nothing_outside() {
    let pure = sources().filter(|(path, _)| PURE.iter().any(|pure| path.starts_with(pure)));
    let breaches: Vec<String> = pure
        .flat_map(|(path, code)| {
            let named = IMPURE.iter().filter(move |word| code.contains(**word));
            named.map(move |word| format!("{path}: {word}"))
        })
        .collect();
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[test]
fn files_and_functions_are_short_and_files_say_what_they_are() {
    let mut breaches = Vec::new();
    for (path, code) in sources() {
        let lines = code.lines().count();
        if lines > FILE_LINES_MAX && !LONG_FILES.iter().any(|(file, _)| *file == path) {
            breaches.push(format!("{path}: {lines} lines without its tests"));
        }
        let name = path.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs");
        if EMPTY_NAMES.contains(&name) {
            breaches.push(format!("{path}: the name says nothing"));
        }
        if !code.starts_with("//!") {
            breaches.push(format!("{path}: no module documentation"));
        }
        for (function, lines) in functions(&code).filter(|(_, lines)| *lines > FUNCTION_LINES_MAX) {
            let place = format!("{path}::{function}");
            if !LONG_FUNCTIONS.iter().any(|(long, _)| *long == place) {
                breaches.push(format!("{place}: {lines} lines"));
            }
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[test]
fn exceptions_are_needed() {
    let sources: Vec<_> = sources().collect();
    for (file, _) in LONG_FILES {
        let code = sources.iter().find(|(path, _)| path == file).map(|(_, code)| code);
        assert!(code.is_some_and(|code| code.lines().count() > FILE_LINES_MAX), "{file} is not long any more");
    }
    for (place, _) in LONG_FUNCTIONS {
        let (file, name) = place.split_once("::").unwrap();
        let (_, code) = sources.iter().find(|(path, _)| path == file).unwrap();
        let lines = functions(code).find(|(function, _)| function == name).map_or(0, |(_, lines)| lines);
        assert!(lines > FUNCTION_LINES_MAX, "{place} is not long any more");
    }
}

#[test]
fn only_the_commands_name_flags_in_messages() {
    let ours: BTreeSet<String> = commands().iter().flat_map(|command| options(&help(&[command, "--help"]))).collect();
    assert!(ours.contains("--traces"), "the commands list no flags");
    let is_above =
        |path: &str| ["src/cli/", "src/config/", "src/commands/"].iter().any(|above| path.starts_with(above));
    let below = sources().filter(|(path, _)| path.starts_with("src/") && !is_above(path));
    let mut breaches = Vec::new();
    for (path, code) in below {
        for text in texts(&code) {
            let named = flags(&text).into_iter().filter(|flag| ours.contains(flag));
            let named = named.chain(text.contains("SPANLINE_").then(|| "SPANLINE_".to_owned()));
            let is_foreign = |flag: &String| FLAGS_OF_OTHERS.contains(&(path.as_str(), flag.as_str()));
            breaches.extend(named.filter(|flag| !is_foreign(flag)).map(|flag| format!("{path}: {flag} in {text:?}")));
        }
    }
    assert!(breaches.is_empty(), "name a Setting instead:\n{}", breaches.join("\n"));
}

#[test]
fn the_readme_names_flags_that_there_are() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let exist: BTreeSet<String> = commands().iter().flat_map(|command| flags(&help(&[command, "--help"]))).collect();
    assert!(exist.contains("--traces"), "the commands list no flags");
    let is_ours = |flag: &String| !FOREIGN_FLAGS.contains(&flag.as_str()) && flag != "--help" && flag != "--version";
    let unknown: Vec<String> =
        flags(&readme).into_iter().filter(|flag| is_ours(flag) && !exist.contains(flag)).collect();
    assert!(unknown.is_empty(), "README has {unknown:?}, which no command has");
}

#[test]
fn the_manual_pages_have_every_flag_with_what_it_means() {
    let folder = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("man");
    help(&["man", "--all", folder.to_str().unwrap()]);
    let page = |name: &str| {
        let text = std::fs::read_to_string(folder.join(format!("{name}.1"))).unwrap();
        // roff marks dashes that are to stay what they are.
        text.replace("\\-", "-")
    };
    let mut breaches = Vec::new();
    for command in commands() {
        let (text, options) = (page(&format!("spanline-{command}")), options(&help(&[&command, "--help"])));
        assert!(page("spanline").contains(&format!("spanline-{command}(1)")), "{command}");
        for flag in options {
            let begins = |line: &str| line.starts_with("\\fB") && line.contains(&format!("\\fB{flag}\\fR"));
            let of_options = text.split_once(".SH OPTIONS\n").map_or("", |(_, options)| options);
            let means = of_options.lines().skip_while(|line| !begins(line)).nth(1);
            if means.is_none_or(|means| means.starts_with('.') || means.len() < 10) {
                breaches.push(format!("{command} {flag}: {means:?}"));
            }
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[test]
fn nothing_names_a_machine_or_a_mirror() {
    // In two parts, so that this file does not name them.
    let places = [["/wo", "rk/"], ["/ro", "ot/"], ["/home/run", "ner"]].map(|parts| parts.concat());
    let mirrors = [["index.crates", ".io"], ["proxy.golang", ".org"], ["GOPROXY", "="], ["replace", "-with"]];
    let mut breaches = Vec::new();
    for path in tracked() {
        let Ok(bytes) = std::fs::read(root().join(&path)) else { continue };
        let text = String::from_utf8_lossy(&bytes);
        // Logs of a real node may well name root's home.
        let places = places.iter().filter(|place| !(path.starts_with("testdata/") && place.contains("oot/")));
        let found = places.cloned().chain(mirrors.map(|parts| parts.concat())).find(|word| text.contains(word));
        breaches.extend(found.map(|word| format!("{path}: {word}")));
    }
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let foreign =
        |line: &&str| line.starts_with("source = ") && !line.contains("github.com/rust-lang/crates.io-index\"");
    breaches.extend(lock.lines().filter(foreign).map(|line| format!("Cargo.lock: {line}")));
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files that git knows; of a tree without git, all but `target`.
fn tracked() -> Vec<String> {
    let git = Command::new("git").args(["-c", "safe.directory=*", "ls-files", "-z"]).current_dir(root()).output();
    if let Ok(output) = git
        && output.status.success()
    {
        let list = String::from_utf8(output.stdout).unwrap();
        let exists = |path: &&str| !path.is_empty() && root().join(path).is_file();
        return list.split('\0').filter(exists).map(str::to_owned).collect();
    }
    let mut files = Vec::new();
    let mut folders = vec![root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") && !path.ends_with(".git") {
                folders.push(path);
            } else if path.is_file() {
                files.push(path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    files
}

/// Rust files that are shipped, without their tests.
pub(crate) fn sources() -> impl Iterator<Item = (String, String)> {
    let is_test = |path: &str| {
        path.split('/').any(|part| matches!(part, "tests" | "benches" | "fuzz"))
            || path.ends_with("tests.rs")
            || path.ends_with("samples.rs")
    };
    tracked()
        .into_iter()
        .filter(move |path| {
            path.ends_with(".rs") && (path.starts_with("src/") || path.starts_with("parsers/")) && !is_test(path)
        })
        .map(|path| {
            let text = std::fs::read_to_string(root().join(&path)).unwrap();
            let code = without_tests(&text);
            (path, code)
        })
}

/// The text up to the module of its tests.
fn without_tests(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let is_tests = |pair: &[&str]| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{');
    let end = lines.windows(2).position(is_tests).unwrap_or(lines.len());
    lines[..end].join("\n")
}

/// Modules of the crate that code names, comments aside: `crate::x`, `crate::{x, y::z}` and, in the binary,
/// `spanline::x`.
pub(crate) fn named_modules(code: &str) -> BTreeSet<String> {
    let code: String = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let mut named = BTreeSet::new();
    for root in ["crate::", "spanline::"] {
        for (at, _) in code.match_indices(root) {
            if code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_' || before == '$') {
                continue;
            }
            let after = &code[at + root.len()..];
            match after.strip_prefix('{') {
                Some(list) => named.extend(first_words(list)),
                None => named.extend(word(after)),
            }
        }
    }
    named
}

/// The first word of each part of a list that ends with its `}`.
fn first_words(list: &str) -> Vec<String> {
    let mut words = Vec::from_iter(word(list));
    let mut depth = 0;
    for (at, character) in list.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => words.extend(word(&list[at + 1..])),
            _ => {}
        }
    }
    words
}

/// A module's name; types and the like begin with a capital and are not at the root.
fn word(text: &str) -> Option<String> {
    let text = text.trim_start();
    let end = text.find(|character: char| !character.is_alphanumeric() && character != '_').unwrap_or(text.len());
    let word = &text[..end];
    word.starts_with(|first: char| first.is_ascii_lowercase()).then(|| word.to_owned())
}

/// Functions with the number of their lines, as rustfmt lays them out.
fn functions(code: &str) -> impl Iterator<Item = (String, usize)> {
    let lines: Vec<&str> = code.lines().collect();
    (0..lines.len()).filter_map(move |start| {
        let line = lines[start];
        let text = line.trim_start();
        let head = &text[..text.find("fn ")?];
        let words = ["pub", "pub(crate)", "pub(super)", "const", "async", "extern", "unsafe"];
        if !head.split_whitespace().all(|word| words.contains(&word)) {
            return None;
        }
        let name = word(&text[head.len() + 3..])?;
        let end_of_head = (start..lines.len()).find(|at| lines[*at].ends_with(['{', '}', ';']))?;
        if !lines[end_of_head].ends_with('{') {
            return Some((name, end_of_head - start + 1));
        }
        let close = format!("{}}}", &line[..line.len() - text.len()]);
        let end = (end_of_head..lines.len()).find(|at| lines[*at] == close)?;
        Some((name, end - start + 1))
    })
}

/// What stands in the strings of code, comments aside.
fn texts(code: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let mut rest = code;
    while let Some(at) = rest.find(['"', '/', '\'']) {
        let (before, from) = rest.split_at(at);
        rest = match from.as_bytes() {
            [b'/', b'/', ..] => from.split_once('\n').map_or("", |(_, rest)| rest),
            // A quote as a character.
            [b'\'', b'"', b'\'', ..] => &from[3..],
            [b'\'', b'\\', _, b'\'', ..] => &from[4..],
            [b'"', ..] => {
                let is_raw = before.ends_with("r#");
                let text = &from[1..];
                let end = if is_raw { text.find("\"#") } else { end_of_string(text) };
                let end = end.unwrap_or(text.len());
                texts.push(text[..end].to_owned());
                text.get(end + 1..).unwrap_or("")
            }
            _ => &from[1..],
        };
    }
    texts
}

/// Where a string ends whose opening quote lies before the text.
fn end_of_string(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.char_indices().find_map(|(at, character)| {
        let ends = character == '"' && !is_escaped;
        is_escaped = character == '\\' && !is_escaped;
        ends.then_some(at)
    })
}

/// Long flags that stand in a text.
fn flags(text: &str) -> BTreeSet<String> {
    let mut flags = BTreeSet::new();
    for (at, _) in text.match_indices("--") {
        let is_start = !text[..at].ends_with(|before: char| before.is_alphanumeric() || before == '-');
        let after = &text[at + 2..];
        let end =
            after.find(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit() && c != '-').unwrap_or(after.len());
        if is_start && after.starts_with(|first: char| first.is_ascii_lowercase()) {
            flags.insert(format!("--{}", after[..end].trim_end_matches('-')));
        }
    }
    flags
}

/// The options that a command's help lists, each once however often it is spoken of.
fn options(help: &str) -> BTreeSet<String> {
    let lines = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    let named = lines.filter_map(|line| line.split_whitespace().find(|word| word.starts_with("--")));
    let long = named.flat_map(flags);
    long.filter(|flag| !["--help", "--version"].contains(&flag.as_str())).collect()
}

/// The commands that the help lists.
fn commands() -> Vec<String> {
    let help = help(&["--help"]);
    let list = help.split_once("Commands:\n").map_or("", |(_, list)| list);
    let is_command = |line: &&str| line.starts_with("  ") && !line.starts_with("   ");
    let lines = list.lines().take_while(|line| !line.is_empty()).filter(is_command);
    lines.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").map(str::to_owned).collect()
}

fn help(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_spanline")).args(arguments).stdin(Stdio::null()).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// The rules above are only worth something if their readers see what they should.
mod readers {
    use super::*;

    #[test]
    fn names_are_found_in_every_spelling() {
        let code = "use crate::record::{A, B};\nuse crate::{otlp::{x, y}, input};\nfn f() { crate::spans::g() }\n\
                    // crate::config\nmacro!($crate::cli);\nuse spanline::pipeline;\nuse spanline_parsers::entry;";
        let named: Vec<String> = named_modules(code).into_iter().collect();
        assert_eq!(named, ["input", "otlp", "pipeline", "record", "spans"]);
    }

    #[test]
    fn functions_are_measured() {
        let code = "fn a() {\n    1;\n}\nimpl X {\n    pub fn b(\n        x: u8,\n    ) -> u8 {\n        x\n    }\n\
                    \n    fn c() {}\n}\ntrait T {\n    fn d(&self);\n}\n// fn e() {";
        let all: Vec<_> = functions(code).collect();
        assert_eq!(all, [("a".into(), 3), ("b".into(), 5), ("c".into(), 1), ("d".into(), 1)]);
    }

    #[test]
    fn strings_are_found_and_comments_are_not() {
        let code = "f(\"a \\\" b\", '\"', r#\"c \" d\"#); // \"e\"\n/// \"f\"\ng::<'a>(b\"h\") / 2";
        assert_eq!(texts(code), ["a \\\" b", "c \" d", "h"]);
    }

    #[test]
    fn flags_are_found_and_dashes_are_not() {
        let text = "`--dry-run`, [--to D]… a--b -- ---- --color=auto";
        assert_eq!(flags(text).into_iter().collect::<Vec<_>>(), ["--color", "--dry-run", "--to"]);
    }

    #[test]
    fn tests_are_cut_off() {
        assert_eq!(
            without_tests("a\n#[cfg(test)]\nmod samples;\nb\n#[cfg(test)]\nmod tests {\nc\n}"),
            "a\n#[cfg(test)]\nmod samples;\nb"
        );
    }
}
