/* SPDX-License-Identifier: MIT */
// The objects that stand for parts of the array: each shows what the array holds at that moment.
#ifndef ERRANT_HARDWARE_H
#define ERRANT_HARDWARE_H

#include "array.h"

namespace errant {

using Shared = std::shared_ptr<Array>;

// The subsystem's object, with a reference, or VDS_E_OBJECT_DELETED.
HRESULT SubSystemOf(const Shared &array, IVdsSubSystem **subsystem);

class Controller : public Object<IVdsController> {
public:
    explicit Controller(const Shared &array) : array_(array) {}

    STDMETHODIMP GetProperties(VDS_CONTROLLER_PROP *properties) override;
    STDMETHODIMP GetSubSystem(IVdsSubSystem **subsystem) override { return SubSystemOf(array_, subsystem); }
    STDMETHODIMP GetPortProperties(SHORT port, VDS_PORT_PROP *properties) override;
    STDMETHODIMP FlushCache() override { return S_OK; }
    STDMETHODIMP InvalidateCache() override { return VDS_E_NOT_SUPPORTED; }
    STDMETHODIMP Reset() override { return VDS_E_NOT_SUPPORTED; }
    STDMETHODIMP QueryAssociatedLuns(IEnumVdsObject **luns) override;
    STDMETHODIMP SetStatus(VDS_CONTROLLER_STATUS status) override;

private:
    const Shared array_;
};

class Drive : public Object<IVdsDrive> {
public:
    Drive(const Shared &array, size_t drive) : array_(array), drive_(drive) {}

    STDMETHODIMP GetProperties(VDS_DRIVE_PROP *properties) override;
    STDMETHODIMP GetSubSystem(IVdsSubSystem **subsystem) override { return SubSystemOf(array_, subsystem); }
    STDMETHODIMP QueryExtents(VDS_DRIVE_EXTENT **extents, LONG *count) override;
    STDMETHODIMP SetFlags(ULONG) override { return VDS_E_NOT_SUPPORTED; }
    STDMETHODIMP ClearFlags(ULONG) override { return VDS_E_NOT_SUPPORTED; }
    STDMETHODIMP SetStatus(VDS_DRIVE_STATUS) override { return VDS_E_NOT_SUPPORTED; }

private:
    const Shared array_;
    const size_t drive_;
};

class LunPlex : public Object<IVdsLunPlex> {
public:
    LunPlex(const Shared &array, const GUID &lun, size_t plex) : array_(array), lun_(lun), plex_(plex) {}

    STDMETHODIMP GetProperties(VDS_LUN_PLEX_PROP *properties) override;
    STDMETHODIMP GetLun(IVdsLun **lun) override;
    STDMETHODIMP QueryExtents(VDS_DRIVE_EXTENT **extents, LONG *count) override;
    STDMETHODIMP QueryHints(VDS_HINTS *) override { return VDS_E_NOT_SUPPORTED; }
    STDMETHODIMP ApplyHints(VDS_HINTS *) override { return VDS_E_NOT_SUPPORTED; }

private:
    const Shared array_;
    const GUID lun_;
    const size_t plex_;
};

class Lun : public Object<IVdsLun, IVdsLunNaming> {
public:
    Lun(const Shared &array, const LunState &lun);

