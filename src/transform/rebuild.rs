//! What every pass is: a loop over the values of a program that builds another one.

use crate::graph::{Builder, Op, Program, ValueId};

/// A program being rebuilt value by value. Axes, regions, parameters and states keep their numbers.
pub(super) struct Rebuild<'a> {
    /// The program that is read.
    pub old: &'a Program,
    /// The program that is built.
    pub b: Builder,
    map: Vec<Option<ValueId>>,
}

impl<'a> Rebuild<'a> {
    /// Nothing rebuilt yet.
    pub fn new(old: &'a Program) -> Self {
        let mut b = Builder::new();
        let new = b.program_mut();
        new.axes.clone_from(&old.axes);
        new.regions.clone_from(&old.regions);
        new.parameters.clone_from(&old.parameters);
        new.states.clone_from(&old.states);
        Self { old, b, map: vec![None; old.nodes.len()] }
    }

    /// The new value for an old one that was rebuilt.
    pub fn get(&self, v: ValueId) -> ValueId {
        self.map[v.index()].expect("a pass rebuilds operands before their users")
    }

    /// The new value for an old one, if it was rebuilt.
    pub fn find(&self, v: ValueId) -> Option<ValueId> {
        self.map[v.index()]
    }

    /// Says what stands for an old value.
    pub fn set(&mut self, v: ValueId, new: ValueId) {
        self.map[v.index()] = Some(new);
    }

    /// The operation of an old value on new operands.
    pub fn mapped(&self, op: &Op) -> Op {
        op.map_operands(|v| self.get(v))
    }

    /// Builds an operation with the span and, where it is free, the type of an old value.
    pub fn push(&mut self, v: ValueId, op: Op) -> ValueId {
        let node = self.old.node(v);
        self.b.span = node.span;
        let given = op.has_free_type().then(|| node.ty.clone());
        self.b.push_typed(op, given)
    }

    /// Rebuilds an old value as it was.
    pub fn copy(&mut self, v: ValueId) -> ValueId {
        let op = self.mapped(&self.old.node(v).op);
        let new = self.push(v, op);
        self.set(v, new);
        new
    }

    /// The new program, with the outputs of the old one.
    pub fn finish(mut self) -> Program {
        let outputs = self.old.outputs.iter().map(|(o, v)| (o.clone(), self.get(*v))).collect();
        self.b.program_mut().outputs = outputs;
        self.b.finish()
    }
}

/// The handles of all values, in order.
pub(super) fn values(program: &Program) -> impl Iterator<Item = ValueId> + use<> {
    (0..program.nodes.len() as u32).map(ValueId)
}
