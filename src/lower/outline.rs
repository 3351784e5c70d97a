//! The outline of an experiment: sweep, figures, tables.

use super::expectation::expectations;
use super::experiment::{Figure, Outline};
use crate::source::Name;
use crate::syntax::citations;
use crate::syntax::sweep::sweep_labels;
use crate::syntax::tree::{Clause, ItemKind};
use crate::typed::Checked;

/// The swept names with a label per value, in the order of the file.
pub fn sweep_axes(checked: &Checked) -> Vec<(Name, Vec<String>)> {
    let mut axes = Vec::new();
    for item in &checked.entry().tree.items {
        if let ItemKind::Sweep(list) = &item.kind {
            axes.extend(list.iter().map(|a| (a.name.clone(), sweep_labels(&a.values))));
        }
    }
    axes
}

/// The outline of a checked experiment.
pub fn outline(checked: &Checked) -> Outline {
    let entry = checked.entry();
    let mut out = Outline {
        doc: entry.tree.doc.clone(),
        sweep: sweep_axes(checked).into_iter().map(|(n, v)| (n.text.to_string(), v)).collect(),
        plots: Vec::new(),
        tables: Vec::new(),
        expectations: expectations(checked),
        citations: citations(checked.modules.iter().map(|module| &module.tree)),
    };
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
