//! Random numbers as a function of where they stand: the same on every backend, for any tiling and any thread.
//!
//! # Mapping
//!
//! An entry of a draw has a sample index (of the axis of kind `Sample`, 0 without one), an element index (row-major over
//! the shape) and an outer index (row-major over the other axes, sorted by handle). Elements 4q, …, 4q + 3 come from one
//! call of Philox4x32-10 with
//!
//! - key: [`key`] of (the draw's own seed, else the run's; its stream);
//! - counter: [`counter`] of (sample, outer, q, step), where the step is 0 for a draw of lifetime `Run`.
//!
//! Word i of the answer belongs to element 4q + i. A draw of e ≤ 2 elements shares a call among [`sharing`] = 4/e neighbouring
//! samples: the counter holds sample/sharing in place of the sample, and word e·(sample mod sharing) + i belongs to its element i.
//!
//! A uniform is [`uniform`] of its word. Normals come in pairs from the
//! words (0, 1) and (2, 3) by Box–Muller, see [`normals`]: the first of a pair is the cosine.
//!
//! Source: Salmon, Moraes, Dror, Shaw, Parallel random numbers: as easy as 1, 2, 3, SC 2011; splitmix64: Steele, Lea,
//! Flood, Fast splittable pseudorandom number generators, OOPSLA 2014.

use crate::graph::{AxisKind, Draw, Law, Lifetime, Program, Type};

/// First multiplier of the Philox round.
pub const MULTIPLIER_0: u32 = 0xD251_1F53;
/// Second multiplier of the Philox round.
pub const MULTIPLIER_1: u32 = 0xCD9E_8D57;
/// What the first key word grows by from round to round.
pub const WEYL_0: u32 = 0x9E37_79B9;
/// What the second key word grows by from round to round.
pub const WEYL_1: u32 = 0xBB67_AE85;
/// The number of rounds.
pub const ROUNDS: usize = 10;

/// Philox4x32-10: four random words for a counter and a key.
pub const fn philox(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let [mut c0, mut c1, mut c2, mut c3] = counter;
    let [mut k0, mut k1] = key;
    let mut round = 0;
    while round < ROUNDS {
        let p0 = c0 as u64 * MULTIPLIER_0 as u64;
        let p1 = c2 as u64 * MULTIPLIER_1 as u64;
        (c0, c1, c2, c3) = ((p1 >> 32) as u32 ^ c1 ^ k0, p1 as u32, (p0 >> 32) as u32 ^ c3 ^ k1, p0 as u32);
        k0 = k0.wrapping_add(WEYL_0);
        k1 = k1.wrapping_add(WEYL_1);
        round += 1;
    }
    [c0, c1, c2, c3]
}

/// The finaliser of splitmix64 on a state that has just been advanced.
const fn splitmix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The key of a stream under a seed: low word first.
pub const fn key(seed: u64, stream: u64) -> [u32; 2] {
    let k = splitmix(splitmix(seed) ^ stream);
    [k as u32, (k >> 32) as u32]
}

/// The key of a draw in a run with this seed.
pub const fn draw_key(draw: &Draw, run_seed: u64) -> [u32; 2] {
    let seed = match draw.seed {
        Some(own) => own,
        None => run_seed,
    };
    key(seed, draw.stream)
}

/// The counter of the block of elements `4·block..4·block + 4`.
pub const fn counter(sample: u32, outer: u32, block: u32, step: u32) -> [u32; 4] {
    [sample, outer, block, step]
}

/// The number of neighbouring samples that one call serves, for a draw of so many elements.
pub const fn sharing(elements: usize) -> usize {
    match elements {
        1 => 4,
        2 => 2,
        _ => 1,
    }
}

/// The step word of a draw.
pub const fn step_word(lifetime: Lifetime, step: u64) -> u32 {
    match lifetime {
        Lifetime::Run => 0,
        Lifetime::Step => step as u32,
    }
}

/// A number of U(0, 1) from a word: one of 2²³ midpoints, so that neither end occurs and f32 holds it exactly.
pub fn uniform(word: u32) -> f64 {
    (f64::from(word >> 9) + 0.5) / 8_388_608.0
}

/// Two independent normals from two words, by Box and Muller: (r cos 2πu₂, r sin 2πu₂) with r = √(−2 ln u₁).
pub fn normals(first: u32, second: u32) -> (f64, f64) {
    let r = (-2.0 * uniform(first).ln()).sqrt();
    let (sin, cos) = (std::f64::consts::TAU * uniform(second)).sin_cos();
    (r * cos, r * sin)
}

/// Four entries from four words.
pub fn entries(law: Law, words: [u32; 4]) -> [f64; 4] {
    match law {
        Law::Uniform => words.map(uniform),
        Law::Normal => {
            let ((a, b), (c, d)) = (normals(words[0], words[1]), normals(words[2], words[3]));
            [a, b, c, d]
        }
    }
}

