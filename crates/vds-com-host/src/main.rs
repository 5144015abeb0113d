//! Runs a provider written against VDS's COM interfaces as a plug-in provider.
//!
//! ```text
//!   service ──socket on descriptor 0── conversation ── host ── com ──tables── the provider's shared object
//!                                        │              │
//!                                        one thread     operations: a thread that waits,
//!                                        for a request  a thread that looks, for each
//! ```
//! What it is for: a shared object crashes, hangs and corrupts memory with whoever loads it. Here that is a process of
//! its own, confined and watched by the service, and to the service the provider is a plug-in as any other. The page is
//! `docs/com-providers.md`.
//!
//! # Invariants
//! - A call that blocks holds up its own request and no other.
//! - Every answer of the provider is looked at: `com` is the only module that touches its tables.
//! - An operation ends once, by the documented decision table.
//!
//! # What is not here
//! No data path: COM has none. No state of its own on any disk.

mod arguments;
mod begin;
mod com;
mod conversation;
mod host;
mod operations;
mod outbox;
mod threads;
mod verdict;
mod walk;

use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::Arc;

use arguments::{Arguments, Parsed};
use com::{Library, Listener, LoadError, Provider};
use conversation::{Over, converse};
use host::Host;
use outbox::Outbox;

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args_os().skip(1)) {
        Ok(Parsed::Run(arguments)) => arguments,
        Ok(Parsed::Help) => {
            print!("{}", arguments::HELP);
            return ExitCode::SUCCESS;
        }
        Err(message) => {
            eprintln!("error: {message}\n\n{}", arguments::HELP);
            return ExitCode::from(2);
        }
    };
    com::spare_address_space();
    // A thread that panics would leave a request without an answer: the service starts a new process instead.
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        usual(panic);
        std::process::abort();
    }));
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), String> {
    let descriptor = std::io::stdin().as_fd().try_clone_to_owned();
    let socket = UnixStream::from(descriptor.map_err(|error| format!("descriptor 0: {error}"))?);
    socket.peer_addr().map_err(|error| {
        format!("descriptor 0 is no socket ({error}): the service starts this program, vds provider add registers it")
    })?;
    com::set_environment(&arguments.environment);
    let writer = socket.try_clone().map_err(|error| format!("the socket: {error}"))?;
    let outbox = Outbox::new(writer);
    let name = arguments.provider.display();
    let provider = load(arguments, &outbox).map_err(|error| format!("{name}: {error}"))?;
    let host = Arc::new(Host::new(provider, outbox, arguments.quiet));
    match converse(&host, socket) {
        // Threads may be inside the provider for ever: nobody waits for them.
        Over::Ended => std::process::exit(0),
        Over::Broken(what) => Err(format!("the service broke the protocol: {what}")),
    }
}

fn load(arguments: &Arguments, outbox: &Outbox) -> Result<Provider, LoadError> {
    let library = Library::open(&arguments.provider)?;
    let provider = library.provider()?;
    let outbox = outbox.clone();
    let callback = Listener::object(move |events| outbox.events(&events));
    Ok(Provider::load(&provider, &callback)?)
}
