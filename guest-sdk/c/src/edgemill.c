/* The records of a batch one by one, and their outputs as columns. */
#include <edgemill.h>

#include "layout.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Memory that only grows, and is used again by the next batch. */
typedef struct buffer {
    char *data;
    size_t size, room;
} buffer;

typedef struct column {
    buffer lengths, bytes;
} column;

/* Columns that an output sets; the others keep what the origin has. */
enum { KEY = 1, VALUE = 2, TIMESTAMP = 4, HEADERS = 8, ROUTE = 16, OPEN = 32 };

/* Where a record's items begin in the batch's columns. */
typedef struct cursor {
    size_t index, key, value, header, header_name, header_value;
} cursor;

struct em_output {
    unsigned set;
    em_outputs *all;
};

struct em_outputs {
    const layout_batch *batch;
    cursor at;
    em_record record;
    em_output current;
    unsigned touched;
    uint32_t count;
    buffer origins, timestamps, header_counts, routes, reject_origins;
    column keys, values, header_names, header_values, route_names, reject_codes, reject_messages;
    uint32_t headers_of_current;
    layout_outputs table __attribute__((aligned(8)));
};

static em_outputs outputs;
static void *state;

static void *grow(buffer *buffer, size_t more) {
    if (buffer->room - buffer->size < more) {
        size_t room = buffer->room * 2 > buffer->size + more ? buffer->room * 2 : buffer->size + more;
        char *data = realloc(buffer->data, room < 64 ? 64 : room);
        if (!data) em_trap("there is no memory for outputs");
        buffer->data = data;
        buffer->room = room < 64 ? 64 : room;
    }
    char *end = buffer->data + buffer->size;
    buffer->size += more;
    return end;
}

static void push(buffer *buffer, const void *data, size_t size) {
    if (size) memcpy(grow(buffer, size), data, size);
}

static void push_length(column *column, int32_t length) { push(&column->lengths, &length, sizeof length); }

static void push_item(column *column, em_bytes item) {
    push_length(column, item.data ? (int32_t)item.size : -1);
    if (item.data) push(&column->bytes, item.data, item.size);
}

static void clear(column *column) { column->lengths.size = column->bytes.size = 0; }

static em_bytes item(const layout_column *column, size_t index, size_t at) {
    int32_t length = column->lengths[index];
    em_bytes bytes = {length < 0 ? NULL : column->data ? column->data + at : "", length < 0 ? 0 : (size_t)length};
    return bytes;
}

static size_t step(const layout_column *column, size_t index) {
    return column->lengths[index] < 0 ? 0 : (size_t)column->lengths[index];
}

static uint32_t headers_of(const layout_batch *batch, size_t index) {
    return batch->header_counts ? batch->header_counts[index] : 0;
}

static void advance(cursor *at, const layout_batch *batch) {
    at->key += step(&batch->keys, at->index);
    at->value += step(&batch->values, at->index);
    for (uint32_t count = headers_of(batch, at->index); count > 0; count--, at->header++) {
        at->header_name += step(&batch->header_names, at->header);
        at->header_value += step(&batch->header_values, at->header);
    }
    at->index++;
}

/* The header behind another number of a record's. */
static em_header header_at(const em_outputs *all, cursor at, size_t index) {
    for (; index > 0; index--, at.header++) {
        at.header_name += step(&all->batch->header_names, at.header);
        at.header_value += step(&all->batch->header_values, at.header);
    }
    em_header header = {item(&all->batch->header_names, at.header, at.header_name),
                        item(&all->batch->header_values, at.header, at.header_value)};
    return header;
}

em_header em_header_at(const em_record *record, size_t index) {
    const em_outputs *all = record->private_headers;
    return header_at(all, all->at, index);
}

bool em_last_header(const em_record *record, em_bytes name, em_header *header) {
    for (size_t index = record->header_count; index > 0; index--) {
        *header = em_header_at(record, index - 1);
        if (em_equal(header->name, name)) return true;
    }
    return false;
}

static void keep_headers(em_outputs *all, const cursor *at) {
    uint32_t count = headers_of(all->batch, at->index);
    for (uint32_t index = 0; index < count; index++) {
        em_header header = header_at(all, *at, index);
        push_item(&all->header_names, header.name);
        push_item(&all->header_values, header.value);
    }
    push(&all->header_counts, &count, sizeof count);
}

