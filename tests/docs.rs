//! The documentation, carried out: every `soc` block of `docs/language`, `docs/errors` and the README does what its fence
//! says, every error code has its page, and every experiment of the gallery runs.
//!
//! Fences: `soc` is a whole file that parses, checks and lowers; `soc run` is one that also trains and measures;
//! `soc part` stands in a measurement, and a line of it that ends in a comment `// 1.5` has that value; `soc fail "text"`
//! is a file with an error whose rendering holds the text.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use socrun::backend::reference::Reference;
use socrun::check::check;
use socrun::diagnostic::{CODES, Report, Sink, render};
use socrun::graph::Program;
use socrun::lower::{Cell, Outline, Stage, cell, outline};
use socrun::run::{Loaded, Machine, Outcome, Silent, run_cell};
use socrun::source::SourceMap;
use socrun::syntax::{Entry, load_all};

/// What surrounds a `soc part` block.
const BEFORE: &str = "\
use std.problems.quadratic_ou
let d = 2
problem P = quadratic_ou(d, a = -1)
let u(x, t) = -x
measure {
  grid 8  batch 16
  path (X, W) of P under u
";

/// Training steps of a block or of an experiment: enough to see that a step can be made.
const STEPS: u64 = 2;

struct Plain;

impl Machine for Plain {
    fn load(&self, program: &Program) -> Result<Loaded, Report> {
        Ok(Loaded { program: program.clone(), executor: Box::new(Reference::new(program.clone())) })
    }
}

/// A fenced block of a page.
struct Block {
    page: PathBuf,
    line: usize,
    fence: String,
    text: String,
}

impl Block {
    fn place(&self) -> String {
        format!("{}:{}", self.page.display(), self.line)
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder)).unwrap_or_else(|e| panic!("{folder}: {e}"));
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    found.retain(|path| path.extension().is_some_and(|e| e == extension));
    found.sort();
    assert!(!found.is_empty(), "no {extension} files in {folder}");
    found
}

fn blocks(page: &Path) -> Vec<Block> {
    let text = fs::read_to_string(page).expect("readable");
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in text.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(fence)) => {
                let page = page.strip_prefix(root()).unwrap_or(page).to_owned();
                open = Some(Block { page, line: number + 1, fence: fence.trim().to_owned(), text: String::new() });
            }
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(block), None) => writeln!(block.text, "{line}").expect("a string takes all"),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{}: a block does not end", page.display());
    found
}

fn pages() -> Vec<PathBuf> {
    let mut pages = files("docs/language", "md");
    pages.extend(files("docs/errors", "md"));
    pages.push(root().join("README.md"));
    pages
}

fn soc_blocks(kind: &str) -> Vec<Block> {
    let all = pages().iter().flat_map(|page| blocks(page)).collect::<Vec<_>>();
    let found: Vec<Block> = all
        .into_iter()
        .filter(|b| {
            let mut words = b.fence.split_whitespace();
            words.next() == Some("soc") && words.next().unwrap_or("") == kind
        })
        .collect();
    assert!(!found.is_empty(), "no block of the kind `soc {kind}`");
    found
}

/// The first cell of a file and all cells' number, or the rendering of what is wrong with it.
fn lowered(entry: Entry<'_>) -> Result<(Outline, Vec<Cell>), String> {
    let mut sources = SourceMap::new();
    let mut sink = Sink::new();
    let modules = load_all(&mut sources, entry, &mut sink);
    let checked = check(modules, &[], &mut sink, &mut sources);
    let Some(checked) = checked.filter(|_| !sink.has_errors()) else {
        return Err(render(&sink.into_reports(), &sources));
    };
    let outline = outline(&checked);
    let mut choices = vec![Vec::new()];
    for (_, labels) in &outline.sweep {
        let longer = |chosen: &Vec<usize>| (0..labels.len()).map(|i| [chosen.as_slice(), &[i]].concat()).collect::<Vec<_>>();
        choices = choices.iter().flat_map(longer).collect();
    }
    let mut cells = Vec::new();
    for chosen in choices {
        match cell(&checked, &chosen) {
            Ok(cell) => cells.push(cell),
            Err(error) => {
                sink.push(*error);
                return Err(render(&sink.into_reports(), &sources));
            }
        }
    }
    Ok((outline, cells))
}

fn text_of(block: &Block) -> Entry<'_> {
    Entry::Text { name: "block.soc", text: &block.text, folder: None }
}

/// A few steps and every measurement.
fn run(mut cell: Cell, place: &str) -> Outcome {
    for stage in &mut cell.stages {
        if let Stage::Train(training) = stage {
            training.steps = training.steps.min(STEPS);
        }
    }
    let outcome = run_cell(&cell, &Plain, cell.seed.unwrap_or(1), &mut Silent);
    let outcome = outcome.unwrap_or_else(|report| panic!("{place}: {report:?}"));
    assert!(outcome.failure.is_none(), "{place}: {:?}", outcome.failure);
    assert!(!outcome.quantities.is_empty(), "{place}: nothing is measured");
    for series in &outcome.quantities {
        assert!(series.last().is_some_and(f64::is_finite), "{place}: `{}` has no value", series.name);
    }
    outcome
}

