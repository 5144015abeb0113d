//! The conversation with the service: requests come in, each is worked on by a thread of its own.

use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use vds_model::HResult;
use vds_plugin::{
    CallError, FRAME_BYTES_MAX, Found, FrameReader, Initialize, LENGTH_BYTES, METHOD_NOT_FOUND,
    MaxSize, Message, Nothing, OperationParams, PlanParams, Start, ViewParams, WRONG_PARAMETERS,
    answer, error_answer, method,
};

use crate::host::Host;
use crate::operations;
use crate::threads::spawn;

const READ_BYTES: usize = 64 << 10;
const _: () = assert!(READ_BYTES > LENGTH_BYTES);

/// Why the conversation is over.
#[derive(Debug)]
pub(crate) enum Over {
    /// The service is gone, or asked for the end.
    Ended,
    /// It sent what is no message.
    Broken(String),
}

/// Serves until the service is gone.
pub(crate) fn converse(host: &Arc<Host>, mut socket: UnixStream) -> Over {
    let mut reader = FrameReader::new(FRAME_BYTES_MAX);
    let mut bytes = vec![0; READ_BYTES];
    loop {
        match socket.read(&mut bytes) {
            Ok(0) | Err(_) => return Over::Ended,
            Ok(count) => reader.push(&bytes[..count]),
        }
        loop {
            let json = match reader.next_frame() {
                Ok(Some(json)) => json,
                Ok(None) => break,
                Err(error) => return Over::Broken(error.to_string()),
            };
            // What is no request is passed over: there is nobody to tell.
            if let Ok(Message::Request { id, method, params }) = Message::parse(&json)
                && serve(host, id, method, params)
            {
                return Over::Ended;
            }
        }
    }
}

/// Serves one request; true when it was the last.
fn serve(host: &Arc<Host>, id: u64, called: String, params: Box<RawValue>) -> bool {
    match called.as_str() {
        method::PING => host.outbox.send(&answer(id, &Nothing {})),
        method::INITIALIZE => {
            host.outbox.send(&answered(id, &params, |asked: Initialize| host.initialize(&asked)));
            host.outbox.open();
        }
        method::SHUTDOWN => {
            // It was loaded, so it is told; what it thinks of that changes nothing.
            let _ = host.provider.unload();
            host.outbox.send(&answer(id, &Nothing {}));
            return true;
        }
        _ => {
            // What follows in the conversation may ask after it.
            let started = match (called.as_str(), read::<Start>(&params)) {
                (method::START, Ok(asked)) => Some(asked.operation),
                _ => None,
            };
            if let Some(operation) = started {
                host.operations.expect(operation);
            }
            let asked = Arc::clone(host);
            // Any call of the provider may block; only the request that made it then stays unanswered.
            let spawned = spawn(move || asked.outbox.send(&ask(&asked, id, &called, &params)));
            if let Err(error) = spawned {
                if let Some(operation) = started {
                    host.operations.has_begun(operation);
                }
                let message =
                    format!("there is no thread for this request now: {error}; allow more memory");
                let error = CallError::new(HResult::E_OUTOFMEMORY, message);
                host.outbox.send(&error_answer(id, &error));
            }
        }
    }
    false
}

fn ask(host: &Arc<Host>, id: u64, called: &str, params: &RawValue) -> Vec<u8> {
    match called {
        method::VIEW => answered(id, params, |asked: ViewParams| host.view(asked)),
        method::START => {
            match read::<Start>(params).and_then(|asked| operations::start(host, &asked)) {
                Ok(Some(status)) => answer(id, &status),
                // Success without an operation: the provider's, and said as it is.
                Ok(None) => answer(id, &Nothing {}),
                Err(error) => error_answer(id, &error),
            }
        }
        method::FIND => answered(id, params, |asked: OperationParams| {
            Ok(Found { operation: host.operations.status(asked.operation) })
        }),
        method::CANCEL => {
            answered(id, params, |asked: OperationParams| operations::cancel(host, asked.operation))
        }
        method::PLAN => answered(id, params, |asked: PlanParams| host.plan(&asked.request)),
        method::MAX_LUN_CREATE_SIZE => answered(id, params, |asked: MaxSize| host.max_size(&asked)),
        _ => {
            let message = format!("there is no method {called}");
            error_answer(id, &CallError { code: METHOD_NOT_FOUND, message, data: None })
        }
    }
}

fn read<P: DeserializeOwned>(params: &RawValue) -> Result<P, CallError> {
    serde_json::from_str(params.get()).map_err(|error| CallError {
        code: WRONG_PARAMETERS,
        message: error.to_string(),
        data: None,
    })
}

fn answered<P: DeserializeOwned, R: Serialize>(
    id: u64,
    params: &RawValue,
    work: impl FnOnce(P) -> Result<R, CallError>,
) -> Vec<u8> {
    match read(params).and_then(work) {
        Ok(result) => answer(id, &result),
        Err(error) => error_answer(id, &error),
    }
}
