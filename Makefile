# Cloister: login sessions in containers. `make`, `make install`, `sudo make demo`, `sudo make check`.
PREFIX ?= /usr
SYSCONFDIR ?= /etc
DESTDIR ?=
CC ?= gcc
MULTIARCH := $(shell $(CC) -print-multiarch 2>/dev/null)
LIBDIR ?= $(if $(filter /usr,$(PREFIX)),/lib$(if $(MULTIARCH),/$(MULTIARCH)),$(PREFIX)/lib)
LIBEXECDIR ?= $(PREFIX)/libexec/cloister
MANDIR ?= $(PREFIX)/share/man
UNITDIR ?= $(PREFIX)/lib/systemd/system
USER_MANAGER_CONF = $(UNITDIR)/user@.service.d/50-cloister.conf
VERSION := 0.1.0

B := build
# What a developer sees as an error must not stop a user's build with a newer compiler.
WERROR ?=

WARN := -Wall -Wextra -Wformat=2 -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
	-Wcast-qual -Wcast-align -Wwrite-strings -Wundef -Wvla -Wnull-dereference -Wimplicit-fallthrough \
	-Wswitch-enum -Wconversion $(WERROR)
HARDEN := -fstack-protector-strong -fstack-clash-protection -fcf-protection -fvisibility=hidden \
	-fno-strict-aliasing -fno-common
FORTIFY := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
IS_CLANG := $(shell $(CC) --version 2>/dev/null | grep -c clang)
ifeq ($(IS_CLANG),0)
HARDEN += -ftrivial-auto-var-init=zero -fzero-call-used-regs=used-gpr
endif
SANITIZE ?=
ifneq ($(SANITIZE),)
FORTIFY :=
endif
CFLAGS ?= -O2 -g
CPPFLAGS += -D_GNU_SOURCE -Iinclude -DCLOISTER_VERSION='"$(VERSION)"' -DCLOISTER_SYSCONFDIR='"$(SYSCONFDIR)"' \
	-DCLOISTER_PREFIX='"$(PREFIX)"' -DCLOISTER_LIBEXECDIR='"$(LIBEXECDIR)"'
ALL_CFLAGS = -std=gnu17 $(CFLAGS) $(WARN) $(HARDEN) $(FORTIFY) $(SANITIZE)
LINK := -Wl,-z,relro,-z,now,-z,noexecstack,-z,defs
# AddressSanitizer's runtime is only there when the program is linked.
ifneq ($(SANITIZE),)
LINK := -Wl,-z,relro,-z,now,-z,noexecstack
endif

