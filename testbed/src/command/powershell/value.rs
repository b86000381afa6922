//! What expressions give: numbers, texts, lists, objects.

use std::{cmp::Ordering, sync::Arc};

use jiff::Timestamp;
use serde_json::json;

use super::{
    error::PsError,
    syntax::{Block, Expression},
};
use crate::command::meter::Memory;

/// A value.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Value>),
    Object(Arc<Object>),
    Block(Block),
    /// An array of bytes, of which only the size matters.
    Bytes(Arc<Memory>),
    Time(Timestamp),
    /// A span of time, in seconds.
    Span(f64),
    /// A stopwatch, and when it was started.
    Watch(Timestamp),
    /// An error that went the way of output, and the script that it is in.
    Error(Arc<(PsError, Arc<str>)>),
}

/// Something with properties.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) fields: Vec<(String, Value)>,
    pub(super) view: View,
}

/// How an object is shown when nobody asks for another format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    /// One line each: the columns, by property, heading and least width.
    Table(&'static [(&'static str, usize)]),
    /// One line for each property.
    List,
    /// A hash table.
    Pairs,
}

impl Value {
    /// Text.
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// An object.
    pub(super) fn object(view: View, fields: Vec<(&str, Self)>) -> Self {
        let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self::Object(Arc::new(Object { fields, view }))
    }

    /// One value as it is, several as a list, none as nothing.
    pub(super) fn from_many(mut values: Vec<Self>) -> Self {
        match values.len() {
            0 => Self::Null,
            1 => values.remove(0),
            _ => Self::List(values),
        }
    }

    /// The values in it, one after the other.
    pub(super) fn into_many(self) -> Vec<Self> {
        match self {
            Self::List(values) => values,
            Self::Null => Vec::new(),
            other => vec![other],
        }
    }

    /// Whether it counts as true.
    pub(super) fn holds(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Bool(on) => *on,
            Self::Int(number) => *number != 0,
            Self::Float(number) => *number != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::List(values) => values.len() > 1 || values.first().is_some_and(Self::holds),
            _ => true,
        }
    }

    /// The number that it is or says.
    pub(super) fn number(&self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "so PowerShell compares them")]
        match self {
            Self::Int(number) => Some(*number as f64),
            Self::Float(number) | Self::Span(number) => Some(*number),
            Self::Bool(on) => Some(f64::from(u8::from(*on))),
            Self::Null => Some(0.0),
            Self::Text(text) => match super::parser::number(text.trim().trim_start_matches('-'))? {
                Expression::Integer(number) => {
                    Some(if text.trim().starts_with('-') { -(number as f64) } else { number as f64 })
                }
                Expression::Float(number) => Some(if text.trim().starts_with('-') { -number } else { number }),
                _ => None,
            },
            _ => None,
        }
    }

    /// The whole number that it is or says.
    pub(super) fn integer(&self) -> Option<i64> {
        #[expect(clippy::cast_possible_truncation, reason = "casts saturate, and nothing here is so big")]
        match self {
            Self::Int(number) => Some(*number),
            other => other.number().map(|number| number.round() as i64),
        }
    }

    /// It as text, as strings take it in.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Bool(on) => if *on { "True" } else { "False" }.to_owned(),
            Self::Int(number) => number.to_string(),
            Self::Float(number) => number.to_string(),
            Self::Text(text) => text.clone(),
            Self::List(values) => values.iter().map(Self::shown).collect::<Vec<_>>().join(" "),
            Self::Object(object) if object.view == View::Pairs => "System.Collections.Hashtable".to_owned(),
            Self::Object(object) => {
                let fields = object.fields.iter().map(|(name, value)| format!("{name}={}", value.shown()));
                format!("@{{{}}}", fields.collect::<Vec<_>>().join("; "))
            }
            Self::Block(_) => "{ … }".to_owned(),
            Self::Bytes(_) => "System.Byte[]".to_owned(),
            Self::Time(time) => time.strftime("%m/%d/%Y %H:%M:%S").to_string(),
            Self::Span(seconds) => span(*seconds),
            Self::Watch(_) => "System.Diagnostics.Stopwatch".to_owned(),
            Self::Error(error) => error.0.message.clone(),
        }
    }

    /// A property; none where there is no such.
    pub(super) fn field(&self, name: &str) -> Option<Self> {
        let Self::Object(object) = self else { return None };
        object.fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
    }

    /// How two values compare; texts without regard to case.
    pub(super) fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Time(a), Self::Time(b)) => Some(a.cmp(b)),
            (Self::Text(a), _) if other.number().is_none() || self.number().is_none() => {
                Some(a.to_lowercase().cmp(&other.shown().to_lowercase()))
            }
            _ => match (self.number(), other.number()) {
                (Some(a), Some(b)) => a.partial_cmp(&b),
                _ => Some(self.shown().to_lowercase().cmp(&other.shown().to_lowercase())),
            },
        }
    }

    /// Whether it equals another; nothing equals only nothing.
    pub(super) fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Null, _) | (_, Self::Null) => false,
            (Self::Bool(on), other) => *on == other.holds(),
            _ => self.compare(other) == Some(Ordering::Equal),
        }
    }

    /// As `ConvertTo-Json` has it.
    pub(super) fn json(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Bool(on) => json!(on),
            Self::Int(number) => json!(number),
            Self::Float(number) | Self::Span(number) => json!(number),
            Self::List(values) => values.iter().map(Self::json).collect(),
            Self::Object(object) => {
                let fields = object.fields.iter().map(|(name, value)| (name.clone(), value.json()));
                serde_json::Value::Object(fields.collect())
            }
            // Windows PowerShell writes times in the notation of ASP.NET.
            Self::Time(time) => json!(format!("/Date({})/", time.as_millisecond())),
            other => json!(other.shown()),
        }
    }
}

/// A span as .NET prints it: `00:00:01.5000000`.
fn span(seconds: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "casts saturate")]
    let ticks = (seconds.max(0.0) * 1e7) as u64;
    let whole = ticks / 10_000_000;
    let fraction = ticks % 10_000_000;
    let clock = format!("{:02}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
    if fraction == 0 { clock } else { format!("{clock}.{fraction:07}") }
}
