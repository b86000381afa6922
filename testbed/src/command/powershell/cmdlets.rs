//! The cmdlets, by name.

mod files;
mod host;
mod network;
mod objects;

use std::time::Duration;

use tokio_util::task::AbortOnDropHandle;

use super::{
    error::PsError,
    interpreter::{Interpreter, Job, Out, Step},
    types,
    value::{Value, View},
};
use crate::command::{Io, Sink, Stdin};

/// What a command was given.
#[derive(Debug, Default)]
pub(super) struct Arguments {
    /// Parameters by lower-case name.
    pub(super) named: Vec<(String, Value)>,
    /// The others, in order.
    pub(super) positional: Vec<Value>,
    /// Everything as words, for programs.
    pub(super) words: Vec<String>,
}

impl Arguments {
    /// A parameter by its whole name, which may have been cut short.
    fn named(&self, name: &str) -> Option<&Value> {
        self.named
            .iter()
            .find(|(given, _)| !given.is_empty() && name.starts_with(given.as_str()))
            .map(|(_, value)| value)
    }

    /// A parameter by name, or what stands at its place.
    fn get(&self, name: &str, place: usize) -> Option<&Value> {
        self.named(name).or_else(|| self.positional.get(place))
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.named(name).map(Value::shown)
    }

    fn flag(&self, name: &str) -> bool {
        self.named(name).is_some_and(Value::holds)
    }

    fn count(&self, name: &str) -> Option<usize> {
        usize::try_from(self.named(name)?.integer()?).ok()
    }
}

/// Parameters that stand alone.
const SWITCHES: &[&str] = &[
    "force",
    "usebasicparsing",
    "disablekeepalive",
    "raw",
    "autosize",
    "compress",
    "asarray",
    "noexit",
    "unique",
    "descending",
    "average",
    "sum",
    "maximum",
    "minimum",
    "recurse",
    "dnsonly",
    "quicktimeout",
    "quiet",
    "nonewline",
    "wait",
    "passthru",
    "detailed",
    "wrap",
    "hidetableheaders",
    "all",
    "nohostsfile",
    "allstats",
];

/// Whether a parameter, perhaps cut short, takes no value.
pub(super) fn is_switch(name: &str) -> bool {
    name.len() > 2 && SWITCHES.iter().any(|switch| switch.starts_with(name))
}

/// Names and aliases, and the cmdlets that they mean.
const NAMES: &[(&str, &str)] = &[
    ("%", "foreach-object"),
    ("foreach", "foreach-object"),
    ("?", "where-object"),
    ("where", "where-object"),
    ("select", "select-object"),
    ("sort", "sort-object"),
    ("measure", "measure-object"),
    ("echo", "write-output"),
    ("write", "write-output"),
    ("sleep", "start-sleep"),
    ("cat", "get-content"),
    ("gc", "get-content"),
    ("type", "get-content"),
    ("dir", "get-childitem"),
    ("ls", "get-childitem"),
    ("gci", "get-childitem"),
    ("ft", "format-table"),
    ("fl", "format-list"),
    ("ps", "get-process"),
    ("gps", "get-process"),
    ("gsv", "get-service"),
    ("gcim", "get-ciminstance"),
    ("gwmi", "get-ciminstance"),
    ("get-wmiobject", "get-ciminstance"),
    ("gp", "get-itemproperty"),
    ("iwr", "invoke-webrequest"),
    ("curl", "invoke-webrequest"),
    ("wget", "invoke-webrequest"),
    ("tnc", "test-netconnection"),
    ("sajb", "start-job"),
    ("rcjb", "receive-job"),
    ("start-threadjob", "start-job"),
];

const CMDLETS: &[&str] = &[
    "foreach-object",
    "where-object",
    "select-object",
    "sort-object",
    "measure-object",
    "write-output",
    "write-host",
    "write-error",
    "write-warning",
    "write-verbose",
    "start-sleep",
    "get-date",
    "out-null",
    "out-string",
    "out-host",
    "out-default",
    "out-file",
    "get-content",
    "set-content",
    "add-content",
    "test-path",
    "get-childitem",
    "format-table",
    "format-list",
    "convertto-json",
    "get-process",
    "get-service",
    "get-ciminstance",
    "get-itemproperty",
    "get-hotfix",
    "get-winevent",
    "get-hnsnetwork",
    "get-hnsendpoint",
    "get-hnspolicylist",
    "get-netadapter",
    "get-netipaddress",
    "resolve-dnsname",
    "test-netconnection",
    "invoke-webrequest",
    "new-object",
    "restart-computer",
    "start-job",
    "receive-job",
    "wait-job",
    "stop-job",
    "remove-job",
    "get-job",
    "set-strictmode",
    "import-module",
    "get-netroute",
    "get-dnsclientserveraddress",
];

