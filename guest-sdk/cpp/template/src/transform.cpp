/* Makes the text of every record loud. A place to begin: change it into what you need. */
#include <cctype>
#include <edgemill.hpp>

namespace {

class Loud {
  public:
    /* What stands in the pipeline's configuration: config = { mark = "!" } */
    explicit Loud(edgemill::Config& config) : mark_(config.is_null() ? "!" : config.get<std::string>("mark", "!")) {}

    edgemill::Result transform(const edgemill::Record& record, edgemill::Outputs& out) {
        const edgemill::Bytes value = record.value();
        if (!value) return out.keep();
        if (value->empty()) return out.reject("empty", "the value is empty");
        auto output = out.emit();
        for (unsigned char c : *value) output.write(static_cast<char>(std::toupper(c)));
        output.write(mark_);
        return edgemill::ok;
    }

  private:
    std::string mark_;
};

} // namespace

EDGEMILL_EXPORT(Loud)
