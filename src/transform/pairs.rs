//! What is computed for all pairs of two axes and masked is computed for the pairs that the mask keeps.
//!
//! A kernel M(t, s) under `∫[t..T] … ds` is multiplied by t ≤ s. The entries that the mask discards need not be computed,
//! nor do their cotangents. They are left out of everything that varies over the two axes and nothing else: a new axis
//! holds the pairs that are kept, and values return to the two axes where something else needs them, as a sum over s
//! does.

use std::collections::HashMap;
use std::sync::Arc;

use super::dead::remove_dead;
use super::rebuild::{Rebuild, values};
use crate::graph::{
    Axis, AxisId, AxisKind, Binary, Op, Pairing, Program, Reduction, RegionId, Type, Unary, ValueId, eval_binary,
    eval_unary,
};

/// Contractions of so many products per pair are worth a new axis.
const WORTH: usize = 64;

/// Leaves out what masks discard, mask by mask.
pub(super) fn keep_pairs(mut program: Program) -> Program {
    'next: loop {
        for v in values(&program) {
            if let Some(kept) = Kept::by(&program, v).filter(Kept::pays) {
                program = remove_dead(kept.rewrite());
                continue 'next;
            }
        }
        return program;
    }
}

/// What a mask keeps.
struct Kept<'a> {
    program: &'a Program,
    mask: ValueId,
    axes: [AxisId; 2],
    rows: Arc<[(usize, usize)]>,
    /// The values that are zero where the mask is.
    zero: Vec<bool>,
    /// The values of which nobody needs what the mask discards, and those that are zero there.
    compact: Vec<bool>,
}

impl<'a> Kept<'a> {
    /// What the comparison `mask` keeps of two axes, if that is a range in every row.
    fn by(program: &'a Program, mask: ValueId) -> Option<Self> {
        let node = program.node(mask);
        let [first, second] = node.ty.axes[..] else { return None };
        let compares = matches!(node.op, Op::Binary(Binary::Less | Binary::LessEqual, ..));
        if !compares || !node.ty.shape.is_empty() || node.region != RegionId::ROOT {
            return None;
        }
        let size = |axis| program.axis(axis).size;
        let mut rows = Vec::new();
        for i in 0..size(first) {
            let mut row = (0, 0);
            for j in 0..size(second) {
                if entry(program, mask, &[(first, i), (second, j)])? == 0.0 {
                    continue;
                }
                match row {
                    (_, 0) => row = (j, 1),
                    (start, length) if start + length == j => row.1 += 1,
                    _ => return None,
                }
            }
            rows.push(row);
        }
        let kept: usize = rows.iter().map(|row| row.1).sum();
        if kept == 0 || 4 * kept > 3 * size(first) * size(second) {
            return None;
        }
        let mut found = Self {
            program,
            mask,
            axes: [first, second],
            rows: rows.into(),
            zero: vec![false; program.nodes.len()],
            compact: Vec::new(),
        };
        found.find_zeros();
        found.find_compact();
        Some(found)
    }

    /// Whether it varies over the two axes and nothing else, and acts on each pair alone.
    fn by_pair(&self, v: ValueId) -> bool {
        let node = self.program.node(v);
        node.ty.axes == self.axes
            && node.region == RegionId::ROOT
            && match &node.op {
                Op::Contract(spec, ..) => spec.axes.is_empty(),
                Op::Reduce(_, axes, ..) => axes.is_empty(),
                Op::Unary(..)
                | Op::Binary(..)
                | Op::Select(..)
                | Op::Broadcast(_)
                | Op::Reshape(_)
                | Op::Transpose(..)
                | Op::Concat(..)
                | Op::Slice { .. }
                | Op::Pad { .. }
                | Op::Gather { .. }
                | Op::ScatterAdd { .. } => true,
                _ => false,
            }
    }

    fn find_zeros(&mut self) {
        self.zero[self.mask.index()] = true;
        for v in values(self.program).filter(|v| *v != self.mask) {
            let zero = |x: &ValueId| self.zero[x.index()];
            self.zero[v.index()] = self.by_pair(v)
                && match &self.program.node(v).op {
                    Op::Unary(Unary::Negate | Unary::Relu | Unary::Sin | Unary::Tanh, a) => zero(a),
                    Op::Binary(Binary::Multiply, a, b) | Op::Contract(_, a, b) => zero(a) || zero(b),
                    Op::Binary(Binary::Add | Binary::Subtract, a, b) => zero(a) && zero(b),
                    Op::Reduce(Reduction::Sum, _, _, a)
                    | Op::Broadcast(a)
                    | Op::Reshape(a)
                    | Op::Transpose(_, a)
                    | Op::Slice { of: a, .. }
                    | Op::Pad { of: a, .. }
                    | Op::Gather { of: a, .. }
                    | Op::ScatterAdd { of: a, .. } => zero(a),
                    Op::Concat(_, items) => items.iter().all(zero),
                    _ => false,
                };
        }
    }

    /// The other factor of a sum over both axes of a product, of which pairs alone matter: one factor is zero elsewhere.
    fn summed(&self, v: ValueId) -> bool {
        let over = |axes: &[AxisId]| self.axes.iter().all(|axis| axes.contains(axis));
        let plain = |x: &ValueId| self.program.node(*x).ty.axes.iter().all(|axis| self.axes.contains(axis));
        let zero = |x: &ValueId| self.zero[x.index()];
        match &self.program.node(v).op {
            Op::Contract(spec, a, b) => over(&spec.axes) && plain(a) && plain(b) && (zero(a) || zero(b)),
            Op::Reduce(Reduction::Sum, axes, _, a) => over(axes) && plain(a) && zero(a),
            _ => false,
        }
    }

