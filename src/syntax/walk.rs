//! Walks over trees.

use std::collections::BTreeSet;

use super::tree::{Block, Expr, ExprKind, Item, ItemKind, Measure, Param, StatementKind};
use crate::source::{Name, Span, Symbol};

/// Calls `f` on every direct part of an expression.
pub fn for_each_part<'a>(e: &'a Expr, mut f: impl FnMut(&'a Expr)) {
    match &e.kind {
        ExprKind::Number { .. } | ExprKind::Text(_) | ExprKind::Bool(_) | ExprKind::Name(_) | ExprKind::Hole => {}
        ExprKind::Group(a)
        | ExprKind::Lambda(_, a)
        | ExprKind::Unary(_, _, a)
        | ExprKind::Postfix(_, _, a)
        | ExprKind::Norm(_, a)
        | ExprKind::Member(a, _)
        | ExprKind::Gradient(_, a)
        | ExprKind::Jacobian(_, a)
        | ExprKind::Divergence(a)
        | ExprKind::Laplacian(_, a)
        | ExprKind::Partial(_, _, a)
        | ExprKind::Variance(a) => f(a),
        ExprKind::Expectation(a, condition) => {
            f(a);
            condition.iter().for_each(|condition| f(condition));
        }
        ExprKind::MeanOver(_, drawn, a) => {
            drawn.iter().for_each(|drawn| f(drawn));
            f(a);
        }
        ExprKind::Tuple(items) | ExprKind::List(items) => items.iter().for_each(f),
        ExprKind::Comprehension(entry, indices) => {
            f(entry);
            for (_, from, to) in indices {
                f(from);
                f(to);
            }
        }
        ExprKind::Range(a, b) | ExprKind::Binary(_, _, a, b) => {
            f(a);
            f(b);
        }
        ExprKind::If(a, b, c) => {
            f(a);
            f(b);
            f(c);
        }
        ExprKind::Call(callee, arguments) => {
            f(callee);
            for argument in arguments {
                f(&argument.value);
            }
        }
        ExprKind::Index(base, items) => {
            f(base);
            items.iter().for_each(f);
        }
        ExprKind::With(base, changes) => {
            f(base);
            for change in changes {
                f(&change.value);
            }
        }
        ExprKind::Integral(i) => {
            if let Some((a, b)) = &i.bounds {
                f(a);
                f(b);
            }
            f(&i.integrand);
        }
        ExprKind::Sum(_, _, range, body) => {
            if let Some(r) = range {
                f(&r.0);
                f(&r.1);
            }
            f(body);
        }
    }
}

/// Whether an expression uses one of the names, apart from those that its parameters hide.
pub fn mentions(e: &Expr, names: &BTreeSet<Symbol>, params: &[&Param]) -> bool {
    if let ExprKind::Name(name) = &e.kind {
        return names.contains(&name.key) && !params.iter().any(|p| p.name == *name);
    }
    let mut hidden = params.to_vec();
    if let ExprKind::Lambda(more, _) = &e.kind {
        hidden.extend(more);
    }
    let mut found = false;
    for_each_part(e, |part| found |= mentions(part, names, &hidden));
    found
}

/// The first array that an expression indexes by this name alone, `x[i]`, and the dimension it stands at, from 0.
pub fn indexed_by<'a>(name: &Name, e: &'a Expr) -> Option<(&'a Expr, usize)> {
    if let ExprKind::Index(base, items) = &e.kind
        && matches!(base.kind, ExprKind::Name(_) | ExprKind::Member(..))
        && let Some(place) = items.iter().position(|item| matches!(&item.kind, ExprKind::Name(n) if n == name))
    {
        return Some((base, place));
    }
    let mut found = None;
    for_each_part(e, |part| found = found.or_else(|| indexed_by(name, part)));
    found
}

/// The place of the `train` that a `measure` at a place among the items goes with: the last one before it, else the first.
pub fn training_of(items: &[Item], measure: usize) -> Option<usize> {
    let trains = || items.iter().enumerate().filter(|(_, item)| matches!(item.kind, ItemKind::Train(_)));
    let place = trains().take_while(|(place, _)| *place < measure).last().or_else(|| trains().next());
    place.map(|(place, _)| place)
}

/// A measurement and what it goes with.
#[derive(Clone, Copy, Debug)]
pub struct Measured<'a> {
    /// The measurement.
    pub measure: &'a Measure,
    /// Where it stands.
    pub span: Span,
    /// The place among the items of the `train` that it goes with.
    pub training: Option<usize>,
    /// Whether it stands in that `train`, and so is of its steps.
    pub inside: bool,
}

/// All measurements of a file.
pub fn measures(items: &[Item]) -> Vec<Measured<'_>> {
    let mut all = Vec::new();
    for (place, item) in items.iter().enumerate() {
        match &item.kind {
            ItemKind::Measure(measure) => {
                all.push(Measured { measure, span: item.span, training: training_of(items, place), inside: false });
            }
            ItemKind::Train(block) => all.extend(block.statements.iter().filter_map(|s| match &s.kind {
                StatementKind::Measure(measure) => {
                    Some(Measured { measure, span: s.span, training: Some(place), inside: true })
                }
                _ => None,
            })),
            _ => {}
        }
    }
    all
}

/// Whether a block is a step of several minimisations, which `steps` repeats.
pub fn several(block: &Block) -> bool {
    let all = &block.statements;
    let minimised = all.iter().filter(|statement| matches!(statement.kind, StatementKind::Minimize { .. })).count();
    let loops = |kind: &StatementKind| matches!(kind, StatementKind::Repeat { .. } | StatementKind::Run(_));
    minimised > 1 && !all.iter().any(|statement| loops(&statement.kind))
}

/// Whether a `train` says what happens in order, in place of one step.
pub fn is_schedule(block: &Block) -> bool {
    let steps = |kind: &StatementKind| matches!(kind, StatementKind::Minimize { .. });
    block.statements.iter().filter(|statement| steps(&statement.kind)).count() > 1
        || block.statements.iter().any(|statement| {
            matches!(
                statement.kind,
                StatementKind::Repeat { .. }
                    | StatementKind::Every { .. }
                    | StatementKind::Until(_)
                    | StatementKind::Run(_)
                    | StatementKind::Buffer { .. }
                    | StatementKind::Push { .. }
                    | StatementKind::Solve { .. }
                    | StatementKind::Assign { .. }
            )
        })
}

/// The states that the statements of a block and of the loops in it change, each once.
pub fn assigned_in(block: &Block) -> Vec<Symbol> {
    fn collect(block: &Block, found: &mut Vec<Symbol>) {
        for statement in &block.statements {
            match &statement.kind {
                StatementKind::Assign { name, .. } if !found.contains(&name.key) => found.push(name.key.clone()),
                StatementKind::Repeat { body, .. } => collect(body, found),
                _ => {}
            }
        }
    }
    let mut found = Vec::new();
    collect(block, &mut found);
    found
}
