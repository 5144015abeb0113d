/* SPDX-License-Identifier: MIT */
#include "behaviour.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace errant {
namespace {

struct Part {
    const char *name;
    Behaviour behaviour;
};

const Part parts[] = {
    {"good", Behaviour::Good},
    {"odd_success", Behaviour::OddSuccess},
    {"create_fails", Behaviour::CreateFails},
    {"create_fails_with_async", Behaviour::CreateFailsWith},
    {"null_async", Behaviour::NullAsync},
    {"wait_fails", Behaviour::WaitFails},
    {"wait_fails_silently", Behaviour::WaitFailsSilently},
    {"operation_fails", Behaviour::OperationFails},
    {"both_fail", Behaviour::BothFail},
    {"wrong_type", Behaviour::WrongType},
    {"wrong_type_with_object", Behaviour::WrongTypeObject},
    {"null_lun", Behaviour::NullLun},
    {"no_lun_interface", Behaviour::NoLunInterface},
    {"query_fails", Behaviour::QueryFails},
    {"never_ends", Behaviour::NeverEnds},
    {"waits_for_cancel", Behaviour::WaitsForCancel},
    {"percent", Behaviour::Percent},
    {"crash", Behaviour::Crash},
};

const Part *Find(const char *name) {
    for (const Part &part : parts) {
        if (std::strcmp(part.name, name) == 0) {
            return &part;
        }
    }
    return nullptr;
}

Behaviour FromEnvironment() {
    const char *name = std::getenv("VDS_ERRANT");
    const Part *part = name == nullptr ? nullptr : Find(name);
    if (name != nullptr && part == nullptr) {
        std::fprintf(stderr, "VDS_ERRANT=%s is no part; behaving\n", name);
    }
    return part == nullptr ? Behaviour::Good : part->behaviour;
}

std::atomic<Behaviour> &Playing() {
    static std::atomic<Behaviour> playing(FromEnvironment());
    return playing;
}

} // namespace

Behaviour Current() { return Playing(); }

bool Behave(const char *name) {
    const Part *part = name == nullptr ? nullptr : Find(name);
    if (part == nullptr) {
        return false;
    }
    Playing() = part->behaviour;
    return true;
}

} // namespace errant
