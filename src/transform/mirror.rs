//! Values of one scan's body made available in the body of another scan over the same axis, and back outside.

use std::collections::HashMap;

use crate::graph::{AxisId, Builder, Op, RegionId, Scan, Type, ValueId};

/// A body under construction that reads the values of a body that exists.
pub(super) struct Frame {
    /// The body that is read.
    pub source: RegionId,
    /// Where its scan can be stacked from: the scan itself, or a copy of it in the body around this one.
    pub scan: ValueId,
    copied: HashMap<ValueId, ValueId>,
    axis: AxisId,
    entries: Vec<(ValueId, ValueId)>,
    /// The body under construction.
    pub region: RegionId,
    carries: usize,
    /// The outer values it slices, with its arguments.
    pub slices: Vec<(ValueId, ValueId)>,
    memo: HashMap<ValueId, ValueId>,
}

/// The bodies under construction, from the outermost to the innermost.
pub(super) struct Mirror {
    frames: Vec<Frame>,
    base: RegionId,
}

impl Mirror {
    /// For derivatives built in the region `base`.
    pub fn new(base: RegionId) -> Self {
        Self { frames: Vec::new(), base }
    }

    /// The region of the values that are read as they are, unless there is a frame.
    pub fn source(&self) -> Option<RegionId> {
        self.frames.last().map(|f| f.source)
    }

    /// Opens a body with this number of carries that mirrors the body of a scan, and returns its region.
    pub fn open(&mut self, b: &mut Builder, id: ValueId, scan: &Scan, carries: usize) -> RegionId {
        let (stacked_from, copied) =
            if self.frames.is_empty() { (id, HashMap::new()) } else { self.copy_scan(b, id, scan) };
        let parent = match self.frames.last() {
            Some(f) => f.region,
            None => deeper(b, self.base, b.program().node(id).region),
        };
        let region = b.region(parent);
        self.frames.push(Frame {
            source: scan.region,
            scan: stacked_from,
            copied,
            axis: scan.axis,
            entries: scan.slices.clone(),
            region,
            carries,
            slices: Vec::new(),
            memo: HashMap::new(),
        });
        region
    }

    /// Closes the innermost body.
    pub fn close(&mut self) -> Frame {
        self.frames.pop().expect("a body is open")
    }

    /// The entry, in the innermost body, of an outer value that varies over its axis.
    pub fn slice(&mut self, b: &mut Builder, outer: ValueId) -> ValueId {
        let level = self.frames.len() - 1;
        self.slice_at(b, level, outer)
    }

    fn slice_at(&mut self, b: &mut Builder, level: usize, outer: ValueId) -> ValueId {
        let frame = &mut self.frames[level];
        if let Some((_, argument)) = frame.slices.iter().find(|(o, _)| *o == outer) {
            return *argument;
        }
        let t = b.ty(outer).clone();
        let ty = Type::new(t.axes.into_iter().filter(|x| *x != frame.axis), t.shape);
        if let Op::Broadcast(inner) = *b.op(outer)
            && !b.ty(inner).varies(frame.axis)
        {
            return b.broadcast(inner, ty);
        }
        let argument = b.argument(frame.region, frame.carries + frame.slices.len(), ty);
        frame.slices.push((outer, argument));
        argument
    }

    /// The value that stands for a value of the program in the bodies under construction.
    pub fn at(&mut self, b: &mut Builder, v: ValueId) -> ValueId {
        let region = b.program().node(v).region;
        match self.frames.iter().rposition(|f| f.source == region) {
            Some(level) => self.fetch(b, level, v),
            None => v,
        }
    }

    fn fetch(&mut self, b: &mut Builder, level: usize, v: ValueId) -> ValueId {
        if let Some(done) = self.frames[level].memo.get(&v) {
            return *done;
        }
        let entry = self.frames[level].entries.iter().find(|(_, a)| *a == v).map(|(outer, _)| *outer);
        let made = if let Some(outer) = entry {
            let outer = self.at(b, outer);
            self.slice_at(b, level, outer)
        } else if is_view(b.op(v)) || b.ty(v).varies(self.frames[level].axis) {
            let op = b.op(v).clone();
            let operands: HashMap<_, _> = op.operands().into_iter().map(|o| (o, self.at(b, o))).collect();
            let given = op.has_free_type().then(|| b.ty(v).clone());
            b.push_typed(op.map_operands(|o| operands[&o]), given)
        } else {
            let frame = &self.frames[level];
            let stacked = b.stack(frame.scan, *frame.copied.get(&v).unwrap_or(&v));
            self.slice_at(b, level, stacked)
        };
        self.frames[level].memo.insert(v, made);
        made
    }

