//! Whether a program fits, and what it costs.

use std::fmt;

use super::build::{Options, build};
use super::floor::traffic;
use super::normal::Normal;
use super::{Cost, Error, Floor, Peaks, Plan, Space, TooLarge, When};
use crate::graph::{AxisId, Op, Program, ValueId};

/// No single value may be larger, whatever the limit: beyond this, strides lose their meaning.
const ADDRESSABLE: u64 = 1 << 46;

/// What a program takes.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Bytes of all buffers.
    pub bytes: u128,
    /// Of these, what grows with the number of samples.
    pub kept_bytes: u128,
    /// Of these, what every worker has of its own.
    pub worker_bytes: u128,
    /// Operations of one run.
    pub cost: Cost,
    /// Bytes that pass between phases in one run.
    pub traffic: u128,
    /// Samples, lanes of a tile, tiles, blocks of tiles.
    pub batch: [usize; 4],
    /// The number of phases that run over tiles.
    pub phases: usize,
    /// The number of passes over lanes, products, and other pieces of work.
    pub items: usize,
}

/// Lays out a program and refuses what needs more than `limit` bytes on `threads` workers.
///
/// # Errors
/// [`Error::TooLarge`] names the value that needs most; [`Error::TooMany`] an axis that cannot be counted.
pub fn check(program: &Program, limit: u64, threads: usize) -> Result<(Plan, Summary), Error> {
    check_with(program, limit, threads, Options::default())
}

/// As [`check`], with a say in how the program is laid out.
///
/// # Errors
/// As [`check`].
pub fn check_with(program: &Program, limit: u64, threads: usize, options: Options) -> Result<(Plan, Summary), Error> {
    let plan = build(program, options)?;
    let summary = plan.summary(threads);
    if summary.bytes > u128::from(limit) {
        let culprit = plan.largest(threads).map_or(ValueId(0), |(v, _)| v);
        let bytes = plan.largest(threads).map_or(0, |(_, b)| b);
        return Err(too_large(&plan.program, &plan.origin, culprit, bytes, summary.bytes, limit).into());
    }
    Ok((plan, summary))
}

/// Refuses values whose size overflows the arithmetic of strides.
pub(super) fn refuse_giants(normal: &Normal, tile: Option<AxisId>) -> Result<(), Error> {
    let program = &normal.program;
    for (i, node) in program.nodes.iter().enumerate() {
        if matches!(node.op, Op::Broadcast(_) | Op::Scan(_)) {
            continue;
        }
        let axes = node.ty.axes.iter().filter(|a| Some(**a) != tile).map(|a| program.axis(*a).size);
        let numbers = axes.chain(node.ty.shape.iter().copied()).fold(1_u128, |p, n| p.saturating_mul(n as u128));
        let bytes = numbers.saturating_mul(4);
        if bytes > u128::from(ADDRESSABLE) {
            return Err(too_large(program, &normal.origin, ValueId(i as u32), bytes, bytes, ADDRESSABLE).into());
        }
    }
    Ok(())
}

fn too_large(program: &Program, origin: &[ValueId], v: ValueId, own: u128, bytes: u128, limit: u64) -> TooLarge {
    let node = program.node(v);
    // A scan stands for what it stacks.
    let (ty, extra) = match &node.op {
        Op::Scan(s) => match s.stacked.iter().max_by_key(|x| program.node(**x).ty.elements()) {
            Some(x) => (&program.node(*x).ty, Some(s.axis)),
            None => (&node.ty, None),
        },
        _ => (&node.ty, None),
    };
    let axes = ty.axes.iter().copied().chain(extra);
    TooLarge {
        bytes,
        limit,
        culprit: origin[v.index()],
        span: node.span,
        culprit_bytes: own,
        axes: axes.map(|a| (program.axis(a).name.clone(), program.axis(a).size)).collect(),
        shape: ty.shape.clone(),
    }
}

impl Plan {
    /// The bytes of a sum over samples, for all blocks.
    fn partial_bytes(&self, v: ValueId) -> u128 {
        let wide = if matches!(self.program.node(v).op, Op::Reduce(..)) { 8 } else { 4 };
        let rows = self.views[v.index()].as_ref().map_or(0, |view| self.buffers[view.buffer].rows);
        rows as u128 * wide * self.cut(self.is_from_side(v))[3] as u128
    }

    /// The value that needs most bytes.
    fn largest(&self, threads: usize) -> Option<(ValueId, u128)> {
        let held = |b: &&super::Buffer| !self.unfinished.contains(&b.owner);
        let buffers = self.buffers.iter().filter(held).map(|b| {
            let [batch, width, tiles, _] = self.cut(b.side);
            let lanes = match (b.space, b.lane) {
                (Space::Kept, true) => batch,
                (Space::Kept, false) => tiles,
                (Space::Scratch, true) => width * threads,
                (Space::Scratch, false) => threads,
                _ => 1,
            };
            (b.owner, 4 * b.rows as u128 * lanes as u128)
        });
        buffers.chain(self.partials.iter().map(|v| (*v, self.partial_bytes(*v)))).max_by_key(|(_, bytes)| *bytes)
    }

    /// What the program takes on this many workers.
    pub fn summary(&self, threads: usize) -> Summary {
        let bytes = |slots: &[super::Slot], copies: fn([usize; 4], bool) -> usize| -> u128 {
            slots.iter().map(|s| 4 * s.rows as u128 * copies(self.cut(s.side), s.lane) as u128).sum()
        };
        let kept_bytes = bytes(&self.kept, |[batch, _, tiles, _], lane| if lane { batch } else { tiles });
        let worker_bytes = bytes(&self.scratch, |[_, width, ..], lane| if lane { width } else { 1 });
        let partials: u128 = self.partials.iter().map(|v| self.partial_bytes(*v)).sum();
        let once = bytes(&self.once, |_, _| 1);
        Summary {
            bytes: once + kept_bytes + worker_bytes * threads as u128 + partials,
            kept_bytes,
            worker_bytes,
            cost: self.cost,
            traffic: traffic(self),
            batch: [self.batch, self.width, self.tiles(), self.blocks()],
            phases: self.segments.iter().filter(|s| matches!(s.when, When::Tiles | When::Side)).count(),
            items: self.segments.iter().map(|s| s.items.len()).sum(),
        }
    }
}

impl Summary {
    /// The least time of one run on a machine with these peaks.
    pub fn floor(&self, peaks: Peaks) -> Floor {
        Floor { products: self.cost.products, traffic: self.traffic, peaks }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [batch, width, tiles, blocks] = self.batch;
        writeln!(f, "samples   {batch} in {tiles} tiles of {width}, {blocks} blocks")?;
        writeln!(f, "phases    {} over tiles, {} pieces of work", self.phases, self.items)?;
        writeln!(
            f,
            "memory    {:.3} MB: {:.3} for the whole batch, {:.3} for each worker",
            self.bytes as f64 / 1e6,
            self.kept_bytes as f64 / 1e6,
            self.worker_bytes as f64 / 1e6
        )?;
        write!(
            f,
            "work      {:.6} GFLOP in products, {:.6} G other operations, {:.6} G draws",
            self.cost.products as f64 / 1e9,
            self.cost.elementwise as f64 / 1e9,
            self.cost.draws as f64 / 1e9
        )
    }
}
