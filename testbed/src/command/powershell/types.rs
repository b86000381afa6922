//! Members and types of .NET, those that scripts in containers use.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};

use super::{
    error::{PsError, Stop},
    interpreter::{Interpreter, Step},
    value::{Value, View},
};
use crate::command::System;

fn no_type(kind: &str) -> Stop {
    PsError::new(
        format!("Unable to find type [{kind}]."),
        &format!("InvalidOperation: ({kind}:TypeName) [], RuntimeException"),
        "TypeNotFound",
    )
    .into()
}

/// `$PSVersionTable`.
pub(super) fn versions(interpreter: &Interpreter) -> Value {
    let build = match &interpreter.session.system {
        System::Windows { version } => version.clone(),
        System::Linux => "7.5.0".to_owned(),
    };
    let edition = ("PSEdition", Value::text("Desktop"));
    let version = Value::object(View::Pairs, vec![("Major", Value::Int(5)), ("Minor", Value::Int(1))]);
    Value::object(View::Pairs, vec![("PSVersion", version), edition, ("BuildVersion", Value::text(build))])
}

/// Memory for an array of bytes.
pub(super) fn bytes(interpreter: &Interpreter, size: Option<i64>) -> Result<Value, Box<PsError>> {
    let size = u64::try_from(size.unwrap_or(0)).unwrap_or(0);
    match interpreter.session.meter.take(size) {
        Ok(memory) => Ok(Value::Bytes(Arc::new(memory))),
        Err(_) => Err(PsError::exception(
            "OutOfMemoryException",
            "Exception of type 'System.OutOfMemoryException' was thrown.",
        )
        .into()),
    }
}

/// `x.Name`; nothing where there is no such member.
pub(super) fn member(interpreter: &Interpreter, target: &Value, name: &str) -> Value {
    let lower = name.to_ascii_lowercase();
    let count = |number: usize| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
    match (target, lower.as_str()) {
        (Value::Object(_), _) if target.field(name).is_some() => target.field(name).unwrap_or(Value::Null),
        (Value::List(values), "count" | "length") => count(values.len()),
        (Value::Text(text), "length") => count(text.chars().count()),
        (Value::Bytes(memory), "length" | "count" | "longlength") => {
            Value::Int(i64::try_from(memory.bytes()).unwrap_or(i64::MAX))
        }
        // A property of a list is that of its members.
        (Value::List(values), _) => {
            let all = values.iter().map(|value| member(interpreter, value, name));
            Value::from_many(all.filter(|value| !matches!(value, Value::Null)).collect())
        }
        (Value::Watch(since), "elapsed") => Value::Span(interpreter.now().duration_since(*since).as_secs_f64()),
        (Value::Watch(since), "elapsedmilliseconds") => {
            Value::Int(i64::try_from(interpreter.now().duration_since(*since).as_millis()).unwrap_or(i64::MAX))
        }
        (Value::Span(seconds), "totalseconds") => Value::Float(*seconds),
        (Value::Span(seconds), "totalmilliseconds") => Value::Float(seconds * 1000.0),
        (Value::Span(seconds), "totalminutes") => Value::Float(seconds / 60.0),
        (Value::Span(seconds), "totalhours") => Value::Float(seconds / 3600.0),
        (Value::Span(seconds), "seconds") => Value::Float((seconds % 60.0).floor()),
        (Value::Time(time), "ticks") => {
            Value::Int(621_355_968_000_000_000 + i64::try_from(time.as_nanosecond() / 100).unwrap_or(0))
        }
        (Value::Time(time), part @ ("year" | "month" | "day" | "hour" | "minute" | "second")) => {
            let zoned = time.to_zoned(jiff::tz::TimeZone::UTC);
            Value::Int(match part {
                "year" => zoned.year().into(),
                "month" => zoned.month().into(),
                "day" => zoned.day().into(),
                "hour" => zoned.hour().into(),
                "minute" => zoned.minute().into(),
                _ => zoned.second().into(),
            })
        }
        (Value::Null, _) => Value::Null,
        (_, "count" | "length") => Value::Int(1),
        _ => Value::Null,
    }
}

