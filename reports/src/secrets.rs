//! Hides secrets in text from outside.
//!
//! Containers print their environment, runtimes quote the registry's answer, API
//! servers the request. None of that is meant to be published, and a report is. So
//! the harness takes secrets out of each event before anybody sees it, and the
//! reader of logs does it again, for logs of older versions and of other hands.
//!
//! Only what is recognisable is hidden: a password that stands in a sentence like
//! any other word is a word. In doubt a text is hidden, except where it would take
//! the reason out of a verdict (`token: expired`).

use std::{borrow::Cow, sync::LazyLock};

use regex::{Captures, Regex};
use serde_json::Value;

use crate::event::Record;

/// What stands where a secret was.
const HIDDEN: &str = "(hidden)";

/// Without any of these there is nothing to look for; most texts have none.
static SUSPICIOUS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)eyJ|authorization|bearer|:/|passw|pwd|secret|token|api.?key|access.?key|account.?key|key-data|\bauth\b|sig=|AKIA|gh[a-z]_|github_pat|PRIVATE KEY",
    )
});

/// A PEM block, to its end or to where the text was cut. In a JSON string its line feeds are `\n`.
static PRIVATE_KEY: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\sA-Za-z0-9+/=\\:,-]*?(-----END [A-Z ]*PRIVATE KEY-----|$|[^\sA-Za-z0-9+/=\\:,-])",
    )
});

/// The rest of a header's line; in JSON, of the string.
static HEADER: LazyLock<Regex> =
    LazyLock::new(|| pattern(r#"(?i)((?:proxy-)?authorization\\?["']?\s*[:=]\s*\\?["']?)[^\r\n"'\\]+"#));

/// Tokens that are known by their form: JSON web tokens, GitHub's, keys of AWS, signatures of Azure.
static TOKEN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*)?|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    )
});

/// `Bearer abc`, without its header.
static BEARER: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)\b(bearer\s+)([A-Za-z0-9+/=._~-]{8,})"));

/// `https://user:password@host`.
static USER_OF_URL: LazyLock<Regex> =
    LazyLock::new(|| pattern(r#"(?i)([a-z][a-z0-9+.-]*:\\?/\\?/)[^\s/@:"'\\]*:[^\s/@"']+@"#));

/// `name=value`, `name: value`, `"name": "value"`, also within a JSON string.
static ASSIGNMENT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r#"(?i)(?P<name>[a-z0-9_.-]*(?:passw(?:or)?d|pwd|secret|token|api[_-]?key|access[_-]?key|account[_-]?key|"#,
        r#"private[_-]?key|key-data|\bauth\b|\bsig\b)[a-z0-9_-]*)"#,
        r#"(?P<between>\\?["']?\s*(?P<sign>[:=])[ \t]*)(?:(?P<open>\\?")(?P<quoted>[^"\\]+)|(?P<plain>[^\s"'\\,;&{}\[\]()<>]+))"#,
    ))
});

/// The patterns are constants, and each is used by a test of this module.
fn pattern(text: &str) -> Regex {
    Regex::new(text).unwrap_or_else(|error| unreachable!("{error}"))
}

/// The text without what looks like a secret: tokens, passwords, private keys,
/// `Authorization` headers, names and passwords in URLs.
#[must_use]
pub fn without_secrets(text: &str) -> Cow<'_, str> {
    if !SUSPICIOUS.is_match(text) {
        return Cow::Borrowed(text);
    }
    let mut out = Cow::Borrowed(text);
    replace(&mut out, |text| PRIVATE_KEY.replace_all(text, HIDDEN));
    replace(&mut out, |text| HEADER.replace_all(text, format!("${{1}}{HIDDEN}")));
    replace(&mut out, |text| TOKEN.replace_all(text, HIDDEN));
    replace(&mut out, |text| BEARER.replace_all(text, bearer));
    replace(&mut out, |text| USER_OF_URL.replace_all(text, format!("${{1}}{HIDDEN}@")));
    replace(&mut out, |text| ASSIGNMENT.replace_all(text, assignment));
    out
}

/// Whether a line of a log is worth [the work](record_without_secrets) of looking into its texts: most are not.
///
/// Our own lines escape nothing that a pattern has; with escapes that other hands write, a look is due.
#[must_use]
pub(crate) fn may_hold_secrets(line: &[u8]) -> bool {
    match str::from_utf8(line) {
        Ok(line) => SUSPICIOUS.is_match(line) || line.contains("\\u") || line.contains("\\/"),
        Err(_) => true,
    }
}

/// The same for every text of an event, names and ids too: what is hidden in one
/// place is hidden alike in all, so they still fit each other.
#[must_use]
pub fn record_without_secrets(record: Record) -> Record {
    let Ok(line) = serde_json::to_string(&record) else { return record };
    if !SUSPICIOUS.is_match(&line) {
        return record;
    }
    let Ok(mut value) = serde_json::from_str(&line) else { return record };
    hide(&mut value);
    serde_json::from_value(value).unwrap_or(record)
}

fn hide(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Cow::Owned(clean) = without_secrets(text) {
                *text = clean;
            }
        }
        Value::Array(entries) => entries.iter_mut().for_each(hide),
        Value::Object(fields) => fields.values_mut().for_each(hide),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn replace(out: &mut Cow<'_, str>, by: impl Fn(&str) -> Cow<'_, str>) {
    if let Cow::Owned(changed) = by(out) {
        *out = Cow::Owned(changed);
    }
}

/// "Bearer authentication" is a word, not a token.
fn bearer(found: &Captures<'_>) -> String {
    let token = &found[2];
    if looks_random(token) { format!("{}{HIDDEN}", &found[1]) } else { found[0].to_owned() }
}

