//! Random numbers, sixteen samples at a time.

use multiversion::multiversion;

use super::memory::{Memory, Ptr};
use crate::backend::math;
use crate::backend::random::{self, MULTIPLIER_0, MULTIPLIER_1, ROUNDS, WEYL_0, WEYL_1};
use crate::graph::{Draw, Law};

/// Samples at a time.
const LANES: usize = 16;
const PAIRS: usize = LANES / 2;
/// The lower half of a word.
const LOW: u64 = u32::MAX as u64;

/// A draw into memory.
#[derive(Clone, Debug)]
pub(super) struct Drawing {
    pub draw: Draw,
    pub to: Ptr,
    /// The samples drawn, and the stride between them; samples of a tile start with the tile.
    pub samples: usize,
    pub sample_stride: usize,
    pub tiled: bool,
    /// The other axes, in their order, and their strides.
    pub outer: Vec<(usize, usize)>,
    /// The element dimensions and their strides.
    pub shape: Vec<(usize, usize)>,
    /// Whether the other axis is that of the loop around, and this is one step of it.
    pub step: bool,
}

impl Drawing {
    /// Draws.
    pub fn run(&self, memory: &mut Memory<'_>, seed: u64, step: u64) {
        let key = random::draw_key(&self.draw, seed);
        let step = random::step_word(self.draw.lifetime, step);
        let first = if self.tiled { memory.start } else { 0 };
        let counter = if self.step { memory.counters[0] } else { 0 };
        let to = memory.write(&self.to);
        let elements: usize = self.shape.iter().map(|(n, _)| n).product();
        let outer: usize = self.outer.iter().map(|(n, _)| n).product();
        let mut words = [[0; LANES]; 4];
        let mut out = [[0.0; LANES]; 4];
        let share = random::sharing(elements);
        if share > 1 {
            let end = first + self.samples;
            for o in 0..outer {
                let base = offset(&self.outer, o);
                for call in (first / share..end.div_ceil(share)).step_by(LANES) {
                    philox_lanes(call as u32, [(counter + o) as u32, 0, step], key, &mut words);
                    entries(self.draw.law, &words, &mut out, 4);
                    let (from, to_end) = (call * share, ((call + LANES) * share).min(end));
                    for element in 0..elements {
                        let row = base + offset(&self.shape, element);
                        if self.sample_stride == 1 && from >= first && to_end - from == LANES * share {
                            let to = &mut to[row + from - first..][..LANES * share];
                            match share {
                                4 => interleave([&out[0], &out[1], &out[2], &out[3]], to),
                                _ => interleave([&out[element], &out[2 + element]], to),
                            }
                            continue;
                        }
                        for sample in from.max(first)..to_end {
                            let (lane, word) = (sample / share - call, sample % share * elements + element);
                            to[row + (sample - first) * self.sample_stride] = out[word][lane];
                        }
                    }
                }
            }
            return;
        }
        for o in 0..outer {
            let base = offset(&self.outer, o);
            for block in 0..elements.div_ceil(4) {
                let rows: [usize; 4] =
                    std::array::from_fn(|i| base + offset(&self.shape, (4 * block + i).min(elements - 1)));
                let count = (elements - 4 * block).min(4);
                for s in (0..self.samples).step_by(LANES) {
                    let lanes = LANES.min(self.samples - s);
                    philox_lanes((first + s) as u32, [(counter + o) as u32, block as u32, step], key, &mut words);
                    entries(self.draw.law, &words, &mut out, count);
                    for (row, values) in rows.iter().zip(&out).take(count) {
                        let to = &mut to[row + s * self.sample_stride..];
                        if self.sample_stride == 1 {
                            to[..lanes].copy_from_slice(&values[..lanes]);
                        } else {
                            for (i, v) in values[..lanes].iter().enumerate() {
                                to[i * self.sample_stride] = *v;
                            }
                        }
                    }
                }
            }
        }
    }
}

