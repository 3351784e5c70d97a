//! One combination of swept values: nets, training and measurements as programs.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::block::needs_time;
use super::distances::cut;
use super::environment::Scope;
use super::errors::{Lowered, fault};
use super::evaluations::evaluations;
use super::expectation::known_names;
use super::experiment::{Cell, Measurement, Stage, StepMeasure, Training};
use super::lowerer::Lowerer;
use super::moving::move_parameters;
use super::network::Registry;
use super::outline::sweep_axes;
use super::schedule::Schedule;
use super::sequence::schedule;
use super::value::Value;
use crate::graph::{AxisKind, Output, Program, Type};
use crate::source::{Name, Span, Symbol};
use crate::syntax::tree::{Block, ItemKind, Measure, StatementKind};
use crate::syntax::walk::{is_schedule, training_of};
use crate::transform::with_gradients;
use crate::typed::Checked;

/// Lowers the cell with the chosen value of every swept name, in the order of the outline.
///
/// # Errors
/// What only concrete sizes show: a size below one, shapes that differ after all.
pub fn cell(checked: &Checked, chosen: &[usize]) -> Lowered<Cell> {
    let axes = sweep_axes(checked);
    let mut choice = BTreeMap::new();
    let mut labels = Vec::new();
    for ((name, values), index) in axes.iter().zip(chosen) {
        choice.insert(name.key.clone(), *index);
        labels.push((name.text.to_string(), values[*index].clone()));
    }
    let registry = Rc::new(RefCell::new(Registry::collecting()));
    let init = first_values(checked, &choice, &registry)?;
    registry.borrow_mut().open = false;
    let mut stages = Vec::new();
    let mut running_measures = Vec::new();
    let mut measures = 0;
    let items = &checked.entry().tree.items;
    let number_of = |train: usize| items[..train].iter().filter(|item| matches!(item.kind, ItemKind::Train(_))).count();
    for (place, item) in items.iter().enumerate() {
        match &item.kind {
            ItemKind::Train(block) => {
                let purpose = numbered("train", number_of(place) + 1);
                stages.push(if is_schedule(block) {
                    Stage::Schedule(scheduled(checked, &choice, &registry, block, (&purpose, item.span))?)
                } else {
                    Stage::Train(training(checked, &choice, &registry, block, (&purpose, item.span))?)
                });
            }
            ItemKind::Measure(m) => {
                measures += 1;
                let train = training_of(items, place);
                let block = train.and_then(|place| match &items[place].kind {
                    ItemKind::Train(block) => Some(block),
                    _ => None,
                });
                let training = train.map_or(0, number_of);
                let settings = settings(checked, &choice, &registry, &m.body, block)?;
                let place = (measures, training);
                let measurement = measurement(checked, &choice, &registry, m, (place, settings), item.span)?;
                if measurement.every.is_some() {
                    running_measures.push(measurement);
                } else {
                    stages.push(Stage::Measure(measurement));
                }
            }
            _ => {}
        }
    }
    let seed = seed(checked, &choice, &registry)?;
    let known = known(checked, &choice, &registry)?;
    let registry = registry.borrow();
    let (parameters, copies) = (registry.names(), registry.copies());
    // A copy may be met after the programs that do without it: all are fed alike.
    let of_stages = stages.iter_mut().flat_map(Stage::programs_mut);
    for program in of_stages.chain(running_measures.iter_mut().flat_map(Measurement::programs_mut)) {
        program.parameters = registry.infos();
    }
    move_parameters(&mut stages, &copies);
    Ok(Cell { labels, seed, known, init, parameters, copies, stages, running_measures })
}

/// The purpose of the first of its kind, and of others.
fn numbered(word: &str, number: usize) -> String {
    if number == 1 { word.to_owned() } else { format!("{word}{number}") }
}

fn first_values(
    checked: &Checked,
    choice: &BTreeMap<Symbol, usize>,
    registry: &Rc<RefCell<Registry>>,
) -> Lowered<Program> {
    let mut l = Lowerer::new(checked, choice, registry.clone(), "init", 1);
    for (module, m) in checked.modules.iter().enumerate() {
        let scope = l.root(module);
        for item in &m.tree.items {
            if let ItemKind::Net(net) = &item.kind {
                l.meet(net, &scope)?;
            }
        }
    }
    Ok(l.b.finish())
}

fn seed(checked: &Checked, choice: &BTreeMap<Symbol, usize>, registry: &Rc<RefCell<Registry>>) -> Lowered<Option<u64>> {
    let key = Symbol::folded("seed");
    if !checked.entry().names.contains_key(&key) {
        return Ok(None);
    }
    let mut l = Lowerer::new(checked, choice, registry.clone(), "seed", 1);
    let scope = l.entry();
    let name = Name { key, text: "seed".into(), span: Span::NONE };
    let value = l.lookup(&name, &scope)?;
    l.known_value(&value, Span::NONE).map(|x| Some(x as u64))
}

/// What the expectations' names are that nothing measures.
fn known(
    checked: &Checked,
    choice: &BTreeMap<Symbol, usize>,
    registry: &Rc<RefCell<Registry>>,
) -> Lowered<Vec<(String, f64)>> {
    let mut l = Lowerer::new(checked, choice, registry.clone(), "known", 1);
    let scope = l.entry();
    let mut values = Vec::new();
    for (key, name) in known_names(checked) {
        let value = l.lookup(&name, &scope)?;
        // A slope may run over a name without a number of its own.
        if let Ok(value) = l.known_value(&value, name.span) {
            values.push((key, value));
        }
    }
    Ok(values)
}

/// `grid 50  batch 128  steps 60_000`
struct Settings {
    grid: usize,
    batch: usize,
    steps: u64,
}

