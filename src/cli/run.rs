//! `socrun run`

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::args::{RunArguments, Settings, Sweep, Target};
use super::cells::Cells;
use super::errors::NothingToDo;
use super::exit::Exit;
use super::machine::Loader;
use super::pipeline::{self, Front};
use super::progress::{Progress, label};
use super::sweep::{Ledger, run_cells};
use super::terminal::{print, say, show};
use crate::diagnostic::Report;
use crate::report::{self, Experiment, Journal, Table};
use crate::run::Outcome;

/// Runs an experiment.
pub(super) fn run(arguments: &RunArguments) -> io::Result<Exit> {
    let settings = &arguments.settings;
    let overrides = pipeline::overrides(settings);
    let front = pipeline::front(&arguments.file, overrides, settings.profile.as_deref(), settings.seed);
    show(&front.reports, &front.sources);
    if front.experiment.is_none() {
        return Ok(front.exit());
    }
    let stop = |report: Report| {
        let reports = [report];
        show(&reports, &front.sources);
        Exit::because_of(&reports)
    };
    let session = Session { settings, target: &arguments.target, sweep: &arguments.sweep, quiet: arguments.quiet };
    let (experiment, directory, journal) = match to_directory(&session, &front, arguments) {
        Ok(done) => done,
        Err(report) => return Ok(stop(report)),
    };
    let written = report::write(&directory, &experiment).and_then(|()| journal.map_or(Ok(()), |done| done.close()));
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
    let diverged = experiment.outcomes.iter().filter(|outcome| outcome.failure.is_some());
    for outcome in diverged.filter(|outcome| !outcome.labels.is_empty()) {
        say(&format!("{}: stopped after {} steps", label(&outcome.labels), outcome.steps));
    }
    let failure = experiment.outcomes.iter().find_map(|outcome| outcome.failure.clone());
    Ok(failure.map_or(Exit::Done, |failure| stop(Report::new(failure))))
}

/// What the command line says about running, besides the file.
pub(super) struct Session<'a> {
    pub(super) settings: &'a Settings,
    pub(super) target: &'a Target,
    pub(super) sweep: &'a Sweep,
    pub(super) quiet: bool,
}

impl Session<'_> {
    /// A checked experiment and its cells, before anything runs. Whatever can be refused is refused here.
    ///
    /// # Errors
    /// A file without anything to do, and what lowering or laying out finds.
    pub(super) fn prepare<'f>(&self, front: &'f Front) -> Result<(Experiment<'f>, Cells<'f>, Loader), Report> {
        let (checked, outline) = front.experiment.as_ref().expect("the caller has looked for errors");
        let count = outline.sweep.iter().map(|(_, labels)| labels.len()).product();
        let loader = Loader::new(self.target, self.sweep.jobs.min(count))?;
        let cells = Cells::look_ahead(checked, outline, &loader)?;
        if cells.nothing_to_do() {
            return Err(Report::new(NothingToDo { file: front.name.clone() }));
        }
        #[cfg(feature = "gpu")]
        if let Some(verdict) = loader.verdict().filter(|_| !self.quiet) {
            say(&verdict);
        }
        let experiment = Experiment {
            file: front.name.clone(),
            text: front.text.clone(),
            outline,
            sources: &front.sources,
            modules: front.modules(),
            overrides: front.overrides.clone(),
            profile: front.profile.clone(),
            backend: loader.backend(),
            threads: loader.threads * loader.jobs,
            seed: self.settings.seed.unwrap_or(0),
            outcomes: Vec::new(),
        };
        Ok((experiment, cells, loader))
    }

    /// Runs the cells that have no outcome yet.
    ///
    /// # Errors
    /// What a cell that cannot be run, or kept, finds.
    pub(super) fn carry_out(
        &self,
        experiment: &mut Experiment<'_>,
        (cells, loader): (&Cells<'_>, &Loader),
        mut outcomes: Vec<Option<Outcome>>,
        ledger: &Ledger<'_>,
    ) -> Result<(), Report> {
        let waiting = outcomes.iter().filter(|outcome| outcome.is_none()).count();
        let progress = Progress::new(cells.count(), waiting, self.quiet);
        run_cells(cells, &mut outcomes, loader, experiment.seed, &progress, ledger)?;
        experiment.outcomes = outcomes.into_iter().flatten().collect();
        #[cfg(feature = "gpu")]
        if let Some(longest) = loader.longest() {
            say(&longest);
        }
        Ok(())
    }
}

/// Runs an experiment into its directory, and goes on where it was interrupted; the journal of a run that is complete may
/// be closed once its results are written.
fn to_directory<'f>(
    session: &Session<'_>,
    front: &'f Front,
    arguments: &RunArguments,
) -> Result<(Experiment<'f>, PathBuf, Option<Journal>), Report> {
    let (mut experiment, cells, loader) = session.prepare(front)?;
    let named = || PathBuf::from("runs").join(format!("{}-{}", experiment.stem(), &experiment.hash()[..8]));
    let directory = arguments.out.clone().unwrap_or_else(named);
    report::prepare(&directory).map_err(Report::new)?;
    let count = cells.count();
    let (journal, outcomes) = Journal::open(&directory, &experiment, count, arguments.force)?;
    let finished = outcomes.iter().flatten().count();
    if finished > 0 && !session.quiet {
        say(&format!("{finished} of {count} cells were finished before"));
    }
    let ledger = Ledger { journal: Some(&journal), every: Duration::from_secs_f64(arguments.keep_every) };
    session.carry_out(&mut experiment, (&cells, &loader), outcomes, &ledger)?;
    let complete = experiment.outcomes.len() == count && !experiment.failed();
    Ok((experiment, directory, (complete || journal.is_empty()).then_some(journal)))
}

/// What stdout shows: the tables of the file or, where it has none, the last values; and what it expects.
fn results(arguments: &RunArguments, experiment: &Experiment<'_>) -> String {
    if arguments.json {
        return format!("{}\n", report::results(experiment));
    }
    let outline = experiment.outline;
    let mut tables: Vec<Table> = if outline.tables.is_empty() {
        vec![report::last_values(outline, &experiment.outcomes)]
    } else {
        outline.tables.iter().map(|figure| report::table(figure, outline, &experiment.outcomes)).collect()
    };
    tables.extend(report::verdict_table(&experiment.verdicts()));
    tables.iter().map(Table::text).collect::<Vec<_>>().join("\n")
}
