//! What a device can do at most, measured: products of large matrices, and copies that no cache holds.

use std::time::Instant;

use ndarray::{ArrayD, IxDyn};

use super::{Device, Error, Gpu};
use crate::backend::{Course, Executor};
use crate::graph::{Builder, Op, Output, ParameterInfo, ValueId};
use crate::plan::Peaks;

/// Rows of a square matrix, and numbers of a copy, on hardware and in software.
const ROWS: [usize; 2] = [2048, 192];
const COPIED: [usize; 2] = [32 << 20, 1 << 20];

/// Runs in a row at the first and the second measurement: the difference is free of what stands around them.
const RUNS: [u64; 2] = [2, 12];

/// Measurements, of which the shortest counts.
const TRIES: usize = 3;

/// Measures the peaks of a device.
///
/// # Errors
/// When it cannot hold what is measured, or was lost.
pub fn peaks(device: &Device) -> Result<Peaks, Error> {
    let software = usize::from(device.adapter().software);
    let (n, copied) = (ROWS[software], COPIED[software].min((device.adapter().limits.binding / 8) as usize));
    let products = seconds(device, &[&[n, n], &[n, n]], |b, x| {
        let product = b.contract(x[0], &[0, 1], x[1], &[1, 2], &[0, 2], &[]);
        (Output::Named("sum".to_owned()), b.sum(product, &[], &[0, 1]))
    })?;
    let copies = seconds(device, &[&[copied]], |b, x| {
        let one = b.number(1.000_001);
        (Output::Parameter(0), b.mul(x[0], one))
    })?;
    let operations = 2.0 * (n as f64).powi(3);
    // It is written by the run, and copied to where the next one reads.
    let bytes = 16.0 * copied as f64;
    Ok(Peaks { products: operations / products, bytes: bytes / copies })
}

/// The seconds of a run.
fn seconds(
    device: &Device,
    shapes: &[&[usize]],
    build: impl FnOnce(&mut Builder, &[ValueId]) -> (Output, ValueId),
) -> Result<f64, Error> {
    let mut b = Builder::new();
    let mut parameters = Vec::new();
    let mut inputs = Vec::new();
    for (i, shape) in shapes.iter().enumerate() {
        b.program_mut().parameters.push(ParameterInfo { name: format!("x{i}"), shape: shape.to_vec() });
        parameters.push(ArrayD::from_elem(IxDyn(shape), 0.5));
        inputs.push(b.push(Op::Parameter(i)));
    }
    let output = build(&mut b, &inputs);
    b.program_mut().outputs.push(output);
    let program = b.finish();
    let outputs = program.outputs.clone();
    let mut gpu = Gpu::new(program, device)?;
    let mut time = |runs| {
        let mut states = Vec::new();
        let start = Instant::now();
        let mut course =
            Course { parameters: &mut parameters, states: &mut states, first: 0, runs, seed: 0, outputs: &outputs };
        gpu.advance(&mut course);
        start.elapsed().as_secs_f64()
    };
    // The first dispatch of a kernel is slow.
    time(1);
    // Other work on the machine makes a measurement longer, never shorter.
    let [few, many] = RUNS.map(|runs| (0..TRIES).map(|_| time(runs)).fold(f64::INFINITY, f64::min));
    Ok(((many - few) / (RUNS[1] - RUNS[0]) as f64).max(1e-9))
}
