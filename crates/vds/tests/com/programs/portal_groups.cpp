// A new host is provisioned as it is documented: a target, a portal group, a portal in it, a LUN behind the target. Then
// what each step refuses, and how all of it is taken back.
#include "check.hpp"
#include <cstring>

namespace {

std::vector<Ref<IVdsIscsiPortalGroup>> groups_of(const Ref<IVdsIscsiTarget> &target)
{
    return list<IVdsIscsiPortalGroup>(target, &IVdsIscsiTarget::QueryPortalGroups);
}

std::vector<Ref<IVdsIscsiPortal>> portals_of(const Ref<IVdsIscsiPortalGroup> &group)
{
    return list<IVdsIscsiPortal>(group, &IVdsIscsiPortalGroup::QueryAssociatedPortals);
}

VDS_ISCSI_PORTALGROUP_PROP properties(const Ref<IVdsIscsiPortalGroup> &group)
{
    VDS_ISCSI_PORTALGROUP_PROP found;
    must("IVdsIscsiPortalGroup::GetProperties", group->GetProperties(&found));
    return found;
}

VDS_OBJECT_ID id_of(const Ref<IVdsIscsiPortal> &portal)
{
    VDS_ISCSI_PORTAL_PROP found;
    must("IVdsIscsiPortal::GetProperties", portal->GetProperties(&found));
    return found.id;
}

// What a method of a group came to: its own refusal, or the end of its work.
HRESULT add(const Ref<IVdsIscsiPortalGroup> &group, VDS_OBJECT_ID portal)
{
    Ref<IVdsAsync> operation;
    HRESULT started = group->AddPortal(portal, operation.out());
    return FAILED(started) ? started : wait(operation, VDS_ASYNCOUT_ADDPORTAL);
}

HRESULT remove(const Ref<IVdsIscsiPortalGroup> &group, VDS_OBJECT_ID portal)
{
    Ref<IVdsAsync> operation;
    HRESULT started = group->RemovePortal(portal, operation.out());
    return FAILED(started) ? started : wait(operation, VDS_ASYNCOUT_REMOVEPORTAL);
}

HRESULT erase(const Ref<IVdsIscsiPortalGroup> &group)
{
    Ref<IVdsAsync> operation;
    HRESULT started = group->Delete(operation.out());
    return FAILED(started) ? started : wait(operation, VDS_ASYNCOUT_DELETEPORTALGROUP);
}

Ref<IVdsIscsiPortalGroup> make_group(const Ref<IVdsIscsiTarget> &target)
{
    Ref<IVdsAsync> operation;
    must("CreatePortalGroup", target->CreatePortalGroup(operation.out()));
    VDS_ASYNC_OUTPUT output = VDS_ASYNC_OUTPUT();
    HRESULT work = E_FAIL;
    must("waiting for a portal group", operation->Wait(&work, &output));
    must("a portal group", work);
    check("its output is a portal group", output.type == VDS_ASYNCOUT_CREATEPORTALGROUP && output.cpg.pPortalGroupUnk);
    Ref<IVdsIscsiPortalGroup> made;
    must("IVdsIscsiPortalGroup", output.cpg.pPortalGroupUnk->QueryInterface(IID_IVdsIscsiPortalGroup,
                                                                            reinterpret_cast<void **>(made.out())));
    output.cpg.pPortalGroupUnk->Release();
    return made;
}

Ref<IVdsIscsiTarget> make_target(const Ref<IVdsSubSystemIscsi> &iscsi)
{
    WCHAR alias[] = W("for the new host");
    Ref<IVdsAsync> operation;
    must("CreateTarget", iscsi->CreateTarget(nullptr, alias, operation.out()));
    VDS_ASYNC_OUTPUT output = VDS_ASYNC_OUTPUT();
    HRESULT work = E_FAIL;
    must("waiting for a target", operation->Wait(&work, &output));
    must("a target", work);
    Ref<IVdsIscsiTarget> made;
    must("IVdsIscsiTarget",
         output.ct.pTargetUnk->QueryInterface(IID_IVdsIscsiTarget, reinterpret_cast<void **>(made.out())));
    output.ct.pTargetUnk->Release();
    return made;
}

// The array, as far as iSCSI goes.
Ref<IVdsSubSystemIscsi> iscsi_of(const Ref<IVdsService> &service)
{
    Ref<IVdsSubSystemIscsi> iscsi = first_subsystem(service).as<IVdsSubSystemIscsi>();
    return must_have("IVdsSubSystemIscsi", iscsi);
}

void provision(const Ref<IVdsService> &service)
{
    Ref<IVdsSubSystemIscsi> iscsi = iscsi_of(service);
    std::vector<Ref<IVdsIscsiPortal>> portals = list<IVdsIscsiPortal>(iscsi, &IVdsSubSystemIscsi::QueryPortals);
    check("the array has two portals", portals.size() == 2);
    VDS_OBJECT_ID first = id_of(portals[0]), second = id_of(portals[1]);

    Ref<IVdsIscsiTarget> target = make_target(iscsi);
    std::vector<Ref<IVdsIscsiPortalGroup>> derived = groups_of(target);
    check("a new target is reached through every portal", derived.size() == 1 && portals_of(derived[0]).size() == 2);
    check("what is in it already is added without a change", add(derived[0], first), S_OK);
    check("nothing is taken from it", remove(derived[0], first), VDS_E_NOT_SUPPORTED);
    check("it is not deleted", erase(derived[0]), VDS_E_NOT_SUPPORTED);

    Ref<IVdsIscsiPortalGroup> group = make_group(target);
    VDS_ISCSI_PORTALGROUP_PROP own = properties(group);
    check("a new group has a tag of its own and no portal", own.tag == 2 && portals_of(group).empty());
    check("it took the place of the one there was", groups_of(target).size() == 1);
    VDS_ISCSI_PORTALGROUP_PROP gone;
    check("which is gone", derived[0]->GetProperties(&gone), VDS_E_OBJECT_DELETED);
    Ref<IVdsIscsiTarget> of;
    must("GetTarget", group->GetTarget(of.out()));
    check("its target is the one it was made for", of.get() == target.get());

    check("AddPortal", add(group, first), S_OK);
    check("AddPortal again", add(group, first), S_OK);
    std::vector<Ref<IVdsIscsiPortal>> in = portals_of(group);
    check("a group has its portal", in.size() == 1 && in[0].get() == portals[0].get());
    VDS_OBJECT_ID nothing = {9, 9, 9, {9, 9, 9, 9, 9, 9, 9, 9}};
    check("AddPortal with what is none", add(group, nothing), VDS_E_OBJECT_NOT_FOUND);
    check("RemovePortal with what is none", remove(group, nothing), VDS_E_OBJECT_NOT_FOUND);
    check("RemovePortal with what is not in it", remove(group, second), VDS_E_OBJECT_NOT_FOUND);
    check("a group with a portal is not deleted", erase(group), VDS_E_ASSOCIATED_PORTALS_EXIST);

    Ref<IVdsIscsiPortalGroup> other = make_group(target);
    check("the next group has the next tag", properties(other).tag == 3);
    check("a portal is in one group of a target", add(other, first), VDS_E_OBJECT_EXISTS);
    check("an empty group is deleted", erase(other), S_OK);
    check("what is gone says so", other->GetProperties(&gone), VDS_E_OBJECT_DELETED);

    WCHAR host[] = W("iqn.2025-01.org.example:host");
    Ref<IVdsAsync> operation;
    must("CreateLun", first_subsystem(service)->CreateLun(VDS_LT_SIMPLE, 16 << 20, nullptr, 0, host, nullptr,
                                                          operation.out()));
    Ref<IVdsLun> lun;
    check("a LUN is made", made(operation, &lun), S_OK);
    Ref<IVdsLunIscsi> behind = lun.as<IVdsLunIscsi>();
    VDS_ISCSI_TARGET_PROP named;
    must("IVdsIscsiTarget::GetProperties", target->GetProperties(&named));
    check("AssociateTargets", behind->AssociateTargets(&named.id, 1), S_OK);
    take(named.pwszFriendlyName);
    std::printf("target %s\n", take(named.pwszIscsiName).c_str());
    VDS_ISCSI_PORTAL_PROP portal;
    must("IVdsIscsiPortal::GetProperties", portals[0]->GetProperties(&portal));
    std::printf("port %u\n", static_cast<unsigned>(portal.address.ulPort));
}

// The documented way back.
void withdraw(const Ref<IVdsService> &service)
{
    Ref<IVdsSubSystemIscsi> iscsi = iscsi_of(service);
    for (const Ref<IVdsIscsiTarget> &target : list<IVdsIscsiTarget>(iscsi, &IVdsSubSystemIscsi::QueryTargets)) {
        std::vector<Ref<IVdsLun>> luns = list<IVdsLun>(target, &IVdsIscsiTarget::QueryAssociatedLuns);
        if (luns.empty()) continue;
        WCHAR nobody[] = {0};
        must("AssociateTargets", luns[0].as<IVdsLunIscsi>()->AssociateTargets(nullptr, 0));
        must("SetMask", luns[0]->SetMask(nobody));
        must("IVdsLun::Delete", luns[0]->Delete());
        Ref<IVdsIscsiPortalGroup> group = groups_of(target)[0];
        check("RemovePortal", remove(group, id_of(portals_of(group)[0])), S_OK);
        check("IVdsIscsiPortalGroup::Delete", erase(group), S_OK);
        std::vector<Ref<IVdsIscsiPortalGroup>> left = groups_of(target);
        check("the last group gives its place back", left.size() == 1 && portals_of(left[0]).size() == 2);
        Ref<IVdsAsync> operation;
        must("IVdsIscsiTarget::Delete", target->Delete(operation.out()));
        check("a target goes", wait(operation, VDS_ASYNCOUT_DELETETARGET), S_OK);
        check("its group goes with it", left[0]->GetTarget(Ref<IVdsIscsiTarget>().out()), VDS_E_OBJECT_DELETED);
    }
}

} // namespace

int main(int count, char **words)
{
    must("CoInitializeEx", CoInitializeEx(nullptr, COINIT_MULTITHREADED));
    {
        Ref<IVdsService> service = load();
        if (count > 1 && !std::strcmp(words[1], "withdraw"))
            withdraw(service);
        else
            provision(service);
    }
    return end();
}
