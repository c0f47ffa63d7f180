/* Runs a transform natively, through the same columns as in the host: for its own tests. Around the SDK for C's edgemill_test.h.
 *
 *     edgemill::test::start(R"({"most":10})");
 *     auto results = edgemill::test::pass({{"hello"}});
 *     assert(results.outputs.at(0).value == "HELLO");
 */
#ifndef EDGEMILL_TEST_HPP
#define EDGEMILL_TEST_HPP

#include <edgemill.hpp>
extern "C" {
#include <edgemill_test.h>
}

#include <utility>
#include <vector>

namespace edgemill::test {

using Text = std::optional<std::string>;
using TestHeader = std::pair<std::string, Text>;

struct Input {
    Text value;
    Text key = std::nullopt;
    std::vector<TestHeader> headers = {};
    std::optional<std::int64_t> timestamp = std::nullopt;
};

struct Result {
    std::size_t origin;
    Text key, value;
    /// Of more, the first eight.
    std::vector<TestHeader> headers;
    std::optional<std::int64_t> timestamp;
    /// Where it goes; nullopt is where the record was going.
    Text topic;
};

struct Reject {
    std::size_t origin;
    std::string code, message;
};

struct Results {
    std::vector<Result> outputs;
    std::vector<Reject> rejects;
};

/// Configures the transform with JSON. nullopt, or why it is refused.
inline Text start(const char* config = "null") {
    const char* why = em_test_start(config);
    return why ? Text(why) : std::nullopt;
}

inline Text copy(em_bytes bytes) { return bytes.data ? Text(std::string(bytes.data, bytes.size)) : std::nullopt; }

inline em_bytes borrow(const Text& text) { return text ? em_bytes{text->data(), text->size()} : em_null(); }

/// Passes records, at most 256, in one batch.
inline Results pass(const std::vector<Input>& inputs) {
    std::vector<std::vector<em_header>> headers(inputs.size());
    std::vector<em_record> records(inputs.size());
    for (std::size_t i = 0; i < inputs.size(); i++) {
        for (const auto& [name, value] : inputs[i].headers) headers[i].push_back({{name.data(), name.size()}, borrow(value)});
        records[i] = em_record{{"topic", 5},           0, static_cast<std::int64_t>(i), inputs[i].timestamp.value_or(-1), borrow(inputs[i].key),
                               borrow(inputs[i].value), headers[i].size(), headers[i].data()};
    }
    em_test_batch(records.data(), records.size());
    Results results;
    for (std::size_t i = 0; i < em_test_rejects; i++)
        results.rejects.push_back({em_test_rejected[i].origin, copy(em_test_rejected[i].code).value_or(""), copy(em_test_rejected[i].message).value_or("")});
    for (std::size_t i = 0; i < em_test_rows; i++) {
        const em_test_output& row = em_test_row[i];
        Result result{row.origin, copy(row.key), copy(row.value), {}, std::nullopt, copy(row.topic)};
        if (row.timestamp != -1) result.timestamp = row.timestamp;
        for (std::size_t j = 0; j < row.header_count && j < 8; j++)
            result.headers.emplace_back(copy(row.headers[j].name).value_or(""), copy(row.headers[j].value));
        results.outputs.push_back(std::move(result));
    }
    return results;
}

} // namespace edgemill::test

#endif
