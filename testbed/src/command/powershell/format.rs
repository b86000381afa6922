//! Values as PowerShell shows them.

use serde::Serialize as _;
use serde_json::ser::{PrettyFormatter, Serializer};

use super::{
    error::WIDTH,
    value::{Object, Value, View},
};

/// The text of values that follow one another: plain ones as lines, objects as tables or lists.
pub(super) fn show(values: &[Value]) -> String {
    show_in(values, WIDTH)
}

/// The same where lines may be this long.
pub(super) fn show_in(values: &[Value], width: usize) -> String {
    let mut text = String::new();
    let mut rest = values;
    while let Some(first) = rest.first() {
        let Value::Object(object) = first else {
            text += &match first {
                Value::Error(error) => error.0.text(&error.1, width),
                plain_one => plain(plain_one),
            };
            rest = rest.get(1..).unwrap_or_default();
            continue;
        };
        let same = |value: &&Value| matches!(value, Value::Object(other) if other.view == object.view);
        let count = rest.iter().take_while(same).count().max(1);
        let (group, after) = rest.split_at(count.min(rest.len()));
        text += &match object.view {
            View::Table(columns) => table(group, columns),
            View::Pairs => pairs(object),
            View::List => list(group, &[]),
        };
        rest = after;
    }
    text
}

/// One value that is no object, as its lines.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::List(values) => show(values),
        Value::Bytes(memory) => "0\r\n".repeat(usize::try_from(memory.bytes().min(64)).unwrap_or_default()),
        Value::Time(time) => format!("\r\n{}\r\n\r\n", time.strftime("%A, %B %-d, %Y %-I:%M:%S %p")),
        other => format!("{}\r\n", other.shown()),
    }
}

/// `Format-Table`: the columns, each as wide as it must be and as it says.
pub(super) fn table(values: &[Value], columns: &[(&str, usize)]) -> String {
    let cell = |value: &Value, name: &str| value.field(name).map(|value| value.shown()).unwrap_or_default();
    let numeric = |name: &str| {
        let mut all = values.iter().filter_map(|value| value.field(name)).peekable();
        all.peek().is_some() && all.all(|value| matches!(value, Value::Int(_) | Value::Float(_)))
    };
    let layout: Vec<(&str, usize, bool)> = columns
        .iter()
        .map(|&(name, least)| {
            let widest = values.iter().map(|value| cell(value, name).chars().count()).max().unwrap_or(0);
            (name, widest.max(name.len()).max(least), numeric(name))
        })
        .collect();
    let row = |texts: Vec<String>| {
        let padded = layout.iter().zip(texts).map(|((_, width, right), text)| match right {
            true => format!("{text:>width$}"),
            false => format!("{text:<width$}"),
        });
        format!("{}\r\n", padded.collect::<Vec<_>>().join(" ").trim_end())
    };
    let mut text = "\r\n".to_owned();
    text += &row(columns.iter().map(|(name, _)| (*name).to_owned()).collect());
    text += &row(columns.iter().map(|(name, _)| "-".repeat(name.len())).collect());
    for value in values {
        text += &row(columns.iter().map(|(name, _)| cell(value, name)).collect());
    }
    text + "\r\n\r\n"
}

/// `Format-List`: all properties, or some.
pub(super) fn list(values: &[Value], wanted: &[String]) -> String {
    let mut text = "\r\n\r\n".to_owned();
    for value in values {
        let Value::Object(object) = value else {
            text += &plain(value);
            continue;
        };
        let fields: Vec<(&str, String)> = object
            .fields
            .iter()
            .filter(|(name, _)| {
                wanted.is_empty() || wanted.iter().any(|own| own == "*" || own.eq_ignore_ascii_case(name))
            })
            .map(|(name, value)| {
                let shown = match value {
                    Value::List(values) => {
                        format!("{{{}}}", values.iter().map(Value::shown).collect::<Vec<_>>().join(", "))
                    }
                    other => other.shown(),
                };
                (name.as_str(), shown)
            })
            .collect();
        let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        text += &fields.iter().map(|(name, shown)| format!("{name:<width$} : {shown}\r\n")).collect::<String>();
        text += "\r\n";
    }
    text + "\r\n\r\n"
}

fn pairs(object: &Object) -> String {
    let rows = object.fields.iter().map(|(name, value)| format!("{name:<30} {}\r\n", value.shown()));
    format!("\r\n{:<30} {}\r\n{:<30} {}\r\n{}\r\n\r\n", "Name", "Value", "----", "-----", rows.collect::<String>())
}

/// `ConvertTo-Json`.
pub(super) fn json(values: Vec<Value>, compressed: bool) -> String {
    let value = Value::from_many(values).json();
    if compressed {
        return value.to_string();
    }
    let mut bytes = Vec::new();
    let formatter = PrettyFormatter::with_indent(b"    ");
    match value.serialize(&mut Serializer::with_formatter(&mut bytes, formatter)) {
        Ok(()) => String::from_utf8_lossy(&bytes).replace('\n', "\r\n"),
        Err(_a_buffer_takes_everything) => String::new(),
    }
}
