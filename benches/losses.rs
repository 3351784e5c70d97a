//! One training step of every loss of an experiment: median time, and the fraction of the flops floor it reaches.
//!
//! `cargo bench --bench losses -- experiments/socm/quadratic_ou_easy.soc [steps] [threads]`

#![allow(missing_docs, clippy::print_stdout, clippy::unwrap_used)]

use std::path::Path;
use std::time::Instant;

use ndarray::ArrayD;
use socrun::backend::cpu::Cpu;
use socrun::backend::reference::Reference;
use socrun::backend::{Executor, Feed};
use socrun::diagnostic::{Sink, render};
use socrun::lower::{Stage, cell, outline};
use socrun::source::SourceMap;
use socrun::syntax::{Entry, load_all};
use socrun::transform::optimise;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let path = arguments.first().map_or("experiments/socm/quadratic_ou_easy.soc", String::as_str);
    let steps: usize = arguments.get(1).map_or(40, |n| n.parse().unwrap());
    let threads: usize = arguments.get(2).map_or(2, |n| n.parse().unwrap());
    let mut map = SourceMap::new();
    let mut sink = Sink::new();
    let modules = load_all(&mut map, Entry::File(Path::new(path)), &mut sink);
    let Some(checked) = socrun::check::check(modules, &[], &mut sink, &mut map) else {
        println!("{}", render(&sink.into_reports(), &map));
        std::process::exit(1);
    };
    let outline = outline(&checked);
    let losses = outline.sweep.first().map_or(1, |s| s.1.len());
    println!("{:<24} {:>10} {:>10} {:>10} {:>12}", "loss", "median ms", "best ms", "GFLOP", "GFLOP/s");
    for i in 0..losses {
        let mut chosen = vec![0; outline.sweep.len()];
        if let Some(first) = chosen.first_mut() {
            *first = i;
        }
        let cell = cell(&checked, &chosen).unwrap();
        let parameters = Reference::new(cell.init.clone())
            .execute(&Feed { parameters: &[], states: &[], step: 0, seed: 1 })
            .unwrap();
        for stage in &cell.stages {
            let Stage::Train(training) = stage else { continue };
            let program = optimise(training.program.clone());
            let states: Vec<_> = program.states.iter().map(|s| ArrayD::zeros(s.shape.clone())).collect();
            let mut cpu = Cpu::new(program, threads).unwrap();
            let flops = cpu.summary().cost.products as f64;
            let mut times: Vec<f64> = (0..steps + 3)
                .map(|k| {
                    let start = Instant::now();
                    cpu.execute(&Feed { parameters: &parameters, states: &states, step: k as u64, seed: 1 }).unwrap();
                    start.elapsed().as_secs_f64()
                })
                .skip(3)
                .collect();
            times.sort_by(f64::total_cmp);
            let median = times[times.len() / 2];
            let label = cell.labels.first().map_or("step", |l| l.1.as_str());
            println!(
                "{label:<24} {:>10.2} {:>10.2} {:>10.2} {:>12.0}",
                median * 1e3,
                times[0] * 1e3,
                flops / 1e9,
                flops / 1e9 / median
            );
        }
    }
}
