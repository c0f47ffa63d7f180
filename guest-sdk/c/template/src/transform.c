/* Makes the text of every record loud. A place to begin: change it into what you need. */
#include <ctype.h>
#include <edgemill.h>
#include <stdlib.h>

/* What stands in the pipeline's configuration: config = { mark = "!" } */
typedef struct loud {
    em_bytes mark;
} loud;

static const em_setting settings[] = {EM_OPTIONAL(loud, mark)};

static void *configure(em_bytes config) {
    loud *self = malloc(sizeof *self);
    self->mark = em_text("!");
    return em_configured(config, settings, self);
}

static em_result transform(void *state, const em_record *record, em_outputs *out) {
    const loud *self = state;
    if (!record->value.data) return em_keep(out);
    if (record->value.size == 0) return em_reject(out, "empty", "the value is empty");
    em_output *output = em_emit(out);
    for (size_t i = 0; i < record->value.size; i++) em_value_byte(output, toupper((unsigned char)record->value.data[i]));
    em_value_write(output, self->mark);
    return EM_OK;
}

EDGEMILL_TRANSFORM(configure, transform)
