// SPDX-License-Identifier: Apache-2.0
/* The pure core: who is chosen. */
#include "core_fixture.h"

static void nobody_is_chosen_where_nobody_fits(void)
{
    AI_PATH_QUERY query = query_of("m");
    AI_OPTIMIZED_PATH path;

    start();
    CHECK(!ai_choose_path(&registry, &ALICE, &query, 0, &path));
    add(&ALICE, AI_PROVIDER_GPU, "other");
    add(&BOB, AI_PROVIDER_GPU, "m");
    CHECK(!ai_choose_path(&registry, &ALICE, &query, 0, &path));
    query = query_of("other");
    query.provider_bits = AI_PROVIDER_BIT(AI_PROVIDER_CPU);
    CHECK(!ai_choose_path(&registry, &ALICE, &query, 0, &path));
}

static void the_reply_describes_the_chosen_one_and_counts_the_others(void)
{
    AI_PATH_QUERY query = query_of("m");
    AI_OPTIMIZED_PATH path;
    ai_runtime *chosen;

    start();
    chosen = add(&ALICE, AI_PROVIDER_NPU, "m");
    chosen->registration.model_count = 2;
    strcpy(chosen->registration.models[0], "first");
    strcpy(chosen->registration.models[1], "m");
    report(chosen, 2, 100);
    add(&ALICE, AI_PROVIDER_GPU, "other");
    add(&ALICE, AI_PROVIDER_GPU, "m");
    add(&BOB, AI_PROVIDER_NPU, "m");
    query.provider_bits = AI_PROVIDER_BIT(AI_PROVIDER_NPU) | AI_PROVIDER_BIT(AI_PROVIDER_CPU);

    path = choose(&query);
    CHECK_EQUAL(path.runtime_id, chosen->id);
    CHECK_EQUAL(path.reason, AI_REASON_ONLY_CANDIDATE);
    CHECK_EQUAL(path.runtime_handle, 77);
    CHECK_EQUAL(path.adapter_luid, AI_PROVIDER_NPU);
    CHECK_EQUAL(path.provider_kind, AI_PROVIDER_NPU);
    CHECK_EQUAL(path.process_id, 4242);
    CHECK_EQUAL(path.expected_wait_us, 200);
    CHECK_EQUAL(path.latency_us, 100);
    CHECK_EQUAL(path.age_ms, 500);
    CHECK_EQUAL(path.queue_depth, 2);
    CHECK_EQUAL(path.active_requests, 1);
    CHECK_EQUAL(path.capacity, 8);
    CHECK_EQUAL(path.candidates, 1);
    CHECK_EQUAL(path.without_model, 1);
    CHECK_EQUAL(path.without_provider, 1);
    CHECK_EQUAL(path.runner_up_id, 0);
    CHECK_EQUAL(path.has_prefix, 0);
    CHECK(strcmp(path.model, "m") == 0);
    CHECK(strcmp(path.endpoint, "http://127.0.0.1:4711") == 0);
    CHECK(strcmp(path.ep_library_path, "C:\\ep.dll") == 0);
    CHECK(strcmp(path.adapter_name, "An adapter") == 0);

    query = query_of("");
    query.provider_bits = AI_PROVIDER_BIT(AI_PROVIDER_NPU);
    CHECK(strcmp(choose(&query).model, "first") == 0);
}

static void the_shortest_expected_wait_wins(void)
{
    AI_PATH_QUERY query = query_of("m");
    AI_OPTIMIZED_PATH path;
    ai_runtime *slow, *fast;

    start();
    slow = add(&ALICE, AI_PROVIDER_GPU, "m");
    fast = add(&ALICE, AI_PROVIDER_CPU, "m");
    report(slow, 10, 100);
    report(fast, 3, 300);
    path = choose(&query);
    CHECK_EQUAL(path.runtime_id, fast->id);
    CHECK_EQUAL(path.reason, AI_REASON_LOWEST_WAIT);
    CHECK_EQUAL(path.runner_up_id, slow->id);
    CHECK_EQUAL(path.runner_up_wait_us, 1000);
    CHECK_EQUAL(path.candidates, 2);
}

static void a_runtime_without_an_average_counts_with_the_assumed_one(void)
{
    AI_PATH_QUERY query = query_of("m");
    ai_runtime *unknown, *known;

    start();
    unknown = add(&ALICE, AI_PROVIDER_GPU, "m");
    known = add(&ALICE, AI_PROVIDER_GPU, "m");
    report(unknown, 1, 0);
    report(known, 2, AI_ASSUMED_LATENCY_US / 2 + 1);
    CHECK_EQUAL(choose(&query).runtime_id, unknown->id);
    CHECK_EQUAL(choose(&query).expected_wait_us, AI_ASSUMED_LATENCY_US);
    CHECK_EQUAL(choose(&query).latency_us, 0);
}

