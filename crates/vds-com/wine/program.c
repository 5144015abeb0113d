/* SPDX-License-Identifier: MIT */
/* What a program for Windows is linked with beside its own source: the identities of vds.h, and the functions of libvds.h, taken
   from the bridge once it is in the process. */
#include <initguid.h>
#include <windows.h>
#include "vds.h"
#include "libvds.h"

static FARPROC find(const char *name)
{
    HMODULE bridge = GetModuleHandleW(L"vds_wine.dll");
    return bridge ? GetProcAddress(bridge, name) : NULL;
}

ULONG STDAPICALLTYPE VdsLiveObjects(void)
{
    FARPROC function = find("VdsLiveObjects");
    return function ? ((ULONG(STDAPICALLTYPE *)(void))(void *)function)() : 0;
}

void STDAPICALLTYPE VdsSetWaitLimit(DWORD dwMilliseconds)
{
    FARPROC function = find("VdsSetWaitLimit");
    if (function)
        ((void(STDAPICALLTYPE *)(DWORD))(void *)function)(dwMilliseconds);
}
