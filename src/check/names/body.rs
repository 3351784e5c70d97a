//! Names in the bodies of problems, losses, layers, training and measurement.

use super::errors::WrongPlace;
use super::{Resolver, Role};
use crate::syntax::tree::{Block, Definition, Equation, Layer, Net, StatementKind, UsePath};

/// Which body a statement stands in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Problem,
    Loss,
    Method,
    Layer,
    Process,
    Train,
    Measure,
    /// What is repeated in a loss or a measurement.
    Rounds,
}

impl Place {
    fn words(self) -> &'static str {
        match self {
            Self::Problem => "a problem",
            Self::Loss => "a loss",
            Self::Method => "a method",
            Self::Layer => "a layer",
            Self::Process => "a process",
            Self::Train => "`train`",
            Self::Measure => "`measure`",
            Self::Rounds => "a loop of a loss or a measurement",
        }
    }
}

impl Resolver<'_> {
    pub(super) fn definition(&mut self, definition: &Definition, place: Place) {
        self.enter();
        self.params(&definition.params, false);
        for clause in &definition.requires {
            self.expr(clause);
        }
        self.statements(&definition.body, place);
        self.leave();
    }

    pub(super) fn layer(&mut self, layer: &Layer) {
        self.enter();
        self.params(&layer.params, false);
        self.params(&layer.inputs, true);
        self.ty(&layer.output, true);
        self.statements(&layer.body, Place::Layer);
        self.leave();
    }

    pub(super) fn net(&mut self, net: &Net) {
        self.enter();
        self.params(&net.inputs, false);
        self.ty(&net.output, false);
        self.expr(&net.value);
        self.leave();
    }

    pub(super) fn block(&mut self, block: &Block, place: Place) {
        self.enter();
        self.statements(block, place);
        self.leave();
    }

    /// In a problem all names are seen everywhere, for its statements are one system; other bodies run in order.
    fn statements(&mut self, block: &Block, place: Place) {
        for statement in &block.statements {
            if let Some(what) = misplaced(&statement.kind, place) {
                let help = "each body holds its own statements; the language page lists them";
                self.sink.push(WrongPlace { what, place: place.words(), help, at: statement.span });
            }
        }
        if place == Place::Problem {
            for statement in &block.statements {
                self.declare_statement(&statement.kind, place);
            }
            for statement in &block.statements {
                self.statement(&statement.kind, place);
            }
            return;
        }
        for statement in &block.statements {
            // A process stands in its own equation.
            let before = matches!(statement.kind, StatementKind::Process { .. });
            if before {
                self.declare_statement(&statement.kind, place);
            }
            self.statement(&statement.kind, place);
            if !before {
                self.declare_statement(&statement.kind, place);
            }
        }
    }

    /// The names that a statement gives to its body.
    fn declare_statement(&mut self, statement: &StatementKind, place: Place) {
        match statement {
            StatementKind::Use(one) => {
                for name in &one.names {
                    self.declare(name, Role::Plain);
                }
            }
            StatementKind::Let(one) => self.declare(&one.name, Role::Plain),
            StatementKind::Time { name, .. } if place != Place::Problem || !self.is_local(&name.key) => {
                self.declare(name, Role::Plain);
            }
            StatementKind::State(one) | StatementKind::Control(one) => self.declare(&one.name, Role::Plain),
            StatementKind::Noise(one) => self.declare(&one.name, Role::Noise),
            StatementKind::Process { name, .. } | StatementKind::Parameter { name, .. } => {
                self.declare(name, Role::Plain);
            }
            StatementKind::Path { state, noise, exit, .. } => {
                self.declare(state, Role::Plain);
                if let Some(exit) = exit {
                    self.declare(exit, Role::Plain);
                }
                if let Some(noise) = noise {
                    self.declare(noise, Role::Noise);
                }
                // The end of the horizon of a path is known as T where nothing else is.
                if !self.is_known(&crate::source::Symbol::folded("T")) {
                    self.bind_usual("T", state.span);
                }
            }
            StatementKind::Draw { names, .. } => {
                for name in names {
                    self.declare(name, Role::Plain);
                }
            }
            StatementKind::Buffer { name, .. } | StatementKind::Solve { name, .. } => self.declare(name, Role::Plain),
            // The first assignment declares the state.
            StatementKind::Assign { name, .. } if !self.is_local(&name.key) => self.declare(name, Role::Plain),
            _ => {}
        }
    }

    fn statement(&mut self, statement: &StatementKind, place: Place) {
        match statement {
            StatementKind::Use(one) => {
                if let UsePath::Dotted(path) = &one.from
                    && let Some(owner) = path.first()
                {
                    self.need(owner);
                }
            }
            StatementKind::Let(one) => self.let_value(one),
            StatementKind::Time { from, to, .. } => {
                self.expr(from);
                self.expr(to);
            }
            StatementKind::State(one) | StatementKind::Control(one) | StatementKind::Noise(one) => {
                self.ty(&one.ty, false);
            }
            StatementKind::Equation(one) => self.equation(one),
            StatementKind::Boundary { at, value, .. } => {
                self.expr(at);
                self.expr(value);
            }
            StatementKind::Cost(value) | StatementKind::Stop(value) | StatementKind::Return(value) => self.expr(value),
            StatementKind::Process { ty, body, .. } => {
                self.ty(ty, false);
                self.block(body, Place::Process);
            }
            StatementKind::Path { problem, control, batch, .. } => {
                self.expr(problem);
                control.iter().chain(batch).for_each(|one| self.expr(one));
            }
            StatementKind::Parameter { ty, init, .. } => {
                self.ty(ty, false);
                self.expr(init);
            }
            StatementKind::Draw { law, batch, .. } => {
                self.expr(law);
                batch.iter().for_each(|one| self.expr(one));
            }
            StatementKind::Repeat { times, body } => {
                times.iter().for_each(|one| self.expr(one));
                let inside = matches!(place, Place::Loss | Place::Measure | Place::Rounds);
                self.block(body, if inside { Place::Rounds } else { Place::Method });
            }
            StatementKind::Every { rounds, body } => {
                self.expr(rounds);
                self.block(body, Place::Method);
            }
            StatementKind::Until(value) | StatementKind::Run(value) | StatementKind::Assign { value, .. } => {
                self.expr(value);
            }
            StatementKind::Buffer { columns, capacity, .. } => {
                columns.iter().for_each(|one| self.ty(&one.ty, false));
                self.expr(capacity);
            }
            StatementKind::Push { value, buffer } => {
                self.expr(value);
                self.need(buffer);
            }
            StatementKind::Solve { name, from, to, equation, otherwise } => {
                [from, to].into_iter().chain(otherwise).for_each(|one| self.expr(one));
                self.enter();
                self.bind(name);
                self.expr(equation);
                self.leave();
            }
            StatementKind::Setting { value, .. } => self.expr(value),
            StatementKind::Measure(one) => {
                one.every.iter().chain(&one.from).for_each(|step| self.expr(step));
                self.block(&one.body, Place::Measure);
            }
            StatementKind::Minimize { objective, over } => {
                self.expr(objective);
                for (name, by) in over {
                    self.need(name);
                    self.expr(by);
                }
            }
        }
    }

    /// Under a differential its time is bound; under that of a noise, the one of the summands beside it.
    fn equation(&mut self, equation: &Equation) {
        let time = equation.time(|name| self.is_noise(&name.key)).cloned();
        for term in &equation.terms {
            self.enter();
            let differential = &term.differential;
            if !self.is_noise(&differential.name.key) {
                self.bind(&differential.name);
            } else if let Some(time) = &time {
                self.bind(time);
            }
            self.expr(&term.integrand);
            self.leave();
        }
    }
}

