//! The order of things: first values, measurements, training steps.

use std::time::Instant;

use ndarray::ArrayD;

use super::buffer::draw_samples;
use super::distance::distance;
use super::memory::Memory;
use super::pace::{Pace, Row};
use super::schedule::LoadedSchedule;
use super::{
    Activity, Forgetful, Keeper, Loaded, Machine, Malformed, NonFinite, Observer, Outcome, Series, Standing, Timing,
};
use crate::backend::{Course, Fault, Feed, Lost, Passed, first_beyond_single, row_major};
use crate::diagnostic::Report;
use crate::graph::{Output, Program};
use crate::lower::{Cell, Distance, Measurement, ParameterCopy, SampleDraw, Stage, Training};
use crate::source::Span;

/// Runs a cell with a seed: every stage in order, running measurements during the training.
///
/// Step k, from 0, feeds `step = k`; a measurement after k steps feeds and is recorded at k. Running measurements are
/// made after 0 steps, after every n-th and after the last. Parameters change only when the step as a whole is finite.
///
/// # Errors
/// When the machine cannot hold a program; nothing was run then. A value that is not finite is no error: it ends the
/// run, and the outcome names it.
pub fn run_cell(cell: &Cell, machine: &dyn Machine, seed: u64, observer: &mut dyn Observer) -> Result<Outcome, Report> {
    continue_cell(cell, machine, seed, observer, &mut Forgetful)
}

/// Runs a cell as [`run_cell`] does, from where it stood when it was interrupted. The schedule of a method is not kept
/// between its steps: it starts anew.
///
/// # Errors
/// As [`run_cell`]; and when the keeper has none, or one of another cell.
pub fn continue_cell(
    cell: &Cell,
    machine: &dyn Machine,
    seed: u64,
    observer: &mut dyn Observer,
    keeper: &mut dyn Keeper,
) -> Result<Outcome, Report> {
    let init = machine.load(&cell.init)?;
    let mut stages = Vec::new();
    for stage in &cell.stages {
        stages.push(match stage {
            Stage::Train(training) => LoadedStage::Train(training, load_training(training, machine)?),
            Stage::Schedule(schedule) => LoadedStage::Schedule(LoadedSchedule::new(schedule, machine)?),
            Stage::Measure(measurement) => LoadedStage::Measure(load_measurement(measurement, machine)?),
        });
    }
    let running = cell.running_measures.iter().map(|m| load_measurement(m, machine)).collect::<Result<Vec<_>, _>>()?;

    let mut run = Run::new(cell, seed, running);
    let begun = run.initialise(cell, init).and_then(|()| run.recall(cell, keeper));
    match begun.and_then(|from| run.stages(stages, from, observer, keeper)) {
        Ok(()) => {}
        Err(Stop::Report(report)) => return Err(report),
        Err(Stop::NonFinite(failure)) => run.outcome.failure = Some(failure),
        Err(Stop::Lost(lost)) => run.outcome.lost = Some(lost),
    }
    Ok(run.finish(cell))
}

/// Why a run ends before its end.
pub(super) enum Stop {
    NonFinite(NonFinite),
    Lost(Lost),
    Report(Report),
}

/// Where an interrupted training goes on.
struct Begun {
    stage: usize,
    done: u64,
}

enum LoadedStage<'a> {
    Train(&'a Training, Loaded),
    Schedule(LoadedSchedule<'a>),
    Measure(LoadedMeasurement<'a>),
}

struct LoadedMeasurement<'a> {
    measurement: &'a Measurement,
    /// Its programs, in order.
    loaded: Vec<Loaded>,
    /// Of every quantity the program that hands it out, and its position among the outputs.
    outputs: Vec<(usize, usize)>,
    /// The positions of the two sets of every distance among the outputs of the first program.
    sets: Vec<[usize; 2]>,
}

impl LoadedMeasurement<'_> {
    fn due(&self, step: u64, steps: u64) -> bool {
        let regular = |every: u64| step >= self.measurement.from && step.is_multiple_of(every.max(1));
        step == steps || self.measurement.every.is_some_and(regular)
    }
}

