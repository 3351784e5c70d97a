//! What the equations of a problem say: drift, control map, noise, costs, and the predicates with what decided them.
//!
//! In: the definition of one problem. Out: its [`Structure`], or errors. May not know: types; it reads forms alone.

mod affine;
mod cost;
mod errors;
mod linear;
mod parts;
mod predicates;
mod product;
mod scope;
mod shape;
mod stop;

use crate::diagnostic::Sink;
use crate::source::SourceMap;
use crate::syntax::tree::Definition;
use crate::typed::Structure;

/// Takes a problem apart; `None` after an error.
pub(super) fn find_structure(definition: &Definition, map: &SourceMap, sink: &mut Sink) -> Option<Structure> {
    let scope = scope::Scope::new(definition);
    let parts = parts::collect_parts(definition, map, sink)?;
    let cost = cost::split_cost(&scope, &parts, map, sink)?;
    let stop = stop::find_stop(&scope, &parts, sink).ok()?;
    let deciding = predicates::Deciding::new(&scope, &parts, &cost, &definition.name);
    let maps = deciding.control_maps();
    let (facts, noise_scale) = deciding.decide();
    let mut states = parts.states;
    for (state, control_map) in states.iter_mut().zip(maps) {
        state.control_map = control_map;
    }
    Some(Structure {
        time: parts.time,
        states,
        control: parts.control,
        noise: parts.noise,
        running: cost.running,
        terminal: cost.terminal,
        stop,
        noise_scale,
        facts,
    })
}
