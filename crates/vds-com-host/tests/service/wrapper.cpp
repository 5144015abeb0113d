// A program whose service has one subsystem, that of a provider that errs: `start` starts a CreateLun and waits for it by hand,
// `wrapper` leaves it to WRAPPER, a synchronous wrapper compiled beside this. Each prints what it got.
#include <windows.h>
#include "vds.h"
#include "libvds.h"
#include <cstdio>
#include <cstdlib>
#include <cstring>

HRESULT WRAPPER(IVdsSubSystem *subsystem, VDS_LUN_TYPE type, ULONGLONG size, VDS_OBJECT_ID *drives, LONG drive_count,
                LPWSTR unmasking_list, VDS_HINTS *hints, IVdsLun **lun);

static void must(const char *what, HRESULT result)
{
    if (SUCCEEDED(result)) return;
    std::printf("%s: 0x%08X\n", what, static_cast<unsigned>(result));
    std::exit(2);
}

// The next element, with a reference; NULL behind the last one.
template <typename T> static T *next(IEnumVdsObject *list, REFIID id)
{
    IUnknown *object = NULL;
    ULONG fetched = 0;
    HRESULT result = list->Next(1, &object, &fetched);
    must("Next", result);
    if (result != S_OK) return NULL;
    T *found = NULL;
    must("QueryInterface", object->QueryInterface(id, reinterpret_cast<void **>(&found)));
    object->Release();
    return found;
}

static IVdsService *load()
{
    IVdsServiceLoader *loader = NULL;
    must("CoCreateInstance", CoCreateInstance(CLSID_VdsLoader, NULL, CLSCTX_LOCAL_SERVER, IID_IVdsServiceLoader,
                                              reinterpret_cast<void **>(&loader)));
    IVdsService *service = NULL;
    must("LoadService", loader->LoadService(NULL, &service));
    loader->Release();
    must("WaitForServiceReady", service->WaitForServiceReady());
    return service;
}

static IVdsSubSystem *only_subsystem(IVdsService *service)
{
    IEnumVdsObject *providers = NULL;
    must("QueryProviders", service->QueryProviders(VDS_QUERY_HARDWARE_PROVIDERS, &providers));
    IVdsSubSystem *found = NULL;
    while (!found) {
        IVdsHwProvider *provider = next<IVdsHwProvider>(providers, IID_IVdsHwProvider);
        if (!provider) must("a subsystem", VDS_E_OBJECT_NOT_FOUND);
        IEnumVdsObject *subsystems = NULL;
        must("QuerySubSystems", provider->QuerySubSystems(&subsystems));
        found = next<IVdsSubSystem>(subsystems, IID_IVdsSubSystem);
        subsystems->Release();
        provider->Release();
    }
    providers->Release();
    return found;
}

static void start_and_wait(IVdsSubSystem *subsystem, WCHAR *nobody)
{
    IVdsAsync *operation = NULL;
    HRESULT started = subsystem->CreateLun(VDS_LT_DEFAULT, 3u << 20, NULL, 0, nobody, NULL, &operation);
    std::printf("started 0x%08X, %s\n", static_cast<unsigned>(started), operation ? "an operation" : "NULL");
    if (!operation) return;
    VDS_ASYNC_OUTPUT output;
    ZeroMemory(&output, sizeof output);
    HRESULT worked = S_OK;
    must("Wait", operation->Wait(&worked, &output));
    std::printf("ended 0x%08X, %s\n", static_cast<unsigned>(worked), output.cl.pLunUnk ? "a LUN" : "NULL");
    if (output.cl.pLunUnk) output.cl.pLunUnk->Release();
    operation->Release();
}

int main(int count, char **words)
{
    must("CoInitialize", CoInitialize(NULL));
    IVdsService *service = load();
    IVdsSubSystem *subsystem = only_subsystem(service);
    WCHAR nobody[] = {0};
    if (count > 1 && std::strcmp(words[1], "start") == 0) {
        start_and_wait(subsystem, nobody);
    } else {
        IVdsLun *lun = NULL;
        HRESULT result = WRAPPER(subsystem, VDS_LT_DEFAULT, 3u << 20, NULL, 0, nobody, NULL, &lun);
        std::printf("result 0x%08X, %s\n", static_cast<unsigned>(result), lun ? "a LUN" : "NULL");
        if (lun) lun->Release();
    }
    subsystem->Release();
    service->Release();
    CoUninitialize();
    std::printf("%lu objects left\n", static_cast<unsigned long>(VdsLiveObjects()));
    return VdsLiveObjects() != 0;
}
