//! What the values of a sweep are called.

use super::tree::{Expr, ExprKind, UnaryOp};
use crate::source::fold;

/// A label per value: the name that stands first in it, or the number.
pub fn sweep_labels(values: &Expr) -> Vec<String> {
    match &values.kind {
        ExprKind::Group(inner) => sweep_labels(inner),
        ExprKind::List(items) => {
            let short: Vec<String> = items.iter().map(label).collect();
            let twice = |label: &String| short.iter().filter(|other| *other == label).count() > 1;
            // Two values of one name are told apart by their places.
            let told = |(i, label): (usize, &String)| {
                if twice(label) { format!("{label} ({})", i + 1) } else { label.clone() }
            };
            short.iter().enumerate().map(told).collect()
        }
        ExprKind::Range(from, to) => match (whole(from), whole(to)) {
            (Some(a), Some(b)) => (a..=b).map(|i| i.to_string()).collect(),
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// The values of a sweep that an expression may mean: one, unless it is unknown or stands for several.
pub fn meant(values: &Expr, chosen: &Expr) -> Vec<String> {
    let labels = sweep_labels(values);
    let wanted = label(chosen);
    let plain: Vec<String> = match &values.kind {
        ExprKind::Group(inner) => return meant(inner, chosen),
        ExprKind::List(items) => items.iter().map(label).collect(),
        _ => labels.clone(),
    };
    let number = |text: &str| text.replace('_', "").parse::<f64>().ok();
    let same = |label: &str| match (number(label), number(&wanted)) {
        (Some(a), Some(b)) => a == b,
        _ => fold(label) == fold(&wanted),
    };
    labels.into_iter().zip(plain).filter(|(_, plain)| same(plain)).map(|(label, _)| label).collect()
}

fn whole(e: &Expr) -> Option<i64> {
    match &e.kind {
        ExprKind::Number { value, .. } => Some(*value as i64),
        ExprKind::Group(inner) => whole(inner),
        _ => None,
    }
}

/// What one value is called: the name that stands first in it, or the number.
pub fn label(e: &Expr) -> String {
    match &e.kind {
        ExprKind::Name(name) => name.text.to_string(),
        ExprKind::Number { text, .. } | ExprKind::Text(text) => text.to_string(),
        ExprKind::Member(_, name) => name.text.to_string(),
        ExprKind::Call(callee, _) => label(callee),
        ExprKind::Group(inner) => label(inner),
        ExprKind::Unary(UnaryOp::Negate, _, inner) => format!("-{}", label(inner)),
        _ => "value".to_owned(),
    }
}
