//! Problems as values of types, and what their members are.

use std::rc::Rc;

use super::errors::{MemberNeeds, UnknownMember};
use super::function::{Declared, Function, GaussianLaw, Signature};
use super::scope::Scope;
use super::ty::{Moment, TimeTy, Ty};
use super::typer::Typer;
use crate::check::size::Size;
use crate::diagnostic::nearest;
use crate::source::{Name, Span, Symbol};
use crate::typed::{Fact, Predicate};

/// A problem: one with its parameters, or one that only its requirements are known of.
pub(crate) struct ProblemTy<'a> {
    /// As the text calls it.
    pub(crate) name: String,
    /// The definition: (module, item). None for a parameter of a loss.
    pub(crate) definition: Option<(usize, usize)>,
    /// The names inside, for a problem with its parameters.
    pub(crate) scope: Option<Rc<Scope<'a>>>,
    pub(crate) state: Size,
    pub(crate) control: Size,
    pub(crate) noise: Size,
    pub(crate) knowledge: Knowledge,
    /// Members that a `with` put in place: they stand before all others.
    pub(crate) changes: Vec<(Symbol, Ty<'a>)>,
    /// Where it is made or declared.
    pub(crate) span: Span,
}

/// What is known about the predicates.
pub(crate) enum Knowledge {
    /// Decided from the equations.
    Facts(Rc<Vec<Fact>>),
    /// Assumed by a loss; where the loss is declared, and the name of its problem.
    Assumed(Vec<Predicate>, Span),
    /// The equations were at fault.
    Unknown,
}

/// Every member that follows from the equations, with what it is, for messages.
const MEMBERS: &[(&str, &str)] = &[
    ("drift", "drift(x, u, t)"),
    ("diffusion", "diffusion(x, u, t)"),
    ("running", "running(x, u, t)"),
    ("terminal", "terminal(x)"),
    ("b", "b(x, t)"),
    ("sigma", "σ(x, t)"),
    ("f", "f(x, t)"),
    ("g", "g(x)"),
    ("lambda", "λ"),
    ("T", "T"),
    ("d", "d"),
    ("m", "m"),
    ("initial", "initial"),
    ("weight", "weight(X)"),
    ("marginal", "marginal(t)"),
    ("bridge", "bridge(t, x1)"),
    ("transition", "transition(s, x, t)"),
    ("optimal", "optimal(x, t)"),
];

impl ProblemTy<'_> {
    /// P.Control
    pub(crate) fn control_type(&self) -> Signature {
        let inputs = vec![Declared::Tensor(vec![self.state.clone()]), Declared::Tensor(Vec::new())];
        Signature { inputs, output: Declared::Tensor(vec![self.control.clone()]) }
    }

    /// Whether its paths are known to stop.
    pub(crate) fn stops(&self) -> bool {
        match &self.knowledge {
            Knowledge::Unknown => false,
            Knowledge::Facts(facts) => facts.iter().any(|fact| fact.predicate == Predicate::Stops && fact.holds),
            Knowledge::Assumed(all, _) => all.contains(&Predicate::Stops),
        }
    }

    /// Whether a predicate is known to hold, with what decided it.
    pub(crate) fn holds(&self, predicate: Predicate) -> Held {
        match &self.knowledge {
            Knowledge::Unknown => Held::Yes,
            Knowledge::Facts(facts) => match facts.iter().find(|fact| fact.predicate == predicate) {
                Some(fact) if !fact.holds => Held::No { span: Some(fact.span), why: fact.why.clone() },
                _ => Held::Yes,
            },
            Knowledge::Assumed(all, span) => {
                let implied = |known: &Predicate| {
                    *known == predicate
                        || (predicate == Predicate::ControlAffine
                            && matches!(
                                known,
                                Predicate::MatchedNoise | Predicate::QuadraticControl | Predicate::InvertibleNoise
                            ))
                        || (predicate == Predicate::LinearDrift && *known == Predicate::Driftless)
                };
                if all.iter().any(implied) {
                    Held::Yes
                } else {
                    Held::No { span: Some(*span), why: "its `requires` does not ask for it".into() }
                }
            }
        }
    }
}

