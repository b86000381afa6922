//! The small programs of a Linux image.

use std::time::Duration;

use super::{Exit, Io, Session};

/// Runs one of them.
pub(super) async fn main(session: &Session, name: &str, arguments: &[String], io: &Io) -> Exit {
    match name {
        "true" => 0,
        "false" => 1,
        "echo" => echo(arguments, io),
        "printf" => printf(arguments, io),
        "hostname" => line(io, &session.host_name),
        "pwd" => line(io, "/"),
        "whoami" => line(io, &user_name(session)),
        "id" => id(session, arguments, io),
        "uname" => uname(session, arguments, io),
        "date" => line(io, &jiff::Timestamp::now().strftime("%a %b %e %H:%M:%S UTC %Y").to_string()),
        "env" | "printenv" => environment(session, arguments, io),
        "seq" => seq(arguments, io),
        "sleep" => sleep(session, arguments, io).await,
        "cat" => cat(session, arguments, io).await,
        "tee" => tee(session, arguments, io).await,
        "head" | "tail" | "wc" | "grep" => filter(session, name, arguments, io).await,
        "ls" => ls(session, arguments, io).await,
        "test" | "[" => test(session, name, arguments).await,
        "touch" => {
            for path in arguments {
                session.files.write(path, &[], true);
            }
            0
        }
        "rm" => 0,
        "wget" => wget(session, arguments, io).await,
        _ => 127,
    }
}

fn line(io: &Io, text: &str) -> Exit {
    io.stdout.text(format!("{text}\n"));
    0
}

fn complain(io: &Io, text: impl AsRef<str>) -> Exit {
    io.stderr.text(format!("{}\n", text.as_ref()));
    1
}

fn echo(arguments: &[String], io: &Io) -> Exit {
    let newline = arguments.first().is_none_or(|first| first != "-n");
    let words: Vec<&str> = arguments.iter().skip(usize::from(!newline)).map(String::as_str).collect();
    io.stdout.text(words.join(" ") + if newline { "\n" } else { "" });
    0
}

fn printf(arguments: &[String], io: &Io) -> Exit {
    let Some((format, rest)) = arguments.split_first() else {
        return complain(io, "printf: usage: printf FORMAT [ARG]...");
    };
    let mut values = rest.iter();
    let mut out = String::new();
    let mut characters = format.chars();
    while let Some(character) = characters.next() {
        match (character, character == '\\' || character == '%') {
            (_, false) => out.push(character),
            ('\\', _) => match characters.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some('r') => out.push('\r'),
                Some(other) => out.push(other),
                None => out.push('\\'),
            },
            (_, _) => match characters.next() {
                Some('%') => out.push('%'),
                Some('s' | 'd' | 'i') => out.push_str(values.next().map_or("", String::as_str)),
                Some(other) => out.extend(['%', other]),
                None => out.push('%'),
            },
        }
    }
    io.stdout.text(out);
    0
}

fn user_name(session: &Session) -> String {
    if session.user == "0" { "root".to_owned() } else { session.user.clone() }
}

fn id(session: &Session, arguments: &[String], io: &Io) -> Exit {
    let user = &session.user;
    match arguments.first().map(String::as_str) {
        Some("-u" | "-g") => line(io, user),
        Some("-un") => line(io, &user_name(session)),
        _ if user == "0" => line(io, "uid=0(root) gid=0(root) groups=0(root)"),
        _ => line(io, &format!("uid={user} gid={user} groups={user}")),
    }
}

fn uname(session: &Session, arguments: &[String], io: &Io) -> Exit {
    match arguments.first().map(String::as_str) {
        Some("-a") => line(io, &format!("Linux {} 6.8.0-85-generic #85-Ubuntu SMP x86_64 Linux", session.host_name)),
        Some("-m") => line(io, "x86_64"),
        Some("-n") => line(io, &session.host_name),
        Some("-r") => line(io, "6.8.0-85-generic"),
        _ => line(io, "Linux"),
    }
}

fn environment(session: &Session, arguments: &[String], io: &Io) -> Exit {
    match arguments.first() {
        Some(name) => match session.env.get(name) {
            Some(value) => line(io, value),
            None => 1,
        },
        None => {
            io.stdout.text(session.env.iter().map(|(name, value)| format!("{name}={value}\n")).collect::<String>());
            0
        }
    }
}

