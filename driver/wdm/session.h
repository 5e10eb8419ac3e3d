// SPDX-License-Identifier: Apache-2.0
/* A session: one handle of the device, its process, its user, and whatever it holds. */
#ifndef AI_SESSION_H
#define AI_SESSION_H

#include "driver.h"
#include "wait_queue.h"

typedef struct _AI_CHANNEL_LINK AI_CHANNEL_LINK;

typedef struct _AI_SESSION {
    LIST_ENTRY link;           /* Driver.sessions, until the session is down */
    LONG references;           /* one for the file object, one for each waiting request, one for each channel */
    BOOLEAN isDown;            /* holds nothing any more, and never will again */
    PEPROCESS process;         /* referenced: the process that opened the handle */
    ai_user user;              /* of that process */
    ai_runtime *runtime;       /* role runtime: in Driver.registry */
    AI_WAIT_QUEUE waiting;     /* role runtime: its WAIT_CONNECTIONs */
    LIST_ENTRY channels;       /* role runtime: AI_CHANNEL_LINK.ofRuntime */
    AI_CHANNEL_LINK *channel;  /* role client */
} AI_SESSION;

/* IRP_MJ_CREATE: makes a session for the calling process and puts it into the file object. */
_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS SessionCreate(PFILE_OBJECT file, PEPROCESS process);

/* IRP_MJ_CLEANUP, IRP_MJ_CLOSE and unloading: gives up everything the session holds. Any number of times. */
_IRQL_requires_max_(PASSIVE_LEVEL)
void SessionDown(AI_SESSION *session);

/* IRP_MJ_CLOSE: the file object's reference. */
_IRQL_requires_max_(PASSIVE_LEVEL)
void SessionClose(PFILE_OBJECT file);

/* Takes down the sessions of runtimes whose process has ended while another process still has their handle. */
_IRQL_requires_max_(PASSIVE_LEVEL)
void SessionDownEndedProcesses(void);

/* Frees the sessions that are left. Windows unloads only when there are none; Wine unloads at once. */
_IRQL_requires_max_(PASSIVE_LEVEL)
void SessionUnload(void);

_IRQL_requires_max_(DISPATCH_LEVEL)
void SessionReference(AI_SESSION *session);

_IRQL_requires_max_(DISPATCH_LEVEL)
void SessionDereference(AI_SESSION *session);

/* Takes the role of a runtime. On success the session owns `runtime`, which has its id in `runtimeId`. */
_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS SessionRegister(AI_SESSION *session, ai_runtime *runtime, uint64_t *runtimeId);

/* The session that `runtimeId` names, if it is a runtime of this user; else NULL. */
_Requires_lock_held_(Driver.lock)
AI_SESSION *SessionFindRuntime(const ai_user *user, uint64_t runtimeId);

/* WAIT_CONNECTION. After STATUS_PENDING the request is no longer the caller's; any other status is for it to give. */
_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS SessionWait(AI_SESSION *session, PIRP irp);

#endif
