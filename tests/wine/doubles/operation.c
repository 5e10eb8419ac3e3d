#include "operation.h"

typedef HRESULT(WINAPI *InvokeStatus)(Face *, Face *, int);
typedef HRESULT(WINAPI *InvokeText)(Face *, Face *, HSTRING);
typedef HRESULT(WINAPI *InvokeShare)(Face *, Face *, double);
typedef ULONG(WINAPI *Count)(Face *);

enum { INVOKE = 3, MOST_WAIT_MS = 10000 };

static void hold(Face *delegate)
{
    if (delegate)
        ((Count)delegate->vtable[1])(delegate);
}

static void drop(Face *delegate)
{
    if (delegate)
        ((Count)delegate->vtable[2])(delegate);
}

static HRESULT WINAPI put_completed(Face *self, Face *handler)
{
    Operation *operation = (Operation *)self->object;
    hold(handler);
    operation->completed = handler;
    SetEvent(operation->watched);
    return S_OK;
}

static HRESULT WINAPI put_progress(Face *self, Face *handler)
{
    hold(handler);
    ((Operation *)self->object)->progress = handler;
    return S_OK;
}

static HRESULT WINAPI get_results(Face *self, void **out)
{
    Operation *operation = (Operation *)self->object;
    if (operation->status == STARTED)
        return (HRESULT)0x8000000E; /* E_ILLEGAL_METHOD_CALL */
    if (operation->status != COMPLETED)
        return operation->error;
    return operation->result ? object_return(operation->result, 0, out) : S_OK;
}

static HRESULT WINAPI get_id(Face *self, UINT32 *id)
{
    (void)self;
    *id = 1;
    return S_OK;
}

static HRESULT WINAPI get_status(Face *self, int *status)
{
    *status = ((Operation *)self->object)->status;
    return S_OK;
}

static HRESULT WINAPI get_error(Face *self, HRESULT *error)
{
    *error = ((Operation *)self->object)->error;
    return S_OK;
}

static HRESULT WINAPI cancel(Face *self)
{
    SetEvent(((Operation *)self->object)->cancelled);
    return S_OK;
}

const void *const operation_slots[MOST_SLOTS] = {INSPECTABLE, SLOT(6, put_completed), SLOT(8, get_results)};
const void *const operation_progress_slots[MOST_SLOTS] = {
    INSPECTABLE, SLOT(6, put_progress), SLOT(8, put_completed), SLOT(10, get_results)};
const void *const operation_info_slots[MOST_SLOTS] = {
    INSPECTABLE, SLOT(6, get_id), SLOT(7, get_status), SLOT(8, get_error), SLOT(9, cancel), SLOT(10, object_close)};

void operation_destroy(Object *object)
{
    Operation *operation = (Operation *)object;
    drop(operation->progress);
    drop(operation->completed);
    object_drop(operation->model);
    object_drop(operation->input);
    object_drop(operation->result);
    text_free(operation->prompt);
    CloseHandle(operation->watched);
    CloseHandle(operation->cancelled);
}

static DWORD WINAPI run(void *argument)
{
    Operation *operation = argument;
    Face *face = &operation->object.faces[0];
    WaitForSingleObject(operation->watched, MOST_WAIT_MS);
    HRESULT done = operation->work(operation);
    operation->error = done;
    InterlockedExchange(&operation->status, SUCCEEDED(done) ? COMPLETED : done == E_ABORT ? CANCELED : FAILED);
    if (operation->completed)
        ((InvokeStatus)operation->completed->vtable[INVOKE])(operation->completed, face, operation->status);
    object_drop(&operation->object);
    return 0;
}

HRESULT operation_begin(const Class *class, Work work, Object *model, Object *input, WCHAR *prompt, void **out)
{
    Operation *operation = (Operation *)object_new(class, sizeof *operation);
    operation->work = work;
    operation->model = model;
    operation->input = input;
    operation->prompt = prompt;
    operation->watched = CreateEventW(NULL, TRUE, FALSE, NULL);
    operation->cancelled = CreateEventW(NULL, TRUE, FALSE, NULL);
    if (model)
        object_hold(model);
    if (input)
        object_hold(input);
    object_hold(&operation->object); /* the thread's */
    CloseHandle(CreateThread(NULL, 0, run, operation, 0, NULL));
    return object_give(&operation->object, 0, out);
}

static BOOL goes_on(Operation *operation)
{
    return WaitForSingleObject(operation->cancelled, 1) == WAIT_TIMEOUT;
}

BOOL operation_say(Operation *operation, const WCHAR *text)
{
    if (operation->progress) {
        HSTRING string;
        text_give(text, &string);
        ((InvokeText)operation->progress->vtable[INVOKE])(operation->progress, &operation->object.faces[0], string);
        WindowsDeleteString(string);
    }
    return goes_on(operation);
}

BOOL operation_share(Operation *operation, double share)
{
    if (operation->progress)
        ((InvokeShare)operation->progress->vtable[INVOKE])(operation->progress, &operation->object.faces[0], share);
    return goes_on(operation);
}

BOOL operation_pause(Operation *operation)
{
    return WaitForSingleObject(operation->cancelled, MOST_WAIT_MS) == WAIT_OBJECT_0;
}
