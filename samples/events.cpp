// Prints what happens, one line each, until so many lines have been printed.
//
//   events [COUNT]     for ever without COUNT
//
//   g++ -std=c++11 -pthread -I include events.cpp -lvds -o events
#include <windows.h>
#include "vds.h"
#include "vdserr.h"
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>

namespace {

// What the service calls, on a thread of the library's. It should not take long: nothing else comes meanwhile.
class Printer : public IVdsAdviseSink {
public:
    explicit Printer(unsigned long wanted) : references(1), left(wanted), is_over(false) {}

    HRESULT STDMETHODCALLTYPE QueryInterface(REFIID iid, void **found) override
    {
        if (iid != IID_IUnknown && iid != IID_IVdsAdviseSink) {
            *found = nullptr;
            return E_NOINTERFACE;
        }
        *found = this;
        AddRef();
        return S_OK;
    }
    ULONG STDMETHODCALLTYPE AddRef() override { return ++references; }
    ULONG STDMETHODCALLTYPE Release() override
    {
        ULONG rest = --references;
        if (!rest) delete this;
        return rest;
    }

    HRESULT STDMETHODCALLTYPE OnNotify(LONG count, VDS_NOTIFICATION *notifications) override
    {
        std::lock_guard<std::mutex> guard(lock);
        for (LONG index = 0; index < count && !is_over; ++index) {
            // Every kind begins with the event's number.
            std::printf("object type %u, event %u\n", static_cast<unsigned>(notifications[index].objectType),
                        static_cast<unsigned>(notifications[index].Lun.ulEvent));
            std::fflush(stdout);
            if (left && !--left) is_over = true;
        }
        if (is_over) over.notify_all();
        return S_OK;
    }

    void wait()
    {
        std::unique_lock<std::mutex> guard(lock);
        while (!is_over) over.wait(guard);
    }

private:
    virtual ~Printer() {}

    std::atomic<ULONG> references;
    std::mutex lock;
    std::condition_variable over;
    unsigned long left;
    bool is_over;
};

HRESULT run(unsigned long wanted)
{
    IVdsServiceLoader *loader = nullptr;
    HRESULT result = CoCreateInstance(CLSID_VdsLoader, nullptr, CLSCTX_LOCAL_SERVER, IID_IVdsServiceLoader,
                                      reinterpret_cast<void **>(&loader));
    if (FAILED(result)) return result;
    IVdsService *service = nullptr;
    result = loader->LoadService(nullptr, &service);
    loader->Release();
    if (FAILED(result)) return result;
    result = service->WaitForServiceReady();
    if (SUCCEEDED(result)) {
        Printer *printer = new Printer(wanted);
        DWORD cookie = 0;
        result = service->Advise(printer, &cookie);
        if (SUCCEEDED(result)) {
            std::puts("listening");
            std::fflush(stdout);
            printer->wait();
            result = service->Unadvise(cookie);
        }
        printer->Release();
    }
    service->Release();
    return result;
}

} // namespace

int main(int count, char **arguments)
{
    HRESULT result = CoInitialize(nullptr);
    if (SUCCEEDED(result)) {
        result = run(count > 1 ? std::strtoul(arguments[1], nullptr, 10) : 0);
        CoUninitialize();
    }
    if (FAILED(result)) std::fprintf(stderr, "error 0x%08X\n", static_cast<unsigned>(result));
    return FAILED(result);
}
