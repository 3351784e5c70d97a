//! The type of an operation on operands of known types.

use super::ops::{Op, Pairing, ScanOutput};
use super::types::{AxisId, Program, Type, ValueId};

/// The type of `op`, or what is wrong with it. `given` is the type asked for by operations whose type is free (tables,
/// parameters, draws, arguments, broadcasts, reshapes).
///
/// # Errors
/// A sentence about the operands, for the verifier: lowering never builds an operation that fails here.
pub fn infer(program: &Program, op: &Op, given: Option<&Type>) -> Result<Type, String> {
    let ty = |v: ValueId| &program.node(v).ty;
    let join = |operands: &[ValueId]| -> Vec<AxisId> {
        let mut axes: Vec<_> = operands.iter().flat_map(|v| ty(*v).axes.iter().copied()).collect();
        axes.sort_unstable();
        axes.dedup();
        axes
    };
    let elementwise = |operands: &[ValueId]| -> Result<Type, String> {
        let mut shape: Vec<usize> = Vec::new();
        for v in operands {
            let s = &ty(*v).shape;
            if s.is_empty() {
                continue;
            }
            if shape.is_empty() {
                shape.clone_from(s);
            } else if shape != *s {
                return Err(format!("shapes {shape:?} and {s:?} do not agree"));
            }
        }
        Ok(Type { axes: join(operands), shape })
    };
    let given = || given.cloned().ok_or_else(|| "the type is not given".to_owned());
    let needs_axis = |v: ValueId, axis: AxisId| {
        if ty(v).varies(axis) {
            Ok(())
        } else {
            Err(format!("the operand does not vary over {}", program.axis(axis).name))
        }
    };
    let dim_of = |v: ValueId, dim: usize| {
        ty(v).shape.get(dim).copied().ok_or_else(|| format!("no dimension {dim} in {:?}", ty(v).shape))
    };
    match op {
        Op::Number(_) | Op::Step => Ok(Type::SCALAR),
        Op::Table(t) => {
            let g = given()?;
            if t.0.shape() == program.extents(&g) {
                Ok(g)
            } else {
                Err("the table has other extents than its type".to_owned())
            }
        }
        Op::Iota(axis) => Ok(Type::new([*axis], [])),
        Op::Eye(n) => Ok(Type::shaped([*n, *n])),
        Op::Parameter(i) => Ok(Type::shaped(program.parameters[*i].shape.clone())),
        Op::State(i) => Ok(program.states[*i].ty()),
        Op::Draw(_) | Op::Argument(..) => given(),
        Op::Unary(_, a) | Op::Detach(a) | Op::Mark(_, a) => Ok(ty(*a).clone()),
        Op::Binary(_, a, b) => elementwise(&[*a, *b]),
        Op::Select(c, a, b) => elementwise(&[*c, *a, *b]),
        Op::Contract(spec, a, b) => {
            let (ta, tb) = (ty(*a), ty(*b));
            if spec.a.len() != ta.shape.len() || spec.b.len() != tb.shape.len() {
                return Err("a contraction labels every dimension of its operands".to_owned());
            }
            let size = |label| {
                let from = |labels: &[u8], t: &Type| labels.iter().position(|l| *l == label).map(|i| t.shape[i]);
                match (from(&spec.a, ta), from(&spec.b, tb)) {
                    (Some(x), Some(y)) if x != y => Err(format!("label {label} is {x} and {y}")),
                    (Some(x), _) | (None, Some(x)) => Ok(x),
                    (None, None) => Err(format!("label {label} is in no operand")),
                }
            };
            for l in spec.a.iter().chain(&spec.b) {
                size(*l)?;
            }
            let shape = spec.out.iter().map(|l| size(*l)).collect::<Result<Vec<_>, _>>()?;
            let mut axes = join(&[*a, *b]);
            for s in &spec.axes {
                if !axes.contains(s) {
                    return Err(format!("no operand varies over {}", program.axis(*s).name));
                }
            }
            axes.retain(|x| !spec.axes.contains(x));
            Ok(Type { axes, shape })
        }
        Op::Reduce(_, axes, dims, a) => {
            for x in axes {
                needs_axis(*a, *x)?;
            }
            for d in dims {
                dim_of(*a, *d)?;
            }
            let t = ty(*a);
            let shape = t.shape.iter().enumerate().filter(|(i, _)| !dims.contains(i)).map(|(_, n)| *n).collect();
            Ok(Type { axes: t.axes.iter().copied().filter(|x| !axes.contains(x)).collect(), shape })
        }
        Op::CumulativeSum { axis, of, .. } => needs_axis(*of, *axis).map(|()| ty(*of).clone()),
        Op::Broadcast(a) => {
            let g = given()?;
            let t = ty(*a);
            if t.axes.iter().all(|x| g.varies(*x)) && (t.shape == g.shape || t.shape.is_empty()) {
                Ok(g)
            } else {
                Err("a broadcast only adds axes, and a shape only to a scalar".to_owned())
            }
        }
        Op::Reshape(a) => {
            let g = given()?;
            if ty(*a).axes == g.axes && ty(*a).elements() == g.elements() {
                Ok(g)
            } else {
                Err("a reshape keeps axes and the number of elements".to_owned())
            }
        }
        Op::Transpose(perm, a) => {
            let t = ty(*a);
            let mut sorted = perm.clone();
            sorted.sort_unstable();
            if sorted != (0..t.shape.len()).collect::<Vec<_>>() {
                return Err(format!("{perm:?} is no order of {} dimensions", t.shape.len()));
            }
            Ok(Type { axes: t.axes.clone(), shape: perm.iter().map(|i| t.shape[*i]).collect() })
        }
        Op::Concat(dim, items) => {
            let first = items.first().ok_or("nothing to join")?;
            let mut shape = ty(*first).shape.clone();
            dim_of(*first, *dim)?;
            shape[*dim] = 0;
            for v in items {
                let mut other = ty(*v).shape.clone();
                let n = dim_of(*v, *dim)?;
                other[*dim] = shape[*dim];
                if other != shape {
                    return Err("joined values differ in another dimension".to_owned());
                }
                shape[*dim] += n;
            }
            Ok(Type { axes: join(items), shape })
        }
        Op::Slice { dim, start, length, of } => {
            if start + length > dim_of(*of, *dim)? {
                return Err("the slice runs past the end".to_owned());
            }
            Ok(resized(ty(*of), *dim, *length))
        }
        Op::Pad { dim, before, after, of } => Ok(resized(ty(*of), *dim, dim_of(*of, *dim)? + before + after)),
        Op::Gather { dim, index, of } => {
            let n = dim_of(*of, *dim)?;
            if index.iter().any(|i| *i >= n) {
                return Err("an index is past the end".to_owned());
            }
            Ok(resized(ty(*of), *dim, index.len()))
        }
        Op::ScatterAdd { dim, index, size, of } => {
            if dim_of(*of, *dim)? != index.len() || index.iter().any(|i| i >= size) {
                return Err("the indices do not fit".to_owned());
            }
            Ok(resized(ty(*of), *dim, *size))
        }
        Op::Rename { from, to, of } => {
            needs_axis(*of, *from)?;
            if program.axis(*from).size != program.axis(*to).size || ty(*of).varies(*to) {
                return Err("an axis takes the name of another of its size that is not in use".to_owned());
            }
            let t = ty(*of);
            Ok(Type::new(t.axes.iter().map(|x| if x == from { *to } else { *x }), t.shape.clone()))
        }
        Op::At { axis, index, of } => {
            needs_axis(*of, *axis)?;
            if *index >= program.axis(*axis).size {
                return Err("the index is past the end".to_owned());
            }
            let t = ty(*of);
            Ok(Type { axes: t.axes.iter().copied().filter(|x| x != axis).collect(), shape: t.shape.clone() })
        }
        Op::Place { axis, index, of } => {
            let t = ty(*of);
            if t.varies(*axis) || *index >= program.axis(*axis).size {
                return Err("the axis is in use or the index past its end".to_owned());
            }
            Ok(Type::new(t.axes.iter().copied().chain([*axis]), t.shape.clone()))
        }
        Op::Pick(p, of) => {
            let t = ty(*of);
            fits(program, p)?;
            if t.varies(p.pairs) || !p.axes.iter().any(|axis| t.varies(*axis)) {
                return Err("pairs are picked from what varies over one of the two axes, and not over pairs".to_owned());
            }
            let rest = t.axes.iter().copied().filter(|axis| !p.axes.contains(axis));
            Ok(Type::new(rest.chain([p.pairs]), t.shape.clone()))
        }
        Op::Spread(p, of) => {
            let t = ty(*of);
            fits(program, p)?;
            if !t.varies(p.pairs) || p.axes.iter().any(|axis| t.varies(*axis)) {
                return Err("what is spread varies over pairs, and not over the two axes".to_owned());
            }
            let rest = t.axes.iter().copied().filter(|axis| *axis != p.pairs);
            Ok(Type::new(rest.chain(p.axes), t.shape.clone()))
        }
        Op::Shift { axis, fill, of, .. } => {
            needs_axis(*of, *axis)?;
            if ty(*fill).varies(*axis) || ty(*fill).shape != ty(*of).shape {
                return Err("the fill has the operand's shape and lacks the axis".to_owned());
            }
            Ok(Type { axes: join(&[*fill, *of]), shape: ty(*of).shape.clone() })
        }
        Op::Scan(scan) => {
            for c in &scan.carries {
                if ty(c.init) != ty(c.argument) || ty(c.next) != ty(c.argument) {
                    return Err(format!(
                        "a carry is {:?} at first, {:?} inside, {:?} after",
                        ty(c.init),
                        ty(c.argument),
                        ty(c.next)
                    ));
                }
                if ty(c.argument).varies(scan.axis) {
                    return Err("a carry varies over the axis of its scan".to_owned());
                }
            }
            for (outer, argument) in &scan.slices {
                needs_axis(*outer, scan.axis)?;
                let t = ty(*outer);
                let axes: Vec<_> = t.axes.iter().copied().filter(|x| *x != scan.axis).collect();
                if (Type { axes, shape: t.shape.clone() }) != *ty(*argument) {
                    return Err("a slice has another type than its argument".to_owned());
                }
            }
            Ok(Type::SCALAR)
        }
        Op::Output(scan, which) => {
            let Op::Scan(s) = &program.node(*scan).op else { return Err("outputs are taken of scans".to_owned()) };
            match which {
                ScanOutput::Final(i) => {
                    s.carries.get(*i).map(|c| ty(c.argument).clone()).ok_or_else(|| "no such carry".to_owned())
                }
                ScanOutput::Stacked(i) => {
                    let t = ty(*s.stacked.get(*i).ok_or("no such stacked value")?);
                    if t.varies(s.axis) {
                        return Err("a stacked value varies over the axis of its scan".to_owned());
                    }
                    Ok(Type::new(t.axes.iter().copied().chain([s.axis]), t.shape.clone()))
                }
            }
        }
        Op::Solve(a, b) => {
            let n = square(ty(*a))?;
            if ty(*b).shape.first() != Some(&n) || ty(*b).shape.len() > 2 {
                return Err("the right-hand side does not fit the matrix".to_owned());
            }
            Ok(Type { axes: join(&[*a, *b]), shape: ty(*b).shape.clone() })
        }
        Op::Inverse(a) | Op::Expm(a) => square(ty(*a)).map(|_| ty(*a).clone()),
    }
}

fn fits(program: &Program, p: &Pairing) -> Result<(), String> {
    let size = |axis| program.axis(axis).size;
    let [first, second] = p.axes;
    let inside = p.rows.iter().all(|(start, length)| start + length <= size(second));
    if first == second || p.rows.len() != size(first) || p.count() != size(p.pairs) || !inside {
        return Err("the pairs do not fit their axes".to_owned());
    }
    Ok(())
}

fn resized(ty: &Type, dim: usize, size: usize) -> Type {
    let mut out = ty.clone();
    out.shape[dim] = size;
    out
}

fn square(ty: &Type) -> Result<usize, String> {
    match ty.shape.as_slice() {
        [n, m] if n == m => Ok(*n),
        other => Err(format!("{other:?} is not square")),
    }
}
