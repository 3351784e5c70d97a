//! The stopping set of a problem: where a number Φ of state and time is not positive.

use super::errors::{StopForm, StopReads};
use super::parts::Parts;
use super::scope::Scope;
use crate::check::walk::peel;
use crate::diagnostic::Sink;
use crate::syntax::tree::{BinaryOp, Expr, ExprKind};

/// Φ as signed summands, if the problem stops; `Err` after an error.
pub(super) fn find_stop(scope: &Scope<'_>, parts: &Parts, sink: &mut Sink) -> Result<Option<Vec<(bool, Expr)>>, ()> {
    let Some(condition) = &parts.stop else { return Ok(None) };
    let state = &parts.states[0].name;
    let (a, b) = match &peel(condition).kind {
        ExprKind::Binary(BinaryOp::LessEqual, _, a, b) => (a, b),
        ExprKind::Binary(BinaryOp::GreaterEqual, _, a, b) => (b, a),
        _ => {
            sink.push(StopForm { state: state.text.to_string(), at: condition.span });
            return Err(());
        }
    };
    let reach = scope.reach(condition);
    if let Some(control) = parts.control.as_ref().filter(|control| reach.contains(&control.name.key)) {
        let found = format!("it depends on the control `{}`", control.name);
        sink.push(StopReads { found, state: state.text.to_string(), at: condition.span });
        return Err(());
    }
    if !parts.states.iter().any(|state| reach.contains(&state.name.key)) {
        let found = "it depends on no state".to_string();
        sink.push(StopReads { found, state: state.text.to_string(), at: condition.span });
        return Err(());
    }
    Ok(Some(vec![(false, (**a).clone()), (true, (**b).clone())]))
}
