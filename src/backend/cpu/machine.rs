//! Runs compiled segments: what is computed once, then all tiles, phase by phase.

use std::sync::Mutex;
use std::time::Instant;

use ndarray::{ArrayD, IxDyn};
use rayon::prelude::*;

use super::clock::Clock;
use super::code::{Code, Context, Step, run};
use super::compile::compile;
use super::fused::Registers;
use super::handover::{Handover, place};
use super::memory::{MAX_DEPTH, Memory, Numbers, Part};
use super::packed::Pack;
use super::pairs::spread;
use super::reduce::{join, start};
use super::strided::walk;
use crate::backend::timing::Phase;
use crate::backend::{Course, Fault, Feed};
use crate::graph::{Op, Output, ValueId};
use crate::plan::{Dim, Plan, Slot, Space, View, When};

/// A block of tiles: what they keep, and their sums.
pub(super) struct Block {
    /// The first tile.
    pub first: usize,
    /// The kept slots of each tile.
    pub kept: Vec<Vec<Numbers>>,
    pub parts: Vec<Part>,
}

/// What a worker has of its own.
struct Worker {
    slots: Vec<Numbers>,
    registers: Registers,
}

/// A compiled plan and its memory.
pub(super) struct Machine {
    plan: Plan,
    /// For full tiles, and for a last one that is shorter.
    full: Vec<Code>,
    rest: Vec<Code>,
    /// The packed matrices of each segment, for both.
    full_packs: Vec<Vec<Vec<f32>>>,
    rest_packs: Vec<Vec<Vec<f32>>>,
    once: Vec<Numbers>,
    /// Of samples, and of the second axis that is cut.
    blocks: [Vec<Block>; 2],
    workers: Vec<Mutex<Worker>>,
    registers: Registers,
    pool: rayon::ThreadPool,
    /// The seed under which the set-up ran.
    ready: Option<u64>,
    clock: Option<Clock>,
    handover: Handover,
}

impl Machine {
    /// Sets memory aside.
    ///
    /// # Panics
    /// If the system gives no threads.
    pub fn new(plan: Plan, threads: usize, watch: bool) -> Self {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("the system gives threads");
        let widths = [false, true].map(|side| plan.cut(side)[1]);
        let short = [false, true].map(|side| plan.cut(side)[0] % plan.cut(side)[1]);
        let full = compile(&plan, widths, watch);
        let rest = if short == [0; 2] { Vec::new() } else { compile(&plan, short, watch) };
        let blocks =
            [false, true].map(|side| if side && plan.side.is_none() { Vec::new() } else { blocks(&plan, side) });
        let workers = (0..threads)
            .map(|_| {
                let mut slots: Vec<_> = plan.scratch.iter().map(|s| slot(s, widths[usize::from(s.side)])).collect();
                slots.extend(plan.kept.iter().map(|_| Numbers::default()));
                Mutex::new(Worker { slots, registers: Registers::default() })
            })
            .collect();
        let once = plan.once.iter().map(|s| slot(s, 1)).collect();
        let packs = |code: &[Code]| code.iter().map(|c| c.packs.iter().map(|p| vec![0.0; p.len()]).collect()).collect();
        let (full_packs, rest_packs) = (packs(&full), packs(&rest));
        let handover = Handover::new(&plan);
        Self {
            plan,
            full,
            rest,
            full_packs,
            rest_packs,
            once,
            blocks,
            workers,
            registers: Registers::default(),
            pool,
            ready: None,
            clock: None,
            handover,
        }
    }

    /// Counts the time of phases and steps from now on.
    pub fn watch_time(&mut self) {
        self.clock = Some(Clock::new(self.full.iter().map(|code| code.when)));
    }

    /// What was counted.
    pub fn phases(&self) -> Vec<Phase> {
        self.clock.as_ref().map(Clock::phases).unwrap_or_default()
    }

    /// One run: the outputs, and what was found not to be finite if every value is watched.
    pub fn run(&mut self, feed: &Feed<'_>) -> (Vec<ArrayD<f64>>, Option<Fault>) {
        let fault = self.pass(feed, false);
        (self.outputs(), fault)
    }

