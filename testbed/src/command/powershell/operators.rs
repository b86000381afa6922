//! What operators make of values.

use std::cmp::Ordering;

use super::{
    error::PsError,
    value::{Value, View},
};
use crate::fault::Pattern;

type Made = Result<Value, Box<PsError>>;

fn no_operator(operator: &str, value: &Value) -> Box<PsError> {
    let kind = match value {
        Value::Object(_) => "System.Object",
        Value::Block(_) => "System.Management.Automation.ScriptBlock",
        _ => "System.String",
    };
    Box::new(PsError::new(
        format!("Method invocation failed because [{kind}] does not contain a method named '{operator}'."),
        "InvalidOperation: (:) [], RuntimeException",
        "MethodNotFound",
    ))
}

/// `-not x`, `-x`, `-join x`.
pub(super) fn unary(operator: &str, value: Value) -> Made {
    Ok(match operator {
        "not" => Value::Bool(!value.holds()),
        "-join" => Value::Text(value.into_many().iter().map(Value::shown).collect()),
        "-split" => Value::List(value.shown().split_whitespace().map(Value::text).collect()),
        _ => match value {
            Value::Int(number) => Value::Int(-number),
            other => Value::Float(-other.number().ok_or_else(|| no_operator("op_UnaryNegation", &other))?),
        },
    })
}

/// `a op b`.
pub(super) fn binary(operator: &str, left: Value, right: Value) -> Made {
    let both = |value| Ok(Value::Bool(value));
    let plain = operator.trim_start_matches("-i").trim_start_matches('-');
    // A comparison of a list gives the members for which it holds.
    if let (Value::List(values), "eq" | "ne" | "lt" | "le" | "gt" | "ge" | "like" | "notlike" | "match" | "notmatch") =
        (&left, plain)
    {
        let mut kept = Vec::new();
        for value in values {
            if binary(operator, value.clone(), right.clone())?.holds() {
                kept.push(value.clone());
            }
        }
        return Ok(Value::List(kept));
    }
    match operator {
        "-and" => both(left.holds() && right.holds()),
        "-or" => both(left.holds() || right.holds()),
        "-xor" => both(left.holds() != right.holds()),
        "-eq" | "-ieq" => both(left.equals(&right)),
        "-ceq" => both(left.shown() == right.shown()),
        "-ne" => both(!left.equals(&right)),
        "-lt" => both(left.compare(&right) == Some(Ordering::Less)),
        "-le" => both(matches!(left.compare(&right), Some(Ordering::Less | Ordering::Equal))),
        "-gt" => both(left.compare(&right) == Some(Ordering::Greater)),
        "-ge" => both(matches!(left.compare(&right), Some(Ordering::Greater | Ordering::Equal))),
        "-like" => both(like(&left, &right)),
        "-notlike" => both(!like(&left, &right)),
        "-match" | "-imatch" => both(contains(&left, &right)),
        "-notmatch" => both(!contains(&left, &right)),
        "-contains" => both(left.into_many().iter().any(|value| value.equals(&right))),
        "-notcontains" => both(!left.into_many().iter().any(|value| value.equals(&right))),
        "-in" => both(right.into_many().iter().any(|value| value.equals(&left))),
        "-notin" => both(!right.into_many().iter().any(|value| value.equals(&left))),
        "-is" | "-as" => Ok(left),
        "-join" => Ok(Value::Text(left.into_many().iter().map(Value::shown).collect::<Vec<_>>().join(&right.shown()))),
        "-split" => {
            let (text, separator) = (left.shown(), right.into_many().first().map(Value::shown).unwrap_or_default());
            Ok(Value::List(text.split(separator.trim_matches('\\')).map(Value::text).collect()))
        }
        "-replace" => {
            let pair = right.into_many();
            let part = |at: usize| pair.get(at).map(Value::shown).unwrap_or_default();
            Ok(Value::Text(left.shown().replace(&unescape(&part(0)), &part(1))))
        }
        "-f" => Ok(Value::Text(fill(&left.shown(), &right.into_many()))),
        "-band" => Ok(Value::Int(left.integer().unwrap_or(0) & right.integer().unwrap_or(0))),
        "-bor" => Ok(Value::Int(left.integer().unwrap_or(0) | right.integer().unwrap_or(0))),
        ".." => {
            let (from, to) = (left.integer().unwrap_or(0), right.integer().unwrap_or(0));
            let most = 1_000_000; // what a list may hold here
            let numbers: Vec<i64> =
                if from <= to { (from..=to).take(most).collect() } else { (to..=from).rev().take(most).collect() };
            Ok(Value::List(numbers.into_iter().map(Value::Int).collect()))
        }
        arithmetic_operator => arithmetic(arithmetic_operator, left, right),
    }
}

