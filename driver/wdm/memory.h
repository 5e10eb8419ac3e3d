// SPDX-License-Identifier: Apache-2.0
/* Memory that is never paged out, never executable, and zero. */
#ifndef AI_MEMORY_H
#define AI_MEMORY_H

#include "platform.h"

/* Lets gcc -fanalyzer follow what is allocated to where it is freed. */
#if defined(__GNUC__) && !defined(__clang__)
#define MEMORY_FREED_BY(function) __attribute__((malloc(function, 1), warn_unused_result))
#else
#define MEMORY_FREED_BY(function)
#endif

_IRQL_requires_max_(DISPATCH_LEVEL)
void MemoryFree(void *memory);

/* NULL when the system has no more. */
_IRQL_requires_max_(DISPATCH_LEVEL)
MEMORY_FREED_BY(MemoryFree)
void *MemoryAllocate(SIZE_T size);

#endif
