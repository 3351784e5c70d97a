//! What runs when, and where every value lies.
//!
//! In: a [`Program`]. Out: a [`Plan`]: phases of work, the place of every value, and the bytes and
//! operations they cost, all by arithmetic and before anything is allocated; or an [`Error`] that names the value at
//! fault. May not know: syntax, or how a machine computes an operation.
//!
//! # Phases and tiles
//!
//! Values that vary over the sample axis are computed tile by tile: a tile is a run of neighbouring samples (*lanes*)
//! that goes through a whole phase alone, scans included. What sums over samples is complete only when all tiles are
//! through, so it ends a phase; what needs it belongs to the next one. Values without the sample axis are computed
//! once, before the tiles of their phase; those that depend on nothing that changes between runs, once for all.
//!
//! Tiles form blocks. A block runs its tiles one after another and adds up its own partial sums; the blocks' partials are
//! added in their order. Tile and block sizes follow from the number of samples alone, hence results do not depend on
//! the number of threads.
//!
//! # Layout
//!
//! A value of a tile is a table of *rows*, one per index of its other axes and its shape; a row holds one number per
//! lane. A value without the sample axis has rows of one number. Strides and offsets count rows.

mod absorb;
mod build;
mod cost;
mod elementwise;
mod error;
mod floor;
mod inline;
mod lifetime;
mod live;
mod memory;
mod normal;
mod phase;
mod remake;
mod schedule;
mod side;
mod strip;
mod tail;
mod view;

pub use build::{Options, build, is_computed_in_place};
pub use cost::{Cost, picked};
pub use elementwise::is_elementwise;
pub use error::{Error, TooLarge, TooMany};
pub use floor::{Floor, Peaks};
pub use lifetime::{Lives, assign_slots_without, lives};
pub use memory::{Summary, check, check_with};
pub use normal::Normal;
pub use strip::Strip;
pub use tail::{LONGEST, Tail, Then, scaled, tail};
pub use view::{Dim, View};

use std::collections::BTreeSet;

use crate::graph::{AxisId, Program, RegionId, ValueId};

/// Where a buffer lives, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Space {
    /// Computed at the first run and kept.
    Setup,
    /// Computed once per run.
    Once,
    /// Computed by a tile and read in a later phase, or handed out: one for the whole batch.
    Kept,
    /// Computed by a tile and read in the same phase: one per worker.
    Scratch,
}

/// A run of rows.
#[derive(Clone, Debug)]
pub struct Buffer {
    /// Where it lives.
    pub space: Space,
    /// Whether its rows hold one number per lane of a tile, else one.
    pub lane: bool,
    /// Whether these are tiles of [`Plan::side`].
    pub side: bool,
    /// The number of rows.
    pub rows: usize,
    /// Its place among the slots of its space.
    pub slot: usize,
    /// The value for which it was made.
    pub owner: ValueId,
}

/// Memory shared by buffers that are never in use at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Whether rows hold one number per lane.
    pub lane: bool,
    /// Whether these are lanes of [`Plan::side`].
    pub side: bool,
    /// The number of rows.
    pub rows: usize,
}

/// An axis that is cut in tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The axis.
    pub axis: AxisId,
    /// Its size.
    pub size: usize,
    /// The number of lanes of a full tile.
    pub width: usize,
}

impl Cut {
    /// The number of tiles.
    pub fn tiles(&self) -> usize {
        self.size.div_ceil(self.width)
    }

    /// The number of blocks: what workers are handed.
    pub fn blocks(&self) -> usize {
        self.tiles().min(BLOCKS)
    }
}

/// Blocks at most.
const BLOCKS: usize = 32;

/// A piece of work.
#[derive(Clone, Debug)]
pub enum Item {
    /// Element-wise values over one index space, in order.
    Fused(Vec<ValueId>),
    /// The value, by its operation.
    Op(ValueId),
    /// This tile's part of a sum over samples.
    Partial(ValueId),
    /// The sum of all blocks' parts.
    Finish(ValueId),
    /// A batch-wide value, put together from its tiles into a buffer without lanes; or one that is spread from tiles of
    /// pairs.
    Collect(ValueId),
    /// A loop.
    Loop(Box<Loop>),
    /// A run of work along an axis, a few entries at a time.
    Strip(Box<Strip>),
}

