//! Loops in one dispatch: a workgroup carries a few samples through all steps.
//!
//! What passes between the pieces of a step stays in the memory that the workgroup shares, as far as that goes; weights are
//! read through the cache. Samples meet nowhere in such a loop, and what does not vary over them is computed by every
//! workgroup for itself.

use std::collections::{BTreeMap, BTreeSet};

use super::compile::{Compiler, Step};
use super::errors::Error;
use super::kernel::{Carried, Kernel, MOST_WORDS, OWN_WORDS, SHARED};
use super::memory::is_fed;
use crate::graph::{Op, ValueId};
use crate::plan::{Item, Loop};

/// Samples of a workgroup, the most first.
const LANES: [usize; 3] = [16, 8, 4];

/// Workgroups that keep a card busy.
const BUSY: usize = 128;

/// Invocations of a workgroup, on hardware and in software.
const THREADS: [usize; 2] = [128, 64];

/// The loop that a kernel carries samples through, while it is written.
pub(super) struct Inside {
    carried: Carried,
    /// Where buffers lie in the memory of a workgroup, in words.
    shared: BTreeMap<usize, usize>,
    /// The words of that memory.
    words: usize,
    /// Whether something that is written in the loop lies elsewhere.
    spilled: bool,
    kernel: Option<Kernel>,
}

impl Inside {
    /// The samples of a workgroup.
    pub fn lanes(&self) -> usize {
        self.carried.lanes
    }

    /// The samples of a workgroup, and where a buffer starts in its memory.
    pub fn place(&self, buffer: usize) -> Option<(usize, usize)> {
        self.shared.get(&buffer).map(|word| (self.carried.lanes, *word))
    }

    /// The kernel, to be written on.
    pub fn take(&mut self) -> Kernel {
        self.kernel.take().expect("a part is ended before the next one begins")
    }

    /// The kernel after a piece of work, of which all can be read from here on.
    pub fn put(&mut self, mut kernel: Kernel) {
        kernel.line("workgroupBarrier();");
        if self.spilled {
            kernel.line("storageBarrier();");
        }
        self.kernel = Some(kernel);
    }

    fn line(&mut self, text: &str) {
        if let Some(kernel) = &mut self.kernel {
            kernel.line(text);
        }
    }
}

/// Buffers that a loop writes: those of single samples, and those of all.
#[derive(Default)]
struct Written {
    lanes: BTreeSet<usize>,
    all: BTreeSet<usize>,
}

/// A buffer that nobody outside of a loop touches: the words of a sample or of all, and how long it is in use.
struct Local {
    buffer: usize,
    words: usize,
    life: (usize, usize),
}

