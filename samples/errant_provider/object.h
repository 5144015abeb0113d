/* SPDX-License-Identifier: MIT */
// What every object here stands on: counted references, interfaces found by identity, memory for the caller.
#ifndef ERRANT_OBJECT_H
#define ERRANT_OBJECT_H

#include <windows.h>
#include "vds.h"

#include <atomic>
#include <cstring>
#include <new>
#include <string>

namespace errant {

using Text = std::u16string;

// How many objects are alive; 0 when everybody has released everything.
extern std::atomic<LONG> alive;

template <class Interface> const IID &identity();

#define ERRANT_IDENTITY(Interface)                          \
    template <> inline const IID &identity<Interface>() {   \
        return IID_##Interface;                             \
    }
ERRANT_IDENTITY(IVdsProvider)
ERRANT_IDENTITY(IVdsProviderPrivate)
ERRANT_IDENTITY(IVdsHwProvider)
ERRANT_IDENTITY(IVdsHwProviderPrivate)
ERRANT_IDENTITY(IVdsSubSystem)
ERRANT_IDENTITY(IVdsController)
ERRANT_IDENTITY(IVdsDrive)
ERRANT_IDENTITY(IVdsLun)
ERRANT_IDENTITY(IVdsLunNaming)
ERRANT_IDENTITY(IVdsLunPlex)
ERRANT_IDENTITY(IVdsAsync)
ERRANT_IDENTITY(IEnumVdsObject)
#undef ERRANT_IDENTITY

// An object that shows these interfaces. The first of them also stands for IUnknown, so that the object has one
// identity. It begins with one reference, its maker's.
template <class First, class... Others> class Object : public First, public Others... {
public:
    STDMETHODIMP QueryInterface(REFIID iid, void **found) override {
        if (found == nullptr) {
            return E_POINTER;
        }
        *found = IsEqualIID(iid, IID_IUnknown) ? static_cast<First *>(this) : nullptr;
        find<First, Others...>(iid, found);
        if (*found == nullptr) {
            return E_NOINTERFACE;
        }
        AddRef();
        return S_OK;
    }

    STDMETHODIMP_(ULONG) AddRef() override { return ++references_; }

    STDMETHODIMP_(ULONG) Release() override {
        const ULONG left = --references_;
        if (left == 0) {
            delete this;
        }
        return left;
    }

    // A reference more, unless the last one is just being given up.
    bool AddRefIfAlive() {
        ULONG references = references_;
        while (references != 0) {
            if (references_.compare_exchange_weak(references, references + 1)) {
                return true;
            }
        }
        return false;
    }

    IUnknown *Unknown() { return static_cast<First *>(this); }

protected:
    Object() { ++alive; }
    // Stands behind the slots of the interfaces, where no caller looks.
    virtual ~Object() { --alive; }

private:
    Object(const Object &) = delete;
    Object &operator=(const Object &) = delete;

    template <class Interface> void find(REFIID iid, void **found) {
        if (IsEqualIID(iid, identity<Interface>())) {
            *found = static_cast<Interface *>(this);
        }
    }
    template <class Interface, class Next, class... Rest> void find(REFIID iid, void **found) {
        find<Interface>(iid, found);
        find<Next, Rest...>(iid, found);
    }

    std::atomic<ULONG> references_{1};
};

// A copy for somebody else to free. NULL when there is no memory.
inline LPWSTR Copy(const Text &text) {
    const SIZE_T bytes = (text.size() + 1) * sizeof(WCHAR);
    LPWSTR copy = static_cast<LPWSTR>(CoTaskMemAlloc(bytes));
    if (copy != nullptr) {
        std::memcpy(copy, text.c_str(), bytes);
    }
    return copy;
}

// No exception crosses the boundary.
template <class Body> HRESULT Guarded(Body body) {
    try {
        return body();
    } catch (const std::bad_alloc &) {
        return E_OUTOFMEMORY;
    } catch (...) {
        return E_UNEXPECTED;
    }
}

} // namespace errant

#endif
