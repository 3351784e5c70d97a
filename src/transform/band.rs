//! How far entries see: at which distance from its own place an entry of a value may depend on entries of another.

use std::collections::BTreeMap;

use ndarray::{ArrayD, Axis, IxDyn};

use crate::graph::{Op, Program, ValueId};

/// The entries of the input, by their places from 0, on which an entry may depend: all between two.
type Seen = (usize, usize);

const NOTHING: Seen = (usize::MAX, 0);

fn both(a: Seen, b: Seen) -> Seen {
    (a.0.min(b.0), a.1.max(b.1))
}

/// The largest distance of two places, i in `output` and j in `input`, at which the entry i may depend on the entry j;
/// places count row-major, and both values have equally many entries. It follows from the operations alone, so it may be
/// larger than the values need, never smaller.
pub fn bandwidth(program: &Program, input: ValueId, output: ValueId) -> usize {
    let mut view = View { program, count: program.node(input).ty.elements(), seen: BTreeMap::new() };
    let own = (0..view.count).map(|i| (i, i)).collect();
    let shape = IxDyn(&program.node(input).ty.shape);
    view.seen.insert(input, ArrayD::from_shape_vec(shape, own).expect("one place per entry"));
    for index in input.index() + 1..=output.index() {
        let v = ValueId(index as u32);
        if let Some(seen) = view.of(v) {
            view.seen.insert(v, seen);
        }
    }
    let Some(seen) = view.seen.get(&output) else { return 0 };
    let far = |(i, s): (usize, &Seen)| if *s == NOTHING { 0 } else { i.saturating_sub(s.0).max(s.1.saturating_sub(i)) };
    seen.iter().enumerate().map(far).max().unwrap_or(0)
}

struct View<'p> {
    program: &'p Program,
    /// The entries of the input.
    count: usize,
    /// What the entries of a value see; values that see nothing are missing.
    seen: BTreeMap<ValueId, ArrayD<Seen>>,
}

impl View<'_> {
    fn of(&self, v: ValueId) -> Option<ArrayD<Seen>> {
        let op = &self.program.node(v).op;
        let shape = IxDyn(&self.program.node(v).ty.shape);
        let everything = || ArrayD::from_elem(shape.clone(), (0, self.count.saturating_sub(1)));
        // What leaves a loop is not followed into it.
        if let Op::Output(scan, _) = op {
            return self.seen.contains_key(scan).then(everything);
        }
        let any = op.operands().iter().any(|operand| self.seen.contains_key(operand));
        match op {
            // A loop may refer to anything that was there before.
            Op::Scan(_) => Some(ArrayD::from_elem(IxDyn(&[]), NOTHING)),
            _ if !any => None,
            Op::Unary(..) | Op::Binary(..) | Op::Select(..) | Op::Broadcast(_) | Op::Detach(_) | Op::Mark(..) => {
                let operands = op.operands();
                let parts = operands.iter().filter_map(|operand| self.seen.get(operand));
                Some(parts.fold(ArrayD::from_elem(shape.clone(), NOTHING), |whole, part| {
                    let part = part.broadcast(shape.clone()).expect("element shapes agree, or are those of numbers");
                    ndarray::Zip::from(&whole).and(&part).map_collect(|a, b| both(*a, *b))
                }))
            }
            Op::Rename { of, .. } => self.seen.get(of).cloned(),
            Op::Reshape(of) => Some(self.at(*of).as_standard_layout().into_owned().into_shape_with_order(shape).ok()?),
            Op::Transpose(order, of) => Some(self.at(*of).permuted_axes(IxDyn(order))),
            Op::Concat(dim, parts) => {
                let parts: Vec<ArrayD<Seen>> = parts.iter().map(|part| self.at(*part)).collect();
                let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
                ndarray::concatenate(Axis(*dim), &views).ok()
            }
            Op::Slice { dim, start, length, of } => {
                let mut whole = self.at(*of);
                whole.slice_axis_inplace(Axis(*dim), (*start..start + length).into());
                Some(whole)
            }
            Op::Pad { dim, before, of, .. } => {
                let inner = self.at(*of);
                let mut whole = ArrayD::from_elem(shape, NOTHING);
                let end = before + inner.shape()[*dim];
                whole.slice_axis_mut(Axis(*dim), (*before..end).into()).assign(&inner);
                Some(whole)
            }
            Op::Gather { dim, index, of } => Some(self.at(*of).select(Axis(*dim), index)),
            Op::Reduce(_, axes, dims, of) if axes.is_empty() => {
                let mut dims = dims.clone();
                dims.sort_unstable();
                Some(dims.into_iter().rev().fold(self.at(*of), fold))
            }
            Op::Contract(spec, a, b) if spec.axes.is_empty() => {
                let mut whole = ArrayD::from_elem(shape, NOTHING);
                for (labels, operand) in [(&spec.a, a), (&spec.b, b)] {
                    let Some(part) = self.seen.get(operand) else { continue };
                    let mut part = part.clone();
                    let mut kept = labels.clone();
                    for dim in (0..labels.len()).rev().filter(|dim| !spec.out.contains(&labels[*dim])) {
                        part = fold(part, dim);
                        kept.remove(dim);
                    }
                    let places: Vec<usize> =
                        kept.iter().filter_map(|label| spec.out.iter().position(|out| out == label)).collect();
                    for (index, entry) in whole.indexed_iter_mut() {
                        let own: Vec<usize> = places.iter().map(|place| index[*place]).collect();
                        *entry = both(*entry, part[IxDyn(&own)]);
                    }
                }
                Some(whole)
            }
            Op::Number(_)
            | Op::Table(_)
            | Op::Iota(_)
            | Op::Eye(_)
            | Op::Parameter(_)
            | Op::State(_)
            | Op::Step
            | Op::Draw(_)
            | Op::Argument(..)
            | Op::Output(..)
            | Op::Contract(..)
            | Op::Reduce(..)
            | Op::CumulativeSum { .. }
            | Op::ScatterAdd { .. }
            | Op::At { .. }
            | Op::Place { .. }
            | Op::Pick(..)
            | Op::Spread(..)
            | Op::Shift { .. }
            | Op::Solve(..)
            | Op::Inverse(_)
            | Op::Expm(_) => Some(everything()),
        }
    }

    /// What the entries of a value see, also if that is nothing.
    fn at(&self, v: ValueId) -> ArrayD<Seen> {
        let nothing = || ArrayD::from_elem(IxDyn(&self.program.node(v).ty.shape), NOTHING);
        self.seen.get(&v).cloned().unwrap_or_else(nothing)
    }
}

