// SPDX-License-Identifier: Apache-2.0
/* What runtimes report, smoothed, and summed by adapter. */
#ifndef AI_STATISTICS_H
#define AI_STATISTICS_H

#include "registry.h"

/* Takes in a valid report. `now_ms` is any clock that does not run backwards. */
void ai_report(ai_runtime *runtime, const AI_RUNTIME_STATS *stats, uint64_t now_ms);

/* The latency average in microseconds; 0 when no request has finished yet. */
uint64_t ai_latency_us(const ai_runtime *runtime);

/* Age of the last report; UINT64_MAX when there is none. */
uint64_t ai_age_ms(const ai_runtime *runtime, uint64_t now_ms);

/* Writes all of `out`. False when AI_ONE_ADAPTER names an adapter on which none of the user's runtimes runs. */
bool ai_gpu_stats(const ai_registry *registry, const ai_user *user, const AI_GPU_STATS_QUERY *query, uint64_t now_ms,
                  AI_GPU_STATS *out);

#endif
