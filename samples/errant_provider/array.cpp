/* SPDX-License-Identifier: MIT */
#include "array.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <dirent.h>
#include <fcntl.h>
#include <fstream>
#include <random>
#include <sstream>
#include <unistd.h>

namespace errant {

std::atomic<LONG> alive(0);

const GUID kProviderId = {0x5b0f6a0e, 0x3c41, 0x4d7c, {0x9a, 0x11, 0x6e, 0x72, 0x72, 0x61, 0x6e, 0x74}};
const GUID kVersionId = {0x5b0f6a0e, 0x3c41, 0x4d7c, {0x9a, 0x12, 0x6e, 0x72, 0x72, 0x61, 0x6e, 0x74}};
const GUID kSubSystemId = {0x5b0f6a0e, 0x3c41, 0x4d7c, {0x9a, 0x13, 0x6e, 0x72, 0x72, 0x61, 0x6e, 0x74}};
const GUID kControllerId = {0x5b0f6a0e, 0x3c41, 0x4d7c, {0x9a, 0x14, 0x6e, 0x72, 0x72, 0x61, 0x6e, 0x74}};

GUID DriveId(size_t drive) {
    GUID id = kSubSystemId;
    id.Data4[0] = 0x9b;
    id.Data4[1] = static_cast<unsigned char>(drive);
    return id;
}

GUID PlexId(const LunState &lun, size_t plex) {
    GUID id = lun.id;
    id.Data4[7] = static_cast<unsigned char>(plex + 1);
    return id;
}

ULONGLONG RoundUp(ULONGLONG bytes) {
    const ULONGLONG beyond = bytes % kGranule;
    if (beyond == 0) {
        return bytes;
    }
    const ULONGLONG rounded = bytes + (kGranule - beyond);
    return rounded < bytes ? 0 : rounded;
}

namespace {

// A version 4 UUID whose last byte is 0: those of the plexes are not.
GUID NewLunId() {
    std::random_device random;
    GUID id;
    unsigned int words[4];
    for (unsigned int &word : words) {
        word = random();
    }
    std::memcpy(&id, words, sizeof id);
    id.Data3 = static_cast<unsigned short>((id.Data3 & 0x0FFF) | 0x4000);
    id.Data4[0] = static_cast<unsigned char>((id.Data4[0] & 0x3F) | 0x80);
    id.Data4[7] = 0;
    return id;
}

std::string Written(const GUID &id) {
    char text[40];
    std::snprintf(text, sizeof text, "%08x-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x", id.Data1, id.Data2,
                  id.Data3, id.Data4[0], id.Data4[1], id.Data4[2], id.Data4[3], id.Data4[4], id.Data4[5],
                  id.Data4[6], id.Data4[7]);
    return text;
}

bool Read(const std::string &text, GUID *id) {
    unsigned int first, parts[2], bytes[8];
    const int found = std::sscanf(text.c_str(), "%8x-%4x-%4x-%2x%2x-%2x%2x%2x%2x%2x%2x", &first, &parts[0],
                                  &parts[1], &bytes[0], &bytes[1], &bytes[2], &bytes[3], &bytes[4], &bytes[5],
                                  &bytes[6], &bytes[7]);
    id->Data1 = first;
    id->Data2 = static_cast<unsigned short>(parts[0]);
    id->Data3 = static_cast<unsigned short>(parts[1]);
    for (size_t index = 0; index < 8; ++index) {
        id->Data4[index] = static_cast<unsigned char>(bytes[index]);
    }
    return found == 11;
}

// Texts are kept as the numbers of their code units: no text can break the file.
void Write(std::ostream &to, const Text &text) {
    to << text.size();
    for (char16_t unit : text) {
        to << ' ' << static_cast<unsigned int>(unit);
    }
    to << '\n';
}

bool Read(std::istream &from, Text *text) {
    size_t length = 0;
    if (!(from >> length) || length > 65536) {
        return false;
    }
    text->clear();
    for (unsigned int unit = 0; length > 0 && from >> unit; --length) {
        text->push_back(static_cast<char16_t>(unit));
    }
    return static_cast<bool>(from);
}

bool Contains(const std::vector<size_t> &list, size_t wanted) {
    return std::find(list.begin(), list.end(), wanted) != list.end();
}

// An image of so many bytes, all of them holes.
HRESULT SetImage(const std::string &path, ULONGLONG bytes) {
    const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0) {
        return HRESULT_FROM_WIN32(5);
    }
    const bool is_sized = ftruncate(file, static_cast<off_t>(bytes)) == 0 && fsync(file) == 0;
    close(file);
    return is_sized ? S_OK : VDS_E_NOT_ENOUGH_SPACE;
}

} // namespace

