//! The cost split into running and terminal summands.

use super::errors::{CostForm, CostIntegral, CostSummand};
use super::parts::Parts;
use super::scope::Scope;
use crate::check::walk::{as_name, canonical, children, combine, peel};
use crate::diagnostic::Sink;
use crate::source::SourceMap;
use crate::syntax::tree::{BinaryOp, Expr, ExprKind, UnaryOp};

/// Running and terminal summands with their signs.
pub(super) struct Cost {
    pub(super) running: Vec<(bool, Expr)>,
    pub(super) terminal: Vec<(bool, Expr)>,
}

/// Splits the cost; `None` after an error.
pub(super) fn split_cost(scope: &Scope<'_>, parts: &Parts, map: &SourceMap, sink: &mut Sink) -> Option<Cost> {
    let mut cost = Splitter {
        scope,
        parts,
        time: parts.time.0.text.to_string(),
        state: parts.states[0].name.text.to_string(),
        end: map.text(parts.time.2.span).trim().to_string(),
        cost: Cost { running: Vec::new(), terminal: Vec::new() },
        sink,
        fine: true,
    };
    cost.split_expectations(&parts.cost, false);
    cost.fine.then_some(cost.cost)
}

struct Splitter<'a> {
    scope: &'a Scope<'a>,
    parts: &'a Parts,
    time: String,
    state: String,
    end: String,
    cost: Cost,
    sink: &'a mut Sink,
    fine: bool,
}

impl Splitter<'_> {
    fn split_expectations(&mut self, expr: &Expr, negative: bool) {
        let expr = peel(expr);
        match &expr.kind {
            ExprKind::Expectation(inner, None) => self.split_sum(inner, negative, &|term| term),
            ExprKind::Binary(BinaryOp::Add, _, a, b) => {
                self.split_expectations(a, negative);
                self.split_expectations(b, negative);
            }
            ExprKind::Binary(BinaryOp::Subtract, _, a, b) => {
                self.split_expectations(a, negative);
                self.split_expectations(b, !negative);
            }
            _ => {
                let (time, state, end) = (self.time.clone(), self.state.clone(), self.end.clone());
                self.sink.push(CostForm { time, state, end, at: expr.span });
                self.fine = false;
            }
        }
    }

    fn split_sum(&mut self, expr: &Expr, negative: bool, scale: &dyn Fn(Expr) -> Expr) {
        let expr = peel(expr);
        match &expr.kind {
            ExprKind::Binary(BinaryOp::Add, _, a, b) => {
                self.split_sum(a, negative, scale);
                self.split_sum(b, negative, scale);
            }
            ExprKind::Binary(BinaryOp::Subtract, _, a, b) => {
                self.split_sum(a, negative, scale);
                self.split_sum(b, !negative, scale);
            }
            ExprKind::Unary(UnaryOp::Negate, _, inner) => self.split_sum(inner, !negative, scale),
            ExprKind::Binary(BinaryOp::Multiply, _, a, b)
                if self.scope.is_scalar(a) && has_integral(b) && !has_integral(a) =>
            {
                self.split_sum(b, negative, &|term| scale(combine(BinaryOp::Multiply, (**a).clone(), term)));
            }
            ExprKind::Binary(BinaryOp::Multiply, _, a, b)
                if self.scope.is_scalar(b) && has_integral(a) && !has_integral(b) =>
            {
                self.split_sum(a, negative, &|term| scale(combine(BinaryOp::Multiply, (**b).clone(), term)));
            }
            ExprKind::Binary(BinaryOp::Divide, _, a, b) if has_integral(a) && !has_integral(b) => {
                self.split_sum(a, negative, &|term| scale(combine(BinaryOp::Divide, term, (**b).clone())));
            }
            ExprKind::Integral(integral) => {
                let found = if integral.differential.name != self.parts.time.0 {
                    Some("not over the time")
                } else if integral.bounds.is_some() {
                    Some("bounds")
                } else if integral.rule.is_some() {
                    Some("a rule")
                } else {
                    None
                };
                match found {
                    Some(found) => {
                        self.sink.push(CostIntegral { time: self.time.clone(), at: expr.span, found });
                        self.fine = false;
                    }
                    None => self.split_integrand(&integral.integrand, negative, scale),
                }
            }
            _ if self.at_end(expr) => {
                let term = scale(grouped(expr));
                self.cost.terminal.push((negative, term));
            }
            _ => {
                let (time, state, end) = (self.time.clone(), self.state.clone(), self.end.clone());
                self.sink.push(CostSummand { time, state, end, at: expr.span });
                self.fine = false;
            }
        }
    }

    fn split_integrand(&mut self, expr: &Expr, negative: bool, scale: &dyn Fn(Expr) -> Expr) {
        let expr = peel(expr);
        match &expr.kind {
            ExprKind::Binary(BinaryOp::Add, _, a, b) => {
                self.split_integrand(a, negative, scale);
                self.split_integrand(b, negative, scale);
            }
            ExprKind::Binary(BinaryOp::Subtract, _, a, b) => {
                self.split_integrand(a, negative, scale);
                self.split_integrand(b, !negative, scale);
            }
            ExprKind::Unary(UnaryOp::Negate, _, inner) => self.split_integrand(inner, !negative, scale),
            _ => {
                let term = scale(grouped(expr));
                self.cost.running.push((negative, term));
            }
        }
    }

    /// Whether states occur, and all of them at the end of the horizon.
    fn at_end(&self, expr: &Expr) -> bool {
        let mut found = false;
        self.only_at_end(expr, &mut found) && found
    }

    fn only_at_end(&self, expr: &Expr, found: &mut bool) -> bool {
        let is_state = |name: &crate::source::Name| self.parts.states.iter().any(|state| state.name == *name);
        match &expr.kind {
            ExprKind::Name(name) => !is_state(name),
            ExprKind::Call(callee, arguments) if as_name(callee).is_some_and(is_state) => {
                *found = true;
                matches!(arguments.as_slice(), [one] if canonical(&one.value) == canonical(&self.parts.time.2))
            }
            _ => children(expr).into_iter().all(|child| self.only_at_end(child, found)),
        }
    }
}

fn has_integral(expr: &Expr) -> bool {
    matches!(expr.kind, ExprKind::Integral(_)) || children(expr).into_iter().any(has_integral)
}

/// A product's factor keeps its meaning when it is a sum.
fn grouped(expr: &Expr) -> Expr {
    match expr.kind {
        ExprKind::If(..) => Expr { kind: ExprKind::Group(Box::new(expr.clone())), span: expr.span },
        _ => expr.clone(),
    }
}
