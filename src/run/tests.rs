//! The interpreter on a quadratic bowl.

use ndarray::{ArrayD, arr1};

use super::{Activity, Keeper, Loaded, Machine, Observer, Outcome, Silent, Standing, continue_cell, run_cell};
use crate::backend::reference::Reference;
use crate::backend::{Executor, Fault, Feed};
use crate::diagnostic::Report;
use crate::graph::{Binary, Builder, Op, Output, ParameterInfo, Program, StateInfo, ValueId};
use crate::lower::{Cell, Group, Measurement, Rule, Stage, Training, moving};
use crate::source::Span;

/// The reference evaluator, which finds a number that is not finite in one of its runs.
struct Faulty(Reference, Option<(u64, Fault)>);

impl Executor for Faulty {
    fn execute(&mut self, feed: &Feed<'_>) -> Result<Vec<ArrayD<f64>>, Fault> {
        match &self.1 {
            Some((step, fault)) if *step == feed.step => Err(fault.clone()),
            _ => self.0.execute(feed),
        }
    }
}

/// Where the runs of a program fail.
#[derive(Default)]
struct Faults {
    train: Option<(u64, Fault)>,
    measure: Option<(u64, Fault)>,
}

impl Machine for Faults {
    fn load(&self, program: &Program) -> Result<Loaded, Report> {
        let fault = match &program.outputs[0].0 {
            Output::Named(name) if name == "first" => None,
            Output::Named(name) if name == "objective" => self.train.clone(),
            _ => self.measure.clone(),
        };
        let executor = Box::new(Faulty(Reference::new(program.clone()), fault));
        Ok(Loaded { program: program.clone(), executor })
    }
}

const SOUND: Faults = Faults { train: None, measure: None };

/// ½|θ|² from θ = (3, −4) with a rate that depends on the step, and a counter in memory.
fn cell_with(steps: u64, every: Option<u64>, rule: Rule, (scale, rates): (f64, [f64; 2])) -> Cell {
    let counter = StateInfo { name: "count".into(), axes: vec![], shape: vec![] };
    let parameter = ParameterInfo { name: "θ".into(), shape: vec![2] };
    let named = |name: &str| Output::Named(name.into());

    let mut init = Builder::new();
    let first = init.table(arr1(&[3.0, -4.0]).into_dyn(), crate::graph::Type::shaped([2]));
    init.program_mut().outputs = vec![(named("first"), first)];

    let mut train = Builder::new();
    train.program_mut().parameters.push(parameter.clone());
    train.program_mut().states.push(counter.clone());
    let step = train.push(Op::Step);
    let one = train.number(1.0);
    let begun = train.binary(Binary::Less, step, one);
    let [first, later] = rates.map(|rate| train.number(rate));
    let rate = train.push(Op::Select(begun, first, later));
    train.span = Span::new(7, 9);
    let x = train.push(Op::Parameter(0));
    let square = train.mul(x, x);
    let sum = train.sum(square, &[], &[0]);
    let half = train.number(0.5);
    let objective = train.mul(half, sum);
    let scale = train.number(scale);
    let gradient = train.mul(scale, x);
    let count = train.push(Op::State(0));
    let count = train.add(count, one);
    train.program_mut().outputs = vec![
        (named("objective"), objective),
        (named("rate"), rate),
        (Output::Gradient(0), gradient),
        (Output::State(0), count),
    ];

    let mut measure = Builder::new();
    measure.program_mut().parameters.push(parameter);
    measure.program_mut().states.push(counter);
    let x = measure.push(Op::Parameter(0));
    let square = measure.mul(x, x);
    let sum = measure.sum(square, &[], &[0]);
    let norm = measure.unary(crate::graph::Unary::SquareRoot, sum);
    let step = measure.push(Op::Step);
    let count = measure.push(Op::State(0));
    measure.program_mut().outputs = vec![(named("norm"), norm), (named("at"), step), (named("count"), count)];

    let measurement = Measurement {
        samples: Vec::new(),
        distances: Vec::new(),
        after: None,
        program: measure.finish(),
        every,
        from: 0,
        quantities: vec!["norm".into(), "at".into(), "count".into()],
        batch: 1,
        training: 0,
        span: Span::new(20, 30),
    };
    let group = Group { name: "V".into(), parameters: vec![0], rule, rate: "rate".into(), clip: None };
    let span = Span::new(5, 15);
    let program = train.finish();
    let groups = vec![group];
    let training = Training {
        step: moving(program.clone(), &groups, &[], ["train", "train"], span),
        program,
        steps,
        groups,
        batch: 1,
        measures: Vec::new(),
        samples: Vec::new(),
        evaluations: Vec::new(),
        span,
    };
    let last = Stage::Measure(Measurement { every: None, ..measurement.clone() });
    Cell {
        known: Vec::new(),
        labels: vec![("L".into(), "bowl".into())],
        seed: None,
        init: init.finish(),
        parameters: vec!["θ".into()],
        copies: Vec::new(),
        stages: if every.is_some() { vec![Stage::Train(training)] } else { vec![Stage::Train(training), last] },
        running_measures: if every.is_some() { vec![measurement] } else { Vec::new() },
    }
}