/// `x.Name(…)`.
pub(super) fn call(interpreter: &Interpreter, target: &Value, name: &str, arguments: &[Value]) -> Step<Value> {
    let lower = name.to_ascii_lowercase();
    let first = || arguments.first().cloned().unwrap_or(Value::Null);
    let text = || first().shown();
    let later = |unit: f64| {
        let seconds = first().number().unwrap_or(0.0) * unit;
        SignedDuration::try_from_secs_f64(seconds).unwrap_or_default()
    };
    Ok(match (target, lower.as_str()) {
        (Value::Time(time), "addseconds") => Value::Time(*time + later(1.0)),
        (Value::Time(time), "addmilliseconds") => Value::Time(*time + later(0.001)),
        (Value::Time(time), "addminutes") => Value::Time(*time + later(60.0)),
        (Value::Time(time), "addhours") => Value::Time(*time + later(3600.0)),
        (Value::Time(time), "touniversaltime" | "tolocaltime") => Value::Time(*time),
        (Value::Time(time), "tostring") => Value::text(date(*time, &text())),
        (Value::Watch(since), "stop") => Value::Watch(*since),
        (Value::Watch(_), "restart" | "start") => Value::Watch(interpreter.now()),
        (value, "tostring") => Value::text(value.shown()),
        (Value::Text(own), "trim") => Value::text(own.trim()),
        (Value::Text(own), "toupper" | "toupperinvariant") => Value::text(own.to_uppercase()),
        (Value::Text(own), "tolower" | "tolowerinvariant") => Value::text(own.to_lowercase()),
        (Value::Text(own), "contains") => Value::Bool(own.contains(&text())),
        (Value::Text(own), "startswith") => Value::Bool(own.starts_with(&text())),
        (Value::Text(own), "endswith") => Value::Bool(own.ends_with(&text())),
        (Value::Text(own), "split") => Value::List(own.split(&text()).map(Value::text).collect()),
        (Value::Text(own), "replace") => {
            let with = arguments.get(1).map(Value::shown).unwrap_or_default();
            Value::text(own.replace(&text(), &with))
        }
        (_, "dispose" | "close" | "add" | "clear") => Value::Null,
        _ => {
            let message =
                format!("Method invocation failed because the object does not contain a method named '{name}'.");
            return Err(PsError::new(message, "InvalidOperation: (:) [], RuntimeException", "MethodNotFound").into());
        }
    })
}

/// A time in one of the formats that scripts ask for.
pub(super) fn date(time: Timestamp, format: &str) -> String {
    match format {
        "" => time.strftime("%-m/%-d/%Y %-I:%M:%S %p").to_string(),
        "o" | "O" => time.strftime("%Y-%m-%dT%H:%M:%S.%7fZ").to_string(),
        "s" => time.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
        "u" => time.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
        "R" | "r" => time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string(),
        custom => {
            let mut text = custom.to_owned();
            let pairs =
                [("yyyy", "%Y"), ("MM", "%m"), ("dd", "%d"), ("HH", "%H"), ("mm", "%M"), ("ss", "%S"), ("fff", "%3f")];
            for (from, to) in pairs {
                text = text.replace(from, &time.strftime(to).to_string());
            }
            text
        }
    }
}

