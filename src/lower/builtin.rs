//! The functions of the language itself.

use std::rc::Rc;

use super::call::{Arguments, positional};
use super::distances::Metric;
use super::environment::Scope;
use super::errors::{Lowered, fault};
use super::evaluations::counting_cell;
use super::experiment::{CopyRule, Rule};
use super::lowerer::{Lowerer, stream_of};
use super::operator::Operator;
use super::sampled::Among;
use super::tridiagonal::Bands;
use super::value::{Function, Optimizer, Value};
use crate::graph::{Binary, Draw, Law, Lifetime, Op, Output, Reduction, StateInfo, Type, Unary, ValueId};
use crate::source::{Span, Symbol};
use crate::syntax::tree::{Expr, ExprKind};

const UNARY: &[(&str, Unary)] = &[
    ("exp", Unary::Exp),
    ("log", Unary::Log),
    ("sqrt", Unary::SquareRoot),
    ("sin", Unary::Sin),
    ("cos", Unary::Cos),
    ("tanh", Unary::Tanh),
    ("relu", Unary::Relu),
    ("sigmoid", Unary::Sigmoid),
    ("softplus", Unary::Softplus),
    ("abs", Unary::Absolute),
    ("sign", Unary::Sign),
    ("erf", Unary::Erf),
    ("floor", Unary::Floor),
];

const OTHERS: &[&str] = &[
    "detach",
    "ema",
    "snapshot",
    "min",
    "max",
    "sum",
    "tr",
    "diag",
    "tridiagonal",
    "dot",
    "norm",
    "expm",
    "logsumexp",
    "softmax",
    "quantile",
    "I",
    "zeros",
    "ones",
    "randn",
    "reshape",
    "next",
    "choose",
    "adam",
    "sgd",
    "uniform",
    "normal",
    "student",
    "empirical",
    "mixture",
    "log_density",
    "evaluations",
    "W2",
    "other",
    "length",
    "first",
    "last",
    "rest",
    "concat",
    "solve",
];

/// The built-in function of this name.
pub fn named(name: &str) -> Option<&'static str> {
    UNARY.iter().map(|(n, _)| *n).chain(OTHERS.iter().copied()).find(|n| *n == name)
}

/// Whether the function gives a tensor of the shape of its argument.
pub fn keeps_shape(name: &str) -> bool {
    UNARY.iter().any(|(n, _)| *n == name) || name == "detach"
}

