// SPDX-License-Identifier: Apache-2.0
#include "channel.h"
#include "memory.h"
#include "request.h"

/* The kernel objects of a channel, in the order of their handles in AI_CHANNEL. */
enum { OBJECT_SECTION, OBJECT_TO_RUNTIME, OBJECT_TO_CLIENT, OBJECT_CLOSED, OBJECTS };

static const ACCESS_MASK ClientAccess[OBJECTS] = {SECTION_MAP_READ | SECTION_MAP_WRITE, EVENT_MODIFY_STATE,
                                                  SYNCHRONIZE, SYNCHRONIZE};
static const ACCESS_MASK RuntimeAccess[OBJECTS] = {SECTION_MAP_READ | SECTION_MAP_WRITE, SYNCHRONIZE,
                                                   EVENT_MODIFY_STATE, SYNCHRONIZE};

static void CloseObjects(const HANDLE *objects, ULONG count)
{
    while (count > 0)
        ZwClose(objects[--count]);
}

static NTSTATUS CreateObjects(ULONG sectionBytes, HANDLE *objects)
{
    static const EVENT_TYPE types[OBJECTS] = {[OBJECT_TO_RUNTIME] = SynchronizationEvent,
                                              [OBJECT_TO_CLIENT] = SynchronizationEvent,
                                              [OBJECT_CLOSED] = NotificationEvent};
    LARGE_INTEGER size = {.QuadPart = sectionBytes};
    OBJECT_ATTRIBUTES attributes;
    NTSTATUS status;

    InitializeObjectAttributes(&attributes, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    status = ZwCreateSection(&objects[OBJECT_SECTION], SECTION_ALL_ACCESS, &attributes, &size, PAGE_READWRITE,
                             SEC_COMMIT, NULL);
    if (!NT_SUCCESS(status))
        return status;
    for (ULONG index = OBJECT_TO_RUNTIME; index < OBJECTS; index++) {
        status = ZwCreateEvent(&objects[index], EVENT_ALL_ACCESS, &attributes, types[index], FALSE);
        if (!NT_SUCCESS(status)) {
            CloseObjects(objects, index);
            return status;
        }
    }
    return STATUS_SUCCESS;
}

/* Closes handles in the process that has them. */
static void TakeBack(HANDLE process, const HANDLE *handles, ULONG count)
{
    while (count > 0)
        (void)ZwDuplicateObject(process, handles[--count], NULL, NULL, 0, 0, DUPLICATE_CLOSE_SOURCE);
}

/* Gives a process handles of all objects, or of none. */
static NTSTATUS HandOut(const HANDLE *objects, HANDLE process, const ACCESS_MASK *access, HANDLE *handles)
{
    for (ULONG index = 0; index < OBJECTS; index++) {
        NTSTATUS status = ZwDuplicateObject(NtCurrentProcess(), objects[index], process, &handles[index],
                                            access[index], 0, 0);
        if (!NT_SUCCESS(status)) {
            TakeBack(process, handles, index);
            return status;
        }
    }
    return STATUS_SUCCESS;
}

static NTSTATUS OpenPeer(PEPROCESS process, HANDLE *handle)
{
    return ObOpenObjectByPointer(process, OBJ_KERNEL_HANDLE, NULL, PROCESS_DUP_HANDLE, NULL, KernelMode, handle);
}

/* The runtime first, the client last: when the client has its handles, the runtime has them too. */
static NTSTATUS HandOutToBoth(const AI_CHANNEL_LINK *link, const HANDLE *objects, HANDLE *ofRuntime, HANDLE *ofClient)
{
    HANDLE runtime, client;
    NTSTATUS status;

    status = OpenPeer(link->runtime->process, &runtime);
    if (!NT_SUCCESS(status))
        return status;
    status = OpenPeer(link->client->process, &client);
    if (!NT_SUCCESS(status))
        goto cleanupRuntime;
    status = HandOut(objects, runtime, RuntimeAccess, ofRuntime);
    if (!NT_SUCCESS(status))
        goto cleanupClient;
    status = HandOut(objects, client, ClientAccess, ofClient);
    if (!NT_SUCCESS(status))
        TakeBack(runtime, ofRuntime, OBJECTS);
cleanupClient:
    ZwClose(client);
cleanupRuntime:
    ZwClose(runtime);
    return status;
}

static void Dereference(AI_CHANNEL_LINK *link)
{
    if (InterlockedDecrement(&link->references) != 0)
        return;
    ZwClose(link->closed);
    SessionDereference(link->client);
    SessionDereference(link->runtime);
    MemoryFree(link);
}

_Requires_lock_held_(Driver.lock)
static void Unlink(AI_CHANNEL_LINK *link)
{
    RemoveEntryList(&link->ofRuntime);
    link->client->channel = NULL;
}

AI_CHANNEL_LINK *ChannelUnlinkOne(AI_SESSION *session)
{
    AI_CHANNEL_LINK *link;
    KIRQL irql;

    KeAcquireSpinLock(&Driver.lock, &irql);
    link = session->channel;
    if (link == NULL && !IsListEmpty(&session->channels))
        link = CONTAINING_RECORD(session->channels.Flink, AI_CHANNEL_LINK, ofRuntime);
    if (link != NULL)
        Unlink(link);
    KeReleaseSpinLock(&Driver.lock, irql);
    return link;
}

void ChannelClose(AI_CHANNEL_LINK *link)
{
    (void)ZwSetEvent(link->closed, NULL);
    Dereference(link);
}

/* Unlinks a channel that could not be made, unless one of its sessions went down and did so already. */
static void Abandon(AI_CHANNEL_LINK *link)
{
    BOOLEAN wasLinked;
    KIRQL irql;

    KeAcquireSpinLock(&Driver.lock, &irql);
    wasLinked = link->client->channel == link;
    if (wasLinked)
        Unlink(link);
    KeReleaseSpinLock(&Driver.lock, irql);
    if (wasLinked)
        ChannelClose(link);
}

/* Takes a waiting request of the runtime and links the two sessions; both or neither. */
static NTSTATUS Link(AI_CHANNEL_LINK *link, AI_SESSION *client, uint64_t runtimeId, uint64_t *channelId, PIRP *waiting)
{
    NTSTATUS status = STATUS_SUCCESS;
    AI_SESSION *runtime;
    KIRQL irql;

    KeAcquireSpinLock(&Driver.lock, &irql);
    runtime = SessionFindRuntime(&client->user, runtimeId);
    if (client->isDown || client->runtime != NULL || client->channel != NULL) {
        status = STATUS_INVALID_DEVICE_STATE;
    } else if (runtime == NULL) {
        status = STATUS_NOT_FOUND;
    } else if ((*waiting = WaitQueueRemove(&runtime->waiting)) == NULL) {
        status = STATUS_RETRY;
    } else {
        SessionReference(client);
        SessionReference(runtime);
        link->client = client;
        link->runtime = runtime;
        client->channel = link;
        InsertTailList(&runtime->channels, &link->ofRuntime);
        *channelId = ++Driver.lastChannelId;
    }
    KeReleaseSpinLock(&Driver.lock, irql);
    return status;
}

static void Describe(AI_CHANNEL *channel, const AI_CHANNEL_REQUEST *request, uint64_t channelId, const HANDLE *handles,
                     const AI_SESSION *peer)
{
    RtlZeroMemory(channel, sizeof(*channel));
    channel->size = sizeof(*channel);
    channel->section_bytes = request->section_bytes;
    channel->channel_id = channelId;
    channel->runtime_id = request->runtime_id;
    channel->section = (ULONG_PTR)handles[OBJECT_SECTION];
    channel->to_runtime = (ULONG_PTR)handles[OBJECT_TO_RUNTIME];
    channel->to_client = (ULONG_PTR)handles[OBJECT_TO_CLIENT];
    channel->closed = (ULONG_PTR)handles[OBJECT_CLOSED];
    channel->peer_process_id = (uint32_t)(ULONG_PTR)PsGetProcessId(peer->process);
}

NTSTATUS ChannelOpen(AI_SESSION *client, const AI_CHANNEL_REQUEST *request, AI_CHANNEL *channel)
{
    HANDLE objects[OBJECTS], ofRuntime[OBJECTS], ofClient[OBJECTS];
    AI_CHANNEL_LINK *link;
    AI_SESSION *runtime;
    uint64_t channelId;
    NTSTATUS status;
    PIRP waiting;

    link = MemoryAllocate(sizeof(*link));
    if (link == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    link->references = 2;

    status = CreateObjects(request->section_bytes, objects);
    if (!NT_SUCCESS(status))
        goto cleanupLink;
    link->closed = objects[OBJECT_CLOSED];

    status = Link(link, client, request->runtime_id, &channelId, &waiting);
    if (!NT_SUCCESS(status))
        goto cleanupObjects;
    runtime = link->runtime; /* outlives the link: the waiting request holds a reference */

    status = HandOutToBoth(link, objects, ofRuntime, ofClient);
    if (NT_SUCCESS(status)) {
        Describe(channel, request, channelId, ofClient, runtime);
        Describe(waiting->AssociatedIrp.SystemBuffer, request, channelId, ofRuntime, client);
        RequestComplete(waiting, STATUS_SUCCESS, sizeof(AI_CHANNEL));
    } else {
        Abandon(link);
        status = STATUS_CONNECTION_ABORTED;
        RequestComplete(waiting, status, 0);
    }
    SessionDereference(runtime);
    CloseObjects(objects, OBJECT_CLOSED); /* all but the event, which is the link's */
    Dereference(link);
    return status;

cleanupObjects:
    CloseObjects(objects, OBJECTS);
cleanupLink:
    MemoryFree(link);
    return status;
}
