//! Optimisers, in the graph: how gradients move parameters, and what is remembered from step to step.
//!
//! Parameters and what an optimiser remembers go from run to run inside of one program, so that a machine can make many
//! steps without asking anybody.

use std::collections::BTreeMap;

use super::experiment::{CopyRule, Group, ParameterCopy, Rule, Stage};
use super::schedule::{Action, Stretch};
use crate::graph::{Binary, Builder, Op, Output, Program, Reduction, StateInfo, Type, Unary, ValueId};
use crate::source::Span;

/// Lets the programs of all trainings move parameters. Copies of parameters are known by now.
pub(super) fn move_parameters(stages: &mut [Stage], copies: &[ParameterCopy]) {
    for (number, stage) in stages.iter_mut().enumerate() {
        let place = format!("training {number}");
        match stage {
            Stage::Train(training) => {
                training.step =
                    moving(training.program.clone(), &training.groups, copies, [&place, &place], training.span);
            }
            Stage::Schedule(schedule) => {
                for (part, stretch) in stretches(&mut schedule.actions).into_iter().enumerate() {
                    let own = format!("{place}.{part}");
                    let program = std::mem::take(&mut stretch.program);
                    stretch.program = moving(program, &stretch.groups, copies, [&place, &own], stretch.span);
                }
            }
            Stage::Measure(_) => {}
        }
    }
}

fn stretches(actions: &mut [Action]) -> Vec<&mut Stretch> {
    let mut found = Vec::new();
    for action in actions {
        match action {
            Action::Run(stretch) => found.push(&mut **stretch),
            Action::Repeat { body, .. } | Action::Every { body, .. } => found.extend(stretches(body)),
            Action::Solve(_) | Action::Copy(_) => {}
        }
    }
    found
}

/// A program that hands out the next parameters in place of gradients; the program itself where nothing moves.
/// `places` begin the names of the cells that all steps of a training share, and of those that are this program's own.
pub fn moving(program: Program, groups: &[Group], copies: &[ParameterCopy], places: [&str; 2], span: Span) -> Program {
    if groups.is_empty() {
        return program;
    }
    let mut b = Builder::resume(program);
    b.span = span;
    let (gradients, others): (Vec<_>, Vec<_>) = std::mem::take(&mut b.program_mut().outputs)
        .into_iter()
        .partition(|(kind, _)| matches!(kind, Output::Gradient(_)));
    b.program_mut().outputs = others;
    let gradients = gradients.into_iter().filter_map(|(kind, v)| match kind {
        Output::Gradient(number) => Some((number, v)),
        _ => None,
    });
    let mut mover = Mover { b, gradients: gradients.collect(), moved: BTreeMap::new() };
    for (k, group) in groups.iter().enumerate() {
        mover.group(group, &format!("{}/{k}", places[1]));
    }
    mover.copies(copies, places[0]);
    let moved = mover.moved.into_iter().map(|(number, v)| (Output::Parameter(number), v));
    mover.b.program_mut().outputs.extend(moved);
    mover.b.finish()
}

struct Mover {
    b: Builder,
    gradients: BTreeMap<usize, ValueId>,
    moved: BTreeMap<usize, ValueId>,
}

impl Mover {
    /// A memory cell, zero at first: its number and its content.
    fn cell(&mut self, name: String, ty: &Type) -> (usize, ValueId) {
        let states = &mut self.b.program_mut().states;
        states.push(StateInfo { name, axes: ty.axes.clone(), shape: ty.shape.clone() });
        let number = states.len() - 1;
        (number, self.b.push(Op::State(number)))
    }

    fn keep(&mut self, number: usize, v: ValueId) {
        self.b.program_mut().outputs.push((Output::State(number), v));
    }

    /// weight·a + b
    fn axpy(&mut self, weight: f64, a: ValueId, b: ValueId) -> ValueId {
        let weight = self.b.number(weight);
        let scaled = self.b.mul(weight, a);
        self.b.add(scaled, b)
    }

    /// y ← decay·y + (1 − decay)·x
    fn mean(&mut self, name: String, decay: f64, x: ValueId) -> ValueId {
        let ty = self.b.ty(x).clone();
        let (number, past) = self.cell(name, &ty);
        let share = self.b.number(1.0 - decay);
        let share = self.b.mul(share, x);
        let next = self.axpy(decay, past, share);
        self.keep(number, next);
        next
    }

    /// The parameters of a group that its steps can move, and their gradients.
    fn gradients(&mut self, group: &Group) -> Vec<(usize, ValueId)> {
        let shrinks = matches!(group.rule, Rule::Adam { decay, .. } if decay != 0.0);
        let of = |number: &usize| {
            let gradient = self.gradients.get(number).copied().unwrap_or_else(|| {
                let ty = Type::shaped(self.b.program().parameters[*number].shape.clone());
                self.b.filled(0.0, ty)
            });
            (shrinks || !self.b.is_zero(gradient)).then_some((*number, gradient))
        };
        group.parameters.iter().filter_map(of).collect()
    }

