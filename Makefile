# The front door. Everything is built by meson and ninja below build/; nothing but `setup` needs root.
#
#   make          build                        make demo      a real crash, end to end
#                                              MODE=kdump: by a crash kernel, MODE=vmcore: all memory
#   make check    every test                   make bench     the figures, beside the peers'
#   make dev      the build to work in         make vm-shell  a shell in the test machine
#   make install enable   [DESTDIR=]           make clean
#   make uninstall        [DESTDIR=]           make dist      a tar file of the source
#   make deb, make arch   packages             make check-distro   packages, and a whole distribution

MESON ?= meson
NINJA ?= ninja
PYTHON ?= /usr/bin/python3
PREFIX ?= /usr
BUILD := build/main
CHECK := build/check
DEV := build/dev

SETUP_FLAGS := --prefix=$(PREFIX) --sysconfdir=/etc --sbindir=bin
SANITIZE := -Db_sanitize=address,undefined -Dbuildtype=debugoptimized

.PHONY: all setup demo check check-vm check-fast check-distro bench dev fuzz install vm-shell clean dist \
	deb arch enable uninstall

all: $(BUILD)/build.ninja
	$(NINJA) -C $(BUILD)

setup:
	tools/setup

$(BUILD)/build.ninja:
	$(MESON) setup $(BUILD) $(SETUP_FLAGS)

$(CHECK)/build.ninja:
	$(MESON) setup $(CHECK) $(SETUP_FLAGS) $(SANITIZE) -Dwerror=true

$(DEV)/build.ninja:
	$(MESON) setup $(DEV) $(SETUP_FLAGS) $(SANITIZE) -Dwerror=true -Dtests=true -Dreceiver=true

dev: $(DEV)/build.ninja
	$(NINJA) -C $(DEV)

demo: setup
	$(MAKE) all
	test/vm/demo $(if $(MODE),--mode=$(MODE)) $(KIND)

check: setup
	$(MAKE) all $(CHECK)/build.ninja
	$(PYTHON) test/check.py

# With every bus, file system and kernel as a crash kernel's target.
check-vm: setup
	$(MAKE) all
	KDUMP_MATRIX=1 KDUMP_STEAMOS=$(BUILD)/src/kdump-steamos $(PYTHON) -m pytest -q -p no:cacheprovider \
		test/vm/test_kdump.py test/vm/test_kdump_chain.py

# Without the virtual machines.
check-fast: setup
	$(MAKE) all $(CHECK)/build.ninja
	$(PYTHON) test/check.py --fast

# Both kinds of packages, a Debian guest in which all is typed that README says, one that is as SteamOS is,
# and other boots than theirs; FAST=1: of the first two installing, the test's crash and its report.
check-distro:
	tools/setup --distro
	$(MAKE) all
	$(PYTHON) -m pytest -q -p no:cacheprovider -n 2 --dist loadfile test/distro

deb arch:
	tools/setup --$@
	package/build $@

bench:
	tools/setup --bench
	$(MAKE) all
	bench/run
	bench/fleet
	bench/image
	bench/kdump --floor

fuzz: setup
	$(PYTHON) test/fuzz/run.py

vm-shell: setup
	$(MAKE) all
	test/vm/shell

install: all
	DESTDIR=$(DESTDIR) $(MESON) install -C $(BUILD) --no-rebuild
	@[ ! -e "$(DESTDIR)/etc/default/kdump.new" ] || \
		echo "/etc/default/kdump stays as it is; the new one is /etc/default/kdump.new"

# After install; the packages do it by themselves.
enable:
	DESTDIR=$(DESTDIR) tools/service on $(BUILD)

uninstall:
	DESTDIR=$(DESTDIR) tools/service off $(BUILD)

VERSION := $(shell sed -n "s/^  version: '\(.*\)',/\1/p" meson.build)
dist:
	mkdir -p build
	git archive --prefix=kdump-steamos-$(VERSION)/ -o build/kdump-steamos-$(VERSION).tar.gz HEAD

clean:
	rm -rf build
