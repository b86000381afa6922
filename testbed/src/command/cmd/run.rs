//! Doing what a line says.

use futures::future::{BoxFuture, FutureExt};

use super::{
    builtin, parse,
    parser::{Ask, Condition, Node, Values},
};
use crate::command::{
    Environment, Exit, Io, Session, Sink, Stdin, System,
    effort::Effort,
    line,
    plumbing::{Plumbing, Redirect},
    run_from_shell,
};

/// What `%ERRORLEVEL%` says after a command that does not exist.
const NOT_RECOGNIZED: Exit = 9009;

/// What a command ends with whose file cannot be opened: `%ERRORLEVEL%` says so only after `||`.
const NOT_OPENED: Exit = 1;

/// A running `cmd`.
pub(super) struct Shell {
    pub(super) session: Session,
    error_level: Exit,
    exit: Option<Exit>,
    effort: Effort,
}

impl Shell {
    pub(super) fn new(session: Session) -> Self {
        let effort = Effort::new(&session);
        Self { session, error_level: 0, exit: None, effort }
    }

    /// Whether `exit` was reached.
    pub(super) fn left(&self) -> bool {
        self.exit.is_some()
    }

    /// Has the shell end with a code.
    pub(super) fn leave(&mut self, code: Option<Exit>) -> Exit {
        let code = code.unwrap_or(self.error_level);
        self.exit = Some(code);
        code
    }

    pub(super) fn version(&self) -> &str {
        match &self.session.system {
            System::Windows { version } => version,
            System::Linux => "",
        }
    }

    pub(super) fn banner(&self, io: &Io) {
        let version = self.version();
        io.stdout.text(format!(
            "Microsoft Windows [Version {version}]\r\n(c) Microsoft Corporation. All rights reserved.\r\n\r\n"
        ));
        self.prompt(io);
    }

    pub(super) fn prompt(&self, io: &Io) {
        io.stdout.text("C:\\>");
    }

    /// Runs one line and returns what it ended with.
    pub(super) async fn line(&mut self, line: &str, io: &Io) -> Exit {
        let expanded = expand(line, &self.session.env, self.error_level);
        match parse(&expanded) {
            Ok(node) => self.node(&node, io).await,
            Err(error) => {
                io.stderr.text(format!("{}\r\n", error.0));
                self.error_level = 255;
                255
            }
        }
    }

    fn node<'a>(&'a mut self, node: &'a Node, io: &'a Io) -> BoxFuture<'a, Exit> {
        async move {
            match node {
                Node::Empty => 0,
                Node::Simple { text, redirects } => {
                    let Some(plumbing) = self.lay(io, redirects).await else { return NOT_OPENED };
                    let code = self.simple(text, &plumbing.io).await;
                    plumbing.finish(&self.session).await;
                    code
                }
                Node::Group { inner, redirects } => {
                    let Some(plumbing) = self.lay(io, redirects).await else { return NOT_OPENED };
                    let code = self.node(inner, &plumbing.io).await;
                    plumbing.finish(&self.session).await;
                    code
                }
                Node::Then(first, second) => {
                    let code = self.node(first, io).await;
                    if self.left() { code } else { self.node(second, io).await }
                }
                Node::And(first, second) => match self.node(first, io).await {
                    0 if !self.left() => self.node(second, io).await,
                    code => code,
                },
                Node::Or(first, second) => match self.node(first, io).await {
                    code if code != 0 && !self.left() => {
                        if code == NOT_OPENED && self.error_level == 0 {
                            self.level(code);
                        }
                        self.node(second, io).await
                    }
                    code => code,
                },
                Node::Pipe(first, second) => {
                    let through = Sink::keeping();
                    let from = Io { stdout: through.clone(), ..io.clone() };
                    self.node(first, &from).await;
                    let into = Io { stdin: Stdin::held(through.take()), ..io.clone() };
                    self.node(second, &into).await
                }
                Node::For { variable, values, body } => self.for_each(*variable, values, body, io).await,
                Node::If { condition, then, otherwise } => {
                    let branch = if self.holds(condition).await { then } else { otherwise };
                    self.node(branch, io).await
                }
            }
        }
        .boxed()
    }

    /// The streams after redirections; none when a file cannot be opened, which is said.
    async fn lay(&self, io: &Io, redirects: &[Redirect]) -> Option<Plumbing> {
        match Plumbing::lay(&self.session, io, redirects.iter().cloned()).await {
            Ok(laid) => Some(laid),
            Err(closed) => {
                io.stderr.text(format!("{}\r\n", closed.why));
                None
            }
        }
    }

    /// Notes an error level.
    pub(super) fn level(&mut self, code: Exit) -> Exit {
        self.error_level = code;
        code
    }

    async fn simple(&mut self, text: &str, io: &Io) -> Exit {
        if let Some(code) = builtin::run(self, text, io).await {
            return code;
        }
        let argv = line::split(text);
        let Some(program) = argv.first() else { return 0 };
        self.effort.rest();
        match run_from_shell(&self.session, &argv, io).await {
            Some(code) => self.level(code),
            None => {
                io.stderr.text(format!(
                    "'{program}' is not recognized as an internal or external command,\r\noperable program or batch file.\r\n"
                ));
                self.error_level = NOT_RECOGNIZED;
                1
            }
        }
    }

    async fn for_each(&mut self, variable: char, values: &Values, body: &str, io: &Io) -> Exit {
        let mut code = 0;
        let mut next = Counter::new(values);
        while let Some(value) = next.next() {
            let line = replace(body, variable, &value);
            code = match parse(&line) {
                Ok(node) => self.node(&node, io).await,
                Err(error) => {
                    io.stderr.text(format!("{}\r\n", error.0));
                    return self.level(255);
                }
            };
            if self.left() {
                break;
            }
            self.effort.step().await;
        }
        self.effort.rest();
        code
    }

    async fn holds(&self, condition: &Condition) -> bool {
        let answer = match &condition.ask {
            Ask::ErrorLevel(least) => i64::from(self.error_level.cast_signed()) >= *least,
            Ask::Exist(path) => self.session.read(path).await.is_ok() || self.session.files.list(path).await.is_some(),
            Ask::Defined(name) => self.session.env.get(name).is_some(),
            Ask::Compare { left, operator, right, ignore_case } => compare(left, operator, right, *ignore_case),
        };
        answer != condition.negated
    }
}

