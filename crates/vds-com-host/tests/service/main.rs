//! A provider in C++ in the whole program: a daemon, a host that it started and confined, and the provider that errs.

mod judged;
mod memory;
mod programs;
mod scene;

use anyhow::{Result, ensure};
use scene::Scene;
use vds_blackbox::{drive_file, wait_until};
use vds_model::HResult;

/// Creates the LUN of most tests.
const CREATE: &[&str] = &["lun", "create", "web", "--subsystem", "errant", "--size", "3MiB"];

/// Each way to err: its part, the code of the operation's end, and the result.
const WAYS: &[(&str, &str, HResult)] = &[
    ("create_fails", "lun.no_space", HResult::VDS_E_NOT_ENOUGH_SPACE),
    ("create_fails_with_async", "lun.no_space", HResult::VDS_E_NOT_ENOUGH_SPACE),
    ("null_async", "provider.no_operation", HResult::E_UNEXPECTED),
    ("operation_fails", "lun.no_drives", HResult::VDS_E_NOT_ENOUGH_DRIVE),
    ("both_fail", "lun.no_drives", HResult::VDS_E_NOT_ENOUGH_DRIVE),
    ("wait_fails", "service.out_of_memory", HResult::E_OUTOFMEMORY),
    ("wait_fails_silently", "service.out_of_memory", HResult::E_OUTOFMEMORY),
    ("wrong_type", "provider.wrong_output", HResult::E_UNEXPECTED),
    ("wrong_type_with_object", "provider.wrong_output", HResult::E_UNEXPECTED),
    ("null_lun", "provider.no_lun", HResult::E_UNEXPECTED),
    ("no_lun_interface", "provider.no_interface", HResult::E_NOINTERFACE),
    ("query_fails", "object.deleted", HResult::VDS_E_OBJECT_DELETED),
    ("never_ends", "provider.silent", HResult::VDS_E_TIMEOUT),
    ("crash", "provider.died", HResult::VDS_E_PROVIDER_FAILURE),
];

#[test]
fn a_lun_of_a_provider_in_cpp_is_managed_like_any_other() -> Result<()> {
    let Some(scene) = Scene::new()? else { return Ok(()) };
    scene.add("good", &[])?;
    let confinement = scene.shown()?["plugin"]["confinement"].to_string();
    ensure!(confinement.contains("landlock"), "{confinement}");
    let daemon = &scene.daemon;
    let drives = daemon.json(&["drive", "list"])?;
    ensure!(drives["items"].as_array().map(Vec::len) == Some(4), "{drives:#}");
    daemon
        .verb(&[CREATE, &["--type", "mirror", "--unmask", "iqn.2025-01.org.example:a"]].concat())?;
    let lun = daemon.lun("web")?;
    ensure!(lun["size_bytes"] == 3 << 20 && lun["type"] == "mirror", "{lun:#}");
    ensure!(lun.to_string().contains("not exported"), "{lun:#}");
    daemon.verb(&["lun", "mask", "web", "iqn.2025-01.org.example:b"])?;
    daemon.verb(&["lun", "extend", "web", "--by", "1MiB"])?;
    let lun = daemon.lun("web")?;
    ensure!(lun["size_bytes"] == 4 << 20, "{lun:#}");
    ensure!(lun["unmasking_list"] == "iqn.2025-01.org.example:b", "{lun:#}");

    // Another process, the same LUN.
    daemon.verb(&["provider", "restart", "errant"])?;
    let again = wait_until("the LUN is there again", || Ok(daemon.lun("web").ok()))?;
    ensure!(again["id"] == lun["id"] && again["size_bytes"] == 4 << 20, "{again:#}");
    daemon.verb(&["lun", "delete", "web", "--yes"])?;
    ensure!(daemon.try_verb(&["lun", "show", "web"])?.code == 3, "it is gone");
    let images = std::fs::read_dir(scene.images())?.count();
    ensure!(images == 0, "{images} files are left");
    Ok(())
}

