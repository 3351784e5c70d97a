//! A matrix times lanes: a block of rows by some lanes stays in vector registers, and what follows the product
//! entry by entry is done there before anything is stored.
#![allow(unsafe_code, reason = "vector loads and stores; every offset they can reach is checked first")]

use crate::plan::Then;

/// A matrix: packed in blocks of rows, `[rows / block][columns][block]`, or where it lies.
#[derive(Clone, Copy, Debug)]
pub(super) enum Matrix<'a> {
    /// The last block is filled up.
    Packed(&'a [f32]),
    /// From row to row, and from column to column.
    InPlace(&'a [f32], [usize; 2]),
}

/// Numbers beside a product: one per lane or one for all lanes, and from row to row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beside<'a> {
    pub numbers: &'a [f32],
    pub row: usize,
    pub lanes: bool,
}

/// C = W X, or C += W X, with lanes side by side in X and C.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work<'a> {
    pub lanes: usize,
    pub rows: usize,
    pub columns: usize,
    pub w: Matrix<'a>,
    pub x: &'a [f32],
    /// From row to row of X, and of C.
    pub x_row: usize,
    pub c_row: usize,
    /// Whether the product is added to C.
    pub add: bool,
    /// What is done to the sums, in order.
    pub then: &'a [Then<Beside<'a>>],
    /// The columns from and to which W may differ from zero, for each block of rows; all columns if there are none.
    pub kept: &'a [[usize; 2]],
}

impl Work<'_> {
    /// The numbers of a matrix of `rows` rows of lanes.
    fn reach(&self, rows: usize, row: usize) -> usize {
        (rows - 1) * row + self.lanes
    }

    /// Whether every offset of the kernels lies inside of its slice.
    fn fits(&self, block: usize, c: &[f32]) -> bool {
        let beside = |b: &Beside<'_>| {
            b.numbers.len() >= if b.lanes { self.reach(self.rows, b.row) } else { (self.rows - 1) * b.row + 1 }
        };
        self.rows > 0
            && self.columns > 0
            && self.x.len() >= self.reach(self.columns, self.x_row)
            && c.len() >= self.reach(self.rows, self.c_row)
            && match self.w {
                Matrix::Packed(w) => w.len() >= self.rows.div_ceil(block) * block * self.columns,
                Matrix::InPlace(w, [r, c]) => w.len() > (self.rows - 1) * r + (self.columns - 1) * c,
            }
            && self.then.iter().filter_map(Then::operand).all(beside)
            && (self.kept.is_empty() || self.kept.len() == self.rows.div_ceil(block))
            && self.kept.iter().all(|[from, to]| from <= to && *to <= self.columns)
    }
}

/// Rows of a block for this many lanes, if this machine has vectors that suit them.
pub(super) fn block(lanes: usize) -> Option<usize> {
    kernel(lanes).map(|k| k.0)
}

/// Computes it.
///
/// # Panics
/// If [`block`] has no answer for this many lanes, or a matrix runs past the end of its slice.
pub(super) fn multiply(work: &Work<'_>, c: &mut [f32]) {
    let (block, run) = kernel(work.lanes).expect("blocks are made for these numbers of lanes");
    assert!(work.fits(block, c), "matrices fit their places");
    // SAFETY: the machine has the instructions, and all offsets were checked.
    unsafe { run(work, c) }
}

/// Numbers that are gathered at most.
const GATHERED: usize = 4096;

