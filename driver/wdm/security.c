// SPDX-License-Identifier: Apache-2.0
#include "security.h"

/* A SID of at most two sub-authorities of the NT authority (5), in the layout of the SID structure. */
typedef struct _SMALL_SID {
    UCHAR revision;
    UCHAR subAuthorityCount;
    UCHAR authority[6];
    ULONG subAuthority[2];
} SMALL_SID;

static SMALL_SID LocalSystem = {1, 1, {0, 0, 0, 0, 0, 5}, {18, 0}};            /* S-1-5-18 */
static SMALL_SID Administrators = {1, 2, {0, 0, 0, 0, 0, 5}, {32, 544}};       /* S-1-5-32-544 */
static SMALL_SID AuthenticatedUsers = {1, 1, {0, 0, 0, 0, 0, 5}, {11, 0}};     /* S-1-5-11 */

/*
 * D:P(A;;GA;;;SY)(A;;GA;;;BA)(A;;GRGW;;;AU)
 *
 * Every user who logged on may use the driver, for the host runs as the user; no app container may, and no guest.
 * What one user registers no other user sees: session.c. IoCreateDeviceSecure would say the same in one call, but it
 * lives in a library that mingw-w64 does not have.
 */
NTSTATUS SecurityProtect(PDEVICE_OBJECT device)
{
    union {
        ACL acl;
        UCHAR bytes[sizeof(ACL) + 3 * (sizeof(ACCESS_ALLOWED_ACE) + sizeof(SMALL_SID))];
    } list;
    SECURITY_DESCRIPTOR descriptor;
    NTSTATUS status;
    HANDLE handle;

    status = RtlCreateAcl(&list.acl, sizeof(list), ACL_REVISION);
    if (NT_SUCCESS(status))
        status = RtlAddAccessAllowedAce(&list.acl, ACL_REVISION, GENERIC_ALL, &LocalSystem);
    if (NT_SUCCESS(status))
        status = RtlAddAccessAllowedAce(&list.acl, ACL_REVISION, GENERIC_ALL, &Administrators);
    if (NT_SUCCESS(status))
        status = RtlAddAccessAllowedAce(&list.acl, ACL_REVISION, GENERIC_READ | GENERIC_WRITE, &AuthenticatedUsers);
    if (NT_SUCCESS(status))
        status = RtlCreateSecurityDescriptor(&descriptor, SECURITY_DESCRIPTOR_REVISION);
    if (NT_SUCCESS(status))
        status = RtlSetDaclSecurityDescriptor(&descriptor, TRUE, &list.acl, FALSE);
    if (!NT_SUCCESS(status))
        return status;
    descriptor.Control |= SE_DACL_PROTECTED;

    status = ObOpenObjectByPointer(device, OBJ_KERNEL_HANDLE, NULL, WRITE_DAC, NULL, KernelMode, &handle);
    if (!NT_SUCCESS(status))
        return status;
    status = ZwSetSecurityObject(handle, DACL_SECURITY_INFORMATION, &descriptor);
    ZwClose(handle);
    return status;
}
