//! Calls: arguments to parameters, and what each kind of function gives.

use std::rc::Rc;

use super::errors::{NotCallable, NotOnGrid, TooManyArguments};
use super::expr::count;
use super::function::{Closure, Declared, Function, Signature};
use super::problem::{Held, ProblemTy};
use super::scope::Scope;
use super::ty::{Axes, Entry, ProcessTy, SAMPLE, Tensor, Ty, join};
use super::typer::Typer;
use crate::check::builtin::Rule;
use crate::check::size::Size;
use crate::source::{Name, Span};
use crate::syntax::tree::{Argument, Expr};
use crate::typed::Predicate;

/// An argument with its type.
#[derive(Clone)]
pub(crate) struct Arg<'a> {
    pub(crate) name: Option<Name>,
    pub(crate) ty: Ty<'a>,
    pub(crate) span: Span,
}

impl<'a> Typer<'a> {
    /// `f(a, b = 1)`
    pub(crate) fn call_expr(
        &mut self,
        callee: &'a Expr,
        arguments: &'a [Argument],
        at: Span,
        scope: &Rc<Scope<'a>>,
        expected: Option<&[Size]>,
    ) -> Ty<'a> {
        let function = match self.expr(callee, scope, None) {
            Ty::Function(function) => function,
            Ty::Process(process) => return self.process_at(&process, arguments, at, scope),
            other => {
                // The arguments' own errors are independent of the callee.
                for argument in arguments {
                    self.expr(&argument.value, scope, None);
                }
                if other.is_poison() {
                    return Ty::Poison;
                }
                let found = other.describe();
                return self.report(callee.span, NotCallable { found, at: callee.span });
            }
        };
        let mut given = Vec::with_capacity(arguments.len());
        for (place, argument) in arguments.iter().enumerate() {
            let hint = match &*function {
                Function::Builtin(builtin) if matches!(builtin.rule, Rule::Entrywise | Rule::Detach) => {
                    expected.map(<[Size]>::to_vec)
                }
                Function::Declared { signature, .. } => match signature.inputs.get(place) {
                    Some(Declared::Tensor(shape)) => Some(shape.clone()),
                    _ => None,
                },
                _ => None,
            };
            let mut ty = self.expr(&argument.value, scope, hint.as_deref());
            // A process handed to a function stands at the time that is bound here, not at one bound inside.
            if matches!(ty, Ty::Process(_)) && scope.now().is_some() && !matches!(*function, Function::Weight(_)) {
                ty = self.tensor(&ty, argument.value.span, scope).map_or(Ty::Poison, Ty::Tensor);
            }
            given.push(Arg { name: argument.name.clone(), ty, span: argument.value.span });
        }
        if given.iter().any(|one| matches!(one.ty, Ty::Hole)) {
            let first = given.into_iter().map(|one| (one.name, one.ty, one.span)).collect();
            return Ty::Function(Rc::new(Function::Partial(function, first)));
        }
        self.call(&function, given, at, scope, expected)
    }

    /// `X(t)`
    fn process_at(
        &mut self,
        process: &Rc<ProcessTy>,
        arguments: &'a [Argument],
        at: Span,
        scope: &Rc<Scope<'a>>,
    ) -> Ty<'a> {
        let [argument] = arguments else {
            let callee = format!("the {} `{}`", process.role, process.name);
            let found = arguments.len();
            let error = TooManyArguments {
                callee,
                expected: "one time".into(),
                found,
                at,
                because: None,
                call: self.through(),
                help: None,
            };
            return self.report(at, error);
        };
        let ty = self.expr(&argument.value, scope, None);
        if ty.is_poison() {
            return Ty::Poison;
        }
        if let Some(time) = Self::moment(&argument.value, &ty, scope) {
            Ty::Tensor(process.at(&time, at))
        } else {
            let (role, name, found) = (process.role, process.name.text.to_string(), ty.describe());
            let (place, call) = (argument.value.span, self.through());
            self.report(place, NotOnGrid { role, name, found, at: place, call })
        }
    }

    /// Applies a function to arguments.
    pub(crate) fn call(
        &mut self,
        function: &Rc<Function<'a>>,
        given: Vec<Arg<'a>>,
        at: Span,
        scope: &Rc<Scope<'a>>,
        expected: Option<&[Size]>,
    ) -> Ty<'a> {
        let function = function.clone();
        self.deeper(at, |typer| typer.call_inner(&function, given, at, scope, expected))
    }

    fn call_inner(
        &mut self,
        function: &Rc<Function<'a>>,
        given: Vec<Arg<'a>>,
        at: Span,
        scope: &Rc<Scope<'a>>,
        expected: Option<&[Size]>,
    ) -> Ty<'a> {
        match &**function {
            Function::Closure(closure) => self.call_closure(closure, given, at, expected),
            Function::Declared { name, role, signature, span } => {
                let callee = format!("the {role} `{name}`");
                self.call_declared(&callee, signature, given, at, *span, scope)
            }
            Function::Builtin(builtin) => self.call_builtin(builtin, given, at, scope),
            Function::Sized(builtin, sizes) => self.call_sized(builtin, sizes, given, at, scope),
            Function::ControlMap(problem) => self.call_control_map(&problem.clone(), given, at, scope),
            Function::GaussianLaw(problem, which) => self.call_gaussian_law(&problem.clone(), *which, given, at, scope),
            Function::Weight(problem) => self.call_weight(&problem.clone(), &given, at),
            Function::Layer(layer, module) => self.call_layer(layer, *module, given, at, scope, expected),
            Function::Applied { layer, scope: inner } => {
                self.apply_layer(layer, &inner.clone(), given, at, scope, expected)
            }
            Function::Problem(definition, place) => self.make_problem(definition, *place, given, at, scope),
            Function::Loss(definition, module) => self.call_loss(definition, *module, given, at, scope),
            Function::Method(definition, module) => self.call_method(definition, *module, given, at),
            Function::OverSamples(builtin, axis) => self.call_over_samples((builtin, *axis), &given, at, scope),
            Function::Partial(inner, first) => self.call_partial(&inner.clone(), first, given, at, scope, expected),
            Function::Detached(inner) | Function::Copied(inner, _) => {
                self.call(&inner.clone(), given, at, scope, expected)
            }
            Function::Entrywise(inner) => self.call_entry_by_entry(&inner.clone(), given, at, scope, expected),
            Function::Gradient(field, place) => {
                self.derivative(field, given, at, scope, |typer, point, value| typer.gradient(point, value, *place))
            }
            Function::Jacobian(field, place) => {
                self.derivative(field, given, at, scope, |typer, point, value| typer.jacobian(point, value, *place))
            }
            Function::Divergence(field, place) => self.derivative(field, given, at, scope, |typer, point, value| {
                if point.shape.len() == 1 && value.shape == point.shape {
                    return Ty::Tensor(Tensor::scalar(value.axes));
                }
                typer.no_divergence("div", "a field of vectors on vectors of one size", &point, &value, *place)
            }),
            Function::Laplacian(field, place) => self.derivative(field, given, at, scope, |typer, point, value| {
                if point.shape.len() == 1 && value.is_scalar() {
                    return Ty::Tensor(Tensor::scalar(value.axes));
                }
                typer.no_divergence("Δ", "a field of numbers on vectors", &point, &value, *place)
            }),
        }
    }

    /// A function of the text: its body is typed with the types of the arguments.
    fn call_closure(
        &mut self,
        closure: &Closure<'a>,
        given: Vec<Arg<'a>>,
        at: Span,
        expected: Option<&[Size]>,
    ) -> Ty<'a> {
        let callee = match closure.name {
            Some(name) => format!("the function `{name}`"),
            None => "the function".to_string(),
        };
        let inner = Scope::child(&closure.scope);
        let because = closure.name.map(|name| name.span);
        if !self.bind_params(closure.params, given, &inner, at, &callee, because) {
            return Ty::Poison;
        }
        let key: Vec<Ty<'a>> = closure
            .params
            .iter()
            .map(|param| match inner.find(&param.name.key) {
                Some((_, super::scope::Binding::Value(ty))) => ty,
                _ => Ty::Poison,
            })
            .collect();
        if expected.is_none() {
            let known = closure.known.borrow();
            let same = |(types, _): &&(Vec<Ty<'a>>, Ty<'a>)| types.iter().zip(&key).all(|(a, b)| a.same(b));
            if let Some((_, ty)) = known.iter().find(same) {
                return ty.clone();
            }
        }
        self.calls.push(at);
        let ty = match closure.result {
            None => self.expr(closure.body, &inner, expected),
            Some(written) => {
                let declared = self.declared(written, &inner);
                let shape = match &declared {
                    Declared::Tensor(shape) => Some(shape.clone()),
                    _ => expected.map(<[Size]>::to_vec),
                };
                let ty = self.expr(closure.body, &inner, shape.as_deref());
                let what = format!("the value of {callee}");
                self.fit(&declared, ty, closure.body.span, Some(written.span), &what, &inner)
            }
        };
        self.calls.pop();
        if expected.is_none() {
            closure.known.borrow_mut().push((key, ty.clone()));
        }
        ty
    }

    /// A function of a number, at a number or at every entry of an array.
    fn call_entry_by_entry(
        &mut self,
        inner: &Rc<Function<'a>>,
        given: Vec<Arg<'a>>,
        at: Span,
        scope: &Rc<Scope<'a>>,
        expected: Option<&[Size]>,
    ) -> Ty<'a> {
        let [Arg { name: None, ty, span }] = given.as_slice() else {
            return self.call(inner, given, at, scope, expected);
        };
        let whole = match ty {
            Ty::Tensor(tensor) => tensor.clone(),
            Ty::List(_) | Ty::Process(_) => match self.tensor(ty, *span, scope) {
                Some(tensor) => tensor,
                None => return Ty::Poison,
            },
            _ => return self.call(inner, given, at, scope, expected),
        };
        let entry = Ty::Tensor(Tensor::scalar(whole.axes.clone()));
        let given = vec![Arg { name: None, ty: entry, span: *span }];
        let ty = self.call(inner, given, at, scope, Some(&[]));
        match self.tensor(&ty, at, scope) {
            Some(tensor) => Ty::Tensor(Tensor { axes: tensor.axes, ..whole }),
            None => Ty::Poison,
        }
    }

    /// A function known by its type.
    pub(crate) fn call_declared(
        &mut self,
        callee: &str,
        signature: &Rc<Signature>,
        given: Vec<Arg<'a>>,
        at: Span,
        because: Span,
        scope: &Rc<Scope<'a>>,
    ) -> Ty<'a> {
        if given.len() != signature.inputs.len() || given.iter().any(|one| one.name.is_some()) {
            let expected = count(signature.inputs.len(), "argument", "arguments");
            let help = Some(format!("its type is {}", signature.describe()));
            let (found, call) = (given.len(), self.through());
            let error = TooManyArguments {
                callee: callee.to_string(),
                expected,
                found,
                at,
                because: Some(because),
                call,
                help,
            };
            return self.report(at, error);
        }
        let mut axes = Axes::new();
        let mut fine = true;
        for (place, (input, one)) in signature.inputs.iter().zip(given).enumerate() {
            let what = format!("argument {} of {callee}", place + 1);
            let fitted = self.fit(input, one.ty, one.span, Some(because), &what, scope);
            match fitted {
                Ty::Poison => fine = false,
                Ty::Tensor(_) | Ty::Time(_) => {
                    if let Some(tensor) = self.tensor(&fitted, one.span, scope) {
                        axes = join(&axes, &tensor.axes);
                    }
                }
                _ => {}
            }
        }
        match (&signature.output, fine) {
            (Declared::Tensor(shape), true) => Ty::Tensor(Tensor::of(shape.clone(), axes)),
            (other, true) => super::fit::sample_of(other, at),
            (_, false) => Ty::Poison,
        }
    }

    /// σ(x, t), or σ(t) where the noise is additive.
    fn call_control_map(
        &mut self,
        problem: &Rc<ProblemTy<'a>>,
        given: Vec<Arg<'a>>,
        at: Span,
        scope: &Rc<Scope<'a>>,
    ) -> Ty<'a> {
        let real = Declared::Tensor(Vec::new());
        let mut inputs = vec![Declared::Tensor(vec![problem.state.clone()]), real.clone()];
        if given.len() == 1 {
            for needs in [Predicate::AdditiveNoise, Predicate::MatchedNoise] {
                if let Held::No { span, why } = problem.holds(needs) {
                    return self.member_needs(problem, "σ(t)", needs, at, span, why);
                }
            }
            inputs = vec![real];
        }
        let output = Declared::Tensor(vec![problem.state.clone(), problem.control.clone()]);
        let callee = format!("the member `σ` of `{}`", problem.name);
        self.call_declared(&callee, &Rc::new(Signature { inputs, output }), given, at, problem.span, scope)
    }

    /// `P.weight(X)`
    fn call_weight(&mut self, problem: &Rc<ProblemTy<'a>>, given: &[Arg<'a>], at: Span) -> Ty<'a> {
        match given {
            [Arg { ty: Ty::Process(process), .. }] if process.problem.as_ref() == Some(&problem.name) => {
                let through = format!("the path `{}`", process.name).into();
                Ty::Tensor(Tensor::scalar(Axes::from([(SAMPLE, Entry { name: "sample".into(), span: at, through })])))
            }
            [one] if one.ty.is_poison() => Ty::Poison,
            [one] => {
                let help = format!(
                    "the weight is that of a whole path: `{}.weight(X)` after `path X of {0} under u`",
                    problem.name
                );
                self.wrong_kind(&format!("a path of `{}`", problem.name), &one.ty.clone(), one.span, None, Some(help))
            }
            _ => {
                let callee = format!("the member `weight` of `{}`", problem.name);
                let found = given.len();
                let error = TooManyArguments {
                    callee,
                    expected: "one path".into(),
                    found,
                    at,
                    because: None,
                    call: self.through(),
                    help: None,
                };
                self.report(at, error)
            }
        }
    }

    /// A call with holes, the holes filled in order.
    fn call_partial(
        &mut self,
        inner: &Rc<Function<'a>>,
        first: &[(Option<Name>, Ty<'a>, Span)],
        given: Vec<Arg<'a>>,
        at: Span,
        scope: &Rc<Scope<'a>>,
        expected: Option<&[Size]>,
    ) -> Ty<'a> {
        let holes = first.iter().filter(|(_, ty, _)| matches!(ty, Ty::Hole)).count();
        if given.len() != holes {
            let callee = inner.describe();
            let expected = format!("one argument for each of its {}", count(holes, "hole", "holes"));
            let because = first.iter().map(|(_, _, span)| *span).reduce(Span::to);
            let (found, call) = (given.len(), self.through());
            return self.report(at, TooManyArguments { callee, expected, found, at, because, call, help: None });
        }
        let mut rest = given.into_iter();
        let mut all = Vec::with_capacity(first.len());
        for (name, ty, span) in first {
            if matches!(ty, Ty::Hole) {
                if let Some(mut one) = rest.next() {
                    one.name.clone_from(name);
                    all.push(one);
                }
            } else {
                all.push(Arg { name: name.clone(), ty: ty.clone(), span: *span });
            }
        }
        self.call(inner, all, at, scope, expected)
    }
}
