//! The pipeline has one direction: a module uses only what lies to its left, and `src/` knows no algorithm by name.

#![allow(missing_docs, clippy::unwrap_used, clippy::disallowed_methods)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Every module with the modules it may use. Lowering takes derivatives, so it alone reaches right, to `transform`;
/// sources and diagnostics know each other's spans.
const EDGES: &[(&str, &[&str])] = &[
    ("source", &["diagnostic"]),
    ("diagnostic", &["source"]),
    ("syntax", &["source", "diagnostic"]),
    ("typed", &["source", "syntax"]),
    ("check", &["source", "diagnostic", "syntax", "typed"]),
    ("graph", &["source"]),
    ("transform", &["graph"]),
    ("lower", &["source", "diagnostic", "syntax", "typed", "graph", "transform"]),
    ("plan", &["source", "diagnostic", "graph"]),
    ("backend", &["source", "graph", "plan"]),
    ("run", &["source", "diagnostic", "graph", "lower", "backend"]),
    ("report", &["source", "diagnostic", "lower", "run"]),
    (
        "cli",
        &[
            "source",
            "diagnostic",
            "syntax",
            "typed",
            "check",
            "graph",
            "transform",
            "lower",
            "plan",
            "backend",
            "run",
            "report",
        ],
    ),
];

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn used(text: &str) -> BTreeSet<String> {
    text.match_indices("crate::")
        .map(|(at, m)| text[at + m.len()..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
        .collect()
}

#[test]
fn modules_use_only_what_lies_to_their_left() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut seen = 0;
    for file in files(&src) {
        let inside = file.strip_prefix(&src).unwrap();
        let module = inside.iter().next().unwrap().to_str().unwrap();
        if inside.components().count() == 1 {
            continue;
        }
        let (_, allowed) =
            EDGES.iter().find(|(m, _)| *m == module).unwrap_or_else(|| panic!("the module `{module}` has no place"));
        for other in used(&std::fs::read_to_string(&file).unwrap()) {
            let known = EDGES.iter().any(|(m, _)| *m == other);
            assert!(
                !known || other == module || allowed.contains(&other.as_str()),
                "{} uses crate::{other}, which does not lie to its left",
                inside.display()
            );
            seen += usize::from(known);
        }
    }
    assert!(seen > 50, "the sources were not read");
}

/// The names of everything that the library defines.
fn library_names() -> BTreeSet<String> {
    fn texts(folder: &Path, into: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                texts(&path, into);
            } else {
                into.push(std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut all = Vec::new();
    texts(&Path::new(env!("CARGO_MANIFEST_DIR")).join("stdlib"), &mut all);
    let mut names = BTreeSet::new();
    for line in all.iter().flat_map(|t| t.lines()) {
        for word in ["problem ", "loss "] {
            if let Some(rest) = line.strip_prefix(word) {
                names.insert(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
            }
        }
    }
    names
}

#[test]
fn the_sources_name_no_loss_and_no_problem() {
    // `variance` and `moment` are words of the field that the sources use for what they mean.
    let words = ["variance", "moment"];
    let names: Vec<String> = library_names().into_iter().filter(|n| !words.contains(&n.as_str())).collect();
    assert!(names.len() > 6, "the library was not read: {names:?}");
    for file in files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let text = std::fs::read_to_string(&file).unwrap();
        for name in &names {
            assert!(!text.contains(name.as_str()), "{} names `{name}`", file.display());
        }
    }
}
