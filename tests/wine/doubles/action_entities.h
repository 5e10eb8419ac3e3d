/* Entities of App Actions: one C structure for all kinds that the double knows. */
#ifndef ACTION_ENTITIES_H
#define ACTION_ENTITIES_H

#include "inspectable.h"

enum { KIND_DOCUMENT = 1, KIND_FILE, KIND_PHOTO, KIND_TEXT, KIND_STREAMING_TEXT, KIND_TABLE = 7, KIND_ARRAY = 10,
       KIND_DATE = 12, KIND_CUSTOM_TEXT = 13 };

typedef struct {
    Object object;
    int kind;
    WCHAR *text;        /* text, path or key phrase */
    WCHAR *custom_kind;
    int markdown;
    INT64 date;         /* 100 ns since 1601 */
    UINT32 columns, count;
    WCHAR **cells;      /* of a table: count */
    Object **items;     /* of an array: count */
    Face *handler;      /* who listens to a streaming text */
    volatile LONG complete;
} Entity;

Entity *entity_new(int kind, const WCHAR *text);
/* A face as the method that gives the entity promises it: the kind's own interface. */
HRESULT entity_give(Entity *entity, void **out);
Entity *entity_of(void *face);
Object *entity_factory_new(void);

/* Arrays that the caller frees, as WinRT hands them out; every element gets a reference. */
HRESULT give_array(Object *const *objects, UINT32 count, UINT32 *size, void ***out);

#endif
