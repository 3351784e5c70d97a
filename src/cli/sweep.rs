//! The cells of an experiment, one after the other or side by side.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::STACK;
use super::cells::Cells;
use super::machine::Loader;
use super::progress::Progress;
use crate::diagnostic::Report;
use crate::run::{Outcome, run_cell};

/// What a sweep does with the outcome of a cell that has ended.
pub(super) type Keep<'k> = dyn Fn(usize, &Outcome) -> Result<(), Report> + Sync + 'k;

/// Runs the cells that have no outcome yet, as many at a time as the loader says, and puts their outcomes in `outcomes`. No cell is
/// begun after one that stopped before its end; those under way go on to their end.
///
/// # Errors
/// What the first cell that cannot be run finds, or `keep`.
pub(super) fn run_cells(
    cells: &Cells<'_>,
    outcomes: &mut [Option<Outcome>],
    loader: &Loader,
    seed: u64,
    progress: &Progress,
    keep: &Keep<'_>,
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
            let result = one_cell(cells, number, loader, seed, progress).and_then(|outcome| {
                if !outcome.stopped() {
                    keep(number, &outcome)?;
                }
                Ok(outcome)
            });
            if result.as_ref().map_or(true, Outcome::stopped) {
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
) -> Result<Outcome, Report> {
    let cell = cells.get(number)?;
    let mut watch = progress.enter(number, &cell.labels);
    let outcome = run_cell(&cell, loader, cell.seed.unwrap_or(seed), &mut watch);
    watch.leave();
    outcome
}
