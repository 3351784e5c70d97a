//! The door to the `gemm` crate: checked bounds outside, pointers inside.
#![allow(unsafe_code, reason = "the crate takes pointers; every offset it can reach is checked here first")]

/// A matrix inside a slice.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Strides {
    /// From row to row.
    pub row: usize,
    /// From column to column.
    pub column: usize,
}

/// C = A B, or C += A B, with `A: [m, k]`, `B: [k, n]`, `C: [m, n]`.
///
/// # Panics
/// If a matrix runs past the end of its slice.
#[expect(clippy::too_many_arguments, reason = "three matrices and three sizes")]
pub(super) fn gemm(
    m: usize,
    n: usize,
    k: usize,
    c: &mut [f32],
    cs: Strides,
    add: bool,
    a: &[f32],
    a_s: Strides,
    b: &[f32],
    bs: Strides,
) {
    if m == 0 || n == 0 {
        return;
    }
    let last = |rows: usize, columns: usize, s: Strides| (rows - 1) * s.row + (columns - 1) * s.column;
    assert!(last(m, n, cs) < c.len(), "the product fits its place");
    if k > 0 {
        assert!(last(m, k, a_s) < a.len() && last(k, n, bs) < b.len(), "the factors fit theirs");
    }
    // SAFETY: the largest offsets into `a`, `b` and `c` were checked; strides are not negative; `c` is borrowed
    // mutably, so it overlaps neither factor.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.as_mut_ptr(),
            cs.column as isize,
            cs.row as isize,
            add,
            a.as_ptr(),
            a_s.column as isize,
            a_s.row as isize,
            b.as_ptr(),
            bs.column as isize,
            bs.row as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
