//! Top-level items.

use super::build::{Builder, Children};
use crate::syntax::grammar::{Pair, Rule};
use crate::syntax::tree::{
    BinaryOp, Bind, Block, Cite, Clause, Definition, Expr, ExprKind, Item, ItemKind, Layer, Net, Param, Plot,
    Statement, StatementKind, Stored, SweepAxis, Table, Text,
};

impl Builder<'_> {
    /// `item`
    pub fn item(&mut self, pair: Pair<'_>) -> Item {
        let form = Children::of(pair).next();
        let span = self.span(&form);
        let doc = self.scan.doc_before(self.text, (span.start - self.base) as usize);
        Item { doc, kind: self.item_kind(form), span }
    }

    fn item_kind(&mut self, form: Pair<'_>) -> ItemKind {
        let rule = form.as_rule();
        match rule {
            Rule::use_ => return ItemKind::Use(self.use_clause(form)),
            Rule::let_ => return ItemKind::Let(self.definition(form)),
            Rule::sweep => return ItemKind::Sweep(self.sweep(form)),
            Rule::expect => return ItemKind::Expect(self.expect(form)),
            _ => {}
        }
        let mut children = Children::of(form);
        match rule {
            Rule::cite => ItemKind::Cite(self.cite(&mut children)),
            Rule::profile => ItemKind::Profile(self.profile(&mut children)),
            Rule::problem => {
                let name = self.name(&children.next());
                if let Some(value) = children.take_if(Rule::expr) {
                    return ItemKind::Bind(Bind { name, value: self.expr(value) });
                }
                ItemKind::Problem(self.named_body(name, &mut children))
            }
            Rule::loss => {
                let name = self.name(&children.next());
                ItemKind::Loss(self.named_body(name, &mut children))
            }
            Rule::method => {
                let name = self.name(&children.next());
                ItemKind::Method(self.named_body(name, &mut children))
            }
            Rule::layer => ItemKind::Layer(self.layer(&mut children)),
            Rule::net => {
                let frozen = children.take_if(Rule::frozen).map(|frozen| self.span(&frozen));
                let name = self.name(&children.next());
                let inputs = self.params(children.next());
                let output = self.type_expr(children.next());
                let value = self.expr(children.next());
                let stored = children.take_if(Rule::stored).map(|stored| {
                    let mut parts = Children::of(stored);
                    let file = self.literal(&parts.next());
                    Stored { file, part: parts.take_if(Rule::text).map(|part| self.literal(&part)) }
                });
                ItemKind::Net(Net { name, inputs, output, value, stored, frozen })
            }
            Rule::train => ItemKind::Train(self.block(children.next())),
            Rule::measure => ItemKind::Measure(self.measure(&mut children)),
            Rule::plot => {
                let quantities = self.names(children.next());
                let against = self.name(&children.next());
                ItemKind::Plot(Plot { quantities, against, clauses: self.clauses(&mut children) })
            }
            _ => {
                let quantities = self.names(children.next());
                ItemKind::Table(Table { quantities, clauses: self.clauses(&mut children) })
            }
        }
    }

    fn cite(&mut self, children: &mut Children<'_>) -> Cite {
        let key = self.literal(&children.next());
        let fields = children.take_if(Rule::cite_fields).map(|fields| Children::of(fields).take_all(Rule::cite_field));
        let fields = fields.into_iter().flatten().map(|field| {
            let mut parts = Children::of(field);
            let name = self.name(&parts.next());
            let value = parts.next();
            let value = match value.as_rule() {
                Rule::text => self.literal(&value),
                _ => Text { value: value.as_str().into(), span: self.span(&value) },
            };
            (name, value)
        });
        Cite { key, fields: fields.collect() }
    }

    /// `sweep`
    pub(super) fn sweep(&mut self, form: Pair<'_>) -> Vec<SweepAxis> {
        let axes = Children::of(form).take_all(Rule::sweep_axis).into_iter().map(|axis| {
            let mut parts = Children::of(axis);
            let name = self.name(&parts.next());
            SweepAxis { name, values: self.ranged(parts.next()) }
        });
        axes.collect()
    }

    /// Parameters, requirements and body after the name of a problem, a loss or a method.
    fn named_body(&mut self, name: crate::source::Name, children: &mut Children<'_>) -> Definition {
        let params = children.take_if(Rule::params).map_or_else(Vec::new, |params| self.params(params));
        let mut requires = Vec::new();
        if let Some(clause) = children.take_if(Rule::requires) {
            let all = self.expr(Children::of(clause).next());
            split_at_and(all, &mut requires);
        }
        Definition { name, params, requires, body: self.block(children.next()) }
    }

    fn layer(&mut self, children: &mut Children<'_>) -> Layer {
        let name = self.name(&children.next());
        let first = self.params(children.next());
        let (params, inputs) = match children.take_if(Rule::params) {
            Some(inputs) => (first, self.params(inputs)),
            None => (Vec::new(), first),
        };
        let output = self.type_expr(children.next());
        let body = children.next();
        let body = if body.as_rule() == Rule::block {
            self.block(body)
        } else {
            let value = self.expr(body);
            let span = value.span;
            let kind = StatementKind::Return(value);
            Block { statements: vec![Statement { doc: String::new(), kind, span }], span }
        };
        Layer { name, params, inputs, output, body }
    }

    /// `params`
    pub fn params(&mut self, pair: Pair<'_>) -> Vec<Param> {
        Children::of(pair).take_all(Rule::param).into_iter().map(|param| self.param(param)).collect()
    }

    fn names(&mut self, pair: Pair<'_>) -> Vec<crate::source::Name> {
        Children::of(pair).take_all(Rule::name).iter().map(|name| self.name(name)).collect()
    }

    pub(super) fn clauses(&mut self, children: &mut Children<'_>) -> Vec<Clause> {
        let Some(clauses) = children.take_if(Rule::clauses) else { return Vec::new() };
        let clauses = Children::of(clauses).take_all(Rule::clause).into_iter().map(|clause| {
            let form = Children::of(clause).next();
            let rule = form.as_rule();
            let name = self.name(&Children::of(form).next());
            match rule {
                Rule::by => Clause::By(name),
                Rule::mean_over => Clause::MeanOver(name),
                _ => Clause::Log(name),
            }
        });
        clauses.collect()
    }
}

fn split_at_and(value: Expr, out: &mut Vec<Expr>) {
    match value.kind {
        ExprKind::Binary(BinaryOp::And, _, left, right) => {
            split_at_and(*left, out);
            split_at_and(*right, out);
        }
        _ => out.push(value),
    }
}
