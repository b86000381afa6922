//! What a script is made of.

use std::sync::Arc;

/// Statements that belong together.
pub(super) type Block = Arc<[Statement]>;

/// One statement.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Statement {
    /// Commands, each of which gets what the one before it gave out.
    Pipeline(Vec<Stage>),
    /// `$name = …`, `$name += …`.
    Assign { name: String, operator: Option<&'static str>, value: Box<Statement> },
    /// `if … elseif … else …`.
    If { branches: Vec<(Statement, Block)>, otherwise: Option<Block> },
    /// `while (…) { … }`.
    While { condition: Box<Statement>, body: Block },
    /// `do { … } while (…)` and `until (…)`.
    Do { body: Block, condition: Box<Statement>, until: bool },
    /// `for (…; …; …) { … }`.
    For { first: Box<Statement>, condition: Option<Box<Statement>>, next: Box<Statement>, body: Block },
    /// `foreach ($name in …) { … }`.
    ForEach { name: String, values: Box<Statement>, body: Block },
    /// `try { … } catch { … } finally { … }`.
    Try { body: Block, catch: Option<Block>, last: Option<Block> },
    /// `break`.
    Break,
    /// `continue`.
    Continue,
    /// `return …`.
    Return(Option<Box<Statement>>),
    /// `exit …`.
    Exit(Option<Box<Statement>>),
    /// `throw …`.
    Throw(Option<Box<Statement>>),
    /// Nothing.
    Empty,
}

/// A part of a pipeline.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Stage {
    /// A value.
    Value(Expression),
    /// A cmdlet or a program.
    Command(Command),
}

/// A call by name.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Command {
    /// The name, or what says it (`& $program`).
    pub(super) name: Expression,
    /// What follows.
    pub(super) arguments: Vec<Argument>,
    /// `2>&1`, `> file`, `2>$null`.
    pub(super) redirects: Vec<(u8, Option<Expression>)>,
    /// Where in the script it stands, for messages: first and last character.
    pub(super) span: (usize, usize),
}

/// What follows a command's name.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Argument {
    /// `-Name`, or `-Name:value`.
    Parameter(String, Option<Expression>),
    /// Anything else.
    Value(Expression),
}

/// Something with a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    /// A number.
    Integer(i64),
    /// A number with a fraction.
    Float(f64),
    /// Text without variables in it.
    Text(String),
    /// Text with variables in it.
    Interpolated(Vec<Expression>),
    /// `$name`, `$env:NAME`; lower case.
    Variable(String),
    /// `$name++`, `$name--`.
    Increment(String, i64),
    /// `( … )`, `$( … )`.
    Group(Block),
    /// `@( … )`.
    Array(Block),
    /// `@{ … }`.
    Table(Vec<(String, Expression)>),
    /// `a, b`, `,a`.
    List(Vec<Expression>),
    /// `{ … }`.
    Block(Block),
    /// `-not x`, `-x`.
    Unary(&'static str, Box<Expression>),
    /// `a -eq b`, `a + b`.
    Binary(String, Box<Expression>, Box<Expression>),
    /// `x.Name`.
    Member(Box<Expression>, String),
    /// `x.Name(…)`.
    Call(Box<Expression>, String, Vec<Expression>),
    /// `[Type]::Name`, with arguments where it is called.
    Static(String, String, Option<Vec<Expression>>),
    /// `x[i]`.
    Index(Box<Expression>, Box<Expression>),
    /// `[int]x`.
    Cast(String, Box<Expression>),
}
