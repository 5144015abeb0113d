//! What a plug-in is good for in the whole program.

use vds_blackbox::{Daemon, Initiator};

use crate::scene::{HOST, Scene, is_without_python, program};

fn filled(byte: u8) -> Vec<u8> {
    vec![byte; 64 << 10]
}

#[test]
fn its_luns_are_served_beside_those_of_an_array() {
    if is_without_python() {
        return;
    }
    let scene = Scene::new();
    let daemon = &scene.daemon;
    let listed = daemon.verb(&["subsystem", "list"]).unwrap();
    assert!(listed.stdout.contains("main") && listed.stdout.contains("shelf"), "{listed:?}");
    let shown = scene.shown();
    assert_eq!(shown["plugin"]["state"], "running", "{shown:#}");
    let confinement = shown["plugin"]["confinement"].as_str().unwrap();
    assert!(confinement.contains("landlock"), "{confinement}");

    let url = scene.make_lun("web");
    let mut host = Initiator::open(&url, HOST).unwrap();
    assert!(host.write(128, &filled(7), 512).unwrap().is_good());
    let read = host.read(128, 128, 512).unwrap();
    assert!(read.is_good() && read.data == filled(7));
    assert!(
        host.execute(&[0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0], vds_blackbox::Transfer::None)
            .unwrap()
            .is_good()
    );
    let id = daemon.lun("web").unwrap()["id"].as_str().unwrap().to_owned();
    let bytes = std::fs::read(scene.shelf.join(&id)).unwrap();
    assert!(bytes[64 << 10..128 << 10] == filled(7)[..], "the data is in the plug-in's file");

    // Its array is a pool as any other is.
    let pool = daemon.json(&["pool", "show", "shelf"]).unwrap();
    assert_eq!((&pool["provider"], &pool["luns"][0]), (&shown["id"], &id.as_str().into()));
    daemon.verb(&["lun", "create", "tmp", "--pool", "shelf", "--size", "8MiB"]).unwrap();
    let luns = daemon.json(&["pool", "show", "shelf"]).unwrap()["luns"].clone();
    assert_eq!(luns.as_array().map(Vec::len), Some(2), "{luns}");
    daemon.verb(&["lun", "delete", "tmp", "--yes"]).unwrap();

    // It is the service that keeps others out.
    daemon.verb(&["lun", "mask", "web", "iqn.2025-01.org.example:stranger"]).unwrap();
    assert!(!host.read(0, 1, 512).unwrap().is_good(), "it is a stranger now");
    daemon.verb(&["lun", "unmask", "web", HOST]).unwrap();

    // It grows under the host's eyes.
    daemon.verb(&["lun", "extend", "web", "--by", "16MiB"]).unwrap();
    let mut host = Initiator::open(&url, HOST).unwrap();
    let far = (20 << 20) / 512;
    assert!(host.write(far, &filled(9), 512).unwrap().is_good());
    assert!(host.read(far, 128, 512).unwrap().data == filled(9));
}

#[test]
fn it_comes_back_with_the_daemon_and_goes_when_told() {
    if is_without_python() {
        return;
    }
    let scene = Scene::new();
    let url = scene.make_lun("web");
    let mut host = Initiator::open(&url, HOST).unwrap();
    assert!(host.write(0, &filled(3), 512).unwrap().is_good());
    drop(host);
    let Scene { daemon, shelf, folder } = scene;
    daemon.stop().unwrap();
    let daemon = Daemon::start(program(), folder.path()).unwrap();
    let scene = Scene { daemon, shelf, folder };
    scene.running();
    let url =
        vds_blackbox::wait_until("its LUN has an address", || Ok(scene.daemon.url("web").ok()));
    let url = url.unwrap();
    let read = vds_blackbox::wait_until("its LUN is served", || {
        let read = Initiator::open(&url, HOST).and_then(|mut host| host.read(0, 128, 512));
        Ok(read.ok().filter(vds_blackbox::Answer::is_good))
    });
    assert!(read.unwrap().data == filled(3));

    scene.daemon.verb(&["provider", "remove", "shelf", "--yes"]).unwrap();
    let gone = scene.daemon.try_verb(&["provider", "show", "shelf"]).unwrap();
    assert_eq!(gone.code, 3, "{gone:?}");
    assert!(Initiator::open(&url, HOST).is_err(), "nobody listens any more");
    assert_eq!(scene.daemon.try_verb(&["lun", "show", "web"]).unwrap().code, 3);
    // What it keeps stays as it is.
    scene.add();
    scene.daemon.verb(&["lun", "show", "web"]).unwrap();
}

#[test]
fn what_cannot_be_a_plugin_is_refused_with_the_reason() {
    if is_without_python() {
        return;
    }
    let scene = Scene::new();
    let check = |words: &[&str], code: &str| {
        let ran = scene.daemon.try_verb(&[&["provider", "add"], words].concat()).unwrap();
        assert!(!ran.is_ok() && ran.stderr.contains(code), "{ran:?}");
    };
    check(&["other", "--", "/bin/true"], "error[provider.start_failed]");
    check(&["other", "--", "true"], "error[provider.start_failed]");
    check(&["other", "--", "no-such-program"], "error[request.malformed]");
    check(&["other", "--", "/nonexistent/program"], "error[request.malformed]");
    check(&["shelf", "--", "/bin/true"], "error[object.exists]");
    check(&["a/b", "--", "/bin/true"], "error[name.invalid]");
    check(&["other", "--grant-dir", "/nonexistent", "--", "/bin/true"], "error[request.malformed]");
    let listed = scene.daemon.json(&["provider", "list"]).unwrap();
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(2), "{listed:#}");
}
