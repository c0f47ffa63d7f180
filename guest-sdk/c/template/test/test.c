#include <assert.h>
#include <edgemill_test.h>
#include <stdio.h>

int main(void) {
    assert(em_test_start("{\"mark\":\"?\"}") == NULL);
    em_test_pass(em_text("hello"));
    assert(em_test_rows == 1 && em_equal(em_test_row[0].value, em_text("HELLO?")));
    em_test_pass(em_text(""));
    assert(em_test_rows == 0 && em_equal(em_test_rejected[0].code, em_text("empty")));
    puts("all tests pass");
}
