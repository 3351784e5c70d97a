//! Arithmetic of numbers, vectors, matrices and rows.

use std::rc::Rc;

use super::errors::{Lowered, fault};
use super::lowerer::Lowerer;
use super::operator::Operator;
use super::value::Value;
use crate::graph::{Binary, Unary, ValueId};
use crate::source::Span;
use crate::syntax::tree::{BinaryOp, PostfixOp};

/// A value sorted by how it multiplies.
enum Factor<'a> {
    Scalar(ValueId),
    Vector(ValueId),
    Row(ValueId),
    Matrix(Rc<Operator<'a>>),
    Array(ValueId),
}

impl<'a> Lowerer<'a> {
    fn factor(&mut self, value: &Value<'a>, span: Span) -> Lowered<Factor<'a>> {
        match value {
            Value::Operator(m) => return Ok(Factor::Matrix(m.clone())),
            Value::Row(v) => return Ok(Factor::Row(*v)),
            _ => {}
        }
        let v = self.tensor(value, span)?;
        Ok(match self.b.ty(v).shape.len() {
            0 => Factor::Scalar(v),
            1 => Factor::Vector(v),
            2 => Factor::Matrix(Rc::new(Operator::Dense(v))),
            _ => Factor::Array(v),
        })
    }

    /// `a ∘ b` for an operator between two values.
    pub fn binary(&mut self, op: BinaryOp, a: &Value<'a>, b: &Value<'a>, span: Span) -> Lowered<Value<'a>> {
        if let Some(known) = fold(op, a, b) {
            return Ok(known);
        }
        match op {
            BinaryOp::Multiply => self.multiply(a, b, span),
            BinaryOp::Divide => {
                let y = self.tensor(b, span)?;
                if !self.b.ty(y).shape.is_empty() {
                    return Err(fault(span, "only a scalar divides"));
                }
                match self.factor(a, span)? {
                    Factor::Scalar(x) | Factor::Vector(x) | Factor::Array(x) => Ok(Value::Tensor(self.b.div(x, y))),
                    Factor::Row(x) => Ok(Value::Row(self.b.div(x, y))),
                    Factor::Matrix(m) => {
                        let r = self.b.unary(Unary::Reciprocal, y);
                        Ok(self.scaled(r, m))
                    }
                }
            }
            BinaryOp::Dot => {
                let x = self.tensor(a, span)?;
                let y = self.tensor(b, span)?;
                self.inner(x, y, span).map(Value::Tensor)
            }
            BinaryOp::Add => self.add_values(a, b, span),
            BinaryOp::Subtract => {
                let n = self.negate(b, span)?;
                if let (Value::Operator(_), _) | (_, Value::Operator(_)) = (a, &n) {
                    return self.add_values(a, &n, span);
                }
                let x = self.tensor(a, span)?;
                let y = self.tensor(b, span)?;
                self.agree(x, y, span)?;
                Ok(Value::Tensor(self.b.sub(x, y)))
            }
            BinaryOp::Power => self.power(a, b, span),
            BinaryOp::Equal
            | BinaryOp::NotEqual
            | BinaryOp::Less
            | BinaryOp::LessEqual
            | BinaryOp::Greater
            | BinaryOp::GreaterEqual
            | BinaryOp::And
            | BinaryOp::Or => {
                let x = self.tensor(a, span)?;
                let y = self.tensor(b, span)?;
                Ok(Value::Tensor(self.compare(op, x, y)))
            }
        }
    }

    fn compare(&mut self, op: BinaryOp, x: ValueId, y: ValueId) -> ValueId {
        let not = |l: &mut Self, v| {
            let one = l.b.number(1.0);
            l.b.sub(one, v)
        };
        match op {
            BinaryOp::Less => self.b.binary(Binary::Less, x, y),
            BinaryOp::LessEqual => self.b.binary(Binary::LessEqual, x, y),
            BinaryOp::Greater => self.b.binary(Binary::Less, y, x),
            BinaryOp::GreaterEqual => self.b.binary(Binary::LessEqual, y, x),
            BinaryOp::NotEqual => {
                let e = self.b.binary(Binary::Equal, x, y);
                not(self, e)
            }
            BinaryOp::And => self.b.mul(x, y),
            BinaryOp::Or => self.b.binary(Binary::Maximum, x, y),
            _ => self.b.binary(Binary::Equal, x, y),
        }
    }

