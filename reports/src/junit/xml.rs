//! A small reader of XML, to look at what was written.

use std::io::BufRead;

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
#[non_exhaustive]
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

/// Who looks at a document while it is read.
pub(super) trait Visit {
    /// What it finds wrong.
    type Flaw: From<XmlError>;
    /// An element begins, at a depth that is 0 for the root; it has its attributes.
    fn open(&mut self, depth: usize, element: &Element) -> Result<(), Self::Flaw>;
    /// An element ended. Whether the element above it keeps it.
    fn close(&mut self, depth: usize, element: &Element) -> Result<bool, Self::Flaw>;
}

/// Reads a whole document; only what the visitor keeps stays in memory. Gives the root.
pub(super) fn walk<V: Visit>(xml: impl BufRead, visitor: &mut V) -> Result<Element, V::Flaw> {
    let mut reader = Reader::from_reader(xml);
    let mut buffer = Vec::new();
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    loop {
        buffer.clear();
        let at = reader.buffer_position();
        let syntax = |error| XmlError::Syntax { at, error };
        let event = reader.read_event_into(&mut buffer).map_err(syntax)?;
        let closed = match event {
            Event::Start(start) => {
                let element = element(&start, at)?;
                visitor.open(open.len(), &element)?;
                open.push(element);
                None
            }
            Event::Empty(start) => {
                let element = element(&start, at)?;
                visitor.open(open.len(), &element)?;
                Some(element)
            }
            Event::End(_) => open.pop(),
            Event::Text(text) => add_text(&mut open, &text.xml10_content())?,
            Event::CData(text) => add_text(&mut open, &text.xml10_content())?,
            Event::GeneralRef(reference) => {
                let resolved = match reference.resolve_char_ref().map_err(syntax)? {
                    Some(c) => c.to_string(),
                    None => resolve_predefined_entity(&reference.xml10_content())
                        .ok_or_else(|| XmlError::UnknownEntity(reference.xml10_content().into_owned()))?
                        .to_owned(),
                };
                add_text(&mut open, &resolved)?
            }
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => None,
            Event::Eof if open.is_empty() => return root.ok_or(XmlError::NotOneRoot).map_err(V::Flaw::from),
            Event::Eof => return Err(XmlError::NotOneRoot.into()),
        };
        let Some(element) = closed else { continue };
        let keep = visitor.close(open.len(), &element)?;
        match open.last_mut() {
            Some(parent) if keep => parent.children.push(element),
            Some(_) => {}
            None if root.is_none() => root = Some(element),
            None => return Err(XmlError::NotOneRoot.into()),
        }
    }
}

/// Parses a whole document into a tree.
#[cfg(test)]
pub(super) fn parse(xml: &str) -> Result<Element, XmlError> {
    struct All;
    impl Visit for All {
        type Flaw = XmlError;
        fn open(&mut self, _: usize, _: &Element) -> Result<(), XmlError> {
            Ok(())
        }
        fn close(&mut self, _: usize, _: &Element) -> Result<bool, XmlError> {
            Ok(true)
        }
    }
    walk(xml.as_bytes(), &mut All)
}

fn element(start: &BytesStart<'_>, at: u64) -> Result<Element, XmlError> {
    let syntax = |error| XmlError::Syntax { at, error };
    let mut element = Element { name: start.name().as_ref().to_owned(), ..Element::default() };
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| syntax(error.into()))?;
        let value = attribute.normalized_value(XmlVersion::Explicit1_0).map_err(syntax)?;
        check_characters(&value)?;
        element.attributes.push((attribute.key.as_ref().to_owned(), value.into_owned()));
    }
    Ok(element)
}

fn add_text(open: &mut [Element], text: &str) -> Result<Option<Element>, XmlError> {
    check_characters(text)?;
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
    Ok(None)
}

fn check_characters(text: &str) -> Result<(), XmlError> {
    match text.chars().find(|c| !is_xml_character(*c)) {
        Some(c) => Err(XmlError::ForbiddenCharacter(u32::from(c))),
        None => Ok(()),
    }
}

/// `Char` of XML 1.0.
fn is_xml_character(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}
