//! Loops in one dispatch: a workgroup carries a few samples through all steps.
//!
//! A loop that would keep a device for too long is carried a part of its steps at a time; what its steps hand on waits in between
//! where all see it.
//!
//! What passes between the pieces of a step stays in the memory that the workgroup shares, as far as that goes; weights are
//! read through the cache. Samples meet nowhere in such a loop, and what does not vary over them is computed by every
//! workgroup for itself.

use std::collections::{BTreeMap, BTreeSet};

use super::code::Step;
use super::compile::Compiler;
use super::errors::Error;
use super::kernel::{Base, Carried, Kernel, MOST_WORDS, OWN_WORDS, Pointer, SHARED, Word};
use super::memory::is_fed;
use crate::graph::{Op, ValueId};
use crate::plan::{Item, Loop, Plan};

/// Samples of a workgroup, the most first.
const LANES: [usize; 3] = [16, 8, 4];

/// The samples of the smallest workgroup.
const LEAST: usize = LANES[LANES.len() - 1];

/// Workgroups that keep a card busy.
const BUSY: usize = 128;

/// Invocations of a workgroup, on hardware and in software.
const THREADS: [usize; 2] = [128, 64];

/// Steps that are worth a dispatch.
const WORTH: usize = 4;

/// What a kernel does of a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Share {
    /// All steps.
    All,
    /// The first steps.
    First,
    /// Later ones.
    Later,
}

/// The loop that a kernel carries samples through, while it is written.
#[derive(Clone)]
pub(super) struct Inside {
    carried: Carried,
    /// Where buffers lie in the memory of a workgroup, in words.
    shared: BTreeMap<usize, usize>,
    /// The words of that memory.
    words: usize,
    /// Buffers of which one step at a time lies there, with the rows of a step; each is handed out when it is written.
    steps: BTreeMap<usize, usize>,
    /// Buffers that are handed out after the loop.
    finals: Vec<usize>,
    /// Whether something that is written in the loop and read there lies elsewhere.
    spilled: bool,
    /// What the kernel does of the loop.
    share: Share,
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