fn load_training(training: &Training, machine: &dyn Machine) -> Result<Loaded, Report> {
    // Without its rate a group would stand still.
    for name in training.groups.iter().map(|group| group.rate.as_str()).chain([Training::OBJECTIVE]) {
        position(&training.step, name, training.span)?;
    }
    machine.load(&training.step)
}

fn load_measurement<'a>(measurement: &'a Measurement, machine: &dyn Machine) -> Result<LoadedMeasurement<'a>, Report> {
    let loaded = measurement.programs().into_iter().map(|p| machine.load(p)).collect::<Result<Vec<_>, _>>()?;
    let span = measurement.span;
    let find = |name: &String| {
        let has = |one: &Loaded| one.program.outputs.iter().any(|(kind, _)| is_named(kind, name));
        let place = loaded.iter().position(has).unwrap_or_default();
        position(&loaded[place].program, name, span).map(|at| (place, at))
    };
    let outputs = measurement.quantities.iter().map(find).collect::<Result<_, _>>()?;
    let set = |name: &String| named(&loaded[0].program, name, span);
    let both = |one: &Distance| Ok([set(&one.outputs[0])?, set(&one.outputs[1])?]);
    let sets = measurement.distances.iter().map(both).collect::<Result<_, Report>>()?;
    Ok(LoadedMeasurement { measurement, loaded, outputs, sets })
}

fn is_named(kind: &Output, name: &str) -> bool {
    matches!(kind, Output::Named(n) if n == name)
}

/// The position of a named output of a program.
fn named(program: &Program, name: &str, span: Span) -> Result<usize, Report> {
    let at = program.outputs.iter().position(|(kind, _)| is_named(kind, name));
    at.ok_or_else(|| {
        let (expected, found) = (format!("an output `{name}`"), "no output of that name".to_owned());
        Report::new(Malformed { expected, found, span })
    })
}

/// The position of a named scalar among the outputs of a program.
pub(super) fn position(program: &Program, name: &str, span: Span) -> Result<usize, Report> {
    let malformed = |found: String| Report::new(Malformed { expected: format!("a scalar `{name}`"), found, span });
    let at = named(program, name, span)?;
    let extents = program.extents(&program.node(program.outputs[at].1).ty);
    if extents.iter().product::<usize>() != 1 {
        return Err(malformed(format!("extents {extents:?}")));
    }
    Ok(at)
}

/// A run under way.
pub(super) struct Run<'a> {
    pub(super) seed: u64,
    /// The parameters, then their copies.
    pub(super) parameters: Vec<ArrayD<f64>>,
    copies: &'a [ParameterCopy],
    pub(super) memory: Memory,
    running: Vec<LoadedMeasurement<'a>>,
    /// The number of trainings before the one under way.
    training: usize,
    pub(super) seconds: Vec<f64>,
    pub(super) outcome: Outcome,
}

impl<'a> Run<'a> {
    fn new(cell: &'a Cell, seed: u64, running: Vec<LoadedMeasurement<'a>>) -> Self {
        let mut quantities = Vec::new();
        let of_stages = cell.stages.iter().flat_map(|stage| match stage {
            Stage::Measure(measurement) => vec![&measurement.quantities],
            Stage::Train(training) => training.measures.iter().map(|m| &m.quantities).collect(),
            Stage::Schedule(_) => Vec::new(),
        });
        for name in cell.running_measures.iter().map(|m| &m.quantities).chain(of_stages).flatten() {
            if !quantities.iter().any(|series: &Series| series.name == *name) {
                quantities.push(Series::new(name));
            }
        }
        let outcome = Outcome {
            labels: cell.labels.clone(),
            seed,
            known: cell.known.clone(),
            quantities,
            objective: Series::new(Training::OBJECTIVE),
            timing: None,
            steps: 0,
            parameters: Vec::new(),
            failure: None,
            lost: None,
        };
        Self {
            seed,
            parameters: Vec::new(),
            copies: &cell.copies,
            memory: Memory::default(),
            running,
            training: 0,
            seconds: Vec::new(),
            outcome,
        }
    }