/// A copy of one place to another.
#[derive(Clone, Debug)]
pub struct Copy {
    /// The value whose index space it covers.
    pub like: ValueId,
    /// From where.
    pub from: View,
    /// To where.
    pub to: View,
}

/// A scan.
#[derive(Clone, Debug)]
pub struct Loop {
    /// The scan.
    pub scan: ValueId,
    /// The body.
    pub region: RegionId,
    /// The number of loops around it.
    pub depth: usize,
    /// The number of steps.
    pub size: usize,
    /// From the last to the first.
    pub reverse: bool,
    /// Before the first step.
    pub before: Vec<Copy>,
    /// The work of a step.
    pub body: Vec<Item>,
    /// After it.
    pub after: Vec<Copy>,
    /// Draws that the loop alone reads, one step at a time, before the work of the step.
    pub head: Option<Strip>,
    /// Sums over what the steps computed, one step at a time.
    pub tail: Option<Strip>,
}

/// When a segment runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum When {
    /// At the first run.
    Setup,
    /// Once per run.
    Once,
    /// For every tile.
    Tiles,
    /// For every tile of [`Plan::side`].
    Side,
}

/// Work between two meeting points.
#[derive(Clone, Debug)]
pub struct Segment {
    /// When it runs.
    pub when: When,
    /// What is done, in order.
    pub items: Vec<Item>,
}

/// A program laid out in time and memory.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The program in the form that is run.
    pub program: Program,
    /// The value of the program asked for, for each value of [`Plan::program`].
    pub origin: Vec<ValueId>,
    /// The axis that is cut in tiles, if any.
    pub tile: Option<AxisId>,
    /// Its size, or 1.
    pub batch: usize,
    /// The number of lanes of a full tile.
    pub width: usize,
    /// A long axis of values that do not vary over samples, which is cut in tiles of its own.
    pub side: Option<Cut>,
    /// The work.
    pub segments: Vec<Segment>,
    /// The buffers.
    pub buffers: Vec<Buffer>,
    /// Slots of the values computed once; the first [`Plan::setup_slots`] are kept between runs.
    pub once: Vec<Slot>,
    /// The number of slots that are kept between runs.
    pub setup_slots: usize,
    /// Slots of the values kept for all tiles.
    pub kept: Vec<Slot>,
    /// Slots of a worker.
    pub scratch: Vec<Slot>,
    /// Where each value lies; sums over samples lie here when finished.
    pub views: Vec<Option<View>>,
    /// Where a batch-wide value lies after [`Item::Collect`].
    pub collected: Vec<Option<View>>,
    /// The sums over samples, in the order of the blocks' parts.
    pub partials: Vec<ValueId>,
    /// Sums over samples of which only the tiles of [`Plan::side`] read entries: these add up the blocks' parts themselves.
    pub unfinished: BTreeSet<ValueId>,
    /// The operations of one run.
    pub cost: Cost,
}

impl Plan {
    /// The number of tiles.
    pub fn tiles(&self) -> usize {
        self.batch.div_ceil(self.width)
    }

    /// The number of blocks: what workers are handed.
    pub fn blocks(&self) -> usize {
        self.tiles().min(BLOCKS)
    }

    /// Whether the value varies over an axis that is cut.
    pub fn varies(&self, v: ValueId) -> bool {
        self.tile.is_some_and(|t| self.program.node(v).ty.varies(t)) || self.is_side(v)
    }

    /// Whether the value varies over [`Plan::side`].
    pub fn is_side(&self, v: ValueId) -> bool {
        self.side.is_some_and(|side| self.program.node(v).ty.varies(side.axis))
    }

    /// Whether an operand of the value does.
    pub fn is_from_side(&self, v: ValueId) -> bool {
        self.side.is_some() && self.program.node(v).op.operands().into_iter().any(|x| self.is_side(x))
    }

    /// Size, lanes of a full tile, tiles and blocks of the one axis that is cut or the other.
    pub fn cut(&self, side: bool) -> [usize; 4] {
        match self.side.filter(|_| side) {
            Some(cut) => [cut.size, cut.width, cut.tiles(), cut.blocks()],
            None => [self.batch, self.width, self.tiles(), self.blocks()],
        }
    }

    /// The place of a value.
    ///
    /// # Panics
    /// For values that have none: scans, and what a fused group keeps in registers.
    pub fn view(&self, v: ValueId) -> &View {
        self.views[v.index()].as_ref().expect("a value that is read has a place")
    }
}
