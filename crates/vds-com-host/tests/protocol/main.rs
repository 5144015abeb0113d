//! A provider in C++ behind the protocol of plug-in providers: the host is a child, its socket is ours.

mod errant;
mod peer;

use anyhow::{Context, Result};
use peer::{Peer, create, operation, start};
use serde_json::{Value, json};
use vds_blackbox::Cpp;

const PROVIDER: &str = "5b0f6a0e-3c41-4d7c-9a11-6e7272616e74";

#[test]
fn the_handshake_says_who_it_is_and_what_it_does() -> Result<()> {
    let Some(provider) = peer::provider()? else { return Ok(()) };
    let mut peer = Peer::spawn(&["--provider", provider.to_str().context("text")?])?;
    let told = peer.initialize()?;
    assert_eq!(told["protocol"], 1);
    assert_eq!(told["provider"]["id"], PROVIDER);
    assert_eq!(told["provider"]["name"], "Errant sample provider");
    assert_eq!(told["provider"]["version"], "1.0");
    assert_eq!(told["lun_types"], json!(["simple", "mirror"]));
    assert_eq!(told["methods"], json!(["plan", "max_lun_create_size"]));
    let kinds = told["operations"].as_array().context("a list")?;
    assert!(kinds.iter().all(|declared| declared["after_crash"] == "forgotten"), "{told}");
    assert!(kinds.iter().any(|declared| declared["kind"] == "create_lun"), "{told}");
    assert_eq!(peer.call("shutdown", &json!({}))?, json!({}));
    assert!(peer.wait()?.success());
    Ok(())
}

#[test]
fn a_view_is_everything_down_to_extents() -> Result<()> {
    let Some(mut peer) = Peer::playing("good", &[])? else { return Ok(()) };
    let view = peer.call("view", &json!({"generation": null}))?;
    let subsystem = &view["subsystems"][0];
    assert_eq!(subsystem["identification"], "ERRANT-1");
    assert_eq!(
        (&subsystem["raw_bytes"], &subsystem["free_bytes"]),
        (&json!(4_u64 << 30), &json!(4_u64 << 30))
    );
    assert_eq!(view["controllers"].as_array().map(Vec::len), Some(1));
    assert_eq!(view["drives"].as_array().map(Vec::len), Some(4));
    assert_eq!(view["drives"][3]["slot_number"], 3);
    assert_eq!(
        view["drives"][0]["extents"],
        json!([{"lun": null, "size_bytes": 1 << 30, "is_used": false}])
    );
    let generation = view["generation"].clone();
    let again = peer.call("view", &json!({"generation": generation}))?;
    assert_eq!(again, json!({"unchanged": true}));
    Ok(())
}

