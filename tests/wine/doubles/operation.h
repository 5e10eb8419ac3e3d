/* Asynchronous operations: a thread does the work, tells its progress, and calls back when it is done. */
#ifndef OPERATION_H
#define OPERATION_H

#include "inspectable.h"

typedef enum { STARTED, COMPLETED, CANCELED, FAILED } AsyncStatus;

typedef struct Operation Operation;

/* Runs in a thread of its own; a failed HRESULT fails the operation, E_ABORT cancels it. */
typedef HRESULT (*Work)(Operation *);

struct Operation {
    Object object;
    Work work;
    Object *model, *input; /* what it works on; either may be NULL */
    WCHAR *prompt;         /* may be NULL */
    Object *result;        /* what GetResults gives; NULL for an action */
    HANDLE watched;        /* set once somebody waits for the end: whoever starts late misses no progress */
    HANDLE cancelled;
    Face *progress, *completed;
    volatile LONG status;
    HRESULT error;
};

extern const void *const operation_slots[MOST_SLOTS];          /* IAsyncAction, IAsyncOperation<T> */
extern const void *const operation_progress_slots[MOST_SLOTS]; /* IAsyncOperationWithProgress<T, P> */
extern const void *const operation_info_slots[MOST_SLOTS];     /* IAsyncInfo */
void operation_destroy(Object *object);

#define OPERATION_CLASS(variable, text, iid, slots) \
    static const Class variable = {                 \
        text, {{iid, slots}, {&IID_IAsyncInfo_, operation_info_slots}}, operation_destroy}

/* Begins `work`; keeps `model` and `input` (with references of its own) and takes `prompt` over. */
HRESULT operation_begin(const Class *class, Work work, Object *model, Object *input, WCHAR *prompt, void **out);
/* Tells progress; FALSE once the operation was cancelled. */
BOOL operation_say(Operation *operation, const WCHAR *text);
BOOL operation_share(Operation *operation, double share);
/* Does nothing until the operation is cancelled; FALSE if that takes too long. */
BOOL operation_pause(Operation *operation);

#endif
