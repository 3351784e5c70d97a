//! What programs leave for later ones: values in memory cells, or the text that says all.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::block::needs_time;
use super::environment::{Binding, Scope};
use super::errors::Lowered;
use super::lowerer::Lowerer;
use super::rows::{BufferRef, ColumnKind};
use super::stretch::defines;
use super::time::Grid;
use super::value::{Noise, Value};
use crate::graph::{AxisId, AxisKind, Lifetime, Op, Output, ValueId};
use crate::source::{Name, Symbol};
use crate::syntax::tree::{Statement, StatementKind};

/// What an earlier statement left for those after it.
pub(super) enum Known<'a> {
    /// Its text, to be worked out anew.
    Statement(&'a Statement),
    /// A value in a memory cell.
    Cell { name: Name, cell: String, varies: Vec<Varies>, shape: Vec<usize> },
    /// A path or a process in two cells: its values at the left ends of the steps, and at the end.
    Path { name: Name, cells: [String; 2], ends: (f64, f64), varies: Vec<Varies>, shape: Vec<usize> },
    /// The increments of a noise in a cell.
    Noise { name: Name, cell: String, ends: (f64, f64), varies: Vec<Varies>, shape: Vec<usize> },
    /// A buffer.
    Buffer { name: Name, place: usize, columns: Vec<(Symbol, ColumnKind)> },
    /// Something that cannot be kept, and why.
    Lost(Name, String),
}

/// What the content of a cell varies over; samples come first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Varies {
    /// So many samples.
    Sample(usize),
    /// The steps of the grid between two times.
    Grid(f64, f64),
}

/// Gives what is known its name again.
pub(super) fn bind<'a>(
    l: &mut Lowerer<'a>,
    known: &Known<'a>,
    scope: &Rc<Scope<'a>>,
    wanted: &BTreeSet<Symbol>,
) -> Lowered<()> {
    match known {
        Known::Statement(s) => {
            if !defines(s).iter().any(|name| wanted.contains(&name.key)) {
                return Ok(());
            }
            if let StatementKind::Let(one) = &s.kind {
                let timed = one.params.is_none() && needs_time(l.checked, &one.value, scope);
                scope.set(&one.name.key, if timed { Binding::Timed(one) } else { Binding::Lazy(one) });
                return Ok(());
            }
            l.statement(s, scope)
        }
        Known::Buffer { name, place, columns } => {
            let buffer = BufferRef { place: *place, columns: columns.clone() };
            scope.bind(&name.key, Value::Buffer(Rc::new(buffer)));
            Ok(())
        }
        Known::Lost(name, why) => {
            scope.set(&name.key, Binding::Lost(why.as_str().into()));
            Ok(())
        }
        Known::Cell { name, cell, varies, shape } => {
            if wanted.contains(&name.key)
                && let Some(axes) = axes_of(l, name, varies, scope)
            {
                let v = l.cell(cell, &axes, shape);
                scope.bind(&name.key, Value::Tensor(v));
            }
            Ok(())
        }
        Known::Path { name, cells, ends, varies, shape } => {
            let grid = l.grid(ends.0, ends.1);
            l.enter_grid(&grid, scope);
            if wanted.contains(&name.key)
                && let Some(axes) = axes_of(l, name, varies, scope)
            {
                let axis = l.axis_of(&grid, 0);
                let left = l.cell(&cells[0], &axes, shape);
                let outer: Vec<AxisId> = axes.iter().copied().filter(|a| *a != axis).collect();
                let end = l.cell(&cells[1], &outer, shape);
                let process = l.process_from(&name.key, &grid, left, end);
                scope.bind(&name.key, Value::Process(Rc::new(process)));
            }
            Ok(())
        }
        Known::Noise { name, cell, ends, varies, shape } => {
            if wanted.contains(&name.key)
                && let Some(axes) = axes_of(l, name, varies, scope)
            {
                let grid = l.grid(ends.0, ends.1);
                let increments = l.cell(cell, &axes, shape);
                scope.bind(&name.key, Value::Noise(Rc::new(Noise { grid, increments, stops: false })));
            }
            Ok(())
        }
    }
}

/// The axes of this program that a cell varies over; none if it holds another number of samples.
fn axes_of(l: &mut Lowerer<'_>, name: &Name, varies: &[Varies], scope: &Rc<Scope<'_>>) -> Option<Vec<AxisId>> {
    let mut axes = Vec::new();
    for over in varies {
        match over {
            Varies::Sample(n) => match l.sample {
                Some(sample) if l.b.program().axis(sample).size == *n => axes.push(sample),
                Some(sample) => {
                    let here = l.b.program().axis(sample).size;
                    let why = format!(
                        "`{name}` holds {n} samples, and {here} are drawn here; push it into a buffer and draw from that"
                    );
                    scope.set(&name.key, Binding::Lost(why.into()));
                    return None;
                }
                None => axes.push(l.b.axis("sample", *n, AxisKind::Sample)),
            },
            Varies::Grid(from, to) => {
                let grid = l.grid(*from, *to);
                axes.push(l.axis_of(&grid, 0));
            }
        }
    }
    axes.sort_unstable();
    Some(axes)
}

