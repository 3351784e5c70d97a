//! Which operations may share a pass over lanes.

use crate::graph::Op;

/// Whether each entry of the result needs only the same entry of the operands.
pub fn is_elementwise(op: &Op) -> bool {
    matches!(op, Op::Unary(..) | Op::Binary(..) | Op::Select(..))
}
