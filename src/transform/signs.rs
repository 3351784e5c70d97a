//! Signs leave loops.
//!
//! The reverse of a rollout stacks cotangents with a minus for the sake of sums that are taken outside. A sum of products
//! takes a minus in for one number of its result, a loop for every entry of every step.

use std::collections::{BTreeSet, HashMap};

use super::rebuild::{Rebuild, values};
use crate::graph::{Op, Program, Reduction, ScanOutput, Unary, ValueId};

/// The program in which loops stack −x as x if only sums read it outside.
pub(super) fn free_signs(program: Program) -> Program {
    let chosen = chosen(&program);
    if chosen.is_empty() {
        return program;
    }
    let mut r = Rebuild::new(&program);
    for v in values(&program) {
        match &program.node(v).op {
            Op::Scan(scan) => {
                let mut scan = scan.clone();
                for (k, x) in scan.stacked.iter_mut().enumerate() {
                    if let (true, Op::Unary(Unary::Negate, of)) = (chosen.contains(&(v, k)), &program.node(*x).op) {
                        *x = *of;
                    }
                }
                let op = r.mapped(&Op::Scan(scan));
                let new = r.push(v, op);
                r.set(v, new);
            }
            Op::Output(scan, ScanOutput::Stacked(k)) if chosen.contains(&(*scan, *k)) => {
                let stacked = r.copy(v);
                let minus = r.push(v, Op::Unary(Unary::Negate, stacked));
                r.set(v, minus);
            }
            _ => {
                r.copy(v);
            }
        }
    }
    r.finish()
}

/// The stacked values, by scan and number, that are a minus which sums alone read outside.
fn chosen(program: &Program) -> BTreeSet<(ValueId, usize)> {
    let mut sums: HashMap<ValueId, bool> = HashMap::new();
    for node in &program.nodes {
        let sum = match &node.op {
            Op::Contract(spec, ..) => !spec.axes.is_empty(),
            Op::Reduce(Reduction::Sum, axes, ..) => !axes.is_empty(),
            _ => false,
        };
        node.op.for_each_operand(|x| {
            let all = sums.entry(x).or_insert(true);
            *all &= sum;
        });
    }
    sums.extend(program.outputs.iter().map(|(_, v)| (*v, false)));
    let minus = |x: ValueId| match &program.node(x).op {
        Op::Unary(Unary::Negate, of) => program.node(*of).region == program.node(x).region,
        _ => false,
    };
    let mut found: HashMap<(ValueId, usize), bool> = HashMap::new();
    for v in values(program) {
        if let Op::Output(scan, ScanOutput::Stacked(k)) = &program.node(v).op
            && let Op::Scan(s) = &program.node(*scan).op
            && minus(s.stacked[*k])
        {
            let all = found.entry((*scan, *k)).or_insert(true);
            *all &= sums.get(&v).copied().unwrap_or(false);
        }
    }
    found.into_iter().filter(|(_, all)| *all).map(|(at, _)| at).collect()
}
