// Two threads in Wait for one operation: makes a LUN of a provider that holds its work, says `waiting` once both wait, and goes on
// once a line was read: by then the work is let go. For Linux, where it can be seen that a thread sleeps.
#include "check.hpp"
#include <atomic>
#include <cstring>
#include <fstream>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

namespace {

const ULONGLONG MIB = 1ull << 20;

// A thread that is about to wait for an operation, or waits, or has waited.
class Waiter {
public:
    explicit Waiter(const Ref<IVdsAsync> &operation)
        : waited(E_FAIL), result(E_FAIL), output(), id(0), thread([this, operation] {
              id = static_cast<long>(syscall(SYS_gettid));
              waited = operation->Wait(&result, &output);
          })
    {
    }

    // Until it sleeps: since it told its id, there is only Wait that it can sleep in.
    void until_it_waits() const
    {
        char state = 0;
        while (state != 'S') {
            std::this_thread::yield();
            if (!id) continue;
            std::ifstream file("/proc/self/task/" + std::to_string(id.load()) + "/stat");
            std::string line;
            // The state stands behind the name, which is in brackets.
            if (!std::getline(file, line) || line.rfind(") ") == std::string::npos) must("a waiting thread", E_FAIL);
            state = line[line.rfind(") ") + 2];
        }
    }

    void join() { thread.join(); }

    HRESULT waited, result;
    VDS_ASYNC_OUTPUT output;

private:
    std::atomic<long> id;
    std::thread thread;
};

// The subsystem of this name, of whatever provider.
Ref<IVdsSubSystem> subsystem_named(const Ref<IVdsService> &service, const char *name)
{
    Ref<IEnumVdsObject> providers;
    must("QueryProviders", service->QueryProviders(VDS_QUERY_HARDWARE_PROVIDERS, providers.out()));
    for (const Ref<IVdsHwProvider> &provider : all<IVdsHwProvider>(providers))
        for (const Ref<IVdsSubSystem> &subsystem : list<IVdsSubSystem>(provider, &IVdsHwProvider::QuerySubSystems)) {
            VDS_SUB_SYSTEM_PROP found;
            must("IVdsSubSystem::GetProperties", subsystem->GetProperties(&found));
            CoTaskMemFree(found.pwszIdentification);
            if (take(found.pwszFriendlyName) == name) return subsystem;
        }
    must(name, VDS_E_OBJECT_NOT_FOUND);
    return Ref<IVdsSubSystem>();
}

// The work is held by its provider until the line that is read.
void two_waiters(const Ref<IVdsSubSystem> &subsystem)
{
    WCHAR nobody[] = {0};
    Ref<IVdsAsync> operation;
    must("CreateLun", subsystem->CreateLun(VDS_LT_SIMPLE, 16 * MIB, nullptr, 0, nobody, nullptr, operation.out()));
    Waiter first(operation), second(operation);
    Waiter *const waiters[] = {&first, &second};
    for (const Waiter *waiter : waiters) waiter->until_it_waits();
    HRESULT result = S_OK;
    ULONG percent = 100;
    check("QueryStatus while two threads wait", operation->QueryStatus(&result, &percent), S_OK);
    check("the work goes on", result == VDS_E_OPERATION_PENDING);
    check("neither has an end", first.waited == E_FAIL && second.waited == E_FAIL);
    std::puts("waiting");
    std::fflush(stdout);
    char line[80];
    if (!std::fgets(line, sizeof line, stdin)) must("a line", E_FAIL);

    IUnknown *luns[2] = {};
    for (int index = 0; index < 2; ++index) {
        Waiter &waiter = *waiters[index];
        waiter.join();
        check("who waits is told of the end", waiter.waited == S_OK && waiter.result == S_OK);
        check("and that it is a LUN", waiter.output.type == VDS_ASYNCOUT_CREATELUN && waiter.output.cl.pLunUnk);
        luns[index] = waiter.output.cl.pLunUnk;
    }
    if (!luns[0] || !luns[1]) return;
    check("both get the one LUN", luns[0] == luns[1]);
    operation.reset();
    check("the first gives its reference back", luns[0]->Release() >= 1);
    Ref<IVdsLun> lun;
    must("the second still has one",
         luns[1]->QueryInterface(IID_IVdsLun, reinterpret_cast<void **>(lun.out())));
    luns[1]->Release();
    check("and uses it", properties(lun).ullSize == 16 * MIB);
    IUnknown *last = lun.get();
    last->AddRef();
    lun.reset();
    check("nobody else had one", last->Release() == 0);
}

} // namespace

int main()
{
    must("CoInitialize", CoInitialize(nullptr));
    two_waiters(subsystem_named(load(), "images"));
    return end();
}
