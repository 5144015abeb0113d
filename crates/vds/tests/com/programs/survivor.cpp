// A program whose service is killed: a call of every interface, on objects that it had before, ends with an error, and soon;
// so does one that waits.
//
// Makes a LUN its third copy, waits for that on another thread, and says `waiting`; goes on once a line was read.
#include "check.hpp"
#include "sink.hpp"
#include <thread>

namespace {

typedef std::chrono::steady_clock Clock;

const HRESULT gone = static_cast<HRESULT>(0x800706BA);
// The longest that a call may take: it may ask for five seconds whether the service is back.
const std::chrono::seconds CALL_MAX(10);

void soon(const char *name, Clock::time_point since)
{
    const Clock::duration took = Clock::now() - since;
    if (took <= CALL_MAX) return;
    std::printf("%s took %lld ms\n", name,
                static_cast<long long>(std::chrono::duration_cast<std::chrono::milliseconds>(took).count()));
    check(name, false);
}

// A call, what it answers, and that it does not take long.
template <typename Call> void ends(const char *name, HRESULT expected, Call call)
{
    const Clock::time_point since = Clock::now();
    check(name, call(), expected);
    soon(name, since);
}

template <typename I, typename T> Ref<I> side(const Ref<T> &object, const char *name)
{
    Ref<I> found = object.template as<I>();
    return must_have(name, found);
}
#define SIDE(type, object) side<type>(object, #type)

// Everything there is, since before the end of the service.
struct Held {
    Ref<IVdsServiceLoader> loader;
    Ref<IVdsService> service;
    Ref<IVdsHwProvider> provider;
    Ref<IVdsStoragePool> pool;
    Ref<IVdsSubSystem> subsystem;
    Ref<IVdsController> controller;
    Ref<IVdsControllerPort> port;
    Ref<IVdsDrive> drive;
    Ref<IVdsLun> lun, other;
    Ref<IVdsLunPlex> plex;
    Ref<IVdsIscsiTarget> target;
    Ref<IVdsIscsiPortalGroup> group;
    Ref<IVdsIscsiPortal> portal;
    Ref<IEnumVdsObject> drives;