    fn group(&mut self, group: &Group, place: &str) {
        let outputs = &self.b.program().outputs;
        let named = |(kind, _): &&(Output, ValueId)| matches!(kind, Output::Named(name) if *name == group.rate);
        // A program without it is refused when it is loaded.
        let Some((_, rate)) = outputs.iter().find(named).cloned() else { return };
        let mut gradients = self.gradients(group);
        if gradients.is_empty() {
            return;
        }
        if let Some(limit) = group.clip {
            let factor = self.clip(limit, &gradients);
            gradients.iter_mut().for_each(|(_, g)| *g = self.b.mul(factor, *g));
        }
        let one = self.b.number(1.0);
        match group.rule {
            Rule::Sgd { momentum } => {
                for (number, g) in gradients {
                    let velocity = if momentum == 0.0 {
                        g
                    } else {
                        let ty = self.b.ty(g).clone();
                        let (cell, past) = self.cell(format!("{place}/velocity {number}"), &ty);
                        let next = self.axpy(momentum, past, g);
                        self.keep(cell, next);
                        next
                    };
                    let change = self.b.mul(rate, velocity);
                    self.shift(number, change);
                }
            }
            Rule::Adam { beta1, beta2, epsilon, decay } => {
                // What the moments of ones would be: 1 − βⁿ, without the cancellation.
                let first_sum = self.mean(format!("{place}/first weight"), beta1, one);
                let second_sum = self.mean(format!("{place}/second weight"), beta2, one);
                let rate_of_first = self.b.div(rate, first_sum);
                let weight_of_second = self.b.unary(Unary::Reciprocal, second_sum);
                let epsilon = self.b.number(epsilon);
                let decay = self.b.number(decay);
                let shrink = self.b.mul(rate, decay);
                for (number, g) in gradients {
                    let first = self.mean(format!("{place}/first {number}"), beta1, g);
                    let square = self.b.mul(g, g);
                    let second = self.mean(format!("{place}/second {number}"), beta2, square);
                    let scale = self.b.mul(second, weight_of_second);
                    let scale = self.b.unary(Unary::SquareRoot, scale);
                    let scale = self.b.add(scale, epsilon);
                    let direction = self.b.div(first, scale);
                    let change = self.b.mul(rate_of_first, direction);
                    let parameter = self.b.push(Op::Parameter(number));
                    let shrink = self.b.mul(shrink, parameter);
                    let change = self.b.add(change, shrink);
                    self.shift(number, change);
                }
            }
        }
    }

    /// θ ← θ − change
    fn shift(&mut self, number: usize, change: ValueId) {
        let parameter = self.b.push(Op::Parameter(number));
        let next = self.b.sub(parameter, change);
        self.moved.insert(number, next);
    }

    /// What brings a gradient to at most this norm: limit/max(|g|, limit). The norm is scaled by the largest entry, so that
    /// no square overflows.
    fn clip(&mut self, limit: f64, gradients: &[(usize, ValueId)]) -> ValueId {
        let zero = self.b.number(0.0);
        let over = |b: &Builder, v: ValueId| (0..b.ty(v).shape.len()).collect::<Vec<_>>();
        let mut largest = zero;
        for (_, g) in gradients {
            let size = self.b.unary(Unary::Absolute, *g);
            let dims = over(&self.b, size);
            let size = self.b.reduce(Reduction::Maximum, size, &[], &dims);
            largest = self.b.binary(Binary::Maximum, largest, size);
        }
        let some = self.b.binary(Binary::Less, zero, largest);
        let one = self.b.number(1.0);
        let scale = self.b.push(Op::Select(some, largest, one));
        let mut sum = zero;
        for (_, g) in gradients {
            let g = self.b.div(*g, scale);
            let square = self.b.mul(g, g);
            let dims = over(&self.b, square);
            let square = self.b.sum(square, &[], &dims);
            sum = self.b.add(sum, square);
        }
        let root = self.b.unary(Unary::SquareRoot, sum);
        let norm = self.b.mul(scale, root);
        let limit = self.b.number(limit);
        let norm = self.b.binary(Binary::Maximum, norm, limit);
        self.b.div(limit, norm)
    }

    /// Copies follow their parameters after every step, moved by it or not.
    fn copies(&mut self, copies: &[ParameterCopy], place: &str) {
        let first = self.b.program().parameters.len() - copies.len();
        let mut rounds: BTreeMap<u64, ValueId> = BTreeMap::new();
        for (i, copy) in copies.iter().enumerate() {
            let number = first + i;
            let old = self.b.push(Op::Parameter(number));
            let of = self.moved.get(&copy.of).copied().unwrap_or_else(|| self.b.push(Op::Parameter(copy.of)));
            let next = match copy.rule {
                CopyRule::Mean { decay } => {
                    let share = self.b.number(1.0 - decay);
                    let share = self.b.mul(share, of);
                    self.axpy(decay, old, share)
                }
                CopyRule::Held { every: Some(every) } => {
                    let every = every.max(1);
                    let renewed = match rounds.get(&every) {
                        Some(renewed) => *renewed,
                        None => self.round(every, place),
                    };
                    rounds.insert(every, renewed);
                    self.b.push(Op::Select(renewed, of, old))
                }
                CopyRule::Held { every: None } | CopyRule::Taken { .. } => continue,
            };
            self.moved.insert(number, next);
        }
    }

    /// Whether this step is one of every so many: 1 or 0.
    fn round(&mut self, every: u64, place: &str) -> ValueId {
        let (cell, past) = self.cell(format!("{place}/round of {every}"), &Type::SCALAR);
        let one = self.b.number(1.0);
        let whole = self.b.number(every as f64);
        let count = self.b.add(past, one);
        let full = self.b.binary(Binary::Equal, count, whole);
        let zero = self.b.number(0.0);
        let next = self.b.push(Op::Select(full, zero, count));
        self.keep(cell, next);
        full
    }
}
