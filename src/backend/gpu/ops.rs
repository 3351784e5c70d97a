//! Single operations.

use super::code::Step;
use super::compile::{Compiler, coalesce, dense};
use super::errors::Error;
use super::fold::Fold;
use super::functions::Function;
use super::kernel::{Pointer, offset, split};
use crate::backend::random::sharing;
use crate::graph::{AxisKind, Draw, Law, Lifetime, Op, ValueId};
use crate::plan::{Dim, View};

impl Compiler<'_> {
    /// The steps of one value.
    pub fn op(&mut self, v: ValueId, steps: &mut Vec<Step>) -> Result<(), Error> {
        let plan = self.plan;
        let node = plan.program.node(v);
        let to = plan.view(v);
        match &node.op {
            Op::Draw(draw) => self.draw(draw, v, steps),
            Op::Contract(spec, a, b) => self.product(spec, *a, *b, v, steps),
            Op::Reduce(how, axes, dims, a) => {
                let fold = self.reduction(*how, axes, dims, *a, v);
                self.fold(&fold, v, steps)
            }
            Op::CumulativeSum { axis, reverse, exclusive, of } => {
                self.running(self.dim(*axis), *reverse, *exclusive, *of, v, steps)
            }
            Op::Concat(dim, items) => {
                let mut at = 0;
                for x in items {
                    let n = self.ty(*x).shape[*dim];
                    self.part(plan.view(*x), 0, at, *dim, n, v, steps)?;
                    at += n;
                }
                Ok(())
            }
            Op::Pad { dim, before, of, .. } => {
                let (d, n) = (Dim::Shape(*dim), self.ty(*of).shape[*dim]);
                self.window(d, *before, n, *of, v, steps)
            }
            Op::Place { axis, index, of } => self.window(self.dim(*axis), *index, 1, *of, v, steps),
            Op::Gather { dim, index, of } => {
                let entries = index.iter().map(|i| vec![*i]).collect();
                self.listed(*dim, entries, *of, v, steps)
            }
            Op::ScatterAdd { dim, index, size, of } => {
                let mut entries = vec![Vec::new(); *size];
                for (i, to) in index.iter().enumerate() {
                    entries[*to].push(i);
                }
                self.listed(*dim, entries, *of, v, steps)
            }
            Op::Pick(p, of) => self.pick(p, *of, v, steps),
            Op::Spread(p, of) => self.spread(p, *of, v, steps),
            Op::Reshape(a) => self.reshape(*a, v, steps),
            // Only a new name for the tiled axis, or the tiled axis as a new name, needs work; the rest are views.
            Op::Rename { from: from_axis, to: axis, of } => {
                let named = self.dim(*axis);
                let source = if Some(*from_axis) == plan.tile {
                    plan.collected[of.index()].as_ref().unwrap_or(plan.view(*of))
                } else {
                    plan.view(*of)
                };
                let dims = self.dims_by(&node.ty, to);
                let strides = dims
                    .iter()
                    .map(|(d, _)| self.stride(source, if *d == named { Dim::Axis(*from_axis) } else { *d }))
                    .collect();
                let to = (self.pointer(to), self.strides(to, &dims));
                let mut from = self.pointer(source);
                if named == Dim::Lane {
                    from.piece = plan.width * self.stride(source, Dim::Axis(*from_axis));
                }
                self.moved((from, strides), to, dims.iter().map(|d| d.1).collect(), v, steps)
            }
            Op::Shift { axis, by, fill, of } => {
                let (dim, n) = (self.dim(*axis), self.axis_size(*axis));
                let far = by.unsigned_abs().min(n);
                // Entries from `kept` on come from the operand, entries from `filled` on lie past its end.
                let (kept, first, filled) = if *by >= 0 { (0, far, n - far) } else { (far, 0, 0) };
                self.range(plan.view(*of), dim, first, kept, n - far, v, steps)?;
                self.range(plan.view(*fill), dim, 0, filled, far, v, steps)
            }
            Op::Solve(a, b) => self.dense(*a, Some(*b), v, steps),
            Op::Inverse(a) | Op::Expm(a) => self.dense(*a, None, v, steps),
            Op::Number(_)
            | Op::Table(_)
            | Op::Iota(_)
            | Op::Eye(_)
            | Op::Parameter(_)
            | Op::State(_)
            | Op::Step
            | Op::Argument(..)
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

    /// `n` entries of an element dimension.
    #[expect(clippy::too_many_arguments, reason = "where from, where to, how many")]
    fn part(
        &mut self,
        from: &View,
        first: usize,
        at: usize,
        dim: usize,
        n: usize,
        v: ValueId,
        steps: &mut Vec<Step>,
    ) -> Result<(), Error> {
        self.range(from, Dim::Shape(dim), first, at, n, v, steps)
    }

    /// `n` entries along a dimension, from `first` of a view to `at` of a value.
    #[expect(clippy::too_many_arguments, reason = "where from, where to, how many")]
    fn range(
        &mut self,
        from: &View,
        dim: Dim,
        first: usize,
        at: usize,
        n: usize,
        v: ValueId,
        steps: &mut Vec<Step>,
    ) -> Result<(), Error> {
        let to = self.plan.view(v);
        let (mut source, mut target) = (self.pointer(from), self.pointer(to));
        source.word += self.stride(from, dim) * first;
        target.word += self.stride(to, dim) * at;
        let dims = self.dims_by(self.ty(v), to);
        let sizes = dims.iter().map(|(d, m)| if *d == dim { n } else { *m }).collect();
        let (from, to) = ((source, self.strides(from, &dims)), (target, self.strides(to, &dims)));
        self.moved(from, to, sizes, v, steps)
    }

    /// Both shapes are passed row by row; the result's has no gaps.
    fn reshape(&mut self, a: ValueId, v: ValueId, steps: &mut Vec<Step>) -> Result<(), Error> {
        let plan = self.plan;
        let (from, to) = (plan.view(a), plan.view(v));
        let (ty, shape) = (self.ty(v), &self.ty(a).shape);
        let unit = ty.shape.len().checked_sub(1).map_or(1, |i| self.stride(to, Dim::Shape(i)));
        let mut sizes = shape.clone();
        let mut from_strides: Vec<usize> = (0..shape.len()).map(|i| self.stride(from, Dim::Shape(i))).collect();
        let mut to_strides: Vec<usize> = dense(shape).into_iter().map(|s| s * unit).collect();
        let mut dims: Vec<(Dim, usize)> = self.dims(ty);
        dims.truncate(ty.axes.len());
        dims.sort_by_key(|(d, _)| std::cmp::Reverse(self.stride(to, *d)));
        sizes.extend(dims.iter().map(|d| d.1));
        from_strides.extend(self.strides(from, &dims));
        to_strides.extend(self.strides(to, &dims));
        self.moved((self.pointer(from), from_strides), (self.pointer(to), to_strides), sizes, v, steps)
    }

    /// Sums along a dimension: one invocation for each index of the others.
    fn running(
        &mut self,
        dim: Dim,
        reverse: bool,
        exclusive: bool,
        of: ValueId,
        v: ValueId,
        steps: &mut Vec<Step>,
    ) -> Result<(), Error> {
        let plan = self.plan;
        let (from, to) = (plan.view(of), plan.view(v));
        let mut dims = self.dims_by(self.ty(v), to);
        let place = dims.iter().position(|(d, _)| *d == dim).expect("the value varies over the axis");
        let (_, n) = dims.remove(place);
        let mut sizes: Vec<usize> = dims.iter().map(|d| d.1).collect();
        let mut strides = [self.strides(from, &dims), self.strides(to, &dims)];
        coalesce(&mut sizes, &mut strides);
        let mut kernel = self.start(sizes.iter().product(), n, v);
        kernel.of(plan.origin[v.index()]);
        let index = split(&mut kernel, "i", "i", &sizes);
        let (source, target) = (kernel.base(&self.pointer(from)), kernel.base(&self.pointer(to)));
        let along = |base: &super::kernel::Base, view: &View, strides: &[usize]| {
            base.at(&format!("{} + k * {}u", offset(&index, strides), self.stride(view, dim)))
        };
        let (x, y) = (along(&source, from, &strides[0]), along(&target, to, &strides[1]));
        kernel.line("var sum = 0.0f;");
        kernel.repeat(n, format!("for (var step = 0u; step < {n}u; step++) {{"));
        kernel.line(if reverse { format!("let k = {}u - step;", n.max(1) - 1) } else { "let k = step;".to_owned() });
        kernel.line(format!("let x = {x};"));
        if exclusive {
            kernel.line(format!("{y} = sum;"));
            kernel.line("sum = sum + x;");
        } else {
            kernel.line("sum = sum + x;");
            kernel.line(format!("{y} = sum;"));
        }
        kernel.line("}");
        self.add(kernel, self.span(v), steps)
    }

    /// A draw: an invocation for four elements of one sample.
    fn draw(&mut self, draw: &Draw, v: ValueId, steps: &mut Vec<Step>) -> Result<(), Error> {
        let plan = self.plan;
        let (ty, to) = (self.ty(v).clone(), plan.view(v));
        let is_sample = |a| plan.program.axis(a).kind == AxisKind::Sample;
        let dims = self.dims(&ty);
        let (axes, shape) = dims.split_at(ty.axes.len());
        let samples = ty.axes.iter().position(|a| is_sample(*a));
        let outer: Vec<(Dim, usize)> = (0..axes.len()).filter(|i| Some(*i) != samples).map(|i| axes[i]).collect();
        let elements = ty.elements();
        let mut sizes: Vec<usize> = outer.iter().map(|d| d.1).collect();
        let others: usize = sizes.iter().product();
        let (count, stride) = samples.map_or((1, 0), |i| (axes[i].1, self.stride(to, axes[i].0)));
        let blocks = elements.div_ceil(4);
        let key = self.key(*draw);

        let mut kernel = self.start(others * blocks * count, 100, v);
        kernel.of(plan.origin[v.index()]);
        let target = kernel.base(&self.pointer(to));
        let key = kernel.number(1 + 2 * key as u32);
        let step = if draw.lifetime == Lifetime::Step { "feed[0]" } else { "0u" };
        let names = split(&mut kernel, "i", "n", &[others, blocks, count]);
        let [o, block, sample] = [&names[0], &names[1], &names[2]];
        // A loop that takes in a draw draws one of its entries at a time.
        let entry = match self.step {
            Some((axis, depth)) if ty.varies(axis) => kernel.counter(depth),
            _ => o.clone(),
        };
        let philox = kernel.call(Function::Philox);
        let share = sharing(elements);
        let mut number = sample.clone();
        if samples.is_some_and(|i| Some(ty.axes[i]) == plan.tile) {
            if kernel.carries().is_some() {
                number = format!("(lane0 + {number})");
            }
            if plan.tiles() > 1 {
                number = format!("({} + {number})", kernel.first_sample());
            }
        }
        let call = if share > 1 { format!("{number} / {share}u") } else { number.clone() };
        kernel.line(format!(
            "let w = {philox}(vec4<u32>({call}, {entry}, {block}, {step}), vec2<u32>(feed[{key}], feed[{key} + 1u]));"
        ));
        // Neighbouring samples share a call: this is the first of the words of this one.
        if share > 1 {
            kernel.line(format!("let first = ({number} % {share}u) * {elements}u;"));
        }
        let word = |e: usize| if share > 1 { format!("w[first + {e}u]") } else { format!("w[{e}]") };
        let index = split(&mut kernel, o, "o", &sizes);
        let base = offset(&index, &self.strides(to, &outer));
        let drawn = elements.min(4);
        match draw.law {
            Law::Uniform => {
                let uniform = kernel.call(Function::Uniform);
                for e in 0..drawn {
                    kernel.line(format!("let x{e} = {uniform}({});", word(e)));
                }
            }
            Law::Normal => {
                let normals = kernel.call(Function::Normals);
                if elements == 1 {
                    kernel.line(format!("let z = {normals}(w[first & 2u], w[first | 1u]);"));
                    kernel.line("let x0 = select(z.x, z.y, (first & 1u) == 1u);");
                }
                let pairs = if elements == 1 { 0 } else { drawn.div_ceil(2) };
                for pair in 0..pairs {
                    let (first, second) = (word(2 * pair), word(2 * pair + 1));
                    kernel.line(format!("let z{pair} = {normals}({first}, {second});"));
                    kernel.line(format!("let x{} = z{pair}.x;", 2 * pair));
                    kernel.line(format!("let x{} = z{pair}.y;", 2 * pair + 1));
                }
            }
        }
        sizes = shape.iter().map(|d| d.1).collect();
        let mut strides = [self.strides(to, shape)];
        coalesce(&mut sizes, &mut strides);
        for e in 0..drawn {
            kernel.line("{");
            kernel.line(format!("let q = 4u * {block} + {e}u;"));
            if !elements.is_multiple_of(4) {
                kernel.line(format!("if (q < {elements}u) {{"));
            }
            let entry = split(&mut kernel, "q", "q", &sizes);
            let at = target.at(&format!("{base}{} + {sample} * {stride}u", offset(&entry, &strides[0])));
            kernel.line(format!("{at} = x{e};"));
            if !elements.is_multiple_of(4) {
                kernel.line("}");
            }
            kernel.line("}");
        }
        self.add(kernel, self.span(v), steps)
    }

    /// A reduction.
    fn reduction(
        &self,
        how: crate::graph::Reduction,
        axes: &[crate::graph::AxisId],
        dims: &[usize],
        a: ValueId,
        v: ValueId,
    ) -> Fold {
        let (from, to) = (self.plan.view(a), self.plan.view(v));
        let over: Vec<Dim> = axes.iter().map(|x| self.dim(*x)).chain(dims.iter().map(|d| Dim::Shape(*d))).collect();
        let (mut reduced, mut kept): (Vec<_>, Vec<_>) =
            self.dims(self.ty(a)).into_iter().partition(|(d, _)| over.contains(d));
        let target = |d: &Dim| match d {
            Dim::Shape(i) => self.stride(to, Dim::Shape(i - dims.iter().filter(|x| *x < i).count())),
            d => self.stride(to, *d),
        };
        kept.sort_by_key(|(d, _)| std::cmp::Reverse(target(d)));
        reduced.sort_by_key(|(d, _)| std::cmp::Reverse(self.stride(from, *d)));
        let pointers: [Pointer; 2] = [self.pointer(from), self.pointer(to)];
        let [from_pointer, to_pointer] = pointers;
        Fold::new(
            how,
            vec![from_pointer],
            to_pointer,
            (
                kept.iter().map(|d| d.1).collect(),
                vec![self.strides(from, &kept), kept.iter().map(|(d, _)| target(d)).collect()],
            ),
            (reduced.iter().map(|d| d.1).collect(), vec![self.strides(from, &reduced)]),
        )
    }
}
