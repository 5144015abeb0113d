/* Prints what happens, one line each, until so many lines have been printed.

     events [COUNT]     for ever without COUNT

   gcc -std=c99 -pthread -I include events.c -lvds -o events */
#define COBJMACROS
#include <windows.h>
#include "vds.h"
#include "vdserr.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* In C an object is a structure that begins with the pointer to its table. */
struct Printer {
    IVdsAdviseSink sink;
    pthread_mutex_t lock;
    pthread_cond_t over;
    ULONG references;
    unsigned long left;
    int is_over;
};

static HRESULT STDMETHODCALLTYPE query(IVdsAdviseSink *sink, REFIID iid, void **found)
{
    if (!IsEqualIID(iid, &IID_IUnknown) && !IsEqualIID(iid, &IID_IVdsAdviseSink)) {
        *found = NULL;
        return E_NOINTERFACE;
    }
    *found = sink;
    IVdsAdviseSink_AddRef(sink);
    return S_OK;
}

static ULONG count_by(struct Printer *printer, ULONG by)
{
    ULONG references;
    pthread_mutex_lock(&printer->lock);
    references = printer->references += by;
    pthread_mutex_unlock(&printer->lock);
    return references;
}

static ULONG STDMETHODCALLTYPE add(IVdsAdviseSink *sink) { return count_by((struct Printer *)sink, 1); }

static ULONG STDMETHODCALLTYPE release(IVdsAdviseSink *sink)
{
    struct Printer *printer = (struct Printer *)sink;
    ULONG references = count_by(printer, (ULONG)-1);
    if (references == 0) {
        pthread_cond_destroy(&printer->over);
        pthread_mutex_destroy(&printer->lock);
        free(printer);
    }
    return references;
}

/* What the service calls, on a thread of the library's. It should not take long: nothing else comes meanwhile. */
static HRESULT STDMETHODCALLTYPE notify(IVdsAdviseSink *sink, LONG count, VDS_NOTIFICATION *notifications)
{
    struct Printer *printer = (struct Printer *)sink;
    LONG index;
    pthread_mutex_lock(&printer->lock);
    for (index = 0; index < count && !printer->is_over; ++index) {
        /* Every kind begins with the event's number. */
        printf("object type %u, event %u\n", (unsigned)notifications[index].objectType,
               (unsigned)notifications[index].Lun.ulEvent);
        fflush(stdout);
        if (printer->left && --printer->left == 0) printer->is_over = 1;
    }
    if (printer->is_over) pthread_cond_broadcast(&printer->over);
    pthread_mutex_unlock(&printer->lock);
    return S_OK;
}

static IVdsAdviseSinkVtbl table = {query, add, release, notify};

/* With one reference, the caller's; NULL without memory. */
static struct Printer *new_printer(unsigned long wanted)
{
    struct Printer *printer = malloc(sizeof *printer);
    if (!printer) return NULL;
    printer->sink.lpVtbl = &table;
    pthread_mutex_init(&printer->lock, NULL);
    pthread_cond_init(&printer->over, NULL);
    printer->references = 1;
    printer->left = wanted;
    printer->is_over = 0;
    return printer;
}

static HRESULT listen_to(IVdsService *service, struct Printer *printer)
{
    DWORD cookie = 0;
    HRESULT result = IVdsService_Advise(service, &printer->sink, &cookie);
    if (FAILED(result)) return result;
    puts("listening");
    fflush(stdout);
    pthread_mutex_lock(&printer->lock);
    while (!printer->is_over) pthread_cond_wait(&printer->over, &printer->lock);
    pthread_mutex_unlock(&printer->lock);
    return IVdsService_Unadvise(service, cookie);
}

static HRESULT run(unsigned long wanted)
{
    IVdsServiceLoader *loader = NULL;
    IVdsService *service = NULL;
    HRESULT result = CoCreateInstance(&CLSID_VdsLoader, NULL, CLSCTX_LOCAL_SERVER, &IID_IVdsServiceLoader,
                                      (void **)&loader);
    if (FAILED(result)) return result;
    result = IVdsServiceLoader_LoadService(loader, NULL, &service);
    IVdsServiceLoader_Release(loader);
    if (FAILED(result)) return result;
    result = IVdsService_WaitForServiceReady(service);
    if (SUCCEEDED(result)) {
        struct Printer *printer = new_printer(wanted);
        result = printer ? listen_to(service, printer) : E_OUTOFMEMORY;
        if (printer) IVdsAdviseSink_Release(&printer->sink);
    }
    IVdsService_Release(service);
    return result;
}

int main(int count, char **arguments)
{
    HRESULT result = CoInitialize(NULL);
    if (SUCCEEDED(result)) {
        result = run(count > 1 ? strtoul(arguments[1], NULL, 10) : 0);
        CoUninitialize();
    }
    if (FAILED(result)) fprintf(stderr, "error 0x%08X\n", (unsigned)result);
    return FAILED(result);
}