/// All entries of a draw of this type, in the order of [`Program::extents`].
///
/// # Panics
/// If the type has two axes of kind `Sample`.
pub fn fill(program: &Program, draw: &Draw, ty: &Type, run_seed: u64, step: u64) -> Vec<f64> {
    let lanes: Vec<usize> = (0..ty.axes.len()).filter(|i| program.axis(ty.axes[*i]).kind == AxisKind::Sample).collect();
    assert!(lanes.len() <= 1, "a draw varies over one axis of samples at most");
    let sizes: Vec<usize> = ty.axes.iter().map(|a| program.axis(*a).size).collect();
    let key = draw_key(draw, run_seed);
    let step = step_word(draw.lifetime, step);
    let elements = ty.elements();
    let mut all = Vec::with_capacity(sizes.iter().product::<usize>() * elements);
    for point in 0..sizes.iter().product() {
        let (mut rest, mut sample, mut outer, mut stride) = (point, 0, 0, 1);
        for i in (0..sizes.len()).rev() {
            let index = rest % sizes[i];
            rest /= sizes[i];
            if lanes.contains(&i) {
                sample = index;
            } else {
                outer += index * stride;
                stride *= sizes[i];
            }
        }
        let share = sharing(elements);
        let own = elements * (sample % share);
        for block in 0..elements.div_ceil(4) {
            let words = philox(counter((sample / share) as u32, outer as u32, block as u32, step), key);
            let left = elements - 4 * block;
            all.extend(entries(draw.law, words).into_iter().skip(own).take(left));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Builder;

    /// Known answers of Random123, file kat_vectors.
    #[test]
    fn philox_gives_the_known_answers() {
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox([u32::MAX; 4], [u32::MAX; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        assert_eq!(
            philox([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    fn normal() -> Draw {
        Draw { stream: 3, law: Law::Normal, lifetime: Lifetime::Step, seed: None }
    }

    #[test]
    fn an_entry_depends_on_its_place_and_not_on_the_extents() {
        let mut b = Builder::new();
        let few = b.axis("sample", 3, AxisKind::Sample);
        let many = b.axis("sample", 7, AxisKind::Sample);
        let time = b.axis("t", 4, AxisKind::Time);
        let p = b.program();
        let small = fill(p, &normal(), &Type::new([few, time], [6]), 1, 5);
        let large = fill(p, &normal(), &Type::new([many, time], [6]), 1, 5);
        // Axes sorted by handle: (few, t) but (many, t) as well, so samples are outermost in both.
        assert_eq!(small[..], large[..small.len()]);
        let words = philox(counter(2, 3, 1, 5), key(1, 3));
        let at = (2 * 4 + 3) * 6 + 4;
        assert_eq!(small[at], normals(words[0], words[1]).0);
        assert_eq!(small[at + 1], normals(words[0], words[1]).1);
    }

    #[test]
    fn the_outer_index_leaves_samples_out_wherever_they_stand() {
        let mut b = Builder::new();
        let row = b.axis("i", 2, AxisKind::Index);
        let sample = b.axis("sample", 3, AxisKind::Sample);
        let column = b.axis("j", 5, AxisKind::Index);
        let all = fill(b.program(), &normal(), &Type::new([row, sample, column], []), 9, 0);
        let words = philox(counter(0, 5 + 4, 0, 0), key(9, 3));
        assert_eq!(all[(3 + 2) * 5 + 4], normals(words[2], words[3]).0);
    }

    #[test]
    fn neighbours_share_a_call_for_one_or_two_elements() {
        let mut b = Builder::new();
        let sample = b.axis("sample", 11, AxisKind::Sample);
        for (elements, share) in [(1, 4), (2, 2)] {
            let all = fill(b.program(), &normal(), &Type::new([sample], [elements]), 9, 7);
            for (i, entry) in all.iter().enumerate() {
                let words = philox(counter((i / elements / share) as u32, 0, 0, 7), key(9, 3));
                assert_eq!(*entry, entries(Law::Normal, words)[i % 4]);
            }
        }
    }

    #[test]
    fn a_draw_for_the_run_forgets_the_step_and_its_own_seed_replaces_the_runs() {
        let mut b = Builder::new();
        let sample = b.axis("sample", 4, AxisKind::Sample);
        let ty = Type::new([sample], [2]);
        let run = Draw { lifetime: Lifetime::Run, ..normal() };
        assert_eq!(fill(b.program(), &run, &ty, 1, 0), fill(b.program(), &run, &ty, 1, 8));
        assert_ne!(fill(b.program(), &normal(), &ty, 1, 0), fill(b.program(), &normal(), &ty, 1, 8));
        let own = Draw { seed: Some(4), ..normal() };
        assert_eq!(fill(b.program(), &own, &ty, 1, 0), fill(b.program(), &own, &ty, 2, 0));
        assert_eq!(fill(b.program(), &own, &ty, 1, 0), fill(b.program(), &normal(), &ty, 4, 0));
    }

    #[test]
    fn moments_are_those_of_the_laws() {
        let mut b = Builder::new();
        let sample = b.axis("sample", 50_000, AxisKind::Sample);
        let ty = Type::new([sample], [4]);
        let n = 200_000.0_f64;
        let z = fill(b.program(), &normal(), &ty, 1, 0);
        let power = |x: &[f64], k: i32| x.iter().map(|v| v.powi(k)).sum::<f64>() / n;
        // Five standard errors of each moment.
        assert!(power(&z, 1).abs() < 5.0 / n.sqrt());
        assert!((power(&z, 2) - 1.0).abs() < 5.0 * (2.0 / n).sqrt());
        assert!((power(&z, 4) - 3.0).abs() < 5.0 * (96.0 / n).sqrt());
        let u = fill(b.program(), &Draw { law: Law::Uniform, ..normal() }, &ty, 1, 0);
        assert!((power(&u, 1) - 0.5).abs() < 5.0 * (1.0 / 12.0 / n).sqrt());
        assert!((power(&u, 2) - 1.0 / 3.0).abs() < 5.0 * (4.0 / 45.0 / n).sqrt());
        assert!(u.iter().all(|x| *x > 0.0 && *x < 1.0));
        let neighbours = z.chunks(4).map(|q| q[0] * q[1] + q[2] * q[3]).sum::<f64>() / (n / 2.0);
        assert!(neighbours.abs() < 5.0 / (n / 2.0).sqrt());
    }
}