fn seq(arguments: &[String], io: &Io) -> Exit {
    /// Nobody counts further than this in a probe, and a slip must not fill memory.
    const MOST: usize = 100_000;
    let numbers: Option<Vec<i64>> = arguments.iter().map(|text| text.parse().ok()).collect();
    let (first, step, last) = match numbers.as_deref() {
        Some([last]) => (1, 1, *last),
        Some([first, last]) => (*first, 1, *last),
        Some([first, step, last]) if *step != 0 => (*first, *step, *last),
        _ => return complain(io, "seq: invalid argument"),
    };
    let count = last.checked_sub(first).and_then(|span| span.checked_div(step)).map_or(-1, |count| count);
    let count = usize::try_from(count.saturating_add(1)).unwrap_or(0).min(MOST);
    let text: String = (0..count)
        .filter_map(|index| first.checked_add(step.checked_mul(i64::try_from(index).ok()?)?))
        .map(|number| format!("{number}\n"))
        .collect();
    io.stdout.text(text);
    0
}

async fn sleep(session: &Session, arguments: &[String], io: &Io) -> Exit {
    let Some(text) = arguments.first() else { return complain(io, "sleep: missing operand") };
    if matches!(text.as_str(), "infinity" | "inf") {
        return std::future::pending().await;
    }
    let (number, unit) = match text.char_indices().last() {
        Some((at, 's')) => (text.get(..at), 1.0),
        Some((at, 'm')) => (text.get(..at), 60.0),
        Some((at, 'h')) => (text.get(..at), 3600.0),
        Some((at, 'd')) => (text.get(..at), 86400.0),
        _ => (Some(text.as_str()), 1.0),
    };
    let seconds = number.and_then(|number| number.parse::<f64>().ok()).map(|number| number * unit);
    match seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()) {
        Some(duration) => {
            session.clock.pass(duration).await;
            0
        }
        None => complain(io, format!("sleep: invalid number '{text}'")),
    }
}

async fn cat(session: &Session, arguments: &[String], io: &Io) -> Exit {
    if arguments.is_empty() {
        while let Some(piece) = io.stdin.next().await {
            io.stdout.write(&piece);
        }
        return 0;
    }
    let mut code = 0;
    for path in arguments {
        match session.files.read(path).await {
            Some(bytes) => io.stdout.write(&bytes),
            None => code = complain(io, format!("cat: can't open '{path}': No such file or directory")),
        }
    }
    code
}

async fn tee(session: &Session, arguments: &[String], io: &Io) -> Exit {
    let append = arguments.first().is_some_and(|first| first == "-a");
    let bytes = io.stdin.rest().await;
    for path in arguments.iter().skip(usize::from(append)) {
        session.files.write(path, &bytes, append);
    }
    io.stdout.write(&bytes);
    0
}

/// `head`, `tail`, `wc` and `grep`: from lines to fewer.
async fn filter(session: &Session, name: &str, arguments: &[String], io: &Io) -> Exit {
    let (options, operands) = split_options(arguments, if matches!(name, "head" | "tail") { &["n", "c"] } else { &[] });
    let pattern = (name == "grep").then(|| operands.first().cloned().unwrap_or_default());
    let file = operands.get(usize::from(pattern.is_some()));
    let input = match file {
        Some(path) => match session.files.read(path).await {
            Some(bytes) => bytes,
            None => return complain(io, format!("{name}: {path}: No such file or directory")),
        },
        None => io.stdin.rest().await,
    };
    let text = String::from_utf8_lossy(&input);
    let lines: Vec<&str> = text.lines().collect();
    let has = |letter: char| options.iter().any(|(option, _)| option.contains(letter));
    let print = |lines: &[&str]| io.stdout.text(lines.iter().map(|line| format!("{line}\n")).collect::<String>());
    match name {
        "wc" => {
            let counts =
                [(has('l'), lines.len()), (has('w'), text.split_whitespace().count()), (has('c'), input.len())];
            let chosen: Vec<String> = counts.iter().filter(|(on, _)| *on).map(|(_, count)| count.to_string()).collect();
            match chosen.is_empty() {
                true => line(io, &format!("{:>8} {:>7} {:>7}", counts[0].1, counts[1].1, counts[2].1)),
                false => line(io, &chosen.join(" ")),
            }
        }
        "grep" => {
            let pattern = pattern.unwrap_or_default();
            let (fold, invert) = (has('i'), has('v'));
            let matches = |line: &&&str| {
                let found = match fold {
                    true => line.to_lowercase().contains(&pattern.to_lowercase()),
                    false => line.contains(&pattern),
                };
                found != invert
            };
            let found: Vec<&str> = lines.iter().filter(matches).copied().collect();
            match (has('c'), has('q')) {
                (true, _) => io.stdout.text(format!("{}\n", found.len())),
                (_, true) => {}
                _ => print(&found),
            }
            Exit::from(found.is_empty())
        }
        _ => {
            let count = options.iter().find(|(option, _)| option == "n").and_then(|(_, value)| value.parse().ok());
            let digits = options.iter().find_map(|(option, _)| option.parse::<usize>().ok());
            let count = count.or(digits).unwrap_or(10).min(lines.len());
            match name {
                "head" => print(lines.get(..count).unwrap_or_default()),
                _ => print(lines.get(lines.len() - count..).unwrap_or_default()),
            }
            0
        }
    }
}

