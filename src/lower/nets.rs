//! Which nets a function is made of, and which copies of them it reads.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::environment::{Binding, Scope};
use super::errors::Lowered;
use super::experiment::CopyRule;
use super::lowerer::Lowerer;
use super::value::{Function, Value};
use crate::source::{Name, Symbol};
use crate::syntax::tree::{Expr, ExprKind, ItemKind};
use crate::syntax::walk::for_each_part;

/// Nets found on the way through a function: those that are trained, and those that stand at a copy.
#[derive(Default)]
pub struct Found {
    /// Nets whose own parameters the function reads and may move.
    pub moving: BTreeSet<Symbol>,
    /// Nets at a copy of their parameters.
    pub copied: Vec<(Symbol, CopyRule)>,
}

impl<'a> Lowerer<'a> {
    /// The nets of a function. What is detached does not move.
    pub fn nets_of(&mut self, function: &Rc<Function<'a>>) -> Lowered<Found> {
        let mut found = Found::default();
        let mut open = vec![(function.clone(), None::<CopyRule>, false)];
        let mut seen: Vec<(*const Function<'a>, bool)> = Vec::new();
        while let Some((function, copy, held)) = open.pop() {
            let mark = (Rc::as_ptr(&function), copy.is_some() || held);
            if seen.contains(&mark) {
                continue;
            }
            seen.push(mark);
            match &*function {
                Function::Network(net) => match copy {
                    Some(rule) => found.copied.push((net.key().clone(), rule)),
                    None if held => {}
                    None => {
                        found.moving.insert(net.key().clone());
                    }
                },
                Function::Closure { params, body, scope, .. } => {
                    let own = |key: &Symbol| params.iter().any(|p| p.name.key == *key);
                    for name in names_in(body).into_iter().filter(|name| !own(&name.key)) {
                        if let Some(inner) = self.function_named(&name, scope)? {
                            open.push((inner, copy, held));
                        }
                    }
                }
                Function::Partial(inner, given) => {
                    open.push((inner.clone(), copy, held));
                    for (_, value) in given {
                        if let Value::Function(f) = value {
                            open.push((f.clone(), copy, held));
                        }
                    }
                }
                Function::Detached(inner) => open.push((inner.clone(), copy, true)),
                Function::Copied(inner, rule) => open.push((inner.clone(), copy.or(Some(*rule)), held)),
                Function::Entrywise(inner)
                | Function::Gradient(inner)
                | Function::Jacobian(inner)
                | Function::Divergence(inner)
                | Function::Laplacian(inner) => open.push((inner.clone(), copy, held)),
                Function::Member(..)
                | Function::Builtin(_)
                | Function::OverSamples(..)
                | Function::Sized(..)
                | Function::Layer(..)
                | Function::Applied(_)
                | Function::ProblemDefinition(..)
                | Function::Loss(..)
                | Function::Method(..)
                | Function::Constant(_) => {}
            }
        }
        Ok(found)
    }

    /// The function that a name stands for, if it is known without a time and is one.
    fn function_named(&mut self, name: &Name, scope: &Rc<Scope<'a>>) -> Lowered<Option<Rc<Function<'a>>>> {
        let known = match scope.find(&name.key) {
            Some((_, Binding::Value(Value::Function(f)))) => return Ok(Some(f)),
            Some((_, Binding::Lazy(one))) => one.params.is_some(),
            Some(_) => false,
            None => match self.checked.modules[scope.module].names.get(&name.key) {
                Some((module, item)) => {
                    let kind = &self.checked.modules[*module].tree.items[*item].kind;
                    matches!(kind, ItemKind::Net(_) | ItemKind::Let(_))
                }
                None => false,
            },
        };
        if !known {
            return Ok(None);
        }
        Ok(match self.lookup(name, scope)? {
            Value::Function(f) => Some(f),
            _ => None,
        })
    }
}

/// The names in an expression, bound ones among them.
pub fn names_in(e: &Expr) -> Vec<Name> {
    let mut found = Vec::new();
    collect(e, &mut found);
    found
}

fn collect(e: &Expr, found: &mut Vec<Name>) {
    match &e.kind {
        ExprKind::Name(name) => found.push(name.clone()),
        // `dX` names the path against which it integrates.
        ExprKind::Integral(integral) => found.push(integral.differential.name.clone()),
        _ => {}
    }
    for_each_part(e, |part| collect(part, found));
}
