#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""The engine of "make check": see usage() and Documentation/testing.rst.

What is to be run is planned first: "jobs" on this machine (style, unit tests, other
CPUs, dissectors, demo) and machines to boot, each with its tests. Three jobs run at a
time; a machine with eight CPUs counts as two. Each result is printed when it is
there; a planned test without a result has failed.
"""
import argparse
import fcntl
import fnmatch
import glob
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(HERE)
KERNELS = ["6.12", "6.1", "7.3", "debug"]
CPUS = {"arm64": ["wire", "ares", "exactly_once"],	# of check-long, and their tests there
        "s390x": ["wire", "ares", "esp", "udp", "writes", "eyes"]}
SLOTS = 3			# machines: tests wait a third of their time
MACHINE_SECONDS = 3600		# for all tests of one boot; several times what they take
QUIET_SECONDS = 60		# after so much silence a job's state is told, then after
MAX_QUIET_SECONDS = 300		# twice that, up to this
TAIL = 30			# lines of the log that are shown of a failure

RESULT = re.compile(r"^( *)(not )?ok\b *(\d+)? *-? *([^#]*?)\s*(?:# *(.*))?$")
PLAN = re.compile(r"^( *)1\.\.(\d+)(?: *# *(.*))?")

colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ


def paint(word, text):
    codes = {"ok": "32", "FAIL": "1;31", "skip": "33", "bold": "1"}
    return f"\033[{codes[word]}m{text}\033[m" if colour else text


class Report:
    """What is printed, and the counts."""

    def __init__(self, allowed):
        self.lock = threading.Lock()
        self.allowed = allowed
        self.passed = self.skipped = 0
        self.failures = []

    def say(self, where, text):
        """One line, or several of at most 80 columns."""
        lines = textwrap.wrap(text, 72, break_long_words=False) or [""]
        with self.lock:
            for n, line in enumerate(lines):
                print(f"{where if n == 0 else '':<7} {line}", flush=True)

    def result(self, where, name, verdict, seconds, why="", log=(), count=1):
        """Counts and prints; verdict is ok, skip or FAIL."""
        if verdict == "skip" and (where, name) not in self.allowed and \
           ("*", name) not in self.allowed:
            verdict, why = "FAIL", f"skipped, and not in allowed-skips: {why}"
        text = f"{name}" + (f" ({why})" if why else "")
        lines = textwrap.wrap(text, 58, break_long_words=False)
        with self.lock:
            print(f"{where:<7} {paint(verdict, f'{verdict:<4}')} {seconds:>4.0f} s  "
                  f"{lines[0]}", flush=True)
            for line in lines[1:]:
                print(f"{'':21}{line}", flush=True)
            if verdict == "ok":
                self.passed += 1
            elif verdict == "skip":
                self.skipped += 1
            else:
                self.failures += [(where, name, why or said(log))] * count
                for line in log[-TAIL:]:
                    print(f"        | {line}", flush=True)


def said(log):
    """What a test that failed says of it, of all its lines."""
    lines = [line.lstrip("# ") for line in log]
    return next((line for line in lines if line.startswith("FAIL: ")),
                lines[-1] if lines else "")


class Level:
    """What was seen at one depth of indentation since its parent's last result."""

    def __init__(self):
        self.planned = self.seen = self.failed = 0
        self.suite = self.skip = ""


