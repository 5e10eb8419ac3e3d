// SPDX-License-Identifier: Apache-2.0
/* Who a process belongs to, and the protection of the device. */
#include "world.h"

#include <stdlib.h>

bool world_is_protected;

NTSTATUS ZwOpenProcessTokenEx(HANDLE process, ACCESS_MASK access, ULONG attributes, HANDLE *token)
{
    object *made;

    world_require_passive("ZwOpenProcessTokenEx");
    if (attributes != OBJ_KERNEL_HANDLE)
        world_fail("a token is opened that user mode could use");
    if (world_must_fail())
        return STATUS_INSUFFICIENT_RESOURCES;
    made = calloc(1, sizeof(*made));
    pthread_mutex_lock(&world_lock);
    *made = (object){.kind = KIND_TOKEN};
    made->process = (PEPROCESS)handle_find_kernel(process, KIND_PROCESS, "ZwOpenProcessTokenEx")->of;
    made->process->header.references++;
    *token = handle_open_kernel(made, access);
    pthread_mutex_unlock(&world_lock);
    return STATUS_SUCCESS;
}

NTSTATUS ZwQueryInformationToken(HANDLE token, TOKEN_INFORMATION_CLASS kind, void *information, ULONG size,
                                 ULONG *length)
{
    /* S-1-5-21-1-2-3-user */
    const uint32_t sub_authorities[] = {21, 1, 2, 3, 0};
    uint8_t sid[8 + sizeof(sub_authorities)] = {1, 5, 0, 0, 0, 0, 0, 5};
    TOKEN_USER *user = information;

    world_require_passive("ZwQueryInformationToken");
    if (world_must_fail())
        return STATUS_UNSUCCESSFUL;
    *length = (ULONG)(sizeof(*user) + sizeof(sid));
    if (kind != TokenUser || size < *length)
        world_fail("a token's user does not fit");
    memcpy(sid + 8, sub_authorities, sizeof(sub_authorities));
    pthread_mutex_lock(&world_lock);
    memcpy(sid + 24, &handle_find_kernel(token, KIND_TOKEN, "ZwQueryInformationToken")->of->process->user, 4);
    pthread_mutex_unlock(&world_lock);
    user->User.Sid = user + 1;
    memcpy(user->User.Sid, sid, sizeof(sid));
    return STATUS_SUCCESS;
}

NTSTATUS RtlCreateAcl(ACL *acl, ULONG size, ULONG revision)
{
    *acl = (ACL){.AclRevision = (UCHAR)revision, .AclSize = (USHORT)size};
    return world_must_fail() ? STATUS_INVALID_PARAMETER : STATUS_SUCCESS;
}

NTSTATUS RtlAddAccessAllowedAce(ACL *acl, ULONG revision, ACCESS_MASK access, PSID sid)
{
    (void)revision;
    if (access == 0 || ((uint8_t *)sid)[0] != 1)
        world_fail("an access rule that allows nothing or nobody");
    acl->AceCount++;
    return world_must_fail() ? STATUS_INVALID_PARAMETER : STATUS_SUCCESS;
}

NTSTATUS RtlCreateSecurityDescriptor(SECURITY_DESCRIPTOR *descriptor, ULONG revision)
{
    (void)revision;
    *descriptor = (SECURITY_DESCRIPTOR){0};
    return world_must_fail() ? STATUS_INVALID_PARAMETER : STATUS_SUCCESS;
}

NTSTATUS RtlSetDaclSecurityDescriptor(SECURITY_DESCRIPTOR *descriptor, BOOLEAN present, ACL *acl, BOOLEAN defaulted)
{
    (void)defaulted;
    descriptor->Dacl = present ? acl : NULL;
    return world_must_fail() ? STATUS_INVALID_PARAMETER : STATUS_SUCCESS;
}

NTSTATUS ZwSetSecurityObject(HANDLE handle, ULONG information, SECURITY_DESCRIPTOR *descriptor)
{
    world_require_passive("ZwSetSecurityObject");
    pthread_mutex_lock(&world_lock);
    (void)handle_find_kernel(handle, KIND_DEVICE, "ZwSetSecurityObject");
    pthread_mutex_unlock(&world_lock);
    if (information != DACL_SECURITY_INFORMATION || descriptor->Dacl == NULL || descriptor->Dacl->AceCount == 0)
        world_fail("a device that everybody may open");
    if (world_must_fail())
        return STATUS_ACCESS_DENIED;
    world_is_protected = true;
    return STATUS_SUCCESS;
}
