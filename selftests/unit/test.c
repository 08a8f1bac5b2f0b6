// SPDX-License-Identifier: GPL-2.0
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/wait.h>

#include "test.h"

#define TOLD_MAX	10	/* failures of a case that are printed */

u64 test_seed;
static unsigned int failures;

void test_failed(const char *file, int line, const char *what)
{
	const char *base = strrchr(file, '/');

	if (__atomic_add_fetch(&failures, 1, __ATOMIC_RELAXED) <= TOLD_MAX)
		printf("    # %s:%d: not so: %s\n", base ? base + 1 : file, line, what);
}

void test_say(const char *format, ...)
{
	va_list args;

	if (!*format || failures > TOLD_MAX)
		return;
	va_start(args, format);
	printf("    #   ");
	vprintf(format, args);
	printf("\n");
	va_end(args);
}

static bool run_case(const struct test_case *c)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0) {
		perror("fork");
		exit(1);
	}
	if (!pid) {
		srand((unsigned int)test_seed);
		c->run();
		exit(failures ? 1 : 0);	/* where leaks are looked for */
	}
	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		printf("    # killed by signal %d\n", WTERMSIG(status));
	return !status;
}

static bool run_suite(const struct test_suite *suite)
{
	const struct test_case *c;
	unsigned int n = 0;
	bool all = true, ok;

	for (c = suite->cases; c->name; c++)
		n++;
	printf("    KTAP version 1\n    # Subtest: %s\n    1..%u\n", suite->name, n);
	n = 0;
	for (c = suite->cases; c->name; c++) {
		ok = run_case(c);
		all = all && ok;
		printf("    %sok %u %s\n", ok ? "" : "not ", ++n, c->name);
	}
	return all;
}

static bool wanted(const struct test_suite *suite, int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
		if (!strcmp(argv[i], suite->name))
			return true;
	return argc < 2;
}

/* test [SUITE...]: SEED in the environment repeats a run */
int main(int argc, char **argv)
{
	const char *seed = getenv("SEED");
	unsigned int i, n = 0;
	int failed = 0;
	bool ok;

	setvbuf(stdout, NULL, _IOLBF, 0);	/* nothing is lost when a case dies */
	test_seed = seed ? strtoull(seed, NULL, 0) : (u64)time(NULL);
	for (i = 0; test_suites[i]; i++)
		n += wanted(test_suites[i], argc, argv);
	printf("KTAP version 1\n# SEED=%llu\n1..%u\n", test_seed, n);
	n = 0;
	for (i = 0; test_suites[i]; i++) {
		if (!wanted(test_suites[i], argc, argv))
			continue;
		ok = run_suite(test_suites[i]);
		failed |= !ok;
		printf("%sok %u %s\n", ok ? "" : "not ", ++n, test_suites[i]->name);
	}
	return failed || !n;
}
