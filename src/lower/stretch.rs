//! One program of a schedule: what it finds in memory, what it computes, what it leaves.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::block::needs_time;
use super::environment::{Binding, Scope};
use super::errors::{Lowered, fault};
use super::lowerer::Lowerer;
use super::nets::names_in;
use super::rows::{BufferRef, ColumnKind};
use super::schedule::{Action, Root, RowPush, Stretch};
use super::sequence::{Sequencer, each_expr};
use super::time::Grid;
use super::value::{Noise, Value};
use crate::graph::{AxisId, AxisKind, Lifetime, Op, Output, Type, ValueId};
use crate::source::{Name, Span, Symbol};
use crate::syntax::tree::{BinaryOp, Expr, ExprKind, Statement, StatementKind, TypeKind, UsePath};
use crate::transform::with_gradients;

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

/// The names that statements mention, those of inner bodies among them.
pub(super) fn mentions(statements: &[Statement]) -> BTreeSet<Symbol> {
    let mut found = BTreeSet::new();
    for s in statements {
        each_expr(s, &mut |e| found.extend(names_in(e).into_iter().map(|name| name.key)));
        match &s.kind {
            StatementKind::Repeat { body, .. } | StatementKind::Every { body, .. } => {
                found.extend(mentions(&body.statements));
            }
            StatementKind::Minimize { over, .. } => found.extend(over.iter().map(|(name, _)| name.key.clone())),
            StatementKind::Push { buffer, .. } => {
                found.insert(buffer.key.clone());
            }
            StatementKind::Assign { name, .. } => {
                found.insert(name.key.clone());
            }
            StatementKind::Use(one) => {
                if let UsePath::Dotted(path) = &one.from {
                    found.extend(path.iter().map(|name| name.key.clone()));
                }
            }
            StatementKind::Process { ty, body, .. } => {
                if let TypeKind::Real(sizes) = &ty.kind {
                    found.extend(sizes.iter().flat_map(names_in).map(|name| name.key));
                }
                for inner in &body.statements {
                    if let StatementKind::Equation(one) = &inner.kind {
                        found.extend(one.terms.iter().map(|term| term.differential.name.key.clone()));
                    }
                }
            }
            StatementKind::Buffer { columns, .. } => {
                for column in columns {
                    if let TypeKind::Named(path) = &column.ty.kind {
                        found.extend(path.iter().map(|name| name.key.clone()));
                    }
                }
            }
            _ => {}
        }
    }
    found
}

/// The names that a statement gives to its body.
fn defines(s: &Statement) -> Vec<&Name> {
    match &s.kind {
        StatementKind::Let(one) => vec![&one.name],
        StatementKind::Process { name, .. } => vec![name],
        StatementKind::Path { state, noise, exit, .. } => std::iter::once(state).chain(noise).chain(exit).collect(),
        StatementKind::Draw { names, .. } => names.iter().collect(),
        StatementKind::Use(one) => one.names.iter().collect(),
        _ => Vec::new(),
    }
}

impl<'a> Sequencer<'a> {
    /// These names and all on which their definitions in the bodies around depend.
    fn reach(&self, names: &BTreeSet<Symbol>) -> BTreeSet<Symbol> {
        let mut found = names.clone();
        found.extend(self.levels.iter().filter_map(|level| level.call).flat_map(names_in).map(|name| name.key));
        loop {
            let before = found.len();
            for level in &self.levels {
                let known = level.known.iter().filter_map(|known| match known {
                    Known::Statement(s) => Some(*s),
                    _ => None,
                });
                for s in known.chain(level.pending.iter().copied()) {
                    if defines(s).iter().any(|name| found.contains(&name.key)) {
                        found.extend(mentions(std::slice::from_ref(s)));
                    }
                }
            }
            if found.len() == before {
                return found;
            }
        }
    }

    /// A program in which the bodies around are in scope, as far as these names ask for them.
    pub(super) fn open(&mut self, names: &BTreeSet<Symbol>) -> Lowered<(Lowerer<'a>, Rc<Scope<'a>>)> {
        let wanted = self.reach(names);
        let purpose = format!("train.{}", self.count);
        self.count += 1;
        let mut l = Lowerer::new(self.checked, self.choice, self.registry.clone(), &purpose, self.grid);
        l.scheduled = true;
        let batch = self.levels.last().and_then(|level| level.batch);
        l.sample = batch.map(|n| l.b.axis("sample", n, AxisKind::Sample));
        let mut scope = l.entry();
        for level in &self.levels {
            scope = match level.call {
                None => Scope::child(&scope),
                Some(call) => match l.expr(call, &scope, None)? {
                    Value::Method(bound) => Scope::child(&bound.scope),
                    other => return Err(fault(call.span, format!("expected a method, found {}", other.kind()))),
                },
            };
            for known in &level.known {
                bind(&mut l, known, &scope, &wanted)?;
            }
        }
        Ok((l, scope))
    }

