// A sink that remembers what it was told.
#ifndef SINK_HPP
#define SINK_HPP

#include "check.hpp"
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>

class Sink : public IVdsAdviseSink {
public:
    Sink() : references(1), fits(true) {}

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
        if (on_notify) on_notify();
        std::lock_guard<std::mutex> guard(lock);
        if (count < 1 || count > 100) fits = false;
        told.insert(told.end(), notifications, notifications + count);
        changed.notify_all();
        return S_OK;
    }

    // Whether this event of this object comes within a minute.
    bool wait_for(ULONG event, const VDS_OBJECT_ID &id)
    {
        return wait([&](const VDS_NOTIFICATION &of) { return of.Lun.ulEvent == event && of.Lun.LunId == id; });
    }
    bool wait(const std::function<bool(const VDS_NOTIFICATION &)> &wanted)
    {
        std::unique_lock<std::mutex> guard(lock);
        return changed.wait_for(guard, std::chrono::seconds(60), [&] {
            for (const VDS_NOTIFICATION &of : told)
                if (wanted(of)) return true;
            return false;
        });
    }
    bool has(ULONG event)
    {
        std::lock_guard<std::mutex> guard(lock);
        for (const VDS_NOTIFICATION &of : told)
            if (of.Lun.ulEvent == event) return true;
        return false;
    }
    bool has(ULONG event, const VDS_OBJECT_ID &id)
    {
        std::lock_guard<std::mutex> guard(lock);
        for (const VDS_NOTIFICATION &of : told)
            if (of.Lun.ulEvent == event && of.Lun.LunId == id) return true;
        return false;
    }
    size_t count()
    {
        std::lock_guard<std::mutex> guard(lock);
        return told.size();
    }
    bool batches_fit()
    {
        std::lock_guard<std::mutex> guard(lock);
        return fits;
    }

    // Done first in every call; set before Advise.
    std::function<void()> on_notify;

private:
    virtual ~Sink() {}

    std::atomic<ULONG> references;
    std::mutex lock;
    std::condition_variable changed;
    std::vector<VDS_NOTIFICATION> told;
    bool fits;
};

#endif
