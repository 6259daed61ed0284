//! Who may know whom: arrows between files point down, and never lead back.
//!
//! In go the files' `use` lines and paths, out comes every arrow that [`MAY_NAME`] does not allow, and every circle of
//! files. An arrow goes to the file that holds the module that is named: an item that a `mod.rs` hands on counts as its
//! own.

use std::collections::{BTreeMap, BTreeSet};

use crate::tidy::{named_modules, sources};

/// Which modules of the crate a module may name, from the ground up. A row for a folder within a module holds in place of
/// the module's for what is in it; every module may name itself.
const MAY_NAME: [(&str, &[&str]); 32] = [
    ("record", &[]),
    ("services", &["record"]),
    ("waiting", &["record", "counts"]),
    ("facts", &[]),
    ("notify", &[]),
    ("setting", &[]),
    ("metrics", &[]),
    ("counts", &["record"]),
    ("calendar", &["setting"]),
    ("line_rules", &["record", "calendar"]),
    ("files", &[]),
    ("unpack", &[]),
    ("otlp", &["setting"]),
    ("telemetry", &["metrics", "notify", "otlp"]),
    ("metadata", &["record", "notify", "metrics", "otlp"]),
    ("decode", &["record", "calendar"]),
    ("assemble", &["record", "services", "line_rules", "decode", "calendar", "input"]),
    (
        "input",
        &["record", "services", "setting", "line_rules", "metadata", "files", "unpack", "decode", "calendar", "spans"],
    ),
    ("correlate", &["record", "facts"]),
    ("checkpoint", &["record", "notify", "files"]),
    ("export", &["record", "notify", "setting", "counts", "line_rules", "files", "otlp"]),
    ("spans", &["facts", "notify", "setting", "counts", "files", "otlp", "unpack"]),
    ("tap", &["notify", "metrics", "otlp", "checkpoint", "export", "spans"]),
    ("reading", &["record", "services", "counts", "line_rules", "calendar", "decode", "assemble", "input", "waiting"]),
    (
        "run",
        &[
            "setting",
            "counts",
            "line_rules",
            "metadata",
            "calendar",
            "files",
            "input",
            "reading",
            "correlate",
            "checkpoint",
            "export",
            "spans",
            "tap",
            "telemetry",
        ],
    ),
    (
        "live",
        &[
            "record",
            "facts",
            "notify",
            "counts",
            "metrics",
            "metadata",
            "line_rules",
            "calendar",
            "files",
            "otlp",
            "decode",
            "assemble",
            "input",
            "checkpoint",
            "waiting",
            "spans",
            "correlate",
            "export",
        ],
    ),
    (
        "pipeline",
        &[
            "record",
            "services",
            "facts",
            "notify",
            "setting",
            "counts",
            "line_rules",
            "metadata",
            "calendar",
            "files",
            "otlp",
            "input",
            "reading",
            "correlate",
            "checkpoint",
            "export",
            "spans",
            "run",
            "metrics",
            "live",
            "tap",
        ],
    ),
    (
        "commands",
        &[
            "record",
            "notify",
            "setting",
            "counts",
            "line_rules",
            "calendar",
            "files",
            "unpack",
            "decode",
            "assemble",
            "input",
            "correlate",
            "export",
            "run",
            "pipeline",
            "cli",
            "otlp",
            "metrics",
            "telemetry",
        ],
    ),
    ("cli", &[]),
    (
        "config",
        &[
            "cli",
            "calendar",
            "line_rules",
            "metadata",
            "correlate",
            "export",
            "input",
            "otlp",
            "spans",
            "run",
            "tap",
            "telemetry",
            "commands",
        ],
    ),
    ("interrupt", &["run", "commands", "files"]),
    ("main", &["cli", "config", "run", "commands", "notify"]),
];

