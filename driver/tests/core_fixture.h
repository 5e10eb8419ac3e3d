// SPDX-License-Identifier: Apache-2.0
/* What tests of the pure core begin with: users, and a registry with the memory of its runtimes. */
#ifndef AI_CORE_FIXTURE_H
#define AI_CORE_FIXTURE_H

#include "check.h"
#include "messages.h"
#include "path.h"
#include "statistics.h"
#include "validate.h"

static const ai_user ALICE = {8, {1, 0, 0, 0, 0, 0, 0, 5}};
static const ai_user BOB = {8, {1, 0, 0, 0, 0, 0, 0, 6}};

/* A registry and the memory of its runtimes. */
static ai_runtime runtimes[AI_MAX_RUNTIMES + 1];
static ai_registry registry;
static size_t used;

static inline void start(void)
{
    memset(runtimes, 0, sizeof(runtimes));
    memset(&registry, 0, sizeof(registry));
    used = 0;
}

static inline ai_runtime *add(const ai_user *user, uint32_t provider_kind, const char *model)
{
    ai_runtime *runtime = &runtimes[used++];

    runtime->user = *user;
    runtime->process_id = 4242;
    runtime->registration = registration_of(provider_kind, model);
    CHECK(ai_registry_add(&registry, runtime));
    return runtime;
}

static inline void report(ai_runtime *runtime, uint32_t queue_depth, uint32_t latency_us)
{
    AI_RUNTIME_STATS stats = stats_of(queue_depth, latency_us);
    ai_report(runtime, &stats, 1000);
}

static inline void report_prefix(ai_runtime *runtime, uint32_t queue_depth, uint32_t latency_us, uint64_t prefix)
{
    AI_RUNTIME_STATS stats = stats_of(queue_depth, latency_us);
    stats.prefix_count = 2;
    stats.prefixes[0] = 1;
    stats.prefixes[1] = prefix;
    ai_report(runtime, &stats, 1000);
}

static inline AI_OPTIMIZED_PATH choose(const AI_PATH_QUERY *query)
{
    AI_OPTIMIZED_PATH path;

    memset(&path, 0xA5, sizeof(path));
    CHECK(ai_path_query_is_valid(query));
    CHECK(ai_choose_path(&registry, &ALICE, query, 1500, &path));
    CHECK_EQUAL(path.size, sizeof(path));
    return path;
}

extern const test_group VALIDATE_TESTS, REGISTRY_TESTS, PATH_TESTS;

#endif
