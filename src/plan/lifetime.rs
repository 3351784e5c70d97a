//! How long each buffer is in use, and which may share memory.

use std::collections::{BTreeMap, BTreeSet};

use super::elementwise::is_elementwise;
use super::tail::tail;
use super::{Buffer, Item, Loop, Plan, Slot, Space, Strip};
use crate::graph::{Op, Output, ValueId};

/// Positions and segments of the first and the last item that touches a buffer.
#[derive(Clone, Copy, Debug)]
struct Life {
    from: usize,
    to: usize,
    first_segment: usize,
    last_segment: usize,
}

/// How long buffers are in use: positions of the first and the last item that touches them, counted through the plan.
#[derive(Clone, Debug)]
pub struct Lives {
    /// By buffer; none for those that nothing uses.
    pub buffers: Vec<Option<(usize, usize)>>,
    /// By scan: the position of its loop, and that of its end.
    pub loops: BTreeMap<ValueId, (usize, usize)>,
    /// By scan and buffer: the same as for buffers, within a step of its loop.
    pub steps: BTreeMap<(ValueId, usize), (usize, usize)>,
}

/// How long the buffers of a plan are in use.
pub fn lives(plan: &Plan) -> Lives {
    let Walk { lives, loops, steps, .. } = walked(plan);
    Lives { buffers: lives.iter().map(|life| life.map(|l| (l.from, l.to))).collect(), loops, steps }
}

fn walked(plan: &Plan) -> Walk<'_> {
    let mut walk = Walk {
        plan,
        lives: vec![None; plan.buffers.len()],
        loops: BTreeMap::new(),
        steps: BTreeMap::new(),
        inside: Vec::new(),
        position: 1,
        segment: 0,
        scopes: Vec::new(),
    };
    for (k, segment) in plan.segments.iter().enumerate() {
        walk.segment = k;
        walk.items(&segment.items);
    }
    let end = walk.position + 1;
    walk.position = end;
    walk.segment = plan.segments.len();
    for (_, v) in &plan.program.outputs {
        if let Some(view) = &plan.views[v.index()] {
            walk.touch(view.buffer);
        }
    }
    // What pairs do not fill of a square stays zero from the beginning.
    let spread = |i: usize| plan.is_from_side(ValueId(i as u32)) && matches!(plan.program.nodes[i].op, Op::Spread(..));
    let squares = (0..plan.program.nodes.len()).filter(|i| spread(*i));
    let squares = squares.filter_map(|i| Some(plan.views[i].as_ref()?.buffer));
    for buffer in handed_on(plan).into_iter().chain(squares) {
        if let Some(life) = &mut walk.lives[buffer] {
            (life.from, life.to) = (0, end);
        }
    }
    walk
}

struct Walk<'a> {
    plan: &'a Plan,
    lives: Vec<Option<Life>>,
    loops: BTreeMap<ValueId, (usize, usize)>,
    steps: BTreeMap<(ValueId, usize), (usize, usize)>,
    /// The scans of the loops around the place.
    inside: Vec<ValueId>,
    position: usize,
    segment: usize,
    /// Loops around the place, as the positions of their first and last item.
    scopes: Vec<(usize, usize)>,
}

/// Gives every buffer a slot.
pub(super) fn assign_slots(plan: &mut Plan) {
    assign_slots_without(plan, &BTreeSet::new());
}

/// Gives every buffer a slot but some, which have places of their own elsewhere.
pub fn assign_slots_without(plan: &mut Plan, elsewhere: &BTreeSet<usize>) {
    let mut lives = walked(plan).lives;
    elsewhere.iter().for_each(|b| lives[*b] = None);
    let mut buffers = plan.buffers.clone();
    for (b, life) in buffers.iter_mut().zip(&lives) {
        if let Some(l) = life
            && b.space == Space::Scratch
            && l.first_segment != l.last_segment
        {
            b.space = Space::Kept;
        }
    }
    plan.once = share(&mut buffers, &lives, Space::Setup, false);
    plan.setup_slots = plan.once.len();
    let once = share(&mut buffers, &lives, Space::Once, true);
    for b in buffers.iter_mut().filter(|b| b.space == Space::Once) {
        b.slot += plan.setup_slots;
    }
    plan.once.extend(once);
    plan.kept = share(&mut buffers, &lives, Space::Kept, false);
    plan.scratch = share(&mut buffers, &lives, Space::Scratch, true);
    plan.buffers = buffers;
}

