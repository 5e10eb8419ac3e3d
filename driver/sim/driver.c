// SPDX-License-Identifier: Apache-2.0
/* Loading and unloading; the device and its names. */
#include "world.h"

#include <stdlib.h>

DRIVER_INITIALIZE DriverEntry;

struct _DRIVER_OBJECT world_driver;
static int devices, links;

NTSTATUS IoCreateDevice(PDRIVER_OBJECT driver, ULONG extension, PUNICODE_STRING name, ULONG type, ULONG flags,
                        BOOLEAN exclusive, PDEVICE_OBJECT *device)
{
    (void)driver, (void)extension, (void)name, (void)type, (void)exclusive;
    if ((flags & FILE_DEVICE_SECURE_OPEN) == 0)
        world_fail("a device whose protection ends at its name");
    if (world_must_fail())
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
    if (!world_is_protected)
        world_fail("the device gets a name before it is protected");
    if (world_must_fail())
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
    if (devices != 0 || links != 0 || sim_pool_blocks() != 0 || sim_kernel_handles() != 0)
        world_fail("%s leaves %d devices, %d links, %d pool blocks, %d kernel handles", when, devices, links,
                   sim_pool_blocks(), sim_kernel_handles());
}

NTSTATUS sim_load(void)
{
    NTSTATUS status;

    memset(&world_driver, 0, sizeof(world_driver));
    world_is_protected = false;
    status = DriverEntry(&world_driver, NULL);
    if (!NT_SUCCESS(status))
        require_nothing_left("a failed DriverEntry");
    return status;
}

void sim_unload(void)
{
    world_driver.DriverUnload(&world_driver);
    require_nothing_left("DriverUnload");
}
