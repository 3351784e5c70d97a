//! Programs that between them have every operation, and programs put together at random. Who includes this says how each
//! is compared with the reference evaluator.

use ndarray::{ArrayD, IxDyn};
use socrun::backend::{Executor, Fault, Feed};
use socrun::graph::{
    AxisId, AxisKind, Binary, Builder, Carry, Draw, Law, Lifetime, Op, Output, Pairing, ParameterInfo, Program,
    Reduction, RegionId, Scan, ScanOutput, StateInfo, Type, Unary, ValueId,
};
use socrun::transform::vjp;

use super::{compare, fault};

/// Numbers for tables and parameters, spread over (−1, 1).
fn numbers(shape: &[usize], salt: u64) -> ArrayD<f64> {
    let mut state = salt.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from(((state >> 40) as f32 / 8_388_608.0) - 1.0)
    })
}

pub struct Bench {
    pub b: Builder,
    pub parameters: Vec<ArrayD<f64>>,
    pub states: Vec<ArrayD<f64>>,
    streams: u64,
}

impl Bench {
    pub fn new() -> Self {
        Self { b: Builder::new(), parameters: Vec::new(), states: Vec::new(), streams: 0 }
    }

    pub fn parameter(&mut self, shape: &[usize]) -> ValueId {
        let i = self.parameters.len();
        self.parameters.push(numbers(shape, 77 + i as u64));
        self.b.program_mut().parameters.push(ParameterInfo { name: format!("p{i}"), shape: shape.to_vec() });
        self.b.push(Op::Parameter(i))
    }

    pub fn state(&mut self, shape: &[usize]) -> ValueId {
        let i = self.states.len();
        self.states.push(numbers(shape, 177 + i as u64));
        self.b.program_mut().states.push(StateInfo { name: format!("s{i}"), axes: vec![], shape: shape.to_vec() });
        self.b.push(Op::State(i))
    }

    pub fn draw(&mut self, axes: &[AxisId], shape: &[usize]) -> ValueId {
        self.streams += 1;
        let draw = Draw { stream: self.streams, law: Law::Normal, lifetime: Lifetime::Step, seed: None };
        self.b.push_typed(Op::Draw(draw), Some(Type::new(axes.iter().copied(), shape)))
    }

    pub fn table(&mut self, axes: &[AxisId], shape: &[usize]) -> ValueId {
        let ty = Type::new(axes.iter().copied(), shape);
        let extents = self.b.program().extents(&ty);
        self.b.table(numbers(&extents, 5), ty)
    }

    pub fn out(&mut self, v: ValueId) {
        let n = self.b.program().outputs.len();
        self.b.program_mut().outputs.push((Output::Named(format!("o{n}")), v));
    }

    /// Compares all outputs on both machines for two runs.
    pub fn check(self) {
        self.check_to(1e-5);
    }

    /// What one run gives, and what the machine says of its memory.
    #[allow(dead_code, reason = "devices alone are asked")]
    pub fn run_on<E: Executor>(self, load: impl Fn(Program) -> E) -> (Vec<ArrayD<f64>>, E) {
        let mut machine = load(self.b.finish());
        let outputs = machine.execute(&feed(&self.parameters, &self.states, 0)).expect("finite");
        (outputs, machine)
    }

    fn check_to(self, tolerance: f64) {
        let program = self.b.finish();
        compare(&program, &self.parameters, &self.states, tolerance);
    }
}

pub fn feed<'a>(parameters: &'a [ArrayD<f64>], states: &'a [ArrayD<f64>], step: u64) -> Feed<'a> {
    Feed { parameters, states, step, seed: 11 }
}

/// A batch with a short last tile, a time axis and a plain one.
fn axes(bench: &mut Bench) -> (AxisId, AxisId, AxisId) {
    let sample = bench.b.axis("sample", 150, AxisKind::Sample);
    let time = bench.b.axis("t", 7, AxisKind::Time);
    let index = bench.b.axis("i", 3, AxisKind::Index);
    (sample, time, index)
}

#[test]
fn unary_functions() {
    for f in [
        Unary::Negate,
        Unary::Absolute,
        Unary::Sign,
        Unary::Heaviside,
        Unary::Exp,
        Unary::Sin,
        Unary::Cos,
        Unary::Tanh,
        Unary::Sigmoid,
        Unary::Softplus,
        Unary::Relu,
        Unary::Erf,
        Unary::Power(2),
        Unary::Power(3),
        Unary::Power(5),
        Unary::Floor,
    ] {
        let mut t = Bench::new();
        let (sample, time, _) = axes(&mut t);
        for (axes, shape) in [(vec![sample, time], vec![5]), (vec![time], vec![3, 2]), (vec![], vec![])] {
            let x = t.draw(&axes, &shape);
            let y = t.b.unary(f, x);
            t.out(y);
        }
        t.check();
    }
    for f in [Unary::Log, Unary::SquareRoot, Unary::Reciprocal, Unary::Power(-2)] {
        let mut t = Bench::new();
        let (sample, time, _) = axes(&mut t);
        let x = t.draw(&[sample, time], &[5]);
        let x = t.b.unary(Unary::Exp, x);
        let y = t.b.unary(f, x);
        t.out(y);
        t.check();
    }
}

