//! A plan at a given tile width, as steps.

use std::cell::RefCell;

use super::code::{Code, Host, Looped, Step, Watch};
use super::memory::Ptr;
use super::moves::{Fill, From, Move};
use super::packed::Pack;
use super::strided::coalesce;
use crate::graph::{AxisId, Op, Type, ValueId};
use crate::plan::{Buffer, Copy, Dim, Item, Loop, Plan, Space, Strip, View, When, tail};

/// Compiles segments of one plan for tiles of one width.
pub(super) struct Compiler<'a> {
    pub plan: &'a Plan,
    /// The axis that is cut, and the lanes of a tile.
    pub tile: Option<AxisId>,
    pub width: usize,
    pub when: When,
    /// Whether every value is looked at.
    pub watch: bool,
    /// The strip that is compiled.
    pub strip: Option<&'a Strip>,
    /// The matrices packed so far.
    pub packs: &'a RefCell<Vec<Pack>>,
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

/// Every segment, for tiles of these widths: of samples, and of the second axis that is cut.
pub(super) fn compile(plan: &Plan, widths: [usize; 2], watch: bool) -> Vec<Code> {
    plan.segments
        .iter()
        .map(|segment| {
            let packs = RefCell::default();
            let side = plan.side.filter(|_| segment.when == When::Side);
            let (tile, width) = side.map_or((plan.tile, widths[0]), |side| (Some(side.axis), widths[1]));
            let c = Compiler { plan, tile, width, when: segment.when, watch, strip: None, packs: &packs };
            let steps = if width > 0 { c.items(&segment.items) } else { Vec::new() };
            Code { when: segment.when, steps, packs: packs.into_inner() }
        })
        .collect()
}

