//! Cmdlets that tell about the system, and on a node about the node.

use super::{Arguments, proper};
use crate::command::{
    System, event_log, hns,
    machine::Picture,
    powershell::{
        error::PsError,
        interpreter::{Interpreter, Out, Step},
        value::{Value, View},
    },
};

pub(super) fn run(shell: &mut Interpreter, cmdlet: &str, arguments: &Arguments, out: &mut Out) -> Step<()> {
    let picture = shell.session.machine.as_ref().map(|machine| machine.look());
    let values = match (cmdlet, &picture) {
        ("restart-computer", Some(_)) => {
            if let Some(machine) = &shell.session.machine {
                machine.reboot();
            }
            Vec::new()
        }
        ("restart-computer", None) => {
            let message = "Failed to restart the computer with the following error message: Access is denied.";
            let category = "OperationStopped: (localhost:String) [Restart-Computer], InvalidOperationException";
            let id = "RestartcomputerFailed,Microsoft.PowerShell.Commands.RestartComputerCommand";
            return Err(PsError::of_command("Restart-Computer", message, category, id).into());
        }
        // The module comes with the node, not with images.
        ("get-hnsnetwork" | "get-hnsendpoint" | "get-hnspolicylist", None) => {
            return Err(PsError::no_command(&proper(cmdlet)).into());
        }
        ("get-hnsnetwork", Some(picture)) => networks(picture),
        ("get-hnsendpoint", Some(picture)) => endpoints(picture),
        ("get-hnspolicylist", Some(picture)) => policies(picture),
        ("get-hotfix", _) => updates(shell),
        ("get-winevent", picture) => {
            let most = arguments.count("maxevents").unwrap_or(usize::MAX);
            let events = picture.as_ref().map(event_log::system).unwrap_or_default();
            events.into_iter().take(most).map(event).collect()
        }
        ("get-ciminstance", _) => instance(shell, arguments, picture.as_ref())?,
        ("get-itemproperty", _) => vec![registry(shell)],
        ("get-process", _) => processes(shell),
        _ => services(shell, arguments)?,
    };
    values.into_iter().for_each(|value| shell.emit(value, out));
    Ok(())
}

fn version(shell: &Interpreter) -> String {
    match &shell.session.system {
        System::Windows { version } => version.clone(),
        System::Linux => String::new(),
    }
}

fn networks(picture: &Picture) -> Vec<Value> {
    let network = |name: &str, range: &str| {
        let subnet = Value::object(
            View::List,
            vec![("AddressPrefix", Value::text(range)), ("GatewayAddress", Value::text(hns::gateway(range)))],
        );
        Value::object(
            View::List,
            vec![
                ("ID", Value::text(hns::network_id(picture, name))),
                ("Name", Value::text(name)),
                ("Type", Value::text("Overlay")),
                ("State", Value::Int(1)),
                ("ManagementIP", Value::text(picture.address.to_string())),
                ("Subnets", Value::List(vec![subnet])),
            ],
        )
    };
    let mut all = vec![network("External", "192.168.255.0/30")];
    all.extend(picture.pod_range.as_ref().map(|range| network("vxlan0", range)));
    all
}

fn endpoints(picture: &Picture) -> Vec<Value> {
    let endpoint = |(name, address, remote): (String, std::net::Ipv4Addr, bool)| {
        let mut fields = vec![
            ("ID", Value::text(hns::endpoint_id(picture, address))),
            ("Name", Value::text(name)),
            ("IPAddress", Value::text(address.to_string())),
            ("PrefixLength", Value::Int(24)),
            ("VirtualNetwork", Value::text(hns::network_id(picture, "vxlan0"))),
            ("VirtualNetworkName", Value::text("vxlan0")),
            ("State", Value::Int(3)),
        ];
        if remote {
            fields.push(("IsRemoteEndpoint", Value::Bool(true)));
        }
        Value::object(View::List, fields)
    };
    hns::all_endpoints(picture).into_iter().map(endpoint).collect()
}