    /// The value over all steps, outside: of a value of the closed frame's source body, or of its own body, whose scan
    /// is `own`. With `renamed`, steps are called by that axis, since the frame's own axis is in use by the value.
    pub fn lift(
        &mut self,
        b: &mut Builder,
        frame: &Frame,
        own: ValueId,
        v: ValueId,
        renamed: Option<AxisId>,
    ) -> ValueId {
        let region = b.program().node(v).region;
        if region != frame.source && region != frame.region {
            return self.at(b, v);
        }
        if is_view(b.op(v)) || b.ty(v).varies(frame.axis) {
            let op = b.op(v).clone();
            let before = b.ty(v).clone();
            let mut axes = before.axes.clone();
            let mut operands: HashMap<ValueId, ValueId> = HashMap::new();
            for o in op.operands() {
                let lifted = self.lift(b, frame, own, o, renamed);
                axes.extend(b.ty(lifted).axes.iter().copied());
                operands.insert(o, lifted);
            }
            let given = op.has_free_type().then(|| Type::new(axes, before.shape));
            return b.push_typed(op.map_operands(|o| operands[&o]), given);
        }
        let outer = if region == frame.source {
            match frame.entries.iter().find(|(_, a)| *a == v) {
                Some((outer, _)) => self.at(b, *outer),
                None => b.stack(frame.scan, *frame.copied.get(&v).unwrap_or(&v)),
            }
        } else {
            match frame.slices.iter().find(|(_, a)| *a == v) {
                Some((outer, _)) => *outer,
                None => b.stack(own, v),
            }
        };
        match renamed {
            Some(to) => b.push(Op::Rename { from: frame.axis, to, of: outer }),
            None => outer,
        }
    }

    /// A scan that stands in the body read by the innermost frame, again in the body under construction: its inner
    /// values are computed anew there instead of being kept for every step of both loops.
    fn copy_scan(&mut self, b: &mut Builder, id: ValueId, scan: &Scan) -> (ValueId, HashMap<ValueId, ValueId>) {
        let around = self.frames.last().expect("a body is open").region;
        let mut regions = HashMap::from([(scan.region, b.region(around))]);
        let mut copied: HashMap<ValueId, ValueId> = HashMap::new();
        for v in (0..=id.0).map(ValueId) {
            let node = b.program().node(v);
            if v != id && !within(b, node.region, scan.region) {
                continue;
            }
            let (op, ty) = (node.op.clone(), node.ty.clone());
            let mut operands: HashMap<ValueId, ValueId> = HashMap::new();
            for o in op.operands() {
                let new = match copied.get(&o) {
                    Some(new) => *new,
                    None => self.at(b, o),
                };
                operands.insert(o, new);
            }
            let given = op.has_free_type().then_some(ty);
            let mut op = op.map_operands(|o| *operands.get(&o).or_else(|| copied.get(&o)).unwrap_or(&o));
            match &mut op {
                Op::Argument(r, _) => *r = body_copy(b, &mut regions, *r),
                Op::Scan(s) => s.region = body_copy(b, &mut regions, s.region),
                _ => {}
            }
            let new = b.push_typed(op, given);
            copied.insert(v, new);
        }
        (copied[&id], copied)
    }
}

fn body_copy(b: &mut Builder, regions: &mut HashMap<RegionId, RegionId>, region: RegionId) -> RegionId {
    if let Some(r) = regions.get(&region) {
        return *r;
    }
    let parent = body_copy(b, regions, b.program().regions[region.index()]);
    let new = b.region(parent);
    regions.insert(region, new);
    new
}

/// The inner one of two regions of which one is around the other.
pub(super) fn deeper(b: &Builder, x: RegionId, y: RegionId) -> RegionId {
    if b.program().depth(y) > b.program().depth(x) { y } else { x }
}

fn within(b: &Builder, mut region: RegionId, outer: RegionId) -> bool {
    loop {
        if region == outer {
            return true;
        }
        if region == RegionId::ROOT {
            return false;
        }
        region = b.program().regions[region.index()];
    }
}

/// Operations that cost nothing, so that their operand is kept rather than their result.
fn is_view(op: &Op) -> bool {
    matches!(op, Op::Broadcast(_) | Op::Reshape(_) | Op::Transpose(..) | Op::Detach(_) | Op::Mark(..))
}
