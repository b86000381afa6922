use proptest::prelude::*;

use super::parser::parse;
use crate::command::testing::{FakeLink, Finished, execute, linux};

async fn sh(script: &str) -> Finished {
    execute(&linux(FakeLink::default()), &["sh", "-c", script], "").await
}

#[tokio::test]
async fn lists_loops_and_conditions_do_what_they_say() {
    for (script, stdout) in [
        ("echo a; echo b", "a\nb\n"),
        ("true && echo yes || echo no", "yes\n"),
        ("false && echo yes || echo no", "no\n"),
        ("for i in $(seq 1 3); do echo n$i; done", "n1\nn2\nn3\n"),
        ("for i in a 'b c'; do echo \"<$i>\"; done", "<a>\n<b c>\n"),
        ("if [ -z \"$NOPE\" ]; then echo empty; else echo full; fi", "empty\n"),
        ("X=1; while [ $X != 111 ]; do echo $X; X=1$X; done", "1\n11\n"),
        ("echo a b c | wc -w", "3\n"),
        ("echo $(echo inner)", "inner\n"),
        ("echo '$HOME' \"$HOME\" ${NOPE:-default}", "$HOME /root default\n"),
        ("echo kept > /tmp/f; cat /tmp/f; echo gone > /dev/null", "kept\n"),
        ("(echo out; echo err >&2) 2>&1 | cat", "out\nerr\n"),
        ("! false; echo $?", "0\n"),
        ("# nothing\necho end", "end\n"),
    ] {
        assert_eq!(sh(script).await.stdout, stdout, "{script}");
    }
}

#[tokio::test]
async fn exit_codes_come_through() {
    assert_eq!(sh("exit 7").await.code, 7);
    assert_eq!(sh("echo a; exit 3; echo b").await, Finished { stdout: "a\n".into(), stderr: String::new(), code: 3 });
    assert_eq!(sh("false").await.code, 1);
    let missing = sh("nope").await;
    assert_eq!((missing.code, missing.stderr.as_str()), (127, "sh: nope: not found\n"));
}

#[tokio::test]
async fn a_broken_script_is_a_syntax_error() {
    for script in ["for", "if true", "echo 'a", "(echo a", "&&", "echo $(", "a >"] {
        let done = sh(script).await;
        assert_eq!(done.code, 2, "{script}: {done:?}");
    }
}

proptest! {
    #[test]
    fn any_script_is_parsed_or_refused(script in "(?s).{0,120}") {
        let _ = parse(&script);
    }

    #[test]
    fn any_script_of_shell_words_is_parsed_or_refused(
        words in prop::collection::vec(prop::sample::select(vec![
            "for", "i", "in", "do", "done", "if", "then", "fi", "(", ")", "{", "}", ";", "&&", "||", "|", "$(", "'", "\"", ">", "2>&1", "!", "while",
        ]), 0..24)
    ) {
        let _ = parse(&words.join(" "));
    }
}
