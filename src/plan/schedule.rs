//! Puts work in order and joins element-wise values into groups.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::build::{Options, Places};
use super::elementwise::is_elementwise;
use super::phase::Role;
use super::{Copy, Item, Loop, Segment, When};
use crate::graph::{Op, RegionId, ValueId};

/// Members of a group at most: registers of a chunk should stay in the first-level cache.
const MOST_MEMBERS: usize = 32;

/// How many items are looked at for a group to join.
const REACH: usize = 64;

/// What one list of the schedule does with a value.
#[derive(Clone, Copy)]
enum Task {
    Compute(ValueId),
    Partial(ValueId),
    Finish(ValueId),
}

impl Task {
    fn value(self) -> ValueId {
        match self {
            Self::Compute(v) | Self::Partial(v) | Self::Finish(v) => v,
        }
    }
}

/// All segments of a program.
pub(super) fn schedule_program(places: &mut Places<'_>, options: Options) -> Vec<Segment> {
    let program = places.program;
    let mut setup = Vec::new();
    let (mut partials, mut unfinished) = (Vec::new(), BTreeSet::new());
    let mut once = vec![Vec::new(); places.phases.count];
    let mut tiles = vec![Vec::new(); places.phases.count];
    let mut sides = tiles.clone();
    let varies = |v: ValueId| places.side.is_some_and(|side| program.node(v).ty.varies(side));
    for (i, node) in program.nodes.iter().enumerate() {
        if node.region != RegionId::ROOT || matches!(node.op, Op::Number(_)) {
            continue;
        }
        let v = ValueId(i as u32);
        let phase = places.phases.phase[i];
        match places.phases.role[i] {
            Role::Once if places.phases.constant[i] => setup.push(Task::Compute(v)),
            Role::Once | Role::Collect => once[phase].push(Task::Compute(v)),
            Role::Lane if varies(v) => sides[phase].push(Task::Compute(v)),
            Role::Lane => tiles[phase].push(Task::Compute(v)),
            Role::Partial => {
                partials.push(v);
                let of_side = node.op.operands().into_iter().any(varies);
                let lists = if of_side { &mut sides } else { &mut tiles };
                lists[phase - 1].push(Task::Partial(v));
                let readers = &places.users[i];
                let picks = |u: &ValueId| varies(*u) && matches!(program.node(*u).op, Op::Pick(..));
                if matches!(node.op, Op::Contract(..))
                    && !of_side
                    && !readers.is_empty()
                    && readers.iter().all(picks)
                    && program.outputs.iter().all(|(_, x)| *x != v)
                {
                    unfinished.insert(v);
                }
                once[phase].push(Task::Finish(v));
            }
        }
    }
    (places.partials, places.unfinished) = (partials, unfinished);
    let mut segments = Vec::new();
    let setup = schedule(places, &setup, options);
    for ((once, tiles), sides) in once.iter().zip(&tiles).zip(&sides) {
        segments.push(Segment { when: When::Once, items: schedule(places, once, options) });
        segments.push(Segment { when: When::Tiles, items: schedule(places, tiles, options) });
        segments.push(Segment { when: When::Side, items: schedule(places, sides, options) });
    }
    for (_, v) in &program.outputs {
        places.view(*v);
    }
    let mut items: Vec<_> = places.numbers.iter().map(|v| Item::Op(*v)).collect();
    items.extend(setup);
    segments.insert(0, Segment { when: When::Setup, items });
    segments.retain(|s| !s.items.is_empty() || s.when == When::Setup);
    segments
}

