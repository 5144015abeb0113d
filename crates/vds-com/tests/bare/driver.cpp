/* SPDX-License-Identifier: MIT */
/* Hands a provider that errs to a synchronous wrapper around CreateLun, with nothing between them, and compares what the
   wrapper answers. Prints one line for each check: its name, then "ok" or what was found. C++98 to C++23.

   WRAPPER names the wrapper. With RELEASES_ANY_OUTPUT it gives back an object of an output of another type than it asked
   for, too. The documented sample does not: it looks for no object in such an output, and would leak it.

   driver                 every check but the crash
   driver crash           the provider crashes: the process must end by a signal */
#include <stdio.h>
#include <string.h>
#include <windows.h>
#include "vds.h"

#ifndef WRAPPER
#define WRAPPER SynchronousCreateLun
#endif

HRESULT WRAPPER(
    IVdsSubSystem *, VDS_LUN_TYPE, ULONGLONG, VDS_OBJECT_ID *, LONG, LPWSTR, VDS_HINTS *, IVdsLun **);

extern "C" HRESULT VdsCreateProvider(REFIID iid, void **provider);
extern "C" int ErrantProviderBehave(const char *name);
extern "C" LONG ErrantProviderObjectsAlive();

static const ULONGLONG kMebibyte = 1048576;
static int failures = 0;

static void Check(const char *name, int holds, const char *what, unsigned long found)
{
    if (holds) {
        printf("%s ok\n", name);
    } else {
        printf("%s FAILED: %s is 0x%lx\n", name, what, found);
        ++failures;
    }
    fflush(stdout);
}

/* The provider's only subsystem, through every step a service takes. */
static IVdsSubSystem *OpenSubSystem()
{
    IVdsHwProvider *provider = NULL;
    IEnumVdsObject *list = NULL;
    IUnknown *object = NULL;
    IVdsSubSystem *subsystem = NULL;
    ULONG fetched = 0;
    if (SUCCEEDED(VdsCreateProvider(IID_IVdsHwProvider, (void **)&provider))) {
        if (SUCCEEDED(provider->QuerySubSystems(&list))) {
            if (list->Next(1, &object, &fetched) == S_OK) {
                object->QueryInterface(IID_IVdsSubSystem, (void **)&subsystem);
                object->Release();
            }
            list->Release();
        }
        provider->Release();
    }
    return subsystem;
}

static HRESULT Create(IVdsSubSystem *subsystem, VDS_LUN_TYPE type, ULONGLONG bytes, IVdsLun **lun)
{
    WCHAR everybody[] = {'*', 0};
    *lun = NULL;
    return WRAPPER(subsystem, type, bytes, NULL, 0, everybody, NULL, lun);
}

/* One row of the table: this part of the provider's, that result, a LUN or none, and nothing left alive. */
static void Row(const char *name, const char *part, HRESULT expected, int expects_lun)
{
    IVdsLun *lun = NULL;
    IVdsSubSystem *subsystem = OpenSubSystem();
    if (subsystem == NULL || !ErrantProviderBehave(part)) {
        Check(name, 0, "the provider", 0);
        return;
    }
    HRESULT result = Create(subsystem, VDS_LT_SIMPLE, 3 * kMebibyte, &lun);
    int holds = result == expected && (lun != NULL) == (expects_lun != 0);
    if (lun != NULL) {
        lun->Release();
    }
    subsystem->Release();
    if (holds && ErrantProviderObjectsAlive() != 0) {
        Check(name, 0, "the number of objects left alive", (unsigned long)ErrantProviderObjectsAlive());
        return;
    }
    Check(name, holds, "the result", (unsigned long)(ULONG)result);
}

/* What was made is what was asked for. */
static void Properties()
{
    IVdsLun *lun = NULL;
    IVdsSubSystem *subsystem = OpenSubSystem();
    ErrantProviderBehave("good");
    HRESULT result = Create(subsystem, VDS_LT_MIRROR, 3 * kMebibyte - 5, &lun);
    VDS_LUN_PROP properties;
    ZeroMemory(&properties, sizeof properties);
    if (SUCCEEDED(result)) {
        result = lun->GetProperties(&properties);
        Check("the_lun_is_at_least_as_large_as_asked_for", properties.ullSize == 3 * kMebibyte, "its size",
              (unsigned long)properties.ullSize);
        Check("the_lun_is_of_the_type_asked_for", properties.type == VDS_LT_MIRROR, "its type",
              (unsigned long)properties.type);
        CoTaskMemFree(properties.pwszFriendlyName);
        CoTaskMemFree(properties.pwszIdentification);
        CoTaskMemFree(properties.pwszUnmaskingList);
        IVdsLun *again = NULL;
        IUnknown *first = NULL;
        IUnknown *second = NULL;
        IEnumVdsObject *list = NULL;
        IUnknown *object = NULL;
        ULONG fetched = 0;
        subsystem->QueryLuns(&list);
        list->Next(1, &object, &fetched);
        object->QueryInterface(IID_IVdsLun, (void **)&again);
        lun->QueryInterface(IID_IUnknown, (void **)&first);
        again->QueryInterface(IID_IUnknown, (void **)&second);
        Check("two_enumerations_hand_out_one_identity", first == second, "the difference", 1);
        first->Release();
        second->Release();
        again->Release();
        object->Release();
        list->Release();
        Check("the_lun_is_deleted", lun->Delete() == S_OK, "the result", 0);
        result = lun->GetProperties(&properties);
        Check("a_deleted_lun_answers_so", result == VDS_E_OBJECT_DELETED, "the result", (unsigned long)(ULONG)result);
        lun->Release();
    } else {
        Check("a_mirror_is_made", 0, "the result", (unsigned long)(ULONG)result);
    }
    subsystem->Release();
    Check("nothing_is_left_of_a_deleted_lun", ErrantProviderObjectsAlive() == 0, "the number",
          (unsigned long)ErrantProviderObjectsAlive());
}

