//! Arguments to parameters.

use std::rc::Rc;

use super::call::Arg;
use super::errors::{ArgumentMissing, ArgumentTwice, ArgumentUnknown, TooManyArguments};
use super::expr::count;
use super::function::Declared;
use super::scope::Scope;
use super::ty::Ty;
use super::typer::Typer;
use crate::diagnostic::nearest;
use crate::source::Span;
use crate::syntax::tree::Param;

impl<'a> Typer<'a> {
    /// Binds parameters to arguments by place and by name, defaults for the rest; false after an error that leaves a
    /// parameter without a meaning.
    pub(crate) fn bind_params(
        &mut self,
        params: &'a [Param],
        given: Vec<Arg<'a>>,
        scope: &Rc<Scope<'a>>,
        at: Span,
        callee: &str,
        because: Option<Span>,
    ) -> bool {
        let by_place = given.iter().filter(|one| one.name.is_none()).count();
        if by_place > params.len() {
            let expected = count(params.len(), "argument", "arguments");
            let help = Some(format!("its parameters are {}", list_params(params)));
            let error = TooManyArguments {
                callee: callee.to_string(),
                expected,
                found: given.len(),
                at,
                because,
                call: None,
                help,
            };
            self.report(at, error);
            return false;
        }
        let mut fine = true;
        let mut slots: Vec<Option<Arg<'a>>> = vec![None; params.len()];
        let mut place = 0;
        for one in given {
            let slot = match &one.name {
                None => {
                    place += 1;
                    place - 1
                }
                Some(name) => {
                    if let Some(slot) = params.iter().position(|param| param.name == *name) {
                        slot
                    } else {
                        let near = nearest(&name.text, params.iter().map(|param| &*param.name.text))
                            .filter(|_| name.text.chars().count() > 1);
                        let help = match near {
                            Some(near) => format!("did `{near}` stand here?"),
                            None => format!("its parameters are {}", list_params(params)),
                        };
                        let error = ArgumentUnknown {
                            callee: callee.to_string(),
                            name: name.text.to_string(),
                            at: name.span,
                            help,
                        };
                        self.report(name.span, error);
                        fine = false;
                        continue;
                    }
                }
            };
            if slots[slot].is_some() {
                let error = ArgumentTwice { name: params[slot].name.text.to_string(), at: one.span };
                self.report(one.span, error);
                fine = false;
                continue;
            }
            slots[slot] = Some(one);
        }
        for (param, slot) in params.iter().zip(slots) {
            let (ty, span) = match (slot, &param.default) {
                (Some(one), _) => (one.ty, one.span),
                (None, Some(default)) => (self.expr(default, scope, None), default.span),
                (None, None) => {
                    let error = ArgumentMissing {
                        callee: callee.to_string(),
                        name: param.name.text.to_string(),
                        params: list_params(params),
                        at,
                        because: Some(param.span),
                    };
                    self.report(at, error);
                    fine = false;
                    (Ty::Poison, param.span)
                }
            };
            let ty = match &param.ty {
                Some(written) => {
                    let declared = self.declared(written, scope);
                    let what = format!("`{}`", param.name);
                    if let Declared::Path(_, from, to) = &declared {
                        self.enter_horizon(*from, *to, scope);
                    }
                    self.fit(&declared, ty, span, Some(param.span), &what, scope)
                }
                None => ty,
            };
            scope.bind(&param.name.key, ty);
        }
        fine
    }
}

/// `d: Nat`, `a = 0.2`, as a reader wants them listed.
fn list_params(params: &[Param]) -> String {
    if params.is_empty() {
        return "none".into();
    }
    let texts: Vec<String> = params.iter().map(|param| format!("`{}`", param.name)).collect();
    texts.join(", ")
}
