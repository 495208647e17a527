# SPDX-License-Identifier: GPL-2.0
# The verbs of this repository; "make" alone lists them.

BASE ?= 6.12
export BASE

KVER ?= $(shell uname -r)

# All bases, for the package
bases = $(shell sed -n 's/^linux-source-\([^ ]*\).*/\1/p' $(assemble)/packages)

assemble := tools/assemble
package := tools/package
# Debian's own kernel, unless KVER says which
debian_kver := $(KVER)
ifeq ($(origin KVER),file)
debian_kver := $$($(assemble)/image which)
endif
uml := $(CURDIR)/build/uml-$(BASE)
qemu := $(CURDIR)/build/qemu-$(BASE)
selftests := python3 tools/testing/selftests/net/ipvs_sync/run
# Selftests that need no time travel
real_time := hostile keepalived lifecycle listing netlink takeover \
	     tracepoints
tool := $(CURDIR)/build/ipvs-sync
tool_source := build/linux-$(BASE)/tools/net/ipvs-sync

# What tools/guest and tools/demo boot
export GUEST_KERNEL := $(uml)/linux
export STOCK_KERNEL := $(uml)-stock/linux

compare := $(filter-out 0,$(COMPARE))
upgrade := $(filter-out 0,$(UPGRADE))
site := $(filter-out 0,$(SITE))
full := $(if $(filter-out 0,$(FULL)),--full)

help:
	@echo 'make demo          kill a director under live connections, see them go on'
	@echo 'make demo COMPARE=1'
	@echo '                   the same with the stock kernel beside it'
	@echo 'make demo DEATHS=5'
	@echo '                   ten changes of directors: five deaths, five returns'
	@echo 'make demo UPGRADE=1'
	@echo '                   a pair of stock directors is replaced one by one'
	@echo 'make experiment    24 hours of traffic, by stock and ours with several'
	@echo '                   settings: counts of master and backup, sync traffic;'
	@echo '                   HOURS=2 for fewer, RUN=ours-* for some of the runs'
	@echo 'make experiment SITE=1'
	@echo '                   a site of 12 million connections: a day in minutes, a late'
	@echo '                   backup, the death of the master; 15 GB of free memory, or'
	@echo '                   SCALE=100 for a tenth of it'
	@echo 'make bench         the cost of sync, by stock and ours in turn: packets, CPU'
	@echo '                   and latency; FULL=1 with IPv6, 12 million connections'
	@echo '                   and, by QEMU, instructions and many CPUs, too;'
	@echo '                   RUN=path-* for some of it'
	@echo 'make test          unit tests and selftests, in guests'
	@echo 'make test-debug    selftests in a guest with KASAN, lockdep and kmemleak:'
	@echo '                   DATAGRAMS=1000000 hostile ones, and all that need no'
	@echo '                   time travel'
	@echo 'make qemu-test     selftests that need no time travel in Debian'"'"'s own'
	@echo '                   kernel, by QEMU with two CPUs and our modules'
	@echo 'make stress        TIME=120 seconds of everything at once on two CPUs, by'
	@echo '                   QEMU: in a kernel with KASAN, lockdep and kmemleak, and'
	@echo '                   in one with KCSAN'
	@echo 'make test-tool     tests of ipvs-sync, the tool'
	@echo 'make fuzz          fuzz the wire format for TIME=60 seconds'
	@echo 'make lint          all that checks sources; CHECKS=builds for those checks'
	@echo '                   only whose result depends on the base'
	@echo 'make drift         what is new in base files that are replaced or edited'
	@echo '                   here, since the version that was reviewed'
	@echo 'make tree          assemble build/linux-$(BASE), a git repository'
	@echo 'make kernel        build build/uml-$(BASE)/linux from it'
	@echo 'make stock-kernel  build build/uml-$(BASE)-stock/linux, without our changes'
	@echo 'make images        unpack Debian'"'"'s own kernel into build/image-KVER,'
	@echo '                   and once more, with our modules, into its -ours'
	@echo 'make tool          build build/ipvs-sync/ipvs-sync, which shows messages and'
	@echo '                   counters: build/ipvs-sync/ipvs-sync -h'
	@echo 'make modules       build the IPVS modules for the kernel KVER, whose headers'
	@echo '                   are installed; make modules_install puts them in front'
	@echo '                   of its own, make modules_uninstall takes them away'
	@echo 'make deb           build build/ipvs-sync-dkms_VERSION_all.deb, which builds'
	@echo '                   them on a director, for each kernel that is installed'
	@echo 'make test-deb      test it in a fresh Debian 12 with kernels of BASE; as root'
	@echo 'make series        write the patches for git am into build/series'
	@echo 'make clean         remove what was built, but for the tree'
	@echo 'make distclean     remove build/'
	@echo
	@echo 'All but clean and distclean are for BASE=6.12 or, where that is said,'
	@echo "BASE=6.1: the version of Debian's linux-source to build on."
	@echo 'KVER=... is a kernel as "uname -r" says it, the running one if not'
	@echo 'given.'

