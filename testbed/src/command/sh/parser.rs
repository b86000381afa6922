//! From a script to what is to be done.

use crate::command::plumbing::{Redirect, Target};

/// How deep loops, conditions and substitutions may nest.
const DEEPEST: usize = 32;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    /// Nothing.
    Empty,
    /// Assignments, words and redirections.
    Simple { assignments: Vec<(String, Word)>, words: Vec<Word>, redirects: Vec<Redirect<Word>> },
    /// `a; b`.
    Then(Box<Node>, Box<Node>),
    /// `a && b`.
    And(Box<Node>, Box<Node>),
    /// `a || b`.
    Or(Box<Node>, Box<Node>),
    /// `a | b`.
    Pipe(Box<Node>, Box<Node>),
    /// `! a`.
    Not(Box<Node>),
    /// `( a )` and `{ a; }`.
    Group { inner: Box<Node>, redirects: Vec<Redirect<Word>> },
    /// `for name in words; do …; done`.
    For { name: String, words: Vec<Word>, body: Box<Node>, redirects: Vec<Redirect<Word>> },
    /// `while …; do …; done`, or `until`.
    While { condition: Box<Node>, until: bool, body: Box<Node> },
    /// `if …; then …; else …; fi`.
    If { condition: Box<Node>, then: Box<Node>, otherwise: Box<Node> },
}

/// A word before expansion.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) parts: Vec<Part>,
}

/// A piece of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// As it is.
    Text(String),
    /// `$NAME`; not split into words when quoted.
    Variable { name: String, quoted: bool },
    /// `$( … )`; not split into words when quoted.
    Command { script: String, quoted: bool },
}

