// Makes a LUN and waits for it.
//
//   create_lun MIB [INITIATOR]     through the first array there is; INITIATOR may see it, or nobody
//
//   g++ -std=c++11 -I include create_lun.cpp -lvds -o create_lun
#include <windows.h>
#include "vds.h"
#include "vdserr.h"
#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

// A pointer to an interface that gives its reference back.
template <typename T> class Ref {
public:
    Ref() : pointer(nullptr) {}
    ~Ref() { reset(); }
    Ref(const Ref &) = delete;
    Ref &operator=(const Ref &) = delete;
    T *operator->() const { return pointer; }
    T *get() const { return pointer; }
    T **out() { reset(); return &pointer; }
    void **any() { reset(); return reinterpret_cast<void **>(&pointer); }
    void reset()
    {
        if (pointer) pointer->Release();
        pointer = nullptr;
    }

private:
    T *pointer;
};

// The next object of an enumeration, by this interface. S_FALSE is the end of the list: there is none.
HRESULT next(IEnumVdsObject *list, REFIID iid, void **found)
{
    Ref<IUnknown> object;
    ULONG fetched = 0;
    HRESULT result = list->Next(1, object.out(), &fetched);
    if (result == S_FALSE) return VDS_E_OBJECT_NOT_FOUND;
    if (FAILED(result)) return result;
    return object->QueryInterface(iid, found);
}

HRESULT first_subsystem(IVdsService *service, IVdsSubSystem **subsystem)
{
    Ref<IEnumVdsObject> providers;
    HRESULT result = service->QueryProviders(VDS_QUERY_HARDWARE_PROVIDERS, providers.out());
    if (FAILED(result)) return result;
    // Not every provider has a subsystem.
    for (;;) {
        Ref<IVdsHwProvider> provider;
        result = next(providers.get(), IID_IVdsHwProvider, provider.any());
        if (FAILED(result)) return result;
        Ref<IEnumVdsObject> subsystems;
        result = provider->QuerySubSystems(subsystems.out());
        if (FAILED(result)) return result;
        result = next(subsystems.get(), IID_IVdsSubSystem, reinterpret_cast<void **>(subsystem));
        if (result != VDS_E_OBJECT_NOT_FOUND) return result;
    }
}

HRESULT create(IVdsSubSystem *subsystem, ULONGLONG bytes, const std::basic_string<WCHAR> &mask, IVdsLun **lun)
{
    *lun = nullptr;
    Ref<IVdsAsync> operation;
    HRESULT result = subsystem->CreateLun(
        VDS_LT_DEFAULT, bytes, nullptr, 0, const_cast<WCHAR *>(mask.c_str()), nullptr, operation.out());
    // Refused at once: there is nothing to wait for.
    if (FAILED(result)) return result;
    if (!operation.get()) return E_UNEXPECTED;

    // Two results: that of the wait, and that of the work.
    VDS_ASYNC_OUTPUT output = VDS_ASYNC_OUTPUT();
    HRESULT work = S_OK;
    result = operation->Wait(&work, &output);
    if (FAILED(work)) return work;
    if (FAILED(result)) return result;
    if (output.type != VDS_ASYNCOUT_CREATELUN || !output.cl.pLunUnk) return E_UNEXPECTED;
    result = output.cl.pLunUnk->QueryInterface(IID_IVdsLun, reinterpret_cast<void **>(lun));
    output.cl.pLunUnk->Release();
    return result;
}

std::string narrow(const WCHAR *text)
{
    std::string bytes;
    for (; text && *text; ++text) bytes += *text < 0x80 ? static_cast<char>(*text) : '?';
    return bytes;
}

HRESULT run(ULONGLONG bytes, const std::basic_string<WCHAR> &mask)
{
    Ref<IVdsServiceLoader> loader;
    HRESULT result =
        CoCreateInstance(CLSID_VdsLoader, nullptr, CLSCTX_LOCAL_SERVER, IID_IVdsServiceLoader, loader.any());
    if (FAILED(result)) return result;
    Ref<IVdsService> service;
    result = loader->LoadService(nullptr, service.out());
    if (FAILED(result)) return result;
    result = service->WaitForServiceReady();
    if (FAILED(result)) return result;
    Ref<IVdsSubSystem> subsystem;
    result = first_subsystem(service.get(), subsystem.out());
    if (FAILED(result)) return result;
    Ref<IVdsLun> lun;
    result = create(subsystem.get(), bytes, mask, lun.out());
    if (FAILED(result)) return result;

    VDS_LUN_PROP properties;
    result = lun->GetProperties(&properties);
    if (FAILED(result)) return result;
    std::printf("%s: %llu bytes, type %d\n", narrow(properties.pwszFriendlyName).c_str(), properties.ullSize,
                static_cast<int>(properties.type));
    CoTaskMemFree(properties.pwszFriendlyName);
    CoTaskMemFree(properties.pwszIdentification);
    CoTaskMemFree(properties.pwszUnmaskingList);
    return S_OK;
}

} // namespace

int main(int count, char **arguments)
{
    if (count < 2) {
        std::fprintf(stderr, "create_lun MIB [INITIATOR]\n");
        return 2;
    }
    std::basic_string<WCHAR> mask;
    if (count > 2) {
        for (const char *byte = arguments[2]; *byte; ++byte) mask += static_cast<unsigned char>(*byte);
    }
    HRESULT result = CoInitialize(nullptr);
    if (SUCCEEDED(result)) {
        result = run(std::strtoull(arguments[1], nullptr, 10) << 20, mask);
        CoUninitialize();
    }
    if (FAILED(result)) std::fprintf(stderr, "error 0x%08X\n", static_cast<unsigned>(result));
    return FAILED(result);
}
