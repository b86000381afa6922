//! The small programs of a Windows image.

use std::time::Duration;

use super::{Exit, Io, Session, event_log, hns};

/// Runs one of them.
pub(super) async fn main(session: &Session, name: &str, arguments: &[String], io: &Io) -> Exit {
    match name {
        "hostname" => line(io, &session.host_name),
        "whoami" => line(io, &session.user.to_ascii_lowercase()),
        "timeout" => timeout(session, arguments, io).await,
        "where" => find_program(session, arguments, io),
        "findstr" => findstr(session, arguments, io).await,
        "more" => {
            io.stdout.write(&io.stdin.rest().await);
            0
        }
        "tasklist" => tasklist(session, arguments, io),
        "route" => route(session, arguments, io),
        "netstat" => netstat(session, io),
        "shutdown" => shutdown(session, arguments, io),
        "hnsdiag" => hns::hnsdiag(session, arguments, io),
        "wevtutil" => event_log::wevtutil(session, arguments, io),
        _ => 1,
    }
}

/// The processes that a container of this image runs, or a node: name, id, kilobytes.
pub(super) fn processes(session: &Session) -> Vec<(&'static str, u32, u32)> {
    let mut names =
        vec!["System Idle Process", "System", "smss", "csrss", "wininit", "services", "lsass", "svchost", "svchost"];
    if session.machine.is_some() {
        names.extend(["containerd", "kubelet", "kube-proxy", "vmcompute", "vmms"]);
    }
    names.extend(session.kit.contains(&"servicemonitor").then_some("w3wp"));
    names.extend(["CExecSvc", "cmd"]);
    let id = |at: usize| u32::try_from(at).unwrap_or(0);
    names.into_iter().enumerate().map(|(at, name)| (name, id(at) * 4, 1200 + id(at) * 1711 % 24_000)).collect()
}

/// `tasklist [/fo csv] [/nh]`.
fn tasklist(session: &Session, arguments: &[String], io: &Io) -> Exit {
    let has = |word: &str| arguments.iter().any(|argument| argument.eq_ignore_ascii_case(word));
    let image = |name: &str| if name.starts_with("System") { name.to_owned() } else { format!("{name}.exe") };
    let thousands = |kib: u32| if kib < 1000 { kib.to_string() } else { format!("{},{:03}", kib / 1000, kib % 1000) };
    if has("csv") {
        let head = "\"Image Name\",\"PID\",\"Session Name\",\"Session#\",\"Mem Usage\"\r\n";
        io.stdout.text(if has("/nh") { "" } else { head });
        for (name, id, kib) in processes(session) {
            io.stdout.text(format!("\"{}\",\"{id}\",\"Services\",\"1\",\"{} K\"\r\n", image(name), thousands(kib)));
        }
        return 0;
    }
    if !has("/nh") {
        io.stdout.text(format!(
            "\r\nImage Name                     PID Session Name        Session#    Mem Usage\r\n{} {} {} {} {}\r\n",
            "=".repeat(25),
            "=".repeat(8),
            "=".repeat(16),
            "=".repeat(11),
            "=".repeat(12)
        ));
    }
    for (name, id, kib) in processes(session) {
        io.stdout.text(format!(
            "{:<25} {id:>8} {:<16} {:>11} {:>12}\r\n",
            image(name),
            "Services",
            1,
            format!("{} K", thousands(kib))
        ));
    }
    0
}

/// `route print`.
fn route(session: &Session, arguments: &[String], io: &Io) -> Exit {
    if !arguments.first().is_some_and(|word| word.eq_ignore_ascii_case("print")) {
        io.stdout
            .text("\r\nManipulates network routing tables.\r\n\r\nROUTE [-f] [-p] [-4|-6] command [destination]\r\n");
        return 1;
    }
    let adapter = &session.adapter;
    let [a, b, c, _] = adapter.address.octets();
    let line = "=".repeat(75);
    let row = |network: &str, mask: &str, gateway: &str, metric: u32| {
        format!("{network:>17} {mask:>16} {gateway:>16} {:>16} {metric:>6}\r\n", adapter.address.to_string())
    };
    let own = format!("{a}.{b}.{c}.0");
    io.stdout.text(format!(
        "{line}\r\nInterface List\r\n{:>3}...{} ......Hyper-V Virtual Ethernet Adapter\r\n  1...........................Software Loopback Interface 1\r\n\
         {line}\r\n\r\nIPv4 Route Table\r\n{line}\r\nActive Routes:\r\n\
         Network Destination        Netmask          Gateway       Interface  Metric\r\n{}{}{}{line}\r\nPersistent Routes:\r\n  None\r\n",
        adapter.index(),
        adapter.mac().to_lowercase().replace('-', " "),
        row("0.0.0.0", "0.0.0.0", &adapter.gateway().to_string(), 271),
        row(&own, "255.255.255.0", "On-link", 271),
        row("127.0.0.0", "255.0.0.0", "On-link", 331),
    ));
    0
}

