//! Checks that a program is well formed. Runs after every pass in debug builds and in tests.

use super::infer::infer;
use super::ops::{Op, ScanOutput};
use super::types::{Program, RegionId, ValueId};

/// Fails with a sentence that names the first value at fault.
///
/// # Errors
/// An operand that is not earlier, a type that does not follow from the operands, a value in another region than its
/// operands demand, or an argument used outside of its scan.
pub fn verify(program: &Program) -> Result<(), String> {
    for (i, node) in program.nodes.iter().enumerate() {
        let fail = |why: String| Err(format!("value {i} ({:?}): {why}", node.op));
        let mut later = false;
        node.op.for_each_operand(|v| later |= v.index() >= i);
        if later {
            return fail("refers to a later value".to_owned());
        }
        match infer(program, &node.op, Some(&node.ty)) {
            Ok(ty) if ty == node.ty => {}
            Ok(ty) => return fail(format!("has type {:?}, its operands say {ty:?}", node.ty)),
            Err(why) => return fail(why),
        }
        if let Err(why) = check_region(program, ValueId(i as u32)) {
            return fail(why);
        }
    }
    for (output, v) in &program.outputs {
        if program.node(*v).region != RegionId::ROOT {
            return Err(format!("output {output:?} is computed inside a scan"));
        }
    }
    Ok(())
}

fn check_region(program: &Program, id: ValueId) -> Result<(), String> {
    let node = program.node(id);
    let mut inner = node.region;
    let encloses = |outer: RegionId, mut region: RegionId| loop {
        if region == outer {
            return true;
        }
        if region == RegionId::ROOT {
            return false;
        }
        region = program.regions[region.index()];
    };
    if let Op::Scan(scan) = &node.op {
        inner = scan.region;
        if program.regions[scan.region.index()] != node.region {
            return Err("the scan stands in another region than its body's parent".to_owned());
        }
    }
    let mut fault = None;
    node.op.for_each_operand(|v| {
        if !encloses(program.node(v).region, inner) {
            fault = Some(format!("operand {} belongs to a region that is not around it", v.0));
        }
    });
    if let Op::Output(scan, ScanOutput::Stacked(_) | ScanOutput::Final(_)) = &node.op
        && !matches!(program.node(*scan).op, Op::Scan(_))
    {
        fault = Some("takes an output of what is no scan".to_owned());
    }
    fault.map_or(Ok(()), Err)
}
