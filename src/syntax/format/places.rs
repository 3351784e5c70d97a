//! What the tree says about places in the text: where statements start, which signs stand before an operand, where
//! differentials are.

use std::collections::BTreeSet;

use crate::syntax::tree::{
    Block, ChangeKind, Claim, Differential, Expect, Expr, ExprKind, File, Item, ItemKind, Let, Measure, Moment, Param,
    Statement, StatementKind, Term, TypeExpr, TypeKind, UnaryOp,
};
use crate::syntax::walk::for_each_part;

/// Offsets within the text.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Where items, statements and members of `with` start.
    pub statements: BTreeSet<usize>,
    /// Where a `-` stands before its operand.
    pub prefix_signs: BTreeSet<usize>,
    /// Where differentials start, with their `d`.
    pub differentials: BTreeSet<usize>,
}

impl Places {
    /// Collects the places of a file whose first byte stands at `base`.
    pub fn of(file: &File, base: u32) -> Self {
        let mut collector = Collector { places: Self::default(), base };
        for item in &file.items {
            collector.places.statements.insert((item.span.start - base) as usize);
            collector.block_of(item);
        }
        visit_file(file, &mut |expr| collector.expr(expr));
        collector.places
    }
}

struct Collector {
    places: Places,
    base: u32,
}

impl Collector {
    fn at(&self, offset: u32) -> usize {
        (offset - self.base) as usize
    }

    fn block_of(&mut self, item: &Item) {
        match &item.kind {
            ItemKind::Problem(definition) | ItemKind::Loss(definition) | ItemKind::Method(definition) => {
                self.block(&definition.body);
            }
            ItemKind::Train(block) => self.block(block),
            ItemKind::Measure(measure) => self.block(&measure.body),
            ItemKind::Profile(profile) => {
                for change in &profile.changes {
                    self.places.statements.insert(self.at(change.span.start));
                }
            }
            // A layer written `= expr` has its value for a statement, which starts no line.
            ItemKind::Layer(layer) if layer.body.span.start < first_start(&layer.body) => self.block(&layer.body),
            _ => {}
        }
    }

    fn block(&mut self, block: &Block) {
        for statement in &block.statements {
            self.places.statements.insert(self.at(statement.span.start));
            match &statement.kind {
                StatementKind::Process { body, .. }
                | StatementKind::Repeat { body, .. }
                | StatementKind::Every { body, .. }
                | StatementKind::Measure(Measure { body, .. }) => self.block(body),
                StatementKind::Equation(equation) => {
                    // The left-hand side is a differential of its own.
                    self.places.differentials.insert(self.at(statement.span.start));
                    for (index, term) in equation.terms.iter().enumerate() {
                        self.term(index, term);
                    }
                }
                _ => {}
            }
        }
    }

    fn term(&mut self, index: usize, term: &Term) {
        if term.negative && index == 0 {
            self.places.prefix_signs.insert(self.at(term.span.start));
        }
        self.differential(&term.differential);
    }

    fn differential(&mut self, differential: &Differential) {
        self.places.differentials.insert(self.at(differential.span.start));
    }

    fn expr(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Unary(UnaryOp::Negate, ..) => {
                self.places.prefix_signs.insert(self.at(expr.span.start));
            }
            ExprKind::Integral(integral) => self.differential(&integral.differential),
            ExprKind::With(_, members) => {
                for member in members {
                    self.places.statements.insert(self.at(member.span.start));
                }
            }
            _ => {}
        }
        if let ExprKind::Integral(integral) = &expr.kind
            && let Some(at) = &integral.differential.at
        {
            visit(at, &mut |inner| self.expr(inner));
        }
    }
}

fn first_start(block: &Block) -> u32 {
    block.statements.first().map_or(u32::MAX, |statement| statement.span.start)
}

/// Calls `f` on an expression and all its parts.
fn visit(expr: &Expr, f: &mut dyn FnMut(&Expr)) {
    f(expr);
    for_each_part(expr, |part| visit(part, f));
}

