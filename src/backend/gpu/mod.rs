//! GPUs: the same plan as kernels in WGSL, run through wgpu.
//!
//! In: a [`Program`], laid out by [`plan`] with the whole batch as one tile or, where the device has not the memory for that, in
//! as few as it takes; and a [`Device`]. Out: the values of its outputs. May not know: what the program is for, or the CPU.
//!
//! Every piece of the plan becomes a kernel: a group of element-wise values, a product in tiles, a reduction in a fixed
//! order, a draw, a move. Kernels that differ in the places of their operands alone are one pipeline. A loop in which samples
//! do not meet is one kernel: a workgroup carries a few samples through all steps. Any other loop is recorded as its
//! dispatches, with the places moved by its counter. The host waits only for the outputs of a run.
//!
//! Numbers agree with the CPU's to rounding, not to the bit: WGSL leaves it to the driver whether a product and a sum are
//! rounded once. The random words are the same.

mod carry;
mod clock;
mod code;
mod compile;
mod dense;
mod device;
mod entries;
mod errors;
mod fold;
mod functions;
mod fused;
mod half;
mod kernel;
mod large;
mod layer;
mod machine;
mod memory;
mod ops;
mod pairs;
mod peaks;
mod product;
mod tile;
mod units;

pub use device::{Adapter, Device, Limits, MatrixUnit, adapters};
pub use errors::{Error, Kernel, NoDevice, NoHalf, NoUnits, OverLimit, Refused};
pub use peaks::peaks;

use std::collections::BTreeSet;
use std::time::Instant;

use ndarray::ArrayD;

use self::carry::is_carried;
use self::code::Code;
use self::compile::{Target, compile};
use self::machine::Machine;
use self::memory::Memory;
use super::timing::{Phase, Timing};
use super::{Course, Executor, Fault, Feed, Lost, Passed, one_by_one};
use crate::graph::{Program, ValueId};
use crate::plan::{self, Cost, Item, Options, Peaks, Plan};

/// A program on a device.
pub struct Gpu {
    program: Program,
    device: Device,
    machine: Machine,
    lost: Option<Lost>,
    timed: Option<Timing>,
}

/// The plan of a program for a device, and the buffers in half precision.
fn lay_out_on(program: &Program, device: &Device, fuse: bool) -> Result<(Plan, BTreeSet<usize>), plan::Error> {
    let mut plan = lay_out(program, fuse)?;
    let half = if device.half { half::buffers(&plan) } else { BTreeSet::new() };
    if !half.is_empty() {
        plan::assign_slots_without(&mut plan, &half);
    }
    Ok((plan, half))
}

/// The samples of a piece of the batch at least: less would leave a workgroup without work.
const LEAST_PIECE: usize = 64;

/// A program that fits in the memory of a device.
struct Fitting {
    plan: Plan,
    memory: Memory,
    code: Code,
}

/// Lays a program out for a device, in as few pieces of the batch as fit there.
fn fit(program: &Program, device: &Device, fuse: bool, watch: bool) -> Result<Fitting, Error> {
    let (mut plan, half) = lay_out_on(program, device, fuse)?;
    let target = device.target();
    plan.width = device.piece.unwrap_or(usize::MAX).min(plan.batch);
    let mut pieces = plan.tiles();
    loop {
        let fitting = Memory::lay_out(&plan, target.limits, target.name, &half)
            .and_then(|mut memory| Ok((compile(&plan, &mut memory, target, watch)?, memory)));
        match fitting {
            Ok((code, memory)) => return Ok(Fitting { plan, memory, code }),
            Err(Error::OverLimit(over)) if over.is_memory && plan.batch >= 2 * pieces * LEAST_PIECE => pieces *= 2,
            Err(other) => return Err(other),
        }
        // Pieces of one size need each kernel once.
        let even = (pieces..2 * pieces).find(|n| plan.batch.is_multiple_of(*n));
        plan.width = plan.batch.div_ceil(even.unwrap_or(pieces));
    }
}

/// The plan of a program: the whole batch is one tile, and nothing is cut for the sake of a cache.
fn lay_out(program: &Program, fuse: bool) -> Result<Plan, plan::Error> {
    let mut plan =
        plan::build(program, Options { fuse, cache: usize::MAX / 4, inline: false, draws: true, side: None })?;
    plan.width = plan.batch;
    Ok(plan)
}

