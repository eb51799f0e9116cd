# profd: build, test, install. `make help` tells the targets.
# Output lies in build/ only. V=1 shows commands, SAN=1 builds with ASan and UBSan (into build/san).

, := ,
MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

BUILD   := build$(if $(SAN),/san)
PREFIX  ?= /usr/local
DESTDIR ?=
CC      := $(if $(filter default,$(origin CC)),gcc,$(CC))
CLANG   ?= $(firstword $(shell command -v clang clang-19 clang-16 clang-15 clang-14 2>/dev/null) clang)
BPFTOOL ?= $(firstword $(shell command -v bpftool /usr/sbin/bpftool 2>/dev/null) bpftool)
VERSION := $(shell cat VERSION)
Q       := $(if $(V),,@)
say      = $(if $(V),,@printf '  %-8s %s\n' '$(1)' '$(patsubst $(BUILD)/%,%,$(2))')

PACKAGES := libbpf libelf libdw jansson zlib

WERROR   ?= 1
WARN     := -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wstrict-prototypes \
            -Wmissing-prototypes -Wvla $(if $(filter 1,$(WERROR)),-Werror)
OPT      := $(if $(SAN),-O1 -fsanitize=address$(,)undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer,-O2)
CPPFLAGS += -D_GNU_SOURCE -DPROFD_VERSION='"$(VERSION)"' -Idaemon -I. -I$(BUILD)/gen
CFLAGS   ?= -g
LDFLAGS  += $(if $(SAN),-fsanitize=address$(,)undefined)

ifeq ($(filter help deps deps-% check-rooms clean,$(MAKECMDGOALS)),)
PKG_CFLAGS = $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
PKG_LIBS   = $(shell pkg-config --libs $(PACKAGES) 2>/dev/null) -liberty
endif

SOURCES := $(sort $(wildcard daemon/*.c daemon/*/*.c cli/*.c))
OBJECTS := $(SOURCES:%.c=$(BUILD)/obj/%.o)
LIBRARY := $(filter-out $(BUILD)/obj/cli/main.o,$(OBJECTS))
UNIT    := $(sort $(wildcard tests/unit/*.c))
UNITS   := $(UNIT:tests/unit/%.c=$(BUILD)/tests/unit/%)
SKELETON := $(BUILD)/gen/sample.skel.h
EMBEDDED := $(patsubst daemon/render/%,$(BUILD)/gen/%.h,$(wildcard daemon/render/*.js daemon/render/*.css))

.PHONY: all
all: $(BUILD)/profd ## build build/profd

$(BUILD)/profd: $(OBJECTS)
	$(call say,LINK,$@)
	$(Q)$(CC) $(OPT) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(PKG_LIBS) $(LIBS)

$(filter $(BUILD)/obj/daemon/collect/%,$(OBJECTS)): | $(SKELETON)
$(filter $(BUILD)/obj/daemon/render/%,$(OBJECTS)): | $(EMBEDDED)

$(BUILD)/obj/%.o: %.c Makefile VERSION
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 $(OPT) $(CFLAGS) $(WARN) $(CPPFLAGS) $(PKG_CFLAGS) -MMD -MP -c -o $@ $<

# The kernel side: CO-RE object -> skeleton. BTF comes from our own small header, not from the build host.
BPF_ARCH := $(shell uname -m | sed 's/x86_64/x86/;s/aarch64/arm64/')
$(BUILD)/gen/%.bpf.o: bpf/%.bpf.c $(wildcard bpf/*.h) Makefile
	$(call say,BPF,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Werror -D__TARGET_ARCH_$(BPF_ARCH) -I. \
		$(shell pkg-config --cflags libbpf 2>/dev/null) -c -o $@ $<

$(BUILD)/gen/%.skel.h: $(BUILD)/gen/%.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf > $@

# Text files that go into the binary, as C arrays without a terminating NUL.
$(BUILD)/gen/%.h: daemon/render/%
	$(call say,EMBED,$@)
	$(Q)mkdir -p $(@D)
	$(Q){ printf 'static const char %s[] = {\n' '$(subst .,_,$(notdir $<))'; od -An -v -tx1 $< | sed 's/ \(..\)/0x\1,/g'; printf '};\n'; } > $@

.PHONY: unit
unit: $(UNITS) ## build the unit tests (build/tests/unit/*)

$(BUILD)/tests/unit/%: $(BUILD)/obj/tests/unit/%.o $(LIBRARY)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(OPT) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka $(PKG_LIBS) $(LIBS)

.PHONY: clean
clean: ## remove build/
	rm -rf build

.PRECIOUS: $(BUILD)/obj/%.o $(BUILD)/gen/%.bpf.o $(BUILD)/gen/%.skel.h
-include $(wildcard $(BUILD)/obj/*/*.d $(BUILD)/obj/*/*/*.d)
