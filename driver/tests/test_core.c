/* The pure core: what is valid, what is remembered, who is chosen. */
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

static void start(void)
{
    memset(runtimes, 0, sizeof(runtimes));
    memset(&registry, 0, sizeof(registry));
    used = 0;
}

static ai_runtime *add(const ai_user *user, uint32_t provider_kind, const char *model)
{
    ai_runtime *runtime = &runtimes[used++];

    runtime->user = *user;
    runtime->process_id = 4242;
    runtime->registration = registration_of(provider_kind, model);
    CHECK(ai_registry_add(&registry, runtime));
    return runtime;
}

static void report(ai_runtime *runtime, uint32_t queue_depth, uint32_t latency_us)
{
    AI_RUNTIME_STATS stats = stats_of(queue_depth, latency_us);
    ai_report(runtime, &stats, 1000);
}

static void report_prefix(ai_runtime *runtime, uint32_t queue_depth, uint32_t latency_us, uint64_t prefix)
{
    AI_RUNTIME_STATS stats = stats_of(queue_depth, latency_us);
    stats.prefix_count = 2;
    stats.prefixes[0] = 1;
    stats.prefixes[1] = prefix;
    ai_report(runtime, &stats, 1000);
}

static AI_OPTIMIZED_PATH choose(const AI_PATH_QUERY *query)
{
    AI_OPTIMIZED_PATH path;

    memset(&path, 0xA5, sizeof(path));
    CHECK(ai_path_query_is_valid(query));
    CHECK(ai_choose_path(&registry, &ALICE, query, 1500, &path));
    CHECK_EQUAL(path.size, sizeof(path));
    return path;
}

/* Validation ----------------------------------------------------------------------------------------------------- */

static bool text_is_valid(const char *text)
{
    char field[16] = {0};
    memcpy(field, text, strlen(text));
    return ai_text_is_valid(field, sizeof(field));
}

static void text_is_well_formed_utf8_without_control_characters(void)
{
    CHECK(text_is_valid(""));
    CHECK(text_is_valid("smollm2"));
    CHECK(text_is_valid("\xC3\xBC \xE2\x82\xAC \xF0\x9F\x98\x80"));
    CHECK(text_is_valid("\xEF\xBF\xBF"));
    CHECK(!text_is_valid("a\nb"));
    CHECK(!text_is_valid("\x7F"));
    CHECK(!text_is_valid("\x80"));             /* a continuation alone */
    CHECK(!text_is_valid("\xC3"));             /* nothing follows */
    CHECK(!text_is_valid("\xC0\xAF"));         /* overlong, 2 bytes */
    CHECK(!text_is_valid("\xE0\x80\xAF"));     /* overlong, 3 bytes */
    CHECK(!text_is_valid("\xF0\x80\x80\xAF")); /* overlong, 4 bytes */
    CHECK(!text_is_valid("\xED\xA0\x80"));     /* a surrogate */
    CHECK(!text_is_valid("\xF4\x90\x80\x80")); /* over U+10FFFF */
    CHECK(!text_is_valid("\xE2\x28\xA1"));
    CHECK(!text_is_valid("\xE2\x82\x28"));
}

static void text_ends_within_its_field_and_zeros_follow(void)
{
    CHECK(ai_text_is_valid("abc", 4));
    CHECK(!ai_text_is_valid("abcd", 4));
    CHECK(!ai_text_is_valid("a\0b\0", 4));
    CHECK(!ai_text_is_valid("ab\xC3\xBC", 3)); /* a sequence that the field cuts */
}

static void a_registration_is_refused_for_each_field_that_is_wrong(void)
{
    const AI_RUNTIME_REGISTRATION good = registration_of(AI_PROVIDER_GPU, "m");
    AI_RUNTIME_REGISTRATION bad;

    CHECK(ai_registration_is_valid(&good));
#define REFUSED(change)                                                                                                \
    do {                                                                                                               \
        bad = good;                                                                                                    \
        change;                                                                                                        \
        CHECK(!ai_registration_is_valid(&bad));                                                                        \
    } while (0)
    REFUSED(bad.provider_kind = 0);
    REFUSED(bad.provider_kind = AI_PROVIDER_CPU + 1);
    REFUSED(bad.capacity = 0);
    REFUSED(bad.model_count = 0);
    REFUSED(bad.model_count = 2);
    REFUSED(bad.model_count = AI_MAX_MODELS + 1);
    REFUSED(bad.models[1][0] = 'x');
    REFUSED(bad.models[0][AI_MODEL_BYTES - 1] = 'x');
    REFUSED(memset(bad.models[0], 'x', AI_MODEL_BYTES));
    REFUSED(memset(bad.endpoint, 'x', AI_ENDPOINT_BYTES));
    REFUSED(memset(bad.adapter_name, 'x', AI_ADAPTER_NAME_BYTES));
    REFUSED(memset(bad.ep_library_path, 'x', AI_LIBRARY_PATH_BYTES));
#undef REFUSED
}

