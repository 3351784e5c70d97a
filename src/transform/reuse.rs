//! What a loop has computed for every step is not computed again outside of it.

use std::collections::{HashMap, HashSet};

use super::names::names_axis;
use super::rebuild::{Rebuild, values};
use crate::graph::{Op, Program, RegionId, Scan, ScanOutput, Type, ValueId};

/// Turns values over the axis of a scan into stacked outputs of it, where its body holds the same operation on the
/// entries of the same operands.
pub(super) fn reuse_scans(program: Program) -> Program {
    let index = index(&program);
    let mut loops: Vec<Loop> = Vec::new();
    let mut found: HashMap<ValueId, (ValueId, ValueId)> = HashMap::new();
    for v in values(&program) {
        if let Op::Scan(scan) = &program.node(v).op {
            loops.push(Loop::new(&program, v, scan));
            continue;
        }
        for l in &mut loops {
            if let Some(inner) = l.entry_of(&program, &index, v) {
                l.entries.insert(v, inner);
                if l.carried.contains(&inner) && !matches!(program.node(v).op, Op::Output(..)) {
                    found.entry(v).or_insert((l.id, inner));
                }
            }
        }
    }
    let mut r = Rebuild::new(&program);
    for v in values(&program) {
        match found.get(&v) {
            Some((scan, inner)) => {
                r.b.span = program.node(v).span;
                let (scan, inner) = (r.get(*scan), r.get(*inner));
                let new = r.b.stack(scan, inner);
                r.set(v, new);
            }
            None => {
                r.copy(v);
            }
        }
    }
    r.finish()
}

/// All values by what they compute.
fn index(program: &Program) -> HashMap<(Op, Option<Type>), ValueId> {
    let mut index = HashMap::new();
    for v in values(program) {
        let node = program.node(v);
        let key = (node.op.clone(), node.op.has_free_type().then(|| node.ty.clone()));
        index.entry(key).or_insert(v);
    }
    index
}

/// A scan, and the values outside whose entries its body holds.
struct Loop {
    id: ValueId,
    scan: Scan,
    region: RegionId,
    /// Values of the body that depend on a carry: what does not is as cheap outside.
    carried: HashSet<ValueId>,
    entries: HashMap<ValueId, ValueId>,
}

impl Loop {
    fn new(program: &Program, id: ValueId, scan: &Scan) -> Self {
        let mut carried: HashSet<ValueId> = scan.carries.iter().map(|c| c.argument).collect();
        for v in (0..id.0).map(ValueId) {
            let node = program.node(v);
            let mut any = matches!(node.op, Op::Output(..));
            node.op.for_each_operand(|o| any |= carried.contains(&o));
            if node.region == scan.region && any {
                carried.insert(v);
            }
        }
        let entries = scan.slices.iter().copied().collect();
        Self { id, scan: scan.clone(), region: program.node(id).region, carried, entries }
    }

    /// The value of the body that is, at every step, the entry of an outer value.
    fn entry_of(&self, program: &Program, index: &HashMap<(Op, Option<Type>), ValueId>, v: ValueId) -> Option<ValueId> {
        let node = program.node(v);
        let axis = self.scan.axis;
        if node.region != self.region || !node.ty.varies(axis) || names_axis(&node.op, axis) {
            return None;
        }
        if let Op::Output(scan, which) = node.op {
            return match which {
                ScanOutput::Stacked(i) if scan == self.id => Some(self.scan.stacked[i]),
                _ => None,
            };
        }
        let mut fits = true;
        let mut inside = false;
        node.op.for_each_operand(|o| {
            inside |= self.entries.contains_key(&o);
            fits &= self.entries.contains_key(&o) || !program.node(o).ty.varies(axis);
        });
        if !fits {
            return None;
        }
        let ty = Type::new(node.ty.axes.iter().copied().filter(|a| *a != axis), node.ty.shape.clone());
        if let Op::Broadcast(of) = node.op {
            let entry = self.entries.get(&of).copied().unwrap_or(of);
            if program.node(entry).ty == ty {
                return Some(entry);
            }
        }
        if !inside {
            return None;
        }
        let op = node.op.map_operands(|o| self.entries.get(&o).copied().unwrap_or(o));
        let given = op.has_free_type().then_some(ty);
        index.get(&(op, given)).copied().filter(|w| *w < self.id)
    }
}
