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
    pub constants: Vec<(Spot, Vec<f32>)>,
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
}

impl Layout {
    pub fn of(plan: &Plan, ty: &Type, view: &View) -> Self {
        let axes = ty.axes.iter().map(|a| if Some(*a) == plan.tile { Dim::Lane } else { Dim::Axis(*a) });
        let dims = axes.chain((0..ty.shape.len()).map(Dim::Shape));
        let strides = dims.map(|d| view.stride(&plan.buffers, plan.width, d)).collect();
        Self { extents: plan.program.extents(ty), strides }
    }

    /// The numbers, given in the order of the extents, as they lie in memory.
    pub fn place(&self, numbers: impl Iterator<Item = f32>) -> Vec<f32> {
        if self.strides == dense(&self.extents) {
            return numbers.collect();
        }
        let size = 1 + self.extents.iter().zip(&self.strides).map(|(n, s)| (n - 1) * s).sum::<usize>();
        let mut data = vec![0.0; size];
        for (entry, x) in numbers.enumerate() {
            let (mut left, mut at) = (entry, 0);
            for (n, s) in self.extents.iter().zip(&self.strides).rev() {
                at += left % n * s;
                left /= n;
            }
            data[at] = x;
        }
        data
    }
}
