// SPDX-License-Identifier: Apache-2.0
/* Locks, the IRQL that they raise, and a clock that tests advance. */
#include "world.h"

#include <sched.h>

_Thread_local KIRQL world_irql;
_Thread_local bool world_holds_lock, world_holds_cancel_lock;
pthread_mutex_t world_cancel_lock = PTHREAD_MUTEX_INITIALIZER;

static _Atomic uint64_t clock_ms = 1000;

void world_require_passive(const char *function)
{
    if (world_irql != PASSIVE_LEVEL || world_holds_lock || world_holds_cancel_lock)
        world_fail("%s at IRQL %d or under a lock", function, world_irql);
}

void KeInitializeSpinLock(KSPIN_LOCK *lock)
{
    atomic_store(&lock->locked, 0);
}

void KeAcquireSpinLock(KSPIN_LOCK *lock, KIRQL *irql)
{
    int free_value = 0;

    if (world_holds_lock)
        world_fail("a spin lock is taken twice");
    if (world_holds_cancel_lock)
        world_fail("the driver's lock is taken under the cancel lock");
    while (!atomic_compare_exchange_weak(&lock->locked, &free_value, 1)) {
        free_value = 0;
        sched_yield();
    }
    *irql = world_irql;
    world_irql = DISPATCH_LEVEL;
    world_holds_lock = true;
}

void KeReleaseSpinLock(KSPIN_LOCK *lock, KIRQL irql)
{
    if (!world_holds_lock)
        world_fail("a spin lock is released that is not held");
    world_holds_lock = false;
    world_irql = irql;
    atomic_store(&lock->locked, 0);
}

void IoReleaseCancelSpinLock(KIRQL irql)
{
    if (!world_holds_cancel_lock)
        world_fail("the cancel lock is released that is not held");
    world_holds_cancel_lock = false;
    world_irql = irql;
    pthread_mutex_unlock(&world_cancel_lock);
}

ULONG64 KeQueryInterruptTime(void)
{
    return atomic_load(&clock_ms) * 10000;
}

void sim_advance_ms(uint64_t milliseconds)
{
    atomic_fetch_add(&clock_ms, milliseconds);
}
