//! Small programs and their derivatives, checked against the reference evaluator.
#![allow(dead_code)]

pub mod random;

use ndarray::{ArrayD, IxDyn};
use socrun::backend::reference::Reference;
use socrun::backend::{Executor, Feed};
use socrun::graph::{AxisId, Builder, Output, ParameterInfo, Program, Type, ValueId, verify};
use socrun::transform::{jvp, vjp};

/// A small generator of numbers for tests: splitmix64.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.word() % n as u64) as usize
    }

    /// In [0.3, 1.3): away from kinks, poles and the ends of domains.
    pub fn unit(&mut self) -> f64 {
        0.3 + (self.word() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn signed(&mut self) -> f64 {
        let x = self.unit();
        if self.below(2) == 0 { x } else { -x }
    }

    pub fn array(&mut self, shape: &[usize]) -> ArrayD<f64> {
        ArrayD::from_shape_fn(IxDyn(shape), |_| self.signed())
    }
}

pub fn run(program: &Program, parameters: &[ArrayD<f64>]) -> Vec<ArrayD<f64>> {
    if let Err(why) = verify(program) {
        panic!("ill-formed program: {why}");
    }
    let feed = Feed { parameters, states: &[], step: 3, seed: 7 };
    Reference::new(program.clone()).execute(&feed).expect("finite")
}

/// Parameters as values.
pub fn inputs(b: &mut Builder, shapes: &[&[usize]]) -> Vec<ValueId> {
    for (i, shape) in shapes.iter().enumerate() {
        b.program_mut().parameters.push(ParameterInfo { name: format!("p{i}"), shape: shape.to_vec() });
    }
    (0..shapes.len()).map(|i| b.push(socrun::graph::Op::Parameter(i))).collect()
}

/// The value whose k-th entry along the axis is the k-th row of `v`.
pub fn along(b: &mut Builder, v: ValueId, axis: AxisId) -> ValueId {
    let n = b.program().axis(axis).size;
    let rows = ArrayD::from_shape_fn(IxDyn(&[n, n]), |i| f64::from(i[0] == i[1]));
    let rows = b.table(rows, Type::new([axis], [n]));
    let labels: Vec<u8> = (0..b.ty(v).shape.len() as u8).collect();
    b.contract(rows, &[0], v, &labels, &labels[1..], &[])
}

/// The sum of all entries with fixed weights.
pub fn weighted(b: &mut Builder, v: ValueId, seed: u64) -> ValueId {
    let ty = b.ty(v).clone();
    let extents = b.program().extents(&ty);
    let mut numbers = Numbers(seed);
    let w = b.table(numbers.array(&extents), ty.clone());
    let p = b.mul(v, w);
    let dims: Vec<usize> = (0..ty.shape.len()).collect();
    b.sum(p, &ty.axes, &dims)
}

/// Fourth-order central difference of the first output in every parameter.
pub fn differences(program: &Program, at: &[ArrayD<f64>], h: f64) -> Vec<ArrayD<f64>> {
    let mut point = at.to_vec();
    let mut all = Vec::new();
    for i in 0..at.len() {
        let mut g = ArrayD::zeros(at[i].raw_dim());
        for (index, _) in at[i].indexed_iter() {
            let mut value = |k: f64| {
                point[i][index.clone()] = at[i][index.clone()] + k * h;
                let y = run(program, &point)[0].sum();
                point[i][index.clone()] = at[i][index.clone()];
                y
            };
            g[index.clone()] = (8.0 * (value(1.0) - value(-1.0)) - (value(2.0) - value(-2.0))) / (12.0 * h);
        }
        all.push(g);
    }
    all
}

pub fn close(what: &str, found: &ArrayD<f64>, expected: &ArrayD<f64>, tolerance: f64) {
    assert_eq!(found.shape(), expected.shape(), "{what}");
    let scale = expected.iter().fold(1e-3_f64, |m, x| m.max(x.abs()));
    let error = found.iter().zip(expected).fold(0.0_f64, |m, (x, y)| m.max((x - y).abs() / scale));
    assert!(error <= tolerance, "{what}: relative error {error:.1e}\n{found}\n{expected}");
}

/// Both modes against differences, for the scalar that `build` makes of parameters of these shapes.
pub fn check(name: &str, shapes: &[&[usize]], build: impl Fn(&mut Builder, &[ValueId]) -> ValueId) {
    check_at(name, shapes, 1.0, build);
}

/// As [`check`], with all parameters multiplied by `scale`.
pub fn check_at(name: &str, shapes: &[&[usize]], scale: f64, build: impl Fn(&mut Builder, &[ValueId]) -> ValueId) {
    let mut numbers = Numbers(name.len() as u64);
    let at: Vec<_> = shapes.iter().map(|s| numbers.array(s) * scale).collect();
    let directions: Vec<_> = shapes.iter().map(|s| numbers.array(s)).collect();

    let mut b = Builder::new();
    let p = inputs(&mut b, shapes);
    let y = build(&mut b, &p);
    let loss = weighted(&mut b, y, 5);
    b.program_mut().outputs.push((Output::Named("loss".into()), loss));
    let plain = b.program().clone();
    let one = b.number(1.0);
    let gradients = vjp(&mut b, &[(loss, one)], &p);
    let mut kept = Vec::new();
    for (i, g) in gradients.iter().enumerate() {
        if let Some(g) = g {
            assert_eq!(b.ty(*g), b.ty(p[i]), "{name}: type of gradient {i}");
            b.program_mut().outputs.push((Output::Gradient(i), *g));
            kept.push(i);
        }
    }
    let tables: Vec<_> = directions.iter().map(|d| b.table(d.clone(), Type::shaped(d.shape().to_vec()))).collect();
    let seeds: Vec<_> = p.iter().copied().zip(tables).collect();
    let tangent = jvp(&mut b, loss, &seeds);
    if let Some(t) = tangent {
        assert_eq!(*b.ty(t), Type::SCALAR, "{name}: type of tangent");
        b.program_mut().outputs.push((Output::Named("tangent".into()), t));
    }
    let program = b.finish();
    let expected = differences(&plain, &at, 1e-3);
    let found = run(&program, &at);
    close(&format!("{name}: value"), &found[0], &run(&plain, &at)[0], 1e-14);
    for (i, e) in expected.iter().enumerate() {
        match kept.iter().position(|k| *k == i) {
            Some(k) => close(&format!("{name}: vjp {i}"), &found[1 + k], e, 1e-6),
            None => {
                assert!(e.iter().all(|x| x.abs() < 1e-9), "{name}: no gradient {i}, differences say {e}");
            }
        }
    }
    let slope: f64 = expected.iter().zip(&directions).map(|(e, d)| (e * d).sum()).sum();
    match tangent {
        Some(_) => {
            close(&format!("{name}: jvp"), found.last().expect("tangent"), &ndarray::arr0(slope).into_dyn(), 1e-6);
        }
        None => assert!(slope.abs() < 1e-9, "{name}: no tangent, differences say {slope}"),
    }
}
