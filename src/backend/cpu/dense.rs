//! Linear algebra on small dense matrices, in f64, one index of the axes at a time.

use super::memory::{Memory, Ptr};
use super::strided::walk;

/// What is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Job {
    /// X with A X = B.
    Solve,
    /// The inverse.
    Inverse,
    /// The exponential.
    Exponential,
}

/// A matrix of each index of the axes.
#[derive(Clone, Debug)]
pub(super) struct Dense {
    pub job: Job,
    /// Its size.
    pub n: usize,
    /// Columns of the result.
    pub m: usize,
    pub a: Ptr,
    pub b: Option<Ptr>,
    pub to: Ptr,
    /// Row and column strides of a, b and the result.
    pub strides: [[usize; 2]; 3],
    /// The axes: sizes, strides of a, b and the result.
    pub outer: (Vec<usize>, [Vec<usize>; 3]),
}

impl Dense {
    /// Computes all of them.
    pub fn run(&self, memory: &mut Memory<'_>) {
        let (n, m) = (self.n, self.m);
        let at = memory.at(&self.to);
        let mut slot = memory.take(&self.to);
        let a = memory.read(&self.a);
        let b = self.b.as_ref().map(|b| memory.read(b));
        let to = &mut slot[at..];
        let (mut left, mut right) = (vec![0.0; n * n], vec![0.0; n * m]);
        let [sa, sb, sc] = self.strides;
        let (sizes, [oa, ob, oc]) = &self.outer;
        walk(sizes, [oa, ob, oc], [0; 3], &mut |[ia, ib, ic]| {
            for i in 0..n {
                for j in 0..n {
                    left[i * n + j] = f64::from(a[ia + i * sa[0] + j * sa[1]]);
                }
            }
            match (self.job, b) {
                (Job::Solve, Some(b)) => {
                    for i in 0..n {
                        for j in 0..m {
                            right[i * m + j] = f64::from(b[ib + i * sb[0] + j * sb[1]]);
                        }
                    }
                    solve(n, m, &mut left, &mut right);
                }
                (Job::Exponential, _) => exponential(n, &left, &mut right),
                _ => {
                    identity(n, &mut right);
                    solve(n, n, &mut left, &mut right);
                }
            }
            for i in 0..n {
                for j in 0..m {
                    to[ic + i * sc[0] + j * sc[1]] = right[i * m + j] as f32;
                }
            }
        });
        memory.put(&self.to, slot);
    }
}

fn identity(n: usize, x: &mut [f64]) {
    x.fill(0.0);
    for i in 0..n {
        x[i * n + i] = 1.0;
    }
}

/// Gauss–Jordan elimination with row pivots; a singular matrix gives what is not finite.
fn solve(n: usize, m: usize, a: &mut [f64], b: &mut [f64]) {
    for k in 0..n {
        let mut pivot = k;
        for i in k + 1..n {
            if a[i * n + k].abs() > a[pivot * n + k].abs() {
                pivot = i;
            }
        }
        if pivot != k {
            for j in 0..n {
                a.swap(k * n + j, pivot * n + j);
            }
            for j in 0..m {
                b.swap(k * m + j, pivot * m + j);
            }
        }
        let scale = 1.0 / a[k * n + k];
        a[k * n..(k + 1) * n].iter_mut().for_each(|x| *x *= scale);
        b[k * m..(k + 1) * m].iter_mut().for_each(|x| *x *= scale);
        for i in (0..n).filter(|i| *i != k) {
            let factor = a[i * n + k];
            if factor != 0.0 {
                for j in 0..n {
                    a[i * n + j] -= factor * a[k * n + j];
                }
                for j in 0..m {
                    b[i * m + j] -= factor * b[k * m + j];
                }
            }
        }
    }
}

/// Scaling and squaring around a Taylor polynomial of degree 18 on a norm below 1/2.
fn exponential(n: usize, a: &[f64], out: &mut [f64]) {
    let norm = (0..n).map(|i| a[i * n..(i + 1) * n].iter().map(|x| x.abs()).sum::<f64>()).fold(0.0, f64::max);
    if !norm.is_finite() {
        out.fill(f64::NAN);
        return;
    }
    let mut squarings = 0;
    let mut scale = 1.0;
    while norm * scale > 0.5 {
        scale *= 0.5;
        squarings += 1;
    }
    let multiply = |x: &[f64], y: &[f64]| {
        let mut z = vec![0.0; n * n];
        for i in 0..n {
            for l in 0..n {
                for j in 0..n {
                    z[i * n + j] += x[i * n + l] * y[l * n + j];
                }
            }
        }
        z
    };
    let a: Vec<_> = a.iter().map(|x| x * scale).collect();
    // Horner: I + A/1 (I + A/2 (I + A/3 …)).
    let mut sum = vec![0.0; n * n];
    identity(n, &mut sum);
    for k in (1..=18).rev() {
        let mut next = multiply(&a, &sum);
        for x in &mut next {
            *x /= f64::from(k);
        }
        for i in 0..n {
            next[i * n + i] += 1.0;
        }
        sum = next;
    }
    for _ in 0..squarings {
        sum = multiply(&sum, &sum);
    }
    out.copy_from_slice(&sum);
}
