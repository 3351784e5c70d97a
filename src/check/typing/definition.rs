//! Problems and losses: each checked once for all uses, then asked for at each.

use std::rc::Rc;

use super::call::Arg;
use super::errors::UnknownWord;
use super::fit::sample_of;
use super::function::{Declared, Function, Signature};
use super::problem::{Knowledge, ProblemTy};
use super::scope::{Binding, Horizon, Scope};
use super::ty::{Axes, Moment, NoiseTy, ProcessTy, Tensor, TimeTy, Ty};
use super::typer::Typer;
use crate::check::size::Size;
use crate::check::walk::{as_name, canonical};
use crate::source::{Name, Span};
use crate::syntax::tree::{Bind, Declaration, Definition, Expr, Let, Param, StatementKind};
use crate::typed::{Fact, Predicate};

impl<'a> Typer<'a> {
    /// Checks a problem with its parameters left open.
    pub(crate) fn check_problem(&mut self, definition: &'a Definition, place: (usize, usize)) {
        let scope = Scope::child(&self.root(place.0));
        for param in &definition.params {
            self.open_param(param, &scope);
        }
        let Some(problem) = self.problem_scope(definition, place, &scope, definition.name.span) else { return };
        for statement in &definition.body.statements {
            match &statement.kind {
                StatementKind::Equation(one) => {
                    if let Some((shape, span)) = self.state_shape(definition, &one.name, &scope) {
                        self.equation(one, (&shape, span), None, false, &scope);
                    }
                }
                StatementKind::Boundary { name, drawn, value, .. } => {
                    if let Some((shape, span)) = self.state_shape(definition, name, &scope) {
                        self.boundary(name, &shape, *drawn, value, span, &scope);
                    }
                }
                // The form of the cost was at fault already.
                StatementKind::Cost(_) if !self.structures.contains_key(&place) => {}
                StatementKind::Cost(value) => {
                    let ty = self.expr(value, &scope, None);
                    self.one_number(&ty, value.span, "the cost", "a cost is one number", &scope);
                }
                StatementKind::Stop(condition) => {
                    let (_, time) = self.bind_time("t");
                    self.expr(condition, &Scope::at(&scope, time), None);
                }
                StatementKind::Process { name, ty, scheme, body } => {
                    let written = super::body::Written { name, ty, scheme: scheme.as_ref(), body };
                    self.process(&written, &scope);
                }
                StatementKind::Let(one) if one.params.is_none() && !self.stands_at_a_time(&one.value, &scope) => {
                    self.lookup(&one.name, &scope);
                }
                StatementKind::Let(one) if one.name.key.as_str() == "optimal" => {
                    let ty = self.lookup(&one.name, &scope);
                    let declared = Declared::Function(Rc::new(problem.control_type()));
                    self.fit(&declared, ty, one.name.span, None, "`optimal`", &scope);
                }
                _ => {}
            }
        }
    }

    fn state_shape(
        &mut self,
        definition: &'a Definition,
        name: &Name,
        scope: &Rc<Scope<'a>>,
    ) -> Option<(Vec<Size>, Span)> {
        let states = definition.body.statements.iter().filter_map(|statement| match &statement.kind {
            StatementKind::State(one) => Some(one),
            _ => None,
        });
        let state = states.into_iter().find(|state| state.name == *name)?;
        match self.declared(&state.ty, scope) {
            Declared::Tensor(shape) => Some((shape, state.ty.span)),
            _ => None,
        }
    }

    /// A parameter whose argument is not known.
    pub(crate) fn open_param(&mut self, param: &'a Param, scope: &Rc<Scope<'a>>) {
        let Some(written) = &param.ty else {
            scope.bind(&param.name.key, Ty::Poison);
            return;
        };
        let declared = self.declared(written, scope);
        if let Some(default) = &param.default {
            let ty = self.expr(default, scope, None);
            let what = format!("`{}`", param.name);
            self.fit(&declared, ty, default.span, Some(param.span), &what, scope);
        }
        let ty = match &declared {
            Declared::Nat => Ty::Size(Size::atom(&*param.name.text)),
            Declared::Function(signature) => Ty::Function(Rc::new(Function::Declared {
                name: param.name.text.clone(),
                role: "function",
                signature: signature.clone(),
                span: param.span,
            })),
            Declared::Path(size, from, to) => {
                self.enter_horizon(*from, *to, scope);
                let (shape, problem) = (vec![size.clone()], Some(param.name.text.to_string()));
                let name = param.name.clone();
                Ty::Process(Rc::new(ProcessTy { name, role: "path", shape, random: true, problem }))
            }
            Declared::Brownian(size) => {
                Ty::Noise(Rc::new(NoiseTy { name: param.name.clone(), shape: vec![size.clone()] }))
            }
            other => sample_of(other, param.span),
        };
        scope.bind(&param.name.key, ty);
    }

