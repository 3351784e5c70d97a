//! The checker on texts: what is clean, and the whole rendering of what is not.
#![expect(clippy::disallowed_methods, reason = "tests read their texts")]

use std::fmt::Write as _;
use std::path::Path;

use socrun::check::check;
use socrun::diagnostic::{Report, Sink, render};
use socrun::source::SourceMap;
use socrun::syntax::{Entry, load_all};
use socrun::typed::{Checked, Predicate};

fn check_file(path: &Path, overrides: &[(&str, &str)]) -> (Option<Checked>, String) {
    let text = std::fs::read_to_string(path).expect("the test's file can be read");
    let name = path.file_name().expect("it has a name").to_string_lossy().to_string();
    check_text(&name, &text, overrides)
}

fn check_text(name: &str, text: &str, overrides: &[(&str, &str)]) -> (Option<Checked>, String) {
    let (checked, sink, map) = check_in(SourceMap::new(), name, text, overrides);
    (checked, render(&sink.into_reports(), &map))
}

fn check_in(
    mut map: SourceMap,
    name: &str,
    text: &str,
    overrides: &[(&str, &str)],
) -> (Option<Checked>, Sink, SourceMap) {
    let mut sink = Sink::new();
    let entry = Entry::Text { name, text, folder: None };
    let modules = load_all(&mut map, entry, &mut sink);
    let overrides: Vec<(String, String)> =
        overrides.iter().map(|(a, b)| ((*a).to_string(), (*b).to_string())).collect();
    let checked = check(modules, &overrides, &mut sink, &mut map);
    (checked, sink, map)
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

#[test]
fn experiments_and_the_library_are_clean() {
    let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments")];
    let mut count = 0;
    let mut faults = String::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(
                std::fs::read_dir(path).expect("it can be listed").map(|entry| entry.expect("an entry").path()),
            );
        } else if path.extension().is_some_and(|extension| extension == "soc") {
            count += 1;
            let (checked, rendering) = check_file(&path, &[]);
            if checked.is_none() || !rendering.is_empty() {
                faults.push_str(&rendering);
            }
        }
    }
    assert!(count > 0 && faults.is_empty(), "{faults}");
}

