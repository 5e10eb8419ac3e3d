#include "sim.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* sim_request.output is as large as the largest output. */
_Static_assert(sizeof(((sim_request *)0)->output) >= sizeof(AI_GPU_STATS), "an output would not fit");

DRIVER_INITIALIZE DriverEntry;

_Thread_local uint8_t sim_poison = 0xA5;
bool sim_is_concurrent;

static _Thread_local KIRQL current_irql;
static _Thread_local bool holds_lock, holds_cancel_lock;

static pthread_mutex_t world = PTHREAD_MUTEX_INITIALIZER; /* handles, objects, requests, counters */
static pthread_mutex_t cancel_lock = PTHREAD_MUTEX_INITIALIZER;

static struct _DRIVER_OBJECT driver_object;
static int pool_blocks, devices, links;
static bool is_protected;
static _Atomic uint64_t clock_ms = 1000;

__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fputs("simulator: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    abort();
}

static void require_passive(const char *function)
{
    if (current_irql != PASSIVE_LEVEL || holds_lock || holds_cancel_lock)
        fail("%s at IRQL %d or under a lock", function, current_irql);
}

/* Failures on demand --------------------------------------------------------------------------------------------- */

static _Thread_local int calls_until_failure;
static _Thread_local bool has_failed;

void sim_fail_nth(int n)
{
    calls_until_failure = n;
    has_failed = false;
}

bool sim_failed(void)
{
    return has_failed;
}

static bool must_fail(void)
{
    if (calls_until_failure == 0 || --calls_until_failure != 0)
        return false;
    has_failed = true;
    return true;
}

/* Memory --------------------------------------------------------------------------------------------------------- */

typedef struct {
    ULONG tag;
    SIZE_T size;
} pool_header;

void *ExAllocatePoolWithTag(POOL_TYPE type, SIZE_T size, ULONG tag)
{
    pool_header *header;

    if (type != NonPagedPoolNx || size == 0 || tag == 0)
        fail("allocation of type %d, size %zu, tag %x", type, size, tag);
    if (current_irql > DISPATCH_LEVEL)
        fail("allocation at IRQL %d", current_irql);
    if (must_fail())
        return NULL;
    header = malloc(sizeof(*header) + size);
    header->tag = tag;
    header->size = size;
    memset(header + 1, 0xCC, size);
    pthread_mutex_lock(&world);
    pool_blocks++;
    pthread_mutex_unlock(&world);
    return header + 1;
}

void ExFreePoolWithTag(void *memory, ULONG tag)
{
    pool_header *header = (pool_header *)memory - 1;

    if (header->tag != tag)
        fail("memory of tag %x freed with tag %x", header->tag, tag);
    header->tag = 0;
    free(header);
    pthread_mutex_lock(&world);
    pool_blocks--;
    pthread_mutex_unlock(&world);
}

int sim_pool_blocks(void)
{
    return pool_blocks;
}

/* Locks and time ------------------------------------------------------------------------------------------------- */

void KeInitializeSpinLock(KSPIN_LOCK *lock)
{
    atomic_store(&lock->locked, 0);
}

void KeAcquireSpinLock(KSPIN_LOCK *lock, KIRQL *irql)
{
    int free_value = 0;

    if (holds_lock)
        fail("a spin lock is taken twice");
    if (holds_cancel_lock)
        fail("the driver's lock is taken under the cancel lock");
    while (!atomic_compare_exchange_weak(&lock->locked, &free_value, 1)) {
        free_value = 0;
        sched_yield();
    }
    *irql = current_irql;
    current_irql = DISPATCH_LEVEL;
    holds_lock = true;
}

void KeReleaseSpinLock(KSPIN_LOCK *lock, KIRQL irql)
{
    if (!holds_lock)
        fail("a spin lock is released that is not held");
    holds_lock = false;
    current_irql = irql;
    atomic_store(&lock->locked, 0);
}

void IoReleaseCancelSpinLock(KIRQL irql)
{
    if (!holds_cancel_lock)
        fail("the cancel lock is released that is not held");
    holds_cancel_lock = false;
    current_irql = irql;
    pthread_mutex_unlock(&cancel_lock);
}

ULONG64 KeQueryInterruptTime(void)
{
    return atomic_load(&clock_ms) * 10000;
}

