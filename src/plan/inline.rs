//! Loops of little work take in what stands around them: the draws that they read, and the sums over what they hand out.
//!
//! A path that is simulated for its cost alone needs room for one step then, so that a tile can be wide.

use std::collections::{BTreeMap, BTreeSet};

use super::absorb::one_step;
use super::strip::{Along, Strip, along, bases, produced, reads, touches};
use super::{Item, Plan, Space, When};
use crate::graph::{AxisId, Op, ValueId};

/// A matrix with more entries makes the work of a loop heavy: products with it are better taken for many steps at once.
const LIGHT: usize = 256;

/// Takes in what the loops of light plans can.
pub(super) fn inline(plan: &mut Plan) {
    let outputs = outputs(plan);
    for_each_loop(plan, |plan, segment, at, axis| {
        let at = take_in_head(plan, segment, at, axis, &outputs);
        let after = tail(plan, segment, at, axis, &outputs);
        move_in(plan, segment, at, axis, &after, false)
    });
}

/// Takes in the draws that loops alone read, and what is done to them entry by entry.
pub(super) fn take_in_draws(plan: &mut Plan) {
    let outputs = outputs(plan);
    for_each_loop(plan, |plan, segment, at, axis| take_in_head(plan, segment, at, axis, &outputs));
}

fn outputs(plan: &Plan) -> BTreeSet<usize> {
    plan.program.outputs.iter().filter_map(|(_, v)| Some(plan.views[v.index()].as_ref()?.buffer)).collect()
}

/// Every loop over tiles that stands in no other: its segment, its place there and its axis. `f` says where it stands after.
fn for_each_loop(plan: &mut Plan, mut f: impl FnMut(&mut Plan, usize, usize, AxisId) -> usize) {
    for k in 0..plan.segments.len() {
        if plan.segments[k].when != When::Tiles {
            continue;
        }
        let mut at = 0;
        while let Some(item) = plan.segments[k].items.get(at) {
            if let Item::Loop(l) = item
                && let Op::Scan(s) = &plan.program.node(l.scan).op
                && l.depth == 0
            {
                let axis = s.axis;
                at = f(plan, k, at, axis);
            }
            at += 1;
        }
    }
}

fn take_in_head(plan: &mut Plan, segment: usize, at: usize, axis: AxisId, outputs: &BTreeSet<usize>) -> usize {
    let before = head(plan, segment, at, axis, outputs);
    move_in(plan, segment, at, axis, &before, true)
}

/// Whether no product of a tile is one with a large matrix that all share.
pub(super) fn is_light(plan: &Plan) -> bool {
    plan.program.nodes.iter().all(|node| match &node.op {
        Op::Contract(_, a, b) => {
            let heavy = |x: ValueId| !plan.varies(x) && plan.program.node(x).ty.elements() > LIGHT;
            !((heavy(*a) && plan.varies(*b)) || (heavy(*b) && plan.varies(*a)))
        }
        Op::Solve(..) | Op::Inverse(_) | Op::Expm(_) => false,
        _ => true,
    })
}

/// What is moved: the items, and the buffers of which one step is left.
struct Moved {
    items: Vec<usize>,
    freed: BTreeSet<usize>,
}

fn producers(items: &[Item]) -> BTreeMap<ValueId, usize> {
    items.iter().enumerate().flat_map(|(i, item)| produced(item).into_iter().map(move |v| (v, i))).collect()
}

/// Those of some buffers that only these items touch, and that hold one entry of the axis after the other.
fn own(
    plan: &Plan,
    segment: usize,
    axis: AxisId,
    items: &[usize],
    outputs: &BTreeSet<usize>,
    candidates: impl Iterator<Item = usize>,
) -> BTreeSet<usize> {
    let all = touches(plan, plan.segments.iter().flat_map(|s| &s.items));
    let counts = touches(plan, items.iter().map(|i| &plan.segments[segment].items[*i]));
    let size = plan.program.axis(axis).size;
    let whole = |b: usize| {
        plan.views.iter().flatten().any(|v| v.buffer == b && v.axis_stride(axis) * size == plan.buffers[b].rows)
    };
    candidates
        .filter(|b| {
            let buffer = &plan.buffers[*b];
            buffer.space == Space::Scratch
                && buffer.lane
                && whole(*b)
                && !outputs.contains(b)
                && all.get(b) == counts.get(b)
        })
        .collect()
}

