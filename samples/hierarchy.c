/* Prints what there is: providers, their storage pools, their arrays, and in each the controllers, drives and LUNs with
   their plexes.

   gcc -std=c99 -I include hierarchy.c -lvds -o hierarchy */
#define COBJMACROS
#include <windows.h>
#include "vds.h"
#include "vdserr.h"
#include <stdio.h>

/* What is done with each object of an enumeration. */
typedef HRESULT (*Visit)(IUnknown *object);

static HRESULT each(IEnumVdsObject *list, Visit visit)
{
    HRESULT result = S_OK;
    for (;;) {
        IUnknown *object = NULL;
        ULONG fetched = 0;
        result = IEnumVdsObject_Next(list, 1, &object, &fetched);
        /* S_FALSE: fewer were left than asked for. */
        if (result != S_OK) break;
        result = visit(object);
        IUnknown_Release(object);
        /* Others may delete what we look at: that is no mistake. */
        if (result == VDS_E_OBJECT_DELETED) continue;
        if (FAILED(result)) break;
    }
    IEnumVdsObject_Release(list);
    return result == S_FALSE ? S_OK : result;
}

/* Prints a text and gives its memory back. */
static void tell(const char *before, WCHAR *text)
{
    const WCHAR *unit;
    fputs(before, stdout);
    for (unit = text; unit && *unit; ++unit) putchar(*unit < 0x80 ? (char)*unit : '?');
    CoTaskMemFree(text);
}

static HRESULT plex(IUnknown *object)
{
    IVdsLunPlex *plex = NULL;
    VDS_LUN_PLEX_PROP properties;
    VDS_DRIVE_EXTENT *extents = NULL;
    LONG count = 0;
    HRESULT result = IUnknown_QueryInterface(object, &IID_IVdsLunPlex, (void **)&plex);
    if (FAILED(result)) return result;
    result = IVdsLunPlex_GetProperties(plex, &properties);
    if (SUCCEEDED(result)) result = IVdsLunPlex_QueryExtents(plex, &extents, &count);
    if (SUCCEEDED(result)) {
        printf("      plex of %llu bytes on %d extents, health %u\n", properties.ullSize, (int)count,
               (unsigned)properties.health);
        CoTaskMemFree(extents);
    }
    IVdsLunPlex_Release(plex);
    return result;
}

static HRESULT lun(IUnknown *object)
{
    IVdsLun *lun = NULL;
    IEnumVdsObject *list = NULL;
    VDS_LUN_PROP properties;
    HRESULT result = IUnknown_QueryInterface(object, &IID_IVdsLun, (void **)&lun);
    if (FAILED(result)) return result;
    result = IVdsLun_GetProperties(lun, &properties);
    if (SUCCEEDED(result)) {
        tell("    LUN ", properties.pwszFriendlyName);
        printf(" of %llu bytes, type %u, status %u, health %u", properties.ullSize, (unsigned)properties.type,
               (unsigned)properties.status, (unsigned)properties.health);
        tell(", for \"", properties.pwszUnmaskingList);
        puts("\"");
        CoTaskMemFree(properties.pwszIdentification);
        result = IVdsLun_QueryPlexes(lun, &list);
    }
    IVdsLun_Release(lun);
    return FAILED(result) ? result : each(list, plex);
}

static HRESULT drive(IUnknown *object)
{
    IVdsDrive *drive = NULL;
    VDS_DRIVE_PROP properties;
    HRESULT result = IUnknown_QueryInterface(object, &IID_IVdsDrive, (void **)&drive);
    if (FAILED(result)) return result;
    result = IVdsDrive_GetProperties(drive, &properties);
    if (SUCCEEDED(result)) {
        tell("    drive ", properties.pwszFriendlyName);
        printf(" of %llu bytes in slot %d, status %u\n", properties.ullSize, (int)properties.sSlotNumber,
               (unsigned)properties.status);
        CoTaskMemFree(properties.pwszIdentification);
    }
    IVdsDrive_Release(drive);
    return result;
}

static HRESULT controller(IUnknown *object)
{
    IVdsController *controller = NULL;
    VDS_CONTROLLER_PROP properties;
    HRESULT result = IUnknown_QueryInterface(object, &IID_IVdsController, (void **)&controller);
    if (FAILED(result)) return result;
    result = IVdsController_GetProperties(controller, &properties);
    if (SUCCEEDED(result)) {
        tell("    controller ", properties.pwszFriendlyName);
        printf(" with %d ports\n", (int)properties.sNumberOfPorts);
        CoTaskMemFree(properties.pwszIdentification);
    }
    IVdsController_Release(controller);
    return result;
}

