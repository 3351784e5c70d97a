//! Sums over axes and dimensions, and sums of contractions.

use super::Form;
use crate::graph::{AxisId, Binary, Contraction, Label, Op, Reduction, Type, Unary, ValueId};

impl Form<'_> {
    /// `Σ x` over axes and dimensions, taken into what `x` is.
    pub(super) fn sum(&mut self, axes: &[AxisId], dims: &[usize], x: ValueId) -> ValueId {
        let plain = |f: &mut Self| f.r.b.sum(x, axes, dims);
        let Some(op) = self.only(x).cloned() else { return plain(self) };
        let reduce = |of: ValueId| Op::Reduce(Reduction::Sum, axes.to_vec(), dims.to_vec(), of);
        match op {
            Op::Unary(Unary::Negate, y) => {
                let s = self.make(reduce(y));
                self.make(Op::Unary(Unary::Negate, s))
            }
            Op::Binary(Binary::Multiply, p, q) => {
                for (f, of) in [(p, q), (q, p)] {
                    if self.passes(f, axes, dims) {
                        let s = self.make(reduce(of));
                        return self.make(Op::Binary(Binary::Multiply, f, s));
                    }
                }
                let rank = self.ty(x).shape.len() as Label;
                let labels = |v: ValueId| if self.ty(v).shape.is_empty() { Vec::new() } else { (0..rank).collect() };
                let out = (0..rank).filter(|l| !dims.contains(&usize::from(*l))).collect();
                let spec = Contraction { a: labels(p), b: labels(q), out, axes: axes.to_vec() };
                self.make(Op::Contract(spec, p, q))
            }
            Op::Binary(Binary::Divide, p, q) if self.passes(q, axes, dims) => {
                let s = self.make(reduce(p));
                self.make(Op::Binary(Binary::Divide, s, q))
            }
            Op::Contract(mut spec, p, q) => {
                spec.out = spec.out.iter().enumerate().filter(|(i, _)| !dims.contains(i)).map(|(_, l)| *l).collect();
                spec.axes.extend(axes);
                spec.axes.sort_unstable();
                self.make(Op::Contract(spec, p, q))
            }
            Op::Reduce(Reduction::Sum, inner_axes, inner_dims, y) => {
                let left: Vec<usize> = (0..self.ty(y).shape.len()).filter(|d| !inner_dims.contains(d)).collect();
                let mut all: Vec<usize> = dims.iter().map(|d| left[*d]).chain(inner_dims).collect();
                all.sort_unstable();
                let mut all_axes = [axes, &inner_axes[..]].concat();
                all_axes.sort_unstable();
                self.make(Op::Reduce(Reduction::Sum, all_axes, all, y))
            }
            Op::Broadcast(y) if self.ty(y).shape == self.ty(x).shape => {
                let (varying, fixed): (Vec<AxisId>, Vec<AxisId>) = axes.iter().partition(|a| self.ty(y).varies(**a));
                let count: f64 = fixed.iter().map(|a| self.r.b.program().axis(*a).size as f64).product();
                let whole = self.ty(x).clone();
                let shape = whole.shape.iter().enumerate().filter(|(i, _)| !dims.contains(i)).map(|(_, n)| *n);
                let ty = Type::new(whole.axes.iter().copied().filter(|a| !axes.contains(a)), shape.collect::<Vec<_>>());
                let s = if varying.is_empty() && dims.is_empty() {
                    y
                } else {
                    self.make(Op::Reduce(Reduction::Sum, varying, dims.to_vec(), y))
                };
                let count = self.r.b.number(count);
                let s = self.make(Op::Binary(Binary::Multiply, count, s));
                self.r.b.broadcast(s, ty)
            }
            _ => plain(self),
        }
    }

    /// Whether a factor is constant along what is summed.
    fn passes(&self, factor: ValueId, axes: &[AxisId], dims: &[usize]) -> bool {
        let t = self.ty(factor);
        axes.iter().all(|a| !t.varies(*a)) && (t.shape.is_empty() || dims.is_empty())
    }

    pub(super) fn add(&mut self, x: ValueId, y: ValueId) -> ValueId {
        if let Some(Op::Unary(Unary::Negate, n)) = self.only(y).cloned() {
            return self.make(Op::Binary(Binary::Subtract, x, n));
        }
        if let Some(Op::Unary(Unary::Negate, n)) = self.only(x).cloned() {
            return self.make(Op::Binary(Binary::Subtract, y, n));
        }
        if let Some(merged) = self.absorb(x, y, false).or_else(|| self.absorb(y, x, false)) {
            return merged;
        }
        self.r.b.add(x, y)
    }

    pub(super) fn subtract(&mut self, x: ValueId, y: ValueId) -> ValueId {
        if let Some(Op::Unary(Unary::Negate, n)) = self.only(y).cloned() {
            return self.make(Op::Binary(Binary::Add, x, n));
        }
        if let Some(Op::Unary(Unary::Negate, n)) = self.only(x).cloned() {
            let s = self.make(Op::Binary(Binary::Add, n, y));
            return self.make(Op::Unary(Unary::Negate, s));
        }
        if let Some(merged) = self.absorb(x, y, true) {
            return merged;
        }
        self.r.b.sub(x, y)
    }

    /// `sum ± term`, with the term taken into a contraction among the summands that has an operand in common with it.
    fn absorb(&mut self, sum: ValueId, term: ValueId, minus: bool) -> Option<ValueId> {
        let (spec, a, c) = self.contraction(term)?;
        match self.only(sum)?.clone() {
            Op::Contract(other, p, q) => self.merged((other, p, q), (spec, a, c), minus),
            Op::Binary(f @ (Binary::Add | Binary::Subtract), p, q) => {
                // Merging is only worth while if the types stay what they are.
                let flipped = minus != (f == Binary::Subtract);
                if let Some(p) = self.absorb(p, term, minus) {
                    return Some(self.make(Op::Binary(f, p, q)));
                }
                let q = self.absorb(q, term, flipped)?;
                Some(self.make(Op::Binary(f, p, q)))
            }
            _ => None,
        }
    }

    /// `A·x ± A·y = A·(x ± y)`, where factors that were moved to `A` may be moved back.
    fn merged(
        &mut self,
        (first, a, x): (Contraction, ValueId, ValueId),
        (second, c, y): (Contraction, ValueId, ValueId),
        minus: bool,
    ) -> Option<ValueId> {
        let swap = |s: &Contraction| Contraction { a: s.b.clone(), b: s.a.clone(), ..s.clone() };
        for (s, a, x) in [(&first, a, x), (&swap(&first), x, a)] {
            for (t, c, y) in [(&second, c, y), (&swap(&second), y, c)] {
                if !same_up_to_labels(s, t) {
                    continue;
                }
                let ((fa, a), (fc, c)) =
                    if a == c { ((None, a), (None, c)) } else { (self.base(a, x), self.base(c, y)) };
                if a != c || self.ty(x) != self.ty(y) {
                    continue;
                }
                let mut scaled = |f: Option<ValueId>, v: ValueId| match f {
                    Some(f) => self.make(Op::Binary(Binary::Multiply, f, v)),
                    None => v,
                };
                let (x, y) = (scaled(fa, x), scaled(fc, y));
                let sum = if minus { Binary::Subtract } else { Binary::Add };
                let sum = self.make(Op::Binary(sum, x, y));
                return Some(self.make(Op::Contract(s.clone(), a, sum)));
            }
        }
        None
    }

    /// A factor of `v` that might as well stand at `other`, and what is left.
    fn base(&self, v: ValueId, other: ValueId) -> (Option<ValueId>, ValueId) {
        if let Op::Binary(Binary::Multiply, p, q) = self.op(v) {
            for (f, rest) in [(*p, *q), (*q, *p)] {
                let t = self.ty(f);
                let fits = t.shape.is_empty() && t.axes.iter().all(|a| self.ty(other).varies(*a));
                if fits && self.ty(rest) == self.ty(v) {
                    return (Some(f), rest);
                }
            }
        }
        (None, v)
    }
}

/// Whether two contractions differ in the names of labels alone.
fn same_up_to_labels(s: &Contraction, t: &Contraction) -> bool {
    let canonical = |c: &Contraction| -> Vec<Option<usize>> {
        let mut seen: Vec<Label> = Vec::new();
        let mut out = Vec::new();
        for part in [&c.a, &c.b, &c.out] {
            for l in part {
                let place = seen.iter().position(|k| k == l).unwrap_or_else(|| {
                    seen.push(*l);
                    seen.len() - 1
                });
                out.push(Some(place));
            }
            out.push(None);
        }
        out
    };
    s.axes == t.axes && canonical(s) == canonical(t)
}
