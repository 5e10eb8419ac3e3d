// SPDX-License-Identifier: Apache-2.0
#include "user.h"
#include "bytes.h"

#define SID_HEADER_BYTES 8u /* revision, count of sub-authorities, identifier authority; then 4 bytes for each */

static NTSTATUS UserOfToken(HANDLE token, ai_user *user)
{
    union {
        TOKEN_USER owner;
        UCHAR bytes[sizeof(TOKEN_USER) + AI_SID_BYTES];
    } information;
    const UCHAR *sid;
    ULONG length;
    NTSTATUS status;

    status = ZwQueryInformationToken(token, TokenUser, &information, sizeof(information), &length);
    if (!NT_SUCCESS(status))
        return status;

    sid = information.owner.User.Sid;
    user->length = SID_HEADER_BYTES + 4u * sid[1];
    if (user->length > AI_SID_BYTES)
        return STATUS_INVALID_SID;
    ai_copy(user->sid, sid, user->length);
    return STATUS_SUCCESS;
}

NTSTATUS UserOfProcess(PEPROCESS process, ai_user *user)
{
    HANDLE handle, token;
    NTSTATUS status;

    status = ObOpenObjectByPointer(process, OBJ_KERNEL_HANDLE, NULL, PROCESS_QUERY_INFORMATION, NULL, KernelMode,
                                   &handle);
    if (!NT_SUCCESS(status))
        return status;
    status = ZwOpenProcessTokenEx(handle, TOKEN_QUERY, OBJ_KERNEL_HANDLE, &token);
    if (!NT_SUCCESS(status))
        goto cleanupProcess;
    status = UserOfToken(token, user);
    ZwClose(token);
cleanupProcess:
    ZwClose(handle);
    return status;
}
