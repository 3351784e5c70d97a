//! A compiled plan on a device: memory, dispatches in their order, and the way in and out.

use std::collections::HashMap;

use ndarray::{ArrayD, IxDyn};
use rayon::prelude::*;

use super::Fitting;
use super::clock::{MOST, Stamps};
use super::code::{Code, Fed, Run, Step};
use super::compile::Target;
use super::device::{Device, Shared};
use super::errors::{Error, Kernel};
use super::kernel::{OWN_WORDS, Word};
use super::memory::Spot;
use crate::backend::{Fault, Feed, random};
use crate::graph::{Output, ValueId};
use crate::plan::Plan;
use crate::source::Span;

/// Bytes of what a dispatch is told are padded to a multiple of this.
const PITCH: usize = 256;

/// One dispatch.
struct Dispatch {
    kernel: usize,
    /// Where the words it is told start, in bytes.
    words: u32,
    /// The piece of the batch.
    piece: u32,
    groups: u32,
    cost: u64,
}

/// What a run gives: the outputs, and the first value looked at that was not finite.
pub(super) type Ran = (Vec<ArrayD<f64>>, Option<Fault>);

/// What runs in a row give: of each the outputs with names, then what the last one gives.
pub(super) type RanOn = (Vec<Vec<f64>>, Vec<ArrayD<f64>>, Option<Fault>);

/// A compiled plan with its memory.
pub(super) struct Machine {
    device: Device,
    pipelines: Vec<wgpu::ComputePipeline>,
    /// For every piece of the batch, the memory that it sees.
    binds: Vec<wgpu::BindGroup>,
    /// The ranges of memory; of some, one for every piece.
    ranges: Vec<Vec<wgpu::Buffer>>,
    /// Those of numbers in half precision.
    halves: Vec<Vec<wgpu::Buffer>>,
    feed: wgpu::Buffer,
    flags: wgpu::Buffer,
    back: wgpu::Buffer,
    /// The numbers of runs in a row, each as a whole number and as one in single precision.
    numbers: wgpu::Buffer,
    setup: Vec<Dispatch>,
    steps: Vec<Dispatch>,
    /// After the last of runs in a row, and between two of them.
    hand_out: Vec<Dispatch>,
    hand_on: Vec<Dispatch>,
    code: Code,
    /// The values looked at, in the order in which they are.
    watched: Vec<ValueId>,
    /// Extents of the outputs.
    extents: Vec<Vec<usize>>,
    /// Which outputs have names.
    is_named: Vec<bool>,
    /// The seed under which the set-up ran.
    ready: Option<u64>,
    /// Operations between two submissions, about.
    work: u64,
}

