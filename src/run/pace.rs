//! Steps in a row: how many, and what each of them hands out.

use super::interpreter::{Stop, position};
use super::memory::Memory;
use crate::graph::{Output, Program};
use crate::lower::Training;

/// How long the machine may be on its own, in seconds: what watches a run hears of it no more often.
const ALONE: f64 = 0.5;

/// How many steps are made in a row. The numbers do not depend on it.
pub(super) struct Pace {
    /// The seconds of one step, of those made last.
    pub seconds: f64,
    /// Whether something happens before every step that the machine cannot do by itself.
    single: bool,
    begun: bool,
}

impl Pace {
    pub(super) fn new(training: &Training, program: &Program) -> Self {
        let counted = Memory::is_counted_for(program, &training.evaluations);
        Self { seconds: 0.0, single: counted || !training.samples.is_empty(), begun: false }
    }

    /// The steps to make, at least one and at most so many.
    pub(super) fn steps(&self, most: u64) -> u64 {
        if self.single || !self.begun {
            return 1;
        }
        ((ALONE / self.seconds.max(1e-9)) as u64).clamp(1, most.max(1))
    }

    pub(super) fn measured(&mut self, seconds: f64, steps: usize) {
        self.seconds = seconds / steps.max(1) as f64;
        self.begun = true;
    }
}

/// The places of numbers among the outputs of a step that have names.
pub(super) struct Row {
    pub objective: usize,
    /// Of every quantity measured of the step itself, in order.
    measured: Vec<Vec<(String, usize)>>,
}

impl Row {
    pub(super) fn new(training: &Training, program: &Program) -> Result<Self, Stop> {
        let place = |name: &str| {
            let at = position(program, name, training.span).map_err(Stop::Report)?;
            Ok(program.outputs[..at].iter().filter(|(kind, _)| matches!(kind, Output::Named(_))).count())
        };
        let quantities = |names: &Vec<String>| {
            names.iter().map(|name| Ok((name.clone(), place(&Training::measured(name))?))).collect::<Result<_, Stop>>()
        };
        let measured = training.measures.iter().map(|m| quantities(&m.quantities)).collect::<Result<_, _>>()?;
        Ok(Self { objective: place(Training::OBJECTIVE)?, measured })
    }

    /// What is recorded of step k.
    pub(super) fn measured<'r>(
        &'r self,
        training: &Training,
        k: u64,
        values: &[f64],
    ) -> impl Iterator<Item = (&'r str, f64)> {
        let due = training.measures.iter().zip(&self.measured).filter(move |(m, _)| m.due(k, training.steps));
        due.flat_map(|(_, places)| places).map(|(name, place)| (name.as_str(), values[*place]))
    }
}
