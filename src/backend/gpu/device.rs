//! Adapters of this machine, and one of them opened.

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::pin::pin;
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::task::{Context, Poll, Waker};

use super::compile::Target;
use super::errors::{Error, NoDevice, NoHalf, NoUnits, Refused};
use crate::backend::{Executor, selftest};

/// An adapter, as the driver describes it.
#[derive(Clone, Debug)]
pub struct Adapter {
    /// Its place in the list.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// Whether it computes on the CPU.
    pub software: bool,
    /// Whether it is a card of its own.
    pub own_card: bool,
    /// What it is: a card of its own, part of the processor, software.
    pub kind: &'static str,
    /// The interface through which it is driven.
    pub interface: String,
    /// The driver and its version.
    pub driver: String,
    /// What it allows.
    pub limits: Limits,
    /// Optional abilities that bear on speed, by name.
    pub features: Vec<&'static str>,
    handle: wgpu::Adapter,
}

/// What an adapter allows, in bytes and counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one range of memory that a kernel sees.
    pub binding: u64,
    /// Bytes of a buffer.
    pub buffer: u64,
    /// Ranges of memory that a kernel sees.
    pub bindings: u32,
    /// Bytes that the invocations of a workgroup share.
    pub workgroup_storage: u32,
    /// Invocations of a workgroup.
    pub invocations: u32,
    /// Workgroups of a dispatch.
    pub workgroups: u32,
}

impl Limits {
    fn of(limits: &wgpu::Limits) -> Self {
        Self {
            binding: limits.max_storage_buffer_binding_size,
            buffer: limits.max_buffer_size,
            bindings: limits.max_storage_buffers_per_shader_stage,
            workgroup_storage: limits.max_compute_workgroup_storage_size,
            invocations: limits.max_compute_invocations_per_workgroup.min(limits.max_compute_workgroup_size_x),
            workgroups: limits.max_compute_workgroups_per_dimension,
        }
    }
}

impl Adapter {
    /// The matrix unit to use: one without rounding before others.
    fn unit(&self) -> Result<MatrixUnit, String> {
        use wgpu::CooperativeScalarType::{F16, F32};
        let info = self.handle.get_info();
        let (least, most) = (info.subgroup_min_size, info.subgroup_max_size);
        // A workgroup is one subgroup, and has to know how large that will be.
        if least != most || least == 0 {
            return Err(format!("subgroups of {least} to {most} invocations"));
        }
        let threads = least as usize;
        let offered = self.handle.cooperative_matrix_properties();
        let has = |side: u32, factor| {
            offered
                .iter()
                .any(|o| (o.m_size, o.n_size, o.k_size, o.ab_type, o.cr_type) == (side, side, side, factor, F32))
        };
        let known = [
            MatrixUnit { side: 8, half: false, threads },
            MatrixUnit { side: 16, half: false, threads },
            MatrixUnit { side: 16, half: true, threads },
            MatrixUnit { side: 8, half: true, threads },
        ];
        let usable = known.into_iter().find(|unit| has(unit.side as u32, if unit.half { F16 } else { F32 }));
        usable.ok_or_else(|| {
            let kind = |o: &wgpu::CooperativeMatrixProperties| {
                format!("{} × {} × {} from {:?} to {:?}", o.m_size, o.n_size, o.k_size, o.ab_type, o.cr_type)
            };
            let kinds: Vec<String> = offered.iter().map(kind).collect();
            if kinds.is_empty() { "none".to_owned() } else { format!("others: {}", kinds.join(", ")) }
        })
    }
}

impl fmt::Display for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({}, {})", self.index, self.name, self.kind, self.interface)
    }
}

/// All adapters, in the order in which the system lists them.
pub fn adapters() -> Vec<Adapter> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.flags = wgpu::InstanceFlags::empty();
    descriptor.backends = wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12;
    let instance = wgpu::Instance::new(descriptor);
    let all = wait(instance.enumerate_adapters(wgpu::Backends::all()));
    all.into_iter().enumerate().map(|(index, handle)| describe(index, handle)).collect()
}

