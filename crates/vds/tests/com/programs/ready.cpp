// A program that comes while the service is starting: looks, waits with a limit, says `waiting`, and waits without one.
#include "check.hpp"

int main()
{
    must("CoInitialize", CoInitialize(nullptr));
    {
        Ref<IVdsService> service = reach();
        check("it is not ready", service->IsServiceReady(), S_FALSE);
        VDS_SERVICE_PROP properties;
        check("GetProperties works all the same", service->GetProperties(&properties), S_OK);
        CoTaskMemFree(properties.pwszVersion);
        VdsSetWaitLimit(200);
        check("it is not ready for a while", service->WaitForServiceReady(), VDS_E_TIMEOUT);
        VdsSetWaitLimit(INFINITE);
        std::puts("waiting");
        std::fflush(stdout);

        HRESULT waited = service->WaitForServiceReady();
        std::printf("waited 0x%08X\n", static_cast<unsigned>(waited));
        // One that failed to start is not there any more, and has failed for this program still.
        check("IsServiceReady", service->IsServiceReady(), waited);
        check("and again", service->WaitForServiceReady(), waited);
        Ref<IEnumVdsObject> found;
        HRESULT asked = service->QueryProviders(VDS_QUERY_HARDWARE_PROVIDERS, found.out());
        if (waited == S_OK)
            check("two providers", asked == S_OK && all<IVdsHwProvider>(found).size() == 2);
        else
            check("nobody to ask", asked, static_cast<HRESULT>(0x800706BA));
    }
    return end();
}
