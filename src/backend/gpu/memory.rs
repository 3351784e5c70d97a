//! Where every buffer of a plan lies on a device.

use std::collections::{BTreeMap, BTreeSet};

use super::device::Limits;
use super::errors::{Error, OverLimit};
use super::kernel::{Place, Pointer};
use crate::graph::Op;
use crate::plan::{Buffer, Plan, Space};
use crate::source::Span;

/// Ranges start at multiples of this many words.
const ALIGN: usize = 64;

/// Ranges of memory that a kernel sees besides those of values: what the host feeds, and flags.
const OTHER_BINDINGS: u32 = 2;

/// A place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    /// The range.
    pub range: usize,
    /// The word.
    pub word: usize,
}

impl Spot {
    /// As an operand.
    pub fn pointer(self) -> Pointer {
        Pointer { place: Place::Range(self.range), word: self.word, loops: Vec::new(), piece: 0, lanes: false }
    }
}

/// A range of memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    /// Its words.
    pub words: usize,
    /// Whether every piece of the batch has one of its own.
    pub apart: bool,
}

/// The ranges of memory, each one binding, and what lies where in them.
///
/// A batch that does not fit as it is goes through in pieces. What passes between pieces of work is there once, for the piece at
/// hand; what is kept for a later phase lies in ranges of which every piece has its own, in the same binding.
pub(super) struct Memory {
    /// The ranges.
    pub ranges: Vec<Range>,
    /// The numbers of each range of numbers in half precision.
    pub halves: Vec<usize>,
    spots: Vec<Option<Spot>>,
    /// Of the buffers in half precision, the range and the first number.
    half: BTreeMap<usize, (usize, usize)>,
    /// Room for what a kernel leaves to the next, by size.
    spare: Vec<(usize, Spot)>,
    limits: Limits,
    device: String,
}

/// Whether the host writes a value: it keeps a place of its own, which nothing else may use in between.
pub(super) fn is_fed(op: &Op) -> bool {
    matches!(op, Op::Number(_) | Op::Table(_) | Op::Iota(_) | Op::Eye(_) | Op::Parameter(_) | Op::State(_) | Op::Step)
}

/// A sum over samples is finished where the plan has its part: its place is in use from there on.
fn has_own_place(plan: &Plan, buffer: &Buffer) -> bool {
    is_fed(&plan.program.node(buffer.owner).op) || plan.partials.contains(&buffer.owner)
}

impl Memory {
    /// Places all buffers.
    ///
    /// # Errors
    /// When one is larger than a range may be, or all are more than a kernel sees.
    pub fn lay_out(plan: &Plan, limits: Limits, device: &str, half: &BTreeSet<usize>) -> Result<Self, Error> {
        let mut memory = Self {
            ranges: Vec::new(),
            halves: Vec::new(),
            spots: vec![None; plan.buffers.len()],
            half: BTreeMap::new(),
            spare: Vec::new(),
            limits,
            device: device.to_owned(),
        };
        let mut slots: Vec<((Space, usize), Spot)> = Vec::new();
        for buffer in half {
            memory.reserve_half(plan, *buffer)?;
        }
        for (i, b) in plan.buffers.iter().enumerate() {
            if half.contains(&i) {
                continue;
            }
            let span = plan.program.node(b.owner).span;
            let lanes = |lane: bool| if lane { plan.width } else { 1 };
            let in_pieces = plan.tiles() > 1;
            if has_own_place(plan, b) {
                memory.spots[i] = Some(memory.reserve_in(b.rows * lanes(b.lane), in_pieces && b.lane, span)?);
                continue;
            }
            let key = (if b.space == Space::Setup { Space::Once } else { b.space }, b.slot);
            let known = slots.iter().find(|(k, _)| *k == key).map(|(_, spot)| *spot);
            let spot = match known {
                Some(spot) => spot,
                None => {
                    let all = match b.space {
                        Space::Setup | Space::Once => &plan.once,
                        Space::Kept => &plan.kept,
                        Space::Scratch => &plan.scratch,
                    };
                    // A buffer that nothing uses has no slot.
                    let Some(slot) = all.get(b.slot) else { continue };
                    let apart = in_pieces && b.space == Space::Kept;
                    let spot = memory.reserve_in(slot.rows * lanes(slot.lane), apart, span)?;
                    slots.push((key, spot));
                    spot
                }
            };
            memory.spots[i] = Some(spot);
        }
        Ok(memory)
    }

