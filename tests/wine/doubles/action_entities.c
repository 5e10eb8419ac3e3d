#include "action_entities.h"

#include <stdlib.h>
#include <wchar.h>

typedef HRESULT(WINAPI *InvokeChanged)(Face *, Face *, Face *);
typedef ULONG(WINAPI *Count)(Face *);

static const Class entity_classes[KIND_CUSTOM_TEXT + 1];

Entity *entity_new(int kind, const WCHAR *text)
{
    Entity *entity = (Entity *)object_new(&entity_classes[kind], sizeof *entity);
    entity->kind = kind;
    entity->text = text_join(L"%ls", text);
    return entity;
}

HRESULT entity_give(Entity *entity, void **out)
{
    return object_give(&entity->object, 1, out);
}

Entity *entity_of(void *face)
{
    return (Entity *)((Face *)face)->object;
}

HRESULT give_array(Object *const *objects, UINT32 count, UINT32 *size, void ***out)
{
    *size = count;
    *out = CoTaskMemAlloc((count ? count : 1) * sizeof(void *));
    if (!*out)
        return E_OUTOFMEMORY;
    for (UINT32 item = 0; item < count; item++)
        object_return(objects[item], 0, &(*out)[item]);
    return S_OK;
}

static void entity_destroy(Object *object)
{
    Entity *entity = (Entity *)object;
    text_free(entity->text);
    text_free(entity->custom_kind);
    for (UINT32 item = 0; item < entity->count; item++) {
        if (entity->cells)
            text_free(entity->cells[item]);
        if (entity->items)
            object_drop(entity->items[item]);
    }
    free(entity->cells);
    free(entity->items);
    if (entity->handler)
        ((Count)entity->handler->vtable[2])(entity->handler);
}

/* What every entity has. */

static HRESULT WINAPI get_kind(Face *self, int *kind)
{
    *kind = entity_of(self)->kind;
    return S_OK;
}

static HRESULT WINAPI get_text(Face *self, HSTRING *text)
{
    return text_give(entity_of(self)->text, text);
}

static HRESULT WINAPI get_format(Face *self, int *format)
{
    *format = entity_of(self)->markdown;
    return S_OK;
}

static HRESULT WINAPI get_complete(Face *self, unsigned char *complete)
{
    *complete = entity_of(self)->complete != 0;
    return S_OK;
}

/* Streaming text: three changes by a thread of the app's, each with all of the text. */

typedef struct {
    Object object;
    const WCHAR *text;
    int complete;
} Changed;

static HRESULT WINAPI changed_text(Face *self, HSTRING *text)
{
    return text_give(((Changed *)self->object)->text, text);
}

static HRESULT WINAPI changed_complete(Face *self, unsigned char *complete)
{
    *complete = (unsigned char)((Changed *)self->object)->complete;
    return S_OK;
}

VTABLE(changed_slots, SLOT(StreamingTextActionEntityTextChangedArgs_0_get_Text_0, changed_text),
       SLOT(StreamingTextActionEntityTextChangedArgs_0_get_IsComplete_0, changed_complete));
static const Class changed_class = {L"Windows.AI.Actions.StreamingTextActionEntityTextChangedArgs",
                                    {{&IID_StreamingTextActionEntityTextChangedArgs_0, changed_slots}},
                                    NULL};

static DWORD WINAPI write_text(void *argument)
{
    Entity *entity = argument;
    const WCHAR *changes[] = {L"One", scenario(L"REWRITE", 0) ? L"Uno two" : L"One two",
                              scenario(L"REWRITE", 0) ? L"Uno two three" : L"One two three"};
    for (int change = 0; change < 3; change++) {
        Changed *told = (Changed *)object_new(&changed_class, sizeof *told);
        told->text = changes[change];
        told->complete = change == 2;
        if (told->complete)
            InterlockedExchange(&entity->complete, 1);
        Face *handler = entity->handler;
        if (handler)
            ((InvokeChanged)handler->vtable[3])(handler, &entity->object.faces[1], &told->object.faces[0]);
        object_drop(&told->object);
    }
    object_drop(&entity->object);
    return 0;
}

static HRESULT WINAPI get_streamed(Face *self, HSTRING *text)
{
    return text_give(entity_of(self)->complete ? entity_of(self)->text : L"", text);
}

static HRESULT WINAPI add_changed(Face *self, Face *handler, INT64 *token)
{
    Entity *entity = entity_of(self);
    ((Count)handler->vtable[1])(handler);
    entity->handler = handler;
    *token = 17;
    if (!entity->complete) {
        object_hold(&entity->object);
        CloseHandle(CreateThread(NULL, 0, write_text, entity, 0, NULL));
    }
    return S_OK;
}

