//! Counts the operations of a program: the floor under its time.

use crate::graph::{AxisId, Op, Pairing, Program, RegionId, ValueId};

/// Operations of one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Additions and multiplications of contractions.
    pub products: u128,
    /// Entries computed by all other operations.
    pub elementwise: u128,
    /// Random numbers.
    pub draws: u128,
}

/// The operations of one run of a program in normal form.
pub(super) fn cost(program: &Program) -> Cost {
    // The steps of the loop of each region.
    let mut steps = vec![1_u128; program.regions.len()];
    for node in &program.nodes {
        if let Op::Scan(s) = &node.op {
            steps[s.region.index()] = program.axis(s.axis).size as u128;
        }
    }
    let around = |mut region: RegionId| {
        let mut product = 1_u128;
        while region != RegionId::ROOT {
            product = product.saturating_mul(steps[region.index()]);
            region = program.regions[region.index()];
        }
        product
    };
    let size = |v: ValueId| extent(program, &program.node(v).ty.axes, program.node(v).ty.elements());
    let mut cost = Cost::default();
    for (i, node) in program.nodes.iter().enumerate() {
        let v = ValueId(i as u32);
        let times = around(node.region);
        match &node.op {
            Op::Contract(spec, a, b) => {
                let ta = &program.node(*a).ty;
                let labels = spec.a.iter().zip(&ta.shape).filter(|(l, _)| spec.b.contains(l) && !spec.out.contains(l));
                let summed = extent(program, &spec.axes, labels.map(|(_, n)| n).product());
                let whole = (2 * times * summed).saturating_mul(size(v));
                let pairing = spread(program, *a).or_else(|| spread(program, *b)).or_else(|| picked(program, v));
                let products = pairing.map_or(whole, |p| whole / extent(program, &p.axes, 1) * p.count() as u128);
                cost.products = cost.products.saturating_add(products);
            }
            Op::Draw(_) => cost.draws += times * size(v),
            Op::Unary(..) | Op::Binary(..) | Op::Select(..) => cost.elementwise += times * size(v),
            Op::Reduce(_, _, _, a) => cost.elementwise += times * size(*a),
            Op::CumulativeSum { .. }
            | Op::Concat(..)
            | Op::Pad { .. }
            | Op::Gather { .. }
            | Op::ScatterAdd { .. }
            | Op::Shift { .. }
            | Op::Pick(..)
            | Op::Spread(..)
            | Op::Place { .. } => cost.elementwise += times * size(v),
            Op::Solve(a, _) | Op::Inverse(a) | Op::Expm(a) => {
                let n = program.node(*a).ty.shape[0] as u128;
                cost.products += 2 * times * size(*a) * n;
            }
            Op::Number(_)
            | Op::Table(_)
            | Op::Iota(_)
            | Op::Eye(_)
            | Op::Parameter(_)
            | Op::State(_)
            | Op::Step
            | Op::Argument(..)
            | Op::Broadcast(_)
            | Op::Reshape(_)
            | Op::Transpose(..)
            | Op::Slice { .. }
            | Op::Rename { .. }
            | Op::At { .. }
            | Op::Scan(_)
            | Op::Output(..)
            | Op::Mark(..)
            | Op::Detach(_) => {}
        }
    }
    cost
}

/// The pairs from which a value was spread: it is zero elsewhere.
fn spread(program: &Program, v: ValueId) -> Option<&Pairing> {
    if let Op::Spread(pairing, _) = &program.node(v).op { Some(pairing) } else { None }
}

/// The pairs that all readers of a value pick.
pub fn picked(program: &Program, v: ValueId) -> Option<&Pairing> {
    if program.outputs.iter().any(|(_, x)| *x == v) {
        return None;
    }
    let mut found: Option<&Pairing> = None;
    for node in &program.nodes {
        let mut reads = false;
        node.op.for_each_operand(|x| reads |= x == v);
        match &node.op {
            _ if !reads => {}
            Op::Pick(pairing, _) if found.is_none_or(|other| other == pairing) => found = Some(pairing),
            _ => return None,
        }
    }
    found
}

fn extent(program: &Program, axes: &[AxisId], elements: usize) -> u128 {
    axes.iter().fold(elements as u128, |p, a| p.saturating_mul(program.axis(*a).size as u128))
}
