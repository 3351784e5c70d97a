//! Expressions, kind by kind.

use std::rc::Rc;

use super::arithmetic::as_size;
use super::errors::{NoField, NotASize, OutOfRange, WrongKind};
use super::function::Function;
use super::scope::Scope;
use super::ty::{Tensor, Ty, axis_of_samples};
use super::typer::Typer;
use crate::check::builtin::Rule;
use crate::check::size::Size;
use crate::check::walk::as_name;
use crate::source::Span;
use crate::syntax::tree::{Expr, ExprKind, UnaryOp};

impl<'a> Typer<'a> {
    /// The type of an expression. `expected` is the shape that its place asks for, where the place knows one: it sizes
    /// layers whose result nothing else does.
    pub(crate) fn expr(&mut self, expr: &'a Expr, scope: &Rc<Scope<'a>>, expected: Option<&[Size]>) -> Ty<'a> {
        let at = expr.span;
        match &expr.kind {
            ExprKind::Number { value, .. } => Ty::Number(*value),
            ExprKind::Text(_) => Ty::Text,
            ExprKind::Bool(value) => Ty::Bool(Some(*value), super::ty::Axes::new()),
            ExprKind::Name(name) => self.lookup(name, scope),
            ExprKind::Hole => Ty::Hole,
            ExprKind::Group(inner) => self.expr(inner, scope, expected),
            ExprKind::Tuple(items) => Ty::Tuple(Rc::new(self.all(items, scope))),
            ExprKind::List(items) => Ty::List(Rc::new(self.all(items, scope))),
            ExprKind::Comprehension(entry, indices) => self.comprehension(entry, indices, scope),
            ExprKind::Range(from, to) => self.range(from, to, scope),
            ExprKind::Lambda(params, body) => Ty::Function(Rc::new(Function::Closure(super::function::Closure {
                name: None,
                params,
                result: None,
                body,
                scope: Scope::timeless(scope),
                known: std::cell::RefCell::default(),
            }))),
            ExprKind::If(condition, yes, no) => self.choose(condition, (yes, no), scope, expected),
            ExprKind::Unary(UnaryOp::Negate, _, inner) => {
                let ty = self.expr(inner, scope, expected);
                self.negate(&ty, inner.span, scope)
            }
            ExprKind::Unary(UnaryOp::SquareRoot, _, inner) => match self.expr(inner, scope, None) {
                Ty::Poison => Ty::Poison,
                ty => match self.tensor(&ty, inner.span, scope) {
                    Some(tensor) if tensor.is_scalar() => Ty::Tensor(tensor),
                    Some(tensor) => {
                        self.wrong_kind("a number under the root", &Ty::Tensor(tensor), inner.span, None, None)
                    }
                    None => Ty::Poison,
                },
            },
            ExprKind::Unary(UnaryOp::Not, _, inner) => match self.expr(inner, scope, None) {
                Ty::Bool(known, axes) => Ty::Bool(known.map(|value| !value), axes),
                Ty::Poison => Ty::Poison,
                other => self.wrong_kind("a truth value", &other, inner.span, None, None),
            },
            ExprKind::Binary(op, _, left, right) => {
                let hint = match op {
                    crate::syntax::tree::BinaryOp::Add | crate::syntax::tree::BinaryOp::Subtract => expected,
                    _ => None,
                };
                let a = self.expr(left, scope, hint);
                let b = self.expr(right, scope, hint);
                self.binary(*op, (&a, left.span), (&b, right.span), scope)
            }
            ExprKind::Postfix(op, _, inner) => {
                let ty = self.expr(inner, scope, None);
                self.postfix(*op, &ty, inner.span, scope)
            }
            ExprKind::Norm(_, inner) => {
                let ty = self.expr(inner, scope, None);
                self.tensor(&ty, inner.span, scope).map_or(Ty::Poison, |tensor| Ty::Tensor(Tensor::scalar(tensor.axes)))
            }
            ExprKind::Call(callee, arguments) => self.call_expr(callee, arguments, at, scope, expected),
            ExprKind::Index(base, indices) => self.index(base, indices, at, scope),
            ExprKind::Member(base, name) => match self.expr(base, scope, None) {
                Ty::Problem(problem) => self.member(&problem, name),
                Ty::Poison => Ty::Poison,
                other => {
                    let help = "a `.` asks a problem for a member".to_string();
                    self.wrong_kind("a problem before the `.`", &other, base.span, None, Some(help))
                }
            },
            ExprKind::With(base, lets) => self.with(base, lets, at, scope),
            ExprKind::Gradient(_, inner) => self.field("∇", inner, scope, Function::Gradient),
            ExprKind::Jacobian(_, inner) => self.field("∂", inner, scope, Function::Jacobian),
            ExprKind::Divergence(inner) => self.field("div", inner, scope, Function::Divergence),
            ExprKind::Laplacian(_, inner) => self.field("Δ", inner, scope, Function::Laplacian),
            ExprKind::Partial(_, name, body) => self.partial(name, body, scope),
            ExprKind::Integral(integral) => self.integral(integral, scope),
            ExprKind::Expectation(inner, None) => self.expectation("an expectation", inner, at, scope),
            ExprKind::Expectation(inner, Some(condition)) => self.expectation_given(inner, condition, at, scope),
            ExprKind::Variance(inner) => self.expectation("a variance", inner, at, scope),
            ExprKind::MeanOver(name, None, body) => self.mean_over(name, body, scope),
            ExprKind::MeanOver(name, Some(drawn), body) => self.mean_over_drawn(name, drawn, body, scope),
            ExprKind::Sum(_, name, bounds, body) => self.sum_over(name, bounds.as_deref(), body, at, scope),
        }
    }

    pub(crate) fn all(&mut self, items: &'a [Expr], scope: &Rc<Scope<'a>>) -> Vec<Ty<'a>> {
        items.iter().map(|item| self.expr(item, scope, None)).collect()
    }

    fn range(&mut self, from: &'a Expr, to: &'a Expr, scope: &Rc<Scope<'a>>) -> Ty<'a> {
        let mut ends = [None, None];
        for (end, expr) in ends.iter_mut().zip([from, to]) {
            match self.expr(expr, scope, None) {
                Ty::Poison => return Ty::Poison,
                Ty::Index(_) => {}
                ty => match as_size(&ty) {
                    Some(size) => *end = Some(size),
                    None => return self.wrong_kind("a whole number known before the run", &ty, expr.span, None, None),
                },
            }
        }
        let [from, to] = ends;
        Ty::Range(from, to)
    }

    fn field(
        &mut self,
        operator: &'static str,
        inner: &'a Expr,
        scope: &Rc<Scope<'a>>,
        make: impl FnOnce(Rc<Function<'a>>, Span) -> Function<'a>,
    ) -> Ty<'a> {
        match self.expr(inner, scope, None) {
            Ty::Poison => Ty::Poison,
            Ty::Function(field) => Ty::Function(Rc::new(make(field, inner.span))),
            other => {
                let found = other.describe();
                self.report(inner.span, NoField { operator, found, at: inner.span })
            }
        }
    }

    /// A size in brackets, or a count: a natural number, known or named; `None` after an error.
    pub(crate) fn size(&mut self, expr: &'a Expr, scope: &Rc<Scope<'a>>) -> Option<Size> {
        let ty = self.expr(expr, scope, None);
        if ty.is_poison() {
            return None;
        }
        match as_size(&ty) {
            Some(size) if size.value().is_none_or(|value| value >= 1) => Some(size),
            _ => {
                let found = ty.describe();
                let text = self.text(expr.span);
                if as_name(expr).is_some() && !self.no_sizes.insert(text.clone()) {
                    return None;
                }
                let what =
                    if matches!(ty, Ty::Number(_)) { "a size".to_string() } else { format!("the size `{text}`") };
                let call = self.through();
                self.report(expr.span, NotASize { what, found, at: expr.span, because: None, call });
                None
            }
        }
    }

    /// `I[d]`, `x[i]`, `widths[1]`, `x[1..3]`
    fn index(&mut self, base: &'a Expr, indices: &'a [Expr], at: Span, scope: &Rc<Scope<'a>>) -> Ty<'a> {
        let ty = self.expr(base, scope, None);
        match &ty {
            Ty::Poison => return Ty::Poison,
            Ty::Function(function) => {
                if let Function::Builtin(builtin) = &**function
                    && matches!(builtin.name, "softmax" | "logsumexp" | "max" | "quantile")
                    && let [one] = indices
                    && let Some(axis) = as_name(one).and_then(axis_of_samples)
                {
                    return Ty::Function(Rc::new(Function::OverSamples(builtin, axis)));
                }
                if let Function::Builtin(builtin) = &**function
                    && matches!(builtin.rule, Rule::Identity | Rule::Filled | Rule::Drawn | Rule::Reshape)
                {
                    let sizes: Option<Vec<Size>> = indices.iter().map(|index| self.size(index, scope)).collect();
                    let Some(sizes) = sizes else { return Ty::Poison };
                    return match (builtin.rule, sizes.as_slice()) {
                        (Rule::Identity, [n]) => {
                            Ty::Tensor(Tensor::of(vec![n.clone(), n.clone()], super::ty::Axes::new()))
                        }
                        (Rule::Identity, _) => {
                            let help = format!("write `{}`", builtin.usage);
                            let error = WrongKind {
                                expected: "one size of the identity".into(),
                                found: format!("{} sizes", sizes.len()),
                                at,
                                because: None,
                                call: self.through(),
                                help: Some(help),
                            };
                            self.report(at, error)
                        }
                        (Rule::Filled, _) => Ty::Tensor(Tensor::of(sizes, super::ty::Axes::new())),
                        _ => Ty::Function(Rc::new(Function::Sized(builtin, sizes))),
                    };
                }
                let help = "brackets hold sizes and indices; a function takes its arguments in parentheses".to_string();
                return self.wrong_kind(
                    "a vector, a matrix or a list before the `[`",
                    &ty,
                    base.span,
                    None,
                    Some(help),
                );
            }
            Ty::List(items) => {
                let [index] = indices else {
                    return self.wrong_kind("one index into a list", &ty, at, None, None);
                };
                return match self.expr(index, scope, None) {
                    Ty::Poison => Ty::Poison,
                    Ty::Number(value) if value.fract() == 0.0 => match items.get((value - 1.0) as usize) {
                        Some(item) if value >= 1.0 => item.clone(),
                        _ => self.out_of_range(items.len().to_string(), format!("{value}"), index.span),
                    },
                    other => self.wrong_kind("an index known before the run", &other, index.span, None, None),
                };
            }
            _ => {}
        }
        let Some(tensor) = self.tensor(&ty, base.span, scope) else { return Ty::Poison };
        if tensor.shape.len() != indices.len() {
            let expected = format!(
                "{} of {}",
                count(tensor.shape.len(), "index", "indices"),
                Ty::Tensor(tensor.clone()).describe()
            );
            let found = count(indices.len(), "index", "indices");
            let call = self.through();
            return self.report(at, WrongKind { expected, found, at, because: None, call, help: None });
        }
        let mut kept = Vec::new();
        let shape = tensor.shape.clone();
        for (index, size) in indices.iter().zip(&shape) {
            let (from, to, single) = match self.expr(index, scope, None) {
                Ty::Poison => return Ty::Poison,
                Ty::Number(value) if value.fract() == 0.0 => {
                    let one = Size::constant(value as i128);
                    (Some(one.clone()), Some(one), true)
                }
                Ty::Index(upper) => {
                    if let (Some(upper), Some(size)) = (upper.as_ref().and_then(Size::value), size.value())
                        && upper > size
                    {
                        return self.out_of_range(size.to_string(), format!("an index up to {upper}"), index.span);
                    }
                    (None, None, true)
                }
                Ty::Size(_) => (None, None, true),
                Ty::Range(from, to) => (from, to, false),
                other => return self.wrong_kind("an index known before the run", &other, index.span, None, None),
            };
            let length =
                from.as_ref().zip(to.as_ref()).and_then(|(from, to)| to.add(&from.negate())?.add(&Size::constant(1)));
            let above = to.as_ref().and_then(|to| to.add(&size.negate())?.value()).is_some_and(|over| over > 0);
            let low = from.as_ref().and_then(Size::value).is_some_and(|from| from < 1);
            let empty = length.as_ref().and_then(Size::value).is_some_and(|length| length < 1);
            if low || above || empty {
                let text = self.text(index.span);
                return self.out_of_range(size.to_string(), text, index.span);
            }
            if !single {
                let Some(length) = length else {
                    return self.wrong_kind(
                        "a range known before the run",
                        &Ty::Range(from, to),
                        index.span,
                        None,
                        None,
                    );
                };
                kept.push(length);
            }
        }
        Ty::Tensor(Tensor::of(kept, tensor.axes))
    }

    fn out_of_range(&mut self, size: String, found: String, at: Span) -> Ty<'a> {
        let call = self.through();
        self.report(at, OutOfRange { size, found, at, call })
    }
}

/// `1 index`, `2 indices`
pub(crate) fn count(number: usize, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {many}") }
}
