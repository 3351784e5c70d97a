//! `socrun run`

use std::io;
use std::path::PathBuf;

use super::args::RunArguments;
use super::cells::Cells;
use super::errors::NothingToDo;
use super::exit::Exit;
use super::machine::Loader;
use super::pipeline::{self, Front};
use super::progress::Progress;
use super::terminal::{print, say, show};
use crate::diagnostic::Report;
use crate::report::{self, Experiment, Table};
use crate::run::run_cell;

/// Runs an experiment.
pub(super) fn run(arguments: &RunArguments) -> io::Result<Exit> {
    let overrides = pipeline::overrides(&arguments.settings);
    let front = pipeline::front(&arguments.file, overrides, arguments.settings.seed);
    show(&front.reports, &front.sources);
    if front.experiment.is_none() {
        return Ok(front.exit());
    }
    let stop = |report: Report| {
        let reports = [report];
        show(&reports, &front.sources);
        Exit::because_of(&reports)
    };
    let (experiment, directory) = match carry_out(arguments, &front) {
        Ok(done) => done,
        Err(report) => return Ok(stop(report)),
    };
    let written = report::write(&directory, &experiment);
    print(&results(arguments, &experiment))?;
    if let Err(unwritable) = written {
        return Ok(stop(Report::new(unwritable)));
    }
    if !arguments.quiet {
        say(&format!("wrote {}", directory.display()));
    }
    if let Some(lost) = experiment.outcomes.iter().find_map(|outcome| outcome.lost.clone()) {
        return Ok(stop(Report::new(lost)));
    }
    let failure = experiment.outcomes.iter().find_map(|outcome| outcome.failure.clone());
    Ok(failure.map_or(Exit::Done, |failure| stop(Report::new(failure))))
}

/// Runs every cell until one meets a value that is not finite. Whatever can be refused is refused before the first step.
fn carry_out<'a>(arguments: &RunArguments, front: &'a Front) -> Result<(Experiment<'a>, PathBuf), Report> {
    let (checked, outline) = front.experiment.as_ref().expect("the caller has looked for errors");
    let loader = Loader::new(&arguments.target)?;
    let cells = Cells::look_ahead(checked, outline, &loader)?;
    if cells.nothing_to_do() {
        return Err(Report::new(NothingToDo { file: front.name.clone() }));
    }
    #[cfg(feature = "gpu")]
    if let Some(verdict) = loader.verdict().filter(|_| !arguments.quiet) {
        say(&verdict);
    }
    let mut experiment = Experiment {
        file: front.name.clone(),
        text: front.text.clone(),
        outline,
        sources: &front.sources,
        modules: front.modules(),
        overrides: front.overrides.clone(),
        backend: loader.backend(),
        threads: loader.threads,
        seed: arguments.settings.seed.unwrap_or(0),
        outcomes: Vec::new(),
    };
    let directory = arguments
        .out
        .clone()
        .unwrap_or_else(|| PathBuf::from("runs").join(format!("{}-{}", experiment.stem(), &experiment.hash()[..8])));
    report::prepare(&directory).map_err(Report::new)?;
    let mut progress = Progress::new(cells.count(), arguments.quiet);
    for number in 0..cells.count() {
        let cell = cells.get(number)?;
        progress.enter(&cell.labels);
        let outcome = run_cell(&cell, &loader, cell.seed.unwrap_or(experiment.seed), &mut progress);
        progress.leave();
        experiment.outcomes.push(outcome?);
        if experiment.failed() {
            break;
        }
    }
    Ok((experiment, directory))
}

/// What stdout shows: the tables of the file or, where it has none, the last values.
fn results(arguments: &RunArguments, experiment: &Experiment<'_>) -> String {
    if arguments.json {
        return format!("{}\n", report::results(experiment));
    }
    let outline = experiment.outline;
    let tables: Vec<Table> = if outline.tables.is_empty() {
        vec![report::last_values(outline, &experiment.outcomes)]
    } else {
        outline.tables.iter().map(|figure| report::table(figure, outline, &experiment.outcomes)).collect()
    };
    tables.iter().map(Table::text).collect::<Vec<_>>().join("\n")
}
