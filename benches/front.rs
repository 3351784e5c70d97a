//! Reading and checking a text of a thousand lines: medians in milliseconds.
//!
//! `cargo bench --bench front`

#![allow(missing_docs, clippy::print_stdout, clippy::unwrap_used, clippy::disallowed_methods)]

use std::time::Instant;

use socrun::diagnostic::Sink;
use socrun::source::SourceMap;
use socrun::syntax::{Entry, load_all};

fn main() {
    let paper = std::fs::read_to_string("stdlib/losses/socm.soc").unwrap();
    let mut text = String::new();
    let mut copy = 0;
    while text.lines().count() < 1000 {
        copy += 1;
        for line in paper.lines().filter(|l| !l.starts_with("//!") && !l.starts_with("cite")) {
            let renamed = line.replace("loss socm", &format!("loss copy{copy}_socm"));
            text.push_str(&renamed.replace("return socm(", &format!("return copy{copy}_socm(")));
            text.push('\n');
        }
    }
    let (mut reading, mut checking) = (Vec::new(), Vec::new());
    for _ in 0..15 {
        let mut map = SourceMap::new();
        let mut sink = Sink::new();
        let start = Instant::now();
        let modules = load_all(&mut map, Entry::Text { name: "long.soc", text: &text, folder: None }, &mut sink);
        reading.push(start.elapsed().as_secs_f64() * 1e3);
        let start = Instant::now();
        let checked = socrun::check::check(modules, &[], &mut sink, &mut map);
        checking.push(start.elapsed().as_secs_f64() * 1e3);
        assert!(checked.is_some(), "{}", socrun::diagnostic::render(&sink.into_reports(), &map));
    }
    let median = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    println!(
        "{} lines: parse {:.1} ms, check {:.1} ms",
        text.lines().count(),
        median(&mut reading),
        median(&mut checking)
    );
}
