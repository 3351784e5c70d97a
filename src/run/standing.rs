//! A training between two of its steps, kept so that it can go on elsewhere.

use ndarray::ArrayD;

use super::memory::written;
use super::{Outcome, Series};
use crate::diagnostic::Report;
use crate::lower::{Cell, Stage};

/// All that the rest of a cell depends on, besides its seed. What goes on from here gives the same bits as what was
/// never interrupted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Standing {
    /// The stage that is under way, a training.
    pub stage: usize,
    /// The steps of it that are made.
    pub done: u64,
    /// Optimiser steps made in all.
    pub steps: u64,
    /// The seconds of each.
    pub seconds: Vec<f64>,
    /// The parameters, then their copies, row-major.
    pub parameters: Vec<ArrayD<f64>>,
    /// The memory cells of the programs, by name; what optimisers remember is among them.
    pub memory: Vec<(String, ArrayD<f64>)>,
    /// The histories of the quantities.
    pub quantities: Vec<Series>,
    /// The history of the objective.
    pub objective: Series,
}

impl Standing {
    /// Whether it can be one of this cell.
    pub(super) fn fits(&self, cell: &Cell, parameters: &[ArrayD<f64>], outcome: &Outcome) -> bool {
        let Some(Stage::Train(training)) = cell.stages.get(self.stage) else { return false };
        let names = |series: &[Series]| series.iter().map(|one| one.name.clone()).collect::<Vec<_>>();
        let has = |(name, extents): &(&str, Vec<usize>)| {
            self.memory.iter().any(|(own, value)| own == name && value.shape() == extents.as_slice())
        };
        self.done <= training.steps
            && self.parameters.iter().map(ArrayD::shape).eq(parameters.iter().map(ArrayD::shape))
            && names(&self.quantities) == names(&outcome.quantities)
            && written(&training.step).iter().all(has)
    }
}

/// Keeps how far a cell is. Nothing that a keeper does changes a result.
pub trait Keeper {
    /// From where the cell goes on; asked once, before anything runs.
    ///
    /// # Errors
    /// When what was kept cannot be read.
    fn recall(&mut self) -> Result<Option<Standing>, Report> {
        Ok(None)
    }

    /// Whether it is time to keep a training; asked after every step.
    fn due(&mut self) -> bool {
        false
    }

    /// Keeps a training between two steps.
    ///
    /// # Errors
    /// When it cannot be kept; the run ends then.
    fn keep(&mut self, standing: &Standing) -> Result<(), Report> {
        let _ = standing;
        Ok(())
    }
}

/// Keeps nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Forgetful;

impl Keeper for Forgetful {}
