//! What a step reads and writes.

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
#[derive(Debug)]
pub(super) struct Memory<'a> {
    /// Slots that all may read.
    pub shared: &'a [Vec<f32>],
    /// Slots of the one who runs.
    pub own: &'a mut [Vec<f32>],
    /// Loop counters by depth.
    pub counters: [usize; MAX_DEPTH],
    /// Sums over samples: this block's parts, by their place in the plan.
    pub partials: &'a mut [Part],
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
#[derive(Clone, Debug)]
pub(super) enum Part {
    /// Of a reduction.
    Wide(Vec<f64>),
    /// Of a contraction.
    Single(Vec<f32>),
}

/// Memory that is only read, by several workers if need be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    shared: &'a [Vec<f32>],
    own: &'a [Vec<f32>],
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
    pub fn take(&mut self, p: &Ptr) -> Vec<f32> {
        debug_assert!(p.own, "only own slots are written");
        std::mem::take(&mut self.own[p.slot])
    }

    /// Gives a slot back.
    pub fn put(&mut self, p: &Ptr, slot: Vec<f32>) {
        self.own[p.slot] = slot;
    }
}
