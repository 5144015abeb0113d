//! Stopping, crashing, starting again.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;
use vds_provider::Pace;
use vds_service::{Service, ServiceError};

use crate::fixture::{GIB, config, start, start_on};

#[tokio::test]
async fn one_service_per_directory_and_the_socket_has_its_rights() {
    let f = start().await;
    let mode = std::fs::metadata(f.service.socket().unwrap()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    let second = Service::start(config(f.directory.path(), &f.provider)).await;
    let Err(error) = second else { panic!("a second service on one directory") };
    assert!(matches!(error, ServiceError::AlreadyRunning { pid: Some(_), .. }), "{error}");
    // Another directory, the same socket: somebody answers there.
    let other = tempfile::tempdir().unwrap();
    let mut elsewhere = config(other.path(), &f.provider);
    elsewhere.socket = f.service.socket().map(Into::into);
    let Err(error) = Service::start(elsewhere).await else { panic!("a socket was taken over") };
    assert!(matches!(error, ServiceError::SocketInUse { .. }), "{error}");
    let socket = f.service.socket().unwrap().to_owned();
    f.service.shutdown().await;
    assert!(!socket.exists());
}

#[tokio::test]
async fn operations_and_keys_outlive_the_service() {
    let f = start().await;
    let body = json!({"name": "db1", "size_bytes": GIB});
    let key = [("idempotency-key", "k1")];
    let begun = f.client.send(hyper::Method::POST, "/v1/luns", &key, &body).await;
    let done = f.client.wait(&begun).await;
    let instance = f.service.instance().to_owned();
    f.service.shutdown().await;
    let f = start_on(f.directory, f.provider).await;
    assert_eq!(f.service.instance(), instance);
    let found = f.client.get(begun.headers["location"].to_str().unwrap()).await;
    for field in ["id", "state", "output", "owner", "ended_unix_ms", "percent"] {
        assert_eq!(found.body[field], done[field], "{field}");
    }
    let again = f.client.send(hyper::Method::POST, "/v1/luns", &key, &body).await;
    assert_eq!(again.body["id"], begun.body["id"]);
    assert_eq!(f.provider.luns().len(), 1);
    f.service.shutdown().await;
}

/// The service dies while its provider works on: the operation is found again under its id, asked after, and ends.
#[tokio::test]
async fn an_unfinished_operation_is_asked_after() {
    for provider_forgets in [false, true] {
        let f = start().await;
        f.provider.set_pace(Pace::Stepwise);
        let begun = f.client.post("/v1/luns", &json!({"name": "db1", "size_bytes": GIB})).await;
        let location = begun.headers["location"].to_str().unwrap().to_owned();
        assert_eq!(begun.status, 202);
        // Dropped without a shutdown, on a copy of what is durable: as after a crash.
        let copy = tempfile::tempdir().unwrap();
        let store = "service.redb";
        std::fs::copy(f.directory.path().join(store), copy.path().join(store)).unwrap();
        let provider = if provider_forgets {
            let id = vds_provider::Provider::id(&f.provider);
            vds_provider::SimulatedProvider::new(id, &[100 * GIB, 100 * GIB])
        } else {
            f.provider.clone()
        };
        let after = start_on(copy, provider).await;
        while after.provider.is_working() {
            after.provider.advance();
        }
        let ended = after.client.get(&format!("{location}?wait_ms=10000")).await.body;
        let (state, code) = if provider_forgets {
            ("failed", json!("provider.unknown_operation"))
        } else {
            ("succeeded", serde_json::Value::Null)
        };
        assert_eq!(ended["state"], state, "{ended}");
        assert_eq!(ended["error"]["code"], code, "{ended}");
        after.service.shutdown().await;
        while f.provider.is_working() {
            f.provider.advance();
        }
        f.service.shutdown().await;
    }
}

/// While the service looks for arrays, nothing is said not to exist.
#[tokio::test]
async fn whoever_comes_too_early_is_told_to_come_again() {
    let f = start().await;
    f.provider.set_pace(Pace::Stepwise);
    let begun = f.client.post("/v1/luns", &json!({"name": "db1", "size_bytes": GIB})).await;
    assert_eq!(begun.status, 202);
    let copy = tempfile::tempdir().unwrap();
    let store = "service.redb";
    std::fs::copy(f.directory.path().join(store), copy.path().join(store)).unwrap();
    // Its answer is what the start waits for.
    let id = vds_provider::Provider::id(&f.provider);
    let provider = vds_provider::SimulatedProvider::new(id, &[100 * GIB, 100 * GIB]);
    provider.misbehave_view(vds_provider::ViewMisbehaviour::Silent);
    let mut config = config(copy.path(), &provider);
    config.providers.iter_mut().for_each(|loaded| loaded.resumes = true);
    let socket = config.socket.clone().unwrap();
    let starting = tokio::spawn(Service::start(config));
    while tokio::net::UnixStream::connect(&socket).await.is_err() {
        tokio::task::yield_now().await;
    }
    let client = crate::client::Client::new(&socket);
    for path in ["/v1/luns/db1", "/v1/luns", "/v1/subsystems/main", "/v1/operations"] {
        let early = client.get(path).await;
        assert_eq!(early.status, 503, "{path}: {}", early.body);
        assert_eq!(early.body["code"], "service.starting", "{path}: {}", early.body);
    }
    assert!(!starting.is_finished());
    starting.abort();
}