static HRESULT subsystem(IUnknown *object)
{
    IVdsSubSystem *subsystem = NULL;
    IEnumVdsObject *list = NULL;
    VDS_SUB_SYSTEM_PROP properties;
    HRESULT result = IUnknown_QueryInterface(object, &IID_IVdsSubSystem, (void **)&subsystem);
    if (FAILED(result)) return result;
    result = IVdsSubSystem_GetProperties(subsystem, &properties);
    if (SUCCEEDED(result)) {
        tell("  subsystem ", properties.pwszFriendlyName);
        printf(", status %u\n", (unsigned)properties.status);
        CoTaskMemFree(properties.pwszIdentification);
        result = IVdsSubSystem_QueryControllers(subsystem, &list);
    }
    if (SUCCEEDED(result)) result = each(list, controller);
    if (SUCCEEDED(result)) result = IVdsSubSystem_QueryDrives(subsystem, &list);
    if (SUCCEEDED(result)) result = each(list, drive);
    if (SUCCEEDED(result)) result = IVdsSubSystem_QueryLuns(subsystem, &list);
    if (SUCCEEDED(result)) result = each(list, lun);
    IVdsSubSystem_Release(subsystem);
    return result;
}

static HRESULT pool(IUnknown *object)
{
    IVdsStoragePool *pool = NULL;
    VDS_STORAGE_POOL_PROP properties;
    HRESULT result = IUnknown_QueryInterface(object, &IID_IVdsStoragePool, (void **)&pool);
    if (FAILED(result)) return result;
    result = IVdsStoragePool_GetProperties(pool, &properties);
    if (SUCCEEDED(result)) {
        tell("  pool ", properties.pwszName);
        printf(" of %llu bytes, %llu of them free, status %u\n", properties.ullTotalManagedSpace,
               properties.ullRemainingFreeSpace, (unsigned)properties.status);
        CoTaskMemFree(properties.pwszDescription);
    }
    IVdsStoragePool_Release(pool);
    return result;
}

static HRESULT pools(IVdsProvider *provider)
{
    IVdsHwProviderStoragePools *has = NULL;
    IEnumVdsObject *list = NULL;
    HRESULT result = IVdsProvider_QueryInterface(provider, &IID_IVdsHwProviderStoragePools, (void **)&has);
    /* A provider need not have any. */
    if (result == E_NOINTERFACE) return S_OK;
    if (FAILED(result)) return result;
    result = IVdsHwProviderStoragePools_QueryStoragePools(has, 0, 0, NULL, &list);
    IVdsHwProviderStoragePools_Release(has);
    return FAILED(result) ? result : each(list, pool);
}

static HRESULT provider(IUnknown *object)
{
    IVdsProvider *provider = NULL;
    IVdsHwProvider *hardware = NULL;
    IEnumVdsObject *list = NULL;
    VDS_PROVIDER_PROP properties;
    HRESULT result = IUnknown_QueryInterface(object, &IID_IVdsProvider, (void **)&provider);
    if (FAILED(result)) return result;
    result = IVdsProvider_GetProperties(provider, &properties);
    if (SUCCEEDED(result)) {
        tell("provider ", properties.pwszName);
        tell(" ", properties.pwszVersion);
        putchar('\n');
        result = pools(provider);
    }
    if (SUCCEEDED(result)) {
        result = IVdsProvider_QueryInterface(provider, &IID_IVdsHwProvider, (void **)&hardware);
    }
    IVdsProvider_Release(provider);
    if (FAILED(result)) return result;
    result = IVdsHwProvider_QuerySubSystems(hardware, &list);
    IVdsHwProvider_Release(hardware);
    return FAILED(result) ? result : each(list, subsystem);
}

static HRESULT run(void)
{
    IVdsServiceLoader *loader = NULL;
    IVdsService *service = NULL;
    IEnumVdsObject *list = NULL;
    HRESULT result = CoCreateInstance(&CLSID_VdsLoader, NULL, CLSCTX_LOCAL_SERVER, &IID_IVdsServiceLoader,
                                      (void **)&loader);
    if (FAILED(result)) return result;
    result = IVdsServiceLoader_LoadService(loader, NULL, &service);
    IVdsServiceLoader_Release(loader);
    if (FAILED(result)) return result;
    result = IVdsService_WaitForServiceReady(service);
    if (SUCCEEDED(result)) result = IVdsService_QueryProviders(service, VDS_QUERY_HARDWARE_PROVIDERS, &list);
    if (SUCCEEDED(result)) result = each(list, provider);
    IVdsService_Release(service);
    return result;
}

int main(void)
{
    HRESULT result = CoInitialize(NULL);
    if (SUCCEEDED(result)) {
        result = run();
        CoUninitialize();
    }
    if (FAILED(result)) fprintf(stderr, "error 0x%08X\n", (unsigned)result);
    return FAILED(result);
}
