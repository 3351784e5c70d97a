//! Forward mode as a rewrite: tangents of inputs become the tangent of an output, as more values of the same program.

mod rules;
mod scan;

use std::collections::{HashMap, HashSet};

use super::activity::active;
use super::mirror::{Mirror, deeper};
use crate::graph::{AxisId, Builder, Op, RegionId, ScanOutput, Type, ValueId};

/// The tangent of `output` that the `seeds`, pairs of an input and its tangent, give: `None` if it depends on no input.
///
/// *Independence*: a seeded value has the tangent given, whatever it depends on. A renamed axis is the same input: for
/// `Rename` of a value, dependence on that value counts.
///
/// *Shapes*: a tangent has the type of its value. One that varies over more axes than its value is a batch of tangents:
/// the answer varies over these axes too. No value between inputs and output may vary over such an axis.
pub fn jvp(b: &mut Builder, output: ValueId, seeds: &[(ValueId, ValueId)]) -> Option<ValueId> {
    let mut inputs: Vec<(ValueId, ValueId)> = Vec::new();
    for (x, d) in seeds {
        let (x, d) = match *b.op(*x) {
            Op::Rename { from, to, of } => (of, b.push(Op::Rename { from: to, to: from, of: *d })),
            _ => (*x, *d),
        };
        inputs.push((x, d));
    }
    let values: Vec<ValueId> = inputs.iter().map(|s| s.0).collect();
    let active = active(b.program(), &values, &[output]);
    if !active[output.index()] {
        return None;
    }
    let mut base = b.program().node(output).region;
    for v in inputs.iter().flat_map(|s| [s.0, s.1]) {
        base = deeper(b, base, b.program().node(v).region);
    }
    let batch = inputs.iter().flat_map(|(x, d)| b.ty(*d).axes.iter().filter(|a| !b.ty(*x).varies(**a)).copied());
    let batch = Type::new(batch, []).axes;
    let mut tangents = HashMap::new();
    for (x, d) in &inputs {
        let t = b.ty(*x);
        let ty = Type::new(t.axes.iter().chain(&batch).copied(), t.shape.clone());
        tangents.insert(*x, b.broadcast(*d, ty));
    }
    let mut bodies = HashSet::new();
    for node in &b.program().nodes[..=output.index()] {
        if let Op::Scan(s) = &node.op {
            bodies.insert(s.region);
        }
    }
    let mut forward = Forward { active, bodies, tangents, outputs: HashMap::new(), batch, mirror: Mirror::new(base) };
    let span = b.span;
    forward.walk(b, ValueId(output.0 + 1));
    b.span = span;
    forward.tangents.get(&output).copied()
}

struct Forward {
    active: Vec<bool>,
    /// The bodies of finished scans: their values are not computed where the scan stands.
    bodies: HashSet<RegionId>,
    tangents: HashMap<ValueId, ValueId>,
    outputs: HashMap<(ValueId, ScanOutput), ValueId>,
    batch: Vec<AxisId>,
    mirror: Mirror,
}

impl Forward {
    fn tangent_type(&self, b: &Builder, v: ValueId) -> Type {
        let ty = b.ty(v);
        Type::new(ty.axes.iter().chain(&self.batch).copied(), ty.shape.clone())
    }

    /// Makes the tangents of the values before `end` that are computed in the body being walked.
    fn walk(&mut self, b: &mut Builder, end: ValueId) {
        for v in (0..end.0).map(ValueId) {
            let region = b.program().node(v).region;
            let here = match self.mirror.source() {
                Some(source) => region == source,
                None => !self.bodies.contains(&region),
            };
            if !here {
                continue;
            }
            b.span = b.program().node(v).span;
            let op = b.op(v).clone();
            if let Op::Scan(scan) = &op {
                if self.feeds_active(scan) {
                    self.scan(b, v, scan);
                }
                continue;
            }
            if self.tangents.contains_key(&v) || !self.active[v.index()] {
                continue;
            }
            let tangent = match &op {
                Op::Output(scan, which) => self.outputs.get(&(*scan, *which)).copied(),
                _ => self.tangent(b, &op, v),
            };
            if let Some(d) = tangent
                && !b.is_zero(d)
            {
                self.tangents.insert(v, d);
            }
        }
    }
}
