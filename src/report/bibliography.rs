//! Sources as BibTeX and as lines of a list.

use unicode_normalization::UnicodeNormalization;

use crate::lower::Citation;

/// An entry per source. One of which nothing is known keeps its key.
pub fn bibtex(citations: &[Citation]) -> String {
    let mut keys: Vec<String> = Vec::new();
    let mut entries = Vec::new();
    for citation in citations {
        let wanted = entry_key(citation);
        // Two sources of one author and year are told apart as BibTeX does.
        let taken = |key: &String| keys.contains(key);
        let key = std::iter::once(wanted.clone())
            .chain(('b'..='z').map(|letter| format!("{wanted}{letter}")))
            .find(|key| !taken(key))
            .unwrap_or(wanted);
        entries.push(entry(citation, &key));
        keys.push(key);
    }
    entries.join("\n")
}

fn entry(citation: &Citation, key: &str) -> String {
    let kind = match () {
        () if citation.field("journal").is_some() => "article",
        () if citation.field("booktitle").is_some() => "inproceedings",
        () if citation.field("publisher").is_some() => "book",
        () => "misc",
    };
    let mut lines: Vec<(String, String)> =
        citation.fields.iter().map(|(name, value)| (name.clone(), escaped(name, value))).collect();
    let mut add = |name: &str, value: String| {
        if citation.field(name).is_none() {
            lines.push((name.to_owned(), value));
        }
    };
    match citation.key.split_once(':') {
        Some(("arXiv", number)) => {
            add("eprint", number.to_owned());
            add("archivePrefix", "arXiv".to_owned());
            add("url", format!("https://arxiv.org/abs/{number}"));
        }
        Some(("doi", number)) => {
            add("doi", number.to_owned());
            add("url", format!("https://doi.org/{number}"));
        }
        _ => add("note", escaped("note", &citation.key)),
    }
    let widest = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let fields = lines.iter().map(|(name, value)| format!("  {name:widest$} = {{{value}}},\n"));
    format!("@{kind}{{{key},\n{}}}\n", fields.collect::<String>())
}

/// `author2023word`, or the source's own key in letters that BibTeX takes.
fn entry_key(citation: &Citation) -> String {
    // A letter with an accent is the letter.
    let plain = |text: &str| -> String { text.nfd().filter(char::is_ascii_alphanumeric).collect() };
    let (Some(author), Some(title), Some(year)) =
        (citation.field("author"), citation.field("title"), citation.field("year"))
    else {
        return citation.key.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    };
    let first = author.split(" and ").next().unwrap_or(author);
    // `Last, First` or `First Last`
    let name = first.split_once(',').map_or_else(|| first.rsplit(' ').next().unwrap_or(first), |(last, _)| last);
    let word = title.split(|c: char| !c.is_alphanumeric()).find(|word| word.chars().count() > 3).unwrap_or_default();
    format!("{}{}{}", plain(name), plain(year), plain(word)).to_lowercase()
}

/// A value with the characters that TeX gives a meaning to written out.
fn escaped(name: &str, value: &str) -> String {
    if matches!(name, "url" | "doi") {
        return value.to_owned();
    }
    let mut out = String::new();
    for letter in value.chars() {
        match letter {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => out.extend(['\\', letter]),
            '\\' => out.push_str("\\textbackslash "),
            _ => out.push(letter),
        }
    }
    out
}

/// `Authors. Title. Year. arXiv:…`, or the key alone.
pub(super) fn line(citation: &Citation) -> String {
    let place = ["journal", "booktitle", "publisher"].into_iter().find_map(|name| citation.field(name));
    let parts = [citation.field("author"), citation.field("title"), place, citation.field("year")];
    let authors = |text: &str| text.replace(" and ", ", ");
    let known: Vec<String> = parts.into_iter().flatten().map(authors).chain([citation.key.clone()]).collect();
    known.join(". ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn citation(key: &str, fields: &[(&str, &str)]) -> Citation {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Citation { key: key.into(), fields }
    }

    #[test]
    fn entries_have_what_is_known() {
        let known = [("author", "Ada B. Nüsken and C. D"), ("title", "On 50 % of {x}"), ("year", "1843")];
        let all = [
            citation("arXiv:1.2", &known),
            citation("doi:10.1/a_b", &[&known[..], &[("journal", "J. & Co")]].concat()),
            citation("a book", &[]),
        ];
        let text = bibtex(&all);
        assert!(text.starts_with("@misc{nusken1843"), "{text}");
        assert!(text.contains("title         = {On 50 \\% of \\{x\\}},"), "{text}");
        assert!(text.contains("eprint        = {1.2},") && text.contains("@article{nusken1843b,"), "{text}");
        assert!(text.contains("doi     = {10.1/a_b},") && text.contains("{J. \\& Co}"), "{text}");
        assert!(text.contains("@misc{a_book,\n  note = {a book},\n}"), "{text}");
        assert_eq!(line(&all[0]), "Ada B. Nüsken, C. D. On 50 % of {x}. 1843. arXiv:1.2");
        assert_eq!(line(&all[2]), "a book");
    }
}
