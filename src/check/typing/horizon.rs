//! Where a text reads the end of the horizon, which is not where paths that stop end.

use std::collections::BTreeSet;

use crate::check::walk::{as_name, peel};
use crate::source::{Span, Symbol};
use crate::syntax::tree::{Block, Expr, ExprKind, Statement, StatementKind};
use crate::syntax::walk::for_each_part;

/// The first place where a body reads the end of the horizon otherwise than as the end of a path or an integral, and what
/// it does there.
pub(super) fn reads_end(body: &Block) -> Option<(Span, &'static str)> {
    let paths: BTreeSet<&Symbol> = body
        .statements
        .iter()
        .filter_map(|statement| match &statement.kind {
            StatementKind::Path { state, .. } => Some(&state.key),
            StatementKind::Process { name, .. } => Some(&name.key),
            _ => None,
        })
        .collect();
    body.statements.iter().find_map(|statement| in_statement(statement, &paths))
}

fn in_statement(statement: &Statement, paths: &BTreeSet<&Symbol>) -> Option<(Span, &'static str)> {
    let mut parts: Vec<&Expr> = Vec::new();
    match &statement.kind {
        StatementKind::Let(one) => parts.push(&one.value),
        StatementKind::Path { control, .. } => parts.extend(control),
        StatementKind::Draw { law, .. } => parts.push(law),
        StatementKind::Minimize { objective, .. } => parts.push(objective),
        StatementKind::Push { value, .. }
        | StatementKind::Assign { value, .. }
        | StatementKind::Return(value)
        | StatementKind::Until(value)
        | StatementKind::Run(value) => parts.push(value),
        StatementKind::Solve { from, to, equation, otherwise, .. } => {
            parts.extend([from, to, equation].into_iter().chain(otherwise));
        }
        StatementKind::Process { body, .. } => {
            for inner in &body.statements {
                match &inner.kind {
                    StatementKind::Boundary { at, .. } if is_end(at) => {
                        return Some((inner.span, "solved backward from the end of the horizon"));
                    }
                    StatementKind::Boundary { value, .. } => parts.push(value),
                    StatementKind::Equation(one) => parts.extend(one.terms.iter().map(|term| &term.integrand)),
                    StatementKind::Let(one) => parts.push(&one.value),
                    _ => {}
                }
            }
        }
        StatementKind::Repeat { body, .. } | StatementKind::Every { body, .. } => {
            return body.statements.iter().find_map(|inner| in_statement(inner, paths));
        }
        _ => {}
    }
    parts.into_iter().find_map(|part| in_expr(part, paths)).map(|at| (at, "reads the end of the horizon"))
}

fn in_expr(e: &Expr, paths: &BTreeSet<&Symbol>) -> Option<Span> {
    match &e.kind {
        _ if is_end(e) => Some(e.span),
        ExprKind::Call(callee, arguments) if as_name(callee).is_some_and(|name| paths.contains(&name.key)) => arguments
            .iter()
            .find_map(|argument| Some(&argument.value).filter(|one| !is_end(one)).and_then(|one| in_expr(one, paths))),
        ExprKind::Integral(integral) => in_expr(&integral.integrand, paths),
        _ => {
            let mut found = None;
            for_each_part(e, |part| found = found.or_else(|| in_expr(part, paths)));
            found
        }
    }
}

/// Whether an expression is the end of the horizon by its usual name, alone or as a member.
fn is_end(e: &Expr) -> bool {
    match &peel(e).kind {
        ExprKind::Name(name) | ExprKind::Member(_, name) => name.key.as_str() == "T",
        _ => false,
    }
}
