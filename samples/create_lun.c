/* Makes a LUN and waits for it.

     create_lun MIB [INITIATOR]     through the first array there is; INITIATOR may see it, or nobody

   gcc -std=c99 -I include create_lun.c -lvds -o create_lun */
#define COBJMACROS
#include <windows.h>
#include "vds.h"
#include "vdserr.h"
#include <stdio.h>
#include <stdlib.h>

enum { MASK_UNITS = 224 };

/* The next object of an enumeration, by this interface. */
static HRESULT next(IEnumVdsObject *list, REFIID iid, void **found)
{
    IUnknown *object = NULL;
    ULONG fetched = 0;
    HRESULT result = IEnumVdsObject_Next(list, 1, &object, &fetched);
    /* S_FALSE is the end of the list: there is none. */
    if (result == S_FALSE) return VDS_E_OBJECT_NOT_FOUND;
    if (FAILED(result)) return result;
    result = IUnknown_QueryInterface(object, iid, found);
    IUnknown_Release(object);
    return result;
}

/* The first subsystem of a provider. */
static HRESULT first_of(IVdsHwProvider *provider, IVdsSubSystem **subsystem)
{
    IEnumVdsObject *list = NULL;
    HRESULT result = IVdsHwProvider_QuerySubSystems(provider, &list);
    if (FAILED(result)) return result;
    result = next(list, &IID_IVdsSubSystem, (void **)subsystem);
    IEnumVdsObject_Release(list);
    return result;
}

/* Of all providers: not every one has a subsystem. */
static HRESULT first_subsystem(IVdsService *service, IVdsSubSystem **subsystem)
{
    IEnumVdsObject *providers = NULL;
    HRESULT found = VDS_E_OBJECT_NOT_FOUND;
    HRESULT result = IVdsService_QueryProviders(service, VDS_QUERY_HARDWARE_PROVIDERS, &providers);
    if (FAILED(result)) return result;
    while (found == VDS_E_OBJECT_NOT_FOUND) {
        IVdsHwProvider *provider = NULL;
        result = next(providers, &IID_IVdsHwProvider, (void **)&provider);
        if (FAILED(result)) break;
        found = first_of(provider, subsystem);
        IVdsHwProvider_Release(provider);
    }
    IEnumVdsObject_Release(providers);
    return FAILED(result) ? result : found;
}

static HRESULT wait_for_lun(IVdsAsync *operation, IVdsLun **lun)
{
    /* Two results: that of the wait, and that of the work. */
    VDS_ASYNC_OUTPUT output;
    HRESULT work = S_OK;
    HRESULT result;
    ZeroMemory(&output, sizeof output);
    result = IVdsAsync_Wait(operation, &work, &output);
    if (FAILED(work)) return work;
    if (FAILED(result)) return result;
    if (output.type != VDS_ASYNCOUT_CREATELUN || !output.cl.pLunUnk) return E_UNEXPECTED;
    result = IUnknown_QueryInterface(output.cl.pLunUnk, &IID_IVdsLun, (void **)lun);
    IUnknown_Release(output.cl.pLunUnk);
    return result;
}

static HRESULT create(IVdsSubSystem *subsystem, ULONGLONG bytes, WCHAR *mask, IVdsLun **lun)
{
    IVdsAsync *operation = NULL;
    HRESULT result =
        IVdsSubSystem_CreateLun(subsystem, VDS_LT_DEFAULT, bytes, NULL, 0, mask, NULL, &operation);
    /* Refused at once: there is nothing to wait for. */
    if (FAILED(result)) return result;
    if (!operation) return E_UNEXPECTED;
    result = wait_for_lun(operation, lun);
    IVdsAsync_Release(operation);
    return result;
}

static HRESULT tell(IVdsLun *lun)
{
    VDS_LUN_PROP properties;
    const WCHAR *unit;
    HRESULT result = IVdsLun_GetProperties(lun, &properties);
    if (FAILED(result)) return result;
    for (unit = properties.pwszFriendlyName; unit && *unit; ++unit) putchar(*unit < 0x80 ? (char)*unit : '?');
    printf(": %llu bytes, type %d\n", properties.ullSize, (int)properties.type);
    CoTaskMemFree(properties.pwszFriendlyName);
    CoTaskMemFree(properties.pwszIdentification);
    CoTaskMemFree(properties.pwszUnmaskingList);
    return S_OK;
}

static HRESULT run(ULONGLONG bytes, WCHAR *mask)
{
    IVdsServiceLoader *loader = NULL;
    IVdsService *service = NULL;
    IVdsSubSystem *subsystem = NULL;
    IVdsLun *lun = NULL;
    HRESULT result = CoCreateInstance(&CLSID_VdsLoader, NULL, CLSCTX_LOCAL_SERVER, &IID_IVdsServiceLoader,
                                      (void **)&loader);
    if (FAILED(result)) return result;
    result = IVdsServiceLoader_LoadService(loader, NULL, &service);
    IVdsServiceLoader_Release(loader);
    if (FAILED(result)) return result;
    result = IVdsService_WaitForServiceReady(service);
    if (SUCCEEDED(result)) result = first_subsystem(service, &subsystem);
    IVdsService_Release(service);
    if (FAILED(result)) return result;
    result = create(subsystem, bytes, mask, &lun);
    IVdsSubSystem_Release(subsystem);
    if (FAILED(result)) return result;
    result = tell(lun);
    IVdsLun_Release(lun);
    return result;
}

int main(int count, char **arguments)
{
    WCHAR mask[MASK_UNITS] = {0};
    HRESULT result;
    int unit;
    if (count < 2) {
        fprintf(stderr, "create_lun MIB [INITIATOR]\n");
        return 2;
    }
    /* The name of an initiator has 223 bytes at most; the last unit stays 0. */
    for (unit = 0; count > 2 && arguments[2][unit] && unit < MASK_UNITS - 1; ++unit)
        mask[unit] = (unsigned char)arguments[2][unit];
    result = CoInitialize(NULL);
    if (SUCCEEDED(result)) {
        result = run(strtoull(arguments[1], NULL, 10) << 20, mask);
        CoUninitialize();
    }
    if (FAILED(result)) fprintf(stderr, "error 0x%08X\n", (unsigned)result);
    return FAILED(result);
}
