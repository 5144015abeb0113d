/* SPDX-License-Identifier: MIT */
// The provider, and what the library exports.
#include <initguid.h>

#include "behaviour.h"
#include "enumeration.h"
#include "hardware.h"

#include <cstdlib>

namespace errant {

class Provider : public Object<IVdsProvider, IVdsProviderPrivate, IVdsHwProvider, IVdsHwProviderPrivate> {
public:
    // VDS_ERRANT_FOLDER in the environment says where the images lie; without it LUNs are gone with the process.
    Provider() : array_(std::make_shared<Array>(std::getenv("VDS_ERRANT_FOLDER"))), subsystem_(new SubSystem(array_)) {
        subsystem_->SetProvider(this);
    }

    STDMETHODIMP GetProperties(VDS_PROVIDER_PROP *properties) override {
        if (properties == nullptr) {
            return E_POINTER;
        }
        ZeroMemory(properties, sizeof *properties);
        properties->id = kProviderId;
        properties->pwszName = Copy(u"Errant sample provider");
        properties->guidVersionId = kVersionId;
        properties->pwszVersion = Copy(u"1.0");
        properties->type = VDS_PT_HARDWARE;
        properties->sRebuildPriority = array_->rebuild_priority;
        return S_OK;
    }

    STDMETHODIMP GetObject(VDS_OBJECT_ID id, VDS_OBJECT_TYPE type, IUnknown **object) override {
        if (object == nullptr) {
            return E_POINTER;
        }
        *object = nullptr;
        return Guarded([&] {
            IUnknown *found = nullptr;
            if (type == VDS_OT_SUB_SYSTEM && IsEqualGUID(id, kSubSystemId)) {
                subsystem_->AddRef();
                found = subsystem_->Unknown();
            } else if (type == VDS_OT_CONTROLLER || type == VDS_OT_DRIVE || type == VDS_OT_LUN ||
                       type == VDS_OT_LUN_PLEX) {
                found = subsystem_->Find(id);
            } else if (type != VDS_OT_SUB_SYSTEM) {
                return E_INVALIDARG;
            }
            *object = found;
            return found == nullptr ? VDS_E_OBJECT_NOT_FOUND : S_OK;
        });
    }

    STDMETHODIMP OnLoad(LPWSTR, IUnknown *callback) override {
        if (callback == nullptr) {
            return E_INVALIDARG;
        }
        IVdsAdviseSink *sink = nullptr;
        const HRESULT result = callback->QueryInterface(IID_IVdsAdviseSink, reinterpret_cast<void **>(&sink));
        if (FAILED(result)) {
            return result;
        }
        Listen(sink);
        return S_OK;
    }

    STDMETHODIMP OnUnload(BOOL) override {
        Listen(nullptr);
        return S_OK;
    }

    STDMETHODIMP QuerySubSystems(IEnumVdsObject **subsystems) override {
        if (subsystems == nullptr) {
            return E_POINTER;
        }
        *subsystems = nullptr;
        return Guarded([&] {
            std::vector<IUnknown *> found = {subsystem_->Unknown()};
            subsystem_->AddRef();
            return HandOut(found, subsystems);
        });
    }

    STDMETHODIMP Reenumerate() override { return S_OK; }
    STDMETHODIMP Refresh() override { return S_OK; }

    STDMETHODIMP QueryIfCreatedLun(LPWSTR, VDS_LUN_INFORMATION *, VDS_OBJECT_ID *lun) override {
        if (lun == nullptr) {
            return E_POINTER;
        }
        // No host sees a LUN of this array as a disk.
        *lun = GUID_NULL;
        return VDS_E_OBJECT_NOT_FOUND;
    }

protected:
    ~Provider() override {
        Listen(nullptr);
        subsystem_->SetProvider(nullptr);
        subsystem_->Release();
    }

private:
    // Takes over the reference of the new one, gives back that of the old one.
    void Listen(IVdsAdviseSink *sink) {
        {
            const std::lock_guard<std::mutex> guard(array_->lock);
            std::swap(array_->sink, sink);
        }
        if (sink != nullptr) {
            sink->Release();
        }
    }

    const Shared array_;
    SubSystem *const subsystem_;
};

} // namespace errant

#define EXPORTED extern "C" __attribute__((visibility("default")))

// What a host of providers looks for: makes the provider.
EXPORTED HRESULT VdsCreateProvider(REFIID iid, void **provider) {
    if (provider == nullptr) {
        return E_POINTER;
    }
    *provider = nullptr;
    return errant::Guarded([&] {
        auto *made = new errant::Provider();
        const HRESULT result = made->QueryInterface(iid, provider);
        made->Release();
        return result;
    });
}

// For tests: plays the part of this name from now on; 0 for a name that none has.
EXPORTED int ErrantProviderBehave(const char *name) { return errant::Behave(name) ? 1 : 0; }

// For tests: how many objects are alive.
EXPORTED LONG ErrantProviderObjectsAlive() { return errant::alive; }
