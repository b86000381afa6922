use proptest::prelude::*;

use super::{
    super::testing::{FakeLink, execute, windows},
    *,
};

async fn cmd(command: &str) -> (String, String, Exit) {
    let done = execute(&windows(FakeLink::default()), &["cmd", "/s", "/c", command], "").await;
    (done.stdout, done.stderr, done.code)
}

#[test]
fn switches_and_quotes_are_taken_off_as_windows_takes_them_off() {
    let once = |command: &str| Invocation::Once(command.to_owned());
    for (line, invocation) in [
        (r#"/s /c "echo a & echo b""#, once("echo a & echo b")),
        (r#"/S/C "echo a""#, once("echo a")),
        ("/c echo a", once("echo a")),
        ("/cecho a", once("echo a")),
        (r#"/c "echo "a" b""#, once(r#"echo "a" b"#)),
        (r#"/v:on /c ver"#, once("ver")),
        ("", Invocation::Interactive),
        ("/q", Invocation::Interactive),
    ] {
        assert_eq!(Invocation::read(line), invocation, "{line}");
    }
}

#[tokio::test]
async fn commands_run_in_the_order_their_operators_say() {
    assert_eq!(cmd("echo a & echo b && echo c || echo d").await, ("a \r\nb \r\nc \r\n".into(), String::new(), 0));
    assert_eq!(cmd("nosuch && echo a || echo b").await.0, "b\r\n");
    assert_eq!(cmd("(exit 3) || echo never").await, (String::new(), String::new(), 3));
    assert_eq!(cmd("(echo a & echo b) > NUL & echo c").await.0, "c\r\n");
}

#[tokio::test]
async fn what_does_not_exist_is_said_in_windows_words() {
    let (stdout, stderr, code) = cmd("nosuch /x").await;
    assert_eq!((stdout.as_str(), code), ("", 1));
    assert_eq!(
        stderr,
        "'nosuch' is not recognized as an internal or external command,\r\noperable program or batch file.\r\n"
    );
}

#[tokio::test]
async fn exit_codes_have_thirty_two_bits() {
    assert_eq!(cmd("exit 7").await.2, 7);
    assert_eq!(cmd("exit -1073741510").await.2, 3_221_225_786);
    assert_eq!(cmd("exit 3221225786").await.2, 3_221_225_786);
    assert_eq!(cmd("exit /b 5 & echo never").await, (String::new(), String::new(), 5));
}

#[tokio::test]
async fn the_error_level_is_looked_up_again_by_call() {
    const LEVEL: &str = "& call echo %^ERRORLEVEL%";
    assert_eq!(cmd(&format!("nosuch 2>NUL {LEVEL}")).await.0, "9009\r\n");
    assert_eq!(cmd(&format!("cmd /c exit -1073741510 {LEVEL}")).await.0, "-1073741510\r\n");
    assert_eq!(cmd(&format!("ver >NUL {LEVEL}")).await.0, "0\r\n");
    assert_eq!(cmd(&format!(r"echo x>\\nosuch\share\x.txt {LEVEL}")).await.0, "0\r\n", "no file, yet no error level");
    assert_eq!(cmd(&format!(r"echo x>\\nosuch\share\x.txt|| ver >NUL {LEVEL}")).await.0, "1\r\n", "unless || looks");
}

#[tokio::test]
async fn variables_expand_when_they_are_known_and_stay_when_not() {
    assert_eq!(cmd("echo %username% %NOPE% 100%").await.0, "ContainerAdministrator %NOPE% 100%\r\n");
    assert_eq!(cmd("nosuch 2>NUL & echo %ERRORLEVEL%").await.0, "0\r\n", "a line is expanded before it runs");
    assert_eq!(cmd("set A=1&& set a").await.0, "A=1\r\n");
}

#[tokio::test]
async fn streams_go_where_redirections_send_them() {
    let (stdout, stderr, _) = cmd("nosuch 2>&1").await;
    assert!(stdout.contains("not recognized") && stderr.is_empty());
    assert_eq!(cmd(r"echo hello> C:\t.txt & echo more>>C:\t.txt & type c:\T.txt").await.0, "hello \r\nmore \r\n");
    assert_eq!(cmd("echo a2>NUL").await.0, "", "a digit that ends a word is no handle, so the word goes to NUL");
}

#[tokio::test]
async fn loops_count_and_lists_are_walked() {
    assert_eq!(cmd("for /L %i in (1,2,5) do echo n%i").await.0, "n1\r\nn3\r\nn5\r\n");
    assert_eq!(cmd("for /L %i in (3,-1,1) do @echo %i & echo x").await.0, "3 \r\nx\r\n2 \r\nx\r\n1 \r\nx\r\n");
    assert_eq!(cmd("(for %a in (x y) do echo %a) & echo end").await.0, "x\r\ny\r\nend\r\n");
}

#[tokio::test]
async fn conditions_choose_a_branch() {
    assert_eq!(cmd(r#"if "%OS%"=="Windows_NT" (echo yes) else (echo no)"#).await.0, "yes\r\n");
    assert_eq!(cmd("if not defined NOPE echo undefined").await.0, "undefined\r\n");
    assert_eq!(cmd("if 2 GTR 10 (echo text) else echo number").await.0, "number\r\n");
    assert_eq!(cmd("if exist nosuch.txt (echo there) else (echo missing)").await.0, "missing\r\n");
}

#[tokio::test]
async fn ver_shows_the_patch_level() {
    assert_eq!(cmd("ver").await.0, "\r\nMicrosoft Windows [Version 10.0.20348.5499]\r\n");
}

#[tokio::test]
async fn a_line_that_makes_no_sense_says_where() {
    assert_eq!(cmd("echo a & & echo b").await, (String::new(), "& was unexpected at this time.\r\n".into(), 255));
}

#[tokio::test]
async fn quoted_operators_are_text() {
    // The shim escapes quotes on the way, and cmd keeps the backslashes it does not know.
    assert_eq!(cmd(r#"echo "a & b" ^& c"#).await.0, "\\\"a & b\\\" & c\r\n");
}

#[tokio::test]
async fn without_switches_lines_come_from_standard_input() {
    let done = execute(&windows(FakeLink::default()), &["cmd"], "echo hi\r\nexit 4\r\necho never\r\n").await;
    assert!(done.stdout.contains("hi\r\n") && !done.stdout.contains("never"), "{}", done.stdout);
    assert_eq!(done.code, 4);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_line_makes_the_parser_panic(line in "\\PC{0,60}") {
        let _anything = parse(&line);
    }

    #[test]
    fn no_heap_of_operators_makes_it_panic(line in "[()&|<>^%\"a1 ]{0,80}") {
        let _anything = parse(&line);
    }

    #[test]
    fn no_line_makes_the_shell_panic(line in "(echo|set|type|exit|if|for|call|nosuch|[()&|<>^%\"=/a1 ]){0,30}") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let ran = tokio::time::timeout(std::time::Duration::from_millis(200), cmd(&line)).await;
            let _an_endless_loop_is_allowed = ran;
        });
    }
}
