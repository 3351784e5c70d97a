//! Laws: mixtures, densities, and what is known of a problem's state without control.

use std::rc::Rc;

use super::builtin::Builtin;
use super::call::Arg;
use super::errors::{ArgumentUnknown, BadSetting, NoDensity, NotReadHere, TooManyArguments, WeightsOf};
use super::function::{Declared, GaussianLaw};
use super::problem::ProblemTy;
use super::scope::Scope;
use super::ty::{Axes, Tensor, Ty, join};
use super::typer::Typer;
use crate::check::size::Size;
use crate::source::{Name, Span, Tensors};
use crate::syntax::tree::Expr;

/// Entries of a comprehension beyond which it is taken for a slip.
const MOST_ENTRIES: usize = 100_000;

impl<'a> Typer<'a> {
    /// `[e for i in 1..n]`
    pub(crate) fn comprehension(
        &mut self,
        entry: &'a Expr,
        indices: &'a [(Name, Expr, Expr)],
        scope: &Rc<Scope<'a>>,
    ) -> Ty<'a> {
        let mut items = Vec::new();
        if self.comprehend(entry, indices, scope, &mut items) { Ty::List(Rc::new(items)) } else { Ty::Poison }
    }

    /// False after an error.
    fn comprehend(
        &mut self,
        entry: &'a Expr,
        indices: &'a [(Name, Expr, Expr)],
        scope: &Rc<Scope<'a>>,
        items: &mut Vec<Ty<'a>>,
    ) -> bool {
        let Some(((name, from, to), rest)) = indices.split_first() else {
            let ty = self.expr(entry, scope, None);
            items.push(ty);
            return !items.last().is_some_and(Ty::is_poison);
        };
        let mut ends = [0.0; 2];
        for (end, expr) in ends.iter_mut().zip([from, to]) {
            match self.expr(expr, scope, None) {
                Ty::Number(value) if value.fract() == 0.0 && value.abs() < 1e9 => *end = value,
                Ty::Poison => return false,
                other => {
                    let help = Some("the entries of a list are counted before the run".to_string());
                    self.wrong_kind("a whole number known here", &other, expr.span, None, help);
                    return false;
                }
            }
        }
        let mut i = ends[0];
        while i <= ends[1] && items.len() < MOST_ENTRIES {
            let inner = Scope::child(scope);
            inner.bind(&name.key, Ty::Number(i));
            if !self.comprehend(entry, rest, &inner, items) {
                return false;
            }
            i += 1.0;
        }
        true
    }

    /// `mixture(laws, weights = [0.3, 0.7])`
    pub(crate) fn mixture(
        &mut self,
        builtin: &'static Builtin,
        given: &[Arg<'a>],
        at: Span,
        scope: &Rc<Scope<'a>>,
    ) -> Ty<'a> {
        let (laws, weights) = match given {
            [laws] if laws.name.is_none() => (laws, None),
            [laws, weights] if laws.name.is_none() => (laws, Some(weights)),
            _ => return self.misused(builtin, &[], at),
        };
        if let Some(name) = weights.and_then(|one| one.name.as_ref()).filter(|name| name.key.as_str() != "weights") {
            let (callee, help) = ("the function `mixture`".to_string(), format!("write `{}`", builtin.usage));
            return self
                .report(name.span, ArgumentUnknown { callee, name: name.text.to_string(), at: name.span, help });
        }
        let items = match &laws.ty {
            Ty::Poison => return Ty::Poison,
            Ty::List(items) if !items.is_empty() => items.clone(),
            other => return self.wrong_kind("a list of laws", &other.clone(), laws.span, None, None),
        };
        let mut whole: Option<(Vec<Size>, Axes)> = None;
        let mut dense = true;
        for item in items.iter() {
            match item {
                Ty::Poison => return Ty::Poison,
                Ty::Law(shape, axes, has_density) => {
                    dense &= has_density;
                    match &mut whole {
                        None => whole = Some((shape.clone(), axes.clone())),
                        Some((known, all)) if known == shape => *all = join(all, axes),
                        Some((known, _)) => {
                            let known = Ty::Tensor(Tensor::of(known.clone(), Axes::new())).describe();
                            let found = Ty::Tensor(Tensor::of(shape.clone(), Axes::new()));
                            let expected = format!("laws of one shape, {known}");
                            return self.wrong_kind(&expected, &found, laws.span, None, None);
                        }
                    }
                }
                other => return self.wrong_kind("a list of laws", &other.clone(), laws.span, None, None),
            }
        }
        let (shape, axes) = whole.expect("the list is not empty");
        if let Some(weights) = weights
            && !self.weights(weights, items.len(), scope)
        {
            return Ty::Poison;
        }
        Ty::Law(shape, axes, dense)
    }

    /// `empirical("points.npy")`
    pub(crate) fn empirical(
        &mut self,
        builtin: &'static Builtin,
        given: &[Arg<'a>],
        at: Span,
        scope: &Rc<Scope<'a>>,
    ) -> Ty<'a> {
        let [file @ Arg { name: None, .. }] = given else {
            return self.miscounted(builtin, &[], given.len(), at);
        };
        let written = self.text(file.span);
        let name = written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        match (&file.ty, name) {
            (Ty::Poison, _) => Ty::Poison,
            (Ty::Text, Some(name)) => {
                let Some(samples) = self.modules[scope.module].data.get(name) else {
                    return self.report(file.span, NotReadHere { name: name.to_string(), at: file.span });
                };
                let shape = samples.entries.get(Tensors::SAMPLES).map_or(&[][..], |samples| &samples.shape()[1..]);
                let sizes = shape.iter().map(|size| Size::constant(*size as i128)).collect();
                Ty::Law(sizes, Axes::new(), false)
            }
            (other, _) => {
                let help = Some(format!("write `{}`", builtin.usage));
                self.wrong_kind("the name of a file between quotes", &other.clone(), file.span, None, help)
            }
        }
    }

    /// `student(3, m, s)`
    pub(crate) fn student(
        &mut self,
        builtin: &'static Builtin,
        given: &[Arg<'a>],
        at: Span,
        scope: &Rc<Scope<'a>>,
    ) -> Ty<'a> {
        let [degrees @ Arg { name: None, .. }, mean @ Arg { name: None, .. }, scale @ Arg { name: None, .. }] = given
        else {
            let found: Option<Vec<Tensor>> = given.iter().map(|one| self.tensor(&one.ty, one.span, scope)).collect();
            return found.map_or(Ty::Poison, |found| self.misused(builtin, &found, at));
        };
        match &degrees.ty {
            Ty::Poison => return Ty::Poison,
            // A parameter of a definition has its value at the use.
            Ty::Size(_) | Ty::Index(_) => {}
            Ty::Number(value) if value.fract() == 0.0 && (1.0..=1000.0).contains(value) => {}
            other => {
                let (name, found) = ("the degrees of freedom".to_string(), other.describe());
                let expected = "are a whole number in 1..1000";
                return self.report(degrees.span, BadSetting { name, expected, found, at: degrees.span, help: None });
            }
        }
        let (Some(a), Some(b)) = (self.tensor(&mean.ty, mean.span, scope), self.tensor(&scale.ty, scale.span, scope))
        else {
            return Ty::Poison;
        };
        let axes = join(&a.axes, &b.axes);
        if a.is_scalar() || b.is_scalar() || a.same_shape(&b) {
            return Ty::Law(if a.is_scalar() { b.shape } else { a.shape }, axes, true);
        }
        self.sum((&a, mean.span), (&b, scale.span), "law")
    }

    /// Weights are as many as the laws, not negative, and sum to one, as far as that is known.
    fn weights(&mut self, weights: &Arg<'a>, laws: usize, scope: &Rc<Scope<'a>>) -> bool {
        if let Ty::List(entries) = &weights.ty {
            let known: Option<Vec<f64>> = entries
                .iter()
                .map(|entry| match entry {
                    Ty::Number(value) => Some(*value),
                    _ => None,
                })
                .collect();
            if let Some(known) = known.filter(|known| known.len() == laws) {
                let total: f64 = known.iter().sum();
                let negative = known.iter().find(|weight| **weight < 0.0);
                let found = match negative {
                    Some(weight) => format!("the weight {weight}"),
                    None if (total - 1.0).abs() > 1e-9 => format!("the sum {total}"),
                    None => return true,
                };
                self.report(weights.span, WeightsOf { found, at: weights.span });
                return false;
            }
        }
        let Some(tensor) = self.tensor(&weights.ty, weights.span, scope) else { return false };
        let shape = [Size::constant(laws as i128)];
        let fitted = self.fit_shape(&shape, tensor, weights.span, None, "the weights, one per law");
        !fitted.is_poison()
    }

    /// `log_density(p, x)`
    pub(crate) fn log_density(
        &mut self,
        builtin: &'static Builtin,
        given: &[Arg<'a>],
        at: Span,
        scope: &Rc<Scope<'a>>,
    ) -> Ty<'a> {
        let [Arg { ty: law, span, name: None }, value @ Arg { name: None, .. }] = given else {
            return self.misused(builtin, &[], at);
        };
        let (shape, axes) = match law {
            Ty::Poison => return Ty::Poison,
            Ty::Law(_, _, false) => return self.report(*span, NoDensity { at: *span, call: self.through() }),
            Ty::Law(shape, axes, true) => (shape.clone(), axes.clone()),
            other => return self.wrong_kind("a law", &other.clone(), *span, None, None),
        };
        let Some(tensor) = self.tensor(&value.ty, value.span, scope) else { return Ty::Poison };
        let all = join(&axes, &tensor.axes);
        let fitted = self.fit_shape(&shape, tensor, value.span, Some(*span), "a value of this law");
        if fitted.is_poison() { Ty::Poison } else { Ty::Tensor(Tensor::scalar(all)) }
    }

    /// `P.marginal(t)`, `P.bridge(t, x1)`, `P.transition(s, x, t)`
    pub(crate) fn call_gaussian_law(
        &mut self,
        problem: &Rc<ProblemTy<'a>>,
        which: GaussianLaw,
        given: Vec<Arg<'a>>,
        at: Span,
        scope: &Rc<Scope<'a>>,
    ) -> Ty<'a> {
        let time = (Vec::new(), "the time of a law");
        let value = |what| (vec![problem.state.clone()], what);
        let (member, expected, inputs) = match which {
            GaussianLaw::Marginal => ("marginal", "a time", vec![time]),
            GaussianLaw::Bridge => {
                ("bridge", "a time and the last value", vec![time, value("the last value of a bridge")])
            }
            GaussianLaw::Transition => (
                "transition",
                "a time, the value there, and a later time",
                vec![time.clone(), value("the value where a transition begins"), time],
            ),
        };
        if given.len() != inputs.len() || given.iter().any(|one| one.name.is_some()) {
            let error = TooManyArguments {
                callee: format!("the member `{member}` of `{}`", problem.name),
                expected: expected.into(),
                found: given.len(),
                at,
                because: None,
                call: self.through(),
                help: None,
            };
            return self.report(at, error);
        }
        let mut axes = Axes::new();
        for ((shape, what), one) in inputs.into_iter().zip(given) {
            let fitted = self.fit(&Declared::Tensor(shape), one.ty, one.span, None, what, scope);
            if fitted.is_poison() {
                return Ty::Poison;
            }
            if let Some(tensor) = self.tensor(&fitted, one.span, scope) {
                axes = join(&axes, &tensor.axes);
            }
        }
        Ty::Law(vec![problem.state.clone()], axes, true)
    }
}
