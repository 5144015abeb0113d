/* SPDX-License-Identifier: MIT */
#include "async.h"
#include "enumeration.h"
#include "hardware.h"

#include <cstdio>

namespace errant {
namespace {

// What makes it this LUN and no other, for people.
Text Identification(const GUID &lun) {
    char digits[16];
    std::snprintf(digits, sizeof digits, "%08X", lun.Data1);
    return u"ERRANT-L" + Text(digits, digits + std::strlen(digits));
}

} // namespace

Lun::Lun(const Shared &array, const LunState &lun) : array_(array), first_(lun) {
    for (size_t plex = 0; plex < lun.plexes.size(); ++plex) {
        plexes_.push_back(new LunPlex(array, lun.id, plex));
    }
}

Lun::~Lun() {
    for (LunPlex *plex : plexes_) {
        plex->Release();
    }
}

IUnknown *Lun::Plex(const GUID &id) {
    for (size_t plex = 0; plex < plexes_.size(); ++plex) {
        if (IsEqualGUID(PlexId(first_, plex), id)) {
            plexes_[plex]->AddRef();
            return plexes_[plex]->Unknown();
        }
    }
    return nullptr;
}

HRESULT Lun::GetProperties(VDS_LUN_PROP *properties) {
    if (properties == nullptr) {
        return E_POINTER;
    }
    ZeroMemory(properties, sizeof *properties);
    const std::lock_guard<std::mutex> guard(array_->lock);
    const auto found = array_->luns.find(first_.id);
    if (found == array_->luns.end()) {
        return VDS_E_OBJECT_DELETED;
    }
    const LunState &lun = found->second;
    properties->id = lun.id;
    properties->ullSize = lun.bytes;
    properties->pwszFriendlyName = Copy(lun.name);
    properties->pwszIdentification = Copy(Identification(lun.id));
    properties->pwszUnmaskingList = Copy(lun.mask);
    properties->type = lun.type;
    properties->status = lun.online ? VDS_LS_ONLINE : VDS_LS_OFFLINE;
    properties->health = VDS_H_HEALTHY;
    properties->TransitionState = VDS_TS_STABLE;
    properties->sRebuildPriority = array_->rebuild_priority;
    return S_OK;
}

HRESULT Lun::GetSubSystem(IVdsSubSystem **subsystem) { return SubSystemOf(array_, subsystem); }

HRESULT Lun::QueryActiveControllers(IEnumVdsObject **controllers) {
    if (controllers == nullptr) {
        return E_POINTER;
    }
    *controllers = nullptr;
    IVdsSubSystem *subsystem = nullptr;
    const HRESULT result = SubSystemOf(array_, &subsystem);
    if (FAILED(result)) {
        return result;
    }
    const HRESULT queried = subsystem->QueryControllers(controllers);
    subsystem->Release();
    return queried;
}

HRESULT Lun::QueryPlexes(IEnumVdsObject **plexes) {
    if (plexes == nullptr) {
        return E_POINTER;
    }
    *plexes = nullptr;
    return Guarded([&] {
        const std::lock_guard<std::mutex> guard(array_->lock);
        if (array_->luns.find(first_.id) == array_->luns.end()) {
            return VDS_E_OBJECT_DELETED;
        }
        std::vector<IUnknown *> found;
        for (LunPlex *plex : plexes_) {
            plex->AddRef();
            found.push_back(plex->Unknown());
        }
        return HandOut(found, plexes);
    });
}

HRESULT Lun::Extend(ULONGLONG bytes, VDS_OBJECT_ID *drives, LONG count, IVdsAsync **async) {
    if (async == nullptr) {
        return E_POINTER;
    }
    *async = nullptr;
    if (count < 0 || (drives == nullptr) != (count == 0) || bytes == 0) {
        return E_INVALIDARG;
    }
    return Guarded([&] {
        const HRESULT result = Alter([&](LunState &lun) {
            const ULONGLONG more = RoundUp(bytes);
            // Images grow where they lie: other drives are of no use to them.
            const bool is_too_much = more == 0 || lun.bytes + more < lun.bytes;
            return is_too_much ? VDS_E_NOT_ENOUGH_SPACE : array_->Resize(lun.id, lun.bytes + more);
        });
        if (FAILED(result)) {
            return result;
        }
        *async = new Async({S_OK, true, S_OK, VDS_ASYNCOUT_EXTENDLUN, nullptr}, Pace::Done);
        return S_OK;
    });
}

HRESULT Lun::Shrink(ULONGLONG, IVdsAsync **async) {
    if (async == nullptr) {
        return E_POINTER;
    }
    *async = nullptr;
    return VDS_E_NOT_SUPPORTED;
}

HRESULT Lun::AddPlex(VDS_OBJECT_ID, IVdsAsync **async) { return Shrink(0, async); }

HRESULT Lun::RemovePlex(VDS_OBJECT_ID, IVdsAsync **async) { return Shrink(0, async); }

HRESULT Lun::Recover(IVdsAsync **async) {
    if (async == nullptr) {
        return E_POINTER;
    }
    *async = nullptr;
    return Guarded([&] {
        const std::lock_guard<std::mutex> guard(array_->lock);
        const auto lun = array_->luns.find(first_.id);
        if (lun == array_->luns.end()) {
            return VDS_E_OBJECT_DELETED;
        }
        if (lun->second.type != VDS_LT_MIRROR) {
            return VDS_E_INVALID_OPERATION;
        }
        // Both copies are sound: there is nothing to do, and an object all the same.
        *async = new Async({S_OK, true, S_OK, VDS_ASYNCOUT_RECOVERLUN, nullptr}, Pace::Done);
        return S_OK;
    });
}

HRESULT Lun::SetMask(LPWSTR unmasking_list) {
    if (unmasking_list == nullptr) {
        return E_INVALIDARG;
    }
    return Guarded([&] {
        return Alter([&](LunState &lun) {
            lun.mask = unmasking_list;
            return array_->Save(lun);
        });
    });
}

HRESULT Lun::SetFriendlyName(LPWSTR name) {
    if (name == nullptr) {
        return E_INVALIDARG;
    }
    return Guarded([&] {
        return Alter([&](LunState &lun) {
            lun.name = name;
            return array_->Save(lun);
        });
    });
}

HRESULT Lun::SetStatus(VDS_LUN_STATUS status) {
    if (status == VDS_LS_UNKNOWN) {
        return E_INVALIDARG;
    }
    if (status != VDS_LS_ONLINE && status != VDS_LS_OFFLINE) {
        return VDS_E_NOT_SUPPORTED;
    }
    return Guarded([&] {
        return Alter([&](LunState &lun) {
            lun.online = status == VDS_LS_ONLINE;
            return array_->Save(lun);
        });
    });
}

HRESULT Lun::QueryMaxLunExtendSize(VDS_OBJECT_ID *drives, LONG count, ULONGLONG *bytes) {
    if (bytes == nullptr) {
        return E_POINTER;
    }
    *bytes = 0;
    if (count < 0 || (drives == nullptr) != (count == 0)) {
        return E_INVALIDARG;
    }
    const std::lock_guard<std::mutex> guard(array_->lock);
    const auto lun = array_->luns.find(first_.id);
    if (lun == array_->luns.end()) {
        return VDS_E_OBJECT_DELETED;
    }
    *bytes = kDriveBytes;
    for (size_t drive : lun->second.plexes) {
        *bytes = std::min(*bytes, array_->FreeBytes(drive));
    }
    return S_OK;
}

HRESULT Lun::Delete() {
    return Guarded([&] {
        IVdsSubSystem *subsystem = nullptr;
        const HRESULT found = SubSystemOf(array_, &subsystem);
        if (FAILED(found)) {
            return found;
        }
        HRESULT result = S_OK;
        {
            const std::lock_guard<std::mutex> guard(array_->lock);
            result = array_->Remove(first_.id);
        }
        if (SUCCEEDED(result)) {
            // One cause, one batch.
            std::vector<VDS_NOTIFICATION> events = {LunEvent(VDS_NF_LUN_DEPART, first_.id)};
            for (size_t drive : first_.plexes) {
                events.push_back(DriveEvent(drive));
            }
            static_cast<SubSystem *>(subsystem)->Forget(first_.id);
            Notify(array_, events);
        }
        subsystem->Release();
        return result;
    });
}

template <class Change> HRESULT Lun::Alter(Change change) {
    {
        const std::lock_guard<std::mutex> guard(array_->lock);
        const auto found = array_->luns.find(first_.id);
        if (found == array_->luns.end()) {
            return VDS_E_OBJECT_DELETED;
        }
        LunState changed = found->second;
        const HRESULT result = change(changed);
        if (FAILED(result)) {
            return result;
        }
        changed.bytes = found->second.bytes;
        found->second = changed;
    }
    std::vector<VDS_NOTIFICATION> events = {LunEvent(VDS_NF_LUN_MODIFY, first_.id)};
    for (size_t drive : first_.plexes) {
        events.push_back(DriveEvent(drive));
    }
    Notify(array_, events);
    return S_OK;
}

} // namespace errant
