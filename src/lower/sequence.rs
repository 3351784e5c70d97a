//! Statements that happen in order, cut into programs.
//!
//! Statements that only name things gather until something happens: rows are pushed, parameters move, a state is
//! assigned, a loop begins. Then they become one program, a *stretch*. What a later stretch asks of an earlier one goes
//! through memory cells, if it depends on draws, parameters or memory; all else is worked out anew.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::errors::{Lowered, fault};
use super::experiment::CopyRule;
use super::kept::Known;
use super::nets::names_in;
use super::network::Registry;
use super::rows::ColumnKind;
use super::schedule::{Action, Buffer, Schedule, steps};
use super::stretch::mentions;
use super::value::{Function, Value};
use crate::source::{Name, Span, Symbol};
use crate::syntax::tree::{Block, Declaration, Expr, ExprKind, Statement, StatementKind, TypeKind};
use crate::syntax::walk::for_each_part;
use crate::typed::Checked;

/// Cuts the statements of a training into programs.
pub(super) struct Sequencer<'a> {
    pub checked: &'a Checked,
    pub choice: &'a BTreeMap<Symbol, usize>,
    pub registry: Rc<RefCell<Registry>>,
    /// The steps of every grid.
    pub grid: usize,
    /// The bodies around, outermost first.
    pub levels: Vec<Level<'a>>,
    pub buffers: Vec<Buffer>,
    /// Distinguishes the programs of this training from those of others.
    pub purpose: String,
    /// The number of programs made.
    pub count: usize,
}

/// A body under way.
pub(super) struct Level<'a> {
    /// The method at its arguments whose body this is, if it is one.
    pub call: Option<&'a Expr>,
    /// What earlier statements left, in order.
    pub known: Vec<Known<'a>>,
    /// The number of samples.
    pub batch: Option<usize>,
    /// Statements that wait for something to happen.
    pub pending: Vec<&'a Statement>,
    /// What happens at their end.
    pub tail: Vec<&'a Statement>,
}

/// The schedule of a `train` block. `every` is how often a block without loops is repeated.
pub(super) fn schedule<'a>(
    checked: &'a Checked,
    choice: &'a BTreeMap<Symbol, usize>,
    registry: &Rc<RefCell<Registry>>,
    block: &'a Block,
    (grid, batch, repeated): (usize, Option<usize>, Option<u64>),
    (purpose, span): (&str, Span),
) -> Lowered<Schedule> {
    let mut s = Sequencer {
        checked,
        choice,
        registry: registry.clone(),
        grid,
        levels: Vec::new(),
        buffers: Vec::new(),
        purpose: purpose.to_owned(),
        count: 0,
    };
    let mut actions = s.body(&block.statements, None, batch)?;
    if let Some(times) = repeated {
        actions = vec![Action::Repeat { times, body: actions }];
    }
    let steps = steps(&actions);
    if steps == 0 {
        return Err(fault(span, "nothing is minimised here"));
    }
    Ok(Schedule { actions, buffers: s.buffers, steps, span })
}

impl<'a> Sequencer<'a> {
    /// The actions of a body.
    fn body(
        &mut self,
        statements: &'a [Statement],
        call: Option<&'a Expr>,
        batch: Option<usize>,
    ) -> Lowered<Vec<Action>> {
        let batch = batch.or_else(|| self.levels.last().and_then(|level| level.batch));
        self.levels.push(Level { call, known: Vec::new(), batch, pending: Vec::new(), tail: Vec::new() });
        let mut actions = Vec::new();
        for (i, s) in statements.iter().enumerate() {
            self.snapshots(s, &statements[i..], &mut actions)?;
            self.statement(s, i, statements, &mut actions)?;
        }
        self.flush(&[], &mut actions)?;
        self.levels.pop();
        Ok(actions)
    }

