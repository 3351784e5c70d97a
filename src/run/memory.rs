//! Memory cells: what a program leaves for its next run.

use std::collections::BTreeMap;

use ndarray::{ArrayD, IxDyn};

use crate::graph::{Op, Output, Program, StateInfo, ValueId};
use crate::lower::Evaluations;

/// The cells of all programs of a run. Programs that name one cell, at one extent, share it. A cell holds zeros at first.
#[derive(Debug, Default)]
pub(super) struct Memory {
    cells: BTreeMap<(String, Vec<usize>), ArrayD<f64>>,
}

impl Memory {
    /// The contents of the cells of a program, in its order.
    pub(super) fn read(&self, program: &Program) -> Vec<ArrayD<f64>> {
        program.states.iter().map(|cell| self.content(program, cell)).collect()
    }

    fn content(&self, program: &Program, cell: &StateInfo) -> ArrayD<f64> {
        self.cells
            .get(&key(program, cell))
            .cloned()
            .unwrap_or_else(|| ArrayD::zeros(IxDyn(&program.extents(&cell.ty()))))
    }

    /// The content of a cell, where a value is nothing else: as exact as it was written.
    pub(super) fn named(&self, program: &Program, value: ValueId) -> Option<ArrayD<f64>> {
        match program.node(value).op {
            Op::State(number) => Some(self.content(program, &program.states[number])),
            _ => None,
        }
    }

    /// Every cell that was written.
    pub(super) fn all(&self) -> Vec<(String, ArrayD<f64>)> {
        self.cells.iter().map(|((name, _), value)| (name.clone(), value.clone())).collect()
    }

    /// Fills a cell.
    pub(super) fn set(&mut self, name: &str, value: ArrayD<f64>) {
        self.cells.insert((name.to_owned(), value.shape().to_vec()), value);
    }

    /// Adds what a run of a program evaluated.
    pub(super) fn count(&mut self, evaluations: &[Evaluations]) {
        for one in evaluations {
            let cell = self.cells.entry((one.cell.clone(), Vec::new())).or_insert_with(|| ArrayD::zeros(IxDyn(&[])));
            *cell += one.points as f64;
        }
    }

    /// Keeps what a run of the program wrote.
    pub(super) fn write(&mut self, program: &Program, outputs: &[ArrayD<f64>]) {
        for ((kind, _), value) in program.outputs.iter().zip(outputs) {
            if let Output::State(number) = kind {
                let cell = &program.states[*number];
                self.cells.insert(key(program, cell), value.as_standard_layout().into_owned());
            }
        }
    }

    /// As [`Memory::read`], without a copy: the cells are gone until they are given back.
    pub(super) fn lend(&mut self, program: &Program) -> Vec<ArrayD<f64>> {
        let take = |cell: &StateInfo| {
            let content = self.cells.remove(&key(program, cell));
            content.unwrap_or_else(|| ArrayD::zeros(IxDyn(&program.extents(&cell.ty()))))
        };
        program.states.iter().map(take).collect()
    }

    /// Keeps what the program left in its cells.
    pub(super) fn give_back(&mut self, program: &Program, states: Vec<ArrayD<f64>>) {
        for (cell, value) in program.states.iter().zip(states) {
            self.cells.insert(key(program, cell), value);
        }
    }

    /// Whether a program reads what is counted here.
    pub(super) fn is_counted_for(program: &Program, evaluations: &[Evaluations]) -> bool {
        evaluations.iter().any(|one| program.states.iter().any(|cell| cell.name == one.cell))
    }
}

/// The cells that a program writes, by name, with their extents.
pub(super) fn written(program: &Program) -> Vec<(&str, Vec<usize>)> {
    let cells = program.outputs.iter().filter_map(|(kind, _)| match kind {
        Output::State(number) => Some(&program.states[*number]),
        _ => None,
    });
    cells.map(|cell| (cell.name.as_str(), program.extents(&cell.ty()))).collect()
}

fn key(program: &Program, cell: &StateInfo) -> (String, Vec<usize>) {
    (cell.name.clone(), program.extents(&cell.ty()))
}
