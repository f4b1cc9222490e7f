# mlaas: machine learning inside PostgreSQL.
#
#   make && make install && make installcheck    as for any PGXS extension
#   make test      everything that can be tested, in a private cluster
#   make demo      a private cluster with two models to try; make demo-stop ends it
#   make bench     speed beside what a user would pick instead
#   make unit      the engine's unit tests, plain and under sanitizers
#   make fuzz      a short run of the fuzzers
#
# Choices: PG_CONFIG=, CC=, OPENBLAS_LIBDIR=, WERROR=1 (warnings are errors), ENGINE_OPT=,
# FUZZ_SECONDS= (per fuzzer), SANITIZER_CC=

EXTENSION = mlaas
MODULE_big = mlaas
EXTVERSION := $(shell sed -n "s/^default_version *= *'\([^']*\)'.*/\1/p" mlaas.control)

PG_CONFIG ?= pg_config
PKG_CONFIG ?= pkg-config

# ---- sources ----

ENGINE_SOURCES := $(sort $(wildcard src/engine/*/*.c))
SERVER_SOURCES := $(sort $(wildcard src/pg/*.c))
ALL_HEADERS := $(wildcard src/*/*.h src/*/*/*.h)
ENGINE_OBJS := $(ENGINE_SOURCES:.c=.o)
SERVER_OBJS := $(SERVER_SOURCES:.c=.o)
OBJS = $(ENGINE_OBJS) $(SERVER_OBJS)

# The install script is joined from one file per concept, in this order.
SQL_PARTS = schema types registry metadata rights describe profile train aggregate predict evaluate transform crossval conformal compose explain metrics route deploy trees update publish jobs rest
SQL_FILES = $(SQL_PARTS:%=sql/%.sql)
SQL_FORGOTTEN := $(filter-out $(SQL_FILES),$(wildcard sql/*.sql))
ifneq ($(SQL_FORGOTTEN),)
$(error $(SQL_FORGOTTEN) not among SQL_PARTS)
endif

DATA_built = mlaas--$(EXTVERSION).sql
DATA = $(wildcard sql/upgrade/mlaas--*--*.sql)

# ---- tests that installcheck runs ----

# Input comes from test/sql and test/specs, expected output from expected/, and what a run
# writes stays below test/ (--inputdir=test would run an install script of the same name).
REGRESS = $(sort $(patsubst test/sql/%.sql,%,$(wildcard test/sql/*.sql)))
ISOLATION = $(sort $(patsubst test/specs/%.spec,%,$(wildcard test/specs/*.spec)))
REGRESS_OPTS = --outputdir=test --load-extension=mlaas
ISOLATION_OPTS = --outputdir=test --load-extension=mlaas

# ---- flags ----

# OpenBLAS's serial build, opened when it is needed whatever the system's default BLAS is: the
# threaded one starts threads when it is loaded, which has no place in a server.
MULTIARCH := $(shell $(CC) -print-multiarch 2>/dev/null)
ifeq ($(MULTIARCH),)
MULTIARCH := $(shell gcc -print-multiarch 2>/dev/null)
endif
OPENBLAS_LIBDIR ?= /usr/lib/$(MULTIARCH)/openblas-serial
# by its file, since -l would take another folder's when this one has none
OPENBLAS_LIBRARY := $(firstword $(wildcard $(OPENBLAS_LIBDIR)/libopenblas.so.0 $(OPENBLAS_LIBDIR)/libopenblas.so))
JSON_CFLAGS := $(shell $(PKG_CONFIG) --cflags json-c 2>/dev/null)
JSON_LIBS := $(or $(shell $(PKG_CONFIG) --libs json-c 2>/dev/null),-ljson-c)

# Results must not depend on whether a processor has fused multiply-add.  No code looks
# at errno after a mathematical function, or at floating-point traps.
FLOAT_FLAGS = -ffp-contract=off -fno-math-errno -fno-trapping-math
WARNING_FLAGS = -Wall -Wextra -Wno-declaration-after-statement
# clang knows not all the flags that PostgreSQL was configured with for gcc
ifneq ($(findstring clang,$(shell $(CC) --version 2>/dev/null)),)
WARNING_FLAGS += -Wno-unknown-warning-option -Wno-ignored-optimization-argument
endif
ifdef WERROR
WARNING_FLAGS += -Werror
endif
ENGINE_OPT = -O3

# PostgreSQL's headers as system headers: their warnings are not ours to mend.
PG_CPPFLAGS = -isystem $(shell $(PG_CONFIG) --includedir-server 2>/dev/null) -Isrc/engine -Isrc $(JSON_CFLAGS)
PG_CFLAGS = -std=gnu11 -fvisibility=hidden $(FLOAT_FLAGS) $(WARNING_FLAGS)

# The library sees its own functions first, whatever else a server has loaded.
SHLIB_LINK = -Wl,-Bsymbolic -Wl,--version-script=src/pg/exports.map $(JSON_LIBS) -ldl -lpthread -lm

# No bitcode: PostgreSQL would compile it without FLOAT_FLAGS when it inlines it (JIT), and results
# would depend on the plan.
override with_llvm = no

EXTRA_CLEAN = mlaas--*.sql .build .build-flags test/results test/regression.diffs test/regression.out \
	test/output_iso test/tmp_check_iso tmp_check tmp_check_iso

PGXS := $(wildcard $(shell $(PG_CONFIG) --pgxs 2>/dev/null))
ifneq ($(PGXS),)
include $(PGXS)
else
# "make test" and "make demo" install what is missing; all else says what it is
.PHONY: all install uninstall installcheck clean
all install uninstall installcheck:
	$(error "$(PG_CONFIG)" knows no server headers: install postgresql-server-dev-NN, or name another by PG_CONFIG)
clean:
	rm -rf $(EXTRA_CLEAN)
endif

# ---- building ----

$(ENGINE_OBJS): override CFLAGS += $(ENGINE_OPT)
src/engine/base/linalg.o: override CPPFLAGS += -DML_OPENBLAS='"$(OPENBLAS_LIBRARY)"'
# functions that SQL calls are visible, in every version of PostgreSQL
$(SERVER_OBJS): override CPPFLAGS := -include src/pg/export.h $(CPPFLAGS)

# Objects depend on every header and on the server, compiler and flags they were made with.
$(OBJS): $(ALL_HEADERS) .build-flags
BUILD_FLAGS = $(shell $(PG_CONFIG) --version) $(shell $(PG_CONFIG) --includedir-server) $(CC) $(CFLAGS) $(ENGINE_OPT) $(OPENBLAS_LIBRARY)
.build-flags: FORCE
	@echo '$(subst ','\'',$(BUILD_FLAGS))' | cmp -s - $@ || echo '$(subst ','\'',$(BUILD_FLAGS))' > $@

$(shlib): src/pg/exports.map

# The linker's own message would not say what to install.
ifeq ($(OPENBLAS_LIBRARY),)
$(shlib): no-openblas
.PHONY: no-openblas
no-openblas:
	$(error no libopenblas.so in "$(OPENBLAS_LIBDIR)": install libopenblas-serial-dev, or name its folder by OPENBLAS_LIBDIR)
endif

mlaas--$(EXTVERSION).sql: $(SQL_FILES) mlaas.control Makefile
	cat $(SQL_FILES) > $@

clean: clean-objects
.PHONY: clean-objects FORCE
clean-objects:
	find src -name '*.o' -delete -o -name '*.bc' -delete
	bash -c '. scripts/lib.sh && remove_private_folder .cluster-test'

# ---- testing, trying, measuring: see the scripts ----

export PG_CONFIG

.PHONY: test unit fuzz demo demo-stop bench
test:
	scripts/run-tests.sh

unit:
	scripts/run-units.sh plain
	scripts/run-units.sh sanitized

fuzz:
	scripts/run-fuzz.sh

demo:
	scripts/demo.sh start

demo-stop:
	scripts/demo.sh stop

bench:
	bench/run.sh
