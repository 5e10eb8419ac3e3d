/* Microsoft.Windows.AI.dll: DOUBLE_COPILOT_PLUS_PC says whether this is a Copilot+ PC. */
#include "inspectable.h"

static HRESULT WINAPI has_capability(Face *self, int category, unsigned char *has)
{
    (void)self, (void)category;
    *has = scenario(L"COPILOT_PLUS_PC", 1) != 0;
    return S_OK;
}

VTABLE(factory_slots, SLOT(6, object_missing));
VTABLE(statics_slots, SLOT(AICapabilities_statics_HasAICapability_1, has_capability));
static const Class statics_class = {L"AICapabilities",
                                    {{&IID_IActivationFactory_, factory_slots}, {&IID_AICapabilities_statics, statics_slots}},
                                    NULL};

static Object *statics(void)
{
    return object_new(&statics_class, sizeof(Object));
}

__declspec(dllexport) HRESULT WINAPI DllGetActivationFactory(HSTRING name, void **factory)
{
    static const Activatable classes[] = {{L"Microsoft.Windows.AI.AICapabilities", statics}, {NULL, NULL}};
    return activate(classes, name, factory);
}