/* Each successful Wait brings a reference of its own, and says the same. */
static void WaitedForTwice()
{
    IVdsSubSystem *subsystem = OpenSubSystem();
    IVdsAsync *operation = NULL;
    WCHAR nobody[] = {0};
    VDS_ASYNC_OUTPUT outputs[2];
    HRESULT results[2] = {E_FAIL, E_FAIL};
    ZeroMemory(outputs, sizeof outputs);
    ErrantProviderBehave("good");
    subsystem->CreateLun(VDS_LT_SIMPLE, kMebibyte, NULL, 0, nobody, NULL, &operation);
    for (int turn = 0; turn < 2; ++turn) {
        operation->Wait(&results[turn], &outputs[turn]);
    }
    operation->Release();
    Check("every_wait_brings_the_same_lun",
          results[0] == S_OK && results[1] == S_OK && outputs[0].cl.pLunUnk == outputs[1].cl.pLunUnk,
          "the second result", (unsigned long)(ULONG)results[1]);
    outputs[0].cl.pLunUnk->Release();
    outputs[1].cl.pLunUnk->Release();
    subsystem->Release();
    Check("every_waiter_gives_its_reference_back", ErrantProviderObjectsAlive() == 0, "the number",
          (unsigned long)ErrantProviderObjectsAlive());
}

/* Nobody can wait for it; it can be looked at, and left. */
static void WithoutEnd()
{
    IVdsSubSystem *subsystem = OpenSubSystem();
    IVdsAsync *operation = NULL;
    WCHAR nobody[] = {0};
    HRESULT result = S_OK;
    ULONG percent = 1;
    ErrantProviderBehave("never_ends");
    subsystem->CreateLun(VDS_LT_SIMPLE, kMebibyte, NULL, 0, nobody, NULL, &operation);
    operation->QueryStatus(&result, &percent);
    Check("work_without_end_is_pending", result == VDS_E_OPERATION_PENDING, "the result",
          (unsigned long)(ULONG)result);
    result = operation->Cancel();
    Check("work_without_end_cannot_be_cancelled", result == VDS_E_NOT_SUPPORTED, "the result",
          (unsigned long)(ULONG)result);
    operation->Release();
    subsystem->Release();
    Check("work_without_end_can_be_left", ErrantProviderObjectsAlive() == 0, "the number",
          (unsigned long)ErrantProviderObjectsAlive());
}

static void TooMuchProgress()
{
    IVdsSubSystem *subsystem = OpenSubSystem();
    IVdsAsync *operation = NULL;
    WCHAR nobody[] = {0};
    HRESULT result = S_OK;
    ULONG percent = 0;
    ErrantProviderBehave("percent");
    subsystem->CreateLun(VDS_LT_SIMPLE, kMebibyte, NULL, 0, nobody, NULL, &operation);
    operation->QueryStatus(&result, &percent);
    Check("progress_is_beyond_100", percent == 150, "the percentage", percent);
    operation->Release();
    subsystem->Release();
}

int main(int count, char **arguments)
{
    if (count > 1 && strcmp(arguments[1], "crash") == 0) {
        Row("a_crash_ends_the_process", "crash", S_OK, 0);
        return 1;
    }
    Row("create_fails__its_result", "create_fails", VDS_E_NOT_ENOUGH_SPACE, 0);
    Row("create_fails_with_an_async_object__its_result", "create_fails_with_async", VDS_E_NOT_ENOUGH_SPACE, 0);
    Row("no_async_object__unexpected", "null_async", E_UNEXPECTED, 0);
    Row("operation_fails__its_result", "operation_fails", VDS_E_NOT_ENOUGH_DRIVE, 0);
    Row("operation_and_wait_fail__the_operations_result", "both_fail", VDS_E_NOT_ENOUGH_DRIVE, 0);
    Row("wait_fails__its_result", "wait_fails", E_OUTOFMEMORY, 0);
    Row("wait_fails_and_writes_nothing__its_result", "wait_fails_silently", E_OUTOFMEMORY, 0);
    Row("wrong_output_type__unexpected", "wrong_type", E_UNEXPECTED, 0);
#ifdef RELEASES_ANY_OUTPUT
    Row("wrong_output_type_with_an_object__unexpected", "wrong_type_with_object", E_UNEXPECTED, 0);
#endif
    Row("no_lun__unexpected", "null_lun", E_UNEXPECTED, 0);
    Row("no_lun_interface__no_interface", "no_lun_interface", E_NOINTERFACE, 0);
    Row("query_fails__its_result", "query_fails", VDS_E_OBJECT_DELETED, 0);
    Row("good__a_lun", "good", S_OK, 1);
    Row("success_that_is_not_s_ok__a_lun", "odd_success", S_OK, 1);
    Row("progress_beyond_100__a_lun", "percent", S_OK, 1);
    Properties();
    WaitedForTwice();
    WithoutEnd();
    TooMuchProgress();
    printf("%d failed\n", failures);
    return failures == 0 ? 0 : 1;
}
