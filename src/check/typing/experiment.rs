//! The entry file as an experiment: nets, sweeps, training, measurement, for every swept value.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::errors::{BadSetting, EmptySweep, MissingSetting, MissingStatement, StatementTwice, UnknownSetting};
use super::expect::parts;
use super::figure::Quantity;
use super::method::moves;
use super::scope::Scope;
use super::ty::Ty;
use super::typer::Typer;
use crate::check::walk::{free_names, peel};
use crate::diagnostic::nearest;
use crate::source::{Span, Symbol};
use crate::syntax::tree::{Block, Expr, ExprKind, ItemKind, Plot, StatementKind, SweepAxis, Table};
use crate::syntax::walk::{is_schedule, several, training_of};

/// The settings of `train`.
const TRAIN: [&str; 3] = ["grid", "batch", "steps"];

/// The settings of `measure`.
pub(crate) const MEASURE: [&str; 2] = ["grid", "batch"];

impl<'a> Typer<'a> {
    /// The top-level values of a file that nothing else asks for.
    pub(crate) fn check_values(&mut self, module: usize) {
        let modules = self.modules;
        let root = self.root(module);
        for item in &modules[module].tree.items {
            match &item.kind {
                ItemKind::Let(one) => {
                    self.lookup(&one.name, &root);
                }
                ItemKind::Bind(bind) => {
                    self.lookup(&bind.name, &root);
                }
                ItemKind::Net(net) if !self.lookup(&net.name, &root).is_poison() => {
                    self.check_net(net, &root);
                }
                ItemKind::Sweep(axes) => {
                    for axis in axes {
                        self.lookup(&axis.name, &root);
                    }
                }
                _ => {}
            }
        }
    }

    /// The entry file: once with the first value of every sweep, then with each other value of each.
    pub(crate) fn check_experiment(&mut self) {
        let Some(entry) = self.modules.last() else { return };
        let sweeps: Vec<&'a SweepAxis> = entry
            .tree
            .items
            .iter()
            .filter_map(|item| match &item.kind {
                ItemKind::Sweep(axes) => Some(axes),
                _ => None,
            })
            .flatten()
            .collect();
        for item in &entry.tree.items {
            match &item.kind {
                ItemKind::Plot(Plot { quantities, .. }) | ItemKind::Table(Table { quantities, .. }) => {
                    self.shown.extend(quantities.iter().map(|name| name.key.clone()));
                }
                ItemKind::Expect(expect) => {
                    let formulas = parts(&expect.claim);
                    self.shown.extend(formulas.into_iter().flat_map(free_names));
                }
                _ => {}
            }
        }
        let quantities = self.check_entry();
        for sweep in &sweeps {
            let count = Self::sweep_length(sweep);
            for index in other_values(sweep, count) {
                self.choice.insert(sweep.name.key.clone(), index);
                self.renew_entry();
                self.check_entry();
            }
            self.choice.remove(&sweep.name.key);
        }
        self.renew_entry();
        self.check_figures(&sweeps, &quantities);
        self.check_expectations(&sweeps, &quantities);
    }