/// What a run of a program takes on any device.
#[derive(Clone, Copy, Debug)]
pub struct Estimate {
    /// Operations.
    pub cost: Cost,
    /// Dispatches, about.
    pub dispatches: u64,
}

/// What a run of a program takes on any device, by arithmetic alone.
///
/// # Errors
/// When the program cannot be laid out.
pub fn estimate(program: &Program) -> Result<Estimate, plan::Error> {
    fn count(plan: &Plan, items: &[Item]) -> u64 {
        let of = |item: &Item| match item {
            Item::Loop(l) if is_carried(plan, l) => 1,
            Item::Loop(l) => {
                let head = l.head.as_ref().map_or(0, |strip| count(plan, &strip.body));
                l.before.len() as u64 + l.size as u64 * (head + count(plan, &l.body) + l.after.len() as u64)
            }
            _ => 1,
        };
        items.iter().map(of).sum()
    }
    let plan = lay_out(program, true)?;
    let dispatches = plan.segments.iter().map(|s| count(&plan, &s.items)).sum();
    Ok(Estimate { cost: plan.cost, dispatches })
}

impl Gpu {
    /// Refuses a program that needs more than the device allows, by arithmetic alone.
    ///
    /// # Errors
    /// When it does.
    pub fn check(program: &Program, device: &Device) -> Result<(), Error> {
        fit(program, device, true, false).map(drop)
    }

    /// Lays a program out for a device and builds its kernels.
    ///
    /// # Errors
    /// When the program needs more than the device allows.
    pub fn new(program: Program, device: &Device) -> Result<Self, Error> {
        let machine = Machine::new(device, fit(&program, device, true, false)?)?;
        Ok(Self { program, device: device.clone(), machine, lost: None, timed: None })
    }

    /// Looks at the clock from now on, for [`Executor::timing`]; `peaks` are those of the device. Before the first run,
    /// another is made with a stamp around every dispatch.
    ///
    /// # Errors
    /// When the program cannot be laid out.
    pub fn watch_time(&mut self, peaks: Peaks) -> Result<(), Error> {
        let summary = lay_out(&self.program, true)?.summary(1);
        let floor = summary.floor(peaks);
        let phases = Vec::new();
        self.timed =
            Some(Timing { runs: 0, threads: 0, phases, seconds: 0.0, cost: summary.cost, floor, longest: None });
        Ok(())
    }

    /// Notes how long every dispatch of a run takes, once.
    fn stamp(&mut self, feed: &Feed<'_>) {
        let Some(timing) = self.timed.as_mut().filter(|timing| timing.runs == 0) else { return };
        // The first dispatch of a kernel is slow. A device that is lost here is found to be so in the run that follows.
        if self.machine.run(feed).is_err() {
            return;
        }
        let Ok(dispatches) = self.machine.stamped(feed) else { return };
        let mut kinds: Vec<Phase> = Vec::new();
        for (kind, seconds, every_run) in dispatches {
            if timing.longest.is_none_or(|(longest, _)| seconds > longest) {
                timing.longest = Some((seconds, kind));
            }
            if every_run {
                match kinds.iter_mut().find(|phase| phase.name == kind) {
                    Some(phase) => phase.seconds += seconds,
                    None => kinds.push(Phase { name: kind, seconds, work: Default::default() }),
                }
            }
        }
        timing.phases = kinds;
        if let Some(longest) = timing.longest {
            self.device.shared.note_longest(longest);
        }
    }

    /// Notes that some runs took the time since `start`.
    fn note(&mut self, runs: u64, start: Instant) {
        if let Some(timing) = &mut self.timed {
            timing.runs += runs;
            timing.seconds += start.elapsed().as_secs_f64();
        }
    }

    /// Dispatches of one run, different kernels, bytes of memory.
    pub fn summary(&self) -> (usize, usize, u64) {
        (self.machine.dispatches(), self.machine.kernels(), self.machine.bytes())
    }

    /// Runs again with every value looked at, and names the first that was not finite.
    fn find_fault(&self, feed: &Feed<'_>, fallback: Fault) -> Fault {
        let watched =
            fit(&self.program, &self.device, false, true).and_then(|fitting| Machine::new(&self.device, fitting));
        watched.ok().and_then(|mut machine| machine.run(feed).ok()?.1).unwrap_or(fallback)
    }
}

