//! Sums over lanes of products of two rows, as the gradients of weights are. One factor is turned a panel at a time, so that
//! its rows lie side by side; a block of the result then stays in vector registers.
#![allow(unsafe_code, reason = "vector loads and stores; every offset they can reach is checked first")]

/// C = Σ A Bᵀ, or C += Σ A Bᵀ, summed over steps; A and B have lanes side by side.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outer<'a> {
    /// Rows of C and of A.
    pub rows: usize,
    /// Columns of C, which are the rows of B.
    pub columns: usize,
    pub lanes: usize,
    pub steps: usize,
    pub a: &'a [f32],
    /// From row to row of A, and from step to step.
    pub a_strides: [usize; 2],
    pub b: &'a [f32],
    pub b_strides: [usize; 2],
    pub c_row: usize,
    /// Whether the sum is added to C.
    pub add: bool,
    /// The rows from and to which C is wanted, for each [`PANEL`] of columns; all rows if there are none.
    pub kept: &'a [[usize; 2]],
}

/// Columns of C that are computed together.
pub(super) const PANEL: usize = 64;

impl Outer<'_> {
    /// Whether every offset of the kernel lies inside of its slice.
    fn fits(&self, c: &[f32]) -> bool {
        let reach = |rows: usize, [row, step]: [usize; 2]| (rows - 1) * row + (self.steps - 1) * step + self.lanes;
        self.rows > 0
            && self.columns > 0
            && self.steps > 0
            && self.lanes > 0
            && self.lanes.is_multiple_of(16)
            && self.a.len() >= reach(self.rows, self.a_strides)
            && self.b.len() >= reach(self.columns, self.b_strides)
            && c.len() >= (self.rows - 1) * self.c_row + self.columns
            && (self.kept.is_empty() || self.kept.len() == self.columns.div_ceil(PANEL))
            && self.kept.iter().all(|[from, to]| from <= to && *to <= self.rows)
    }
}

