//! Derivatives of fields at a point.

use std::rc::Rc;

use super::call::Arg;
use super::errors::{DivergenceOf, GradientOfVector, JacobianOfScalar, TooManyArguments};
use super::function::Function;
use super::scope::Scope;
use super::ty::{Tensor, Ty};
use super::typer::Typer;
use crate::source::Span;

impl<'a> Typer<'a> {
    pub(crate) fn no_divergence(
        &mut self,
        operator: &'static str,
        expected: &'static str,
        point: &Tensor,
        value: &Tensor,
        at: Span,
    ) -> Ty<'a> {
        let (from, to, call) = (point.to_string(), value.to_string(), self.through());
        self.report(at, DivergenceOf { operator, expected, from, to, at, call })
    }

    /// The derivative of a field at a point, its first argument.
    pub(crate) fn derivative(
        &mut self,
        field: &Rc<Function<'a>>,
        given: Vec<Arg<'a>>,
        at: Span,
        scope: &Rc<Scope<'a>>,
        rule: impl FnOnce(&mut Self, Tensor, Tensor) -> Ty<'a>,
    ) -> Ty<'a> {
        let Some(first) = given.first() else {
            let callee = format!("a derivative of {}", field.describe());
            let help = Some("the derivative is taken in the first argument".to_string());
            let error = TooManyArguments {
                callee,
                expected: "at least one argument".into(),
                found: 0,
                at,
                because: None,
                call: self.through(),
                help,
            };
            return self.report(at, error);
        };
        let Some(point) = self.tensor(&first.ty.clone(), first.span, scope) else { return Ty::Poison };
        let value = self.call(field, given, at, scope, None);
        let Some(value) = self.tensor(&value, at, scope) else { return Ty::Poison };
        rule(self, point, value)
    }

    pub(crate) fn gradient(&mut self, point: Tensor, value: Tensor, place: Span) -> Ty<'a> {
        if value.is_scalar() {
            return Ty::Tensor(Tensor { axes: value.axes, ..point });
        }
        let (field, shape, call) = (self.text(place), value.to_string(), self.through());
        self.report(place, GradientOfVector { field, shape, at: place, call })
    }

    pub(crate) fn jacobian(&mut self, point: Tensor, value: Tensor, place: Span) -> Ty<'a> {
        match (value.shape.as_slice(), point.shape.as_slice()) {
            ([n], [d]) => Ty::Tensor(Tensor::of(vec![n.clone(), d.clone()], value.axes)),
            (_, []) => Ty::Tensor(value),
            _ => {
                let (field, shape, call) = (self.text(place), value.to_string(), self.through());
                let help = if value.is_scalar() {
                    format!("the gradient is `∇{field}`, the same numbers as a vector")
                } else {
                    "a Jacobian maps vectors to vectors; take a row or a product first".to_string()
                };
                self.report(place, JacobianOfScalar { field, shape, at: place, call, help })
            }
        }
    }
}