    STDMETHODIMP GetProperties(VDS_LUN_PROP *properties) override;
    STDMETHODIMP GetSubSystem(IVdsSubSystem **subsystem) override;
    STDMETHODIMP GetIdentificationData(VDS_LUN_INFORMATION *) override { return VDS_E_NOT_SUPPORTED; }
    STDMETHODIMP QueryActiveControllers(IEnumVdsObject **controllers) override;
    STDMETHODIMP Extend(ULONGLONG bytes, VDS_OBJECT_ID *drives, LONG count, IVdsAsync **async) override;
    STDMETHODIMP Shrink(ULONGLONG bytes, IVdsAsync **async) override;
    STDMETHODIMP QueryPlexes(IEnumVdsObject **plexes) override;
    STDMETHODIMP AddPlex(VDS_OBJECT_ID lun, IVdsAsync **async) override;
    STDMETHODIMP RemovePlex(VDS_OBJECT_ID plex, IVdsAsync **async) override;
    STDMETHODIMP Recover(IVdsAsync **async) override;
    STDMETHODIMP SetMask(LPWSTR unmasking_list) override;
    STDMETHODIMP Delete() override;
    STDMETHODIMP AssociateControllers(VDS_OBJECT_ID *, LONG, VDS_OBJECT_ID *, LONG) override {
        return VDS_E_NOT_SUPPORTED;
    }
    STDMETHODIMP QueryHints(VDS_HINTS *) override { return VDS_E_NOT_SUPPORTED; }
    STDMETHODIMP ApplyHints(VDS_HINTS *) override { return VDS_E_NOT_SUPPORTED; }
    STDMETHODIMP SetStatus(VDS_LUN_STATUS status) override;
    STDMETHODIMP QueryMaxLunExtendSize(VDS_OBJECT_ID *drives, LONG count, ULONGLONG *bytes) override;
    STDMETHODIMP SetFriendlyName(LPWSTR name) override;

    // The plex's object, with a reference, or NULL.
    IUnknown *Plex(const GUID &id);

protected:
    ~Lun() override;

private:
    // Changes what the array holds of this LUN, keeps it, and tells.
    template <class Change> HRESULT Alter(Change change);

    const Shared array_;
    const LunState first_;
    std::vector<LunPlex *> plexes_;
};

class SubSystem : public Object<IVdsSubSystem> {
public:
    explicit SubSystem(const Shared &array);

    STDMETHODIMP GetProperties(VDS_SUB_SYSTEM_PROP *properties) override;
    STDMETHODIMP GetProvider(IVdsProvider **provider) override;
    STDMETHODIMP QueryControllers(IEnumVdsObject **controllers) override;
    STDMETHODIMP QueryLuns(IEnumVdsObject **luns) override;
    STDMETHODIMP QueryDrives(IEnumVdsObject **drives) override;
    STDMETHODIMP GetDrive(SHORT bus, SHORT slot, IVdsDrive **drive) override;
    STDMETHODIMP Reenumerate() override { return S_OK; }
    STDMETHODIMP SetControllerStatus(VDS_OBJECT_ID *, LONG, VDS_OBJECT_ID *, LONG) override {
        return VDS_E_NOT_SUPPORTED;
    }
    STDMETHODIMP CreateLun(VDS_LUN_TYPE type, ULONGLONG bytes, VDS_OBJECT_ID *drives, LONG count,
                           LPWSTR unmasking_list, VDS_HINTS *hints, IVdsAsync **async) override;
    STDMETHODIMP ReplaceDrive(VDS_OBJECT_ID, VDS_OBJECT_ID) override { return VDS_E_NOT_SUPPORTED; }
    STDMETHODIMP SetStatus(VDS_SUB_SYSTEM_STATUS) override { return VDS_E_NOT_SUPPORTED; }
    STDMETHODIMP QueryMaxLunCreateSize(VDS_LUN_TYPE type, VDS_OBJECT_ID *drives, LONG count, VDS_HINTS *hints,
                                       ULONGLONG *bytes) override;

    // The object of a LUN, of a drive, of a plex or of the controller, with a reference, or NULL. Not to be called under
    // the array's lock.
    IUnknown *Find(const GUID &id);
    // The object of a LUN that is there. The array's lock is held.
    Lun *LunObject(const LunState &lun);
    // Lets go of a LUN that is gone.
    void Forget(const GUID &lun);

    // Whom GetProvider gives; the provider takes itself out before it ends.
    void SetProvider(Object<IVdsProvider, IVdsProviderPrivate, IVdsHwProvider, IVdsHwProviderPrivate> *provider);

protected:
    ~SubSystem() override;

private:
    const Shared array_;
    Controller *controller_;
    std::vector<Drive *> drives_;
    std::map<GUID, Lun *, ById> luns_;
    // What was handed out with a failure, which nobody has to give back: it goes when this goes.
    std::vector<IVdsAsync *> left_;
    Object<IVdsProvider, IVdsProviderPrivate, IVdsHwProvider, IVdsHwProviderPrivate> *provider_ = nullptr;
};

} // namespace errant

#endif