fn visit_file(file: &File, f: &mut dyn FnMut(&Expr)) {
    each_root(file, &mut |expr, _| visit(expr, f));
}

/// Where an expression stands outside of all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Position {
    /// Any expression may stand here.
    Free,
    /// The integrand of a term: a chain.
    Integrand,
}

/// Calls `f` on every expression of the file that is no part of another.
pub(super) fn each_root(file: &File, f: &mut dyn FnMut(&Expr, Position)) {
    for item in &file.items {
        let mut free = |expr: &Expr| f(expr, Position::Free);
        match &item.kind {
            ItemKind::Let(binding) => binding_roots(binding, &mut free),
            ItemKind::Problem(definition) | ItemKind::Loss(definition) | ItemKind::Method(definition) => {
                param_roots(&definition.params, &mut free);
                definition.requires.iter().for_each(free);
                block_roots(&definition.body, f);
            }
            ItemKind::Bind(bind) => free(&bind.value),
            ItemKind::Layer(layer) => {
                param_roots(&layer.params, &mut free);
                param_roots(&layer.inputs, &mut free);
                type_roots(&layer.output, &mut free);
                block_roots(&layer.body, f);
            }
            ItemKind::Net(net) => {
                param_roots(&net.inputs, &mut free);
                type_roots(&net.output, &mut free);
                free(&net.value);
            }
            ItemKind::Sweep(axes) => axes.iter().for_each(|axis| free(&axis.values)),
            ItemKind::Train(block) => block_roots(block, f),
            ItemKind::Measure(measure) => {
                measure.every.iter().chain(&measure.from).for_each(free);
                block_roots(&measure.body, f);
            }
            ItemKind::Expect(expect) => expect_roots(expect, &mut free),
            ItemKind::Profile(profile) => profile.changes.iter().for_each(|change| match &change.kind {
                ChangeKind::Set(_, value) => free(value),
                ChangeKind::Let(binding) => binding_roots(binding, &mut free),
                ChangeKind::Sweep(axes) => axes.iter().for_each(|axis| free(&axis.values)),
                ChangeKind::Expect(expect) => expect_roots(expect, &mut free),
            }),
            ItemKind::Cite(_) | ItemKind::Use(_) | ItemKind::Plot(_) | ItemKind::Table(_) => {}
        }
    }
}

fn expect_roots(expect: &Expect, f: &mut dyn FnMut(&Expr)) {
    match &expect.claim {
        Claim::Holds(value) => f(value),
        Claim::Near(value, a, b) | Claim::Between(value, a, b) => [value, a, b].into_iter().for_each(&mut *f),
    }
    if let Moment::Step(step) = &expect.at {
        f(step);
    }
}

fn binding_roots(binding: &Let, f: &mut dyn FnMut(&Expr)) {
    param_roots(binding.params.as_deref().unwrap_or_default(), f);
    if let Some(ty) = &binding.ty {
        type_roots(ty, f);
    }
    f(&binding.value);
}

fn param_roots(params: &[Param], f: &mut dyn FnMut(&Expr)) {
    for param in params {
        if let Some(ty) = &param.ty {
            type_roots(ty, f);
        }
        if let Some(default) = &param.default {
            f(default);
        }
    }
}

fn type_roots(ty: &TypeExpr, f: &mut dyn FnMut(&Expr)) {
    match &ty.kind {
        TypeKind::Real(sizes) | TypeKind::Law(sizes) | TypeKind::Samples(sizes) => sizes.iter().for_each(f),
        TypeKind::Named(_) => {}
        TypeKind::List(of) => type_roots(of, f),
        TypeKind::Function(from, to) => {
            for ty in from {
                type_roots(ty, f);
            }
            type_roots(to, f);
        }
    }
}

