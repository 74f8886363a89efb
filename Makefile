# mytsdb: build, install, run, test, measure.
#
# This file is read in two ways. Called by you it is a driver: it sees that what
# the build needs is installed and calls itself for one flavour of the library at
# a time, in build/FLAVOUR. Called with FLAVOUR set it is an ordinary PGXS
# makefile with a separate build directory.

ifndef FLAVOUR

SHELL = /bin/bash
.SHELLFLAGS = -eu -o pipefail -c
.DEFAULT_GOAL = all
MAKEFLAGS += --no-print-directory

# Messages are the same everywhere, and no locale needs to be there.
export LC_ALL := C.UTF-8

export PG_CONFIG ?= /usr/lib/postgresql/15/bin/pg_config
export DATA PGPORT HTTP_PORT OTLP_GRPC_PORT OTLP_HTTP_PORT RUN_AS ONLY TESTS DESTDIR COPT

# DATA means another thing to PGXS: what is set on the command line goes to the
# flavours through the environment, where a makefile's own assignment wins.
MAKEOVERRIDES =

# $(call flavour,FLAVOUR,TARGET): quiet unless V=1; one at a time, since two makes may
# run; in parallel, unless the caller said how much. What root builds in another's
# checkout is that other's.
JOBS ?= $(shell nproc)
flavour = +@mkdir -p build/$(1) && flock build/$(1)/.lock \
	$(MAKE) $(if $(V),,-s) $(if $(filter -j%,$(MAKEFLAGS)),,-j$(JOBS)) \
		-C build/$(1) -f $(CURDIR)/Makefile FLAVOUR=$(1) $(2) && \
	{ [ "$$(id -u)" != 0 ] || [ -O Makefile ] || chown -Rf --reference=Makefile build || true; }

.PHONY: all install uninstall assert sanitize unit fuzz run stop check soak bench \
	format lint clean help

all: ## Build the extension (release flavour)
	@tools/deps build
	$(call flavour,release,all)

install: all ## Install it into the server of PG_CONFIG (needs its rights: sudo make install)
	$(call flavour,release,install)
	@echo "Installed into the server of $(PG_CONFIG)."
	@echo "Its postgresql.conf needs: shared_preload_libraries = 'mytsdb'"
	@echo "After a restart, in a database: CREATE EXTENSION mytsdb;"

uninstall: ## Remove it from there
	$(call flavour,release,uninstall)

assert: ## Build with assertions, in build/assert
	@tools/deps build
	$(call flavour,assert,all)

sanitize: ## Build with assertions, AddressSanitizer and UBSan, in build/sanitize
	@tools/deps build
	$(call flavour,sanitize,all)

unit: ## Build the unit tests, plain and with sanitizers
	@tools/deps build
	$(call flavour,release,unit)
	$(call flavour,sanitize,unit)

fuzz: ## Build the fuzzers, in build/fuzz
	@tools/deps check
	$(call flavour,fuzz,fuzz)

run: ## Start a private server with the extension and print its URI
	@tools/deps run
	$(call flavour,release,all)
	@flock -o tools/run tools/run

stop: ## Stop the server of DATA
	@tools/stop

check: ## Run every test; the last line is "N passed, N failed"
	@tools/deps check
	@tools/check

soak: ## Run the random tests for SECONDS (default 600)
	@tools/deps check
	@SOAK_SECONDS=$(or $(SECONDS),600) tools/check soak

bench: ## Run the benchmarks: all tables, or TABLE=codec
	@tools/deps build
	@bench/run $(TABLE)

format: ## Format the C sources
	@tools/deps lint
	@tools/sources | xargs clang-format -i

lint: ## Check formatting; compile with warnings as errors
	@tools/deps lint
	@tools/sources | xargs clang-format --dry-run -Werror
	$(call flavour,strict,all unit)

clean: ## Remove everything that was built
	rm -rf build bench/out

