/* SPDX-License-Identifier: MIT */
/* Included before a header that declares identities: makes it define them. */
#ifdef _WIN32
#pragma GCC system_header
#include_next <initguid.h>
#else
#ifndef INITGUID
#define INITGUID
#endif
#include "guiddef.h"
#endif
