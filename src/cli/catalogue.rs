//! What texts offer: their problems, losses, methods and layers.

use crate::source::{SourceMap, Span};
use crate::syntax::tree::{Definition, Expr, ExprKind, File, Item, ItemKind, Param};

/// What an offer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Problem,
    Loss,
    Method,
    Layer,
}

impl Kind {
    pub(super) const ALL: [Self; 4] = [Self::Problem, Self::Loss, Self::Method, Self::Layer];

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Problem => "problem",
            Self::Loss => "loss",
            Self::Method => "method",
            Self::Layer => "layer",
        }
    }

    pub(super) const fn plural(self) -> &'static str {
        match self {
            Self::Problem => "problems",
            Self::Loss => "losses",
            Self::Method => "methods",
            Self::Layer => "layers",
        }
    }
}

/// A definition that others may use.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    pub(super) kind: Kind,
    pub(super) name: String,
    /// The clause that imports it.
    pub(super) import: String,
    /// Its head as it is written, on one line.
    pub(super) head: String,
    /// The first sentence about it.
    pub(super) doc: String,
    /// The predicates that it requires.
    pub(super) requires: Vec<String>,
    pub(super) params: Vec<Param>,
}

/// The offers of a file; `import` makes the clause that imports a name.
pub(super) fn offers(file: &File, sources: &SourceMap, import: impl Fn(&str) -> String) -> Vec<Offer> {
    let one_line = |span: Span| sources.text(span).split_whitespace().collect::<Vec<_>>().join(" ");
    let offer = |item: &Item| {
        let (kind, name, params, end, requires) = match &item.kind {
            ItemKind::Problem(Definition { name, params, body, .. }) => {
                (Kind::Problem, name, params, body.span.start, &[][..])
            }
            ItemKind::Loss(Definition { name, params, requires, body })
            | ItemKind::Method(Definition { name, params, requires, body }) => {
                let kind = if matches!(item.kind, ItemKind::Loss(_)) { Kind::Loss } else { Kind::Method };
                let end = requires.first().map_or(body.span.start, |clause| clause.span.start);
                (kind, name, params, end, requires.as_slice())
            }
            ItemKind::Layer(layer) => (Kind::Layer, &layer.name, &layer.params, layer.body.span.start, &[][..]),
            _ => return None,
        };
        let head = one_line(Span::new(name.span.start, end));
        Some(Offer {
            kind,
            name: name.text.to_string(),
            import: import(&name.text),
            head: head.trim_end_matches(" requires").trim_end_matches('=').trim_end().to_owned(),
            doc: first_sentence(&item.doc),
            requires: requires.iter().map(|clause| predicate(clause, &one_line)).collect(),
            params: params.clone(),
        })
    };
    file.items.iter().filter_map(offer).collect()
}

/// `P.matched_noise` as `matched_noise`.
fn predicate(clause: &Expr, one_line: &impl Fn(Span) -> String) -> String {
    match &clause.kind {
        ExprKind::Member(_, name) => name.text.to_string(),
        _ => one_line(clause.span),
    }
}

fn first_sentence(doc: &str) -> String {
    let text = doc.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.find(". ") {
        Some(end) => text[..=end].to_owned(),
        None => text,
    }
}
