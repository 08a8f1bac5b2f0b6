/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A small KTAP test frame. Each case runs in a process of its own: it finds
 * the code as freshly loaded, and its sanitizer errors and leaks are its own.
 */
#ifndef _UNIT_TEST_H
#define _UNIT_TEST_H

#include <stdio.h>
#include <linux/types.h>

struct test_case {
	const char *name;
	void (*run)(void);
};

struct test_suite {
	const char *name;
	const struct test_case *cases;
};

extern const struct test_suite suite_header, suite_window, suite_context,
	suite_esp, suite_aead, suite_race, suite_explore;
extern const struct test_suite *const test_suites[];
extern u64 test_seed;

void test_failed(const char *file, int line, const char *what);

/* A failed expectation fails the case, which goes on; only the first are told. */
#define expect(cond, ...) do {						\
	if (!(cond)) {							\
		test_failed(__FILE__, __LINE__, #cond);			\
		test_say("" __VA_ARGS__);				\
	}								\
} while (0)

#define expect_eq(a, b) do {						\
	u64 _a = (u64)(a), _b = (u64)(b);				\
									\
	if (_a != _b) {							\
		test_failed(__FILE__, __LINE__, #a " == " #b);		\
		test_say("%lld (0x%llx), expected %lld (0x%llx)",	\
			 (s64)_a, _a, (s64)_b, _b);			\
	}								\
} while (0)

__printf(1, 2) void test_say(const char *format, ...);

#endif /* _UNIT_TEST_H */