/// `netstat -an`: the ports that the container's programs have open are not known here; those of Windows are.
fn netstat(session: &Session, io: &Io) -> Exit {
    let address = session.adapter.address;
    let row = |local: String| format!("  TCP    {local:<22} 0.0.0.0:0              LISTENING\r\n");
    let mut text =
        "\r\nActive Connections\r\n\r\n  Proto  Local Address          Foreign Address        State\r\n".to_owned();
    let web = session.kit.contains(&"servicemonitor");
    text.extend(web.then(|| row("0.0.0.0:80".to_owned())));
    text.extend(["0.0.0.0:135".to_owned(), "0.0.0.0:49664".to_owned(), format!("{address}:139")].map(row));
    if session.machine.is_some() {
        text.extend([10250, 10256].map(|port| row(format!("0.0.0.0:{port}"))));
    }
    io.stdout.text(text);
    0
}

/// `shutdown /r [/t N] [/f]`: restarts the node; a container has nothing that it could restart.
fn shutdown(session: &Session, arguments: &[String], io: &Io) -> Exit {
    let has =
        |letter: &str| arguments.iter().any(|word| word.trim_start_matches(['/', '-']).eq_ignore_ascii_case(letter));
    match &session.machine {
        None => {
            io.stderr.text("Access is denied.(5)\r\n");
            5
        }
        Some(machine) if has("r") || has("g") => {
            machine.reboot();
            0
        }
        Some(_) => {
            io.stderr.text("The parameter is incorrect.(87)\r\n");
            87
        }
    }
}

fn line(io: &Io, text: &str) -> Exit {
    io.stdout.text(format!("{text}\r\n"));
    0
}

/// `timeout /t N` wants a console and says so without one, as every script finds out once.
async fn timeout(session: &Session, arguments: &[String], io: &Io) -> Exit {
    let no_break = arguments.iter().any(|argument| argument.eq_ignore_ascii_case("/nobreak"));
    let seconds = arguments.iter().find_map(|argument| argument.parse::<u64>().ok());
    match seconds {
        Some(seconds) if no_break => {
            session.clock.pass(Duration::from_secs(seconds)).await;
            0
        }
        Some(_) => {
            io.stderr.text("ERROR: Input redirection is not supported, exiting the process immediately.\r\n");
            1
        }
        None => {
            io.stderr.text("ERROR: Invalid syntax.\r\nType \"TIMEOUT /?\" for usage.\r\n");
            1
        }
    }
}

fn find_program(session: &Session, arguments: &[String], io: &Io) -> Exit {
    let Some(wanted) = arguments.first() else {
        io.stderr.text("ERROR: The syntax of the command is incorrect.\r\n");
        return 2;
    };
    let name = super::program_name(wanted);
    if session.has(&name) {
        return line(io, &format!("C:\\Windows\\System32\\{name}.exe"));
    }
    io.stderr.text("INFO: Could not find files for the given pattern(s).\r\n");
    1
}

async fn findstr(session: &Session, arguments: &[String], io: &Io) -> Exit {
    let (switches, operands): (Vec<&String>, Vec<&String>) = arguments.iter().partition(|word| word.starts_with('/'));
    let has = |letter: char| switches.iter().any(|switch| switch.to_ascii_lowercase().contains(letter));
    let literal = switches.iter().find_map(|switch| switch.strip_prefix("/c:").or_else(|| switch.strip_prefix("/C:")));
    let patterns: Vec<String> = match literal {
        Some(literal) => vec![literal.to_owned()],
        None => operands.first().map(|words| words.split(' ').map(str::to_owned).collect()).unwrap_or_default(),
    };
    if patterns.is_empty() {
        io.stderr.text("FINDSTR: Bad command line\r\n");
        return 2;
    }
    let input = match operands.get(usize::from(literal.is_none())) {
        Some(path) => match session.read(path).await {
            Ok(bytes) => bytes,
            Err(_cannot) => {
                io.stderr.text(format!("FINDSTR: Cannot open {path}\r\n"));
                return 1;
            }
        },
        None => io.stdin.rest().await,
    };
    let fold = |text: &str| if has('i') { text.to_lowercase() } else { text.to_owned() };
    let text = String::from_utf8_lossy(&input).into_owned();
    let found: Vec<&str> = (text.lines())
        .filter(|line| patterns.iter().any(|pattern| fold(line).contains(&fold(pattern))) != has('v'))
        .collect();
    io.stdout.text(found.iter().map(|line| format!("{line}\r\n")).collect::<String>());
    Exit::from(found.is_empty())
}
