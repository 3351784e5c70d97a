//! Reductions.

use multiversion::multiversion;

use super::memory::{Memory, Part, Ptr};
use super::product::Target;
use super::strided::walk;
use crate::backend::math;
use crate::graph::Reduction;

/// A reduction: kept dimensions with strides of the operand and the result, reduced ones with strides of the operand.
#[derive(Clone, Debug)]
pub(super) struct Reduce {
    pub how: Reduction,
    pub from: Ptr,
    pub to: Target,
    pub kept: (Vec<usize>, Vec<usize>, Vec<usize>),
    pub reduced: (Vec<usize>, Vec<usize>),
}

impl Reduce {
    /// Computes it.
    pub fn run(&self, memory: &mut Memory<'_>) {
        match &self.to {
            Target::Memory(p) => {
                let at = memory.at(p);
                let mut slot = memory.take(p);
                self.write(&mut slot[at..], memory.read(&self.from));
                memory.put(p, slot);
            }
            Target::Part(k) => {
                let mut part = std::mem::replace(&mut memory.partials[*k], Part::Single(Vec::new()));
                if let Part::Wide(to) = &mut part {
                    let from = memory.read(&self.from);
                    let (sizes, sx, sy) = &self.kept;
                    walk(sizes, [sx, sy], [0; 2], &mut |[x, y]| {
                        to[y] = join(self.how, to[y], self.entry(&from[x..]));
                    });
                }
                memory.partials[*k] = part;
            }
        }
    }

    fn write(&self, to: &mut [f32], from: &[f32]) {
        let (sizes, sx, sy) = &self.kept;
        // Neighbours of the operand that are neighbours of the result are reduced side by side.
        let side_by_side = sizes.len().checked_sub(1).filter(|i| sx[*i] == 1 && sy[*i] == 1 && sizes[*i] >= 8);
        let Some(last) = side_by_side.filter(|_| self.how != Reduction::LogSumExp) else {
            walk(sizes, [sx, sy], [0; 2], &mut |[x, y]| to[y] = self.entry(&from[x..]) as f32);
            return;
        };
        let n = sizes[last];
        let (rs, rx) = &self.reduced;
        walk(&sizes[..last], [&sx[..last], &sy[..last]], [0; 2], &mut |[x, y]| {
            let to = &mut to[y..y + n];
            to.fill(if self.how == Reduction::Sum { 0.0 } else { f32::NEG_INFINITY });
            walk(rs, [rx], [x], &mut |[x]| match self.how {
                Reduction::Sum => add_into(to, &from[x..x + n]),
                _ => max_into(to, &from[x..x + n]),
            });
        });
    }

    /// One entry of the result.
    fn entry(&self, from: &[f32]) -> f64 {
        let (sizes, strides) = &self.reduced;
        match self.how {
            Reduction::Sum => {
                let mut sum = 0.0;
                if strides.last() == Some(&1) {
                    let last = sizes.len() - 1;
                    walk(&sizes[..last], [&strides[..last]], [0], &mut |[x]| sum += sum_run(&from[x..x + sizes[last]]));
                } else {
                    walk(sizes, [strides], [0], &mut |[x]| sum += f64::from(from[x]));
                }
                sum
            }
            Reduction::Maximum => self.maximum(from),
            Reduction::LogSumExp => {
                let top = self.maximum(from);
                if !top.is_finite() {
                    return top;
                }
                let mut sum = 0.0;
                walk(sizes, [strides], [0], &mut |[x]| sum += f64::from(math::exp(from[x] - top as f32)));
                top + log(sum)
            }
        }
    }

    fn maximum(&self, from: &[f32]) -> f64 {
        let (sizes, strides) = &self.reduced;
        let mut top = f32::NEG_INFINITY;
        walk(sizes, [strides], [0], &mut |[x]| {
            if from[x] > top || from[x].is_nan() {
                top = from[x];
            }
        });
        f64::from(top)
    }
}

/// Puts two parts of a reduction together.
pub(super) fn join(how: Reduction, a: f64, b: f64) -> f64 {
    match how {
        Reduction::Sum => a + b,
        Reduction::Maximum => {
            if a > b || a.is_nan() {
                a
            } else {
                b
            }
        }
        Reduction::LogSumExp => {
            let (top, low) = if a > b || a.is_nan() { (a, b) } else { (b, a) };
            if top.is_finite() && low.is_finite() {
                top + log(1.0 + exp(low - top))
            } else if low.is_nan() {
                low
            } else {
                top
            }
        }
    }
}

/// What a part of a reduction starts with.
pub(super) fn start(how: Reduction) -> f64 {
    if how == Reduction::Sum { 0.0 } else { f64::NEG_INFINITY }
}

#[allow(clippy::disallowed_methods, reason = "one number per result, in f64")]
fn log(x: f64) -> f64 {
    x.ln()
}

#[allow(clippy::disallowed_methods, reason = "one number per result, in f64")]
fn exp(x: f64) -> f64 {
    x.exp()
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+fma+bmi2", "x86_64+avx2+fma+bmi2"))]
fn add_into(to: &mut [f32], from: &[f32]) {
    for (t, f) in to.iter_mut().zip(from) {
        *t += *f;
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+fma+bmi2", "x86_64+avx2+fma+bmi2"))]
fn max_into(to: &mut [f32], from: &[f32]) {
    for (t, f) in to.iter_mut().zip(from) {
        *t = if *t > *f || t.is_nan() { *t } else { *f };
    }
}

/// The sum of neighbours: sixteen sums side by side, then one of those in f64.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+fma+bmi2", "x86_64+avx2+fma+bmi2"))]
fn sum_run(from: &[f32]) -> f64 {
    let mut sums = [0.0_f32; 16];
    let mut total = 0.0_f64;
    for block in from.chunks(4096) {
        let mut pieces = block.chunks_exact(16);
        for piece in &mut pieces {
            for (s, x) in sums.iter_mut().zip(piece) {
                *s += *x;
            }
        }
        for x in pieces.remainder() {
            total += f64::from(*x);
        }
        for s in &mut sums {
            total += f64::from(*s);
            *s = 0.0;
        }
    }
    total
}