void sim_advance_ms(uint64_t milliseconds)
{
    atomic_fetch_add(&clock_ms, milliseconds);
}

/* Objects and handles -------------------------------------------------------------------------------------------- */

enum { KIND_FREE, KIND_PROCESS, KIND_DEVICE, KIND_TOKEN, KIND_SECTION, KIND_EVENT };
enum { TABLE_SIZE = 2048 };
static const uint32_t KERNEL_HANDLE = 0x80000000u;

typedef struct object {
    int kind;
    int references;
    bool is_set, is_manual;
    uint64_t bytes;
    PEPROCESS process; /* of a token */
} object;

typedef struct {
    object *of;
    ACCESS_MASK access;
} slot;

struct _EPROCESS {
    object header;
    bool is_alive;
    uint32_t id, user;
    sim_file *files;
    slot *handles;
    int handle_count;
};

struct _DEVICE_OBJECT {
    object header;
};

static slot kernel_handles[TABLE_SIZE];
static int kernel_handle_count;

/* All of these are called with `world` held. */
static void drop(object *of)
{
    if (of->references <= 0)
        fail("an object of kind %d is dereferenced too often", of->kind);
    if (--of->references != 0)
        return;
    if (of->kind == KIND_PROCESS)
        free(((PEPROCESS)of)->handles);
    if (of->kind == KIND_TOKEN)
        drop(&of->process->header);
    free(of);
}

static uint32_t insert(slot *table, int *count, object *of, ACCESS_MASK access)
{
    uint32_t index = 1;

    while (table[index].of != NULL) {
        if (++index == TABLE_SIZE)
            fail("a table of handles is full: handles leak");
    }
    table[index] = (slot){of, access};
    of->references++;
    ++*count;
    return index * 4;
}

static slot *find(slot *table, uint64_t value)
{
    uint64_t index = value / 4;
    return index > 0 && index < TABLE_SIZE && table[index].of != NULL ? &table[index] : NULL;
}

static slot *find_kernel(HANDLE handle, int kind, const char *function)
{
    uintptr_t value = (uintptr_t)handle;
    slot *found = value >= KERNEL_HANDLE ? find(kernel_handles, value - KERNEL_HANDLE) : NULL;

    if (found == NULL || (kind != KIND_FREE && found->of->kind != kind))
        fail("%s of a handle that is no kernel handle of such an object", function);
    return found;
}

static HANDLE open_kernel(object *of, ACCESS_MASK access)
{
    return (HANDLE)(uintptr_t)(KERNEL_HANDLE + insert(kernel_handles, &kernel_handle_count, of, access));
}

static void close_slot(slot *closed, int *count)
{
    object *of = closed->of;

    *closed = (slot){NULL, 0};
    --*count;
    drop(of);
}

static NTSTATUS create(int kind, HANDLE *handle, ACCESS_MASK access, uint64_t bytes, bool is_manual)
{
    object *made;

    if (must_fail())
        return STATUS_INSUFFICIENT_RESOURCES;
    made = calloc(1, sizeof(*made));
    *made = (object){.kind = kind, .bytes = bytes, .is_manual = is_manual};
    pthread_mutex_lock(&world);
    *handle = open_kernel(made, access);
    pthread_mutex_unlock(&world);
    return STATUS_SUCCESS;
}

void ObReferenceObject(void *of)
{
    pthread_mutex_lock(&world);
    ((object *)of)->references++;
    pthread_mutex_unlock(&world);
}

void ObDereferenceObject(void *of)
{
    pthread_mutex_lock(&world);
    drop(of);
    pthread_mutex_unlock(&world);
}

NTSTATUS ObOpenObjectByPointer(void *of, ULONG attributes, void *state, ACCESS_MASK access, void *type,
                               KPROCESSOR_MODE mode, HANDLE *handle)
{
    (void)state, (void)type, (void)mode;
    require_passive("ObOpenObjectByPointer");
    if ((attributes & OBJ_KERNEL_HANDLE) == 0)
        fail("a handle is opened that user mode could use");
    if (must_fail())
        return STATUS_INSUFFICIENT_RESOURCES;
    pthread_mutex_lock(&world);
    *handle = open_kernel(of, access);
    pthread_mutex_unlock(&world);
    return STATUS_SUCCESS;
}

