// SPDX-License-Identifier: GPL-2.0
#include "test.h"

const struct test_suite *const test_suites[] = {
#ifdef ONLY_EXPLORE
	&suite_explore,
#elif defined(ONLY_RACES)
	&suite_race,
#else
	&suite_header, &suite_window, &suite_context, &suite_esp, &suite_aead,
	&suite_race,
#endif
	NULL
};
