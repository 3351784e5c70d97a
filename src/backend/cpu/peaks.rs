//! What this machine can do at most, measured: the products of a net's layer, and copies that no cache holds.

use std::time::Instant;

use super::block::{Matrix, Work, block, multiply};
use super::gemm::{Strides, gemm};
use crate::plan::Peaks;

/// Rows, columns and lanes of the product.
const ROWS: usize = 240;
const COLUMNS: usize = 128;
const LANES: usize = 64;
/// Numbers of the copy.
const COPIED: usize = 8 << 20;

/// Measures for some 50 milliseconds on this many threads.
///
/// # Panics
/// If the system gives no threads.
pub fn peaks(threads: usize) -> Peaks {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("the system gives threads");
    let each = |f: &(dyn Fn() -> f64 + Sync)| pool.broadcast(|_| f()).into_iter().fold(0.0, |sum, x| sum + x);
    Peaks { products: each(&products), bytes: each(&copies) }
}

/// Operations per second of one thread.
fn products() -> f64 {
    let (w, x) = (vec![0.5; ROWS * COLUMNS], vec![0.25; COLUMNS * LANES]);
    let mut c = vec![0.0; ROWS * LANES];
    let per_call = (2 * ROWS * COLUMNS * LANES) as f64;
    best(per_call, 20, || {
        if block(LANES).is_some() {
            let w = Matrix::InPlace(&w, [COLUMNS, 1]);
            let (lanes, rows, columns, x_row, c_row) = (LANES, ROWS, COLUMNS, LANES, LANES);
            multiply(&Work { lanes, rows, columns, w, x: &x, x_row, c_row, add: false, then: &[], kept: &[] }, &mut c);
        } else {
            let (a, b) = (Strides { row: COLUMNS, column: 1 }, Strides { row: LANES, column: 1 });
            gemm(ROWS, LANES, COLUMNS, &mut c, b, false, &w, a, &x, b);
        }
    })
}

/// Bytes per second that one thread reads and writes.
fn copies() -> f64 {
    let from = vec![1.0_f32; COPIED];
    let mut to = vec![0.0_f32; COPIED];
    best(8.0 * COPIED as f64, 1, || {
        to.copy_from_slice(std::hint::black_box(&from));
        std::hint::black_box(&mut to);
    })
}

/// Work per second at the best of several times.
fn best(work: f64, calls: u32, mut f: impl FnMut()) -> f64 {
    let mut least = f64::INFINITY;
    for _ in 0..6 {
        let start = Instant::now();
        for _ in 0..calls {
            f();
        }
        least = least.min(start.elapsed().as_secs_f64() / f64::from(calls));
    }
    work / least
}
