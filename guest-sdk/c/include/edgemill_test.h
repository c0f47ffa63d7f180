/* Runs a transform natively, through the same columns as in the host: for its own tests.
 *
 *     em_test_start("{\"most\":10}");
 *     em_test_pass(em_text("hello"));
 *     assert(em_test_rows == 1 && em_equal(em_test_row[0].value, em_text("HELLO")));
 */
#ifndef EDGEMILL_TEST_H
#define EDGEMILL_TEST_H

#include <edgemill.h>

/* An output, or a reject. */
typedef struct em_test_output {
    size_t origin;
    em_bytes key, value;
    int64_t timestamp;
    em_bytes topic; /* where it goes; NULL data: where the record was going */
    size_t header_count;
    em_header headers[8]; /* of more, the first eight */
} em_test_output;

typedef struct em_test_reject {
    size_t origin;
    em_bytes code, message;
} em_test_reject;

/* Configures the transform with JSON. NULL, or why it is refused. */
const char *em_test_start(const char *config);

/* Passes records in one batch; what came is in the arrays below until the next call. A record's private_headers point to its headers. */
void em_test_batch(const em_record *records, size_t count);

/* Passes one record that has only a value. */
void em_test_pass(em_bytes value);

extern size_t em_test_rows, em_test_rejects;
extern em_test_output em_test_row[256];
extern em_test_reject em_test_rejected[256];

#endif