/// The buffers of what one run hands to the next, and of all that may be read there. Each lies alone, so that two can change
/// places, and what is not written is still there.
fn handed_on(plan: &Plan) -> Vec<usize> {
    let program = &plan.program;
    let handed = program.outputs.iter().filter(|(kind, _)| matches!(kind, Output::Parameter(_) | Output::State(_)));
    let mut values: Vec<_> = handed.map(|(_, v)| v.index()).collect();
    if !values.is_empty() {
        let read = |i: &usize| matches!(program.nodes[*i].op, Op::Parameter(_) | Op::State(_));
        values.extend((0..program.nodes.len()).filter(read));
    }
    values.into_iter().filter_map(|i| plan.views[i].as_ref()).map(|view| view.buffer).collect()
}

fn share(buffers: &mut [Buffer], lives: &[Option<Life>], space: Space, reuse: bool) -> Vec<Slot> {
    let mut order: Vec<_> = (0..buffers.len()).filter(|i| buffers[*i].space == space && lives[*i].is_some()).collect();
    order.sort_by_key(|i| lives[*i].map(|l| (l.from, *i)));
    let mut slots: Vec<Slot> = Vec::new();
    let mut busy: Vec<usize> = Vec::new();
    for i in order {
        let Some(life) = lives[i] else { continue };
        let b = &mut buffers[i];
        let free = |k: &usize| reuse && busy[*k] < life.from && (slots[*k].lane, slots[*k].side) == (b.lane, b.side);
        let fits = (0..slots.len()).filter(free).filter(|k| slots[*k].rows >= b.rows).min_by_key(|k| slots[*k].rows);
        let chosen = fits.or_else(|| (0..slots.len()).filter(free).max_by_key(|k| slots[*k].rows));
        let slot = chosen.unwrap_or_else(|| {
            slots.push(Slot { lane: b.lane, side: b.side, rows: 0 });
            busy.push(0);
            slots.len() - 1
        });
        slots[slot].rows = slots[slot].rows.max(b.rows);
        busy[slot] = life.to;
        b.slot = slot;
    }
    slots
}

