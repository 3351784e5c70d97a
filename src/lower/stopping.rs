//! Paths that stop: where, and how long each of their steps is.
//!
//! A path stops when Φ(X, t) ≤ 0. The step that crosses is cut at the fraction r of its displacement at which Φ is zero by
//! linear interpolation; its noise counts with r, its time with r². Later steps have no length, and the state stays.
//! Source: arXiv:2312.02027, the experiments with stopping times.

use std::rc::Rc;

use super::environment::{Ends, Scope};
use super::errors::{Lowered, explained, fault};
use super::known::entries;
use super::lowerer::Lowerer;
use super::problem::Problem;
use super::time::{Grid, Moment, Place};
use crate::graph::{AxisId, Binary, Op, RegionId, Type, Unary, ValueId};
use crate::source::Span;

/// The steps of the paths of a problem that stops.
pub struct Clock {
    /// The length of each step; varies over samples and the grid's first axis.
    pub lengths: ValueId,
    /// 1 at the left end of each step where the path has not stopped, else 0.
    pub live: ValueId,
    /// The same at the end of the horizon.
    pub live_at_end: ValueId,
    /// The time at which the path stops; the end of the horizon where it does not.
    pub exit: ValueId,
}

impl Clock {
    /// The clock that times in a scope end with, if they do not end with the horizon.
    pub(super) fn of(scope: &Rc<Scope<'_>>, span: Span) -> Lowered<Option<Rc<Self>>> {
        match scope.ends() {
            Ends::Outside => Ok(None),
            Ends::Stopped(clock) => Ok(Some(clock)),
            Ends::Unknown => Err(fault(span, "times end where a path stops, and no path is drawn here before this")),
        }
    }
}

/// A step of a path that may stop.
pub(super) struct CutStep {
    /// The state after it.
    pub(super) state: ValueId,
    /// Φ after it; not positive once the path has stopped.
    pub(super) barrier: ValueId,
    /// The fraction of it that is made.
    pub(super) fraction: ValueId,
}

impl<'a> Lowerer<'a> {
    /// Φ at a state and a time; none where the problem's paths run to the end.
    pub(super) fn barrier(&mut self, p: &Rc<Problem<'a>>, x: ValueId, t: Moment) -> Lowered<Option<ValueId>> {
        let Some(terms) = &p.structure.stop else { return Ok(None) };
        let scope = self.problem_at(p, x, t);
        self.now.push(t);
        let value = self.summands(terms, &scope, &[]);
        self.now.pop();
        value.map(Some)
    }

    /// Refuses a start that has stopped already, and a grid whose first step may be one into the stopping set: one standard
    /// deviation of a component of the noise, to either side of the drift. A start that is drawn is not looked at.
    pub(super) fn check_start(&mut self, p: &Rc<Problem<'a>>, x0: ValueId, span: Span) -> Lowered<()> {
        let Some(terms) = &p.structure.stop else { return Ok(()) };
        let stop = terms.iter().fold(Span::NONE, |all, (_, e)| all.to(e.span));
        let grid = p.grid.clone();
        let start = self.start(&grid);
        let Some(first) = self.known_barrier(p, x0, start)? else { return Ok(()) };
        if first <= 0.0 {
            let what = "paths stop where they begin: the start lies in the stopping set";
            let help = "begin outside of the set; a start that is drawn may lie in it, and such a path has no length";
            return Err(explained(stop, what, "this holds at the start", help));
        }
        let h = grid.step();
        self.now.push(start);
        let drift = self.drift(p, x0, None, start);
        let diffusion = self.diffusion(p, x0, None, start);
        self.now.pop();
        let (drift, diffusion) = (drift?, diffusion?);
        let step = self.b.number(h);
        let way = self.b.mul(step, drift);
        let centre = self.b.add(x0, way);
        let after = Moment { place: Place::Free, value: self.b.number(grid.from + h) };
        let mut ends = vec![centre];
        for k in 0..p.noise_dimension {
            for size in [h.sqrt(), -h.sqrt()] {
                let unit = ndarray::Array1::from_shape_fn(p.noise_dimension, |i| if i == k { size } else { 0.0 });
                let kick = self.b.table(unit.into_dyn(), Type::shaped([p.noise_dimension]));
                let kick = self.apply(&diffusion, kick)?;
                ends.push(self.b.add(centre, kick));
            }
        }
        for end in ends {
            if self.known_barrier(p, end, after)?.is_some_and(|there| there <= 0.0) {
                let steps = grid.steps;
                let what = format!(
                    "on a grid of {steps} the first step may already end in the stopping set: steps are too long to be cut"
                );
                let help = "one standard deviation of the noise leads into the set; take a finer `grid`, or begin further from it";
                return Err(explained(span, what, "this path is drawn on a grid too coarse for where it stops", help));
            }
        }
        Ok(())
    }

