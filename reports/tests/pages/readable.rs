//! Nothing is cut, squeezed or loaded, on a desk and on a phone.

use std::{env, fs, path::PathBuf};

use crate::{browser::SCREENS, opened};

/// What is wrong with a page's layout, in words.
const LAYOUT: &str = r#"(() => {
  const wrong = [];
  const root = document.documentElement;
  if (root.scrollWidth > innerWidth + 1) wrong.push(`the page is ${root.scrollWidth} wide on a screen of ${innerWidth}`);
  const named = (part) => `${part.tagName} "${part.textContent.trim().slice(0, 40)}"`;
  for (const cell of document.querySelectorAll("th, td")) {
    const text = cell.textContent.trim();
    if (text.length > 2 && cell.clientWidth > 0 && cell.clientWidth < 24) wrong.push(`squeezed: ${named(cell)}`);
  }
  const words = document.querySelectorAll("thead th, table.heat tbody th, .card, .lane .name, summary, h1, h2, h3, .pill");
  for (const part of words) {
    const way = part.closest(".sr, [hidden], details:not([open]) > :not(summary)");
    if (!way && part.scrollWidth > part.clientWidth + 1 && part.clientWidth > 0) wrong.push(`cut: ${named(part)}`);
  }
  for (const lane of document.querySelectorAll(".lane")) {
    if (lane.offsetHeight > 80) wrong.push(`a row of ${lane.offsetHeight} in the timeline: ${named(lane)}`);
  }
  return wrong.slice(0, 10);
})()"#;

#[test]
fn every_page_fits_every_screen_and_loads_and_complains_of_nothing() {
    let Some((mut browser, pages)) = opened() else { return };
    let pictures = env::var_os("WINCONFORM_PICTURES").map(PathBuf::from);
    for (name, path) in &pages.all {
        for screen in SCREENS {
            browser.open(path, screen);
            let wrong = browser.evaluate(LAYOUT);
            assert_eq!(wrong, serde_json::json!([]), "{name} on {}", screen.name);
            if let Some(folder) = &pictures {
                fs::create_dir_all(folder).unwrap();
                browser.picture(&folder.join(format!("{name}-{}.png", screen.name)));
            }
            assert_eq!(browser.complaints(path), [] as [&str; 0], "{name} on {}", screen.name);
        }
    }
}

#[test]
fn what_these_tests_look_for_is_found_where_it_is() {
    let Some((mut browser, pages)) = opened() else { return };
    let path = pages.path("same").with_file_name("wrong.html");
    let wide = "<table><thead><tr><th style=\"overflow-wrap:anywhere;width:1px\">word</th></tr></thead></table>\
                <p style=\"width:200vw\">wide</p><img src=\"https://example.invalid/a.png\" alt=\"\">\
                <script>console.error(\"oh\"); missing()</script>";
    fs::write(&path, format!("<!doctype html><meta name=viewport content=\"width=device-width\">{wide}")).unwrap();
    browser.open(&path, SCREENS[0]);
    let wrong = browser.evaluate(LAYOUT).to_string();
    assert!(wrong.contains("wide on a screen") && wrong.contains("squeezed"), "{wrong}");
    let complaints = browser.complaints(&path).join("\n");
    for complaint in ["said: ", "threw: ", "asked for https://example.invalid/a.png"] {
        assert!(complaints.contains(complaint), "{complaint} is not in {complaints}");
    }
}

#[test]
fn the_first_screen_says_what_is_wrong_why_and_since_when() {
    let Some((mut browser, pages)) = opened() else { return };
    let seen = "(() => { const parts = [...document.querySelectorAll('h1, ul.why a, p.changed')];
        return parts.filter((part) => part.getBoundingClientRect().bottom < innerHeight)
            .map((part) => part.textContent).join('\\n'); })()";
    for screen in SCREENS {
        browser.open(&pages.path("judged"), screen);
        let seen = browser.evaluate(seen);
        let seen = seen.as_str().unwrap();
        assert!(seen.starts_with("Not conformant\n"), "{seen}");
        assert!(seen.contains("Compared with run"), "{seen}");
        assert!(seen.lines().count() >= 3, "{seen}");
    }
}