fn policies(picture: &Picture) -> Vec<Value> {
    let list = |balancer: &crate::command::machine::LoadBalancer| {
        let inside = balancer.backends.first().map_or(balancer.port, |(backend, _)| backend.port());
        let policy = Value::object(
            View::List,
            vec![
                ("Type", Value::text("ELB")),
                ("Protocol", Value::Int(balancer.protocol.into())),
                ("ExternalPort", Value::Int(balancer.port.into())),
                ("InternalPort", Value::Int(inside.into())),
                ("VIPs", Value::List(balancer.addresses.iter().map(|ip| Value::text(ip.to_string())).collect())),
            ],
        );
        let reference = |(backend, _): &(std::net::SocketAddrV4, bool)| {
            Value::text(format!("/endpoints/{}", hns::endpoint_id(picture, *backend.ip())))
        };
        Value::object(
            View::List,
            vec![
                (
                    "ID",
                    Value::text(crate::command::machine::guid(&[
                        "hns-policy",
                        &picture.name,
                        &balancer.service,
                        &balancer.port.to_string(),
                    ])),
                ),
                ("Policies", Value::List(vec![policy])),
                ("References", Value::List(balancer.backends.iter().map(reference).collect())),
            ],
        )
    };
    picture.load_balancers.iter().map(list).collect()
}

fn updates(shell: &Interpreter) -> Vec<Value> {
    const COLUMNS: &[(&str, usize)] =
        &[("Source", 13), ("Description", 16), ("HotFixID", 13), ("InstalledBy", 20), ("InstalledOn", 0)];
    let source = shell.session.host_name.to_uppercase();
    event_log::updates(&version(shell))
        .into_iter()
        .map(|update| {
            let fields = vec![
                ("Source", Value::text(source.clone())),
                ("Description", Value::text(update.description)),
                ("HotFixID", Value::text(update.id)),
                ("InstalledBy", Value::text(r"NT AUTHORITY\SYSTEM")),
                ("InstalledOn", Value::text(update.installed)),
            ];
            Value::object(View::Table(COLUMNS), fields)
        })
        .collect()
}

fn event(event: event_log::Event) -> Value {
    const COLUMNS: &[(&str, usize)] = &[("TimeCreated", 0), ("Id", 0), ("LevelDisplayName", 0), ("Message", 0)];
    Value::object(
        View::Table(COLUMNS),
        vec![
            ("TimeCreated", Value::Time(event.at)),
            ("Id", Value::Int(event.id.into())),
            ("LevelDisplayName", Value::text("Information")),
            ("ProviderName", Value::text(event.source)),
            ("LogName", Value::text("System")),
            ("Message", Value::text(event.message)),
        ],
    )
}

fn instance(shell: &Interpreter, arguments: &Arguments, picture: Option<&Picture>) -> Step<Vec<Value>> {
    let class =
        arguments.get("classname", 0).or_else(|| arguments.named("class")).map(Value::shown).unwrap_or_default();
    let version = version(shell);
    let build = version.split('.').nth(2).unwrap_or_default().to_owned();
    Ok(match class.to_ascii_lowercase().as_str() {
        "win32_operatingsystem" => {
            let release = version.rsplit_once('.').map_or(version.as_str(), |(release, _)| release).to_owned();
            let booted = picture.map_or_else(|| shell.now(), |picture| picture.booted);
            let product = picture.map_or("Windows Server Datacenter", |picture| picture.product.as_str());
            vec![Value::object(
                View::List,
                vec![
                    ("Caption", Value::text(format!("Microsoft {product}"))),
                    ("Version", Value::text(release)),
                    ("BuildNumber", Value::text(build)),
                    ("LastBootUpTime", Value::Time(booted)),
                    ("CSName", Value::text(shell.session.host_name.to_uppercase())),
                ],
            )]
        }
        "win32_computersystem" => {
            let count = shell.session.env.get("NUMBER_OF_PROCESSORS").and_then(|count| count.parse().ok()).unwrap_or(4);
            vec![Value::object(
                View::List,
                vec![
                    ("Name", Value::text(shell.session.host_name.to_uppercase())),
                    ("NumberOfLogicalProcessors", Value::Int(count)),
                ],
            )]
        }
        "win32_quickfixengineering" => updates(shell),
        _ => {
            let message = "Invalid class ";
            let category = format!("MetadataError: (root\\cimv2:{class}:String) [Get-CimInstance], CimException");
            let id = "HRESULT 0x80041010,Microsoft.Management.Infrastructure.CimCmdlets.GetCimInstanceCommand";
            return Err(PsError::of_command("Get-CimInstance", message, &category, id).into());
        }
    })
}

