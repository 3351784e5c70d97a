//! Memory cells and rows of buffers as values.

use std::rc::Rc;

use super::environment::Scope;
use super::errors::{Lowered, fault};
use super::lowerer::Lowerer;
use super::schedule::RowDraw;
use super::time::Grid;
use super::value::{Noise, Process, Value};
use crate::graph::{AxisId, Op, StateInfo, ValueId};
use crate::source::{Name, Span, Symbol};

/// A buffer as a value.
pub struct BufferRef {
    /// Its place among the buffers of the schedule.
    pub place: usize,
    /// Its columns.
    pub columns: Vec<(Symbol, ColumnKind)>,
}

/// What a column holds.
#[derive(Clone, Debug)]
pub enum ColumnKind {
    /// An array of this shape.
    Point(Vec<usize>),
    /// A path between two times.
    Path(f64, f64, usize),
    /// Increments of a noise between two times.
    Brownian(f64, f64, usize),
}

impl ColumnKind {
    /// The extents of the fields of a row, on a grid of so many steps.
    pub fn fields(&self, steps: usize) -> Vec<Vec<usize>> {
        match self {
            Self::Point(shape) => vec![shape.clone()],
            Self::Path(_, _, d) => vec![vec![steps, *d], vec![*d]],
            Self::Brownian(_, _, d) => vec![vec![steps, *d]],
        }
    }
}

impl<'a> Lowerer<'a> {
    /// The content of a memory cell.
    pub fn cell(&mut self, name: &str, axes: &[AxisId], shape: &[usize]) -> ValueId {
        let info = StateInfo { name: name.to_owned(), axes: axes.to_vec(), shape: shape.to_vec() };
        let states = &mut self.b.program_mut().states;
        let number = states.iter().position(|known| *known == info).unwrap_or_else(|| {
            states.push(info);
            states.len() - 1
        });
        self.b.push(Op::State(number))
    }

    /// The number of a memory cell, for what is written into it.
    pub fn cell_number(&mut self, name: &str, axes: &[AxisId], shape: &[usize]) -> usize {
        let v = self.cell(name, axes, shape);
        match self.b.program().node(v).op {
            Op::State(number) => number,
            _ => unreachable!("made above"),
        }
    }

    /// A process from its values at the left ends of the steps, which vary over the grid's first axis, and at the end.
    pub fn process_from(&mut self, name: &Symbol, grid: &Rc<Grid>, left: ValueId, end: ValueId) -> Process<'a> {
        let axis = self.axis_of(grid, 0);
        let right = self.b.push(Op::Shift { axis, by: 1, fill: end, of: left });
        let start = self.b.push(Op::At { axis, index: 0, of: left });
        Process { name: name.clone(), grid: grid.clone(), left, right, start, end, origin: None }
    }

    /// `(x, a) ~ B, batch 512`: the names receive the columns of drawn rows.
    pub fn draw_rows(
        &mut self,
        names: &[Name],
        buffer: &BufferRef,
        weight: Option<&Name>,
        scope: &Rc<Scope<'a>>,
        span: Span,
    ) -> Lowered<()> {
        let sample = self.sample.ok_or_else(|| fault(span, "say how many rows are drawn: `…, batch 512`"))?;
        let rows = self.b.program().axis(sample).size;
        let stream = self.stream();
        let mut cells = Vec::new();
        let mut weighted = None;
        for (name, (column, kind)) in names.iter().zip(&buffer.columns) {
            if weight.is_some_and(|weight| weight.key == *column) {
                weighted = Some(cells.len());
            }
            let mut field = |l: &mut Self, axes: &[AxisId], shape: &[usize]| {
                let cell = format!("{}.rows{stream}.{}", l.purpose, cells.len());
                let v = l.cell(&cell, axes, shape);
                cells.push(cell);
                v
            };
            let value = match kind {
                ColumnKind::Point(shape) => Value::Tensor(field(self, &[sample], shape)),
                ColumnKind::Path(from, to, d) => {
                    let grid = self.grid(*from, *to);
                    let axis = self.axis_of(&grid, 0);
                    let left = field(self, &[sample, axis], &[*d]);
                    let end = field(self, &[sample], &[*d]);
                    self.enter_grid(&grid, scope);
                    Value::Process(Rc::new(self.process_from(&name.key, &grid, left, end)))
                }
                ColumnKind::Brownian(from, to, d) => {
                    let grid = self.grid(*from, *to);
                    let axis = self.axis_of(&grid, 0);
                    let increments = field(self, &[sample, axis], &[*d]);
                    Value::Noise(Rc::new(Noise { grid, increments, stops: false }))
                }
            };
            scope.bind(&name.key, value);
        }
        self.rows.push(RowDraw { buffer: buffer.place, cells, weight: weighted, rows, stream, span });
        Ok(())
    }

    /// From here on integrals run over this grid, and its end is T where nothing else is.
    pub fn enter_grid(&mut self, grid: &Rc<Grid>, scope: &Rc<Scope<'a>>) {
        scope.set_grid(grid.clone());
        let key = Symbol::folded("T");
        if scope.find(&key).is_none() {
            let end = self.end(grid);
            scope.bind(&key, Value::Time(end));
        }
    }
}
