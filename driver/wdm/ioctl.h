// SPDX-License-Identifier: Apache-2.0
/* IRP_MJ_DEVICE_CONTROL: one table says for every IOCTL what goes in, what comes out, and who does it. */
#ifndef AI_IOCTL_H
#define AI_IOCTL_H

#include "platform.h"

_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS IoctlDispatch(PDEVICE_OBJECT device, PIRP irp);

#endif
