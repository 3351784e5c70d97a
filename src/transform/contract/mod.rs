//! Sums of products become contractions, and products of several factors are taken in the cheapest order.
//!
//! The measure is the number of multiplications and of entries written. A value that others use too is left as it is.

mod product;
mod sum;

use std::collections::HashMap;

use super::rebuild::{Rebuild, values};
use crate::graph::{Binary, Contraction, Op, Program, Reduction, Type, Unary, ValueId, infer};

/// Forms and orders contractions.
pub(super) fn form_contractions(program: Program) -> Program {
    let mut uses = vec![0; program.nodes.len()];
    for node in &program.nodes {
        node.op.for_each_operand(|v| uses[v.index()] += 1);
    }
    for (_, v) in &program.outputs {
        uses[v.index()] += 1;
    }
    let mut form = Form { r: Rebuild::new(&program), uses: HashMap::new(), turns: turns(&program), depth: 0 };
    for v in values(&program) {
        let op = form.r.mapped(&program.node(v).op);
        form.r.b.span = program.node(v).span;
        let new = if op.has_free_type() { form.r.push(v, op) } else { form.make(op) };
        debug_assert_eq!(*form.ty(new), program.node(v).ty, "contracting {:?} at {v:?}", program.node(v).op);
        form.r.set(v, new);
        form.count(new, uses[v.index()]);
    }
    form.r.finish()
}

/// How often what stands in each region is computed.
fn turns(program: &Program) -> Vec<f64> {
    let mut steps = vec![1.0; program.regions.len()];
    for node in &program.nodes {
        if let Op::Scan(scan) = &node.op {
            steps[scan.region.index()] = program.axis(scan.axis).size as f64;
        }
    }
    // A body is younger than what it stands in.
    for r in 1..steps.len() {
        steps[r] *= steps[program.regions[r].index()];
    }
    steps
}

/// The pass at work: constructors that build something cheaper where they can.
struct Form<'a> {
    r: Rebuild<'a>,
    /// How often values are used in the old program; what the pass makes on the way is used once.
    uses: HashMap<ValueId, usize>,
    /// How often what stands in each region is computed.
    turns: Vec<f64>,
    depth: usize,
}

/// Rewrites that lead to rewrites end here at the latest.
const DEEPEST: usize = 12;

impl Form<'_> {
    fn make(&mut self, op: Op) -> ValueId {
        if self.depth >= DEEPEST {
            return self.r.b.push(op);
        }
        self.depth += 1;
        let new = match op {
            Op::Unary(Unary::Negate, x) => self.negate(x),
            Op::Unary(f, x) => match *self.op(x) {
                Op::Broadcast(of) => {
                    let y = self.make(Op::Unary(f, of));
                    let ty = self.ty(x).clone();
                    self.r.b.broadcast(y, ty)
                }
                _ => self.r.b.unary(f, x),
            },
            Op::Binary(f, x, y) => {
                let (x, y) = match self.repeated_pair(f, x, y) {
                    Ok(new) => {
                        self.depth -= 1;
                        return new;
                    }
                    Err(pair) => pair,
                };
                match f {
                    Binary::Multiply => self.multiply(x, y),
                    Binary::Divide => self.divide(x, y),
                    Binary::Add => self.add(x, y),
                    Binary::Subtract => self.subtract(x, y),
                    _ => self.r.b.binary(f, x, y),
                }
            }
            Op::Reduce(Reduction::Sum, axes, dims, x) => self.sum(&axes, &dims, x),
            Op::Contract(spec, x, y) => self.contract(spec, x, y),
            other => self.r.b.push(other),
        };
        self.depth -= 1;
        new
    }

    fn op(&self, v: ValueId) -> &Op {
        self.r.b.op(v)
    }

    fn ty(&self, v: ValueId) -> &Type {
        self.r.b.ty(v)
    }

    /// The number of entries.
    fn size(&self, v: ValueId) -> f64 {
        self.type_size(self.ty(v))
    }

    /// How often something is computed that is made of these values.
    fn turns_of(&self, values: &[ValueId]) -> f64 {
        let program = self.r.b.program();
        values.iter().map(|v| self.turns[program.node(*v).region.index()]).fold(1.0, f64::max)
    }

    fn type_size(&self, ty: &Type) -> f64 {
        self.r.b.program().extents(ty).iter().map(|n| *n as f64).product()
    }

    /// Notes users of a value. The pass looks through signs and repetitions, so their users are users of what is inside.
    fn count(&mut self, v: ValueId, users: usize) {
        *self.uses.entry(v).or_insert(0) += users;
        if let Op::Unary(Unary::Negate, inner) | Op::Broadcast(inner) = *self.op(v) {
            self.count(inner, users);
        }
    }

    /// Whether nothing else uses the value.
    fn single(&self, v: ValueId) -> bool {
        self.uses.get(&v).is_none_or(|n| *n <= 1)
    }

    /// The operation of a value that nothing else uses.
    fn only(&self, v: ValueId) -> Option<&Op> {
        self.single(v).then(|| self.op(v))
    }

    fn contraction(&self, v: ValueId) -> Option<(Contraction, ValueId, ValueId)> {
        match self.only(v)? {
            Op::Contract(spec, a, b) => Some((spec.clone(), *a, *b)),
            _ => None,
        }
    }

    fn negate(&mut self, x: ValueId) -> ValueId {
        if let Some(Op::Binary(Binary::Subtract, a, c)) = self.only(x).cloned() {
            return self.make(Op::Binary(Binary::Subtract, c, a));
        }
        self.r.b.neg(x)
    }

    /// Where operands only repeat something smaller: the repeated result, or else operands without repetition along what
    /// the other one has anyway.
    fn repeated_pair(&mut self, f: Binary, x: ValueId, y: ValueId) -> Result<ValueId, (ValueId, ValueId)> {
        let bare = |v: ValueId| match self.op(v) {
            Op::Broadcast(of) => *of,
            _ => v,
        };
        let (bx, by) = (bare(x), bare(y));
        let program = self.r.b.program();
        let ty = |x, y| infer(program, &Op::Binary(f, x, y), None).ok();
        let (Some(whole), Some(core)) = (ty(x, y), ty(bx, by)) else { return Err((x, y)) };
        if whole == core {
            return Err((bx, by));
        }
        let new = self.make(Op::Binary(f, bx, by));
        Ok(self.r.b.broadcast(new, whole))
    }
}
