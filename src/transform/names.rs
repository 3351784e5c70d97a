//! Which axes an operation means by name.

use crate::graph::{AxisId, Op};

/// Whether the operation does more than act on each index of this axis alone.
pub(super) fn names_axis(op: &Op, axis: AxisId) -> bool {
    match op {
        Op::Contract(spec, ..) => spec.axes.contains(&axis),
        Op::Reduce(_, axes, ..) => axes.contains(&axis),
        Op::CumulativeSum { axis: a, .. }
        | Op::At { axis: a, .. }
        | Op::Place { axis: a, .. }
        | Op::Shift { axis: a, .. } => *a == axis,
        Op::Pick(p, _) | Op::Spread(p, _) => p.axes.contains(&axis) || p.pairs == axis,
        Op::Rename { from, to, .. } => *from == axis || *to == axis,
        _ => false,
    }
}
