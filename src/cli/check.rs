//! `socrun check`

use std::io;

use serde_json::Value;

use super::args::CheckArguments;
use super::exit::Exit;
use super::{pipeline, terminal};
use crate::diagnostic::render_json;

/// Checks every file by itself.
pub(super) fn check(arguments: &CheckArguments) -> io::Result<Exit> {
    let mut first = Exit::Done;
    let mut all: Vec<Value> = Vec::new();
    for file in &arguments.files {
        let front = pipeline::front(file, arguments.set.clone(), None);
        if arguments.json {
            if let Value::Array(reports) = render_json(&front.reports, &front.sources) {
                all.extend(reports);
            }
        } else {
            terminal::show(&front.reports, &front.sources);
        }
        first = first.or(front.exit());
    }
    if arguments.json {
        terminal::print(&format!("{:#}\n", Value::Array(all)))?;
    }
    Ok(first)
}