/// The cmdlet that a name means; none for a program.
pub(super) fn canonical(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    let whole = NAMES.iter().find(|(alias, _)| *alias == name).map_or(name.as_str(), |(_, cmdlet)| cmdlet);
    CMDLETS.iter().find(|cmdlet| **cmdlet == whole).copied()
}

/// The name as PowerShell writes it.
pub(super) fn proper(cmdlet: &str) -> String {
    let known = [
        ("resolve-dnsname", "Resolve-DnsName"),
        ("get-childitem", "Get-ChildItem"),
        ("invoke-webrequest", "Invoke-WebRequest"),
        ("test-netconnection", "Test-NetConnection"),
        ("get-winevent", "Get-WinEvent"),
        ("get-hotfix", "Get-HotFix"),
        ("get-itemproperty", "Get-ItemProperty"),
        ("get-ciminstance", "Get-CimInstance"),
        ("get-hnsnetwork", "Get-HnsNetwork"),
        ("get-hnsendpoint", "Get-HnsEndpoint"),
        ("get-hnspolicylist", "Get-HnsPolicyList"),
    ];
    if let Some((_, proper)) = known.iter().find(|(name, _)| *name == cmdlet) {
        return (*proper).to_owned();
    }
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
    };
    cmdlet.split('-').map(capital).collect::<Vec<_>>().join("-")
}