static HRESULT WINAPI remove_changed(Face *self, INT64 token)
{
    /* Kept until the entity goes: the writer may still be inside. */
    (void)self;
    return token == 17 ? S_OK : E_INVALIDARG;
}

static HRESULT WINAPI get_cells(Face *self, UINT32 *size, HSTRING **out)
{
    Entity *entity = entity_of(self);
    *size = entity->count;
    *out = CoTaskMemAlloc(entity->count * sizeof(HSTRING));
    for (UINT32 cell = 0; cell < entity->count; cell++)
        text_give(entity->cells[cell], &(*out)[cell]);
    return S_OK;
}

static HRESULT WINAPI get_columns(Face *self, UINT32 *columns)
{
    *columns = entity_of(self)->columns;
    return S_OK;
}

static HRESULT WINAPI get_items(Face *self, UINT32 *size, void ***out)
{
    return give_array(entity_of(self)->items, entity_of(self)->count, size, out);
}

static HRESULT WINAPI get_date(Face *self, INT64 *date)
{
    *date = entity_of(self)->date;
    return S_OK;
}

static HRESULT WINAPI get_custom_kind(Face *self, HSTRING *kind)
{
    return text_give(entity_of(self)->custom_kind, kind);
}

VTABLE(base_slots, SLOT(ActionEntity_0_get_Kind_0, get_kind));
VTABLE(text_slots, SLOT(TextActionEntity_0_get_Text_0, get_text));
VTABLE(format_slots, SLOT(TextActionEntity_1_get_TextFormat_0, get_format));
VTABLE(file_slots, SLOT(FileActionEntity_0_get_FullPath_0, get_text));
VTABLE(photo_slots, SLOT(PhotoActionEntity_0_get_FullPath_0, get_text));
VTABLE(document_slots, SLOT(DocumentActionEntity_0_get_FullPath_0, get_text));
VTABLE(streaming_slots, SLOT(StreamingTextActionEntity_0_GetText_0, get_streamed),
       SLOT(StreamingTextActionEntity_0_get_IsComplete_0, get_complete),
       SLOT(StreamingTextActionEntity_0_get_TextFormat_0, get_format),
       SLOT(StreamingTextActionEntity_0_add_TextChanged_1, add_changed),
       SLOT(StreamingTextActionEntity_0_remove_TextChanged_1, remove_changed));
VTABLE(table_slots, SLOT(TableActionEntity_0_GetTextContent_0, get_cells),
       SLOT(TableActionEntity_0_get_ColumnCount_0, get_columns));
VTABLE(array_slots, SLOT(ArrayActionEntity_0_GetAll_0, get_items));
VTABLE(date_slots, SLOT(DateTimeActionEntity_0_get_DateTime_0, get_date));
VTABLE(custom_slots, SLOT(CustomTextActionEntity_0_get_CustomTextKind_0, get_custom_kind),
       SLOT(CustomTextActionEntity_0_get_KeyPhrase_0, get_text));
VTABLE(closable_slots, SLOT(ActionEntity_2_Close_0, object_close));

#define ENTITY(kind, name, ...)                                                        \
    [kind] = {L"Windows.AI.Actions." name,                                             \
              {{&IID_ActionEntity_0, base_slots}, __VA_ARGS__, {&IID_IClosable_, closable_slots}}, \
              entity_destroy}

static const Class entity_classes[KIND_CUSTOM_TEXT + 1] = {
    ENTITY(KIND_TEXT, L"TextActionEntity", {&IID_TextActionEntity_0, text_slots},
           {&IID_TextActionEntity_1, format_slots}),
    ENTITY(KIND_FILE, L"FileActionEntity", {&IID_FileActionEntity_0, file_slots}),
    ENTITY(KIND_PHOTO, L"PhotoActionEntity", {&IID_PhotoActionEntity_0, photo_slots}),
    ENTITY(KIND_DOCUMENT, L"DocumentActionEntity", {&IID_DocumentActionEntity_0, document_slots}),
    ENTITY(KIND_STREAMING_TEXT, L"StreamingTextActionEntity", {&IID_StreamingTextActionEntity_0, streaming_slots}),
    ENTITY(KIND_TABLE, L"TableActionEntity", {&IID_TableActionEntity_0, table_slots}),
    ENTITY(KIND_ARRAY, L"ArrayActionEntity", {&IID_ArrayActionEntity_0, array_slots}),
    ENTITY(KIND_DATE, L"DateTimeActionEntity", {&IID_DateTimeActionEntity_0, date_slots}),
    ENTITY(KIND_CUSTOM_TEXT, L"CustomTextActionEntity", {&IID_CustomTextActionEntity_0, custom_slots}),
};

