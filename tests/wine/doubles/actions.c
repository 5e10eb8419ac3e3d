/* Windows.AI.Actions.dll: an ActionRuntime with three actions.
 *
 * Double.Echo     one text in; "Echo: <text>" out
 * Double.Stream   one text in; a streaming text out ("One two three", in three changes)
 * Double.Mirror   an overload for each kind of entity; gives its inputs back
 *
 * DOUBLE_NO_DEFAULT     1: ActionRuntime.GetDefault fails, as before version 8 of the contract
 * DOUBLE_NO_INPUTS      1: the catalogue lacks GetActionsForInputs, as before version 4
 * DOUBLE_OLD_CONTRACT   1: interfaces after the first version are missing
 * DOUBLE_CATALOG_ERROR  GetAllActions fails with it
 * DOUBLE_EMPTY          1: no actions
 * DOUBLE_RESULT, DOUBLE_EXTENDED_ERROR   how invocations end; a failed one has help
 * DOUBLE_INVOKE_ERROR   invocations fail with it
 * DOUBLE_ENDLESS        1: an invocation goes on until it is cancelled
 * DOUBLE_REWRITE        1: the streaming text changes what it said
 * DOUBLE_STREAMED       1: the streaming text is complete before anybody listens
 * DOUBLE_NO_FEEDBACK    1: no action takes feedback
 */
#include <stdlib.h>
#include <wchar.h>

#include "action_entities.h"
#include "operation.h"

enum { MOST_NAMED = 4, ECHO = 0, STREAM, MIRROR, ACTIONS };

static const struct {
    const WCHAR *id, *description;
} actions[ACTIONS] = {{L"Double.Echo", L"Says the same."},
                      {L"Double.Stream", L"Says it bit by bit."},
                      {L"Double.Mirror", L"Gives back what it got."}};

static const struct {
    int action;
    const WCHAR *name;
    int kind;
} overloads[] = {{ECHO, L"Text", KIND_TEXT},           {STREAM, L"Text", KIND_TEXT},
                 {MIRROR, L"Words", KIND_TEXT},        {MIRROR, L"File", KIND_FILE},
                 {MIRROR, L"Photo", KIND_PHOTO},       {MIRROR, L"Document", KIND_DOCUMENT},
                 {MIRROR, L"Table", KIND_TABLE},       {MIRROR, L"Items", KIND_ARRAY},
                 {MIRROR, L"When", KIND_DATE},         {MIRROR, L"Custom", KIND_CUSTOM_TEXT}};
enum { OVERLOADS = sizeof overloads / sizeof *overloads };

static volatile LONG feedback = -1;

/* The kind of the last feedback; -1 before the first. */
__declspec(dllexport) LONG last_feedback(void)
{
    return feedback;
}

VTABLE(empty_slots, SLOT(6, object_missing));
VTABLE(closable_slots, SLOT(ActionEntity_2_Close_0, object_close));

/* Things that are only a number into a table above. */

typedef struct {
    Object object;
    int number;
} Numbered;

static Object *numbered_new(const Class *class, int number)
{
    Numbered *numbered = (Numbered *)object_new(class, sizeof *numbered);
    numbered->number = number;
    return &numbered->object;
}

static int number_of(Face *self)
{
    return ((Numbered *)self->object)->number;
}

static HRESULT give_new(Object **objects, UINT32 count, UINT32 *size, void ***out)
{
    HRESULT done = give_array(objects, count, size, out);
    for (UINT32 item = 0; item < count; item++)
        object_drop(objects[item]);
    return done;
}

/* Inputs. */

static HRESULT WINAPI input_name(Face *self, HSTRING *name)
{
    return text_give(overloads[number_of(self)].name, name);
}

static HRESULT WINAPI input_kind(Face *self, int *kind)
{
    *kind = overloads[number_of(self)].kind;
    return S_OK;
}

VTABLE(input_slots, SLOT(ActionEntityRegistrationInfo_0_get_Name_0, input_name),
       SLOT(ActionEntityRegistrationInfo_0_get_Kind_0, input_kind));
