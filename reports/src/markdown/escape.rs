//! Texts from outside, made harmless in Markdown.

use crate::clean;

/// The longest text in a line.
const LINE: usize = 400;

/// A text on one line that formats nothing, and neither mentions nor refers to anything.
pub(super) fn text(text: &str) -> String {
    let line = clean::one_line(&clean::excerpt(text, 4 * LINE));
    let mut out = String::new();
    for c in clean::shortened(&line, LINE).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '|' | '~' | '!' | '$' => {
                out.push('\\');
                out.push(c);
            }
            // A word joiner is not seen, and neither `@name` nor `#12` nor `https://` is one with it.
            '@' | '#' => {
                out.push(c);
                out.push('\u{2060}');
            }
            ':' => out.push(':'),
            c => out.push(c),
        }
    }
    out.replace("://", ":\u{2060}//")
}

/// A name or a command as code; a fence that is longer than any within it.
pub(super) fn code(text: &str) -> String {
    let line = clean::one_line(&clean::excerpt(text, 4 * LINE)).replace('|', "\u{2502}");
    let longest = line.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest + 1);
    if longest == 0 { format!("{fence}{line}{fence}") } else { format!("{fence} {line} {fence}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_formats_and_mentions_nothing() {
        assert_eq!(text("**a** [b](c) <d> @team #12"), "\\*\\*a\\*\\* \\[b\\](c) &lt;d&gt; @\u{2060}team #\u{2060}12");
        assert_eq!(text("a\n| b"), "a \\| b");
        assert_eq!(text("https://a"), "https:\u{2060}//a");
    }

    #[test]
    fn code_is_fenced_by_more_than_it_holds() {
        assert_eq!(code("a"), "`a`");
        assert_eq!(code("a``b"), "``` a``b ```");
    }
}
