//! A small reader of XML trees, to look at what was written.

use quick_xml::{
    Reader, XmlVersion,
    escape::resolve_predefined_entity,
    events::{BytesStart, Event},
};
use thiserror::Error;

/// An element with all that is in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) name: String,
    pub(super) attributes: Vec<(String, String)>,
    pub(super) children: Vec<Element>,
    /// Its own text, that of its children not counted.
    pub(super) text: String,
}

/// The text is not well-formed XML.
#[derive(Debug, Error)]
pub enum XmlError {
    /// The parser stopped.
    #[error("not well-formed near byte {at}")]
    Syntax {
        /// Where.
        at: u64,
        /// What the parser said.
        #[source]
        error: quick_xml::Error,
    },
    /// It ends before its elements do, or has no root, or several.
    #[error("not one whole element")]
    NotOneRoot,
    /// An entity that XML does not define.
    #[error("an entity that XML does not define: `{0}`")]
    UnknownEntity(String),
    /// A character that XML 1.0 forbids.
    #[error("a character that XML forbids: U+{0:04X}")]
    ForbiddenCharacter(u32),
}

impl Element {
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> + 'a {
        self.children.iter().filter(move |child| child.name == name)
    }
}

/// Parses a whole document.
pub(super) fn parse(xml: &str) -> Result<Element, XmlError> {
    if let Some(c) = xml.chars().find(|c| !is_xml_character(*c)) {
        return Err(XmlError::ForbiddenCharacter(u32::from(c)));
    }
    let mut reader = Reader::from_str(xml);
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    loop {
        let at = reader.buffer_position();
        let event = reader.read_event().map_err(|error| XmlError::Syntax { at, error })?;
        let closed = match event {
            Event::Start(start) => {
                open.push(element(&start).map_err(|error| XmlError::Syntax { at, error })?);
                None
            }
            Event::Empty(start) => Some(element(&start).map_err(|error| XmlError::Syntax { at, error })?),
            Event::End(_) => open.pop(),
            Event::Text(text) => {
                add_text(&mut open, &text.xml10_content());
                None
            }
            Event::CData(text) => {
                add_text(&mut open, &text.xml10_content());
                None
            }
            Event::GeneralRef(reference) => {
                let resolved = match reference.resolve_char_ref().map_err(|error| XmlError::Syntax { at, error })? {
                    Some(c) => c.to_string(),
                    None => resolve_predefined_entity(&reference.xml10_content())
                        .ok_or_else(|| XmlError::UnknownEntity(reference.xml10_content().into_owned()))?
                        .to_owned(),
                };
                add_text(&mut open, &resolved);
                None
            }
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => None,
            Event::Eof if open.is_empty() => return root.ok_or(XmlError::NotOneRoot),
            Event::Eof => return Err(XmlError::NotOneRoot),
        };
        match (closed, open.last_mut()) {
            (Some(element), Some(parent)) => parent.children.push(element),
            (Some(element), None) if root.is_none() => root = Some(element),
            (Some(_), None) => return Err(XmlError::NotOneRoot),
            (None, _) => {}
        }
    }
}

fn element(start: &BytesStart<'_>) -> Result<Element, quick_xml::Error> {
    let mut element = Element { name: start.name().as_ref().to_owned(), ..Element::default() };
    for attribute in start.attributes() {
        let attribute = attribute.map_err(quick_xml::Error::from)?;
        let value = attribute.normalized_value(XmlVersion::Explicit1_0)?;
        element.attributes.push((attribute.key.as_ref().to_owned(), value.into_owned()));
    }
    Ok(element)
}

fn add_text(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

/// `Char` of XML 1.0.
fn is_xml_character(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}
