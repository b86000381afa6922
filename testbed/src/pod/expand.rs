//! `$(VAR)` in commands, arguments and values, as the kubelet expands it.
//!
//! `$$` becomes `$`, `$(NAME)` the value of a variable that is known, and
//! everything else stays as it is (`third_party/forked/golang/expansion`).

/// Expands `text` with what `value` knows.
pub(crate) fn expand(text: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, dollar) = rest.split_at(at);
        out.push_str(before);
        let after = dollar.strip_prefix('$').unwrap_or_default();
        if let Some(tail) = after.strip_prefix('$') {
            out.push('$');
            rest = tail;
        } else if let Some((name, tail)) = after.strip_prefix('(').and_then(|inner| inner.split_once(')')) {
            match value(name) {
                Some(value) => out.push_str(&value),
                None => {
                    out.push_str("$(");
                    out.push_str(name);
                    out.push(')');
                }
            }
            rest = tail;
        } else {
            out.push('$');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn known(name: &str) -> Option<String> {
        (name == "A").then(|| "1".to_owned())
    }

    #[test]
    fn doubled_dollars_and_known_names_change_and_the_rest_stays() {
        for (text, expanded) in [
            ("$$listener = $$x", "$listener = $x"),
            ("$(A)$(B)", "1$(B)"),
            ("$$(A)", "$(A)"),
            ("$A $ $(", "$A $ $("),
            ("cost: 5$", "cost: 5$"),
        ] {
            assert_eq!(expand(text, known), expanded);
        }
    }

    proptest! {
        #[test]
        fn text_without_dollars_stays(text in "[^$]{0,40}") {
            prop_assert_eq!(expand(&text, known), text);
        }

        #[test]
        fn nothing_panics(text in "\\PC{0,40}") {
            expand(&text, known);
        }
    }
}
