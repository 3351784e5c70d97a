//! `expect` statements as formulas of measured values.

use std::collections::BTreeMap;

use super::errors::{Lowered, fault};
use crate::source::{Name, Span, Symbol};
use crate::syntax::sweep::{label, meant};
use crate::syntax::tree::{self, BinaryOp, Clause, Expect, Expr, ExprKind, ItemKind, Moment, StatementKind, UnaryOp};
use crate::syntax::walk::measures;
use crate::typed::Checked;

/// What must be true of measured values.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// What is claimed.
    pub claim: Claim,
    /// The step whose values are looked at; `None` for those measured last.
    pub at: Option<Formula>,
    /// Asked of each value of these.
    pub by: Vec<String>,
    /// Asked of the average over these.
    pub mean_over: Vec<String>,
    /// The claim, in the file.
    pub span: Span,
    /// The claim and its moment without the clauses, in the file.
    pub claim_span: Span,
}

/// A claim about formulas.
#[derive(Clone, Debug)]
pub enum Claim {
    /// `a < b`
    Order(Formula, Order, Formula),
    /// `a in b ± c`: |a − b| ≤ c
    Near(Formula, Formula, Formula),
    /// `a in b..c`: b ≤ a ≤ c
    Between(Formula, Formula, Formula),
}

/// How two values compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// `<`
    Less,
    /// `≤`
    AtMost,
    /// `>`
    Greater,
    /// `≥`
    AtLeast,
}

/// A formula of measured values, evaluated once per choice of the averaged names.
#[derive(Clone, Debug)]
pub enum Formula {
    /// A number.
    Number(f64),
    /// A name whose value the cells know: see [`Cell::known`](super::Cell::known).
    Known(String),
    /// A measured quantity, and the values chosen of swept names.
    Quantity(String, Vec<(String, String)>),
    /// Arithmetic on one or two formulas.
    Arithmetic(Arithmetic, Vec<Formula>),
    /// The standard error of the mean over the averaged names.
    StandardError(Box<Formula>),
    /// The slope of the line through (log n, log formula) over the values of the swept name n, by least squares.
    Slope(Box<Formula>, String),
}

/// Operations on numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// −a
    Negate,
    /// |a|
    Absolute,
    /// √a
    Root,
    /// eᵃ
    Exp,
    /// ln a
    Log,
    /// a + b
    Add,
    /// a − b
    Subtract,
    /// a·b
    Multiply,
    /// a/b
    Divide,
    /// aᵇ
    Power,
    /// The smaller one.
    Min,
    /// The larger one.
    Max,
}

/// The expectations of the entry.
pub(super) fn expectations(checked: &Checked) -> Vec<Expectation> {
    let reader = Reader::new(checked);
    let items = checked.entry().tree.items.iter();
    // What the checker let pass has a formula.
    items
        .filter_map(|item| if let ItemKind::Expect(e) = &item.kind { reader.expectation(e).ok() } else { None })
        .collect()
}

/// The names in expectations that no measurement explains: values that each cell knows before it runs.
pub(super) fn known_names(checked: &Checked) -> BTreeMap<String, Name> {
    let reader = Reader::new(checked);
    let mut names = BTreeMap::new();
    for item in &checked.entry().tree.items {
        let ItemKind::Expect(expect) = &item.kind else { continue };
        let step = if let Moment::Step(step) = &expect.at { Some(step) } else { None };
        for formula in claim_parts(&expect.claim).into_iter().chain(step) {
            reader.collect_known(formula, &mut names);
        }
    }
    names
}

fn claim_parts(claim: &tree::Claim) -> Vec<&Expr> {
    match claim {
        tree::Claim::Holds(value) => vec![value],
        tree::Claim::Near(a, b, c) | tree::Claim::Between(a, b, c) => vec![a, b, c],
    }
}

