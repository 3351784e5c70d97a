//! Losses: checked once with their problem left open, then asked for at each use.

use std::rc::Rc;

use super::call::Arg;
use super::errors::{BadClause, MissingStatement, NotFound, ReadsHorizon, StillVaries, Unmet};
use super::problem::{Held, Knowledge, ProblemTy, words};
use super::scope::Scope;
use super::ty::{Ty, how_to_bind};
use super::typer::Typer;
use crate::check::size::Size;
use crate::check::walk::{as_name, peel};
use crate::diagnostic::nearest;
use crate::source::{Name, Span};
use crate::syntax::tree::{Definition, ExprKind, StatementKind, TypeExpr, TypeKind};
use crate::typed::{Predicate, UnmetRequirement};

impl<'a> Typer<'a> {
    /// Checks a loss with its problem left open but for what it requires.
    pub(crate) fn check_loss(&mut self, definition: &'a Definition, module: usize) {
        let scope = self.open_definition(definition, module);
        self.assigned.clear();
        self.inside = true;
        let mut returned = false;
        for statement in &definition.body.statements {
            if let StatementKind::Return(value) = &statement.kind {
                returned = true;
                let ty = self.expr(value, &scope, None);
                let what = format!("the value of the loss `{}`", definition.name);
                self.one_number(&ty, value.span, &what, "a loss is one number", &scope);
                break;
            }
            self.statement(statement, &scope);
        }
        self.inside = false;
        if !returned {
            let error = MissingStatement {
                place: definition.name.text.to_string(),
                what: "`return`",
                help: "a loss ends with `return` and the number to minimise",
                at: definition.name.span,
            };
            self.report(definition.name.span, error);
        }
    }

    /// The parameters of a loss or a method with their arguments left open, problems but for what is required of them.
    pub(crate) fn open_definition(&mut self, definition: &'a Definition, module: usize) -> Rc<Scope<'a>> {
        let scope = Scope::child(&self.root(module));
        let clauses = self.clauses(definition);
        for param in &definition.params {
            let is_problem = param.ty.as_ref().is_some_and(is_problem_type);
            if !is_problem {
                self.open_param(param, &scope);
                continue;
            }
            let assumed: Vec<Predicate> =
                clauses.iter().filter(|(name, ..)| *name == param.name).map(|(_, predicate, _)| *predicate).collect();
            let size = |member: &str| Size::atom(format!("{}.{member}", param.name));
            let state = size("d");
            let invertible = assumed.contains(&Predicate::InvertibleNoise);
            let control = if invertible { state.clone() } else { size("m") };
            let matched = assumed.contains(&Predicate::MatchedNoise);
            let noise = if matched || invertible { control.clone() } else { size("k") };
            let problem = ProblemTy {
                name: param.name.text.to_string(),
                definition: None,
                scope: None,
                state,
                control,
                noise,
                knowledge: Knowledge::Assumed(assumed, definition.name.span),
                changes: Vec::new(),
                span: param.span,
            };
            scope.bind(&param.name.key, Ty::Problem(Rc::new(problem)));
        }
        scope
    }

    /// A value that must be a number without axes.
    pub(crate) fn one_number(
        &mut self,
        ty: &Ty<'a>,
        at: Span,
        what: &str,
        allowed: &'static str,
        scope: &Rc<Scope<'a>>,
    ) -> bool {
        let Some(tensor) = self.tensor(ty, at, scope) else { return false };
        if !tensor.is_scalar() {
            let found = Ty::Tensor(tensor);
            self.wrong_kind(&format!("one number as {what}"), &found, at, None, None);
            return false;
        }
        let Some((axis, entry)) = tensor.axes.iter().next() else { return true };
        let help = how_to_bind(*axis, &entry.name);
        let error = StillVaries {
            what: what.to_string(),
            axis: entry.name.to_string(),
            allowed,
            through: entry.through.to_string(),
            entered: entry.span,
            used_as: "used here",
            used: Some(at).filter(|at| *at != entry.span),
            help,
        };
        self.report(at, error);
        false
    }

    /// `requires P.a and P.b`: the parameter, the predicate and the place of each clause.
    fn clauses(&mut self, definition: &'a Definition) -> Vec<(Name, Predicate, Span)> {
        let problems = || definition.params.iter().filter(|param| param.ty.as_ref().is_some_and(is_problem_type));
        let mut found = Vec::new();
        for clause in &definition.requires {
            let usual = problems().next().map_or_else(|| "P".to_string(), |param| param.name.text.to_string());
            let ExprKind::Member(owner, name) = &peel(clause).kind else {
                self.report(clause.span, BadClause { problem: usual, at: clause.span });
                continue;
            };
            let Some(owner) = as_name(owner).filter(|owner| problems().any(|param| param.name == **owner)) else {
                self.report(clause.span, BadClause { problem: usual, at: clause.span });
                continue;
            };
            if let Some((predicate, ..)) = Predicate::ALL.iter().find(|(_, word, _)| *word == name.key.as_str()) {
                found.push((owner.clone(), *predicate, clause.span));
            } else {
                let known = Predicate::ALL.iter().map(|(_, word, _)| *word);
                let help = match nearest(&name.text, known.clone()) {
                    Some(near) => format!("did `{near}` stand here?"),
                    None => format!("the predicates are {}", known.collect::<Vec<_>>().join(", ")),
                };
                self.report(name.span, NotFound { name: name.text.to_string(), at: name.span, help });
            }
        }
        found
    }

    /// A loss at its arguments: they fit, and the problem is such as the loss requires.
    pub(crate) fn call_loss(
        &mut self,
        definition: &'a Definition,
        module: usize,
        given: Vec<Arg<'a>>,
        at: Span,
        _scope: &Rc<Scope<'a>>,
    ) -> Ty<'a> {
        // Paths are those of a problem; a loss of other things needs no grid.
        self.timed |= definition.params.iter().any(|param| param.ty.as_ref().is_some_and(is_problem_type));
        let inner = Scope::child(&self.root(module));
        let callee = format!("the loss `{}`", definition.name);
        if !self.bind_params(&definition.params, given, &inner, at, &callee, Some(definition.name.span)) {
            return Ty::Poison;
        }
        self.check_requirements(definition, &callee, &inner, at);
        Ty::real()
    }

