//! From a script's text to its statements.
//!
//! PowerShell reads in two modes: where a statement begins with a value
//! (`$x`, a quote, a bracket) it is an expression, else a command whose arguments
//! are words.

use super::syntax::{Argument, Block, Command, Expression, Stage, Statement};

/// How deep brackets and blocks may nest.
const DEEPEST: usize = 48;

/// The script is not well formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SyntaxError(pub(super) String);

type Parsed<T> = Result<T, SyntaxError>;

/// Reads a whole script.
///
/// # Errors
///
/// When it is none.
pub(super) fn parse(script: &str) -> Parsed<Block> {
    let mut parser = Parser { text: script.chars().collect(), at: 0, depth: 0 };
    let block = parser.block(None)?;
    Ok(block)
}

struct Parser {
    text: Vec<char>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn ahead(&self, by: usize) -> Option<char> {
        self.text.get(self.at + by).copied()
    }

    fn take(&mut self, wanted: &str) -> bool {
        let fits = wanted.chars().enumerate().all(|(by, c)| self.ahead(by) == Some(c));
        if fits {
            self.at += wanted.chars().count();
        }
        fits
    }

    fn expect(&mut self, wanted: char) -> Parsed<()> {
        if self.take(wanted.encode_utf8(&mut [0; 4])) {
            return Ok(());
        }
        let what = if matches!(wanted, ')' | '}' | ']') { "closing" } else { "opening" };
        Err(SyntaxError(format!("Missing {what} '{wanted}'.")))
    }

