//! Cmdlets that use the network.
//!
//! Formats after kubernetes/kubernetes 78565 (`Resolve-DnsName` in a pod) and
//! kubernetes/community 4709 (`Test-NetConnection`).

use std::{
    net::{Ipv4Addr, SocketAddrV4},
    time::Duration,
};

use super::Arguments;
use crate::{
    command::{
        Io, Sink,
        powershell::{
            error::PsError,
            interpreter::{Interpreter, Out, Step},
            value::{Value, View},
        },
        run_from_shell,
    },
    network::DnsError,
};

/// How long Windows tries to connect.
const CONNECT: Duration = Duration::from_secs(21);

pub(super) async fn run(shell: &mut Interpreter, cmdlet: &str, arguments: &Arguments, out: &mut Out) -> Step<()> {
    shell.effort.rest();
    match cmdlet {
        "resolve-dnsname" => resolve(shell, arguments, out).await,
        "test-netconnection" => test(shell, arguments, out).await,
        "invoke-webrequest" => request(shell, arguments, out).await,
        _ => {
            shell.emit(adapter(shell, cmdlet), out);
            Ok(())
        }
    }
}

async fn resolve(shell: &mut Interpreter, arguments: &Arguments, out: &mut Out) -> Step<()> {
    const COLUMNS: &[(&str, usize)] = &[("Name", 46), ("Type", 6), ("TTL", 5), ("Section", 10), ("IPAddress", 0)];
    let name = arguments.get("name", 0).map(Value::shown).unwrap_or_default();
    let answer = match arguments.text("server").map(|server| server.parse()).transpose() {
        Ok(server) => shell.session.link.lookup(server, &name).await,
        Err(_no_address) => Err(DnsError::NoSuchName),
    };
    let failure = match answer {
        Ok(found) if !found.addresses.is_empty() => {
            for address in found.addresses {
                let fields = vec![
                    ("Name", Value::text(found.name.clone())),
                    ("Type", Value::text("A")),
                    ("TTL", Value::text("5")),
                    ("Section", Value::text("Answer")),
                    ("IPAddress", Value::text(address.to_string())),
                ];
                shell.emit(Value::object(View::Table(COLUMNS), fields), out);
            }
            return Ok(());
        }
        Err(DnsError::TimedOut) => {
            ("This operation returned because the timeout period expired", "OperationTimeout", "ERROR_TIMEOUT")
        }
        Err(DnsError::ServerFailure) => ("DNS server failure", "ResourceUnavailable", "DNS_ERROR_RCODE_SERVER_FAILURE"),
        Ok(_) | Err(DnsError::NoSuchName) => {
            ("DNS name does not exist", "ResourceUnavailable", "DNS_ERROR_RCODE_NAME_ERROR")
        }
    };
    let (words, category, id) = failure;
    let category = format!("{category}: ({name}:String) [Resolve-DnsName], Win32Exception");
    let id = format!("{id},Microsoft.DnsClient.Commands.ResolveDnsName");
    Err(PsError::of_command("Resolve-DnsName", format!("{name} : {words}"), &category, &id).into())
}

async fn test(shell: &mut Interpreter, arguments: &Arguments, out: &mut Out) -> Step<()> {
    let host = arguments.get("computername", 0).map(Value::shown).unwrap_or_default();
    let port = arguments.named("port").and_then(Value::integer).and_then(|port| u16::try_from(port).ok());
    let address = match host.parse::<Ipv4Addr>() {
        Ok(address) => Some(address),
        Err(_) => shell.session.link.resolve(&host).await.ok().and_then(|all| all.first().copied()),
    };
    let Some(address) = address else {
        shell.io.stdout.text(format!("WARNING: Name resolution of {host} failed\r\n"));
        shell.emit(connection(shell, &host, None, port, false, None), out);
        return Ok(());
    };
    let opened = match port {
        Some(port) => {
            let to = SocketAddrV4::new(address, port);
            Some(shell.session.link.connect(to, CONNECT).await.is_ok())
        }
        None => None,
    };
    let pinged = match opened {
        Some(true) => true,
        _ => shell.session.link.ping(address, Duration::from_secs(4)).await.is_ok(),
    };
    if let (Some(false), Some(port)) = (opened, port) {
        shell.io.stdout.text(format!("WARNING: TCP connect to ({address} : {port}) failed\r\n"));
    }
    shell.emit(connection(shell, &host, Some(address), port, pinged, opened), out);
    Ok(())
}

