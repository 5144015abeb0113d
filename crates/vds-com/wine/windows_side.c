/* SPDX-License-Identifier: MIT */
/* Objects of libvds, held by a program. The program's thread is one that Wine knows; what it gives and gets is seen to
   there, and the call itself is made where libvds expects it. */
#define HOLDER WINDOWS
#define OTHER LINUX
#define CALLED WINDOWS_CALL
#define CALLS LINUX_CALL
#define TABLE(name) windows_##name
#define ENTERED() thread_is_windows()
#define ENTER(body, call) (thread_is_windows(), body(call))
#define INVOKE(inner, call) run_on(LINUX, inner, call)

#include "side.inc"