    fn reserve_half(&mut self, plan: &Plan, buffer: usize) -> Result<(), Error> {
        let b = &plan.buffers[buffer];
        let span = plan.program.node(b.owner).span;
        let most = (self.limits.binding.min(self.limits.buffer) / 2) as usize;
        let numbers = (b.rows * plan.width).next_multiple_of(2 * ALIGN);
        if numbers > most {
            return Err(self.over("bytes in one piece", 2 * numbers as u128, 2 * most as u64, span));
        }
        if self.halves.last().is_none_or(|used| used + numbers > most) {
            // One binding at least is left for the other numbers.
            if self.halves.len() + 1 >= self.bindings() {
                let needed = 2 * (self.halves.iter().sum::<usize>() + numbers) as u128;
                return Err(self.over("bytes", needed, 2 * most as u64 * self.bindings() as u64, span));
            }
            self.halves.push(0);
        }
        let range = self.halves.len() - 1;
        self.half.insert(buffer, (range, self.halves[range]));
        self.halves[range] += numbers;
        Ok(())
    }

    /// Ranges that values may have.
    fn bindings(&self) -> usize {
        self.limits.bindings.saturating_sub(OTHER_BINDINGS) as usize
    }

    /// The memory of a buffer, and where it starts there.
    pub fn place(&self, buffer: usize) -> (Place, usize) {
        match self.half.get(&buffer) {
            Some((range, number)) => (Place::Half(*range), *number),
            None => {
                let spot = self.spot(buffer);
                (Place::Range(spot.range), spot.word)
            }
        }
    }

    /// Where a buffer starts.
    ///
    /// # Panics
    /// For buffers that nothing uses, and those in half precision.
    pub fn spot(&self, buffer: usize) -> Spot {
        self.spots[buffer].expect("a buffer that is used has a place")
    }

    /// A new place.
    ///
    /// # Errors
    /// When it does not fit.
    pub fn reserve(&mut self, words: usize, span: Span) -> Result<Spot, Error> {
        self.reserve_in(words, false, span)
    }

    /// A new place, of which every piece of the batch has its own if `apart`.
    fn reserve_in(&mut self, words: usize, apart: bool, span: Span) -> Result<Spot, Error> {
        let most = (self.limits.binding.min(self.limits.buffer) / 4) as usize;
        let words = words.max(1).next_multiple_of(ALIGN);
        if words > most {
            return Err(self.over("bytes in one piece", 4 * words as u128, 4 * most as u64, span));
        }
        let fits = |range: &Range| range.apart == apart && range.words + words <= most;
        let range = match self.ranges.iter().position(fits) {
            Some(range) => range,
            None => {
                let count = self.bindings() - self.halves.len();
                if self.ranges.len() >= count {
                    let used: usize = self.ranges.iter().map(|range| range.words).sum();
                    return Err(self.over("bytes", 4 * (used + words) as u128, 4 * most as u64 * count as u64, span));
                }
                self.ranges.push(Range { words: 0, apart });
                self.ranges.len() - 1
            }
        };
        let spot = Spot { range, word: self.ranges[range].words };
        self.ranges[range].words += words;
        Ok(spot)
    }

    /// Room for what a kernel leaves to the next one.
    ///
    /// # Errors
    /// When it does not fit.
    pub fn spare(&mut self, words: usize, span: Span) -> Result<Spot, Error> {
        if let Some((_, spot)) = self.spare.iter().find(|(size, _)| *size >= words) {
            return Ok(*spot);
        }
        let spot = self.reserve(words, span)?;
        self.spare.push((words, spot));
        Ok(spot)
    }

    fn over(&self, what: &'static str, needed: u128, limit: u64, span: Span) -> Error {
        let advice = "lower `batch` or `grid`, or run with `--backend cpu`".to_owned();
        Box::new(OverLimit { what, is_memory: true, needed, limit, device: self.device.clone(), advice, span }).into()
    }
}
