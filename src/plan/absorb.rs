//! Loops take in the sums over what they stack, so that it need not be stacked.
//!
//! The reverse of a scan hands out cotangents for every step, and gradients add up their products with what the forward
//! scan kept. Added up step by step, a cotangent is read while it is in the cache, and one step's room holds it.

use std::collections::{BTreeMap, BTreeSet};

use super::strip::{Along, Strip, along, bases, produced, reads, touches};
use super::{Item, Loop, Plan, Space, View, When};
use crate::graph::{AxisId, Op, ScanOutput, ValueId};

/// Moves sums into loops where that frees more bytes than the cache holds.
pub(super) fn absorb(plan: &mut Plan, cache: usize) {
    let all = touches(plan, plan.segments.iter().flat_map(|s| &s.items));
    let outputs: BTreeSet<usize> =
        plan.program.outputs.iter().filter_map(|(_, v)| Some(plan.views[v.index()].as_ref()?.buffer)).collect();
    for k in 0..plan.segments.len() {
        if plan.segments[k].when != When::Tiles {
            continue;
        }
        let mut at = 0;
        while at < plan.segments[k].items.len() {
            if let Some((freed, moved)) = find(plan, &plan.segments[k].items, at, cache, &all, &outputs) {
                take_in(plan, k, at, &freed, &moved);
            }
            at += 1;
        }
    }
}

fn axis_of(plan: &Plan, l: &Loop) -> Option<AxisId> {
    if let Op::Scan(s) = &plan.program.node(l.scan).op { Some(s.axis) } else { None }
}

/// For the loop at this place: the stacks that nobody else would need, and the sums to move.
fn find(
    plan: &Plan,
    items: &[Item],
    at: usize,
    cache: usize,
    all: &BTreeMap<usize, usize>,
    outputs: &BTreeSet<usize>,
) -> Option<(BTreeSet<usize>, Vec<usize>)> {
    let Item::Loop(l) = &items[at] else { return None };
    if l.tail.is_some() {
        return None;
    }
    let axis = axis_of(plan, l)?;
    let size = l.size;
    let producers: BTreeMap<ValueId, usize> =
        items.iter().enumerate().flat_map(|(i, item)| produced(item).into_iter().map(move |v| (v, i))).collect();
    let movable: Vec<usize> = (at + 1..items.len())
        .filter(|i| {
            let item = &items[*i];
            matches!(item, Item::Partial(_))
                && along(plan, item, axis) == Along::Sum
                && reads(plan, item).into_iter().all(|v| {
                    let mut fits = !from_final(plan, v, l.scan);
                    bases(plan, v, axis, false, &producers, &mut |base, whole| {
                        let from = producers[&base];
                        fits &= from < at || (from == at && !whole);
                    });
                    fits
                })
        })
        .collect();
    let mut counts = touches(plan, std::iter::once(&items[at]));
    for (b, n) in touches(plan, movable.iter().map(|i| &items[*i])) {
        *counts.entry(b).or_insert(0) += n;
    }
    let stacks = plan.program.nodes.iter().enumerate().filter_map(|(i, node)| match &node.op {
        Op::Output(scan, ScanOutput::Stacked(_)) if *scan == l.scan => plan.views[i].as_ref(),
        _ => None,
    });
    let freed: BTreeSet<usize> = stacks
        .filter(|view| {
            let b = &plan.buffers[view.buffer];
            b.owner == l.scan
                && b.space == Space::Scratch
                && b.lane
                && view.axis_stride(axis) * size == b.rows
                && !outputs.contains(&view.buffer)
                && all.get(&view.buffer) == counts.get(&view.buffer)
        })
        .map(|view| view.buffer)
        .collect();
    let bytes: usize = freed.iter().map(|b| 4 * plan.width * plan.buffers[*b].rows).sum();
    let moved: Vec<usize> = movable
        .into_iter()
        .filter(|i| {
            let own = reads(plan, &items[*i]);
            own.iter().any(|v| plan.views[v.index()].as_ref().is_some_and(|view| freed.contains(&view.buffer)))
        })
        .collect();
    (bytes > 2 * cache && l.depth == 0 && !moved.is_empty()).then_some((freed, moved))
}

/// Whether a value is what a carry of the scan holds in the end.
pub(super) fn from_final(plan: &Plan, v: ValueId, scan: ValueId) -> bool {
    match &plan.program.node(v).op {
        Op::Output(s, ScanOutput::Final(_)) => *s == scan,
        Op::Broadcast(_)
        | Op::Slice { .. }
        | Op::Transpose(..)
        | Op::Reshape(_)
        | Op::Rename { .. }
        | Op::At { .. } => plan.program.node(v).op.operands().into_iter().any(|x| from_final(plan, x, scan)),
        _ => false,
    }
}

fn take_in(plan: &mut Plan, segment: usize, at: usize, freed: &BTreeSet<usize>, moved: &[usize]) {
    let items = std::mem::take(&mut plan.segments[segment].items);
    let mut kept = Vec::new();
    let mut body = Vec::new();
    for (i, item) in items.into_iter().enumerate() {
        if moved.contains(&i) { body.push(item) } else { kept.push(item) }
    }
    let mut axis = None;
    if let Item::Loop(l) = &mut kept[at] {
        axis = axis_of(plan, l);
        if let Some(axis) = axis {
            let strip = Strip { axis, block: 1, count: l.size, sums: Vec::new(), body, internal: BTreeSet::new() };
            l.tail = Some(strip);
        }
    }
    plan.segments[segment].items = kept;
    if let Some(axis) = axis {
        one_step(plan, segment, axis, freed);
    }
}

/// Leaves room for one step of some buffers that a loop alone touches.
pub(super) fn one_step(plan: &mut Plan, segment: usize, axis: AxisId, freed: &BTreeSet<usize>) {
    let size = plan.program.axis(axis).size;
    for b in freed {
        plan.buffers[*b].rows /= size;
    }
    let one_step = |view: &mut View| {
        if freed.contains(&view.buffer) {
            view.axes.retain(|(x, _)| *x != axis);
            view.loops.retain(|(depth, _)| *depth != 0);
        }
    };
    plan.views.iter_mut().flatten().for_each(one_step);
    plan.segments[segment].items.iter_mut().for_each(|item| copies(item, &one_step));
}

fn copies(item: &mut Item, f: &impl Fn(&mut View)) {
    if let Item::Loop(l) = item {
        for c in l.before.iter_mut().chain(&mut l.after) {
            f(&mut c.from);
            f(&mut c.to);
        }
        l.body.iter_mut().for_each(|item| copies(item, f));
    }
}
