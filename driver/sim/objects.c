// SPDX-License-Identifier: Apache-2.0
/* The kernel's objects, their references, and the handles of the kernel and of each process. */
#include "world.h"

#include <stdlib.h>

static const uint32_t KERNEL_HANDLE = 0x80000000u;

static slot kernel_handles[HANDLE_TABLE_SIZE];
static int kernel_handle_count;

/* The functions of handles and references are called with `world_lock` held. */
void object_drop(object *of)
{
    if (of->references <= 0)
        world_fail("an object of kind %d is dereferenced too often", of->kind);
    if (--of->references != 0)
        return;
    if (of->kind == KIND_PROCESS)
        free(((PEPROCESS)of)->handles);
    if (of->kind == KIND_TOKEN)
        object_drop(&of->process->header);
    free(of);
}

static uint32_t insert(slot *table, int *count, object *of, ACCESS_MASK access)
{
    uint32_t index = 1;

    while (table[index].of != NULL) {
        if (++index == HANDLE_TABLE_SIZE)
            world_fail("a table of handles is full: handles leak");
    }
    table[index] = (slot){of, access};
    of->references++;
    ++*count;
    return index * 4;
}

static slot *find(slot *table, uint64_t value)
{
    uint64_t index = value / 4;
    return index > 0 && index < HANDLE_TABLE_SIZE && table[index].of != NULL ? &table[index] : NULL;
}

slot *handle_find_kernel(HANDLE handle, int kind, const char *function)
{
    uintptr_t value = (uintptr_t)handle;
    slot *found = value >= KERNEL_HANDLE ? find(kernel_handles, value - KERNEL_HANDLE) : NULL;

    if (found == NULL || (kind != KIND_FREE && found->of->kind != kind))
        world_fail("%s of a handle that is no kernel handle of such an object", function);
    return found;
}

HANDLE handle_open_kernel(object *of, ACCESS_MASK access)
{
    return (HANDLE)(uintptr_t)(KERNEL_HANDLE + insert(kernel_handles, &kernel_handle_count, of, access));
}

void handle_close(slot *closed, int *count)
{
    object *of = closed->of;

    *closed = (slot){NULL, 0};
    --*count;
    object_drop(of);
}

static NTSTATUS create(int kind, HANDLE *handle, ACCESS_MASK access, uint64_t bytes, bool is_manual)
{
    object *made;

    if (world_must_fail())
        return STATUS_INSUFFICIENT_RESOURCES;
    made = calloc(1, sizeof(*made));
    *made = (object){.kind = kind, .bytes = bytes, .is_manual = is_manual};
    pthread_mutex_lock(&world_lock);
    *handle = handle_open_kernel(made, access);
    pthread_mutex_unlock(&world_lock);
    return STATUS_SUCCESS;
}

void ObReferenceObject(void *of)
{
    pthread_mutex_lock(&world_lock);
    ((object *)of)->references++;
    pthread_mutex_unlock(&world_lock);
}

void ObDereferenceObject(void *of)
{
    pthread_mutex_lock(&world_lock);
    object_drop(of);
    pthread_mutex_unlock(&world_lock);
}

NTSTATUS ObOpenObjectByPointer(void *of, ULONG attributes, void *state, ACCESS_MASK access, void *type,
                               KPROCESSOR_MODE mode, HANDLE *handle)
{
    (void)state, (void)type, (void)mode;
    world_require_passive("ObOpenObjectByPointer");
    if ((attributes & OBJ_KERNEL_HANDLE) == 0)
        world_fail("a handle is opened that user mode could use");
    if (world_must_fail())
        return STATUS_INSUFFICIENT_RESOURCES;
    pthread_mutex_lock(&world_lock);
    *handle = handle_open_kernel(of, access);
    pthread_mutex_unlock(&world_lock);
    return STATUS_SUCCESS;
}

NTSTATUS ZwClose(HANDLE handle)
{
    world_require_passive("ZwClose");
    pthread_mutex_lock(&world_lock);
    handle_close(handle_find_kernel(handle, KIND_FREE, "ZwClose"), &kernel_handle_count);
    pthread_mutex_unlock(&world_lock);
    return STATUS_SUCCESS;
}

NTSTATUS ZwCreateSection(HANDLE *handle, ACCESS_MASK access, OBJECT_ATTRIBUTES *attributes, LARGE_INTEGER *size,
                         ULONG protection, ULONG flags, HANDLE file)
{
    world_require_passive("ZwCreateSection");
    if (attributes->Attributes != OBJ_KERNEL_HANDLE || protection != PAGE_READWRITE || flags != SEC_COMMIT || file)
        world_fail("a section of another kind");
    return create(KIND_SECTION, handle, access, (uint64_t)size->QuadPart, false);
}

