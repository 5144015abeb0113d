/* SPDX-License-Identifier: MIT */
// The array itself, without any COM: four drives of 1 GiB, LUNs on them, and where they are kept.
#ifndef ERRANT_ARRAY_H
#define ERRANT_ARRAY_H

#include "object.h"

#include <map>
#include <memory>
#include <mutex>
#include <vector>

namespace errant {

class SubSystem;
class Drive;
class Lun;

const ULONGLONG kMebibyte = 1 << 20;
const ULONGLONG kDriveBytes = 1024 * kMebibyte;
const size_t kDrives = 4;
// LUNs are whole multiples of this.
const ULONGLONG kGranule = kMebibyte;

// Ids of what is always there.
extern const GUID kProviderId;
extern const GUID kVersionId;
extern const GUID kSubSystemId;
extern const GUID kControllerId;
GUID DriveId(size_t drive);

struct ById {
    bool operator()(const GUID &a, const GUID &b) const { return std::memcmp(&a, &b, sizeof a) < 0; }
};

struct LunState {
    GUID id;
    VDS_LUN_TYPE type;
    ULONGLONG bytes;
    bool online;
    Text name;
    Text mask;
    // The drive of each plex: one for a simple LUN, two for a mirror.
    std::vector<size_t> plexes;
};

// A plex's id follows from its LUN's, so that it is the same after every start.
GUID PlexId(const LunState &lun, size_t plex);

// What a LUN would be laid on.
struct Placement {
    HRESULT result;
    VDS_LUN_TYPE type;
    std::vector<size_t> drives;
    ULONGLONG bytes_max;
};

// Used under its lock; the objects that show parts of it share it.
class Array {
public:
    // With a folder the LUNs are image files in it, and are there again after the next start.
    explicit Array(const char *folder);

    std::mutex lock;
    std::map<GUID, LunState, ById> luns;
    // The object that stands for all of it, as long as it lives.
    SubSystem *subsystem = nullptr;
    IVdsAdviseSink *sink = nullptr;
    SHORT rebuild_priority = 8;

    ULONGLONG FreeBytes(size_t drive) const;
    Placement Place(VDS_LUN_TYPE type, const VDS_OBJECT_ID *drives, LONG count) const;
    // These leave everything as it was when they fail.
    HRESULT Make(const Placement &placement, ULONGLONG bytes, const Text &mask, LunState *made);
    HRESULT Resize(const GUID &lun, ULONGLONG bytes);
    HRESULT Remove(const GUID &lun);
    HRESULT Save(const LunState &lun) const;

private:
    void Load();
    std::string Path(const GUID &id, const char *ending) const;

    std::string folder_;
};

// Rounds up; 0 for what does not fit.
ULONGLONG RoundUp(ULONGLONG bytes);

// Tells the service, if it listens. Not to be called under the lock.
void Notify(const std::shared_ptr<Array> &array, const std::vector<VDS_NOTIFICATION> &events);
VDS_NOTIFICATION LunEvent(ULONG event, const GUID &lun);
VDS_NOTIFICATION DriveEvent(size_t drive);

} // namespace errant

#endif
