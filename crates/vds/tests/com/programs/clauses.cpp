// The clauses of enumerations, operations, notifications and entry points, one named check each.
//
// `operations` makes a LUN its third copy, says `started` and goes on once a line was read: by then the work is held.
#include "check.hpp"
#include "sink.hpp"
#include <cstring>
#include <thread>

namespace {

const ULONGLONG MIB = 1ull << 20;

void entry_points()
{
    void *found = &found;
    check("CoCreateInstance before CoInitialize",
          CoCreateInstance(CLSID_VdsLoader, nullptr, CLSCTX_LOCAL_SERVER, IID_IVdsServiceLoader, &found),
          CO_E_NOTINITIALIZED);
    check("and hands out nothing", found == nullptr);
    check("CoInitialize", CoInitialize(nullptr), S_OK);
    check("CoInitialize again", CoInitialize(nullptr), S_FALSE);
    check("CoInitializeEx in another mode", CoInitializeEx(nullptr, COINIT_MULTITHREADED), RPC_E_CHANGED_MODE);
    CoUninitialize();
    check("CoCreateInstance of a class that is not ours",
          CoCreateInstance(IID_IUnknown, nullptr, CLSCTX_LOCAL_SERVER, IID_IUnknown, &found), REGDB_E_CLASSNOTREG);
    check("CoCreateInstance of an interface that it has not",
          CoCreateInstance(CLSID_VdsLoader, nullptr, CLSCTX_LOCAL_SERVER, IID_IVdsLun, &found), E_NOINTERFACE);
    check("CoCreateInstance to NULL",
          CoCreateInstance(CLSID_VdsLoader, nullptr, CLSCTX_LOCAL_SERVER, IID_IVdsServiceLoader, nullptr), E_POINTER);
    Ref<IVdsServiceLoader> loader;
    must("CoCreateInstance", CoCreateInstance(CLSID_VdsLoader, nullptr, CLSCTX_LOCAL_SERVER, IID_IVdsServiceLoader,
                                              reinterpret_cast<void **>(loader.out())));
    check("an object is alive", VdsLiveObjects() == 1);
    Ref<IVdsService> service;
    WCHAR other[] = W("another-machine");
    check("LoadService of another machine", loader->LoadService(other, service.out()), E_INVALIDARG);
    check("and hands out nothing", !service);
    check("LoadService to NULL", loader->LoadService(nullptr, nullptr), E_POINTER);
    Ref<IVdsService> direct;
    must("CoCreateInstance of the service",
         CoCreateInstance(CLSID_VdsService, nullptr, CLSCTX_LOCAL_SERVER, IID_IVdsService,
                          reinterpret_cast<void **>(direct.out())));
    Ref<IVdsServiceInitialization> begin = direct.as<IVdsServiceInitialization>();
    check("Initialize", must_have("IVdsServiceInitialization", begin)->Initialize(nullptr), S_OK);
    check("Initialize of another machine", begin->Initialize(other), E_INVALIDARG);
    check("one service, one identity", load().get() == direct.get());
    char *memory = static_cast<char *>(CoTaskMemAlloc(3));
    memcpy(memory, "ab", 3);
    memory = static_cast<char *>(CoTaskMemRealloc(memory, 4000));
    check("CoTaskMemRealloc keeps what was there", memory && strcmp(memory, "ab") == 0);
    CoTaskMemFree(memory);
}

void service_clauses(const Ref<IVdsService> &service)
{
    VDS_SERVICE_PROP found;
    check("IVdsService::GetProperties", service->GetProperties(&found), S_OK);
    check("a version", !take(found.pwszVersion).empty());
    check("GetProperties to NULL", service->GetProperties(nullptr), E_POINTER);
    Ref<IEnumVdsObject> list;
    check("QueryProviders of none", service->QueryProviders(0, list.out()), E_INVALIDARG);
    check("QueryProviders of what is none", service->QueryProviders(0x80, list.out()), E_INVALIDARG);
    check("QueryProviders to NULL", service->QueryProviders(VDS_QUERY_HARDWARE_PROVIDERS, nullptr), E_POINTER);
    check("QueryProviders of software", service->QueryProviders(VDS_QUERY_SOFTWARE_PROVIDERS, list.out()), S_OK);
    check("there are none", all<IUnknown>(list).empty());
    Ref<IUnknown> object;
    VDS_OBJECT_ID unknown = {1, 2, 3, {4, 5, 6, 7, 8, 9, 10, 11}};
    check("GetObject of what is not there", service->GetObject(unknown, VDS_OT_LUN, object.out()),
          VDS_E_OBJECT_NOT_FOUND);
    check("GetObject of an operation", service->GetObject(unknown, VDS_OT_ASYNC, object.out()), E_INVALIDARG);
    check("GetObject of a volume", service->GetObject(unknown, VDS_OT_VOLUME, object.out()), VDS_E_OBJECT_NOT_FOUND);
    check("GetObject to NULL", service->GetObject(unknown, VDS_OT_LUN, nullptr), E_POINTER);
    check("QueryMaskedDisks", service->QueryMaskedDisks(list.out()), VDS_E_NOT_SUPPORTED);
    check("QueryUnallocatedDisks", service->QueryUnallocatedDisks(list.out()), VDS_E_NOT_SUPPORTED);
    check("CleanupObsoleteMountPoints", service->CleanupObsoleteMountPoints(), VDS_E_NOT_SUPPORTED);
    check("Reboot", service->Reboot(), VDS_E_NOT_SUPPORTED);
    check("SetFlags", service->SetFlags(VDS_SVF_AUTO_MOUNT_OFF), VDS_E_NOT_SUPPORTED);
    check("ClearFlags", service->ClearFlags(VDS_SVF_AUTO_MOUNT_OFF), VDS_E_NOT_SUPPORTED);
    VDS_DRIVE_LETTER_PROP letter;
    check("QueryDriveLetters", service->QueryDriveLetters('C', 1, &letter), VDS_E_NOT_SUPPORTED);
    VDS_FILE_SYSTEM_TYPE_PROP *types = nullptr;
    LONG count = 0;
    check("QueryFileSystemTypes", service->QueryFileSystemTypes(&types, &count), VDS_E_NOT_SUPPORTED);
    VDS_SAN_POLICY policy;
    Ref<IVdsServiceSAN> san = service.as<IVdsServiceSAN>();
    check("GetSANPolicy", must_have("IVdsServiceSAN", san)->GetSANPolicy(&policy), VDS_E_NOT_SUPPORTED);
    check("SetSANPolicy", san->SetSANPolicy(VDS_SP_ONLINE), VDS_E_NOT_SUPPORTED);
    Ref<IVdsServiceUninstallDisk> disks = service.as<IVdsServiceUninstallDisk>();
    VDS_LUN_INFORMATION information = VDS_LUN_INFORMATION();
    VDS_OBJECT_ID disk;
    BOOLEAN reboot = FALSE;
    HRESULT result = S_OK;
    check("GetDiskIdFromLunInfo", must_have("disks", disks)->GetDiskIdFromLunInfo(&information, &disk),
          VDS_E_NOT_SUPPORTED);
    check("UninstallDisks", disks->UninstallDisks(&unknown, 1, FALSE, &reboot, &result), VDS_E_NOT_SUPPORTED);
    check("no LUN is masked by an interface that is not there", !service.as<IVdsLun>());
}

void enumerations(const Ref<IVdsService> &service, const Ref<IVdsSubSystem> &subsystem)
{
    Ref<IEnumVdsObject> list;
    must("QueryDrives", subsystem->QueryDrives(list.out()));
    IUnknown *objects[5] = {};
    ULONG fetched = 99;
    check("Next exactly", list->Next(2, objects, &fetched), S_OK);
    check("as many as asked for", fetched == 2 && objects[0] && objects[1] && !objects[2]);
    IUnknown *untouched = objects[0];
    fetched = 99;
    check("Next of none", list->Next(0, &untouched, &fetched), S_OK);
    check("gives none and touches no place", fetched == 0 && untouched == objects[0]);
    Ref<IEnumVdsObject> copy;
    check("Clone", list->Clone(copy.out()), S_OK);
    IUnknown *rest[5] = {};
    check("Next of more than are left", list->Next(5, rest, &fetched), S_FALSE);
    check("as many as are left: none of them was passed over", fetched == 2 && rest[1] && !rest[2]);
    IUnknown *none = nullptr;
    check("Next at the end", list->Next(1, &none, &fetched), S_FALSE);
    check("nothing at the end", fetched == 0 && !none);
    fetched = 99;
    check("Next of none at the end", list->Next(0, &none, &fetched), S_OK);
    check("is none, too", fetched == 0 && !none);
    IUnknown *third = nullptr;
    check("a copy stands where its original stood", copy->Next(1, &third, &fetched), S_OK);
    check("and lists the same objects", third == rest[0]);
    check("Reset", list->Reset(), S_OK);
    check("Skip of some", list->Skip(3), S_OK);
    check("Skip beyond the end", list->Skip(2), S_FALSE);
    check("Skip of nothing", list->Skip(0), S_OK);
    check("Reset again", list->Reset(), S_OK);
    IUnknown *first = nullptr;
    check("Next from the beginning", list->Next(1, &first, &fetched), S_OK);
    check("two enumerations, one identity", first == objects[0]);
    check("Next to NULL", list->Next(1, nullptr, &fetched), E_POINTER);
    check("Next with no place for the count", list->Next(1, &none, nullptr), E_POINTER);
    check("Clone to NULL", list->Clone(nullptr), E_POINTER);
    Ref<IEnumVdsObject> another;
    must("QueryDrives", subsystem->QueryDrives(another.out()));
    IUnknown *again = nullptr;
    must("Next", another->Next(1, &again, &fetched));
    check("another enumeration has the same objects", again == first);
    for (IUnknown *object : objects) if (object) object->Release();
    for (IUnknown *object : rest) if (object) object->Release();
    for (IUnknown *object : {third, first, again}) object->Release();

    must("QueryLuns", subsystem->QueryLuns(list.out()));
    size_t before = all<IVdsLun>(list).size();
    must("Reset", list->Reset());
    Ref<IVdsLun> lun;
    must("CreateLun", create(subsystem, VDS_LT_SIMPLE, 16 * MIB, {}, &lun));
    check("what comes later is not listed", all<IVdsLun>(list).size() == before);
    must("QueryLuns", subsystem->QueryLuns(list.out()));
    std::vector<Ref<IVdsLun>> luns = all<IVdsLun>(list);
    check("a new enumeration lists it", luns.size() == before + 1);
    must("Delete", lun->Delete());
    must("Reset", list->Reset());
    luns = all<IVdsLun>(list);
    check("what goes is still listed", luns.size() == before + 1);
    VDS_LUN_PROP gone;
    check("and says that it is gone", lun->GetProperties(&gone), VDS_E_OBJECT_DELETED);
    Ref<IUnknown> object;
    check("no way leads back to it", service->GetObject(GUID_NULL, VDS_OT_LUN, object.out()), VDS_E_OBJECT_NOT_FOUND);
}

void refusals(const Ref<IVdsSubSystem> &subsystem)
{
    WCHAR nobody[] = {0}, wrong[] = W(";;");
    Ref<IVdsAsync> operation;
    VDS_OBJECT_ID unknown = {1, 2, 3, {4, 5, 6, 7, 8, 9, 10, 11}};
    IVdsAsync *raw = reinterpret_cast<IVdsAsync *>(&operation);
    check("CreateLun of more than there is",
          subsystem->CreateLun(VDS_LT_MIRROR, 1ull << 60, nullptr, 0, nobody, nullptr, &raw), VDS_E_NOT_ENOUGH_SPACE);
    check("a refusal hands out nothing", raw == nullptr);
    check("CreateLun of a type that is none",
          subsystem->CreateLun(static_cast<VDS_LUN_TYPE>(99), MIB, nullptr, 0, nobody, nullptr, operation.out()),
          E_INVALIDARG);
    check("CreateLun of a type that is not made",
          subsystem->CreateLun(VDS_LT_RAID61, MIB, nullptr, 0, nobody, nullptr, operation.out()),
          VDS_E_NOT_SUPPORTED);
    check("CreateLun on a drive that is not there",
          subsystem->CreateLun(VDS_LT_SIMPLE, MIB, &unknown, 1, nobody, nullptr, operation.out()),
          VDS_E_OBJECT_NOT_FOUND);
    check("CreateLun with a list that is none",
          subsystem->CreateLun(VDS_LT_SIMPLE, MIB, nullptr, 0, wrong, nullptr, operation.out()), E_INVALIDARG);
    check("CreateLun without a list",
          subsystem->CreateLun(VDS_LT_SIMPLE, MIB, nullptr, 0, nullptr, nullptr, operation.out()), E_INVALIDARG);
    check("CreateLun with a count and no drives",
          subsystem->CreateLun(VDS_LT_SIMPLE, MIB, nullptr, 2, nobody, nullptr, operation.out()), E_INVALIDARG);
    check("CreateLun to NULL", subsystem->CreateLun(VDS_LT_SIMPLE, MIB, nullptr, 0, nobody, nullptr, nullptr),
          E_POINTER);
    check("QueryMaxLunCreateSize to NULL",
          subsystem->QueryMaxLunCreateSize(VDS_LT_SIMPLE, nullptr, 0, nullptr, nullptr), E_POINTER);
    check("ReplaceDrive", subsystem->ReplaceDrive(unknown, unknown), VDS_E_NOT_SUPPORTED);
    check("SetControllerStatus", subsystem->SetControllerStatus(nullptr, 0, nullptr, 0), VDS_E_NOT_SUPPORTED);
    Ref<IVdsSubSystemNaming> naming = subsystem.as<IVdsSubSystemNaming>();
    WCHAR empty[] = {0};
    check("no name", must_have("IVdsSubSystemNaming", naming)->SetFriendlyName(empty), E_INVALIDARG);
    check("SetFriendlyName to NULL", naming->SetFriendlyName(nullptr), E_INVALIDARG);
    check("nothing is blinked at", !subsystem.as<IVdsMaintenance>());
}

void pool_refusals(const Ref<IVdsService> &service, const Ref<IVdsSubSystem> &subsystem)
{
    Ref<IVdsHwProviderStoragePools> provider = first_provider(service).as<IVdsHwProviderStoragePools>();
    must_have("IVdsHwProviderStoragePools", provider);
    Ref<IVdsStoragePool> pool = pools(provider)[0];
    const VDS_OBJECT_ID id = properties(pool).id, unknown = {1, 2, 3, {4, 5, 6, 7, 8, 9, 10, 11}};
    VDS_SUB_SYSTEM_PROP array;
    must("IVdsSubSystem::GetProperties", subsystem->GetProperties(&array));
    CoTaskMemFree(array.pwszFriendlyName);
    CoTaskMemFree(array.pwszIdentification);

    Ref<IEnumVdsObject> list;
    VDS_POOL_ATTRIBUTES asked = VDS_POOL_ATTRIBUTES();
    check("QueryStoragePools to NULL", provider->QueryStoragePools(0, 0, nullptr, nullptr), E_POINTER);
    check("QueryStoragePools of a type that is none", provider->QueryStoragePools(0x80, 0, nullptr, list.out()),
          E_INVALIDARG);
    asked.ullAttributeMask = 1ull << 40;
    check("QueryStoragePools by an attribute that is none", provider->QueryStoragePools(0, 0, &asked, list.out()),
          E_INVALIDARG);
    check("QueryStoragePools with more than there is", pools(provider, 0, 1ull << 60).empty());

    WCHAR nobody[] = {0}, wrong[] = W(";;");
    Ref<IVdsAsync> operation;
    IVdsAsync *raw = reinterpret_cast<IVdsAsync *>(&operation);
    check("CreateLunInStoragePool of no pool",
          provider->CreateLunInStoragePool(VDS_LT_SIMPLE, MIB, GUID_NULL, nobody, nullptr, &raw), E_INVALIDARG);
    check("hands out nothing", raw == nullptr);
    check("CreateLunInStoragePool of a pool that is not there",
          provider->CreateLunInStoragePool(VDS_LT_SIMPLE, MIB, unknown, nobody, nullptr, operation.out()),
          VDS_E_OBJECT_NOT_FOUND);
    check("CreateLunInStoragePool of what is no pool",
          provider->CreateLunInStoragePool(VDS_LT_SIMPLE, MIB, array.id, nobody, nullptr, operation.out()),
          VDS_E_OBJECT_NOT_FOUND);
    check("CreateLunInStoragePool to NULL",
          provider->CreateLunInStoragePool(VDS_LT_SIMPLE, MIB, id, nobody, nullptr, nullptr), E_POINTER);
    check("CreateLunInStoragePool without a list",
          provider->CreateLunInStoragePool(VDS_LT_SIMPLE, MIB, id, nullptr, nullptr, operation.out()), E_INVALIDARG);
    check("CreateLunInStoragePool with a list that is none",
          provider->CreateLunInStoragePool(VDS_LT_SIMPLE, MIB, id, wrong, nullptr, operation.out()), E_INVALIDARG);
    check("CreateLunInStoragePool of a type that is none",
          provider->CreateLunInStoragePool(static_cast<VDS_LUN_TYPE>(99), MIB, id, nobody, nullptr, operation.out()),
          E_INVALIDARG);
    check("CreateLunInStoragePool of a type that is not made",
          provider->CreateLunInStoragePool(VDS_LT_RAID61, MIB, id, nobody, nullptr, operation.out()),
          VDS_E_NOT_SUPPORTED);
    check("CreateLunInStoragePool of more than there is",
          provider->CreateLunInStoragePool(VDS_LT_MIRROR, 1ull << 60, id, nobody, nullptr, operation.out()),
          VDS_E_NOT_ENOUGH_SPACE);

    ULONGLONG bytes = 0;
    check("QueryMaxLunCreateSizeInStoragePool of no pool",
          provider->QueryMaxLunCreateSizeInStoragePool(VDS_LT_SIMPLE, GUID_NULL, nullptr, &bytes), E_INVALIDARG);
    check("QueryMaxLunCreateSizeInStoragePool of a pool that is not there",
          provider->QueryMaxLunCreateSizeInStoragePool(VDS_LT_SIMPLE, unknown, nullptr, &bytes),
          VDS_E_OBJECT_NOT_FOUND);
    check("QueryMaxLunCreateSizeInStoragePool of a type that is none",
          provider->QueryMaxLunCreateSizeInStoragePool(VDS_LT_UNKNOWN, id, nullptr, &bytes), E_INVALIDARG);
    check("QueryMaxLunCreateSizeInStoragePool to NULL",
          provider->QueryMaxLunCreateSizeInStoragePool(VDS_LT_SIMPLE, id, nullptr, nullptr), E_POINTER);

    VDS_STORAGE_POOL_DRIVE_EXTENT *extents = nullptr;
    LONG count = 0;
    check("IVdsStoragePool::GetProvider to NULL", pool->GetProvider(nullptr), E_POINTER);
    check("IVdsStoragePool::GetProperties to NULL", pool->GetProperties(nullptr), E_POINTER);
    check("GetAttributes to NULL", pool->GetAttributes(nullptr), E_POINTER);
    check("QueryDriveExtents to NULL", pool->QueryDriveExtents(nullptr, &count), E_POINTER);
    check("QueryDriveExtents with no place for the count", pool->QueryDriveExtents(&extents, nullptr), E_POINTER);
    check("QueryAllocatedLuns to NULL", pool->QueryAllocatedLuns(nullptr), E_POINTER);
    check("QueryAllocatedStoragePools to NULL", pool->QueryAllocatedStoragePools(nullptr), E_POINTER);

    Ref<IUnknown> object;
    check("GetObject of a pool that is not there", service->GetObject(unknown, VDS_OT_STORAGE_POOL, object.out()),
          VDS_E_OBJECT_NOT_FOUND);
    check("GetObject of no pool", service->GetObject(GUID_NULL, VDS_OT_STORAGE_POOL, object.out()),
          VDS_E_OBJECT_NOT_FOUND);
    check("GetObject of what is no pool", service->GetObject(array.id, VDS_OT_STORAGE_POOL, object.out()),
          VDS_E_OBJECT_NOT_FOUND);
}

void ended_operation(const Ref<IVdsSubSystem> &subsystem)
{
    WCHAR nobody[] = {0};
    Ref<IVdsAsync> operation;
    must("CreateLun", subsystem->CreateLun(VDS_LT_SIMPLE, 16 * MIB, nullptr, 0, nobody, nullptr, operation.out()));
    HRESULT results[2] = {E_FAIL, E_FAIL}, waits[2] = {E_FAIL, E_FAIL};
    VDS_ASYNC_OUTPUT outputs[2] = {VDS_ASYNC_OUTPUT(), VDS_ASYNC_OUTPUT()};
    std::vector<std::thread> threads;
    for (int index = 0; index < 2; ++index)
        threads.emplace_back([&, index] { waits[index] = operation->Wait(&results[index], &outputs[index]); });
    for (std::thread &thread : threads) thread.join();
    check("two threads wait for one end", waits[0] == S_OK && waits[1] == S_OK && results[0] == S_OK && results[1] == S_OK);
    IUnknown *first = outputs[0].cl.pLunUnk, *second = outputs[1].cl.pLunUnk;
    check("both get the one LUN", outputs[0].type == VDS_ASYNCOUT_CREATELUN && first && first == second);
    ULONG left = first->Release();
    check("each has a reference of its own", left >= 1);
    second->Release();
    VDS_ASYNC_OUTPUT again = VDS_ASYNC_OUTPUT();
    HRESULT result = E_FAIL;
    check("Wait after the end", operation->Wait(&result, &again), S_OK);
    check("has the same result", result == S_OK && again.type == VDS_ASYNCOUT_CREATELUN && again.cl.pLunUnk);
    Ref<IVdsLun> lun;
    must("IVdsLun", again.cl.pLunUnk->QueryInterface(IID_IVdsLun, reinterpret_cast<void **>(lun.out())));
    again.cl.pLunUnk->Release();
    ULONG percent = 0;
    check("QueryStatus after the end", operation->QueryStatus(&result, &percent), S_OK);
    check("all of it is done", result == S_OK && percent == 100);
    check("Cancel after the end", operation->Cancel(), VDS_E_CANCEL_TOO_LATE);
    check("changes nothing", operation->QueryStatus(&result, &percent) == S_OK && result == S_OK);
    check("Wait to NULL", operation->Wait(nullptr, &again), E_POINTER);
    check("Wait with no place for the output", operation->Wait(&result, nullptr), E_POINTER);
    check("QueryStatus to NULL", operation->QueryStatus(nullptr, &percent), E_POINTER);
    check("QueryStatus with no place for the percentage", operation->QueryStatus(&result, nullptr), E_POINTER);
    must("Delete", lun->Delete());
    lun.reset();
    check("the result outlives the LUN", operation->Wait(&result, &again), S_OK);
    VDS_LUN_PROP gone;
    must("IVdsLun", again.cl.pLunUnk->QueryInterface(IID_IVdsLun, reinterpret_cast<void **>(lun.out())));
    again.cl.pLunUnk->Release();
    check("and says that it is gone", lun->GetProperties(&gone), VDS_E_OBJECT_DELETED);
}

void sinks(const Ref<IVdsService> &service, const Ref<IVdsSubSystem> &subsystem)
{
    DWORD cookies[3] = {};
    check("Advise of NULL", service->Advise(nullptr, &cookies[0]), E_INVALIDARG);
    check("Unadvise of what is none", service->Unadvise(12345), VDS_E_BAD_COOKIE);
    Sink *quick = new Sink(), *slow = new Sink(), *deep = new Sink();
    check("Advise to NULL", service->Advise(quick, nullptr), E_POINTER);

    std::mutex gate;
    std::atomic<bool> is_in(false), came_back(false);
    gate.lock();
    slow->on_notify = [&] {
        is_in = true;
        std::lock_guard<std::mutex> guard(gate);
    };
    deep->on_notify = [&] {
        if (came_back) return;
        VDS_SUB_SYSTEM_PROP found;
        if (SUCCEEDED(subsystem->GetProperties(&found))) {
            CoTaskMemFree(found.pwszFriendlyName);
            CoTaskMemFree(found.pwszIdentification);
            came_back = service->Unadvise(cookies[2]) == S_OK;
        }
    };
    must("Advise", service->Advise(slow, &cookies[1]));
    must("Advise", service->Advise(quick, &cookies[0]));
    must("Advise", service->Advise(deep, &cookies[2]));
    check("each has a cookie of its own",
          cookies[0] && cookies[1] && cookies[2] && cookies[0] != cookies[1] && cookies[1] != cookies[2]);

    Ref<IVdsLun> lun;
    must("CreateLun", create(subsystem, VDS_LT_SIMPLE, 16 * MIB, {}, &lun));
    VDS_LUN_PROP found = properties(lun);
    check("a slow sink does not hold up a quick one", quick->wait_for(VDS_NF_LUN_ARRIVE, found.id));
    check("the slow one had only begun", slow->count() == 0);
    check("a sink may call and end itself", deep->wait([&](const VDS_NOTIFICATION &) { return came_back.load(); }));
    must("Delete", lun->Delete());
    check("an end is told", quick->wait_for(VDS_NF_LUN_DEPART, found.id));
    gate.unlock();
    check("what is slow is told everything", slow->wait_for(VDS_NF_LUN_DEPART, found.id) && is_in);
    // The end of a LUN before this one may have been told him: that went on when he came.
    check("who ended himself was told no more", !deep->has(VDS_NF_LUN_DEPART, found.id));
    check("Unadvise of the quick one", service->Unadvise(cookies[0]), S_OK);
    check("Unadvise of the slow one", service->Unadvise(cookies[1]), S_OK);
    check("Unadvise of who ended himself", service->Unadvise(cookies[2]), VDS_E_BAD_COOKIE);
    check("sinks are let go", quick->Release() == 0 && slow->Release() == 0);
    deep->Release();
}

// The work is held by somebody else between the lines `started` and the one that is read.
void held_operation(const Ref<IVdsService> &service, const Ref<IVdsSubSystem> &subsystem)
{
    std::vector<Ref<IVdsLun>> luns = list<IVdsLun>(subsystem, &IVdsSubSystem::QueryLuns);
    std::string name;
    VDS_LUN_PROP found = properties(luns[0], nullptr, &name);
    Ref<IVdsLun> lun = luns[name == "db1" ? 0 : 1], other = luns[name == "db1" ? 1 : 0];
    Ref<IVdsAsync> operation;
    found = properties(other);
    must("AddPlex", lun->AddPlex(found.id, operation.out()));
    std::puts("started");
    std::fflush(stdout);
    char line[80];
    if (!std::fgets(line, sizeof line, stdin)) must("a line", E_FAIL);

    HRESULT result = S_OK;
    ULONG percent = 100;
    check("QueryStatus of work that goes on", operation->QueryStatus(&result, &percent), S_OK);
    check("it is pending, and not all of it is done", result == VDS_E_OPERATION_PENDING && percent < 100);
    VDS_ASYNC_OUTPUT output = VDS_ASYNC_OUTPUT();
    VdsSetWaitLimit(100);
    check("Wait with a limit", operation->Wait(&result, &output), VDS_E_TIMEOUT);
    check("leaves the output empty", output.type == VDS_ASYNCOUT_UNKNOWN && !output.cl.pLunUnk);
    check("and the work going on",
          operation->QueryStatus(&result, &percent) == S_OK && result == VDS_E_OPERATION_PENDING);
    VdsSetWaitLimit(INFINITE);
    HRESULT waited = E_FAIL, ended = S_OK;
    VDS_ASYNC_OUTPUT of_thread = VDS_ASYNC_OUTPUT();
    std::thread waiter([&] { waited = operation->Wait(&ended, &of_thread); });
    check("Cancel of work that goes on", operation->Cancel(), S_OK);
    waiter.join();
    check("who waits is told", waited == S_OK && ended == VDS_E_OPERATION_CANCELED);
    check("and gets nothing", !of_thread.cl.pLunUnk);
    check("QueryStatus of cancelled work", operation->QueryStatus(&result, &percent), S_OK);
    check("it is cancelled, and none of it is done", result == VDS_E_OPERATION_CANCELED && percent == 0);
    check("Cancel twice", operation->Cancel(), VDS_E_OPERATION_CANCELED);
    check("Wait after a cancel", operation->Wait(&result, &output), S_OK);
    check("has the same result", result == VDS_E_OPERATION_CANCELED && !output.cl.pLunUnk);
    (void)service;
}

} // namespace

int main(int count, char **arguments)
{
    std::string part = count > 1 ? arguments[1] : "";
    if (part == "operations") {
        must("CoInitialize", CoInitialize(nullptr));
        Ref<IVdsService> service = load();
        Ref<IVdsSubSystem> subsystem = first_subsystem(service);
        held_operation(service, subsystem);
    } else {
        entry_points();
        Ref<IVdsService> service = load();
        Ref<IVdsSubSystem> subsystem = first_subsystem(service);
        service_clauses(service);
        enumerations(service, subsystem);
        refusals(subsystem);
        pool_refusals(service, subsystem);
        ended_operation(subsystem);
        sinks(service, subsystem);
    }
    return end();
}
