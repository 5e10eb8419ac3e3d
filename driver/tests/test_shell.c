/* The whole driver under the simulator: what programs can do to it, one test for each promise of the header. */
#include "check.h"
#include "messages.h"
#include "sim.h"

#define CALL(file, process, code, input, output)                                                                       \
    sim_call(file, process, code, &(input), sizeof(input), &(output), sizeof(output))

static uint64_t register_runtime(sim_file *file, PEPROCESS process)
{
    AI_RUNTIME_REGISTRATION registration = registration_of(AI_PROVIDER_GPU, "m");
    AI_RUNTIME_REGISTERED registered;

    CHECK_EQUAL(CALL(file, process, IOCTL_AI_REGISTER_WINAI_RUNTIME, registration, registered), STATUS_SUCCESS);
    CHECK_EQUAL(registered.size, sizeof(registered));
    return registered.runtime_id;
}

static NTSTATUS find_path(sim_file *file, PEPROCESS process)
{
    AI_PATH_QUERY query = query_of("m");
    AI_OPTIMIZED_PATH path;

    return CALL(file, process, IOCTL_AI_GET_OPTIMIZED_PATH, query, path);
}

static sim_request *wait_connection(sim_file *file, PEPROCESS process)
{
    return sim_send(file, process, IOCTL_AI_WAIT_CONNECTION, NULL, 0, sizeof(AI_CHANNEL));
}

static NTSTATUS open_channel(sim_file *file, PEPROCESS process, uint64_t runtime_id, AI_CHANNEL *channel)
{
    AI_CHANNEL_REQUEST request = channel_to(runtime_id);
    return CALL(file, process, IOCTL_AI_OPEN_CHANNEL, request, *channel);
}

/* A driver with a runtime that waits, and a client that has found it. */
static PEPROCESS runtime, client;
static sim_file *runtime_file, *client_file;
static sim_request *waiting;
static uint64_t runtime_id;

static void start(void)
{
    CHECK_EQUAL(sim_load(), STATUS_SUCCESS);
    runtime = sim_process_start(1);
    client = sim_process_start(1);
    runtime_file = sim_open(runtime);
    client_file = sim_open(client);
    runtime_id = register_runtime(runtime_file, runtime);
    waiting = wait_connection(runtime_file, runtime);
    CHECK(!waiting->is_done);
}

static void finish(void)
{
    sim_process_end(client);
    sim_process_end(runtime);
    sim_unload();
}

/* Requests ------------------------------------------------------------------------------------------------------- */

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

/* Sessions ------------------------------------------------------------------------------------------------------- */

static void a_runtime_lives_as_long_as_its_handle(void)
{
    start();
    CHECK_EQUAL(find_path(client_file, client), STATUS_SUCCESS);
    sim_close(runtime_file);
    CHECK_EQUAL(find_path(client_file, client), STATUS_NOT_FOUND);
    finish();
}

static void a_runtime_lives_as_long_as_its_process(void)
{
    start();
    sim_process_end(runtime);
    CHECK_EQUAL(find_path(client_file, client), STATUS_NOT_FOUND);
    runtime = sim_process_start(1);
    finish();
}

static void a_runtime_ends_with_its_process_although_another_one_has_its_handle(void)
{
    AI_GPU_STATS_QUERY query = {.size = sizeof(query)};
    AI_GPU_STATS figures;
    AI_CHANNEL channel;

    start();
    sim_process_end_keeping_files(runtime);
    CHECK_EQUAL(open_channel(client_file, client, runtime_id, &channel), STATUS_NOT_FOUND);
    CHECK_EQUAL(waiting->status, STATUS_CANCELLED);
    CHECK_EQUAL(find_path(client_file, client), STATUS_NOT_FOUND);
    CHECK_EQUAL(CALL(client_file, client, IOCTL_AI_GET_GPU_STATS, query, figures), STATUS_SUCCESS);
    CHECK_EQUAL(figures.adapter_count, 0);
    finish();
}

static void another_process_cannot_use_the_handle(void)
{
    AI_VERSION version;

    start();
    CHECK_EQUAL(sim_call(runtime_file, client, IOCTL_AI_GET_VERSION, NULL, 0, &version, sizeof(version)),
                STATUS_ACCESS_DENIED);
    finish();
}

