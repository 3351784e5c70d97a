//! Copies, fills, running sums and what comes from the host.

use std::sync::Arc;

use super::memory::{Memory, Ptr};
use super::strided::walk;
use crate::backend::Feed;

/// What is copied.
#[derive(Clone, Debug)]
pub(super) enum From {
    /// Memory; the first sample of the tile adds that many numbers each.
    Memory(Ptr, usize),
    /// A table; likewise.
    Table(Arc<[f32]>, usize),
    /// The memory cell with this number; likewise.
    State(usize, usize),
}

/// Numbers moved from one strided place to another.
#[derive(Clone, Debug)]
pub(super) struct Move {
    pub from: From,
    pub to: Ptr,
    /// Sizes, strides of the source, strides of the target.
    pub sizes: Vec<usize>,
    pub from_strides: Vec<usize>,
    pub to_strides: Vec<usize>,
    /// Added to what is there.
    pub add: bool,
}

impl Move {
    /// Moves.
    pub fn run(&self, memory: &mut Memory<'_>, feed: &Feed<'_>) {
        let at = memory.at(&self.to);
        let mut slot = memory.take(&self.to);
        match &self.from {
            From::Memory(p, lane) => self.copy(&memory.read(p)[memory.start * lane..], &mut slot[at..]),
            From::Table(t, lane) => self.copy(&t[memory.start * lane..], &mut slot[at..]),
            From::State(i, lane) => {
                let cell = feed.states[*i].as_slice().expect("memory cells are row-major");
                let (from, to) = (&cell[memory.start * lane..], &mut slot[at..]);
                let strides = [self.from_strides.as_slice(), self.to_strides.as_slice()];
                walk(&self.sizes, strides, [0; 2], &mut |[x, y]| to[y] = from[x] as f32);
            }
        }
        memory.put(&self.to, slot);
    }

    fn copy(&self, from: &[f32], to: &mut [f32]) {
        let last = self.sizes.len().checked_sub(1).filter(|i| self.from_strides[*i] == 1 && self.to_strides[*i] == 1);
        if let Some(last) = last.filter(|_| !self.add) {
            let n = self.sizes[last];
            walk(&self.sizes[..last], [&self.from_strides[..last], &self.to_strides[..last]], [0; 2], &mut |[x, y]| {
                to[y..y + n].copy_from_slice(&from[x..x + n]);
            });
        } else if self.add {
            walk(&self.sizes, [&self.from_strides, &self.to_strides], [0; 2], &mut |[x, y]| to[y] += from[x]);
        } else {
            walk(&self.sizes, [&self.from_strides, &self.to_strides], [0; 2], &mut |[x, y]| to[y] = from[x]);
        }
    }
}

/// One number everywhere.
#[derive(Clone, Debug)]
pub(super) struct Fill {
    pub to: Ptr,
    pub sizes: Vec<usize>,
    pub strides: Vec<usize>,
    pub value: f32,
}

impl Fill {
    /// Fills.
    pub fn run(&self, memory: &mut Memory<'_>) {
        let to = memory.write(&self.to);
        let last = self.sizes.len().checked_sub(1).filter(|i| self.strides[*i] == 1);
        if let Some(last) = last {
            let n = self.sizes[last];
            walk(&self.sizes[..last], [&self.strides[..last]], [0], &mut |[y]| to[y..y + n].fill(self.value));
        } else {
            walk(&self.sizes, [&self.strides], [0], &mut |[y]| to[y] = self.value);
        }
    }
}

/// 0, 1, … along samples.
#[derive(Clone, Debug)]
pub(super) struct Count {
    pub to: Ptr,
    pub samples: usize,
}

impl Count {
    /// Counts from the first sample of the tile.
    pub fn run(&self, memory: &mut Memory<'_>) {
        let start = memory.start;
        let to = memory.write(&self.to);
        for (i, t) in to[..self.samples].iter_mut().enumerate() {
            *t = (start + i) as f32;
        }
    }
}

/// A cumulative sum.
#[derive(Clone, Debug)]
pub(super) struct Running {
    pub from: Ptr,
    pub to: Ptr,
    /// Size along the sum, strides of operand and result.
    pub along: (usize, usize, usize),
    /// The other dimensions.
    pub sizes: Vec<usize>,
    pub from_strides: Vec<usize>,
    pub to_strides: Vec<usize>,
    pub reverse: bool,
    pub exclusive: bool,
}

impl Running {
    /// Sums.
    pub fn run(&self, memory: &mut Memory<'_>) {
        let at = memory.at(&self.to);
        let mut slot = memory.take(&self.to);
        let from = memory.read(&self.from);
        let to = &mut slot[at..];
        let (n, sx, sy) = self.along;
        let last = self.sizes.len().checked_sub(1).filter(|i| self.from_strides[*i] == 1 && self.to_strides[*i] == 1);
        let outer = last.unwrap_or(self.sizes.len());
        let run = last.map_or(1, |i| self.sizes[i]);
        walk(&self.sizes[..outer], [&self.from_strides[..outer], &self.to_strides[..outer]], [0; 2], &mut |[x, y]| {
            for step in 0..n {
                let k = if self.reverse { n - 1 - step } else { step };
                let before = if self.reverse { k + 1 } else { k.wrapping_sub(1) };
                let read = if self.exclusive { before } else { k };
                for i in 0..run {
                    let sum = if step == 0 { 0.0 } else { to[y + before * sy + i] };
                    let term = if self.exclusive && step == 0 { 0.0 } else { from[x + read * sx + i] };
                    to[y + k * sy + i] = sum + term;
                }
            }
        });
        memory.put(&self.to, slot);
    }
}