#[test]
fn every_fence_is_of_a_known_kind() {
    for page in pages() {
        for block in blocks(&page) {
            let fence = block.fence.as_str();
            let known = ["soc", "soc run", "soc part", "text", "sh", "console"].contains(&fence)
                || (fence.starts_with("soc fail \"") && fence.ends_with('"'));
            assert!(known, "{}: the fence `{fence}` says nothing", block.place());
        }
    }
}

#[test]
fn whole_files_lower() {
    for block in soc_blocks("") {
        if let Err(rendering) = lowered(text_of(&block)) {
            panic!("{}\n{rendering}", block.place());
        }
    }
}

#[test]
fn whole_files_run() {
    for block in soc_blocks("run") {
        match lowered(text_of(&block)) {
            Ok((_, cells)) => cells.into_iter().for_each(|cell| drop(run(cell, &block.place()))),
            Err(rendering) => panic!("{}\n{rendering}", block.place()),
        }
    }
}

#[test]
fn parts_have_their_values() {
    let mut compared = 0;
    for block in soc_blocks("part") {
        let inside: String = block.text.lines().map(|line| format!("  {line}\n")).collect();
        let text = format!("{BEFORE}{inside}}}\n");
        let entry = Entry::Text { name: "part.soc", text: &text, folder: None };
        let cells = match lowered(entry) {
            Ok((_, cells)) => cells,
            Err(rendering) => panic!("{}\n{rendering}", block.place()),
        };
        let outcome = run(cells.into_iter().next().expect("one cell"), &block.place());
        for line in block.text.lines() {
            let Some((statement, comment)) = line.split_once("//") else { continue };
            let (Ok(expected), Some(name)) = (comment.trim().parse::<f64>(), statement.trim().strip_prefix("let ")) else { continue };
            let name: String = name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let found = outcome.quantity(&name).and_then(socrun::run::Series::last);
            let found = found.unwrap_or_else(|| panic!("{}: `{name}` is not measured", block.place()));
            let close = (found - expected).abs() <= 1e-9 * expected.abs().max(1.0);
            assert!(close, "{}: `{name}` is {found}, the page says {expected}", block.place());
            compared += 1;
        }
    }
    assert!(compared > 20, "only {compared} values were compared");
}

#[test]
fn errors_are_those_of_the_page() {
    for block in soc_blocks("fail") {
        let expected = block.fence.split_once('"').and_then(|(_, rest)| rest.strip_suffix('"')).expect("a quoted text");
        match lowered(text_of(&block)) {
            Ok(_) => panic!("{}: no error", block.place()),
            Err(rendering) => {
                let flat: String = rendering.split_whitespace().collect::<Vec<_>>().join(" ");
                assert!(flat.contains(expected), "{}: expected `{expected}` in\n{rendering}", block.place());
            }
        }
    }
}

#[test]
fn every_code_has_its_page_and_every_page_its_code() {
    for code in CODES {
        let path = root().join("docs/errors").join(code.page());
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let head = format!("# `{}`", code.code);
        assert!(text.lines().next() == Some(head.as_str()), "{}: expected the head `{head}`", path.display());
        for part in ["## Cause", "## Example", "## What to do"] {
            assert!(text.contains(part), "{}: no part `{part}`", path.display());
        }
    }
    for page in files("docs/errors", "md") {
        let name = page.file_name().and_then(|n| n.to_str()).expect("a name");
        assert!(name == "README.md" || CODES.iter().any(|code| code.page() == name), "{name} is the page of no code");
    }
}

/// A page about an error shows that error and no other.
#[test]
fn pages_show_the_error_they_are_about() {
    for code in CODES {
        let path = root().join("docs/errors").join(code.page());
        for block in blocks(&path).iter().filter(|b| b.fence.starts_with("soc fail")) {
            let rendering = lowered(text_of(block)).err().unwrap_or_default();
            assert!(rendering.contains(code.code), "{}: expected `{}` in\n{rendering}", block.place(), code.code);
        }
    }
}

#[test]
fn links_between_pages_lead_somewhere() {
    let mut all = pages();
    all.extend(files("docs", "md"));
    for page in all {
        let text = fs::read_to_string(&page).expect("readable");
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = target.split('#').next().unwrap_or("");
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let path = page.parent().expect("a folder").join(target);
            assert!(path.exists(), "{}: `{target}` leads nowhere", page.display());
        }
    }
}

#[test]
fn the_gallery_runs() {
    for path in files("experiments/gallery", "soc") {
        let place = path.display().to_string();
        match lowered(Entry::File(&path)) {
            Ok((outline, cells)) => {
                assert!(outline.doc.contains("Expect"), "{place}: its head does not say what to expect");
                cells.into_iter().for_each(|cell| drop(run(cell, &place)));
            }
            Err(rendering) => panic!("{place}\n{rendering}"),
        }
    }
}

/// The example in the README is the file that its first command runs.
#[test]
fn the_readme_shows_the_first_experiment() {
    let file = fs::read_to_string(root().join("experiments/first.soc")).expect("readable");
    let shown = blocks(&root().join("README.md")).into_iter().any(|block| block.text == file);
    assert!(shown, "README.md does not hold experiments/first.soc as it is");
}
