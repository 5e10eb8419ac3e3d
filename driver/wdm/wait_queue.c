// SPDX-License-Identifier: Apache-2.0
#include "wait_queue.h"
#include "driver.h"
#include "request.h"

/* What a waiting request keeps in its DriverContext. */
enum { CONTEXT_QUEUE, CONTEXT_REMOVED, CONTEXT_ARGUMENT };

static void WaitQueueCancel(PDEVICE_OBJECT device, PIRP irp)
{
    AI_WAIT_QUEUE *queue = irp->Tail.Overlay.DriverContext[CONTEXT_QUEUE];
    void (*removed)(void *) = (void (*)(void *))(ULONG_PTR)irp->Tail.Overlay.DriverContext[CONTEXT_REMOVED];
    void *argument = irp->Tail.Overlay.DriverContext[CONTEXT_ARGUMENT];
    KIRQL irql;

    UNREFERENCED_PARAMETER(device);
    IoReleaseCancelSpinLock(irp->CancelIrql);

    KeAcquireSpinLock(&Driver.lock, &irql);
    /* A remover that lost the race for this request has made its entry point at itself. */
    if (!IsListEmpty(&irp->Tail.Overlay.ListEntry)) {
        RemoveEntryList(&irp->Tail.Overlay.ListEntry);
        queue->count--;
    }
    KeReleaseSpinLock(&Driver.lock, irql);

    RequestComplete(irp, STATUS_CANCELLED, 0);
    removed(argument);
}

void WaitQueueInitialize(AI_WAIT_QUEUE *queue)
{
    InitializeListHead(&queue->requests);
    queue->count = 0;
}

BOOLEAN WaitQueueInsert(AI_WAIT_QUEUE *queue, PIRP irp, void (*removed)(void *context), void *context)
{
    irp->Tail.Overlay.DriverContext[CONTEXT_QUEUE] = queue;
    irp->Tail.Overlay.DriverContext[CONTEXT_REMOVED] = (void *)(ULONG_PTR)removed;
    irp->Tail.Overlay.DriverContext[CONTEXT_ARGUMENT] = context;

    IoMarkIrpPending(irp);
    InsertTailList(&queue->requests, &irp->Tail.Overlay.ListEntry);
    queue->count++;

    (void)IoSetCancelRoutine(irp, WaitQueueCancel);
    /* Cancelled before the routine was set: nobody has called it. If it is gone again, it has been called since. */
    if (irp->Cancel && IoSetCancelRoutine(irp, NULL) != NULL) {
        RemoveEntryList(&irp->Tail.Overlay.ListEntry);
        queue->count--;
        return FALSE;
    }
    return TRUE;
}

PIRP WaitQueueRemove(AI_WAIT_QUEUE *queue)
{
    while (!IsListEmpty(&queue->requests)) {
        LIST_ENTRY *entry = RemoveHeadList(&queue->requests);
        PIRP irp = CONTAINING_RECORD(entry, IRP, Tail.Overlay.ListEntry);

        queue->count--;
        if (IoSetCancelRoutine(irp, NULL) != NULL)
            return irp;
        InitializeListHead(entry); /* the cancel routine waits for the lock, and will complete it */
    }
    return NULL;
}
