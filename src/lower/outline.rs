//! The outline of an experiment: sweep, figures, tables.

use super::experiment::{Figure, Outline};
use crate::source::Name;
use crate::syntax::tree::{Clause, Expr, ExprKind, ItemKind};
use crate::typed::Checked;

/// The swept names with a label per value, in the order of the file.
pub fn sweep_axes(checked: &Checked) -> Vec<(Name, Vec<String>)> {
    let mut axes = Vec::new();
    for item in &checked.entry().tree.items {
        if let ItemKind::Sweep(list) = &item.kind {
            axes.extend(list.iter().map(|a| (a.name.clone(), labels(&a.values))));
        }
    }
    axes
}

fn labels(values: &Expr) -> Vec<String> {
    match &values.kind {
        ExprKind::Group(inner) => labels(inner),
        ExprKind::List(items) => {
            let short: Vec<String> = items.iter().map(label).collect();
            // Two values of one name are told apart by their places.
            short
                .iter()
                .enumerate()
                .map(
                    |(i, s)| {
                        if short.iter().filter(|o| *o == s).count() > 1 {
                            format!("{s} ({})", i + 1)
                        } else {
                            s.clone()
                        }
                    },
                )
                .collect()
        }
        ExprKind::Range(from, to) => match (number(from), number(to)) {
            (Some(a), Some(b)) => (a..=b).map(|i| i.to_string()).collect(),
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

fn number(e: &Expr) -> Option<i64> {
    match &e.kind {
        ExprKind::Number { value, .. } => Some(*value as i64),
        ExprKind::Group(inner) => number(inner),
        _ => None,
    }
}

fn label(e: &Expr) -> String {
    match &e.kind {
        ExprKind::Name(name) => name.text.to_string(),
        ExprKind::Number { text, .. } => text.to_string(),
        ExprKind::Text(text) => text.to_string(),
        ExprKind::Member(_, name) => name.text.to_string(),
        ExprKind::Call(callee, _) => label(callee),
        ExprKind::Group(inner) => label(inner),
        _ => "value".to_owned(),
    }
}

/// The outline of a checked experiment.
pub fn outline(checked: &Checked) -> Outline {
    let entry = checked.entry();
    let mut out = Outline {
        doc: entry.tree.doc.clone(),
        sweep: sweep_axes(checked).into_iter().map(|(n, v)| (n.text.to_string(), v)).collect(),
        plots: Vec::new(),
        tables: Vec::new(),
        citations: Vec::new(),
    };
    for module in &checked.modules {
        for item in &module.tree.items {
            if let ItemKind::Cite(text) = &item.kind
                && !out.citations.iter().any(|c| **c == *text.value)
            {
                out.citations.push(text.value.to_string());
            }
        }
    }
    for item in &entry.tree.items {
        match &item.kind {
            ItemKind::Plot(p) => {
                out.plots.push(figure(&p.quantities, Some(&p.against), &p.clauses, item.span));
            }
            ItemKind::Table(t) => out.tables.push(figure(&t.quantities, None, &t.clauses, item.span)),
            _ => {}
        }
    }
    out
}

fn figure(quantities: &[Name], against: Option<&Name>, clauses: &[Clause], span: crate::source::Span) -> Figure {
    let text = |n: &Name| n.text.to_string();
    let mut f = Figure {
        quantities: quantities.iter().map(text).collect(),
        against: against.map(text),
        by: Vec::new(),
        mean_over: Vec::new(),
        log: Vec::new(),
        span,
    };
    for c in clauses {
        match c {
            Clause::By(n) => f.by.push(text(n)),
            Clause::MeanOver(n) => f.mean_over.push(text(n)),
            Clause::Log(n) => f.log.push(text(n)),
        }
    }
    f
}