fn block_roots(block: &Block, f: &mut dyn FnMut(&Expr, Position)) {
    block.statements.iter().for_each(|statement| statement_roots(statement, f));
}

fn statement_roots(statement: &Statement, f: &mut dyn FnMut(&Expr, Position)) {
    let mut free = |expr: &Expr| f(expr, Position::Free);
    match &statement.kind {
        StatementKind::Use(_) => {}
        StatementKind::Let(binding) => binding_roots(binding, &mut free),
        StatementKind::Time { from, to, .. } => {
            free(from);
            free(to);
        }
        StatementKind::State(declaration) | StatementKind::Control(declaration) | StatementKind::Noise(declaration) => {
            type_roots(&declaration.ty, &mut free);
        }
        StatementKind::Equation(equation) => {
            for term in &equation.terms {
                f(&term.integrand, Position::Integrand);
                term.differential.at.iter().for_each(|at| f(at, Position::Free));
            }
        }
        StatementKind::Boundary { at, value, .. } => {
            free(at);
            free(value);
        }
        StatementKind::Cost(value)
        | StatementKind::Stop(value)
        | StatementKind::Return(value)
        | StatementKind::Setting { value, .. }
        | StatementKind::Until(value)
        | StatementKind::Run(value)
        | StatementKind::Push { value, .. }
        | StatementKind::Assign { value, .. } => free(value),
        StatementKind::Repeat { times, body } => {
            times.iter().for_each(free);
            block_roots(body, f);
        }
        StatementKind::Every { rounds, body } => {
            free(rounds);
            block_roots(body, f);
        }
        StatementKind::Buffer { columns, capacity, .. } => {
            columns.iter().for_each(|column| type_roots(&column.ty, &mut free));
            free(capacity);
        }
        StatementKind::Solve { from, to, equation, otherwise, .. } => {
            [from, to, equation].into_iter().chain(otherwise).for_each(free);
        }
        StatementKind::Measure(measure) => {
            measure.every.iter().chain(&measure.from).for_each(free);
            block_roots(&measure.body, f);
        }
        StatementKind::Process { ty, body, .. } => {
            type_roots(ty, &mut free);
            block_roots(body, f);
        }
        StatementKind::Path { problem, control, batch, .. } => {
            free(problem);
            control.iter().chain(batch).for_each(free);
        }
        StatementKind::Parameter { ty, init, .. } => {
            type_roots(ty, &mut free);
            free(init);
        }
        StatementKind::Draw { law, batch, .. } => {
            free(law);
            batch.iter().for_each(free);
        }
        StatementKind::Minimize { objective, over } => {
            free(objective);
            for (_, optimiser) in over {
                free(optimiser);
            }
        }
    }
}

/// Calls `f` on the equations and integrals' differentials that hold a dot between integrand and differential.
pub(super) fn each_dotted(file: &File, f: &mut dyn FnMut(&Expr, &Differential)) {
    fn blocks(block: &Block, f: &mut dyn FnMut(&Expr, &Differential)) {
        for statement in &block.statements {
            match &statement.kind {
                StatementKind::Equation(equation) => {
                    equation
                        .terms
                        .iter()
                        .filter(|term| term.dot)
                        .for_each(|term| f(&term.integrand, &term.differential));
                }
                StatementKind::Process { body, .. }
                | StatementKind::Repeat { body, .. }
                | StatementKind::Every { body, .. }
                | StatementKind::Measure(Measure { body, .. }) => blocks(body, f),
                _ => {}
            }
        }
    }
    for item in &file.items {
        match &item.kind {
            ItemKind::Problem(definition) | ItemKind::Loss(definition) | ItemKind::Method(definition) => {
                blocks(&definition.body, f);
            }
            ItemKind::Layer(layer) => blocks(&layer.body, f),
            ItemKind::Train(block) => blocks(block, f),
            ItemKind::Measure(measure) => blocks(&measure.body, f),
            _ => {}
        }
    }
}