    Held()
    {
        must("CoCreateInstance", CoCreateInstance(CLSID_VdsLoader, nullptr, CLSCTX_LOCAL_SERVER, IID_IVdsServiceLoader,
                                                  reinterpret_cast<void **>(loader.out())));
        service = load();
        provider = first_provider(service);
        pool = pools(SIDE(IVdsHwProviderStoragePools, provider)).at(0);
        subsystem = first_subsystem(service);
        controller = list<IVdsController>(subsystem, &IVdsSubSystem::QueryControllers).at(0);
        port = list<IVdsControllerPort>(SIDE(IVdsControllerControllerPort, controller),
                                        &IVdsControllerControllerPort::QueryControllerPorts)
                   .at(0);
        drive = list<IVdsDrive>(subsystem, &IVdsSubSystem::QueryDrives).at(0);
        must("QueryDrives", subsystem->QueryDrives(drives.out()));
        std::vector<Ref<IVdsLun>> luns = list<IVdsLun>(subsystem, &IVdsSubSystem::QueryLuns);
        std::string name;
        properties(luns.at(0), nullptr, &name);
        lun = luns.at(name == "db1" ? 0 : 1);
        other = luns.at(name == "db1" ? 1 : 0);
        plex = list<IVdsLunPlex>(lun, &IVdsLun::QueryPlexes).at(0);
        target = list<IVdsIscsiTarget>(SIDE(IVdsLunIscsi, lun), &IVdsLunIscsi::QueryAssociatedTargets).at(0);
        group = list<IVdsIscsiPortalGroup>(target, &IVdsIscsiTarget::QueryPortalGroups).at(0);
        portal = list<IVdsIscsiPortal>(group, &IVdsIscsiPortalGroup::QueryAssociatedPortals).at(0);
    }
};

// What needs no service, and why; everything else fails below.
void without_service(const Held &held)
{
    IUnknown *object = nullptr;
    ULONG number = 0;
    VDS_HWPROVIDER_TYPE type = VDS_HWT_UNKNOWN;
    // An enumeration is what there was when it was made.
    ends("IEnumVdsObject::Next", S_OK, [&] { return held.drives->Next(1, &object, &number); });
    if (object) object->Release();
    // Facts of this library, not of an array.
    ends("IVdsProviderSupport::GetVersionSupport", S_OK,
         [&] { return SIDE(IVdsProviderSupport, held.provider)->GetVersionSupport(&number); });
    ends("IVdsHwProviderType::GetProviderType", S_OK,
         [&] { return SIDE(IVdsHwProviderType, held.provider)->GetProviderType(&type); });
    ends("IVdsHwProviderType2::GetProviderType2", S_OK,
         [&] { return SIDE(IVdsHwProviderType2, held.provider)->GetProviderType2(&type); });
    ends("IVdsSubSystemInterconnect::GetSupportedInterconnects", S_OK,
         [&] { return SIDE(IVdsSubSystemInterconnect, held.subsystem)->GetSupportedInterconnects(&number); });
    // What is never done is refused without asking anybody.
    VDS_SAN_POLICY policy;
    ends("IVdsServiceSAN::GetSANPolicy", VDS_E_NOT_SUPPORTED,
         [&] { return SIDE(IVdsServiceSAN, held.service)->GetSANPolicy(&policy); });
    VDS_LUN_INFORMATION information = VDS_LUN_INFORMATION();
    VDS_OBJECT_ID disk;
    ends("IVdsServiceUninstallDisk::GetDiskIdFromLunInfo", VDS_E_NOT_SUPPORTED,
         [&] { return SIDE(IVdsServiceUninstallDisk, held.service)->GetDiskIdFromLunInfo(&information, &disk); });
    ends("IVdsIscsiPortalLocal::SetIpsecSecurityLocal", VDS_E_NOT_SUPPORTED,
         [&] { return SIDE(IVdsIscsiPortalLocal, held.portal)->SetIpsecSecurityLocal(0, nullptr); });
}

void service_and_provider(const Held &held, Sink *sink, DWORD cookie)
{
    Ref<IVdsService> service;
    Ref<IEnumVdsObject> found;
    Ref<IVdsAsync> none;
    WCHAR nobody[] = {0};
    DWORD another = 0;
    ends("IVdsServiceLoader::LoadService", gone, [&] { return held.loader->LoadService(nullptr, service.out()); });
    ends("IVdsServiceInitialization::Initialize", gone,
         [&] { return SIDE(IVdsServiceInitialization, held.service)->Initialize(nullptr); });
    ends("IVdsService::IsServiceReady", gone, [&] { return held.service->IsServiceReady(); });
    ends("IVdsService::WaitForServiceReady", gone,
         [&] { return held.service->WaitForServiceReady(); });
    ends("IVdsService::QueryProviders", gone,
         [&] { return held.service->QueryProviders(VDS_QUERY_HARDWARE_PROVIDERS, found.out()); });
    ends("IVdsService::Refresh", gone, [&] { return held.service->Refresh(); });
    ends("IVdsService::Advise", gone, [&] { return held.service->Advise(sink, &another); });
    ends("IVdsService::Unadvise", S_OK, [&] { return held.service->Unadvise(cookie); });
    VDS_PROVIDER_PROP of;
    ends("IVdsProvider::GetProperties", gone, [&] { return SIDE(IVdsProvider, held.provider)->GetProperties(&of); });
    ends("IVdsHwProvider::QuerySubSystems", gone, [&] { return held.provider->QuerySubSystems(found.out()); });
    ends("IVdsHwProvider::Reenumerate", gone, [&] { return held.provider->Reenumerate(); });
    Ref<IVdsHwProviderStoragePools> of_pools = SIDE(IVdsHwProviderStoragePools, held.provider);
    ends("IVdsHwProviderStoragePools::QueryStoragePools", gone,
         [&] { return of_pools->QueryStoragePools(0, 0, nullptr, found.out()); });
    VDS_STORAGE_POOL_PROP pool;
    ends("IVdsStoragePool::GetProperties", gone, [&] { return held.pool->GetProperties(&pool); });
    ends("IVdsStoragePool::QueryAllocatedLuns", gone, [&] { return held.pool->QueryAllocatedLuns(found.out()); });

    ends("IVdsSubSystem::QueryLuns", gone, [&] { return held.subsystem->QueryLuns(found.out()); });
    ends("IVdsSubSystem::CreateLun", gone, [&] {
        return held.subsystem->CreateLun(VDS_LT_SIMPLE, 1 << 20, nullptr, 0, nobody, nullptr, none.out());
    });
    VDS_SUB_SYSTEM_PROP2 second;
    ends("IVdsSubSystem2::GetProperties2", gone,
         [&] { return SIDE(IVdsSubSystem2, held.subsystem)->GetProperties2(&second); });
    WCHAR name[] = W("name");
    ends("IVdsSubSystemNaming::SetFriendlyName", gone,
         [&] { return SIDE(IVdsSubSystemNaming, held.subsystem)->SetFriendlyName(name); });
    ends("IVdsSubSystemIscsi::QueryTargets", gone,
         [&] { return SIDE(IVdsSubSystemIscsi, held.subsystem)->QueryTargets(found.out()); });
    LPWSTR import = nullptr;
    ends("IVdsSubSystemImportTarget::GetImportTarget", gone,
         [&] { return SIDE(IVdsSubSystemImportTarget, held.subsystem)->GetImportTarget(&import); });
    check("nothing is handed out", !service && !found && !none && !import);
}

void controller_and_drive(const Held &held)
{
    Ref<IEnumVdsObject> found;
    VDS_CONTROLLER_PROP controller;
    ends("IVdsController::GetProperties", gone, [&] { return held.controller->GetProperties(&controller); });
    ends("IVdsControllerControllerPort::QueryControllerPorts", gone, [&] {
        return SIDE(IVdsControllerControllerPort, held.controller)->QueryControllerPorts(found.out());
    });
    VDS_PORT_PROP port;
    ends("IVdsControllerPort::GetProperties", gone, [&] { return held.port->GetProperties(&port); });
    VDS_DRIVE_PROP drive;
    ends("IVdsDrive::GetProperties", gone, [&] { return held.drive->GetProperties(&drive); });
    VDS_DRIVE_PROP2 drive2;
    ends("IVdsDrive2::GetProperties2", gone, [&] { return SIDE(IVdsDrive2, held.drive)->GetProperties2(&drive2); });
}

void lun(const Held &held)
{
    Ref<IEnumVdsObject> found;
    Ref<IVdsAsync> none;
    WCHAR nobody[] = {0}, name[] = W("name");
    VDS_LUN_PROP of;
    ends("IVdsLun::GetProperties", gone, [&] { return held.lun->GetProperties(&of); });
    check("and hands out no text", !of.pwszFriendlyName && !of.pwszUnmaskingList);
    ends("IVdsLun::Delete", gone, [&] { return held.lun->Delete(); });
    ends("IVdsLun::SetMask", gone, [&] { return held.lun->SetMask(nobody); });
    ends("IVdsLun::Recover", gone, [&] { return held.lun->Recover(none.out()); });
    VDS_HINTS2 hints;
    ends("IVdsLun2::QueryHints2", gone, [&] { return SIDE(IVdsLun2, held.lun)->QueryHints2(&hints); });
    ends("IVdsLunNaming::SetFriendlyName", gone,
         [&] { return SIDE(IVdsLunNaming, held.lun)->SetFriendlyName(name); });
    ULONG number = 0;
    ends("IVdsLunNumber::GetLunNumber", gone, [&] { return SIDE(IVdsLunNumber, held.lun)->GetLunNumber(&number); });
    ends("IVdsLunControllerPorts::QueryActiveControllerPorts", gone,
         [&] { return SIDE(IVdsLunControllerPorts, held.lun)->QueryActiveControllerPorts(found.out()); });
    ends("IVdsLunIscsi::QueryAssociatedTargets", gone,
         [&] { return SIDE(IVdsLunIscsi, held.lun)->QueryAssociatedTargets(found.out()); });
    VDS_LUN_PLEX_PROP plex;
    ends("IVdsLunPlex::GetProperties", gone, [&] { return held.plex->GetProperties(&plex); });
    check("nothing is handed out of a LUN", !found && !none);
}

void iscsi(const Held &held)
{
    Ref<IEnumVdsObject> found;
    Ref<IVdsAsync> none;
    VDS_ISCSI_TARGET_PROP target;
    ends("IVdsIscsiTarget::GetProperties", gone, [&] { return held.target->GetProperties(&target); });
    ends("IVdsIscsiTarget::Delete", gone, [&] { return held.target->Delete(none.out()); });
    VDS_ISCSI_PORTALGROUP_PROP group;
    ends("IVdsIscsiPortalGroup::GetProperties", gone, [&] { return held.group->GetProperties(&group); });
    VDS_ISCSI_PORTAL_PROP portal;
    ends("IVdsIscsiPortal::GetProperties", gone, [&] { return held.portal->GetProperties(&portal); });
    check("nothing is handed out of a target", !found && !none);
}

} // namespace

