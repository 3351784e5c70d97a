//! The top level of a file: its own names, its imports, then everything inside.

use std::collections::BTreeMap;

use super::body::Place;
use super::errors::{GivenTwice, UnknownField};
use super::{Offers, Resolver};
use crate::diagnostic::{Sink, nearest};
use crate::source::{Name, Span, Symbol};
use crate::syntax::CITE_FIELDS;
use crate::syntax::tree::{Cite, File, Item, ItemKind, Use, UsePath};

/// The names of one file.
#[derive(Clone, Debug, Default)]
pub(in crate::check) struct Resolved {
    /// What each name stands for: (module, item).
    pub(in crate::check) names: BTreeMap<Symbol, (usize, usize)>,
    /// Those of them that the file itself defines.
    pub(in crate::check) own: BTreeMap<Symbol, (usize, usize)>,
}

/// Resolves one file. `imports` says which modules each `use` item means; `earlier` are the files resolved before.
pub(in crate::check) fn resolve_module(
    module: usize,
    tree: &File,
    imports: &[(usize, usize)],
    earlier: &[Resolved],
    offers: &Offers,
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
            resolved.own.insert(name.key.clone(), (module, place));
        }
    }
    for (place, item) in tree.items.iter().enumerate() {
        let ItemKind::Use(one) = &item.kind else { continue };
        for name in imported(one) {
            if let Some((_, first)) = top.get(&name.key) {
                sink.push(GivenTwice { name: name.text.to_string(), second: name.span, first: *first });
                continue;
            }
            top.insert(name.key.clone(), (name.text.to_string(), name.span));
            // A name that no file has was reported when the files were read.
            let mut sources =
                imports.iter().filter(|(item, _)| *item == place).filter_map(|(_, target)| earlier.get(*target));
            if let Some(found) = sources.find_map(|file| file.own.get(&name.key)) {
                resolved.names.insert(name.key.clone(), *found);
            }
        }
    }
    let mut resolver = Resolver { sink, top: &top, offers, frames: Vec::new() };
    for item in &tree.items {
        match &item.kind {
            ItemKind::Cite(one) => check_fields(one, resolver.sink),
            ItemKind::Use(_) => {}
            ItemKind::Let(one) => resolver.let_value(one),
            ItemKind::Problem(one) => resolver.definition(one, Place::Problem),
            ItemKind::Bind(one) => resolver.expr(&one.value),
            ItemKind::Loss(one) => resolver.definition(one, Place::Loss),
            ItemKind::Method(one) => resolver.definition(one, Place::Method),
            ItemKind::Layer(one) => resolver.layer(one),
            ItemKind::Net(one) => resolver.net(one),
            ItemKind::Sweep(axes) => axes.iter().for_each(|axis| resolver.expr(&axis.values)),
            ItemKind::Train(block) => resolver.block(block, Place::Train),
            ItemKind::Measure(one) => {
                one.every.iter().chain(&one.from).for_each(|expr| resolver.expr(expr));
                resolver.block(&one.body, Place::Measure);
            }
            // Quantities are the measurements' names, axes those of sweeps: typing knows both.
            ItemKind::Plot(_) | ItemKind::Table(_) | ItemKind::Expect(_) => {}
            // A profile is resolved where it is put in place.
            ItemKind::Profile(_) => {}
        }
    }
    resolved
}

/// The facts about a source have known names, each once.
fn check_fields(cite: &Cite, sink: &mut Sink) {
    let mut seen: Vec<&Name> = Vec::new();
    for (name, _) in &cite.fields {
        if let Some(first) = seen.iter().find(|first| ***first == *name) {
            sink.push(GivenTwice { name: name.text.to_string(), second: name.span, first: first.span });
        }
        seen.push(name);
        if !CITE_FIELDS.contains(&&*name.text) {
            let help = match nearest(&name.text, CITE_FIELDS.iter().copied()) {
                Some(near) => format!("did `{near}` stand here?"),
                None => format!("a source has {}", CITE_FIELDS.join(", ")),
            };
            sink.push(UnknownField { name: name.text.to_string(), at: name.span, help });
        }
    }
}

/// The names that an item defines.
pub(in crate::check) fn defined(item: &Item) -> Vec<&Name> {
    match &item.kind {
        ItemKind::Let(one) => vec![&one.name],
        ItemKind::Problem(one) | ItemKind::Loss(one) | ItemKind::Method(one) => vec![&one.name],
        ItemKind::Bind(one) => vec![&one.name],
        ItemKind::Layer(one) => vec![&one.name],
        ItemKind::Net(one) => vec![&one.name],
        ItemKind::Sweep(axes) => axes.iter().map(|axis| &axis.name).collect(),
        ItemKind::Cite(_)
        | ItemKind::Use(_)
        | ItemKind::Train(_)
        | ItemKind::Measure(_)
        | ItemKind::Plot(_)
        | ItemKind::Table(_)
        | ItemKind::Expect(_)
        | ItemKind::Profile(_) => Vec::new(),
    }
}

fn imported(one: &Use) -> Vec<&Name> {
    match &one.from {
        _ if !one.names.is_empty() => one.names.iter().collect(),
        UsePath::Dotted(path) => path.last().into_iter().collect(),
        UsePath::File(_) => Vec::new(),
    }
}
