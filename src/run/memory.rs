//! Memory cells: what a program leaves for its next run.

use std::collections::BTreeMap;

use ndarray::{ArrayD, IxDyn};

use crate::graph::{Output, Program, StateInfo};

/// The cells of all programs of a run. Programs that name one cell, at one shape, share it. A cell holds zeros at first.
#[derive(Debug, Default)]
pub(super) struct Memory {
    cells: BTreeMap<(String, Vec<usize>), ArrayD<f64>>,
}

impl Memory {
    /// The contents of the cells of a program, in its order.
    pub(super) fn read(&self, program: &Program) -> Vec<ArrayD<f64>> {
        program.states.iter().map(|cell| self.content(cell)).collect()
    }

    fn content(&self, cell: &StateInfo) -> ArrayD<f64> {
        let key = (cell.name.clone(), cell.shape.clone());
        self.cells.get(&key).cloned().unwrap_or_else(|| ArrayD::zeros(IxDyn(&cell.shape)))
    }

    /// Keeps what a run of the program wrote.
    pub(super) fn write(&mut self, program: &Program, outputs: &[ArrayD<f64>]) {
        for ((kind, _), value) in program.outputs.iter().zip(outputs) {
            if let Output::State(number) = kind {
                let cell = &program.states[*number];
                self.cells.insert((cell.name.clone(), cell.shape.clone()), value.clone());
            }
        }
    }
}