#[test]
fn binary_functions_join_axes() {
    for f in [
        Binary::Add,
        Binary::Subtract,
        Binary::Multiply,
        Binary::Divide,
        Binary::Power,
        Binary::Minimum,
        Binary::Maximum,
        Binary::Less,
        Binary::LessEqual,
        Binary::Equal,
    ] {
        let mut t = Bench::new();
        let (sample, time, index) = axes(&mut t);
        let operands = [
            t.draw(&[sample, time], &[5]),
            t.draw(&[sample, index], &[5]),
            t.table(&[time, index], &[5]),
            t.draw(&[sample], &[]),
            t.parameter(&[5]),
        ];
        let two = t.b.number(2.0);
        for a in operands {
            for b in operands.into_iter().chain([two]) {
                let (a, b) = if matches!(f, Binary::Power | Binary::Divide) {
                    let a = t.b.unary(Unary::Sigmoid, a);
                    let b = t.b.unary(Unary::Sigmoid, b);
                    (a, b)
                } else {
                    (a, b)
                };
                let y = t.b.binary(f, a, b);
                let z = t.b.binary(f, b, y);
                t.out(y);
                t.out(z);
            }
        }
        t.check();
    }
}

#[test]
fn choices() {
    let mut t = Bench::new();
    let (sample, time, _) = axes(&mut t);
    let (x, y, z) = (t.draw(&[sample, time], &[4]), t.draw(&[sample], &[4]), t.parameter(&[4]));
    let zero = t.b.number(0.0);
    let c = t.b.binary(Binary::Less, x, zero);
    for (a, b) in [(x, y), (y, z), (z, zero), (zero, x)] {
        let r = t.b.push(Op::Select(c, a, b));
        t.out(r);
    }
    t.check();
}

#[test]
fn draws_of_every_kind() {
    let mut t = Bench::new();
    let (sample, time, index) = axes(&mut t);
    for law in [Law::Normal, Law::Uniform] {
        for lifetime in [Lifetime::Run, Lifetime::Step] {
            for seed in [None, Some(5)] {
                for (axes, shape) in [
                    (vec![sample, time], vec![6]),
                    (vec![sample], vec![]),
                    (vec![time, index], vec![3, 3]),
                    (vec![], vec![9]),
                    (vec![sample, time, index], vec![2, 3]),
                ] {
                    t.streams += 1;
                    let draw = Draw { stream: t.streams, law, lifetime, seed };
                    let x = t.b.push_typed(Op::Draw(draw), Some(Type::new(axes, shape)));
                    t.out(x);
                }
            }
        }
    }
    t.check();
}

