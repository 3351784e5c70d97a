//! Sums and products brought to a wanted type: the transpose of "axes join, scalars go with any shape".

use crate::graph::{Builder, Label, Type, ValueId};

/// The value summed over the axes, and for a scalar the dimensions, that `target` lacks, then spread to `target`.
pub(super) fn fit(b: &mut Builder, v: ValueId, target: &Type) -> ValueId {
    let ty = b.ty(v).clone();
    let axes: Vec<_> = ty.axes.iter().copied().filter(|x| !target.varies(*x)).collect();
    let dims: Vec<_> = if target.shape.is_empty() { (0..ty.shape.len()).collect() } else { Vec::new() };
    if let Some(c) = b.constant(v) {
        let axes: usize = axes.iter().map(|x| b.program().axis(*x).size).product();
        let dims: usize = dims.iter().map(|d| ty.shape[*d]).product();
        return b.filled(c * (axes * dims) as f64, target.clone());
    }
    let s = b.sum(v, &axes, &dims);
    b.broadcast(s, target.clone())
}

/// The entry-wise product of two values, summed over what `target` lacks, as one contraction where anything is summed.
pub(super) fn product(b: &mut Builder, x: ValueId, y: ValueId, target: &Type) -> ValueId {
    for (v, c) in [(x, y), (y, x)] {
        if let Some(k) = b.constant(c) {
            let (tv, tc) = (b.ty(v).clone(), b.ty(c).clone());
            let mut count: usize = tc
                .axes
                .iter()
                .filter(|a| !tv.varies(**a) && !target.varies(**a))
                .map(|a| b.program().axis(*a).size)
                .product();
            if target.shape.is_empty() && tv.shape.is_empty() {
                count *= tc.elements();
            }
            let s = fit(b, v, target);
            let k = b.number(k * count as f64);
            return b.mul(s, k);
        }
    }
    let (tx, ty) = (b.ty(x).clone(), b.ty(y).clone());
    let rank = tx.shape.len().max(ty.shape.len());
    let summed = tx.axes.iter().chain(&ty.axes).any(|a| !target.varies(*a)) || (target.shape.is_empty() && rank > 0);
    if !summed {
        let p = b.mul(x, y);
        return b.broadcast(p, target.clone());
    }
    let all: Vec<Label> = (0..rank as Label).collect();
    let labels = |t: &Type| if t.shape.is_empty() { Vec::new() } else { all.clone() };
    let out = if target.shape.is_empty() { Vec::new() } else { all.clone() };
    contract_to(b, (x, &labels(&tx)), (y, &labels(&ty)), &out, target)
}

/// `Σ x·y` with the labels `out`, summed over the axes that `target` lacks; constant along labels that neither has.
pub(super) fn contract_to(
    b: &mut Builder,
    (x, lx): (ValueId, &[Label]),
    (y, ly): (ValueId, &[Label]),
    out: &[Label],
    target: &Type,
) -> ValueId {
    let (present, missing): (Vec<Label>, Vec<Label>) = out.iter().partition(|l| lx.contains(l) || ly.contains(l));
    let mut axes: Vec<_> = b.ty(x).axes.iter().chain(&b.ty(y).axes).copied().filter(|a| !target.varies(*a)).collect();
    axes.sort_unstable();
    axes.dedup();
    let c = b.contract(x, lx, y, ly, &present, &axes);
    if present.is_empty() || missing.is_empty() {
        return b.broadcast(c, target.clone());
    }
    let sizes: Vec<usize> =
        out.iter().zip(&target.shape).filter(|(l, _)| missing.contains(l)).map(|(_, n)| *n).collect();
    let ones = b.filled(1.0, Type::shaped(sizes));
    let c = b.contract(c, &present, ones, &missing, out, &[]);
    b.broadcast(c, target.clone())
}

/// The transpose of a sum over `dims` and axes: the value constant along them, with the type `target`.
pub(super) fn expand(b: &mut Builder, v: ValueId, dims: &[usize], target: &Type) -> ValueId {
    if dims.is_empty() || dims.len() == target.shape.len() {
        return b.broadcast(v, target.clone());
    }
    let label = |keep: bool| -> Vec<Label> {
        (0..target.shape.len()).filter(|d| dims.contains(d) != keep).map(|d| d as Label).collect()
    };
    let all: Vec<Label> = (0..target.shape.len() as Label).collect();
    let mut sizes: Vec<usize> = Vec::new();
    for d in label(false) {
        sizes.push(target.shape[usize::from(d)]);
    }
    let ones = b.filled(1.0, Type::shaped(sizes));
    let c = b.contract(v, &label(true), ones, &label(false), &all, &[]);
    b.broadcast(c, target.clone())
}
