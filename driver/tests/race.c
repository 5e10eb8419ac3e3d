// SPDX-License-Identifier: Apache-2.0
/*
 * Runtimes, clients and a canceller at once, for ThreadSanitizer and AddressSanitizer: `race CONNECTIONS`.
 *
 * Wine runs a driver's requests one after the other, so nothing there can go wrong between two of them. Here each
 * program is a thread, and requests meet cancellation, closing and the end of processes at every possible moment.
 */
#include "check.h"
#include "messages.h"
#include "sim.h"

#include <pthread.h>
#include <sched.h>

enum { RUNTIMES = 2, CLIENTS = 2, WAITS = 4 };

static _Atomic bool is_over;
static _Atomic unsigned long long connections, cancellations, refusals;

/* Requests that the canceller may cancel: the runtimes put them here, and take them back before they release them. */
static struct {
    pthread_mutex_t lock;
    sim_request *request;
} shared[RUNTIMES];

static void *be_runtime(void *argument)
{
    size_t number = (size_t)argument;

    while (!atomic_load(&is_over)) {
        PEPROCESS process = sim_process_start(1);
        sim_file *file = sim_open(process);
        AI_RUNTIME_REGISTRATION registration = registration_of(AI_PROVIDER_GPU, "m");
        AI_RUNTIME_REGISTERED registered;
        AI_RUNTIME_STATS stats = stats_of((uint32_t)number, 100);

        CHECK_EQUAL(sim_call(file, process, IOCTL_AI_REGISTER_WINAI_RUNTIME, &registration, sizeof(registration),
                             &registered, sizeof(registered)),
                    STATUS_SUCCESS);
        for (int round = 0; round < 20; round++) {
            sim_request *requests[WAITS];

            for (int index = 0; index < WAITS; index++)
                requests[index] = sim_send(file, process, IOCTL_AI_WAIT_CONNECTION, NULL, 0, sizeof(AI_CHANNEL));
            pthread_mutex_lock(&shared[number].lock);
            shared[number].request = requests[0];
            pthread_mutex_unlock(&shared[number].lock);
            CHECK_EQUAL(sim_call(file, process, IOCTL_AI_REPORT_STATS, &stats, sizeof(stats), NULL, 0), 0);
            pthread_mutex_lock(&shared[number].lock);
            shared[number].request = NULL;
            pthread_mutex_unlock(&shared[number].lock);
            for (int index = 0; index < WAITS; index++) {
                sim_cancel(requests[index]);
                while (!atomic_load(&requests[index]->is_done))
                    sched_yield();
                CHECK(requests[index]->status == STATUS_SUCCESS || requests[index]->status == STATUS_CANCELLED ||
                      requests[index]->status == STATUS_CONNECTION_ABORTED);
                sim_release(requests[index]);
            }
        }
        sim_send(file, process, IOCTL_AI_WAIT_CONNECTION, NULL, 0, sizeof(AI_CHANNEL)); /* pending when it ends */
        sim_process_end(process);
    }
    return NULL;
}

static void *be_client(void *argument)
{
    PEPROCESS process = sim_process_start(1);

    (void)argument;
    while (!atomic_load(&is_over)) {
        AI_PATH_QUERY query = query_of("m");
        AI_GPU_STATS_QUERY stats_query = {.size = sizeof(stats_query)};
        AI_OPTIMIZED_PATH path;
        AI_CHANNEL channel;
        sim_file *file = sim_open(process);
        NTSTATUS status;

        sim_call(file, process, IOCTL_AI_GET_GPU_STATS, &stats_query, sizeof(stats_query), NULL, sizeof(AI_GPU_STATS));
        status = sim_call(file, process, IOCTL_AI_GET_OPTIMIZED_PATH, &query, sizeof(query), &path, sizeof(path));
        if (status == STATUS_SUCCESS) {
            AI_CHANNEL_REQUEST request = channel_to(path.runtime_id);
            status = sim_call(file, process, IOCTL_AI_OPEN_CHANNEL, &request, sizeof(request), &channel,
                              sizeof(channel));
            CHECK(status == STATUS_SUCCESS || status == STATUS_NOT_FOUND || status == STATUS_RETRY ||
                  status == STATUS_CONNECTION_ABORTED);
            atomic_fetch_add(status == STATUS_SUCCESS ? &connections : &refusals, 1);
        }
        if (status != STATUS_SUCCESS)
            sched_yield();
        sim_close(file);
        sim_process_close_handles(process);
    }
    sim_process_end(process);
    return NULL;
}

static void *be_canceller(void *argument)
{
    (void)argument;
    while (!atomic_load(&is_over)) {
        for (int number = 0; number < RUNTIMES; number++) {
            pthread_mutex_lock(&shared[number].lock);
            if (shared[number].request != NULL) {
                sim_cancel(shared[number].request);
                atomic_fetch_add(&cancellations, 1);
            }
            pthread_mutex_unlock(&shared[number].lock);
        }
        sched_yield();
    }
    return NULL;
}

int main(int count, char **arguments)
{
    unsigned long long wanted = count > 1 ? strtoull(arguments[1], NULL, 10) : 1000;
    pthread_t threads[RUNTIMES + CLIENTS + 1];
    int started = 0;

    sim_is_concurrent = true;
    CHECK_EQUAL(sim_load(), STATUS_SUCCESS);
    for (size_t number = 0; number < RUNTIMES; number++) {
        pthread_mutex_init(&shared[number].lock, NULL);
        pthread_create(&threads[started++], NULL, be_runtime, (void *)number);
    }
    for (size_t number = 0; number < CLIENTS; number++)
        pthread_create(&threads[started++], NULL, be_client, NULL);
    pthread_create(&threads[started++], NULL, be_canceller, NULL);

    while (connections < wanted || refusals < wanted / 4 || cancellations < wanted / 4)
        sched_yield();
    atomic_store(&is_over, true);
    while (started > 0)
        pthread_join(threads[--started], NULL);
    sim_unload();

    printf("%llu connections, %llu refusals, %llu cancellations\n", connections, refusals, cancellations);
    return 0;
}
