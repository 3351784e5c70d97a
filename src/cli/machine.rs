//! The machines that the command line can name.

use std::sync::Once;
#[cfg(feature = "gpu")]
use std::sync::OnceLock;
#[cfg(feature = "gpu")]
use std::time::Instant;

use super::args::{Backend, Target};
#[cfg(feature = "gpu")]
use super::devices::Devices;
use super::terminal::say;
use crate::backend::Executor;
use crate::backend::cpu::{Cpu, LAYOUT, free_memory, peaks};
#[cfg(feature = "gpu")]
use crate::backend::gpu::{Device, Gpu, peaks as peaks_of};
use crate::backend::reference::Reference;
use crate::diagnostic::Report;
use crate::graph::{Node, Program, ValueId};
use crate::plan::{self, Peaks, TooLarge};
use crate::run::{Loaded, Machine};
use crate::transform::optimise;

/// Loads programs on the backend that the command line names.
pub(super) struct Loader {
    backend: Backend,
    /// The number of worker threads of each job.
    pub(super) threads: usize,
    /// Cells that run side by side.
    pub(super) jobs: usize,
    /// What the machine can do at most, if the time is to be looked at.
    peaks: Option<Peaks>,
    /// Whether the time is to be looked at.
    #[cfg(feature = "gpu")]
    timing: bool,
    /// What the device can do at most, measured when that is first asked for.
    #[cfg(feature = "gpu")]
    device_peaks: OnceLock<Peaks>,
    #[cfg(feature = "gpu")]
    devices: Devices,
}

/// Where a program runs.
enum Place {
    Cpu,
    Reference,
    #[cfg(feature = "gpu")]
    Gpu(Device),
}

/// The number of cores that the system grants.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

impl Loader {
    /// The machine of the command line, with one thread per core unless it says otherwise; `jobs` cells share it.
    ///
    /// # Errors
    /// When the device that it names is not there.
    #[cfg_attr(not(feature = "gpu"), expect(clippy::unnecessary_wraps, reason = "only devices may be missing"))]
    pub(super) fn new(target: &Target, jobs: usize) -> Result<Self, Report> {
        static WARNED: Once = Once::new();
        let cores = cores();
        let threads = target.threads.unwrap_or(cores);
        if threads > cores {
            WARNED.call_once(|| {
                say(&format!("socrun: {threads} threads on {cores} cores; more threads than cores are slower"));
            });
        }
        let jobs = jobs.max(1);
        let threads = (threads / jobs).max(1);
        let on_cpu = matches!(target.backend, Backend::Auto | Backend::Cpu);
        let peaks = (target.timing && on_cpu).then(|| peaks(threads));
        Ok(Self {
            backend: target.backend,
            threads,
            jobs,
            peaks,
            #[cfg(feature = "gpu")]
            timing: target.timing,
            #[cfg(feature = "gpu")]
            device_peaks: OnceLock::new(),
            #[cfg(feature = "gpu")]
            devices: Devices::new(target)?,
        })
    }

    /// The backends that programs were given to, for the record of the run.
    pub(super) fn backend(&self) -> String {
        #[cfg(feature = "gpu")]
        if let Some(name) = self.devices.in_use() {
            return format!("gpu: {name}{}", self.devices.precision());
        }
        self.backend.name().to_owned()
    }

    /// What was chosen where the command line leaves the choice, and why.
    #[cfg(feature = "gpu")]
    pub(super) fn verdict(&self) -> Option<String> {
        (self.backend == Backend::Auto).then(|| self.devices.verdict()).flatten()
    }

    /// How long the longest dispatch on a device took, if the time was looked at.
    #[cfg(feature = "gpu")]
    pub(super) fn longest(&self) -> Option<String> {
        self.devices.longest()
    }

    #[cfg(feature = "gpu")]
    fn place(&self, program: &Program) -> Place {
        match self.backend {
            Backend::Reference => Place::Reference,
            Backend::Cpu => Place::Cpu,
            Backend::Auto | Backend::Gpu => self.devices.choose(program).map_or(Place::Cpu, Place::Gpu),
        }
    }

