//! Index spaces and how operands step through them.

/// Drops dimensions of size 1 and joins neighbours that every operand steps through alike.
pub(super) fn coalesce(sizes: &mut Vec<usize>, strides: &mut [Vec<usize>]) {
    let mut kept: Vec<usize> = Vec::new();
    let mut columns: Vec<Vec<usize>> = vec![Vec::new(); strides.len()];
    for i in 0..sizes.len() {
        let n = sizes[i];
        if n == 1 {
            continue;
        }
        let joins = !kept.is_empty() && strides.iter().zip(&columns).all(|(s, c)| c.last() == Some(&(s[i] * n)));
        if joins {
            let last = kept.len() - 1;
            kept[last] *= n;
            for (s, c) in strides.iter().zip(&mut columns) {
                c[last] = s[i];
            }
        } else {
            kept.push(n);
            for (s, c) in strides.iter().zip(&mut columns) {
                c.push(s[i]);
            }
        }
    }
    *sizes = kept;
    for (s, c) in strides.iter_mut().zip(columns) {
        *s = c;
    }
}

/// Calls `f` with the offsets of `N` operands at every index, the last dimension fastest.
pub(super) fn walk<const N: usize>(
    sizes: &[usize],
    strides: [&[usize]; N],
    start: [usize; N],
    f: &mut impl FnMut([usize; N]),
) {
    match sizes {
        [] => f(start),
        [n] => {
            let mut at = start;
            for _ in 0..*n {
                f(at);
                for (a, s) in at.iter_mut().zip(&strides) {
                    *a += s[0];
                }
            }
        }
        [n, rest @ ..] => {
            let mut at = start;
            for _ in 0..*n {
                walk(rest, strides.map(|s| &s[1..]), at, f);
                for (a, s) in at.iter_mut().zip(&strides) {
                    *a += s[0];
                }
            }
        }
    }
}
