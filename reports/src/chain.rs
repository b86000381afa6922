//! The one printer of errors.

use std::{error::Error, fmt};

/// Prints an error and every cause, each once, joined by `: `.
///
/// Our own errors name only themselves and leave the cause to `source`. Errors
/// of `kube` repeat the cause in their own text *and* return it from `source`, so
/// a plain walk would say everything twice: a cause whose text already stands at
/// the end of the line is passed over.
pub struct Chain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = self.0.to_string();
        let mut next = self.0.source();
        while let Some(cause) = next {
            let text = cause.to_string();
            if !text.is_empty() && !line.ends_with(&text) {
                line.push_str(": ");
                line.push_str(&text);
            }
            next = cause.source();
        }
        f.write_str(&line)
    }
}

impl fmt::Debug for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use thiserror::Error;

    use super::*;

    #[derive(Debug, Error)]
    #[error("failed to read the plan")]
    struct Polite(#[source] Repeater);

    #[derive(Debug, Error)]
    #[error("i/o: {0}")]
    struct Repeater(#[source] io::Error);

    #[test]
    fn a_cause_that_its_parent_repeats_is_printed_once() {
        let error = Polite(Repeater(io::Error::other("disk on fire")));
        assert_eq!(Chain(&error).to_string(), "failed to read the plan: i/o: disk on fire");
    }
}
