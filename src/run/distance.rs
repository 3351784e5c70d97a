//! Distances between two sets of samples, in double precision.

use ndarray::ArrayD;

use super::assignment::assignment;
use crate::lower::Metric;

/// The distance of two sets of equally many samples. *Shapes*: `[n]` or `[n, d]` each.
pub(super) fn distance(metric: Metric, left: &ArrayD<f64>, right: &ArrayD<f64>) -> f64 {
    let n = left.shape()[0];
    let (left, right): (Vec<f64>, Vec<f64>) = (left.iter().copied().collect(), right.iter().copied().collect());
    match metric {
        Metric::Wasserstein if left.len() == n => on_a_line(left, right),
        Metric::Wasserstein => by_assignment(&left, &right, n),
    }
}

/// Of numbers, those of one rank belong together.
fn on_a_line(mut left: Vec<f64>, mut right: Vec<f64>) -> f64 {
    left.sort_by(f64::total_cmp);
    right.sort_by(f64::total_cmp);
    let squares: f64 = left.iter().zip(&right).map(|(a, b)| (a - b) * (a - b)).sum();
    (squares / left.len() as f64).sqrt()
}

fn by_assignment(left: &[f64], right: &[f64], n: usize) -> f64 {
    let d = left.len() / n;
    let square = |i: usize, j: usize| -> f64 {
        let rows = left[i * d..(i + 1) * d].iter().zip(&right[j * d..(j + 1) * d]);
        rows.map(|(a, b)| (a - b) * (a - b)).sum()
    };
    let cost: Vec<f64> = (0..n * n).map(|k| square(k / n, k % n)).collect();
    let total: f64 = assignment(&cost, n).into_iter().enumerate().map(|(i, j)| cost[i * n + j]).sum();
    (total / n as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array2};

    use super::*;

    #[test]
    fn a_shift_is_as_far_as_it_goes() {
        let points = Array2::from_shape_fn((40, 2), |(i, j)| ((i * 7 + j * 3) % 13) as f64 + 0.1 * i as f64);
        let moved = Array2::from_shape_fn((40, 2), |(i, j)| points[((i + 11) % 40, j)] + [3.0, 4.0][j]);
        let found = distance(Metric::Wasserstein, &points.clone().into_dyn(), &moved.into_dyn());
        assert!((found - 5.0).abs() < 1e-12, "{found}");
        let none = distance(Metric::Wasserstein, &points.clone().into_dyn(), &points.into_dyn());
        assert_eq!(none, 0.0);
    }

    #[test]
    fn numbers_are_sorted() {
        let a = Array1::from(vec![3.0, 1.0, 2.0]).into_dyn();
        let b = Array1::from(vec![1.5, 3.5, 2.5]).into_dyn();
        assert!((distance(Metric::Wasserstein, &a, &b) - 0.5).abs() < 1e-15);
        // The same numbers as vectors of one entry.
        let column = |x: &ArrayD<f64>| x.clone().into_shape_with_order(vec![3, 1]).expect("three numbers");
        assert!((distance(Metric::Wasserstein, &column(&a), &column(&b)) - 0.5).abs() < 1e-15);
    }
}
