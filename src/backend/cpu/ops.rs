//! Compiles single operations.

use std::sync::Arc;

use super::code::{Host, Step};
use super::compile::{Compiler, dense};
use super::dense::{Dense, Job};
use super::draw::Drawing;
use super::moves::{Count, From, Running};
use super::product::Target;
use super::reduce::Reduce;
use super::strided::coalesce;
use crate::graph::{AxisId, AxisKind, Draw, Op, Reduction, ValueId};
use crate::plan::{Dim, Item, View, scaled};

impl Compiler<'_> {
    /// The steps of one value.
    pub fn op(&self, v: ValueId, steps: &mut Vec<Step>) {
        let node = self.plan.program.node(v);
        let (ty, to) = (&node.ty, &self.view(v));
        let view = |x: ValueId| self.view(x);
        match &node.op {
            Op::Number(x) => steps.push(self.fill(to, ty, x.value() as f32)),
            Op::Table(table) => {
                let data: Arc<[f32]> = table.0.iter().map(|x| *x as f32).collect();
                steps.push(self.table(|lane| From::Table(data, lane), v));
            }
            Op::Iota(axis) if Some(*axis) == self.tile => {
                steps.push(Step::Count(Count { to: self.ptr(to), samples: self.width }));
            }
            Op::Iota(axis) => {
                let n = self.axis_size(*axis);
                let data: Arc<[f32]> = (0..n).map(|i| i as f32).collect();
                steps.push(self.table(|lane| From::Table(data, lane), v));
            }
            Op::Eye(n) => {
                let data: Arc<[f32]> = (0..n * n).map(|i| if i % (n + 1) == 0 { 1.0 } else { 0.0 }).collect();
                steps.push(self.table(|lane| From::Table(data, lane), v));
            }
            Op::Parameter(i) => steps.push(self.host(Host::Parameter(*i), v)),
            Op::State(i) if ty.axes.is_empty() => steps.push(self.host(Host::State(*i), v)),
            Op::State(i) => steps.push(self.table(|lane| From::State(*i, lane), v)),
            Op::Step => steps.push(self.host(Host::Step, v)),
            Op::Draw(draw) => steps.push(Step::Drawing(self.drawing(draw, v, 1.0))),
            Op::Contract(spec, a, b) => {
                let target = Target::Memory(self.ptr(to), self.adds(&spec.axes));
                steps.push(self.product(v, spec, [*a, *b], to, target));
            }
            Op::Reduce(how, axes, dims, a) => {
                steps.push(self.reduce(*how, axes, dims, *a, to, Target::Memory(self.ptr(to), self.adds(axes))));
            }
            Op::CumulativeSum { axis, reverse, exclusive, of } => {
                let dim = Dim::Axis(*axis);
                let dims: Vec<_> = self.dims_by(ty, to).into_iter().filter(|(d, _)| *d != dim).collect();
                let from = &view(*of);
                let mut sizes: Vec<_> = dims.iter().map(|d| d.1).collect();
                let mut strides = [self.strides(from, &dims), self.strides(to, &dims)];
                coalesce(&mut sizes, &mut strides);
                let [from_strides, to_strides] = strides;
                steps.push(Step::Running(Running {
                    from: self.ptr(from),
                    to: self.ptr(to),
                    along: (self.axis_size(*axis), self.stride(from, dim), self.stride(to, dim)),
                    sizes,
                    from_strides,
                    to_strides,
                    reverse: *reverse,
                    exclusive: *exclusive,
                }));
            }
            Op::Concat(dim, items) => {
                let mut at = 0;
                for x in items {
                    let n = self.ty(*x).shape[*dim];
                    self.part_of(&view(*x), 0, to, at, *dim, n, v, false, steps);
                    at += n;
                }
            }
            Op::Pad { dim, before, of, .. } => {
                steps.push(self.fill(to, ty, 0.0));
                self.part_of(&view(*of), 0, to, *before, *dim, self.ty(*of).shape[*dim], v, false, steps);
            }
            Op::Gather { dim, index, of } => {
                for (start, n) in runs(index) {
                    self.part_of(&view(*of), index[start], to, start, *dim, n, v, false, steps);
                }
            }
            Op::ScatterAdd { dim, index, of, .. } => {
                steps.push(self.fill(to, ty, 0.0));
                for (start, n) in runs(index) {
                    self.part_of(&view(*of), start, to, index[start], *dim, n, v, true, steps);
                }
            }
            Op::Reshape(a) => {
                // Both shapes are passed row by row; the result's has no gaps.
                let shape = &self.ty(*a).shape;
                let mut dims = self.axes(ty);
                let lane = self.varies(ty);
                let from = &view(*a);
                let mut from_strides = self.strides(from, &dims);
                let mut to_strides = self.strides(to, &dims);
                let mut unit = ty.shape.len().checked_sub(1).map_or(1, |i| self.stride(to, Dim::Shape(i)));
                let mut dense = vec![0; shape.len()];
                for (s, n) in dense.iter_mut().zip(shape).rev() {
                    *s = unit;
                    unit *= n;
                }
                for (i, n) in shape.iter().enumerate() {
                    dims.push((Dim::Shape(i), *n));
                    from_strides.push(self.stride(from, Dim::Shape(i)));
                    to_strides.push(dense[i]);
                }
                if lane {
                    dims.push((Dim::Lane, self.width));
                    from_strides.push(self.stride(from, Dim::Lane));
                    to_strides.push(self.stride(to, Dim::Lane));
                }
                let sizes = dims.iter().map(|d| d.1).collect();
                steps.push(Self::move_at(
                    From::Memory(self.ptr(from), 0),
                    from_strides,
                    self.ptr(to),
                    to_strides,
                    sizes,
                    false,
                ));
            }
            // Only a new name for the tiled axis needs work; the rest are views.
            Op::Rename { from, of, .. } => {
                let source = &view(*of);
                let step = self.stride(source, Dim::Axis(*from));
                let dims = self.dims_by(ty, to);
                let strides =
                    dims.iter().map(|(d, _)| if *d == Dim::Lane { step } else { self.stride(source, *d) }).collect();
                steps.push(self.move_to(From::Memory(self.ptr(source), step), strides, to, &dims, false));
            }
            Op::Place { axis, index, of } => {
                steps.push(self.fill(to, ty, 0.0));
                let mut entry = to.clone();
                entry.offset += to.axis_stride(*axis) * index;
                let dims: Vec<_> = self.dims_by(ty, to).into_iter().filter(|(d, _)| *d != Dim::Axis(*axis)).collect();
                let strides = self.strides(&view(*of), &dims);
                steps.push(self.move_to(From::Memory(self.ptr(&view(*of)), 0), strides, &entry, &dims, false));
            }
            Op::Pick(p, of) if Some(p.pairs) == self.tile => steps.push(Step::Pick(self.pick(p, *of, v))),
            Op::Pick(p, of) => {
                let source = &view(*of);
                for (first, second, length, at) in p.ranges() {
                    let [i, j] = p.axes.map(|axis| source.axis_stride(axis));
                    let starts = [i * first + j * second, to.axis_stride(p.pairs) * at];
                    steps.push(self.row((source, p.axes[1]), (to, p.pairs), starts, length, &self.dims_by(ty, to)));
                }
            }
            Op::Spread(p, of) => {
                steps.push(self.fill(to, ty, 0.0));
                let source = &view(*of);
                let dims: Vec<_> =
                    self.dims_by(ty, to).into_iter().filter(|(d, _)| *d != Dim::Axis(p.axes[0])).collect();
                for (first, second, length, at) in p.ranges() {
                    let [i, j] = p.axes.map(|axis| to.axis_stride(axis));
                    let starts = [source.axis_stride(p.pairs) * at, i * first + j * second];
                    steps.push(self.row((source, p.pairs), (to, p.axes[1]), starts, length, &dims));
                }
            }
            Op::Shift { axis, by, fill, of } => {
                let n = self.axis_size(*axis);
                let far = by.unsigned_abs().min(n);
                // Entries `kept` come from the operand, entries `filled` lie past its end.
                let (kept, first, filled) = if *by >= 0 { (0, far, n - far) } else { (far, 0, 0) };
                let range = |source: &View, from: usize, at: usize, count: usize| {
                    let (mut source, mut target) = (source.clone(), to.clone());
                    source.offset += source.axis_stride(*axis) * from;
                    target.offset += target.axis_stride(*axis) * at;
                    let dims: Vec<_> = self
                        .dims_by(ty, to)
                        .into_iter()
                        .map(|(d, m)| (d, if d == Dim::Axis(*axis) { count } else { m }))
                        .collect();
                    let strides = self.strides(&source, &dims);
                    self.move_to(From::Memory(self.ptr(&source), 0), strides, &target, &dims, false)
                };
                if far < n {
                    steps.push(range(&view(*of), first, kept, n - far));
                }
                if far > 0 {
                    steps.push(range(&view(*fill), 0, filled, far));
                }
            }
            Op::Solve(a, b) => steps.push(self.dense(Job::Solve, *a, Some(*b), v)),
            Op::Inverse(a) => steps.push(self.dense(Job::Inverse, *a, None, v)),
            Op::Expm(a) => steps.push(self.dense(Job::Exponential, *a, None, v)),
            Op::Argument(..)
            | Op::Unary(..)
            | Op::Binary(..)
            | Op::Select(..)
            | Op::Broadcast(_)
            | Op::Transpose(..)
            | Op::Slice { .. }
            | Op::At { .. }
            | Op::Scan(_)
            | Op::Output(..)
            | Op::Mark(..)
            | Op::Detach(_) => unreachable!("no item of its own: {:?}", node.op),
        }
    }

    /// A draw and the number by which what follows multiplies it.
    pub fn scaled_draw(&self, first: &Item, second: &Item) -> Option<Step> {
        let (scale, result) = scaled(self.plan, first, second)?;
        let Item::Op(draw) = first else { return None };
        let Op::Draw(draw) = &self.plan.program.node(*draw).op else { return None };
        Some(Step::Drawing(self.drawing(draw, result, scale)))
    }

    /// A draw, times a number, as a value.
    fn drawing(&self, draw: &Draw, v: ValueId, scale: f64) -> Drawing {
        let (ty, to) = (self.ty(v), &self.view(v));
        let program = &self.plan.program;
        let mut d = Drawing {
            draw: *draw,
            scale: scale as f32,
            to: self.ptr(to),
            samples: 1,
            sample_stride: 1,
            tiled: false,
            outer: Vec::new(),
            shape: ty.shape.iter().enumerate().map(|(i, n)| (*n, self.stride(to, Dim::Shape(i)))).collect(),
            step: self.strip.is_some(),
        };
        for a in &ty.axes {
            let size = program.axis(*a).size;
            if Some(*a) == self.tile {
                (d.samples, d.sample_stride, d.tiled) = (self.width, self.stride(to, Dim::Lane), true);
            } else if program.axis(*a).kind == AxisKind::Sample {
                (d.samples, d.sample_stride) = (size, self.stride(to, Dim::Axis(*a)));
            } else if self.strip.is_none_or(|s| s.axis != *a) {
                d.outer.push((size, self.stride(to, Dim::Axis(*a))));
            }
        }
        d
    }

    /// Whether a sum over these axes goes on from strip to strip.
    pub fn adds(&self, axes: &[AxisId]) -> bool {
        self.strip.is_some_and(|s| axes.contains(&s.axis))
    }

    /// This tile's part of a sum over samples.
    pub fn partial(&self, v: ValueId, steps: &mut Vec<Step>) {
        let to = &self.view(v);
        let target = Target::Part(self.part(v), self.strip.is_none());
        match &self.plan.program.node(v).op {
            Op::Contract(spec, a, b) => {
                // A place that is ordered as parts are.
                let dims = self.part_dims(v);
                let mut place = to.clone();
                for ((d, _), s) in dims.iter().zip(dense(&dims.iter().map(|d| d.1).collect::<Vec<_>>())) {
                    match d {
                        Dim::Axis(a) => {
                            place.axes.retain(|(x, _)| x != a);
                            place.axes.push((*a, s));
                        }
                        Dim::Shape(i) => place.shape[*i] = s,
                        Dim::Lane => {}
                    }
                }
                steps.push(self.product(v, spec, [*a, *b], &place, target));
            }
            Op::Reduce(how, axes, dims, a) => steps.push(self.reduce(*how, axes, dims, *a, to, target)),
            op => unreachable!("no sum over samples: {op:?}"),
        }
    }

    /// Numbers in the order of a value's extents.
    fn table(&self, from: impl FnOnce(usize) -> From, v: ValueId) -> Step {
        let (ty, to) = (self.ty(v), &self.view(v));
        let program = &self.plan.program;
        let mut all: Vec<(Dim, usize)> = Vec::new();
        for a in &ty.axes {
            let dim = if Some(*a) == self.tile { Dim::Lane } else { Dim::Axis(*a) };
            all.push((dim, program.axis(*a).size));
        }
        all.extend(ty.shape.iter().enumerate().map(|(i, n)| (Dim::Shape(i), *n)));
        let mut stride = 1;
        let mut strides = vec![0; all.len()];
        for (s, (_, n)) in strides.iter_mut().zip(&all).rev() {
            *s = stride;
            stride *= n;
        }
        let of = |dim: Dim| all.iter().position(|(d, _)| *d == dim).map_or(0, |i| strides[i]);
        let dims = self.dims_by(ty, to);
        let from_strides = dims.iter().map(|(d, _)| of(*d)).collect();
        self.move_to(from(of(Dim::Lane)), from_strides, to, &dims, false)
    }

    /// So many entries of an axis of one view, as entries of an axis of another one, both from a place on.
    fn row(
        &self,
        (source, from): (&View, AxisId),
        (target, to): (&View, AxisId),
        starts: [usize; 2],
        length: usize,
        dims: &[(Dim, usize)],
    ) -> Step {
        let (mut source, mut target) = (source.clone(), target.clone());
        source.offset += starts[0];
        target.offset += starts[1];
        let along = Dim::Axis(to);
        let strides = dims.iter().map(|(d, _)| self.stride(&source, if *d == along { Dim::Axis(from) } else { *d }));
        let strides = strides.collect();
        let dims: Vec<_> = dims.iter().map(|(d, n)| (*d, if *d == along { length } else { *n })).collect();
        self.move_to(From::Memory(self.ptr(&source), 0), strides, &target, &dims, false)
    }

    /// `n` entries of an element dimension.
    #[expect(clippy::too_many_arguments, reason = "where from, where to, how many")]
    fn part_of(
        &self,
        from: &View,
        first: usize,
        to: &View,
        at: usize,
        dim: usize,
        n: usize,
        v: ValueId,
        add: bool,
        steps: &mut Vec<Step>,
    ) {
        let (mut from, mut target) = (from.clone(), to.clone());
        from.offset += from.shape[dim] * first;
        target.offset += target.shape[dim] * at;
        let dims: Vec<_> = self
            .dims_by(self.ty(v), to)
            .into_iter()
            .map(|(d, m)| (d, if d == Dim::Shape(dim) { n } else { m }))
            .collect();
        let strides = self.strides(&from, &dims);
        steps.push(self.move_to(From::Memory(self.ptr(&from), 0), strides, &target, &dims, add));
    }

    fn reduce(&self, how: Reduction, axes: &[AxisId], dims: &[usize], a: ValueId, to: &View, target: Target) -> Step {
        let from = &self.view(a);
        let reduced = |d: &Dim| match d {
            Dim::Axis(x) => axes.contains(x),
            Dim::Shape(i) => dims.contains(i),
            Dim::Lane => self.tile.is_some_and(|t| axes.contains(&t)),
        };
        let target_stride = |d: &Dim| match d {
            Dim::Shape(i) => self.stride(to, Dim::Shape(i - dims.iter().filter(|x| *x < i).count())),
            d => self.stride(to, *d),
        };
        let (mut over, mut kept): (Vec<_>, Vec<_>) = self.dims(self.ty(a)).into_iter().partition(|(d, _)| reduced(d));
        kept.sort_by_key(|(d, _)| std::cmp::Reverse(target_stride(d)));
        over.sort_by_key(|(d, _)| std::cmp::Reverse(self.stride(from, *d)));
        let mut kept_sizes: Vec<_> = kept.iter().map(|d| d.1).collect();
        let mut kept_strides = [self.strides(from, &kept), kept.iter().map(|(d, _)| target_stride(d)).collect()];
        coalesce(&mut kept_sizes, &mut kept_strides);
        let [kept_from, kept_to] = kept_strides;
        let mut over_sizes: Vec<_> = over.iter().map(|d| d.1).collect();
        let mut over_strides = [self.strides(from, &over)];
        coalesce(&mut over_sizes, &mut over_strides);
        let [over_from] = over_strides;
        Step::Reduce(Reduce {
            how,
            from: self.ptr(from),
            to: target,
            kept: (kept_sizes, kept_from, kept_to),
            reduced: (over_sizes, over_from),
        })
    }

    fn dense(&self, job: Job, a: ValueId, b: Option<ValueId>, v: ValueId) -> Step {
        let (ty, to) = (self.ty(v), &self.view(v));
        let va = &self.view(a);
        let vb = b.map(|b| self.view(b));
        let vb = vb.as_ref();
        let mut dims = self.axes(ty);
        if self.varies(ty) {
            dims.push((Dim::Lane, self.width));
        }
        let pair = |view: &View| {
            let column = if view.shape.len() > 1 { self.stride(view, Dim::Shape(1)) } else { 0 };
            [self.stride(view, Dim::Shape(0)), column]
        };
        Step::Dense(Dense {
            job,
            n: self.ty(a).shape[0],
            m: ty.shape.get(1).copied().unwrap_or(1),
            a: self.ptr(va),
            b: vb.map(|view| self.ptr(view)),
            to: self.ptr(to),
            strides: [pair(va), vb.map_or([0; 2], pair), pair(to)],
            outer: (
                dims.iter().map(|d| d.1).collect(),
                [
                    self.strides(va, &dims),
                    vb.map_or_else(|| vec![0; dims.len()], |view| self.strides(view, &dims)),
                    self.strides(to, &dims),
                ],
            ),
        })
    }
}

/// Runs of neighbours in a list: where they start, how long they are.
fn runs(index: &[usize]) -> Vec<(usize, usize)> {
    let mut out: Vec<(usize, usize)> = Vec::new();
    for (i, x) in index.iter().enumerate() {
        match out.last_mut() {
            Some((start, n)) if index[*start] + *n == *x => *n += 1,
            _ => out.push((i, 1)),
        }
    }
    out
}
