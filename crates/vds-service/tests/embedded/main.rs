//! The service with its embedded array on drive files, reached by initiators of other makers.
#![expect(clippy::unwrap_used, reason = "a test that cannot set its stage has nothing to say")]

#[path = "../rest/client.rs"]
mod http;
mod stage;

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use vds_model::{ChapSecret, HResult, LunId, PortalStatus, TargetId, UnmaskingList};
use vds_operation::Output;
use vds_provider::{Chap, ChapCredential, Refusal, Request};
use vds_service::{Asker, Config, Service};

use stage::{MIB, look, make};

const CLIENT_TIMEOUT: Duration = Duration::from_secs(30);

async fn start(directory: &Path) -> Service {
    let mut config = Config::new(directory);
    config.socket = Some(directory.join("vds.sock"));
    Service::start(config).await.unwrap()
}

/// Runs an outside client and returns what it printed, and whether it was content.
async fn client(program: &str, arguments: &[&str]) -> (bool, String) {
    let run = tokio::process::Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(CLIENT_TIMEOUT, run)
        .await
        .unwrap_or_else(|_| panic!("{program} does not end"))
        .unwrap_or_else(|error| {
            panic!("{program} is needed: {error}; apt-get install libiscsi-bin")
        });
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lun_is_served_and_a_second_start_finds_it() {
    let directory = tempfile::tempdir().unwrap();
    let service = start(directory.path()).await;
    let made = make(&service).await;
    assert_eq!((made.drives.len(), made.luns.len(), made.portals.len()), (3, 1, 1));
    assert_eq!(
        (made.subsystem.status.as_str(), made.portals[0].status.as_str()),
        ("online", "online")
    );
    assert_eq!(made.luns[0].lun_type, "mirror");
    let url = made.luns[0].addresses[0].urls[0].clone();
    assert!(url.starts_with("iscsi://127.0.0.1:"), "{url}");

    let (is_content, inquiry) = client("iscsi-inq", &[&url]).await;
    assert!(is_content && inquiry.contains("VDS"), "{inquiry}");
    let (is_content, capacity) = client("iscsi-readcapacity16", &[&url]).await;
    assert!(is_content, "{capacity}");
    assert!(capacity.contains(&format!("Total size:{}", 64 * MIB)), "{capacity}");
    service.shutdown().await;
    let (is_content, _) = client("iscsi-inq", &[&url]).await;
    assert!(!is_content, "a service that has stopped serves nothing");

    let service = start(directory.path()).await;
    let found = look(&service).await;
    assert_eq!(found.luns[0].id, made.luns[0].id);
    assert_eq!(found.luns[0].addresses, made.luns[0].addresses, "the port is remembered");
    let (is_content, inquiry) = client("iscsi-inq", &[&url]).await;
    assert!(is_content, "{inquiry}");
    service.shutdown().await;
}

/// Starts a request on the embedded array and waits for its end.
async fn run(service: &Service, request: Request) -> Result<Output, HResult> {
    let registry = service.registry();
    let provider = registry.providers()[0].id();
    let refused = |refusal: Refusal| refusal.result;
    let started = registry.start(Asker::service("a test"), provider, request).await;
    started.map_err(refused)?.await.map_err(|error| error.result)
}

/// Who is not on the list sees nothing, who does not know the secret does not get in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_right_initiator_with_the_right_secret_sees_the_lun() {
    let directory = tempfile::tempdir().unwrap();
    let service = start(directory.path()).await;
    let made = make(&service).await;
    let address = &made.luns[0].addresses[0];
    let lun: LunId = made.luns[0].id.parse().unwrap();
    let target: TargetId = address.target.parse().unwrap();
    let portal = address.portals[0].clone();
    let path = format!("{}/{}", address.iscsi_name, address.number);
    let open = format!("iscsi://{portal}/{path}");
    let check = async |initiator: &str, url: &str, expected: bool| {
        let (is_content, text) = client("iscsi-inq", &["-i", initiator, url]).await;
        assert_eq!(is_content, expected, "{initiator} {url}: {text}");
    };
    let unmasking_list = UnmaskingList::parse("iqn.2025-01.org.example:a").unwrap();
    run(&service, Request::SetLunMask { lun, unmasking_list }).await.unwrap();
    check("iqn.2025-01.org.example:a", &open, true).await;
    check("iqn.2025-01.org.example:b", &open, false).await;

    let secret = |text: &str| ChapSecret::new(text.as_bytes()).unwrap();
    let initiator = ChapCredential { user: "u".to_owned(), secret: secret("swordfish-1234") };
    let chap = Some(Chap { initiator, target: None });
    run(&service, Request::SetTargetChap { target, chap }).await.unwrap();
    check("iqn.2025-01.org.example:a", &open, false).await;
    let with = |secret: &str| format!("iscsi://u%{secret}@{portal}/{path}");
    check("iqn.2025-01.org.example:a", &with("swordfish-1235"), false).await;
    check("iqn.2025-01.org.example:a", &with("swordfish-1234"), true).await;
    check("iqn.2025-01.org.example:b", &with("swordfish-1234"), false).await;
    service.shutdown().await;
}

