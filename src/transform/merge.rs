//! Plainer scans, and one scan for two that compute the same.

use std::collections::HashMap;

use super::rebuild::{Rebuild, values};
use crate::graph::{Builder, Op, Program, RegionId, Scan, ScanOutput, ValueId};

/// Merges scans whose bodies are equal up to the names of their arguments, and reads outer values directly where a
/// slice or a stacked value only repeats them.
pub(super) fn merge_scans(program: Program) -> Program {
    let owner = slice_owners(&program);
    let mut r = Rebuild::new(&program);
    // Old scans that stand for a new one, with the values of their bodies in the body of that one.
    let mut twins: HashMap<ValueId, (ValueId, HashMap<ValueId, ValueId>)> = HashMap::new();
    let mut scans: Vec<ValueId> = Vec::new();
    for v in values(&program) {
        match &program.node(v).op {
            Op::Argument(..) => match owner.get(&v).and_then(|outer| repeated(&r, *outer, &program, v)) {
                Some(same) => r.set(v, same),
                None => {
                    r.copy(v);
                }
            },
            Op::Scan(scan) => {
                let Op::Scan(new) = r.mapped(&Op::Scan(plain(&r, scan))) else { unreachable!("a scan stays one") };
                let body = members(r.b.program(), new.region);
                let twin = scans.iter().rev().find_map(|s| twin_body(&r.b, &new, &body, *s).map(|m| (*s, m)));
                if let Some((s, map)) = twin {
                    r.set(v, s);
                    twins.insert(v, (s, map));
                } else {
                    let s = r.push(v, Op::Scan(new));
                    r.set(v, s);
                    scans.push(s);
                }
            }
            Op::Output(id, which) => {
                let Op::Scan(old) = &program.node(*id).op else { unreachable!("outputs are taken of scans") };
                let scan = r.get(*id);
                r.b.span = program.node(v).span;
                let map = twins.get(id).map(|t| &t.1);
                let inside = |v: ValueId| {
                    let v = r.get(v);
                    map.and_then(|m| m.get(&v)).copied().unwrap_or(v)
                };
                let new = match which {
                    ScanOutput::Final(i) => {
                        let argument = inside(old.carries[*i].argument);
                        let Op::Scan(s) = r.b.op(scan) else { unreachable!("a scan stays one") };
                        let place = s.carries.iter().position(|c| c.argument == argument).expect("a carry is kept");
                        r.b.output(scan, ScanOutput::Final(place))
                    }
                    ScanOutput::Stacked(i) => {
                        let w = inside(old.stacked[*i]);
                        stacked(&mut r, scan, w)
                    }
                };
                r.set(v, new);
            }
            _ => {
                r.copy(v);
            }
        }
    }
    r.finish()
}

/// The outer value of every argument that is a slice.
fn slice_owners(program: &Program) -> HashMap<ValueId, ValueId> {
    let mut owner = HashMap::new();
    for node in &program.nodes {
        if let Op::Scan(scan) = &node.op {
            owner.extend(scan.slices.iter().map(|(outer, argument)| (*argument, *outer)));
        }
    }
    owner
}

/// What a slice of a repeated value is, if that is known already.
fn repeated(r: &Rebuild<'_>, outer: ValueId, program: &Program, argument: ValueId) -> Option<ValueId> {
    let new = r.find(outer)?;
    match r.b.op(new) {
        Op::Broadcast(of) if *r.b.ty(*of) == program.node(argument).ty => Some(*of),
        _ => None,
    }
}

/// The scan without slices that are read directly.
fn plain(r: &Rebuild<'_>, scan: &Scan) -> Scan {
    let mut plain = scan.clone();
    plain.slices.retain(|(_, a)| matches!(r.b.op(r.get(*a)), Op::Argument(region, _) if *region == scan.region));
    plain.stacked.clear();
    plain
}

/// A stacked output: the outer value itself where it only repeats or slices one.
fn stacked(r: &mut Rebuild<'_>, scan: ValueId, w: ValueId) -> ValueId {
    let Op::Scan(s) = r.b.op(scan).clone() else { unreachable!("outputs are taken of scans") };
    if let Some((outer, _)) = s.slices.iter().find(|(_, a)| *a == w) {
        return *outer;
    }
    if r.b.program().node(w).region != s.region && r.b.program().node(w).region == r.b.program().node(scan).region {
        return r.b.spread(w, &[s.axis]);
    }
    r.b.stack(scan, w)
}

/// The values of a region, in order.
fn members(program: &Program, region: RegionId) -> Vec<ValueId> {
    values(program).filter(|v| program.node(*v).region == region).collect()
}

/// For every value of the new scan's body, the equal value in the body of a scan that exists; nothing if one lacks.
fn twin_body(b: &Builder, new: &Scan, body: &[ValueId], twin: ValueId) -> Option<HashMap<ValueId, ValueId>> {
    let program = b.program();
    let Op::Scan(old) = &program.node(twin).op else { return None };
    let outside = |s: &Scan| program.regions[s.region.index()];
    if (old.axis, old.reverse) != (new.axis, new.reverse) || outside(old) != outside(new) {
        return None;
    }
    let mut map = HashMap::new();
    for (i, c) in new.carries.iter().enumerate() {
        let same = |i: &usize| old.carries.get(*i).is_some_and(|d| d.init == c.init);
        let place = Some(i).filter(same).or_else(|| (0..old.carries.len()).find(same))?;
        map.insert(c.argument, old.carries[place].argument);
    }
    for (outer, argument) in &new.slices {
        let (_, same) = old.slices.iter().find(|(o, _)| o == outer)?;
        map.insert(*argument, *same);
    }
    for v in body {
        if map.contains_key(v) {
            continue;
        }
        let node = program.node(*v);
        let op = node.op.map_operands(|o| map.get(&o).copied().unwrap_or(o));
        let given = op.has_free_type().then(|| node.ty.clone());
        let same = b.find(op, given).filter(|same| *same < twin)?;
        map.insert(*v, same);
    }
    let inside = |v: ValueId| map.get(&v).copied().unwrap_or(v);
    let closed = new.carries.iter().all(|c| {
        let argument = inside(c.argument);
        old.carries.iter().any(|d| d.argument == argument && d.next == inside(c.next))
    });
    closed.then_some(map)
}
