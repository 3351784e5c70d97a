//! Differential equations and paths: scans over a grid.

use std::rc::Rc;

use super::environment::Scope;
use super::errors::{Lowered, fault};
use super::lowerer::{Frame, Lowerer};
use super::problem::Problem;
use super::stopping::Clock;
use super::time::{Grid, Moment, Place, Side};
use super::value::{Function, Noise, Origin, Process, Value};
use crate::graph::{AxisId, Carry, Law, RegionId, Scan, ScanOutput, Type, ValueId};
use crate::source::{Name, Span};
use crate::syntax::tree::{Equation, Expr, Statement, StatementKind};

/// How a process steps; h > 0 is the step, f the right-hand side of its equation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    /// y + h·f(t, y) at the end that is known.
    Euler,
    /// y + h·f(t', y): the coefficients of the other end. For an adjoint this is the transpose of Euler's step.
    Transposed,
    /// y + ½h·(f(t, y) + f(t', y)): both ends of the step, the value of the known one.
    Trapezoid,
    /// y + ½h·(k₁ + f(t', y + h·k₁)).
    Heun,
    /// The classical method of order four; the right-hand side is asked for between grid times.
    Rk4,
    /// y + h·(I − h·J)⁻¹·f(t', y), J = ∂f/∂y there: backward Euler where f is linear.
    Implicit,
    /// y + h·φ₁(h·J)·f(t, y), φ₁(z) = (e^z − 1)/z: exact where f is linear with constant coefficients.
    Exponential,
}

/// What the statements of a process say.
struct Parts<'a> {
    equation: &'a Equation,
    value: &'a Expr,
    backward: bool,
    scope: Rc<Scope<'a>>,
}

impl<'a> Lowerer<'a> {
    /// The region in which values are made now.
    fn region_here(&self) -> RegionId {
        self.frames.last().map_or(RegionId::ROOT, |f| f.region)
    }

    /// Opens the body of a scan along the grid's first axis with carries of these types; gives their arguments.
    fn open_frame(&mut self, grid: &Grid, carries: &[Type]) -> (RegionId, Vec<ValueId>) {
        let axis = self.axis_of(grid, 0);
        self.open_scan(axis, carries)
    }

    /// Opens the body of a scan along an axis with carries of these types; gives their arguments.
    pub fn open_scan(&mut self, axis: AxisId, carries: &[Type]) -> (RegionId, Vec<ValueId>) {
        let parent = self.region_here();
        let region = self.b.region(parent);
        let arguments = carries.iter().enumerate().map(|(i, ty)| self.b.argument(region, i, ty.clone())).collect();
        self.frames.push(Frame { region, axis, slices: Vec::new(), carries: carries.len() });
        self.axes_in_use.push(axis);
        (region, arguments)
    }

    pub fn close_frame(&mut self) -> Frame {
        self.axes_in_use.pop();
        self.frames.pop().expect("a frame was opened")
    }

    /// The time at an end of the step of the innermost scan.
    fn step_time(&mut self, grid: &Grid, region: RegionId, side: Side) -> Moment {
        let times = self.times(grid, side);
        Moment { place: Place::Within(region, side), value: self.slice(region, times) }
    }

