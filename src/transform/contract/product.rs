//! Products of two and three factors.

use super::Form;
use crate::graph::{AxisId, Binary, Contraction, Label, Op, Reduction, Unary, ValueId, infer};

/// An index of a product of several factors: an axis, or an element dimension by its label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Index {
    Axis(AxisId),
    Label(Label),
}

/// A factor with the labels of its dimensions.
#[derive(Clone, Debug)]
struct Factor {
    value: ValueId,
    labels: Vec<Label>,
}

/// The factors of `(p·q)·rest`, and the axes that it sums.
#[derive(Clone, Debug)]
struct Three {
    summed: Vec<AxisId>,
    factors: [Factor; 3],
}

impl Three {
    /// `(q·p)·rest`
    fn swapped(&self) -> Self {
        let [p, q, rest] = self.factors.clone();
        Self { summed: self.summed.clone(), factors: [q, p, rest] }
    }

    /// `(p·rest)·q`
    fn turned(&self) -> Self {
        let [p, q, rest] = self.factors.clone();
        Self { summed: self.summed.clone(), factors: [p, rest, q] }
    }
}

impl Form<'_> {
    pub(super) fn multiply(&mut self, x: ValueId, y: ValueId) -> ValueId {
        for (n, other) in [(x, y), (y, x)] {
            if let Op::Unary(Unary::Negate, n) = *self.op(n) {
                let p = self.make(Op::Binary(Binary::Multiply, n, other));
                return self.make(Op::Unary(Unary::Negate, p));
            }
        }
        for (k, of) in [(x, y), (y, x)] {
            if let Op::Number(k) = *self.op(k)
                && let Some(new) = self.multiplied(k.value(), of)
            {
                return new;
            }
        }
        for (f, c) in [(x, y), (y, x)] {
            let rank = self.ty(c).shape.len();
            let all: Vec<Label> = (0..rank as Label).collect();
            let own = if self.ty(f).shape.is_empty() { Vec::new() } else { all.clone() };
            // The factor may have the larger shape; then it is no factor of the contraction's operands.
            if own.len() <= rank && self.ty(f).shape.len() <= rank {
                let spec = Contraction { a: all.clone(), b: own, out: all, axes: Vec::new() };
                if let Some(better) = self.reorder(&spec, c, f) {
                    return better;
                }
            }
        }
        self.r.b.mul(x, y)
    }

    /// A product of numbers and something, with a further number: one number.
    fn multiplied(&mut self, k: f64, v: ValueId) -> Option<ValueId> {
        let Some(&Op::Binary(Binary::Multiply, x, y)) = self.only(v) else { return None };
        for (c, of) in [(x, y), (y, x)] {
            if let Op::Number(c) = *self.op(c) {
                let c = self.r.b.number(k * c.value());
                return Some(self.r.b.mul(c, of));
            }
        }
        [(x, y), (y, x)].into_iter().find_map(|(p, q)| {
            let p = self.multiplied(k, p)?;
            Some(self.r.b.mul(p, q))
        })
    }

    pub(super) fn joint_size(&self, x: ValueId, y: ValueId) -> f64 {
        let (tx, ty) = (self.ty(x), self.ty(y));
        let mut joint = tx.clone();
        joint.axes.extend(ty.axes.iter().filter(|a| !tx.varies(**a)));
        if joint.shape.is_empty() {
            joint.shape.clone_from(&ty.shape);
        }
        self.type_size(&joint)
    }

    /// A division by something small is a product with its reciprocal.
    pub(super) fn divide(&mut self, x: ValueId, y: ValueId) -> ValueId {
        let gain = self.size(y) < self.joint_size(x, y) && self.ty(y).shape.len() <= self.ty(x).shape.len();
        let useful =
            matches!(self.only(x), Some(Op::Contract(..) | Op::Binary(Binary::Multiply, ..))) || self.size(y) == 1.0;
        if gain && useful {
            let inverse = self.r.b.unary(Unary::Reciprocal, y);
            return self.make(Op::Binary(Binary::Multiply, inverse, x));
        }
        self.r.b.div(x, y)
    }

    pub(super) fn contract(&mut self, spec: Contraction, x: ValueId, y: ValueId) -> ValueId {
        if let Some(better) = self.without_repetition(&spec, x, y) {
            return better;
        }
        for (eye, labels, other, other_labels) in [(x, &spec.a, y, &spec.b), (y, &spec.b, x, &spec.a)] {
            if let Some(labels) = self.through_identity(&spec, eye, labels, other_labels) {
                let inner = Contraction { a: Vec::new(), b: labels, ..spec };
                return self.rearranged(&inner, other);
            }
        }
        let plain = |l: &[Label]| l.is_empty() || l == spec.out;
        if spec.axes.is_empty() && plain(&spec.a) && plain(&spec.b) && (spec.a == spec.out || spec.b == spec.out) {
            return self.make(Op::Binary(Binary::Multiply, x, y));
        }
        if let Op::Unary(Unary::Negate, n) = *self.op(x) {
            let c = self.make(Op::Contract(spec, n, y));
            return self.make(Op::Unary(Unary::Negate, c));
        }
        if let Op::Unary(Unary::Negate, n) = *self.op(y) {
            let c = self.make(Op::Contract(spec, x, n));
            return self.make(Op::Unary(Unary::Negate, c));
        }
        if let Some(better) = self.reorder(&spec, x, y) {
            return better;
        }
        let swapped = Contraction { a: spec.b.clone(), b: spec.a.clone(), ..spec.clone() };
        if let Some(better) = self.reorder(&swapped, y, x) {
            return better;
        }
        if let Some(better) = self.distribute(&spec, x, y).or_else(|| self.distribute(&swapped, y, x)) {
            return better;
        }
        self.r.b.push(Op::Contract(spec, x, y))
    }

    /// Leaves out a repetition along indices that the other operand has, or that are summed.
    fn without_repetition(&mut self, spec: &Contraction, x: ValueId, y: ValueId) -> Option<ValueId> {
        for (v, other, labels, other_labels) in [(x, y, &spec.a, &spec.b), (y, x, &spec.b, &spec.a)] {
            let Op::Broadcast(of) = *self.op(v) else { continue };
            let (from, to) = (self.ty(of).clone(), self.ty(v).clone());
            let has = |i: Index| match i {
                Index::Axis(a) => self.ty(other).varies(a),
                Index::Label(l) => other_labels.contains(&l),
            };
            let summed = |i: Index| match i {
                Index::Axis(a) => spec.axes.contains(&a),
                Index::Label(l) => !spec.out.contains(&l),
            };
            let scalar = from.shape.is_empty();
            let added: Vec<Index> = (to.axes.iter().filter(|a| !from.varies(**a)).map(|a| Index::Axis(*a)))
                .chain(labels.iter().filter(|_| scalar).map(|l| Index::Label(*l)))
                .collect();
            if added.is_empty() || !added.iter().all(|i| has(*i) || summed(*i)) {
                continue;
            }
            let mut count = 1.0;
            for i in added.iter().filter(|i| !has(**i)) {
                count *= match i {
                    Index::Axis(a) => self.r.b.program().axis(*a).size,
                    Index::Label(l) => to.shape[labels.iter().position(|k| k == l).expect("a label of the operand")],
                } as f64;
            }
            let labels = if scalar { Vec::new() } else { labels.clone() };
            let axes: Vec<AxisId> =
                spec.axes.iter().copied().filter(|a| from.varies(*a) || self.ty(other).varies(*a)).collect();
            let inner = Contraction { a: labels, b: other_labels.clone(), out: spec.out.clone(), axes };
            let c = if from.axes.is_empty() && scalar {
                let s = self.rearranged(&inner, other);
                self.make(Op::Binary(Binary::Multiply, of, s))
            } else {
                self.make(Op::Contract(inner, of, other))
            };
            let count = self.r.b.number(count);
            return Some(self.make(Op::Binary(Binary::Multiply, count, c)));
        }
        None
    }

    /// The labels of the other operand if `eye` is an identity matrix that only renames one of them.
    fn through_identity(
        &self,
        spec: &Contraction,
        eye: ValueId,
        labels: &[Label],
        other: &[Label],
    ) -> Option<Vec<Label>> {
        if !matches!(self.op(eye), Op::Eye(_)) {
            return None;
        }
        let [i, j] = labels else { return None };
        [(i, j), (j, i)].into_iter().find_map(|(gone, new)| {
            let fits =
                other.contains(gone) && !spec.out.contains(gone) && spec.out.contains(new) && !other.contains(new);
            fits.then(|| other.iter().map(|l| if l == gone { *new } else { *l }).collect())
        })
    }

    /// The second operand of a contraction with the number 1.
    fn rearranged(&mut self, spec: &Contraction, v: ValueId) -> ValueId {
        let dims: Vec<usize> = (0..spec.b.len()).filter(|i| !spec.out.contains(&spec.b[*i])).collect();
        let left: Vec<Label> = spec.b.iter().copied().filter(|l| spec.out.contains(l)).collect();
        let s = if dims.is_empty() && spec.axes.is_empty() {
            v
        } else {
            self.make(Op::Reduce(Reduction::Sum, spec.axes.clone(), dims, v))
        };
        let place = |l: &Label| left.iter().position(|k| k == l).expect("labels of the result are in the operand");
        self.r.b.push(Op::Transpose(spec.out.iter().map(place).collect(), s))
    }

    /// The factors of a value, and among how many users the cost of their product is shared. A contraction that others
    /// use too is no product here: it would be made again.
    fn factors(&self, v: ValueId) -> Option<(Contraction, ValueId, ValueId, f64)> {
        if let Some((spec, a, b)) = self.contraction(v) {
            return Some((spec, a, b, 1.0));
        }
        let Op::Binary(Binary::Multiply, a, b) = *self.op(v) else { return None };
        let all: Vec<Label> = (0..self.ty(v).shape.len() as Label).collect();
        let own = |x: ValueId| if self.ty(x).shape.is_empty() { Vec::new() } else { all.clone() };
        let spec = Contraction { a: own(a), b: own(b), out: all.clone(), axes: Vec::new() };
        let users = self.uses.get(&v).map_or(1, |n| (*n).max(1));
        Some((spec, a, b, users as f64))
    }

    /// `(a·b)·f` as `(a·f)·b` or `a·(b·f)`, where `x = a·b`, if that is cheaper.
    fn reorder(&mut self, spec: &Contraction, x: ValueId, y: ValueId) -> Option<ValueId> {
        let (inner, a, b, users) = self.factors(x)?;
        let three = self.three(spec, &inner, (a, b), y)?;
        let now = self.in_turn(&three, spec, users);
        let (first, second) =
            (self.in_turn(&three.turned(), spec, 1.0), self.in_turn(&three.swapped().turned(), spec, 1.0));
        if first.min(second) >= now {
            return None;
        }
        let left = first < second || (first == second && self.size(a) <= self.size(b));
        let Three { summed, factors: [fa, fb, fy] } = three;
        let (p, rest) = if left { (fa, fb) } else { (fb, fa) };
        Some(self.in_order(spec, &summed, (&p, &fy), &rest))
    }

    /// The factors of `(a·b)·y` under labels that they share, unless `y` varies over what `a·b` has summed.
    fn three(&self, spec: &Contraction, inner: &Contraction, (a, b): (ValueId, ValueId), y: ValueId) -> Option<Three> {
        if inner.axes.iter().any(|i| self.ty(y).varies(*i)) {
            return None;
        }
        let mut used: Vec<Label> = spec.a.iter().chain(&spec.b).copied().collect();
        let mut names: Vec<(Label, Label)> = inner.out.iter().copied().zip(spec.a.iter().copied()).collect();
        let mut named = |labels: &[Label]| -> Vec<Label> {
            labels
                .iter()
                .map(|l| {
                    if let Some((_, new)) = names.iter().find(|(old, _)| old == l) {
                        return *new;
                    }
                    let new = (0..Label::MAX).find(|k| !used.contains(k)).expect("few labels are in use");
                    used.push(new);
                    names.push((*l, new));
                    new
                })
                .collect()
        };
        let fa = Factor { value: a, labels: named(&inner.a) };
        let fb = Factor { value: b, labels: named(&inner.b) };
        let fy = Factor { value: y, labels: spec.b.clone() };
        let mut summed = inner.axes.clone();
        summed.extend(&spec.axes);
        Some(Three { summed, factors: [fa, fb, fy] })
    }

    /// What `(p·q)·rest` costs if `p·q` is shared by so many users.
    fn in_turn(&self, three: &Three, spec: &Contraction, users: f64) -> f64 {
        let [p, q, rest] = &three.factors;
        let both = union(&self.indices(p), &self.indices(q));
        let last = self.indices(rest);
        let kept: Vec<Index> =
            both.iter().copied().filter(|i| last.contains(i) || survives(*i, spec, &three.summed)).collect();
        let size = |all: &[Index]| -> f64 { all.iter().map(|i| self.extent(*i, &[p, q, rest]) as f64).product() };
        let pair = (size(&both) + size(&kept)) / users * self.turns_of(&[p.value, q.value]);
        pair + size(&union(&kept, &last)) * self.turns_of(&[p.value, q.value, rest.value])
    }

    /// The product of a pair first, then with the rest.
    fn in_order(
        &mut self,
        spec: &Contraction,
        summed: &[AxisId],
        (p, q): (&Factor, &Factor),
        rest: &Factor,
    ) -> ValueId {
        let kept = |l: &Label| rest.labels.contains(l) || spec.out.contains(l);
        let mut out: Vec<Label> = p.labels.iter().copied().filter(kept).collect();
        out.extend(q.labels.iter().copied().filter(|l| kept(l) && !p.labels.contains(l)));
        let varies = |f: &Factor, a: AxisId| self.ty(f.value).varies(a);
        let (early, late): (Vec<AxisId>, Vec<AxisId>) =
            summed.iter().partition(|a| !varies(rest, **a) && (varies(p, **a) || varies(q, **a)));
        let pair = self.pair(p, q, out.clone(), early);
        self.pair(&Factor { value: pair, labels: out }, rest, spec.out.clone(), late)
    }

    /// A contraction, or a plain product where nothing is summed or moved.
    fn pair(&mut self, p: &Factor, q: &Factor, out: Vec<Label>, mut axes: Vec<AxisId>) -> ValueId {
        axes.sort_unstable();
        let plain = |f: &Factor| f.labels.is_empty() || f.labels == out;
        if axes.is_empty() && plain(p) && plain(q) && (p.labels == out || q.labels == out) {
            return self.make(Op::Binary(Binary::Multiply, p.value, q.value));
        }
        let spec = Contraction { a: p.labels.clone(), b: q.labels.clone(), out, axes };
        self.make(Op::Contract(spec, p.value, q.value))
    }

    /// `(p ± q ± …)·f` as `p·f ± q·f ± …`, where a contraction among the summands need not be made then; others leave the
    /// sum too if that is cheaper. Without one it stays: a difference of what is nearly the same is taken before products.
    fn distribute(&mut self, spec: &Contraction, x: ValueId, y: ValueId) -> Option<ValueId> {
        let mut summands = Vec::new();
        self.leaves(x, false, &mut summands);
        let promises = summands.len() > 1 && summands.iter().any(|(v, _)| self.holds_contraction(*v));
        if !promises || spec.axes.iter().any(|a| !self.ty(y).varies(*a)) {
            return None;
        }
        // In the sum, a summand costs itself and an addition there; apart, its product and an addition to the result.
        let saved = self.size(x) * self.turns_of(&[x]) - self.result(spec, x, y);
        let gains: Vec<f64> = summands
            .iter()
            .map(|(v, _)| {
                let fits = self.ty(*v).shape == self.ty(x).shape;
                if fits { saved + self.making(*v) - self.apart(spec, *v, y) } else { f64::NEG_INFINITY }
            })
            .collect();
        let some: f64 = gains.iter().filter(|g| **g > 0.0).sum();
        let all = gains.iter().sum::<f64>() + self.joint_contraction(spec, x, y) - saved > some;
        let (out, within): (Vec<_>, Vec<_>) = summands.into_iter().zip(gains).partition(|(_, gain)| all || *gain > 0.0);
        let bare =
            |all: Vec<((ValueId, bool), f64)>| -> Vec<(ValueId, bool)> { all.into_iter().map(|s| s.0).collect() };
        let (mut parts, within) = (bare(out), bare(within));
        if parts.is_empty() {
            return None;
        }
        if !within.is_empty() {
            let rest = self.total(&within);
            if self.ty(rest).shape != self.ty(x).shape {
                return None;
            }
            parts.insert(0, (rest, false));
        }
        for (v, _) in &mut parts {
            *v = self.make(Op::Contract(spec.clone(), *v, y));
        }
        Some(self.total(&parts))
    }

    /// What the product of a summand with a factor costs, itself included, in the cheapest order.
    fn apart(&self, spec: &Contraction, v: ValueId, y: ValueId) -> f64 {
        let whole = self.making(v) + self.joint_contraction(spec, v, y);
        let three = self.contraction(v).and_then(|(inner, a, b)| self.three(spec, &inner, (a, b), y));
        match three {
            Some(t) => {
                let (first, second) =
                    (self.in_turn(&t.turned(), spec, 1.0), self.in_turn(&t.swapped().turned(), spec, 1.0));
                whole.min(first).min(second)
            }
            None => whole,
        }
    }

    /// What it costs to make a contraction; nothing for what is there anyway.
    fn making(&self, v: ValueId) -> f64 {
        match self.contraction(v) {
            Some((inner, a, b)) => self.joint_contraction(&inner, a, b),
            None => 0.0,
        }
    }

    fn joint_contraction(&self, spec: &Contraction, x: ValueId, y: ValueId) -> f64 {
        let (fx, fy) = (Factor { value: x, labels: spec.a.clone() }, Factor { value: y, labels: spec.b.clone() });
        let all = union(&self.indices(&fx), &self.indices(&fy));
        let size: f64 = all.iter().map(|i| self.extent(*i, &[&fx, &fy]) as f64).product();
        size * self.turns_of(&[x, y])
    }

    /// The entries of a contraction that are written, over all turns.
    fn result(&self, spec: &Contraction, x: ValueId, y: ValueId) -> f64 {
        let entries =
            infer(self.r.b.program(), &Op::Contract(spec.clone(), x, y), None).map_or(0.0, |ty| self.type_size(&ty));
        entries * self.turns_of(&[x, y])
    }

    fn indices(&self, f: &Factor) -> Vec<Index> {
        let axes = self.ty(f.value).axes.iter().map(|a| Index::Axis(*a));
        axes.chain(f.labels.iter().map(|l| Index::Label(*l))).collect()
    }

    fn extent(&self, i: Index, factors: &[&Factor]) -> usize {
        match i {
            Index::Axis(a) => self.r.b.program().axis(a).size,
            Index::Label(l) => factors
                .iter()
                .find_map(|f| f.labels.iter().position(|k| *k == l).map(|p| self.ty(f.value).shape[p]))
                .expect("a label stems from a factor"),
        }
    }
}

fn union(x: &[Index], y: &[Index]) -> Vec<Index> {
    x.iter().copied().chain(y.iter().copied().filter(|i| !x.contains(i))).collect()
}

fn survives(i: Index, spec: &Contraction, summed: &[AxisId]) -> bool {
    match i {
        Index::Axis(a) => !summed.contains(&a),
        Index::Label(l) => spec.out.contains(&l),
    }
}
