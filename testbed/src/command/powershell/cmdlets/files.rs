//! Cmdlets for files.

use super::{Arguments, proper};
use crate::{
    command::powershell::{
        error::PsError,
        format,
        interpreter::{Interpreter, Out, Step},
        value::{Value, View},
    },
    fault::Pattern,
};

pub(super) async fn run(
    shell: &mut Interpreter,
    cmdlet: &str,
    arguments: &Arguments,
    input: Option<Vec<Value>>,
    out: &mut Out,
) -> Step<()> {
    shell.effort.rest();
    let path = arguments
        .get("path", 0)
        .or_else(|| arguments.get("literalpath", 0))
        .or_else(|| arguments.get("filepath", 0))
        .cloned()
        .unwrap_or(Value::Null);
    let paths: Vec<String> = path.into_many().iter().map(Value::shown).collect();
    match cmdlet {
        "get-content" => read(shell, arguments, &paths, out).await,
        "test-path" => {
            for path in &paths {
                let found = !expand(shell, path).await.is_empty() || shell.session.files.list(path).await.is_some();
                shell.emit(Value::Bool(found), out);
            }
            Ok(())
        }
        "get-childitem" => list(shell, &paths, arguments, out).await,
        _ => {
            let given = arguments.get("value", 1).cloned().into_iter().chain(input.unwrap_or_default());
            let text = format::show(&given.collect::<Vec<_>>());
            let append = cmdlet == "add-content" || arguments.flag("append");
            for path in &paths {
                if let Err(error) = shell.session.write(path, text.as_bytes(), append).await {
                    let category = format!("WriteError: ({path}:String) [{}], IOException", proper(cmdlet));
                    let id = "GetContentWriterIOError,Microsoft.PowerShell.Commands.SetContentCommand";
                    return Err(PsError::of_command(&proper(cmdlet), error.to_string(), &category, id).into());
                }
            }
            Ok(())
        }
    }
}

/// The files that a path with wildcards means.
async fn expand(shell: &Interpreter, path: &str) -> Vec<String> {
    let files = &shell.session.files;
    if !path.contains(['*', '?']) {
        return if shell.session.read(path).await.is_ok() { vec![path.to_owned()] } else { Vec::new() };
    }
    let (folder, pattern) = path.rsplit_once(['\\', '/']).unwrap_or((".", path));
    let pattern = Pattern::new(pattern.to_lowercase());
    let names = files.list(folder).await.unwrap_or_default();
    names
        .into_iter()
        .filter(|name| pattern.matches(&name.to_lowercase()))
        .map(|name| format!("{folder}\\{name}"))
        .collect()
}

fn not_found(cmdlet: &str, path: &str) -> PsError {
    let class = proper(cmdlet).replace('-', "");
    PsError::of_command(
        &proper(cmdlet),
        format!("Cannot find path '{path}' because it does not exist."),
        &format!("ObjectNotFound: ({path}:String) [{}], ItemNotFoundException", proper(cmdlet)),
        &format!("PathNotFound,Microsoft.PowerShell.Commands.{class}Command"),
    )
}

async fn read(shell: &mut Interpreter, arguments: &Arguments, paths: &[String], out: &mut Out) -> Step<()> {
    let mut missing = None;
    for path in paths {
        let found = expand(shell, path).await;
        if found.is_empty() && !path.contains('*') {
            missing.get_or_insert_with(|| not_found("get-content", path));
        }
        for path in found {
            let bytes = shell.session.read(&path).await.unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if arguments.flag("raw") {
                shell.emit(Value::Text(text), out);
                continue;
            }
            let lines: Vec<&str> = text.lines().collect();
            let tail = arguments.count("tail").unwrap_or(lines.len());
            let head = arguments.count("totalcount").or_else(|| arguments.count("head")).unwrap_or(lines.len());
            let wanted = lines.iter().skip(lines.len().saturating_sub(tail)).take(head);
            wanted.for_each(|line| shell.emit(Value::text(*line), out));
        }
    }
    missing.map_or(Ok(()), |error| Err(error.into()))
}

async fn list(shell: &mut Interpreter, paths: &[String], arguments: &Arguments, out: &mut Out) -> Step<()> {
    let here = [r"C:\".to_owned()];
    for path in if paths.is_empty() { &here } else { paths } {
        let names = match shell.session.files.list(path).await {
            Some(names) => names,
            None => {
                let found = expand(shell, path).await;
                if found.is_empty() {
                    return Err(not_found("get-childitem", path).into());
                }
                found.iter().map(|path| path.rsplit('\\').next().unwrap_or(path).to_owned()).collect()
            }
        };
        for name in names {
            let value = if arguments.named("name").is_some() {
                Value::text(name)
            } else {
                let full = Value::text(format!("{}\\{name}", path.trim_end_matches('\\')));
                Value::object(
                    View::Table(&[("Mode", 10), ("Name", 0)]),
                    vec![("Mode", Value::text("-a----")), ("Name", Value::text(name)), ("FullName", full)],
                )
            };
            shell.emit(value, out);
        }
    }
    Ok(())
}
