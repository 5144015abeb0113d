//! What the executor promises: no lost wakeup, one trace per seed, clean deaths.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use vds_io::{LocalFuture, join_all};

use super::{CrashMode, Order, Sim, SimOptions, Stopped};
use crate::event::answer;

const MS: Duration = Duration::from_millis(1);

/// Tasks that pass a token around a ring, each sleeping a little; the trace of the whole.
fn ring(seed: u64) -> u64 {
    let sim = Sim::new(seed);
    let world = sim.world();
    let passed = Rc::new(RefCell::new(0));
    let tasks: Vec<LocalFuture<()>> = (0..20)
        .map(|number| {
            let (sender, receiver) = answer();
            let (inner, passed) = (world.clone(), Rc::clone(&passed));
            world.spawn.spawn(
                "sender",
                Box::pin(async move {
                    for _ in 0..10 {
                        let pause = Duration::from_nanos(inner.rng.next_u64() % 10_000);
                        inner.clock.sleep(pause).await;
                    }
                    *passed.borrow_mut() += 1;
                    sender.send(number);
                }),
            );
            let task: LocalFuture<()> = Box::pin(async move { assert_eq!(receiver.await, number) });
            task
        })
        .collect();
    sim.run_until(join_all(tasks)).unwrap();
    assert_eq!(*passed.borrow(), 20);
    sim.trace_hash()
}

#[test]
fn no_wakeup_is_lost_and_a_seed_has_one_trace() {
    let traces: Vec<u64> = (0..50).map(ring).collect();
    assert_eq!(traces, (0..50).map(ring).collect::<Vec<u64>>());
    let mut distinct = traces.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), traces.len(), "different seeds must differ");
}

#[test]
fn time_jumps_to_the_next_sleeper() {
    let sim = Sim::with_options(1, SimOptions::PLAIN);
    let clock = sim.world().clock;
    sim.run_until(async { clock.sleep(Duration::from_mins(50)).await }).unwrap();
    assert_eq!(sim.now_ns(), 3_000_000_000_000);
    sim.run_for(Duration::from_nanos(5)).unwrap();
    assert_eq!(sim.now_ns(), 3_000_000_000_005);
    assert_eq!(sim.world().clock.unix_ms(), crate::world::UNIX_MS_START + 3_000_000);
}

#[test]
fn a_future_that_nobody_completes_is_named() {
    let sim = Sim::new(1);
    sim.spawn("waits for ever", std::future::pending());
    let ended = sim.run_until(std::future::pending::<()>());
    assert_eq!(ended, Err(Stopped::Stuck(vec!["waits for ever"])));
    assert_eq!(sim.stuck(), ["waits for ever"]);

    let world = sim.world();
    sim.spawn("ticks", async move {
        loop {
            world.clock.sleep(MS).await;
        }
    });
    let ended = sim.run_within(10 * MS, std::future::pending::<()>());
    assert_eq!(ended, Err(Stopped::TimedOut(vec!["waits for ever", "ticks"])));
    assert!(sim.stuck().is_empty(), "a sleeper may still wake somebody");
}

#[test]
fn a_task_that_spins_is_stopped() {
    let options = SimOptions { order: Order::Random, poll_ns_max: 0, steps_max: 1000 };
    let sim = Sim::with_options(1, options);
    sim.spawn("spins", async {
        loop {
            let mut first = true;
            std::future::poll_fn(|context| {
                context.waker().wake_by_ref();
                if std::mem::replace(&mut first, false) {
                    return std::task::Poll::Pending;
                }
                std::task::Poll::Ready(())
            })
            .await;
        }
    });
    assert_eq!(sim.run_until_idle(), Err(Stopped::TooManySteps(vec!["spins"])));
}

/// Notes its death.
struct Grave(Rc<RefCell<Vec<&'static str>>>, &'static str);

impl Drop for Grave {
    fn drop(&mut self) {
        self.0.borrow_mut().push(self.1);
    }
}

#[test]
fn a_crash_drops_every_task_and_dead_wakers_do_nothing() {
    let sim = Sim::new(3);
    let graves = Rc::new(RefCell::new(Vec::new()));
    let (sender, receiver) = answer::<()>();
    let old = sim.world();
    let grave = Grave(Rc::clone(&graves), "waiting");
    sim.spawn("waiting", async move {
        let _grave = grave;
        receiver.await;
    });
    let grave = Grave(Rc::clone(&graves), "sleeping");
    let clock = Rc::clone(&old.clock);
    sim.spawn("sleeping", async move {
        let _grave = grave;
        clock.sleep(MS).await;
    });
    sim.run_until_idle().unwrap();
    sim.crash(CrashMode::Kill);
    assert_eq!(*graves.borrow(), ["waiting", "sleeping"]);

    sender.send(());
    old.spawn.spawn("of a dead engine", Box::pin(async { unreachable!("its machine is dead") }));
    let next = sim.world();
    sim.run_until(async { next.clock.sleep(2 * MS).await }).unwrap();
    assert!(sim.tasks().is_empty());
}

#[test]
fn a_crash_asked_for_inside_a_task_ends_the_run() {
    let sim = Sim::new(4);
    let core = sim.core();
    sim.spawn("asks", async move { core.ask_crash(CrashMode::PowerCut) });
    sim.spawn("waits", std::future::pending());
    let ended = sim.run_until(std::future::pending::<()>());
    assert_eq!(ended, Err(Stopped::Crashed(CrashMode::PowerCut)));
    assert!(sim.tasks().is_empty());
    assert_eq!(sim.crashes(), 1);
    assert_eq!(sim.run_until(async { 7 }), Ok(7), "the next life begins");
}

#[test]
fn while_the_machine_stands_still_only_the_clock_goes_on() {
    let sim = Sim::with_options(5, SimOptions::PLAIN);
    let disks = crate::SimDisks::new(&sim);
    disks.add("d1", 1 << 20);
    let disk = sim.run_until(disks.source().open("d1", vds_io::OpenMode::Blank)).unwrap().unwrap();
    let clock = sim.world().clock;
    let events = Rc::new(RefCell::new(Vec::new()));
    let (read, slept) = (Rc::clone(&events), Rc::clone(&events));
    sim.spawn("reads", async move {
        disk.read(0, vds_io::Buffer::zeroed(1)).await.1.unwrap();
        read.borrow_mut().push("read");
    });
    sim.spawn("sleeps", async move {
        clock.sleep(MS).await;
        slept.borrow_mut().push("slept");
    });
    sim.run_for(Duration::ZERO).unwrap();
    let before_ns = sim.now_ns();
    sim.stand_still(60 * MS);
    assert_eq!(sim.now_ns(), before_ns + 60_000_000);
    sim.run_until_idle().unwrap();
    assert_eq!(*events.borrow(), ["slept", "read"], "whoever slept is late, the drive is not");
}
