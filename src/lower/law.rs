//! Laws as values, and drawing from them.

use std::rc::Rc;
use std::sync::Arc;

use super::call::Arguments;
use super::errors::{Lowered, explained, fault};
use super::lowerer::Lowerer;
use super::operator::Operator;
use super::schedule::SampleDraw;
use super::value::Value;
use crate::graph::{Binary, Law, Op, Type, Unary, ValueId};
use crate::source::{Span, Symbol, Tensors};
use crate::syntax::tree::{Argument, Expr, ExprKind};

/// A law and its parameters.
#[derive(Clone)]
pub enum Distribution<'a> {
    /// shift + scale·z, entry by entry, with independent standard z.
    Entries {
        /// The law of z.
        law: Law,
        /// A number, or an array of the draw's shape.
        shift: ValueId,
        /// Likewise.
        scale: ValueId,
    },
    /// shift + scale·z, entry by entry, with independent z of Student's law with so many degrees of freedom.
    Student {
        /// The degrees of freedom.
        degrees: usize,
        /// A number, or an array of the draw's shape.
        shift: ValueId,
        /// Likewise.
        scale: ValueId,
    },
    /// m + L·z with a standard normal z.
    Linear {
        /// m, `[n]`.
        shift: ValueId,
        /// L, `[n, n]`.
        factor: Rc<Operator<'a>>,
    },
    /// One of the samples of a file, all alike.
    Empirical(Arc<Tensors>),
    /// One of several laws, by chance.
    Mixture {
        /// The chances, `[k]`.
        weights: ValueId,
        /// The laws, all of one shape.
        parts: Vec<Rc<Distribution<'a>>>,
    },
}

impl<'a> Distribution<'a> {
    /// The law of m + L·z. A multiple of the identity or a diagonal stays what it is.
    fn linear(shift: ValueId, factor: &Rc<Operator<'a>>) -> Self {
        match &**factor {
            Operator::Scalar(scale, _) | Operator::Diagonal(scale) => {
                Self::Entries { law: Law::Normal, shift, scale: *scale }
            }
            _ => Self::Linear { shift, factor: factor.clone() },
        }
    }
}

/// Degrees of freedom of Student's law beyond which it is taken for a slip: a draw takes as many normal numbers.
const MOST_DEGREES: f64 = 1000.0;

