//! Removes `Detach` and `Mark`: once all derivatives are taken they are the identity.

use super::rebuild::{Rebuild, values};
use crate::graph::{Op, Program};

/// The program with every detached or marked value replaced by the value, so that copies that differed by it alone become one.
pub(super) fn remove_detach(program: Program) -> Program {
    let mut r = Rebuild::new(&program);
    for v in values(&program) {
        if let Op::Detach(of) | Op::Mark(_, of) = program.node(v).op {
            r.set(v, r.get(of));
        } else {
            r.copy(v);
        }
    }
    r.finish()
}
