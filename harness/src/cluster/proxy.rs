//! Which proxy leads to the API server, decided as kubectl decides it.
//!
//! A kubeconfig's `proxy-url` always counts. Otherwise the environment's
//! `HTTPS_PROXY` and `NO_PROXY` do, and never for a server on this machine. (kube
//! holds `NO_PROXY` against the proxy's own name, so its decision is not used.)

use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use kube::config::Kubeconfig;

/// The protocols that the client speaks with a proxy.
const SCHEMES: [&str; 3] = ["http", "https", "socks5"];

/// The proxy of a cluster in a kubeconfig, as it is written there.
pub(super) fn written(kubeconfig: &Kubeconfig, context: &str) -> Option<String> {
    let context = kubeconfig.contexts.iter().find(|named| named.name == context)?.context.as_ref()?;
    let cluster = kubeconfig.clusters.iter().find(|named| named.name == context.cluster)?;
    cluster.cluster.as_ref()?.proxy_url.clone().filter(|url| !url.is_empty())
}

/// The proxy to `server`.
///
/// # Errors
///
/// A sentence, when the proxy that is written down cannot be used.
pub(super) fn to(server: &Uri, written: Option<&str>, environment: &Matcher) -> Result<Option<Uri>, String> {
    let proxy = match written {
        // Go's client takes a scheme-less proxy for HTTP, and socks5h for socks5: names are resolved there.
        Some(text) => {
            let text = text.replacen("socks5h://", "socks5://", 1);
            let text = if text.contains("://") { text } else { format!("http://{text}") };
            Some(text.parse::<Uri>().map_err(|_unparsable| format!("its proxy `{}` is no URL", without_user(&text)))?)
        }
        None if server.host().is_some_and(is_this_machine) => None,
        None => environment.intercept(server).map(|found| found.uri().clone()),
    };
    match &proxy {
        Some(proxy) if !proxy.scheme_str().is_some_and(|scheme| SCHEMES.contains(&scheme)) => Err(format!(
            "its proxy `{}` is none of {}",
            without_user(&proxy.to_string()),
            SCHEMES.map(|scheme| format!("{scheme}://")).join(", ")
        )),
        _ => Ok(proxy),
    }
}

/// A URL without the user and password that may be in it.
fn without_user(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        _ => url.to_owned(),
    }
}

pub(super) fn is_this_machine(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(server: &str, written: Option<&str>) -> Result<Option<String>, String> {
        let environment = Matcher::builder().https("http://env.corp:3128").no("10.0.0.0/8,.svc,internal.corp,").build();
        to(&server.parse().unwrap(), written, &environment).map(|proxy| proxy.map(|uri| uri.to_string()))
    }

    #[test]
    fn the_environments_proxy_is_used_unless_the_server_is_excepted_or_here() {
        assert_eq!(decided("https://api.example.com", None), Ok(Some("http://env.corp:3128/".to_owned())));
        for near in
            ["https://10.1.2.3:6443", "https://k8s.internal.corp", "https://127.0.0.1:6443", "https://[::1]:6443"]
        {
            assert_eq!(decided(near, None), Ok(None), "{near}");
        }
    }

    #[test]
    fn a_proxy_in_the_kubeconfig_always_counts() {
        for server in ["https://10.1.2.3:6443", "https://127.0.0.1:6443"] {
            assert_eq!(decided(server, Some("socks5h://jump:1080")), Ok(Some("socks5://jump:1080/".to_owned())));
        }
        assert_eq!(decided("https://a", Some("jump:3128")), Ok(Some("http://jump:3128/".to_owned())));
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_named_without_its_password() {
        let refused = decided("https://a", Some("ftp://user:secret@jump:21")).unwrap_err();
        assert_eq!(refused, "its proxy `ftp://jump:21/` is none of http://, https://, socks5://");
        assert!(!decided("https://a", Some("http://user:secret@a b")).unwrap_err().contains("secret"));
    }
}
