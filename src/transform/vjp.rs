//! Reverse mode as a rewrite: cotangents of outputs become cotangents of inputs, as more values of the same program.

mod rules;
mod scan;

use std::collections::{BTreeMap, HashSet};

use super::activity::{active, differentiable};
use super::fit::fit;
use super::mirror::{Mirror, deeper};
use crate::graph::{AxisId, Builder, Op, RegionId, ScanOutput, Type, ValueId};
use rules::contribution;
pub(super) use rules::reduction_weights;

/// The cotangents of `wrt` that the `seeds`, pairs of an output and its cotangent, give: `None` where no output depends.
///
/// *Independence*: the values of `wrt` are inputs; what one of them gets through another is left out. A renamed axis is
/// the same input: for `Rename` of a value, dependence on that value counts.
///
/// *Shapes*: a cotangent has the type of its value. One that varies over more axes than its output is a batch of
/// cotangents: the answers vary over these axes too. No value between `wrt` and the outputs may vary over such an axis.
///
/// # Panics
/// When a seed has another shape than its output.
pub fn vjp(b: &mut Builder, seeds: &[(ValueId, ValueId)], wrt: &[ValueId]) -> Vec<Option<ValueId>> {
    let inputs: Vec<ValueId> = wrt.iter().map(|v| renamed_of(b, *v).map_or(*v, |(_, _, of)| of)).collect();
    let outputs: Vec<ValueId> = seeds.iter().map(|s| s.0).collect();
    let active = active(b.program(), &inputs, &outputs);
    let mut base = RegionId::ROOT;
    for v in seeds.iter().flat_map(|s| [s.0, s.1]) {
        base = deeper(b, base, b.program().node(v).region);
    }
    let batch = seeds.iter().flat_map(|(y, g)| b.ty(*g).axes.iter().filter(|x| !b.ty(*y).varies(**x)).copied());
    let batch = Type::new(batch, []).axes;
    let mut reverse = Reverse { active, inputs: inputs.clone(), batch, mirror: Mirror::new(base), carried: Vec::new() };
    let mut pending = Pending::default();
    for (y, g) in seeds {
        let (shape, given) = (&b.ty(*y).shape, &b.ty(*g).shape);
        assert!(given == shape || given.is_empty(), "a cotangent of shape {given:?} for a value of shape {shape:?}");
        if reverse.active[y.index()] {
            let g = fit(b, *g, &reverse.cotangent_type(b, *y));
            pending.add(b, *y, g);
        }
    }
    let span = b.span;
    let (found, deferred) = reverse.walk(b, pending);
    b.span = span;
    assert!(deferred.is_empty(), "outside of every scan nothing is put off");
    wrt.iter()
        .zip(&inputs)
        .map(|(v, input)| {
            let g = *found.get(input)?;
            Some(match renamed_of(b, *v) {
                Some((from, to, _)) => b.push(Op::Rename { from, to, of: g }),
                None => g,
            })
        })
        .collect()
}

fn renamed_of(b: &Builder, v: ValueId) -> Option<(AxisId, AxisId, ValueId)> {
    match b.op(v) {
        Op::Rename { from, to, of } => Some((*from, *to, *of)),
        _ => None,
    }
}

/// What waits at a value for the values after it to be done.
enum Waiting {
    /// Its cotangent so far.
    Value(ValueId),
    /// The cotangents of a scan's outputs so far.
    Scan(BTreeMap<(bool, usize), ValueId>),
}

/// The values that have a cotangent and still have to hand it on; the last one is next.
#[derive(Default)]
struct Pending(BTreeMap<ValueId, Waiting>);

impl Pending {
    fn add(&mut self, b: &mut Builder, v: ValueId, g: ValueId) {
        if b.is_zero(g) {
            return;
        }
        match self.0.get_mut(&v) {
            Some(Waiting::Value(sum)) => *sum = b.add(*sum, g),
            _ => {
                self.0.insert(v, Waiting::Value(g));
            }
        }
    }

    fn add_output(&mut self, scan: ValueId, which: ScanOutput, g: ValueId) {
        let key = match which {
            ScanOutput::Final(i) => (true, i),
            ScanOutput::Stacked(i) => (false, i),
        };
        if let Waiting::Scan(outputs) = self.0.entry(scan).or_insert_with(|| Waiting::Scan(BTreeMap::new())) {
            outputs.insert(key, g);
        }
    }
}

/// A contribution to a value that no derivative carries from step to step: given for all steps at once, after the loop,
/// so that it is one contraction over long lanes and not a sum from step to step.
struct Deferred {
    op: Op,
    result: ValueId,
    slot: usize,
    g: ValueId,
    target: ValueId,
}

struct Reverse {
    active: Vec<bool>,
    inputs: Vec<ValueId>,
    batch: Vec<AxisId>,
    mirror: Mirror,
    /// For every body being walked, the values whose cotangents are made inside the loop.
    carried: Vec<HashSet<ValueId>>,
}

impl Reverse {
    fn cotangent_type(&self, b: &Builder, v: ValueId) -> Type {
        let ty = b.ty(v);
        Type::new(ty.axes.iter().chain(&self.batch).copied(), ty.shape.clone())
    }

    /// Hands cotangents back until only those of inputs and of the body's arguments are left.
    fn walk(&mut self, b: &mut Builder, mut pending: Pending) -> (BTreeMap<ValueId, ValueId>, Vec<Deferred>) {
        let mut found = BTreeMap::new();
        let mut deferred = Vec::new();
        while let Some((v, waiting)) = pending.0.pop_last() {
            b.span = b.program().node(v).span;
            let g = match waiting {
                Waiting::Value(g) => g,
                Waiting::Scan(outputs) => {
                    self.scan(b, v, &outputs, &mut pending, &mut deferred);
                    continue;
                }
            };
            let op = b.op(v).clone();
            if self.inputs.contains(&v) || matches!(op, Op::Argument(..)) {
                found.insert(v, g);
                continue;
            }
            if let Op::Output(scan, which) = op {
                pending.add_output(scan, which, g);
                continue;
            }
            for (slot, target) in op.operands().into_iter().enumerate() {
                if self.active[target.index()] && differentiable(&op, slot) {
                    let d = Deferred { op: op.clone(), result: v, slot, g, target };
                    self.deliver(b, d, &mut pending, &mut deferred);
                }
            }
        }
        (found, deferred)
    }

    /// Gives a contribution to its target, or puts it off if it need not be given inside the loop.
    fn deliver(&mut self, b: &mut Builder, d: Deferred, pending: &mut Pending, deferred: &mut Vec<Deferred>) {
        if !self.is_here(d.target) {
            deferred.push(d);
            return;
        }
        let ty = self.cotangent_type(b, d.target);
        let mirror = &mut self.mirror;
        let given = contribution(b, (&d.op, d.result), d.slot, d.g, &ty, &mut |b, v| mirror.at(b, v));
        if let Some(c) = given {
            pending.add(b, d.target, c);
        }
    }

    /// Hands a cotangent on unchanged, summed over what the target lacks.
    fn pass_on(
        &mut self,
        b: &mut Builder,
        target: ValueId,
        g: ValueId,
        pending: &mut Pending,
        deferred: &mut Vec<Deferred>,
    ) {
        if self.active.get(target.index()) == Some(&true) {
            let d = Deferred { op: Op::Broadcast(target), result: target, slot: 0, g, target };
            self.deliver(b, d, pending, deferred);
        }
    }

    /// Whether cotangents of the value are made in the body being walked.
    fn is_here(&self, v: ValueId) -> bool {
        self.carried.last().is_none_or(|carried| carried.contains(&v))
    }
}
