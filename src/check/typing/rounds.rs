//! Loops inside one program: `repeat n times { … }` in a loss or a measurement, whose states differ from sample to sample.

use std::rc::Rc;

use super::scope::{Binding, Scope};
use super::ty::{AxisId, Ty};
use super::typer::Typer;
use crate::source::Symbol;
use crate::syntax::tree::Block;
use crate::syntax::walk::assigned_in;

impl<'a> Typer<'a> {
    /// What a state varies over may grow in a round, and then what the round makes of it as well.
    pub(crate) fn rounds(&mut self, body: &'a Block, scope: &Rc<Scope<'a>>) {
        let states = assigned_in(body);
        loop {
            let before: Vec<_> = states.iter().map(|state| axes_of(state, scope)).collect();
            self.body(body, scope);
            if states.iter().map(|state| axes_of(state, scope)).eq(before) {
                return;
            }
        }
    }
}

fn axes_of(state: &Symbol, scope: &Rc<Scope<'_>>) -> Vec<AxisId> {
    match scope.find(state) {
        Some((_, Binding::Value(Ty::Tensor(tensor)))) => tensor.axes.keys().copied().collect(),
        _ => Vec::new(),
    }
}
