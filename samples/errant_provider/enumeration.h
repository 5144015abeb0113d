/* SPDX-License-Identifier: MIT */
// A snapshot of objects with a cursor.
#ifndef ERRANT_ENUMERATION_H
#define ERRANT_ENUMERATION_H

#include "object.h"

#include <algorithm>
#include <mutex>
#include <utility>
#include <vector>

namespace errant {

class Enumeration : public Object<IEnumVdsObject> {
public:
    // Takes over the reference of each.
    explicit Enumeration(std::vector<IUnknown *> objects, size_t next = 0)
        : objects_(std::move(objects)), next_(next) {}

    STDMETHODIMP Next(ULONG wanted, IUnknown **objects, ULONG *fetched) override {
        if (objects == nullptr || fetched == nullptr) {
            return E_POINTER;
        }
        const std::lock_guard<std::mutex> guard(lock_);
        const size_t left = objects_.size() - next_;
        const ULONG given = static_cast<ULONG>(std::min<size_t>(wanted, left));
        for (ULONG index = 0; index < wanted; ++index) {
            objects[index] = index < given ? objects_[next_ + index] : nullptr;
            if (objects[index] != nullptr) {
                objects[index]->AddRef();
            }
        }
        next_ += given;
        *fetched = given;
        return given == wanted ? S_OK : S_FALSE;
    }

    STDMETHODIMP Skip(ULONG count) override {
        const std::lock_guard<std::mutex> guard(lock_);
        const size_t left = objects_.size() - next_;
        next_ += std::min<size_t>(count, left);
        return count <= left ? S_OK : S_FALSE;
    }

    STDMETHODIMP Reset() override {
        const std::lock_guard<std::mutex> guard(lock_);
        next_ = 0;
        return S_OK;
    }

    STDMETHODIMP Clone(IEnumVdsObject **clone) override {
        if (clone == nullptr) {
            return E_POINTER;
        }
        *clone = nullptr;
        return Guarded([&] {
            const std::lock_guard<std::mutex> guard(lock_);
            std::vector<IUnknown *> objects(objects_);
            *clone = new Enumeration(objects, next_);
            for (IUnknown *object : objects) {
                object->AddRef();
            }
            return S_OK;
        });
    }

protected:
    ~Enumeration() override {
        for (IUnknown *object : objects_) {
            object->Release();
        }
    }

private:
    std::mutex lock_;
    const std::vector<IUnknown *> objects_;
    size_t next_;
};

// Hands a snapshot out; the objects' references go with it.
inline HRESULT HandOut(const std::vector<IUnknown *> &objects, IEnumVdsObject **place) {
    *place = new Enumeration(objects);
    return S_OK;
}

} // namespace errant

#endif