type Run = unsafe fn(&Work<'_>, &mut [f32]);

#[cfg(target_arch = "x86_64")]
fn kernel(lanes: usize) -> Option<(usize, Run)> {
    if lanes == 0 || !lanes.is_multiple_of(16) {
        return None;
    }
    if std::arch::is_x86_feature_detected!("avx512f") {
        return Some(match lanes {
            n if n.is_multiple_of(64) => (6, wide::by_64),
            n if n.is_multiple_of(32) => (12, wide::by_32),
            _ => (14, wide::by_16),
        });
    }
    let half = std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma");
    half.then_some((6, half::by_16 as Run))
}

#[cfg(not(target_arch = "x86_64"))]
fn kernel(_lanes: usize) -> Option<(usize, Run)> {
    None
}

#[cfg(target_arch = "x86_64")]
macro_rules! kernels {
    ($features:literal, $vector:ty, $width:literal, $($name:ident: $vectors:literal, $block:literal;)+) => {
        $(
            /// # Safety
            /// The machine has the instructions, and `work` fits.
            #[target_feature(enable = $features)]
            pub(super) unsafe fn $name(work: &Work<'_>, c: &mut [f32]) {
                const LANES: usize = $vectors * $width;
                let Work { rows, columns, c_row, .. } = *work;
                // Lanes that lie far apart share few places of the first-level cache: many columns are gathered first.
                let gathers =
                    columns > 96 && columns * LANES <= GATHERED && rows > 2 * $block && work.x_row != LANES;
                let mut gathered = [const { std::mem::MaybeUninit::<f32>::uninit() }; GATHERED];
                for first in (0..work.lanes).step_by(LANES) {
                    let (mut x_start, mut x_row) = (work.x.as_ptr().wrapping_add(first), work.x_row);
                    if gathers {
                        let to: *mut f32 = gathered.as_mut_ptr().cast();
                        for k in 0..columns {
                            for v in 0..$vectors {
                                // SAFETY: columns and lanes are inside of what `fits` checked, and they fit the array.
                                unsafe {
                                    let from = load(x_start.add(k * x_row + v * $width));
                                    store(to.add(k * LANES + v * $width), from);
                                }
                            }
                        }
                        (x_start, x_row) = (to, LANES);
                    }
                    for first_row in (0..rows).step_by($block) {
                        let last = (rows - first_row).min($block) - 1;
                        let [from, to] = work.kept.get(first_row / $block).copied().unwrap_or([0, columns]);
                        let mut sums = [[zero(); $vectors]; $block];
                        // SAFETY: rows, columns and lanes are inside of what `fits` checked; blocks that are not full
                        // repeat their last row, which is not stored.
                        unsafe {
                            let mut x = x_start.wrapping_add(from * x_row);
                            match work.w {
                                Matrix::Packed(w) => {
                                    let mut w = w.as_ptr().add(first_row * columns + from * $block);
                                    for _ in from..to {
                                        let lanes: [$vector; $vectors] = std::array::from_fn(|v| load(x.add(v * $width)));
                                        for r in 0..$block {
                                            let weight = fill(*w.add(r));
                                            for v in 0..$vectors {
                                                sums[r][v] = fma(weight, lanes[v], sums[r][v]);
                                            }
                                        }
                                        x = x.wrapping_add(x_row);
                                        w = w.wrapping_add($block);
                                    }
                                }
                                Matrix::InPlace(w, [row, column]) => {
                                    let w: [*const f32; $block] =
                                        std::array::from_fn(|r| w.as_ptr().add((first_row + r.min(last)) * row));
                                    for k in from..to {
                                        let lanes: [$vector; $vectors] = std::array::from_fn(|v| load(x.add(v * $width)));
                                        for r in 0..$block {
                                            let weight = fill(*w[r].add(k * column));
                                            for v in 0..$vectors {
                                                sums[r][v] = fma(weight, lanes[v], sums[r][v]);
                                            }
                                        }
                                        x = x.wrapping_add(x_row);
                                    }
                                }
                            }
                            // A copy: what is reached through references would not stay in registers above.
                            let mut out = sums;
                            if work.add {
                                for r in 0..$block {
                                    let to = c.as_ptr().add((first_row + r.min(last)) * c_row + first);
                                    for v in 0..$vectors {
                                        out[r][v] = add(out[r][v], load(to.add(v * $width)));
                                    }
                                }
                            }
                            for then in work.then {
                                macro_rules! each {
                                    ($b:ident, $s:ident, $x:ident => $e:expr) => {
                                        for r in 0..$block {
                                            let row = $b.numbers.as_ptr().add((first_row + r.min(last)) * $b.row);
                                            for v in 0..$vectors {
                                                let ($s, $x) = (
                                                    out[r][v],
                                                    if $b.lanes { load(row.add(first + v * $width)) } else { fill(*row) },
                                                );
                                                out[r][v] = $e;
                                            }
                                        }
                                    };
                                }
                                match then {
                                    Then::Add(b) => each!(b, s, x => add(s, x)),
                                    Then::Subtract(b) => each!(b, s, x => subtract(s, x)),
                                    Then::SubtractFrom(b) => each!(b, s, x => subtract(x, s)),
                                    Then::Multiply(b) => each!(b, s, x => multiply(s, x)),
                                    Then::Gate(b) => each!(b, s, x => multiply(s, positive(x))),
                                    Then::Affine(k, c) => {
                                        let (k, c) = (fill(*k as f32), fill(*c as f32));
                                        for s in out.as_flattened_mut() {
                                            *s = add(multiply(*s, k), c);
                                        }
                                    }
                                    Then::Relu => {
                                        for s in out.as_flattened_mut() {
                                            *s = relu(*s);
                                        }
                                    }
                                }
                            }
                            for r in 0..=last {
                                let to = c.as_mut_ptr().add((first_row + r) * c_row + first);
                                for v in 0..$vectors {
                                    store(to.add(v * $width), out[r][v]);
                                }
                            }
                        }
                    }
                }
            }
        )+
    };
}

#[cfg(target_arch = "x86_64")]
mod half {
    use std::arch::x86_64::{
        __m256, _CMP_GT_OQ, _mm256_add_ps as add, _mm256_and_ps, _mm256_cmp_ps, _mm256_fmadd_ps as fma,
        _mm256_loadu_ps as load, _mm256_max_ps, _mm256_mul_ps as multiply, _mm256_set1_ps as fill,
        _mm256_setzero_ps as zero, _mm256_storeu_ps as store, _mm256_sub_ps as subtract,
    };

    use super::{GATHERED, Matrix, Work};
    use crate::plan::Then;

    /// 1 where x > 0, else 0.
    #[target_feature(enable = "avx2,fma")]
    fn positive(x: __m256) -> __m256 {
        _mm256_and_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(x, zero()), fill(1.0))
    }

    /// The larger of x and 0; NaN stays.
    #[target_feature(enable = "avx2,fma")]
    fn relu(x: __m256) -> __m256 {
        _mm256_max_ps(zero(), x)
    }

    kernels!("avx2,fma", __m256, 8, by_16: 2, 6;);
}

