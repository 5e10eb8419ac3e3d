// SPDX-License-Identifier: Apache-2.0
/*
 * The kernel functions that the shell calls, for a program on the host: the types and names of <ntifs.h>, with
 * behaviour in sim.c that is stricter than the real one. Whatever the documentation forbids ends the program with a
 * message. Only what driver/wdm uses is here.
 */
#ifndef AI_SIM_NTIFS_H
#define AI_SIM_NTIFS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <wchar.h>

#define NTAPI

typedef void *PVOID;
typedef void *HANDLE;
typedef void *PSID;
typedef uint8_t UCHAR;
typedef uint8_t BOOLEAN;
typedef uint8_t KIRQL;
typedef uint16_t USHORT;
typedef int32_t LONG;
typedef uint32_t ULONG;
typedef uint64_t ULONG64;
typedef uintptr_t ULONG_PTR;
typedef size_t SIZE_T;
typedef int32_t NTSTATUS;
typedef uint32_t ACCESS_MASK;
typedef union _LARGE_INTEGER {
    int64_t QuadPart;
} LARGE_INTEGER;

#define FALSE 0
#define TRUE 1
#define UNREFERENCED_PARAMETER(parameter) ((void)(parameter))
#define RTL_NUMBER_OF(array) (sizeof(array) / sizeof((array)[0]))
#define CONTAINING_RECORD(address, type, field) ((type *)((char *)(address) - offsetof(type, field)))
#define RtlZeroMemory(target, size) memset(target, 0, size)
#define RtlCopyMemory(target, source, size) memcpy(target, source, size)

#define NT_SUCCESS(status) ((NTSTATUS)(status) >= 0)
#define STATUS_SUCCESS ((NTSTATUS)0)
#define STATUS_TIMEOUT ((NTSTATUS)0x102)
#define STATUS_PENDING ((NTSTATUS)0x103)
#define STATUS_UNSUCCESSFUL ((NTSTATUS)0xC0000001)
#define STATUS_INFO_LENGTH_MISMATCH ((NTSTATUS)0xC0000004)
#define STATUS_INVALID_HANDLE ((NTSTATUS)0xC0000008)
#define STATUS_INVALID_PARAMETER ((NTSTATUS)0xC000000D)
#define STATUS_INVALID_DEVICE_REQUEST ((NTSTATUS)0xC0000010)
#define STATUS_ACCESS_DENIED ((NTSTATUS)0xC0000022)
#define STATUS_BUFFER_TOO_SMALL ((NTSTATUS)0xC0000023)
#define STATUS_OBJECT_NAME_NOT_FOUND ((NTSTATUS)0xC0000034)
#define STATUS_QUOTA_EXCEEDED ((NTSTATUS)0xC0000044)
#define STATUS_REVISION_MISMATCH ((NTSTATUS)0xC0000059)
#define STATUS_INVALID_SID ((NTSTATUS)0xC0000078)
#define STATUS_INSUFFICIENT_RESOURCES ((NTSTATUS)0xC000009A)
#define STATUS_PROCESS_IS_TERMINATING ((NTSTATUS)0xC000010A)
#define STATUS_CANCELLED ((NTSTATUS)0xC0000120)
#define STATUS_INVALID_DEVICE_STATE ((NTSTATUS)0xC0000184)
#define STATUS_NOT_FOUND ((NTSTATUS)0xC0000225)
#define STATUS_RETRY ((NTSTATUS)0xC000022D)
#define STATUS_CONNECTION_ABORTED ((NTSTATUS)0xC0000241)

#define PASSIVE_LEVEL 0
#define DISPATCH_LEVEL 2

/* Doubly linked lists, as everywhere in the kernel. */
typedef struct _LIST_ENTRY {
    struct _LIST_ENTRY *Flink, *Blink;
} LIST_ENTRY;

static inline void InitializeListHead(LIST_ENTRY *head)
{
    head->Flink = head->Blink = head;
}

static inline BOOLEAN IsListEmpty(const LIST_ENTRY *head)
{
    return head->Flink == head;
}

static inline void InsertTailList(LIST_ENTRY *head, LIST_ENTRY *entry)
{
    entry->Flink = head;
    entry->Blink = head->Blink;
    head->Blink->Flink = entry;
    head->Blink = entry;
}

static inline void RemoveEntryList(LIST_ENTRY *entry)
{
    entry->Blink->Flink = entry->Flink;
    entry->Flink->Blink = entry->Blink;
}

static inline LIST_ENTRY *RemoveHeadList(LIST_ENTRY *head)
{
    LIST_ENTRY *entry = head->Flink;
    RemoveEntryList(entry);
    return entry;
}

