// SPDX-License-Identifier: Apache-2.0
/* The one place that includes the kernel's headers: Microsoft's WDK, mingw-w64's, or the simulator's. */
#ifndef AI_PLATFORM_H
#define AI_PLATFORM_H

#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
#endif
#include <ntifs.h>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

/* Annotations that Microsoft's analysers read; mingw-w64 does not have them all. */
#ifndef _IRQL_requires_max_
#define _IRQL_requires_max_(irql)
#endif
#ifndef _Requires_lock_held_
#define _Requires_lock_held_(lock)
#endif

/* Defined for programs (winnt.h), but not in every version of the kernel's headers. */
#ifndef PROCESS_QUERY_INFORMATION
#define PROCESS_QUERY_INFORMATION 0x0400
#endif
#ifndef PROCESS_DUP_HANDLE
#define PROCESS_DUP_HANDLE 0x0040
#endif

/* Milliseconds since the system started. */
static inline ULONG64 ClockMilliseconds(void)
{
    return KeQueryInterruptTime() / 10000;
}

#endif
