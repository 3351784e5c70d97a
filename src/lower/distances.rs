//! Distances between sets of samples: numbers that no program computes, but the run between two programs.

use std::collections::BTreeSet;

use super::errors::{Lowered, explained, fault};
use super::lowerer::Lowerer;
use super::value::Value;
use crate::graph::{Op, Output, Program, ValueId};
use crate::source::Span;

/// Samples of vectors beyond which an assignment takes minutes.
pub const MOST_ASSIGNED: usize = 2000;

/// What is measured between two sets of samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// The root of the least mean of |x − y|² over all ways to pair the samples.
    Wasserstein,
}

/// A distance between two sets of samples.
#[derive(Clone, Debug)]
pub struct Distance {
    /// What is measured.
    pub metric: Metric,
    /// The outputs that hold the two sets, the samples first.
    pub outputs: [String; 2],
    /// The memory cell that gets the distance.
    pub cell: String,
    /// Where the file asks for it.
    pub span: Span,
}

/// A distance and the values between which it is.
pub struct Asked {
    distance: Distance,
    between: [ValueId; 2],
}

impl<'a> Lowerer<'a> {
    /// `W2(x, y)`: hands out both sets, and reads the distance from memory.
    pub(super) fn distance(&mut self, metric: Metric, x: &Value<'a>, y: &Value<'a>, span: Span) -> Lowered<ValueId> {
        let sample = self.sample.ok_or_else(|| fault(span, "there are no samples here"))?;
        let mut between = [self.tensor(x, span)?, self.tensor(y, span)?];
        let shape = self.b.ty(between[0]).shape.clone();
        for v in &mut between {
            *v = self.b.spread(*v, &[sample]);
            let ty = self.b.ty(*v);
            if ty.axes != [sample] || ty.shape != shape || shape.len() > 1 {
                return Err(fault(span, "a distance is between two sets of numbers, or of vectors of one size"));
            }
        }
        let n = self.b.program().axis(sample).size;
        if n > MOST_ASSIGNED && !shape.is_empty() {
            let what = format!("the distance is exact for up to {MOST_ASSIGNED} samples of vectors, found {n}");
            return Err(explained(span, what, "of this many samples", format!("say `batch {MOST_ASSIGNED}` or less")));
        }
        let known = self.distances.iter().find(|one| one.between == between && one.distance.metric == metric);
        let cell = match known {
            Some(known) => known.distance.cell.clone(),
            None => {
                let cell = format!("{}.distance{}", self.purpose, self.distances.len());
                let outputs = [format!("{cell}:left"), format!("{cell}:right")];
                let distance = Distance { metric, outputs, cell: cell.clone(), span };
                self.distances.push(Asked { distance, between });
                cell
            }
        };
        Ok(self.cell(&cell, &[], &[]))
    }
}

/// Cuts a measurement in two: the first program hands out sets of samples and all that depends on no distance, the second
/// the rest.
pub(super) fn cut(mut program: Program, asked: Vec<Asked>) -> Lowered<(Program, Vec<Distance>, Option<Program>)> {
    if asked.is_empty() {
        return Ok((program, Vec::new(), None));
    }
    let is_distance =
        |program: &Program, number: usize| asked.iter().any(|one| one.distance.cell == program.states[number].name);
    let mut later = program.clone();
    let (first, second): (Vec<_>, Vec<_>) = std::mem::take(&mut program.outputs)
        .into_iter()
        .partition(|(_, v)| !reads(&program, *v).into_iter().any(|number| is_distance(&program, number)));
    program.outputs = first;
    later.outputs = second;
    // What the first program left in a cell, the second would read in place of what was there before.
    let written: BTreeSet<usize> = program.outputs.iter().filter_map(|(kind, _)| cell_of(kind)).collect();
    for one in &asked {
        let twice = later.outputs.iter().any(|(_, v)| !written.is_disjoint(&reads(&later, *v)));
        let nested =
            one.between.iter().any(|v| reads(&program, *v).into_iter().any(|number| is_distance(&program, number)));
        if twice || nested {
            let why = "a distance goes together with numbers that are averaged over steps, or with other distances, only \
                       in an expectation or a table";
            return Err(fault(one.distance.span, why));
        }
    }
    let mut distances = Vec::new();
    for one in asked {
        for (name, v) in one.distance.outputs.iter().zip(one.between) {
            program.outputs.push((Output::Named(name.clone()), v));
        }
        distances.push(one.distance);
    }
    Ok((program, distances, Some(later)))
}

fn cell_of(kind: &Output) -> Option<usize> {
    if let Output::State(number) = kind { Some(*number) } else { None }
}

/// The memory cells that a value depends on.
fn reads(program: &Program, v: ValueId) -> BTreeSet<usize> {
    let (mut cells, mut seen, mut open) = (BTreeSet::new(), BTreeSet::new(), vec![v]);
    while let Some(v) = open.pop() {
        if !seen.insert(v) {
            continue;
        }
        match &program.node(v).op {
            Op::State(number) => {
                cells.insert(*number);
            }
            op => op.for_each_operand(|x| open.push(x)),
        }
    }
    cells
}
