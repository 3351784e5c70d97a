//! The assignment of least cost.

/// One column for each row of a square matrix, each once, so that the sum of the chosen entries is least.
///
/// Rows are added one after the other along the shortest augmenting path, with prices on rows and columns under which no
/// entry costs less than nothing; at most n³ steps. The least cost is exact to rounding.
///
/// *Shapes*: `cost: [n, n]`, row-major. *Source*: doi:10.1109/TAES.2016.140952, Algorithm 1.
pub(super) fn assignment(cost: &[f64], n: usize) -> Vec<usize> {
    let mut course = Course {
        cost,
        n,
        rows: vec![0.0; n],
        columns: vec![0.0; n],
        column_of: vec![None; n],
        row_of: vec![None; n],
        reached: vec![f64::INFINITY; n],
        through: vec![0; n],
        open: Vec::with_capacity(n),
        closed: Vec::with_capacity(n),
    };
    for row in 0..n {
        let (end, length) = course.shortest_path(row);
        course.reprice(row, length);
        course.augment(row, end);
    }
    course.column_of.into_iter().map(|column| column.expect("every row was added")).collect()
}

struct Course<'c> {
    cost: &'c [f64],
    n: usize,
    /// The prices of rows and of columns.
    rows: Vec<f64>,
    columns: Vec<f64>,
    column_of: Vec<Option<usize>>,
    row_of: Vec<Option<usize>>,
    /// The length of the shortest path found to each column.
    reached: Vec<f64>,
    /// The row before each column on that path.
    through: Vec<usize>,
    /// Columns to which the shortest path is not known yet.
    open: Vec<usize>,
    /// Columns to which it is, but for the last.
    closed: Vec<usize>,
}

impl Course<'_> {
    /// The free column that is nearest to a row, and how far it is.
    fn shortest_path(&mut self, from: usize) -> (usize, f64) {
        self.reached.fill(f64::INFINITY);
        self.open.clear();
        self.open.extend(0..self.n);
        self.closed.clear();
        let (mut row, mut length) = (from, 0.0);
        loop {
            let costs = &self.cost[row * self.n..(row + 1) * self.n];
            let base = length - self.rows[row];
            let (mut least, mut at) = (f64::INFINITY, 0);
            for (place, &column) in self.open.iter().enumerate() {
                let here = base + costs[column] - self.columns[column];
                if here < self.reached[column] {
                    self.reached[column] = here;
                    self.through[column] = row;
                }
                let known = self.reached[column];
                // Among columns that are equally near, a free one ends the search.
                if known < least || (known == least && self.row_of[column].is_none()) {
                    (least, at) = (known, place);
                }
            }
            length = least;
            let column = self.open.swap_remove(at);
            match self.row_of[column] {
                None => return (column, length),
                Some(next) => {
                    self.closed.push(column);
                    row = next;
                }
            }
        }
    }

    /// Moves prices so that the path costs nothing, and nothing costs less.
    fn reprice(&mut self, from: usize, length: f64) {
        self.rows[from] += length;
        for &column in &self.closed {
            let gain = length - self.reached[column];
            self.columns[column] -= gain;
            let row = self.row_of[column].expect("only assigned columns are passed");
            self.rows[row] += gain;
        }
    }

    /// Exchanges the assignments along the path.
    fn augment(&mut self, from: usize, end: usize) {
        let mut column = end;
        loop {
            let row = self.through[column];
            self.row_of[column] = Some(row);
            let Some(before) = self.column_of[row].replace(column) else { break };
            if row == from {
                break;
            }
            column = before;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::assignment;
    use crate::backend::random::{key, philox, uniform};

    fn random(n: usize, stream: u64) -> Vec<f64> {
        let key = key(3, stream);
        (0..n * n).map(|i| uniform(philox([i as u32, 0, 0, 0], key)[0])).collect()
    }

    fn total(cost: &[f64], n: usize, chosen: &[usize]) -> f64 {
        chosen.iter().enumerate().map(|(row, column)| cost[row * n + column]).sum()
    }

    /// The least total over all orders.
    fn by_trial(cost: &[f64], n: usize) -> f64 {
        fn least(cost: &[f64], n: usize, row: usize, taken: &mut Vec<bool>) -> f64 {
            if row == n {
                return 0.0;
            }
            let mut best = f64::INFINITY;
            for column in 0..n {
                if !std::mem::replace(&mut taken[column], true) {
                    best = best.min(cost[row * n + column] + least(cost, n, row + 1, taken));
                    taken[column] = false;
                }
            }
            best
        }
        least(cost, n, 0, &mut vec![false; n])
    }

    #[test]
    fn no_other_order_costs_less() {
        for n in 1..=7 {
            for stream in 0..20 {
                let cost = random(n, stream);
                let chosen = assignment(&cost, n);
                let mut columns = chosen.clone();
                columns.sort_unstable();
                assert_eq!(columns, (0..n).collect::<Vec<_>>());
                let (found, best) = (total(&cost, n, &chosen), by_trial(&cost, n));
                assert!((found - best).abs() < 1e-12, "n = {n}, stream {stream}: {found} against {best}");
            }
        }
    }

    #[test]
    fn equal_costs_do_no_harm() {
        let n = 30;
        let cost: Vec<f64> = random(n, 1).iter().map(|x| (x * 3.0).floor()).collect();
        let chosen = assignment(&cost, n);
        // With 30 rows of costs 0, 1, 2 there is an order of zeros alone.
        assert_eq!(total(&cost, n, &chosen), 0.0);
        assert_eq!(assignment(&[], 0), Vec::<usize>::new());
    }

    #[test]
    fn a_shifted_line_is_assigned_in_order() {
        let n = 200;
        let line = |i: usize| (i as f64).sqrt();
        let cost: Vec<f64> = (0..n * n).map(|k| (line(k / n) - line((k % n + 77) % n) - 0.25).powi(2)).collect();
        let chosen = assignment(&cost, n);
        assert!((0..n).all(|i| (chosen[i] + 77) % n == i));
    }
}
