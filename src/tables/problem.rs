//! What is wrong with a file, and where.

use std::cell::RefCell;
use std::ops::Range;

use super::section::At;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Problem {
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
    pub message: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}

/// Everything that is wrong with a file, in the order of its lines; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    pub source_name: String,
    pub problems: Vec<Problem>,
}

impl std::error::Error for Error {}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, problem) in self.problems.iter().enumerate() {
            let end = if at + 1 == self.problems.len() { "" } else { "\n" };
            write!(f, "{}:{problem}{end}", self.source_name)?;
        }
        Ok(())
    }
}

/// Collects problems while a file is read.
pub struct Problems<'a> {
    text: &'a str,
    found: RefCell<Vec<Problem>>,
}

impl<'a> Problems<'a> {
    pub fn new(text: &'a str) -> Self {
        Self {
            text,
            found: RefCell::default(),
        }
    }

    /// `span`: bytes of the file.
    pub fn add(&self, span: &Range<usize>, message: impl Into<String>) {
        let start = self.text.floor_char_boundary(span.start.min(self.text.len()));
        let before = &self.text[..start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let problem = Problem {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: message.into(),
        };
        let mut found = self.found.borrow_mut();
        if !found.contains(&problem) {
            found.push(problem);
        }
    }

    /// The place in the file of a part of a text, which is given in bytes of the text.
    pub fn place(&self, text: &At<&str>, part: &Range<usize>) -> Range<usize> {
        // Behind the quote or quotes, where the text stands as it is written.
        let inside = self.text.get(text.span.clone()).and_then(|raw| raw.find(text.value));
        match inside.map(|at| text.span.start + at) {
            Some(start) => start + part.start..start + part.end,
            // Escapes in the text: its own place must do.
            None => text.span.clone(),
        }
    }

    /// An id that is not known, with the nearest that is.
    pub fn unknown<'k>(&self, span: &Range<usize>, kind: &str, id: &str, known: impl IntoIterator<Item = &'k str>) {
        let mut known: Vec<&str> = known.into_iter().collect();
        known.dedup();
        let advice = match nearest(id, known.iter().copied()) {
            Some(near) => format!("; did you mean `{near}`?"),
            None if known.len() <= 12 && !known.is_empty() => format!("; known: {}", known.join(", ")),
            None => String::new(),
        };
        self.add(span, format!("unknown {kind} `{id}`{advice}"));
    }

    pub fn is_empty(&self) -> bool {
        self.found.borrow().is_empty()
    }

    pub fn into_sorted(self) -> Vec<Problem> {
        let mut found = self.found.into_inner();
        found.sort();
        found
    }
}

/// The known id that was probably meant.
pub fn nearest<'k>(id: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    known
        .map(|candidate| (strsim::jaro_winkler(id, candidate), candidate))
        // Under this two words have little more than letters in common.
        .filter(|(likeness, _)| *likeness > 0.84)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_has_its_place_in_characters() {
        let text = "имя = \"ПП\"\nкто = 3\n";
        let problems = Problems::new(text);
        problems.add(&(text.find('3').expect("there")..text.len()), "a");
        problems.add(&(6..7), "b");
        let found = problems.into_sorted();
        assert_eq!((found[0].line, found[0].column), (1, 4));
        assert_eq!((found[1].line, found[1].column), (2, 7));
    }

    #[test]
    fn the_nearest_id_is_named() {
        let known = ["buyer_vision", "buyer_pain", "rep_close"];
        assert_eq!(nearest("buyer_visoin", known.into_iter()), Some("buyer_vision"));
        assert_eq!(nearest("zzz", known.into_iter()), None);
    }
}
