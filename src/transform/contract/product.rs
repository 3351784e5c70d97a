//! Products of two and three factors.

use super::Form;
use crate::graph::{AxisId, Binary, Contraction, Label, Op, Reduction, Unary, ValueId};

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

impl Form<'_> {
    pub(super) fn multiply(&mut self, x: ValueId, y: ValueId) -> ValueId {
        for (n, other) in [(x, y), (y, x)] {
            if let Op::Unary(Unary::Negate, n) = *self.op(n) {
                let p = self.make(Op::Binary(Binary::Multiply, n, other));
                return self.make(Op::Unary(Unary::Negate, p));
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

    fn joint_size(&self, x: ValueId, y: ValueId) -> f64 {
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
        let cost = |p: &Factor, q: &Factor, rest: &Factor, users: f64| {
            let both = union(&self.indices(p), &self.indices(q));
            let rest = self.indices(rest);
            let kept: Vec<Index> =
                both.iter().copied().filter(|i| rest.contains(i) || survives(*i, spec, &summed)).collect();
            let size =
                |all: &[Index]| -> f64 { all.iter().map(|i| self.extent(*i, &[&fa, &fb, &fy]) as f64).product() };
            (size(&both) + size(&kept)) / users + size(&union(&kept, &rest))
        };
        let now = cost(&fa, &fb, &fy, users);
        let (first, second) = (cost(&fa, &fy, &fb, 1.0), cost(&fb, &fy, &fa, 1.0));
        if first.min(second) >= now {
            return None;
        }
        let (p, rest) =
            if first < second || (first == second && self.size(a) <= self.size(b)) { (fa, fb) } else { (fb, fa) };
        Some(self.in_order(spec, &summed, (&p, &fy), &rest))
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

    /// `(p ± q)·f` as `p·f ± q·f`, where `p` or `q` is a contraction that need not be made then.
    fn distribute(&mut self, spec: &Contraction, x: ValueId, y: ValueId) -> Option<ValueId> {
        let Op::Binary(f @ (Binary::Add | Binary::Subtract), p, q) = *self.only(x)? else { return None };
        if self.ty(p).shape != self.ty(q).shape || spec.axes.iter().any(|a| !self.ty(y).varies(*a)) {
            return None;
        }
        let product = |v: ValueId| self.joint_contraction(spec, v, y);
        let now = self.size(x) + product(x) + self.making(p) + self.making(q);
        let mut apart = self.size(x).min(self.type_size(self.ty(y)));
        for v in [p, q] {
            apart += match self.contraction(v) {
                Some((inner, a, b)) => self.best_pair(&inner, spec, (a, b), y).min(self.making(v) + product(v)),
                None => self.making(v) + product(v),
            };
        }
        if apart >= now {
            return None;
        }
        let (p, q) = (self.make(Op::Contract(spec.clone(), p, y)), self.make(Op::Contract(spec.clone(), q, y)));
        Some(self.make(Op::Binary(f, p, q)))
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
        all.iter().map(|i| self.extent(*i, &[&fx, &fy]) as f64).product()
    }

    /// A bound on the cost of `a·(b·y)` or `b·(a·y)`: both products, each over what its operands vary over.
    fn best_pair(&self, inner: &Contraction, spec: &Contraction, (a, b): (ValueId, ValueId), y: ValueId) -> f64 {
        if inner.axes.iter().any(|i| self.ty(y).varies(*i)) {
            return f64::INFINITY;
        }
        let summed: f64 = spec.b.iter().filter(|l| !spec.out.contains(l)).count() as f64;
        if summed == 0.0 {
            return f64::INFINITY;
        }
        // A matrix product followed by a vector: each matrix meets the vector alone.
        let alone = |v: ValueId| {
            let mut ty = self.ty(v).clone();
            ty.axes.extend(self.ty(y).axes.iter().filter(|i| !self.ty(v).varies(**i)));
            self.type_size(&ty)
        };
        alone(a) + alone(b)
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
