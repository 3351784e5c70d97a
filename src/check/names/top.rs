//! The top level of a file: its own names, its imports, then everything inside.

use std::collections::BTreeMap;

use super::body::Place;
use super::errors::{GivenTwice, NotExported};
use super::Resolver;
use crate::check::nearest::suggest;
use crate::diagnostic::Sink;
use crate::source::{Name, Span, Symbol};
use crate::syntax::tree::{Clause, File, Item, ItemKind, Use, UsePath};

/// The names of one file.
#[derive(Clone, Debug, Default)]
pub(in crate::check) struct Resolved {
    /// What each name stands for: (module, item).
    pub(in crate::check) names: BTreeMap<Symbol, (usize, usize)>,
    /// The spellings of the names that the file itself defines.
    pub(in crate::check) own: BTreeMap<Symbol, Name>,
}

/// Resolves one file. `imports` says which module each `use` item means; `earlier` are the files resolved before.
pub(in crate::check) fn resolve_module(
    module: usize,
    path: &str,
    tree: &File,
    imports: &dyn Fn(usize) -> Option<usize>,
    earlier: &[(String, Resolved)],
    offers: &BTreeMap<Symbol, String>,
    sink: &mut Sink,
) -> Resolved {
    let mut resolved = Resolved::default();
    let mut top: BTreeMap<Symbol, (String, Span)> = BTreeMap::new();
    for (place, item) in tree.items.iter().enumerate() {
        for name in defined(item) {
            if let Some((_, first)) = top.get(&name.key) {
                sink.push(GivenTwice { name: name.text.to_string(), second: name.span, first: *first });
                continue;
            }
            top.insert(name.key.clone(), (name.text.to_string(), name.span));
            resolved.names.insert(name.key.clone(), (module, place));
            resolved.own.insert(name.key.clone(), name.clone());
        }
    }
    for (place, item) in tree.items.iter().enumerate() {
        let ItemKind::Use(one) = &item.kind else { continue };
        let source = imports(place).and_then(|target| earlier.get(target).map(|file| (target, file)));
        for name in imported(one) {
            if let Some((_, first)) = top.get(&name.key) {
                sink.push(GivenTwice { name: name.text.to_string(), second: name.span, first: *first });
                continue;
            }
            top.insert(name.key.clone(), (name.text.to_string(), name.span));
            let Some((target, (from, file))) = source else { continue };
            match file.own.get(&name.key).and_then(|_| file.names.get(&name.key)) {
                Some(found) => {
                    resolved.names.insert(name.key.clone(), *found);
                }
                None => {
                    debug_assert!(target < module, "imports come first");
                    let help = match suggest(&name.text, file.own.values().map(|own| &*own.text)) {
                        Some(near) => format!("did `{near}` stand here?"),
                        None => format!("it has {}", list(file.own.values().map(|own| &*own.text))),
                    };
                    sink.push(NotExported { name: name.text.to_string(), from: from.clone(), help, at: name.span });
                }
            }
        }
    }
    let _ = path;
    let mut resolver = Resolver { sink, top: &top, offers, frames: Vec::new() };
    for item in &tree.items {
        match &item.kind {
            ItemKind::Cite(_) | ItemKind::Use(_) => {}
            ItemKind::Let(one) => resolver.let_value(one),
            ItemKind::Problem(one) => resolver.definition(one, Place::Problem),
            ItemKind::Bind(one) => resolver.expr(&one.value),
            ItemKind::Loss(one) => resolver.definition(one, Place::Loss),
            ItemKind::Layer(one) => resolver.layer(one),
            ItemKind::Net(one) => resolver.net(one),
            ItemKind::Sweep(axes) => axes.iter().for_each(|axis| resolver.expr(&axis.values)),
            ItemKind::Train(block) => resolver.block(block, Place::Train),
            ItemKind::Measure(one) => {
                if let Some(every) = &one.every {
                    resolver.expr(every);
                }
                resolver.block(&one.body, Place::Measure);
            }
            // Quantities are the measurements' names, axes those of sweeps: typing knows both.
            ItemKind::Plot(_) | ItemKind::Table(_) => {}
        }
    }
    resolved
}

/// The names that an item defines.
pub(in crate::check) fn defined(item: &Item) -> Vec<&Name> {
    match &item.kind {
        ItemKind::Let(one) => vec![&one.name],
        ItemKind::Problem(one) | ItemKind::Loss(one) => vec![&one.name],
        ItemKind::Bind(one) => vec![&one.name],
        ItemKind::Layer(one) => vec![&one.name],
        ItemKind::Net(one) => vec![&one.name],
        ItemKind::Sweep(axes) => axes.iter().map(|axis| &axis.name).collect(),
        ItemKind::Cite(_) | ItemKind::Use(_) | ItemKind::Train(_) | ItemKind::Measure(_) | ItemKind::Plot(_) | ItemKind::Table(_) => Vec::new(),
    }
}

fn imported(one: &Use) -> Vec<&Name> {
    match &one.from {
        _ if !one.names.is_empty() => one.names.iter().collect(),
        UsePath::Dotted(path) => path.last().into_iter().collect(),
        UsePath::File(_) => Vec::new(),
    }
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    if names.is_empty() { "no items".into() } else { names.join(", ") }
}

/// The names in a clause of a plot or a table.
#[allow(dead_code)]
fn clause_name(clause: &Clause) -> &Name {
    match clause {
        Clause::By(name) | Clause::MeanOver(name) | Clause::Log(name) => name,
    }
}