    /// Makes a program of the statements that wait. `later` are those after them in the body.
    pub(super) fn flush(&mut self, later: &'a [Statement], actions: &mut Vec<Action>) -> Lowered<()> {
        let pending = self.level().pending.clone();
        let tail = std::mem::take(&mut self.level().tail);
        if pending.is_empty() && tail.is_empty() {
            return Ok(());
        }
        let later = self.reach(&mentions(later));
        let mut names = later.clone();
        for s in pending.iter().chain(&tail) {
            names.extend(mentions(std::slice::from_ref(*s)));
        }
        let (mut l, scope) = self.open(&names)?;
        for s in &pending {
            l.statement(s, &scope)?;
        }
        let mut stretch = Stretch {
            program: crate::graph::Program::default(),
            draws: Vec::new(),
            pushes: Vec::new(),
            groups: Vec::new(),
            leaves: false,
            span: tail.first().or(pending.first()).map_or(Span::NONE, |s| s.span),
        };
        let mut objectives = Vec::new();
        for s in tail {
            match &s.kind {
                StatementKind::Push { value, buffer } => push_rows(&mut l, value, buffer, &scope, &mut stretch.pushes)?,
                StatementKind::Minimize { objective, over } => {
                    stretch.span = objective.span;
                    l.minimize(objective, over, &scope, &mut stretch.groups, &mut objectives)?;
                }
                StatementKind::Until(condition) => {
                    let value = l.expr(condition, &scope, None)?;
                    let v = l.tensor(&value, condition.span)?;
                    l.b.program_mut().outputs.push((Output::Named(Stretch::UNTIL.to_owned()), v));
                    stretch.leaves = true;
                }
                StatementKind::Assign { name, value } => self.assign(&mut l, name, value, &scope)?,
                _ => return Err(fault(s.span, "this statement does not stand here")),
            }
        }
        self.level().pending.clear();
        for s in pending {
            for name in defines(s) {
                if later.contains(&name.key) {
                    let known = keep(&mut l, name, s, &scope)?;
                    let again = |known: &Known<'_>| matches!(known, Known::Statement(old) if std::ptr::eq(*old, s));
                    if !(again(&known) && self.level().known.iter().any(again)) {
                        self.level().known.push(known);
                    }
                }
            }
        }
        stretch.draws = std::mem::take(&mut l.rows);
        if !l.b.program().outputs.is_empty() {
            stretch.program = with_gradients(l.b.finish(), &objectives);
            actions.push(Action::Run(Box::new(stretch)));
        }
        Ok(())
    }

    /// `β := e`: writes the state's cell.
    fn assign(&mut self, l: &mut Lowerer<'a>, name: &'a Name, value: &'a Expr, scope: &Rc<Scope<'a>>) -> Lowered<()> {
        let known = self.levels.iter().rev().flat_map(|level| level.known.iter().rev()).find_map(|known| match known {
            Known::Cell { name: own, cell, shape, .. } if own == name => Some((cell.clone(), shape.clone())),
            _ => None,
        });
        let expected = known.as_ref().map(|(_, shape)| shape.clone());
        let found = l.expr(value, scope, expected.as_deref())?;
        let v = l.tensor(&found, value.span)?;
        let ty = l.b.ty(v).clone();
        if !ty.axes.is_empty() {
            return Err(fault(value.span, "a state has no axes; average what it is assigned, E[…]"));
        }
        let (cell, shape) = known.unwrap_or_else(|| (format!("{}.{}", l.purpose, name.key), ty.shape.clone()));
        if ty.shape != shape {
            return Err(fault(value.span, format!("`{name}` has the shape {shape:?}, this {:?}", ty.shape)));
        }
        let number = l.cell_number(&cell, &[], &shape);
        l.b.program_mut().outputs.push((Output::State(number), v));
        if expected.is_none() {
            self.level().known.push(Known::Cell { name: name.clone(), cell, varies: Vec::new(), shape });
        }
        Ok(())
    }

