//! What several tests need: a text, checked and lowered, and a machine to run it on.

#![allow(dead_code, missing_docs, clippy::unwrap_used)]

use ndarray::ArrayD;
#[cfg(feature = "gpu")]
use socrun::backend::gpu::{Device, adapters};
use socrun::backend::reference::Reference;
use socrun::backend::{Executor, Feed};
use socrun::diagnostic::{Sink, render};
use socrun::graph::{Output, Program};
use socrun::lower::{Cell, Measurement, Stage, Training};
use socrun::source::SourceMap;
use socrun::syntax::{Entry, load_all};
use socrun::typed::Checked;

/// Parses and checks a text.
pub fn checked(text: &str) -> Checked {
    let mut map = SourceMap::new();
    let mut sink = Sink::new();
    let modules = load_all(&mut map, Entry::Text { name: "test.soc", text, folder: None }, &mut sink);
    let checked = socrun::check::check(modules, &[], &mut sink, &mut map);
    let reports = sink.into_reports();
    assert!(checked.is_some(), "{}", render(&reports, &map));
    checked.unwrap()
}

/// Lowers the cell with these choices.
pub fn cell(text: &str, chosen: &[usize]) -> Cell {
    match socrun::lower::cell(&checked(text), chosen) {
        Ok(cell) => cell,
        Err(e) => panic!("{e:?}"),
    }
}

pub fn training(cell: &Cell) -> &Training {
    cell.stages
        .iter()
        .find_map(|s| match s {
            Stage::Train(t) => Some(t),
            Stage::Measure(_) | Stage::Schedule(_) => None,
        })
        .expect("the text trains")
}

pub fn measurement(cell: &Cell) -> &Measurement {
    cell.stages
        .iter()
        .find_map(|s| match s {
            Stage::Measure(m) => Some(m),
            Stage::Train(_) | Stage::Schedule(_) => None,
        })
        .expect("the text measures")
}

pub fn first_values(cell: &Cell, seed: u64) -> Vec<ArrayD<f64>> {
    Reference::new(cell.init.clone()).execute(&Feed { parameters: &[], states: &[], step: 0, seed }).unwrap()
}

pub fn zero_states(program: &Program) -> Vec<ArrayD<f64>> {
    program.states.iter().map(|s| ArrayD::zeros(s.shape.clone())).collect()
}

/// The outputs of one run of a program.
pub fn run(
    machine: &mut dyn Executor,
    program: &Program,
    parameters: &[ArrayD<f64>],
    step: u64,
    seed: u64,
) -> Vec<ArrayD<f64>> {
    let states = zero_states(program);
    machine.execute(&Feed { parameters, states: &states, step, seed }).unwrap()
}

/// The output of this name.
pub fn named(program: &Program, outputs: &[ArrayD<f64>], name: &str) -> f64 {
    let at = program.outputs.iter().position(|(o, _)| *o == Output::Named(name.to_owned())).unwrap();
    *outputs[at].first().unwrap()
}

/// Measures once with the reference evaluator; the value of every quantity.
pub fn measure(text: &str, seed: u64) -> Vec<(String, f64)> {
    let cell = cell(text, &[]);
    let m = measurement(&cell);
    let parameters = first_values(&cell, seed);
    let outputs = run(&mut Reference::new(m.program.clone()), &m.program, &parameters, 0, seed);
    m.quantities.iter().map(|q| (q.clone(), named(&m.program, &outputs, q))).collect()
}

/// The reference evaluator and the CPU, as machines for whole experiments.
#[derive(Clone, Copy)]
pub enum Both {
    Reference,
    Cpu,
}

impl socrun::run::Machine for Both {
    fn load(&self, program: &Program) -> Result<socrun::run::Loaded, socrun::diagnostic::Report> {
        let executor: Box<dyn Executor> = match self {
            Self::Reference => Box::new(Reference::new(program.clone())),
            Self::Cpu => {
                Box::new(socrun::backend::cpu::Cpu::new(program.clone(), 2).map_err(socrun::diagnostic::Report::new)?)
            }
        };
        Ok(socrun::run::Loaded { program: program.clone(), executor })
    }
}

impl Both {
    pub fn all() -> [Self; 2] {
        [Self::Reference, Self::Cpu]
    }

    /// Runs the first cell of a text to its end.
    pub fn run(self, text: &str, seed: u64) -> socrun::run::Outcome {
        let cell = cell(text, &[]);
        let outcome =
            socrun::run::run_cell(&cell, &self, seed, &mut socrun::run::Silent).expect("the machine holds it");
        assert!(outcome.failure.is_none(), "{:?}", outcome.failure);
        outcome
    }

    /// Compares to the precision of the machine.
    pub fn close(self, found: &[f64], expected: &[f64]) {
        let tolerance = if matches!(self, Self::Reference) { 1e-12 } else { 2e-5 };
        let fits = found.iter().zip(expected).all(|(a, b)| (a - b).abs() <= tolerance * b.abs().max(1.0));
        assert!(fits && found.len() == expected.len(), "found {found:?}, expected {expected:?}");
    }
}

/// The values of a quantity in the order in which they were measured.
pub fn history(outcome: &socrun::run::Outcome, name: &str) -> Vec<f64> {
    outcome.quantity(name).expect("it was measured").points.iter().map(|p| p.1).collect()
}

/// How far what a device computes may be off: as far as is given for single precision, and 400 times as far where factors of
/// products are rounded to 11 bits in place of 24.
#[cfg(feature = "gpu")]
pub fn bound(device: &Device, given: f64) -> f64 {
    if device.matrix_unit().is_some_and(|unit| unit.half) { 400.0 * given } else { given }
}

/// The first adapter, software or not; `SOCRUN_TEST_DEVICE` names another. With `SOCRUN_TEST_UNITS` its matrix units take
/// products, and have to be there.
#[cfg(feature = "gpu")]
pub fn device() -> Option<Device> {
    static DEVICE: std::sync::OnceLock<Option<Device>> = std::sync::OnceLock::new();
    let device = DEVICE.get_or_init(|| match std::env::var("SOCRUN_TEST_DEVICE") {
        Ok(name) => Some(Device::open(Some(&name)).expect("the device opens")),
        Err(_) => adapters().into_iter().next().map(|a| Device::on(a).expect("the device opens")),
    });
    if std::env::var_os("SOCRUN_TEST_UNITS").is_some() {
        let device = device.as_ref().expect("a device is at hand");
        return Some(device.with_matrix_units().expect("its matrix units pass their test"));
    }
    if device.is_none() {
        eprintln!("skipped: there is no adapter for Vulkan, Metal or DirectX 12");
    }
    device.clone()
}