    /// Blanks and line continuations.
    fn blanks(&mut self) {
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' | '\r' => self.at += 1,
                '`' if matches!(self.ahead(1), Some('\n' | '\r')) => self.at += 2,
                _ => break,
            }
        }
    }

    /// Blanks, line ends and comments.
    fn space(&mut self) {
        loop {
            self.blanks();
            match self.peek() {
                Some('\n') => self.at += 1,
                Some('#') => {
                    while self.peek().is_some_and(|c| c != '\n') {
                        self.at += 1;
                    }
                }
                _ => return,
            }
        }
    }

    fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= DEEPEST {
            return Err(SyntaxError("The script is nested too deeply.".to_owned()));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    /// Statements up to a closing bracket, or to the end.
    fn block(&mut self, end: Option<char>) -> Parsed<Block> {
        self.nested(|parser| {
            let mut statements = Vec::new();
            loop {
                parser.space();
                match parser.peek() {
                    Some(';') => parser.at += 1,
                    found if found == end => {
                        parser.at += usize::from(end.is_some());
                        return Ok(statements.into());
                    }
                    None => return Err(SyntaxError(format!("Missing closing '{}'.", end.unwrap_or('}')))),
                    Some(c @ (')' | '}' | ']' | '|')) => {
                        return Err(SyntaxError(format!("Unexpected token '{c}' in expression or statement.")));
                    }
                    Some(_) => statements.push(parser.statement()?),
                }
            }
        })
    }

    fn braces(&mut self) -> Parsed<Block> {
        self.space();
        self.expect('{')?;
        self.block(Some('}'))
    }

    /// `( statement )`.
    fn condition(&mut self) -> Parsed<Box<Statement>> {
        self.space();
        self.expect('(')?;
        let inner = self.statement()?;
        self.space();
        self.expect(')')?;
        Ok(Box::new(inner))
    }

    /// The word at this place, in lower case.
    fn word(&self) -> String {
        self.text[self.at.min(self.text.len())..]
            .iter()
            .take_while(|c| c.is_ascii_alphabetic())
            .collect::<String>()
            .to_ascii_lowercase()
    }

    fn keyword(&mut self, keyword: &str) -> bool {
        let after = self.ahead(keyword.len());
        let whole = after.is_none_or(|c| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | '.' | '\\' | ':'));
        let found = whole && self.word() == keyword;
        if found {
            self.at += keyword.len();
        }
        found
    }

    /// A keyword behind blanks and line ends; without it nothing is read.
    fn later(&mut self, keyword: &str) -> bool {
        let before = self.at;
        self.space();
        let found = self.keyword(keyword);
        if !found {
            self.at = before;
        }
        found
    }

    fn statement(&mut self) -> Parsed<Statement> {
        self.nested(|parser| {
            parser.space();
            parser.statement_here()
        })
    }

    fn statement_here(&mut self) -> Parsed<Statement> {
        if self.keyword("if") {
            let mut branches = vec![(*self.condition()?, self.braces()?)];
            while self.later("elseif") {
                branches.push((*self.condition()?, self.braces()?));
            }
            let otherwise = if self.later("else") { Some(self.braces()?) } else { None };
            return Ok(Statement::If { branches, otherwise });
        }
        if self.keyword("while") {
            return Ok(Statement::While { condition: self.condition()?, body: self.braces()? });
        }
        if self.keyword("do") {
            let body = self.braces()?;
            let until = !self.later("while");
            if until && !self.later("until") {
                return Err(SyntaxError("Missing while or until keyword in do loop.".to_owned()));
            }
            return Ok(Statement::Do { body, condition: self.condition()?, until });
        }
        if self.keyword("foreach") {
            self.space();
            if self.peek() != Some('(') {
                return self.pipeline_of("foreach");
            }
            self.at += 1;
            self.space();
            let Expression::Variable(name) = self.variable()? else {
                return Err(SyntaxError("Missing variable name after foreach.".to_owned()));
            };
            self.space();
            if !self.keyword("in") {
                return Err(SyntaxError("Missing 'in' after variable in foreach loop.".to_owned()));
            }
            let values = Box::new(self.statement()?);
            self.space();
            self.expect(')')?;
            return Ok(Statement::ForEach { name, values, body: self.braces()? });
        }
        if self.keyword("for") {
            self.space();
            self.expect('(')?;
            let first = Box::new(self.part(';')?);
            let condition = Some(Box::new(self.part(';')?)).filter(|part| **part != Statement::Empty);
            let next = Box::new(self.part(')')?);
            return Ok(Statement::For { first, condition, next, body: self.braces()? });
        }
        if self.keyword("try") {
            let body = self.braces()?;
            let mut catch = None;
            if self.later("catch") {
                self.space();
                while self.peek() == Some('[') {
                    self.type_name()?; // every kind of error is caught
                    self.space();
                }
                catch = Some(self.braces()?);
            }
            let last = if self.later("finally") { Some(self.braces()?) } else { None };
            return Ok(Statement::Try { body, catch, last });
        }
        for (keyword, empty) in [("break", Statement::Break), ("continue", Statement::Continue)] {
            if self.keyword(keyword) {
                return Ok(empty);
            }
        }
        if self.keyword("return") {
            return Ok(Statement::Return(self.operand()?));
        }
        if self.keyword("exit") {
            return Ok(Statement::Exit(self.operand()?));
        }
        if self.keyword("throw") {
            return Ok(Statement::Throw(self.operand()?));
        }
        if self.peek() == Some('$')
            && let Some(assignment) = self.assignment()?
        {
            return Ok(assignment);
        }
        self.pipeline()
    }

    /// One part of a `for`'s head.
    fn part(&mut self, end: char) -> Parsed<Statement> {
        self.space();
        let part = if self.peek() == Some(end) { Statement::Empty } else { self.statement()? };
        self.space();
        self.expect(end)?;
        Ok(part)
    }

    /// What `return`, `exit` and `throw` are given.
    fn operand(&mut self) -> Parsed<Option<Box<Statement>>> {
        self.blanks();
        match self.peek() {
            None | Some(';' | '\n' | '}' | ')') => Ok(None),
            Some(_) => Ok(Some(Box::new(self.pipeline()?))),
        }
    }

    fn assignment(&mut self) -> Parsed<Option<Statement>> {
        let before = self.at;
        let Expression::Variable(name) = self.variable()? else {
            self.at = before;
            return Ok(None);
        };
        self.blanks();
        let operator = ["+=", "-=", "*=", "/="].into_iter().find(|operator| self.take(operator));
        if operator.is_none() && (self.peek() != Some('=') || self.ahead(1) == Some('=')) {
            self.at = before;
            return Ok(None);
        }
        self.at += usize::from(operator.is_none());
        let value = Box::new(self.statement()?);
        Ok(Some(Statement::Assign { name, operator: operator.map(|two| two.get(..1).unwrap_or("+")), value }))
    }

    fn pipeline(&mut self) -> Parsed<Statement> {
        let first = self.stage()?;
        self.rest_of_pipeline(first)
    }

    /// A pipeline that begins with a command whose name was read as a keyword.
    fn pipeline_of(&mut self, name: &str) -> Parsed<Statement> {
        let start = self.at.saturating_sub(name.len());
        let first = self.command(Expression::Text(name.to_owned()), start)?;
        self.rest_of_pipeline(first)
    }

    fn rest_of_pipeline(&mut self, first: Stage) -> Parsed<Statement> {
        let mut stages = vec![first];
        loop {
            self.blanks();
            if !self.take("|") {
                return Ok(Statement::Pipeline(stages));
            }
            self.space();
            stages.push(self.stage()?);
        }
    }

    fn stage(&mut self) -> Parsed<Stage> {
        let start = self.at;
        if self.take("&") || (self.peek() == Some('.') && self.ahead(1) == Some(' ')) {
            self.at += usize::from(self.peek() == Some('.'));
            self.blanks();
            let name = self.argument_value()?;
            return self.command(name, start);
        }
        let percent = self.peek() == Some('%') || self.peek() == Some('?');
        let value = match self.peek() {
            Some('$' | '(' | '@' | '\'' | '"' | '[' | '{' | '!' | ',' | '+') => true,
            Some('-') => self.ahead(1).is_some_and(|c| c.is_ascii_alphanumeric() || c == '(' || c == '$'),
            Some(c) => c.is_ascii_digit(),
            None => false,
        };
        if value && !percent {
            return Ok(Stage::Value(self.expression()?));
        }
        let name = if percent { self.one() } else { self.bare_word() };
        if name.is_empty() {
            let found = self.peek().map_or_else(|| "end".to_owned(), |c| c.to_string());
            return Err(SyntaxError(format!("Unexpected token '{found}' in expression or statement.")));
        }
        self.command(Expression::Text(name), start)
    }

    fn one(&mut self) -> String {
        let one = self.peek().map(String::from).unwrap_or_default();
        self.at += 1;
        one
    }

    fn command(&mut self, name: Expression, start: usize) -> Parsed<Stage> {
        let (mut arguments, mut redirects) = (Vec::new(), Vec::new());
        loop {
            self.blanks();
            match self.peek() {
                None | Some(';' | '|' | ')' | '}' | '\n') => break,
                Some('#') => {
                    self.space();
                    break;
                }
                Some('>') => redirects.push(self.redirect(1)?),
                Some(c @ ('1' | '2')) if self.ahead(1) == Some('>') => {
                    self.at += 1;
                    redirects.push(self.redirect(if c == '1' { 1 } else { 2 })?);
                }
                Some('-') if self.ahead(1).is_some_and(|c| c.is_ascii_alphabetic()) => {
                    let word = self.bare_word();
                    match word.split_once(':') {
                        Some((name, "")) => {
                            let value = self.argument_value()?;
                            arguments.push(Argument::Parameter(name.to_owned(), Some(value)));
                        }
                        Some((name, value)) => {
                            let value = Expression::Text(value.to_owned());
                            arguments.push(Argument::Parameter(name.to_owned(), Some(value)));
                        }
                        None => arguments.push(Argument::Parameter(word, None)),
                    }
                }
                Some(_) => arguments.push(Argument::Value(self.argument()?)),
            }
        }
        Ok(Stage::Command(Command { name, arguments, redirects, span: (start, self.at) }))
    }

    fn redirect(&mut self, handle: u8) -> Parsed<(u8, Option<Expression>)> {
        self.at += 1;
        self.at += usize::from(self.peek() == Some('>'));
        self.blanks();
        if self.take("&1") {
            return Ok((handle, None));
        }
        Ok((handle, Some(self.argument_value()?)))
    }

    /// An argument: one value, or several with commas.
    fn argument(&mut self) -> Parsed<Expression> {
        let mut all = vec![self.argument_value()?];
        loop {
            let before = self.at;
            self.blanks();
            if !self.take(",") {
                self.at = before;
                break;
            }
            self.space();
            all.push(self.argument_value()?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Expression::List(all) })
    }

    fn argument_value(&mut self) -> Parsed<Expression> {
        match self.peek() {
            Some('$')
                if self.ahead(1).is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '(' | '{' | '?')) =>
            {
                let value = self.postfix()?;
                if self.peek().is_none_or(|c| c.is_whitespace() || matches!(c, ',' | ';' | '|' | ')' | '}')) {
                    return Ok(value);
                }
                let rest = self.bare_word();
                let mut parts = vec![value];
                parts.push(interpolate(&rest)?);
                Ok(Expression::Interpolated(parts))
            }
            Some('(' | '@' | '{' | '\'' | '"') => self.postfix(),
            Some('[') => {
                // A type or an index in an argument is only text.
                Ok(Expression::Text(self.bare_word()))
            }
            _ => interpolate(&self.bare_word()),
        }
    }

    /// A word without quotes, up to whatever ends it.
    fn bare_word(&mut self) -> String {
        let mut word = String::new();
        let mut quote = None;
        while let Some(c) = self.peek() {
            match (quote, c) {
                (None, ' ' | '\t' | '\r' | '\n' | ';' | '|' | '(' | ')' | '{' | '}' | ',') => break,
                (None, '\'' | '"') if word.is_empty() => break,
                (None, '\'' | '"') => quote = Some(c),
                (Some(open), _) if c == open => quote = None,
                (_, '`') => {
                    self.at += 1;
                    word.extend(self.peek());
                }
                _ => word.push(c),
            }
            self.at += 1;
        }
        if word.is_empty() && self.peek().is_some_and(|c| !matches!(c, ')' | '}' | ';' | '|' | '\n')) {
            word = self.one(); // something unexpected must not stop the reading
        }
        word
    }

    fn expression(&mut self) -> Parsed<Expression> {
        self.nested(|parser| parser.binary(0))
    }

    /// Operators from the weakest to the strongest.
    fn binary(&mut self, level: usize) -> Parsed<Expression> {
        const LEVELS: [&[&str]; 6] = [
            &["-and", "-or", "-xor"],
            &[
                "-eq",
                "-ne",
                "-lt",
                "-le",
                "-gt",
                "-ge",
                "-like",
                "-notlike",
                "-match",
                "-notmatch",
                "-contains",
                "-notcontains",
                "-in",
                "-notin",
                "-split",
                "-join",
                "-replace",
                "-is",
                "-as",
                "-ieq",
                "-ceq",
                "-imatch",
                "-band",
                "-bor",
            ],
            &["+", "-"],
            &["*", "/", "%"],
            &["-f"],
            &[".."],
        ];
        let Some(operators) = LEVELS.get(level) else { return self.comma() };
        let mut left = self.binary(level + 1)?;
        loop {
            let before = self.at;
            self.blanks();
            let Some(operator) = operators.iter().find(|operator| self.operator(operator)) else {
                self.at = before;
                return Ok(left);
            };
            self.space();
            let right = self.binary(level + 1)?;
            left = Expression::Binary((*operator).to_owned(), Box::new(left), Box::new(right));
        }
    }

    /// Whether this operator stands here, as a whole word.
    fn operator(&mut self, operator: &str) -> bool {
        let length = operator.len();
        let here: String = self.text.iter().skip(self.at).take(length).collect();
        let after = self.ahead(length);
        let word = operator.len() > 1 && operator.starts_with('-');
        let whole = if word {
            after.is_none_or(|c| !c.is_ascii_alphanumeric())
        } else {
            operator != "-" || after.is_none_or(|c| !c.is_ascii_alphabetic())
        };
        let step = self.ahead(1) == self.peek() && matches!(operator, "+" | "-");
        let found = here.eq_ignore_ascii_case(operator) && whole && !step;
        if found {
            self.at += length;
        }
        found
    }

    fn comma(&mut self) -> Parsed<Expression> {
        if self.take(",") {
            self.blanks();
            return Ok(Expression::List(vec![self.unary()?]));
        }
        let mut all = vec![self.unary()?];
        loop {
            let before = self.at;
            self.blanks();
            if !self.take(",") {
                self.at = before;
                break;
            }
            self.space();
            all.push(self.unary()?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Expression::List(all) })
    }

    fn unary(&mut self) -> Parsed<Expression> {
        self.blanks();
        if self.operator("-not") || (self.peek() == Some('!') && self.take("!")) {
            return Ok(Expression::Unary("not", Box::new(self.nested(Self::unary)?)));
        }
        for operator in ["-join", "-split"] {
            if self.operator(operator) {
                return Ok(Expression::Unary(operator, Box::new(self.nested(Self::unary)?)));
            }
        }
        if self.peek() == Some('-') && self.ahead(1).is_some_and(|c| c.is_ascii_digit() || matches!(c, '$' | '(')) {
            self.at += 1;
            return Ok(Expression::Unary("-", Box::new(self.nested(Self::unary)?)));
        }
        self.postfix()
    }

    /// A value with what hangs on it: members, calls, indices.
    fn postfix(&mut self) -> Parsed<Expression> {
        let mut value = self.primary()?;
        loop {
            match self.peek() {
                Some('.') if self.ahead(1).is_some_and(|c| c.is_ascii_alphabetic() || c == '_') => {
                    self.at += 1;
                    let name = self.name();
                    value = match self.peek() {
                        Some('(') => Expression::Call(Box::new(value), name, self.call_arguments()?),
                        _ => Expression::Member(Box::new(value), name),
                    };
                }
                Some('[') => {
                    self.at += 1;
                    let index = self.expression()?;
                    self.space();
                    self.expect(']')?;
                    value = Expression::Index(Box::new(value), Box::new(index));
                }
                Some('+') if self.ahead(1) == Some('+') => {
                    self.at += 2;
                    return increment(value, 1);
                }
                Some('-') if self.ahead(1) == Some('-') => {
                    self.at += 2;
                    return increment(value, -1);
                }
                _ => return Ok(value),
            }
        }
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(c) = self.peek().filter(|c| c.is_ascii_alphanumeric() || *c == '_') {
            name.push(c);
            self.at += 1;
        }
        name
    }

    fn call_arguments(&mut self) -> Parsed<Vec<Expression>> {
        self.expect('(')?;
        let mut arguments = Vec::new();
        loop {
            self.space();
            if self.take(")") {
                return Ok(arguments);
            }
            // Commas separate arguments here and make no lists.
            let argument = self.nested(|parser| {
                let inner = parser.unary()?;
                parser.blanks();
                parser.continue_binary(inner)
            })?;
            arguments.push(argument);
            self.space();
            if !self.take(",") {
                self.expect(')')?;
                return Ok(arguments);
            }
        }
    }

    /// Arithmetic behind a value, within a call.
    fn continue_binary(&mut self, mut left: Expression) -> Parsed<Expression> {
        loop {
            self.blanks();
            let Some(operator) = ["*", "/", "%", "+", "-"].iter().find(|operator| self.operator(operator)) else {
                return Ok(left);
            };
            self.blanks();
            let right = self.unary()?;
            left = Expression::Binary((*operator).to_owned(), Box::new(left), Box::new(right));
        }
    }

    fn primary(&mut self) -> Parsed<Expression> {
        match self.peek() {
            Some('$') if self.ahead(1) == Some('(') => {
                self.at += 2;
                Ok(Expression::Group(self.block(Some(')'))?))
            }
            Some('$') => self.variable(),
            Some('(') => {
                self.at += 1;
                Ok(Expression::Group(self.block(Some(')'))?))
            }
            Some('@') if self.ahead(1) == Some('(') => {
                self.at += 2;
                Ok(Expression::Array(self.block(Some(')'))?))
            }
            Some('@') if self.ahead(1) == Some('{') => self.table(),
            Some('{') => {
                self.at += 1;
                Ok(Expression::Block(self.block(Some('}'))?))
            }
            Some('\'') => self.single_quoted(),
            Some('"') => self.double_quoted(),
            Some('[') => self.typed(),
            Some(c) if c.is_ascii_digit() => self.number(),
            Some(c) => Err(SyntaxError(format!("Unexpected token '{c}' in expression or statement."))),
            None => Err(SyntaxError("You must provide a value expression.".to_owned())),
        }
    }

    fn table(&mut self) -> Parsed<Expression> {
        self.at += 2;
        let mut pairs = Vec::new();
        loop {
            self.space();
            while self.take(";") {
                self.space();
            }
            if self.take("}") {
                return Ok(Expression::Table(pairs));
            }
            let key = match self.peek() {
                Some('\'') => self.single_quoted()?,
                Some('"') => self.double_quoted()?,
                _ => Expression::Text(self.name()),
            };
            let Expression::Text(key) = key else {
                return Err(SyntaxError("The hash literal was incomplete.".to_owned()));
            };
            self.space();
            if key.is_empty() || !self.take("=") {
                return Err(SyntaxError("The hash literal was incomplete.".to_owned()));
            }
            self.space();
            pairs.push((key, self.expression()?));
        }
    }

    fn single_quoted(&mut self) -> Parsed<Expression> {
        self.at += 1;
        let mut text = String::new();
        loop {
            match self.peek() {
                Some('\'') if self.ahead(1) == Some('\'') => {
                    text.push('\'');
                    self.at += 2;
                }
                Some('\'') => {
                    self.at += 1;
                    return Ok(Expression::Text(text));
                }
                Some(c) => {
                    text.push(c);
                    self.at += 1;
                }
                None => return Err(SyntaxError("The string is missing the terminator: '.".to_owned())),
            }
        }
    }

    fn double_quoted(&mut self) -> Parsed<Expression> {
        self.at += 1;
        let start = self.at;
        let mut depth = 0_u32;
        loop {
            match self.peek() {
                Some('`') => self.at += 2,
                Some('(') => {
                    depth += 1;
                    self.at += 1;
                }
                Some(')') => {
                    depth = depth.saturating_sub(1);
                    self.at += 1;
                }
                Some('"') if self.ahead(1) == Some('"') => self.at += 2,
                Some('"') => break,
                Some(_) => self.at += 1,
                None => return Err(SyntaxError("The string is missing the terminator: \".".to_owned())),
            }
        }
        let inner: String = self.text.get(start..self.at).unwrap_or_default().iter().collect();
        self.at += 1;
        interpolate(&inner.replace("\"\"", "\""))
    }

    /// `[Type]::Member`, `[Type]value`.
    fn typed(&mut self) -> Parsed<Expression> {
        let name = self.type_name()?;
        if self.take("::") {
            let member = self.name();
            let arguments = if self.peek() == Some('(') { Some(self.call_arguments()?) } else { None };
            return Ok(Expression::Static(name, member, arguments));
        }
        self.blanks();
        Ok(Expression::Cast(name, Box::new(self.nested(Self::unary)?)))
    }

    fn type_name(&mut self) -> Parsed<String> {
        self.expect('[')?;
        let mut name = String::new();
        let mut open = 1;
        while let Some(c) = self.peek() {
            self.at += 1;
            open += i32::from(c == '[') - i32::from(c == ']');
            if open == 0 {
                return Ok(name.to_ascii_lowercase());
            }
            name.push(c);
        }
        Err(SyntaxError("Missing ] at end of attribute or type literal.".to_owned()))
    }

    fn variable(&mut self) -> Parsed<Expression> {
        self.at += 1;
        if self.take("{") {
            let mut name = String::new();
            while let Some(c) = self.peek().filter(|c| *c != '}') {
                name.push(c);
                self.at += 1;
            }
            self.expect('}')?;
            return Ok(Expression::Variable(name.to_ascii_lowercase()));
        }
        if let Some(special) = self.peek().filter(|c| matches!(c, '?' | '$' | '^')) {
            self.at += 1;
            return Ok(Expression::Variable(special.to_string()));
        }
        let mut name = self.name();
        if self.peek() == Some(':') && self.ahead(1).is_some_and(|c| c.is_ascii_alphabetic() || c == '_') {
            self.at += 1;
            name = format!("{name}:{}", self.name());
        }
        if name.is_empty() {
            return Err(SyntaxError("Variable reference is not valid.".to_owned()));
        }
        Ok(Expression::Variable(name.to_ascii_lowercase()))
    }

    fn number(&mut self) -> Parsed<Expression> {
        let mut text = String::new();
        while let Some(c) = self.peek() {
            let fraction = c == '.' && self.ahead(1).is_some_and(|c| c.is_ascii_digit()) && !text.contains('.');
            if !(c.is_ascii_alphanumeric() || fraction) {
                break;
            }
            text.push(c);
            self.at += 1;
        }
        match number(&text) {
            Some(number) => Ok(number),
            None => Err(SyntaxError(format!("Unexpected token '{text}' in expression or statement."))),
        }
    }
}

