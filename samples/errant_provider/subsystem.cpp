/* SPDX-License-Identifier: MIT */
// The subsystem, and in its CreateLun everything that can go wrong.
#include "async.h"
#include "behaviour.h"
#include "enumeration.h"
#include "hardware.h"

#include <cstdlib>

namespace errant {

SubSystem::SubSystem(const Shared &array) : array_(array), controller_(new Controller(array)) {
    for (size_t drive = 0; drive < kDrives; ++drive) {
        drives_.push_back(new Drive(array, drive));
    }
    const std::lock_guard<std::mutex> guard(array->lock);
    array->subsystem = this;
}

SubSystem::~SubSystem() {
    {
        const std::lock_guard<std::mutex> guard(array_->lock);
        array_->subsystem = nullptr;
    }
    controller_->Release();
    for (Drive *drive : drives_) {
        drive->Release();
    }
    for (const auto &entry : luns_) {
        entry.second->Release();
    }
    for (IVdsAsync *left : left_) {
        while (left->Release() != 0) {
        }
    }
}

void SubSystem::SetProvider(
    Object<IVdsProvider, IVdsProviderPrivate, IVdsHwProvider, IVdsHwProviderPrivate> *provider) {
    const std::lock_guard<std::mutex> guard(array_->lock);
    provider_ = provider;
}

HRESULT SubSystem::GetProvider(IVdsProvider **provider) {
    if (provider == nullptr) {
        return E_POINTER;
    }
    const std::lock_guard<std::mutex> guard(array_->lock);
    const bool is_there = provider_ != nullptr && provider_->AddRefIfAlive();
    *provider = is_there ? provider_ : nullptr;
    return is_there ? S_OK : VDS_E_OBJECT_DELETED;
}

HRESULT SubSystem::GetProperties(VDS_SUB_SYSTEM_PROP *properties) {
    if (properties == nullptr) {
        return E_POINTER;
    }
    ZeroMemory(properties, sizeof *properties);
    properties->id = kSubSystemId;
    properties->pwszFriendlyName = Copy(u"errant");
    properties->pwszIdentification = Copy(u"ERRANT-1");
    properties->ulFlags = VDS_SF_LUN_MASKING_CAPABLE | VDS_SF_DRIVE_EXTENT_CAPABLE |
                          VDS_SF_SUPPORTS_FAULT_TOLERANT_LUNS | VDS_SF_SUPPORTS_NON_FAULT_TOLERANT_LUNS |
                          VDS_SF_SUPPORTS_SIMPLE_LUNS | VDS_SF_SUPPORTS_MIRROR_LUNS;
    properties->status = VDS_SSS_ONLINE;
    properties->health = VDS_H_HEALTHY;
    properties->sNumberOfInternalBuses = 1;
    properties->sMaxNumberOfSlotsEachBus = static_cast<SHORT>(kDrives);
    properties->sMaxNumberOfControllers = 1;
    properties->sRebuildPriority = array_->rebuild_priority;
    return S_OK;
}

HRESULT SubSystem::QueryControllers(IEnumVdsObject **controllers) {
    if (controllers == nullptr) {
        return E_POINTER;
    }
    *controllers = nullptr;
    return Guarded([&] {
        std::vector<IUnknown *> found = {controller_->Unknown()};
        controller_->AddRef();
        return HandOut(found, controllers);
    });
}

HRESULT SubSystem::QueryDrives(IEnumVdsObject **drives) {
    if (drives == nullptr) {
        return E_POINTER;
    }
    *drives = nullptr;
    return Guarded([&] {
        std::vector<IUnknown *> found;
        for (Drive *drive : drives_) {
            drive->AddRef();
            found.push_back(drive->Unknown());
        }
        return HandOut(found, drives);
    });
}

HRESULT SubSystem::QueryLuns(IEnumVdsObject **luns) {
    if (luns == nullptr) {
        return E_POINTER;
    }
    *luns = nullptr;
    return Guarded([&] {
        const std::lock_guard<std::mutex> guard(array_->lock);
        std::vector<IUnknown *> found;
        for (const auto &entry : array_->luns) {
            Lun *lun = LunObject(entry.second);
            lun->AddRef();
            found.push_back(lun->Unknown());
        }
        return HandOut(found, luns);
    });
}

HRESULT SubSystem::GetDrive(SHORT bus, SHORT slot, IVdsDrive **drive) {
    if (drive == nullptr) {
        return E_POINTER;
    }
    *drive = nullptr;
    if (bus != 0 || slot < 0 || static_cast<size_t>(slot) >= drives_.size()) {
        return VDS_E_OBJECT_NOT_FOUND;
    }
    *drive = drives_[static_cast<size_t>(slot)];
    (*drive)->AddRef();
    return S_OK;
}

HRESULT SubSystem::QueryMaxLunCreateSize(VDS_LUN_TYPE type, VDS_OBJECT_ID *drives, LONG count, VDS_HINTS *,
                                         ULONGLONG *bytes) {
    if (bytes == nullptr) {
        return E_POINTER;
    }
    *bytes = 0;
    if (count < 0 || (drives == nullptr) != (count == 0)) {
        return E_INVALIDARG;
    }
    return Guarded([&] {
        const std::lock_guard<std::mutex> guard(array_->lock);
        const Placement placement = array_->Place(type, drives, count);
        *bytes = placement.bytes_max;
        return placement.result;
    });
}

Lun *SubSystem::LunObject(const LunState &lun) {
    Lun *&object = luns_[lun.id];
    if (object == nullptr) {
        object = new Lun(array_, lun);
    }
    return object;
}

void SubSystem::Forget(const GUID &id) {
    Lun *gone = nullptr;
    {
        const std::lock_guard<std::mutex> guard(array_->lock);
        const auto found = luns_.find(id);
        if (found != luns_.end()) {
            gone = found->second;
            luns_.erase(found);
        }
    }
    if (gone != nullptr) {
        gone->Release();
    }
}

IUnknown *SubSystem::Find(const GUID &id) {
    const std::lock_guard<std::mutex> guard(array_->lock);
    if (IsEqualGUID(id, kControllerId)) {
        controller_->AddRef();
        return controller_->Unknown();
    }
    for (size_t drive = 0; drive < drives_.size(); ++drive) {
        if (IsEqualGUID(id, DriveId(drive))) {
            drives_[drive]->AddRef();
            return drives_[drive]->Unknown();
        }
    }
    for (const auto &entry : array_->luns) {
        Lun *lun = LunObject(entry.second);
        if (IsEqualGUID(id, entry.first)) {
            lun->AddRef();
            return lun->Unknown();
        }
        if (IUnknown *plex = lun->Plex(id)) {
            return plex;
        }
    }
    return nullptr;
}

namespace {

// Answers every question for a LUN as a deleted one does.
class Gone : public Enumeration {
public:
    Gone() : Enumeration({}) {}