    /// Whether one step of the buffer at a time lies in that memory, in the loop at this depth.
    pub fn holds_step(&self, buffer: usize, depth: usize) -> bool {
        depth == self.carried.depth && self.steps.contains_key(&buffer)
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

/// Buffers that a loop touches.
#[derive(Default)]
struct Touched {
    /// Written, of single samples.
    lanes: BTreeSet<usize>,
    /// Written, of all.
    all: BTreeSet<usize>,
    /// Of single samples, written by a piece of work of the outermost loop to the place of its step: the rows of a step.
    stacks: BTreeMap<usize, usize>,
    /// Read.
    read: BTreeSet<usize>,
}

/// A buffer that a workgroup can keep: the words of a sample or of all, and how long it is in use.
struct Local {
    buffer: usize,
    words: usize,
    life: (usize, usize),
}

impl Touched {
    fn write(&mut self, plan: &Plan, buffer: usize) {
        let to = if plan.buffers[buffer].lane { &mut self.lanes } else { &mut self.all };
        to.insert(buffer);
    }
}

impl Compiler<'_> {
    /// A loop as one kernel, if its samples meet nowhere and what all share fits in the memory of a workgroup.
    pub fn carry(&mut self, l: &Loop, steps: &mut Vec<Step>) -> Result<bool, Error> {
        let mut widths = LANES.as_slice();
        while let Some(inside) = self.prepare(l, widths) {
            let lanes = inside.lanes();
            let kernel = self.text_of(l, inside.clone())?;
            if OWN_WORDS + kernel.words().len() > MOST_WORDS {
                return Ok(false);
            }
            if kernel.cost as u64 <= self.target.work_of_group() && kernel.turns <= self.target.turns() {
                self.add_watched(kernel, self.span(l.scan), None, steps)?;
                return Ok(true);
            }
            let part = self.part_of(l, &kernel);
            if part >= WORTH && self.carry_in_parts(l, &inside, part, steps)? {
                return Ok(true);
            }
            // A dispatch cannot be shorter than one of its workgroups: fewer samples take less time, and fewer turns.
            let narrower = widths.iter().position(|n| *n < lanes).unwrap_or(widths.len());
            widths = &widths[narrower..];
        }
        Ok(false)
    }

    /// The steps of a loop that one dispatch of this kernel may take.
    fn part_of(&self, l: &Loop, kernel: &Kernel) -> usize {
        let by_work = l.size as u128 * u128::from(self.target.work_of_group()) / kernel.cost.max(1) as u128;
        let by_turns = l.size as u128 * self.target.turns() as u128 / kernel.turns.max(1) as u128;
        // A little less: what comes before the steps and after them is counted as a part of these.
        (by_work.min(by_turns).min(l.size as u128) as usize * 9 / 10).max(1)
    }

    /// A loop as dispatches of so many steps, if what its steps hand on belongs to single samples.
    fn carry_in_parts(&mut self, l: &Loop, inside: &Inside, part: usize, steps: &mut Vec<Step>) -> Result<bool, Error> {
        let plan = self.plan;
        let Op::Scan(scan) = &plan.program.node(l.scan).op else { return Ok(false) };
        let carried: BTreeSet<usize> = scan.carries.iter().map(|c| plan.view(c.argument).buffer).collect();
        // Workgroups that are through would overwrite what others have yet to read.
        if carried.iter().any(|b| !plan.buffers[*b].lane) {
            return Ok(false);
        }
        let kept: Vec<usize> = carried.into_iter().filter(|b| inside.shared.contains_key(b)).collect();
        let mut finals = inside.finals.clone();
        finals.extend(kept.iter().filter(|b| !inside.finals.contains(b)));
        let mut first = 0;
        for share in [Share::First, Share::Later] {
            let inside = Inside { share, finals: finals.clone(), ..inside.clone() };
            let mut kernel = self.text_of(l, inside)?;
            (kernel.cost, kernel.turns) = (kernel.cost * part / l.size, kernel.turns * part / l.size);
            let mut written = Vec::new();
            self.add_watched(kernel, self.span(l.scan), None, &mut written)?;
            let Some(Step::Run(run)) = written.pop() else { return Ok(false) };
            let last = if share == Share::First { part.min(l.size) } else { l.size };
            while first < last {
                let end = (first + part).min(last);
                let mut run = run.clone();
                for word in &mut run.words {
                    match word {
                        Word::Begin => *word = Word::Number(first as u32),
                        Word::End => *word = Word::Number(end as u32),
                        _ => {}
                    }
                }
                steps.push(Step::Run(run));
                first = end;
            }
        }
        Ok(true)
    }

    /// The kernel of a loop.
    fn text_of(&mut self, l: &Loop, mut inside: Inside) -> Result<Kernel, Error> {
        let Carried { lanes, batch, .. } = inside.carried;
        let threads = THREADS[usize::from(self.target.software)].min(self.target.limits.invocations as usize);
        let mut kernel = Kernel::carried(threads, inside.carried);
        kernel.share(SHARED, "f32", inside.words.max(1), 4);
        kernel.line(format!("let lane0 = (group.x + p.o[0].x) * {lanes}u;"));
        inside.kernel = Some(kernel);
        let carried = if inside.share == Share::Later { inside.finals.clone() } else { Vec::new() };
        self.inside = Some(inside);
        for buffer in carried {
            self.take_over_rows(buffer);
        }
        let written = self.steps_of(l, &mut Vec::new());
        self.hand_out_finals();
        let mut inside = self.inside.take().expect("it is taken here alone");
        written?;
        let mut kernel = inside.take();
        kernel.groups = batch.div_ceil(lanes);
        Ok(kernel)
    }

    /// The text of a loop inside of a carried one, or of that itself.
    pub fn steps_of(&mut self, l: &Loop, steps: &mut Vec<Step>) -> Result<(), Error> {
        let (size, step) = (l.size, format!("step{}", l.depth));
        // Loops inside of a carried one take all their steps.
        let share = self.inside.as_ref().filter(|inside| inside.carried.depth == l.depth).map(|inside| inside.share);
        if share != Some(Share::Later) {
            for c in &l.before {
                self.copy(c, steps)?;
            }
        }
        self.write(|inside| {
            if let Some(kernel) = &mut inside.kernel {
                let [begin, end] = match share {
                    Some(Share::First | Share::Later) => kernel.steps(),
                    _ => ["0u".to_owned(), format!("{size}u")],
                };
                // A part of the steps is counted as all: it is not known yet how many those will be.
                kernel.repeat(size, format!("for (var {step}_of = {begin}; {step}_of < {end}; {step}_of++) {{"));
            }
            let counted = if l.reverse { format!("{}u - {step}_of", size.max(1) - 1) } else { format!("{step}_of") };
            inside.line(&format!("let {step} = {counted};"));
        });
        self.head(l, steps)?;
        self.items(&l.body, steps)?;
        for c in &l.after {
            self.copy(c, steps)?;
        }
        self.write(|inside| inside.line("}"));
        Ok(())
    }

    fn write(&mut self, f: impl FnOnce(&mut Inside)) {
        if let Some(inside) = &mut self.inside {
            f(inside);
        }
    }

    /// Hands out what an item has written for this step.
    pub fn hand_out(&mut self, item: Option<&Item>) {
        let Some(inside) = &self.inside else { return };
        let values = match item {
            Some(Item::Fused(members)) => members.as_slice(),
            Some(Item::Op(v)) => std::slice::from_ref(v),
            _ => return,
        };
        let buffers: BTreeSet<(usize, usize)> = values
            .iter()
            .filter_map(|v| {
                let buffer = self.plan.views[v.index()].as_ref()?.buffer;
                Some((buffer, *inside.steps.get(&buffer)?))
            })
            .collect();
        let depth = inside.carried.depth;
        for (buffer, rows) in buffers {
            self.hand_out_rows(buffer, rows, &format!("step{depth} * {rows}u + "));
        }
    }

    fn hand_out_finals(&mut self) {
        let finals = self.inside.as_ref().map_or_else(Vec::new, |inside| inside.finals.clone());
        for buffer in finals {
            self.hand_out_rows(buffer, self.plan.buffers[buffer].rows, "");
        }
    }

    /// Copies rows from the memory of a workgroup to where all see them.
    fn hand_out_rows(&mut self, buffer: usize, rows: usize, first: &str) {
        self.move_rows(buffer, rows, first, Base::put);
    }

    /// Copies rows to the memory of a workgroup from where the dispatch before has left them.
    fn take_over_rows(&mut self, buffer: usize) {
        let rows = self.plan.buffers[buffer].rows;
        self.move_rows(buffer, rows, "", |all, at, own| format!("{own} = {};", all.at(at)));
    }

    /// A copy of rows between the memory of a workgroup and where all see them.
    fn move_rows(&mut self, buffer: usize, rows: usize, first: &str, copy: impl Fn(&Base, &str, &str) -> String) {
        let (place, word) = self.memory.place(buffer);
        let all = Pointer { place, word, loops: Vec::new(), piece: 0, lanes: true };
        let width = self.plan.width;
        let Some(inside) = &mut self.inside else { return };
        let Some((lanes, own)) = inside.place(buffer) else { return };
        let mut kernel = inside.take();
        let all = kernel.base(&all);
        kernel.part("i", rows * lanes, 1);
        kernel.guard("i", true);
        let at = format!(" + ({first}i / {lanes}u) * {width}u + i % {lanes}u");
        kernel.line(copy(&all, &at, &format!("{SHARED}[{own}u + i]")));
        kernel.line("}");
        // Whoever writes these rows again comes after a barrier of his own.
        inside.put(kernel);
    }

    /// How a loop is carried with one of these numbers of samples in a workgroup, if it can be.
    fn prepare(&self, l: &Loop, widths: &[usize]) -> Option<Inside> {
        let batch = self.plan.tile.map(|_| self.samples)?;
        let mut touched = Touched::default();
        if self.watch || batch < LEAST || !can_carry(self.plan, l, l.depth, &mut touched) {
            return None;
        }
        let (start, end) = *self.lives.loops.get(&l.scan)?;
        let plan = self.plan;
        let mut steps = BTreeMap::new();
        let mut finals = Vec::new();
        let mut locals: Vec<Local> = Vec::new();
        for (buffer, b) in plan.buffers.iter().enumerate() {
            let Some(life) = self.lives.buffers[buffer] else { continue };
            if let Some(rows) = touched.stacks.get(&buffer) {
                let life = self.lives.steps.get(&(l.scan, buffer)).filter(|_| touched.read.contains(&buffer));
                if let Some(life) = life {
                    steps.insert(buffer, *rows);
                    locals.push(Local { buffer, words: *rows, life: *life });
                }
            } else if life.0 >= start && life.1 <= end {
                locals.push(Local { buffer, words: b.rows, life });
            } else if life.0 >= start && touched.lanes.contains(&buffer) && touched.read.contains(&buffer) {
                finals.push(buffer);
                locals.push(Local { buffer, words: b.rows, life: (start, end) });
            }
        }
        let (lanes, all): (Vec<Local>, Vec<Local>) =
            locals.into_iter().partition(|local| plan.buffers[local.buffer].lane);
        // Workgroups would write over each other's.
        if !touched.all.iter().all(|b| all.iter().any(|local| local.buffer == *b)) || touched.lanes.is_empty() {
            return None;
        }
        let most = self.target.limits.workgroup_storage as usize / 4;
        let fit = |width: usize, lanes: &[&Local]| {
            let wide = lanes.iter().map(|l| Local { buffer: l.buffer, words: l.words * width, life: l.life });
            let all = all.iter().map(|l| Local { buffer: l.buffer, words: l.words, life: l.life });
            arrange(&all.chain(wide).collect::<Vec<_>>(), most)
        };
        let busy = |width: &usize| self.target.software || batch.div_ceil(*width) >= BUSY;
        let widest = widths.iter().position(busy).unwrap_or(widths.len().saturating_sub(1));
        let widths: Vec<usize> = widths[widest..].iter().copied().filter(|w| *w <= batch).collect();
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
        let spilled = touched.lanes.iter().any(|b| touched.read.contains(b) && !shared.contains_key(b));
        steps.retain(|b, _| shared.contains_key(b));
        finals.retain(|b| shared.contains_key(b));
        let carried = Carried { depth: l.depth, lanes: width, batch };
        Some(Inside { carried, shared, words, steps, finals, spilled, share: Share::All, kernel: None })
    }
}

/// Whether all that a loop does leaves samples apart; notes what it touches.
fn can_carry(plan: &Plan, l: &Loop, outermost: usize, touched: &mut Touched) -> bool {
    for c in l.before.iter().chain(&l.after) {
        touched.read.insert(c.from.buffer);
        touched.write(plan, c.to.buffer);
    }
    let head = l.head.iter().flat_map(|strip| &strip.body);
    head.chain(&l.body).all(|item| {
        let values = match item {
            Item::Fused(members) => members.as_slice(),
            Item::Op(v) if is_fed(&plan.program.node(*v).op) => return true,
            Item::Op(v) if is_apart(plan, *v) => std::slice::from_ref(v),
            Item::Loop(inner) => return can_carry(plan, inner, outermost, touched),
            _ => return false,
        };
        for v in values {
            plan.program.node(*v).op.for_each_operand(|x| {
                // A group reads its own members without memory.
                if let Some(view) = plan.views[x.index()].as_ref().filter(|_| !values.contains(&x)) {
                    touched.read.insert(view.buffer);
                }
            });
            if let Some(view) = &plan.views[v.index()] {
                touched.write(plan, view.buffer);
                if let Some((_, rows)) = view.loops.iter().find(|(depth, _)| *depth == outermost)
                    && l.depth == outermost
                    && plan.buffers[view.buffer].lane
                {
                    touched.stacks.insert(view.buffer, *rows);
                }
            }
        }
        true
    }) && l.tail.is_none()
}

/// Whether the samples of a value are computed each from its own, by a kernel that can be part of a loop's.
fn is_apart(plan: &Plan, v: ValueId) -> bool {
    let other = |axis| Some(axis) != plan.tile;
    match &plan.program.node(v).op {
        Op::Contract(spec, ..) => spec.axes.iter().all(|a| other(*a)),
        Op::Reduce(_, axes, ..) => axes.iter().all(|a| other(*a)),
        Op::CumulativeSum { axis, .. } | Op::Place { axis, .. } | Op::Shift { axis, .. } => other(*axis),
        Op::Pick(p, _) | Op::Spread(p, _) => other(p.axes[0]) && other(p.axes[1]) && other(p.pairs),
        Op::Rename { from, to, .. } => other(*from) && other(*to),
        Op::Draw(_) | Op::Concat(..) | Op::Pad { .. } | Op::Gather { .. } | Op::ScatterAdd { .. } | Op::Reshape(_) => {
            true
        }
        _ => false,
    }
}

/// Whether a loop is one dispatch on most devices.
pub(super) fn is_carried(plan: &Plan, l: &Loop) -> bool {
    plan.tile.is_some() && plan.batch >= LEAST && can_carry(plan, l, l.depth, &mut Touched::default())
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
