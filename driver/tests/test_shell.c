// SPDX-License-Identifier: Apache-2.0
/* The whole driver under the simulator. */
#include "shell_fixture.h"

int main(void)
{
    const test_group groups[] = {REQUESTS_TESTS, SESSIONS_TESTS, CHANNELS_TESTS};
    return run_tests(groups, sizeof(groups) / sizeof(groups[0]));
}