fn schedule(places: &mut Places<'_>, tasks: &[Task], options: Options) -> Vec<Item> {
    let program = places.program;
    let mut items: Vec<Item> = Vec::new();
    // For values of this list: twice the item that computes it, and one more if only later items can read it.
    let mut place: HashMap<ValueId, usize> = HashMap::new();
    let mut later: HashSet<ValueId> = HashSet::new();
    for task in tasks {
        let v = task.value();
        let node = program.node(v);
        let mut after = None;
        node.op.for_each_operand(|x| after = after.max(place.get(&x).copied()));
        match task {
            Task::Partial(_) => {
                read(places, v);
                items.push(Item::Partial(v));
                continue;
            }
            Task::Finish(_) => {
                places.view(v);
                if places.unfinished.contains(&v) {
                    continue;
                }
                items.push(Item::Finish(v));
                place.insert(v, 2 * items.len() - 1);
                continue;
            }
            Task::Compute(_) if constant(program, v).is_some() => continue,
            Task::Compute(_) => {}
        }
        if let Op::Scan(_) = &node.op {
            let item = schedule_loop(places, v, options);
            items.push(Item::Loop(Box::new(item)));
            place.insert(v, 2 * items.len() - 1);
        } else if matches!(node.op, Op::Argument(..) | Op::Number(_)) {
            places.view(v);
        } else if places.phases.role[v.index()] == Role::Collect && node.region == RegionId::ROOT {
            let of = node.op.operands()[0];
            if let Op::Spread(..) = node.op {
                places.view(of);
                items.push(Item::Collect(v));
            } else if places.collected[of.index()].is_none() {
                places.view(of);
                places.collect(of);
                items.push(Item::Collect(of));
            }
            places.view(v);
            place.insert(v, 2 * items.len() - 1);
        } else if options.fuse && waits(places, v) {
            later.insert(v);
        } else if is_elementwise(&node.op) {
            let mut cluster = Vec::new();
            with_waiting(program, &later, v, &mut cluster);
            for x in cluster.iter().flat_map(|m| program.node(*m).op.operands()) {
                after = after.max(place.get(&x).copied());
            }
            let from = after.map_or(0, |p| p.div_ceil(2));
            let joined = (from..items.len().min(from + REACH)).find(|i| {
                options.fuse
                    && matches!(&items[*i], Item::Fused(m) if m.len() + cluster.len() <= MOST_MEMBERS && program.node(m[0]).ty == node.ty
                        && (after == Some(2 * *i) || m.iter().any(|x| shares(program, *x, v))))
            });
            let at = if let Some(at) = joined {
                if let Item::Fused(members) = &mut items[at] {
                    members.extend(&cluster);
                }
                at
            } else {
                items.push(Item::Fused(cluster.clone()));
                items.len() - 1
            };
            place.extend(cluster.iter().map(|m| (*m, 2 * at)));
        } else if places.alias(v).is_some() {
            places.view(v);
            if let Some(at) = after {
                place.insert(v, at | 1);
            }
        } else {
            read(places, v);
            places.view(v);
            items.push(Item::Op(v));
            place.insert(v, 2 * items.len() - 1);
        }
    }
    for item in &items {
        if let Item::Fused(members) = item {
            place_group(places, members);
        }
    }
    items
}

/// Whether an element-wise value of one operand waits for its only reader, of the same kind: together they are one pass,
/// and apart the value would have to be kept.
fn waits(places: &Places<'_>, v: ValueId) -> bool {
    let program = places.program;
    let node = program.node(v);
    let operands = node.op.operands();
    let single = match &node.op {
        Op::Unary(..) => program.node(operands[0]).ty == node.ty,
        Op::Binary(..) => operands.iter().any(|x| constant(program, *x).is_some()),
        _ => false,
    };
    let [reader] = places.users[v.index()][..] else { return false };
    let phases = &places.phases;
    let when = |v: ValueId| (phases.phase[v.index()], phases.role[v.index()], phases.constant[v.index()]);
    let together = node.region != RegionId::ROOT || when(v) == when(reader);
    let reader = program.node(reader);
    single
        && together
        && is_elementwise(&reader.op)
        && reader.ty == node.ty
        && reader.region == node.region
        && program.outputs.iter().all(|(_, x)| *x != v)
}

