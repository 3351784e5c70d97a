//! Products that are too small or too thin for blocks, as plain loops.

use multiversion::multiversion;

use super::gemm::Strides;

/// A sum of products in sixty-four columns: fewer would wait for each other's additions.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+fma+bmi2", "x86_64+avx2+fma+bmi2"))]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 64];
    let (mut x, mut y) = (a.chunks_exact(64), b.chunks_exact(64));
    for (x, y) in (&mut x).zip(&mut y) {
        for ((s, x), y) in sums.iter_mut().zip(x).zip(y) {
            *s = x.mul_add(*y, *s);
        }
    }
    let mut sum = 0.0;
    for (x, y) in x.remainder().iter().zip(y.remainder()) {
        sum = x.mul_add(*y, sum);
    }
    for width in [32, 16, 8, 4, 2, 1] {
        for i in 0..width {
            sums[i] += sums[i + width];
        }
    }
    sum + sums[0]
}

#[expect(clippy::too_many_arguments, reason = "three matrices and their sizes")]
pub(super) fn tiny_gemm(
    [m, n, k]: [usize; 3],
    c: &mut [f32],
    cs: Strides,
    add: bool,
    a: &[f32],
    sa: Strides,
    b: &[f32],
    sb: Strides,
) {
    for i in 0..m {
        for j in 0..n {
            let mut sum = 0.0;
            for l in 0..k {
                sum += a[i * sa.row + l * sa.column] * b[l * sb.row + j * sb.column];
            }
            let to = &mut c[i * cs.row + j * cs.column];
            *to = if add { *to + sum } else { sum };
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+fma+bmi2", "x86_64+avx2+fma+bmi2"))]
pub(super) fn multiply_add(c: &mut [f32], add: bool, a: &[f32], b: &[f32]) {
    let n = c.len();
    let (a, b) = (&a[..n], &b[..n]);
    if add {
        for i in 0..n {
            c[i] = a[i].mul_add(b[i], c[i]);
        }
    } else {
        for i in 0..n {
            c[i] = a[i] * b[i];
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+fma+bmi2", "x86_64+avx2+fma+bmi2"))]
pub(super) fn scale_add(c: &mut [f32], add: bool, a: &[f32], b: f32) {
    let n = c.len();
    let a = &a[..n];
    if add {
        for i in 0..n {
            c[i] = a[i].mul_add(b, c[i]);
        }
    } else {
        for i in 0..n {
            c[i] = a[i] * b;
        }
    }
}
