/* SPDX-License-Identifier: MIT */
// The object of one asynchronous method: how the work ended, or that it has not.
#ifndef ERRANT_ASYNC_H
#define ERRANT_ASYNC_H

#include "object.h"

#include <condition_variable>
#include <mutex>

namespace errant {

enum class Pace {
    Done,      // the work was done before the method returned
    Exceeding, // the same, but the first look at it tells of 150 percent
    ForEver,   // no end, whatever is done
    UntilCancelled
};

struct Outcome {
    // What Wait itself answers.
    HRESULT wait;
    // Whether Wait says anything about the work.
    bool is_told;
    HRESULT operation;
    VDS_ASYNC_OUTPUT_TYPE type;
    // Its reference goes with it; NULL for none.
    IUnknown *object;
};

class Async : public Object<IVdsAsync> {
public:
    Async(const Outcome &outcome, Pace pace)
        : outcome_(outcome), pace_(pace), is_over_(pace == Pace::Done || pace == Pace::Exceeding) {}

    STDMETHODIMP Cancel() override {
        const std::lock_guard<std::mutex> guard(lock_);
        if (pace_ == Pace::ForEver) {
            return VDS_E_NOT_SUPPORTED;
        }
        if (is_over_) {
            return outcome_.operation == VDS_E_OPERATION_CANCELED ? VDS_E_OPERATION_CANCELED : VDS_E_CANCEL_TOO_LATE;
        }
        outcome_.operation = VDS_E_OPERATION_CANCELED;
        is_over_ = true;
        ended_.notify_all();
        return S_OK;
    }

    STDMETHODIMP Wait(HRESULT *result, VDS_ASYNC_OUTPUT *output) override {
        if (result == nullptr || output == nullptr) {
            return E_INVALIDARG;
        }
        std::unique_lock<std::mutex> guard(lock_);
        ended_.wait(guard, [this] { return is_over_; });
        if (outcome_.is_told) {
            *result = outcome_.operation;
        }
        if (FAILED(outcome_.wait) || FAILED(outcome_.operation)) {
            return outcome_.wait;
        }
        ZeroMemory(output, sizeof *output);
        output->type = outcome_.type;
        if (outcome_.object == nullptr) {
            return outcome_.wait;
        }
        // Each waiter releases one. The type tells where it is.
        outcome_.object->AddRef();
        if (outcome_.type == VDS_ASYNCOUT_CREATETARGET) {
            output->ct.pTargetUnk = outcome_.object;
        } else {
            output->cl.pLunUnk = outcome_.object;
        }
        return outcome_.wait;
    }

    STDMETHODIMP QueryStatus(HRESULT *result, ULONG *percent) override {
        if (result == nullptr || percent == nullptr) {
            return E_INVALIDARG;
        }
        const std::lock_guard<std::mutex> guard(lock_);
        const bool is_exceeding = pace_ == Pace::Exceeding && !was_looked_at_;
        was_looked_at_ = true;
        if (is_exceeding || !is_over_) {
            *result = VDS_E_OPERATION_PENDING;
            *percent = is_exceeding ? 150 : 0;
            return S_OK;
        }
        *result = outcome_.operation;
        *percent = SUCCEEDED(outcome_.operation) ? 100 : 0;
        return S_OK;
    }

protected:
    ~Async() override {
        if (outcome_.object != nullptr) {
            outcome_.object->Release();
        }
    }

private:
    std::mutex lock_;
    std::condition_variable ended_;
    Outcome outcome_;
    const Pace pace_;
    bool is_over_;
    bool was_looked_at_ = false;
};

} // namespace errant

#endif
