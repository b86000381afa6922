//! The event log of a node, and its installed updates.

use jiff::{SignedDuration, Timestamp};

use super::{Exit, Io, Session, machine::Picture};

/// An event of the log `System`.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) at: Timestamp,
    pub(super) source: &'static str,
    pub(super) id: u32,
    pub(super) message: String,
}

/// The newest events first.
pub(super) fn system(picture: &Picture) -> Vec<Event> {
    let before = |seconds: i64| picture.booted - SignedDuration::from_secs(seconds);
    let event = |at, source, id, message: String| Event { at, source, id, message };
    let mut events = vec![
        event(
            picture.booted,
            "Service Control Manager",
            7036,
            "The Host Network Service service entered the running state.".into(),
        ),
        event(picture.booted, "EventLog", 6013, "The system uptime is 12 seconds.".into()),
        event(picture.booted, "EventLog", 6005, "The Event log service was started.".into()),
        event(
            picture.booted,
            "Microsoft-Windows-Kernel-General",
            12,
            format!(
                "The operating system started at system time {}.",
                picture.booted.strftime("%Y-%m-%dT%H:%M:%S.%9fZ")
            ),
        ),
    ];
    if picture.restarted {
        let name = picture.name.to_uppercase();
        events.push(event(before(1), "EventLog", 6006, "The Event log service was stopped.".into()));
        events.push(event(
            before(2),
            "User32",
            1074,
            format!(
                "The process C:\\Windows\\system32\\shutdown.exe ({name}) has initiated the restart of computer {name} on behalf of user \
                 NT AUTHORITY\\SYSTEM for the following reason: No title for this reason could be found\r\n Reason Code: 0x800000ff\r\n \
                 Shutdown Type: restart\r\n Comment: "
            ),
        ));
    }
    events
}

/// `wevtutil qe LOG [/c:N] [/rd:true] [/f:text]`.
pub(super) fn wevtutil(session: &Session, arguments: &[String], io: &Io) -> Exit {
    let words: Vec<String> = arguments.iter().map(|word| word.to_ascii_lowercase()).collect();
    let option = |name: &str| words.iter().find_map(|word| word.strip_prefix(name)).map(ToOwned::to_owned);
    match words.first().map(String::as_str) {
        Some("qe" | "query-events") => {}
        _ => {
            io.stderr.text("Invalid command.\r\n");
            return 87;
        }
    }
    let mut events = match (&session.machine, words.get(1).map(String::as_str)) {
        (Some(machine), Some("system")) => system(&machine.look()),
        (_, Some("system" | "application" | "security")) => Vec::new(),
        _ => {
            io.stderr.text("Failed to open channel. The specified channel could not be found.\r\n");
            return 15007;
        }
    };
    if option("/rd:").as_deref() != Some("true") {
        events.reverse();
    }
    let most = option("/c:").and_then(|count| count.parse().ok()).unwrap_or(usize::MAX);
    let computer = &session.host_name;
    for (at, event) in events.iter().take(most).enumerate() {
        io.stdout.text(format!(
            "Event[{at}]\r\n  Log Name: System\r\n  Source: {}\r\n  Date: {}\r\n  Event ID: {}\r\n  Task: N/A\r\n  Level: Information\r\n  \
             Opcode: N/A\r\n  Keyword: N/A\r\n  User: N/A\r\n  User Name: N/A\r\n  Computer: {computer}\r\n  Description: \r\n{}\r\n\r\n",
            event.source,
            event.at.strftime("%Y-%m-%dT%H:%M:%S.%7fZ"),
            event.id,
            event.message,
        ));
    }
    0
}

/// An installed update: kind, number, when.
pub(super) struct Update {
    pub(super) description: &'static str,
    pub(super) id: String,
    pub(super) installed: &'static str,
}

/// The updates that a patch level comes from: numbers of our own, the same for the same level.
pub(super) fn updates(version: &str) -> Vec<Update> {
    let number = |what: &str| {
        let hex = crate::image::digest(&[what, version]);
        let value = u32::from_str_radix(hex.get(..6).unwrap_or("0"), 16).unwrap_or(0);
        format!("KB50{:05}", value % 100_000)
    };
    vec![
        Update { description: "Update", id: number("dotnet"), installed: "7/14/2026 12:00:00 AM" },
        Update { description: "Security Update", id: number("cumulative"), installed: "8/12/2026 12:00:00 AM" },
        Update { description: "Security Update", id: number("servicing"), installed: "8/12/2026 12:00:00 AM" },
    ]
}
