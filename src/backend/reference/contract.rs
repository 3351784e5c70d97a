//! Sums of products, as batches of matrix products.

use ndarray::{ArrayD, Axis, IxDyn};

use super::Value;
use crate::graph::{AxisId, Contraction, Label, Type};

/// An index of a contraction: an axis or an element dimension.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Index {
    Axis(AxisId),
    Label(Label),
}

fn indices(ty: &Type, labels: &[Label]) -> Vec<Index> {
    ty.axes.iter().map(|a| Index::Axis(*a)).chain(labels.iter().map(|l| Index::Label(*l))).collect()
}

/// `Σ a·b`. Indices fall into batch (in both and in the result), summed (in both) and free ones; what only one operand
/// has and the result lacks is summed beforehand.
pub(super) fn contract(
    spec: &Contraction,
    (a, ta): (&Value, &Type),
    (b, tb): (&Value, &Type),
    out: &Type,
) -> ArrayD<f64> {
    let (mut ia, mut ib, io) = (indices(ta, &spec.a), indices(tb, &spec.b), indices(out, &spec.out));
    let a = summed_alone(a.to_owned(), &mut ia, &ib, &io);
    let b = summed_alone(b.to_owned(), &mut ib, &ia, &io);
    let of = |from: &[Index], in_other: bool, in_out: bool, other: &[Index]| -> Vec<Index> {
        from.iter().copied().filter(|i| other.contains(i) == in_other && io.contains(i) == in_out).collect()
    };
    let (batch, summed) = (of(&ia, true, true, &ib), of(&ia, true, false, &ib));
    let (left, right) = (of(&ia, false, true, &ib), of(&ib, false, true, &ia));
    let size = |group: &[Index]| -> usize {
        group
            .iter()
            .map(|i| ia.iter().position(|j| j == i).map_or_else(|| b.shape()[place(&ib, *i)], |p| a.shape()[p]))
            .product()
    };
    let (n, m, k, p) = (size(&batch), size(&left), size(&summed), size(&right));
    let a3 = ordered(&a, &ia, &[&batch, &left, &summed], [n, m, k]);
    let b3 = ordered(&b, &ib, &[&batch, &summed, &right], [n, k, p]);
    let mut c = ndarray::Array3::zeros((n, m, p));
    for i in 0..n {
        let product = a3.index_axis(Axis(0), i).dot(&b3.index_axis(Axis(0), i));
        c.index_axis_mut(Axis(0), i).assign(&product);
    }
    let found: Vec<Index> = batch.iter().chain(&left).chain(&right).copied().collect();
    let extents: Vec<usize> = found.iter().map(|i| size(&[*i])).collect();
    let c = c.into_dyn().into_shape_with_order(IxDyn(&extents)).expect("groups of indices split again");
    let order: Vec<usize> = io.iter().map(|i| place(&found, *i)).collect();
    c.permuted_axes(IxDyn(&order)).as_standard_layout().into_owned()
}

fn place(all: &[Index], i: Index) -> usize {
    all.iter().position(|j| *j == i).expect("every index stems from an operand")
}

fn summed_alone(mut x: ArrayD<f64>, own: &mut Vec<Index>, other: &[Index], out: &[Index]) -> ArrayD<f64> {
    for d in (0..own.len()).rev() {
        if !other.contains(&own[d]) && !out.contains(&own[d]) {
            x = x.sum_axis(Axis(d));
            own.remove(d);
        }
    }
    x
}

fn ordered(x: &ArrayD<f64>, own: &[Index], groups: &[&[Index]; 3], sizes: [usize; 3]) -> ndarray::Array3<f64> {
    let order: Vec<usize> = groups.iter().flat_map(|g| g.iter()).map(|i| place(own, *i)).collect();
    let x = x.view().permuted_axes(IxDyn(&order)).as_standard_layout().into_owned();
    x.into_shape_with_order(sizes).expect("indices join in order")
}