/* Gives a column what an origin has. */
static void keep_part(em_outputs *all, unsigned part, const cursor *at) {
    switch (part) {
    case KEY: push_item(&all->keys, item(&all->batch->keys, at->index, at->key)); break;
    case VALUE: push_item(&all->values, item(&all->batch->values, at->index, at->value)); break;
    case TIMESTAMP: push(&all->timestamps, &all->batch->timestamps[at->index], sizeof(int64_t)); break;
    case HEADERS: keep_headers(all, at); break;
    default: push(&all->routes, &(uint16_t){0}, sizeof(uint16_t)); break;
    }
}

/* A column is touched for the first time: the outputs before have what their origins had. */
static void touch(em_outputs *all, unsigned part) {
    if (all->touched & part) return;
    all->touched |= part;
    const uint32_t *origins = (const uint32_t *)all->origins.data;
    cursor at = {0};
    for (uint32_t output = 0; output < all->count; output++) {
        while (at.index < origins[output]) advance(&at, all->batch);
        keep_part(all, part, &at);
    }
}

static void finish(em_outputs *all) {
    if (!(all->current.set & OPEN)) return;
    for (unsigned part = KEY; part <= ROUTE; part <<= 1) {
        if (!(all->touched & part)) continue;
        if (!(all->current.set & part)) keep_part(all, part, &all->at);
        else if (part == HEADERS) push(&all->header_counts, &all->headers_of_current, sizeof(uint32_t));
    }
    uint32_t origin = (uint32_t)all->at.index;
    push(&all->origins, &origin, sizeof origin);
    all->count++;
    all->current.set = 0;
}

em_output *em_emit(em_outputs *all) {
    finish(all);
    all->current.set = OPEN;
    return &all->current;
}

em_result em_keep(em_outputs *all) {
    em_emit(all);
    return EM_OK;
}

static void drop_last(column *column) {
    column->lengths.size -= sizeof(int32_t);
    int32_t length = *(const int32_t *)(column->lengths.data + column->lengths.size);
    if (length > 0) column->bytes.size -= (size_t)length;
}

/* Begins to set a column of bytes: what was set before is gone. */
static void begin(em_output *output, unsigned part, column *column) {
    touch(output->all, part);
    if (output->set & part) drop_last(column);
    output->set |= part;
}

void em_key(em_output *output, em_bytes key) {
    begin(output, KEY, &output->all->keys);
    push_item(&output->all->keys, key);
}

void em_value(em_output *output, em_bytes value) {
    begin(output, VALUE, &output->all->values);
    push_item(&output->all->values, value);
}

void em_value_write(em_output *output, em_bytes piece) {
    column *values = &output->all->values;
    if (!(output->set & VALUE)) {
        begin(output, VALUE, values);
        push_length(values, 0);
    }
    int32_t *length = (int32_t *)(values->lengths.data + values->lengths.size) - 1;
    *length = (*length < 0 ? 0 : *length) + (int32_t)piece.size;
    push(&values->bytes, piece.data, piece.size);
}

void em_value_byte(em_output *output, int byte) {
    char one = (char)byte;
    em_value_write(output, (em_bytes){&one, 1});
}

/* printf into memory that the next call uses again. */
static em_bytes print(const char *format, va_list arguments) {
    static buffer text;
    va_list again;
    va_copy(again, arguments);
    int size = vsnprintf(text.data, text.room, format, arguments);
    if (size >= 0 && (size_t)size >= text.room) {
        text.size = 0;
        grow(&text, (size_t)size + 1);
        vsnprintf(text.data, text.room, format, again);
    }
    va_end(again);
    return (em_bytes){text.data ? text.data : "", size < 0 ? 0 : (size_t)size};
}

void em_value_print(em_output *output, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    em_value_write(output, print(format, arguments));
    va_end(arguments);
}

void em_timestamp(em_output *output, int64_t milliseconds) {
    touch(output->all, TIMESTAMP);
    if (output->set & TIMESTAMP) output->all->timestamps.size -= sizeof milliseconds;
    output->set |= TIMESTAMP;
    push(&output->all->timestamps, &milliseconds, sizeof milliseconds);
}

