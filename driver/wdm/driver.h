// SPDX-License-Identifier: Apache-2.0
/* What every file of the driver shares: one device, one lock, and the lists that the lock guards. */
#ifndef AI_DRIVER_H
#define AI_DRIVER_H

#include "platform.h"
#include "registry.h"

typedef struct _AI_DRIVER {
    PDEVICE_OBJECT device;
    KSPIN_LOCK lock;      /* guards everything below, and every session and channel */
    LIST_ENTRY sessions;  /* AI_SESSION.link */
    ai_registry registry; /* the runtimes of the sessions */
    uint64_t lastChannelId;
} AI_DRIVER;

extern AI_DRIVER Driver;

#endif
