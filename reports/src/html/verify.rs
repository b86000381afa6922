//! Reads a page back, as a browser will, and checks what its readers rely on.

use std::collections::HashSet;

use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};
use thiserror::Error;

use super::LIMIT;

/// Elements of HTML that have no end.
const VOID: [&str; 5] = ["meta", "input", "br", "hr", "link"];

/// What a reader would stumble over.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HtmlFlaw {
    /// It is larger than a phone takes.
    #[error("it has {0} bytes, more than {LIMIT}")]
    Large(usize),
    /// Its elements are not nested.
    #[error("it is not well-formed")]
    Nesting(#[source] quick_xml::Error),
    /// An attribute is damaged.
    #[error("an attribute of `{element}` is damaged")]
    Attribute {
        /// The element.
        element: String,
        /// What the parser said.
        #[source]
        error: quick_xml::events::attributes::AttrError,
    },
    /// An element was not closed, or one closed that is not open.
    #[error("`{0}` is not closed where it should be")]
    Unclosed(String),
    /// Two elements have the same anchor.
    #[error("two elements have the id `{0}`")]
    Twice(String),
    /// A link leads nowhere.
    #[error("the link `#{0}` leads nowhere")]
    Nowhere(String),
    /// It would load something.
    #[error("`{0}` would load something from elsewhere")]
    Loads(String),
}

/// Checks a page, and counts its checks.
///
/// # Errors
///
/// With the first thing that a reader would stumble over.
pub fn verify(page: &str) -> Result<usize, HtmlFlaw> {
    if page.len() > LIMIT {
        return Err(HtmlFlaw::Large(page.len()));
    }
    // Style and script are ours and not markup; the reader must not look into them.
    let page = without(&without(page, "<style>", "</style>"), "<script>", "</script>");
    let mut reader = Reader::from_str(&page);
    reader.config_mut().check_end_names = false;
    let mut found = Found::default();
    loop {
        match reader.read_event().map_err(HtmlFlaw::Nesting)? {
            Event::Start(start) => found.start(&start)?,
            Event::End(end) => found.end(end.name().as_ref())?,
            Event::Eof => return found.finish(),
            _ => {}
        }
    }
}

fn without(page: &str, start: &str, end: &str) -> String {
    match (page.find(start), page.rfind(end)) {
        (Some(from), Some(to)) if from < to => {
            let (head, tail) = (page.get(..from + start.len()), page.get(to..));
            format!("{}{}", head.unwrap_or_default(), tail.unwrap_or_default())
        }
        _ => page.to_owned(),
    }
}

#[derive(Default)]
struct Found {
    open: Vec<String>,
    ids: HashSet<String>,
    links: HashSet<String>,
    checks: usize,
}

impl Found {
    fn start(&mut self, start: &BytesStart<'_>) -> Result<(), HtmlFlaw> {
        let element = start.name().as_ref().to_owned();
        for attribute in start.html_attributes() {
            let attribute = attribute.map_err(|error| HtmlFlaw::Attribute { element: element.clone(), error })?;
            let value = attribute.value.into_owned();
            match attribute.key.as_ref() {
                "id" => {
                    self.checks += usize::from(value.starts_with("check-") && element == "article");
                    if !self.ids.insert(value.clone()) {
                        return Err(HtmlFlaw::Twice(value));
                    }
                }
                "href" => match value.strip_prefix('#') {
                    Some(anchor) => {
                        self.links.insert(anchor.to_owned());
                    }
                    None => return Err(HtmlFlaw::Loads(value)),
                },
                "src" | "srcset" | "action" | "data" | "poster" => return Err(HtmlFlaw::Loads(value)),
                "style" if value.contains("url(") => return Err(HtmlFlaw::Loads(value)),
                name if name.starts_with("on") => return Err(HtmlFlaw::Loads(value)),
                _ => {}
            }
        }
        if !VOID.contains(&element.as_str()) {
            self.open.push(element);
        }
        Ok(())
    }

    fn end(&mut self, element: &str) -> Result<(), HtmlFlaw> {
        match self.open.pop() {
            Some(open) if open == element => Ok(()),
            open => Err(HtmlFlaw::Unclosed(open.unwrap_or_else(|| element.to_owned()))),
        }
    }

    fn finish(self) -> Result<usize, HtmlFlaw> {
        if let Some(open) = self.open.last() {
            return Err(HtmlFlaw::Unclosed(open.clone()));
        }
        match self.links.iter().find(|link| !self.ids.contains(*link)) {
            Some(link) => Err(HtmlFlaw::Nowhere(link.clone())),
            None => Ok(self.checks),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_reader_would_stumble_over_is_found() {
        assert!(matches!(verify("<p><b></p></b>"), Err(HtmlFlaw::Unclosed(_))));
        assert!(matches!(verify("<p>"), Err(HtmlFlaw::Unclosed(_))));
        assert!(matches!(verify("<p id=\"a\"></p><p id=\"a\"></p>"), Err(HtmlFlaw::Twice(_))));
        assert!(matches!(verify("<a href=\"#a\"></a>"), Err(HtmlFlaw::Nowhere(_))));
        for loads in ["<img src=\"x\"></img>", "<a href=\"https://a\"></a>", "<p onclick=\"x\"></p>"] {
            assert!(matches!(verify(loads), Err(HtmlFlaw::Loads(_))), "{loads}");
        }
        assert!(matches!(verify(&" ".repeat(LIMIT + 1)), Err(HtmlFlaw::Large(_))));
        assert_eq!(verify("<!DOCTYPE html><meta charset=\"utf-8\"><article id=\"check-a--b\"></article>").unwrap(), 1);
    }
}
