/* SPDX-License-Identifier: MIT */
/* Objects of a program, held by libvds. It may call from a thread of its own, which Wine does not know: everything is
   done on one that it knows. */
#define HOLDER LINUX
#define OTHER WINDOWS
#define CALLED LINUX_CALL
#define CALLS WINDOWS_CALL
#define TABLE(name) linux_##name
#define ENTERED() ((void)0)
#define ENTER(body, call) run_on(WINDOWS, body, call)
#define INVOKE(inner, call) inner(call)

#include "side.inc"
