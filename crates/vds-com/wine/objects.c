/* SPDX-License-Identifier: MIT */
/* Proxies: one for each object and side that it is held on, found again by the object's identity, with a face for each
   interface that was asked for. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "bridge.h"

#define BUCKETS 1024

struct object
{
    enum side holder;
    ULONG references;
    /* The object's IUnknown; holds a reference. */
    void *identity;
    /* The first, which is there from the beginning, is IUnknown's. */
    struct face *faces;
    struct face unknown;
    struct object *next;
};

/* Guards the table, and the references and faces of every proxy. Nobody is called while it is held. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct object *table[BUCKETS];

/* Calls of IUnknown's three methods on the side where the object lives. */
struct unknown_call
{
    void *object;
    const GUID *iid;
    void **found;
    HRESULT answer;
};

typedef HRESULT WINDOWS_CALL windows_query(void *, const GUID *, void **);
typedef HRESULT LINUX_CALL linux_query(void *, const GUID *, void **);
typedef ULONG WINDOWS_CALL windows_count(void *);
typedef ULONG LINUX_CALL linux_count(void *);

static void query_windows(void *argument)
{
    struct unknown_call *call = argument;
    call->answer = ((windows_query *)slot_of(call->object, 0))(call->object, call->iid, call->found);
}

static void query_linux(void *argument)
{
    struct unknown_call *call = argument;
    call->answer = ((linux_query *)slot_of(call->object, 0))(call->object, call->iid, call->found);
}

static void add_windows(void *object)
{
    ((windows_count *)slot_of(object, 1))(object);
}

static void add_linux(void *object)
{
    ((linux_count *)slot_of(object, 1))(object);
}

static void release_windows(void *object)
{
    ((windows_count *)slot_of(object, 2))(object);
}

static void release_linux(void *object)
{
    ((linux_count *)slot_of(object, 2))(object);
}

static HRESULT query(enum side side, void *object, const GUID *iid, void **found)
{
    struct unknown_call call = { object, iid, found, E_OUTOFMEMORY };
    *found = NULL;
    run_on(side, side == WINDOWS ? query_windows : query_linux, &call);
    if (SUCCEEDED(call.answer) && !*found)
        return E_NOINTERFACE;
    return call.answer;
}

static BOOL add_reference(enum side side, void *object)
{
    return run_on(side, side == WINDOWS ? add_windows : add_linux, object);
}

void give_back(enum side side, void *object)
{
    if (object)
        run_on(side, side == WINDOWS ? release_windows : release_linux, object);
}

static struct object **bucket(enum side holder, void *identity)
{
    size_t hash = (size_t)identity >> 4;
    return &table[(hash ^ (hash >> 10) ^ (size_t)holder) % BUCKETS];
}

/* The proxy of this identity, with one reference more; a new one takes the identity's reference over. */
static struct object *proxy_of(enum side holder, void *identity)
{
    struct object **first = bucket(holder, identity);
    struct object *found, *made = calloc(1, sizeof *made);
    pthread_mutex_lock(&lock);
    for (found = *first; found; found = found->next)
        if (found->identity == identity && found->holder == holder)
            break;
    if (found) {
        ++found->references;
    } else if (made) {
        made->holder = holder;
        made->references = 1;
        made->identity = identity;
        made->unknown.table = interfaces[NUMBER_IUnknown].tables[holder];
        made->unknown.object = made;
        made->unknown.inner = identity;
        made->faces = &made->unknown;
        made->next = *first;
        *first = made;
    }
    pthread_mutex_unlock(&lock);
    if (!found)
        return made;
    free(made);
    give_back(other(holder), identity);
    return found;
}

static struct face *face_of(struct object *object, enum interface_number number)
{
    struct face *face = object->faces;
    while (face && face->number != number)
        face = face->next;
    return face;
}

