//! Runs of work along an axis are cut in strips, so that what passes between them stays in the cache.
//!
//! A network evaluated at all times of a path at once, forward and backward, is a sequence of passes over values that do
//! not fit the cache. If every pass treats each time alone, or adds over times, the whole sequence can be run for a few
//! times after the other; what only its members read needs room for those times alone.

use std::collections::{BTreeMap, BTreeSet};

use super::tail::tail;
use super::{Item, Plan, Space, When};
use crate::graph::{AxisId, Op, Reduction, RegionId, ValueId};

/// A run of work in strips.
#[derive(Clone, Debug)]
pub struct Strip {
    /// The axis that is cut.
    pub axis: AxisId,
    /// Entries at a time; a divisor of the axis.
    pub block: usize,
    /// The number of strips.
    pub count: usize,
    /// Sums over the axis, to be set to zero first.
    pub sums: Vec<ValueId>,
    /// The work of a strip.
    pub body: Vec<Item>,
    /// Buffers that hold one strip only.
    pub internal: BTreeSet<usize>,
}

/// Cuts runs in the tile segments of a plan that pass on more than twice what the cache holds.
pub(super) fn cut(plan: &mut Plan, cache: usize) {
    let touches = touches(plan, plan.segments.iter().flat_map(|s| &s.items));
    let outputs: BTreeSet<usize> =
        plan.program.outputs.iter().filter_map(|(_, v)| Some(plan.views[v.index()].as_ref()?.buffer)).collect();
    for k in 0..plan.segments.len() {
        if plan.segments[k].when == When::Tiles {
            let items = std::mem::take(&mut plan.segments[k].items);
            plan.segments[k].items = cut_list(plan, items, cache, &touches, &outputs);
        }
    }
}

/// How an item relates to an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Along {
    /// Each entry alone.
    Pointwise,
    /// Adds over it.
    Sum,
    /// Anything else.
    Other,
}

fn cut_list(
    plan: &mut Plan,
    items: Vec<Item>,
    cache: usize,
    touches: &BTreeMap<usize, usize>,
    outputs: &BTreeSet<usize>,
) -> Vec<Item> {
    let producers: BTreeMap<ValueId, usize> =
        items.iter().enumerate().flat_map(|(i, item)| produced(item).into_iter().map(move |v| (v, i))).collect();
    let mut out = Vec::new();
    let mut run: Option<(AxisId, Vec<usize>)> = None;
    let mut after: Vec<usize> = Vec::new();
    for (i, item) in items.iter().enumerate() {
        if let Some((axis, members)) = &mut run {
            let along = along(plan, item, *axis);
            let waits = reads(plan, item).into_iter().any(|v| {
                let mut waits = false;
                bases(plan, v, *axis, false, &producers, &mut |base, whole| {
                    let from = producers[&base];
                    let summed = members.contains(&from) && !plan.program.node(base).ty.varies(*axis);
                    waits |= after.contains(&from) || summed || (whole && members.contains(&from));
                    // What does not pass entry by entry needs the whole of what it reads.
                    waits |= along == Along::Other && members.contains(&from);
                });
                waits
            });
            match (along, waits) {
                (Along::Other, true) => {
                    after.push(i);
                    continue;
                }
                (Along::Other, false) => {
                    out.push(item.clone());
                    continue;
                }
                (_, false) => {
                    members.push(i);
                    continue;
                }
                (_, true) => {
                    close(plan, &items, cache, run.take(), &mut after, touches, outputs, &mut out);
                }
            }
        }
        match first_axis(plan, item) {
            Some(axis) if along(plan, item, axis) != Along::Other => run = Some((axis, vec![i])),
            _ => out.push(item.clone()),
        }
    }
    close(plan, &items, cache, run, &mut after, touches, outputs, &mut out);
    out
}

/// Emits a run, in strips if that pays, and what waited for it.
#[expect(clippy::too_many_arguments, reason = "the state of one pass over a list")]
fn close(
    plan: &mut Plan,
    items: &[Item],
    cache: usize,
    run: Option<(AxisId, Vec<usize>)>,
    after: &mut Vec<usize>,
    touches: &BTreeMap<usize, usize>,
    outputs: &BTreeSet<usize>,
    out: &mut Vec<Item>,
) {
    if let Some((axis, members)) = run {
        let size = plan.program.axis(axis).size;
        let body: Vec<Item> = members.iter().map(|i| items[*i].clone()).collect();
        let own = self::touches(plan, body.iter());
        let internal: BTreeSet<usize> = own
            .iter()
            .filter(|(b, n)| touches.get(b) == Some(n) && !outputs.contains(b))
            .map(|(b, _)| *b)
            .filter(|b| {
                let buffer = &plan.buffers[*b];
                let outermost = body.iter().flat_map(produced).any(|v| {
                    plan.views[v.index()]
                        .as_ref()
                        .is_some_and(|view| view.buffer == *b && view.axis_stride(axis) * size == buffer.rows)
                });
                buffer.space == Space::Scratch && buffer.lane && outermost
            })
            .collect();
        let row_bytes = 4 * plan.width;
        // A product that others take in stays in registers.
        let passed: BTreeSet<usize> = body
            .windows(2)
            .filter_map(|pair| Some(plan.view(tail(plan, &pair[0], &pair[1])?.product).buffer))
            .collect();
        let bytes: usize = internal.difference(&passed).map(|b| plan.buffers[*b].rows * row_bytes).sum();
        let block = (1..=size).filter(|n| size.is_multiple_of(*n) && bytes / size * n <= cache).max().unwrap_or(1);
        if body.len() > 1 && bytes > 2 * cache && block < size {
            for b in &internal {
                plan.buffers[*b].rows = plan.buffers[*b].rows / size * block;
            }
            let sums = body
                .iter()
                .filter(|item| along(plan, item, axis) == Along::Sum)
                .filter_map(|item| if let Item::Op(v) = item { Some(*v) } else { None })
                .collect();
            out.push(Item::Strip(Box::new(Strip { axis, block, count: size / block, sums, body, internal })));
        } else {
            out.extend(body);
        }
    }
    out.extend(after.drain(..).map(|i| items[i].clone()));
}

