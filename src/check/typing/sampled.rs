//! Statistics over the samples: `Σ[sample] e`, `softmax[sample](ℓ)`, `quantile[sample](x, 0.9)`.

use std::rc::Rc;

use super::builtin::Builtin;
use super::call::Arg;
use super::errors::{ArgumentUnknown, BadSetting, NothingVaries, TooManyArguments};
use super::expr::count;
use super::scope::Scope;
use super::ty::{AxisId, Entry, OTHER, SAMPLE, Tensor, Ty};
use super::typer::Typer;
use crate::check::builtin::Rule;
use crate::source::Span;
use crate::syntax::tree::Expr;

impl<'a> Typer<'a> {
    /// `Σ[sample] e`, `Σ[other] e`, `mean[other] e`; what does not vary counts once for every sample.
    pub(crate) fn sum_over_samples(&mut self, axis: AxisId, body: &'a Expr, scope: &Rc<Scope<'a>>) -> Ty<'a> {
        let ty = self.expr(body, scope, None);
        let Some(mut tensor) = self.tensor(&ty, body.span, scope) else { return Ty::Poison };
        tensor.axes.remove(&axis);
        Ty::Tensor(tensor)
    }

    /// `other(x)`: x at all samples, along an axis of their own.
    pub(crate) fn at_others(
        &mut self,
        builtin: &'static Builtin,
        given: &[Arg<'a>],
        at: Span,
        scope: &Rc<Scope<'a>>,
    ) -> Ty<'a> {
        let [one @ Arg { name: None, .. }] = given else {
            return self.miscounted(builtin, &[], given.len(), at);
        };
        let Some(mut tensor) = self.tensor(&one.ty, one.span, scope) else { return Ty::Poison };
        if tensor.axes.contains_key(&OTHER) {
            let ty = Ty::Tensor(tensor);
            let help = "it stands at the other samples already: bind them first, by `mean[other] …`".to_string();
            return self.wrong_kind("what varies over samples alone", &ty, one.span, None, Some(help));
        }
        let Some(entry) = tensor.axes.remove(&SAMPLE) else {
            let (what, axis) = ("`other`", "sample".to_string());
            let help = "draw it: `x ~ p`, or take a path at a time: `X(T)`";
            return self.report(one.span, NothingVaries { what, axis, at: one.span, help });
        };
        tensor.axes.insert(OTHER, Entry { name: "other".into(), ..entry });
        Ty::Tensor(tensor)
    }

    /// `softmax[sample](ℓ)`, `logsumexp[sample](ℓ)`, `max[sample](x)`, `quantile[sample](x, 0.9)`; what does not vary counts once for every sample.
    pub(crate) fn call_over_samples(
        &mut self,
        (builtin, axis): (&'static Builtin, AxisId),
        given: &[Arg<'a>],
        at: Span,
        scope: &Rc<Scope<'a>>,
    ) -> Ty<'a> {
        let word = if axis == OTHER { "other" } else { "sample" };
        let callee = format!("the function `{}[{word}]`", builtin.name);
        let quantile = builtin.rule == Rule::Quantile;
        let help = if quantile {
            format!("write `{}`", builtin.usage)
        } else {
            format!("write `{}[{word}](x)`", builtin.name)
        };
        let (one, share) = match given {
            [one] if !quantile => (Some(one), None),
            [one, share] if quantile => (Some(one), Some(share)),
            _ => (None, None),
        };
        let Some(one) = one else {
            let (found, call) = (given.len(), self.through());
            let expected = count(if quantile { 2 } else { 1 }, "argument", "arguments");
            return self
                .report(at, TooManyArguments { callee, expected, found, at, because: None, call, help: Some(help) });
        };
        if let Some(name) = given.iter().find_map(|one| one.name.as_ref()) {
            return self
                .report(name.span, ArgumentUnknown { callee, name: name.text.to_string(), at: name.span, help });
        }
        let Some(mut tensor) = self.tensor(&one.ty, one.span, scope) else { return Ty::Poison };
        if !tensor.is_scalar() {
            let found = Ty::Tensor(Tensor { axes: super::ty::Axes::new(), ..tensor });
            return self.wrong_kind("a number of each sample", &found, one.span, None, Some(help));
        }
        if let Some(share) = share
            && !self.is_share(share, scope)
        {
            return Ty::Poison;
        }
        if builtin.name == "softmax" {
            let through = format!("`softmax[{word}]`").into();
            let entry = Entry { name: word.into(), span: at, through };
            tensor.axes.entry(axis).or_insert(entry);
        } else {
            tensor.axes.remove(&axis);
        }
        Ty::Tensor(tensor)
    }

    /// Whether a quantile can be at this share; reports it where not.
    fn is_share(&mut self, share: &Arg<'a>, scope: &Rc<Scope<'a>>) -> bool {
        let fits = match &share.ty {
            Ty::Poison => return false,
            Ty::Number(value) => *value > 0.0 && *value < 1.0,
            // A parameter of a definition has its value at the use.
            other => {
                let tensor = self.tensor(&other.clone(), share.span, scope);
                tensor.is_some_and(|tensor| tensor.is_scalar() && tensor.axes.is_empty())
            }
        };
        if !fits {
            let (name, found) = ("the share of a quantile".to_string(), share.ty.describe());
            let expected = "is a number in (0, 1) that is known before the run";
            self.report(share.span, BadSetting { name, expected, found, at: share.span, help: None });
        }
        fits
    }
}
