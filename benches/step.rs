//! Times training steps of two synthetic control losses on a U-Net, beside the floor of their products.
//!
//! `cargo bench --bench step -- [threads] [batch]`
#![allow(clippy::print_stdout, missing_docs, reason = "it prints what it measured")]

use std::time::Instant;

use ndarray::{ArrayD, IxDyn};
use socrun::backend::cpu::Cpu;
use socrun::backend::{Executor, Feed};
use socrun::graph::{
    AxisKind, Builder, Carry, Draw, Law, Lifetime, Op, Output, ParameterInfo, Program, RegionId, Scan, ScanOutput,
    Type, Unary, ValueId,
};
use socrun::transform::vjp;

const WIDTHS: [usize; 3] = [256, 128, 64];

struct Net {
    parameters: Vec<ValueId>,
    layers: Vec<(ValueId, ValueId)>,
    d: usize,
}

fn parameter(b: &mut Builder, shape: &[usize]) -> ValueId {
    let i = b.program().parameters.len();
    b.program_mut().parameters.push(ParameterInfo { name: format!("p{i}"), shape: shape.to_vec() });
    b.push(Op::Parameter(i))
}

impl Net {
    fn new(b: &mut Builder, d: usize) -> Self {
        let [w0, w1, w2] = WIDTHS;
        let n = d + 1;
        let shapes = [(w0, n), (w1, w0), (w2, w1), (w1, w2), (w1, w1), (w0, w1), (w0, w0), (d, w0), (d, n)];
        let mut net = Self { parameters: Vec::new(), layers: Vec::new(), d };
        for (out, from) in shapes {
            let (w, c) = (parameter(b, &[out, from]), parameter(b, &[out]));
            net.parameters.extend([w, c]);
            net.layers.push((w, c));
        }
        net
    }

    fn layer(&self, b: &mut Builder, i: usize, x: ValueId) -> ValueId {
        let (w, c) = self.layers[i];
        let y = b.contract(w, &[0, 1], x, &[1], &[0], &[]);
        b.add(y, c)
    }

    fn apply(&self, b: &mut Builder, x: ValueId, t: ValueId) -> ValueId {
        let t = b.reshape(t, [1]);
        let r0 = b.push(Op::Concat(0, vec![x, t]));
        let mut down = vec![r0];
        for i in 0..3 {
            let y = self.layer(b, i, down[i]);
            down.push(b.unary(Unary::Relu, y));
        }
        let y = self.layer(b, 3, down[3]);
        let y = b.unary(Unary::Relu, y);
        let skip = self.layer(b, 4, down[2]);
        let o2 = b.add(y, skip);
        let y = self.layer(b, 5, o2);
        let y = b.unary(Unary::Relu, y);
        let skip = self.layer(b, 6, down[1]);
        let o1 = b.add(y, skip);
        let y = self.layer(b, 7, o1);
        let y = b.unary(Unary::Relu, y);
        let skip = self.layer(b, 8, r0);
        assert_eq!(b.ty(skip).shape, [self.d]);
        b.add(y, skip)
    }
}

/// A rollout under the net; the loss through the simulation, or a regression along the paths.
fn program(batch: usize, d: usize, steps: usize, through: bool) -> Program {
    let mut b = Builder::new();
    let sample = b.axis("sample", batch, AxisKind::Sample);
    let time = b.axis("t", steps, AxisKind::Time);
    let net = Net::new(&mut b, d);
    let draw = |b: &mut Builder, stream, ty| {
        b.push_typed(Op::Draw(Draw { stream, law: Law::Normal, lifetime: Lifetime::Step, seed: None }), Some(ty))
    };
    let noise = draw(&mut b, 1, Type::new([sample, time], [d]));
    let x0 = draw(&mut b, 2, Type::new([sample], [d]));
    let count = b.push(Op::Iota(time));
    let h = b.number(1.0 / steps as f64);
    let times = b.mul(count, h);
    let region = b.region(RegionId::ROOT);
    let x = b.argument(region, 0, Type::new([sample], [d]));
    let xi = b.argument(region, 1, Type::new([sample], [d]));
    let t = b.argument(region, 2, Type::SCALAR);
    let u = net.apply(&mut b, x, t);
    let drift = b.add(x, u);
    let dx = b.mul(drift, h);
    let root_h = b.number((1.0 / steps as f64).sqrt());
    let dw = b.mul(xi, root_h);
    let next = b.add(x, dx);
    let next = b.add(next, dw);
    let scan = b.scan(Scan {
        region,
        axis: time,
        reverse: false,
        carries: vec![Carry { init: x0, argument: x, next }],
        slices: vec![(noise, xi), (times, t)],
        stacked: vec![x, u],
    });
    let path = b.output(scan, ScanOutput::Stacked(0));
    let control = b.output(scan, ScanOutput::Stacked(1));
    let n = b.number(1.0 / batch as f64);
    let loss = if through {
        let running = b.contract(control, &[0], control, &[0], &[], &[time]);
        let states = b.contract(path, &[0], path, &[0], &[], &[time]);
        let cost = b.add(running, states);
        let cost = b.mul(cost, h);
        let loss = b.sum(cost, &[sample], &[]);
        b.mul(loss, n)
    } else {
        let path = b.detach(path);
        let fit = net.apply(&mut b, path, times);
        let miss = b.add(fit, path);
        let square = b.contract(miss, &[0], miss, &[0], &[], &[time]);
        let square = b.mul(square, h);
        let loss = b.sum(square, &[sample], &[]);
        b.mul(loss, n)
    };
    let one = b.number(1.0);
    let gradients = vjp(&mut b, &[(loss, one)], &net.parameters);
    let outputs = &mut b.program_mut().outputs;
    outputs.push((Output::Named("loss".to_owned()), loss));
    for (i, g) in gradients.into_iter().enumerate() {
        outputs.extend(g.map(|g| (Output::Gradient(i), g)));
    }
    b.finish()
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter_map(|a| a.parse::<usize>().ok());
    let threads = arguments.next().unwrap_or(2);
    let batch = arguments.next().unwrap_or(128);
    for (name, through) in [("matching", false), ("through the simulation", true)] {
        let program = program(batch, 20, 50, through);
        let parameters: Vec<ArrayD<f64>> = program
            .parameters
            .iter()
            .map(|p| {
                let scale = 1.0 / (p.shape[p.shape.len() - 1] as f64).sqrt();
                let mut k = 0_u64;
                ArrayD::from_shape_simple_fn(IxDyn(&p.shape), || {
                    k += 1;
                    scale * ((k * 7919 % 2003) as f64 / 1001.5 - 1.0)
                })
            })
            .collect();
        let mut cpu = Cpu::new(program, threads).expect("it fits");
        let floor = cpu.summary().cost.products as f64 / (240e9 * threads as f64);
        println!("{name}\n{}", cpu.summary());
        let mut times = Vec::new();
        let mut loss = 0.0;
        for step in 0..40 {
            let start = Instant::now();
            let out = cpu.execute(&Feed { parameters: &parameters, states: &[], step, seed: 1 }).expect("finite");
            times.push(start.elapsed().as_secs_f64());
            loss = out[0].sum();
        }
        times.sort_by(f64::total_cmp);
        println!(
            "loss {loss:.6}: {:.2} ms per step (best {:.2}), the floor is {:.2} ms on {threads} threads\n",
            1e3 * times[times.len() / 2],
            1e3 * times[0],
            1e3 * floor
        );
    }
}
