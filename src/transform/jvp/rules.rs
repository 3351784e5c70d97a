//! The derivative of every operation.

use super::Forward;
use crate::graph::{Builder, Op, Reduction, Type, ValueId};
use crate::transform::activity::differentiable;
use crate::transform::fit::contract_to;
use crate::transform::matrix;
use crate::transform::slope::{times_partial, times_slope};
use crate::transform::vjp::reduction_weights;

impl Forward {
    /// The tangent of `v = op(…)` from those of its operands.
    pub(super) fn tangent(&mut self, b: &mut Builder, op: &Op, v: ValueId) -> Option<ValueId> {
        let ty = self.tangent_type(b, v);
        if let Op::Concat(_, items) = op {
            return self.concat(b, op, items);
        }
        let mut sum: Option<ValueId> = None;
        for (slot, o) in op.operands().into_iter().enumerate() {
            if !differentiable(op, slot) {
                continue;
            }
            let Some(d) = self.tangents.get(&o).copied() else { continue };
            if let Some(part) = self.part(b, op, v, slot, d, &ty) {
                let part = b.broadcast(part, ty.clone());
                sum = Some(match sum {
                    Some(s) => b.add(s, part),
                    None => part,
                });
            }
        }
        sum
    }

    /// What the tangent `d` of the operand with the number `slot` gives.
    fn part(&mut self, b: &mut Builder, op: &Op, v: ValueId, slot: usize, d: ValueId, ty: &Type) -> Option<ValueId> {
        let mirror = &mut self.mirror;
        let at = &mut |b: &mut Builder, v: ValueId| mirror.at(b, v);
        Some(match op {
            Op::Number(_)
            | Op::Table(_)
            | Op::Iota(_)
            | Op::Eye(_)
            | Op::Parameter(_)
            | Op::State(_)
            | Op::Step
            | Op::Draw(_)
            | Op::Argument(..)
            | Op::Scan(_)
            | Op::Output(..)
            | Op::Detach(_)
            | Op::Concat(..) => return None,
            Op::Mark(..) => d,
            Op::Unary(f, x) => times_slope(b, *f, *x, v, d, at),
            Op::Binary(f, x, y) => return times_partial(b, *f, slot, (*x, *y, v), d, ty, at),
            Op::Select(c, ..) => {
                let c = at(b, *c);
                let zero = b.number(0.0);
                b.push(if slot == 1 { Op::Select(c, d, zero) } else { Op::Select(c, zero, d) })
            }
            Op::Contract(spec, x, y) => {
                let other = at(b, if slot == 0 { *y } else { *x });
                let (x, y) = if slot == 0 { (d, other) } else { (other, d) };
                b.push(Op::Contract(spec.clone(), x, y))
            }
            Op::Reduce(Reduction::Sum, axes, dims, _) => b.sum(d, axes, dims),
            Op::Reduce(how, axes, dims, x) => {
                let weights = reduction_weights(b, (*how, axes, dims), (*x, v), at);
                let all: Vec<u8> = (0..b.ty(weights).shape.len() as u8).collect();
                let left: Vec<u8> = all.iter().copied().filter(|l| !dims.contains(&usize::from(*l))).collect();
                contract_to(b, (weights, &all), (d, &all), &left, ty)
            }
            Op::Broadcast(_) => d,
            Op::Reshape(_) => b.reshape(d, ty.shape.clone()),
            Op::Shift { axis, by, fill, of } => {
                let shape = ty.shape.clone();
                let zero = |b: &mut Builder, like: &Type| {
                    b.filled(0.0, Type { axes: like.axes.clone(), shape: shape.clone() })
                };
                let (fill, of) = if slot == 0 {
                    let t = b.ty(*of).clone();
                    (d, zero(b, &t))
                } else {
                    let t = b.ty(*fill).clone();
                    (zero(b, &t), d)
                };
                b.push(Op::Shift { axis: *axis, by: *by, fill, of })
            }
            Op::CumulativeSum { .. }
            | Op::Transpose(..)
            | Op::Slice { .. }
            | Op::Pad { .. }
            | Op::Gather { .. }
            | Op::ScatterAdd { .. }
            | Op::Rename { .. }
            | Op::At { .. }
            | Op::Pick(..)
            | Op::Spread(..)
            | Op::Place { .. } => b.push(op.map_operands(|_| d)),
            Op::Solve(m, _) => {
                let m = at(b, *m);
                if slot == 1 {
                    return Some(b.push(Op::Solve(m, d)));
                }
                let x = at(b, v);
                let (lx, out): (&[u8], &[u8]) =
                    if b.ty(x).shape.len() == 1 { (&[1], &[0]) } else { (&[1, 2], &[0, 2]) };
                let moved = b.contract(d, &[0, 1], x, lx, out, &[]);
                let s = b.push(Op::Solve(m, moved));
                b.neg(s)
            }
            Op::Inverse(_) => {
                let y = at(b, v);
                let right = b.contract(d, &[0, 1], y, &[1, 2], &[0, 2], &[]);
                let s = b.contract(y, &[0, 1], right, &[1, 2], &[0, 2], &[]);
                b.neg(s)
            }
            Op::Expm(m) => {
                let m = at(b, *m);
                matrix::expm_derivative(b, m, d)
            }
        })
    }

    fn concat(&mut self, b: &mut Builder, op: &Op, items: &[ValueId]) -> Option<ValueId> {
        if items.iter().all(|o| !self.tangents.contains_key(o)) {
            return None;
        }
        let mut parts = Vec::new();
        for o in items {
            let ty = self.tangent_type(b, *o);
            parts.push(match self.tangents.get(o) {
                Some(d) => *d,
                None => b.filled(0.0, ty),
            });
        }
        let mut next = parts.into_iter();
        Some(b.push(op.map_operands(|_| next.next().expect("one part per operand"))))
    }
}
