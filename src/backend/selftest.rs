//! Whether a machine computes what it should: a small program for every kind of work, beside the reference evaluator.
//!
//! In: something that loads programs. Out: by how much each kind of work is off. May not know: which machine it is.

use ndarray::{ArrayD, IxDyn};

use super::reference::Reference;
use super::{Executor, Feed};
use crate::graph::{
    AxisId, AxisKind, Binary, Builder, Carry, Draw, Law, Lifetime, Op, Output, Pairing, ParameterInfo, Program,
    Reduction, RegionId, Scan, ScanOutput, Type, Unary, ValueId,
};

/// What a machine is tested for, and by how much it may be off, relative to the largest number of a result.
pub const TOLERANCE: f64 = 1e-5;

/// A kind of work and how it went.
#[derive(Clone, Debug)]
pub struct Tested {
    /// The kind.
    pub what: &'static str,
    /// The largest error, relative to the largest number of a result; or why there is none.
    pub off: Result<f64, String>,
}

impl Tested {
    /// Whether it is as it should be.
    pub fn holds(&self) -> bool {
        self.off.as_ref().is_ok_and(|off| *off <= TOLERANCE)
    }
}

/// Runs every kind of work on a machine.
pub fn selftest(load: impl Fn(Program) -> Result<Box<dyn Executor>, String>) -> Vec<Tested> {
    let kinds: [(&str, Build); 7] = [
        ("functions of numbers", functions),
        ("random numbers", draws),
        ("products", products),
        ("sums", sums),
        ("moves", moves),
        ("linear algebra", linear),
        ("loops", loops),
    ];
    kinds
        .into_iter()
        .map(|(what, build)| {
            let mut bench = Bench::new();
            build(&mut bench);
            Tested { what, off: bench.compare(&load) }
        })
        .collect()
}

/// Adds a kind of work to a program.
type Build = fn(&mut Bench);

struct Bench {
    b: Builder,
    sample: AxisId,
    time: AxisId,
    parameters: Vec<ArrayD<f64>>,
    streams: u64,
}

impl Bench {
    fn new() -> Self {
        let mut b = Builder::new();
        let sample = b.axis("sample", 70, AxisKind::Sample);
        let time = b.axis("time", 6, AxisKind::Time);
        Self { b, sample, time, parameters: Vec::new(), streams: 0 }
    }

    fn draw(&mut self, axes: &[AxisId], shape: &[usize], law: Law) -> ValueId {
        self.streams += 1;
        let draw = Draw { stream: self.streams, law, lifetime: Lifetime::Step, seed: None };
        self.b.push_typed(Op::Draw(draw), Some(Type::new(axes.iter().copied(), shape)))
    }

    fn parameter(&mut self, shape: &[usize]) -> ValueId {
        let number = self.parameters.len();
        let mut k = 0.0;
        self.parameters.push(ArrayD::from_shape_simple_fn(IxDyn(shape), || {
            k += 1.0;
            (k * 0.37 + number as f64) % 1.0 - 0.5
        }));
        let name = format!("p{number}");
        self.b.program_mut().parameters.push(ParameterInfo { name, shape: shape.to_vec() });
        self.b.push(Op::Parameter(number))
    }

    fn out(&mut self, v: ValueId) {
        let name = self.b.program().outputs.len().to_string();
        self.b.program_mut().outputs.push((Output::Named(name), v));
    }

    fn compare(self, load: impl Fn(Program) -> Result<Box<dyn Executor>, String>) -> Result<f64, String> {
        let program = self.b.finish();
        let mut machine = load(program.clone())?;
        let mut off = 0.0_f64;
        for step in 0..2 {
            let feed = Feed { parameters: &self.parameters, states: &[], step, seed: 1 };
            let ran = machine.execute(&feed);
            if let Some(lost) = machine.lost() {
                return Err(lost.why);
            }
            let found = ran.map_err(|fault| format!("a value is {}", fault.found))?;
            let want = Reference::new(program.clone()).execute(&feed).map_err(|f| format!("expected {}", f.found))?;
            for (found, want) in found.iter().zip(&want) {
                let scale = want.iter().fold(1e-3_f64, |most, x| most.max(x.abs()));
                off = found.iter().zip(want).fold(off, |off, (x, y)| off.max((x - y).abs() / scale));
            }
        }
        Ok(off)
    }
}

fn functions(t: &mut Bench) {
    let x = t.draw(&[t.sample], &[3], Law::Normal);
    let spread = t.b.unary(Unary::Exp, x);
    for f in [Unary::Tanh, Unary::Sigmoid, Unary::Softplus, Unary::Erf, Unary::Sin, Unary::Cos, Unary::Relu] {
        let y = t.b.unary(f, x);
        let y = t.b.binary(Binary::Multiply, y, spread);
        t.out(y);
    }
    for f in [Unary::Log, Unary::SquareRoot, Unary::Reciprocal] {
        let y = t.b.unary(f, spread);
        t.out(y);
    }
}

