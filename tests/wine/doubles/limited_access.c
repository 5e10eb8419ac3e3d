/* Windows.ApplicationModel.dll: DOUBLE_LIMITED_ACCESS is what every request for a limited feature is told. */
#include "inspectable.h"

static HRESULT WINAPI get_status(Face *self, int *status)
{
    (void)self;
    *status = scenario(L"LIMITED_ACCESS", 0);
    return S_OK;
}

VTABLE(result_slots, SLOT(LimitedAccessFeatureRequestResult_0_get_Status_0, get_status));
static const Class result_class = {L"Windows.ApplicationModel.LimitedAccessFeatureRequestResult",
                                   {{&IID_LimitedAccessFeatureRequestResult_0, result_slots}},
                                   NULL};

static HRESULT WINAPI try_unlock(Face *self, HSTRING feature, HSTRING token, HSTRING sentence, void **out)
{
    (void)self, (void)feature, (void)token, (void)sentence;
    return object_give(object_new(&result_class, sizeof(Object)), 0, out);
}

VTABLE(factory_slots, SLOT(6, object_missing));
VTABLE(statics_slots, SLOT(LimitedAccessFeatures_statics_TryUnlockFeature_3, try_unlock));
static const Class statics_class = {
    L"LimitedAccessFeatures",
    {{&IID_IActivationFactory_, factory_slots}, {&IID_LimitedAccessFeatures_statics, statics_slots}},
    NULL};

static Object *statics(void)
{
    return object_new(&statics_class, sizeof(Object));
}

__declspec(dllexport) HRESULT WINAPI DllGetActivationFactory(HSTRING name, void **factory)
{
    static const Activatable classes[] = {{L"Windows.ApplicationModel.LimitedAccessFeatures", statics}, {NULL, NULL}};
    return activate(classes, name, factory);
}
