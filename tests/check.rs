//! The checker on texts: what is clean, and the whole rendering of what is not.

use std::path::Path;

use socrun::check::check;
use socrun::diagnostic::{Sink, render};
use socrun::source::SourceMap;
use socrun::syntax::{Entry, load_all};
use socrun::typed::{Checked, Predicate};

fn check_file(path: &Path, overrides: &[(&str, &str)]) -> (Option<Checked>, String) {
    let text = std::fs::read_to_string(path).expect("the test's file can be read");
    let name = path.file_name().expect("it has a name").to_string_lossy().to_string();
    let mut map = SourceMap::new();
    let mut sink = Sink::new();
    let entry = Entry::Text { name: &name, text: &text, folder: path.parent() };
    let modules = load_all(&mut map, entry, &mut sink);
    let overrides: Vec<(String, String)> = overrides.iter().map(|(a, b)| ((*a).to_string(), (*b).to_string())).collect();
    let checked = check(modules, &overrides, &mut sink, &mut map);
    (checked, render(&sink.into_reports(), &map))
}

fn files(folder: &str) -> Vec<std::path::PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lang").join(folder);
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the corpus is there")
        .map(|entry| entry.expect("it can be listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "soc"))
        .collect();
    files.sort();
    files
}

#[test]
fn good_texts_are_clean() {
    let files = files("good");
    assert!(!files.is_empty());
    for file in files {
        let (checked, rendering) = check_file(&file, &[]);
        assert!(checked.is_some() && rendering.is_empty(), "{}:\n{rendering}", file.display());
    }
}

/// `requires` names and what decided them, as a text.
fn facts(checked: &Checked, problem: &str) -> String {
    let module = checked.entry();
    let place = module.names[&socrun::source::fold(problem)];
    let mut text = String::new();
    for fact in &checked.structures[&place].facts {
        let (_, name, _) = Predicate::ALL.iter().find(|(predicate, ..)| *predicate == fact.predicate).expect("all are listed");
        text.push_str(&format!("{name}: {} ({})\n", fact.holds, fact.why));
    }
    text
}

#[test]
fn structures_follow_from_equations() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lang/good/problems.soc");
    let (checked, rendering) = check_file(&path, &[]);
    let checked = checked.unwrap_or_else(|| panic!("{rendering}"));
    for problem in ["quadratic_ou", "oscillator", "geometric"] {
        insta::assert_snapshot!(problem, facts(&checked, problem));
    }
}
