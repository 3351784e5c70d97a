//! `socrun list`

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::args::ListArguments;
use super::catalogue::{Kind, Offer, offers};
use super::exit::Exit;
use super::matrix::{Pair, meets_problems, of_kind, pair};
use super::terminal::{print, show};
use crate::diagnostic::{Report, Sink};
use crate::report::Table;
use crate::source::{SourceMap, library_module, library_modules};
use crate::syntax::{Entry, load_all, parse};

/// Shows what the library and a file offer, or which loss or method runs on which problem.
pub(super) fn list(arguments: &ListArguments) -> io::Result<Exit> {
    let mut sources = SourceMap::new();
    let mut all = library(&mut sources);
    let mut folder = None;
    if let Some(file) = &arguments.file {
        match of_file(file, &mut sources) {
            Ok(own) => all.extend(own),
            Err(reports) => {
                show(&reports, &sources);
                return Ok(Exit::because_of(&reports));
            }
        }
        folder = file.parent();
    }
    all.sort_by_key(|offer| offer.kind);
    // The folder of a bare name is the current one.
    let folder = folder.map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
    let text = match (arguments.matrix, arguments.json) {
        (false, false) => catalogue(&all),
        (false, true) => format!("{:#}\n", all.iter().map(described).collect::<Value>()),
        (true, json) => {
            let pairs = pairs(&all, &sources, folder);
            if json { format!("{:#}\n", pairs_as_json(&pairs)) } else { matrix(&all, &pairs) }
        }
    };
    print(&text)?;
    Ok(Exit::Done)
}

/// All that the library offers, module by module.
fn library(sources: &mut SourceMap) -> Vec<Offer> {
    let mut all = Vec::new();
    for module in library_modules() {
        let words: Vec<&str> = module.split('.').skip(1).collect();
        for text in library_module(&words) {
            let base = sources.add(format!("std/{}", text.path), text.text);
            // A text of the library that does not parse is reported where it is used.
            let file = parse(text.text, base, &mut Sink::new());
            all.extend(offers(&file, sources, |name| format!("use {module}.{{{name}}}")));
        }
    }
    all
}

fn of_file(path: &Path, sources: &mut SourceMap) -> Result<Vec<Offer>, Vec<Report>> {
    let mut sink = Sink::new();
    let modules = load_all(sources, Entry::File(path), &mut sink);
    match modules.last() {
        Some(entry) if !sink.has_errors() => {
            let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
            Ok(offers(&entry.tree, sources, |one| format!("use \"{name}\".{{{one}}}")))
        }
        _ => Err(sink.into_reports()),
    }
}

/// Kind by kind: the head, what it is, what it requires.
fn catalogue(all: &[Offer]) -> String {
    let mut text = String::new();
    for kind in Kind::ALL {
        let mut import = "";
        for offer in of_kind(all, kind) {
            let from = offer.import.rsplit_once(".{").map_or(offer.import.as_str(), |(from, _)| from);
            if from != import {
                let blank = if text.is_empty() { "" } else { "\n" };
                let _ = writeln!(text, "{blank}{}  ({from})", kind.plural());
                import = from;
            }
            let _ = writeln!(text, "  {}", offer.head);
            if !offer.doc.is_empty() {
                let _ = writeln!(text, "      {}", offer.doc);
            }
            if !offer.requires.is_empty() {
                let _ = writeln!(text, "      requires {}", offer.requires.join(", "));
            }
        }
    }
    text
}

fn described(offer: &Offer) -> Value {
    json!({
        "kind": offer.kind.word(),
        "name": offer.name,
        "use": offer.import,
        "head": offer.head,
        "doc": offer.doc,
        "requires": offer.requires,
    })
}

/// A loss or a method, a problem, and what the checker says of the two.
type Row<'a> = (&'a Offer, &'a Offer, Pair);

fn pairs<'a>(all: &'a [Offer], sources: &SourceMap, folder: Option<&Path>) -> Vec<Row<'a>> {
    let mut rows = Vec::new();
    let algorithms = [Kind::Loss, Kind::Method].into_iter().flat_map(|kind| of_kind(all, kind));
    for algorithm in algorithms.filter(|algorithm| meets_problems(algorithm)) {
        for problem in of_kind(all, Kind::Problem) {
            rows.push((algorithm, problem, pair(algorithm, problem, sources, folder)));
        }
    }
    rows
}

fn pairs_as_json(rows: &[Row]) -> Value {
    let one = |(algorithm, problem, pair): &Row| {
        let (unmet, error) = match pair {
            Pair::Runs => (Map::new(), None),
            Pair::Unmet(clauses) => {
                (clauses.iter().map(|(clause, why)| ((*clause).to_owned(), json!(why))).collect(), None)
            }
            Pair::Fails(why) => (Map::new(), Some(why)),
        };
        json!({
            algorithm.kind.word(): algorithm.name,
            "problem": problem.name,
            "runs": *pair == Pair::Runs,
            "unmet": unmet,
            "error": error,
        })
    };
    rows.iter().map(one).collect()
}

/// Losses and methods against problems, and below it the reasons.
fn matrix(all: &[Offer], rows: &[Row]) -> String {
    let problems = of_kind(all, Kind::Problem);
    let mut table = Table { head: vec![String::new()], rows: Vec::new(), labels: 1, note: String::new() };
    table.head.extend(problems.iter().map(|problem| problem.name.clone()));
    let mut reasons: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for chunk in rows.chunks(problems.len().max(1)) {
        let mut line = vec![chunk.first().map_or_else(String::new, |(algorithm, ..)| algorithm.name.clone())];
        for (algorithm, problem, pair) in chunk {
            let why = match pair {
                Pair::Runs => Vec::new(),
                Pair::Unmet(clauses) => clauses.iter().map(|(clause, why)| format!("{clause}: {why}")).collect(),
                Pair::Fails(why) => vec![why.clone()],
            };
            line.push(if why.is_empty() { "runs" } else { "–" }.to_owned());
            for why in why {
                reasons.entry((problem.name.clone(), why)).or_default().push(algorithm.name.clone());
            }
        }
        table.rows.push(line);
    }
    let mut text = table.text();
    let mut last = String::new();
    for ((problem, why), algorithms) in &reasons {
        if *problem != last {
            let _ = writeln!(text, "\n{problem}");
            last.clone_from(problem);
        }
        let _ = writeln!(text, "  {why}\n      asked by {}", algorithms.join(", "));
    }
    text
}
