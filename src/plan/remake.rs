//! Slopes of layers that are read several times are made anew for every reader.
//!
//! A slope is 0 or 1 and follows from its layer, which is kept anyway where a later phase reads both. Kept beside it, it would take
//! as much memory again; made where it is read, it is a gate that the product in front of it takes in.

use super::Normal;
use super::phase::{Phases, Role};
use crate::graph::{Node, Op, RegionId, Unary, ValueId};

/// The program with a slope for every reader, or nothing if that changes nothing.
pub(super) fn remake(normal: &Normal, phases: &Phases) -> Option<Normal> {
    let program = &normal.program;
    let mut users = vec![Vec::new(); program.nodes.len()];
    for (i, node) in program.nodes.iter().enumerate() {
        node.op.for_each_operand(|x| users[x.index()].push(i));
    }
    let apart = |i: usize| {
        let node = &program.nodes[i];
        let Op::Unary(Unary::Heaviside, of) = node.op else { return false };
        let slope = node.region == RegionId::ROOT
            && phases.role[i] == Role::Lane
            && program.node(of).ty == node.ty
            && program.outputs.iter().all(|(_, v)| v.index() != i);
        let readers: Option<Vec<usize>> = users[i].iter().map(|u| phases.read_in(program, *u)).collect();
        let Some(last) = readers.filter(|r| slope && r.len() > 1).and_then(|r| r.into_iter().max()) else {
            return false;
        };
        let kept =
            || users[of.index()].iter().any(|u| *u != i && phases.read_in(program, *u).is_some_and(|p| p >= last));
        last == phases.phase[i] || kept()
    };
    let chosen: Vec<bool> = (0..program.nodes.len()).map(apart).collect();
    if !chosen.contains(&true) {
        return None;
    }
    let mut out = Normal { program: program.clone(), origin: Vec::new() };
    out.program.nodes.clear();
    let mut places: Vec<ValueId> = Vec::new();
    // How many readers of a slope have got theirs.
    let mut given = vec![0; program.nodes.len()];
    for (i, node) in program.nodes.iter().enumerate() {
        let mut next = |x: ValueId| {
            let first = places.get(x.index()).map_or(0, |v| v.0);
            if !chosen[x.index()] {
                return ValueId(first);
            }
            given[x.index()] += 1;
            ValueId(first + given[x.index()] - 1)
        };
        let first = ValueId(out.program.nodes.len() as u32);
        let mut push = |op: Op| {
            out.program.nodes.push(Node { op, ..node.clone() });
            out.origin.push(normal.origin[i]);
        };
        push(node.op.map_operands(&mut next));
        (1..if chosen[i] { users[i].len() } else { 1 }).for_each(|_| push(node.op.map_operands(&mut next)));
        places.push(first);
    }
    for (_, v) in &mut out.program.outputs {
        *v = places[v.index()];
    }
    Some(out)
}
