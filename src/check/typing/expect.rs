//! `expect`: quantities that are measured, swept names that are bound, steps that are reached.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::errors::{NoClaim, NoFormula, NotMeasuredAt, NotSwept, NothingMeasured, StatementTwice, Unbound, WrongKind};
use super::experiment::head;
use super::figure::Quantity;
use super::scope::Scope;
use super::ty::Ty;
use super::typer::Typer;
use crate::check::walk::{as_name, peel};
use crate::source::{Name, Span, Symbol};
use crate::syntax::sweep::{meant, sweep_labels};
use crate::syntax::tree::{
    BinaryOp, Claim, Clause, Expect, Expr, ExprKind, Item, ItemKind, Moment, StatementKind, SweepAxis, UnaryOp,
};
use crate::syntax::walk::measures;

/// The formulas of a claim.
pub(crate) fn parts(claim: &Claim) -> Vec<&Expr> {
    match claim {
        Claim::Holds(value) => match &peel(value).kind {
            ExprKind::Binary(op, _, left, right) if is_order(*op) => vec![left, right],
            _ => vec![value],
        },
        Claim::Near(value, a, b) | Claim::Between(value, a, b) => vec![value, a, b],
    }
}

fn is_order(op: BinaryOp) -> bool {
    matches!(op, BinaryOp::Less | BinaryOp::LessEqual | BinaryOp::Greater | BinaryOp::GreaterEqual)
}

/// The swept name over which an expectation is averaged where it does not say otherwise.
const AVERAGED: &str = "seed";

/// What the formulas of one expectation are checked against.
struct Around<'a, 's> {
    sweeps: &'s [&'a SweepAxis],
    quantities: &'s BTreeMap<Symbol, Quantity<'a>>,
    /// Bound by clauses, and by the slope around.
    bound: Vec<&'a Name>,
    /// Those of them over which something runs, so that no value can be chosen.
    run_over: Vec<&'a Name>,
    /// Whether the values are those of a step.
    step: bool,
}

