// Prints what there is: providers, their storage pools, their arrays, and in each the controllers, drives and LUNs with
// their plexes.
//
//   g++ -std=c++11 -I include hierarchy.cpp -lvds -o hierarchy
#include <windows.h>
#include "vds.h"
#include "vdserr.h"
#include <cstdio>
#include <string>
#include <utility>

namespace {

// A call that failed: the rest of what was being looked at is left.
struct Failure {
    HRESULT result;
};

void check(HRESULT result)
{
    if (FAILED(result)) throw Failure{result};
}

// A pointer to an interface that gives its reference back.
template <typename T> class Ref {
public:
    Ref() : pointer(nullptr) {}
    Ref(Ref &&other) : pointer(other.pointer) { other.pointer = nullptr; }
    Ref(const Ref &) = delete;
    Ref &operator=(Ref other)
    {
        std::swap(pointer, other.pointer);
        return *this;
    }
    ~Ref() { if (pointer) pointer->Release(); }
    T *operator->() const { return pointer; }
    T *get() const { return pointer; }
    // Where a call puts its pointer; it holds none yet.
    T **out() { return &pointer; }
    // The same object by another interface.
    template <typename I> Ref<I> as(REFIID iid) const
    {
        Ref<I> found;
        check(pointer->QueryInterface(iid, reinterpret_cast<void **>(found.out())));
        return found;
    }

private:
    T *pointer;
};

// Does something with each object of an enumeration, by an interface.
template <typename I, typename Visit> void each(const Ref<IEnumVdsObject> &list, REFIID iid, Visit visit)
{
    for (;;) {
        Ref<IUnknown> object;
        ULONG fetched = 0;
        HRESULT result = list->Next(1, object.out(), &fetched);
        check(result);
        // S_FALSE: fewer were left than asked for.
        if (result != S_OK) return;
        try {
            visit(object.as<I>(iid));
        } catch (const Failure &failure) {
            // Others may delete what we look at: that is no mistake.
            if (failure.result != VDS_E_OBJECT_DELETED) throw;
        }
    }
}

// The same with what a method of an object lists.
template <typename I, typename Owner, typename Visit>
void each(const Ref<Owner> &owner, HRESULT (STDMETHODCALLTYPE Owner::*query)(IEnumVdsObject **), REFIID iid, Visit visit)
{
    Ref<IEnumVdsObject> list;
    check((owner.get()->*query)(list.out()));
    each<I>(list, iid, visit);
}

// A text that was handed out, and its memory given back.
std::string text(WCHAR *units)
{
    std::string bytes;
    for (const WCHAR *unit = units; unit && *unit; ++unit) bytes += *unit < 0x80 ? static_cast<char>(*unit) : '?';
    CoTaskMemFree(units);
    return bytes;
}

void plex(const Ref<IVdsLunPlex> &plex)
{
    VDS_LUN_PLEX_PROP properties;
    check(plex->GetProperties(&properties));
    VDS_DRIVE_EXTENT *extents = nullptr;
    LONG count = 0;
    check(plex->QueryExtents(&extents, &count));
    CoTaskMemFree(extents);
    std::printf("      plex of %llu bytes on %d extents, health %u\n", properties.ullSize, static_cast<int>(count),
                static_cast<unsigned>(properties.health));
}

void lun(const Ref<IVdsLun> &lun)
{
    VDS_LUN_PROP properties;
    check(lun->GetProperties(&properties));
    const std::string name = text(properties.pwszFriendlyName), mask = text(properties.pwszUnmaskingList);
    CoTaskMemFree(properties.pwszIdentification);
    std::printf("    LUN %s of %llu bytes, type %u, status %u, health %u, for \"%s\"\n", name.c_str(), properties.ullSize,
                static_cast<unsigned>(properties.type), static_cast<unsigned>(properties.status),
                static_cast<unsigned>(properties.health), mask.c_str());
    each<IVdsLunPlex>(lun, &IVdsLun::QueryPlexes, IID_IVdsLunPlex, plex);
}

void drive(const Ref<IVdsDrive> &drive)
{
    VDS_DRIVE_PROP properties;
    check(drive->GetProperties(&properties));
    const std::string name = text(properties.pwszFriendlyName);
    CoTaskMemFree(properties.pwszIdentification);
    std::printf("    drive %s of %llu bytes in slot %d, status %u\n", name.c_str(), properties.ullSize,
                static_cast<int>(properties.sSlotNumber), static_cast<unsigned>(properties.status));
}

void controller(const Ref<IVdsController> &controller)
{
    VDS_CONTROLLER_PROP properties;
    check(controller->GetProperties(&properties));
    const std::string name = text(properties.pwszFriendlyName);
    CoTaskMemFree(properties.pwszIdentification);
    std::printf("    controller %s with %d ports\n", name.c_str(), static_cast<int>(properties.sNumberOfPorts));
}

void subsystem(const Ref<IVdsSubSystem> &subsystem)
{
    VDS_SUB_SYSTEM_PROP properties;
    check(subsystem->GetProperties(&properties));
    const std::string name = text(properties.pwszFriendlyName);
    CoTaskMemFree(properties.pwszIdentification);
    std::printf("  subsystem %s, status %u\n", name.c_str(), static_cast<unsigned>(properties.status));
    each<IVdsController>(subsystem, &IVdsSubSystem::QueryControllers, IID_IVdsController, controller);
    each<IVdsDrive>(subsystem, &IVdsSubSystem::QueryDrives, IID_IVdsDrive, drive);
    each<IVdsLun>(subsystem, &IVdsSubSystem::QueryLuns, IID_IVdsLun, lun);
}

void pool(const Ref<IVdsStoragePool> &pool)
{
    VDS_STORAGE_POOL_PROP properties;
    check(pool->GetProperties(&properties));
    const std::string name = text(properties.pwszName);
    CoTaskMemFree(properties.pwszDescription);
    std::printf("  pool %s of %llu bytes, %llu of them free, status %u\n", name.c_str(), properties.ullTotalManagedSpace,
                properties.ullRemainingFreeSpace, static_cast<unsigned>(properties.status));
}

void pools(const Ref<IVdsProvider> &provider)
{
    Ref<IVdsHwProviderStoragePools> has;
    HRESULT result =
        provider->QueryInterface(IID_IVdsHwProviderStoragePools, reinterpret_cast<void **>(has.out()));
    // A provider need not have any.
    if (result == E_NOINTERFACE) return;
    check(result);
    Ref<IEnumVdsObject> list;
    check(has->QueryStoragePools(0, 0, nullptr, list.out()));
    each<IVdsStoragePool>(list, IID_IVdsStoragePool, pool);
}

void provider(const Ref<IVdsProvider> &provider)
{
    VDS_PROVIDER_PROP properties;
    check(provider->GetProperties(&properties));
    const std::string name = text(properties.pwszName), version = text(properties.pwszVersion);
    std::printf("provider %s %s\n", name.c_str(), version.c_str());
    pools(provider);
    each<IVdsSubSystem>(provider.as<IVdsHwProvider>(IID_IVdsHwProvider), &IVdsHwProvider::QuerySubSystems,
                        IID_IVdsSubSystem, subsystem);
}

void run()
{
    Ref<IVdsServiceLoader> loader;
    check(CoCreateInstance(CLSID_VdsLoader, nullptr, CLSCTX_LOCAL_SERVER, IID_IVdsServiceLoader,
                           reinterpret_cast<void **>(loader.out())));
    Ref<IVdsService> service;
    check(loader->LoadService(nullptr, service.out()));
    check(service->WaitForServiceReady());
    Ref<IEnumVdsObject> list;
    check(service->QueryProviders(VDS_QUERY_HARDWARE_PROVIDERS, list.out()));
    each<IVdsProvider>(list, IID_IVdsProvider, provider);
}

} // namespace

int main()
{
    HRESULT result = CoInitialize(nullptr);
    if (SUCCEEDED(result)) {
        try {
            run();
        } catch (const Failure &failure) {
            result = failure.result;
        }
        CoUninitialize();
    }
    if (FAILED(result)) std::fprintf(stderr, "error 0x%08X\n", static_cast<unsigned>(result));
    return FAILED(result);
}
