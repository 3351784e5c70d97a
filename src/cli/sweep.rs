//! The cells of an experiment, one after the other or side by side.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::STACK;
use super::cells::Cells;
use super::machine::Loader;
use super::progress::Progress;
use crate::diagnostic::Report;
use crate::report::Journal;
use crate::run::{Keeper, Outcome, Standing, continue_cell, run_cell};

/// Where cells are kept, if anywhere: those that have ended and those under way.
#[derive(Default)]
pub(super) struct Ledger<'j> {
    /// None: they are not.
    pub(super) journal: Option<&'j Journal>,
    /// The time from one record of a cell under way to the next.
    pub(super) every: Duration,
}

impl Ledger<'_> {
    fn ended(&self, number: usize, outcome: &Outcome) -> Result<(), Report> {
        match self.journal {
            Some(journal) if outcome.failure.is_some() => journal.forget(number).map_err(Report::new),
            Some(journal) if outcome.lost.is_none() => journal.keep(number, outcome),
            _ => Ok(()),
        }
    }
}

/// Keeps one cell under way.
struct Page<'j> {
    journal: &'j Journal,
    number: usize,
    every: Duration,
    last: Instant,
}

impl Keeper for Page<'_> {
    fn recall(&mut self) -> Result<Option<Standing>, Report> {
        self.journal.stood(self.number)
    }

    fn due(&mut self) -> bool {
        self.last.elapsed() >= self.every
    }

    fn keep(&mut self, standing: &Standing) -> Result<(), Report> {
        self.journal.stand(self.number, standing)?;
        self.last = Instant::now();
        Ok(())
    }
}

/// Runs the cells that have no outcome yet, as many at a time as the loader says, and puts their outcomes in `outcomes`. A value
/// that is not finite ends its own cell alone; no cell is begun after one whose machine was lost, and those under way go on to
/// their end.
///
/// # Errors
/// What the first cell that cannot be run, or kept, finds.
pub(super) fn run_cells(
    cells: &Cells<'_>,
    outcomes: &mut [Option<Outcome>],
    loader: &Loader,
    seed: u64,
    progress: &Progress,
    ledger: &Ledger<'_>,
) -> Result<(), Report> {
    let missing: Vec<usize> = (0..outcomes.len()).filter(|number| outcomes[*number].is_none()).collect();
    let queue = Mutex::new(missing.into_iter());
    let stopped = AtomicBool::new(false);
    let ended: Mutex<Vec<(usize, Result<Outcome, Report>)>> = Mutex::new(Vec::new());
    let next = || {
        let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
        if stopped.load(Ordering::SeqCst) { None } else { queue.next() }
    };
    let work = || {
        while let Some(number) = next() {
            let result = one_cell(cells, number, loader, seed, progress, ledger)
                .and_then(|outcome| ledger.ended(number, &outcome).map(|()| outcome));
            if result.as_ref().map_or(true, |outcome| outcome.lost.is_some()) {
                stopped.store(true, Ordering::SeqCst);
            }
            ended.lock().unwrap_or_else(PoisonError::into_inner).push((number, result));
        }
    };
    std::thread::scope(|threads| {
        let helpers: Vec<_> = (1..loader.jobs)
            // A job that the system grants no thread is one that the others do as well.
            .map_while(|_| std::thread::Builder::new().stack_size(STACK).spawn_scoped(threads, work).ok())
            .collect();
        work();
        for helper in helpers {
            helper.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
    let mut ended = ended.into_inner().unwrap_or_else(PoisonError::into_inner);
    ended.sort_by_key(|(number, _)| *number);
    for (number, result) in ended {
        outcomes[number] = Some(result?);
    }
    Ok(())
}

fn one_cell(
    cells: &Cells<'_>,
    number: usize,
    loader: &Loader,
    seed: u64,
    progress: &Progress,
    ledger: &Ledger<'_>,
) -> Result<Outcome, Report> {
    let cell = cells.get(number)?;
    let mut watch = progress.enter(number, &cell.labels);
    let seed = cell.seed.unwrap_or(seed);
    let outcome = match ledger.journal {
        Some(journal) => {
            let mut page = Page { journal, number, every: ledger.every, last: Instant::now() };
            continue_cell(&cell, loader, seed, &mut watch, &mut page)
        }
        None => run_cell(&cell, loader, seed, &mut watch),
    };
    watch.leave();
    outcome
}