fn assignment(found: &Captures<'_>) -> String {
    let name = found["name"].to_ascii_lowercase();
    let quoted = found.name("quoted");
    let value = quoted.or_else(|| found.name("plain")).map_or("", |value| value.as_str());
    let password = ["passwd", "password", "pwd"].iter().any(|word| name.contains(word));
    // In a sentence a colon introduces an explanation; an equals sign, or quotes, a value.
    let is_value = &found["sign"] == "=" || quoted.is_some() || password || looks_random(value);
    if names_an_object(&name) || value == HIDDEN || is_path_or_word(value) || !is_value {
        return found[0].to_owned();
    }
    let open = found.name("open").map_or("", |open| open.as_str());
    format!("{}{}{open}{HIDDEN}", &found["name"], &found["between"])
}

/// `secretName: a`, `--pull-secret=a`: which secret, not what is in it.
fn names_an_object(name: &str) -> bool {
    let name = name.replace(['-', '_'], "");
    ["name", "pullsecret", "pullsecrets", "ref", "automountserviceaccounttoken", "expirationseconds"]
        .iter()
        .any(|end| name.ends_with(end))
}

/// What no secret is: where it lies, whether there is one.
fn is_path_or_word(value: &str) -> bool {
    value.starts_with('/') || ["true", "false", "null", "none"].contains(&value.to_ascii_lowercase().as_str())
}

fn looks_random(value: &str) -> bool {
    value.len() >= 8 && value.contains(|c: char| c.is_ascii_digit()) || value.len() >= 32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::Event;

    const JWT: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl";

    #[test]
    fn secrets_are_hidden_wherever_they_stand() {
        for (text, secret) in [
            (format!("a {JWT} b"), JWT),
            ("Authorization: Basic Z2VoZWltOmdlaGVpbQ==".to_owned(), "Z2Vo"),
            ("> proxy-authorization: Negotiate geheim".to_owned(), "geheim"),
            ("Bearer abcdef0123456789".to_owned(), "abcdef"),
            ("GET https://me:geheim@registry.example/v2/".to_owned(), "geheim"),
            ("DB_PASSWORD=geheim".to_owned(), "geheim"),
            ("password: geheim".to_owned(), "geheim"),
            ("{\"password\": \"two words\"}".to_owned(), "words"),
            ("{\\\"password\\\":\\\"geheim\\\"}".to_owned(), "geheim"),
            ("AZURE_CLIENT_SECRET=geheim;X=1".to_owned(), "geheim"),
            ("{\"auths\":{\"r.example\":{\"auth\":\"bWU6Z2VoZWlt\"}}}".to_owned(), "bWU6"),
            ("client-key-data: LS0tLS1CRUdJTiBSU0EgUFJJVkFURQ==".to_owned(), "LS0t"),
            ("https://a.example/b?sv=1&sig=geheim%3D&se=2".to_owned(), "geheim"),
            ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabcd\n-----END RSA PRIVATE KEY-----".to_owned(), "MIIE"),
            ("-----BEGIN PRIVATE KEY-----\\nMIIEcut".to_owned(), "MIIE"),
            ("token ghp_0123456789abcdefghij0123".to_owned(), "ghp_"),
            ("AKIAABCDEFGHIJKLMNOP".to_owned(), "AKIA"),
            ("token: 0a1b2c3d4e5f".to_owned(), "0a1b"),
        ] {
            let clean = without_secrets(&text);
            assert!(!clean.contains(secret) && clean.contains(HIDDEN), "{text} -> {clean}");
            assert_eq!(without_secrets(&clean), clean, "hiding twice changes nothing");
        }
    }

    #[test]
    fn reasons_and_names_stay() {
        for text in [
            "failed to fetch the token: unauthorized",
            "secret \"regcred\" not found",
            "--pull-secret=regcred",
            "secretName: tls-1234567890",
            "automountServiceAccountToken: false",
            "unable to retrieve some image pull secrets (regcred); attempting to pull the image may not succeed",
            "the bearer authentication failed",
            "https://registry.example:5000/v2/",
            "token at /var/run/secrets/kubernetes.io/serviceaccount/token: no such file",
            "Cached Tickets: (1)",
        ] {
            assert_eq!(without_secrets(text), text);
        }
    }

    #[test]
    fn what_surrounds_a_secret_stays() {
        insta::assert_snapshot!(
            without_secrets("pull https://me:a@r.example/x failed: PASSWORD=b, token=c; then 401"),
            @"pull https://(hidden)@r.example/x failed: PASSWORD=(hidden), token=(hidden); then 401"
        );
    }

    #[test]
    fn an_event_loses_its_secrets_and_nothing_else() {
        let left = vec!["plain".to_owned(), format!("namespace/a {JWT}")];
        let record = record_without_secrets(Record { ms: 7, event: Event::CleanedUp { left } });
        let left = vec!["plain".to_owned(), format!("namespace/a {HIDDEN}")];
        assert_eq!(record, Record { ms: 7, event: Event::CleanedUp { left } });
    }

    proptest! {
        #[test]
        fn any_text_can_be_cleaned_and_twice_is_once(text in "(?s).{0,200}") {
            let once = without_secrets(&text).into_owned();
            prop_assert_eq!(without_secrets(&once), once.as_str());
        }

        #[test]
        fn a_password_is_found_in_any_company(before in "[ -~]{0,40}", after in "[ -~]{0,40}") {
            let clean = without_secrets(&format!("{before}\nDB_PASSWORD=geheimgeheim\n{after}")).into_owned();
            prop_assert!(!clean.contains("geheimgeheim"), "{clean}");
        }
    }
}
