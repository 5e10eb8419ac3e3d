// SPDX-License-Identifier: Apache-2.0
/* The pure core: what is remembered of runtimes, and their figures. */
#include "core_fixture.h"

static void ids_are_never_used_again(void)
{
    ai_runtime *first, *second;

    start();
    first = add(&ALICE, AI_PROVIDER_GPU, "m");
    CHECK_EQUAL(first->id, 1);
    ai_registry_remove(&registry, first);
    second = add(&ALICE, AI_PROVIDER_GPU, "m");
    CHECK_EQUAL(second->id, 2);
    CHECK_EQUAL(registry.count, 1);
    CHECK(registry.first == second);
}

static void a_user_has_a_share_of_the_registry_and_no_more(void)
{
    ai_user users[] = {ALICE, BOB, ALICE, ALICE, ALICE};
    ai_runtime *extra = &runtimes[AI_MAX_RUNTIMES];

    start();
    for (uint8_t user = 2; user < 5; user++)
        users[user].sid[7] = (uint8_t)(10 + user);
    for (int count = 0; count < (int)AI_MAX_RUNTIMES_PER_USER; count++)
        add(&users[0], AI_PROVIDER_CPU, "m");
    extra->user = users[0];
    CHECK(!ai_registry_add(&registry, extra));
    for (int user = 1; user < 4; user++) {
        for (int count = 0; count < (int)AI_MAX_RUNTIMES_PER_USER; count++)
            add(&users[user], AI_PROVIDER_CPU, "m");
    }
    CHECK_EQUAL(registry.count, AI_MAX_RUNTIMES);
    extra->user = users[4];
    CHECK(!ai_registry_add(&registry, extra));
    ai_registry_remove(&registry, &runtimes[3]);
    CHECK(ai_registry_add(&registry, extra));
}

/* Statistics ----------------------------------------------------------------------------------------------------- */

static void the_latency_average_starts_with_the_first_value_and_moves_by_an_eighth(void)
{
    ai_runtime *runtime;

    start();
    runtime = add(&ALICE, AI_PROVIDER_GPU, "m");
    CHECK_EQUAL(ai_latency_us(runtime), 0);
    report(runtime, 0, 800);
    CHECK_EQUAL(ai_latency_us(runtime), 800);
    report(runtime, 0, 0); /* none finished */
    CHECK_EQUAL(ai_latency_us(runtime), 800);
    report(runtime, 0, 1600);
    CHECK_EQUAL(ai_latency_us(runtime), 900);
    for (int count = 0; count < 200; count++)
        report(runtime, 0, UINT32_MAX);
    CHECK(ai_latency_us(runtime) <= UINT32_MAX && ai_latency_us(runtime) > UINT32_MAX - 16u);
    for (int count = 0; count < 400; count++)
        report(runtime, 0, 1);
    CHECK_EQUAL(ai_latency_us(runtime), 1);
}

static void an_adapter_shows_its_newest_report_and_the_sum_of_its_requests(void)
{
    AI_GPU_STATS_QUERY query = {.size = sizeof(query), .selection = AI_ONE_ADAPTER, .adapter_luid = AI_PROVIDER_GPU};
    AI_RUNTIME_STATS older = stats_of(3, 10), newer = stats_of(4, 10);
    AI_GPU_STATS stats;

    start();
    newer.memory_used = 5;
    newer.utilization_permille = 10;
    newer.temperature_millicelsius = -1;
    ai_report(add(&ALICE, AI_PROVIDER_GPU, "m"), &newer, 2000);
    ai_report(add(&ALICE, AI_PROVIDER_GPU, "m"), &older, 1000);
    add(&ALICE, AI_PROVIDER_GPU, "m");
    report(add(&ALICE, AI_PROVIDER_CPU, "m"), 100, 10);
    report(add(&BOB, AI_PROVIDER_GPU, "m"), 100, 10);

    memset(&stats, 0xA5, sizeof(stats));
    CHECK(ai_gpu_stats(&registry, &ALICE, &query, 2500, &stats));
    CHECK_EQUAL(stats.adapter_count, 1);
    CHECK_EQUAL(stats.reserved, 0);
    CHECK_EQUAL(stats.adapters[0].queue_depth, 7);
    CHECK_EQUAL(stats.adapters[0].active_requests, 2);
    CHECK_EQUAL(stats.adapters[0].runtime_count, 3);
    CHECK_EQUAL(stats.adapters[0].memory_used, 5);
    CHECK_EQUAL(stats.adapters[0].utilization_permille, 10);
    CHECK_EQUAL(stats.adapters[0].temperature_millicelsius, -1);
    CHECK_EQUAL(stats.adapters[0].age_ms, 500);
    CHECK_EQUAL(stats.adapters[0].provider_bits, AI_PROVIDER_BIT(AI_PROVIDER_GPU));
    CHECK(strcmp(stats.adapters[0].adapter_name, "An adapter") == 0);
    CHECK_EQUAL(stats.adapters[1].runtime_count, 0);

    query.adapter_luid = 999;
    CHECK(!ai_gpu_stats(&registry, &ALICE, &query, 2500, &stats));
}

static void an_adapter_that_nobody_reported_about_is_unknown(void)
{
    AI_GPU_STATS_QUERY query = {.size = sizeof(query)};
    AI_GPU_STATS stats;

    start();
    add(&ALICE, AI_PROVIDER_NPU, "m");
    CHECK(ai_gpu_stats(&registry, &ALICE, &query, 0, &stats));
    CHECK_EQUAL(stats.adapters[0].age_ms, UINT64_MAX);
    CHECK_EQUAL(stats.adapters[0].utilization_permille, AI_UNKNOWN_UTILIZATION);
    CHECK_EQUAL(stats.adapters[0].temperature_millicelsius, (unsigned long long)(long long)AI_UNKNOWN_TEMPERATURE);
    CHECK_EQUAL(stats.adapters[0].memory_total, 0);
}

static void all_adapters_of_a_user_come_in_the_order_of_their_luid(void)
{
    AI_GPU_STATS_QUERY query = {.size = sizeof(query)};
    AI_GPU_STATS stats;

    start();
    CHECK(ai_gpu_stats(&registry, &ALICE, &query, 0, &stats));
    CHECK_EQUAL(stats.adapter_count, 0);
    for (uint32_t count = 0; count < AI_MAX_ADAPTERS; count++)
        add(&ALICE, AI_PROVIDER_GPU, "m")->registration.adapter_luid = UINT64_MAX - count;
    CHECK(ai_gpu_stats(&registry, &ALICE, &query, 0, &stats));
    CHECK_EQUAL(stats.adapter_count, AI_MAX_ADAPTERS);
    for (uint32_t index = 0; index < AI_MAX_ADAPTERS; index++)
        CHECK_EQUAL(stats.adapters[index].adapter_luid, UINT64_MAX - AI_MAX_ADAPTERS + 1 + index);
}

static const test TESTS[] = {
    TEST(ids_are_never_used_again),
    TEST(a_user_has_a_share_of_the_registry_and_no_more),
    TEST(the_latency_average_starts_with_the_first_value_and_moves_by_an_eighth),
    TEST(an_adapter_shows_its_newest_report_and_the_sum_of_its_requests),
    TEST(an_adapter_that_nobody_reported_about_is_unknown),
    TEST(all_adapters_of_a_user_come_in_the_order_of_their_luid),
};

const test_group REGISTRY_TESTS = GROUP(TESTS);