static const Class input_class = {L"Windows.AI.Actions.Hosting.ActionEntityRegistrationInfo",
                                  {{&IID_ActionEntityRegistrationInfo_0, input_slots}, {&IID_IClosable_, closable_slots}},
                                  NULL};

/* Contexts. */

typedef struct {
    Object object;
    Object *entity;
    WCHAR *name;
} Named;

typedef struct {
    Object object;
    WCHAR *action;
    Named *inputs[MOST_NAMED], *outputs[MOST_NAMED];
    UINT32 input_count, output_count;
    int result;
    HRESULT error;
} Context;

static void named_destroy(Object *object)
{
    object_drop(((Named *)object)->entity);
    text_free(((Named *)object)->name);
}

static HRESULT WINAPI named_name(Face *self, HSTRING *name)
{
    return text_give(((Named *)self->object)->name, name);
}

static HRESULT WINAPI named_entity(Face *self, void **entity)
{
    return object_return(((Named *)self->object)->entity, 0, entity);
}

VTABLE(named_slots, SLOT(NamedActionEntity_0_get_Name_0, named_name),
       SLOT(NamedActionEntity_0_get_Entity_0, named_entity));
static const Class named_class = {L"Windows.AI.Actions.NamedActionEntity",
                                  {{&IID_NamedActionEntity_0, named_slots}, {&IID_IClosable_, closable_slots}},
                                  named_destroy};

static Named *named_new(const WCHAR *name, Object *entity)
{
    Named *named = (Named *)object_new(&named_class, sizeof *named);
    named->name = text_join(L"%ls", name);
    named->entity = entity;
    object_hold(entity);
    return named;
}

static HRESULT WINAPI help_title(Face *self, HSTRING *title)
{
    (void)self;
    return text_give(L"The double did not want to", title);
}

static HRESULT WINAPI help_description(Face *self, HSTRING *description)
{
    (void)self;
    return text_give(L"Ask it nicely", description);
}

VTABLE(help_slots, SLOT(ActionInvocationHelpDetails_0_get_Title_0, help_title),
       SLOT(ActionInvocationHelpDetails_0_get_Description_0, help_description));
static const Class help_class = {L"Windows.AI.Actions.ActionInvocationHelpDetails",
                                 {{&IID_ActionInvocationHelpDetails_0, help_slots}, {&IID_IClosable_, closable_slots}},
                                 NULL};

static void context_destroy(Object *object)
{
    Context *context = (Context *)object;
    text_free(context->action);
    for (UINT32 item = 0; item < context->input_count; item++)
        object_drop(&context->inputs[item]->object);
    for (UINT32 item = 0; item < context->output_count; item++)
        object_drop(&context->outputs[item]->object);
}

static HRESULT WINAPI set_input(Face *self, HSTRING name, void *entity)
{
    Context *context = (Context *)self->object;
    if (context->input_count == MOST_NAMED)
        return E_INVALIDARG;
    WCHAR *text = text_of(name);
    context->inputs[context->input_count++] = named_new(text, &entity_of(entity)->object);
    text_free(text);
    return S_OK;
}

static HRESULT WINAPI get_outputs(Face *self, UINT32 *size, void ***out)
{
    Context *context = (Context *)self->object;
    Object *objects[MOST_NAMED];
    for (UINT32 item = 0; item < context->output_count; item++)
        objects[item] = &context->outputs[item]->object;
    return give_array(objects, context->output_count, size, out);
}

static HRESULT WINAPI context_result(Face *self, int *result)
{
    *result = ((Context *)self->object)->result;
    return S_OK;
}

static HRESULT WINAPI context_error(Face *self, HRESULT *error)
{
    *error = ((Context *)self->object)->error;
    return S_OK;
}

static HRESULT WINAPI context_help(Face *self, void **help)
{
    (void)self;
    return object_give(object_new(&help_class, sizeof(Object)), 0, help);
}

VTABLE(context_slots, SLOT(ActionInvocationContext_0_SetInputEntity_2, set_input),
       SLOT(ActionInvocationContext_0_GetOutputEntities_0, get_outputs),
       SLOT(ActionInvocationContext_0_get_Result_0, context_result),
       SLOT(ActionInvocationContext_0_get_ExtendedError_0, context_error));
