// A program whose sink is busy for long: says `listening`, and `busy` from within the first call, which lasts until a line
// was read; then waits to be told that something was missed, and says `told`.
#include "check.hpp"
#include "sink.hpp"

int main()
{
    must("CoInitialize", CoInitialize(nullptr));
    {
        Ref<IVdsService> service = load();
        std::vector<Ref<IVdsLun>> luns =
            list<IVdsLun>(first_subsystem(service), &IVdsSubSystem::QueryLuns);
        VDS_OBJECT_ID id = properties(luns[0]).id;
        std::mutex lock;
        std::condition_variable changed;
        bool was_busy = false, is_busy = true;
        Sink *sink = new Sink();
        sink->on_notify = [&] {
            std::unique_lock<std::mutex> guard(lock);
            if (!was_busy) {
                was_busy = true;
                std::puts("busy");
                std::fflush(stdout);
            }
            changed.wait(guard, [&] { return !is_busy; });
        };
        DWORD cookie = 0;
        must("Advise", service->Advise(sink, &cookie));
        std::puts("listening");
        std::fflush(stdout);
        char line[80];
        if (!std::fgets(line, sizeof line, stdin)) must("a line", E_FAIL);
        check("nothing is missed yet", !sink->has(VDS_NF_SERVICE_OUT_OF_SYNC));
        {
            std::lock_guard<std::mutex> guard(lock);
            is_busy = false;
            changed.notify_all();
        }
        check("the sink is told that it has to look anew", sink->wait([](const VDS_NOTIFICATION &of) {
            return of.objectType == VDS_NTT_SERVICE && of.Service.ulEvent == VDS_NF_SERVICE_OUT_OF_SYNC &&
                   of.Service.action == VDS_RA_REFRESH;
        }));
        std::puts("told");
        std::fflush(stdout);
        check("and of what comes after", sink->wait_for(VDS_NF_LUN_DEPART, id));
        check("in batches that fit", sink->batches_fit());
        check("Unadvise", service->Unadvise(cookie), S_OK);
        check("the sink has been let go", sink->Release() == 0);
    }
    return end();
}
