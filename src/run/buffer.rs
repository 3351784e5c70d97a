//! Rows that a schedule keeps.

use ndarray::{ArrayD, Axis, IxDyn};

use crate::backend::random::{key, philox, uniform};
use crate::lower::{Buffer, RowDraw, SampleDraw};

/// The newest rows, up to the capacity; the oldest gives way.
#[derive(Debug)]
pub(super) struct Rows {
    /// Per field, the rows one after the other.
    fields: Vec<Vec<f64>>,
    /// The numbers of a row, per field.
    widths: Vec<usize>,
    /// The rows kept.
    count: usize,
    /// Where the next row goes.
    next: usize,
    capacity: usize,
}

/// Why no rows were drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum NoRows {
    /// There are none.
    Empty,
    /// A chance is negative or not a number.
    Weight(f64),
    /// All chances are zero.
    Weightless,
}

impl Rows {
    pub(super) fn new(buffer: &Buffer) -> Self {
        let widths: Vec<usize> = buffer.fields.iter().map(|field| field.iter().product()).collect();
        Self { fields: vec![Vec::new(); widths.len()], widths, count: 0, next: 0, capacity: buffer.capacity }
    }

    /// Pushes one row per sample. *Shapes*: `values[field]: [samples, …]`, row-major.
    pub(super) fn push(&mut self, values: &[&[f64]]) {
        let samples = values.first().zip(self.widths.first()).map_or(0, |(v, width)| v.len() / width.max(&1));
        for row in 0..samples {
            for ((field, width), value) in self.fields.iter_mut().zip(&self.widths).zip(values) {
                let new = &value[row * width..(row + 1) * width];
                if self.next * width < field.len() {
                    field[self.next * width..(self.next + 1) * width].copy_from_slice(new);
                } else {
                    field.extend_from_slice(new);
                }
            }
            self.next = (self.next + 1) % self.capacity;
            self.count = (self.count + 1).min(self.capacity);
        }
    }

    /// Draws rows with replacement: one tensor per field, the rows first. What is drawn is a function of the seed, the
    /// stream and the number of the draw.
    pub(super) fn draw(
        &self,
        draw: &RowDraw,
        buffer: &Buffer,
        seed: u64,
        number: u64,
    ) -> Result<Vec<ArrayD<f64>>, NoRows> {
        if self.count == 0 {
            return Err(NoRows::Empty);
        }
        let sums = match draw.weight {
            None => None,
            Some(field) => Some(self.running_sums(field)?),
        };
        let key = key(seed, draw.stream);
        let chosen: Vec<usize> = (0..draw.rows)
            .map(|i| {
                let u = chance(i, number, key);
                match &sums {
                    None => ((u * self.count as f64) as usize).min(self.count - 1),
                    Some(sums) => {
                        let level = u * sums[self.count - 1];
                        sums.partition_point(|sum| *sum < level).min(self.count - 1)
                    }
                }
            })
            .collect();
        let fields = self.fields.iter().zip(&self.widths).zip(&buffer.fields);
        Ok(fields
            .map(|((field, width), extents)| {
                let values = chosen.iter().flat_map(|row| &field[row * width..(row + 1) * width]).copied().collect();
                let extents: Vec<usize> = std::iter::once(draw.rows).chain(extents.iter().copied()).collect();
                ArrayD::from_shape_vec(IxDyn(&extents), values).expect("every row fills its extents")
            })
            .collect())
    }

    fn running_sums(&self, field: usize) -> Result<Vec<f64>, NoRows> {
        let mut total = 0.0;
        let mut sums = Vec::with_capacity(self.count);
        for weight in &self.fields[field] {
            if weight.is_nan() || *weight < 0.0 {
                return Err(NoRows::Weight(*weight));
            }
            total += weight;
            sums.push(total);
        }
        if total > 0.0 { Ok(sums) } else { Err(NoRows::Weightless) }
    }
}

/// Samples of a file, with replacement. What is drawn is a function of the seed, the stream and the number of the draw.
pub(super) fn draw_samples(draw: &SampleDraw, seed: u64, number: u64) -> ArrayD<f64> {
    let samples = draw.file.samples();
    let key = key(seed, draw.stream);
    let count = samples.shape()[0];
    let chosen: Vec<usize> =
        (0..draw.rows).map(|i| ((chance(i, number, key) * count as f64) as usize).min(count - 1)).collect();
    samples.select(Axis(0), &chosen)
}

/// A uniform number for a row.
fn chance(row: usize, number: u64, key: [u32; 2]) -> f64 {
    uniform(philox([row as u32, 0, 0, number as u32], key)[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Span;

    fn buffer(capacity: usize) -> Buffer {
        Buffer { name: "B".into(), capacity, fields: vec![vec![2], vec![]], span: Span::NONE }
    }

    fn draw(rows: usize, weight: Option<usize>) -> RowDraw {
        RowDraw { buffer: 0, cells: Vec::new(), weight, rows, stream: 3, span: Span::NONE }
    }

    #[test]
    fn the_oldest_rows_give_way() {
        let buffer = buffer(3);
        let mut rows = Rows::new(&buffer);
        rows.push(&[&[0.0, 0.5, 1.0, 1.5], &[0.0, 1.0]]);
        rows.push(&[&[2.0, 2.5, 3.0, 3.5], &[2.0, 3.0]]);
        let drawn = rows.draw(&draw(200, None), &buffer, 1, 0).expect("there are rows");
        let kept: std::collections::BTreeSet<u64> = drawn[1].iter().map(|x| *x as u64).collect();
        assert_eq!(kept, [1, 2, 3].into());
        for (point, number) in drawn[0].rows().into_iter().zip(&drawn[1]) {
            assert_eq!([point[0], point[1]], [*number, number + 0.5]);
        }
    }

    #[test]
    fn chances_are_proportional_to_weights() {
        let buffer = buffer(4);
        let mut rows = Rows::new(&buffer);
        rows.push(&[&[0.0; 8], &[1.0, 0.0, 3.0, 4.0]]);
        let drawn = rows.draw(&draw(80_000, Some(1)), &buffer, 5, 2).expect("there are rows");
        let share = |x: f64| drawn[1].iter().filter(|y| **y == x).count() as f64 / 80_000.0;
        assert_eq!(share(0.0), 0.0);
        for (weight, expected) in [(1.0, 0.125), (3.0, 0.375), (4.0, 0.5)] {
            assert!((share(weight) - expected).abs() < 0.006, "{weight}: {}", share(weight));
        }
    }

    #[test]
    fn what_cannot_be_drawn_is_said() {
        let buffer = buffer(2);
        let mut rows = Rows::new(&buffer);
        assert_eq!(rows.draw(&draw(1, None), &buffer, 0, 0), Err(NoRows::Empty));
        rows.push(&[&[0.0, 0.0], &[0.0]]);
        assert_eq!(rows.draw(&draw(1, Some(1)), &buffer, 0, 0), Err(NoRows::Weightless));
        rows.push(&[&[0.0, 0.0], &[-1.0]]);
        assert_eq!(rows.draw(&draw(1, Some(1)), &buffer, 0, 0), Err(NoRows::Weight(-1.0)));
    }
}
