# The front door. Meson and ninja do the building (meson.build); each target here is the one
# command for one job, and every one of them works from a fresh clone.
#
#   V=1       show the commands        J=n   parallel jobs (default: what ninja likes)
#   build/        release programs: build/dlogd, build/dlog
#   build-check/  gcc, debug: what the tests run     build-clang/  the same with clang
#   build-asan/ build-tsan/ build-fuzz/ build-cover/ build-lint/   one per instrument

SHELL := /bin/bash
.DEFAULT_GOAL := all
Q := $(if $(V),,@)
NINJA := ninja $(if $(J),-j$(J))
# Debian's python3: the packaged Kafka clients are installed for it.
PYTHON := /usr/bin/python3
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 60
ARGS ?=

# A module or a test folder exists for meson once its meson.build does: look again when one came.
MESON_FILES := $(wildcard meson.build meson_options.txt src/LAYERS src/*/meson.build \
	tests/*/meson.build tests/unit/*/meson.build tests/script/*/meson.build bench/meson.build)
C_FILES = $(shell find src include examples tests bench -name cache -prune -o -name node_modules -prune \
	-o -name '*.[ch]' -print 2>/dev/null)
PY_FILES = $(shell find tools tests bench -name cache -prune -o -name node_modules -prune \
	-o -name '*.py' -print 2>/dev/null)