NTSTATUS ZwClose(HANDLE handle)
{
    require_passive("ZwClose");
    pthread_mutex_lock(&world);
    close_slot(find_kernel(handle, KIND_FREE, "ZwClose"), &kernel_handle_count);
    pthread_mutex_unlock(&world);
    return STATUS_SUCCESS;
}

NTSTATUS ZwCreateSection(HANDLE *handle, ACCESS_MASK access, OBJECT_ATTRIBUTES *attributes, LARGE_INTEGER *size,
                         ULONG protection, ULONG flags, HANDLE file)
{
    require_passive("ZwCreateSection");
    if (attributes->Attributes != OBJ_KERNEL_HANDLE || protection != PAGE_READWRITE || flags != SEC_COMMIT || file)
        fail("a section of another kind");
    return create(KIND_SECTION, handle, access, (uint64_t)size->QuadPart, false);
}

NTSTATUS ZwCreateEvent(HANDLE *handle, ACCESS_MASK access, OBJECT_ATTRIBUTES *attributes, EVENT_TYPE type,
                       BOOLEAN state)
{
    require_passive("ZwCreateEvent");
    if (attributes->Attributes != OBJ_KERNEL_HANDLE || state)
        fail("an event of another kind");
    return create(KIND_EVENT, handle, access, 0, type == NotificationEvent);
}

NTSTATUS ZwSetEvent(HANDLE handle, LONG *previous)
{
    (void)previous;
    require_passive("ZwSetEvent");
    pthread_mutex_lock(&world);
    find_kernel(handle, KIND_EVENT, "ZwSetEvent")->of->is_set = true;
    pthread_mutex_unlock(&world);
    return STATUS_SUCCESS;
}