/// What a statement is called where it may not stand.
fn misplaced(statement: &StatementKind, place: Place) -> Option<&'static str> {
    use Place::{Layer, Loss, Measure, Method, Problem, Process, Rounds, Train};
    let (what, places): (_, &[Place]) = match statement {
        StatementKind::Use(_) => ("`use`", &[Problem, Loss, Method, Train, Measure, Rounds]),
        StatementKind::Let(_) => ("`let`", &[Problem, Loss, Method, Layer, Process, Train, Measure, Rounds]),
        StatementKind::Time { .. } => ("`time`", &[Problem]),
        StatementKind::State(_) => ("`state`", &[Problem]),
        StatementKind::Control(_) => ("`control`", &[Problem]),
        StatementKind::Noise(_) => ("`noise`", &[Problem]),
        StatementKind::Equation(_) => ("an equation", &[Problem, Process]),
        StatementKind::Boundary { .. } => ("a boundary value", &[Problem, Process]),
        StatementKind::Cost(_) => ("`cost`", &[Problem]),
        StatementKind::Stop(_) => ("`stop`", &[Problem]),
        StatementKind::Process { .. } => ("`process`", &[Problem, Loss, Method, Train, Measure]),
        StatementKind::Path { .. } => ("`path`", &[Loss, Method, Train, Measure]),
        StatementKind::Parameter { .. } => ("`param`", &[Layer]),
        StatementKind::Draw { .. } => ("a draw", &[Loss, Method, Train, Measure, Rounds]),
        StatementKind::Setting { .. } => ("a setting", &[Train, Measure]),
        StatementKind::Measure(_) => ("`measure`", &[Train]),
        StatementKind::Minimize { .. } => ("`minimize`", &[Method, Train]),
        StatementKind::Repeat { .. } => ("`repeat`", &[Loss, Method, Train, Measure, Rounds]),
        StatementKind::Every { .. } => ("`every`", &[Method, Train]),
        StatementKind::Until(_) => ("`until`", &[Method, Train]),
        StatementKind::Run(_) => ("`run`", &[Method, Train]),
        StatementKind::Buffer { .. } => ("`buffer`", &[Method, Train]),
        StatementKind::Push { .. } => ("`push`", &[Method, Train]),
        StatementKind::Solve { .. } => ("`solve`", &[Method, Train]),
        StatementKind::Assign { .. } => ("an assignment", &[Loss, Method, Train, Measure, Rounds]),
        StatementKind::Return(_) => ("`return`", &[Loss, Layer]),
    };
    (!places.contains(&place)).then_some(what)
}
