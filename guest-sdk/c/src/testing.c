/* The host's side of a batch, for tests of transforms without Wasm. */
#include <edgemill_test.h>

#include "layout.h"

#include <stdlib.h>

size_t em_test_rows, em_test_rejects;
em_test_output em_test_row[256];
em_test_reject em_test_rejected[256];

const char *em_test_start(const char *config) {
    const layout_text *refusal = em_start((layout_text){config, (uint32_t)strlen(config)});
    if (!refusal) return NULL;
    char *text = calloc(refusal->size + 1, 1);
    return text ? memcpy(text, refusal->data, refusal->size) : "refused";
}

/* A column of the items. */
typedef struct filled {
    int32_t *lengths;
    char *data;
    size_t count, size;
} filled;

static void add(filled *column, em_bytes item) {
    column->lengths = realloc(column->lengths, (column->count + 1) * sizeof(int32_t));
    column->data = realloc(column->data, column->size + item.size + 1);
    if (!column->lengths || !column->data) abort();
    column->lengths[column->count++] = item.data ? (int32_t)item.size : -1;
    if (item.size) memcpy(column->data + column->size, item.data, item.size);
    column->size += item.size;
}

static layout_column view(const filled *column) {
    return (layout_column){column->lengths, column->data, (uint32_t)column->size};
}

/* The next item of a column. */
static em_bytes next(const layout_column *column, size_t *index, size_t *at) {
    int32_t length = column->lengths[(*index)++];
    em_bytes item = {length < 0 ? NULL : column->data + *at, length < 0 ? 0 : (size_t)length};
    *at += item.size;
    return item;
}

void em_test_batch(const em_record *records, size_t count) {
    static filled keys, values, names, header_values;
    static int64_t offsets[256], timestamps[256];
    static uint32_t counts[256];
    if (count > 256) abort();
    filled *columns[] = {&keys, &values, &names, &header_values};
    for (size_t i = 0; i < 4; i++) columns[i]->count = columns[i]->size = 0;
    for (size_t i = 0; i < count; i++) {
        add(&keys, records[i].key);
        add(&values, records[i].value);
        offsets[i] = records[i].offset;
        timestamps[i] = records[i].timestamp;
        counts[i] = (uint32_t)records[i].header_count;
        for (size_t header = 0; header < counts[i]; header++) {
            const em_header *given = (const em_header *)records[i].private_headers + header;
            add(&names, given->name);
            add(&header_values, given->value);
        }
    }
    em_bytes topic = count && records[0].topic.data ? records[0].topic : em_text("test");
    layout_batch batch = {(uint32_t)count, count ? records[0].partition : 0, {topic.data, (uint32_t)topic.size}, offsets,
                          timestamps, view(&keys), view(&values), names.count ? counts : NULL, (uint32_t)names.count, view(&names), view(&header_values)};
    const layout_outputs *out = em_run(&batch);
    size_t key = 0, key_at = 0, value = 0, value_at = 0, header = 0, name_at = 0, header_at = 0;
    em_test_rows = em_test_rejects = 0;
    size_t code = 0, code_at = 0, message = 0, message_at = 0;
    for (; em_test_rejects < out->reject_count && em_test_rejects < 256; em_test_rejects++)
        em_test_rejected[em_test_rejects] = (em_test_reject){out->reject_origins[em_test_rejects], next(&out->reject_codes, &code, &code_at),
                                                            next(&out->reject_messages, &message, &message_at)};
    for (size_t i = 0; i < out->count; i++) {
        const em_record *origin = &records[out->origins[i]];
        em_test_output row = {out->origins[i], origin->key, origin->value, origin->timestamp, {NULL, 0}, origin->header_count, {{{NULL, 0}, {NULL, 0}}}};
        if (out->keys.lengths) row.key = next(&out->keys, &key, &key_at);
        if (out->values.lengths) row.value = next(&out->values, &value, &value_at);
        if (out->timestamps) row.timestamp = out->timestamps[i];
        if (out->header_counts) row.header_count = out->header_counts[i];
        for (size_t j = 0; j < row.header_count; j++) {
            em_header one;
            if (out->header_counts) {
                em_bytes name = next(&out->header_names, &header, &name_at);
                header--;
                one = (em_header){name, next(&out->header_values, &header, &header_at)};
            } else {
                one = ((const em_header *)origin->private_headers)[j];
            }
            if (j < 8) row.headers[j] = one;
        }
        if (out->routes && out->routes[i]) {
            size_t index = 0, at = 0;
            while (index < out->routes[i]) row.topic = next(&out->route_names, &index, &at);
        }
        bool withheld = false;
        for (size_t j = 0; j < em_test_rejects; j++) withheld |= em_test_rejected[j].origin == row.origin;
        if (!withheld && em_test_rows < 256) em_test_row[em_test_rows++] = row;
    }
}

void em_test_pass(em_bytes value) {
    em_record record = {.value = value, .timestamp = -1};
    em_test_batch(&record, 1);
}
