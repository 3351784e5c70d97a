//! `plot` and `table`: quantities that were measured, swept names that are bound.

use std::collections::BTreeMap;

use super::errors::{Forgotten, StatementTwice, UnknownWord, WrongKind};
use super::experiment::head;
use super::ty::Ty;
use super::typer::Typer;
use crate::diagnostic::nearest;
use crate::source::{Name, Span, Symbol};
use crate::syntax::tree::{Clause, Expr, ItemKind, SweepAxis};

/// A `let` of a measurement.
pub(crate) struct Quantity<'a> {
    pub(crate) name: &'a Name,
    pub(crate) ty: Ty<'a>,
    /// A process stands in it at no time.
    pub(crate) timed: bool,
    /// Measured during the training: the number of steps between two measurements.
    pub(crate) every: Option<&'a Expr>,
    /// The word `measure`.
    pub(crate) measure: Span,
}

impl<'a> Typer<'a> {
    /// All plots and tables of the entry.
    pub(crate) fn check_figures(&mut self, sweeps: &[&'a SweepAxis], quantities: &BTreeMap<Symbol, Quantity<'a>>) {
        let Some(entry) = self.modules.last() else { return };
        for item in &entry.tree.items {
            match &item.kind {
                ItemKind::Plot(plot) => {
                    let swept = sweeps.iter().any(|sweep| sweep.name == plot.against);
                    let along = quantities.get(&plot.against.key).filter(|_| !swept);
                    self.quantities(&plot.quantities, quantities, Some((&plot.against, along)));
                    if let Some(quantity) = along {
                        self.one_measured_number(quantity, &plot.against);
                        self.measured_again(quantity, &plot.against);
                    } else if plot.against.key.as_str() != "step" && !swept {
                        let names =
                            sweeps.iter().map(|sweep| &sweep.name).chain(quantities.values().map(|one| one.name));
                        let known: Vec<&str> = names.map(|name| &*name.text).chain(["step"]).collect();
                        self.no_quantity("`step`, a swept name or a measured one", &plot.against, known, "");
                    }
                    self.clauses_of(&plot.clauses, Some(&plot.against), sweeps, head(item.span, "plot"), "this plot");
                }
                ItemKind::Table(table) => {
                    self.quantities(&table.quantities, quantities, None);
                    self.clauses_of(&table.clauses, None, sweeps, head(item.span, "table"), "this table");
                }
                _ => {}
            }
        }
    }

    pub(crate) fn no_quantity(&mut self, expected: &'static str, name: &Name, known: Vec<&str>, none: &str) {
        let help = match nearest(&name.text, known.iter().copied()) {
            Some(near) => format!("did `{near}` stand here?"),
            None if known.is_empty() => none.to_string(),
            None => {
                format!("known here: {}", known.iter().map(|one| format!("`{one}`")).collect::<Vec<_>>().join(", "))
            }
        };
        self.report(name.span, UnknownWord { expected, name: name.text.to_string(), help, at: name.span });
    }

    /// The shown names; `against` is the abscissa, with the quantity that it is, if it is one.
    fn quantities(
        &mut self,
        shown: &'a [Name],
        known: &BTreeMap<Symbol, Quantity<'a>>,
        against: Option<(&Name, Option<&Quantity<'a>>)>,
    ) {
        for name in shown {
            let Some(quantity) = known.get(&name.key) else {
                self.not_measured(name, known, Vec::new());
                continue;
            };
            self.one_measured_number(quantity, name);
            match against {
                Some((against, None)) if against.key.as_str() == "step" => self.measured_again(quantity, name),
                Some((against, Some(along))) if along.measure != quantity.measure => {
                    let error = WrongKind {
                        expected: format!("a quantity of the `measure` block of `{against}`"),
                        found: format!("`{name}` of another one"),
                        at: name.span,
                        because: Some(along.measure),
                        call: None,
                        help: Some("a point of the curve is measured at one time: measure both in one block".into()),
                    };
                    self.report(name.span, error);
                }
                _ => {}
            }
        }
    }

    /// A curve asks for a quantity that is measured more than once.
    fn measured_again(&mut self, quantity: &Quantity<'a>, name: &Name) {
        if quantity.every.is_some() || quantity.timed {
            return;
        }
        let error = WrongKind {
            expected: "a quantity that is measured during the training".into(),
            found: format!("`{name}`, measured once at the end"),
            at: name.span,
            because: Some(quantity.measure),
            call: None,
            help: Some("say how often: `measure every 100 { … }`".into()),
        };
        self.report(name.span, error);
    }

    /// The error for a name that no `measure` block gives a value; `others` may stand there as well.
    pub(crate) fn not_measured(&mut self, name: &Name, known: &BTreeMap<Symbol, Quantity<'a>>, others: Vec<&str>) {
        let names = known.values().map(|quantity| &*quantity.name.text).chain(others).collect();
        let none = "nothing is measured: `measure { let error = … }`";
        self.no_quantity("a `let` of a `measure` block", name, names, none);
    }

    /// A shown quantity is a number that varies over nothing.
    pub(crate) fn one_measured_number(&mut self, quantity: &Quantity<'a>, name: &Name) {
        match &quantity.ty {
            Ty::Poison | Ty::Number(_) | Ty::Size(_) => {}
            Ty::Tensor(tensor) if tensor.is_scalar() => {
                self.measured_axes(quantity.name, &tensor.axes.clone(), Some(name.span));
            }
            other => {
                let error = WrongKind {
                    expected: "a measured number".into(),
                    found: other.describe(),
                    at: name.span,
                    because: Some(quantity.name.span),
                    call: None,
                    help: Some("a figure shows numbers: take a norm or a component".into()),
                };
                self.report(name.span, error);
            }
        }
    }

    fn clauses_of(
        &mut self,
        clauses: &'a [Clause],
        against: Option<&'a Name>,
        sweeps: &[&'a SweepAxis],
        at: Span,
        what: &'static str,
    ) {
        let axes: &[&str] = if against.is_some() { &["x", "y"] } else { &[] };
        let bound = self.bound_names(clauses, against, sweeps, axes, "a table has no axes");
        for sweep in sweeps {
            let is_bound = bound.iter().copied().chain(against).any(|name| *name == sweep.name);
            if !is_bound {
                let error = Forgotten { name: sweep.name.text.to_string(), what, at, sweep: sweep.name.span };
                self.report(Span::new(at.start, at.end), error);
            }
        }
    }

    /// The swept names that clauses bind, each once; `axes` are those that `log` may name.
    pub(crate) fn bound_names(
        &mut self,
        clauses: &'a [Clause],
        against: Option<&'a Name>,
        sweeps: &[&'a SweepAxis],
        axes: &[&'static str],
        without_axes: &'static str,
    ) -> Vec<&'a Name> {
        let mut bound: Vec<&'a Name> = Vec::new();
        for clause in clauses {
            match clause {
                Clause::By(name) | Clause::MeanOver(name) => {
                    if !sweeps.iter().any(|sweep| sweep.name == *name) {
                        let known = sweeps.iter().map(|sweep| &*sweep.name.text).collect();
                        self.no_quantity("a swept name", name, known, "nothing is swept: `sweep seed in 1..5`");
                    }
                    let first = bound.iter().copied().chain(against).find(|first| *first == name);
                    if let Some(first) = first {
                        let (what, first) = (format!("`{name}`"), first.span);
                        let help = "a swept name is shown or averaged once";
                        self.report(name.span, StatementTwice { what, help, second: name.span, first });
                    }
                    bound.push(name);
                }
                Clause::Log(name) => {
                    if !axes.contains(&&*name.text) {
                        self.no_quantity("`x` or `y`, an axis of a plot", name, axes.to_vec(), without_axes);
                    }
                }
            }
        }
        bound
    }
}
