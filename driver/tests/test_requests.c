// SPDX-License-Identifier: Apache-2.0
/* The whole driver under the simulator: requests, and what they are refused for. */
#include "shell_fixture.h"

static void the_version_is_told_to_whoever_may_read(void)
{
    AI_VERSION version;
    NTSTATUS status;
    sim_file *reader;

    start();
    reader = sim_open_with(client, SIM_READ, 0, &status);
    CHECK_EQUAL(sim_call(reader, client, IOCTL_AI_GET_VERSION, NULL, 0, &version, sizeof(version)), STATUS_SUCCESS);
    CHECK_EQUAL(version.size, sizeof(version));
    CHECK_EQUAL(version.abi_version, AI_ABI_VERSION);
    CHECK_EQUAL(version.capabilities, AI_CAPABILITY_CHANNELS);
    CHECK_EQUAL(version.reserved, 0);
    CHECK_EQUAL(find_path(reader, client), STATUS_SUCCESS);
    finish();
}

static const struct {
    uint32_t code;
    ULONG input, output;
} SIZES[] = {
    {IOCTL_AI_GET_VERSION, 0, sizeof(AI_VERSION)},
    {IOCTL_AI_REGISTER_WINAI_RUNTIME, sizeof(AI_RUNTIME_REGISTRATION), sizeof(AI_RUNTIME_REGISTERED)},
    {IOCTL_AI_REPORT_STATS, sizeof(AI_RUNTIME_STATS), 0},
    {IOCTL_AI_GET_GPU_STATS, sizeof(AI_GPU_STATS_QUERY), sizeof(AI_GPU_STATS)},
    {IOCTL_AI_GET_OPTIMIZED_PATH, sizeof(AI_PATH_QUERY), sizeof(AI_OPTIMIZED_PATH)},
    {IOCTL_AI_OPEN_CHANNEL, sizeof(AI_CHANNEL_REQUEST), sizeof(AI_CHANNEL)},
    {IOCTL_AI_WAIT_CONNECTION, 0, sizeof(AI_CHANNEL)},
};

static void lengths_that_do_not_fit_are_refused(void)
{
    uint8_t input[8192] = {0};

    start();
    for (size_t index = 0; index < sizeof(SIZES) / sizeof(SIZES[0]); index++) {
        uint32_t code = SIZES[index].code;
        ULONG in = SIZES[index].input, out = SIZES[index].output;

        memcpy(input, &in, sizeof(in));
        CHECK_EQUAL(sim_call(client_file, client, code, input, in + 1, NULL, out), STATUS_INFO_LENGTH_MISMATCH);
        if (in != 0) {
            CHECK_EQUAL(sim_call(client_file, client, code, input, in - 1, NULL, out), STATUS_INFO_LENGTH_MISMATCH);
            CHECK_EQUAL(sim_call(client_file, client, code, NULL, 0, NULL, out), STATUS_INFO_LENGTH_MISMATCH);
            input[0]++;
            CHECK_EQUAL(sim_call(client_file, client, code, input, in, NULL, out), STATUS_REVISION_MISMATCH);
            input[0]--;
        }
        if (out != 0) {
            CHECK_EQUAL(sim_call(client_file, client, code, input, in, NULL, out - 1), STATUS_BUFFER_TOO_SMALL);
            CHECK_EQUAL(sim_call(client_file, client, code, input, in, NULL, 0), STATUS_BUFFER_TOO_SMALL);
        }
    }
    CHECK_EQUAL(sim_call(client_file, client, AI_IOCTL(0x7FFu, AI_ACCESS_READ), input, 0, NULL, 0),
                STATUS_INVALID_DEVICE_REQUEST);
    CHECK_EQUAL(sim_call(client_file, client, IOCTL_AI_GET_VERSION | 3, input, 0, NULL, 4096),
                STATUS_INVALID_DEVICE_REQUEST);
    finish();
}

static void invalid_fields_are_refused_and_change_nothing(void)
{
    AI_RUNTIME_REGISTRATION registration = registration_of(9, "m");
    AI_RUNTIME_STATS stats = stats_of(0, 0);
    AI_GPU_STATS_QUERY query = {.size = sizeof(query), .selection = 9};
    AI_PATH_QUERY path_query = query_of("m");
    AI_CHANNEL_REQUEST request = channel_to(1);
    AI_RUNTIME_REGISTERED registered;
    AI_OPTIMIZED_PATH path;
    AI_GPU_STATS figures;
    AI_CHANNEL channel;
    int blocks;

    start();
    blocks = sim_pool_blocks();
    stats.reserved = 1;
    path_query.provider_bits = 1;
    request.section_bytes = 1;
    CHECK_EQUAL(CALL(client_file, client, IOCTL_AI_REGISTER_WINAI_RUNTIME, registration, registered),
                STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(sim_call(runtime_file, runtime, IOCTL_AI_REPORT_STATS, &stats, sizeof(stats), NULL, 0),
                STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(CALL(client_file, client, IOCTL_AI_GET_GPU_STATS, query, figures), STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(CALL(client_file, client, IOCTL_AI_GET_OPTIMIZED_PATH, path_query, path), STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(CALL(client_file, client, IOCTL_AI_OPEN_CHANNEL, request, channel), STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(sim_pool_blocks(), blocks);
    CHECK(!waiting->is_done);
    finish();
}

/* Everything that goes out, under one poison of the buffers and under another. */
static void no_byte_goes_out_that_was_not_written(void)
{
    AI_PATH_QUERY path_query = query_of("m");
    AI_GPU_STATS_QUERY query = {.size = sizeof(query)};
    AI_RUNTIME_REGISTRATION registration = registration_of(AI_PROVIDER_GPU, "other");
    struct {
        AI_VERSION version;
        AI_OPTIMIZED_PATH path;
        AI_GPU_STATS figures;
        AI_RUNTIME_REGISTERED registered;
        AI_CHANNEL ours, theirs;
    } seen[2];

    memset(seen, 0, sizeof(seen));
    for (int round = 0; round < 2; round++) {
        sim_file *other;

        sim_poison = round == 0 ? 0xA5 : 0x5A;
        start();
        other = sim_open(client);
        CHECK_EQUAL(sim_call(client_file, client, IOCTL_AI_GET_VERSION, NULL, 0, &seen[round].version, 16), 0);
        CHECK_EQUAL(CALL(client_file, client, IOCTL_AI_GET_OPTIMIZED_PATH, path_query, seen[round].path), 0);
        CHECK_EQUAL(CALL(client_file, client, IOCTL_AI_GET_GPU_STATS, query, seen[round].figures), 0);
        CHECK_EQUAL(CALL(other, client, IOCTL_AI_REGISTER_WINAI_RUNTIME, registration, seen[round].registered), 0);
        CHECK_EQUAL(open_channel(client_file, client, runtime_id, &seen[round].ours), 0);
        memcpy(&seen[round].theirs, waiting->output, sizeof(AI_CHANNEL));
        seen[round].path.process_id = 0;
        seen[round].ours.peer_process_id = seen[round].theirs.peer_process_id = 0;
        finish();
    }
    sim_poison = 0xA5;
    CHECK(memcmp(&seen[0], &seen[1], sizeof(seen[0])) == 0);
}

static const test TESTS[] = {
    TEST(the_version_is_told_to_whoever_may_read),
    TEST(lengths_that_do_not_fit_are_refused),
    TEST(invalid_fields_are_refused_and_change_nothing),
    TEST(no_byte_goes_out_that_was_not_written),
};

const test_group REQUESTS_TESTS = GROUP(TESTS);
