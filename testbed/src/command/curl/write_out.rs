//! `--write-out`.

use super::transfer::Transfer;

/// Fills in a format; also returns the names it does not know.
pub(super) fn fill(format: &str, transfer: &Transfer) -> (String, Vec<String>) {
    let mut text = String::new();
    let mut unknown = Vec::new();
    let mut rest = format;
    while let Some(character) = rest.chars().next() {
        let after = rest.get(character.len_utf8()..).unwrap_or_default();
        if let Some((name, tail)) = rest.strip_prefix("%{").and_then(|inner| inner.split_once('}')) {
            match variable(name, transfer) {
                Some(value) => text.push_str(&value),
                None => unknown.push(name.to_owned()),
            }
            rest = tail;
            continue;
        }
        let escaped = match character {
            '\\' => match after.chars().next() {
                Some('n') => Some('\n'),
                Some('r') => Some('\r'),
                Some('t') => Some('\t'),
                _ => None,
            },
            '%' => after.starts_with('%').then_some('%'),
            _ => None,
        };
        match escaped {
            Some(escaped) => {
                text.push(escaped);
                rest = after.get(1..).unwrap_or_default();
            }
            None => {
                text.push(character);
                rest = after;
            }
        }
    }
    (text, unknown)
}

fn variable(name: &str, transfer: &Transfer) -> Option<String> {
    let seconds = |seconds: f64| format!("{seconds:.6}");
    let remote = transfer.remote.map(|address| (address.ip().to_string(), address.port().to_string()));
    let local = transfer.local.map(|address| (address.ip().to_string(), address.port().to_string()));
    Some(match name {
        "http_code" | "response_code" => format!("{:03}", transfer.status),
        "time_namelookup" => seconds(transfer.looked_up),
        "time_connect" => seconds(transfer.connected),
        "time_appconnect" => seconds(transfer.secured),
        "time_pretransfer" => seconds(transfer.connected.max(transfer.secured)),
        "time_starttransfer" => seconds(transfer.answered),
        "time_total" => seconds(transfer.total),
        "size_download" => transfer.body.len().to_string(),
        "remote_ip" => remote.map(|(ip, _)| ip).unwrap_or_default(),
        "remote_port" => remote.map_or_else(|| "0".to_owned(), |(_, port)| port),
        "local_ip" => local.map(|(ip, _)| ip).unwrap_or_default(),
        "local_port" => local.map_or_else(|| "0".to_owned(), |(_, port)| port),
        "url" | "url_effective" => transfer.url.clone(),
        "num_connects" => usize::from(transfer.connected > 0.0).to_string(),
        "exitcode" => transfer.failure.as_ref().map_or(0, |failure| failure.code).to_string(),
        "errormsg" => transfer.failure.as_ref().map(|failure| failure.message.clone()).unwrap_or_default(),
        _ => return None,
    })
}
