//! Which loss or method runs on which problem: each pair is written down as a small experiment, and the checker asked.

use std::path::Path;

use super::catalogue::{Kind, Offer};
use crate::check::unmet_requirements;
use crate::diagnostic::Sink;
use crate::source::{SourceMap, Span};
use crate::syntax::tree::{Param, TypeExpr, TypeKind};
use crate::syntax::{Entry, load_all};

/// What the checker says of a pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pair {
    Runs,
    /// The requirements that are not met, with the reasons.
    Unmet(Vec<(&'static str, String)>),
    /// Another error.
    Fails(String),
}

/// Whether a loss is asked of a problem as it stands: it takes one, and draws its own paths.
pub(super) fn meets_problems(loss: &Offer) -> bool {
    loss.params.iter().any(is_problem) && !loss.params.iter().any(Param::takes_path)
}

/// The pair of a loss or a method and a problem; imports of files lie in `folder`.
pub(super) fn pair(algorithm: &Offer, problem: &Offer, sources: &SourceMap, folder: Option<&Path>) -> Pair {
    let Some(text) = experiment(algorithm, problem, sources) else {
        return Pair::Fails("it takes what no value is known for".to_owned());
    };
    let mut map = SourceMap::new();
    let mut sink = Sink::new();
    let modules = load_all(&mut map, Entry::Text { name: "pair.soc", text: &text, folder }, &mut sink);
    let unmet = unmet_requirements(modules, &mut sink, &mut map);
    if !unmet.is_empty() {
        return Pair::Unmet(unmet.into_iter().map(|one| (one.clause, one.why)).collect());
    }
    let error = sink.reports().iter().find(|report| report.is_error());
    error.map_or(Pair::Runs, |report| Pair::Fails(report.to_string()))
}

/// A text in which the two meet; `None` where a parameter takes what nothing can be made up for.
fn experiment(algorithm: &Offer, problem: &Offer, sources: &SourceMap) -> Option<String> {
    let mut values = Values { sources, hoisted: Vec::new(), moving: algorithm.kind == Kind::Method };
    let made: Vec<(String, String)> =
        needed(problem).map(|param| Some((name_of(param), values.of(param.ty.as_ref()?)?))).collect::<Option<_>>()?;
    // Shapes of arguments may name others: these are numbers here.
    let known: Vec<(String, String)> = made.iter().filter(|(_, value)| value == SIZE).cloned().collect();
    let made: Vec<String> = made.iter().map(|(name, value)| format!("{name} = {}", replaced(value, &known))).collect();
    let given: Vec<(String, String)> = needed(algorithm)
        .map(|param| {
            let value = if is_problem(param) { Some(name_of(param)) } else { values.of(param.ty.as_ref()?) };
            Some((name_of(param), value?))
        })
        .collect::<Option<_>>()?;
    let owners: Vec<String> = algorithm.params.iter().filter(|param| is_problem(param)).map(name_of).collect();
    let of_ours: Vec<(String, String)> = owners.iter().map(|owner| (owner.clone(), PROBLEM.to_owned())).collect();
    let as_arguments = |(name, value): &(String, String)| {
        // What is named on the left is the algorithm's own, whatever it is called.
        format!("{name} = {}", if values.moving { replaced(value, &of_ours) } else { value.clone() })
    };
    let given = given.iter().map(as_arguments).collect::<Vec<_>>().join(", ");
    let use_of_it = if values.moving {
        let owner = owners.first().map_or("", |_| CONTROL);
        format!("{owner}train {{\n  grid 2\n  run {}({given})\n}}\n", algorithm.name)
    } else {
        let (parameters, ours) = (owners.join(", "), vec![PROBLEM; owners.len()].join(", "));
        format!("let the_loss({parameters}) = {}({given})\nlet the_value = the_loss({ours})\n", algorithm.name)
    };
    Some(format!(
        "{}\n{}\n{}problem {PROBLEM} = {}({})\n{use_of_it}",
        problem.import,
        algorithm.import,
        values.hoisted.concat(),
        problem.name,
        made.join(", "),
    ))
}

/// The parameters that have no value of their own.
fn needed(offer: &Offer) -> impl Iterator<Item = &Param> {
    offer.params.iter().filter(|param| param.default.is_none())
}

const PROBLEM: &str = "the_problem";

/// A control that is made of a net, so that something can move.
const CONTROL: &str = "layer the_layer()(x: R[n], t: R) -> R[m] {\n  param θ: R[m] = 0\n  return θ\n}\n\
    net the_control(x: R[the_problem.d], t: R) -> R[the_problem.m] = the_layer()(x, t)\n";

/// The size that stands for any.
const SIZE: &str = "2";

fn name_of(param: &Param) -> String {
    param.name.text.to_string()
}

fn is_problem(param: &Param) -> bool {
    let kind = param.ty.as_ref().map(|ty| &ty.kind);
    matches!(kind, Some(TypeKind::Named(path)) if path.len() == 1 && path[0].key.as_str() == "Problem")
}

/// Values for parameters that have none of their own.
struct Values<'a> {
    sources: &'a SourceMap,
    /// Functions of nothing, which only a `let` can make.
    hoisted: Vec<String>,
    /// Whether a control is asked for the parameters of its nets.
    moving: bool,
}

