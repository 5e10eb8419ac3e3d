// SPDX-License-Identifier: Apache-2.0
/* What programs do: they start, open the device, close it and end. */
#include "world.h"

#include <sched.h>
#include <stdlib.h>
#include <time.h>

bool sim_is_concurrent;

static sim_file *make_file(PEPROCESS process, uint32_t access, ULONG flags)
{
    sim_file *file = calloc(1, sizeof(*file));

    file->process = process;
    file->access = access;
    file->object.Flags = flags;
    pthread_mutex_lock(&world_lock);
    file->next = process->files;
    process->files = file;
    pthread_mutex_unlock(&world_lock);
    return file;
}

static void forget_file(sim_file *file)
{
    sim_file **link = &file->process->files;

    pthread_mutex_lock(&world_lock);
    while (*link != file)
        link = &(*link)->next;
    *link = file->next;
    pthread_mutex_unlock(&world_lock);
    while (file->requests != NULL)
        sim_release(file->requests);
    free(file);
}

sim_file *sim_open_with(PEPROCESS process, uint32_t access, ULONG flags, NTSTATUS *status)
{
    sim_file *file = make_file(process, access, flags);

    *status = request_dispatch(IRP_MJ_CREATE, file, process);
    if (NT_SUCCESS(*status))
        return file;
    forget_file(file); /* Windows sends neither CLEANUP nor CLOSE of a file that was not opened */
    return NULL;
}

sim_file *sim_open(PEPROCESS process)
{
    NTSTATUS status;
    sim_file *file = sim_open_with(process, SIM_READ_WRITE, 0, &status);

    if (file == NULL)
        world_fail("the device cannot be opened: %x", status);
    return file;
}

sim_file *sim_open_as_wine(PEPROCESS process)
{
    sim_file *file = make_file(process, SIM_READ_WRITE, 0);

    request_dispatch(IRP_MJ_CREATE, file, process);
    return file;
}

sim_file *sim_open_below(PEPROCESS process, NTSTATUS *status)
{
    sim_file *file = make_file(process, SIM_READ_WRITE, 0);

    file->object.FileName = (UNICODE_STRING)RTL_CONSTANT_STRING(L"\\name");
    *status = request_dispatch(IRP_MJ_CREATE, file, process);
    if (NT_SUCCESS(*status))
        return file;
    forget_file(file);
    return NULL;
}

/* Another thread may be about to complete a request: an OPEN_CHANNEL that took it, a cancel routine. */
static void wait_for_requests(const sim_file *file, const char *after)
{
    const time_t end = time(NULL) + 10;

    for (const sim_request *request = file->requests; request != NULL; request = request->next) {
        while (!atomic_load(&request->is_done)) {
            if (!sim_is_concurrent || time(NULL) > end)
                world_fail("a request is still pending after %s", after);
            sched_yield();
        }
    }
}

/* Windows asks for CLEANUP when the last handle is closed, for CLOSE when the last request is done, in any process. */
void sim_close(sim_file *file)
{
    request_dispatch(IRP_MJ_CLEANUP, file, file->process);
    wait_for_requests(file, "IRP_MJ_CLEANUP");
    request_dispatch(IRP_MJ_CLOSE, file, NULL);
    forget_file(file);
}

void sim_close_as_wine(sim_file *file)
{
    request_dispatch(IRP_MJ_CLOSE, file, NULL);
    wait_for_requests(file, "IRP_MJ_CLOSE");
    forget_file(file);
}

PEPROCESS sim_process_start(uint32_t user)
{
    static _Atomic uint32_t last_id = 1000;
    PEPROCESS process = calloc(1, sizeof(*process));

    process->header = (object){.kind = KIND_PROCESS, .references = 1};
    process->is_alive = true;
    process->id = atomic_fetch_add(&last_id, 4);
    process->user = user;
    process->handles = calloc(HANDLE_TABLE_SIZE, sizeof(slot));
    return process;
}

void sim_process_close_handles(PEPROCESS process)
{
    pthread_mutex_lock(&world_lock);
    for (int index = 0; process->handle_count > 0; index++) {
        if (process->handles[index].of != NULL)
            handle_close(&process->handles[index], &process->handle_count);
    }
    pthread_mutex_unlock(&world_lock);
}

void sim_process_end_keeping_files(PEPROCESS process)
{
    pthread_mutex_lock(&world_lock);
    process->is_alive = false;
    pthread_mutex_unlock(&world_lock);
    sim_process_close_handles(process);
}

void sim_process_end(PEPROCESS process)
{
    sim_process_end_keeping_files(process);
    while (process->files != NULL) {
        for (sim_request *request = process->files->requests; request != NULL; request = request->next)
            sim_cancel(request);
        sim_close(process->files);
    }
    ObDereferenceObject(process);
}
