//! A compiled plan on a device: memory, dispatches in their order, and the way in and out.

use std::collections::HashMap;

use ndarray::{ArrayD, IxDyn};

use super::compile::{Code, Fed, Run, Step, compile};
use super::device::{Device, Shared};
use super::errors::{Error, Kernel};
use super::kernel::{OWN_WORDS, Word};
use super::memory::{Memory, Spot};
use crate::backend::{Fault, Feed, random};
use crate::graph::ValueId;
use crate::plan::Plan;
use crate::source::Span;

/// Operations between two submissions, and of one dispatch, on hardware and in software: well below the time after which
/// systems take a device for hung.
const WORK: [u64; 2] = [4_000_000_000, 60_000_000];

/// Bytes of what a dispatch is told are padded to a multiple of this.
const PITCH: usize = 256;

/// One dispatch.
struct Dispatch {
    kernel: usize,
    /// Where the words it is told start, in bytes.
    words: u32,
    groups: u32,
    cost: u64,
}

/// What a run gives: the outputs, and the first value looked at that was not finite.
pub(super) type Ran = (Vec<ArrayD<f64>>, Option<Fault>);

/// A compiled plan with its memory.
pub(super) struct Machine {
    device: Device,
    pipelines: Vec<wgpu::ComputePipeline>,
    bind: wgpu::BindGroup,
    ranges: Vec<wgpu::Buffer>,
    feed: wgpu::Buffer,
    flags: wgpu::Buffer,
    back: wgpu::Buffer,
    setup: Vec<Dispatch>,
    steps: Vec<Dispatch>,
    code: Code,
    /// The values looked at, in the order in which they are.
    watched: Vec<ValueId>,
    /// Extents of the outputs.
    extents: Vec<Vec<usize>>,
    /// The seed under which the set-up ran.
    ready: Option<u64>,
}

