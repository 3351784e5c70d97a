//! A plan as kernels and the order in which they are dispatched.

use std::collections::{BTreeMap, HashMap};

use super::carry::Inside;
use super::code::{Code, Fed, Layout, Looped, Pieces, Run, Step};
use super::device::{Limits, MatrixUnit};
use super::errors::{Error, OverLimit};
use super::fold::Fold;
use super::kernel::{Base, Kernel, MOST_WORDS, OWN_WORDS, Place, Pointer, Text, offset, split};
use super::memory::{Memory, Spot, is_fed};
use crate::graph::{AxisId, Op, Output, Reduction, Type, ValueId};
use crate::plan::{Copy, Dim, Item, Lives, Loop, Plan, View, When, lives, tail};
use crate::source::Span;

/// What kernels are written for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'a> {
    /// The name of the device.
    pub name: &'a str,
    /// What it allows.
    pub limits: Limits,
    /// Whether it computes on the CPU.
    pub software: bool,
    /// Whether it is a card of its own.
    pub own_card: bool,
    /// What takes products of matrices, if that is to be used.
    pub unit: Option<MatrixUnit>,
    /// Operations of one dispatch, about.
    pub work: u64,
}

impl Target<'_> {
    /// Operations of one workgroup, about. One that is alone in its dispatch has a part of the device only.
    pub fn work_of_group(&self) -> u64 {
        self.work / 2
    }

    /// The turns that an invocation may take in loops, all in all. Mesa's llvmpipe leaves every loop after 65,535 and says
    /// nothing.
    pub fn turns(&self) -> usize {
        if self.software { 60_000 } else { usize::MAX }
    }

    /// Workgroups that take no longer than one: a card of its own has that many at work side by side, and a dispatch of
    /// fewer leaves it idle.
    pub fn abreast(&self) -> u64 {
        if self.own_card { 256 } else { 1 }
    }
}

/// Compiles a plan.
pub(super) struct Compiler<'a> {
    pub plan: &'a Plan,
    pub memory: &'a mut Memory,
    /// Whether every value is looked at.
    pub watch: bool,
    /// What it is compiled for.
    pub target: Target<'a>,
    /// How long buffers are in use.
    pub lives: Lives,
    /// The samples of the piece of the batch that is worked on.
    pub samples: usize,
    /// The loop that a kernel carries samples through, while it is written.
    pub inside: Option<Inside>,
    /// The axis of which one entry is at hand, and the depth of the loop that counts them, in what a loop has taken in.
    pub step: Option<(AxisId, usize)>,
    /// Where the pieces' parts of sums over samples lie.
    parts: BTreeMap<ValueId, Spot>,
    /// A buffer that is not written itself: a part of it is, here.
    part: Option<(usize, Spot)>,
    kernels: Vec<Text>,
    numbers: HashMap<String, usize>,
    draws: Vec<crate::graph::Draw>,
}

/// Compiles a plan; places that kernels need beyond the plan's are added to the memory.
///
/// # Errors
/// When something is larger than the device allows.
pub(super) fn compile(plan: &Plan, memory: &mut Memory, target: Target<'_>, watch: bool) -> Result<Code, Error> {
    let (mut constants, mut fed) = (Vec::new(), Vec::new());
    for (i, node) in plan.program.nodes.iter().enumerate() {
        let Some(view) = plan.views[i].as_ref().filter(|_| is_fed(&node.op)) else { continue };
        let spot = memory.spot(view.buffer);
        let layout = Layout::of(plan, &node.ty, view);
        match &node.op {
            Op::Parameter(n) => fed.push((Fed::Parameter(*n), spot, layout)),
            Op::State(n) => fed.push((Fed::State(*n), spot, layout)),
            Op::Step => fed.push((Fed::Step, spot, layout)),
            op => constants.push((spot, layout, constant(plan, op))),
        }
    }
    let mut c = Compiler {
        plan,
        memory,
        watch,
        target,
        lives: lives(plan),
        samples: plan.batch,
        inside: None,
        step: None,
        parts: BTreeMap::new(),
        part: None,
        kernels: Vec::new(),
        numbers: HashMap::new(),
        draws: Vec::new(),
    };
    let (mut setup, mut steps) = (Vec::new(), Vec::new());
    for segment in &plan.segments {
        match segment.when {
            When::Setup => c.items(&segment.items, &mut setup)?,
            When::Once => c.items(&segment.items, &mut steps)?,
            When::Tiles | When::Side => c.pieces(&mut steps, |c, steps| c.items(&segment.items, steps))?,
        }
    }
    let (mut outputs, mut hand_out) = (Vec::new(), Vec::new());
    for (kind, v) in &plan.program.outputs {
        let stays = matches!(kind, Output::Parameter(_) | Output::State(_));
        outputs.push(c.output(*v, if stays { &mut hand_out } else { &mut steps })?);
    }
    let hand_on = c.hand_on(&fed, &outputs)?;
    let Compiler { kernels, draws, .. } = c;
    Ok(Code { setup, steps, kernels, constants, fed, draws, outputs, hand_out, hand_on })
}

