//! Groups of element-wise values: one invocation computes all of them at one index.

use super::compile::{Compiler, coalesce};
use super::functions::Function;
use super::kernel::{Kernel, literal, offset, split};
use crate::graph::{Binary, Op, Unary, ValueId};
use crate::plan::View;

impl Compiler<'_> {
    /// A group.
    pub fn fused(&mut self, members: &[ValueId]) -> Option<Kernel> {
        let program = &self.plan.program;
        let stored: Vec<ValueId> = members.iter().copied().filter(|v| self.plan.views[v.index()].is_some()).collect();
        let first = self.plan.view(*stored.first()?);
        let dims = self.dims_by(self.ty(members[0]), first);
        let mut loads: Vec<&View> = Vec::new();
        for v in members {
            program.node(*v).op.for_each_operand(|x| {
                if !members.contains(&x) && self.constant(x).is_none() && !loads.contains(&self.plan.view(x)) {
                    loads.push(self.plan.view(x));
                }
            });
        }
        let mut sizes: Vec<usize> = dims.iter().map(|d| d.1).collect();
        let places = loads.iter().copied().chain(stored.iter().map(|v| self.plan.view(*v)));
        let mut strides: Vec<Vec<usize>> = places.map(|view| self.strides(view, &dims)).collect();
        coalesce(&mut sizes, &mut strides);

        let mut kernel = self.start(sizes.iter().product(), members.len(), members[0]);
        let index = split(&mut kernel, "i", "i", &sizes);
        for (k, view) in loads.iter().enumerate() {
            let from = kernel.base(&self.pointer(view));
            kernel.line(format!("let l{k} = {};", from.at(&offset(&index, &strides[k]))));
        }
        for (i, v) in members.iter().enumerate() {
            kernel.of(self.plan.origin[v.index()]);
            let names: Vec<String> = program
                .node(*v)
                .op
                .operands()
                .into_iter()
                .map(|x| match (members.iter().position(|m| *m == x), self.constant(x)) {
                    (Some(m), _) => format!("e{m}"),
                    (None, Some(c)) => literal(&mut kernel, c as f32),
                    (None, None) => {
                        let at = loads.iter().position(|view| *view == self.plan.view(x));
                        format!("l{}", at.expect("all operands are loaded"))
                    }
                })
                .collect();
            let text = expression(&mut kernel, &program.node(*v).op, &names);
            kernel.line(format!("let e{i} = {text};"));
        }
        for (k, v) in stored.iter().enumerate() {
            let to = kernel.base(&self.pointer(self.plan.view(*v)));
            let member = members.iter().position(|m| m == v).expect("what is stored is a member");
            kernel.line(to.put(&offset(&index, &strides[loads.len() + k]), &format!("e{member}")));
        }
        Some(kernel)
    }

    /// The number that a value is everywhere, if that is plain.
    fn constant(&self, v: ValueId) -> Option<f64> {
        match &self.plan.program.node(v).op {
            Op::Number(x) => Some(x.value()),
            Op::Broadcast(a) => self.constant(*a),
            _ => None,
        }
    }
}

/// An element-wise operation on named numbers.
fn expression(kernel: &mut Kernel, op: &Op, names: &[String]) -> String {
    match (op, names) {
        (Op::Unary(f, _), [x]) => unary(kernel, *f, x),
        (Op::Binary(f, ..), [a, b]) => binary(kernel, *f, a, b),
        (Op::Select(..), [c, a, b]) => format!("select({a}, {b}, {c} == 0.0f)"),
        _ => unreachable!("groups hold element-wise values"),
    }
}

fn unary(kernel: &mut Kernel, f: Unary, x: &str) -> String {
    let mut call = |function| format!("{}({x})", kernel.call(function));
    match f {
        Unary::Negate => format!("-{x}"),
        Unary::Absolute => format!("abs({x})"),
        Unary::Sign => call(Function::Sign),
        Unary::Heaviside => call(Function::Heaviside),
        Unary::Exp => call(Function::Exp),
        Unary::Log => call(Function::Log),
        Unary::SquareRoot => call(Function::Root),
        Unary::Reciprocal => format!("1.0f / {x}"),
        Unary::Sin => call(Function::Sin),
        Unary::Cos => call(Function::Cos),
        Unary::Tanh => call(Function::Tanh),
        Unary::Sigmoid => call(Function::Sigmoid),
        Unary::Softplus => call(Function::Softplus),
        Unary::Relu => call(Function::Relu),
        Unary::Erf => call(Function::Erf),
        Unary::Power(n) => power(kernel, x, n),
        Unary::Floor => format!("floor({x})"),
    }
}

/// x^n: small powers written out.
fn power(kernel: &mut Kernel, x: &str, n: i32) -> String {
    let positive = match n.unsigned_abs() {
        0 => "1.0f".to_owned(),
        n @ 1..=4 => format!("({})", vec![x; n as usize].join(" * ")),
        n => format!("{}({x}, {n}u)", kernel.call(Function::Power)),
    };
    if n < 0 { format!("1.0f / {positive}") } else { positive }
}

fn binary(kernel: &mut Kernel, f: Binary, a: &str, b: &str) -> String {
    match f {
        Binary::Add => format!("{a} + {b}"),
        Binary::Subtract => format!("{a} - {b}"),
        Binary::Multiply => format!("{a} * {b}"),
        Binary::Divide => format!("{a} / {b}"),
        Binary::Power => {
            let (exp, log) = (kernel.call(Function::Exp), kernel.call(Function::Log));
            format!("{exp}({b} * {log}({a}))")
        }
        Binary::Minimum => format!("{}({a}, {b})", kernel.call(Function::Minimum)),
        Binary::Maximum => format!("{}({a}, {b})", kernel.call(Function::Maximum)),
        Binary::Less => format!("select(0.0f, 1.0f, {a} < {b})"),
        Binary::LessEqual => format!("select(0.0f, 1.0f, {a} <= {b})"),
        Binary::Equal => format!("select(0.0f, 1.0f, {a} == {b})"),
    }
}