impl<'a> Lowerer<'a> {
    /// Applies a built-in function.
    pub fn call_builtin(&mut self, name: &'static str, given: Arguments<'a>, span: Span) -> Lowered<Value<'a>> {
        if let Some((_, f)) = UNARY.iter().find(|(n, _)| *n == name) {
            let args = positional(given);
            let [a] = args.as_slice() else { return Err(fault(span, format!("`{name}` takes one argument"))) };
            return self.map_scalar(*f, a, span);
        }
        match name {
            "adam" | "sgd" => self.optimizer(name, given, span),
            "ema" | "snapshot" if matches!(given.first(), Some((None, Value::Function(_)))) => {
                self.copied_function(name, given, span)
            }
            "ema" => self.running_mean(given, span),
            "uniform" | "normal" | "student" => self.law(name, &given, span),
            "mixture" => self.mixture(given, span),
            _ => {
                let args = positional(given);
                self.call_plain(name, &args, span)
            }
        }
    }

    fn call_plain(&mut self, name: &str, args: &[Value<'a>], span: Span) -> Lowered<Value<'a>> {
        match (name, args) {
            ("detach", [Value::Function(f)]) => Ok(Value::Function(Rc::new(Function::Detached(f.clone())))),
            ("detach", [a]) => {
                let v = self.tensor(a, span)?;
                Ok(Value::Tensor(self.b.detach(v)))
            }
            ("log_density", [Value::Law(law), x]) => {
                let x = self.tensor(x, span)?;
                let law = law.clone();
                self.log_density(&law, x, span).map(Value::Tensor)
            }
            ("evaluations", [Value::Function(f)]) if self.occasional => {
                let cell = counting_cell(f)
                    .ok_or_else(|| fault(span, "what is counted is a function of the text, or a net"))?;
                Ok(Value::Tensor(self.cell(&cell, &[], &[])))
            }
            ("other", [x]) => {
                let v = self.tensor(x, span)?;
                self.at_others(v, span).map(Value::Tensor)
            }
            ("W2", [x, y]) if self.occasional => self.distance(Metric::Wasserstein, x, y, span).map(Value::Tensor),
            ("min" | "max", [a, b]) => {
                let (x, y) = (self.tensor(a, span)?, self.tensor(b, span)?);
                Ok(Value::Tensor(self.b.binary(if name == "min" { Binary::Minimum } else { Binary::Maximum }, x, y)))
            }
            ("sum" | "max" | "logsumexp", [a]) => {
                let v = self.tensor(a, span)?;
                let dims: Vec<usize> = (0..self.b.ty(v).shape.len()).collect();
                let how = match name {
                    "sum" => Reduction::Sum,
                    "max" => Reduction::Maximum,
                    _ => Reduction::LogSumExp,
                };
                Ok(Value::Tensor(self.b.reduce(how, v, &[], &dims)))
            }
            ("softmax", [a]) => {
                let v = self.tensor(a, span)?;
                let total = self.b.reduce(Reduction::LogSumExp, v, &[], &[0]);
                let shifted = self.b.sub(v, total);
                Ok(Value::Tensor(self.b.unary(Unary::Exp, shifted)))
            }
            ("tr", [a]) => {
                let m = self.operator(a, span)?;
                let n = self.extent(&m).0;
                let dense = self.densify(&m)?;
                let eye = self.b.push(Op::Eye(n));
                Ok(Value::Tensor(self.b.contract(dense, &[0, 1], eye, &[0, 1], &[], &[])))
            }
            ("diag", [a]) => {
                let v = self.tensor(a, span)?;
                match self.b.ty(v).shape.len() {
                    1 => Ok(Value::Operator(Rc::new(Operator::Diagonal(v)))),
                    2 => {
                        let n = self.b.ty(v).shape[0];
                        let eye = self.b.push(Op::Eye(n));
                        Ok(Value::Tensor(self.b.contract(v, &[0, 1], eye, &[0, 1], &[0], &[])))
                    }
                    _ => Err(fault(span, "`diag` takes a vector or a matrix")),
                }
            }
            ("tridiagonal", [below, on, above]) => {
                let below = self.tensor(below, span)?;
                let on = self.tensor(on, span)?;
                let above = self.tensor(above, span)?;
                let sizes = [below, on, above].map(|v| self.b.ty(v).shape.clone());
                match [&sizes[0][..], &sizes[1][..], &sizes[2][..]] {
                    [[l], [n], [u]] if l + 1 == *n && u + 1 == *n => {
                        Ok(Value::Operator(Rc::new(Operator::Tridiagonal(Bands { below, on, above }))))
                    }
                    _ => Err(fault(span, "`tridiagonal` takes the entries below, on and above the diagonal")),
                }
            }
            ("dot", [a, b]) => {
                let (x, y) = (self.tensor(a, span)?, self.tensor(b, span)?);
                self.inner(x, y, span).map(Value::Tensor)
            }
            ("norm", [a]) => self.norm_power(a, &Value::Number(1.0), span),
            ("expm", [a]) => {
                let m = self.operator(a, span)?;
                let dense = self.densify(&m)?;
                Ok(Value::Operator(Rc::new(Operator::Dense(self.b.push(Op::Expm(dense))))))
            }
            ("solve", [a, b]) => {
                let m = self.operator(a, span)?;
                let v = self.tensor(b, span)?;
                self.apply(&Operator::Inverse(m), v).map(Value::Tensor)
            }
            ("choose", [count, ends @ ..]) => self.choose_times(count, ends, span).map(Value::Times),
            ("next", [Value::Time(at)]) => self.next_time(*at, span).map(Value::Time),
            ("length", [Value::List(items)]) => Ok(Value::Number(items.len() as f64)),
            ("length", [a]) => {
                let v = self.tensor(a, span)?;
                Ok(Value::Number(self.b.ty(v).shape.first().copied().unwrap_or(1) as f64))
            }
            ("first", [Value::List(items)]) => items.first().cloned().ok_or_else(|| fault(span, "the list is empty")),
            ("last", [Value::List(items)]) => items.last().cloned().ok_or_else(|| fault(span, "the list is empty")),
            ("rest", [Value::List(items)]) => match items.split_first() {
                Some((_, rest)) => Ok(Value::List(Rc::new(rest.to_vec()))),
                None => Err(fault(span, "the list is empty")),
            },
            ("concat", items) => {
                // In a list, lists are rows; here they are vectors like any other.
                let parts = items.iter().map(|item| self.tensor(item, span).map(Value::Tensor));
                let parts = parts.collect::<Lowered<Vec<_>>>()?;
                self.join(&parts, span).map(Value::Tensor)
            }
            _ => Err(fault(span, format!("`{name}` does not take {} such arguments", args.len()))),
        }
    }

    /// `I[d]`, `randn[d](seed = 0)`, `a[i]`, `widths[1]`, `x[1..3]`
    pub fn index_expr(
        &mut self,
        base: &'a Expr,
        items: &'a [Expr],
        scope: &Rc<Scope<'a>>,
        span: Span,
    ) -> Lowered<Value<'a>> {
        let value = self.expr(base, scope, None)?;
        if let Value::Function(f) = &value
            && let Function::Builtin(name) = &**f
        {
            if let [one] = items
                && let Some(among) = Self::is_plain_name(one).and_then(|key| Among::named(key.as_str()))
                && matches!(*name, "softmax" | "logsumexp" | "max" | "quantile")
            {
                return Ok(Value::Function(Rc::new(Function::OverSamples(name, among))));
            }
            let sizes = items.iter().map(|i| self.size(i, scope)).collect::<Lowered<Vec<_>>>()?;
            return self.sized(name, sizes, span);
        }
        if let Value::List(_) = &value
            && let [item] = items
        {
            let i = self.integer(item, scope)?;
            if i < 1 {
                return Err(fault(item.span, format!("indices start at 1, found {i}")));
            }
            return Self::element(&value, i as usize - 1, span);
        }
        let mut v = self.tensor(&value, span)?;
        if self.b.ty(v).shape.len() != items.len() {
            return Err(fault(span, format!("{} indices into the shape {:?}", items.len(), self.b.ty(v).shape)));
        }
        let mut kept = Vec::new();
        for (dim, item) in items.iter().enumerate() {
            let extent = self.b.ty(v).shape[dim] as i64;
            let (from, to, single) = match self.expr(item, scope, None)? {
                Value::Range(a, b) => (a, b, false),
                Value::Number(x) if x.fract() == 0.0 => (x as i64, x as i64, true),
                other => {
                    return Err(fault(
                        item.span,
                        format!("an index is a number or a range known before the run, found {}", other.kind()),
                    ));
                }
            };
            if from < 1 || to > extent || from > to {
                return Err(fault(item.span, format!("indices run from 1 to {extent}, found {from}..{to}")));
            }
            let length = (to - from + 1) as usize;
            v = self.b.push(Op::Slice { dim, start: from as usize - 1, length, of: v });
            if !single {
                kept.push(length);
            }
        }
        Ok(Value::Tensor(self.b.reshape(v, kept)))
    }

    fn sized(&mut self, name: &'static str, sizes: Vec<usize>, span: Span) -> Lowered<Value<'a>> {
        let ty = Type::shaped(sizes.clone());
        match name {
            "I" => {
                let [n] = sizes.as_slice() else { return Err(fault(span, "the identity takes one size")) };
                let one = self.b.number(1.0);
                Ok(Value::Operator(Rc::new(Operator::Scalar(one, *n))))
            }
            "zeros" if sizes.len() == 2 => Ok(Value::Operator(Rc::new(Operator::Zero(sizes[0], sizes[1])))),
            "zeros" => Ok(Value::Tensor(self.b.filled(0.0, ty))),
            "ones" => Ok(Value::Tensor(self.b.filled(1.0, ty))),
            _ => Ok(Value::Function(Rc::new(Function::Sized(name, sizes)))),
        }
    }

    /// `randn[d](seed = 0)`, `reshape[n, m](x)`
    pub fn call_sized(
        &mut self,
        name: &'static str,
        sizes: &[usize],
        given: Arguments<'a>,
        span: Span,
    ) -> Lowered<Value<'a>> {
        match name {
            "randn" => {
                let seed = match given.first() {
                    None => None,
                    Some((_, v)) => Some(self.known_value(v, span)? as u64),
                };
                let stream = if seed.is_some() { stream_of("seeded", 0) } else { self.stream() };
                let draw = Draw { stream, law: Law::Normal, lifetime: Lifetime::Run, seed };
                Ok(Value::Tensor(self.b.push_typed(Op::Draw(draw), Some(Type::shaped(sizes.to_vec())))))
            }
            "reshape" => {
                let v = self.tensors(&given, span)?;
                let [v] = v.as_slice() else { return Err(fault(span, "`reshape` takes one argument")) };
                if self.b.ty(*v).elements() != sizes.iter().product::<usize>() {
                    return Err(fault(
                        span,
                        format!("{} entries do not fill the shape {sizes:?}", self.b.ty(*v).elements()),
                    ));
                }
                let v = self.b.reshape(*v, sizes.to_vec());
                Ok(if sizes.len() == 2 { Value::Operator(Rc::new(Operator::Dense(v))) } else { Value::Tensor(v) })
            }
            _ => Err(fault(span, format!("`{name}` takes no sizes"))),
        }
    }

    /// `ema(e, rate = 0.002)`: m ← m + max(rate, 1/(n + 1))·(e − m) at its n-th run from 0: the plain mean until 1/rate values were seen, so
    /// that the noise of the first one does not stay for 1/rate steps. No gradient flows through it.
    fn running_mean(&mut self, given: Arguments<'a>, span: Span) -> Lowered<Value<'a>> {
        let mut rate = None;
        let mut value = None;
        for (name, v) in given {
            match name.as_ref().map(Symbol::as_str) {
                Some("rate") => rate = Some(v),
                None if value.is_none() => value = Some(v),
                None if rate.is_none() => rate = Some(v),
                _ => return Err(fault(span, "`ema` takes a value and a rate")),
            }
        }
        let (Some(value), Some(rate)) = (value, rate) else {
            return Err(fault(span, "`ema` takes a value and a rate"));
        };
        let v = self.tensor(&value, span)?;
        let v = self.b.detach(v);
        let rate = self.tensor(&rate, span)?;
        if !self.b.ty(v).axes.is_empty() {
            return Err(fault(span, "a running mean is of a value that varies over nothing; average it first, E[…]"));
        }
        let shape = self.b.ty(v).shape.clone();
        // Programs share cells of one name.
        let name = format!("{}.ema{}", self.purpose, self.b.program().states.len());
        let (number, old) = self.own_cell(name.clone(), shape);
        let one = self.b.number(1.0);
        let seen = if self.occasional {
            let (number, before) = self.own_cell(format!("{name}.runs"), Vec::new());
            let seen = self.b.add(before, one);
            self.b.program_mut().outputs.push((Output::State(number), seen));
            seen
        } else {
            let step = self.b.push(Op::Step);
            self.b.add(step, one)
        };
        let plain = self.b.div(one, seen);
        let rate = self.b.binary(Binary::Maximum, rate, plain);
        let change = self.b.sub(v, old);
        let change = self.b.mul(rate, change);
        let new = self.b.add(old, change);
        self.b.program_mut().outputs.push((Output::State(number), new));
        Ok(Value::Tensor(self.b.detach(new)))
    }

    /// A memory cell of its own: its number, and what it holds.
    fn own_cell(&mut self, name: String, shape: Vec<usize>) -> (usize, ValueId) {
        let number = self.b.program().states.len();
        self.b.program_mut().states.push(StateInfo { name, axes: Vec::new(), shape });
        (number, self.b.push(Op::State(number)))
    }

    /// `ema(u, decay = 0.999)`, `snapshot(u, every = 100)`: the function with its nets at a copy of their parameters.
    fn copied_function(&mut self, name: &str, given: Arguments<'a>, span: Span) -> Lowered<Value<'a>> {
        let mut given = given.into_iter();
        let Some((None, Value::Function(f))) = given.next() else {
            return Err(fault(span, format!("`{name}` takes a function")));
        };
        let option = given.next();
        if given.next().is_some() {
            return Err(fault(span, format!("`{name}` takes a function and one option")));
        }
        let number = match &option {
            Some((_, value)) => Some(self.known_value(value, span)?),
            None => None,
        };
        let rule = match (name, number) {
            ("ema", Some(decay)) => CopyRule::Mean { decay },
            ("ema", None) => return Err(fault(span, "`ema` of a function takes its decay")),
            (_, None) if self.scheduled => CopyRule::Taken { place: span.start },
            (_, every) => CopyRule::Held { every: every.map(|n| n as u64) },
        };
        Ok(Value::Function(Rc::new(Function::Copied(f, rule))))
    }

    fn optimizer(&mut self, name: &str, given: Arguments<'a>, span: Span) -> Lowered<Value<'a>> {
        let mut rate = None;
        let mut clip = None;
        let (mut beta1, mut beta2, mut epsilon, mut decay, mut momentum) = (0.9, 0.999, 1e-8, 0.0, 0.0);
        for (key, value) in given {
            let Some(key) = key else {
                rate = Some(value);
                continue;
            };
            if key.as_str() == "rate" {
                rate = Some(value);
                continue;
            }
            let x = self.known_value(&value, span)?;
            match (name, key.as_str()) {
                (_, "clip") => clip = Some(x),
                ("adam", "beta1") => beta1 = x,
                ("adam", "beta2") => beta2 = x,
                ("adam", "epsilon") => epsilon = x,
                ("adam", "decay") => decay = x,
                ("sgd", "momentum") => momentum = x,
                _ => return Err(fault(span, format!("`{name}` has no setting `{key}`"))),
            }
        }
        let rate = rate.ok_or_else(|| fault(span, format!("`{name}` takes a learning rate")))?;
        let rule = if name == "adam" { Rule::Adam { beta1, beta2, epsilon, decay } } else { Rule::Sgd { momentum } };
        Ok(Value::Optimizer(Rc::new(Optimizer { rule, rate, clip })))
    }

    /// Whether an expression is a name that the scope does not know as a function of the text.
    pub fn is_plain_name(e: &Expr) -> Option<&Symbol> {
        if let ExprKind::Name(name) = &e.kind { Some(&name.key) } else { None }
    }
}