help: ## This list
	@echo 'Targets:'
	@sed -n 's/^\([a-z]*\):[^#]*## /  \1\t/p' Makefile | expand -t 14
	@echo 'Variables:'
	@echo '  PG_CONFIG     the server to build for ($(PG_CONFIG))'
	@echo '  DATA          data directory of make run and make stop (of root:'
	@echo '                /var/lib/mytsdb/data, of others: ~/.local/share/mytsdb/data)'
	@echo '  PGPORT        port of make run (55432)'
	@echo '  HTTP_PORT     port of HTTP of make run (9201)'
	@echo '  OTLP_GRPC_PORT, OTLP_HTTP_PORT'
	@echo '                ports of OTLP of make run (4317, 4318); 0: none'
	@echo '  RUN_AS        user that runs the server when make is run by root (postgres)'
	@echo '  ONLY          part of the names of the parts of make check to run'
	@echo '  TESTS         the tests of pg_regress to run'
	@echo '  LANES         how many parts of make check run at a time (2)'
	@echo '  DISTURB       1 to 9: make check stops processes of its tests at random'
	@echo '  SECONDS       length of make soak'
	@echo '  TABLE         the one benchmark table to run'
	@echo '  HOURS         hours of samples that the tables promql and ingest load (6)'
	@echo '  DURATION      seconds of a measurement of the tables ingest (15) and combined'
	@echo '  PRESET        size of the table combined: quick or standard'
	@echo '  V             1: show the commands of the build'

else # one flavour

root := $(patsubst %/,%,$(dir $(abspath $(firstword $(MAKEFILE_LIST)))))
PG_CONFIG ?= pg_config

MODULE_big = mytsdb
EXTENSION = mytsdb
DATA = $(patsubst $(root)/%,%,$(wildcard $(root)/sql/mytsdb--*.sql))
OUR_VERSION := $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" $(root)/mytsdb.control)

SOURCES = $(wildcard $(root)/src/*.c $(root)/src/*/*.c)

# Sources of the server's side begin with postgres.h; the others call no server
# function, and unit tests and fuzzers link only these.
PURE := $(shell grep -L '^\#include "postgres.h"' $(SOURCES))

objects = $(patsubst $(root)/%.c,%.o,$(1))

# The HTTP parser comes as C sources; strict: what is ambiguous is refused.
LLHTTP = /usr/share/llhttp
LLHTTP_OBJS = llhttp/api.o llhttp/http.o llhttp/llhttp.o

OBJS = $(call objects,$(SOURCES)) $(LLHTTP_OBJS)

# What the library and the plain programs have in common.
OUR_CPPFLAGS = -I$(root)/include -I/usr/share/include -DMYTSDB_VERSION='"$(OUR_VERSION)"' -MMD -MP
WARNINGS = -Wall -Wextra -Wno-unused-parameter

# Products are rounded before they are added, on all processors: results do not depend on
# them, and compensated sums know what they have lost.
EXACT = -ffp-contract=off
SANITIZE = -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
OUR_LIBS = -lpcre2-8 -lzstd -lsnappy -lroaring -levent_openssl -levent_core -lnghttp2 -lssl -lcrypto -lz -lm

flavour_CPPFLAGS_release = -DNDEBUG
flavour_CPPFLAGS_strict = -DNDEBUG
flavour_CPPFLAGS_assert = -DUSE_ASSERT_CHECKING
flavour_CPPFLAGS_sanitize = -DUSE_ASSERT_CHECKING
flavour_CFLAGS_sanitize = $(SANITIZE)
flavour_CFLAGS_strict = -Werror

PG_CPPFLAGS = $(OUR_CPPFLAGS) $(flavour_CPPFLAGS_$(FLAVOUR))
PG_CFLAGS = -std=gnu11 $(WARNINGS) $(EXACT) -Wno-declaration-after-statement \
	$(flavour_CFLAGS_$(FLAVOUR))
