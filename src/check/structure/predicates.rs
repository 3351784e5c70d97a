//! Each predicate decided, with the term that decides it.

use super::affine::check_affine;
use super::cost::Cost;
use super::linear::{Linear, NotLinear, split_linear};
use super::parts::Parts;
use super::product::{Ratio, find_ratio, quadratic_coefficient, split_products};
use super::scope::Scope;
use super::shape::vector_size;
use crate::check::size::Size;
use crate::source::{Name, Span, Symbol};
use crate::syntax::tree::{Declaration, Expr};
use crate::typed::{Fact, Predicate};

/// The drift of one state split by the control, or why it cannot be.
type Split = Result<Linear, NotLinear>;

/// What the predicates are decided from.
pub(super) struct Deciding<'a> {
    pub(super) scope: &'a Scope<'a>,
    pub(super) parts: &'a Parts,
    pub(super) cost: &'a Cost,
    /// Where the problem is named.
    pub(super) problem: &'a Name,
    splits: Vec<Split>,
}

impl<'a> Deciding<'a> {
    pub(super) fn new(scope: &'a Scope<'a>, parts: &'a Parts, cost: &'a Cost, problem: &'a Name) -> Self {
        // A name that no text can spell stands in where there is no control: everything is free of it.
        let control = parts.control.as_ref().map_or_else(|| Symbol::folded(""), |control| control.name.key.clone());
        let split = |state: &crate::typed::StateEquation| {
            let mut all = Linear::default();
            for (negative, term) in &state.drift {
                let one = split_linear(scope, &control, term)?;
                all.map.extend(one.map.into_iter().map(|(sign, expr)| (sign ^ negative, expr)));
                all.free.extend(one.free.into_iter().map(|(sign, expr)| (sign ^ negative, expr)));
            }
            Ok(all)
        };
        let splits = parts.states.iter().map(split).collect();
        Self { scope, parts, cost, problem, splits }
    }

    /// ∂drift/∂u of each state, where it is a sum of products.
    pub(super) fn control_maps(&self) -> Vec<Option<Vec<(bool, Expr)>>> {
        self.splits.iter().map(|split| split.as_ref().ok().map(|linear| linear.map.clone())).collect()
    }

    /// All facts in the order of [`Predicate::ALL`], and the noise scale.
    pub(super) fn decide(&self) -> (Vec<Fact>, Option<Expr>) {
        let affine = self.decide_affine();
        let (matched, scale) = self.decide_matched(&affine);
        let facts = vec![
            affine.clone().into_fact(Predicate::ControlAffine),
            self.decide_quadratic(&affine).into_fact(Predicate::QuadraticControl),
            self.decide_additive().into_fact(Predicate::AdditiveNoise),
            matched.into_fact(Predicate::MatchedNoise),
            self.decide_invertible(&affine).into_fact(Predicate::InvertibleNoise),
            self.decide_driftless().into_fact(Predicate::Driftless),
            self.decide_linear_drift().into_fact(Predicate::LinearDrift),
            self.decide_terminal(&affine).into_fact(Predicate::TerminalCost),
            self.decide_optimal().into_fact(Predicate::HasOptimal),
            self.decide_fixed().into_fact(Predicate::FixedHorizon),
            self.decide_stops().into_fact(Predicate::Stops),
        ];
        (facts, scale)
    }

    fn states(&self) -> Vec<Symbol> {
        self.parts.states.iter().map(|state| state.name.key.clone()).collect()
    }

    fn control(&self) -> Option<&Declaration> {
        self.parts.control.as_ref()
    }

    fn diffusion(&self) -> impl Iterator<Item = &(bool, Expr)> {
        self.parts.states.iter().flat_map(|state| &state.diffusion)
    }

    fn decide_affine(&self) -> Verdict {
        let Some(control) = self.control() else {
            return Verdict::no(self.problem.span, "the problem has no control");
        };
        for split in &self.splits {
            if let Err(found) = split {
                return Verdict::no(found.span, found.why);
            }
        }
        let u = std::slice::from_ref(&control.name.key);
        for (_, term) in self.diffusion() {
            if self.scope.depends(term, u) {
                return Verdict::no(term.span, format!("the noise depends on the control `{}` here", control.name));
            }
        }
        match self.splits.iter().flatten().flat_map(|linear| &linear.map).next() {
            Some((_, first)) => Verdict::yes(first.span, "the control enters as a product"),
            None => Verdict::no(control.name.span, "the control enters no equation"),
        }
    }