LIB_SRC := $(sort $(wildcard lib/*.c))
INIT_SRC := $(sort $(wildcard init/*.c))
PAM_SRC := $(sort $(wildcard pam_module/*.c))
SHELL_SRC := $(sort $(wildcard shell/*.c))
CLI_SRC := $(sort $(wildcard cli/*.c))
IMAGE_SRC := $(sort $(wildcard image/*.c))
USER_MANAGER_SRC := $(sort $(wildcard user_manager/*.c))
UNIT_SRC := $(sort $(wildcard tests/unit/*_test.c))
PROBE_SRC := $(sort $(wildcard tests/probe/*.c))
FUZZ_SRC := $(sort $(wildcard tests/fuzz/*_fuzz.c))
comma := ,
objects = $(patsubst %.c,$(B)/obj/%.o,$(1))

PROGRAMS := $(B)/pam_cloister.so $(B)/cloister-sh $(B)/cloister $(B)/cloister-image $(B)/cloister-init \
	$(B)/cloister-not-isolated
MAN_SRC := $(sort $(wildcard doc/*.scd))
MAN := $(patsubst doc/%.scd,$(B)/man/%,$(MAN_SRC))

.PHONY: all
all: $(PROGRAMS) man

# ---- objects: one set, position independent, linked into a module, PIEs and a static program ----
$(B)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -fPIC -MMD -MP -c -o $@ $<

# ---- the system call filters, as tables: libseccomp runs when this is built, and not when a session starts ----
$(B)/seccomp/filters: seccomp/filters.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -pie -fPIE $(LINK) $(LDFLAGS) -o $@ $< -lseccomp
$(B)/seccomp/seccomp_tables.h: $(B)/seccomp/filters
	$< >$@.tmp && mv $@.tmp $@
$(B)/obj/lib/seccomp_filter.o: $(B)/seccomp/seccomp_tables.h
$(B)/obj/lib/seccomp_filter.o: CPPFLAGS += -I$(B)/seccomp

$(B)/libcloister.a: $(call objects,$(LIB_SRC))
	rm -f $@
	$(AR) rcs $@ $^

$(B)/pam_cloister.so: $(call objects,$(PAM_SRC)) $(B)/libcloister.a pam_module/module.map
	$(CC) $(ALL_CFLAGS) -shared $(LINK) -Wl,--version-script=pam_module/module.map -Wl,--exclude-libs,ALL $(LDFLAGS) \
		-o $@ $(filter %.o %.a,$^) -lpam -lcap -laudit

# Static: it runs in a rootfs that has none of the host's libraries, and no loader of the rootfs may touch it.
$(B)/cloister-init: $(call objects,$(INIT_SRC)) $(B)/libcloister.a
	$(CC) $(ALL_CFLAGS) -static-pie $(LINK) $(LDFLAGS) -o $@ $^

$(B)/cloister-sh: $(call objects,$(SHELL_SRC)) $(B)/libcloister.a
	$(CC) $(ALL_CFLAGS) -pie $(LINK) $(LDFLAGS) -o $@ $^ -lcap

$(B)/cloister: $(call objects,$(CLI_SRC)) $(B)/libcloister.a
	$(CC) $(ALL_CFLAGS) -pie $(LINK) $(LDFLAGS) -o $@ $^ -lcap -ljson-c -laudit

# Apart, for the libraries behind it: a loader takes 10 ms for them, and no session is started by a program that has them.
$(B)/cloister-image: $(call objects,$(IMAGE_SRC)) $(B)/libcloister.a
	$(CC) $(ALL_CFLAGS) -pie $(LINK) $(LDFLAGS) -o $@ $^ -lcap -ljson-c -larchive -lcrypto

$(B)/cloister-not-isolated: $(call objects,$(USER_MANAGER_SRC)) $(B)/libcloister.a
	$(CC) $(ALL_CFLAGS) -pie $(LINK) $(LDFLAGS) -o $@ $^ -lcap

# ---- manual pages ----
.PHONY: man
man: $(MAN)
$(B)/man/%: doc/%.scd
	@mkdir -p $(@D)
	scdoc < $< > $@.tmp && mv $@.tmp $@

# ---- unit tests ----
UNIT := $(patsubst tests/unit/%.c,$(B)/tests/%,$(UNIT_SRC))
$(B)/tests/%_test: $(B)/obj/tests/unit/%_test.o $(B)/libcloister.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -pie $(LINK) $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) -lcmocka -lcap -ljson-c -lpam
# The parts that only compute.
$(B)/tests/image_test: $(call objects,image/names.c image/manifest.c image/json.c)
$(B)/tests/relay_test $(B)/tests/relay_data_test: $(B)/obj/tests/unit/relay_stage.o
# Small static programs that tests run inside a rootfs.
PROBES := $(patsubst tests/probe/%.c,$(B)/probe/%,$(filter-out %_preload.c,$(PROBE_SRC))) \
	$(patsubst tests/probe/%.c,$(B)/probe/%.so,$(filter %_preload.c,$(PROBE_SRC)))
$(B)/probe/%_preload.so: tests/probe/%_preload.c Makefile
	@mkdir -p $(@D)
	$(CC) -std=gnu17 -D_GNU_SOURCE -O2 -g -Wall -Wextra -fPIC -shared -o $@ $<
$(B)/probe/%: tests/probe/%.c $(wildcard tests/probe/*.h) Makefile
	@mkdir -p $(@D)
	$(CC) -std=gnu17 -D_GNU_SOURCE -O2 -g -Wall -Wextra -static -o $@ $<
$(B)/probe/sessions $(B)/probe/applications $(B)/probe/logins: $(B)/probe/%: tests/probe/%.c Makefile
	@mkdir -p $(@D)
	$(CC) -std=gnu17 -D_GNU_SOURCE -O2 -g -Wall -Wextra $(SANITIZE) -o $@ $< -lpam

ASAN := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
# The module under the sanitizers, in a PAM application that is, too; init is the ordinary one, since it is static.
$(B)/probe/asan/sessions: $(PROGRAMS) tests/probe/sessions.c
	$(MAKE) --no-print-directory B=$(B)/asan SANITIZE='$(ASAN)' $(B)/asan/pam_cloister.so $(B)/asan/probe/sessions
	mkdir -p $(@D)
	cp $(B)/asan/pam_cloister.so $(B)/cloister-init $(B)/asan/probe/sessions $(@D)/

# ---- fuzz targets: with libFuzzer (make fuzz), and with a main that feeds the corpus to them (make check) ----
FUZZ := $(patsubst tests/fuzz/%_fuzz.c,$(B)/fuzz/%,$(FUZZ_SRC))
FUZZ_ENGINE ?=
# Private headers of lib/ and image/, too: what is fuzzed is mostly not for others.
$(B)/obj/tests/fuzz/%.o: CPPFLAGS += -I. -Iimage
FUZZ_MAIN := $(if $(FUZZ_ENGINE),,$(B)/obj/tests/fuzz/replay.o)
FUZZ_SECONDS ?= 60
FUZZ_ONLY ?=
$(B)/libimage.a: $(call objects,$(filter-out image/main.c,$(IMAGE_SRC)))
	rm -f $@
	$(AR) rcs $@ $^
$(B)/fuzz/%: $(B)/obj/tests/fuzz/%_fuzz.o $(FUZZ_MAIN) $(B)/libimage.a $(B)/libcloister.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(FUZZ_ENGINE) -pie $(LINK) $(LDFLAGS) -o $@ $^ -lcap -ljson-c -larchive -lcrypto
.PHONY: fuzz fuzz-programs fuzz-corpus
fuzz-programs: $(FUZZ)
# Not at once with the other make that builds the same objects.
fuzz-corpus: | $(B)/probe/asan/sessions
	@$(MAKE) --no-print-directory B=$(B)/asan SANITIZE='$(ASAN)' fuzz-programs
# FUZZ_SECONDS for each target; FUZZ_ONLY="NAME NAME" runs these alone.
fuzz:
	@tests/lib/needs.sh build fuzz
	@$(MAKE) --no-print-directory B=$(B)/libfuzzer CC=clang WERROR= FUZZ_ENGINE=-fsanitize=fuzzer \
		SANITIZE='$(subst address,fuzzer-no-link$(comma)address,$(ASAN))' fuzz-programs
	@FUZZ_SECONDS=$(FUZZ_SECONDS) tests/fuzz/run.sh $(B)/libfuzzer/fuzz $(FUZZ_ONLY)

.PHONY: unit probes tests
probes: $(PROBES)
tests: $(UNIT) probes $(B)/probe/asan/sessions fuzz-corpus
unit: $(UNIT)
	@for t in $(UNIT); do echo "== $$t"; $$t || exit 1; done

# ---- the two commands ----
.PHONY: demo bench check compatibility needs-build needs-check
needs-build:
	@tests/lib/needs.sh build
needs-check:
	@tests/lib/needs.sh build check
demo: needs-build
	@$(MAKE) --no-print-directory -s all
	@tests/demo.sh
# doc/compatibility.md, from the results of a whole run.
compatibility: needs-check
	@$(MAKE) --no-print-directory all tests
	tests/run.sh >$(B)/check.output || true
	tests/compatibility.sh $(B)/check.output >doc/compatibility.md
# doc/attacks.md, likewise.
.PHONY: attacks
attacks: needs-check
	@$(MAKE) --no-print-directory all tests
	tests/run.sh >$(B)/check.output || true
	tests/attacks.sh $(B)/check.output >doc/attacks.md
# doc/recording.svg, from a run of tests/recording.commands.
.PHONY: recording
recording: needs-check
	@$(MAKE) --no-print-directory -s all
	tests/recording.sh >$(B)/recording.svg
	mv $(B)/recording.svg doc/recording.svg
bench:
	@tests/lib/needs.sh build check bench
	@$(MAKE) --no-print-directory -s all $(B)/bench/limit
	@tests/bench/bench.sh
	@tests/bench/others.sh
	@tests/bench/profile.sh
$(B)/bench/limit: tests/bench/limit.c Makefile
	@mkdir -p $(@D)
	$(CC) -std=gnu17 -D_GNU_SOURCE -O2 -g -Wall -Wextra -static -o $@ $<
check: needs-check
	@$(MAKE) --no-print-directory all tests
	@tests/run.sh

# 10,000 random logins that are killed, closed or forgotten; 1,000 against a race; 2,000 kills; 100 logins at once, of one
# user and of 100; each system call of a login failing with each errno (an hour).
.PHONY: check-long
check-long: needs-check
	@$(MAKE) --no-print-directory all tests
	@CLOISTER_LOGINS=10000 CLOISTER_LOGINS_TIMEOUT=3000 bash tests/login/shared_count.sh
	@LONG=1 tests/run.sh 'rootfs.r09*'
	@LONG=1 tests/run.sh 'crash.*'
	@LONG=1 tests/run.sh 'exhaustion.*'
	@LONG=1 tests/run.sh 'faults.*'

# The tests with an sshd that closes sessions late: those that do not wait for the close fail.
.PHONY: check-late
check-late: needs-check
	@$(MAKE) --no-print-directory all tests
	@LATE_CLOSE=1 tests/run.sh

# A virtual machine with systemd, cgroup v2 and the Debian packages; RELEASE=trixie: of Debian 13. The first time makes trees
# (some minutes), which are kept in $(B)/vm.
RELEASE ?= bookworm
.PHONY: check-vm
check-vm:
	@tests/lib/needs.sh build vm deb
	@B=$(B) RELEASE=$(RELEASE) tests/vm/run.sh

# Debian packages, in $(B)/deb; from what git knows, so that nothing of this checkout gets into them.
.PHONY: deb check-deb
deb:
	@tests/lib/needs.sh build deb
	rm -rf $(B)/deb && mkdir -p $(B)/deb/cloister-$(VERSION)
	git ls-files -z | xargs -0 cp --parents -t $(B)/deb/cloister-$(VERSION)
	cd $(B)/deb/cloister-$(VERSION) && dpkg-buildpackage -b -us -uc >../build.log 2>&1 || { cat ../build.log; exit 1; }
	rm -rf $(B)/deb/cloister-$(VERSION)
	@ls $(B)/deb/*.deb
# Built twice, compared, looked at by lintian, and installed, removed and purged in a Debian of its own.
check-deb:
	@tests/lib/needs.sh build deb
	@B=$(B) tests/deb/run.sh

# ---- other gates ----
.PHONY: asan lint format
asan:
	$(MAKE) --no-print-directory B=$(B)/asan SANITIZE='$(ASAN)' $(B)/asan/cloister $(B)/asan/pam_cloister.so tests-asan
.PHONY: tests-asan
tests-asan: $(UNIT)
	@tests/lib/asan.sh $(B)
lint:
	@tests/lib/lint.sh
format:
	clang-format -i $$(git ls-files '*.c' '*.h')

# ---- installation ----
INSTALL ?= install
.PHONY: install uninstall clean
install: all
	$(INSTALL) -D -m 0644 $(B)/pam_cloister.so $(DESTDIR)$(LIBDIR)/security/pam_cloister.so
	$(INSTALL) -D -m 0755 $(B)/cloister-sh $(DESTDIR)$(PREFIX)/bin/cloister-sh
	$(INSTALL) -D -m 0755 $(B)/cloister $(DESTDIR)$(PREFIX)/bin/cloister
	$(INSTALL) -D -m 0755 $(B)/cloister-init $(DESTDIR)$(LIBEXECDIR)/cloister-init
	$(INSTALL) -D -m 0755 $(B)/cloister-image $(DESTDIR)$(LIBEXECDIR)/cloister-image
	test -e $(DESTDIR)$(SYSCONFDIR)/cloister/cloister.conf || \
		$(INSTALL) -D -m 0644 conf/cloister.conf $(DESTDIR)$(SYSCONFDIR)/cloister/cloister.conf
	$(INSTALL) -d -m 0755 $(DESTDIR)$(SYSCONFDIR)/cloister/cloister.conf.d
	$(INSTALL) -d -m 0700 $(DESTDIR)/var/lib/cloister
	$(INSTALL) -D -m 0644 conf/cloister-sessions.service $(DESTDIR)$(UNITDIR)/cloister-sessions.service
	$(INSTALL) -D -m 0755 $(B)/cloister-not-isolated $(DESTDIR)$(LIBEXECDIR)/cloister-not-isolated
	sed 's,/usr/libexec/cloister,$(LIBEXECDIR),' conf/user-manager.conf >$(B)/user-manager.conf
	$(INSTALL) -D -m 0644 $(B)/user-manager.conf $(DESTDIR)$(USER_MANAGER_CONF)
	$(INSTALL) -D -m 0644 conf/completion.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/cloister
	for page in $(notdir $(MAN)); do \
		$(INSTALL) -D -m 0644 $(B)/man/$$page $(DESTDIR)$(MANDIR)/man$${page##*.}/$$page || exit 1; done

# The configuration and users' overlays stay: they are the administrator's.
uninstall:
	rm -f $(DESTDIR)$(LIBDIR)/security/pam_cloister.so $(DESTDIR)$(PREFIX)/bin/cloister-sh $(DESTDIR)$(PREFIX)/bin/cloister \
		$(DESTDIR)$(LIBEXECDIR)/cloister-init $(DESTDIR)$(LIBEXECDIR)/cloister-image \
		$(DESTDIR)$(LIBEXECDIR)/cloister-not-isolated $(DESTDIR)$(USER_MANAGER_CONF) \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/cloister $(DESTDIR)$(UNITDIR)/cloister-sessions.service
	-rmdir $(DESTDIR)$(LIBEXECDIR) $(DESTDIR)$(dir $(USER_MANAGER_CONF)) 2>/dev/null
	for page in $(notdir $(MAN)); do rm -f $(DESTDIR)$(MANDIR)/man$${page##*.}/$$page; done

clean:
	rm -rf $(B)

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