fn connection(
    shell: &Interpreter,
    host: &str,
    address: Option<Ipv4Addr>,
    port: Option<u16>,
    pinged: bool,
    opened: Option<bool>,
) -> Value {
    let adapter = &shell.session.adapter;
    let mut fields = vec![
        ("ComputerName", Value::text(host)),
        ("RemoteAddress", address.map_or(Value::Null, |address| Value::text(address.to_string()))),
    ];
    fields.extend(port.map(|port| ("RemotePort", Value::Int(port.into()))));
    fields.push(("InterfaceAlias", Value::text(adapter.name.clone())));
    fields.push(("SourceAddress", Value::text(adapter.address.to_string())));
    if opened != Some(true) {
        fields.push(("PingSucceeded", Value::Bool(pinged)));
        fields.push(("PingReplyDetails (RTT)", Value::text(if pinged { "1 ms" } else { "0 ms" })));
    }
    fields.extend(port.map(|_| ("TcpTestSucceeded", Value::Bool(opened == Some(true)))));
    Value::object(View::List, fields)
}

/// `Invoke-WebRequest`, which does what curl does and says it in other words.
async fn request(shell: &mut Interpreter, arguments: &Arguments, out: &mut Out) -> Step<()> {
    let url = arguments.get("uri", 0).map(Value::shown).unwrap_or_default();
    let limit = arguments.named("timeoutsec").and_then(Value::integer).filter(|limit| *limit > 0).unwrap_or(100);
    let argv = ["curl", "-sS", "-m", &limit.to_string(), "-w", "\n%{http_code}", &url].map(ToOwned::to_owned);
    let (body, complaint) = (Sink::keeping(), Sink::keeping());
    let io = Io { stdin: shell.io.stdin.clone(), stdout: body.clone(), stderr: complaint.clone() };
    let code = run_from_shell(&shell.session, &argv, &io).await.unwrap_or(1);
    let body = String::from_utf8_lossy(&body.take()).into_owned();
    let (content, status) = body.rsplit_once('\n').unwrap_or((&body, "0"));
    let status: i64 = status.parse().unwrap_or(0);
    let words = match code {
        0 if status < 400 => {
            let fields = vec![
                ("StatusCode", Value::Int(status)),
                ("StatusDescription", Value::text(if status == 200 { "OK" } else { "" })),
                ("Content", Value::text(content)),
                ("RawContentLength", Value::Int(i64::try_from(content.len()).unwrap_or(i64::MAX))),
            ];
            shell.emit(Value::object(View::List, fields), out);
            return Ok(());
        }
        0 => format!("The remote server returned an error: ({status})."),
        6 => {
            let host = url.split("//").nth(1).unwrap_or(&url).split(['/', ':']).next().unwrap_or_default().to_owned();
            format!("The remote name could not be resolved: '{host}'")
        }
        28 => "The operation has timed out.".to_owned(),
        52 | 56 => "The underlying connection was closed: An unexpected error occurred on a receive.".to_owned(),
        _ => "Unable to connect to the remote server".to_owned(),
    };
    let category = "InvalidOperation: (System.Net.HttpWebRequest:HttpWebRequest) [Invoke-WebRequest], WebException";
    let id = "WebCmdletWebResponseException,Microsoft.PowerShell.Commands.InvokeWebRequestCommand";
    Err(PsError::of_command("Invoke-WebRequest", words, category, id).into())
}

/// `Get-NetAdapter`, `Get-NetIPAddress`, `Get-NetRoute`, `Get-DnsClientServerAddress`.
fn adapter(shell: &Interpreter, cmdlet: &str) -> Value {
    let adapter = &shell.session.adapter;
    let index = ("ifIndex", Value::Int(adapter.index().into()));
    let alias = ("InterfaceAlias", Value::text(adapter.name.clone()));
    let address = |text: String, family: &str| {
        let fields = vec![
            ("IPAddress", Value::text(text)),
            ("InterfaceIndex", Value::Int(adapter.index().into())),
            ("InterfaceAlias", Value::text(adapter.name.clone())),
            ("AddressFamily", Value::text(family)),
        ];
        Value::object(View::List, fields)
    };
    match cmdlet {
        "get-netadapter" => Value::object(
            View::Table(&[("Name", 0), ("InterfaceDescription", 0), ("ifIndex", 0), ("Status", 0), ("MacAddress", 0)]),
            vec![
                ("Name", Value::text(adapter.name.clone())),
                ("InterfaceDescription", Value::text("Hyper-V Virtual Ethernet Adapter")),
                index,
                ("Status", Value::text("Up")),
                ("MacAddress", Value::text(adapter.mac())),
            ],
        ),
        "get-netipaddress" => Value::List(vec![
            address(format!("{}%{}", adapter.link_local(), adapter.index()), "IPv6"),
            address(adapter.address.to_string(), "IPv4"),
        ]),
        "get-netroute" => Value::object(
            View::Table(&[("ifIndex", 0), ("DestinationPrefix", 0), ("NextHop", 0)]),
            vec![
                index,
                ("DestinationPrefix", Value::text("0.0.0.0/0")),
                ("NextHop", Value::text(adapter.gateway().to_string())),
            ],
        ),
        _ => Value::object(
            View::Table(&[("InterfaceAlias", 0), ("ServerAddresses", 0)]),
            vec![alias, ("ServerAddresses", Value::List(vec![Value::text(adapter.dns_server.to_string())]))],
        ),
    }
}
