// SPDX-License-Identifier: Apache-2.0
/*
 * The one interface between ai_driver.sys and the programs that use it.
 *
 * Included by the driver, by its tests and by C programs; src/codex_windows_ai/kernel/abi.py mirrors it and a test
 * compares the two field by field. Rules:
 *
 * - Every structure has a fixed layout: fixed-width integers, no pointers, no implicit padding. Handles are values
 *   that are valid in the process that receives them, widened to 64 bits.
 * - Every structure starts with `size`, its own size in bytes. An input must be exactly as long as its structure and
 *   say so; an output buffer must be at least as long as its structure.
 * - `reserved` fields must be zero in an input and are zero in an output.
 * - Text is UTF-8, ended by a NUL; every byte after the NUL is zero. Control characters are refused.
 * - Anything that changes a layout or a meaning raises AI_ABI_VERSION. GET_VERSION itself never changes.
 *
 * A handle of the device is a session. It belongs to the process that opened it: an IOCTL from another process that
 * got the handle is refused. A session is a runtime (after REGISTER_WINAI_RUNTIME) or has a channel (after
 * OPEN_CHANNEL), never both. Whatever it holds ends with its handle, or with its process. Programs of one user never
 * see another user's runtimes.
 *
 * Open it overlapped: Windows runs the requests of a synchronous handle one after the other, and a pending
 * WAIT_CONNECTION would block all others. The driver refuses WAIT_CONNECTION on a synchronous handle.
 *
 * What a request is refused with (NTSTATUS, and what GetLastError says):
 *
 *   STATUS_INFO_LENGTH_MISMATCH    24   the input is not as long as its structure: another ABI version
 *   STATUS_REVISION_MISMATCH     1306   `size` is not the structure's size: another ABI version
 *   STATUS_BUFFER_TOO_SMALL       122   the output buffer is shorter than its structure
 *   STATUS_INVALID_PARAMETER       87   a field has a value that its description does not allow
 *   STATUS_INVALID_DEVICE_REQUEST   1   no such IOCTL
 *   STATUS_INVALID_DEVICE_STATE    22   not in this role, not twice, or not on a synchronous handle
 *   STATUS_ACCESS_DENIED            5   the handle was opened for less, or belongs to another process
 *   STATUS_NOT_FOUND             1168   no runtime (or adapter) fits; for OPEN_CHANNEL: this runtime is gone
 *   STATUS_RETRY                 1237   the runtime has no WAIT_CONNECTION pending at this moment
 *   STATUS_CONNECTION_ABORTED    1236   the other side went away while the channel was made
 *   STATUS_CANCELLED              995   the pending WAIT_CONNECTION was cancelled, or its session ended
 *   STATUS_QUOTA_EXCEEDED        1816   AI_MAX_RUNTIMES, AI_MAX_RUNTIMES_PER_USER or AI_MAX_WAITS is reached
 *   STATUS_INSUFFICIENT_RESOURCES 1450  the system is out of memory
 */
#ifndef AI_DRIVER_IOCTL_H
#define AI_DRIVER_IOCTL_H

#include <stddef.h>
#include <stdint.h>

#define AI_ABI_VERSION 1u

#define AI_DRIVER_SERVICE "ai_driver"
#define AI_DEVICE_PATH "\\\\.\\AiDriver" /* for CreateFile */

#define AI_MAX_RUNTIMES 64u
#define AI_MAX_RUNTIMES_PER_USER 16u
#define AI_MAX_WAITS 64u    /* WAIT_CONNECTIONs that one runtime may have pending */
#define AI_MAX_ADAPTERS 16u /* in one GET_GPU_STATS: as many as a user can have runtimes, so all of them fit */
#define AI_MAX_MODELS 16u   /* models of one runtime */
#define AI_MAX_PREFIXES 64u /* prefixes in one report */

/* Sizes of text fields in bytes, the NUL included. */
#define AI_MODEL_BYTES 128u
#define AI_ADAPTER_NAME_BYTES 128u
#define AI_ENDPOINT_BYTES 256u
#define AI_LIBRARY_PATH_BYTES 1024u