fn compare(left: &str, operator: &str, right: &str, ignore_case: bool) -> bool {
    let (left, right) =
        if ignore_case { (left.to_lowercase(), right.to_lowercase()) } else { (left.to_owned(), right.to_owned()) };
    let order = match (left.parse::<i64>(), right.parse::<i64>()) {
        (Ok(left), Ok(right)) if operator != "==" => left.cmp(&right),
        _ => left.cmp(&right),
    };
    match operator {
        "NEQ" => order.is_ne(),
        "LSS" => order.is_lt(),
        "LEQ" => order.is_le(),
        "GTR" => order.is_gt(),
        "GEQ" => order.is_ge(),
        _ => order.is_eq(),
    }
}

/// The values of a `for`, one after the other.
struct Counter<'a> {
    values: &'a Values,
    done: i64,
}

impl<'a> Counter<'a> {
    fn new(values: &'a Values) -> Self {
        Self { values, done: 0 }
    }

    fn next(&mut self) -> Option<String> {
        let value = match self.values {
            Values::List(list) => list.get(usize::try_from(self.done).ok()?).cloned(),
            Values::Count { start, step, end } => {
                let value = start.checked_add(step.checked_mul(self.done)?)?;
                let inside = if *step >= 0 { value <= *end } else { value >= *end };
                inside.then(|| value.to_string())
            }
        };
        self.done += 1;
        value
    }
}

/// Replaces `%i` (and `%%i`, as scripts write it).
fn replace(body: &str, variable: char, value: &str) -> String {
    body.replace(&format!("%%{variable}"), value).replace(&format!("%{variable}"), value)
}

/// Replaces `%NAME%`; what is not defined stays, as on a command line.
fn expand(line: &str, env: &Environment, error_level: Exit) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let value = after.split_once('%').and_then(|(name, tail)| Some((value(name, env, error_level)?, tail)));
        match value {
            Some((value, tail)) => {
                out.push_str(&value);
                rest = tail;
            }
            None => {
                out.push('%');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

fn value(name: &str, env: &Environment, error_level: Exit) -> Option<String> {
    if let Some(value) = env.get(name) {
        return Some(value.to_owned());
    }
    let now = || jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
    match name.to_ascii_uppercase().as_str() {
        "ERRORLEVEL" => Some(error_level.cast_signed().to_string()),
        "CD" => Some("C:\\".to_owned()),
        "DATE" => Some(now().strftime("%a %m/%d/%Y").to_string()),
        "TIME" => Some(now().strftime("%k:%M:%S.00").to_string()),
        _ => None,
    }
}
