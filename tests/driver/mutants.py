"""Bugs that a driver of this kind has had somewhere, each as one change to the source; every one must be found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    name: str
    file: str
    old: str
    new: str


MUTANTS = [
    Mutant(
        "a request is completed under the lock",
        "wdm/session.c",
        """        irp = WaitQueueRemove(&session->waiting);
        KeReleaseSpinLock(&Driver.lock, irql);
        if (irp == NULL)
            break;
        RequestComplete(irp, STATUS_CANCELLED, 0);
""",
        """        irp = WaitQueueRemove(&session->waiting);
        if (irp != NULL)
            RequestComplete(irp, STATUS_CANCELLED, 0);
        KeReleaseSpinLock(&Driver.lock, irql);
        if (irp == NULL)
            break;
""",
    ),
    Mutant(
        "waiting requests are not cancelled when their session ends",
        "wdm/session.c",
        "        irp = WaitQueueRemove(&session->waiting);\n",
        "        irp = NULL;\n",
    ),
    Mutant(
        "a runtime stays in the register after its session",
        "wdm/session.c",
        "        ai_registry_remove(&Driver.registry, runtime);\n",
        "        (void)runtime;\n",
    ),
    Mutant(
        "a request is touched after it was completed",
        "wdm/request.c",
        "    IoCompleteRequest(irp, IO_NO_INCREMENT);\n    return status;",
        "    IoCompleteRequest(irp, IO_NO_INCREMENT);\n    return irp->IoStatus.Status;",
    ),
    Mutant(
        "the output's length is not checked",
        "wdm/ioctl.c",
        "OutputBufferLength < Ioctls[index].outputBytes",
        "OutputBufferLength > 1u << 30",
    ),
    Mutant(
        "the input's length is not checked",
        "wdm/ioctl.c",
        "InputBufferLength != Ioctls[index].inputBytes",
        "InputBufferLength > 1u << 30",
    ),
    Mutant(
        "the cancel routine is left in a request that is completed",
        "wdm/wait_queue.c",
        "        if (IoSetCancelRoutine(irp, NULL) != NULL)\n            return irp;",
        "        if (irp->CancelRoutine != NULL)\n            return irp;",
    ),
    Mutant(
        "a session is never freed",
        "wdm/session.c",
        "    file->FsContext = NULL;\n    SessionDereference(session);",
        "    file->FsContext = NULL;\n    (void)session;",
    ),
    Mutant(
        "a file whose opening failed is used",
        "wdm/ioctl.c",
        "    if (session == NULL)\n        return STATUS_INVALID_DEVICE_STATE;\n",
        "",
    ),
    Mutant(
        "a process uses the handle of another",
        "wdm/ioctl.c",
        "    if (IoGetRequestorProcess(irp) != session->process)\n        return STATUS_ACCESS_DENIED;\n",
        "",
    ),
    Mutant(
        "a user's channel is opened by another user",
        "wdm/session.c",
        " && ai_same_user(&session->user, user))",
        " && user != NULL)",
    ),
    Mutant(
        "a user sees another user's runtimes",
        "core/registry.c",
        "    while (runtime != NULL && !ai_same_user(&runtime->user, user))",
        "    while (runtime != NULL && user == NULL)",
    ),
    Mutant(
        "a request that is already cancelled waits for ever",
        "wdm/wait_queue.c",
        "    if (irp->Cancel && IoSetCancelRoutine(irp, NULL) != NULL) {",
        "    if (FALSE) {",
    ),
    Mutant(
        "a dead client's handles stay in the runtime",
        "wdm/channel.c",
        "    if (!NT_SUCCESS(status))\n        TakeBack(runtime, ofRuntime, OBJECTS);\n",
        "",
    ),
    Mutant(
        "kernel handles of a channel leak",
        "wdm/channel.c",
        "    CloseObjects(objects, OBJECT_CLOSED);",
        "    CloseObjects(objects, OBJECT_SECTION);",
    ),
    Mutant(
        "nobody is told that a channel is closed",
        "wdm/channel.c",
        "    (void)ZwSetEvent(link->closed, NULL);\n",
        "",
    ),
    Mutant(
        "a client may wait for the runtime's event",
        "wdm/channel.c",
        "SECTION_MAP_READ | SECTION_MAP_WRITE, EVENT_MODIFY_STATE,\n",
        "SECTION_MAP_READ | SECTION_MAP_WRITE, EVENT_ALL_ACCESS,\n",
    ),
    Mutant(
        "the device has a name before it is protected",
        "wdm/main.c",
        "    status = SecurityProtect(Driver.device);\n",
        "    status = STATUS_SUCCESS;\n",
    ),
    Mutant(
        "a device survives a failed DriverEntry",
        "wdm/main.c",
        "cleanupDevice:\n    IoDeleteDevice(Driver.device);\n",
        "cleanupDevice:\n",
    ),
    Mutant(
        "bytes of the kernel go out with the answer",
        "core/path.c",
        "    ai_zero(out, sizeof(*out));\n",
        "",
    ),
    Mutant(
        "the prefix wins however busy its holder is",
        "core/path.c",
        "if (chosen == NULL || expected_wait_us(chosen) >",
        "if (chosen == NULL || 0 * expected_wait_us(chosen) >",
    ),
    Mutant(
        "text without an end is taken",
        "core/validate.c",
        "    if (index == capacity)\n        return false;\n",
        "",
    ),
]
