// SPDX-License-Identifier: Apache-2.0
/* Memory: every block has its tag, new ones are full of 0xCC, and none may be left at the end. */
#include "world.h"

#include <stdlib.h>

static int pool_blocks;

typedef struct {
    ULONG tag;
    SIZE_T size;
} pool_header;

void *ExAllocatePoolWithTag(POOL_TYPE type, SIZE_T size, ULONG tag)
{
    pool_header *header;

    if (type != NonPagedPoolNx || size == 0 || tag == 0)
        world_fail("allocation of type %d, size %zu, tag %x", type, size, tag);
    if (world_irql > DISPATCH_LEVEL)
        world_fail("allocation at IRQL %d", world_irql);
    if (world_must_fail())
        return NULL;
    header = malloc(sizeof(*header) + size);
    header->tag = tag;
    header->size = size;
    memset(header + 1, 0xCC, size);
    pthread_mutex_lock(&world_lock);
    pool_blocks++;
    pthread_mutex_unlock(&world_lock);
    return header + 1;
}

void ExFreePoolWithTag(void *memory, ULONG tag)
{
    pool_header *header = (pool_header *)memory - 1;

    if (header->tag != tag)
        world_fail("memory of tag %x freed with tag %x", header->tag, tag);
    header->tag = 0;
    free(header);
    pthread_mutex_lock(&world_lock);
    pool_blocks--;
    pthread_mutex_unlock(&world_lock);
}

int sim_pool_blocks(void)
{
    return pool_blocks;
}
