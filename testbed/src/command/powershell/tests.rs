use super::parser::parse;
use crate::{
    command::testing::{FakeLink, Finished, execute, windows},
    network::DnsError,
};

async fn run(script: &str) -> Finished {
    let mut link = FakeLink::default();
    link.names.insert("web".into(), vec!["10.96.0.9".parse().unwrap()]);
    execute(&windows(link), &["powershell.exe", "-NoProfile", "-Command", script], "").await
}

async fn out(script: &str) -> String {
    run(script).await.stdout
}

#[tokio::test]
async fn expressions_have_the_values_that_powershell_gives_them() {
    for (script, expected) in [
        ("$env:USERNAME", "ContainerAdministrator"),
        ("1 + 2 * 3", "7"),
        ("7 / 2", "3.5"),
        ("100MB", "104857600"),
        ("'a' + 1", "a1"),
        ("\"x $(1 + 1) $env:OS `$y\"", "x 2 Windows_NT $y"),
        ("$a = @(1,2,3); $a[-1]; $a.Count", "3\r\n3"),
        ("@{a = 1; b = 'two'}.b", "two"),
        ("(1..4 | ForEach-Object { $_ * 2 }) -join ','", "2,4,6,8"),
        ("'{0:N1} of {1}' -f 2.25, 'b'", "2.2 of b"),
        ("if (3 -gt 2 -and -not $false) { 'yes' } else { 'no' }", "yes"),
        ("$i = 0; while ($true) { $i++; if ($i -ge 3) { break } }; $i", "3"),
        ("for ($i = 0; $i -lt 3; $i++) { $i }", "0\r\n1\r\n2"),
        ("foreach ($x in 'a','b') { \"[$x]\" }", "[a]\r\n[b]"),
        ("try { throw 'no' } catch { \"caught $($_.Exception.Message)\" } finally { 'end' }", "caught no\r\nend"),
        ("'abc' -like 'A*'; 'abc' -match 'b'", "True\r\nTrue"),
        ("[int]'42' + 1", "43"),
        ("(Get-Date).AddSeconds(5) -gt (Get-Date)", "True"),
        ("Write-Host 'a b'", "a b"),
        ("$x = [byte[]]::new(10MB); $x.Length", "10485760"),
        ("& { 'block' }", "block"),
        ("'b','a' | Sort-Object | Select-Object -First 1", "a"),
        ("1,2,3 | Where-Object { $_ -ne 2 } | Measure-Object -Sum | Select-Object -ExpandProperty Sum", "4"),
        ("[math]::Sqrt(16); [Environment]::MachineName", "4\r\nweb-0"),
        ("cmd /c 'echo hi & exit 3'; $LASTEXITCODE", "hi \r\n3"),
    ] {
        assert_eq!(out(script).await, format!("{expected}\r\n"), "{script}");
    }
}

#[tokio::test]
async fn a_script_ends_with_its_exit_code_or_with_whether_its_last_statement_succeeded() {
    for (script, code) in [
        ("exit 5", 5),
        ("exit -1073741510", 0xC000_013A),
        ("Frob-Nicate", 1),
        ("Frob-Nicate; 'fine'", 0),
        ("throw 'x'; 'never'", 1),
        ("cmd /c exit 7", 1),
        ("$ErrorActionPreference = 'Stop'; Resolve-DnsName nope; 'never'", 1),
        ("Resolve-DnsName nope -ErrorAction SilentlyContinue; exit 0", 0),
    ] {
        let done = run(script).await;
        assert_eq!(done.code, code, "{script}: {done:?}");
        assert!(!done.stdout.contains("never"), "{script}");
    }
}

#[tokio::test]
async fn memory_beyond_the_limit_is_an_exception_that_the_script_can_catch() {
    let script = "$held = @(); try { while ($true) { $held += ,[byte[]]::new(100MB) } } catch { \"after $($held.Count): $($_.FullyQualifiedErrorId)\"; exit 3 }";
    let done = run(script).await;
    assert_eq!((done.stdout.as_str(), done.code), ("after 7: System.OutOfMemoryException\r\n", 3));
    let uncaught = run("$a = New-Object byte[] 900MB").await;
    assert!(uncaught.stderr.contains("New-Object : Exception of type 'System.OutOfMemoryException' was thrown."));
    assert_eq!(uncaught.code, 1);
}