VTABLE(context1_slots, SLOT(ActionInvocationContext_1_get_HelpDetails_0, context_help));
static const Class context_class = {L"Windows.AI.Actions.ActionInvocationContext",
                                    {{&IID_ActionInvocationContext_0, context_slots},
                                     {&IID_ActionInvocationContext_1, context1_slots},
                                     {&IID_IClosable_, closable_slots}},
                                    context_destroy};

/* Overloads and their invocation. */

OPERATION_CLASS(action_operation, L"Windows.Foundation.IAsyncAction", &IID_IAsyncAction_, operation_slots);

static void give_output(Context *context, const WCHAR *name, Object *entity)
{
    context->outputs[context->output_count++] = named_new(name, entity);
}

static HRESULT invoke_work(Operation *operation)
{
    Context *context = (Context *)operation->input;
    HRESULT error = scenario(L"INVOKE_ERROR", S_OK);
    if (scenario(L"ENDLESS", 0)) {
        WaitForSingleObject(operation->cancelled, INFINITE);
        return E_ABORT;
    }
    context->result = scenario(L"RESULT", 0);
    context->error = scenario(L"EXTENDED_ERROR", S_OK);
    if (FAILED(error) || context->result)
        return error;
    int action = overloads[((Numbered *)operation->model)->number].action;
    if (action == MIRROR) {
        for (UINT32 item = 0; item < context->input_count; item++)
            give_output(context, context->inputs[item]->name, context->inputs[item]->entity);
        return S_OK;
    }
    Entity *said;
    if (action == STREAM) {
        said = entity_new(KIND_STREAMING_TEXT, scenario(L"REWRITE", 0) ? L"Uno two three" : L"One two three");
        said->complete = scenario(L"STREAMED", 0);
    } else {
        WCHAR *text = text_join(L"Echo: %ls", ((Entity *)context->inputs[0]->entity)->text);
        said = entity_new(KIND_TEXT, text);
        text_free(text);
    }
    give_output(context, L"Text", &said->object);
    object_drop(&said->object);
    return S_OK;
}

static HRESULT feedback_work(Operation *operation)
{
    feedback = ((Numbered *)operation->input)->number;
    return S_OK;
}

static HRESULT WINAPI overload_inputs(Face *self, UINT32 *size, void ***out)
{
    Object *input = numbered_new(&input_class, number_of(self));
    return give_new(&input, 1, size, out);
}

static HRESULT WINAPI overload_invoke(Face *self, void *context, void **out)
{
    return operation_begin(&action_operation, invoke_work, self->object, ((Face *)context)->object, NULL, out);
}

static HRESULT WINAPI overload_supports(Face *self, unsigned char *supports)
{
    (void)self;
    *supports = !scenario(L"NO_FEEDBACK", 0);
    return S_OK;
}

static HRESULT WINAPI overload_feedback(Face *self, void *context, void *given, void **out)
{
    (void)context;
    return operation_begin(&action_operation, feedback_work, self->object, ((Face *)given)->object, NULL, out);
}

VTABLE(overload_slots, SLOT(ActionOverload_0_GetInputs_0, overload_inputs),
       SLOT(ActionOverload_0_InvokeAsync_1, overload_invoke));
VTABLE(overload1_slots, SLOT(ActionOverload_1_GetSupportsFeedback_0, overload_supports),
       SLOT(ActionOverload_1_InvokeFeedbackAsync_2, overload_feedback));
static const Class overload_class = {L"Windows.AI.Actions.Hosting.ActionOverload",
                                     {{&IID_ActionOverload_0, overload_slots},
                                      {&IID_ActionOverload_1, overload1_slots},
                                      {&IID_IClosable_, closable_slots}},
                                     NULL};

/* Definitions and instances. */

static HRESULT WINAPI definition_id(Face *self, HSTRING *id)
{
    return text_give(actions[number_of(self)].id, id);
}

static HRESULT WINAPI definition_description(Face *self, HSTRING *description)
{
    return text_give(actions[number_of(self)].description, description);
}

static HRESULT WINAPI definition_package(Face *self, HSTRING *package)
{
    (void)self;
    return text_give(L"Double_8wekyb3d8bbwe", package);
}

