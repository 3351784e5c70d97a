//! Expressions, kind by kind.

use std::rc::Rc;

use super::environment::Scope;
use super::errors::{Lowered, fault};
use super::lowerer::Lowerer;
use super::value::{Function, Value};
use crate::graph::Op;
use crate::source::Span;
use crate::syntax::tree::{BinaryOp, Expr, ExprKind, UnaryOp};

impl<'a> Lowerer<'a> {
    /// The value of an expression. `expected` is the shape that its place asks for, where the place knows one: it sizes
    /// layers whose output nothing else does.
    pub fn expr(&mut self, e: &'a Expr, scope: &Rc<Scope<'a>>, expected: Option<&[usize]>) -> Lowered<Value<'a>> {
        let outer = std::mem::replace(&mut self.b.span, e.span);
        let value = self.deeper(e.span, |l| l.expr_inner(e, scope, expected));
        self.b.span = outer;
        value
    }

    fn expr_inner(&mut self, e: &'a Expr, scope: &Rc<Scope<'a>>, expected: Option<&[usize]>) -> Lowered<Value<'a>> {
        match &e.kind {
            ExprKind::Number { value, .. } => Ok(Value::Number(*value)),
            ExprKind::Text(_) => Err(fault(e.span, "a text has no value here")),
            ExprKind::Bool(x) => Ok(Value::Bool(*x)),
            ExprKind::Name(name) => self.lookup(name, scope),
            ExprKind::Hole => Ok(Value::Hole),
            ExprKind::Group(inner) => self.expr(inner, scope, expected),
            ExprKind::Tuple(items) => self.all(items, scope).map(|v| Value::Tuple(Rc::new(v))),
            ExprKind::List(items) => self.all(items, scope).map(|v| Value::List(Rc::new(v))),
            ExprKind::Comprehension(entry, indices) => {
                let mut items = Vec::new();
                self.comprehend(entry, indices, scope, &mut items)?;
                Ok(Value::List(Rc::new(items)))
            }
            ExprKind::Range(from, to) => {
                let from = self.integer(from, scope)?;
                let to = self.integer(to, scope)?;
                Ok(Value::Range(from, to))
            }
            ExprKind::Lambda(params, body) => {
                Ok(Value::Function(Rc::new(Function::Closure { params, result: None, body, scope: scope.clone() })))
            }
            ExprKind::If(condition, then, otherwise) => {
                let c = self.expr(condition, scope, None)?;
                if let Value::Bool(known) = c {
                    return self.expr(if known { then } else { otherwise }, scope, expected);
                }
                let c = self.tensor(&c, condition.span)?;
                let a = self.expr(then, scope, expected)?;
                let a = self.tensor(&a, then.span)?;
                let b = self.expr(otherwise, scope, expected)?;
                let b = self.tensor(&b, otherwise.span)?;
                Ok(Value::Tensor(self.b.push(Op::Select(c, a, b))))
            }
            ExprKind::Unary(op, _, inner) => {
                let value = self.expr(inner, scope, expected)?;
                match op {
                    UnaryOp::Negate => self.negate(&value, e.span),
                    UnaryOp::SquareRoot => self.map_scalar(crate::graph::Unary::SquareRoot, &value, e.span),
                    UnaryOp::Not => match value {
                        Value::Bool(x) => Ok(Value::Bool(!x)),
                        other => {
                            let x = self.tensor(&other, e.span)?;
                            let one = self.b.number(1.0);
                            Ok(Value::Tensor(self.b.sub(one, x)))
                        }
                    },
                }
            }
            ExprKind::Binary(BinaryOp::Power, _, base, exponent) if matches!(base.kind, ExprKind::Norm(..)) => {
                let ExprKind::Norm(_, inner) = &base.kind else { unreachable!("matched above") };
                let value = self.expr(inner, scope, None)?;
                let n = self.expr(exponent, scope, None)?;
                self.norm_power(&value, &n, e.span)
            }
            ExprKind::Binary(op, _, lhs, rhs) => {
                let hint = if matches!(op, BinaryOp::Add | BinaryOp::Subtract) { expected } else { None };
                let a = self.expr(lhs, scope, hint)?;
                let b = self.expr(rhs, scope, hint)?;
                self.binary(*op, &a, &b, e.span)
            }
            ExprKind::Postfix(op, _, inner) => {
                let value = self.expr(inner, scope, None)?;
                self.postfix(*op, &value, e.span)
            }
            ExprKind::Norm(_, inner) => {
                let value = self.expr(inner, scope, None)?;
                self.norm_power(&value, &Value::Number(1.0), e.span)
            }
            ExprKind::Call(callee, arguments) => self.call_expr(callee, arguments, scope, e.span, expected),
            ExprKind::Index(base, items) => self.index_expr(base, items, scope, e.span),
            ExprKind::Member(base, name) => {
                let base_value = self.expr(base, scope, None)?;
                match base_value {
                    Value::Problem(p) => self.member(&p, name),
                    other => Err(fault(e.span, format!("{} has no members", other.kind()))),
                }
            }
            ExprKind::With(base, changes) => {
                let value = self.expr(base, scope, None)?;
                match value {
                    Value::Problem(p) => Ok(Value::Problem(self.changed(&p, changes, scope))),
                    other => Err(fault(base.span, format!("`with` changes a problem, not {}", other.kind()))),
                }
            }
            ExprKind::Gradient(_, f) => {
                let f = self.function(f, scope)?;
                Ok(Value::Function(Rc::new(Function::Gradient(f))))
            }
            ExprKind::Jacobian(_, f) => {
                let f = self.function(f, scope)?;
                Ok(Value::Function(Rc::new(Function::Jacobian(f))))
            }
            ExprKind::Divergence(f) => {
                let f = self.function(f, scope)?;
                Ok(Value::Function(Rc::new(Function::Divergence(f))))
            }
            ExprKind::Laplacian(_, f) => {
                let f = self.function(f, scope)?;
                Ok(Value::Function(Rc::new(Function::Laplacian(f))))
            }
            ExprKind::Partial(_, name, body) => {
                let variable = self.lookup(name, scope)?;
                if let Value::Function(_) = variable {
                    let value = self.expr(body, scope, None)?;
                    let v = self.tensor(&value, body.span)?;
                    return self.parameter_gradient(name, v, body.span, scope).map(Value::Tensor);
                }
                let value = self.partial(&variable, e.span, |l, marked| {
                    let inner = Scope::child(scope);
                    inner.bind(&name.key, marked);
                    l.expr(body, &inner, None)
                })?;
                Ok(match value {
                    Value::Tensor(v) if self.b.ty(v).shape.len() == 2 => {
                        Value::Operator(Rc::new(super::operator::Operator::Dense(v)))
                    }
                    other => other,
                })
            }
            ExprKind::Integral(integral) => self.integral(integral, scope, e.span),
            ExprKind::Expectation(inner, None) => {
                let value = self.expr(inner, scope, None)?;
                let v = self.tensor(&value, inner.span)?;
                self.expectation(v, e.span).map(Value::Tensor)
            }
            ExprKind::Expectation(inner, Some(condition)) => {
                self.expectation_given(inner, condition, scope, e.span).map(Value::Tensor)
            }
            ExprKind::Variance(inner) => {
                let value = self.expr(inner, scope, None)?;
                let v = self.tensor(&value, inner.span)?;
                self.variance(v, e.span).map(Value::Tensor)
            }
            ExprKind::MeanOver(name, None, body) => self.mean_over(name, body, scope, e.span),
            ExprKind::MeanOver(name, Some(drawn), body) => self.mean_over_drawn(name, drawn, body, scope, e.span),
            ExprKind::Sum(_, name, range, body) => self.sum_over(name, range.as_deref(), body, scope, e.span),
        }
    }

    fn all(&mut self, items: &'a [Expr], scope: &Rc<Scope<'a>>) -> Lowered<Vec<Value<'a>>> {
        items.iter().map(|i| self.expr(i, scope, None)).collect()
    }

    /// One entry per choice of the indices.
    fn comprehend(
        &mut self,
        entry: &'a Expr,
        indices: &'a [(crate::source::Name, Expr, Expr)],
        scope: &Rc<Scope<'a>>,
        items: &mut Vec<Value<'a>>,
    ) -> Lowered<()> {
        let Some(((name, from, to), rest)) = indices.split_first() else {
            items.push(self.expr(entry, scope, None)?);
            return Ok(());
        };
        let (from, to) = (self.integer(from, scope)?, self.integer(to, scope)?);
        for i in from..=to {
            let inner = Scope::child(scope);
            inner.bind(&name.key, Value::Number(i as f64));
            self.comprehend(entry, rest, &inner, items)?;
        }
        Ok(())
    }

    /// An expression that is a function.
    pub fn function(&mut self, e: &'a Expr, scope: &Rc<Scope<'a>>) -> Lowered<Rc<Function<'a>>> {
        match self.expr(e, scope, None)? {
            Value::Function(f) => Ok(f),
            other => Err(fault(e.span, format!("expected a function, found {}", other.kind()))),
        }
    }

    /// An expression that is a whole number known now.
    pub fn integer(&mut self, e: &'a Expr, scope: &Rc<Scope<'a>>) -> Lowered<i64> {
        match self.expr(e, scope, None)? {
            Value::Number(x) if x.fract() == 0.0 && x.abs() < 9e15 => Ok(x as i64),
            Value::Number(x) => Err(fault(e.span, format!("expected a whole number, found {x}"))),
            other => {
                Err(fault(e.span, format!("expected a whole number known before the run, found {}", other.kind())))
            }
        }
    }

    /// An expression that is a size.
    pub fn size(&mut self, e: &'a Expr, scope: &Rc<Scope<'a>>) -> Lowered<usize> {
        match self.integer(e, scope)? {
            n if n >= 1 => Ok(n as usize),
            n => Err(fault(e.span, format!("expected a size, which is at least 1, found {n}"))),
        }
    }

    /// An expression that is a number known now.
    pub fn known(&mut self, e: &'a Expr, scope: &Rc<Scope<'a>>) -> Lowered<f64> {
        let value = self.expr(e, scope, None)?;
        self.known_value(&value, e.span)
    }

    /// A value that is a number known now.
    pub fn known_value(&mut self, value: &Value<'a>, span: Span) -> Lowered<f64> {
        let v = self.tensor(value, span)?;
        self.b.constant(v).ok_or_else(|| fault(span, "expected a number known before the run"))
    }

    /// The element of a list or range with this number, from 0.
    pub fn element(values: &Value<'a>, index: usize, span: Span) -> Lowered<Value<'a>> {
        match values {
            Value::List(items) => items.get(index).cloned(),
            Value::Range(from, to) => {
                let x = from + index as i64;
                (x <= *to).then_some(Value::Number(x as f64))
            }
            other => return Err(fault(span, format!("expected a list or a range, found {}", other.kind()))),
        }
        .ok_or_else(|| fault(span, format!("there is no element {}", index + 1)))
    }
}
