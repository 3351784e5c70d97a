//! Calls: closures, nets, members, losses, processes at a time.

use std::rc::Rc;

use super::entries::of_numbers;
use super::environment::Scope;
use super::errors::{Lowered, fault};
use super::lowerer::Lowerer;
use super::time::{Grid, Moment};
use super::value::{BoundMethod, Function, Value};
use crate::graph::ValueId;
use crate::source::{Span, Symbol};
use crate::syntax::tree::{Argument, Definition, Expr, ExprKind, Param, TypeKind};

/// Arguments as given: by place or by name.
pub type Arguments<'a> = Vec<(Option<Symbol>, Value<'a>)>;

impl<'a> Lowerer<'a> {
    /// `f(a, b = 1)`
    pub fn call_expr(
        &mut self,
        callee: &'a Expr,
        arguments: &'a [Argument],
        scope: &Rc<Scope<'a>>,
        span: Span,
        expected: Option<&[usize]>,
    ) -> Lowered<Value<'a>> {
        let f = self.expr(callee, scope, None)?;
        if matches!(&f, Value::Function(f) if matches!(**f, Function::Builtin("empirical"))) {
            return self.empirical(arguments, scope.module, span);
        }
        // What keeps the shape of its argument hands the expected shape on.
        let hint = match &f {
            Value::Function(f) => matches!(&**f, Function::Builtin(name) if super::builtin::keeps_shape(name)),
            _ => false,
        };
        let mut given = Vec::with_capacity(arguments.len());
        for a in arguments {
            let value = self.expr(&a.value, scope, if hint { expected } else { None })?;
            given.push((a.name.as_ref().map(|n| n.key.clone()), value));
        }
        match f {
            Value::Function(f) => self.call(&f, given, span, expected),
            Value::Process(p) => {
                let at = self.moment(&given, &p.grid, span)?;
                self.sample_process(&p, at, span).map(Value::Tensor)
            }
            Value::State(v) => Ok(Value::Tensor(v)),
            other => {
                if let ExprKind::Name(name) = &callee.kind {
                    return Err(fault(span, format!("`{name}` is {} and cannot be called", other.kind())));
                }
                Err(fault(span, format!("{} cannot be called", other.kind())))
            }
        }
    }

    /// The time given to a process.
    fn moment(&mut self, given: &Arguments<'a>, grid: &Grid, span: Span) -> Lowered<Moment> {
        let [(None, value)] = given.as_slice() else {
            return Err(fault(span, "a process takes one time"));
        };
        match value {
            Value::Time(m) => Ok(*m),
            Value::Number(x) if *x == grid.from => Ok(self.start(grid)),
            Value::Number(x) if *x == grid.to => Ok(self.end(grid)),
            other => Err(fault(span, format!("a process is known at the times of its grid, found {}", other.kind()))),
        }
    }

    /// Applies a function to values.
    pub fn call(
        &mut self,
        f: &Rc<Function<'a>>,
        given: Arguments<'a>,
        span: Span,
        expected: Option<&[usize]>,
    ) -> Lowered<Value<'a>> {
        if given.iter().any(|(_, v)| matches!(v, Value::Hole)) {
            return Ok(Value::Function(Rc::new(Function::Partial(f.clone(), given))));
        }
        match &**f {
            Function::Closure { params, result, body, scope } => {
                let arguments = self.parts_of(&given, span)?;
                let inner = Scope::child(scope);
                self.bind_params(params, given, &inner, span)?;
                let shape = match result {
                    Some(ty) => self.shape(ty, &inner)?,
                    None => expected.map(<[usize]>::to_vec),
                };
                let value = self.expr(body, &inner, shape.as_deref())?;
                self.note_call(f, arguments, &value);
                Ok(value)
            }
            Function::Member(p, name) => self.call_member(&p.clone(), name, given, span),
            Function::Builtin(name) => self.call_builtin(name, given, span),
            Function::Sized(name, sizes) => self.call_sized(name, sizes, given, span),
            Function::Network(n) => {
                let arguments = self.parts_of(&given, span)?;
                let value = self.call_network(n, given, span)?;
                self.note_call(f, arguments, &value);
                Ok(value)
            }
            // A layer without parameters takes its inputs at once.
            Function::Layer(layer, module) if layer.params.is_empty() && !given.is_empty() => {
                match self.apply_layer(layer, *module, Vec::new(), span)? {
                    Value::Function(applied) => self.call(&applied, given, span, expected),
                    other => Ok(other),
                }
            }
            Function::Layer(layer, module) => self.apply_layer(layer, *module, given, span),
            Function::Applied(layer) => self.call_layer(&layer.clone(), given, span, expected),
            Function::ProblemDefinition(definition, module, item) => {
                self.problem(definition, *module, *item, given, span).map(Value::Problem)
            }
            Function::Loss(definition, module) => self.loss(definition, *module, given, span),
            Function::Method(definition, module) => self.bound_method(definition, *module, given, span),
            Function::OverSamples(name, among) => {
                self.over_samples(name, *among, &positional(given), span).map(Value::Tensor)
            }
            Function::Partial(inner, first) => {
                let mut rest = given.into_iter();
                let mut all = Vec::with_capacity(first.len());
                for (name, value) in first {
                    if matches!(value, Value::Hole) {
                        let (_, v) = rest.next().ok_or_else(|| fault(span, "fewer arguments than holes"))?;
                        all.push((name.clone(), v));
                    } else {
                        all.push((name.clone(), value.clone()));
                    }
                }
                all.extend(rest);
                self.call(&inner.clone(), all, span, expected)
            }
            Function::Detached(inner) => {
                self.frozen += 1;
                let value = self.call(&inner.clone(), given, span, expected);
                self.frozen -= 1;
                value
            }
            Function::Copied(inner, rule) => {
                self.copied.push(*rule);
                let value = self.call(&inner.clone(), given, span, expected);
                self.copied.pop();
                value
            }
            Function::Entrywise(inner) => {
                let args = positional(given);
                let [one] = args.as_slice() else { return Err(fault(span, "a function of a number takes one")) };
                let v = self.tensor(one, span)?;
                if self.b.ty(v).shape.is_empty() {
                    return self.call(&inner.clone(), vec![(None, one.clone())], span, expected);
                }
                self.entry_by_entry(&inner.clone(), v, span).map(Value::Tensor)
            }
            Function::Gradient(inner) => {
                let args = positional(given);
                self.gradient(&inner.clone(), &args, span).map(Value::Tensor)
            }
            Function::Jacobian(inner) => {
                let args = positional(given);
                self.jacobian(&inner.clone(), &args, span).map(|m| Value::Operator(Rc::new(m)))
            }
            Function::Divergence(inner) => {
                let args = positional(given);
                self.divergence(&inner.clone(), &args, span).map(Value::Tensor)
            }
            Function::Laplacian(inner) => {
                let args = positional(given);
                let gradient = Rc::new(Function::Gradient(inner.clone()));
                self.divergence(&gradient, &args, span).map(Value::Tensor)
            }
            Function::Constant(value) => Ok(value.clone()),
        }
    }

    /// Binds parameters to arguments by place and by name; defaults fill the rest.
    pub fn bind_params(
        &mut self,
        params: &'a [Param],
        given: Arguments<'a>,
        scope: &Rc<Scope<'a>>,
        span: Span,
    ) -> Lowered<()> {
        let mut by_place = Vec::new();
        let mut by_name = Vec::new();
        for (name, value) in given {
            match name {
                None => by_place.push(value),
                Some(name) => by_name.push((name, value)),
            }
        }
        if by_place.len() > params.len() {
            return Err(fault(span, format!("expected at most {} arguments, found {}", params.len(), by_place.len())));
        }
        let mut places = by_place.into_iter();
        for param in params {
            let named = by_name.iter().position(|(n, _)| *n == param.name.key);
            let value = match (named, &param.default) {
                (Some(i), _) => by_name.swap_remove(i).1,
                (None, default) => match (places.next(), default) {
                    (Some(v), _) => v,
                    (None, Some(default)) => self.expr(default, scope, None)?,
                    (None, None) => return Err(fault(span, format!("the argument `{}` is missing", param.name))),
                },
            };
            let value = match value {
                // A process given as an argument is taken now: the body may bind other times.
                Value::Process(_) if !self.now.is_empty() => Value::Tensor(self.tensor(&value, span)?),
                // `[1, 2]` is a vector where one is asked for.
                Value::List(_)
                    if param
                        .ty
                        .as_ref()
                        .is_some_and(|ty| matches!(&ty.kind, TypeKind::Real(sizes) if !sizes.is_empty())) =>
                {
                    Value::Tensor(self.tensor(&value, span)?)
                }
                Value::Function(f)
                    if param.ty.as_ref().is_some_and(of_numbers)
                        && !matches!(*f, Function::Builtin(_) | Function::Entrywise(_)) =>
                {
                    Value::Function(Rc::new(Function::Entrywise(f)))
                }
                other => other,
            };
            if let Value::Process(p) = &value
                && param.takes_path()
            {
                self.enter_grid(&p.grid.clone(), scope);
            }
            scope.bind(&param.name.key, value);
        }
        if let Some((name, _)) = by_name.first() {
            return Err(fault(span, format!("there is no parameter `{name}`")));
        }
        Ok(())
    }

    /// A method at its arguments.
    fn bound_method(
        &mut self,
        definition: &'a Definition,
        module: usize,
        given: Arguments<'a>,
        span: Span,
    ) -> Lowered<Value<'a>> {
        let scope = self.bound_scope(definition, module, given, span)?;
        Ok(Value::Method(Rc::new(BoundMethod { definition, scope })))
    }

    /// A loss at its arguments: the value of its `return`.
    fn loss(
        &mut self,
        definition: &'a Definition,
        module: usize,
        given: Arguments<'a>,
        span: Span,
    ) -> Lowered<Value<'a>> {
        let scope = self.bound_scope(definition, module, given, span)?;
        let value = self.block(&definition.body, &scope)?;
        value.ok_or_else(|| fault(span, format!("`{}` returns nothing", definition.name)))
    }

    /// The scope of a definition's body: its parameters, and the grid of its problem.
    fn bound_scope(
        &mut self,
        definition: &'a Definition,
        module: usize,
        given: Arguments<'a>,
        span: Span,
    ) -> Lowered<Rc<Scope<'a>>> {
        let scope = Scope::child(&self.root(module));
        self.bind_params(&definition.params, given, &scope, span)?;
        for param in &definition.params {
            if let Some((_, super::environment::Binding::Value(Value::Problem(p)))) = scope.find(&param.name.key) {
                scope.set_grid(p.grid.clone());
                if p.structure.stop.is_some() {
                    scope.set_ends(super::environment::Ends::Unknown);
                }
                self.time_names(&p, &scope);
                break;
            }
        }
        Ok(scope)
    }

    /// The tensors of arguments given by place.
    pub fn tensors(&mut self, given: &Arguments<'a>, span: Span) -> Lowered<Vec<ValueId>> {
        given.iter().map(|(_, v)| self.tensor(v, span)).collect()
    }
}

/// The values of arguments given by place.
pub fn positional(given: Arguments<'_>) -> Vec<Value<'_>> {
    given.into_iter().map(|(_, v)| v).collect()
}