    /// Whether runs in a row can do without the host.
    pub fn goes_on(&self) -> bool {
        self.handover.possible()
    }

    /// The outputs of the last run.
    pub fn outputs(&self) -> Vec<ArrayD<f64>> {
        let outputs = self.plan.program.outputs.iter();
        outputs.map(|(_, v)| output(&self.plan, &self.once, &self.blocks, *v)).collect()
    }

    /// The outputs of the last run that have names, each one number.
    pub fn named(&self) -> Vec<f64> {
        let named = self.plan.program.outputs.iter().filter(|(kind, _)| matches!(kind, Output::Named(_)));
        named.filter_map(|(_, v)| output(&self.plan, &self.once, &self.blocks, *v).first().copied()).collect()
    }

    /// The first output of the last run that is not finite.
    pub fn non_finite(&self) -> Option<(ValueId, f64)> {
        let Self { plan, once, blocks, handover, .. } = self;
        self.pool.install(|| handover.non_finite(plan, once, blocks))
    }

    /// Puts what the last run wrote where the next one reads.
    pub fn pass_on(&mut self) {
        self.handover.pass_on(&self.plan, &mut self.once, &self.blocks);
    }

    /// Hands what the last run wrote to the host.
    pub fn hand_out(&self, course: &mut Course<'_>) {
        self.handover.hand_out(&self.plan, &self.once, &self.blocks, course);
    }

    /// What the last run read, which was no first one.
    pub fn take_back(&self, course: &mut Course<'_>) {
        self.handover.take_back(&self.plan, &self.once, &self.blocks, course);
    }

    /// One run; one that goes on finds its parameters and memory cells where the one before put them. Gives what was found
    /// not to be finite if every value is watched.
    pub fn pass(&mut self, feed: &Feed<'_>, goes_on: bool) -> Option<Fault> {
        let fault = Mutex::new(None);
        let fresh = self.ready != Some(feed.seed);
        self.ready = Some(feed.seed);
        let Self { plan, full, rest, full_packs, rest_packs, once, blocks, workers, registers, pool, clock, .. } = self;
        pool.install(|| {
            for (k, code) in full.iter().enumerate() {
                let start = Instant::now();
                let context = Context { feed, fault: &fault, clock: clock.as_ref().map(|c| (c, k)), goes_on };
                match code.when {
                    When::Setup if !fresh => {}
                    When::Setup | When::Once => {
                        run_once(plan, &code.steps, once, blocks, registers, workers, &context, k);
                    }
                    When::Tiles | When::Side => {
                        let side = code.when == When::Side;
                        let [size, width, ..] = plan.cut(side);
                        let once: &[Numbers] = once;
                        pack(&code.packs, once, &mut full_packs[k]);
                        if let Some(code) = rest.get(k) {
                            pack(&code.packs, once, &mut rest_packs[k]);
                        }
                        let (full_packs, rest_packs) = (&*full_packs, &*rest_packs);
                        let kept = plan.scratch.len();
                        let [samples, sides] = &mut *blocks;
                        let (own, samples): (_, &[Block]) = if side { (sides, samples) } else { (samples, &[]) };
                        own.par_iter_mut().for_each(|block| {
                            let worker = rayon::current_thread_index().unwrap_or(0);
                            let mut worker = workers[worker].lock().expect("a worker has one block at a time");
                            let Worker { slots, registers } = &mut *worker;
                            clear(plan, &code.steps, &mut block.parts);
                            for (i, tile) in block.kept.iter_mut().enumerate() {
                                let first = (block.first + i) * width;
                                let short = size - first < width;
                                slots[kept..].swap_with_slice(tile);
                                let mut memory = Memory {
                                    shared: once,
                                    own: slots,
                                    counters: [0; MAX_DEPTH],
                                    partials: &mut block.parts,
                                    samples,
                                    first: i == 0,
                                    packs: if short { &rest_packs[k] } else { &full_packs[k] },
                                    start: first,
                                    watched: (k, 0),
                                };
                                let steps = if short { &rest[k].steps } else { &code.steps };
                                run(steps, &mut memory, registers, &context);
                                slots[kept..].swap_with_slice(tile);
                            }
                        });
                    }
                }
                if let Some(clock) = clock {
                    clock.segment(k, start);
                }
            }
        });
        fault.into_inner().expect("no worker panics while it reports").map(|(_, f)| f)
    }
}

