//! What axe-core, the checker that accessibility tools are made of, says of every page.

use std::{env, fs};

use serde_json::json;

use crate::{browser::SCREENS, opened};

/// Where `axe.min.js` is, and a word about it where it is nowhere.
#[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
fn axe() -> Option<String> {
    let path = env::var_os("WINCONFORM_AXE");
    let needed = env::var_os("WINCONFORM_NEEDS_PAGES").is_some();
    assert!(path.is_some() || !needed, "WINCONFORM_AXE names no axe.min.js, and WINCONFORM_NEEDS_PAGES is set");
    if path.is_none() {
        println!("skipped: WINCONFORM_AXE names no axe.min.js");
    }
    Some(fs::read_to_string(path?).unwrap())
}

/// Everything that is more than a hint.
const VIOLATIONS: &str = "axe.run(document, { resultTypes: ['violations'] }).then((found) => found.violations
    .filter((rule) => rule.impact !== 'minor')
    .map((rule) => `${rule.impact} ${rule.id}: ${rule.nodes.slice(0, 3).map((node) => node.target.join(' ')).join(', ')}`))";

#[test]
fn no_page_shuts_anybody_out() {
    let Some(axe) = axe() else { return };
    let Some((mut browser, pages)) = opened() else { return };
    let mut shut_out = Vec::new();
    for (name, path) in &pages.all {
        for screen in SCREENS {
            browser.open(path, screen);
            // What is folded is read, too.
            browser.evaluate("for (const part of document.querySelectorAll('details')) part.open = true");
            browser.evaluate(&axe);
            let found = browser.evaluate(VIOLATIONS);
            if found != json!([]) {
                shut_out.push(format!("{name} on {}: {found:#}", screen.name));
            }
        }
    }
    assert!(shut_out.is_empty(), "{}", shut_out.join("\n"));
}

#[test]
fn a_page_that_shuts_somebody_out_is_found() {
    let Some(axe) = axe() else { return };
    let Some((mut browser, pages)) = opened() else { return };
    let path = pages.path("same").with_file_name("wrong.html");
    fs::write(&path, "<!doctype html><title>a</title><p style=\"color:#ccc;background:#fff\">pale</p><input>").unwrap();
    browser.open(&path, SCREENS[0]);
    browser.evaluate(&axe);
    let found = browser.evaluate(VIOLATIONS).to_string();
    for rule in ["color-contrast", "label", "html-has-lang"] {
        assert!(found.contains(rule), "{rule} is not in {found}");
    }
}
