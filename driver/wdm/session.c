// SPDX-License-Identifier: Apache-2.0
#include "session.h"
#include "channel.h"
#include "memory.h"
#include "request.h"
#include "user.h"

NTSTATUS SessionCreate(PFILE_OBJECT file, PEPROCESS process)
{
    AI_SESSION *session;
    NTSTATUS status;
    KIRQL irql;

    if (file->FileName.Length != 0)
        return STATUS_OBJECT_NAME_NOT_FOUND; /* the device has no files below it */

    session = MemoryAllocate(sizeof(*session));
    if (session == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;

    session->process = process;
    status = UserOfProcess(process, &session->user);
    if (!NT_SUCCESS(status)) {
        MemoryFree(session);
        return status;
    }

    ObReferenceObject(process);
    session->references = 1;
    WaitQueueInitialize(&session->waiting);
    InitializeListHead(&session->channels);

    KeAcquireSpinLock(&Driver.lock, &irql);
    InsertTailList(&Driver.sessions, &session->link);
    KeReleaseSpinLock(&Driver.lock, irql);

    file->FsContext = session;
    return STATUS_SUCCESS;
}

void SessionReference(AI_SESSION *session)
{
    InterlockedIncrement(&session->references);
}

void SessionDereference(AI_SESSION *session)
{
    if (InterlockedDecrement(&session->references) != 0)
        return;
    ObDereferenceObject(session->process);
    MemoryFree(session);
}

static void DereferenceWaiting(void *session)
{
    SessionDereference(session);
}

void SessionDown(AI_SESSION *session)
{
    ai_runtime *runtime;
    AI_CHANNEL_LINK *channel;
    BOOLEAN wasDown;
    PIRP irp;
    KIRQL irql;

    KeAcquireSpinLock(&Driver.lock, &irql);
    wasDown = session->isDown;
    session->isDown = TRUE;
    runtime = session->runtime;
    session->runtime = NULL;
    if (runtime != NULL)
        ai_registry_remove(&Driver.registry, runtime);
    if (!wasDown)
        RemoveEntryList(&session->link);
    KeReleaseSpinLock(&Driver.lock, irql);

    /* From here on nothing is added to the session, so both loops end. */
    for (;;) {
        KeAcquireSpinLock(&Driver.lock, &irql);
        irp = WaitQueueRemove(&session->waiting);
        KeReleaseSpinLock(&Driver.lock, irql);
        if (irp == NULL)
            break;
        RequestComplete(irp, STATUS_CANCELLED, 0);
        SessionDereference(session);
    }
    while ((channel = ChannelUnlinkOne(session)) != NULL)
        ChannelClose(channel);

    if (runtime != NULL)
        MemoryFree(runtime);
}

void SessionClose(PFILE_OBJECT file)
{
    AI_SESSION *session = file->FsContext;

    file->FsContext = NULL;
    SessionDereference(session);
}

static AI_SESSION *FindEndedRuntime(void)
{
    LARGE_INTEGER now = {.QuadPart = 0};
    AI_SESSION *found = NULL;
    LIST_ENTRY *entry;
    KIRQL irql;

    KeAcquireSpinLock(&Driver.lock, &irql);
    for (entry = Driver.sessions.Flink; entry != &Driver.sessions && found == NULL; entry = entry->Flink) {
        AI_SESSION *session = CONTAINING_RECORD(entry, AI_SESSION, link);

        /* A process is signalled once it has ended; a wait of no length is allowed under a spin lock. */
        if (session->runtime != NULL &&
            KeWaitForSingleObject(session->process, Executive, KernelMode, FALSE, &now) == STATUS_SUCCESS) {
            SessionReference(session);
            found = session;
        }
    }
    KeReleaseSpinLock(&Driver.lock, irql);
    return found;
}

void SessionDownEndedProcesses(void)
{
    AI_SESSION *session;

    while ((session = FindEndedRuntime()) != NULL) {
        SessionDown(session);
        SessionDereference(session);
    }
}

void SessionUnload(void)
{
    while (!IsListEmpty(&Driver.sessions)) {
        AI_SESSION *session = CONTAINING_RECORD(Driver.sessions.Flink, AI_SESSION, link);

        SessionDown(session);
        SessionDereference(session);
    }
}

NTSTATUS SessionRegister(AI_SESSION *session, ai_runtime *runtime, uint64_t *runtimeId)
{
    NTSTATUS status = STATUS_SUCCESS;
    KIRQL irql;

    runtime->user = session->user;
    runtime->process_id = (uint32_t)(ULONG_PTR)PsGetProcessId(session->process);

    KeAcquireSpinLock(&Driver.lock, &irql);
    if (session->isDown || session->runtime != NULL || session->channel != NULL) {
        status = STATUS_INVALID_DEVICE_STATE;
    } else if (!ai_registry_add(&Driver.registry, runtime)) {
        status = STATUS_QUOTA_EXCEEDED;
    } else {
        session->runtime = runtime;
        *runtimeId = runtime->id;
    }
    KeReleaseSpinLock(&Driver.lock, irql);
    return status;
}

AI_SESSION *SessionFindRuntime(const ai_user *user, uint64_t runtimeId)
{
    LIST_ENTRY *entry;

    for (entry = Driver.sessions.Flink; entry != &Driver.sessions; entry = entry->Flink) {
        AI_SESSION *session = CONTAINING_RECORD(entry, AI_SESSION, link);
        if (session->runtime != NULL && session->runtime->id == runtimeId && ai_same_user(&session->user, user))
            return session;
    }
    return NULL;
}

NTSTATUS SessionWait(AI_SESSION *session, PIRP irp)
{
    NTSTATUS status = STATUS_PENDING;
    KIRQL irql;

    KeAcquireSpinLock(&Driver.lock, &irql);
    if (session->runtime == NULL) {
        status = STATUS_INVALID_DEVICE_STATE;
    } else if (session->waiting.count >= AI_MAX_WAITS) {
        status = STATUS_QUOTA_EXCEEDED;
    } else {
        SessionReference(session);
        if (!WaitQueueInsert(&session->waiting, irp, DereferenceWaiting, session))
            status = STATUS_CANCELLED;
    }
    KeReleaseSpinLock(&Driver.lock, irql);

    if (status == STATUS_CANCELLED) {
        RequestComplete(irp, STATUS_CANCELLED, 0);
        SessionDereference(session);
        status = STATUS_PENDING; /* it was marked so */
    }
    return status;
}