Array::Array(const char *folder) : folder_(folder == nullptr ? "" : folder) {
    if (!folder_.empty()) {
        Load();
    }
}

std::string Array::Path(const GUID &id, const char *ending) const {
    return folder_ + "/" + Written(id) + ending;
}

void Array::Load() {
    DIR *entries = opendir(folder_.c_str());
    if (entries == nullptr) {
        std::fprintf(stderr, "%s cannot be read: its LUNs are missing\n", folder_.c_str());
        return;
    }
    while (const dirent *entry = readdir(entries)) {
        const std::string name = entry->d_name;
        LunState lun;
        if (name.size() != 40 || name.substr(36) != ".lun" || !Read(name, &lun.id)) {
            continue;
        }
        std::ifstream file(folder_ + "/" + name);
        unsigned int type = 0, plexes = 0;
        file >> type >> lun.bytes >> lun.online >> plexes;
        for (size_t drive = 0; plexes > 0 && file >> drive; --plexes) {
            lun.plexes.push_back(drive % kDrives);
        }
        lun.type = static_cast<VDS_LUN_TYPE>(type);
        if (Read(file, &lun.name) && Read(file, &lun.mask)) {
            luns[lun.id] = lun;
        } else {
            std::fprintf(stderr, "%s is damaged: passed over\n", name.c_str());
        }
    }
    closedir(entries);
}

HRESULT Array::Save(const LunState &lun) const {
    if (folder_.empty()) {
        return S_OK;
    }
    const std::string path = Path(lun.id, ".lun"), beside = Path(lun.id, ".new");
    std::ostringstream text;
    text << static_cast<unsigned int>(lun.type) << ' ' << lun.bytes << ' ' << lun.online << ' '
         << lun.plexes.size();
    for (size_t drive : lun.plexes) {
        text << ' ' << drive;
    }
    text << '\n';
    Write(text, lun.name);
    Write(text, lun.mask);
    const std::string written = text.str();
    const int file = open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0) {
        return HRESULT_FROM_WIN32(5);
    }
    const bool is_written = write(file, written.data(), written.size()) == static_cast<ssize_t>(written.size());
    const bool is_durable = is_written && fsync(file) == 0;
    close(file);
    // The name changes once the text is durable: a crash leaves the old one or the new one.
    return is_durable && std::rename(beside.c_str(), path.c_str()) == 0 ? S_OK : VDS_E_NOT_ENOUGH_SPACE;
}

ULONGLONG Array::FreeBytes(size_t drive) const {
    ULONGLONG used = 0;
    for (const auto &entry : luns) {
        used += Contains(entry.second.plexes, drive) ? entry.second.bytes : 0;
    }
    return used > kDriveBytes ? 0 : kDriveBytes - used;
}

Placement Array::Place(VDS_LUN_TYPE type, const VDS_OBJECT_ID *drives, LONG count) const {
    Placement placement = {S_OK, VDS_LT_SIMPLE, {}, 0};
    switch (type) {
    case VDS_LT_DEFAULT:
    case VDS_LT_NON_FAULT_TOLERANT:
    case VDS_LT_SIMPLE:
        break;
    case VDS_LT_FAULT_TOLERANT:
    case VDS_LT_MIRROR:
        placement.type = VDS_LT_MIRROR;
        break;
    default:
        placement.result = type > VDS_LT_UNKNOWN && type <= VDS_LT_RAID61 ? VDS_E_NOT_SUPPORTED : E_INVALIDARG;
        return placement;
    }
    const size_t wanted = placement.type == VDS_LT_MIRROR ? 2 : 1;
    std::vector<size_t> candidates;
    for (LONG index = 0; index < count; ++index) {
        size_t drive = 0;
        while (drive < kDrives && !IsEqualGUID(DriveId(drive), drives[index])) {
            ++drive;
        }
        if (drive == kDrives) {
            placement.result = VDS_E_OBJECT_NOT_FOUND;
            return placement;
        }
        if (!Contains(candidates, drive)) {
            candidates.push_back(drive);
        }
    }
    if (count == 0) {
        for (size_t drive = 0; drive < kDrives; ++drive) {
            candidates.push_back(drive);
        }
        std::stable_sort(candidates.begin(), candidates.end(),
                         [this](size_t a, size_t b) { return FreeBytes(a) > FreeBytes(b); });
    }
    if (candidates.size() < wanted) {
        placement.result = VDS_E_NOT_ENOUGH_DRIVE;
        return placement;
    }
    placement.drives.assign(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(wanted));
    placement.bytes_max = kDriveBytes;
    for (size_t drive : placement.drives) {
        placement.bytes_max = std::min(placement.bytes_max, FreeBytes(drive));
    }
    return placement;
}