/// `[Type]::Member`, `[Type]::Method(…)`.
pub(super) async fn of_type(
    interpreter: &mut Interpreter,
    kind: &str,
    member: &str,
    arguments: &[Value],
) -> Step<Value> {
    let kind = kind.strip_prefix("system.").unwrap_or(kind);
    let member = member.to_ascii_lowercase();
    let number = |at: usize| arguments.get(at).and_then(Value::number).unwrap_or(0.0);
    Ok(match (kind, member.as_str()) {
        ("byte[]", "new") => bytes(interpreter, arguments.first().and_then(Value::integer))?,
        ("diagnostics.stopwatch", "startnew") => Value::Watch(interpreter.now()),
        ("datetime", "now" | "utcnow") => Value::Time(interpreter.now()),
        ("environment", "processorcount") => Value::Int(
            interpreter.session.env.get("NUMBER_OF_PROCESSORS").and_then(|count| count.parse().ok()).unwrap_or(1),
        ),
        ("environment", "machinename") => {
            Value::text(interpreter.session.env.get("COMPUTERNAME").unwrap_or(&interpreter.session.host_name))
        }
        ("environment", "username") => Value::text(interpreter.session.env.get("USERNAME").unwrap_or_default()),
        ("environment", "newline") => Value::text("\r\n"),
        ("environment", "osversion") => {
            let version = match &interpreter.session.system {
                System::Windows { version } => version.clone(),
                System::Linux => String::new(),
            };
            Value::object(View::List, vec![("Platform", Value::text("Win32NT")), ("Version", Value::text(version))])
        }
        ("environment", "exit") => {
            let code = arguments.first().and_then(Value::integer).unwrap_or(0);
            return Err(Stop::Exit(u32::try_from(code.rem_euclid(1 << 32)).unwrap_or(1)));
        }
        ("threading.thread", "sleep") => {
            interpreter.effort.rest();
            let pause = Duration::try_from_secs_f64(number(0) / 1000.0).unwrap_or_default();
            interpreter.session.clock.pass(pause).await;
            Value::Null
        }
        ("gc", _) => Value::Null,
        ("math", "sqrt") => Value::Float(number(0).sqrt()),
        ("math", "pow") => Value::Float(number(0).powf(number(1))),
        ("math", "floor") => Value::Float(number(0).floor()),
        ("math", "ceiling") => Value::Float(number(0).ceil()),
        ("math", "abs") => Value::Float(number(0).abs()),
        ("math", "round") => {
            let digits =
                10_f64.powi(arguments.get(1).and_then(Value::integer).and_then(|n| n.try_into().ok()).unwrap_or(0));
            Value::Float((number(0) * digits).round() / digits)
        }
        ("math", "max") => Value::Float(number(0).max(number(1))),
        ("math", "min") => Value::Float(number(0).min(number(1))),
        ("math", "pi") => Value::Float(std::f64::consts::PI),
        ("string", "isnullorempty") => Value::Bool(arguments.first().is_none_or(|value| value.shown().is_empty())),
        ("net.dns", "gethostaddresses" | "resolve") => {
            let name = arguments.first().map(Value::shown).unwrap_or_default();
            interpreter.effort.rest();
            match interpreter.session.link.resolve(&name).await {
                Ok(addresses) => Value::List(
                    addresses
                        .iter()
                        .map(|address| {
                            let address = Value::text(address.to_string());
                            Value::object(View::List, vec![("IPAddressToString", address)])
                        })
                        .collect(),
                ),
                Err(_) => {
                    let message =
                        "Exception calling \"GetHostAddresses\" with \"1\" argument(s): \"No such host is known\"";
                    let category = "NotSpecified: (:) [], MethodInvocationException";
                    return Err(PsError::new(message, category, "SocketException").into());
                }
            }
        }
        (list, "new") if list.contains("list[") || list.contains("arraylist") => Value::List(Vec::new()),
        _ => return Err(no_type(kind)),
    })
}

/// `[int]x`.
pub(super) fn cast(kind: &str, value: Value) -> Step<Value> {
    let kind = kind.strip_prefix("system.").unwrap_or(kind);
    let invalid = || {
        let message = format!(
            "Cannot convert value \"{}\" to type \"System.{kind}\". Error: \"Input string was not in a correct format.\"",
            value.shown()
        );
        Stop::from(PsError::new(message, "InvalidArgument: (:) [], RuntimeException", "InvalidCastFromStringToInteger"))
    };
    Ok(match kind {
        "int" | "int32" | "int64" | "long" | "uint32" | "uint64" => Value::Int(value.integer().ok_or_else(invalid)?),
        "double" | "float" | "single" | "decimal" => Value::Float(value.number().ok_or_else(invalid)?),
        "string" => Value::text(value.shown()),
        "bool" | "boolean" => Value::Bool(value.holds()),
        "array" | "object[]" | "string[]" | "int[]" => Value::List(value.into_many()),
        "void" => Value::Null,
        "pscustomobject" | "ordered" | "scriptblock" | "byte[]" => match value {
            Value::Object(object) if kind == "pscustomobject" => {
                Value::Object(Arc::new(super::value::Object { fields: object.fields.clone(), view: View::List }))
            }
            other => other,
        },
        other => return Err(no_type(other)),
    })
}
