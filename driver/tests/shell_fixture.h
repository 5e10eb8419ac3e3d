// SPDX-License-Identifier: Apache-2.0
/* What tests of the whole driver begin with; the promises that they test are the header's, one a test. */
#ifndef AI_SHELL_FIXTURE_H
#define AI_SHELL_FIXTURE_H

#include "check.h"
#include "messages.h"
#include "sim.h"

#define CALL(file, process, code, input, output)                                                                       \
    sim_call(file, process, code, &(input), sizeof(input), &(output), sizeof(output))

static inline uint64_t register_runtime(sim_file *file, PEPROCESS process)
{
    AI_RUNTIME_REGISTRATION registration = registration_of(AI_PROVIDER_GPU, "m");
    AI_RUNTIME_REGISTERED registered;

    CHECK_EQUAL(CALL(file, process, IOCTL_AI_REGISTER_WINAI_RUNTIME, registration, registered), STATUS_SUCCESS);
    CHECK_EQUAL(registered.size, sizeof(registered));
    return registered.runtime_id;
}

static inline NTSTATUS find_path(sim_file *file, PEPROCESS process)
{
    AI_PATH_QUERY query = query_of("m");
    AI_OPTIMIZED_PATH path;

    return CALL(file, process, IOCTL_AI_GET_OPTIMIZED_PATH, query, path);
}

static inline sim_request *wait_connection(sim_file *file, PEPROCESS process)
{
    return sim_send(file, process, IOCTL_AI_WAIT_CONNECTION, NULL, 0, sizeof(AI_CHANNEL));
}

static inline NTSTATUS open_channel(sim_file *file, PEPROCESS process, uint64_t runtime_id, AI_CHANNEL *channel)
{
    AI_CHANNEL_REQUEST request = channel_to(runtime_id);
    return CALL(file, process, IOCTL_AI_OPEN_CHANNEL, request, *channel);
}

/* A driver with a runtime that waits, and a client that has found it. */
static PEPROCESS runtime, client;
static sim_file *runtime_file, *client_file;
static sim_request *waiting;
static uint64_t runtime_id;

static inline void start(void)
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

static inline void finish(void)
{
    sim_process_end(client);
    sim_process_end(runtime);
    sim_unload();
}

extern const test_group REQUESTS_TESTS, SESSIONS_TESTS, CHANNELS_TESTS;

#endif
