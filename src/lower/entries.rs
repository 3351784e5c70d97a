//! Functions of a number, applied to every entry of an array.

use std::collections::HashMap;
use std::rc::Rc;

use super::errors::{Lowered, fault};
use super::lowerer::Lowerer;
use super::value::{Function, Value};
use crate::graph::{Op, Type, ValueId};
use crate::source::Span;
use crate::syntax::tree::{TypeExpr, TypeKind};

/// Whether a written type is `(R) -> R`.
pub fn of_numbers(ty: &TypeExpr) -> bool {
    let number = |ty: &TypeExpr| matches!(&ty.kind, TypeKind::Real(sizes) if sizes.is_empty());
    matches!(&ty.kind, TypeKind::Function(inputs, output) if inputs.len() == 1 && number(&inputs[0]) && number(output))
}

impl<'a> Lowerer<'a> {
    /// f of every entry of v. The function is worked out once, at a number, and what it is made of is then applied to the
    /// whole array.
    pub fn entry_by_entry(&mut self, f: &Rc<Function<'a>>, v: ValueId, span: Span) -> Lowered<ValueId> {
        let ty = self.b.ty(v).clone();
        let zero = self.b.number(0.0);
        let zero = self.b.broadcast(zero, Type { axes: ty.axes.clone(), shape: Vec::new() });
        let entry = self.mark(zero);
        let value = self.call(f, vec![(None, Value::Tensor(entry))], span, None)?;
        let result = self.tensor(&value, span)?;
        if !self.b.ty(result).shape.is_empty() {
            return Err(fault(span, "what is applied entry by entry gives a number for a number"));
        }
        let mut whole = HashMap::from([(entry, v)]);
        for at in entry.index() + 1..=result.index() {
            let node = self.b.program().nodes[at].clone();
            let mut touched = false;
            node.op.for_each_operand(|x| touched |= whole.contains_key(&x));
            if !touched {
                continue;
            }
            let entries = |l: &mut Self, x: ValueId| match whole.get(&x) {
                Some(known) => *known,
                None => {
                    let axes = l.b.ty(x).axes.clone();
                    l.b.broadcast(x, Type { axes, shape: ty.shape.clone() })
                }
            };
            let made = match node.op {
                Op::Unary(f, a) => {
                    let a = entries(self, a);
                    self.b.unary(f, a)
                }
                Op::Binary(f, a, b) => {
                    let (a, b) = (entries(self, a), entries(self, b));
                    self.b.binary(f, a, b)
                }
                Op::Select(c, a, b) => {
                    let (c, a, b) = (entries(self, c), entries(self, a), entries(self, b));
                    self.b.push(Op::Select(c, a, b))
                }
                Op::Broadcast(a) if node.ty.shape.is_empty() => {
                    let a = entries(self, a);
                    self.b.broadcast(a, Type { axes: node.ty.axes, shape: ty.shape.clone() })
                }
                Op::Detach(a) => {
                    let a = entries(self, a);
                    self.b.detach(a)
                }
                Op::Mark(_, a) => entries(self, a),
                _ => {
                    let why = "what is applied entry by entry is made of arithmetic, choices and functions of numbers";
                    return Err(fault(span, why));
                }
            };
            whole.insert(ValueId(at as u32), made);
        }
        Ok(match whole.get(&result) {
            Some(made) => *made,
            None => {
                let axes = self.b.ty(result).axes.iter().chain(&ty.axes).copied();
                let ty = Type::new(axes, ty.shape);
                self.b.broadcast(result, ty)
            }
        })
    }
}
