//! From a line to what is to be done.

use crate::command::plumbing::{Redirect, Target};

/// How deep parentheses, `if` and `for` may nest.
const DEEPEST: usize = 32;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    /// Nothing.
    Empty,
    /// One command: its text with quotes, and where its streams go.
    Simple { text: String, redirects: Vec<Redirect> },
    /// `( … )` with redirections.
    Group { inner: Box<Node>, redirects: Vec<Redirect> },
    /// `a & b`.
    Then(Box<Node>, Box<Node>),
    /// `a && b`.
    And(Box<Node>, Box<Node>),
    /// `a || b`.
    Or(Box<Node>, Box<Node>),
    /// `a | b`.
    Pipe(Box<Node>, Box<Node>),
    /// `for`: the body is parsed again for each value, as text in which the variable is replaced.
    For { variable: char, values: Values, body: String },
    /// `if`.
    If { condition: Condition, then: Box<Node>, otherwise: Box<Node> },
}

/// The values of a `for`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Values {
    /// `for /L %i in (start,step,end)`.
    Count { start: i64, step: i64, end: i64 },
    /// `for %i in (a b c)`.
    List(Vec<String>),
}

/// The question of an `if`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) negated: bool,
    pub(super) ask: Ask,
}

/// What an `if` asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ask {
    /// `errorlevel N`: at least N.
    ErrorLevel(i64),
    /// `exist file`.
    Exist(String),
    /// `defined NAME`.
    Defined(String),
    /// `a==b` or `a NEQ b`, perhaps in any case.
    Compare { left: String, operator: String, right: String, ignore_case: bool },
}

/// The line is not well formed; what `cmd` says about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SyntaxError(pub(super) String);

impl SyntaxError {
    fn at(text: &str) -> Self {
        Self(format!("{} was unexpected at this time.", text.trim()))
    }
}

type Parsed<T> = Result<T, SyntaxError>;

/// Parses a line whose variables are expanded already.
pub(super) fn parse(line: &str) -> Parsed<Node> {
    let mut parser = Parser { rest: line, depth: 0 };
    let node = parser.sequence()?;
    match parser.rest.trim() {
        "" => Ok(node),
        rest => Err(SyntaxError::at(rest)),
    }
}

