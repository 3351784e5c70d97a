//! Values from the command line, put in place of those of the entry file.

use miette::Diagnostic;
use thiserror::Error;

use super::walk::peel;
use crate::diagnostic::{Sink, nearest};
use crate::source::{SourceMap, Span, fold, name};
use crate::syntax::parse;
use crate::syntax::tree::{Block, Expr, ExprKind, File, Item, ItemKind, Measure, Statement, StatementKind, UnaryOp};

#[derive(Debug, Error, Diagnostic)]
#[error("`--set {name}=…` names nothing that can be set")]
#[diagnostic(code("soc::override"), help("{help}"))]
struct NothingToSet {
    name: String,
    help: String,
}

#[derive(Debug, Error, Diagnostic)]
#[error("`{name}` is a function in the file, `--set` gives values")]
#[diagnostic(code("soc::override"), help("change it in the file, or set a number that it uses"))]
struct FunctionSet {
    name: String,
    #[label("a function")]
    at: Span,
}

#[derive(Debug, Error, Diagnostic)]
#[error("`{name}` is {expected} in the file, found {found} in `--set {name}=…`")]
#[diagnostic(code("soc::override"), help("give {expected}"))]
struct OtherKind {
    name: String,
    expected: &'static str,
    found: &'static str,
    #[label("{expected}")]
    at: Span,
    #[label("{found}")]
    given: Span,
}

#[derive(Debug, Error, Diagnostic)]
#[error("`--set {name}=…` takes one value, found more")]
#[diagnostic(code("soc::override"), help("give one expression: `--set {name}=50`, `--set \"{name}=1..5\"`"))]
struct OneValue {
    name: String,
    #[label("more than a value")]
    at: Span,
}

