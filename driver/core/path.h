// SPDX-License-Identifier: Apache-2.0
/* Which runtime to ask: the rule that ai_driver_ioctl.h writes down above AI_PATH_QUERY. */
#ifndef AI_PATH_H
#define AI_PATH_H

#include "registry.h"

/* Writes all of `out`. False when none of the user's runtimes has the model and is of a wanted kind. */
bool ai_choose_path(const ai_registry *registry, const ai_user *user, const AI_PATH_QUERY *query, uint64_t now_ms,
                    AI_OPTIMIZED_PATH *out);

#endif
