/* The tables of the core door (docs/guests/core-door.md), as C structs. */
#ifndef EDGEMILL_LAYOUT_H
#define EDGEMILL_LAYOUT_H

#include <stdint.h>

/* k byte strings: lengths, -1 for null, and their bytes end to end. */
typedef struct layout_column {
    const int32_t *lengths;
    const char *data;
    uint32_t size;
} layout_column;

typedef struct layout_text {
    const char *data;
    uint32_t size;
} layout_text;

typedef struct layout_batch {
    uint32_t count;
    int32_t partition;
    layout_text topic;
    const int64_t *offsets;
    const int64_t *timestamps;
    layout_column keys;
    layout_column values;
    const uint32_t *header_counts;
    uint32_t header_total;
    layout_column header_names;
    layout_column header_values;
} layout_batch;

typedef struct layout_outputs {
    uint32_t count;
    const uint32_t *origins;
    const int64_t *timestamps;
    layout_column keys;
    layout_column values;
    const uint32_t *header_counts;
    uint32_t header_total;
    layout_column header_names;
    layout_column header_values;
    const uint16_t *routes;
    uint32_t route_count;
    layout_column route_names;
    uint32_t reject_count;
    const uint32_t *reject_origins;
    layout_column reject_codes;
    layout_column reject_messages;
    layout_text error;
} layout_outputs;

#ifdef __wasm__
_Static_assert(sizeof(layout_batch) == 80, "the core door's batch");
_Static_assert(sizeof(layout_outputs) == 128, "the core door's outputs");
#endif

/* Passes a batch through em_the_transform. What it returns is good until the next call. */
const layout_outputs *em_run(const layout_batch *batch);

/* Makes the state; NULL, or why the configuration is refused. */
const layout_text *em_start(layout_text config);

#endif