/// One entry of each part after the other.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512cd+avx512vl+avx2+fma+bmi2", "x86_64+avx2+fma+bmi2"))]
fn interleave<const N: usize>(parts: [&[f32; LANES]; N], to: &mut [f32]) {
    for (i, to) in to.chunks_exact_mut(N).take(LANES).enumerate() {
        for (to, part) in to.iter_mut().zip(&parts) {
            *to = part[i];
        }
    }
}

fn offset(dims: &[(usize, usize)], mut index: usize) -> usize {
    let mut at = 0;
    for (n, s) in dims.iter().rev() {
        at += (index % n) * s;
        index /= n;
    }
    at
}

// Without avx512dq: with it the two halves of a key's word come of a product of 64 bits, which is slow.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512cd+avx512vl+avx2+fma+bmi2", "x86_64+avx2+fma+bmi2"))]
fn philox_lanes(sample: u32, rest: [u32; 3], key: [u32; 2], out: &mut [[u32; LANES]; 4]) {
    // Neighbouring samples share a word of 64 bits, in which products of 32 bits come out without moving lanes about.
    let pair = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
    let sample = |i: usize| sample.wrapping_add(i as u32);
    let mut c0: [u64; PAIRS] = std::array::from_fn(|i| pair(sample(2 * i), sample(2 * i + 1)));
    let [mut c1, mut c2, mut c3] = rest.map(|x| [pair(x, x); PAIRS]);
    let [mut k0, mut k1] = key;
    let (m0, m1) = (u64::from(MULTIPLIER_0), u64::from(MULTIPLIER_1));
    for _ in 0..ROUNDS {
        let (p, q) = (pair(k0, k0), pair(k1, k1));
        for i in 0..PAIRS {
            let (even0, odd0) = ((c0[i] & LOW) * m0, (c0[i] >> 32) * m0);
            let (even1, odd1) = ((c2[i] & LOW) * m1, (c2[i] >> 32) * m1);
            c0[i] = ((even1 >> 32) | (odd1 & !LOW)) ^ c1[i] ^ p;
            c2[i] = ((even0 >> 32) | (odd0 & !LOW)) ^ c3[i] ^ q;
            c1[i] = (even1 & LOW) | (odd1 << 32);
            c3[i] = (even0 & LOW) | (odd0 << 32);
        }
        k0 = k0.wrapping_add(WEYL_0);
        k1 = k1.wrapping_add(WEYL_1);
    }
    for (out, c) in out.iter_mut().zip([c0, c1, c2, c3]) {
        for (out, c) in out.chunks_exact_mut(2).zip(c) {
            (out[0], out[1]) = (c as u32, (c >> 32) as u32);
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+fma+bmi2", "x86_64+avx2+fma+bmi2"))]
fn entries(law: Law, words: &[[u32; LANES]; 4], out: &mut [[f32; LANES]; 4], count: usize) {
    match law {
        Law::Uniform => {
            for (o, w) in out.iter_mut().zip(words) {
                for (o, w) in o.iter_mut().zip(w) {
                    *o = math::uniform(*w);
                }
            }
        }
        Law::Normal => {
            for (out, words) in out.chunks_exact_mut(2).zip(words.chunks_exact(2)).take(count.div_ceil(2)) {
                let (cos, sin) = out.split_at_mut(1);
                for (((a, b), u), v) in cos[0].iter_mut().zip(&mut sin[0]).zip(&words[0]).zip(&words[1]) {
                    (*a, *b) = math::normals(*u, *v);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_give_the_words_of_one_sample_each() {
        let mut words = [[0; LANES]; 4];
        philox_lanes(100, [7, 2, 9], [0x1234, 0x9876], &mut words);
        for (i, sample) in (100..).take(LANES).enumerate() {
            let one = random::philox(random::counter(sample, 7, 2, 9), [0x1234, 0x9876]);
            assert_eq!(one, words.map(|w| w[i]));
        }
    }
}
