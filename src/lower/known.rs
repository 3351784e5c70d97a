//! What the graph tells of a value before the run: the entries of an array, and what it is worked out from.

use std::collections::{BTreeSet, HashMap};

use crate::graph::{Builder, Contraction, Op, Reduction, ValueId, eval_binary, eval_unary};

/// The entries of a value, row by row; none where they depend on a draw, a parameter or an axis, or where machines may
/// differ in them.
pub(super) fn entries(b: &Builder, v: ValueId) -> Option<Vec<f64>> {
    Known { b, found: HashMap::new() }.entries(v)
}

/// Whether what is detached counts as worked out from what it is a copy of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Detached {
    Counts,
    DoesNotCount,
}

/// Whether a value is worked out from another.
pub(super) fn rests_on(b: &Builder, v: ValueId, from: ValueId, detached: Detached) -> bool {
    let mut open = vec![v];
    let mut seen = BTreeSet::new();
    while let Some(v) = open.pop() {
        if v == from {
            return true;
        }
        if !seen.insert(v) {
            continue;
        }
        match b.op(v) {
            Op::Detach(_) if detached == Detached::DoesNotCount => {}
            Op::Scan(scan) => {
                open.extend(scan.carries.iter().flat_map(|carry| [carry.init, carry.next]));
                open.extend(scan.slices.iter().map(|slice| slice.0));
                open.extend(&scan.stacked);
            }
            op => op.for_each_operand(|x| open.push(x)),
        }
    }
    false
}

struct Known<'b> {
    b: &'b Builder,
    found: HashMap<ValueId, Option<Vec<f64>>>,
}

impl Known<'_> {
    fn entries(&mut self, v: ValueId) -> Option<Vec<f64>> {
        if let Some(known) = self.found.get(&v) {
            return known.clone();
        }
        let value = if self.b.ty(v).axes.is_empty() { self.work_out(v) } else { None };
        self.found.insert(v, value.clone());
        value
    }

    fn work_out(&mut self, v: ValueId) -> Option<Vec<f64>> {
        let size = self.b.ty(v).elements();
        let flat = |x: ValueId| self.b.ty(x).shape.len() <= 1;
        match self.b.op(v).clone() {
            Op::Number(x) => Some(vec![x.value()]),
            Op::Table(table) => Some(table.0.iter().copied().collect()),
            Op::Eye(n) => Some((0..n * n).map(|k| f64::from(k / n == k % n)).collect()),
            Op::Detach(a) | Op::Mark(_, a) | Op::Reshape(a) => self.entries(a),
            Op::Broadcast(a) => self.spread(a, size),
            Op::Unary(f, a) => self.entries(a)?.into_iter().map(|x| eval_unary(f, x)).collect(),
            Op::Binary(f, a, b) => {
                let (a, b) = (self.spread(a, size)?, self.spread(b, size)?);
                a.into_iter().zip(b).map(|(x, y)| eval_binary(f, x, y)).collect()
            }
            Op::Select(c, a, b) => {
                let (c, a, b) = (self.spread(c, size)?, self.spread(a, size)?, self.spread(b, size)?);
                Some(c.into_iter().zip(a.into_iter().zip(b)).map(|(c, (a, b))| if c == 0.0 { b } else { a }).collect())
            }
            Op::Concat(0, parts) => {
                let mut all = Vec::with_capacity(size);
                for part in parts {
                    all.extend(self.entries(part)?);
                }
                Some(all)
            }
            Op::Slice { dim: 0, start, length, of } => {
                let row = size / length.max(1);
                Some(self.entries(of)?[start * row..(start + length) * row].to_vec())
            }
            Op::Pad { dim: 0, before, after, of } => {
                let row = size / self.b.ty(v).shape[0].max(1);
                let inside = self.entries(of)?;
                Some([vec![0.0; before * row], inside, vec![0.0; after * row]].concat())
            }
            Op::Gather { dim: 0, index, of } if flat(of) => {
                let of = self.entries(of)?;
                Some(index.into_iter().map(|k| of[k]).collect())
            }
            Op::Reduce(Reduction::Sum, _, _, a) if size == 1 => Some(vec![self.entries(a)?.iter().sum()]),
            Op::Contract(spec, a, b) if spec.axes.is_empty() => self.contract(&spec, v, a, b),
            _ => None,
        }
    }

    /// The entries of a number as often as they are needed, those of an array as they are.
    fn spread(&mut self, v: ValueId, size: usize) -> Option<Vec<f64>> {
        let found = self.entries(v)?;
        match found.len() {
            n if n == size => Some(found),
            1 => Some(vec![found[0]; size]),
            _ => None,
        }
    }

    fn contract(&mut self, spec: &Contraction, v: ValueId, a: ValueId, b: ValueId) -> Option<Vec<f64>> {
        let (left, right) = (self.entries(a)?, self.entries(b)?);
        let mut extents: Vec<(u8, usize)> = Vec::new();
        for (labels, x) in [(&spec.out, v), (&spec.a, a), (&spec.b, b)] {
            for (label, size) in labels.iter().zip(&self.b.ty(x).shape) {
                if extents.iter().all(|(known, _)| known != label) {
                    extents.push((*label, *size));
                }
            }
        }
        let mut out = vec![0.0; self.b.ty(v).elements()];
        let count: usize = extents.iter().map(|(_, size)| size).product();
        for number in 0..count {
            let mut rest = number;
            let mut at = HashMap::new();
            for (label, size) in extents.iter().rev() {
                at.insert(*label, (rest % size, *size));
                rest /= size;
            }
            let place = |labels: &[u8]| labels.iter().fold(0, |k, label| k * at[label].1 + at[label].0);
            out[place(&spec.out)] += left[place(&spec.a)] * right[place(&spec.b)];
        }
        Some(out)
    }
}
