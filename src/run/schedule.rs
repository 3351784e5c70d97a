//! A training that says itself what happens when.

use std::time::Instant;

use ndarray::ArrayD;

use super::buffer::{NoRows, Rows};
use super::errors::{BadWeights, BuffersTooLarge, EmptyDraw, NoRoot};
use super::interpreter::{Run, Stop, position, scalar};
use super::root::{Bracketed, root};
use super::{Activity, Loaded, Machine, Observer};
use crate::backend::reference::Reference;
use crate::backend::{Executor, Feed, row_major};
use crate::diagnostic::Report;

use crate::lower::{Action, Root, Schedule, Stretch, Training};

/// Refuses buffers that do not fit into so many bytes.
///
/// # Errors
/// The schedule's largest buffer.
pub fn refuse_buffers(schedule: &Schedule, limit: u64) -> Result<(), Report> {
    let bytes = |buffer: &crate::lower::Buffer| (buffer.capacity as u128) * (buffer.row() as u128) * 8;
    let total: u128 = schedule.buffers.iter().map(bytes).sum();
    match schedule.buffers.iter().max_by_key(|buffer| bytes(buffer)) {
        Some(largest) if total > u128::from(limit) => Err(Report::new(BuffersTooLarge {
            name: largest.name.clone(),
            bytes: total,
            limit,
            rows: largest.capacity,
            row: largest.row() as u128 * 8,
            span: largest.span,
        })),
        _ => Ok(()),
    }
}

/// A schedule with its programs loaded.
pub(super) struct LoadedSchedule<'a> {
    schedule: &'a Schedule,
    actions: Vec<LoadedAction<'a>>,
}

enum LoadedAction<'a> {
    Run(Box<LoadedStretch<'a>>),
    Solve(&'a Root, Box<Reference>),
    Copy(&'a [usize]),
    Repeat(u64, Vec<LoadedAction<'a>>),
    Every(u64, Vec<LoadedAction<'a>>),
}

struct LoadedStretch<'a> {
    stretch: &'a Stretch,
    loaded: Loaded,
    /// How often it ran.
    runs: u64,
}

impl<'a> LoadedSchedule<'a> {
    /// Loads all programs.
    pub(super) fn new(schedule: &'a Schedule, machine: &dyn Machine) -> Result<Self, Report> {
        refuse_buffers(schedule, machine.memory())?;
        Ok(Self { schedule, actions: load(&schedule.actions, machine)? })
    }
}

fn load<'a>(actions: &'a [Action], machine: &dyn Machine) -> Result<Vec<LoadedAction<'a>>, Report> {
    let one = |action: &'a Action| {
        Ok(match action {
            Action::Run(stretch) => {
                let loaded = machine.load(&stretch.program)?;
                let rates = stretch.groups.iter().map(|group| group.rate.as_str());
                let objective = (!stretch.groups.is_empty()).then_some(Training::OBJECTIVE);
                let until = stretch.leaves.then_some(Stretch::UNTIL);
                for name in rates.chain(objective).chain(until) {
                    position(&loaded.program, name, stretch.span)?;
                }
                LoadedAction::Run(Box::new(LoadedStretch { stretch, loaded, runs: 0 }))
            }
            Action::Solve(root) => LoadedAction::Solve(root, Box::new(Reference::new(root.program.clone()))),
            Action::Copy(copies) => LoadedAction::Copy(copies),
            Action::Repeat { times, body } => LoadedAction::Repeat(*times, load(body, machine)?),
            Action::Every { rounds, body } => LoadedAction::Every(*rounds, load(body, machine)?),
        })
    };
    actions.iter().map(one).collect()
}

/// Tells where the time of every program went, if that was looked at.
fn tell_times(actions: &[LoadedAction<'_>], observer: &mut dyn Observer) {
    for action in actions {
        match action {
            LoadedAction::Run(stretch) => {
                if let Some(timing) = stretch.loaded.executor.timing().filter(|timing| timing.runs > 0) {
                    observer.timed(timing.seconds, &timing);
                }
            }
            LoadedAction::Repeat(_, body) | LoadedAction::Every(_, body) => tell_times(body, observer),
            LoadedAction::Solve(..) | LoadedAction::Copy(_) => {}
        }
    }
}

/// A schedule under way.
struct Course<'s, 'o> {
    schedule: &'s Schedule,
    buffers: Vec<Rows>,
    /// Steps between two notes of the objective.
    noted: u64,
    clock: Instant,
    observer: &'o mut dyn Observer,
}

/// Whether the loop around goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Leave,
}

