//! The transposed derivative of every operation, operand by operand.

use ndarray::{ArrayD, IxDyn};

use crate::graph::{AxisId, Binary, Builder, Op, Reduction, Type, Unary, ValueId};
use crate::transform::fit::{contract_to, expand, fit, product};
use crate::transform::matrix;
use crate::transform::slope::{At, times_partial, times_slope};

/// What the cotangent `g` of `result = op(…)` gives to the operand with the number `slot`.
///
/// `target` is the type of that operand (and of the answer); what it lacks is summed, in one contraction with the
/// product where there is one. Values of the program are read through `at`, so that the rule can be applied inside
/// the reverse of a scan or, over all its steps at once, after it.
pub(super) fn contribution(
    b: &mut Builder,
    (op, result): (&Op, ValueId),
    slot: usize,
    g: ValueId,
    target: &Type,
    at: At<'_>,
) -> Option<ValueId> {
    let shape = |b: &Builder, v: ValueId| b.ty(v).shape.clone();
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
        | Op::Detach(_) => return None,
        Op::Mark(..) => fit(b, g, target),
        Op::Unary(f, x) => {
            let g = times_slope(b, *f, *x, result, g, at);
            fit(b, g, target)
        }
        Op::Binary(f, x, y) => return times_partial(b, *f, slot, (*x, *y, result), g, target, at),
        Op::Select(c, ..) => {
            let c = at(b, *c);
            let zero = b.number(0.0);
            let masked = if slot == 1 { Op::Select(c, g, zero) } else { Op::Select(c, zero, g) };
            let masked = b.push(masked);
            fit(b, masked, target)
        }
        Op::Contract(spec, x, y) => {
            let (other, other_labels, labels) = if slot == 0 { (*y, &spec.b, &spec.a) } else { (*x, &spec.a, &spec.b) };
            let other = at(b, other);
            contract_to(b, (g, &spec.out), (other, other_labels), labels, target)
        }
        Op::Reduce(how, axes, dims, x) => reduce(b, (*how, axes, dims), (*x, result), g, target, at),
        Op::CumulativeSum { axis, reverse, exclusive, .. } => {
            let s = b.push(Op::CumulativeSum { axis: *axis, reverse: !reverse, exclusive: *exclusive, of: g });
            fit(b, s, target)
        }
        Op::Broadcast(_) => fit(b, g, target),
        Op::Reshape(_) => {
            let s = b.reshape(g, target.shape.clone());
            fit(b, s, target)
        }
        Op::Transpose(perm, _) => {
            let mut inverse = vec![0; perm.len()];
            for (i, p) in perm.iter().enumerate() {
                inverse[*p] = i;
            }
            let s = b.push(Op::Transpose(inverse, g));
            fit(b, s, target)
        }
        Op::Concat(dim, items) => {
            let start = items[..slot].iter().map(|v| shape(b, *v)[*dim]).sum();
            let s = b.push(Op::Slice { dim: *dim, start, length: target.shape[*dim], of: g });
            fit(b, s, target)
        }
        Op::Slice { dim, start, length, .. } => {
            let after = target.shape[*dim] - start - length;
            let s = b.push(Op::Pad { dim: *dim, before: *start, after, of: g });
            fit(b, s, target)
        }
        Op::Pad { dim, before, .. } => {
            let s = b.push(Op::Slice { dim: *dim, start: *before, length: target.shape[*dim], of: g });
            fit(b, s, target)
        }
        Op::Gather { dim, index, .. } => {
            let op = Op::ScatterAdd { dim: *dim, index: index.clone(), size: target.shape[*dim], of: g };
            let s = b.push(op);
            fit(b, s, target)
        }
        Op::ScatterAdd { dim, index, .. } => {
            let s = b.push(Op::Gather { dim: *dim, index: index.clone(), of: g });
            fit(b, s, target)
        }
        Op::Rename { from, to, .. } => {
            let s = b.push(Op::Rename { from: *to, to: *from, of: g });
            fit(b, s, target)
        }
        Op::At { axis, index, .. } => {
            let s = b.push(Op::Place { axis: *axis, index: *index, of: g });
            fit(b, s, target)
        }
        Op::Place { axis, index, .. } => {
            let s = b.push(Op::At { axis: *axis, index: *index, of: g });
            fit(b, s, target)
        }
        Op::Pick(p, _) => {
            let s = b.push(Op::Spread(p.clone(), g));
            fit(b, s, target)
        }
        Op::Spread(p, _) => {
            let s = b.push(Op::Pick(p.clone(), g));
            fit(b, s, target)
        }
        Op::Shift { axis, by, .. } => shift(b, (*axis, *by), slot, g, target),
        Op::Solve(m, _) => {
            let m = at(b, *m);
            let transposed = b.push(Op::Transpose(vec![1, 0], m));
            let u = b.push(Op::Solve(transposed, g));
            if slot == 1 {
                return Some(fit(b, u, target));
            }
            let x = at(b, result);
            let (lu, lx): (&[u8], &[u8]) = if b.ty(u).shape.len() == 1 { (&[0], &[1]) } else { (&[0, 2], &[1, 2]) };
            let s = contract_to(b, (u, lu), (x, lx), &[0, 1], target);
            b.neg(s)
        }
        Op::Inverse(_) => {
            let y = at(b, result);
            let inner = b.contract(y, &[2, 0], g, &[2, 3], &[0, 3], &[]);
            let s = contract_to(b, (inner, &[0, 3]), (y, &[1, 3]), &[0, 1], target);
            b.neg(s)
        }
        Op::Expm(m) => {
            let m = at(b, *m);
            let transposed = b.push(Op::Transpose(vec![1, 0], m));
            let s = matrix::expm_derivative(b, transposed, g);
            fit(b, s, target)
        }
    })
}