/* The factory. */

static Entity *with_text(int kind, HSTRING string)
{
    WCHAR *text = text_of(string);
    Entity *entity = entity_new(kind, text);
    text_free(text);
    return entity;
}

static HRESULT WINAPI create_text(Face *self, HSTRING text, void **out)
{
    (void)self;
    return entity_give(with_text(KIND_TEXT, text), out);
}

static HRESULT WINAPI create_formatted(Face *self, HSTRING text, int format, void **out)
{
    (void)self;
    Entity *entity = with_text(KIND_TEXT, text);
    entity->markdown = format;
    return entity_give(entity, out);
}

static HRESULT WINAPI create_file(Face *self, HSTRING path, void **out)
{
    (void)self;
    return entity_give(with_text(KIND_FILE, path), out);
}

static HRESULT WINAPI create_photo(Face *self, HSTRING path, void **out)
{
    (void)self;
    return entity_give(with_text(KIND_PHOTO, path), out);
}

static HRESULT WINAPI create_document(Face *self, HSTRING path, void **out)
{
    (void)self;
    return entity_give(with_text(KIND_DOCUMENT, path), out);
}

static HRESULT WINAPI create_table(Face *self, UINT32 count, HSTRING *cells, UINT32 columns, void **out)
{
    (void)self;
    Entity *entity = entity_new(KIND_TABLE, L"");
    entity->columns = columns;
    entity->count = count;
    entity->cells = calloc(count, sizeof *entity->cells);
    for (UINT32 cell = 0; cell < count; cell++)
        entity->cells[cell] = text_of(cells[cell]);
    return entity_give(entity, out);
}

static HRESULT WINAPI create_array(Face *self, int kind, UINT32 count, void **items, void **out)
{
    (void)self, (void)kind;
    Entity *entity = entity_new(KIND_ARRAY, L"");
    entity->count = count;
    entity->items = calloc(count, sizeof *entity->items);
    for (UINT32 item = 0; item < count; item++) {
        entity->items[item] = &entity_of(items[item])->object;
        object_hold(entity->items[item]);
    }
    return entity_give(entity, out);
}

static HRESULT WINAPI create_date(Face *self, INT64 date, void **out)
{
    (void)self;
    Entity *entity = entity_new(KIND_DATE, L"");
    entity->date = date;
    return entity_give(entity, out);
}

static HRESULT WINAPI create_custom(Face *self, HSTRING kind, HSTRING phrase, void *properties, void **out)
{
    (void)self, (void)properties;
    Entity *entity = with_text(KIND_CUSTOM_TEXT, phrase);
    entity->custom_kind = text_of(kind);
    return entity_give(entity, out);
}

VTABLE(factory0_slots, SLOT(ActionEntityFactory_0_CreateTextEntity_1, create_text),
       SLOT(ActionEntityFactory_0_CreateFileEntity_1, create_file),
       SLOT(ActionEntityFactory_0_CreatePhotoEntity_1, create_photo),
       SLOT(ActionEntityFactory_0_CreateDocumentEntity_1, create_document));
VTABLE(factory1_slots, SLOT(ActionEntityFactory_1_CreateTextEntity_2, create_formatted));
VTABLE(factory2_slots, SLOT(ActionEntityFactory_2_CreateTableEntity_2, create_table));
VTABLE(factory3_slots, SLOT(ActionEntityFactory_3_CreateArrayEntity_2, create_array));
VTABLE(factory4_slots, SLOT(ActionEntityFactory_4_CreateDateTimeEntity_1, create_date));
VTABLE(factory5_slots, SLOT(ActionEntityFactory_5_CreateCustomTextEntity_3, create_custom));
static const Class factory_class = {L"Windows.AI.Actions.ActionEntityFactory",
                                    {{&IID_ActionEntityFactory_0, factory0_slots},
                                     {&IID_ActionEntityFactory_1, factory1_slots},
                                     {&IID_ActionEntityFactory_2, factory2_slots},
                                     {&IID_ActionEntityFactory_3, factory3_slots},
                                     {&IID_ActionEntityFactory_4, factory4_slots},
                                     {&IID_ActionEntityFactory_5, factory5_slots},
                                     {&IID_IClosable_, closable_slots}},
                                    NULL};
/* A Windows whose contract ends before tables. */
static const Class old_factory_class = {
    L"Windows.AI.Actions.ActionEntityFactory",
    {{&IID_ActionEntityFactory_0, factory0_slots}, {&IID_IClosable_, closable_slots}},
    NULL};

Object *entity_factory_new(void)
{
    return object_new(scenario(L"OLD_CONTRACT", 0) ? &old_factory_class : &factory_class, sizeof(Object));
}