static HRESULT WINAPI definition_overloads(Face *self, UINT32 *size, void ***out)
{
    Object *found[OVERLOADS];
    UINT32 count = 0;
    for (int number = 0; number < OVERLOADS; number++)
        if (overloads[number].action == number_of(self))
            found[count++] = numbered_new(&overload_class, number);
    return give_new(found, count, size, out);
}

static HRESULT WINAPI definition_available(Face *self, unsigned char *available)
{
    *available = number_of(self) != STREAM;
    return S_OK;
}

VTABLE(definition_slots, SLOT(ActionDefinition_0_get_Id_0, definition_id),
       SLOT(ActionDefinition_0_get_Description_0, definition_description),
       SLOT(ActionDefinition_0_get_PackageFamilyName_0, definition_package),
       SLOT(ActionDefinition_0_GetOverloads_0, definition_overloads));
VTABLE(definition3_slots, SLOT(ActionDefinition_3_get_IsCurrentlyAvailable_0, definition_available));
static const Class definition_class = {L"Windows.AI.Actions.Hosting.ActionDefinition",
                                       {{&IID_ActionDefinition_0, definition_slots},
                                        {&IID_ActionDefinition_3, definition3_slots},
                                        {&IID_IClosable_, closable_slots}},
                                       NULL};
static const Class old_definition_class = {
    L"Windows.AI.Actions.Hosting.ActionDefinition",
    {{&IID_ActionDefinition_0, definition_slots}, {&IID_IClosable_, closable_slots}},
    NULL};

static Object *definition_new(int number)
{
    return numbered_new(scenario(L"OLD_CONTRACT", 0) ? &old_definition_class : &definition_class, number);
}

static HRESULT WINAPI instance_definition(Face *self, void **definition)
{
    return object_give(definition_new(number_of(self)), 0, definition);
}

VTABLE(instance_slots, SLOT(ActionInstance_0_get_Definition_0, instance_definition));
static const Class instance_class = {
    L"Windows.AI.Actions.Hosting.ActionInstance", {{&IID_ActionInstance_0, instance_slots}}, NULL};

/* The catalogue. */

static HRESULT WINAPI all_actions(Face *self, UINT32 *size, void ***out)
{
    (void)self;
    HRESULT error = scenario(L"CATALOG_ERROR", S_OK);
    if (FAILED(error))
        return error;
    Object *found[ACTIONS];
    UINT32 count = scenario(L"EMPTY", 0) ? 0 : ACTIONS;
    for (UINT32 number = 0; number < count; number++)
        found[number] = definition_new((int)number);
    return give_new(found, count, size, out);
}

static HRESULT WINAPI actions_for_inputs(Face *self, UINT32 count, void **entities, UINT32 *size, void ***out)
{
    (void)self;
    if (count != 1 || entity_of(entities[0])->kind != KIND_TEXT)
        return give_array(NULL, 0, size, out);
    Object *found[] = {numbered_new(&instance_class, ECHO)};
    return give_new(found, 1, size, out);
}

VTABLE(catalog_slots, SLOT(ActionCatalog_0_GetAllActions_0, all_actions));
VTABLE(catalog1_slots, SLOT(ActionCatalog_1_GetActionsForInputs_1, actions_for_inputs));
static const Class catalog_class = {L"Windows.AI.Actions.Hosting.ActionCatalog",
                                    {{&IID_ActionCatalog_0, catalog_slots},
                                     {&IID_ActionCatalog_1, catalog1_slots},
                                     {&IID_IClosable_, closable_slots}},
                                    NULL};
static const Class old_catalog_class = {L"Windows.AI.Actions.Hosting.ActionCatalog",
                                        {{&IID_ActionCatalog_0, catalog_slots}, {&IID_IClosable_, closable_slots}},
                                        NULL};

/* The runtime, by both ways to it. */

static HRESULT WINAPI get_catalog(Face *self, void **out)
{
    (void)self;
    return object_give(object_new(scenario(L"NO_INPUTS", 0) ? &old_catalog_class : &catalog_class, sizeof(Object)), 0,
                       out);
}