/// `+`, `-`, `*`, `/`, `%`.
pub(super) fn arithmetic(operator: &str, left: Value, right: Value) -> Made {
    if operator == "+" {
        match (left, right) {
            (Value::List(mut all), right) => {
                all.extend(match right {
                    Value::List(more) => more,
                    one => vec![one],
                });
                return Ok(Value::List(all));
            }
            (Value::Text(text), right) => return Ok(Value::Text(text + &right.shown())),
            (Value::Null, right) => return Ok(right),
            (left, right) => return numbers("+", &left, &right),
        }
    }
    if let ("*", Value::Text(text), Some(times)) = (operator, &left, right.integer()) {
        let times = usize::try_from(times.clamp(0, 100_000)).unwrap_or(0);
        return Ok(Value::Text(text.repeat(times)));
    }
    if let ("-", Value::Time(a), Value::Time(b)) = (operator, &left, &right) {
        return Ok(Value::Span(a.duration_since(*b).as_secs_f64()));
    }
    numbers(operator, &left, &right)
}

fn numbers(operator: &str, left: &Value, right: &Value) -> Made {
    if let (Value::Int(a), Value::Int(b)) = (left, right) {
        let whole = match operator {
            "+" => a.checked_add(*b),
            "-" => a.checked_sub(*b),
            "*" => a.checked_mul(*b),
            "/" if *b != 0 && a % b == 0 => a.checked_div(*b),
            "%" if *b != 0 => a.checked_rem(*b),
            "/" | "%" if *b == 0 => {
                let category = "NotSpecified: (:) [], RuntimeException";
                return Err(PsError::new("Attempted to divide by zero.", category, "RuntimeException").into());
            }
            _ => None,
        };
        if let Some(whole) = whole {
            return Ok(Value::Int(whole));
        }
    }
    let both = left.number().zip(right.number());
    let Some((a, b)) = both else {
        let culprit = if left.number().is_none() { left } else { right };
        return Err(no_operator(
            match operator {
                "+" => "op_Addition",
                "-" => "op_Subtraction",
                "*" => "op_Multiply",
                "/" => "op_Division",
                _ => "op_Modulus",
            },
            culprit,
        ));
    };
    Ok(Value::Float(match operator {
        "+" => a + b,
        "-" => a - b,
        "*" => a * b,
        "/" => a / b,
        _ => a % b,
    }))
}

fn like(left: &Value, right: &Value) -> bool {
    Pattern::new(right.shown().to_lowercase()).matches(&left.shown().to_lowercase())
}

/// `-match` as far as no class or quantifier is asked for: alternatives of plain text, at the start, at the end.
fn contains(left: &Value, right: &Value) -> bool {
    let text = left.shown().to_lowercase();
    right.shown().to_lowercase().split('|').any(|pattern| {
        let (start, end) = (pattern.starts_with('^'), pattern.ends_with('$'));
        let plain = unescape(pattern.trim_start_matches('^').trim_end_matches('$')).replace(".*", "*");
        let star = |on: bool| if on { "" } else { "*" };
        Pattern::new(format!("{}{plain}{}", star(start), star(end))).matches(&text)
    })
}

fn unescape(pattern: &str) -> String {
    let mut text = String::new();
    let mut characters = pattern.chars();
    while let Some(c) = characters.next() {
        match c {
            '\\' => text.extend(characters.next()),
            other => text.push(other),
        }
    }
    text
}

/// `"{0} of {1:N2}" -f a, b`.
fn fill(format: &str, values: &[Value]) -> String {
    let mut text = String::new();
    let mut rest = format;
    while let Some((before, after)) = rest.split_once('{') {
        text += before;
        let Some((inside, tail)) = after.split_once('}') else {
            text.push('{');
            rest = after;
            continue;
        };
        let (index, style) = inside.split_once(':').unwrap_or((inside, ""));
        let value = index.trim().parse::<usize>().ok().and_then(|index| values.get(index));
        let decimals = style.get(1..).and_then(|digits| digits.parse::<usize>().ok());
        text += &match (value, style.chars().next()) {
            (Some(value), Some('N' | 'n' | 'F' | 'f')) => {
                value.number().map_or_else(|| value.shown(), |number| format!("{number:.*}", decimals.unwrap_or(2)))
            }
            (Some(value), Some('X' | 'x')) => value.integer().map_or_else(|| value.shown(), |n| format!("{n:X}")),
            (Some(value), _) => value.shown(),
            (None, _) => String::new(),
        };
        rest = tail;
    }
    text + rest
}

/// An object with some of another's properties.
pub(super) fn selected(value: &Value, names: &[String]) -> Value {
    let Value::Object(object) = value else { return value.clone() };
    if names.iter().any(|name| name == "*") {
        return value.clone();
    }
    let fields = names.iter().map(|name| {
        let known = object.fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        known.cloned().unwrap_or_else(|| (name.clone(), Value::Null))
    });
    let object = super::value::Object { fields: fields.collect(), view: View::List };
    Value::Object(std::sync::Arc::new(object))
}
