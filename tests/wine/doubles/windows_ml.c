/* Microsoft.Windows.AI.MachineLearning.dll as the Python package `windowsml` loads it: two execution providers.
 *
 * DOUBLE_EP_STATE       state of both at first: 0 ready, 1 not ready, 2 not present (default)
 * DOUBLE_CATALOG_ERROR  the catalogue cannot be enumerated
 * DOUBLE_FETCH_ERROR    making a provider ready fails with it
 * DOUBLE_ENDLESS        1: it goes on until it is cancelled
 * DOUBLE_EP_LIBRARY     path of the first one's library once it is ready
 *
 * Functions that windowsml binds and this double has no use for are generated: windows_ml_stubs.h.
 */
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#define EXPORT __declspec(dllexport)

typedef struct Provider {
    const char *name, *version, *family;
    int certification, fetched;
} Provider;

typedef struct AsyncBlock AsyncBlock;
struct AsyncBlock {
    void *context;
    void(WINAPI *callback)(AsyncBlock *);
    void(WINAPI *progress)(AsyncBlock *, double);
};

static Provider providers[] = {
    {"NvTensorRtRtxExecutionProvider", "1.8.24.0", "MicrosoftCorporationII.WinML.NVIDIA.TRT-RTX.EP.1.8_8wekyb3d8bbwe", 1, 0},
    {"OpenVINOExecutionProvider", "", "", 0, 0},
};

/* One operation at a time is enough for the tests. */
static struct {
    AsyncBlock *block;
    Provider *provider;
    HANDLE thread, cancelled;
    HRESULT result;
} operation;

static LONG scenario(const char *name, LONG otherwise)
{
    char variable[64] = "DOUBLE_", value[32];
    strncat(variable, name, 40);
    DWORD length = GetEnvironmentVariableA(variable, value, sizeof value);
    return length && length < sizeof value ? (LONG)strtoul(value, NULL, 0) : otherwise;
}

static const char *library_of(const Provider *provider)
{
    static char path[MAX_PATH];
    if (!provider->fetched && scenario("EP_STATE", 2) != 0)
        return "";
    if (provider == &providers[1])
        return "C:\\nowhere\\onnxruntime_providers_openvino_plugin.dll";
    if (!GetEnvironmentVariableA("DOUBLE_EP_LIBRARY", path, sizeof path))
        return "C:\\nowhere\\onnxruntime_providers_nv_tensorrt_rtx.dll";
    return path;
}

static HRESULT give_size(const char *text, size_t *size)
{
    *size = *text ? strlen(text) + 1 : 0;
    return S_OK;
}

static HRESULT give_text(const char *text, size_t size, char *out, size_t *used)
{
    *used = strlen(text) + 1;
    if (size < *used)
        return HRESULT_FROM_WIN32(ERROR_INSUFFICIENT_BUFFER);
    memcpy(out, text, *used);
    return S_OK;
}

#define TEXT_PROPERTY(name, expression)                                                                   \
    EXPORT HRESULT WinMLEpGet##name##Size(Provider *self, size_t *size)                                   \
    {                                                                                                     \
        (void)self;                                                                                       \
        return give_size(expression, size);                                                               \
    }                                                                                                     \
    EXPORT HRESULT WinMLEpGet##name(Provider *self, size_t size, char *out, size_t *used)                 \
    {                                                                                                     \
        (void)self;                                                                                       \
        return give_text(expression, size, out, used);                                                    \
    }

TEXT_PROPERTY(Name, self->name)
TEXT_PROPERTY(Version, self->version)
TEXT_PROPERTY(PackageFamilyName, self->family)
TEXT_PROPERTY(LibraryPath, library_of(self))
TEXT_PROPERTY(PackageRootPath, "C:\\nowhere")

EXPORT HRESULT WinMLEpCatalogCreate(void **catalog)
{
    *catalog = providers;
    return S_OK;
}

EXPORT void WinMLEpCatalogRelease(void *catalog)
{
    (void)catalog;
    abort(); /* as some vendors' drivers do: the product must never come here */
}

EXPORT HRESULT WinMLEpCatalogEnumProviders(void *catalog, BOOL(WINAPI *callback)(Provider *, void *, void *),
                                           void *context)
{
    (void)catalog;
    HRESULT error = scenario("CATALOG_ERROR", S_OK);
    if (FAILED(error))
        return error;
    for (size_t number = 0; number < sizeof providers / sizeof *providers; number++)
        if (!callback(&providers[number], NULL, context))
            break;
    return S_OK;
}

EXPORT HRESULT WinMLEpGetReadyState(Provider *self, int *state)
{
    *state = self->fetched ? 0 : scenario("EP_STATE", 2);
    return S_OK;
}

EXPORT HRESULT WinMLEpGetCertification(Provider *self, int *certification)
{
    *certification = self->certification;
    return S_OK;
}

static DWORD WINAPI fetch(void *argument)
{
    (void)argument;
    AsyncBlock *block = operation.block;
    for (int quarter = 1; quarter <= 4 || scenario("ENDLESS", 0); quarter++) {
        if (quarter <= 4 && block->progress)
            block->progress(block, quarter / 4.0);
        if (WaitForSingleObject(operation.cancelled, 1) != WAIT_TIMEOUT) {
            operation.result = HRESULT_FROM_WIN32(ERROR_CANCELLED);
            block->callback(block);
            return 0;
        }
    }
    operation.result = scenario("FETCH_ERROR", S_OK);
    operation.provider->fetched = SUCCEEDED(operation.result);
    block->callback(block);
    return 0;
}

EXPORT HRESULT WinMLEpEnsureReadyAsync(Provider *self, AsyncBlock *block)
{
    operation.block = block;
    operation.provider = self;
    operation.cancelled = CreateEventW(NULL, TRUE, FALSE, NULL);
    operation.thread = CreateThread(NULL, 0, fetch, NULL, 0, NULL);
    return S_OK;
}

EXPORT HRESULT WinMLAsyncGetStatus(AsyncBlock *block, BOOL wait)
{
    (void)block;
    if (WaitForSingleObject(operation.thread, wait ? INFINITE : 0) == WAIT_TIMEOUT)
        return E_PENDING;
    return operation.result;
}

EXPORT HRESULT WinMLAsyncCancel(AsyncBlock *block)
{
    (void)block;
    SetEvent(operation.cancelled);
    return S_OK;
}

EXPORT void WinMLAsyncClose(AsyncBlock *block)
{
    (void)block;
    CloseHandle(operation.thread);
    CloseHandle(operation.cancelled);
}

#define STUB(name)             \
    EXPORT HRESULT name(void)  \
    {                          \
        return E_NOTIMPL;      \
    }
#include "windows_ml_stubs.h"
