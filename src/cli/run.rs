//! `socrun run`

use std::io;
use std::path::PathBuf;

use super::args::RunArguments;
use super::errors::NothingToDo;
use super::exit::Exit;
use super::machine::Loader;
use super::pipeline::{self, Front};
use super::progress::Progress;
use super::terminal::{print, say, show};
use crate::diagnostic::Report;
use crate::lower::{Cell, Outline};
use crate::report::{self, Experiment, Table};
use crate::run::{Outcome, run_cell};
use crate::typed::Checked;

/// Runs an experiment.
pub(super) fn run(arguments: RunArguments) -> io::Result<Exit> {
    let overrides = pipeline::overrides(&arguments.settings);
    let front = pipeline::front(&arguments.file, &overrides);
    show(&front.reports, &front.sources);
    let Some(checked) = &front.checked else {
        return Ok(front.exit());
    };
    match experiment(&arguments, &front, checked, overrides) {
        Ok(experiment) => finish(&arguments, &experiment),
        Err(report) => {
            let reports = [report];
            show(&reports, &front.sources);
            Ok(Exit::because_of(&reports))
        }
    }
}

/// Runs every cell.
fn experiment<'a>(
    arguments: &RunArguments,
    front: &'a Front,
    checked: &Checked,
    overrides: Vec<(String, String)>,
) -> Result<Experiment<'a>, Report> {
    let outline = front.outline.as_ref().expect("a checked file has an outline");
    let loader = Loader::new(&arguments.target);
    let combinations = combinations(outline);
    let cells = Cells::look_ahead(checked, outline, &combinations, &loader)?;
    if cells.first().is_some_and(|cell| cell.stages.is_empty() && cell.running_measures.is_empty()) {
        return Err(Report::new(NothingToDo { file: front.name.clone() }));
    }
    let mut experiment = Experiment {
        file: front.name.clone(),
        text: front.text.clone(),
        outline,
        sources: &front.sources,
        overrides,
        backend: arguments.target.backend.name().to_owned(),
        threads: loader.threads(),
        seed: arguments.settings.seed.unwrap_or(0),
        outcomes: Vec::new(),
    };
    report::prepare(&directory(arguments, &experiment)).map_err(Report::new)?;
    let mut progress = Progress::new(combinations.len(), arguments.quiet);
    for (number, chosen) in combinations.iter().enumerate() {
        let cell = cells.get(number, checked, chosen)?;
        progress.enter(&cell.labels);
        let seed = cell.seed.unwrap_or(experiment.seed);
        let outcome = run_cell(&cell, &loader, seed, &mut progress);
        progress.leave();
        let outcome: Outcome = outcome?;
        let failed = outcome.failure.is_some();
        experiment.outcomes.push(outcome);
        if failed {
            break;
        }
    }
    Ok(experiment)
}

/// Every choice of one index per swept name; the last name runs fastest.
fn combinations(outline: &Outline) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    for (_, labels) in &outline.sweep {
        let longer = |chosen: &Vec<usize>| (0..labels.len()).map(|i| [chosen.as_slice(), &[i]].concat()).collect::<Vec<_>>();
        all = all.iter().flat_map(longer).collect();
    }
    all
}
