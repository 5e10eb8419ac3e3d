// SPDX-License-Identifier: Apache-2.0
/* Requests as the I/O manager sends them and takes them back; cancellation. */
#include "world.h"

#include <stdlib.h>

/* sim_request.output is as large as the largest output. */
_Static_assert(sizeof(((sim_request *)0)->output) >= sizeof(AI_GPU_STATS), "an output would not fit");

_Thread_local uint8_t sim_poison = 0xA5;

/* What a request that belongs to no caller needs: IRP_MJ_CREATE and its kin. */
static PIRP make_irp(UCHAR major, sim_file *file, PEPROCESS process, sim_request *request)
{
    PIRP irp = malloc(sizeof(*irp));

    memset(irp, 0xCC, sizeof(*irp));
    irp->IoStatus.Status = STATUS_PENDING;
    irp->AssociatedIrp.SystemBuffer = NULL;
    atomic_store(&irp->Cancel, FALSE);
    atomic_store(&irp->CancelRoutine, NULL);
    memset(&irp->stack, 0, sizeof(irp->stack));
    irp->stack.MajorFunction = major;
    irp->stack.FileObject = &file->object;
    irp->requestor = process;
    irp->request = request;
    request->file = file;
    request->irp = irp;
    return irp;
}

void IoMarkIrpPending(PIRP irp)
{
    irp->request->was_marked_pending = true;
}

PEPROCESS IoGetRequestorProcess(PIRP irp)
{
    return irp->requestor;
}

static void free_irp(PIRP irp)
{
    free(irp->AssociatedIrp.SystemBuffer);
    free(irp);
}

void IoCompleteRequest(PIRP irp, int boost)
{
    sim_request *request = irp->request;
    NTSTATUS status = irp->IoStatus.Status;
    ULONG_PTR information = irp->IoStatus.Information;
    bool is_control = irp->stack.MajorFunction == IRP_MJ_DEVICE_CONTROL;

    if (boost != IO_NO_INCREMENT || world_holds_lock || world_holds_cancel_lock)
        world_fail("a request is completed under a lock");
    if (atomic_load(&irp->CancelRoutine) != NULL)
        world_fail("a request is completed that can still be cancelled");
    if (status == STATUS_PENDING)
        world_fail("a request is completed with STATUS_PENDING");
    if (information > (is_control ? irp->stack.Parameters.DeviceIoControl.OutputBufferLength : 0))
        world_fail("%zu bytes are returned, more than the caller's buffer holds", (size_t)information);
    if (!NT_SUCCESS(status) && information != 0)
        world_fail("bytes are returned with an error");

    pthread_mutex_lock(&world_lock);
    if (atomic_load(&request->is_done))
        world_fail("a request is completed twice");
    if (information != 0)
        memcpy(request->output, irp->AssociatedIrp.SystemBuffer, information);
    request->status = status;
    request->information = information;
    if (request->pins == 0) {
        request->irp = NULL;
        free_irp(irp);
    }
    atomic_store(&request->is_done, true);
    pthread_mutex_unlock(&world_lock);
}

/* Calls the driver the way the I/O manager does, and checks what it says against what it did. */
static NTSTATUS dispatch(PIRP irp)
{
    sim_request *request = irp->request; /* outlives the IRP, which is freed as it is completed */
    NTSTATUS status;

    status = world_driver.MajorFunction[irp->stack.MajorFunction](NULL, irp);
    if (world_irql != PASSIVE_LEVEL || world_holds_lock)
        world_fail("a dispatch routine returns with a lock");
    if ((status == STATUS_PENDING) != request->was_marked_pending)
        world_fail("status %x returned of a request that was%s marked pending", status,
             request->was_marked_pending ? "" : " not");
    if (status != STATUS_PENDING && (!atomic_load(&request->is_done) || request->status != status))
        world_fail("status %x returned of a request that was completed otherwise", status);
    return status;
}

NTSTATUS request_dispatch(UCHAR major, sim_file *file, PEPROCESS process)
{
    sim_request request = {0};

    return dispatch(make_irp(major, file, process, &request));
}