#[test]
fn modules_name_only_those_they_may_know() {
    let mut breaches = Vec::new();
    for (path, code) in sources().filter(|(path, _)| path.starts_with("src/") && path != "src/lib.rs") {
        let module = module_of(&path);
        let within = path.trim_start_matches("src/");
        let row = MAY_NAME
            .iter()
            .filter(|(name, _)| within == format!("{name}.rs") || within.starts_with(&format!("{name}/")));
        let Some((_, may)) = row.max_by_key(|(name, _)| name.len()) else {
            breaches.push(format!("{path}: say in MAY_NAME whom {module} may know"));
            continue;
        };
        for named in named_modules(&code) {
            if named != module && !may.contains(&named.as_str()) {
                breaches.push(format!("{path}: {module} must not know {named}"));
            }
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[test]
fn rows_are_needed_and_name_what_there_is() {
    let mut named: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, code) in sources().filter(|(path, _)| path.starts_with("src/") && path != "src/lib.rs") {
        named.entry(module_of(&path)).or_default().extend(named_modules(&code));
    }
    for (module, may) in MAY_NAME.iter().filter(|(module, _)| !module.contains('/')) {
        let known = named.get(*module);
        assert!(known.is_some(), "there is no module {module}");
        for other in *may {
            assert!(known.is_some_and(|known| known.contains(*other)), "{module} need not know {other}");
        }
    }
}

#[test]
fn no_file_leads_back_to_itself() {
    let files: BTreeMap<String, String> = sources().collect();
    let mut told = Vec::new();
    for root in ["src", "parsers/src"] {
        let arrows = arrows(&files, root);
        for circle in circles(&arrows) {
            let within = |file: &String| -> Vec<String> {
                let to = arrows.get(file).into_iter().flatten().filter(|to| circle.contains(*to));
                to.map(|to| format!("{file} -> {to}")).collect()
            };
            told.push(circle.iter().flat_map(within).collect::<Vec<_>>().join("\n"));
        }
    }
    assert!(told.is_empty(), "circles of files:\n{}", told.join("\n\n"));
}

/// `src/otlp/wire.rs` and `src/otlp.rs` are of `otlp`.
fn module_of(path: &str) -> String {
    let below = path.strip_prefix("src/").unwrap_or(path);
    below.split('/').next().unwrap_or_default().trim_end_matches(".rs").to_owned()
}

/// To which files each file of a crate points. `root`: the folder of its sources.
fn arrows(files: &BTreeMap<String, String>, root: &str) -> BTreeMap<String, BTreeSet<String>> {
    let prefix = format!("{root}/");
    let of_crate = || files.iter().filter(|(path, _)| path.starts_with(&prefix) && !path.ends_with("/main.rs"));
    let modules: BTreeMap<Vec<String>, String> =
        of_crate().map(|(path, _)| (module_path(&path[prefix.len()..]), path.clone())).collect();
    let mut arrows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, code) in of_crate() {
        let module = module_path(&path[prefix.len()..]);
        for named in paths(code) {
            if let Some(to) = file_of(&module, &named, &modules).filter(|to| *to != path) {
                arrows.entry(path.clone()).or_default().insert(to.clone());
            }
        }
    }
    arrows
}

/// `otlp/wire.rs` is `otlp::wire`, `otlp/mod.rs` is `otlp`, `lib.rs` is the root.
fn module_path(path: &str) -> Vec<String> {
    let mut parts: Vec<String> = path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if matches!(parts.last().map(String::as_str), Some("mod" | "lib")) {
        parts.pop();
    }
    parts
}

/// The file of the module that a path within another module leads to; `None` for what is of another crate.
fn file_of<'m>(module: &[String], path: &[String], modules: &'m BTreeMap<Vec<String>, String>) -> Option<&'m String> {
    let child = |at: &[String], name: &String| [at, std::slice::from_ref(name)].concat();
    let mut rest = path.iter().peekable();
    let mut at = match path.first()?.as_str() {
        "crate" => {
            rest.next();
            Vec::new()
        }
        "self" | "super" => {
            let mut at = module.to_vec();
            while let Some(word) = rest.next_if(|word| matches!(word.as_str(), "self" | "super")) {
                if word == "super" {
                    at.pop();
                }
            }
            at
        }
        _ => {
            let of_child = child(module, &path[0]);
            modules.get(&of_child)?;
            rest.next();
            of_child
        }
    };
    for word in rest {
        let below = child(&at, word);
        if !modules.contains_key(&below) {
            break;
        }
        at = below;
    }
    modules.get(&at)
}

/// All paths in code: those of `use` lines, each to its end, and those that begin with `crate`, `self` or `super`.
fn paths(code: &str) -> Vec<Vec<String>> {
    let code = without_texts(code);
    let mut found = Vec::new();
    let mut rest = String::new();
    let mut from = 0;
    for (at, _) in code.match_indices("use ") {
        let is_word = !code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_');
        if is_word && let Some((tree, _)) = code[at + 4..].split_once(';') {
            expand(&[], tree, &mut found);
            rest.push_str(&code[from..at]);
            from = at + 4 + tree.len();
        }
    }
    rest.push_str(&code[from..]);
    for root in ["crate::", "self::", "super::"] {
        for (at, _) in rest.match_indices(root) {
            if !rest[..at].ends_with(|before: char| before.is_alphanumeric() || matches!(before, '_' | '$' | ':')) {
                let is_of_path = |c: char| c.is_alphanumeric() || matches!(c, '_' | ':');
                let end = rest[at..].find(|c: char| !is_of_path(c)).map_or(rest.len(), |end| at + end);
                expand(&[], &rest[at..end], &mut found);
            }
        }
    }
    found
}

