//! What a step reads and writes.

use std::ops::{Deref, DerefMut};

use super::machine::Block;

/// Numbers of which the first begins a line of the caches, so that no vector of them lies across two lines.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    numbers: Vec<f32>,
    first: usize,
}

/// Bytes of a line of the caches, which are those of the widest vectors.
const LINE: usize = 64;

impl Numbers {
    /// That many zeros.
    pub fn zeros(count: usize) -> Self {
        let spare = LINE / size_of::<f32>() - 1;
        let mut numbers = vec![0.0; count + spare];
        let first = numbers.as_ptr().align_offset(LINE).min(spare);
        numbers.truncate(first + count);
        Self { numbers, first }
    }
}

impl Deref for Numbers {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.numbers[self.first..]
    }
}

impl DerefMut for Numbers {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.numbers[self.first..]
    }
}

/// Where numbers lie: a slot, an offset, and what loop counters add to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ptr {
    /// Whether the slot belongs to the one who runs the step, else to all.
    pub own: bool,
    /// The slot.
    pub slot: usize,
    /// The offset.
    pub offset: usize,
    /// What each loop counter adds, by depth.
    pub loops: Vec<(usize, usize)>,
}

/// The slots in reach, and the state of the loops around.
pub(super) struct Memory<'a> {
    /// Slots that all may read.
    pub shared: &'a [Numbers],
    /// Slots of the one who runs.
    pub own: &'a mut [Numbers],
    /// Loop counters by depth.
    pub counters: [usize; MAX_DEPTH],
    /// Sums over samples: this block's parts, by their place in the plan.
    pub partials: &'a mut [Part],
    /// The blocks of samples, for tiles of the second axis.
    pub samples: &'a [Block],
    /// Whether the tile is the first of its block.
    pub first: bool,
    /// Packed matrices.
    pub packs: &'a [Vec<f32>],
    /// The first sample of the tile.
    pub start: usize,
    /// Where the run stands, counted in values looked at.
    pub watched: (usize, usize),
}

/// The deepest nesting of loops.
pub(super) const MAX_DEPTH: usize = 12;

/// A block's part of a sum over samples.
#[derive(Debug)]
pub(super) enum Part {
    /// Of a reduction.
    Wide(Vec<f64>),
    /// Of a contraction.
    Single(Numbers),
}

/// Memory that is only read, by several workers if need be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    shared: &'a [Numbers],
    own: &'a [Numbers],
    counters: &'a [usize; MAX_DEPTH],
}

impl<'a> Reader<'a> {
    /// The numbers from a pointer on.
    pub fn read(&self, p: &Ptr) -> &'a [f32] {
        let slot: &'a [f32] = if p.own { &self.own[p.slot] } else { &self.shared[p.slot] };
        &slot[p.loops.iter().fold(p.offset, |o, (depth, stride)| o + self.counters[*depth] * stride)..]
    }
}

impl Memory<'_> {
    /// The offset of a pointer now.
    pub fn at(&self, p: &Ptr) -> usize {
        p.loops.iter().fold(p.offset, |o, (depth, stride)| o + self.counters[*depth] * stride)
    }

    /// The memory to be read.
    pub fn reader(&self) -> Reader<'_> {
        Reader { shared: self.shared, own: self.own, counters: &self.counters }
    }

    /// The numbers from a pointer on.
    pub fn read(&self, p: &Ptr) -> &[f32] {
        self.reader().read(p)
    }

    /// The numbers from a pointer on, to be written.
    pub fn write(&mut self, p: &Ptr) -> &mut [f32] {
        debug_assert!(p.own, "only own slots are written");
        let at = self.at(p);
        &mut self.own[p.slot][at..]
    }

    /// Takes a slot out for writing while others are read; give it back by [`Memory::put`].
    pub fn take(&mut self, p: &Ptr) -> Numbers {
        debug_assert!(p.own, "only own slots are written");
        std::mem::take(&mut self.own[p.slot])
    }

    /// Gives a slot back.
    pub fn put(&mut self, p: &Ptr, slot: Numbers) {
        self.own[p.slot] = slot;
    }
}
