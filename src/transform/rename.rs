//! Axes of one size have one clock, so that what is computed along one of them is not computed again along another.

use std::collections::HashMap;

use super::rebuild::{Rebuild, values};
use crate::graph::{AxisId, AxisKind, Op, Program, ValueId};

/// Writes indices and tables along an axis as those along the first axis of the same kind and size, renamed. The builder
/// moves renaming outwards, and equal functions of them become one value.
pub(super) fn unite_axes(program: Program) -> Program {
    let mut first: HashMap<(usize, bool), AxisId> = HashMap::new();
    let mut r = Rebuild::new(&program);
    for v in values(&program) {
        let node = program.node(v);
        let [axis] = node.ty.axes[..] else {
            r.copy(v);
            continue;
        };
        let a = program.axis(axis);
        if a.kind == AxisKind::Sample || !matches!(node.op, Op::Iota(_) | Op::Table(_)) {
            r.copy(v);
            continue;
        }
        let leader = *first.entry((a.size, a.kind == AxisKind::Time)).or_insert(axis);
        let new = renamed(&mut r, v, leader, axis);
        r.set(v, new);
    }
    r.finish()
}

fn renamed(r: &mut Rebuild<'_>, v: ValueId, leader: AxisId, axis: AxisId) -> ValueId {
    if leader == axis {
        return r.copy(v);
    }
    let node = r.old.node(v);
    r.b.span = node.span;
    let of = match &node.op {
        Op::Iota(_) => r.b.push(Op::Iota(leader)),
        op => {
            let mut ty = node.ty.clone();
            ty.axes = vec![leader];
            r.b.push_typed(op.clone(), Some(ty))
        }
    };
    r.b.push(Op::Rename { from: leader, to: axis, of })
}
