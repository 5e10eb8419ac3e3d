/* WinRT objects in plain C: one allocation with a face for each interface, and a count of all that live. */
#ifndef INSPECTABLE_H
#define INSPECTABLE_H

#include <windows.h>
#include <winstring.h>

#include "winrt_abi.h"

enum { MOST_FACES = 8, MOST_SLOTS = 24 };

typedef struct Object Object;

typedef struct {
    const void *const *vtable;
    Object *object;
} Face;

typedef struct {
    const WCHAR *name;
    struct {
        const IID *iid;
        const void *const *vtable;
    } faces[MOST_FACES]; /* ends with an iid of NULL, or full */
    void (*destroy)(Object *);
} Class;

struct Object {
    volatile LONG references;
    const Class *class;
    Face faces[MOST_FACES];
};

/* The first six slots of every vtable; the others say E_NOTIMPL until a designated initialiser takes their place. */
#define INSPECTABLE                                                                                              \
    (const void *)object_query, (const void *)object_add, (const void *)object_release, (const void *)object_iids, \
        (const void *)object_name, (const void *)object_trust, [6 ... MOST_SLOTS - 1] = (const void *)object_missing

#define VTABLE(name, ...) static const void *const name[MOST_SLOTS] = {INSPECTABLE, __VA_ARGS__}
#define SLOT(slot, function) [slot] = (const void *)(function)

HRESULT WINAPI object_query(Face *self, REFIID iid, void **out);
ULONG WINAPI object_add(Face *self);
ULONG WINAPI object_release(Face *self);
HRESULT WINAPI object_iids(Face *self, ULONG *count, IID **iids);
HRESULT WINAPI object_name(Face *self, HSTRING *name);
HRESULT WINAPI object_trust(Face *self, int *level);
HRESULT WINAPI object_missing(Face *self);
HRESULT WINAPI object_close(Face *self); /* IClosable.Close with nothing to do */

/* `size` bytes that begin with an Object, zeroed, with one reference. */
Object *object_new(const Class *class, size_t size);
/* Gives that reference away as a face. */
HRESULT object_give(Object *object, int face, void **out);
HRESULT object_return(Object *object, int face, void **out); /* the same with a reference of its own */
void object_hold(Object *object);
void object_drop(Object *object);

/* Copies; the caller frees with `text_free`. */
WCHAR *text_of(HSTRING string);
WCHAR *text_join(const WCHAR *format, ...);
void text_free(WCHAR *text);
HRESULT text_give(const WCHAR *text, HSTRING *out);

/* What a test wants of the double: the environment variable DOUBLE_<name>, as a number (0x… is hexadecimal). */
LONG scenario(const WCHAR *name, LONG otherwise);

typedef struct {
    const WCHAR *class_name;
    Object *(*factory)(void);
} Activatable;

/* DllGetActivationFactory over a table that ends with a NULL name; with DOUBLE_ABSENT no class is there. */
HRESULT activate(const Activatable *classes, HSTRING name, void **factory);

extern const IID IID_IActivationFactory_;
extern const IID IID_IClosable_;
extern const IID IID_IAsyncInfo_;
extern const IID IID_IAsyncAction_;

#endif