impl<'a> Lowerer<'a> {
    /// `normal(m, s)`, `uniform(a, b)`, `student(3, m, s)`
    pub fn law(&mut self, name: &str, given: &Arguments<'a>, span: Span) -> Lowered<Value<'a>> {
        if let ("normal", [(None, mean), (None, scale)]) = (name, given.as_slice()) {
            let shift = self.tensor(mean, span)?;
            let factor = if let Value::Operator(m) = scale {
                Some(m.clone())
            } else {
                let v = self.tensor(scale, span)?;
                let turns = self.b.ty(v).shape.len() == 2 && self.b.ty(shift).shape.len() == 1;
                turns.then(|| Rc::new(Operator::Dense(v)))
            };
            if let Some(factor) = factor {
                return Ok(Value::Law(Rc::new(Distribution::linear(shift, &factor))));
            }
        }
        if let ("student", [(None, Value::Number(degrees)), (None, shift), (None, scale)]) = (name, given.as_slice()) {
            if degrees.fract() != 0.0 || !(1.0..=MOST_DEGREES).contains(degrees) {
                let why = format!("the degrees of freedom are a whole number in 1..{MOST_DEGREES}, found {degrees}");
                return Err(fault(span, why));
            }
            let (shift, scale) = (self.tensor(shift, span)?, self.tensor(scale, span)?);
            return Ok(Value::Law(Rc::new(Distribution::Student { degrees: *degrees as usize, shift, scale })));
        }
        let v = self.tensors(given, span)?;
        let (law, shift, scale) = match (name, v.as_slice()) {
            ("uniform", [a, b]) => (Law::Uniform, *a, self.b.sub(*b, *a)),
            ("normal", [m, s]) => (Law::Normal, *m, *s),
            _ => return Err(fault(span, format!("`{name}` takes two arguments"))),
        };
        Ok(Value::Law(Rc::new(Distribution::Entries { law, shift, scale })))
    }

    /// `mixture(laws, weights = [0.3, 0.7])`; equal weights where none are given.
    pub fn mixture(&mut self, given: Arguments<'a>, span: Span) -> Lowered<Value<'a>> {
        let (mut laws, mut weights) = (None, None);
        for (name, value) in given {
            match name.as_ref().map(Symbol::as_str) {
                None if laws.is_none() => laws = Some(value),
                None | Some("weights") if weights.is_none() => weights = Some(value),
                _ => return Err(fault(span, "`mixture` takes a list of laws and their weights")),
            }
        }
        let Some(Value::List(items)) = laws else {
            return Err(fault(span, "`mixture` takes a list of laws"));
        };
        let parts: Option<Vec<_>> = items
            .iter()
            .map(|item| match item {
                Value::Law(law) => Some(law.clone()),
                _ => None,
            })
            .collect();
        let parts =
            parts.filter(|parts| !parts.is_empty()).ok_or_else(|| fault(span, "`mixture` takes a list of laws"))?;
        let n = parts.len();
        let weights = match weights {
            None => self.b.filled(1.0 / n as f64, Type::shaped([n])),
            Some(given) => {
                let v = self.tensor(&given, span)?;
                if self.b.ty(v).shape != [n] {
                    return Err(fault(span, format!("{n} laws take {n} weights, found {:?}", self.b.ty(v).shape)));
                }
                if let Value::List(entries) = &given {
                    self.check_weights(entries, span)?;
                }
                v
            }
        };
        Ok(Value::Law(Rc::new(Distribution::Mixture { weights, parts })))
    }

    /// Weights that are known now are chances.
    fn check_weights(&mut self, entries: &[Value<'a>], span: Span) -> Lowered<()> {
        let mut total = 0.0;
        for entry in entries {
            let v = self.tensor(entry, span)?;
            let Some(weight) = self.b.constant(v) else { return Ok(()) };
            if weight < 0.0 {
                return Err(fault(span, format!("weights are not negative, found {weight}")));
            }
            total += weight;
        }
        if (total - 1.0).abs() > 1e-9 {
            return Err(fault(span, format!("the weights of a mixture sum to one, these to {total}")));
        }
        Ok(())
    }

    /// The shape of what is drawn.
    pub fn shape_of(&self, law: &Distribution<'a>) -> Vec<usize> {
        match law {
            Distribution::Entries { shift, scale, .. } | Distribution::Student { shift, scale, .. } => {
                let shift = &self.b.ty(*shift).shape;
                if shift.is_empty() { self.b.ty(*scale).shape.clone() } else { shift.clone() }
            }
            Distribution::Linear { shift, .. } => self.b.ty(*shift).shape.clone(),
            Distribution::Empirical(file) => file.samples().shape()[1..].to_vec(),
            Distribution::Mixture { parts, .. } => self.shape_of(&parts[0]),
        }
    }

    /// `empirical("points.npy")`
    pub fn empirical(&mut self, arguments: &[Argument], module: usize, span: Span) -> Lowered<Value<'a>> {
        let [Argument { name: None, value: Expr { kind: ExprKind::Text(file), .. } }] = arguments else {
            return Err(fault(span, "`empirical` takes the name of a file between quotes"));
        };
        let samples = self.checked.modules[module].data.get(file);
        let samples = samples.ok_or_else(|| fault(span, format!("`{file}` was not read")))?;
        Ok(Value::Law(Rc::new(Distribution::Empirical(samples.clone()))))
    }

    /// Samples of a file, which the run draws before the program runs.
    fn draw_samples(&mut self, file: &Arc<Tensors>, span: Span) -> Lowered<ValueId> {
        let Some(sample) = self.sample else {
            return Err(fault(span, "samples of a file are drawn one per sample, and there are no samples here"));
        };
        if !self.frames.is_empty() {
            let what =
                "samples of a file are drawn before the program runs, and this is drawn anew in every round of a loop";
            let help = "draw them before the loop; in it they are then the same in every round";
            return Err(explained(span, what, "drawn here", help));
        }
        let stream = self.stream();
        let cell = format!("{}.samples{stream}", self.purpose);
        let shape = file.samples().shape()[1..].to_vec();
        let v = self.cell(&cell, &[sample], &shape);
        let rows = self.b.program().axis(sample).size;
        self.samples.push(SampleDraw { file: file.clone(), cell, rows, stream });
        Ok(v)
    }

    /// A draw of a law, independent for every sample.
    pub fn draw(&mut self, law: &Distribution<'a>, shape: Vec<usize>, span: Span) -> Lowered<ValueId> {
        match law {
            Distribution::Empirical(file) => self.draw_samples(file, span),
            Distribution::Entries { law, shift, scale } => {
                let standard = self.standard(*law, shape);
                let scaled = self.b.mul(*scale, standard);
                Ok(self.b.add(*shift, scaled))
            }
            Distribution::Student { degrees, shift, scale } => {
                let standard = self.standard(Law::Normal, shape.clone());
                // The sum of squares of as many normal numbers for each entry.
                let many: Vec<usize> = std::iter::once(*degrees).chain(shape).collect();
                let normals = self.standard(Law::Normal, many);
                let squares = self.b.unary(Unary::Power(2), normals);
                let total = self.b.sum(squares, &[], &[0]);
                let degrees = self.b.number(*degrees as f64);
                let mean = self.b.div(total, degrees);
                let root = self.b.unary(Unary::SquareRoot, mean);
                let z = self.b.div(standard, root);
                let scaled = self.b.mul(*scale, z);
                Ok(self.b.add(*shift, scaled))
            }
            Distribution::Linear { shift, factor } => {
                let standard = self.standard(Law::Normal, shape);
                let turned = self.apply(factor, standard)?;
                Ok(self.b.add(*shift, turned))
            }
            Distribution::Mixture { weights, parts } => {
                let chosen = self.choose(*weights, parts.len());
                if let Some((means, scales)) = self.stacked_normals(parts) {
                    let mean = self.b.contract(chosen, &[0], means, &[0, 1], &[1], &[]);
                    let scale = self.b.contract(chosen, &[0], scales, &[0, 1], &[1], &[]);
                    let standard = self.standard(Law::Normal, shape);
                    let scaled = self.b.mul(scale, standard);
                    return Ok(self.b.add(mean, scaled));
                }
                let mut total = None;
                for (k, part) in parts.iter().enumerate() {
                    let drawn = self.draw(part, shape.clone(), span)?;
                    let one = self.b.push(Op::Slice { dim: 0, start: k, length: 1, of: chosen });
                    let one = self.b.reshape(one, []);
                    let kept = self.b.mul(one, drawn);
                    total = Some(total.map_or(kept, |t| self.b.add(t, kept)));
                }
                Ok(total.expect("a mixture has parts"))
            }
        }
    }

    fn standard(&mut self, law: Law, shape: Vec<usize>) -> ValueId {
        let ty = Type::new(self.sample, shape);
        self.drawn_here(law, ty)
    }

    /// `[k]`, one where a uniform number falls into the part's share of (0, 1), else zero.
    fn choose(&mut self, weights: ValueId, n: usize) -> ValueId {
        let u = self.standard(Law::Uniform, Vec::new());
        let mut sum = None;
        let mut below = Vec::with_capacity(n);
        for k in 0..n {
            let w = self.b.push(Op::Slice { dim: 0, start: k, length: 1, of: weights });
            let w = self.b.reshape(w, []);
            let next = sum.map_or(w, |s| self.b.add(s, w));
            sum = Some(next);
            // Rounding leaves no gap after the last part.
            let is = if k + 1 == n { self.b.number(1.0) } else { self.b.binary(Binary::Less, u, next) };
            below.push(is);
        }
        let parts: Vec<ValueId> = (0..n)
            .map(|k| {
                let share = if k == 0 { below[0] } else { self.b.sub(below[k], below[k - 1]) };
                self.b.reshape(share, [1])
            })
            .collect();
        self.b.push(Op::Concat(0, parts))
    }

    /// Means and scales `[k, n]` of normal laws of vectors with independent entries.
    pub(super) fn stacked_normals(&mut self, parts: &[Rc<Distribution<'a>>]) -> Option<(ValueId, ValueId)> {
        let mut rows = (Vec::new(), Vec::new());
        for part in parts {
            let Distribution::Entries { law: Law::Normal, shift, scale } = &**part else { return None };
            let n = match self.b.ty(*shift).shape.as_slice() {
                [n] => *n,
                _ => return None,
            };
            let scale = match self.b.ty(*scale).shape.as_slice() {
                [] => {
                    let ty = Type { axes: self.b.ty(*scale).axes.clone(), shape: vec![n] };
                    self.b.broadcast(*scale, ty)
                }
                _ => *scale,
            };
            rows.0.push(self.b.reshape(*shift, [1, n]));
            rows.1.push(self.b.reshape(scale, [1, n]));
        }
        Some((self.b.push(Op::Concat(0, rows.0)), self.b.push(Op::Concat(0, rows.1))))
    }
}