/// The numbers of a constant, in the order of its extents.
fn constant(plan: &Plan, op: &Op) -> Vec<f32> {
    match op {
        Op::Number(x) => vec![x.value() as f32],
        Op::Table(t) => t.0.iter().map(|x| *x as f32).collect(),
        Op::Iota(axis) => (0..plan.program.axis(*axis).size).map(|i| i as f32).collect(),
        Op::Eye(n) => (0..n * n).map(|i| if i % (n + 1) == 0 { 1.0 } else { 0.0 }).collect(),
        _ => unreachable!("the host writes nothing else"),
    }
}

impl Compiler<'_> {
    /// The same work on every piece of the batch.
    fn pieces(
        &mut self,
        steps: &mut Vec<Step>,
        work: impl Fn(&mut Self, &mut Vec<Step>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let (batch, width) = (self.plan.batch, self.plan.width);
        if self.plan.tiles() <= 1 {
            return work(self, steps);
        }
        let (mut body, mut rest) = (Vec::new(), Vec::new());
        self.samples = width;
        work(self, &mut body)?;
        if !batch.is_multiple_of(width) {
            self.samples = batch % width;
            work(self, &mut rest)?;
        }
        self.samples = batch;
        steps.push(Step::Pieces(Pieces { whole: batch / width, body, rest }));
        Ok(())
    }

    /// Items in order; a product takes in what follows it entry by entry.
    pub fn items(&mut self, items: &[Item], steps: &mut Vec<Step>) -> Result<(), Error> {
        let mut left = items.iter().peekable();
        while let Some(item) = left.next() {
            let chain = left.peek().and_then(|next| tail(self.plan, item, next));
            if let Some(chain) = chain.filter(|_| !self.watch)
                && self.product_and(&chain, steps)?
            {
                self.hand_out(left.next());
                continue;
            }
            self.item(item, steps)?;
            self.hand_out(Some(item));
            if self.watch {
                self.watch(item, steps)?;
            }
        }
        Ok(())
    }

    /// What a loop has taken in before its steps.
    pub fn head(&mut self, l: &Loop, steps: &mut Vec<Step>) -> Result<(), Error> {
        let Some(strip) = &l.head else { return Ok(()) };
        self.step = Some((strip.axis, l.depth));
        let done = self.items(&strip.body, steps);
        self.step = None;
        done
    }

    fn item(&mut self, item: &Item, steps: &mut Vec<Step>) -> Result<(), Error> {
        match item {
            Item::Fused(members) => {
                if let Some(kernel) = self.fused(members) {
                    self.add(kernel, self.span(members[0]), steps)?;
                }
                Ok(())
            }
            Item::Op(v) if is_fed(&self.plan.program.node(*v).op) => Ok(()),
            Item::Op(v) => self.op(*v, steps),
            // There is one part, and it is the sum.
            Item::Partial(v) if self.plan.tiles() <= 1 => self.op(*v, steps),
            Item::Partial(v) => {
                let spot = self.parts_of(*v)?;
                self.part = Some((self.plan.view(*v).buffer, spot));
                let done = self.op(*v, steps);
                self.part = None;
                done
            }
            Item::Finish(_) if self.plan.tiles() <= 1 => Ok(()),
            Item::Finish(v) => self.join(*v, steps),
            Item::Collect(v) => self.collect(*v, steps),
            Item::Loop(l) => {
                if self.inside.is_some() {
                    return self.steps_of(l, steps);
                }
                if self.carry(l, steps)? {
                    return Ok(());
                }
                let mut before = Vec::new();
                for c in &l.before {
                    self.copy(c, &mut before)?;
                }
                let mut body = Vec::new();
                self.head(l, &mut body)?;
                self.items(&l.body, &mut body)?;
                for c in &l.after {
                    self.copy(c, &mut body)?;
                }
                steps.push(Step::Loop(Looped { depth: l.depth, size: l.size, reverse: l.reverse, before, body }));
                Ok(())
            }
            Item::Strip(_) => unreachable!("strips are for caches, and this plan was made without"),
        }
    }

    /// Where the parts of a sum over samples lie, each as the buffer of the sum.
    fn parts_of(&mut self, v: ValueId) -> Result<Spot, Error> {
        if let Some(spot) = self.parts.get(&v) {
            return Ok(*spot);
        }
        let rows = self.plan.buffers[self.plan.view(v).buffer].rows;
        let spot = self.memory.reserve(self.plan.tiles() * rows, self.span(v))?;
        self.parts.insert(v, spot);
        Ok(spot)
    }

    /// A sum over samples from its parts, in their order.
    fn join(&mut self, v: ValueId, steps: &mut Vec<Step>) -> Result<(), Error> {
        let how = match &self.plan.program.node(v).op {
            Op::Reduce(how, ..) => *how,
            _ => Reduction::Sum,
        };
        let spot = self.parts_of(v)?;
        let buffer = self.plan.view(v).buffer;
        let rows = self.plan.buffers[buffer].rows;
        let to = self.memory.spot(buffer).pointer();
        let over = (vec![self.plan.tiles()], vec![vec![rows]]);
        let fold = Fold::new(how, vec![spot.pointer()], to, (vec![rows], vec![vec![1], vec![1]]), over);
        self.fold(&fold, v, steps)
    }

    /// The beginning of a kernel in which every invocation does one of `count` pieces of work, whose number is `i`. Inside
    /// of a carried loop, of a part of its kernel.
    pub fn start(&mut self, count: usize, cost: usize, v: ValueId) -> Kernel {
        let lanes = self.plan.varies(v);
        let Some(inside) = &mut self.inside else {
            let mut kernel = Kernel::each(count, cost);
            kernel.kind = match self.plan.program.node(v).op {
                Op::Contract(..) | Op::Solve(..) | Op::Inverse(_) | Op::Expm(_) => "products",
                Op::Unary(..) | Op::Binary(..) | Op::Select(..) => "entries",
                Op::Reduce(..) | Op::CumulativeSum { .. } => "sums",
                Op::Draw(_) => "draws",
                _ => "moves",
            };
            return kernel;
        };
        let mut kernel = inside.take();
        kernel.part("i", count, cost);
        kernel.guard("i", lanes);
        kernel
    }

    /// Adds a kernel and its dispatch, or ends a part of the kernel of a carried loop.
    pub fn add(&mut self, mut kernel: Kernel, span: Span, steps: &mut Vec<Step>) -> Result<(), Error> {
        if let Some(inside) = &mut self.inside {
            kernel.line("}");
            inside.put(kernel);
            return Ok(());
        }
        self.add_watched(kernel, span, None, steps)
    }

    /// Adds a kernel and its dispatch, and what that looks at.
    pub fn add_watched(
        &mut self,
        kernel: Kernel,
        span: Span,
        watched: Option<ValueId>,
        steps: &mut Vec<Step>,
    ) -> Result<(), Error> {
        let over = |what, needed: usize, limit: u32, advice: &str| {
            let device = self.target.name.to_owned();
            let advice = advice.to_owned();
            Box::new(OverLimit {
                what,
                is_memory: false,
                needed: needed as u128,
                limit: u64::from(limit),
                device,
                advice,
                span,
            })
        };
        let most = self.target.turns();
        if kernel.turns > most {
            let advice = "run with `--backend cpu`, or on a device in hardware";
            return Err(over("turns of loops in one invocation", kernel.turns, most as u32, advice).into());
        }
        let most = self.target.limits.workgroup_storage;
        if kernel.shared > most as usize {
            return Err(over("bytes shared by a workgroup", kernel.shared, most, "use another device").into());
        }
        let told = OWN_WORDS + kernel.words().len();
        if told > MOST_WORDS {
            let advice = "write the expression in parts, each under a name of its own";
            return Err(over("operands in one kernel", told, MOST_WORDS as u32, advice).into());
        }
        let text = kernel.finish(self.memory.halves.len());
        let next = self.kernels.len();
        let number = *self.numbers.entry(text.wgsl.clone()).or_insert(next);
        if number == next {
            self.kernels.push(text);
        }
        let (words, groups, cost) = (kernel.words().to_vec(), kernel.groups, kernel.cost);
        steps.push(Step::Run(Run { kernel: number, words, groups, cost, watched }));
        Ok(())
    }

    /// The number of a draw's key.
    pub fn key(&mut self, draw: crate::graph::Draw) -> usize {
        let found = self.draws.iter().position(|d| (d.seed, d.stream) == (draw.seed, draw.stream));
        found.unwrap_or_else(|| {
            self.draws.push(draw);
            self.draws.len() - 1
        })
    }

    /// The type of a value.
    pub fn ty(&self, v: ValueId) -> &Type {
        &self.plan.program.node(v).ty
    }

    /// Where the text of a value stands.
    pub fn span(&self, v: ValueId) -> Span {
        self.plan.program.node(v).span
    }

    /// Where a view starts.
    pub fn pointer(&self, view: &View) -> Pointer {
        let lanes = self.plan.buffers[view.buffer].lane;
        let mut piece = 0;
        let (place, first) = match (self.shared(view), self.part) {
            (Some((_, word)), _) => (Place::Shared, word),
            (None, Some((buffer, spot))) if buffer == view.buffer => {
                piece = self.plan.buffers[buffer].rows;
                (Place::Range(spot.range), spot.word)
            }
            (None, _) => self.memory.place(view.buffer),
        };
        let unit = if lanes { self.width(view) } else { 1 };
        let mut loops: Vec<_> = view.loops.iter().map(|(d, s)| (*d, s * unit)).collect();
        if let Some((axis, depth)) = self.step.filter(|(axis, _)| view.axis_stride(*axis) != 0) {
            loops.push((depth, view.axis_stride(axis) * unit));
        }
        if let Some(inside) = &self.inside {
            loops.retain(|(depth, _)| !inside.holds_step(view.buffer, *depth));
        }
        Pointer { place, word: first + view.offset * unit, loops, piece, lanes }
    }

    /// The samples of a workgroup and the first word of a view, if a carried loop keeps it in the memory of a workgroup.
    fn shared(&self, view: &View) -> Option<(usize, usize)> {
        self.inside.as_ref().and_then(|inside| inside.place(view.buffer))
    }

    /// The samples that lie side by side.
    fn width(&self, view: &View) -> usize {
        self.shared(view).map_or(self.plan.width, |(lanes, _)| lanes)
    }

    /// The stride of a view along a dimension.
    pub fn stride(&self, view: &View, dim: Dim) -> usize {
        view.stride(&self.plan.buffers, self.width(view), dim)
    }

    /// Strides along some dimensions.
    pub fn strides(&self, view: &View, dims: &[(Dim, usize)]) -> Vec<usize> {
        dims.iter().map(|(d, _)| self.stride(view, *d)).collect()
    }

    /// The size of an axis; of the one that is cut in pieces, the samples at hand: of a piece, or those that a workgroup carries.
    pub fn axis_size(&self, axis: AxisId) -> usize {
        match &self.inside {
            Some(inside) if Some(axis) == self.plan.tile => inside.lanes(),
            _ if self.step.is_some_and(|(at, _)| at == axis) => 1,
            _ if Some(axis) == self.plan.tile => self.samples,
            _ => self.plan.program.axis(axis).size,
        }
    }

    /// An axis as a dimension.
    pub fn dim(&self, axis: AxisId) -> Dim {
        if Some(axis) == self.plan.tile { Dim::Lane } else { Dim::Axis(axis) }
    }

    /// The dimensions of a type, in the order of its extents.
    pub fn dims(&self, ty: &Type) -> Vec<(Dim, usize)> {
        let axes = ty.axes.iter().map(|a| (self.dim(*a), self.axis_size(*a)));
        axes.chain(ty.shape.iter().enumerate().map(|(i, n)| (Dim::Shape(i), *n))).collect()
    }

    /// The same in the order in which a view steps through them, the largest stride first.
    pub fn dims_by(&self, ty: &Type, view: &View) -> Vec<(Dim, usize)> {
        let mut dims = self.dims(ty);
        dims.sort_by_key(|(d, _)| std::cmp::Reverse(self.stride(view, *d)));
        dims
    }

    pub fn copy(&mut self, c: &Copy, steps: &mut Vec<Step>) -> Result<(), Error> {
        let dims = self.dims_by(self.ty(c.like), &c.to);
        let from = (self.pointer(&c.from), self.strides(&c.from, &dims));
        let to = (self.pointer(&c.to), self.strides(&c.to, &dims));
        self.moved(from, to, dims.iter().map(|d| d.1).collect(), c.like, steps)
    }

    /// A batch-wide value in a place without lanes.
    fn collect(&mut self, v: ValueId, steps: &mut Vec<Step>) -> Result<(), Error> {
        let to = self.plan.collected[v.index()].clone().expect("a value that is collected has a place");
        self.pieces(steps, |c, steps| {
            let view = c.plan.view(v);
            let dims = c.dims(c.ty(v));
            let mut target = c.pointer(&to);
            let mut strides = Vec::new();
            for (d, _) in &dims {
                strides.push(match (d, c.plan.tile) {
                    (Dim::Lane, Some(t)) => c.stride(&to, Dim::Axis(t)),
                    _ => c.stride(&to, *d),
                });
                if *d == Dim::Lane {
                    target.piece = c.plan.width * strides[strides.len() - 1];
                }
            }
            let from = (c.pointer(view), c.strides(view, &dims));
            c.moved(from, (target, strides), dims.iter().map(|d| d.1).collect(), v, steps)
        })
    }

    /// An output in the order of its extents.
    fn output(&mut self, v: ValueId, steps: &mut Vec<Step>) -> Result<(Spot, usize), Error> {
        let words = self.plan.program.extents(self.ty(v)).iter().product();
        let spot = self.memory.reserve(words, self.span(v))?;
        self.output_to(v, spot, steps)?;
        Ok((spot, words))
    }

    fn output_to(&mut self, v: ValueId, spot: Spot, steps: &mut Vec<Step>) -> Result<(), Error> {
        self.pieces_of(v, steps, |c, steps| {
            let dims = c.dims(c.ty(v));
            let view = c.plan.view(v);
            let from = (c.pointer(view), c.strides(view, &dims));
            c.moved(from, c.in_order(v, spot), dims.iter().map(|d| d.1).collect(), v, steps)
        })
    }

    /// A copy of a value in the order of its extents: where it lies, and the strides.
    fn in_order(&self, v: ValueId, spot: Spot) -> (Pointer, Vec<usize>) {
        let strides = dense(&self.plan.program.extents(self.ty(v)));
        let mut pointer = spot.pointer();
        if self.plan.tiles() > 1
            && let Some(at) = self.ty(v).axes.iter().position(|a| Some(*a) == self.plan.tile)
        {
            pointer.piece = self.plan.width * strides[at];
        }
        (pointer, strides)
    }

    /// Work on a value, on every piece of it if the batch is cut.
    fn pieces_of(
        &mut self,
        v: ValueId,
        steps: &mut Vec<Step>,
        work: impl Fn(&mut Self, &mut Vec<Step>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if self.plan.varies(v) { self.pieces(steps, work) } else { work(self, steps) }
    }

    /// Puts outputs in the places from which the next run reads them.
    fn hand_on(&mut self, fed: &[(Fed, Spot, Layout)], outputs: &[(Spot, usize)]) -> Result<Vec<Step>, Error> {
        let plan = self.plan;
        let (mut first, mut then) = (Vec::new(), Vec::new());
        for ((kind, v), (spot, _)) in plan.program.outputs.iter().zip(outputs) {
            let reads = |fed: &Fed| match (fed, kind) {
                (Fed::Parameter(i), Output::Parameter(j)) | (Fed::State(i), Output::State(j)) => i == j,
                _ => false,
            };
            let Some((_, to, layout)) = fed.iter().find(|(one, ..)| reads(one)) else { continue };
            let view = plan.view(*v);
            let away = is_fed(&plan.program.node(plan.buffers[view.buffer].owner).op);
            if away {
                // It lies where this run reads, and is moved away before anything is written there.
                self.output_to(*v, *spot, &mut first)?;
            }
            self.pieces_of(*v, &mut then, |c, steps| {
                let dims = c.dims(c.ty(*v));
                let from = if away { c.in_order(*v, *spot) } else { (c.pointer(view), c.strides(view, &dims)) };
                let to = (to.pointer(), layout.strides.clone());
                c.moved(from, to, dims.iter().map(|d| d.1).collect(), *v, steps)
            })?;
        }
        first.append(&mut then);
        Ok(first)
    }

    /// Copies of numbers from one place to another.
    pub fn moved(
        &mut self,
        from: (Pointer, Vec<usize>),
        to: (Pointer, Vec<usize>),
        mut sizes: Vec<usize>,
        v: ValueId,
        steps: &mut Vec<Step>,
    ) -> Result<(), Error> {
        let mut strides = [from.1, to.1];
        coalesce(&mut sizes, &mut strides);
        if sizes.contains(&0) {
            return Ok(());
        }
        let mut kernel = self.start(sizes.iter().product(), 1, v);
        kernel.of(self.plan.origin[v.index()]);
        let index = split(&mut kernel, "i", "i", &sizes);
        let (from, to): (Base, Base) = (kernel.base(&from.0), kernel.base(&to.0));
        kernel.line(to.put(&offset(&index, &strides[1]), &from.at(&offset(&index, &strides[0]))));
        self.add(kernel, self.span(v), steps)
    }

    /// Looks for what is not finite in the values of an item.
    fn watch(&mut self, item: &Item, steps: &mut Vec<Step>) -> Result<(), Error> {
        let values: Vec<ValueId> = match item {
            Item::Fused(members) => members.clone(),
            Item::Op(v) | Item::Partial(v) => vec![*v],
            Item::Finish(_) | Item::Collect(_) | Item::Loop(_) | Item::Strip(_) => Vec::new(),
        };
        for v in values {
            if matches!(self.plan.program.node(v).op, Op::Number(_) | Op::Table(_)) {
                continue;
            }
            let Some(view) = &self.plan.views[v.index()] else { continue };
            let dims = self.dims_by(self.ty(v), view);
            let mut sizes: Vec<usize> = dims.iter().map(|d| d.1).collect();
            let mut strides = [self.strides(view, &dims)];
            let pointer = self.pointer(view);
            coalesce(&mut sizes, &mut strides);
            let mut kernel = Kernel::each(sizes.iter().product(), 1);
            let index = split(&mut kernel, "i", "i", &sizes);
            let at = kernel.base(&pointer);
            let place = kernel.number(0);
            kernel.line(format!("let bits = bitcast<u32>({});", at.at(&offset(&index, &strides[0]))));
            // The kind decides between two in one value: NaN, then ∞, then −∞.
            kernel.line("let kind = select(select(2u, 1u, bits == 0x7f800000u), 0u, (bits & 0x7fffffu) != 0u);");
            kernel.line(format!(
                "if ((bits & 0x7f800000u) == 0x7f800000u) {{ atomicMin(&flags[0], {place} * 4u + kind); }}"
            ));
            self.add_watched(kernel, self.span(v), Some(self.plan.origin[v.index()]), steps)?;
        }
        Ok(())
    }
}

/// The strides of dimensions that lie one inside the other without gaps.
pub(super) fn dense(sizes: &[usize]) -> Vec<usize> {
    let mut stride = 1;
    let mut strides = vec![0; sizes.len()];
    for (s, n) in strides.iter_mut().zip(sizes).rev() {
        *s = stride;
        stride *= n;
    }
    strides
}

/// Drops dimensions of size 1 and joins neighbours that every operand steps through alike.
pub(super) fn coalesce(sizes: &mut Vec<usize>, strides: &mut [Vec<usize>]) {
    let mut d = sizes.len();
    while d > 0 {
        d -= 1;
        let joins = d + 1 < sizes.len() && strides.iter().all(|s| s[d] == s[d + 1] * sizes[d + 1]);
        if sizes[d] == 1 {
            sizes.remove(d);
            strides.iter_mut().for_each(|s| _ = s.remove(d));
        } else if joins {
            sizes[d + 1] *= sizes[d];
            sizes.remove(d);
            strides.iter_mut().for_each(|s| _ = s.remove(d));
        }
    }
}
