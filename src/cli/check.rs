//! `socrun check`

use std::io;

use serde_json::Value;

use super::args::CheckArguments;
use super::exit::Exit;
use super::{pipeline, terminal};
use crate::diagnostic::render_json;

/// Checks every file by itself: as it stands and, where that is without errors, under each of its profiles.
pub(super) fn check(arguments: &CheckArguments) -> io::Result<Exit> {
    let mut first = Exit::Done;
    let mut all: Vec<Value> = Vec::new();
    for file in &arguments.files {
        let plain = pipeline::front(file, arguments.set.clone(), None, None);
        let profiles = pipeline::profiles_of(&plain);
        let fronts = std::iter::once(plain).chain(profiles.iter().map(|name| {
            // What is wrong without any profile was said before.
            pipeline::front(file, arguments.set.clone(), Some(name), None)
        }));
        for front in fronts {
            if arguments.json {
                if let Value::Array(reports) = render_json(&front.reports, &front.sources) {
                    all.extend(reports);
                }
            } else {
                terminal::show(&front.reports, &front.sources);
            }
            first = first.or(front.exit());
        }
    }
    if arguments.json {
        terminal::print(&format!("{:#}\n", Value::Array(all)))?;
    }
    Ok(first)
}
