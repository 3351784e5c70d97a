//! Copies of functions: `ema(u, decay = 0.999)`, `snapshot(u, every = 100)`.

use std::rc::Rc;

use super::builtin::Builtin;
use super::call::Arg;
use super::errors::{ArgumentUnknown, BadSetting, TooManyArguments};
use super::function::Function;
use super::scope::Scope;
use super::ty::Ty;
use super::typer::Typer;
use crate::check::builtin::Rule;
use crate::source::Span;

impl<'a> Typer<'a> {
    /// A function whose nets stand at a copy of their parameters; the first argument is the function.
    pub(crate) fn copied_function(
        &mut self,
        builtin: &'static Builtin,
        given: &[Arg<'a>],
        at: Span,
        scope: &Rc<Scope<'a>>,
    ) -> Ty<'a> {
        let mean = builtin.rule == Rule::RunningMean;
        let (word, usage) =
            if mean { ("decay", "ema(u, decay = 0.999)") } else { ("every", "snapshot(u, every = 100)") };
        let callee = format!("the function `{}`", builtin.name);
        let (function, option) = match given {
            [Arg { ty: Ty::Function(function), .. }] if !mean => (function, None),
            [Arg { ty: Ty::Function(function), .. }, option] => (function, Some(option)),
            _ => {
                let expected = if mean { "a function and a decay" } else { "a function and at most one option" };
                let help = Some(format!("write `{usage}`"));
                let (found, call) = (given.len(), self.through());
                let error =
                    TooManyArguments { callee, expected: expected.into(), found, at, because: None, call, help };
                return self.report(at, error);
            }
        };
        if let Some(name) = option.and_then(|one| one.name.as_ref()).filter(|name| name.key.as_str() != word) {
            let help = format!("write `{usage}`");
            return self
                .report(name.span, ArgumentUnknown { callee, name: name.text.to_string(), at: name.span, help });
        }
        match option {
            Some(one) if mean => self.decay(one, scope),
            Some(one) => self.positive(&one.ty, word, one.span),
            None => {}
        }
        let how = if mean { "averaged" } else { "held" };
        Ty::Function(Rc::new(Function::Copied(function.clone(), how)))
    }

    fn decay(&mut self, one: &Arg<'a>, scope: &Rc<Scope<'a>>) {
        let fine = match &one.ty {
            Ty::Poison => true,
            Ty::Number(value) => (0.0..1.0).contains(value),
            // A parameter of a definition has its value at the use.
            other => {
                matches!(self.tensor(other, one.span, scope), Some(tensor) if tensor.is_scalar() && tensor.axes.is_empty())
            }
        };
        if !fine {
            let (name, found) = ("`decay`".to_string(), one.ty.describe());
            let error = BadSetting { name, expected: "lies in [0, 1)", found, at: one.span, help: None };
            self.report(one.span, error);
        }
    }
}