    /// `solve β in a..b: e = v`
    pub(super) fn root(
        &mut self,
        s: &'a Statement,
        name: &'a Name,
        (from, to, otherwise): (&'a Expr, &'a Expr, Option<&'a Expr>),
        equation: &'a Expr,
    ) -> Lowered<Root> {
        let (mut l, scope) = self.open(&mentions(std::slice::from_ref(s)))?;
        let cell = format!("{}.{}", l.purpose, name.key);
        let inner = Scope::child(&scope);
        let unknown = l.cell(&cell, &[], &[]);
        inner.bind(&name.key, Value::Tensor(unknown));
        let mut peeled = equation;
        while let ExprKind::Group(one) = &peeled.kind {
            peeled = one;
        }
        let ExprKind::Binary(BinaryOp::Equal, _, left, right) = &peeled.kind else {
            return Err(fault(equation.span, "expected an equation: e = v"));
        };
        let number = |l: &mut Lowerer<'a>, e: &'a Expr| -> Lowered<ValueId> {
            let value = l.expr(e, &inner, None)?;
            let v = l.tensor(&value, e.span)?;
            if *l.b.ty(v) == Type::SCALAR { Ok(v) } else { Err(fault(e.span, "expected one number")) }
        };
        let (low, high) = (number(&mut l, from)?, number(&mut l, to)?);
        let (left, right) = (number(&mut l, left)?, number(&mut l, right)?);
        let residual = l.b.sub(left, right);
        let mut outputs = vec![(Root::ENDS[0], low), (Root::ENDS[1], high), (Root::RESIDUAL, residual)];
        if let Some(e) = otherwise {
            outputs.push((Root::OTHERWISE, number(&mut l, e)?));
        }
        for (output, v) in outputs {
            l.b.program_mut().outputs.push((Output::Named(output.to_owned()), v));
        }
        Ok(Root { program: l.b.finish(), cell, otherwise: otherwise.is_some(), span: s.span })
    }
}

/// Gives what is known its name again.
fn bind<'a>(l: &mut Lowerer<'a>, known: &Known<'a>, scope: &Rc<Scope<'a>>, wanted: &BTreeSet<Symbol>) -> Lowered<()> {
    match known {
        Known::Statement(s) => {
            if !defines(s).iter().any(|name| wanted.contains(&name.key)) {
                return Ok(());
            }
            if let StatementKind::Let(one) = &s.kind {
                let timed = one.params.is_none() && needs_time(&one.value, scope);
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
fn keep<'a>(l: &mut Lowerer<'a>, name: &Name, s: &'a Statement, scope: &Rc<Scope<'a>>) -> Lowered<Known<'a>> {
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
        | Value::Law(_) => Ok(Known::Statement(s)),
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

/// `push (X(T), a) -> B`: one output per field, which varies over samples.
fn push_rows<'a>(
    l: &mut Lowerer<'a>,
    value: &'a Expr,
    buffer: &'a Name,
    scope: &Rc<Scope<'a>>,
    pushes: &mut Vec<RowPush>,
) -> Lowered<()> {
    let Value::Buffer(to) = l.lookup(buffer, scope)? else {
        return Err(fault(buffer.span, format!("`{buffer}` is no buffer")));
    };
    let sample = l.sample.ok_or_else(|| fault(value.span, "nothing here is drawn, so there are no rows to push"))?;
    let mut peeled = value;
    while let ExprKind::Group(one) = &peeled.kind {
        peeled = one;
    }
    let values: Vec<&'a Expr> = match &peeled.kind {
        ExprKind::Tuple(items) => items.iter().collect(),
        _ => vec![peeled],
    };
    let mut fields = Vec::new();
    for (e, (column, kind)) in values.into_iter().zip(&to.columns) {
        let found = l.expr(e, scope, if let ColumnKind::Point(shape) = kind { Some(shape) } else { None })?;
        match (kind, &found) {
            (ColumnKind::Path(..), Value::Process(p))
                if p.origin.as_ref().is_some_and(|origin| origin.clock.is_some()) =>
            {
                return Err(fault(
                    e.span,
                    format!("`{}` stops before the end of the horizon, and a buffer keeps whole paths", p.name),
                ));
            }
            (ColumnKind::Path(..), Value::Process(p)) => {
                let axis = l.axis_of(&p.grid.clone(), 0);
                fields.push((l.b.spread(p.left, &[sample, axis]), vec![sample, axis]));
                fields.push((l.b.spread(p.end, &[sample]), vec![sample]));
            }
            (ColumnKind::Brownian(..), Value::Noise(n)) => {
                let axis = l.axis_of(&n.grid.clone(), 0);
                fields.push((n.increments, vec![sample, axis]));
            }
            (ColumnKind::Point(shape), other) => {
                let v = l.tensor(other, e.span)?;
                let v = if l.b.ty(v).shape == *shape { v } else { l.b.reshape(v, shape.clone()) };
                fields.push((l.b.spread(v, &[sample]), vec![sample]));
            }
            (_, other) => {
                return Err(fault(e.span, format!("the column `{column}` holds paths, found {}", other.kind())));
            }
        }
    }
    let mut outputs = Vec::new();
    for (v, axes) in fields {
        if l.b.ty(v).axes != axes {
            return Err(fault(value.span, "a row holds what varies over samples alone, and paths"));
        }
        let output = format!("push:{}:{}", pushes.len(), outputs.len());
        l.b.program_mut().outputs.push((Output::Named(output.clone()), v));
        outputs.push(output);
    }
    pushes.push(RowPush { buffer: to.place, outputs });
    Ok(())
}