fn slot(slot: &Slot, lanes: usize) -> Numbers {
    Numbers::zeros(slot.rows * if slot.lane { lanes } else { 1 })
}

/// The blocks of samples, or of the second axis that is cut.
fn blocks(plan: &Plan, side: bool) -> Vec<Block> {
    let [size, width, tiles, count] = plan.cut(side);
    let lanes = |tile: usize| width.min(size - tile * width);
    // Tiles of the other axis keep and add up nothing here.
    let kept = |s: &Slot, tile: usize| if s.side == side { slot(s, lanes(tile)) } else { Numbers::default() };
    let own = |v: &ValueId| plan.is_from_side(*v) == side;
    let none = || Part::Single(Numbers::default());
    (0..count)
        .map(|b| {
            let range = b * tiles / count..(b + 1) * tiles / count;
            Block {
                first: range.start,
                kept: range.map(|tile| plan.kept.iter().map(|s| kept(s, tile)).collect()).collect(),
                parts: plan.partials.iter().map(|v| if own(v) { part(plan, *v) } else { none() }).collect(),
            }
        })
        .collect()
}

fn part(plan: &Plan, v: ValueId) -> Part {
    let rows = plan.buffers[plan.view(v).buffer].rows;
    match &plan.program.node(v).op {
        Op::Reduce(..) => Part::Wide(vec![0.0; rows]),
        _ => Part::Single(Numbers::zeros(rows)),
    }
}

/// Packs the matrices of a segment.
fn pack(packs: &[Pack], once: &[Numbers], to: &mut [Vec<f32>]) {
    packs.par_iter().zip(to).for_each(|(pack, to)| pack.fill(&once[pack.slot], to));
}

