//! Calls of the language's own functions.

use std::rc::Rc;

use super::call::Arg;
use super::errors::{ArgumentUnknown, BadSetting, StillVaries, TooManyArguments};
use super::function::Function;
use super::scope::Scope;
use super::ty::{Axes, Tensor, Ty, join};
use super::typer::Typer;
pub(crate) use crate::check::builtin::Builtin;
use crate::check::builtin::Rule;
use crate::check::size::Size;
use crate::diagnostic::nearest;
use crate::source::Span;

impl<'a> Typer<'a> {
    /// Applies a function of the language.
    pub(crate) fn call_builtin(
        &mut self,
        builtin: &'static Builtin,
        given: Vec<Arg<'a>>,
        at: Span,
        scope: &Rc<Scope<'a>>,
    ) -> Ty<'a> {
        match builtin.rule {
            Rule::Optimizer => return self.optimizer(builtin, &given, at, scope),
            Rule::Empirical => return self.empirical(builtin, &given, at, scope),
            Rule::Mixture => return self.mixture(builtin, &given, at, scope),
            Rule::Student => return self.student(builtin, &given, at, scope),
            Rule::LogDensity => return self.log_density(builtin, &given, at, scope),
            Rule::Others => return self.at_others(builtin, &given, at, scope),
            Rule::Distance => return self.distance(builtin, &given, at, scope),
            Rule::Evaluations => return self.evaluations(builtin, &given, at),
            Rule::NextTime => return self.next_time(builtin, &given, at),
            Rule::Choose => return self.choose_times(builtin, &given, at, scope),
            Rule::RunningMean | Rule::Snapshot
                if matches!(given.first(), Some(Arg { ty: Ty::Function(_), name: None, .. })) =>
            {
                return self.copied_function(builtin, &given, at, scope);
            }
            Rule::RunningMean => return self.running_mean(builtin, &given, at, scope),
            Rule::Length | Rule::ListEntry | Rule::ListRest => return self.list_function(builtin, &given, at, scope),
            Rule::Detach => {
                if let [Arg { ty: Ty::Function(function), name: None, .. }] = given.as_slice() {
                    return Ty::Function(Rc::new(Function::Detached(function.clone())));
                }
            }
            _ => {}
        }
        if let Some(named) = given.iter().find_map(|one| one.name.as_ref()) {
            let error = ArgumentUnknown {
                callee: format!("the function `{}`", builtin.name),
                name: named.text.to_string(),
                at: named.span,
                help: format!("write `{}`", builtin.usage),
            };
            return self.report(named.span, error);
        }
        if given.iter().any(|one| one.ty.is_poison()) {
            return Ty::Poison;
        }
        let tensors: Option<Vec<Tensor>> = given.iter().map(|one| self.tensor(&one.ty, one.span, scope)).collect();
        let Some(tensors) = tensors else { return Ty::Poison };
        let axes = tensors.iter().fold(Axes::new(), |axes, tensor| join(&axes, &tensor.axes));
        let spans: Vec<Span> = given.iter().map(|one| one.span).collect();
        match (builtin.rule, tensors.as_slice()) {
            (Rule::Entrywise | Rule::Detach, [one]) => Ty::Tensor(one.clone()),
            (Rule::Extremum, [a, b]) => {
                self.sum((a, spans[0]), (b, spans[1]), if builtin.name == "min" { "minimum" } else { "maximum" })
            }
            (Rule::Extremum, [_]) if builtin.name == "max" => Ty::Tensor(Tensor::scalar(axes)),
            (Rule::Reduce, [_]) => Ty::Tensor(Tensor::scalar(axes)),
            (Rule::Softmax, [one]) if one.shape.len() == 1 => Ty::Tensor(one.clone()),
            (Rule::Dot, [a, b]) if a.same_shape(b) => Ty::Tensor(Tensor::scalar(axes)),
            (Rule::Trace, [one]) if is_square(one) => Ty::Tensor(Tensor::scalar(axes)),
            (Rule::SquareToSquare, [one]) if is_square(one) => Ty::Tensor(one.clone()),
            (Rule::Diagonal, [one]) if one.shape.len() == 1 => {
                Ty::Tensor(Tensor::of(vec![one.shape[0].clone(), one.shape[0].clone()], axes))
            }
            (Rule::Diagonal, [one]) if is_square(one) => Ty::Tensor(Tensor::of(vec![one.shape[0].clone()], axes)),
            (Rule::Tridiagonal, [below, on, above]) if beside(below, on) && beside(above, on) => {
                Ty::Tensor(Tensor::of(vec![on.shape[0].clone(), on.shape[0].clone()], axes))
            }
            (Rule::Solve, [a, x]) if is_square(a) && x.shape.len() == 1 && x.shape[0] == a.shape[1] => {
                Ty::Tensor(x.clone())
            }
            (Rule::Concat, items) if !items.is_empty() => {
                let types: Vec<Ty<'a>> = items.iter().cloned().map(Ty::Tensor).collect();
                self.joined(&types, at, scope).map_or(Ty::Poison, Ty::Tensor)
            }
            (Rule::Law, [a, b]) => {
                if a.is_scalar() && b.is_scalar() {
                    return Ty::Law(Vec::new(), axes, true);
                }
                let shape = if a.is_scalar() { b } else { a };
                if a.is_scalar() || b.is_scalar() || a.same_shape(b) {
                    return Ty::Law(shape.shape.clone(), axes, true);
                }
                // A square matrix as the scale of a normal vector.
                if builtin.name == "normal" && a.shape.len() == 1 && b.shape == [a.shape[0].clone(), a.shape[0].clone()]
                {
                    return Ty::Law(a.shape.clone(), axes, true);
                }
                self.sum((a, spans[0]), (b, spans[1]), "law")
            }
            _ => self.misused(builtin, &tensors, at),
        }
    }

    pub(crate) fn misused(&mut self, builtin: &'static Builtin, found: &[Tensor], at: Span) -> Ty<'a> {
        self.miscounted(builtin, found, found.len(), at)
    }

    /// As [`Typer::misused`], where so many arguments were given that are not all tensors.
    pub(crate) fn miscounted(&mut self, builtin: &'static Builtin, found: &[Tensor], given: usize, at: Span) -> Ty<'a> {
        let found_words: Vec<String> = found.iter().map(|one| Ty::Tensor(one.clone()).describe()).collect();
        let callee = format!("the function `{}`", builtin.name);
        let expected = match builtin.rule {
            Rule::Trace | Rule::SquareToSquare => "one square matrix",
            Rule::Dot => "two vectors of one size",
            Rule::Snapshot => "a function that holds nets",
            Rule::Softmax => "one vector",
            Rule::Quantile => "`sample` in brackets, a number of each sample, and a share",
            Rule::Diagonal => "one vector or square matrix",
            Rule::Tridiagonal => "three vectors, those beside the one on the diagonal with an entry less",
            Rule::Solve => "a square matrix and a vector of its size",
            Rule::Extremum | Rule::Law => "two numbers",
            Rule::Student => "the degrees of freedom and two numbers",
            Rule::Empirical => "one file of samples",
            Rule::Mixture => "a list of laws and their weights",
            Rule::LogDensity => "a law and a value",
            Rule::Others => "one value that varies over samples",
            Rule::Distance => "two sets of samples",
            Rule::Evaluations => "one function",
            Rule::NextTime => "one time",
            Rule::Choose => "a number of times, or that and the times between which they lie",
            _ => "one value",
        };
        let help = Some(if found_words.is_empty() {
            format!("write `{}`", builtin.usage)
        } else {
            format!("write `{}`; given: {}", builtin.usage, found_words.join(", "))
        });
        let error = TooManyArguments {
            callee,
            expected: expected.into(),
            found: given,
            at,
            because: None,
            call: self.through(),
            help,
        };
        self.report(at, error)
    }

    /// `randn[d](seed = 0)`, `reshape[n, m](x)`
    pub(crate) fn call_sized(
        &mut self,
        builtin: &'static Builtin,
        sizes: &[Size],
        given: Vec<Arg<'a>>,
        at: Span,
        scope: &Rc<Scope<'a>>,
    ) -> Ty<'a> {
        let whole = Tensor::of(sizes.to_vec(), Axes::new());
        match (builtin.rule, given.as_slice()) {
            (Rule::Drawn, []) => Ty::Tensor(whole),
            (Rule::Drawn, [seed]) if seed.name.as_ref().is_none_or(|name| name.key.as_str() == "seed") => {
                match &seed.ty {
                    Ty::Poison => Ty::Poison,
                    Ty::Number(value) if value.fract() == 0.0 && *value >= 0.0 => Ty::Tensor(whole),
                    // A parameter of a definition has its value at the use.
                    Ty::Size(_) => Ty::Tensor(whole),
                    Ty::Tensor(tensor) if tensor.is_scalar() && tensor.axes.is_empty() => Ty::Tensor(whole),
                    other => {
                        let found = other.describe();
                        let error = BadSetting {
                            name: "`seed`".into(),
                            expected: "is a whole number from 0",
                            found,
                            at: seed.span,
                            help: None,
                        };
                        self.report(seed.span, error)
                    }
                }
            }
            (Rule::Reshape, [one]) => {
                let Some(tensor) = self.tensor(&one.ty, one.span, scope) else { return Ty::Poison };
                let entries =
                    |shape: &[Size]| shape.iter().try_fold(Size::constant(1), |product, size| product.multiply(size));
                if entries(&tensor.shape) == entries(sizes) {
                    return Ty::Tensor(Tensor::of(sizes.to_vec(), tensor.axes));
                }
                let found = Ty::Tensor(tensor).describe();
                let expected = format!("as many entries as {whole} has");
                let error = super::errors::WrongKind {
                    expected,
                    found,
                    at: one.span,
                    because: Some(at),
                    call: self.through(),
                    help: None,
                };
                self.report(one.span, error)
            }
            _ => self.misused(builtin, &[], at),
        }
    }

    fn list_function(
        &mut self,
        builtin: &'static Builtin,
        given: &[Arg<'a>],
        at: Span,
        scope: &Rc<Scope<'a>>,
    ) -> Ty<'a> {
        let [one] = given else { return self.misused(builtin, &[], at) };
        match (builtin.rule, &one.ty) {
            (_, Ty::Poison) => Ty::Poison,
            (Rule::Length, Ty::List(items)) => Ty::Number(items.len() as f64),
            (Rule::Length, other) => match self.tensor(other, one.span, scope) {
                Some(tensor) => tensor.shape.first().map_or(Ty::Number(1.0), |size| Ty::from_size(size.clone())),
                None => Ty::Poison,
            },
            (_, Ty::List(items)) if items.is_empty() => {
                let help = Some("ask first: `if length(list) = 0 then … else …`".to_string());
                self.wrong_kind("a list that is not empty", &one.ty, one.span, None, help)
            }
            (Rule::ListRest, Ty::List(items)) => Ty::List(Rc::new(items[1..].to_vec())),
            (_, Ty::List(items)) => {
                let item = if builtin.name == "first" { items.first() } else { items.last() };
                item.cloned().unwrap_or(Ty::Poison)
            }
            (_, other) => {
                let other = other.clone();
                self.wrong_kind("a list", &other, one.span, None, Some(format!("write `{}`", builtin.usage)))
            }
        }
    }

    fn running_mean(
        &mut self,
        builtin: &'static Builtin,
        given: &[Arg<'a>],
        at: Span,
        scope: &Rc<Scope<'a>>,
    ) -> Ty<'a> {
        let value = given.iter().find(|one| one.name.is_none());
        let rate = given.iter().find(|one| one.name.as_ref().is_some_and(|name| name.key.as_str() == "rate"));
        let rate = rate.or_else(|| given.iter().filter(|one| one.name.is_none()).nth(1));
        let stranger = given.iter().filter_map(|one| one.name.as_ref()).find(|name| name.key.as_str() != "rate");
        if let Some(name) = stranger {
            let (callee, help) = ("the function `ema`".to_string(), format!("write `{}`", builtin.usage));
            return self
                .report(name.span, ArgumentUnknown { callee, name: name.text.to_string(), at: name.span, help });
        }
        let (Some(value), Some(rate), 2) = (value, rate, given.len()) else { return self.misused(builtin, &[], at) };
        if let Ty::Number(number) = rate.ty
            && !(number > 0.0 && number <= 1.0)
        {
            let found = rate.ty.describe();
            let error =
                BadSetting { name: "`rate`".into(), expected: "lies in (0, 1]", found, at: rate.span, help: None };
            self.report(rate.span, error);
        }
        let Some(tensor) = self.tensor(&value.ty, value.span, scope) else { return Ty::Poison };
        if let Some(entry) = tensor.axes.values().next() {
            let error = StillVaries {
                what: "this value".into(),
                axis: entry.name.to_string(),
                allowed: "a running mean is of a value that varies over steps only",
                through: entry.through.to_string(),
                entered: entry.span,
                used_as: "averaged over steps here",
                used: Some(at),
                help: "average it first: `ema(E[…], …)`".into(),
            };
            return self.report(value.span, error);
        }
        Ty::Tensor(tensor)
    }

    /// `adam(1e-4)`, `sgd(n => …, momentum = 0.9)`
    fn optimizer(&mut self, builtin: &'static Builtin, given: &[Arg<'a>], at: Span, scope: &Rc<Scope<'a>>) -> Ty<'a> {
        let options: &[&str] = if builtin.name == "adam" {
            &["beta1", "beta2", "epsilon", "decay", "clip"]
        } else {
            &["momentum", "clip"]
        };
        let mut rate = None;
        for one in given {
            let key = one.name.as_ref().map(|name| (name, name.key.as_str()));
            match key {
                None | Some((_, "rate")) if rate.is_none() => rate = Some(one),
                Some((name, key)) if options.contains(&key) => self.option(&name.text, key, one, scope),
                Some((name, key)) if key != "rate" => {
                    let near = nearest(key, options.iter().copied());
                    let help = match near {
                        Some(near) => format!("did `{near}` stand here?"),
                        None => format!("write `{}`", builtin.usage),
                    };
                    let callee = format!("the optimizer `{}`", builtin.name);
                    return self.report(
                        name.span,
                        ArgumentUnknown { callee, name: name.text.to_string(), at: name.span, help },
                    );
                }
                _ => return self.misused(builtin, &[], at),
            }
        }
        let Some(rate) = rate else { return self.misused(builtin, &[], at) };
        match &rate.ty {
            Ty::Poison => Ty::Poison,
            Ty::Number(value) if !(*value > 0.0 && value.is_finite()) => {
                let found = rate.ty.describe();
                let error = BadSetting {
                    name: "the learning rate".into(),
                    expected: "is a positive number",
                    found,
                    at: rate.span,
                    help: None,
                };
                self.report(rate.span, error)
            }
            Ty::Function(function) => {
                let step = vec![Arg { name: None, ty: Ty::real(), span: rate.span }];
                let value = self.call(&function.clone(), step, rate.span, scope, None);
                self.plain_number(value, rate.span, "the learning rate", scope)
            }
            other => {
                let other = other.clone();
                self.plain_number(other, rate.span, "the learning rate", scope)
            }
        }
    }

    fn plain_number(&mut self, ty: Ty<'a>, at: Span, what: &str, scope: &Rc<Scope<'a>>) -> Ty<'a> {
        match self.tensor(&ty, at, scope) {
            Some(tensor) if tensor.is_scalar() && tensor.axes.is_empty() => Ty::Optimizer,
            Some(tensor) => self.wrong_kind(
                &format!("a number as {what}, or a function of the step"),
                &Ty::Tensor(tensor),
                at,
                None,
                None,
            ),
            None => Ty::Poison,
        }
    }

    fn option(&mut self, name: &str, key: &str, one: &Arg<'a>, scope: &Rc<Scope<'a>>) {
        let found = one.ty.describe();
        let (expected, fine): (_, fn(f64) -> bool) = match key {
            "beta1" | "beta2" | "momentum" => ("lies in [0, 1)", |value| (0.0..1.0).contains(&value)),
            "decay" => ("is a number from 0", |value| value >= 0.0 && value.is_finite()),
            _ => ("is a positive number", |value| value > 0.0 && value.is_finite()),
        };
        match &one.ty {
            Ty::Number(value) if !fine(*value) => {
                self.report(
                    one.span,
                    BadSetting { name: format!("`{name}`"), expected, found, at: one.span, help: None },
                );
            }
            Ty::Number(_) | Ty::Poison => {}
            other => {
                let other = other.clone();
                if !matches!(self.tensor(&other, one.span, scope), Some(tensor) if tensor.is_scalar() && tensor.axes.is_empty())
                {
                    self.report(
                        one.span,
                        BadSetting { name: format!("`{name}`"), expected, found, at: one.span, help: None },
                    );
                }
            }
        }
    }
}

/// Whether a vector has the entries of a diagonal next to that of another.
fn beside(next: &Tensor, on: &Tensor) -> bool {
    match (next.shape.as_slice(), on.shape.as_slice()) {
        ([less], [size]) => less.add(&Size::constant(1)).as_ref() == Some(size),
        _ => false,
    }
}

fn is_square(tensor: &Tensor) -> bool {
    matches!(tensor.shape.as_slice(), [m, n] if m == n)
}
