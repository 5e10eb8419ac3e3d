#include "inspectable.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <wchar.h>

const IID IID_IActivationFactory_ = {0x00000035, 0, 0, {0xc0, 0, 0, 0, 0, 0, 0, 0x46}};
const IID IID_IAsyncInfo_ = {0x00000036, 0, 0, {0xc0, 0, 0, 0, 0, 0, 0, 0x46}};
const IID IID_IClosable_ = {0x30d5a829, 0x7fa4, 0x4026, {0x83, 0xbb, 0xd7, 0x5b, 0xae, 0x4e, 0xa9, 0x9e}};
const IID IID_IAsyncAction_ = {0x5a648006, 0x843a, 0x4da9, {0x86, 0x5b, 0x9d, 0x26, 0xe5, 0xdf, 0xad, 0x7b}};
static const IID iid_unknown = {0x00000000, 0, 0, {0xc0, 0, 0, 0, 0, 0, 0, 0x46}};
static const IID iid_inspectable = {0xaf86e2e0, 0xb12d, 0x4c6a, {0x9c, 0x5a, 0xd7, 0xaa, 0x65, 0x10, 0x1e, 0x90}};
static const IID iid_agile = {0x94ea2b94, 0xe9cc, 0x49e0, {0xc0, 0xff, 0xee, 0x64, 0xca, 0x8f, 0x5b, 0x90}};

static volatile LONG live;

/* How many objects of this DLL live; tests watch it return to where it was. */
__declspec(dllexport) LONG live_objects(void)
{
    return live;
}

static int face_count(const Class *class)
{
    int count = 0;
    while (count < MOST_FACES && class->faces[count].iid)
        count++;
    return count;
}

Object *object_new(const Class *class, size_t size)
{
    Object *object = calloc(1, size);
    if (!object)
        abort();
    object->references = 1;
    object->class = class;
    for (int face = 0; face < face_count(class); face++)
        object->faces[face] = (Face){class->faces[face].vtable, object};
    InterlockedIncrement(&live);
    return object;
}

void object_hold(Object *object)
{
    InterlockedIncrement(&object->references);
}

void object_drop(Object *object)
{
    if (!object || InterlockedDecrement(&object->references))
        return;
    if (object->class->destroy)
        object->class->destroy(object);
    free(object);
    InterlockedDecrement(&live);
}

HRESULT object_give(Object *object, int face, void **out)
{
    *out = &object->faces[face];
    return S_OK;
}

HRESULT object_return(Object *object, int face, void **out)
{
    object_hold(object);
    return object_give(object, face, out);
}

HRESULT WINAPI object_query(Face *self, REFIID iid, void **out)
{
    const Class *class = self->object->class;
    if (IsEqualIID(iid, &iid_unknown) || IsEqualIID(iid, &iid_inspectable) || IsEqualIID(iid, &iid_agile))
        return object_return(self->object, 0, out);
    for (int face = 0; face < face_count(class); face++)
        if (IsEqualIID(iid, class->faces[face].iid))
            return object_return(self->object, face, out);
    *out = NULL;
    return E_NOINTERFACE;
}

ULONG WINAPI object_add(Face *self)
{
    return InterlockedIncrement(&self->object->references);
}

ULONG WINAPI object_release(Face *self)
{
    LONG left = self->object->references - 1;
    object_drop(self->object);
    return left;
}

HRESULT WINAPI object_iids(Face *self, ULONG *count, IID **iids)
{
    const Class *class = self->object->class;
    *count = face_count(class);
    *iids = CoTaskMemAlloc(*count * sizeof(IID));
    if (!*iids)
        return E_OUTOFMEMORY;
    for (ULONG face = 0; face < *count; face++)
        (*iids)[face] = *class->faces[face].iid;
    return S_OK;
}

HRESULT WINAPI object_name(Face *self, HSTRING *name)
{
    return text_give(self->object->class->name, name);
}

HRESULT WINAPI object_trust(Face *self, int *level)
{
    (void)self;
    *level = 0;
    return S_OK;
}

HRESULT WINAPI object_missing(Face *self)
{
    (void)self;
    return E_NOTIMPL;
}

HRESULT WINAPI object_close(Face *self)
{
    (void)self;
    return S_OK;
}

WCHAR *text_of(HSTRING string)
{
    UINT32 length = 0;
    const WCHAR *raw = WindowsGetStringRawBuffer(string, &length);
    WCHAR *copy = malloc((length + 1) * sizeof(WCHAR));
    if (!copy)
        abort();
    wmemcpy(copy, raw, length);
    copy[length] = 0;
    return copy;
}

WCHAR *text_join(const WCHAR *format, ...)
{
    va_list values;
    va_start(values, format);
    int length = _vscwprintf(format, values);
    va_end(values);
    WCHAR *text = malloc((length + 1) * sizeof(WCHAR));
    if (!text)
        abort();
    va_start(values, format);
    _vsnwprintf(text, length + 1, format, values);
    va_end(values);
    return text;
}

void text_free(WCHAR *text)
{
    free(text);
}

HRESULT text_give(const WCHAR *text, HSTRING *out)
{
    return WindowsCreateString(text ? text : L"", text ? (UINT32)wcslen(text) : 0, out);
}

LONG scenario(const WCHAR *name, LONG otherwise)
{
    WCHAR variable[64], value[32];
    _snwprintf(variable, 64, L"DOUBLE_%ls", name);
    DWORD length = GetEnvironmentVariableW(variable, value, 32);
    return length && length < 32 ? (LONG)wcstoul(value, NULL, 0) : otherwise;
}

HRESULT activate(const Activatable *classes, HSTRING name, void **factory)
{
    const WCHAR *wanted = WindowsGetStringRawBuffer(name, NULL);
    for (; classes->class_name && !scenario(L"ABSENT", 0); classes++)
        if (!wcscmp(classes->class_name, wanted))
            return object_give(classes->factory(), 0, factory);
    *factory = NULL;
    return REGDB_E_CLASSNOTREG;
}