    fn find_compact(&mut self) {
        let mut needed = vec![false; self.program.nodes.len()];
        for (_, v) in &self.program.outputs {
            needed[v.index()] = true;
        }
        let mut compact = vec![false; self.program.nodes.len()];
        for v in values(self.program).collect::<Vec<_>>().into_iter().rev() {
            compact[v.index()] = v != self.mask && self.by_pair(v) && (self.zero[v.index()] || !needed[v.index()]);
            if !compact[v.index()] && !self.summed(v) {
                self.program.node(v).op.for_each_operand(|x| needed[x.index()] = true);
            }
        }
        self.compact = compact;
    }

    fn pays(&self) -> bool {
        values(self.program).filter(|v| self.compact[v.index()]).any(|v| {
            let node = self.program.node(v);
            let Op::Contract(spec, a, b) = &node.op else { return false };
            let sizes = |labels: &[u8], x: ValueId| {
                let shape = self.program.node(x).ty.shape.clone();
                labels.iter().copied().zip(shape).collect::<HashMap<_, _>>()
            };
            let (mut all, more) = (sizes(&spec.a, *a), sizes(&spec.b, *b));
            all.extend(more);
            all.values().product::<usize>() >= WORTH
        })
    }

    fn rewrite(&self) -> Program {
        let mut r = Rebuild::new(self.program);
        let names = self.axes.map(|axis| self.program.axis(axis).name.clone());
        let count = self.rows.iter().map(|row| row.1).sum();
        let axes = &mut r.b.program_mut().axes;
        let pairs = AxisId(axes.len() as u32);
        axes.push(Axis { name: format!("{}_{}", names[0], names[1]), size: count, kind: AxisKind::Index });
        let pairing = Pairing { axes: self.axes, pairs, rows: self.rows.clone() };
        let mut on_pairs = OnPairs { kept: self, r, pairing, values: HashMap::new() };
        for v in values(self.program) {
            on_pairs.visit(v);
        }
        for (_, v) in &self.program.outputs {
            on_pairs.whole(*v);
        }
        on_pairs.r.finish()
    }
}

/// The program being rebuilt.
struct OnPairs<'a> {
    kept: &'a Kept<'a>,
    r: Rebuild<'a>,
    pairing: Pairing,
    /// What stands for old values, over the pairs.
    values: HashMap<ValueId, ValueId>,
}

impl OnPairs<'_> {
    fn visit(&mut self, v: ValueId) {
        let node = self.kept.program.node(v);
        let summed = self.kept.summed(v);
        if !self.kept.compact[v.index()] && !summed {
            node.op.for_each_operand(|x| self.whole(x));
            self.r.copy(v);
            return;
        }
        self.r.b.span = node.span;
        let operands: HashMap<ValueId, ValueId> = node.op.operands().into_iter().map(|x| (x, self.picked(x))).collect();
        self.r.b.span = node.span;
        let mut op = node.op.map_operands(|x| operands[&x]);
        if let Op::Contract(spec, ..) = &mut op {
            self.rename(&mut spec.axes);
        }
        if let Op::Reduce(_, axes, ..) = &mut op {
            self.rename(axes);
        }
        let given = op.has_free_type().then(|| Type::new([self.pairing.pairs], node.ty.shape.clone()));
        let new = self.r.b.push_typed(op, given);
        if summed {
            self.r.set(v, new);
        } else {
            self.values.insert(v, new);
        }
    }

    /// Sums over both axes are sums over pairs.
    fn rename(&self, axes: &mut Vec<AxisId>) {
        if axes.contains(&self.pairing.axes[0]) {
            axes.retain(|axis| !self.pairing.axes.contains(axis));
            axes.push(self.pairing.pairs);
        }
    }

    /// An old value over the pairs.
    fn picked(&mut self, v: ValueId) -> ValueId {
        if let Some(known) = self.values.get(&v) {
            return *known;
        }
        let whole = self.r.get(v);
        let varies = self.pairing.axes.iter().any(|axis| self.r.b.ty(whole).varies(*axis));
        let new = if v == self.kept.mask {
            self.r.b.filled(1.0, Type::new([self.pairing.pairs], []))
        } else if varies {
            self.r.b.push(Op::Pick(self.pairing.clone(), whole))
        } else {
            whole
        };
        self.values.insert(v, new);
        new
    }

    /// Makes an old value stand over both axes.
    fn whole(&mut self, v: ValueId) {
        if self.r.find(v).is_none() {
            debug_assert!(self.kept.zero[v.index()], "what is needed elsewhere is zero where the mask is");
            self.r.b.span = self.kept.program.node(v).span;
            let new = self.r.b.push(Op::Spread(self.pairing.clone(), self.values[&v]));
            self.r.set(v, new);
        }
    }
}

/// An entry of a value that is known before the run.
fn entry(program: &Program, v: ValueId, at: &[(AxisId, usize)]) -> Option<f64> {
    match &program.node(v).op {
        Op::Number(x) => Some(x.value()),
        Op::Iota(axis) => at.iter().find(|(known, _)| known == axis).map(|(_, index)| *index as f64),
        Op::Rename { from, to, of } => {
            let rest = at.iter().filter(|(axis, _)| axis != from);
            let at: Vec<_> = rest.map(|(axis, index)| (if axis == to { *from } else { *axis }, *index)).collect();
            entry(program, *of, &at)
        }
        Op::Broadcast(of) if program.node(v).ty.shape.is_empty() => entry(program, *of, at),
        Op::Unary(f, a) => eval_unary(*f, entry(program, *a, at)?),
        Op::Binary(f, a, b) => eval_binary(*f, entry(program, *a, at)?, entry(program, *b, at)?),
        _ => None,
    }
}
