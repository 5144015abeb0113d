/* SPDX-License-Identifier: MIT */
/* The side of Windows: memory, threads, and the module as COM wants one, with its classes, their registration, and
   what takes a class into the process of a program that asked for a server in another. */
#define COBJMACROS
#define CONST_VTABLE
#include <windows.h>
#include <objbase.h>
#include <olectl.h>
#include <stdio.h>
#include "module.h"

static HINSTANCE module;

/* Memory and threads. */

void *windows_allocate(size_t bytes)
{
    return CoTaskMemAlloc(bytes);
}

void windows_free(void *memory)
{
    CoTaskMemFree(memory);
}

struct beginning
{
    void (*run)(void *argument);
    void *argument;
};

static DWORD WINAPI begin(void *argument)
{
    struct beginning beginning = *(struct beginning *)argument;
    HeapFree(GetProcessHeap(), 0, argument);
    /* What a program does in a callback may need COM; any thread may call any object. */
    CoInitializeEx(NULL, COINIT_MULTITHREADED);
    beginning.run(beginning.argument);
    CoUninitialize();
    return 0;
}

BOOL windows_thread(void (*run)(void *argument), void *argument)
{
    struct beginning *beginning = HeapAlloc(GetProcessHeap(), 0, sizeof *beginning);
    HANDLE thread;
    if (!beginning)
        return FALSE;
    beginning->run = run;
    beginning->argument = argument;
    thread = CreateThread(NULL, 0, begin, beginning, 0, NULL);
    if (!thread) {
        HeapFree(GetProcessHeap(), 0, beginning);
        return FALSE;
    }
    CloseHandle(thread);
    return TRUE;
}

/* A class. It goes to another process by value: there, this module makes it anew. */

/* 6d1d3a2e-41f1-4d0e-9d43-5a3a6d9d7b10: what makes it anew. */
static const CLSID CLSID_Unmarshaler = { 0x6d1d3a2e, 0x41f1, 0x4d0e, { 0x9d, 0x43, 0x5a, 0x3a, 0x6d, 0x9d, 0x7b, 0x10 } };

struct factory
{
    IClassFactory class_factory;
    IMarshal marshal;
    LONG references;
    /* CLSID_Unmarshaler for the one that makes nothing but empty classes, to be filled by UnmarshalInterface. */
    CLSID clsid;
};

/* When a class last went to another process, in milliseconds of the system. */
static LONG last_asked;

static HRESULT make_factory(const CLSID *clsid, REFIID iid, void **made);

static struct factory *of_class_factory(IClassFactory *face)
{
    return CONTAINING_RECORD(face, struct factory, class_factory);
}

static struct factory *of_marshal(IMarshal *face)
{
    return CONTAINING_RECORD(face, struct factory, marshal);
}

static HRESULT WINAPI factory_query(IClassFactory *face, REFIID iid, void **found)
{
    struct factory *factory = of_class_factory(face);
    if (!found)
        return E_POINTER;
    *found = NULL;
    if (IsEqualIID(iid, &IID_IUnknown) || IsEqualIID(iid, &IID_IClassFactory))
        *found = &factory->class_factory;
    else if (IsEqualIID(iid, &IID_IMarshal))
        *found = &factory->marshal;
    else
        return E_NOINTERFACE;
    InterlockedIncrement(&factory->references);
    return S_OK;
}

static ULONG WINAPI factory_add_reference(IClassFactory *face)
{
    return InterlockedIncrement(&of_class_factory(face)->references);
}

static ULONG WINAPI factory_release(IClassFactory *face)
{
    struct factory *factory = of_class_factory(face);
    LONG references = InterlockedDecrement(&factory->references);
    if (!references)
        HeapFree(GetProcessHeap(), 0, factory);
    return references;
}

static HRESULT WINAPI factory_create(IClassFactory *face, IUnknown *outer, REFIID iid, void **made)
{
    struct factory *factory = of_class_factory(face);
    if (!made)
        return E_POINTER;
    *made = NULL;
    if (outer)
        return CLASS_E_NOAGGREGATION;
    if (IsEqualCLSID(&factory->clsid, &CLSID_Unmarshaler))
        return make_factory(&CLSID_NULL, iid, made);
    return module_create(&factory->clsid, iid, made);
}

/* The module stays: threads may be in it. */
static HRESULT WINAPI factory_lock(IClassFactory *face, BOOL is_locked)
{
    (void)face, (void)is_locked;
    return S_OK;
}