    fn known_barrier(&mut self, p: &Rc<Problem<'a>>, x: ValueId, t: Moment) -> Lowered<Option<f64>> {
        let Some(v) = self.barrier(p, x, t)? else { return Ok(None) };
        Ok(entries(&self.b, v).and_then(|all| all.first().copied()))
    }

    /// A step from `x`, where Φ is `barrier`, to `to`, where it would be `there`.
    pub(super) fn cut_step(&mut self, x: ValueId, barrier: ValueId, to: ValueId, there: ValueId) -> CutStep {
        let (zero, one) = (self.b.number(0.0), self.b.number(1.0));
        let live = self.b.unary(Unary::Heaviside, barrier);
        let stays = self.b.unary(Unary::Heaviside, there);
        let fall = self.b.sub(barrier, there);
        // Where a step is not cut there is nothing to divide by.
        let runs = self.b.sub(one, live);
        let whole = self.b.binary(Binary::Maximum, stays, runs);
        let fall = self.b.push(Op::Select(whole, one, fall));
        let part = self.b.div(barrier, fall);
        let way = self.b.sub(to, x);
        let way = self.b.mul(part, way);
        let crossing = self.b.add(x, way);
        let moved = self.b.push(Op::Select(stays, to, crossing));
        let made = self.b.push(Op::Select(stays, one, part));
        CutStep {
            state: self.b.push(Op::Select(live, moved, x)),
            barrier: self.b.push(Op::Select(live, there, barrier)),
            fraction: self.b.push(Op::Select(live, made, zero)),
        }
    }

    /// The clock of paths from the fractions that are made of their steps, and Φ before each step and at the end.
    pub(super) fn clock(&mut self, grid: &Grid, fractions: ValueId, before: ValueId, last: ValueId) -> Clock {
        let axis = self.axis_of(grid, 0);
        let h = self.b.number(grid.step());
        let square = self.b.unary(Unary::Power(2), fractions);
        let lengths = self.b.mul(h, square);
        let live = self.b.unary(Unary::Heaviside, before);
        let live_at_end = self.b.unary(Unary::Heaviside, last);
        let (from, to) = (self.b.number(grid.from), self.b.number(grid.to));
        let run = self.b.sum(lengths, &[axis], &[]);
        let stopped = self.b.add(from, run);
        // A sum of steps would miss the end by its rounding.
        let exit = self.b.push(Op::Select(live_at_end, to, stopped));
        Clock { lengths, live, live_at_end, exit }
    }

    /// The lengths of the steps along an axis of the grid.
    pub(super) fn step_lengths(&mut self, grid: &Grid, clock: Option<&Clock>, axis: AxisId) -> ValueId {
        match clock {
            None => self.b.number(grid.step()),
            Some(clock) => self.along(grid, clock.lengths, axis),
        }
    }

    /// The length of the step that a scan is at.
    pub(super) fn step_length(&mut self, grid: &Grid, clock: Option<&Clock>, region: RegionId) -> ValueId {
        match clock {
            None => self.b.number(grid.step()),
            Some(clock) => self.slice(region, clock.lengths),
        }
    }
}
