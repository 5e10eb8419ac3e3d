/* Microsoft.Windows.AI.Text.dll: a language model that says what it was asked.
 *
 * DOUBLE_READY_STATE, DOUBLE_READY_ERROR   what GetReadyState gives, or fails with
 * DOUBLE_FETCH_ERROR                       EnsureReadyAsync ends with this extended error
 * DOUBLE_CREATE_ERROR                      CreateAsync fails with it
 * DOUBLE_FITS                              how many characters of a prompt fit
 * DOUBLE_STATUS, DOUBLE_EXTENDED_ERROR     the status and error of every response
 * DOUBLE_RESPONSE_ERROR                    every response operation fails with it
 * DOUBLE_ENDLESS                           1: a response goes on until it is cancelled
 * DOUBLE_WORDS                             a response says so many words, then nothing until it is cancelled
 */
#include <limits.h>
#include <wchar.h>

#include "operation.h"

typedef struct {
    Object object;
    WCHAR *system;
} Context;

typedef struct {
    Object object;
    float temperature, top_p;
    UINT32 top_k;
} Options;

typedef struct {
    Object object;
    int status;
    HRESULT extended_error;
    WCHAR *text;
} Response;

typedef struct {
    Object object;
    int status;
    HRESULT extended_error;
} Ready;

typedef struct {
    Object object;
    Object *model;
} Skill; /* a summariser or rewriter */

static volatile LONG fetched;

/* Results. */

static HRESULT WINAPI response_text(Face *self, HSTRING *text)
{
    return text_give(((Response *)self->object)->text, text);
}

static HRESULT WINAPI response_status(Face *self, int *status)
{
    *status = ((Response *)self->object)->status;
    return S_OK;
}

static HRESULT WINAPI response_error(Face *self, HRESULT *error)
{
    *error = ((Response *)self->object)->extended_error;
    return S_OK;
}

static void response_destroy(Object *object)
{
    text_free(((Response *)object)->text);
}

VTABLE(response_slots, SLOT(LanguageModelResponseResult_0_get_Text_0, response_text),
       SLOT(LanguageModelResponseResult_0_get_Status_0, response_status),
       SLOT(LanguageModelResponseResult_0_get_ExtendedError_0, response_error));
VTABLE(structured_slots, SLOT(GenerateStructuredJsonResponseResult_0_get_Text_0, response_text),
       SLOT(GenerateStructuredJsonResponseResult_0_get_Status_0, response_status),
       SLOT(GenerateStructuredJsonResponseResult_0_get_ExtendedError_0, response_error));

static const Class response_class = {L"Microsoft.Windows.AI.Text.LanguageModelResponseResult",
                                     {{&IID_LanguageModelResponseResult_0, response_slots}},
                                     response_destroy};
static const Class structured_class = {L"Microsoft.Windows.AI.Text.GenerateStructuredJsonResponseResult",
                                       {{&IID_GenerateStructuredJsonResponseResult_0, structured_slots}},
                                       response_destroy};

/* Says `text` word by word and makes it the result; takes `text` over. */
static HRESULT answer(Operation *operation, const Class *class, WCHAR *text)
{
    HRESULT error = scenario(L"RESPONSE_ERROR", S_OK);
    Response *response = (Response *)object_new(class, sizeof *response);
    response->text = text;
    response->status = scenario(L"STATUS", 0);
    response->extended_error = scenario(L"EXTENDED_ERROR", S_OK);
    operation->result = &response->object;
    if (FAILED(error) || response->status)
        return error;
    const WCHAR *rest = text;
    int words = scenario(L"WORDS", INT_MAX);
    do {
        const WCHAR *space = wcschr(rest, L' ');
        WCHAR *word = text_join(L"%.*ls", space ? (int)(space - rest + 1) : INT_MAX, rest);
        BOOL wanted = operation_say(operation, word);
        text_free(word);
        if (!wanted || (--words == 0 && operation_pause(operation)))
            return E_ABORT;
        rest = space ? space + 1 : scenario(L"ENDLESS", 0) ? text : NULL;
    } while (rest);
    return S_OK;
}