static void a_reader_can_neither_register_nor_connect(void)
{
    AI_RUNTIME_REGISTRATION registration = registration_of(AI_PROVIDER_GPU, "m");
    AI_RUNTIME_REGISTERED registered;
    AI_CHANNEL channel;
    NTSTATUS status;
    sim_file *reader;

    start();
    reader = sim_open_with(client, SIM_READ, 0, &status);
    CHECK_EQUAL(CALL(reader, client, IOCTL_AI_REGISTER_WINAI_RUNTIME, registration, registered), STATUS_ACCESS_DENIED);
    CHECK_EQUAL(open_channel(reader, client, runtime_id, &channel), STATUS_ACCESS_DENIED);
    finish();
}

static void another_user_sees_nothing(void)
{
    AI_GPU_STATS_QUERY query = {.size = sizeof(query)};
    PEPROCESS stranger;
    AI_GPU_STATS figures;
    AI_CHANNEL channel;
    sim_file *file;

    start();
    stranger = sim_process_start(2);
    file = sim_open(stranger);
    CHECK_EQUAL(find_path(file, stranger), STATUS_NOT_FOUND);
    CHECK_EQUAL(open_channel(file, stranger, runtime_id, &channel), STATUS_NOT_FOUND);
    CHECK_EQUAL(CALL(file, stranger, IOCTL_AI_GET_GPU_STATS, query, figures), STATUS_SUCCESS);
    CHECK_EQUAL(figures.adapter_count, 0);
    CHECK(!waiting->is_done);
    sim_process_end(stranger);
    finish();
}

static void a_session_has_one_role(void)
{
    AI_RUNTIME_REGISTRATION registration = registration_of(AI_PROVIDER_GPU, "m");
    AI_RUNTIME_STATS stats = stats_of(0, 0);
    AI_RUNTIME_REGISTERED registered;
    sim_request *second, *refused;
    AI_CHANNEL channel;

    start();
    CHECK_EQUAL(CALL(runtime_file, runtime, IOCTL_AI_REGISTER_WINAI_RUNTIME, registration, registered),
                STATUS_INVALID_DEVICE_STATE);
    CHECK_EQUAL(open_channel(runtime_file, runtime, runtime_id, &channel), STATUS_INVALID_DEVICE_STATE);
    CHECK_EQUAL(sim_call(client_file, client, IOCTL_AI_REPORT_STATS, &stats, sizeof(stats), NULL, 0),
                STATUS_INVALID_DEVICE_STATE);
    refused = wait_connection(client_file, client);
    CHECK_EQUAL(refused->status, STATUS_INVALID_DEVICE_STATE);

    second = wait_connection(runtime_file, runtime);
    CHECK_EQUAL(open_channel(client_file, client, runtime_id, &channel), STATUS_SUCCESS);
    CHECK_EQUAL(open_channel(client_file, client, runtime_id, &channel), STATUS_INVALID_DEVICE_STATE);
    CHECK(!second->is_done);
    CHECK_EQUAL(CALL(client_file, client, IOCTL_AI_REGISTER_WINAI_RUNTIME, registration, registered),
                STATUS_INVALID_DEVICE_STATE);
    finish();
}

static void a_user_registers_a_limited_number_of_runtimes(void)
{
    AI_RUNTIME_REGISTRATION registration = registration_of(AI_PROVIDER_GPU, "m");
    AI_RUNTIME_REGISTERED registered;

    start();
    for (unsigned count = 1; count < AI_MAX_RUNTIMES_PER_USER; count++)
        register_runtime(sim_open(client), client);
    CHECK_EQUAL(CALL(client_file, client, IOCTL_AI_REGISTER_WINAI_RUNTIME, registration, registered),
                STATUS_QUOTA_EXCEEDED);
    sim_close(runtime_file);
    CHECK_EQUAL(CALL(client_file, client, IOCTL_AI_REGISTER_WINAI_RUNTIME, registration, registered), STATUS_SUCCESS);
    finish();
}

static void names_below_the_device_are_refused(void)
{
    NTSTATUS status;

    start();
    CHECK(sim_open_below(client, &status) == NULL);
    CHECK_EQUAL(status, STATUS_OBJECT_NAME_NOT_FOUND);
    finish();
}

