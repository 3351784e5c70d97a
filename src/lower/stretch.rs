//! One program of a schedule: what it finds in memory, what it computes, what it leaves.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::environment::Scope;
use super::errors::{Lowered, fault};
use super::evaluations::evaluations;
use super::kept::{Known, bind, keep};
use super::lowerer::Lowerer;
use super::nets::names_in;
use super::rows::ColumnKind;
use super::schedule::{Action, Root, RowPush, Stretch};
use super::sequence::{Sequencer, each_expr};
use super::value::Value;
use crate::graph::{AxisKind, Output, Type, ValueId};
use crate::source::{Name, Span, Symbol};
use crate::syntax::tree::{BinaryOp, Expr, ExprKind, Statement, StatementKind, TypeKind, UsePath};
use crate::transform::with_gradients;

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
pub(super) fn defines(s: &Statement) -> Vec<&Name> {
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
        let purpose = format!("{}.{}", self.purpose, self.count);
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
            samples: Vec::new(),
            pushes: Vec::new(),
            groups: Vec::new(),
            leaves: false,
            evaluations: Vec::new(),
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
        stretch.samples = std::mem::take(&mut l.samples);
        if !l.b.program().outputs.is_empty() {
            stretch.evaluations = evaluations(l.b.program(), &l.calls);
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
        if !l.samples.is_empty() {
            return Err(fault(s.span, "an equation is solved between numbers; draw the samples before it"));
        }
        let evaluations = evaluations(l.b.program(), &l.calls);
        Ok(Root { program: l.b.finish(), cell, otherwise: otherwise.is_some(), evaluations, span: s.span })
    }
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
