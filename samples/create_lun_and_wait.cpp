/* SPDX-License-Identifier: MIT */
/* CreateLun as one call that blocks: start, wait, look at what came, keep the LUN. Any provider may err at any of these
   steps, so each is looked at; whatever happens, every reference that came is given back. */
#include <windows.h>
#include "vds.h"

/* An output may hold an object whatever the results say: which one, its type tells. */
static void ReleaseOutput(VDS_ASYNC_OUTPUT *output)
{
    IUnknown *object = NULL;
    switch (output->type) {
    case VDS_ASYNCOUT_CREATELUN:
        object = output->cl.pLunUnk;
        break;
    case VDS_ASYNCOUT_CREATETARGET:
        object = output->ct.pTargetUnk;
        break;
    case VDS_ASYNCOUT_CREATEPORTALGROUP:
        object = output->cpg.pPortalGroupUnk;
        break;
    default:
        break;
    }
    if (object != NULL) {
        object->Release();
    }
    ZeroMemory(output, sizeof *output);
}

static HRESULT LunOf(const VDS_ASYNC_OUTPUT *output, IVdsLun **lun)
{
    if (output->type != VDS_ASYNCOUT_CREATELUN || output->cl.pLunUnk == NULL) {
        return E_UNEXPECTED;
    }
    HRESULT result = output->cl.pLunUnk->QueryInterface(IID_IVdsLun, (void **)lun);
    return SUCCEEDED(result) && *lun == NULL ? E_UNEXPECTED : result;
}

HRESULT CreateLunAndWait(
    IVdsSubSystem *subsystem, VDS_LUN_TYPE type, ULONGLONG size, VDS_OBJECT_ID *drives, LONG drive_count,
    LPWSTR unmasking_list, VDS_HINTS *hints, IVdsLun **lun)
{
    if (lun == NULL) {
        return E_POINTER;
    }
    *lun = NULL;
    IVdsAsync *operation = NULL;
    HRESULT started =
        subsystem->CreateLun(type, size, drives, drive_count, unmasking_list, hints, &operation);
    if (FAILED(started)) {
        /* A provider that fails and yet hands something out keeps its promise to nobody: it is left alone. */
        return started;
    }
    if (operation == NULL) {
        return E_UNEXPECTED;
    }
    VDS_ASYNC_OUTPUT output;
    ZeroMemory(&output, sizeof output);
    /* What Wait does not write stays a success; then Wait's own failure is the result. */
    HRESULT worked = started;
    HRESULT waited = operation->Wait(&worked, &output);
    HRESULT result = FAILED(worked) ? worked : waited;
    if (SUCCEEDED(result)) {
        result = LunOf(&output, lun);
    }
    ReleaseOutput(&output);
    operation->Release();
    return result;
}
