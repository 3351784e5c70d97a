//! The simulation of `benches/compare/simulation.soc` beside a loop that is written by hand for it: the same generator and the
//! same polynomials, paths in registers, nothing stored.
//!
//! `cargo bench --bench by_hand -- [threads]`
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs, reason = "it prints what it measured")]

use std::path::Path;
use std::time::Instant;

use rayon::ThreadPoolBuilder;
use socrun::backend::cpu::Cpu;
use socrun::backend::{Executor, Feed};
use socrun::diagnostic::Sink;
use socrun::lower::{Stage, cell};
use socrun::source::SourceMap;
use socrun::syntax::{Entry, load_all};
use socrun::transform::optimise;

const FILE: &str = "benches/compare/simulation.soc";
const PATHS: usize = 1_000_000;
const STEPS: usize = 100;
const RUNS: usize = 11;

fn main() {
    let threads: usize = std::env::args().skip(1).find_map(|a| a.parse().ok()).unwrap_or(2);
    println!("{PATHS} paths of {STEPS} steps, {threads} threads: medians of {RUNS} runs in turn");
    for d in [1, 10] {
        compare(d, threads);
    }
}

fn compare(d: usize, threads: usize) {
    let mut map = SourceMap::new();
    let mut sink = Sink::new();
    let modules = load_all(&mut map, Entry::File(Path::new(FILE)), &mut sink);
    let set = [("d".to_owned(), d.to_string())];
    let checked = socrun::check::check(modules, &set, &mut sink, &mut map).unwrap();
    let cell = cell(&checked, &[]).unwrap();
    let measured = cell.stages.iter().find_map(|s| if let Stage::Measure(m) = s { Some(m) } else { None }).unwrap();
    let mut cpu = Cpu::new(optimise(measured.program.clone()), threads).unwrap();
    let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let (mut ours, mut by_hand) = (Vec::new(), Vec::new());
    let mut costs = [0.0; 2];
    for run in 0..RUNS as u64 {
        let start = Instant::now();
        let outputs = cpu.execute(&Feed { parameters: &[], states: &[], step: run, seed: 1 }).unwrap();
        ours.push(start.elapsed().as_secs_f64());
        let start = Instant::now();
        let Some(cost) = pool.install(|| hand::simulate(d, run as u32)) else {
            println!("d = {d}: the loop by hand is for processors with AVX-512");
            return;
        };
        by_hand.push(start.elapsed().as_secs_f64());
        costs[0] += outputs[0].first().unwrap() / RUNS as f64;
        costs[1] += cost / RUNS as f64;
    }
    let [ours, by_hand] = [ours, by_hand].map(|mut times| {
        times.sort_by(f64::total_cmp);
        1e3 * times[times.len() / 2]
    });
    println!(
        "d = {d:<3} by hand {by_hand:.1} ms, socrun {ours:.1} ms: {:.0} % of the loop by hand; cost {:.4} and {:.4}",
        100.0 * by_hand / ours,
        costs[1],
        costs[0]
    );
}

#[cfg(not(target_arch = "x86_64"))]
mod hand {
    pub fn simulate(_d: usize, _step: u32) -> Option<f64> {
        None
    }
}

#[cfg(target_arch = "x86_64")]
mod hand {
    #![allow(unsafe_code, reason = "vectors of the processor are named in the generator")]

    use std::arch::x86_64::{
        __m512i, _mm256_storeu_si256, _mm512_add_epi32, _mm512_cvtepi64_epi32, _mm512_mul_epu32, _mm512_set_epi64,
        _mm512_set1_epi64, _mm512_srli_epi64, _mm512_ternarylogic_epi64,
    };

    use rayon::prelude::*;
    use socrun::backend::math;
    use socrun::backend::random::{MULTIPLIER_0, MULTIPLIER_1, ROUNDS, WEYL_0, WEYL_1, key};

    use super::{PATHS, STEPS};

    const GROUPS: usize = 8;
    /// Calls of the generator side by side.
    const CALLS: usize = 8 * GROUPS;
    /// Blocks of paths that a worker takes at a time.
    const SHARE: usize = 16;

    const DT: f32 = 1.0 / STEPS as f32;
    const KAPPA: f32 = 5.0;
    const NU: f32 = 3.0;

    /// The mean cost of all paths.
    pub fn simulate(d: usize, step: u32) -> Option<f64> {
        let has = std::arch::is_x86_feature_detected!("avx512f")
            && std::arch::is_x86_feature_detected!("avx512bw")
            && std::arch::is_x86_feature_detected!("avx512dq")
            && std::arch::is_x86_feature_detected!("avx512vl")
            && std::arch::is_x86_feature_detected!("fma");
        if !has {
            return None;
        }
        // One call gives four numbers: to four paths, or to four coordinates of one.
        let paths = if d == 1 { 4 * CALLS } else { CALLS };
        let blocks = PATHS.div_ceil(paths);
        let walk = |block: usize| {
            let count = paths.min(PATHS - block * paths);
            let first = (block * CALLS) as u32;
            // SAFETY: the processor has what the functions are compiled for.
            match d {
                1 => unsafe { line(first, step, count) },
                10 => unsafe { walks::<10, 3>(first, step, count) },
                _ => unreachable!("one or ten coordinates"),
            }
        };
        let parts: Vec<f64> = (0..blocks).into_par_iter().with_min_len(SHARE).map(walk).collect();
        Some(parts.iter().sum::<f64>() / PATHS as f64)
    }

