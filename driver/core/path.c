// SPDX-License-Identifier: Apache-2.0
#include "path.h"
#include "bytes.h"
#include "statistics.h"

static uint64_t counted_latency_us(const ai_runtime *runtime)
{
    uint64_t latency = ai_latency_us(runtime);
    return latency == 0 ? AI_ASSUMED_LATENCY_US : latency;
}

static uint64_t expected_wait_us(const ai_runtime *runtime)
{
    return runtime->stats.queue_depth * counted_latency_us(runtime); /* 32 bits x 33 bits: cannot overflow */
}

/* Why `one` comes before `other`; 0 when it does not. `other` was registered first, or is NULL. */
static uint32_t comes_before(const ai_runtime *one, const ai_runtime *other)
{
    if (other == NULL)
        return AI_REASON_ONLY_CANDIDATE;
    if (expected_wait_us(one) != expected_wait_us(other))
        return expected_wait_us(one) < expected_wait_us(other) ? AI_REASON_LOWEST_WAIT : 0;
    if (counted_latency_us(one) != counted_latency_us(other))
        return counted_latency_us(one) < counted_latency_us(other) ? AI_REASON_LOWEST_LATENCY : 0;
    if (one->registration.provider_kind != other->registration.provider_kind)
        return one->registration.provider_kind < other->registration.provider_kind ? AI_REASON_PREFERRED_PROVIDER : 0;
    return one->id < other->id ? AI_REASON_REGISTERED_FIRST : 0;
}

/* The model as registered, or NULL. */
static const char *find_model(const ai_runtime *runtime, const char *model)
{
    if (model[0] == 0)
        return runtime->registration.models[0];
    for (uint32_t index = 0; index < runtime->registration.model_count; index++) {
        if (ai_equal(runtime->registration.models[index], model, AI_MODEL_BYTES))
            return runtime->registration.models[index];
    }
    return NULL;
}

static bool is_wanted_kind(const ai_runtime *runtime, uint32_t provider_bits)
{
    return provider_bits == 0 || (provider_bits & AI_PROVIDER_BIT(runtime->registration.provider_kind)) != 0;
}

static bool has_prefix(const ai_runtime *runtime, uint64_t hash)
{
    if (hash == 0)
        return false;
    for (uint32_t index = 0; index < runtime->stats.prefix_count; index++) {
        if (runtime->stats.prefixes[index] == hash)
            return true;
    }
    return false;
}

/* The first candidate in the order, leaving out `excluded`; with `holders_only` the first that has the prefix. */
static const ai_runtime *first_candidate(const ai_registry *registry, const ai_user *user, const AI_PATH_QUERY *query,
                                         bool holders_only, const ai_runtime *excluded)
{
    const ai_runtime *first = NULL;

    for (ai_runtime *runtime = ai_runtime_of_user(registry->first, user); runtime != NULL;
         runtime = ai_runtime_of_user(runtime->next, user)) {
        if (runtime == excluded || find_model(runtime, query->model) == NULL ||
            !is_wanted_kind(runtime, query->provider_bits))
            continue;
        if (holders_only && !has_prefix(runtime, query->prefix_hash))
            continue;
        if (comes_before(runtime, first) != 0)
            first = runtime;
    }
    return first;
}

static void count_candidates(const ai_registry *registry, const ai_user *user, const AI_PATH_QUERY *query,
                             AI_OPTIMIZED_PATH *out)
{
    for (ai_runtime *runtime = ai_runtime_of_user(registry->first, user); runtime != NULL;
         runtime = ai_runtime_of_user(runtime->next, user)) {
        if (find_model(runtime, query->model) == NULL) {
            out->without_model++;
        } else if (!is_wanted_kind(runtime, query->provider_bits)) {
            out->without_provider++;
        } else {
            out->candidates++;
            out->prefix_holders += has_prefix(runtime, query->prefix_hash);
        }
    }
}

static void describe(const ai_runtime *runtime, const AI_PATH_QUERY *query, uint64_t now_ms, AI_OPTIMIZED_PATH *out)
{
    const AI_RUNTIME_REGISTRATION *registration = &runtime->registration;

    out->runtime_id = runtime->id;
    out->runtime_handle = registration->runtime_handle;
    out->adapter_luid = registration->adapter_luid;
    out->expected_wait_us = expected_wait_us(runtime);
    out->latency_us = ai_latency_us(runtime);
    out->age_ms = ai_age_ms(runtime, now_ms);
    out->provider_kind = registration->provider_kind;
    out->process_id = runtime->process_id;
    out->queue_depth = runtime->stats.queue_depth;
    out->active_requests = runtime->stats.active_requests;
    out->capacity = registration->capacity;
    out->has_prefix = has_prefix(runtime, query->prefix_hash);
    ai_copy(out->adapter_name, registration->adapter_name, AI_ADAPTER_NAME_BYTES);
    ai_copy(out->endpoint, registration->endpoint, AI_ENDPOINT_BYTES);
    ai_copy(out->ep_library_path, registration->ep_library_path, AI_LIBRARY_PATH_BYTES);
    ai_copy(out->model, find_model(runtime, query->model), AI_MODEL_BYTES);
}

bool ai_choose_path(const ai_registry *registry, const ai_user *user, const AI_PATH_QUERY *query, uint64_t now_ms,
                    AI_OPTIMIZED_PATH *out)
{
    const ai_runtime *first = first_candidate(registry, user, query, false, NULL);
    const ai_runtime *chosen = first_candidate(registry, user, query, true, NULL);
    const ai_runtime *runner_up;

    ai_zero(out, sizeof(*out));
    out->size = sizeof(*out);
    if (first == NULL)
        return false;

    /* When the holder is the first of all, no wait is shorter than its own and this leaves it chosen. */
    if (chosen == NULL || expected_wait_us(chosen) > expected_wait_us(first) + counted_latency_us(first))
        chosen = first;
    runner_up = first_candidate(registry, user, query, false, chosen);

    count_candidates(registry, user, query, out);
    describe(chosen, query, now_ms, out);
    if (runner_up != NULL) {
        out->runner_up_id = runner_up->id;
        out->runner_up_wait_us = expected_wait_us(runner_up);
    }
    if (runner_up != NULL && out->has_prefix && !has_prefix(runner_up, query->prefix_hash))
        out->reason = AI_REASON_HAS_PREFIX;
    else
        out->reason = comes_before(chosen, runner_up);
    return true;
}
