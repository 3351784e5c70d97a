//! Random numbers, many samples at a time.

#![allow(unsafe_code, reason = "vectors of the processor are named in the generator")]

use multiversion::multiversion;

use super::memory::{Memory, Ptr};
use crate::backend::math;
use crate::backend::random::{self, MULTIPLIER_0, MULTIPLIER_1, ROUNDS, WEYL_0, WEYL_1};
use crate::graph::{Draw, Law};

/// Calls per group; a vector of processors holds the words of one.
const GROUP: usize = 8;
/// Groups at a time where there are as many: with fewer, each waits for its own products.
const WIDE: usize = 8;
/// Groups at a time elsewhere.
const NARROW: usize = 2;
/// The lower half of a word.
const LOW: u64 = u32::MAX as u64;

/// The four words, or entries, of the calls of some groups.
type Words<T, const G: usize> = [[[T; GROUP]; G]; 4];

/// A draw into memory.
#[derive(Clone, Debug)]
pub(super) struct Drawing {
    pub draw: Draw,
    /// What its entries are multiplied by.
    pub scale: f32,
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
    pub fn run(&self, memory: &mut Memory<'_>, rooms: &mut Rooms, seed: u64, step: u64) {
        let key = random::draw_key(&self.draw, seed);
        let step = random::step_word(self.draw.lifetime, step);
        let first = if self.tiled { memory.start } else { 0 };
        let counter = if self.step { memory.counters[0] } else { 0 };
        let to = memory.write(&self.to);
        let elements: usize = self.shape.iter().map(|(n, _)| n).product();
        let outer: usize = self.outer.iter().map(|(n, _)| n).product();
        let place = Place { first, step, key };
        let share = random::sharing(elements);
        for o in 0..outer {
            let base = offset(&self.outer, o);
            let outer = (counter + o) as u32;
            if share > 1 {
                let calls = first / share..(first + self.samples).div_ceil(share);
                in_parts(calls, |at, wide| {
                    if wide {
                        self.shared(to, base, [share, elements, at], outer, &place, &mut rooms.wide);
                    } else {
                        self.shared(to, base, [share, elements, at], outer, &place, &mut rooms.narrow);
                    }
                });
                continue;
            }
            for block in 0..elements.div_ceil(4) {
                let rows: [usize; 4] =
                    std::array::from_fn(|i| base + offset(&self.shape, (4 * block + i).min(elements - 1)));
                let rows = &rows[..(elements - 4 * block).min(4)];
                in_parts(0..self.samples, |at, wide| {
                    if wide {
                        self.alone(to, rows, at, [outer, block as u32], &place, &mut rooms.wide);
                    } else {
                        self.alone(to, rows, at, [outer, block as u32], &place, &mut rooms.narrow);
                    }
                });
            }
        }
    }

    /// Samples that have calls of their own, from `at` on; `rows` are where the elements of the call begin.
    fn alone<const G: usize>(
        &self,
        to: &mut [f32],
        rows: &[usize],
        at: usize,
        words: [u32; 2],
        place: &Place,
        room: &mut Room<G>,
    ) {
        let lanes = (G * GROUP).min(self.samples - at);
        place.words(at + place.first, words, room);
        if self.sample_stride == 1 && lanes == G * GROUP {
            let law = (self.draw.law, self.scale);
            match *rows {
                [a] => in_rows(law, &room.words, to, [a + at]),
                [a, b] => in_rows(law, &room.words, to, [a + at, b + at]),
                [a, b, c] => in_rows(law, &room.words, to, [a + at, b + at, c + at]),
                [a, b, c, d] => in_rows(law, &room.words, to, [a + at, b + at, c + at, d + at]),
                _ => unreachable!("a call gives four numbers"),
            }
            return;
        }
        room.entries((self.draw.law, self.scale), rows.len());
        for (row, values) in rows.iter().zip(&room.entries) {
            let to = to[row + at * self.sample_stride..].iter_mut().step_by(self.sample_stride);
            to.zip(&values.as_flattened()[..lanes]).for_each(|(t, v)| *t = *v);
        }
    }

