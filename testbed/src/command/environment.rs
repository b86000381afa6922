//! Environment variables, with Windows' disregard of case.

/// The variables of a process, in the order in which `set` and `env` show them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Environment {
    ignore_case: bool,
    variables: Vec<(String, String)>,
}

impl Environment {
    /// An empty environment.
    pub(crate) fn new(ignore_case: bool) -> Self {
        Self { ignore_case, variables: Vec::new() }
    }

    fn same(&self, a: &str, b: &str) -> bool {
        if self.ignore_case { a.eq_ignore_ascii_case(b) } else { a == b }
    }

    /// The value of a variable.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.variables.iter().find(|(known, _)| self.same(known, name)).map(|(_, value)| value.as_str())
    }

    /// Sets a variable; a name that is known keeps its spelling.
    pub(crate) fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let (name, value) = (name.into(), value.into());
        let at = self.variables.iter().position(|(known, _)| self.same(known, &name));
        match at.and_then(|at| self.variables.get_mut(at)) {
            Some((_, old)) => *old = value,
            None => self.variables.push((name, value)),
        }
    }

    /// Forgets a variable.
    pub(crate) fn remove(&mut self, name: &str) {
        let ignore_case = self.ignore_case;
        self.variables
            .retain(|(known, _)| !(if ignore_case { known.eq_ignore_ascii_case(name) } else { known == name }));
    }

    /// Name and value of each variable: sorted on Windows, as set elsewhere.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut all: Vec<_> = self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        if self.ignore_case {
            all.sort_by_key(|(name, _)| name.to_ascii_uppercase());
        }
        all.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_finds_variables_in_any_case_and_keeps_their_spelling() {
        let mut env = Environment::new(true);
        env.set("Path", "a");
        env.set("PATH", "b");
        assert_eq!(env.iter().collect::<Vec<_>>(), [("Path", "b")]);
        env.remove("path");
        assert_eq!(env.get("Path"), None);
    }

    #[test]
    fn linux_tells_cases_apart() {
        let mut env = Environment::new(false);
        env.set("path", "a");
        assert_eq!((env.get("path"), env.get("PATH")), (Some("a"), None));
    }
}
