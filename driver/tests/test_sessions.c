// SPDX-License-Identifier: Apache-2.0
/* The whole driver under the simulator: sessions, their roles and ends, and the end of the driver. */
#include "shell_fixture.h"

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
    TEST(unloading_frees_what_is_left),
};

const test_group SESSIONS_TESTS = GROUP(TESTS);
