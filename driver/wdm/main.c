// SPDX-License-Identifier: Apache-2.0
/*
 * ai_driver.sys: the register of the AI runtimes on this PC, and the broker of their channels.
 *
 * What it does. A runtime opens the device, registers, reports how it is doing, and leaves requests pending that each
 * wait for a client (WAIT_CONNECTION, the inverted call). A client asks which runtime to take (GET_OPTIMIZED_PATH) and
 * opens a channel to it (OPEN_CHANNEL): the driver makes a section and events, hands them to both, and is out of the
 * way. It never sees a prompt, maps no memory of a program, and runs no thread, timer or DPC of its own. A program
 * could do all of this but for two things, which are why it is a driver: nothing that a process registered outlives
 * the process, however it ends, and handles are given to a process without that process letting others into it.
 *
 * Where things are. One concern a file:
 *
 *     include/ai_driver_ioctl.h   what user mode sees
 *     core/                       what is decided: validation, the registry, the choice of a path, statistics; pure
 *                                 C11 that knows no kernel and allocates nothing
 *     wdm/main.c                  loading, unloading, and the four kinds of request
 *     wdm/ioctl.c                 the table of IOCTLs and their handlers
 *     wdm/session.c               a handle of the device and all that hangs on it
 *     wdm/wait_queue.c            pending requests that can be cancelled at any moment
 *     wdm/channel.c               section, events, and the handles of both sides
 *     wdm/user.c, security.c      whose program is it; who may open the device
 *     wdm/request.c, memory.c     the only places that complete a request, allocate and free
 *
 * Locking. One spin lock, Driver.lock, guards the registry, the sessions and the channels; everything under it is a
 * short computation. Handles are made, duplicated and closed, and requests completed, only without it. A cancel
 * routine first gives back the system's cancel lock and then takes ours, so the two are never held together.
 *
 * Lifetimes. A session is freed with its last reference: its file object's, its waiting requests', its channels'.
 * SessionDown takes everything away from it, and is called from IRP_MJ_CLEANUP (the last handle is gone) and again
 * from IRP_MJ_CLOSE (so is the last request): Windows sends both, Wine only the second, and both may find it done.
 *
 * Undoing. Every function that acquires several things gives them up in the reverse order, at labels named after what
 * they clean up. What the caller must not see half done is either linked in under one hold of the lock or not at all.
 *
 * Where it may run. Everything is non-paged and every dispatch routine runs at PASSIVE_LEVEL in the caller's thread.
 * The image keeps the rules of memory integrity (HVCI): no section both writable and executable, no executable pool.
 */
#include "driver.h"
#include "guard.h"
#include "ioctl.h"
#include "request.h"
#include "security.h"
#include "session.h"

AI_DRIVER Driver;

DRIVER_INITIALIZE DriverEntry;

static NTSTATUS MainCreate(PDEVICE_OBJECT device, PIRP irp)
{
    UNREFERENCED_PARAMETER(device);
    return RequestComplete(
        irp, SessionCreate(IoGetCurrentIrpStackLocation(irp)->FileObject, IoGetRequestorProcess(irp)), 0);
}

static NTSTATUS MainCleanup(PDEVICE_OBJECT device, PIRP irp)
{
    PFILE_OBJECT file = IoGetCurrentIrpStackLocation(irp)->FileObject;

    UNREFERENCED_PARAMETER(device);
    if (file->FsContext != NULL)
        SessionDown(file->FsContext);
    return RequestComplete(irp, STATUS_SUCCESS, 0);
}

static NTSTATUS MainClose(PDEVICE_OBJECT device, PIRP irp)
{
    PFILE_OBJECT file = IoGetCurrentIrpStackLocation(irp)->FileObject;

    UNREFERENCED_PARAMETER(device);
    if (file->FsContext != NULL) {
        SessionDown(file->FsContext);
        SessionClose(file);
    }
    return RequestComplete(irp, STATUS_SUCCESS, 0);
}

static void MainUnload(PDRIVER_OBJECT driver)
{
    UNICODE_STRING linkName = RTL_CONSTANT_STRING(L"\\DosDevices\\AiDriver");

    UNREFERENCED_PARAMETER(driver);
    IoDeleteSymbolicLink(&linkName);
    SessionUnload();
    IoDeleteDevice(Driver.device);
}

GUARD_UNPROTECTED NTSTATUS DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING registryPath)
{
    UNICODE_STRING deviceName = RTL_CONSTANT_STRING(L"\\Device\\AiDriver");
    UNICODE_STRING linkName = RTL_CONSTANT_STRING(L"\\DosDevices\\AiDriver");
    NTSTATUS status;

    UNREFERENCED_PARAMETER(registryPath);
    GuardInitialize();
    RtlZeroMemory(&Driver, sizeof(Driver));
    KeInitializeSpinLock(&Driver.lock);
    InitializeListHead(&Driver.sessions);

    driver->DriverUnload = MainUnload;
    driver->MajorFunction[IRP_MJ_CREATE] = MainCreate;
    driver->MajorFunction[IRP_MJ_CLEANUP] = MainCleanup;
    driver->MajorFunction[IRP_MJ_CLOSE] = MainClose;
    driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = IoctlDispatch;

    /* FILE_DEVICE_SECURE_OPEN: the device's protection also holds for names below it. */
    status = IoCreateDevice(driver, 0, &deviceName, AI_DEVICE_TYPE, FILE_DEVICE_SECURE_OPEN, FALSE, &Driver.device);
    if (!NT_SUCCESS(status))
        return status;
    status = SecurityProtect(Driver.device);
    if (!NT_SUCCESS(status))
        goto cleanupDevice;
    status = IoCreateSymbolicLink(&linkName, &deviceName);
    if (!NT_SUCCESS(status))
        goto cleanupDevice;
    return STATUS_SUCCESS;

cleanupDevice:
    IoDeleteDevice(Driver.device);
    return status;
}
