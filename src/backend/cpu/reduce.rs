//! Reductions.

use multiversion::multiversion;

use super::memory::{Memory, Numbers, Part, Ptr};
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
            Target::Memory(p, add) => {
                let at = memory.at(p);
                let mut slot = memory.take(p);
                self.write(&mut slot[at..], *add, memory.read(&self.from));
                memory.put(p, slot);
            }
            Target::Part(k, _) => {
                let mut part = std::mem::replace(&mut memory.partials[*k], Part::Single(Numbers::default()));
                if let Part::Wide(to) = &mut part {
                    let from = memory.read(&self.from);
                    let (sizes, sx, sy) = &self.kept;
                    if let (Reduction::Sum, [n], [1], [rows], [stride], [1]) =
                        (self.how, &self.reduced.0[..], &self.reduced.1[..], &sizes[..], &sx[..], &sy[..])
                        && *n <= SHORT
                    {
                        sum_rows(&mut to[..*rows], from, *stride, *n);
                        memory.partials[*k] = part;
                        return;
                    }
                    walk(sizes, [sx, sy], [0; 2], &mut |[x, y]| {
                        to[y] = join(self.how, to[y], self.entry(&from[x..]));
                    });
                }
                memory.partials[*k] = part;
            }
        }
    }

    fn write(&self, to: &mut [f32], add: bool, from: &[f32]) {
        let (sizes, sx, sy) = &self.kept;
        // Neighbours of the operand that are neighbours of the result are reduced side by side.
        let side_by_side = sizes.len().checked_sub(1).filter(|i| sx[*i] == 1 && sy[*i] == 1 && sizes[*i] >= 8);
        let Some(last) = side_by_side else {
            walk(sizes, [sx, sy], [0; 2], &mut |[x, y]| {
                let before = if add { f64::from(to[y]) } else { start(self.how) };
                to[y] = join(self.how, before, self.entry(&from[x..])) as f32;
            });
            return;
        };
        let n = sizes[last];
        let (rs, rx) = &self.reduced;
        if self.how == Reduction::LogSumExp {
            let (mut tops, mut sums) = (vec![0.0_f32; n], vec![0.0_f64; n]);
            walk(&sizes[..last], [&sx[..last], &sy[..last]], [0; 2], &mut |[x, y]| {
                tops.fill(f32::NEG_INFINITY);
                sums.fill(0.0);
                walk(rs, [rx], [x], &mut |[x]| max_into(&mut tops, &from[x..x + n]));
                walk(rs, [rx], [x], &mut |[x]| add_exp_into(&mut sums, &tops, &from[x..x + n]));
                for (to, (top, sum)) in to[y..y + n].iter_mut().zip(tops.iter().zip(&sums)) {
                    let own = f64::from(*top) + if top.is_finite() { log(*sum) } else { 0.0 };
                    *to = if add { join(self.how, f64::from(*to), own) as f32 } else { own as f32 };
                }
            });
            return;
        }
        walk(&sizes[..last], [&sx[..last], &sy[..last]], [0; 2], &mut |[x, y]| {
            let to = &mut to[y..y + n];
            if !add {
                to.fill(start(self.how) as f32);
            }
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
            Reduction::Sum if matches!((&sizes[..], &strides[..]), ([_, 64], [_, 1])) => {
                // Few enough for f32 between two changes to f64.
                (0..sizes[0])
                    .step_by(1024)
                    .map(|i| add_rows(&from[i * strides[0]..], 1024.min(sizes[0] - i), strides[0]))
                    .fold(0.0, |a, b| a + b)
            }
            Reduction::Sum if strides.last() == Some(&1) => {
                let last = sizes.len() - 1;
                let mut sums = Sums::default();
                walk(&sizes[..last], [&strides[..last]], [0], &mut |[x]| sums.add(&from[x..x + sizes[last]]));
                sums.total()
            }
            Reduction::Sum => {
                let mut sum = 0.0;
                walk(sizes, [strides], [0], &mut |[x]| sum += f64::from(from[x]));
                sum
            }
            Reduction::Maximum => self.maximum(from),
            Reduction::LogSumExp => {
                let top = self.maximum(from);
                if !top.is_finite() {
                    return top;
                }
                let mut sum = 0.0;
                if let ([others @ .., n], [along @ .., 1]) = (&sizes[..], &strides[..]) {
                    walk(others, [along], [0], &mut |[x]| sum += sum_exp(&from[x..x + n], top as f32));
                } else {
                    walk(sizes, [strides], [0], &mut |[x]| sum += f64::from(math::exp(from[x] - top as f32)));
                }
                top + log(sum)
            }
        }
    }

    fn maximum(&self, from: &[f32]) -> f64 {
        let (sizes, strides) = &self.reduced;
        let mut top = f32::NEG_INFINITY;
        if let ([others @ .., n], [along @ .., 1]) = (&sizes[..], &strides[..]) {
            let mut tops = [top; 16];
            walk(others, [along], [0], &mut |[x]| {
                let mut pieces = from[x..x + n].chunks_exact(16);
                for piece in &mut pieces {
                    max_into(&mut tops, piece);
                }
                max_into(&mut tops[..pieces.remainder().len()], pieces.remainder());
            });
            return tops.iter().fold(f64::NEG_INFINITY, |a, b| join(Reduction::Maximum, a, f64::from(*b)));
        }
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

/// Adds e^(x − top), entry by entry, where the top is finite.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+fma+bmi2", "x86_64+avx2+fma+bmi2"))]
fn add_exp_into(sums: &mut [f64], tops: &[f32], from: &[f32]) {
    for ((sum, top), x) in sums.iter_mut().zip(tops).zip(from) {
        *sum += f64::from(math::exp(*x - *top));
    }
}

/// Σ e^(x − top) over neighbours.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+fma+bmi2", "x86_64+avx2+fma+bmi2"))]
fn sum_exp(from: &[f32], top: f32) -> f64 {
    let mut sums = [0.0_f64; 16];
    let mut pieces = from.chunks_exact(16);
    for piece in &mut pieces {
        for (sum, x) in sums.iter_mut().zip(piece) {
            *sum += f64::from(math::exp(*x - top));
        }
    }
    for (sum, x) in sums.iter_mut().zip(pieces.remainder()) {
        *sum += f64::from(math::exp(*x - top));
    }
    sums.iter().sum()
}

/// Sums of sixteen columns, carried over to f64 before they grow long.
#[derive(Default)]
struct Sums {
    columns: [f32; 16],
    added: usize,
    total: f64,
}

impl Sums {
    fn add(&mut self, from: &[f32]) {
        for block in from.chunks(4096) {
            if self.added + block.len() > 8192 {
                self.carry();
            }
            self.added += block.len();
            self.total += add_columns(&mut self.columns, block);
        }
    }

    fn carry(&mut self) {
        for s in &mut self.columns {
            self.total += f64::from(*s);
            *s = 0.0;
        }
        self.added = 0;
    }

    fn total(mut self) -> f64 {
        self.carry();
        self.total
    }
}

/// Numbers of a row that are added in f32 at most, sixteen columns apart.
const SHORT: usize = 4096;

/// Adds the sum of each row of `n` neighbours to its place.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+fma+bmi2", "x86_64+avx2+fma+bmi2"))]
fn sum_rows(to: &mut [f64], from: &[f32], stride: usize, n: usize) {
    for (row, to) in to.iter_mut().enumerate() {
        let mut columns = [0.0_f32; 16];
        let mut pieces = from[row * stride..][..n].chunks_exact(16);
        for piece in &mut pieces {
            for (c, x) in columns.iter_mut().zip(piece) {
                *c += *x;
            }
        }
        let rest: f64 = pieces.remainder().iter().map(|x| f64::from(*x)).sum();
        let mut sums: [f64; 8] = std::array::from_fn(|i| f64::from(columns[i]) + f64::from(columns[i + 8]));
        for width in [4, 2, 1] {
            for i in 0..width {
                sums[i] += sums[i + width];
            }
        }
        *to += sums[0] + rest;
    }
}

/// The sum of rows of 64 neighbours.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+fma+bmi2", "x86_64+avx2+fma+bmi2"))]
fn add_rows(from: &[f32], rows: usize, stride: usize) -> f64 {
    let mut sums = [0.0_f32; 64];
    for row in 0..rows {
        for (s, x) in sums.iter_mut().zip(&from[row * stride..][..64]) {
            *s += *x;
        }
    }
    sums.iter().fold(0.0, |sum, x| sum + f64::from(*x))
}

/// Adds neighbours to sixteen sums; what is left over is returned.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+fma+bmi2", "x86_64+avx2+fma+bmi2"))]
fn add_columns(columns: &mut [f32; 16], from: &[f32]) -> f64 {
    let mut sums = *columns;
    let mut pieces = from.chunks_exact(16);
    for piece in &mut pieces {
        for (s, x) in sums.iter_mut().zip(piece) {
            *s += *x;
        }
    }
    *columns = sums;
    pieces.remainder().iter().map(|x| f64::from(*x)).sum()
}
