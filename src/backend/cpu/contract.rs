//! Compiles contractions.

use super::classes::{Class, Classes, Counts};
use super::code::Step;
use super::compile::Compiler;
use super::product::{Operand, Product, Target};
use crate::graph::{Contraction, Op, Pairing, Type, ValueId};
use crate::plan::{Dim, Tail, View, picked};

impl Compiler<'_> {
    /// A product.
    pub fn product(&self, v: ValueId, spec: &Contraction, [a, b]: [ValueId; 2], to: &View, target: Target) -> Step {
        let mut classes = self.classes(spec, a, b, to, &[]);
        // Whatever batch dimension lies side by side in the result is passed lane by lane.
        let unit = classes.batch.sizes.iter().zip(&classes.batch.strides[2]).position(|(n, s)| *s == 1 && *n > 1);
        if let Some(i) = unit {
            let size = classes.batch.sizes.remove(i);
            classes.batch.sizes.push(size);
            for s in &mut classes.batch.strides {
                let x = s.remove(i);
                s.push(x);
            }
        }
        let (pa, pb) = (self.ptr(&self.view(a)), self.ptr(&self.view(b)));
        let mut packs = self.packs.borrow_mut();
        let (in_a, in_b, in_c) = (self.spread(a), self.spread(b), self.picked(v, to));
        let counts = Counts { a: in_a.as_deref(), b: in_b.as_deref(), c: in_c.as_deref() };
        Step::Product(Product::new(pa, pb, target, classes, unit.is_some(), counts, &mut packs))
    }

    /// A product that takes in what follows it, if that is possible.
    pub fn product_with(&self, tail: &Tail) -> Option<Step> {
        let Op::Contract(spec, a, b) = &self.plan.program.node(tail.product).op else { return None };
        if self.adds(&spec.axes) {
            return None;
        }
        let to = &self.view(tail.stored);
        let beside: Vec<View> = tail.steps.iter().filter_map(|t| t.operand()).map(|x| self.view(*x)).collect();
        let classes = self.classes(spec, *a, *b, to, &beside);
        let then: Vec<_> = tail
            .steps
            .iter()
            .map(|t| t.map(|x| Operand::new(self.ptr(&self.view(*x)), self.stride(&self.view(*x), Dim::Lane) == 1)))
            .collect();
        let (pa, pb) = (self.ptr(&self.view(*a)), self.ptr(&self.view(*b)));
        let target = Target::Memory(self.ptr(to), false);
        let (in_a, in_b) = (self.spread(*a), self.spread(*b));
        let counts = Counts { a: in_a.as_deref(), b: in_b.as_deref(), c: None };
        Product::with_tail(&pa, &pb, &target, &classes, &then, counts, &mut self.packs.borrow_mut()).map(Step::Product)
    }

    /// Which entries of a value may differ from zero, if it was spread from pairs.
    fn spread(&self, v: ValueId) -> Option<Box<dyn Fn(usize) -> bool>> {
        let Op::Spread(pairing, _) = &self.plan.program.node(v).op else { return None };
        self.paired(pairing, v, &self.view(v))
    }

    /// Which entries of a value somebody reads, if all its readers pick the same pairs.
    fn picked(&self, v: ValueId, to: &View) -> Option<Box<dyn Fn(usize) -> bool>> {
        self.paired(picked(&self.plan.program, v)?, v, to)
    }

    /// Whether the entry at an offset of a view belongs to a pair.
    fn paired(&self, pairing: &Pairing, v: ValueId, view: &View) -> Option<Box<dyn Fn(usize) -> bool>> {
        let dims = self.dims(self.ty(v));
        if self.strip.is_some() || dims.iter().any(|(d, _)| *d == Dim::Lane) {
            return None;
        }
        let mut steps: Vec<(usize, usize, Option<usize>)> = dims
            .iter()
            .map(|(d, n)| (self.stride(view, *d), *n, pairing.axes.iter().position(|a| *d == Dim::Axis(*a))))
            .filter(|(_, n, _)| *n > 1)
            .collect();
        steps.sort_unstable_by_key(|step| std::cmp::Reverse(step.0));
        // The entries lie without gaps and overlaps, so that an offset tells the indices.
        let mut expected = 1;
        for (stride, size, _) in steps.iter().rev() {
            if *stride != expected {
                return None;
            }
            expected *= size;
        }
        let rows = pairing.rows.clone();
        Some(Box::new(move |mut at| {
            let mut index = [0, 0];
            for (stride, _, axis) in &steps {
                if let Some(axis) = axis {
                    index[*axis] = at / stride;
                }
                at %= stride;
            }
            let (start, length) = rows[index[0]];
            (start..start + length).contains(&index[1])
        }))
    }

    /// The dimensions of a contraction into `to`, with strides of what stands beside the result.
    fn classes(&self, spec: &Contraction, a: ValueId, b: ValueId, to: &View, beside: &[View]) -> Classes {
        let (ta, tb) = (self.ty(a), self.ty(b));
        let (va, vb) = (&self.view(a), &self.view(b));
        let more = beside.len();
        let mut classes = Classes {
            batch: Class::new(3),
            rows: Class::new(2 + more),
            columns: Class::new(2 + more),
            summed: Class::new(2),
        };
        let mut push = |size, in_a: Option<usize>, in_b: Option<usize>, out: Option<Dim>| {
            let result = |factor: usize, d: Dim| -> Vec<usize> {
                let beside = beside.iter().map(|view| self.stride(view, d));
                [factor, self.stride(to, d)].into_iter().chain(beside).collect()
            };
            match (in_a, in_b, out) {
                (Some(x), Some(y), Some(d)) => classes.batch.push(size, &[x, y, self.stride(to, d)]),
                (Some(x), None, Some(d)) => classes.rows.push(size, &result(x, d)),
                (None, Some(y), Some(d)) => classes.columns.push(size, &result(y, d)),
                (Some(x), Some(y), None) => classes.summed.push(size, &[x, y]),
                _ => unreachable!("one-sided sums are taken before the product"),
            }
        };
        let mut axes: Vec<_> = ta.axes.iter().chain(&tb.axes).copied().collect();
        axes.sort_unstable();
        axes.dedup();
        // Lanes last.
        axes.sort_by_key(|x| Some(*x) == self.tile);
        let tiled = self.tile.filter(|t| axes.contains(t));
        for x in axes.iter().filter(|x| Some(**x) != tiled) {
            let d = Dim::Axis(*x);
            push(
                self.axis_size(*x),
                ta.varies(*x).then(|| self.stride(va, d)),
                tb.varies(*x).then(|| self.stride(vb, d)),
                (!spec.axes.contains(x)).then_some(d),
            );
        }
        let mut labels: Vec<_> = spec.a.iter().chain(&spec.b).copied().collect();
        labels.sort_unstable();
        labels.dedup();
        for l in labels {
            let at = |side: &[u8]| side.iter().position(|x| *x == l).map(Dim::Shape);
            let (x, y, z) = (at(&spec.a), at(&spec.b), at(&spec.out));
            let size = |d: Option<Dim>, ty: &Type| match d {
                Some(Dim::Shape(i)) => Some(ty.shape[i]),
                _ => None,
            };
            let size = size(x, ta).or(size(y, tb)).unwrap_or(1);
            push(size, x.map(|d| self.stride(va, d)), y.map(|d| self.stride(vb, d)), z);
        }
        if let Some(t) = tiled {
            push(
                self.width,
                ta.varies(t).then(|| self.stride(va, Dim::Lane)),
                tb.varies(t).then(|| self.stride(vb, Dim::Lane)),
                (!spec.axes.contains(&t)).then_some(Dim::Lane),
            );
        }
        classes
    }
}

