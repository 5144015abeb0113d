//! Time, chance and tasks of the real machine.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::LazyLock;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use vds_io::{Clock, LocalFuture, Monotonic, Rng, Spawn, World};

/// The moment all monotonic times of this process count from: one for all threads, so that they compare.
static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The system's clocks. Sleeping needs the time driver of a tokio runtime.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsClock;

impl Clock for OsClock {
    fn now(&self) -> Monotonic {
        let nanos = EPOCH.elapsed().as_nanos();
        Monotonic(u64::try_from(nanos).expect("the process has not run for 500 years"))
    }

    fn unix_ms(&self) -> u64 {
        // A clock set before 1970 shows as 1970: the time is for people only.
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
    }

    fn sleep(&self, duration: Duration) -> LocalFuture<()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// The kernel's random numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsRng;

impl Rng for OsRng {
    /// # Panics
    /// When the kernel has no random numbers, which on Linux happens only where `getrandom` is forbidden.
    fn next_u64(&self) -> u64 {
        getrandom::u64().expect("the kernel gives random numbers")
    }
}

/// Tasks of the `LocalSet` of this thread.
///
/// A task that panics ends the process, with the panic's message on standard error: the part of the engine it was
/// would otherwise be missing silently, with every request to it waiting for ever. A restart recovers instead.
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalSpawn;

impl Spawn for LocalSpawn {
    /// # Panics
    /// Outside a `LocalSet`.
    fn spawn(&self, name: &'static str, task: LocalFuture<()>) {
        tokio::task::spawn_local(AbortOnPanic { name, task });
    }
}

struct AbortOnPanic {
    name: &'static str,
    task: LocalFuture<()>,
}

impl Future for AbortOnPanic {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let guard = Guard { name: self.name };
        let polled = self.task.as_mut().poll(context);
        std::mem::forget(guard);
        polled
    }
}

/// Dropped only while a panic unwinds.
struct Guard {
    name: &'static str,
}

impl Drop for Guard {
    fn drop(&mut self) {
        tracing::error!(task = self.name, "a task panicked; the process ends");
        std::process::abort();
    }
}

/// Clock, chance and tasks of the real machine, for an engine on this thread.
pub fn world() -> World {
    let boot = *BOOT;
    World { clock: Rc::new(OsClock), rng: Rc::new(OsRng), spawn: Rc::new(LocalSpawn), boot }
}

/// The kernel's id of its start, the same for all processes and containers on it. Without one this process is taken for
/// a machine of its own, which costs a wait and no safety.
static BOOT: LazyLock<[u8; 16]> = LazyLock::new(|| {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    parse_boot_id(&text).unwrap_or_else(|| OsRng.uuid_bytes())
});

fn parse_boot_id(text: &str) -> Option<[u8; 16]> {
    let digits: String = text.trim().chars().filter(|it| *it != '-').collect();
    let number = u128::from_str_radix(&digits, 16).ok()?;
    (digits.len() == 32 && number != 0).then(|| number.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boot_id_is_read_or_refused() {
        let id = "0a1b2c3d-4e5f-4071-8293-a4b5c6d7e8f9\n";
        let bytes = parse_boot_id(id).unwrap();
        assert_eq!((bytes[0], bytes[15]), (0x0a, 0xf9));
        for wrong in ["", "00000000-0000-0000-0000-000000000000", "1234", "not an id"] {
            assert_eq!(parse_boot_id(wrong), None, "{wrong}");
        }
        assert_eq!(world().boot, world().boot);
    }

    #[test]
    fn time_passes_and_chance_differs() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, async {
            let world = world();
            let (sender, receiver) = tokio::sync::oneshot::channel();
            let before = world.clock.now();
            let clock = Rc::clone(&world.clock);
            world.spawn.spawn(
                "sleeper",
                Box::pin(async move {
                    clock.sleep(Duration::from_millis(3)).await;
                    sender.send(()).unwrap();
                }),
            );
            receiver.await.unwrap();
            assert!(world.clock.now().since(before) >= Duration::from_millis(3));
            assert!(world.clock.unix_ms() > 1_700_000_000_000);
            assert_ne!(world.rng.uuid_bytes(), world.rng.uuid_bytes());
        });
    }

    /// Goal: the process does not go on without a part of its engine. Method: this test runs itself as a child.
    #[test]
    fn a_panic_of_a_task_ends_the_process() {
        use std::os::unix::process::ExitStatusExt;
        const CHILD: &str = "VDS_OS_TEST_PANICS";
        if std::env::var_os(CHILD).is_some() {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            tokio::task::LocalSet::new().block_on(&runtime, async {
                LocalSpawn.spawn("faulty", Box::pin(async { panic!("as planned") }));
                std::future::pending::<()>().await;
            });
        }
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "world::tests::a_panic_of_a_task_ends_the_process", "--nocapture"])
            .env(CHILD, "1")
            .output()
            .unwrap();
        assert_eq!(output.status.signal(), Some(6), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("as planned"));
    }
}