/// What a name of the command line stands for in the entry.
pub(super) enum Place {
    /// A `let`.
    Let(usize),
    /// A swept name: item and axis.
    Sweep(usize, usize),
    /// A setting of the blocks of these items.
    Setting(Vec<usize>, &'static str),
    /// The `every` of these measurements.
    Every(Vec<usize>),
}

/// Why a name cannot be set.
pub(super) enum Refused {
    /// It names nothing; what to do.
    Unknown(String),
    /// It is a function of the file.
    Function(Span),
}

/// Puts every given value in its place. A name is a top-level `let` or a swept name of the entry; or a setting, which is
/// that of every `train` which has it, of all where none does, and with `measure.` before it that of every `measure`.
pub(super) fn apply_overrides(entry: &mut File, overrides: &[(String, String)], sink: &mut Sink, map: &mut SourceMap) {
    for (key, text) in overrides {
        let place = match find_place(entry, key) {
            Ok(place) => place,
            Err(Refused::Unknown(help)) => {
                sink.push(NothingToSet { name: key.clone(), help });
                continue;
            }
            Err(Refused::Function(at)) => {
                sink.push(FunctionSet { name: key.clone(), at });
                continue;
            }
        };
        let ranged = matches!(place, Place::Sweep(..));
        let Some(value) = parse_value(key, text, ranged, sink, map) else { continue };
        if let Some(error) = other_kind(entry, key, &place, &value) {
            sink.push(error);
            continue;
        }
        place_value(entry, &place, value);
    }
}

/// What a name of the command line or of a profile stands for.
pub(super) fn find_place(entry: &File, key: &str) -> Result<Place, Refused> {
    let folded = fold(key);
    for (index, item) in entry.items.iter().enumerate() {
        match &item.kind {
            ItemKind::Let(one) if one.name.key == folded => {
                if one.params.is_some() {
                    return Err(Refused::Function(one.name.span));
                }
                return Ok(Place::Let(index));
            }
            ItemKind::Sweep(axes) => {
                if let Some(axis) = axes.iter().position(|axis| axis.name.key == folded) {
                    return Ok(Place::Sweep(index, axis));
                }
            }
            _ => {}
        }
    }
    let of = |measure: bool| -> Vec<usize> {
        let fits = |item: &Item| match item.kind {
            ItemKind::Train(_) => !measure,
            ItemKind::Measure(_) => measure,
            _ => false,
        };
        (0..entry.items.len()).filter(|index| fits(&entry.items[*index])).collect()
    };
    let (blocks, word) = match key.split_once('.') {
        Some(("measure", word)) => (of(true), word),
        Some(("train", word)) => (of(false), word),
        _ if of(false).is_empty() => (of(true), key),
        _ => (of(false), key),
    };
    let setting = ["steps", "batch", "grid"].into_iter().find(|known| *known == word);
    match setting {
        Some(setting) if !blocks.is_empty() => return Ok(Place::Setting(blocks, setting)),
        _ if word == "every" && !of(true).is_empty() => return Ok(Place::Every(of(true))),
        _ => {}
    }
    Err(Refused::Unknown(help_for(entry, key)))
}

fn help_for(entry: &File, key: &str) -> String {
    let mut known: Vec<String> = Vec::new();
    for item in &entry.items {
        match &item.kind {
            ItemKind::Let(one) if one.params.is_none() => known.push(one.name.text.to_string()),
            ItemKind::Sweep(axes) => known.extend(axes.iter().map(|axis| axis.name.text.to_string())),
            _ => {}
        }
    }
    let settings = ["steps", "batch", "grid", "every", "measure.batch", "measure.grid"];
    let near = nearest(key, known.iter().map(String::as_str).chain(settings)).filter(|_| key.chars().count() > 1);
    if let Some(near) = near {
        return format!("did `{near}` stand here?");
    }
    let listed: Vec<String> = known.iter().map(|one| format!("`{one}`")).collect();
    let lets = if listed.is_empty() {
        "the file has no top-level `let` with a value".to_string()
    } else {
        format!("the file has {}", listed.join(", "))
    };
    format!("{lets}; settings are `steps`, `batch` and `grid` of `train`, `every`, `measure.batch` and `measure.grid`")
}

fn parse_value(key: &str, text: &str, ranged: bool, sink: &mut Sink, map: &mut SourceMap) -> Option<Expr> {
    let word = if ranged { "sweep x in " } else { "let x = " };
    let written = format!("{word}{text}");
    let base = map.add(format!("--set {key}"), written.as_str());
    let before = sink.reports().len();
    let tree = parse(&written, base, sink);
    if sink.reports().len() > before {
        return None;
    }
    let mut items = tree.items.into_iter();
    match (items.next(), items.next()) {
        (Some(Item { kind: ItemKind::Let(one), .. }), None) => Some(one.value),
        (Some(Item { kind: ItemKind::Sweep(axes), .. }), None) => {
            let mut axes = axes.into_iter();
            match (axes.next(), axes.next()) {
                (Some(axis), None) => Some(axis.values),
                (_, second) => {
                    let at = second.map_or(Span::NONE, |axis| axis.name.span);
                    sink.push(OneValue { name: key.to_string(), at });
                    None
                }
            }
        }
        (_, second) => {
            sink.push(OneValue { name: key.to_string(), at: second.map_or(Span::NONE, |item| item.span) });
            None
        }
    }
}

/// The error about a value of another kind than the one in the file.
fn other_kind(entry: &File, key: &str, place: &Place, value: &Expr) -> Option<OtherKind> {
    let Place::Let(index) = place else { return None };
    let ItemKind::Let(one) = &entry.items[*index].kind else { return None };
    let (expected, found) = (kind_of(&one.value)?, kind_of(value)?);
    let error = OtherKind { name: key.to_string(), expected, found, at: one.value.span, given: value.span };
    (expected != found).then_some(error)
}

/// Puts a value in its place.
pub(super) fn place_value(entry: &mut File, place: &Place, value: Expr) {
    match place {
        Place::Let(index) => {
            if let ItemKind::Let(one) = &mut entry.items[*index].kind {
                one.value = value;
            }
        }
        Place::Sweep(index, axis) => {
            if let ItemKind::Sweep(axes) = &mut entry.items[*index].kind {
                let list = matches!(peel(&value).kind, ExprKind::List(_) | ExprKind::Range(..));
                let span = value.span;
                axes[*axis].values = if list { value } else { Expr { kind: ExprKind::List(vec![value]), span } };
            }
        }
        Place::Setting(items, word) => {
            let trains_have_it =
                items.iter().any(|index| is_train(&entry.items[*index]) && has(&entry.items[*index], word));
            for index in items {
                let item = &mut entry.items[*index];
                if trains_have_it && !has(item, word) {
                    continue;
                }
                if let ItemKind::Train(block) | ItemKind::Measure(Measure { body: block, .. }) = &mut item.kind {
                    set(block, word, value.clone());
                }
            }
        }
        Place::Every(items) => {
            for index in items {
                if let ItemKind::Measure(measure) = &mut entry.items[*index].kind
                    && let Some(every) = &mut measure.every
                {
                    *every = value.clone();
                }
            }
        }
    }
}

fn is_train(item: &Item) -> bool {
    matches!(item.kind, ItemKind::Train(_))
}

/// Whether a block has a setting of its own.
fn has(item: &Item, word: &str) -> bool {
    let (ItemKind::Train(block) | ItemKind::Measure(Measure { body: block, .. })) = &item.kind else { return false };
    let named = |kind: &StatementKind| matches!(kind, StatementKind::Setting { name, .. } if name.key.as_str() == word);
    block.statements.iter().any(|statement| named(&statement.kind))
}

/// Replaces a setting of a block, or adds it.
fn set(block: &mut Block, word: &str, value: Expr) {
    for statement in &mut block.statements {
        if let StatementKind::Setting { name, value: old } = &mut statement.kind
            && name.key.as_str() == word
        {
            *old = value;
            return;
        }
    }
    let span = value.span;
    let kind = StatementKind::Setting { name: name(word, span), value };
    block.statements.insert(0, Statement { doc: String::new(), kind, span });
}

/// What a value is by its form, where that says it.
fn kind_of(expr: &Expr) -> Option<&'static str> {
    match &peel(expr).kind {
        ExprKind::Number { .. } => Some("a number"),
        ExprKind::Unary(UnaryOp::Negate | UnaryOp::SquareRoot, _, inner) => kind_of(inner),
        ExprKind::Binary(_, _, a, b) => match (kind_of(a), kind_of(b)) {
            (Some("a number"), Some("a number")) => Some("a number"),
            _ => None,
        },
        ExprKind::Text(_) => Some("a text"),
        ExprKind::Bool(_) => Some("a truth value"),
        ExprKind::List(_) => Some("a list"),
        _ => None,
    }
}