/// Whether this machine has vectors that suit this many lanes.
pub(super) fn suits(lanes: usize) -> bool {
    #[cfg(target_arch = "x86_64")]
    return lanes > 0 && lanes.is_multiple_of(16) && std::arch::is_x86_feature_detected!("avx512f");
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

/// Computes it.
///
/// # Panics
/// If [`suits`] is false for this many lanes, or a matrix runs past the end of its slice.
pub(super) fn sum(work: &Outer<'_>, c: &mut [f32]) {
    assert!(suits(work.lanes), "panels are made for these numbers of lanes");
    assert!(work.fits(c), "matrices fit their places");
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the machine has the instructions, and all offsets were checked.
    unsafe {
        wide::sum(work, c);
    }
}

#[cfg(target_arch = "x86_64")]
mod wide {
    use std::arch::x86_64::{
        __m128, __m512, __mmask16, _mm_loadu_ps, _mm_setzero_ps, _mm512_castpd_ps, _mm512_castps_pd,
        _mm512_castps128_ps512, _mm512_fmadd_ps, _mm512_insertf32x4, _mm512_load_ps, _mm512_mask_storeu_ps,
        _mm512_maskz_loadu_ps, _mm512_set1_ps, _mm512_setzero_ps, _mm512_store_ps, _mm512_unpackhi_pd,
        _mm512_unpackhi_ps, _mm512_unpacklo_pd, _mm512_unpacklo_ps,
    };

    use std::mem::MaybeUninit;

    use super::Outer;

    /// Lanes and columns of a panel, which fills two thirds of the first-level cache.
    const DEEP: usize = 128;
    const WIDE: usize = super::PANEL;
    /// Rows of a block.
    const BLOCK: usize = 6;

    /// Columns side by side, lane by lane. Every vector is written before it is read.
    #[repr(align(64))]
    struct Panel(MaybeUninit<[f32; DEEP * WIDE]>);

    /// A block of rows of C and what it is made of.
    #[derive(Clone, Copy)]
    struct Rows {
        steps: usize,
        lanes: usize,
        a: *const f32,
        a_strides: [usize; 2],
        panel: *const f32,
        c: *mut f32,
        c_row: usize,
        /// The columns of the last vector.
        mask: __mmask16,
        add: bool,
    }

    /// # Safety
    /// The machine has the instructions, and `work` fits.
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn sum(work: &Outer<'_>, c: &mut [f32]) {
        let Outer { lanes, a_strides, b_strides, c_row, .. } = *work;
        let mut panel = Panel(MaybeUninit::uninit());
        let panel: *mut f32 = panel.0.as_mut_ptr().cast();
        let deep = lanes.min(DEEP);
        let together = DEEP / deep;
        for first_column in (0..work.columns).step_by(WIDE) {
            let columns = (work.columns - first_column).min(WIDE);
            let vectors = columns.div_ceil(16);
            let [from, to] = work.kept.get(first_column / WIDE).copied().unwrap_or([0, work.rows]);
            if from == to {
                continue;
            }
            let mask = if columns.is_multiple_of(16) { 0xffff } else { (1 << (columns % 16)) - 1 };
            let mut add = work.add;
            for first_step in (0..work.steps).step_by(together) {
                let steps = (work.steps - first_step).min(together);
                for first_lane in (0..lanes).step_by(deep) {
                    let deep = (lanes - first_lane).min(deep);
                    // SAFETY: rows, columns, steps and lanes are inside of what `fits` checked.
                    unsafe {
                        let place = |strides: [usize; 2]| first_step * strides[1] + first_lane;
                        for step in 0..steps {
                            let b = work.b.as_ptr().add(place(b_strides) + step * b_strides[1]);
                            for column in (0..columns).step_by(16) {
                                let b = b.add((first_column + column) * b_strides[0]);
                                for lane in (0..deep).step_by(16) {
                                    let to = panel.add((step * deep + lane) * WIDE + column);
                                    turn(b.add(lane), b_strides[0], (columns - column).min(16), to);
                                }
                            }
                        }
                        let a = work.a.as_ptr().add(place(a_strides) + from * a_strides[0]);
                        let c = c.as_mut_ptr().add(first_column + from * c_row);
                        let rows = Rows { steps, lanes: deep, a, a_strides, panel, c, c_row, mask, add };
                        match vectors {
                            1 => all::<1>(to - from, rows),
                            2 => all::<2>(to - from, rows),
                            3 => all::<3>(to - from, rows),
                            _ => all::<4>(to - from, rows),
                        }
                    }
                    add = true;
                }
            }
        }
    }

    /// Sixteen lanes of at most sixteen rows, so that the rows lie side by side; zeros in place of rows that are not there.
    #[target_feature(enable = "avx512f")]
    #[inline]
    unsafe fn turn(from: *const f32, stride: usize, rows: usize, to: *mut f32) {
        let four = |row: usize, lane: usize| -> __m128 {
            // SAFETY: the row is there, and so are its sixteen lanes.
            if row < rows { unsafe { _mm_loadu_ps(from.add(row * stride + lane)) } } else { _mm_setzero_ps() }
        };
        for lane in (0..16).step_by(4) {
            let mut v = [_mm512_setzero_ps(); 4];
            for (row, v) in v.iter_mut().enumerate() {
                let x = _mm512_castps128_ps512(four(row, lane));
                let x = _mm512_insertf32x4::<1>(x, four(row + 4, lane));
                let x = _mm512_insertf32x4::<2>(x, four(row + 8, lane));
                *v = _mm512_insertf32x4::<3>(x, four(row + 12, lane));
            }
            let pair = |x: __m512, y: __m512| {
                (_mm512_castps_pd(_mm512_unpacklo_ps(x, y)), _mm512_castps_pd(_mm512_unpackhi_ps(x, y)))
            };
            let ((a, b), (c, d)) = (pair(v[0], v[1]), pair(v[2], v[3]));
            let turned = [
                _mm512_unpacklo_pd(a, c),
                _mm512_unpackhi_pd(a, c),
                _mm512_unpacklo_pd(b, d),
                _mm512_unpackhi_pd(b, d),
            ];
            for (i, x) in turned.into_iter().enumerate() {
                // SAFETY: the panel has sixteen aligned columns of each of these lanes.
                unsafe { _mm512_store_ps(to.add((lane + i) * WIDE), _mm512_castpd_ps(x)) }
            }
        }
    }

    /// All rows, in blocks.
    #[target_feature(enable = "avx512f")]
    unsafe fn all<const VECTORS: usize>(count: usize, rows: Rows) {
        for first in (0..count).step_by(BLOCK) {
            // SAFETY: the rows are there.
            unsafe {
                let rows = Rows { a: rows.a.add(first * rows.a_strides[0]), c: rows.c.add(first * rows.c_row), ..rows };
                match count - first {
                    1 => some::<1, VECTORS>(rows),
                    2 => some::<2, VECTORS>(rows),
                    3 => some::<3, VECTORS>(rows),
                    4 => some::<4, VECTORS>(rows),
                    5 => some::<5, VECTORS>(rows),
                    _ => some::<BLOCK, VECTORS>(rows),
                }
            }
        }
    }

    /// A block.
    #[expect(clippy::needless_range_loop, reason = "rows and vectors count offsets as well")]
    #[target_feature(enable = "avx512f")]
    #[inline]
    unsafe fn some<const ROWS: usize, const VECTORS: usize>(rows: Rows) {
        let Rows { steps, lanes, a, a_strides, panel, c, c_row, mask, add } = rows;
        let mask = |v: usize| if v == VECTORS - 1 { mask } else { 0xffff };
        let mut sums = [[_mm512_setzero_ps(); VECTORS]; ROWS];
        // SAFETY: rows, columns, steps and lanes are inside of what `fits` checked, and the panel has all its lanes.
        unsafe {
            if add {
                for r in 0..ROWS {
                    for v in 0..VECTORS {
                        sums[r][v] = _mm512_maskz_loadu_ps(mask(v), c.add(r * c_row + 16 * v));
                    }
                }
            }
            let mut x = panel;
            for step in 0..steps {
                let a = a.add(step * a_strides[1]);
                for lane in 0..lanes {
                    let columns: [__m512; VECTORS] = std::array::from_fn(|v| _mm512_load_ps(x.add(16 * v)));
                    for r in 0..ROWS {
                        let weight = _mm512_set1_ps(*a.add(r * a_strides[0] + lane));
                        for v in 0..VECTORS {
                            sums[r][v] = _mm512_fmadd_ps(weight, columns[v], sums[r][v]);
                        }
                    }
                    x = x.add(WIDE);
                }
            }
            // A copy: what is reached through references would not stay in registers above.
            let out = sums;
            for r in 0..ROWS {
                for v in 0..VECTORS {
                    _mm512_mask_storeu_ps(c.add(r * c_row + 16 * v), mask(v), out[r][v]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|i| ((i * 37 + seed * 11) % 29) as f32 / 7.0 - 2.0).collect()
    }

    #[test]
    fn sums_over_lanes_and_steps_are_those_of_plain_loops() {
        for (rows, columns, lanes, steps) in
            [(1, 1, 16, 1), (7, 5, 16, 3), (13, 70, 64, 5), (20, 21, 48, 2), (6, 64, 320, 1), (11, 33, 144, 3)]
        {
            if !suits(lanes) {
                continue;
            }
            let (a_strides, b_strides, c_row) =
                ([lanes * steps + 16, lanes], [lanes + 16, (lanes + 16) * columns], columns + 3);
            let a = numbers(rows * a_strides[0], 1);
            let b = numbers(steps * b_strides[1], 2);
            for add in [false, true] {
                let before = numbers(rows * c_row, 3);
                let mut c = before.clone();
                let panels = columns.div_ceil(PANEL);
                let few: Vec<_> = (0..panels).map(|i| [i.min(rows - 1), rows - i.min(rows - 1)]).collect();
                let kept = if add { &few[..] } else { &[] };
                let work = Outer { rows, columns, lanes, steps, a: &a, a_strides, b: &b, b_strides, c_row, add, kept };
                sum(&work, &mut c);
                for row in 0..rows {
                    for column in 0..c_row {
                        let at = row * c_row + column;
                        let mut expected = before[at];
                        let wanted = |[from, to]: &[usize; 2]| (*from..*to).contains(&row);
                        if column < columns && kept.get(column / PANEL).is_none_or(wanted) {
                            expected = if add { expected } else { 0.0 };
                            for step in 0..steps {
                                for lane in 0..lanes {
                                    let x = a[row * a_strides[0] + step * a_strides[1] + lane];
                                    let y = b[column * b_strides[0] + step * b_strides[1] + lane];
                                    expected = x.mul_add(y, expected);
                                }
                            }
                        }
                        assert_eq!(
                            c[at], expected,
                            "{rows} by {columns}, {lanes} lanes, {steps} steps: {row} {column}"
                        );
                    }
                }
            }
        }
    }
}
