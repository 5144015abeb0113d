//! How far the service has come: from its start to its stop.
//!
//! ```text
//!   Starting ──► Running ──last plug-in settled──► Running, waits for none: ready ──► Stopping
//!      └──► Failed                                                                 (from anywhere but Failed)
//! ```

use std::collections::BTreeSet;

use tokio::sync::watch;
use vds_api::{Readiness, ReadyState};
use vds_model::HResult;
use vds_provider::Refusal;

/// Where the service stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    /// Arrays are being looked for, unfinished operations taken up.
    Starting,
    /// Requests are served. Of these plug-ins, which were registered before, it is not known yet what they have.
    Running { waits_for: BTreeSet<String> },
    /// It did not start, for this reason, and is about to end.
    Failed { reason: String },
    /// It was told to stop.
    Stopping,
}

/// Where the service stands, for whoever asks and whoever waits.
pub(crate) struct Phases {
    phase: watch::Sender<Phase>,
}

impl Phases {
    pub(super) fn new() -> Self {
        Self { phase: watch::Sender::new(Phase::Starting) }
    }

    /// Lets requests in. It is ready once each of these plug-ins has settled.
    pub(crate) fn run(&self, waits_for: BTreeSet<String>) {
        self.phase.send_if_modified(|phase| {
            let is_starting = *phase == Phase::Starting;
            if is_starting {
                *phase = Phase::Running { waits_for };
            }
            is_starting
        });
    }

    /// This plug-in runs, or it is known why it does not.
    pub(crate) fn settle(&self, plugin: &str) {
        self.phase.send_if_modified(|phase| match phase {
            Phase::Running { waits_for } => waits_for.remove(plugin),
            _ => false,
        });
    }

    /// The start came to nothing.
    pub(crate) fn fail(&self, reason: String) {
        self.phase.send_replace(Phase::Failed { reason });
    }

    /// No new work is taken. A start that failed stays one.
    pub(crate) fn stop(&self) {
        self.phase.send_if_modified(|phase| {
            let is_changed = !matches!(phase, Phase::Failed { .. } | Phase::Stopping);
            if is_changed {
                *phase = Phase::Stopping;
            }
            is_changed
        });
    }

    /// Whether objects may be asked for: before arrays were looked for, nothing would be found.
    ///
    /// # Errors
    /// `VDSX_E_SERVICE_STARTING`, `VDS_E_INITIALIZED_FAILED`.
    pub(crate) fn check_started(&self) -> Result<(), Refusal> {
        match &*self.phase.borrow() {
            Phase::Stopping => Ok(()),
            phase => check_running(phase),
        }
    }

    /// Whether work may be begun.
    ///
    /// # Errors
    /// As [`Self::check_started`], and `VDSX_E_SERVICE_STOPPING`.
    pub(super) fn check_running(&self) -> Result<(), Refusal> {
        check_running(&self.phase.borrow())
    }

    /// Where it stands, as it is told to clients.
    pub(crate) fn readiness(&self) -> Readiness {
        readiness(&self.phase.borrow())
    }

    /// Waits until it has started and all plug-ins have settled, or it is known that this will not be.
    pub(crate) async fn started(&self) {
        let mut phases = self.phase.subscribe();
        // The sender lives as long as `self`.
        let _ = phases.wait_for(|phase| readiness(phase).state != ReadyState::Starting).await;
    }
}

fn check_running(phase: &Phase) -> Result<(), Refusal> {
    let (result, message) = match phase {
        Phase::Running { .. } => return Ok(()),
        Phase::Starting => {
            (HResult::VDSX_E_SERVICE_STARTING, "the service is still starting".to_owned())
        }
        Phase::Failed { reason } => {
            (HResult::VDS_E_INITIALIZED_FAILED, format!("the service did not start: {reason}"))
        }
        Phase::Stopping => (HResult::VDSX_E_SERVICE_STOPPING, "the service is stopping".to_owned()),
    };
    Err(Refusal::new(result, message))
}

fn readiness(phase: &Phase) -> Readiness {
    let (state, waits_for, message) = match phase {
        Phase::Starting => (ReadyState::Starting, vec!["arrays".to_owned()], None),
        Phase::Running { waits_for } if waits_for.is_empty() => {
            (ReadyState::Ready, Vec::new(), None)
        }
        Phase::Running { waits_for } => {
            let waits_for = waits_for.iter().map(|plugin| format!("provider {plugin}"));
            (ReadyState::Starting, waits_for.collect(), None)
        }
        Phase::Failed { reason } => (ReadyState::Failed, Vec::new(), Some(reason.clone())),
        Phase::Stopping => (ReadyState::Stopping, Vec::new(), None),
    };
    Readiness { state, waits_for, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told, and the results of asking for objects and of beginning work.
    fn check(phases: &Phases, told: (ReadyState, &[&str]), started: HResult, running: HResult) {
        let readiness = phases.readiness();
        assert_eq!(
            (readiness.state, &readiness.waits_for[..]),
            (told.0, &told.1.iter().map(|&name| name.to_owned()).collect::<Vec<_>>()[..])
        );
        let result =
            |checked: Result<(), Refusal>| checked.err().map_or(HResult::S_OK, |no| no.result);
        assert_eq!(result(phases.check_started()), started, "{told:?}");
        assert_eq!(result(phases.check_running()), running, "{told:?}");
    }

    #[tokio::test]
    async fn it_is_ready_once_every_plug_in_has_settled() {
        let phases = Phases::new();
        let starting = HResult::VDSX_E_SERVICE_STARTING;
        check(&phases, (ReadyState::Starting, &["arrays"]), starting, starting);
        phases.settle("a");
        phases.run(["a".to_owned(), "b".to_owned()].into());
        let waits = ["provider a", "provider b"];
        check(&phases, (ReadyState::Starting, &waits), HResult::S_OK, HResult::S_OK);
        phases.settle("a");
        phases.settle("nobody");
        check(&phases, (ReadyState::Starting, &waits[1..]), HResult::S_OK, HResult::S_OK);
        let (told, ()) = tokio::join!(phases.started(), async { phases.settle("b") });
        assert_eq!(told, ());
        check(&phases, (ReadyState::Ready, &[]), HResult::S_OK, HResult::S_OK);
        phases.stop();
        let stopping = HResult::VDSX_E_SERVICE_STOPPING;
        check(&phases, (ReadyState::Stopping, &[]), HResult::S_OK, stopping);
    }

    /// Goal: who waits for a start that fails is told so, and told why, while the service ends.
    #[tokio::test]
    async fn a_start_that_failed_is_told_and_stays_one() {
        let phases = Phases::new();
        let failing = async { phases.fail("the store is damaged".to_owned()) };
        tokio::join!(phases.started(), failing);
        phases.stop();
        phases.run(BTreeSet::new());
        let failed = HResult::VDS_E_INITIALIZED_FAILED;
        check(&phases, (ReadyState::Failed, &[]), failed, failed);
        assert_eq!(phases.readiness().message.as_deref(), Some("the store is damaged"));
        let said = phases.check_started().unwrap_err().message;
        assert_eq!(said, "the service did not start: the store is damaged");
    }
}
