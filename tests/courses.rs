//! Runs in a row: what one leaves, the next reads, on every machine as in single runs.

mod common;

use common::{cell, first_values, training, zero_states};
use ndarray::{ArrayD, arr0, arr1};
use socrun::backend::cpu::Cpu;
use socrun::backend::reference::Reference;
use socrun::backend::{Course, Executor, Fault, Feed, Lost, Passed};
use socrun::diagnostic::Report;
use socrun::graph::{Binary, Builder, Op, Output, ParameterInfo, Program, StateInfo};
use socrun::run::{Loaded, Machine, Silent, run_cell};
use socrun::transform::optimise;

/// Two groups with their own rules, a net that stays, a bound on the gradient, both kinds of copies, and a memory of the
/// measurements.
const STEP: &str = "
use std.problems.quadratic_ou
use std.losses.socm
use std.nets.{mlp, kernel}

problem P = quadratic_ou(3)
net V(x: R[3], t: R) -> R[3] = mlp([12])(x, t)
net M(t: R, s: R) -> R[3, 3] = kernel([6])(t, s)
net A(t: R) -> R[3] = mlp([12])([t])
let u(x, t) = -V(x, t)
let smooth = ema(u, decay = 0.9)
let past = snapshot(u, every = 3)
train {
  grid 6  batch 40  steps 8
  path X of P under detach(u)
  let J = socm(P, u, M) + 0.01*E[ ∫ (|u(X, t) - past(X, t)|² + |u(X, t) - A(t)|²) dt ]
  minimize J over
    V by adam((n) => 1e-2/(1 + n), decay = 0.1, clip = 0.5),
    M by sgd(1e-2, momentum = 0.9)
  measure every 1 { let running = ema(J, rate = 0.2) }
}
measure every 8 {
  path X of P under smooth
  let size = E[ |X(T)|² ]
}
";

/// A course of a program, and where it ends.
struct Ended {
    passed: Passed,
    parameters: Vec<ArrayD<f64>>,
    states: Vec<ArrayD<f64>>,
}

fn course(
    executor: &mut dyn Executor,
    program: &Program,
    (parameters, states): (&[ArrayD<f64>], &[ArrayD<f64>]),
    (first, runs): (u64, u64),
) -> Ended {
    let (mut parameters, mut states) = (parameters.to_vec(), states.to_vec());
    let outputs = &program.outputs;
    let mut course = Course { parameters: &mut parameters, states: &mut states, first, runs, seed: 5, outputs };
    let passed = executor.advance(&mut course);
    Ended { passed, parameters, states }
}

/// As many single runs.
fn singly(
    executor: &mut dyn Executor,
    program: &Program,
    (parameters, states): (&[ArrayD<f64>], &[ArrayD<f64>]),
    runs: u64,
) -> Ended {
    let (mut parameters, mut states) = (parameters.to_vec(), states.to_vec());
    let mut rows = Vec::new();
    for step in 0..runs {
        let values = executor.execute(&Feed { parameters: &parameters, states: &states, step, seed: 5 });
        let mut row = Vec::new();
        for ((kind, _), value) in program.outputs.iter().zip(values.expect("finite")) {
            match kind {
                Output::Named(_) => row.push(*value.first().expect("one number")),
                Output::Parameter(i) => parameters[*i] = value,
                Output::State(i) => states[*i] = value,
                Output::Gradient(_) => panic!("a step hands out no gradients"),
            }
        }
        rows.push(row);
    }
    Ended { passed: (rows, None), parameters, states }
}

fn numbers(ended: &Ended) -> Vec<f64> {
    let tensors = ended.parameters.iter().chain(&ended.states).flatten().copied();
    ended.passed.0.iter().flatten().copied().chain(tensors).collect()
}

fn same_bits(a: &Ended, b: &Ended) {
    assert_eq!(a.passed.1, b.passed.1);
    assert!(numbers(a).iter().map(|x| x.to_bits()).eq(numbers(b).iter().map(|x| x.to_bits())));
}

