// SPDX-License-Identifier: Apache-2.0
#include "ioctl.h"
#include "ai_driver_ioctl.h"
#include "channel.h"
#include "memory.h"
#include "path.h"
#include "request.h"
#include "session.h"
#include "statistics.h"
#include "validate.h"

/*
 * Input and output share `buffer` (METHOD_BUFFERED), a copy in kernel memory that user mode cannot change any more:
 * whoever needs the input after beginning with the output keeps a copy. The input has the right length and `size`,
 * the buffer has room for the output, and success means that all of the output was written.
 */
typedef NTSTATUS IOCTL_HANDLER(AI_SESSION *session, PIRP irp, void *buffer);

static NTSTATUS GetVersion(AI_SESSION *session, PIRP irp, void *buffer)
{
    AI_VERSION *version = buffer;

    UNREFERENCED_PARAMETER(session);
    UNREFERENCED_PARAMETER(irp);
    RtlZeroMemory(version, sizeof(*version));
    version->size = sizeof(*version);
    version->abi_version = AI_ABI_VERSION;
    version->capabilities = AI_CAPABILITY_CHANNELS;
    return STATUS_SUCCESS;
}

static NTSTATUS RegisterRuntime(AI_SESSION *session, PIRP irp, void *buffer)
{
    AI_RUNTIME_REGISTERED *registered = buffer;
    uint64_t runtimeId = 0;
    ai_runtime *runtime;
    NTSTATUS status;

    UNREFERENCED_PARAMETER(irp);
    if (!ai_registration_is_valid(buffer))
        return STATUS_INVALID_PARAMETER;
    runtime = MemoryAllocate(sizeof(*runtime));
    if (runtime == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;

    RtlCopyMemory(&runtime->registration, buffer, sizeof(runtime->registration));
    status = SessionRegister(session, runtime, &runtimeId);
    if (!NT_SUCCESS(status)) {
        MemoryFree(runtime);
        return status;
    }

    RtlZeroMemory(registered, sizeof(*registered));
    registered->size = sizeof(*registered);
    registered->runtime_id = runtimeId;
    return STATUS_SUCCESS;
}

static NTSTATUS ReportStats(AI_SESSION *session, PIRP irp, void *buffer)
{
    NTSTATUS status = STATUS_SUCCESS;
    KIRQL irql;

    UNREFERENCED_PARAMETER(irp);
    if (!ai_stats_are_valid(buffer))
        return STATUS_INVALID_PARAMETER;

    KeAcquireSpinLock(&Driver.lock, &irql);
    if (session->runtime == NULL)
        status = STATUS_INVALID_DEVICE_STATE;
    else
        ai_report(session->runtime, buffer, ClockMilliseconds());
    KeReleaseSpinLock(&Driver.lock, irql);
    return status;
}

static NTSTATUS GetGpuStats(AI_SESSION *session, PIRP irp, void *buffer)
{
    AI_GPU_STATS_QUERY query = *(const AI_GPU_STATS_QUERY *)buffer;
    BOOLEAN found;
    KIRQL irql;

    UNREFERENCED_PARAMETER(irp);
    if (!ai_stats_query_is_valid(&query))
        return STATUS_INVALID_PARAMETER;

    SessionDownEndedProcesses();
    KeAcquireSpinLock(&Driver.lock, &irql);
    found = ai_gpu_stats(&Driver.registry, &session->user, &query, ClockMilliseconds(), buffer);
    KeReleaseSpinLock(&Driver.lock, irql);
    return found ? STATUS_SUCCESS : STATUS_NOT_FOUND;
}

static NTSTATUS GetOptimizedPath(AI_SESSION *session, PIRP irp, void *buffer)
{
    AI_PATH_QUERY query = *(const AI_PATH_QUERY *)buffer;
    BOOLEAN found;
    KIRQL irql;

    UNREFERENCED_PARAMETER(irp);
    if (!ai_path_query_is_valid(&query))
        return STATUS_INVALID_PARAMETER;

    SessionDownEndedProcesses();
    KeAcquireSpinLock(&Driver.lock, &irql);
    found = ai_choose_path(&Driver.registry, &session->user, &query, ClockMilliseconds(), buffer);
    KeReleaseSpinLock(&Driver.lock, irql);
    return found ? STATUS_SUCCESS : STATUS_NOT_FOUND;
}

static NTSTATUS OpenChannel(AI_SESSION *session, PIRP irp, void *buffer)
{
    AI_CHANNEL_REQUEST request = *(const AI_CHANNEL_REQUEST *)buffer;

    UNREFERENCED_PARAMETER(irp);
    if (!ai_channel_request_is_valid(&request))
        return STATUS_INVALID_PARAMETER;

    SessionDownEndedProcesses();
    return ChannelOpen(session, &request, buffer);
}

static NTSTATUS WaitConnection(AI_SESSION *session, PIRP irp, void *buffer)
{
    UNREFERENCED_PARAMETER(buffer);
    if ((IoGetCurrentIrpStackLocation(irp)->FileObject->Flags & FO_SYNCHRONOUS_IO) != 0)
        return STATUS_INVALID_DEVICE_STATE;
    return SessionWait(session, irp);
}

static const struct {
    ULONG code;
    ULONG inputBytes;
    ULONG outputBytes;
    IOCTL_HANDLER *handler;
} Ioctls[] = {
    {IOCTL_AI_GET_VERSION, 0, sizeof(AI_VERSION), GetVersion},
    {IOCTL_AI_REGISTER_WINAI_RUNTIME, sizeof(AI_RUNTIME_REGISTRATION), sizeof(AI_RUNTIME_REGISTERED), RegisterRuntime},
    {IOCTL_AI_REPORT_STATS, sizeof(AI_RUNTIME_STATS), 0, ReportStats},
    {IOCTL_AI_GET_GPU_STATS, sizeof(AI_GPU_STATS_QUERY), sizeof(AI_GPU_STATS), GetGpuStats},
    {IOCTL_AI_GET_OPTIMIZED_PATH, sizeof(AI_PATH_QUERY), sizeof(AI_OPTIMIZED_PATH), GetOptimizedPath},
    {IOCTL_AI_OPEN_CHANNEL, sizeof(AI_CHANNEL_REQUEST), sizeof(AI_CHANNEL), OpenChannel},
    {IOCTL_AI_WAIT_CONNECTION, 0, sizeof(AI_CHANNEL), WaitConnection},
};

/* Refuses what does not fit the table, else runs the handler. `*written` is what the caller gets on success. */
static NTSTATUS Handle(const IO_STACK_LOCATION *stack, PIRP irp, ULONG *written)
{
    AI_SESSION *session = stack->FileObject->FsContext;
    void *buffer = irp->AssociatedIrp.SystemBuffer;
    ULONG index = 0;

    *written = 0;
    /* Wine lets a file be used whose IRP_MJ_CREATE failed. */
    if (session == NULL)
        return STATUS_INVALID_DEVICE_STATE;
    if (IoGetRequestorProcess(irp) != session->process)
        return STATUS_ACCESS_DENIED;

    while (index < RTL_NUMBER_OF(Ioctls) && Ioctls[index].code != stack->Parameters.DeviceIoControl.IoControlCode)
        index++;
    if (index == RTL_NUMBER_OF(Ioctls))
        return STATUS_INVALID_DEVICE_REQUEST;
    if (stack->Parameters.DeviceIoControl.InputBufferLength != Ioctls[index].inputBytes)
        return STATUS_INFO_LENGTH_MISMATCH;
    if (Ioctls[index].inputBytes != 0 && *(const uint32_t *)buffer != Ioctls[index].inputBytes)
        return STATUS_REVISION_MISMATCH;
    if (stack->Parameters.DeviceIoControl.OutputBufferLength < Ioctls[index].outputBytes)
        return STATUS_BUFFER_TOO_SMALL;

    *written = Ioctls[index].outputBytes;
    return Ioctls[index].handler(session, irp, buffer);
}

NTSTATUS IoctlDispatch(PDEVICE_OBJECT device, PIRP irp)
{
    NTSTATUS status;
    ULONG written;

    UNREFERENCED_PARAMETER(device);
    status = Handle(IoGetCurrentIrpStackLocation(irp), irp, &written);
    if (status == STATUS_PENDING)
        return STATUS_PENDING; /* completed by now, perhaps */
    return RequestComplete(irp, status, NT_SUCCESS(status) ? written : 0);
}