static void begin_headers(em_output *output) {
    em_outputs *all = output->all;
    touch(all, HEADERS);
    if (output->set & HEADERS) return;
    output->set |= HEADERS;
    keep_headers(all, &all->at);
    all->header_counts.size -= sizeof(uint32_t);
    all->headers_of_current = headers_of(all->batch, all->at.index);
}

void em_header_add(em_output *output, em_bytes name, em_bytes value) {
    begin_headers(output);
    push_item(&output->all->header_names, name);
    push_item(&output->all->header_values, value);
    output->all->headers_of_current++;
}

/* Takes one item, `back` items from the end, out of a column; `at` is where its bytes begin. */
static void cut(column *column, size_t back, size_t at) {
    size_t count = column->lengths.size / sizeof(int32_t), index = count - back;
    int32_t *lengths = (int32_t *)column->lengths.data;
    size_t size = lengths[index] < 0 ? 0 : (size_t)lengths[index];
    memmove(column->bytes.data + at, column->bytes.data + at + size, column->bytes.size - at - size);
    memmove(lengths + index, lengths + index + 1, (back - 1) * sizeof(int32_t));
    column->bytes.size -= size;
    column->lengths.size -= sizeof(int32_t);
}

void em_header_remove(em_output *output, em_bytes name) {
    em_outputs *all = output->all;
    begin_headers(output);
    size_t back = all->headers_of_current, name_at = all->header_names.bytes.size, value_at = all->header_values.bytes.size;
    size_t names = all->header_names.lengths.size / sizeof(int32_t);
    for (size_t index = names - back; index < names; index++) {
        int32_t length = ((int32_t *)all->header_values.lengths.data)[index];
        name_at -= (size_t)((int32_t *)all->header_names.lengths.data)[index];
        value_at -= length < 0 ? 0 : (size_t)length;
    }
    while (back > 0) {
        size_t index = all->header_names.lengths.size / sizeof(int32_t) - back;
        size_t size = (size_t)((int32_t *)all->header_names.lengths.data)[index];
        int32_t length = ((int32_t *)all->header_values.lengths.data)[index];
        if (em_equal((em_bytes){all->header_names.bytes.data + name_at, size}, name)) {
            cut(&all->header_names, back, name_at);
            cut(&all->header_values, back, value_at);
            all->headers_of_current--;
        } else {
            name_at += size;
            value_at += length < 0 ? 0 : (size_t)length;
        }
        back--;
    }
}

void em_route(em_output *output, em_bytes topic) {
    em_outputs *all = output->all;
    touch(all, ROUTE);
    if (output->set & ROUTE) all->routes.size -= sizeof(uint16_t);
    output->set |= ROUTE;
    const int32_t *lengths = (const int32_t *)all->route_names.lengths.data;
    size_t count = all->route_names.lengths.size / sizeof(int32_t), at = 0, index = 0;
    for (; index < count; at += (size_t)lengths[index++])
        if (em_equal((em_bytes){all->route_names.bytes.data + at, (size_t)lengths[index]}, topic)) break;
    if (index == count) push_item(&all->route_names, topic);
    push(&all->routes, &(uint16_t){(uint16_t)(index + 1)}, sizeof(uint16_t));
}

em_result em_reject_bytes(em_outputs *all, em_bytes code, em_bytes message) {
    uint32_t origin = (uint32_t)all->at.index;
    const uint32_t *end = (const uint32_t *)(all->reject_origins.data + all->reject_origins.size);
    /* a record is rejected once, for the first reason */
    if (all->reject_origins.size && end[-1] == origin) return EM_REJECTED;
    push(&all->reject_origins, &origin, sizeof origin);
    push_item(&all->reject_codes, code.data ? code : em_text(""));
    push_item(&all->reject_messages, message.data ? message : em_text(""));
    return EM_REJECTED;
}

em_result em_reject(em_outputs *all, const char *code, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    em_result result = em_reject_bytes(all, em_text(code), print(format, arguments));
    va_end(arguments);
    return result;
}

