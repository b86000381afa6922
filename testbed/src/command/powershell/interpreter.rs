//! Doing what a script says.

use std::{cmp::Ordering, collections::HashMap, sync::Arc};

use futures::future::{BoxFuture, FutureExt};
use jiff::Timestamp;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::{
    cmdlets,
    error::{PsError, Stop},
    format, operators,
    syntax::{Argument, Block, Command, Expression, Stage, Statement},
    types,
    value::{Object, Value, View},
};
use crate::command::{Exit, Io, Session, Sink, Stdin, effort::Effort};

pub(super) type Step<T> = Result<T, Stop>;

/// A script that runs.
pub(super) struct Interpreter {
    pub(super) session: Session,
    pub(super) io: Io,
    pub(super) script: Arc<str>,
    pub(super) variables: HashMap<String, Value>,
    pub(super) effort: Effort,
    /// `$?`.
    pub(super) ok: bool,
    /// What `Start-Job` has started; they end with the script.
    pub(super) jobs: Vec<Job>,
    began: (Timestamp, Instant),
}

/// A script that runs beside this one.
pub(super) struct Job {
    pub(super) output: Sink,
    pub(super) work: AbortOnDropHandle<()>,
}

/// Where values go: straight to the output, or to whoever asked.
pub(super) struct Out {
    pub(super) direct: bool,
    pub(super) values: Vec<Value>,
}

impl Out {
    pub(super) fn kept() -> Self {
        Self { direct: false, values: Vec::new() }
    }
}

impl Interpreter {
    pub(super) fn new(session: &Session, script: &str, io: &Io) -> Self {
        Self {
            effort: Effort::new(session),
            session: session.clone(),
            io: io.clone(),
            script: script.into(),
            variables: HashMap::new(),
            ok: true,
            jobs: Vec::new(),
            began: (Timestamp::now(), Instant::now()),
        }
    }

    /// The time in the container, in which everything takes as long as on a real node.
    pub(super) fn now(&self) -> Timestamp {
        let passed = self.session.unscaled(self.began.1.elapsed());
        self.began.0 + jiff::SignedDuration::try_from(passed).unwrap_or_default()
    }

    /// Runs a whole script and returns what the process ends with.
    pub(super) async fn run(&mut self, block: &Block) -> Exit {
        for statement in block.iter() {
            let mut out = Out { direct: true, values: Vec::new() };
            let done = self.statement(statement, &mut out).await;
            self.flush(&mut out);
            match done {
                Ok(()) => {}
                Err(Stop::Exit(code)) => return code,
                Err(Stop::Error(error)) => {
                    error.report(&self.script, &self.io);
                    self.ok = false;
                    if error.command.as_deref() == Some("throw") || self.stops() {
                        return 1;
                    }
                }
                Err(Stop::Return | Stop::Break | Stop::Continue) => break,
            }
        }
        Exit::from(!self.ok) // `-Command` ends with 0 or 1, whatever a program in it ended with
    }

    fn stops(&self) -> bool {
        self.variables.get("erroractionpreference").is_some_and(|value| value.shown().eq_ignore_ascii_case("stop"))
    }

    fn flush(&self, out: &mut Out) {
        if out.direct {
            self.io.stdout.text(format::show(&std::mem::take(&mut out.values)));
        }
    }

    /// Gives a value out.
    pub(super) fn emit(&self, value: Value, out: &mut Out) {
        match value {
            Value::Null => {}
            Value::List(values) => values.into_iter().for_each(|value| self.emit(value, out)),
            shaped @ (Value::Object(_) | Value::Error(_)) => out.values.push(shaped),
            plain => {
                out.values.push(plain);
                self.flush(out);
            }
        }
    }