impl Machine {
    /// Sets memory aside and builds the kernels.
    ///
    /// # Errors
    /// What the device does not allow.
    pub fn new(device: &Device, fitting: Fitting) -> Result<Self, Error> {
        let shared = &device.shared;
        let target = device.target();
        let Fitting { plan, memory, code } = fitting;
        let pipelines = pipelines(shared, &plan, &code, memory.halves.len() + memory.ranges.len())?;

        let mut recording = Recording::new(target, plan.width, &code);
        let setup = recording.record(&code.setup);
        let steps = recording.record(&code.steps);
        let hand_out = recording.record(&code.hand_out);
        let hand_on = recording.record(&code.hand_on);
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
        let pieces = plan.tiles();
        let several = |bytes: usize, apart: bool| -> Vec<_> {
            (0..if apart { pieces } else { 1 }).map(|_| buffer(bytes, storage)).collect()
        };
        let ranges: Vec<_> = memory.ranges.iter().map(|range| several(4 * range.words, range.apart)).collect();
        let halves: Vec<_> = memory.halves.iter().map(|numbers| several(2 * numbers, true)).collect();
        let out: usize = code.outputs.iter().map(|(_, words)| 4 * words).sum();
        let back = buffer(out + 4, wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST);
        let numbers = buffer(8, wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC);
        for (spot, layout, numbers) in &code.constants {
            write(shared, &ranges, *spot, layout.place(numbers.iter().copied()));
        }

        let (layout, _) = shared.layout(halves.len() + ranges.len());
        let told = wgpu::BufferBinding { buffer: &words, offset: 0, size: std::num::NonZero::new(pitch as u64) };
        let seen_by = |piece: usize| {
            let mut entries = vec![
                wgpu::BindGroupEntry { binding: 0, resource: wgpu::BindingResource::Buffer(told.clone()) },
                wgpu::BindGroupEntry { binding: 1, resource: feed.as_entire_binding() },
                wgpu::BindGroupEntry { binding: 2, resource: flags.as_entire_binding() },
            ];
            entries.extend(halves.iter().chain(&ranges).enumerate().map(|(i, of)| wgpu::BindGroupEntry {
                binding: 3 + i as u32,
                resource: of[piece.min(of.len() - 1)].as_entire_binding(),
            }));
            shared.device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: None,
                layout: &layout,
                entries: &entries,
            })
        };
        let binds = (0..pieces).map(seen_by).collect();
        let extents =
            plan.program.outputs.iter().map(|(_, v)| plan.program.extents(&plan.program.node(*v).ty)).collect();
        Ok(Self {
            device: device.clone(),
            pipelines,
            binds,
            ranges,
            halves,
            feed,
            flags,
            back,
            numbers,
            setup,
            steps,
            hand_out,
            hand_on,
            code,
            watched,
            extents,
            is_named: plan.program.outputs.iter().map(|(kind, _)| matches!(kind, Output::Named(_))).collect(),
            ready: None,
            work: target.work,
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
        self.ranges.iter().chain(&self.halves).flatten().map(wgpu::Buffer::size).sum()
    }

    /// One run: the outputs, and the first value looked at that was not finite.
    ///
    /// # Errors
    /// Why the device was lost.
    pub fn run(&mut self, feed: &Feed<'_>) -> Result<Ran, String> {
        let (_, outputs, found) = self.runs(feed, 1)?;
        Ok((outputs, found))
    }

    /// Runs in a row: of each the outputs with names, of the last all outputs, and the first value looked at that was not
    /// finite. Only before the first and after the last does the device wait for the host.
    ///
    /// # Errors
    /// Why the device was lost.
    pub fn runs(&mut self, feed: &Feed<'_>, count: u64) -> Result<RanOn, String> {
        let device = self.device.clone();
        let shared = &device.shared;
        let fresh = self.feed(feed);
        self.make_room(feed.step, count);
        let mut tape = Tape { shared, work: self.work, open: None, done: 0 };
        if fresh {
            tape.play(self, &self.setup);
        }
        let named: Vec<_> = self.named().collect();
        for k in 0..count {
            if count > 1 {
                self.tell_number(&mut tape, k);
            }
            tape.play(self, &self.steps);
            // The flag and the outputs of the last run come first.
            let mut at = self.whole() + 4 * k * named.iter().map(|(_, words)| *words as u64).sum::<u64>();
            for (spot, words) in &named {
                self.fetch(tape.copies(), *spot, *words, at);
                at += 4 * *words as u64;
            }
            if k + 1 < count {
                tape.play(self, &self.hand_on);
            }
        }
        tape.play(self, &self.hand_out);
        let copies = tape.copies();
        copies.copy_buffer_to_buffer(&self.flags, 0, &self.back, 0, 4);
        let mut at = 4;
        for (spot, words) in &self.code.outputs {
            self.fetch(copies, *spot, *words, at);
            at += 4 * *words as u64;
        }
        tape.submit();
        let numbers = shared.words(&self.back)?;
        let mut words = numbers[1..].iter().map(|b| f64::from(f32::from_bits(*b)));
        let mut outputs = Vec::with_capacity(self.extents.len());
        for (extents, (_, count)) in self.extents.iter().zip(&self.code.outputs) {
            let entries = words.by_ref().take(*count).collect();
            outputs.push(ArrayD::from_shape_vec(IxDyn(extents), entries).expect("an output has its extents"));
        }
        let row: usize = named.iter().map(|(_, words)| words).sum();
        let rows = (0..count).map(|_| words.by_ref().take(row).collect()).collect();
        let found = (!self.watched.is_empty() && numbers[0] != u32::MAX).then(|| {
            let found = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY][(numbers[0] % 4).min(2) as usize];
            Fault { value: self.watched[(numbers[0] / 4) as usize], found }
        });
        Ok((rows, outputs, found))
    }

    /// One run with a stamp around every dispatch: the kind and the seconds of each, and whether it is part of every run.
    /// Empty on a device without a clock.
    ///
    /// # Errors
    /// Why the device was lost.
    pub fn stamped(&mut self, feed: &Feed<'_>) -> Result<Vec<(&'static str, f64, bool)>, String> {
        self.feed(feed);
        let device = self.device.clone();
        let shared = &device.shared;
        let Some(stamps) = Stamps::new(shared) else { return Ok(Vec::new()) };
        let mut all = Vec::new();
        for (dispatches, every_run) in [(&self.setup, false), (&self.steps, true)] {
            for some in dispatches.chunks(MOST) {
                let mut commands = shared.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
                for (i, d) in some.iter().enumerate() {
                    let mut pass = commands.begin_compute_pass(&wgpu::ComputePassDescriptor {
                        label: None,
                        timestamp_writes: Some(stamps.writes(i)),
                    });
                    self.dispatch(&mut pass, d);
                }
                stamps.fetch(some.len(), &mut commands);
                shared.queue.submit([commands.finish()]);
                let seconds = stamps.seconds(some.len(), shared)?;
                let kinds = some.iter().map(|d| self.code.kernels[d.kernel].kind);
                all.extend(kinds.zip(seconds).map(|(kind, seconds)| (kind, seconds, every_run)));
            }
        }
        Ok(all)
    }

    fn dispatch(&self, pass: &mut wgpu::ComputePass<'_>, d: &Dispatch) {
        pass.set_pipeline(&self.pipelines[d.kernel]);
        pass.set_bind_group(0, &self.binds[d.piece as usize], &[d.words]);
        pass.dispatch_workgroups(d.groups, 1, 1);
    }

    /// Writes what the host has to say; whether the set-up is to run.
    fn feed(&mut self, feed: &Feed<'_>) -> bool {
        let queue = &self.device.shared.queue;
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
                Fed::Step => vec![vec![feed.step as f32]],
            };
            write(&self.device.shared, &self.ranges, *spot, numbers);
        }
        fresh
    }

    /// The outputs with names: where they lie, and how long they are.
    fn named(&self) -> impl Iterator<Item = (Spot, usize)> {
        self.code.outputs.iter().zip(&self.is_named).filter(|(_, named)| **named).map(|(output, _)| *output)
    }

    /// The bytes of the flag and of all outputs.
    fn whole(&self) -> u64 {
        4 + self.code.outputs.iter().map(|(_, words)| 4 * *words as u64).sum::<u64>()
    }

    /// Room for the named outputs of so many runs, and the numbers of these runs.
    fn make_room(&mut self, first: u64, count: u64) {
        let device = &self.device.shared.device;
        let row: u64 = self.named().map(|(_, words)| 4 * words as u64).sum();
        let buffer = |size: u64, usage| {
            let size = size.next_multiple_of(4).max(256);
            device.create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false })
        };
        let needed = self.whole() + count * row;
        if self.back.size() < needed {
            self.back = buffer(needed, wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST);
        }
        if count > 1 {
            if self.numbers.size() < 8 * count {
                self.numbers = buffer(8 * count, wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC);
            }
            let numbers = (first..first + count).flat_map(|k| [k as u32, (k as f32).to_bits()]);
            let numbers: Vec<u8> = numbers.flat_map(u32::to_le_bytes).collect();
            self.device.shared.queue.write_buffer(&self.numbers, 0, &numbers);
        }
    }

    /// Tells the kernels that the run with this place in the row begins.
    fn tell_number(&self, tape: &mut Tape<'_>, place: u64) {
        let copies = tape.copies();
        copies.copy_buffer_to_buffer(&self.numbers, 8 * place, &self.feed, 0, 4);
        for (fed, spot, _) in &self.code.fed {
            if matches!(fed, Fed::Step) {
                let to = &self.ranges[spot.range][0];
                copies.copy_buffer_to_buffer(&self.numbers, 8 * place + 4, to, 4 * spot.word as u64, 4);
            }
        }
    }

    /// Copies words to where the host reads.
    fn fetch(&self, copies: &mut wgpu::CommandEncoder, from: Spot, words: usize, at: u64) {
        if words > 0 {
            let range = &self.ranges[from.range][0];
            copies.copy_buffer_to_buffer(range, 4 * from.word as u64, &self.back, at, 4 * words as u64);
        }
    }
}

