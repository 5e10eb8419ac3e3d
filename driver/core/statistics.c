// SPDX-License-Identifier: Apache-2.0
#include "statistics.h"
#include "bytes.h"

_Static_assert(AI_MAX_ADAPTERS >= AI_MAX_RUNTIMES_PER_USER, "a user's adapters would not fit");

void ai_report(ai_runtime *runtime, const AI_RUNTIME_STATS *stats, uint64_t now_ms)
{
    runtime->stats = *stats;
    runtime->reported_at_ms = now_ms;
    runtime->has_reported = true;

    if (stats->latency_us == 0)
        return;
    if (runtime->latency_scaled == 0)
        runtime->latency_scaled = (uint64_t)stats->latency_us * AI_LATENCY_WEIGHT;
    else
        runtime->latency_scaled += stats->latency_us - runtime->latency_scaled / AI_LATENCY_WEIGHT;
}

uint64_t ai_latency_us(const ai_runtime *runtime)
{
    return runtime->latency_scaled / AI_LATENCY_WEIGHT;
}

uint64_t ai_age_ms(const ai_runtime *runtime, uint64_t now_ms)
{
    return runtime->has_reported ? now_ms - runtime->reported_at_ms : UINT64_MAX;
}

static void add_runtime(AI_ADAPTER_STATS *adapter, const ai_runtime *runtime, uint64_t now_ms)
{
    const AI_RUNTIME_STATS *stats = &runtime->stats;
    uint64_t age_ms = ai_age_ms(runtime, now_ms);

    adapter->runtime_count++;
    adapter->provider_bits |= AI_PROVIDER_BIT(runtime->registration.provider_kind);
    if (!runtime->has_reported)
        return;
    adapter->queue_depth += stats->queue_depth;
    adapter->active_requests += stats->active_requests;
    if (age_ms <= adapter->age_ms) {
        adapter->age_ms = age_ms;
        adapter->memory_total = stats->memory_total;
        adapter->memory_used = stats->memory_used;
        adapter->utilization_permille = stats->utilization_permille;
        adapter->temperature_millicelsius = stats->temperature_millicelsius;
    }
}

/* Of the user's adapters, the one with the lowest LUID that is at least `least`; any of its runtimes stands for it. */
static const ai_runtime *next_adapter(const ai_registry *registry, const ai_user *user, uint64_t least)
{
    const ai_runtime *lowest = NULL;

    for (ai_runtime *runtime = ai_runtime_of_user(registry->first, user); runtime != NULL;
         runtime = ai_runtime_of_user(runtime->next, user)) {
        uint64_t luid = runtime->registration.adapter_luid;
        if (luid >= least && (lowest == NULL || luid < lowest->registration.adapter_luid))
            lowest = runtime;
    }
    return lowest;
}

static void fill_adapter(const ai_registry *registry, const ai_user *user, const ai_runtime *first, uint64_t now_ms,
                         AI_ADAPTER_STATS *adapter)
{
    uint64_t luid = first->registration.adapter_luid;

    adapter->adapter_luid = luid;
    adapter->age_ms = UINT64_MAX;
    adapter->utilization_permille = AI_UNKNOWN_UTILIZATION;
    adapter->temperature_millicelsius = AI_UNKNOWN_TEMPERATURE;
    ai_copy(adapter->adapter_name, first->registration.adapter_name, AI_ADAPTER_NAME_BYTES);
    for (ai_runtime *runtime = ai_runtime_of_user(registry->first, user); runtime != NULL;
         runtime = ai_runtime_of_user(runtime->next, user)) {
        if (runtime->registration.adapter_luid == luid)
            add_runtime(adapter, runtime, now_ms);
    }
}

bool ai_gpu_stats(const ai_registry *registry, const ai_user *user, const AI_GPU_STATS_QUERY *query, uint64_t now_ms,
                  AI_GPU_STATS *out)
{
    bool one = query->selection == AI_ONE_ADAPTER;
    const ai_runtime *first = next_adapter(registry, user, query->adapter_luid);

    ai_zero(out, sizeof(*out));
    out->size = sizeof(*out);
    while (first != NULL && !(one && first->registration.adapter_luid != query->adapter_luid)) {
        fill_adapter(registry, user, first, now_ms, &out->adapters[out->adapter_count++]);
        if (first->registration.adapter_luid == UINT64_MAX)
            break;
        first = next_adapter(registry, user, first->registration.adapter_luid + 1);
    }
    return !one || out->adapter_count == 1;
}
