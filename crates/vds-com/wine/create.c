/* SPDX-License-Identifier: MIT */
/* What module.c takes from the rest. */
#include "bridge.h"

int module_create(const void *clsid, const void *iid, void **made)
{
    void *object;
    HRESULT result;
    *made = NULL;
    thread_is_windows();
    result = library_create(clsid, &object);
    if (FAILED(result))
        return result;
    if (!object)
        return E_UNEXPECTED;
    if (!carry_object(WINDOWS, NUMBER_IUnknown, &object))
        return E_OUTOFMEMORY;
    result = object_query(object, iid, made);
    object_release(object);
    return result;
}

const void *module_class(int index, const char **name)
{
    if (index < 0 || index >= classes_count)
        return NULL;
    *name = classes[index].name;
    return &classes[index].clsid;
}
