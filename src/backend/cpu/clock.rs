//! Where the time of a run goes, by phase and kind of work.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::code::Step;
use crate::backend::timing::{KINDS, Phase};
use crate::plan::When;

/// Counts nanoseconds of the segments of a plan.
#[derive(Debug)]
pub(super) struct Clock {
    segments: Vec<Counter>,
}

#[derive(Debug)]
struct Counter {
    when: When,
    whole: AtomicU64,
    work: [AtomicU64; KINDS.len()],
}

impl Clock {
    pub fn new(segments: impl Iterator<Item = When>) -> Self {
        let zeros = || std::array::from_fn(|_| AtomicU64::new(0));
        Self { segments: segments.map(|when| Counter { when, whole: AtomicU64::new(0), work: zeros() }).collect() }
    }

    /// A segment took the time since `start`.
    pub fn segment(&self, segment: usize, start: Instant) {
        self.segments[segment].whole.fetch_add(since(start), Ordering::Relaxed);
    }

    /// A step took the time since `start`.
    pub fn step(&self, segment: usize, step: &Step, start: Instant) {
        let kind = match step {
            Step::Product(_) | Step::Dense(_) => 0,
            Step::Fused(_) => 1,
            Step::Reduce(_) | Step::Running(_) | Step::Finish(..) => 2,
            Step::Drawing(_) => 3,
            Step::Move(_) | Step::Fill(_) | Step::Count(_) | Step::Host(..) | Step::Collect(_) | Step::Pick(_) => 4,
            // Loops are counted by what they hold.
            Step::Loop(_) | Step::Watch(_) | Step::Swap(..) => return,
        };
        self.segments[segment].work[kind].fetch_add(since(start), Ordering::Relaxed);
    }

    /// What was counted.
    pub fn phases(&self) -> Vec<Phase> {
        let seconds = |n: &AtomicU64| n.load(Ordering::Relaxed) as f64 * 1e-9;
        self.segments
            .iter()
            .map(|s| Phase {
                name: match s.when {
                    When::Setup => "first",
                    When::Once => "once",
                    When::Tiles => "tiles",
                    When::Side => "side tiles",
                },
                seconds: seconds(&s.whole),
                work: std::array::from_fn(|k| seconds(&s.work[k])),
            })
            .collect()
    }
}

fn since(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
