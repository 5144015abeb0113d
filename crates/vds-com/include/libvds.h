/* SPDX-License-Identifier: MIT */
/* What this library offers beside VDS's own interfaces. */
#ifndef LIBVDS_H
#define LIBVDS_H

#include <windows.h>
#include "objbase.h"

/* How many objects of the library are alive: 0 when everything has been released. */
STDAPI_(ULONG) VdsLiveObjects(void);

/* How long IVdsAsync::Wait, WaitForServiceReady and methods that block on an operation may take; INFINITE, as at the
   beginning, is no limit. Beyond it they answer VDS_E_TIMEOUT, and the work goes on. */
STDAPI_(void) VdsSetWaitLimit(DWORD dwMilliseconds);

#endif /* LIBVDS_H */