fn increment(value: Expression, by: i64) -> Parsed<Expression> {
    match value {
        Expression::Variable(name) => Ok(Expression::Increment(name, by)),
        _ => Err(SyntaxError("The assignment expression is not valid.".to_owned())),
    }
}

/// A number as PowerShell writes it: `7`, `1.5`, `0x1F`, `100MB`.
pub(super) fn number(text: &str) -> Option<Expression> {
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return i64::from_str_radix(hex, 16).ok().map(Expression::Integer);
    }
    let lower = text.to_ascii_lowercase();
    let (digits, factor) = [("kb", 1_i64 << 10), ("mb", 1 << 20), ("gb", 1 << 30), ("tb", 1 << 40)]
        .into_iter()
        .find_map(|(suffix, factor)| Some((lower.strip_suffix(suffix)?, factor)))
        .unwrap_or((&lower, 1));
    if let Ok(whole) = digits.parse::<i64>() {
        return whole.checked_mul(factor).map(Expression::Integer);
    }
    #[expect(clippy::cast_precision_loss, reason = "factors are small powers of two")]
    digits
        .parse::<f64>()
        .ok()
        .filter(|number| number.is_finite() && digits.starts_with(|c: char| c.is_ascii_digit()))
        .map(|number| Expression::Float(number * factor as f64))
}

/// Text whose variables and escapes are to be replaced.
fn interpolate(text: &str) -> Parsed<Expression> {
    let mut parser = Parser { text: text.chars().collect(), at: 0, depth: 8 };
    let (mut parts, mut plain) = (Vec::new(), String::new());
    while let Some(c) = parser.peek() {
        let next = parser.ahead(1);
        if c == '`' {
            parser.at += 2;
            plain.extend(next.map(|escaped| match escaped {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                '0' => '\0',
                other => other,
            }));
        } else if c == '$' && next.is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '{' | '(' | '?')) {
            if !plain.is_empty() {
                parts.push(Expression::Text(std::mem::take(&mut plain)));
            }
            parts.push(parser.primary()?);
        } else {
            plain.push(c);
            parser.at += 1;
        }
    }
    if parts.is_empty() {
        return Ok(Expression::Text(plain));
    }
    if !plain.is_empty() {
        parts.push(Expression::Text(plain));
    }
    Ok(Expression::Interpolated(parts))
}
