/* Write Edgemill transforms in C: a function over one record at a time.
 *
 *     #include <edgemill.h>
 *
 *     static em_result shout(void *state, const em_record *record, em_outputs *out) {
 *         (void)state;
 *         if (!record->value.data) return em_keep(out);
 *         em_output *output = em_emit(out);
 *         for (size_t i = 0; i < record->value.size; i++)
 *             em_value_byte(output, toupper((unsigned char)record->value.data[i]));
 *         return EM_OK;
 *     }
 *
 *     EDGEMILL_TRANSFORM(NULL, shout)
 *
 * A record that leaves no output is dropped on purpose. What is not set on an output stays as the record has it. The host
 * may give the same record again after a fault, so a transform must not mind. docs/guests/c.md goes from a file to a running transform.
 */
#ifndef EDGEMILL_H
#define EDGEMILL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes that somebody else owns. `data` is NULL for Kafka's null; an empty byte string has a place and no size. */
typedef struct em_bytes {
    const char *data;
    size_t size;
} em_bytes;

/* The bytes of a C string. */
static inline em_bytes em_text(const char *text) {
    em_bytes bytes = {text, strlen(text)};
    return bytes;
}

/* Null. */
static inline em_bytes em_null(void) {
    em_bytes bytes = {NULL, 0};
    return bytes;
}