fn describe(index: usize, handle: wgpu::Adapter) -> Adapter {
    let info = handle.get_info();
    let known = [
        (wgpu::Features::SHADER_F16, "f16"),
        (wgpu::Features::SUBGROUP, "subgroups"),
        (wgpu::Features::TIMESTAMP_QUERY, "timestamps"),
        (wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX, "cooperative matrices"),
    ];
    let features = handle.features();
    Adapter {
        index,
        software: info.device_type == wgpu::DeviceType::Cpu,
        own_card: info.device_type == wgpu::DeviceType::DiscreteGpu,
        kind: match info.device_type {
            wgpu::DeviceType::DiscreteGpu => "a card of its own",
            wgpu::DeviceType::IntegratedGpu => "part of the processor",
            wgpu::DeviceType::VirtualGpu => "virtual",
            wgpu::DeviceType::Cpu => "software",
            wgpu::DeviceType::Other => "of no stated kind",
        },
        interface: format!("{:?}", info.backend),
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
        limits: Limits::of(&handle.limits()),
        features: known.iter().filter(|(f, _)| features.contains(*f)).map(|(_, name)| *name).collect(),
        name: info.name,
        handle,
    }
}

/// Operations of one dispatch, about, on hardware and in software: a tenth of a second in software, and on a weak card where
/// workgroups wait for memory most of the time.
pub(super) const WORK: [u64; 2] = [4_000_000_000, 40_000_000];

/// An open device. Clones share it.
#[derive(Clone)]
pub struct Device {
    pub(super) shared: Arc<Shared>,
    /// Whether programs keep activations in half precision.
    pub(super) half: bool,
    /// What takes products of matrices, if that was asked for.
    pub(super) unit: Option<MatrixUnit>,
    /// The most samples of a piece of a batch, if there is a bound.
    pub(super) piece: Option<usize>,
    /// Operations of one dispatch, about.
    work: u64,
}

/// A matrix unit: it multiplies square tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatrixUnit {
    /// Rows and columns of a tile.
    pub side: usize,
    /// Whether it takes factors in half precision; sums are in single precision.
    pub half: bool,
    /// The invocations of a subgroup, which multiply a tile together.
    pub threads: usize,
}

impl MatrixUnit {
    /// How far products may be off, relative to the largest: factors in half precision are rounded to 11 bits.
    fn tolerance(self) -> f64 {
        if self.half { 4e-3 } else { selftest::TOLERANCE }
    }
}

/// What all programs on a device share.
pub(super) struct Shared {
    /// The adapter it was opened on.
    pub adapter: Adapter,
    pub device: wgpu::Device,
    pub queue: wgpu::Queue,
    /// Seconds and kind of the longest dispatch of all that were stamped.
    longest: Mutex<Option<(f64, &'static str)>>,
    /// Why the device was lost, if it was.
    lost: Arc<Mutex<Option<String>>>,
    /// Layouts of what kernels see, by the number of ranges of memory.
    layouts: Mutex<HashMap<usize, (wgpu::BindGroupLayout, wgpu::PipelineLayout)>>,
    /// Pipelines by the text of the kernel and the number of ranges.
    pipelines: Mutex<HashMap<(String, usize), wgpu::ComputePipeline>>,
}

impl Device {
    /// Opens the adapter with this number or, else, the first whose name contains this text. Without either, the first
    /// that is no software, cards of their own before others.
    ///
    /// # Errors
    /// When there is none, or the driver refuses to open it.
    pub fn open(wanted: Option<&str>) -> Result<Self, Error> {
        let all = adapters();
        let found: Vec<String> = all.iter().map(ToString::to_string).collect();
        let chosen = match wanted {
            None => all.into_iter().filter(|a| !a.software).min_by_key(|a| (!a.own_card, a.index)),
            Some(text) => {
                let number = text.parse::<usize>().ok();
                let folded = text.to_lowercase();
                all.into_iter().find(|a| number.map_or(a.name.to_lowercase().contains(&folded), |n| a.index == n))
            }
        };
        let none = || Error::from(NoDevice { wanted: wanted.map(str::to_owned), found });
        Self::on(chosen.ok_or_else(none)?)
    }

    /// Opens an adapter, with all that it allows.
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn on(adapter: Adapter) -> Result<Self, Error> {
        Self::request(adapter, None)
    }