static void a_report_is_refused_for_each_field_that_is_wrong(void)
{
    const AI_RUNTIME_STATS good = stats_of(3, 100);
    AI_RUNTIME_STATS bad;

    CHECK(ai_stats_are_valid(&good));
#define REFUSED(change)                                                                                                \
    do {                                                                                                               \
        bad = good;                                                                                                    \
        change;                                                                                                        \
        CHECK(!ai_stats_are_valid(&bad));                                                                              \
    } while (0)
    REFUSED(bad.reserved = 1);
    REFUSED(bad.memory_used = bad.memory_total + 1);
    REFUSED(bad.utilization_permille = 1001);
    REFUSED(bad.temperature_millicelsius = AI_MAX_TEMPERATURE + 1);
    REFUSED(bad.temperature_millicelsius = -AI_MAX_TEMPERATURE - 1);
    REFUSED(bad.prefix_count = 1);
    REFUSED(bad.prefixes[0] = 1);
    REFUSED(bad.prefix_count = AI_MAX_PREFIXES + 1);
#undef REFUSED
    bad = good;
    bad.utilization_permille = AI_UNKNOWN_UTILIZATION;
    bad.temperature_millicelsius = AI_UNKNOWN_TEMPERATURE;
    CHECK(ai_stats_are_valid(&bad));
}

static void queries_are_refused_for_values_that_mean_nothing(void)
{
    AI_GPU_STATS_QUERY stats = {.size = sizeof(stats)};
    AI_PATH_QUERY path = query_of("");

    CHECK(ai_stats_query_is_valid(&stats));
    stats.adapter_luid = 1;
    CHECK(!ai_stats_query_is_valid(&stats));
    stats.selection = AI_ONE_ADAPTER;
    CHECK(ai_stats_query_is_valid(&stats));
    stats.selection = 2;
    CHECK(!ai_stats_query_is_valid(&stats));

    CHECK(ai_path_query_is_valid(&path));
    path.provider_bits = AI_PROVIDER_BITS;
    CHECK(ai_path_query_is_valid(&path));
    path.provider_bits = 1; /* no kind has this bit */
    CHECK(!ai_path_query_is_valid(&path));
    path.provider_bits = 1u << 5;
    CHECK(!ai_path_query_is_valid(&path));
    path = query_of("");
    path.model[1] = 'x';
    CHECK(!ai_path_query_is_valid(&path));
}

static void a_channel_has_bounds(void)
{
    AI_CHANNEL_REQUEST request = channel_to(1);

    CHECK(ai_channel_request_is_valid(&request));
    request.section_bytes = AI_CHANNEL_MIN_BYTES;
    CHECK(ai_channel_request_is_valid(&request));
    request.section_bytes = AI_CHANNEL_MAX_BYTES;
    CHECK(ai_channel_request_is_valid(&request));
    request.section_bytes = AI_CHANNEL_MAX_BYTES + AI_CHANNEL_GRANULE;
    CHECK(!ai_channel_request_is_valid(&request));
    request.section_bytes = AI_CHANNEL_MIN_BYTES - AI_CHANNEL_GRANULE;
    CHECK(!ai_channel_request_is_valid(&request));
    request.section_bytes = AI_CHANNEL_MIN_BYTES + 1;
    CHECK(!ai_channel_request_is_valid(&request));
    request = channel_to(0);
    CHECK(!ai_channel_request_is_valid(&request));
}

/* Registry ------------------------------------------------------------------------------------------------------- */

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

/* Path ----------------------------------------------------------------------------------------------------------- */

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
    TEST(text_is_well_formed_utf8_without_control_characters),
    TEST(text_ends_within_its_field_and_zeros_follow),
    TEST(a_registration_is_refused_for_each_field_that_is_wrong),
    TEST(a_report_is_refused_for_each_field_that_is_wrong),
    TEST(queries_are_refused_for_values_that_mean_nothing),
    TEST(a_channel_has_bounds),
    TEST(ids_are_never_used_again),
    TEST(a_user_has_a_share_of_the_registry_and_no_more),
    TEST(the_latency_average_starts_with_the_first_value_and_moves_by_an_eighth),
    TEST(an_adapter_shows_its_newest_report_and_the_sum_of_its_requests),
    TEST(an_adapter_that_nobody_reported_about_is_unknown),
    TEST(all_adapters_of_a_user_come_in_the_order_of_their_luid),
    TEST(nobody_is_chosen_where_nobody_fits),
    TEST(the_reply_describes_the_chosen_one_and_counts_the_others),
    TEST(the_shortest_expected_wait_wins),
    TEST(a_runtime_without_an_average_counts_with_the_assumed_one),
    TEST(ties_are_broken_by_latency_then_provider_then_age),
    TEST(the_one_with_the_prefix_wins_until_the_other_would_be_done_before_it_begins),
    TEST(among_holders_of_the_prefix_the_order_is_the_same),
    TEST(the_largest_figures_do_not_overflow),
};

int main(void)
{
    return run_tests(TESTS, sizeof(TESTS) / sizeof(TESTS[0]));
}
