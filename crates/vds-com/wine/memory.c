/* SPDX-License-Identifier: MIT */
/* Memory that one side made moves to the other. */
#include <string.h>
#include "bridge.h"

static void *allocate(enum side side, size_t bytes)
{
    return side == WINDOWS ? windows_allocate(bytes) : library_allocate(bytes);
}

static void release(enum side side, void *memory)
{
    if (side == WINDOWS)
        windows_free(memory);
    else
        library_free(memory);
}

/* The block at `place` is replaced by a copy. */
static BOOL move_block(enum side to, void **place, size_t bytes)
{
    void *copy = allocate(to, bytes);
    if (copy)
        memcpy(copy, *place, bytes);
    release(other(to), *place);
    *place = copy;
    return copy != NULL;
}

BOOL carry_text(enum side to, void *place)
{
    WCHAR **text = place;
    size_t units = 0;
    if (!*text)
        return TRUE;
    while ((*text)[units])
        ++units;
    return move_block(to, place, (units + 1) * sizeof(WCHAR));
}

BOOL carry_narrow(enum side to, void *place)
{
    char **text = place;
    return !*text || move_block(to, place, strlen(*text) + 1);
}

BOOL carry_array(enum side to, void *place, size_t count, size_t bytes, carry_one *one)
{
    void **array = place;
    BOOL whole;
    if (!*array)
        return TRUE;
    /* The elements first: what they point to is not lost with them. */
    whole = !one || carry_values(to, *array, count, bytes, one);
    return move_block(to, array, count * bytes) && whole;
}

BOOL carry_values(enum side to, void *values, size_t count, size_t bytes, carry_one *one)
{
    BOOL whole = TRUE;
    size_t index;
    for (index = 0; index < count; ++index)
        whole &= one(to, (char *)values + index * bytes);
    return whole;
}
