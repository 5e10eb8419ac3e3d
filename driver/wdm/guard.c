// SPDX-License-Identifier: Apache-2.0
/*
 * What -fstack-protector-strong of gcc and clang calls. Microsoft's compiler has its own (/GS), and does not build
 * this file.
 */
#include "guard.h"

#define KERNEL_STACK_BUFFER_OVERRUN 0xF7 /* DRIVER_OVERRAN_STACK_BUFFER */

uintptr_t __stack_chk_guard;

__attribute__((noreturn)) void __stack_chk_fail(void);

void __stack_chk_fail(void)
{
    KeBugCheckEx(KERNEL_STACK_BUFFER_OVERRUN, 0, 0, 0, 0);
}

/* A program cannot know the time of loading to 100 ns nor where the image is; the low byte 0 ends an overrunning text. */
__attribute__((no_stack_protector)) void GuardInitialize(void)
{
    __stack_chk_guard = ((uintptr_t)&__stack_chk_guard ^ (uintptr_t)(KeQueryInterruptTime() * 0x9E3779B97F4A7C15u)) & ~(uintptr_t)0xFF;
}