static void ties_are_broken_by_latency_then_provider_then_age(void)
{
    AI_PATH_QUERY query = query_of("m");
    ai_runtime *cpu, *gpu, *second_gpu;

    start();
    cpu = add(&ALICE, AI_PROVIDER_CPU, "m");
    gpu = add(&ALICE, AI_PROVIDER_GPU, "m");
    report(cpu, 0, 100);
    report(gpu, 0, 200);
    CHECK_EQUAL(choose(&query).runtime_id, cpu->id);
    CHECK_EQUAL(choose(&query).reason, AI_REASON_LOWEST_LATENCY);

    gpu->latency_scaled = cpu->latency_scaled;
    CHECK_EQUAL(choose(&query).runtime_id, gpu->id);
    CHECK_EQUAL(choose(&query).reason, AI_REASON_PREFERRED_PROVIDER);

    second_gpu = add(&ALICE, AI_PROVIDER_GPU, "m");
    report(second_gpu, 0, 100);
    CHECK_EQUAL(choose(&query).runtime_id, gpu->id);
    CHECK_EQUAL(choose(&query).runner_up_id, second_gpu->id);
    CHECK_EQUAL(choose(&query).reason, AI_REASON_REGISTERED_FIRST);
}

static void the_one_with_the_prefix_wins_until_the_other_would_be_done_before_it_begins(void)
{
    AI_PATH_QUERY query = query_of("m");
    AI_OPTIMIZED_PATH path;
    ai_runtime *holder, *other;

    start();
    other = add(&ALICE, AI_PROVIDER_GPU, "m");
    holder = add(&ALICE, AI_PROVIDER_GPU, "m");
    report(other, 1, 100);
    report_prefix(holder, 2, 100, 42);
    CHECK_EQUAL(choose(&query).runtime_id, other->id);

    query.prefix_hash = 42;
    path = choose(&query); /* waits: 200 against 100, and 100 more for its answer */
    CHECK_EQUAL(path.runtime_id, holder->id);
    CHECK_EQUAL(path.reason, AI_REASON_HAS_PREFIX);
    CHECK_EQUAL(path.has_prefix, 1);
    CHECK_EQUAL(path.prefix_holders, 1);
    CHECK_EQUAL(path.runner_up_id, other->id);

    report_prefix(holder, 3, 100, 42);
    path = choose(&query);
    CHECK_EQUAL(path.runtime_id, other->id);
    CHECK_EQUAL(path.reason, AI_REASON_LOWEST_WAIT);
    CHECK_EQUAL(path.has_prefix, 0);
    CHECK_EQUAL(path.prefix_holders, 1);

    query.prefix_hash = 43;
    report_prefix(holder, 2, 100, 42);
    CHECK_EQUAL(choose(&query).prefix_holders, 0);
}

static void among_holders_of_the_prefix_the_order_is_the_same(void)
{
    AI_PATH_QUERY query = query_of("m");
    ai_runtime *one, *two;

    start();
    query.prefix_hash = 42;
    one = add(&ALICE, AI_PROVIDER_GPU, "m");
    two = add(&ALICE, AI_PROVIDER_GPU, "m");
    report_prefix(one, 2, 100, 42);
    report_prefix(two, 1, 100, 42);
    CHECK_EQUAL(choose(&query).runtime_id, two->id);
    CHECK_EQUAL(choose(&query).reason, AI_REASON_LOWEST_WAIT);
    CHECK_EQUAL(choose(&query).prefix_holders, 2);
}

static void the_largest_figures_do_not_overflow(void)
{
    AI_PATH_QUERY query = query_of("m");
    ai_runtime *full, *other;

    start();
    query.prefix_hash = 42;
    full = add(&ALICE, AI_PROVIDER_GPU, "m");
    report_prefix(full, UINT32_MAX, UINT32_MAX, 42);
    CHECK_EQUAL(choose(&query).expected_wait_us, (uint64_t)UINT32_MAX * UINT32_MAX);
    other = add(&ALICE, AI_PROVIDER_CPU, "m");
    report(other, UINT32_MAX - 2, UINT32_MAX);
    CHECK_EQUAL(choose(&query).runtime_id, other->id);
}

static const test TESTS[] = {
    TEST(nobody_is_chosen_where_nobody_fits),
    TEST(the_reply_describes_the_chosen_one_and_counts_the_others),
    TEST(the_shortest_expected_wait_wins),
    TEST(a_runtime_without_an_average_counts_with_the_assumed_one),
    TEST(ties_are_broken_by_latency_then_provider_then_age),
    TEST(the_one_with_the_prefix_wins_until_the_other_would_be_done_before_it_begins),
    TEST(among_holders_of_the_prefix_the_order_is_the_same),
    TEST(the_largest_figures_do_not_overflow),
};

const test_group PATH_TESTS = GROUP(TESTS);
