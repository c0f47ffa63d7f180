/* Gives each page view an `_id`; with `keep`, lets records pass. Texts are copied as they stand in the JSON, in their quotes. */
#include <edgemill.h>

static bool keep;

static void *configure(em_bytes config) {
    em_bytes given;
    keep = em_json_field(config, "keep", &given) == EM_JSON_BOOL && given.data[0] == 't';
    return &keep;
}

static void inner(em_output *output, em_bytes text) { em_value_write(output, (em_bytes){text.data + 1, text.size - 2}); }

static em_result transform(void *state, const em_record *record, em_outputs *out) {
    (void)state;
    if (keep) return em_keep(out);
    if (!record->value.data) return EM_OK;
    em_bytes time, user, page;
    if (em_json_field(record->value, "viewtime", &time) != EM_JSON_NUMBER || em_json_field(record->value, "userid", &user) != EM_JSON_STRING ||
        em_json_field(record->value, "pageid", &page) != EM_JSON_STRING)
        return em_reject(out, "not-a-view", "viewtime, userid or pageid is missing");
    em_output *output = em_emit(out);
    em_value_write(output, em_text("{\"_id\":\""));
    inner(output, user);
    em_value_byte(output, '|');
    inner(output, page);
    em_value_byte(output, '|');
    em_value_write(output, time);
    em_value_write(output, em_text("\",\"viewtime\":"));
    em_value_write(output, time);
    em_value_write(output, em_text(",\"userid\":"));
    em_value_write(output, user);
    em_value_write(output, em_text(",\"pageid\":"));
    em_value_write(output, page);
    em_value_byte(output, '}');
    return EM_OK;
}

EDGEMILL_TRANSFORM(configure, transform)
