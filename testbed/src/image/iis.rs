//! Internet Information Services with the page that it comes with.

use std::{sync::Arc, time::Duration};

use futures::future::FutureExt;

use super::http;
use crate::command::{Exit, Io, Session};

/// How long the service needs before it listens.
const BEFORE_LISTENING: Duration = Duration::from_secs(3);
/// The length of the page that IIS comes with.
const PAGE_LENGTH: usize = 703;

/// `ServiceMonitor.exe w3svc`: runs as long as the web service.
pub(super) async fn main(session: &Session, arguments: &[String], io: &Io) -> Exit {
    let Some(service) = arguments.first() else {
        io.stderr.text("\r\nUSAGE: ServiceMonitor.exe [service name]\r\n");
        return 1;
    };
    if !service.eq_ignore_ascii_case("w3svc") {
        io.stderr.text(format!("\r\nService '{service}' could not be opened\r\n"));
        return 1;
    }
    io.stdout.text(format!("\r\nService '{service}' has been stopped\r\n\r\nAPPCMD failed with error code 183\r\n\r\nFailed to update IIS configuration\r\n\r\nService '{service}' started\r\n"));
    session.clock.pass(BEFORE_LISTENING).await;
    let page = page();
    let respond: http::Respond = Arc::new(move |request, _| {
        let page = page.clone();
        async move {
            match request.uri().path() {
                "/" | "/iisstart.htm" => http::answer(
                    200,
                    &[
                        ("content-type", "text/html"),
                        ("last-modified", "Wed, 12 Aug 2026 07:00:00 GMT"),
                        ("accept-ranges", "bytes"),
                        ("etag", "\"965c9516cb2d61:0\""),
                        ("server", "Microsoft-IIS/10.0"),
                    ],
                    page,
                ),
                _ => http::answer(
                    404,
                    &[("content-type", "text/html"), ("server", "Microsoft-IIS/10.0")],
                    "The resource you are looking for has been removed, had its name changed, or is temporarily unavailable.",
                ),
            }
        }
        .boxed()
    });
    let _open = session.link.listen(80, http::server(respond));
    std::future::pending().await
}

/// A page of our own under IIS' title, padded to the length that IIS announces.
fn page() -> String {
    let head = "<!DOCTYPE html>\r\n<html>\r\n<head>\r\n<title>IIS Windows Server</title>\r\n</head>\r\n<body>\r\n<h1>IIS Windows Server</h1>\r\n<!--";
    let tail = "-->\r\n</body>\r\n</html>";
    let padding = PAGE_LENGTH.saturating_sub(head.len() + tail.len());
    format!("{head}{}{tail}", "=".repeat(padding))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_the_title_and_the_length_of_the_original() {
        assert!(page().contains("<title>IIS Windows Server</title>"));
        assert_eq!(page().len(), 703);
    }
}