NTSTATUS ZwCreateEvent(HANDLE *handle, ACCESS_MASK access, OBJECT_ATTRIBUTES *attributes, EVENT_TYPE type,
                       BOOLEAN state)
{
    world_require_passive("ZwCreateEvent");
    if (attributes->Attributes != OBJ_KERNEL_HANDLE || state)
        world_fail("an event of another kind");
    return create(KIND_EVENT, handle, access, 0, type == NotificationEvent);
}

NTSTATUS ZwSetEvent(HANDLE handle, LONG *previous)
{
    (void)previous;
    world_require_passive("ZwSetEvent");
    pthread_mutex_lock(&world_lock);
    handle_find_kernel(handle, KIND_EVENT, "ZwSetEvent")->of->is_set = true;
    pthread_mutex_unlock(&world_lock);
    return STATUS_SUCCESS;
}

NTSTATUS ZwDuplicateObject(HANDLE sourceProcess, HANDLE source, HANDLE targetProcess, HANDLE *target,
                           ACCESS_MASK access, ULONG attributes, ULONG options)
{
    NTSTATUS status = STATUS_SUCCESS;
    PEPROCESS process;

    world_require_passive("ZwDuplicateObject");
    pthread_mutex_lock(&world_lock);
    if (options == DUPLICATE_CLOSE_SOURCE && targetProcess == NULL) {
        slot *owner = handle_find_kernel(sourceProcess, KIND_PROCESS, "ZwDuplicateObject");
        process = (PEPROCESS)owner->of;
        if (process->is_alive) {
            slot *closed = find(process->handles, (uintptr_t)source);
            if (closed == NULL)
                world_fail("a handle is taken back that was not given");
            handle_close(closed, &process->handle_count);
        }
    } else {
        slot *owner = handle_find_kernel(targetProcess, KIND_PROCESS, "ZwDuplicateObject");
        slot *given = handle_find_kernel(source, KIND_FREE, "ZwDuplicateObject");
        if (sourceProcess != NtCurrentProcess() || options != 0 || attributes != 0)
            world_fail("a handle is duplicated in another way");
        if ((owner->access & PROCESS_DUP_HANDLE) == 0)
            world_fail("ZwDuplicateObject into a process that was not opened for it");
        process = (PEPROCESS)owner->of;
        if (!process->is_alive)
            status = STATUS_PROCESS_IS_TERMINATING;
        else if (world_must_fail())
            status = STATUS_INSUFFICIENT_RESOURCES;
        else
            *target = (HANDLE)(uintptr_t)insert(process->handles, &process->handle_count, given->of, access);
    }
    pthread_mutex_unlock(&world_lock);
    return status;
}

HANDLE PsGetProcessId(PEPROCESS process)
{
    return (HANDLE)(uintptr_t)process->id;
}

NTSTATUS KeWaitForSingleObject(void *of, KWAIT_REASON reason, KPROCESSOR_MODE mode, BOOLEAN alertable,
                               LARGE_INTEGER *timeout)
{
    bool is_alive;

    (void)reason, (void)mode;
    if (((object *)of)->kind != KIND_PROCESS || alertable)
        world_fail("a wait for something else than a process");
    if ((timeout == NULL || timeout->QuadPart != 0) && (world_irql != PASSIVE_LEVEL || world_holds_lock))
        world_fail("a wait under a lock");
    pthread_mutex_lock(&world_lock);
    is_alive = ((PEPROCESS)of)->is_alive;
    pthread_mutex_unlock(&world_lock);
    return is_alive ? STATUS_TIMEOUT : STATUS_SUCCESS;
}

int sim_kernel_handles(void)
{
    return kernel_handle_count;
}

int sim_process_handles(PEPROCESS process)
{
    return process->handle_count;
}

ACCESS_MASK sim_handle_access(PEPROCESS process, uint64_t handle)
{
    slot *found = find(process->handles, handle);
    return found == NULL ? 0 : found->access;
}

bool sim_same_object(PEPROCESS one, uint64_t handle, PEPROCESS other, uint64_t other_handle)
{
    return find(one->handles, handle)->of == find(other->handles, other_handle)->of;
}

bool sim_event_is_set(PEPROCESS process, uint64_t handle)
{
    return find(process->handles, handle)->of->is_set;
}

bool sim_event_is_manual(PEPROCESS process, uint64_t handle)
{
    return find(process->handles, handle)->of->is_manual;
}

uint64_t sim_section_bytes(PEPROCESS process, uint64_t handle)
{
    return find(process->handles, handle)->of->bytes;
}
