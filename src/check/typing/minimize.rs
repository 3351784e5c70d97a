//! What `train` minimises, over what, and how.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::errors::{StatementTwice, Unmoved};
use super::function::Function;
use super::layer::FROZEN;
use super::scope::Scope;
use super::ty::Ty;
use super::typer::Typer;
use crate::check::walk::{free_names, free_names_of, free_names_of_let};
use crate::source::{Name, Symbol};
use crate::syntax::tree::{Block, Expr, ItemKind, StatementKind, UsePath};

impl<'a> Typer<'a> {
    /// `minimize L(P, u) over V by adam(1e-4)`
    pub(crate) fn minimize(
        &mut self,
        objective: &'a Expr,
        over: &'a [(Name, Expr)],
        block: Option<&'a Block>,
        scope: &Rc<Scope<'a>>,
    ) {
        let ty = self.expr(objective, scope, None);
        self.one_number(&ty, objective.span, "the objective", "what is minimised is one number", scope);
        let used = block.map(|block| self.reach(objective, block));
        let mut seen: Vec<&Name> = Vec::new();
        for (name, by) in over {
            if let Some(first) = seen.iter().find(|first| **first == name) {
                let first = first.span;
                let error = StatementTwice {
                    what: format!("`{name}`"),
                    help: "one optimizer moves a net",
                    second: name.span,
                    first,
                };
                self.report(name.span, error);
                continue;
            }
            seen.push(name);
            let ty = self.lookup(name, scope);
            let moves = matches!(&ty, Ty::Function(function) if self.holds_net(function));
            if !moves {
                let help = Some("parameters belong to nets: `net V(x: R[d]) -> R[d] = …`".to_string());
                self.wrong_kind("a net after `over`", &ty, name.span, None, help);
            } else if used.as_ref().is_some_and(|used| !used.contains(&name.key)) {
                self.report(
                    name.span,
                    Unmoved { net: name.text.to_string(), at: name.span, objective: objective.span },
                );
            }
            let optimizer = self.expr(by, scope, None);
            match optimizer {
                Ty::Optimizer | Ty::Poison => {}
                other => {
                    let help = Some("`adam(1e-3)` or `sgd(1e-2)`".to_string());
                    self.wrong_kind("an optimizer after `by`", &other, by.span, None, help);
                }
            }
        }
    }

    /// Whether a function has parameters that can move: it is a net, is made of one, or is not known yet.
    pub(crate) fn holds_net(&mut self, function: &Rc<Function<'a>>) -> bool {
        !self.nets_in(function).is_empty()
    }

    /// The nets that a function is made of, and what may be one but is not known yet.
    pub(crate) fn nets_in(&mut self, function: &Rc<Function<'a>>) -> BTreeSet<std::sync::Arc<str>> {
        let mut nets = BTreeSet::new();
        let mut open = vec![function.clone()];
        let mut seen: Vec<*const Function<'a>> = Vec::new();
        while let Some(function) = open.pop() {
            if seen.contains(&Rc::as_ptr(&function)) {
                continue;
            }
            seen.push(Rc::as_ptr(&function));
            match &*function {
                Function::Declared { role, name, .. } if !["member", FROZEN].contains(role) => {
                    nets.insert(name.clone());
                }
                Function::Closure(closure) => {
                    let own = |key: &Symbol| closure.params.iter().any(|param| param.name.key == *key);
                    for key in free_names(closure.body).into_iter().filter(|key| !own(key)) {
                        let name = Name { text: key.as_str().into(), key, span: closure.body.span };
                        if let Ty::Function(inner) = self.lookup(&name, &closure.scope) {
                            open.push(inner);
                        }
                    }
                }
                Function::Partial(inner, given) => {
                    open.push(inner.clone());
                    open.extend(given.iter().filter_map(|(_, ty, _)| match ty {
                        Ty::Function(inner) => Some(inner.clone()),
                        _ => None,
                    }));
                }
                Function::Entrywise(inner)
                | Function::Gradient(inner, _)
                | Function::Jacobian(inner, _)
                | Function::Divergence(inner, _)
                | Function::Laplacian(inner, _) => open.push(inner.clone()),
                _ => {}
            }
        }
        nets
    }

    /// The names on which an expression of a block may depend, definitions looked into.
    fn reach(&self, expr: &'a Expr, block: &'a Block) -> BTreeSet<Symbol> {
        let mut found = BTreeSet::new();
        let mut open: Vec<Symbol> = free_names(expr).into_iter().collect();
        let items = &self.modules[self.entry()].tree.items;
        while let Some(name) = open.pop() {
            if !found.insert(name.clone()) {
                continue;
            }
            for statement in &block.statements {
                match &statement.kind {
                    StatementKind::Let(one) if one.name.key == name => open.extend(free_names_of_let(one)),
                    StatementKind::Path { state, noise, exit, .. }
                        if std::iter::once(state).chain(noise).chain(exit).any(|one| one.key == name) =>
                    {
                        open.extend(free_names_of(&statement.kind));
                    }
                    StatementKind::Process { name: process, .. } if process.key == name => {
                        open.extend(free_names_of(&statement.kind));
                    }
                    StatementKind::Use(one) if one.names.iter().any(|used| used.key == name) => {
                        if let UsePath::Dotted(path) = &one.from {
                            open.extend(path.first().map(|first| first.key.clone()));
                        }
                    }
                    _ => {}
                }
            }
            for item in items {
                match &item.kind {
                    ItemKind::Let(one) if one.name.key == name => open.extend(free_names_of_let(one)),
                    ItemKind::Bind(bind) if bind.name.key == name => open.extend(free_names(&bind.value)),
                    ItemKind::Net(net) if net.name.key == name => open.extend(free_names(&net.value)),
                    ItemKind::Loss(definition) if definition.name.key == name => {
                        let own = |key: &Symbol| definition.params.iter().any(|param| param.name.key == *key);
                        let names = definition.body.statements.iter().flat_map(|one| free_names_of(&one.kind));
                        open.extend(names.filter(|key| !own(key)));
                    }
                    ItemKind::Sweep(axes) => {
                        let swept = axes.iter().filter(|axis| axis.name.key == name);
                        open.extend(swept.flat_map(|axis| free_names(&axis.values)));
                    }
                    _ => {}
                }
            }
        }
        found
    }
}
