//! The cells of a sweep, lowered when their turn comes.

use crate::diagnostic::Report;
use crate::lower::{Cell, Measurement, Outline, Stage, cell};
use crate::run::{Machine, refuse_buffers};
use crate::typed::Checked;

use super::machine::Loader;

/// The cells of an experiment, in the order in which they run.
pub(super) struct Cells<'a> {
    checked: &'a Checked,
    /// One index per swept name.
    choices: Vec<Vec<usize>>,
    first: Cell,
}

impl<'a> Cells<'a> {
    /// Lowers and lays out cells before any of them runs, so that a size that does not fit is found now and not after
    /// hours. Cells that differ in their seed alone are alike.
    ///
    /// # Errors
    /// What lowering or laying out finds.
    pub(super) fn look_ahead(checked: &'a Checked, outline: &Outline, loader: &Loader) -> Result<Self, Report> {
        let choices = combinations(outline);
        let mut first = None;
        for chosen in unlike(outline, &choices) {
            let lowered = lower(checked, chosen)?;
            loader.refuse(&lowered.init)?;
            lowered.stages.iter().flat_map(Stage::programs).try_for_each(|program| loader.refuse(program))?;
            for stage in &lowered.stages {
                if let Stage::Schedule(schedule) = stage {
                    refuse_buffers(schedule, loader.memory())?;
                }
            }
            let running = lowered.running_measures.iter().flat_map(Measurement::programs);
            running.into_iter().try_for_each(|program| loader.refuse(program))?;
            first.get_or_insert(lowered);
        }
        // A sweep over nothing was refused by the checker, so there is a first choice.
        let first = match first {
            Some(cell) => cell,
            None => lower(checked, &vec![0; outline.sweep.len()])?,
        };
        Ok(Self { checked, choices, first })
    }

    /// Lowers cells and lets them go: finds what only concrete sizes and values show.
    ///
    /// # Errors
    /// What lowering the first cell that cannot be lowered finds.
    pub(super) fn try_all(checked: &Checked, outline: &Outline) -> Result<(), Report> {
        unlike(outline, &combinations(outline)).try_for_each(|chosen| lower(checked, chosen).map(drop))
    }

    /// The number of cells.
    pub(super) fn count(&self) -> usize {
        self.choices.len()
    }

    /// Whether the file neither trains nor measures.
    pub(super) fn nothing_to_do(&self) -> bool {
        self.first.stages.is_empty() && self.first.running_measures.is_empty()
    }

    /// The cell with this number.
    ///
    /// # Errors
    /// What lowering finds.
    pub(super) fn get(&self, number: usize) -> Result<Cell, Report> {
        if number == 0 { Ok(self.first.clone()) } else { lower(self.checked, &self.choices[number]) }
    }
}

fn lower(checked: &Checked, chosen: &[usize]) -> Result<Cell, Report> {
    cell(checked, chosen).map_err(|error| Report::new(*error))
}

/// The choices that differ in more than their seed.
fn unlike<'c>(outline: &Outline, choices: &'c [Vec<usize>]) -> impl Iterator<Item = &'c Vec<usize>> {
    let seed = outline.sweep.iter().position(|(name, _)| name == "seed");
    choices.iter().filter(move |chosen| seed.is_none_or(|axis| chosen[axis] == 0))
}

/// Every choice of one index per swept name; the last name runs fastest.
fn combinations(outline: &Outline) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    for (_, labels) in &outline.sweep {
        let longer =
            |chosen: &Vec<usize>| (0..labels.len()).map(|i| [chosen.as_slice(), &[i]].concat()).collect::<Vec<_>>();
        all = all.iter().flat_map(longer).collect();
    }
    all
}
