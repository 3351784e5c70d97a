//! Integrals, means and expectations: sums over axes.

use std::rc::Rc;

use super::environment::{Binding, Scope};
use super::errors::{Lowered, fault};
use super::lowerer::Lowerer;
use super::sampled::Among;
use super::stopping::Clock;
use super::time::{Grid, Moment, Place, Side};
use super::value::{Noise, Process, Value};
use crate::graph::{AxisId, AxisKind, Binary, Op, ValueId};
use crate::source::{Name, Span, Symbol};
use crate::syntax::tree::{Expr, Integral};
use crate::syntax::walk::indexed_by;

/// Where in each step the integrand is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quadrature {
    /// At the left end, which goes with Euler–Maruyama and gives Itô's integral.
    Left,
    /// At the right end.
    Right,
    /// The mean of both; against a noise, Stratonovich's integral.
    Trapezoid,
}

/// Against what an integral is taken.
enum Against<'a> {
    Time,
    Noise(Rc<Noise>),
    Path(Rc<Process<'a>>),
}

impl<'a> Lowerer<'a> {
    /// `∫[from..to] integrand d…`: the left-point sum, or the Itô sum against a noise or a path.
    pub fn integral(&mut self, integral: &'a Integral, scope: &Rc<Scope<'a>>, span: Span) -> Lowered<Value<'a>> {
        let rule = match integral.rule.as_ref().map(|rule| (rule, rule.key.as_str())) {
            None | Some((_, "left")) => Quadrature::Left,
            Some((_, "right")) => Quadrature::Right,
            Some((_, "trapezoid")) => Quadrature::Trapezoid,
            Some((rule, _)) => return Err(fault(rule.span, format!("there is no quadrature rule `{rule}` here"))),
        };
        let name = &integral.differential.name;
        let against = match scope.find(&name.key) {
            Some((_, Binding::Value(Value::Noise(n)))) => Against::Noise(n),
            Some((_, Binding::Value(Value::Process(p)))) => Against::Path(p),
            _ => Against::Time,
        };
        let grid = match &against {
            Against::Noise(n) => n.grid.clone(),
            Against::Path(p) => p.grid.clone(),
            Against::Time => scope
                .grid()
                .ok_or_else(|| fault(span, "no path or process before this says over which times to integrate"))?,
        };
        let clock = match &against {
            Against::Time => Clock::of(scope, span)?,
            Against::Noise(_) | Against::Path(_) => None,
        };
        let bounds = match &integral.bounds {
            None => None,
            Some((from, to)) => Some((self.bound(from, &grid, scope)?, self.bound(to, &grid, scope)?)),
        };
        let axis = self.free_axis(&grid);
        let moment = self.moments(&grid, axis);
        // The variable of `dW(s)` is s; that of `dW` is whatever the text calls the time.
        let variable = match (&against, &integral.differential.at) {
            (Against::Time, _) => Some(name.key.clone()),
            (_, Some(at)) => Self::is_plain_name(at).cloned(),
            (_, None) => None,
        }
        .unwrap_or_else(|| crate::source::Symbol::folded("t"));
        let value = self.within(axis, moment, |l| {
            let left = l.integrand(integral, scope, &variable, moment)?;
            let value = match rule {
                Quadrature::Left => left,
                Quadrature::Right | Quadrature::Trapezoid => {
                    let end = l.end(&grid);
                    l.now.push(end);
                    let last = l.integrand(integral, scope, &variable, end);
                    l.now.pop();
                    let (left, last) = (l.tensor(&left, span)?, l.tensor(&last?, span)?);
                    Value::Tensor(l.at_ends(rule, left, last, axis))
                }
            };
            l.summand(integral, &value, (&against, clock.as_deref()), &grid, axis)
        })?;
        if let Some((from, to)) = bounds
            && (from.place == Place::End || to.place == Place::Start)
        {
            // An empty range: only the shape of the integrand is wanted.
            let mut ty = self.b.ty(value).clone();
            ty.axes.retain(|x| *x != axis);
            return Ok(Value::Tensor(self.b.filled(0.0, ty)));
        }
        self.sum_between(value, axis, bounds).map(Value::Tensor)
    }

    fn bound(&mut self, e: &'a Expr, grid: &Grid, scope: &Rc<Scope<'a>>) -> Lowered<Moment> {
        match self.expr(e, scope, None)? {
            Value::Time(m) => Ok(m),
            Value::Number(x) if x == grid.from => Ok(self.start(grid)),
            Value::Number(x) if x == grid.to => Ok(self.end(grid)),
            other => Err(fault(e.span, format!("a bound is a time of the grid, found {}", other.kind()))),
        }
    }

    /// Runs `f` with a time bound along an axis.
    pub fn within<T>(&mut self, axis: AxisId, moment: Moment, f: impl FnOnce(&mut Self) -> Lowered<T>) -> Lowered<T> {
        self.axes_in_use.push(axis);
        self.now.push(moment);
        let out = f(self);
        self.now.pop();
        self.axes_in_use.pop();
        out
    }

    fn integrand(
        &mut self,
        integral: &'a Integral,
        scope: &Rc<Scope<'a>>,
        variable: &Symbol,
        at: Moment,
    ) -> Lowered<Value<'a>> {
        let inner = Scope::child(scope);
        inner.bind(variable, Value::Time(at));
        let value = self.expr(&integral.integrand, &inner, None)?;
        // A process stands at this time, not at one of the place where the sum is taken.
        Ok(if matches!(value, Value::Process(_)) {
            Value::Tensor(self.tensor(&value, integral.integrand.span)?)
        } else {
            value
        })
    }

    /// The integrand as the rule takes it at each step: at the right end, or the mean of both ends.
    fn at_ends(&mut self, rule: Quadrature, left: ValueId, last: ValueId, axis: AxisId) -> ValueId {
        if !self.b.ty(left).varies(axis) {
            return left;
        }
        let axes: Vec<AxisId> = self.b.ty(last).axes.clone();
        let left = self.b.spread(left, &axes);
        let mut ty = self.b.ty(left).clone();
        ty.axes.retain(|x| *x != axis);
        let fill = self.b.broadcast(last, ty);
        let right = self.b.push(Op::Shift { axis, by: 1, fill, of: left });
        if rule == Quadrature::Right {
            return right;
        }
        let sum = self.b.add(left, right);
        let half = self.b.number(0.5);
        self.b.mul(half, sum)
    }

    /// The summand at each step: integrand times increment.
    fn summand(
        &mut self,
        integral: &'a Integral,
        value: &Value<'a>,
        (against, clock): (&Against<'a>, Option<&Clock>),
        grid: &Grid,
        axis: AxisId,
    ) -> Lowered<ValueId> {
        let span = integral.integrand.span;
        let increment = match against {
            Against::Time => {
                let v = self.tensor(value, span)?;
                let h = self.step_lengths(grid, clock, axis);
                return Ok(self.b.mul(h, v));
            }
            Against::Noise(n) => n.increments,
            Against::Path(p) => self.b.sub(p.right, p.left),
        };
        let increment = self.along(grid, increment, axis);
        if integral.dot {
            let v = self.tensor(value, span)?;
            return self.inner(v, increment, span);
        }
        let product = self.multiply(value, &Value::Tensor(increment), span)?;
        self.tensor(&product, span)
    }

    /// Σ over the axis of the steps between the bounds.
    fn sum_between(&mut self, value: ValueId, axis: AxisId, bounds: Option<(Moment, Moment)>) -> Lowered<ValueId> {
        let value = if self.b.ty(value).varies(axis) { value } else { self.b.spread(value, &[axis]) };
        let (from, to) = match bounds {
            None => (Place::Start, Place::End),
            Some((from, to)) => (from.place, to.place),
        };
        match (from, to) {
            (Place::Start, Place::End) => Ok(self.b.sum(value, &[axis], &[])),
            (Place::Along(t) | Place::After(t), Place::End) => {
                let exclusive = matches!(from, Place::After(_));
                if self.b.ty(value).varies(t) {
                    let keep = self.not_before(from, axis);
                    let kept = self.b.mul(keep, value);
                    return Ok(self.b.sum(kept, &[axis], &[]));
                }
                let sums = self.b.push(Op::CumulativeSum { axis, reverse: true, exclusive, of: value });
                Ok(self.b.push(Op::Rename { from: axis, to: t, of: sums }))
            }
            (Place::Start, Place::Along(t) | Place::After(t)) => {
                let exclusive = matches!(to, Place::Along(_));
                if self.b.ty(value).varies(t) {
                    let keep = self.before(axis, to);
                    let kept = self.b.mul(keep, value);
                    return Ok(self.b.sum(kept, &[axis], &[]));
                }
                let sums = self.b.push(Op::CumulativeSum { axis, reverse: false, exclusive, of: value });
                Ok(self.b.push(Op::Rename { from: axis, to: t, of: sums }))
            }
            (
                Place::Start | Place::Along(_) | Place::After(_) | Place::Drawn { .. },
                Place::End | Place::Along(_) | Place::After(_) | Place::Drawn { .. },
            ) => {
                let after = self.not_before(from, axis);
                let before = self.before(axis, to);
                let keep = self.b.mul(after, before);
                let kept = self.b.mul(keep, value);
                Ok(self.b.sum(kept, &[axis], &[]))
            }
            _ => Err(fault(self.b.span, "an integral runs between the ends of the horizon and bound times")),
        }
    }

    /// 1 at the steps along the axis that do not begin before a time.
    fn not_before(&mut self, time: Place, axis: AxisId) -> ValueId {
        let Some((number, exclusive)) = self.number_of(time) else { return self.b.number(1.0) };
        let steps = self.b.push(Op::Iota(axis));
        self.b.binary(if exclusive { Binary::Less } else { Binary::LessEqual }, number, steps)
    }

    /// 1 at the steps along the axis that begin before a time.
    fn before(&mut self, axis: AxisId, time: Place) -> ValueId {
        let Some((number, inclusive)) = self.number_of(time) else { return self.b.number(1.0) };
        let steps = self.b.push(Op::Iota(axis));
        self.b.binary(if inclusive { Binary::LessEqual } else { Binary::Less }, steps, number)
    }

    /// The number of the step that a time is an end of, and whether it is the right end.
    fn number_of(&mut self, time: Place) -> Option<(ValueId, bool)> {
        match time {
            Place::Along(t) => Some((self.b.push(Op::Iota(t)), false)),
            Place::After(t) => Some((self.b.push(Op::Iota(t)), true)),
            Place::Drawn { number, side, .. } => Some((number, side == Side::Right)),
            Place::Start | Place::End | Place::Within(..) | Place::Free => None,
        }
    }

    /// `mean[t] e`: the average over all K + 1 times of the grid.
    pub fn mean_over(
        &mut self,
        name: &'a Name,
        body: &'a Expr,
        scope: &Rc<Scope<'a>>,
        span: Span,
    ) -> Lowered<Value<'a>> {
        if Among::named(name.key.as_str()) == Some(Among::Others) {
            return self.mean_over_others(body, scope).map(Value::Tensor);
        }
        let grid = scope
            .grid()
            .ok_or_else(|| fault(span, "no path or process before this says over which times to average"))?;
        let clock = Clock::of(scope, span)?;
        let axis = self.free_axis(&grid);
        let moment = self.moments(&grid, axis);
        let inner = Scope::child(scope);
        inner.bind(&name.key, Value::Time(moment));
        let at_steps = self.within(axis, moment, |l| {
            let v = l.expr(body, &inner, None)?;
            l.tensor(&v, body.span)
        })?;
        let mut at_steps = if self.b.ty(at_steps).varies(axis) { at_steps } else { self.b.spread(at_steps, &[axis]) };
        if let Some(clock) = &clock {
            let live = self.along(&grid, clock.live, axis);
            at_steps = self.b.mul(live, at_steps);
        }
        let sum = self.b.sum(at_steps, &[axis], &[]);
        let end = self.end(&grid);
        let last = Scope::child(scope);
        last.bind(&name.key, Value::Time(end));
        self.now.push(end);
        let at_end = self.expr(body, &last, None).and_then(|v| self.tensor(&v, body.span));
        self.now.pop();
        let mut at_end = at_end?;
        if let Some(clock) = &clock {
            at_end = self.b.mul(clock.live_at_end, at_end);
        }
        let total = self.b.add(sum, at_end);
        let n = match &clock {
            None => self.b.number((grid.steps + 1) as f64),
            Some(clock) => self.live_times(&grid, clock, span)?,
        };
        Ok(Value::Tensor(self.b.div(total, n)))
    }

    /// The number of times at which a path has not stopped, in the mean over samples: divided by it, the mean over samples
    /// of sums over times is that over all pairs of a sample and such a time.
    fn live_times(&mut self, grid: &Grid, clock: &Clock, span: Span) -> Lowered<ValueId> {
        let axis = self.axis_of(grid, 0);
        let steps = self.b.sum(clock.live, &[axis], &[]);
        let count = self.b.add(steps, clock.live_at_end);
        self.expectation(count, span)
    }

    /// `Σ[i = a..b] e`, written out.
    pub fn sum_over(
        &mut self,
        name: &'a Name,
        range: Option<&'a (Expr, Expr)>,
        body: &'a Expr,
        scope: &Rc<Scope<'a>>,
        span: Span,
    ) -> Lowered<Value<'a>> {
        let (from, to) = match range {
            Some((from, to)) => (self.integer(from, scope)?, self.integer(to, scope)?),
            None => match Among::named(name.key.as_str()) {
                Some(among) => return self.sum_over_samples(among, body, scope).map(Value::Tensor),
                None => (1, self.range_of(name, body, scope, span)?),
            },
        };
        let mut total = Value::Number(0.0);
        for i in from..=to {
            let inner = Scope::child(scope);
            inner.bind(&name.key, Value::Number(i as f64));
            let value = self.expr(body, &inner, None)?;
            total =
                if i == from { value } else { self.binary(crate::syntax::tree::BinaryOp::Add, &total, &value, span)? };
        }
        Ok(total)
    }

    /// The size that an index without a range runs to: that of the first array it stands in, `x[i]`.
    fn range_of(&mut self, name: &Name, body: &'a Expr, scope: &Rc<Scope<'a>>, span: Span) -> Lowered<i64> {
        let needed = || fault(span, format!("Σ[{name}] needs a range here: Σ[{name} = 1..n]"));
        let (base, place) = indexed_by(name, body).ok_or_else(needed)?;
        let value = self.expr(base, scope, None)?;
        if let Value::List(items) = &value
            && place == 0
        {
            return Ok(items.len() as i64);
        }
        let v = self.tensor(&value, base.span)?;
        self.b.ty(v).shape.get(place).map(|n| *n as i64).ok_or_else(needed)
    }

    /// E[e]: the mean over samples.
    pub fn expectation(&mut self, v: ValueId, span: Span) -> Lowered<ValueId> {
        let axis = self.sample_axis(v, span)?;
        let n = self.b.program().axis(axis).size as f64;
        let sum = self.b.sum(v, &[axis], &[]);
        let scale = self.b.number(1.0 / n);
        Ok(self.b.mul(scale, sum))
    }

    /// Var[e] with the divisor N − 1.
    pub fn variance(&mut self, v: ValueId, span: Span) -> Lowered<ValueId> {
        let axis = self.sample_axis(v, span)?;
        let n = self.b.program().axis(axis).size as f64;
        if n < 2.0 {
            return Err(fault(span, "a variance takes a batch of at least two"));
        }
        let mean = self.expectation(v, span)?;
        let centred = self.b.sub(v, mean);
        let square = self.b.unary(crate::graph::Unary::Power(2), centred);
        let sum = self.b.sum(square, &[axis], &[]);
        let scale = self.b.number(1.0 / (n - 1.0));
        Ok(self.b.mul(scale, sum))
    }

    /// The axis of samples of a value.
    pub fn sample_axis(&self, v: ValueId, span: Span) -> Lowered<AxisId> {
        let axes = &self.b.ty(v).axes;
        axes.iter()
            .copied()
            .find(|a| self.b.program().axis(*a).kind == AxisKind::Sample)
            .ok_or_else(|| fault(span, "nothing here is random: the value does not vary over samples"))
    }
}