    pub(super) fn block<'a>(&'a mut self, block: &'a [Statement], out: &'a mut Out) -> BoxFuture<'a, Step<()>> {
        async move {
            for statement in block {
                match self.statement(statement, out).await {
                    // Errors of one statement do not end the script, unless it says so.
                    Err(Stop::Error(error))
                        if !self.in_try() && !self.stops() && error.command.as_deref() != Some("throw") =>
                    {
                        error.report(&self.script, &self.io);
                        self.ok = false;
                    }
                    other => other?,
                }
            }
            Ok(())
        }
        .boxed()
    }

    fn in_try(&self) -> bool {
        self.variables.contains_key("\u{0}try")
    }

    fn statement<'a>(&'a mut self, statement: &'a Statement, out: &'a mut Out) -> BoxFuture<'a, Step<()>> {
        async move {
            match statement {
                Statement::Empty => Ok(()),
                Statement::Pipeline(stages) => self.pipeline(stages, out).await,
                Statement::Assign { name, operator, value } => {
                    let value = self.value_of(value).await?;
                    self.assign(name, *operator, value)
                }
                Statement::If { branches, otherwise } => {
                    for (condition, body) in branches {
                        if self.value_of(condition).await?.holds() {
                            return self.block(body, out).await;
                        }
                    }
                    match otherwise {
                        Some(body) => self.block(body, out).await,
                        None => Ok(()),
                    }
                }
                Statement::While { condition, body } => {
                    while self.value_of(condition).await?.holds() {
                        if self.turn(body, out).await? {
                            break;
                        }
                    }
                    self.effort.rest();
                    Ok(())
                }
                Statement::Do { body, condition, until } => {
                    loop {
                        if self.turn(body, out).await? || self.value_of(condition).await?.holds() == *until {
                            break;
                        }
                    }
                    self.effort.rest();
                    Ok(())
                }
                Statement::For { first, condition, next, body } => {
                    self.statement(first, &mut Out::kept()).await?;
                    loop {
                        if let Some(condition) = condition
                            && !self.value_of(condition).await?.holds()
                        {
                            break;
                        }
                        if self.turn(body, out).await? {
                            break;
                        }
                        self.statement(next, &mut Out::kept()).await?;
                    }
                    self.effort.rest();
                    Ok(())
                }
                Statement::ForEach { name, values, body } => {
                    for value in self.value_of(values).await?.into_many() {
                        self.variables.insert(name.clone(), value);
                        if self.turn(body, out).await? {
                            break;
                        }
                    }
                    self.effort.rest();
                    Ok(())
                }
                Statement::Try { body, catch, last } => self.attempt(body, catch.as_ref(), last.as_ref(), out).await,
                Statement::Break => Err(Stop::Break),
                Statement::Continue => Err(Stop::Continue),
                Statement::Return(value) => {
                    if let Some(value) = value {
                        self.statement(value, out).await?;
                    }
                    Err(Stop::Return)
                }
                Statement::Exit(value) => {
                    let code = match value {
                        Some(value) => self.value_of(value).await?.integer().unwrap_or(0),
                        None => 0,
                    };
                    Err(Stop::Exit(u32::try_from(code.rem_euclid(1 << 32)).unwrap_or(1)))
                }
                Statement::Throw(value) => {
                    let text = match value {
                        Some(value) => self.value_of(value).await?.shown(),
                        None => "ScriptHalted".to_owned(),
                    };
                    let category = format!("OperationStopped: ({text}:String) [], RuntimeException");
                    let mut error = PsError::new(text.clone(), &category, &text);
                    error.command = Some("throw".to_owned());
                    Err(error.into())
                }
            }
        }
        .boxed()
    }

    /// One turn of a loop; says whether it was the last.
    async fn turn(&mut self, body: &Block, out: &mut Out) -> Step<bool> {
        self.effort.step().await;
        match self.block(body, out).await {
            Ok(()) | Err(Stop::Continue) => Ok(false),
            Err(Stop::Break) => Ok(true),
            Err(other) => Err(other),
        }
    }

    async fn attempt(&mut self, body: &Block, catch: Option<&Block>, last: Option<&Block>, out: &mut Out) -> Step<()> {
        let outer = self.variables.insert("\u{0}try".to_owned(), Value::Bool(true));
        let mut done = self.block(body, out).await;
        match outer {
            Some(outer) => self.variables.insert("\u{0}try".to_owned(), outer),
            None => self.variables.remove("\u{0}try"),
        };
        if let (Err(Stop::Error(error)), Some(catch)) = (&done, catch) {
            let exception = Value::object(View::List, vec![("Message", Value::text(error.message.clone()))]);
            let id = Value::text(error.id.clone());
            let record = Value::object(View::List, vec![("Exception", exception), ("FullyQualifiedErrorId", id)]);
            self.variables.insert("_".to_owned(), record);
            done = self.block(catch, out).await;
        }
        if let Some(last) = last {
            self.block(last, out).await?;
        }
        done
    }

    /// What a statement gives, as one value.
    pub(super) async fn value_of(&mut self, statement: &Statement) -> Step<Value> {
        // A value alone is taken as it is: a list of one stays a list.
        if let Statement::Pipeline(stages) = statement
            && let [Stage::Value(expression)] = stages.as_slice()
        {
            self.ok = true;
            return self.expression(expression).await;
        }
        let mut out = Out::kept();
        self.statement(statement, &mut out).await?;
        Ok(Value::from_many(out.values))
    }

    fn assign(&mut self, name: &str, operator: Option<&str>, value: Value) -> Step<()> {
        if let Some(name) = name.strip_prefix("env:") {
            self.session.env.set(name, value.shown());
            return Ok(());
        }
        let name = name.rsplit(':').next().unwrap_or(name);
        let value = match operator {
            Some(operator) => {
                let before = self.variables.remove(name).unwrap_or(Value::Null);
                operators::arithmetic(operator, before, value)?
            }
            None => value,
        };
        if name != "null" {
            self.variables.insert(name.to_owned(), value);
        }
        Ok(())
    }

    async fn pipeline(&mut self, stages: &[Stage], out: &mut Out) -> Step<()> {
        let mut input: Option<Vec<Value>> = None;
        let last = stages.len().saturating_sub(1);
        for (at, stage) in stages.iter().enumerate() {
            let mut kept = Out::kept();
            let target = if at == last { &mut *out } else { &mut kept };
            match stage {
                Stage::Value(expression) => {
                    let value = self.expression(expression).await?;
                    // An assignment-like step gives nothing out.
                    if !matches!(expression, Expression::Increment(..)) {
                        self.ok = true;
                        self.emit(value, target);
                    }
                }
                Stage::Command(command) => self.command(command, input.take(), target).await?,
            }
            if at != last {
                input = Some(kept.values);
            }
        }
        Ok(())
    }

    async fn command(&mut self, command: &Command, input: Option<Vec<Value>>, out: &mut Out) -> Step<()> {
        let name = self.expression(&command.name).await?;
        let (usual, mut files) = (self.io.clone(), Vec::new());
        let mut joined = false;
        for (handle, target) in &command.redirects {
            let sink = match target {
                None => {
                    joined = true;
                    self.io.stdout.clone()
                }
                Some(Expression::Variable(name)) if name == "null" => Sink::Null,
                Some(path) => {
                    let path = self.expression(path).await?.shown();
                    let sink = Sink::keeping();
                    files.push((sink.clone(), path));
                    sink
                }
            };
            if *handle == 2 { self.io.stderr = sink } else { self.io.stdout = sink }
        }
        let silent = matches!(self.io.stdout, Sink::Null) && !matches!(usual.stdout, Sink::Null);
        let done = match name {
            Value::Block(block) => self.block(&block, out).await,
            name => self.by_name(&name.shown(), command, input, out, joined).await,
        };
        if silent {
            out.values.clear();
        }
        self.io = usual;
        for (sink, path) in files {
            // It could not be told apart from a program that wrote nothing.
            let _ = self.session.write(&path, &sink.take(), false).await;
        }
        match done {
            Err(Stop::Error(mut error)) => {
                error.span.get_or_insert(command.span);
                Err(error.into())
            }
            other => other,
        }
    }

    async fn by_name(
        &mut self,
        name: &str,
        command: &Command,
        input: Option<Vec<Value>>,
        out: &mut Out,
        joined: bool,
    ) -> Step<()> {
        let arguments = self.bind(&command.arguments).await?;
        self.ok = true;
        if let Some(cmdlet) = cmdlets::canonical(name) {
            let done = cmdlets::run(self, cmdlet, &arguments, input, out).await;
            let Err(Stop::Error(mut error)) = done else { return done };
            error.span.get_or_insert(command.span);
            let action = arguments.text("erroraction").unwrap_or_default().to_ascii_lowercase();
            let stops = action == "stop" || (action.is_empty() && self.stops());
            if error.terminates || stops {
                return Err(PsError { terminates: true, ..*error }.into());
            }
            // Most of what goes wrong in a cmdlet is told, and the script goes on.
            self.ok = false;
            if !matches!(action.as_str(), "silentlycontinue" | "ignore") {
                if joined {
                    self.emit(Value::Error(Arc::new((*error, self.script.clone()))), out);
                } else {
                    error.report(&self.script, &self.io);
                }
            }
            return Ok(());
        }
        self.effort.rest();
        let argv: Vec<String> = std::iter::once(name.to_owned()).chain(arguments.words.iter().cloned()).collect();
        let through = Sink::keeping();
        let stdin =
            input.map_or_else(|| self.io.stdin.clone(), |values| Stdin::held(format::show(&values).into_bytes()));
        // With nobody to take lines apart, a program writes where PowerShell writes.
        let stdout = if out.direct { self.io.stdout.clone() } else { through.clone() };
        let stderr = if joined { stdout.clone() } else { self.io.stderr.clone() };
        let io = Io { stdin, stdout, stderr };
        let Some(code) = crate::command::run_from_shell(&self.session, &argv, &io).await else {
            return Err(PsError::no_command(name).into());
        };
        self.variables.insert("lastexitcode".to_owned(), Value::Int(i64::from(code.cast_signed())));
        let text = String::from_utf8_lossy(&through.take()).into_owned();
        for line in text.lines() {
            self.emit(Value::text(line), out);
        }
        self.ok = code == 0;
        Ok(())
    }

    async fn bind(&mut self, arguments: &[Argument]) -> Step<cmdlets::Arguments> {
        let mut bound = cmdlets::Arguments::default();
        let mut name: Option<String> = None;
        for argument in arguments {
            match argument {
                Argument::Parameter(parameter, value) => {
                    bound.words.push(parameter.clone());
                    let parameter = parameter.trim_start_matches('-').to_ascii_lowercase();
                    name = None;
                    match value {
                        Some(value) => {
                            let value = self.expression(value).await?;
                            bound.named.push((parameter, value));
                        }
                        None if cmdlets::is_switch(&parameter) => bound.named.push((parameter, Value::Bool(true))),
                        None => {
                            bound.named.push((parameter.clone(), Value::Bool(true)));
                            name = Some(parameter);
                        }
                    }
                }
                Argument::Value(value) => {
                    let value = self.expression(value).await?;
                    bound.words.extend(value.clone().into_many().iter().map(Value::shown));
                    match name.take() {
                        Some(name) => {
                            bound.named.retain(|(known, _)| *known != name);
                            bound.named.push((name, value));
                        }
                        None => bound.positional.push(value),
                    }
                }
            }
        }
        Ok(bound)
    }

    pub(super) fn expression<'a>(&'a mut self, expression: &'a Expression) -> BoxFuture<'a, Step<Value>> {
        async move {
            Ok(match expression {
                Expression::Integer(number) => Value::Int(*number),
                Expression::Float(number) => Value::Float(*number),
                Expression::Text(text) => Value::text(text.clone()),
                Expression::Interpolated(parts) => {
                    let mut text = String::new();
                    for part in parts {
                        text += &self.expression(part).await?.shown();
                    }
                    Value::Text(text)
                }
                Expression::Variable(name) => self.variable(name),
                Expression::Increment(name, by) => {
                    let before = self.variable(name);
                    let after = operators::arithmetic("+", before.clone(), Value::Int(*by))?;
                    self.variables.insert(name.clone(), after);
                    before
                }
                Expression::Group(block) => {
                    let mut out = Out::kept();
                    self.block(block, &mut out).await?;
                    Value::from_many(out.values)
                }
                Expression::Array(block) => {
                    let mut out = Out::kept();
                    self.block(block, &mut out).await?;
                    Value::List(out.values)
                }
                Expression::Table(pairs) => {
                    let mut fields = Vec::new();
                    for (name, value) in pairs {
                        fields.push((name.clone(), self.expression(value).await?));
                    }
                    Value::Object(Arc::new(Object { fields, view: View::Pairs }))
                }
                Expression::List(items) => {
                    let mut values = Vec::new();
                    for item in items {
                        values.push(self.expression(item).await?);
                    }
                    Value::List(values)
                }
                Expression::Block(block) => Value::Block(block.clone()),
                Expression::Unary(operator, operand) => {
                    let operand = self.expression(operand).await?;
                    operators::unary(operator, operand)?
                }
                Expression::Binary(operator, left, right) => {
                    let left = self.expression(left).await?;
                    match (operator.as_str(), left.holds()) {
                        ("-and", false) => Value::Bool(false),
                        ("-or", true) => Value::Bool(true),
                        _ => {
                            let right = self.expression(right).await?;
                            operators::binary(operator, left, right)?
                        }
                    }
                }
                Expression::Member(target, name) => {
                    let target = self.expression(target).await?;
                    types::member(self, &target, name)
                }
                Expression::Call(target, name, arguments) => {
                    let mut values = Vec::new();
                    for argument in arguments {
                        values.push(self.expression(argument).await?);
                    }
                    if let Expression::Variable(variable) = &**target
                        && name.eq_ignore_ascii_case("add")
                        && let Some(Value::List(list)) = self.variables.get_mut(variable)
                    {
                        list.extend(values);
                        return Ok(Value::Null);
                    }
                    let target = self.expression(target).await?;
                    types::call(self, &target, name, &values)?
                }
                Expression::Static(kind, member, arguments) => {
                    let mut values = Vec::new();
                    for argument in arguments.iter().flatten() {
                        values.push(self.expression(argument).await?);
                    }
                    types::of_type(self, kind, member, &values).await?
                }
                Expression::Index(target, index) => {
                    let target = self.expression(target).await?;
                    let index = self.expression(index).await?;
                    index_of(&target, &index)
                }
                Expression::Cast(kind, value) => {
                    let value = self.expression(value).await?;
                    types::cast(kind, value)?
                }
            })
        }
        .boxed()
    }

    fn variable(&self, name: &str) -> Value {
        if let Some(name) = name.strip_prefix("env:") {
            return self.session.env.get(name).map_or(Value::Null, Value::text);
        }
        match name {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            "null" => Value::Null,
            "?" => Value::Bool(self.ok),
            "pid" => Value::Int(4321),
            "psversiontable" => types::versions(self),
            _ => self.variables.get(name.rsplit(':').next().unwrap_or(name)).cloned().unwrap_or(Value::Null),
        }
    }
}

fn index_of(target: &Value, index: &Value) -> Value {
    let at = |values: &[Value]| {
        let number = index.integer().unwrap_or(0);
        let place = if number < 0 { i64::try_from(values.len()).unwrap_or(0) + number } else { number };
        usize::try_from(place).ok().and_then(|place| values.get(place).cloned()).unwrap_or(Value::Null)
    };
    match target {
        Value::List(values) => at(values),
        Value::Object(_) if matches!(index, Value::Text(_)) => target.field(&index.shown()).unwrap_or(Value::Null),
        Value::Text(text) => at(&text.chars().map(|c| Value::text(c.to_string())).collect::<Vec<_>>()),
        Value::Null => Value::Null,
        Value::Bytes(_) => Value::Int(0),
        other => at(std::slice::from_ref(other)),
    }
}

/// Sorts by a property, or by the values themselves.
pub(super) fn sort(values: &mut [Value], property: Option<&str>) {
    let key = |value: &Value| match property {
        Some(name) => value.field(name).unwrap_or(Value::Null),
        None => value.clone(),
    };
    values.sort_by(|a, b| key(a).compare(&key(b)).unwrap_or(Ordering::Equal));
}
