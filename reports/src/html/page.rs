//! The house style: what every page of ours has around its sections.

use base64::{Engine, engine::general_purpose::STANDARD};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("page.js");

/// A page of ours.
#[derive(Debug)]
pub struct Page {
    /// The title in the browser's tab.
    pub title: String,
    /// The colour of the headline: `good`, `bad`, `odd`, or nothing.
    pub tone: &'static str,
    /// What kind of page it is, above the headline.
    pub eyebrow: Markup,
    /// What stands above all sections: the headline, and what belongs to it.
    pub lead: Markup,
    /// The sections, in order.
    pub sections: Vec<Section>,
    /// What stands at the end: who made it.
    pub foot: String,
}

/// A part of a page that its navigation leads to.
#[derive(Debug)]
pub struct Section {
    /// The anchor, unique in the page.
    pub id: &'static str,
    /// The heading, and the word in the navigation.
    pub title: &'static str,
    /// What it holds.
    pub body: Markup,
}

impl Page {
    /// The whole document.
    #[must_use]
    pub fn render(self) -> String {
        let document = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta name="referrer" content="no-referrer";
                    meta http-equiv="Content-Security-Policy" content=(policy());
                    title { (self.title) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    a.skip href="#main" { "Skip to the content" }
                    header.top {
                        div class={ "lead " (self.tone) } {
                            p.eyebrow { (self.eyebrow) }
                            (self.lead)
                        }
                    }
                    nav.sections aria-label="Sections" {
                        ul {
                            @for section in &self.sections {
                                li { a href={ "#" (section.id) } { (section.title) } }
                            }
                        }
                    }
                    main id="main" tabindex="-1" {
                        @for section in &self.sections {
                            section.part id=(section.id) aria-labelledby={ (section.id) "-title" } {
                                h2 id={ (section.id) "-title" } { (section.title) }
                                (section.body)
                            }
                        }
                    }
                    footer { p { (self.foot) } }
                    script { (PreEscaped(SCRIPT)) }
                }
            }
        };
        document.into_string()
    }
}

/// Nothing is loaded from anywhere, and no script runs but ours, whatever text a page holds.
fn policy() -> String {
    let script = STANDARD.encode(Sha256::digest(SCRIPT.as_bytes()));
    format!(
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{script}'; base-uri 'none'; form-action 'none'"
    )
}