    fn finish(mut self, cell: &Cell) -> Outcome {
        self.outcome.timing = Timing::of(self.seconds);
        let names = cell.parameters.iter().chain(cell.copies.iter().map(|copy| &copy.name));
        self.outcome.parameters = names.cloned().zip(self.parameters).collect();
        self.outcome
    }

    fn initialise(&mut self, cell: &Cell, mut init: Loaded) -> Result<(), Stop> {
        let values = self.execute(&mut init, 0, Activity::Initialising, Span::NONE)?;
        if values.len() != cell.parameters.len() {
            let expected = format!("a first value for each of {} parameters", cell.parameters.len());
            let found = values.len().to_string();
            return Err(Stop::Report(Report::new(Malformed { expected, found, span: Span::NONE })));
        }
        self.parameters = values.into_iter().map(row_major).collect();
        let copies = self.copies.iter().map(|copy| self.parameters[copy.of].clone());
        self.parameters.extend(copies.collect::<Vec<_>>());
        Ok(())
    }

    /// Takes the state of a training that was interrupted; gives its stage and what its optimisers remember.
    fn recall(&mut self, cell: &Cell, keeper: &mut dyn Keeper) -> Result<Option<Begun>, Stop> {
        let Some(standing) = keeper.recall().map_err(Stop::Report)? else { return Ok(None) };
        if !standing.fits(cell, &self.parameters, &self.outcome) {
            let (expected, found) = ("a state of this cell".to_owned(), "the state of another".to_owned());
            return Err(Stop::Report(Report::new(Malformed { expected, found, span: Span::NONE })));
        }
        self.parameters = standing.parameters;
        for (name, value) in standing.memory {
            self.memory.set(&name, value);
        }
        self.seconds = standing.seconds;
        self.outcome.steps = standing.steps;
        self.outcome.quantities = standing.quantities;
        self.outcome.objective = standing.objective;
        Ok(Some(Begun { stage: standing.stage, done: standing.done }))
    }

    fn stages(
        &mut self,
        stages: Vec<LoadedStage<'a>>,
        mut from: Option<Begun>,
        observer: &mut dyn Observer,
        keeper: &mut dyn Keeper,
    ) -> Result<(), Stop> {
        let first = from.as_ref().map_or(0, |from| from.stage);
        let trains = |stage: &LoadedStage<'_>| matches!(stage, LoadedStage::Train(..) | LoadedStage::Schedule(_));
        let mut trained = stages[..first].iter().filter(|stage| trains(stage)).count();
        for (number, stage) in stages.into_iter().enumerate().skip(first) {
            if trains(&stage) {
                self.training = trained;
                trained += 1;
                if from.is_none() {
                    // Each training counts its own steps.
                    self.outcome.steps = 0;
                    self.outcome.objective.points.clear();
                }
            }
            match stage {
                LoadedStage::Train(training, loaded) => {
                    self.train((number, training, loaded), from.take(), observer, keeper)?;
                }
                LoadedStage::Schedule(schedule) => self.follow(schedule, observer)?,
                LoadedStage::Measure(mut measurement) => self.measure(&mut measurement, observer)?,
            }
        }
        Ok(())
    }

    /// Draws samples of files into memory cells; `number` counts the runs of the program.
    pub(super) fn draw_samples(&mut self, draws: &[SampleDraw], number: u64) {
        for draw in draws {
            let samples = draw_samples(draw, self.seed, number);
            self.memory.set(&draw.cell, samples);
        }
    }

