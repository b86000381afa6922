//! Doing what a script says.

use futures::future::{BoxFuture, FutureExt};

use super::parser::{Node, Part, Word, parse};
use crate::command::{
    Exit, Io, Session, Sink, Stdin,
    effort::Effort,
    plumbing::{Plumbing, Redirect, Target},
    run_from_shell,
};

/// How deep `$( )` may nest when run.
const DEEPEST: usize = 16;

/// A running `sh`.
pub(super) struct Shell {
    session: Session,
    status: Exit,
    exit: Option<Exit>,
    depth: usize,
    effort: Effort,
}

impl Shell {
    pub(super) fn new(session: Session) -> Self {
        let effort = Effort::new(&session);
        Self { session, status: 0, exit: None, depth: 0, effort }
    }

    /// Runs a script and returns what it ended with.
    pub(super) async fn script(&mut self, script: &str, io: &Io) -> Exit {
        match parse(script) {
            Ok(node) => self.node(&node, io).await,
            Err(error) => {
                io.stderr.text(format!("sh: {}\n", error.0));
                2
            }
        }
    }

    fn node<'a>(&'a mut self, node: &'a Node, io: &'a Io) -> BoxFuture<'a, Exit> {
        async move {
            let status = match node {
                Node::Empty => 0,
                Node::Simple { assignments, words, redirects } => self.simple(assignments, words, redirects, io).await,
                Node::Then(first, second) => {
                    let status = self.node(first, io).await;
                    if self.exit.is_some() { status } else { self.node(second, io).await }
                }
                Node::And(first, second) => match self.node(first, io).await {
                    0 if self.exit.is_none() => self.node(second, io).await,
                    status => status,
                },
                Node::Or(first, second) => match self.node(first, io).await {
                    status if status != 0 && self.exit.is_none() => self.node(second, io).await,
                    status => status,
                },
                Node::Pipe(first, second) => {
                    let through = Sink::keeping();
                    let from = Io { stdout: through.clone(), ..io.clone() };
                    self.node(first, &from).await;
                    let into = Io { stdin: Stdin::held(through.take()), ..io.clone() };
                    self.node(second, &into).await
                }
                Node::Not(inner) => Exit::from(self.node(inner, io).await == 0),
                Node::Group { inner, redirects } => match self.lay(io, redirects).await {
                    Some(plumbing) => {
                        let status = self.node(inner, &plumbing.io).await;
                        plumbing.finish(&self.session).await;
                        status
                    }
                    None => 1,
                },
                Node::For { name, words, body, redirects } => self.for_each(name, words, body, redirects, io).await,
                Node::While { condition, until, body } => self.repeat(condition, *until, body, io).await,
                Node::If { condition, then, otherwise } => {
                    let branch = if self.node(condition, io).await == 0 { then } else { otherwise };
                    if self.exit.is_some() { self.status } else { self.node(branch, io).await }
                }
            };
            self.status = status;
            self.exit.unwrap_or(status)
        }
        .boxed()
    }

    async fn for_each(
        &mut self,
        name: &str,
        words: &[Word],
        body: &Node,
        redirects: &[Redirect<Word>],
        io: &Io,
    ) -> Exit {
        let Some(plumbing) = self.lay(io, redirects).await else { return 1 };
        let mut status = 0;
        for value in self.expand_all(words, io).await {
            self.session.env.set(name, value);
            status = self.node(body, &plumbing.io).await;
            if self.exit.is_some() {
                break;
            }
            self.effort.step().await;
        }
        self.effort.rest();
        plumbing.finish(&self.session).await;
        status
    }

    async fn repeat(&mut self, condition: &Node, until: bool, body: &Node, io: &Io) -> Exit {
        let mut status = 0;
        loop {
            let holds = self.node(condition, io).await == 0;
            if self.exit.is_some() || holds == until {
                break;
            }
            status = self.node(body, io).await;
            if self.exit.is_some() {
                break;
            }
            self.effort.step().await;
        }
        self.effort.rest();
        status
    }

    async fn simple(
        &mut self,
        assignments: &[(String, Word)],
        words: &[Word],
        redirects: &[Redirect<Word>],
        io: &Io,
    ) -> Exit {
        let argv = self.expand_all(words, io).await;
        for (name, value) in assignments {
            let value = self.expand(value, io).await.concat();
            // Before a command an assignment is that command's alone; nothing here can tell.
            self.session.env.set(name.clone(), value);
        }
        let Some(plumbing) = self.lay(io, redirects).await else { return 1 };
        let status = match argv.first() {
            Some(_) => self.command(&argv, &plumbing.io).await,
            None => 0,
        };
        plumbing.finish(&self.session).await;
        status
    }

    /// The streams after redirections; none when a file to read is not there, which is said.
    async fn lay(&mut self, io: &Io, redirects: &[Redirect<Word>]) -> Option<Plumbing> {
        let mut expanded = Vec::new();
        for Redirect { handle, to } in redirects {
            let to = match to {
                Target::Handle(other) => Target::Handle(*other),
                Target::Input(path) => Target::Input(self.expand(path, io).await.concat()),
                Target::File { path, append } => {
                    Target::File { path: self.expand(path, io).await.concat(), append: *append }
                }
            };
            expanded.push(Redirect { handle: *handle, to });
        }
        match Plumbing::lay(&self.session, io, expanded).await {
            Ok(laid) => Some(laid),
            Err(closed) => {
                io.stderr.text(format!("sh: can't open {}: no such file\n", closed.path));
                None
            }
        }
    }

    async fn command(&mut self, argv: &[String], io: &Io) -> Exit {
        let (name, arguments) = match argv.split_first() {
            Some((name, arguments)) => (name.as_str(), arguments),
            None => return 0,
        };
        match name {
            "exit" => {
                let code = arguments.first().and_then(|code| code.parse::<i64>().ok());
                let code = code.and_then(|code| u32::try_from(code.rem_euclid(256)).ok()).unwrap_or(self.status);
                self.exit = Some(code);
                code
            }
            ":" | "set" | "trap" | "wait" | "cd" | "exec" | "ulimit" | "umask" => 0,
            "export" | "local" | "readonly" => {
                for argument in arguments {
                    if let Some((name, value)) = argument.split_once('=') {
                        self.session.env.set(name, value);
                    }
                }
                0
            }
            "unset" => {
                for argument in arguments {
                    self.session.env.remove(argument);
                }
                0
            }
            _ => {
                // What a program computes itself is its own; the shell waits for it.
                if !matches!(name, "true" | "false" | "test" | "[") {
                    self.effort.rest();
                }
                match run_from_shell(&self.session, argv, io).await {
                    Some(status) => status,
                    None => {
                        io.stderr.text(format!("sh: {name}: not found\n"));
                        127
                    }
                }
            }
        }
    }

    async fn expand_all(&mut self, words: &[Word], io: &Io) -> Vec<String> {
        let mut all = Vec::new();
        for word in words {
            all.extend(self.expand(word, io).await);
        }
        all
    }

    /// A word's values: what is not quoted is split at blanks, and may be none at all.
    async fn expand(&mut self, word: &Word, io: &Io) -> Vec<String> {
        let mut values: Vec<String> = Vec::new();
        let mut current: Option<String> = None;
        for part in &word.parts {
            let (value, quoted) = match part {
                Part::Text(text) => (text.clone(), true),
                Part::Variable { name, quoted } => (self.variable(name), *quoted),
                Part::Command { script, quoted } => (self.substitute(script, io).await, *quoted),
            };
            if quoted {
                current.get_or_insert_default().push_str(&value);
                continue;
            }
            let mut pieces = value.split_whitespace();
            if let Some(first) = pieces.next() {
                current.get_or_insert_default().push_str(first);
            }
            for piece in pieces {
                values.extend(current.replace(piece.to_owned()));
            }
        }
        values.extend(current);
        values
    }

    fn variable(&self, name: &str) -> String {
        match name {
            "?" => self.status.to_string(),
            "$" => "7".to_owned(),
            "#" => "0".to_owned(),
            _ => match name.split_once(":-") {
                Some((name, default)) => match self.session.env.get(name) {
                    Some(value) if !value.is_empty() => value.to_owned(),
                    _ => default.to_owned(),
                },
                None => self.session.env.get(name).unwrap_or_default().to_owned(),
            },
        }
    }

    async fn substitute(&mut self, script: &str, io: &Io) -> String {
        if self.depth >= DEEPEST {
            return String::new();
        }
        let kept = Sink::keeping();
        let inner = Io { stdout: kept.clone(), ..io.clone() };
        let mut shell = Self { depth: self.depth + 1, ..Self::new(self.session.clone()) };
        self.status = Box::pin(shell.script(script, &inner)).await;
        String::from_utf8_lossy(&kept.take()).trim_end_matches('\n').to_owned()
    }
}