static HRESULT generate_work(Operation *operation)
{
    Options *options = (Options *)operation->input;
    Context *context = (Context *)operation->model;
    const WCHAR *system = context && context->system ? context->system : L"";
    WCHAR *text = options ? text_join(L"Asked: %ls | system: %ls | temperature %.2f top_p %.2f top_k %u",
                                      operation->prompt, system, options->temperature, options->top_p, options->top_k)
                          : text_join(L"Asked: %ls", operation->prompt);
    return answer(operation, &response_class, text);
}

static HRESULT structured_work(Operation *operation)
{
    return answer(operation, &structured_class, text_join(L"{\"asked\": \"%ls\"}", operation->prompt));
}

static HRESULT summarise_work(Operation *operation)
{
    return answer(operation, &response_class, text_join(L"Summary of: %ls", operation->prompt));
}

static HRESULT rewrite_work(Operation *operation)
{
    return answer(operation, &response_class, text_join(L"Rewritten: %ls", operation->prompt));
}

OPERATION_CLASS(response_operation, L"Windows.Foundation.IAsyncOperationWithProgress`2<Response, String>",
                &IID_IAsyncOperationWithProgress_LanguageModelResponseResult_String, operation_progress_slots);
OPERATION_CLASS(structured_operation, L"Windows.Foundation.IAsyncOperationWithProgress`2<Structured, String>",
                &IID_IAsyncOperationWithProgress_GenerateStructuredJsonResponseResult_String,
                operation_progress_slots);

/* Contexts and options. */

static void context_destroy(Object *object)
{
    text_free(((Context *)object)->system);
}

VTABLE(closable_slots, SLOT(LanguageModel_3_Close_0, object_close));
VTABLE(empty_slots, SLOT(6, object_missing));

static const Class context_class = {
    L"Microsoft.Windows.AI.Text.LanguageModelContext",
    {{&IID_LanguageModelContext_0, empty_slots}, {&IID_IClosable_, closable_slots}},
    context_destroy};

#define PROPERTY(type, member)                                       \
    static HRESULT WINAPI get_##member(Face *self, type *value)      \
    {                                                                \
        *value = ((Options *)self->object)->member;                  \
        return S_OK;                                                 \
    }                                                                \
    static HRESULT WINAPI put_##member(Face *self, type value)       \
    {                                                                \
        ((Options *)self->object)->member = value;                   \
        return S_OK;                                                 \
    }

PROPERTY(float, temperature)
PROPERTY(float, top_p)
PROPERTY(UINT32, top_k)

VTABLE(options_slots, SLOT(LanguageModelOptions_0_get_Temperature_0, get_temperature),
       SLOT(LanguageModelOptions_0_put_Temperature_1, put_temperature),
       SLOT(LanguageModelOptions_0_get_TopP_0, get_top_p), SLOT(LanguageModelOptions_0_put_TopP_1, put_top_p),
       SLOT(LanguageModelOptions_0_get_TopK_0, get_top_k), SLOT(LanguageModelOptions_0_put_TopK_1, put_top_k));

static const Class options_class = {
    L"Microsoft.Windows.AI.Text.LanguageModelOptions", {{&IID_LanguageModelOptions_0, options_slots}}, NULL};

static HRESULT WINAPI options_new(Face *self, void **out)
{
    (void)self;
    Options *options = (Options *)object_new(&options_class, sizeof *options);
    options->temperature = options->top_p = 0.9f;
    options->top_k = 40;
    return object_give(&options->object, 0, out);
}

VTABLE(options_factory_slots, SLOT(6, options_new));
static const Class options_factory_class = {
    L"LanguageModelOptions", {{&IID_IActivationFactory_, options_factory_slots}}, NULL};

/* The model. */

static Object *object_of(void *face)
{
    return face ? ((Face *)face)->object : NULL;
}

static HRESULT WINAPI create_context(Face *self, HSTRING system, void **out)
{
    (void)self;
    Context *context = (Context *)object_new(&context_class, sizeof *context);
    context->system = text_of(system);
    return object_give(&context->object, 0, out);
}

static HRESULT WINAPI generate(Face *self, void *context, HSTRING prompt, void *options, void **out)
{
    (void)self;
    return operation_begin(&response_operation, generate_work, object_of(context), object_of(options),
                           text_of(prompt), out);
}

