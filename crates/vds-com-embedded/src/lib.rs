//! `libvds` with the service in it: a program that finds `VDS_EMBEDDED` set has its arrays served by its own process.
//!
//! ```text
//!   program ── libvds (vds-com) ── vds-client ──┐
//!      one process                              │ the service's own socket, in its directory
//!   vds-service, on a runtime of its own  ◄─────┘◄── vds (command line), other programs
//! ```
//! Why a library of its own: whoever only talks to a daemon loads no array. It takes the place of `libvds.so.0`, and without
//! `VDS_EMBEDDED` does the same as that one.
//!
//! # Invariants
//! - The objects are the same thin client, over the same socket: nothing knows whether the service is here or elsewhere.
//! - One service per directory, this one or a daemon: whoever comes second is refused by the directory's lock.
//!
//! # What is not here
//! No plug-in providers: a library does not start programs in the name of whoever loads it.

use std::path::{Path, PathBuf};
use std::thread;

use tokio::runtime::{Builder, Runtime};
use vds_com::embedding::{self, Running};
use vds_model::HResult;
use vds_service::{Config, Service};

/// The socket, in the service's directory.
const SOCKET: &str = "vds.sock";
/// As much for the service as the daemon of a small machine has: the engine has a thread of its own.
const THREADS: usize = 2;

/// Offers the service to the library as soon as that is loaded.
#[expect(unsafe_code, reason = "the place that the loader takes constructors from")]
#[used]
// SAFETY: the loader calls each address of this section, as a function in C's form, once; what is put there is one, and it
// touches nothing but a cell that needs no set-up.
#[unsafe(link_section = ".init_array")]
static ON_LOAD: extern "C" fn() = offer;

extern "C" fn offer() {
    embedding::offer(start);
}

/// A service in this process.
struct Embedded {
    runtime: Runtime,
    service: Service,
    socket: PathBuf,
}

/// Starts the service on its directory.
///
/// # Errors
/// What the service says; nothing runs then.
fn start(directory: &Path) -> Result<Box<dyn Running>, HResult> {
    let socket = directory.join(SOCKET);
    let mut config = Config::new(directory);
    config.socket = Some(socket.clone());
    // The caller's thread may be a runtime's own, which may not wait for another.
    let started = thread::spawn(move || {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(THREADS).thread_name("libvds service").enable_all();
        let runtime = builder.build().map_err(|_| HResult::E_OUTOFMEMORY)?;
        let service = runtime.block_on(Service::start(config)).map_err(|error| error.result())?;
        Ok(Embedded { runtime, service, socket })
    });
    match started.join() {
        Ok(Ok(running)) => Ok(Box::new(running)),
        Ok(Err(result)) => Err(result),
        Err(_) => Err(HResult::E_UNEXPECTED),
    }
}

impl Running for Embedded {
    fn socket(&self) -> &Path {
        &self.socket
    }

    fn stop(self: Box<Self>) {
        let stopping = thread::spawn(move || {
            let Self { runtime, service, .. } = *self;
            runtime.block_on(service.shutdown());
            runtime.shutdown_background();
        });
        // A panic on the way has ended the service as well, as a crash would.
        drop(stopping.join());
    }
}
