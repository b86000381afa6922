//! `curl`, as far as probes use it: real HTTP/1.1 over the virtual network.
//!
//! Only numbers are stable across curl's versions, and tools read those: exit
//! codes, `curl: (7)`, and `--write-out`. Times are real times, whatever the
//! testbed's clock, so that output looks as it does on a real node.

mod options;
mod tls;
mod transfer;
mod write_out;

pub(crate) use self::tls::secure;
use self::{
    options::{Options, UsageError},
    transfer::{Failure, Transfer},
};
use super::{Exit, Io, Session, Sink};

/// Runs curl.
pub(super) async fn main(session: &Session, arguments: &[String], io: &Io) -> Exit {
    let options = match Options::read(arguments) {
        Ok(options) => options,
        Err(UsageError::Help) => {
            io.stdout.text("Usage: curl [options...] <url>\n");
            return 0;
        }
        Err(UsageError::Version) => {
            let (version, system) = if session.system.is_windows() {
                ("8.13.0 (Windows)", "libcurl/8.13.0 Schannel zlib/1.3.1 WinIDN")
            } else {
                ("8.14.1 (x86_64-alpine-linux-musl)", "libcurl/8.14.1 OpenSSL/3.5.1 zlib/1.3.1")
            };
            io.stdout.text(format!("curl {version} {system}\nProtocols: http https\n"));
            return 0;
        }
        Err(UsageError::Wrong(message)) => {
            io.stderr.text(format!("curl: {message}\ncurl: try 'curl --help' for more information\n"));
            return 2;
        }
    };
    let mut code = 0;
    for (index, url) in options.urls.iter().enumerate() {
        let transfer = with_retries(session, &options, url).await;
        let output = Output::of(session, io, options.outputs.get(index));
        if let Some(head) = &transfer.shown_head {
            output.sink.text(head);
        }
        output.sink.write(&transfer.body);
        output.close(session);
        if !options.silent && options.outputs.get(index).is_some() {
            io.stderr.text(meter(&transfer));
        }
        code = match &transfer.failure {
            Some(Failure { code, message }) => {
                if !options.silent || options.show_error {
                    io.stderr.text(format!("curl: ({code}) {message}\n"));
                }
                *code
            }
            None => 0,
        };
        if let Some(format) = &options.write_out {
            let (text, unknown) = write_out::fill(format, &transfer);
            io.stdout.text(text);
            for name in unknown {
                io.stderr.text(format!("curl: unknown --write-out variable: '{name}'\n"));
            }
        }
    }
    code
}

/// One URL, tried again as often as the options say.
async fn with_retries(session: &Session, options: &Options, url: &str) -> Transfer {
    let began = tokio::time::Instant::now();
    let mut delay = 1;
    let mut left = options.retries;
    loop {
        let transfer = transfer::run(session, options, url).await;
        let elapsed = session.unscaled(began.elapsed()).as_secs_f64();
        let in_time = options.retry_max_time.is_none_or(|most| elapsed < most);
        if left == 0 || !in_time || !options.is_transient(&transfer) {
            return transfer;
        }
        left -= 1;
        let wait = options.retry_delay.unwrap_or_else(|| std::time::Duration::from_secs(delay));
        delay = (delay * 2).min(600);
        session.clock.pass(wait).await;
        // At scale 0 nothing waits, and everything else must still get its turn.
        tokio::task::yield_now().await;
    }
}

/// Where a body goes.
struct Output {
    sink: Sink,
    file: Option<String>,
}

impl Output {
    fn of(session: &Session, io: &Io, path: Option<&String>) -> Self {
        match path.map(String::as_str) {
            None | Some("-") => Self { sink: io.stdout.clone(), file: None },
            Some(path) if is_nowhere(session, path) => Self { sink: Sink::Null, file: None },
            Some(path) => Self { sink: Sink::keeping(), file: Some(path.to_owned()) },
        }
    }

    fn close(self, session: &Session) {
        if let Some(path) = self.file {
            session.files.write(&path, &self.sink.take(), false);
        }
    }
}

fn is_nowhere(session: &Session, path: &str) -> bool {
    if session.system.is_windows() { path.eq_ignore_ascii_case("nul") } else { path == "/dev/null" }
}

/// The progress meter, as it stands when a transfer has ended.
fn meter(transfer: &Transfer) -> String {
    let size = transfer.body.len();
    format!(
        "  % Total    % Received % Xferd  Average Speed   Time    Time     Time  Current\n\
         \x20                                Dload  Upload   Total   Spent    Left  Speed\n\
         \r100 {size:>5}  100 {size:>5}    0     0  {size:>5}      0 --:--:-- --:--:-- --:--:-- {size:>5}\n"
    )
}

#[cfg(test)]
mod tests;
