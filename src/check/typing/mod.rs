//! Types by abstract interpretation: every expression is evaluated with types in place of values.
//!
//! In: trees with resolved names, and the structure of problems. Out: nothing but errors; a program without any lowers.
//! Functions and layers are typed at each use with the types of the arguments; problems and losses once with their
//! parameters left open. May not know: how anything runs.

mod argument;
mod arithmetic;
mod binder;
mod body;
mod builtin;
mod call;
mod copied;
mod definition;
mod derivative;
mod errors;
mod expect;
mod experiment;
mod expr;
mod figure;
mod fit;
mod function;
mod horizon;
mod law;
mod layer;
mod loss;
mod measure;
mod measured;
mod method;
mod minimize;
mod problem;
mod rounds;
mod sampled;
mod schedule;
mod scope;
mod step;
mod ty;
mod typer;

use std::collections::BTreeMap;

use self::typer::Typer;
use crate::check::names::Resolved;
use crate::diagnostic::Sink;
use crate::source::SourceMap;
use crate::syntax::ParsedModule;
use crate::syntax::tree::ItemKind;
use crate::typed::{Structure, UnmetRequirement};

/// Types a whole program; what is wrong goes to `sink`. Returns the requirements of losses that the entry's problems do not
/// meet.
pub(super) fn type_program(
    modules: &[ParsedModule],
    resolved: &[Resolved],
    structures: &BTreeMap<(usize, usize), Structure>,
    map: &SourceMap,
    sink: &mut Sink,
) -> Vec<UnmetRequirement> {
    let mut typer = Typer::new(modules, resolved, structures, map, sink);
    for (module, parsed) in modules.iter().enumerate() {
        for (place, item) in parsed.tree.items.iter().enumerate() {
            match &item.kind {
                ItemKind::Problem(definition) => typer.check_problem(definition, (module, place)),
                ItemKind::Loss(definition) => typer.check_loss(definition, module),
                ItemKind::Method(definition) => typer.check_method(definition, module),
                _ => {}
            }
        }
        if module != typer.entry() {
            typer.check_values(module);
        }
    }
    typer.check_experiment();
    typer.unmet
}