struct Parser<'a> {
    rest: &'a str,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', ',', ';', '=']);
    }

    fn take(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Takes a keyword that ends at a delimiter.
    fn word(&mut self, word: &str) -> bool {
        let matches = self.rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
        let tail = self.rest.get(word.len()..).unwrap_or_default();
        let ends = tail.is_empty() || tail.starts_with([' ', '\t', '(', '/', '"', '&', '|']);
        if matches && ends {
            self.rest = tail;
        }
        matches && ends
    }

    fn at_end(&self) -> bool {
        self.rest.is_empty() || self.rest.starts_with(['\n', '\r']) || (self.depth > 0 && self.rest.starts_with(')'))
    }

    fn sequence(&mut self) -> Parsed<Node> {
        let mut node = self.alternative()?;
        loop {
            self.blanks();
            // Inside parentheses a line's end separates commands, too.
            let separated = self.take("&") || (self.depth > 0 && (self.take("\r\n") || self.take("\n")));
            if !separated {
                return Ok(node);
            }
            self.blanks();
            if self.at_end() {
                return Ok(node);
            }
            let next = self.alternative()?;
            node = Node::Then(Box::new(node), Box::new(next));
        }
    }

    fn alternative(&mut self) -> Parsed<Node> {
        let mut node = self.conjunction()?;
        loop {
            self.blanks();
            if !self.take("||") {
                return Ok(node);
            }
            node = Node::Or(Box::new(node), Box::new(self.conjunction()?));
        }
    }

    fn conjunction(&mut self) -> Parsed<Node> {
        let mut node = self.pipeline()?;
        loop {
            self.blanks();
            if !self.take("&&") {
                return Ok(node);
            }
            node = Node::And(Box::new(node), Box::new(self.pipeline()?));
        }
    }

    fn pipeline(&mut self) -> Parsed<Node> {
        let mut node = self.unit()?;
        loop {
            self.blanks();
            if self.rest.starts_with("||") || !self.take("|") {
                return Ok(node);
            }
            node = Node::Pipe(Box::new(node), Box::new(self.unit()?));
        }
    }

    fn unit(&mut self) -> Parsed<Node> {
        self.blanks();
        self.rest = self.rest.trim_start_matches('@'); // nothing is echoed anyway
        self.blanks();
        if self.rest.starts_with(['&', '|', ')']) {
            let token: String = self.rest.chars().take_while(|c| matches!(c, '&' | '|' | ')')).take(2).collect();
            return Err(SyntaxError::at(&token));
        }
        if self.rest.starts_with('(') {
            return self.group();
        }
        if self.word("for") {
            return self.for_loop();
        }
        if self.word("if") {
            return self.if_else();
        }
        self.simple()
    }

    fn nest<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= DEEPEST {
            return Err(SyntaxError("The input line is too long.".to_owned()));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn group(&mut self) -> Parsed<Node> {
        let inner = self.nest(|parser| {
            parser.take("(");
            parser.rest = parser.rest.trim_start();
            let inner = if parser.rest.starts_with(')') { Node::Empty } else { parser.sequence()? };
            parser.rest = parser.rest.trim_start();
            if parser.take(")") { Ok(inner) } else { Err(SyntaxError::at(parser.rest)) }
        })?;
        let mut redirects = Vec::new();
        loop {
            self.rest = self.rest.trim_start_matches([' ', '\t']);
            match self.redirect()? {
                Some(redirect) => redirects.push(redirect),
                None => return Ok(Node::Group { inner: Box::new(inner), redirects }),
            }
        }
    }

    /// A redirection, if one begins here.
    fn redirect(&mut self) -> Parsed<Option<Redirect>> {
        let mut rest = self.rest;
        let digit = rest.chars().next().filter(char::is_ascii_digit);
        if digit.is_some() {
            rest = rest.get(1..).unwrap_or_default();
        }
        let input = rest.starts_with('<');
        if !input && !rest.starts_with('>') {
            return Ok(None);
        }
        let append = rest.starts_with(">>");
        rest = rest.get(if append { 2 } else { 1 }..).unwrap_or_default();
        let default = if input { 0 } else { 1 };
        let handle =
            digit.and_then(|digit| digit.to_digit(10)).and_then(|digit| u8::try_from(digit).ok()).unwrap_or(default);
        if let Some(after) = rest.strip_prefix('&') {
            let target = after.chars().next().and_then(|c| c.to_digit(10)).and_then(|digit| u8::try_from(digit).ok());
            let Some(target) = target else { return Err(SyntaxError::at("&")) };
            self.rest = after.get(1..).unwrap_or_default();
            return Ok(Some(Redirect { handle, to: Target::Handle(target) }));
        }
        self.rest = rest.trim_start_matches([' ', '\t']);
        let path = self.token();
        if path.is_empty() {
            return Err(SyntaxError("The syntax of the command is incorrect.".to_owned()));
        }
        let to = if input { Target::Input(path) } else { Target::File { path, append } };
        Ok(Some(Redirect { handle, to }))
    }

    /// A file name: up to a delimiter outside quotes; the quotes go.
    fn token(&mut self) -> String {
        let mut quoted = false;
        let mut token = String::new();
        let mut end = self.rest.len();
        for (at, character) in self.rest.char_indices() {
            match character {
                '"' => quoted = !quoted,
                ' ' | '\t' | '&' | '|' | '<' | '>' | '(' | ')' | ',' | ';' | '=' | '\r' | '\n' if !quoted => {
                    end = at;
                    break;
                }
                other => token.push(other),
            }
        }
        self.rest = self.rest.get(end..).unwrap_or_default();
        token
    }

    fn simple(&mut self) -> Parsed<Node> {
        let mut text = String::new();
        let mut redirects = Vec::new();
        let mut quoted = false;
        loop {
            let delimited = text.is_empty() || text.ends_with([' ', '\t', ',', ';', '=', '"', ')']);
            let digit_first = self.rest.starts_with(|c: char| c.is_ascii_digit());
            if !quoted
                && (self.rest.starts_with(['<', '>']) || (digit_first && delimited))
                && let Some(redirect) = self.redirect()?
            {
                redirects.push(redirect);
                continue;
            }
            let Some(character) = self.rest.chars().next() else { break };
            if !quoted && (matches!(character, '&' | '|' | '\n' | '\r') || (character == ')' && self.depth > 0)) {
                break;
            }
            self.rest = self.rest.get(character.len_utf8()..).unwrap_or_default();
            match character {
                '"' => {
                    quoted = !quoted;
                    text.push('"');
                }
                '^' if !quoted => {
                    if let Some(escaped) = self.rest.chars().next() {
                        self.rest = self.rest.get(escaped.len_utf8()..).unwrap_or_default();
                        text.push(escaped);
                    }
                }
                other => text.push(other),
            }
        }
        Ok(if text.trim().is_empty() && redirects.is_empty() { Node::Empty } else { Node::Simple { text, redirects } })
    }

    /// The rest of the line, or of the parentheses that this is in.
    fn remainder(&mut self) -> &'a str {
        let mut quoted = false;
        let mut open = 0_usize;
        let mut end = self.rest.len();
        for (at, character) in self.rest.char_indices() {
            match character {
                '"' => quoted = !quoted,
                '(' if !quoted => open += 1,
                ')' if !quoted && open == 0 && self.depth > 0 => {
                    end = at;
                    break;
                }
                ')' if !quoted => open = open.saturating_sub(1),
                _ => {}
            }
        }
        let (body, rest) = self.rest.split_at(end);
        self.rest = rest;
        body
    }

    fn for_loop(&mut self) -> Parsed<Node> {
        self.blanks();
        let counting = match self.rest.strip_prefix('/') {
            Some(rest) if rest.starts_with(['l', 'L']) => {
                self.rest = rest.get(1..).unwrap_or_default();
                true
            }
            Some(rest) => return Err(SyntaxError::at(&format!("/{}", rest.chars().take(1).collect::<String>()))),
            None => false,
        };
        self.blanks();
        let rest = self.rest.trim_start_matches('%');
        let variable = rest.chars().next().filter(|c| rest.len() < self.rest.len() && c.is_alphabetic());
        let Some(variable) = variable else { return Err(SyntaxError::at(self.rest)) };
        self.rest = rest.get(variable.len_utf8()..).unwrap_or_default();
        self.blanks();
        if !self.word("in") {
            return Err(SyntaxError::at(self.rest));
        }
        self.blanks();
        let list = self.rest.strip_prefix('(').and_then(|rest| rest.split_once(')'));
        let Some((list, rest)) = list else { return Err(SyntaxError::at(self.rest)) };
        self.rest = rest;
        self.blanks();
        if !self.word("do") {
            return Err(SyntaxError::at(self.rest));
        }
        let words = || list.split([' ', '\t', ',', ';', '=']).filter(|word| !word.is_empty());
        let values = if counting {
            let mut numbers = words().map(|word| word.parse::<i64>().unwrap_or(0));
            let mut next = || numbers.next().unwrap_or(0);
            Values::Count { start: next(), step: next(), end: next() }
        } else {
            Values::List(words().map(ToOwned::to_owned).collect())
        };
        Ok(Node::For { variable, values, body: self.remainder().to_owned() })
    }

    fn if_else(&mut self) -> Parsed<Node> {
        self.blanks();
        let ignore_case = self.take("/i") || self.take("/I");
        self.blanks();
        let negated = self.word("not");
        self.blanks();
        let ask = if self.word("errorlevel") {
            self.blanks();
            Ask::ErrorLevel(self.token().parse().unwrap_or(0))
        } else if self.word("exist") {
            self.blanks();
            Ask::Exist(self.token())
        } else if self.word("defined") {
            self.blanks();
            Ask::Defined(self.token())
        } else {
            self.comparison(ignore_case)?
        };
        let condition = Condition { negated, ask };
        self.rest = self.rest.trim_start_matches([' ', '\t']);
        let then = if self.rest.starts_with('(') { self.group()? } else { self.nest_rest()? };
        self.rest = self.rest.trim_start_matches([' ', '\t']);
        let otherwise = if self.word("else") { self.nest_rest()? } else { Node::Empty };
        Ok(Node::If { condition, then: Box::new(then), otherwise: Box::new(otherwise) })
    }

    /// What an `if` without parentheses governs: everything up to the end of the line.
    fn nest_rest(&mut self) -> Parsed<Node> {
        let body = self.remainder();
        let mut inner = Parser { rest: body, depth: self.depth };
        inner.nest(|inner| {
            inner.depth -= 1;
            let node = inner.sequence();
            inner.depth += 1;
            node
        })
    }

    fn comparison(&mut self, ignore_case: bool) -> Parsed<Ask> {
        let left = self.operand();
        self.rest = self.rest.trim_start_matches([' ', '\t']);
        let operator = if self.take("==") {
            "==".to_owned()
        } else {
            let operator = self.token().to_ascii_uppercase();
            if !matches!(operator.as_str(), "EQU" | "NEQ" | "LSS" | "LEQ" | "GTR" | "GEQ") {
                return Err(SyntaxError::at(if operator.is_empty() { self.rest } else { &operator }));
            }
            operator
        };
        self.rest = self.rest.trim_start_matches([' ', '\t']);
        let right = self.operand();
        Ok(Ask::Compare { left, operator, right, ignore_case })
    }

    /// One side of a comparison, with its quotes.
    fn operand(&mut self) -> String {
        let mut quoted = false;
        let mut end = self.rest.len();
        for (at, character) in self.rest.char_indices() {
            match character {
                '"' => quoted = !quoted,
                ' ' | '\t' | '=' | '&' | '|' | '(' | ')' if !quoted => {
                    end = at;
                    break;
                }
                _ => {}
            }
        }
        let (operand, rest) = self.rest.split_at(end);
        self.rest = rest;
        operand.to_owned()
    }
}
