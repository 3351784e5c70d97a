//! One page that shows the experiment and its results, complete in itself.

use super::figure::chart;
use super::number::duration;
use super::table::{Table, last_values, table};
use super::verdict_table;
use super::{Experiment, bibliography};
use crate::lower::Figure;
use crate::run::NonFinite;
use crate::source::{SourceFile, SourceMap};

const STYLE: &str = "
body { font: 16px/1.55 system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif; color: #222; background: #fff;
       max-width: 52rem; margin: 2.5rem auto; padding: 0 1.25rem; }
h1 { font-size: 1.7rem; line-height: 1.25; margin-bottom: .3rem; }
h2 { font-size: 1.15rem; margin: 2.4rem 0 .6rem; border-bottom: 1px solid #ddd; padding-bottom: .25rem; }
table { border-collapse: collapse; margin: .8rem 0; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .3rem .9rem .3rem 0; border-bottom: 1px solid #e8e8e8; }
th { font-weight: 600; border-bottom-color: #999; }
.number { text-align: right; padding-left: .9rem; padding-right: 0; }
figure { margin: 1rem 0; } figure svg { max-width: 100%; height: auto; }
figcaption, .note, footer { color: #666; font-size: .88rem; }
pre { background: #f7f7f5; border: 1px solid #e6e6e2; border-radius: 4px; padding: .8rem 1rem; overflow-x: auto;
      font: 13.5px/1.5 ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace; }
details { margin: .4rem 0; } summary { cursor: pointer; color: #444; }
.failure { border-left: 4px solid #d55e00; background: #fdf3ec; padding: .6rem 1rem; }
code { font-family: ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace; font-size: .92em; }
dt { color: #666; float: left; clear: left; width: 8rem; } dd { margin: 0 0 .15rem 8rem; overflow-wrap: anywhere; }
";

/// A text with the characters that HTML and SVG give a meaning to replaced.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The page.
pub(super) fn page(experiment: &Experiment<'_>) -> String {
    let (title, rest) = split_doc(&experiment.outline.doc, &experiment.stem());
    let sections = [
        failures(experiment),
        tables(experiment),
        expectations(experiment),
        figures(experiment),
        section("The experiment", &texts(experiment)),
        timings(experiment),
        citations(experiment),
        section("The run", &facts(experiment)),
    ];
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n{}{}</body>\n</html>\n",
        paragraphs(&rest),
        sections.concat(),
        title = escape(&title),
    )
}

fn section(head: &str, body: &str) -> String {
    if body.is_empty() { String::new() } else { format!("<section>\n<h2>{}</h2>\n{body}</section>\n", escape(head)) }
}

/// The file, and below it, folded, what it is made of.
fn texts(experiment: &Experiment<'_>) -> String {
    let pre = |text: &str| format!("<pre>{}</pre>\n", escape(text.trim_end()));
    let imported = experiment.modules.split_last().map_or(&[][..], |(_, imported)| imported);
    let folded = |file: &&SourceFile| {
        format!("<details>\n<summary><code>{}</code></summary>\n{}</details>\n", escape(file.name()), pre(file.text()))
    };
    pre(&experiment.text) + &imported.iter().map(folded).collect::<String>()
}

/// The first paragraph of the file's text is the title, if it is short; else the file's name is.
fn split_doc(doc: &str, stem: &str) -> (String, String) {
    let doc = doc.trim();
    let (first, rest) = doc.split_once('\n').unwrap_or((doc, ""));
    let first = first.trim();
    if first.is_empty() || first.chars().count() > 120 {
        return (stem.to_owned(), doc.to_owned());
    }
    (first.trim_end_matches('.').to_owned(), rest.trim().to_owned())
}

fn paragraphs(text: &str) -> String {
    let paragraphs = text.split("\n\n").map(str::trim).filter(|p| !p.is_empty());
    paragraphs.map(|p| format!("<p>{}</p>\n", escape(p))).collect::<Vec<_>>().concat()
}

fn failures(experiment: &Experiment<'_>) -> String {
    let failed = experiment.outcomes.iter().filter_map(|outcome| outcome.failure.as_ref());
    let body: String = failed.map(|failure| failure_block(failure, experiment.sources)).collect();
    section("Stopped", &body)
}

fn failure_block(failure: &NonFinite, sources: &SourceMap) -> String {
    let place = sources.location(failure.span.start);
    let place = place.map(|at| {
        let expression = escape(sources.text(failure.span));
        format!("<br>first in <code>{expression}</code>, {}, line {}", escape(&at.file), at.line)
    });
    let message = escape(&failure.to_string());
    format!("<p class=\"failure\">{message}{}<br>{}</p>\n", place.unwrap_or_default(), escape(&failure.help))
}

fn tables(experiment: &Experiment<'_>) -> String {
    let outline = experiment.outline;
    let tables: Vec<Table> = if outline.tables.is_empty() {
        vec![last_values(outline, &experiment.outcomes)]
    } else {
        outline.tables.iter().map(|figure| table(figure, outline, &experiment.outcomes)).collect()
    };
    let body: String = tables.iter().filter(|table| !table.rows.is_empty()).map(Table::html).collect();
    section(if outline.tables.is_empty() { "Last values" } else { "Results" }, &body)
}

fn expectations(experiment: &Experiment<'_>) -> String {
    let shown = verdict_table(&experiment.verdicts()).map(|table| table.html()).unwrap_or_default();
    section("Expected and found", &shown)
}

fn figures(experiment: &Experiment<'_>) -> String {
    let draw = |figure: &Figure| {
        let svg = chart(figure, experiment.outline, &experiment.outcomes).render();
        let caption = escape(&caption(figure));
        format!("<figure>\n{svg}<figcaption>{caption}</figcaption>\n</figure>\n")
    };
    section("Figures", &experiment.outline.plots.iter().map(draw).collect::<String>())
}

fn caption(figure: &Figure) -> String {
    let against = figure.against.as_deref().unwrap_or("step");
    let mut parts = vec![format!("{} against {against}", figure.quantities.join(", "))];
    if !figure.by.is_empty() {
        parts.push(format!("by {}", figure.by.join(", ")));
    }
    if !figure.mean_over.is_empty() {
        parts.push(format!("averaged over {}", figure.mean_over.join(", ")));
    }
    parts.join(", ")
}

fn timings(experiment: &Experiment<'_>) -> String {
    let names: Vec<String> = experiment.outline.sweep.iter().map(|(name, _)| name.clone()).collect();
    let mut rows = Vec::new();
    for outcome in &experiment.outcomes {
        if let Some(timing) = outcome.timing {
            let mut row: Vec<String> = outcome.labels.iter().map(|(_, label)| label.clone()).collect();
            row.extend([timing.steps.to_string(), duration(timing.median), duration(timing.mean)]);
            rows.push(row);
        }
    }
    if rows.is_empty() {
        return String::new();
    }
    let labels = names.len();
    let columns = ["steps", "median per step", "mean per step"].map(str::to_owned);
    let note = "wall time of the training steps, without measurements".to_owned();
    let table = Table { head: names.into_iter().chain(columns).collect(), rows, labels, note };
    section("Time", &table.html())
}

fn citations(experiment: &Experiment<'_>) -> String {
    let citations = &experiment.outline.citations;
    let items: Vec<String> =
        citations.iter().map(|c| format!("<li>{}</li>\n", escape(&bibliography::line(c)))).collect();
    if items.is_empty() { String::new() } else { section("Sources", &format!("<ul>\n{}</ul>\n", items.concat())) }
}

fn facts(experiment: &Experiment<'_>) -> String {
    let overrides = experiment.overrides.iter().map(|(name, value)| format!("{name} = {value}")).collect::<Vec<_>>();
    let facts = [
        ("file", experiment.file.clone()),
        ("profile", experiment.profile.clone().unwrap_or_default()),
        ("set", overrides.join(", ")),
        ("seed", experiment.seed.to_string()),
        ("backend", format!("{}, {} threads", experiment.backend, experiment.threads)),
        ("socrun", env!("CARGO_PKG_VERSION").to_owned()),
        ("hash", experiment.hash()),
    ];
    let shown = facts.iter().filter(|(_, value)| !value.is_empty());
    let list = shown.map(|(name, value)| format!("<dt>{name}</dt><dd>{}</dd>\n", escape(value)));
    format!("<dl>\n{}</dl>\n", list.collect::<Vec<_>>().concat())
}
