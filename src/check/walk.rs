//! Walks over expressions: children, free names, and a text in which two spellings of one formula are equal.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::source::{Name, Symbol};
use crate::syntax::tree::{BinaryOp, Expr, ExprKind, Let, PostfixOp, StatementKind, UnaryOp};

/// The expressions that stand directly inside `expr`, in the order of the text.
pub(super) fn children(expr: &Expr) -> Vec<&Expr> {
    match &expr.kind {
        ExprKind::Number { .. } | ExprKind::Text(_) | ExprKind::Bool(_) | ExprKind::Name(_) | ExprKind::Hole => {
            Vec::new()
        }
        ExprKind::Group(inner)
        | ExprKind::Unary(_, _, inner)
        | ExprKind::Postfix(_, _, inner)
        | ExprKind::Norm(_, inner)
        | ExprKind::Gradient(_, inner)
        | ExprKind::Jacobian(_, inner)
        | ExprKind::Divergence(inner)
        | ExprKind::Laplacian(_, inner)
        | ExprKind::Partial(_, _, inner)
        | ExprKind::Variance(inner)
        | ExprKind::Lambda(_, inner)
        | ExprKind::Member(inner, _) => vec![inner],
        ExprKind::Expectation(inner, condition) => std::iter::once(inner).chain(condition).map(|one| &**one).collect(),
        ExprKind::MeanOver(_, drawn, inner) => drawn.iter().chain(std::iter::once(inner)).map(|one| &**one).collect(),
        ExprKind::Tuple(items) | ExprKind::List(items) => items.iter().collect(),
        ExprKind::Comprehension(entry, indices) => {
            std::iter::once(&**entry).chain(indices.iter().flat_map(|(_, from, to)| [from, to])).collect()
        }
        ExprKind::Range(a, b) | ExprKind::Binary(_, _, a, b) => vec![a, b],
        ExprKind::If(a, b, c) => vec![a, b, c],
        ExprKind::Call(callee, arguments) => {
            std::iter::once(&**callee).chain(arguments.iter().map(|argument| &argument.value)).collect()
        }
        ExprKind::Index(base, indices) => std::iter::once(&**base).chain(indices).collect(),
        ExprKind::With(base, lets) => std::iter::once(&**base).chain(lets.iter().map(|one| &one.value)).collect(),
        ExprKind::Integral(integral) => {
            let bounds = integral.bounds.iter().flat_map(|(from, to)| [from, to]);
            let at = integral.differential.at.as_deref();
            bounds.chain(std::iter::once(&integral.integrand)).chain(at).collect()
        }
        ExprKind::Sum(_, _, bounds, body) => {
            let bounds = bounds.iter().flat_map(|pair| [&pair.0, &pair.1]);
            bounds.chain(std::iter::once(&**body)).collect()
        }
    }
}

/// An expression without the parentheses around it.
pub(super) fn peel(mut expr: &Expr) -> &Expr {
    while let ExprKind::Group(inner) = &expr.kind {
        expr = inner;
    }
    expr
}

/// The name that an expression is, if it is one.
pub(super) fn as_name(expr: &Expr) -> Option<&Name> {
    match &peel(expr).kind {
        ExprKind::Name(name) => Some(name),
        _ => None,
    }
}

/// The names that occur in `expr` and are not bound inside it.
pub(super) fn free_names(expr: &Expr) -> BTreeSet<Symbol> {
    let mut found = BTreeSet::new();
    collect_free(expr, &mut Vec::new(), &mut found);
    found
}

/// The free names in the values of a statement of a loss or a measurement, and of what stands in it.
pub(super) fn free_names_of(statement: &StatementKind) -> BTreeSet<Symbol> {
    match statement {
        StatementKind::Let(one) => free_names_of_let(one),
        StatementKind::Draw { law: value, .. } | StatementKind::Assign { value, .. } | StatementKind::Return(value) => {
            free_names(value)
        }
        StatementKind::Boundary { value, .. } => free_names(value),
        StatementKind::Path { problem, control, .. } => {
            control.iter().chain(std::iter::once(problem)).flat_map(free_names).collect()
        }
        StatementKind::Equation(one) => one.terms.iter().flat_map(|term| free_names(&term.integrand)).collect(),
        StatementKind::Repeat { body, .. } | StatementKind::Process { body, .. } => {
            body.statements.iter().flat_map(|inner| free_names_of(&inner.kind)).collect()
        }
        _ => BTreeSet::new(),
    }
}