static HRESULT WINAPI generate_structured(Face *self, HSTRING prompt, HSTRING schema, void *options, void **out)
{
    (void)schema;
    return operation_begin(&structured_operation, structured_work, self->object, object_of(options), text_of(prompt),
                           out);
}

static HRESULT WINAPI usable_length(Face *self, HSTRING prompt, UINT64 *length)
{
    (void)self;
    UINT32 asked = WindowsGetStringLen(prompt), fits = scenario(L"FITS", INT_MAX);
    *length = asked < fits ? asked : fits;
    return S_OK;
}

static HRESULT WINAPI usable_length_in(Face *self, void *context, HSTRING prompt, UINT64 *length)
{
    (void)context;
    return usable_length(self, prompt, length);
}

VTABLE(model_slots, SLOT(LanguageModel_1_CreateContext_1, create_context),
       SLOT(LanguageModel_1_GenerateResponseAsync_3, generate),
       SLOT(LanguageModel_1_GetUsablePromptLength_1, usable_length),
       SLOT(LanguageModel_1_GetUsablePromptLength_2, usable_length_in));
VTABLE(model_structured_slots, SLOT(LanguageModel_2_GenerateStructuredJsonResponseAsync_3, generate_structured));

static const Class model_class = {L"Microsoft.Windows.AI.Text.LanguageModel",
                                  {{&IID_LanguageModel_0, empty_slots},
                                   {&IID_LanguageModel_1, model_slots},
                                   {&IID_LanguageModel_2, model_structured_slots},
                                   {&IID_LanguageModel_3, closable_slots}},
                                  NULL};

/* What makes it ready. */

static HRESULT WINAPI ready_status(Face *self, int *status)
{
    *status = ((Ready *)self->object)->status;
    return S_OK;
}

static HRESULT WINAPI ready_error(Face *self, HRESULT *error)
{
    *error = ((Ready *)self->object)->extended_error;
    return S_OK;
}

static HRESULT WINAPI ready_text(Face *self, HSTRING *text)
{
    return text_give(((Ready *)self->object)->status == 1 ? L"" : L"The double refuses.", text);
}

VTABLE(ready_slots, SLOT(AIFeatureReadyResult_0_get_Status_0, ready_status),
       SLOT(AIFeatureReadyResult_0_get_Error_0, ready_error),
       SLOT(AIFeatureReadyResult_0_get_ExtendedError_0, ready_error),
       SLOT(AIFeatureReadyResult_0_get_ErrorDisplayText_0, ready_text));
static const Class ready_class = {
    L"Microsoft.Windows.AI.AIFeatureReadyResult", {{&IID_AIFeatureReadyResult_0, ready_slots}}, NULL};

OPERATION_CLASS(ready_operation, L"Windows.Foundation.IAsyncOperationWithProgress`2<AIFeatureReadyResult, Double>",
                &IID_IAsyncOperationWithProgress_AIFeatureReadyResult_Double, operation_progress_slots);
OPERATION_CLASS(create_operation, L"Windows.Foundation.IAsyncOperation`1<LanguageModel>",
                &IID_IAsyncOperation_LanguageModel, operation_slots);

static HRESULT ready_work(Operation *operation)
{
    for (int quarter = 1; quarter <= 4; quarter++)
        if (!operation_share(operation, quarter / 4.0))
            return E_ABORT;
    Ready *ready = (Ready *)object_new(&ready_class, sizeof *ready);
    ready->extended_error = scenario(L"FETCH_ERROR", S_OK);
    ready->status = FAILED(ready->extended_error) ? 2 : 1;
    operation->result = &ready->object;
    fetched = ready->status == 1;
    return S_OK;
}

static HRESULT create_work(Operation *operation)
{
    HRESULT error = scenario(L"CREATE_ERROR", S_OK);
    if (SUCCEEDED(error))
        operation->result = object_new(&model_class, sizeof(Object));
    return error;
}

static HRESULT WINAPI get_ready_state(Face *self, int *state)
{
    (void)self;
    *state = fetched ? 0 : scenario(L"READY_STATE", 0);
    return scenario(L"READY_ERROR", S_OK);
}

static HRESULT WINAPI ensure_ready(Face *self, void **out)
{
    (void)self;
    return operation_begin(&ready_operation, ready_work, NULL, NULL, NULL, out);
}