/// One dimension less: an entry sees what all along it saw.
fn fold(part: ArrayD<Seen>, dim: usize) -> ArrayD<Seen> {
    part.map_axis(Axis(dim), |lane| lane.iter().fold(NOTHING, |a, b| both(a, *b)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Builder, Type, Unary};

    fn width(of: impl FnOnce(&mut Builder, ValueId) -> ValueId) -> usize {
        let mut b = Builder::new();
        let zeros = b.filled(0.0, Type::shaped([6]));
        let input = b.push(Op::Mark(1, zeros));
        let output = of(&mut b, input);
        bandwidth(b.program(), input, output)
    }

    fn ahead(b: &mut Builder, v: ValueId, by: usize) -> ValueId {
        let part = b.push(Op::Slice { dim: 0, start: by, length: 6 - by, of: v });
        b.push(Op::Pad { dim: 0, before: 0, after: by, of: part })
    }

    #[test]
    fn entries_see_as_far_as_they_were_moved() {
        assert_eq!(width(|b, v| b.unary(Unary::Exp, v)), 0);
        assert_eq!(width(|b, v| ahead(b, v, 2)), 2);
        let product = |b: &mut Builder, v| {
            let next = ahead(b, v, 1);
            let after = ahead(b, next, 1);
            b.mul(next, after)
        };
        assert_eq!(width(product), 2);
        let reversed = |b: &mut Builder, v| b.push(Op::Gather { dim: 0, index: vec![5, 4, 3, 2, 1, 0], of: v });
        assert_eq!(width(reversed), 5);
        assert_eq!(
            width(|b, v| {
                let r = reversed(b, v);
                reversed(b, r)
            }),
            0
        );
    }

    #[test]
    fn sums_see_all_and_scalings_nothing_more() {
        let total = |b: &mut Builder, v| {
            let sum = b.sum(v, &[], &[0]);
            b.mul(sum, v)
        };
        assert_eq!(width(total), 5);
        let eye = |b: &mut Builder| b.push(Op::Eye(6));
        assert_eq!(
            width(|b, v| {
                let m = eye(b);
                b.contract(m, &[0, 1], v, &[1], &[0], &[])
            }),
            5
        );
        assert_eq!(width(|b, v| b.contract(v, &[0], v, &[0], &[0], &[])), 0);
        assert_eq!(width(|b, _| b.filled(1.0, Type::shaped([6]))), 0);
    }
}
