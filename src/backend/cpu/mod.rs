//! The CPU: tiles of samples on threads, in f32.
//!
//! In: a [`Program`], laid out by [`plan`]. Out: the values of its outputs, the same bits for any number of
//! threads. May not know: what the program is for.
//!
//! A tile runs its whole phase on one worker, scans included, in memory that was set aside before: nothing is allocated
//! and nobody waits inside. `code` is the list of steps; each kind of step has a file.

mod block;
mod classes;
mod clock;
mod code;
mod compile;
mod contract;
mod dense;
mod draw;
mod fused;
mod gemm;
mod group;
mod handover;
mod loops;
mod machine;
mod memory;
mod moves;
mod ops;
mod outer;
mod packed;
mod pairs;
mod peaks;
mod product;
mod reduce;
mod strided;

use ndarray::ArrayD;

use std::time::Instant;

use self::machine::Machine;
pub use self::peaks::peaks;
use super::timing::Timing;
use super::{Course, Executor, Fault, Feed, Passed, first_non_finite, one_by_one};
use crate::graph::Program;
use crate::plan::{self, Options, Peaks, Summary};

/// How programs are laid out here.
pub const LAYOUT: Options = Options { fuse: true, cache: 256 * 1024, inline: true, draws: false, side: Some(1024) };

/// A program on the CPU.
pub struct Cpu {
    program: Program,
    machine: Machine,
    threads: usize,
    summary: Summary,
    /// Runs and their seconds, and the machine's peaks.
    timed: Option<(u64, f64, Peaks)>,
}

impl Cpu {
    /// Lays a program out for this many threads. Memory is limited to what the machine has free.
    ///
    /// # Errors
    /// When the program does not fit.
    pub fn new(program: Program, threads: usize) -> Result<Self, plan::Error> {
        Self::with_limit(program, threads, free_memory())
    }

    /// As [`Cpu::new`], with a limit in bytes.
    ///
    /// # Errors
    /// When the program does not fit.
    pub fn with_limit(program: Program, threads: usize, limit: u64) -> Result<Self, plan::Error> {
        Self::with_options(program, threads, limit, LAYOUT)
    }

    /// As [`Cpu::with_limit`], with a say in how the program is laid out.
    ///
    /// # Errors
    /// When the program does not fit.
    pub fn with_options(program: Program, threads: usize, limit: u64, options: Options) -> Result<Self, plan::Error> {
        let threads = threads.max(1);
        let (plan, summary) = plan::check_with(&program, limit, threads, options)?;
        let machine = Machine::new(plan, threads, false);
        Ok(Self { program, machine, threads, summary, timed: None })
    }

    /// Looks at the clock from now on, for [`Executor::timing`]; `peaks` are those of this many threads.
    pub fn watch_time(&mut self, peaks: Peaks) {
        self.timed = Some((0, 0.0, peaks));
        self.machine.watch_time();
    }

    /// What the program takes.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Runs again with every value looked at, and names the first that was not finite.
    fn find_fault(&self, feed: &Feed<'_>, fallback: Fault) -> Fault {
        match plan::build(&self.program, Options { fuse: false, ..Options::default() }) {
            Ok(plan) => Machine::new(plan, self.threads, true).run(feed).1.unwrap_or(fallback),
            Err(_) => fallback,
        }
    }
}

impl Executor for Cpu {
    fn execute(&mut self, feed: &Feed<'_>) -> Result<Vec<ArrayD<f64>>, Fault> {
        let start = Instant::now();
        let (outputs, _) = self.machine.run(feed);
        if let Some((runs, seconds, _)) = &mut self.timed {
            *runs += 1;
            *seconds += start.elapsed().as_secs_f64();
        }
        for ((_, v), array) in self.program.outputs.iter().zip(&outputs) {
            if let Some(found) = array.as_slice().and_then(first_non_finite) {
                return Err(self.find_fault(feed, Fault { value: *v, found }));
            }
        }
        Ok(outputs)
    }

    fn advance(&mut self, course: &mut Course<'_>) -> Passed {
        if !self.machine.goes_on() {
            return one_by_one(self, course);
        }
        let mut rows = Vec::new();
        for done in 0..course.runs {
            let start = Instant::now();
            self.machine.pass(&course.feed(done), done > 0);
            if let Some((value, found)) = self.machine.non_finite() {
                if done > 0 {
                    self.machine.take_back(course);
                }
                let fault = self.find_fault(&course.feed(done), Fault { value, found });
                return (rows, Some(fault));
            }
            rows.push(self.machine.named());
            if done + 1 < course.runs {
                self.machine.pass_on();
            } else {
                self.machine.hand_out(course);
            }
            if let Some((runs, seconds, _)) = &mut self.timed {
                *runs += 1;
                *seconds += start.elapsed().as_secs_f64();
            }
        }
        (rows, None)
    }

    fn timing(&self) -> Option<Timing> {
        let (runs, seconds, peaks) = self.timed?;
        let phases = self.machine.phases();
        let floor = self.summary.floor(peaks);
        Some(Timing { runs, threads: self.threads, phases, seconds, cost: self.summary.cost, floor, longest: None })
    }
}

/// The bytes of memory that are free, or 8 GB where the system does not say.
#[allow(clippy::disallowed_methods, reason = "the system tells through a file")]
pub fn free_memory() -> u64 {
    std::fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|l| l.starts_with("MemAvailable:"))?;
            line.split_whitespace().nth(1)?.parse::<u64>().ok()
        })
        .map_or(8_000_000_000, |kilobytes| kilobytes * 1024)
}
