//! What happens in order: loops, buffers, roots, states.

use std::cell::Cell;
use std::rc::Rc;

use super::errors::{ColumnCount, EmptyBuffer, EndlessLoop, NotAState, OutsideLoop, UnknownWord};
use super::experiment::head;
use super::expr::count;
use super::function::Declared;
use super::scope::{Binding, Scope};
use super::ty::{Axes, BufferTy, Column, Entry, NoiseTy, ProcessTy, SAMPLE, Tensor, Ty, join};
use super::typer::Typer;
use crate::check::walk::peel;
use crate::source::{Name, Span};
use crate::syntax::tree::{BinaryOp, Block, Declaration, Expr, ExprKind, Statement, StatementKind};

impl<'a> Typer<'a> {
    /// A statement of a schedule that is none of a loss.
    pub(crate) fn schedule_statement(&mut self, statement: &'a Statement, scope: &Rc<Scope<'a>>) {
        match &statement.kind {
            StatementKind::Minimize { objective, over } => self.minimize(objective, over, None, scope),
            StatementKind::Repeat { times, body } => {
                match times {
                    Some(times) => self.whole(times, "the number of times", scope),
                    None => {
                        let at = head(statement.span, "repeat");
                        self.report(at, EndlessLoop { at });
                    }
                }
                if self.inside {
                    return self.rounds(body, scope);
                }
                self.loops += 1;
                self.body(body, scope);
                self.loops -= 1;
            }
            StatementKind::Every { rounds, body } => {
                self.in_loop("every", "it counts the rounds of the loop around", statement.span);
                self.whole(rounds, "the number of rounds", scope);
                self.body(body, scope);
            }
            StatementKind::Until(condition) => {
                self.in_loop("until", "it leaves the loop around: `repeat 100 times { … until … }`", statement.span);
                match self.expr(condition, scope, None) {
                    Ty::Poison => {}
                    Ty::Bool(_, axes) => {
                        let ty = Ty::Tensor(Tensor::scalar(axes));
                        let allowed = "a loop ends for all samples at once";
                        self.one_number(&ty, condition.span, "the condition", allowed, scope);
                    }
                    other => {
                        self.wrong_kind("a truth value after `until`", &other, condition.span, None, None);
                    }
                }
            }
            StatementKind::Run(method) => match self.expr(method, scope, None) {
                Ty::Method(_) | Ty::Poison => {}
                other => {
                    let help = Some("a method with its arguments: `run M(P, u, adam(1e-3))`".to_string());
                    self.wrong_kind("a method after `run`", &other, method.span, None, help);
                }
            },
            StatementKind::Buffer { name, columns, capacity } => {
                self.whole(capacity, "the capacity", scope);
                let columns = columns.iter().map(|one| (one.name.clone(), self.column(one, scope))).collect();
                let buffer = BufferTy { name: name.clone(), columns, filled: Cell::new(false) };
                scope.bind(&name.key, Ty::Buffer(Rc::new(buffer)));
            }
            StatementKind::Push { value, buffer } => self.push_rows(value, buffer, scope),
            StatementKind::Solve { name, from, to, equation, otherwise } => {
                let ends = [Some(from), Some(to), otherwise.as_ref()];
                self.solve(name, ends.into_iter().flatten(), equation, scope);
            }
            StatementKind::Assign { name, value } => self.assign(name, value, scope),
            _ => {}
        }
    }

    pub(crate) fn body(&mut self, body: &'a Block, scope: &Rc<Scope<'a>>) {
        let inner = Scope::child(scope);
        for statement in &body.statements {
            self.statement(statement, &inner);
        }
    }

    fn in_loop(&mut self, what: &'static str, help: &'static str, span: Span) {
        if self.loops == 0 && !self.inside {
            let at = head(span, what);
            self.report(at, OutsideLoop { what, help, at });
        }
    }

    /// A number of things known before the run.
    fn whole(&mut self, value: &'a Expr, what: &str, scope: &Rc<Scope<'a>>) {
        let ty = self.expr(value, scope, None);
        self.fit(&Declared::Nat, ty, value.span, None, what, scope);
    }

    /// `…, batch 512`
    pub(crate) fn batch_size(&mut self, batch: Option<&'a Expr>, scope: &Rc<Scope<'a>>) {
        if let Some(batch) = batch {
            self.whole(batch, "`batch`", scope);
        }
    }

