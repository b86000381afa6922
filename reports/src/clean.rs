//! Makes text from outside harmless.
//!
//! Reasons and messages carry what containers, runtimes and API servers said. An
//! escape sequence in there would repaint the reader's terminal, a NUL makes an XML
//! file unreadable, a megabyte drowns the rest.

use std::borrow::Cow;

/// The text without ANSI escape sequences and control characters.
///
/// Line feeds and tabs stay; CRLF becomes a line feed. What remains is valid in
/// XML 1.0 and does nothing to a terminal.
#[must_use]
pub fn plain(text: &str) -> Cow<'_, str> {
    if text.chars().all(|c| c == '\n' || c == '\t' || is_harmless(c)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}' => skip_escape(&mut rest),
            '\u{9b}' => skip_control_sequence(&mut rest),
            '\n' | '\t' => out.push(c),
            '\r' if rest.peek() != Some(&'\n') => out.push('\n'),
            c if is_harmless(c) => out.push(c),
            _ => {}
        }
    }
    Cow::Owned(out)
}

/// The text on one line: harmless, white space collapsed.
#[must_use]
pub fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in plain(text).split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

/// At most `limit` characters of a text, with `…` where something was cut, at a
/// word's end where one is near.
#[must_use]
pub fn shortened(text: &str, limit: usize) -> Cow<'_, str> {
    let Some((hard, _)) = text.char_indices().nth(limit) else { return Cow::Borrowed(text) };
    let room = text.char_indices().nth(limit.saturating_sub(1)).map_or(hard, |(at, _)| at);
    let head = text.get(..room).unwrap_or_default();
    let cut = head.rfind(' ').filter(|at| *at > room / 2).unwrap_or(room);
    Cow::Owned(format!("{}…", head.get(..cut).unwrap_or(head).trim_end()))
}

/// A whole text, or its beginning and its end with a word on what was left out,
/// in about `limit` bytes.
#[must_use]
pub fn excerpt(text: &str, limit: usize) -> Cow<'_, str> {
    if text.len() <= limit {
        return Cow::Borrowed(text);
    }
    // The nearest boundaries of characters; there is one at each end of the text.
    let head = (0..=limit / 2).rev().find_map(|at| text.get(..at)).unwrap_or_default();
    let tail = (text.len() - limit / 2..=text.len()).find_map(|at| text.get(at..)).unwrap_or_default();
    let left_out = text.len() - head.len() - tail.len();
    Cow::Owned(format!("{head}\n… {left_out} bytes left out …\n{tail}"))
}

/// Neither a control character, nor one that XML forbids, nor one that reorders
/// the line it stands in.
fn is_harmless(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{fffe}' | '\u{ffff}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

/// What follows an ESC: a control sequence, a string up to its terminator, or one character.
fn skip_escape(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match rest.peek() {
        Some('[') => {
            rest.next();
            skip_control_sequence(rest);
        }
        // OSC, DCS, SOS, PM, APC: up to BEL or ESC \. A string that never ends would
        // swallow the whole report, so a line feed ends it too.
        Some(']' | 'P' | 'X' | '^' | '_') => {
            rest.next();
            while let Some(c) = rest.next_if(|c| *c != '\n') {
                if c == '\u{7}' {
                    return;
                }
                if c == '\u{1b}' {
                    rest.next_if_eq(&'\\');
                    return;
                }
            }
        }
        // `ESC ( B` and its like: intermediates, then one final character.
        _ => {
            while rest.next_if(|c| (' '..='/').contains(c)).is_some() {}
            rest.next_if(|c| ('0'..='~').contains(c));
        }
    }
}

/// Parameters and intermediates, then one final character.
fn skip_control_sequence(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while rest.next_if(|c| (' '..='?').contains(c)).is_some() {}
    rest.next_if(|c| ('@'..='~').contains(c));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escape_sequences_vanish_and_words_stay() {
        assert_eq!(plain("\u{1b}[31mred\u{1b}[0m and \u{1b}]0;title\u{7}plain\u{1b}(B"), "red and plain");
        assert_eq!(plain("a\0b\r\nc\rd\te\u{ffff}"), "ab\nc\nd\te");
    }

    #[test]
    fn a_string_that_never_ends_swallows_only_its_line() {
        assert_eq!(plain("\u{1b}]0;never\nnext"), "\nnext");
    }

    #[test]
    fn a_text_is_cut_at_a_word() {
        assert_eq!(shortened("no answer from the service", 16), "no answer from…");
        assert_eq!(shortened("short", 5), "short");
        assert_eq!(shortened("ééééééé", 4), "ééé…");
    }

    #[test]
    fn an_excerpt_says_how_much_it_leaves_out() {
        assert_eq!(excerpt(&"x".repeat(100), 10), format!("xxxxx\n… 90 bytes left out …\nxxxxx"));
    }

    proptest! {
        #[test]
        fn nothing_harmful_survives(text in any::<String>(), limit in 0_usize..50) {
            prop_assert!(plain(&text).chars().all(|c| c == '\n' || c == '\t' || is_harmless(c)));
            prop_assert!(!one_line(&text).contains('\n'));
            prop_assert!(shortened(&text, limit).chars().count() <= limit.max(1));
            let _ = excerpt(&text, limit);
        }
    }
}
