// SPDX-License-Identifier: Apache-2.0
#include "validate.h"

/*
 * Length of the well-formed UTF-8 sequence at `bytes`, of which `left` remain; 0 when there is none. The ranges of the
 * second byte are those of table 3-7 of the Unicode standard: no overlong forms, no surrogates, nothing over U+10FFFF.
 */
static size_t sequence_length(const uint8_t *bytes, size_t left)
{
    uint8_t first = bytes[0];
    uint8_t low = 0x80, high = 0xBF;
    size_t length;

    if (first < 0x80)
        return first >= 0x20 && first != 0x7F;
    if (first >= 0xC2 && first <= 0xDF)
        length = 2;
    else if (first >= 0xE0 && first <= 0xEF)
        length = 3;
    else if (first >= 0xF0 && first <= 0xF4)
        length = 4;
    else
        return 0;

    if (first == 0xE0)
        low = 0xA0;
    else if (first == 0xED)
        high = 0x9F;
    else if (first == 0xF0)
        low = 0x90;
    else if (first == 0xF4)
        high = 0x8F;

    if (length > left || bytes[1] < low || bytes[1] > high)
        return 0;
    for (size_t index = 2; index < length; index++) {
        if (bytes[index] < 0x80 || bytes[index] > 0xBF)
            return 0;
    }
    return length;
}

bool ai_text_is_valid(const char *text, size_t capacity)
{
    const uint8_t *bytes = (const uint8_t *)text;
    size_t index = 0;

    while (index < capacity && bytes[index] != 0) {
        size_t length = sequence_length(bytes + index, capacity - index);
        if (length == 0)
            return false;
        index += length;
    }
    if (index == capacity)
        return false;
    for (; index < capacity; index++) {
        if (bytes[index] != 0)
            return false;
    }
    return true;
}

bool ai_registration_is_valid(const AI_RUNTIME_REGISTRATION *registration)
{
    if (registration->provider_kind < AI_PROVIDER_LANGUAGE_MODEL || registration->provider_kind > AI_PROVIDER_CPU)
        return false;
    if (registration->capacity == 0)
        return false;
    if (registration->model_count == 0 || registration->model_count > AI_MAX_MODELS)
        return false;
    if (!ai_text_is_valid(registration->adapter_name, AI_ADAPTER_NAME_BYTES) ||
        !ai_text_is_valid(registration->endpoint, AI_ENDPOINT_BYTES) ||
        !ai_text_is_valid(registration->ep_library_path, AI_LIBRARY_PATH_BYTES))
        return false;
    for (uint32_t index = 0; index < AI_MAX_MODELS; index++) {
        bool is_named = registration->models[index][0] != 0;
        if (is_named != (index < registration->model_count) ||
            !ai_text_is_valid(registration->models[index], AI_MODEL_BYTES))
            return false;
    }
    return true;
}

bool ai_stats_are_valid(const AI_RUNTIME_STATS *stats)
{
    if (stats->reserved != 0 || stats->memory_used > stats->memory_total)
        return false;
    if (stats->utilization_permille > 1000 && stats->utilization_permille != AI_UNKNOWN_UTILIZATION)
        return false;
    if (stats->temperature_millicelsius != AI_UNKNOWN_TEMPERATURE &&
        (stats->temperature_millicelsius > AI_MAX_TEMPERATURE || stats->temperature_millicelsius < -AI_MAX_TEMPERATURE))
        return false;
    if (stats->prefix_count > AI_MAX_PREFIXES)
        return false;
    for (uint32_t index = 0; index < AI_MAX_PREFIXES; index++) {
        if ((stats->prefixes[index] != 0) != (index < stats->prefix_count))
            return false;
    }
    return true;
}

bool ai_stats_query_is_valid(const AI_GPU_STATS_QUERY *query)
{
    if (query->selection == AI_ALL_ADAPTERS)
        return query->adapter_luid == 0;
    return query->selection == AI_ONE_ADAPTER;
}

bool ai_path_query_is_valid(const AI_PATH_QUERY *query)
{
    return (query->provider_bits & ~AI_PROVIDER_BITS) == 0 && ai_text_is_valid(query->model, AI_MODEL_BYTES);
}

bool ai_channel_request_is_valid(const AI_CHANNEL_REQUEST *request)
{
    return request->runtime_id != 0 && request->section_bytes >= AI_CHANNEL_MIN_BYTES &&
           request->section_bytes <= AI_CHANNEL_MAX_BYTES && request->section_bytes % AI_CHANNEL_GRANULE == 0;
}