/// `requires` names and what decided them, as a text.
fn facts(checked: &Checked, problem: &str) -> String {
    let module = checked.entry();
    let place = module.names[&socrun::source::fold(problem)];
    let mut text = String::new();
    for fact in &checked.structures[&place].facts {
        let (_, name, _) =
            Predicate::ALL.iter().find(|(predicate, ..)| *predicate == fact.predicate).expect("all are listed");
        writeln!(text, "{name}: {} ({})", fact.holds, fact.why).expect("a String takes any text");
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

#[test]
fn bad_texts_are_explained() {
    explain("err", false);
}

#[test]
fn texts_that_their_numbers_refute_are_explained() {
    for file in files("sizes") {
        let name = file.file_stem().expect("it has a name").to_string_lossy().to_string();
        let text = std::fs::read_to_string(&file).expect("the test's file can be read");
        let (checked, sink, map) = check_in(SourceMap::new(), &format!("{name}.soc"), &text, &[]);
        let rendering = render(&sink.into_reports(), &map);
        let checked = checked.unwrap_or_else(|| panic!("{name} does not come to its numbers:\n{rendering}"));
        let Err(error) = socrun::lower::cell(&checked, &[]) else { panic!("{name} has no error") };
        let rendering = render(&[Report::new(*error)], &map);
        insta::with_settings!({ snapshot_path => "lang/sizes", prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(name, rendering);
        });
    }
}

#[test]
fn doubtful_texts_are_warned_of() {
    explain("warn", true);
}

/// Every text of a folder renders as its snapshot says, under the code that its name begins with.
fn explain(folder: &str, passes: bool) {
    let files = files(folder);
    assert!(!files.is_empty());
    let mut faults = String::new();
    for file in files {
        let name = file.file_stem().expect("it has a name").to_string_lossy().to_string();
        let (checked, rendering) = check_file(&file, &[]);
        let code = name.split('-').next().expect("a name has a first word");
        if checked.is_some() != passes || !rendering.contains(&format!("soc::{code}")) {
            write!(faults, "{name} has no error of its code:\n{rendering}").expect("a String takes any text");
        }
        insta::with_settings!({ snapshot_path => format!("lang/{folder}"), prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(name, rendering);
        });
    }
    assert!(faults.is_empty(), "{faults}");
}

#[test]
fn overrides_are_checked_as_if_written() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lang/good/experiment.soc");
    let cases: [&[(&str, &str)]; 5] = [
        &[("d", "5")],
        &[("d", "2 + 3"), ("steps", "5")],
        &[("batch", "7"), ("grid", "3"), ("measure.batch", "9")],
        &[("every", "3")],
        &[],
    ];
    for case in cases {
        let (checked, rendering) = check_file(&file, case);
        assert!(checked.is_some() && rendering.is_empty(), "{case:?}:\n{rendering}");
    }
    let (checked, _) = check_file(&file, &[("d", "5")]);
    let text = format!("{:?}", checked.expect("checked above").entry().tree.items);
    assert!(text.contains("value: 5.0"));
    let wrong: [&[(&str, &str)]; 8] = [
        &[("dd", "5")],
        &[("stepz", "5")],
        &[("u", "5")],
        &[("d", "\"five\"")],
        &[("d", "0")],
        &[("d", "2.5")],
        &[("d", "5 let e = 3")],
        &[("batch", "-(")],
    ];
    let renderings: Vec<String> = wrong
        .iter()
        .map(|case| {
            let (checked, rendering) = check_file(&file, case);
            assert!(checked.is_none(), "{case:?}");
            format!("--set {}={}\n{rendering}", case[0].0, case[0].1)
        })
        .collect();
    insta::assert_snapshot!("overrides", renderings.join("\n"));
}

/// Texts that grow with their depth by a factor are checked in time that grows with their length.
#[test]
fn doubling_texts_are_quick() {
    let mut problem = String::from(
        "problem p(d: Nat) {\n  time t in 0..1\n  state X: R[d]\n  control u: R[d]\n  noise W: R[d]\n  let a0 = u + X\n",
    );
    let mut text = String::from("let b0(x) = x\n");
    for level in 1..60 {
        let below = level - 1;
        writeln!(problem, "  let a{level} = a{below} + a{below}").expect("a String takes any text");
        writeln!(text, "let b{level}(x) = b{below}(x) + b{below}(x)").expect("a String takes any text");
    }
    problem.push_str("  dX = a59 dt + 1 dW\n  X(0) = 0\n  cost = E[ ∫ ½*|u|² dt + |X(1)|² ]\n}\n");
    text.push_str("let c = b59(1)\nproblem P = p(2)\n");
    let (checked, rendering) = check_text("doubling.soc", &format!("{text}{problem}"), &[]);
    assert!(checked.is_some(), "{rendering}");
}

/// Whatever single piece of a good text is missing, the check ends with an error or a program.
#[test]
fn no_missing_word_panics() {
    // The long text says nothing here that the others do not.
    for file in files("good").into_iter().filter(|file| !file.ends_with("paper.soc")) {
        let text = std::fs::read_to_string(&file).expect("it can be read");
        let mut places: Vec<(usize, usize)> = Vec::new();
        let mut from = 0;
        for (at, character) in text.char_indices().chain([(text.len(), ' ')]) {
            if !(character.is_alphanumeric() || character == '_') {
                if at > from {
                    places.push((from, at));
                }
                if at < text.len() && !character.is_whitespace() {
                    places.push((at, at + character.len_utf8()));
                }
                from = at + character.len_utf8();
            }
        }
        for (from, to) in places {
            let less = format!("{}{}", &text[..from], &text[to..]);
            let (checked, rendering) = check_text("less.soc", &less, &[]);
            assert!(checked.is_some() || !rendering.is_empty(), "nothing is said about:\n{less}");
        }
    }
}

#[test]
fn a_formula_without_end_is_refused() {
    let (checked, rendering) = check_text("long.soc", &format!("let a = {}1\n", "1+".repeat(100_000)), &[]);
    assert!(checked.is_none());
    assert!(rendering.contains("at most 400 operators"), "{rendering}");
}