/// The free names of a `let`: those of its value that its parameters do not bind.
pub(super) fn free_names_of_let(one: &Let) -> BTreeSet<Symbol> {
    let mut bound: Vec<Symbol> = one.params.iter().flatten().map(|param| param.name.key.clone()).collect();
    let mut found = BTreeSet::new();
    collect_free(&one.value, &mut bound, &mut found);
    found
}

fn collect_free(expr: &Expr, bound: &mut Vec<Symbol>, found: &mut BTreeSet<Symbol>) {
    let depth = bound.len();
    match &expr.kind {
        ExprKind::Name(name) => {
            if !bound.contains(&name.key) {
                found.insert(name.key.clone());
            }
        }
        ExprKind::Lambda(params, body) => {
            bound.extend(params.iter().map(|param| param.name.key.clone()));
            collect_free(body, bound, found);
        }
        ExprKind::MeanOver(name, drawn, body) => {
            drawn.iter().for_each(|drawn| collect_free(drawn, bound, found));
            bound.push(name.key.clone());
            collect_free(body, bound, found);
        }
        ExprKind::Sum(_, name, bounds, body) => {
            for end in bounds.iter().flat_map(|pair| [&pair.0, &pair.1]) {
                collect_free(end, bound, found);
            }
            bound.push(name.key.clone());
            collect_free(body, bound, found);
        }
        ExprKind::Comprehension(entry, indices) => {
            for (name, from, to) in indices {
                collect_free(from, bound, found);
                collect_free(to, bound, found);
                bound.push(name.key.clone());
            }
            collect_free(entry, bound, found);
        }
        ExprKind::Integral(integral) => {
            for end in integral.bounds.iter().flat_map(|(from, to)| [from, to]) {
                collect_free(end, bound, found);
            }
            let variable = match integral.differential.at.as_deref() {
                None => integral.differential.name.key.clone(),
                Some(at) => match as_name(at) {
                    Some(name) => name.key.clone(),
                    None => integral.differential.name.key.clone(),
                },
            };
            if integral.differential.at.is_some() && !bound.contains(&integral.differential.name.key) {
                found.insert(integral.differential.name.key.clone());
            }
            bound.push(variable);
            collect_free(&integral.integrand, bound, found);
        }
        ExprKind::With(base, lets) => {
            collect_free(base, bound, found);
            for one in lets {
                found.extend(free_names_of_let(one).into_iter().filter(|name| !bound.contains(name)));
            }
        }
        _ => {
            for child in children(expr) {
                collect_free(child, bound, found);
            }
        }
    }
    bound.truncate(depth);
}

/// Whether the expression binds a name somewhere inside, so that substituting into it could capture.
pub(super) fn binds(expr: &Expr) -> bool {
    matches!(
        expr.kind,
        ExprKind::Lambda(..)
            | ExprKind::Comprehension(..)
            | ExprKind::MeanOver(..)
            | ExprKind::Sum(..)
            | ExprKind::Integral(_)
            | ExprKind::With(..)
    ) || children(expr).into_iter().any(binds)
}

/// A text that two expressions share exactly when they are the same formula up to spelling and parentheses.
pub(super) fn canonical(expr: &Expr) -> String {
    let mut text = String::new();
    write_canonical(expr, &mut text);
    text
}

