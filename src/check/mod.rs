//! Names, kinds, sizes, shapes, axes, and the structure of problems.
//!
//! In: the trees of all files of a program, and the values that the command line puts in place of the file's own. Out:
//! a [`Checked`] program, or errors, as many independent ones as there are. May not know: how anything runs.

mod builtin;
mod names;
mod overrides;
mod profile;
mod size;
mod structure;
mod typing;
mod walk;

pub use profile::{apply_profile, profiles};

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostic::Sink;
use crate::source::SourceMap;
use crate::syntax::ParsedModule;
use crate::syntax::tree::ItemKind;
use crate::typed::{Checked, Module, UnmetRequirement};

/// The stack of the thread that checks. Layers and functions recurse as deep as their text says, up to a limit that is
/// counted in calls: the stack has to hold that.
const STACK: usize = 512 << 20;

/// Checks a program whose files were parsed; `None` after an error, also one that was in `sink` before.
///
/// `overrides` are names and the texts of the values put in place of those of the entry, the last of `modules`.
///
/// # Panics
/// Where the system refuses a thread.
pub fn check(
    modules: Vec<ParsedModule>,
    overrides: &[(String, String)],
    sink: &mut Sink,
    map: &mut SourceMap,
) -> Option<Checked> {
    on_a_large_stack(|| check_here(modules, overrides, sink, map).1)
}

/// The requirements that are not met where the entry's losses meet its problems. All that is wrong goes to `sink`, these too.
///
/// # Panics
/// Where the system refuses a thread.
pub fn unmet_requirements(
    modules: Vec<ParsedModule>,
    sink: &mut Sink,
    map: &mut SourceMap,
) -> BTreeSet<UnmetRequirement> {
    on_a_large_stack(|| check_here(modules, &[], sink, map).0.into_iter().collect())
}

fn on_a_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|threads| {
        let builder = std::thread::Builder::new().name("check".into()).stack_size(STACK);
        let result = builder.spawn_scoped(threads, work).expect("a thread can be started").join();
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn check_here(
    mut modules: Vec<ParsedModule>,
    overrides: &[(String, String)],
    sink: &mut Sink,
    map: &mut SourceMap,
) -> (Vec<UnmetRequirement>, Option<Checked>) {
    if let Some(entry) = modules.last_mut() {
        profile::check_profiles(&entry.tree, sink);
        overrides::apply_overrides(&mut entry.tree, overrides, sink, map);
    }
    if sink.has_errors() || modules.is_empty() {
        return (Vec::new(), None);
    }
    let offers = names::Offers::default();
    let mut resolved: Vec<names::Resolved> = Vec::new();
    for (place, module) in modules.iter().enumerate() {
        let one = names::resolve_module(place, &module.tree, &module.imports, &resolved, &offers, sink);
        resolved.push(one);
    }
    let mut structures = BTreeMap::new();
    for (place, module) in modules.iter().enumerate() {
        for (item, one) in module.tree.items.iter().enumerate() {
            if let ItemKind::Problem(definition) = &one.kind
                && let Some(structure) = structure::find_structure(definition, map, sink)
            {
                structures.insert((place, item), structure);
            }
        }
    }
    // A name without a meaning is an error of its own; typing takes it for anything.
    let unmet = typing::type_program(&modules, &resolved, &structures, map, sink);
    if sink.has_errors() {
        return (unmet, None);
    }
    let modules = modules.into_iter().zip(resolved);
    let modules = modules
        .map(|(module, resolved)| Module {
            path: module.path,
            tree: module.tree,
            names: resolved.names,
            data: module.data,
        })
        .collect();
    (unmet, Some(Checked { modules, structures }))
}
