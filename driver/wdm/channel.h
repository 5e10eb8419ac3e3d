// SPDX-License-Identifier: Apache-2.0
/*
 * Channels: shared memory that the driver makes, hands to two processes, and forgets, but for one event.
 *
 * The driver keeps no handle and no mapping of a channel's section. What it keeps is the link between the two
 * sessions and the event `closed`, so that each side is told at once when the other's session ends.
 */
#ifndef AI_CHANNEL_H
#define AI_CHANNEL_H

#include "session.h"

struct _AI_CHANNEL_LINK {
    LIST_ENTRY ofRuntime;  /* runtime->channels, while linked */
    LONG references;       /* one while it is linked, one while it is made */
    AI_SESSION *client;    /* referenced */
    AI_SESSION *runtime;   /* referenced */
    HANDLE closed;         /* kernel handle of the event */
};

/* OPEN_CHANNEL for `client`: fills `channel` with the client's handles and completes a WAIT_CONNECTION. */
_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS ChannelOpen(AI_SESSION *client, const AI_CHANNEL_REQUEST *request, AI_CHANNEL *channel);

/* Takes one of the session's channels, on whichever side, out of both sessions. NULL when it has none. */
_IRQL_requires_max_(DISPATCH_LEVEL)
AI_CHANNEL_LINK *ChannelUnlinkOne(AI_SESSION *session);

/* Tells both sides that an unlinked channel is closed, and frees it. */
_IRQL_requires_max_(PASSIVE_LEVEL)
void ChannelClose(AI_CHANNEL_LINK *link);

#endif
