// SPDX-License-Identifier: Apache-2.0
#include "registry.h"

bool ai_same_user(const ai_user *one, const ai_user *other)
{
    if (one->length != other->length)
        return false;
    for (uint32_t index = 0; index < one->length; index++) {
        if (one->sid[index] != other->sid[index])
            return false;
    }
    return true;
}

bool ai_registry_add(ai_registry *registry, ai_runtime *runtime)
{
    ai_runtime **end = &registry->first;
    uint32_t of_user = 0;

    for (; *end != NULL; end = &(*end)->next)
        of_user += ai_same_user(&(*end)->user, &runtime->user);
    if (registry->count >= AI_MAX_RUNTIMES || of_user >= AI_MAX_RUNTIMES_PER_USER)
        return false;

    runtime->id = ++registry->last_id;
    runtime->next = NULL;
    *end = runtime;
    registry->count++;
    return true;
}

void ai_registry_remove(ai_registry *registry, ai_runtime *runtime)
{
    ai_runtime **link = &registry->first;

    while (*link != runtime)
        link = &(*link)->next;
    *link = runtime->next;
    runtime->next = NULL;
    registry->count--;
}

ai_runtime *ai_runtime_of_user(ai_runtime *runtime, const ai_user *user)
{
    while (runtime != NULL && !ai_same_user(&runtime->user, user))
        runtime = runtime->next;
    return runtime;
}