NTSTATUS ZwDuplicateObject(HANDLE sourceProcess, HANDLE source, HANDLE targetProcess, HANDLE *target,
                           ACCESS_MASK access, ULONG attributes, ULONG options)
{
    NTSTATUS status = STATUS_SUCCESS;
    PEPROCESS process;

    require_passive("ZwDuplicateObject");
    pthread_mutex_lock(&world);
    if (options == DUPLICATE_CLOSE_SOURCE && targetProcess == NULL) {
        slot *owner = find_kernel(sourceProcess, KIND_PROCESS, "ZwDuplicateObject");
        process = (PEPROCESS)owner->of;
        if (process->is_alive) {
            slot *closed = find(process->handles, (uintptr_t)source);
            if (closed == NULL)
                fail("a handle is taken back that was not given");
            close_slot(closed, &process->handle_count);
        }
    } else {
        slot *owner = find_kernel(targetProcess, KIND_PROCESS, "ZwDuplicateObject");
        slot *given = find_kernel(source, KIND_FREE, "ZwDuplicateObject");
        if (sourceProcess != NtCurrentProcess() || options != 0 || attributes != 0)
            fail("a handle is duplicated in another way");
        if ((owner->access & PROCESS_DUP_HANDLE) == 0)
            fail("ZwDuplicateObject into a process that was not opened for it");
        process = (PEPROCESS)owner->of;
        if (!process->is_alive)
            status = STATUS_PROCESS_IS_TERMINATING;
        else if (must_fail())
            status = STATUS_INSUFFICIENT_RESOURCES;
        else
            *target = (HANDLE)(uintptr_t)insert(process->handles, &process->handle_count, given->of, access);
    }
    pthread_mutex_unlock(&world);
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
        fail("a wait for something else than a process");
    if ((timeout == NULL || timeout->QuadPart != 0) && (current_irql != PASSIVE_LEVEL || holds_lock))
        fail("a wait under a lock");
    pthread_mutex_lock(&world);
    is_alive = ((PEPROCESS)of)->is_alive;
    pthread_mutex_unlock(&world);
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

/* Users and protection ------------------------------------------------------------------------------------------- */

NTSTATUS ZwOpenProcessTokenEx(HANDLE process, ACCESS_MASK access, ULONG attributes, HANDLE *token)
{
    object *made;

    require_passive("ZwOpenProcessTokenEx");
    if (attributes != OBJ_KERNEL_HANDLE)
        fail("a token is opened that user mode could use");
    if (must_fail())
        return STATUS_INSUFFICIENT_RESOURCES;
    made = calloc(1, sizeof(*made));
    pthread_mutex_lock(&world);
    *made = (object){.kind = KIND_TOKEN};
    made->process = (PEPROCESS)find_kernel(process, KIND_PROCESS, "ZwOpenProcessTokenEx")->of;
    made->process->header.references++;
    *token = open_kernel(made, access);
    pthread_mutex_unlock(&world);
    return STATUS_SUCCESS;
}

NTSTATUS ZwQueryInformationToken(HANDLE token, TOKEN_INFORMATION_CLASS kind, void *information, ULONG size,
                                 ULONG *length)
{
    /* S-1-5-21-1-2-3-user */
    const uint32_t sub_authorities[] = {21, 1, 2, 3, 0};
    uint8_t sid[8 + sizeof(sub_authorities)] = {1, 5, 0, 0, 0, 0, 0, 5};
    TOKEN_USER *user = information;

    require_passive("ZwQueryInformationToken");
    if (must_fail())
        return STATUS_UNSUCCESSFUL;
    *length = (ULONG)(sizeof(*user) + sizeof(sid));
    if (kind != TokenUser || size < *length)
        fail("a token's user does not fit");
    memcpy(sid + 8, sub_authorities, sizeof(sub_authorities));
    pthread_mutex_lock(&world);
    memcpy(sid + 24, &find_kernel(token, KIND_TOKEN, "ZwQueryInformationToken")->of->process->user, 4);
    pthread_mutex_unlock(&world);
    user->User.Sid = user + 1;
    memcpy(user->User.Sid, sid, sizeof(sid));
    return STATUS_SUCCESS;
}

NTSTATUS RtlCreateAcl(ACL *acl, ULONG size, ULONG revision)
{
    *acl = (ACL){.AclRevision = (UCHAR)revision, .AclSize = (USHORT)size};
    return must_fail() ? STATUS_INVALID_PARAMETER : STATUS_SUCCESS;
}

NTSTATUS RtlAddAccessAllowedAce(ACL *acl, ULONG revision, ACCESS_MASK access, PSID sid)
{
    (void)revision;
    if (access == 0 || ((uint8_t *)sid)[0] != 1)
        fail("an access rule that allows nothing or nobody");
    acl->AceCount++;
    return must_fail() ? STATUS_INVALID_PARAMETER : STATUS_SUCCESS;
}

NTSTATUS RtlCreateSecurityDescriptor(SECURITY_DESCRIPTOR *descriptor, ULONG revision)
{
    (void)revision;
    *descriptor = (SECURITY_DESCRIPTOR){0};
    return must_fail() ? STATUS_INVALID_PARAMETER : STATUS_SUCCESS;
}

NTSTATUS RtlSetDaclSecurityDescriptor(SECURITY_DESCRIPTOR *descriptor, BOOLEAN present, ACL *acl, BOOLEAN defaulted)
{
    (void)defaulted;
    descriptor->Dacl = present ? acl : NULL;
    return must_fail() ? STATUS_INVALID_PARAMETER : STATUS_SUCCESS;
}

NTSTATUS ZwSetSecurityObject(HANDLE handle, ULONG information, SECURITY_DESCRIPTOR *descriptor)
{
    require_passive("ZwSetSecurityObject");
    pthread_mutex_lock(&world);
    (void)find_kernel(handle, KIND_DEVICE, "ZwSetSecurityObject");
    pthread_mutex_unlock(&world);
    if (information != DACL_SECURITY_INFORMATION || descriptor->Dacl == NULL || descriptor->Dacl->AceCount == 0)
        fail("a device that everybody may open");
    if (must_fail())
        return STATUS_ACCESS_DENIED;
    is_protected = true;
    return STATUS_SUCCESS;
}

/* The driver and its device -------------------------------------------------------------------------------------- */

NTSTATUS IoCreateDevice(PDRIVER_OBJECT driver, ULONG extension, PUNICODE_STRING name, ULONG type, ULONG flags,
                        BOOLEAN exclusive, PDEVICE_OBJECT *device)
{
    (void)driver, (void)extension, (void)name, (void)type, (void)exclusive;
    if ((flags & FILE_DEVICE_SECURE_OPEN) == 0)
        fail("a device whose protection ends at its name");
    if (must_fail())
        return STATUS_INSUFFICIENT_RESOURCES;
    *device = calloc(1, sizeof(**device));
    (*device)->header = (object){.kind = KIND_DEVICE, .references = 1};
    devices++;
    return STATUS_SUCCESS;
}

void IoDeleteDevice(PDEVICE_OBJECT device)
{
    devices--;
    ObDereferenceObject(device);
}

NTSTATUS IoCreateSymbolicLink(PUNICODE_STRING link, PUNICODE_STRING target)
{
    (void)link, (void)target;
    if (!is_protected)
        fail("the device gets a name before it is protected");
    if (must_fail())
        return STATUS_INSUFFICIENT_RESOURCES;
    links++;
    return STATUS_SUCCESS;
}

NTSTATUS IoDeleteSymbolicLink(PUNICODE_STRING link)
{
    (void)link;
    links--;
    return STATUS_SUCCESS;
}

static void require_nothing_left(const char *when)
{
    if (devices != 0 || links != 0 || pool_blocks != 0 || kernel_handle_count != 0)
        fail("%s leaves %d devices, %d links, %d pool blocks, %d kernel handles", when, devices, links, pool_blocks,
             kernel_handle_count);
}

NTSTATUS sim_load(void)
{
    NTSTATUS status;

    memset(&driver_object, 0, sizeof(driver_object));
    is_protected = false;
    status = DriverEntry(&driver_object, NULL);
    if (!NT_SUCCESS(status))
        require_nothing_left("a failed DriverEntry");
    return status;
}

void sim_unload(void)
{
    driver_object.DriverUnload(&driver_object);
    require_nothing_left("DriverUnload");
}

/* Requests ------------------------------------------------------------------------------------------------------- */

struct sim_file {
    struct _FILE_OBJECT object;
    PEPROCESS process;
    uint32_t access;
    sim_request *requests; /* not released */
    sim_file *next;
};

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

    if (boost != IO_NO_INCREMENT || holds_lock || holds_cancel_lock)
        fail("a request is completed under a lock");
    if (atomic_load(&irp->CancelRoutine) != NULL)
        fail("a request is completed that can still be cancelled");
    if (status == STATUS_PENDING)
        fail("a request is completed with STATUS_PENDING");
    if (information > (is_control ? irp->stack.Parameters.DeviceIoControl.OutputBufferLength : 0))
        fail("%zu bytes are returned, more than the caller's buffer holds", (size_t)information);
    if (!NT_SUCCESS(status) && information != 0)
        fail("bytes are returned with an error");

    pthread_mutex_lock(&world);
    if (atomic_load(&request->is_done))
        fail("a request is completed twice");
    if (information != 0)
        memcpy(request->output, irp->AssociatedIrp.SystemBuffer, information);
    request->status = status;
    request->information = information;
    if (request->pins == 0) {
        request->irp = NULL;
        free_irp(irp);
    }
    atomic_store(&request->is_done, true);
    pthread_mutex_unlock(&world);
}

