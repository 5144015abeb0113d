// A program that has the service in its own process: `make` leaves a LUN behind, `find` finds it and deletes it.
#include "check.hpp"
#include <cstring>

namespace {

const ULONGLONG MIB = 1ull << 20;

void make()
{
    Ref<IVdsService> service = load();
    std::puts("serving");
    std::fflush(stdout);
    // Somebody makes an array meanwhile.
    char line[80];
    if (!std::fgets(line, sizeof line, stdin)) must("a line", E_FAIL);
    Ref<IVdsSubSystem> subsystem = first_subsystem(service);
    Ref<IVdsLun> lun, other;
    must("CreateLun", create(subsystem, VDS_LT_MIRROR, 64 * MIB, {}, &lun));
    must("CreateLun again", create(subsystem, VDS_LT_SIMPLE, 16 * MIB, {}, &other));
    Ref<IVdsAsync> operation;
    must("Extend", lun->Extend(32 * MIB, nullptr, 0, operation.out()));
    check("a LUN grows", wait(operation, VDS_ASYNCOUT_EXTENDLUN), S_OK);
    WCHAR mask[] = u"iqn.2025-01.org.example:host";
    check("SetMask", lun->SetMask(mask), S_OK);
    WCHAR name[] = u"kept";
    check("SetFriendlyName", lun.as<IVdsLunNaming>()->SetFriendlyName(name), S_OK);
    check("Delete", other->Delete(), S_OK);
    check("one is left", list<IVdsLun>(subsystem, &IVdsSubSystem::QueryLuns).size() == 1);
}

void find()
{
    Ref<IVdsService> service = load();
    std::vector<Ref<IVdsLun>> luns = list<IVdsLun>(first_subsystem(service), &IVdsSubSystem::QueryLuns);
    check("the LUN is found again", luns.size() == 1);
    std::string mask, name;
    VDS_LUN_PROP found = properties(luns.at(0), &mask, &name);
    check("as it was left", found.ullSize == 96 * MIB && found.type == VDS_LT_MIRROR && name == "kept" &&
                                mask == "iqn.2025-01.org.example:host");
    check("and whole", found.status == VDS_LS_ONLINE && found.health == VDS_H_HEALTHY);
    check("Delete", luns[0]->Delete(), S_OK);
}

void refused()
{
    Ref<IVdsServiceLoader> loader;
    must("CoCreateInstance",
         CoCreateInstance(CLSID_VdsLoader, nullptr, CLSCTX_LOCAL_SERVER, IID_IVdsServiceLoader,
                          reinterpret_cast<void **>(loader.out())));
    Ref<IVdsService> service;
    HRESULT result = loader->LoadService(nullptr, service.out());
    std::printf("LoadService %08lX\n", static_cast<unsigned long>(static_cast<ULONG>(result)));
    check("and hands out nothing", !service);
    result = CoCreateInstance(CLSID_VdsService, nullptr, CLSCTX_LOCAL_SERVER, IID_IVdsService,
                              reinterpret_cast<void **>(service.out()));
    check("nor does the class", FAILED(result) && !service);
}

} // namespace

int main(int count, char **arguments)
{
    std::string part = count > 1 ? arguments[1] : "";
    must("CoInitialize", CoInitialize(nullptr));
    if (part == "make") make();
    if (part == "find") find();
    if (part == "refused") refused();
    if (part == "find") {
        // Ended and begun again by the same process.
        CoUninitialize();
        check("no object is left between", VdsLiveObjects() == 0);
        must("CoInitialize", CoInitialize(nullptr));
        check("the array is there again",
              list<IVdsLun>(first_subsystem(load()), &IVdsSubSystem::QueryLuns).empty());
    }
    return end();
}