fn cell(steps: u64, every: Option<u64>) -> Cell {
    cell_with(steps, every, Rule::Sgd { momentum: 0.0 }, (1.0, [0.5, 0.5]))
}

fn run(cell: &Cell, machine: &Faults) -> Outcome {
    run_cell(cell, machine, 0, &mut Silent).expect("the machine refuses nothing")
}

fn history(outcome: &Outcome, name: &str) -> Vec<(u64, f64)> {
    outcome.quantity(name).expect("measured").points.clone()
}

#[test]
fn measures_at_zero_at_multiples_and_at_the_end() {
    let outcome = run(&cell(5, Some(2)), &SOUND);
    assert_eq!(history(&outcome, "norm"), [(0, 5.0), (2, 1.25), (4, 0.3125), (5, 0.15625)]);
    assert_eq!(history(&outcome, "at"), [(0, 0.0), (2, 2.0), (4, 4.0), (5, 5.0)]);
    assert_eq!(outcome.timing.map(|t| t.steps), Some(5));
    assert_eq!(outcome.objective.points[0], (1, 12.5));
    assert!(outcome.failure.is_none());
}

#[test]
fn memory_starts_at_zero_and_is_shared_by_name() {
    let outcome = run(&cell(3, Some(1)), &SOUND);
    assert_eq!(history(&outcome, "count"), [(0, 0.0), (1, 1.0), (2, 2.0), (3, 3.0)]);
}

#[test]
fn a_measurement_after_the_training_stands_at_its_last_step() {
    assert_eq!(history(&run(&cell(3, None), &SOUND), "norm"), [(3, 0.625)]);
    assert_eq!(history(&run(&cell(0, None), &SOUND), "norm"), [(0, 5.0)]);
    assert_eq!(history(&run(&cell(0, Some(1)), &SOUND), "norm"), [(0, 5.0)]);
}

#[test]
fn a_fault_keeps_the_parameters_before_the_step() {
    let train = Some((2, Fault { value: ValueId(1), found: f64::INFINITY }));
    let mut cell = cell(5, Some(1));
    let Stage::Train(training) = &mut cell.stages[0] else { panic!("a training") };
    training.step.nodes[1].span = Span::new(7, 9);
    let outcome = run(&cell, &Faults { train, ..SOUND });
    let failure = outcome.failure.expect("the third step fails");
    assert_eq!(failure.activity, Activity::Training { step: 3, of: 5 });
    assert_eq!((failure.kept, failure.span), (2, Span::new(7, 9)));
    assert_eq!(outcome.parameters[0].1, arr1(&[0.75, -1.0]).into_dyn());
    assert_eq!(outcome.steps, 2);
}

#[test]
fn parameters_that_would_overflow_are_not_taken() {
    let cell = cell_with(5, Some(1), Rule::Sgd { momentum: 0.0 }, (-1e20, [1e-20, 1e40]));
    let outcome = run(&cell, &SOUND);
    let failure = outcome.failure.expect("the second step fails");
    assert_eq!((failure.kept, failure.span), (1, Span::new(5, 15)));
    assert_eq!(outcome.parameters[0].1, arr1(&[6.0, -8.0]).into_dyn());
}

#[test]
fn a_measurement_that_is_not_finite_ends_the_run() {
    let measure = Some((2, Fault { value: ValueId(0), found: f64::NAN }));
    let outcome = run(&cell(5, Some(1)), &Faults { measure, ..SOUND });
    let failure = outcome.failure.expect("the measurement fails");
    assert_eq!((failure.activity, failure.span), (Activity::Measuring { step: 2 }, Span::new(20, 30)));
    assert_eq!(outcome.steps, 2);
}

