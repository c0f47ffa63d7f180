#include <cassert>
#include <cstdio>
#include <edgemill_test.hpp>

int main() {
    assert(!edgemill::test::start(R"({"mark":"?"})"));
    auto results = edgemill::test::pass({{"hello"}, {""}});
    assert(results.outputs.size() == 1 && results.outputs[0].value == "HELLO?");
    assert(results.rejects.size() == 1 && results.rejects[0].code == "empty");
    std::puts("all tests pass");
}
