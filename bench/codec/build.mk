# Builds codec_bench.default and codec_bench.avx2 in BENCH_BUILD, from the project's
# root. Everything but the codecs is the same object in both.

CFLAGS = -O3 -g
ALL_CFLAGS = -std=gnu11 $(CFLAGS) -Wall -Wextra -Wno-unused-parameter -DNDEBUG -Iinclude -Isrc/codec \
	-MMD -MP

BASE := $(shell grep -L postgres.h src/base/*.c)
CODEC := $(wildcard src/codec/*.c)
BENCH := $(wildcard bench/codec/*.c)

COMMON := $(patsubst %.c,$(BENCH_BUILD)/%.o,$(BASE) $(BENCH))
CODEC_DEFAULT := $(patsubst %.c,$(BENCH_BUILD)/default/%.o,$(CODEC))
CODEC_AVX2 := $(patsubst %.c,$(BENCH_BUILD)/avx2/%.o,$(CODEC))
COMPILER := $(BENCH_BUILD)/compiler

.PHONY: all FORCE
all: $(BENCH_BUILD)/codec_bench.default $(BENCH_BUILD)/codec_bench.avx2

$(BENCH_BUILD)/codec_bench.default: $(COMMON) $(CODEC_DEFAULT)
$(BENCH_BUILD)/codec_bench.avx2: $(COMMON) $(CODEC_AVX2)
$(BENCH_BUILD)/codec_bench.%:
	$(CC) $(CFLAGS) -o $@ $^ -lzstd -lm

$(BENCH_BUILD)/default/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(BENCH_BUILD)/avx2/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -DTS_CODEC_NO_AVX512 -c -o $@ $<

$(BENCH_BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c -o $@ $<

# Another compiler or other flags: everything anew.
$(COMMON) $(CODEC_DEFAULT) $(CODEC_AVX2): bench/codec/build.mk $(COMPILER)
$(COMPILER): FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(ALL_CFLAGS)' | cmp -s - $@ || echo '$(CC) $(ALL_CFLAGS)' > $@

-include $(COMMON:.o=.d) $(CODEC_DEFAULT:.o=.d) $(CODEC_AVX2:.o=.d)