#[test]
fn a_program_without_an_objective_is_refused_before_anything_runs() {
    let mut cell = cell(5, Some(1));
    let Stage::Train(training) = &mut cell.stages[0] else { panic!("a training") };
    training.step.outputs.retain(|(kind, _)| *kind != Output::Named("rate".into()));
    let report = run_cell(&cell, &SOUND, 0, &mut Silent).expect_err("no rate");
    assert_eq!(report.code(), "soc::internal");
}

#[test]
fn an_observer_hears_of_every_step() {
    #[derive(Default)]
    struct Count(u64, Vec<u64>, usize);
    impl Observer for Count {
        fn started(&mut self, _: u64, steps: u64) {
            self.0 = steps;
        }
        fn stepped(&mut self, done: u64, _: f64) {
            self.1.push(done);
        }
        fn measured(&mut self, _: u64, _: &str, _: f64) {
            self.2 += 1;
        }
    }
    let mut count = Count::default();
    run_cell(&cell(3, Some(2)), &SOUND, 0, &mut count).expect("the machine refuses nothing");
    assert_eq!((count.0, count.1, count.2), (3, vec![1, 2, 3], 9));
}

/// Gives a standing, and keeps every one.
#[derive(Default)]
struct Book(Option<Standing>, Vec<Standing>);

impl Keeper for Book {
    fn recall(&mut self) -> Result<Option<Standing>, Report> {
        Ok(self.0.take())
    }
    fn due(&mut self) -> bool {
        true
    }
    fn keep(&mut self, standing: &Standing) -> Result<(), Report> {
        self.1.push(standing.clone());
        Ok(())
    }
}

#[test]
fn a_training_goes_on_from_wherever_it_stood() {
    let adam = Rule::Adam { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, decay: 0.0 };
    let cell = cell_with(5, Some(2), adam, (1.0, [0.5, 0.5]));
    let bits = |outcome: &Outcome| {
        let parameters: Vec<u64> = outcome.parameters[0].1.iter().map(|x| x.to_bits()).collect();
        (parameters, outcome.quantities.clone(), outcome.objective.clone(), outcome.steps)
    };
    let mut book = Book::default();
    let whole = continue_cell(&cell, &SOUND, 0, &mut Silent, &mut book).expect("the machine refuses nothing");
    // Measurements and the end of the training bound what is done in a row.
    assert_eq!(book.1.iter().map(|standing| standing.done).collect::<Vec<_>>(), [1, 2, 4]);
    assert_eq!(bits(&whole), bits(&run(&cell, &SOUND)));
    for standing in book.1 {
        let mut book = Book(Some(standing), Vec::new());
        let rest = continue_cell(&cell, &SOUND, 0, &mut Silent, &mut book).expect("the machine refuses nothing");
        assert_eq!(bits(&rest), bits(&whole));
        assert_eq!(rest.timing.map(|timing| timing.steps), Some(5));
    }
}

#[test]
fn a_standing_of_another_cell_is_refused() {
    let cell = cell(5, Some(2));
    let mut book = Book::default();
    continue_cell(&cell, &SOUND, 0, &mut Silent, &mut book).expect("the machine refuses nothing");
    let good = book.1.remove(0);
    let others = [
        Standing { stage: 1, ..good.clone() },
        Standing { done: 6, ..good.clone() },
        Standing { memory: Vec::new(), ..good.clone() },
        Standing { parameters: vec![arr1(&[1.0]).into_dyn()], ..good },
    ];
    for other in others {
        let mut book = Book(Some(other), Vec::new());
        let report = continue_cell(&cell, &SOUND, 0, &mut Silent, &mut book).expect_err("of another cell");
        assert_eq!(report.code(), "soc::internal");
    }
}

#[test]
fn measurements_from_a_step_on_leave_out_what_comes_before() {
    let mut cell = cell(7, Some(2));
    cell.running_measures[0].from = 4;
    let steps = |outcome: &Outcome| history(outcome, "norm").iter().map(|point| point.0).collect::<Vec<_>>();
    assert_eq!(steps(&run(&cell, &SOUND)), [4, 6, 7]);
    cell.running_measures[0].from = 100;
    assert_eq!(steps(&run(&cell, &SOUND)), [7]);
}
