// SPDX-License-Identifier: Apache-2.0
/* The pure core: what is valid. */
#include "core_fixture.h"

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

static const test TESTS[] = {
    TEST(text_is_well_formed_utf8_without_control_characters),
    TEST(text_ends_within_its_field_and_zeros_follow),
    TEST(a_registration_is_refused_for_each_field_that_is_wrong),
    TEST(a_report_is_refused_for_each_field_that_is_wrong),
    TEST(queries_are_refused_for_values_that_mean_nothing),
    TEST(a_channel_has_bounds),
};

const test_group VALIDATE_TESTS = GROUP(TESTS);
