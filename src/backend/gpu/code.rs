//! A compiled plan: kernels, the order of their dispatches, and what the host writes and reads.

use std::fmt::Write;

use super::compile::dense;
use super::kernel::{Text, Word};
use super::memory::Spot;
use crate::graph::{Draw, Type, ValueId};
use crate::plan::{Dim, Plan, View};

/// A piece of recorded work.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// A dispatch.
    Run(Run),
    /// A loop.
    Loop(Looped),
    /// Work on every piece of the batch.
    Pieces(Pieces),
}

/// A kernel and what it is told.
#[derive(Clone, Debug)]
pub(super) struct Run {
    /// Its number.
    pub kernel: usize,
    /// What it is told.
    pub words: Vec<Word>,
    /// Workgroups.
    pub groups: usize,
    /// Operations of a workgroup, about.
    pub cost: usize,
    /// The value that is looked at, if that is all it does.
    pub watched: Option<ValueId>,
}

/// A loop whose counter moves the places of operands.
#[derive(Clone, Debug)]
pub(super) struct Looped {
    pub depth: usize,
    pub size: usize,
    pub reverse: bool,
    pub before: Vec<Step>,
    pub body: Vec<Step>,
}

/// The same work on one piece of the batch after the other.
#[derive(Clone, Debug)]
pub(super) struct Pieces {
    /// The number of whole pieces.
    pub whole: usize,
    /// The work on one of these.
    pub body: Vec<Step>,
    /// The work on the piece behind them, which has fewer samples; nothing if there is none.
    pub rest: Vec<Step>,
}

/// What the host writes at every run.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fed {
    /// The parameter with this number.
    Parameter(usize),
    /// The memory cell with this number.
    State(usize),
    /// The number of the run.
    Step,
}

/// A compiled plan.
pub(super) struct Code {
    /// What runs when the seed changes.
    pub setup: Vec<Step>,
    /// What runs every time.
    pub steps: Vec<Step>,
    /// The kernels.
    pub kernels: Vec<Text>,
    /// What the host writes before the first run.
    pub constants: Vec<(Spot, Layout, Vec<f32>)>,
    /// What it writes before every run, and where.
    pub fed: Vec<(Fed, Spot, Layout)>,
    /// The draws, in the order of their keys.
    pub draws: Vec<Draw>,
    /// Where the outputs lie, one behind the other, row-major.
    pub outputs: Vec<(Spot, usize)>,
    /// Puts outputs that the next run reads where the host looks for them.
    pub hand_out: Vec<Step>,
    /// Puts them where the next run reads.
    pub hand_on: Vec<Step>,
}

impl Code {
    /// The kernels as text.
    pub fn print(&self) -> String {
        fn count(steps: &[Step], times: usize, all: &mut [usize]) {
            for step in steps {
                match step {
                    Step::Run(run) => all[run.kernel] += times,
                    Step::Loop(l) => {
                        count(&l.before, times, all);
                        count(&l.body, times * l.size, all);
                    }
                    Step::Pieces(p) => {
                        count(&p.body, times * p.whole, all);
                        count(&p.rest, times, all);
                    }
                }
            }
        }
        let mut dispatches = vec![0; self.kernels.len()];
        count(&self.steps, 1, &mut dispatches);
        let mut out = String::new();
        for (number, (text, times)) in self.kernels.iter().zip(dispatches).enumerate() {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "// kernel {number}: {times} dispatches per run");
            for (i, line) in text.wgsl.lines().enumerate() {
                let _ = match text.values.get(i).copied().flatten() {
                    Some(v) => writeln!(out, "{line:<100} // %{}", v.0),
                    None => writeln!(out, "{line}"),
                };
            }
        }
        out
    }
}

/// How the numbers of a value that the host writes lie in memory.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// The extents of the value.
    pub extents: Vec<usize>,
    /// The strides of its place.
    pub strides: Vec<usize>,
    /// The extent that is cut in pieces, and the samples of a whole piece.
    pub cut: Option<(usize, usize)>,
}

impl Layout {
    pub fn of(plan: &Plan, ty: &Type, view: &View) -> Self {
        let axes = ty.axes.iter().map(|a| if Some(*a) == plan.tile { Dim::Lane } else { Dim::Axis(*a) });
        let dims = axes.chain((0..ty.shape.len()).map(Dim::Shape));
        let strides = dims.map(|d| view.stride(&plan.buffers, plan.width, d)).collect();
        let lanes = ty.axes.iter().position(|a| Some(*a) == plan.tile).filter(|_| plan.tiles() > 1);
        Self { extents: plan.program.extents(ty), strides, cut: lanes.map(|at| (at, plan.width)) }
    }

    /// The numbers, given in the order of the extents, as they lie in the memory of every piece of the batch; of values that
    /// are not cut there is one.
    pub fn place(&self, numbers: impl Iterator<Item = f32>) -> Vec<Vec<f32>> {
        if self.cut.is_none() && self.strides == dense(&self.extents) {
            return vec![numbers.collect()];
        }
        let (at, width) = self.cut.unwrap_or((0, usize::MAX));
        let pieces = self.cut.map_or(1, |_| self.extents[at].div_ceil(width));
        let reach = |(d, (n, s)): (usize, (&usize, &usize))| (if d == at { (*n).min(width) } else { *n } - 1) * s;
        let size = 1 + self.extents.iter().zip(&self.strides).enumerate().map(reach).sum::<usize>();
        let mut data = vec![vec![0.0; size]; pieces];
        for (entry, x) in numbers.enumerate() {
            let (mut left, mut place, mut piece) = (entry, 0, 0);
            for (d, (n, s)) in self.extents.iter().zip(&self.strides).enumerate().rev() {
                let mut index = left % n;
                left /= n;
                if d == at && self.cut.is_some() {
                    (piece, index) = (index / width, index % width);
                }
                place += index * s;
            }
            data[piece][place] = x;
        }
        data
    }
}
