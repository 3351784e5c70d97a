//! The statements of a problem, sorted by role.

use super::errors::{DottedTerm, Missing, NoSuchState, StateGivenElsewhere, Twice, WrongDifferential};
use crate::check::walk::canonical;
use crate::diagnostic::Sink;
use crate::diagnostic::nearest;
use crate::source::{Name, SourceMap, Span};
use crate::syntax::tree::{Declaration, Definition, Equation, Expr, StatementKind};
use crate::typed::StateEquation;

/// A problem's statements by role.
pub(super) struct Parts {
    pub(super) time: (Name, Expr, Expr),
    pub(super) states: Vec<StateEquation>,
    pub(super) control: Option<Declaration>,
    pub(super) noise: Option<Declaration>,
    pub(super) cost: Expr,
    /// The condition under which a path stops.
    pub(super) stop: Option<Expr>,
    /// The whole equation of each state.
    pub(super) equations: Vec<Span>,
}

/// Sorts the statements; `None` where the problem lacks what every problem has.
pub(super) fn collect_parts(definition: &Definition, map: &SourceMap, sink: &mut Sink) -> Option<Parts> {
    let problem = || definition.name.text.to_string();
    let mut time: Option<(Name, Expr, Expr)> = None;
    let mut control: Option<Declaration> = None;
    let mut noise: Option<Declaration> = None;
    let mut cost: Option<(Expr, Span)> = None;
    let mut stop: Option<(Expr, Span)> = None;
    let mut states: Vec<Declaration> = Vec::new();
    let mut equations: Vec<(&Equation, Span)> = Vec::new();
    let mut boundaries: Vec<(&Name, &Expr, bool, &Expr, Span)> = Vec::new();
    let mut fine = true;
    let twice = |what: String, second: Span, first: Span, help: &'static str, sink: &mut Sink| {
        sink.push(Twice { problem: problem(), what, help, second, first });
    };
    for statement in &definition.body.statements {
        match &statement.kind {
            StatementKind::Time { name, from, to } => match &time {
                Some((first, ..)) => {
                    twice("the time".into(), statement.span, first.span, "one time is common to all states", sink);
                    fine = false;
                }
                None => time = Some((name.clone(), from.clone(), to.clone())),
            },
            StatementKind::State(one) => states.push(one.clone()),
            StatementKind::Control(one) => match &control {
                Some(first) => {
                    let help = "let one control hold all of it and take its components: `u[1]`, `u[2..3]`";
                    twice("the control".into(), statement.span, first.name.span, help, sink);
                    fine = false;
                }
                None => control = Some(one.clone()),
            },
            StatementKind::Noise(one) => match &noise {
                Some(first) => {
                    let help = "let one noise drive all states, with a matrix before it in each equation";
                    twice("the noise".into(), statement.span, first.name.span, help, sink);
                    fine = false;
                }
                None => noise = Some(one.clone()),
            },
            StatementKind::Cost(one) => match &cost {
                Some((_, first)) => {
                    twice("the cost".into(), statement.span, *first, "add both costs up inside one `E[ … ]`", sink);
                    fine = false;
                }
                None => cost = Some((one.clone(), statement.span)),
            },
            StatementKind::Stop(one) => match &stop {
                Some((_, first)) => {
                    let help = "let one comparison hold both: two sets are one where the smaller of two numbers is not positive";
                    twice("`stop when`".into(), statement.span, *first, help, sink);
                    fine = false;
                }
                None => stop = Some((one.clone(), statement.span)),
            },
            StatementKind::Equation(one) => match equations.iter().find(|(first, _)| first.name == one.name) {
                Some((_, first)) => {
                    let what = format!("the equation of `{}`", one.name);
                    twice(what, statement.span, *first, "write the summands into one equation", sink);
                    fine = false;
                }
                None => equations.push((one, statement.span)),
            },
            StatementKind::Boundary { name, at, drawn, value } => {
                boundaries.push((name, at, *drawn, value, statement.span));
            }
            _ => {}
        }
    }
    let mut missing = |what: &'static str, help: String| {
        sink.push(Missing { problem: problem(), what, help, at: definition.name.span });
    };
    if time.is_none() {
        missing("time", "declare it: `time t in 0..T`".into());
    }
    if states.is_empty() {
        missing("state", "declare it: `state X: R[d]`".into());
    }
    if cost.is_none() {
        missing("cost", "state it: `cost = E[ ∫ … dt + … ]`".into());
    }
    let (time, (cost, _)) = (time?, cost?);
    if states.is_empty() {
        return None;
    }
    let origin = map.text(time.1.span).trim().to_string();
    let mut done = Vec::new();
    let mut spans = Vec::new();
    for state in &states {
        let Some((equation, span)) = equations.iter().find(|(one, _)| one.name == state.name) else {
            sink.push(Missing {
                problem: problem(),
                what: "equation for one of its states",
                help: format!("state it: `d{} = … d{} + … dW`", state.name, time.0),
                at: state.name.span,
            });
            fine = false;
            continue;
        };
        spans.push(*span);
        let mut one = StateEquation {
            name: state.name.clone(),
            ty: state.ty.clone(),
            drift: Vec::new(),
            diffusion: Vec::new(),
            control_map: None,
            initial: None,
        };
        fine &= sort_terms(equation, &time.0, noise.as_ref(), &mut one, sink);
        for (_, at, drawn, value, span) in boundaries.iter().filter(|(name, ..)| **name == state.name) {
            if canonical(at) != canonical(&time.1) {
                sink.push(StateGivenElsewhere {
                    name: state.name.text.to_string(),
                    origin: origin.clone(),
                    at: at.span,
                    time: time.1.span,
                });
                fine = false;
            } else if let Some((_, first)) = &one.initial {
                twice(format!("the value `{}({origin})`", state.name), *span, first.span, "give it once", sink);
                fine = false;
            } else {
                one.initial = Some((*drawn, (*value).clone()));
            }
        }
        if one.initial.is_none() && !boundaries.iter().any(|(name, ..)| **name == state.name) {
            sink.push(Missing {
                problem: problem(),
                what: "first value for one of its states",
                help: format!("give it: `{0}({origin}) = …`, or draw it: `{0}({origin}) ~ …`", state.name),
                at: state.name.span,
            });
            fine = false;
        }
        done.push(one);
    }
    let is_state = |name: &Name| states.iter().any(|state| state.name == *name);
    let strangers = equations.iter().map(|(one, _)| &one.name).chain(boundaries.iter().map(|(name, ..)| *name));
    for name in strangers.filter(|name| !is_state(name)) {
        let known: Vec<&str> = states.iter().map(|state| &*state.name.text).collect();
        let help = match nearest(&name.text, known.iter().copied()) {
            Some(near) => format!("did `{near}` stand here?"),
            None => format!("declare it: `state {name}: R[…]`"),
        };
        sink.push(NoSuchState { name: name.text.to_string(), problem: problem(), help, at: name.span });
        fine = false;
    }
    let stop = stop.map(|(condition, _)| condition);
    fine.then_some(Parts { time, states: done, control, noise, cost, stop, equations: spans })
}

fn sort_terms(
    equation: &Equation,
    time: &Name,
    noise: Option<&Declaration>,
    out: &mut StateEquation,
    sink: &mut Sink,
) -> bool {
    let mut fine = true;
    for term in &equation.terms {
        let name = &term.differential.name;
        if term.dot {
            sink.push(DottedTerm { at: term.span });
            fine = false;
        } else if name == time && term.differential.at.is_none() {
            out.drift.push((term.negative, term.integrand.clone()));
        } else if noise.is_some_and(|noise| noise.name == *name) && term.differential.at.is_none() {
            out.diffusion.push((term.negative, term.integrand.clone()));
        } else {
            let expected = match noise {
                Some(noise) => format!("`d{time}` or `d{}`", noise.name),
                None => format!("`d{time}`"),
            };
            sink.push(WrongDifferential { found: name.text.to_string(), expected, at: term.differential.span });
            fine = false;
        }
    }
    fine
}
