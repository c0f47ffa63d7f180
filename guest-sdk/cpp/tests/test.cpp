/* The SDK's own tests, native, on the conformance transform. The conformance suite tests the rest. */
#include <edgemill_test.hpp>

#include <cstdio>

static void check(bool good, const char* what, int line) {
    if (good) return;
    std::fprintf(stderr, "tests/test.cpp:%d: %s\n", line, what);
    std::exit(1);
}
#define CHECK(good) check((good), #good, __LINE__)

using edgemill::test::Input;
using edgemill::test::TestHeader;

static void outputs() {
    CHECK(!edgemill::test::start());
    auto results = edgemill::test::pass({
        {"a", "k", {}, 5},
        {"!unheader h", std::nullopt, {{"h", "1"}, {"g", std::nullopt}, {"h", "3"}}},
        {"!late c why"},
        {"!all v w", std::nullopt, {}, 1},
        {std::nullopt},
        {"!value "},
        {"!tell", "key"},
        {"!headers", std::nullopt, {{"h", "1"}, {"g", std::nullopt}}},
    });
    auto& rows = results.outputs;
    CHECK(rows.size() == 7 && results.rejects.size() == 1);
    CHECK(rows[0].key == "k" && rows[0].timestamp == 5 && rows[0].headers.empty() && !rows[0].topic);
    CHECK(rows[1].headers.size() == 1 && rows[1].headers[0] == TestHeader("g", std::nullopt));
    CHECK(results.rejects[0].origin == 2 && results.rejects[0].code == "c" && results.rejects[0].message == "why");
    CHECK(rows[2].value == "v w" && rows[2].topic == "audit" && rows[2].headers.size() == 1 && rows[2].timestamp == 7);
    CHECK(!rows[3].value && rows[4].value == "" && rows[5].value == "topic 0 6 - key" && rows[6].value == "h=1,g=-");
}

static void configuration() {
    auto refused = [](const char* config, const char* why) { CHECK(edgemill::test::start(config) == why); };
    refused(R"({"mark":"m","limit":0})", "limit must be above 0");
    refused(R"({"limit":1})", "the configuration has no mark");
    refused(R"({"mark":7})", "mark must be text");
    refused(R"({"mark":"m","limit":1.5})", "limit must be a whole number");
    CHECK(!edgemill::test::start(R"({"mark":"Z\u00fcrich"})"));
    CHECK(edgemill::test::pass({{"!mark"}}).outputs.at(0).value == "Zürich");
    edgemill::Json json(em_text(R"({"yes":true,"no":false,"half":0.5,"text":""})"));
    CHECK(json["yes"].as<bool>() == true && json["no"].as<bool>() == false && json["half"].as<double>() == 0.5);
    CHECK(json["text"].as<std::string>() == "" && !json["text"].as<bool>() && !json["half"].as<std::int64_t>() && !json["none"].exists());
}

int main() {
    outputs();
    configuration();
    std::puts("all tests of the C++ SDK pass");
}
