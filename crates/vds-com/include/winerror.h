/* SPDX-License-Identifier: MIT */
/* Results: how one is read, and those that every interface uses. VDS's own are in vdserr.h. */
#ifdef _WIN32
#pragma GCC system_header
#include_next <winerror.h>
#else
#ifndef VDS_WINERROR_H
#define VDS_WINERROR_H

#include "wtypes.h"

#define SUCCEEDED(hr) ((HRESULT)(hr) >= 0)
#define FAILED(hr) ((HRESULT)(hr) < 0)
#define HRESULT_CODE(hr) ((ULONG)(hr) & 0xFFFFu)
#define HRESULT_FACILITY(hr) (((ULONG)(hr) >> 16) & 0x1FFFu)
#define HRESULT_SEVERITY(hr) (((ULONG)(hr) >> 31) & 1u)
#define SEVERITY_SUCCESS 0
#define SEVERITY_ERROR 1
#define FACILITY_NULL 0
#define FACILITY_RPC 1
#define FACILITY_ITF 4
#define FACILITY_WIN32 7
#define MAKE_HRESULT(severity, facility, code) \
    ((HRESULT)(((ULONG)(severity) << 31) | ((ULONG)(facility) << 16) | (ULONG)(code)))
#define HRESULT_FROM_WIN32(code)       \
    ((HRESULT)(code) <= 0              \
         ? ((HRESULT)(code))           \
         : ((HRESULT)(((ULONG)(code) & 0xFFFFu) | ((ULONG)FACILITY_WIN32 << 16) | 0x80000000u)))

#define NOERROR S_OK
#define S_OK ((HRESULT)0x00000000u)
#define S_FALSE ((HRESULT)0x00000001u)
#define E_NOTIMPL ((HRESULT)0x80004001u)
#define E_NOINTERFACE ((HRESULT)0x80004002u)
#define E_POINTER ((HRESULT)0x80004003u)
#define E_ABORT ((HRESULT)0x80004004u)
#define E_FAIL ((HRESULT)0x80004005u)
#define E_UNEXPECTED ((HRESULT)0x8000FFFFu)
#define E_ACCESSDENIED ((HRESULT)0x80070005u)
#define E_HANDLE ((HRESULT)0x80070006u)
#define E_OUTOFMEMORY ((HRESULT)0x8007000Eu)
#define E_INVALIDARG ((HRESULT)0x80070057u)
#define CLASS_E_NOAGGREGATION ((HRESULT)0x80040110u)
#define CLASS_E_CLASSNOTAVAILABLE ((HRESULT)0x80040111u)
#define REGDB_E_CLASSNOTREG ((HRESULT)0x80040154u)
#define CO_E_NOTINITIALIZED ((HRESULT)0x800401F0u)
#define RPC_E_CHANGED_MODE ((HRESULT)0x80010106u)

#endif /* VDS_WINERROR_H */
#endif /* _WIN32 */