/* The face of a proxy, which takes `inner`'s reference over; NULL without memory. */
static struct face *face_for(struct object *object, enum interface_number number, void *inner)
{
    struct face *found, *made = calloc(1, sizeof *made);
    pthread_mutex_lock(&lock);
    found = face_of(object, number);
    if (!found && made) {
        made->table = interfaces[number].tables[object->holder];
        made->object = object;
        made->number = number;
        made->inner = inner;
        made->next = object->unknown.next;
        object->unknown.next = made;
    }
    pthread_mutex_unlock(&lock);
    if (found || !made)
        give_back(other(object->holder), inner);
    if (!found)
        return made;
    free(made);
    return found;
}

HRESULT object_query(struct face *face, const GUID *iid, void **found)
{
    struct object *object = face->object;
    enum interface_number number = NUMBER_IUnknown;
    void *inner;
    HRESULT result;
    if (!found)
        return E_POINTER;
    *found = NULL;
    if (!iid)
        return E_INVALIDARG;
    while (number < INTERFACES && memcmp(&interfaces[number].iid, iid, sizeof *iid))
        ++number;
    /* Nobody on the other side could call it. */
    if (number == INTERFACES)
        return E_NOINTERFACE;
    pthread_mutex_lock(&lock);
    *found = face_of(object, number);
    if (*found)
        ++object->references;
    pthread_mutex_unlock(&lock);
    if (*found)
        return S_OK;
    result = query(other(object->holder), object->identity, iid, &inner);
    if (FAILED(result))
        return result;
    *found = face_for(object, number, inner);
    if (!*found)
        return E_OUTOFMEMORY;
    object_add_reference(*found);
    return S_OK;
}

ULONG object_add_reference(struct face *face)
{
    ULONG references;
    pthread_mutex_lock(&lock);
    references = ++face->object->references;
    pthread_mutex_unlock(&lock);
    return references;
}

ULONG object_release(struct face *face)
{
    struct object *object = face->object;
    enum side home = other(object->holder);
    ULONG references;
    pthread_mutex_lock(&lock);
    references = --object->references;
    if (!references) {
        struct object **link = bucket(object->holder, object->identity);
        while (*link != object)
            link = &(*link)->next;
        *link = object->next;
    }
    pthread_mutex_unlock(&lock);
    if (references)
        return references;
    for (face = object->unknown.next; face;) {
        struct face *next = face->next;
        give_back(home, face->inner);
        free(face);
        face = next;
    }
    give_back(home, object->identity);
    free(object);
    return 0;
}

/* An object that lives on `to` comes home from `identity`, its proxy on the other side. */
static BOOL come_home(enum side to, enum interface_number number, struct face *identity, void **place)
{
    return SUCCEEDED(query(to, identity->inner, &interfaces[number].iid, place));
}

BOOL carry_object(enum side to, enum interface_number number, void *place)
{
    enum side home = other(to);
    void *inner = *(void **)place, *identity;
    struct object *proxy;
    struct face *face;
    BOOL is_home;
    *(void **)place = NULL;
    if (!inner)
        return TRUE;
    /* Threads that call a program's object back need one that Wine knows. */
    if ((to == LINUX && !threads_begin()) ||
        FAILED(query(home, inner, &interfaces[NUMBER_IUnknown].iid, &identity))) {
        give_back(home, inner);
        return FALSE;
    }
    if (*(const slot **)identity == interfaces[NUMBER_IUnknown].tables[home]) {
        is_home = come_home(to, number, identity, place);
        give_back(home, identity);
        give_back(home, inner);
        return is_home;
    }
    proxy = proxy_of(to, identity);
    if (!proxy) {
        give_back(home, identity);
        give_back(home, inner);
        return FALSE;
    }
    face = face_for(proxy, number, inner);
    if (!face)
        object_release(&proxy->unknown);
    *(void **)place = face;
    return face != NULL;
}

BOOL carry_objects(enum side to, enum interface_number number, void *places, ULONG count)
{
    BOOL whole = TRUE;
    ULONG index;
    for (index = 0; index < count; ++index)
        whole &= carry_object(to, number, (void **)places + index);
    return whole;
}

BOOL lend_object(enum side to, enum interface_number number, void **place)
{
    if (!*place)
        return TRUE;
    if (!add_reference(other(to), *place)) {
        *place = NULL;
        return FALSE;
    }
    return carry_object(to, number, place);
}