static inline LONG InterlockedIncrement(LONG *value)
{
    return __atomic_add_fetch(value, 1, __ATOMIC_SEQ_CST);
}

static inline LONG InterlockedDecrement(LONG *value)
{
    return __atomic_sub_fetch(value, 1, __ATOMIC_SEQ_CST);
}

typedef struct _UNICODE_STRING {
    USHORT Length, MaximumLength;
    const wchar_t *Buffer;
} UNICODE_STRING, *PUNICODE_STRING;
#define RTL_CONSTANT_STRING(text) {sizeof(text) - sizeof((text)[0]), sizeof(text), text}

/* Devices, files and requests. */
typedef struct _EPROCESS *PEPROCESS;
typedef struct _IRP IRP, *PIRP;
typedef struct _DEVICE_OBJECT *PDEVICE_OBJECT;
typedef struct _DRIVER_OBJECT *PDRIVER_OBJECT;
typedef struct _FILE_OBJECT *PFILE_OBJECT;

typedef NTSTATUS DRIVER_INITIALIZE(PDRIVER_OBJECT driver, PUNICODE_STRING registryPath);
typedef void DRIVER_CANCEL(PDEVICE_OBJECT device, PIRP irp);

#define IRP_MJ_CREATE 0x00
#define IRP_MJ_CLOSE 0x02
#define IRP_MJ_DEVICE_CONTROL 0x0e
#define IRP_MJ_CLEANUP 0x12
#define IRP_MJ_MAXIMUM_FUNCTION 0x1b
#define FILE_DEVICE_SECURE_OPEN 0x100
#define FO_SYNCHRONOUS_IO 0x2
#define IO_NO_INCREMENT 0

struct _DRIVER_OBJECT {
    void (*DriverUnload)(PDRIVER_OBJECT driver);
    NTSTATUS (*MajorFunction[IRP_MJ_MAXIMUM_FUNCTION + 1])(PDEVICE_OBJECT device, PIRP irp);
};

struct _FILE_OBJECT {
    void *FsContext;
    ULONG Flags;
    UNICODE_STRING FileName;
};

typedef struct _IO_STACK_LOCATION {
    UCHAR MajorFunction;
    PFILE_OBJECT FileObject;
    union {
        struct {
            ULONG OutputBufferLength, InputBufferLength, IoControlCode;
        } DeviceIoControl;
    } Parameters;
} IO_STACK_LOCATION;

struct _IRP {
    struct {
        NTSTATUS Status;
        ULONG_PTR Information;
    } IoStatus;
    struct {
        void *SystemBuffer;
    } AssociatedIrp;
    struct {
        struct {
            LIST_ENTRY ListEntry;
            void *DriverContext[4];
        } Overlay;
    } Tail;
    _Atomic BOOLEAN Cancel;
    KIRQL CancelIrql;
    DRIVER_CANCEL *_Atomic CancelRoutine;

    IO_STACK_LOCATION stack;
    PEPROCESS requestor;
    struct sim_request *request;
};

static inline IO_STACK_LOCATION *IoGetCurrentIrpStackLocation(PIRP irp)
{
    return &irp->stack;
}

static inline DRIVER_CANCEL *IoSetCancelRoutine(PIRP irp, DRIVER_CANCEL *routine)
{
    return atomic_exchange(&irp->CancelRoutine, routine);
}

void IoMarkIrpPending(PIRP irp);
void IoCompleteRequest(PIRP irp, int boost);
PEPROCESS IoGetRequestorProcess(PIRP irp);
void IoReleaseCancelSpinLock(KIRQL irql);
NTSTATUS IoCreateDevice(PDRIVER_OBJECT driver, ULONG extension, PUNICODE_STRING name, ULONG type, ULONG flags,
                        BOOLEAN exclusive, PDEVICE_OBJECT *device);
void IoDeleteDevice(PDEVICE_OBJECT device);
NTSTATUS IoCreateSymbolicLink(PUNICODE_STRING link, PUNICODE_STRING target);
NTSTATUS IoDeleteSymbolicLink(PUNICODE_STRING link);

/* Locks, time, memory. */
typedef struct _KSPIN_LOCK {
    _Atomic int locked;
} KSPIN_LOCK;

void KeInitializeSpinLock(KSPIN_LOCK *lock);
void KeAcquireSpinLock(KSPIN_LOCK *lock, KIRQL *irql);
void KeReleaseSpinLock(KSPIN_LOCK *lock, KIRQL irql);
ULONG64 KeQueryInterruptTime(void);

typedef enum { Executive } KWAIT_REASON;
typedef enum { KernelMode } KPROCESSOR_MODE;
NTSTATUS KeWaitForSingleObject(void *object, KWAIT_REASON reason, KPROCESSOR_MODE mode, BOOLEAN alertable,
                               LARGE_INTEGER *timeout);

