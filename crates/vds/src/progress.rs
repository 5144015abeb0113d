//! How far an operation is, on standard error: a bar on a terminal, one line for each phase elsewhere, nothing beside JSON.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use vds_api::{Operation, OperationState};
use vds_model::Bytes;

use crate::failure::complain;
use crate::output::{duration, shown};

/// How often a bar redraws by itself, so that one sees it live.
const TICK: Duration = Duration::from_millis(120);

/// Shows one operation.
#[derive(Debug)]
pub(crate) enum Progress {
    /// On a terminal.
    Bar(ProgressBar),
    /// Elsewhere: what was said last.
    Lines(Option<String>),
    /// Beside JSON off a terminal.
    Quiet,
}

impl Progress {
    /// A new one; `quiet` off a terminal when programs read along.
    pub(crate) fn new(quiet: bool) -> Self {
        if std::io::stderr().is_terminal() {
            let bar = ProgressBar::with_draw_target(Some(100), ProgressDrawTarget::stderr());
            bar.enable_steady_tick(TICK);
            return Self::Bar(bar);
        }
        if quiet { Self::Quiet } else { Self::Lines(None) }
    }

    /// Shows the operation as it is now.
    pub(crate) fn show(&mut self, operation: &Operation) {
        match self {
            Self::Bar(bar) => {
                bar.set_style(style(operation.percent.is_some()));
                bar.set_position(u64::from(operation.percent.unwrap_or(0)));
                bar.set_prefix(operation.kind.clone());
                bar.set_message(details(operation));
            }
            Self::Lines(last) => {
                let phase = phase(operation);
                if !phase.is_empty() && last.as_deref() != Some(&phase) {
                    complain(&format!("{} {}: {phase}\n", operation.kind, operation.id));
                    *last = Some(phase);
                }
            }
            Self::Quiet => {}
        }
    }

    /// Keeps still while something else is on the terminal.
    pub(crate) fn hold(&mut self) {
        if let Self::Bar(bar) = self {
            bar.disable_steady_tick();
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
    }

    /// Shows itself again.
    pub(crate) fn go_on(&mut self) {
        if let Self::Bar(bar) = self {
            bar.set_draw_target(ProgressDrawTarget::stderr());
            bar.enable_steady_tick(TICK);
        }
    }

    /// Leaves the bar where it is, as it is.
    pub(crate) fn leave(&self) {
        if let Self::Bar(bar) = self {
            bar.abandon();
            complain("\n");
        }
    }

    /// Takes the bar away.
    pub(crate) fn end(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

fn style(is_percent_known: bool) -> ProgressStyle {
    let template = if is_percent_known {
        "{prefix} [{bar:24}] {pos:>3} %  {wide_msg}"
    } else {
        "{prefix} {spinner} {wide_msg}"
    };
    ProgressStyle::with_template(template)
        .expect("both templates are constant and tested")
        .progress_chars("=> ")
}

/// What it is doing, or why it is not.
fn phase(operation: &Operation) -> String {
    let phase = shown_or_empty(&operation.phase);
    let state = match operation.state {
        OperationState::Paused => "paused",
        OperationState::Cancelling => "cancelling",
        _ => "",
    };
    let waits = operation.waits_for.as_deref().map(|what| format!("waits for {}", shown(what)));
    let parts = [phase, state.to_owned(), waits.unwrap_or_default()];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

fn shown_or_empty(text: &str) -> String {
    if text.is_empty() { String::new() } else { shown(text) }
}

/// Phase, bytes, rate and time left, as far as they are known.
pub(crate) fn details(operation: &Operation) -> String {
    let mut parts = vec![phase(operation)];
    match (operation.done_bytes, operation.total_bytes) {
        (Some(done), Some(total)) => {
            parts.push(format!("{} of {}", Bytes(done).rounded(), Bytes(total).rounded()));
        }
        (Some(done), None) => parts.push(Bytes(done).rounded()),
        (None, _) => {}
    }
    if let Some(rate) = operation.rate_bytes_per_second {
        parts.push(format!("{}/s", Bytes(rate).rounded()));
    }
    if let Some(eta_ms) = operation.eta_ms {
        parts.push(format!("{} left", duration(eta_ms)));
    }
    parts.retain(|part| !part.is_empty());
    parts.join("  ")
}

#[cfg(test)]
pub(crate) mod tests {
    use vds_api::Owner;

    use super::*;

    /// A running operation about which nothing is known.
    pub(crate) fn operation() -> Operation {
        Operation {
            id: "0b7c0000-0000-4000-8000-000000000001".to_owned(),
            kind: "recover_lun".to_owned(),
            provider: None,
            subject: None,
            parent: None,
            children: Vec::new(),
            owner: Owner::Service { cause: "test".to_owned() },
            key: None,
            state: OperationState::Running,
            cancel_support: "anytime".to_owned(),
            is_committed: false,
            is_pausable: true,
            priority: 8,
            percent: None,
            done_bytes: None,
            total_bytes: None,
            phase: String::new(),
            rate_bytes_per_second: None,
            eta_ms: None,
            waits_for: None,
            created_unix_ms: 0,
            started_unix_ms: None,
            ended_unix_ms: None,
            elapsed_ms: 0,
            result: None,
            output: None,
            error: None,
            version: 1,
        }
    }

    #[test]
    fn only_what_is_known_is_shown() {
        let mut operation = operation();
        assert_eq!(details(&operation), "");
        operation.phase = "copying".to_owned();
        operation.done_bytes = Some(1 << 30);
        assert_eq!(details(&operation), "copying  1 GiB");
        operation.total_bytes = Some(5 << 30);
        operation.rate_bytes_per_second = Some(100 << 20);
        operation.eta_ms = Some(41_000);
        assert_eq!(details(&operation), "copying  1 GiB of 5 GiB  100 MiB/s  41.0 s left");
        operation.state = OperationState::Paused;
        operation.waits_for = Some("drive d3".to_owned());
        assert!(details(&operation).starts_with("copying, paused, waits for drive d3  "));
    }

    #[test]
    fn templates_are_good() {
        let _ = (style(true), style(false));
    }
}
