// SPDX-License-Identifier: Apache-2.0
/* Is an input what ai_driver_ioctl.h allows? The first question asked of every byte that comes from user mode. */
#ifndef AI_VALIDATE_H
#define AI_VALIDATE_H

#include "ai_driver_ioctl.h"

#include <stdbool.h>

/* Each looks at the fields after `size`, which the caller has compared with the input's length. */
bool ai_registration_is_valid(const AI_RUNTIME_REGISTRATION *registration);
bool ai_stats_are_valid(const AI_RUNTIME_STATS *stats);
bool ai_stats_query_is_valid(const AI_GPU_STATS_QUERY *query);
bool ai_path_query_is_valid(const AI_PATH_QUERY *query);
bool ai_channel_request_is_valid(const AI_CHANNEL_REQUEST *request);

/* Whether a text field of `capacity` bytes is well-formed UTF-8 without control characters, then only zeros. */
bool ai_text_is_valid(const char *text, size_t capacity);

#endif
