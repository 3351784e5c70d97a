//! Which values a derivative passes through.

use std::collections::HashMap;

use crate::graph::{Binary, Op, Program, ScanOutput, Unary, ValueId};

/// One flag per value: it depends differentiably on a value of `inputs` and a value of `outputs` depends on it.
///
/// Inputs are independent: nothing passes through an input to another one.
pub(super) fn active(program: &Program, inputs: &[ValueId], outputs: &[ValueId]) -> Vec<bool> {
    let end = outputs.iter().map(|v| v.index() + 1).max().unwrap_or(0);
    let owner = owners(program, end);
    let mut is_input = vec![false; end];
    for v in inputs.iter().filter(|v| v.index() < end) {
        is_input[v.index()] = true;
    }
    let mut depends = is_input.clone();
    // Arguments of bodies come before what feeds them, so one sweep per nesting level is not enough: until nothing changes.
    loop {
        let mut changed = false;
        for i in 0..end {
            if depends[i] {
                continue;
            }
            let mut any = false;
            each_source(program, ValueId(i as u32), &owner, |o| any |= depends[o.index()]);
            depends[i] = any;
            changed |= any;
        }
        if !changed {
            break;
        }
    }
    let mut reached = vec![false; end];
    for v in outputs {
        reached[v.index()] = depends[v.index()];
    }
    loop {
        let mut changed = false;
        for i in (0..end).rev() {
            if !reached[i] || is_input[i] {
                continue;
            }
            each_source(program, ValueId(i as u32), &owner, |o| {
                changed |= depends[o.index()] && !reached[o.index()];
                reached[o.index()] |= depends[o.index()];
            });
        }
        if !changed {
            break;
        }
    }
    reached
}

/// What a body's argument holds: the carry or the slice with this number of a scan.
#[derive(Clone, Copy)]
enum Role {
    Carry(usize),
    Slice(usize),
}

fn owners(program: &Program, end: usize) -> HashMap<ValueId, (ValueId, Role)> {
    let mut owner = HashMap::new();
    for (i, node) in program.nodes[..end].iter().enumerate() {
        if let Op::Scan(scan) = &node.op {
            let id = ValueId(i as u32);
            for (k, c) in scan.carries.iter().enumerate() {
                owner.insert(c.argument, (id, Role::Carry(k)));
            }
            for (k, s) in scan.slices.iter().enumerate() {
                owner.insert(s.1, (id, Role::Slice(k)));
            }
        }
    }
    owner
}

/// Calls `f` on every value from which derivatives flow into `v`.
fn each_source(program: &Program, v: ValueId, owner: &HashMap<ValueId, (ValueId, Role)>, mut f: impl FnMut(ValueId)) {
    let op = &program.node(v).op;
    match op {
        Op::Argument(..) => {
            if let Some((scan, role)) = owner.get(&v)
                && let Op::Scan(scan) = &program.node(*scan).op
            {
                match role {
                    Role::Carry(i) => {
                        f(scan.carries[*i].init);
                        f(scan.carries[*i].next);
                    }
                    Role::Slice(i) => f(scan.slices[*i].0),
                }
            }
        }
        Op::Output(scan, which) => {
            if let Op::Scan(scan) = &program.node(*scan).op {
                match which {
                    ScanOutput::Final(i) => f(scan.carries[*i].next),
                    ScanOutput::Stacked(i) => f(scan.stacked[*i]),
                }
            }
        }
        Op::Scan(_) => {}
        _ => {
            for (slot, o) in op.operands().into_iter().enumerate() {
                if differentiable(op, slot) {
                    f(o);
                }
            }
        }
    }
}

/// Whether the operation has a derivative in the operand with this number that is not zero everywhere.
pub(super) fn differentiable(op: &Op, slot: usize) -> bool {
    match op {
        Op::Detach(_) | Op::Unary(Unary::Sign | Unary::Heaviside | Unary::Floor | Unary::Power(0), _) => false,
        Op::Binary(Binary::Less | Binary::LessEqual | Binary::Equal, ..) => false,
        Op::Select(..) => slot > 0,
        _ => true,
    }
}