    /// Binds what the body of a problem names, and measures the problem.
    fn problem_scope(
        &mut self,
        definition: &'a Definition,
        place: (usize, usize),
        scope: &Rc<Scope<'a>>,
        span: Span,
    ) -> Option<Rc<ProblemTy<'a>>> {
        let mut states = Vec::new();
        let mut controls = Vec::new();
        let mut noises = Vec::new();
        for statement in &definition.body.statements {
            match &statement.kind {
                StatementKind::Let(one) => scope.set(&one.name.key, Binding::Lazy(one)),
                StatementKind::Use(one) => self.use_members(one, scope),
                StatementKind::State(one) => states.push(one),
                StatementKind::Control(one) => controls.push(one),
                StatementKind::Noise(one) => noises.push(one),
                _ => {}
            }
        }
        for statement in &definition.body.statements {
            if let StatementKind::Time { name, from, to } = &statement.kind {
                let horizon = Horizon {
                    from: self.known_time(from, scope),
                    to: self.known_time(to, scope),
                    texts: Some((canonical(from), canonical(to))),
                };
                scope.set_horizon(horizon);
                let time =
                    ProcessTy { name: name.clone(), role: "time", shape: Vec::new(), random: false, problem: None };
                scope.bind(&name.key, Ty::Process(Rc::new(time)));
                // Within the problem the end of time is a time, so that `F(T)` and `X(T)` are known.
                if let Some(end) = as_name(to) {
                    scope.bind(&end.key, Ty::Time(TimeTy { moment: Moment::End, name: end.text.clone() }));
                }
            }
        }
        let state = self.total_size(&states, "state", scope)?;
        let control = self.total_size(&controls, "control", scope)?;
        let noise = self.total_size(&noises, "noise", scope)?;
        for (declarations, role) in [(&states, "state"), (&controls, "control")] {
            for one in declarations {
                if let Declared::Tensor(shape) = self.declared(&one.ty, scope) {
                    let process = ProcessTy { name: one.name.clone(), role, shape, random: true, problem: None };
                    scope.bind(&one.name.key, Ty::Process(Rc::new(process)));
                }
            }
        }
        for one in noises {
            if let Declared::Tensor(shape) = self.declared(&one.ty, scope) {
                scope.bind(&one.name.key, Ty::Noise(Rc::new(NoiseTy { name: one.name.clone(), shape })));
            }
        }
        for statement in &definition.body.statements {
            if let StatementKind::Process { name, ty, .. } = &statement.kind {
                let bound = match self.declared(ty, scope) {
                    Declared::Tensor(shape) => Ty::Process(Rc::new(ProcessTy {
                        name: name.clone(),
                        role: "process",
                        shape,
                        random: false,
                        problem: None,
                    })),
                    _ => Ty::Poison,
                };
                scope.bind(&name.key, bound);
            }
        }
        let knowledge = match self.structures.get(&place) {
            Some(structure) => Knowledge::Facts(Rc::new(structure.facts.clone())),
            None => Knowledge::Unknown,
        };
        Some(Rc::new(ProblemTy {
            name: definition.name.text.to_string(),
            definition: Some(place),
            scope: Some(scope.clone()),
            state,
            control,
            noise,
            knowledge,
            changes: Vec::new(),
            span,
        }))
    }

    fn known_time(&mut self, expr: &'a Expr, scope: &Rc<Scope<'a>>) -> Option<f64> {
        let ty = self.expr(expr, scope, None);
        if let Ty::Number(value) = ty {
            return Some(value);
        }
        self.one_number(&ty, expr.span, "a time", "the ends of the horizon are numbers", scope);
        None
    }

    /// The size of all declarations together; None after an error.
    fn total_size(&mut self, all: &[&'a Declaration], role: &str, scope: &Rc<Scope<'a>>) -> Option<Size> {
        let mut total = Size::default();
        for one in all {
            let size = match self.declared(&one.ty, scope) {
                Declared::Tensor(shape) => match shape.as_slice() {
                    [] => Size::constant(1),
                    [n] => n.clone(),
                    _ => {
                        let found = Ty::Tensor(Tensor::of(shape.clone(), Axes::new()));
                        let help = Some("reshape a matrix inside: `reshape[n, m](X)`".to_string());
                        self.wrong_kind(
                            &format!("a {role} that is a number or a vector"),
                            &found,
                            one.ty.span,
                            None,
                            help,
                        );
                        return None;
                    }
                },
                Declared::Poison => return None,
                other => {
                    let error = super::errors::WrongKind {
                        expected: format!("a {role} that is a number or a vector"),
                        found: format!("the type {}", other.describe()),
                        at: one.ty.span,
                        because: None,
                        call: self.through(),
                        help: None,
                    };
                    self.report(one.ty.span, error);
                    return None;
                }
            };
            total = total.add(&size)?;
        }
        Some(total)
    }

    /// A problem at its arguments.
    pub(crate) fn make_problem(
        &mut self,
        definition: &'a Definition,
        place: (usize, usize),
        given: Vec<Arg<'a>>,
        at: Span,
        _scope: &Rc<Scope<'a>>,
    ) -> Ty<'a> {
        let inner = Scope::child(&self.root(place.0));
        let callee = format!("the problem `{}`", definition.name);
        if !self.bind_params(&definition.params, given, &inner, at, &callee, Some(definition.name.span)) {
            return Ty::Poison;
        }
        let poisoned = definition
            .params
            .iter()
            .any(|param| matches!(inner.find(&param.name.key), Some((_, Binding::Value(Ty::Poison)))));
        if poisoned {
            return Ty::Poison;
        }
        self.calls.push(at);
        let problem = self.problem_scope(definition, place, &inner, at);
        self.calls.pop();
        problem.map_or(Ty::Poison, Ty::Problem)
    }

    /// `problem P = geometric(d)`
    pub(crate) fn bound_problem(&mut self, bind: &'a Bind, root: &Rc<Scope<'a>>) -> Ty<'a> {
        let ty = self.expr(&bind.value, root, None);
        let what = format!("`{}`", bind.name);
        match self.fit(&Declared::Problem, ty, bind.value.span, Some(bind.name.span), &what, root) {
            Ty::Problem(problem) => Ty::Problem(Rc::new(ProblemTy {
                name: bind.name.text.to_string(),
                definition: problem.definition,
                scope: problem.scope.clone(),
                state: problem.state.clone(),
                control: problem.control.clone(),
                noise: problem.noise.clone(),
                knowledge: problem.knowledge.clone(),
                changes: problem.changes.clone(),
                span: bind.name.span,
            })),
            other => other,
        }
    }

    /// `P with { g(x) = … }`
    pub(crate) fn with(&mut self, base: &'a Expr, lets: &'a [Let], at: Span, scope: &Rc<Scope<'a>>) -> Ty<'a> {
        let ty = self.expr(base, scope, None);
        let problem = match ty {
            Ty::Problem(problem) => problem,
            other => {
                return self.wrong_kind("a problem before `with`", &other, base.span, None, None);
            }
        };
        let state = || Declared::Tensor(vec![problem.state.clone()]);
        let real = || Declared::Tensor(Vec::new());
        let mut changes = problem.changes.clone();
        for one in lets {
            let (inputs, output) = match one.name.key.as_str() {
                "b" => (vec![state(), real()], state()),
                "f" => (vec![state(), real()], real()),
                "g" => (vec![state()], real()),
                "optimal" => (vec![state(), real()], Declared::Tensor(vec![problem.control.clone()])),
                _ => {
                    let help = "`with` changes b(x, t), f(x, t), g(x) and optimal(x, t); other things are parameters of the problem".to_string();
                    let expected = "a member that `with` can change";
                    self.report(
                        one.name.span,
                        UnknownWord { expected, name: one.name.text.to_string(), at: one.name.span, help },
                    );
                    continue;
                }
            };
            let value = self.let_value(one, scope);
            let declared = Declared::Function(Rc::new(Signature { inputs, output }));
            let what = format!("`{}`", one.name);
            let fitted = self.fit(&declared, value, one.name.span, None, &what, scope);
            changes.push((one.name.key.clone(), fitted));
        }
        let knowledge = match &problem.knowledge {
            Knowledge::Facts(facts) => Knowledge::Facts(Rc::new(changed_facts(facts, lets, at))),
            other => other.clone(),
        };
        Ty::Problem(Rc::new(ProblemTy {
            name: problem.name.clone(),
            definition: problem.definition,
            scope: problem.scope.clone(),
            state: problem.state.clone(),
            control: problem.control.clone(),
            noise: problem.noise.clone(),
            knowledge,
            changes,
            span: at,
        }))
    }
}

