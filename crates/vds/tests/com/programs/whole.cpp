// A life of an array through its whole hierarchy, with the events of it; ends without a single object.
#include "check.hpp"
#include "sink.hpp"

namespace {

const ULONGLONG MIB = 1ull << 20;

void walk_providers(const Ref<IVdsService> &service)
{
    Ref<IVdsHwProvider> hardware = first_provider(service);
    Ref<IVdsProvider> provider = hardware.as<IVdsProvider>();
    VDS_PROVIDER_PROP found;
    must("IVdsProvider::GetProperties", must_have("IVdsProvider", provider)->GetProperties(&found));
    check("a provider has a name and a version", !take(found.pwszName).empty() && !take(found.pwszVersion).empty());
    check("a provider of hardware", found.type == VDS_PT_HARDWARE);
    ULONG versions = 0;
    Ref<IVdsProviderSupport> support = provider.as<IVdsProviderSupport>();
    check("GetVersionSupport", must_have("IVdsProviderSupport", support)->GetVersionSupport(&versions), S_OK);
    check("the first version is among them", (versions & VDS_VSF_1_0) != 0);
    VDS_HWPROVIDER_TYPE type = VDS_HWT_UNKNOWN, type2 = VDS_HWT_UNKNOWN;
    Ref<IVdsHwProviderType> asked = provider.as<IVdsHwProviderType>();
    Ref<IVdsHwProviderType2> asked2 = provider.as<IVdsHwProviderType2>();
    must("GetProviderType", must_have("IVdsHwProviderType", asked)->GetProviderType(&type));
    must("GetProviderType2", must_have("IVdsHwProviderType2", asked2)->GetProviderType2(&type2));
    check("hosts reach it by iSCSI", type == VDS_HWT_ISCSI && type2 == VDS_HWT_ISCSI);
    check("IVdsHwProvider::Refresh", hardware->Refresh(), S_OK);
    check("IVdsHwProvider::Reenumerate", hardware->Reenumerate(), S_OK);
}

void walk_subsystem(const Ref<IVdsService> &service, const Ref<IVdsSubSystem> &subsystem)
{
    VDS_SUB_SYSTEM_PROP found;
    must("IVdsSubSystem::GetProperties", subsystem->GetProperties(&found));
    std::string name = take(found.pwszFriendlyName);
    check("a subsystem is identified", !take(found.pwszIdentification).empty());
    check("a subsystem is online", found.status == VDS_SSS_ONLINE && found.health == VDS_H_HEALTHY);
    check("a subsystem makes mirrors and masks LUNs",
          (found.ulFlags & VDS_SF_SUPPORTS_MIRROR_LUNS) && (found.ulFlags & VDS_SF_LUN_MASKING_CAPABLE));
    Ref<IVdsSubSystem2> second = subsystem.as<IVdsSubSystem2>();
    VDS_SUB_SYSTEM_PROP2 found2;
    must("GetProperties2", must_have("IVdsSubSystem2", second)->GetProperties2(&found2));
    check("both say the same", take(found2.pwszFriendlyName) == name && found2.id == found.id);
    CoTaskMemFree(found2.pwszIdentification);
    check("a subsystem has buses", found2.sNumberOfInternalBuses >= 1 && found2.sMaxNumberOfSlotsEachBus > 1);
    Ref<IVdsSubSystemInterconnect> ways = subsystem.as<IVdsSubSystemInterconnect>();
    ULONG interconnects = 0;
    must("interconnects", must_have("IVdsSubSystemInterconnect", ways)->GetSupportedInterconnects(&interconnects));
    check("it offers iSCSI", interconnects == VDS_ITF_ISCSI);
    Ref<IVdsSubSystemImportTarget> import = subsystem.as<IVdsSubSystemImportTarget>();
    LPWSTR target = nullptr;
    check("no target is set aside for imports", must_have("import", import)->GetImportTarget(&target),
          VDS_E_NO_IMPORT_TARGET);
    check("SetImportTarget", import->SetImportTarget(nullptr), VDS_E_NOT_SUPPORTED);
    check("SetStatus of nothing", subsystem->SetStatus(VDS_SSS_UNKNOWN), E_INVALIDARG);
    check("IVdsSubSystem::SetStatus", subsystem->SetStatus(VDS_SSS_OFFLINE), VDS_E_NOT_SUPPORTED);
    check("IVdsSubSystem::Reenumerate", subsystem->Reenumerate(), S_OK);
    Ref<IVdsProvider> provider;
    must("GetProvider", subsystem->GetProvider(provider.out()));
    check("its provider is the provider", provider.as<IUnknown>().get() == first_provider(service).as<IUnknown>().get());

    std::vector<Ref<IVdsController>> controllers = list<IVdsController>(subsystem, &IVdsSubSystem::QueryControllers);
    check("it has a controller", controllers.size() == 1);
    for (const Ref<IVdsController> &controller : controllers) {
        VDS_CONTROLLER_PROP of;
        must("IVdsController::GetProperties", controller->GetProperties(&of));
        CoTaskMemFree(of.pwszFriendlyName);
        CoTaskMemFree(of.pwszIdentification);
        check("a controller has ports", of.sNumberOfPorts == 1 && of.status == VDS_CS_ONLINE);
        VDS_PORT_PROP port, none;
        must("GetPortProperties", controller->GetPortProperties(0, &port));
        CoTaskMemFree(port.pwszFriendlyName);
        CoTaskMemFree(port.pwszIdentification);
        check("GetPortProperties beyond the last", controller->GetPortProperties(1, &none), E_INVALIDARG);
        Ref<IVdsSubSystem> parent;
        must("IVdsController::GetSubSystem", controller->GetSubSystem(parent.out()));
        check("a controller's subsystem", parent.get() == subsystem.get());
        check("IVdsController::FlushCache", controller->FlushCache(), VDS_E_NOT_SUPPORTED);
        check("IVdsController::InvalidateCache", controller->InvalidateCache(), VDS_E_NOT_SUPPORTED);
        check("IVdsController::Reset", controller->Reset(), VDS_E_NOT_SUPPORTED);
        check("IVdsController::SetStatus", controller->SetStatus(VDS_CS_OFFLINE), VDS_E_NOT_SUPPORTED);
        check("IVdsController::SetStatus of nothing", controller->SetStatus(VDS_CS_UNKNOWN), E_INVALIDARG);
        check("a controller without LUNs",
              list<IVdsLun>(controller, &IVdsController::QueryAssociatedLuns).empty());
        Ref<IVdsControllerControllerPort> has = controller.as<IVdsControllerControllerPort>();
        std::vector<Ref<IVdsControllerPort>> ports =
            list<IVdsControllerPort>(has, &IVdsControllerControllerPort::QueryControllerPorts);
        check("a port is an object", ports.size() == 1);
        VDS_PORT_PROP same;
        must("IVdsControllerPort::GetProperties", ports[0]->GetProperties(&same));
        CoTaskMemFree(same.pwszFriendlyName);
        CoTaskMemFree(same.pwszIdentification);
        check("the same port either way", same.id == port.id && same.status == VDS_PRS_ONLINE);
        Ref<IVdsController> back;
        must("IVdsControllerPort::GetController", ports[0]->GetController(back.out()));
        check("a port's controller", back.get() == controller.get());
        check("IVdsControllerPort::Reset", ports[0]->Reset(), VDS_E_NOT_SUPPORTED);
        check("IVdsControllerPort::SetStatus", ports[0]->SetStatus(VDS_PRS_OFFLINE), VDS_E_NOT_SUPPORTED);
        check("a port without LUNs", list<IVdsLun>(ports[0], &IVdsControllerPort::QueryAssociatedLuns).empty());
    }
}

std::vector<VDS_OBJECT_ID> walk_drives(const Ref<IVdsSubSystem> &subsystem)
{
    std::vector<VDS_OBJECT_ID> ids;
    for (const Ref<IVdsDrive> &drive : list<IVdsDrive>(subsystem, &IVdsSubSystem::QueryDrives)) {
        VDS_DRIVE_PROP found = properties(drive);
        ids.push_back(found.id);
        check("a drive is online", found.status == VDS_DRS_ONLINE && found.ullSize == 1024 * MIB);
        Ref<IVdsDrive2> second = drive.as<IVdsDrive2>();
        VDS_DRIVE_PROP2 found2;
        must("GetProperties2", must_have("IVdsDrive2", second)->GetProperties2(&found2));
        CoTaskMemFree(found2.pwszFriendlyName);
        CoTaskMemFree(found2.pwszIdentification);
        Ref<IVdsDrive> same;
        must("GetDrive", subsystem->GetDrive(found.sInternalBusNumber, found.sSlotNumber, same.out()));
        check("a drive by bus and slot is the same object", same.get() == drive.get());
        Ref<IVdsSubSystem2> parent = subsystem.as<IVdsSubSystem2>();
        must("GetDrive2", parent->GetDrive2(found.sInternalBusNumber, found.sSlotNumber, found2.ulEnclosureNumber,
                                            same.out()));
        Ref<IVdsSubSystem> of;
        must("IVdsDrive::GetSubSystem", drive->GetSubSystem(of.out()));
        check("a drive's subsystem", of.get() == subsystem.get());
        VDS_DRIVE_EXTENT *extents = nullptr;
        LONG count = 0;
        must("IVdsDrive::QueryExtents", drive->QueryExtents(&extents, &count));
        ULONGLONG sum = 0;
        for (LONG index = 0; index < count; ++index) sum += extents[index].ullSize;
        CoTaskMemFree(extents);
        check("its extents are of it", sum > found.ullSize / 2 && sum <= found.ullSize);
        check("a flag that is not the caller's", drive->SetFlags(VDS_DRF_ASSIGNED), E_INVALIDARG);
    }
    // The last one stands by for a while.
    std::vector<Ref<IVdsDrive>> all_drives = list<IVdsDrive>(subsystem, &IVdsSubSystem::QueryDrives);
    check("SetFlags", all_drives.back()->SetFlags(VDS_DRF_HOTSPARE), S_OK);
    check("a drive is a spare", (properties(all_drives.back()).ulFlags & VDS_DRF_HOTSPARE) != 0);
    check("ClearFlags", all_drives.back()->ClearFlags(VDS_DRF_HOTSPARE), S_OK);
    check("a drive is no spare", (properties(all_drives.back()).ulFlags & VDS_DRF_HOTSPARE) == 0);
    Ref<IVdsDrive> none;
    check("a slot without a drive", subsystem->GetDrive(0, 99, none.out()), VDS_E_OBJECT_NOT_FOUND);
    return ids;
}

// The array as a pool of its drives: what it tells, what it is found by, and a LUN made in it.
void walk_pools(const Ref<IVdsService> &service, const Ref<IVdsSubSystem> &subsystem,
                const std::vector<VDS_OBJECT_ID> &drives)
{
    Ref<IVdsHwProviderStoragePools> provider = first_provider(service).as<IVdsHwProviderStoragePools>();
    must_have("IVdsHwProviderStoragePools", provider);
    check("an array is a pool", pools(provider).size() == 1);
    Ref<IVdsStoragePool> pool = pools(provider)[0];
    std::string name;
    const VDS_STORAGE_POOL_PROP found = properties(pool, &name);
    check("it is called as its array is", name == "main");
    check("it is made of drives, and well",
          found.type == VDS_SPT_PRIMORDIAL && found.status == VDS_SPS_ONLINE && found.health == VDS_H_HEALTHY);
    check("its drives are behind it", found.ullTotalConsumedSpace == drives.size() * 1024 * MIB);
    check("LUNs can have most of them", found.ullTotalManagedSpace < found.ullTotalConsumedSpace &&
                                            found.ullTotalManagedSpace > found.ullTotalConsumedSpace / 8 * 7);
    check("and have none of it yet", found.ullRemainingFreeSpace == found.ullTotalManagedSpace);
    Ref<IVdsProvider> parent;
    must("IVdsStoragePool::GetProvider", pool->GetProvider(parent.out()));
    check("a pool's provider", parent.as<IUnknown>().get() == provider.as<IUnknown>().get());
    VDS_POOL_ATTRIBUTES attributes;
    must("GetAttributes", pool->GetAttributes(&attributes));
    check("a pool of drives has no attributes", attributes.ullAttributeMask == 0 && !attributes.pwszIntendedUsage &&
                                                    attributes.ulNumOfCustomAttributes == 0 &&
                                                    !attributes.pPoolCustomAttributes);
    VDS_STORAGE_POOL_DRIVE_EXTENT *extents = nullptr;
    LONG count = 0;
    must("QueryDriveExtents", pool->QueryDriveExtents(&extents, &count));
    bool are_its_drives = static_cast<size_t>(count) == drives.size();
    for (LONG index = 0; index < count; ++index) {
        bool is_listed = false;
        for (const VDS_OBJECT_ID &drive : drives) is_listed |= drive == extents[index].id;
        are_its_drives &= is_listed && extents[index].bUsed && extents[index].ullSize == 1024 * MIB;
    }
    CoTaskMemFree(extents);
    check("its extents are the drives", are_its_drives);
    check("it has no LUNs yet", list<IVdsLun>(pool, &IVdsStoragePool::QueryAllocatedLuns).empty());
    check("no pool is made of it",
          list<IVdsStoragePool>(pool, &IVdsStoragePool::QueryAllocatedStoragePools).empty());
    Ref<IUnknown> again;
    must("GetObject of a pool", service->GetObject(found.id, VDS_OT_STORAGE_POOL, again.out()));
    check("a pool by its id is the same object", again.get() == pool.as<IUnknown>().get());

    check("a pool is found by its type", pools(provider, VDS_SPT_PRIMORDIAL).size() == 1 &&
                                             pools(provider, VDS_SPT_PRIMORDIAL | VDS_SPT_CONCRETE).size() == 1);
    check("and not by another", pools(provider, VDS_SPT_CONCRETE).empty());
    check("a pool is found by its space", pools(provider, 0, found.ullRemainingFreeSpace).size() == 1);
    check("and not by more", pools(provider, 0, found.ullRemainingFreeSpace + 1).empty());
    VDS_POOL_ATTRIBUTES asked = VDS_POOL_ATTRIBUTES();
    asked.raidType = VDS_RT_RAID5;
    check("attributes without a bit are not asked for", pools(provider, 0, 0, &asked).size() == 1);
    asked.ullAttributeMask = VDS_POOL_ATTRIB_ACCS_BDW_WT_HINT | VDS_POOL_ATTRIB_STOR_COST_HINT;
    check("hints leave no pool out", pools(provider, 0, 0, &asked).size() == 1);
    asked.ullAttributeMask |= VDS_POOL_ATTRIB_RAIDTYPE;
    check("a pool of drives has no RAID level", pools(provider, 0, 0, &asked).empty());

    ULONGLONG bytes = 0, of_subsystem = 0;
    must("QueryMaxLunCreateSizeInStoragePool",
         provider->QueryMaxLunCreateSizeInStoragePool(VDS_LT_MIRROR, found.id, nullptr, &bytes));
    must("QueryMaxLunCreateSize", subsystem->QueryMaxLunCreateSize(VDS_LT_MIRROR, nullptr, 0, nullptr, &of_subsystem));
    check("a LUN in the pool is one of the array", bytes == of_subsystem && bytes > 256 * MIB);
    WCHAR nobody[] = {0};
    VDS_HINTS2 hints = VDS_HINTS2();
    hints.ullHintMask = VDS_HINT_MOSTLYREADS;
    hints.bMostlyReads = TRUE;
    Ref<IVdsAsync> operation;
    must("CreateLunInStoragePool",
         provider->CreateLunInStoragePool(VDS_LT_MIRROR, 64 * MIB, found.id, nobody, &hints, operation.out()));
    Ref<IVdsLun> lun;
    must("a LUN in a pool", made(operation, &lun));
    check("a LUN is what was asked for",
          properties(lun).type == VDS_LT_MIRROR && properties(lun).ullSize == 64 * MIB);
    VDS_HINTS2 in_force = VDS_HINTS2();
    must("QueryHints2", lun.as<IVdsLun2>()->QueryHints2(&in_force));
    check("with its hints", (in_force.ullHintMask & VDS_HINT_MOSTLYREADS) && in_force.bMostlyReads);
    std::vector<Ref<IVdsLun>> luns = list<IVdsLun>(pool, &IVdsStoragePool::QueryAllocatedLuns);
    check("the pool has it", luns.size() == 1 && luns[0].get() == lun.get());
    const VDS_STORAGE_POOL_PROP after = properties(pool);
    check("a LUN does not change what is behind a pool", after.ullTotalConsumedSpace == found.ullTotalConsumedSpace &&
                                                             after.ullTotalManagedSpace == found.ullTotalManagedSpace);
    check("both copies are handed out", after.ullTotalManagedSpace - after.ullRemainingFreeSpace >= 2 * 64 * MIB);
    must("Delete", lun->Delete());
    check("the pool has it no more", list<IVdsLun>(pool, &IVdsStoragePool::QueryAllocatedLuns).empty());
}

void look_at(const Ref<IVdsService> &service, const Ref<IVdsSubSystem> &subsystem, const Ref<IVdsLun> &lun)
{
    VDS_LUN_PROP found = properties(lun);
    Ref<IUnknown> again;
    must("GetObject", service->GetObject(found.id, VDS_OT_LUN, again.out()));
    check("a LUN by its id is the same object", again.get() == lun.as<IUnknown>().get());
    Ref<IVdsSubSystem> parent;
    must("IVdsLun::GetSubSystem", lun->GetSubSystem(parent.out()));
    check("a LUN's subsystem", parent.get() == subsystem.get());
    check("its active controllers", list<IVdsController>(lun, &IVdsLun::QueryActiveControllers).size() == 1);
    Ref<IVdsLunControllerPorts> ports = lun.as<IVdsLunControllerPorts>();
    check("its active ports",
          list<IVdsControllerPort>(ports, &IVdsLunControllerPorts::QueryActiveControllerPorts).size() == 1);

    check("AssociateControllerPorts", ports->AssociateControllerPorts(nullptr, 0, nullptr, 0), VDS_E_NOT_SUPPORTED);
    ULONG number = 0;
    Ref<IVdsLunNumber> numbered = lun.as<IVdsLunNumber>();
    check("GetLunNumber", must_have("IVdsLunNumber", numbered)->GetLunNumber(&number), S_OK);
    check("a LUN has a number of its own", number != 0);
    check("GetLunNumber to NULL", numbered->GetLunNumber(nullptr), E_POINTER);
    check("paths are the initiator's", !lun.as<IVdsLunMpio>());
    Ref<IVdsController> controller = list<IVdsController>(lun, &IVdsLun::QueryActiveControllers)[0];
    check("a controller with a LUN", list<IVdsLun>(controller, &IVdsController::QueryAssociatedLuns)[0].get() == lun.get());
    Ref<IVdsControllerPort> port =
        list<IVdsControllerPort>(ports, &IVdsLunControllerPorts::QueryActiveControllerPorts)[0];
    check("a port with a LUN", list<IVdsLun>(port, &IVdsControllerPort::QueryAssociatedLuns)[0].get() == lun.get());

    VDS_LUN_INFORMATION information;
    must("GetIdentificationData", lun->GetIdentificationData(&information));
    check("a LUN is known by designators", information.m_deviceIdDescriptor.m_cIdentifiers >= 2);
    check("and by a serial number", information.m_szSerialNumber && strlen(information.m_szSerialNumber) == 32);
    for (ULONG index = 0; index < information.m_deviceIdDescriptor.m_cIdentifiers; ++index)
        CoTaskMemFree(information.m_deviceIdDescriptor.m_rgIdentifiers[index].m_rgbIdentifier);
    CoTaskMemFree(information.m_deviceIdDescriptor.m_rgIdentifiers);
    CoTaskMemFree(information.m_szVendorId);
    CoTaskMemFree(information.m_szProductId);
    CoTaskMemFree(information.m_szProductRevision);
    CoTaskMemFree(information.m_szSerialNumber);

    std::vector<Ref<IVdsLunPlex>> plexes = list<IVdsLunPlex>(lun, &IVdsLun::QueryPlexes);
    check("a mirror has two plexes", plexes.size() == 2);
    for (const Ref<IVdsLunPlex> &plex : plexes) {
        VDS_LUN_PLEX_PROP of;
        must("IVdsLunPlex::GetProperties", plex->GetProperties(&of));
        check("a plex is as large as its LUN", of.ullSize >= found.ullSize && of.status == VDS_LPS_ONLINE);
        Ref<IVdsLun> back;
        must("GetLun", plex->GetLun(back.out()));
        check("a plex's LUN", back.get() == lun.get());
        VDS_DRIVE_EXTENT *extents = nullptr;
        LONG count = 0;
        must("IVdsLunPlex::QueryExtents", plex->QueryExtents(&extents, &count));
        check("a plex lies on a drive", count == 1 && extents && extents[0].LunId == found.id);
        CoTaskMemFree(extents);
        VDS_HINTS hints;
        check("IVdsLunPlex::QueryHints", plex->QueryHints(&hints), S_OK);
        check("IVdsLunPlex::ApplyHints", plex->ApplyHints(&hints), VDS_E_NOT_SUPPORTED);
    }
}

bool asks_for_secrets(const Ref<IVdsIscsiTarget> &target, std::string *alias = nullptr)
{
    VDS_ISCSI_TARGET_PROP found;
    must("IVdsIscsiTarget::GetProperties", target->GetProperties(&found));
    take(found.pwszIscsiName);
    std::string name = take(found.pwszFriendlyName);
    if (alias)
        *alias = name;
    return found.bChapEnabled;
}

VDS_ISCSI_SHARED_SECRET secret_of(const char *text)
{
    VDS_ISCSI_SHARED_SECRET secret;
    secret.pSharedSecret = reinterpret_cast<UCHAR *>(const_cast<char *>(text));
    secret.ulSharedSecretSize = static_cast<ULONG>(strlen(text));
    return secret;
}

void keep_secrets(const Ref<IVdsIscsiTarget> &target)
{
    WCHAR alias[] = W("the cluster's");
    check("IVdsIscsiTarget::SetFriendlyName", target->SetFriendlyName(alias), S_OK);
    std::string found;
    check("no secret is asked for", !asks_for_secrets(target, &found));
    check("a target has its new name", found == "the cluster's");
    check("SetFriendlyName to NULL", target->SetFriendlyName(nullptr), E_INVALIDARG);

    WCHAR host[] = W("iqn.2025-01.org.example:name");
    WCHAR no_name[] = W("not an iSCSI name");
    VDS_ISCSI_SHARED_SECRET nothing = VDS_ISCSI_SHARED_SECRET();
    VDS_ISCSI_SHARED_SECRET own = secret_of("its own secret"), everybodys = secret_of("secret for all"),
                            back = secret_of("of the initiator"), small = secret_of("eleven byte");
    VDS_ISCSI_SHARED_SECRET lost = {nullptr, 12};
    check("SetSharedSecret for an initiator", target->SetSharedSecret(&own, host), S_OK);
    check("a secret is asked for", asks_for_secrets(target));
    check("SetSharedSecret for all", target->SetSharedSecret(&everybodys, nullptr), S_OK);
    check("RememberInitiatorSharedSecret", target->RememberInitiatorSharedSecret(host, &back), S_OK);
    check("one secret for both directions", target->RememberInitiatorSharedSecret(host, &own), E_INVALIDARG);
    check("a secret that is too short", target->SetSharedSecret(&small, host), E_INVALIDARG);
    check("a secret at NULL", target->SetSharedSecret(&lost, host), E_INVALIDARG);
    check("a secret for what is no initiator", target->SetSharedSecret(&own, no_name), E_INVALIDARG);
    check("an initiator's secret without its name", target->RememberInitiatorSharedSecret(nullptr, &back),
          E_INVALIDARG);
    check("SetSharedSecret to none for all", target->SetSharedSecret(&nothing, nullptr), S_OK);
    check("the other is asked for", asks_for_secrets(target));
    check("SetSharedSecret to NULL", target->SetSharedSecret(nullptr, host), S_OK);
    check("no secret is asked for any more", !asks_for_secrets(target));
    check("RememberInitiatorSharedSecret of none", target->RememberInitiatorSharedSecret(host, &nothing), S_OK);
}

void associate(const Ref<IVdsLun> &lun, const Ref<IVdsIscsiTarget> &own, const Ref<IVdsIscsiTarget> &other)
{
    Ref<IVdsLunIscsi> of = lun.as<IVdsLunIscsi>();
    auto targets = [&] { return list<IVdsIscsiTarget>(of, &IVdsLunIscsi::QueryAssociatedTargets); };
    VDS_ISCSI_TARGET_PROP properties;
    must("IVdsIscsiTarget::GetProperties", other->GetProperties(&properties));
    take(properties.pwszIscsiName);
    take(properties.pwszFriendlyName);
    VDS_OBJECT_ID ids[] = {properties.id, properties.id, properties.id};
    must("IVdsIscsiTarget::GetProperties", own->GetProperties(&properties));
    take(properties.pwszIscsiName);
    take(properties.pwszFriendlyName);
    ids[2] = properties.id;
    check("AssociateTargets", of->AssociateTargets(ids, 2), S_OK);
    check("a LUN is behind another target", targets().size() == 1 && targets()[0].get() == other.get());
    check("and not behind its own", list<IVdsLun>(own, &IVdsIscsiTarget::QueryAssociatedLuns).empty());
    check("AssociateTargets with two", of->AssociateTargets(ids, 3), VDS_E_NOT_SUPPORTED);
    VDS_OBJECT_ID nothing = {9, 9, 9, {9, 9, 9, 9, 9, 9, 9, 9}};
    check("AssociateTargets with what is none", of->AssociateTargets(&nothing, 1), VDS_E_OBJECT_NOT_FOUND);
    check("AssociateTargets with NULL and a count", of->AssociateTargets(nullptr, 1), E_INVALIDARG);
    check("AssociateTargets with none", of->AssociateTargets(nullptr, 0), S_OK);
    check("a LUN is behind no target", targets().empty());
    check("AssociateTargets with its own", of->AssociateTargets(&ids[2], 1), S_OK);
    check("a LUN is back", targets().size() == 1 && targets()[0].get() == own.get());
}

void walk_iscsi(const Ref<IVdsSubSystem> &subsystem, const Ref<IVdsLun> &lun)
{
    Ref<IVdsSubSystemIscsi> iscsi = subsystem.as<IVdsSubSystemIscsi>();
    must_have("IVdsSubSystemIscsi", iscsi);
    check("SetIpsecGroupPresharedKey", iscsi->SetIpsecGroupPresharedKey(nullptr), VDS_E_NOT_SUPPORTED);
    Ref<IVdsLunIscsi> of = lun.as<IVdsLunIscsi>();
    std::vector<Ref<IVdsIscsiTarget>> targets = list<IVdsIscsiTarget>(of, &IVdsLunIscsi::QueryAssociatedTargets);
    check("a LUN has a target", targets.size() == 1);
    std::vector<Ref<IVdsIscsiTarget>> every = list<IVdsIscsiTarget>(iscsi, &IVdsSubSystemIscsi::QueryTargets);
    check("the subsystem has it too", every.size() == 1 && every[0].get() == targets[0].get());
    check("and the LUN is the target's",
          list<IVdsLun>(targets[0], &IVdsIscsiTarget::QueryAssociatedLuns)[0].get() == lun.get());
    VDS_ISCSI_TARGET_PROP found;
    must("IVdsIscsiTarget::GetProperties", targets[0]->GetProperties(&found));
    check("a target has a name", take(found.pwszIscsiName).compare(0, 4, "iqn.") == 0 && !found.bChapEnabled);
    CoTaskMemFree(found.pwszFriendlyName);
    Ref<IVdsSubSystem> parent;
    must("IVdsIscsiTarget::GetSubSystem", targets[0]->GetSubSystem(parent.out()));
    LPWSTR *names = nullptr;
    LONG count = 99;
    must("GetConnectedInitiators", targets[0]->GetConnectedInitiators(&names, &count));
    check("nobody is logged in", count == 0 && !names);
    Ref<IVdsAsync> operation;
    check("a target with a LUN is not deleted", targets[0]->Delete(operation.out()), VDS_E_ASSOCIATED_LUNS_EXIST);
    keep_secrets(targets[0]);

    std::vector<Ref<IVdsIscsiPortalGroup>> groups =
        list<IVdsIscsiPortalGroup>(targets[0], &IVdsIscsiTarget::QueryPortalGroups);
    check("a target has a portal group", groups.size() == 1);
    VDS_ISCSI_PORTALGROUP_PROP group;
    must("IVdsIscsiPortalGroup::GetProperties", groups[0]->GetProperties(&group));
    check("a portal group has a tag", group.tag >= 1);
    Ref<IVdsIscsiTarget> target;
    must("GetTarget", groups[0]->GetTarget(target.out()));
    check("a portal group's target", target.get() == targets[0].get());
    std::vector<Ref<IVdsIscsiPortal>> portals =
        list<IVdsIscsiPortal>(groups[0], &IVdsIscsiPortalGroup::QueryAssociatedPortals);
    check("a portal group has a portal", portals.size() == 1);
    check("the subsystem has it too",
          list<IVdsIscsiPortal>(iscsi, &IVdsSubSystemIscsi::QueryPortals)[0].get() == portals[0].get());
    VDS_ISCSI_PORTAL_PROP portal;
    must("IVdsIscsiPortal::GetProperties", portals[0]->GetProperties(&portal));
    check("a portal is online at an address", portal.status == VDS_IPS_ONLINE &&
                                                  portal.address.type == VDS_IPT_IPV4 && portal.address.ulPort != 0);
    check("IVdsIscsiPortal::SetStatus", portals[0]->SetStatus(VDS_IPS_OFFLINE), VDS_E_NOT_SUPPORTED);
    ULONGLONG security = 0;
    check("SetIpsecTunnelAddress", portals[0]->SetIpsecTunnelAddress(&portal.address, &portal.address),
          VDS_E_NOT_SUPPORTED);
    check("GetIpsecSecurity", portals[0]->GetIpsecSecurity(&portal.address, &security), VDS_E_NOT_SUPPORTED);
    check("SetIpsecSecurity", portals[0]->SetIpsecSecurity(&portal.address, 0, nullptr), VDS_E_NOT_SUPPORTED);
    check("its groups", list<IVdsIscsiPortalGroup>(portals[0], &IVdsIscsiPortal::QueryAssociatedPortalGroups)[0].get() ==
                            groups[0].get());
    must("IVdsIscsiPortal::GetSubSystem", portals[0]->GetSubSystem(parent.out()));
    Ref<IVdsIscsiPortalLocal> local = portals[0].as<IVdsIscsiPortalLocal>();
    check("SetIpsecSecurityLocal", local->SetIpsecSecurityLocal(0, nullptr), VDS_E_NOT_SUPPORTED);

    WCHAR alias[] = W("second");
    must("CreateTarget", iscsi->CreateTarget(nullptr, alias, operation.out()));
    VDS_ASYNC_OUTPUT output = VDS_ASYNC_OUTPUT();
    HRESULT work = E_FAIL;
    check("waiting for a target", operation->Wait(&work, &output), S_OK);
    check("a target is made", work == S_OK && output.type == VDS_ASYNCOUT_CREATETARGET && output.ct.pTargetUnk);
    Ref<IVdsIscsiTarget> made;
    must("IVdsIscsiTarget",
         output.ct.pTargetUnk->QueryInterface(IID_IVdsIscsiTarget, reinterpret_cast<void **>(made.out())));
    output.ct.pTargetUnk->Release();
    associate(lun, targets[0], made);
    must("IVdsIscsiTarget::Delete", made->Delete(operation.out()));
    check("a target goes", wait(operation, VDS_ASYNCOUT_DELETETARGET), S_OK);
    check("what is gone says so", made->GetProperties(&found), VDS_E_OBJECT_DELETED);
}

void change(const Ref<IVdsSubSystem> &subsystem, const Ref<IVdsLun> &lun, const std::vector<VDS_OBJECT_ID> &drives)
{
    Ref<IVdsAsync> operation;
    must("Extend", lun->Extend(32 * MIB, nullptr, 0, operation.out()));
    check("a LUN grows", wait(operation, VDS_ASYNCOUT_EXTENDLUN), S_OK);
    check("by what was asked for", properties(lun).ullSize == 96 * MIB);
    check("Shrink", lun->Shrink(MIB, operation.out()), VDS_E_NOT_SUPPORTED);

    // What is told can be had, and not a block more.
    Ref<IVdsLun> growing;
    must("a LUN to grow", create(subsystem, VDS_LT_SIMPLE, 16 * MIB, {drives[3]}, &growing));
    ULONGLONG bytes = 0;
    check("QueryMaxLunExtendSize", growing->QueryMaxLunExtendSize(nullptr, 0, &bytes), S_OK);
    check("there is room", bytes > 512 * MIB && bytes < 1024 * MIB);
    ULONGLONG on_its_drive = 0;
    VDS_OBJECT_ID own = drives[3];
    check("QueryMaxLunExtendSize on a drive", growing->QueryMaxLunExtendSize(&own, 1, &on_its_drive), S_OK);
    check("its own", on_its_drive == bytes);
    VDS_OBJECT_ID nothing = {9, 9, 9, {9, 9, 9, 9, 9, 9, 9, 9}};
    check("QueryMaxLunExtendSize on no drive", growing->QueryMaxLunExtendSize(&nothing, 1, &on_its_drive),
          VDS_E_OBJECT_NOT_FOUND);
    check("QueryMaxLunExtendSize to NULL", growing->QueryMaxLunExtendSize(nullptr, 0, nullptr), E_POINTER);
    check("Extend by a block more", growing->Extend(bytes + 4096, nullptr, 0, operation.out()),
          VDS_E_NOT_ENOUGH_SPACE);
    must("Extend by all of it", growing->Extend(bytes, nullptr, 0, operation.out()));
    check("the largest extension", wait(operation, VDS_ASYNCOUT_EXTENDLUN), S_OK);
    check("of nothing left", growing->QueryMaxLunExtendSize(nullptr, 0, &bytes) == S_OK && bytes == 0);
    check("Delete", growing->Delete(), S_OK);
    check("of what is gone", growing->QueryMaxLunExtendSize(nullptr, 0, &bytes), VDS_E_OBJECT_DELETED);

    WCHAR mask[] = W("iqn.2025-01.org.example:b;iqn.2025-01.org.example:a;iqn.2025-01.org.example:b");
    check("SetMask", lun->SetMask(mask), S_OK);
    std::string found, name;
    properties(lun, &found);
    check("the list in force has each once",
          found.find("example:a") != std::string::npos && found.rfind("example:b") == found.find("example:b"));
    WCHAR wrong[] = W("*;0123456789ABCDEF");
    check("everybody stands alone", lun->SetMask(wrong), E_INVALIDARG);
    WCHAR nobody[] = {0};
    check("SetMask to nobody", lun->SetMask(nobody), S_OK);
    properties(lun, &found);
    check("nobody is in the list", found.empty());

    WCHAR archive[] = W("archive");
    Ref<IVdsSubSystemNaming> of_subsystem = subsystem.as<IVdsSubSystemNaming>();
    check("IVdsSubSystemNaming::SetFriendlyName",
          must_have("IVdsSubSystemNaming", of_subsystem)->SetFriendlyName(archive), S_OK);
    VDS_SUB_SYSTEM_PROP subsystem_properties;
    must("IVdsSubSystem::GetProperties", subsystem->GetProperties(&subsystem_properties));
    take(subsystem_properties.pwszIdentification);
    check("a subsystem has its new name", take(subsystem_properties.pwszFriendlyName) == "archive");

    WCHAR renamed[] = W("renamed");
    Ref<IVdsLunNaming> naming = lun.as<IVdsLunNaming>();
    check("SetFriendlyName", must_have("IVdsLunNaming", naming)->SetFriendlyName(renamed), S_OK);
    properties(lun, nullptr, &name);
    check("a LUN has its new name", name == "renamed");

    VDS_HINTS hints = VDS_HINTS();
    hints.ullHintMask = VDS_HINT_MOSTLYREADS;
    hints.bMostlyReads = TRUE;
    check("ApplyHints", lun->ApplyHints(&hints), S_OK);
    hints = VDS_HINTS();
    check("QueryHints", lun->QueryHints(&hints), S_OK);
    check("hints are in force", (hints.ullHintMask & VDS_HINT_MOSTLYREADS) && hints.bMostlyReads);
    Ref<IVdsLun2> second = lun.as<IVdsLun2>();
    VDS_HINTS2 hints2 = VDS_HINTS2();
    check("QueryHints2", must_have("IVdsLun2", second)->QueryHints2(&hints2), S_OK);
    check("either way", (hints2.ullHintMask & VDS_HINT_MOSTLYREADS) && hints2.bMostlyReads);
    check("ApplyHints2", second->ApplyHints2(&hints2), S_OK);

    check("SetStatus offline", lun->SetStatus(VDS_LS_OFFLINE), S_OK);
    check("a LUN is offline", properties(lun).status == VDS_LS_OFFLINE);
    check("SetStatus online", lun->SetStatus(VDS_LS_ONLINE), S_OK);
    check("SetStatus of nothing", lun->SetStatus(VDS_LS_UNKNOWN), E_INVALIDARG);
    check("AssociateControllers", lun->AssociateControllers(nullptr, 0, nullptr, 0), VDS_E_NOT_SUPPORTED);

    // Another LUN becomes the third copy.
    Ref<IVdsLun> other;
    must("a LUN to take in", create(subsystem, VDS_LT_SIMPLE, 96 * MIB, {drives[2]}, &other));
    Ref<IVdsLun> small;
    must("a LUN that is too small", create(subsystem, VDS_LT_SIMPLE, 16 * MIB, {drives[3]}, &small));
    check("a LUN that is too small is not taken in", lun->AddPlex(properties(small).id, operation.out()),
          VDS_E_INVALID_OPERATION);
    check("a LUN does not take itself in", lun->AddPlex(properties(lun).id, operation.out()), E_INVALIDARG);
    Ref<IVdsLun> beside;
    must("a LUN beside a copy", create(subsystem, VDS_LT_SIMPLE, 96 * MIB, {drives[0]}, &beside));
    check("a LUN on the drive of a copy is not taken in", lun->AddPlex(properties(beside).id, operation.out()),
          VDS_E_INVALID_OPERATION);
    Ref<IVdsLun> mirrored;
    must("a LUN of two copies", create(subsystem, VDS_LT_MIRROR, 96 * MIB, {drives[2], drives[3]}, &mirrored));
    check("a LUN of two copies is not taken in", lun->AddPlex(properties(mirrored).id, operation.out()),
          VDS_E_NOT_SUPPORTED);
    check("a LUN that is not there is not taken in", lun->AddPlex(VDS_OBJECT_ID(), operation.out()),
          VDS_E_OBJECT_NOT_FOUND);
    check("what is not taken in stays", properties(small).status == VDS_LS_ONLINE &&
                                            properties(beside).status == VDS_LS_ONLINE &&
                                            properties(mirrored).status == VDS_LS_ONLINE);
    check("Delete of these", beside->Delete() == S_OK && mirrored->Delete() == S_OK);
    check("Delete of a LUN", small->Delete(), S_OK);
    must("AddPlex", lun->AddPlex(properties(other).id, operation.out()));
    check("a LUN has one copy more", wait(operation, VDS_ASYNCOUT_ADDLUNPLEX), S_OK);
    VDS_LUN_PROP gone;
    check("the other LUN is gone", other->GetProperties(&gone), VDS_E_OBJECT_DELETED);
    std::vector<Ref<IVdsLunPlex>> plexes = list<IVdsLunPlex>(lun, &IVdsLun::QueryPlexes);
    check("three plexes", plexes.size() == 3);
    VDS_LUN_PLEX_PROP plex;
    must("IVdsLunPlex::GetProperties", plexes[2]->GetProperties(&plex));
    must("RemovePlex", lun->RemovePlex(plex.id, operation.out()));
    check("a LUN has one copy less", wait(operation, VDS_ASYNCOUT_REMOVELUNPLEX), S_OK);
    check("two plexes", list<IVdsLunPlex>(lun, &IVdsLun::QueryPlexes).size() == 2);
    check("the plex is gone", plexes[2]->GetProperties(&plex), VDS_E_OBJECT_DELETED);
    check("RemovePlex of what is no plex", lun->RemovePlex(plex.id, operation.out()), VDS_E_OBJECT_NOT_FOUND);
}

// The drives that a copy of a LUN lies on.
std::vector<VDS_OBJECT_ID> drives_of(const Ref<IVdsLun> &lun)
{
    std::vector<VDS_OBJECT_ID> drives;
    for (const Ref<IVdsLunPlex> &plex : list<IVdsLunPlex>(lun, &IVdsLun::QueryPlexes)) {
        VDS_DRIVE_EXTENT *extents = nullptr;
        LONG count = 0;
        must("QueryExtents", plex->QueryExtents(&extents, &count));
        for (LONG index = 0; index < count; ++index) drives.push_back(extents[index].id);
        CoTaskMemFree(extents);
    }
    return drives;
}

void recover(const Ref<IVdsService> &service, const Ref<IVdsLun> &lun)
{
    const VDS_OBJECT_ID id = drives_of(lun).front();
    auto lies_there = [&] {
        for (const VDS_OBJECT_ID &drive : drives_of(lun))
            if (drive == id) return true;
        return false;
    };
    Ref<IUnknown> object;
    must("GetObject of a drive", service->GetObject(id, VDS_OT_DRIVE, object.out()));
    Ref<IVdsDrive> drive = object.as<IVdsDrive>();
    check("SetStatus of nothing", drive->SetStatus(VDS_DRS_UNKNOWN), E_INVALIDARG);
    check("a mirror is whole", properties(lun).health == VDS_H_HEALTHY);
    check("a drive is declared failed", drive->SetStatus(VDS_DRS_FAILED), S_OK);
    check("it says so", properties(drive).status == VDS_DRS_FAILED);
    check("a mirror has lost its redundancy", properties(lun).health == VDS_H_FAILED_REDUNDANCY);
    check("and is there all the same", properties(lun).status == VDS_LS_ONLINE);
    check("a copy of it lies on what failed", lies_there());
    Ref<IVdsAsync> operation;
    must("Recover", lun->Recover(operation.out()));
    check("a mirror is recovered", wait(operation, VDS_ASYNCOUT_RECOVERLUN), S_OK);
    VDS_LUN_PROP found = properties(lun);
    check("it is whole again", found.health == VDS_H_HEALTHY && found.status == VDS_LS_ONLINE);
    check("it has two copies", list<IVdsLunPlex>(lun, &IVdsLun::QueryPlexes).size() == 2);
    check("none of it lies on what failed", !lies_there());
}

void life()
{
    Ref<IVdsService> service = load();
    check("IsServiceReady", service->IsServiceReady(), S_OK);
    check("WaitForServiceReady again", service->WaitForServiceReady(), S_OK);
    Ref<IVdsSubSystem> subsystem = first_subsystem(service);
    Sink *sink = new Sink();
    DWORD cookie = 0;
    must("Advise", service->Advise(sink, &cookie));

    walk_providers(service);
    walk_subsystem(service, subsystem);
    std::vector<VDS_OBJECT_ID> drives = walk_drives(subsystem);
    walk_pools(service, subsystem, drives);

    ULONGLONG bytes = 0;
    must("QueryMaxLunCreateSize", subsystem->QueryMaxLunCreateSize(VDS_LT_MIRROR, nullptr, 0, nullptr, &bytes));
    check("a mirror of some size could be made", bytes > 256 * MIB);
    Ref<IVdsSubSystem2> second = subsystem.as<IVdsSubSystem2>();
    ULONGLONG bytes2 = 0;
    must("QueryMaxLunCreateSize2", second->QueryMaxLunCreateSize2(VDS_LT_MIRROR, nullptr, 0, nullptr, &bytes2));
    check("both say the same", bytes == bytes2);

    Ref<IVdsLun> lun;
    must("CreateLun", create(subsystem, VDS_LT_MIRROR, 64 * MIB, {drives[0], drives[1]}, &lun));
    VDS_LUN_PROP found = properties(lun);
    check("its arrival was told", sink->wait_for(VDS_NF_LUN_ARRIVE, found.id));
    look_at(service, subsystem, lun);
    walk_iscsi(subsystem, lun);
    change(subsystem, lun, drives);
    check("its changes were told", sink->wait_for(VDS_NF_LUN_MODIFY, found.id));
    recover(service, lun);
    check("Refresh", service->Refresh(), S_OK);
    check("Reenumerate", service->Reenumerate(), S_OK);

    check("Delete", lun->Delete(), S_OK);
    VDS_LUN_PROP gone;
    check("what is deleted says so", lun->GetProperties(&gone), VDS_E_OBJECT_DELETED);
    check("Delete twice", lun->Delete(), VDS_E_OBJECT_DELETED);
    check("its end was told", sink->wait_for(VDS_NF_LUN_DEPART, found.id));
    check("a drive's change was told", sink->has(VDS_NF_DRIVE_MODIFY));
    check("batches have 1 to 100", sink->batches_fit());
    check("Unadvise", service->Unadvise(cookie), S_OK);
    check("Unadvise twice", service->Unadvise(cookie), VDS_E_BAD_COOKIE);
    check("the sink has been let go", sink->Release() == 0);
}

} // namespace

int main()
{
    must("CoInitialize", CoInitialize(nullptr));
    life();
    return end();
}
