use std::fmt;

/// One thing that is wrong with a settings file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line, counted from one; none when it is about the file as a whole.
    pub line: Option<usize>,
    /// Key path, e.g. `pull_based.repositories.foo.poll_interval`; empty when no key is concerned.
    pub key: String,
    /// What was expected and what was found. Never holds a secret.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Problem {
    pub(super) fn at(line: usize, key: &str, message: impl Into<String>) -> Self {
        Self {
            line: Some(line),
            ..Self::of_file(key, message)
        }
    }

    pub(super) fn of_file(key: &str, message: impl Into<String>) -> Self {
        Self {
            line: None,
            key: key.to_owned(),
            message: message.into(),
            hint: None,
        }
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.key.is_empty() {
            write!(formatter, "`{}`: ", self.key)?;
        }
        formatter.write_str(&self.message)?;
        if let Some(hint) = &self.hint {
            write!(formatter, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

/// Everything that is wrong with one file, in the order of its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    /// The file, as it was named.
    pub file: String,
    /// Never empty.
    pub list: Vec<Problem>,
}

impl Problems {
    pub(super) fn new(file: impl Into<String>, mut list: Vec<Problem>) -> Self {
        // Missing keys have the line of their table, so they come first.
        list.sort_by_key(|problem| problem.line);
        Self {
            file: file.into(),
            list,
        }
    }
}

/// One problem a paragraph, `file:line: key: message`, as compilers and editors have it.
impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.list.iter().enumerate() {
            if index > 0 {
                formatter.write_str("\n")?;
            }
            match problem.line {
                Some(line) => write!(formatter, "{}:{line}: {problem}", self.file)?,
                None => write!(formatter, "{}: {problem}", self.file)?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
