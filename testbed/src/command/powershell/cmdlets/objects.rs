//! Cmdlets that take what others give out.

use super::Arguments;
use crate::command::powershell::{
    error::WIDTH,
    format,
    interpreter::{Interpreter, Out, Step, sort},
    operators, types,
    value::{Value, View},
};

pub(super) async fn run(
    shell: &mut Interpreter,
    cmdlet: &str,
    arguments: &Arguments,
    input: Vec<Value>,
    out: &mut Out,
) -> Step<()> {
    match cmdlet {
        "foreach-object" => for_each(shell, arguments, input, out).await,
        "where-object" => keep(shell, arguments, input, out).await,
        "select-object" => {
            select(shell, arguments, input, out);
            Ok(())
        }
        "sort-object" => {
            let mut values = input;
            let property = arguments.get("property", 0).map(Value::shown);
            sort(&mut values, property.as_deref());
            if arguments.flag("descending") {
                values.reverse();
            }
            if arguments.flag("unique") {
                values.dedup_by(|a, b| a.equals(b));
            }
            values.into_iter().for_each(|value| shell.emit(value, out));
            Ok(())
        }
        "measure-object" => {
            shell.emit(measure(arguments, &input), out);
            Ok(())
        }
        "format-table" => {
            shell.emit(Value::text(format_table(arguments, &input).trim_end_matches("\r\n").to_owned() + "\r\n"), out);
            Ok(())
        }
        "format-list" => {
            let wanted = names(arguments);
            shell.emit(Value::text(format::list(&input, &wanted).trim_end_matches("\r\n").to_owned() + "\r\n"), out);
            Ok(())
        }
        "convertto-json" => {
            let values = if input.is_empty() { arguments.positional.clone() } else { input };
            shell.emit(Value::text(format::json(values, arguments.flag("compress"))), out);
            Ok(())
        }
        "out-string" => {
            let width = arguments.count("width").unwrap_or(WIDTH);
            shell.emit(Value::text(format::show_in(&input, width)), out);
            Ok(())
        }
        _ => {
            input.into_iter().for_each(|value| shell.emit(value, out)); // out-host, out-default
            Ok(())
        }
    }
}

fn names(arguments: &Arguments) -> Vec<String> {
    let property = arguments.get("property", 0).cloned().unwrap_or(Value::Null);
    property.into_many().iter().map(Value::shown).collect()
}

async fn for_each(shell: &mut Interpreter, arguments: &Arguments, input: Vec<Value>, out: &mut Out) -> Step<()> {
    match arguments.get("process", 0).cloned() {
        Some(Value::Block(block)) => {
            for value in input {
                shell.variables.insert("_".to_owned(), value);
                shell.effort.step().await;
                shell.block(&block, out).await?;
            }
            shell.effort.rest();
        }
        Some(name) => {
            for value in input {
                let value = types::member(shell, &value, &name.shown());
                shell.emit(value, out);
            }
        }
        None => {}
    }
    Ok(())
}

async fn keep(shell: &mut Interpreter, arguments: &Arguments, input: Vec<Value>, out: &mut Out) -> Step<()> {
    let condition = arguments.get("filterscript", 0).cloned();
    // `where Name -eq x`: the operator is a parameter.
    let operator = arguments.named.iter().find(|(name, _)| name != "filterscript").cloned();
    for value in input {
        let holds = match (&condition, &operator) {
            (Some(Value::Block(block)), _) => {
                shell.variables.insert("_".to_owned(), value.clone());
                let mut kept = Out::kept();
                shell.block(block, &mut kept).await?;
                Value::from_many(kept.values).holds()
            }
            (Some(name), Some((operator, right))) => {
                let left = types::member(shell, &value, &name.shown());
                operators::binary(&format!("-{operator}"), left, right.clone())?.holds()
            }
            (Some(name), None) => types::member(shell, &value, &name.shown()).holds(),
            (None, _) => true,
        };
        if holds {
            shell.emit(value, out);
        }
    }
    Ok(())
}

fn select(shell: &Interpreter, arguments: &Arguments, input: Vec<Value>, out: &mut Out) {
    let total = input.len();
    let first = arguments.count("first").unwrap_or(total);
    let last = arguments.count("last").unwrap_or(total);
    let skip = arguments.count("skip").unwrap_or(0).max(total.saturating_sub(last));
    let chosen = input.into_iter().skip(skip).take(first);
    let wanted = names(arguments);
    for value in chosen {
        let value = match arguments.text("expandproperty") {
            Some(name) => types::member(shell, &value, &name),
            None if wanted.is_empty() => value,
            None => operators::selected(&value, &wanted),
        };
        shell.emit(value, out);
    }
}

fn measure(arguments: &Arguments, input: &[Value]) -> Value {
    let property = arguments.get("property", 0).map(Value::shown);
    let numbers: Vec<f64> = input
        .iter()
        .filter_map(|value| match &property {
            Some(name) => value.field(name)?.number(),
            None => value.number(),
        })
        .collect();
    #[expect(clippy::cast_precision_loss, reason = "nobody measures so many")]
    let count = numbers.len().max(1) as f64;
    let sum: f64 = numbers.iter().sum();
    let or = |wanted: &str, value: f64| if arguments.flag(wanted) { Value::Float(value) } else { Value::Null };
    Value::object(
        View::List,
        vec![
            ("Count", Value::Int(i64::try_from(input.len()).unwrap_or(i64::MAX))),
            ("Average", or("average", sum / count)),
            ("Sum", or("sum", sum)),
            ("Maximum", or("maximum", numbers.iter().copied().fold(f64::MIN, f64::max))),
            ("Minimum", or("minimum", numbers.iter().copied().fold(f64::MAX, f64::min))),
        ],
    )
}

fn format_table(arguments: &Arguments, input: &[Value]) -> String {
    let wanted = names(arguments);
    let columns: Vec<(String, usize)> = match input.first() {
        Some(Value::Object(object)) => match object.view {
            _ if !wanted.is_empty() && wanted != ["*"] => wanted.into_iter().map(|name| (name, 0)).collect(),
            View::Table(columns) => columns.iter().map(|(name, _)| ((*name).to_owned(), 0)).collect(),
            _ => object.fields.iter().map(|(name, _)| (name.clone(), 0)).collect(),
        },
        _ => return format::show(input),
    };
    let columns: Vec<(&str, usize)> = columns.iter().map(|(name, width)| (name.as_str(), *width)).collect();
    format::table(input, &columns)
}