/// Sets the sums that a segment adds to back to their start.
fn clear(plan: &Plan, steps: &[Step], parts: &mut [Part]) {
    use super::product::Target;
    for step in steps {
        let target = match step {
            Step::Product(p) => &p.c,
            Step::Reduce(r) => &r.to,
            Step::Loop(l) => {
                clear(plan, &l.body, parts);
                clear(plan, &l.after, parts);
                continue;
            }
            _ => continue,
        };
        let Target::Part(k, whole) = target else { continue };
        if *whole && matches!(step, Step::Product(_)) {
            continue;
        }
        match (&mut parts[*k], &plan.program.node(plan.partials[*k]).op) {
            (Part::Wide(x), Op::Reduce(how, ..)) => x.fill(start(*how)),
            (Part::Wide(x), _) => x.fill(0.0),
            (Part::Single(x), _) => x.fill(0.0),
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "the parts of a machine")]
fn run_once(
    plan: &Plan,
    steps: &[Step],
    once: &mut [Numbers],
    blocks: &[Vec<Block>; 2],
    registers: &mut Registers,
    workers: &[Mutex<Worker>],
    context: &Context<'_>,
    segment: usize,
) {
    let mut watched = (segment, 0);
    for step in steps {
        let start = Instant::now();
        match step {
            Step::Finish(k, to, order) => finish(plan, *k, &mut once[to.slot][to.offset..], order, blocks),
            Step::Collect(v) if let Op::Spread(pairing, of) = &plan.program.node(*v).op => {
                let view = plan.view(*v);
                let buffer = &plan.buffers[view.buffer];
                let mut to = std::mem::take(&mut once[buffer.slot]);
                spread(plan, pairing, *of, *v, &blocks[1], &mut to[view.offset..][..buffer.rows]);
                once[buffer.slot] = to;
            }
            Step::Collect(v) => {
                let (Some(view), ty) = (&plan.collected[v.index()], &plan.program.node(*v).ty) else { continue };
                let buffer = &plan.buffers[view.buffer];
                let mut to = std::mem::take(&mut once[buffer.slot]);
                let stride = |dim| view.stride(&plan.buffers, 1, dim);
                let lane = plan.tile.map_or(0, |t| view.axis_stride(t));
                let strides: Vec<_> =
                    dims(plan, *v).iter().map(|(d, _)| if *d == Dim::Lane { lane } else { stride(*d) }).collect();
                debug_assert!(plan.tile.is_some_and(|t| ty.varies(t)), "only batch-wide values are collected");
                gather(plan, once, blocks, *v, &strides, |at, x| to[at] = x);
                once[buffer.slot] = to;
            }
            step => {
                let mut memory = Memory {
                    shared: &[],
                    own: once,
                    counters: [0; MAX_DEPTH],
                    partials: &mut [],
                    samples: &[],
                    first: true,
                    packs: &[],
                    start: 0,
                    watched,
                };
                match step {
                    Step::Fused(s) => s.run_shared(&mut memory, registers, &|lend| {
                        let worker = rayon::current_thread_index().unwrap_or(0);
                        lend(&mut workers[worker].lock().expect("a worker has one share at a time").registers);
                    }),
                    Step::Product(s) => s.run_shared(&mut memory),
                    step => {
                        run(std::slice::from_ref(step), &mut memory, registers, &Context { clock: None, ..*context });
                    }
                }
                watched = memory.watched;
            }
        }
        if let Some((clock, segment)) = context.clock {
            clock.step(segment, step, start);
        }
    }
}

/// Adds the blocks' parts in their order; the value's dimensions are `order`ed otherwise in parts of products.
fn finish(
    plan: &Plan,
    k: usize,
    to: &mut [f32],
    (sizes, strides): &(Vec<usize>, Vec<usize>),
    blocks: &[Vec<Block>; 2],
) {
    let blocks = &blocks[usize::from(plan.is_from_side(plan.partials[k]))];
    let rows = plan.buffers[plan.view(plan.partials[k]).buffer].rows;
    let to = &mut to[..rows];
    if let Op::Reduce(how, ..) = &plan.program.node(plan.partials[k]).op {
        for (i, t) in to.iter_mut().enumerate() {
            let mut sum = start(*how);
            for b in blocks {
                if let Part::Wide(x) = &b.parts[k] {
                    sum = join(*how, sum, x[i]);
                }
            }
            *t = sum as f32;
        }
        return;
    }
    let parts: Vec<&[f32]> =
        blocks.iter().filter_map(|b| if let Part::Single(x) = &b.parts[k] { Some(&**x) } else { None }).collect();
    let add = |to: &mut [f32], from: usize| {
        to.copy_from_slice(&parts[0][from..][..to.len()]);
        for part in &parts[1..] {
            to.iter_mut().zip(&part[from..]).for_each(|(t, x)| *t += *x);
        }
    };
    let Some(last) = sizes.len().checked_sub(1) else {
        add(to, 0);
        return;
    };
    if sizes.len() == 1 && strides[0] == 1 {
        to.par_chunks_mut(8192).enumerate().for_each(|(i, to)| add(to, 8192 * i));
        return;
    }
    // Runs that stay together, in parallel if the outermost dimension is outermost in both orders.
    let run = if strides[last] == 1 { last } else { sizes.len() };
    let length = sizes[run..].iter().product::<usize>();
    let inner: usize = sizes[1..].iter().product();
    let mut part_strides = vec![0; sizes.len()];
    let mut stride = 1;
    for (s, n) in part_strides.iter_mut().zip(sizes).rev() {
        *s = stride;
        stride *= n;
    }
    let entries = |to: &mut [f32], first: usize, from: usize| {
        walk(&sizes[from..run], [&part_strides[from..run], &strides[from..run]], [first, 0], &mut |[x, y]| {
            add(&mut to[y..y + length], x);
        });
    };
    if strides[0] == inner && run > 0 {
        to.par_chunks_mut(inner).enumerate().for_each(|(i, to)| entries(to, i * inner, 1));
    } else {
        entries(to, 0, 0);
    }
}

/// The dimensions of a value, lanes last.
fn dims(plan: &Plan, v: ValueId) -> Vec<(Dim, usize)> {
    let ty = &plan.program.node(v).ty;
    let axes = ty.axes.iter().filter(|a| Some(**a) != plan.tile).map(|a| (Dim::Axis(*a), plan.program.axis(*a).size));
    let mut dims: Vec<_> = axes.chain(ty.shape.iter().enumerate().map(|(i, n)| (Dim::Shape(i), *n))).collect();
    if plan.varies(v) {
        dims.push((Dim::Lane, plan.batch));
    }
    dims
}

/// Hands every number of a value, with its place under `strides`, to `put`.
pub(super) fn gather(
    plan: &Plan,
    once: &[Numbers],
    blocks: &[Vec<Block>; 2],
    v: ValueId,
    strides: &[usize],
    mut put: impl FnMut(usize, f32),
) {
    let view = plan.view(v);
    let buffer = &plan.buffers[view.buffer];
    let mut copy = |from: &[f32], width: usize, lanes: usize, base: usize, view: &View| {
        let dims = dims(plan, v);
        let sizes: Vec<_> = dims.iter().map(|(d, n)| if *d == Dim::Lane { lanes } else { *n }).collect();
        let steps: Vec<_> = dims.iter().map(|(d, _)| view.stride(&plan.buffers, width, *d)).collect();
        let first = view.offset * if buffer.lane { width } else { 1 };
        walk(&sizes, [&steps, strides], [first, base], &mut |[x, y]| put(y, from[x]));
    };
    if buffer.space == Space::Kept {
        let lane = if plan.varies(v) { strides[strides.len() - 1] } else { 0 };
        for b in &blocks[0] {
            for (i, tile) in b.kept.iter().enumerate() {
                let first = (b.first + i) * plan.width;
                let width = plan.width.min(plan.batch - first);
                copy(&tile[buffer.slot], width, width, first * lane, view);
            }
        }
    } else {
        copy(&once[buffer.slot], 1, plan.batch, 0, view);
    }
}

/// The dimensions of a value, and the strides and the number of its entries row by row.
pub(super) fn row_major(plan: &Plan, v: ValueId) -> (Vec<(Dim, usize)>, Vec<usize>, usize) {
    let ty = &plan.program.node(v).ty;
    let extents = plan.program.extents(ty);
    let mut row_major = vec![0; extents.len()];
    let mut stride = 1;
    for (s, n) in row_major.iter_mut().zip(&extents).rev() {
        *s = stride;
        stride *= n;
    }
    let dims = dims(plan, v);
    let strides = dims
        .iter()
        .map(|(d, _)| match d {
            Dim::Shape(i) => row_major[ty.axes.len() + i],
            Dim::Axis(a) => row_major[ty.axes.iter().position(|x| x == a).unwrap_or(0)],
            Dim::Lane => row_major[ty.axes.iter().position(|x| Some(*x) == plan.tile).unwrap_or(0)],
        })
        .collect();
    (dims, strides, stride)
}

/// A value as the host keeps it.
pub(super) fn output(plan: &Plan, once: &[Numbers], blocks: &[Vec<Block>; 2], v: ValueId) -> ArrayD<f64> {
    let extents = plan.program.extents(&plan.program.node(v).ty);
    let numbers = match place(plan, v) {
        Some(place) => place.of(once).iter().map(|x| f64::from(*x)).collect(),
        None => {
            let (_, strides, length) = row_major(plan, v);
            let mut numbers = vec![0.0; length];
            gather(plan, once, blocks, v, &strides, |at, x| numbers[at] = f64::from(x));
            numbers
        }
    };
    ArrayD::from_shape_vec(IxDyn(&extents), numbers).expect("as many numbers as the extents say")
}