/// Goal: each way to err ends the operation failed, with the code and the result of `docs/errors.md`, and leaves nothing.
#[test]
fn each_way_to_err_has_its_code_and_its_result() -> Result<()> {
    let Some(scene) = Scene::new()? else { return Ok(()) };
    let check = |part: &str, code: &str, result: HResult| -> Result<()> {
        scene.add(part, &["--quiet-ms", "500"])?;
        let ran = scene.daemon.try_verb(CREATE)?;
        ensure!(ran.stderr.contains(&format!("error[{code}]")), "{part}: {ran:?}");
        let newest = scene.daemon.json(&["operation", "list"])?["items"][0].clone();
        ensure!(newest["state"] == "failed", "{part}: {newest:#}");
        let error = &newest["error"];
        ensure!(error["code"] == code, "{part}: {newest:#}");
        let number = error["hresult"].as_u64().and_then(|number| u32::try_from(number).ok());
        ensure!(number.map(HResult).map(HResult::as_vds) == Some(result), "{part}: {newest:#}");
        ensure!(scene.daemon.lun("web").is_err(), "{part} left a LUN");
        scene.remove()
    };
    WAYS.iter().try_for_each(|(part, code, result)| check(part, code, *result))
}

/// Goal: whatever the provider does, a program gets an operation, and that ends with the result of `docs/errors.md`: by hand,
/// through our own wrapper, and through the documented one where it lies beside the repository.
#[test]
fn through_the_service_a_program_gets_an_operation_and_its_result() -> Result<()> {
    let Some(scene) = Scene::new()? else { return Ok(()) };
    programs::judge(&scene, &[], &[])
}

/// Goal: work that reports too much, or a success of another kind, is an operation that makes a LUN.
#[test]
fn through_the_service_an_odd_success_is_a_success() -> Result<()> {
    let Some(scene) = Scene::new()? else { return Ok(()) };
    programs::judge_odd(&scene)
}

/// Goal: the crash of one ends its operation; the service and an array beside it do not notice.
#[test]
fn a_crash_is_the_providers_alone() -> Result<()> {
    let Some(scene) = Scene::new()? else { return Ok(()) };
    let daemon = &scene.daemon;
    let drive = |number: u32| drive_file(scene.folder.path(), &format!("drive-{number}"), 1 << 30);
    daemon.make_array(&[drive(1)?, drive(2)?])?;
    daemon.verb(&["lun", "create", "safe", "--subsystem", "main", "--size", "16MiB"])?;
    scene.add("crash", &[])?;
    let before = scene.shown()?["plugin"]["pid"].clone();
    ensure!(before.is_number(), "it has a process");
    let ran = daemon.try_verb(CREATE)?;
    ensure!(ran.stderr.contains("error[provider.died]"), "{ran:?}");
    let safe = daemon.lun("safe")?;
    ensure!(safe["status"] == "online" && safe["health"] == "healthy", "{safe:#}");
    let pid = wait_until("it runs again", || {
        let plugin = scene.shown()?["plugin"].clone();
        Ok((plugin["state"] == "running").then_some(plugin["pid"].clone()))
    })?;
    ensure!(pid != before, "another process than {before}");
    Ok(())
}

/// Goal: only what COM has no words for is refused without an operation; the provider does not hear of it.
#[test]
fn what_com_cannot_say_is_refused_and_too_much_progress_is_no_failure() -> Result<()> {
    let Some(scene) = Scene::new()? else { return Ok(()) };
    scene.add("percent", &[])?;
    let copies = [CREATE, &["--type", "mirror", "--copies", "3"]].concat();
    let ran = scene.daemon.try_verb(&copies)?;
    ensure!(ran.stderr.contains("error[request.not_supported]"), "{ran:?}");
    ensure!(programs::creates(&scene)? == 0, "a refusal became an operation");
    scene.daemon.verb(CREATE)?;
    ensure!(scene.daemon.lun("web")?["size_bytes"] == 3 << 20, "3 MiB");
    Ok(())
}