    STDMETHODIMP QueryInterface(REFIID iid, void **found) override {
        if (found != nullptr && IsEqualIID(iid, IID_IVdsLun)) {
            *found = nullptr;
            return VDS_E_OBJECT_DELETED;
        }
        return Enumeration::QueryInterface(iid, found);
    }
};

Async *Ended(HRESULT wait, bool is_told, HRESULT operation, VDS_ASYNC_OUTPUT_TYPE type, IUnknown *object) {
    return new Async({wait, is_told, operation, type, object}, Pace::Done);
}

// What a provider that errs gives back; nothing has been made. False for one that does not err here.
bool Err(Behaviour behaviour, HRESULT *result, IVdsAsync **async) {
    const VDS_ASYNC_OUTPUT_TYPE create = VDS_ASYNCOUT_CREATELUN;
    *result = S_OK;
    switch (behaviour) {
    case Behaviour::CreateFails:
        *result = VDS_E_NOT_ENOUGH_SPACE;
        return true;
    case Behaviour::CreateFailsWith:
        *result = VDS_E_NOT_ENOUGH_SPACE;
        // Who looks at it in spite of the failure finds a success without a LUN.
        *async = Ended(S_OK, true, S_OK, create, nullptr);
        return true;
    case Behaviour::NullAsync:
        return true;
    case Behaviour::WaitFails:
        *async = Ended(E_OUTOFMEMORY, true, S_OK, create, nullptr);
        return true;
    case Behaviour::WaitFailsSilently:
        *async = Ended(E_OUTOFMEMORY, false, S_OK, create, nullptr);
        return true;
    case Behaviour::OperationFails:
        *async = Ended(S_OK, true, VDS_E_NOT_ENOUGH_DRIVE, create, nullptr);
        return true;
    case Behaviour::BothFail:
        *async = Ended(E_OUTOFMEMORY, true, VDS_E_NOT_ENOUGH_DRIVE, create, nullptr);
        return true;
    case Behaviour::WrongType:
        *async = Ended(S_OK, true, S_OK, VDS_ASYNCOUT_EXTENDLUN, nullptr);
        return true;
    case Behaviour::WrongTypeObject:
        *async = Ended(S_OK, true, S_OK, VDS_ASYNCOUT_CREATETARGET, (new Enumeration({}))->Unknown());
        return true;
    case Behaviour::NullLun:
        *async = Ended(S_OK, true, S_OK, create, nullptr);
        return true;
    case Behaviour::NoLunInterface:
        *async = Ended(S_OK, true, S_OK, create, (new Enumeration({}))->Unknown());
        return true;
    case Behaviour::QueryFails:
        *async = Ended(S_OK, true, S_OK, create, (new Gone())->Unknown());
        return true;
    case Behaviour::NeverEnds:
        *async = new Async({S_OK, true, S_OK, create, nullptr}, Pace::ForEver);
        return true;
    case Behaviour::WaitsForCancel:
        *async = new Async({S_OK, true, S_OK, create, nullptr}, Pace::UntilCancelled);
        return true;
    case Behaviour::Crash:
        std::abort();
    case Behaviour::Good:
    case Behaviour::OddSuccess:
    case Behaviour::Percent:
        return false;
    }
    return false;
}

} // namespace

HRESULT SubSystem::CreateLun(VDS_LUN_TYPE type, ULONGLONG bytes, VDS_OBJECT_ID *drives, LONG count,
                             LPWSTR unmasking_list, VDS_HINTS *, IVdsAsync **async) {
    if (async == nullptr) {
        return E_POINTER;
    }
    *async = nullptr;
    if (bytes == 0 || unmasking_list == nullptr || count < 0 || (drives == nullptr) != (count == 0)) {
        return E_INVALIDARG;
    }
    return Guarded([&] {
        const Behaviour behaviour = Current();
        HRESULT result = S_OK;
        if (Err(behaviour, &result, async)) {
            if (FAILED(result) && *async != nullptr) {
                const std::lock_guard<std::mutex> guard(array_->lock);
                (*async)->AddRef();
                left_.push_back(*async);
            }
            return result;
        }
        LunState made;
        IUnknown *object = nullptr;
        {
            const std::lock_guard<std::mutex> guard(array_->lock);
            const Placement placement = array_->Place(type, drives, count);
            result = FAILED(placement.result) ? placement.result
                                              : array_->Make(placement, bytes, unmasking_list, &made);
            if (FAILED(result)) {
                return result;
            }
            object = LunObject(made)->Unknown();
            object->AddRef();
        }
        const HRESULT success = behaviour == Behaviour::OddSuccess ? S_FALSE : S_OK;
        const Pace pace = behaviour == Behaviour::Percent ? Pace::Exceeding : Pace::Done;
        *async = new Async({success, true, success, VDS_ASYNCOUT_CREATELUN, object}, pace);
        std::vector<VDS_NOTIFICATION> events = {LunEvent(VDS_NF_LUN_ARRIVE, made.id)};
        for (size_t drive : made.plexes) {
            events.push_back(DriveEvent(drive));
        }
        Notify(array_, events);
        return success;
    });
}

} // namespace errant
