// SPDX-License-Identifier: Apache-2.0
/* What ends the program, and the failures that tests ask for. */
#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

pthread_mutex_t world_lock = PTHREAD_MUTEX_INITIALIZER;

static _Thread_local int calls_until_failure;
static _Thread_local bool has_failed;

void world_fail(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fputs("simulator: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    abort();
}

void sim_fail_nth(int n)
{
    calls_until_failure = n;
    has_failed = false;
}

bool sim_failed(void)
{
    return has_failed;
}

bool world_must_fail(void)
{
    if (calls_until_failure == 0 || --calls_until_failure != 0)
        return false;
    has_failed = true;
    return true;
}