/* Whether two byte strings are the same; null equals null only. */
static inline bool em_equal(em_bytes a, em_bytes b) {
    return !a.data == !b.data && a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

typedef struct em_header {
    em_bytes name;
    em_bytes value;
} em_header;

/* A record; everything is borrowed from the host's batch until the transform returns. */
typedef struct em_record {
    em_bytes topic;
    int32_t partition;
    int64_t offset;
    int64_t timestamp; /* milliseconds since 1970-01-01 UTC; -1 where there is none */
    em_bytes key;
    em_bytes value;
    size_t header_count;
    const void *private_headers;
} em_record;

/* Header number `index`, below `header_count`. */
em_header em_header_at(const em_record *record, size_t index);

/* The last header of a name, as Kafka's own lastHeader; false where there is none. */
bool em_last_header(const em_record *record, em_bytes name, em_header *header);

/* What becomes of a record. */
typedef struct em_outputs em_outputs;
typedef struct em_output em_output;
typedef enum em_result { EM_OK = 0, EM_REJECTED = 1 } em_result;

/* Lets the record pass as it is. A transform that does only this moves no bytes. */
em_result em_keep(em_outputs *out);

/* Begins an output: the record with what is set on it, until the next output begins or the transform returns. */
em_output *em_emit(em_outputs *out);

/* Refuses the record: what it gave is withheld. `code` is a short word of the transform's own, for metrics and for
 * filtering dead letters; the message, as printf's, is for a person. To be returned. */
em_result em_reject(em_outputs *out, const char *code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The same with bytes of the record's for code and message, which must be UTF-8. */
em_result em_reject_bytes(em_outputs *out, em_bytes code, em_bytes message);

void em_key(em_output *output, em_bytes key);
void em_value(em_output *output, em_bytes value);
void em_timestamp(em_output *output, int64_t milliseconds);
/* Adds a header behind those there are. */
void em_header_add(em_output *output, em_bytes name, em_bytes value);
/* Removes all headers of a name. */
void em_header_remove(em_output *output, em_bytes name);
/* Sends the output to a topic that the pipeline's sink declares. */
void em_route(em_output *output, em_bytes topic);

/* Writes a value piece by piece: the first piece makes it empty before. */
void em_value_write(em_output *output, em_bytes piece);
void em_value_byte(em_output *output, int byte);
void em_value_print(em_output *output, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Logs by the host, which counts and limits messages. */
typedef enum em_level { EM_TRACE, EM_DEBUG, EM_INFO, EM_WARN, EM_ERROR } em_level;
void em_log(em_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
void em_log_bytes(em_level level, em_bytes message);

/* Logs, and gives up: a fault of this record, which meets the pipeline's policy. */
__attribute__((noreturn)) void em_trap(const char *message);

/* The module's configuration as JSON text: `null` where the pipeline has none. */
typedef enum em_json { EM_JSON_ABSENT, EM_JSON_NULL, EM_JSON_BOOL, EM_JSON_NUMBER, EM_JSON_STRING, EM_JSON_OBJECT, EM_JSON_ARRAY, EM_JSON_WRONG } em_json;

/* What kind of JSON a text is. */
em_json em_json_kind(em_bytes json);

/* Finds a field of a JSON object and what kind it is; `value` is its text in the JSON. */
em_json em_json_field(em_bytes object, const char *name, em_bytes *value);

/* Goes through the fields of a JSON object: `left` begins as em_json_fields(object), whose data is NULL where that is none. Gives
 * the next name, as it stands between its quotes, and the text of its value; false behind the last. */
em_bytes em_json_fields(em_bytes object);
bool em_json_next(em_bytes *left, em_bytes *name, em_bytes *value);

/* A JSON string as text, in memory of the module's own that is never freed: for configurations. NULL data where it is none. */
em_bytes em_json_string(em_bytes json);

/* A JSON number without fraction and exponent; false where it is none, or does not fit. */
bool em_json_integer(em_bytes json, int64_t *number);
bool em_json_number(em_bytes json, double *number);

/* A field of the configuration, and where it goes in a struct of the transform's own. */
typedef enum em_setting_type { EM_SETTING_TEXT, EM_SETTING_BOOL, EM_SETTING_INTEGER, EM_SETTING_NUMBER } em_setting_type;
typedef struct em_setting {
    const char *name;
    em_setting_type type;
    bool required;
    size_t offset;
} em_setting;

/* A setting that is named as its field, which is an em_bytes (text), a bool, an int64_t or a double. EM_REQUIRED must be in
 * the configuration; without EM_OPTIONAL the struct keeps what it has. */
#define EM_REQUIRED(type, field) EM_PRIVATE_SETTING(type, field, true)
#define EM_OPTIONAL(type, field) EM_PRIVATE_SETTING(type, field, false)
#define EM_PRIVATE_SETTING(type, field, required)                                                                                  \
    {#field,                                                                                                                       \
     _Generic(((type *)0)->field, em_bytes: EM_SETTING_TEXT, bool: EM_SETTING_BOOL, int64_t: EM_SETTING_INTEGER, double: EM_SETTING_NUMBER), \
     required, offsetof(type, field)}

/* Fills a struct with the configuration. Returns it, or NULL with the message set by em_refuse: a required field is not there,
 * one is of another type, or one is none of the settings. Text is never freed. */
#define em_configured(config, settings, self) em_configured_by(config, settings, sizeof(settings) / sizeof *(settings), self)
void *em_configured_by(em_bytes config, const em_setting *settings, size_t count, void *self);

/* Makes the transform's state of its configuration. NULL refuses the module with the message set by em_refuse. */
typedef void *(*em_configure)(em_bytes config);
typedef em_result (*em_transform)(void *state, const em_record *record, em_outputs *out);

/* Says why a configuration is refused. Returns NULL, to be returned. */
void *em_refuse(const char *format, ...) __attribute__((format(printf, 1, 2)));

extern const em_configure em_the_configure;
extern const em_transform em_the_transform;

/* Names the module's functions, once. Without `configure` any configuration is taken and the state is NULL. */
#ifdef __cplusplus
#define EDGEMILL_TRANSFORM(configure, transform)           \
    extern "C" const em_configure em_the_configure = (configure); \
    extern "C" const em_transform em_the_transform = (transform);
#else
#define EDGEMILL_TRANSFORM(configure, transform)     \
    const em_configure em_the_configure = (configure); \
    const em_transform em_the_transform = (transform);
#endif

#ifdef __cplusplus
}
#endif
#endif