    fn request(adapter: Adapter, unit: Option<MatrixUnit>) -> Result<Self, Error> {
        let mut wanted = wgpu::Features::SHADER_F16 | wgpu::Features::TIMESTAMP_QUERY;
        if unit.is_some() {
            wanted |= wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX;
        }
        let request = adapter.handle.request_device(&wgpu::DeviceDescriptor {
            label: None,
            required_features: adapter.handle.features() & wanted,
            required_limits: adapter.handle.limits(),
            experimental_features: experimental(unit.is_some()),
            memory_hints: wgpu::MemoryHints::Performance,
            trace: wgpu::Trace::Off,
        });
        let (device, queue) =
            wait(request).map_err(|why| Refused { device: adapter.name.clone(), why: why.to_string() })?;
        let lost = Arc::new(Mutex::new(None));
        let noted = Arc::clone(&lost);
        device.set_device_lost_callback(move |reason, why| {
            let why = if why.is_empty() { format!("{reason:?}") } else { why };
            noted.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
        });
        let noted = Arc::clone(&lost);
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            noted.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error.to_string());
        }));
        let work = if adapter.software { WORK[1] } else { WORK[0] };
        let (longest, layouts, pipelines) = (Mutex::default(), Mutex::default(), Mutex::default());
        let shared = Shared { adapter, device, queue, longest, lost, layouts, pipelines };
        Ok(Self { shared: Arc::new(shared), half: false, unit, piece: None, work })
    }

    /// The same adapter, opened so that products of matrices are taken by its matrix units. Where those take factors in half
    /// precision, factors are rounded to 11 bits. A product is tested before the device is handed out.
    ///
    /// # Errors
    /// When it has no units that can be used, or they compute something else.
    pub fn with_matrix_units(&self) -> Result<Self, Error> {
        let name = &self.shared.adapter.name;
        let none = |why: String| Error::from(NoUnits { device: name.clone(), why });
        let unit = self.shared.adapter.unit().map_err(none)?;
        let device = Self {
            half: self.half,
            piece: self.piece,
            work: self.work,
            ..Self::request(self.shared.adapter.clone(), Some(unit))?
        };
        let tested = selftest::selftest(|program| {
            let gpu = super::Gpu::new(program, &device).map_err(|why| why.to_string())?;
            Ok(Box::new(gpu) as Box<dyn Executor>)
        });
        for test in tested.iter().filter(|test| test.what == "products") {
            match &test.off {
                Ok(off) if *off <= unit.tolerance() => {}
                Ok(off) => return Err(none(format!("units whose products are off by {off:.1e}"))),
                Err(why) => return Err(none(why.clone())),
            }
        }
        Ok(device)
    }

    /// Whether products of matrices are taken by matrix units.
    pub fn matrix_unit(&self) -> Option<MatrixUnit> {
        self.unit
    }

    /// The same device, on which programs keep activations that they need again in half precision: what a net's functions
    /// of one number give along whole paths. They are rounded to 11 bits; all arithmetic stays in single precision.
    ///
    /// # Errors
    /// When the device has no numbers of 16 bits.
    pub fn with_half_activations(&self) -> Result<Self, Error> {
        if self.shared.device.features().contains(wgpu::Features::SHADER_F16) {
            Ok(Self { half: true, ..self.clone() })
        } else {
            Err(NoHalf { device: self.shared.adapter.name.clone() }.into())
        }
    }

    /// The same device, on which batches go through in pieces of so many samples at most. Without, they are cut only where they
    /// need more memory in one piece than the device allows.
    #[must_use]
    pub fn in_pieces(&self, samples: usize) -> Self {
        Self { piece: Some(samples.max(1)), ..self.clone() }
    }

    /// The same device, on which a dispatch takes about so many operations at most.
    #[must_use]
    pub fn with_dispatches_of(&self, operations: u64) -> Self {
        Self { work: operations.max(1), ..self.clone() }
    }

    /// Whether activations are kept in half precision.
    pub fn halves(&self) -> bool {
        self.half
    }

    /// What kernels are written for.
    pub(super) fn target(&self) -> Target<'_> {
        let Adapter { name, limits, software, own_card, .. } = self.adapter();
        Target { name, limits: *limits, software: *software, own_card: *own_card, unit: self.unit, work: self.work }
    }

    /// The adapter.
    pub fn adapter(&self) -> &Adapter {
        &self.shared.adapter
    }

    /// Seconds and kind of the longest dispatch of all programs that look at the clock.
    pub fn longest(&self) -> Option<(f64, &'static str)> {
        *self.shared.longest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of different kernels that were built so far.
    pub fn kernels(&self) -> usize {
        self.shared.pipelines.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl Shared {
    /// Why the device was lost, or could not do what was asked, if so.
    pub fn lost(&self) -> Option<String> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes the longest dispatch of a program.
    pub fn note_longest(&self, found: (f64, &'static str)) {
        let mut known = self.longest.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_none_or(|(seconds, _)| found.0 > seconds) {
            *known = Some(found);
        }
    }

    /// The words of a buffer that the host can read, when all that was submitted is done.
    ///
    /// # Errors
    /// Why the device was lost.
    pub fn words(&self, buffer: &wgpu::Buffer) -> Result<Vec<u32>, String> {
        let (sender, receiver) = std::sync::mpsc::channel();
        buffer.map_async(wgpu::MapMode::Read, .., move |result| {
            // Nobody listens any more only if the wait below has failed.
            let _ = sender.send(result);
        });
        // What the device has not taken is not waited for.
        let waited = if self.lost().is_some() { Ok(()) } else { wait_for(&self.device) };
        if let Some(why) = self.lost() {
            return Err(why);
        }
        waited?;
        receiver.recv().map_err(|why| why.to_string())?.map_err(|why| why.to_string())?;
        let words = {
            let view = buffer.get_mapped_range(..).map_err(|why| why.to_string())?;
            view.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
        };
        buffer.unmap();
        Ok(words)
    }

    /// The layout of what kernels see: the words of a dispatch, what the host feeds, flags, ranges of memory.
    pub fn layout(&self, ranges: usize) -> (wgpu::BindGroupLayout, wgpu::PipelineLayout) {
        let mut layouts = self.layouts.lock().unwrap_or_else(PoisonError::into_inner);
        let made = layouts.entry(ranges).or_insert_with(|| {
            let entry = |binding: usize, ty, dynamic| wgpu::BindGroupLayoutEntry {
                binding: binding as u32,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: dynamic, min_binding_size: None },
                count: None,
            };
            let memory = |read_only| wgpu::BufferBindingType::Storage { read_only };
            let mut entries = vec![
                entry(0, wgpu::BufferBindingType::Uniform, true),
                entry(1, memory(true), false),
                entry(2, memory(false), false),
            ];
            entries.extend((0..ranges).map(|i| entry(3 + i, memory(false), false)));
            let groups = self
                .device
                .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries });
            let pipelines = self.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: None,
                bind_group_layouts: &[Some(&groups)],
                immediate_size: 0,
            });
            (groups, pipelines)
        });
        made.clone()
    }

    /// The pipeline of a kernel.
    ///
    /// # Errors
    /// What the driver says against the text.
    pub fn pipeline(&self, text: &str, ranges: usize) -> Result<wgpu::ComputePipeline, String> {
        let key = (text.to_owned(), ranges);
        let known = self.pipelines.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(pipeline) = known {
            return Ok(pipeline);
        }
        let (_, layout) = self.layout(ranges);
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let module = self.device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: None,
            source: wgpu::ShaderSource::Wgsl(text.into()),
        });
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: None,
            layout: Some(&layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                zero_initialize_workgroup_memory: false,
                ..wgpu::PipelineCompilationOptions::default()
            },
            cache: None,
        });
        if let Some(error) = wait(scope.pop()) {
            return Err(error.to_string());
        }
        self.pipelines.lock().unwrap_or_else(PoisonError::into_inner).insert(key, pipeline.clone());
        Ok(pipeline)
    }
}

