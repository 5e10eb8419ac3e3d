// SPDX-License-Identifier: Apache-2.0
/* Completing a request: the only place where IoCompleteRequest is called. */
#ifndef AI_REQUEST_H
#define AI_REQUEST_H

#include "platform.h"

/*
 * Completes the request; `information` bytes of its system buffer go to the caller. The lock must not be held, and
 * the request must not be touched afterwards. Returns `status`.
 */
_IRQL_requires_max_(DISPATCH_LEVEL)
NTSTATUS RequestComplete(PIRP irp, NTSTATUS status, ULONG_PTR information);

#endif