    /// Runs a program once and keeps what it leaves in memory cells, and the parameters that it moves.
    pub(super) fn execute(
        &mut self,
        loaded: &mut Loaded,
        step: u64,
        activity: Activity,
        whole: Span,
    ) -> Result<Vec<ArrayD<f64>>, Stop> {
        let states = self.memory.read(&loaded.program);
        let feed = Feed { parameters: &self.parameters, states: &states, step, seed: self.seed };
        match loaded.executor.execute(&feed) {
            Ok(mut values) => {
                let outputs = &loaded.program.outputs;
                for ((kind, id), value) in outputs.iter().zip(&values) {
                    if matches!(kind, Output::Parameter(_))
                        && let Some(found) = first_beyond_single(value)
                    {
                        return Err(self.stop(&loaded.program, &Fault { value: *id, found }, activity, whole));
                    }
                }
                self.memory.write(&loaded.program, &values);
                for ((kind, _), value) in outputs.iter().zip(&mut values) {
                    if let Output::Parameter(number) = kind {
                        self.parameters[*number] = row_major(std::mem::take(value));
                    }
                }
                Ok(values)
            }
            Err(fault) => match loaded.executor.lost() {
                Some(lost) => Err(Stop::Lost(lost)),
                None => Err(self.stop(&loaded.program, &fault, activity, whole)),
            },
        }
    }

    pub(super) fn stop(&self, program: &Program, fault: &Fault, activity: Activity, whole: Span) -> Stop {
        let span = program.node(fault.value).span;
        let span = if span.is_none() { whole } else { span };
        Stop::NonFinite(NonFinite::new(fault.found, activity, self.outcome.steps, span))
    }

    fn measure(&mut self, measurement: &mut LoadedMeasurement<'_>, observer: &mut dyn Observer) -> Result<(), Stop> {
        let step = self.outcome.steps;
        let LoadedMeasurement { measurement, loaded, outputs, sets } = measurement;
        let (activity, span) = (Activity::Measuring { step }, measurement.span);
        self.draw_samples(&measurement.samples, step);
        let mut values = Vec::with_capacity(loaded.len());
        for (place, loaded) in loaded.iter_mut().enumerate() {
            values.push(self.execute(loaded, step, activity, span)?);
            if place == 0 {
                for (one, [left, right]) in measurement.distances.iter().zip(sets.iter()) {
                    let found = distance(one.metric, &values[0][*left], &values[0][*right]);
                    self.memory.set(&one.cell, ndarray::arr0(found).into_dyn());
                }
            }
        }
        for (name, (place, at)) in measurement.quantities.iter().zip(outputs) {
            let program = &loaded[*place].program;
            let exact = self.memory.named(program, program.outputs[*at].1);
            let value = scalar(exact.as_ref().unwrap_or(&values[*place][*at]));
            self.note(step, name, value, observer);
        }
        Ok(())
    }

    fn note(&mut self, step: u64, name: &str, value: f64, observer: &mut dyn Observer) {
        let series = self.outcome.quantities.iter_mut().find(|series| series.name == name);
        series.expect("every quantity has its series").points.push((step, value));
        observer.measured(step, name, value);
    }

    pub(super) fn measure_running(&mut self, steps: u64, observer: &mut dyn Observer) -> Result<(), Stop> {
        let mut running = std::mem::take(&mut self.running);
        let (step, training) = (self.outcome.steps, self.training);
        let due = running.iter_mut().filter(|m| m.measurement.training == training && m.due(step, steps));
        let result = due.into_iter().try_for_each(|m| self.measure(m, observer));
        self.running = running;
        result
    }

    /// Measures what was not measured at the last step.
    pub(super) fn measure_last(&mut self, observer: &mut dyn Observer) -> Result<(), Stop> {
        let mut running = std::mem::take(&mut self.running);
        let (step, training) = (self.outcome.steps, self.training);
        let missed = running.iter_mut().filter(|m| m.measurement.training == training && !m.due(step, u64::MAX));
        let result = missed.into_iter().try_for_each(|m| self.measure(m, observer));
        self.running = running;
        result
    }

