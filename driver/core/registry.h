// SPDX-License-Identifier: Apache-2.0
/* The runtimes that are registered, in the order of their registration. The caller owns the memory and the lock. */
#ifndef AI_REGISTRY_H
#define AI_REGISTRY_H

#include "ai_driver_ioctl.h"

#include <stdbool.h>

#define AI_SID_BYTES 68u /* SECURITY_MAX_SID_SIZE */

/* A Windows user: a security identifier (SID) as bytes, `length` of them. */
typedef struct ai_user {
    uint32_t length;
    uint8_t sid[AI_SID_BYTES];
} ai_user;

typedef struct ai_runtime {
    struct ai_runtime *next;
    uint64_t id;
    uint64_t latency_scaled; /* latency average in microseconds x AI_LATENCY_WEIGHT; 0: no request finished yet */
    uint64_t reported_at_ms; /* clock of the caller */
    bool has_reported;
    uint32_t process_id;
    ai_user user;
    AI_RUNTIME_REGISTRATION registration;
    AI_RUNTIME_STATS stats; /* the last report; zeros before the first one */
} ai_runtime;

typedef struct ai_registry {
    ai_runtime *first;
    uint64_t last_id;
    uint32_t count;
} ai_registry;

bool ai_same_user(const ai_user *one, const ai_user *other);

/*
 * Adds a runtime whose `user`, `process_id` and `registration` are set and whose other fields are zero, and gives it
 * its id. False when the registry, or this user's share of it, is full.
 */
bool ai_registry_add(ai_registry *registry, ai_runtime *runtime);

/* Takes out a runtime that was added. */
void ai_registry_remove(ai_registry *registry, ai_runtime *runtime);

/* The first runtime of `user` at or after `runtime`, or NULL. With `registry->first` and `next` this walks them all. */
ai_runtime *ai_runtime_of_user(ai_runtime *runtime, const ai_user *user);

#endif
