# The engine without a server: its unit tests and its fuzzers.  Run from the checkout's root:
#
#   make -f test/engine.mk VARIANT=plain|sanitized units      build build/test_*
#   make -f test/engine.mk VARIANT=fuzz fuzzers               build build/fuzz_* and make_seeds
#
# plain: compiled as for the server.  sanitized, fuzz: with AddressSanitizer and UBSan, by clang.

VARIANT ?= plain
BUILD := .build/$(VARIANT)
SANITIZER_CC ?= clang
PKG_CONFIG ?= pkg-config

SOURCES := $(sort $(wildcard src/engine/*/*.c))
OBJS := $(SOURCES:src/engine/%.c=$(BUILD)/%.o)
HEADERS := $(wildcard src/engine/*/*.h test/unit/*.h test/fuzz/*.h)
UNITS := $(patsubst test/unit/%.c,$(BUILD)/%,$(sort $(wildcard test/unit/test_*.c)))
FUZZERS := $(patsubst test/fuzz/%.c,$(BUILD)/%,$(sort $(wildcard test/fuzz/fuzz_*.c)))

CPPFLAGS = -Isrc/engine -Itest/unit -Itest/fuzz $(shell $(PKG_CONFIG) --cflags json-c)
# what the server's library is compiled with, PostgreSQL's own flags included that change meaning
CFLAGS = -std=gnu11 -g -Wall -Wextra -Wno-format-truncation -fno-strict-aliasing -fwrapv \
	-ffp-contract=off -fno-math-errno -fno-trapping-math $(if $(WERROR),-Werror)
SANITIZERS = -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -DML_NO_MULTIVERSION

ifeq ($(VARIANT),plain)
VARIANT_FLAGS = -O3
else
override CC := $(SANITIZER_CC)
CFLAGS += -Wno-unknown-warning-option
VARIANT_FLAGS = -O1 $(SANITIZERS)
endif
FUZZ_FLAGS = $(if $(filter fuzz,$(VARIANT)),-fsanitize=fuzzer-no-link)

ifeq ($(OPENBLAS_LIBDIR),)
OPENBLAS_LIBDIR := /usr/lib/$(shell gcc -print-multiarch 2>/dev/null || clang -print-multiarch)/openblas-serial
endif
$(BUILD)/base/linalg.o: CPPFLAGS += -DML_OPENBLAS='"$(firstword $(wildcard $(OPENBLAS_LIBDIR)/libopenblas.so.0 $(OPENBLAS_LIBDIR)/libopenblas.so))"'
LIBS = $(shell $(PKG_CONFIG) --libs json-c) -ldl -lpthread -lm

.PHONY: units fuzzers
units: $(UNITS)
fuzzers: $(FUZZERS) $(BUILD)/make_seeds

$(OBJS): $(BUILD)/%.o: src/engine/%.c $(HEADERS) test/engine.mk
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(VARIANT_FLAGS) $(FUZZ_FLAGS) -c -o $@ $<

$(BUILD)/libengine.a: $(OBJS)
	rm -f $@
	ar rcs $@ $(OBJS)

$(UNITS): $(BUILD)/%: test/unit/%.c $(BUILD)/libengine.a $(HEADERS)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(VARIANT_FLAGS) -o $@ $< $(BUILD)/libengine.a $(LIBS)

$(FUZZERS): $(BUILD)/%: test/fuzz/%.c $(BUILD)/libengine.a $(HEADERS)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(VARIANT_FLAGS) -fsanitize=fuzzer -o $@ $< $(BUILD)/libengine.a $(LIBS)

$(BUILD)/make_seeds: test/fuzz/make_seeds.c $(BUILD)/libengine.a $(HEADERS)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(VARIANT_FLAGS) -fsanitize=fuzzer-no-link -o $@ $< $(BUILD)/libengine.a $(LIBS)