#ifdef __wasm__
__attribute__((import_module("edgemill:transform/log@1.0.0"), import_name("log"))) void host_log(int32_t, const char *, size_t);
#else
static void host_log(int32_t level, const char *text, size_t size) {
    static const char *const names[] = {"trace", "debug", "info", "warn", "error"};
    fprintf(stderr, "%s: %.*s\n", names[level], (int)size, text);
}
#endif

void em_log_bytes(em_level level, em_bytes message) { host_log((int32_t)level, message.data ? message.data : "", message.size); }

void em_log(em_level level, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    em_log_bytes(level, print(format, arguments));
    va_end(arguments);
}

void em_trap(const char *message) {
    em_log_bytes(EM_ERROR, em_text(message));
    abort();
}

/* Tables stand at a multiple of 8. */
static layout_text refusal __attribute__((aligned(8)));

void *em_refuse(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    em_bytes text = print(format, arguments);
    va_end(arguments);
    refusal = (layout_text){text.data, (uint32_t)text.size};
    return NULL;
}

const layout_text *em_start(layout_text config) {
    if (!em_the_configure) return NULL;
    em_refuse("the configuration is refused");
    state = em_the_configure((em_bytes){config.data, config.size});
    return state ? NULL : &refusal;
}

static layout_column view(const column *column) {
    static const int32_t none[1] = {0};
    return (layout_column){column->lengths.size ? (const int32_t *)column->lengths.data : none, column->bytes.data ? column->bytes.data : "",
                           (uint32_t)column->bytes.size};
}

const layout_outputs *em_run(const layout_batch *batch) {
    em_outputs *all = &outputs;
    buffer *buffers[] = {&all->origins, &all->timestamps, &all->header_counts, &all->routes, &all->reject_origins};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) buffers[i]->size = 0;
    column *columns[] = {&all->keys,        &all->values,       &all->header_names,  &all->header_values,
                         &all->route_names, &all->reject_codes, &all->reject_messages};
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) clear(columns[i]);
    all->batch = batch;
    all->at = (cursor){0};
    all->current = (em_output){0, all};
    all->touched = all->count = 0;
    while (all->at.index < batch->count) {
        size_t index = all->at.index;
        all->record = (em_record){{batch->topic.data, batch->topic.size},
                                  batch->partition,
                                  batch->offsets[index],
                                  batch->timestamps[index],
                                  item(&batch->keys, index, all->at.key),
                                  item(&batch->values, index, all->at.value),
                                  headers_of(batch, index),
                                  all};
        uint32_t rejects = (uint32_t)(all->reject_origins.size / sizeof(uint32_t));
        em_result result = em_the_transform(state, &all->record, all);
        finish(all);
        /* the host withholds what a rejected record gave */
        if (result == EM_REJECTED && all->reject_origins.size / sizeof(uint32_t) == rejects)
            em_reject(all, "rejected", "the transform gave no reason");
        advance(&all->at, batch);
    }
    unsigned touched = all->touched;
    layout_column none = {0};
    all->table = (layout_outputs){.count = all->count, .origins = (const uint32_t *)all->origins.data};
    layout_outputs *table = &all->table;
    if (touched & TIMESTAMP) table->timestamps = (const int64_t *)all->timestamps.data;
    table->keys = touched & KEY ? view(&all->keys) : none;
    table->values = touched & VALUE ? view(&all->values) : none;
    table->header_names = table->header_values = view(&(column){0});
    if (touched & HEADERS && all->count) {
        table->header_counts = (const uint32_t *)all->header_counts.data;
        table->header_total = (uint32_t)(all->header_names.lengths.size / sizeof(int32_t));
        table->header_names = view(&all->header_names);
        table->header_values = view(&all->header_values);
    }
    if (touched & ROUTE) table->routes = (const uint16_t *)all->routes.data;
    table->route_count = (uint32_t)(all->route_names.lengths.size / sizeof(int32_t));
    table->route_names = view(&all->route_names);
    table->reject_count = (uint32_t)(all->reject_origins.size / sizeof(uint32_t));
    table->reject_origins = (const uint32_t *)all->reject_origins.data;
    table->reject_codes = view(&all->reject_codes);
    table->reject_messages = view(&all->reject_messages);
    return table;
}