    /// `process F: R[d, d] { F(T) = …  dF = … dt }`
    pub fn process(&mut self, statement: &'a Statement, scope: &Rc<Scope<'a>>) -> Lowered<Process<'a>> {
        let StatementKind::Process { name, ty, scheme: scheme_name, body } = &statement.kind else {
            return Err(fault(statement.span, "expected a process"));
        };
        let grid = scope.grid().ok_or_else(|| {
            fault(statement.span, format!("no path or problem before this says over which times `{name}` runs"))
        })?;
        let clock = Clock::of(scope, statement.span)?;
        let inner = Scope::child(scope);
        let scheme = match scheme_name.as_ref().map(|s| (s, s.key.as_str())) {
            None | Some((_, "euler")) => Scheme::Euler,
            Some((_, "transposed")) => Scheme::Transposed,
            Some((_, "trapezoid")) => Scheme::Trapezoid,
            Some((_, "heun")) => Scheme::Heun,
            Some((_, "rk4")) => Scheme::Rk4,
            Some((_, "implicit")) => Scheme::Implicit,
            Some((_, "exponential")) => Scheme::Exponential,
            Some((s, _)) => return Err(fault(s.span, format!("there is no scheme `{s}`"))),
        };
        if let Some(written) = clock
            .as_ref()
            .and_then(|_| scheme_name.as_ref().filter(|_| matches!(scheme, Scheme::Implicit | Scheme::Exponential)))
        {
            let why = format!("`{written}` takes steps of one length, and here they end where a path stops");
            return Err(fault(written.span, why));
        }
        let parts = self.parts(name, &body.statements, &inner, &grid, statement.span)?;
        let shape = self.shape(ty, scope)?.ok_or_else(|| fault(ty.span, "a process is a tensor: R or R[…]"))?;
        let at = if parts.backward { self.end(&grid) } else { self.start(&grid) };
        self.now.push(at);
        let boundary =
            self.expr(parts.value, &parts.scope, Some(&shape)).and_then(|v| self.tensor(&v, parts.value.span));
        self.now.pop();
        let mut init = boundary?;
        if self.b.ty(init).shape != shape {
            if !self.b.is_zero(init) {
                return Err(fault(
                    parts.value.span,
                    format!("`{name}` has the shape {shape:?}, this {:?}", self.b.ty(init).shape),
                ));
            }
            init = self.b.filled(0.0, Type::shaped(shape.clone()));
        }
        let mut ty = self.b.ty(init).clone();
        // The right-hand side may vary over more than the boundary value does, and then so does the process.
        loop {
            let (region, arguments) = self.open_frame(&grid, std::slice::from_ref(&ty));
            let next = self.advance(&parts, scheme, name, arguments[0], (&grid, clock.as_deref()), region);
            let frame = self.close_frame();
            let next = next?;
            let wider = Type::new(ty.axes.iter().chain(&self.b.ty(next).axes).copied(), shape.clone());
            if wider != ty {
                ty = wider;
                continue;
            }
            let start = self.b.broadcast(init, ty.clone());
            let next = self.b.broadcast(next, ty.clone());
            return Ok(self.close_process(name, &grid, &frame, parts.backward, (start, arguments[0], next), None));
        }
    }

    fn close_process(
        &mut self,
        name: &Name,
        grid: &Rc<Grid>,
        frame: &Frame,
        backward: bool,
        (init, argument, next): (ValueId, ValueId, ValueId),
        origin: Option<Origin<'a>>,
    ) -> Process<'a> {
        let scan = self.b.scan(Scan {
            region: frame.region,
            axis: frame.axis,
            reverse: backward,
            carries: vec![Carry { init, argument, next }],
            slices: frame.slices.clone(),
            stacked: Vec::new(),
        });
        let before = self.b.stack(scan, argument);
        let after = self.b.stack(scan, next);
        let last = self.b.output(scan, ScanOutput::Final(0));
        let (left, right, start, end) =
            if backward { (after, before, last, init) } else { (before, after, init, last) };
        Process { name: name.key.clone(), grid: grid.clone(), left, right, start, end, origin }
    }

    fn parts(
        &mut self,
        name: &Name,
        statements: &'a [Statement],
        scope: &Rc<Scope<'a>>,
        grid: &Grid,
        span: Span,
    ) -> Lowered<Parts<'a>> {
        let mut equation = None;
        let mut boundary = None;
        for s in statements {
            match &s.kind {
                StatementKind::Equation(e) => equation = Some(e),
                StatementKind::Boundary { at, value, .. } => boundary = Some((at, value)),
                _ => self.statement(s, scope)?,
            }
        }
        let equation = equation.ok_or_else(|| fault(span, format!("`{name}` has no equation d{name} = …")))?;
        let (at, value) = boundary.ok_or_else(|| fault(span, format!("`{name}` is given at neither end")))?;
        let backward = match self.expr(at, scope, None)? {
            Value::Time(m) => m.place == Place::End,
            Value::Number(x) if x == grid.from => false,
            Value::Number(x) if x == grid.to => true,
            other => {
                return Err(fault(
                    at.span,
                    format!("a process is given at an end of the horizon, found {}", other.kind()),
                ));
            }
        };
        Ok(Parts { equation, value, backward, scope: scope.clone() })
    }

    /// One step from the known end to the other.
    fn advance(
        &mut self,
        parts: &Parts<'a>,
        scheme: Scheme,
        name: &Name,
        y: ValueId,
        (grid, clock): (&Grid, Option<&Clock>),
        region: RegionId,
    ) -> Lowered<ValueId> {
        let (near, far) = if parts.backward { (Side::Right, Side::Left) } else { (Side::Left, Side::Right) };
        let h = if parts.backward { -grid.step() } else { grid.step() };
        let sign = if parts.backward { -1.0 } else { 1.0 };
        let length = self.step_length(grid, clock, region);
        let here = self.step_time(grid, region, if scheme == Scheme::Transposed { far } else { near });
        let k1 = self.right_hand_side(parts, name, y, here, scheme)?;
        let along = |l: &mut Self, k: ValueId, by: f64| {
            let by = l.b.number(by * sign);
            let by = l.b.mul(by, length);
            let change = l.b.mul(by, k);
            l.b.add(y, change)
        };
        match scheme {
            Scheme::Euler | Scheme::Transposed => {
                let next = along(self, k1, 1.0);
                self.add_noise(parts, name, (next, y), here, region)
            }
            Scheme::Trapezoid | Scheme::Heun => {
                let there = self.step_time(grid, region, far);
                let at = if scheme == Scheme::Heun { along(self, k1, 1.0) } else { y };
                let k2 = self.right_hand_side(parts, name, at, there, scheme)?;
                let sum = self.b.add(k1, k2);
                Ok(along(self, sum, 0.5))
            }
            Scheme::Rk4 => {
                let half = self.b.number(0.5 * sign);
                let half = self.b.mul(half, length);
                let between = Moment { place: Place::Free, value: self.b.add(here.value, half) };
                let there = self.step_time(grid, region, far);
                let y2 = along(self, k1, 0.5);
                let k2 = self.right_hand_side(parts, name, y2, between, scheme)?;
                let y3 = along(self, k2, 0.5);
                let k3 = self.right_hand_side(parts, name, y3, between, scheme)?;
                let y4 = along(self, k3, 1.0);
                let k4 = self.right_hand_side(parts, name, y4, there, scheme)?;
                let two = self.b.number(2.0);
                let inner = self.b.add(k2, k3);
                let inner = self.b.mul(two, inner);
                let outer = self.b.add(k1, k4);
                let sum = self.b.add(outer, inner);
                Ok(along(self, sum, 1.0 / 6.0))
            }
            Scheme::Implicit | Scheme::Exponential => {
                let at = if scheme == Scheme::Implicit { self.step_time(grid, region, far) } else { here };
                let point = self.mark(y);
                let k = self.right_hand_side(parts, name, point, at, scheme)?;
                if !self.b.ty(k).axes.iter().all(|axis| self.b.ty(y).varies(*axis)) {
                    // The caller widens the process by these axes and comes again.
                    return Ok(self.b.add(y, k));
                }
                let change = match scheme {
                    Scheme::Implicit => self.implicit_change(k, point, h),
                    _ => self.exponential_change(k, point, h),
                };
                Ok(self.b.add(y, change))
            }
        }
    }

    fn at_time(parts: &Parts<'a>, name: &Name, y: ValueId, at: Moment) -> Rc<Scope<'a>> {
        let scope = Scope::child(&parts.scope);
        scope.bind(&name.key, Value::State(y));
        for term in &parts.equation.terms {
            if !matches!(
                parts.scope.find(&term.differential.name.key),
                Some((_, super::environment::Binding::Value(Value::Noise(_))))
            ) {
                scope.bind(&term.differential.name.key, Value::Time(at));
            }
        }
        scope
    }

    /// The sum of the `dt` terms.
    fn right_hand_side(
        &mut self,
        parts: &Parts<'a>,
        name: &Name,
        y: ValueId,
        at: Moment,
        scheme: Scheme,
    ) -> Lowered<ValueId> {
        let scope = Self::at_time(parts, name, y, at);
        self.now.push(at);
        let mut total = None;
        for term in &parts.equation.terms {
            if Self::noise_of(parts, &term.differential.name).is_some() {
                if scheme != if parts.backward { Scheme::Transposed } else { Scheme::Euler } {
                    self.now.pop();
                    let why = "an equation with noise runs forward by euler, or backward by transposed";
                    return Err(fault(term.span, why));
                }
                continue;
            }
            let value = self.expr(&term.integrand, &scope, Some(&self.b.ty(y).shape.clone()))?;
            let v = self.tensor(&value, term.span)?;
            let v = if term.negative { self.b.neg(v) } else { v };
            total = Some(total.map_or(v, |t| self.b.add(t, v)));
        }
        self.now.pop();
        let v = total.unwrap_or_else(|| self.b.number(0.0));
        let shape = self.b.ty(y).shape.clone();
        if self.b.ty(v).shape == shape {
            Ok(v)
        } else if self.b.is_zero(v) {
            let axes = self.b.ty(v).axes.clone();
            Ok(self.b.filled(0.0, Type { axes, shape }))
        } else {
            Err(fault(
                parts.equation.terms[0].span,
                format!("`{name}` has the shape {shape:?}, its increment {:?}", self.b.ty(v).shape),
            ))
        }
    }

    fn noise_of(parts: &Parts<'a>, name: &Name) -> Option<Rc<Noise>> {
        match parts.scope.find(&name.key) {
            Some((_, super::environment::Binding::Value(Value::Noise(n)))) => Some(n),
            _ => None,
        }
    }

    fn add_noise(
        &mut self,
        parts: &Parts<'a>,
        name: &Name,
        (next, y): (ValueId, ValueId),
        at: Moment,
        region: RegionId,
    ) -> Lowered<ValueId> {
        let scope = Self::at_time(parts, name, y, at);
        let mut total = next;
        for term in &parts.equation.terms {
            let Some(noise) = Self::noise_of(parts, &term.differential.name) else { continue };
            let increment = self.slice(region, noise.increments);
            self.now.push(at);
            let value = self.expr(&term.integrand, &scope, None);
            self.now.pop();
            let v = if term.dot {
                let phi = self.tensor(&value?, term.span)?;
                self.inner(phi, increment, term.span)?
            } else {
                let product = self.multiply(&value?, &Value::Tensor(increment), term.span)?;
                self.tensor(&product, term.span)?
            };
            total = if term.negative == parts.backward { self.b.add(total, v) } else { self.b.sub(total, v) };
        }
        Ok(total)
    }

    /// `path (X, W) of P under u`: Euler–Maruyama on the grid, one path per sample.
    pub fn path(
        &mut self,
        name: &Name,
        problem: &Rc<Problem<'a>>,
        control: Option<Value<'a>>,
        span: Span,
    ) -> Lowered<Process<'a>> {
        let sample = self
            .sample
            .ok_or_else(|| fault(span, "paths are drawn in `train` and `measure`, where a batch is given"))?;
        let grid = problem.grid.clone();
        let axis: AxisId = self.axis_of(&grid, 0);
        let noise = (problem.noise_dimension > 0).then(|| {
            let standard = self.drawn_here(Law::Normal, Type::new([sample, axis], [problem.noise_dimension]));
            let root = self.b.number(grid.step().sqrt());
            Rc::new(Noise { grid: grid.clone(), increments: self.b.mul(root, standard), stops: false })
        });
        let x0 = self.initial(problem)?;
        let ty = Type::new([sample], [problem.dimension]);
        if problem.structure.stop.is_some() {
            return self.stopped_path(name, problem, control, (noise, x0, sample), span);
        }
        let (region, arguments) = self.open_frame(&grid, std::slice::from_ref(&ty));
        let at = self.step_time(&grid, region, Side::Left);
        self.now.push(at);
        let next = self.euler_maruyama(problem, control.as_ref(), arguments[0], at, noise.as_deref(), span);
        self.now.pop();
        let frame = self.close_frame();
        let next = self.b.broadcast(next?, ty.clone());
        let init = self.b.broadcast(x0, ty);
        let origin = Origin { control, noise, clock: None };
        Ok(self.close_process(name, &grid, &frame, false, (init, arguments[0], next), Some(origin)))
    }

    /// The path of a problem that says where its paths stop: Φ goes along with the state.
    fn stopped_path(
        &mut self,
        name: &Name,
        problem: &Rc<Problem<'a>>,
        control: Option<Value<'a>>,
        (noise, x0, sample): (Option<Rc<Noise>>, ValueId, AxisId),
        span: Span,
    ) -> Lowered<Process<'a>> {
        let grid = problem.grid.clone();
        let types = [Type::new([sample], [problem.dimension]), Type::new([sample], [])];
        self.check_start(problem, x0, span)?;
        let init = self.b.broadcast(x0, types[0].clone());
        let start = self.start(&grid);
        let first = self.barrier(problem, init, start)?;
        let (region, arguments) = self.open_frame(&grid, &types);
        let (x, barrier) = (arguments[0], arguments[1]);
        let at = self.step_time(&grid, region, Side::Left);
        let after = self.step_time(&grid, region, Side::Right);
        self.now.push(at);
        let to = self.euler_maruyama(problem, control.as_ref(), x, at, noise.as_deref(), span);
        self.now.pop();
        let there = to.and_then(|to| Ok((to, self.barrier(problem, to, after)?)));
        let frame = self.close_frame();
        let (to, there) = there?;
        let (Some(first), Some(there)) = (first, there) else {
            return Err(fault(span, "the problem says nowhere that its paths stop"));
        };
        let step = self.cut_step(x, barrier, to, there);
        let [of_state, of_barrier] = types;
        let next = [self.b.broadcast(step.state, of_state), self.b.broadcast(step.barrier, of_barrier.clone())];
        let first = self.b.broadcast(first, of_barrier);
        let carries = [(init, x, next[0]), (first, barrier, next[1])];
        let scan = self.b.scan(Scan {
            region,
            axis: frame.axis,
            reverse: false,
            carries: carries.map(|(init, argument, next)| Carry { init, argument, next }).into(),
            slices: frame.slices.clone(),
            stacked: Vec::new(),
        });
        let left = self.b.stack(scan, x);
        let right = self.b.stack(scan, next[0]);
        let before = self.b.stack(scan, barrier);
        let fractions = self.b.stack(scan, step.fraction);
        let end = self.b.output(scan, ScanOutput::Final(0));
        let last = self.b.output(scan, ScanOutput::Final(1));
        let clock = Rc::new(self.clock(&grid, fractions, before, last));
        let noise = noise.map(|noise| {
            let increments = self.b.mul(fractions, noise.increments);
            Rc::new(Noise { grid: grid.clone(), increments, stops: true })
        });
        let origin = Some(Origin { control, noise, clock: Some(clock) });
        Ok(Process { name: name.key.clone(), grid, left, right, start: init, end, origin })
    }

    fn euler_maruyama(
        &mut self,
        problem: &Rc<Problem<'a>>,
        control: Option<&Value<'a>>,
        x: ValueId,
        at: Moment,
        noise: Option<&Noise>,
        span: Span,
    ) -> Lowered<ValueId> {
        let u = match control {
            None => None,
            Some(c) => Some(self.control_at(c, problem, x, at, span)?),
        };
        let drift = self.drift(problem, x, u, at)?;
        let h = self.b.number(problem.grid.step());
        let change = self.b.mul(h, drift);
        let mut next = self.b.add(x, change);
        if let Some(noise) = noise {
            let region = self.region_here();
            let increment = self.slice(region, noise.increments);
            let diffusion = self.diffusion(problem, x, u, at)?;
            let kick = self.apply(&diffusion, increment)?;
            next = self.b.add(next, kick);
        }
        Ok(next)
    }

    /// u(x, t) for a control, a function of state and time.
    pub fn control_at(
        &mut self,
        control: &Value<'a>,
        problem: &Problem<'a>,
        x: ValueId,
        at: Moment,
        span: Span,
    ) -> Lowered<ValueId> {
        let value = match control {
            Value::Function(f) => {
                let f: Rc<Function<'a>> = f.clone();
                self.call(
                    &f,
                    vec![(None, Value::Tensor(x)), (None, Value::Time(at))],
                    span,
                    Some(&[problem.control_dimension]),
                )?
            }
            Value::Number(0.0) => {
                let ty = Type::shaped([problem.control_dimension]);
                return Ok(self.b.filled(0.0, ty));
            }
            other => {
                return Err(fault(span, format!("a control is a function of state and time, found {}", other.kind())));
            }
        };
        let u = self.tensor(&value, span)?;
        if self.b.ty(u).shape != [problem.control_dimension] {
            return Err(fault(
                span,
                format!(
                    "the control has {} components, this function the shape {:?}",
                    problem.control_dimension,
                    self.b.ty(u).shape
                ),
            ));
        }
        Ok(u)
    }
}
