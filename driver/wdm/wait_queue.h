// SPDX-License-Identifier: Apache-2.0
/*
 * Requests that wait, each of which may be cancelled at any moment: the cancel-safe queue.
 *
 * A waiting request is in one of three hands, and only one of them completes it:
 *
 *                    WaitQueueInsert                  WaitQueueRemove
 *     dispatch ----------------------->  the queue  --------------------> whoever removed it
 *                                            |
 *                                            | IoCancelIrp, thread or process ends
 *                                            v
 *                                     the cancel routine
 *
 * The hand-over is the exchange of the request's cancel routine: who gets the routine out of the request has it.
 * IoCsq* would do the same, but its functions are not where this driver is tested (Wine), so this is the documented
 * pattern written out. All requests of all queues are guarded by the driver's one lock, which is never held while a
 * request is completed.
 */
#ifndef AI_WAIT_QUEUE_H
#define AI_WAIT_QUEUE_H

#include "platform.h"

typedef struct _AI_WAIT_QUEUE {
    LIST_ENTRY requests; /* oldest first */
    ULONG count;
} AI_WAIT_QUEUE;

_IRQL_requires_max_(DISPATCH_LEVEL)
void WaitQueueInitialize(AI_WAIT_QUEUE *queue);

/*
 * Marks the request pending and puts it at the end. FALSE: it had been cancelled already, is not in the queue, and
 * the caller must complete it with STATUS_CANCELLED and return STATUS_PENDING. `removed` is called, without the lock,
 * when the cancel routine took the request out.
 */
_Requires_lock_held_(Driver.lock)
BOOLEAN WaitQueueInsert(AI_WAIT_QUEUE *queue, PIRP irp, void (*removed)(void *context), void *context);

/* The oldest request that is not being cancelled, now the caller's to complete; NULL when there is none. */
_Requires_lock_held_(Driver.lock)
PIRP WaitQueueRemove(AI_WAIT_QUEUE *queue);

#endif
