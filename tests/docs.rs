//! The documentation, carried out: every `soc` block of `docs/language`, `docs/errors` and the README does what its fence
//! says, every error code has its page, and every experiment of the gallery runs.
//!
//! Fences: `soc` is a whole file that parses, checks and lowers; `soc run` is one that also trains and measures;
//! `soc part` stands in a measurement, and a line of it that ends in a comment `// 1.5` has that value; `soc fail "text"`
//! is a file with an error whose rendering holds the text.

#![expect(clippy::disallowed_methods, reason = "a test reads its own files")]

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use socrun::backend::cpu::Cpu;
use socrun::backend::reference::Reference;
use socrun::check::check;
use socrun::diagnostic::{CODES, Report, Sink, render};
use socrun::graph::Program;
use socrun::lower::{Action, Cell, Outline, Stage, cell, outline};
use socrun::run::{Loaded, Machine, Outcome, Silent, run_cell};
use socrun::source::SourceMap;
use socrun::syntax::{Entry, Mode, format, load_all};

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
    folder: PathBuf,
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
                let folder = page.parent().expect("a page lies in a folder").to_owned();
                let page = page.strip_prefix(root()).unwrap_or(page).to_owned();
                open =
                    Some(Block { page, folder, line: number + 1, fence: fence.trim().to_owned(), text: String::new() });
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
        let longer =
            |chosen: &Vec<usize>| (0..labels.len()).map(|i| [chosen.as_slice(), &[i]].concat()).collect::<Vec<_>>();
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
    // The files that a block names lie beside its page.
    Entry::Text { name: "block.soc", text: &block.text, folder: Some(&block.folder) }
}

/// A few steps and every measurement.
fn run(mut cell: Cell, machine: &dyn Machine) -> Result<Outcome, String> {
    for stage in &mut cell.stages {
        match stage {
            Stage::Train(training) => training.steps = training.steps.min(STEPS),
            Stage::Schedule(schedule) => shorten(&mut schedule.actions),
            Stage::Measure(_) => {}
        }
    }
    finite(run_cell(&cell, machine, cell.seed.unwrap_or(1), &mut Silent).map_err(|report| format!("{report:?}"))?)
}

/// Few rounds of every loop.
fn shorten(actions: &mut [Action]) {
    for action in actions {
        match action {
            Action::Repeat { times, body } => {
                *times = (*times).min(STEPS);
                shorten(body);
            }
            Action::Every { body, .. } => shorten(body),
            Action::Run(_) | Action::Solve(_) | Action::Copy(_) => {}
        }
    }
}

/// The outcome if it holds numbers, all of them finite.
fn finite(outcome: Outcome) -> Result<Outcome, String> {
    if let Some(failure) = &outcome.failure {
        return Err(failure.to_string());
    }
    match outcome.quantities.iter().find(|series| !series.last().is_some_and(f64::is_finite)) {
        Some(series) => Err(format!("`{}` has no finite value", series.name)),
        None if outcome.quantities.is_empty() => Err("nothing is measured".to_owned()),
        None => Ok(outcome),
    }
}

fn run_all(cells: Vec<Cell>, machine: &dyn Machine) -> Result<(), String> {
    cells.into_iter().try_for_each(|cell| run(cell, machine).map(drop))
}

/// Fails with everything that is wrong, not with the first thing.
fn expect_none(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
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
    let wrong = |block: Block| lowered(text_of(&block)).err().map(|why| format!("{}\n{why}", block.place()));
    expect_none(soc_blocks("").into_iter().filter_map(wrong).collect());
}

/// What `socrun fmt` would leave as it is.
#[test]
fn texts_are_laid_out() {
    let mut texts: Vec<(String, String)> =
        ["", "run"].into_iter().flat_map(soc_blocks).map(|block| (block.place(), block.text)).collect();
    for path in files("experiments/gallery", "soc") {
        texts.push((path.display().to_string(), fs::read_to_string(&path).expect("readable")));
    }
    let wrong = |(place, text): (String, String)| match format(&text, 1, Mode::Keep) {
        Ok(laid) if laid == text => None,
        Ok(laid) => Some(format!("{place}: laid out it is\n{laid}")),
        Err(_) => Some(format!("{place}: does not parse")),
    };
    expect_none(texts.into_iter().filter_map(wrong).collect());
}

#[test]
fn whole_files_run() {
    let wrong = |block: Block| {
        let ran = lowered(text_of(&block)).and_then(|(_, cells)| run_all(cells, &Plain));
        ran.err().map(|why| format!("{}\n{why}", block.place()))
    };
    expect_none(soc_blocks("run").into_iter().filter_map(wrong).collect());
}

#[test]
fn parts_have_their_values() {
    let mut compared = 0;
    let mut wrong = Vec::new();
    for block in soc_blocks("part") {
        let inside = block.text.lines().collect::<Vec<_>>().join("\n  ");
        let text = format!("{BEFORE}  {inside}\n}}\n");
        let entry = Entry::Text { name: "part.soc", text: &text, folder: None };
        let ran = lowered(entry).and_then(|(_, mut cells)| run(cells.remove(0), &Plain));
        let outcome = match ran {
            Ok(outcome) => outcome,
            Err(why) => {
                wrong.push(format!("{}\n{why}", block.place()));
                continue;
            }
        };
        for (name, expected) in block.text.lines().filter_map(stated) {
            compared += 1;
            match outcome.quantity(&name).and_then(socrun::run::Series::last) {
                Some(found) if (found - expected).abs() <= 1e-9 * expected.abs().max(1.0) => {}
                found => wrong.push(format!("{}: `{name}` is {found:?}, the page says {expected}", block.place())),
            }
        }
    }
    expect_none(wrong);
    assert!(compared > 50, "only {compared} values were compared");
}