impl Walk<'_> {
    fn touch(&mut self, buffer: usize) {
        let at = self.position;
        for scan in &self.inside {
            let life = self.steps.entry((*scan, buffer)).or_insert((at, at));
            life.1 = life.1.max(at);
        }
        let life = self.lives[buffer].get_or_insert(Life {
            from: at,
            to: at,
            first_segment: self.segment,
            last_segment: self.segment,
        });
        life.to = life.to.max(at);
        life.last_segment = self.segment;
        // What stems from outside of a loop is needed again at its next step.
        if let Some((_, end)) = self.scopes.iter().find(|(start, _)| life.from <= *start) {
            life.to = life.to.max(*end);
        }
    }

    fn touch_value(&mut self, v: ValueId) {
        if let Some(view) = &self.plan.views[v.index()]
            && !self.plan.unfinished.contains(&v)
        {
            self.touch(view.buffer);
        }
    }

    /// What others read is written strip by strip: it is in use from the start.
    fn written_outside(&mut self, strip: &Strip) {
        for v in strip.body.iter().flat_map(written) {
            if let Some(view) = &self.plan.views[v.index()]
                && !strip.internal.contains(&view.buffer)
            {
                self.touch(view.buffer);
            }
        }
    }

    /// A product and what it takes in happen at one time: what either reads is in use until what is stored.
    fn items(&mut self, items: &[Item]) {
        for (i, item) in items.iter().enumerate() {
            if i == 0 || tail(self.plan, &items[i - 1], item).is_none() {
                self.position += 1;
            }
            self.item(item);
        }
    }

    fn item(&mut self, item: &Item) {
        match item {
            Item::Fused(members) => {
                for v in members {
                    debug_assert!(is_elementwise(&self.plan.program.node(*v).op));
                    self.plan.program.node(*v).op.for_each_operand(|x| self.touch_value(x));
                    self.touch_value(*v);
                }
            }
            Item::Op(v) => {
                self.plan.program.node(*v).op.for_each_operand(|x| self.touch_value(x));
                self.touch_value(*v);
            }
            Item::Partial(v) => self.plan.program.node(*v).op.for_each_operand(|x| self.touch_value(x)),
            Item::Finish(v) => self.touch_value(*v),
            Item::Collect(v) => {
                if let Op::Spread(_, of) = self.plan.program.node(*v).op {
                    self.touch_value(of);
                }
                self.touch_value(*v);
                if let Some(view) = &self.plan.collected[v.index()] {
                    self.touch(view.buffer);
                }
            }
            Item::Strip(strip) => {
                self.written_outside(strip);
                let start = self.position;
                let end = start + count(&strip.body) + 1;
                self.scopes.push((start, end));
                self.items(&strip.body);
                self.scopes.pop();
                self.position = end;
            }
            Item::Loop(l) => {
                let Op::Scan(s) = &self.plan.program.node(l.scan).op else { return };
                for c in &l.before {
                    self.touch(c.from.buffer);
                    self.touch(c.to.buffer);
                }
                let touched = stacks(self.plan, l);
                for b in &touched {
                    self.touch(*b);
                }
                for (outer, _) in &s.slices {
                    self.touch_value(*outer);
                }
                for strip in l.head.iter().chain(&l.tail) {
                    self.written_outside(strip);
                }
                let start = self.position;
                let first: &[Item] = l.head.as_ref().map_or(&[], |t| &t.body);
                let last: &[Item] = l.tail.as_ref().map_or(&[], |t| &t.body);
                let end = start + count(first) + count(&l.body) + l.after.len() + count(last) + 1;
                self.loops.insert(l.scan, (start, end));
                self.scopes.push((start, end));
                self.inside.push(l.scan);
                self.items(first);
                self.items(&l.body);
                for c in &l.after {
                    self.position += 1;
                    self.touch(c.from.buffer);
                    self.touch(c.to.buffer);
                }
                self.items(last);
                self.inside.pop();
                self.scopes.pop();
                self.position = end;
            }
        }
    }
}

/// The values that an item writes.
fn written(item: &Item) -> &[ValueId] {
    match item {
        Item::Fused(members) => members,
        Item::Op(v) => std::slice::from_ref(v),
        _ => &[],
    }
}

/// The buffers into which a loop stacks.
fn stacks(plan: &Plan, l: &Loop) -> Vec<usize> {
    let mut found = BTreeSet::new();
    for (i, node) in plan.program.nodes.iter().enumerate() {
        if let Op::Output(scan, _) = &node.op
            && *scan == l.scan
            && let Some(view) = &plan.views[i]
        {
            found.insert(view.buffer);
        }
    }
    let Op::Scan(s) = &plan.program.node(l.scan).op else { return Vec::new() };
    for v in &s.stacked {
        // A value computed in its place.
        if let Some(view) = &plan.views[v.index()]
            && plan.buffers[view.buffer].owner == l.scan
        {
            found.insert(view.buffer);
        }
    }
    for c in &l.after {
        if plan.buffers[c.to.buffer].owner == l.scan {
            found.insert(c.to.buffer);
        }
    }
    found.into_iter().collect()
}

fn count(items: &[Item]) -> usize {
    items
        .iter()
        .map(|item| match item {
            Item::Loop(l) => {
                let beside: usize = l.head.iter().chain(&l.tail).map(|t| count(&t.body)).sum();
                2 + count(&l.body) + l.after.len() + beside
            }
            Item::Strip(s) => 2 + count(&s.body),
            _ => 1,
        })
        .sum()
}