impl Machine {
    /// Sets memory aside and builds the kernels.
    ///
    /// # Errors
    /// What the device does not allow.
    pub fn new(device: &Device, plan: &Plan, watch: bool) -> Result<Self, Error> {
        let shared = &device.shared;
        let adapter = &shared.adapter;
        let mut memory = Memory::lay_out(plan, adapter.limits, &adapter.name)?;
        let code = compile(plan, &mut memory, (&adapter.name, adapter.limits.workgroup_storage), watch)?;
        let pipelines = pipelines(shared, plan, &code, memory.ranges.len())?;

        let mut recording = Recording::new(adapter.limits.workgroups, adapter.software, &code);
        let setup = recording.record(&code.setup);
        let steps = recording.record(&code.steps);
        let Recording { data, pitch, watched, .. } = recording;

        let storage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
        let buffer = |bytes: usize, usage| {
            let size = bytes.next_multiple_of(4).max(256) as u64;
            shared.device.create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false })
        };
        let words = buffer(data.len() + pitch, wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST);
        shared.queue.write_buffer(&words, 0, &data);
        let feed = buffer(4 * (1 + 2 * code.draws.len()), storage);
        let flags = buffer(4, storage);
        let ranges: Vec<_> = memory.ranges.iter().map(|words| buffer(4 * words, storage)).collect();
        let out: usize = code.outputs.iter().map(|(_, words)| 4 * words).sum();
        let back = buffer(out + 4, wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST);
        for (spot, numbers) in &code.constants {
            shared.queue.write_buffer(&ranges[spot.range], 4 * spot.word as u64, &bytes(numbers));
        }

        let (layout, _) = shared.layout(ranges.len());
        let told = wgpu::BufferBinding { buffer: &words, offset: 0, size: std::num::NonZero::new(pitch as u64) };
        let mut entries = vec![
            wgpu::BindGroupEntry { binding: 0, resource: wgpu::BindingResource::Buffer(told) },
            wgpu::BindGroupEntry { binding: 1, resource: feed.as_entire_binding() },
            wgpu::BindGroupEntry { binding: 2, resource: flags.as_entire_binding() },
        ];
        entries.extend(
            ranges
                .iter()
                .enumerate()
                .map(|(i, range)| wgpu::BindGroupEntry { binding: 3 + i as u32, resource: range.as_entire_binding() }),
        );
        let bind = shared.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &layout,
            entries: &entries,
        });
        let extents =
            plan.program.outputs.iter().map(|(_, v)| plan.program.extents(&plan.program.node(*v).ty)).collect();
        Ok(Self {
            device: device.clone(),
            pipelines,
            bind,
            ranges,
            feed,
            flags,
            back,
            setup,
            steps,
            code,
            watched,
            extents,
            ready: None,
        })
    }

    /// Dispatches of one run.
    pub fn dispatches(&self) -> usize {
        self.steps.len()
    }

    /// Different kernels.
    pub fn kernels(&self) -> usize {
        self.pipelines.len()
    }

    /// Bytes of all ranges of memory.
    pub fn bytes(&self) -> u64 {
        self.ranges.iter().map(wgpu::Buffer::size).sum()
    }

    /// One run: the outputs, and the first value looked at that was not finite.
    ///
    /// # Errors
    /// Why the device was lost.
    pub fn run(&mut self, feed: &Feed<'_>) -> Result<Ran, String> {
        let shared = &self.device.shared;
        let queue = &shared.queue;
        let fresh = self.ready != Some(feed.seed);
        if fresh {
            let keys = self.code.draws.iter().flat_map(|d| random::draw_key(d, feed.seed));
            let keys: Vec<u8> = keys.flat_map(u32::to_le_bytes).collect();
            if !keys.is_empty() {
                queue.write_buffer(&self.feed, 4, &keys);
            }
            self.ready = Some(feed.seed);
        }
        queue.write_buffer(&self.feed, 0, &(feed.step as u32).to_le_bytes());
        if !self.watched.is_empty() {
            queue.write_buffer(&self.flags, 0, &u32::MAX.to_le_bytes());
        }
        for (fed, spot, layout) in &self.code.fed {
            let numbers = match fed {
                Fed::Parameter(i) => layout.place(feed.parameters[*i].iter().map(|x| *x as f32)),
                Fed::State(i) => layout.place(feed.states[*i].iter().map(|x| *x as f32)),
                Fed::Step => vec![feed.step as f32],
            };
            let numbers = bytes(&numbers);
            if !numbers.is_empty() {
                queue.write_buffer(&self.ranges[spot.range], 4 * spot.word as u64, &numbers);
            }
        }
        let work = WORK[usize::from(shared.adapter.software)];
        let setup: &[Dispatch] = if fresh { &self.setup } else { &[] };
        let mut all = setup.iter().chain(&self.steps).peekable();
        while all.peek().is_some() {
            let mut encoder = shared.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            let mut done = 0;
            while done <= 4 * work
                && let Some(d) = all.next()
            {
                pass.set_pipeline(&self.pipelines[d.kernel]);
                pass.set_bind_group(0, &self.bind, &[d.words]);
                pass.dispatch_workgroups(d.groups, 1, 1);
                done += d.cost;
            }
            drop(pass);
            queue.submit([encoder.finish()]);
        }
        let numbers = self.read()?;
        let mut at = 1;
        let mut outputs = Vec::with_capacity(self.extents.len());
        for (extents, (_, words)) in self.extents.iter().zip(&self.code.outputs) {
            let entries = numbers[at..at + words].iter().map(|b| f64::from(f32::from_bits(*b))).collect();
            outputs.push(ArrayD::from_shape_vec(IxDyn(extents), entries).expect("an output has its extents"));
            at += words;
        }
        let found = (!self.watched.is_empty() && numbers[0] != u32::MAX).then(|| {
            let found = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY][(numbers[0] % 4).min(2) as usize];
            Fault { value: self.watched[(numbers[0] / 4) as usize], found }
        });
        Ok((outputs, found))
    }

    /// The flag, then all outputs, as words.
    fn read(&self) -> Result<Vec<u32>, String> {
        let shared = &self.device.shared;
        let mut encoder = shared.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(&self.flags, 0, &self.back, 0, 4);
        let mut at = 4;
        for (Spot { range, word }, words) in &self.code.outputs {
            if *words > 0 {
                encoder.copy_buffer_to_buffer(
                    &self.ranges[*range],
                    4 * *word as u64,
                    &self.back,
                    at,
                    4 * *words as u64,
                );
            }
            at += 4 * *words as u64;
        }
        shared.queue.submit([encoder.finish()]);
        let (sender, receiver) = std::sync::mpsc::channel();
        self.back.map_async(wgpu::MapMode::Read, .., move |result| {
            // Nobody listens any more only if the wait below has failed.
            let _ = sender.send(result);
        });
        let waited = shared.device.poll(wgpu::PollType::wait_indefinitely());
        if let Some(why) = shared.lost() {
            return Err(why);
        }
        waited.map_err(|why| why.to_string())?;
        receiver.recv().map_err(|why| why.to_string())?.map_err(|why| why.to_string())?;
        let words = {
            let view = self.back.get_mapped_range(..).map_err(|why| why.to_string())?;
            let whole = view.chunks_exact(4).take((at / 4) as usize);
            whole.map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
        };
        self.back.unmap();
        Ok(words)
    }
}

