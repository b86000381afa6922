//! Defects of a standing testbed.

use std::fmt::Write;

use winconform_testbed::{
    control,
    fault::{Counter, Fault, catalogue},
};

use super::standing;
use crate::{error::CliError, terminal::Terminal};

pub(super) async fn inject(name: &str, fault: &str, terminal: Terminal) -> Result<u8, CliError> {
    let fault = Fault::find(fault)?;
    let info = standing::find(name).await?;
    let injected = fault.name.clone();
    control::Client::connect(&info.control_socket).await?.inject(fault).await?;
    terminal.say(format_args!("`{injected}` is in force; `winconform testbed heal {injected}` takes it out"));
    Ok(0)
}

pub(super) async fn heal(name: &str, fault: Option<&str>, terminal: Terminal) -> Result<u8, CliError> {
    let info = standing::find(name).await?;
    let counters = control::Client::connect(&info.control_socket).await?.heal(fault).await?;
    terminal.out(&counted(&counters));
    Ok(0)
}

fn counted(counters: &[Counter]) -> String {
    let mut text = String::new();
    for counter in counters {
        let Counter { fault, effect, kind, considered, applied, .. } = counter;
        let _ = writeln!(text, "{fault}, effect {effect} ({kind}): considered {considered} times, applied {applied}");
    }
    text
}

pub(super) fn list(fault: Option<&str>, terminal: Terminal) -> Result<u8, CliError> {
    let text = match fault {
        Some(name) => {
            let fault = catalogue::get(name)?;
            catalogue::yaml(&fault.name).unwrap_or_default().to_owned()
        }
        None => {
            let mut text = String::new();
            for name in catalogue::names() {
                let _ = writeln!(text, "{name:<44} {}", catalogue::get(name)?.summary);
            }
            text
        }
    };
    terminal.out(&text);
    Ok(0)
}
