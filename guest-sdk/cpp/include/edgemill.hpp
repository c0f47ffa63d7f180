/* Write Edgemill transforms in C++17: a function over one record at a time, around the SDK for C.
 *
 *     #include <edgemill.hpp>
 *
 *     edgemill::Result shout(const edgemill::Record& record, edgemill::Outputs& out) {
 *         if (!record.value()) return out.keep();
 *         std::string value(*record.value());
 *         for (char& c : value) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
 *         out.emit().value(value);
 *         return edgemill::ok;
 *     }
 *
 *     EDGEMILL_RUN(shout)
 *
 * A record that leaves no output is dropped on purpose. What is not set on an output stays as the record has it. The host may
 * give the same record again after a fault, so a transform must not mind. docs/guests/cpp.md goes from a file to a running transform.
 */
#ifndef EDGEMILL_HPP
#define EDGEMILL_HPP

#include <edgemill.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace edgemill {

/// Bytes that somebody else owns; nullopt is Kafka's null, and an empty view is empty bytes.
using Bytes = std::optional<std::string_view>;

namespace detail {

inline Bytes from_c(em_bytes bytes) {
    if (!bytes.data) return std::nullopt;
    return std::string_view(bytes.data, bytes.size);
}

inline em_bytes to_c(Bytes bytes) {
    if (!bytes) return em_null();
    // an empty view may have no place, which would be null
    return {bytes->empty() ? "" : bytes->data(), bytes->size()};
}

} // namespace detail

/// What a transform returns: `ok`, or what `Outputs::reject` gives.
class [[nodiscard]] Result {
  public:
    constexpr explicit Result(em_result code) : code_(code) {}
    constexpr explicit operator bool() const { return code_ == EM_OK; }
    constexpr em_result code() const { return code_; }

  private:
    em_result code_;
};

inline constexpr Result ok{EM_OK};

struct Header {
    std::string_view name;
    Bytes value;
};

/// The headers of a record, in order; for `for`.
class Headers {
  public:
    class Iterator {
      public:
        Iterator(const em_record* record, std::size_t index) : record_(record), index_(index) {}
        Header operator*() const {
            em_header header = em_header_at(record_, index_);
            return {{header.name.data, header.name.size}, detail::from_c(header.value)};
        }
        Iterator& operator++() { return ++index_, *this; }
        bool operator!=(const Iterator& other) const { return index_ != other.index_; }

      private:
        const em_record* record_;
        std::size_t index_;
    };

    explicit Headers(const em_record* record) : record_(record) {}
    Iterator begin() const { return {record_, 0}; }
    Iterator end() const { return {record_, size()}; }
    std::size_t size() const { return record_->header_count; }
    bool empty() const { return size() == 0; }

  private:
    const em_record* record_;
};

/// A record; everything is borrowed from the host's batch until the transform returns.
class Record {
  public:
    explicit Record(const em_record* record) : record_(record) {}
    std::string_view topic() const { return {record_->topic.data, record_->topic.size}; }
    std::int32_t partition() const { return record_->partition; }
    std::int64_t offset() const { return record_->offset; }
    Bytes key() const { return detail::from_c(record_->key); }
    Bytes value() const { return detail::from_c(record_->value); }
    Headers headers() const { return Headers(record_); }

    /// Milliseconds since 1970-01-01 UTC.
    std::optional<std::int64_t> timestamp() const {
        if (record_->timestamp == -1) return std::nullopt;
        return record_->timestamp;
    }

    /// The last header of a name, as Kafka's own lastHeader.
    std::optional<Header> header(std::string_view name) const {
        em_header found;
        if (!em_last_header(record_, detail::to_c(name), &found)) return std::nullopt;
        return Header{{found.name.data, found.name.size}, detail::from_c(found.value)};
    }

  private:
    const em_record* record_;
};

