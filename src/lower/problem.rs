//! Problems at concrete sizes and the members that their equations give.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::call::Arguments;
use super::environment::{Binding, Scope};
use super::errors::{Lowered, fault};
use super::lowerer::Lowerer;
use super::operator::Operator;
use super::time::{Grid, Moment, Place};
use super::value::{Function, Value};
use crate::graph::{Op, Type, ValueId};
use crate::source::{Name, Span, Symbol};
use crate::syntax::tree::{Definition, Expr, ExprKind, Let, Param, StatementKind};
use crate::syntax::walk::mentions;
use crate::typed::{Predicate, Structure};

/// A problem with its parameters bound.
pub struct Problem<'a> {
    definition: &'a Definition,
    /// What its equations say.
    pub structure: &'a Structure,
    scope: Rc<Scope<'a>>,
    changes: Vec<(Symbol, Rc<Function<'a>>)>,
    states: Vec<Vec<usize>>,
    local: Vec<&'a Let>,
    control_shape: Vec<usize>,
    /// The size of the state: of all states together.
    pub dimension: usize,
    /// The size of the control.
    pub control_dimension: usize,
    /// The size of the noise.
    pub noise_dimension: usize,
    /// The grid of its time.
    pub grid: Rc<Grid>,
}

/// Members that follow from the equations; they stand before a problem's own names.
const DERIVED: &[&str] = &["drift", "diffusion", "running", "terminal", "b", "sigma", "f", "g", "weight"];

impl Problem<'_> {
    /// Whether a predicate holds. Of what was put in with `with`, the form is not known.
    pub fn holds(&self, predicate: Predicate) -> bool {
        let changed = |name: &str| self.changes.iter().any(|(known, _)| known.as_str() == name);
        let unknown = match predicate {
            Predicate::Driftless | Predicate::LinearDrift => changed("b"),
            Predicate::TerminalCost => changed("f"),
            _ => false,
        };
        !unknown && self.structure.facts.iter().any(|fact| fact.predicate == predicate && fact.holds)
    }
}

