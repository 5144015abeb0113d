//! A chore's arguments: `--name VALUE`, `--name=VALUE`, `--flag`.

use anyhow::{Context, Result, bail};
use std::str::FromStr;

/// What has not been taken yet.
pub(crate) struct Arguments {
    left: Vec<String>,
}

impl Arguments {
    /// All of them.
    pub(crate) fn new(arguments: &[String]) -> Self {
        Self { left: arguments.to_vec() }
    }

    /// Takes a flag; true if it was there.
    pub(crate) fn flag(&mut self, name: &str) -> bool {
        let before = self.left.len();
        self.left.retain(|argument| argument != name);
        self.left.len() < before
    }

    /// Takes every value given under a name, in order.
    ///
    /// # Errors
    /// When the name stands last, without its value, or a value does not parse.
    pub(crate) fn values<T>(&mut self, name: &str) -> Result<Vec<T>>
    where
        T: FromStr,
        T::Err: Into<anyhow::Error>,
    {
        let mut values = Vec::new();
        let mut left = std::mem::take(&mut self.left).into_iter();
        while let Some(argument) = left.next() {
            let joined = argument.strip_prefix(name).and_then(|rest| rest.strip_prefix('='));
            let value = match joined {
                Some(value) => value.to_owned(),
                None if argument == name => {
                    left.next().with_context(|| format!("{name} wants a value"))?
                }
                None => {
                    self.left.push(argument);
                    continue;
                }
            };
            let parsed = value.parse().map_err(Into::into);
            values.push(parsed.with_context(|| format!("{name} {value}"))?);
        }
        Ok(values)
    }

    /// Takes the value given under a name, if one was.
    ///
    /// # Errors
    /// As [`Arguments::values`], and when it was given twice.
    pub(crate) fn value<T>(&mut self, name: &str) -> Result<Option<T>>
    where
        T: FromStr,
        T::Err: Into<anyhow::Error>,
    {
        let mut values = self.values(name)?;
        if values.len() > 1 {
            bail!("{name} was given more than once");
        }
        Ok(values.pop())
    }

    /// Takes all that is left: what stands without a name.
    ///
    /// # Errors
    /// When something that looks like a name is left.
    pub(crate) fn rest(self) -> Result<Vec<String>> {
        match self.left.iter().find(|argument| argument.starts_with("--")) {
            None => Ok(self.left),
            Some(argument) => bail!("`{argument}` is not understood"),
        }
    }

    /// Ends the taking.
    ///
    /// # Errors
    /// When something is left.
    pub(crate) fn end(self) -> Result<()> {
        match self.left.first() {
            None => Ok(()),
            Some(argument) => bail!("`{argument}` is not understood"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_taken_once() {
        let given = ["--a", "1", "--flag", "--a=2", "rest"].map(str::to_owned);
        let mut arguments = Arguments::new(&given);
        assert!(arguments.flag("--flag"));
        assert_eq!(arguments.values::<u32>("--a").unwrap(), [1, 2]);
        assert_eq!(arguments.value::<u32>("--a").unwrap(), None);
        assert!(arguments.end().is_err());
        let paths = |given: &str| Arguments::new(&[given.to_owned()]).rest();
        assert_eq!(paths("rest").unwrap(), ["rest"]);
        assert!(paths("--rest").is_err());
    }

    #[test]
    fn a_name_without_its_value_is_refused() {
        let mut arguments = Arguments::new(&["--a".to_owned()]);
        assert!(arguments.value::<u32>("--a").is_err());
        let mut arguments = Arguments::new(&["--a".to_owned(), "x".to_owned()]);
        assert!(arguments.value::<u32>("--a").is_err());
    }
}