/* Calls the driver the way the I/O manager does, and checks what it says against what it did. */
static NTSTATUS dispatch(PIRP irp)
{
    sim_request *request = irp->request; /* outlives the IRP, which is freed as it is completed */
    NTSTATUS status;

    status = driver_object.MajorFunction[irp->stack.MajorFunction](NULL, irp);
    if (current_irql != PASSIVE_LEVEL || holds_lock)
        fail("a dispatch routine returns with a lock");
    if ((status == STATUS_PENDING) != request->was_marked_pending)
        fail("status %x returned of a request that was%s marked pending", status,
             request->was_marked_pending ? "" : " not");
    if (status != STATUS_PENDING && (!atomic_load(&request->is_done) || request->status != status))
        fail("status %x returned of a request that was completed otherwise", status);
    return status;
}

static NTSTATUS dispatch_plain(UCHAR major, sim_file *file, PEPROCESS process)
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

    pthread_mutex_lock(&world);
    request->next = file->requests;
    file->requests = request;
    pthread_mutex_unlock(&world);

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

    pthread_mutex_lock(&world);
    irp = atomic_load(&request->is_done) ? NULL : request->irp;
    if (irp != NULL)
        request->pins++;
    pthread_mutex_unlock(&world);
    if (irp == NULL)
        return;

    pthread_mutex_lock(&cancel_lock);
    atomic_store(&irp->Cancel, TRUE);
    routine = IoSetCancelRoutine(irp, NULL);
    if (routine != NULL) {
        irp->CancelIrql = current_irql;
        current_irql = DISPATCH_LEVEL;
        holds_cancel_lock = true;
        routine(NULL, irp);
        if (holds_cancel_lock || current_irql != PASSIVE_LEVEL)
            fail("a cancel routine keeps the cancel lock");
    } else {
        pthread_mutex_unlock(&cancel_lock);
    }

    pthread_mutex_lock(&world);
    if (--request->pins == 0 && atomic_load(&request->is_done)) {
        free_irp(irp);
        request->irp = NULL;
    }
    pthread_mutex_unlock(&world);
}