#[cfg(test)]
mod tests {
    use crate::backend::cpu::LAYOUT;
    use crate::backend::cpu::block::block;
    use crate::backend::cpu::compile::compile;
    use crate::backend::cpu::outer::suits;
    use crate::graph::{AxisKind, Builder, Draw, Law, Lifetime, Op, Output, Pairing, Type};
    use crate::plan::build;

    /// What a kernel of times t ≤ s discards is not multiplied, and gradients of what it discards are not added up.
    #[test]
    fn products_with_pairs_leave_the_rest_out() {
        if block(64).is_none() || !suits(64) {
            return;
        }
        let mut b = Builder::new();
        let sample = b.axis("sample", 128, AxisKind::Sample);
        let (time, other) = (b.axis("t", 10, AxisKind::Time), b.axis("s", 10, AxisKind::Time));
        let pairs = b.axis("pairs", 55, AxisKind::Index);
        let rows: Vec<_> = (0..10).map(|i| (i, 10 - i)).collect();
        let pairing = Pairing { axes: [time, other], pairs, rows: rows.into() };
        let mut draw = |stream, axes: &[_], shape: &[usize]| {
            let draw = Draw { stream, law: Law::Normal, lifetime: Lifetime::Step, seed: None };
            b.push_typed(Op::Draw(draw), Some(Type::new(axes.iter().copied(), shape)))
        };
        let (kernel, x) = (draw(1, &[pairs], &[20, 20]), draw(2, &[sample, other], &[20]));
        let kernel = b.push(Op::Spread(pairing.clone(), kernel));
        let y = b.contract(kernel, &[0, 1], x, &[1], &[0], &[other]);
        let gradient = b.contract(y, &[0], x, &[1], &[0, 1], &[sample]);
        let gradient = b.push(Op::Pick(pairing, gradient));
        b.program_mut().outputs.push((Output::Gradient(0), gradient));
        let plan = build(&b.finish(), LAYOUT).expect("it is small");
        let steps = format!("{:?}", compile(&plan, [64, 64], false));
        // The last rows of the kernel keep the last columns; the first columns of the gradient are wanted in the first rows.
        assert!(steps.contains("[180, 200]]"), "the product leaves out what is zero: {steps}");
        assert!(steps.contains("kept: [[0, 80], [0, 140], [0, 200], [0, 200]]"), "so does the gradient: {steps}");
    }
}