/// A LUN that an initiator uses is deleted only by force, and then the initiator is told, not left waiting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lun_in_use_is_deleted_only_by_force() {
    let directory = tempfile::tempdir().unwrap();
    let service = start(directory.path()).await;
    let made = make(&service).await;
    let rest = http::Client::new(service.socket().unwrap());
    let url = &made.luns[0].addresses[0].urls[0];
    let mut user = tokio::process::Command::new("iscsi-perf")
        .args(["-m", "4", url])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let logged_in = async {
        loop {
            let sessions = rest.get("/v1/sessions").await.body["items"].clone();
            if sessions.as_array().is_some_and(|sessions| !sessions.is_empty()) {
                return sessions;
            }
        }
    };
    let sessions = tokio::time::timeout(CLIENT_TIMEOUT, logged_in).await.unwrap();
    assert_eq!(sessions[0]["target"], made.luns[0].addresses[0].iscsi_name, "{sessions}");
    assert_eq!(sessions[0]["portal"], made.portals[0].id, "{sessions}");
    let none = serde_json::Value::Null;
    let path = format!("/v1/luns/{}", made.luns[0].name);
    let refused = rest.send(hyper::Method::DELETE, &path, &[], &none).await;
    assert_eq!(refused.body["code"], "lun.in_use", "{}", refused.body);
    let forced = rest.send(hyper::Method::DELETE, &format!("{path}?force=true"), &[], &none).await;
    let ended = rest.wait(&forced).await;
    assert_eq!(ended["state"], "succeeded", "{ended}");
    user.kill().await.unwrap();
    let room = rest.post("/v1/luns/max-size", &serde_json::json!({"type": "mirror"})).await;
    assert!(room.body["size_bytes"].as_u64().unwrap() >= 64 * MIB, "{}", room.body);
    assert!(look(&service).await.luns.is_empty());
    service.shutdown().await;
}

/// A portal is not added where nobody can listen; one that lost its port over a restart says why, and listens once it is free.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_portal_that_cannot_listen_says_why_and_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let service = start(directory.path()).await;
    let made = make(&service).await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap();
    let subsystem = made.subsystem.id.parse().unwrap();
    let add = || Request::AddPortal { subsystem, listen, announce: None };
    let rest = http::Client::new(service.socket().unwrap());
    let body = serde_json::json!({"listen": listen.to_string()});
    let refused = rest.post("/v1/portals", &body).await;
    assert_eq!(refused.status, 409, "{}", refused.body);
    assert_eq!(refused.body["code"], "portal.listen_failed", "{}", refused.body);
    let message = refused.body["message"].as_str().unwrap().to_owned();
    assert!(message.contains(&listen.to_string()), "{message}");
    assert_eq!(run(&service, add()).await, Err(HResult::VDSX_E_LISTEN_FAILED));
    drop(taken);
    let Ok(Output::AddPortal(id)) = run(&service, add()).await else { panic!("it is free") };
    assert_eq!(run(&service, add()).await, Err(HResult::VDS_E_OBJECT_EXISTS), "it is ours");
    service.shutdown().await;
    let taken = std::net::TcpListener::bind(listen).unwrap();
    let service = start(directory.path()).await;
    let mut seen = 0;
    let mut wait_for = async |status: PortalStatus| {
        let waited = tokio::time::timeout(CLIENT_TIMEOUT, async {
            loop {
                let snapshot = service.registry().snapshot().await;
                let portal = snapshot.views[0].1.portal(id).unwrap().clone();
                if portal.properties.status == status {
                    return;
                }
                seen = service.registry().next_event(seen).await.number;
            }
        });
        waited.await.unwrap();
    };
    wait_for(PortalStatus::Failed).await;
    drop(taken);
    wait_for(PortalStatus::Online).await;
    run(&service, Request::RemovePortal { portal: id }).await.unwrap();
    while std::net::TcpListener::bind(listen).is_err() {
        tokio::task::yield_now().await;
    }
    service.shutdown().await;
}