void sim_release(sim_request *request)
{
    sim_request **link;

    if (!atomic_load(&request->is_done))
        fail("a pending request is released");
    pthread_mutex_lock(&world);
    for (link = &request->file->requests; *link != request; link = &(*link)->next)
        continue;
    *link = request->next;
    pthread_mutex_unlock(&world);
    free(request);
}

NTSTATUS sim_call(sim_file *file, PEPROCESS process, uint32_t code, const void *input, ULONG input_length, void *output,
                  ULONG output_length)
{
    sim_request *request = sim_send(file, process, code, input, input_length, output_length);
    NTSTATUS status;

    if (!atomic_load(&request->is_done))
        fail("request %x stays pending", code);
    status = request->status;
    if (output != NULL)
        memcpy(output, request->output, request->information);
    sim_release(request);
    return status;
}

/* Files and processes -------------------------------------------------------------------------------------------- */

static sim_file *make_file(PEPROCESS process, uint32_t access, ULONG flags)
{
    sim_file *file = calloc(1, sizeof(*file));

    file->process = process;
    file->access = access;
    file->object.Flags = flags;
    pthread_mutex_lock(&world);
    file->next = process->files;
    process->files = file;
    pthread_mutex_unlock(&world);
    return file;
}

static void forget_file(sim_file *file)
{
    sim_file **link = &file->process->files;

    pthread_mutex_lock(&world);
    while (*link != file)
        link = &(*link)->next;
    *link = file->next;
    pthread_mutex_unlock(&world);
    while (file->requests != NULL)
        sim_release(file->requests);
    free(file);
}

sim_file *sim_open_with(PEPROCESS process, uint32_t access, ULONG flags, NTSTATUS *status)
{
    sim_file *file = make_file(process, access, flags);

    *status = dispatch_plain(IRP_MJ_CREATE, file, process);
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
        fail("the device cannot be opened: %x", status);
    return file;
}

sim_file *sim_open_as_wine(PEPROCESS process)
{
    sim_file *file = make_file(process, SIM_READ_WRITE, 0);

    dispatch_plain(IRP_MJ_CREATE, file, process);
    return file;
}

sim_file *sim_open_below(PEPROCESS process, NTSTATUS *status)
{
    sim_file *file = make_file(process, SIM_READ_WRITE, 0);

    file->object.FileName = (UNICODE_STRING)RTL_CONSTANT_STRING(L"\\name");
    *status = dispatch_plain(IRP_MJ_CREATE, file, process);
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
                fail("a request is still pending after %s", after);
            sched_yield();
        }
    }
}

/* Windows asks for CLEANUP when the last handle is closed, for CLOSE when the last request is done, in any process. */
void sim_close(sim_file *file)
{
    dispatch_plain(IRP_MJ_CLEANUP, file, file->process);
    wait_for_requests(file, "IRP_MJ_CLEANUP");
    dispatch_plain(IRP_MJ_CLOSE, file, NULL);
    forget_file(file);
}

void sim_close_as_wine(sim_file *file)
{
    dispatch_plain(IRP_MJ_CLOSE, file, NULL);
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
    process->handles = calloc(TABLE_SIZE, sizeof(slot));
    return process;
}

void sim_process_close_handles(PEPROCESS process)
{
    pthread_mutex_lock(&world);
    for (int index = 0; process->handle_count > 0; index++) {
        if (process->handles[index].of != NULL)
            close_slot(&process->handles[index], &process->handle_count);
    }
    pthread_mutex_unlock(&world);
}

void sim_process_end_keeping_files(PEPROCESS process)
{
    pthread_mutex_lock(&world);
    process->is_alive = false;
    pthread_mutex_unlock(&world);
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