    #[cfg(not(feature = "gpu"))]
    fn place(&self, _: &Program) -> Place {
        match self.backend {
            Backend::Reference => Place::Reference,
            Backend::Auto | Backend::Cpu => Place::Cpu,
        }
    }

    /// What the device in use can do at most.
    ///
    /// # Errors
    /// When it cannot hold what is measured.
    #[cfg(feature = "gpu")]
    fn device_peaks(&self, device: &Device) -> Result<Peaks, Report> {
        if let Some(known) = self.device_peaks.get() {
            return Ok(*known);
        }
        let measured = peaks_of(device).map_err(Report::new)?;
        Ok(*self.device_peaks.get_or_init(|| measured))
    }

    /// What each job may take.
    fn free_memory(&self) -> u64 {
        free_memory() / self.jobs as u64
    }

    /// Refuses a program that the machine cannot hold, by arithmetic alone.
    ///
    /// # Errors
    /// The value that is too large.
    pub(super) fn refuse(&self, program: &Program) -> Result<(), Report> {
        match self.place(program) {
            Place::Cpu => {
                plan::check_with(program, self.free_memory(), self.threads, LAYOUT).map(drop).map_err(Report::new)
            }
            Place::Reference => refuse_values(program, self.free_memory()),
            #[cfg(feature = "gpu")]
            Place::Gpu(device) => Gpu::check(program, &device).map_err(Report::new),
        }
    }
}

impl Machine for Loader {
    fn load(&self, program: &Program) -> Result<Loaded, Report> {
        let program = optimise(program.clone());
        let executor: Box<dyn Executor> = match self.place(&program) {
            #[cfg(feature = "gpu")]
            Place::Gpu(device) => {
                let (clock, before) = (Instant::now(), device.kernels());
                let mut gpu = Gpu::new(program.clone(), &device).map_err(Report::new)?;
                if self.timing {
                    let (dispatches, kernels, bytes) = gpu.summary();
                    say(&format!(
                        "socrun: {dispatches} dispatches of {kernels} kernels, {} of them new, ready in {:.0} ms; {:.1} MB",
                        device.kernels() - before,
                        1e3 * clock.elapsed().as_secs_f64(),
                        bytes as f64 / 1e6
                    ));
                    gpu.watch_time(self.device_peaks(&device)?).map_err(Report::new)?;
                }
                Box::new(gpu)
            }
            Place::Cpu => {
                let mut cpu = Cpu::new(program.clone(), self.threads).map_err(Report::new)?;
                if let Some(peaks) = self.peaks {
                    cpu.watch_time(peaks);
                }
                Box::new(cpu)
            }
            Place::Reference => {
                self.refuse(&program)?;
                Box::new(Reference::new(program.clone()))
            }
        };
        Ok(Loaded { program, executor })
    }

    fn memory(&self) -> u64 {
        free_memory()
    }
}

/// The reference evaluator holds every value whole and drops it after its last use: what it needs is at least a few
/// times its largest value.
fn refuse_values(program: &Program, limit: u64) -> Result<(), Report> {
    let size = |node: &Node| program.extents(&node.ty).iter().fold(8_u128, |bytes, n| bytes.saturating_mul(*n as u128));
    let Some((at, largest)) = program.nodes.iter().enumerate().max_by_key(|(_, node)| size(node)) else {
        return Ok(());
    };
    let bytes = size(largest).saturating_mul(4);
    if bytes <= u128::from(limit) {
        return Ok(());
    }
    let axes = largest.ty.axes.iter().map(|axis| program.axis(*axis));
    Err(Report::new(TooLarge {
        bytes,
        limit,
        culprit: ValueId(at as u32),
        span: largest.span,
        culprit_bytes: size(largest),
        axes: axes.map(|axis| (axis.name.clone(), axis.size)).collect(),
        shape: largest.ty.shape.clone(),
    }))
}