/// The outermost axis over which an item runs.
fn first_axis(plan: &Plan, item: &Item) -> Option<AxisId> {
    let v = match item {
        Item::Fused(members) => members[0],
        Item::Op(v) => *v,
        _ => return None,
    };
    let ty = &plan.program.node(v).ty;
    ty.axes.iter().copied().find(|a| Some(*a) != plan.tile)
}

pub(super) fn along(plan: &Plan, item: &Item, axis: AxisId) -> Along {
    let program = &plan.program;
    let v = match item {
        Item::Fused(members) => {
            return if program.node(members[0]).ty.varies(axis) { Along::Pointwise } else { Along::Other };
        }
        Item::Op(v) | Item::Partial(v) => *v,
        _ => return Along::Other,
    };
    let node = program.node(v);
    let partial = matches!(item, Item::Partial(_));
    match &node.op {
        Op::Contract(spec, ..) if spec.axes.contains(&axis) => Along::Sum,
        Op::Reduce(how, axes, ..) if axes.contains(&axis) => {
            if partial || *how == Reduction::Sum {
                Along::Sum
            } else {
                Along::Other
            }
        }
        Op::Contract(..) | Op::Reduce(..) if node.ty.varies(axis) && !partial => Along::Pointwise,
        Op::Concat(..)
        | Op::Pad { .. }
        | Op::Gather { .. }
        | Op::ScatterAdd { .. }
        | Op::Reshape(_)
        | Op::Solve(..)
        | Op::Inverse(_)
        | Op::Expm(_)
            if node.ty.varies(axis) =>
        {
            Along::Pointwise
        }
        _ => Along::Other,
    }
}

/// The values an item computes.
pub(super) fn produced(item: &Item) -> Vec<ValueId> {
    match item {
        Item::Fused(members) => members.clone(),
        Item::Op(v) | Item::Finish(v) => vec![*v],
        Item::Loop(l) => vec![l.scan],
        Item::Partial(_) | Item::Collect(_) | Item::Strip(_) => Vec::new(),
    }
}

/// The values an item reads.
pub(super) fn reads(plan: &Plan, item: &Item) -> Vec<ValueId> {
    let operands = |v: &ValueId| plan.program.node(*v).op.operands();
    match item {
        Item::Fused(members) => {
            let mut all: Vec<_> = members.iter().flat_map(operands).collect();
            all.retain(|v| !members.contains(v));
            all
        }
        Item::Op(v) | Item::Partial(v) => operands(v),
        Item::Collect(v) => vec![*v],
        Item::Finish(_) | Item::Strip(_) => Vec::new(),
        Item::Loop(l) => {
            // Whatever the body reads from outside, and the scan itself.
            let mut regions = BTreeSet::from([l.region]);
            for (i, parent) in plan.program.regions.iter().enumerate() {
                if regions.contains(parent) && i != 0 {
                    regions.insert(RegionId(i as u32));
                }
            }
            let inside =
                plan.program.nodes.iter().filter(|n| regions.contains(&n.region)).flat_map(|n| n.op.operands());
            let mut all: Vec<_> = inside.chain(operands(&l.scan)).collect();
            all.retain(|v| plan.program.node(*v).region == RegionId::ROOT);
            all.extend(l.tail.iter().flat_map(|t| &t.body).flat_map(|item| reads(plan, item)));
            all
        }
    }
}

/// Follows views to the values of this list that back them; `whole` if entries of the axis do not stay in place.
pub(super) fn bases(
    plan: &Plan,
    v: ValueId,
    axis: AxisId,
    whole: bool,
    producers: &BTreeMap<ValueId, usize>,
    f: &mut impl FnMut(ValueId, bool),
) {
    if producers.contains_key(&v) {
        f(v, whole);
        return;
    }
    let moved = match &plan.program.node(v).op {
        Op::Rename { from, to, .. } => *from == axis || *to == axis,
        Op::At { axis: a, .. } => *a == axis,
        Op::Broadcast(_) | Op::Slice { .. } | Op::Transpose(..) | Op::Reshape(_) | Op::Output(..) => false,
        _ => return,
    };
    for x in plan.program.node(v).op.operands() {
        bases(plan, x, axis, whole || moved, producers, f);
    }
}

/// How often each buffer is touched by items.
pub(super) fn touches<'a>(plan: &Plan, items: impl Iterator<Item = &'a Item>) -> BTreeMap<usize, usize> {
    let mut counts = BTreeMap::new();
    let mut touch = |v: ValueId| {
        if let Some(view) = &plan.views[v.index()] {
            *counts.entry(view.buffer).or_insert(0) += 1;
        }
    };
    for item in items {
        reads(plan, item).into_iter().for_each(&mut touch);
        produced(item).into_iter().for_each(&mut touch);
        if let Item::Loop(l) = item {
            // Everything inside is out of reach for strips: count it apart, so that no run can claim it.
            for (i, node) in plan.program.nodes.iter().enumerate() {
                if node.region != RegionId::ROOT || matches!(&node.op, Op::Output(s, _) if *s == l.scan) {
                    touch(ValueId(i as u32));
                }
            }
        }
    }
    counts
}
