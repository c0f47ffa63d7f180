/* Gives each page view an `_id`; with `keep`, lets records pass. Texts are copied as they stand in the JSON, in their quotes. */
#include <edgemill.hpp>

namespace {

std::string_view inner(std::string_view text) { return text.substr(1, text.size() - 2); }

class PageViews {
  public:
    explicit PageViews(edgemill::Config& config) : keep_(config.get<bool>("keep")) {}

    edgemill::Result transform(const edgemill::Record& record, edgemill::Outputs& out) {
        if (keep_) return out.keep();
        const edgemill::Bytes value = record.value();
        if (!value) return edgemill::ok;
        const edgemill::Json view(em_bytes{value->data(), value->size()});
        const auto time = view["viewtime"], user = view["userid"], page = view["pageid"];
        if (time.kind() != EM_JSON_NUMBER || user.kind() != EM_JSON_STRING || page.kind() != EM_JSON_STRING)
            return out.reject("not-a-view", "viewtime, userid or pageid is missing");
        auto output = out.emit();
        output.write("{\"_id\":\"").write(inner(user.raw())).write('|').write(inner(page.raw())).write('|').write(time.raw());
        output.write("\",\"viewtime\":").write(time.raw()).write(",\"userid\":").write(user.raw());
        output.write(",\"pageid\":").write(page.raw()).write('}');
        return edgemill::ok;
    }

  private:
    bool keep_;
};

} // namespace

EDGEMILL_EXPORT(PageViews)
