//! The least time that a program can take.

use std::fmt;

use super::{Item, Plan, Space};
use crate::graph::ValueId;

/// What a machine can do at most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Peaks {
    /// Operations of products per second.
    pub products: f64,
    /// Bytes per second from and to memory.
    pub bytes: f64,
}

/// The least time of one run at these peaks: products and memory can overlap.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Floor {
    /// Operations of products.
    pub products: u128,
    /// Bytes that pass between phases.
    pub traffic: u128,
    /// The peaks.
    pub peaks: Peaks,
}

impl Floor {
    /// Seconds.
    pub fn seconds(&self) -> f64 {
        self.product_seconds().max(self.memory_seconds())
    }

    fn product_seconds(&self) -> f64 {
        self.products as f64 / self.peaks.products
    }

    fn memory_seconds(&self) -> f64 {
        self.traffic as f64 / self.peaks.bytes
    }
}

impl fmt::Display for Floor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "floor     {:.3} ms for products at {:.0} GFLOP/s, {:.3} ms for {:.3} MB moved at {:.1} GB/s",
            1e3 * self.product_seconds(),
            self.peaks.products / 1e9,
            1e3 * self.memory_seconds(),
            self.traffic as f64 / 1e6,
            self.peaks.bytes / 1e9
        )
    }
}

/// Bytes that items read and write beyond what a worker has for itself: what is computed once or kept for the whole
/// batch, each time it is touched.
pub(super) fn traffic(plan: &Plan) -> u128 {
    plan.segments.iter().flat_map(|s| &s.items).map(|item| of_item(plan, item)).sum()
}

fn of_item(plan: &Plan, item: &Item) -> u128 {
    let operands = |v: ValueId| -> u128 { plan.program.node(v).op.operands().iter().map(|x| of_value(plan, *x)).sum() };
    match item {
        Item::Fused(members) => {
            let mut read: Vec<ValueId> = members.iter().flat_map(|v| plan.program.node(*v).op.operands()).collect();
            read.sort_unstable();
            read.dedup();
            read.retain(|x| !members.contains(x));
            read.iter().chain(members).map(|x| of_value(plan, *x)).sum()
        }
        Item::Op(v) => operands(*v) + of_value(plan, *v),
        Item::Partial(v) => operands(*v),
        Item::Finish(v) | Item::Collect(v) => of_value(plan, *v),
        Item::Loop(l) => {
            let step: u128 = l.body.iter().map(|item| of_item(plan, item)).sum();
            let tail: u128 = l.tail.iter().flat_map(|t| &t.body).map(|item| of_item(plan, item)).sum();
            step * l.size as u128 + tail
        }
        Item::Strip(s) => s.body.iter().map(|item| of_item(plan, item)).sum(),
    }
}

/// The bytes of a value that lies outside of a worker's own memory.
fn of_value(plan: &Plan, v: ValueId) -> u128 {
    let Some(view) = &plan.views[v.index()] else { return 0 };
    let kept = match plan.buffers[view.buffer].space {
        Space::Scratch | Space::Setup => false,
        // What is computed once and read by tiles stays in the caches: only what is large moves.
        Space::Once => plan.buffers[view.buffer].rows > 1 << 16,
        Space::Kept => true,
    };
    let ty = &plan.program.node(v).ty;
    let entries = ty.axes.iter().fold(ty.elements() as u128, |n, a| n * plan.program.axis(*a).size as u128);
    if kept { 4 * entries } else { 0 }
}
