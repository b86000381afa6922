//! Testbeds that stay.

use std::{fmt::Write, time::Duration};

use serde::Serialize;
use winconform_testbed::{client::Standing, control, progress::Info, serve::ServeOptions, shape::Shape};

use crate::{
    arguments::ShapeArguments,
    error::CliError,
    progress::{Detail, Display},
    session::{listen_for_signals, own_executable},
    terminal::Terminal,
};

/// The testbed of that name.
pub(super) async fn find(name: &str) -> Result<Info, CliError> {
    Standing::of_user().find(name).await?.ok_or_else(|| CliError::NoTestbed { name: name.to_owned() })
}

/// A standing testbed's options; the shape is read now, so that a bad one costs no boot.
pub(super) fn options(shape: &ShapeArguments) -> Result<ServeOptions, CliError> {
    Shape::find(&shape.shape)?;
    Ok(ServeOptions {
        shape: Shape::anchored(&shape.shape),
        latency: shape.latency,
        control_plane_dir: shape.control_plane_dir.clone(),
        api_front: true, // whoever keeps one may put any fault into it
        ..ServeOptions::default()
    })
}

pub(super) async fn up(name: &str, options: &ServeOptions, terminal: Terminal) -> Result<u8, CliError> {
    let info = start(name, options, terminal).await?;
    terminal.out(&exports(&info));
    let of = if name == "default" { String::new() } else { format!(" --name {name}") };
    terminal.say(format_args!(
        "# `eval \"$(winconform testbed env{of})\"` sets this; `winconform testbed down{of}` stops it"
    ));
    Ok(0)
}

/// Starts one and shows how that goes.
pub(super) async fn start(name: &str, options: &ServeOptions, terminal: Terminal) -> Result<Info, CliError> {
    let display = Display::new(terminal, Detail::Everything);
    let stop = listen_for_signals(&display)?;
    let executable = own_executable()?;
    let testbeds = Standing::of_user();
    let up = testbeds.up(&executable, options, name, |progress| display.testbed(&progress));
    let started = tokio::select! {
        started = up => started,
        () = stop.cancelled() => return Err(CliError::Stopped),
    };
    display.finish();
    Ok(started?)
}

pub(super) async fn down(name: &str, terminal: Terminal) -> Result<u8, CliError> {
    match Standing::of_user().down(name).await? {
        true => {
            terminal.say(format_args!("testbed `{name}` is down"));
            Ok(0)
        }
        false => Err(CliError::NoTestbed { name: name.to_owned() }),
    }
}

pub(super) async fn down_all(terminal: Terminal) -> Result<u8, CliError> {
    for (name, _) in Standing::of_user().list().await? {
        down(&name, terminal).await?;
    }
    Ok(0)
}

pub(super) async fn env(name: &str, terminal: Terminal) -> Result<u8, CliError> {
    terminal.out(&exports(&find(name).await?));
    Ok(0)
}

/// What a shell evaluates to use a testbed.
fn exports(info: &Info) -> String {
    format!(
        "export KUBECONFIG={}\nexport WINCONFORM_OUTSIDE_PROXY={}\nexport WINCONFORM_TIMEOUT_SCALE={}\n",
        quoted(&info.kubeconfig.display().to_string()),
        quoted(&info.outside_proxy),
        crate::session::timeout_scale(info.latency),
    )
}

/// A word as a POSIX shell reads it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:".contains(c);
    if word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// A testbed, as `status` tells of it.
#[derive(Debug, Serialize)]
struct Told {
    name: String,
    info: Info,
    status: control::Status,
}

pub(super) async fn status(json: bool, terminal: Terminal) -> Result<u8, CliError> {
    let mut standing = Vec::new();
    for (name, info) in Standing::of_user().list().await? {
        let status = control::Client::connect(&info.control_socket).await?.status().await?;
        standing.push(Told { name, info, status });
    }
    let text = match json {
        true => serde_json::to_string_pretty(&standing).map_err(CliError::Json)? + "\n",
        false if standing.is_empty() => "no testbed is up; `winconform testbed up` starts one\n".to_owned(),
        false => standing.iter().map(in_words).collect(),
    };
    terminal.out(&text);
    Ok(0)
}

fn in_words(standing: &Told) -> String {
    let Told { name, info, status } = standing;
    let boot = Duration::from_millis(info.boot_ms).as_secs_f64();
    let mut text = format!(
        "{name}: Kubernetes {}, shape `{}`, latency {}, booted in {boot:.1} s, process {}\n  kubeconfig     {}\n  \
         outside proxy  {}\n  logs           {}\n",
        info.version,
        info.shape,
        info.latency,
        info.pid,
        info.kubeconfig.display(),
        info.outside_proxy,
        info.state_dir.join("logs").display(),
    );
    for node in &status.nodes {
        let build = node.build.as_deref().unwrap_or_default();
        let _ = writeln!(text, "  node           {} ({}) {build}", node.name, node.os);
    }
    for fault in &status.faults {
        let _ = writeln!(text, "  fault          {fault}");
    }
    text
}

pub(super) fn shapes(terminal: Terminal) -> Result<u8, CliError> {
    let mut text = String::new();
    for name in Shape::shipped() {
        let _ = writeln!(text, "{name:<20} {}", Shape::find(name)?.about);
    }
    terminal.out(&text);
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_would_take_apart_is_quoted() {
        assert_eq!(quoted("/tmp/a-b/c.kubeconfig"), "/tmp/a-b/c.kubeconfig");
        assert_eq!(quoted("/tmp/it's here"), r"'/tmp/it'\''s here'");
    }
}