static HRESULT WINAPI create(Face *self, void **out)
{
    (void)self;
    return operation_begin(&create_operation, create_work, NULL, NULL, NULL, out);
}

VTABLE(statics_slots, SLOT(LanguageModel_statics_GetReadyState_0, get_ready_state),
       SLOT(LanguageModel_statics_EnsureReadyAsync_0, ensure_ready), SLOT(LanguageModel_statics_CreateAsync_0, create));
static const Class statics_class = {L"LanguageModel",
                                    {{&IID_IActivationFactory_, empty_slots}, {&IID_LanguageModel_statics, statics_slots}},
                                    NULL};

/* Summariser and rewriter. */

static void skill_destroy(Object *object)
{
    object_drop(((Skill *)object)->model);
}

static HRESULT skill_new(const Class *class, void *model, void **out)
{
    Skill *skill = (Skill *)object_new(class, sizeof *skill);
    skill->model = object_of(model);
    object_hold(skill->model);
    return object_give(&skill->object, 0, out);
}

static HRESULT WINAPI summarise(Face *self, HSTRING text, void **out)
{
    return operation_begin(&response_operation, summarise_work, self->object, NULL, text_of(text), out);
}

static HRESULT WINAPI is_too_long(Face *self, HSTRING text, UINT64 *cutoff, unsigned char *larger)
{
    usable_length(self, text, cutoff);
    *larger = *cutoff < WindowsGetStringLen(text);
    return S_OK;
}

static HRESULT WINAPI rewrite(Face *self, HSTRING text, void **out)
{
    return operation_begin(&response_operation, rewrite_work, self->object, NULL, text_of(text), out);
}

VTABLE(summarise_slots, SLOT(TextSummarizer_0_SummarizeAsync_1, summarise));
VTABLE(too_long_slots, SLOT(TextSummarizer_3_IsPromptLargerThanContext_1, is_too_long));
VTABLE(rewrite_slots, SLOT(TextRewriter_0_RewriteAsync_1, rewrite));
static const Class summarizer_class = {
    L"Microsoft.Windows.AI.Text.TextSummarizer",
    {{&IID_TextSummarizer_0, summarise_slots}, {&IID_TextSummarizer_3, too_long_slots}},
    skill_destroy};
static const Class rewriter_class = {
    L"Microsoft.Windows.AI.Text.TextRewriter", {{&IID_TextRewriter_0, rewrite_slots}}, skill_destroy};

static HRESULT WINAPI summarizer_new(Face *self, void *model, void **out)
{
    (void)self;
    return skill_new(&summarizer_class, model, out);
}

static HRESULT WINAPI rewriter_new(Face *self, void *model, void **out)
{
    (void)self;
    return skill_new(&rewriter_class, model, out);
}

VTABLE(summarizer_factory_slots, SLOT(TextSummarizer_statics_constructor_1, summarizer_new));
VTABLE(rewriter_factory_slots, SLOT(TextRewriter_statics_constructor_1, rewriter_new));
static const Class summarizer_factory_class = {
    L"TextSummarizer",
    {{&IID_IActivationFactory_, empty_slots}, {&IID_TextSummarizer_statics, summarizer_factory_slots}},
    NULL};
static const Class rewriter_factory_class = {
    L"TextRewriter",
    {{&IID_IActivationFactory_, empty_slots}, {&IID_TextRewriter_statics, rewriter_factory_slots}},
    NULL};

#define FACTORY(name)                                           \
    static Object *name(void)                                   \
    {                                                           \
        return object_new(&name##_class, sizeof(Object));       \
    }

FACTORY(statics)
FACTORY(options_factory)
FACTORY(summarizer_factory)
FACTORY(rewriter_factory)

__declspec(dllexport) HRESULT WINAPI DllGetActivationFactory(HSTRING name, void **factory)
{
    static const Activatable classes[] = {{L"Microsoft.Windows.AI.Text.LanguageModel", statics},
                                          {L"Microsoft.Windows.AI.Text.LanguageModelOptions", options_factory},
                                          {L"Microsoft.Windows.AI.Text.TextSummarizer", summarizer_factory},
                                          {L"Microsoft.Windows.AI.Text.TextRewriter", rewriter_factory},
                                          {NULL, NULL}};
    return activate(classes, name, factory);
}