static void a_file_that_was_not_opened_serves_no_request(void)
{
    AI_VERSION version;
    sim_file *file;

    start();
    sim_fail_nth(1);
    file = sim_open_as_wine(client);
    CHECK(sim_failed());
    CHECK_EQUAL(sim_call(file, client, IOCTL_AI_GET_VERSION, NULL, 0, &version, sizeof(version)),
                STATUS_INVALID_DEVICE_STATE);
    sim_close(file);
    finish();
}

static void closing_without_cleanup_ends_everything_too(void)
{
    start();
    sim_close_as_wine(runtime_file);
    CHECK_EQUAL(find_path(client_file, client), STATUS_NOT_FOUND);
    finish();
}

/* Waiting -------------------------------------------------------------------------------------------------------- */

static void a_waiting_request_can_be_cancelled(void)
{
    AI_CHANNEL channel;

    start();
    sim_cancel(waiting);
    CHECK(waiting->is_done);
    CHECK_EQUAL(waiting->status, STATUS_CANCELLED);
    sim_cancel(waiting);
    CHECK_EQUAL(open_channel(client_file, client, runtime_id, &channel), STATUS_RETRY);
    finish();
}

static void a_request_that_comes_cancelled_does_not_wait(void)
{
    sim_request *request;
    AI_CHANNEL channel;

    start();
    request = sim_send_cancelled(runtime_file, runtime, IOCTL_AI_WAIT_CONNECTION, sizeof(AI_CHANNEL));
    CHECK(request->is_done);
    CHECK_EQUAL(request->status, STATUS_CANCELLED);
    CHECK_EQUAL(open_channel(client_file, client, runtime_id, &channel), STATUS_SUCCESS);
    finish();
}

static void requests_wait_in_order_and_in_a_limited_number(void)
{
    sim_request *requests[AI_MAX_WAITS], *refused;
    AI_CHANNEL channel;

    start();
    requests[0] = waiting;
    for (unsigned count = 1; count < AI_MAX_WAITS; count++)
        requests[count] = wait_connection(runtime_file, runtime);
    refused = wait_connection(runtime_file, runtime);
    CHECK_EQUAL(refused->status, STATUS_QUOTA_EXCEEDED);
    sim_cancel(requests[0]);
    CHECK_EQUAL(open_channel(client_file, client, runtime_id, &channel), STATUS_SUCCESS);
    CHECK(requests[1]->is_done);
    CHECK(!requests[2]->is_done);
    CHECK(!wait_connection(runtime_file, runtime)->is_done);
    finish();
}

static void a_synchronous_handle_does_not_wait(void)
{
    sim_request *request;
    sim_file *file;
    NTSTATUS status;

    start();
    file = sim_open_with(client, SIM_READ_WRITE, FO_SYNCHRONOUS_IO, &status);
    register_runtime(file, client);
    request = wait_connection(file, client);
    CHECK(request->is_done);
    CHECK_EQUAL(request->status, STATUS_INVALID_DEVICE_STATE);
    finish();
}

/* Channels ------------------------------------------------------------------------------------------------------- */