#[test]
fn contractions() {
    let mut t = Bench::new();
    let (sample, time, index) = axes(&mut t);
    let w = t.parameter(&[6, 5]);
    let x = t.draw(&[sample, time], &[5]);
    let y = t.draw(&[sample, time], &[6]);
    let u = t.draw(&[sample], &[5]);
    let m = t.draw(&[time, index], &[6, 5]);
    let s = t.draw(&[sample], &[6, 5]);
    let free = t.draw(&[time], &[5]);
    let g = t.table(&[sample], &[5]);
    type Case = (ValueId, &'static [u8], ValueId, &'static [u8], &'static [u8], Vec<AxisId>);
    let cases: Vec<Case> = vec![
        (w, &[0, 1], x, &[1], &[0], vec![]),
        (x, &[1], w, &[0, 1], &[0], vec![]),
        (w, &[0, 1], y, &[0], &[1], vec![]),
        (y, &[0], x, &[1], &[0, 1], vec![sample, time]),
        (y, &[0], x, &[1], &[1, 0], vec![sample]),
        (y, &[0], x, &[1], &[1, 0], vec![time]),
        (x, &[0], x, &[0], &[], vec![]),
        (x, &[0], x, &[0], &[], vec![sample, time]),
        (x, &[0], x, &[0], &[0], vec![sample]),
        (x, &[0], u, &[0], &[], vec![time]),
        (s, &[0, 1], x, &[1], &[0], vec![]),
        (s, &[0, 1], x, &[1], &[0], vec![time]),
        (s, &[0, 1], s, &[2, 1], &[0, 2], vec![]),
        (m, &[0, 1], x, &[1], &[0], vec![]),
        (m, &[0, 1], x, &[1], &[0], vec![time]),
        (m, &[0, 1], x, &[1], &[0], vec![index]),
        (m, &[0, 1], m, &[2, 1], &[2, 0], vec![]),
        (m, &[0, 1], m, &[0, 1], &[], vec![time]),
        (m, &[0, 1], w, &[2, 1], &[2, 0], vec![]),
        (w, &[0, 1], x, &[2], &[0, 2], vec![]),
        (w, &[0, 1], x, &[2], &[0], vec![sample]),
        (u, &[0], free, &[1], &[0, 1], vec![]),
        (u, &[0], free, &[0], &[], vec![]),
        (u, &[0], free, &[0], &[], vec![sample, time]),
        (g, &[0], x, &[0], &[], vec![]),
        (free, &[0], free, &[1], &[1, 0], vec![]),
    ];
    for (a, la, b, lb, out, axes) in cases {
        let y = t.b.contract(a, la, b, lb, out, &axes);
        t.out(y);
    }
    t.check();
}

#[test]
fn large_products() {
    for batch in [20, 64, 100, 128, 300] {
        let mut t = Bench::new();
        let sample = t.b.axis("sample", batch, AxisKind::Sample);
        let time = t.b.axis("t", 9, AxisKind::Time);
        let other = t.b.axis("s", 9, AxisKind::Time);
        let w = t.parameter(&[70, 33]);
        let x = t.draw(&[sample, time], &[33]);
        let y = t.draw(&[sample, time], &[70]);
        let h = t.b.contract(w, &[0, 1], x, &[1], &[0], &[]);
        let back = t.b.contract(w, &[0, 1], y, &[0], &[1], &[]);
        let weights = t.b.contract(y, &[0], x, &[1], &[0, 1], &[sample, time]);
        let m = t.draw(&[time, other], &[6, 5]);
        let v = t.draw(&[sample, other], &[5]);
        let kernel = t.b.contract(m, &[0, 1], v, &[1], &[0], &[other]);
        let g = t.draw(&[sample, time], &[6]);
        let kernel_back = t.b.contract(g, &[0], v, &[1], &[0, 1], &[sample]);
        let pairs = t.draw(&[time, other], &[33]);
        let pair_net = t.b.contract(w, &[0, 1], pairs, &[1], &[0], &[]);
        let pair_weights = t.b.contract(pair_net, &[0], pairs, &[1], &[0, 1], &[time, other]);
        for v in [h, back, weights, kernel, kernel_back, pair_net, pair_weights] {
            t.out(v);
        }
        t.check();
    }
}

#[test]
fn reductions() {
    for how in [Reduction::Sum, Reduction::Maximum, Reduction::LogSumExp] {
        let mut t = Bench::new();
        let (sample, time, index) = axes(&mut t);
        let x = t.draw(&[sample, time, index], &[4, 3]);
        let y = t.draw(&[time, index], &[4, 3]);
        let cases: Vec<(Vec<AxisId>, Vec<usize>)> = vec![
            (vec![sample], vec![]),
            (vec![time], vec![]),
            (vec![], vec![0]),
            (vec![], vec![1]),
            (vec![time, index], vec![0, 1]),
            (vec![sample, time, index], vec![0, 1]),
            (vec![sample, index], vec![1]),
            (vec![sample], vec![0, 1]),
        ];
        for (axes, dims) in cases {
            let r = t.b.reduce(how, x, &axes, &dims);
            t.out(r);
            if !axes.contains(&sample) {
                let r = t.b.reduce(how, y, &axes, &dims);
                t.out(r);
            }
        }
        t.check();
    }
}

#[test]
fn sums_along_an_axis() {
    let mut t = Bench::new();
    let (sample, time, index) = axes(&mut t);
    let values = [t.draw(&[sample, time], &[4]), t.draw(&[time, index], &[2]), t.draw(&[time], &[])];
    for of in values {
        for reverse in [false, true] {
            for exclusive in [false, true] {
                let y = t.b.push(Op::CumulativeSum { axis: time, reverse, exclusive, of });
                t.out(y);
            }
        }
    }
    t.check();
}

#[test]
fn shapes_and_views() {
    let mut t = Bench::new();
    let (sample, time, index) = axes(&mut t);
    let time2 = t.b.axis("s", 7, AxisKind::Time);
    for axes in [vec![sample, time], vec![time, index], vec![sample], vec![]] {
        let x = t.draw(&axes, &[4, 6]);
        let mut results = vec![
            t.b.push(Op::Transpose(vec![1, 0], x)),
            t.b.push(Op::Slice { dim: 1, start: 2, length: 3, of: x }),
            t.b.push(Op::Pad { dim: 0, before: 1, after: 2, of: x }),
            t.b.push(Op::Gather { dim: 1, index: vec![5, 0, 1, 2, 2], of: x }),
            t.b.push(Op::ScatterAdd { dim: 0, index: vec![1, 1, 0, 4], size: 6, of: x }),
            t.b.reshape(x, [24]),
            t.b.reshape(x, [2, 2, 6]),
            t.b.reshape(x, [3, 8]),
            t.b.push(Op::Concat(0, vec![x, x])),
            t.b.spread(x, &[sample, time2]),
        ];
        results.push(t.b.reshape(results[0], [3, 8]));
        results.push(t.b.reshape(results[1], [12]));
        results.push(t.b.push(Op::Concat(1, vec![results[1], x, results[4 - 1]])));
        for r in results {
            // The values themselves, and something computed from them.
            let y = t.b.unary(Unary::Tanh, r);
            let y = t.b.add(y, r);
            t.out(r);
            t.out(y);
        }
    }
    let s = t.draw(&[sample], &[]);
    let wide = t.b.broadcast(s, Type::new([sample, time], [3]));
    t.out(wide);
    t.check();
}

#[test]
fn entries_along_axes() {
    let mut t = Bench::new();
    let (sample, time, index) = axes(&mut t);
    let time2 = t.b.axis("s", 7, AxisKind::Time);
    for axes in [vec![sample, time], vec![time, index], vec![time]] {
        let x = t.draw(&axes, &[3]);
        let at = t.b.push(Op::At { axis: time, index: 4, of: x });
        let renamed = t.b.push(Op::Rename { from: time, to: time2, of: x });
        let place = t.b.push(Op::Place { axis: time2, index: 2, of: at });
        let pairs = t.b.mul(x, renamed);
        let count = t.b.axis("pair", 12, AxisKind::Index);
        let rows = [(0, 2), (3, 1), (0, 0), (1, 6), (0, 0), (6, 1), (2, 2)];
        let pairing = Pairing { axes: [time, time2], pairs: count, rows: rows.into() };
        let picked = t.b.push(Op::Pick(pairing.clone(), pairs));
        let half = t.b.push(Op::Pick(pairing.clone(), renamed));
        let spread = t.b.push(Op::Spread(pairing, half));
        let mut all = vec![at, renamed, place, pairs, picked, half, spread];
        for by in [1, 3, -2, 9, -9, 0] {
            all.push(t.b.push(Op::Shift { axis: time, by, fill: at, of: x }));
        }
        for v in all {
            let y = t.b.unary(Unary::Sin, v);
            t.out(v);
            t.out(y);
        }
    }
    let count = t.b.push(Op::Iota(time));
    let samples = t.b.push(Op::Iota(sample));
    let eye = t.b.push(Op::Eye(4));
    let step = t.b.push(Op::Step);
    let table = t.table(&[sample, time], &[2]);
    let cell = t.state(&[2, 2]);
    for v in [count, samples, eye, step, table, cell] {
        let y = t.b.unary(Unary::Cos, v);
        t.out(v);
        t.out(y);
    }
    let y = t.b.add(count, samples);
    t.out(y);
    t.check();
}

#[test]
fn linear_algebra() {
    algebra(4, 8.0, |sample, time| vec![vec![sample, time], vec![time], vec![]]);
}

/// A device takes these apart in dispatches over entries.
#[test]
fn linear_algebra_of_large_matrices() {
    algebra(12, 12.0, |sample, time| vec![vec![sample], vec![time]]);
    algebra(33, 20.0, |sample, time| vec![vec![sample], vec![time], vec![]]);
}

/// Solutions, inverses and exponentials of matrices with so many rows about a multiple of the identity, along some axes.
fn algebra(n: usize, about: f64, along: impl Fn(AxisId, AxisId) -> Vec<Vec<AxisId>>) {
    let mut t = Bench::new();
    let (sample, time, _) = axes(&mut t);
    for axes in along(sample, time) {
        let a = t.draw(&axes, &[n, n]);
        let eye = t.b.push(Op::Eye(n));
        let about = t.b.number(about);
        let eye = t.b.mul(eye, about);
        let a = t.b.add(a, eye);
        let (b, c) = (t.draw(&axes, &[n]), t.draw(&[time], &[n, 2]));
        let tenth = t.b.number(0.1);
        let small = t.b.mul(a, tenth);
        for op in [Op::Solve(a, b), Op::Solve(a, c), Op::Inverse(a), Op::Expm(small)] {
            let v = t.b.push(op);
            t.out(v);
        }
    }
    t.check();
}

/// A scan x ← x + (A x + s) h with stacked states and activations.
fn euler(t: &mut Bench, axis: AxisId, x0: ValueId, slices: &[ValueId], reverse: bool) -> (ValueId, ValueId, ValueId) {
    let ty = t.b.ty(x0).clone();
    let n = ty.shape[0];
    let region = t.b.region(RegionId::ROOT);
    let x = t.b.argument(region, 0, ty);
    let a = t.parameter(&[n, n]);
    let mut rate = t.b.contract(a, &[0, 1], x, &[1], &[0], &[]);
    let mut arguments = Vec::new();
    for (i, s) in slices.iter().enumerate() {
        let st = t.b.ty(*s).clone();
        let argument = t.b.argument(region, 1 + i, Type::new(st.axes.iter().copied().filter(|x| *x != axis), st.shape));
        rate = t.b.add(rate, argument);
        arguments.push((*s, argument));
    }
    let active = t.b.unary(Unary::Tanh, rate);
    let h = t.b.number(0.1);
    let move_by = t.b.mul(active, h);
    let next = t.b.add(x, move_by);
    let scan = t.b.scan(Scan {
        region,
        axis,
        reverse,
        carries: vec![Carry { init: x0, argument: x, next }],
        slices: arguments,
        stacked: vec![x, active],
    });
    (
        t.b.output(scan, ScanOutput::Final(0)),
        t.b.output(scan, ScanOutput::Stacked(0)),
        t.b.output(scan, ScanOutput::Stacked(1)),
    )
}

#[test]
fn scans() {
    for reverse in [false, true] {
        for free in [false, true] {
            let mut t = Bench::new();
            let (sample, time, index) = axes(&mut t);
            let own: Vec<AxisId> = if free { vec![index] } else { vec![sample, index] };
            let x0 = t.draw(&own, &[3]);
            let along: Vec<AxisId> = own.iter().copied().chain([time]).collect();
            let noise = t.draw(&along, &[3]);
            let (last, path, active) = euler(&mut t, time, x0, &[noise], reverse);
            let (again, path2, _) = euler(&mut t, time, last, &[path, active], !reverse);
            let total = t.b.sum(path2, &[time], &[0]);
            for v in [last, path, active, again, path2, total] {
                t.out(v);
            }
            if !free {
                let mean = t.b.sum(path, &[sample], &[]);
                let centred = t.b.sub(path, mean);
                let spread = t.b.contract(centred, &[0], centred, &[1], &[0, 1], &[sample, time]);
                t.out(spread);
                t.out(centred);
            }
            t.check();
        }
    }
}

/// Paths that a small net steers, with noise that nobody else reads, and the gradient of their mean end by its weights.
pub fn steered(t: &mut Bench, batch: usize, widths: [usize; 2]) -> Vec<ValueId> {
    let sample = t.b.axis("sample", batch, AxisKind::Sample);
    let time = t.b.axis("t", 7, AxisKind::Time);
    let [wide, narrow] = widths;
    let weights = [t.parameter(&[wide, 5]), t.parameter(&[narrow, wide]), t.parameter(&[5, narrow])];
    let bias = t.parameter(&[wide]);
    let x0 = t.parameter(&[5]);
    let x0 = t.b.broadcast(x0, Type::new([sample], [5]));
    let (noise, more) = (t.draw(&[sample, time], &[5]), t.draw(&[sample, time], &[1]));
    let scale = t.b.number(0.3);
    let noise = t.b.mul(noise, scale);
    let region = t.b.region(RegionId::ROOT);
    let x = t.b.argument(region, 0, Type::new([sample], [5]));
    let slices = [t.b.argument(region, 1, Type::new([sample], [5])), t.b.argument(region, 2, Type::new([sample], [1]))];
    let layer = |t: &mut Bench, k: usize, x: ValueId| t.b.contract(weights[k], &[0, 1], x, &[1], &[0], &[]);
    let h = layer(t, 0, x);
    let h = t.b.add(h, bias);
    let h = t.b.unary(Unary::Relu, h);
    let h = layer(t, 1, h);
    let narrowed = t.b.number(1.0 / wide as f64);
    let h = t.b.mul(h, narrowed);
    let h = t.b.unary(Unary::Tanh, h);
    let push = layer(t, 2, h);
    let step = t.b.number(0.1);
    let push = t.b.mul(push, step);
    let next = t.b.add(x, push);
    let next = t.b.add(next, slices[0]);
    let one = t.b.push_typed(Op::Reshape(slices[1]), Some(Type::new([sample], [])));
    let wide_noise = t.b.mul(one, next);
    let wide_noise = t.b.mul(wide_noise, step);
    let next = t.b.add(next, wide_noise);
    let scan = t.b.scan(Scan {
        region,
        axis: time,
        reverse: false,
        carries: vec![Carry { init: x0, argument: x, next }],
        slices: vec![(noise, slices[0]), (more, slices[1])],
        stacked: vec![h],
    });
    let (end, kept) = (t.b.output(scan, ScanOutput::Final(0)), t.b.output(scan, ScanOutput::Stacked(0)));
    let square = t.b.mul(end, end);
    let loss = t.b.sum(square, &[sample], &[0]);
    let [first, second, third] = weights;
    let mut outputs = vec![end, kept, loss];
    let one = t.b.number(1.0);
    outputs.extend(vjp(&mut t.b, &[(loss, one)], &[first, second, third]).into_iter().flatten());
    outputs
}

#[test]
fn nets_along_paths() {
    for (batch, widths) in [(150, [37, 20]), (64, [64, 16]), (3, [9, 4]), (20, [2100, 9])] {
        let mut t = Bench::new();
        for v in steered(&mut t, batch, widths) {
            t.out(v);
        }
        t.check();
    }
}

/// A loop that no kernel carries whole still draws its noise as it goes.
#[test]
fn loops_that_solve_systems_draw_as_they_go() {
    let mut t = Bench::new();
    let (sample, time, _) = axes(&mut t);
    let (x0, noise) = (t.draw(&[sample], &[3]), t.draw(&[sample, time], &[3]));
    let matrix = t.parameter(&[3, 3]);
    let (eye, four) = (t.b.push(Op::Eye(3)), t.b.number(4.0));
    let eye = t.b.mul(eye, four);
    let matrix = t.b.add(matrix, eye);
    let region = t.b.region(RegionId::ROOT);
    let x = t.b.argument(region, 0, Type::new([sample], [3]));
    let drawn = t.b.argument(region, 1, Type::new([sample], [3]));
    let sum = t.b.add(x, drawn);
    let next = t.b.push(Op::Solve(matrix, sum));
    let scan = t.b.scan(Scan {
        region,
        axis: time,
        reverse: false,
        carries: vec![Carry { init: x0, argument: x, next }],
        slices: vec![(noise, drawn)],
        stacked: vec![next],
    });
    for which in [ScanOutput::Final(0), ScanOutput::Stacked(0)] {
        let v = t.b.output(scan, which);
        t.out(v);
    }
    t.check();
}

#[test]
fn carries_may_change_places() {
    let mut t = Bench::new();
    let (sample, time, _) = axes(&mut t);
    let (a0, b0) = (t.draw(&[sample], &[2]), t.draw(&[sample], &[2]));
    let ty = t.b.ty(a0).clone();
    let region = t.b.region(RegionId::ROOT);
    let (a, b) = (t.b.argument(region, 0, ty.clone()), t.b.argument(region, 1, ty.clone()));
    let c = t.b.argument(region, 2, ty);
    let sum = t.b.add(a, c);
    let scan = t.b.scan(Scan {
        region,
        axis: time,
        reverse: false,
        carries: vec![
            Carry { init: a0, argument: a, next: b },
            Carry { init: b0, argument: b, next: a },
            Carry { init: a0, argument: c, next: sum },
        ],
        slices: vec![],
        stacked: vec![a, b, sum],
    });
    for which in [
        ScanOutput::Final(0),
        ScanOutput::Final(1),
        ScanOutput::Final(2),
        ScanOutput::Stacked(0),
        ScanOutput::Stacked(1),
        ScanOutput::Stacked(2),
    ] {
        let v = t.b.output(scan, which);
        t.out(v);
    }
    t.check();
}

#[test]
fn scans_stand_in_scans_and_mix_what_varies() {
    let mut t = Bench::new();
    let (sample, time, index) = axes(&mut t);
    let (x0, r0) = (t.draw(&[sample], &[2]), t.draw(&[], &[2]));
    let outer_slices = t.draw(&[sample, time, index], &[2]);
    let region = t.b.region(RegionId::ROOT);
    let x = t.b.argument(region, 0, Type::new([sample], [2]));
    let r = t.b.argument(region, 1, Type::new([], [2]));
    let s = t.b.argument(region, 2, Type::new([sample, index], [2]));
    let inner = t.b.region(region);
    let y = t.b.argument(inner, 0, Type::new([sample], [2]));
    let q = t.b.argument(inner, 1, Type::new([sample], [2]));
    let half = t.b.number(0.5);
    let z = t.b.mul(y, half);
    let z = t.b.add(z, q);
    let z = t.b.add(z, r);
    let inner_scan = t.b.scan(Scan {
        region: inner,
        axis: index,
        reverse: true,
        carries: vec![Carry { init: x, argument: y, next: z }],
        slices: vec![(s, q)],
        stacked: vec![z],
    });
    let end = t.b.output(inner_scan, ScanOutput::Final(0));
    let all = t.b.output(inner_scan, ScanOutput::Stacked(0));
    let sum = t.b.sum(all, &[index], &[]);
    let next = t.b.sub(sum, end);
    let next = t.b.unary(Unary::Tanh, next);
    let r_next = t.b.unary(Unary::Cos, r);
    let scan = t.b.scan(Scan {
        region,
        axis: time,
        reverse: false,
        carries: vec![Carry { init: x0, argument: x, next }, Carry { init: r0, argument: r, next: r_next }],
        slices: vec![(outer_slices, s)],
        stacked: vec![all, r],
    });
    for which in [ScanOutput::Final(0), ScanOutput::Final(1), ScanOutput::Stacked(0), ScanOutput::Stacked(1)] {
        let v = t.b.output(scan, which);
        t.out(v);
        let y = t.b.unary(Unary::Sin, v);
        t.out(y);
    }
    t.check();
}

#[test]
fn samples_may_meet_in_other_ways() {
    // Inside a scan, along the sample axis, and under another name.
    let mut t = Bench::new();
    let (sample, time, _) = axes(&mut t);
    let twin = t.b.axis("twin", 150, AxisKind::Sample);
    let x = t.draw(&[sample], &[2]);
    let other = t.b.push(Op::Rename { from: sample, to: twin, of: x });
    let difference = t.b.sub(x, other);
    let norm = t.b.unary(Unary::Absolute, difference);
    let energy = t.b.sum(norm, &[sample, twin], &[0]);
    t.out(energy);
    let third = t.b.push(Op::At { axis: sample, index: 100, of: x });
    let moved = t.b.sub(x, third);
    t.out(moved);
    let ramp = t.table(&[twin], &[2]);
    let back = t.b.push(Op::Rename { from: twin, to: sample, of: ramp });
    let y = t.b.add(back, x);
    t.out(y);
    t.check();

    let mut t = Bench::new();
    let (sample, time2, _) = axes(&mut t);
    let _ = time;
    let x0 = t.draw(&[sample], &[2]);
    let sums = t.b.push(Op::CumulativeSum { axis: sample, reverse: false, exclusive: true, of: x0 });
    t.out(sums);
    let region = t.b.region(RegionId::ROOT);
    let x = t.b.argument(region, 0, Type::new([sample], [2]));
    let total = t.b.sum(x, &[sample], &[]);
    let n = t.b.number(150.0);
    let mean = t.b.div(total, n);
    let next = t.b.sub(x, mean);
    let next = t.b.unary(Unary::Sin, next);
    let scan = t.b.scan(Scan {
        region,
        axis: time2,
        reverse: false,
        carries: vec![Carry { init: x0, argument: x, next }],
        slices: vec![],
        stacked: vec![mean, x],
    });
    for which in [ScanOutput::Final(0), ScanOutput::Stacked(0), ScanOutput::Stacked(1)] {
        let v = t.b.output(scan, which);
        t.out(v);
    }
    t.check();
}

#[test]
fn statistics_of_statistics() {
    let mut t = Bench::new();
    let (sample, time, _) = axes(&mut t);
    let x = t.draw(&[sample, time], &[3]);
    let scale = t.state(&[]);
    let n = t.b.number(150.0);
    let mut y = x;
    for _ in 0..3 {
        let sum = t.b.sum(y, &[sample], &[]);
        let mean = t.b.div(sum, n);
        let centred = t.b.sub(y, mean);
        let square = t.b.contract(centred, &[0], centred, &[0], &[], &[sample, time]);
        let square = t.b.div(square, n);
        let norm = t.b.unary(Unary::SquareRoot, square);
        let scaled = t.b.div(centred, norm);
        let shift = t.b.mul(x, scale);
        y = t.b.add(scaled, shift);
        t.out(norm);
    }
    t.out(y);
    let weights = t.b.sum(y, &[time], &[0]);
    let log = t.b.reduce(Reduction::LogSumExp, weights, &[sample], &[]);
    let shifted = t.b.sub(weights, log);
    let weight = t.b.unary(Unary::Exp, shifted);
    let one = t.b.sum(weight, &[sample], &[]);
    t.out(weight);
    t.out(one);
    t.b.program_mut().outputs.push((Output::State(0), one));
    t.check();
}

/// Programs put together at random: element-wise chains, products, reductions, scans, over every mix of axes.
#[test]
fn random_programs() {
    for seed in 0..super::RANDOM_PROGRAMS {
        let mut state = seed * 7919 + 13;
        let mut pick = move |n: usize| {
            state = u64::wrapping_mul(state, 6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % n
        };
        let mut t = Bench::new();
        let sample = t.b.axis("sample", [5, 16, 70, 130][pick(4)], AxisKind::Sample);
        let time = t.b.axis("t", 4, AxisKind::Time);
        let other = t.b.axis("s", 4, AxisKind::Time);
        let all = [sample, time, other];
        let w = t.parameter(&[3, 3]);
        let v = t.parameter(&[3]);
        let mut pool = vec![v];
        for axes in [vec![sample], vec![sample, time], vec![time, other], vec![time], vec![sample, other]] {
            pool.push(t.draw(&axes, &[3]));
        }
        for _ in 0..25 {
            let (x, y) = (pool[pick(pool.len())], pool[pick(pool.len())]);
            let axes = t.b.ty(x).axes.clone();
            let new = match pick(9) {
                0 => t.b.unary([Unary::Tanh, Unary::Sin, Unary::Relu, Unary::Sigmoid][pick(4)], x),
                1 | 2 => {
                    let f = [Binary::Add, Binary::Subtract, Binary::Multiply, Binary::Maximum][pick(4)];
                    let z = t.b.binary(f, x, y);
                    t.b.unary(Unary::Tanh, z)
                }
                3 => t.b.contract(w, &[0, 1], x, &[1], &[0], &[]),
                4 => {
                    // A mean over some of the axes, spread over the shape again by a product.
                    let over: Vec<_> = axes.iter().copied().filter(|_| pick(2) == 0).collect();
                    let n: usize = over.iter().map(|a| t.b.program().axis(*a).size).product();
                    let sum = t.b.sum(x, &over, &[]);
                    let n = t.b.number(n as f64);
                    t.b.div(sum, n)
                }
                5 => {
                    let joint: Vec<_> = axes.iter().copied().filter(|a| t.b.ty(y).varies(*a)).collect();
                    let over: Vec<_> = joint.iter().copied().filter(|_| pick(2) == 0).collect();
                    let n: usize = over.iter().map(|a| t.b.program().axis(*a).size).product();
                    let dot = t.b.contract(x, &[0], y, &[0], &[], &over);
                    let n = t.b.number(3.0 * n as f64);
                    let dot = t.b.div(dot, n);
                    t.b.mul(dot, v)
                }
                6 => {
                    let matrix = t.b.contract(x, &[0], y, &[1], &[0, 1], &[]);
                    let y = t.b.contract(matrix, &[0, 1], v, &[1], &[0], &[]);
                    t.b.unary(Unary::Tanh, y)
                }
                7 if !axes.contains(&time) => {
                    let slice = pool.iter().copied().find(|p| {
                        t.b.ty(*p).axes == {
                            let mut a = axes.clone();
                            a.push(time);
                            a.sort_unstable();
                            a
                        }
                    });
                    let (last, path, active) = euler(&mut t, time, x, slice.as_slice(), pick(2) == 0);
                    pool.push(last);
                    pool.push(active);
                    path
                }
                _ => {
                    let along = all[1 + pick(2)];
                    if axes.contains(&along) {
                        let of =
                            t.b.push(Op::CumulativeSum { axis: along, reverse: pick(2) == 0, exclusive: false, of: x });
                        let to = if along == time { other } else { time };
                        if axes.contains(&to) { of } else { t.b.push(Op::Rename { from: along, to, of }) }
                    } else {
                        t.b.push(Op::Concat(0, vec![x, y]));
                        x
                    }
                }
            };
            pool.push(new);
        }
        for v in pool {
            t.out(v);
        }
        t.check_to(2e-5);
    }
}

#[test]
fn the_first_value_that_is_not_finite_is_named() {
    for (batch, in_scan) in [(150, false), (150, true), (8, true)] {
        let mut t = Bench::new();
        let sample = t.b.axis("sample", batch, AxisKind::Sample);
        let time = t.b.axis("t", 40, AxisKind::Time);
        let x0 = t.draw(&[sample], &[2]);
        let (value, culprit) = if in_scan {
            let region = t.b.region(RegionId::ROOT);
            let x = t.b.argument(region, 0, t.b.ty(x0).clone());
            let two = t.b.number(2.0);
            let first = t.b.mul(x, two);
            let grown = t.b.unary(Unary::Exp, first);
            let next = t.b.add(x, grown);
            let scan = t.b.scan(Scan {
                region,
                axis: time,
                reverse: false,
                carries: vec![Carry { init: x0, argument: x, next }],
                slices: vec![],
                stacked: vec![],
            });
            (t.b.output(scan, ScanOutput::Final(0)), grown)
        } else {
            let squared = t.b.mul(x0, x0);
            let negative = t.b.neg(squared);
            let root = t.b.unary(Unary::SquareRoot, negative);
            (t.b.unary(Unary::Tanh, root), root)
        };
        let loss = t.b.sum(value, &[sample], &[0]);
        t.out(loss);
        let program = t.b.finish();
        let Some(Fault { value, found }) = fault(&program) else { return };
        assert_eq!(value, culprit);
        assert!(!found.is_finite());
    }
}

/// A loss along the paths of a scan and its gradients, in strips and without.
#[test]
fn gradients_along_paths() {
    for batch in [64, 100] {
        let mut t = Bench::new();
        let sample = t.b.axis("sample", batch, AxisKind::Sample);
        let time = t.b.axis("t", 6, AxisKind::Time);
        let x0 = t.draw(&[sample], &[3]);
        let noise = t.draw(&[sample, time], &[3]);
        let (last, path, active) = euler(&mut t, time, x0, &[noise], false);
        let (w, c, v) = (t.parameter(&[8, 3]), t.parameter(&[8]), t.parameter(&[3, 8]));
        let h = t.b.contract(w, &[0, 1], path, &[1], &[0], &[]);
        let h = t.b.add(h, c);
        let h = t.b.unary(Unary::Relu, h);
        let fit = t.b.contract(v, &[0, 1], h, &[1], &[0], &[]);
        let miss = t.b.sub(fit, active);
        let square = t.b.contract(miss, &[0], miss, &[0], &[], &[time]);
        let end = t.b.contract(last, &[0], last, &[0], &[], &[]);
        let cost = t.b.add(square, end);
        let half = t.b.number(-0.1);
        let weight = t.b.mul(cost, half);
        let weight = t.b.unary(Unary::Exp, weight);
        let weighted = t.b.mul(weight, cost);
        let loss = t.b.sum(weighted, &[sample], &[]);
        let mean = t.b.sum(weight, &[sample], &[]);
        let loss = t.b.div(loss, mean);
        t.out(loss);
        let parameters: Vec<_> = (0..t.b.program().parameters.len()).map(|i| t.b.push(Op::Parameter(i))).collect();
        let one = t.b.number(1.0);
        for g in vjp(&mut t.b, &[(loss, one)], &parameters).into_iter().flatten() {
            t.out(g);
        }
        t.check();
    }
}

/// A net over pairs of times, a kernel that it gives, and what they meet: work without samples, shared among workers.
#[test]
fn nets_over_pairs_of_times() {
    for batch in [20, 128] {
        let mut t = Bench::new();
        let sample = t.b.axis("sample", batch, AxisKind::Sample);
        let time = t.b.axis("t", 21, AxisKind::Time);
        let other = t.b.axis("s", 21, AxisKind::Time);
        let x = t.draw(&[time, other], &[2]);
        let (w, c, v) = (t.parameter(&[64, 2]), t.parameter(&[64]), t.parameter(&[25, 64]));
        let h = t.b.contract(w, &[0, 1], x, &[1], &[0], &[]);
        let h = t.b.add(h, c);
        let h = t.b.unary(Unary::Relu, h);
        let m = t.b.contract(v, &[0, 1], h, &[1], &[0], &[]);
        let m = t.b.reshape(m, [5, 5]);
        let y = t.draw(&[sample, other], &[5]);
        let z = t.b.contract(m, &[0, 1], y, &[1], &[0], &[other]);
        let square = t.b.contract(z, &[0], z, &[0], &[], &[time]);
        let loss = t.b.sum(square, &[sample], &[]);
        t.out(z);
        t.out(loss);
        let parameters: Vec<_> = (0..3).map(|i| t.b.push(Op::Parameter(i))).collect();
        let one = t.b.number(1.0);
        for g in vjp(&mut t.b, &[(loss, one)], &parameters).into_iter().flatten() {
            t.out(g);
        }
        t.check();
    }
}

/// Products with a kernel of pairs, and sums over samples of which pairs alone are read.
#[test]
fn kernels_of_pairs_meet_samples() {
    for (batch, d) in [(20, 3), (128, 3), (192, 8)] {
        let mut t = Bench::new();
        let sample = t.b.axis("sample", batch, AxisKind::Sample);
        let time = t.b.axis("t", 13, AxisKind::Time);
        let other = t.b.axis("s", 13, AxisKind::Time);
        let pairs = t.b.axis("pairs", 91, AxisKind::Index);
        let rows: Vec<_> = (0..13).map(|i| (i, 13 - i)).collect();
        let pairing = Pairing { axes: [time, other], pairs, rows: rows.into() };
        let kernel = t.draw(&[pairs], &[d, d]);
        let kernel = t.b.push(Op::Spread(pairing.clone(), kernel));
        let (x, y) = (t.draw(&[sample, other], &[d]), t.draw(&[sample, time], &[d]));
        let forward = t.b.contract(kernel, &[0, 1], x, &[1], &[0], &[other]);
        let more = t.b.add(forward, y);
        let more = t.b.unary(Unary::Relu, more);
        let backward = t.b.contract(kernel, &[0, 1], y, &[0], &[1], &[time]);
        let gradient = t.b.contract(more, &[0], x, &[1], &[0, 1], &[sample]);
        let gradient = t.b.push(Op::Pick(pairing, gradient));
        for v in [more, backward, gradient] {
            t.out(v);
        }
        t.check();
    }
}

/// Blocks of several tiles: what they add up and what they keep.
#[test]
fn more_tiles_than_blocks() {
    let mut t = Bench::new();
    let sample = t.b.axis("sample", 4500, AxisKind::Sample);
    let time = t.b.axis("t", 3, AxisKind::Time);
    let other = t.b.axis("s", 3, AxisKind::Time);
    let (x, y) = (t.draw(&[sample, time], &[2]), t.draw(&[sample, other], &[3]));
    let outer = t.b.contract(x, &[0], y, &[1], &[0, 1], &[sample]);
    let total = t.b.sum(x, &[sample], &[]);
    let top = t.b.reduce(Reduction::Maximum, y, &[sample, other], &[]);
    let moved = t.b.sub(x, total);
    let square = t.b.contract(moved, &[0], moved, &[1], &[0, 1], &[sample, time]);
    for v in [outer, total, top, square] {
        t.out(v);
    }
    t.check();
}