fn reduce(
    b: &mut Builder,
    (how, axes, dims): (Reduction, &[AxisId], &[usize]),
    (x, y): (ValueId, ValueId),
    g: ValueId,
    target: &Type,
    at: At<'_>,
) -> ValueId {
    if how == Reduction::Sum {
        return expand(b, g, dims, target);
    }
    let weights = reduction_weights(b, (how, axes, dims), (x, y), at);
    let mut spread = b.ty(weights).clone();
    spread.axes = Type::new(spread.axes.iter().chain(&b.ty(g).axes).copied(), []).axes;
    let g = expand(b, g, dims, &spread);
    product(b, weights, g, target)
}

/// The derivative of a maximum (shared equally at ties) or of a log-sum-exp in each of its entries.
pub(in crate::transform) fn reduction_weights(
    b: &mut Builder,
    (how, axes, dims): (Reduction, &[AxisId], &[usize]),
    (x, y): (ValueId, ValueId),
    at: At<'_>,
) -> ValueId {
    let (x, y) = (at(b, x), at(b, y));
    let ty = b.ty(x).clone();
    let y = expand(b, y, dims, &ty);
    match how {
        Reduction::Sum => b.filled(1.0, ty),
        Reduction::Maximum => {
            let hit = b.binary(Binary::Equal, x, y);
            let count = b.sum(hit, axes, dims);
            let count = expand(b, count, dims, &ty);
            b.div(hit, count)
        }
        Reduction::LogSumExp => {
            let d = b.sub(x, y);
            b.unary(Unary::Exp, d)
        }
    }
}

fn shift(b: &mut Builder, (axis, by): (AxisId, isize), slot: usize, g: ValueId, target: &Type) -> ValueId {
    if slot == 1 {
        let zero = b.filled(0.0, Type::shaped(b.ty(g).shape.clone()));
        let s = b.push(Op::Shift { axis, by: -by, fill: zero, of: g });
        return fit(b, s, target);
    }
    let size = b.program().axis(axis).size;
    let outside = |k: usize| !(0..size as isize).contains(&(k as isize + by));
    let mask = ArrayD::from_shape_fn(IxDyn(&[size]), |k| f64::from(outside(k[0])));
    let mask = b.table(mask, Type::new([axis], []));
    product(b, g, mask, target)
}