#[tokio::test]
async fn errors_are_wrapped_and_point_at_the_culprit() {
    let done = run("Write-Output first; Resolve-DnsName -Name nope -Type A; Frob-Nicate -With 'something quite long' -And more of it").await;
    insta::assert_snapshot!(done.stderr.replace("\r\n", "\n"));
    let joined = done.stderr.replace("\r\n   ", "").replace("\r\n", "");
    assert!(joined.contains("DNS_ERROR_RCODE_NAME_ERROR,Microsoft.DnsClient.Commands.ResolveDnsName"), "{joined}");
}

#[tokio::test]
async fn errors_follow_a_redirection_and_a_server_can_be_named() {
    let mut link = FakeLink::default();
    link.names.insert("web".into(), vec!["10.96.0.9".parse().unwrap()]);
    link.dns_errors.insert("broken".into(), DnsError::ServerFailure);
    let session = windows(link);
    let run = async |script: &str| execute(&session, &["powershell", "-Command", script], "").await;
    let found =
        run("Resolve-DnsName -Name web -Type A -DnsOnly -Server 10.96.0.10 2>&1 | Out-String -Width 4096").await;
    assert!(found.stdout.contains("A      5     Answer     10.96.0.9"), "{}", found.stdout);
    let broken = run("Write-Output mark; Resolve-DnsName -Name broken -Type A 2>&1 | Out-String -Width 4096").await;
    assert!(broken.stdout.starts_with("mark\r\n"), "{broken:?}");
    assert!(broken.stdout.contains("DNS_ERROR_RCODE_SERVER_FAILURE,Microsoft.DnsClient.Commands.ResolveDnsName"));
    assert!(broken.stderr.is_empty());
}

#[tokio::test]
async fn what_a_cmdlet_only_tells_is_caught_where_it_is_to_stop() {
    let tried = |action: &str| format!("try {{ Resolve-DnsName nope {action}; 'went on' }} catch {{ 'caught' }}");
    assert_eq!(out(&tried("")).await, "went on\r\n");
    assert_eq!(out(&tried("-ErrorAction Stop")).await, "caught\r\n");
    assert_eq!(run("Resolve-DnsName nope 2>$null").await.stderr, "");
}

#[tokio::test]
async fn tables_and_lists_have_powershells_layout() {
    let mut text = String::new();
    for script in [
        "Resolve-DnsName web",
        "Test-NetConnection 10.96.0.9 -Port 80",
        "Get-HotFix | Format-Table -AutoSize",
        "Get-Service | ConvertTo-Json",
        "Get-ItemProperty 'HKLM:\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion' | Select-Object CurrentBuild, UBR",
    ] {
        text = text + "# " + script + "\n" + &out(script).await.replace("\r\n", "\n");
    }
    insta::assert_snapshot!(text);
}

#[tokio::test]
async fn what_is_not_known_is_refused_and_never_passes_for_done() {
    for script in ["Frob-Nicate", "[No.Such]::Thing", "'a'.NoSuch()", "if (1 {", "'open", "1 + @{a=1}"] {
        let done = run(script).await;
        assert_ne!(done.code, 0, "{script}: {done:?}");
        assert!(done.stderr.contains("FullyQualifiedErrorId"), "{script}: {done:?}");
    }
    let host = run("Get-HnsNetwork").await;
    assert!(host.stderr.contains("CommandNotFoundException"), "containers have no HNS module: {host:?}");
}

proptest::proptest! {
    #[test]
    fn no_script_makes_the_parser_panic(script in "[ -~\n]{0,60}|(\\$[a-z(){}@;|,'\"\\[\\]]{0,6} ?){0,12}") {
        let _ = parse(&script);
    }
}
