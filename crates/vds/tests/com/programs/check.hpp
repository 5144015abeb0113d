// What the test programs share: counted pointers, enumerations as vectors, named checks.
#ifndef CHECK_HPP
#define CHECK_HPP

#include <windows.h>
#include "vds.h"
#include "vdserr.h"
#include "libvds.h"
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

// A literal of WCHARs; those of Windows are of another type than C++'s units of UTF-16.
#ifdef _WIN32
#define W(text) L##text
#else
#define W(text) u##text
#endif

template <typename T> struct Id;
#define ID_OF(type)                                      \
    template <> struct Id<type> {                        \
        static const IID &get() { return IID_##type; }   \
    };
ID_OF(IUnknown)
ID_OF(IEnumVdsObject)
ID_OF(IVdsAsync)
ID_OF(IVdsServiceLoader)
ID_OF(IVdsService)
ID_OF(IVdsServiceInitialization)
ID_OF(IVdsServiceSAN)
ID_OF(IVdsServiceUninstallDisk)
ID_OF(IVdsProvider)
ID_OF(IVdsProviderSupport)
ID_OF(IVdsHwProvider)
ID_OF(IVdsHwProviderType)
ID_OF(IVdsHwProviderType2)
ID_OF(IVdsHwProviderStoragePools)
ID_OF(IVdsSubSystem)
ID_OF(IVdsSubSystem2)
ID_OF(IVdsSubSystemNaming)
ID_OF(IVdsSubSystemIscsi)
ID_OF(IVdsSubSystemInterconnect)
ID_OF(IVdsSubSystemImportTarget)
ID_OF(IVdsController)
ID_OF(IVdsControllerControllerPort)
ID_OF(IVdsControllerPort)
ID_OF(IVdsDrive)
ID_OF(IVdsDrive2)
ID_OF(IVdsMaintenance)
ID_OF(IVdsLun)
ID_OF(IVdsLun2)
ID_OF(IVdsLunNaming)
ID_OF(IVdsLunNumber)
ID_OF(IVdsLunIscsi)
ID_OF(IVdsLunMpio)
ID_OF(IVdsLunControllerPorts)
ID_OF(IVdsLunPlex)
ID_OF(IVdsStoragePool)
ID_OF(IVdsIscsiTarget)
ID_OF(IVdsIscsiPortalGroup)
ID_OF(IVdsIscsiPortal)
ID_OF(IVdsIscsiPortalLocal)

// A pointer to an interface, with a reference of its own.
template <typename T> class Ref {
public:
    Ref() : pointer(nullptr) {}
    Ref(const Ref &other) : pointer(other.pointer) { if (pointer) pointer->AddRef(); }
    Ref(Ref &&other) : pointer(other.pointer) { other.pointer = nullptr; }
    ~Ref() { reset(); }
    Ref &operator=(Ref other)
    {
        std::swap(pointer, other.pointer);
        return *this;
    }
    T *operator->() const { return pointer; }
    T *get() const { return pointer; }
    T **out() { reset(); return &pointer; }
    explicit operator bool() const { return pointer != nullptr; }
    void reset()
    {
        if (pointer) pointer->Release();
        pointer = nullptr;
    }
    template <typename I> Ref<I> as() const
    {
        Ref<I> found;
        if (pointer) pointer->QueryInterface(Id<I>::get(), reinterpret_cast<void **>(found.out()));
        return found;
    }

private:
    T *pointer;
};

// Named checks: each prints a line; the program fails when one of them does.
inline int &failures()
{
    static int count = 0;
    return count;
}

inline bool check(const char *name, bool holds)
{
    std::printf("%s %s\n", holds ? "ok" : "FAILED", name);
    std::fflush(stdout);
    if (!holds) ++failures();
    return holds;
}

// The same for a result.
inline bool check(const char *name, HRESULT found, HRESULT expected)
{
    if (found != expected)
        std::printf("%s: 0x%08X, not 0x%08X\n", name, static_cast<unsigned>(found), static_cast<unsigned>(expected));
    return check(name, found == expected);
}

// What nothing can go on without.
inline void must(const char *what, HRESULT result)
{
    if (SUCCEEDED(result)) return;
    std::printf("FAILED %s: 0x%08X\n", what, static_cast<unsigned>(result));
    std::exit(1);
}

template <typename T> T &must_have(const char *what, T &pointer)
{
    if (!pointer) {
        std::printf("FAILED %s: there is none\n", what);
        std::exit(1);
    }
    return pointer;
}

// Everything that is left of an enumeration, by an interface.
template <typename T> std::vector<Ref<T>> all(const Ref<IEnumVdsObject> &list)
{
    std::vector<Ref<T>> found;
    for (;;) {
        Ref<IUnknown> object;
        ULONG fetched = 0;
        HRESULT result = list->Next(1, object.out(), &fetched);
        must("Next", result);
        if (result != S_OK) return found;
        Ref<T> as = object.as<T>();
        found.push_back(must_have("the interface of an element", as));
    }
}

// What a method that gives an enumeration gives.
template <typename T, typename Object>
std::vector<Ref<T>> list(const Ref<Object> &object, HRESULT (Object::*method)(IEnumVdsObject **))
{
    Ref<IEnumVdsObject> found;
    must("an enumeration", (object.get()->*method)(found.out()));
    return all<T>(found);
}

// The service, ready or not.
inline Ref<IVdsService> reach()
{
    Ref<IVdsServiceLoader> loader;
    must("CoCreateInstance",
         CoCreateInstance(CLSID_VdsLoader, nullptr, CLSCTX_LOCAL_SERVER, IID_IVdsServiceLoader,
                          reinterpret_cast<void **>(loader.out())));
    Ref<IVdsService> service;
    must("LoadService", loader->LoadService(nullptr, service.out()));
    return service;
}

inline Ref<IVdsService> load()
{
    Ref<IVdsService> service = reach();
    must("WaitForServiceReady", service->WaitForServiceReady());
    return service;
}

inline Ref<IVdsHwProvider> first_provider(const Ref<IVdsService> &service)
{
    Ref<IEnumVdsObject> found;
    must("QueryProviders", service->QueryProviders(VDS_QUERY_HARDWARE_PROVIDERS, found.out()));
    std::vector<Ref<IVdsHwProvider>> providers = all<IVdsHwProvider>(found);
    if (providers.empty()) must("a provider", VDS_E_OBJECT_NOT_FOUND);
    return providers[0];
}

inline Ref<IVdsSubSystem> first_subsystem(const Ref<IVdsService> &service)
{
    std::vector<Ref<IVdsSubSystem>> found =
        list<IVdsSubSystem>(first_provider(service), &IVdsHwProvider::QuerySubSystems);
    if (found.empty()) must("a subsystem", VDS_E_OBJECT_NOT_FOUND);
    return found[0];
}

// The text, and its memory given back.
inline std::string take(WCHAR *text)
{
    std::string bytes;
    for (const WCHAR *unit = text; unit && *unit; ++unit) bytes += *unit < 0x80 ? static_cast<char>(*unit) : '?';
    CoTaskMemFree(text);
    return bytes;
}

inline VDS_LUN_PROP properties(const Ref<IVdsLun> &lun, std::string *mask = nullptr, std::string *name = nullptr)
{
    VDS_LUN_PROP found;
    must("IVdsLun::GetProperties", lun->GetProperties(&found));
    std::string names[] = {take(found.pwszFriendlyName), take(found.pwszIdentification), take(found.pwszUnmaskingList)};
    if (name) *name = names[0];
    if (mask) *mask = names[2];
    found.pwszFriendlyName = found.pwszIdentification = found.pwszUnmaskingList = nullptr;
    return found;
}

inline VDS_DRIVE_PROP properties(const Ref<IVdsDrive> &drive)
{
    VDS_DRIVE_PROP found;
    must("IVdsDrive::GetProperties", drive->GetProperties(&found));
    take(found.pwszFriendlyName);
    take(found.pwszIdentification);
    found.pwszFriendlyName = found.pwszIdentification = nullptr;
    return found;
}

// The end of an operation: its own result, or the wait's.
inline HRESULT wait(const Ref<IVdsAsync> &operation, VDS_ASYNC_OUTPUT_TYPE expected)
{
    VDS_ASYNC_OUTPUT output = VDS_ASYNC_OUTPUT();
    HRESULT work = S_OK;
    HRESULT waited = operation->Wait(&work, &output);
    if (FAILED(work)) return work;
    if (FAILED(waited)) return waited;
    return output.type == expected ? S_OK : E_UNEXPECTED;
}

// Waits for the LUN of an operation.
inline HRESULT made(const Ref<IVdsAsync> &operation, Ref<IVdsLun> *lun)
{
    if (!operation) return E_UNEXPECTED;
    VDS_ASYNC_OUTPUT output = VDS_ASYNC_OUTPUT();
    HRESULT work = S_OK;
    HRESULT result = operation->Wait(&work, &output);
    if (FAILED(work)) return work;
    if (FAILED(result)) return result;
    if (output.type != VDS_ASYNCOUT_CREATELUN || !output.cl.pLunUnk) return E_UNEXPECTED;
    result = output.cl.pLunUnk->QueryInterface(IID_IVdsLun, reinterpret_cast<void **>(lun->out()));
    output.cl.pLunUnk->Release();
    return result;
}

// Makes a LUN on these drives and waits for it.
inline HRESULT create(const Ref<IVdsSubSystem> &subsystem, VDS_LUN_TYPE type, ULONGLONG bytes,
                      std::vector<VDS_OBJECT_ID> drives, Ref<IVdsLun> *lun)
{
    WCHAR nobody[] = {0};
    Ref<IVdsAsync> operation;
    HRESULT result = subsystem->CreateLun(type, bytes, drives.empty() ? nullptr : drives.data(),
                                          static_cast<LONG>(drives.size()), nobody, nullptr, operation.out());
    return FAILED(result) ? result : made(operation, lun);
}

// Pools of a provider, as they are asked for.
inline std::vector<Ref<IVdsStoragePool>> pools(const Ref<IVdsHwProviderStoragePools> &provider, ULONG types = 0,
                                               ULONGLONG free = 0, VDS_POOL_ATTRIBUTES *attributes = nullptr)
{
    Ref<IEnumVdsObject> found;
    must("QueryStoragePools", provider->QueryStoragePools(types, free, attributes, found.out()));
    return all<IVdsStoragePool>(found);
}

inline VDS_STORAGE_POOL_PROP properties(const Ref<IVdsStoragePool> &pool, std::string *name = nullptr)
{
    VDS_STORAGE_POOL_PROP found;
    must("IVdsStoragePool::GetProperties", pool->GetProperties(&found));
    std::string names[] = {take(found.pwszName), take(found.pwszDescription)};
    if (name) *name = names[0];
    found.pwszName = found.pwszDescription = nullptr;
    return found;
}

inline int end()
{
    CoUninitialize();
    check("no object is left", VdsLiveObjects() == 0);
    return failures() != 0;
}

#endif