    /// A·B, A·x, xᵀ·A, xᵀ·y, c·anything.
    pub fn multiply(&mut self, a: &Value<'a>, b: &Value<'a>, span: Span) -> Lowered<Value<'a>> {
        let x = self.factor(a, span)?;
        let y = self.factor(b, span)?;
        match (x, y) {
            (Factor::Scalar(c), Factor::Scalar(v) | Factor::Vector(v) | Factor::Array(v))
            | (Factor::Vector(v) | Factor::Array(v), Factor::Scalar(c)) => Ok(Value::Tensor(self.b.mul(c, v))),
            (Factor::Scalar(c), Factor::Row(v)) | (Factor::Row(v), Factor::Scalar(c)) => {
                Ok(Value::Row(self.b.mul(c, v)))
            }
            (Factor::Scalar(c), Factor::Matrix(m)) | (Factor::Matrix(m), Factor::Scalar(c)) => Ok(self.scaled(c, m)),
            (Factor::Matrix(m), Factor::Vector(v)) => {
                let (_, columns) = self.extent(&m);
                if self.b.ty(v).shape[0] != columns {
                    return Err(fault(
                        span,
                        format!(
                            "a matrix with {columns} columns does not go with a vector of size {}",
                            self.b.ty(v).shape[0]
                        ),
                    ));
                }
                self.apply(&m, v).map(Value::Tensor)
            }
            (Factor::Matrix(m), Factor::Matrix(n)) => {
                if self.extent(&m).1 != self.extent(&n).0 {
                    return Err(fault(
                        span,
                        format!("matrices of shapes {:?} and {:?} have no product", self.extent(&m), self.extent(&n)),
                    ));
                }
                Ok(Value::Operator(Rc::new(match (&*m, &*n) {
                    (Operator::Scalar(c, _), Operator::Scalar(d, k)) => Operator::Scalar(self.b.mul(*c, *d), *k),
                    (Operator::Scalar(c, _), _) => return Ok(self.scaled(*c, n)),
                    (_, Operator::Scalar(c, _)) => return Ok(self.scaled(*c, m)),
                    (Operator::Diagonal(c), Operator::Diagonal(d)) => Operator::Diagonal(self.b.mul(*c, *d)),
                    _ => Operator::Product(m, n),
                })))
            }
            (Factor::Row(v), Factor::Matrix(m)) => {
                let t = (*m).clone().transposed();
                self.apply(&t, v).map(Value::Row)
            }
            (Factor::Row(x), Factor::Vector(y)) => self.inner(x, y, span).map(Value::Tensor),
            (Factor::Vector(x), Factor::Row(y)) => {
                let m = self.b.contract(x, &[0], y, &[1], &[0, 1], &[]);
                Ok(Value::Operator(Rc::new(Operator::Dense(m))))
            }
            (Factor::Vector(_), Factor::Vector(_)) => {
                Err(fault(span, "two vectors have no product `*`; their inner product is u·v"))
            }
            _ => Err(fault(span, "these shapes have no product")),
        }
    }

    fn scaled(&mut self, c: ValueId, m: Rc<Operator<'a>>) -> Value<'a> {
        Value::Operator(match &*m {
            Operator::Scalar(d, n) => Rc::new(Operator::Scalar(self.b.mul(c, *d), *n)),
            Operator::Diagonal(d) => Rc::new(Operator::Diagonal(self.b.mul(c, *d))),
            // A number per path does not make an array per path.
            Operator::Dense(d) if self.sample.is_none_or(|s| !self.b.ty(c).varies(s) || self.b.ty(*d).varies(s)) => {
                Rc::new(Operator::Dense(self.b.mul(c, *d)))
            }
            Operator::Scaled(d, inner) => Rc::new(Operator::Scaled(self.b.mul(c, *d), inner.clone())),
            Operator::Zero(..) => m,
            _ => Rc::new(Operator::Scaled(c, m)),
        })
    }

    fn add_values(&mut self, a: &Value<'a>, b: &Value<'a>, span: Span) -> Lowered<Value<'a>> {
        if matches!(a, Value::Operator(_)) || matches!(b, Value::Operator(_)) {
            let x = self.operator(a, span)?;
            let y = self.operator(b, span)?;
            if self.extent(&x) != self.extent(&y) {
                return Err(fault(
                    span,
                    format!("matrices of shapes {:?} and {:?} have no sum", self.extent(&x), self.extent(&y)),
                ));
            }
            return Ok(Value::Operator(match (&*x, &*y) {
                (Operator::Zero(..), _) => y,
                (_, Operator::Zero(..)) => x,
                (Operator::Scalar(c, n), Operator::Scalar(d, _)) => Rc::new(Operator::Scalar(self.b.add(*c, *d), *n)),
                (Operator::Diagonal(c), Operator::Diagonal(d)) => Rc::new(Operator::Diagonal(self.b.add(*c, *d))),
                (Operator::Dense(c), Operator::Dense(d)) => Rc::new(Operator::Dense(self.b.add(*c, *d))),
                _ => Rc::new(Operator::Sum(x, y)),
            }));
        }
        let x = self.tensor(a, span)?;
        let y = self.tensor(b, span)?;
        self.agree(x, y, span)?;
        Ok(Value::Tensor(self.b.add(x, y)))
    }

    /// Equal shapes, or a plain zero beside anything.
    fn agree(&mut self, x: ValueId, y: ValueId, span: Span) -> Lowered<()> {
        let (s, t) = (&self.b.ty(x).shape, &self.b.ty(y).shape);
        if s == t || (s.is_empty() && self.b.is_zero(x)) || (t.is_empty() && self.b.is_zero(y)) {
            Ok(())
        } else {
            Err(fault(span, format!("shapes {s:?} and {t:?} have no sum")))
        }
    }

    /// Σ x_i y_i
    pub fn inner(&mut self, x: ValueId, y: ValueId, span: Span) -> Lowered<ValueId> {
        let (s, t) = (self.b.ty(x).shape.clone(), self.b.ty(y).shape.clone());
        if s != t {
            return Err(fault(span, format!("an inner product takes one shape, found {s:?} and {t:?}")));
        }
        if s.is_empty() {
            return Ok(self.b.mul(x, y));
        }
        let labels: Vec<u8> = (0..s.len() as u8).collect();
        Ok(self.b.contract(x, &labels, y, &labels, &[], &[]))
    }

    /// −a
    pub fn negate(&mut self, a: &Value<'a>, span: Span) -> Lowered<Value<'a>> {
        match a {
            Value::Number(x) => Ok(Value::Number(-x)),
            Value::Operator(m) => {
                let c = self.b.number(-1.0);
                let m = m.clone();
                Ok(self.scaled(c, m))
            }
            Value::Row(v) => Ok(Value::Row(self.b.neg(*v))),
            other => {
                let v = self.tensor(other, span)?;
                Ok(Value::Tensor(self.b.neg(v)))
            }
        }
    }

    /// |x|ⁿ; even powers without a root, whose derivative would fail at 0.
    pub fn norm_power(&mut self, a: &Value<'a>, n: &Value<'a>, span: Span) -> Lowered<Value<'a>> {
        if let (Value::Number(x), Value::Number(n)) = (a, n) {
            return Ok(Value::Number(x.abs().powf(*n)));
        }
        let v = self.tensor(a, span)?;
        let scalar = self.b.ty(v).shape.is_empty();
        if let Value::Number(1.0) = n
            && scalar
        {
            return Ok(Value::Tensor(self.b.unary(Unary::Absolute, v)));
        }
        let square = if scalar { self.b.unary(Unary::Power(2), v) } else { self.inner(v, v, span)? };
        match n {
            Value::Number(2.0) => Ok(Value::Tensor(square)),
            Value::Number(1.0) => Ok(Value::Tensor(self.b.unary(Unary::SquareRoot, square))),
            other => {
                let half = self.binary(BinaryOp::Divide, other, &Value::Number(2.0), span)?;
                self.power(&Value::Tensor(square), &half, span)
            }
        }
    }

    fn power(&mut self, a: &Value<'a>, b: &Value<'a>, span: Span) -> Lowered<Value<'a>> {
        if let (Value::Operator(m), Value::Number(2.0)) = (a, b) {
            return self.multiply(&Value::Operator(m.clone()), &Value::Operator(m.clone()), span);
        }
        let x = self.tensor(a, span)?;
        if let Value::Number(n) = b {
            if n.fract() == 0.0 && n.abs() <= 64.0 {
                return Ok(Value::Tensor(match *n as i32 {
                    0 => self.b.number(1.0),
                    -1 => self.b.unary(Unary::Reciprocal, x),
                    n => self.b.unary(Unary::Power(n), x),
                }));
            }
            if *n == 0.5 {
                return Ok(Value::Tensor(self.b.unary(Unary::SquareRoot, x)));
            }
        }
        let y = self.tensor(b, span)?;
        Ok(Value::Tensor(self.b.binary(Binary::Power, x, y)))
    }

    /// `A'`, `A⁻¹`, `A⁻ᵀ`
    pub fn postfix(&mut self, op: PostfixOp, a: &Value<'a>, span: Span) -> Lowered<Value<'a>> {
        match self.factor(a, span)? {
            Factor::Scalar(v) => Ok(match op {
                PostfixOp::Transpose => Value::Tensor(v),
                PostfixOp::Inverse | PostfixOp::InverseTranspose => Value::Tensor(self.b.unary(Unary::Reciprocal, v)),
            }),
            Factor::Vector(v) if op == PostfixOp::Transpose => Ok(Value::Row(v)),
            Factor::Row(v) if op == PostfixOp::Transpose => Ok(Value::Tensor(v)),
            Factor::Matrix(m) => {
                let m = (*m).clone();
                Ok(Value::Operator(Rc::new(match op {
                    PostfixOp::Transpose => m.transposed(),
                    PostfixOp::Inverse => Operator::Inverse(Rc::new(m)),
                    PostfixOp::InverseTranspose => Operator::Inverse(Rc::new(m.transposed())),
                })))
            }
            _ => Err(fault(span, "only a square matrix has an inverse, only a matrix or a vector a transpose")),
        }
    }

    /// A function of one number, entry by entry.
    pub fn map_scalar(&mut self, f: Unary, a: &Value<'a>, span: Span) -> Lowered<Value<'a>> {
        let v = self.tensor(a, span)?;
        let y = self.b.unary(f, v);
        if let (Value::Number(_), Some(known)) = (a, self.b.constant(y)) {
            return Ok(Value::Number(known));
        }
        Ok(Value::Tensor(y))
    }
}

fn fold<'a>(op: BinaryOp, a: &Value<'a>, b: &Value<'a>) -> Option<Value<'a>> {
    if let (Value::List(x), Value::List(y), BinaryOp::Equal) = (a, b, op)
        && (x.is_empty() || y.is_empty())
    {
        return Some(Value::Bool(x.is_empty() && y.is_empty()));
    }
    if let (Value::Bool(x), Value::Bool(y)) = (a, b) {
        return match op {
            BinaryOp::And => Some(Value::Bool(*x && *y)),
            BinaryOp::Or => Some(Value::Bool(*x || *y)),
            BinaryOp::Equal => Some(Value::Bool(x == y)),
            _ => None,
        };
    }
    let (Value::Number(x), Value::Number(y)) = (a, b) else { return None };
    Some(match op {
        BinaryOp::Add => Value::Number(x + y),
        BinaryOp::Subtract => Value::Number(x - y),
        BinaryOp::Multiply | BinaryOp::Dot => Value::Number(x * y),
        BinaryOp::Divide => Value::Number(x / y),
        BinaryOp::Power => Value::Number(x.powf(*y)),
        BinaryOp::Equal => Value::Bool(x == y),
        BinaryOp::NotEqual => Value::Bool(x != y),
        BinaryOp::Less => Value::Bool(x < y),
        BinaryOp::LessEqual => Value::Bool(x <= y),
        BinaryOp::Greater => Value::Bool(x > y),
        BinaryOp::GreaterEqual => Value::Bool(x >= y),
        BinaryOp::And | BinaryOp::Or => return None,
    })
}