    /// Samples that share calls, from the call `at` on.
    fn shared<const G: usize>(
        &self,
        to: &mut [f32],
        base: usize,
        [share, elements, at]: [usize; 3],
        outer: u32,
        place: &Place,
        room: &mut Room<G>,
    ) {
        place.words(at, [outer, 0], room);
        room.entries((self.draw.law, self.scale), 4);
        let lanes = G * GROUP;
        let (first, end) = (place.first, place.first + self.samples);
        let (from, end) = (at * share, ((at + lanes) * share).min(end));
        for element in 0..elements {
            let row = base + offset(&self.shape, element);
            let part = |i: usize| room.entries[i].as_flattened();
            if self.sample_stride == 1 && from >= first && end - from == lanes * share {
                let to = &mut to[row + from - first..][..lanes * share];
                match share {
                    4 => interleave(&[part(0), part(1), part(2), part(3)], to),
                    _ => interleave(&[part(element), part(2 + element)], to),
                }
                continue;
            }
            for sample in from.max(first)..end {
                let (lane, word) = (sample / share - at, sample % share * elements + element);
                to[row + (sample - first) * self.sample_stride] = part(word)[lane];
            }
        }
    }
}

/// What all calls of a draw have in common.
struct Place {
    /// The first sample.
    first: usize,
    step: u32,
    key: [u32; 2],
}

impl Place {
    /// The words of neighbouring calls.
    fn words<const G: usize>(&self, call: usize, words: [u32; 2], room: &mut Room<G>) {
        philox_lanes(call as u32, [words[0], words[1], self.step], self.key, &mut room.words);
    }
}

/// Room for the words and the entries of some groups.
#[derive(Debug)]
struct Room<const G: usize> {
    words: Words<u32, G>,
    entries: Words<f32, G>,
}

impl<const G: usize> Default for Room<G> {
    fn default() -> Self {
        Self { words: [[[0; GROUP]; G]; 4], entries: [[[0.0; GROUP]; G]; 4] }
    }
}

impl<const G: usize> Room<G> {
    /// The first entries of each call.
    fn entries(&mut self, law: (Law, f32), count: usize) {
        let [a, b, c, d] = &mut self.entries;
        let mut rows = [a.as_flattened_mut(), b.as_flattened_mut(), c.as_flattened_mut(), d.as_flattened_mut()];
        entries(law, &self.words, &mut rows[..count]);
    }
}

/// The entries of calls, each in a row of memory that begins at its place.
fn in_rows<const G: usize, const N: usize>(law: (Law, f32), words: &Words<u32, G>, to: &mut [f32], places: [usize; N]) {
    let rows = to.get_disjoint_mut(places.map(|at| at..at + G * GROUP));
    entries(law, words, &mut rows.expect("elements of a value lie apart"));
}

/// Room for parts of either width.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    wide: Room<WIDE>,
    narrow: Room<NARROW>,
}

/// The beginnings of parts of a range, and whether they are wide.
fn in_parts(range: std::ops::Range<usize>, mut part: impl FnMut(usize, bool)) {
    let mut at = range.start;
    while at < range.end {
        let wide = range.end - at > (WIDE - 1) * GROUP;
        part(at, wide);
        at += GROUP * if wide { WIDE } else { NARROW };
    }
}

/// One entry of each part after the other; there are two parts or four.
fn interleave(parts: &[&[f32]], to: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx512f") && to.len().is_multiple_of(parts.len() * wide::LANES) {
        match *parts {
            // SAFETY: the processor has what the functions are compiled for.
            [a, b] => return unsafe { wide::interleave_two([a, b], to) },
            // SAFETY: as above.
            [a, b, c, d] => return unsafe { wide::interleave_four([a, b, c, d], to) },
            _ => {}
        }
    }
    for (i, to) in to.chunks_exact_mut(parts.len()).enumerate() {
        for (to, part) in to.iter_mut().zip(parts) {
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

/// The words of neighbouring calls, which have the same numbers behind the first in their counters.
fn philox_lanes<const G: usize>(call: u32, rest: [u32; 3], key: [u32; 2], out: &mut Words<u32, G>) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx512f") {
        // SAFETY: the processor has what the function is compiled for.
        return unsafe { wide::philox(call, rest, key, out) };
    }
    pairs(call, rest, key, out);
}

#[cfg(target_arch = "x86_64")]
mod wide {
    use std::arch::x86_64::{
        __m512, __m512i, _mm256_storeu_si256, _mm512_add_epi32, _mm512_castpd_ps, _mm512_castps_pd,
        _mm512_cvtepi64_epi32, _mm512_loadu_ps, _mm512_mul_epu32, _mm512_set_epi64, _mm512_set1_epi64,
        _mm512_shuffle_f32x4, _mm512_srli_epi64, _mm512_storeu_ps, _mm512_ternarylogic_epi64, _mm512_unpackhi_pd,
        _mm512_unpackhi_ps, _mm512_unpacklo_pd, _mm512_unpacklo_ps,
    };