    /// `x: R[d]`, `X: P.Path`, `W: P.Brownian`
    fn column(&mut self, column: &'a Declaration, scope: &Rc<Scope<'a>>) -> Column {
        match self.declared(&column.ty, scope) {
            Declared::Tensor(shape) => Column::Point(shape),
            Declared::Path(size, from, to) => Column::Path(size, from, to),
            Declared::Brownian(size) => Column::Brownian(size),
            Declared::Poison => Column::Poison,
            other => {
                let error = UnknownWord {
                    expected: "a type of numbers for a column",
                    name: other.describe(),
                    at: column.ty.span,
                    help: "a column holds `R`, `R[d]`, `P.Path` or `P.Brownian`".into(),
                };
                self.report(column.ty.span, error);
                Column::Poison
            }
        }
    }

    fn buffer(&mut self, name: &Name, scope: &Rc<Scope<'a>>) -> Option<Rc<BufferTy>> {
        match self.lookup(name, scope) {
            Ty::Buffer(buffer) => Some(buffer),
            other => {
                self.wrong_kind("a buffer after `->`", &other, name.span, None, None);
                None
            }
        }
    }

    fn counted(&mut self, buffer: &BufferTy, found: usize, at: Span) -> bool {
        let expected = buffer.columns.len();
        if found == expected {
            return true;
        }
        let columns: Vec<String> = buffer.columns.iter().map(|(name, _)| format!("`{name}`")).collect();
        let error = ColumnCount {
            name: buffer.name.text.to_string(),
            expected: count(expected, "column", "columns"),
            found: found.to_string(),
            columns: columns.join(", "),
            at,
            declared: buffer.name.span,
        };
        self.report(at, error);
        false
    }