impl<'a> Lowerer<'a> {
    /// A problem definition at its arguments.
    pub fn problem(
        &mut self,
        definition: &'a Definition,
        module: usize,
        item: usize,
        given: Arguments<'a>,
        span: Span,
    ) -> Lowered<Rc<Problem<'a>>> {
        let checked = self.checked;
        let structure = checked
            .structures
            .get(&(module, item))
            .ok_or_else(|| fault(span, format!("the structure of `{}` is not known", definition.name)))?;
        let scope = Scope::child(&self.root(module));
        self.bind_params(&definition.params, given, &scope, span)?;
        let mut inner = BTreeSet::new();
        inner.insert(structure.time.0.key.clone());
        inner.extend(structure.states.iter().map(|s| s.name.key.clone()));
        inner.extend(structure.control.iter().map(|c| c.name.key.clone()));
        let mut local = Vec::new();
        for s in &definition.body.statements {
            match &s.kind {
                StatementKind::Let(l) => {
                    scope.set(&l.name.key, Binding::Lazy(l));
                    let params: Vec<&Param> = l.params.iter().flatten().collect();
                    if mentions(&l.value, &inner, &params) {
                        inner.insert(l.name.key.clone());
                        local.push(l);
                    }
                }
                StatementKind::Process { name, .. } => scope.set(&name.key, Binding::Process(s)),
                StatementKind::Use(u) => self.use_members(u, &scope)?,
                _ => {}
            }
        }
        let from = self.known(&structure.time.1, &scope)?;
        let to = self.known(&structure.time.2, &scope)?;
        if !(from.is_finite() && to.is_finite() && to > from) {
            return Err(fault(
                structure.time.2.span,
                format!("time runs forward over a finite horizon, found {from}..{to}"),
            ));
        }
        let grid = self.grid(from, to);
        scope.set_grid(grid.clone());
        // Within the problem the end of time is a time, so that `F(T)` and `X(T)` are known.
        if let ExprKind::Name(name) = &structure.time.2.kind {
            let end = self.end(&grid);
            scope.bind(&name.key, Value::Time(end));
        }
        let mut states = Vec::new();
        for s in &structure.states {
            let shape = self.shape(&s.ty, &scope)?.ok_or_else(|| fault(s.ty.span, "a state is R or R[n]"))?;
            states.push(shape);
        }
        let mut size_of = |d: Option<&'a crate::syntax::tree::Declaration>| -> Lowered<Vec<usize>> {
            match d {
                None => Ok(vec![0]),
                Some(d) => self.shape(&d.ty, &scope)?.ok_or_else(|| fault(d.ty.span, "expected R or R[n]")),
            }
        };
        let control_shape = size_of(structure.control.as_ref())?;
        let noise_shape = size_of(structure.noise.as_ref())?;
        Ok(Rc::new(Problem {
            definition,
            structure,
            scope,
            changes: Vec::new(),
            dimension: states.iter().map(|s| s.iter().product::<usize>()).sum(),
            states,
            local,
            control_dimension: control_shape.iter().product(),
            noise_dimension: noise_shape.iter().product(),
            control_shape,
            grid,
        }))
    }

    /// `P with { g(x) = … }`
    pub fn changed(&mut self, p: &Rc<Problem<'a>>, changes: &'a [Let], scope: &Rc<Scope<'a>>) -> Rc<Problem<'a>> {
        let mut all = p.changes.clone();
        for change in changes {
            let f = match &change.params {
                Some(params) => {
                    Function::Closure { params, result: change.ty.as_ref(), body: &change.value, scope: scope.clone() }
                }
                None => match self.expr(&change.value, scope, None) {
                    Ok(Value::Function(f)) => {
                        all.push((change.name.key.clone(), f));
                        continue;
                    }
                    Ok(value) => Function::Constant(value),
                    Err(_) => continue,
                },
            };
            all.push((change.name.key.clone(), Rc::new(f)));
        }
        Rc::new(Problem {
            definition: p.definition,
            structure: p.structure,
            scope: p.scope.clone(),
            changes: all,
            states: p.states.clone(),
            local: p.local.clone(),
            control_shape: p.control_shape.clone(),
            dimension: p.dimension,
            control_dimension: p.control_dimension,
            noise_dimension: p.noise_dimension,
            grid: p.grid.clone(),
        })
    }

    /// `P.name`
    pub fn member(&mut self, p: &Rc<Problem<'a>>, name: &Name) -> Lowered<Value<'a>> {
        let key = name.key.as_str();
        if let Some((_, f)) = p.changes.iter().rev().find(|(n, _)| *n == name.key) {
            return Ok(Value::Function(f.clone()));
        }
        if DERIVED.contains(&key) {
            return Ok(Value::Function(Rc::new(Function::Member(p.clone(), name.key.clone()))));
        }
        if matches!(key, "bridge" | "marginal" | "transition")
            && p.holds(Predicate::LinearDrift)
            && p.holds(Predicate::AdditiveNoise)
        {
            return Ok(Value::Function(Rc::new(Function::Member(p.clone(), name.key.clone()))));
        }
        match key {
            "d" => return Ok(Value::Number(p.dimension as f64)),
            "m" => return Ok(Value::Number(p.control_dimension as f64)),
            "T" => {
                let grid = p.grid.clone();
                return Ok(Value::Time(self.end(&grid)));
            }
            "lambda" => {
                if let Some(scale) = &p.structure.noise_scale {
                    let root = self.expr(scale, &p.scope.clone(), None)?;
                    let root = self.tensor(&root, name.span)?;
                    if self.b.constant(root).is_some_and(|x| x <= 0.0) {
                        return Err(fault(
                            scale.span,
                            "the noise is a number times the control map; that number, √λ, is positive",
                        ));
                    }
                    return Ok(Value::Tensor(self.b.unary(crate::graph::Unary::Power(2), root)));
                }
            }
            "initial" => return self.initial(p).map(Value::Tensor),
            _ => {}
        }
        if let Some((predicate, ..)) = Predicate::ALL.iter().find(|(_, n, _)| *n == key) {
            return Ok(Value::Bool(p.holds(*predicate)));
        }
        self.lookup(name, &p.scope.clone())
    }

    /// `use P.{b, σ}` in a body.
    pub fn use_members(&mut self, u: &'a crate::syntax::tree::Use, scope: &Rc<Scope<'a>>) -> Lowered<()> {
        let crate::syntax::tree::UsePath::Dotted(path) = &u.from else {
            return Err(fault(u.span, "files are imported at the top level"));
        };
        let [problem] = path.as_slice() else { return Err(fault(u.span, "expected `use P.{…}`")) };
        let Value::Problem(p) = self.lookup(problem, scope)? else {
            return Err(fault(problem.span, format!("`{problem}` is no problem")));
        };
        for name in &u.names {
            let value = self.member(&p, name)?;
            scope.bind(&name.key, value);
        }
        Ok(())
    }

    /// Binds the end of the horizon under its usual name, `T`, where nothing else has it.
    pub fn time_names(&mut self, p: &Problem<'a>, scope: &Rc<Scope<'a>>) {
        let key = Symbol::folded("T");
        if scope.find(&key).is_none() {
            let grid = p.grid.clone();
            let end = self.end(&grid);
            scope.bind(&key, Value::Time(end));
        }
    }

    /// The scope in which the problem's equations stand at a state, a control and a time.
    fn at(&mut self, p: &Problem<'a>, x: Option<ValueId>, u: Option<ValueId>, t: Option<Moment>) -> Rc<Scope<'a>> {
        let scope = Scope::child(&p.scope);
        for l in &p.local {
            scope.set(&l.name.key, Binding::Lazy(l));
        }
        if let Some(x) = x {
            let mut start = 0;
            for (state, shape) in p.structure.states.iter().zip(&p.states) {
                let length = shape.iter().product();
                let piece = self.b.push(Op::Slice { dim: 0, start, length, of: x });
                let piece = self.b.reshape(piece, shape.clone());
                scope.bind(&state.name.key, Value::State(piece));
                start += length;
            }
        }
        if let Some(control) = &p.structure.control {
            let u = u.unwrap_or_else(|| self.b.filled(0.0, Type::shaped([p.control_dimension])));
            let u = self.b.reshape(u, p.control_shape.clone());
            scope.bind(&control.name.key, Value::State(u));
        }
        if let Some(t) = t.or_else(|| self.now.last().copied()) {
            scope.bind(&p.structure.time.0.key, Value::Time(t));
        }
        scope
    }

    /// The scope in which what reads no control stands at a state and a time.
    pub(super) fn problem_at(&mut self, p: &Problem<'a>, x: ValueId, t: Moment) -> Rc<Scope<'a>> {
        self.at(p, Some(x), None, Some(t))
    }

    /// Signed summands, as one tensor of a shape.
    pub(super) fn summands(
        &mut self,
        terms: &'a [(bool, Expr)],
        scope: &Rc<Scope<'a>>,
        shape: &[usize],
    ) -> Lowered<ValueId> {
        let mut total = None;
        for (negative, e) in terms {
            let value = self.expr(e, scope, Some(shape))?;
            let mut v = self.tensor(&value, e.span)?;
            if self.b.ty(v).shape != shape && self.b.is_zero(v) {
                v = self.b.filled(0.0, Type::shaped(shape.to_vec()));
            }
            if self.b.ty(v).shape != shape {
                return Err(fault(e.span, format!("expected the shape {shape:?}, found {:?}", self.b.ty(v).shape)));
            }
            let v = if *negative { self.b.neg(v) } else { v };
            total = Some(total.map_or(v, |t| self.b.add(t, v)));
        }
        Ok(total.unwrap_or_else(|| self.b.filled(0.0, Type::shaped(shape.to_vec()))))
    }

    /// drift(x, u, t); without a control, at u = 0.
    pub fn drift(&mut self, p: &Rc<Problem<'a>>, x: ValueId, u: Option<ValueId>, t: Moment) -> Lowered<ValueId> {
        if let Some((_, f)) = p.changes.iter().rev().find(|(n, _)| n.as_str() == "b").cloned() {
            let span = p.definition.name.span;
            let b =
                self.call(&f, vec![(None, Value::Tensor(x)), (None, Value::Time(t))], span, Some(&[p.dimension]))?;
            let b = self.tensor(&b, span)?;
            let Some(u) = u else { return Ok(b) };
            let sigma = self.control_map(p, Some(x), Some(t))?;
            let push = self.apply(&sigma, u)?;
            return Ok(self.b.add(b, push));
        }
        let scope = self.at(p, Some(x), u, Some(t));
        self.now.push(t);
        let mut parts = Vec::new();
        for (state, shape) in p.structure.states.iter().zip(&p.states) {
            let v = self.summands(&state.drift, &scope, shape)?;
            parts.push(self.b.reshape(v, [shape.iter().product::<usize>()]));
        }
        self.now.pop();
        Ok(self.b.push(Op::Concat(0, parts)))
    }

    /// The matrix that multiplies dW.
    pub fn diffusion(
        &mut self,
        p: &Rc<Problem<'a>>,
        x: ValueId,
        u: Option<ValueId>,
        t: Moment,
    ) -> Lowered<Operator<'a>> {
        let scope = self.at(p, Some(x), u, Some(t));
        self.stacked(p, &scope, p.noise_dimension, |s| Some(&s.diffusion))
    }

    /// ∂drift/∂u.
    fn control_map(&mut self, p: &Rc<Problem<'a>>, x: Option<ValueId>, t: Option<Moment>) -> Lowered<Operator<'a>> {
        let scope = self.at(p, x, None, t);
        self.stacked(p, &scope, p.control_dimension, |s| s.control_map.as_ref())
    }

    fn stacked(
        &mut self,
        p: &Rc<Problem<'a>>,
        scope: &Rc<Scope<'a>>,
        columns: usize,
        terms: impl Fn(&'a crate::typed::StateEquation) -> Option<&'a Vec<(bool, Expr)>>,
    ) -> Lowered<Operator<'a>> {
        let mut parts = Vec::new();
        let structure: &'a Structure = p.structure;
        for (state, shape) in structure.states.iter().zip(&p.states) {
            let rows: usize = shape.iter().product();
            let Some(terms) = terms(state) else {
                return Err(fault(
                    state.name.span,
                    "the drift is not affine in the control, so there is no control map",
                ));
            };
            let mut total: Option<Value<'a>> = None;
            for (negative, e) in terms {
                let value = self.expr(e, scope, None)?;
                let value = self.as_matrix(value, rows, columns, e.span)?;
                let value = if *negative { self.negate(&value, e.span)? } else { value };
                total = Some(match total {
                    None => value,
                    Some(t) => self.binary(crate::syntax::tree::BinaryOp::Add, &t, &value, e.span)?,
                });
            }
            parts.push(match total {
                None => Rc::new(Operator::Zero(rows, columns)),
                Some(v) => self.operator(&v, state.name.span)?,
            });
        }
        Ok(if parts.len() == 1 { (*parts[0]).clone() } else { Operator::Stack(parts) })
    }

    /// A scalar stands for a multiple of the identity, a vector for a column.
    fn as_matrix(&mut self, value: Value<'a>, rows: usize, columns: usize, span: Span) -> Lowered<Value<'a>> {
        if matches!(value, Value::Operator(_)) {
            return Ok(value);
        }
        let v = self.tensor(&value, span)?;
        match self.b.ty(v).shape.as_slice() {
            [] if rows == columns => Ok(Value::Operator(Rc::new(Operator::Scalar(v, rows)))),
            [n] if columns == 1 && *n == rows => {
                let m = self.b.reshape(v, [rows, 1]);
                Ok(Value::Operator(Rc::new(Operator::Dense(m))))
            }
            [r, c] if (*r, *c) == (rows, columns) => Ok(Value::Operator(Rc::new(Operator::Dense(v)))),
            other => Err(fault(span, format!("expected a matrix of shape [{rows}, {columns}], found {other:?}"))),
        }
    }

    /// X(0), `[d]`.
    pub fn initial(&mut self, p: &Rc<Problem<'a>>) -> Lowered<ValueId> {
        let mut parts = Vec::new();
        for (state, shape) in p.structure.states.iter().zip(&p.states) {
            let Some((drawn, e)) = &state.initial else {
                return Err(fault(state.name.span, format!("`{}` has no value at the origin", state.name)));
            };
            let value = self.expr(e, &p.scope.clone(), Some(shape))?;
            let v = match (&value, drawn) {
                (Value::Law(law), true) => {
                    let law = law.clone();
                    self.draw(&law, shape.clone(), e.span)?
                }
                _ => self.tensor(&value, e.span)?,
            };
            let v = if self.b.ty(v).shape.is_empty() {
                let ty = Type { axes: self.b.ty(v).axes.clone(), shape: shape.clone() };
                self.b.broadcast(v, ty)
            } else {
                v
            };
            if self.b.ty(v).shape != *shape {
                return Err(fault(
                    e.span,
                    format!("`{}` has the shape {shape:?}, this {:?}", state.name, self.b.ty(v).shape),
                ));
            }
            parts.push(self.b.reshape(v, [shape.iter().product::<usize>()]));
        }
        Ok(self.b.push(Op::Concat(0, parts)))
    }

    /// A derived member at its arguments.
    pub fn call_member(
        &mut self,
        p: &Rc<Problem<'a>>,
        name: &Symbol,
        given: Arguments<'a>,
        span: Span,
    ) -> Lowered<Value<'a>> {
        let key = name.as_str();
        if matches!(key, "bridge" | "marginal" | "transition") {
            return self.gaussian_law(p, key, &given, span);
        }
        if key == "weight" {
            return self.weight(p, &given, span).map(Value::Tensor);
        }
        let with_control = matches!(key, "drift" | "diffusion" | "running");
        let mut values: Vec<Value<'a>> = given.into_iter().map(|(_, v)| v).collect();
        let mut t = None;
        // The time comes last and may be left out; σ may be asked at a time alone.
        let full = if with_control { 3 } else { 2 };
        let time_alone = matches!(key, "sigma" | "diffusion") && values.len() == 1;
        if values.len() == full || time_alone {
            let last = values.pop().expect("counted");
            t = Some(match last {
                Value::Time(m) => m,
                other => Moment { place: Place::Free, value: self.tensor(&other, span)? },
            });
        }
        let mut tensors = Vec::new();
        for v in &values {
            tensors.push(self.tensor(v, span)?);
        }
        let x = tensors.first().copied();
        if let Some(x) = x
            && self.b.ty(x).shape != [p.dimension]
        {
            return Err(fault(
                span,
                format!("the state has {} components, found the shape {:?}", p.dimension, self.b.ty(x).shape),
            ));
        }
        let u = tensors.get(1).copied();
        let need = |x: Option<ValueId>| x.ok_or_else(|| fault(span, format!("`{key}` is asked at a state")));
        let now = |l: &mut Self| -> Moment {
            t.or_else(|| l.now.last().copied())
                .unwrap_or_else(|| Moment { place: Place::Free, value: l.b.number(p.grid.from) })
        };
        match key {
            "drift" | "b" => {
                let at = now(self);
                self.drift(p, need(x)?, u, at).map(Value::Tensor)
            }
            "sigma" => self.control_map(p, x, t).map(|m| Value::Operator(Rc::new(m))),
            "diffusion" => {
                let scope = self.at(p, x, u, t);
                self.stacked(p, &scope, p.noise_dimension, |s| Some(&s.diffusion)).map(|m| Value::Operator(Rc::new(m)))
            }
            "running" | "f" => self.running(p, need(x)?, u, t, span).map(Value::Tensor),
            _ => self.terminal(p, need(x)?, span).map(Value::Tensor),
        }
    }

    fn change(p: &Problem<'a>, name: &str) -> Option<Rc<Function<'a>>> {
        p.changes.iter().rev().find(|(n, _)| n.as_str() == name).map(|(_, f)| f.clone())
    }

    fn running(
        &mut self,
        p: &Rc<Problem<'a>>,
        x: ValueId,
        u: Option<ValueId>,
        t: Option<Moment>,
        span: Span,
    ) -> Lowered<ValueId> {
        if let Some(f) = Self::change(p, "f") {
            let mut args = vec![(None, Value::Tensor(x))];
            args.extend(t.map(|t| (None, Value::Time(t))));
            let value = self.call(&f, args, span, None)?;
            let value = self.tensor(&value, span)?;
            let Some(u) = u else { return Ok(value) };
            let square = self.inner(u, u, span)?;
            let half = self.b.number(0.5);
            let energy = self.b.mul(half, square);
            return Ok(self.b.add(energy, value));
        }
        let scope = self.at(p, Some(x), u, t);
        if let Some(t) = t {
            self.now.push(t);
        }
        let out = self.summands(&p.structure.running, &scope, &[]);
        if t.is_some() {
            self.now.pop();
        }
        out
    }

    fn terminal(&mut self, p: &Rc<Problem<'a>>, x: ValueId, span: Span) -> Lowered<ValueId> {
        if let Some(g) = Self::change(p, "g") {
            let value = self.call(&g, vec![(None, Value::Tensor(x))], span, None)?;
            return self.tensor(&value, span);
        }
        let grid = p.grid.clone();
        let end = self.end(&grid);
        let scope = self.at(p, Some(x), None, Some(end));
        self.now.push(end);
        let out = self.summands(&p.structure.terminal, &scope, &[]);
        self.now.pop();
        out
    }

    /// The weight of a path run under v against the optimally controlled law, up to a constant:
    /// exp(−(∫(½|v|² + f) dt + g)/λ − ∫v·dW/√λ).  Source: arXiv:2312.02027, Girsanov's theorem.
    fn weight(&mut self, p: &Rc<Problem<'a>>, given: &Arguments<'a>, span: Span) -> Lowered<ValueId> {
        let [(_, Value::Process(path))] = given.as_slice() else {
            return Err(fault(span, "`weight` takes a path: P.weight(X)"));
        };
        let path = path.clone();
        let Some(origin) = &path.origin else {
            return Err(fault(span, format!("`{}` is not the path of a problem", path.name)));
        };
        let grid = path.grid.clone();
        let axis = self.free_axis(&grid);
        let at = self.moments(&grid, axis);
        let x = self.sample_process(&path, at, span)?;
        let lambda = self.member(p, &Name { key: Symbol::folded("lambda"), text: "λ".into(), span })?;
        let lambda = self.tensor(&lambda, span)?;
        let (mut exponent, mut stochastic) = (None, None);
        self.within(axis, at, |l| {
            let f = l.running(p, x, None, Some(at), span)?;
            let mut rate = f;
            if let (Some(control), Some(noise)) = (&origin.control, &origin.noise) {
                let v = l.control_at(control, p, x, at, span)?;
                let square = l.inner(v, v, span)?;
                let half = l.b.number(0.5);
                let energy = l.b.mul(half, square);
                rate = l.b.add(energy, f);
                let increments = l.along(&grid, noise.increments, axis);
                let ito = l.inner(v, increments, span)?;
                stochastic = Some(l.b.sum(ito, &[axis], &[]));
            }
            let h = l.step_lengths(&grid, origin.clock.as_deref(), axis);
            let part = l.b.mul(h, rate);
            let part = if l.b.ty(part).varies(axis) { part } else { l.b.spread(part, &[axis]) };
            exponent = Some(l.b.sum(part, &[axis], &[]));
            Ok(())
        })?;
        let g = self.terminal(p, path.end, span)?;
        let cost = self.b.add(exponent.expect("set above"), g);
        let mut log = self.b.div(cost, lambda);
        if let Some(s) = stochastic {
            let root = self.b.unary(crate::graph::Unary::SquareRoot, lambda);
            let s = self.b.div(s, root);
            log = self.b.add(log, s);
        }
        let log = self.b.neg(log);
        Ok(self.b.unary(crate::graph::Unary::Exp, log))
    }
}
