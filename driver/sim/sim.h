// SPDX-License-Identifier: Apache-2.0
/*
 * A Windows kernel small enough to test against: what programs and the I/O manager do to the driver, on the host.
 *
 * It follows Windows by default and Wine where a function says so, because Wine is where the built driver runs and
 * Windows is what it is for. Everything may be used from several threads.
 */
#ifndef AI_SIM_H
#define AI_SIM_H

#include "ai_driver_ioctl.h"

#include <ntifs.h>

/* Loading and unloading. `sim_unload` ends the program if the driver leaves anything behind. */
NTSTATUS sim_load(void);
void sim_unload(void);

/* To be set where several threads use the driver: a request may then be in another thread's hands for a moment. */
extern bool sim_is_concurrent;

/* Processes. The user is a number that makes a SID; ending one cancels its requests and closes its handles. */
PEPROCESS sim_process_start(uint32_t user);
void sim_process_end(PEPROCESS process);

/* The same, but a handle of one of its files lives on in another process. */
void sim_process_end_keeping_files(PEPROCESS process);

/* Closes what a process was given. */
void sim_process_close_handles(PEPROCESS process);

/* Files: handles of the device. */
enum { SIM_READ = 1, SIM_READ_WRITE = 3 };
typedef struct sim_file sim_file;
sim_file *sim_open(PEPROCESS process);                                   /* must succeed */
sim_file *sim_open_with(PEPROCESS process, uint32_t access, ULONG flags, NTSTATUS *status); /* NULL: refused */
sim_file *sim_open_as_wine(PEPROCESS process);                           /* usable whether or not it was refused */
sim_file *sim_open_below(PEPROCESS process, NTSTATUS *status);           /* \\.\AiDriver\name */
void sim_close(sim_file *file);                                          /* IRP_MJ_CLEANUP, IRP_MJ_CLOSE */
void sim_close_as_wine(sim_file *file);                                  /* IRP_MJ_CLOSE, also with requests pending */

/* Requests. */
typedef struct sim_request {
    NTSTATUS status; /* as completed */
    ULONG_PTR information;
    _Atomic bool is_done;
    bool was_marked_pending;
    uint8_t output[4096];
    ULONG output_length;
    sim_file *file;
    PIRP irp;
    int pins;
    struct sim_request *next;
} sim_request;

/* What the caller's output buffer and the rest of the system buffer hold before the driver writes there. */
extern _Thread_local uint8_t sim_poison;

sim_request *sim_send(sim_file *file, PEPROCESS process, uint32_t code, const void *input, ULONG input_length,
                      ULONG output_length);
sim_request *sim_send_cancelled(sim_file *file, PEPROCESS process, uint32_t code, ULONG output_length);
void sim_cancel(sim_request *request); /* may race with completion */
void sim_release(sim_request *request); /* the request is done, and no longer of interest */

/* Sends a request that must not stay pending; gives its status and copies what it wrote. */
NTSTATUS sim_call(sim_file *file, PEPROCESS process, uint32_t code, const void *input, ULONG input_length, void *output,
                  ULONG output_length);

/* Makes the n-th call from now, of those that may fail, fail; 0 makes none. True from sim_failed: it came to that. */
void sim_fail_nth(int n);
bool sim_failed(void);

/* What is there. */
int sim_pool_blocks(void);
int sim_kernel_handles(void);
int sim_process_handles(PEPROCESS process);
ACCESS_MASK sim_handle_access(PEPROCESS process, uint64_t handle); /* 0: no such handle */
bool sim_same_object(PEPROCESS one, uint64_t handle, PEPROCESS other, uint64_t other_handle);
bool sim_event_is_set(PEPROCESS process, uint64_t handle);
bool sim_event_is_manual(PEPROCESS process, uint64_t handle);
uint64_t sim_section_bytes(PEPROCESS process, uint64_t handle);
void sim_advance_ms(uint64_t milliseconds);

#endif
