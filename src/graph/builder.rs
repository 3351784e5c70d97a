//! Builds a program value by value: infers types and regions, interns, and folds what is plain on the spot.

use std::collections::HashMap;
use std::sync::Arc;

use ndarray::ArrayD;

use super::infer::infer;
use super::ops::{Binary, Bits, Contraction, Label, Op, Reduction, Scan, ScanOutput, Table, Unary};
use super::types::{Axis, AxisId, AxisKind, Node, Program, RegionId, Type, ValueId};
use crate::source::Span;

/// A program under construction.
#[derive(Debug)]
pub struct Builder {
    program: Program,
    interned: HashMap<(Op, Option<Type>), ValueId>,
    /// The span given to the values made from here on.
    pub span: Span,
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl Builder {
    /// An empty program.
    pub fn new() -> Self {
        Self {
            program: Program { regions: vec![RegionId::ROOT], ..Program::default() },
            interned: HashMap::new(),
            span: Span::NONE,
        }
    }

    /// Goes on with a program.
    pub fn resume(program: Program) -> Self {
        let mut interned = HashMap::new();
        for (i, node) in program.nodes.iter().enumerate() {
            let key = (node.op.clone(), node.op.has_free_type().then(|| node.ty.clone()));
            interned.entry(key).or_insert(ValueId(i as u32));
        }
        Self { program, interned, span: Span::NONE }
    }

    /// What was built so far.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// What was built so far, for its parameters, states and outputs.
    pub fn program_mut(&mut self) -> &mut Program {
        &mut self.program
    }

    /// The finished program.
    pub fn finish(self) -> Program {
        self.program
    }

    /// The type of a value.
    pub fn ty(&self, v: ValueId) -> &Type {
        &self.program.node(v).ty
    }

    /// The operation of a value.
    pub fn op(&self, v: ValueId) -> &Op {
        &self.program.node(v).op
    }

    /// A new axis.
    pub fn axis(&mut self, name: impl Into<String>, size: usize, kind: AxisKind) -> AxisId {
        self.program.axes.push(Axis { name: name.into(), size, kind });
        AxisId(self.program.axes.len() as u32 - 1)
    }

    /// A new region for the body of a scan that stands in `parent`.
    pub fn region(&mut self, parent: RegionId) -> RegionId {
        self.program.regions.push(parent);
        RegionId(self.program.regions.len() as u32 - 1)
    }

    /// The argument with this number of a body.
    pub fn argument(&mut self, region: RegionId, number: usize, ty: Type) -> ValueId {
        self.push_typed(Op::Argument(region, number), Some(ty))
    }

    /// A value whose type follows from its operands.
    ///
    /// # Panics
    /// When the operands do not fit: a fault of the caller, never of a text.
    pub fn push(&mut self, op: Op) -> ValueId {
        self.push_typed(op, None)
    }

    /// A value whose type is given.
    ///
    /// # Panics
    /// As [`Builder::push`].
    pub fn push_typed(&mut self, op: Op, given: Option<Type>) -> ValueId {
        if let Some(v) = self.fold(&op, given.as_ref()) {
            return v;
        }
        let key = (op, given.clone());
        if let Some(v) = self.interned.get(&key) {
            return *v;
        }
        let (op, _) = &key;
        let ty = match infer(&self.program, op, given.as_ref()) {
            Ok(ty) => ty,
            Err(why) => panic!("ill-formed {op:?}: {why}"),
        };
        let region = self.region_of(op);
        self.program.nodes.push(Node { op: op.clone(), ty, region, span: self.span });
        let id = ValueId(self.program.nodes.len() as u32 - 1);
        self.interned.insert(key, id);
        id
    }

    /// The value of this operation and, where it is free, this type, if there is one.
    pub fn find(&self, op: Op, given: Option<Type>) -> Option<ValueId> {
        self.interned.get(&(op, given)).copied()
    }

    fn region_of(&self, op: &Op) -> RegionId {
        match op {
            Op::Argument(region, _) => *region,
            Op::Scan(scan) => self.program.regions[scan.region.index()],
            Op::Output(scan, _) => self.program.node(*scan).region,
            _ => {
                let mut region = RegionId::ROOT;
                op.for_each_operand(|v| {
                    let r = self.program.node(v).region;
                    if self.program.depth(r) > self.program.depth(region) {
                        region = r;
                    }
                });
                region
            }
        }
    }

    /// Adds a stacked value to a scan that exists and returns it. The value must be older than the scan.
    ///
    /// # Panics
    /// If `scan` is no scan or `value` is younger.
    pub fn stack(&mut self, scan: ValueId, value: ValueId) -> ValueId {
        assert!(value < scan, "a scan stacks older values");
        let node = &mut self.program.nodes[scan.index()];
        let Op::Scan(s) = &mut node.op else { panic!("not a scan") };
        let at = s.stacked.iter().position(|v| *v == value).unwrap_or_else(|| {
            s.stacked.push(value);
            s.stacked.len() - 1
        });
        self.push(Op::Output(scan, ScanOutput::Stacked(at)))
    }

    /// A loop; its outputs come from [`Builder::output`].
    pub fn scan(&mut self, scan: Scan) -> ValueId {
        self.push(Op::Scan(scan))
    }

    /// An output of a scan.
    pub fn output(&mut self, scan: ValueId, which: ScanOutput) -> ValueId {
        self.push(Op::Output(scan, which))
    }

    /// A number.
    pub fn number(&mut self, value: f64) -> ValueId {
        self.push(Op::Number(Bits::new(value)))
    }

    /// A table with the given axes, in the order of their handles, then element dimensions.
    pub fn table(&mut self, values: ArrayD<f64>, ty: Type) -> ValueId {
        self.push_typed(Op::Table(Table(Arc::new(values))), Some(ty))
    }

    /// The number as a value of this type.
    pub fn filled(&mut self, value: f64, ty: Type) -> ValueId {
        let n = self.number(value);
        self.broadcast(n, ty)
    }

    /// The value said to have this type; itself where it has.
    pub fn broadcast(&mut self, v: ValueId, ty: Type) -> ValueId {
        if *self.ty(v) == ty { v } else { self.push_typed(Op::Broadcast(v), Some(ty)) }
    }

    /// The value said to vary over these axes too.
    pub fn spread(&mut self, v: ValueId, axes: &[AxisId]) -> ValueId {
        let t = self.ty(v).clone();
        let ty = Type::new(t.axes.iter().chain(axes).copied(), t.shape);
        self.broadcast(v, ty)
    }

    /// The value with another shape.
    pub fn reshape(&mut self, v: ValueId, shape: impl Into<Vec<usize>>) -> ValueId {
        let t = self.ty(v);
        let ty = Type { axes: t.axes.clone(), shape: shape.into() };
        if *t == ty { v } else { self.push_typed(Op::Reshape(v), Some(ty)) }
    }

    /// The value detached.
    pub fn detach(&mut self, v: ValueId) -> ValueId {
        self.push(Op::Detach(v))
    }

    /// A function of one number.
    pub fn unary(&mut self, f: Unary, a: ValueId) -> ValueId {
        self.push(Op::Unary(f, a))
    }

    /// A function of two numbers.
    pub fn binary(&mut self, f: Binary, a: ValueId, b: ValueId) -> ValueId {
        self.push(Op::Binary(f, a, b))
    }

    /// a + b
    pub fn add(&mut self, a: ValueId, b: ValueId) -> ValueId {
        self.binary(Binary::Add, a, b)
    }

    /// a − b
    pub fn sub(&mut self, a: ValueId, b: ValueId) -> ValueId {
        self.binary(Binary::Subtract, a, b)
    }

    /// a·b, entry by entry
    pub fn mul(&mut self, a: ValueId, b: ValueId) -> ValueId {
        self.binary(Binary::Multiply, a, b)
    }

    /// a/b, entry by entry
    pub fn div(&mut self, a: ValueId, b: ValueId) -> ValueId {
        self.binary(Binary::Divide, a, b)
    }

    /// −a
    pub fn neg(&mut self, a: ValueId) -> ValueId {
        self.unary(Unary::Negate, a)
    }

    /// Sum over axes and element dimensions.
    pub fn sum(&mut self, a: ValueId, axes: &[AxisId], dims: &[usize]) -> ValueId {
        self.reduce(Reduction::Sum, a, axes, dims)
    }

    /// A reduction over axes and element dimensions; the value itself if there are none.
    pub fn reduce(&mut self, how: Reduction, a: ValueId, axes: &[AxisId], dims: &[usize]) -> ValueId {
        if axes.is_empty() && dims.is_empty() {
            return a;
        }
        let mut axes = axes.to_vec();
        axes.sort_unstable();
        let mut dims = dims.to_vec();
        dims.sort_unstable();
        self.push(Op::Reduce(how, axes, dims, a))
    }

    /// A sum of products.
    pub fn contract(
        &mut self,
        a: ValueId,
        la: &[Label],
        b: ValueId,
        lb: &[Label],
        out: &[Label],
        axes: &[AxisId],
    ) -> ValueId {
        let mut axes = axes.to_vec();
        axes.sort_unstable();
        self.push(Op::Contract(Contraction { a: la.to_vec(), b: lb.to_vec(), out: out.to_vec(), axes }, a, b))
    }

    /// Whether the value is known to be zero everywhere.
    pub fn is_zero(&self, v: ValueId) -> bool {
        self.constant(v) == Some(0.0)
    }

    /// The number that the value is everywhere, if that is known.
    pub fn constant(&self, v: ValueId) -> Option<f64> {
        match self.op(v) {
            Op::Number(b) => Some(b.value()),
            Op::Broadcast(a) => self.constant(*a),
            _ => None,
        }
    }

    /// A zero with the type that `op` would have.
    fn zero_like(&mut self, op: &Op, given: Option<&Type>) -> ValueId {
        match infer(&self.program, op, given) {
            Ok(ty) => self.filled(0.0, ty),
            Err(why) => panic!("ill-formed {op:?}: {why}"),
        }
    }

    /// What the operation is, if something plainer.
    fn fold(&mut self, op: &Op, given: Option<&Type>) -> Option<ValueId> {
        if let Some(v) = self.fold_rename(op, given) {
            return Some(v);
        }
        match op {
            Op::Binary(f, a, b) => self.fold_binary(op, *f, *a, *b),
            Op::Unary(f, a) => {
                if let (Unary::Negate, Op::Unary(Unary::Negate, inner)) = (f, self.op(*a)) {
                    return Some(*inner);
                }
                if let (Unary::Power(1), _) = (f, 0) {
                    return Some(*a);
                }
                let x = self.constant(*a)?;
                let y = eval_unary(*f, x)?;
                let ty = self.ty(*a).clone();
                Some(self.filled(y, ty))
            }
            Op::Select(c, a, b) => {
                if a == b {
                    return None;
                }
                let c = self.constant(*c)?;
                let chosen = if c == 0.0 { *b } else { *a };
                let ty = infer(&self.program, op, given).ok()?;
                Some(self.broadcast(chosen, ty))
            }
            Op::Contract(_, a, b) if self.is_zero(*a) || self.is_zero(*b) => Some(self.zero_like(op, given)),
            Op::Reduce(Reduction::Sum, _, _, a) if self.is_zero(*a) => Some(self.zero_like(op, given)),
            Op::CumulativeSum { of, .. }
            | Op::Slice { of, .. }
            | Op::Pad { of, .. }
            | Op::Gather { of, .. }
            | Op::ScatterAdd { of, .. }
            | Op::At { of, .. }
            | Op::Place { of, .. }
            | Op::Pick(_, of)
            | Op::Spread(_, of)
            | Op::Rename { of, .. }
                if self.is_zero(*of) =>
            {
                Some(self.zero_like(op, given))
            }
            Op::Slice { dim, start: 0, length, of } if self.ty(*of).shape[*dim] == *length => Some(*of),
            Op::Pad { before: 0, after: 0, of, .. } => Some(*of),
            Op::Transpose(perm, a) => {
                if perm.iter().enumerate().all(|(i, p)| i == *p) {
                    return Some(*a);
                }
                if let Op::Transpose(inner, x) = self.op(*a).clone() {
                    let perm = perm.iter().map(|i| inner[*i]).collect();
                    return Some(self.push(Op::Transpose(perm, x)));
                }
                let x = self.constant(*a)?;
                let ty = infer(&self.program, op, given).ok()?;
                Some(self.filled(x, ty))
            }
            Op::Reshape(a) => {
                let x = self.constant(*a)?;
                given.cloned().map(|ty| self.filled(x, ty))
            }
            Op::Broadcast(a) => match self.op(*a) {
                Op::Broadcast(inner)
                    if self.ty(*inner).shape.is_empty() || self.ty(*inner).shape == self.ty(*a).shape =>
                {
                    let inner = *inner;
                    given.cloned().map(|ty| self.broadcast(inner, ty))
                }
                _ => None,
            },
            Op::Concat(_, items) if items.len() == 1 => Some(items[0]),
            Op::Detach(a) if self.constant(*a).is_some() || matches!(self.op(*a), Op::Detach(_)) => Some(*a),
            Op::At { axis, index, of } => match self.op(*of).clone() {
                Op::Rename { from, to, of } if to == *axis => Some(self.push(Op::At { axis: from, index: *index, of })),
                Op::Iota(_) => Some(self.number(*index as f64)),
                _ => None,
            },
            Op::Rename { from, to, of } => match self.op(*of).clone() {
                Op::Rename { from: f, to: t, of: x } if t == *from => {
                    Some(if f == *to { x } else { self.push(Op::Rename { from: f, to: *to, of: x }) })
                }
                _ => None,
            },
            _ => None,
        }
    }

    fn fold_binary(&mut self, op: &Op, f: Binary, a: ValueId, b: ValueId) -> Option<ValueId> {
        let ty = match infer(&self.program, op, None) {
            Ok(ty) => ty,
            Err(why) => panic!("ill-formed {op:?}: {why}"),
        };
        let (x, y) = (self.constant(a), self.constant(b));
        if let (Some(x), Some(y)) = (x, y) {
            return eval_binary(f, x, y).map(|z| self.filled(z, ty));
        }
        match (f, x, y) {
            (Binary::Add, Some(0.0), _) | (Binary::Multiply, Some(1.0), _) => Some(self.broadcast_to(b, ty)),
            (Binary::Add | Binary::Subtract, _, Some(0.0)) | (Binary::Multiply | Binary::Divide, _, Some(1.0)) => {
                Some(self.broadcast_to(a, ty))
            }
            (Binary::Subtract, Some(0.0), _) | (Binary::Multiply, Some(-1.0), _) => {
                let n = self.neg(b);
                Some(self.broadcast_to(n, ty))
            }
            (Binary::Multiply, _, Some(-1.0)) => {
                let n = self.neg(a);
                Some(self.broadcast_to(n, ty))
            }
            (Binary::Multiply | Binary::Divide, Some(0.0), _) | (Binary::Multiply, _, Some(0.0)) => {
                Some(self.filled(0.0, ty))
            }
            _ => None,
        }
    }

    /// A broadcast that may enlarge a scalar's shape.
    fn broadcast_to(&mut self, v: ValueId, ty: Type) -> ValueId {
        self.broadcast(v, ty)
    }

    /// Renaming an axis last: what is computed once along one name is not computed again along another.
    fn fold_rename(&mut self, op: &Op, given: Option<&Type>) -> Option<ValueId> {
        if !matches!(
            op,
            Op::Unary(..)
                | Op::Binary(..)
                | Op::Select(..)
                | Op::Contract(..)
                | Op::Reduce(..)
                | Op::Concat(..)
                | Op::Transpose(..)
                | Op::Slice { .. }
                | Op::Pad { .. }
                | Op::Gather { .. }
                | Op::Detach(_)
                | Op::Solve(..)
                | Op::Inverse(_)
                | Op::Reshape(_)
                | Op::Broadcast(_)
                | Op::ScatterAdd { .. }
                | Op::CumulativeSum { .. }
                | Op::Expm(_)
        ) {
            return None;
        }
        let operands = op.operands();
        let (from, to) = operands.iter().find_map(|v| match self.op(*v) {
            Op::Rename { from, to, .. } => Some((*from, *to)),
            _ => None,
        })?;
        let named = match op {
            Op::Contract(spec, ..) => spec.axes.contains(&to) || spec.axes.contains(&from),
            Op::Reduce(_, axes, ..) => axes.contains(&to) || axes.contains(&from),
            Op::CumulativeSum { axis, .. } => *axis == to || *axis == from,
            Op::Broadcast(_) => given.is_some_and(|ty| ty.varies(from)),
            _ => false,
        };
        let fits = operands.iter().all(|v| {
            let t = self.ty(*v);
            matches!(self.op(*v), Op::Rename { from: f, to: t, .. } if (*f, *t) == (from, to))
                || (!t.varies(to) && !t.varies(from))
        });
        if named || !fits {
            return None;
        }
        let inner = op.map_operands(|v| match self.op(v) {
            Op::Rename { from: f, to: t, of } if (*f, *t) == (from, to) => *of,
            _ => v,
        });
        let given =
            given.map(|ty| Type::new(ty.axes.iter().map(|x| if *x == to { from } else { *x }), ty.shape.clone()));
        let of = self.push_typed(inner, given);
        if self.ty(of).varies(from) { Some(self.push(Op::Rename { from, to, of })) } else { Some(of) }
    }
}

/// The function of a number, where its value is the same on every machine.
pub fn eval_unary(f: Unary, x: f64) -> Option<f64> {
    Some(match f {
        Unary::Negate => -x,
        Unary::Absolute => x.abs(),
        Unary::SquareRoot => x.sqrt(),
        Unary::Reciprocal => 1.0 / x,
        Unary::Relu => x.max(0.0),
        Unary::Power(n) => x.powi(n),
        Unary::Floor => x.floor(),
        Unary::Exp if x == 0.0 => 1.0,
        _ => return None,
    })
}

/// The function of two numbers, where its value is the same on every machine.
pub fn eval_binary(f: Binary, x: f64, y: f64) -> Option<f64> {
    Some(match f {
        Binary::Add => x + y,
        Binary::Subtract => x - y,
        Binary::Multiply => x * y,
        Binary::Divide => x / y,
        Binary::Minimum => x.min(y),
        Binary::Maximum => x.max(y),
        Binary::Less => f64::from(x < y),
        Binary::LessEqual => f64::from(x <= y),
        Binary::Equal => f64::from(x == y),
        Binary::Power => return None,
    })
}