impl Compiler<'_> {
    /// A loop as one kernel, if its samples meet nowhere and what all share fits in the memory of a workgroup.
    pub fn carry(&mut self, l: &Loop, steps: &mut Vec<Step>) -> Result<bool, Error> {
        let Some(mut inside) = self.prepare(l) else { return Ok(false) };
        let Carried { lanes, batch, .. } = inside.carried;
        let threads = THREADS[usize::from(self.target.software)].min(self.target.limits.invocations as usize);
        let mut kernel = Kernel::carried(threads, inside.carried);
        kernel.share(SHARED, "f32", inside.words.max(1), 4);
        kernel.line(format!("let lane0 = (group.x + p.o[0].x) * {lanes}u;"));
        inside.kernel = Some(kernel);
        self.inside = Some(inside);
        let written = self.steps_of(l, &mut Vec::new());
        let kernel = self.inside.take().map(|mut inside| inside.take());
        written?;
        let Some(mut kernel) = kernel else { return Ok(false) };
        kernel.groups = batch.div_ceil(lanes);
        if OWN_WORDS + kernel.words().len() > MOST_WORDS || kernel.cost as u64 > self.target.work() {
            return Ok(false);
        }
        self.add_watched(kernel, self.span(l.scan), None, steps)?;
        Ok(true)
    }

    /// The text of a loop inside of a carried one, or of that itself.
    pub fn steps_of(&mut self, l: &Loop, steps: &mut Vec<Step>) -> Result<(), Error> {
        for c in &l.before {
            self.copy(c, steps)?;
        }
        let (size, step) = (l.size, format!("step{}", l.depth));
        self.write(|inside| {
            if let Some(kernel) = &mut inside.kernel {
                kernel.times *= size;
            }
            inside.line(&format!("for (var {step}_of = 0u; {step}_of < {size}u; {step}_of++) {{"));
            let counted = if l.reverse { format!("{}u - {step}_of", size.max(1) - 1) } else { format!("{step}_of") };
            inside.line(&format!("let {step} = {counted};"));
        });
        self.items(&l.body, steps)?;
        for c in &l.after {
            self.copy(c, steps)?;
        }
        self.write(|inside| {
            inside.line("}");
            if let Some(kernel) = &mut inside.kernel {
                kernel.times /= size.max(1);
            }
        });
        Ok(())
    }

    fn write(&mut self, f: impl FnOnce(&mut Inside)) {
        if let Some(inside) = &mut self.inside {
            f(inside);
        }
    }

    /// How a loop is carried, if it can be.
    fn prepare(&self, l: &Loop) -> Option<Inside> {
        let batch = self.plan.tile.map(|_| self.plan.batch)?;
        let mut written = Written::default();
        if self.watch || batch < LANES[LANES.len() - 1] || !self.can_carry(l, &mut written) {
            return None;
        }
        let (start, end) = *self.lives.loops.get(&l.scan)?;
        let plan = self.plan;
        let (lanes, all): (Vec<Local>, Vec<Local>) = (0..plan.buffers.len())
            .filter_map(|buffer| {
                let life = self.lives.buffers[buffer].filter(|(from, to)| *from >= start && *to <= end)?;
                Some(Local { buffer, words: plan.buffers[buffer].rows, life })
            })
            .partition(|local| plan.buffers[local.buffer].lane);
        // Workgroups would write over each other's.
        if !written.all.iter().all(|b| all.iter().any(|local| local.buffer == *b)) || written.lanes.is_empty() {
            return None;
        }
        let most = self.target.limits.workgroup_storage as usize / 4;
        let fit = |width: usize, lanes: &[&Local]| {
            let wide = lanes.iter().map(|l| Local { buffer: l.buffer, words: l.words * width, life: l.life });
            let all = all.iter().map(|l| Local { buffer: l.buffer, words: l.words, life: l.life });
            arrange(&all.chain(wide).collect::<Vec<_>>(), most)
        };
        let busy = |width: &usize| self.target.software || batch.div_ceil(*width) >= BUSY;
        let widest = LANES.iter().position(busy).unwrap_or(LANES.len() - 1);
        let widths: Vec<usize> = LANES[widest..].iter().copied().filter(|w| *w <= batch).collect();
        let every: Vec<&Local> = lanes.iter().collect();
        let whole = widths.iter().find_map(|width| Some((*width, fit(*width, &every)?)));
        let (width, (shared, words)) = match whole {
            Some(found) => found,
            None => {
                // As much as fits, small things first.
                let width = *widths.last()?;
                let mut order = every;
                order.sort_by_key(|l| (l.words, l.buffer));
                let mut kept = Vec::new();
                let mut found = fit(width, &kept)?;
                for local in order {
                    kept.push(local);
                    match fit(width, &kept) {
                        Some(more) => found = more,
                        None => _ = kept.pop(),
                    }
                }
                (width, found)
            }
        };
        let spilled = written.lanes.iter().any(|b| !shared.contains_key(b));
        let carried = Carried { depth: l.depth, lanes: width, batch };
        Some(Inside { carried, shared, words, spilled, kernel: None })
    }

    /// Whether all that a loop does leaves samples apart; notes what it writes.
    fn can_carry(&self, l: &Loop, written: &mut Written) -> bool {
        let plan = self.plan;
        let mut note = |buffer: usize| {
            let to = if plan.buffers[buffer].lane { &mut written.lanes } else { &mut written.all };
            to.insert(buffer);
        };
        l.before.iter().chain(&l.after).for_each(|c| note(c.to.buffer));
        let mut value = |v: ValueId| {
            if let Some(view) = &plan.views[v.index()] {
                note(view.buffer);
            }
        };
        for item in &l.body {
            match item {
                Item::Fused(members) => members.iter().for_each(|v| value(*v)),
                Item::Op(v) if is_fed(&plan.program.node(*v).op) => {}
                Item::Op(v) if self.is_apart(*v) => value(*v),
                Item::Loop(_) => {}
                _ => return false,
            }
        }
        l.head.is_none()
            && l.tail.is_none()
            && l.body
                .iter()
                .all(|item| if let Item::Loop(inner) = item { self.can_carry(inner, written) } else { true })
    }

    /// Whether the samples of a value are computed each from its own, by a kernel that can be part of a loop's.
    fn is_apart(&self, v: ValueId) -> bool {
        let tile = self.plan.tile;
        let other = |axis| Some(axis) != tile;
        match &self.plan.program.node(v).op {
            Op::Contract(spec, ..) => spec.axes.iter().all(|a| other(*a)),
            Op::Reduce(_, axes, ..) => axes.iter().all(|a| other(*a)),
            Op::CumulativeSum { axis, .. } | Op::Place { axis, .. } | Op::Shift { axis, .. } => other(*axis),
            Op::Pick(p, _) | Op::Spread(p, _) => other(p.axes[0]) && other(p.axes[1]) && other(p.pairs),
            Op::Rename { from, to, .. } => other(*from) && other(*to),
            Op::Draw(_)
            | Op::Concat(..)
            | Op::Pad { .. }
            | Op::Gather { .. }
            | Op::ScatterAdd { .. }
            | Op::Reshape(_) => true,
            _ => false,
        }
    }
}

/// Places for buffers so that no two lie on each other while both are in use, and the words that they take; none if more than
/// there are.
fn arrange(locals: &[Local], most: usize) -> Option<(BTreeMap<usize, usize>, usize)> {
    let mut order: Vec<&Local> = locals.iter().collect();
    order.sort_by_key(|l| (std::cmp::Reverse(l.words), l.buffer));
    let mut placed: Vec<(usize, &Local)> = Vec::new();
    let mut words = 0;
    for local in order {
        let mut beside: Vec<(usize, usize)> = placed
            .iter()
            .filter(|(_, other)| other.life.0 <= local.life.1 && local.life.0 <= other.life.1)
            .map(|(at, other)| (*at, at + other.words))
            .collect();
        beside.sort_unstable();
        let mut at = 0;
        for (from, to) in beside {
            if at + local.words <= from {
                break;
            }
            at = at.max(to);
        }
        words = words.max(at + local.words);
        placed.push((at, local));
    }
    let places = placed.into_iter().map(|(at, local)| (local.buffer, at)).collect();
    (words <= most).then_some((places, words))
}
