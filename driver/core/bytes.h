// SPDX-License-Identifier: Apache-2.0
/* Zeroing, copying and comparing, for code that has no C library. Compilers make calls of memset and memcpy of them. */
#ifndef AI_BYTES_H
#define AI_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline void ai_zero(void *target, size_t size)
{
    for (size_t index = 0; index < size; index++)
        ((uint8_t *)target)[index] = 0;
}

static inline void ai_copy(void *target, const void *source, size_t size)
{
    for (size_t index = 0; index < size; index++)
        ((uint8_t *)target)[index] = ((const uint8_t *)source)[index];
}

static inline bool ai_equal(const void *one, const void *other, size_t size)
{
    for (size_t index = 0; index < size; index++) {
        if (((const uint8_t *)one)[index] != ((const uint8_t *)other)[index])
            return false;
    }
    return true;
}

#endif
