//! Lines, indents and wrapping.

use super::Style;
use crate::clean;

/// The width of labels such as `evidence`.
const LABEL: usize = 10;
/// What one item may say; reports have the rest.
const LONGEST: usize = 600;

/// Text that grows downwards.
pub(crate) struct Page {
    style: Style,
    width: usize,
    text: String,
}

impl Page {
    pub(crate) fn new(style: Style, width: usize) -> Self {
        Self { style, width, text: String::new() }
    }

    pub(crate) fn style(&self) -> Style {
        self.style
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// A line of our own making, painted already.
    pub(crate) fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// A blank line, unless there is one.
    pub(crate) fn blank(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// A title after a blank line.
    pub(crate) fn title(&mut self, title: &str) {
        self.blank();
        let painted = self.style.title(title);
        self.line(&painted);
    }

    /// A label and text from outside, made harmless and wrapped beside the label.
    pub(crate) fn item(&mut self, indent: &str, label: &str, text: &str) {
        let text = clean::one_line(&clean::excerpt(text, LONGEST * 4));
        let text = clean::shortened(&text, LONGEST);
        let mut lead = format!("  {indent}{} ", padded(label, LABEL - 1));
        let room = self.width.saturating_sub(2 + indent.len() + LABEL).max(20);
        for line in wrapped(&text, room) {
            self.line(&format!("{lead}{line}"));
            lead = " ".repeat(2 + indent.len() + LABEL);
        }
    }

    pub(crate) fn finish(mut self) -> String {
        while self.text.ends_with("\n\n") {
            self.text.pop();
        }
        self.text
    }
}

/// Breaks text at spaces; a word longer than the room stands alone, so that paths
/// and commands stay whole.
fn wrapped(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let fits = |line: &String| line.is_empty() || line.chars().count() + 1 + word.chars().count() <= room;
        match lines.last_mut() {
            Some(line) if fits(line) => {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// How many columns a painted text takes.
pub(crate) fn shown(painted: &str) -> usize {
    clean::plain(painted).chars().count()
}

/// A painted text, filled up with spaces on the right.
pub(crate) fn padded(painted: &str, width: usize) -> String {
    format!("{painted}{}", " ".repeat(width.saturating_sub(shown(painted))))
}

/// A painted text, filled up with spaces on the left.
pub(crate) fn pushed(painted: &str, width: usize) -> String {
    format!("{}{painted}", " ".repeat(width.saturating_sub(shown(painted))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_is_wrapped_beside_its_label_and_harmless() {
        let mut page = Page::new(Style::Plain, 60);
        page.item("", "seen", "\u{1b}[31mone two three\u{1b}[0m\nfour five six seven eight nine ten eleven twelve");
        insta::assert_snapshot!(page.finish(), @r"
        seen      one two three four five six seven eight nine ten
                  eleven twelve
        ");
    }
}
