//! Derivatives of functions of the text: each is one or several passes of `transform` over the values just made.

use std::rc::Rc;

use super::errors::{Lowered, explained, fault};
use super::known::{Detached, rests_on};
use super::lowerer::Lowerer;
use super::operator::Operator;
use super::time::Moment;
use super::tridiagonal::Bands;
use super::value::{Function, Value};
use crate::graph::{AxisId, Op, Type, ValueId};
use crate::source::Span;
use crate::transform::{jvp, vjp};

/// A function at a point: the derivative there, ready to be applied.
pub struct Tangent<'a> {
    function: Rc<Function<'a>>,
    arguments: Vec<Value<'a>>,
    span: Span,
    /// The point, marked.
    pub input: ValueId,
    /// The function's value there.
    pub output: ValueId,
}

impl<'a> Lowerer<'a> {
    /// The value as a variable of its own.
    pub fn mark(&mut self, v: ValueId) -> ValueId {
        self.marks += 1;
        self.b.push(Op::Mark(self.marks, v))
    }

    /// Evaluates a function at a marked point that varies over at least `axes`, and over all that the value varies over,
    /// so that a derivative at each index is the derivative there alone.
    fn tangent(
        &mut self,
        f: &Rc<Function<'a>>,
        args: &[Value<'a>],
        axes: &[AxisId],
        span: Span,
    ) -> Lowered<Tangent<'a>> {
        let Some(first) = args.first() else {
            return Err(fault(span, "a derivative is taken at a point, and there is none"));
        };
        let point = self.tensor(first, span)?;
        let mut input = self.b.spread(point, axes);
        loop {
            let marked = self.mark(input);
            let mut all = args.to_vec();
            all[0] = Value::Tensor(marked);
            let value = self.call(f, all.into_iter().map(|v| (None, v)).collect(), span, None)?;
            let output = self.tensor(&value, span)?;
            let wider = self.b.spread(input, &self.b.ty(output).axes.clone());
            if wider == input {
                // A field that does not depend on the point still has a value at each index.
                let output = self.b.spread(output, &self.b.ty(input).axes.clone());
                return Ok(Tangent { function: f.clone(), arguments: args.to_vec(), span, input: marked, output });
            }
            input = wider;
        }
    }

