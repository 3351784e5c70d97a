//! Removes the identities that only derivatives can tell from their operand.

use super::rebuild::{Rebuild, values};
use crate::graph::{Op, Program};

/// The program with every marked value replaced by the value. What is marked is a variable of its own only for the
/// derivatives taken in it; once these are built, all uses of a value are one again.
pub(super) fn remove_marks(program: Program) -> Program {
    remove(&program, |op| matches!(op, Op::Mark(..)))
}

/// The program with every detached or marked value replaced by the value, so that copies that differed by it alone
/// become one.
pub(super) fn remove_detach(program: Program) -> Program {
    remove(&program, |op| matches!(op, Op::Mark(..) | Op::Detach(_)))
}

fn remove(program: &Program, which: impl Fn(&Op) -> bool) -> Program {
    let mut r = Rebuild::new(program);
    for v in values(program) {
        match &program.node(v).op {
            op @ (Op::Detach(of) | Op::Mark(_, of)) if which(op) => r.set(v, r.get(*of)),
            _ => {
                r.copy(v);
            }
        }
    }
    r.finish()
}
