//! The documented sample's flow, as a program of its own.

use crate::daemon::serve;

#[expect(dead_code, reason = "its `main` is for whoever runs it as a program")]
#[path = "../../examples/synchronous_create_lun.rs"]
mod synchronous_create_lun;

fn on_a_runtime<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}

#[test]
fn the_sample_creates_a_lun_on_an_array_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let lun = on_a_runtime(async {
        synchronous_create_lun::embedded(directory.path()).await.map_err(|error| error.to_string())
    });
    assert!(!lun.unwrap().is_nil());
}

#[test]
fn the_sample_creates_a_lun_on_a_running_service() {
    let directory = tempfile::tempdir().unwrap();
    let daemon = serve(directory.path());
    for number in 1..=2 {
        let path = directory.path().join(format!("drive-{number}.img"));
        vds_os::create_drive_file(path.to_str().unwrap(), 256 << 20).unwrap();
    }
    let drive = |number| directory.path().join(format!("drive-{number}.img")).display().to_string();
    let drives = [drive(1), drive(2)];
    let make = ["subsystem", "create", "main", "--drive", &drives[0], "--drive", &drives[1]];
    daemon.run(&make).expect_code(0);
    let lun = on_a_runtime(async {
        synchronous_create_lun::live(daemon.socket()).await.map_err(|error| error.to_string())
    });
    let shown = daemon.run(&["lun", "show", &lun.unwrap(), "--json"]).expect_code(0).json();
    assert_eq!(shown["type"], "mirror");
    daemon.stop("TERM");
}