/// `HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion`, which is what people ask the registry for.
fn registry(shell: &Interpreter) -> Value {
    let version = version(shell);
    let mut parts = version.split('.').skip(2);
    let (build, patch) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let display = match build {
        "17763" => "1809",
        "20348" => "21H2",
        "25398" => "23H2",
        _ => "24H2",
    };
    Value::object(
        View::List,
        vec![
            ("CurrentBuild", Value::text(build)),
            ("CurrentBuildNumber", Value::text(build)),
            ("UBR", Value::Int(patch.parse().unwrap_or(0))),
            ("DisplayVersion", Value::text(display)),
            ("ReleaseId", Value::text(if build == "17763" { "1809" } else { "2009" })),
        ],
    )
}

fn processes(shell: &Interpreter) -> Vec<Value> {
    const COLUMNS: &[(&str, usize)] = &[("Handles", 0), ("WS(K)", 10), ("Id", 6), ("ProcessName", 0)];
    crate::command::windows::processes(&shell.session)
        .into_iter()
        .map(|(name, id, kib)| {
            Value::object(
                View::Table(COLUMNS),
                vec![
                    ("Handles", Value::Int(i64::from(id % 400 + 40))),
                    ("WS(K)", Value::Int(i64::from(kib))),
                    ("Id", Value::Int(i64::from(id))),
                    ("ProcessName", Value::text(name)),
                    ("Name", Value::text(name)),
                    ("WorkingSet64", Value::Int(i64::from(kib) * 1024)),
                ],
            )
        })
        .collect()
}

fn services(shell: &Interpreter, arguments: &Arguments) -> Step<Vec<Value>> {
    const COLUMNS: &[(&str, usize)] = &[("Status", 8), ("Name", 18), ("DisplayName", 0)];
    let mut all =
        vec![("EventLog", "Windows Event Log"), ("Dnscache", "DNS Client"), ("LanmanWorkstation", "Workstation")];
    if shell.session.machine.is_some() {
        all.extend([
            ("containerd", "containerd"),
            ("hns", "Host Network Service"),
            ("kubelet", "kubelet"),
            ("kubeproxy", "kubeproxy"),
            ("vmcompute", "Hyper-V Host Compute Service"),
        ]);
    }
    if shell.session.kit.contains(&"servicemonitor") {
        all.push(("W3SVC", "World Wide Web Publishing Service"));
    }
    let wanted: Vec<String> =
        arguments.get("name", 0).cloned().unwrap_or(Value::Null).into_many().iter().map(Value::shown).collect();
    for name in &wanted {
        if !name.contains('*') && !all.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
            let message = format!("Cannot find any service with service name '{name}'.");
            let category = format!("ObjectNotFound: ({name}:String) [Get-Service], ServiceCommandException");
            let id = "NoServiceFoundForGivenName,Microsoft.PowerShell.Commands.GetServiceCommand";
            return Err(PsError::of_command("Get-Service", message, &category, id).into());
        }
    }
    let fits = |name: &str| {
        let pattern = |wanted: &String| crate::fault::Pattern::new(wanted.to_lowercase()).matches(&name.to_lowercase());
        wanted.is_empty() || wanted.iter().any(pattern)
    };
    let object = |(name, display): (&str, &str)| {
        Value::object(
            View::Table(COLUMNS),
            vec![
                ("Status", Value::text("Running")),
                ("Name", Value::text(name)),
                ("DisplayName", Value::text(display)),
            ],
        )
    };
    Ok(all.into_iter().filter(|(name, _)| fits(name)).map(object).collect())
}