    /// |x² − 1|².
    #[inline]
    fn off(x: f32) -> f32 {
        let s = x * x - 1.0;
        s * s
    }

    /// A coordinate and the cost after a step with this noise.
    #[inline]
    fn onwards(x: f32, cost: f32, noise: f32) -> (f32, f32) {
        let s = x.mul_add(x, -1.0);
        ((-4.0 * KAPPA * DT * x).mul_add(s, x) + noise, (s * s).mul_add(DT, cost))
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,fma,bmi2")]
    fn line(first: u32, step: u32, count: usize) -> f64 {
        let (mut x, mut cost) = ([[0.0_f32; CALLS]; 4], [[0.0_f32; CALLS]; 4]);
        let key = key(1, 1);
        let scale = DT.sqrt();
        for k in 0..STEPS as u32 {
            let w = philox(first, [k, 0, step], key);
            for ((x, cost), w) in x.chunks_exact_mut(2).zip(cost.chunks_exact_mut(2)).zip(w.chunks_exact(2)) {
                let ([x0, x1], [cost0, cost1]) = (x, cost) else { unreachable!("pairs") };
                for i in 0..CALLS {
                    let (a, b) = math::normals(w[0][i], w[1][i]);
                    (x0[i], cost0[i]) = onwards(x0[i], cost0[i], scale * a);
                    (x1[i], cost1[i]) = onwards(x1[i], cost1[i], scale * b);
                }
            }
        }
        let ends = x.as_flattened().iter().zip(cost.as_flattened()).take(count);
        ends.map(|(x, cost)| f64::from(cost + NU * off(*x))).sum()
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,fma,bmi2")]
    fn walks<const D: usize, const BLOCKS: usize>(first: u32, step: u32, count: usize) -> f64 {
        let (mut x, mut cost) = ([[0.0_f32; CALLS]; D], [0.0_f32; CALLS]);
        let key = key(1, 1);
        let scale = DT.sqrt();
        for k in 0..STEPS as u32 {
            for block in 0..BLOCKS {
                let w = philox(first, [k, block as u32, step], key);
                for (x, w) in x[4 * block..].chunks_exact_mut(2).zip(w.chunks_exact(2)) {
                    let [x0, x1] = x else { unreachable!("pairs") };
                    for i in 0..CALLS {
                        let (a, b) = math::normals(w[0][i], w[1][i]);
                        (x0[i], cost[i]) = onwards(x0[i], cost[i], scale * a);
                        (x1[i], cost[i]) = onwards(x1[i], cost[i], scale * b);
                    }
                }
            }
        }
        let end = |i: usize| x.iter().map(|x| off(x[i])).sum::<f32>();
        (0..count).map(|i| f64::from(cost[i] + NU * end(i))).sum()
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,fma,bmi2")]
    fn philox(call: u32, rest: [u32; 3], key: [u32; 2]) -> [[u32; CALLS]; 4] {
        const XOR: i32 = 0x96;
        let everywhere = |x: u32| _mm512_set1_epi64(i64::from(x));
        let lanes = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
        let mut c0: [__m512i; GROUPS] =
            std::array::from_fn(|g| _mm512_add_epi32(everywhere(call.wrapping_add(8 * g as u32)), lanes));
        let [mut c1, mut c2, mut c3] = rest.map(|x| [everywhere(x); GROUPS]);
        let [mut k0, mut k1] = key;
        let (m0, m1) = (everywhere(MULTIPLIER_0), everywhere(MULTIPLIER_1));
        for _ in 0..ROUNDS {
            let (p, q) = (everywhere(k0), everywhere(k1));
            for g in 0..GROUPS {
                let (a, b) = (_mm512_mul_epu32(c0[g], m0), _mm512_mul_epu32(c2[g], m1));
                c0[g] = _mm512_ternarylogic_epi64::<XOR>(_mm512_srli_epi64::<32>(b), c1[g], p);
                c2[g] = _mm512_ternarylogic_epi64::<XOR>(_mm512_srli_epi64::<32>(a), c3[g], q);
                (c1[g], c3[g]) = (b, a);
            }
            k0 = k0.wrapping_add(WEYL_0);
            k1 = k1.wrapping_add(WEYL_1);
        }
        let mut out = [[0; CALLS]; 4];
        for (out, c) in out.iter_mut().zip([c0, c1, c2, c3]) {
            for (out, c) in out.chunks_exact_mut(8).zip(c) {
                // SAFETY: eight words are 32 bytes.
                unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), _mm512_cvtepi64_epi32(c)) };
            }
        }
        out
    }
}