    use super::{GROUP, MULTIPLIER_0, MULTIPLIER_1, ROUNDS, WEYL_0, WEYL_1, Words};

    /// A word of 64 bits for each call: products of the lower halves are what processors have, and what stands in the
    /// upper halves does not matter to them.
    #[target_feature(enable = "avx512f")]
    pub(super) fn philox<const G: usize>(call: u32, rest: [u32; 3], key: [u32; 2], out: &mut Words<u32, G>) {
        const XOR: i32 = 0x96;
        let everywhere = |x: u32| _mm512_set1_epi64(i64::from(x));
        let lanes = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
        let mut c0: [__m512i; G] =
            std::array::from_fn(|g| _mm512_add_epi32(everywhere(call.wrapping_add((g * GROUP) as u32)), lanes));
        let [mut c1, mut c2, mut c3] = rest.map(|x| [everywhere(x); G]);
        let [mut k0, mut k1] = key;
        let (m0, m1) = (everywhere(MULTIPLIER_0), everywhere(MULTIPLIER_1));
        for _ in 0..ROUNDS {
            let (p, q) = (everywhere(k0), everywhere(k1));
            for g in 0..G {
                let (a, b) = (_mm512_mul_epu32(c0[g], m0), _mm512_mul_epu32(c2[g], m1));
                c0[g] = _mm512_ternarylogic_epi64::<XOR>(_mm512_srli_epi64::<32>(b), c1[g], p);
                c2[g] = _mm512_ternarylogic_epi64::<XOR>(_mm512_srli_epi64::<32>(a), c3[g], q);
                (c1[g], c3[g]) = (b, a);
            }
            k0 = k0.wrapping_add(WEYL_0);
            k1 = k1.wrapping_add(WEYL_1);
        }
        for (out, c) in out.iter_mut().zip([c0, c1, c2, c3]) {
            for (out, c) in out.iter_mut().zip(c) {
                // SAFETY: a group has 32 bytes.
                unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), _mm512_cvtepi64_epi32(c)) };
            }
        }
    }

    /// Numbers in a vector.
    pub(super) const LANES: usize = 16;

    #[target_feature(enable = "avx512f")]
    fn load(from: &[f32; LANES]) -> __m512 {
        // SAFETY: a vector has that many numbers.
        unsafe { _mm512_loadu_ps(from.as_ptr()) }
    }

    #[target_feature(enable = "avx512f")]
    fn store<const N: usize>(vectors: [__m512; N], to: &mut [f32]) {
        for (to, v) in to.as_chunks_mut::<LANES>().0.iter_mut().zip(vectors) {
            // SAFETY: a vector has that many numbers.
            unsafe { _mm512_storeu_ps(to.as_mut_ptr(), v) };
        }
    }

    /// One number of either part after the other.
    #[target_feature(enable = "avx512f")]
    pub(super) fn interleave_two(parts: [&[f32]; 2], to: &mut [f32]) {
        let [a, b] = parts.map(|part| part.as_chunks::<LANES>().0);
        for ((a, b), to) in a.iter().zip(b).zip(to.chunks_exact_mut(2 * LANES)) {
            let (a, b) = (load(a), load(b));
            // Quarters of a vector hold numbers (0, 1), (4, 5), … and (2, 3), (6, 7), … of both.
            let (low, high) = (_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
            let (first, second) = (_mm512_shuffle_f32x4::<0x44>(low, high), _mm512_shuffle_f32x4::<0xEE>(low, high));
            store([_mm512_shuffle_f32x4::<0xD8>(first, first), _mm512_shuffle_f32x4::<0xD8>(second, second)], to);
        }
    }

    /// One number of each part after the other.
    #[target_feature(enable = "avx512f")]
    pub(super) fn interleave_four(parts: [&[f32]; 4], to: &mut [f32]) {
        let [a, b, c, d] = parts.map(|part| part.as_chunks::<LANES>().0);
        for ((((a, b), c), d), to) in a.iter().zip(b).zip(c).zip(d).zip(to.chunks_exact_mut(4 * LANES)) {
            let pair = |x, y| (_mm512_castps_pd(_mm512_unpacklo_ps(x, y)), _mm512_castps_pd(_mm512_unpackhi_ps(x, y)));
            let (ab, cd) = (pair(load(a), load(b)), pair(load(c), load(d)));
            // Quarter q of vector i holds number 4q + i of all four.
            let v = [
                _mm512_unpacklo_pd(ab.0, cd.0),
                _mm512_unpackhi_pd(ab.0, cd.0),
                _mm512_unpacklo_pd(ab.1, cd.1),
                _mm512_unpackhi_pd(ab.1, cd.1),
            ]
            .map(|v| _mm512_castpd_ps(v));
            let (first, second) = (_mm512_shuffle_f32x4::<0x44>(v[0], v[1]), _mm512_shuffle_f32x4::<0x44>(v[2], v[3]));
            let (third, fourth) = (_mm512_shuffle_f32x4::<0xEE>(v[0], v[1]), _mm512_shuffle_f32x4::<0xEE>(v[2], v[3]));
            let to_store = [
                _mm512_shuffle_f32x4::<0x88>(first, second),
                _mm512_shuffle_f32x4::<0xDD>(first, second),
                _mm512_shuffle_f32x4::<0x88>(third, fourth),
                _mm512_shuffle_f32x4::<0xDD>(third, fourth),
            ];
            store(to_store, to);
        }
    }
}