class Tap:
    """Results from a stream of (K)TAP lines. Only what has no cases of its own
    counts. Names: the name of the job, or of the file, then suites, then the case."""

    def __init__(self, report, where, job="", files=()):
        self.report, self.where, self.job = report, where, job
        self.files = list(files)	# planned ones without a result yet
        self.levels, self.diagnostics = {}, []
        self.began, self.bad = time.time(), False

    def seconds(self):
        now = time.time()
        took, self.began = now - self.began, now
        return took

    def level(self, indent):
        return self.levels.setdefault(len(indent), Level())

    def line(self, line):
        plan, result = PLAN.match(line), RESULT.match(line)
        suite = re.match(r"( *)# Subtest: (.*)", line)
        if plan:
            self.level(plan[1]).planned += int(plan[2])
            self.level(plan[1]).skip = directive(plan[3])
        elif result:
            self.result(result)
        elif suite:
            self.level(suite[1]).suite = suite[2] + ": "
        elif not re.match(" *(K?TAP|# Totals|# [0-9]+ s$)", line):
            self.diagnostics = (self.diagnostics + [line.strip()])[-TAIL:]

    def result(self, result):
        depth = len(result[1])
        deeper = [self.levels.pop(n) for n in sorted(self.levels) if n > depth]
        cases = deeper[0] if deeper else Level()
        name, why = self.name(depth, result[4]), (result[5] or "").strip()
        verdict = "FAIL" if result[2] else "ok"
        if not result[2] and re.match("skip", why, re.I):
            verdict, why = "skip", directive(why) or cases.skip
        self.level(result[1]).seen += 1
        missing = max(0, cases.planned - cases.seen)
        if missing:
            self.tell(f"{name}: {missing} cases of {cases.planned}", "FAIL",
                      f"planned, but did not run; {why}", missing)
        failed = cases.failed or missing
        if not cases.seen and not missing or verdict == "FAIL" and not failed:
            self.tell(name, verdict, why if verdict != "ok" else "")
        self.level(result[1]).failed += bool(verdict == "FAIL" or failed)
        self.diagnostics = []

    def name(self, depth, text):
        """The name to print; a file's result ends it."""
        text = text.removesuffix(".sh") if not depth else text
        if not depth and text in self.files:
            self.files.remove(text)
            return text
        first = self.job or (self.files[0] if self.files else "?")
        suites = "".join(self.levels[n].suite for n in sorted(self.levels) if n <= depth)
        return f"{first}: {suites}{text}"

    def tell(self, name, verdict, why, count=1):
        self.bad |= verdict == "FAIL"
        self.report.result(self.where, name, verdict, self.seconds(), why,
                           self.diagnostics, count)
        self.diagnostics = []

    def end(self, why, log):
        """No more lines will come: what is planned still has failed."""
        for name in self.files:
            self.report.result(self.where, name, "FAIL", 0, f"no result: {why}", log)
            log = ()
        top = self.levels.get(0, Level())
        if not self.files and self.job and top.planned > top.seen:
            self.tell(f"{self.job}: {top.planned - top.seen} of {top.planned}", "FAIL",
                      f"planned, but did not run: {why}", top.planned - top.seen)


def directive(text):
    """The reason in "SKIP reason"."""
    return re.sub(r"^skip\S*[ :]*", "", (text or "").strip(), flags=re.I)