/// Goal: a LUN's whole life, each step through its COM method, is seen in the view and told by events.
#[test]
fn a_lun_lives_and_ends() -> Result<()> {
    let Some(mut peer) = Peer::playing("good", &[])? else { return Ok(()) };
    let subsystem = peer.subsystem()?;
    let request =
        create(&subsystem, &json!({"type": "mirror", "name": "web", "size_bytes": (3 << 20) - 5}));
    let end = peer.run(&operation(1), &request)?;
    assert_eq!((&end["state"], &end["result"]), (&json!("succeeded"), &json!("S_OK")), "{end}");
    assert_eq!(end["output"]["object"]["kind"], "lun");
    let id = end["output"]["object"]["id"].clone();
    let arrived = peer.news("events", |events| events["changes"][0]["change"] == "arrive")?;
    assert_eq!(arrived["changes"][0]["id"], id);
    assert_eq!(arrived["changes"].as_array().map(Vec::len), Some(3), "the LUN and its two drives");

    let lun = shown(&mut peer)?.context("the LUN")?;
    assert_eq!((&lun["id"], &lun["name"], &lun["type"]), (&id, &json!("web"), &json!("mirror")));
    assert_eq!((&lun["size_bytes"], &lun["made_by"]), (&json!(3 << 20), &json!(operation(1))));
    assert_eq!((&lun["unmasking_list"], &lun["reserved_bytes"]), (&json!("*"), &json!(6 << 20)));
    assert_eq!(
        (&lun["provisioning"], lun["plexes"].as_array().map(Vec::len)),
        (&json!("thick"), Some(2))
    );
    assert!(lun["notes"][0].as_str().is_some_and(|note| note.contains("not exported")), "{lun}");

    let host = "iqn.2025-01.org.example:host2";
    let mut number = 2;
    let mut run = |peer: &mut Peer, request: Value| -> Result<Value> {
        number += 1;
        let end = peer.run(&operation(number), &request)?;
        assert_eq!(end["state"], "succeeded", "{request}: {end}");
        assert_eq!(
            end["output"]["type"],
            if request["kind"] == "change_mask" {
                json!("set_mask")
            } else {
                request["kind"].clone()
            }
        );
        shown(peer).map(Option::unwrap_or_default)
    };
    let lun = run(&mut peer, json!({"kind": "set_mask", "lun": id, "unmasking_list": host}))?;
    assert_eq!(lun["unmasking_list"], host);
    let lun = run(
        &mut peer,
        json!({"kind": "change_mask", "lun": id, "add": "iqn.2025-01.org.example:b", "remove": host}),
    )?;
    assert_eq!(lun["unmasking_list"], "iqn.2025-01.org.example:b");
    let lun = run(&mut peer, json!({"kind": "extend_lun", "lun": id, "by_bytes": 1 << 20}))?;
    assert_eq!(
        (&lun["size_bytes"], &lun["plexes"][1]["size_bytes"]),
        (&json!(4 << 20), &json!(4 << 20))
    );
    let lun = run(&mut peer, json!({"kind": "set_name", "lun": id, "name": "wéb"}))?;
    assert_eq!(lun["name"], "wéb");
    let lun = run(&mut peer, json!({"kind": "set_status", "lun": id, "status": "offline"}))?;
    assert_eq!(lun["status"], "offline");
    run(&mut peer, json!({"kind": "recover_lun", "lun": id}))?;
    run(&mut peer, json!({"kind": "refresh"}))?;
    run(&mut peer, json!({"kind": "reenumerate"}))?;
    let gone = run(&mut peer, json!({"kind": "delete_lun", "lun": id}))?;
    assert_eq!(gone, Value::Null);
    peer.news("events", |events| events["changes"][0]["change"] == "depart")?;
    let refused =
        peer.refused("start", &start(&operation(99), &json!({"kind": "delete_lun", "lun": id})))?;
    assert_eq!(refused, "VDS_E_OBJECT_NOT_FOUND");
    Ok(())
}

fn shown(peer: &mut Peer) -> Result<Option<Value>> {
    let view = peer.call("view", &json!({"generation": null}))?;
    Ok(view["luns"].get(0).cloned())
}

#[test]
fn an_id_begins_one_operation() -> Result<()> {
    let Some(mut peer) = Peer::playing("good", &[])? else { return Ok(()) };
    let subsystem = peer.subsystem()?;
    let request = create(&subsystem, &json!({}));
    let first = peer.run(&operation(1), &request)?;
    assert_eq!(peer.run(&operation(1), &request)?, first);
    let view = peer.call("view", &json!({"generation": null}))?;
    assert_eq!(view["luns"].as_array().map(Vec::len), Some(1));
    let found = peer.call("operation.find", &json!({"operation": operation(1)}))?;
    assert_eq!(found["operation"], first);
    let unknown = peer.call("operation.find", &json!({"operation": operation(2)}))?;
    assert_eq!(unknown, json!({"operation": null}));
    let late = peer.call("operation.cancel", &json!({"operation": operation(1)}))?;
    assert_eq!(late, json!({"answer": "too_late"}));
    Ok(())
}

#[test]
fn sizes_are_asked_for_without_making_anything() -> Result<()> {
    let Some(mut peer) = Peer::playing("good", &[])? else { return Ok(()) };
    let subsystem = peer.subsystem()?;
    let size = json!({"subsystem": subsystem, "type": "mirror"});
    assert_eq!(peer.call("max_lun_create_size", &size)?, json!({"size_bytes": 1 << 30}));
    let parity = json!({"subsystem": subsystem, "type": "parity"});
    assert_eq!(peer.refused("max_lun_create_size", &parity)?, "VDS_E_NOT_SUPPORTED");
    let plan = peer.call("plan", &json!({"request": create(&subsystem, &json!({}))}))?;
    assert_eq!(plan["usable_bytes"], 3 << 20);
    let large = create(&subsystem, &json!({"size_bytes": 2_u64 << 30}));
    assert_eq!(peer.refused("plan", &json!({"request": large}))?, "VDS_E_NOT_ENOUGH_SPACE");
    let end = peer.run(&operation(1), &large)?;
    assert_eq!(
        (&end["state"], &end["result"]),
        (&json!("failed"), &json!("VDS_E_NOT_ENOUGH_SPACE"))
    );
    Ok(())
}