    fn decide_quadratic(&self, affine: &Verdict) -> Verdict {
        let Some(control) = self.control() else {
            return Verdict::no(self.problem.span, "the problem has no control");
        };
        let u = &control.name;
        let mut coefficient = 0.0;
        let mut seen: Option<Span> = None;
        let depends = |expr: &Expr| self.scope.depends(expr, std::slice::from_ref(&u.key));
        for (negative, term) in &self.cost.running {
            if !depends(term) {
                continue;
            }
            // What stands behind the problem's own names counts as written out.
            for product in split_products(&[(*negative, self.scope.unfold_all(term))]) {
                let Some(factor) = product.factors.iter().chain(&product.divisors).find(|factor| depends(&factor.expr))
                else {
                    continue;
                };
                let Some(number) = quadratic_coefficient(&product, &u.key) else {
                    let why =
                        format!("this summand of the running cost depends on `{u}` and is not a multiple of |{u}|²");
                    return Verdict::no(term.span, why);
                };
                coefficient += number;
                seen = Some(seen.map_or(factor.expr.span, |_| term.span));
            }
        }
        let Some(span) = seen else {
            let span = self.parts.cost.span;
            return Verdict::no(span, format!("the running cost does not hold ½*|{u}|²"));
        };
        if coefficient != 0.5 {
            return Verdict::no(span, format!("|{u}|² has the coefficient {coefficient} here, not ½"));
        }
        if !affine.holds {
            return affine.clone();
        }
        Verdict::yes(span, format!("the running cost is ½*|{u}|² plus a term free of `{u}`"))
    }

    fn decide_terminal(&self, affine: &Verdict) -> Verdict {
        let quadratic = self.decide_quadratic(affine);
        let (true, Some(control)) = (quadratic.holds, self.control()) else {
            return quadratic;
        };
        let u = std::slice::from_ref(&control.name.key);
        for (negative, term) in &self.cost.running {
            for product in split_products(&[(*negative, self.scope.unfold_all(term))]) {
                let mut factors = product.factors.iter().chain(&product.divisors);
                let is_control = factors.any(|factor| self.scope.depends(&factor.expr, u));
                if !is_control && product.number != 0.0 {
                    return Verdict::no(
                        term.span,
                        format!("this summand of the running cost is not ½*|{}|²", control.name),
                    );
                }
            }
        }
        Verdict::yes(self.parts.cost.span, "all but the control is paid at the end")
    }

    fn decide_additive(&self) -> Verdict {
        for (_, term) in self.diffusion() {
            let reach = self.scope.reach(term);
            if let Some(state) = self.parts.states.iter().find(|state| reach.contains(&state.name.key)) {
                return Verdict::no(term.span, format!("the noise depends on the state `{}` here", state.name));
            }
            if let Some(control) = self.control()
                && reach.contains(&control.name.key)
            {
                return Verdict::no(term.span, format!("the noise depends on the control `{}` here", control.name));
            }
        }
        let place = self.diffusion().next().map_or(self.problem.span, |(_, term)| term.span);
        Verdict::yes(place, "the noise depends on the time at most")
    }

    fn decide_matched(&self, affine: &Verdict) -> (Verdict, Option<Expr>) {
        if !affine.holds {
            return (affine.clone(), None);
        }
        let varying: Vec<Symbol> = self
            .states()
            .into_iter()
            .chain(self.control().map(|control| control.name.key.clone()))
            .chain([self.parts.time.0.key.clone()])
            .collect();
        let mut scale: Option<(Ratio, Span)> = None;
        for ((state, split), equation) in self.parts.states.iter().zip(&self.splits).zip(&self.parts.equations) {
            let Ok(linear) = split else { continue };
            let place = state.diffusion.first().map_or(*equation, |(_, term)| term.span);
            match (linear.map.is_empty(), state.diffusion.is_empty()) {
                (true, true) => continue,
                (true, false) => {
                    return (
                        Verdict::no(
                            place,
                            format!("noise drives `{}`, but the control does not enter its equation", state.name),
                        ),
                        None,
                    );
                }
                (false, true) => {
                    return (
                        Verdict::no(place, format!("the control drives `{}`, but no noise does", state.name)),
                        None,
                    );
                }
                (false, false) => {}
            }
            let unfold = |terms: &[(bool, Expr)]| -> Vec<(bool, Expr)> {
                terms.iter().map(|(sign, term)| (*sign, self.scope.unfold_all(term))).collect()
            };
            let ratio = find_ratio(self.scope, &varying, &state.diffusion, &linear.map, place)
                .or_else(|| find_ratio(self.scope, &varying, &unfold(&state.diffusion), &unfold(&linear.map), place));
            let Some(ratio) = ratio else {
                let why = "the noise is not a constant number times what stands before the control";
                return (Verdict::no(place, why), None);
            };
            if !ratio.is_positive() {
                return (
                    Verdict::no(place, "the noise is a negative number times what stands before the control"),
                    None,
                );
            }
            match &scale {
                Some((known, _)) if !known.same(&ratio) => {
                    let why =
                        format!("the number before the noise differs from that of `{}`", self.parts.states[0].name);
                    return (Verdict::no(place, why), None);
                }
                Some(_) => {}
                None => scale = Some((ratio, place)),
            }
        }
        match scale {
            Some((ratio, place)) => {
                (Verdict::yes(place, "the noise is a number times the control map"), Some(ratio.into_expr()))
            }
            None => (Verdict::no(self.problem.span, "the equations have no noise"), None),
        }
    }

