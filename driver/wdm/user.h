// SPDX-License-Identifier: Apache-2.0
/* Whose program is it? Sessions of different users never see each other. */
#ifndef AI_USER_H
#define AI_USER_H

#include "platform.h"
#include "registry.h"

/* The user of the process's own token: a thread that impersonates somebody still acts for its process here. */
_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS UserOfProcess(PEPROCESS process, ai_user *user);

#endif