/// The name and the number of a line `let a = …  // 1.5`.
fn stated(line: &str) -> Option<(String, f64)> {
    let (statement, comment) = line.split_once("//")?;
    let name = statement.trim().strip_prefix("let ")?;
    let name = name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    Some((name, comment.trim().parse().ok()?))
}

#[test]
fn errors_are_those_of_the_page() {
    let wrong = |block: Block| {
        let expected = block.fence.split_once('"').and_then(|(_, rest)| rest.strip_suffix('"')).expect("a quoted text");
        match lowered(text_of(&block)) {
            Ok(_) => Some(format!("{}: no error", block.place())),
            Err(rendering) => {
                // The renderer breaks lines and begins each with a bar.
                let words = rendering.split(|c: char| c.is_whitespace() || c == '│').filter(|word| !word.is_empty());
                let flat = words.collect::<Vec<_>>().join(" ");
                let fine = flat.contains(expected);
                (!fine).then(|| format!("{}: expected `{expected}` in\n{rendering}", block.place()))
            }
        }
    };
    expect_none(soc_blocks("fail").into_iter().filter_map(wrong).collect());
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

/// The codes that the source raises are those of the table.
#[test]
fn every_code_that_is_raised_is_in_the_table() {
    let mut open = vec![root().join("src")];
    let mut raised = 0;
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).expect("readable") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).expect("readable");
            for rest in text.split("code(soc::").skip(1).chain(text.split("code(\"soc::").skip(1)) {
                let word: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let code = format!("soc::{word}");
                assert!(
                    CODES.iter().any(|known| known.code == code),
                    "{}: `{code}` is not in the table",
                    path.display()
                );
                raised += 1;
            }
        }
    }
    assert!(raised > CODES.len(), "only {raised} places raise an error");
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
        // Code may hold what looks like a link: `reshape[n, m](x)`.
        let outside: String = text.split("```").step_by(2).collect();
        let prose: String = outside.split('`').step_by(2).collect();
        for target in prose.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = target.split('#').next().unwrap_or("");
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let path = page.parent().expect("a folder").join(target);
            assert!(path.exists(), "{}: `{target}` leads nowhere", page.display());
        }
    }
}

/// The CPU backend: a gallery text takes many samples.
struct Fast;

impl Machine for Fast {
    fn load(&self, program: &Program) -> Result<Loaded, Report> {
        let executor = Cpu::new(program.clone(), 2).map_err(Report::new)?;
        Ok(Loaded { program: program.clone(), executor: Box::new(executor) })
    }
}

#[test]
fn the_gallery_runs() {
    let wrong = |path: PathBuf| {
        let ran = lowered(Entry::File(&path)).and_then(|(outline, cells)| {
            let expects = outline.doc.contains("Expect");
            if expects { run_all(cells, &Fast) } else { Err("its head does not say what to expect".to_owned()) }
        });
        ran.err().map(|why| format!("{}\n{why}", path.display()))
    };
    expect_none(files("experiments/gallery", "soc").into_iter().filter_map(wrong).collect());
}

/// The whole of a gallery text; its quantities at the end.
fn whole(name: &str) -> impl Fn(&str) -> f64 {
    let path = root().join("experiments/gallery").join(name);
    let (_, mut cells) = lowered(Entry::File(&path)).unwrap_or_else(|why| panic!("{why}"));
    let outcome = run_cell(&cells.remove(0), &Fast, 1, &mut Silent).unwrap_or_else(|report| panic!("{report:?}"));
    let outcome = finite(outcome).unwrap_or_else(|why| panic!("{name}: {why}"));
    move |quantity| outcome.quantity(quantity).and_then(socrun::run::Series::last).expect("measured")
}

#[test]
fn both_sides_of_itos_formula_agree() {
    let found = whole("ito.soc");
    assert!(found("mean_gap").abs() < 3.0 * found("noise"));
    assert!(found("path_gap") < 0.02 * found("variance"));
}

#[test]
fn three_ways_to_a_sensitivity_agree() {
    let found = whole("sensitivity.soc");
    assert!((found("pathwise") - found("exact")).abs() < 3.0 * found("pathwise_error"));
    assert!((found("bismut") - found("exact")).abs() < 3.0 * found("bismut_error"));
}

#[test]
fn the_portfolio_finds_its_share() {
    let found = whole("merton.soc");
    assert!((found("share") - 0.75).abs() < 0.02, "{}", found("share"));
    assert!(found("error") < 1e-3, "{}", found("error"));
}

/// The example in the README is the file that its first command runs.
#[test]
fn the_readme_shows_the_first_experiment() {
    let file = fs::read_to_string(root().join("experiments/first.soc")).expect("readable");
    let shown = blocks(&root().join("README.md")).into_iter().any(|block| block.text == file);
    assert!(shown, "README.md does not hold experiments/first.soc as it is");
}