impl Compiler<'_> {
    fn items(&self, items: &[Item]) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut taken = false;
        for (i, item) in items.iter().enumerate() {
            if std::mem::take(&mut taken) {
                continue;
            }
            let next = items.get(i + 1).filter(|_| !self.watch && self.in_tiles());
            let both = next.and_then(|next| {
                let product = tail(self.plan, item, next).and_then(|tail| self.product_with(&tail));
                product.or_else(|| self.scaled_draw(item, next))
            });
            if let Some(step) = both {
                steps.push(step);
                taken = true;
                continue;
            }
            self.item(item, &mut steps);
            if self.watch {
                self.watch(item, &mut steps);
            }
        }
        steps
    }

    /// Whether tiles run this.
    fn in_tiles(&self) -> bool {
        matches!(self.when, When::Tiles | When::Side)
    }

    /// The same inside of a strip.
    fn inside<'b>(&'b self, strip: &'b Strip) -> Compiler<'b> {
        Compiler { strip: Some(strip), ..*self }
    }

    fn item(&self, item: &Item, steps: &mut Vec<Step>) {
        match item {
            Item::Fused(members) => steps.push(Step::Fused(self.fused(members))),
            Item::Op(v) => self.op(*v, steps),
            Item::Partial(v) => self.partial(*v, steps),
            Item::Finish(v) => {
                let dims = self.part_dims(*v);
                let mut sizes: Vec<_> = dims.iter().map(|d| d.1).collect();
                let view = self.view(*v);
                let part = dense(&sizes);
                let mut strides = [part, self.strides(&view, &dims)];
                coalesce(&mut sizes, &mut strides);
                let [_, strides] = strides;
                steps.push(Step::Finish(self.part(*v), self.ptr(&view), (sizes, strides)));
            }
            Item::Collect(v) => steps.push(Step::Collect(*v)),
            Item::Strip(strip) => {
                steps.push(Step::Loop(Box::new(Looped {
                    depth: 0,
                    size: strip.count,
                    reverse: false,
                    before: strip.sums.iter().map(|v| self.fill(&self.view(*v), self.ty(*v), 0.0)).collect(),
                    body: self.inside(strip).items(&strip.body),
                    after: Vec::new(),
                })));
            }
            Item::Loop(l) => steps.push(Step::Loop(Box::new(Looped {
                depth: l.depth,
                size: l.size,
                reverse: l.reverse,
                before: (l.before.iter().map(|c| self.copy(c)))
                    .chain(l.tail.iter().flat_map(|t| &t.sums).map(|v| self.fill(&self.view(*v), self.ty(*v), 0.0)))
                    .collect(),
                body: (l.head.iter().flat_map(|h| self.inside(h).items(&h.body))).chain(self.items(&l.body)).collect(),
                after: l
                    .after
                    .iter()
                    .map(|c| self.swap(l, c).unwrap_or_else(|| self.copy(c)))
                    .chain(l.tail.iter().flat_map(|t| self.inside(t).items(&t.body)))
                    .collect(),
            }))),
        }
    }

    /// The number of a sum over samples.
    pub fn part(&self, v: ValueId) -> usize {
        self.plan.partials.iter().position(|p| *p == v).expect("sums over samples are listed")
    }

    /// The dimensions of a sum over samples in the order of its parts: for a product those of both factors, those of the
    /// first, those of the second, so that it is one product of matrices.
    pub fn part_dims(&self, v: ValueId) -> Vec<(Dim, usize)> {
        let node = self.plan.program.node(v);
        let mut dims = self.axes(&node.ty);
        dims.extend(node.ty.shape.iter().enumerate().map(|(i, n)| (Dim::Shape(i), *n)));
        if let Op::Contract(spec, a, b) = &node.op {
            let has = |side: &[u8], x: ValueId, d: &Dim| match d {
                Dim::Axis(axis) => self.ty(x).varies(*axis),
                Dim::Shape(i) => side.contains(&spec.out[*i]),
                Dim::Lane => false,
            };
            dims.sort_by_key(|(d, _)| match (has(&spec.a, *a, d), has(&spec.b, *b, d)) {
                (true, true) => 0,
                (true, false) => 1,
                _ => 2,
            });
        }
        dims
    }

    /// The place of a value, or of its part in the strip.
    pub fn view(&self, v: ValueId) -> View {
        let mut view = self.plan.view(v).clone();
        if let Some(strip) = self.strip
            && !strip.internal.contains(&view.buffer)
        {
            let stride = view.axis_stride(strip.axis);
            if stride != 0 {
                view.loops.push((0, stride * strip.block));
            }
        }
        view
    }

    /// The size of an axis, or of the part of it in the strip.
    pub fn axis_size(&self, axis: AxisId) -> usize {
        match self.strip {
            Some(strip) if strip.axis == axis => strip.block,
            _ => self.plan.program.axis(axis).size,
        }
    }

    /// Where a view starts.
    pub fn ptr(&self, view: &View) -> Ptr {
        let b = &self.plan.buffers[view.buffer];
        let unit = if b.lane { self.width } else { 1 };
        let (own, slot) = match (self.in_tiles(), b.space) {
            (true, Space::Scratch) => (true, b.slot),
            (true, Space::Kept) => (true, self.plan.scratch.len() + b.slot),
            (true, _) => (false, b.slot),
            _ => (true, b.slot),
        };
        Ptr { own, slot, offset: view.offset * unit, loops: view.loops.iter().map(|(d, s)| (*d, s * unit)).collect() }
    }

    /// The stride of a view along a dimension.
    pub fn stride(&self, view: &View, dim: Dim) -> usize {
        view.stride(&self.plan.buffers, self.width, dim)
    }

    /// Strides along some dimensions.
    pub fn strides(&self, view: &View, dims: &[(Dim, usize)]) -> Vec<usize> {
        dims.iter().map(|(d, _)| self.stride(view, *d)).collect()
    }

    /// The dimensions of a type: axes, shape, lanes.
    pub fn dims(&self, ty: &Type) -> Vec<(Dim, usize)> {
        let mut dims = self.axes(ty);
        dims.extend(ty.shape.iter().enumerate().map(|(i, n)| (Dim::Shape(i), *n)));
        if self.varies(ty) {
            dims.push((Dim::Lane, self.width));
        }
        dims
    }

    /// The axes of a type other than the tiled one.
    pub fn axes(&self, ty: &Type) -> Vec<(Dim, usize)> {
        ty.axes.iter().filter(|a| Some(**a) != self.tile).map(|a| (Dim::Axis(*a), self.axis_size(*a))).collect()
    }

    /// Whether a type varies over lanes.
    pub fn varies(&self, ty: &Type) -> bool {
        self.tile.is_some_and(|t| ty.varies(t))
    }

    /// The dimensions of a type in the order in which a view steps through them, the largest stride first.
    pub fn dims_by(&self, ty: &Type, view: &View) -> Vec<(Dim, usize)> {
        let mut dims = self.dims(ty);
        dims.sort_by_key(|(d, _)| std::cmp::Reverse(self.stride(view, *d)));
        dims
    }

    /// The type of a value.
    pub fn ty(&self, v: ValueId) -> &Type {
        &self.plan.program.node(v).ty
    }

    /// A carry whose next value has a slot like its own changes places with it, if nothing reads that value afterwards.
    fn swap(&self, l: &Loop, c: &Copy) -> Option<Step> {
        let buffer = |view: &View| &self.plan.buffers[view.buffer];
        let (from, to) = (buffer(&c.from), buffer(&c.to));
        let made = |view: &View| self.plan.program.node(buffer(view).owner).region == l.region;
        let whole = |view: &View| view.offset == 0 && view.loops.is_empty() && buffer(view).space == Space::Scratch;
        if !self.in_tiles() || self.strip.is_some() || !made(&c.from) || !whole(&c.from) || !whole(&c.to) {
            return None;
        }
        let slot = |b: &Buffer| self.plan.scratch[b.slot];
        let alike = slot(from) == slot(to) && from.slot != to.slot;
        let strides = |view: &View| self.strides(view, &self.dims_by(self.ty(c.like), view));
        let read_again =
            l.after.iter().filter(|o| o.from.buffer == c.from.buffer || o.from.buffer == c.to.buffer).count();
        let summed = l.tail.iter().flat_map(|t| &t.body).any(|item| self.may_read(item, c.from.buffer));
        let fits = alike && strides(&c.from) == strides(&c.to) && read_again == 1 && !summed;
        fits.then_some(Step::Swap(from.slot, to.slot))
    }

    /// Whether an item reads a buffer; one that is no plain computation may.
    fn may_read(&self, item: &Item, buffer: usize) -> bool {
        let of = |v: &ValueId| {
            let mut found = false;
            self.plan.program.node(*v).op.for_each_operand(|x| {
                found |= self.plan.views[x.index()].as_ref().is_some_and(|view| view.buffer == buffer);
            });
            found
        };
        match item {
            Item::Fused(members) => members.iter().any(of),
            Item::Op(v) | Item::Partial(v) => of(v),
            _ => true,
        }
    }

    fn copy(&self, c: &Copy) -> Step {
        let dims = self.dims_by(self.ty(c.like), &c.to);
        self.move_to(From::Memory(self.ptr(&c.from), 0), self.strides(&c.from, &dims), &c.to, &dims, false)
    }

    /// A move over dimensions into a view.
    pub fn move_to(&self, from: From, from_strides: Vec<usize>, to: &View, dims: &[(Dim, usize)], add: bool) -> Step {
        let to_strides = self.strides(to, dims);
        Self::move_at(from, from_strides, self.ptr(to), to_strides, dims.iter().map(|d| d.1).collect(), add)
    }

    /// A move over sizes.
    pub fn move_at(
        from: From,
        from_strides: Vec<usize>,
        to: Ptr,
        to_strides: Vec<usize>,
        mut sizes: Vec<usize>,
        add: bool,
    ) -> Step {
        let mut strides = [from_strides, to_strides];
        super::strided::coalesce(&mut sizes, &mut strides);
        let [from_strides, to_strides] = strides;
        Step::Move(Move { from, to, sizes, from_strides, to_strides, add })
    }

    /// One number in all of a view.
    pub fn fill(&self, to: &View, ty: &Type, value: f32) -> Step {
        let dims = self.dims_by(ty, to);
        let mut sizes: Vec<_> = dims.iter().map(|d| d.1).collect();
        let mut strides = [self.strides(to, &dims)];
        super::strided::coalesce(&mut sizes, &mut strides);
        let [strides] = strides;
        Step::Fill(Fill { to: self.ptr(to), sizes, strides, value })
    }

    fn watch(&self, item: &Item, steps: &mut Vec<Step>) {
        let values: &[ValueId] = match item {
            Item::Fused(members) => members,
            Item::Op(v) | Item::Finish(v) => std::slice::from_ref(v),
            Item::Partial(_) | Item::Collect(_) | Item::Loop(_) | Item::Strip(_) => &[],
        };
        for v in values {
            if matches!(self.plan.program.node(*v).op, Op::Number(_) | Op::Table(_)) {
                continue;
            }
            let Some(view) = &self.plan.views[v.index()] else { continue };
            let dims = self.dims_by(self.ty(*v), view);
            steps.push(Step::Watch(Watch {
                value: self.plan.origin[v.index()],
                at: self.ptr(view),
                sizes: dims.iter().map(|d| d.1).collect(),
                strides: self.strides(view, &dims),
            }));
        }
    }

    /// A value of the host.
    pub fn host(&self, host: Host, v: ValueId) -> Step {
        Step::Host(host, self.ptr(&self.view(v)))
    }
}
