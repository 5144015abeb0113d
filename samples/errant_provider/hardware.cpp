/* SPDX-License-Identifier: MIT */
// Controller, drives and plexes.
#include "hardware.h"

#include "enumeration.h"

namespace errant {

HRESULT SubSystemOf(const Shared &array, IVdsSubSystem **subsystem) {
    if (subsystem == nullptr) {
        return E_POINTER;
    }
    const std::lock_guard<std::mutex> guard(array->lock);
    const bool is_there = array->subsystem != nullptr && array->subsystem->AddRefIfAlive();
    *subsystem = is_there ? array->subsystem : nullptr;
    return is_there ? S_OK : VDS_E_OBJECT_DELETED;
}

HRESULT Controller::GetProperties(VDS_CONTROLLER_PROP *properties) {
    if (properties == nullptr) {
        return E_POINTER;
    }
    ZeroMemory(properties, sizeof *properties);
    properties->id = kControllerId;
    properties->pwszFriendlyName = Copy(u"controller 0");
    properties->pwszIdentification = Copy(u"ERRANT-C0");
    properties->status = VDS_CS_ONLINE;
    properties->health = VDS_H_HEALTHY;
    properties->sNumberOfPorts = 0;
    return S_OK;
}

HRESULT Controller::GetPortProperties(SHORT, VDS_PORT_PROP *properties) {
    if (properties == nullptr) {
        return E_POINTER;
    }
    ZeroMemory(properties, sizeof *properties);
    return VDS_E_OBJECT_NOT_FOUND;
}

HRESULT Controller::QueryAssociatedLuns(IEnumVdsObject **luns) {
    if (luns == nullptr) {
        return E_POINTER;
    }
    *luns = nullptr;
    IVdsSubSystem *subsystem = nullptr;
    const HRESULT result = SubSystemOf(array_, &subsystem);
    if (FAILED(result)) {
        return result;
    }
    const HRESULT queried = subsystem->QueryLuns(luns);
    subsystem->Release();
    return queried;
}

HRESULT Controller::SetStatus(VDS_CONTROLLER_STATUS status) {
    return status == VDS_CS_UNKNOWN ? E_INVALIDARG : VDS_E_NOT_SUPPORTED;
}

HRESULT Drive::GetProperties(VDS_DRIVE_PROP *properties) {
    if (properties == nullptr) {
        return E_POINTER;
    }
    ZeroMemory(properties, sizeof *properties);
    return Guarded([&] {
        const std::string number = std::to_string(drive_);
        const Text digits(number.begin(), number.end());
        properties->id = DriveId(drive_);
        properties->ullSize = kDriveBytes;
        properties->pwszFriendlyName = Copy(u"drive " + digits);
        properties->pwszIdentification = Copy(u"ERRANT-D" + digits);
        properties->status = VDS_DRS_ONLINE;
        properties->health = VDS_H_HEALTHY;
        properties->sSlotNumber = static_cast<SHORT>(drive_);
        const std::lock_guard<std::mutex> guard(array_->lock);
        const bool is_used = array_->FreeBytes(drive_) < kDriveBytes;
        properties->ulFlags = is_used ? VDS_DRF_ASSIGNED : VDS_DRF_UNASSIGNED;
        return S_OK;
    });
}

namespace {

HRESULT HandOut(const std::vector<VDS_DRIVE_EXTENT> &extents, VDS_DRIVE_EXTENT **place, LONG *count) {
    if (extents.empty()) {
        return S_OK;
    }
    const SIZE_T bytes = extents.size() * sizeof extents[0];
    void *copy = CoTaskMemAlloc(bytes);
    if (copy == nullptr) {
        return E_OUTOFMEMORY;
    }
    std::memcpy(copy, extents.data(), bytes);
    *place = static_cast<VDS_DRIVE_EXTENT *>(copy);
    *count = static_cast<LONG>(extents.size());
    return S_OK;
}

} // namespace

HRESULT Drive::QueryExtents(VDS_DRIVE_EXTENT **extents, LONG *count) {
    if (extents == nullptr || count == nullptr) {
        return E_POINTER;
    }
    *extents = nullptr;
    *count = 0;
    return Guarded([&] {
        const std::lock_guard<std::mutex> guard(array_->lock);
        std::vector<VDS_DRIVE_EXTENT> found;
        for (const auto &entry : array_->luns) {
            for (size_t drive : entry.second.plexes) {
                if (drive == drive_) {
                    found.push_back({DriveId(drive_), entry.first, entry.second.bytes, TRUE});
                }
            }
        }
        const ULONGLONG free_bytes = array_->FreeBytes(drive_);
        if (free_bytes > 0) {
            found.push_back({DriveId(drive_), GUID_NULL, free_bytes, FALSE});
        }
        return HandOut(found, extents, count);
    });
}

HRESULT LunPlex::GetProperties(VDS_LUN_PLEX_PROP *properties) {
    if (properties == nullptr) {
        return E_POINTER;
    }
    ZeroMemory(properties, sizeof *properties);
    const std::lock_guard<std::mutex> guard(array_->lock);
    const auto lun = array_->luns.find(lun_);
    if (lun == array_->luns.end()) {
        return VDS_E_OBJECT_DELETED;
    }
    properties->id = PlexId(lun->second, plex_);
    properties->ullSize = lun->second.bytes;
    properties->type = VDS_LPT_SIMPLE;
    properties->status = VDS_LPS_ONLINE;
    properties->health = VDS_H_HEALTHY;
    properties->TransitionState = VDS_TS_STABLE;
    properties->sRebuildPriority = array_->rebuild_priority;
    return S_OK;
}

HRESULT LunPlex::GetLun(IVdsLun **lun) {
    if (lun == nullptr) {
        return E_POINTER;
    }
    *lun = nullptr;
    return Guarded([&] {
        const std::lock_guard<std::mutex> guard(array_->lock);
        const auto found = array_->luns.find(lun_);
        if (found == array_->luns.end() || array_->subsystem == nullptr) {
            return VDS_E_OBJECT_DELETED;
        }
        *lun = array_->subsystem->LunObject(found->second);
        (*lun)->AddRef();
        return S_OK;
    });
}

HRESULT LunPlex::QueryExtents(VDS_DRIVE_EXTENT **extents, LONG *count) {
    if (extents == nullptr || count == nullptr) {
        return E_POINTER;
    }
    *extents = nullptr;
    *count = 0;
    return Guarded([&] {
        const std::lock_guard<std::mutex> guard(array_->lock);
        const auto lun = array_->luns.find(lun_);
        if (lun == array_->luns.end()) {
            return VDS_E_OBJECT_DELETED;
        }
        return HandOut({{DriveId(lun->second.plexes[plex_]), lun_, lun->second.bytes, TRUE}}, extents, count);
    });
}

} // namespace errant