    fn decide_invertible(&self, affine: &Verdict) -> Verdict {
        if !affine.holds {
            return affine.clone();
        }
        let Some(noise) = &self.parts.noise else {
            return Verdict::no(self.problem.span, "the equations have no noise");
        };
        for (state, split) in self.parts.states.iter().zip(&self.splits) {
            if split.as_ref().is_ok_and(|linear| linear.map.is_empty()) {
                return Verdict::no(
                    state.name.span,
                    format!("the control does not enter the equation of `{}`", state.name),
                );
            }
        }
        let size = |ty| vector_size(self.scope, ty);
        let total = self.parts.states.iter().try_fold(Size::default(), |sum, state| sum.add(&size(&state.ty)?));
        let control = self.control().and_then(|control| size(&control.ty));
        match (total, control, size(&noise.ty)) {
            (Some(state), Some(control), Some(driven)) if state == control && state == driven => {
                Verdict::yes(noise.name.span, "state, control and noise have one size")
            }
            (Some(state), Some(control), Some(driven)) => Verdict::no(
                noise.name.span,
                format!("the state has size {state}, the control {control}, the noise {driven}"),
            ),
            _ => Verdict::no(noise.name.span, "state, control and noise are not all vectors"),
        }
    }

    fn decide_driftless(&self) -> Verdict {
        for split in &self.splits {
            match split {
                Err(found) => return Verdict::no(found.span, found.why),
                Ok(linear) => {
                    let zero = |expr: &Expr| matches!(crate::check::walk::peel(expr).kind, crate::syntax::tree::ExprKind::Number { value, .. } if value == 0.0);
                    if let Some((_, term)) = linear.free.iter().find(|(_, term)| !zero(term)) {
                        return Verdict::no(term.span, "this summand of the drift is left without control");
                    }
                }
            }
        }
        Verdict::yes(
            self.parts.equations.first().copied().unwrap_or(self.problem.span),
            "the drift holds products with the control alone",
        )
    }

    fn decide_linear_drift(&self) -> Verdict {
        let states = self.states();
        for split in &self.splits {
            let linear = match split {
                Err(found) => return Verdict::no(found.span, found.why),
                Ok(linear) => linear,
            };
            for (_, term) in &linear.free {
                if let Err(found) = check_affine(self.scope, &states, term) {
                    return Verdict::no(found.span, found.why);
                }
            }
        }
        Verdict::yes(
            self.parts.equations.first().copied().unwrap_or(self.problem.span),
            "the drift without control is a matrix times the state plus what is free of it",
        )
    }

    fn decide_optimal(&self) -> Verdict {
        match self.scope.find_let(&Symbol::folded("optimal")) {
            Some(one) => Verdict::yes(one.name.span, "the optimal control is stated"),
            None => Verdict::no(self.problem.span, "the problem states no `let optimal(x, t) = …`"),
        }
    }

    fn decide_fixed(&self) -> Verdict {
        match &self.parts.stop {
            Some(condition) => Verdict::no(condition.span, "paths stop here, before the end of the horizon"),
            None => Verdict::yes(self.parts.time.2.span, "paths run to this time"),
        }
    }

    fn decide_stops(&self) -> Verdict {
        match &self.parts.stop {
            Some(condition) => Verdict::yes(condition.span, "paths stop here"),
            None => Verdict::no(self.problem.span, "the problem states no `stop when …`"),
        }
    }
}

/// A decision before it is filed under its predicate.
#[derive(Clone)]
struct Verdict {
    holds: bool,
    span: Span,
    why: String,
}

impl Verdict {
    fn yes(span: Span, why: impl Into<String>) -> Self {
        Self { holds: true, span, why: why.into() }
    }

    fn no(span: Span, why: impl Into<String>) -> Self {
        Self { holds: false, span, why: why.into() }
    }

    fn into_fact(self, predicate: Predicate) -> Fact {
        Fact { predicate, holds: self.holds, span: self.span, why: self.why }
    }
}
