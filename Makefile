# profd: build, test, install. `make help` lists the targets.
# Output lies in build/ only. V=1 shows the commands, SAN=1 builds with ASan and UBSan (into
# build/san), WERROR=0 lets warnings pass, BUILD=DIR builds elsewhere.

, := ,
hash := \#
MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

BUILD   := build
OUT     := $(BUILD)$(if $(SAN),/san)
PREFIX  ?= /usr/local
DESTDIR ?=
CC      := $(if $(filter default undefined,$(origin CC)),gcc,$(CC))
CXX     := $(if $(filter default undefined,$(origin CXX)),g++,$(CXX))
CLANGS  := clang clang-19 clang-17 clang-16 clang-15 clang-14
CLANG   ?= $(firstword $(shell command -v $(CLANGS) 2>/dev/null) clang)
BPFTOOL ?= $(firstword $(shell command -v bpftool /usr/sbin/bpftool 2>/dev/null) bpftool)
VERSION := $(shell cat VERSION)
Q       := $(if $(V),,@)
say      = $(if $(V),,@printf '  %-8s %s\n' '$(1)' '$(patsubst $(OUT)/%,%,$(2))')

PACKAGES := libbpf libelf libdw liblzma jansson sqlite3 zlib ncursesw

WERROR   ?= 1
WARN     := -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wvla \
            $(if $(filter 1,$(WERROR)),-Werror)
