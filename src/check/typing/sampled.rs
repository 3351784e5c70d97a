//! Statistics over the samples: `Σ[sample] e`, `softmax[sample](ℓ)`.

use std::rc::Rc;

use super::builtin::Builtin;
use super::call::Arg;
use super::errors::{ArgumentUnknown, TooManyArguments};
use super::expr::count;
use super::scope::Scope;
use super::ty::{Entry, SAMPLE, Tensor, Ty};
use super::typer::Typer;
use crate::source::Span;
use crate::syntax::tree::Expr;

impl<'a> Typer<'a> {
    /// `Σ[sample] e`; what does not vary counts once for every sample.
    pub(crate) fn sum_over_samples(&mut self, body: &'a Expr, scope: &Rc<Scope<'a>>) -> Ty<'a> {
        let ty = self.expr(body, scope, None);
        let Some(mut tensor) = self.tensor(&ty, body.span, scope) else { return Ty::Poison };
        tensor.axes.remove(&SAMPLE);
        Ty::Tensor(tensor)
    }

    /// `softmax[sample](ℓ)`, `logsumexp[sample](ℓ)`, `max[sample](x)`; what does not vary counts once for every sample.
    pub(crate) fn call_over_samples(
        &mut self,
        builtin: &'static Builtin,
        given: &[Arg<'a>],
        at: Span,
        scope: &Rc<Scope<'a>>,
    ) -> Ty<'a> {
        let callee = format!("the function `{}[sample]`", builtin.name);
        let help = format!("write `{}[sample](x)`", builtin.name);
        let [one] = given else {
            let (found, call) = (given.len(), self.through());
            let expected = count(1, "argument", "arguments");
            return self
                .report(at, TooManyArguments { callee, expected, found, at, because: None, call, help: Some(help) });
        };
        if let Some(name) = &one.name {
            return self
                .report(name.span, ArgumentUnknown { callee, name: name.text.to_string(), at: name.span, help });
        }
        let Some(mut tensor) = self.tensor(&one.ty, one.span, scope) else { return Ty::Poison };
        if !tensor.is_scalar() {
            let found = Ty::Tensor(Tensor { axes: super::ty::Axes::new(), ..tensor });
            return self.wrong_kind("a number of each sample", &found, one.span, None, Some(help));
        }
        if builtin.name == "softmax" {
            let through = "`softmax[sample]`".into();
            let entry = Entry { name: "sample".into(), span: at, through };
            tensor.axes.entry(SAMPLE).or_insert(entry);
        } else {
            tensor.axes.remove(&SAMPLE);
        }
        Ty::Tensor(tensor)
    }
}
