// SPDX-License-Identifier: Apache-2.0
/* The whole driver under the simulator: waiting, channels, and what is undone where one cannot be made. */
#include "shell_fixture.h"

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

static const test TESTS[] = {
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
};

const test_group CHANNELS_TESTS = GROUP(TESTS);