/// The script is not well formed; what the shell says about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SyntaxError(pub(super) String);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(Word),
    Operator(&'static str),
    Redirect { handle: u8, operator: &'static str },
}

/// Parses a script.
pub(super) fn parse(script: &str) -> Result<Node, SyntaxError> {
    let mut parser = Parser { tokens: tokens(script)?, at: 0, depth: 0 };
    let node = parser.list(&[])?;
    match parser.peek() {
        None => Ok(node),
        Some(token) => Err(unexpected(token)),
    }
}

fn unexpected(token: &Token) -> SyntaxError {
    let shown = match token {
        Token::Operator(operator) | Token::Redirect { operator, .. } => (*operator).to_owned(),
        Token::Word(word) => word.plain().unwrap_or("word").to_owned(),
    };
    SyntaxError(format!("syntax error: unexpected \"{shown}\""))
}

impl Word {
    /// The word's text, where it is nothing but text.
    fn plain(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn take_operator(&mut self, operator: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Operator(known)) if *known == operator);
        self.at += usize::from(found);
        found
    }

    fn keyword(&self) -> Option<&str> {
        match self.peek() {
            Some(Token::Word(word)) => word.plain(),
            _ => None,
        }
    }

    fn expect(&mut self, keyword: &str) -> Result<(), SyntaxError> {
        if self.keyword() == Some(keyword) {
            self.at += 1;
            return Ok(());
        }
        let found = self.peek().map_or_else(|| "end of file".to_owned(), |token| unexpected(token).0);
        Err(SyntaxError(format!("syntax error: expecting \"{keyword}\" ({found})")))
    }

    fn skip_separators(&mut self) {
        while self.take_operator(";") {}
    }

    /// Commands up to one of the keywords, a closing parenthesis, or the end.
    fn list(&mut self, ends: &[&str]) -> Result<Node, SyntaxError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(SyntaxError("syntax error: nested too deeply".to_owned()));
        }
        let mut node = Node::Empty;
        loop {
            self.skip_separators();
            let at_end = match self.peek() {
                None | Some(Token::Operator(")")) => true,
                _ => self.keyword().is_some_and(|word| ends.contains(&word)),
            };
            if at_end {
                self.depth -= 1;
                return Ok(node);
            }
            let next = self.and_or()?;
            node = if node == Node::Empty { next } else { Node::Then(Box::new(node), Box::new(next)) };
            // `a & b` runs a in the background; here it is waited for, which no script can tell.
            if !self.take_operator(";") && !self.take_operator("&") {
                self.depth -= 1;
                return Ok(node);
            }
        }
    }

    fn and_or(&mut self) -> Result<Node, SyntaxError> {
        let mut node = self.pipeline()?;
        loop {
            if self.take_operator("&&") {
                self.skip_separators();
                node = Node::And(Box::new(node), Box::new(self.pipeline()?));
            } else if self.take_operator("||") {
                self.skip_separators();
                node = Node::Or(Box::new(node), Box::new(self.pipeline()?));
            } else {
                return Ok(node);
            }
        }
    }

    fn pipeline(&mut self) -> Result<Node, SyntaxError> {
        if self.keyword() == Some("!") {
            self.at += 1;
            return Ok(Node::Not(Box::new(self.pipeline()?)));
        }
        let mut node = self.command()?;
        while self.take_operator("|") {
            self.skip_separators();
            node = Node::Pipe(Box::new(node), Box::new(self.command()?));
        }
        Ok(node)
    }

    fn command(&mut self) -> Result<Node, SyntaxError> {
        if self.take_operator("(") {
            let inner = Box::new(self.list(&[])?);
            if !self.take_operator(")") {
                return Err(SyntaxError("syntax error: unexpected end of file (expecting \")\")".to_owned()));
            }
            return Ok(Node::Group { inner, redirects: self.redirects()? });
        }
        match self.keyword() {
            Some("{") => {
                self.at += 1;
                let inner = Box::new(self.list(&["}"])?);
                self.expect("}")?;
                Ok(Node::Group { inner, redirects: self.redirects()? })
            }
            Some("for") => self.for_loop(),
            Some(word @ ("while" | "until")) => {
                let until = word == "until";
                self.at += 1;
                let condition = Box::new(self.list(&["do"])?);
                Ok(Node::While { condition, until, body: Box::new(self.body()?) })
            }
            Some("if") => {
                self.at += 1;
                self.branches()
            }
            _ => self.simple(),
        }
    }

    fn body(&mut self) -> Result<Node, SyntaxError> {
        self.skip_separators();
        self.expect("do")?;
        let body = self.list(&["done"])?;
        self.expect("done")?;
        Ok(body)
    }

    fn for_loop(&mut self) -> Result<Node, SyntaxError> {
        self.at += 1;
        let name = self.keyword().map(str::to_owned);
        let name = name.ok_or_else(|| SyntaxError("syntax error: bad for loop variable".to_owned()))?;
        self.at += 1;
        self.skip_separators();
        self.expect("in")?;
        let mut words = Vec::new();
        while let Some(Token::Word(word)) = self.peek() {
            words.push(word.clone());
            self.at += 1;
        }
        let body = Box::new(self.body()?);
        Ok(Node::For { name, words, body, redirects: self.redirects()? })
    }

    /// What follows `if` or `elif`.
    fn branches(&mut self) -> Result<Node, SyntaxError> {
        let condition = Box::new(self.list(&["then"])?);
        self.expect("then")?;
        let then = Box::new(self.list(&["elif", "else", "fi"])?);
        let otherwise = match self.keyword() {
            Some("elif") => {
                self.at += 1;
                return Ok(Node::If { condition, then, otherwise: Box::new(self.branches()?) });
            }
            Some("else") => {
                self.at += 1;
                self.list(&["fi"])?
            }
            _ => Node::Empty,
        };
        self.expect("fi")?;
        Ok(Node::If { condition, then, otherwise: Box::new(otherwise) })
    }

    fn simple(&mut self) -> Result<Node, SyntaxError> {
        let (mut assignments, mut words, mut redirects) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            match self.peek() {
                Some(Token::Word(word)) => {
                    match assignment(word).filter(|_| words.is_empty()) {
                        Some(assignment) => assignments.push(assignment),
                        None => words.push(word.clone()),
                    }
                    self.at += 1;
                }
                Some(Token::Redirect { .. }) => redirects.push(self.redirect()?),
                Some(token @ Token::Operator(_))
                    if words.is_empty() && assignments.is_empty() && redirects.is_empty() =>
                {
                    return Err(unexpected(token));
                }
                _ => return Ok(Node::Simple { assignments, words, redirects }),
            }
        }
    }

    fn redirects(&mut self) -> Result<Vec<Redirect<Word>>, SyntaxError> {
        let mut redirects = Vec::new();
        while matches!(self.peek(), Some(Token::Redirect { .. })) {
            redirects.push(self.redirect()?);
        }
        Ok(redirects)
    }

    fn redirect(&mut self) -> Result<Redirect<Word>, SyntaxError> {
        let Some(Token::Redirect { handle, operator }) = self.peek().cloned() else {
            return Err(SyntaxError("syntax error: redirection expected".to_owned()));
        };
        self.at += 1;
        let Some(Token::Word(word)) = self.peek().cloned() else {
            return Err(SyntaxError("syntax error: unexpected redirection".to_owned()));
        };
        self.at += 1;
        let to = match operator {
            ">&" => match word.plain().and_then(|text| text.parse().ok()) {
                Some(handle) => Target::Handle(handle),
                None => return Err(SyntaxError("syntax error: bad fd number".to_owned())),
            },
            "<" => Target::Input(word),
            other => Target::File { path: word, append: other == ">>" },
        };
        Ok(Redirect { handle, to })
    }
}

