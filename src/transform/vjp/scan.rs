//! The reverse of a scan is a scan in the other direction.

use std::collections::BTreeMap;

use super::{Deferred, Pending, Reverse};
use crate::graph::{AxisKind, Builder, Carry, Op, Scan, ScanOutput, ValueId};
use crate::transform::mirror::Frame;
use crate::transform::vjp::rules::contribution;

impl Reverse {
    /// Hands the cotangents of a scan's outputs (`(true, i)`: of final carry i, `(false, i)`: of stacked value i) to
    /// what the scan reads.
    ///
    /// The carries of the reverse loop are cotangents of carries. Forward values it needs are stacked by the forward
    /// scan and sliced here. Nothing is accumulated for values outside: their contributions are put off.
    pub(super) fn scan(
        &mut self,
        b: &mut Builder,
        id: ValueId,
        outputs: &BTreeMap<(bool, usize), ValueId>,
        pending: &mut Pending,
        deferred: &mut Vec<Deferred>,
    ) {
        let Op::Scan(scan) = b.op(id).clone() else { return };
        let kept: Vec<usize> = (0..scan.carries.len())
            .filter(|i| {
                let c = &scan.carries[*i];
                self.active[c.argument.index()] || (self.active[c.next.index()] && outputs.contains_key(&(true, *i)))
            })
            .collect();
        let region = self.mirror.open(b, id, &scan, kept.len());
        let mut inner = Pending::default();
        let mut inner_deferred = Vec::new();
        let mut arguments = Vec::new();
        for (n, i) in kept.iter().enumerate() {
            let ty = self.cotangent_type(b, scan.carries[*i].argument);
            let argument = b.argument(region, n, ty);
            arguments.push(argument);
            self.pass_on(b, scan.carries[*i].next, argument, &mut inner, &mut inner_deferred);
        }
        for ((is_final, i), g) in outputs {
            if !is_final {
                let g = self.mirror.slice(b, *g);
                self.pass_on(b, scan.stacked[*i], g, &mut inner, &mut inner_deferred);
            }
        }
        let (found, more) = self.walk(b, inner);
        inner_deferred.extend(more);

        let mut carries = Vec::new();
        for (i, argument) in kept.iter().zip(&arguments) {
            let c = &scan.carries[*i];
            let ty = b.ty(*argument).clone();
            let zero = b.filled(0.0, ty);
            let init = outputs.get(&(true, *i)).copied().unwrap_or(zero);
            let next = found.get(&c.argument).copied().unwrap_or(zero);
            carries.push(Carry { init, argument: *argument, next });
        }
        let frame = self.mirror.close();
        let own = b.scan(Scan {
            region,
            axis: scan.axis,
            reverse: !scan.reverse,
            carries,
            slices: frame.slices.clone(),
            stacked: Vec::new(),
        });
        for (n, i) in kept.iter().enumerate() {
            let g = b.output(own, ScanOutput::Final(n));
            self.pass_on(b, scan.carries[*i].init, g, pending, deferred);
        }
        for (outer, argument) in &scan.slices {
            if let Some(g) = found.get(argument) {
                let g = self.mirror.lift(b, &frame, own, *g, None);
                let g = b.spread(g, &[scan.axis]);
                self.pass_on(b, *outer, g, pending, deferred);
            }
        }
        for d in inner_deferred {
            self.after_loop(b, d, (&scan, &frame, own), pending, deferred);
        }
    }

    /// Gives what was put off in the body, or puts it off again with everything it needs taken out of the loop.
    fn after_loop(
        &mut self,
        b: &mut Builder,
        d: Deferred,
        (scan, frame, own): (&Scan, &Frame, ValueId),
        pending: &mut Pending,
        deferred: &mut Vec<Deferred>,
    ) {
        let operands = d.op.operands();
        let in_use = names_axis(&d.op, scan)
            || operands.iter().chain([&d.result, &d.target]).any(|v| b.ty(*v).varies(scan.axis))
            || b.ty(d.g).varies(scan.axis);
        let renamed = in_use.then(|| {
            let a = b.program().axis(scan.axis).clone();
            b.axis(format!("{}'", a.name), a.size, if a.kind == AxisKind::Sample { AxisKind::Index } else { a.kind })
        });
        let g = self.mirror.lift(b, frame, own, d.g, renamed);
        let g = b.spread(g, &[renamed.unwrap_or(scan.axis)]);
        if self.is_here(b, d.target) {
            let ty = self.cotangent_type(b, d.target);
            let mirror = &mut self.mirror;
            let mut at = |b: &mut Builder, v: ValueId| mirror.lift(b, frame, own, v, renamed);
            if let Some(c) = contribution(b, (&d.op, d.result), d.slot, g, &ty, &mut at) {
                pending.add(b, d.target, c);
            }
            return;
        }
        let op = d.op.map_operands(|v| if v == d.target { v } else { self.mirror.lift(b, frame, own, v, renamed) });
        let result = self.mirror.lift(b, frame, own, d.result, renamed);
        deferred.push(Deferred { op, result, slot: d.slot, g, target: d.target });
    }
}

fn names_axis(op: &Op, scan: &Scan) -> bool {
    match op {
        Op::Contract(spec, ..) => spec.axes.contains(&scan.axis),
        Op::Reduce(_, axes, ..) => axes.contains(&scan.axis),
        Op::CumulativeSum { axis, .. } | Op::At { axis, .. } | Op::Place { axis, .. } | Op::Shift { axis, .. } => {
            *axis == scan.axis
        }
        Op::Rename { from, to, .. } => *from == scan.axis || *to == scan.axis,
        _ => false,
    }
}
