//! Times and the grids they lie on.

use std::cell::RefCell;
use std::rc::Rc;

use super::errors::{Lowered, fault};
use super::lowerer::Lowerer;
use crate::graph::{AxisId, AxisKind, RegionId, ValueId};
use crate::source::Span;

/// A uniform grid `from = t₀ < … < t_K = to`.
#[derive(Debug)]
pub struct Grid {
    /// K, the number of steps.
    pub steps: usize,
    /// The origin.
    pub from: f64,
    /// The end.
    pub to: f64,
    axes: RefCell<Vec<AxisId>>,
}

impl Grid {
    /// The length of a step.
    pub fn step(&self) -> f64 {
        (self.to - self.from) / self.steps as f64
    }
}

/// A time with its place.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Where on a grid it lies.
    pub place: Place,
    /// Its value, a scalar.
    pub value: ValueId,
}

/// Where a time lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The origin of the grid.
    Start,
    /// Its end.
    End,
    /// The left ends of all steps, along this axis.
    Along(AxisId),
    /// The right ends of all steps, along this axis.
    After(AxisId),
    /// An end of each of a few steps that were drawn for every sample, along this axis.
    Drawn {
        /// The axis of the draws.
        axis: AxisId,
        /// The number of the step, from 0.
        number: ValueId,
        /// Which end.
        side: Side,
    },
    /// An end of the step that a scan is at.
    Within(RegionId, Side),
    /// Anywhere.
    Free,
}

/// An end of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// t_k
    Left,
    /// t_{k+1}
    Right,
}

impl Lowerer<'_> {
    /// The grid between two times; one per interval and number of steps.
    pub fn grid(&mut self, from: f64, to: f64) -> Rc<Grid> {
        let steps = self.steps;
        if let Some(g) = self.grids.iter().find(|g| g.steps == steps && g.from == from && g.to == to) {
            return g.clone();
        }
        let grid = Rc::new(Grid { steps, from, to, axes: RefCell::default() });
        self.grids.push(grid.clone());
        grid
    }

    /// The grid's axis with this number; the first is the one that paths run along.
    pub fn axis_of(&mut self, grid: &Grid, number: usize) -> AxisId {
        let mut axes = grid.axes.borrow_mut();
        while axes.len() <= number {
            let name = format!("time{}", if axes.is_empty() { String::new() } else { (axes.len() + 1).to_string() });
            axes.push(self.b.axis(name, grid.steps, AxisKind::Time));
        }
        axes[number]
    }

    /// The first axis of the grid over which nothing around varies by a binder of its own.
    pub fn free_axis(&mut self, grid: &Grid) -> AxisId {
        let mut number = 0;
        loop {
            let axis = self.axis_of(grid, number);
            if !self.axes_in_use.contains(&axis) {
                return axis;
            }
            number += 1;
        }
    }

    /// A value that varies over the grid's first axis, along another of its axes.
    pub fn along(&mut self, grid: &Grid, value: ValueId, axis: AxisId) -> ValueId {
        let first = self.axis_of(grid, 0);
        if axis == first || !self.b.ty(value).varies(first) {
            value
        } else {
            self.b.push(crate::graph::Op::Rename { from: first, to: axis, of: value })
        }
    }

    /// The times at the left or right ends of all steps, along the grid's first axis.
    pub fn times(&mut self, grid: &Grid, side: Side) -> ValueId {
        let first = self.axis_of(grid, 0);
        let index = self.b.push(crate::graph::Op::Iota(first));
        let h = self.b.number(grid.step());
        let t = self.b.mul(index, h);
        let shift = grid.from + if side == Side::Right { grid.step() } else { 0.0 };
        let shift = self.b.number(shift);
        self.b.add(t, shift)
    }

    /// The origin.
    pub fn start(&mut self, grid: &Grid) -> Moment {
        Moment { place: Place::Start, value: self.b.number(grid.from) }
    }

    /// The end.
    pub fn end(&mut self, grid: &Grid) -> Moment {
        Moment { place: Place::End, value: self.b.number(grid.to) }
    }

    /// `next(t)`: the end of the step that begins at a time.
    pub fn next_time(&mut self, at: Moment, span: Span) -> Lowered<Moment> {
        if let Place::Drawn { axis, number, side: Side::Left } = at.place
            && let Some((_, grid)) = self.drawn.iter().find(|(drawn, _)| *drawn == axis)
        {
            let h = self.b.number(grid.step());
            let place = Place::Drawn { axis, number, side: Side::Right };
            return Ok(Moment { place, value: self.b.add(at.value, h) });
        }
        let place = match at.place {
            Place::Along(axis) => Place::After(axis),
            Place::Within(region, Side::Left) => Place::Within(region, Side::Right),
            _ => return Err(fault(span, "no step begins at this time")),
        };
        let axis = match place {
            Place::After(axis) => Some(axis),
            Place::Within(region, _) => self.frames.iter().find(|frame| frame.region == region).map(|frame| frame.axis),
            _ => None,
        };
        let grid = self.grids.iter().find(|grid| axis.is_some_and(|axis| grid.axes.borrow().contains(&axis))).cloned();
        let grid = grid.ok_or_else(|| fault(span, "no step begins at this time"))?;
        let times = self.times(&grid, Side::Right);
        let value = match place {
            Place::Within(region, _) => self.slice(region, times),
            _ => self.along(&grid, times, axis.expect("a grid was found by it")),
        };
        Ok(Moment { place, value })
    }

    /// The left ends of all steps along an axis of the grid.
    pub fn moments(&mut self, grid: &Grid, axis: AxisId) -> Moment {
        let times = self.times(grid, Side::Left);
        Moment { place: Place::Along(axis), value: self.along(grid, times, axis) }
    }
}