/* A channel's section: a multiple of AI_CHANNEL_GRANULE between the two bounds. */
#define AI_CHANNEL_GRANULE 4096u
#define AI_CHANNEL_MIN_BYTES 65536u
#define AI_CHANNEL_MAX_BYTES 16777216u

/*
 * What CTL_CODE of the Windows headers makes: device type (the vendors' half), access, function (the vendors' half),
 * method. The method is always METHOD_BUFFERED (0): the system copies both buffers.
 */
#define AI_DEVICE_TYPE 0x8A1Du
#define AI_ACCESS_READ 1u
#define AI_ACCESS_READ_WRITE 3u
#define AI_IOCTL(function, access) ((AI_DEVICE_TYPE << 16) | ((access) << 14) | ((function) << 2))

#define IOCTL_AI_GET_VERSION AI_IOCTL(0x800u, AI_ACCESS_READ)                  /* - -> AI_VERSION */
#define IOCTL_AI_REGISTER_WINAI_RUNTIME AI_IOCTL(0x801u, AI_ACCESS_READ_WRITE) /* AI_RUNTIME_REGISTRATION -> AI_RUNTIME_REGISTERED */
#define IOCTL_AI_REPORT_STATS AI_IOCTL(0x802u, AI_ACCESS_READ_WRITE)           /* AI_RUNTIME_STATS -> - */
#define IOCTL_AI_GET_GPU_STATS AI_IOCTL(0x803u, AI_ACCESS_READ)                /* AI_GPU_STATS_QUERY -> AI_GPU_STATS */
#define IOCTL_AI_GET_OPTIMIZED_PATH AI_IOCTL(0x804u, AI_ACCESS_READ)           /* AI_PATH_QUERY -> AI_OPTIMIZED_PATH */
#define IOCTL_AI_OPEN_CHANNEL AI_IOCTL(0x805u, AI_ACCESS_READ_WRITE)           /* AI_CHANNEL_REQUEST -> AI_CHANNEL */
#define IOCTL_AI_WAIT_CONNECTION AI_IOCTL(0x806u, AI_ACCESS_READ_WRITE)        /* - -> AI_CHANNEL, pending */

#define AI_ASSERT_SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), #type " has another layout")

/* What answers. In order of preference: between equals the lower value wins. */
enum AI_PROVIDER_KIND {
    AI_PROVIDER_LANGUAGE_MODEL = 1, /* the language model that Windows itself ships */
    AI_PROVIDER_GPU = 2,
    AI_PROVIDER_NPU = 3,
    AI_PROVIDER_CPU = 4
};
#define AI_PROVIDER_BIT(kind) (1u << (kind))
#define AI_PROVIDER_BITS 0x1Eu /* every kind there is */

/* GET_VERSION ---------------------------------------------------------------------------------------------------- */

#define AI_CAPABILITY_CHANNELS 0x1u /* OPEN_CHANNEL and WAIT_CONNECTION work */

typedef struct AI_VERSION {
    uint32_t size;
    uint32_t abi_version;
    uint32_t capabilities; /* AI_CAPABILITY_* */
    uint32_t reserved;
} AI_VERSION;
AI_ASSERT_SIZE(AI_VERSION, 16);

/* REGISTER_WINAI_RUNTIME: a runtime announces itself. ------------------------------------------------------------ */

typedef struct AI_RUNTIME_REGISTRATION {
    uint32_t size;
    uint32_t provider_kind;  /* AI_PROVIDER_KIND */
    uint64_t runtime_handle; /* the runtime's own name for itself; never read by the driver, told to clients */
    uint64_t adapter_luid;   /* HighPart << 32 | LowPart; 0 where there is no adapter */
    uint32_t capacity;       /* requests it works on at the same time, at least 1 */
    uint32_t model_count;    /* 1 .. AI_MAX_MODELS; further entries of `models` are empty */
    char adapter_name[AI_ADAPTER_NAME_BYTES];
    char endpoint[AI_ENDPOINT_BYTES];              /* where clients reach it without a channel; may be empty */
    char ep_library_path[AI_LIBRARY_PATH_BYTES];   /* the execution provider's library; may be empty */
    char models[AI_MAX_MODELS][AI_MODEL_BYTES];    /* the models it answers for */
} AI_RUNTIME_REGISTRATION;
AI_ASSERT_SIZE(AI_RUNTIME_REGISTRATION, 3488);