int main()
{
    must("CoInitialize", CoInitialize(nullptr));
    {
        Held held;
        Sink *sink = new Sink();
        DWORD cookie = 0;
        must("Advise", held.service->Advise(sink, &cookie));
        Ref<IVdsAsync> operation;
        must("AddPlex", held.lun->AddPlex(properties(held.other).id, operation.out()));
        HRESULT waited = S_OK, result = S_OK;
        VDS_ASYNC_OUTPUT output = VDS_ASYNC_OUTPUT();
        std::thread waiter([&] { waited = operation->Wait(&result, &output); });
        std::puts("waiting");
        std::fflush(stdout);
        char line[80];
        if (!std::fgets(line, sizeof line, stdin)) must("a line", E_FAIL);

        const Clock::time_point since = Clock::now();
        waiter.join();
        soon("IVdsAsync::Wait", since);
        check("who waits is told", waited, gone);
        check("and gets nothing", !output.cl.pLunUnk);
        ULONG percent = 0;
        ends("IVdsAsync::QueryStatus", gone, [&] { return operation->QueryStatus(&result, &percent); });
        ends("IVdsAsync::Cancel", gone, [&] { return operation->Cancel(); });
        ends("IVdsAsync::Wait", gone, [&] { return operation->Wait(&result, &output); });
        service_and_provider(held, sink, cookie);
        controller_and_drive(held);
        lun(held);
        iscsi(held);
        without_service(held);
        check("the sink has been let go", sink->Release() == 0);
    }
    return end();
}