/// Commands on their way to a device, handed over before they are too much work at once.
struct Tape<'d> {
    shared: &'d Shared,
    work: u64,
    open: Option<wgpu::CommandEncoder>,
    done: u64,
}

impl Tape<'_> {
    /// Where copies are written down.
    fn copies(&mut self) -> &mut wgpu::CommandEncoder {
        let device = &self.shared.device;
        self.open.get_or_insert_with(|| device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default()))
    }

    fn play(&mut self, machine: &Machine, dispatches: &[Dispatch]) {
        let mut left = dispatches.iter().peekable();
        while left.peek().is_some() {
            let most = 4 * self.work;
            let mut done = self.done;
            let mut pass = self.copies().begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            while done <= most
                && let Some(d) = left.next()
            {
                machine.dispatch(&mut pass, d);
                done += d.cost;
            }
            drop(pass);
            self.done = done;
            if done > most {
                self.submit();
            }
        }
    }

    fn submit(&mut self) {
        self.shared.queue.submit(self.open.take().map(wgpu::CommandEncoder::finish));
        self.done = 0;
    }
}

/// Writes the numbers of a value, piece by piece.
fn write(shared: &Shared, ranges: &[Vec<wgpu::Buffer>], spot: Spot, numbers: Vec<Vec<f32>>) {
    for (range, numbers) in ranges[spot.range].iter().zip(numbers) {
        let bytes: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
        if !bytes.is_empty() {
            shared.queue.write_buffer(range, 4 * spot.word as u64, &bytes);
        }
    }
}

