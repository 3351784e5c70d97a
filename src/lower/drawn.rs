//! Means over a few times of the grid that are drawn for every sample.
//!
//! Of the steps between two times, n are drawn, one from each of n equal parts: with uniform U_j the j-th is the step in which
//! the fraction (j + U_j)/n of them lies. Every step is met equally often, so that the mean over the draws has the mean over
//! all steps for its expectation.

use std::rc::Rc;

use super::environment::Scope;
use super::errors::{Lowered, fault};
use super::lowerer::Lowerer;
use super::stopping::Clock;
use super::time::{Grid, Moment, Place, Side};
use super::value::{Choice, Value};
use crate::graph::{AxisKind, Binary, Law, Op, Type, Unary, ValueId};
use crate::source::{Name, Span};
use crate::syntax::tree::Expr;

impl<'a> Lowerer<'a> {
    /// `choose(n)`, `choose(n, from, to)`
    pub fn choose_times(&mut self, count: &Value<'a>, ends: &[Value<'a>], span: Span) -> Lowered<Choice> {
        let count = match count {
            Value::Number(n) if n.fract() == 0.0 && *n >= 1.0 => *n as usize,
            other => return Err(fault(span, format!("times are chosen by their number, found {}", other.kind()))),
        };
        let ends = match ends {
            [] => None,
            [from, to] => Some((self.known_value(from, span)?, self.known_value(to, span)?)),
            _ => return Err(fault(span, "`choose` takes a number and two times")),
        };
        Ok(Choice { count, ends })
    }

    /// `mean[t ~ choose(n)] e`
    pub fn mean_over_drawn(
        &mut self,
        name: &'a Name,
        drawn: &'a Expr,
        body: &'a Expr,
        scope: &Rc<Scope<'a>>,
        span: Span,
    ) -> Lowered<Value<'a>> {
        let Value::Times(choice) = self.expr(drawn, scope, None)? else {
            return Err(fault(drawn.span, "expected times that are drawn, `choose(4)`"));
        };
        let grid = scope
            .grid()
            .ok_or_else(|| fault(span, "no path or process before this says of which times some are drawn"))?;
        if Clock::of(scope, span)?.is_some() {
            return Err(fault(drawn.span, "times are drawn of the whole horizon, and paths stop here"));
        }
        let moment = self.drawn_times(&grid, choice, drawn.span)?;
        let Place::Drawn { axis, .. } = moment.place else { unreachable!("they were drawn") };
        let inner = Scope::child(scope);
        inner.bind(&name.key, Value::Time(moment));
        let each = self.within(axis, moment, |l| {
            let v = l.expr(body, &inner, None)?;
            l.tensor(&v, body.span)
        })?;
        let each = if self.b.ty(each).varies(axis) { each } else { self.b.spread(each, &[axis]) };
        let sum = self.b.sum(each, &[axis], &[]);
        let share = self.b.number(1.0 / choice.count as f64);
        Ok(Value::Tensor(self.b.mul(share, sum)))
    }

    fn drawn_times(&mut self, grid: &Rc<Grid>, choice: Choice, span: Span) -> Lowered<Moment> {
        let sample = self.sample.ok_or_else(|| fault(span, "there are no samples here for which times are drawn"))?;
        let (from, to) = choice.ends.unwrap_or((grid.from, grid.to));
        let step = |t: f64| ((t - grid.from) / grid.step()).round();
        let (first, end) = (step(from), step(to));
        if from < grid.from || to > grid.to {
            let why = format!("the times lie in {}..{}, found {from}..{to}", grid.from, grid.to);
            return Err(fault(span, why));
        }
        let (count, steps) = (choice.count as f64, end - first);
        if steps < count {
            let why = format!("{count} times are drawn, and between {from} and {to} begin {steps} steps of this grid");
            return Err(fault(span, why));
        }
        let axis = self.b.axis("drawn", choice.count, AxisKind::Index);
        self.drawn.push((axis, grid.clone()));
        let u = self.drawn_here(Law::Uniform, Type::new([sample, axis], []));
        let part = self.b.push(Op::Iota(axis));
        let place = self.b.add(part, u);
        let width = self.b.number(steps / count);
        let place = self.b.mul(width, place);
        let whole = self.b.unary(Unary::Floor, place);
        let start = self.b.number(first);
        let number = self.b.add(start, whole);
        // Rounding may reach the end of the last part.
        let last = self.b.number(end - 1.0);
        let number = self.b.binary(Binary::Minimum, number, last);
        let h = self.b.number(grid.step());
        let way = self.b.mul(h, number);
        let origin = self.b.number(grid.from);
        let value = self.b.add(origin, way);
        Ok(Moment { place: Place::Drawn { axis, number, side: Side::Left }, value })
    }

    /// What varies over the steps of a grid, at the steps with these numbers.
    pub fn at_number(&mut self, grid: &Grid, all: ValueId, number: ValueId) -> ValueId {
        let axis = self.axis_of(grid, 0);
        if !self.b.ty(all).varies(axis) {
            return all;
        }
        let steps = self.b.push(Op::Iota(axis));
        let here = self.b.binary(Binary::Equal, steps, number);
        let shape: Vec<u8> = (0..self.b.ty(all).shape.len() as u8).collect();
        self.b.contract(here, &[], all, &shape, &shape, &[axis])
    }
}
