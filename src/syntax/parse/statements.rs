//! Statements of all bodies.

use super::build::{Builder, Children};
use crate::source::Span;
use crate::syntax::errors::WordBound;
use crate::syntax::grammar::{Pair, Rule};
use crate::syntax::tree::{Block, Declaration, Equation, Expr, Let, Measure, Statement, StatementKind, Use, UsePath};

use super::expressions::is_word_function;

impl Builder<'_> {
    /// `{ … }`
    pub fn block(&mut self, pair: Pair<'_>) -> Block {
        let span = self.span(&pair);
        let mut statements = Vec::new();
        for statement in Children::of(pair).take_all(Rule::statement) {
            self.statement(statement, &mut statements);
        }
        Block { statements, span }
    }

    fn statement(&mut self, pair: Pair<'_>, out: &mut Vec<Statement>) {
        let form = Children::of(pair).next();
        let span = self.span(&form);
        let doc = self.scan.doc_before(self.text, (span.start - self.base) as usize);
        let rule = form.as_rule();
        if let Rule::state | Rule::control | Rule::noise = rule {
            for (at, declaration) in Children::of(form).take_all(Rule::declaration).into_iter().enumerate() {
                // The first one has the word with it.
                let own = self.span(&declaration);
                let span = if at == 0 { Span::new(span.start, own.end) } else { own };
                let declaration = self.declaration(declaration);
                let kind = match rule {
                    Rule::state => StatementKind::State(declaration),
                    Rule::control => StatementKind::Control(declaration),
                    _ => StatementKind::Noise(declaration),
                };
                out.push(Statement { doc: doc.clone(), kind, span });
            }
            return;
        }
        let kind = self.statement_kind(rule, form);
        out.push(Statement { doc, kind, span });
    }

    fn statement_kind(&mut self, rule: Rule, form: Pair<'_>) -> StatementKind {
        match rule {
            Rule::use_ => return StatementKind::Use(self.use_clause(form)),
            Rule::let_ => return StatementKind::Let(self.definition(form)),
            Rule::equation => return StatementKind::Equation(self.equation(form)),
            _ => {}
        }
        let mut children = Children::of(form);
        match rule {
            Rule::time => {
                let name = self.name(&children.next());
                let from = self.expr(children.next());
                StatementKind::Time { name, from, to: self.expr(children.next()) }
            }
            Rule::boundary => {
                let name = self.name(&children.next());
                let at = self.expr(children.next());
                let drawn = children.next().as_str() == "~";
                StatementKind::Boundary { name, at, drawn, value: self.expr(children.next()) }
            }
            Rule::measure => StatementKind::Measure(self.measure(&mut children)),
            Rule::cost => StatementKind::Cost(self.expr(children.next())),
            Rule::stop => StatementKind::Stop(self.expr(children.next())),
            Rule::process => {
                let name = self.name(&children.next());
                let ty = self.type_expr(children.next());
                let scheme = children.take_if(Rule::name).map(|name| self.name(&name));
                StatementKind::Process { name, ty, scheme, body: self.block(children.next()) }
            }
            Rule::path => {
                let state = self.name(&children.next());
                let noise = children.take_if(Rule::name).map(|name| self.name(&name));
                let exit = children.take_if(Rule::name).map(|name| self.name(&name));
                let problem = self.expr(children.next());
                let control = self.clause(&mut children, Rule::under);
                let batch = self.clause(&mut children, Rule::batch);
                StatementKind::Path { state, noise, exit, problem, control, batch }
            }
            Rule::parameter => {
                let name = self.name(&children.next());
                let ty = self.type_expr(children.next());
                let drawn = children.next().as_str() == "~";
                StatementKind::Parameter { name, ty, drawn, init: self.expr(children.next()) }
            }
            Rule::draw => {
                let names = children.take_all(Rule::name).iter().map(|name| self.name(name)).collect();
                let law = self.expr(children.next());
                let batch = self.clause(&mut children, Rule::batch);
                let weight = children.take_if(Rule::weight).map(|weight| self.name(&Children::of(weight).next()));
                StatementKind::Draw { names, law, batch, weight }
            }
            Rule::repeat
            | Rule::every
            | Rule::until
            | Rule::run
            | Rule::buffer
            | Rule::push
            | Rule::solve
            | Rule::assign => self.step_of_a_method(rule, &mut children),
            Rule::setting => {
                let name = self.name(&children.next());
                let value = Children::of(children.next()).next();
                StatementKind::Setting { name, value: self.expr(value) }
            }
            Rule::minimize => {
                let objective = self.expr(children.next());
                let movers = children.take_all(Rule::mover);
                let over = movers.into_iter().map(|mover| {
                    let mut parts = Children::of(mover);
                    let name = self.name(&parts.next());
                    (name, self.expr(parts.next()))
                });
                StatementKind::Minimize { objective, over: over.collect() }
            }
            _ => StatementKind::Return(self.expr(children.next())),
        }
    }

    /// The expression of a clause that may be missing.
    fn clause(&mut self, children: &mut Children<'_>, rule: Rule) -> Option<Expr> {
        children.take_if(rule).map(|clause| self.expr(Children::of(clause).next()))
    }

    pub(super) fn measure(&mut self, children: &mut Children<'_>) -> Measure {
        let every = children.take_if(Rule::expr).map(|every| self.expr(every));
        let from = children.take_if(Rule::expr).map(|from| self.expr(from));
        Measure { every, from, body: self.block(children.next()) }
    }

    fn step_of_a_method(&mut self, rule: Rule, children: &mut Children<'_>) -> StatementKind {
        match rule {
            Rule::repeat => {
                let times = children.take_if(Rule::expr).map(|times| self.expr(times));
                StatementKind::Repeat { times, body: self.block(children.next()) }
            }
            Rule::every => {
                let rounds = self.expr(children.next());
                StatementKind::Every { rounds, body: self.block(children.next()) }
            }
            Rule::until => StatementKind::Until(self.expr(children.next())),
            Rule::run => StatementKind::Run(self.expr(children.next())),
            Rule::buffer => {
                let name = self.name(&children.next());
                let columns = children.take_all(Rule::declaration).into_iter().map(|one| self.declaration(one));
                StatementKind::Buffer { name, columns: columns.collect(), capacity: self.expr(children.next()) }
            }
            Rule::push => {
                let value = self.expr(children.next());
                StatementKind::Push { value, buffer: self.name(&children.next()) }
            }
            Rule::solve => {
                let name = self.name(&children.next());
                let from = self.expr(children.next());
                let to = self.expr(children.next());
                let equation = self.expr(children.next());
                let otherwise = children.take_if(Rule::expr).map(|otherwise| self.expr(otherwise));
                StatementKind::Solve { name, from, to, equation, otherwise }
            }
            _ => {
                let name = self.name(&children.next());
                StatementKind::Assign { name, value: self.expr(children.next()) }
            }
        }
    }

    fn declaration(&mut self, pair: Pair<'_>) -> Declaration {
        let mut children = Children::of(pair);
        let name = self.name(&children.next());
        Declaration { name, ty: self.type_expr(children.next()) }
    }

    fn equation(&mut self, pair: Pair<'_>) -> Equation {
        let mut children = Children::of(pair);
        let name = self.differential(children.next()).name;
        let mut terms = Vec::new();
        while let Some(child) = children.take() {
            let (sign, term) = match child.as_rule() {
                Rule::sign => (Some(child), children.next()),
                _ => (None, child),
            };
            let negative = sign.as_ref().is_some_and(|sign| sign.as_str().starts_with('-'));
            let sign: Option<Span> = sign.filter(|_| negative).map(|sign| self.span(&sign));
            terms.push(self.term(negative, sign, term));
        }
        Equation { name, terms }
    }

    /// `let …` and the members of `with { … }`.
    pub fn definition(&mut self, pair: Pair<'_>) -> Let {
        let span = self.span(&pair);
        let mut children = Children::of(pair);
        let name = self.name(&children.next());
        let params = children.take_if(Rule::params).map(|params| self.params(params));
        if params.is_some() && is_word_function(&name.text) {
            self.sink.push(WordBound { name: name.text.clone(), here: name.span });
        }
        let ty = children.take_if(Rule::r#type).map(|ty| self.type_expr(ty));
        let value: Expr = self.expr(children.next());
        Let { name, params, ty, value, span }
    }

    /// `use P.{b, σ}`, `use std.losses.a`, `use "mine.soc".{a}`
    pub fn use_clause(&mut self, pair: Pair<'_>) -> Use {
        let span = self.span(&pair);
        let mut children = Children::of(pair);
        let from = children.next();
        let from = if from.as_rule() == Rule::text {
            UsePath::File(self.literal(&from))
        } else {
            let words = Children::of(from).take_all(Rule::word);
            UsePath::Dotted(words.iter().map(|word| self.name(word)).collect())
        };
        let names = children.take().map_or_else(Vec::new, |names| Children::of(names).take_all(Rule::word));
        Use { from, names: names.iter().map(|name| self.name(name)).collect(), span }
    }
}