impl Run<'_> {
    /// Carries a schedule out. Running measurements are made after 0 steps, after every n-th and after the last.
    pub(super) fn follow(&mut self, mut loaded: LoadedSchedule<'_>, observer: &mut dyn Observer) -> Result<(), Stop> {
        let schedule = loaded.schedule;
        observer.started(0, schedule.steps);
        self.measure_running(u64::MAX, observer)?;
        let mut course = Course {
            schedule,
            buffers: schedule.buffers.iter().map(Rows::new).collect(),
            noted: (schedule.steps / 100).max(1),
            clock: Instant::now(),
            observer,
        };
        self.actions(&mut loaded.actions, 0, &mut course)?;
        tell_times(&loaded.actions, course.observer);
        self.measure_last(course.observer)
    }

    fn actions(
        &mut self,
        actions: &mut [LoadedAction<'_>],
        round: u64,
        course: &mut Course<'_, '_>,
    ) -> Result<Flow, Stop> {
        for action in actions {
            let flow = match action {
                LoadedAction::Run(stretch) => self.stretch(stretch, course)?,
                LoadedAction::Solve(root, executor) => self.solve(root, executor).map(|()| Flow::On)?,
                LoadedAction::Copy(copies) => {
                    self.take_copies(copies);
                    Flow::On
                }
                LoadedAction::Repeat(times, body) => {
                    for round in 0..*times {
                        if self.actions(body, round, course)? == Flow::Leave {
                            break;
                        }
                    }
                    Flow::On
                }
                LoadedAction::Every(rounds, body) if round.is_multiple_of((*rounds).max(1)) => {
                    self.actions(body, round, course)?
                }
                LoadedAction::Every(..) => Flow::On,
            };
            if flow == Flow::Leave {
                return Ok(Flow::Leave);
            }
        }
        Ok(Flow::On)
    }

    fn stretch(&mut self, s: &mut LoadedStretch<'_>, course: &mut Course<'_, '_>) -> Result<Flow, Stop> {
        let stretch = s.stretch;
        for draw in &stretch.draws {
            let (rows, buffer) = (&course.buffers[draw.buffer], &course.schedule.buffers[draw.buffer]);
            let drawn = rows.draw(draw, buffer, self.seed, s.runs).map_err(|why| {
                let name = buffer.name.clone();
                Stop::Report(match why {
                    NoRows::Empty => Report::new(EmptyDraw { name, span: draw.span }),
                    NoRows::Weight(found) => Report::new(BadWeights { found: found.to_string(), span: draw.span }),
                    NoRows::Weightless => Report::new(BadWeights { found: "0 for every row".into(), span: draw.span }),
                })
            })?;
            for (cell, value) in draw.cells.iter().zip(drawn) {
                self.memory.set(cell, value);
            }
        }
        self.draw_samples(&stretch.samples, s.runs);
        let activity = Activity::Training { step: self.outcome.steps + 1, of: course.schedule.steps };
        let mut values = self.execute(&mut s.loaded, s.runs, activity, stretch.span)?;
        s.runs += 1;
        self.memory.count(&stretch.evaluations);
        for push in &stretch.pushes {
            let rows: Vec<ArrayD<f64>> = push
                .outputs
                .iter()
                .map(|name| {
                    let at = place(&s.loaded, name);
                    row_major(std::mem::take(&mut values[at]))
                })
                .collect();
            let rows: Vec<&[f64]> = rows.iter().map(|field| field.as_slice().expect("made row-major")).collect();
            course.buffers[push.buffer].push(&rows);
        }
        let leaves = stretch.leaves && scalar(&values[place(&s.loaded, Stretch::UNTIL)]) != 0.0;
        if !stretch.groups.is_empty() {
            let objective = scalar(&values[place(&s.loaded, Training::OBJECTIVE)]);
            self.seconds.push(course.clock.elapsed().as_secs_f64());
            self.outcome.steps += 1;
            let done = self.outcome.steps;
            if done.is_multiple_of(course.noted) || done == 1 || done == course.schedule.steps {
                self.outcome.objective.points.push((done, objective));
            }
            self.measure_running(u64::MAX, course.observer)?;
            course.observer.stepped(done, objective);
            course.clock = Instant::now();
        }
        Ok(if leaves { Flow::Leave } else { Flow::On })
    }

    /// Puts the root of an equation into its memory cell.
    fn solve(&mut self, solved: &Root, executor: &mut Reference) -> Result<(), Stop> {
        let activity = Activity::Training { step: self.outcome.steps + 1, of: self.outcome.steps + 1 };
        let mut evaluate = |run: &mut Self, x: f64| {
            run.memory.set(&solved.cell, ndarray::arr0(x).into_dyn());
            let states = run.memory.read(&solved.program);
            let feed = Feed { parameters: &run.parameters, states: &states, step: 0, seed: run.seed };
            run.memory.count(&solved.evaluations);
            executor.execute(&feed).map_err(|fault| run.stop(&solved.program, &fault, activity, solved.span))
        };
        let named = |name: &str, values: &[ArrayD<f64>]| -> Result<f64, Stop> {
            position(&solved.program, name, solved.span).map(|at| scalar(&values[at])).map_err(Stop::Report)
        };
        let first = evaluate(self, 0.0)?;
        let (from, to) = (named(Root::ENDS[0], &first)?, named(Root::ENDS[1], &first)?);
        let found = root(from, to, |x| evaluate(self, x).and_then(|values| named(Root::RESIDUAL, &values)))?;
        let value = match found {
            Bracketed::At(x) => x,
            Bracketed::None(..) if solved.otherwise => named(Root::OTHERWISE, &first)?,
            Bracketed::None(low, high) => {
                let error = NoRoot { from, to, low, high, span: solved.span };
                return Err(Stop::Report(Report::new(error)));
            }
        };
        self.memory.set(&solved.cell, ndarray::arr0(value).into_dyn());
        Ok(())
    }
}

/// The place of an output that was looked for when the program was loaded, or that holds rows.
fn place(loaded: &Loaded, name: &str) -> usize {
    let outputs = &loaded.program.outputs;
    let named = |kind: &crate::graph::Output| matches!(kind, crate::graph::Output::Named(n) if n == name);
    outputs.iter().position(|(kind, _)| named(kind)).expect("a stretch hands out what it says")
}
