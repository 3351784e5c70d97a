//! Which values are kept in half precision, where that is asked for.
//!
//! What the functions of one number in a net give, along whole paths: the backward pass reads it again, and most of the memory
//! of a training step goes there. States, cotangents and sums stay in single precision: small cotangents would vanish.

use std::collections::BTreeSet;

use crate::graph::{Op, Unary, ValueId};
use crate::plan::{Plan, is_computed_in_place};

/// The buffers that hold activations along whole paths, and nothing else.
pub(super) fn buffers(plan: &Plan) -> BTreeSet<usize> {
    let program = &plan.program;
    let mut found = BTreeSet::new();
    let mut others = BTreeSet::new();
    let mut note = |v: ValueId, whole: bool| {
        let Some(view) = &plan.views[v.index()] else { return };
        let fits = whole && plan.varies(v) && is_activation(plan, v) && !program.node(v).ty.shape.is_empty();
        if fits {
            found.insert(view.buffer)
        } else {
            others.insert(view.buffer)
        };
    };
    for (i, node) in program.nodes.iter().enumerate() {
        let v = ValueId(i as u32);
        match &node.op {
            op if is_computed_in_place(op) => {
                let stacked = plan.views[i].as_ref().is_some_and(|view| !view.loops.is_empty());
                note(v, stacked || node.ty.axes.len() > 1);
            }
            // Names for what others hold.
            _ => {}
        }
    }
    // What a run hands out, and what a loop copies, stays as it is.
    let handed = program.outputs.iter().filter_map(|(_, v)| plan.views[v.index()].as_ref());
    others.extend(handed.map(|view| view.buffer));
    let carried = program.nodes.iter().filter_map(|node| if let Op::Scan(s) = &node.op { Some(s) } else { None });
    for scan in carried {
        let ends = scan.carries.iter().flat_map(|c| [c.init, c.argument, c.next]);
        others.extend(ends.filter_map(|v| Some(plan.views[v.index()].as_ref()?.buffer)));
    }
    &found - &others
}

/// Whether a value is what a net's function of one number gives.
fn is_activation(plan: &Plan, v: ValueId) -> bool {
    use Unary::{Cos, Erf, Relu, Sigmoid, Sin, Softplus, Tanh};
    matches!(plan.program.node(v).op, Op::Unary(Relu | Tanh | Sigmoid | Softplus | Sin | Cos | Erf, _))
}
