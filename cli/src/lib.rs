//! The `winconform` command, as a library that its tests and `cargo test` share.
//!
//! # The nouns
//!
//! * [`Arguments`] are what the user typed; each subcommand is a file here.
//! * A [`Session`](session::Session) wires one run: it gets the cluster (a testbed
//!   or a kubeconfig context), gives the runner its sinks (the log, the terminal, a
//!   waiting `cargo test`), and turns what the run left behind into reports.
//! * A [`Display`](progress::Display) is what the user sees while waiting.
//!
//! # What this crate does not do
//!
//! It does not know how any check works: checks, their order and their fixtures
//! come from `winconform-suites`, verdicts from the harness, words from the reports.

pub mod arguments;
pub mod cleanup;
pub mod compare;
pub mod error;
pub mod explain;
pub mod history;
pub mod images;
pub mod judging;
pub mod list;
pub mod manifests;
pub mod plan;
pub mod progress;
pub mod projection;
pub mod rbac;
pub mod report;
pub mod run;
pub mod session;
pub mod terminal;
pub mod testbed;
pub mod trust;

use std::process::ExitCode;

use clap::Parser;

pub use self::{arguments::Arguments, error::CliError};
use self::{arguments::Command, terminal::Terminal};

/// What the command does, from the arguments of this process to its exit code.
///
/// This makes a runtime of its own, so it must not be called inside one.
#[must_use]
pub fn main() -> ExitCode {
    // A usage error is printed by clap, which exits with 2 as we do.
    let arguments = Arguments::parse();
    let terminal = Terminal::new(arguments.color, arguments.quiet);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return terminal.fail(&CliError::Runtime(error)),
    };
    prepare(arguments.verbose);
    let done = runtime.block_on(dispatch(arguments.command, terminal));
    runtime.shutdown_background(); // a thread that waits for input must not hold the process
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => terminal.fail(&error),
    }
}

/// What every process of ours needs before its first connection: one TLS provider, and where debug logs go.
///
/// Debug logs go to standard error when asked for: by `--verbose`, or by a filter in `WINCONFORM_LOG`.
pub fn prepare(verbose: bool) {
    // A second installation is refused, which is fine: it is the same provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let filter = tracing_subscriber::EnvFilter::try_from_env("WINCONFORM_LOG");
    let filter = match (filter, verbose) {
        (Ok(filter), _) => filter,
        (Err(_), true) => tracing_subscriber::EnvFilter::new("winconform=debug,winconform_harness=debug,kube=info"),
        (Err(_), false) => return,
    };
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
}

async fn dispatch(command: Command, terminal: Terminal) -> Result<u8, CliError> {
    match command {
        Command::Run(arguments) => run::run(*arguments, terminal).await,
        Command::Plan(arguments) => plan::plan(*arguments, terminal).await,
        Command::List(arguments) => list::list(&arguments, terminal),
        Command::Explain(arguments) => explain::explain(&arguments, terminal),
        Command::Manifests(arguments) => manifests::manifests(*arguments, terminal).await,
        Command::Images(arguments) => images::images(*arguments, terminal).await,
        Command::Rbac(arguments) => rbac::rbac(&arguments, terminal),
        Command::History(arguments) => history::history(&arguments, terminal),
        Command::Compare(arguments) => compare::compare(&arguments, terminal),
        Command::Cleanup(arguments) => cleanup::cleanup(arguments, terminal).await,
        Command::Report(arguments) => report::report(arguments, terminal),
        Command::Trust(arguments) => trust::trust(*arguments, terminal).await,
        Command::Testbed(arguments) => testbed::testbed(arguments, terminal).await,
    }
}