    /// The entry with the chosen value of every sweep; the measured quantities.
    fn check_entry(&mut self) -> BTreeMap<Symbol, Quantity<'a>> {
        let entry = self.entry();
        self.check_values(entry);
        let modules = self.modules;
        let mut quantities = BTreeMap::new();
        let root = self.root(entry);
        let items = &modules[entry].tree.items;
        for (place, item) in items.iter().enumerate() {
            match &item.kind {
                ItemKind::Train(block) => self.check_train(block, item.span, &root, &mut quantities),
                ItemKind::Measure(measure) => {
                    let train = training_of(items, place).and_then(|place| match &items[place].kind {
                        ItemKind::Train(block) => Some(block),
                        _ => None,
                    });
                    self.check_measure(measure, item.span, train, &root, &mut quantities);
                }
                _ => {}
            }
        }
        quantities
    }

    /// The chosen value of a swept name.
    pub(crate) fn swept(&mut self, axis: &'a SweepAxis, root: &Rc<Scope<'a>>) -> Ty<'a> {
        let index = self.choice.get(&axis.name.key).copied().unwrap_or(0);
        let values = peel(&axis.values);
        match &values.kind {
            ExprKind::List(items) => match items.get(index) {
                Some(item) => self.expr(item, root, None),
                None => {
                    self.report(axis.values.span, EmptySweep { name: axis.name.text.to_string(), at: axis.values.span })
                }
            },
            ExprKind::Range(from, to) => match (literal(from), literal(to)) {
                (Some(from), Some(to)) if from <= to => Ty::Number((from + index as i128) as f64),
                (Some(_), Some(_)) => {
                    self.report(axis.values.span, EmptySweep { name: axis.name.text.to_string(), at: axis.values.span })
                }
                _ => {
                    let found = self.expr(&axis.values, root, None);
                    let help = Some("write the ends as whole numbers: `1..5`".to_string());
                    self.wrong_kind("a range between numbers", &found, axis.values.span, None, help)
                }
            },
            _ => {
                let found = self.expr(&axis.values, root, None);
                let help = Some("write the values where they are swept: `[a, b]` or `1..5`".to_string());
                self.wrong_kind("a list or a range", &found, axis.values.span, None, help)
            }
        }
    }

    pub(crate) fn sweep_length(axis: &SweepAxis) -> usize {
        match &peel(&axis.values).kind {
            ExprKind::List(items) => items.len(),
            ExprKind::Range(from, to) => match (literal(from), literal(to)) {
                (Some(from), Some(to)) if from <= to => (to - from + 1) as usize,
                _ => 0,
            },
            _ => 0,
        }
    }

    fn check_train(
        &mut self,
        block: &'a Block,
        span: Span,
        root: &Rc<Scope<'a>>,
        quantities: &mut BTreeMap<Symbol, Quantity<'a>>,
    ) {
        let scope = Scope::child(root);
        self.timed = false;
        let settings = self.settings(block, "train", &TRAIN, &scope);
        let schedule = is_schedule(block);
        self.assigned.clear();
        let mut minimised: Option<Span> = None;
        for statement in &block.statements {
            match &statement.kind {
                StatementKind::Minimize { objective, over } => {
                    minimised = Some(statement.span);
                    self.minimize(objective, over, Some(block).filter(|_| !schedule), &scope);
                }
                StatementKind::Measure(_) if schedule => {
                    let at = head(statement.span, "measure");
                    let error = BadSetting {
                        name: "`measure`".into(),
                        expected: "in `train` goes with one `minimize`, step by step",
                        found: "a schedule".into(),
                        at,
                        help: Some("measure beside it: `train { … }  measure every 100 { … }`".into()),
                    };
                    self.report(at, error);
                }
                StatementKind::Measure(one) => self.check_step_measure(one, statement.span, &scope, quantities),
                _ => self.statement(statement, &scope),
            }
        }
        let at = head(span, "train");
        if minimised.is_none() && !moves(block) {
            let help = "say what is minimised, over what and how: `minimize L(P, u) over V by adam(1e-3)`";
            self.report(at, MissingStatement { place: "train".into(), what: "`minimize`", help, at });
        }
        for (name, help) in [
            ("steps", "say how many steps to train: `steps 10_000`"),
            ("batch", "say over how many samples `E` averages: `batch 128`"),
            ("grid", "say into how many steps the time is divided: `grid 50`"),
        ] {
            // A loop says how often, and a path or a draw over how many samples.
            let looped = schedule && !several(block);
            let needed = match name {
                "grid" => self.timed,
                "batch" => !schedule,
                _ => !looped,
            };
            match settings.get(name) {
                None if needed => {
                    self.report(at, MissingSetting { place: "train", name, help, at });
                }
                Some(place) if name == "steps" && !needed => {
                    let error = BadSetting {
                        name: "`steps`".into(),
                        expected: "repeats a block without loops",
                        found: "a block that says how often by itself".into(),
                        at: *place,
                        help: Some("leave it out".into()),
                    };
                    self.report(*place, error);
                }
                Some(place) if name == "grid" && !needed && minimised.is_some() => self.unused(name, *place),
                _ => {}
            }
        }
    }

    pub(crate) fn unused(&mut self, name: &str, at: Span) {
        // What was not understood may have a time.
        if self.sink.has_errors() {
            return;
        }
        let error = BadSetting {
            name: format!("`{name}`"),
            expected: "divides the time of a path or a process",
            found: "none in this block".to_string(),
            at,
            help: Some("leave it out".into()),
        };
        self.report(at, error);
    }

    /// The settings of a block with their places.
    pub(crate) fn settings(
        &mut self,
        block: &'a Block,
        place: &'static str,
        known: &[&'static str],
        scope: &Rc<Scope<'a>>,
    ) -> BTreeMap<String, Span> {
        let mut found: BTreeMap<String, Span> = BTreeMap::new();
        for statement in &block.statements {
            let StatementKind::Setting { name, value } = &statement.kind else { continue };
            let key = name.key.as_str();
            if !known.contains(&key) {
                let help = match nearest(key, known.iter().copied()) {
                    Some(near) => format!("did `{near}` stand here?"),
                    None if known.is_empty() => "it has the settings of `train`".to_owned(),
                    None => format!(
                        "its settings are {}",
                        known.iter().map(|one| format!("`{one}`")).collect::<Vec<_>>().join(", ")
                    ),
                };
                self.report(name.span, UnknownSetting { place, name: name.text.to_string(), help, at: name.span });
                continue;
            }
            if let Some(first) = found.get(key) {
                let error = StatementTwice {
                    what: format!("the setting `{name}`"),
                    help: "give it once",
                    second: name.span,
                    first: *first,
                };
                self.report(name.span, error);
                continue;
            }
            found.insert(key.to_string(), statement.span);
            let ty = self.expr(value, scope, None);
            self.positive(&ty, &name.text, value.span);
        }
        found
    }

    pub(crate) fn positive(&mut self, ty: &Ty<'a>, name: &str, at: Span) {
        match ty {
            Ty::Poison => {}
            Ty::Number(value) if value.fract() == 0.0 && *value >= 1.0 => {}
            other => {
                let found = other.describe();
                let error = BadSetting {
                    name: format!("`{name}`"),
                    expected: "is a whole number from 1",
                    found,
                    at,
                    help: None,
                };
                self.report(at, error);
            }
        }
    }
}

/// The values besides the first that are checked: all of a list, the last of a range.
fn other_values(sweep: &SweepAxis, count: usize) -> Vec<usize> {
    match &peel(&sweep.values).kind {
        ExprKind::List(_) => (1..count).collect(),
        _ => count.checked_sub(1).filter(|last| *last > 0).into_iter().collect(),
    }
}

fn literal(expr: &Expr) -> Option<i128> {
    match &peel(expr).kind {
        ExprKind::Number { value, .. } if value.fract() == 0.0 && value.abs() < 1e15 => Some(*value as i128),
        _ => None,
    }
}

/// The first word of an item.
pub(crate) fn head(span: Span, word: &str) -> Span {
    Span::new(span.start, span.start + word.len() as u32)
}