fn bytes(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|x| x.to_le_bytes()).collect()
}

fn pipelines(shared: &Shared, plan: &Plan, code: &Code, ranges: usize) -> Result<Vec<wgpu::ComputePipeline>, Error> {
    code.kernels
        .iter()
        .map(|text| {
            shared.pipeline(&text.wgsl, ranges).map_err(|why| {
                let value = line_of(&why).and_then(|line| text.values.get(line - 1).copied().flatten());
                let value = value.or_else(|| text.values.iter().copied().flatten().next());
                let span = value.and_then(|v| plan.origin.iter().position(|o| *o == v));
                let span = span.map_or(Span::NONE, |at| plan.program.nodes[at].span);
                Error::from(Box::new(Kernel { device: shared.adapter.name.clone(), why, span }))
            })
        })
        .collect()
}

/// The line that a message of the WGSL compiler points at: `wgsl:12:3`.
fn line_of(message: &str) -> Option<usize> {
    let at = message.find("wgsl:")?;
    message[at + 5..].split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Loops unrolled, and what every dispatch is told.
struct Recording {
    limit: u32,
    work: u64,
    pitch: usize,
    data: Vec<u8>,
    known: HashMap<Vec<u32>, u32>,
    watched: Vec<ValueId>,
}

impl Recording {
    fn new(limit: u32, software: bool, code: &Code) -> Self {
        fn longest(steps: &[Step]) -> usize {
            let of = |step: &Step| match step {
                Step::Run(run) => OWN_WORDS + run.words.len(),
                Step::Loop(l) => longest(&l.before).max(longest(&l.body)),
            };
            steps.iter().map(of).max().unwrap_or(0)
        }
        let words = longest(&code.setup).max(longest(&code.steps));
        let pitch = (4 * words).max(1).next_multiple_of(PITCH);
        let work = WORK[usize::from(software)];
        Self { limit, work, pitch, data: Vec::new(), known: HashMap::new(), watched: Vec::new() }
    }

    fn record(&mut self, steps: &[Step]) -> Vec<Dispatch> {
        let mut out = Vec::new();
        self.walk(steps, &mut Vec::new(), &mut out);
        out
    }

    fn walk(&mut self, steps: &[Step], counters: &mut Vec<usize>, out: &mut Vec<Dispatch>) {
        for step in steps {
            match step {
                Step::Run(run) => self.dispatch(run, counters, out),
                Step::Loop(l) => {
                    self.walk(&l.before, counters, out);
                    counters.resize(counters.len().max(l.depth + 1), 0);
                    for k in 0..l.size {
                        counters[l.depth] = if l.reverse { l.size - 1 - k } else { k };
                        self.walk(&l.body, counters, out);
                    }
                }
            }
        }
    }

    fn dispatch(&mut self, run: &Run, counters: &[usize], out: &mut Vec<Dispatch>) {
        let mut words = vec![0];
        words.extend(run.words.iter().map(|word| match word {
            Word::Number(_) if run.watched.is_some() => self.watched.len() as u32,
            Word::Number(n) => *n,
            Word::Pointer(p) => (p.word + p.loops.iter().map(|(d, s)| counters[*d] * s).sum::<usize>()) as u32,
        }));
        self.watched.extend(run.watched);
        let cost = run.cost as u64;
        let most = (self.work / cost.max(1)).clamp(1, u64::from(self.limit));
        let mut first = 0;
        while first < run.groups as u64 {
            let groups = most.min(run.groups as u64 - first);
            words[0] = first as u32;
            let offset = self.words(&words);
            out.push(Dispatch { kernel: run.kernel, words: offset, groups: groups as u32, cost: cost * groups });
            first += groups;
        }
    }

    fn words(&mut self, words: &[u32]) -> u32 {
        if let Some(at) = self.known.get(words) {
            return *at;
        }
        let at = self.data.len();
        self.data.extend(words.iter().flat_map(|w| w.to_le_bytes()));
        self.data.resize(at + self.pitch, 0);
        self.known.insert(words.to_vec(), at as u32);
        at as u32
    }
}
