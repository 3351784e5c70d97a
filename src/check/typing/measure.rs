//! Measurements and the axes that their quantities may have.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::errors::{MissingSetting, StatementTwice, StillVaries};
use super::experiment::{MEASURE, head};
use super::figure::Quantity;
use super::scope::{Binding, Scope};
use super::ty::{Axes, Ty, how_to_bind};
use super::typer::Typer;
use crate::check::walk::free_names_of;
use crate::source::{Name, Span, Symbol};
use crate::syntax::tree::{Block, Measure, StatementKind};

impl<'a> Typer<'a> {
    pub(crate) fn check_measure(
        &mut self,
        measure: &'a Measure,
        span: Span,
        train: Option<&'a Block>,
        root: &Rc<Scope<'a>>,
        quantities: &mut BTreeMap<Symbol, Quantity<'a>>,
    ) {
        let scope = Scope::child(root);
        self.timed = false;
        self.measuring = true;
        self.inside = true;
        self.assigned.clear();
        let settings = self.settings(&measure.body, "measure", &MEASURE, &scope);
        self.when(measure, &scope);
        let at = head(span, "measure");
        self.quantities_of(measure, at, &scope, quantities);
        self.measuring = false;
        self.inside = false;
        let inherited = |name: &str| {
            train.is_some_and(|block| {
                block.statements.iter().any(
                    |one| matches!(&one.kind, StatementKind::Setting { name: known, .. } if known.key.as_str() == name),
                )
            })
        };
        for (name, help) in [
            ("batch", "say over how many samples `E` averages, here or in `train`: `batch 1024`"),
            ("grid", "say into how many steps the time is divided, here or in `train`: `grid 50`"),
        ] {
            let needed = name != "grid" || self.timed;
            match settings.get(name) {
                None if needed && !inherited(name) => {
                    self.report(at, MissingSetting { place: "measure", name, help, at });
                }
                Some(place) if !needed => self.unused(name, *place),
                _ => {}
            }
        }
    }

    /// A measurement of the samples of a training step, in `train`, whose names are in `scope`.
    pub(crate) fn check_step_measure(
        &mut self,
        measure: &'a Measure,
        span: Span,
        scope: &Rc<Scope<'a>>,
        quantities: &mut BTreeMap<Symbol, Quantity<'a>>,
    ) {
        let scope = Scope::child(scope);
        self.settings(&measure.body, "measure` in `train", &[], &scope);
        self.when(measure, &scope);
        self.inside = true;
        self.quantities_of(measure, head(span, "measure"), &scope, quantities);
        self.inside = false;
    }

    fn when(&mut self, measure: &'a Measure, scope: &Rc<Scope<'a>>) {
        for (step, name) in [(&measure.every, "every"), (&measure.from, "from")] {
            if let Some(step) = step {
                let ty = self.expr(step, scope, None);
                self.positive(&ty, name, step.span);
            }
        }
    }

    fn quantities_of(
        &mut self,
        measure: &'a Measure,
        at: Span,
        scope: &Rc<Scope<'a>>,
        quantities: &mut BTreeMap<Symbol, Quantity<'a>>,
    ) {
        for statement in &measure.body.statements {
            self.statement(statement, scope);
        }
        let mut mentioned: BTreeSet<Symbol> = BTreeSet::new();
        for statement in &measure.body.statements {
            if !matches!(statement.kind, StatementKind::Path { .. } | StatementKind::Process { .. }) {
                mentioned.extend(free_names_of(&statement.kind));
            }
        }
        for statement in &measure.body.statements {
            let StatementKind::Let(one) = &statement.kind else { continue };
            if let Some(known) = quantities.get(&one.name.key) {
                let (what, first) = (format!("the quantity `{}`", one.name), known.name.span);
                self.report(
                    one.name.span,
                    StatementTwice { what, help: "quantities have different names", second: one.name.span, first },
                );
                continue;
            }
            if one.params.is_some() {
                continue;
            }
            let timed = self.stands_at_a_time(&one.value, scope);
            let ty = if timed { Ty::Poison } else { self.lookup(&one.name, scope) };
            let axes = match &ty {
                Ty::Tensor(tensor) => tensor.axes.clone(),
                _ => Axes::new(),
            };
            // What no other quantity uses is meant to be one.
            if !timed && !mentioned.contains(&one.name.key) && !self.shown.contains(&one.name.key) {
                self.measured_axes(&one.name, &axes, None);
            }
            let every = measure.every.as_ref();
            quantities.insert(one.name.key.clone(), Quantity { name: &one.name, ty, timed, every, measure: at });
        }
        for name in scope.own_names() {
            if let Some((_, Binding::Lazy(one))) = scope.find(&name)
                && one.params.is_none()
                && !mentioned.contains(&name)
            {
                // Nothing binds the time at which its processes stand.
                self.lookup(&one.name, scope);
            }
        }
    }

    /// The error for a quantity that is not averaged over everything; false if there is one.
    pub(crate) fn measured_axes(&mut self, name: &Name, axes: &Axes, shown: Option<Span>) -> bool {
        let Some((axis, entry)) = axes.iter().next() else { return true };
        let help = how_to_bind(*axis, &entry.name);
        let error = StillVaries {
            what: format!("`{name}`"),
            axis: entry.name.to_string(),
            allowed: if shown.is_some() {
                "a shown quantity may vary over `step` and swept names only"
            } else {
                "a measured quantity may vary over `step` and swept names only"
            },
            through: entry.through.to_string(),
            entered: entry.span,
            used_as: if shown.is_some() { "shown here" } else { "measured here" },
            used: Some(shown.unwrap_or(name.span)),
            help,
        };
        self.report(entry.span, error);
        false
    }
}
