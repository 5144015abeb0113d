/* SPDX-License-Identifier: MIT */
/* A program for Windows under Wine and libvds are in one process, on two sides: functions are called differently here
   and there, and memory is freed by another allocator. An object that crosses is represented on the other side by a
   proxy. What has to be done for each method and each structure is generated; this is what that stands on.

     program ── windows_side.c ──► threads.c ──► libvds.so.0          a program's call of the service
     libvds  ── linux_side.c ──► threads.c ──► the program's object   a call back, on a thread that Wine knows

   Everything but module.c is compiled as a part of Linux; only module.c knows Wine's headers. */
#ifndef VDS_WINE_BRIDGE_H
#define VDS_WINE_BRIDGE_H

#include <windows.h>
#include "vds.h"
#include "generated/numbers.h"
#include "module.h"

/* Where an object lives, who holds a proxy of it, who frees memory. */
enum side
{
    WINDOWS,
    LINUX
};

static inline enum side other(enum side side)
{
    return side == WINDOWS ? LINUX : WINDOWS;
}

/* How functions are called on Windows; on Linux as the compiler calls them. */
#define WINDOWS_CALL __attribute__((ms_abi))
#define LINUX_CALL __attribute__((sysv_abi))

/* Any function in a table. */
typedef void (*slot)(void);

/* The function in this slot of an object's table. */
static inline slot slot_of(void *object, unsigned number)
{
    return (*(const slot *const *)object)[number];
}

/* An interface: its identity, and the tables of its proxies for holders on either side. */
struct interface
{
    GUID iid;
    const slot *tables[2];
};
extern const struct interface interfaces[INTERFACES];

/* A class that libvds makes objects of. */
struct class
{
    const char *name;
    GUID clsid;
};
extern const struct class classes[];
extern const int classes_count;

/* One interface of a proxy: what a pointer to the proxy points to. */
struct face
{
    const slot *table;
    struct object *object;
    enum interface_number number;
    /* The same interface of the object itself; holds a reference. */
    void *inner;
    struct face *next;
};

/* objects.c: proxies. What is carried or lent is NULL afterwards where it could not be; the answer is whether it could. */
HRESULT object_query(struct face *face, const GUID *iid, void **found);
ULONG object_add_reference(struct face *face);
ULONG object_release(struct face *face);
/* The reference at `place` moves to `to`. */
BOOL carry_object(enum side to, enum interface_number number, void *place);
BOOL carry_objects(enum side to, enum interface_number number, void *places, ULONG count);
/* `place` gets a reference of its own on `to`; give_back ends it. */
BOOL lend_object(enum side to, enum interface_number number, void **place);
void give_back(enum side side, void *object);

/* memory.c: what one side made moves to the other, which frees it. Without memory, what could not be moved is freed. */
typedef BOOL carry_one(enum side to, void *place);
BOOL carry_text(enum side to, void *place);
BOOL carry_narrow(enum side to, void *place);
BOOL carry_array(enum side to, void *place, size_t count, size_t bytes, carry_one *one);
BOOL carry_values(enum side to, void *values, size_t count, size_t bytes, carry_one *one);
/* A count as callers give it: a negative one is none. */
#define COUNT(count) ((LONGLONG)(count) > 0 ? (size_t)(count) : 0)

/* threads.c: where code runs. */
typedef void work(void *argument);
/* Says that Wine knows this thread. */
void thread_is_windows(void);
/* Runs this on a thread of that side, and returns when it is done; FALSE when there is no such thread. */
BOOL run_on(enum side side, work *run, void *argument);
/* Lets threads that Wine does not know run code on one that it knows. Called on one that it knows. */
BOOL threads_begin(void);

/* library.c: libvds. */
HRESULT library_create(const GUID *clsid, void **object);
void *library_allocate(size_t bytes);
void library_free(void *memory);

#include "generated/structures.h"

#endif