static void a_channel_gives_both_sides_the_same_objects_with_least_access(void)
{
    AI_CHANNEL ours, theirs;

    start();
    CHECK_EQUAL(open_channel(client_file, client, runtime_id, &ours), STATUS_SUCCESS);
    CHECK(waiting->is_done);
    CHECK_EQUAL(waiting->status, STATUS_SUCCESS);
    CHECK_EQUAL(waiting->information, sizeof(theirs));
    memcpy(&theirs, waiting->output, sizeof(theirs));

    CHECK_EQUAL(ours.size, sizeof(ours));
    CHECK_EQUAL(ours.runtime_id, runtime_id);
    CHECK_EQUAL(ours.section_bytes, 1u << 20);
    CHECK_EQUAL(ours.channel_id, theirs.channel_id);
    CHECK_EQUAL(ours.peer_process_id, (uintptr_t)PsGetProcessId(runtime));
    CHECK_EQUAL(theirs.peer_process_id, (uintptr_t)PsGetProcessId(client));
    CHECK_EQUAL(sim_section_bytes(client, ours.section), 1u << 20);
    CHECK(sim_same_object(client, ours.section, runtime, theirs.section));
    CHECK(sim_same_object(client, ours.to_runtime, runtime, theirs.to_runtime));
    CHECK(sim_same_object(client, ours.to_client, runtime, theirs.to_client));
    CHECK(sim_same_object(client, ours.closed, runtime, theirs.closed));
    CHECK_EQUAL(sim_handle_access(client, ours.section), SECTION_MAP_READ | SECTION_MAP_WRITE);
    CHECK_EQUAL(sim_handle_access(runtime, theirs.section), SECTION_MAP_READ | SECTION_MAP_WRITE);
    CHECK_EQUAL(sim_handle_access(client, ours.to_runtime), EVENT_MODIFY_STATE);
    CHECK_EQUAL(sim_handle_access(runtime, theirs.to_runtime), SYNCHRONIZE);
    CHECK_EQUAL(sim_handle_access(client, ours.to_client), SYNCHRONIZE);
    CHECK_EQUAL(sim_handle_access(runtime, theirs.to_client), EVENT_MODIFY_STATE);
    CHECK_EQUAL(sim_handle_access(client, ours.closed), SYNCHRONIZE);
    CHECK_EQUAL(sim_handle_access(runtime, theirs.closed), SYNCHRONIZE);
    CHECK(!sim_event_is_manual(client, ours.to_client));
    CHECK(!sim_event_is_manual(client, ours.to_runtime));
    CHECK(sim_event_is_manual(client, ours.closed));
    CHECK(!sim_event_is_set(client, ours.closed));
    CHECK_EQUAL(sim_kernel_handles(), 1); /* the event `closed` */
    finish();
}

static void the_end_of_the_client_closes_the_channel(void)
{
    AI_CHANNEL ours, theirs;

    start();
    CHECK_EQUAL(open_channel(client_file, client, runtime_id, &ours), STATUS_SUCCESS);
    memcpy(&theirs, waiting->output, sizeof(theirs));
    sim_process_end(client);
    CHECK(sim_event_is_set(runtime, theirs.closed));
    CHECK_EQUAL(sim_kernel_handles(), 0);
    client = sim_process_start(1);
    finish();
}

static void the_end_of_the_runtime_closes_its_channels_and_frees_their_clients(void)
{
    AI_CHANNEL first, second;
    sim_file *other;

    start();
    wait_connection(runtime_file, runtime);
    other = sim_open(client);
    CHECK_EQUAL(open_channel(client_file, client, runtime_id, &first), STATUS_SUCCESS);
    CHECK_EQUAL(open_channel(other, client, runtime_id, &second), STATUS_SUCCESS);
    CHECK(first.channel_id != second.channel_id);
    sim_process_end(runtime);
    CHECK(sim_event_is_set(client, first.closed));
    CHECK(sim_event_is_set(client, second.closed));
    CHECK_EQUAL(sim_kernel_handles(), 0);

    runtime = sim_process_start(1);
    runtime_file = sim_open(runtime);
    runtime_id = register_runtime(runtime_file, runtime);
    wait_connection(runtime_file, runtime);
    CHECK_EQUAL(open_channel(client_file, client, runtime_id, &first), STATUS_SUCCESS);
    finish();
}

static void a_client_that_ended_gets_no_channel_and_the_runtime_keeps_nothing(void)
{
    AI_CHANNEL channel;

    start();
    sim_process_end_keeping_files(client);
    CHECK_EQUAL(open_channel(client_file, client, runtime_id, &channel), STATUS_CONNECTION_ABORTED);
    CHECK_EQUAL(waiting->status, STATUS_CONNECTION_ABORTED);
    CHECK_EQUAL(sim_process_handles(runtime), 0);
    CHECK_EQUAL(sim_kernel_handles(), 0);
    finish();
}

static void a_runtime_that_nobody_knows_is_not_found(void)
{
    AI_CHANNEL channel;

    start();
    CHECK_EQUAL(open_channel(client_file, client, runtime_id + 1, &channel), STATUS_NOT_FOUND);
    CHECK_EQUAL(sim_kernel_handles(), 0);
    CHECK(!waiting->is_done);
    finish();
}