/// Runs one.
pub(super) async fn run(
    shell: &mut Interpreter,
    cmdlet: &'static str,
    arguments: &Arguments,
    input: Option<Vec<Value>>,
    out: &mut Out,
) -> Step<()> {
    match cmdlet {
        "write-output" => {
            let values = input.unwrap_or_default().into_iter().chain(arguments.positional.iter().cloned());
            let named = arguments.named("inputobject").cloned();
            values.chain(named).for_each(|value| shell.emit(value, out));
            Ok(())
        }
        "write-host" => {
            let text: Vec<String> = arguments.positional.iter().map(Value::shown).collect();
            let end = if arguments.flag("nonewline") { "" } else { "\r\n" };
            shell.io.stdout.text(text.join(" ") + end);
            Ok(())
        }
        "write-error" => {
            let text = arguments.get("message", 0).map(Value::shown).unwrap_or_default();
            let id = "Microsoft.PowerShell.Commands.WriteErrorException";
            let error = PsError::new(text, "NotSpecified: (:) [Write-Error], WriteErrorException", id);
            error.report(&shell.script, &shell.io);
            shell.ok = false;
            Ok(())
        }
        "write-warning" => {
            let text = arguments.get("message", 0).map(Value::shown).unwrap_or_default();
            shell.io.stdout.text(format!("WARNING: {text}\r\n"));
            Ok(())
        }
        "write-verbose" | "set-strictmode" | "import-module" | "out-null" => Ok(()),
        "start-sleep" => {
            shell.effort.rest();
            let millis = arguments.named("milliseconds").and_then(Value::number).map(|number| number / 1000.0);
            let seconds = millis.or_else(|| arguments.get("seconds", 0).and_then(Value::number)).unwrap_or(0.0);
            shell.session.clock.pass(Duration::try_from_secs_f64(seconds).unwrap_or_default()).await;
            Ok(())
        }
        "get-date" => {
            let time = shell.now();
            let value = match arguments.text("format").or_else(|| arguments.text("uformat")) {
                Some(format) => Value::text(types::date(time, &format)),
                None => Value::Time(time),
            };
            shell.emit(value, out);
            Ok(())
        }
        "new-object" => {
            let kind = arguments.get("typename", 0).map(Value::shown).unwrap_or_default().to_ascii_lowercase();
            let size = arguments.get("argumentlist", 1).and_then(Value::integer);
            let value = match kind.strip_prefix("system.").unwrap_or(&kind) {
                "byte[]" => types::bytes(shell, size).map_err(|error| PsError {
                    command: Some("New-Object".to_owned()), // and it stays one that can be caught
                    category: "OperationStopped: (:) [New-Object], OutOfMemoryException".to_owned(),
                    id: "System.OutOfMemoryException,Microsoft.PowerShell.Commands.NewObjectCommand".to_owned(),
                    ..*error
                })?,
                "psobject" => {
                    arguments.named("property").cloned().unwrap_or_else(|| Value::object(View::List, Vec::new()))
                }
                list if list.contains("list") => {
                    out.values.push(Value::List(Vec::new()));
                    return Ok(());
                }
                other => {
                    let message =
                        format!("Cannot find type [{other}]: verify that the assembly containing this type is loaded.");
                    let category = "InvalidType: (:) [New-Object], PSArgumentException";
                    let id = "TypeNotFound,Microsoft.PowerShell.Commands.NewObjectCommand";
                    return Err(PsError::of_command("New-Object", message, category, id).into());
                }
            };
            out.values.push(value);
            Ok(())
        }
        "start-job" => {
            start_job(shell, arguments, out);
            Ok(())
        }
        "wait-job" => {
            shell.effort.rest();
            let limit = arguments.named("timeout").and_then(Value::number);
            let jobs = shell.jobs.iter_mut();
            let all = futures::future::join_all(jobs.map(|job| &mut job.work));
            match limit {
                Some(seconds) => {
                    let limit = Duration::try_from_secs_f64(seconds).unwrap_or_default();
                    tokio::select! {
                        _ = all => {}
                        () = shell.session.clock.pass(limit) => {}
                    }
                }
                None => {
                    all.await;
                }
            }
            Ok(())
        }
        "receive-job" => {
            let text: Vec<u8> = shell.jobs.iter().flat_map(|job| job.output.take()).collect();
            let text = String::from_utf8_lossy(&text).into_owned();
            text.lines().for_each(|line| shell.emit(Value::text(line), out));
            Ok(())
        }
        "stop-job" | "remove-job" => {
            shell.jobs.clear();
            Ok(())
        }
        "get-job" => Ok(()),
        "get-content" | "set-content" | "add-content" | "out-file" | "test-path" | "get-childitem" => {
            files::run(shell, cmdlet, arguments, input, out).await
        }
        "get-process" | "get-service" | "get-ciminstance" | "get-itemproperty" | "get-hotfix" | "get-winevent"
        | "get-hnsnetwork" | "get-hnsendpoint" | "get-hnspolicylist" | "restart-computer" => {
            host::run(shell, cmdlet, arguments, out)
        }
        "resolve-dnsname"
        | "test-netconnection"
        | "invoke-webrequest"
        | "get-netadapter"
        | "get-netipaddress"
        | "get-netroute"
        | "get-dnsclientserveraddress" => network::run(shell, cmdlet, arguments, out).await,
        _ => objects::run(shell, cmdlet, arguments, input.unwrap_or_default(), out).await,
    }
}

/// A script of its own beside this one.
fn start_job(shell: &mut Interpreter, arguments: &Arguments, out: &mut Out) {
    const STARTING: Duration = Duration::from_millis(900);
    let Some(Value::Block(block)) = arguments.get("scriptblock", 0).cloned() else { return };
    let output = Sink::keeping();
    let io = Io { stdin: Stdin::Empty, stdout: output.clone(), stderr: output.clone() };
    let mut job = Interpreter::new(&shell.session, &shell.script, &io);
    let work = tokio::spawn(async move {
        let _memory = job.session.meter.take(super::PROCESS_MEMORY);
        job.session.clock.pass(STARTING).await;
        job.run(&block).await;
    });
    shell.jobs.push(Job { output, work: AbortOnDropHandle::new(work) });
    let id = i64::try_from(shell.jobs.len()).unwrap_or(0) * 2 - 1;
    let columns: &[(&str, usize)] = &[("Id", 6), ("Name", 15), ("State", 13), ("HasMoreData", 15)];
    let fields = vec![
        ("Id", Value::Int(id)),
        ("Name", Value::text(format!("Job{id}"))),
        ("State", Value::text("Running")),
        ("HasMoreData", Value::Bool(true)),
    ];
    shell.emit(Value::object(View::Table(columns), fields), out);
}
