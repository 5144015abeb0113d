/* SPDX-License-Identifier: MIT */
/* The types of the interface: widths as they are on Windows, whatever `long` is here. */
#ifdef _WIN32
#pragma GCC system_header
#include_next <wtypes.h>
#else
#ifndef VDS_WTYPES_H
#define VDS_WTYPES_H

#include <stddef.h>
#include <stdint.h>
#include "guiddef.h"

typedef char CHAR;
typedef unsigned char UCHAR, BYTE, BOOLEAN;
typedef short SHORT;
typedef unsigned short USHORT, WORD;
typedef int INT, LONG, BOOL, HRESULT;
typedef unsigned int UINT, ULONG, DWORD;
/* Younger than C++98, and known to every compiler for this system. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wlong-long"
typedef long long LONGLONG;
typedef unsigned long long ULONGLONG, DWORDLONG;
#pragma GCC diagnostic pop
typedef intptr_t INT_PTR, LONG_PTR;
typedef uintptr_t UINT_PTR, ULONG_PTR, DWORD_PTR;
typedef size_t SIZE_T;
#ifndef VOID
#define VOID void
#endif

/* UTF-16. Literals L"..." fit with -fshort-wchar; without it, C++11 has u"...". */
#if defined(__SIZEOF_WCHAR_T__) && __SIZEOF_WCHAR_T__ == 2
typedef wchar_t WCHAR;
#elif defined(__cplusplus) && __cplusplus >= 201103L
typedef char16_t WCHAR;
#elif defined(__CHAR16_TYPE__)
typedef __CHAR16_TYPE__ WCHAR;
#else
typedef unsigned short WCHAR;
#endif

typedef void *PVOID, *LPVOID, *HANDLE;
typedef const void *LPCVOID;
typedef CHAR *PSTR, *LPSTR;
typedef const CHAR *PCSTR, *LPCSTR;
typedef WCHAR *PWSTR, *LPWSTR;
typedef const WCHAR *PCWSTR, *LPCWSTR;
typedef WCHAR OLECHAR;
typedef OLECHAR *LPOLESTR;
typedef const OLECHAR *LPCOLESTR;
typedef BYTE *PBYTE, *LPBYTE;
typedef BOOL *PBOOL, *LPBOOL;
typedef WORD *PWORD, *LPWORD;
typedef DWORD *PDWORD, *LPDWORD;
typedef ULONG *PULONG;
typedef LONG *PLONG, *LPLONG;
typedef ULONGLONG *PULONGLONG;

/* Widths are what the other side counts on. */
typedef char vds_asks_for_32_bits[sizeof(LONG) == 4 && sizeof(ULONG) == 4 ? 1 : -1];
typedef char vds_asks_for_16_bits[sizeof(WCHAR) == 2 && sizeof(SHORT) == 2 ? 1 : -1];
typedef char vds_asks_for_64_bits[sizeof(ULONGLONG) == 8 ? 1 : -1];

#ifndef TRUE
#define TRUE 1
#endif
#ifndef FALSE
#define FALSE 0
#endif

#endif /* VDS_WTYPES_H */
#endif /* _WIN32 */
