//! Sums over axes and dimensions, and sums of contractions.

use super::Form;
use crate::graph::{AxisId, Binary, Contraction, Label, Op, Reduction, Type, Unary, ValueId};

impl Form<'_> {
    /// `Σ x` over axes and dimensions, taken into what `x` is.
    pub(super) fn sum(&mut self, axes: &[AxisId], dims: &[usize], x: ValueId) -> ValueId {
        let plain = |f: &mut Self| f.r.b.sum(x, axes, dims);
        let op = self.op(x).clone();
        if !self.single(x) && !matches!(op, Op::Unary(Unary::Negate, _)) {
            return plain(self);
        }
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
                for (f, of) in [(p, q), (q, p)] {
                    if let Some((sum, left, right)) = self.summands(of) {
                        let mut part = |v: ValueId| {
                            let product = self.make(Op::Binary(Binary::Multiply, f, v));
                            self.make(reduce(product))
                        };
                        let (left, right) = (part(left), part(right));
                        return self.make(Op::Binary(sum, left, right));
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
            Op::Binary(Binary::Add | Binary::Subtract, ..) => match self.summands(x) {
                Some((sum, left, right)) => {
                    let (left, right) = (self.make(reduce(left)), self.make(reduce(right)));
                    self.make(Op::Binary(sum, left, right))
                }
                None => plain(self),
            },
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

    /// The summands of a sum, if one of them is a contraction into which a further sum can be taken.
    fn summands(&self, v: ValueId) -> Option<(Binary, ValueId, ValueId)> {
        let Op::Binary(f @ (Binary::Add | Binary::Subtract), p, q) = *self.only(v)? else { return None };
        let same = self.ty(p) == self.ty(v) && self.ty(q) == self.ty(v);
        (same && (self.holds_contraction(p) || self.holds_contraction(q))).then_some((f, p, q))
    }

    pub(super) fn holds_contraction(&self, v: ValueId) -> bool {
        match self.only(v) {
            Some(Op::Contract(..)) => true,
            Some(Op::Unary(Unary::Negate, x)) => self.holds_contraction(*x),
            Some(Op::Binary(Binary::Multiply | Binary::Add | Binary::Subtract, x, y)) => {
                self.holds_contraction(*x) || self.holds_contraction(*y)
            }
            _ => false,
        }
    }

    /// Whether a factor is constant along what is summed.
    fn passes(&self, factor: ValueId, axes: &[AxisId], dims: &[usize]) -> bool {
        let t = self.ty(factor);
        axes.iter().all(|a| !t.varies(*a)) && (t.shape.is_empty() || dims.is_empty())
    }

    pub(super) fn add(&mut self, x: ValueId, y: ValueId) -> ValueId {
        if x == y {
            let two = self.r.b.number(2.0);
            return self.make(Op::Binary(Binary::Multiply, two, x));
        }
        if let Op::Unary(Unary::Negate, n) = *self.op(y) {
            return self.make(Op::Binary(Binary::Subtract, x, n));
        }
        if let Op::Unary(Unary::Negate, n) = *self.op(x) {
            return self.make(Op::Binary(Binary::Subtract, y, n));
        }
        if let Some(merged) = self.joined(x, y, false) {
            return merged;
        }
        // What fewer share is added first.
        if let Some(Op::Binary(Binary::Add, p, q)) = self.only(x).cloned() {
            for (p, q) in [(p, q), (q, p)] {
                if self.ty(p) == self.ty(x)
                    && self.ty(q).shape == self.ty(y).shape
                    && self.joint_size(q, y) < self.size(x)
                {
                    let first = self.r.b.add(q, y);
                    return self.r.b.add(p, first);
                }
            }
        }
        self.r.b.add(x, y)
    }

    pub(super) fn subtract(&mut self, x: ValueId, y: ValueId) -> ValueId {
        if let Op::Unary(Unary::Negate, n) = *self.op(y) {
            return self.make(Op::Binary(Binary::Add, x, n));
        }
        if let Op::Unary(Unary::Negate, n) = *self.op(x) {
            let s = self.make(Op::Binary(Binary::Add, n, y));
            return self.make(Op::Unary(Unary::Negate, s));
        }
        match self.joined(x, y, true) {
            Some(merged) => merged,
            None => self.r.b.sub(x, y),
        }
    }

    /// `x ± y`, where contractions among the summands of `x` and of `y` that have an operand in common become one.
    fn joined(&mut self, x: ValueId, y: ValueId, minus: bool) -> Option<ValueId> {
        let (mut all, mut others) = (Vec::new(), Vec::new());
        self.leaves(x, false, &mut all);
        self.leaves(y, minus, &mut others);
        let mut merged = false;
        for (v, minus) in others {
            let found = self.term(v).and_then(|second| {
                all.iter().enumerate().find_map(|(i, (w, sign))| {
                    let first = self.term(*w)?;
                    Some((i, self.merged(&first, &second, minus != *sign)?))
                })
            });
            match found {
                Some((i, sum)) => {
                    all[i].0 = sum;
                    merged = true;
                }
                None => all.push((v, minus)),
            }
        }
        if !merged {
            return None;
        }
        Some(self.total(&all))
    }

    /// A sum, of values each with whether it is subtracted.
    pub(super) fn total(&mut self, all: &[(ValueId, bool)]) -> ValueId {
        let mut all = all.to_vec();
        all.sort_by_key(|(_, minus)| *minus);
        let (first, minus) = all[0];
        let mut sum = if minus { self.r.b.neg(first) } else { first };
        for (v, minus) in &all[1..] {
            let f = if *minus { Binary::Subtract } else { Binary::Add };
            sum = self.make(Op::Binary(f, sum, *v));
        }
        sum
    }

    /// The summands of a value, each with whether it is subtracted.
    pub(super) fn leaves(&self, v: ValueId, minus: bool, into: &mut Vec<(ValueId, bool)>) {
        match self.only(v) {
            Some(Op::Unary(Unary::Negate, x)) => self.leaves(*x, !minus, into),
            Some(Op::Binary(f @ (Binary::Add | Binary::Subtract), p, q)) => {
                self.leaves(*p, minus, into);
                self.leaves(*q, minus != (*f == Binary::Subtract), into);
            }
            _ => into.push((v, minus)),
        }
    }

    /// A contraction, or a multiple of one.
    fn term(&self, v: ValueId) -> Option<Term> {
        if let Some((spec, a, b)) = self.contraction(v) {
            return Some(Term { spec, a, b, scale: None });
        }
        let Op::Binary(Binary::Multiply, p, q) = *self.only(v)? else { return None };
        [(p, q), (q, p)].into_iter().find_map(|(k, c)| {
            let (spec, a, b) = self.contraction(c).filter(|_| *self.ty(k) == Type::SCALAR)?;
            Some(Term { spec, a, b, scale: Some(k) })
        })
    }

    /// `A·x ± A·y = A·(x ± y)`, where factors that were moved to `A` may be moved back.
    fn merged(&mut self, first: &Term, second: &Term, minus: bool) -> Option<ValueId> {
        for s in [first, &first.swapped()] {
            for t in [second, &second.swapped()] {
                if !same_up_to_labels(&s.spec, &t.spec) || self.ty(s.b) != self.ty(t.b) {
                    continue;
                }
                let Some((a, fs, ft)) = self.in_common((s.a, s.b), (t.a, t.b)) else { continue };
                let mut scaled = |term: &Term, factors: Vec<ValueId>| {
                    let all = factors.into_iter().chain(term.scale);
                    all.fold(term.b, |v, k| self.make(Op::Binary(Binary::Multiply, k, v)))
                };
                let (x, y) = (scaled(s, fs), scaled(t, ft));
                let sum = if minus { Binary::Subtract } else { Binary::Add };
                let sum = self.make(Op::Binary(sum, x, y));
                return Some(self.make(Op::Contract(s.spec.clone(), a, sum)));
            }
        }
        None
    }

    /// What two first operands have in common, and the factors of each that have to stand at its second operand then.
    fn in_common(
        &mut self,
        (a, x): (ValueId, ValueId),
        (c, y): (ValueId, ValueId),
    ) -> Option<(ValueId, Vec<ValueId>, Vec<ValueId>)> {
        if a == c {
            return Some((a, Vec::new(), Vec::new()));
        }
        let (mut of_a, mut of_c) = (Vec::new(), Vec::new());
        self.split(a, 4, &mut of_a);
        self.split(c, 4, &mut of_c);
        let mut common = Vec::new();
        of_a.retain(|f| match of_c.iter().position(|g| g == f) {
            Some(place) => {
                common.push(of_c.remove(place));
                false
            }
            None => true,
        });
        let whole = if of_a.is_empty() {
            a
        } else if of_c.is_empty() {
            c
        } else {
            let (first, rest) = common.split_first()?;
            rest.iter().fold(*first, |p, f| self.r.b.mul(p, *f))
        };
        let same = self.ty(whole) == self.ty(a) && self.ty(whole) == self.ty(c);
        let fits = |f: &ValueId, other: ValueId| {
            let t = self.ty(*f);
            t.shape.is_empty() && t.axes.iter().all(|i| self.ty(other).varies(*i))
        };
        (same && of_a.iter().all(|f| fits(f, x)) && of_c.iter().all(|f| fits(f, y))).then_some((whole, of_a, of_c))
    }

    /// The factors of a product.
    fn split(&self, v: ValueId, depth: usize, into: &mut Vec<ValueId>) {
        match self.op(v) {
            Op::Binary(Binary::Multiply, p, q) if depth > 0 => {
                self.split(*p, depth - 1, into);
                self.split(*q, depth - 1, into);
            }
            _ => into.push(v),
        }
    }
}

/// `scale · Σ a·b`
#[derive(Clone)]
struct Term {
    spec: Contraction,
    a: ValueId,
    b: ValueId,
    scale: Option<ValueId>,
}

impl Term {
    fn swapped(&self) -> Self {
        let spec = Contraction { a: self.spec.b.clone(), b: self.spec.a.clone(), ..self.spec.clone() };
        Self { spec, a: self.b, b: self.a, scale: self.scale }
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
