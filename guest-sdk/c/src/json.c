/* A reader of configurations: small, and strict about what it is asked for. */
#include <edgemill.h>

#include <stdlib.h>

#define DEPTH 64

static const char *spaces(const char *at, const char *end) {
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t')) at++;
    return at;
}

/* Behind the string that begins at `at`; NULL where it has no end. */
static const char *behind_string(const char *at, const char *end) {
    for (at++; at < end; at++) {
        if (*at == '\\') at++;
        else if (*at == '"') return at + 1;
    }
    return NULL;
}

/* Behind the value that begins at `at`; NULL where it has no end. */
static const char *behind(const char *at, const char *end, int depth) {
    if (at >= end || depth > DEPTH) return NULL;
    if (*at == '"') return behind_string(at, end);
    if (*at != '{' && *at != '[') {
        const char *start = at;
        while (at < end && !memchr(" \n\r\t,]}:", *at, 8)) at++;
        return at > start ? at : NULL;
    }
    char close = *at == '{' ? '}' : ']';
    bool object = *at == '{';
    at = spaces(at + 1, end);
    if (at < end && *at == close) return at + 1;
    for (;;) {
        if (object) {
            if (at >= end || *at != '"' || !(at = behind_string(at, end))) return NULL;
            at = spaces(at, end);
            if (at >= end || *at != ':') return NULL;
            at = spaces(at + 1, end);
        }
        if (!(at = behind(at, end, depth + 1))) return NULL;
        at = spaces(at, end);
        if (at >= end || (*at != ',' && *at != close)) return NULL;
        if (*at == close) return at + 1;
        at = spaces(at + 1, end);
    }
}

static em_bytes trimmed(em_bytes json) {
    const char *end = json.data + json.size, *at = spaces(json.data, end);
    while (end > at && memchr(" \n\r\t", end[-1], 4)) end--;
    return (em_bytes){at, (size_t)(end - at)};
}

em_json em_json_kind(em_bytes json) {
    if (!json.data) return EM_JSON_ABSENT;
    json = trimmed(json);
    const char *end = json.data + json.size;
    if (behind(json.data, end, 0) != end) return EM_JSON_WRONG;
    double number;
    switch (*json.data) {
    case '{': return EM_JSON_OBJECT;
    case '[': return EM_JSON_ARRAY;
    case '"': return EM_JSON_STRING;
    default: break;
    }
    if (em_equal(json, em_text("null"))) return EM_JSON_NULL;
    if (em_equal(json, em_text("true")) || em_equal(json, em_text("false"))) return EM_JSON_BOOL;
    return em_json_number(json, &number) ? EM_JSON_NUMBER : EM_JSON_WRONG;
}

bool em_json_next(em_bytes *left, em_bytes *name, em_bytes *value) {
    if (!left->data) return false;
    const char *end = left->data + left->size, *at = spaces(left->data, end);
    if (*at != '"') return false;
    const char *name_end = behind_string(at, end);
    *name = (em_bytes){at + 1, (size_t)(name_end - at) - 2};
    at = spaces(spaces(name_end, end) + 1, end);
    const char *value_end = behind(at, end, 1);
    *value = (em_bytes){at, (size_t)(value_end - at)};
    at = spaces(value_end, end);
    at += *at == ',';
    *left = (em_bytes){at, (size_t)(end - at)};
    return true;
}

em_bytes em_json_fields(em_bytes json) {
    if (em_json_kind(json) != EM_JSON_OBJECT) return em_null();
    json = trimmed(json);
    return (em_bytes){json.data + 1, json.size - 1};
}

em_json em_json_field(em_bytes object, const char *name, em_bytes *value) {
    *value = em_null();
    em_bytes left = em_json_fields(object), each, text;
    while (em_json_next(&left, &each, &text))
        if (em_equal(each, em_text(name))) *value = text;
    return em_json_kind(*value);
}

static int hex(const char *digits) {
    int code = 0;
    for (int i = 0; i < 4; i++) {
        char c = digits[i];
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (digit < 0) return -1;
        code = code * 16 + digit;
    }
    return code;
}

