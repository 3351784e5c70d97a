//! Element-wise values that a product takes in before it is stored.
//!
//! A layer of a net is a product, a bias and a function of one number. The entries of the product are in registers when
//! they are complete; what follows them entry by entry costs next to nothing there, and a pass over memory later.

use super::schedule::constant;
use super::{Item, Plan};
use crate::graph::{Binary, Node, Op, Program, Unary, ValueId};

/// What becomes of an entry s; operands vary like the product, or not over samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Then<X> {
    /// s + x
    Add(X),
    /// s − x
    Subtract(X),
    /// x − s
    SubtractFrom(X),
    /// s·x
    Multiply(X),
    /// s where x > 0, else s·0
    Gate(X),
    /// k·s + c
    Affine(f64, f64),
    /// max(s, 0); NaN stays NaN
    Relu,
}

impl<X> Then<X> {
    /// The operand.
    pub fn operand(&self) -> Option<&X> {
        match self {
            Self::Add(x) | Self::Subtract(x) | Self::SubtractFrom(x) | Self::Multiply(x) | Self::Gate(x) => Some(x),
            Self::Affine(..) | Self::Relu => None,
        }
    }

    /// The same with another operand.
    pub fn map<'a, Y>(&'a self, f: impl FnOnce(&'a X) -> Y) -> Then<Y> {
        match self {
            Self::Add(x) => Then::Add(f(x)),
            Self::Subtract(x) => Then::Subtract(f(x)),
            Self::SubtractFrom(x) => Then::SubtractFrom(f(x)),
            Self::Multiply(x) => Then::Multiply(f(x)),
            Self::Gate(x) => Then::Gate(f(x)),
            Self::Affine(k, c) => Then::Affine(*k, *c),
            Self::Relu => Then::Relu,
        }
    }
}

/// The longest chain.
pub const LONGEST: usize = 8;

/// A chain behind a product.
#[derive(Clone, Debug, PartialEq)]
pub struct Tail {
    /// The product, which nobody else reads.
    pub product: ValueId,
    /// What is done to its entries, in order.
    pub steps: Vec<Then<ValueId>>,
    /// The only value of the chain that others read.
    pub stored: ValueId,
}

/// The chain that two neighbouring items form, if the first is a product and the second a group that does nothing but
/// carry it on.
pub fn tail(plan: &Plan, first: &Item, second: &Item) -> Option<Tail> {
    let (Item::Op(product), Item::Fused(members)) = (first, second) else { return None };
    let program = &plan.program;
    let node = program.node(*product);
    if !matches!(node.op, Op::Contract(..)) || node.ty != program.node(members[0]).ty || !plan.varies(*product) {
        return None;
    }
    let mut s = *product;
    let mut steps = Vec::new();
    let mut gates: Vec<(ValueId, ValueId)> = Vec::new();
    for m in members {
        let outside = |x: ValueId| x != *product && !members.contains(&x);
        let step = match program.node(*m).op {
            Op::Unary(Unary::Heaviside, x) if outside(x) => {
                gates.push((*m, x));
                continue;
            }
            Op::Unary(Unary::Relu, x) if x == s => Then::Relu,
            Op::Unary(Unary::Negate, x) if x == s => Then::Affine(-1.0, 0.0),
            Op::Binary(f, x, y) if (x == s) != (y == s) => {
                let other = if x == s { y } else { x };
                match (f, constant(program, other)) {
                    (Binary::Add, Some(c)) => Then::Affine(1.0, c),
                    (Binary::Subtract, Some(c)) if x == s => Then::Affine(1.0, -c),
                    (Binary::Subtract, Some(c)) => Then::Affine(-1.0, c),
                    (Binary::Multiply, Some(k)) => Then::Affine(k, 0.0),
                    (Binary::Multiply, None) if gates.iter().any(|g| g.0 == other) => {
                        let at = gates.iter().position(|g| g.0 == other)?;
                        Then::Gate(gates.swap_remove(at).1)
                    }
                    (_, None) if !outside(other) => return None,
                    (Binary::Add, None) => Then::Add(other),
                    (Binary::Subtract, None) if x == s => Then::Subtract(other),
                    (Binary::Subtract, None) => Then::SubtractFrom(other),
                    (Binary::Multiply, None) => Then::Multiply(other),
                    _ => return None,
                }
            }
            _ => return None,
        };
        steps.push(step);
        s = *m;
    }
    let last = *members.last()?;
    let only_last = members.iter().all(|m| (*m == last) == plan.views[m.index()].is_some());
    (steps.len() <= LONGEST
        && gates.is_empty()
        && s == last
        && only_last
        && !read_elsewhere(program, *product, members))
    .then_some(Tail { product: *product, steps, stored: last })
}

/// The factor and the result, if of two neighbouring items the first is a draw and the second multiplies it by a number,
/// and nothing else reads the draw.
pub fn scaled(plan: &Plan, first: &Item, second: &Item) -> Option<(f64, ValueId)> {
    let (Item::Op(draw), Item::Fused(members)) = (first, second) else { return None };
    let program = &plan.program;
    let ([result], Op::Draw(_)) = (members.as_slice(), &program.node(*draw).op) else { return None };
    let Op::Binary(Binary::Multiply, x, y) = program.node(*result).op else { return None };
    let (_, other) = [(x, y), (y, x)].into_iter().find(|(of, _)| of == draw)?;
    let factor = constant(program, other)?;
    let same = program.node(*draw).ty == program.node(*result).ty;
    (same && !read_elsewhere(program, *draw, members)).then_some((factor, *result))
}

/// Whether a value is an output or read by others than these.
fn read_elsewhere(program: &Program, v: ValueId, members: &[ValueId]) -> bool {
    let reads = |n: &Node| {
        let mut reads = false;
        n.op.for_each_operand(|x| reads |= x == v);
        reads
    };
    program.outputs.iter().any(|(_, x)| *x == v)
        || program.nodes.iter().enumerate().any(|(i, n)| !members.contains(&ValueId(i as u32)) && reads(n))
}