static HRESULT WINAPI get_factory(Face *self, void **out)
{
    (void)self;
    return object_give(entity_factory_new(), 0, out);
}

static HRESULT WINAPI create_context(Face *self, HSTRING action, void **out)
{
    (void)self;
    Context *context = (Context *)object_new(&context_class, sizeof *context);
    context->action = text_of(action);
    return object_give(&context->object, 0, out);
}

static HRESULT WINAPI feedback_kind(Face *self, int *kind)
{
    *kind = number_of(self);
    return S_OK;
}

VTABLE(feedback_slots, SLOT(ActionFeedback_0_get_FeedbackKind_0, feedback_kind));
static const Class feedback_class = {L"Windows.AI.Actions.ActionFeedback",
                                     {{&IID_ActionFeedback_0, feedback_slots}, {&IID_IClosable_, closable_slots}},
                                     NULL};

static HRESULT WINAPI create_feedback(Face *self, int kind, void **out)
{
    (void)self;
    return object_give(numbered_new(&feedback_class, kind), 0, out);
}

VTABLE(runtime_slots, SLOT(ActionRuntime_0_get_ActionCatalog_0, get_catalog),
       SLOT(ActionRuntime_0_get_EntityFactory_0, get_factory),
       SLOT(ActionRuntime_0_CreateInvocationContext_1, create_context));
VTABLE(runtime1_slots, SLOT(ActionRuntime_1_CreateActionFeedback_1, create_feedback));
static const Class runtime_class = {L"Windows.AI.Actions.ActionRuntime",
                                    {{&IID_ActionRuntime_0, runtime_slots},
                                     {&IID_ActionRuntime_1, runtime1_slots},
                                     {&IID_IClosable_, closable_slots}},
                                    NULL};

static HRESULT WINAPI get_default(Face *self, void **out)
{
    (void)self;
    if (scenario(L"NO_DEFAULT", 0))
        return E_NOINTERFACE;
    return object_give(object_new(&runtime_class, sizeof(Object)), 0, out);
}

VTABLE(statics_slots, SLOT(ActionRuntime_statics_GetDefault_0, get_default));
static const Class statics_class = {
    L"ActionRuntime", {{&IID_IActivationFactory_, empty_slots}, {&IID_ActionRuntime_statics, statics_slots}}, NULL};

static Object *statics(void)
{
    return object_new(&statics_class, sizeof(Object));
}

__declspec(dllexport) HRESULT WINAPI DllGetActivationFactory(HSTRING name, void **factory)
{
    static const Activatable classes[] = {{L"Windows.AI.Actions.ActionRuntime", statics}, {NULL, NULL}};
    return activate(classes, name, factory);
}

/* IClassFactory: IUnknown, CreateInstance, LockServer. */

static HRESULT WINAPI class_create(void *self, void *outer, REFIID iid, void **out)
{
    (void)self, (void)outer;
    Object *runtime = object_new(&runtime_class, sizeof(Object));
    HRESULT done = object_query(&runtime->faces[0], iid, out);
    object_drop(runtime);
    return done;
}

static HRESULT WINAPI class_query(void *self, REFIID iid, void **out)
{
    (void)iid;
    *out = self;
    return S_OK;
}

static ULONG WINAPI class_count(void *self)
{
    (void)self;
    return 1;
}

static HRESULT WINAPI class_lock(void *self, BOOL lock)
{
    (void)self, (void)lock;
    return S_OK;
}

/* Makes this process the server of the COM class; on Windows a service is. */
__declspec(dllexport) HRESULT serve_class(void)
{
    static const void *const slots[] = {(const void *)class_query, (const void *)class_count, (const void *)class_count,
                                        (const void *)class_create, (const void *)class_lock};
    static const void *const *factory = slots;
    static const CLSID class_id = {0xc36fef7e, 0x35f3, 0x4192, {0x9f, 0x2c, 0xaf, 0x1f, 0xd4, 0x25, 0xfb, 0x85}};
    DWORD cookie;
    return CoRegisterClassObject(&class_id, (IUnknown *)&factory, CLSCTX_LOCAL_SERVER, REGCLS_MULTIPLEUSE, &cookie);
}