    fn statement(
        &mut self,
        s: &'a Statement,
        i: usize,
        statements: &'a [Statement],
        actions: &mut Vec<Action>,
    ) -> Lowered<()> {
        let (here, after) = (&statements[i..], &statements[i + 1..]);
        match &s.kind {
            StatementKind::Setting { .. } => {}
            StatementKind::Use(_) => self.level().known.push(Known::Statement(s)),
            StatementKind::Let(one) if one.params.is_some() => self.level().known.push(Known::Statement(s)),
            StatementKind::Let(_) | StatementKind::Process { .. } => self.wait(s, None, here, actions)?,
            StatementKind::Path { batch, .. } => self.wait(s, batch.as_ref(), here, actions)?,
            StatementKind::Draw { batch, .. } => {
                // Rows are drawn before a program runs, and what it pushes is pushed after.
                if self.level().tail.iter().any(|s| matches!(s.kind, StatementKind::Push { .. })) {
                    self.flush(here, actions)?;
                }
                self.wait(s, batch.as_ref(), here, actions)?;
            }
            StatementKind::Buffer { name, columns, capacity } => self.buffer(name, columns, capacity, s.span)?,
            StatementKind::Push { .. } => self.level().tail.push(s),
            StatementKind::Assign { .. } | StatementKind::Minimize { .. } | StatementKind::Until(_) => {
                self.level().tail.push(s);
                self.flush(after, actions)?;
            }
            StatementKind::Solve { name, from, to, equation, otherwise } => {
                self.flush(here, actions)?;
                let root = self.root(s, name, (from, to, otherwise.as_ref()), equation)?;
                self.level().known.push(Known::Cell {
                    name: name.clone(),
                    cell: root.cell.clone(),
                    varies: Vec::new(),
                    shape: Vec::new(),
                });
                actions.push(Action::Solve(Box::new(root)));
            }
            StatementKind::Repeat { times, body } => {
                self.flush(here, actions)?;
                let times = times.as_ref().ok_or_else(|| fault(s.span, "this loop has no end"))?;
                let times = self.size(times)? as u64;
                let body = self.body(&body.statements, None, None)?;
                actions.push(Action::Repeat { times, body });
            }
            StatementKind::Every { rounds, body } => {
                self.flush(here, actions)?;
                let rounds = self.size(rounds)? as u64;
                let body = self.body(&body.statements, None, None)?;
                actions.push(Action::Every { rounds, body });
            }
            StatementKind::Run(method) => {
                self.flush(here, actions)?;
                let (mut l, scope) = self.open(&mentions(std::slice::from_ref(s)))?;
                let Value::Method(bound) = l.expr(method, &scope, None)? else {
                    return Err(fault(method.span, "expected a method with its arguments"));
                };
                actions.extend(self.body(&bound.definition.body.statements, Some(method), None)?);
            }
            _ => return Err(fault(s.span, "this statement does not stand here")),
        }
        Ok(())
    }

    pub(super) fn level(&mut self) -> &mut Level<'a> {
        self.levels.last_mut().expect("statements stand in a body")
    }

    /// A statement that waits; with another number of samples it begins a stretch of its own.
    fn wait(
        &mut self,
        s: &'a Statement,
        batch: Option<&'a Expr>,
        here: &'a [Statement],
        actions: &mut Vec<Action>,
    ) -> Lowered<()> {
        if let Some(batch) = batch {
            let batch = Some(self.size(batch)?);
            if self.level().batch != batch {
                self.flush(here, actions)?;
                self.level().batch = batch;
            }
        }
        self.level().pending.push(s);
        Ok(())
    }

    fn size(&mut self, e: &'a Expr) -> Lowered<usize> {
        let names: BTreeSet<Symbol> = names_in(e).into_iter().map(|name| name.key).collect();
        let (mut l, scope) = self.open(&names)?;
        l.size(e, &scope)
    }

    /// `buffer B: (x: R[d], X: P.Path) capacity n`
    fn buffer(&mut self, name: &'a Name, columns: &'a [Declaration], capacity: &'a Expr, span: Span) -> Lowered<()> {
        let capacity = self.size(capacity)?;
        let mut kinds = Vec::new();
        for column in columns {
            let mut names = BTreeSet::new();
            if let TypeKind::Named(path) = &column.ty.kind {
                names.extend(path.iter().map(|name| name.key.clone()));
            }
            if let TypeKind::Real(sizes) = &column.ty.kind {
                names.extend(sizes.iter().flat_map(names_in).map(|name| name.key));
            }
            let (mut l, scope) = self.open(&names)?;
            let kind = match &column.ty.kind {
                TypeKind::Named(path)
                    if path.len() == 2 && path[1].key.as_str() != "State" && path[1].key.as_str() != "Noise" =>
                {
                    let Value::Problem(p) = l.lookup(&path[0], &scope)? else {
                        return Err(fault(column.ty.span, "expected a problem before the `.`"));
                    };
                    if path[1].key.as_str() == "Path" {
                        ColumnKind::Path(p.grid.from, p.grid.to, p.dimension)
                    } else {
                        ColumnKind::Brownian(p.grid.from, p.grid.to, p.noise_dimension)
                    }
                }
                _ => {
                    let shape = l.shape(&column.ty, &scope)?;
                    ColumnKind::Point(shape.ok_or_else(|| fault(column.ty.span, "a column holds R, R[…] or paths"))?)
                }
            };
            kinds.push((column.name.key.clone(), kind));
        }
        let fields = kinds.iter().flat_map(|(_, kind)| kind.fields(self.grid)).collect();
        let place = self.buffers.len();
        self.buffers.push(Buffer { name: name.text.to_string(), capacity, fields, span });
        self.level().known.push(Known::Buffer { name: name.clone(), place, columns: kinds });
        Ok(())
    }

    /// Takes the snapshots that a statement asks for.
    fn snapshots(&mut self, s: &'a Statement, here: &'a [Statement], actions: &mut Vec<Action>) -> Lowered<()> {
        let mut calls = Vec::new();
        each_expr(s, &mut |e| snapshot_calls(e, &mut calls));
        if calls.is_empty() {
            return Ok(());
        }
        self.flush(here, actions)?;
        let mut taken = BTreeSet::new();
        for call in calls {
            let names: BTreeSet<Symbol> = names_in(call).into_iter().map(|name| name.key).collect();
            let (mut l, scope) = self.open(&names)?;
            let Value::Function(f) = l.expr(call, &scope, None)? else { continue };
            let Function::Copied(_, rule @ CopyRule::Taken { .. }) = &*f else { continue };
            let nets = l.nets_of(&f)?.copied;
            let mut registry = self.registry.borrow_mut();
            let first = registry.count();
            for (net, _) in nets.iter().filter(|(_, r)| r == rule) {
                for parameter in registry.of_net(net.as_str()) {
                    taken.insert(registry.copy(parameter, *rule) - first);
                }
            }
        }
        if !taken.is_empty() {
            actions.push(Action::Copy(taken.into_iter().collect()));
        }
        Ok(())
    }
}