/* Whichever call fails, what was acquired before it is given back. */
static void every_failure_is_undone(void)
{
    AI_RUNTIME_REGISTRATION registration = registration_of(AI_PROVIDER_GPU, "m");
    AI_RUNTIME_REGISTERED registered;
    AI_CHANNEL channel;
    NTSTATUS status;
    sim_file *file;
    int n;

    for (n = 1;; n++) {
        sim_fail_nth(n);
        status = sim_load();
        if (!sim_failed())
            break;
        CHECK(!NT_SUCCESS(status));
    }
    CHECK_EQUAL(status, STATUS_SUCCESS);
    CHECK(n > 8);
    sim_fail_nth(0);
    sim_unload();

    start();
    for (n = 1;; n++) {
        int blocks = sim_pool_blocks();
        sim_fail_nth(n);
        file = sim_open_with(client, SIM_READ_WRITE, 0, &status);
        if (!sim_failed())
            break;
        CHECK(file == NULL);
        CHECK_EQUAL(sim_pool_blocks(), blocks);
        CHECK_EQUAL(sim_kernel_handles(), 0);
    }
    CHECK(file != NULL && n > 3);

    sim_fail_nth(1);
    CHECK_EQUAL(CALL(file, client, IOCTL_AI_REGISTER_WINAI_RUNTIME, registration, registered),
                STATUS_INSUFFICIENT_RESOURCES);

    for (n = 1;; n++) {
        int blocks = sim_pool_blocks(), of_client = sim_process_handles(client), of_runtime = sim_process_handles(runtime);
        sim_request *next = wait_connection(runtime_file, runtime);
        sim_fail_nth(n);
        status = open_channel(client_file, client, runtime_id, &channel);
        if (!sim_failed()) {
            sim_fail_nth(0);
            break;
        }
        CHECK(status == STATUS_INSUFFICIENT_RESOURCES || status == STATUS_CONNECTION_ABORTED);
        CHECK_EQUAL(sim_pool_blocks(), blocks);
        CHECK_EQUAL(sim_kernel_handles(), 0);
        CHECK_EQUAL(sim_process_handles(client), of_client);
        CHECK_EQUAL(sim_process_handles(runtime), of_runtime);
        sim_cancel(next);
        if (waiting->is_done)
            waiting = wait_connection(runtime_file, runtime);
    }
    CHECK_EQUAL(status, STATUS_SUCCESS);
    CHECK(n > 14);
    finish();
}

/* Unloading ------------------------------------------------------------------------------------------------------ */

/* Wine unloads a driver whose handles are open; there is nothing then that could still be closed. */
static void unloading_frees_what_is_left(void)
{
    AI_CHANNEL channel;

    start();
    wait_connection(runtime_file, runtime);
    CHECK_EQUAL(open_channel(client_file, client, runtime_id, &channel), STATUS_SUCCESS);
    sim_unload();
    CHECK(sim_event_is_set(client, channel.closed));
}

static const test TESTS[] = {
    TEST(the_version_is_told_to_whoever_may_read),
    TEST(lengths_that_do_not_fit_are_refused),
    TEST(invalid_fields_are_refused_and_change_nothing),
    TEST(no_byte_goes_out_that_was_not_written),
    TEST(a_runtime_lives_as_long_as_its_handle),
    TEST(a_runtime_lives_as_long_as_its_process),
    TEST(a_runtime_ends_with_its_process_although_another_one_has_its_handle),
    TEST(another_process_cannot_use_the_handle),
    TEST(a_reader_can_neither_register_nor_connect),
    TEST(another_user_sees_nothing),
    TEST(a_session_has_one_role),
    TEST(a_user_registers_a_limited_number_of_runtimes),
    TEST(names_below_the_device_are_refused),
    TEST(a_file_that_was_not_opened_serves_no_request),
    TEST(closing_without_cleanup_ends_everything_too),
    TEST(a_waiting_request_can_be_cancelled),
    TEST(a_request_that_comes_cancelled_does_not_wait),
    TEST(requests_wait_in_order_and_in_a_limited_number),
    TEST(a_synchronous_handle_does_not_wait),
    TEST(a_channel_gives_both_sides_the_same_objects_with_least_access),
    TEST(the_end_of_the_client_closes_the_channel),
    TEST(the_end_of_the_runtime_closes_its_channels_and_frees_their_clients),
    TEST(a_client_that_ended_gets_no_channel_and_the_runtime_keeps_nothing),
    TEST(a_runtime_that_nobody_knows_is_not_found),
    TEST(every_failure_is_undone),
    TEST(unloading_frees_what_is_left),
};

int main(void)
{
    return run_tests(TESTS, sizeof(TESTS) / sizeof(TESTS[0]));
}
