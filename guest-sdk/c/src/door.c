/* The exports of the core door (docs/guests/core-door.md). */
#ifdef __wasm__
#include <edgemill.h>

#include "layout.h"

#include <stdlib.h>

#define EXPORT(name) __attribute__((export_name(name), used))

EXPORT("edgemill_alloc") void *em_alloc(size_t size) {
    static char *input;
    static size_t room;
    if (size > room) {
        free(input);
        input = malloc(size);
        room = input ? size : 0;
    }
    return input;
}

EXPORT("edgemill_configure") const layout_text *em_configure_door(const char *text, uint32_t size) {
    return em_start((layout_text){text, size});
}

EXPORT("edgemill_transform_1_0_0") const layout_outputs *em_transform_door(const layout_batch *batch) { return em_run(batch); }

/* What wasi-libc's stdio would ask a WASI host for: the core door has none. What is printed goes to the host's log. */
typedef struct piece {
    const char *data;
    size_t size;
} piece;

int32_t __imported_wasi_snapshot_preview1_fd_write(int32_t file, int32_t pieces, int32_t count, int32_t written) {
    const piece *all = (const piece *)pieces;
    size_t size = 0;
    for (int32_t i = 0; i < count; size += all[i++].size)
        if (all[i].size) em_log_bytes(file == 2 ? EM_WARN : EM_INFO, (em_bytes){all[i].data, all[i].size});
    *(size_t *)written = size;
    return 0;
}

int32_t __imported_wasi_snapshot_preview1_fd_close(int32_t file) { return file < 3 ? 0 : 8; }

/* Zig's libc asks its host from here, and not through the function above. */
int close(int file);
int close(int file) { return file < 3 ? 0 : -1; }

int32_t __imported_wasi_snapshot_preview1_fd_seek(int32_t file, int64_t offset, int32_t whence, int32_t place) {
    (void)file, (void)offset, (void)whence, (void)place;
    return 70;
}
#endif