fn assignment(word: &Word) -> Option<(String, Word)> {
    let Some(Part::Text(first)) = word.parts.first() else { return None };
    let (name, rest) = first.split_once('=')?;
    let plain = !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    plain.then(|| {
        let mut parts = vec![Part::Text(rest.to_owned())];
        parts.extend(word.parts.iter().skip(1).cloned());
        (name.to_owned(), Word { parts })
    })
}

fn tokens(script: &str) -> Result<Vec<Token>, SyntaxError> {
    let mut lexer = Lexer { rest: script, tokens: Vec::new(), word: Word::default(), in_word: false };
    lexer.run()?;
    Ok(lexer.tokens)
}

struct Lexer<'a> {
    rest: &'a str,
    tokens: Vec<Token>,
    word: Word,
    in_word: bool,
}

const OPERATORS: &[&str] = &["&&", "||", ";;", ";", "|", "&", "(", ")"];

impl Lexer<'_> {
    fn next(&mut self) -> Option<char> {
        let character = self.rest.chars().next()?;
        self.rest = self.rest.get(character.len_utf8()..).unwrap_or_default();
        Some(character)
    }

    fn text(&mut self, text: &str) {
        self.in_word = true;
        match self.word.parts.last_mut() {
            Some(Part::Text(last)) => last.push_str(text),
            _ => self.word.parts.push(Part::Text(text.to_owned())),
        }
    }

    fn part(&mut self, part: Part) {
        self.in_word = true;
        self.word.parts.push(part);
    }

    fn end_word(&mut self) {
        if std::mem::take(&mut self.in_word) {
            let word = std::mem::take(&mut self.word);
            self.tokens.push(Token::Word(word));
        }
    }

    fn run(&mut self) -> Result<(), SyntaxError> {
        while let Some(character) = self.rest.chars().next() {
            if let Some((redirect, length)) = self.redirect_here() {
                self.end_word();
                self.tokens.push(redirect);
                self.rest = self.rest.get(length..).unwrap_or_default();
                continue;
            }
            if let Some(operator) = OPERATORS.iter().find(|operator| self.rest.starts_with(**operator)) {
                self.end_word();
                self.tokens.push(Token::Operator(operator));
                self.rest = self.rest.get(operator.len()..).unwrap_or_default();
                continue;
            }
            self.next();
            match character {
                '\n' => {
                    self.end_word();
                    self.tokens.push(Token::Operator(";"));
                }
                c if c.is_whitespace() => self.end_word(),
                '#' if !self.in_word => {
                    while self.rest.chars().next().is_some_and(|c| c != '\n') {
                        self.next();
                    }
                }
                '\\' => {
                    let escaped = self.next();
                    if let Some(escaped) = escaped.filter(|c| *c != '\n') {
                        self.text(escaped.encode_utf8(&mut [0; 4]));
                    }
                }
                '\'' => {
                    let (inside, rest) = self.rest.split_once('\'').ok_or_else(|| unterminated("'"))?;
                    self.rest = rest;
                    let inside = inside.to_owned();
                    self.text(&inside);
                }
                '"' => self.double_quoted()?,
                '$' => self.dollar(false)?,
                '`' => {
                    let (inside, rest) = self.rest.split_once('`').ok_or_else(|| unterminated("`"))?;
                    let part = Part::Command { script: inside.to_owned(), quoted: false };
                    self.rest = rest;
                    self.part(part);
                }
                other => self.text(other.encode_utf8(&mut [0; 4])),
            }
        }
        self.end_word();
        Ok(())
    }

    /// A redirection operator at the front, with the handle before it.
    fn redirect_here(&self) -> Option<(Token, usize)> {
        let digit = self.rest.chars().next().filter(|c| matches!(c, '0'..='2') && !self.in_word);
        let after = self.rest.get(usize::from(digit.is_some())..)?;
        let operator = [">>", ">&", ">", "<"].into_iter().find(|operator| after.starts_with(operator))?;
        let default = if operator == "<" { 0 } else { 1 };
        let handle =
            digit.and_then(|digit| digit.to_digit(10)).and_then(|digit| u8::try_from(digit).ok()).unwrap_or(default);
        Some((Token::Redirect { handle, operator }, usize::from(digit.is_some()) + operator.len()))
    }

    fn double_quoted(&mut self) -> Result<(), SyntaxError> {
        self.text("");
        loop {
            match self.next().ok_or_else(|| unterminated("\""))? {
                '"' => return Ok(()),
                '\\' => match self.next().ok_or_else(|| unterminated("\""))? {
                    escaped @ ('"' | '\\' | '$' | '`') => self.text(escaped.encode_utf8(&mut [0; 4])),
                    '\n' => {}
                    other => {
                        self.text("\\");
                        self.text(other.encode_utf8(&mut [0; 4]));
                    }
                },
                '$' => self.dollar(true)?,
                other => self.text(other.encode_utf8(&mut [0; 4])),
            }
        }
    }

    fn dollar(&mut self, quoted: bool) -> Result<(), SyntaxError> {
        if let Some(rest) = self.rest.strip_prefix('(') {
            let length = closing(rest).ok_or_else(|| unterminated("$("))?;
            let script = rest.get(..length).unwrap_or_default().to_owned();
            self.rest = rest.get(length + 1..).unwrap_or_default();
            self.part(Part::Command { script, quoted });
            return Ok(());
        }
        if let Some(rest) = self.rest.strip_prefix('{') {
            let (name, rest) = rest.split_once('}').ok_or_else(|| unterminated("${"))?;
            let name = name.to_owned();
            self.rest = rest;
            self.part(Part::Variable { name, quoted });
            return Ok(());
        }
        let special = self.rest.chars().next().filter(|c| matches!(c, '?' | '#' | '$' | '0'..='9'));
        let length = match special {
            Some(_) => 1,
            None => self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(self.rest.len()),
        };
        let (name, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        if name.is_empty() {
            self.text("$");
            return Ok(());
        }
        let name = name.to_owned();
        self.rest = rest;
        self.part(Part::Variable { name, quoted });
        Ok(())
    }
}

fn unterminated(what: &str) -> SyntaxError {
    SyntaxError(format!("syntax error: unterminated {what}"))
}

/// Where the parenthesis that is open at the start closes.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 1_usize;
    let mut quote = None;
    for (at, character) in text.char_indices() {
        match (quote, character) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(character),
            (None, '(') => depth += 1,
            (None, ')') => {
                depth -= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            (None, _) => {}
        }
    }
    None
}