static char *utf8(char *to, int code) {
    if (code < 0x80) {
        *to++ = (char)code;
    } else if (code < 0x800) {
        *to++ = (char)(0xc0 | code >> 6);
        *to++ = (char)(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        *to++ = (char)(0xe0 | code >> 12);
        *to++ = (char)(0x80 | (code >> 6 & 0x3f));
        *to++ = (char)(0x80 | (code & 0x3f));
    } else {
        *to++ = (char)(0xf0 | code >> 18);
        *to++ = (char)(0x80 | (code >> 12 & 0x3f));
        *to++ = (char)(0x80 | (code >> 6 & 0x3f));
        *to++ = (char)(0x80 | (code & 0x3f));
    }
    return to;
}

em_bytes em_json_string(em_bytes json) {
    if (em_json_kind(json) != EM_JSON_STRING) return em_null();
    json = trimmed(json);
    const char *at = json.data + 1, *end = json.data + json.size - 1;
    char *text = malloc(json.size), *to = text;
    if (!text) em_trap("there is no memory for the configuration");
    while (at < end) {
        if (*at != '\\') {
            *to++ = *at++;
            continue;
        }
        static const char names[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
        const char *known = memchr(names, at[1], 8);
        if (known) {
            *to++ = meanings[known - names];
            at += 2;
        } else {
            int code = at[1] == 'u' && end - at >= 6 ? hex(at + 2) : -1;
            at += 6;
            if (code >= 0xd800 && code < 0xdc00 && end - at >= 6 && at[0] == '\\' && at[1] == 'u') {
                int low = hex(at + 2);
                code = low >= 0xdc00 && low < 0xe000 ? 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00) : -1;
                at += 6;
            } else if (code >= 0xd800 && code < 0xe000) {
                code = -1;
            }
            if (code < 0) {
                free(text);
                return em_null();
            }
            to = utf8(to, code);
        }
    }
    return (em_bytes){text, (size_t)(to - text)};
}

/* As a C string that ends, which strtod and its like want. */
static bool number_text(em_bytes json, char text[40]) {
    json = json.data ? trimmed(json) : json;
    if (!json.data || json.size == 0 || json.size >= 40) return false;
    memcpy(text, json.data, json.size);
    text[json.size] = 0;
    const char *digits = text + (*text == '-');
    return *digits >= '0' && *digits <= '9' && strspn(text, "+-.eE0123456789") == json.size;
}

bool em_json_integer(em_bytes json, int64_t *number) {
    char text[40], *end;
    if (!number_text(json, text) || strspn(text, "-0123456789") != strlen(text) || strlen(text) > 20) return false;
    uint64_t size = strtoull(text + (*text == '-'), &end, 10);
    if (*end || size > (uint64_t)INT64_MAX + (*text == '-')) return false;
    *number = *text == '-' ? (int64_t)(0 - size) : (int64_t)size;
    return true;
}

bool em_json_number(em_bytes json, double *number) {
    char text[40], *end;
    if (!number_text(json, text)) return false;
    *number = strtod(text, &end);
    return !*end;
}

/* Sets one field; NULL, or what it must be. */
static const char *set(const em_setting *setting, em_bytes json, void *field) {
    switch (setting->type) {
    case EM_SETTING_TEXT: {
        em_bytes text = em_json_string(json);
        if (!text.data) return "text";
        memcpy(field, &text, sizeof text);
        return NULL;
    }
    case EM_SETTING_BOOL:
        if (em_json_kind(json) != EM_JSON_BOOL) return "true or false";
        *(bool *)field = *trimmed(json).data == 't';
        return NULL;
    case EM_SETTING_INTEGER: return em_json_integer(json, field) ? NULL : "a whole number";
    case EM_SETTING_NUMBER: return em_json_number(json, field) ? NULL : "a number";
    }
    return "of a known type";
}

void *em_configured_by(em_bytes config, const em_setting *settings, size_t count, void *self) {
    em_json kind = em_json_kind(config);
    if (kind != EM_JSON_OBJECT && kind != EM_JSON_NULL) return em_refuse("the configuration must be an object");
    for (size_t i = 0; i < count; i++) {
        em_bytes value;
        if (em_json_field(config, settings[i].name, &value) == EM_JSON_ABSENT) {
            if (settings[i].required) return em_refuse("the configuration has no %s", settings[i].name);
            continue;
        }
        const char *wanted = set(&settings[i], value, (char *)self + settings[i].offset);
        if (wanted) return em_refuse("%s must be %s", settings[i].name, wanted);
    }
    em_bytes left = em_json_fields(config), name, value;
    while (em_json_next(&left, &name, &value)) {
        size_t i = 0;
        while (i < count && !em_equal(name, em_text(settings[i].name))) i++;
        if (i == count) return em_refuse("the configuration has a field %.*s, which is none of the transform's", (int)name.size, name.data);
    }
    return self;
}