typedef enum { NonPagedPoolNx = 512 } POOL_TYPE;
void *ExAllocatePoolWithTag(POOL_TYPE type, SIZE_T size, ULONG tag);
void ExFreePoolWithTag(void *memory, ULONG tag);

/* Objects and handles. */
#define OBJ_KERNEL_HANDLE 0x200u
#define PROCESS_DUP_HANDLE 0x40u
#define PROCESS_QUERY_INFORMATION 0x400u
#define TOKEN_QUERY 0x8u
#define SYNCHRONIZE 0x100000u
#define WRITE_DAC 0x40000u
#define SECTION_MAP_WRITE 0x2u
#define SECTION_MAP_READ 0x4u
#define SECTION_ALL_ACCESS 0xF001Fu
#define EVENT_MODIFY_STATE 0x2u
#define EVENT_ALL_ACCESS 0x1F0003u
#define GENERIC_ALL 0x10000000u
#define GENERIC_WRITE 0x40000000u
#define GENERIC_READ 0x80000000u
#define DUPLICATE_CLOSE_SOURCE 1u
#define PAGE_READWRITE 4u
#define SEC_COMMIT 0x8000000u
#define NtCurrentProcess() ((HANDLE)(intptr_t)-1)

typedef struct _OBJECT_ATTRIBUTES {
    ULONG Attributes;
} OBJECT_ATTRIBUTES;
#define InitializeObjectAttributes(target, name, flags, root, security) ((target)->Attributes = (flags))

typedef enum { NotificationEvent, SynchronizationEvent } EVENT_TYPE;

void ObReferenceObject(void *object);
void ObDereferenceObject(void *object);
NTSTATUS ObOpenObjectByPointer(void *object, ULONG attributes, void *state, ACCESS_MASK access, void *type,
                               KPROCESSOR_MODE mode, HANDLE *handle);
NTSTATUS ZwClose(HANDLE handle);
NTSTATUS ZwCreateSection(HANDLE *handle, ACCESS_MASK access, OBJECT_ATTRIBUTES *attributes, LARGE_INTEGER *size,
                         ULONG protection, ULONG flags, HANDLE file);
NTSTATUS ZwCreateEvent(HANDLE *handle, ACCESS_MASK access, OBJECT_ATTRIBUTES *attributes, EVENT_TYPE type,
                       BOOLEAN state);
NTSTATUS ZwSetEvent(HANDLE handle, LONG *previous);
NTSTATUS ZwDuplicateObject(HANDLE sourceProcess, HANDLE source, HANDLE targetProcess, HANDLE *target,
                           ACCESS_MASK access, ULONG attributes, ULONG options);
HANDLE PsGetProcessId(PEPROCESS process);

/* Users and protection. */
typedef struct _TOKEN_USER {
    struct {
        PSID Sid;
        ULONG Attributes;
    } User;
} TOKEN_USER;
typedef enum { TokenUser = 1 } TOKEN_INFORMATION_CLASS;
NTSTATUS ZwOpenProcessTokenEx(HANDLE process, ACCESS_MASK access, ULONG attributes, HANDLE *token);
NTSTATUS ZwQueryInformationToken(HANDLE token, TOKEN_INFORMATION_CLASS kind, void *information, ULONG size,
                                 ULONG *length);

#define ACL_REVISION 2
#define SECURITY_DESCRIPTOR_REVISION 1
#define DACL_SECURITY_INFORMATION 4u
#define SE_DACL_PROTECTED 0x1000
typedef struct _ACL {
    UCHAR AclRevision, Sbz1;
    USHORT AclSize, AceCount, Sbz2;
} ACL;
typedef struct _ACCESS_ALLOWED_ACE {
    ULONG Header, Mask, SidStart;
} ACCESS_ALLOWED_ACE;
typedef struct _SECURITY_DESCRIPTOR {
    USHORT Control;
    ACL *Dacl;
} SECURITY_DESCRIPTOR;
NTSTATUS RtlCreateAcl(ACL *acl, ULONG size, ULONG revision);
NTSTATUS RtlAddAccessAllowedAce(ACL *acl, ULONG revision, ACCESS_MASK access, PSID sid);
NTSTATUS RtlCreateSecurityDescriptor(SECURITY_DESCRIPTOR *descriptor, ULONG revision);
NTSTATUS RtlSetDaclSecurityDescriptor(SECURITY_DESCRIPTOR *descriptor, BOOLEAN present, ACL *acl, BOOLEAN defaulted);
NTSTATUS ZwSetSecurityObject(HANDLE handle, ULONG information, SECURITY_DESCRIPTOR *descriptor);

#endif