fn write_canonical(expr: &Expr, out: &mut String) {
    let head: String = match &expr.kind {
        ExprKind::Group(inner) => return write_canonical(inner, out),
        ExprKind::Number { value, .. } => {
            let _ = write!(out, "{value}");
            return;
        }
        ExprKind::Text(text) => {
            let _ = write!(out, "{text:?}");
            return;
        }
        ExprKind::Bool(value) => {
            let _ = write!(out, "{value}");
            return;
        }
        ExprKind::Name(name) => return out.push_str(name.key.as_str()),
        ExprKind::Hole => return out.push('_'),
        ExprKind::Tuple(_) => "tuple".into(),
        ExprKind::List(_) => "list".into(),
        ExprKind::Comprehension(_, indices) => {
            let names: Vec<&str> = indices.iter().map(|(name, ..)| name.key.as_str()).collect();
            format!("entries {}", names.join(" "))
        }
        ExprKind::Range(..) => "range".into(),
        ExprKind::Lambda(params, _) => {
            let names: Vec<&str> = params.iter().map(|param| param.name.key.as_str()).collect();
            format!("fn {}", names.join(" "))
        }
        ExprKind::If(..) => "if".into(),
        ExprKind::Unary(op, ..) => match op {
            UnaryOp::Negate => "neg".into(),
            UnaryOp::Not => "not".into(),
            UnaryOp::SquareRoot => "sqrt".into(),
        },
        ExprKind::Binary(op, ..) => binary_sign(*op).into(),
        ExprKind::Postfix(op, ..) => match op {
            PostfixOp::Transpose => "'".into(),
            PostfixOp::Inverse => "inv".into(),
            PostfixOp::InverseTranspose => "invt".into(),
        },
        ExprKind::Norm(..) => "norm".into(),
        ExprKind::Call(_, arguments) => {
            let names: Vec<&str> =
                arguments.iter().map(|one| one.name.as_ref().map_or("", |name| name.key.as_str())).collect();
            format!("call {}", names.join(","))
        }
        ExprKind::Index(..) => "index".into(),
        ExprKind::Member(_, name) => format!("member {}", name.key),
        ExprKind::With(_, lets) => {
            let names: Vec<&str> = lets.iter().map(|one| one.name.key.as_str()).collect();
            format!("with {}", names.join(" "))
        }
        ExprKind::Gradient(..) => "grad".into(),
        ExprKind::Jacobian(..) => "jacobian".into(),
        ExprKind::Divergence(_) => "div".into(),
        ExprKind::Laplacian(..) => "laplacian".into(),
        ExprKind::Partial(_, name, _) => format!("partial {}", name.key),
        ExprKind::Integral(integral) => format!("integral {}", integral.differential.name.key),
        ExprKind::Expectation(..) => "E".into(),
        ExprKind::Variance(_) => "Var".into(),
        ExprKind::MeanOver(name, ..) => format!("mean {}", name.key),
        ExprKind::Sum(_, name, ..) => format!("sum {}", name.key),
    };
    out.push('(');
    out.push_str(&head);
    for child in children(expr) {
        out.push(' ');
        write_canonical(child, out);
    }
    out.push(')');
}

/// An operator as it is written between its operands.
pub(super) fn binary_sign(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Add => "+",
        BinaryOp::Subtract => "-",
        BinaryOp::Multiply => "*",
        BinaryOp::Divide => "/",
        BinaryOp::Dot => "·",
        BinaryOp::Power => "^",
        BinaryOp::Equal => "=",
        BinaryOp::NotEqual => "≠",
        BinaryOp::Less => "<",
        BinaryOp::LessEqual => "≤",
        BinaryOp::Greater => ">",
        BinaryOp::GreaterEqual => "≥",
        BinaryOp::And => "and",
        BinaryOp::Or => "or",
    }
}

/// `a · op · b` as an expression over the span of both.
pub(super) fn combine(op: BinaryOp, left: Expr, right: Expr) -> Expr {
    let span = left.span.to(right.span);
    let spelling = crate::syntax::tree::Spelling::Sign;
    Expr { kind: ExprKind::Binary(op, spelling, Box::new(left), Box::new(right)), span }
}

/// The number `value` where `span` stands.
pub(super) fn number(value: f64, span: crate::source::Span) -> Expr {
    Expr { kind: ExprKind::Number { value, text: format!("{value}").into() }, span }
}