HRESULT Array::Make(const Placement &placement, ULONGLONG bytes, const Text &mask, LunState *made) {
    LunState lun = {NewLunId(), placement.type, RoundUp(bytes), true, Text(), mask, placement.drives};
    if (lun.bytes == 0 || lun.bytes > placement.bytes_max) {
        return VDS_E_NOT_ENOUGH_SPACE;
    }
    HRESULT result = S_OK;
    for (size_t plex = 0; !folder_.empty() && SUCCEEDED(result) && plex < lun.plexes.size(); ++plex) {
        result = SetImage(Path(PlexId(lun, plex), ".img"), lun.bytes);
    }
    // The images first: what a description names is there.
    if (SUCCEEDED(result)) {
        result = Save(lun);
    }
    luns[lun.id] = lun;
    if (FAILED(result)) {
        Remove(lun.id);
        return result;
    }
    *made = lun;
    return S_OK;
}

HRESULT Array::Resize(const GUID &id, ULONGLONG bytes) {
    const auto found = luns.find(id);
    if (found == luns.end()) {
        return VDS_E_OBJECT_DELETED;
    }
    LunState lun = found->second;
    const ULONGLONG more = bytes > lun.bytes ? bytes - lun.bytes : 0;
    for (size_t drive : lun.plexes) {
        if (more > FreeBytes(drive)) {
            return VDS_E_NOT_ENOUGH_SPACE;
        }
    }
    lun.bytes = bytes;
    for (size_t plex = 0; !folder_.empty() && plex < lun.plexes.size(); ++plex) {
        const HRESULT result = SetImage(Path(PlexId(lun, plex), ".img"), bytes);
        if (FAILED(result)) {
            return result;
        }
    }
    const HRESULT result = Save(lun);
    if (SUCCEEDED(result)) {
        found->second = lun;
    }
    return result;
}

HRESULT Array::Remove(const GUID &id) {
    const auto found = luns.find(id);
    if (found == luns.end()) {
        return VDS_E_OBJECT_DELETED;
    }
    if (!folder_.empty()) {
        std::remove(Path(id, ".lun").c_str());
        for (size_t plex = 0; plex < found->second.plexes.size(); ++plex) {
            std::remove(Path(PlexId(found->second, plex), ".img").c_str());
        }
    }
    luns.erase(found);
    return S_OK;
}

VDS_NOTIFICATION LunEvent(ULONG event, const GUID &lun) {
    VDS_NOTIFICATION notification;
    ZeroMemory(&notification, sizeof notification);
    notification.objectType = VDS_NTT_LUN;
    notification.Lun.ulEvent = event;
    notification.Lun.LunId = lun;
    return notification;
}

VDS_NOTIFICATION DriveEvent(size_t drive) {
    VDS_NOTIFICATION notification;
    ZeroMemory(&notification, sizeof notification);
    notification.objectType = VDS_NTT_DRIVE;
    notification.Drive.ulEvent = VDS_NF_DRIVE_MODIFY;
    notification.Drive.driveId = DriveId(drive);
    return notification;
}

void Notify(const std::shared_ptr<Array> &array, const std::vector<VDS_NOTIFICATION> &events) {
    IVdsAdviseSink *sink = nullptr;
    {
        const std::lock_guard<std::mutex> guard(array->lock);
        sink = array->sink;
        if (sink != nullptr) {
            sink->AddRef();
        }
    }
    if (sink != nullptr) {
        std::vector<VDS_NOTIFICATION> batch(events);
        sink->OnNotify(static_cast<LONG>(batch.size()), batch.data());
        sink->Release();
    }
}

} // namespace errant
