//! Narrows the root element to what the strictest schema allows.

use quick_xml::{
    Reader, Writer,
    events::{BytesStart, Event},
};
use thiserror::Error;

/// Attributes that `junit-10.xsd` allows on `testsuites`.
const ALLOWED: [&str; 5] = ["name", "time", "tests", "failures", "errors"];

/// XML that we made could not be read or written again.
#[derive(Debug, Error)]
pub enum NarrowError {
    /// It is not well-formed.
    #[error("failed to read it")]
    Read(#[source] quick_xml::Error),
    /// An attribute is not well-formed.
    #[error("failed to read an attribute")]
    Attribute(#[source] quick_xml::events::attributes::AttrError),
    /// It could not be written.
    #[error("failed to write it")]
    Write(#[source] std::io::Error),
    /// It is not text any more.
    #[error("it is not UTF-8")]
    Utf8(#[source] std::string::FromUtf8Error),
}

/// The same document, the root without the attributes that quick-junit always
/// writes (`skipped`) and the schema does not know.
pub(super) fn narrow(xml: &str) -> Result<String, NarrowError> {
    let mut reader = Reader::from_str(xml);
    let mut writer = Writer::new(Vec::with_capacity(xml.len()));
    loop {
        let event = match reader.read_event().map_err(NarrowError::Read)? {
            Event::Eof => return String::from_utf8(writer.into_inner()).map_err(NarrowError::Utf8),
            Event::Start(start) if start.name().as_ref() == "testsuites" => Event::Start(kept(&start)?),
            other => other,
        };
        writer.write_event(event).map_err(NarrowError::Write)?;
    }
}

fn kept(start: &BytesStart<'_>) -> Result<BytesStart<'static>, NarrowError> {
    let mut kept = BytesStart::new("testsuites");
    for attribute in start.attributes() {
        let attribute = attribute.map_err(NarrowError::Attribute)?;
        if ALLOWED.contains(&attribute.key.as_ref()) {
            kept.push_attribute(attribute);
        }
    }
    Ok(kept)
}
