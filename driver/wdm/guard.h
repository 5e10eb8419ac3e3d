// SPDX-License-Identifier: Apache-2.0
/* The stack protector's secret. To be set in a function that has no protected frame itself. */
#ifndef AI_GUARD_H
#define AI_GUARD_H

#include "platform.h"

#if defined(__GNUC__) && defined(_WIN32)
#define GUARD_UNPROTECTED __attribute__((no_stack_protector))
void GuardInitialize(void);
#else
#define GUARD_UNPROTECTED
static inline void GuardInitialize(void) {}
#endif

#endif
