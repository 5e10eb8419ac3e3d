// SPDX-License-Identifier: Apache-2.0
/* The pure core. */
#include "core_fixture.h"

int main(void)
{
    const test_group groups[] = {VALIDATE_TESTS, REGISTRY_TESTS, PATH_TESTS};
    return run_tests(groups, sizeof(groups) / sizeof(groups[0]));
}
