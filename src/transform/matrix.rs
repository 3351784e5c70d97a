//! Derivatives of matrix functions that both modes share.

use crate::graph::{Builder, Op, ValueId};

/// The derivative of the exponential at `a` in the direction `e`: the upper right block of exp [[a, e], [0, a]].
///
/// Source: Van Loan, Computing integrals involving the matrix exponential, 1978.
pub(super) fn expm_derivative(b: &mut Builder, a: ValueId, e: ValueId) -> ValueId {
    let n = b.ty(a).shape[0];
    let top = b.push(Op::Concat(1, vec![a, e]));
    let bottom = b.push(Op::Pad { dim: 1, before: n, after: 0, of: a });
    let block = b.push(Op::Concat(0, vec![top, bottom]));
    let whole = b.push(Op::Expm(block));
    let rows = b.push(Op::Slice { dim: 0, start: 0, length: n, of: whole });
    b.push(Op::Slice { dim: 1, start: n, length: n, of: rows })
}
