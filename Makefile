# SPDX-License-Identifier: GPL-2.0
# The verbs of this repository; "make" alone lists them.

BASE ?= 6.12
export BASE

assemble := tools/assemble
uml := $(CURDIR)/build/uml-$(BASE)
tool := $(CURDIR)/build/ipvs-sync
tool_source := build/linux-$(BASE)/tools/net/ipvs-sync

# What tools/guest and tools/demo boot
export GUEST_KERNEL := $(uml)/linux
export STOCK_KERNEL := $(uml)-stock/linux

compare := $(filter-out 0,$(COMPARE))

help:
	@echo 'make demo          kill a director under live connections, see them go on'
	@echo 'make demo COMPARE=1'
	@echo '                   the same with the stock kernel beside it'
	@echo 'make experiment    24 hours of traffic, by stock and ours with several'
	@echo '                   settings: counts of master and backup, sync traffic;'
	@echo '                   HOURS=2 for fewer, RUN=ours-* for some of the runs'
	@echo 'make test          unit tests and selftests, in guests'
	@echo 'make test-debug    selftests in a guest with KASAN, lockdep and kmemleak:'
	@echo '                   DATAGRAMS=1000000 hostile ones, and all that need no'
	@echo '                   time travel'
	@echo 'make test-tool     tests of ipvs-sync, the tool'
	@echo 'make fuzz          fuzz the wire format for TIME=60 seconds'
	@echo 'make lint          all that checks sources'
	@echo 'make tree          assemble build/linux-$(BASE), a git repository'
	@echo 'make kernel        build build/uml-$(BASE)/linux from it'
	@echo 'make stock-kernel  build build/uml-$(BASE)-stock/linux, without our changes'
	@echo 'make tool          build build/ipvs-sync/ipvs-sync, which shows messages and'
	@echo '                   counters: build/ipvs-sync/ipvs-sync -h'
	@echo 'make series        write the patches for git am into build/series'
	@echo 'make clean         remove what was built, but for the tree'
	@echo 'make distclean     remove build/'
	@echo
	@echo 'BASE=6.12 is the kernel version to build on.'

demo: kernel $(if $(compare),stock-kernel)
	@$(assemble)/install guest
	@tools/demo/demo $(if $(compare),--compare)

experiment: kernel stock-kernel
	@$(assemble)/install guest experiment
	@set -f; tools/experiment/experiment $(RUN)

test: kernel stock-kernel
	@$(assemble)/install guest
	@KERNEL=$(GUEST_KERNEL) python3 tools/testing/selftests/net/ipvs_sync/run

test-debug: kernel
	@$(assemble)/install guest
	@$(assemble)/kernel debug
	@KERNEL=$(uml)-debug/linux DATAGRAMS=$(or $(DATAGRAMS),1000000) \
		python3 tools/testing/selftests/net/ipvs_sync/run -t 7200 \
		hostile lifecycle listing netlink takeover tracepoints kunit

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
	@$(assemble)/lint

tree:
	@$(assemble)/install tree
	@$(assemble)/base
	@$(assemble)/tree

kernel: tree
	@$(assemble)/install kernel
	@$(assemble)/kernel ours

# After ours: it takes over what is the same.
stock-kernel: kernel
	@$(assemble)/kernel stock

series: tree
	@$(assemble)/patches

clean:
	rm -rf build/uml-* build/linux-*/uml* build/linux-*-stock \
		build/edited-* build/series build/demo build/guest \
		build/ipvs-sync

distclean:
	rm -rf build

.PHONY: help demo experiment test test-debug test-tool fuzz tool lint tree \
	kernel stock-kernel series clean distclean
