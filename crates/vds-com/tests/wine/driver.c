/* SPDX-License-Identifier: MIT */
/* The bridge's generated bodies and its proxies without Wine: a program's objects, called as Windows calls, in the hands of a caller
   of Linux, and objects of Linux in the hands of one of Windows. Each side's memory is marked, and freed by its own side only. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bridge.h"

static int failures;

static void check(const char *name, int holds)
{
    printf("%s %s\n", name, holds ? "ok" : "FAILED");
    failures += !holds;
}

/* Memory of either side, marked in front. */
static long long alive[2];
static int strays;

static void *allocate(enum side side, size_t bytes)
{
    long long *block = malloc(16 + bytes);
    block[0] = 0x5645 + side;
    ++alive[side];
    return block + 2;
}

static void release(enum side side, void *memory)
{
    long long *block = (long long *)memory - 2;
    if (!memory)
        return;
    if (block[0] != 0x5645 + side)
        ++strays;
    --alive[side];
    free(block);
}

void *windows_allocate(size_t bytes) { return allocate(WINDOWS, bytes); }
void windows_free(void *memory) { release(WINDOWS, memory); }
void *library_allocate(size_t bytes) { return allocate(LINUX, bytes); }
void library_free(void *memory) { release(LINUX, memory); }

/* One thread is of both sides here. */
void thread_is_windows(void) {}
BOOL threads_begin(void) { return TRUE; }
BOOL run_on(enum side side, work *run, void *argument)
{
    (void)side;
    run(argument);
    return TRUE;
}

static WCHAR *text(enum side side, char letter, int length)
{
    WCHAR *made = allocate(side, (length + 1) * sizeof(WCHAR));
    int index;
    for (index = 0; index < length; ++index)
        made[index] = letter;
    made[length] = 0;
    return made;
}

static int is_text(const WCHAR *found, char letter, int length)
{
    int index;
    for (index = 0; index < length; ++index)
        if (found[index] != letter)
            return 0;
    return found[length] == 0;
}

/* An object whose every interface is its first pointer. */
struct thing
{
    const slot *table;
    int references;
    enum interface_number shown;
};

/* A program's objects in the hands of libvds. */
#define LIVES WINDOWS
#define LIVES_CALL WINDOWS_CALL
#define HOLDS LINUX
#define HOLDS_CALL LINUX_CALL
#define NAME(name) theirs_##name
#define SAID(name) "theirs_" name
#include "objects.inc"
#undef LIVES
#undef LIVES_CALL
#undef HOLDS
#undef HOLDS_CALL
#undef NAME
#undef SAID

/* Objects of libvds in the hands of a program. */
#define LIVES LINUX
#define LIVES_CALL LINUX_CALL
#define HOLDS WINDOWS
#define HOLDS_CALL WINDOWS_CALL
#define NAME(name) ours_##name
#define SAID(name) "ours_" name
#include "objects.inc"

int main(void)
{
    theirs_used();
    ours_used();
    return failures != 0;
}