/// Draws before the loop, and what is done to them entry by entry, that the loop alone reads.
fn head(plan: &Plan, segment: usize, at: usize, axis: AxisId, outputs: &BTreeSet<usize>) -> Moved {
    let items = &plan.segments[segment].items;
    let producers = producers(items);
    let mut chosen: Vec<usize> = Vec::new();
    let mut freed = BTreeSet::new();
    for i in (0..at).rev() {
        let fits = match &items[i] {
            Item::Op(v) => {
                let ty = &plan.program.node(*v).ty;
                matches!(plan.program.node(*v).op, Op::Draw(_))
                    && ty.varies(axis)
                    && ty.axes.iter().all(|a| *a == axis || Some(*a) == plan.tile)
            }
            item @ Item::Fused(_) => {
                let mut whole = false;
                for v in reads(plan, item) {
                    bases(plan, v, axis, false, &producers, &mut |_, moved| whole |= moved);
                }
                along(plan, item, axis) == Along::Pointwise && !whole
            }
            _ => false,
        };
        if !fits {
            continue;
        }
        let together: Vec<usize> = chosen.iter().copied().chain([i, at]).collect();
        let buffers: BTreeSet<usize> =
            produced(&items[i]).iter().filter_map(|v| Some(plan.views[v.index()].as_ref()?.buffer)).collect();
        let own = own(plan, segment, axis, &together, outputs, buffers.iter().copied());
        if own.len() == buffers.len() && !buffers.is_empty() {
            freed.extend(own);
            chosen.push(i);
        }
    }
    chosen.sort_unstable();
    Moved { items: chosen, freed }
}

/// What comes after the loop, step by step or added up over steps, of values that the loop hands out.
fn tail(plan: &Plan, segment: usize, at: usize, axis: AxisId, outputs: &BTreeSet<usize>) -> Moved {
    let items = &plan.segments[segment].items;
    let producers = producers(items);
    let Item::Loop(l) = &items[at] else { return Moved { items: Vec::new(), freed: BTreeSet::new() } };
    let mut chosen: Vec<usize> = Vec::new();
    let mut sums: BTreeSet<usize> = BTreeSet::new();
    for (i, item) in items.iter().enumerate().skip(at + 1) {
        let along = along(plan, item, axis);
        let single = matches!(item, Item::Fused(_) | Item::Op(_) | Item::Partial(_));
        if along == Along::Other || !single {
            continue;
        }
        let fits = reads(plan, item).into_iter().all(|v| {
            let mut fits = !super::absorb::from_final(plan, v, l.scan);
            bases(plan, v, axis, false, &producers, &mut |base, whole| {
                let from = producers[&base];
                let inside = from == at || (chosen.contains(&from) && !sums.contains(&from));
                fits &= from < at || (inside && !whole);
            });
            fits
        });
        if fits {
            chosen.push(i);
            if along == Along::Sum {
                sums.insert(i);
            }
        }
    }
    let together: Vec<usize> = chosen.iter().copied().chain([at]).collect();
    let stacks = plan.views.iter().flatten().map(|v| v.buffer).filter(|b| plan.buffers[*b].owner == l.scan);
    let values = chosen
        .iter()
        .filter(|i| !sums.contains(i))
        .flat_map(|i| produced(&items[*i]))
        .filter_map(|v| Some(plan.views[v.index()].as_ref()?.buffer));
    let candidates: BTreeSet<usize> = stacks.chain(values).collect();
    let freed = own(plan, segment, axis, &together, outputs, candidates.into_iter());
    Moved { items: chosen, freed }
}

/// Moves items to the front or the end of the loop's body; returns where the loop stands now.
fn move_in(plan: &mut Plan, segment: usize, at: usize, axis: AxisId, moved: &Moved, front: bool) -> usize {
    if moved.items.is_empty() || moved.freed.is_empty() {
        return at;
    }
    let items = std::mem::take(&mut plan.segments[segment].items);
    let (mut kept, mut body) = (Vec::new(), Vec::new());
    let mut place = at;
    for (i, item) in items.into_iter().enumerate() {
        if moved.items.contains(&i) {
            body.push(item);
            place -= usize::from(i < at);
        } else {
            kept.push(item);
        }
    }
    let sums = body
        .iter()
        .filter(|item| along(plan, item, axis) == Along::Sum)
        .filter_map(|item| if let Item::Op(v) = item { Some(*v) } else { None })
        .collect();
    let size = plan.program.axis(axis).size;
    let strip = Strip { axis, block: 1, count: size, sums, body, internal: moved.freed.clone() };
    if let Item::Loop(l) = &mut kept[place] {
        *(if front { &mut l.head } else { &mut l.tail }) = Some(strip);
    }
    plan.segments[segment].items = kept;
    one_step(plan, segment, axis, &moved.freed);
    place
}
