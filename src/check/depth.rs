//! A bound on how deep a formula nests, so that every later walk has the stack it needs.

use miette::Diagnostic;
use thiserror::Error;

use super::walk::children;
use crate::diagnostic::Sink;
use crate::source::Span;
use crate::syntax::tree::{
    Block, Definition, Expr, ExprKind, File, Item, ItemKind, Let, Param, StatementKind, TypeExpr, TypeKind,
};

/// Operations inside one another; `a + b + c` counts two.
const MAX_DEPTH: usize = 512;

#[derive(Debug, Error, Diagnostic)]
#[error("a formula nests more than {MAX_DEPTH} operations")]
#[diagnostic(code(soc::nesting), help("name an inner part with `let`, or write a long sum as `Σ[i = 1..n]`"))]
struct TooLong {
    #[label("this one")]
    at: Span,
}

/// Reports every formula of a file that nests too deeply.
pub(super) fn bound_depth(file: &File, sink: &mut Sink) {
    let mut roots = Vec::new();
    for item in &file.items {
        collect_item(item, &mut roots);
    }
    for root in roots {
        // The walk keeps its own stack: the formula may be as long as a file.
        let mut open = vec![(root, 1)];
        while let Some((expr, depth)) = open.pop() {
            if depth > MAX_DEPTH {
                sink.push(TooLong { at: root.span });
                break;
            }
            if let ExprKind::Lambda(params, _) = &expr.kind {
                let mut inner = Vec::new();
                collect_params(params, &mut inner);
                open.extend(inner.into_iter().map(|one| (one, depth + 1)));
            }
            open.extend(children(expr).into_iter().map(|child| (child, depth + 1)));
        }
    }
}

fn collect_item<'a>(item: &'a Item, out: &mut Vec<&'a Expr>) {
    match &item.kind {
        ItemKind::Let(one) => collect_let(one, out),
        ItemKind::Problem(one) | ItemKind::Loss(one) => collect_definition(one, out),
        ItemKind::Bind(one) => out.push(&one.value),
        ItemKind::Layer(one) => {
            collect_params(&one.params, out);
            collect_params(&one.inputs, out);
            collect_type(&one.output, out);
            collect_block(&one.body, out);
        }
        ItemKind::Net(one) => {
            collect_params(&one.inputs, out);
            collect_type(&one.output, out);
            out.push(&one.value);
        }
        ItemKind::Sweep(axes) => out.extend(axes.iter().map(|axis| &axis.values)),
        ItemKind::Train(block) => collect_block(block, out),
        ItemKind::Measure(one) => {
            out.extend(&one.every);
            collect_block(&one.body, out);
        }
        ItemKind::Cite(_) | ItemKind::Use(_) | ItemKind::Plot(_) | ItemKind::Table(_) => {}
    }
}

fn collect_definition<'a>(one: &'a Definition, out: &mut Vec<&'a Expr>) {
    collect_params(&one.params, out);
    out.extend(&one.requires);
    collect_block(&one.body, out);
}

fn collect_let<'a>(one: &'a Let, out: &mut Vec<&'a Expr>) {
    collect_params(one.params.iter().flatten(), out);
    if let Some(ty) = &one.ty {
        collect_type(ty, out);
    }
    out.push(&one.value);
}

fn collect_params<'a>(params: impl IntoIterator<Item = &'a Param>, out: &mut Vec<&'a Expr>) {
    for param in params {
        if let Some(ty) = &param.ty {
            collect_type(ty, out);
        }
        out.extend(&param.default);
    }
}

fn collect_type<'a>(ty: &'a TypeExpr, out: &mut Vec<&'a Expr>) {
    match &ty.kind {
        TypeKind::Real(sizes) => out.extend(sizes),
        TypeKind::Named(_) => {}
        TypeKind::List(inner) => collect_type(inner, out),
        TypeKind::Function(inputs, output) => {
            for input in inputs {
                collect_type(input, out);
            }
            collect_type(output, out);
        }
    }
}

fn collect_block<'a>(block: &'a Block, out: &mut Vec<&'a Expr>) {
    for statement in &block.statements {
        match &statement.kind {
            StatementKind::Use(_) => {}
            StatementKind::Let(one) => collect_let(one, out),
            StatementKind::Time { from, to, .. } => out.extend([from, to]),
            StatementKind::State(one) | StatementKind::Control(one) | StatementKind::Noise(one) => {
                collect_type(&one.ty, out);
            }
            StatementKind::Equation(one) => {
                out.extend(one.terms.iter().map(|term| &term.integrand));
                out.extend(one.terms.iter().filter_map(|term| term.differential.at.as_deref()));
            }
            StatementKind::Boundary { at, value, .. } => out.extend([at, value]),
            StatementKind::Cost(value) | StatementKind::Return(value) | StatementKind::Setting { value, .. } => {
                out.push(value);
            }
            StatementKind::Process { ty, body, .. } => {
                collect_type(ty, out);
                collect_block(body, out);
            }
            StatementKind::Path { problem, control, .. } => {
                out.push(problem);
                out.extend(control);
            }
            StatementKind::Parameter { ty, init, .. } => {
                collect_type(ty, out);
                out.push(init);
            }
            StatementKind::Draw { law, .. } => out.push(law),
            StatementKind::Minimize { objective, over } => {
                out.push(objective);
                out.extend(over.iter().map(|(_, by)| by));
            }
        }
    }
}