struct Reader<'a> {
    checked: &'a Checked,
    /// The measured names as their measurements spell them.
    quantities: BTreeMap<Symbol, String>,
}

impl<'a> Reader<'a> {
    fn new(checked: &'a Checked) -> Self {
        let mut quantities = BTreeMap::new();
        for one in measures(&checked.entry().tree.items) {
            for statement in &one.measure.body.statements {
                if let StatementKind::Let(one) = &statement.kind {
                    quantities.insert(one.name.key.clone(), one.name.text.to_string());
                }
            }
        }
        Self { checked, quantities }
    }

    fn axes(&self) -> impl Iterator<Item = &'a tree::SweepAxis> {
        self.checked.entry().tree.items.iter().flat_map(|item| match &item.kind {
            ItemKind::Sweep(axes) => axes.as_slice(),
            _ => &[],
        })
    }

    /// A swept name as the sweep spells it.
    fn swept(&self, name: &Name) -> String {
        self.axes().find(|axis| axis.name == *name).map_or(&name.text, |axis| &axis.name.text).to_string()
    }

    fn expectation(&self, expect: &Expect) -> Lowered<Expectation> {
        let claim = match &expect.claim {
            tree::Claim::Holds(value) => self.order(value)?,
            tree::Claim::Near(a, b, c) => Claim::Near(self.formula(a)?, self.formula(b)?, self.formula(c)?),
            tree::Claim::Between(a, b, c) => Claim::Between(self.formula(a)?, self.formula(b)?, self.formula(c)?),
        };
        let at = match &expect.at {
            Moment::End => None,
            Moment::Step(step) => Some(self.formula(step)?),
        };
        let (mut by, mut mean_over) = (Vec::new(), Vec::new());
        for clause in &expect.clauses {
            match clause {
                Clause::By(name) => by.push(self.swept(name)),
                Clause::MeanOver(name) => mean_over.push(self.swept(name)),
                Clause::Log(_) => {}
            }
        }
        // An expectation is about the mean over seeds, unless it asks for each.
        let seeds = self.axes().filter(|axis| axis.name.key.as_str() == "seed").map(|axis| axis.name.text.to_string());
        let open: Vec<String> = seeds.filter(|seed| !by.contains(seed) && !mean_over.contains(seed)).collect();
        mean_over.extend(open);
        let moment = if let Moment::Step(step) = &expect.at { Some(step) } else { None };
        let parts = claim_parts(&expect.claim).into_iter().chain(moment);
        let claim_span = parts.fold(Span::NONE, |all, part| all.to(part.span));
        Ok(Expectation { claim, at, by, mean_over, span: expect.span, claim_span })
    }

    fn order(&self, value: &Expr) -> Lowered<Claim> {
        match &value.kind {
            ExprKind::Group(inner) => self.order(inner),
            ExprKind::Binary(op, _, left, right) => {
                let order = match op {
                    BinaryOp::Less => Order::Less,
                    BinaryOp::LessEqual => Order::AtMost,
                    BinaryOp::Greater => Order::Greater,
                    BinaryOp::GreaterEqual => Order::AtLeast,
                    _ => return Err(fault(value.span, "expected a comparison")),
                };
                Ok(Claim::Order(self.formula(left)?, order, self.formula(right)?))
            }
            _ => Err(fault(value.span, "expected a comparison")),
        }
    }

    fn formula(&self, e: &Expr) -> Lowered<Formula> {
        let unary = |op, a: &Expr| Ok(Formula::Arithmetic(op, vec![self.formula(a)?]));
        let binary = |op, a: &Expr, b: &Expr| Ok(Formula::Arithmetic(op, vec![self.formula(a)?, self.formula(b)?]));
        match &e.kind {
            ExprKind::Number { value, .. } => Ok(Formula::Number(*value)),
            ExprKind::Group(inner) => self.formula(inner),
            ExprKind::Norm(_, inner) => unary(Arithmetic::Absolute, inner),
            ExprKind::Unary(UnaryOp::Negate, _, inner) => unary(Arithmetic::Negate, inner),
            ExprKind::Unary(UnaryOp::SquareRoot, _, inner) => unary(Arithmetic::Root, inner),
            ExprKind::Binary(op, _, a, b) => match op {
                BinaryOp::Add => binary(Arithmetic::Add, a, b),
                BinaryOp::Subtract => binary(Arithmetic::Subtract, a, b),
                BinaryOp::Multiply => binary(Arithmetic::Multiply, a, b),
                BinaryOp::Divide => binary(Arithmetic::Divide, a, b),
                BinaryOp::Power => binary(Arithmetic::Power, a, b),
                _ => Err(fault(e.span, "expected arithmetic")),
            },
            ExprKind::Name(name) => Ok(match self.quantities.get(&name.key) {
                Some(spelled) => Formula::Quantity(spelled.clone(), Vec::new()),
                None => Formula::Known(name.key.as_str().to_owned()),
            }),
            ExprKind::Index(base, choices) => {
                let Formula::Quantity(name, _) = self.formula(base)? else {
                    return Err(fault(base.span, "expected a measured quantity"));
                };
                let chosen = choices.iter().map(|choice| self.chosen(choice)).collect::<Lowered<_>>()?;
                Ok(Formula::Quantity(name, chosen))
            }
            ExprKind::Call(callee, arguments) => {
                let word = match &callee.kind {
                    ExprKind::Name(name) => name.key.as_str(),
                    _ => "",
                };
                let values: Vec<&Expr> = arguments.iter().map(|argument| &argument.value).collect();
                match (word, values.as_slice()) {
                    ("abs", [a]) => unary(Arithmetic::Absolute, a),
                    ("exp", [a]) => unary(Arithmetic::Exp, a),
                    ("log", [a]) => unary(Arithmetic::Log, a),
                    ("sqrt", [a]) => unary(Arithmetic::Root, a),
                    ("min", [a, b]) => binary(Arithmetic::Min, a, b),
                    ("max", [a, b]) => binary(Arithmetic::Max, a, b),
                    ("standard_error", [a]) => Ok(Formula::StandardError(Box::new(self.formula(a)?))),
                    ("slope", [a, Expr { kind: ExprKind::Name(n), .. }]) => {
                        Ok(Formula::Slope(Box::new(self.formula(a)?), self.swept(n)))
                    }
                    _ => Err(fault(e.span, "expected a function of measured values")),
                }
            }
            _ => Err(fault(e.span, "expected a formula of measured values")),
        }
    }

    /// `L = a`: the swept name and the label of the value. A value that the command line left out of the sweep has no cell,
    /// which leaves the expectation open.
    fn chosen(&self, choice: &Expr) -> Lowered<(String, String)> {
        if let ExprKind::Binary(BinaryOp::Equal, _, name, value) = &choice.kind
            && let ExprKind::Name(name) = &name.kind
            && let Some(axis) = self.axes().find(|axis| axis.name == *name)
        {
            let label = meant(&axis.values, value).pop().unwrap_or_else(|| label(value));
            return Ok((axis.name.text.to_string(), label));
        }
        Err(fault(choice.span, "expected the value of a swept name"))
    }

    fn collect_known(&self, e: &Expr, names: &mut BTreeMap<String, Name>) {
        match &e.kind {
            ExprKind::Name(name) if !self.quantities.contains_key(&name.key) => {
                names.insert(name.key.as_str().to_owned(), name.clone());
            }
            // Choices name values of sweeps, and functions stand before their arguments.
            ExprKind::Index(..) => {}
            ExprKind::Call(_, arguments) => {
                arguments.iter().for_each(|argument| self.collect_known(&argument.value, names));
            }
            _ => crate::syntax::walk::for_each_part(e, |part| self.collect_known(part, names)),
        }
    }
}
