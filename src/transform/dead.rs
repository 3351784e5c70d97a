//! Leaves out what no output needs.

use std::collections::HashMap;

use super::rebuild::{Rebuild, values};
use crate::graph::{Carry, Op, Program, Scan, ScanOutput, ValueId};

/// The program without values that no output needs; scans keep only the carries, slices and stacked values in use.
pub(super) fn remove_dead(program: Program) -> Program {
    let live = Live::of(&program);
    let mut r = Rebuild::new(&program);
    for v in values(&program) {
        if !live.values[v.index()] {
            continue;
        }
        match &program.node(v).op {
            Op::Argument(region, _) => {
                let number = live.numbers.get(&v).copied().expect("a live argument belongs to a scan");
                let new = r.push(v, Op::Argument(*region, number));
                r.set(v, new);
            }
            Op::Scan(scan) => {
                let kept = live.kept(scan, v);
                let op = r.mapped(&Op::Scan(kept));
                let new = r.push(v, op);
                r.set(v, new);
            }
            Op::Output(scan, which) => {
                let new = r.push(v, Op::Output(r.get(*scan), live.renumbered(*scan, *which)));
                r.set(v, new);
            }
            _ => {
                r.copy(v);
            }
        }
    }
    r.finish()
}

/// What the outputs need.
struct Live {
    values: Vec<bool>,
    /// The stacked values in use of every scan, by their old number.
    stacked: HashMap<ValueId, Vec<usize>>,
    carries: HashMap<ValueId, Vec<usize>>,
    /// The new numbers of arguments.
    numbers: HashMap<ValueId, usize>,
}

impl Live {
    fn of(program: &Program) -> Self {
        let mut owner: HashMap<ValueId, (ValueId, usize)> = HashMap::new();
        for v in values(program) {
            if let Op::Scan(scan) = &program.node(v).op {
                let arguments = scan.carries.iter().map(|c| c.argument).chain(scan.slices.iter().map(|s| s.1));
                owner.extend(arguments.enumerate().map(|(i, a)| (a, (v, i))));
            }
        }
        let mut live = Self {
            values: vec![false; program.nodes.len()],
            stacked: HashMap::new(),
            carries: HashMap::new(),
            numbers: HashMap::new(),
        };
        let mut open: Vec<ValueId> = program.outputs.iter().map(|o| o.1).collect();
        let as_scan = |v: ValueId| match &program.node(v).op {
            Op::Scan(scan) => scan,
            other => unreachable!("outputs are taken of scans, not of {other:?}"),
        };
        while let Some(v) = open.pop() {
            if std::mem::replace(&mut live.values[v.index()], true) {
                continue;
            }
            match &program.node(v).op {
                Op::Argument(..) => {
                    if let Some((id, number)) = owner.get(&v) {
                        let scan = as_scan(*id);
                        if let Some(c) = scan.carries.get(*number) {
                            live.carries.entry(*id).or_default().push(*number);
                            open.extend([c.init, c.next]);
                        } else {
                            open.push(scan.slices[*number - scan.carries.len()].0);
                        }
                    }
                }
                Op::Output(id, ScanOutput::Final(i)) => open.extend([*id, as_scan(*id).carries[*i].argument]),
                Op::Output(id, ScanOutput::Stacked(i)) => {
                    live.stacked.entry(*id).or_default().push(*i);
                    open.extend([*id, as_scan(*id).stacked[*i]]);
                }
                // What a scan computes is needed output by output.
                Op::Scan(_) => {}
                op => op.for_each_operand(|o| open.push(o)),
            }
        }
        for list in live.stacked.values_mut().chain(live.carries.values_mut()) {
            list.sort_unstable();
            list.dedup();
        }
        for v in values(program) {
            if let (true, Op::Scan(scan)) = (live.values[v.index()], &program.node(v).op) {
                let kept = live.kept(scan, v);
                let arguments = kept.carries.iter().map(|c| c.argument).chain(kept.slices.iter().map(|s| s.1));
                live.numbers.extend(arguments.enumerate().map(|(i, a)| (a, i)));
            }
        }
        live
    }

    /// The scan with what is in use.
    fn kept(&self, scan: &Scan, id: ValueId) -> Scan {
        let of = |list: &HashMap<ValueId, Vec<usize>>| list.get(&id).cloned().unwrap_or_default();
        let carries: Vec<Carry> = of(&self.carries).into_iter().map(|i| scan.carries[i].clone()).collect();
        Scan {
            carries,
            slices: scan.slices.iter().filter(|s| self.values[s.1.index()]).copied().collect(),
            stacked: of(&self.stacked).into_iter().map(|i| scan.stacked[i]).collect(),
            ..*scan
        }
    }

    fn renumbered(&self, scan: ValueId, which: ScanOutput) -> ScanOutput {
        let place = |list: &HashMap<ValueId, Vec<usize>>, i: usize| {
            list.get(&scan).and_then(|l| l.iter().position(|j| *j == i)).expect("outputs in use are kept")
        };
        match which {
            ScanOutput::Final(i) => ScanOutput::Final(place(&self.carries, i)),
            ScanOutput::Stacked(i) => ScanOutput::Stacked(place(&self.stacked, i)),
        }
    }
}