fn settings(
    checked: &Checked,
    choice: &BTreeMap<Symbol, usize>,
    registry: &Rc<RefCell<Registry>>,
    block: &Block,
    other: Option<&Block>,
) -> Lowered<Settings> {
    let mut l = Lowerer::new(checked, choice, registry.clone(), "settings", 1);
    let scope = l.entry();
    let mut find = |word: &str, default: usize| -> Lowered<usize> {
        for b in [Some(block), other].into_iter().flatten() {
            for s in &b.statements {
                if let StatementKind::Setting { name, value } = &s.kind
                    && name.key.as_str() == word
                {
                    return l.size(value, &scope);
                }
            }
        }
        Ok(default)
    };
    Ok(Settings { grid: find("grid", 1)?, batch: find("batch", 1)?, steps: find("steps", 1)? as u64 })
}

fn scheduled(
    checked: &Checked,
    choice: &BTreeMap<Symbol, usize>,
    registry: &Rc<RefCell<Registry>>,
    block: &Block,
    (purpose, span): (&str, Span),
) -> Lowered<Schedule> {
    let settings = settings(checked, choice, registry, block, None)?;
    let given = |word: &str| {
        block
            .statements
            .iter()
            .any(|s| matches!(&s.kind, StatementKind::Setting { name, .. } if name.key.as_str() == word))
    };
    let batch = given("batch").then_some(settings.batch);
    let repeated = given("steps").then_some(settings.steps);
    schedule(checked, choice, registry, block, (settings.grid, batch, repeated), (purpose, span))
}

fn training(
    checked: &Checked,
    choice: &BTreeMap<Symbol, usize>,
    registry: &Rc<RefCell<Registry>>,
    block: &Block,
    (purpose, span): (&str, Span),
) -> Lowered<Training> {
    let settings = settings(checked, choice, registry, block, None)?;
    let mut l = Lowerer::new(checked, choice, registry.clone(), purpose, settings.grid);
    l.sample = Some(l.b.axis("sample", settings.batch, AxisKind::Sample));
    let scope = Scope::child(&l.entry());
    l.block(block, &scope)?;
    let mut groups = Vec::new();
    let mut objectives = Vec::new();
    let mut at = span;
    for s in &block.statements {
        let StatementKind::Minimize { objective, over } = &s.kind else { continue };
        at = objective.span;
        l.minimize(objective, over, &scope, &mut groups, &mut objectives)?;
    }
    if groups.is_empty() {
        return Err(fault(span, "nothing is minimised here"));
    }
    // What is only measured of a step does not count.
    let evaluations = evaluations(l.b.program(), &l.calls);
    let mut measures = Vec::new();
    for s in &block.statements {
        let StatementKind::Measure(m) = &s.kind else { continue };
        let quantities = quantities(&mut l, m, &Scope::child(&scope), Training::measured)?;
        let (every, from) = when(&mut l, m)?;
        measures.push(StepMeasure { quantities, every, from });
    }
    let samples = std::mem::take(&mut l.samples);
    let program = with_gradients(l.b.finish(), &objectives);
    let step = Program::default();
    let (steps, batch) = (settings.steps, settings.batch);
    Ok(Training { program, step, steps, groups, batch, measures, samples, evaluations, span: at })
}

fn measurement(
    checked: &Checked,
    choice: &BTreeMap<Symbol, usize>,
    registry: &Rc<RefCell<Registry>>,
    m: &Measure,
    ((number, training), settings): ((usize, usize), Settings),
    span: Span,
) -> Lowered<Measurement> {
    let mut l = Lowerer::new(checked, choice, registry.clone(), &numbered("measure", number), settings.grid);
    l.occasional = true;
    l.draws = (number as u64) << 32;
    l.sample = Some(l.b.axis("sample", settings.batch, AxisKind::Sample));
    let scope = Scope::child(&l.entry());
    let quantities = quantities(&mut l, m, &scope, str::to_owned)?;
    let (every, from) = when(&mut l, m)?;
    let (asked, samples) = (std::mem::take(&mut l.distances), std::mem::take(&mut l.samples));
    let (program, distances, after) = cut(l.b.finish(), asked)?;
    let batch = settings.batch;
    Ok(Measurement { program, samples, distances, after, every, from, quantities, batch, training, span })
}

/// The quantities of a measurement, which become outputs under the names that `output` gives them.
fn quantities<'a>(
    l: &mut Lowerer<'a>,
    m: &'a Measure,
    scope: &Rc<Scope<'a>>,
    output: impl Fn(&str) -> String,
) -> Lowered<Vec<String>> {
    l.block(&m.body, scope)?;
    let mut quantities = Vec::new();
    for s in &m.body.statements {
        let StatementKind::Let(definition) = &s.kind else { continue };
        if definition.params.is_some() || needs_time(l.checked, &definition.value, scope) {
            continue;
        }
        let value = l.lookup(&definition.name, scope)?;
        if let Value::Number(_) | Value::Tensor(_) = value {
            let v = l.tensor(&value, definition.span)?;
            if *l.b.ty(v) == Type::SCALAR {
                quantities.push(definition.name.text.to_string());
                l.b.program_mut().outputs.push((Output::Named(output(&definition.name.text)), v));
            }
        }
    }
    Ok(quantities)
}

/// The steps between two measurements, and the first that is measured.
fn when<'a>(l: &mut Lowerer<'a>, m: &'a Measure) -> Lowered<(Option<u64>, u64)> {
    let scope = l.entry();
    let every = m.every.as_ref().map(|e| l.size(e, &scope)).transpose()?.map(|steps| steps as u64);
    let from = m.from.as_ref().map(|e| l.size(e, &scope)).transpose()?.map_or(0, |step| step as u64);
    Ok((every, from))
}
