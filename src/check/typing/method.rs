//! Methods: checked once with their arguments left open, then asked for at each use.

use super::call::Arg;
use super::errors::MissingStatement;
use super::scope::Scope;
use super::ty::Ty;
use super::typer::Typer;
use crate::source::{Name, Span};
use crate::syntax::tree::{Block, Definition, StatementKind};

impl<'a> Typer<'a> {
    /// Checks a method with its arguments left open but for what it requires of problems.
    pub(crate) fn check_method(&mut self, definition: &'a Definition, module: usize) {
        let scope = self.open_definition(definition, module);
        self.assigned.clear();
        for statement in &definition.body.statements {
            self.statement(statement, &scope);
        }
        if !moves(&definition.body) {
            let error = MissingStatement {
                place: definition.name.text.to_string(),
                what: "`minimize`",
                help: "a method moves the parameters of nets: `minimize e over u by opt`",
                at: definition.name.span,
            };
            self.report(definition.name.span, error);
        }
    }

    /// A method at its arguments: they fit, and the problems are such as it requires.
    pub(crate) fn call_method(
        &mut self,
        definition: &'a Definition,
        module: usize,
        given: Vec<Arg<'a>>,
        at: Span,
    ) -> Ty<'a> {
        self.timed = true;
        let inner = Scope::child(&self.root(module));
        let callee = format!("the method `{}`", definition.name);
        if !self.bind_params(&definition.params, given, &inner, at, &callee, Some(definition.name.span)) {
            return Ty::Poison;
        }
        self.check_requirements(definition, &callee, &inner, at);
        let mut movers = Vec::new();
        collect_movers(&definition.body, &mut movers);
        for param in definition.params.iter().filter(|param| movers.contains(&&param.name)) {
            if let Ty::Function(function) = self.lookup(&param.name, &inner)
                && !self.holds_net(&function)
            {
                let found = Ty::Function(function);
                let help = Some("the method moves its parameters, and it has none".to_string());
                let expected = format!("a function that is made of a net as `{}`", param.name);
                self.wrong_kind(&expected, &found, at, Some(param.span), help);
            }
        }
        Ty::Method(definition.name.text.clone())
    }
}

/// The names after `over` of a body and all inside.
fn collect_movers<'a>(block: &'a Block, found: &mut Vec<&'a Name>) {
    for statement in &block.statements {
        match &statement.kind {
            StatementKind::Minimize { over, .. } => found.extend(over.iter().map(|(name, _)| name)),
            StatementKind::Repeat { body, .. } | StatementKind::Every { body, .. } => collect_movers(body, found),
            _ => {}
        }
    }
}

/// Whether a body minimises something, or runs what does.
pub(crate) fn moves(block: &Block) -> bool {
    block.statements.iter().any(|statement| match &statement.kind {
        StatementKind::Minimize { .. } | StatementKind::Run(_) => true,
        StatementKind::Repeat { body, .. } | StatementKind::Every { body, .. } => moves(body),
        _ => false,
    })
}