impl<'a> Typer<'a> {
    /// All expectations of the entry.
    pub(crate) fn check_expectations(&mut self, sweeps: &[&'a SweepAxis], quantities: &BTreeMap<Symbol, Quantity<'a>>) {
        let Some(entry) = self.modules.last() else { return };
        for item in &entry.tree.items {
            if let ItemKind::Expect(expect) = &item.kind {
                self.check_expectation(expect, sweeps, quantities);
            }
        }
    }

    fn check_expectation(
        &mut self,
        expect: &'a Expect,
        sweeps: &[&'a SweepAxis],
        quantities: &BTreeMap<Symbol, Quantity<'a>>,
    ) {
        let at = head(expect.span, "expect");
        let bound = self.bound_names(&expect.clauses, None, sweeps, &[], "an expectation has no axes");
        if let Claim::Holds(value) = &expect.claim
            && !self.is_claim(value)
        {
            return;
        }
        let step = matches!(expect.at, Moment::Step(_));
        let averaged = expect.clauses.iter().filter_map(|clause| match clause {
            Clause::MeanOver(name) => Some(name),
            Clause::By(_) | Clause::Log(_) => None,
        });
        let mut around = Around { sweeps, quantities, bound, run_over: averaged.collect(), step };
        let mut found = Vec::new();
        let formulas = parts(&expect.claim);
        let fine = formulas.iter().all(|formula| self.formula(formula, &mut around, &mut found));
        if fine && found.is_empty() {
            let whole = formulas.iter().fold(Span::NONE, |all, formula| all.to(formula.span));
            self.report(whole, NothingMeasured { at: whole });
        }
        if let Moment::Step(value) = &expect.at {
            self.check_step(value, &found, at);
        }
    }

    /// Whether an expression without `in` compares.
    fn is_claim(&mut self, value: &'a Expr) -> bool {
        let (found, help) = match &peel(value).kind {
            ExprKind::Binary(op, ..) if is_order(*op) => return true,
            ExprKind::Binary(BinaryOp::Equal | BinaryOp::NotEqual, ..) => {
                ("an equation", "measured values are never equal: give a tolerance, `expect error in 0.75 ± 0.01`")
            }
            ExprKind::Binary(BinaryOp::And | BinaryOp::Or, ..) | ExprKind::Unary(UnaryOp::Not, ..) => {
                ("a combination of claims", "state each claim in an `expect` of its own")
            }
            _ => (
                "no comparison",
                "compare by `<`, `≤`, `>` or `≥`, or name an interval: `expect error < 1e-2`, \
                 `expect error in 0.75 ± 0.01`, `expect error in 0.7..0.8`",
            ),
        };
        self.report(value.span, NoClaim { found: found.into(), at: value.span, help });
        false
    }

    /// Whether a formula is one of measured values; the quantities in it go to `found`.
    fn formula(&mut self, expr: &'a Expr, around: &mut Around<'a, '_>, found: &mut Vec<(&'a Name, Span)>) -> bool {
        match &expr.kind {
            ExprKind::Number { .. } => true,
            ExprKind::Group(inner) | ExprKind::Norm(_, inner) => self.formula(inner, around, found),
            ExprKind::Unary(UnaryOp::Negate | UnaryOp::SquareRoot, _, inner) => self.formula(inner, around, found),
            ExprKind::Binary(
                BinaryOp::Add | BinaryOp::Subtract | BinaryOp::Multiply | BinaryOp::Divide | BinaryOp::Power,
                _,
                left,
                right,
            ) => self.formula(left, around, found) & self.formula(right, around, found),
            ExprKind::Name(name) => self.formula_name(name, &[], around, found),
            ExprKind::Index(base, choices) => match as_name(base) {
                Some(name) => self.formula_name(name, choices, around, found),
                None => self.no_formula(base),
            },
            ExprKind::Call(callee, arguments) if arguments.iter().all(|argument| argument.name.is_none()) => {
                let word = as_name(callee).map(|name| name.key.as_str()).unwrap_or_default();
                let values: Vec<&'a Expr> = arguments.iter().map(|argument| &argument.value).collect();
                match (word, values.as_slice()) {
                    ("abs" | "exp" | "log" | "sqrt", [inner]) => self.formula(inner, around, found),
                    ("standard_error", [inner]) => self.formula(inner, around, found),
                    ("min" | "max", [a, b]) => self.formula(a, around, found) & self.formula(b, around, found),
                    ("slope", [of, against]) => self.slope(of, against, around, found),
                    _ => self.no_formula(expr),
                }
            }
            _ => self.no_formula(expr),
        }
    }

    fn no_formula(&mut self, expr: &'a Expr) -> bool {
        let found = match &peel(expr).kind {
            ExprKind::Call(callee, _) if as_name(callee).is_some() => {
                format!("a call of `{}`", self.text(callee.span))
            }
            _ => "another form".to_string(),
        };
        self.report(expr.span, NoFormula { found, at: expr.span });
        false
    }

    /// `slope(q, n)`: how `q` grows with the swept number `n`.
    fn slope(
        &mut self,
        of: &'a Expr,
        against: &'a Expr,
        around: &mut Around<'a, '_>,
        found: &mut Vec<(&'a Name, Span)>,
    ) -> bool {
        let Some(name) = as_name(against) else { return self.no_formula(against) };
        let Some(sweep) = around.sweeps.iter().find(|sweep| sweep.name == *name) else {
            let known = around.sweeps.iter().map(|sweep| &*sweep.name.text).collect();
            self.no_quantity("a swept name", name, known, "nothing is swept: `sweep n in [10, 100, 1_000]`");
            return false;
        };
        let numbers = sweep_labels(&sweep.values).iter().all(|label| label.replace('_', "").parse::<f64>().is_ok());
        if !numbers || Self::sweep_length(sweep) < 2 {
            let error = WrongKind {
                expected: "a sweep over several numbers".into(),
                found: if numbers { "one value" } else { "a sweep over other things" }.into(),
                at: name.span,
                because: Some(sweep.name.span),
                call: None,
                help: Some("a slope is that of a line through the points of a sweep: `sweep n in [10, 100]`".into()),
            };
            self.report(name.span, error);
            return false;
        }
        if let Some(first) = around.bound.iter().find(|first| ***first == *name) {
            self.bound_twice(name, first.span);
            return false;
        }
        around.bound.push(name);
        around.run_over.push(name);
        let fine = self.formula(of, around, found);
        around.bound.pop();
        around.run_over.pop();
        fine
    }

    fn bound_twice(&mut self, name: &Name, first: Span) {
        let help = "a swept name is chosen, shown or averaged once";
        let what = format!("`{name}`");
        self.report(name.span, StatementTwice { what, help, second: name.span, first });
    }

    /// A measured quantity, of one cell or of several, or a number that is known before the run.
    fn formula_name(
        &mut self,
        name: &'a Name,
        choices: &'a [Expr],
        around: &mut Around<'a, '_>,
        found: &mut Vec<(&'a Name, Span)>,
    ) -> bool {
        let quantities = around.quantities;
        let Some(quantity) = quantities.get(&name.key) else {
            return choices.is_empty() && self.known_number(name, quantities);
        };
        self.one_measured_number(quantity, name);
        if around.step && quantity.every.is_none() {
            let error = WrongKind {
                expected: "a quantity that is measured during the training".into(),
                found: format!("`{name}`, measured once at the end"),
                at: name.span,
                because: Some(quantity.measure),
                call: None,
                help: Some("say how often, `measure every 100 { … }`, or expect it `at the end`".into()),
            };
            self.report(name.span, error);
        }
        let Some(chosen) = self.chosen(choices, around) else { return false };
        let sweeps = around.sweeps;
        for sweep in sweeps.iter().filter(|sweep| sweep.name.key.as_str() != AVERAGED) {
            if !around.bound.iter().chain(&chosen).any(|name| **name == sweep.name) {
                let error = Unbound {
                    name: sweep.name.text.to_string(),
                    quantity: name.text.to_string(),
                    at: name.span,
                    sweep: sweep.name.span,
                };
                self.report(name.span, error);
            }
        }
        found.push((name, quantity.measure));
        true
    }

    /// The swept names that `q[L = a, n = 10]` chooses values of.
    fn chosen(&mut self, choices: &'a [Expr], around: &Around<'a, '_>) -> Option<Vec<&'a Name>> {
        let mut chosen: Vec<&'a Name> = Vec::new();
        for choice in choices {
            let ExprKind::Binary(BinaryOp::Equal, _, name, value) = &peel(choice).kind else {
                let found = "an index".to_string();
                let help = "choose the value of a swept name: `error[L = a]`";
                self.report(choice.span, NoClaim { found, at: choice.span, help });
                return None;
            };
            let Some(name) = as_name(name) else {
                self.no_formula(name);
                return None;
            };
            let Some(sweep) = around.sweeps.iter().find(|sweep| sweep.name == *name) else {
                let known = around.sweeps.iter().map(|sweep| &*sweep.name.text).collect();
                self.no_quantity("a swept name", name, known, "nothing is swept: `sweep seed in 1..5`");
                return None;
            };
            if let Some(first) = around.run_over.iter().chain(&chosen).find(|first| ***first == *name) {
                let first = first.span;
                self.bound_twice(name, first);
                return None;
            }
            let found = meant(&sweep.values, value);
            // The command line may leave values out; what is expected of them stays open.
            if found.len() != 1 && self.in_file(sweep.values.span) {
                let labels = sweep_labels(&sweep.values);
                let listed: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
                let (found, help) = if found.is_empty() {
                    (format!("`{}`", self.text(value.span)), format!("its values are {}", listed.join(", ")))
                } else {
                    let help = "give the values of the sweep names of their own, by `let` or `loss`".to_string();
                    (format!("{} that are called so", found.len()), help)
                };
                let (name, sweep) = (sweep.name.text.to_string(), sweep.name.span);
                self.report(value.span, NotSwept { name, found, at: value.span, sweep, help });
                return None;
            }
            chosen.push(name);
        }
        Some(chosen)
    }

    /// A `let` or a swept name whose value is a number before the run.
    fn known_number(&mut self, name: &'a Name, quantities: &BTreeMap<Symbol, Quantity<'a>>) -> bool {
        let root = self.root(self.entry());
        if !self.resolved[self.entry()].names.contains_key(&name.key) {
            self.not_measured(name, quantities, Vec::new());
            return false;
        }
        match self.lookup(name, &root) {
            Ty::Number(_) | Ty::Size(_) | Ty::Poison => true,
            other => {
                let found = other.describe();
                let help = "what is worked out from draws, paths or nets is measured: `measure { let … }`";
                let error = WrongKind {
                    expected: "a measured quantity or a number that is known before the run".into(),
                    found,
                    at: name.span,
                    because: None,
                    call: None,
                    help: Some(help.into()),
                };
                self.report(name.span, error);
                false
            }
        }
    }

    /// `at step n`: a step that the training reaches and at which the quantities are measured.
    fn check_step(&mut self, value: &'a Expr, found: &[(&'a Name, Span)], at: Span) {
        let entry = self.entry();
        let root = self.root(entry);
        let ty = self.expr(value, &root, None);
        let step = match ty {
            Ty::Number(step) if step.fract() == 0.0 && step >= 0.0 => step,
            Ty::Poison => return,
            other => {
                let help = Some("steps are counted from 0: `at step 1_000`".to_string());
                self.wrong_kind("a step", &other, value.span, Some(at), help);
                return;
            }
        };
        let modules = self.modules;
        let items = &modules[entry].tree.items;
        for one in measures(items) {
            let word = head(one.span, "measure");
            let Some((name, _)) = found.iter().find(|(_, place)| *place == word) else { continue };
            let Some(train) = one.training else { continue };
            let Some(steps) = self.written_number(steps_of(&items[train]), &root) else { continue };
            let (measure, last) = (one.measure, if one.inside { steps - 1.0 } else { steps });
            let Some(every) = self.written_number(measure.every.as_ref(), &root).filter(|every| *every >= 1.0) else {
                continue;
            };
            let from = self.written_number(measure.from.as_ref(), &root).unwrap_or(0.0);
            if step == last || step >= from && step < last && step % every == 0.0 {
                continue;
            }
            let help = if step > last {
                let made = if one.inside { ", and a step is measured before it is made" } else { "" };
                format!("the training ends after {steps} steps{made}")
            } else if step < from {
                format!("it is measured from step {from} on")
            } else {
                format!("it is measured every {every} steps: {} comes before", (step / every).floor() * every)
            };
            let error = NotMeasuredAt { name: name.text.to_string(), step, at: value.span, measure: word, help };
            self.report(value.span, error);
            return;
        }
    }

    /// Whether this stands in the file itself, and not on the command line.
    fn in_file(&self, span: Span) -> bool {
        self.modules.last().is_some_and(|file| file.span.start <= span.start && span.end <= file.span.end)
    }

    /// The number that the file itself gives; `None` for one from the command line, which may shorten any experiment.
    fn written_number(&mut self, expr: Option<&'a Expr>, root: &Rc<Scope<'a>>) -> Option<f64> {
        let expr = expr?;
        if !self.in_file(expr.span) {
            return None;
        }
        match self.expr(expr, root, None) {
            Ty::Number(value) => Some(value),
            _ => None,
        }
    }
}

/// The steps that a `train` is given.
fn steps_of(item: &Item) -> Option<&Expr> {
    let ItemKind::Train(block) = &item.kind else { return None };
    block.statements.iter().find_map(|statement| match &statement.kind {
        StatementKind::Setting { name, value } if name.key.as_str() == "steps" => Some(value),
        _ => None,
    })
}
