//! What binds an axis: integrals, means, sums, expectations, partial derivatives.

use std::rc::Rc;

use super::errors::{MixedTimes, NoVariable, NothingVaries, RangeNeeded};
use super::function::Function;
use super::scope::Scope;
use super::ty::{Entry, Moment, OTHER, SAMPLE, Tensor, TimeTy, Ty, axis_of_samples, join};
use super::typer::Typer;
use crate::check::size::Size;
use crate::check::walk::{as_name, canonical, free_names};
use crate::diagnostic::nearest;
use crate::source::{Name, Span, Symbol};
use crate::syntax::tree::{Expr, Integral};
use crate::syntax::walk::indexed_by;

/// The quadrature rules of an integral on the grid of its path.
const RULES: [&str; 3] = ["left", "right", "trapezoid"];

impl<'a> Typer<'a> {
    /// `E[e]`, `Var[e]`
    pub(crate) fn expectation(
        &mut self,
        what: &'static str,
        inner: &'a Expr,
        at: Span,
        scope: &Rc<Scope<'a>>,
    ) -> Ty<'a> {
        let ty = self.expr(inner, scope, None);
        let Some(mut tensor) = self.tensor(&ty, inner.span, scope) else { return Ty::Poison };
        if tensor.axes.remove(&SAMPLE).is_none() {
            let help = "only paths and draws vary over samples; leave the average out, or take the path's value";
            self.report(at, NothingVaries { what, axis: "sample".into(), at: inner.span, help });
        }
        Ty::Tensor(tensor)
    }

    /// `E[e | condition]`
    pub(crate) fn expectation_given(
        &mut self,
        inner: &'a Expr,
        condition: &'a Expr,
        at: Span,
        scope: &Rc<Scope<'a>>,
    ) -> Ty<'a> {
        let ty = self.expr(inner, scope, None);
        let given = match self.expr(condition, scope, None) {
            Ty::Bool(_, axes) => axes,
            Ty::Poison => return Ty::Poison,
            other => return self.wrong_kind("a truth value after `|`", &other, condition.span, None, None),
        };
        let Some(mut tensor) = self.tensor(&ty, inner.span, scope) else { return Ty::Poison };
        tensor.axes = join(&tensor.axes, &given);
        if !given.contains_key(&SAMPLE) {
            let help = "a condition says of each sample whether it counts; for one that says it of all, write `if`";
            let what = "a condition of an expectation";
            self.report(at, NothingVaries { what, axis: "sample".into(), at: condition.span, help });
        }
        tensor.axes.remove(&SAMPLE);
        Ty::Tensor(tensor)
    }

    /// `mean[t] e`
    pub(crate) fn mean_over(&mut self, name: &'a Name, body: &'a Expr, scope: &Rc<Scope<'a>>) -> Ty<'a> {
        if axis_of_samples(name) == Some(OTHER) {
            return self.sum_over_samples(OTHER, body, scope);
        }
        let (axis, time) = self.bind_time(&name.text);
        self.stepless.insert(axis);
        let inner = Scope::at(scope, time.clone());
        inner.bind(&name.key, Ty::Time(time));
        let ty = self.expr(body, &inner, None);
        let Some(mut tensor) = self.tensor(&ty, body.span, &inner) else { return Ty::Poison };
        if tensor.axes.remove(&axis).is_none() {
            let help = "a mean binds the time of the paths and fields under it, `mean[t] |u(X, t)|²`";
            self.report(body.span, NothingVaries { what: "a mean", axis: name.text.to_string(), at: body.span, help });
        }
        Self::vary_with_exit(&mut tensor.axes, body.span, scope);
        Ty::Tensor(tensor)
    }

    /// `Σ[i = 1..n] e`
    pub(crate) fn sum_over(
        &mut self,
        name: &'a Name,
        bounds: Option<&'a (Expr, Expr)>,
        body: &'a Expr,
        at: Span,
        scope: &Rc<Scope<'a>>,
    ) -> Ty<'a> {
        let Some((from, to)) = bounds else {
            if let Some(axis) = axis_of_samples(name) {
                return self.sum_over_samples(axis, body, scope);
            }
            let Some(upper) = self.range_of(name, body, scope) else {
                return self.report(at, RangeNeeded { index: name.text.to_string(), at });
            };
            let inner = Scope::child(scope);
            inner.bind(&name.key, Ty::Index(Some(upper)));
            let ty = self.expr(body, &inner, None);
            return self.tensor(&ty, body.span, &inner).map_or(Ty::Poison, Ty::Tensor);
        };
        let mut upper = None;
        for (end, is_upper) in [(from, false), (to, true)] {
            match self.expr(end, scope, None) {
                Ty::Poison => return Ty::Poison,
                Ty::Index(_) => {}
                ty => match super::arithmetic::as_size(&ty) {
                    Some(size) => upper = if is_upper { Some(size) } else { upper },
                    None => {
                        return self.wrong_kind("a whole number known before the run", &ty, end.span, None, None);
                    }
                },
            }
        }
        let inner = Scope::child(scope);
        inner.bind(&name.key, Ty::Index(upper));
        let ty = self.expr(body, &inner, None);
        self.tensor(&ty, body.span, &inner).map_or(Ty::Poison, Ty::Tensor)
    }

    /// The size that an index without a range runs to: that of the first array it stands in, `x[i]`.
    fn range_of(&mut self, name: &Name, body: &'a Expr, scope: &Rc<Scope<'a>>) -> Option<Size> {
        let (base, place) = indexed_by(name, body)?;
        match self.expr(base, scope, None) {
            Ty::List(items) if place == 0 => Some(Size::constant(items.len() as i128)),
            ty => self.tensor(&ty, base.span, scope)?.shape.get(place).cloned(),
        }
    }

    /// `∂[s] e`
    pub(crate) fn partial(&mut self, name: &'a Name, body: &'a Expr, scope: &Rc<Scope<'a>>) -> Ty<'a> {
        match self.lookup(name, scope) {
            Ty::Poison => return Ty::Poison,
            // A parameter may have been given a number that is known now.
            Ty::Time(_) | Ty::Index(_) | Ty::Number(_) | Ty::Size(_) => {}
            Ty::Tensor(tensor) if tensor.is_scalar() => {}
            Ty::Function(function) if self.holds_net(&function) => {
                return self.in_parameters(&function, name, body, scope);
            }
            other => {
                let found = other.describe();
                return self.report(name.span, NoVariable { name: name.text.to_string(), found, at: name.span });
            }
        }
        let ty = self.expr(body, scope, None);
        self.tensor(&ty, body.span, scope).map_or(Ty::Poison, Ty::Tensor)
    }

    /// `∂[V] e` with a net, or a function that is made of nets: a vector of as many entries as they have parameters.
    fn in_parameters(
        &mut self,
        function: &Rc<Function<'a>>,
        name: &Name,
        body: &'a Expr,
        scope: &Rc<Scope<'a>>,
    ) -> Ty<'a> {
        let ty = self.expr(body, scope, None);
        let what = format!("the value under `∂[{name}]`");
        if !self.one_number(&ty, body.span, &what, "a derivative in parameters is of one number", scope) {
            return Ty::Poison;
        }
        let counts = self.nets_in(function).into_iter().map(|net| Size::atom(format!("parameters of {net}")));
        counts
            .reduce(|sum, count| sum.add(&count).unwrap_or(sum))
            .map_or(Ty::Poison, |count| Ty::Tensor(Tensor::of(vec![count], super::ty::Axes::new())))
    }

    /// The moment that a value is as a time of paths: an end of the horizon or a bound time.
    pub(crate) fn moment(expr: &Expr, ty: &Ty<'a>, scope: &Rc<Scope<'a>>) -> Option<TimeTy> {
        let named = |moment, name: &str| Some(TimeTy { moment, name: name.into() });
        if let Ty::Time(time) = ty {
            return Some(time.clone());
        }
        let horizon = scope.horizon();
        if let Some(horizon) = &horizon
            && let Some((from, to)) = &horizon.texts
        {
            let text = canonical(expr);
            if text == *from {
                return named(Moment::Origin, from);
            }
            if text == *to {
                return named(Moment::End, to);
            }
        }
        if let Ty::Number(value) = ty {
            let from = horizon.as_ref().map_or(Some(0.0), |horizon| horizon.from);
            let to = horizon.as_ref().and_then(|horizon| horizon.to);
            if from == Some(*value) {
                return named(Moment::Origin, "the first time");
            }
            if to == Some(*value) {
                return named(Moment::End, "the last time");
            }
        }
        None
    }

    /// `∫[from..to] integrand differential`
    pub(crate) fn integral(&mut self, integral: &'a Integral, scope: &Rc<Scope<'a>>) -> Ty<'a> {
        if let Some(rule) = &integral.rule
            && !RULES.contains(&rule.key.as_str())
        {
            let help = match nearest(&rule.text, RULES) {
                Some(near) => format!("did `{near}` stand here?"),
                None => format!("the rules are {}; without a name it is the left one", RULES.join(", ")),
            };
            let error = super::errors::UnknownWord {
                expected: "a quadrature rule",
                name: rule.text.to_string(),
                at: rule.span,
                help,
            };
            self.report(rule.span, error);
        }
        let mut axes = super::ty::Axes::new();
        for end in integral.bounds.iter().flat_map(|(from, to)| [from, to]) {
            let ty = self.expr(end, scope, None);
            if ty.is_poison() {
                return Ty::Poison;
            }
            if let Some(time) = Self::moment(end, &ty, scope) {
                axes = join(&axes, &time.as_tensor(end.span).axes);
            } else {
                let help =
                    "an integral runs between the ends of the horizon and bound times: `∫[t..T] … ds`".to_string();
                return self.wrong_kind("a time as the bound of an integral", &ty, end.span, None, Some(help));
            }
        }
        let differential = &integral.differential;
        let against = match scope.find(&differential.name.key) {
            // The time of a problem is under its name everywhere in the problem.
            Some((_, super::scope::Binding::Value(Ty::Process(process)))) if process.role == "time" => None,
            Some((_, super::scope::Binding::Value(ty @ (Ty::Noise(_) | Ty::Process(_))))) => Some(ty),
            _ => None,
        };
        let name = self.integration_time(integral, against.is_some(), scope);
        let (axis, time) = self.bind_time(&name.text);
        if integral.rule.as_ref().is_some_and(|rule| rule.key.as_str() != "left") {
            self.stepless.insert(axis);
        }
        let inner = Scope::at(scope, time.clone());
        inner.bind(&name.key, Ty::Time(time.clone()));
        let ty = self.expr(&integral.integrand, &inner, None);
        let Some(integrand) = self.tensor(&ty, integral.integrand.span, &inner) else { return Ty::Poison };
        let mut whole = match &against {
            Some(against) => {
                let increment = Self::increment(against, differential.span);
                match self.against(integral, &integrand, &increment) {
                    Ty::Tensor(tensor) => tensor,
                    _ => return Ty::Poison,
                }
            }
            None if integral.dot => {
                let help = format!("write `∫ … d{}` without the dot", differential.name);
                let found = Ty::Time(time);
                return self.wrong_kind("a noise after `·`", &found, differential.span, None, Some(help));
            }
            None => integrand,
        };
        whole.axes.remove(&axis);
        whole.axes = join(&whole.axes, &axes);
        if against.is_none() {
            Self::vary_with_exit(&mut whole.axes, differential.span, scope);
        }
        Ty::Tensor(whole)
    }

    /// The name of the integral's own time.
    fn integration_time(&mut self, integral: &'a Integral, against: bool, scope: &Rc<Scope<'a>>) -> Name {
        let differential = &integral.differential;
        if !against {
            return differential.name.clone();
        }
        if let Some(at) = differential.at.as_deref() {
            as_name(at).cloned().unwrap_or_else(|| differential.name.clone())
        } else {
            let name = crate::source::name("t", differential.span);
            let outer = scope.find(&name.key).is_some();
            if outer && free_names(&integral.integrand).contains(&name.key) {
                let (noise, time) = (differential.name.text.to_string(), "t".to_string());
                self.report(differential.span, MixedTimes { noise, time, at: differential.span });
            }
            if outer { Name { key: Symbol::folded(""), ..name } } else { name }
        }
    }

    /// The increment of a noise or a process.
    pub(crate) fn increment(against: &Ty<'a>, at: Span) -> Tensor {
        let random = |through: String| {
            let entry = Entry { name: "sample".into(), span: at, through: through.into() };
            super::ty::Axes::from([(SAMPLE, entry)])
        };
        match against {
            Ty::Noise(noise) => Tensor::of(noise.shape.clone(), random(format!("the noise `{}`", noise.name))),
            Ty::Process(process) => {
                let axes = if process.random {
                    random(format!("the {} `{}`", process.role, process.name))
                } else {
                    super::ty::Axes::new()
                };
                Tensor::of(process.shape.clone(), axes)
            }
            _ => Tensor::default(),
        }
    }

    fn against(&mut self, integral: &'a Integral, integrand: &Tensor, increment: &Tensor) -> Ty<'a> {
        let (left, right) = ((integrand, integral.integrand.span), (increment, integral.differential.span));
        if integral.dot {
            let (a, b) = (Ty::Tensor(integrand.clone()), Ty::Tensor(increment.clone()));
            let scope = Scope::root(0);
            return self.binary(crate::syntax::tree::BinaryOp::Dot, (&a, left.1), (&b, right.1), &scope);
        }
        self.product(left, right)
    }
}