    /// `push (X(T), a) -> B`
    fn push_rows(&mut self, value: &'a Expr, name: &'a Name, scope: &Rc<Scope<'a>>) {
        let values: Vec<&'a Expr> = match &peel(value).kind {
            ExprKind::Tuple(items) => items.iter().collect(),
            _ => vec![value],
        };
        let types: Vec<Ty<'a>> = values.iter().map(|one| self.expr(one, scope, None)).collect();
        let Some(buffer) = self.buffer(name, scope) else { return };
        buffer.filled.set(true);
        if !self.counted(&buffer, values.len(), value.span) {
            return;
        }
        for ((one, ty), (column, kind)) in values.iter().zip(types).zip(&buffer.columns) {
            let what = format!("the column `{column}`");
            match (kind, ty) {
                (Column::Poison, _) | (_, Ty::Poison) => {}
                (Column::Path(size, ..), Ty::Process(process)) if process.problem.is_some() => {
                    let tensor = Tensor::of(process.shape.clone(), Axes::new());
                    self.fit_shape(std::slice::from_ref(size), tensor, one.span, Some(column.span), &what);
                }
                (Column::Brownian(size), Ty::Noise(noise)) => {
                    let tensor = Tensor::of(noise.shape.clone(), Axes::new());
                    self.fit_shape(std::slice::from_ref(size), tensor, one.span, Some(column.span), &what);
                }
                (Column::Path(..), other) => {
                    self.wrong_kind(&format!("a path for {what}"), &other, one.span, Some(column.span), None);
                }
                (Column::Brownian(_), other) => {
                    self.wrong_kind(
                        &format!("the noise of a path for {what}"),
                        &other,
                        one.span,
                        Some(column.span),
                        None,
                    );
                }
                (Column::Point(shape), other) => {
                    let Some(mut tensor) = self.tensor(&other, one.span, scope) else { continue };
                    tensor.axes.remove(&SAMPLE);
                    let scalar = Ty::Tensor(Tensor::scalar(tensor.axes.clone()));
                    if self.one_number(&scalar, one.span, &what, "a row holds one value per sample", scope) {
                        self.fit_shape(shape, tensor, one.span, Some(column.span), &what);
                    }
                }
            }
        }
    }

    /// `(x, a) ~ B, batch 512, weight a`
    pub(crate) fn draw_rows(
        &mut self,
        names: &'a [Name],
        buffer: &Rc<BufferTy>,
        weight: Option<&'a Name>,
        at: Span,
        scope: &Rc<Scope<'a>>,
    ) {
        if !buffer.filled.get() {
            let name = buffer.name.text.to_string();
            self.report(at, EmptyBuffer { name, at, declared: buffer.name.span });
        }
        if let Some(weight) = weight {
            let column = buffer.columns.iter().find(|(name, _)| name == weight);
            let scalar = |kind: &Column| {
                matches!(kind, Column::Poison) || matches!(kind, Column::Point(shape) if shape.is_empty())
            };
            if !column.is_some_and(|(_, kind)| scalar(kind)) {
                let columns: Vec<String> = buffer
                    .columns
                    .iter()
                    .filter(|(_, kind)| scalar(kind))
                    .map(|(name, _)| format!("`{name}`"))
                    .collect();
                let help = if columns.is_empty() {
                    format!("`{}` has no column of numbers", buffer.name)
                } else {
                    format!("the columns of numbers are {}", columns.join(", "))
                };
                let error = UnknownWord {
                    expected: "a column of numbers after `weight`",
                    name: weight.text.to_string(),
                    at: weight.span,
                    help,
                };
                self.report(weight.span, error);
            }
        }
        let fits = self.counted(buffer, names.len(), at);
        for (place, name) in names.iter().enumerate() {
            let ty = match buffer.columns.get(place).filter(|_| fits) {
                None | Some((_, Column::Poison)) => Ty::Poison,
                Some((_, Column::Point(shape))) => {
                    let through = format!("the draw `{name}`").into();
                    let entry = Entry { name: "sample".into(), span: name.span, through };
                    Ty::Tensor(Tensor::of(shape.clone(), Axes::from([(SAMPLE, entry)])))
                }
                Some((_, Column::Path(size, from, to))) => {
                    self.enter_horizon(*from, *to, scope);
                    let problem = Some(buffer.name.text.to_string());
                    let shape = vec![size.clone()];
                    Ty::Process(Rc::new(ProcessTy { name: name.clone(), role: "path", shape, random: true, problem }))
                }
                Some((_, Column::Brownian(size))) => {
                    Ty::Noise(Rc::new(NoiseTy { name: name.clone(), shape: vec![size.clone()] }))
                }
            };
            scope.bind(&name.key, ty);
        }
    }

    /// `solve β in 0..1: e = v else 1`
    fn solve(
        &mut self,
        name: &'a Name,
        ends: impl Iterator<Item = &'a Expr>,
        equation: &'a Expr,
        scope: &Rc<Scope<'a>>,
    ) {
        for end in ends {
            let ty = self.expr(end, scope, None);
            self.one_number(&ty, end.span, "an end of the bracket", "a bracket has one end for all samples", scope);
        }
        let inner = Scope::child(scope);
        inner.bind(&name.key, Ty::real());
        if let ExprKind::Binary(BinaryOp::Equal, _, left, right) = &peel(equation).kind {
            for side in [left, right] {
                let ty = self.expr(side, &inner, None);
                let allowed = "an equation for one number is between numbers without axes";
                self.one_number(&ty, side.span, "a side of the equation", allowed, &inner);
            }
        } else {
            let ty = self.expr(equation, &inner, None);
            let help = Some("write `solve β in 0..1: e = v`".to_string());
            self.wrong_kind("an equation after `:`", &ty, equation.span, None, help);
        }
        scope.bind(&name.key, Ty::real());
    }

    /// `β := e`
    fn assign(&mut self, name: &'a Name, value: &'a Expr, scope: &Rc<Scope<'a>>) {
        let found = scope.find(&name.key);
        // A name of the file keeps its meaning, whether or not it was asked for before.
        if found.is_none() && self.resolved[scope.module].names.contains_key(&name.key) {
            self.report(name.span, NotAState { name: name.text.to_string(), at: name.span });
            scope.bind(&name.key, Ty::Poison);
            return;
        }
        let known = found.as_ref().map(|(_, binding)| match binding {
            Binding::Value(ty) => ty.clone(),
            _ => Ty::Poison,
        });
        let shape = match &known {
            Some(Ty::Tensor(tensor)) => Some(tensor.shape.clone()),
            _ => None,
        };
        let ty = self.expr(value, scope, shape.as_deref());
        let Some(mut tensor) = self.tensor(&ty, value.span, scope) else {
            if known.is_none() {
                scope.bind(&name.key, Ty::Poison);
            }
            return;
        };
        let mut rest = std::mem::take(&mut tensor.axes);
        if self.inside
            && let Some(entry) = rest.remove(&SAMPLE)
        {
            tensor.axes.insert(SAMPLE, entry);
        }
        let allowed = if self.inside { "a state varies over samples at most" } else { "a state has no axes" };
        self.one_number(&Ty::Tensor(Tensor::scalar(rest)), value.span, &format!("the state `{name}`"), allowed, scope);
        match &known {
            None => {
                self.assigned.insert(name.key.clone());
                scope.bind(&name.key, Ty::Tensor(tensor));
            }
            Some(_) if !self.assigned.contains(&name.key) => {
                self.report(name.span, NotAState { name: name.text.to_string(), at: name.span });
            }
            Some(_) => {
                let shape = shape.unwrap_or_default();
                let axes = tensor.axes.clone();
                self.fit_shape(&shape, tensor, value.span, None, &format!("the state `{name}`"));
                if let (Some((home, _)), Some(Ty::Tensor(before)), true) = (found, &known, self.inside) {
                    home.bind(&name.key, Ty::Tensor(Tensor::of(shape, join(&before.axes, &axes))));
                }
            }
        }
    }
}
