//! Questions, on a terminal only: off it, destruction needs `--yes`.

use std::io::{BufRead, IsTerminal, Write};

use crate::failure::Failure;

/// Whether somebody is there to answer.
pub(crate) fn is_interactive() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks before something that cannot be taken back. `what` is a sentence about what will happen.
///
/// # Errors
/// [`Failure::NotConfirmed`] off a terminal; [`Failure::Declined`] when the answer is no.
pub(crate) fn confirm(yes: bool, what: &str) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !is_interactive() {
        return Err(Failure::NotConfirmed { what: what.to_owned() });
    }
    let answer = ask(&format!("{what}\nGo on? [y/N] "))?;
    match answer.as_str() {
        "y" | "Y" | "yes" | "Yes" => Ok(()),
        _ => Err(Failure::Declined),
    }
}

/// Prints a question and reads a line. Blocks.
///
/// # Errors
/// [`Failure::Input`].
pub(crate) fn ask(question: &str) -> Result<String, Failure> {
    // A terminal that takes no question gives no answer either: that error is told below.
    let _ = write!(std::io::stderr(), "{question}").and_then(|()| std::io::stderr().flush());
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.map_err(|source| Failure::Input { path: "standard input".into(), source })?;
    Ok(answer.trim().to_owned())
}