#[test]
fn what_com_cannot_say_is_refused_before_anything_is_made() -> Result<()> {
    let Some(mut peer) = Peer::playing("good", &[])? else { return Ok(()) };
    let subsystem = peer.subsystem()?;
    for more in [
        json!({"copies": 3}),
        json!({"provisioning": "thin"}),
        json!({"sector_bytes": 4096}),
        json!({"caching": "write_through"}),
        json!({"target": {"choice": "named", "iscsi_name": "iqn.2025-01.org.example:t"}}),
    ] {
        let request = create(&subsystem, &more);
        let refused = peer.refused("start", &start(&operation(1), &request))?;
        assert_eq!(refused, "VDS_E_NOT_SUPPORTED", "{more}");
    }
    // The provider's own no, of which nothing is made either.
    let end = peer.run(&operation(1), &create(&subsystem, &json!({"type": "parity"})))?;
    assert_eq!((&end["state"], &end["result"]), (&json!("failed"), &json!("VDS_E_NOT_SUPPORTED")));
    let array = json!({"kind": "make_array", "name": "a", "drives": []});
    assert_eq!(peer.refused("start", &start(&operation(2), &array))?, "VDS_E_NOT_SUPPORTED");
    assert_eq!(shown(&mut peer)?, None);
    Ok(())
}

/// Goal: with images in a folder, a LUN is the same LUN in the next process.
#[test]
fn a_lun_on_images_is_there_again() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let setting = format!("VDS_ERRANT_FOLDER={}", folder.path().display());
    let Some(mut peer) = Peer::playing("good", &["--set", &setting])? else { return Ok(()) };
    let subsystem = peer.subsystem()?;
    peer.run(&operation(1), &create(&subsystem, &json!({"name": "kept"})))?;
    let lun = shown(&mut peer)?.context("the LUN")?;
    peer.call("shutdown", &json!({}))?;
    peer.wait()?;
    let plex = lun["plexes"][0]["id"].as_str().context("an id")?;
    let image = std::fs::metadata(folder.path().join(format!("{plex}.img")))?;
    assert_eq!(image.len(), 3 << 20);
    let mut peer = Peer::playing("good", &["--set", &setting])?.context("g++ was there")?;
    let again = shown(&mut peer)?.context("the LUN")?;
    for field in ["id", "name", "size_bytes", "unmasking_list", "plexes", "identification"] {
        assert_eq!(again[field], lun[field], "{field}");
    }
    let known = peer.call("operation.find", &json!({"operation": operation(1)}))?;
    assert_eq!(known, json!({"operation": null}), "forgotten, as declared");
    Ok(())
}

#[test]
fn it_ends_with_the_service() -> Result<()> {
    let Some(mut peer) = Peer::playing("never_ends", &[])? else { return Ok(()) };
    let subsystem = peer.subsystem()?;
    // A thread waits inside the provider for ever.
    peer.call("start", &start(&operation(1), &create(&subsystem, &json!({}))))?;
    peer.hang_up()?;
    assert!(peer.wait()?.success());
    Ok(())
}

#[test]
fn a_library_that_is_no_provider_is_told_apart() -> Result<()> {
    let Some(cpp) = Cpp::find()? else { return Ok(()) };
    let words = |library: &str| -> Result<String> {
        let mut peer = Peer::spawn(&["--provider", library])?;
        assert_eq!(peer.wait()?.code(), Some(1), "{library}");
        peer.last_words()
    };
    let missing = words("/nowhere/libnone.so")?;
    assert!(missing.contains("/nowhere/libnone.so: cannot open shared object"), "{missing}");
    let program = std::env::current_exe()?;
    let library = program.parent().context("a folder")?.join("libvds_com.so");
    assert!(cpp.library().is_ok());
    let other = words(library.to_str().context("text")?)?;
    assert!(other.contains("VdsCreateProvider"), "{other}");
    Ok(())
}