WARN_C   := $(WARN) -Wstrict-prototypes -Wmissing-prototypes
SANITIZE := $(if $(SAN),-fsanitize=address$(,)undefined -fno-sanitize-recover=undefined)
FORTIFY  := $(if $(filter -O0,$(CFLAGS)),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
HARDEN   := $(if $(SAN),,-fstack-protector-strong $(FORTIFY))
OPT      := $(if $(SAN),-O1 -fno-omit-frame-pointer $(SANITIZE),-O2 $(HARDEN))
CFLAGS   ?= -g
override CPPFLAGS += -D_GNU_SOURCE -DPROFD_VERSION='"$(VERSION)"' -Idaemon -I. -I$(OUT)/gen
override LDFLAGS  += -Wl,-z,relro,-z,now -Wl,--as-needed

# Goals that compile something themselves need the tools; the others start a make for it after
# `deps`.
INDIRECT := help deps deps-% demo check bench bench-% soak check-rooms check-format clean uninstall
ifneq ($(filter-out $(INDIRECT),$(or $(MAKECMDGOALS),all)),)
missing := $(strip $(foreach tool,$(CC) $(CLANG) $(BPFTOOL) pkg-config,\
	$(if $(shell command -v $(firstword $(tool)) 2>/dev/null),,$(tool))))
ifneq ($(missing),)
$(error these tools are missing: $(missing); run `make deps` as root, or install them by hand)
endif
ifneq ($(shell pkg-config --exists $(PACKAGES) && echo yes),yes)
$(error headers of one of these are missing: $(PACKAGES); run `make deps` as root)
endif
PKG_CFLAGS := $(shell pkg-config --cflags $(PACKAGES))
PKG_LIBS   := $(shell pkg-config --libs $(PACKAGES)) -liberty -lm
# <linux/types.h> includes <asm/types.h>, which a compiler for the BPF machine does not find where a
# distribution keeps it in a folder per architecture: ask the host's compiler for the place.
ASM_INCLUDE := $(patsubst %/asm/types.h,-idirafter %,$(filter %/asm/types.h,\
	$(shell echo '$(hash)include <asm/types.h>' | $(CC) -M -x c - 2>/dev/null)))
endif

SOURCES := $(sort $(wildcard daemon/*.c daemon/*/*.c cli/*.c cli/*/*.c))
OBJECTS := $(SOURCES:%.c=$(OUT)/obj/%.o)
LIBRARY := $(filter-out $(OUT)/obj/cli/main.o,$(OBJECTS))
SKELETON := $(OUT)/gen/sample.skel.h
TEXTS    := $(wildcard daemon/render/*.js daemon/render/*.css)
TABLES   := $(sort $(wildcard schema/*.sql))
EMBEDDED := $(TEXTS:daemon/render/%=$(OUT)/gen/%.h) $(TABLES:schema/%=$(OUT)/gen/%.h)

# ---- the program ---------------------------------------------------------------------------------

.PHONY: all
all: $(OUT)/profd $(OUT)/man/.made $(OUT)/completion/.made ## build build/profd, manual pages, completion

$(OUT)/profd: $(OBJECTS)
	$(call say,LINK,$@)
	$(Q)$(CC) $(OPT) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(PKG_LIBS) $(LIBS)

# The program writes its own manual pages and completion scripts, from the tables it parses with.
$(OUT)/man/.made: $(OUT)/profd systemd/profd.conf
	$(call say,MAN,$(@D))
	$(Q)rm -rf $(@D) && mkdir -p $(@D)
	$(Q)for page in $$($< manual --pages); do \
		$< manual --settings systemd/profd.conf $$page > $(@D)/$$page || exit 1; done
	$(Q)touch $@

$(OUT)/completion/.made: $(OUT)/profd
	$(call say,SHELLS,$(@D))
	$(Q)rm -rf $(@D) && mkdir -p $(@D)
	$(Q)for shell in bash zsh fish; do \
		$< completion $$shell > $(@D)/profd.$$shell || exit 1; done
	$(Q)touch $@

$(filter $(OUT)/obj/daemon/collect/%,$(OBJECTS)): | $(SKELETON)
$(filter $(OUT)/obj/daemon/render/% $(OUT)/obj/daemon/store/%,$(OBJECTS)): | $(EMBEDDED)

$(OUT)/obj/%.o: %.c Makefile VERSION
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 $(OPT) $(CFLAGS) $(WARN_C) $(CPPFLAGS) $(PKG_CFLAGS) -MMD -MP -c -o $@ $<

# The kernel side: CO-RE object -> skeleton. BTF comes from our own small header, not from the build
# host.
BPF_ARCH := $(shell uname -m | sed 's/x86_64/x86/;s/aarch64/arm64/')
$(OUT)/gen/%.bpf.o: bpf/%.bpf.c $(wildcard bpf/*.h) Makefile
	$(call say,BPF,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Wno-unused-parameter -Werror \
		-D__TARGET_ARCH_$(BPF_ARCH) -I. $(ASM_INCLUDE) $(PKG_CFLAGS) -c -o $@ $<

$(OUT)/gen/%.skel.h: $(OUT)/gen/%.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf > $@

# Text files that go into the binary, as C arrays without a terminating NUL: `still.js` becomes
# still_js, `0001_tables.sql` sql_0001_tables.
embed = $(Q)mkdir -p $(@D); { printf 'static const char %s[] = {\n' '$(1)'; \
		od -An -v -tx1 $< | sed 's/ \(..\)/0x\1,/g'; printf '};\n'; } > $@
$(OUT)/gen/%.h: daemon/render/%
	$(call say,EMBED,$@)
	$(call embed,$(subst .,_,$(notdir $<)))

$(OUT)/gen/%.sql.h: schema/%.sql
	$(call say,EMBED,$@)
	$(call embed,sql_$(notdir $*))

# Units and the like go where systemd looks for them below a prefix, settings to /etc.
SYSCONFDIR  ?= /etc
DOCDIR      := $(PREFIX)/share/doc/profd
MANDIR      ?= $(PREFIX)/share/man
BASHDIR     ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR      ?= $(PREFIX)/share/zsh/site-functions
FISHDIR     ?= $(PREFIX)/share/fish/vendor_completions.d
UNITDIR     ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
TMPFILESDIR ?= $(PREFIX)/lib/tmpfiles.d
CONFIG      := $(SYSCONFDIR)/profd/profd.conf
# The option is left out where it names what the daemon reads by itself.
unit_edit    = sed -e 's|@BINDIR@|$(PREFIX)/bin|g' -e 's|@DOCDIR@|$(DOCDIR)|g' \
               -e 's|@CONFIG@|$(if $(filter /etc,$(SYSCONFDIR)),, --config $(CONFIG))|g'

.PHONY: install uninstall
install: all ## install program, manual, completion, units and settings below $(DESTDIR)$(PREFIX)
	install -D -m 755 $(OUT)/profd '$(DESTDIR)$(PREFIX)/bin/profd'
	install -D -m 644 README.md '$(DESTDIR)$(DOCDIR)/README.md'
	install -D -m 644 LICENSE '$(DESTDIR)$(DOCDIR)/LICENSE'
	install -D -m 644 bpf/LICENSE '$(DESTDIR)$(DOCDIR)/LICENSE.bpf'
	install -D -m 644 systemd/profd.conf '$(DESTDIR)$(DOCDIR)/profd.conf'
	install -d -m 755 '$(DESTDIR)$(UNITDIR)'
	$(unit_edit) systemd/profd.service.in > '$(DESTDIR)$(UNITDIR)/profd.service'
	chmod 644 '$(DESTDIR)$(UNITDIR)/profd.service'
	install -D -m 644 systemd/profd.socket '$(DESTDIR)$(UNITDIR)/profd.socket'
	install -D -m 644 systemd/profd.sysusers '$(DESTDIR)$(SYSUSERSDIR)/profd.conf'
	install -D -m 644 systemd/profd.tmpfiles '$(DESTDIR)$(TMPFILESDIR)/profd.conf'
	test -e '$(DESTDIR)$(CONFIG)' || \
		install -D -m 644 systemd/profd.conf '$(DESTDIR)$(CONFIG)'
	install -d -m 755 '$(DESTDIR)$(MANDIR)/man1' '$(DESTDIR)$(MANDIR)/man5'
	install -m 644 $(OUT)/man/*.1 '$(DESTDIR)$(MANDIR)/man1'
	install -m 644 $(OUT)/man/*.5 '$(DESTDIR)$(MANDIR)/man5'
	install -D -m 644 $(OUT)/completion/profd.bash '$(DESTDIR)$(BASHDIR)/profd'
	install -D -m 644 $(OUT)/completion/profd.zsh '$(DESTDIR)$(ZSHDIR)/_profd'
	install -D -m 644 $(OUT)/completion/profd.fish '$(DESTDIR)$(FISHDIR)/profd.fish'
	$(if $(DESTDIR),,@echo 'next, for continuous profiling: systemd-sysusers &&' \
		'systemctl daemon-reload && systemctl enable --now profd')

# The store stays, and so do settings that were changed.
uninstall: ## remove what `make install` has put there, but the store and changed settings
	rm -f '$(DESTDIR)$(PREFIX)/bin/profd' '$(DESTDIR)$(UNITDIR)/profd.service' \
		'$(DESTDIR)$(UNITDIR)/profd.socket' '$(DESTDIR)$(SYSUSERSDIR)/profd.conf' \
		'$(DESTDIR)$(TMPFILESDIR)/profd.conf'
	rm -f '$(DESTDIR)$(MANDIR)/man1/profd.1' '$(DESTDIR)$(MANDIR)'/man1/profd-*.1 \
		'$(DESTDIR)$(MANDIR)/man5/profd.conf.5' '$(DESTDIR)$(BASHDIR)/profd' \
		'$(DESTDIR)$(ZSHDIR)/_profd' '$(DESTDIR)$(FISHDIR)/profd.fish'
	if cmp -s '$(DESTDIR)$(DOCDIR)/profd.conf' '$(DESTDIR)$(CONFIG)'; then \
		rm -f '$(DESTDIR)$(CONFIG)'; rmdir '$(DESTDIR)$(SYSCONFDIR)/profd'; fi
	rm -f $(patsubst %,'$(DESTDIR)$(DOCDIR)/%',README.md LICENSE LICENSE.bpf profd.conf)
	if [ -d '$(DESTDIR)$(DOCDIR)' ]; then rmdir '$(DESTDIR)$(DOCDIR)'; fi

# ---- tests ---------------------------------------------------------------------------------------

c_sources = $(sort $(wildcard tests/$(1)/*.c))
programs  = $(patsubst %.c,$(OUT)/%,$(patsubst %.cc,$(OUT)/%,$(1)))
libraries = $(patsubst %.c,$(OUT)/%.so,$(1))
LIBS_C  := $(sort $(wildcard tests/targets/lib*.c))
UNITS   := $(call programs,$(call c_sources,unit))
ORACLES := $(call programs,$(filter-out %_target.c,$(call c_sources,oracle)))
WEB     := $(call programs,$(call c_sources,web))
BENCHES := $(call programs,$(call c_sources,bench))
TARGETS := $(call programs,$(filter-out $(LIBS_C),$(call c_sources,targets))) \
           $(call programs,$(sort $(wildcard tests/targets/*.cc))) $(call libraries,$(LIBS_C)) \
           $(call programs,$(filter %_target.c,$(call c_sources,oracle))) \
           $(OUT)/tests/targets/stripped

# Tests may look into the skeleton and the embedded texts.
$(patsubst $(OUT)/%,$(OUT)/obj/%.o,$(UNITS) $(ORACLES) $(WEB) $(BENCHES)): | $(SKELETON) $(EMBEDDED)

.PHONY: unit oracle targets tests
unit: $(UNITS) ## build the unit tests (build/tests/unit/*)
oracle: $(ORACLES) ## build the comparisons with other unwinders (build/tests/oracle/*)
targets: $(TARGETS) ## build the programs with a known profile (build/tests/targets/*)
tests: unit oracle targets $(WEB) $(BENCHES) ## build everything that the tests run

$(UNITS): $(OUT)/tests/unit/%: $(OUT)/obj/tests/unit/%.o $(LIBRARY)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(OPT) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka $(PKG_LIBS) $(LIBS)

$(ORACLES): $(OUT)/tests/oracle/%: $(OUT)/obj/tests/oracle/%.o $(LIBRARY)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(OPT) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka $$(pkg-config --libs libunwind-ptrace) \
		-lunwind-generic $(PKG_LIBS) $(LIBS)

$(WEB) $(BENCHES): $(OUT)/tests/%: $(OUT)/obj/tests/%.o $(LIBRARY)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(OPT) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(PKG_LIBS) $(LIBS)

# Targets: optimised, without frame pointers, and with every call a real call, so that their stacks
# are known.
TARGET_FLAGS := -O2 -g -fomit-frame-pointer -fno-optimize-sibling-calls -pthread $(WARN) \
                -D_GNU_SOURCE
TARGET_HEADERS := $(wildcard tests/targets/*.h)

$(OUT)/tests/targets/lib%.so: tests/targets/lib%.c $(TARGET_HEADERS) Makefile
	$(call say,TARGET,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 $(TARGET_FLAGS) -fPIC -shared -o $@ $<

$(OUT)/tests/targets/stripped: $(OUT)/tests/targets/native
	$(call say,STRIP,$@)
	$(Q)strip -s -o $@ $<

$(OUT)/tests/targets/%: tests/targets/%.c $(TARGET_HEADERS) Makefile
	$(call say,TARGET,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 $(TARGET_FLAGS) -o $@ $<

$(OUT)/tests/oracle/%_target: tests/oracle/%_target.c Makefile
	$(call say,TARGET,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 $(filter-out -D_GNU_SOURCE,$(TARGET_FLAGS)) -Wno-attributes -o $@ $<

$(OUT)/tests/targets/%: tests/targets/%.cc $(TARGET_HEADERS) Makefile
	$(call say,TARGET,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CXX) -std=gnu++17 $(TARGET_FLAGS) -o $@ $<

# ---- goals that need more than a compiler, each from a clean checkout ----------------------------

jobs = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))

.PHONY: deps deps-demo deps-check
deps: ## install what the build needs (Debian packages; only what is missing)
	@tests/deps build
deps-demo:
	@tests/deps build demo
deps-check: ## install what the tests need beside that
	@tests/deps build tests

.PHONY: demo
demo: ## install what is missing, build, and profile a sample web back end into profd-demo.svg
	@$(MAKE) --no-print-directory deps-demo
	@$(MAKE) --no-print-directory $(jobs) all
	@PROFD=$(OUT)/profd tests/demo

.PHONY: check
check: ## install what is missing, build everything, run all tests
	@$(MAKE) --no-print-directory deps-check
	@$(MAKE) --no-print-directory $(jobs) all tests
	@$(MAKE) --no-print-directory $(jobs) SAN=1 unit
	@$(MAKE) --no-print-directory check-rooms
	@BUILD=$(BUILD) tests/run

.PHONY: check-rooms
check-rooms: ## check that the rooms of the house include only what they may
	@tests/check-rooms

FORMATTED := $(wildcard bpf/*.[ch] daemon/*.[ch] daemon/*/*.[ch] cli/*.[ch] cli/*/*.[ch] \
             tests/*/*.[ch] tests/*/*.cc)
has = command -v $(1) >/dev/null || { echo '$(1) is missing: apt-get install $(1)' >&2; exit 1; }
.PHONY: check-format
check-format: ## check the formatting with clang-format 14
	@$(call has,clang-format-14)
	@clang-format-14 --dry-run -Werror $(FORMATTED)

.PHONY: tidy
tidy: $(SKELETON) $(EMBEDDED) ## look for mistakes with clang-tidy 14
	@$(call has,clang-tidy-14)
	$(Q)clang-tidy-14 --quiet $(SOURCES) -- -std=gnu17 $(CPPFLAGS) $(PKG_CFLAGS)

.PHONY: bench bench-ready bench-overhead bench-store bench-host bench-top bench-diff soak
bench: bench-overhead bench-host bench-store ## measure what profd costs (as root, about ten minutes)
bench-ready:
	@tests/deps build demo tests
	@$(MAKE) --no-print-directory $(jobs) all targets $(BENCHES)
bench-overhead: bench-ready ## of a recording
	@BUILD=$(BUILD) PROFD=$(OUT)/profd tests/bench/overhead.py
bench-host: bench-ready ## of the daemon on a host with hundreds of processes
	@BUILD=$(BUILD) PROFD=$(OUT)/profd tests/bench/host.py
bench-top: bench-ready ## of a live view, five minutes
	@BUILD=$(BUILD) PROFD=$(OUT)/profd tests/bench/top.py
bench-store: bench-ready ## of a day in the store: rate, bytes, answers
	@$(OUT)/tests/bench/store
bench-diff: bench-ready ## of comparisons: false alarms, and changes that are found; a quarter of an hour
	@BUILD=$(BUILD) PROFD=$(OUT)/profd tests/bench/diff.py
soak: bench-ready ## the daemon for half an hour on a generated host: nothing grows, nothing is lost
	@BUILD=$(BUILD) PROFD=$(OUT)/profd tests/bench/soak.py $(MINUTES)

.PHONY: clean
clean: ## remove what was built
	rm -rf $(BUILD)

.PHONY: help
help: ## show this
	@printf 'make TARGET [V=1] [SAN=1] [PREFIX=%s] [DESTDIR=] [CC=%s]\n\n' '$(PREFIX)' '$(CC)'
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1:\2/p' Makefile | \
		while IFS=: read -r target text; do printf '  %-14s %s\n' "$$target" "$$text"; done

.PRECIOUS: $(OUT)/obj/%.o $(OUT)/gen/%.bpf.o $(OUT)/gen/%.skel.h
-include $(wildcard $(OUT)/obj/*/*.d $(OUT)/obj/*/*/*.d)
