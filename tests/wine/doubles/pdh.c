/* pdh.dll: performance counters of a machine with two adapters.
 *
 * Functions and structures: https://learn.microsoft.com/windows/win32/perfctrs/using-the-pdh-functions-to-consume-counter-data.
 * Instances are named as Windows 11 names them. A rate needs two collections before it has a value, as on Windows.
 */
#include <string.h>
#include <wchar.h>
#include <windows.h>

#define EXPORT __declspec(dllexport)

enum {
    NO_OBJECT = (int)0xC0000BB8,
    INVALID_DATA = (int)0xC0000BC6,
    MORE_DATA = (int)0x800007D2,
};

struct value {
    DWORD status;
    union {
        LONG number;
        double real;
    } as;
};

struct item {
    wchar_t *name;
    struct value value;
};

struct instance {
    const wchar_t *name;
    double value;
};

static const struct instance engines[] = {
    {L"pid_4_luid_0x00000000_0x0000C0DE_phys_0_eng_0_engtype_3D", 12.5},
    {L"pid_2200_luid_0x00000000_0x0000C0DE_phys_0_eng_0_engtype_3D", 30.0},
    {L"pid_2200_luid_0x00000000_0x0000C0DE_phys_0_eng_5_engtype_Compute_0", 61.25},
    {L"pid_4_luid_0x00000001_0x0000BEEF_phys_0_eng_0_engtype_Compute", 7.0},
};
static const struct instance memories[] = {
    {L"luid_0x00000000_0x0000C0DE_phys_0", 1073741824.0},
    {L"luid_0x00000001_0x0000BEEF_phys_0", 0.0},
};

static int collections;

EXPORT LONG WINAPI PdhOpenQueryW(const wchar_t *source, DWORD_PTR user, void **query)
{
    (void)source, (void)user;
    collections = 0;
    *query = &collections;
    return 0;
}

EXPORT LONG WINAPI PdhCloseQuery(void *query)
{
    return query == &collections ? 0 : INVALID_DATA;
}

EXPORT LONG WINAPI PdhAddEnglishCounterW(void *query, const wchar_t *path, DWORD_PTR user, void **counter)
{
    (void)query, (void)user;
    if (!wcscmp(path, L"\\GPU Engine(*)\\Utilization Percentage"))
        *counter = (void *)engines;
    else if (!wcscmp(path, L"\\GPU Adapter Memory(*)\\Dedicated Usage"))
        *counter = (void *)memories;
    else
        return NO_OBJECT;
    return 0;
}

EXPORT LONG WINAPI PdhCollectQueryData(void *query)
{
    (void)query;
    collections++;
    return 0;
}

EXPORT LONG WINAPI PdhGetFormattedCounterArrayW(void *counter, DWORD format, DWORD *size, DWORD *count,
                                                struct item *items)
{
    (void)format;
    const struct instance *from = counter;
    DWORD number = from == engines ? ARRAYSIZE(engines) : ARRAYSIZE(memories);
    if (from == engines && collections < 2)
        return INVALID_DATA;
    DWORD needed = number * sizeof *items;
    for (DWORD index = 0; index < number; index++)
        needed += (wcslen(from[index].name) + 1) * sizeof(wchar_t);
    int enough = items && *size >= needed;
    *size = needed;
    *count = number;
    if (!enough)
        return MORE_DATA;
    wchar_t *names = (wchar_t *)(items + number);
    for (DWORD index = 0; index < number; index++) {
        items[index].name = wcscpy(names, from[index].name);
        items[index].value.status = 0;
        items[index].value.as.real = from[index].value;
        names += wcslen(names) + 1;
    }
    return 0;
}