demo: kernel $(if $(compare)$(upgrade),stock-kernel)
	@$(assemble)/install guest
	@tools/demo/demo

experiment: kernel stock-kernel
	@$(assemble)/install guest experiment
	@set -f; tools/experiment/$(if $(site),site,experiment) $(RUN)

bench:
	@$(assemble)/install guest bench
	@set -f; needs=$$(tools/bench/bench $(full) --needs $(RUN)) && \
		$(MAKE) --no-print-directory $$needs && \
		tools/bench/bench $(full) $(RUN)

test: kernel stock-kernel
	@$(assemble)/install guest
	@KERNEL=$(GUEST_KERNEL) $(selftests)

test-debug: kernel
	@$(assemble)/install guest
	@$(assemble)/kernel debug
	@KERNEL=$(uml)-debug/linux DATAGRAMS=$(or $(DATAGRAMS),1000000) \
		$(selftests) -t 7200 $(real_time) kunit

# Two CPUs emulated, in a kernel that is slow by itself: patience.
stress: tree
	@$(assemble)/install kernel guest qemu
	@$(assemble)/kernel qemu-debug
	@$(assemble)/kernel qemu-kcsan
	@for kernel in debug kcsan; do \
		KERNEL=$(qemu)-$$kernel/arch/x86/boot/bzImage \
		SECONDS_OF_STRESS=$(or $(TIME),120) \
		$(selftests) -t $$(($(or $(TIME),120) * 3 + 1200)) \
			-o build/stress-$$kernel stress || exit; \
	done

qemu-test: images
	@$(assemble)/install guest
	@KERNEL=build/image-$(debian_kver)-ours/vmlinuz $(selftests) -t 3600 \
		-o build/qemu-test-$(BASE) $(real_time)

fuzz: tree
	@$(assemble)/install fuzz
	@mkdir -p $(tool)
	@$(MAKE) --no-print-directory -C $(tool_source) O=$(tool) fuzz

test-tool: tool
	@$(assemble)/install guest
	@$(MAKE) --no-print-directory -C $(tool_source) O=$(tool) check

tool: tree
	@$(assemble)/install tool
	@mkdir -p $(tool)
	@$(MAKE) --no-print-directory -C $(tool_source) O=$(tool)

lint: tree
	@$(assemble)/install kernel lint
	@$(assemble)/lint $(CHECKS)

drift:
	@$(assemble)/install tree
	@$(assemble)/drift

tree:
	@$(assemble)/install tree
	@$(assemble)/base
	@$(assemble)/tree

images: tree
	@$(assemble)/install qemu modules
	@kver=$(debian_kver) && \
		$(assemble)/install linux-headers-$$kver && \
		$(assemble)/image $$kver && \
		$(MAKE) --no-print-directory modules KVER=$$kver && \
		$(package)/modules image $$kver

kernel: tree
	@$(assemble)/install kernel
	@$(assemble)/kernel ours

# After ours: it takes over what is the same.
stock-kernel: kernel
	@$(assemble)/kernel stock

modules:
	@$(assemble)/install modules
	@base=$$($(package)/modules base $(KVER)) && export BASE=$$base && \
		$(MAKE) --no-print-directory BASE=$$base tree && \
		$(package)/modules build $(KVER)

modules_install:
	@$(package)/modules install $(KVER)

modules_uninstall:
	@$(package)/modules uninstall $(KVER)

deb:
	@$(assemble)/install deb
	@for base in $(bases); do \
		$(MAKE) --no-print-directory BASE=$$base tree || exit; \
	done
	@$(package)/deb $(bases)

test-deb: deb
	@$(assemble)/install test-deb
	@$(package)/test build/ipvs-sync-dkms_*_all.deb

series: tree
	@$(assemble)/patches

clean:
	rm -rf build/uml-* build/qemu-* build/stress-* build/image-* \
		build/linux-*/uml* build/linux-*/qemu-* \
		build/linux-*-stock build/edited-* \
		build/modules-* build/deb* build/*.deb build/series \
		build/demo build/guest build/ipvs-sync

distclean:
	rm -rf build

.PHONY: help demo experiment bench test test-debug qemu-test stress test-tool \
	fuzz tool lint tree images kernel stock-kernel modules modules_install \
	modules_uninstall deb test-deb series clean distclean