fn close(found: &Ended, expected: &Ended, tolerance: f64) {
    assert_eq!(found.passed.0.len(), expected.passed.0.len());
    assert_eq!(found.passed.1, None);
    let tensors = |ended: &Ended| -> Vec<Vec<f64>> {
        let all = ended.parameters.iter().chain(&ended.states).map(|t| t.iter().copied().collect());
        all.chain(ended.passed.0.iter().cloned()).collect()
    };
    for (found, expected) in tensors(found).iter().zip(&tensors(expected)) {
        let scale = expected.iter().fold(1e-6_f64, |scale, x| scale.max(x.abs()));
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b).abs() <= tolerance * scale, "found {a}, expected {b} beside entries of size {scale}");
        }
    }
}

/// A whole training step, the first values of its parameters and of their copies, and its cells.
fn step() -> (Program, Vec<ArrayD<f64>>, Vec<ArrayD<f64>>) {
    let cell = cell(STEP, &[]);
    let program = optimise(training(&cell).step.clone());
    let mut parameters = first_values(&cell, 5);
    parameters.extend(cell.copies.iter().map(|copy| parameters[copy.of].clone()).collect::<Vec<_>>());
    let states = zero_states(&program);
    (program, parameters, states)
}

fn cpu(program: &Program, threads: usize) -> Cpu {
    Cpu::new(program.clone(), threads).expect("fits")
}

#[test]
fn training_steps_in_a_row_are_single_steps_on_the_cpu() {
    let (program, parameters, states) = step();
    let from = (parameters.as_slice(), states.as_slice());
    let single = singly(&mut cpu(&program, 2), &program, from, 8);
    for threads in [1, 2, 5] {
        same_bits(&course(&mut cpu(&program, threads), &program, from, (0, 8)), &single);
    }
    // From the middle, on a machine that has other numbers in its memory.
    let mut machine = cpu(&program, 2);
    let half = course(&mut machine, &program, from, (0, 3));
    course(&mut machine, &program, from, (0, 5));
    let rest = course(&mut machine, &program, (&half.parameters, &half.states), (3, 5));
    let rows = half.passed.0.into_iter().chain(rest.passed.0).collect();
    same_bits(&Ended { passed: (rows, None), ..rest }, &single);
}

#[test]
fn training_steps_in_a_row_agree_between_machines() {
    let (program, parameters, states) = step();
    let from = (parameters.as_slice(), states.as_slice());
    let expected = course(&mut Reference::new(program.clone()), &program, from, (0, 8));
    let stays = expected.parameters.iter().zip(&parameters).filter(|(a, b)| a == b).count();
    assert_eq!(stays, 4, "all but the weights and biases of the net that nobody moves");
    close(&course(&mut cpu(&program, 2), &program, from, (0, 8)), &expected, 1e-4);
    #[cfg(feature = "gpu")]
    if let Some(device) = common::device() {
        let gpu = || socrun::backend::gpu::Gpu::new(program.clone(), &device).expect("fits");
        let found = course(&mut gpu(), &program, from, (0, 8));
        close(&found, &expected, 1e-4);
        same_bits(&found, &singly(&mut gpu(), &program, from, 8));
    }
}

/// Cells that hand their contents on, change places, hold what never changes, and are written but not read; a parameter
/// that grows until 1/(4 − θ) has no value.
fn chain() -> (Program, Vec<ArrayD<f64>>, Vec<ArrayD<f64>>) {
    let mut b = Builder::new();
    b.program_mut().parameters = vec![ParameterInfo { name: "θ".into(), shape: vec![] }];
    let names = ["last", "before", "left", "right", "fixed", "unread", "twin"];
    b.program_mut().states = names.map(|name| StateInfo { name: name.into(), axes: vec![], shape: vec![2] }).into();
    let parameter = b.push(Op::Parameter(0));
    let one = b.number(1.0);
    let next = b.add(parameter, one);
    let step = b.push(Op::Step);
    let [last, before, left, right] = [0, 1, 2, 3].map(|i| b.push(Op::State(i)));
    let twin = b.push(Op::State(6));
    let fresh = b.add(last, step);
    let constant = b.table(arr1(&[7.0, 8.0]).into_dyn(), socrun::graph::Type::shaped([2]));
    let gap = b.number(4.0);
    let gap = b.sub(gap, parameter);
    let inverse = b.div(one, gap);
    let total = [last, before, left, twin].into_iter().fold(right, |sum, v| b.add(sum, v));
    let total = b.sum(total, &[], &[0]);
    let total = b.binary(Binary::Add, total, inverse);
    b.program_mut().outputs = vec![
        (Output::State(0), fresh),
        (Output::Named("total".into()), total),
        (Output::State(1), last),
        (Output::State(2), right),
        (Output::State(3), left),
        (Output::State(4), constant),
        (Output::State(5), fresh),
        (Output::State(6), fresh),
        (Output::Parameter(0), next),
    ];
    let states = (0..names.len()).map(|i| arr1(&[i as f64, -1.0]).into_dyn()).collect();
    (b.finish(), vec![arr0(0.0).into_dyn()], states)
}