typedef struct AI_RUNTIME_REGISTERED {
    uint32_t size;
    uint32_t reserved;
    uint64_t runtime_id; /* never 0, never used again */
} AI_RUNTIME_REGISTERED;
AI_ASSERT_SIZE(AI_RUNTIME_REGISTERED, 16);

/* REPORT_STATS: how the registered runtime is doing; replaces its last report. ----------------------------------- */

#define AI_UNKNOWN_UTILIZATION UINT32_MAX
#define AI_UNKNOWN_TEMPERATURE INT32_MIN
#define AI_MAX_TEMPERATURE 1000000 /* and as much below zero */

typedef struct AI_RUNTIME_STATS {
    uint32_t size;
    uint32_t queue_depth;              /* requests accepted and not yet started */
    uint32_t active_requests;          /* requests it works on now */
    uint32_t latency_us;               /* mean time from start to end of those finished since the last report; 0: none */
    uint64_t memory_total;             /* of the adapter, bytes; 0: not known */
    uint64_t memory_used;              /* at most memory_total */
    uint32_t utilization_permille;     /* of the adapter, 0 .. 1000 or AI_UNKNOWN_UTILIZATION */
    int32_t temperature_millicelsius;  /* of the adapter, or AI_UNKNOWN_TEMPERATURE */
    uint32_t prefix_count;             /* 0 .. AI_MAX_PREFIXES; further entries of `prefixes` are 0 */
    uint32_t reserved;
    uint64_t prefixes[AI_MAX_PREFIXES]; /* hashes of the prompt prefixes it holds; none is 0 */
} AI_RUNTIME_STATS;
AI_ASSERT_SIZE(AI_RUNTIME_STATS, 560);

/* GET_GPU_STATS: the figures of the adapters that registered runtimes run on. ------------------------------------ */

enum AI_ADAPTER_SELECTION { AI_ALL_ADAPTERS = 0, AI_ONE_ADAPTER = 1 };

typedef struct AI_GPU_STATS_QUERY {
    uint32_t size;
    uint32_t selection;    /* AI_ADAPTER_SELECTION */
    uint64_t adapter_luid; /* for AI_ONE_ADAPTER; else 0 */
} AI_GPU_STATS_QUERY;
AI_ASSERT_SIZE(AI_GPU_STATS_QUERY, 16);

/* One adapter: memory, utilization and temperature as the newest report says, requests summed over its runtimes. */
typedef struct AI_ADAPTER_STATS {
    uint64_t adapter_luid;
    uint64_t memory_total; /* bytes; 0: not known */
    uint64_t memory_used;
    uint64_t queue_depth;
    uint64_t active_requests;
    uint64_t age_ms; /* of the newest report; UINT64_MAX: no runtime has reported yet */
    uint32_t utilization_permille;
    int32_t temperature_millicelsius;
    uint32_t runtime_count;
    uint32_t provider_bits; /* AI_PROVIDER_BIT of every kind that runs on it */
    char adapter_name[AI_ADAPTER_NAME_BYTES];
} AI_ADAPTER_STATS;
AI_ASSERT_SIZE(AI_ADAPTER_STATS, 192);

typedef struct AI_GPU_STATS {
    uint32_t size;
    uint32_t adapter_count; /* entries filled in, in the order of adapter_luid */
    uint64_t reserved;
    AI_ADAPTER_STATS adapters[AI_MAX_ADAPTERS];
} AI_GPU_STATS;
AI_ASSERT_SIZE(AI_GPU_STATS, 3088);

/* GET_OPTIMIZED_PATH: the runtime to ask, and why it. ------------------------------------------------------------ */

/*
 * The rule. Of the user's runtimes, those are candidates that have the model and are of a wanted kind. A candidate's
 * expected wait is queue_depth x latency average; a runtime that has not finished a request yet counts with
 * AI_ASSUMED_LATENCY_US. The average is exponential with weight 1/8, as TCP smooths its round trips (RFC 6298).
 *
 * Candidates are ordered by expected wait, then latency average, then provider kind, then time of registration.
 * The first one with the prompt's prefix is chosen, unless it is so busy that the first one without would have begun
 * and ended its whole answer before (wait > other's wait + other's latency average); then that other one is.
 */
