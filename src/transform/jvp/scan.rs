//! The tangent of a scan is a scan in the same direction.

use super::Forward;
use crate::graph::{Builder, Carry, Scan, ScanOutput, ValueId};

impl Forward {
    /// Whether a derivative passes through something the scan hands out.
    pub(super) fn feeds_active(&self, scan: &Scan) -> bool {
        let on = |v: &ValueId| self.active.get(v.index()) == Some(&true);
        scan.carries.iter().any(|c| on(&c.next)) || scan.stacked.iter().any(on)
    }

    /// A second loop whose carries are tangents of carries; it reads forward values stacked by the first.
    pub(super) fn scan(&mut self, b: &mut Builder, id: ValueId, scan: &Scan) {
        let kept: Vec<usize> = (0..scan.carries.len())
            .filter(|i| self.active[scan.carries[*i].argument.index()] || self.active[scan.carries[*i].next.index()])
            .collect();
        let region = self.mirror.open(b, id, scan, kept.len());
        for (n, i) in kept.iter().enumerate() {
            let argument = scan.carries[*i].argument;
            let ty = self.tangent_type(b, argument);
            let d = b.argument(region, n, ty);
            self.tangents.insert(argument, d);
        }
        for (outer, argument) in &scan.slices {
            if self.active[argument.index()]
                && let Some(d) = self.tangents.get(outer)
            {
                let d = self.mirror.slice(b, *d);
                self.tangents.insert(*argument, d);
            }
        }
        self.walk(b, id);
        let mut carries = Vec::new();
        for i in &kept {
            let c = &scan.carries[*i];
            let ty = self.tangent_type(b, c.argument);
            let zero = b.filled(0.0, ty);
            let get = |v| self.tangents.get(&v).copied().unwrap_or(zero);
            carries.push(Carry { init: get(c.init), argument: get(c.argument), next: get(c.next) });
        }
        let frame = self.mirror.close();
        let own = b.scan(Scan {
            region,
            axis: scan.axis,
            reverse: scan.reverse,
            carries,
            slices: frame.slices.clone(),
            stacked: Vec::new(),
        });
        for (n, i) in kept.iter().enumerate() {
            let d = b.output(own, ScanOutput::Final(n));
            self.outputs.insert((id, ScanOutput::Final(*i)), d);
        }
        for (i, v) in scan.stacked.iter().enumerate() {
            if let Some(d) = self.tangents.get(v).copied() {
                let d = self.mirror.lift(b, &frame, own, d, None);
                let d = b.spread(d, &[scan.axis]);
                self.outputs.insert((id, ScanOutput::Stacked(i)), d);
            }
        }
    }
}