/// Whether interfaces that wgpu calls experimental may be used.
#[allow(
    unsafe_code,
    reason = "wgpu asks for it where drivers may have faults; a product is tested before any is trusted"
)]
fn experimental(wanted: bool) -> wgpu::ExperimentalFeatures {
    if wanted {
        // SAFETY: it is asked for by name, for products of matrices alone, and those are compared with the reference first.
        unsafe { wgpu::ExperimentalFeatures::enabled() }
    } else {
        wgpu::ExperimentalFeatures::disabled()
    }
}

/// The result of a future that makes progress whenever it is asked.
fn wait<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::yield_now(),
        }
    }
}

thread_local! {
    /// Whether this thread waits for a device.
    static WAITS: Cell<bool> = const { Cell::new(false) };
}

/// Waits until a device has done all it was told. wgpu panics where the device is lost meanwhile: here that is an error, and
/// nothing is printed.
fn wait_for(device: &wgpu::Device) -> Result<(), String> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !WAITS.get() {
                before(info);
            }
        }));
    });
    WAITS.set(true);
    let waited = panic::catch_unwind(AssertUnwindSafe(|| device.poll(wgpu::PollType::wait_indefinitely())));
    WAITS.set(false);
    match waited {
        Ok(waited) => waited.map(drop).map_err(|why| why.to_string()),
        Err(panicked) => {
            let said = panicked.downcast_ref::<String>().map(String::as_str);
            let said = said.or_else(|| panicked.downcast_ref::<&str>().copied()).unwrap_or("the device is lost");
            // The last line is the cause of those above it.
            Err(said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or(said).trim().to_owned())
        }
    }
}
