//! The service with its embedded array on drive files, reached by initiators of other makers.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use vds_api::Operation;
use vds_service::{Config, Quickstart, QuickstartOptions, Service, quickstart};

const MIB: u64 = 1 << 20;
const OPTIONS: QuickstartOptions =
    QuickstartOptions { drives: 3, drive_bytes: 256 * MIB, lun_bytes: 64 * MIB };
const CLIENT_TIMEOUT: Duration = Duration::from_secs(30);

async fn start(directory: &Path) -> Service {
    let mut config = Config::new(directory);
    config.socket = Some(directory.join("vds.sock"));
    Service::start(config).await.unwrap()
}

async fn make(service: &Service) -> (Quickstart, Vec<(&'static str, Operation)>) {
    let mut steps = Vec::new();
    let mut note = |step: &'static str, operation: &Operation| {
        steps.push((step, operation.clone()));
    };
    let made = quickstart(service, &OPTIONS, &mut note).await.unwrap();
    (made, steps)
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
async fn quickstart_serves_a_lun_and_a_second_start_finds_it() {
    let directory = tempfile::tempdir().unwrap();
    let service = start(directory.path()).await;
    let (made, steps) = make(&service).await;
    assert!(made.is_new);
    let names: Vec<&str> = steps.iter().map(|(step, _)| *step).collect();
    assert_eq!(names, ["make the array", "open the portal", "create the LUN"]);
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
    let (found, steps) = make(&service).await;
    assert!(!found.is_new);
    assert!(steps.is_empty(), "{steps:?}");
    assert_eq!(found.luns[0].id, made.luns[0].id);
    assert_eq!(found.luns[0].addresses, made.luns[0].addresses, "the port is remembered");
    let (is_content, inquiry) = client("iscsi-inq", &[&url]).await;
    assert!(is_content, "{inquiry}");
    service.shutdown().await;
}
