//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) const HELP: &str = "\
vds-com-host: runs a provider written against VDS's COM interfaces. The service starts it:

  vds provider add NAME --grant-dir FOLDER -- vds-com-host --provider FOLDER/libprovider.so

  --provider FILE     the shared object; it exports VdsCreateProvider
  --set NAME=VALUE    an environment variable for the provider; may stand several times
  --quiet-ms N        an operation that nothing new is heard of for so long ends failed; 86400000 (a day)
";

const QUIET: Duration = Duration::from_hours(24);

/// What is to be run, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arguments {
    pub(crate) provider: PathBuf,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) quiet: Duration,
}

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    Run(Arguments),
    Help,
}

impl Arguments {
    /// Reads the words after the program's name.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub(crate) fn parse(words: impl Iterator<Item = OsString>) -> Result<Parsed, String> {
        let (mut provider, mut environment, mut quiet) = (None, Vec::new(), QUIET);
        let mut words = words;
        while let Some(word) = words.next() {
            let option = word.to_string_lossy().into_owned();
            if ["--help", "-h"].contains(&option.as_str()) {
                return Ok(Parsed::Help);
            }
            let value = words.next().ok_or_else(|| format!("{option} wants a value"));
            match option.as_str() {
                "--provider" => provider = Some(PathBuf::from(value?)),
                "--set" => {
                    let value = value?.to_string_lossy().into_owned();
                    let (name, value) = value
                        .split_once('=')
                        .filter(|(name, _)| !name.is_empty())
                        .ok_or_else(|| format!("--set {value}: this is no NAME=VALUE"))?;
                    environment.push((name.to_owned(), value.to_owned()));
                }
                "--quiet-ms" => {
                    let value = value?.to_string_lossy().into_owned();
                    let number = value.parse::<u64>().ok().filter(|number| *number > 0);
                    let number = number
                        .ok_or_else(|| format!("--quiet-ms {value}: not a number above 0"))?;
                    quiet = Duration::from_millis(number);
                }
                _ => return Err(format!("{option} is no option")),
            }
        }
        let provider = provider.ok_or("--provider is missing")?;
        Ok(Parsed::Run(Self { provider, environment, quiet }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: Result<(usize, u64), &str>) {
        let words = line.split_whitespace().map(OsString::from);
        let found = Arguments::parse(words).map(|parsed| match parsed {
            Parsed::Run(run) => (run.environment.len(), run.quiet.as_secs()),
            Parsed::Help => (99, 0),
        });
        assert_eq!(found, expected.map_err(str::to_owned), "{line}");
    }

    #[test]
    fn the_line_is_read_or_refused() {
        check("--provider a.so", Ok((0, 86_400)));
        check("--provider a.so --set A=b=c --set B= --quiet-ms 5000", Ok((2, 5)));
        check("--help", Ok((99, 0)));
        check("", Err("--provider is missing"));
        check("--provider", Err("--provider wants a value"));
        check("--provider a.so --set =b", Err("--set =b: this is no NAME=VALUE"));
        check("--provider a.so --quiet-ms 0", Err("--quiet-ms 0: not a number above 0"));
        check("--colour red", Err("--colour is no option"));
    }
}
