// Compiled beside a program or a provider that is to be found out: memory that is lost as soon as it is loaded, and memory that
// is pointed into, not at.
#include <cstdlib>

static char *volatile into;

__attribute__((constructor)) static void lose()
{
    void *volatile lost = std::malloc(64);
    lost = nullptr;
    (void)lost;
    into = static_cast<char *>(std::malloc(48)) + 8;
}