    /// Makes copies of parameters equal to them.
    pub(super) fn take_copies(&mut self, copies: &[usize]) {
        let first = self.parameters.len() - self.copies.len();
        for copy in copies {
            self.parameters[first + copy] = self.parameters[self.copies[*copy].of].clone();
        }
    }

    fn train(
        &mut self,
        (number, training, mut loaded): (usize, &Training, Loaded),
        from: Option<Begun>,
        observer: &mut dyn Observer,
        keeper: &mut dyn Keeper,
    ) -> Result<(), Stop> {
        let first = from.as_ref().map_or(0, |from| from.done);
        observer.started(first, training.steps);
        if from.is_none() {
            self.measure_running(training.steps, observer)?;
        }
        let row = Row::new(training, &loaded.program)?;
        let mut pace = Pace::new(training, &loaded.program);
        let mut done = first;
        while done < training.steps {
            let clock = Instant::now();
            self.draw_samples(&training.samples, done);
            let until = self.next_measure(done, training.steps);
            let (rows, fault) = self.advance(&mut loaded, done, pace.steps(until - done));
            pace.measured(clock.elapsed().as_secs_f64(), rows.len());
            let last = done + rows.len() as u64;
            for values in rows {
                self.seconds.push(pace.seconds);
                self.memory.count(&training.evaluations);
                for (name, value) in row.measured(training, done, &values) {
                    self.note(done, name, value, observer);
                }
                done += 1;
                self.outcome.steps = done;
                let objective = values[row.objective];
                if done.is_multiple_of((training.steps / 100).max(1)) || done == 1 || done == training.steps {
                    self.outcome.objective.points.push((done, objective));
                }
                if done == last && fault.is_none() {
                    self.measure_running(training.steps, observer)?;
                }
                observer.stepped(done, objective);
            }
            if let Some(fault) = fault {
                if let Some(lost) = loaded.executor.lost() {
                    return Err(Stop::Lost(lost));
                }
                let activity = Activity::Training { step: done + 1, of: training.steps };
                return Err(self.stop(&loaded.program, &fault, activity, training.span));
            }
            if done < training.steps && keeper.due() {
                keeper.keep(&self.standing(number, done)).map_err(Stop::Report)?;
            }
        }
        if let Some(timing) = loaded.executor.timing() {
            observer.timed(self.seconds.iter().rev().take(timing.runs as usize).fold(0.0, |sum, x| sum + x), &timing);
        }
        Ok(())
    }

    /// The next number of steps after which something is measured, at most all.
    fn next_measure(&self, done: u64, steps: u64) -> u64 {
        let running = self.running.iter().map(|loaded| loaded.measurement).filter(|m| m.training == self.training);
        let next = |m: &Measurement| m.every.map(|every| (done + 1).max(m.from).next_multiple_of(every.max(1)));
        running.filter_map(next).fold(steps, u64::min)
    }

    /// Makes steps in a row: the outputs with names of each that succeeded.
    fn advance(&mut self, loaded: &mut Loaded, first: u64, runs: u64) -> Passed {
        let mut states = self.memory.lend(&loaded.program);
        let parameters = &mut self.parameters;
        let outputs = &loaded.program.outputs;
        let mut course = Course { parameters, states: &mut states, first, runs, seed: self.seed, outputs };
        let passed = loaded.executor.advance(&mut course);
        self.memory.give_back(&loaded.program, states);
        passed
    }

    fn standing(&self, stage: usize, done: u64) -> Standing {
        Standing {
            stage,
            done,
            steps: self.outcome.steps,
            seconds: self.seconds.clone(),
            parameters: self.parameters.clone(),
            memory: self.memory.all(),
            quantities: self.outcome.quantities.clone(),
            objective: self.outcome.objective.clone(),
        }
    }
}

pub(super) fn scalar(value: &ArrayD<f64>) -> f64 {
    *value.first().expect("checked to hold one number when the program was loaded")
}
