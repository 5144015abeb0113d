/* SPDX-License-Identifier: MIT */
/* What programs for VDS expect of windows.h, for systems that have none. With a compiler for Windows its own is taken. */
#ifdef _WIN32
#pragma GCC system_header
#include_next <windows.h>
#else
#ifndef VDS_WINDOWS_H
#define VDS_WINDOWS_H

#include <string.h>
#include "guiddef.h"
#include "wtypes.h"
#include "winerror.h"

#ifndef IN
#define IN
#endif
#ifndef OUT
#define OUT
#endif
#ifndef OPTIONAL
#define OPTIONAL
#endif
#ifndef CONST
#define CONST const
#endif
#ifndef WINAPI
#define WINAPI
#endif
#ifndef CALLBACK
#define CALLBACK
#endif
#ifndef MAX_PATH
#define MAX_PATH 260
#endif
#ifndef INFINITE
#define INFINITE 0xFFFFFFFFu
#endif

#define ZeroMemory(destination, length) memset((destination), 0, (length))
#define FillMemory(destination, length, fill) memset((destination), (fill), (length))
#define CopyMemory(destination, source, length) memcpy((destination), (source), (length))
#define MoveMemory(destination, source, length) memmove((destination), (source), (length))
#define UNREFERENCED_PARAMETER(parameter) ((void)(parameter))

/* For counting references. */
static __inline__ LONG InterlockedIncrement(LONG volatile *addend)
{
    return __sync_add_and_fetch(addend, 1);
}
static __inline__ LONG InterlockedDecrement(LONG volatile *addend)
{
    return __sync_sub_and_fetch(addend, 1);
}

#ifndef WIN32_LEAN_AND_MEAN
#include "objbase.h"
#endif

#endif /* VDS_WINDOWS_H */
#endif /* _WIN32 */
