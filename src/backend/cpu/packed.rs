//! A matrix that all tiles share times the lanes of a tile: the matrix is packed once per run, and a block of its rows by
//! all lanes stays in vector registers.

use multiversion::multiversion;

use super::strided::walk;

/// Where a shared matrix lies and how it is packed: `[rows / block][columns][block]`, the last block filled with zeros.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pack {
    pub slot: usize,
    pub offset: usize,
    /// Rows and columns, each as sizes and strides.
    pub rows: (Vec<usize>, Vec<usize>),
    pub columns: (Vec<usize>, Vec<usize>),
    pub block: usize,
}

impl Pack {
    fn count(sizes: &[usize]) -> usize {
        sizes.iter().product()
    }

    /// The numbers of the packed matrix.
    pub fn len(&self) -> usize {
        Self::count(&self.rows.0).div_ceil(self.block) * self.block * Self::count(&self.columns.0)
    }

    /// Packs.
    pub fn fill(&self, from: &[f32], to: &mut [f32]) {
        let columns = Self::count(&self.columns.0);
        let from = &from[self.offset..];
        let mut row = 0;
        walk(&self.rows.0, [&self.rows.1], [0], &mut |[r]| {
            let base = row / self.block * self.block * columns + row % self.block;
            let mut column = 0;
            walk(&self.columns.0, [&self.columns.1], [r], &mut |[x]| {
                to[base + column * self.block] = from[x];
                column += 1;
            });
            row += 1;
        });
    }
}

/// Rows of a block for this many lanes, if lanes are so many that blocks suit this machine.
pub(super) fn block(lanes: usize) -> Option<usize> {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx512f") {
        // Fewer lanes than this do not keep a block in registers; the general product is faster there.
        return (lanes == 64).then_some(4);
    }
    let _ = lanes;
    None
}

/// C = W X, or C += W X: `rows` rows of packed W, `columns` rows of X, `lanes` lanes.
#[expect(clippy::too_many_arguments, reason = "three matrices and their sizes")]
pub(super) fn multiply(
    lanes: usize,
    rows: usize,
    columns: usize,
    w: &[f32],
    x: &[f32],
    x_stride: usize,
    c: &mut [f32],
    c_stride: usize,
    add: bool,
) {
    match lanes {
        64 => lanes_64(rows, columns, w, x, x_stride, c, c_stride, add),
        _ => unreachable!("blocks are made for these numbers of lanes"),
    }
}

/// A matrix where it lies: where its rows or its columns are neighbours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Matrix<'a> {
    pub numbers: &'a [f32],
    pub rows: usize,
    pub columns: usize,
    /// From row to row, and from column to column; one of them is 1.
    pub strides: [usize; 2],
}

/// C = W X, or C += W X, with W where it lies.
pub(super) fn multiply_in_place(
    lanes: usize,
    w: Matrix<'_>,
    x: &[f32],
    x_stride: usize,
    c: &mut [f32],
    c_stride: usize,
    add: bool,
) {
    match lanes {
        64 => in_place_64(w, x, x_stride, c, c_stride, add),
        _ => unreachable!("blocks are made for these numbers of lanes"),
    }
}

macro_rules! kernel {
    ($name:ident, $in_place:ident, $lanes:literal, $block:literal) => {
        #[multiversion(targets("x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+fma+bmi2"))]
        fn $in_place(w: Matrix<'_>, x: &[f32], x_stride: usize, c: &mut [f32], c_stride: usize, add: bool) {
            let [row, column] = w.strides;
            for first in (0..w.rows).step_by($block) {
                let mut sums = [[0.0_f32; $lanes]; $block];
                let mut step = |x: &[f32], weights: [f32; $block]| {
                    let x: &[f32; $lanes] = x.try_into().expect("as many lanes");
                    for r in 0..$block {
                        for l in 0..$lanes {
                            sums[r][l] = x[l].mul_add(weights[r], sums[r][l]);
                        }
                    }
                };
                // Rows past the end repeat the last one; they are not stored.
                if column == 1 {
                    let rows: [&[f32]; $block] =
                        std::array::from_fn(|r| &w.numbers[(first + r).min(w.rows - 1) * row..][..w.columns]);
                    for k in 0..w.columns {
                        step(&x[k * x_stride..][..$lanes], std::array::from_fn(|r| rows[r][k]));
                    }
                } else if first + $block <= w.rows {
                    for k in 0..w.columns {
                        let weights: &[f32; $block] =
                            w.numbers[first + k * column..][..$block].try_into().expect("a whole block");
                        step(&x[k * x_stride..][..$lanes], *weights);
                    }
                } else {
                    for k in 0..w.columns {
                        let weights = std::array::from_fn(|r| w.numbers[(first + r).min(w.rows - 1) + k * column]);
                        step(&x[k * x_stride..][..$lanes], weights);
                    }
                }
                for (r, sums) in sums.iter().enumerate().take(w.rows - first) {
                    let to: &mut [f32; $lanes] =
                        (&mut c[(first + r) * c_stride..][..$lanes]).try_into().expect("as many lanes");
                    if add {
                        for l in 0..$lanes {
                            to[l] += sums[l];
                        }
                    } else {
                        *to = *sums;
                    }
                }
            }
        }

        #[multiversion(targets("x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+fma+bmi2"))]
        #[expect(clippy::too_many_arguments, reason = "three matrices and their sizes")]
        fn $name(
            rows: usize,
            columns: usize,
            w: &[f32],
            x: &[f32],
            x_stride: usize,
            c: &mut [f32],
            c_stride: usize,
            add: bool,
        ) {
            for (b, panel) in w.chunks_exact($block * columns.max(1)).enumerate().take(rows.div_ceil($block)) {
                let mut sums = [[0.0_f32; $lanes]; $block];
                for (k, weights) in panel.chunks_exact($block).enumerate().take(columns) {
                    let x: &[f32; $lanes] = x[k * x_stride..][..$lanes].try_into().expect("as many lanes");
                    let weights: &[f32; $block] = weights.try_into().expect("a whole block");
                    for r in 0..$block {
                        for l in 0..$lanes {
                            sums[r][l] = x[l].mul_add(weights[r], sums[r][l]);
                        }
                    }
                }
                for (r, sums) in sums.iter().enumerate().take(rows - b * $block) {
                    let to: &mut [f32; $lanes] =
                        (&mut c[(b * $block + r) * c_stride..][..$lanes]).try_into().expect("as many lanes");
                    if add {
                        for l in 0..$lanes {
                            to[l] += sums[l];
                        }
                    } else {
                        *to = *sums;
                    }
                }
            }
        }
    };
}

kernel!(lanes_64, in_place_64, 64, 4);