fn draws(t: &mut Bench) {
    for law in [Law::Normal, Law::Uniform] {
        let x = t.draw(&[t.sample, t.time], &[5], law);
        t.out(x);
    }
}

fn products(t: &mut Bench) {
    let (w, small) = (t.parameter(&[40, 33]), t.parameter(&[3, 33]));
    let x = t.draw(&[t.sample, t.time], &[33], Law::Normal);
    for matrix in [w, small] {
        let y = t.b.contract(matrix, &[0, 1], x, &[1], &[0], &[]);
        let gradient = t.b.contract(y, &[0], x, &[1], &[0, 1], &[t.sample, t.time]);
        t.out(y);
        t.out(gradient);
    }
    let dot = t.b.contract(x, &[0], x, &[0], &[], &[t.sample, t.time]);
    t.out(dot);
}

fn sums(t: &mut Bench) {
    let x = t.draw(&[t.sample, t.time], &[4], Law::Normal);
    for how in [Reduction::Sum, Reduction::Maximum, Reduction::LogSumExp] {
        for (axes, dims) in [(vec![t.sample, t.time], vec![0]), (vec![t.time], vec![]), (vec![], vec![0])] {
            let y = t.b.reduce(how, x, &axes, &dims);
            t.out(y);
        }
    }
    let y = t.b.push(Op::CumulativeSum { axis: t.time, reverse: true, exclusive: true, of: x });
    t.out(y);
}

fn moves(t: &mut Bench) {
    let x = t.draw(&[t.sample, t.time], &[4], Law::Normal);
    let last = t.b.push(Op::At { axis: t.time, index: 5, of: x });
    let all = [
        t.b.push(Op::Concat(0, vec![x, last])),
        t.b.push(Op::Pad { dim: 0, before: 1, after: 2, of: x }),
        t.b.push(Op::Gather { dim: 0, index: vec![3, 0, 0], of: x }),
        t.b.push(Op::ScatterAdd { dim: 0, index: vec![1, 1, 0, 2], size: 3, of: x }),
        t.b.push(Op::Shift { axis: t.time, by: 1, fill: last, of: x }),
        t.b.push(Op::Place { axis: t.time, index: 2, of: last }),
    ];
    for y in all {
        t.out(y);
    }
    let other = t.b.axis("other", 6, AxisKind::Time);
    let rows: Vec<_> = (0..6).map(|i| (i, 6 - i)).collect();
    let pairs = t.b.axis("pairs", 21, AxisKind::Index);
    let pairing = Pairing { axes: [t.time, other], pairs, rows: rows.into() };
    let both = t.draw(&[t.time, other], &[4], Law::Normal);
    for of in [x, both] {
        let picked = t.b.push(Op::Pick(pairing.clone(), of));
        let spread = t.b.push(Op::Spread(pairing.clone(), picked));
        t.out(picked);
        t.out(spread);
    }
}

fn linear(t: &mut Bench) {
    let noise = t.draw(&[t.sample], &[4, 4], Law::Uniform);
    let (eye, six) = (t.b.push(Op::Eye(4)), t.b.number(6.0));
    let eye = t.b.mul(eye, six);
    let matrix = t.b.add(noise, eye);
    let right = t.draw(&[t.sample], &[4], Law::Normal);
    let all = [t.b.push(Op::Solve(matrix, right)), t.b.push(Op::Inverse(matrix)), t.b.push(Op::Expm(noise))];
    for y in all {
        t.out(y);
    }
}

fn loops(t: &mut Bench) {
    let x0 = t.draw(&[t.sample], &[3], Law::Normal);
    let noise = t.draw(&[t.sample, t.time], &[3], Law::Normal);
    let matrix = t.parameter(&[3, 3]);
    let ty = t.b.ty(x0).clone();
    let region = t.b.region(RegionId::ROOT);
    let (x, dw) = (t.b.argument(region, 0, ty.clone()), t.b.argument(region, 1, ty));
    let drift = t.b.contract(matrix, &[0, 1], x, &[1], &[0], &[]);
    let moved = t.b.add(x, drift);
    let next = t.b.add(moved, dw);
    let scan = t.b.scan(Scan {
        region,
        axis: t.time,
        reverse: false,
        carries: vec![Carry { init: x0, argument: x, next }],
        slices: vec![(noise, dw)],
        stacked: vec![x],
    });
    for which in [ScanOutput::Final(0), ScanOutput::Stacked(0)] {
        let y = t.b.output(scan, which);
        t.out(y);
    }
}