impl Values<'_> {
    fn of(&mut self, ty: &TypeExpr) -> Option<String> {
        match &ty.kind {
            TypeKind::Real(sizes) => match sizes.as_slice() {
                [] => Some("1".to_owned()),
                [first, .., last] | [first @ last] if sizes.len() < 3 => {
                    Some(format!("zeros[{}]", self.text(first.span.to(last.span))))
                }
                _ => None,
            },
            TypeKind::Named(path) => match path.as_slice() {
                [word] => match word.key.as_str() {
                    "Nat" => Some(SIZE.to_owned()),
                    "Bool" => Some("true".to_owned()),
                    "Optimizer" => Some("sgd(1)".to_owned()),
                    "Loss" => Some("1".to_owned()),
                    _ => None,
                },
                [owner, member] => match member.key.as_str() {
                    "Control" if self.moving => Some("the_control".to_owned()),
                    "Control" => Some(format!("(x, t) => zeros[{}.m]", owner.text)),
                    "State" => Some(format!("zeros[{}.d]", owner.text)),
                    _ => None,
                },
                _ => None,
            },
            TypeKind::Samples(_) => None,
            TypeKind::Law(sizes) => match sizes.as_slice() {
                [] => Some("normal(0, 1)".to_owned()),
                [one] => Some(format!("normal(zeros[{}], 1)", self.text(one.span))),
                _ => None,
            },
            TypeKind::List(of) => Some(format!("[{}]", self.of(of)?)),
            TypeKind::Function(inputs, output) => {
                let value = self.of(output)?;
                let names: Vec<String> = (1..=inputs.len()).map(|i| format!("a{i}")).collect();
                if !names.is_empty() {
                    return Some(format!("({}) => {value}", names.join(", ")));
                }
                let name = format!("the_function_{}", self.hoisted.len() + 1);
                self.hoisted.push(format!("let {name}() = {value}\n"));
                Some(name)
            }
        }
    }

    fn text(&self, span: Span) -> &str {
        self.sources.text(span)
    }
}

/// A text with whole names replaced.
fn replaced(text: &str, by: &[(String, String)]) -> String {
    let mut out = String::new();
    let mut word = String::new();
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    for letter in text.chars().chain([' ']) {
        if is_word(letter) {
            word.push(letter);
            continue;
        }
        out += by.iter().find(|(name, _)| *name == word).map_or(&word, |(_, value)| value);
        word.clear();
        out.push(letter);
    }
    out.trim_end().to_owned()
}

/// The offers of a kind.
pub(super) fn of_kind(offers: &[Offer], kind: Kind) -> Vec<&Offer> {
    offers.iter().filter(|offer| offer.kind == kind).collect()
}
