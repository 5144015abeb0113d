//! Keeps the process of a plug-in alive: start, handshake, watch, kill, wait, and again.

use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::process::Child;
use tokio::time::Instant;
use vds_model::HResult;
use vds_plugin::{Nothing, method};
use vds_provider::Died;

use crate::child::{self, Started};
use crate::identity::{Rejected, handshake};
use crate::launcher::{NotBecome, confinement_told, not_become};
use crate::link::{Link, LinkTasks};
use crate::shared::Shared;
use crate::state::RunState;

/// The first wait before a process is started again; it doubles each time.
const WAIT_FIRST: Duration = Duration::from_secs(1);
/// The longest.
const WAIT_MAX: Duration = Duration::from_mins(1);
/// Having run so long, it is as good as new.
const RAN_WELL: Duration = Duration::from_mins(1);
/// A sign of life is asked for when nothing was heard for so long.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// How long a process may take to end after its socket did, or after it was told to.
const EXIT_GRACE: Duration = Duration::from_millis(500);
const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);

/// How one life of the process ended.
struct Life {
    died: Died,
    /// Starting it again would come to the same.
    is_final: bool,
    /// It was told to end.
    is_asked_for: bool,
}

pub(crate) fn unix_ms() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
}

/// Runs until the plug-in is told to stop.
pub(crate) async fn supervise(shared: Arc<Shared>) {
    let mut failures = 0_u32;
    loop {
        let began = Instant::now();
        let life = live(&shared).await;
        if shared.is_stopping() {
            shared.set_state(RunState::Stopped);
            return;
        }
        if began.elapsed() >= RAN_WELL || life.is_asked_for {
            failures = 0;
        }
        if life.is_asked_for {
            continue;
        }
        failures = failures.saturating_add(1);
        let reason = life.died.how.clone();
        tracing::warn!(
            provider = shared.spec.name,
            error.code = life.died.result.code(),
            error = reason,
            failures,
            "a plug-in ended"
        );
        let wait = if life.is_final {
            shared.set_state(RunState::Failed { result: life.died.result, reason });
            None
        } else {
            let doubled = WAIT_FIRST.saturating_mul(1 << (failures - 1).min(16)).min(WAIT_MAX);
            let until_unix_ms =
                unix_ms().saturating_add(u64::try_from(doubled.as_millis()).unwrap_or(0));
            shared.set_state(RunState::Waiting { reason, until_unix_ms, failures });
            Some(doubled)
        };
        let pause = async {
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = pause => {}
            () = shared.restart.notified() => failures = 0,
            () = shared.stopped() => {
                shared.set_state(RunState::Stopped);
                return;
            }
        }
    }
}

/// One life, from start to end. When it returns, nothing of the process is left.
async fn live(shared: &Arc<Shared>) -> Life {
    shared.count_start();
    shared.set_state(RunState::Starting);
    let started = match child::start(&shared.spec) {
        Ok(started) => started,
        Err(error) => {
            let reason = format!("the launcher could not be started: {error}");
            let died = Died::because(HResult::VDSX_E_PROVIDER_START, reason);
            return Life { died, is_final: true, is_asked_for: false };
        }
    };
    let Started { mut child, group, stream, stdout, stderr } = started;
    follow_log(shared, stdout, stderr);
    let (link, tasks) = Link::new(stream, shared.spec.answer);
    let (stream, writing) = tasks.split();
    let pid = child.id().unwrap_or_default();
    let talk = talk(shared, &link, pid);
    let read = LinkTasks::read(&stream, &link, &**shared);
    let mut is_asked_for = false;
    let (died, is_final) = tokio::select! {
        // It is told why before anybody looks at the socket.
        rejected = talk => (rejected.died, rejected.is_final),
        ended = read => match ended {
            // The end of the stream: the process says why, if it ends too.
            Ok(()) => how_it_ended(&mut child).await,
            Err(died) => (died, false),
        },
        error = writing => match how_it_ended(&mut child).await {
            (died, false) => (Died::new(format!("{} ({error})", died.how)), false),
            other => other,
        },
        status = child.wait() => status.map_or_else(
            |error| (Died::new(error.to_string()), false),
            judge,
        ),
        died = link.gone() => (died, false),
        () = shared.asked_to_end(&link) => {
            is_asked_for = true;
            (Died::new("it was told to end"), false)
        }
    };
    link.end(died.clone());
    shared.unlink();
    if is_asked_for {
        let _ = tokio::time::timeout(EXIT_GRACE, child.wait()).await;
    }
    child::kill(&mut child, group).await;
    shared.lost(&died);
    Life { died, is_final, is_asked_for }
}

/// The handshake, then signs of life. Ends only with a handshake that came to nothing.
async fn talk(shared: &Arc<Shared>, link: &Arc<Link>, pid: u32) -> Rejected {
    let said = match handshake(link, &shared.spec).await {
        Ok(said) => said,
        Err(rejected) if link.is_over() => {
            // The socket ended in the middle: how the process did says more.
            tokio::time::sleep(EXIT_GRACE).await;
            return rejected;
        }
        Err(rejected) => return rejected,
    };
    if let Err(rejected) = shared.accept(said) {
        return rejected;
    }
    shared.link_up(link);
    shared.set_state(RunState::Running { pid, since_unix_ms: unix_ms() });
    tracing::info!(provider = shared.spec.name, pid, "a plug-in runs");
    link.heartbeat(HEARTBEAT).await;
    unreachable!("a heartbeat goes on for ever")
}

async fn how_it_ended(child: &mut Child) -> (Died, bool) {
    match tokio::time::timeout(EXIT_GRACE, child.wait()).await {
        Ok(Ok(status)) => judge(status),
        _ => (Died::new("it closed its socket"), false),
    }
}

/// What an exit means, and whether starting again would come to the same.
fn judge(status: ExitStatus) -> (Died, bool) {
    match not_become(status) {
        Some(NotBecome::Unconfined) => {
            let reason = "this kernel cannot confine it; see its log";
            (Died::because(HResult::VDSX_E_PROVIDER_UNCONFINED, reason), true)
        }
        Some(NotBecome::NotExecuted) => {
            let reason = "its program cannot be executed; see its log";
            (Died::because(HResult::VDSX_E_PROVIDER_START, reason), true)
        }
        None => (Died::new(child::told(status)), false),
    }
}

fn follow_log(
    shared: &Arc<Shared>,
    stdout: Option<tokio::process::ChildStdout>,
    stderr: Option<tokio::process::ChildStderr>,
) {
    if let Some(stdout) = stdout {
        let shared = Arc::clone(shared);
        tokio::spawn(async move { shared.log.follow(&shared.spec.name, stdout, |_| false).await });
    }
    if let Some(stderr) = stderr {
        let shared = Arc::clone(shared);
        tokio::spawn(async move {
            let first = |line: &str| match confinement_told(line) {
                Some(report) => {
                    shared.set_confinement(report);
                    true
                }
                None => false,
            };
            shared.log.follow(&shared.spec.name, stderr, first).await;
        });
    }
}

/// Tells the plug-in to end, and waits a while for it to do so.
pub(crate) async fn say_goodbye(link: &Link) {
    let _ = tokio::time::timeout(SHUTDOWN_GRACE, link.call(method::SHUTDOWN, &Nothing {})).await;
}
