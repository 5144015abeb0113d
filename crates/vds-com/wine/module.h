/* SPDX-License-Identifier: MIT */
/* Between module.c, which is compiled with Wine's headers, and the rest, which is not: nothing but plain types. */
#ifndef VDS_WINE_MODULE_H
#define VDS_WINE_MODULE_H

#include <stddef.h>

/* Windows, for the rest. To be called on a thread that Wine knows; windows_thread's answer is whether there is one more. */
void *windows_allocate(size_t bytes);
void windows_free(void *memory);
int windows_thread(void (*run)(void *argument), void *argument);

/* The rest, for module.c. */

/* Makes an object of a class of libvds and hands its proxy out by one of its interfaces. */
int module_create(const void *clsid, const void *iid, void **made);
/* The class with this index, from 0: its identity, NULL beyond the last; and its name. */
const void *module_class(int index, const char **name);

/* What libvds.h offers beside VDS's interfaces. */
unsigned library_live_objects(void);
void library_set_wait_limit(unsigned milliseconds);

#endif