static const IClassFactoryVtbl class_factory_table = {
    factory_query, factory_add_reference, factory_release, factory_create, factory_lock,
};

static HRESULT WINAPI marshal_query(IMarshal *face, REFIID iid, void **found)
{
    return factory_query(&of_marshal(face)->class_factory, iid, found);
}

static ULONG WINAPI marshal_add_reference(IMarshal *face)
{
    return factory_add_reference(&of_marshal(face)->class_factory);
}

static ULONG WINAPI marshal_release(IMarshal *face)
{
    return factory_release(&of_marshal(face)->class_factory);
}

static HRESULT WINAPI marshal_class(
    IMarshal *face, REFIID iid, void *object, DWORD context, void *context_data, DWORD flags, CLSID *clsid)
{
    (void)face, (void)iid, (void)object, (void)context, (void)context_data, (void)flags;
    *clsid = CLSID_Unmarshaler;
    return S_OK;
}

static HRESULT WINAPI marshal_size(
    IMarshal *face, REFIID iid, void *object, DWORD context, void *context_data, DWORD flags, DWORD *bytes)
{
    (void)face, (void)iid, (void)object, (void)context, (void)context_data, (void)flags;
    *bytes = sizeof(CLSID);
    return S_OK;
}

static HRESULT WINAPI marshal_write(
    IMarshal *face, IStream *stream, REFIID iid, void *object, DWORD context, void *context_data, DWORD flags)
{
    (void)iid, (void)object, (void)context, (void)context_data, (void)flags;
    InterlockedExchange(&last_asked, GetTickCount());
    return IStream_Write(stream, &of_marshal(face)->clsid, sizeof(CLSID), NULL);
}

static HRESULT WINAPI marshal_read(IMarshal *face, IStream *stream, REFIID iid, void **found)
{
    CLSID clsid;
    ULONG bytes = 0;
    HRESULT result = IStream_Read(stream, &clsid, sizeof clsid, &bytes);
    (void)face;
    *found = NULL;
    if (FAILED(result))
        return result;
    return bytes == sizeof clsid ? make_factory(&clsid, iid, found) : STG_E_READFAULT;
}

static HRESULT WINAPI marshal_release_data(IMarshal *face, IStream *stream)
{
    (void)face, (void)stream;
    return S_OK;
}

static HRESULT WINAPI marshal_disconnect(IMarshal *face, DWORD reserved)
{
    (void)face, (void)reserved;
    return S_OK;
}

static const IMarshalVtbl marshal_table = {
    marshal_query, marshal_add_reference, marshal_release,      marshal_class,      marshal_size,
    marshal_write, marshal_read,          marshal_release_data, marshal_disconnect,
};

static HRESULT make_factory(const CLSID *clsid, REFIID iid, void **made)
{
    struct factory *factory = HeapAlloc(GetProcessHeap(), 0, sizeof *factory);
    HRESULT result;
    *made = NULL;
    if (!factory)
        return E_OUTOFMEMORY;
    factory->class_factory.lpVtbl = (IClassFactoryVtbl *)&class_factory_table;
    factory->marshal.lpVtbl = (IMarshalVtbl *)&marshal_table;
    factory->references = 1;
    factory->clsid = *clsid;
    result = factory_query(&factory->class_factory, iid, made);
    factory_release(&factory->class_factory);
    return result;
}

/* The module. */

BOOL WINAPI DllMain(HINSTANCE instance, DWORD reason, void *reserved)
{
    (void)reserved;
    if (reason == DLL_PROCESS_ATTACH) {
        module = instance;
        DisableThreadLibraryCalls(instance);
    }
    return TRUE;
}

/* Whether one of the module's classes is asked for. */
static BOOL is_ours(REFCLSID clsid)
{
    const CLSID *known;
    const char *name;
    int index;
    for (index = 0; (known = module_class(index, &name)); ++index)
        if (IsEqualCLSID(clsid, known))
            return TRUE;
    return IsEqualCLSID(clsid, &CLSID_Unmarshaler);
}

HRESULT WINAPI DllGetClassObject(REFCLSID clsid, REFIID iid, void **made)
{
    if (!made)
        return E_POINTER;
    *made = NULL;
    return is_ours(clsid) ? make_factory(clsid, iid, made) : CLASS_E_CLASSNOTAVAILABLE;
}

HRESULT WINAPI DllCanUnloadNow(void)
{
    return S_FALSE;
}