#[multiversion(targets("x86_64+avx2+fma+bmi2"))]
fn pairs<const G: usize>(call: u32, rest: [u32; 3], key: [u32; 2], out: &mut Words<u32, G>) {
    const PAIRS: usize = GROUP / 2;
    // Neighbouring calls share a word of 64 bits, in which products of 32 bits come out without moving lanes about.
    let pair = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
    for g in 0..G {
        let call = |i: usize| call.wrapping_add((g * GROUP + i) as u32);
        let mut c0: [u64; PAIRS] = std::array::from_fn(|i| pair(call(2 * i), call(2 * i + 1)));
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
            for (out, c) in out[g].chunks_exact_mut(2).zip(c) {
                (out[0], out[1]) = (c as u32, (c >> 32) as u32);
            }
        }
    }
}

/// The first entries of each call, those of one number in a row of their own.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+fma+bmi2", "x86_64+avx2+fma+bmi2"))]
fn entries<const G: usize>((law, scale): (Law, f32), words: &Words<u32, G>, rows: &mut [&mut [f32]]) {
    match law {
        Law::Uniform => {
            for (row, words) in rows.iter_mut().zip(words) {
                for (o, w) in row.iter_mut().zip(words.as_flattened()) {
                    *o = scale * math::uniform(*w);
                }
            }
        }
        Law::Normal => {
            for (rows, words) in rows.chunks_mut(2).zip(words.chunks_exact(2)) {
                let words = words[0].as_flattened().iter().zip(words[1].as_flattened());
                match rows {
                    [cos, sin] => {
                        for ((a, b), (u, v)) in cos.iter_mut().zip(sin.iter_mut()).zip(words) {
                            let (x, y) = math::normals(*u, *v);
                            (*a, *b) = (scale * x, scale * y);
                        }
                    }
                    [cos] => cos.iter_mut().zip(words).for_each(|(a, (u, v))| *a = scale * math::normals(*u, *v).0),
                    _ => {}
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
        let (mut words, mut halves) = ([[[0; GROUP]; WIDE]; 4], [[[0; GROUP]; WIDE]; 4]);
        philox_lanes(u32::MAX - 9, [7, 2, 9], [0x1234, 0x9876], &mut words);
        pairs(u32::MAX - 9, [7, 2, 9], [0x1234, 0x9876], &mut halves);
        assert_eq!(words, halves);
        for i in 0..GROUP * WIDE {
            let call = (u32::MAX - 9).wrapping_add(i as u32);
            let one = random::philox(random::counter(call, 7, 2, 9), [0x1234, 0x9876]);
            assert_eq!(one, words.map(|w| w.as_flattened()[i]));
        }
    }

    #[test]
    fn parts_lie_between_each_other() {
        for lanes in [16, 64, 24] {
            let all: Vec<Vec<f32>> = (0..4).map(|p| (0..lanes).map(|i| (4 * i + p) as f32).collect()).collect();
            let parts: Vec<&[f32]> = all.iter().map(Vec::as_slice).collect();
            let mut to = vec![0.0; 4 * lanes];
            interleave(&parts, &mut to);
            assert!(to.iter().enumerate().all(|(i, x)| *x == i as f32));
            let mut to = vec![0.0; 2 * lanes];
            interleave(&[parts[0], parts[2]], &mut to);
            assert!(to.iter().enumerate().all(|(i, x)| *x == 2.0 * i as f32));
        }
    }
}
