// SPDX-License-Identifier: Apache-2.0
/* Who may open the device. */
#ifndef AI_SECURITY_H
#define AI_SECURITY_H

#include "platform.h"

/* To be called before the device has a name that programs can open. */
_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS SecurityProtect(PDEVICE_OBJECT device);

#endif