#[cfg(target_arch = "x86_64")]
mod wide {
    use std::arch::x86_64::{
        __m512, _CMP_GT_OQ, _mm512_add_ps as add, _mm512_cmp_ps_mask, _mm512_fmadd_ps as fma, _mm512_loadu_ps as load,
        _mm512_maskz_mov_ps, _mm512_max_ps, _mm512_mul_ps as multiply, _mm512_set1_ps as fill,
        _mm512_setzero_ps as zero, _mm512_storeu_ps as store, _mm512_sub_ps as subtract,
    };

    use super::{GATHERED, Matrix, Work};
    use crate::plan::Then;

    /// 1 where x > 0, else 0.
    #[target_feature(enable = "avx512f")]
    fn positive(x: __m512) -> __m512 {
        _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(x, zero()), fill(1.0))
    }

    /// The larger of x and 0; NaN stays.
    #[target_feature(enable = "avx512f")]
    fn relu(x: __m512) -> __m512 {
        _mm512_max_ps(zero(), x)
    }

    kernels!("avx512f", __m512, 16, by_64: 4, 6; by_32: 2, 12; by_16: 1, 14;);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|i| ((i * 37 + seed * 11) % 29) as f32 / 7.0 - 2.0).collect()
    }

    /// The product and what becomes of it, entry by entry.
    fn plain(work: &Work<'_>, w: &[f32], c: &[f32], row: usize, lane: usize) -> f32 {
        let mut s = 0.0_f32;
        for k in 0..work.columns {
            s = w[row * work.columns + k].mul_add(work.x[k * work.x_row + lane], s);
        }
        if work.add {
            s += c[row * work.c_row + lane];
        }
        for then in work.then {
            let x = then.operand().map_or(0.0, |b| b.numbers[row * b.row + if b.lanes { lane } else { 0 }]);
            s = match then {
                Then::Add(_) => s + x,
                Then::Subtract(_) => s - x,
                Then::SubtractFrom(_) => x - s,
                Then::Multiply(_) => s * x,
                Then::Gate(_) => s * if x > 0.0 { 1.0 } else { 0.0 },
                Then::Affine(k, c) => s * *k as f32 + *c as f32,
                Then::Relu => s.max(0.0),
            };
        }
        s
    }

    #[test]
    fn columns_of_zeros_are_left_out() {
        for lanes in [16, 32, 64] {
            let Some(block) = block(lanes) else { continue };
            let (rows, columns) = (3 * block - 2, 40);
            let kept = [[0, 7], [5, 40], [9, 9]];
            let mut w = numbers(rows * columns, 1);
            for (i, w) in w.iter_mut().enumerate() {
                let [from, to] = kept[i / columns / block];
                *w = if (from..to).contains(&(i % columns)) { *w } else { 0.0 };
            }
            let x = numbers(columns * lanes, 2);
            let product = |kept: &[[usize; 2]]| {
                let mut c = vec![f32::NAN; rows * lanes];
                let w = Matrix::InPlace(&w, [columns, 1]);
                let (x_row, c_row, add) = (lanes, lanes, false);
                multiply(&Work { lanes, rows, columns, w, x: &x, x_row, c_row, add, then: &[], kept }, &mut c);
                c
            };
            assert_eq!(product(&kept), product(&[]), "{lanes} lanes");
        }
    }

    #[test]
    fn blocks_are_products_and_what_follows_them() {
        for (lanes, rows, columns) in [(16, 1, 1), (32, 7, 3), (64, 13, 130), (64, 20, 21), (512, 30, 8), (48, 6, 100)]
        {
            let Some(block) = block(lanes) else { continue };
            let w = numbers(rows * columns, 1);
            let mut packed = vec![0.0; rows.div_ceil(block) * block * columns];
            for r in 0..rows {
                for k in 0..columns {
                    packed[r / block * block * columns + k * block + r % block] = w[r * columns + k];
                }
            }
            let (x_row, c_row) = (lanes + 16, lanes + 32);
            let (x, many, few) = (numbers(columns * x_row, 2), numbers(rows * lanes, 3), numbers(rows, 4));
            let many = Beside { numbers: &many, row: lanes, lanes: true };
            let few = Beside { numbers: &few, row: 1, lanes: false };
            let chains: [&[Then<Beside<'_>>]; 4] = [
                &[],
                &[Then::Add(few), Then::Relu],
                &[Then::Subtract(many), Then::Affine(-0.5, 0.25), Then::Gate(many)],
                &[Then::SubtractFrom(many), Then::Multiply(few), Then::Multiply(many)],
            ];
            for then in chains {
                for (w_form, add) in [(Matrix::Packed(&packed), false), (Matrix::InPlace(&w, [columns, 1]), true)] {
                    let work = Work { lanes, rows, columns, w: w_form, x: &x, x_row, c_row, add, then, kept: &[] };
                    let before = numbers(rows * c_row, 5);
                    let mut c = before.clone();
                    multiply(&work, &mut c);
                    for row in 0..rows {
                        for lane in 0..c_row {
                            let found = c[row * c_row + lane];
                            let at = row * c_row + lane;
                            let expected = if lane < lanes { plain(&work, &w, &before, row, lane) } else { before[at] };
                            assert_eq!(found, expected, "{lanes} lanes, {rows} by {columns}, entry {row} {lane}");
                        }
                    }
                }
            }
        }
    }
}