/// `a::{b, c::{d, e}}` is `a::b`, `a::c::d` and `a::c::e`.
fn expand(before: &[String], tree: &str, found: &mut Vec<Vec<String>>) {
    let (head, group) = match tree.find('{') {
        Some(open) => (&tree[..open], Some(&tree[open + 1..tree.rfind('}').unwrap_or(tree.len())])),
        None => (tree.split(" as ").next().unwrap_or_default(), None),
    };
    let words = head.split("::").map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned);
    let path: Vec<String> = before.iter().cloned().chain(words).collect();
    let Some(group) = group else {
        found.extend((!path.is_empty()).then_some(path));
        return;
    };
    let (mut depth, mut start) = (0usize, 0);
    for (at, character) in group.char_indices().chain([(group.len(), ',')]) {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                if !group[start..at].trim().is_empty() {
                    expand(&path, &group[start..at], found);
                }
                start = at + 1;
            }
            _ => {}
        }
    }
}

/// Code without its comments and the insides of its strings.
fn without_texts(code: &str) -> String {
    let mut out = String::new();
    for line in code.lines() {
        let mut is_text = false;
        let mut before = ' ';
        for (at, character) in line.char_indices() {
            match character {
                '"' if before != '\\' && !line[..at].ends_with("b'") && !line[..at].ends_with('\'') => {
                    is_text = !is_text
                }
                '/' if !is_text && line[at..].starts_with("//") => break,
                _ if !is_text => out.push(character),
                _ => {}
            }
            before = if before == '\\' { ' ' } else { character };
        }
        out.push('\n');
    }
    out
}

/// Groups of files that each lead to all others of the group.
fn circles(arrows: &BTreeMap<String, BTreeSet<String>>) -> Vec<BTreeSet<String>> {
    let reach: BTreeMap<&String, BTreeSet<&String>> = arrows
        .keys()
        .map(|from| {
            let mut met = BTreeSet::new();
            let mut open: Vec<&String> = vec![from];
            while let Some(file) = open.pop() {
                open.extend(arrows.get(file).into_iter().flatten().filter(|to| met.insert(*to)));
            }
            (from, met)
        })
        .collect();
    let leads = |from: &String, to: &String| reach.get(from).is_some_and(|met| met.contains(to));
    let mut circles: Vec<BTreeSet<String>> = Vec::new();
    for file in arrows.keys().filter(|file| leads(file, file)) {
        if !circles.iter().any(|circle| circle.contains(file)) {
            circles.push(arrows.keys().filter(|other| leads(file, other) && leads(other, file)).cloned().collect());
        }
    }
    circles
}

mod readers {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> BTreeMap<String, String> {
        files.iter().map(|(path, code)| ((*path).to_owned(), (*code).to_owned())).collect()
    }

    #[test]
    fn arrows_go_to_the_file_that_holds_what_is_named() {
        let files = tree(&[
            ("src/lib.rs", "pub mod a; pub mod b;"),
            ("src/a/mod.rs", "mod c;\npub use c::Thing;"),
            (
                "src/a/c.rs",
                "use super::super::b::{self, Other as Else};\n// use super::Thing;\nlet x = \"super::Thing\";",
            ),
            ("src/b.rs", "fn f() { crate::a::Thing::new(); }"),
        ]);
        let arrows = arrows(&files, "src");
        let of = |file: &str| arrows.get(file).map(|to| to.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(of("src/a/mod.rs"), Some(vec!["src/a/c.rs"]));
        assert_eq!(of("src/a/c.rs"), Some(vec!["src/b.rs"]));
        assert_eq!(of("src/b.rs"), Some(vec!["src/a/mod.rs"]));
        assert_eq!(circles(&arrows).len(), 1);
        assert_eq!(circles(&arrows)[0].len(), 3);
    }

    #[test]
    fn what_leads_nowhere_back_is_no_circle() {
        let files = tree(&[
            ("src/lib.rs", ""),
            ("src/a.rs", "use crate::b::{X, c::{Y, Z}};"),
            ("src/b/mod.rs", "pub mod c;"),
            ("src/b/c.rs", "use std::fmt;"),
        ]);
        let arrows = arrows(&files, "src");
        assert_eq!(arrows["src/a.rs"].len(), 2);
        assert!(circles(&arrows).is_empty());
    }
}
