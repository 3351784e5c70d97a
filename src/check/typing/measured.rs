//! What is known where it is measured alone: counts of evaluations, distances between sets of samples.

use std::rc::Rc;

use super::builtin::Builtin;
use super::call::Arg;
use super::errors::{Differ, MeasuredOnly, NothingVaries, StillVaries};
use super::function::Function;
use super::scope::Scope;
use super::ty::{SAMPLE, Tensor, Ty};
use super::typer::Typer;
use crate::source::Span;

impl<'a> Typer<'a> {
    /// `evaluations(f)`: a number without axes.
    pub(crate) fn evaluations(&mut self, builtin: &'static Builtin, given: &[Arg<'a>], at: Span) -> Ty<'a> {
        if !self.measured_here(builtin, "it says what the training has evaluated so far", at) {
            return Ty::Poison;
        }
        let [one @ Arg { name: None, .. }] = given else { return self.miscounted(builtin, &[], given.len(), at) };
        match &one.ty {
            Ty::Poison => Ty::Poison,
            Ty::Function(function) if is_counted(function) => Ty::Tensor(Tensor::default()),
            other => {
                let help = "give it a name and count that: `let energy(x) = …`".to_string();
                self.wrong_kind("a function of the text or a net", &other.clone(), one.span, None, Some(help))
            }
        }
    }

    /// `W2(x, y)`: a number, of two sets of samples of one shape.
    pub(crate) fn distance(
        &mut self,
        builtin: &'static Builtin,
        given: &[Arg<'a>],
        at: Span,
        scope: &Rc<Scope<'a>>,
    ) -> Ty<'a> {
        if !self.measured_here(builtin, "it looks at all samples at once, pair by pair", at) {
            return Ty::Poison;
        }
        let [x @ Arg { name: None, .. }, y @ Arg { name: None, .. }] = given else {
            return self.miscounted(builtin, &[], given.len(), at);
        };
        let (Some(a), Some(b)) = (self.samples(x, at, scope), self.samples(y, at, scope)) else { return Ty::Poison };
        if !a.same_shape(&b) {
            let words = |tensor: Tensor| Ty::Tensor(tensor).describe();
            let (left, right, call) = (words(a), words(b), self.through());
            let what = "a distance";
            return self.report(at, Differ { what, left, right, left_at: x.span, right_at: y.span, call });
        }
        Ty::Tensor(Tensor::default())
    }

    /// A number or a vector per sample, at one time.
    fn samples(&mut self, one: &Arg<'a>, at: Span, scope: &Rc<Scope<'a>>) -> Option<Tensor> {
        let tensor = self.tensor(&one.ty, one.span, scope)?;
        if tensor.shape.len() > 1 || tensor.row {
            self.wrong_kind("a number or a vector of each sample", &Ty::Tensor(tensor), one.span, None, None);
            return None;
        }
        if let Some((_, entry)) = tensor.axes.iter().find(|(axis, _)| **axis != SAMPLE) {
            let error = StillVaries {
                what: format!("`{}`", self.text(one.span)),
                axis: entry.name.to_string(),
                allowed: "a distance is between samples at one time",
                through: entry.through.to_string(),
                entered: entry.span,
                used_as: "measured here",
                used: Some(at),
                help: "say at which time: `X(T)`".into(),
            };
            self.report(entry.span, error);
            return None;
        }
        if !tensor.axes.contains_key(&SAMPLE) {
            let (what, axis) = ("a distance", "sample".to_string());
            let help = "draw it: `x ~ p`, or take a path at a time: `X(T)`";
            self.report(one.span, NothingVaries { what, axis, at: one.span, help });
            return None;
        }
        Some(tensor)
    }

    fn measured_here(&mut self, builtin: &'static Builtin, why: &'static str, at: Span) -> bool {
        if !self.measuring {
            self.report(at, MeasuredOnly { name: builtin.name, why, at, call: self.through() });
        }
        self.measuring
    }
}

/// Whether the number of points at which it is evaluated is kept.
fn is_counted(function: &Function<'_>) -> bool {
    match function {
        Function::Closure(_) => true,
        Function::Declared { role, .. } => matches!(*role, "net" | super::layer::FROZEN),
        Function::Detached(inner) | Function::Copied(inner, _) | Function::Entrywise(inner) => is_counted(inner),
        _ => false,
    }
}