static sim_request *send(sim_file *file, PEPROCESS process, uint32_t code, const void *input, ULONG input_length,
                         ULONG output_length, bool is_cancelled)
{
    ULONG buffer_length = input_length > output_length ? input_length : output_length;
    sim_request *request = calloc(1, sizeof(*request));
    PIRP irp = make_irp(IRP_MJ_DEVICE_CONTROL, file, process, request);

    memset(request->output, sim_poison, sizeof(request->output));
    request->output_length = output_length;
    irp->stack.Parameters.DeviceIoControl.InputBufferLength = input_length;
    irp->stack.Parameters.DeviceIoControl.OutputBufferLength = output_length;
    irp->stack.Parameters.DeviceIoControl.IoControlCode = code;
    if (buffer_length != 0) {
        irp->AssociatedIrp.SystemBuffer = malloc(buffer_length);
        memset(irp->AssociatedIrp.SystemBuffer, sim_poison, buffer_length);
        if (input_length != 0)
            memcpy(irp->AssociatedIrp.SystemBuffer, input, input_length);
    }
    atomic_store(&irp->Cancel, is_cancelled);

    pthread_mutex_lock(&world_lock);
    request->next = file->requests;
    file->requests = request;
    pthread_mutex_unlock(&world_lock);

    if (((code >> 14) & 3 & ~file->access) != 0) {
        irp->IoStatus.Status = STATUS_ACCESS_DENIED; /* the I/O manager's own check */
        irp->IoStatus.Information = 0;
        IoCompleteRequest(irp, IO_NO_INCREMENT);
    } else {
        dispatch(irp);
    }
    return request;
}

sim_request *sim_send(sim_file *file, PEPROCESS process, uint32_t code, const void *input, ULONG input_length,
                      ULONG output_length)
{
    return send(file, process, code, input, input_length, output_length, false);
}

sim_request *sim_send_cancelled(sim_file *file, PEPROCESS process, uint32_t code, ULONG output_length)
{
    return send(file, process, code, NULL, 0, output_length, true);
}

void sim_cancel(sim_request *request)
{
    DRIVER_CANCEL *routine;
    PIRP irp;

    pthread_mutex_lock(&world_lock);
    irp = atomic_load(&request->is_done) ? NULL : request->irp;
    if (irp != NULL)
        request->pins++;
    pthread_mutex_unlock(&world_lock);
    if (irp == NULL)
        return;

    pthread_mutex_lock(&world_cancel_lock);
    atomic_store(&irp->Cancel, TRUE);
    routine = IoSetCancelRoutine(irp, NULL);
    if (routine != NULL) {
        irp->CancelIrql = world_irql;
        world_irql = DISPATCH_LEVEL;
        world_holds_cancel_lock = true;
        routine(NULL, irp);
        if (world_holds_cancel_lock || world_irql != PASSIVE_LEVEL)
            world_fail("a cancel routine keeps the cancel lock");
    } else {
        pthread_mutex_unlock(&world_cancel_lock);
    }

    pthread_mutex_lock(&world_lock);
    if (--request->pins == 0 && atomic_load(&request->is_done)) {
        free_irp(irp);
        request->irp = NULL;
    }
    pthread_mutex_unlock(&world_lock);
}

void sim_release(sim_request *request)
{
    sim_request **link;

    if (!atomic_load(&request->is_done))
        world_fail("a pending request is released");
    pthread_mutex_lock(&world_lock);
    for (link = &request->file->requests; *link != request; link = &(*link)->next)
        continue;
    *link = request->next;
    pthread_mutex_unlock(&world_lock);
    free(request);
}

NTSTATUS sim_call(sim_file *file, PEPROCESS process, uint32_t code, const void *input, ULONG input_length, void *output,
                  ULONG output_length)
{
    sim_request *request = sim_send(file, process, code, input, input_length, output_length);
    NTSTATUS status;

    if (!atomic_load(&request->is_done))
        world_fail("request %x stays pending", code);
    status = request->status;
    if (output != NULL)
        memcpy(output, request->output, request->information);
    sim_release(request);
    return status;
}
