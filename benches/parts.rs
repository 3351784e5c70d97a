//! Times the parts of a step, each in a program of its own: products at the sizes of a net's layers, their gradients, groups of
//! entries, draws, sums, and a scan. Rates are those of the part alone, without what feeds it.
//!
//! `cargo bench --bench parts -- [threads]`
#![allow(clippy::print_stdout, clippy::expect_used, missing_docs, reason = "it prints what it measured")]

use ndarray::{ArrayD, IxDyn};
use socrun::backend::cpu::{Cpu, peaks};
use socrun::backend::{Executor, Feed};
use socrun::graph::{
    AxisId, AxisKind, Builder, Carry, Draw, Law, Lifetime, Op, Output, ParameterInfo, RegionId, Scan, ScanOutput, Type,
    Unary, ValueId,
};

const BATCH: usize = 128;
const TIMES: usize = 50;
const RUNS: u64 = 30;
/// Kinds of work, by their place in the times of a phase.
const PRODUCTS: usize = 0;
const ENTRIES: usize = 1;
const SUMS: usize = 2;
const DRAWS: usize = 3;

struct Part {
    b: Builder,
    sample: AxisId,
    time: AxisId,
    draws: u64,
}

impl Part {
    fn new() -> Self {
        let mut b = Builder::new();
        let (sample, time) = (b.axis("sample", BATCH, AxisKind::Sample), b.axis("time", TIMES, AxisKind::Time));
        Self { b, sample, time, draws: 0 }
    }

    fn draw(&mut self, shape: &[usize]) -> ValueId {
        self.draws += 1;
        let draw = Draw { stream: self.draws, law: Law::Normal, lifetime: Lifetime::Step, seed: None };
        self.b.push_typed(Op::Draw(draw), Some(Type::new([self.sample, self.time], shape)))
    }

    fn parameter(&mut self, shape: &[usize]) -> ValueId {
        let parameters = &mut self.b.program_mut().parameters;
        parameters.push(ParameterInfo { name: format!("p{}", parameters.len()), shape: shape.to_vec() });
        let i = parameters.len() - 1;
        self.b.push(Op::Parameter(i))
    }

    /// Runs the program of a value and prints the time of one kind of its work, and how many million units of it a second has.
    fn run(mut self, name: &str, value: ValueId, threads: usize, kind: usize, units: usize) {
        self.b.program_mut().outputs.push((Output::Named("value".to_owned()), value));
        let program = self.b.finish();
        let parameters: Vec<ArrayD<f64>> =
            program.parameters.iter().map(|p| ArrayD::from_elem(IxDyn(&p.shape), 0.01)).collect();
        let mut cpu = Cpu::new(program, threads).expect("it fits");
        let run = |cpu: &mut Cpu, step| {
            cpu.execute(&Feed { parameters: &parameters, states: &[], step, seed: 1 }).expect("finite");
        };
        (0..3).for_each(|step| run(&mut cpu, step));
        cpu.watch_time(peaks(threads));
        (0..RUNS).for_each(|step| run(&mut cpu, step));
        let timing = cpu.timing().expect("it was watched");
        let work: f64 = timing.phases.iter().map(|p| p.work[kind]).sum();
        let seconds = work / RUNS as f64 / threads as f64;
        println!("{name:<28} {:>9.3} ms {:>10.0} M/s", 1e3 * seconds, 1e-6 * units as f64 / seconds);
    }
}

fn main() {
    let threads = std::env::args().skip(1).find_map(|a| a.parse().ok()).unwrap_or(1);
    println!("{threads} threads, {BATCH} samples at {TIMES} times; products in operations, the rest in entries");
    let count = BATCH * TIMES;
    for (rows, columns) in [(256, 21), (128, 256), (64, 128), (128, 64), (256, 128), (256, 256), (20, 256)] {
        let mut part = Part::new();
        let (w, x) = (part.parameter(&[rows, columns]), part.draw(&[columns]));
        let y = part.b.contract(w, &[0, 1], x, &[1], &[0], &[]);
        let both = [part.sample, part.time];
        let sum = part.b.sum(y, &both, &[]);
        part.run(&format!("layer {columns} to {rows}"), sum, threads, PRODUCTS, 2 * rows * columns * count);
        let mut part = Part::new();
        let (g, x) = (part.draw(&[rows]), part.draw(&[columns]));
        let y = part.b.contract(g, &[0], x, &[1], &[0, 1], &both);
        part.run(&format!("gradient {columns} to {rows}"), y, threads, PRODUCTS, 2 * rows * columns * count);
    }
    for unary in [Unary::Relu, Unary::Exp, Unary::Tanh] {
        let mut part = Part::new();
        let (x, y) = (part.draw(&[64]), part.draw(&[64]));
        let z = part.b.mul(x, y);
        let z = part.b.unary(unary, z);
        let z = part.b.sub(z, x);
        let both = [part.sample, part.time];
        let sum = part.b.sum(z, &both, &[]);
        part.run(&format!("product, {unary:?}, difference"), sum, threads, ENTRIES, 3 * 64 * count);
    }
    for kind in [SUMS, DRAWS] {
        let mut part = Part::new();
        let x = part.draw(&[64]);
        let both = [part.sample, part.time];
        let sum = part.b.sum(x, &both, &[]);
        part.run(if kind == SUMS { "sums" } else { "draws" }, sum, threads, kind, 64 * count);
    }
    // A path that falls back to zero and is pushed about.
    let mut part = Part::new();
    let noise = part.draw(&[20]);
    let (sample, time) = (part.sample, part.time);
    let zero = part.b.number(0.0);
    let start = part.b.mul(noise, zero);
    let start = part.b.sum(start, &[time], &[]);
    let ty = Type::new([sample], [20]);
    let region = part.b.region(RegionId::ROOT);
    let x = part.b.argument(region, 0, ty.clone());
    let push = part.b.argument(region, 1, ty);
    let factor = part.b.number(0.98);
    let next = part.b.mul(factor, x);
    let next = part.b.add(next, push);
    let carries = vec![Carry { init: start, argument: x, next }];
    let scan = part.b.scan(Scan {
        region,
        axis: time,
        reverse: false,
        carries,
        slices: vec![(noise, push)],
        stacked: vec![x],
    });
    let path = part.b.output(scan, ScanOutput::Stacked(0));
    let sum = part.b.sum(path, &[sample, time], &[]);
    part.run("scan", sum, threads, ENTRIES, 2 * 20 * count);
}
