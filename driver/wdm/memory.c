// SPDX-License-Identifier: Apache-2.0
#include "memory.h"

#define MEMORY_TAG 0x72446941u /* "AiDr" in a memory dump */

void *MemoryAllocate(SIZE_T size)
{
    /* Not ExAllocatePool2: it is newer than what the driver asks for, and this pool is the same. */
    void *memory = ExAllocatePoolWithTag(NonPagedPoolNx, size, MEMORY_TAG);
    if (memory != NULL)
        RtlZeroMemory(memory, size);
    return memory;
}

void MemoryFree(void *memory)
{
    ExFreePoolWithTag(memory, MEMORY_TAG);
}