/// Calls `f` on the expressions of a statement that stand in no body inside it.
pub(super) fn each_expr<'a>(s: &'a Statement, f: &mut dyn FnMut(&'a Expr)) {
    match &s.kind {
        StatementKind::Let(one) => f(&one.value),
        StatementKind::Path { problem, control, batch, .. } => {
            f(problem);
            control.iter().chain(batch).for_each(f);
        }
        StatementKind::Draw { law, batch, .. } => {
            f(law);
            batch.iter().for_each(f);
        }
        StatementKind::Minimize { objective, over } => {
            f(objective);
            over.iter().for_each(|(_, optimizer)| f(optimizer));
        }
        StatementKind::Process { body, .. } => {
            for inner in &body.statements {
                match &inner.kind {
                    StatementKind::Equation(one) => one.terms.iter().for_each(|term| f(&term.integrand)),
                    StatementKind::Boundary { at, value, .. } => {
                        f(at);
                        f(value);
                    }
                    StatementKind::Let(one) => f(&one.value),
                    _ => {}
                }
            }
        }
        StatementKind::Repeat { times, .. } => times.iter().for_each(f),
        StatementKind::Every { rounds, .. } => f(rounds),
        StatementKind::Until(e)
        | StatementKind::Run(e)
        | StatementKind::Assign { value: e, .. }
        | StatementKind::Setting { value: e, .. }
        | StatementKind::Push { value: e, .. }
        | StatementKind::Return(e)
        | StatementKind::Cost(e)
        | StatementKind::Stop(e) => f(e),
        StatementKind::Buffer { capacity, .. } => f(capacity),
        StatementKind::Solve { from, to, equation, otherwise, .. } => {
            [from, to, equation].into_iter().chain(otherwise).for_each(f);
        }
        // Measurements stand in no schedule.
        StatementKind::Use(_)
        | StatementKind::Measure(_)
        | StatementKind::Time { .. }
        | StatementKind::State(_)
        | StatementKind::Control(_)
        | StatementKind::Noise(_)
        | StatementKind::Equation(_)
        | StatementKind::Boundary { .. }
        | StatementKind::Parameter { .. } => {}
    }
}

fn snapshot_calls<'a>(e: &'a Expr, found: &mut Vec<&'a Expr>) {
    if let ExprKind::Call(callee, _) = &e.kind
        && matches!(&callee.kind, ExprKind::Name(name) if name.key.as_str() == "snapshot")
    {
        found.push(e);
        return;
    }
    for_each_part(e, |part| snapshot_calls(part, found));
}
