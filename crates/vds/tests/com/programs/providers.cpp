// Several providers: what is asked of the service is asked of each, what is asked of one is asked of that one.
#include "check.hpp"

namespace {

void each(const Ref<IVdsService> &service)
{
    Ref<IEnumVdsObject> found;
    must("QueryProviders", service->QueryProviders(VDS_QUERY_HARDWARE_PROVIDERS, found.out()));
    std::vector<Ref<IVdsHwProvider>> providers = all<IVdsHwProvider>(found);
    check("there are two providers", providers.size() == 2);
    for (const Ref<IVdsHwProvider> &provider : providers) {
        VDS_PROVIDER_PROP of;
        must("GetProperties", provider.as<IVdsProvider>()->GetProperties(&of));
        bool is_shelf = take(of.pwszName) == "shelf";
        take(of.pwszVersion);
        // The plug-in declares a refresh, and nothing to be looked for.
        HRESULT looked = is_shelf ? VDS_E_NOT_SUPPORTED : S_OK;
        check("IVdsHwProvider::Refresh", provider->Refresh(), S_OK);
        check("IVdsHwProvider::Reenumerate", provider->Reenumerate(), looked);
        for (const Ref<IVdsSubSystem> &subsystem : list<IVdsSubSystem>(provider, &IVdsHwProvider::QuerySubSystems))
            check("IVdsSubSystem::Reenumerate", subsystem->Reenumerate(), looked);
    }
}

} // namespace

int main(int count, char **)
{
    must("CoInitialize", CoInitialize(nullptr));
    {
        Ref<IVdsService> service = load();
        if (count == 1) each(service);
        check("IVdsService::Reenumerate", service->Reenumerate(), S_OK);
        // With an argument, one of the providers is of no use.
        check("IVdsService::Refresh", service->Refresh(), count == 1 ? S_OK : S_FALSE);
    }
    return end();
}
