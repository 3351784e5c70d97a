//! The steps of a compiled plan and the loop that runs them.

use std::sync::Mutex;
use std::time::Instant;

use ndarray::{ArrayD, IxDyn};

use super::clock::Clock;
use super::dense::Dense;
use super::draw::Drawing;
use super::fused::{Fused, Registers};
use super::memory::{Memory, Ptr};
use super::moves::{Count, Fill, Move, Running};
use super::packed::Pack;
use super::pairs::Pick;
use super::product::Product;
use super::reduce::Reduce;
use super::strided::walk;
use crate::backend::{Fault, Feed};
use crate::graph::ValueId;
use crate::plan::When;

/// What comes from the host.
#[derive(Clone, Copy, Debug)]
pub(super) enum Host {
    /// The parameter with this number.
    Parameter(usize),
    /// The memory cell with this number.
    State(usize),
    /// The number of the run.
    Step,
}

/// A piece of compiled work.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Fused(Fused),
    Product(Product),
    Reduce(Reduce),
    Drawing(Drawing),
    Move(Move),
    Fill(Fill),
    /// Two slots of the one who runs change places.
    Swap(usize, usize),
    Count(Count),
    Running(Running),
    Pick(Pick),
    Dense(Dense),
    Host(Host, Ptr),
    /// Adds up the blocks' parts of the sum with this number; sizes in the order of the parts, and strides of the result.
    Finish(usize, Ptr, (Vec<usize>, Vec<usize>)),
    /// Puts a batch-wide value together.
    Collect(ValueId),
    Loop(Box<Looped>),
    Watch(Watch),
}

/// A loop.
#[derive(Clone, Debug)]
pub(super) struct Looped {
    pub depth: usize,
    pub size: usize,
    pub reverse: bool,
    pub before: Vec<Step>,
    pub body: Vec<Step>,
    pub after: Vec<Step>,
}

/// Looks for what is not finite.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    pub value: ValueId,
    pub at: Ptr,
    pub sizes: Vec<usize>,
    pub strides: Vec<usize>,
}

/// A compiled segment.
#[derive(Clone, Debug)]
pub(super) struct Code {
    pub when: When,
    pub steps: Vec<Step>,
    /// Matrices to be packed before.
    pub packs: Vec<Pack>,
}

/// What one who runs steps has besides memory.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub feed: &'a Feed<'a>,
    /// What was found not to be finite first, and where the run stood.
    pub fault: &'a Mutex<Option<((usize, usize), Fault)>>,
    /// Counts the time of this segment's steps.
    pub clock: Option<(&'a Clock, usize)>,
    /// Whether parameters and memory cells lie where they are read.
    pub goes_on: bool,
}

/// Runs steps that need nothing of other tiles.
pub(super) fn run(steps: &[Step], memory: &mut Memory<'_>, registers: &mut Registers, context: &Context<'_>) {
    for step in steps {
        let start = context.clock.map(|_| Instant::now());
        match step {
            Step::Fused(s) => s.run(memory, registers),
            Step::Product(s) => s.run(memory),
            Step::Reduce(s) => s.run(memory),
            Step::Drawing(s) => s.run(memory, &mut registers.rooms, context.feed.seed, context.feed.step),
            Step::Move(s) => s.run(memory, context.feed),
            Step::Fill(s) => s.run(memory),
            Step::Swap(a, b) => memory.own.swap(*a, *b),
            Step::Count(s) => s.run(memory),
            Step::Running(s) => s.run(memory),
            Step::Pick(s) => s.run(memory),
            Step::Dense(s) => s.run(memory),
            Step::Host(Host::Parameter(_) | Host::State(_), _) if context.goes_on => {}
            Step::Host(host, to) => {
                let to = memory.write(to);
                let from = match host {
                    Host::Parameter(i) => &context.feed.parameters[*i],
                    Host::State(i) => &context.feed.states[*i],
                    Host::Step => {
                        to[0] = context.feed.step as f32;
                        &ArrayD::default(IxDyn(&[0]))
                    }
                };
                match from.as_slice() {
                    Some(from) => to.iter_mut().zip(from).for_each(|(t, f)| *t = *f as f32),
                    None => to.iter_mut().zip(from).for_each(|(t, f)| *t = *f as f32),
                }
            }
            Step::Finish(..) | Step::Collect(_) => unreachable!("meeting points are no part of a tile"),
            Step::Loop(l) => {
                run(&l.before, memory, registers, context);
                for k in 0..l.size {
                    memory.counters[l.depth] = if l.reverse { l.size - 1 - k } else { k };
                    run(&l.body, memory, registers, context);
                    run(&l.after, memory, registers, context);
                }
            }
            Step::Watch(w) => w.run(memory, context),
        }
        if let (Some((clock, segment)), Some(start)) = (context.clock, start) {
            clock.step(segment, step, start);
        }
    }
}

impl Watch {
    fn run(&self, memory: &mut Memory<'_>, context: &Context<'_>) {
        memory.watched.1 += 1;
        let from = memory.read(&self.at);
        let mut found = None;
        walk(&self.sizes, [&self.strides], [0], &mut |[x]| {
            if !from[x].is_finite() && found.is_none() {
                found = Some(f64::from(from[x]));
            }
        });
        if let Some(found) = found {
            let mut first = context.fault.lock().expect("no worker panics while it reports");
            // All tiles pass the same values in the same order; the smallest bits decide between two of them.
            let rank = |(at, f): &(_, Fault)| (*at, f.found.to_bits());
            let new = (memory.watched, Fault { value: self.value, found });
            if first.as_ref().is_none_or(|old| rank(&new) < rank(old)) {
                *first = Some(new);
            }
        }
    }
}