/// A value behind the waiting ones that it reads.
fn with_waiting(program: &crate::graph::Program, later: &HashSet<ValueId>, v: ValueId, into: &mut Vec<ValueId>) {
    for x in program.node(v).op.operands() {
        if later.contains(&x) {
            with_waiting(program, later, x, into);
        }
    }
    into.push(v);
}

/// Whether two values read a common operand.
fn shares(program: &crate::graph::Program, a: ValueId, b: ValueId) -> bool {
    let (x, y) = (program.node(a).op.operands(), program.node(b).op.operands());
    x.iter().any(|v| y.contains(v) && !matches!(program.node(*v).op, Op::Number(_) | Op::Broadcast(_)))
}

/// Gives places to what a value reads.
fn read(places: &mut Places<'_>, v: ValueId) {
    for x in places.program.node(v).op.operands() {
        places.view(x);
    }
}

/// Gives places to what a group reads and to those members that others read.
fn place_group(places: &mut Places<'_>, members: &[ValueId]) {
    for v in members {
        for x in places.program.node(*v).op.operands() {
            if !members.contains(&x) && constant(places.program, x).is_none() {
                places.view(x);
            }
        }
        if is_stored(places.program, &places.users, members, *v) {
            places.view(*v);
        }
    }
}

/// Whether a member of a group is read by others than its members.
fn is_stored(program: &crate::graph::Program, users: &[Vec<ValueId>], members: &[ValueId], v: ValueId) -> bool {
    program.outputs.iter().any(|(_, x)| *x == v) || users[v.index()].iter().any(|u| !members.contains(u))
}

/// The number that a value is everywhere, if that is plain.
pub(super) fn constant(program: &crate::graph::Program, v: ValueId) -> Option<f64> {
    match &program.node(v).op {
        Op::Number(b) => Some(b.value()),
        Op::Broadcast(a) => constant(program, *a),
        _ => None,
    }
}

fn schedule_loop(places: &mut Places<'_>, v: ValueId, options: Options) -> Loop {
    let program = places.program;
    let Op::Scan(scan) = &program.node(v).op else { unreachable!("only scans are loops") };
    let before = scan
        .carries
        .iter()
        .map(|c| Copy { like: c.argument, from: places.view(c.init), to: places.view(c.argument) })
        .collect();
    let tasks: Vec<_> = (0..program.nodes.len())
        .filter(|i| program.nodes[*i].region == scan.region)
        .map(|i| Task::Compute(ValueId(i as u32)))
        .collect();
    let body = schedule(places, &tasks, options);
    let depth = program.depth(scan.region) - 1;
    let mut after = Vec::new();
    for (k, x) in scan.stacked.iter().enumerate() {
        if !places.is_placed(*x, v, k) {
            let to = places.stack(v, k).sliced(scan.axis, depth);
            after.push(Copy { like: *x, from: places.view(*x), to });
        }
    }
    // A carry that takes over another's value waits until that one was read.
    let arguments: Vec<_> = scan.carries.iter().map(|c| places.view(c.argument).buffer).collect();
    let (mut late, mut direct) = (Vec::new(), Vec::new());
    for c in scan.carries.iter().filter(|c| c.next != c.argument) {
        let (from, to) = (places.view(c.next), places.view(c.argument));
        if arguments.contains(&from.buffer) {
            let staged = places.alloc_like(c.argument);
            after.push(Copy { like: c.argument, from, to: staged.clone() });
            late.push(Copy { like: c.argument, from: staged, to });
        } else {
            direct.push(Copy { like: c.argument, from, to });
        }
    }
    after.extend(direct);
    after.extend(late);
    Loop {
        scan: v,
        region: scan.region,
        depth,
        size: program.axis(scan.axis).size,
        reverse: scan.reverse,
        before,
        body,
        after,
        head: None,
        tail: None,
    }
}