async fn ls(session: &Session, arguments: &[String], io: &Io) -> Exit {
    let (_, operands) = split_options(arguments, &[]);
    let folder = operands.first().map_or("/", String::as_str);
    match session.files.list(folder).await {
        Some(names) => {
            io.stdout.text(names.iter().map(|name| format!("{name}\n")).collect::<String>());
            0
        }
        None if session.files.read(folder).await.is_some() => line(io, folder),
        None => complain(io, format!("ls: {folder}: No such file or directory")),
    }
}

async fn test(session: &Session, name: &str, arguments: &[String]) -> Exit {
    let mut words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if name == "[" && words.pop() != Some("]") {
        return 2;
    }
    let negated = words.first() == Some(&"!");
    let holds = match words.get(usize::from(negated)..).unwrap_or_default() {
        [] => false,
        [text] => !text.is_empty(),
        ["-z", text] => text.is_empty(),
        ["-n", text] => !text.is_empty(),
        ["-e" | "-f" | "-r" | "-s", path] => session.files.read(path).await.is_some(),
        ["-d", path] => session.files.list(path).await.is_some(),
        [left, "=" | "==", right] => left == right,
        [left, "!=", right] => left != right,
        [left, operator, right] => match (left.parse::<i64>(), right.parse::<i64>()) {
            (Ok(left), Ok(right)) => match *operator {
                "-eq" => left == right,
                "-ne" => left != right,
                "-lt" => left < right,
                "-le" => left <= right,
                "-gt" => left > right,
                "-ge" => left >= right,
                _ => return 2,
            },
            _ => return 2,
        },
        _ => return 2,
    };
    Exit::from(holds == negated)
}

/// Busybox's wget, by way of curl: other words, other exit codes.
async fn wget(session: &Session, arguments: &[String], io: &Io) -> Exit {
    let (options, operands) = split_options(arguments, &["O", "T", "t", "timeout", "tries"]);
    let Some(url) = operands.first() else { return complain(io, "wget: missing URL") };
    let value = |names: &[&str]| {
        options.iter().find(|(name, _)| names.contains(&name.as_str())).map(|(_, value)| value.clone())
    };
    let output = value(&["O"]).unwrap_or_else(|| "index.html".to_owned());
    let mut curl = vec!["-s".to_owned(), "-f".to_owned(), "-o".to_owned(), output, url.clone()];
    if let Some(seconds) = value(&["T", "timeout"]) {
        curl.extend(["-m".to_owned(), seconds]);
    }
    let host = url.trim_start_matches("http://").split(['/', ':']).next().unwrap_or_default();
    let code = super::curl::main(session, &curl, io).await;
    match code {
        0 => 0,
        6 => complain(io, format!("wget: bad address '{host}'")),
        7 => complain(io, format!("wget: can't connect to remote host ({host}): Connection refused")),
        28 => complain(io, "wget: download timed out"),
        22 => complain(io, "wget: server returned error"),
        _ => complain(io, "wget: error getting response"),
    }
}

/// An option, with its value or an empty one.
type Named = (String, String);

/// Options and operands of a command line; `with_value` are the options that take one.
fn split_options(arguments: &[String], with_value: &[&str]) -> (Vec<Named>, Vec<String>) {
    let (mut options, mut operands) = (Vec::new(), Vec::new());
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let Some(name) = word.strip_prefix('-').filter(|name| !name.is_empty()) else {
            operands.push(word.clone());
            continue;
        };
        let name = name.trim_start_matches('-');
        match name.split_once('=') {
            Some((name, value)) => options.push((name.to_owned(), value.to_owned())),
            // `-qO-` and `-qO -`: letters, of which the last takes the value.
            None => match with_value.iter().find(|option| option.len() == 1 && name.contains(**option)) {
                Some(option) => {
                    let (before, inline) = name.split_once(option).unwrap_or((name, ""));
                    options.extend(before.chars().map(|letter| (letter.to_string(), String::new())));
                    let value =
                        if inline.is_empty() { words.next().cloned().unwrap_or_default() } else { inline.to_owned() };
                    options.push(((*option).to_owned(), value));
                }
                None if with_value.contains(&name) => {
                    options.push((name.to_owned(), words.next().cloned().unwrap_or_default()));
                }
                None => options.push((name.to_owned(), String::new())),
            },
        }
    }
    (options, operands)
}