#[cfg_attr(not(feature = "gpu"), allow(unused_mut))]
fn machines(program: &Program) -> Vec<Box<dyn Executor>> {
    let mut all: Vec<Box<dyn Executor>> =
        vec![Box::new(Reference::new(program.clone())), Box::new(cpu(program, 1)), Box::new(cpu(program, 2))];
    #[cfg(feature = "gpu")]
    if let Some(device) = common::device() {
        all.push(Box::new(socrun::backend::gpu::Gpu::new(program.clone(), &device).expect("fits")));
    }
    all
}

#[test]
fn cells_reach_the_next_run_whatever_writes_them() {
    let (program, parameters, states) = chain();
    let from = (parameters.as_slice(), states.as_slice());
    let expected = singly(&mut Reference::new(program.clone()), &program, from, 4);
    assert_eq!(expected.states[0], arr1(&[6.0, 5.0]).into_dyn());
    assert_eq!(expected.states[2], states[2]);
    for mut machine in machines(&program) {
        close(&course(&mut *machine, &program, from, (0, 4)), &expected, 1e-6);
    }
}

#[test]
fn a_run_that_fails_leaves_what_the_one_before_it_left() {
    let (program, parameters, states) = chain();
    let from = (parameters.as_slice(), states.as_slice());
    let expected = singly(&mut Reference::new(program.clone()), &program, from, 4);
    for mut machine in machines(&program) {
        let mut found = course(&mut *machine, &program, from, (0, 9));
        let fault = found.passed.1.take().expect("1/0 in the fifth run");
        assert!(matches!(program.node(fault.value).op, Op::Binary(Binary::Divide, ..)), "{fault:?}");
        assert!(fault.found.is_infinite());
        close(&found, &expected, 1e-6);
    }
}

/// A device that is lost after so many training steps.
struct Frail {
    steps: usize,
}

/// A program on it.
struct OnFrail {
    program: Program,
    inner: Reference,
    left: usize,
}

impl Machine for Frail {
    fn load(&self, program: &Program) -> Result<Loaded, Report> {
        let trains = program.outputs.iter().any(|(kind, _)| matches!(kind, Output::Parameter(_)));
        let left = if trains { self.steps } else { usize::MAX };
        let inner = Reference::new(program.clone());
        Ok(Loaded { program: program.clone(), executor: Box::new(OnFrail { program: program.clone(), inner, left }) })
    }
}

impl Executor for OnFrail {
    fn execute(&mut self, feed: &Feed<'_>) -> Result<Vec<ArrayD<f64>>, Fault> {
        if self.left == 0 {
            return Err(Fault { value: self.program.outputs[0].1, found: f64::NAN });
        }
        self.left -= 1;
        self.inner.execute(feed)
    }

    fn lost(&self) -> Option<Lost> {
        (self.left == 0).then(|| Lost { device: "frail".to_owned(), why: "it went away".to_owned() })
    }
}

#[test]
fn a_device_that_is_lost_leaves_the_parameters_of_its_last_step() {
    let end = |text: &str, steps| run_cell(&cell(text, &[]), &Frail { steps }, 3, &mut Silent).expect("it fits");
    let lost = end(STEP, 5);
    assert_eq!((lost.steps, lost.lost.map(|lost| lost.device)), (5, Some("frail".to_owned())));
    assert!(lost.failure.is_none(), "what was lost did not diverge");
    let whole = end(&STEP.replace("steps 8", "steps 5"), usize::MAX);
    assert!(whole.lost.is_none());
    assert_eq!(lost.parameters, whole.parameters);
}
