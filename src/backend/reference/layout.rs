//! Operations that move entries.

use ndarray::{ArrayD, ArrayViewD, Axis, IxDyn, Slice, concatenate};

use super::{Value, position};
use crate::graph::{AxisId, Pairing, Type};

/// The value of type `from` repeated along what `to` has more.
pub(super) fn spread(x: &Value, from: &Type, to: &Type, extents: &[usize]) -> Value {
    if from == to {
        return x.clone();
    }
    let mut view = x.view();
    for (i, axis) in to.axes.iter().enumerate() {
        if !from.varies(*axis) {
            view = view.insert_axis(Axis(i));
        }
    }
    if from.shape.is_empty() {
        for i in 0..to.shape.len() {
            view = view.insert_axis(Axis(to.axes.len() + i));
        }
    }
    view.broadcast(IxDyn(extents)).expect("a type is spread to a larger one").to_owned().into_shared()
}

/// The value, whose leading dimensions are these axes, with them in the order of their handles.
pub(super) fn sorted(x: &Value, axes: &[AxisId]) -> Value {
    let mut order: Vec<usize> = (0..x.ndim()).collect();
    order[..axes.len()].sort_by_key(|i| axes[*i]);
    x.view().permuted_axes(IxDyn(&order)).to_owned().into_shared()
}

/// Values joined along a dimension.
pub(super) fn concat(parts: &[Value], dim: usize) -> Value {
    let views: Vec<_> = parts.iter().map(|p| p.view()).collect();
    concatenate(Axis(dim), &views).expect("the other dimensions agree").into_shared()
}

/// Zeros of these extents, with entry i along `dim` added at `index[i]`.
pub(super) fn scatter(x: &Value, dim: usize, index: &[usize], extents: &[usize]) -> Value {
    let mut out = ArrayD::zeros(IxDyn(extents));
    for (i, to) in index.iter().enumerate() {
        let mut entry = out.index_axis_mut(Axis(dim), *to);
        entry += &x.index_axis(Axis(dim), i);
    }
    out.into_shared()
}

/// The entries of pairs of two axes, along the axis of the pairs.
pub(super) fn pick(x: &Value, from: &Type, p: &Pairing, to: &Type, extents: &[usize]) -> Value {
    let mut out = ArrayD::zeros(IxDyn(extents));
    let place = Axis(position(to, p.pairs));
    for (first, second, length, at) in p.ranges() {
        for k in 0..length {
            out.index_axis_mut(place, at + k).assign(&entry(x.view(), from, p.axes, [first, second + k]));
        }
    }
    out.into_shared()
}

/// The entries of pairs where their two indices meet, zero elsewhere.
pub(super) fn spread_pairs(x: &Value, from: &Type, p: &Pairing, to: &Type, extents: &[usize]) -> Value {
    let mut out = ArrayD::zeros(IxDyn(extents));
    let place = Axis(position(from, p.pairs));
    // The later axis first: its removal leaves the place of the other as it is.
    let mut places = [(position(to, p.axes[0]), 0), (position(to, p.axes[1]), 1)];
    places.sort_unstable();
    for (first, second, length, at) in p.ranges() {
        for k in 0..length {
            let indices = [first, second + k];
            let row = out.index_axis_mut(Axis(places[1].0), indices[places[1].1]);
            row.index_axis_move(Axis(places[0].0), indices[places[0].1]).assign(&x.index_axis(place, at + k));
        }
    }
    out.into_shared()
}

/// A value at indices of those of two axes that it has.
fn entry<'a>(x: ArrayViewD<'a, f64>, ty: &Type, axes: [AxisId; 2], indices: [usize; 2]) -> ArrayViewD<'a, f64> {
    let mut places: Vec<(usize, usize)> =
        axes.iter().zip(indices).filter(|(a, _)| ty.varies(**a)).map(|(a, i)| (position(ty, *a), i)).collect();
    places.sort_unstable();
    places.into_iter().rev().fold(x, |x, (place, index)| x.index_axis_move(Axis(place), index))
}

/// y[k] = x[k + by], or `fill` where there is none.
pub(super) fn shift(x: &Value, fill: &Value, dim: usize, by: isize) -> Value {
    let mut out = fill.to_owned();
    let size = x.shape()[dim] as isize;
    let (from, to) = ((-by).clamp(0, size), (size - by).clamp(0, size));
    if from < to {
        let part = x.slice_axis(Axis(dim), Slice::from(from + by..to + by));
        out.slice_axis_mut(Axis(dim), Slice::from(from..to)).assign(&part);
    }
    out.into_shared()
}

/// Running sums along a dimension.
pub(super) fn cumulative_sum(x: &Value, dim: usize, reverse: bool, exclusive: bool) -> Value {
    let size = x.shape()[dim];
    let mut out = ArrayD::zeros(x.raw_dim());
    let mut sum = ArrayD::zeros(x.index_axis(Axis(dim), 0).raw_dim());
    for step in 0..size {
        let k = if reverse { size - 1 - step } else { step };
        if exclusive {
            out.index_axis_mut(Axis(dim), k).assign(&sum);
        }
        sum += &x.index_axis(Axis(dim), k);
        if !exclusive {
            out.index_axis_mut(Axis(dim), k).assign(&sum);
        }
    }
    out.into_shared()
}
