// SPDX-License-Identifier: Apache-2.0
/* Tests as functions, listed once; the first check that fails ends the program. */
#ifndef AI_CHECK_H
#define AI_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s: not true: %s\n", __FILE__, __LINE__, __func__, #condition);                    \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

#define CHECK_EQUAL(found, wanted)                                                                                     \
    do {                                                                                                               \
        unsigned long long found_value = (unsigned long long)(found), wanted_value = (unsigned long long)(wanted);     \
        if (found_value != wanted_value) {                                                                             \
            fprintf(stderr, "%s:%d: %s: %s is %llu (0x%llx), not %llu (0x%llx)\n", __FILE__, __LINE__, __func__, #found, \
                    found_value, found_value, wanted_value, wanted_value);                                             \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

typedef struct {
    const char *name;
    void (*run)(void);
} test;

#define TEST(function) {#function, function}

/* The tests of one file. */
typedef struct {
    const test *tests;
    size_t count;
} test_group;

#define GROUP(tests) {tests, sizeof(tests) / sizeof((tests)[0])}

static inline int run_tests(const test_group *groups, size_t count)
{
    size_t passed = 0;

    for (size_t group = 0; group < count; group++) {
        for (size_t index = 0; index < groups[group].count; index++) {
            groups[group].tests[index].run();
            printf("ok %s\n", groups[group].tests[index].name);
            passed++;
        }
    }
    printf("%zu tests passed\n", passed);
    return 0;
}

#endif