/// An output that was begun: the record with what is set on it, until the next output begins or the transform returns.
class Output {
  public:
    explicit Output(em_output* output) : output_(output) {}
    Output& key(Bytes key) { return em_key(output_, detail::to_c(key)), *this; }
    Output& value(Bytes value) { return em_value(output_, detail::to_c(value)), *this; }
    /// Milliseconds since 1970-01-01 UTC; nullopt is none.
    Output& timestamp(std::optional<std::int64_t> milliseconds) { return em_timestamp(output_, milliseconds.value_or(-1)), *this; }
    /// Adds a header behind those there are.
    Output& header(std::string_view name, Bytes value) { return em_header_add(output_, detail::to_c(name), detail::to_c(value)), *this; }
    /// Removes all headers of a name.
    Output& remove_header(std::string_view name) { return em_header_remove(output_, detail::to_c(name)), *this; }
    /// Sends the output to a topic that the pipeline's sink declares.
    Output& route(std::string_view topic) { return em_route(output_, detail::to_c(topic)), *this; }

    /// Adds to the value, which the first piece makes empty before.
    Output& write(std::string_view piece) { return em_value_write(output_, detail::to_c(piece)), *this; }
    Output& write(char byte) { return em_value_byte(output_, byte), *this; }
    template <class Number, std::enable_if_t<std::is_arithmetic_v<Number> && !std::is_same_v<Number, char>, int> = 0>
    Output& write(Number number) {
        return write(std::string_view(std::to_string(number)));
    }

  private:
    em_output* output_;
};

/// What becomes of a record.
class Outputs {
  public:
    explicit Outputs(em_outputs* outputs) : outputs_(outputs) {}

    /// Lets the record pass as it is. A transform that does only this moves no bytes.
    Result keep() { return Result(em_keep(outputs_)); }

    Output emit() { return Output(em_emit(outputs_)); }

    /// Refuses the record: what it gave is withheld. `code` is a short word of the transform's own, for metrics and for
    /// filtering dead letters; the message is for a person. Both are UTF-8. To be returned.
    Result reject(std::string_view code, std::string_view message) {
        return Result(em_reject_bytes(outputs_, detail::to_c(code), detail::to_c(message)));
    }

  private:
    em_outputs* outputs_;
};

enum class Level { trace = EM_TRACE, debug = EM_DEBUG, info = EM_INFO, warn = EM_WARN, error = EM_ERROR };

/// Logs by the host, which counts and limits messages.
inline void log(Level level, std::string_view message) { em_log_bytes(static_cast<em_level>(level), detail::to_c(message)); }

/// Logs, and gives up: a fault of this record, which meets the pipeline's policy.
[[noreturn]] inline void trap(const std::string& message) { em_trap(message.c_str()); }

/// A value in the module's configuration.
class Json {
  public:
    explicit Json(em_bytes json) : json_(json) {}
    em_json kind() const { return em_json_kind(json_); }
    bool exists() const { return kind() != EM_JSON_ABSENT; }
    bool is_null() const { return kind() == EM_JSON_NULL; }
    em_bytes bytes() const { return json_; }
    /// Its text in the configuration.
    std::string_view raw() const { return detail::from_c(json_).value_or(std::string_view()); }

    /// A field of an object; one that does not exist where there is none.
    Json operator[](const char* name) const {
        em_bytes value;
        em_json_field(json_, name, &value);
        return Json(value);
    }

    /// As a type: std::string, bool, std::int64_t or double; nullopt where it is something else.
    template <class T>
    std::optional<T> as() const {
        if constexpr (std::is_same_v<T, std::string>) {
            em_bytes text = em_json_string(json_);
            if (!text.data) return std::nullopt;
            std::string copy(text.data, text.size);
            std::free(const_cast<char*>(text.data));
            return copy;
        } else if constexpr (std::is_same_v<T, bool>) {
            if (kind() != EM_JSON_BOOL) return std::nullopt;
            return raw().find('t') != std::string_view::npos;
        } else if constexpr (std::is_same_v<T, std::int64_t>) {
            std::int64_t number;
            return em_json_integer(json_, &number) ? std::optional(number) : std::nullopt;
        } else {
            static_assert(std::is_same_v<T, double>, "take std::string, bool, std::int64_t or double");
            double number;
            return em_json_number(json_, &number) ? std::optional(number) : std::nullopt;
        }
    }

