//! The filter, the search, links, and the keyboard alone.

use serde_json::json;

use crate::{browser::SCREENS, opened};

/// The checks that are shown, of how many.
const SHOWN: &str = "(() => { const all = [...document.querySelectorAll('article.check')];
    return [all.filter((check) => !check.hidden).length, all.length]; })()";

#[test]
fn a_search_and_a_state_leave_what_fits() {
    let Some((mut browser, pages)) = opened() else { return };
    browser.open(&pages.path("broken"), SCREENS[0]);
    let all = browser.evaluate(SHOWN);
    assert_eq!(all[0], all[1]);
    browser.evaluate("document.querySelector('#search').focus()");
    browser.insert("NODES/ready");
    assert_eq!(browser.evaluate(SHOWN)[0], 1);
    assert_eq!(browser.evaluate("document.querySelector('article.check:not([hidden])').id"), "check-nodes--ready");
    assert_eq!(browser.evaluate("document.querySelector('.filter output').value"), format!("1 of {} checks", all[1]));
    // Suites without a row that fits are gone, too.
    assert_eq!(browser.evaluate("document.querySelectorAll('tr.suite:not([hidden])').length"), 1);

    browser.evaluate("(() => { const box = document.querySelector('#search'); box.value = ''; box.dispatchEvent(new Event('input')); })()");
    assert_eq!(browser.evaluate(SHOWN), all);
    browser.evaluate("document.querySelector('button[data-state=failed]').click()");
    let failed = browser.evaluate(
        "[...document.querySelectorAll('article.check:not([hidden])')].every((check) => check.querySelector('.m-failed'))",
    );
    assert_eq!(failed, true);
    assert_ne!(browser.evaluate(SHOWN), all);
    assert_ne!(browser.evaluate(SHOWN)[0], 0);
}

#[test]
fn a_link_shows_what_was_filtered_away_and_unfolds_it() {
    let Some((mut browser, pages)) = opened() else { return };
    browser.open(&pages.path("broken"), SCREENS[2]);
    let aim = browser.evaluate("document.querySelector('article.check:has(details.more)').id");
    let aim = aim.as_str().unwrap();
    browser.evaluate("document.querySelector('#search').focus()");
    browser.insert("no check is called this");
    assert_eq!(browser.evaluate(SHOWN)[0], 0);
    browser
        .evaluate(&format!("document.documentElement.style.scrollBehavior = 'auto'; location.hash = {}", json!(aim)));
    let there = browser.evaluate(&format!(
        "new Promise((go) => setTimeout(() => {{ const aim = document.getElementById({});
            const at = aim.getBoundingClientRect().top;
            go([aim.hidden, aim.querySelector('details.more').open, at > -5 && at < innerHeight]); }}, 0))",
        json!(aim)
    ));
    assert_eq!(there, json!([false, true, true]));
}

#[test]
fn the_keyboard_reaches_everything_that_can_be_used() {
    let Some((mut browser, pages)) = opened() else { return };
    browser.open(&pages.path("broken"), SCREENS[0]);
    browser.press("Tab", 9, "");
    assert_eq!(browser.evaluate("document.activeElement.className"), "skip");
    assert_eq!(browser.evaluate("document.activeElement.getBoundingClientRect().left >= 0"), true);
    browser.press("Enter", 13, "\r");
    assert_eq!(browser.evaluate("document.activeElement.id"), "main");

    browser.evaluate("document.querySelector('#search').focus()");
    browser.press("Tab", 9, "");
    browser.press("Tab", 9, "");
    let state = browser.evaluate("document.activeElement.dataset.state");
    assert_ne!(state, "", "the second button is a state");
    browser.press(" ", 32, " ");
    assert_eq!(browser.evaluate("document.activeElement.getAttribute('aria-pressed')"), "true");
    assert_ne!(browser.evaluate(SHOWN)[0], browser.evaluate(SHOWN)[1]);

    let unreachable = browser.evaluate(
        "[...document.querySelectorAll('a[href], button, input, summary, .scroll, pre')].filter((part) => part.tabIndex < 0).length",
    );
    assert_eq!(unreachable, 0);
}