class Job:
    """A command, its log and how many of the SLOTS it takes."""

    def __init__(self, name, where, command, slots=1, after=None):
        self.name, self.where, self.command = name, where, command
        self.slots, self.after = slots, after
        self.log = os.path.join(TOP, "build/check", name + ".log")
        self.process = self.thread = None
        self.started = self.last = self.took = self.told = 0
        self.quiet = QUIET_SECONDS
        self.state = ""

    def done(self):
        return self.thread is not None and not self.thread.is_alive()

    def start(self, report, env):
        self.report, self.started, self.last = report, time.time(), time.time()
        self.process = subprocess.Popen(
            self.command, cwd=TOP, env=env, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        self.thread = threading.Thread(target=self.guarded_read, daemon=True)
        self.thread.start()

    def guarded_read(self):
        """No result may be lost because this program fails, or nobody reads it."""
        try:
            self.read()
        except BrokenPipeError:
            stopping.set()
        except Exception:
            traceback.print_exc()
            self.report.failures.append((self.where, self.name, "check.py failed"))

    def read(self):
        tail = []
        with open(self.log, "w", encoding="utf-8") as log:
            for raw in self.process.stdout:
                line = raw.decode("utf-8", "replace").rstrip("\r\n")
                print(line, file=log, flush=True)
                tail = (tail + [line])[-TAIL:]
                if not stopping.is_set():
                    self.line(line)
        status = self.process.wait()
        self.took = time.time() - self.started
        if not stopping.is_set():
            self.end(status, tail)

    def line(self, line):
        if line.startswith("vm: "):
            self.last = time.time()
            self.state = line[4:] if line.endswith(" ...") else ""
            self.report.say(self.where, line[4:])

    def end(self, status, tail):
        verdict = "ok" if status == 0 else "FAIL"
        self.report.result(self.where, self.name, verdict, self.took,
                           "" if status == 0 else f"exit status {status}, log: {self.rel()}",
                           tail)

    def rel(self):
        return os.path.relpath(self.log, TOP)

    def tell_if_quiet(self, report):
        now = time.time()
        if self.last > self.told:
            self.quiet, self.told = QUIET_SECONDS, self.last
        if now - self.told < self.quiet:
            return
        self.quiet = min(2 * self.quiet, MAX_QUIET_SECONDS)
        self.told = now
        report.say(self.where, f"... {self.name}, {(now - self.started) / 60:.0f} min"
                   + (f": {self.state}" if self.state else ""))


class Preparation(Job):
    """Something costly to be built early; what needs it tells if it failed."""

    def end(self, status, tail):
        if status:
            self.report.say(self.where, f"{self.name}: exit status {status}, log: {self.rel()}")


class Tests(Job):
    """A command on this machine that prints TAP, or only has an exit status."""

    def start(self, report, env):
        self.tap = Tap(report, self.where, self.name)
        super().start(report, env)

    def line(self, line):
        super().line(line)
        self.tap.line(line)
        if RESULT.match(line):
            self.last = time.time()

    def end(self, status, tail):
        self.tap.end(f"exit status {status}", tail)
        if not self.tap.levels.get(0, Level()).seen or status and not self.tap.bad:
            super().end(status, tail)


class Machine(Job):
    """One boot, in which selftests/run runs many tests; for a kernel "A+B" of two
    machines on one wire, which run the same tests together."""

    def __init__(self, kernel, cpus, tests, after=None, quick=False):
        clock = ["-c", str(cpus)] if cpus else ["-i"]
        self.sides = ["A: ", "B: "] if "+" in kernel else [""]
        command = [f"{HERE}/vm/run", "-k", kernel.replace("+", ","), *clock,
                   "-t", str(MACHINE_SECONDS)] + \
            (["--", f"{HERE}/run"] + ["-q"] * quick + tests) * len(self.sides)
        super().__init__(f"{kernel}-{cpus}cpus", kernel, command,
                         2 if cpus > 2 else len(self.sides), after)
        self.cpus, self.tests = cpus, tests

    def start(self, report, env):
        report.say(self.where, f"{'two machines' if self.sides[1:] else 'machine'} with "
                   f"{self.cpus} CPUs: {' '.join(self.tests)}")
        self.taps = {side: Tap(report, self.where, files=self.tests) for side in self.sides}
        self.ready = set()
        super().start(report, env)

    def line(self, line):
        super().line(line)
        side = next((side for side in self.sides if line.startswith(side)), None)
        if side is None:
            return
        line, tap = line.removeprefix(side), self.taps[side]
        if line.startswith("KTAP") and side not in self.ready:
            self.ready.add(side)
            tap.seconds()
        if side in self.ready:
            tap.line(line)
            if RESULT.match(line):
                self.state, self.last = "", time.time()

    def end(self, status, tail):
        why = {99: "the kernel complained", 124: f"over {MACHINE_SECONDS} s",
               125: "the machine could not be built or booted"}
        bad = status not in (0, 1) or len(self.ready) < len(self.sides)
        words = why.get(status, f"exit status {status}")
        for tap in self.taps.values():
            tap.end(words, tail)
        self.report.result(self.where, f"machine with {self.cpus} CPUs, kernel log",
                           "FAIL" if bad else "ok", self.took,
                           f"{words}, log: {self.rel()}" if bad else "",
                           self.complaint())

    def complaint(self):
        """What the runner says of a kernel that complained, from its beginning."""
        lines = open(self.log, encoding="utf-8").read().splitlines()
        for n, line in enumerate(lines):
            if line.startswith("vm: kernel ") and \
               re.search("complained|leaked|tainted", line):
                return lines[n:n + TAIL]
        return lines[-TAIL:]


class Flag:
    """As threading.Event, whose set() in a signal handler can wait for ever."""

    def __init__(self):
        self.value = False

    def set(self):
        self.value = True

    def is_set(self):
        return self.value


stopping = Flag()


def listed(kernel):
    """The tests that selftests/run would run on this kernel."""
    env = dict(os.environ, VPE_KERNEL=kernel)
    env.pop("KSFT_MACHINE_SLOW", None)
    out = subprocess.run([f"{HERE}/run", "-l"], env=env, check=True,
                         capture_output=True, text=True).stdout
    return [name.removesuffix(".sh") for name in out.split()]


def table(name, separator):
    """Lines of a list file, split."""
    with open(os.path.join(HERE, name), encoding="utf-8") as f:
        lines = [line.strip() for line in f]
    return [[word.strip() for word in line.split(separator)]
            for line in lines if line and not line.startswith("#")]


def long_tests():
    """What the Makefile has in TEST_PROGS_LONG."""
    with open(os.path.join(HERE, "Makefile"), encoding="utf-8") as f:
        return re.search(r"TEST_PROGS_LONG := ((?:.*\\\n)*)", f.read())[1] \
            .replace("\\", "").replace(".sh", "").split()


def plan_machines():
    """{(kernel, cpus): [test...]} of all that can run in machines."""
    plan = {}
    special = [line for line in table("machines", None) if line[0] not in long_tests()]
    for kernel in KERNELS:
        tests = [t for t in listed(kernel) if t not in [s[0] for s in special]]
        plan[kernel, 2] = tests + (long_tests() if kernel != "debug" else [])
    for test, kernels, cpus in special:
        for kernel in kernels.split(","):
            plan.setdefault((kernel, int(cpus)), []).append(test)
    return plan


def is_short(test, kernel):
    """Whether it runs unasked."""
    return test not in long_tests() or any(
        line[0] == test and kernel in line[1].split(",") for line in table("machines", None))


def pairs():
    """Kernels of two machines on one wire, as "A+B"."""
    named = {k for _, kernels, _ in table("machines", None) for k in kernels.split(",")}
    return sorted(k for k in named if "+" in k)


HOST_JOBS = ["style", "unit", "cpus", "dissect", "demo"]


def make_jobs(options):
    """The jobs that the options ask for, in the order of their start."""
    test = (options.test or "").removesuffix(".sh")
    plan = plan_machines()
    names = sorted({t for tests in plan.values() for t in tests})
    if test and test not in names + HOST_JOBS:
        sys.exit(f"check: no test '{test}'. There are:\n" +
                 textwrap.fill(" ".join(HOST_JOBS + names), 78,
                               initial_indent="  ", subsequent_indent="  "))
    if test in HOST_JOBS and options.kernel:
        sys.exit(f"check: '{test}' runs on no test kernel: leave the kernel out")
    kernels = [options.kernel] if options.kernel else KERNELS + pairs()
    plan = {(kernel, cpus): [t for t in tests if test == t or
                             not test and is_short(t, kernel)]
            for (kernel, cpus), tests in plan.items() if kernel in kernels}
    plan = {key: tests for key, tests in plan.items() if tests}
    if test and test not in HOST_JOBS and not plan:
        sys.exit(f"check: '{test}' does not run on kernel {options.kernel}")
    jobs = [] if options.kernel else host_jobs(test)
    return arrange(jobs, plan if test not in HOST_JOBS else {}, not test)


def host_jobs(test):
    jobs = [Tests("style", "style", [f"{HERE}/style"]),
            Tests("unit", "unit", ["make", "-s", "--no-print-directory", "-C",
                                   f"{HERE}/unit", "check"]),
            Tests("cpus", "cpus", [f"{HERE}/cpus"]),
            Tests("dissect", "dissect", [f"{HERE}/dissect"]),
            Job("demo", "demo", [f"{TOP}/demo/run"])]
    return [job for job in jobs if test in ("", job.name)]


def arrange(jobs, plan, quick):
    """The debug kernel's build first, beside all that does not need it; then what
    takes long; machines that run alone at the end."""
    build = None
    if any(kernel == "debug" for kernel, _ in plan):
        build = Preparation("debug-kernel", "debug", [f"{HERE}/vm/kernel", "debug"], 2)
    machines = [Machine(kernel, cpus, tests, build if kernel == "debug" else None, quick)
                for (kernel, cpus), tests in plan.items()]
    machines.sort(key=lambda machine: (machine.slots, -len(machine.tests)))
    alone = [machine for machine in machines if machine.slots > 1]
    return ([build] if build else []) + machines[:-len(alone) or None] + jobs + alone


def run_jobs(jobs, report, env):
    """All jobs, as many at a time as there are SLOTS, in order where possible."""
    waiting, running = list(jobs), []
    while waiting or running:
        for job in [j for j in running if j.done()]:
            running.remove(job)
        free = SLOTS - sum(job.slots for job in running)
        for job in list(waiting):
            if job.slots <= free and (job.after is None or job.after.done()):
                waiting.remove(job)
                running.append(job)
                job.start(report, env)
                free -= job.slots
        for job in running:
            job.tell_if_quiet(report)
        time.sleep(0.1)
        if stopping.is_set():
            break
    for job in running:
        stop(job)


def stop(job):
    """End a job with all that it started; machines first clean up themselves."""
    for sig, seconds in (signal.SIGTERM, 10), (signal.SIGKILL, 5):
        try:
            os.killpg(job.process.pid, sig)
        except ProcessLookupError:
            pass
        job.thread.join(seconds)
        if job.done():
            return


def tree_hash():
    """Changes with every source of module, tests and patches."""
    files = [f for pattern in ("Kbuild", "vpe/**", "xfrm_vpe/**", "selftests/**",
                               "iproute2-patch/**")
             for f in glob.glob(os.path.join(TOP, pattern), recursive=True)]
    digest = hashlib.sha256()
    for name in sorted(files):
        if os.path.isfile(name) and not fnmatch.fnmatch(name, "*.[ok]*"):
            with open(name, "rb") as f:
                digest.update(name.encode() + b"\0" + f.read())
    return digest.hexdigest()[:16]


class Once:
    """A part of check-long: done once for each state of the tree."""

    def once(self, name):
        self.name = name
        self.log = os.path.join(TOP, "build/check", f"long-{name}.log")
        self.stamp = os.path.join(TOP, "build/check", f"long-{name}-{tree_hash()}.done")

    def end(self, status, tail):
        before = len(self.report.failures)
        super().end(status, tail)
        if status == 0 and len(self.report.failures) == before:
            open(self.stamp, "w", encoding="utf-8").close()


class Long(Once, Machine):
    """In a machine."""

    def __init__(self, name, kernel, cpus, tests, setting=None):
        super().__init__(kernel, cpus, tests)
        self.once(name)
        command = (["--", "env"] + (setting or []) +
                   [f"{HERE}/run", "-t", str(MACHINE_SECONDS)] + tests)
        self.command[self.command.index("--"):] = command * len(self.sides)


class LongJob(Once, Job):
    """On this machine."""

    def __init__(self, name, command):
        super().__init__(name, "demo", command)
        self.once(name)


class LongTests(Once, Tests):
    """On this machine; prints TAP."""

    def __init__(self, name, command):
        super().__init__(name, name, command)
        self.once(name)


def make_long_jobs(part, report):
    """The module loaded and unloaded more often under classic ESP, the kernel's own
    tests for ESP and VPE, every test on debug, other CPUs, fuzzing, and the code
    with guards removed."""
    special = table("machines", None)
    cpus = {test: int(cpus) for test, _, cpus in reversed(special)}
    paired = [test for test, kernels, _ in special if "+" in kernels]
    every = listed("6.12") + [test for test in long_tests() if test != "peers"]
    every = [test for test in every if cpus.get(test) != 0 and test not in paired]
    every += [test for test in cpus if cpus[test] and test not in every + paired]
    jobs = [Long(f"reload-{kernel}", kernel, 2, ["classic"], ["VPE_LOADS=50"])
            for kernel in KERNELS]
    jobs += [Long(f"kselftests-{kernel}", kernel, 2, ["classic_kselftests"])
             for kernel in KERNELS if kernel != "debug"]
    jobs += [Long(f"peers-{kernel}", kernel, 2, ["peers"],
                  ["VPE_PEERS=xfrm_state xfrm_policy"])
             for kernel in KERNELS if kernel != "debug"]
    everywhere = long_tests() + sorted({test for test, kernels, n in special if n != "0" and
                                        test in listed("6.12") and kernels != "debug" and
                                        test not in paired})
    jobs += [Long(f"{test}-{kernel}", kernel, 2, [test]) for test in everywhere
             if test != "peers" for kernel in KERNELS if kernel != "debug"]
    jobs += [Long(f"debug-{test}", "debug", cpus.get(test, 2), [test]) for test in every]
    jobs += [Long("attack-million", "6.12", 2, ["attack"], ["VPE_ATTACKS=1000000"])]
    jobs += [Long(f"cpus-{cpu}", cpu, 2, tests) for cpu, tests in CPUS.items()]
    jobs += [Long(f"cpus-{cpu}-interop", f"{cpu}+6.12", 2, ["interop"]) for cpu in CPUS]
    jobs += [LongJob("demo-fabric", [f"{TOP}/demo/fabric/run", "-s"]),
             LongJob("demo-qos", [f"{TOP}/demo/qos/run"]),
             LongTests("fuzz", ["make", "-s", "--no-print-directory", "-C",
                                f"{HERE}/fuzz", "check"]),
             LongTests("mutants", [f"{HERE}/mutants"])]
    if part:
        chosen = [job for job in jobs if job.name == part] or \
                 [job for job in jobs if fnmatch.fnmatch(job.name, part + "*")]
        if not chosen:
            sys.exit(f"check: no part '{part}'. There are:\n" +
                     textwrap.fill(" ".join(job.name for job in jobs), 78,
                                   break_on_hyphens=False,
                                   initial_indent="  ", subsequent_indent="  "))
        return chosen
    for job in [job for job in jobs if os.path.exists(job.stamp)]:
        report.say("long", f"{job.name}: passed before with this tree")
        report.passed += 1
        jobs.remove(job)
    return jobs


def read_allowed():
    for words in table("allowed-skips", "|"):
        if len(words) != 3 or not all(words):
            sys.exit(f"check: allowed-skips: not KERNEL | TEST | REASON: {' | '.join(words)}")
    return {(words[0], words[1]) for words in table("allowed-skips", "|")}


def summary(report, jobs, began):
    print()
    for job in jobs:
        print(f"{job.name:<24} {job.took:6.0f} s")
    if report.failures:
        print("\nFailed:")
        for where, name, why in dict.fromkeys(report.failures):
            print(f"  {where:<7} {name}" + (f"\n{'':10}{why[:70]}" if why else ""))
    print(f"\n{(time.time() - began) / 60:.1f} minutes; logs in build/check/")
    failed = len(report.failures)
    print(f"{report.passed} passed, {failed} failed, {report.skipped} skipped", flush=True)
    return 1 if failed or not report.passed else 0


def parse_options():
    parser = argparse.ArgumentParser(
        prog="check", description="Runs all tests of this tree, or those asked for.")
    parser.add_argument("-t", "--test", help="one test: its name, or " + ", ".join(HOST_JOBS))
    parser.add_argument("-k", "--kernel", help="on one kernel: " + ", ".join(KERNELS))
    parser.add_argument("-l", "--long", action="store_true",
                        help="the long tests instead; -t names a part")
    parser.add_argument("-n", "--plan", action="store_true",
                        help="only tell what would run")
    options = parser.parse_args()
    if options.kernel and options.kernel not in KERNELS + pairs():
        sys.exit(f"check: no kernel '{options.kernel}'. There are: "
                 f"{' '.join(KERNELS + pairs())}")
    return options


def only_one(directory):
    """A second check in the same tree would overwrite the first one's logs."""
    os.makedirs(directory, exist_ok=True)
    lock = open(os.path.join(directory, ".lock"), "w", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit("check: another check runs in this tree")
    return lock


def main():
    options, began = parse_options(), time.time()
    report = Report(read_allowed())
    jobs = make_long_jobs(options.test, report) if options.long else make_jobs(options)
    if options.plan:
        for job in jobs:
            report.say(job.where, f"{job.name}: {' '.join(getattr(job, 'tests', []))}")
        return 0
    lock = only_one(os.path.join(TOP, "build/check"))
    for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(sig, lambda *_: stopping.set())
    scratch = tempfile.mkdtemp(prefix="vpe-check.")
    try:
        run_jobs(jobs, report, dict(os.environ, TMPDIR=scratch))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        lock.close()
    if stopping.is_set():
        print("\ncheck: interrupted; all machines are stopped", file=sys.stderr, flush=True)
        return 130
    return summary(report, jobs, began)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
