/* The conformance transform in C: see guest-sdk/conformance/README.md. */
#include <edgemill.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct conformance {
    em_bytes mark;
    int64_t limit;
} conformance;

static const em_setting settings[] = {EM_REQUIRED(conformance, mark), EM_OPTIONAL(conformance, limit)};

static void *configure(em_bytes config) {
    conformance *self = malloc(sizeof *self);
    *self = (conformance){em_text("none"), 100};
    if (em_json_kind(config) == EM_JSON_NULL) return self;
    if (!em_configured(config, settings, self)) return NULL;
    return self->limit > 0 ? self : em_refuse("limit must be above 0");
}

/* What stands before the first space; `rest` is what is behind it. */
static em_bytes split(em_bytes bytes, em_bytes *rest) {
    const char *space = memchr(bytes.data, ' ', bytes.size);
    size_t size = space ? (size_t)(space - bytes.data) : bytes.size;
    *rest = space ? (em_bytes){space + 1, bytes.size - size - 1} : em_text("");
    return (em_bytes){bytes.data, size};
}

static void print_bytes(em_output *output, em_bytes bytes) { em_value_write(output, bytes.data ? bytes : em_text("-")); }

static em_result many(const conformance *self, int64_t count, em_outputs *out) {
    if (count > self->limit) return em_reject(out, "too-many", "%" PRId64 " is over the limit of %" PRId64, count, self->limit);
    for (int64_t index = 0; index < count; index++) em_value_print(em_emit(out), "%" PRId64, index);
    return EM_OK;
}

static em_result transform(void *state, const em_record *record, em_outputs *out) {
    const conformance *self = state;
    if (!record->value.data || record->value.size == 0 || *record->value.data != '!') return em_keep(out);
    em_bytes rest, word = split((em_bytes){record->value.data + 1, record->value.size - 1}, &rest);
    int64_t number = 0;
#define IS(name) em_equal(word, em_text(name))
    if ((IS("time") || IS("many") || IS("long")) && !em_json_integer(rest, &number)) return em_reject_bytes(out, em_text("not-a-number"), rest);
    if (IS("keep")) return em_keep(out);
    if (IS("drop")) return EM_OK;
    if (IS("value")) return em_value(em_emit(out), rest), EM_OK;
    if (IS("null")) return em_value(em_emit(out), em_null()), EM_OK;
    if (IS("key")) return em_key(em_emit(out), rest), EM_OK;
    if (IS("nokey")) return em_key(em_emit(out), em_null()), EM_OK;
    if (IS("time")) return em_timestamp(em_emit(out), number), EM_OK;
    if (IS("header")) {
        em_bytes value, name = split(rest, &value);
        return em_header_add(em_emit(out), name, value), EM_OK;
    }
    if (IS("nullheader")) return em_header_add(em_emit(out), rest, em_null()), EM_OK;
    if (IS("unheader")) return em_header_remove(em_emit(out), rest), EM_OK;
    if (IS("route")) return em_route(em_emit(out), rest), EM_OK;
    if (IS("twice")) return em_keep(out), em_value(em_emit(out), em_text("again")), EM_OK;
    if (IS("many")) return many(self, number, out);
    if (IS("long")) {
        em_output *output = em_emit(out);
        while (number-- > 0) em_value_byte(output, 'x');
        return EM_OK;
    }
    if (IS("all")) {
        em_output *output = em_emit(out);
        em_key(output, em_text("k"));
        em_value(output, rest);
        em_timestamp(output, 7);
        em_header_add(output, em_text("h"), em_text("v"));
        em_route(output, em_text("audit"));
        return EM_OK;
    }
    if (IS("reject") || IS("late")) {
        if (IS("late")) em_keep(out);
        em_bytes message, code = split(rest, &message);
        return em_reject_bytes(out, code, message);
    }
    if (IS("log")) {
        static const char *const names[] = {"trace", "debug", "info", "warn", "error"};
        em_bytes message, level = split(rest, &message);
        for (int i = 0; i < 5; i++)
            if (em_equal(level, em_text(names[i]))) em_log_bytes((em_level)i, message);
        return em_keep(out);
    }
    if (IS("tell")) {
        em_output *output = em_emit(out);
        em_value_write(output, record->topic);
        em_value_print(output, " %" PRId32 " %" PRId64 " ", record->partition, record->offset);
        if (record->timestamp == -1) em_value_write(output, em_text("-"));
        else em_value_print(output, "%" PRId64, record->timestamp);
        em_value_byte(output, ' ');
        print_bytes(output, record->key);
        return EM_OK;
    }
    if (IS("headers")) {
        em_output *output = em_emit(out);
        em_value(output, em_text(""));
        for (size_t index = 0; index < record->header_count; index++) {
            em_header header = em_header_at(record, index);
            if (index) em_value_byte(output, ',');
            em_value_write(output, header.name);
            em_value_byte(output, '=');
            print_bytes(output, header.value);
        }
        return EM_OK;
    }
    if (IS("last")) {
        em_header header;
        if (!em_last_header(record, rest, &header)) return em_reject(out, "no-header", "there is no header %.*s", (int)rest.size, rest.data);
        return em_value(em_emit(out), header.value), EM_OK;
    }
    if (IS("mark")) return em_value(em_emit(out), self->mark), EM_OK;
    if (IS("trap")) em_trap("as it was told");
    if (IS("loop"))
        for (volatile int forever = 1; forever;) {}
    if (IS("grow"))
        for (;;) {
            static void *volatile more;
            if (!(more = malloc(1 << 20))) em_trap("there is no more memory");
        }
    return em_reject_bytes(out, em_text("unknown-command"), word);
}

EDGEMILL_TRANSFORM(configure, transform)
