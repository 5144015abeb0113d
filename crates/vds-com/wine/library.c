/* SPDX-License-Identifier: MIT */
/* libvds, as a program of Linux has it. It is loaded once and stays: its threads may be anywhere. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include "bridge.h"

static struct
{
    HRESULT (*initialize)(void *, ULONG);
    HRESULT (*create)(const GUID *, void *, ULONG, const GUID *, void **);
    void *(*allocate)(size_t);
    void (*release)(void *);
    ULONG (*live_objects)(void);
    void (*set_wait_limit)(ULONG);
} library;
static BOOL is_there;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static BOOL find(void *handle, const char *name, void *place)
{
    *(void **)place = dlsym(handle, name);
    if (!*(void **)place)
        fprintf(stderr, "vds_wine: libvds.so.0 has no %s; is it of the same version?\n", name);
    return *(void **)place != NULL;
}

static void load(void)
{
    void *handle = dlopen("libvds.so.0", RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        fprintf(stderr, "vds_wine: %s; install it or set LD_LIBRARY_PATH\n", dlerror());
        return;
    }
    is_there = find(handle, "CoInitializeEx", &library.initialize) &&
               find(handle, "CoCreateInstance", &library.create) &&
               find(handle, "CoTaskMemAlloc", &library.allocate) &&
               find(handle, "CoTaskMemFree", &library.release) &&
               find(handle, "VdsLiveObjects", &library.live_objects) &&
               find(handle, "VdsSetWaitLimit", &library.set_wait_limit) &&
               SUCCEEDED(library.initialize(NULL, COINIT_MULTITHREADED));
}

static BOOL loaded(void)
{
    pthread_once(&once, load);
    return is_there;
}

HRESULT library_create(const GUID *clsid, void **object)
{
    *object = NULL;
    if (!loaded())
        return REGDB_E_CLASSNOTREG;
    return library.create(clsid, NULL, CLSCTX_ALL, &interfaces[NUMBER_IUnknown].iid, object);
}

void *library_allocate(size_t bytes)
{
    return loaded() ? library.allocate(bytes) : NULL;
}

void library_free(void *memory)
{
    if (loaded())
        library.release(memory);
}

unsigned library_live_objects(void)
{
    return loaded() ? library.live_objects() : 0;
}

void library_set_wait_limit(unsigned milliseconds)
{
    if (loaded())
        library.set_wait_limit(milliseconds);
}