/// While an array waits for its drives nothing on it is said not to exist.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_on_an_array_that_is_being_opened_is_not_said_to_be_missing() {
    let directory = tempfile::tempdir().unwrap();
    let service = start(directory.path()).await;
    let made = make(&service).await;
    service.shutdown().await;
    let away = directory.path().join("away.img");
    std::fs::rename(&made.drives[0].path, &away).unwrap();
    let service = start(directory.path()).await;
    let rest = http::Client::new(service.socket().unwrap());
    let path = format!("/v1/luns/{}", made.luns[0].name);
    let early = rest.get(&path).await;
    assert_eq!(early.body["code"], "array.opening", "{}", early.body);
    assert_eq!(early.status, 409);
    std::fs::rename(&away, &made.drives[0].path).unwrap();
    run(&service, Request::Reenumerate).await.unwrap();
    assert_eq!(rest.get(&path).await.body["name"], made.luns[0].name);
    assert_eq!(rest.get("/v1/luns/nobody").await.body["code"], "object.not_found");
    service.shutdown().await;
}

/// A scrub finds what rotted on a drive, mends it and says so, through every layer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scrub_mends_what_rotted_and_lists_it() {
    use std::os::unix::fs::FileExt as _;
    let directory = tempfile::tempdir().unwrap();
    let service = start(directory.path()).await;
    let made = make(&service).await;
    let rest = http::Client::new(service.socket().unwrap());
    let path = format!("/v1/subsystems/{}/scrub", made.subsystem.name);
    let scrub = async || {
        let ended = rest.wait(&rest.post(&path, &serde_json::Value::Null).await).await;
        assert_eq!(ended["kind"], "scrub", "{ended}");
        assert_eq!((&ended["state"], &ended["percent"]), (&"succeeded".into(), &100.into()));
        let report = &ended["output"]["report"];
        let count = |field: &str| report[field].as_u64().unwrap();
        (count("checked_blocks"), count("repaired_blocks"), count("lost_blocks"))
    };
    let (checked, repaired, lost) = scrub().await;
    assert!(checked > 0);
    assert_eq!((repaired, lost), (0, 0));
    let drive = &made.drives[1];
    let file = std::fs::OpenOptions::new().read(true).write(true).open(&drive.path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, 130).unwrap();
    file.write_all_at(&[byte[0] ^ 4], 130).unwrap();
    let (_, repaired, lost) = scrub().await;
    assert_eq!((repaired, lost), (1, 0));
    let damage = rest.get("/v1/damage").await.body["items"].clone();
    assert_eq!(damage.as_array().map(Vec::len), Some(1), "{damage}");
    assert_eq!(damage[0]["structure"], "superblock", "{damage}");
    assert_eq!(damage[0]["drive_name"], drive.name, "{damage}");
    assert_eq!(damage[0]["offset_bytes"], 0, "{damage}");
    assert_eq!(damage[0]["outcome"], "repaired", "{damage}");
    let mut mended = [0];
    file.read_exact_at(&mut mended, 130).unwrap();
    assert_eq!(mended, byte, "the name of the array is written anew");
    service.shutdown().await;
}