impl Clone for Knowledge {
    fn clone(&self) -> Self {
        match self {
            Self::Facts(facts) => Self::Facts(facts.clone()),
            Self::Assumed(all, span) => Self::Assumed(all.clone(), *span),
            Self::Unknown => Self::Unknown,
        }
    }
}

/// What holds of a changed problem. It keeps its stated optimal control only if that is stated anew, and what is read off the
/// drift or the running cost only if that is not among the changes.
fn changed_facts(facts: &[Fact], changes: &[Let], at: Span) -> Vec<Fact> {
    let changed = |name: &str| changes.iter().find(|one| one.name.key.as_str() == name).map(|one| one.name.span);
    let mut facts = facts.to_vec();
    for fact in &mut facts {
        let (holds, span, why) = match (fact.predicate, changed("b"), changed("f")) {
            (Predicate::HasOptimal, ..) if changed("optimal").is_some() => (true, at, "the optimal control is stated"),
            (Predicate::HasOptimal, ..) => (false, at, "the problem was changed, its optimal control was not"),
            (Predicate::Driftless | Predicate::LinearDrift, Some(place), _) => {
                (false, place, "the drift without control was changed here, and its form is not looked into")
            }
            (Predicate::TerminalCost, _, Some(place)) => {
                (false, place, "the running cost was changed here, and its form is not looked into")
            }
            _ => continue,
        };
        (fact.holds, fact.span, fact.why) = (holds, span, why.into());
    }
    facts
}
