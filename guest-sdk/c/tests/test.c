/* The SDK's own tests, native: `make -C guest-sdk/c test`. The conformance suite tests the rest. */
#include <edgemill_test.h>

#include <stdio.h>
#include <stdlib.h>

static void check(bool good, const char *what, int line) {
    if (good) return;
    fprintf(stderr, "tests/test.c:%d: %s\n", line, what);
    exit(1);
}
#define CHECK(good) check((good), #good, __LINE__)

static void outputs(void) {
    CHECK(em_test_start("null") == NULL);
    em_header headers[] = {{em_text("h"), em_text("1")}, {em_text("g"), em_null()}, {em_text("h"), em_text("3")}};
    em_record records[] = {{.value = em_text("a"), .key = em_text("k"), .timestamp = 5},
                           {.value = em_text("!unheader h"), .timestamp = -1, .header_count = 3, .private_headers = headers},
                           {.value = em_text("!late c why"), .timestamp = -1},
                           {.value = em_text("!all v w"), .timestamp = 1}};
    em_test_batch(records, 4);
    CHECK(em_test_rows == 3 && em_test_rejects == 1);
    CHECK(em_equal(em_test_row[0].key, em_text("k")) && em_test_row[0].timestamp == 5 && em_test_row[0].header_count == 0);
    CHECK(em_test_row[1].header_count == 1 && em_equal(em_test_row[1].headers[0].name, em_text("g")) && !em_test_row[1].headers[0].value.data);
    CHECK(em_test_rejected[0].origin == 2 && em_equal(em_test_rejected[0].code, em_text("c")) && em_equal(em_test_rejected[0].message, em_text("why")));
    CHECK(em_equal(em_test_row[2].value, em_text("v w")) && em_equal(em_test_row[2].topic, em_text("audit")) && em_test_row[2].header_count == 1);
    em_test_pass(em_null());
    CHECK(em_test_rows == 1 && !em_test_row[0].value.data);
}

static void json(void) {
    em_bytes value;
    em_bytes object = em_text(" {\"a\": \"Z\\u00fc\\ud83d\\udeeb\\n\", \"b\" : [1, {\"a\":2}], \"n\":-9223372036854775808, \"f\":1.5e3} ");
    CHECK(em_json_field(object, "a", &value) == EM_JSON_STRING && em_equal(em_json_string(value), em_text("Zü🛫\n")));
    CHECK(em_json_field(object, "b", &value) == EM_JSON_ARRAY && em_equal(value, em_text("[1, {\"a\":2}]")));
    CHECK(em_json_field(object, "x", &value) == EM_JSON_ABSENT && !value.data);
    int64_t integer;
    double number;
    CHECK(em_json_field(object, "n", &value) == EM_JSON_NUMBER && em_json_integer(value, &integer) && integer == INT64_MIN);
    CHECK(em_json_field(object, "f", &value) == EM_JSON_NUMBER && !em_json_integer(value, &integer) && em_json_number(value, &number) && number == 1500);
    static const char *const wrong[] = {"", "{", "{}x", "{\"a\"}", "{\"a\":}", "[1,]", "\"\\\"", "{\"a\":1,}", "nul", "-", "1 2", "9e"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) CHECK(em_json_kind(em_text(wrong[i])) == EM_JSON_WRONG);
    CHECK(!em_json_integer(em_text("9223372036854775808"), &integer) && !em_json_string(em_text("\"\\ud800\"")).data);
}

static void configuration(void) {
    const char *refusal = em_test_start("{\"limit\":0,\"mark\":\"m\"}");
    CHECK(refusal && strstr(refusal, "limit must be above 0"));
    CHECK(em_test_start("{\"mark\":\"m\"}") == NULL);
    em_test_pass(em_text("!mark"));
    CHECK(em_equal(em_test_row[0].value, em_text("m")));
}

static void typed_configuration(void) {
    typedef struct all {
        em_bytes text;
        bool is;
        int64_t whole;
        double number;
    } all;
    static const em_setting settings[] = {EM_REQUIRED(all, text), EM_OPTIONAL(all, is), EM_OPTIONAL(all, whole), EM_OPTIONAL(all, number)};
    all self = {em_text("before"), false, 7, 0.5};
    CHECK(em_configured(em_text("{\"number\":2,\"is\":true , \"text\": \"a\\n\"}"), settings, &self) == &self);
    CHECK(em_equal(self.text, em_text("a\n")) && self.is && self.whole == 7 && self.number == 2);
    static const char *const wrong[] = {"[]", "{", "null", "{}", "{\"text\":1}", "{\"text\":\"\",\"is\":1}", "{\"text\":\"\",\"whole\":1.5}",
                                        "{\"text\":\"\",\"whole\":null}", "{\"text\":\"\",\"number\":\"1\"}", "{\"text\":\"\",\"textt\":\"\"}"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) CHECK(!em_configured(em_text(wrong[i]), settings, &self));
    const char *refusal = em_test_start("{\"mark\":\"m\",\"limits\":2}");
    CHECK(refusal && strstr(refusal, "the configuration has a field limits"));
    refusal = em_test_start("{\"mark\":\"m\",\"limit\":\"2\"}");
    CHECK(refusal && strstr(refusal, "limit must be a whole number"));
}

int main(void) {
    outputs();
    typed_configuration();
    json();
    configuration();
    puts("all tests of the C SDK pass");
}