/// Whether a predicate holds.
pub(crate) enum Held {
    Yes,
    No { span: Option<Span>, why: String },
}

/// The word of a predicate and what it says.
pub(crate) fn words(predicate: Predicate) -> (&'static str, &'static str) {
    let row = Predicate::ALL.iter().find(|(known, ..)| *known == predicate);
    row.map_or(("", ""), |(_, name, meaning)| (name, meaning))
}

impl<'a> Typer<'a> {
    /// `P.name`
    pub(crate) fn member(&mut self, problem: &Rc<ProblemTy<'a>>, name: &Name) -> Ty<'a> {
        let key = name.key.as_str();
        if let Some((_, ty)) = problem.changes.iter().rev().find(|(known, _)| *known == name.key) {
            return ty.clone();
        }
        if let Some((predicate, ..)) = Predicate::ALL.iter().find(|(_, word, _)| *word == key) {
            let known = match problem.holds(*predicate) {
                Held::Yes => Some(true),
                Held::No { .. } if problem.definition.is_some() => Some(false),
                Held::No { .. } => None,
            };
            return Ty::Bool(known, super::ty::Axes::new());
        }
        if let Some(ty) = self.derived(problem, name) {
            return ty;
        }
        if let Some(scope) = &problem.scope
            && self.is_inner(problem, scope, &name.key)
        {
            let scope = scope.clone();
            return self.lookup(name, &scope);
        }
        self.unknown_member(problem, name)
    }

    fn is_inner(&self, problem: &ProblemTy<'a>, scope: &Rc<Scope<'a>>, key: &Symbol) -> bool {
        let Some((module, item)) = problem.definition else { return false };
        let crate::syntax::tree::ItemKind::Problem(definition) = &self.modules[module].tree.items[item].kind else {
            return false;
        };
        let param = definition.params.iter().any(|param| param.name.key == *key);
        param || scope.own_names().contains(key)
    }

    fn unknown_member(&mut self, problem: &ProblemTy<'a>, name: &Name) -> Ty<'a> {
        let mut known: Vec<String> =
            MEMBERS.iter().map(|(_, usage)| usage.split('(').next().unwrap_or("").to_string()).collect();
        known.extend(Predicate::ALL.iter().map(|(_, word, _)| (*word).to_string()));
        if let Some(scope) = &problem.scope {
            known.extend(scope.own_names().iter().map(|own| own.as_str().to_string()));
        }
        let help = if let Some(near) =
            nearest(&name.text, known.iter().map(String::as_str)).filter(|_| name.text.chars().count() > 1)
        {
            format!("did `{near}` stand here?")
        } else {
            let usages: Vec<&str> = MEMBERS.iter().map(|(_, usage)| *usage).collect();
            format!("a problem has {}, and the names of its own text", usages.join(", "))
        };
        let owner = format!("the problem `{}`", problem.name);
        self.report(name.span, UnknownMember { owner, name: name.text.to_string(), at: name.span, help })
    }

    /// A member that follows from the equations; `None` if `name` is none, or is unavailable but the problem's own text
    /// has one of that name.
    fn derived(&mut self, problem: &Rc<ProblemTy<'a>>, name: &Name) -> Option<Ty<'a>> {
        let state = || Declared::Tensor(vec![problem.state.clone()]);
        let control = || Declared::Tensor(vec![problem.control.clone()]);
        let real = || Declared::Tensor(Vec::new());
        let matrix = |columns: &Size| Declared::Tensor(vec![problem.state.clone(), columns.clone()]);
        let (inputs, output, needs): (Vec<Declared>, Declared, Option<Predicate>) = match name.key.as_str() {
            "drift" => (vec![state(), control(), real()], state(), None),
            "diffusion" => (vec![state(), control(), real()], matrix(&problem.noise), None),
            "running" => (vec![state(), control(), real()], real(), None),
            "terminal" | "g" => (vec![state()], real(), None),
            "b" => (vec![state(), real()], state(), None),
            "f" => (vec![state(), real()], real(), Some(Predicate::QuadraticControl)),
            "optimal" => (vec![state(), real()], control(), Some(Predicate::HasOptimal)),
            "sigma" => {
                return self.available(problem, name, Predicate::ControlAffine, |_| {
                    Ty::Function(Rc::new(Function::ControlMap(problem.clone())))
                });
            }
            "weight" => {
                return self.available(problem, name, Predicate::MatchedNoise, |typer| {
                    let weight = |_: &mut Typer<'a>| Ty::Function(Rc::new(Function::Weight(problem.clone())));
                    typer.available(problem, name, Predicate::QuadraticControl, weight).unwrap_or(Ty::Poison)
                });
            }
            "lambda" => return self.available(problem, name, Predicate::MatchedNoise, |_| Ty::real()),
            "T" => {
                let time = TimeTy { moment: Moment::End, name: "T".into() };
                return Some(Ty::Time(time));
            }
            "d" => return Some(Ty::from_size(problem.state.clone())),
            "m" => return Some(Ty::from_size(problem.control.clone())),
            "initial" => return Some(Ty::Law(vec![problem.state.clone()], super::ty::Axes::new())),
            "bridge" | "marginal" | "transition" => {
                let which = match name.key.as_str() {
                    "bridge" => GaussianLaw::Bridge,
                    "marginal" => GaussianLaw::Marginal,
                    _ => GaussianLaw::Transition,
                };
                return self.available(problem, name, Predicate::LinearDrift, |typer| {
                    let law = |_: &mut Typer<'a>| Ty::Function(Rc::new(Function::GaussianLaw(problem.clone(), which)));
                    let law = |typer: &mut Typer<'a>| {
                        typer.available(problem, name, Predicate::AdditiveNoise, law).unwrap_or(Ty::Poison)
                    };
                    match problem.knowledge {
                        // A loss that says nothing about the horizon is asked about it where it is used.
                        Knowledge::Assumed(..) => law(typer),
                        _ => typer.available(problem, name, Predicate::FixedHorizon, law).unwrap_or(Ty::Poison),
                    }
                });
            }
            _ => return None,
        };
        let signature = Rc::new(Signature { inputs, output });
        let make = |_: &mut Typer<'a>| {
            let name_of = name.text.clone();
            Ty::Function(Rc::new(Function::Declared { name: name_of, role: "member", signature, span: problem.span }))
        };
        match needs {
            None => Some(make(self)),
            Some(needs) => self.available(problem, name, needs, make),
        }
    }

    /// The member if the problem is such that it exists; else an error, unless the problem's own text has the name.
    fn available(
        &mut self,
        problem: &Rc<ProblemTy<'a>>,
        name: &Name,
        needs: Predicate,
        make: impl FnOnce(&mut Self) -> Ty<'a>,
    ) -> Option<Ty<'a>> {
        let Held::No { span, why } = problem.holds(needs) else { return Some(make(self)) };
        if let Some(scope) = &problem.scope
            && self.is_inner(problem, scope, &name.key)
        {
            return None;
        }
        let error = self.member_needs(problem, &name.text, needs, name.span, span, why);
        Some(error)
    }

    pub(crate) fn member_needs(
        &mut self,
        problem: &ProblemTy<'a>,
        member: &str,
        needs: Predicate,
        at: Span,
        because: Option<Span>,
        why: String,
    ) -> Ty<'a> {
        let (word, meaning) = words(needs);
        let help = match problem.knowledge {
            Knowledge::Assumed(..) => format!("add the clause `requires {}.{word}`: {meaning}", problem.name),
            _ => format!("it exists where {meaning}"),
        };
        let member = format!("`{}.{member}`", problem.name);
        let needs = format!("`{}.{word}`", problem.name);
        self.report(at, MemberNeeds { member, needs, at, because, why, help })
    }
}
