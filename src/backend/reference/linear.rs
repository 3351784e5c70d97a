//! Linear systems, inverses and exponentials of the matrices in the last two dimensions.

use ndarray::{Array2, ArrayD, ArrayView2, Axis, IxDyn};

use super::Value;

/// X with A X = B; `lead` dimensions of both are a batch.
pub(super) fn solve(a: &Value, b: &Value, lead: usize) -> Value {
    let n = a.shape()[lead];
    let columns: usize = b.shape()[lead + 1..].iter().product();
    let batch: usize = b.shape()[..lead].iter().product();
    let stack = |x: &Value, width: usize| {
        let flat: Vec<f64> = x.iter().copied().collect();
        ndarray::Array3::from_shape_vec((batch, n, width), flat).expect("a batch of matrices")
    };
    let (a3, b3) = (stack(a, n), stack(b, columns));
    let mut out = Vec::with_capacity(b.len());
    for i in 0..batch {
        let x = eliminate(a3.index_axis(Axis(0), i).to_owned(), b3.index_axis(Axis(0), i).to_owned());
        out.extend(x.iter());
    }
    ArrayD::from_shape_vec(b.raw_dim(), out).expect("the solution has the extents of the right-hand side").into_shared()
}

/// Gaussian elimination with partial pivoting. A singular matrix gives entries that are not finite.
fn eliminate(mut a: Array2<f64>, mut b: Array2<f64>) -> Array2<f64> {
    let n = a.nrows();
    for k in 0..n {
        let pivot = (k..n).max_by(|i, j| a[[*i, k]].abs().total_cmp(&a[[*j, k]].abs())).unwrap_or(k);
        if pivot != k {
            for j in 0..n {
                a.swap([k, j], [pivot, j]);
            }
            for j in 0..b.ncols() {
                b.swap([k, j], [pivot, j]);
            }
        }
        for i in k + 1..n {
            let f = a[[i, k]] / a[[k, k]];
            for j in k..n {
                a[[i, j]] -= f * a[[k, j]];
            }
            for j in 0..b.ncols() {
                b[[i, j]] -= f * b[[k, j]];
            }
        }
    }
    for k in (0..n).rev() {
        for j in 0..b.ncols() {
            let known: f64 = (k + 1..n).map(|i| a[[k, i]] * b[[i, j]]).sum();
            b[[k, j]] = (b[[k, j]] - known) / a[[k, k]];
        }
    }
    b
}

fn each_matrix(x: &Value, f: impl Fn(ArrayView2<'_, f64>) -> Array2<f64>) -> Value {
    let n = *x.shape().last().expect("a matrix has dimensions");
    let flat: Vec<f64> = x.iter().copied().collect();
    let mut out = Vec::with_capacity(flat.len());
    for chunk in flat.chunks(n * n) {
        let m = ArrayView2::from_shape((n, n), chunk).expect("a square matrix");
        out.extend(f(m).iter());
    }
    ArrayD::from_shape_vec(IxDyn(x.shape()), out).expect("as many entries as before").into_shared()
}

/// The inverse of every matrix.
pub(super) fn inverse(x: &Value) -> Value {
    each_matrix(x, |m| eliminate(m.to_owned(), Array2::eye(m.nrows())))
}

/// The exponential of every matrix, by scaling and squaring of a Taylor polynomial of degree 18 at norm ≤ 1/2.
pub(super) fn exponential(x: &Value) -> Value {
    each_matrix(x, |m| {
        let norm = m.rows().into_iter().map(|r| r.iter().map(|v| v.abs()).sum::<f64>()).fold(0.0, f64::max);
        let squarings = if norm.is_finite() { (2.0 * norm).log2().ceil().max(0.0) as i32 } else { 0 };
        let scaled = &m / 2.0_f64.powi(squarings);
        let mut sum = Array2::eye(m.nrows());
        let mut term = Array2::eye(m.nrows());
        for k in 1..=18 {
            term = term.dot(&scaled) / f64::from(k);
            sum += &term;
        }
        for _ in 0..squarings {
            sum = sum.dot(&sum);
        }
        sum
    })
}
