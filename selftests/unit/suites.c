// SPDX-License-Identifier: GPL-2.0
#include "test.h"

const struct test_suite *const test_suites[] = {
#ifndef ONLY_RACES
	&suite_header, &suite_window, &suite_context, &suite_esp, &suite_aead,
#endif
	&suite_race,
	NULL
};