#define AI_ASSUMED_LATENCY_US 1000000u
#define AI_LATENCY_WEIGHT 8u

enum AI_PATH_REASON {
    AI_REASON_ONLY_CANDIDATE = 1,
    AI_REASON_HAS_PREFIX = 2,         /* it has the prefix, the runner-up has not */
    AI_REASON_LOWEST_WAIT = 3,        /* of the expected waits */
    AI_REASON_LOWEST_LATENCY = 4,     /* the waits are equal */
    AI_REASON_PREFERRED_PROVIDER = 5, /* the latency averages, too */
    AI_REASON_REGISTERED_FIRST = 6    /* everything is equal */
};

typedef struct AI_PATH_QUERY {
    uint32_t size;
    uint32_t provider_bits; /* AI_PROVIDER_BIT of the kinds wanted; 0: any */
    uint64_t prefix_hash;   /* of the prompt's prefix; 0: no preference */
    char model[AI_MODEL_BYTES]; /* exactly as registered; empty: any */
} AI_PATH_QUERY;
AI_ASSERT_SIZE(AI_PATH_QUERY, 144);

typedef struct AI_OPTIMIZED_PATH {
    uint32_t size;
    uint32_t reason; /* AI_PATH_REASON */
    uint64_t runtime_id;
    uint64_t runtime_handle; /* as registered */
    uint64_t adapter_luid;
    uint64_t expected_wait_us;
    uint64_t latency_us; /* the average; 0: no request finished yet */
    uint64_t age_ms;     /* of its last report; UINT64_MAX: it has not reported yet */
    uint64_t runner_up_id; /* the first of the others in the order above; 0: there is none */
    uint64_t runner_up_wait_us;
    uint32_t provider_kind;
    uint32_t process_id;
    uint32_t queue_depth;
    uint32_t active_requests;
    uint32_t capacity;         /* as registered */
    uint32_t has_prefix;       /* 1: it reported the prefix asked for */
    uint32_t candidates;       /* runtimes that fit */
    uint32_t prefix_holders;   /* of these, how many reported the prefix */
    uint32_t without_model;    /* runtimes passed over: not the model */
    uint32_t without_provider; /* runtimes passed over: the model, but not the kind */
    char adapter_name[AI_ADAPTER_NAME_BYTES];
    char endpoint[AI_ENDPOINT_BYTES];
    char ep_library_path[AI_LIBRARY_PATH_BYTES];
    char model[AI_MODEL_BYTES]; /* the model asked for, or its first one */
} AI_OPTIMIZED_PATH;
AI_ASSERT_SIZE(AI_OPTIMIZED_PATH, 1648);

/* OPEN_CHANNEL and WAIT_CONNECTION: shared memory between a client and a runtime. -------------------------------- */

/*
 * OPEN_CHANNEL makes an unnamed section, filled with zeros, and three unnamed events, gives both processes handles
 * of them with no more access than named below, and completes the runtime's oldest WAIT_CONNECTION. The driver
 * neither maps nor reads the section: what the two write there is between them, and neither may trust the other.
 *
 *   section        both: map for reading and writing
 *   to_runtime     auto-reset; the client sets it, the runtime waits for it
 *   to_client      auto-reset; the runtime sets it, the client waits for it
 *   closed         manual-reset; both wait for it; the driver sets it when either session ends
 *
 * Whoever gets the handles closes them. A client session has one channel at a time; to close it, close the session.
 */
typedef struct AI_CHANNEL_REQUEST {
    uint32_t size;
    uint32_t section_bytes;
    uint64_t runtime_id; /* as GET_OPTIMIZED_PATH named it */
} AI_CHANNEL_REQUEST;
AI_ASSERT_SIZE(AI_CHANNEL_REQUEST, 16);

typedef struct AI_CHANNEL {
    uint32_t size;
    uint32_t section_bytes;
    uint64_t channel_id; /* never 0, never used again */
    uint64_t runtime_id;
    uint64_t section;
    uint64_t to_runtime;
    uint64_t to_client;
    uint64_t closed;
    uint32_t peer_process_id;
    uint32_t reserved;
} AI_CHANNEL;
AI_ASSERT_SIZE(AI_CHANNEL, 64);

#endif