    /// Whether the problems among the arguments are such as the definition requires.
    pub(crate) fn check_requirements(
        &mut self,
        definition: &'a Definition,
        callee: &str,
        inner: &Rc<Scope<'a>>,
        at: Span,
    ) {
        let clauses = self.clauses(definition);
        self.check_horizon(definition, &clauses, callee, inner, at);
        for (owner, predicate, required) in clauses {
            let Ty::Problem(problem) = self.lookup(&owner, inner) else { continue };
            let (word, meaning) = words(predicate);
            if predicate == Predicate::InvertibleNoise && self.is_square(&problem) {
                continue;
            }
            if let Held::No { span, why } = problem.holds(predicate) {
                self.unmet.push(UnmetRequirement { clause: word, meaning, why: why.clone() });
                let error = Unmet {
                    definition: callee.to_owned(),
                    clause: word.to_string(),
                    problem: problem.name.clone(),
                    why,
                    meaning,
                    term: span,
                    required,
                    used: at,
                };
                // Each clause that is not met is an error of its own at each use.
                self.report(Span::new(required.start, at.start), error);
            }
        }
    }

    /// Where paths stop: whether a definition that says nothing about it reads the end of the horizon.
    fn check_horizon(
        &mut self,
        definition: &'a Definition,
        clauses: &[(Name, Predicate, Span)],
        callee: &str,
        inner: &Rc<Scope<'a>>,
        at: Span,
    ) {
        for param in definition.params.iter().filter(|param| param.ty.as_ref().is_some_and(is_problem_type)) {
            let says = clauses.iter().any(|(owner, predicate, _)| {
                *owner == param.name && matches!(predicate, Predicate::FixedHorizon | Predicate::Stops)
            });
            let Ty::Problem(problem) = self.lookup(&param.name, inner) else { continue };
            if says || !problem.stops() {
                continue;
            }
            let Some((place, what)) = super::horizon::reads_end(&definition.body) else { continue };
            let (clause, meaning) = words(Predicate::FixedHorizon);
            let stop = match problem.holds(Predicate::FixedHorizon) {
                Held::No { span, .. } => span,
                Held::Yes => None,
            };
            self.unmet.push(UnmetRequirement { clause, meaning, why: "it reads the end of the horizon".into() });
            let error = ReadsHorizon {
                definition: callee.to_owned(),
                problem: problem.name.clone(),
                owner: param.name.text.to_string(),
                at: place,
                what,
                stop,
                used: at,
            };
            self.report(Span::new(place.start, at.start), error);
        }
    }

    /// Whether the sizes make σ square although its form left them open.
    fn is_square(&self, problem: &ProblemTy<'a>) -> bool {
        let Knowledge::Facts(facts) = &problem.knowledge else { return false };
        let affine = facts.iter().any(|fact| fact.predicate == Predicate::ControlAffine && fact.holds);
        let of_one_state =
            problem.definition.and_then(|place| self.structures.get(&place)).is_some_and(|one| one.states.len() == 1);
        affine
            && of_one_state
            && problem.state == problem.control
            && problem.control == problem.noise
            && problem.state.value().is_some()
    }
}

fn is_problem_type(written: &TypeExpr) -> bool {
    matches!(&written.kind, TypeKind::Named(path) if path.len() == 1 && path[0].key.as_str() == "Problem")
}
