// SPDX-License-Identifier: Apache-2.0
/*
 * What the simulator's files share. Each is one part of the simulated kernel; the tests see only sim.h.
 *
 * A wrong call of the driver ends the program at once, with what was wrong.
 */
#ifndef AI_SIM_WORLD_H
#define AI_SIM_WORLD_H

#include "sim.h"

#include <pthread.h>

/* world.c */
extern pthread_mutex_t world_lock; /* of handles, objects, requests and counters */
__attribute__((noreturn, format(printf, 1, 2))) void world_fail(const char *format, ...);
bool world_must_fail(void); /* this call is the one that sim_fail_nth counted to */

/* locks.c: what this thread holds */
extern _Thread_local KIRQL world_irql;
extern _Thread_local bool world_holds_lock, world_holds_cancel_lock;
extern pthread_mutex_t world_cancel_lock;
void world_require_passive(const char *function);

/* objects.c; to be called with `world_lock` held */
enum { KIND_FREE, KIND_PROCESS, KIND_DEVICE, KIND_TOKEN, KIND_SECTION, KIND_EVENT };
enum { HANDLE_TABLE_SIZE = 2048 };

typedef struct object {
    int kind;
    int references;
    bool is_set, is_manual;
    uint64_t bytes;
    PEPROCESS process; /* of a token */
} object;

typedef struct {
    object *of;
    ACCESS_MASK access;
} slot;

struct _EPROCESS {
    object header;
    bool is_alive;
    uint32_t id, user;
    sim_file *files;
    slot *handles;
    int handle_count;
};

struct _DEVICE_OBJECT {
    object header;
};

void object_drop(object *of);
slot *handle_find_kernel(HANDLE handle, int kind, const char *function); /* KIND_FREE: any kind */
HANDLE handle_open_kernel(object *of, ACCESS_MASK access);
void handle_close(slot *closed, int *count);

/* security.c */
extern bool world_is_protected; /* the device is */

/* driver.c */
extern struct _DRIVER_OBJECT world_driver;

/* requests.c */
struct sim_file {
    struct _FILE_OBJECT object;
    PEPROCESS process;
    uint32_t access;
    sim_request *requests; /* not released */
    sim_file *next;
};

NTSTATUS request_dispatch(UCHAR major, sim_file *file, PEPROCESS process); /* IRP_MJ_CREATE and its kin */

#endif