/// Writes a value that later programs ask for into cells, or notes its text, if that says all.
pub(super) fn keep<'a>(
    l: &mut Lowerer<'a>,
    name: &Name,
    s: &'a Statement,
    scope: &Rc<Scope<'a>>,
) -> Lowered<Known<'a>> {
    let Some((_, Binding::Value(value))) = scope.find(&name.key) else { return Ok(Known::Statement(s)) };
    let lost = |why: &str| Known::Lost(name.clone(), format!("`{name}` {why}"));
    match &value {
        Value::Process(p) if p.origin.as_ref().is_some_and(|origin| origin.clock.is_some()) => Ok(lost(
            "stops before the end of the horizon, and such a path is used by one statement of a schedule alone",
        )),
        Value::Noise(n) if n.stops => {
            Ok(lost("is the noise of a path that stops, which is used by one statement of a schedule alone"))
        }
        Value::Process(p) => {
            if settled(l, p.left) && settled(l, p.end) {
                return Ok(Known::Statement(s));
            }
            let (grid, ends) = (p.grid.clone(), (p.grid.from, p.grid.to));
            let axis = l.axis_of(&grid, 0);
            let left = if l.b.ty(p.left).varies(axis) { p.left } else { l.b.spread(p.left, &[axis]) };
            let over: Vec<AxisId> = l.b.ty(left).axes.iter().copied().filter(|a| *a != axis).collect();
            let end = l.b.spread(p.end, &over);
            let Some(varies) = varies_over(l, left, Some(&grid)) else {
                return Ok(lost("varies over more than samples and the times of its path"));
            };
            let cells = [format!("{}.{}", l.purpose, name.key), format!("{}.{}.end", l.purpose, name.key)];
            write(l, &cells[0], left);
            write(l, &cells[1], end);
            let shape = l.b.ty(left).shape.clone();
            Ok(Known::Path { name: name.clone(), cells, ends, varies, shape })
        }
        Value::Noise(n) => {
            let (grid, ends) = (n.grid.clone(), (n.grid.from, n.grid.to));
            let Some(varies) = varies_over(l, n.increments, Some(&grid)) else {
                return Ok(lost("varies over more than samples and times"));
            };
            let cell = format!("{}.{}", l.purpose, name.key);
            write(l, &cell, n.increments);
            let shape = l.b.ty(n.increments).shape.clone();
            Ok(Known::Noise { name: name.clone(), cell, ends, varies, shape })
        }
        Value::Tensor(_) | Value::State(_) | Value::Row(_) | Value::Operator(_) => {
            let v = l.tensor(&value, s.span)?;
            if settled(l, v) {
                return Ok(Known::Statement(s));
            }
            if let Value::Row(_) = value {
                return Ok(lost("is a row, which is not kept; keep the vector and transpose it where it is used"));
            }
            let Some(varies) = varies_over(l, v, None) else {
                return Ok(lost("varies over more than samples"));
            };
            let cell = format!("{}.{}", l.purpose, name.key);
            write(l, &cell, v);
            let shape = l.b.ty(v).shape.clone();
            Ok(Known::Cell { name: name.clone(), cell, varies, shape })
        }
        Value::List(items) | Value::Tuple(items) => {
            let mut all = true;
            for item in items.iter() {
                if let Value::Tensor(v) = item {
                    all &= settled(l, *v);
                }
            }
            Ok(if all { Known::Statement(s) } else { lost("is a list, which is not kept; name its parts") })
        }
        Value::Number(_)
        | Value::Bool(_)
        | Value::Range(..)
        | Value::Time(_)
        | Value::Function(_)
        | Value::Problem(_)
        | Value::Hole
        | Value::Optimizer(_)
        | Value::Method(_)
        | Value::Buffer(_)
        | Value::Law(_)
        | Value::Times(_) => Ok(Known::Statement(s)),
    }
}

/// What a value varies over, if that is samples and at most the times of the grid.
fn varies_over(l: &mut Lowerer<'_>, v: ValueId, grid: Option<&Rc<Grid>>) -> Option<Vec<Varies>> {
    let axes = l.b.ty(v).axes.clone();
    let time = grid.map(|grid| (l.axis_of(grid, 0), Varies::Grid(grid.from, grid.to)));
    axes.iter()
        .map(|axis| match time {
            Some((own, over)) if own == *axis => Some(over),
            _ if Some(*axis) == l.sample => Some(Varies::Sample(l.b.program().axis(*axis).size)),
            _ => None,
        })
        .collect()
}

fn write(l: &mut Lowerer<'_>, cell: &str, v: ValueId) {
    let ty = l.b.ty(v).clone();
    let number = l.cell_number(cell, &ty.axes, &ty.shape);
    l.b.program_mut().outputs.push((Output::State(number), v));
}

/// Whether a value is the same in every program and at every time.
fn settled(l: &Lowerer<'_>, v: ValueId) -> bool {
    let program = l.b.program();
    let mut open = vec![v];
    let mut seen = BTreeSet::new();
    while let Some(v) = open.pop() {
        if !seen.insert(v) {
            continue;
        }
        match &program.node(v).op {
            Op::Parameter(_) | Op::State(_) | Op::Step => return false,
            Op::Draw(draw) if draw.lifetime == Lifetime::Step || draw.seed.is_none() => return false,
            op => op.for_each_operand(|x| open.push(x)),
        }
    }
    true
}