  private:
    em_bytes json_;
};

/// The chain's `config`. Of what is asked for and is not there, or is something else, the first is remembered; the call
/// then returns a value of no meaning. The module is refused for it.
class Config {
  public:
    explicit Config(em_bytes json) : json_(json) {}

    /// Whether the chain has no `config`.
    bool is_null() const { return json_.is_null(); }
    /// All of it, for what `get` cannot read. Fields that nobody asks for are no mistake then.
    const Json& json() {
        is_whole_ = true;
        return json_;
    }

    /// A field that has to be there.
    template <class T>
    T get(const char* name) {
        if (!json_[name].exists()) refuse("the configuration has no " + std::string(name));
        return get(name, T());
    }

    /// A field, or what to take where there is none.
    template <class T>
    T get(const char* name, T otherwise) {
        if (json_.kind() != EM_JSON_OBJECT) refuse("the configuration must be an object");
        asked_.emplace_back(name);
        Json field = json_[name];
        if (!field.exists()) return otherwise;
        std::optional<T> value = field.as<T>();
        if (!value) refuse(std::string(name) + " must be " + word<T>());
        return value.value_or(otherwise);
    }

    /// Refuses the configuration; of several reasons the first is told.
    void refuse(std::string why) {
        if (!problem_) problem_ = std::move(why);
    }

    const std::optional<std::string>& problem() const { return problem_; }

    /// Refuses a field that nobody has asked for, where something was asked for: a misspelt one would be a default in silence.
    void refuse_unknown() {
        if (is_whole_ || asked_.empty()) return;
        em_bytes left = em_json_fields(json_.bytes()), name, value;
        while (em_json_next(&left, &name, &value)) {
            std::string given(name.data, name.size);
            if (std::find(asked_.begin(), asked_.end(), given) == asked_.end())
                refuse("the configuration has a field " + given + ", which is none of the transform's");
        }
    }

  private:
    template <class T>
    static const char* word() {
        if constexpr (std::is_same_v<T, std::string>) return "text";
        else if constexpr (std::is_same_v<T, bool>) return "true or false";
        else if constexpr (std::is_same_v<T, std::int64_t>) return "a whole number";
        else return "a number";
    }

    Json json_;
    std::optional<std::string> problem_;
    std::vector<std::string> asked_;
    bool is_whole_ = false;
};

namespace detail {

/// The SDK for C's functions around a type that is made of a Config, or of nothing.
template <class T>
struct Door {
    static inline T* made = nullptr;

    static void* configure(em_bytes json) {
        delete made;
        made = nullptr;
        Config config(json);
        if constexpr (std::is_constructible_v<T, Config&>) made = new T(config);
        else made = new T();
        config.refuse_unknown();
        if (config.problem()) return em_refuse("%s", config.problem()->c_str());
        return made;
    }

    static em_result transform(void* state, const em_record* record, em_outputs* outputs) {
        Outputs out(outputs);
        return static_cast<T*>(state)->transform(Record(record), out).code();
    }
};

template <Result (*function)(const Record&, Outputs&)>
struct Function {
    static em_result transform(void*, const em_record* record, em_outputs* outputs) {
        Outputs out(outputs);
        return function(Record(record), out).code();
    }
};

} // namespace detail
} // namespace edgemill

/* Names the module's transform, once: a type with `edgemill::Result transform(const edgemill::Record&, edgemill::Outputs&)`, made of an
 * `edgemill::Config&` or of nothing. */
#define EDGEMILL_EXPORT(Type) EDGEMILL_TRANSFORM(edgemill::detail::Door<Type>::configure, edgemill::detail::Door<Type>::transform)

/* The same for a function. */
#define EDGEMILL_RUN(function) EDGEMILL_TRANSFORM(nullptr, edgemill::detail::Function<function>::transform)

#endif
