/* SPDX-License-Identifier: MIT */
/* How a LUN is identified: a header of its own on Windows, here and for programs built for Windows a part of vds.h. */
#ifndef VDS_VDSLUN_H
#define VDS_VDSLUN_H

#include "vds.h"

#endif /* VDS_VDSLUN_H */