    /// ∇f(x, …): the gradient in the first argument.
    pub fn gradient(&mut self, f: &Rc<Function<'a>>, args: &[Value<'a>], span: Span) -> Lowered<ValueId> {
        let t = self.tangent(f, args, &[], span)?;
        let ty = self.b.ty(t.output).clone();
        if !ty.shape.is_empty() {
            return Err(fault(span, "∇ takes the gradient of a scalar field; the Jacobian of a vector field f is ∂f"));
        }
        let one = self.b.filled(1.0, ty);
        if let Some(found) = vjp(&mut self.b, &[(t.output, one)], &[t.input])[0] {
            return Ok(found);
        }
        if rests_on(&self.b, t.output, t.input, Detached::DoesNotCount) {
            let what = "the gradient of this field is zero wherever it exists: its value changes in jumps alone";
            let help =
                "smooth the jumps, `sigmoid(x/width)` for `if x > 0 then 1 else 0`, or take what needs no gradient";
            return Err(explained(text_of(f).unwrap_or(span), what, "this field", help));
        }
        let ty = self.b.ty(t.input).clone();
        Ok(self.b.filled(0.0, ty))
    }

    fn cotangent(&mut self, output: ValueId, input: ValueId, seed: ValueId) -> ValueId {
        let found = vjp(&mut self.b, &[(output, seed)], &[input])[0];
        found.unwrap_or_else(|| {
            let ty = self.b.ty(input).clone();
            self.b.filled(0.0, ty)
        })
    }

    /// ∂f(x, …) as a matrix that is not built yet.
    pub fn jacobian(&mut self, f: &Rc<Function<'a>>, args: &[Value<'a>], span: Span) -> Lowered<Operator<'a>> {
        let t = self.tangent(f, args, &[], span)?;
        let (rows, columns) = (self.b.ty(t.output).shape.clone(), self.b.ty(t.input).shape.clone());
        if rows.len() != 1 || columns.len() != 1 {
            return Err(fault(span, "∂ takes the Jacobian of a vector field in a vector"));
        }
        Ok(Operator::Jacobian(Rc::new(t)))
    }

    /// The tangent again, at a point that varies over the axes of `v` too.
    fn widened(&mut self, t: &Rc<Tangent<'a>>, v: ValueId) -> Lowered<Rc<Tangent<'a>>> {
        let axes = self.b.ty(v).axes.clone();
        if axes.iter().all(|x| self.b.ty(t.input).varies(*x)) {
            return Ok(t.clone());
        }
        Ok(Rc::new(self.tangent(&t.function.clone(), &t.arguments.clone(), &axes, t.span)?))
    }

    /// ∂fᵀ·v by one vjp.
    pub fn pull_back(&mut self, t: &Rc<Tangent<'a>>, v: ValueId) -> Lowered<ValueId> {
        if self.b.ty(v).shape.len() == 2 {
            let rows = self.jacobian_rows(t);
            return Ok(self.b.contract(rows, &[1, 0], v, &[1, 2], &[0, 2], &[]));
        }
        let t = self.widened(t, v)?;
        let ty = self.b.ty(t.output).clone();
        let seed = self.b.broadcast(v, ty);
        Ok(self.cotangent(t.output, t.input, seed))
    }

    /// ∂f·v by one jvp.
    pub fn push_forward(&mut self, t: &Rc<Tangent<'a>>, v: ValueId) -> Lowered<ValueId> {
        if self.b.ty(v).shape.len() == 2 {
            let rows = self.jacobian_rows(t);
            return Ok(self.b.contract(rows, &[0, 1], v, &[1, 2], &[0, 2], &[]));
        }
        let t = self.widened(t, v)?;
        let ty = self.b.ty(t.input).clone();
        let seed = self.b.broadcast(v, ty);
        Ok(self.tangent_of(t.output, t.input, seed))
    }

    /// The derivative of `output` as `input` moves along `seed`.
    pub fn tangent_of(&mut self, output: ValueId, input: ValueId, seed: ValueId) -> ValueId {
        jvp(&mut self.b, output, &[(input, seed)]).unwrap_or_else(|| {
            let ty = self.b.ty(output).clone();
            self.b.filled(0.0, ty)
        })
    }

    /// The Jacobian as an array `[outputs, inputs]`, row by row.
    pub fn jacobian_rows(&mut self, t: &Tangent<'a>) -> ValueId {
        self.jacobian_of(t.output, t.input)
    }

    /// ∂output/∂input as an array `[outputs, inputs]` over all entries of both, one vjp for each row. The input varies
    /// over all that the output varies over.
    pub fn jacobian_of(&mut self, output: ValueId, input: ValueId) -> ValueId {
        let ty = self.b.ty(output).clone();
        let n = ty.elements();
        let columns = self.b.ty(input).elements();
        let eye = self.b.push(Op::Eye(n));
        let mut rows = Vec::with_capacity(n);
        for i in 0..n {
            let e = self.b.push(Op::Slice { dim: 0, start: i, length: 1, of: eye });
            let e = self.b.reshape(e, ty.shape.clone());
            let e = self.b.broadcast(e, ty.clone());
            let row = self.cotangent(output, input, e);
            rows.push(self.b.reshape(row, [1, columns]));
        }
        self.b.push(Op::Concat(0, rows))
    }

    /// div f(x, …) = Σ ∂f_i/∂x_i, exactly, by one jvp per coordinate.
    pub fn divergence(&mut self, f: &Rc<Function<'a>>, args: &[Value<'a>], span: Span) -> Lowered<ValueId> {
        let t = self.tangent(f, args, &[], span)?;
        let ty = self.b.ty(t.input).clone();
        if ty.shape.len() != 1 || self.b.ty(t.output).shape != ty.shape {
            return Err(fault(span, "div takes a vector field with as many components as its argument"));
        }
        let n = ty.shape[0];
        let eye = self.b.push(Op::Eye(n));
        let mut total = self.b.number(0.0);
        for i in 0..n {
            let e = self.b.push(Op::Slice { dim: 0, start: i, length: 1, of: eye });
            let e = self.b.reshape(e, [n]);
            let e = self.b.broadcast(e, ty.clone());
            let column = self.tangent_of(t.output, t.input, e);
            let entry = self.b.push(Op::Slice { dim: 0, start: i, length: 1, of: column });
            let entry = self.b.reshape(entry, []);
            total = self.b.add(total, entry);
        }
        Ok(total)
    }

    /// ∂[s] e: `evaluate` lowers e with s standing for the marked value.
    pub fn partial(
        &mut self,
        variable: &Value<'a>,
        span: Span,
        evaluate: impl FnOnce(&mut Self, Value<'a>) -> Lowered<Value<'a>>,
    ) -> Lowered<Value<'a>> {
        let v = self.tensor(variable, span)?;
        if !self.b.ty(v).shape.is_empty() {
            return Err(fault(span, "∂[x] e is a derivative in a scalar x; the Jacobian of a field f is ∂f"));
        }
        let marked = self.mark(v);
        let standing = match variable {
            Value::Time(m) => Value::Time(Moment { place: m.place, value: marked }),
            _ => Value::Tensor(marked),
        };
        let value = evaluate(self, standing)?;
        if let Value::Operator(m) = &value
            && !self.sample_free(m)
        {
            let slope = self.slope_of_matrix(m, marked)?;
            return Ok(Value::Operator(Rc::new(slope)));
        }
        let output = self.tensor(&value, span)?;
        Ok(Value::Tensor(self.slope_along(output, marked)))
    }

    fn slope_along(&mut self, output: ValueId, marked: ValueId) -> ValueId {
        let ty: Type = self.b.ty(marked).clone();
        let one = self.b.filled(1.0, ty);
        self.tangent_of(output, marked, one)
    }

    /// The derivative of a matrix, summand by summand and factor by factor, so that arrays which do not vary over samples
    /// are not built for each of them.
    fn slope_of_matrix(&mut self, m: &Operator<'a>, marked: ValueId) -> Lowered<Operator<'a>> {
        Ok(match m {
            Operator::Scalar(c, n) => Operator::Scalar(self.slope_along(*c, marked), *n),
            Operator::Diagonal(v) => Operator::Diagonal(self.slope_along(*v, marked)),
            Operator::Tridiagonal(bands) => Operator::Tridiagonal(Bands {
                below: self.slope_along(bands.below, marked),
                on: self.slope_along(bands.on, marked),
                above: self.slope_along(bands.above, marked),
            }),
            Operator::Zero(r, c) => Operator::Zero(*r, *c),
            Operator::Sum(a, b) => {
                let (a, b) = (self.slope_of_matrix(a, marked)?, self.slope_of_matrix(b, marked)?);
                Operator::Sum(Rc::new(a), Rc::new(b))
            }
            Operator::Scaled(c, a) => {
                let outer = Operator::Scaled(self.slope_along(*c, marked), a.clone());
                let inner = Operator::Scaled(*c, Rc::new(self.slope_of_matrix(a, marked)?));
                Operator::Sum(Rc::new(outer), Rc::new(inner))
            }
            Operator::Transpose(a) => self.slope_of_matrix(a, marked)?.transposed(),
            Operator::Product(a, b) => {
                let left = Operator::Product(Rc::new(self.slope_of_matrix(a, marked)?), b.clone());
                let right = Operator::Product(a.clone(), Rc::new(self.slope_of_matrix(b, marked)?));
                Operator::Sum(Rc::new(left), Rc::new(right))
            }
            Operator::Dense(_) | Operator::Inverse(_) | Operator::Stack(_) | Operator::Jacobian(_) => {
                let built = self.densify(m)?;
                Operator::Dense(self.slope_along(built, marked))
            }
        })
    }
}

/// Where the text says what a field is worth.
fn text_of(f: &Function<'_>) -> Option<Span> {
    match f {
        Function::Closure { body, .. } => Some(body.span),
        Function::Detached(inner) | Function::Copied(inner, _) => text_of(inner),
        Function::Member(p, name) => {
            let terms = match name.as_str() {
                "g" | "terminal" => &p.structure.terminal,
                "f" | "running" => &p.structure.running,
                _ => return None,
            };
            terms.iter().map(|(_, term)| term.span).reduce(Span::to)
        }
        _ => None,
    }
}
