// SPDX-License-Identifier: Apache-2.0
/*
 * libFuzzer: the input is a script of what a few processes do to the driver. Each step is a byte for what to do, a
 * byte for with which file, and what the step needs. The simulator and the sanitizers judge.
 */
#include "messages.h"
#include "sim.h"

#include <stdlib.h>

enum { FILES = 4, PROCESSES = 3, PENDING = 16 };

typedef struct {
    const uint8_t *bytes;
    size_t left;
} script;

static uint8_t next(script *from)
{
    if (from->left == 0)
        return 0;
    from->left--;
    return *from->bytes++;
}

static const uint32_t CODES[] = {IOCTL_AI_GET_VERSION,   IOCTL_AI_REGISTER_WINAI_RUNTIME, IOCTL_AI_REPORT_STATS,
                                 IOCTL_AI_GET_GPU_STATS, IOCTL_AI_GET_OPTIMIZED_PATH,     IOCTL_AI_OPEN_CHANNEL,
                                 IOCTL_AI_WAIT_CONNECTION};

static struct {
    sim_file *file;
    int process;
} files[FILES];
static PEPROCESS processes[PROCESSES];
static sim_request *pending[PENDING];

static void forget_done(void)
{
    for (int index = 0; index < PENDING; index++) {
        if (pending[index] != NULL && pending[index]->is_done) {
            sim_release(pending[index]);
            pending[index] = NULL;
        }
    }
}

/* A file that is closed takes its requests along. */
static void forget_file(const sim_file *file)
{
    for (int index = 0; index < PENDING; index++) {
        if (pending[index] != NULL && pending[index]->file == file)
            pending[index] = NULL;
    }
}

static void keep(sim_request *request)
{
    for (int index = 0; index < PENDING; index++) {
        if (pending[index] == NULL) {
            pending[index] = request;
            return;
        }
    }
    sim_cancel(request);
    sim_release(request);
}

/* A well-formed input of the kind that the IOCTL takes, for the fuzzer to spoil. */
static ULONG make_input(uint32_t code, script *from, uint8_t *input)
{
    if (code == IOCTL_AI_REGISTER_WINAI_RUNTIME) {
        AI_RUNTIME_REGISTRATION registration = registration_of(1u + next(from) % 4u, "m");
        memcpy(input, &registration, sizeof(registration));
        return sizeof(registration);
    }
    if (code == IOCTL_AI_REPORT_STATS) {
        AI_RUNTIME_STATS stats = stats_of(next(from), next(from));
        memcpy(input, &stats, sizeof(stats));
        return sizeof(stats);
    }
    if (code == IOCTL_AI_GET_GPU_STATS) {
        AI_GPU_STATS_QUERY query = {.size = sizeof(query), .selection = next(from) % 2u};
        query.adapter_luid = query.selection * (next(from) % 4u);
        memcpy(input, &query, sizeof(query));
        return sizeof(query);
    }
    if (code == IOCTL_AI_GET_OPTIMIZED_PATH) {
        AI_PATH_QUERY query = query_of(next(from) % 2 ? "m" : "");
        query.prefix_hash = next(from);
        memcpy(input, &query, sizeof(query));
        return sizeof(query);
    }
    if (code == IOCTL_AI_OPEN_CHANNEL) {
        AI_CHANNEL_REQUEST request = channel_to(next(from) % 8u);
        memcpy(input, &request, sizeof(request));
        return sizeof(request);
    }
    return 0;
}

static void send(script *from, int file, int process)
{
    uint32_t code = CODES[next(from) % 7];
    uint8_t input[sizeof(AI_RUNTIME_REGISTRATION) + 64] = {0};
    uint8_t how = next(from);
    ULONG length = make_input(code, from, input), output = 4096;
    sim_request *request;

    if (how & 1)
        input[next(from) % 64u] = next(from);
    if (how & 2)
        input[(next(from) << 8 | next(from)) % sizeof(AI_RUNTIME_REGISTRATION)] = next(from);
    if (how & 4)
        length = (ULONG)(next(from) << 4 | next(from)) % sizeof(input);
    if (how & 8)
        output = (ULONG)(next(from) << 4 | next(from)) % 4096u;
    if (how & 16)
        code ^= 1u << (next(from) % 32);
    if (how & 32)
        sim_fail_nth(next(from) % 24);
    if ((how & 64) && code == IOCTL_AI_WAIT_CONNECTION)
        request = sim_send_cancelled(files[file].file, processes[process], code, output);
    else
        request = sim_send(files[file].file, processes[process], code, input, length, output);
    sim_fail_nth(0);
    if (request->is_done)
        sim_release(request);
    else
        keep(request);
}

static void close_file(int index, bool as_wine)
{
    forget_file(files[index].file);
    if (as_wine)
        sim_close_as_wine(files[index].file);
    else
        sim_close(files[index].file);
    files[index].file = NULL;
}

static void end_process(int number)
{
    for (int index = 0; index < FILES; index++) {
        if (files[index].file != NULL && files[index].process == number) {
            forget_file(files[index].file);
            files[index].file = NULL;
        }
    }
    sim_process_end(processes[number]);
    processes[number] = sim_process_start((uint32_t)number % 2u);
}

static void step(script *from)
{
    uint8_t what = next(from);
    int index = next(from) % FILES;
    NTSTATUS status;

    if (files[index].file == NULL) {
        files[index].process = what % PROCESSES;
        if (what & 0x80) {
            sim_fail_nth(1 + (what >> 4 & 3));
            files[index].file = sim_open_as_wine(processes[files[index].process]);
            sim_fail_nth(0);
        } else {
            files[index].file = sim_open_with(processes[files[index].process], what & 0x40 ? SIM_READ : SIM_READ_WRITE,
                                              what & 0x20 ? FO_SYNCHRONOUS_IO : 0, &status);
        }
        return;
    }
    switch (what % 16) {
    case 0:
        close_file(index, false);
        break;
    case 1:
        close_file(index, true);
        break;
    case 2:
        end_process(files[index].process);
        break;
    case 3:
        if (pending[what >> 4] != NULL)
            sim_cancel(pending[what >> 4]);
        break;
    case 4:
        send(from, index, next(from) % PROCESSES);
        break;
    case 5:
        sim_advance_ms(what);
        break;
    default:
        send(from, index, files[index].process);
        break;
    }
    forget_done();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    script from = {bytes, size};

    if (sim_load() != STATUS_SUCCESS)
        abort();
    for (int number = 0; number < PROCESSES; number++)
        processes[number] = sim_process_start((uint32_t)number % 2u);
    while (from.left > 0)
        step(&from);
    forget_done();
    for (int number = 0; number < PROCESSES; number++) {
        end_process(number);
        sim_process_end(processes[number]);
    }
    sim_unload();
    return 0;
}