fn pipelines(shared: &Shared, plan: &Plan, code: &Code, ranges: usize) -> Result<Vec<wgpu::ComputePipeline>, Error> {
    // Most of the time that a device takes to be ready goes here.
    code.kernels
        .par_iter()
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
struct Recording<'t> {
    target: Target<'t>,
    /// The samples of a whole piece of the batch, and the piece at hand.
    width: usize,
    piece: usize,
    pitch: usize,
    data: Vec<u8>,
    known: HashMap<Vec<u32>, u32>,
    watched: Vec<ValueId>,
}

impl<'t> Recording<'t> {
    fn new(target: Target<'t>, width: usize, code: &Code) -> Self {
        fn longest(steps: &[Step]) -> usize {
            let of = |step: &Step| match step {
                Step::Run(run) => OWN_WORDS + run.words.len(),
                Step::Loop(l) => longest(&l.before).max(longest(&l.body)),
                Step::Pieces(p) => longest(&p.body).max(longest(&p.rest)),
            };
            steps.iter().map(of).max().unwrap_or(0)
        }
        let parts = [&code.setup, &code.steps, &code.hand_out, &code.hand_on];
        let words = parts.into_iter().map(|steps| longest(steps)).max().unwrap_or(0);
        let pitch = (4 * words).max(1).next_multiple_of(PITCH);
        Self { target, width, piece: 0, pitch, data: Vec::new(), known: HashMap::new(), watched: Vec::new() }
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
                Step::Pieces(p) => {
                    for piece in 0..p.whole {
                        self.piece = piece;
                        self.walk(&p.body, counters, out);
                    }
                    self.piece = p.whole;
                    self.walk(&p.rest, counters, out);
                    self.piece = 0;
                }
            }
        }
    }

    fn dispatch(&mut self, run: &Run, counters: &[usize], out: &mut Vec<Dispatch>) {
        let mut words = vec![0];
        words.extend(run.words.iter().map(|word| match word {
            Word::Number(_) if run.watched.is_some() => self.watched.len() as u32,
            Word::Number(n) => *n,
            Word::Counter(depth) => counters[*depth] as u32,
            Word::Begin | Word::End => unreachable!("a part of a loop has its steps"),
            Word::First => (self.piece * self.width) as u32,
            Word::Pointer(p) => {
                let moved: usize = p.loops.iter().map(|(d, s)| counters[*d] * s).sum();
                (p.word + p.piece * self.piece + moved) as u32
            }
        }));
        self.watched.extend(run.watched);
        let cost = run.cost as u64;
        let most = (self.target.work / cost.max(1)).max(self.target.abreast());
        let most = most.clamp(1, u64::from(self.target.limits.workgroups));
        let mut first = 0;
        while first < run.groups as u64 {
            let groups = most.min(run.groups as u64 - first);
            words[0] = first as u32;
            let offset = self.words(&words);
            let piece = self.piece as u32;
            out.push(Dispatch { kernel: run.kernel, words: offset, piece, groups: groups as u32, cost: cost * groups });
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
