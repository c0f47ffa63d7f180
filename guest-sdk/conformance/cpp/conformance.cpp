/* The conformance transform in C++: see guest-sdk/conformance/README.md. */
#include <edgemill.hpp>

#include <array>
#include <charconv>
#include <vector>

using namespace std::literals;
using edgemill::Outputs;
using edgemill::Record;
using edgemill::Result;

namespace {

/* What stands before the first space, and behind it. */
std::pair<std::string_view, std::string_view> split(std::string_view bytes) {
    auto space = bytes.find(' ');
    if (space == bytes.npos) return {bytes, ""};
    return {bytes.substr(0, space), bytes.substr(space + 1)};
}

std::optional<std::int64_t> number(std::string_view text) {
    std::int64_t number;
    auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (problem != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

class Conformance {
  public:
    explicit Conformance(edgemill::Config& config) {
        if (config.is_null()) return;
        mark_ = config.get<std::string>("mark");
        limit_ = config.get<std::int64_t>("limit", 100);
        if (limit_ <= 0) config.refuse("limit must be above 0");
    }

    Result transform(const Record& record, Outputs& out) {
        if (!record.value() || record.value()->substr(0, 1) != "!") return out.keep();
        auto [word, rest] = split(record.value()->substr(1));
        if (word == "keep") return out.keep();
        if (word == "drop") return edgemill::ok;
        if (word == "time" || word == "many" || word == "long") return numbered(word, rest, out);
        if (word == "reject" || word == "late") {
            if (word == "late") (void)out.keep();
            auto [code, message] = split(rest);
            return out.reject(code, message);
        }
        if (word == "log") return log(rest, out);
        if (word == "last") {
            auto header = record.header(rest);
            if (!header) return out.reject("no-header", "there is no header " + std::string(rest));
            out.emit().value(header->value);
            return edgemill::ok;
        }
        if (word == "value") out.emit().value(rest);
        else if (word == "null") out.emit().value(std::nullopt);
        else if (word == "key") out.emit().key(rest);
        else if (word == "nokey") out.emit().key(std::nullopt);
        else if (word == "header") out.emit().header(split(rest).first, split(rest).second);
        else if (word == "nullheader") out.emit().header(rest, std::nullopt);
        else if (word == "unheader") out.emit().remove_header(rest);
        else if (word == "route") out.emit().route(rest);
        else if (word == "twice") {
            (void)out.keep();
            out.emit().value("again");
        } else if (word == "all") out.emit().key("k").value(rest).timestamp(7).header("h", "v").route("audit");
        else if (word == "tell") tell(record, out.emit());
        else if (word == "headers") {
            auto output = out.emit().value("");
            auto comma = ""sv;
            for (auto header : record.headers()) {
                output.write(comma).write(header.name).write('=').write(header.value.value_or("-"));
                comma = ",";
            }
        } else if (word == "mark") out.emit().value(mark_);
        else if (word == "trap") edgemill::trap("as it was told");
        else if (word == "loop") {
            for (volatile bool forever = true; forever;) {}
        } else if (word == "grow") {
            std::vector<std::vector<char>> all;
            for (;;) all.emplace_back(1 << 20, 'x');
        } else return out.reject("unknown-command", word);
        return edgemill::ok;
    }

  private:
    Result numbered(std::string_view word, std::string_view rest, Outputs& out) {
        auto count = number(rest);
        if (!count) return out.reject("not-a-number", rest);
        if (word == "time") out.emit().timestamp(count);
        else if (word == "long") out.emit().value(std::string(static_cast<std::size_t>(*count), 'x'));
        else if (*count > limit_) return out.reject("too-many", std::to_string(*count) + " is over the limit of " + std::to_string(limit_));
        else
            for (std::int64_t index = 0; index < *count; index++) out.emit().write(index);
        return edgemill::ok;
    }

    static Result log(std::string_view rest, Outputs& out) {
        static constexpr std::array names{"trace"sv, "debug"sv, "info"sv, "warn"sv, "error"sv};
        auto [name, message] = split(rest);
        for (std::size_t level = 0; level < names.size(); level++)
            if (names[level] == name) edgemill::log(static_cast<edgemill::Level>(level), message);
        return out.keep();
    }

    static void tell(const Record& record, edgemill::Output output) {
        output.write(record.topic()).write(' ').write(record.partition()).write(' ').write(record.offset()).write(' ');
        if (record.timestamp()) output.write(*record.timestamp());
        else output.write('-');
        output.write(' ').write(record.key().value_or("-"));
    }

    std::string mark_ = "none";
    std::int64_t limit_ = 100;
};

} // namespace

EDGEMILL_EXPORT(Conformance)