/* Registration: `regsvr32` with the module's path. */

static LONG set(const WCHAR *key, const WCHAR *name, const WCHAR *value)
{
    DWORD bytes = (lstrlenW(value) + 1) * sizeof(WCHAR);
    return RegSetKeyValueW(HKEY_CLASSES_ROOT, key, name, REG_SZ, value, bytes);
}

/* In a program's own process, and for programs that ask for a server of their machine, as those of VDS do. */
static LONG register_class(const CLSID *clsid, const WCHAR *path)
{
    WCHAR id[40], key[80], below[100], command[MAX_PATH + 40];
    LONG failed;
    StringFromGUID2(clsid, id, ARRAYSIZE(id));
    wsprintfW(key, L"CLSID\\%s", id);
    wsprintfW(below, L"%s\\InprocServer32", key);
    wsprintfW(command, L"rundll32.exe %s,Serve", path);
    failed = set(below, NULL, path);
    if (!failed)
        failed = set(below, L"ThreadingModel", L"Both");
    wsprintfW(below, L"%s\\LocalServer32", key);
    return failed ? failed : set(below, NULL, command);
}

HRESULT WINAPI DllRegisterServer(void)
{
    WCHAR path[MAX_PATH + 4];
    const CLSID *clsid;
    const char *name;
    DWORD length = GetModuleFileNameW(module, path, MAX_PATH);
    LONG failed;
    int index;
    if (!length || length == MAX_PATH)
        return SELFREG_E_CLASS;
    /* Wine names a module without the ending of its file, and does not find it by that. */
    if (length < 3 || lstrcmpiW(path + length - 3, L".so"))
        lstrcatW(path, L".so");
    failed = register_class(&CLSID_Unmarshaler, path);
    for (index = 0; !failed && (clsid = module_class(index, &name)); ++index)
        failed = register_class(clsid, path);
    return failed ? HRESULT_FROM_WIN32(failed) : S_OK;
}

static void unregister_class(const CLSID *clsid)
{
    WCHAR id[40], key[80];
    StringFromGUID2(clsid, id, ARRAYSIZE(id));
    wsprintfW(key, L"CLSID\\%s", id);
    RegDeleteTreeW(HKEY_CLASSES_ROOT, key);
}

HRESULT WINAPI DllUnregisterServer(void)
{
    const CLSID *clsid;
    const char *name;
    int index;
    unregister_class(&CLSID_Unmarshaler);
    for (index = 0; (clsid = module_class(index, &name)); ++index)
        unregister_class(clsid);
    return S_OK;
}

/* The server of the machine: it hands out classes, which come to life in the process of whoever asked. */

/* How long it stays while nobody asks, and for those who were asking when it had enough. */
#define IDLE_MAX_MS 30000
#define LAST_ORDERS_MS 1000

static void serve(void)
{
    DWORD cookies[16];
    const CLSID *clsid;
    const char *name;
    int count, index;
    for (count = 0; count < (int)ARRAYSIZE(cookies) && (clsid = module_class(count, &name)); ++count) {
        IUnknown *factory;
        cookies[count] = 0;
        if (FAILED(make_factory(clsid, &IID_IUnknown, (void **)&factory)))
            continue;
        if (FAILED(CoRegisterClassObject(clsid, factory, CLSCTX_LOCAL_SERVER, REGCLS_MULTIPLEUSE, &cookies[count])))
            cookies[count] = 0;
        IUnknown_Release(factory);
    }
    InterlockedExchange(&last_asked, GetTickCount());
    while (GetTickCount() - (DWORD)last_asked < IDLE_MAX_MS)
        Sleep(LAST_ORDERS_MS);
    for (index = 0; index < count; ++index)
        if (cookies[index])
            CoRevokeClassObject(cookies[index]);
    Sleep(LAST_ORDERS_MS);
}

/* Called by rundll32. */
void WINAPI Serve(HWND window, HINSTANCE instance, const char *line, int show)
{
    (void)window, (void)instance, (void)line, (void)show;
    if (FAILED(CoInitializeEx(NULL, COINIT_MULTITHREADED)))
        return;
    serve();
    CoUninitialize();
}

/* What libvds.h offers beside VDS's interfaces. */

ULONG WINAPI VdsLiveObjects(void)
{
    return library_live_objects();
}

void WINAPI VdsSetWaitLimit(DWORD milliseconds)
{
    library_set_wait_limit(milliseconds);
}
