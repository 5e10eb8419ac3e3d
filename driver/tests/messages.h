// SPDX-License-Identifier: Apache-2.0
/* Requests as a well-behaved program makes them, for tests to send or to spoil. */
#ifndef AI_MESSAGES_H
#define AI_MESSAGES_H

#include "ai_driver_ioctl.h"

#include <string.h>

static inline AI_RUNTIME_REGISTRATION registration_of(uint32_t provider_kind, const char *model)
{
    AI_RUNTIME_REGISTRATION registration = {.size = sizeof(registration),
                                            .provider_kind = provider_kind,
                                            .runtime_handle = 77,
                                            .adapter_luid = provider_kind,
                                            .capacity = 8,
                                            .model_count = 1,
                                            .adapter_name = "An adapter",
                                            .endpoint = "http://127.0.0.1:4711",
                                            .ep_library_path = "C:\\ep.dll"};
    strcpy(registration.models[0], model);
    return registration;
}

static inline AI_RUNTIME_STATS stats_of(uint32_t queue_depth, uint32_t latency_us)
{
    return (AI_RUNTIME_STATS){.size = sizeof(AI_RUNTIME_STATS),
                              .queue_depth = queue_depth,
                              .active_requests = 1,
                              .latency_us = latency_us,
                              .memory_total = 8u << 20,
                              .memory_used = 1u << 20,
                              .utilization_permille = 500,
                              .temperature_millicelsius = 60000};
}

static inline AI_PATH_QUERY query_of(const char *model)
{
    AI_PATH_QUERY query = {.size = sizeof(query)};
    strcpy(query.model, model);
    return query;
}

static inline AI_CHANNEL_REQUEST channel_to(uint64_t runtime_id)
{
    return (AI_CHANNEL_REQUEST){.size = sizeof(AI_CHANNEL_REQUEST), .section_bytes = 1u << 20, .runtime_id = runtime_id};
}

#endif