impl Executor for Gpu {
    fn execute(&mut self, feed: &Feed<'_>) -> Result<Vec<ArrayD<f64>>, Fault> {
        let first = self.program.outputs.first().map_or(ValueId(0), |(_, v)| *v);
        self.stamp(feed);
        let start = Instant::now();
        let outputs = match self.machine.run(feed) {
            Ok((outputs, _)) => outputs,
            Err(why) => {
                self.lost = Some(Lost { device: self.device.adapter().name.clone(), why });
                return Err(Fault { value: first, found: f64::NAN });
            }
        };
        self.note(1, start);
        for ((_, v), array) in self.program.outputs.iter().zip(&outputs) {
            if let Some(found) = array.iter().find(|x| !x.is_finite()) {
                return Err(self.find_fault(feed, Fault { value: *v, found: *found }));
            }
        }
        Ok(outputs)
    }

    fn advance(&mut self, course: &mut Course<'_>) -> Passed {
        let first = self.program.outputs.first().map_or(ValueId(0), |(_, v)| *v);
        self.stamp(&course.feed(0));
        let start = Instant::now();
        let (rows, outputs, _) = match self.machine.runs(&course.feed(0), course.runs) {
            Ok(ran) => ran,
            Err(why) => {
                self.lost = Some(Lost { device: self.device.adapter().name.clone(), why });
                return (Vec::new(), Some(Fault { value: first, found: f64::NAN }));
            }
        };
        if rows.iter().flatten().chain(outputs.iter().flatten()).all(|x| x.is_finite()) {
            self.note(course.runs, start);
            course.put_all(outputs);
            return (rows, None);
        }
        // What is not finite stays so from run to run: one by one the first of them is found, and what was before it.
        one_by_one(self, course)
    }

    fn lost(&self) -> Option<Lost> {
        self.lost.clone()
    }

    fn timing(&self) -> Option<Timing> {
        let mut timing = self.timed.clone()?;
        // They were measured in one run.
        timing.phases.iter_mut().for_each(|phase| phase.seconds *= timing.runs as f64);
        Some(timing)
    }
}

/// The kernels of a program for matrix units, as [`wgsl`] gives them.
///
/// # Errors
/// When the program cannot be laid out.
pub fn wgsl_for(program: &Program, unit: MatrixUnit) -> Result<String, Error> {
    text(program, Some(unit))
}

/// The kernels of a program, each with how often it is dispatched and, line by line, the value it computes.
///
/// # Errors
/// When the program cannot be laid out.
pub fn wgsl(program: &Program) -> Result<String, Error> {
    text(program, None)
}

fn text(program: &Program, unit: Option<MatrixUnit>) -> Result<String, Error> {
    let most = u64::from(u32::MAX);
    let limits = Limits {
        binding: most,
        buffer: most,
        bindings: 8,
        workgroup_storage: 32 << 10,
        invocations: 256,
        workgroups: 65_535,
    };
    let plan = lay_out(program, true)?;
    let mut memory = Memory::lay_out(&plan, limits, "any", &BTreeSet::new())?;
    let target = Target { name: "any", limits, software: false, own_card: true, unit, work: device::WORK[0] };
    let code = compile(&plan, &mut memory, target, false)?;
    Ok(code.print())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{AxisKind, Builder, Draw, Law, Lifetime, Op, Output, Type};

    #[test]
    fn a_device_that_goes_away_says_so() {
        let Some(adapter) = adapters().into_iter().next() else {
            return eprintln!("skipped: there is no adapter for Vulkan, Metal or DirectX 12");
        };
        let device = Device::on(adapter).expect("the device opens");
        let mut b = Builder::new();
        let sample = b.axis("sample", 100, AxisKind::Sample);
        let draw = Draw { stream: 1, law: Law::Normal, lifetime: Lifetime::Step, seed: None };
        let x = b.push_typed(Op::Draw(draw), Some(Type::new([sample], [3])));
        b.program_mut().outputs.push((Output::Named("x".to_owned()), x));
        let mut gpu = Gpu::new(b.finish(), &device).expect("it fits");
        let feed = Feed { parameters: &[], states: &[], seed: 1, step: 0 };
        assert!(gpu.execute(&feed).is_ok() && gpu.lost().is_none());
        device.shared.device.destroy();
        assert!(gpu.execute(&feed).is_err());
        let lost = gpu.lost().expect("the fault is the device's");
        assert!(lost.device == device.adapter().name && !lost.why.is_empty());
    }
}