SH_FILES = $(wildcard tools/*.sh tools/hooks/* .ci/run)
MESON_TEST = meson test --no-rebuild --print-errorlogs
# Instrumented archives call into their instrument, which tidy rightly does not know.
SUITES = --no-suite tidy

# $(call setup,compiler,options): configures the folder of the target
define setup
	$(Q)if [ -f $@ ]; then meson setup --reconfigure $(@D) >$(@D)/setup.log || { cat $(@D)/setup.log; exit 1; }; \
	else mkdir -p $(@D) && CC=$(1) meson setup $(@D) --prefix=$(PREFIX) $(2) >$(@D)/setup.log || { cat $(@D)/setup.log; exit 1; }; fi
	$(Q)touch $@
endef

build/build.ninja: $(MESON_FILES)
	$(call setup,gcc,--buildtype=release -Ddebug=true)
build-check/build.ninja: $(MESON_FILES)
	$(call setup,gcc,)
build-clang/build.ninja: $(MESON_FILES)
	$(call setup,clang,)
build-asan/build.ninja: $(MESON_FILES)
	$(call setup,clang,-Db_sanitize=address$(comma)undefined -Db_lundef=false)
build-tsan/build.ninja: $(MESON_FILES)
	$(call setup,clang,-Db_sanitize=thread -Db_lundef=false)
build-fuzz/build.ninja: $(MESON_FILES)
	$(call setup,clang,-Db_sanitize=address$(comma)undefined -Db_lundef=false -Dc_args=-fsanitize=fuzzer-no-link)
build-cover/build.ninja: $(MESON_FILES)
	$(call setup,gcc,-Db_coverage=true --buildtype=debug -Dc_args=-fprofile-update=atomic)
build-lint/build.ninja: $(MESON_FILES)
	$(call setup,gcc,-Dc_args=-fanalyzer -Dwerror=false)
comma := ,

##@ Use

all: build/build.ninja ## release programs: build/dlogd and build/dlog
	$(Q)$(NINJA) -C build --quiet

run: deps-build all ## install what is missing, build, start a broker on 127.0.0.1:9092 (ARGS=...)
	$(Q)exec build/dlogd $(ARGS)

install: all ## install below PREFIX (default /usr/local; DESTDIR is honoured)
	$(Q)meson install -C build --no-rebuild

deps: ## install what building, testing and linting need from Debian
	$(Q)tools/deps.sh build test lint

deps-%:
	$(Q)tools/deps.sh $*

##@ Test

check: format-check build-check ## format, tidy, build with gcc, unit tests
	$(Q)$(MESON_TEST) -C build-check --suite tidy --suite unit --suite fuzz --suite script

test: deps-build deps-test format-check build-check build-clang ## the commit tier: check, a clang build, all suites with Debian's clients
	$(Q)$(MESON_TEST) -C build-check

build-check: build-check/build.ninja
	$(Q)$(NINJA) -C build-check --quiet

build-clang: build-clang/build.ninja
	$(Q)$(NINJA) -C build-clang --quiet

compat: deps-build deps-compat all ## one smoke test per outside client, newest versions from their registries
	$(Q)$(PYTHON) tests/compat/run.py --dlogd build/dlogd --json build/compat.json $(ARGS)

compat-full: deps-build deps-test deps-compat all ## compat with more of everything, answers next to Apache Kafka's, and ten million lines through kcat
	$(Q)$(PYTHON) tests/compat/run.py --full --dlogd build/dlogd --json build/compat.json $(ARGS)
	$(Q)$(PYTHON) tests/compat/compare.py build/dlogd
	$(Q)$(PYTHON) tests/system/test_bytes.py build/dlogd --lines 10000000

sim: build-check/build.ninja ## whole clusters in one process: SEED=n replays one, SEEDS=n runs many
	$(Q)$(NINJA) -C build-check --quiet tests/sim/sim-broker
	$(Q)build-check/tests/sim/sim-broker $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),100)) $(ARGS)

sim-storage: build-check/build.ninja ## the log engine alone through crashes: SEED=n replays one, SEEDS=n runs many
	$(Q)$(NINJA) -C build-check --quiet tests/sim/sim-storage
	$(Q)build-check/tests/sim/sim-storage $(ARGS) $(or $(SEED),1 $(or $(SEEDS),1000))

crash-states: build-check/build.ninja ## every state a crash may leave of a log: SEEDS=n of each workload (12), ARGS=...
	$(Q)$(NINJA) -C build-check --quiet tests/crash/crash-states tests/crash/crash-canary
	$(Q)build-check/tests/crash/crash-states $(ARGS) all 1 $(or $(SEEDS),12)
	$(Q)build-check/tests/crash/crash-canary

bench: all ## measurements, each as a ratio to what the machine can do
	$(Q)$(PYTHON) bench/run.py --build build $(ARGS)

##@ Instruments

asan: build-asan/build.ninja ## the whole suite under AddressSanitizer and UBSan
	$(Q)$(NINJA) -C build-asan --quiet
	$(Q)ASAN_OPTIONS=abort_on_error=1:detect_leaks=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
	$(MESON_TEST) -C build-asan $(SUITES) --timeout-multiplier 5 $(ARGS)

tsan: build-tsan/build.ninja ## the whole suite under ThreadSanitizer
	$(Q)$(NINJA) -C build-tsan --quiet
	$(Q)TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1 \
	$(MESON_TEST) -C build-tsan $(SUITES) --timeout-multiplier 10 $(ARGS)

fuzz: build-fuzz/build.ninja ## T=name: fuzz one decoder for FUZZ_SECONDS (60); findings go to build-fuzz/
	$(Q)[ -n "$(T)" ] || { echo "make fuzz T=name, one of:"; ls tests/fuzz/fuzz_*.c 2>/dev/null | sed 's/.*fuzz_/  /;s/\.c//'; exit 2; }
	$(Q)$(NINJA) -C build-fuzz --quiet tests/fuzz/fuzz_$(T)
	$(Q)mkdir -p build-fuzz/corpus/$(T)
	$(Q)build-fuzz/tests/fuzz/fuzz_$(T) -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=2048 -timeout=10 \
	-print_final_stats=1 -artifact_prefix=build-fuzz/$(T)- build-fuzz/corpus/$(T) $(wildcard tests/fuzz/corpus/$(T)) $(ARGS)

# gcov itself opens files, which the seam test would take for a hole; counters of threads need atomics.
cover: build-cover/build.ninja ## line coverage; fails below tools/cover.min
	$(Q)$(NINJA) -C build-cover --quiet
	$(Q)find build-cover -name '*.gcda' -delete
	$(Q)$(MESON_TEST) -C build-cover $(SUITES) --no-suite seam --timeout-multiplier 3
	$(Q)$(PYTHON) tools/cover.py build-cover

##@ Keep tidy

format: ## let clang-format decide the spacing
	$(Q)clang-format -i $(C_FILES)

format-check:
	$(Q)clang-format --dry-run -Werror $(C_FILES)

lint: deps-lint build-clang/build.ninja build-lint/build.ninja ## clang-tidy, cppcheck, gcc -fanalyzer, Python and shell checkers
	$(Q)tools/lint.sh $(PYTHON) -- $(PY_FILES) -- $(SH_FILES)

hooks: ## check format, tidy and lint of what is staged before each git commit
	$(Q)git config core.hooksPath tools/hooks && echo "git runs tools/hooks/pre-commit from now on"

clean: ## remove everything that was built
	$(Q)rm -rf build build-*/

help: ## this text
	$(Q)awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} \
	/^[a-z][a-z-]*:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

.PHONY: all run install deps check test build-check build-clang compat compat-full sim sim-storage crash-states bench asan tsan fuzz \
	cover format format-check lint hooks clean help