# Our functions are called by ourselves even where the server has one of the same name.
SHLIB_LINK = -Wl,-Bsymbolic-functions $(OUR_LIBS) $(filter -fsanitize%,$(flavour_CFLAGS_$(FLAVOUR)))

# Byte code for the server's JIT would be built by clang from the same sources, and
# is of no use to a library whose functions are not inlined into queries.
override with_llvm = no

PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# The codecs and the kernels of functions live on vectorised loops.
KERNEL_CFLAGS = $(if $(filter release,$(FLAVOUR)),-O3)
src/codec/%.o src/promql/range_kernels%.o src/promql/%_kernel.o src/promql/call_math.o: \
	override CFLAGS += $(KERNEL_CFLAGS)

# Warnings about what is not ours help nobody.
llhttp/%.o: $(LLHTTP)/%.c
	$(CC) $(CFLAGS) -w -DLLHTTP_STRICT_MODE=1 -I/usr/share/include/llhttp -fPIC -c -o $@ $<

# Plain programs: unit tests (in release and sanitize) and fuzzers (in fuzz).
PURE_OBJS = $(addprefix pure/,$(call objects,$(PURE)) $(LLHTTP_OBJS))
UNIT = $(patsubst $(root)/test/unit/%.c,unit/%,$(wildcard $(root)/test/unit/*.c))
FUZZ = $(patsubst $(root)/test/fuzz/%.c,fuzz/%,$(wildcard $(root)/test/fuzz/*.c))

# At -O1 clang vectorises nothing, and need not say so.
ifeq ($(FLAVOUR),fuzz)
PURE_CC = clang -std=gnu11 -g -O1 $(SANITIZE) -fsanitize=fuzzer-no-link -Wno-pass-failed
else
PURE_CC = gcc -std=gnu11 -g -O2 $(flavour_CFLAGS_$(FLAVOUR)) \
	$(filter-out -DUSE_ASSERT_CHECKING,$(flavour_CPPFLAGS_$(FLAVOUR)))
endif
PURE_CC += $(WARNINGS) $(EXACT) $(OUR_CPPFLAGS)

.PHONY: unit fuzz
unit: $(UNIT)
fuzz: $(FUZZ)

pure/src/codec/%.o pure/src/promql/range_kernels%.o pure/src/promql/%_kernel.o: \
	PURE_CC += $(KERNEL_CFLAGS)

pure/%.o: $(root)/%.c
	@mkdir -p $(@D)
	$(PURE_CC) -c -o $@ $<

pure/llhttp/%.o: $(LLHTTP)/%.c
	@mkdir -p $(@D)
	$(PURE_CC) -w -DLLHTTP_STRICT_MODE=1 -I/usr/share/include/llhttp -c -o $@ $<

pure/libpure.a: $(PURE_OBJS)
	rm -f $@ && ar rcs $@ $^

unit/%: $(root)/test/unit/%.c pure/libpure.a
	@mkdir -p $(@D)
	$(PURE_CC) -o $@ $< pure/libpure.a $(OUR_LIBS)

fuzz/%: $(root)/test/fuzz/%.c pure/libpure.a
	@mkdir -p $(@D)
	$(PURE_CC) -fsanitize=fuzzer -o $@ $< pure/libpure.a $(OUR_LIBS)

# Objects depend on how they are built, and for which server, too.
built_for := $(shell $(PG_CONFIG) --version --includedir-server --pkglibdir) $(COPT)
ifneq ($(built_for),$(file < built-for))
$(file > built-for,$(built_for))
endif
$(OBJS) $(PURE_OBJS): $(root)/Makefile $(root)/mytsdb.control built-for | directories
.PHONY: directories
directories:
	@mkdir -p $(sort $(dir $(OBJS)))

-include $(OBJS:.o=.d) $(PURE_OBJS:.o=.d) $(UNIT:=.d) $(FUZZ:=.d)

endif
