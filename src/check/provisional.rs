//! Names and structures alone.
use std::collections::BTreeMap;
use super::structure::find_structure;
use crate::diagnostic::Sink;
use crate::source::SourceMap;
use crate::syntax::ParsedModule;
use crate::syntax::tree::{ItemKind, UsePath};
use crate::typed::{Checked, Module};

/// Checks.
pub fn provisional(modules: Vec<ParsedModule>, map: &SourceMap, sink: &mut Sink) -> Option<Checked> {
    let mut out: Vec<Module> = Vec::new();
    let mut structures = BTreeMap::new();
    for (m, parsed) in modules.into_iter().enumerate() {
        let mut names = BTreeMap::new();
        for (i, item) in parsed.tree.items.iter().enumerate() {
            match &item.kind {
                ItemKind::Let(l) => drop(names.insert(l.name.key.clone(), (m, i))),
                ItemKind::Problem(d) => {
                    names.insert(d.name.key.clone(), (m, i));
                    structures.insert((m, i), find_structure(d, map, sink)?);
                }
                ItemKind::Loss(d) => drop(names.insert(d.name.key.clone(), (m, i))),
                ItemKind::Bind(d) => drop(names.insert(d.name.key.clone(), (m, i))),
                ItemKind::Layer(d) => drop(names.insert(d.name.key.clone(), (m, i))),
                ItemKind::Net(d) => drop(names.insert(d.name.key.clone(), (m, i))),
                ItemKind::Sweep(axes) => axes.iter().for_each(|a| drop(names.insert(a.name.key.clone(), (m, i)))),
                ItemKind::Use(u) => {
                    let mut wanted: Vec<_> = u.names.clone();
                    if let (true, UsePath::Dotted(p)) = (wanted.is_empty(), &u.from) {
                        wanted.extend(p.last().cloned());
                    }
                    for (item, home) in &parsed.imports {
                        if *item == i {
                            for n in &wanted {
                                if let Some(at) = out[*home].names.get(&n.key) {
                                    names.insert(n.key.clone(), *at);
                                }
                            }
                        }
                    }
                }
                _ => {}
            }
        }
        out.push(Module { path: parsed.path, tree: parsed.tree, names });
    }
    Some(Checked { modules: out, structures })
}
