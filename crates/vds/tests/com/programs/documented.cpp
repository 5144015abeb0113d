// The documented wrapper around CreateLun, compiled beside this unchanged, in the hands of a program: CREATE is its file.
#include CREATE

#include "check.hpp"

int main()
{
    must("CoInitialize", CoInitialize(nullptr));
    {
        Ref<IVdsSubSystem> subsystem = first_subsystem(load());
        WCHAR mask[] = W("iqn.2025-01.org.example:documented");
        Ref<IVdsLun> lun;
        HRESULT result =
            SynchronousCreateLun(subsystem.get(), VDS_LT_MIRROR, 64ull << 20, nullptr, 0, mask, nullptr, lun.out());
        check("the documented wrapper makes a LUN", result, S_OK);
        if (must_have("the LUN", lun)) {
            std::string list, name;
            VDS_LUN_PROP found = properties(lun, &list, &name);
            check("it is a mirror", found.type == VDS_LT_MIRROR);
            check("it is as large as asked for", found.ullSize == 64ull << 20);
            check("it is for whom it was made", list == "iqn.2025-01.org.example:documented");
            std::printf("made %s\n", name.c_str());
        }
        Ref<IVdsLun> none;
        result = SynchronousCreateLun(
            subsystem.get(), VDS_LT_MIRROR, 1ull << 60, nullptr, 0, mask, nullptr, none.out());
        check("a LUN that does not fit is refused", result, VDS_E_NOT_ENOUGH_SPACE);
        check("and nothing is handed out", !none);
    }
    return end();
}
