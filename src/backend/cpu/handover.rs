//! What one run leaves to the next: parameters and memory cells that stay in the machine's memory.

use std::collections::BTreeSet;

use rayon::prelude::*;

use super::machine::{Block, gather, output, row_major};
use super::memory::Numbers;
use crate::backend::{Course, first_non_finite_single};
use crate::graph::{Op, Output, ValueId};
use crate::plan::{Dim, Plan, Space};

/// A stretch of a slot of values that are computed once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    slot: usize,
    offset: usize,
    length: usize,
}

/// Where a value lies row by row without gaps, if it does.
pub(super) fn place(plan: &Plan, v: ValueId) -> Option<Place> {
    let view = plan.view(v);
    let buffer = &plan.buffers[view.buffer];
    let (dims, strides, length) = row_major(plan, v);
    let whole = |(d, n): &(Dim, usize), s: &usize| *n == 1 || view.stride(&plan.buffers, 1, *d) == *s;
    let dense = buffer.space != Space::Kept && dims.iter().zip(&strides).all(|(d, s)| whole(d, s));
    dense.then_some(Place { slot: buffer.slot, offset: view.offset, length })
}

impl Place {
    /// The numbers there.
    pub fn of<'m>(&self, once: &'m [Numbers]) -> &'m [f32] {
        &once[self.slot][self.offset..][..self.length]
    }
}

/// An output that the next run reads.
#[derive(Debug)]
struct Kept {
    /// Its place among the outputs.
    output: usize,
    /// What reads it, if anything does.
    reader: Option<ValueId>,
    /// Its numbers after the last run, where nothing holds them in the next.
    latest: Vec<f32>,
}

/// How outputs reach the next run.
#[derive(Debug)]
pub(super) struct Handover {
    /// Of every output its place, if it has one.
    places: Vec<Option<Place>>,
    /// Slots that change places: one that is read, one that was written. Nothing else lies in either.
    swapped: Vec<(usize, usize)>,
    swapped_readers: Vec<(usize, ValueId)>,
    copied: Vec<Kept>,
    /// Whether every cell that is written can stay here.
    possible: bool,
}

impl Handover {
    /// How the outputs of a plan reach the next run of it.
    pub fn new(plan: &Plan) -> Self {
        let program = &plan.program;
        let reader = |kind: &Output| {
            let reads = |op: &Op| match (op, kind) {
                (Op::Parameter(i), Output::Parameter(j)) | (Op::State(i), Output::State(j)) => i == j,
                _ => false,
            };
            let at = (0..program.nodes.len()).find(|i| plan.views[*i].is_some() && reads(&program.nodes[*i].op));
            at.map(|i| ValueId(i as u32))
        };
        let places: Vec<_> = program.outputs.iter().map(|(_, v)| place(plan, *v)).collect();
        let alone = |place: &Place| {
            let inside = |b: &&crate::plan::Buffer| b.space == Space::Once && b.slot == place.slot && b.rows > 0;
            // What was set up is not worked out again.
            place.slot >= plan.setup_slots
                && place.offset == 0
                && plan.once[place.slot].rows == place.length
                && plan.buffers.iter().filter(inside).count() == 1
        };
        let mut handover =
            Self { places, swapped: Vec::new(), swapped_readers: Vec::new(), copied: Vec::new(), possible: true };
        let mut taken = BTreeSet::new();
        for (output, (kind, v)) in program.outputs.iter().enumerate() {
            if !matches!(kind, Output::Parameter(_) | Output::State(_)) {
                continue;
            }
            handover.possible &= program.node(*v).ty.axes.is_empty();
            let reader = reader(kind);
            let to = reader.and_then(|v| place(plan, v)).filter(alone);
            let from = handover.places[output].filter(alone);
            if let (Some(reader), Some(to), Some(from)) = (reader, to, from)
                && to.slot != from.slot
                && !taken.contains(&to.slot)
                && taken.insert(from.slot)
            {
                taken.insert(to.slot);
                handover.swapped.push((to.slot, from.slot));
                handover.swapped_readers.push((output, reader));
            } else {
                handover.copied.push(Kept { output, reader, latest: Vec::new() });
            }
        }
        handover
    }

    /// Whether runs in a row can do without the host.
    pub fn possible(&self) -> bool {
        self.possible
    }

    /// The first output that is not finite, and what it holds.
    pub fn non_finite(&self, plan: &Plan, once: &[Numbers], blocks: &[Vec<Block>; 2]) -> Option<(ValueId, f64)> {
        let outputs: Vec<_> = plan.program.outputs.iter().zip(&self.places).collect();
        outputs.par_iter().find_map_first(|((_, v), place)| {
            let found = match place {
                Some(place) => first_non_finite_single(place.of(once)),
                None => first_non_finite_single(&numbers(plan, once, blocks, *v)),
            };
            found.map(|found| (*v, found))
        })
    }

    /// Puts what a run wrote where the next run reads.
    pub fn pass_on(&mut self, plan: &Plan, once: &mut [Numbers], blocks: &[Vec<Block>; 2]) {
        for kept in &mut self.copied {
            kept.latest = numbers(plan, once, blocks, plan.program.outputs[kept.output].1);
        }
        for (to, from) in &self.swapped {
            once.swap(*to, *from);
        }
        for kept in &self.copied {
            if let Some(reader) = kept.reader {
                let view = plan.view(reader);
                let slot = plan.buffers[view.buffer].slot;
                once[slot][view.offset..][..kept.latest.len()].copy_from_slice(&kept.latest);
            }
        }
    }

    /// Hands what the last run wrote to the host.
    pub fn hand_out(&self, plan: &Plan, once: &[Numbers], blocks: &[Vec<Block>; 2], course: &mut Course<'_>) {
        for ((kind, v), place) in plan.program.outputs.iter().zip(&self.places) {
            match (kind, place) {
                (Output::Named(_) | Output::Gradient(_), _) => {}
                (_, Some(place)) => course.fill(kind, place.of(once)),
                (_, None) => course.put(kind, output(plan, once, blocks, *v)),
            }
        }
    }

    /// What the last run read, which was no first one.
    pub fn take_back(&self, plan: &Plan, once: &[Numbers], blocks: &[Vec<Block>; 2], course: &mut Course<'_>) {
        let outputs = &plan.program.outputs;
        for (at, reader) in &self.swapped_readers {
            course.put(&outputs[*at].0, output(plan, once, blocks, *reader));
        }
        for kept in &self.copied {
            let value = output(plan, once, blocks, outputs[kept.output].1);
            let numbers = kept.latest.iter().map(|x| f64::from(*x)).collect();
            let value = ndarray::ArrayD::from_shape_vec(value.raw_dim(), numbers).expect("as large as it was before");
            course.put(&outputs[kept.output].0, value);
        }
    }
}

/// The numbers of a value, row by row.
fn numbers(plan: &Plan, once: &[Numbers], blocks: &[Vec<Block>; 2], v: ValueId) -> Vec<f32> {
    if let Some(place) = place(plan, v) {
        return place.of(once).to_vec();
    }
    let (_, strides, length) = row_major(plan, v);
    let mut numbers = vec![0.0; length];
    gather(plan, once, blocks, v, &strides, |at, x| numbers[at] = x);
    numbers
}
